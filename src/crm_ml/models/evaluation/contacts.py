"""What the team's contacts bring: money at the capacity there is, by risk and by value, and against one who knows all.

Money of a contact is given per row (`gain_of_contact` under an assumed save rate, `true_gain_of_contact` where the
truth is known), so that everything here only has to say who is contacted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.intervals import REPLICATES, Interval, customer_weights, interval
from crm_ml.models.evaluation.profit import SaveRate

FloatArray = NDArray[np.float64]
Capacity = int | Mapping[str, int]
RISK, VALUE, ORACLE = "risk", "value", "oracle"


def gain_of_contact(
    y: ArrayLike, value: ArrayLike, *, save_rate: float | SaveRate = 0.3, cost: ArrayLike = 0.0
) -> FloatArray:
    """Return what a contact brings per row: save rate x value of a leaver, less the cost of the contact.

    For a fixed list the profit is linear in the save rate, so a distribution counts with its mean.

    Parameters
    ----------
    y : array-like of bool, shape (rows,)
        Who left without a contact.
    value : array-like of float, shape (rows,)
        Value at stake; missing counts as 0.
    save_rate : float or SaveRate
        Share of contacted leavers who stay.
    cost : float or array-like of float, shape (rows,)
        Of one contact.

    Examples
    --------
    >>> gain_of_contact([True, False], [1000.0, 500.0], save_rate=0.3, cost=60.0).tolist()
    [240.0, -60.0]
    """
    rate = save_rate.mean if isinstance(save_rate, SaveRate) else save_rate
    worth = np.nan_to_num(np.asarray(value, dtype=np.float64), nan=0.0)
    return np.asarray(rate * np.asarray(y, dtype=np.float64) * worth - np.asarray(cost, dtype=np.float64))


def true_gain_of_contact(effect: ArrayLike, value: ArrayLike, *, cost: ArrayLike = 0.0) -> FloatArray:
    """Return what a contact truly brings per row: the fall of the churn probability x value, less the cost.

    Parameters
    ----------
    effect : array-like of float, shape (rows,)
        P(churn with the contact) - P(churn without), as of `crm_ml.tables.synth.Firm.call_effect`: below 0 helps.
    value, cost
        As in `gain_of_contact`.

    Examples
    --------
    >>> true_gain_of_contact([-0.2, 0.1], [1000.0, 500.0], cost=60.0).tolist()
    [140.0, -110.0]
    """
    worth = np.nan_to_num(np.asarray(value, dtype=np.float64), nan=0.0)
    return np.asarray(-np.asarray(effect, dtype=np.float64) * worth - np.asarray(cost, dtype=np.float64))


def contacted(
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    capacity: Capacity,
    managers: ArrayLike | None = None,
    least: float = -np.inf,
) -> FloatArray:
    """Return which part of each row is contacted: 1 for the highest scores up to the capacity, 0 below.

    Rows with equal scores at the edge are contacted with the part of them that still fits, so the order of rows never
    matters.

    Parameters
    ----------
    score : array-like of float, shape (rows,)
        Higher means contacted earlier.
    weights : array-like of float, shape (replicates, rows) or (rows,), optional
        How often each row stands there.
    capacity : int or mapping of str to int
        Contacts there is time for: of the whole team, of each manager, or by manager's id (0 for one not named).
    managers : array-like of str, shape (rows,), optional
        Whose customer a row is; then the capacity is each manager's own.
    least : float
        Rows that score less are left alone even where there is time.

    Returns
    -------
    numpy.ndarray of shape (replicates, rows)

    Raises
    ------
    UsageError
        A capacity by manager without `managers`, or one below 0.

    Examples
    --------
    >>> contacted([3.0, 2.0, 2.0, 1.0], capacity=2).tolist()
    [[1.0, 0.5, 0.5, 0.0]]
    >>> contacted([3.0, 2.0, 1.0], capacity=1, managers=["a", "a", "b"]).tolist()
    [[1.0, 0.0, 1.0]]
    """
    values = np.asarray(score, dtype=np.float64)
    w = np.ones((1, len(values))) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    share = np.zeros(w.shape)
    for rows, room in _rooms(len(values), capacity, managers):
        rows = rows[values[rows] >= least]
        share[:, rows] = _highest(values[rows], w[:, rows], room)
    return share


def _rooms(count: int, capacity: Capacity, managers: ArrayLike | None) -> list[tuple[NDArray[np.int64], int]]:
    if managers is None and isinstance(capacity, Mapping):
        raise UsageError(
            "A capacity by manager needs to know whose customer each row is",
            remedy="Give `managers`, or one number for the whole team.",
            code="bad_capacity",
        )
    found = list(capacity.values()) if isinstance(capacity, Mapping) else [capacity]
    if any(room < 0 for room in found):
        raise UsageError(
            f"A capacity must not be negative; found {min(found)}", remedy="0 means no contact.", code="bad_capacity"
        )
    if managers is None:
        return [(np.arange(count), found[0])]
    names = np.asarray(managers, dtype=object).astype(str)
    own = capacity if isinstance(capacity, Mapping) else dict.fromkeys(np.unique(names), capacity)
    return [(np.flatnonzero(names == name), own.get(str(name), 0)) for name in np.unique(names)]


def _highest(values: FloatArray, w: FloatArray, room: int) -> FloatArray:
    if not len(values):
        return np.zeros(w.shape)
    order = np.argsort(-values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) != 0])
    # few of many are contacted: the rest need not be looked at where the first ones fill the room in every draw
    ends = starts[starts >= max(2 * room, 1)]
    if len(ends) and w[:, order[: ends[0]]].sum(axis=1).min(initial=np.inf) >= room:
        order, starts = order[: ends[0]], starts[starts < ends[0]]
    there = np.add.reduceat(w[:, order], starts, axis=1)
    before = np.cumsum(there, axis=1) - there
    fits = np.divide(np.clip(room - before, 0.0, there), there, out=np.zeros_like(there), where=there > 0)
    share = np.zeros(w.shape)
    share[:, order] = np.repeat(fits, np.diff(np.r_[starts, len(order)]), axis=1)
    return share


def profit_at_capacity(
    gain: ArrayLike,
    score: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    capacity: Capacity,
    managers: ArrayLike | None = None,
    least: float = -np.inf,
) -> Any:
    """Return the money that contacting the highest scores up to the capacity brings.

    Parameters
    ----------
    gain : array-like of float, shape (rows,)
        What a contact with each row brings.
    score, weights, capacity, managers, least
        As in `contacted`.

    Returns
    -------
    float or numpy.ndarray of shape (replicates,)

    Examples
    --------
    >>> profit_at_capacity([240.0, -60.0, 500.0], [0.9, 0.8, 0.1], capacity=2)
    180.0
    """
    share = contacted(score, weights, capacity=capacity, managers=managers, least=least)
    single = weights is None or np.ndim(weights) == 1
    w = np.ones(share.shape) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    profit = (share * w * np.asarray(gain, dtype=np.float64)).sum(axis=1)
    return float(profit[0]) if single else profit


def profit_curve(
    gain: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None, *, points: int = 101, level: float = 0.95
) -> pd.DataFrame:
    """Return the profit against the number of contacts, from none to all.

    Parameters
    ----------
    gain, score : array-like of float, shape (rows,)
        What a contact with each row brings; higher scores are contacted earlier, equal ones together.
    weights : array-like of float, shape (replicates, rows), optional
        Bootstrap replicates (`intervals.customer_weights`): then `low` and `high` are the ends of the interval.
    points : int
        So many numbers of contacts, evenly spaced.
    level : float
        Of the interval.

    Returns
    -------
    pandas.DataFrame
        ``contacts``, ``profit``, and ``low``, ``high`` (NaN without weights).

    Examples
    --------
    >>> profit_curve([240.0, -60.0, 500.0], [0.9, 0.8, 0.1], points=4)["profit"].tolist()
    [0.0, 240.0, 180.0, 680.0]
    """
    values, money = np.asarray(score, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    contacts = np.linspace(0, len(values), points)
    profit = _cumulated(money, values, np.ones((1, len(values))), contacts)[0]
    low = high = np.full(points, np.nan)
    if weights is not None:
        drawn = _cumulated(money, values, np.atleast_2d(np.asarray(weights, dtype=np.float64)), contacts)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        low, high = np.minimum(low, profit), np.maximum(high, profit)
    return pd.DataFrame({"contacts": contacts, "profit": profit, "low": low, "high": high})


def _cumulated(gain: FloatArray, values: FloatArray, w: FloatArray, contacts: FloatArray) -> FloatArray:
    if not len(values):
        return np.zeros((len(w), len(contacts)))
    order = np.argsort(-values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) != 0])
    zero = np.zeros((len(w), 1))
    money = np.concatenate(
        [zero, np.cumsum(np.add.reduceat(w[:, order] * gain[order], starts, axis=1), axis=1)], axis=1
    )
    rows = np.concatenate([zero, np.cumsum(np.add.reduceat(w[:, order], starts, axis=1), axis=1)], axis=1)
    return np.stack([np.interp(contacts, x, y) for x, y in zip(rows, money, strict=True)])


@dataclass(frozen=True)
class RankingComparison:
    """Profit of lists made in different ways from the same customers; made by `compare_rankings`.

    Attributes
    ----------
    profit : dict of Interval
        Money by ranking: ``risk``, ``value`` and, where the truth is known, ``oracle``.
    contacts : dict of float
        How many are contacted by each.
    value_less_risk : Interval
        Profit by value minus profit by risk, from the same draws of customers.
    share_of_oracle : Interval or None
        Profit by value over the oracle's.
    on_both : float
        Share of the list by risk that also stands on the list by value.
    basis : {"assumed save rate", "true effect"}
        What the money of a contact comes from.
    """

    profit: Mapping[str, Interval]
    contacts: Mapping[str, float]
    value_less_risk: Interval
    share_of_oracle: Interval | None
    on_both: float
    basis: str

    @property
    def table(self) -> pd.DataFrame:
        """One row per ranking: contacts, profit with its interval."""
        rows = [{"ranking": name, "contacts": self.contacts[name], **p.as_dict()} for name, p in self.profit.items()]
        return pd.DataFrame(rows, columns=["ranking", "contacts", "value", "low", "high"]).rename(
            columns={"value": "profit"}
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        return {
            "basis": self.basis,
            "profit": {name: value.as_dict() for name, value in self.profit.items()},
            "contacts": dict(self.contacts),
            "value_less_risk": self.value_less_risk.as_dict(),
            "share_of_oracle": self.share_of_oracle.as_dict() if self.share_of_oracle else None,
            "on_both": self.on_both,
        }


def compare_rankings(
    y: ArrayLike,
    p: ArrayLike,
    value: ArrayLike,
    customers: ArrayLike,
    *,
    capacity: Capacity,
    managers: ArrayLike | None = None,
    save_rate: float | SaveRate = 0.3,
    cost: float = 0.0,
    effect: ArrayLike | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> RankingComparison:
    """Contact the riskiest, or those with the highest probability x value, and count the money of both lists.

    By risk the capacity is used up. By value a contact is made only where the expected gain covers its cost, as in the
    policy (``save_rate x p x value >= cost``). Where the true effect of a contact is known, both are judged by it, and
    an oracle contacts those with the highest true gain as long as there is one.

    Parameters
    ----------
    y, p, value : array-like, shape (rows,)
        Who left, the predicted probability, the value at stake.
    customers : array-like of str, shape (rows,)
        Whose row it is; intervals are drawn over customers.
    capacity, managers
        As in `contacted`.
    save_rate : float or SaveRate
        Assumed share of contacted leavers who stay.
    cost : float
        Of one contact.
    effect : array-like of float, shape (rows,), optional
        True change of the churn probability by a contact (see `true_gain_of_contact`).
    replicates, seed : int
        Of the draws of customers.

    Examples
    --------
    >>> result = compare_rankings([1, 1, 0], [0.9, 0.5, 0.1], [100.0, 900.0, 10.0], list("abc"), capacity=1, cost=10.0)
    >>> {name: round(profit.value, 6) for name, profit in result.profit.items()}
    {'risk': 20.0, 'value': 260.0}
    """
    risk, worth = np.asarray(p, dtype=np.float64), np.nan_to_num(np.asarray(value, dtype=np.float64), nan=0.0)
    rate = save_rate.mean if isinstance(save_rate, SaveRate) else float(save_rate)
    if effect is None:
        gain = gain_of_contact(y, worth, save_rate=rate, cost=cost)
    else:
        gain = true_gain_of_contact(effect, worth, cost=cost)
    lists: dict[str, tuple[FloatArray, float]] = {RISK: (risk, -np.inf), VALUE: (rate * risk * worth, cost)}
    if effect is not None:
        lists[ORACLE] = (gain, 0.0)
    weights = customer_weights(customers, replicates=replicates, seed=seed)
    profit, drawn, shares = {}, {}, {}
    for name, (score, least) in lists.items():
        shares[name] = contacted(score, capacity=capacity, managers=managers, least=least)[0]
        drawn[name] = profit_at_capacity(gain, score, weights, capacity=capacity, managers=managers, least=least)
        profit[name] = interval(float(shares[name] @ gain), drawn[name])
    difference = interval(profit[VALUE].value - profit[RISK].value, drawn[VALUE] - drawn[RISK])
    share = None
    if ORACLE in lists and profit[ORACLE].value > 0:
        of_oracle = np.divide(
            drawn[VALUE], drawn[ORACLE], out=np.full(len(drawn[VALUE]), np.nan), where=drawn[ORACLE] > 0
        )
        share = interval(profit[VALUE].value / profit[ORACLE].value, of_oracle)
    on_risk = float(shares[RISK].sum())
    return RankingComparison(
        profit=profit,
        contacts={name: float(part.sum()) for name, part in shares.items()},
        value_less_risk=difference,
        share_of_oracle=share,
        on_both=float(np.minimum(shares[RISK], shares[VALUE]).sum() / on_risk) if on_risk else 0.0,
        basis="assumed save rate" if effect is None else "true effect",
    )
