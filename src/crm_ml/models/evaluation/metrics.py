"""Measures of ranking and of honesty, each for many weightings of the same rows at once.

Every function takes ``weights`` of shape (replicates, rows): one pass over rows sorted once gives all bootstrap
replicates. Ties never depend on the order of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ECE_BINS = 10


def _checked(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    truth, values = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    single = weights is None or np.ndim(weights) == 1
    w = np.ones((1, len(truth))) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    return truth, values, w, single


def _out(values: FloatArray, single: bool) -> Any:
    return float(values[0]) if single else values


def _by_ties(truth: FloatArray, values: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return distinct scores (descending) and the weight of positives and of all rows at each."""
    order = np.argsort(-values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) != 0])
    sorted_w = w[:, order]
    if len(starts) == len(values):
        return values[order], sorted_w * truth[order], sorted_w
    positives = np.add.reduceat(sorted_w * truth[order], starts, axis=1)
    return values[order][starts], positives, np.add.reduceat(sorted_w, starts, axis=1)


def auc(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the area under the ROC curve: the chance that a churner ranks above a stayer, ties counting half.

    NaN where one class has no weight.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> auc([0, 1], [0.5, 0.5])
    0.5
    """
    truth, values, w, single = _checked(y, score, weights)
    if not len(truth):
        return _out(np.full(len(w), np.nan), single)
    _, positive, total = _by_ties(truth, values, w)
    negative = total - positive
    above = np.cumsum(positive, axis=1) - positive
    wins = (negative * (above + positive / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _out(np.divide(wins, pairs, out=np.full(len(w), np.nan), where=pairs > 0), single)


def average_precision(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the sum over thresholds of (recall gained) x precision; NaN without a churner.

    Examples
    --------
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    truth, values, w, single = _checked(y, score, weights)
    if not len(truth):
        return _out(np.full(len(w), np.nan), single)
    _, positive, total = _by_ties(truth, values, w)
    found, seen = np.cumsum(positive, axis=1), np.cumsum(total, axis=1)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    churners = positive.sum(axis=1)
    area = (positive * precision).sum(axis=1)
    return _out(np.divide(area, churners, out=np.full(len(w), np.nan), where=churners > 0), single)


def brier(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the mean squared difference between probability and outcome.

    Examples
    --------
    >>> round(brier([0, 1], [0.2, 0.6]), 3)
    0.1
    """
    truth, values, w, single = _checked(y, p, weights)
    return _out((w * (values - truth) ** 2).sum(axis=1) / w.sum(axis=1), single)


def brier_skill(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the Brier skill score ``1 - Brier(p) / Brier(base rate)``.

    1 is certainty, 0 is no better than giving every row the rate of all, below 0 is worse; NaN where all rows had the
    same outcome. The base rate is that of the very rows that are judged, which is the strictest reference without
    ranking. Source: Murphy (1973), with the sample's climatology as the reference.

    Parameters
    ----------
    y : array of bool, shape (rows,)
        What happened.
    p : array of float, shape (rows,)
        Predicted probabilities.
    weights : array, shape (rows,) or (replicates, rows), optional
        How often each row counts.

    Returns
    -------
    float or numpy.ndarray of shape (replicates,)

    Examples
    --------
    >>> brier_skill([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0]), brier_skill([0, 1], [0.5, 0.5])
    (1.0, 0.0)
    >>> brier_skill([0, 0, 0, 1], [0.0, 0.5, 0.0, 0.5])  # 1 - (2 * .25 / 4) / (.25 * .75)
    0.33333333333333337
    """
    truth, _, w, single = _checked(y, p, weights)
    rate = (w @ truth) / w.sum(axis=1)
    spread = rate * (1 - rate)
    return _out(1 - np.divide(brier(truth, p, w), spread, out=np.full(len(w), np.nan), where=spread > 0), single)


def log_loss(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the mean negative log-likelihood; probabilities are clipped to [1e-15, 1 - 1e-15].

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    truth, values, w, single = _checked(y, p, weights)
    clipped = np.clip(values, 1e-15, 1 - 1e-15)
    losses = -(truth * np.log(clipped) + (1 - truth) * np.log1p(-clipped))
    return _out((w * losses).sum(axis=1) / w.sum(axis=1), single)


def calibration_error(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Any:
    """Return the expected calibration error: 10 bins of equal count, weighted mean of |mean prediction - rate|.

    Rows are binned by their place in the order of prediction. Rows with equal predictions share the mean of their
    outcomes, so that a bin edge among them does not make the result depend on row order.

    Examples
    --------
    >>> round(calibration_error([0, 0, 0, 1] * 10, [0.35] * 40), 3)
    0.1
    >>> round(calibration_error([1] * 10 + [0] * 90, [0.9] * 10 + [0.1] * 90), 3)
    0.1
    """
    truth, values, w, single = _checked(y, p, weights)
    if not len(truth):
        return _out(np.full(len(w), np.nan), single)
    scores, positive, total = _by_ties(truth, values, w)
    rate = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    gaps = total * (scores - rate)
    # cumulative signed gap at the bin edges, linear inside a group of ties: its differences are the bins' gaps
    seen = np.concatenate([np.zeros((len(w), 1)), np.cumsum(total, axis=1)], axis=1)
    summed = np.concatenate([np.zeros((len(w), 1)), np.cumsum(gaps, axis=1)], axis=1)
    result = np.empty(len(w))
    for i in range(len(w)):
        edges = np.round(seen[i, -1] * np.arange(ECE_BINS + 1) / ECE_BINS)
        edges[-1] = seen[i, -1]
        result[i] = np.abs(np.diff(np.interp(edges, seen[i], summed[i]))).sum() / seen[i, -1]
    return _out(result, single)


def lift_at_capacity(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None, *, capacity: float = 0.1) -> Any:
    """Return the share of churners among the riskiest `capacity` share of rows, over the share among all.

    A group of ties at the edge counts with the part of it that still fits.

    Examples
    --------
    >>> lift_at_capacity([1, 0, 0, 0, 1, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], capacity=0.1)
    5.0
    """
    truth, values, w, single = _checked(y, score, weights)
    if not len(truth):
        return _out(np.full(len(w), np.nan), single)
    _, positive, total = _by_ties(truth, values, w)
    room = np.maximum(np.ceil(capacity * w.sum(axis=1) - 1e-9), 1.0)[:, None]
    before = np.cumsum(total, axis=1) - total
    share = np.divide(np.clip(room - before, 0.0, total), total, out=np.zeros_like(total), where=total > 0)
    found, churners = (positive * share).sum(axis=1), positive.sum(axis=1)
    base = churners / w.sum(axis=1)
    return _out(np.divide(found / room[:, 0], base, out=np.full(len(w), np.nan), where=base > 0), single)


def reliability_table(y: ArrayLike, p: ArrayLike, *, bins: int = ECE_BINS) -> dict[str, list[float]]:
    """Return the reliability curve: mean prediction, rate, its 95 % Wilson interval and rows per bin of equal count.

    Examples
    --------
    >>> table = reliability_table([0, 1, 0, 1], [0.1, 0.1, 0.8, 0.8], bins=2)
    >>> [round(v, 3) for v in table["mean_prediction"]], table["rate"], table["rows"]
    ([0.1, 0.8], [0.5, 0.5], [2, 2])
    """
    truth, values = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    table: dict[str, list[float]] = {key: [] for key in ("mean_prediction", "rate", "low", "high", "rows")}
    # ties are ordered by outcome spread evenly over the bins they touch: by value first, then by a fixed shuffle
    tie_break = np.random.default_rng(0).permutation(len(truth))
    for part in np.array_split(np.lexsort((tie_break, values)), bins):
        if not len(part):
            continue
        n, rate = len(part), float(truth[part].mean())
        low, high = wilson_interval(rate, n)
        for key, value in zip(table, (float(values[part].mean()), rate, low, high, n), strict=True):
            table[key].append(value)
    return table


def wilson_interval(rate: float, rows: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927).

    Examples
    --------
    >>> [round(v, 3) for v in wilson_interval(0.5, 100)]
    [0.404, 0.596]
    """
    middle = (rate + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * float(np.sqrt(rate * (1 - rate) / rows + z**2 / (4 * rows**2)))
    # at a share of 0 or 1 an end is the share itself, but for rounding
    return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))


def exact_interval(rate: float, rows: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934), which holds its level however far in the tail.

    `rate` x `rows` need not be whole: a mean over several days of the same customers, each counted once.

    Examples
    --------
    >>> [round(v, 4) for v in exact_interval(0.5, 10)], [round(v, 4) for v in exact_interval(0.0, 100, level=0.99)]
    ([0.1871, 0.8129], [0.0, 0.0516])
    """
    from scipy.special import betaincinv

    tail, events = (1 - level) / 2, rate * rows
    low = float(betaincinv(events, rows - events + 1, tail)) if events > 0 else 0.0
    high = float(betaincinv(events + 1, rows - events, 1 - tail)) if events < rows else 1.0
    return low, high


def gain_table(y: ArrayLike, score: ArrayLike, *, points: int = 101) -> dict[str, list[float]]:
    """Return the gain curve: which share of churners stands in the riskiest share of rows.

    Examples
    --------
    >>> gain_table([1, 0, 1, 0], [4, 3, 2, 1], points=5)
    {'share': [0.0, 0.25, 0.5, 0.75, 1.0], 'gain': [0.0, 0.5, 0.5, 1.0, 1.0]}
    """
    truth, values, w, _ = _checked(y, score, None)
    _, positive, total = _by_ties(truth, values, w)
    seen, found = np.r_[0.0, np.cumsum(total[0])], np.r_[0.0, np.cumsum(positive[0])]
    share = np.linspace(0.0, 1.0, points)
    gain = np.interp(share * seen[-1], seen, found) / found[-1] if found[-1] else np.zeros(points)
    return {"share": share.tolist(), "gain": gain.tolist()}
