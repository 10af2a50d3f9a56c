"""Score the customers of a day with the model that serves, and publish the set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import crm_ml
from crm_ml import names as n
from crm_ml.actions.policy import Policy
from crm_ml.errors import Finding
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash, visible
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, as_day, as_workspace, nothing_visible, read_inputs, require_churn
from crm_ml.jobs.lock import locked
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.publish import SetPlan, SetState, clean, publish_set, published_state, set_before
from crm_ml.jobs.score_table import (
    FILE_NAME,
    SCHEMA,
    SCHEMA_VERSION,
    Scored,
    Scoring,
    customer_features,
    read_previous_tiers,
    score_customers,
    write_scores,
)
from crm_ml.jobs.serving import Serving, serving_model
from crm_ml.jobs.settings import Workspace
from crm_ml.tables import Tables

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
        if not dry_run:
            clean(workspace.published)
        say("reading tables")
        seen = see(read_inputs(workspace, only=CHURN_TABLES), day)
        crash_point("score.tables_read")
        return publish_scores(DayScores(workspace, seen, load_policy(workspace)), force=force, dry_run=dry_run, say=say)


@dataclass(frozen=True)
class Seen:
    """The tables of a workspace and what of them is visible at the start of a day."""

    day: dt.date
    tables: Tables
    visible: Tables
    data_hash: str


def see(tables: Tables, day: dt.date) -> Seen:
    """Return what is visible at the start of a day.

    Raises
    ------
    DataError
        If no order is.
    """
    cutoff = cutoff_us(day, tables.zone)
    seen = visible(tables, cutoff)
    if seen.frames[n.ORDER_LINES].num_rows == 0:
        raise nothing_visible(day)
    return Seen(day, tables, seen, data_hash(tables, cutoff))


class DayScores:
    """The scores of one day: which model and inputs they have, and, computed once and only if needed, the table.

    Parameters
    ----------
    workspace : Workspace
    seen : Seen
        The tables named in `CHURN_TABLES`, no more and no fewer: they go into the inputs.
    policy : Policy
        Its tiers are used.
    """

    def __init__(self, workspace: Workspace, seen: Seen, policy: Policy) -> None:
        self.workspace, self.seen, self.policy = workspace, seen, policy
        # the model is checked even when there is nothing to do: damage is better found today than when it is needed
        self.serving: Serving = serving_model(workspace, CHURN, seen.day)
        self.before = set_before(workspace.published, seen.day, KIND)

    @cached_property
    def plan(self) -> SetPlan:
        """What the set is made of."""
        inputs = {
            "config": self.workspace.config_hash,
            "data": self.seen.data_hash,
            "model": {"version": self.serving.version, "sha256": self.serving.sha256},
            "tiers": self.policy.tiers.model_dump(mode="json"),
            "previous": None if self.before is None else self.before[2].inputs_hash,
            "code": {"crm-ml": crm_ml.__version__, "schema": SCHEMA_VERSION},
        }
        versions = {name: version(name) for name in _PACKAGES}
        return SetPlan(self.workspace.published, self.seen.day, KIND, inputs, versions)

    @cached_property
    def how(self) -> Scoring:
        """The loaded model and the definitions."""
        settings = self.workspace.settings
        return Scoring(
            as_of=self.seen.day,
            active_days=settings.churn.active_days,
            horizon_days=settings.churn.horizon_days,
            outcome=settings.churn.outcome,
            margin_rate=settings.margin_rate,
            model=self.serving.load(self.workspace),
            model_version=self.serving.version,
            model_sha256=self.serving.sha256,
            tiers=self.policy.tiers,
            previous=None if self.before is None else read_previous_tiers(self.before[1] / FILE_NAME),
        )

    @cached_property
    def features(self) -> pd.DataFrame:
        """Features of the eligible customers."""
        return customer_features(self.seen.tables, self.how)

    @cached_property
    def scored(self) -> Scored:
        """Features, contributions and the table."""
        return score_customers(self.features, self.seen.visible, self.how)


def publish_scores(scores: DayScores, *, force: bool, dry_run: bool, say: Callable[[str], None]) -> ScoreResult:
    """Publish the scores of a day, unless they already are; the caller holds the lock of the published sets."""
    plan, serving, day = scores.plan, scores.serving, scores.seen.day
    state = published_state(plan)
    crash_point("score.inputs_compared")
    result: dict[str, Any] = {
        "as_of": day,
        "model_version": serving.version,
        "model_kind": serving.kind,
        "model_sha256": serving.sha256,
    }
    findings = [*scores.seen.tables.findings, *damaged_set(plan, state)]
    if not (force or dry_run) and state.intact and state.inputs_hash == plan.inputs_hash:
        return ScoreResult(
            **result, published=plan.link, rows=state.rows, already_published=True, findings=tuple(findings)
        )
    say("loading the model")
    active_days = scores.how.active_days
    crash_point("score.model_loaded")
    say("computing features, scores and reasons")
    table = scores.scored.table
    crash_point("score.predicted")
    findings += _nobody(day, active_days) if table.num_rows == 0 else []
    published = None
    if not dry_run:
        say(f"publishing {table.num_rows} rows")
        keep = scores.workspace.settings.keep_sets
        published = publish_set(plan, {FILE_NAME: lambda path: write_scores(table, path)}, keep_sets=keep)
        crash_point("score.published")
    return ScoreResult(
        **result,
        published=published,
        rows=table.num_rows,
        already_published=False,
        findings=tuple(findings),
        _table=table,
    )


def damaged_set(plan: SetPlan, state: SetState) -> list[Finding]:
    """Return a warning where what the link of a plan shows is damaged."""
    if not state.fault:
        return []
    message = f"what was published for {plan.as_of} is damaged: {state.fault}"
    return [Finding("warning", "damaged_publication", message, "It is built again and switched.")]


def _nobody(day: dt.date, active_days: int) -> list[Finding]:
    message = f"no customer is eligible as of {day}: nobody who may be scored bought in the {active_days} days before"
    return [
        Finding("warning", "no_eligible_customer", message, "Check the day and `churn.active_days`.", n.ORDER_LINES)
    ]
