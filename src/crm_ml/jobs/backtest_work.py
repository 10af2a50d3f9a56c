"""The work folder of a backtest: what its trainings read, and what each of them leaves, so that a killed one goes on.

``plan.json`` says what is done, ``features.parquet`` holds each row (customer, day) once, ``rows-<cutoff>.parquet``
says which of them a training sees with which label, and ``done-<cutoff>.parquet`` is what came out. Each file appears
whole or not at all, and is made from the inputs that give the folder its name: what is there need not be made again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.costs import Cost
from crm_ml.errors import Finding
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us
from crm_ml.jobs.files import replace_file
from crm_ml.jobs.problem import Problem
from crm_ml.models import Dataset, make_dataset
from crm_ml.models.evaluation.backtest_rows import COLUMNS, CUTOFF, NAME, Choice

if TYPE_CHECKING:
    from crm_ml.tables import Tables

PLAN, FEATURES = "plan.json", "features.parquet"
SCHEMA = pa.schema(
    [
        (CUTOFF, pa.date32()),
        (n.CUSTOMER_ID, pa.string()),
        (NAME, pa.string()),
        ("margin", pa.float64()),
        ("p", pa.float64()),
        ("y", pa.bool_()),
        ("value_at_stake", pa.float64()),
    ]
)
"""Columns of ``predictions.parquet``."""
_VALUE, _SCORED, _ROW, _WINDOW, _SNAPSHOT = "value_at_stake", "scored", "row", "horizon_days", "snapshot"
_KEY = ["cutoff", n.CUSTOMER_ID]
_SPINE = [n.CUSTOMER_ID, n.AS_OF, "cutoff"]
TOLD = ("gap_days", "horizon_days", "every_days", "target", "spread_days", "may_overlap")
_ABOUT = b"crm_ml"


@dataclass(frozen=True)
class Outcome:
    """What the training as of one cutoff came to.

    Attributes
    ----------
    cutoff : datetime.date
    choice : Choice or None
        None where it was held back.
    predictions : pyarrow.Table
        With `SCHEMA`; no rows where it was held back.
    facts : mapping
        JSON-ready: rows and events trained on, days evaluated on, or why it was held back.
    findings : tuple of Finding
    cost : Cost or None
        What the training took; None where there was none, or a version without costs made it.
    """

    cutoff: dt.date
    choice: Choice | None
    predictions: pa.Table
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()
    cost: Cost | None = None


def snapshots_of(problem: Problem, tables: Tables, cutoff: dt.date) -> tuple[list[dt.date], dt.date]:
    """Return the snapshots of a training as of a cutoff, and the day of the first event known then."""
    first = problem.first_day(tables, cutoff)
    return problem.calendar.snapshots(cutoff, first), first


def prepare(work: Path, problem: Problem, tables: Tables, as_of: dt.date, cutoffs: Sequence[dt.date]) -> None:
    """Write what the trainings read; files that are there already are kept.

    Features are known at their own day whatever the cutoff is, so they are built once for all. A label is what was
    known at the cutoff of its training; of the customers that are scored at a cutoff it is what is known at `as_of`.
    """
    parts = {day: (problem.training_rows(tables, day), problem.eligible(tables, [day])) for day in cutoffs}
    every = pd.concat([rows[_SPINE] for pair in parts.values() for rows in pair], ignore_index=True)
    spine = every.drop_duplicates(_KEY).sort_values(_KEY, ignore_index=True)
    places = pd.MultiIndex.from_frame(spine[_KEY])
    for cutoff, pair in parts.items():
        if (work / rows_file(cutoff)).exists():
            continue
        at = [places.get_indexer(pd.MultiIndex.from_frame(rows[_KEY])) for rows in pair]
        judged = [
            problem.outcomes(tables, rows, known_until=cutoff_us(until, tables.zone))
            for rows, until in zip(pair, (cutoff, as_of), strict=True)
        ]
        columns = {
            _ROW: pa.array(np.concatenate(at).astype(np.int64)),
            "y": pa.array(np.concatenate([y for y, _ in judged]).astype(bool)),
            _WINDOW: pa.array(np.concatenate([window for _, window in judged]).astype(np.int64)),
            _SCORED: pa.array(np.repeat([False, True], [len(rows) for rows in pair])),
            _SNAPSHOT: pa.array([day for rows in pair for day in rows.get(_SNAPSHOT, rows[n.AS_OF])], pa.date32()),
        }
        _store(pa.table(columns), work / rows_file(cutoff))
    if not (work / FEATURES).exists():
        frame = problem.features(tables, spine).drop(columns="cutoff")
        value = problem.stakes(frame)
        table = pa.Table.from_pandas(frame.drop(columns=n.AS_OF), preserve_index=False)
        table = table.append_column(n.AS_OF, pa.array(list(frame[n.AS_OF]), pa.date32()))
        _store(table.append_column(_ABOUT.decode() + "_" + _VALUE, pa.array(value)), work / FEATURES)
    crash_point("backtest.features_built")
    firsts = {cutoff.isoformat(): problem.first_day(tables, cutoff) for cutoff in cutoffs}
    how = problem.plan(as_of, min(firsts.values()), problem.extras)
    plan = {
        **{key: getattr(how, key) for key in TOLD},
        "leak_allow": list(how.leak_allow),
        "outcome": how.outcome.as_json(),
        "directions": dict(problem.directions),
        "points": None if problem.points is None else problem.points.as_json(),
        "features": list(problem.given(pq.read_schema(work / FEATURES).names)),
        "computed": sorted(problem.computed),
        "filled_later": {cutoff.isoformat(): dict(problem.filled_later(tables, cutoff)) for cutoff in cutoffs},
        "first_event": {cutoff: first.isoformat() for cutoff, first in firsts.items()},
    }
    _put(work / PLAN, json.dumps(plan, sort_keys=True).encode())


def rows_file(cutoff: dt.date) -> str:
    """Return the name of the file that says which rows a training sees."""
    return f"rows-{cutoff}.parquet"


def done_file(cutoff: dt.date) -> str:
    """Return the name of the file that a training leaves."""
    return f"done-{cutoff}.parquet"


@dataclass(frozen=True)
class Task:
    """What one training reads: its rows with their labels, and the customers that it then scores."""

    plan: Mapping[str, Any]
    dataset: Dataset
    scored: Dataset
    value_at_stake: np.ndarray

    @property
    def first_event(self) -> Mapping[str, str]:
        """Day of the first event known at each cutoff."""
        first: Mapping[str, str] = self.plan["first_event"]
        return first


def read_task(work: Path, cutoff: dt.date) -> Task:
    """Return what the training as of a cutoff reads."""
    plan = json.loads((work / PLAN).read_bytes())
    rows = pq.read_table(work / rows_file(cutoff), page_checksum_verification=True)
    at = rows[_ROW].to_numpy()
    table = pq.read_table(work / FEATURES, page_checksum_verification=True)
    frame = table.take(pa.array(at)).to_pandas()
    value = frame.pop(_ABOUT.decode() + "_" + _VALUE).to_numpy(np.float64)
    y, scored, window = (rows[name].to_numpy() for name in ("y", _SCORED, _WINDOW))
    snapshot = np.array(rows[_SNAPSHOT].to_pylist(), dtype=object)
    given = set(plan["features"])
    features = [str(name) for name in frame.columns if name in given]

    def part(mask: np.ndarray) -> Dataset:
        return make_dataset(
            frame[mask].reset_index(drop=True),
            y[mask],
            gap_days=plan["gap_days"],
            horizon_days=window[mask],
            features=features,
            snapshot=list(snapshot[mask]),
        )

    told = {name: (late, all_) for name, (late, all_) in plan["filled_later"][cutoff.isoformat()].items()}
    # who is scored stands in the order of the ids, in the spine as in a data set
    trained = replace(part(~scored), filled_later=told, computed=frozenset(plan["computed"]))
    return Task(plan, trained, part(scored), value[scored])


def store_outcome(work: Path, outcome: Outcome) -> None:
    """Keep what a training came to, in one step."""
    about = {
        "cutoff": outcome.cutoff.isoformat(),
        "choice": None if outcome.choice is None else outcome.choice.as_dict(),
        "facts": dict(outcome.facts),
        "findings": [finding.as_dict() for finding in outcome.findings],
        "cost": None if outcome.cost is None else outcome.cost.as_dict(),
    }
    text = json.dumps(about, sort_keys=True)
    _store(outcome.predictions.replace_schema_metadata({_ABOUT: text}), work / done_file(outcome.cutoff))


def stored_outcome(work: Path, cutoff: dt.date) -> Outcome | None:
    """Return what the training as of a cutoff came to, if it has ended; None too where its file is damaged."""
    path = work / done_file(cutoff)
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        about = json.loads(table.schema.metadata[_ABOUT])
        choice = None if about["choice"] is None else choice_of(about["choice"])
        findings = tuple(Finding(**finding) for finding in about["findings"])
        cost = Cost.from_dict(about["cost"]) if about.get("cost") else None
        predictions = table.replace_schema_metadata(None).cast(SCHEMA)
        return Outcome(cutoff, choice, predictions, about["facts"], findings, cost)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def choice_of(values: Mapping[str, Any]) -> Choice:
    """Return the choice from its plain values."""
    return Choice(
        dt.date.fromisoformat(values[CUTOFF]),
        values["chosen"],
        values["verdict"],
        tuple(values["candidates"]),
        tuple(values["rules"]),
    )


def predictions_of(cutoff: dt.date, name: str, task: Task, margin: np.ndarray, p: np.ndarray) -> pa.Table:
    """Return what one model says of the customers that are scored."""
    rows = len(task.scored)
    columns: dict[str, Any] = {
        CUTOFF: pa.array([cutoff] * rows, pa.date32()),
        n.CUSTOMER_ID: pa.array(task.scored.frame[n.CUSTOMER_ID].to_numpy(dtype=object), pa.string()),
        NAME: pa.array([name] * rows, pa.string()),
        "margin": pa.array(np.asarray(margin, np.float64)),
        "p": pa.array(np.asarray(p, np.float64)),
        "y": pa.array(task.scored.y),
        _VALUE: pa.array(task.value_at_stake),
    }
    return pa.Table.from_arrays([columns[column] for column in COLUMNS], schema=SCHEMA)


def write_predictions(table: pa.Table, path: Path) -> int:
    """Write predictions so that the same rows always give the same bytes; return their number."""
    pq.write_table(table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=65_536)
    return int(table.num_rows)


def _store(table: pa.Table, path: Path) -> None:
    def write(beside: Path) -> None:
        pq.write_table(table, beside, compression="zstd", write_page_checksum=True)

    replace_file(path, write, step="backtest.file")


def _put(path: Path, content: bytes) -> None:
    def write(beside: Path) -> None:
        beside.write_bytes(content)

    replace_file(path, write, step="backtest.plan")


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return predictions as a data frame."""
    frame: pd.DataFrame = table.to_pandas()
    return frame
