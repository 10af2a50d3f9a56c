"""Train a model as of a day, write all of it down in MLflow, and decide whether it serves."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

import crm_ml
from crm_ml import names as n
from crm_ml.costs import Cost, Meter, peak_memory_mb
from crm_ml.errors import Finding, HeldBack, UsageError
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash
from crm_ml.jobs import tracking
from crm_ml.jobs.bundles import store_bundle
from crm_ml.jobs.contest import load_side
from crm_ml.jobs.evaluations import write_evaluation
from crm_ml.jobs.feasibility import after_training
from crm_ml.jobs.files import disk_errors, make_folder, remove_leftovers, temporary_folder
from crm_ml.jobs.inputs import CHURN, as_day, as_workspace, read_inputs, require_kind
from crm_ml.jobs.lock import locked
from crm_ml.jobs.model_card import model_card
from crm_ml.jobs.problem import Problem, problem_of
from crm_ml.jobs.promote import Ruling, enact, rule_on
from crm_ml.jobs.realised import realised_performance
from crm_ml.jobs.reliability import reliability_of_training
from crm_ml.jobs.score_table import SCHEMA_VERSION
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.jobs.training_record import Explained, explain, reliability_picture, training_record
from crm_ml.models import Dataset, Training, train_model, write_bundle
from crm_ml.models.candidates import Extras
from crm_ml.models.evaluation.segments import Reliability
from crm_ml.models.tuning import Tuning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crm_ml.models.evaluation.feasibility import FeasibilityVerdict
    from crm_ml.models.evaluation.intervals import Interval
    from crm_ml.tables import Tables

REFUSED = "refused"
_PACKAGES = ("lightgbm", "numpy", "pandas", "scikit-learn")


@dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Attributes
    ----------
    model : str
        ``churn`` or ``leads``.
    version, run_id : str
        In MLflow; empty after a dry run.
    verdict : {"champion", "challenger", "refused"}
        A champion serves from now on; a challenger is good, but a newer one serves; a refused one beats no rule.
    training : Training
        All that was measured.
    findings : tuple of Finding
    serves : bool
        Whether its bundle is what `score` uses now (a refused one only where nothing else serves).
    reliability : Reliability
        On the evaluation rows, `by_tier` of the policy and `by_segment`: mean prediction, rate and its interval.
    cost : Cost or None
        Seconds per stage, processor time, and the most memory that the process held; None if it was not measured.
    """

    model: str
    version: str
    run_id: str
    verdict: str
    training: Training
    facts: Mapping[str, str]
    most_used: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    serves: bool = False
    reliability: Reliability = field(default_factory=Reliability)
    cost: Cost | None = None

    @property
    def model_kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        return self.training.model_kind

    @property
    def metrics(self) -> Mapping[str, Interval]:
        """``auc``, ``average_precision``, ``brier``, ``brier_skill``, ``ece``, ``lift_at_capacity``, with intervals."""
        return self.training.metrics

    @cached_property
    def feasibility(self) -> FeasibilityVerdict:
        """What so few or so many customers can show: `sentence("de")`, `sentence("en")`, `table`."""
        return after_training(self.training)

    @property
    def table(self) -> pd.DataFrame:
        """The measures with their 95 % intervals, one row each."""
        rows = [{"measure": name, **value.as_dict()} for name, value in self.training.metrics.items()]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])

    @property
    def error(self) -> HeldBack | None:
        """Why it was refused, if it was."""
        if self.verdict != REFUSED:
            return None
        told = [finding for finding in self.training.findings if finding.code == REFUSED]
        message = told[0].message if told else "No candidate beats the best rule"
        after = (
            "The calibrated rule serves, and every output says so." if self.serves else "What served before still does."
        )
        return HeldBack(message, remedy=after, findings=self.findings, code=REFUSED)

    def plot(self) -> Figure:
        """Return the reliability curve of the evaluation."""
        return reliability_picture(self.training)

    def card(self) -> str:
        """Return the model card as Markdown."""
        return model_card(self.training, self.facts, self.most_used, reliability=self.reliability)

    def write_model_card(self, path: str | Path) -> None:
        """Write the model card, e.g. to ``models/churn.md``."""
        Path(path).write_text(self.card(), encoding="utf-8")

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "model": self.model,
            "as_of": self.facts["as_of"],
            "version": self.version,
            "run_id": self.run_id,
            **self.training.summary(),
            "verdict": self.verdict,
            "serves": self.serves,
            "sha256": self.facts["sha256"],
            "data_hash": self.facts["data_hash"],
            "feasibility": self.feasibility.as_dict(),
            "reliability": self.reliability.as_dict(),
            "cost": self.cost.as_dict() if self.cost else None,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def train(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str,
    dry_run: bool = False,
    trials: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train, evaluate and register a model with what was known at the start of a day.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    as_of : date or ISO text
        Nothing that happened or became known on that day or later is used.
    dry_run : bool
        Train and measure, but write nothing.
    trials : int, optional
        Trials of the search for boosting's parameters; default: ``tuning.trials`` of the kind in crm.yaml.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    TrainResult
        Also when no candidate beats the rules: then `verdict` is ``refused``.

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at `as_of`.
    HeldBack
        There is too little to learn from; the message says what is missing.
    Locked
        Another training runs in this workspace.
    Failure
        The store of models cannot be reached or written.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_kind(workspace, kind)
    problem = problem_of(workspace, kind)
    say = progress or (lambda _line: None)
    lock = nullcontext() if dry_run else locked(workspace.tracking_folder, f"train {kind} as of {day}")
    meter = Meter(time.perf_counter, time.process_time, peak_memory_mb)
    stages = meter.stages
    with lock, stages.stage("read"):
        say("reading tables")
        tables = read_inputs(workspace, only=problem.tables)
        crash_point("train.tables_read")
        say("building snapshots, features and labels")
        stages.now("rows")
        dataset, first = problem.dataset(tables, day, stages=stages)
        crash_point("train.dataset_built")
        added = replace(extras(workspace, day, kind=kind, trials=trials, keep=not dry_run), stages=stages)
        training = _with_declared(problem, _fit(problem, dataset, day, first, say, added))
        crash_point("train.fitted")
        stages.now("data_hash")
        facts = {
            "as_of": day.isoformat(),
            "data_hash": data_hash(tables, cutoff_us(day, tables.zone)),
            "config_hash": problem.config_hash,
            "schema_version": str(SCHEMA_VERSION),
            "crm_ml": crm_ml.__version__,
            **{name.replace("-", "_"): version(name) for name in _PACKAGES},
        }
        stages.now("explanation")
        evaluated = _evaluated(dataset, training)
        reliability, told = reliability_of_training(workspace, training, evaluated, kind=kind)
        findings = (*tables.findings, *training.findings, *told, after_training(training).finding())
        explained = explain(training, evaluated)
        most_used = tuple(explained.most_used)
        stages.now("bundle")
        with _bundle_folder(workspace, dry_run) as folder:
            meta = {**facts, **training.summary()}
            facts["sha256"] = write_bundle(training.model, folder, meta)
            crash_point("train.bundle_written")
            if dry_run:
                result = TrainResult(kind, "", "", training.verdict, training, facts, most_used, findings)
                return replace(result, reliability=reliability, cost=meter.cost())
            say("writing the run to MLflow")
            made = _Made(training, explained, reliability, evaluated, folder, facts, findings)
            return _keep(problem, made, tables, meter, say=say)


def _evaluated(dataset: Dataset, training: Training) -> pd.DataFrame:
    """Return the features of the rows that were evaluated on, in their order."""
    keys = [n.CUSTOMER_ID, n.AS_OF]
    of = pd.MultiIndex.from_frame(dataset.frame[keys])
    return dataset.frame[of.isin(pd.MultiIndex.from_frame(training.evaluation[keys]))]


def extras(
    workspace: Workspace, day: dt.date, *, kind: str = CHURN, trials: int | None = None, keep: bool = True
) -> Extras:
    """Return what the catalogue, this process and the settings add to a training as of a day.

    The directions of the features, the own candidates (`add_candidate`), and the search for boosting's parameters,
    whose finished trials are kept in ``mlflow/tuning/<kind>-<day>.db`` unless `keep` is off.
    """
    problem = problem_of(workspace, kind)
    asked = problem.tuning
    count = asked.trials if trials is None else trials
    if count < 0:
        raise UsageError(f"The number of trials must be at least 0; found {count}", remedy="Correct it.")
    if not count:
        return problem.extras
    storage = None
    if keep:
        folder = inside(workspace.root, "mlflow") / "tuning"
        with disk_errors(folder):
            make_folder(folder)
        storage = folder / f"{problem.kind}-{day.isoformat()}.db"
    tuning = Tuning(count, storage, asked.max_minutes, _minutes)
    return replace(problem.extras, tuning=tuning)


def _minutes() -> float:
    return time.monotonic() / 60


def _fit(
    problem: Problem, dataset: Dataset, day: dt.date, first: dt.date, say: Callable[[str], None], added: Extras
) -> Training:
    plan = problem.plan(day, first, added)
    return train_model(dataset, plan, progress=lambda what, share: say(f"training {share:4.0%}: {what}"))


def _with_declared(problem: Problem, training: Training) -> Training:
    """Return the training whose model keeps the features of the workspace that it needs."""
    declared = problem.choice.own_of(training.model.features)
    return training if not declared else replace(training, model=replace(training.model, declared=declared))


@contextmanager
def _bundle_folder(workspace: Workspace, dry_run: bool) -> Iterator[Path]:
    if dry_run:
        with TemporaryDirectory(prefix="crm-ml-") as name:
            yield Path(name)
        return
    remove_leftovers(workspace.tracking_folder)
    with temporary_folder(workspace.tracking_folder) as folder:
        yield folder


@dataclass(frozen=True)
class _Made:
    """What a training made, before anybody else knows of it."""

    training: Training
    explained: Explained
    reliability: Reliability
    evaluated: pd.DataFrame
    bundle: Path
    facts: Mapping[str, str]
    findings: tuple[Finding, ...]


def _keep(problem: Problem, made: _Made, tables: Tables, meter: Meter, *, say: Callable[[str], None]) -> TrainResult:
    """Log, register and, if it passes the gate, let the new version serve."""
    workspace, kind = problem.workspace, problem.kind
    training, facts, day = made.training, made.facts, dt.date.fromisoformat(made.facts["as_of"])
    stages, cost = meter.stages, meter.cost()
    stages.now("record")
    record = training_record(training, made.explained, made.reliability, bundle=made.bundle, facts=facts, cost=cost)
    run_id = tracking.log_run(workspace, record, experiment=kind)
    stakes = problem.stakes(made.evaluated)
    write_evaluation(workspace, run_id, training.evaluation, made.evaluated, worth=stakes)
    store = tracking.bundle_store(workspace)
    with disk_errors(store):
        store_bundle(store, made.bundle, facts["sha256"], building=workspace.tracking_folder)
    crash_point("train.bundle_stored")
    tags = {**facts, "model_kind": training.model_kind, "recipe": recipe_of(training)}
    new = tracking.ServingVersion(kind, "", facts["sha256"], run_id, day, tags)
    say("comparing with what serves")
    stages.now("gate")
    ruling = rule_on(workspace, load_side(workspace, new), day, tables=lambda: tables, newest_only=True)
    verdict = decide(training.verdict, passed=ruling.passed)
    number = tracking.register(workspace, kind, run_id, tags={**tags, "verdict": verdict})
    crash_point("train.registered")
    enact(workspace, replace(new, version=number), ruling, day)
    crash_point("train.decided")
    realised_performance(workspace, kind, as_of=day, tables=tables)
    crash_point("train.realised")
    findings = (*made.findings, *_held(kind, verdict, ruling))
    most_used = tuple(made.explained.most_used)
    result = TrainResult(kind, number, run_id, verdict, training, facts, most_used, findings, ruling.passed)
    return replace(result, reliability=made.reliability, cost=meter.cost())


def recipe_of(training: Training) -> str:
    """Return the name of the candidate or rule that was chosen."""
    table = training.candidates
    return str(table.loc[table["chosen"], "name"].iloc[0])


def _held(kind: str, verdict: str, ruling: Ruling) -> list[Finding]:
    if verdict != tracking.CHALLENGER:
        return []
    return [
        Finding(
            "warning",
            "held_by_gate",
            f"Version {ruling.before} still serves: {ruling.reason_en}",
            f"`crm-ml promote {kind} VERSION` asks again, e.g. when more outcomes are known.",
        )
    ]


def decide(verdict: str, *, passed: bool) -> str:
    """Return the verdict of a new version from that of its training and that of the gate.

    A refused one may serve where nothing else does; it is called refused all the same.

    Examples
    --------
    >>> decide("champion", passed=True), decide("champion", passed=False), decide("refused", passed=True)
    ('champion', 'challenger', 'refused')
    """
    if verdict == REFUSED:
        return REFUSED
    return tracking.CHAMPION if passed else tracking.CHALLENGER
