"""The batch job of the morning: check, score, decide, write the lists; twice is once."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import crm_ml
from crm_ml import names as n
from crm_ml.actions.lists import Entries, Gathering, ListContext, ListHead, Notice, list_files
from crm_ml.actions.lists.files import customers_beside, join_tables, lead_list_files, leads_beside, tables_of
from crm_ml.actions.lists.speaking import LEAD
from crm_ml.actions.lists.tables_out import actions_table
from crm_ml.actions.policy import Policy, decide
from crm_ml.errors import Failure, Finding
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash
from crm_ml.jobs import tracking
from crm_ml.jobs.action_store import open_store
from crm_ml.jobs.check import crowded_tiers
from crm_ml.jobs.day_record import day_record, lead_day_record
from crm_ml.jobs.files import disk_errors, make_folder, replace_file
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, LEAD_TABLES, LEADS, as_day, as_workspace, read_inputs, require_kind
from crm_ml.jobs.lead_lists import lead_entries
from crm_ml.jobs.lead_scores import DayLeads
from crm_ml.jobs.lock import locked
from crm_ml.jobs.policy_file import checked_policy, load_lead_policy
from crm_ml.jobs.publish import SetPlan, Writer, clean, publish_set, published_state, set_before
from crm_ml.jobs.score import DayScores, DaySet, ScoreResult, damaged_set, day_scores, publish_scores
from crm_ml.jobs.score_files import SCORES
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.stages import measured, stage
from crm_ml.jobs.subjects import CUSTOMER, DaySubjects, managers_frame, nameable
from crm_ml.strict import canonical_json
from crm_ml.tables import Tables

KIND = "lists"
ACTIONS_FILE = "actions.parquet"
LIST_SCHEMA_VERSION = 2
"""Raised whenever the same inputs give other lists than before."""
_SUBJECTS_AT_ONCE = 65_536
_PACKAGES = ("holidays", "jinja2", "pandas", "pyarrow", "xlsxwriter")


@dataclass(frozen=True)
class DailyResult:
    """What `run_daily` published, or found published already.

    Attributes
    ----------
    as_of : date
    scored : ScoreResult
    published : Path or None
        Folder of the lists; None after a dry run.
    rows : int
        Entries of all lists.
    already_published : bool
        Whether neither set had to be built.
    lists : dict of str to int
        List to its number of entries.
    findings : tuple of Finding
    seconds, processor_seconds : mapping of str to float
        Seconds (wall, and of all processors together) by stage.
    """

    as_of: dt.date
    scored: ScoreResult
    published: Path | None
    rows: int
    already_published: bool
    lists: dict[str, int]
    findings: tuple[Finding, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    processor_seconds: Mapping[str, float] = field(default_factory=dict)
    _actions: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """The actions of all lists."""
        return self._actions

    def plot(self) -> Any:
        """Return a histogram of the day's probabilities."""
        return self.scored.plot()

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        scored = self.scored.as_dict()
        return {
            "as_of": self.as_of.isoformat(),
            "published": None if self.published is None else str(self.published),
            "rows": self.rows,
            "model_version": self.scored.model_version,
            "model_kind": self.scored.model_kind,
            "already_published": self.already_published,
            "lists": self.lists,
            "actions": self._actions["action"].value_counts().sort_index().to_dict() if len(self._actions) else {},
            "seconds": dict(self.seconds),
            "processor_seconds": dict(self.processor_seconds),
            "scores": {key: scored[key] for key in ("published", "rows", "already_published")},
            "findings": [finding.as_dict() for finding in self.findings],
        }


