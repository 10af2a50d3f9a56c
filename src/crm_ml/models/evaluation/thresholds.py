"""Where to cut a calibrated score: as many rows as there is time for, or as sure as is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import DataError, UsageError
from crm_ml.models.evaluation.intervals import REPLICATES, Interval, bootstrap, customer_weights, interval
from crm_ml.models.evaluation.metrics import wilson_interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A cut and what it does on the rows it was measured on.

    Attributes
    ----------
    cut : float
        Rows with p of at least this are taken.
    rows : int
        How many are taken.
    expected_precision : float
        Mean p of those taken: what the calibrated score promises.
    share, precision, recall : Interval
        Share of all rows that is taken, share of those taken with an event, share of the events that is taken; with
        95 % intervals at this cut.
    """

    cut: float
    rows: int
    expected_precision: float
    share: Interval
    precision: Interval
    recall: Interval

    @property
    def agrees(self) -> bool:
        """Whether what the score promises lies within the interval of what was found."""
        return self.precision.low <= self.expected_precision <= self.precision.high

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        parts = {name: getattr(self, name).as_dict() for name in ("share", "precision", "recall")}
        return {
            "cut": self.cut,
            "rows": self.rows,
            "expected_precision": self.expected_precision,
            **parts,
            "agrees": self.agrees,
        }


def thresholds(
    p: ArrayLike,
    y: ArrayLike,
    *,
    share: float | None = None,
    precision: float | None = None,
    subjects: ArrayLike | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Threshold:
    """Return the cut that takes a share of the rows, or the lowest one that promises a precision.

    The cut hangs on p alone, never on y: with `precision` it is the lowest p at which the mean p of all rows from there
    on reaches it. What is measured at it with y is therefore not flattered by having been searched for, and shows
    whether the promise is kept. Equal p are taken together.

    Parameters
    ----------
    p : array-like of float, shape (rows,)
        Calibrated probabilities, of rows that the model has not learnt from.
    y : array-like of bool, shape (rows,)
        What happened.
    share : float, optional
        Of the rows, at most; between 0 and 1. The best group of equal p is always taken, even where it is larger.
    precision : float, optional
        Wanted share of events among those taken. Give one of the two.
    subjects : array-like of str, optional
        Whose row it is, drawn together in the bootstrap; default: every row by itself.
    replicates, seed : int
        Of the bootstrap at the fixed cut. Where the precision is 0 or 1 its interval is Wilson's (1927).

    Raises
    ------
    UsageError
        Neither or both of `share` and `precision` are given, or one is out of range or not to be had.
    DataError
        `p` and `y` do not fit together, or hold no event.

    Examples
    --------
    >>> p = np.repeat([0.8, 0.4, 0.1], [10, 20, 70])
    >>> y = np.concatenate([np.arange(10) < 8, np.arange(20) < 8, np.arange(70) < 7])
    >>> mql, sql = thresholds(p, y, share=0.3), thresholds(p, y, precision=0.7)
    >>> (mql.cut, round(mql.precision.value, 2), round(mql.recall.value, 2)), (sql.cut, sql.rows, sql.precision.value)
    ((0.4, 0.53, 0.7), (0.8, 10, 0.8))
    """
    probability, happened = _checked(p, y)
    if (share is None) == (precision is None):
        raise UsageError("A threshold needs either a share or a precision, and not both", remedy="Give one of them.")
    levels, count = np.unique(probability, return_counts=True)
    levels, count = levels[::-1], count[::-1]
    if share is not None:
        cut = _cut_of_share(levels, count, _within("share", share))
    elif precision is not None:
        cut = _cut_of_precision(levels, count, _within("precision", precision))
    return _measured(probability, happened, cut, subjects, replicates, seed)


def _checked(p: ArrayLike, y: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    probability, happened = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    bad = int((~((probability >= 0) & (probability <= 1))).sum() + (~np.isin(happened, (0.0, 1.0))).sum())
    if probability.shape != happened.shape or probability.ndim != 1 or bad or not happened.any():
        raise DataError(
            "A threshold needs as many probabilities between 0 and 1 as outcomes, and at least one event; found "
            f"{probability.size} probabilities, {happened.size} outcomes, {bad} values that are neither",
            remedy="Give p and y of the same rows, of which some had the event.",
            code="bad_values",
        )
    return probability, happened.astype(bool)


def _within(name: str, value: float) -> float:
    if not 0 < value <= 1:
        raise UsageError(f"{name} must lie above 0 and be at most 1; found {value}", remedy="A tenth is 0.1.")
    return value


def _cut_of_share(levels: FloatArray, count: NDArray[np.int64], share: float) -> float:
    fits = np.flatnonzero(np.cumsum(count) <= share * count.sum() + 1e-9)
    return float(levels[fits[-1] if fits.size else 0])


def _cut_of_precision(levels: FloatArray, count: NDArray[np.int64], precision: float) -> float:
    promise = np.cumsum(levels * count) / np.cumsum(count)
    fits = np.flatnonzero(promise >= precision - 1e-12)
    if not fits.size:
        raise UsageError(
            f"precision must be at most the highest probability, {levels[0]:.3f}; found {precision}",
            remedy="Ask for less, or sharpen the score: no cut promises as much.",
            code="precision_out_of_reach",
        )
    return float(levels[fits[-1]])


def _measured(
    p: FloatArray, y: NDArray[np.bool_], cut: float, subjects: ArrayLike | None, replicates: int, seed: int
) -> Threshold:
    names = np.arange(len(p)).astype(str) if subjects is None else np.asarray(subjects, dtype=object)
    # sorted, so that the order of the rows cannot matter
    order = np.lexsort((y, p)) if subjects is None else np.lexsort((y, p, names.astype(str)))
    p, y = p[order], y[order]
    names = names if subjects is None else names[order]

    def measure(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
        chosen = (p >= cut).astype(np.float64)
        rows, taken = weights.sum(axis=1), weights @ chosen
        events, hits = weights @ y.astype(np.float64), weights @ (chosen * y)
        with np.errstate(invalid="ignore"):
            return np.stack([taken / rows, hits / taken, hits / events], axis=1)

    value = measure(y.astype(np.float64), p, np.ones((1, len(p))))[0]
    weights = customer_weights(names, replicates=replicates, seed=seed)
    draws = bootstrap(measure, y, p, weights)
    found = [interval(float(one), draws[:, k]) for k, one in enumerate(value)]
    rows, events = int((p >= cut).sum()), int(y.sum())
    for k, count in ((1, rows), (2, events)):
        if found[k].value in (0.0, 1.0):
            found[k] = Interval(found[k].value, *wilson_interval(found[k].value, count))
    return Threshold(cut, rows, float(p[p >= cut].mean()), *found)
