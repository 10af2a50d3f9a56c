"""How good is a score: measures, intervals, paired differences."""

from __future__ import annotations

from crm_ml.models.evaluation.intervals import Evaluation, Interval, evaluate
from crm_ml.models.evaluation.metrics import (
    auc,
    average_precision,
    brier,
    calibration_error,
    gain_table,
    lift_at_capacity,
    log_loss,
    reliability_table,
)
from crm_ml.models.evaluation.reliability import brier_skill, reliability_by, skill_interval

__all__ = [
    "Evaluation",
    "Interval",
    "auc",
    "average_precision",
    "brier",
    "brier_skill",
    "calibration_error",
    "evaluate",
    "gain_table",
    "lift_at_capacity",
    "log_loss",
    "reliability_by",
    "reliability_table",
    "skill_interval",
]
