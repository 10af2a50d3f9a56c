"""Exact path-dependent TreeSHAP by tables: what LightGBM's ``pred_contrib`` computes anew for every row is looked up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_ml.features.kernels import compiled
from crm_ml.models.explain.tree_bins import U16, Bins, bin_codes, bin_numbers, bins_of, left_bins
from crm_ml.models.explain.tree_tables import quadrature, tree_tables
from crm_ml.models.explain.tree_text import F64, I64, Trees, read_trees

MOST_BYTES = 256 * 2**20
"""Tables of a model that would take more than this are not made."""
ROWS_AT_ONCE = 2048
"""Rows that share one pass through the tables."""


@dataclass(frozen=True)
class TreeShap:
    base: float
    features: int
    bins: Bins
    width: I64
    states: I64
    feature: I64
    step: U16
    table: F64

    def contributions(self, columns: Sequence[F64], *, threads: int | None = None) -> F64:
        rows = len(columns[0])
        out = np.zeros((self.features, rows))
        used = [np.ascontiguousarray(columns[j], dtype=np.float64) for j in self.bins.used]
        starts = range(0, rows, ROWS_AT_ONCE)
        def work(a):
            e = min(rows, a + ROWS_AT_ONCE)
            binned = np.empty((len(used), e - a), np.uint16)
            for j, column in enumerate(used):
                cuts = self.bins.cuts[self.bins.cut_from[j] : self.bins.cut_from[j + 1]]
                (bin_codes if self.bins.categorical[j] else bin_numbers)(column[a:e], cuts, binned[j])
            add_up(binned, self.bins.used, self.width, self.states, self.feature, self.bins.size, self.step, self.table, a, out)
        for a in starts: work(a)
        return out


@compiled
def add_up(binned, used, width, states, feature, bins, step, table, begin, out) -> None:
    rows = binned.shape[1]
    state = np.empty(rows, np.uint16)
    f = 0
    s = 0
    t = 0
    for r in range(len(width)):
        first = f
        for _ in range(width[r]):
            which = binned[feature[f]]
            steps = step[s : s + bins[feature[f]]]
            if f == first:
                for i in range(rows):
                    state[i] = steps[which[i]]
            else:
                for i in range(rows):
                    state[i] += steps[which[i]]
            s += bins[feature[f]]
            f += 1
        for a in range(first, f):
            values = table[t : t + states[r]]
            total = out[used[feature[a]], begin : begin + rows]
            for i in range(rows):
                total[i] += values[state[i]]
            t += states[r]


def tree_shap(text: str) -> TreeShap | None:
    trees = read_trees(text)
    bins = None if trees is None else bins_of(trees)
    if trees is None or bins is None:
        return None
    flags, flag_from, feature = left_bins(trees, bins)
    at, weight = quadrature()
    parts = []
    for t in range(len(trees.node_from) - 1):
        n = slice(trees.node_from[t], trees.node_from[t + 1])
        l = slice(trees.leaf_from[t], trees.leaf_from[t + 1])
        if n.start == n.stop: continue
        tree = (feature[n], trees.left[n], trees.right[n], trees.count[n], trees.rows[l])
        part = tree_tables(tree, trees.value[l], flag_from[n], flags, bins.size, at, weight)
        if not part[0]: return None
        parts.append(part[1:])
    w, s, f, st, tb = (np.concatenate(x) for x in zip(*parts))
    return TreeShap(trees.base, trees.features, bins, w, s, f, st, tb)
