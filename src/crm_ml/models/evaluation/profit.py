"""Expected maximum profit: what a ranking is worth if the number of contacts is chosen as well as it can be.

A campaign contacts the customers with the highest scores. Of the leavers among them a share, the save rate, accepts the
offer and stays. That share is not known before the campaign, so it is drawn from a beta distribution; for each save
rate the best number of contacts is taken, and the profits are averaged over the save rates.

`empc` (Verbraken, Verbeke, Baesens 2013) gives every customer the same value; `empb`, its form for business customers
(Janssens, Bogaert, Bagué, Van den Poel 2024), gives each customer its own. Both are integrals in closed form over the
segments of a convex hull. See ``docs/money.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import UsageError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SaveRate:
    """What is known of the share of contacted leavers who stay: a beta distribution.

    The default Beta(6, 14) is the paper's: mean 0.30, 90 % between 0.15 and 0.48. It is an assumption until an
    experiment has measured the share.

    Raises
    ------
    UsageError
        A parameter is not positive.

    Examples
    --------
    >>> SaveRate().mean, round(float(SaveRate().quantile(0.05)), 2)
    (0.3, 0.15)
    """

    alpha: float = 6.0
    beta: float = 14.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0):
            raise UsageError(
                f"Both parameters of the save rate must be positive; found {self.alpha} and {self.beta}",
                remedy="Take 6 and 14 where nothing is measured.",
                code="bad_save_rate",
            )

    @property
    def mean(self) -> float:
        """The expected share."""
        return self.alpha / (self.alpha + self.beta)

    def quantile(self, q: ArrayLike) -> FloatArray:
        """Return quantiles of the share."""
        from scipy.special import betaincinv

        return np.asarray(betaincinv(self.alpha, self.beta, q), dtype=np.float64)

    def above(self, threshold: ArrayLike) -> FloatArray:
        """Return P(share > threshold), the regularised incomplete beta function from above.

        Examples
        --------
        >>> SaveRate(1, 1).above([0.25, 2.0]).tolist()
        [0.75, 0.0]
        """
        from scipy.special import betaincc

        return np.asarray(betaincc(self.alpha, self.beta, np.clip(threshold, 0.0, 1.0)), dtype=np.float64)

    def excess(self, threshold: ArrayLike) -> FloatArray:
        """Return E[max(share - threshold, 0)] = mean x P'(share > threshold) - threshold x P(share > threshold).

        P' is the probability under Beta(alpha + 1, beta).

        Examples
        --------
        >>> SaveRate(1, 1).excess([0.0, 0.5, 1.0]).tolist()
        [0.5, 0.125, 0.0]
        """
        at = np.clip(np.asarray(threshold, dtype=np.float64), 0.0, 1.0)
        value = self.mean * SaveRate(self.alpha + 1, self.beta).above(at) - at * self.above(at)
        return np.maximum(value, 0.0)


PRIOR = SaveRate()
"""Beta(6, 14)."""


def empc(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    clv: float = 200.0,
    incentive: float = 10.0,
    contact: float = 1.0,
    save_rate: SaveRate = PRIOR,
) -> Any:
    r"""Return the expected maximum profit of a churn campaign per customer, every customer being worth the same.

    With pi0 and F0(t) the share of leavers and the part of them that scores at least t, pi1 and F1(t) those of the
    stayers, delta = incentive / clv, phi = contact / clv and the save rate gamma ~ Beta(alpha, beta):

    ``P(t; gamma) = clv (gamma (1 - delta) - phi) pi0 F0(t) - clv (delta + phi) pi1 F1(t)``,
    ``EMPC = integral over gamma of max over t of P(t; gamma) h(gamma)``.

    The best t moves along the convex hull of the ROC curve as gamma grows. The hull's segment i, with sides dF0 and
    dF1, pays from ``gamma_i = (pi1 (delta + phi) dF1 + pi0 phi dF0) / (pi0 (1 - delta) dF0)`` on, so that
    ``EMPC = clv (1 - delta) sum over i of pi0 dF0_i E[max(gamma - gamma_i, 0)]``, which is exact.

    Parameters
    ----------
    y : array-like of bool, shape (rows,)
        Who left.
    score : array-like of float, shape (rows,)
        Higher means contacted earlier; only the order counts. Equal scores are contacted together.
    weights : array-like of float, shape (replicates, rows) or (rows,), optional
        How often each row counts, e.g. in bootstrap replicates (`intervals.customer_weights`).
    clv, incentive, contact : float
        Value of a customer who stays, what the offer costs if it is taken, what a contact costs: one currency. Stayers
        who are contacted take the offer.
    save_rate : SaveRate
        Distribution of the share of contacted leavers who stay.

    Returns
    -------
    float or numpy.ndarray of shape (replicates,)
        Money per customer, never negative: nobody need be contacted. NaN where nothing has weight.

    Raises
    ------
    UsageError
        The value is not positive, or a cost is negative or not below the value.

    References
    ----------
    Verbraken, Verbeke, Baesens (2013), A Novel Profit Maximizing Metric for Measuring Classification Performance of
    Customer Churn Prediction Models, IEEE Transactions on Knowledge and Data Engineering 25(5), 961-973.

    Examples
    --------
    Uniform save rate, 4 customers: the first pays from gamma = 1/90 on, the next two together from 12/90, the last
    never: 90/4 ((89/90)^2 + (78/90)^2) / 2 = 14005 / 720.

    >>> terms = {"clv": 100.0, "incentive": 10.0, "contact": 1.0, "save_rate": SaveRate(1, 1)}
    >>> round(empc([1, 0, 1, 0], [4, 3, 2, 1], **terms), 4), round(14005 / 720, 4)
    (19.4514, 19.4514)
    """
    return _with_one_value(y, score, weights, clv, incentive, contact, save_rate)[0]


def empc_share(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    clv: float = 200.0,
    incentive: float = 10.0,
    contact: float = 1.0,
    save_rate: SaveRate = PRIOR,
) -> Any:
    """Return the expected optimal share of customers to contact (eta): the mean, over save rates, of the best share.

    Parameters and errors are those of `empc`.

    Examples
    --------
    >>> terms = {"clv": 100.0, "incentive": 10.0, "contact": 1.0, "save_rate": SaveRate(1, 1)}
    >>> round(empc_share([1, 0, 1, 0], [4, 3, 2, 1], **terms), 4), round((89 / 90 + 2 * 78 / 90) / 4, 4)
    (0.6806, 0.6806)
    """
    return _with_one_value(y, score, weights, clv, incentive, contact, save_rate)[1]


def empb(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    value: ArrayLike,
    incentive_share: float = 0.05,
    incentive_cap: ArrayLike = np.inf,
    contact: float = 15.0,
    save_rate: SaveRate = PRIOR,
) -> Any:
    r"""Return the expected maximum profit of a campaign among business customers per customer, each with its own value.

    A contacted leaver i is worth ``gamma (CLV_i - d_i) - f``, a contacted stayer ``-(d_i + f)``, with contact cost f
    and an incentive that is a share of the customer's value, ``d_i = min(delta CLV_i, cap_i)``:

    ``P(t; gamma) = 1/n (sum over leavers with s_i >= t of (gamma (CLV_i - d_i) - f)
    - sum over stayers with s_i >= t of (d_i + f))``,
    ``EMPB = integral over gamma of max over t of P(t; gamma) h(gamma)``.

    With equal values and no cap it is `empc`. The integral is exact: over the segments of the upper hull of
    (cumulated cost, cumulated value of leavers), which takes the place of the ROC curve's.

    Parameters
    ----------
    y, score, weights
        As in `empc`.
    value : array-like of float, shape (rows,)
        What each customer is worth if it stays (CLV_i, here the value at stake); below 0 and missing count as 0.
    incentive_share : float
        The incentive's cost as a share of the customer's value (delta).
    incentive_cap : float or array-like of float, shape (rows,)
        At most so much money per customer. The cap is an addition of this library; the paper has none.
    contact : float
        What a contact costs (f).
    save_rate : SaveRate
        Distribution of the share of contacted leavers who stay.

    Returns
    -------
    float or numpy.ndarray of shape (replicates,)
        Money per customer, never negative. NaN where nothing has weight.

    Raises
    ------
    UsageError
        There is not one value per row, the share is not in [0, 1), or a cost or a cap is negative.

    References
    ----------
    Janssens, Bogaert, Bagué, Van den Poel (2024), B2Boost: instance-dependent profit-driven modelling of B2B churn,
    Annals of Operations Research 341, 267-293.

    Examples
    --------
    >>> terms = {"incentive_share": 0.1, "contact": 1.0, "save_rate": SaveRate(1, 1)}
    >>> round(empb([1, 0, 1, 0], [4, 3, 2, 1], value=[100.0] * 4, **terms), 4)
    19.4514
    """
    return _with_own_values(y, score, weights, value, incentive_share, incentive_cap, contact, save_rate)[0]


def empb_share(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    value: ArrayLike,
    incentive_share: float = 0.05,
    incentive_cap: ArrayLike = np.inf,
    contact: float = 15.0,
    save_rate: SaveRate = PRIOR,
) -> Any:
    """Return the expected optimal share of customers to contact when each has its own value; parameters of `empb`.

    Examples
    --------
    >>> round(empb_share([1, 0], [2, 1], value=[0.0, 1000.0], contact=1.0), 4)
    0.0
    """
    return _with_own_values(y, score, weights, value, incentive_share, incentive_cap, contact, save_rate)[1]


def _with_one_value(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None,
    clv: float,
    incentive: float,
    contact: float,
    save_rate: SaveRate,
) -> tuple[Any, Any]:
    if not (clv > 0 and 0 <= incentive < clv and 0 <= contact < clv):
        raise UsageError(
            f"The value must be positive and both costs in [0, value); found value {clv}, incentive {incentive}, "
            f"contact {contact}",
            remedy="Give all three in the same currency.",
            code="bad_campaign",
        )
    left = np.asarray(y, dtype=np.float64)
    return _expected_maximum(
        score, left * (clv - incentive), contact + (1 - left) * incentive, weights, save_rate=save_rate
    )


def _with_own_values(
    y: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None,
    value: ArrayLike,
    incentive_share: float,
    incentive_cap: ArrayLike,
    contact: float,
    save_rate: SaveRate,
) -> tuple[Any, Any]:
    left = np.asarray(y, dtype=np.float64)
    worth = np.maximum(np.nan_to_num(np.asarray(value, dtype=np.float64), nan=0.0), 0.0)
    cap = np.asarray(incentive_cap, dtype=np.float64)
    if worth.shape != left.shape or not (0 <= incentive_share < 1 and contact >= 0 and (cap >= 0).all()):
        raise UsageError(
            f"There must be one value per row, an incentive share in [0, 1), and no negative cost or cap; found "
            f"{worth.size} values for {left.size} rows, share {incentive_share}, contact {contact}, "
            f"least cap {float(cap.min()) if cap.size else 0.0}",
            remedy="Give the value at stake of each row and what the campaign costs.",
            code="bad_campaign",
        )
    incentive = np.minimum(incentive_share * worth, cap)
    return _expected_maximum(
        score, left * (worth - incentive), contact + (1 - left) * incentive, weights, save_rate=save_rate
    )


def _expected_maximum(
    score: ArrayLike, gain: FloatArray, cost: FloatArray, weights: ArrayLike | None, *, save_rate: SaveRate
) -> tuple[Any, Any]:
    """Return E[max over k of (gamma S_k - C_k)] per row and the expected share contacted, for sums over the k first.

    Both sums can only grow, so the best k moves along the least concave majorant of the points (C_k, S_k). That is an
    isotonic regression of the slopes; it is taken of dS / (dS + dC), which stays finite where a step costs nothing.
    """
    from scipy.optimize import isotonic_regression

    values = np.asarray(score, dtype=np.float64)
    single = weights is None or np.ndim(weights) == 1
    w = np.ones((1, len(values))) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    order = np.lexsort((cost, gain, -values))
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) != 0]) if len(values) else np.zeros(0, np.int64)
    won, paid, rows = (
        np.add.reduceat(w[:, order] * x, starts, axis=1) if len(starts) else np.zeros((len(w), 0))
        for x in (gain[order], cost[order], np.ones(len(values)))
    )
    parts: list[tuple[FloatArray, ...]] = []
    for i in range(len(w)):
        moved = won[i] + paid[i]
        keep = moved > 0
        if not keep.any():
            continue
        fitted = isotonic_regression(won[i, keep] / moved[keep], weights=moved[keep], increasing=False)
        at = fitted.blocks[:-1]
        sums = (np.add.reduceat(x[i, keep], at) for x in (won, paid, rows))
        parts.append((np.full(len(at), i), *sums))
    total = w.sum(axis=1)
    profit, share = np.zeros(len(w)), np.zeros(len(w))
    if parts:
        replicate, gained, spent, counted = (np.concatenate(column) for column in zip(*parts, strict=True))
        threshold = np.divide(spent, gained, out=np.full(len(gained), np.inf), where=gained > 0)
        at = replicate.astype(np.int64)
        np.add.at(profit, at, gained * save_rate.excess(threshold))
        np.add.at(share, at, counted * save_rate.above(threshold))
    nothing = np.full(len(w), np.nan)
    profit = np.divide(profit, total, out=nothing.copy(), where=total > 0)
    share = np.divide(share, total, out=nothing.copy(), where=total > 0)
    return (float(profit[0]), float(share[0])) if single else (profit, share)
