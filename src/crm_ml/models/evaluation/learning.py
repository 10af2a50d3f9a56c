"""Does more data help? The AUC of a cheap model against the number of customers it was fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_ml.errors import HeldBack
from crm_ml.models.columns import learn_columns
from crm_ml.models.dataset import Dataset, plan_split
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.logistic import RFM_FEATURES, fit_logistic
from crm_ml.names import CUSTOMER_ID

SHRINKAGE = 0.1


def learning_curve(
    dataset: Dataset,
    *,
    sizes: Sequence[int] = (50, 100, 200, 400, 800, 1600),
    repeats: int = 5,
    held_out: float = 0.4,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit a shrunken logistic regression on more and more customers and measure it on later rows of other customers.

    In each repetition customers are dealt anew: a share is held out, the others are taken in a fixed order, so that a
    larger training holds the smaller one. Fitted on the snapshots before the evaluation snapshots (`plan_split`).

    Parameters
    ----------
    dataset : Dataset
        Mature rows only.
    sizes : sequence of int
        Numbers of customers to fit on; those that are not there are left out, and all that are there come last.
    repeats : int
        Repetitions with seeds ``seed, seed + 1, ...``.
    held_out : float
        Share of the customers to measure on.
    seed : int
        Of the first repetition.

    Returns
    -------
    pandas.DataFrame
        One row per size: ``customers``, ``leavers`` (mean number among them), ``auc``, ``sd`` of the repetitions (they
        share customers, so it is no standard error), ``repeats`` that could be measured.

    Raises
    ------
    HeldBack
        There are fewer than two customers, or too few snapshots for a split.
    """
    data = dataset
    ids = data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object)
    names, index = np.unique(ids, return_inverse=True)
    if len(names) < 2:
        raise HeldBack(
            f"A learning curve needs at least two customers; found {len(names)}",
            remedy="Load more customers.",
            code="too_few_customers",
        )
    label_days = int((data.label_end - data.days).max() / np.timedelta64(1, "D"))
    split = plan_split(data.snapshots, label_days=label_days)
    is_fit, is_later = (
        np.isin(data.days, np.array(sorted(days), "datetime64[D]")) for days in (split.fit, split.evaluation)
    )
    contract, _ = learn_columns(data.frame[is_fit], data.features, data.frame[CUSTOMER_ID][is_fit])
    encoded = {name: values for name, values in contract.encode(data.frame).items() if name in RFM_FEATURES}
    most = len(names) - max(1, round(held_out * len(names)))
    steps = [size for size in sorted(set(sizes)) if size < most] + [most]
    measured: dict[int, list[tuple[float, int]]] = {size: [] for size in steps}
    for k in range(repeats):
        order = np.random.default_rng(seed + k).permutation(len(names))
        place = np.empty(len(names), dtype=np.int64)
        place[order] = np.arange(len(names))
        later = is_later & (place[index] >= most)
        for size in steps:
            rows = is_fit & (place[index] < size)
            leavers = len(np.unique(index[rows & data.y]))
            if not 0 < data.y[rows].sum() < rows.sum():
                continue
            past = {name: values[rows] for name, values in encoded.items()}
            model = fit_logistic(past, data.y[rows], RFM_FEATURES, shrinkage=SHRINKAGE)
            found = auc(data.y[later], model.margin({name: values[later] for name, values in encoded.items()}))
            if np.isfinite(found):
                measured[size].append((found, leavers))
    return pd.DataFrame([_row(size, found) for size, found in measured.items()])


def _row(size: int, found: list[tuple[float, int]]) -> dict[str, float]:
    values, leavers = np.array(found, dtype=np.float64).reshape(-1, 2).T
    known = len(values) > 0
    return {
        "customers": size,
        "leavers": float(leavers.mean()) if known else float("nan"),
        "auc": float(values.mean()) if known else float("nan"),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        "repeats": len(values),
    }
