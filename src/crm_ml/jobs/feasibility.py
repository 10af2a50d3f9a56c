"""What the customers, or the leads, of a workspace can show: counted before a training, measured after it."""

from __future__ import annotations

import datetime as dt

from crm_ml import names as n
from crm_ml.features import cutoff_us
from crm_ml.jobs.definition import eligible, label_of, outcomes
from crm_ml.jobs.settings import Workspace
from crm_ml.models import Training
from crm_ml.models.evaluation.feasibility import FeasibilityVerdict, feasibility, feasibility_of_evaluation
from crm_ml.tables import Tables


def before_training(workspace: Workspace, tables: Tables, day: dt.date) -> FeasibilityVerdict | None:
    """Return what a training as of a day could show, from the newest snapshot whose label window is over.

    A training is measured on up to three such snapshots, so it has at least these customers. None where orders are not
    mapped or nobody was eligible.
    """
    if n.ORDER_LINES not in tables.frames:
        return None
    churn = workspace.settings.churn
    window = label_of(churn).longest_days
    spine = eligible(tables, [day - dt.timedelta(days=window)], churn)
    if spine.empty:
        return None
    left, _ = outcomes(tables, spine, churn, known_until=cutoff_us(day, tables.zone))
    return feasibility(len(spine), int(left.sum()), window_days=window)


def after_training(training: Training) -> FeasibilityVerdict:
    """Return what the evaluation of a training has shown, and what more events would."""
    rows = training.evaluation
    return feasibility_of_evaluation(
        rows["y"].to_numpy(bool),
        rows["p"].to_numpy(float),
        rows[n.CUSTOMER_ID],
        training.metrics["auc"],
        window_days=training.model.label.longest_days,
        target=training.model.label.target,
    )
