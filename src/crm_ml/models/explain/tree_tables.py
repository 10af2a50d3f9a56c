"""Tables of SHAP values for runs of neighbouring leaves of one tree (how: docs/how-it-works.md, section 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crm_ml.compiled import compiled
from crm_ml.models.explain.tree_cells import I32, U8, Runs, Tree, tree_runs
from crm_ml.models.explain.tree_text import F64, I64

U16 = NDArray[np.uint16]

MOST_CONDITIONS = 16
"""A leaf with more distinct features on its path has no table: 2**16 states are what two bytes can name."""


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
def _fill(
    runs: Runs, value: F64, conditions: tuple[I64, I64, F64, U8], cells: tuple[I32, I64], points: tuple[F64, F64]
) -> tuple[I64, I32, F64]:
    """Return the features of all runs (of the tree), the steps of each of the tree's cells, and the tables."""
    ends, width, states, run_cells, split = runs
    many, which, share, held = conditions
    _, size = cells
    at, weight = points
    features = 0
    values = 0
    for r in range(len(ends)):
        features += width[r]
        values += width[r] * states[r]
    own = np.zeros(features, np.int64)
    steps = np.zeros((features, held.shape[2]), np.int32)
    table = np.zeros(values)
    place = np.empty(len(size), np.int64)
    step = np.empty(len(size), np.int64)
    first = 0
    f = 0
    t = 0
    for r in range(len(ends)):
        place[:] = -1
        found = f
        product = 1
        for i in range(first, ends[r]):
            for m in range(many[i]):
                j = which[i, m]
                if place[j] < 0:
                    place[j] = found
                    own[found] = j
                    step[j] = product
                    for c in range(size[j]):
                        steps[found, c] = product * run_cells[r, j, c]
                    product *= split[r, j]
                    found += 1
        fulfilled = np.empty(product, np.int64)
        for i in range(first, ends[r]):
            leaf = leaf_table(share[i, : many[i]], value[i], at, weight)
            fulfilled[:] = 0
            for m in range(many[i]):
                j = which[i, m]
                for c in range(size[j]):
                    if held[i, m, c]:
                        # cells of the tree that share a cell of the run agree on this condition
                        for high in range(steps[place[j], c], product, step[j] * split[r, j]):
                            for s in range(high, high + step[j]):
                                fulfilled[s] |= 1 << m
            for m in range(many[i]):
                row = t + (place[which[i, m]] - f) * product
                for s in range(product):
                    table[row + s] += leaf[m, fulfilled[s]]
        first = ends[r]
        f += width[r]
        t += width[r] * states[r]
    return own, steps, table


@compiled
def _steps_of_bins(own: I64, steps: I32, cells: tuple[I32, I64], bins: I64) -> U16:
    """Return the step of each bin, for all features of all runs one after another."""
    cell, _ = cells
    length = 0
    for f in range(len(own)):
        length += bins[own[f]]
    out = np.empty(length, np.uint16)
    s = 0
    for f in range(len(own)):
        for b in range(bins[own[f]]):
            out[s] = steps[f, cell[own[f], b]]
            s += 1
    return out


def tree_tables(
    tree: Tree, flags: U8, bins: I64, points: tuple[F64, F64], room: int
) -> tuple[I64, I64, I64, U16, F64] | None:
    """Return the tables of one tree with at least one node.

    Parameters
    ----------
    tree, flags, bins
        As `tree_runs` takes them.
    points : tuple
        From `quadrature`.
    room : int
        How many values the tables may hold.

    Returns
    -------
    None where a leaf has more than `MOST_CONDITIONS` features or there is no room, else a tuple of

    width, states : int64 array, shape (runs,)
        Number of features and of states of each run of leaves.
    feature : int64 array
        The features of all runs, as indices of the tree's.
    step : uint16 array
        For each feature of a run and each bin: the summand of the row's state.
    table : float64 array
        For each feature of a run and each state: the contribution in log-odds.
    """
    cells, order, conditions, runs = tree_runs(tree, flags, bins)
    _, width, states, _, _ = runs
    if conditions[0].max() > MOST_CONDITIONS or int(width @ states) > room:
        return None
    own, steps, table = _fill(runs, tree[5][order], conditions, cells, points)
    return width, states, own, _steps_of_bins(own, steps, cells, bins), table
