"""Score the customers of a day with the model that serves, and publish the set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import crm_ml
from crm_ml import names as n
from crm_ml.errors import Finding, HeldBack
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash, visible
from crm_ml.jobs import bundles, tracking
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, as_day, as_workspace, nothing_visible, read_inputs, require_churn
from crm_ml.jobs.lock import locked
from crm_ml.jobs.publish import SetPlan, SetState, clean, publish_set, published_state
from crm_ml.jobs.score_table import FILE_NAME, SCHEMA, SCHEMA_VERSION, Scoring, scores_table, write_scores
from crm_ml.jobs.settings import Workspace
from crm_ml.models.bundle import load_bundle, read_meta, trial_load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND = "scores"
_PACKAGES = ("lightgbm", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class ScoreResult:
    """What `score` published, or found published already.

    Attributes
    ----------
    as_of : date
    published : Path or None
        Folder of the set; None after a dry run.
    rows : int
    model_version, model_kind, model_sha256 : str
    already_published : bool
    findings : tuple of Finding
    """

    as_of: dt.date
    published: Path | None
    rows: int
    model_version: str
    model_kind: str
    model_sha256: str
    already_published: bool
    findings: tuple[Finding, ...] = ()
    _table: pa.Table | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The scores, riskiest money first."""
        table = self._table
        if table is None:
            table = SCHEMA.empty_table() if self.published is None else pq.read_table(self.published / FILE_NAME)
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def plot(self) -> Figure:
        """Return a histogram of the probabilities."""
        from crm_ml.models.explain.pictures import histogram_figure

        return histogram_figure(self.table["p_churn"].to_numpy(), title=f"Churn scores as of {self.as_of}")

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "as_of": self.as_of.isoformat(),
            "published": None if self.published is None else str(self.published),
            "rows": self.rows,
            "model_version": self.model_version,
            "model_kind": self.model_kind,
            "model_sha256": self.model_sha256,
            "already_published": self.already_published,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def score(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str,
    force: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ScoreResult:
    """Score every eligible customer at the start of a day and publish the set of that day.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn"}
        What to work on.
    as_of : date or ISO text
        The business day; nothing that happened or became known on it or later is used.
    force : bool
        Build the set again even if it is published already.
    dry_run : bool
        Compute, but publish nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    ScoreResult

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at `as_of`.
    Failure
        No model serves yet, or the disk refuses.
    HeldBack
        The model was trained as of a later day, or for another label.
    DamagedArtefact
        The model's files are not exactly those that were registered.
    Locked
        Another run publishes.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_churn(workspace, kind)
    say = progress or (lambda _line: None)
    with nullcontext() if dry_run else locked(workspace.published, f"score {kind} as of {day}"):
        return _score(workspace, day, force=force, dry_run=dry_run, say=say)


def _score(
    workspace: Workspace, day: dt.date, *, force: bool, dry_run: bool, say: Callable[[str], None]
) -> ScoreResult:
    settings = workspace.settings
    if not dry_run:
        clean(workspace.published)
    say("reading tables")
    tables = read_inputs(workspace, only=CHURN_TABLES)
    crash_point("score.tables_read")
    cutoff = cutoff_us(day, settings.timezone)
    seen = visible(tables, cutoff)
    if seen.frames[n.ORDER_LINES].num_rows == 0:
        raise nothing_visible(day)
    say("asking for the model that serves")
    serving = tracking.champion(workspace, CHURN)
    crash_point("score.champion_found")
    # the model is checked even when there is nothing to do: damage is better found today than on the day it is needed
    folder = tracking.fetch_bundle(workspace, serving)
    meta = read_meta(folder, sha256=serving.sha256)
    crash_point("score.bundle_ready")
    _refuse_later(dt.date.fromisoformat(meta["train_as_of"]), day)
    _refuse_other_label(workspace, meta["label"])
    plan = _plan(workspace, day, serving, data_hash(tables, cutoff))
    state = published_state(plan)
    crash_point("score.inputs_compared")
    result: dict[str, Any] = {
        "as_of": day,
        "model_version": serving.version,
        "model_kind": meta["model_kind"],
        "model_sha256": serving.sha256,
    }
    findings = [*tables.findings, *_damaged_set(plan, state)]
    if not (force or dry_run) and state.intact and state.inputs_hash == plan.inputs_hash:
        return ScoreResult(
            **result, published=plan.link, rows=state.rows, already_published=True, findings=tuple(findings)
        )
    say("loading the model")
    bundles.tried(tracking.bundle_store(workspace), serving.sha256, lambda: trial_load(folder, sha256=serving.sha256))
    model = load_bundle(folder, sha256=serving.sha256, trial=False)
    crash_point("score.model_loaded")
    say("computing features and scores")
    how = Scoring(
        day,
        settings.churn.active_days,
        settings.churn.horizon_days,
        settings.margin_rate,
        model,
        meta["model_kind"],
        serving.version,
        serving.sha256,
    )
    table = scores_table(tables, seen, how)
    crash_point("score.predicted")
    findings += _nobody(day, settings.churn.active_days) if table.num_rows == 0 else []
    published = None
    if not dry_run:
        say(f"publishing {table.num_rows} rows")
        published = publish_set(plan, {FILE_NAME: lambda path: write_scores(table, path)}, keep_sets=settings.keep_sets)
        crash_point("score.published")
    return ScoreResult(
        **result,
        published=published,
        rows=table.num_rows,
        already_published=False,
        findings=tuple(findings),
        _table=table,
    )


def _plan(workspace: Workspace, day: dt.date, serving: tracking.ServingVersion, data: str) -> SetPlan:
    inputs = {
        "config": workspace.config_hash,
        "data": data,
        "model": {"version": serving.version, "sha256": serving.sha256},
        "code": {"crm-ml": crm_ml.__version__, "schema": SCHEMA_VERSION},
    }
    return SetPlan(workspace.published, day, KIND, inputs, {name: version(name) for name in _PACKAGES})


def _refuse_later(trained: dt.date, day: dt.date) -> None:
    if trained > day:
        raise HeldBack(
            f"The model that serves was trained as of {trained}, so it knows what happened after {day}",
            remedy=f"Score {trained} or a later day, or train as of {day} or earlier in a workspace of its own.",
            code="model_from_the_future",
        )


def _refuse_other_label(workspace: Workspace, label: Mapping[str, Any]) -> None:
    churn = workspace.settings.churn
    for key, wanted in (("gap_days", churn.gap_days), ("horizon_days", churn.horizon_days)):
        if label[key] != wanted:
            raise HeldBack(
                f"The model that serves was trained with {key} {label[key]}, and crm.yaml says {wanted}",
                remedy="Train again with the new definition, or restore the old one.",
                code="other_label",
            )


def _damaged_set(plan: SetPlan, state: SetState) -> list[Finding]:
    if not state.fault:
        return []
    message = f"what was published for {plan.as_of} is damaged: {state.fault}"
    return [Finding("warning", "damaged_publication", message, "It is built again and switched.")]


def _nobody(day: dt.date, active_days: int) -> list[Finding]:
    message = f"no customer is eligible as of {day}: nobody who may be scored bought in the {active_days} days before"
    return [
        Finding("warning", "no_eligible_customer", message, "Check the day and `churn.active_days`.", n.ORDER_LINES)
    ]
