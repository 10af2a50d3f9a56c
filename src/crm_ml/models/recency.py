"""When it is worth trying to let recent rows weigh more."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from crm_ml.models.dataset import Dataset
from crm_ml.models.evaluation.jumps import jump_of
from crm_ml.models.plan import TrainingPlan

HALF_LIFE_DAYS: Final = 180.0
_HALF_LIVES: Final = 2


def with_recent(plan: TrainingPlan, data: Dataset) -> TrainingPlan:
    """Return the plan without the candidate that forgets, where it could hardly differ from the others.

    It is tried where the history is longer than two half-lives, or where the rate jumped. Whether it serves is decided
    by the folds, as for every candidate.

    Parameters
    ----------
    plan : TrainingPlan
        As it is told.
    data : Dataset
        The rows to fit on: those of the evaluation must not have a say in what is tried.
    """
    half_life = plan.extras.half_life_days
    if half_life is None:
        return plan
    span = (data.snapshots[0] - data.snapshots[-1]).days
    if span > _HALF_LIVES * half_life or jump_of(data) is not None:
        return plan
    return replace(plan, extras=replace(plan.extras, half_life_days=None))
