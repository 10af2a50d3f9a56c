"""Exact path-dependent TreeSHAP by tables: what LightGBM's ``pred_contrib`` computes anew for every row is looked up.

What a leaf adds to the SHAP values of a row depends only on which of the conditions on its path the row fulfils. So all
that can come out is computed once per model (`tree_shap`) and each row is bins, look-ups and sums (`TreeShap`). The
modules beside this one: `tree_text` reads the model, `tree_bins` makes bins of values, `tree_cells` and `tree_tables`
make the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm_ml.compiled import compiled
from crm_ml.models.explain.tree_bins import U16, Bins, binned, bins_of, in_blocks, left_bins
from crm_ml.models.explain.tree_tables import quadrature, tree_tables
from crm_ml.models.explain.tree_text import F64, I64, Trees, read_trees

MOST_BYTES = 256 * 2**20
"""A model whose tables would take more than this has none."""
ROWS_AT_ONCE = 4096
"""Rows that share one pass through the tables; it does not change any result."""
_VALUE_BYTES = 8
_NOTHING: tuple[I64, I64, I64, U16, F64] = (
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.uint16),
    np.zeros(0),
)


@dataclass(frozen=True)
class TreeShap:
    """The tables of a model; runs of leaves one after another, in the order of the trees.

    Attributes
    ----------
    base : float
        The expected margin over the training rows (log-odds).
    features : int
        Number of columns of a row.
    bins : Bins
        How values become bins.
    width, states : int64 array, shape (runs,)
        Number of features of each run; number of states a row can be in.
    feature : int64 array
        The features of all runs, as indices of ``bins.used``.
    step : uint16 array
        For each feature of a run and each of its bins, the summand of the row's state.
    table : float64 array
        For each feature of a run and each state, the contribution (log-odds).
    """

    base: float
    features: int
    bins: Bins
    width: I64
    states: I64
    feature: I64
    step: U16
    table: F64

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return self.table.nbytes + self.step.nbytes

    def contributions(self, columns: Sequence[F64], *, threads: int | None = None) -> F64:
        """Return the SHAP values of rows: base + their sum is the margin.

        The sums of a row are made in an order of its own, so its values are the same bit by bit alone and among
        others, and with any number of threads.

        Parameters
        ----------
        columns : sequence of float64 arrays, each of shape (rows,)
            The model's features in its order; categories as codes, any value at all.
        threads : int, optional
            At most so many; default: the processors this process may use.

        Returns
        -------
        float64 array, shape (features, rows)
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
        >>> found = tree_shap(booster.model_to_string())
        >>> found.base, found.contributions([np.array([0.0, 1.0, np.nan])]).tolist()
        (2.0, [[-2.0, 2.0, -2.0]])
        """
        if len(columns) != self.features:
            raise ValueError(f"The model has {self.features} features; found {len(columns)} columns")
        rows = len(columns[0])
        used = [np.ascontiguousarray(columns[j], dtype=np.float64) for j in self.bins.used]
        out = np.zeros((self.features, rows))

        def fill(begin: int) -> None:
            part = [column[begin : begin + ROWS_AT_ONCE] for column in used]
            which = binned(part, self.bins, len(part[0]))
            runs = self.width, self.states, self.feature
            _add_up(which, self.bins.used, self.bins.size, runs, self.step, self.table, out[:, begin:])

        in_blocks(fill, range(0, rows if used else 0, ROWS_AT_ONCE), threads=threads)
        return out


@compiled
def _add_up(which: U16, used: I64, bins: I64, runs: tuple[I64, I64, I64], step: U16, table: F64, out: F64) -> None:
    """Add the contributions of all runs to the first rows of `out` (features, rows)."""
    width, states, feature = runs
    rows = which.shape[1]
    state = np.empty(rows, np.uint16)
    f = 0
    s = 0
    t = 0
    for r in range(len(width)):
        state[:] = 0
        for a in range(f, f + width[r]):
            bin_ = which[feature[a]]
            steps = step[s : s + bins[feature[a]]]
            for i in range(rows):
                state[i] += steps[bin_[i]]
            s += bins[feature[a]]
        for a in range(f, f + width[r]):
            values = table[t : t + states[r]]
            total = out[used[feature[a]]]
            for i in range(rows):
                total[i] += values[state[i]]
            t += states[r]
        f += width[r]


def tree_shap(text: str) -> TreeShap | None:
    r"""Return the tables of a LightGBM model, or None where ``pred_contrib`` has to do the work.

    That is where the text holds something that is not understood (`read_trees`), a path holds more than 16 distinct
    features, or the tables would take more than `MOST_BYTES`. It depends on the model alone, never on the rows.

    Parameters
    ----------
    text : str
        A model text that is already trusted, with or without its block of parameters.

    References
    ----------
    Lundberg, Erion, Lee 2018, "Consistent individualized feature attribution for tree ensembles"; Yang 2021, "Fast
    TreeSHAP: accelerating SHAP value computation for trees".

    Examples
    --------
    >>> tree_shap("tree\nversion=v4\nnum_class=3\n") is None
    True
    """
    trees = read_trees(text)
    bins = None if trees is None else bins_of(trees)
    return None if trees is None or bins is None else _tables(trees, bins)


def _tables(trees: Trees, bins: Bins) -> TreeShap | None:
    flags, flag_from, feature = left_bins(trees, bins)
    points = quadrature()
    parts = [_NOTHING]
    room = MOST_BYTES
    for t in range(len(trees.node_from) - 1):
        n = slice(trees.node_from[t], trees.node_from[t + 1])
        leaves = slice(trees.leaf_from[t], trees.leaf_from[t + 1])
        if n.start == n.stop:
            continue  # a tree of one leaf is part of the base alone
        own, local = np.unique(feature[n], return_inverse=True)
        nodes = local.astype(np.int64), trees.left[n], trees.right[n], trees.count[n].astype(np.float64), flag_from[n]
        tree = (*nodes, trees.value[leaves], trees.rows[leaves])
        part = tree_tables(tree, flags, bins.size[own], points, room // _VALUE_BYTES)
        if part is None:
            return None
        width, states, run, step, table = part
        room -= step.nbytes + table.nbytes
        if room < 0:
            return None
        parts.append((width, states, own[run], step, table))
    width, states, run, step, table = (np.concatenate(each) for each in zip(*parts, strict=True))
    return TreeShap(trees.base, trees.features, bins, width, states, run, step, table)
