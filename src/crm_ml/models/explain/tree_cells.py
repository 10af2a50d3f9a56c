"""One tree as seen from its leaves: the features on each leaf's path, which values lead there, which leaves join.

Compiled functions call such of their own module only: numba keeps a compiled caller although a callee in another file
has changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crm_ml.compiled import compiled
from crm_ml.models.explain.tree_text import F64, I64

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

RUN_CELLS = 4096
"""A run of several leaves has at most so many values in its table: 32 KB stay in the first cache of a core."""
_RUN_COST = 2  # what a run costs per row beside its features, in features

Tree = tuple[I64, I64, I64, F64, I64, F64, F64]
"""One tree with nodes: per node the feature (counted among the tree's own), the left and the right child, the training
rows, where its flags begin; per leaf the value (log-odds) and the training rows."""
Runs = tuple[I64, I64, I64, I32, I64]
"""Runs of leaves: where each ends, its number of features and of states; per run and feature of the tree the cell of
each of the tree's cells, and how many there are."""


@compiled
def refine(cells: I32, condition: U8, size: int) -> int:
    """Split cells by a condition in place; return how many there are now.

    Parameters
    ----------
    cells : int32 array
        The cell of each value, below `size`; renumbered in the order in which they first appear.
    condition : uint8 array, same shape
        0 or 1 per value.
    size : int
        Number of cells so far.

    Examples
    --------
    >>> cells = np.array([0, 0, 1, 1], np.int32)
    >>> refine(cells, np.array([1, 0, 1, 1], np.uint8), 2), cells.tolist()
    (3, [0, 1, 2, 2])
    """
    number = np.full(2 * size, -1, np.int32)
    found = 0
    for b in range(len(cells)):
        key = 2 * cells[b] + condition[b]
        if number[key] < 0:
            number[key] = found
            found += 1
        cells[b] = number[key]
    return found


@compiled
def _cells_of_tree(tree: Tree, flags: U8, bins: I64) -> tuple[I32, I64, U8]:
    """Join the bins that go the same way at all nodes of a tree into cells.

    Parameters
    ----------
    tree : tuple
        See `Tree`.
    flags : uint8 array
        1 where a bin goes left.
    bins : int64 array, shape (k,)
        Number of bins of each of the tree's features.

    Returns
    -------
    cells : int32 array, shape (k, most bins)
        The cell of each bin.
    size : int64 array, shape (k,)
        Number of cells.
    left : uint8 array, shape (nodes, most cells)
        1 where a cell goes left.
    """
    feature, flag_from = tree[0], tree[4]
    cells = np.zeros((len(bins), bins.max()), np.int32)
    size = np.ones(len(bins), np.int64)
    for node in range(len(feature)):
        j = feature[node]
        condition = flags[flag_from[node] : flag_from[node] + bins[j]]
        size[j] = refine(cells[j, : bins[j]], condition, size[j])
    left = np.zeros((len(feature), size.max()), np.uint8)
    for node in range(len(feature)):
        for b in range(bins[feature[node]]):
            left[node, cells[feature[node], b]] = flags[flag_from[node] + b]
    return cells, size, left


@compiled
def _leaves_in_order(tree: Tree) -> tuple[I64, I64]:
    """Return the leaves from left to right, and the parent of each node and (behind the nodes) of each leaf."""
    left, right = tree[1], tree[2]
    nodes = len(left)
    order = np.empty(nodes + 1, np.int64)
    parent = np.full(2 * nodes + 1, -1, np.int64)
    waiting = np.zeros(nodes + 1, np.int64)
    last = 0
    found = 0
    while last >= 0:
        node = waiting[last]
        last -= 1
        if node < 0:
            order[found] = -1 - node
            found += 1
            continue
        for child in (right[node], left[node]):
            parent[child if child >= 0 else nodes - 1 - child] = node
            last += 1
            waiting[last] = child
    return order, parent


@compiled
def _leaf_conditions(tree: Tree, size: I64, goes_left: U8, order: I64, parent: I64) -> tuple[I64, I64, F64, U8]:
    """Return what a row must fulfil to reach each leaf, leaves from left to right.

    Parameters
    ----------
    tree : tuple
        See `Tree`.
    size, goes_left
        From `_cells_of_tree`.
    order, parent
        From `_leaves_in_order`.

    Returns
    -------
    many : int64 array, shape (leaves,)
        Number of distinct features on the path.
    which : int64 array, shape (leaves, most)
        These features.
    share : float64 array, shape (leaves, most)
        Product of the parts of the training rows that the path's branches on the feature kept.
    held : uint8 array, shape (leaves, most, most cells)
        1 where a cell goes the leaf's way at every node of the path on that feature.
    """
    feature, left, _, count, _, _, rows = tree
    nodes = len(feature)
    depth = 0
    for i in range(nodes + 1):
        at = parent[nodes + i]
        steps = 0
        while at >= 0:
            steps += 1
            at = parent[at]
        depth = max(depth, steps)
    most = min(depth, len(size))
    many = np.zeros(nodes + 1, np.int64)
    which = np.zeros((nodes + 1, most), np.int64)
    share = np.ones((nodes + 1, most))
    held = np.ones((nodes + 1, most, goes_left.shape[1]), np.uint8)
    for i in range(nodes + 1):
        child = -1 - order[i]
        weight = rows[order[i]]
        at = parent[nodes + order[i]]
        while at >= 0:
            j = feature[at]
            k = 0
            while k < many[i] and which[i, k] != j:
                k += 1
            which[i, k] = j
            many[i] = max(many[i], k + 1)
            share[i, k] *= weight / count[at]
            side = 1 if left[at] == child else 0
            for c in range(size[j]):
                if goes_left[at, c] != side:
                    held[i, k, c] = 0
            child = at
            weight = count[at]
            at = parent[at]
    return many, which, share, held


@compiled
def _plan(size: I64, many: I64, which: I64, held: U8) -> tuple[I64, I64, I64]:
    """Return where the runs of leaves end, how many features each has, and how many states.

    Of all partitions whose runs keep to `RUN_CELLS`, the one with the fewest features in all (dynamic programming).
    """
    leaves = len(many)
    cost = np.full(leaves + 1, np.int64(1) << 60)
    cost[0] = 0
    begin = np.zeros(leaves + 1, np.int64)
    width = np.zeros(leaves + 1, np.int64)
    states = np.zeros(leaves + 1, np.int64)
    cells = np.empty((len(size), held.shape[2]), np.int32)
    split = np.empty(len(size), np.int64)
    for first in range(leaves):
        cells[:] = 0
        split[:] = 0
        product = 1
        features = 0
        for i in range(first, leaves):
            for k in range(many[i]):
                j = which[i, k]
                if split[j] == 0:
                    split[j] = 1
                    features += 1
                product //= split[j]
                split[j] = refine(cells[j, : size[j]], held[i, k, : size[j]], split[j])
                product *= split[j]
            if i > first and product * features > RUN_CELLS:
                break
            if cost[first] + features + _RUN_COST < cost[i + 1]:
                cost[i + 1] = cost[first] + features + _RUN_COST
                begin[i + 1] = first
                width[i + 1] = features
                states[i + 1] = product
    runs = 0
    end = leaves
    while end > 0:
        runs += 1
        end = begin[end]
    ends = np.empty(runs, np.int64)
    end = leaves
    for r in range(runs - 1, -1, -1):
        ends[r] = end
        end = begin[end]
    return ends, width[ends], states[ends]


@compiled
def _cells_of_runs(size: I64, conditions: tuple[I64, I64, F64, U8], ends: I64) -> tuple[I32, I64]:
    """Return for each run and feature of the tree the run's cell of each of the tree's cells, and their number."""
    many, which, _, held = conditions
    cells = np.zeros((len(ends), len(size), held.shape[2]), np.int32)
    split = np.ones((len(ends), len(size)), np.int64)
    r = 0
    for i in range(len(many)):
        if i == ends[r]:
            r += 1
        for k in range(many[i]):
            j = which[i, k]
            split[r, j] = refine(cells[r, j, : size[j]], held[i, k, : size[j]], split[r, j])
    return cells, split


@compiled
def tree_runs(tree: Tree, flags: U8, bins: I64) -> tuple[tuple[I32, I64], I64, tuple[I64, I64, F64, U8], Runs]:
    """Return what is needed to make a tree's tables.

    Parameters
    ----------
    tree : tuple
        See `Tree`.
    flags : uint8 array
        1 where a bin goes left, from `left_bins`.
    bins : int64 array, shape (features of the tree,)
        Number of bins of each feature.

    Returns
    -------
    cells : tuple
        The cell of each bin, a row per feature; the number of cells per feature.
    order : int64 array, shape (leaves,)
        The leaves from left to right; all that follows keeps to this order.
    conditions : tuple
        Per leaf: number of distinct features on its path, which, their shares of the training rows, fulfilling cells.
    runs : tuple
        See `Runs`.
    """
    cells, size, goes_left = _cells_of_tree(tree, flags, bins)
    order, parent = _leaves_in_order(tree)
    conditions = _leaf_conditions(tree, size, goes_left, order, parent)
    many, which, _, held = conditions
    ends, width, states = _plan(size, many, which, held)
    run_cells, split = _cells_of_runs(size, conditions, ends)
    return (cells, size), order, conditions, (ends, width, states, run_cells, split)
