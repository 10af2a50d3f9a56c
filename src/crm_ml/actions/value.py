"""What is at stake with a customer, in money."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def value_at_stake(
    net_revenue: npt.ArrayLike, *, cost: npt.ArrayLike | None = None, margin_rate: float = 1.0
) -> Floats:
    """Return the yearly margin of each customer: net revenue x margin rate, or revenue less cost where that is known.

    Parameters
    ----------
    net_revenue : array-like of float
        Net revenue of the last 365 days in money units; missing counts as 0.
    cost : array-like of float, optional
        Cost of the same lines, missing where it is not known.
    margin_rate : float
        Margin per unit of revenue where cost is not known.

    Examples
    --------
    >>> value_at_stake([1000.0, 200.0], cost=[600.0, np.nan], margin_rate=0.5)
    array([400., 100.])
    """
    revenue = np.nan_to_num(np.asarray(net_revenue, dtype=np.float64), nan=0.0)
    value = revenue * margin_rate
    if cost is not None:
        known = np.asarray(cost, dtype=np.float64)
        value = np.where(np.isfinite(known), revenue - known, value)
    return np.round(value, 4) + 0.0


def priority(p_churn: npt.ArrayLike, value: npt.ArrayLike) -> Floats:
    """Return expected loss: probability x value at stake.

    Examples
    --------
    >>> priority([0.5, 0.1], [400.0, 100.0])
    array([200.,  10.])
    """
    return np.asarray(p_churn, dtype=np.float64) * np.asarray(value, dtype=np.float64)
