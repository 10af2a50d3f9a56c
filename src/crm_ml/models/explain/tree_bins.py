"""Bins of a feature's values: all values of a bin go the same way at every node of the model.

A numeric feature's bins are ``(-inf, c0], (c0, c1], ..., (cm, inf]`` and one for NaN; the cuts are the model's own
thresholds and both ends of what LightGBM takes for zero. A category's bins are one per code that some node names, and
one for everything else. So a node is described by the bins that go left, and the peculiarities of LightGBM's
comparisons (missing types, zeros, codes) are gone after this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_ml.compiled import compiled
from crm_ml.models.explain.tree_text import CATEGORICAL, DEFAULT_LEFT, F64, I64, Trees
from crm_ml.processors import processors

U16 = NDArray[np.uint16]
U8 = NDArray[np.uint8]

ZERO = float(np.float32(1e-35))
"""LightGBM reads any value up to this far from zero as 0.0."""
_NO_CODE = -1.0
_MOST_BINS = 65_535
_MISSING_ZERO, _MISSING_NAN = 1, 2
_BITS = 32
_CODES_END = 2.0**31


@dataclass(frozen=True)
class Bins:
    """The bins of the features that the trees ask for.

    Attributes
    ----------
    used : int64 array, shape (features used,)
        Columns of the row, ascending.
    categorical : bool array, shape (features used,)
        Whether the feature's cuts are codes.
    cut_from : int64 array, shape (features used + 1,)
        Where each feature's cuts lie in `cuts`.
    cuts : float64 array
        Ascending per feature: upper ends of numeric bins, or category codes.
    size : int64 array, shape (features used,)
        Number of bins.
    """

    used: I64
    categorical: NDArray[np.bool_]
    cut_from: I64
    cuts: F64
    size: I64


def bins_of(trees: Trees) -> Bins | None:
    """Return the bins of a model's features, or None where a feature has more than 65,535."""
    used = np.unique(trees.feature)
    categorical = np.zeros(len(used), np.bool_)
    cuts = []
    for j, feature in enumerate(used):
        nodes = np.flatnonzero(trees.feature == feature)
        categorical[j] = bool(trees.decision[nodes[0]] & CATEGORICAL)
        if categorical[j]:
            cuts.append(_codes(trees, nodes))
        else:
            ends = np.concatenate([trees.threshold[nodes], [np.nextafter(-ZERO, -np.inf), ZERO]])
            cuts.append(np.unique(ends))
    lengths = np.array([len(each) for each in cuts], np.int64)
    size = lengths + np.where(categorical, 1, 2)
    if len(used) and size.max() > _MOST_BINS:
        return None
    return Bins(
        used=used,
        categorical=categorical,
        cut_from=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        cuts=np.concatenate(cuts) if cuts else np.zeros(0),
        size=size,
    )


def _codes(trees: Trees, nodes: I64) -> F64:
    """Return the codes that stand in the set of any of the nodes, ascending."""
    longest = int((trees.set_until[nodes] - trees.set_from[nodes]).max())
    joint = np.zeros(longest, np.int64)
    for node in nodes:
        words = trees.words[trees.set_from[node] : trees.set_until[node]]
        joint[: len(words)] |= words
    bits = (joint[:, None] >> np.arange(_BITS)) & 1
    return np.flatnonzero(bits).astype(np.float64)


