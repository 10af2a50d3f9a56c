"""One training of a backtest, in this process or in one of its own.

A process of its own is started by its module's name (``python -m``), not by copying or importing the caller: so it
works from a script, a notebook and the command line alike, with threads running and without. It reads and writes the
work folder only, says how far it is on standard output, and ends when standard input does: its parent was killed.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from crm_ml.costs import Meter, Stages, peak_memory_mb
from crm_ml.errors import CrmError, HeldBack
from crm_ml.faults import crash_point
from crm_ml.features.outcome import Outcome as ChurnOutcome
from crm_ml.jobs.backtest_work import SCHEMA, TOLD, Outcome, Task, predictions_of, read_task, store_outcome
from crm_ml.models import Trained, TrainingPlan, train_every
from crm_ml.models.candidates import Extras, added_candidates
from crm_ml.models.evaluation.backtest_rows import Choice
from crm_ml.models.kinds import half_life_of, own_of, rules_of
from crm_ml.models.points import PointScheme
from crm_ml.models.terms import terms_of

Say = Callable[[str, float], None]


def train_cutoff(work: Path, cutoff: dt.date, *, threads: int, say: Say) -> None:
    """Train as of a cutoff, score its customers with everything that was trained, and keep that in the work folder.

    A training that is held back is an outcome too: it is kept, so that it is not tried again.
    """
    meter = Meter(time.perf_counter, time.process_time, peak_memory_mb)
    with meter.stages.stage("read"):
        task = read_task(work, cutoff)
        crash_point("backtest.task_read")
        try:
            trained = _train(task, cutoff, threads, say, meter.stages)
        except HeldBack as held:
            facts = {"held_back": {"code": held.code, "message": held.message, "remedy": held.remedy}}
            outcome = Outcome(cutoff, None, SCHEMA.empty_table(), facts)
        else:
            meter.stages.now("score")
            outcome = _outcome(task, cutoff, trained)
    crash_point("backtest.cutoff_trained")
    store_outcome(work, replace(outcome, cost=meter.cost()))
    crash_point("backtest.cutoff_stored")


def _train(task: Task, cutoff: dt.date, threads: int, say: Say, stages: Stages) -> Trained:
    if len(task.scored) == 0:
        raise HeldBack(
            f"No {terms_of(task.plan['target']).one} is eligible as of {cutoff}",
            remedy="Choose another cutoff, or check who counts as eligible in crm.yaml.",
            code="no_eligible_customers",
        )
    plan, target = task.plan, task.plan["target"]
    points = None if plan["points"] is None else PointScheme.from_json(plan["points"])
    how = TrainingPlan(
        train_as_of=cutoff,
        **{name: plan[name] for name in TOLD},
        first_event=dt.date.fromisoformat(task.first_event[cutoff.isoformat()]),
        threads=threads,
        leak_allow=tuple(plan["leak_allow"]),
        outcome=ChurnOutcome.from_json(plan["outcome"]),
        extras=Extras(
            plan["directions"],
            own_of(target, added_candidates()),
            rules=rules_of(target, points),
            half_life_days=half_life_of(target),
            stages=stages,
        ),
    )
    return train_every(task.dataset, how, progress=say)


def _outcome(task: Task, cutoff: dt.date, trained: Trained) -> Outcome:
    training, frame = trained.training, task.scored.frame
    parts = [
        predictions_of(cutoff, name, task, model.margin(frame), model.predict_proba(frame))
        for name, model in trained.models.items()
    ]
    kinds = training.candidates.set_index("name")["kind"]
    candidates = tuple(name for name in trained.models if kinds[name] != "rule")
    rules = tuple(name for name in trained.models if kinds[name] == "rule")
    facts = {
        "train_rows": training.train_rows,
        "train_events": training.train_events,
        "evaluated_on": [day.isoformat() for day in training.evaluated_on],
        "snapshots": len(training.snapshots),
        "recipe": training.recipe.as_dict(),
        "metrics": {name: value.as_dict() for name, value in training.metrics.items()},
        **({"rate_jump": training.jump.as_dict()} if training.jump else {}),
    }
    choice = Choice(cutoff, trained.chosen, training.verdict, candidates, rules)
    return Outcome(cutoff, choice, pa.concat_tables(parts), facts, training.findings)


def _end_with_parent() -> None:
    # not through sys.stdin, whose lock would be held when the interpreter ends
    while os.read(0, 1):
        pass
    os._exit(1)


def main(arguments: list[str]) -> int:
    """Train as of one cutoff: work folder, day and number of threads are the arguments."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(**values: object) -> None:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()

    work, cutoff, threads = arguments
    try:
        train_cutoff(
            Path(work),
            dt.date.fromisoformat(cutoff),
            threads=int(threads),
            say=lambda what, share: tell(what=what, share=share),
        )
    except CrmError as error:
        tell(error={"message": error.message, "remedy": error.remedy, "code": error.code})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
