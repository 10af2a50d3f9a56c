"""What models look like side by side, as tables: reliability, gain, money at a share of the customers, importance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.models.evaluation.metrics import ECE_BINS, gain_table, reliability_table
from crm_ml.names import AS_OF

FloatArray = NDArray[np.float64]
POINTS = 41
VALUE = "value_at_stake"


def reliability_curves(evaluations: Mapping[str, pd.DataFrame], *, bins: int = ECE_BINS) -> pd.DataFrame:
    """Return the reliability curve of every model, in bins of equal count.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``mean_prediction``, ``rate``, ``low``, ``high`` (95 %, Wilson), ``rows``.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": "2025-01-01", "y": [False, True, False, True], "p": [0.1, 0.1, 0.8, 0.8]})
    >>> reliability_curves({"7": rows}, bins=2)[["name", "rate", "rows"]].to_numpy().tolist()
    [['7', 0.5, 2], ['7', 0.5, 2]]
    """
    parts = []
    for name, frame in evaluations.items():
        rows = _ordered(frame)
        table = reliability_table(rows["y"].to_numpy(bool), rows["p"].to_numpy(float), bins=bins)
        parts.append(pd.DataFrame(table).assign(name=name))
    columns = ["name", "mean_prediction", "rate", "low", "high", "rows"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def gain_curves(evaluations: Mapping[str, pd.DataFrame], *, points: int = POINTS) -> pd.DataFrame:
    """Return which share of the churners each model finds among the riskiest share of the rows.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``share``, ``gain``; `points` rows per model, from 0 to 1.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": "2025-01-01", "y": [True, False, True, False], "p": [0.9, 0.8, 0.7, 0.1]})
    >>> gain_curves({"7": rows}, points=5)["gain"].tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    parts = [
        pd.DataFrame(gain_table(frame["y"].to_numpy(bool), _score(frame), points=points)).assign(name=name)
        for name, frame in evaluations.items()
    ]
    return (
        pd.concat(parts, ignore_index=True)[["name", "share", "gain"]]
        if parts
        else pd.DataFrame(columns=["name", "share", "gain"])
    )


