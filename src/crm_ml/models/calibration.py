"""From log-odds to a probability that keeps its word: a sigmoid fitted on rolling out-of-time predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import DataError
from crm_ml.models.evaluation.metrics import log_loss

FloatArray = NDArray[np.float64]
CLIP = 1e-6
MIN_SLOPE = 0.01
SEASON_DAYS = 365
# the share of the log loss that following the season must save a year ahead
SEASON_GAIN = 0.002
_SEASON_PRIOR = 20.0


def sigmoid(z: FloatArray) -> FloatArray:
    """Return ``1 / (1 + exp(-z))`` without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1e9, 0.0, 1e9])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(z, dtype=np.float64))), dtype=np.float64)


def season_terms(days: NDArray[np.datetime64], harmonics: int) -> FloatArray:
    """Return sine and cosine of the day in the year, two columns per harmonic."""
    starts = days.astype("datetime64[Y]")
    first, following = starts.astype("datetime64[D]"), (starts + np.timedelta64(1, "Y")).astype("datetime64[D]")
    share = (days.astype("datetime64[D]") - first).astype(np.float64) / (following - first).astype(np.float64)
    columns = [f(2 * np.pi * (k + 1) * share) for k in range(harmonics) for f in (np.sin, np.cos)]
    return np.column_stack(columns) if columns else np.zeros((len(days), 0))


