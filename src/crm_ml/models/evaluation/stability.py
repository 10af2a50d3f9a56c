"""How steady is a list: the riskiest customers of one day against those of the next, or of one seed against another.

A list that turns over each week without a reason is not worked through. What is compared is what the account manager
sees, the riskiest `capacity` share, and the order of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crm_ml.errors import DataError
from crm_ml.models.boosting import bin_rows, fit_binned
from crm_ml.models.columns import learn_columns
from crm_ml.models.dataset import Dataset
from crm_ml.names import AS_OF, CUSTOMER_ID

ROUNDS = 60


def top_customers(customers: ArrayLike, score: ArrayLike, *, capacity: float) -> frozenset[str]:
    """Return the riskiest customers: ``ceil(capacity * rows)`` of them, ties in the order of their ids.

    Examples
    --------
    >>> sorted(top_customers(["b", "a", "c", "d"], [0.9, 0.2, 0.9, 0.1], capacity=0.25))
    ['b']
    """
    names = np.asarray(customers, dtype=object).astype(str)
    values = np.asarray(score, dtype=np.float64)
    order = np.lexsort((names, -values))
    room = max(1, int(np.ceil(capacity * len(names) - 1e-9))) if len(names) else 0
    return frozenset(str(name) for name in names[order[:room]])


def compare_lists(before: pd.Series[float], after: pd.Series[float], *, capacity: float = 0.1) -> dict[str, float]:
    """Return how alike two rankings are.

    Parameters
    ----------
    before, after : Series
        Score by customer id; the customers may differ.
    capacity : float
        Share of customers on the list.

    Returns
    -------
    dict
        ``customers`` in both; ``listed`` after; ``overlap``: share of the list after that stood on the list before;
        ``jaccard``: both over either; ``by_chance``: the overlap of two unrelated lists (the share listed before);
        ``gone``: customers of the list before who are no longer scored; ``rank_correlation``: Spearman, over the
        customers in both, equal scores sharing their mean rank.

    Examples
    --------
    >>> week = pd.Series({"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1})
    >>> compare_lists(week, pd.Series({"a": 0.9, "b": 0.1, "c": 0.7, "d": 0.2}), capacity=0.5)["overlap"]
    0.5
    >>> {name: round(value, 3) for name, value in compare_lists(week, week, capacity=0.5).items()}
    {'customers': 4, 'listed': 2, 'overlap': 1.0, 'jaccard': 1.0, 'by_chance': 0.5, 'gone': 0, 'rank_correlation': 1.0}
    """
    old = top_customers(before.index, before.to_numpy(), capacity=capacity)
    new = top_customers(after.index, after.to_numpy(), capacity=capacity)
    known = before.index.intersection(after.index)
    either = len(old | new)
    return {
        "customers": len(known),
        "listed": len(new),
        "overlap": len(old & new) / len(new) if new else float("nan"),
        "jaccard": len(old & new) / either if either else float("nan"),
        "by_chance": len(old) / len(before) if len(before) else float("nan"),
        "gone": len(old - set(map(str, after.index))),
        "rank_correlation": _spearman(before.loc[known].to_numpy(), after.loc[known].to_numpy()),
    }


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 2:
        return float("nan")
    a, b = pd.Series(x).rank().to_numpy(), pd.Series(y).rank().to_numpy()
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def stability_over_time(scores: pd.DataFrame, *, capacity: float = 0.1, score: str = "p") -> pd.DataFrame:
    """Return how alike each day's list is to that of the day before it.

    Parameters
    ----------
    scores : DataFrame
        ``customer_id``, ``as_of`` and the score, one row per customer and day, e.g. `Training.evaluation`, or the
        scores of consecutive weeks.
    capacity : float
        Share of customers on the list.
    score : str
        Name of the score's column; higher is riskier.

    Returns
    -------
    DataFrame
        One row per pair of consecutive days: ``before``, ``after``, and what `compare_lists` says. Empty for one day.

    Raises
    ------
    DataError
        If a customer stands twice on a day.

    Examples
    --------
    >>> rows = [("a", 1, 0.9), ("b", 1, 0.5), ("a", 8, 0.8), ("b", 8, 0.4), ("a", 15, 0.1), ("b", 15, 0.3)]
    >>> frame = pd.DataFrame(rows, columns=["customer_id", "as_of", "p"])
    >>> stability_over_time(frame, capacity=0.5)[["before", "after", "overlap", "rank_correlation"]].values.tolist()
    [[1.0, 8.0, 1.0, 1.0], [8.0, 15.0, 0.0, -1.0]]
    """
    twice = scores.duplicated([CUSTOMER_ID, AS_OF])
    if twice.any():
        raise DataError(
            f"A customer must stand once per day; {int(twice.sum())} rows repeat",
            remedy="Remove the repeated rows.",
            code="duplicate_rows",
        )
    days = sorted(scores[AS_OF].unique())
    lists = {day: scores[scores[AS_OF] == day].set_index(CUSTOMER_ID)[score] for day in days}
    rows = [
        {"before": one, "after": other, **compare_lists(lists[one], lists[other], capacity=capacity)}
        for one, other in pairwise(days)
    ]
    return pd.DataFrame(rows, columns=["before", "after", *_COLUMNS])


_COLUMNS = ("customers", "listed", "overlap", "jaccard", "by_chance", "gone", "rank_correlation")


def stability_between(scores: Mapping[str, pd.Series[float]], *, capacity: float = 0.1) -> pd.DataFrame:
    """Return how alike the lists of several scores of the same customers are, one row per pair.

    Examples
    --------
    >>> one = pd.Series({"a": 0.9, "b": 0.5})
    >>> stability_between({"x": one, "y": one, "z": -one}, capacity=0.5)[["before", "after", "overlap"]].values.tolist()
    [['x', 'y', 1.0], ['x', 'z', 0.0], ['y', 'z', 0.0]]
    """
    names = list(scores)
    rows = [
        {"before": one, "after": other, **compare_lists(scores[one], scores[other], capacity=capacity)}
        for i, one in enumerate(names)
        for other in names[i + 1 :]
    ]
    return pd.DataFrame(rows, columns=["before", "after", *_COLUMNS])


def stability_over_seeds(
    data: Dataset,
    today: pd.DataFrame,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    capacity: float = 0.1,
    rounds: int = ROUNDS,
) -> pd.DataFrame:
    """Return how alike the lists are that boosting makes of the same data with other seeds.

    Parameters
    ----------
    data : Dataset
        Rows to fit on.
    today : DataFrame
        ``customer_id`` and the features of the customers to be ranked.
    seeds : sequence of int
        One fit each.
    capacity : float
        Share of customers on the list.
    rounds : int
        Of boosting.

    Returns
    -------
    DataFrame
        One row per pair of seeds: ``before``, ``after`` (the seeds as texts), and what `compare_lists` says.

    Examples
    --------
    >>> from crm_ml.models import make_dataset
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"customer_id": np.arange(600).astype(str), "as_of": "2026-01-01"})
    >>> frame = frame.assign(x=rng.normal(size=600))
    >>> data = make_dataset(frame, frame.x.to_numpy() + rng.normal(size=600) > 0, gap_days=0, horizon_days=90)
    >>> table = stability_over_seeds(data, frame, seeds=[1, 2], rounds=20)
    >>> bool(table.rank_correlation[0] > 0.9)
    True
    """
    contract, _ = learn_columns(data.frame, data.features, data.frame[CUSTOMER_ID])
    encoded, ranked = contract.encode(data.frame), contract.encode(today)
    ids = today[CUSTOMER_ID].astype(str)
    binned = bin_rows(encoded, data.y, contract, threads=1)
    scores = {
        str(seed): pd.Series(fit_binned(binned, rounds=rounds, seed=seed, threads=1).margin(ranked), index=ids)
        for seed in seeds
    }
    return stability_between(scores, capacity=capacity)
