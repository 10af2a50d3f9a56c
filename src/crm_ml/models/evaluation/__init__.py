"""How good is a score: measures, intervals, paired differences."""

from __future__ import annotations

from crm_ml.models.evaluation.contacts import RankingComparison, compare_rankings, profit_at_capacity, profit_curve
from crm_ml.models.evaluation.feasibility import FeasibilityVerdict
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
from crm_ml.models.evaluation.profit import SaveRate, empb, empb_share, empc, empc_share

__all__ = [
    "Evaluation",
    "FeasibilityVerdict",
    "Interval",
    "RankingComparison",
    "SaveRate",
    "auc",
    "average_precision",
    "brier",
    "calibration_error",
    "compare_rankings",
    "empb",
    "empb_share",
    "empc",
    "empc_share",
    "evaluate",
    "gain_table",
    "lift_at_capacity",
    "log_loss",
    "profit_at_capacity",
    "profit_curve",
    "reliability_table",
]
