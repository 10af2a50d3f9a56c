"""Tables of SHAP values for runs of neighbouring leaves of one tree (the algorithm: docs/how-it-works.md, section 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crm_ml.features.kernels import compiled
from crm_ml.models.explain.tree_text import F64, I64

U16 = NDArray[np.uint16]
U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

MOST_CONDITIONS = 16
"""A leaf with more distinct features on its path has no table: 2**16 states are what two bytes can name."""
RUN_CELLS = 4096
"""A run of several leaves has at most so many values in its table: 32 KB stay in the first cache of a core."""
_RUN_COST = 2  # what a run costs per row beside its features, in features


def quadrature() -> tuple[F64, F64]:
    """Return nodes and weights of Gauss and Legendre on (0, 1), row n - 1 for n points, exact to the degree 2n - 1."""
    most = MOST_CONDITIONS // 2
    at, weight = np.zeros((most, most)), np.zeros((most, most))
    for n in range(1, most + 1):
        x, w = np.polynomial.legendre.leggauss(n)
        at[n - 1, :n], weight[n - 1, :n] = (x + 1) / 2, w / 2
    return at, weight


@compiled
def leaf_table(share: F64, value: float, at: F64, weight: F64) -> F64:
    """Return a leaf's SHAP values for each set of fulfilled conditions.

    Let the leaf have the value v and k conditions, the i-th fulfilled by a part ``z[i]`` of the training rows that
    reach it. For a row that fulfils the conditions o (0 or 1 each), Shapley's formula for the game
    ``S -> v * prod(o[i] for i in S) * prod(z[i] for i not in S)`` is

        phi[j] = v * (o[j] - z[j]) * integral over t from 0 to 1 of prod(z[i] * (1 - t) + o[i] * t for i != j)

    since s! (k - 1 - s)! / k! is the integral of t**s (1 - t)**(k - 1 - s). The integrand is a polynomial of degree
    k - 1: the points of Gauss and Legendre give its integral exactly. All factors are positive, so nothing cancels.

    Parameters
    ----------
    share : float64 array, shape (k,)
        ``z``; each > 0.
    value : float
        ``v`` in log-odds.
    at, weight : float64 array
        From `quadrature`.

    Returns
    -------
    float64 array, shape (k, 2**k)
        Row j: phi[j] in log-odds; bit i of the column's number says whether condition i is fulfilled.

    References
    ----------
    Lundberg, Erion, Lee 2018, "Consistent individualized feature attribution for tree ensembles"; the tables per leaf:
    Yang 2021, "Fast TreeSHAP: accelerating SHAP value computation for trees"; the integral: Owen 1972, "Multilinear
    extensions of games".

    Examples
    --------
    >>> leaf_table(np.array([0.25]), 8.0, *quadrature()).tolist()  # 8 for who fulfils it, 0 for others; mean 2
    [[-2.0, 6.0]]
    """
    k = len(share)
    states = 1 << k
    out = np.zeros((k, states))
    product = np.empty(states)
    points = (k + 1) >> 1
    for q in range(points):
        t = at[points - 1, q]
        product[0] = value * weight[points - 1, q]
        for i in range(k):
            no = share[i] * (1.0 - t)
            yes = no + t
            for s in range(1 << i):
                product[s | (1 << i)] = product[s] * yes
                product[s] *= no
        for j in range(k):
            fulfilled = (1.0 - share[j]) / (share[j] * (1.0 - t) + t)
            missed = -1.0 / (1.0 - t)
            bit = 1 << j
            for s in range(states):
                out[j, s] += product[s] * (fulfilled if s & bit else missed)
    return out


@compiled
def _refine(cells: I32, condition: U8, size: int) -> int:
    """Split cells by a condition in place, numbered as they first appear; return how many there are now."""
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
def _cells_of_tree(feature: I64, flag_from: I64, flags: U8, bins: I64) -> tuple[I64, I32, I64, U8]:
    """Join the bins that go the same way at all nodes of a tree into cells.

    Returns the tree's features, the cell of each bin (a row per feature), the number of cells per feature, and which
    cells go left (a row per node).
    """
    own = np.unique(feature)
    cells = np.zeros((len(own), bins[own].max()), np.int32)
    size = np.ones(len(own), np.int64)
    for node in range(len(feature)):
        j = np.searchsorted(own, feature[node])
        condition = flags[flag_from[node] : flag_from[node] + bins[feature[node]]]
        size[j] = _refine(cells[j, : len(condition)], condition, size[j])
    left = np.zeros((len(feature), size.max()), np.uint8)
    for node in range(len(feature)):
        j = np.searchsorted(own, feature[node])
        for b in range(bins[feature[node]]):
            left[node, cells[j, b]] = flags[flag_from[node] + b]
    return own, cells, size, left


@compiled
def _leaves_in_order(left: I64, right: I64) -> tuple[I64, I64]:
    """Return the leaves from left to right, and the parent of each node and (behind the nodes) of each leaf."""
    nodes = len(left)
    order = np.empty(nodes + 1, np.int64)
    parent = np.full(2 * nodes + 1, -1, np.int64)
    waiting = [np.int64(0)]
    found = 0
    while len(waiting) > 0:
        node = waiting.pop()
        if node < 0:
            order[found] = -1 - node
            found += 1
            continue
        for child in (right[node], left[node]):
            parent[child if child >= 0 else nodes - 1 - child] = node
            waiting.append(child)
    return order, parent


@compiled
def _conditions(
    own: I64,
    size: I64,
    goes_left: U8,
    tree: tuple[I64, I64, I64, I64, F64],
    order: I64,
    parent: I64,
) -> tuple[I64, I64, F64, U8]:
    """Return per leaf (from left to right) how many features its path has, which, their shares and fulfilling cells."""
    feature, left, _, count, rows = tree
    nodes = len(feature)
    many = np.zeros(nodes + 1, np.int64)
    depth = 0
    for i in range(nodes + 1):
        at = parent[nodes + order[i]]
        steps = 0
        while at >= 0:
            steps += 1
            at = parent[at]
        depth = max(depth, steps)
    most = min(depth, len(own))
    which = np.zeros((nodes + 1, most), np.int64)
    share = np.ones((nodes + 1, most))
    held = np.ones((nodes + 1, most, size.max()), np.uint8)
    for i in range(nodes + 1):
        child = -1 - order[i]
        weight = rows[order[i]]
        at = parent[nodes + order[i]]
        while at >= 0:
            j = np.searchsorted(own, feature[at])
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
def _plan(size: I64, many: I64, which: I64, held: U8) -> I64:
    """Return where the runs of leaves end: the partition with the fewest features in all (dynamic programming)."""
    leaves = len(many)
    cost = np.full(leaves + 1, np.int64(1) << 60)
    cost[0] = 0
    begin = np.zeros(leaves + 1, np.int64)
    for first in range(leaves):
        cells = np.zeros((len(size), size.max()), np.int32)
        split = np.zeros(len(size), np.int64)
        states = 1
        features = 0
        for i in range(first, leaves):
            for k in range(many[i]):
                j = which[i, k]
                if split[j] == 0:
                    split[j] = 1
                    features += 1
                states //= split[j]
                split[j] = _refine(cells[j, : size[j]], held[i, k, : size[j]], split[j])
                states *= split[j]
                if i > first and states * features > RUN_CELLS:
                    break
            if i > first and states * features > RUN_CELLS:
                break
            if cost[first] + features + _RUN_COST < cost[i + 1]:
                cost[i + 1] = cost[first] + features + _RUN_COST
                begin[i + 1] = first
    ends = [np.int64(leaves)]
    while begin[ends[-1]] > 0:
        ends.append(begin[ends[-1]])
    return np.array(ends[::-1])


@compiled
def _fill(
    first: int,
    until: int,
    value: F64,
    order: I64,
    conditions: tuple[I64, I64, F64, U8],
    size: I64,
    at: F64,
    weight: F64,
) -> tuple[I64, I32, F64]:
    """Return a run's features (of the tree), the step of each of their cells in the table, and the table."""
    many, which, share, held = conditions
    cells = np.zeros((len(size), size.max()), np.int32)
    split = np.zeros(len(size), np.int64)
    for i in range(first, until):
        for k in range(many[i]):
            j = which[i, k]
            split[j] = _refine(cells[j, : size[j]], held[i, k, : size[j]], max(split[j], 1))
    own = np.flatnonzero(split)
    step = np.ones(len(own) + 1, np.int64)
    for a in range(len(own)):
        step[a + 1] = step[a] * split[own[a]]
    states = step[-1]
    table = np.zeros((len(own), states))
    fulfilled = np.zeros(states, np.int64)
    for i in range(first, until):
        k = many[i]
        leaf = leaf_table(share[i, :k], value[order[i]], at, weight)
        fulfilled[:] = 0
        rows_of = np.searchsorted(own, which[i, :k])
        for m in range(k):
            j = which[i, m]
            a = rows_of[m]
            for c in range(size[j]):
                if held[i, m, c]:
                    # cells of the tree that share a cell of the run agree on this condition
                    for high in range(cells[j, c] * step[a], states, step[a + 1]):
                        for s in range(high, high + step[a]):
                            fulfilled[s] |= 1 << m
        for m in range(k):
            for s in range(states):
                table[rows_of[m], s] += leaf[m, fulfilled[s]]
    steps = np.zeros((len(own), size.max()), np.int32)
    for a in range(len(own)):
        for c in range(size[own[a]]):
            steps[a, c] = step[a] * cells[own[a], c]
    return own, steps, table


