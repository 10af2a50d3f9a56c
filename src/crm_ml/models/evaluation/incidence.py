"""How many have moved on after so many days, when some are lost and others still under way: competing risks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
STILL, MOVED, LOST = 0, 1, 2
"""What is known of a row at its time: still under way then (censored), moved on, lost."""
_NOTHING_LEFT = 1e-9


@dataclass(frozen=True)
class Incidence:
    """Cumulative incidence of moving on, one row per weighting.

    Attributes
    ----------
    times : ndarray, shape (times,)
        At which somebody moved on or was lost before the horizon.
    moved : ndarray, shape (replicates, times)
        Share that has moved on up to and including each time.
    open : ndarray, shape (replicates, times)
        Share that has neither moved on nor been lost.
    followed : ndarray of bool, shape (replicates,)
        Whether the horizon is covered: somebody is still looked at there, or nobody is left open before it.
    """

    times: FloatArray
    moved: FloatArray
    open: FloatArray
    followed: NDArray[np.bool_]

    def at_horizon(self) -> FloatArray:
        """Return the share that moves on within the horizon; NaN where the data do not reach so far."""
        last = self.moved[:, -1] if self.times.size else np.zeros(len(self.moved))
        return np.where(self.followed, np.minimum(last, 1.0), np.nan)

    def median(self) -> FloatArray:
        """Return the time at which half of those who move on within the horizon have done so; NaN if none do."""
        share = self.at_horizon()
        if not self.times.size:
            return np.full(len(share), np.nan)
        there = self.moved >= (share / 2 - 1e-12)[:, None]
        return np.where(share > 0, self.times[np.argmax(there, axis=1)], np.nan)


def incidence(
    time: ArrayLike, event: ArrayLike, *, horizon: float, weights: NDArray[np.floating] | None = None
) -> Incidence:
    """Return the estimate of Aalen and Johansen (1978) for two competing ends, up to a horizon.

    With Y(t) under way just before t, d1(t) moving on and d2(t) lost at t, ``S(t) = prod over u <= t of
    (1 - (d1(u) + d2(u)) / Y(u))`` and ``F(t) = sum over u <= t of S(u-) d1(u) / Y(u)``. A row whose end is not known
    yet leaves Y after its time and is never a failure. Without losses it is one less the estimate of Kaplan and Meier.

    Parameters
    ----------
    time : array-like of float, shape (rows,)
        From the start to the end, or to the last look; any unit, 0 or more.
    event : array-like of int, shape (rows,)
        `STILL`, `MOVED` or `LOST`.
    horizon : float
        In the unit of time; what happens at it or later is outside.
    weights : ndarray, shape (replicates, rows), optional
        How often each row counts.

    Examples
    --------
    Four leads: moved on after 2 days, lost after 3, looked at for 4 days only, moved on after 5:

    >>> found = incidence([2, 3, 4, 5], [1, 2, 0, 1], horizon=30)
    >>> found.at_horizon().tolist(), found.median().tolist()
    ([0.75], [5.0])
    """
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event)
    w = np.ones((1, len(t))) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(t, kind="stable")
    t, e, w = t[order], e[order], w[:, order]
    times = np.unique(t[(e != STILL) & (t < horizon)])
    first, last = np.searchsorted(t, times, "left"), np.searchsorted(t, times, "right")
    before = _running(w)
    total = before[:, -1:]
    at_risk = total - before[:, first]

    def rate(kind: int) -> FloatArray:
        running = _running(w * (e == kind))
        ended = running[:, last] - running[:, first]
        return np.divide(ended, at_risk, out=np.zeros_like(ended), where=at_risk > 0)

    moving, losing = rate(MOVED), rate(LOST)
    still = np.cumprod(1 - np.minimum(moving + losing, 1.0), axis=1)
    ahead = np.concatenate([np.ones((len(w), 1)), still[:, :-1]], axis=1) if times.size else still
    moved = np.cumsum(ahead * moving, axis=1)
    there = (total - before[:, [np.searchsorted(t, horizon, "left")]])[:, 0] > 0
    nobody_left = still[:, -1] < _NOTHING_LEFT if times.size else np.zeros(len(w), bool)
    return Incidence(times, moved, still, (there | nobody_left) & (total[:, 0] > 0))


def _running(w: FloatArray) -> FloatArray:
    """Return running sums with a nought in front."""
    return np.concatenate([np.zeros((len(w), 1)), np.cumsum(w, axis=1)], axis=1)
