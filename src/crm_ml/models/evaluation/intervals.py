"""Intervals that respect that one customer stands in several rows: customers are drawn, all their rows come along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crm_ml.models.evaluation import metrics

FloatArray = NDArray[np.float64]
REPLICATES = 400
# draws times rows that are worked on at a time: a quarter of the memory and two thirds of the time of four million
_CHUNK_CELLS = 1_000_000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Interval:
    """A value with the lower and upper end of its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return plain values."""
        return asdict(self)


def customer_weights(customers: ArrayLike, *, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.int16]:
    """Return how often each row is drawn in each replicate, shape (replicates, rows).

    Customers are drawn with replacement, as many as there are; every row of a customer gets the customer's count.

    Examples
    --------
    >>> customer_weights(["a", "a", "b"], replicates=2, seed=1).tolist()
    [[1, 1, 1], [2, 2, 0]]
    """
    names, index = np.unique(np.asarray(customers, dtype=object), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=replicates)
    return draws.astype(np.int16)[:, index]


def bootstrap(measure: Callable[..., Any], y: ArrayLike, score: ArrayLike, weights: NDArray[np.int16]) -> FloatArray:
    """Return the measure in every replicate."""
    rows = max(1, _CHUNK_CELLS // max(1, weights.shape[1]))
    parts = [
        measure(y, score, weights[start : start + rows].astype(np.float64)) for start in range(0, len(weights), rows)
    ]
    return np.concatenate([np.atleast_1d(part) for part in parts])


def interval(value: float, replicates: FloatArray, *, level: float = 0.95) -> Interval:
    """Return the percentile interval, widened where needed to hold the value itself.

    The calibration error needs the widening: it can only grow when noise is added, so its replicates lie above it.

    Examples
    --------
    >>> interval(50.0, np.arange(101.0), level=0.5)
    Interval(value=50.0, low=25.0, high=75.0)
    """
    finite = replicates[np.isfinite(replicates)]
    if not finite.size:
        return Interval(value, value, value)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)))


def shows_no_spread(found: Interval) -> bool:
    """Return whether all replicates were the same but for rounding, so that the interval would claim certainty.

    Examples
    --------
    >>> shows_no_spread(Interval(1.0, 1.0 - 1e-16, 1.0)), shows_no_spread(Interval(0.5, 0.4, 0.6))
    (True, False)
    """
    return found.high - found.low < _ROUNDING


@dataclass(frozen=True)
class Evaluation:
    """Measures of several scores on the same rows, with intervals from the same draws of customers; see `evaluate`."""

    y: NDArray[np.bool_]
    margins: Mapping[str, FloatArray]
    probabilities: Mapping[str, FloatArray]
    weights: NDArray[np.int16]
    capacity: float
    auc_replicates: Mapping[str, FloatArray]

    def auc(self, name: str, *, level: float = 0.95) -> Interval:
        """Return the AUC of a score with its interval of the given level."""
        return interval(metrics.auc(self.y, self.margins[name]), self.auc_replicates[name], level=level)

    def auc_difference(self, name: str, other: str, *, level: float = 0.95) -> Interval:
        """Return AUC(name) - AUC(other) with its paired interval of the given level."""
        value = metrics.auc(self.y, self.margins[name]) - metrics.auc(self.y, self.margins[other])
        return interval(value, self.auc_replicates[name] - self.auc_replicates[other], level=level)

    def measures(self, name: str) -> dict[str, Interval]:
        """Return AUC, average precision, Brier score and skill, calibration error and lift, with intervals."""
        lift = partial(metrics.lift_at_capacity, capacity=self.capacity)
        others: dict[str, tuple[Callable[..., Any], FloatArray]] = {
            "average_precision": (metrics.average_precision, self.margins[name]),
            "brier": (metrics.brier, self.probabilities[name]),
            "brier_skill": (metrics.brier_skill, self.probabilities[name]),
            "ece": (metrics.calibration_error, self.probabilities[name]),
            "lift_at_capacity": (lift, self.margins[name]),
        }
        return {"auc": self.auc(name)} | {
            key: interval(float(measure(self.y, score)), bootstrap(measure, self.y, score, self.weights))
            for key, (measure, score) in others.items()
        }


def evaluate(
    y: NDArray[np.bool_],
    margins: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    customers: ArrayLike,
    *,
    capacity: float = 0.1,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Evaluation:
    """Draw customers once and rank with every score in every draw.

    Parameters
    ----------
    y : numpy.ndarray of bool
        What happened.
    margins, probabilities : mapping of str to numpy.ndarray
        Raw scores for ranking and calibrated probabilities, by name.
    customers : array of str
        Whose row it is.
    capacity : float
        Share of customers that can be acted upon.
    seed, replicates : int
        Of the draws of customers.

    Examples
    --------
    >>> y, score = np.array([False, True] * 50), {"a": np.arange(100.0)}
    >>> result = evaluate(y, score, {"a": np.full(100, 0.5)}, np.arange(100).astype(str), replicates=20)
    >>> result.measures("a")["auc"].value, result.measures("a")["brier"].value
    (0.51, 0.25)
    """
    weights = customer_weights(customers, replicates=replicates, seed=seed)
    drawn = {name: bootstrap(metrics.auc, y, score, weights) for name, score in margins.items()}
    return Evaluation(y, margins, probabilities, weights, capacity, drawn)