@dataclass(frozen=True)
class Calibration:
    """``p = sigmoid(intercept + slope * margin + season)``, clipped to [1e-6, 1 - 1e-6].

    Attributes
    ----------
    intercept, slope : float
        Sigmoid on the log-odds; the slope is positive, so the ranking within a day never changes.
    season : tuple of float
        Sine and cosine coefficients of the day in the year (pairs per harmonic); empty where history is too short.

    Examples
    --------
    >>> Calibration(0.0, 1.0).probability(np.array([0.0, 1e4, -np.inf])).tolist()
    [0.5, 0.999999, 1e-06]
    """

    intercept: float
    slope: float
    season: tuple[float, ...] = ()

    def probability(self, margin: FloatArray, days: NDArray[np.datetime64] | None = None) -> FloatArray:
        """Return calibrated probabilities.

        Raises
        ------
        DataError
            If the calibration follows the season and no days are given.
        """
        z = self.intercept + self.slope * np.asarray(margin, dtype=np.float64)
        if self.season:
            if days is None:
                raise DataError(
                    "This model's calibration follows the season: the frame must have the column as_of",
                    remedy="Keep as_of in the feature table.",
                    code="missing_column",
                )
            terms = season_terms(days, len(self.season) // 2)
            for j, coefficient in enumerate(self.season):
                z = z + coefficient * np.ascontiguousarray(terms[:, j])
        return np.clip(sigmoid(z), CLIP, 1.0 - CLIP)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON-ready values."""
        return {"kind": "sigmoid", "intercept": self.intercept, "slope": self.slope, "season": list(self.season)}


def fit_calibration(
    margin: FloatArray,
    y: NDArray[np.bool_],
    *,
    weights: FloatArray | None = None,
    days: NDArray[np.datetime64] | None = None,
    harmonics: int = 0,
) -> Calibration:
    """Fit the sigmoid by penalised maximum likelihood (Newton steps).

    Targets are drawn in by one observation per class (Platt 1999), so that separable data cannot drive the slope to
    infinity; season coefficients are shrunk towards none. A slope that would turn the ranking round is held at 0.01.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> margin = rng.normal(size=20_000)
    >>> y = rng.random(20_000) < sigmoid(0.5 + 2.0 * margin)
    >>> fitted = fit_calibration(margin, y)
    >>> round(fitted.intercept, 1), round(fitted.slope, 1)
    (0.5, 2.0)
    """
    m = np.asarray(margin, dtype=np.float64)
    w = np.ones(len(m)) if weights is None else np.asarray(weights, dtype=np.float64)
    positive, negative = float(w[y].sum()), float(w[~y].sum())
    target = np.where(y, (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0))
    centre, scale = (
        float(np.average(m, weights=w)),
        float(np.sqrt(np.average((m - np.average(m, weights=w)) ** 2, weights=w))),
    )
    scale = scale if scale > 0 else 1.0
    terms = season_terms(days, harmonics) if harmonics and days is not None else np.zeros((len(m), 0))
    design = np.column_stack([np.ones(len(m)), (m - centre) / scale, terms])
    penalty = np.array([1e-6, 1e-6] + [_SEASON_PRIOR] * terms.shape[1])
    beta = np.zeros(design.shape[1])
    beta[0] = np.log((positive + 1.0) / (negative + 1.0))
    beta = _newton(design, target, w, penalty, beta)
    if beta[1] / scale < MIN_SLOPE:
        fixed = MIN_SLOPE * scale * design[:, 1]
        rest = np.delete(design, 1, axis=1)
        others = _newton(rest, target, w, np.delete(penalty, 1), np.delete(beta, 1), offset=fixed)
        beta = np.insert(others, 1, MIN_SLOPE * scale)
    slope = float(beta[1] / scale)
    return Calibration(float(beta[0] - slope * centre), slope, tuple(float(b) for b in beta[2:]))


def calibrate(margin: FloatArray, y: NDArray[np.bool_], days: NDArray[np.datetime64]) -> Calibration:
    """Fit the sigmoid on out-of-time predictions, following the season if that has proved itself a year ahead.

    With two years of predictions the calibration is fitted on all but the newest year, with and without one yearly
    wave; the wave stays only if it lowers the log loss of the newest year. With less than two years it is never tried:
    one winter cannot be told from a trend.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = np.repeat(np.arange("2023-01-01", "2025-12-01", 30, dtype="datetime64[D]"), 300)
    >>> wave = season_terms(days, 1)[:, 0]
    >>> margin = rng.normal(size=len(days))
    >>> fitted = calibrate(margin, rng.random(len(days)) < sigmoid(margin + wave), days)
    >>> [round(value, 1) for value in fitted.season]
    [1.0, 0.0]
    >>> calibrate(margin, rng.random(len(days)) < sigmoid(margin), days).season
    ()
    """
    newest = days >= days.max() - np.timedelta64(SEASON_DAYS, "D")
    older = days[~newest]
    harmonics = 0
    if len(older) and (older.max() - older.min()) >= np.timedelta64(SEASON_DAYS - 60, "D"):
        losses = []
        for count in (0, 1):
            fit = fit_calibration(margin[~newest], y[~newest], days=older, harmonics=count)
            losses.append(float(log_loss(y[newest], fit.probability(margin[newest], days[newest]))))
        harmonics = int(losses[1] < losses[0] * (1 - SEASON_GAIN))
    return fit_calibration(margin, y, days=days, harmonics=harmonics)


def _newton(
    design: FloatArray,
    target: FloatArray,
    weights: FloatArray,
    penalty: FloatArray,
    start: FloatArray,
    *,
    offset: FloatArray | float = 0.0,
) -> FloatArray:
    def loss(beta: FloatArray) -> float:
        z = design @ beta + offset
        return float((weights * (np.logaddexp(0.0, z) - target * z)).sum() + 0.5 * (penalty * beta**2).sum())

    beta, current = start, loss(start)
    for _ in range(100):
        p = sigmoid(design @ beta + offset)
        gradient = design.T @ (weights * (p - target)) + penalty * beta
        hessian = (design * (weights * np.maximum(p * (1 - p), 1e-10))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-8 and loss(beta - size * step) > current:
            size /= 2
        moved = beta - size * step
        value = loss(moved)
        if not value < current - 1e-10 * abs(current):
            return moved if value <= current else beta
        beta, current = moved, value
    return beta