def left_bins(trees: Trees, bins: Bins) -> tuple[U8, I64, I64]:
    """Return for each node which bins go left.

    Returns
    -------
    flags : uint8 array
        1 where the bin goes left, the bins of all nodes one after another.
    flag_from : int64 array, shape (nodes,)
        Where each node's flags begin.
    feature : int64 array, shape (nodes,)
        The node's feature as an index of ``bins.used``.
    """
    feature = np.searchsorted(bins.used, trees.feature).astype(np.int64)
    size = bins.size[feature] if len(feature) else np.zeros(0, np.int64)
    flag_from = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    # one value of each bin stands for all of them
    values = []
    for j, categorical in enumerate(bins.categorical):
        cuts = bins.cuts[bins.cut_from[j] : bins.cut_from[j + 1]]
        values.append(np.append(cuts, _NO_CODE) if categorical else np.append(cuts, [np.inf, np.nan]))
    flags = np.zeros(int(flag_from[-1]), np.uint8)
    if len(feature):
        value_from = np.concatenate([[0], np.cumsum(bins.size)]).astype(np.int64)
        nodes = feature, trees.decision & CATEGORICAL > 0, trees.decision & DEFAULT_LEFT > 0, trees.decision >> 2
        sets = trees.set_from, trees.set_until, trees.words
        _decide(nodes, trees.threshold, sets, np.concatenate(values), value_from, flag_from[:-1], flags)
    return flags, flag_from[:-1], feature


def in_blocks(fill: Callable[[int], None], begins: range, *, threads: int | None) -> None:
    """Let blocks of rows be filled, by where they begin, on at most so many threads (default: one per processor)."""
    workers = min(len(begins), threads or processors())
    if workers < 2:
        for begin in begins:
            fill(begin)
        return
    # threads of Python rather than of numba: its pools survive neither a fork nor callers side by side
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, begins))


def binned(columns: Sequence[F64], bins: Bins, rows: int) -> U16:
    """Return the bin of each value of the features that the trees ask for, shape (features used, rows)."""
    found = np.empty((len(columns), rows), np.uint16)
    for j, column in enumerate(columns):
        cuts = bins.cuts[bins.cut_from[j] : bins.cut_from[j + 1]]
        (bin_codes if bins.categorical[j] else bin_numbers)(column, cuts, found[j])
    return found


@compiled
def _decide(
    nodes: tuple[I64, NDArray[np.bool_], NDArray[np.bool_], I64],
    threshold: F64,
    sets: tuple[I64, I64, I64],
    values: F64,
    value_from: I64,
    flag_from: I64,
    flags: U8,
) -> None:
    feature, categorical, default_left, missing_type = nodes
    set_from, set_until, words = sets
    for node in range(len(feature)):
        missing = missing_type[node]
        first = value_from[feature[node]]
        for b in range(value_from[feature[node] + 1] - first):
            x = values[first + b]
            if categorical[node]:
                left = False
                if x >= 0:
                    code = np.int64(x)
                    word = set_from[node] + code // _BITS
                    left = word < set_until[node] and (words[word] >> (code % _BITS)) & 1 == 1
            else:
                if (np.isnan(x) and missing != _MISSING_NAN) or abs(x) <= ZERO:
                    x = 0.0
                if np.isnan(x) or (missing == _MISSING_ZERO and x == 0.0):  # still NaN: that is the missing type
                    left = default_left[node]
                else:
                    left = x <= threshold[node]
            flags[flag_from[node] + b] = left


@compiled
def bin_numbers(values: F64, cuts: F64, out: U16) -> None:
    """Write the bin of each number: the first cut that is not below it; the last bin is NaN's."""
    last = len(cuts) + 1
    for i in range(len(values)):
        x = values[i]
        if np.isnan(x):
            out[i] = last
            continue
        if abs(x) <= ZERO:
            x = 0.0
        low = 0
        length = len(cuts)
        while length > 0:  # halving without branches on the data: the compiler makes a conditional move of it
            half = length >> 1
            if cuts[low + half] < x:
                low += length - half
            length = half
        out[i] = low


@compiled
def bin_codes(values: F64, codes: F64, out: U16) -> None:
    """Write the bin of each category code: that of its whole part; the last bin is for every other value."""
    other = len(codes)
    for i in range(len(values)):
        x = values[i]
        out[i] = other
        if x > -1.0 and x < _CODES_END:  # LightGBM cuts fractions off; what is no int32 is in no set; NaN fails both
            code = np.trunc(x)
            low = 0
            high = other
            while low < high:
                middle = (low + high) >> 1
                if codes[middle] < code:
                    low = middle + 1
                else:
                    high = middle
            if low < other and codes[low] == code:
                out[i] = low
