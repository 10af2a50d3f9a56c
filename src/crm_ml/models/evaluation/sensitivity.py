"""How much of a ranking hangs on the definition of churn: rank correlation, overlap of lists, AUC across them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import HeldBack
from crm_ml.models.columns import learn_columns
from crm_ml.models.dataset import Dataset
from crm_ml.models.evaluation import metrics
from crm_ml.models.ladder import rung_of
from crm_ml.models.recipe import LIGHTGBM, LOGISTIC, Recipe, Rows, customers_per_class, fit_scorer
from crm_ml.names import CUSTOMER_ID

CHEAP_RECIPE = Recipe(rounds_per_root_row=0.3, shrinkage=0.1)
"""Not tuned: what is compared are definitions, and all of them get the same."""


def cheap_scores(
    train: Dataset, frames: Sequence[pd.DataFrame], *, seed: int = 1, threads: int = 2, max_rows: int = 40_000
) -> tuple[str, list[pd.Series[float]]]:
    """Fit one untuned candidate and return its name and its log-odds of the customers in each frame.

    LightGBM from 40 churned and 40 retained customers on, logistic regression from 20, as in `train_churn`.

    Parameters
    ----------
    train : Dataset
        Mature rows.
    frames : sequence of DataFrame
        Feature tables with `customer_id`, one row per customer.
    seed, threads, max_rows : int
        As in `train_churn`.

    Returns
    -------
    tuple of str and list of Series
        Log-odds by customer id.

    Raises
    ------
    HeldBack
        If fewer than 20 customers churned or stayed.
    """
    customers = train.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object)
    churned, stayed = customers_per_class(train.y, customers)
    least = rung_of("logistic").at_least
    if min(churned, stayed) < least:
        raise HeldBack(
            f"{least} churned and {least} retained customers are needed to compare "
            f"definitions; found {churned} and {stayed}",
            remedy="Load more history or more customers.",
            code="too_few_churners",
        )
    name = LIGHTGBM if min(churned, stayed) >= rung_of("boosting").at_least else LOGISTIC
    contract, _ = learn_columns(train.frame, train.features, train.frame[CUSTOMER_ID])
    rows = Rows(contract.encode(train.frame), train.y, train.days, customers)
    scorer = fit_scorer(name, rows, contract, CHEAP_RECIPE, seed=seed, threads=threads, max_rows=max_rows)
    found = []
    for frame in frames:
        margin = scorer.margin(contract.encode(frame)) if len(frame) else np.zeros(0)
        found.append(pd.Series(margin, index=pd.Index(frame[CUSTOMER_ID].astype(str), dtype=object)))
    return name, found


def riskiest(scores: pd.Series[float], count: int) -> list[str]:
    """Return the ids of the riskiest customers, most at risk first; equal scores in the order of their ids.

    Examples
    --------
    >>> riskiest(pd.Series({"b": 1.0, "a": 1.0, "c": 2.0}), 2)
    ['c', 'a']
    """
    ids = scores.index.to_numpy(dtype=object).astype(str)
    order = np.lexsort((ids, -scores.to_numpy(np.float64)))
    return [str(id) for id in ids[order[:count]]]


def agreement(reference: pd.Series[float], other: pd.Series[float], *, capacity: float = 0.1) -> dict[str, float]:
    """Return how alike two rankings of customers are.

    Parameters
    ----------
    reference, other : Series
        Scores by customer id, of the customers that each definition looks at.
    capacity : float
        Length of the list: a share of the reference's customers (below 1) or a number of them.

    Returns
    -------
    dict
        ``customers`` of the other, ``shared`` with the reference; Spearman's and Kendall's (tau-b) rank correlation
        over those shared; ``listed``, the length of the reference's list; ``overlap``, the share of it that the other
        lists too (each list from its own customers); ``entering``, the names that are only on the other's list.

    Examples
    --------
    >>> one = pd.Series({"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0})
    >>> found = agreement(one, pd.Series({"a": 4.0, "b": 1.0, "c": 3.0, "e": 9.0}), capacity=2)
    >>> found["customers"], found["shared"], round(found["spearman"], 2), found["overlap"], found["entering"]
    (4, 3, 0.5, 0.5, 1)
    """
    from scipy.stats import kendalltau, rankdata

    count = max(1, round(capacity * len(reference)) if capacity < 1 else round(capacity))
    count = min(count, len(reference))
    listed, others = riskiest(reference, count), riskiest(other, count)
    both = sorted(set(reference.index) & set(other.index))
    a, b = (rankdata(scores.loc[both].to_numpy(np.float64)) for scores in (reference, other))
    varied = len(both) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    kept = len(set(listed) & set(others))
    return {
        "customers": len(other),
        "shared": len(both),
        "spearman": float(np.corrcoef(a, b)[0, 1]) if varied else float("nan"),
        "kendall": float(kendalltau(a, b).statistic) if varied else float("nan"),
        "listed": count,
        "overlap": kept / count if count else float("nan"),
        "entering": len(others) - kept,
    }


def agreement_table(rankings: Mapping[str, pd.Series[float]], reference: str, *, capacity: float = 0.1) -> pd.DataFrame:
    """Return one row per ranking: `agreement` with the reference.

    Examples
    --------
    >>> one = pd.Series({"a": 2.0, "b": 1.0})
    >>> agreement_table({"base": one, "turned": -one}, "base", capacity=1)[["definition", "kendall", "overlap"]]
      definition  kendall  overlap
    0       base      1.0      1.0
    1     turned     -1.0      0.0
    """
    rows: list[dict[str, Any]] = [
        {"definition": name, **agreement(rankings[reference], scores, capacity=capacity)}
        for name, scores in rankings.items()
    ]
    return pd.DataFrame(rows)


def auc_between(scores: Mapping[str, pd.Series[float]], outcomes: Mapping[str, pd.Series[bool]]) -> pd.DataFrame:
    """Return the AUC of each definition's scores against what happened by each definition.

    A row is a model's definition, a column the definition it is judged by; only customers that both look at count.

    Examples
    --------
    >>> scores = {"90 days": pd.Series({"a": 2.0, "b": 1.0, "c": 0.0})}
    >>> happened = {"90 days": pd.Series({"a": True, "b": False, "c": False}),
    ...             "180 days": pd.Series({"a": False, "b": True, "c": False})}
    >>> auc_between(scores, happened).loc["90 days"].tolist()
    [1.0, 0.5]
    """
    table = pd.DataFrame(index=list(scores), columns=list(outcomes), dtype=np.float64)
    for name, given in scores.items():
        for judged, happened in outcomes.items():
            both = sorted(set(given.index) & set(happened.index))
            y: NDArray[np.bool_] = happened.loc[both].to_numpy(dtype=bool)
            table.loc[name, judged] = metrics.auc(y, given.loc[both].to_numpy(np.float64))
    return table
