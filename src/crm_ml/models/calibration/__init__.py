"""From log-odds to a probability that keeps its word, fitted and chosen on rolling out-of-time predictions."""

from __future__ import annotations

from crm_ml.models.calibration.choice import Choice, Trial, calibrate, choose_calibration
from crm_ml.models.calibration.curves import MIN_SLOPE, BetaCurve, Curve, IsotonicCurve, Line, sigmoid
from crm_ml.models.calibration.fit import anchored, fit_beta, fit_calibration, fit_isotonic
from crm_ml.models.calibration.fitted import CLIP, Calibration, season_terms
from crm_ml.models.calibration.levels import LEVELS, SEASON_DAYS
from crm_ml.models.calibration.stored import calibration_from_json

__all__ = [
    "CLIP",
    "LEVELS",
    "MIN_SLOPE",
    "SEASON_DAYS",
    "BetaCurve",
    "Calibration",
    "Choice",
    "Curve",
    "IsotonicCurve",
    "Line",
    "Trial",
    "anchored",
    "calibrate",
    "calibration_from_json",
    "choose_calibration",
    "fit_beta",
    "fit_calibration",
    "fit_isotonic",
    "season_terms",
    "sigmoid",
]
