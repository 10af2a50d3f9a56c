"""Refits that show what a score hangs on: what a feature adds, and what is left without the best ones.

A small LightGBM is fitted on two thirds of the customers and predicts the other third, three times, so every row is
predicted by a model that never saw its customer. It is for looking, not for serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.models.boosting import fit_boosting
from crm_ml.models.columns import Column, ColumnContract, Encoded, FloatArray, Kind, learn_columns
from crm_ml.models.dataset import BoolArray, Dataset
from crm_ml.models.evaluation.fates import FOLDS, IntArray
from crm_ml.models.evaluation.intervals import Interval, bootstrap, customer_weights, interval
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.traits import coded, plain
from crm_ml.names import CUSTOMER_ID

ROUNDS = 40
REPLICATES = 100
MOST_ROWS = 10_000


def dealt(customers: Sequence[str] | pd.Series[str], *, seed: int = 0) -> IntArray:
    """Return for each row the part, 0 to 2, into which its customer was dealt.

    Examples
    --------
    >>> dealt(["a", "b", "a", "c"]).tolist()
    [2, 0, 2, 1]
    """
    who, names = pd.factorize(pd.Series(customers, dtype=object).astype(str), sort=True)
    parts: IntArray = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[who].astype(np.int64)
    return parts


def cross_fitted(
    encoded: Encoded, y: BoolArray, contract: ColumnContract, parts: IntArray, *, rounds: int = ROUNDS, seed: int = 1
) -> FloatArray:
    """Return the log-odds of each row by trees fitted on the other parts.

    Examples
    --------
    >>> x = np.arange(300.0)
    >>> margin = cross_fitted({"x": x}, x > 150, ColumnContract((Column("x", "number"),)), np.arange(300) % 3)
    >>> auc(x > 150, margin) > 0.99
    True
    """
    margin = np.zeros(len(y))
    for k in np.unique(parts):
        here = parts == k
        if y[~here].all() or not y[~here].any():
            continue
        past = {name: values[~here] for name, values in encoded.items()}
        model = fit_boosting(past, y[~here], contract, rounds=rounds, seed=seed, threads=1)
        margin[here] = model.margin({name: values[here] for name, values in encoded.items()})
    return margin


def sampled(data: Dataset) -> BoolArray:
    """Return which rows to look at: all rows of some customers."""
    who, names = pd.factorize(data.frame[CUSTOMER_ID].astype(str), sort=True)
    step = max(1, -(-len(data) // MOST_ROWS))
    # not the seed that deals customers into parts: with it, who is chosen could all be in one part
    chosen: BoolArray = (np.random.default_rng(17).permutation(len(names)) % step == 0)[who]
    return chosen


@dataclass(frozen=True)
class Measured:
    """AUC and paired differences of margins on the same rows, with intervals from the same draws of customers."""

    y: BoolArray
    weights: np.ndarray

    def auc(self, margin: FloatArray) -> Interval:
        """Return the AUC with its 95 % interval."""
        return interval(float(auc(self.y, margin)), bootstrap(auc, self.y, margin, self.weights))

    def difference(self, margin: FloatArray, other: FloatArray) -> Interval:
        """Return AUC(margin) - AUC(other) with its paired 95 % interval."""
        drawn = bootstrap(auc, self.y, margin, self.weights) - bootstrap(auc, self.y, other, self.weights)
        return interval(float(auc(self.y, margin) - auc(self.y, other)), drawn)


def measured_on(data: Dataset, *, replicates: int, seed: int) -> Measured:
    """Draw the customers of a data set."""
    weights = customer_weights(data.frame[CUSTOMER_ID].astype(str).to_numpy(object), replicates=replicates, seed=seed)
    return Measured(data.y, weights)


def auc_gain(
    data: Dataset, features: Sequence[str], *, parts: IntArray, replicates: int = REPLICATES, seed: int = 1
) -> dict[str, tuple[Interval, Interval]]:
    """Return the AUC without any of the features, and what each of them adds when it is put in alone.

    One at a time *added*, not left out: of two leaks that say the same, leaving out one changes nothing. The other
    features speak through one column, their cross-fitted log-odds, to which the feature is joined.

    Parameters
    ----------
    data : Dataset
        Rows that may be looked at.
    features : sequence of str
        The suspects; the rest of the data set's features are the base.
    parts : numpy.ndarray of int
        Part of each row (`dealt`).
    replicates, seed : int
        Draws of customers for the intervals; seed of trees and draws.

    Examples
    --------
    >>> from crm_ml.models import make_dataset
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"customer_id": np.arange(600).astype(str), "as_of": "2026-01-01"})
    >>> frame = frame.assign(x=rng.normal(size=600))
    >>> y = frame.x.to_numpy() + rng.normal(size=600) > 0
    >>> data = make_dataset(frame.assign(told=y * 1.0), y, gap_days=0, horizon_days=90)
    >>> without, gain = auc_gain(data, ["told"], parts=dealt(data.frame.customer_id))["told"]
    >>> without.value < 0.9, round(without.value + gain.value, 2)
    (True, 1.0)
    """
    rows = sampled(data)
    data, parts = data.take(rows), parts[rows]
    rest = [name for name in data.features if name not in features]
    contract, _ = learn_columns(data.frame, rest, data.frame[CUSTOMER_ID])
    base = cross_fitted(contract.encode(data.frame), data.y, contract, parts, seed=seed) if contract.ids else None
    margin = np.zeros(len(data)) if base is None else base
    who = pd.factorize(data.frame[CUSTOMER_ID].astype(str), sort=True)[0]
    measured = measured_on(data, replicates=replicates, seed=seed)
    known = ColumnContract((Column("margin", "number"),))
    before = cross_fitted({"margin": margin}, data.y, known, parts, seed=seed)
    without = measured.auc(before)
    found = {}
    for name in features:
        kind, values = _joined(data.frame[name], who)
        both = ColumnContract((Column("margin", "number"), Column("suspect", kind)))
        after = cross_fitted({"margin": margin, "suspect": values}, data.y, both, parts, seed=seed)
        found[name] = without, measured.difference(after, before)
    return found


def _joined(column: pd.Series[Any], who: IntArray) -> tuple[Kind, FloatArray]:
    values = plain(column)
    if values.dtype != object:
        return "number", values
    codes = coded(values, who)
    return "category", np.where(codes > 0, codes - 1.0, np.nan)


def drop_top_features(data: Dataset, *, top: int = 5, replicates: int = REPLICATES, seed: int = 1) -> pd.DataFrame:
    """Return what the AUC is without each of the most used features: a score that hangs on one is worth a look.

    Parameters
    ----------
    data : Dataset
        Rows that may be looked at, e.g. those of the snapshots fitted on; at most about 10,000 are used.
    top : int
        So many features are left out, one after the other; the first row is the AUC with all.
    replicates, seed : int
        Draws of customers for the intervals; seed of trees and draws.

    Returns
    -------
    DataFrame
        ``feature`` (empty for none), ``auc``, ``auc_low``, ``auc_high``, and ``fall`` with its paired 95 % interval
        ``fall_low``, ``fall_high``; in the order of use (mean absolute contribution).

    Examples
    --------
    >>> from crm_ml.models import make_dataset
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"customer_id": np.arange(600).astype(str), "as_of": "2026-01-01"})
    >>> frame = frame.assign(x=rng.normal(size=600), noise=rng.normal(size=600))
    >>> y = frame.x.to_numpy() + rng.normal(size=600) > 0
    >>> table = drop_top_features(make_dataset(frame, y, gap_days=0, horizon_days=90), top=1)
    >>> table.feature.tolist(), bool(table.fall_low[1] > 0.1)
    (['', 'x'], True)
    """
    data = data.take(sampled(data))
    contract, _ = learn_columns(data.frame, data.features, data.frame[CUSTOMER_ID])
    encoded, parts = contract.encode(data.frame), dealt(data.frame[CUSTOMER_ID], seed=seed)
    measured = measured_on(data, replicates=replicates, seed=seed)
    whole = cross_fitted(encoded, data.y, contract, parts, seed=seed)
    rows = [with_fall("", measured.auc(whole), Interval(0.0, 0.0, 0.0))]
    for name in _most_used(encoded, data.y, contract, seed=seed)[:top]:
        fewer = contract.only(set(contract.ids) - {name})
        margin = cross_fitted(encoded, data.y, fewer, parts, seed=seed) if fewer.ids else np.zeros(len(data))
        rows.append(with_fall(name, measured.auc(margin), measured.difference(whole, margin)))
    return pd.DataFrame(rows)


def with_fall(name: object, value: Interval, fall: Interval, *, key: str = "feature") -> dict[str, object]:
    """Return a row of a table: an AUC and how far it fell."""
    return {
        key: name,
        "auc": value.value,
        "auc_low": value.low,
        "auc_high": value.high,
        "fall": fall.value,
        "fall_low": fall.low,
        "fall_high": fall.high,
    }


def _most_used(encoded: Encoded, y: BoolArray, contract: ColumnContract, *, seed: int) -> list[str]:
    parts, _ = fit_boosting(encoded, y, contract, rounds=ROUNDS, seed=seed, threads=1).contributions(encoded)
    use = {name: float(np.abs(values).mean()) for name, values in parts.items()}
    return sorted((name for name in use if use[name] > 0), key=lambda name: (-use[name], name))
