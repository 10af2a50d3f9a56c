"""Whether the bands of a revenue forecast keep their word, and whether it beats what anyone would say without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.features.deal_rows import DealHistory
from crm_ml.features.fate import WON
from crm_ml.models.arrivals import YEAR, month_of
from crm_ml.models.evaluation.intervals import REPLICATES, interval

FloatArray = NDArray[np.float64]

NAIVE = ("mean_of_year", "same_month_last_year", "pipeline")
"""Mean of the last twelve months; the same month a year ago; open amounts times the share won, where they are due."""


def monthly_revenue(history: DealHistory) -> pd.Series:
    """Return the amounts won per calendar month (since January 1970), from the month of the first deal on.

    Examples
    --------
    >>> deals = {"status": ["won", "open"], "opened": [3, 40], "closed": [70, np.nan], "amount": [5.0, 9.0]}
    >>> monthly_revenue(DealHistory(100, pd.DataFrame(deals), pd.DataFrame())).to_dict()
    {0: 0.0, 1: 0.0, 2: 5.0, 3: 0.0}
    """
    deals = history.deals
    won = deals[(deals["status"] == WON).to_numpy()]
    sums = won["amount"].groupby(month_of(won["closed"].to_numpy(np.int64))).sum()
    begin = int(month_of(deals["opened"].to_numpy(np.int64)).min(initial=int(month_of(history.day))))
    found: pd.Series = sums.reindex(range(begin, int(month_of(history.day)) + 1), fill_value=0.0)
    return found


def naive_forecasts(history: DealHistory, months: Sequence[int]) -> pd.DataFrame:
    """Return what can be said without a model, one row per month (since January 1970), one column per `NAIVE`.

    ``pipeline`` puts amount times share won among closed deals into the month of the stated expected close; what is
    overdue or has none counts in the first month. ``same_month_last_year`` is NaN where the record is too short.
    """
    past = monthly_revenue(history).iloc[:-1]
    newest = past.iloc[-YEAR:]
    deals = history.deals
    closed = ~history.is_open
    rate = float((deals["status"] == WON).sum()) / max(int(closed.sum()), 1)
    opened = deals[history.is_open]
    due = month_of(opened["expected_close"].fillna(history.day).to_numpy(np.int64))
    due = np.maximum(due, months[0])
    pipeline = opened["amount"].fillna(0.0).groupby(due).sum().reindex([*months], fill_value=0.0) * rate
    found = {
        "mean_of_year": np.full(len(months), newest.mean() if len(newest) else np.nan),
        "same_month_last_year": past.reindex([month - YEAR for month in months]).to_numpy(np.float64),
        "pipeline": pipeline.to_numpy(np.float64),
    }
    return pd.DataFrame(found)


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how often the bands held what came, one row per month ahead.

    Parameters
    ----------
    rows : DataFrame
        One row per forecast month: ``ahead`` (1: the month that then began), ``actual``, ``low_50``, ``high_50``,
        ``low_90``, ``high_90``.

    Returns
    -------
    DataFrame
        ``ahead``, ``months`` (rows), ``inside_50``, ``inside_90`` (shares).

    Examples
    --------
    >>> rows = pd.DataFrame({"ahead": [1, 1], "actual": [5.0, 9.0], "low_50": 4.0, "high_50": 6.0, "low_90": 2.0,
    ...                      "high_90": 9.0})
    >>> coverage(rows).values.tolist()
    [[1.0, 2.0, 0.5, 1.0]]
    """
    inside = {
        f"inside_{level}": rows["actual"].between(rows[f"low_{level}"], rows[f"high_{level}"]) for level in (50, 90)
    }
    grouped = rows[["ahead"]].assign(**inside).groupby("ahead")
    found = grouped.mean()
    found.insert(0, "months", grouped.size())
    return found.reset_index()


def errors(rows: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Return absolute errors beside the naive forecasts', paired over months, one row per month ahead and naive one.

    Parameters
    ----------
    rows : DataFrame
        One row per forecast month: ``ahead``, ``actual``, ``expected``, and a column for each of `NAIVE`; optional
        ``scale``, what the errors are divided by.
    seed : int
        Of the bootstrap over rows.

    Returns
    -------
    DataFrame
        ``ahead``, ``against``, ``months`` (those for which the naive one has a value), ``error`` and ``naive_error``
        (means), ``difference`` (first less second: below nought the forecast is better) with its 95 % bootstrap
        interval ``low``, ``high``.

    Examples
    --------
    >>> rows = pd.DataFrame({"ahead": 1, "actual": [4.0, 6.0], "expected": 5.0, "mean_of_year": [6.0, 8.0],
    ...                      "same_month_last_year": np.nan, "pipeline": 0.0})
    >>> errors(rows)[["against", "months", "error", "naive_error", "difference", "high"]].values.tolist()[0]
    ['mean_of_year', 2, 1.0, 2.0, -1.0, -1.0]
    """
    found = []
    scale = rows["scale"].to_numpy(np.float64) if "scale" in rows else np.ones(len(rows))
    own = (rows["expected"] - rows["actual"]).abs().to_numpy(np.float64) / scale
    for ahead in sorted(rows["ahead"].unique()):
        for name in NAIVE:
            other = (rows[name] - rows["actual"]).abs().to_numpy(np.float64) / scale
            kept = (rows["ahead"] == ahead).to_numpy() & np.isfinite(other)
            if not kept.any():
                continue
            gap = own[kept] - other[kept]
            draws = np.random.default_rng(seed).integers(len(gap), size=(REPLICATES, len(gap)))
            told = interval(float(gap.mean()), gap[draws].mean(axis=1))
            found.append(
                {
                    "ahead": int(ahead),
                    "against": name,
                    "months": int(kept.sum()),
                    "error": float(own[kept].mean()),
                    "naive_error": float(other[kept].mean()),
                    "difference": told.value,
                    "low": told.low,
                    "high": told.high,
                }
            )
    return pd.DataFrame(found)
