"""Tables of SHAP values for runs of neighbouring leaves of one tree (how: docs/how-it-works.md, section 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crm_ml.features.kernels import compiled
from crm_ml.models.explain.tree_cells import I32, U8, Tree, cells_of_tree, leaf_conditions, leaves_in_order, refine
from crm_ml.models.explain.tree_text import F64, I64

U16 = NDArray[np.uint16]

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
def _fill(
    run: tuple[int, int],
    value: F64,
    conditions: tuple[I64, I64, F64, U8],
    size: I64,
    points: tuple[F64, F64],
    own: I64,
    steps: I32,
    table: F64,
) -> None:
    """Write a run's features (of the tree), the step of each of their cells in the table, and the table.

    The run is the leaves from its first to before its second number; all is given from left to right.
    """
    first, until = run
    many, which, share, held = conditions
    at, weight = points
    cells = np.zeros((len(size), held.shape[2]), np.int32)
    split = np.ones(len(size), np.int64)
    place = np.full(len(size), -1, np.int64)
    found = 0
    for i in range(first, until):
        for k in range(many[i]):
            j = which[i, k]
            split[j] = refine(cells[j, : size[j]], held[i, k, : size[j]], split[j])
            if place[j] < 0:
                place[j] = found
                own[found] = j
                found += 1
    step = np.ones(found + 1, np.int64)
    for a in range(found):
        step[a + 1] = step[a] * split[own[a]]
        for c in range(size[own[a]]):
            steps[a, c] = step[a] * cells[own[a], c]
    states = step[found]
    fulfilled = np.empty(states, np.int64)
    for i in range(first, until):
        leaf = leaf_table(share[i, : many[i]], value[i], at, weight)
        fulfilled[:] = 0
        for m in range(many[i]):
            j = which[i, m]
            a = place[j]
            for c in range(size[j]):
                if held[i, m, c]:
                    # cells of the tree that share a cell of the run agree on this condition
                    for high in range(steps[a, c], states, step[a + 1]):
                        for s in range(high, high + step[a]):
                            fulfilled[s] |= 1 << m
        for m in range(many[i]):
            row = place[which[i, m]] * states
            for s in range(states):
                table[row + s] += leaf[m, fulfilled[s]]


@compiled
def tree_tables(
    tree: Tree,
    flags: U8,
    bins: I64,
    points: tuple[F64, F64],
    room: int,
) -> tuple[bool, I64, I64, I64, U16, F64]:
    """Return the tables of one tree with at least one node.

    Parameters
    ----------
    tree : tuple
        See `Tree`.
    flags : uint8 array
        1 where a bin goes left, from `left_bins`.
    bins : int64 array, shape (features of the tree,)
        Number of bins of each feature.
    points : tuple
        From `quadrature`.
    room : int
        How many values the tables may hold.

    Returns
    -------
    possible : bool
        False where a leaf has more than `MOST_CONDITIONS` features or there is no room; all else is empty then.
    width, states : int64 array, shape (runs,)
        Number of features and of states of each run of leaves.
    feature : int64 array
        The features of all runs, as indices of the tree's.
    step : uint16 array
        For each feature of a run and each bin: the summand of the row's state.
    table : float64 array
        For each feature of a run and each state: the contribution in log-odds.
    """
    cells, size, goes_left = cells_of_tree(tree, flags, bins)
    order, parent = leaves_in_order(tree)
    conditions = leaf_conditions(tree, size, goes_left, order, parent)
    many, which, _, held = conditions
    none = np.zeros(0, np.int64)
    for i in range(len(many)):
        if many[i] > MOST_CONDITIONS:
            return False, none, none, none, np.zeros(0, np.uint16), np.zeros(0)
    ends, width, states = _plan(size, many, which, held)
    features = 0
    values = 0
    for r in range(len(ends)):
        features += width[r]
        values += width[r] * states[r]
    if values > room:
        return False, none, none, none, np.zeros(0, np.uint16), np.zeros(0)
    value = np.empty(len(order))
    for i in range(len(order)):
        value[i] = tree[5][order[i]]
    feature = np.zeros(features, np.int64)
    cell_steps = np.zeros((features, held.shape[2]), np.int32)
    table = np.zeros(values)
    first = 0
    f = 0
    t = 0
    for r in range(len(ends)):
        part = cell_steps[f : f + width[r]]
        _fill((first, ends[r]), value, conditions, size, points, feature[f:], part, table[t:])
        first = ends[r]
        f += width[r]
        t += width[r] * states[r]
    length = 0
    for f in range(features):
        length += bins[feature[f]]
    step = np.empty(length, np.uint16)
    s = 0
    for f in range(features):
        for b in range(bins[feature[f]]):
            step[s] = cell_steps[f, cells[feature[f], b]]
            s += 1
    return True, width, states, feature, step, table