def run_daily(
    workspace: Workspace | str | Path,
    *,
    as_of: dt.date | str,
    force: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> DailyResult:
    """Check and score the customers of a day, decide what to do for each, and publish the scores and the lists.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        The business day; nothing that happened or became known on it or later is used, but for answers that were
        given to lists of earlier days and imported on this day.
    force : bool
        Build both sets again even if they are published already.
    dry_run : bool
        Compute, but publish nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    DailyResult

    Raises
    ------
    UsageError
        The policy or the settings have faults.
    DataError, Failure, HeldBack, DamagedArtefact, Locked
        As for `score`; the lists of the days before stay as they are.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    only_leads = n.ORDER_LINES not in workspace.settings.tables and n.LEADS in workspace.settings.tables
    require_kind(workspace, LEADS if only_leads else CHURN)
    say = progress or (lambda _line: None)
    policy, said = checked_policy(workspace)
    lead_policy = load_lead_policy(workspace)
    with measured() as stages, nullcontext() if dry_run else locked(workspace.published, f"daily as of {day}"):
        if not dry_run:
            clean(workspace.published)
        say("reading tables")
        with stage("reading"):
            tables = read_inputs(workspace, only={*CHURN_TABLES, *LEAD_TABLES, n.ACTION_LOG})
        crash_point("daily.tables_read")
        scores = day_scores(workspace, tables, day, policy)
        scored = publish_scores(scores, next(iter(scores.parts)), force=force, dry_run=dry_run, say=say)
        crash_point("daily.scores_published")
        morning = Morning(scores, policy, lead_policy, tables, scored, tuple(said))
        result = _publish_lists(morning, force=force, dry_run=dry_run, say=say)
        if not dry_run:
            with stage("records"):
                result = _log_day(scores, result, say)
    say(stages.line())
    return replace(result, seconds=stages.seconds, processor_seconds=stages.processor_seconds)


@dataclass(frozen=True)
class Morning:
    """Everything the lists of a day are made of."""

    scores: DaySet
    policy: Policy
    lead_policy: Policy
    tables: Tables
    scored: ScoreResult
    said_of_policy: tuple[Finding, ...] = ()

    @property
    def workspace(self) -> Workspace:
        """Where it happens."""
        return next(iter(self.scores.parts.values())).workspace

    @property
    def day(self) -> dt.date:
        """The business day."""
        return self.scored.as_of


def _publish_lists(morning: Morning, *, force: bool, dry_run: bool, say: Callable[[str], None]) -> DailyResult:
    workspace, day = morning.workspace, morning.day
    before = set_before(workspace.published, day, KIND)
    answers = open_store(workspace)
    plan = _plan(morning, answers.state_hash(day), None if before is None else before[2].inputs_hash)
    state = published_state(plan)
    crash_point("daily.inputs_compared")
    crowded: list[Finding] = []
    if morning.scores.churn is not None:
        crowded = list(crowded_tiers(_score_rows(morning, CHURN, ["risk_tier"])["risk_tier"].tolist(), day.isoformat()))
    found = (*morning.said_of_policy, *morning.tables.findings, *morning.scored.findings)
    findings = dict.fromkeys([*found, *damaged_set(plan, state), *crowded])
    if not (force or dry_run) and state.intact and state.inputs_hash == plan.inputs_hash:
        return _result(morning, plan.link, pq.read_table(plan.link / ACTIONS_FILE).to_pandas(), findings, done=True)
    say("deciding")
    previous = None if before is None else pq.read_table(before[1] / ACTIONS_FILE).to_pandas()
    made = _made(morning, answers.state(day), previous, crowded)
    crash_point("daily.decided")
    published = None
    if not dry_run:
        say(f"publishing {len(made.heads)} lists with {made.table.num_rows} entries")
        with stage("publishing"):
            published = publish_set(plan, made.files, keep_sets=workspace.settings.keep_sets)
        crash_point("daily.lists_published")
    return _result(morning, published, made.table.to_pandas(), findings, done=False, heads=made.heads)


@dataclass(frozen=True)
class _Made:
    """What a day's lists are: their files, the actions on them, and whose they are."""

    files: Mapping[str, Writer]
    table: pa.Table
    heads: tuple[ListHead, ...]


def _made(morning: Morning, answers: pd.DataFrame, previous: pd.DataFrame | None, crowded: Sequence[Finding]) -> _Made:
    """Return the lists of customers and, beside them, those of leads."""
    files: dict[str, Writer] = {}
    tables, heads = [], dict[str, ListHead]()
    customers, leads = _customers(morning, answers, previous), _leads(morning, answers, previous)
    if customers is not None:
        assert morning.scores.churn is not None
        context = _context(morning, morning.scores.churn, crowded)
        files |= list_files(customers, context, beside=None if leads is None else leads_beside(leads))
        tables.append(actions_table(customers))
        heads |= {head.list_id: head for head in customers.heads}
    if leads is not None:
        assert morning.scores.leads is not None
        context = _lead_context(morning, morning.scores.leads)
        files |= lead_list_files(leads, context, beside=None if customers is None else customers_beside(customers))
        tables.append(actions_table(leads))
        heads = {head.list_id: head for head in leads.heads} | heads
        if customers is None:
            files |= tables_of(leads)
        else:
            join_tables(files, customers, leads)
    return _Made(files, pa.concat_tables(tables), tuple(heads[name] for name in sorted(heads)))


def _customers(morning: Morning, answers: pd.DataFrame, previous: pd.DataFrame | None) -> Entries | None:
    churn = morning.scores.churn
    if churn is None:
        return None
    before = None if previous is None else previous[previous["subject_type"] == CUSTOMER].reset_index(drop=True)
    subjects = DaySubjects(churn, _scores(morning), answers, morning.tables, morning.policy)
    gathering = Gathering(
        managers_frame(morning.tables),
        as_of=morning.day,
        default_capacity=morning.policy.daily_capacity,
        previous=before,
    )
    for begin in range(0, max(len(subjects), 1), _SUBJECTS_AT_ONCE):
        with stage("decisions"):
            some = subjects.block(begin, _SUBJECTS_AT_ONCE)
            decisions = decide(some, morning.policy, as_of=morning.day)
        with stage("lists"):
            gathering.add(some, decisions)
    with stage("lists"):
        gone = () if before is None else before["subject_id"].tolist()
        named = nameable(churn.seen.customers, gone)
        return gathering.entries(may_be_named=named, reasons_of=partial(_reasons_of, morning))


def _leads(morning: Morning, answers: pd.DataFrame, previous: pd.DataFrame | None) -> Entries | None:
    leads = morning.scores.leads
    if leads is None:
        return None
    rows = _score_rows(morning, LEADS)
    return lead_entries(leads, rows, answers, morning.tables, morning.lead_policy, previous)


def _lead_context(morning: Morning, leads: DayLeads) -> ListContext:
    settings, serving = morning.workspace.settings, leads.serving
    return ListContext(
        language=settings.language,
        currency=settings.currency,
        model_kind=serving.kind,
        model_version=serving.version,
        model_trained=serving.train_as_of,
        horizon_days=settings.leads.horizon_days,
        company=settings.company,
        target=settings.leads.target,
    )


def _result(
    morning: Morning,
    published: Path | None,
    actions: pd.DataFrame,
    findings: Iterable[Finding],
    *,
    done: bool,
    heads: Sequence[ListHead] = (),
) -> DailyResult:
    rows = {head.list_id: 0 for head in heads}
    rows |= {str(name): int(many) for name, many in actions["account_manager_id"].value_counts().items()}
    return DailyResult(
        as_of=morning.day,
        scored=morning.scored,
        published=published,
        rows=len(actions),
        already_published=done and morning.scored.already_published,
        lists=dict(sorted(rows.items())),
        findings=tuple(findings),
        _actions=actions,
    )


def _context(morning: Morning, churn: DayScores, crowded: Iterable[Finding]) -> ListContext:
    settings, serving, policy = morning.workspace.settings, churn.serving, morning.policy
    costs = "cost_amount" in morning.tables.mapped.get(n.ORDER_LINES, ())
    return ListContext(
        language=settings.language,
        currency=settings.currency,
        model_kind=serving.kind,
        model_version=serving.version,
        model_trained=serving.train_as_of,
        horizon_days=settings.churn.horizon_days,
        outcome=settings.churn.outcome,
        company=settings.company,
        value_is_revenue=settings.margin_rate == 1.0 and not costs,
        notices=tuple(_crowded_notice(finding) for finding in crowded),
        mails={name: action.mail for name, action in policy.actions.items() if action.mail is not None},
    )


def _crowded_notice(finding: Finding) -> Notice:
    german = {"high": "hohes", "medium": "mittleres"}["high" if finding.message.endswith("high") else "medium"]
    share = finding.message.split(" ")[0]
    return Notice(
        f"{share.replace('%', ' %')} aller Kunden haben zurzeit {german} Risiko: Die Stufen trennen heute wenig.",
        f"{finding.message[0].upper()}{finding.message[1:]}: the tiers tell little apart today.",
    )


def _log_day(day: DaySet, result: DailyResult, say: Callable[[str], None]) -> DailyResult:
    """Write the day's runs to MLflow, one per kind and each once; a store that does not answer stops nothing."""
    for kind, part in day.parts.items():
        finding = _log_kind(kind, part, day.plan, result, say)
        if finding is not None:
            return replace(result, findings=(*result.findings, finding))
    return result


def _log_kind(
    kind: str, part: DayScores | DayLeads, plan: SetPlan, result: DailyResult, say: Callable[[str], None]
) -> Finding | None:
    workspace = part.workspace
    if not workspace.settings.tracking.days:
        return None
    stem = f"{plan.as_of}-{plan.inputs_hash[:12]}"
    done = workspace.tracking_folder / "days" / (stem if kind == CHURN else f"{stem}-{kind}")
    if done.exists() or part.scored.table.num_rows == 0:
        return None
    say("writing the day's run to MLflow")
    try:
        record = _record(part, plan, result)
        with disk_errors(done.parent):
            make_folder(done.parent)
            run_id = tracking.log_run(workspace, record, experiment=f"{kind}-days")
            replace_file(done, lambda beside: _note(beside, run_id), step="daily.day_logged")
    except Failure as error:
        message = f"the scores of {plan.as_of} are published, but their run is not in MLflow: {error.message}"
        return Finding("warning", "day_not_tracked", message, "It is tried again by the next run for this day.")
    return None


def _record(part: DayScores | DayLeads, plan: SetPlan, result: DailyResult) -> tracking.RunRecord:
    tags = {
        "inputs_hash": plan.inputs_hash,
        "data_hash": part.seen.data_hash,
        "model_version": part.serving.version,
        "sha256": part.serving.sha256,
        "model_kind": part.serving.kind,
    }
    subject = LEAD if isinstance(part, DayLeads) else CUSTOMER
    own = result.table[result.table["subject_type"] == subject]
    counts = {f"action_{name}": float(many) for name, many in own["action"].value_counts().items()}
    metrics, day = {"list_entries": float(len(own)), **counts}, plan.as_of.isoformat()
    if isinstance(part, DayLeads):
        target = part.problem.label.target
        return lead_day_record(part.scored, as_of=day, tags=tags, metrics=metrics, target=target)
    return day_record(part.scored, as_of=day, tags=tags, metrics=metrics)


def _note(path: Path, run_id: str) -> None:
    path.write_text(f"{run_id}\n", encoding="ascii")


def _score_rows(morning: Morning, kind: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    frame: pd.DataFrame = _score_table(morning, kind, columns).to_pandas()
    return frame


def _score_table(morning: Morning, kind: str, columns: Sequence[str] | None = None) -> pa.Table:
    if morning.scored.published is None:
        table = morning.scores.parts[kind].scored.table
        return table if columns is None else table.select(list(columns))
    file = morning.scored.published / SCORES[kind].file
    return pq.read_table(file, columns=None if columns is None else list(columns))


def _scores(morning: Morning) -> pa.Table:
    """Return the scores of the customers without what is only needed of those who come on a list."""
    names = (n.CUSTOMER_ID, "account_manager_id", "p_churn", "risk_tier", "value_at_stake", "priority", "notes")
    return _score_table(morning, CHURN, names)


def _reasons_of(morning: Morning, ids: Sequence[str]) -> list[Any]:
    """Return the reasons of some customers."""
    table = _score_table(morning, CHURN, (n.CUSTOMER_ID, "reasons"))
    table = table.filter(pc.is_in(table[n.CUSTOMER_ID], pa.array(ids, pa.string())))
    found = dict(zip(table[n.CUSTOMER_ID].to_pylist(), table["reasons"].to_pylist(), strict=True))
    return [found[id] for id in ids]


def _plan(morning: Morning, answers: str, before: str | None) -> SetPlan:
    scores, workspace, tables = morning.scores, morning.workspace, morning.tables
    log = _only(tables, (n.ACTION_LOG,))
    inputs = {
        "scores": scores.plan.inputs_hash,
        "policy": morning.policy.sha256,
        **({} if scores.leads is None else {"lead_policy": morning.lead_policy.sha256}),
        "settings": workspace.settings.model_dump(mode="json", include={"language", "company"}),
        # a leave that begins or ends later is known today, though no feature may see it
        "account_managers": _table_hash(tables, n.ACCOUNT_MANAGERS),
        "action_log": data_hash(log, cutoff_us(morning.day, tables.zone)),
        "answers": answers,
        "previous": before,
        "code": {"crm-ml": crm_ml.__version__, "schema": LIST_SCHEMA_VERSION},
    }
    versions = {name: version(name) for name in _PACKAGES}
    return SetPlan(workspace.published, morning.day, KIND, inputs, versions)


def _only(tables: Tables, names: tuple[str, ...]) -> Tables:
    return tables.only(names)


def _table_hash(tables: Tables, name: str) -> str | None:
    frame = tables.frames.get(name)
    if frame is None:
        return None
    rows = sorted(canonical_json([str(value) for value in row.values()]) for row in frame.to_pylist())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
