"""The margin of rows by look-ups: the same bits as LightGBM's ``predict``, without a walk from node to node.

Each leaf of a tree is a bit. For each feature of the tree and each bin of its values (`tree_bins`) a mask holds the
leaves that such a value leaves open; what is left of all masks of a row is the one leaf it falls into. The leaves'
values are added up tree by tree, in the order and the precision in which LightGBM adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.compiled import compiled
from crm_ml.models.explain.tree_bins import U8, U16, Bins, binned, bins_of, in_blocks, left_bins
from crm_ml.models.explain.tree_text import F64, I64, Trees, read_trees

MOST_LEAVES = 64
"""A model with a tree of more leaves has no masks: bits of one word are all there are."""
ROWS_AT_ONCE = 4096
"""Rows that share one pass through the masks; it does not change any result."""
Masks = NDArray[Any]
"""uint32 or uint64: one bit per leaf."""
# a power of two times such a number has another pattern in its topmost bits for each power (de Bruijn sequences)
_SEQUENCE = {32: 0x077CB531, 64: 0x03F79D71B4CB0A89}


@dataclass(frozen=True)
class TreeMargin:
    """The masks of a model, trees one after another.

    Attributes
    ----------
    features : int
        Number of columns of a row.
    bins : Bins
        How values become bins.
    width : int64 array, shape (trees,)
        Number of features of each tree.
    feature : int64 array
        The features of all trees, as indices of ``bins.used``.
    mask : uint32 or uint64 array
        For each feature of a tree and each of its bins, the leaves that are left.
    value : float64 array, shape (trees, bits of a mask)
        What each leaf adds (log-odds), at the place that the topmost bits of mask x sequence name.
    """

    features: int
    bins: Bins
    width: I64
    feature: I64
    mask: Masks
    value: F64

    def margin(self, columns: Sequence[F64], *, threads: int | None = None) -> F64:
        """Return the sum of the trees per row: bit by bit what ``predict(raw_score=True)`` returns.

        Parameters
        ----------
        columns : sequence of float64 arrays, each of shape (rows,)
            The model's features in its order; categories as codes, any value at all.
        threads : int, optional
            At most so many; default: the processors this process may use.

        Returns
        -------
        float64 array, shape (rows,)
            Log-odds.

        Raises
        ------
        ValueError
            If the number of columns is not that of the model.

        Examples
        --------
        >>> import lightgbm
        >>> x = np.repeat([0.0, 1.0], 50)[:, None]
        >>> how = {"objective": "regression", "learning_rate": 1.0, "verbose": -1}
        >>> booster = lightgbm.train(how, lightgbm.Dataset(x, label=4.0 * x[:, 0]), num_boost_round=1)
        >>> tree_margin(booster.model_to_string()).margin([np.array([0.0, 1.0, np.nan])]).tolist()
        [0.0, 4.0, 0.0]
        """
        if len(columns) != self.features:
            raise ValueError(f"The model has {self.features} features; found {len(columns)} columns")
        rows = len(columns[0])
        used = [np.ascontiguousarray(columns[j], dtype=np.float64) for j in self.bins.used]
        out = np.zeros(rows)
        sequence = self.mask.dtype.type(_SEQUENCE[8 * self.mask.itemsize])

        def fill(begin: int) -> None:
            total = out[begin : begin + ROWS_AT_ONCE]
            which = binned([column[begin : begin + ROWS_AT_ONCE] for column in used], self.bins, len(total))
            _add_up(which, self.bins.size, (self.width, self.feature), self.mask, sequence, self.value, total)

        in_blocks(fill, range(0, rows, ROWS_AT_ONCE), threads=threads)
        return out


@compiled
def _add_up(which: U16, bins: I64, runs: tuple[I64, I64], mask: Masks, sequence: Any, value: F64, out: F64) -> None:
    """Add the value of each row's leaf of each tree to `out`."""
    width, feature = runs
    rows = len(out)
    shift = 27 if mask.itemsize == 4 else 58
    left = np.empty(rows, mask.dtype)
    f = 0
    m = 0
    for t in range(len(width)):
        left[:] = 1  # a tree without features has one leaf
        for a in range(f, f + width[t]):
            masks = mask[m : m + bins[feature[a]]]
            row = which[feature[a]]
            if a == f:
                for i in range(rows):
                    left[i] = masks[row[i]]
            else:
                for i in range(rows):
                    left[i] &= masks[row[i]]
            m += bins[feature[a]]
        f += width[t]
        values = value[t]
        for i in range(rows):
            left[i] *= sequence  # the bits above are cut off: what is topmost now tells the leaf
            out[i] += values[left[i] >> shift]


