"""Score the customers and the leads of a day with the models that serve, and publish them as one set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import crm_ml
from crm_ml import names as n
from crm_ml.actions.policy import Policy
from crm_ml.errors import CrmError, DamagedArtefact, DataError, Failure, Finding, HeldBack
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash, make_spine, sees_any, visible
from crm_ml.jobs.inputs import (
    CHURN,
    CHURN_TABLES,
    KINDS,
    LEAD_TABLES,
    LEADS,
    as_day,
    as_workspace,
    lead_tables,
    nothing_visible,
    read_inputs,
    require_kind,
)
from crm_ml.jobs.lead_scores import DayLeads
from crm_ml.jobs.lead_table import LEAD_SCHEMA
from crm_ml.jobs.lock import locked
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.publish import SetPlan, SetState, clean, publish_set, published_state, set_before
from crm_ml.jobs.score_files import SCORES
from crm_ml.jobs.score_parts import declared_beside, features_beside, score_customers
from crm_ml.jobs.score_table import (
    FILE_NAME,
    SCHEMA,
    SCHEMA_VERSION,
    Scored,
    Scoring,
    read_previous_tiers,
    write_scores,
)
from crm_ml.jobs.serving import Serving, serving_model
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.stages import measured, stage
from crm_ml.jobs.subjects import beside_of
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
    model : {"churn", "leads"}
        Whose scores `rows` and `table` are about.
    kinds : mapping of str to int
        Rows of each kind in the set.
    seconds, processor_seconds : mapping of str to float
        Seconds (wall, and of all processors together) by stage; empty where it is part of a larger job.
    """

    as_of: dt.date
    published: Path | None
    rows: int
    model_version: str
    model_kind: str
    model_sha256: str
    already_published: bool
    findings: tuple[Finding, ...] = ()
    model: str = CHURN
    kinds: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    processor_seconds: Mapping[str, float] = field(default_factory=dict)
    _table: pa.Table | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The scores, riskiest money first, or the lead that loses most by waiting."""
        table = self._table
        if table is None:
            empty = LEAD_SCHEMA if self.model == LEADS else SCHEMA
            file = SCORES[self.model].file
            table = empty.empty_table() if self.published is None else pq.read_table(self.published / file)
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def plot(self) -> Figure:
        """Return a histogram of the probabilities."""
        from crm_ml.models.explain.pictures import histogram_figure

        what, target = ("Lead scores", "won") if self.model == LEADS else ("Churn scores", CHURN)
        p = self.table[SCORES[self.model].probability].to_numpy()
        return histogram_figure(p, title=f"{what} as of {self.as_of}", target=target)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "model": self.model,
            "as_of": self.as_of.isoformat(),
            "published": None if self.published is None else str(self.published),
            "rows": self.rows,
            "kinds": dict(self.kinds),
            "model_version": self.model_version,
            "model_kind": self.model_kind,
            "model_sha256": self.model_sha256,
            "already_published": self.already_published,
            "seconds": dict(self.seconds),
            "processor_seconds": dict(self.processor_seconds),
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
    """Score every eligible customer, or open lead, at the start of a day and publish the set of that day.

    The set holds both kinds where both are mapped and have a model; the result speaks of the one asked for.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
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
    require_kind(workspace, kind)
    say = progress or (lambda _line: None)
    with measured() as stages, nullcontext() if dry_run else locked(workspace.published, f"score {kind} as of {day}"):
        if not dry_run:
            clean(workspace.published)
        say("reading tables")
        with stage("reading"):
            tables = read_inputs(workspace, only={*CHURN_TABLES, *LEAD_TABLES})
        crash_point("score.tables_read")
        scores = day_scores(workspace, tables, day, load_policy(workspace), required=kind)
        result = publish_scores(scores, kind, force=force, dry_run=dry_run, say=say)
    say(stages.line())
    return replace(result, seconds=stages.seconds, processor_seconds=stages.processor_seconds)


@dataclass(frozen=True)
class Seen:
    """The tables of a workspace at the start of a day, and the hash of what of them is visible then."""

    day: dt.date
    tables: Tables
    data_hash: str

    @cached_property
    def visible(self) -> Tables:
        """What of the tables is visible."""
        return visible(self.tables, cutoff_us(self.day, self.tables.zone))

    @cached_property
    def customers(self) -> Tables:
        """What of the table of customers is visible: all that a table of scores needs, without a copy of the orders."""
        return visible(self.tables.only([n.CUSTOMERS]), cutoff_us(self.day, self.tables.zone))


