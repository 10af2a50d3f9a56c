"""How good is a score: measures, intervals, paired differences; what it hangs on, whether it leaks, how steady it is.

The leak guard is `find_leaks`; `drop_top_features`, `shifted_time` and `adversarial_validation` fit small models to
look at a data set, `stability_over_time` and `stability_over_seeds` compare lists.
"""

from __future__ import annotations

from crm_ml.models.evaluation.contacts import RankingComparison, compare_rankings, profit_at_capacity, profit_curve
from crm_ml.models.evaluation.feasibility import FeasibilityVerdict
from crm_ml.models.evaluation.intervals import Evaluation, Interval, evaluate
from crm_ml.models.evaluation.leakage import LeakReport, find_leaks
from crm_ml.models.evaluation.metrics import (
    auc,
    average_precision,
    brier,
    brier_skill,
    calibration_error,
    gain_table,
    lift_at_capacity,
    log_loss,
    reliability_table,
)
from crm_ml.models.evaluation.probes import drop_top_features
from crm_ml.models.evaluation.profit import SaveRate, empb, empb_share, empc, empc_share
from crm_ml.models.evaluation.reliability import reliability_by, skill_interval
from crm_ml.models.evaluation.segments import Reliability, reliability_of, segments_of
from crm_ml.models.evaluation.shifts import Shift, adversarial_validation, shifted_time
from crm_ml.models.evaluation.stability import (
    compare_lists,
    stability_between,
    stability_over_seeds,
    stability_over_time,
)

__all__ = [
    "Evaluation",
    "FeasibilityVerdict",
    "Interval",
    "LeakReport",
    "RankingComparison",
    "Reliability",
    "SaveRate",
    "Shift",
    "adversarial_validation",
    "auc",
    "average_precision",
    "brier",
    "brier_skill",
    "calibration_error",
    "compare_lists",
    "compare_rankings",
    "drop_top_features",
    "empb",
    "empb_share",
    "empc",
    "empc_share",
    "evaluate",
    "find_leaks",
    "gain_table",
    "lift_at_capacity",
    "log_loss",
    "profit_at_capacity",
    "profit_curve",
    "reliability_by",
    "reliability_of",
    "reliability_table",
    "segments_of",
    "shifted_time",
    "skill_interval",
    "stability_between",
    "stability_over_seeds",
    "stability_over_time",
]
