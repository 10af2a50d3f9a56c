"""Does a probability of 30 % happen in 30 of 100 cases, in every tier and segment? Rates with intervals, and skill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import DataError
from crm_ml.models.evaluation.intervals import REPLICATES, Interval, bootstrap, customer_weights, interval
from crm_ml.models.evaluation.metrics import brier_skill, wilson_interval
from crm_ml.names import CUSTOMER_ID

FloatArray = NDArray[np.float64]
COLUMNS = ("rows", "customers", "events", "mean_prediction", "rate", "low", "high", "difference", "agrees")


def skill_interval(
    y: NDArray[np.bool_], p: FloatArray, customers: ArrayLike, *, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Return the Brier skill score with its 95 % interval over customers.

    Parameters
    ----------
    y : numpy.ndarray of bool, shape (rows,)
        What happened.
    p : numpy.ndarray of float, shape (rows,)
        Predicted probabilities.
    customers : array of str, shape (rows,)
        Whose row it is; all rows of a customer are drawn together.
    replicates, seed : int
        Of the draws.

    Examples
    --------
    >>> y = np.array([True, False, False, False] * 25)
    >>> found = skill_interval(y, np.where(y, 0.7, 0.1), np.arange(100).astype(str), replicates=200)
    >>> round(found.value, 2), found.low < found.value < found.high
    (0.84, True)
    """
    weights = customer_weights(customers, replicates=replicates, seed=seed)
    return interval(brier_skill(y, p), bootstrap(brier_skill, y, p, weights))


def reliability_by(
    table: pd.DataFrame, by: str | Sequence[str], *, replicates: int = REPLICATES, seed: int = 0
) -> pd.DataFrame:
    """Return mean prediction and what happened, with the 95 % interval of the rate, for each tier or segment.

    Where every customer stands once in a group the interval is Wilson's (1927). Where customers stand in several rows
    (several days) they are drawn with all their rows instead, and where a group had but one outcome, so that drawing
    shows no spread, Wilson's interval counts each customer once.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per prediction: ``customer_id``, ``y``, ``p`` and the columns of `by`.
    by : str or sequence of str
        Column or columns to group by, e.g. ``"tier"``, ``["as_of", "industry"]``; missing values are a group.
    replicates, seed : int
        Of the draws of customers.

    Returns
    -------
    pandas.DataFrame
        One row per group, sorted by it: the columns of `by`, ``rows``, ``customers``, ``events``,
        ``mean_prediction``, ``rate``, ``low``, ``high`` (of the rate), ``difference`` (mean prediction less rate) and
        ``agrees`` (the mean prediction lies within the interval).

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": [str(k) for k in range(200)], "tier": ["A"] * 100 + ["B"] * 100})
    >>> table["y"] = [k % 100 < 50 for k in range(200)]
    >>> table["p"] = [0.45] * 100 + [0.2] * 100
    >>> found = reliability_by(table, "tier")
    >>> found[["tier", "rate", "low", "high", "difference", "agrees"]].round(3).values.tolist()
    [['A', 0.5, 0.404, 0.596, -0.05, True], ['B', 0.5, 0.404, 0.596, -0.3, False]]
    """
    columns = [by] if isinstance(by, str) else list(by)
    missing = [name for name in (CUSTOMER_ID, "y", "p", *columns) if name not in table.columns]
    if missing:
        raise DataError(
            f"Reliability needs the columns {', '.join(missing)}; the table has "
            f"{', '.join(map(str, table.columns[:20]))}",
            remedy="Join them to the predictions.",
            code="missing_column",
        )
    records = []
    for key, rows in table.groupby(columns, dropna=False, sort=True, observed=True):
        found = _group(rows, replicates, seed)
        records.append([*key, *(found[name] for name in COLUMNS)])
    return pd.DataFrame(records, columns=[*columns, *COLUMNS])


def _group(rows: pd.DataFrame, replicates: int, seed: int) -> dict[str, Any]:
    # sorted, so that the order of the table cannot matter
    rows = rows.assign(**{CUSTOMER_ID: rows[CUSTOMER_ID].astype(str)}).sort_values([CUSTOMER_ID, "p", "y"])
    y, p = rows["y"].to_numpy(bool), rows["p"].to_numpy(np.float64)
    customers, of_row = np.unique(rows[CUSTOMER_ID].to_numpy(dtype=object), return_inverse=True)
    count, rate, mean = len(customers), float(y.mean()), float(p.mean())
    if count == len(y) or rate in (0.0, 1.0):
        low, high = wilson_interval(rate, count)
    else:
        # summed per customer first: a third of the work with three days each
        weights = customer_weights(customers, replicates=replicates, seed=seed)
        drawn = interval(rate, bootstrap(_rate, np.bincount(of_row, y), np.bincount(of_row), weights))
        low, high = drawn.low, drawn.high
    return {
        "rows": len(y),
        "customers": count,
        "events": int(y.sum()),
        "mean_prediction": mean,
        "rate": rate,
        "low": low,
        "high": high,
        "difference": mean - rate,
        "agrees": bool(low <= mean <= high),
    }


def _rate(events: FloatArray, rows: FloatArray, weights: FloatArray) -> FloatArray:
    return np.asarray((weights @ events) / (weights @ rows))
