"""Backtest: train as of past days with what was known then, judge by what happened, and publish the verdict."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import crm_ml
from crm_ml.costs import Meter, peak_memory_mb
from crm_ml.errors import DataError, Failure, Finding, HeldBack, UsageError
from crm_ml.faults import crash_point
from crm_ml.features import cutoff_us, data_hash
from crm_ml.jobs import tracking
from crm_ml.jobs.assumptions import Room, room_for
from crm_ml.jobs.backtest_page import page_html
from crm_ml.jobs.backtest_processes import train_cutoffs
from crm_ml.jobs.backtest_record import backtest_record
from crm_ml.jobs.backtest_result import (
    PAGE,
    PREDICTIONS,
    SUMMARY,
    BacktestCost,
    BacktestResult,
    Money,
    no_money,
    result_of,
    summary_bytes,
    told_findings,
)
from crm_ml.jobs.backtest_work import Outcome, as_frame, prepare, snapshots_of, stored_outcome, write_predictions
from crm_ml.jobs.files import (
    TEMPORARY,
    disk_errors,
    make_folder,
    remove_leftovers,
    replace_file,
    sync_folder,
    temporary_folder,
)
from crm_ml.jobs.inputs import CHURN, as_day, as_workspace, read_inputs, require_kind
from crm_ml.jobs.lock import locked
from crm_ml.jobs.problem import Problem, problem_of
from crm_ml.jobs.publish import SetPlan, SetState, inspect_set, write_set
from crm_ml.jobs.score_files import BACKTESTS, backtest_folder
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.models import rolling_cutoffs
from crm_ml.models.candidates import added_candidates
from crm_ml.models.evaluation.backtest import judge
from crm_ml.models.evaluation.backtest_money import Terms, judge_money
from crm_ml.models.evaluation.backtest_rows import Choice
from crm_ml.tables import Tables

SCHEMA_VERSION = 3
"""Raised whenever the same inputs give other numbers or files than before."""
FEWEST = 4
"""So many cutoffs a backtest should have: fewer can all lie in one odd season."""
_WORK = ".work-"
_KEPT_WORK = 2
_PACKAGES = ("lightgbm", "numpy", "pandas", "scikit-learn")


def backtest(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str,
    cutoffs: Sequence[dt.date | str] | None = None,
    n: int = FEWEST,
    workers: int = 2,
    force: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> BacktestResult:
    """Train as of several past days, score the customers of each with everything that was tried, and judge it all.

    Each cutoff is a whole training as of that day: it sees the snapshots whose label windows ended by then, with
    labels as known then, and chooses, tunes and calibrates inside them. Every candidate and rule is then refitted as
    the chosen one is, scores the customers eligible at the cutoff, and is judged by the label window that followed.
    ``champion`` is what that training would have served.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    as_of : date or ISO text
        The day at which it looks back; nothing that happened or became known on it or later is used.
    cutoffs : sequence of date or ISO text, optional
        The days to train at. Default: `n` days, a horizon apart where the history allows it, the newest being the
        newest whose label window has ended at `as_of`.
    n : int
        How many days where none are given.
    workers : int
        At most so many trainings at a time, each in a process of its own; never changes a number. With own candidates
        (`add_candidate`) all happens in this process.
    force : bool
        Do it again even if it is published already.
    dry_run : bool
        Compute, but keep nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    BacktestResult

    Raises
    ------
    UsageError
        A given cutoff cannot be judged at `as_of` yet, or `n` or `workers` is below 1.
    DataError
        The data contract is broken, or nothing is visible at `as_of`.
    HeldBack
        No cutoff leaves enough to train on; the message says what is missing.
    Failure
        A training's process was killed, or the disk refuses.
    Locked
        Another backtest runs in this workspace.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_kind(workspace, kind)
    problem = problem_of(workspace, kind)
    if min(n, workers) < 1:
        raise UsageError(f"n and workers must be at least 1; found {n} and {workers}")
    if added_candidates():
        workers = 1  # own candidates live in this process alone
    given = None if cutoffs is None else sorted({as_day(cutoff) for cutoff in cutoffs})
    say = progress or (lambda _line: None)
    meter = Meter(time.perf_counter, _processor_seconds, peak_memory_mb)
    with _room(workspace, kind, day, dry_run) as room, meter.stages.stage("read"):
        say("reading tables")
        tables = read_inputs(workspace, only=problem.tables)
        days = _cutoffs(problem, tables, day, given, n)
        # what a call or an offer brings is assumed of customers only
        assumed, said = room_for(workspace, tables, days) if kind == CHURN else (None, [])
        plan = _plan(problem, tables, day, days, room, assumed)
        job = _Job(problem, tables, plan, days, workers, dry_run, say, assumed, said, meter)
        state = inspect_set(job.target)
        if state.intact and not force:
            if job.work.exists():  # of a run that was killed after it had published
                shutil.rmtree(job.work, ignore_errors=True)
                crash_point("backtest.work_removed")
            return job.log(replace(_read(job.target), published=job.target, already_published=True))
        return job.run(state)