@compiled
def _close(
    node_from: I64,
    nodes: tuple[I64, I64, I64, I64, I64],
    flags: U8,
    mask: NDArray[np.uint64],
) -> None:
    """Take from the masks of each node's feature the leaves that lie on the other side of where a bin goes."""
    left, right, flag_from, mask_from, bins = nodes
    below = np.empty(len(left), np.uint64)
    for t in range(len(node_from) - 1):
        first = node_from[t]
        for node in range(node_from[t + 1] - 1, first - 1, -1):  # children are numbered after their parents
            sides = np.zeros(2, np.uint64)
            for side, child in enumerate((left[node], right[node])):
                sides[side] = below[first + child] if child >= 0 else np.uint64(1) << np.uint64(-1 - child)
            below[node] = sides[0] | sides[1]
            for b in range(bins[node]):
                mask[mask_from[node] + b] &= ~sides[1] if flags[flag_from[node] + b] else ~sides[0]


def tree_margin(text: str) -> TreeMargin | None:
    r"""Return the masks of a LightGBM model, or None where ``predict`` has to do the work.

    That is where the text holds something that is not understood (`read_trees`) or a tree has more than `MOST_LEAVES`
    leaves.

    Parameters
    ----------
    text : str
        A model text that is already trusted, with or without its block of parameters.

    References
    ----------
    Lucchese et al. 2015, "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees".

    Examples
    --------
    >>> tree_margin("tree\nversion=v4\nnum_class=3\n") is None
    True
    """
    trees = read_trees(text)
    bins = None if trees is None else bins_of(trees)
    if trees is None or bins is None or np.diff(trees.leaf_from).max() > MOST_LEAVES:
        return None
    return _masks(trees, bins)


def _masks(trees: Trees, bins: Bins) -> TreeMargin:
    flags, flag_from, feature = left_bins(trees, bins)
    leaves = np.diff(trees.leaf_from)
    bits = 32 if leaves.max() <= 32 else 64
    owner = np.repeat(np.arange(len(leaves)), leaves - 1)
    # the features of each tree, and of each node its place among them
    many = len(bins.used)
    own, place = np.unique(owner * many + feature, return_inverse=True)
    width = np.bincount(own // max(many, 1), minlength=len(leaves)).astype(np.int64)
    own = own % max(many, 1)
    size = bins.size[own]
    mask_from = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    # of a word, only the bits that are leaves: one bit is to be left
    whole = np.uint64(2**64 - 1) >> (np.uint64(64) - leaves.astype(np.uint64))
    mask = np.repeat(np.repeat(whole, width), size)
    nodes = trees.left, trees.right, flag_from, mask_from[place], bins.size[feature]
    _close(trees.node_from, nodes, flags, mask)
    leaf = np.arange(len(trees.value)) - np.repeat(trees.leaf_from[:-1], leaves)
    value = np.zeros((len(leaves), bits))
    value[np.repeat(np.arange(len(leaves)), leaves), _places(bits)[leaf]] = trees.value
    return TreeMargin(trees.features, bins, width, own, mask.astype(np.uint32 if bits == 32 else np.uint64), value)


def _places(bits: int) -> I64:
    """Return for each bit the topmost bits of its power of two times the sequence."""
    shift = bits - bits.bit_length() + 1
    return np.array([((1 << bit) * _SEQUENCE[bits] % (1 << bits)) >> shift for bit in range(bits)], np.int64)