def profit_curves(
    evaluations: Mapping[str, pd.DataFrame], *, save_rate: float, cost: float, points: int = POINTS
) -> pd.DataFrame:
    """Return what acting on the first share of the customers would have brought per day of the evaluation, in money.

    The customers of a day are put in the order of p x value (``by_value``) or of p alone (``by_risk``); acting on the
    first k brings the sum over them of y x value x save_rate - cost. Customers with equal scores share what they bring.
    A model whose evaluation holds no value is left out.

    Parameters
    ----------
    evaluations : mapping of str to pandas.DataFrame
        By name; with ``value_at_stake``.
    save_rate : float
        Share of those who would leave and stay because of the action.
    cost : float
        Of one action.
    points : int
        Shares, from 0 to 1.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``share``, ``by_value``, ``by_risk``.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": "2025-01-01", "y": [True, False], "p": [0.6, 0.7], "value_at_stake": [900.0, 10]})
    >>> profit_curves({"7": rows}, save_rate=0.5, cost=50.0, points=3)[["by_value", "by_risk"]].to_numpy().tolist()
    [[0.0, 0.0], [400.0, -50.0], [350.0, 350.0]]
    """
    share = np.linspace(0.0, 1.0, points)
    parts = []
    for name, frame in evaluations.items():
        if has_values(frame):
            curves = _money(frame, share, save_rate, cost)
            parts.append(pd.DataFrame({"name": name, "share": share, **curves}))
    columns = ["name", "share", "by_value", "by_risk"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def profit_at_capacity(
    evaluations: Mapping[str, pd.DataFrame], *, save_rate: float, cost: float, capacity: float = 0.1
) -> pd.DataFrame:
    """Return what acting on the first `capacity` share would have brought, per day of the evaluation.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``customers`` (acted on, per day), ``by_value``, ``by_risk``; see `profit_curves`.

    Examples
    --------
    >>> rows = pd.DataFrame({"as_of": "2025-01-01", "y": [True, False], "p": [0.6, 0.7], "value_at_stake": [900.0, 10]})
    >>> profit_at_capacity({"7": rows}, save_rate=0.5, cost=50.0, capacity=0.5).to_numpy().tolist()
    [['7', 1.0, 400.0, -50.0]]
    """
    rows = []
    for name, frame in evaluations.items():
        if not has_values(frame):
            continue
        days = [(part, max(1.0, np.ceil(capacity * len(part) - 1e-9))) for _, part in frame.groupby(AS_OF, sort=True)]
        brought = [
            {key: float(values[0]) for key, values in _money(part, np.array([k / len(part)]), save_rate, cost).items()}
            for part, k in days
        ]
        means = {key: float(np.mean([each[key] for each in brought])) for key in ("by_value", "by_risk")}
        rows.append({"name": name, "customers": float(np.mean([k for _, k in days])), **means})
    return pd.DataFrame(rows, columns=["name", "customers", "by_value", "by_risk"])


def importance_table(importances: Mapping[str, pd.DataFrame], *, top: int = 15) -> pd.DataFrame:
    """Return the share of each feature in what moves a model's scores, one column per model.

    Parameters
    ----------
    importances : mapping of str to pandas.DataFrame
        By name; ``feature`` and ``mean_abs_contribution`` (as `Contributions.importance` gives them).
    top : int
        So many features, those with the largest share on average over the models.

    Examples
    --------
    >>> one = pd.DataFrame({"feature": ["a", "b"], "mean_abs_contribution": [3.0, 1.0]})
    >>> two = pd.DataFrame({"feature": ["b"], "mean_abs_contribution": [2.0]})
    >>> importance_table({"7": one, "8": two}).to_dict("index")
    {'b': {'7': 0.25, '8': 1.0}, 'a': {'7': 0.75, '8': 0.0}}
    """
    shares = {}
    for name, table in importances.items():
        values = pd.Series(table["mean_abs_contribution"].to_numpy(float), index=table["feature"].astype(str))
        shares[name] = values / values.sum() if values.sum() > 0 else values * 0.0
    wide = pd.DataFrame(shares).fillna(0.0).sort_index()
    order = wide.mean(axis=1).sort_values(ascending=False, kind="stable").index[:top]
    wide = wide.loc[order]
    wide.index.name = "feature"
    return wide


def has_values(frame: pd.DataFrame) -> bool:
    """Return whether an evaluation knows what is at stake with anybody."""
    return VALUE in frame.columns and bool((frame[VALUE].to_numpy(float) > 0).any())


def _money(frame: pd.DataFrame, share: FloatArray, save_rate: float, cost: float) -> dict[str, FloatArray]:
    """Return the mean over the days of what the first share of each brings, in both orders."""
    found: dict[str, list[FloatArray]] = {"by_value": [], "by_risk": []}
    for _, day in frame.groupby(AS_OF, sort=True):
        value, p = np.nan_to_num(day[VALUE].to_numpy(np.float64)), day["p"].to_numpy(np.float64)
        brings = day["y"].to_numpy(np.float64) * value * save_rate - cost
        found["by_value"].append(_summed(p * value, brings, share))
        found["by_risk"].append(_summed(p, brings, share))
    return {key: np.mean(parts, axis=0) for key, parts in found.items()}


def _summed(score: FloatArray, brings: FloatArray, share: FloatArray) -> FloatArray:
    """Return the sum over the first share of the rows by score; rows with equal scores count with their mean."""
    order = np.lexsort((brings, -score))
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    summed = np.r_[0.0, np.cumsum(brings[order])[ends]]
    return np.interp(share * len(score), np.r_[0, ends + 1], summed)


def _score(frame: pd.DataFrame) -> FloatArray:
    return frame["margin" if "margin" in frame.columns else "p"].to_numpy(np.float64)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in an order of their own, so that curves never depend on the order of the file."""
    keys = [name for name in (AS_OF, "customer_id", "p", "y") if name in frame.columns]
    return frame.sort_values(keys, ignore_index=True)