def _processor_seconds() -> float:
    """Return the processor time of this process and of those it started that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


@contextmanager
def _room(workspace: Workspace, kind: str, day: dt.date, dry_run: bool) -> Iterator[Path]:
    """Give the folder of the backtests, locked and free of what dead runs left; for a dry run one that goes away."""
    if dry_run:
        with TemporaryDirectory(prefix="crm-ml-") as name:
            yield Path(name)
        return
    room = inside(workspace.root, backtest_folder(kind))
    with locked(room, f"backtest {kind} as of {day}"):
        remove_leftovers(room, *room.glob(f"{_WORK}*"))
        yield room


def _cutoffs(
    problem: Problem, tables: Tables, as_of: dt.date, given: Sequence[dt.date] | None, n: int
) -> list[dt.date]:
    calendar, first = problem.calendar, problem.first_day(tables, as_of)
    if not given:
        if given is not None:
            raise UsageError("cutoffs must name at least one day", remedy="Leave them out for the default.")
        return sorted(rolling_cutoffs(as_of, n, calendar=calendar, first_event=first))
    newest = as_of - dt.timedelta(days=calendar.label_days)
    late = [str(cutoff) for cutoff in given if cutoff > newest]
    if late:
        raise UsageError(
            f"The label window of a cutoff ({calendar.label_days} days) must have ended at {as_of}; that of "
            f"{', '.join(late[:5])} has not",
            remedy=f"Name days up to {newest}, or a later --as-of.",
            code="immature_cutoff",
        )
    return list(given)


def _plan(
    problem: Problem,
    tables: Tables,
    day: dt.date,
    cutoffs: Sequence[dt.date],
    room: Path,
    assumed: Room | None,
) -> SetPlan:
    workspace = problem.workspace
    definition = workspace.settings.churn if problem.kind == CHURN else workspace.settings.leads
    declared = "\n".join(sorted(repr(feature) for feature in problem.choice.chosen()))
    versions = {name: version(name) for name in _PACKAGES}
    inputs = {
        "config": problem.config_hash,
        "language": workspace.settings.language,
        "data": data_hash(tables, cutoff_us(day, tables.zone)),
        "cutoffs": [cutoff.isoformat() for cutoff in cutoffs],
        "snapshots": definition.snapshots.model_dump(),
        "features": hashlib.sha256(declared.encode()).hexdigest(),
        "money": None if assumed is None else {**asdict(assumed), "currency": workspace.settings.currency},
        "own_candidates": [f"{own.name} {own.estimator!r} {own.features} {own.at_least}" for own in added_candidates()],
        "code": {"crm-ml": crm_ml.__version__, "schema": SCHEMA_VERSION, **versions},
    }
    return SetPlan(room, day, f"backtest-{problem.kind}", inputs, versions)


class _Job:
    """One backtest under way."""

    def __init__(
        self,
        problem: Problem,
        tables: Tables,
        plan: SetPlan,
        cutoffs: Sequence[dt.date],
        workers: int,
        dry_run: bool,
        say: Callable[[str], None],
        assumed: Room | None,
        said: Sequence[Finding],
        meter: Meter,
    ) -> None:
        self.problem, self.workspace = problem, problem.workspace
        self.tables, self.plan, self.cutoffs = tables, plan, cutoffs
        self.workers, self.dry_run, self.say = workers, dry_run, say
        self.assumed, self.said, self.meter = assumed, said, meter
        self.room = plan.published
        stem = plan.inputs_hash[:12]
        self.target, self.work = self.room / f"{plan.as_of}-{stem}", self.room / f"{_WORK}{stem}"

    def run(self, state: SetState) -> BacktestResult:
        """Train what is not trained yet, judge, and publish."""
        with disk_errors(self.room):
            make_folder(self.work)
        outcomes = self._outcomes()
        self.say("judging")
        self.meter.stages.now("judge")
        result, table = self._judge(outcomes, state)
        crash_point("backtest.judged")
        if self.dry_run:
            return replace(result, cost=self._cost(outcomes))
        self.meter.stages.now("publish")
        published = self._publish(result, table)
        logged = self.log(replace(result, published=published, cost=self._cost(outcomes)))
        return replace(logged, cost=self._cost(outcomes))

    def _cost(self, outcomes: Sequence[Outcome]) -> BacktestCost:
        trainings = {each.cutoff.isoformat(): each.cost for each in outcomes if each.cost is not None}
        return BacktestCost(self.meter.cost(), trainings)

    def _outcomes(self) -> list[Outcome]:
        """Return what each cutoff came to, from the work folder where it is there."""
        able, held = self._able()
        done = {cutoff: outcome for cutoff in able if (outcome := stored_outcome(self.work, cutoff)) is not None}
        if done:
            self.say(f"{len(done)} of {len(able)} cutoffs were finished by an earlier run and are taken from there")
        left = [cutoff for cutoff in able if cutoff not in done]
        if left:
            self.say(f"building features and labels for {len(able)} cutoffs")
            self.meter.stages.now("features")
            with disk_errors(self.work):
                prepare(self.work, self.problem, self.tables, self.plan.as_of, able)
                self.meter.stages.now("trainings")
                train_cutoffs(self.work, left, workers=self.workers, say=self.say)
        for cutoff in left:
            outcome = stored_outcome(self.work, cutoff)
            if outcome is None:
                raise Failure(
                    f"What the training as of {cutoff} left cannot be read back",
                    remedy=f"Check the disk, remove {self.work} and run again.",
                    code="work_unreadable",
                )
            done[cutoff] = outcome
        return sorted([*done.values(), *held], key=lambda outcome: outcome.cutoff)

    def _able(self) -> tuple[list[dt.date], list[Outcome]]:
        """Return the cutoffs that have snapshots, and those that have none with the reason."""
        able, held = [], []
        for cutoff in self.cutoffs:
            try:
                snapshots_of(self.problem, self.tables, cutoff)
            except (HeldBack, DataError) as error:
                why = {"code": error.code, "message": error.message, "remedy": error.remedy}
                held.append(Outcome(cutoff, None, pa.table({}), {"held_back": why}))
            else:
                able.append(cutoff)
        return able, held

    def _judge(self, outcomes: Sequence[Outcome], state: SetState) -> tuple[BacktestResult, pa.Table]:
        trained = [outcome for outcome in outcomes if outcome.choice is not None]
        choices = tuple(outcome.choice for outcome in trained if outcome.choice is not None)
        held = [(outcome.cutoff, outcome.facts["held_back"]) for outcome in outcomes if outcome.choice is None]
        if not trained:
            day, why = held[-1]
            raise HeldBack(
                f"At least one cutoff must leave enough to train on, and {FEWEST} are wanted; none of {len(held)} "
                f"does. The newest, {day}: {why['message']}",
                remedy=why["remedy"],
                code=why["code"],
            )
        table = pa.concat_tables([outcome.predictions for outcome in trained])
        order = {name: k for k, name in enumerate(dict.fromkeys(table["name"].to_pylist()))}
        keyed = table.append_column("order", pa.array([order[name] for name in table["name"].to_pylist()]))
        table = keyed.sort_by([("cutoff", "ascending"), ("order", "ascending"), ("customer_id", "ascending")])
        table = table.drop_columns("order")
        frame = as_frame(table)
        result = BacktestResult(
            model=self.problem.kind,
            target=self.problem.label.target,
            as_of=self.plan.as_of,
            horizon_days=self.problem.label.horizon_days,
            language=self.workspace.settings.language,
            choices=choices,
            judged=judge(frame, choices),
            money=self._money(frame, choices),
            predictions=table,
            trainings={outcome.cutoff.isoformat(): outcome.facts for outcome in outcomes},
            findings=(
                *_few(len(trained)),
                *(_held(day, why) for day, why in held),
                *told_findings(trained),
                *self.said,
                *self.tables.findings,
            ),
        )
        # through its own file, so that what is returned now is what is read later
        back = result_of(json.loads(summary_bytes(result)), table)
        said = _damaged(self.target, state)
        return replace(back, findings=(*said, *back.findings)), table

    def _money(self, predictions: pd.DataFrame, choices: Sequence[Choice]) -> Money:
        currency = self.workspace.settings.currency
        if self.assumed is None:
            return Money(None, "", {}, currency, no_money())
        made = self.assumed.assumed
        days = {choice.cutoff.isoformat() for choice in choices}
        terms = Terms(made.save_rate, made.cost, {day: k for day, k in self.assumed.lists.items() if day in days})
        labels = {"de": made.label_de, "en": made.label_en}
        return Money(terms, made.action, labels, currency, judge_money(predictions, choices, terms))

    def _publish(self, result: BacktestResult, table: pa.Table) -> Path:
        self.say("publishing")
        kept = replace(result, findings=tuple(f for f in result.findings if f.code != "damaged_publication"))
        writers = {
            PREDICTIONS: lambda path: write_predictions(table, path),
            SUMMARY: lambda path: _text(path, summary_bytes(kept)),
            PAGE: lambda path: _text(path, page_html(kept).encode()),
        }
        with disk_errors(self.room), temporary_folder(self.room) as folder:
            write_set(self.plan, writers, folder)
            if os.path.lexists(self.target):
                gone = self.room / f"{TEMPORARY}{os.getpid()}-gone"
                self.target.rename(gone)
                crash_point("backtest.old_moved")
                shutil.rmtree(gone, ignore_errors=True)
            folder.rename(self.target)
            crash_point("backtest.published")
            sync_folder(self.room)
            shutil.rmtree(self.work, ignore_errors=True)
            _prune(self.room)
        crash_point("backtest.work_removed")
        return self.target

    def log(self, result: BacktestResult) -> BacktestResult:
        """Write the run to MLflow, once; a store that does not answer is said and stops nothing."""
        if self.dry_run:
            return result
        done = self.workspace.tracking_folder / BACKTESTS / self.target.name
        if done.parent.exists():
            remove_leftovers(done.parent)
        if done.exists():
            return replace(result, run_id=done.read_text(encoding="ascii").strip())
        self.say("writing the run to MLflow")
        self.meter.stages.now("record")
        try:
            with disk_errors(done.parent):
                make_folder(done.parent)
                remove_leftovers(self.workspace.tracking_folder)
            tags = {"inputs_hash": self.plan.inputs_hash, "data_hash": str(self.plan.inputs["data"])}
            where = f"{self.problem.kind}-backtests"
            run_id = tracking.log_run(self.workspace, backtest_record(result, tags), experiment=where)
            crash_point("backtest.logged")
            replace_file(done, lambda beside: _note(beside, run_id), step="backtest.run_noted")
        except Failure as error:
            message = f"the backtest is published, but its run is not in MLflow: {error.message}"
            finding = Finding("warning", "backtest_not_tracked", message, "It is tried again by the next run.")
            return replace(result, findings=(*result.findings, finding))
        return replace(result, run_id=run_id)


def _read(folder: Path) -> BacktestResult:
    return result_of(json.loads((folder / SUMMARY).read_bytes()), pq.read_table(folder / PREDICTIONS))


def _text(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    return 1


def _note(path: Path, run_id: str) -> None:
    path.write_text(f"{run_id}\n", encoding="ascii")


def _prune(room: Path) -> None:
    """Remove the work of other backtests that were never finished, but for the newest few."""
    others = sorted(room.glob(f"{_WORK}*"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    for path in others[_KEPT_WORK:]:
        shutil.rmtree(path, ignore_errors=True)


def _few(cutoffs: int) -> list[Finding]:
    if cutoffs >= FEWEST:
        return []
    message = f"at least {FEWEST} cutoffs are wanted, so that no single season decides; {cutoffs} could be judged"
    return [Finding("warning", "few_cutoffs", message, "Load older data, or backtest again later.", count=cutoffs)]


def _held(day: dt.date, why: dict[str, Any]) -> Finding:
    message = f"the training as of {day} was held back and is left out: {why['message']}"
    return Finding("warning", "cutoff_held_back", message, why["remedy"])


def _damaged(target: Path, state: SetState) -> list[Finding]:
    if not state.fault:
        return []
    message = f"what was published in {target} is damaged: {state.fault}"
    return [Finding("warning", "damaged_publication", message, "It was built again.")]