@compiled
def tree_tables(
    tree: tuple[I64, I64, I64, I64, F64],
    value: F64,
    flag_from: I64,
    flags: U8,
    bins: I64,
    at: F64,
    weight: F64,
) -> tuple[bool, I64, I64, I64, U16, F64]:
    """Return the tables of one tree with at least one node.

    Parameters
    ----------
    tree : tuple
        Feature (index of ``Bins.used``), left and right child, training rows of each node; training rows of each leaf.
    value : float64 array, shape (leaves,)
        Log-odds.
    flag_from, flags : array
        Which bins go left at each node, from `left_bins`.
    bins : int64 array
        Number of bins per feature.
    at, weight : float64 array
        From `quadrature`.

    Returns
    -------
    possible : bool
        False where a leaf has more than `MOST_CONDITIONS` features; all else is empty then.
    width, states : int64 array, shape (runs,)
        Number of features and of states of each run of leaves.
    feature : int64 array
        The features of all runs.
    step : uint16 array
        For each feature of a run and each bin: the summand of the row's state.
    table : float64 array
        For each feature of a run and each state: the contribution in log-odds.
    """
    feature, left, right, _, _ = tree
    own, cells, size, goes_left = _cells_of_tree(feature, flag_from, flags, bins)
    order, parent = _leaves_in_order(left, right)
    conditions = _conditions(own, size, goes_left, tree, order, parent)
    many, which, _, held = conditions
    if many.max() > MOST_CONDITIONS:
        none = np.zeros(0, np.int64)
        return False, none, none, none, np.zeros(0, np.uint16), np.zeros(0)
    ends = _plan(size, many, which, held)
    width = np.zeros(len(ends), np.int64)
    states = np.zeros(len(ends), np.int64)
    features = []
    steps = []
    tables = []
    first = 0
    for r in range(len(ends)):
        run, run_steps, table = _fill(first, ends[r], value, order, conditions, size, at, weight)
        first = ends[r]
        width[r], states[r] = table.shape
        features.append(own[run])
        tables.append(table)
        steps.append(run_steps)
    all_features = np.zeros(width.sum(), np.int64)
    all_tables = np.zeros((width * states).sum())
    f = 0
    t = 0
    lengths = 0
    for r in range(len(ends)):
        all_features[f : f + width[r]] = features[r]
        all_tables[t : t + width[r] * states[r]] = tables[r].ravel()
        f += width[r]
        t += width[r] * states[r]
        lengths += bins[features[r]].sum()
    all_steps = np.zeros(lengths, np.uint16)
    at_step = 0
    for r in range(len(ends)):
        for a in range(width[r]):
            j = np.searchsorted(own, features[r][a])
            for b in range(bins[features[r][a]]):
                all_steps[at_step] = steps[r][a, cells[j, b]]
                at_step += 1
    return True, width, states, all_features, all_steps, all_tables
