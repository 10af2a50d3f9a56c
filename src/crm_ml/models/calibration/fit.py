"""Fitting a calibration of a given form to out-of-time predictions, by penalised maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crm_ml.models.calibration.curves import MIN_SLOPE, BetaCurve, FloatArray, IsotonicCurve, sigmoid
from crm_ml.models.calibration.fitted import Calibration, DayArray, season_terms

BoolArray = NDArray[np.bool_]
_SEASON_PRIOR = 20.0
_RIDGE = 1e-6


def platt_targets(y: BoolArray, weights: FloatArray) -> FloatArray:
    """Return outcomes drawn in by one observation per class: (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) (Platt 1999).

    Examples
    --------
    >>> platt_targets(np.array([True, False, False]), np.ones(3)).round(4).tolist()
    [0.6667, 0.25, 0.25]
    """
    positive, negative = float(weights[y].sum()), float(weights[~y].sum())
    return np.where(y, (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0))


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
    target = platt_targets(y, w)
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
    beta = newton(design, target, w, penalty, beta)
    if beta[1] / scale < MIN_SLOPE:
        fixed = MIN_SLOPE * scale * design[:, 1]
        rest = np.delete(design, 1, axis=1)
        others = newton(rest, target, w, np.delete(penalty, 1), np.delete(beta, 1), offset=fixed)
        beta = np.insert(others, 1, MIN_SLOPE * scale)
    slope = float(beta[1] / scale)
    return Calibration(float(beta[0] - slope * centre), slope, tuple(float(b) for b in beta[2:]))


def anchored(
    calibration: Calibration, margin: FloatArray, y: BoolArray, days: DayArray, *, weights: FloatArray | None = None
) -> Calibration:
    """Return a calibration without a curve with its intercept estimated again on the given rows, all else kept.

    Maximum likelihood with the rest as an offset: the mean prediction on these rows becomes their rate.

    Examples
    --------
    >>> days = np.full(100, "2025-01-01", dtype="datetime64[D]")
    >>> moved = anchored(Calibration(0.0, 1.0), np.zeros(100), np.arange(100) < 20, days)
    >>> round(moved.intercept, 2), moved.slope
    (-1.38, 1.0)
    """
    w = np.ones(len(margin)) if weights is None else weights
    shift = intercept_shift(calibration.log_odds(margin, days), platt_targets(y, w), w)
    return replace(calibration, intercept=calibration.intercept + shift)


def intercept_shift(log_odds: FloatArray, target: FloatArray, weights: FloatArray) -> float:
    """Return what must be added to log-odds so that the mean probability is the mean target."""
    ones, ridge = np.ones((len(log_odds), 1)), np.array([_RIDGE])
    return float(newton(ones, target, weights, ridge, np.zeros(1), offset=log_odds)[0])


def fit_beta(log_odds: FloatArray, y: BoolArray, *, weights: FloatArray | None = None) -> BetaCurve:
    """Fit beta calibration by maximum likelihood: a logistic regression on ln p and -ln(1 - p).

    Source: Kull, Silva Filho, Flach (2017), "Beyond sigmoids". As there, where a coefficient would come out too small
    (here: below 0.01), it is held there and the other one is fitted again. Targets are drawn in as in `platt_targets`.

    Parameters
    ----------
    log_odds : numpy.ndarray of float, shape (rows,)
        ``ln(p / (1 - p))`` of the probabilities to calibrate.
    y : numpy.ndarray of bool, shape (rows,)
        What happened.
    weights : numpy.ndarray of float, optional
        How often each row counts.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> m = rng.normal(scale=2.0, size=50_000)
    >>> fitted = fit_beta(m, rng.random(50_000) < sigmoid(BetaCurve(0.5, 1.5, 0.2)(m)))
    >>> round(fitted.a, 1), round(fitted.b, 1), round(fitted.c, 1)
    (0.5, 1.5, 0.2)
    """
    m = np.asarray(log_odds, dtype=np.float64)
    w = np.ones(len(m)) if weights is None else np.asarray(weights, dtype=np.float64)
    target = platt_targets(y, w)
    design = np.column_stack([np.ones(len(m)), -np.logaddexp(0.0, -m), np.logaddexp(0.0, m)])
    ridge, start = np.full(3, _RIDGE), np.array([0.0, 1.0, 1.0])
    best = newton(design, target, w, ridge, start).copy()
    for low, other in ((1, 2), (2, 1)):
        if best[low] < MIN_SLOPE:
            held = MIN_SLOPE * design[:, low]
            rest = newton(design[:, [0, other]], target, w, ridge[:2], start[:2], offset=held)
            best[[0, other]], best[low] = rest, MIN_SLOPE
    if best[1] < MIN_SLOPE or best[2] < MIN_SLOPE:  # both ends would fall
        best[1:] = MIN_SLOPE
        best[0] = intercept_shift(design[:, 1:] @ best[1:], target, w)
    return BetaCurve(float(best[1]), float(best[2]), float(best[0]))


def fit_isotonic(log_odds: FloatArray, y: BoolArray, *, weights: FloatArray | None = None) -> IsotonicCurve:
    """Fit the best non-decreasing curve (pool adjacent violators), made strictly increasing.

    The steps are scikit-learn's; targets are drawn in as in `platt_targets`, so no step says 0 or 1. Equal values
    within a step would lose the ranking: every knot gets 0.01 times its distance from the mean on top, and the whole
    is shifted so that the mean probability stays the rate.

    Parameters
    ----------
    log_odds : numpy.ndarray of float, shape (rows,)
        What to calibrate.
    y : numpy.ndarray of bool, shape (rows,)
        What happened.
    weights : numpy.ndarray of float, optional
        How often each row counts.

    Examples
    --------
    >>> curve = fit_isotonic(np.array([-1.0, 0.0, 1.0, 2.0] * 50), np.array([0, 1, 0, 1] * 50, dtype=bool))
    >>> curve.x, [round(float(p), 3) for p in sigmoid(np.array(curve.z))]
    ((-1.0, 0.0, 1.0, 2.0), [0.01, 0.499, 0.501, 0.99])
    """
    from sklearn.isotonic import IsotonicRegression

    m = np.asarray(log_odds, dtype=np.float64)
    w = np.ones(len(m)) if weights is None else np.asarray(weights, dtype=np.float64)
    target = platt_targets(y, w)
    steps = IsotonicRegression(out_of_bounds="clip").fit(m, target, sample_weight=w)
    x, p = np.asarray(steps.X_thresholds_, np.float64), np.asarray(steps.y_thresholds_, np.float64)
    z = np.log(p) - np.log1p(-p) + MIN_SLOPE * (x - np.average(m, weights=w))
    curve = _strict(x, z)
    shifted = np.array(curve.z) + intercept_shift(curve(m), target, w)
    return _strict(np.array(curve.x), shifted)


def _strict(x: FloatArray, z: FloatArray) -> IsotonicCurve:
    """Return the curve through the knots that lie above all before them: rounding may have made two the same."""
    top = np.maximum.accumulate(np.r_[-np.inf, z[:-1]])
    keep = (z > top) & np.r_[True, np.diff(x) > 0]
    return IsotonicCurve(tuple(x[keep].tolist()), tuple(z[keep].tolist()))


def newton(
    design: FloatArray,
    target: FloatArray,
    weights: FloatArray,
    penalty: FloatArray,
    start: FloatArray,
    *,
    offset: FloatArray | float = 0.0,
) -> FloatArray:
    """Return coefficients of a logistic regression with ridge penalty: Newton steps, halved until the loss falls."""

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
