"""What a number of customers can show: the width of an AUC's interval, tiers that differ, effects that can be seen."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import UsageError

FloatArray = NDArray[np.float64]
Curve = tuple[FloatArray, FloatArray]
"""Share of customers, riskiest first, and share of the leavers among them; both from 0 to 1."""

POWER, LEVEL = 0.80, 0.95
MOST_TIERS = 5
_Z, _Z_POWER = 1.959963984540054, 0.8416212335729143
_CUTS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80)
_DRAWS, _TRIED = 1000, 12


def auc_standard_error(
    auc: float, leavers: int, stayers: int, *, scores: Literal["normal", "exponential"] = "normal"
) -> float:
    """Return the standard error of an AUC before it is measured (Hanley, McNeil 1982).

    ``var = (A (1 - A) + (m - 1) (Q1 - A^2) + (n - 1) (Q2 - A^2)) / (m n)`` with m leavers and n stayers, where Q1 is
    the chance that two leavers both score above a stayer and Q2 that a leaver scores above two stayers. Both depend on
    the shape of the scores:

    - normal with one variance: ``Q1 = Q2 = A - 2 T(z(A), 1 / sqrt(3))``, T being Owen's function;
    - exponential, as in the paper: ``Q1 = A / (2 - A)``, ``Q2 = 2 A^2 / (1 + A)``; wider, much so for a high AUC.

    Normal is the nearer one for the models here (``docs/feasibility.md``).

    Parameters
    ----------
    auc : float
        Expected or measured, in (0, 1).
    leavers, stayers : int
        Of each at least one.
    scores : {"normal", "exponential"}
        Shape of the scores in both classes.

    Raises
    ------
    UsageError
        The AUC is not in (0, 1) or a class is empty.

    References
    ----------
    Hanley, McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve,
    Radiology 143, 29-36.

    Examples
    --------
    51 abnormal and 58 normal images with an area of .893, as in the paper, whose ratings themselves give .032:

    >>> round(auc_standard_error(0.893, 51, 58, scores="exponential"), 3)
    0.033
    >>> round(auc_standard_error(0.893, 51, 58), 3)
    0.03
    """
    from scipy.special import ndtri, owens_t

    if not 0 < auc < 1 or min(leavers, stayers) < 1:
        raise UsageError(
            f"An AUC in (0, 1) and at least one leaver and one stayer are needed; found {auc}, {leavers} and {stayers}",
            remedy="Count distinct customers of both classes.",
            code="bad_counts",
        )
    if scores == "normal":
        q1 = q2 = auc - 2 * float(owens_t(ndtri(auc), 1 / np.sqrt(3)))
    else:
        q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (leavers - 1) * (q1 - auc**2) + (stayers - 1) * (q2 - auc**2)
    return float(np.sqrt(variance / (leavers * stayers)))


def auc_half_width(auc: float, leavers: int, stayers: int) -> float:
    """Return half the width of the 95 % interval to be expected of an AUC with normal scores, at most 0.5.

    Examples
    --------
    >>> round(auc_half_width(0.75, 61, 1179), 3)
    0.062
    """
    return min(0.5, _Z * auc_standard_error(auc, leavers, stayers))


def per_arm_needed(rate: float, cut: float) -> int:
    """Return how many customers each arm of an experiment needs to show a cut of a churn rate.

    Two proportions, two-sided at 5 %, 80 % power:
    ``n = (z sqrt(2 q (1 - q)) + z' sqrt(r (1 - r) + s (1 - s)))^2 / (r - s)^2`` with ``s = r (1 - cut)``,
    ``q = (r + s) / 2``, z = 1.960 and z' = 0.842 (Fleiss, Levin, Paik 2003, chapter 4, without correction).

    Parameters
    ----------
    rate : float
        Churn rate of the control group, in (0, 1).
    cut : float
        Part of it that the contact takes away, in (0, 1].

    Examples
    --------
    >>> per_arm_needed(0.10, 0.30), per_arm_needed(0.40, 0.30)
    (1356, 244)
    """
    if not (0 < rate < 1 and 0 < cut <= 1):
        raise UsageError(
            f"A rate in (0, 1) and a cut in (0, 1] are needed; found {rate} and {cut}",
            remedy="Give the share of customers that leave in one window.",
            code="bad_rate",
        )
    return int(np.ceil(_needed(rate, cut) - 1e-9))


def _needed(rate: float, cut: float) -> float:
    other = rate * (1 - cut)
    middle = (rate + other) / 2
    spread = _Z * np.sqrt(2 * middle * (1 - middle)) + _Z_POWER * np.sqrt(rate * (1 - rate) + other * (1 - other))
    return float((spread / (rate - other)) ** 2)


def smallest_cut(rate: float, per_arm: int) -> float | None:
    """Return the smallest relative cut of a churn rate that arms of this size can show; None if not even a cut to zero.

    The inverse of `per_arm_needed`: 5 % two-sided, 80 % power.

    Examples
    --------
    >>> round(smallest_cut(0.10, 1356), 3), smallest_cut(0.05, 50)
    (0.3, None)
    """
    from scipy.optimize import brentq

    if per_arm < 1 or not 0 < rate < 1 or _needed(rate, 1.0) > per_arm:
        return None
    return float(brentq(lambda cut: _needed(rate, cut) - per_arm, 1e-6, 1.0, xtol=1e-9))


def expected_gain_curve(rate: float, auc: float) -> Curve:
    """Return which share of the leavers stands among which share of customers if scores are normal in both classes.

    Stayers score N(0, 1), leavers N(m, 1) with ``m = sqrt(2) z(auc)``, which gives this AUC.

    Examples
    --------
    >>> share, gain = expected_gain_curve(0.05, 0.75)
    >>> round(float(np.interp(0.1, share, gain)), 2)
    0.34
    """
    from scipy.special import ndtr, ndtri

    shift = float(np.sqrt(2) * ndtri(auc))
    at = np.linspace(8 + max(shift, 0.0), -8 + min(shift, 0.0), 4001)
    gain = ndtr(shift - at)
    return _whole((1 - rate) * ndtr(-at) + rate * gain, gain)


def measured_gain_curve(p: ArrayLike) -> Curve:
    """Return the same from a model's calibrated probabilities, with a point wherever the probability changes.

    Examples
    --------
    >>> share, gain = measured_gain_curve([0.1, 0.6, 0.3, 0.0])
    >>> share.tolist(), gain.round(2).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.6, 0.9, 1.0, 1.0])
    """
    ordered = np.sort(np.asarray(p, dtype=np.float64))[::-1]
    share = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    total = ordered.sum()
    gain = np.cumsum(ordered) / total if total > 0 else share
    last_of_its_kind = np.diff(ordered, append=-1.0) != 0
    return _whole(share[last_of_its_kind], gain[last_of_its_kind])


def _whole(share: FloatArray, gain: FloatArray) -> Curve:
    return np.r_[0.0, share[:-1], 1.0], np.r_[0.0, gain[:-1], 1.0]


def tiers_told_apart(
    customers: int, rate: float, curve: Curve, *, seed: int = 0
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the most tiers whose measured rates will differ beyond doubt: their shares and rates, riskiest first.

    Tiers are told apart if in at least 80 % of repetitions the 95 % Wilson intervals of the rates of neighbouring tiers
    do not overlap, all at once. For each number of tiers, cuts at 2, 5, 10, 15, 20, 30, ... 80 % of the customers are
    looked at, moved to where the score changes; for the 12 ways that promise most, 1000 repetitions with a fixed seed
    are drawn, and the best is kept.

    Parameters
    ----------
    customers : int
        Distinct customers whose outcome will be known.
    rate : float
        Share of them that leaves.
    curve : tuple of numpy.ndarray
        Of `expected_gain_curve` or `measured_gain_curve`.
    seed : int
        Of the repetitions.

    Returns
    -------
    shares, rates : tuple of float
        One entry per tier; a single tier means that no two can be told apart.

    Examples
    --------
    >>> tiers_told_apart(1240, 61 / 1240, expected_gain_curve(61 / 1240, 0.75))[0]
    (0.05, 0.5508, 0.3992)
    """
    best: tuple[tuple[float, ...], tuple[float, ...]] = ((1.0,), (rate,))
    if customers < 2 or not 0 < rate < 1:
        return best
    rng = np.random.default_rng(seed)
    # customers with one score cannot be told apart by it
    possible = sorted({float(curve[0][np.abs(curve[0] - cut).argmin()]) for cut in _CUTS} - {0.0, 1.0})
    for count in range(2, min(MOST_TIERS, len(possible) + 1) + 1):
        edges = np.array([(0.0, *cuts, 1.0) for cuts in combinations(possible, count - 1)])
        rows = np.diff(np.round(edges * customers), axis=1)
        held = np.diff(np.interp(edges, *curve), axis=1)
        rates = np.clip(rate * held / np.diff(edges, axis=1), 0.0, 1.0)
        promising = np.argsort(-_promise(rows, rates), kind="stable")[:_TRIED]
        power = _apart(rows[promising].astype(np.int64), rates[promising], rng)
        if power.max() < POWER:
            break
        chosen = promising[int(np.argmax(power))]
        shares = np.round(np.diff(edges[chosen]), 4)
        best = (tuple(float(x) for x in shares), tuple(float(x) for x in rates[chosen]))
    return best


def _wilson(share: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return middle - half, middle + half


def _promise(rows: FloatArray, rates: FloatArray) -> FloatArray:
    """Return the least gap between the expected intervals of neighbouring tiers, in its own standard deviations."""
    n = np.maximum(rows, 1.0)
    low, high = _wilson(rates, n)
    variance = rates * (1 - rates) / n + 1e-12
    gap = (low[:, :-1] - high[:, 1:]) / np.sqrt(variance[:, :-1] + variance[:, 1:])
    return np.asarray(np.where((rows > 0).all(axis=1), gap.min(axis=1), -np.inf))


def _apart(rows: NDArray[np.int64], rates: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return how often the intervals of neighbouring tiers do not touch, all at once, for each way to cut."""
    n = np.maximum(rows, 1).astype(np.float64)
    low, high = _wilson(rng.binomial(rows, rates, size=(_DRAWS, *rows.shape)) / n, n)
    return np.asarray((low[:, :, :-1] > high[:, :, 1:]).all(axis=2).mean(axis=0))
