"""What kind of value a feature is: computed from events, fixed, a time, or changing; and its values as small codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_ml.models.columns import MIN_CUSTOMERS_PER_LEVEL, FloatArray
from crm_ml.models.evaluation.fates import LEAST_CARRIERS, BoolArray, IntArray

_BINS = 12
_LEAST_MASS = 0.02
Behaviour = Literal["computed", "fixed", "stamp", "moving"]


@dataclass(frozen=True)
class Trait:
    """How a feature behaves over the snapshots of a customer.

    Attributes
    ----------
    behaviour : {"fixed", "stamp", "moving"}
        ``fixed``: one value per customer, where there is one. ``stamp``: days since one time per customer.
    values : numpy.ndarray
        What stays the same: of a stamp the day itself, as days since 1970.
    arriving : numpy.ndarray of bool
        Per customer: missing in its first row and filled later. Nobody, where the values move.
    """

    behaviour: Behaviour
    values: NDArray[Any]
    arriving: BoolArray


def plain(column: pd.Series[Any]) -> NDArray[Any]:
    """Return a column as float64 with NaN, or as objects with None.

    Examples
    --------
    >>> plain(pd.Series([True, None], dtype="boolean")).tolist(), plain(pd.Series(["a", None], dtype="str")).tolist()
    ([1.0, nan], ['a', None])
    """
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        numbers: FloatArray = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    texts = column.astype(object).to_numpy(copy=True)
    texts[pd.isna(texts)] = None
    return texts


def trait(values: NDArray[Any], who: IntArray, days: NDArray[Any], *, within: float = 0.0) -> Trait:
    """Return how a feature behaves; with one row per customer it cannot be told, and counts as moving.

    Parameters
    ----------
    values : numpy.ndarray
        As `plain` returns them.
    who : numpy.ndarray of int
        Customer of each row, 0, 1, ...; the rows are sorted by snapshot day.
    days : numpy.ndarray of datetime64[D]
        Snapshot day of each row.
    within : float
        Days by which a time may seem to move and still be one: rows within a day have hours that `days` does not show.

    Examples
    --------
    >>> days = np.array(["2026-01-01", "2026-01-31"], dtype="datetime64[D]")
    >>> said = trait(np.array([np.nan, 12.0]), np.array([0, 0]), days)
    >>> said.behaviour, said.arriving.tolist()
    ('fixed', [True])
    >>> trait(np.array([5.0, 35.0]), np.array([0, 0]), days).behaviour
    'stamp'
    >>> trait(np.array([5.0, 7.0]), np.array([0, 0]), days).behaviour
    'moving'
    """
    size, there = int(who.max()) + 1, ~pd.isna(values)
    first = np.full(size, len(who))
    np.minimum.at(first, who, np.arange(len(who)))
    filled = np.bincount(who, there, size)
    arriving = (filled > 0) & ~there[first]
    if np.bincount(who).max() > 1:
        if values.dtype != object and (filled > 1).any():
            day = days.astype("datetime64[D]").astype(np.int64) - values
            if _same(day, there, who) or (within and _near(day, there, who, within)):
                return Trait("stamp", day, arriving)
        if _same(values, there, who):
            return Trait("fixed", values, arriving)
    return Trait("moving", values, np.zeros(size, bool))


def _same(values: NDArray[Any], there: BoolArray, who: IntArray) -> bool:
    codes = pd.factorize(values[there])[0].astype(np.int64)
    pairs = who[there] * (int(codes.max(initial=0)) + 1) + codes
    return len(pd.unique(pairs)) == len(pd.unique(who[there]))


def _near(values: FloatArray, there: BoolArray, who: IntArray, within: float) -> bool:
    """Return whether the values of each customer lie within a range of that width."""
    low, high = np.full(int(who.max()) + 1, np.inf), np.full(int(who.max()) + 1, -np.inf)
    np.minimum.at(low, who[there], values[there])
    np.maximum.at(high, who[there], values[there])
    return bool(((high - low) <= within).all())


def coded(values: ArrayLike, who: IntArray) -> IntArray:
    """Return values as small codes: 0 for missing; a code per text or frequent number, the rest pooled or binned.

    Texts of fewer than five customers share one code, so a key that differs for everyone counts as "filled".

    Examples
    --------
    >>> coded(np.array(["a"] * 5 + ["b"] * 5 + ["c", None], dtype=object), np.arange(12)).tolist()
    [2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 1, 0]
    >>> coded(np.array([0.0] * 8 + [1.0, 2.0, np.nan]), np.arange(11)).tolist()
    [3, 3, 3, 3, 3, 3, 3, 3, 1, 2, 0]
    """
    given = np.asarray(values)
    return _coded_texts(given, who) if given.dtype == object else _coded_numbers(given.astype(np.float64))


def _coded_texts(values: NDArray[Any], who: IntArray) -> IntArray:
    codes, levels = pd.factorize(values, sort=True)  # missing: -1
    customers = int(who.max()) + 1
    pairs = pd.unique(codes[codes >= 0] * customers + who[codes >= 0])
    held_by = np.bincount(pairs // customers, minlength=len(levels))
    new = np.where(held_by >= MIN_CUSTOMERS_PER_LEVEL, 1 + np.cumsum(held_by >= MIN_CUSTOMERS_PER_LEVEL), 1)
    return np.where(codes < 0, 0, np.append(new, 0)[codes]).astype(np.int64)


def _coded_numbers(values: FloatArray) -> IntArray:
    out = np.zeros(len(values), np.int64)
    there = np.isfinite(values)
    x = values[there]
    if not len(x):
        return out
    distinct, counts = np.unique(x, return_counts=True)
    frequent = distinct[counts >= max(LEAST_CARRIERS, _LEAST_MASS * len(x))]
    spread = x[~np.isin(x, frequent)]
    edges = np.unique(np.quantile(spread, np.arange(1, _BINS) / _BINS)) if len(spread) else np.zeros(0)
    code = 1 + np.searchsorted(edges, x, side="right")
    at = np.searchsorted(frequent, x)
    is_frequent = np.isin(x, frequent)
    code[is_frequent] = len(edges) + 2 + at[is_frequent]
    out[there] = np.unique(code, return_inverse=True)[1] + 1
    return out