def see(tables: Tables, day: dt.date, kind: str = CHURN) -> Seen:
    """Return the tables of a kind at the start of a day.

    Raises
    ------
    DataError
        If no order is visible, or no lead.
    """
    dated = tables.known_from.get(n.LEADS, {})
    wanted, needed = (lead_tables(dated), n.LEADS) if kind == LEADS else (CHURN_TABLES, n.ORDER_LINES)
    own = tables.only(wanted)
    cutoff = cutoff_us(day, own.zone)
    if not sees_any(own, needed, cutoff):
        raise nothing_visible(day, kind)
    with stage("comparing"):
        return Seen(day, own, data_hash(own, cutoff))


class DayScores:
    """The churn scores of one day: which model and inputs they have, and, computed once and only if needed, the table.

    Parameters
    ----------
    workspace : Workspace
    seen : Seen
        The tables named in `CHURN_TABLES`, no more and no fewer: they go into the inputs.
    policy : Policy
        Its tiers are used.
    everything : bool
        Whether the rows that are kept with their features have all of them, not only those that are looked at.
    """

    kind = CHURN

    def __init__(self, workspace: Workspace, seen: Seen, policy: Policy, *, everything: bool = False) -> None:
        self.workspace, self.seen, self.policy = workspace, seen, policy
        self._wanted = replace(beside_of(policy), everything=everything)
        self.progress: Callable[[str], None] | None = None
        # the model is checked even when there is nothing to do: damage is better found today than when it is needed
        self.serving: Serving = serving_model(workspace, CHURN, seen.day)
        self.before = set_before(workspace.published, seen.day, KIND)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What the scores are made of."""
        share = self.workspace.settings.reasons.share
        return {
            "config": self.workspace.config_hash,
            "data": self.seen.data_hash,
            "model": {"version": self.serving.version, "sha256": self.serving.sha256},
            "tiers": self.policy.tiers.model_dump(mode="json"),
            # what is not said must not count
            **({} if share == 1 else {"reasons": {"share": share, "per_list": self._per_list}}),
        }

    @property
    def _per_list(self) -> int:
        """Return twice the entries of the longest list: some of those are held back."""
        managers = self.seen.tables.frames.get(n.ACCOUNT_MANAGERS)
        own = 0 if managers is None else pc.max(managers["daily_capacity"]).as_py() or 0
        return 2 * max(int(own), self.policy.daily_capacity)

    @cached_property
    def how(self) -> Scoring:
        """The loaded model and the definitions."""
        settings = self.workspace.settings
        file = None if self.before is None else self.before[1] / FILE_NAME
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
            previous=None if file is None or not file.exists() else read_previous_tiers(file),
            reasons_share=settings.reasons.share,
            per_list=self._per_list,
        )

    @cached_property
    def scored(self) -> Scored:
        """The table and what it was computed from."""
        # windows of a category of goods need the orders as they were seen
        seen = self.seen.customers if self.how.outcome.category is None else self.seen.visible
        return score_customers(self.seen.tables, seen, self.how, self._wanted, progress=self.progress)

    @cached_property
    def beside(self) -> pd.DataFrame:
        """Of each customer the features that a policy and a list look at, by id."""
        if "scored" not in self.__dict__:  # published before: the scores themselves are not needed again
            how, tables = self.how, self.seen.tables
            spine = make_spine(tables, [how.as_of], active_days=how.active_days, outcome=how.outcome)
            return features_beside(tables, spine, declared_beside(tables, how, self._wanted))
        return self.scored.beside

    @property
    def findings(self) -> list[Finding]:
        """What must be known of the scores."""
        nobody = self.scored.table.num_rows == 0
        return _nobody(self.seen.day, self.how.active_days) if nobody else []


@dataclass(frozen=True)
class DaySet:
    """The scores of one day, of customers, of leads or of both: they are published as one set.

    Attributes
    ----------
    churn : DayScores or None
    leads : DayLeads or None
    tables : Tables
        All that were read.
    left_out : tuple of Finding
        Why the scores of a kind that is mapped are not in it.
    """

    churn: DayScores | None
    leads: DayLeads | None
    tables: Tables
    left_out: tuple[Finding, ...] = ()

    @property
    def parts(self) -> dict[str, DayScores | DayLeads]:
        """The kinds that are in it."""
        found: dict[str, DayScores | DayLeads | None] = {CHURN: self.churn, LEADS: self.leads}
        return {kind: part for kind, part in found.items() if part is not None}

    @cached_property
    def plan(self) -> SetPlan:
        """What the set is made of."""
        some = next(iter(self.parts.values()))
        before = set_before(some.workspace.published, some.seen.day, KIND)
        inputs: dict[str, Any] = {} if self.churn is None else dict(self.churn.inputs)
        if self.leads is not None:
            inputs[LEADS] = self.leads.inputs
        inputs["previous"] = None if before is None else before[2].inputs_hash
        inputs["code"] = {"crm-ml": crm_ml.__version__, "schema": SCHEMA_VERSION}
        versions = {name: version(name) for name in _PACKAGES}
        return SetPlan(some.workspace.published, some.seen.day, KIND, inputs, versions)


def day_scores(workspace: Workspace, tables: Tables, day: dt.date, policy: Policy, *, required: str = "") -> DaySet:
    """Return the scores of a day of all kinds that can be scored: the required one must be, else at least one.

    A kind that is mapped, but has no model yet or one that cannot serve, is left out and said: who waits for the list
    of customers shall not do without it because of the leads.
    """
    parts: dict[str, Any] = {}
    left_out: list[Finding] = []
    held: list[CrmError] = []
    for kind in KINDS:
        needed = n.LEADS if kind == LEADS else n.ORDER_LINES
        if needed not in tables.frames:
            continue
        try:
            if kind != required:
                require_kind(workspace, kind)
            seen = see(tables, day, kind)
            parts[kind] = _leads(workspace, seen, policy) if kind == LEADS else DayScores(workspace, seen, policy)
        except (DataError, Failure, HeldBack, DamagedArtefact) as error:
            if kind == required:
                raise
            held.append(error)
            severity: Literal["info", "warning"] = "info" if error.code == "no_model" else "warning"
            left_out.append(
                Finding(severity, f"{kind}_not_scored", f"{kind} is not scored: {error.message}", error.remedy)
            )
    if not parts:
        raise held[0]
    return DaySet(parts.get(CHURN), parts.get(LEADS), tables, tuple(left_out))


def _leads(workspace: Workspace, seen: Seen, policy: Policy) -> DayLeads:
    before = set_before(workspace.published, seen.day, KIND)
    return DayLeads(workspace, seen, policy, None if before is None else before[1])


def publish_scores(scores: DaySet, kind: str, *, force: bool, dry_run: bool, say: Callable[[str], None]) -> ScoreResult:
    """Publish the scores of a day, unless they already are; the caller holds the lock of the published sets.

    The result speaks of one kind; the set holds all of them.
    """
    plan, part = scores.plan, scores.parts[kind]
    serving, day = part.serving, part.seen.day
    state = published_state(plan)
    crash_point("score.inputs_compared")
    result: dict[str, Any] = {
        "as_of": day,
        "model": kind,
        "model_version": serving.version,
        "model_kind": serving.kind,
        "model_sha256": serving.sha256,
    }
    findings = [*scores.tables.findings, *scores.left_out, *damaged_set(plan, state)]
    if not (force or dry_run) and state.intact and state.inputs_hash == plan.inputs_hash:
        rows = {name: pq.read_metadata(plan.link / SCORES[name].file).num_rows for name in scores.parts}
        return ScoreResult(
            **result,
            published=plan.link,
            rows=rows[kind],
            kinds=rows,
            already_published=True,
            findings=tuple(findings),
        )
    say("loading the model")
    for each in scores.parts.values():
        with stage("model"):
            each.how  # noqa: B018 - all models are loaded before anything is computed
    crash_point("score.model_loaded")
    say("computing features, scores and reasons")
    if scores.churn is not None:
        scores.churn.progress = say
    tables = {name: each.scored.table for name, each in scores.parts.items()}
    crash_point("score.predicted")
    findings += [finding for each in scores.parts.values() for finding in each.findings]
    rows = {name: table.num_rows for name, table in tables.items()}
    published = None
    if not dry_run:
        say(f"publishing {' + '.join(f'{many:,}' for many in rows.values())} rows")
        keep = part.workspace.settings.keep_sets
        files = {SCORES[name].file: partial(write_scores, table) for name, table in tables.items()}
        with stage("publishing"):
            published = publish_set(plan, files, keep_sets=keep)
        crash_point("score.published")
    return ScoreResult(
        **result,
        published=published,
        rows=rows[kind],
        kinds=rows,
        already_published=False,
        findings=tuple(findings),
        _table=tables[kind],
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
