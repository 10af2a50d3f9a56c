"""How the published scores turned out, once their label windows are over."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.errors import DamagedArtefact
from crm_ml.features import cutoff_us
from crm_ml.jobs.files import make_folder, replace_file
from crm_ml.jobs.inputs import CHURN, LEADS, as_day, as_workspace, read_inputs
from crm_ml.jobs.problem import Problem, problem_of
from crm_ml.jobs.publish import MANIFEST, inspect_set
from crm_ml.jobs.score_files import SCORES
from crm_ml.jobs.settings import Workspace
from crm_ml.models.evaluation.intervals import interval
from crm_ml.models.evaluation.metrics import auc, brier, calibration_error, lift_at_capacity
from crm_ml.models.evaluation.promotion import Measure, replicates_of
from crm_ml.tables import Tables

FILES = {CHURN: "realised.parquet", LEADS: "realised-leads.parquet"}
"""In the ``mlflow`` folder."""
_P = "p"
_CAPACITY = 0.1
_Published = tuple[dt.date, pd.DataFrame]
_REPLICATES = 200
_MEASURES = ("auc", "brier", "ece", "lift")
_WHO = ("model_version", "model_kind", "model_sha256")
SCHEMA = pa.schema(
    [
        (n.AS_OF, pa.date32()),
        *((name, pa.string()) for name in _WHO),
        ("looked_at", pa.date32()),
        ("rows", pa.int64()),
        ("churned", pa.int64()),
        ("mean_p", pa.float64()),
        ("rate", pa.float64()),
        *((f"{name}{end}", pa.float64()) for name in _MEASURES for end in ("", "_low", "_high")),
    ]
)
"""Columns of ``mlflow/realised.parquet``; `churned` counts those to whom it happened."""


@dataclass(frozen=True)
class Realised:
    """How published scores turned out.

    Attributes
    ----------
    table : DataFrame
        One row per published day and model whose label window is over: `SCHEMA`, oldest day first.
    new_days : tuple of date
        Days that have become mature since the last look.
    """

    table: pd.DataFrame
    new_days: tuple[dt.date, ...]


def realised_performance(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str,
    tables: Tables | None = None,
    dry_run: bool = False,
) -> Realised:
    """Measure every published set of scores of a kind whose label window is over, once, and keep the figures.

    AUC, Brier score, calibration error and lift among the riskiest tenth, each with its 95 % interval over customers,
    per day. A day of a model that was measured before stays as it was: asking twice changes nothing.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder; unless `dry_run`, the caller holds the lock of its ``mlflow`` folder.
    kind : {"churn", "leads"}
        Whose scores.
    as_of : date or ISO text
        A label window counts if it ends at or before that day.
    tables : Tables, optional
        Read already; else they are, if there is something to measure.
    dry_run : bool
        Write nothing.

    Raises
    ------
    DamagedArtefact
        If the kept figures are not what was written.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    problem = problem_of(workspace, kind)
    path = workspace.tracking_folder / FILES[kind]
    known = _read(path)
    seen = {(str(row[n.AS_OF]), str(row["model_sha256"])) for row in known}
    sets = list(_mature_sets(problem, day, seen))
    if sets:
        given = tables or read_inputs(workspace, only=problem.tables)
        known += [_measured(problem, given, one, day) for one in sets]
        known.sort(key=lambda row: (str(row[n.AS_OF]), str(row["model_sha256"])))
    content = pa.Table.from_pylist(known, schema=SCHEMA)
    if sets and not dry_run:
        make_folder(path.parent)
        replace_file(path, lambda beside: pq.write_table(content, beside), step="realised")
    return Realised(content.to_pandas(), tuple(its_day for its_day, _ in sets))


def _read(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        table = None
    if table is None or table.schema.remove_metadata() != SCHEMA:
        raise DamagedArtefact(f"{path} is damaged", remedy="Remove it: it is measured again from the published sets.")
    return list(table.to_pylist())


def _mature_sets(problem: Problem, day: dt.date, seen: set[tuple[str, str]]) -> Iterator[_Published]:
    """Give the days, oldest first, whose scores are whole, whose label windows are over, and which are new to us."""
    last = day - dt.timedelta(days=problem.label.longest_days)
    published, where = problem.workspace.published, SCORES[problem.kind]
    base = published.resolve()
    for link in sorted(published.glob("*/scores")):
        try:
            its_day = dt.date.fromisoformat(link.parent.name)
            if its_day > last or not link.resolve().is_relative_to(base):
                continue
            inputs = json.loads((link / MANIFEST).read_bytes())["inputs"]
            made_of = inputs["model"]["sha256"] if problem.kind == CHURN else inputs[problem.kind]["model"]["sha256"]
            if (its_day.isoformat(), made_of) in seen or not inspect_set(link).intact:
                continue
            columns = [where.key, where.probability, *_WHO]
            scores = pq.read_table(link / where.file, columns=columns).to_pandas()
            scores = scores.rename(columns={where.key: n.CUSTOMER_ID, where.probability: _P})
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException):
            continue  # not ours, or pruned while we looked
        if len(scores):
            yield its_day, scores


def _measured(problem: Problem, tables: Tables, one: _Published, looked_at: dt.date) -> dict[str, object]:
    its_day, scores = one
    cutoff = cutoff_us(its_day, tables.zone)
    spine = pd.DataFrame({n.CUSTOMER_ID: scores[n.CUSTOMER_ID], n.AS_OF: its_day, "cutoff": cutoff})
    y, _ = problem.outcomes(tables, spine, known_until=cutoff_us(looked_at, tables.zone))
    # by customer, so that the order in which a set lists them changes nothing
    order = np.argsort(scores[n.CUSTOMER_ID].to_numpy(object), kind="stable")
    scores, y = scores.iloc[order], y[order]
    p = scores[_P].to_numpy(np.float64)
    measures: dict[str, Measure] = {
        "auc": partial(auc, y, p),
        "brier": partial(brier, y, p),
        "ece": partial(calibration_error, y, p),
        "lift": partial(lift_at_capacity, y, p, capacity=_CAPACITY),
    }
    drawn = replicates_of(measures, scores[n.CUSTOMER_ID].to_numpy(object), replicates=_REPLICATES)
    row: dict[str, object] = {n.AS_OF: its_day, **{name: str(scores[name].iloc[0]) for name in _WHO}}
    row |= {"looked_at": looked_at, "rows": len(y), "churned": int(y.sum()), "mean_p": float(p.mean())}
    row["rate"] = float(y.mean())
    once = np.ones((1, len(y)))
    for name, measure in measures.items():
        found = interval(float(measure(once)[0]), drawn[name])
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row
