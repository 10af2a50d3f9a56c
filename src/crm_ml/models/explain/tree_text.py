"""LightGBM's model text as flat arrays of nodes and leaves, or nothing where it holds what is not understood here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

CATEGORICAL, DEFAULT_LEFT = 1, 2
"""Bits of a decision type; the two bits above them are the missing type: 0 none, 1 zero, 2 NaN."""
_DECISION_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_HEADER = {
    "version": ("v4", "v3"),
    "num_class": ("1",),
    "num_tree_per_iteration": ("1",),
}
_HEADER_FREE = {"label_index", "max_feature_idx", "objective", "feature_names", "monotone_constraints"}
_HEADER_FREE |= {"feature_infos", "tree_sizes"}
_SCALARS = {"num_leaves", "num_cat", "is_linear", "shrinkage"}
_PER_NODE = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "internal_count")
_PER_LEAF = ("leaf_value", "leaf_count")
_IGNORED = {"split_gain", "leaf_weight", "internal_value", "internal_weight"}
_CATEGORIES = ("cat_boundaries", "cat_threshold")
_KNOWN = {*_SCALARS, *_PER_NODE, *_PER_LEAF, *_IGNORED, *_CATEGORIES}


@dataclass(frozen=True)
class Trees:
    """All trees of a model, one after another.

    Nodes and leaves are counted through the whole model. Tree `t` owns the nodes ``node_from[t]`` to
    ``node_from[t + 1] - 1`` and the leaves ``leaf_from[t]`` to ``leaf_from[t + 1] - 1``.

    Attributes
    ----------
    features : int
        Number of columns a row has.
    node_from, leaf_from : int64 array, shape (trees + 1,)
        First node and first leaf of each tree; a tree of a single leaf has no node.
    feature, decision, left, right, count : int64 array, shape (nodes,)
        Column that is asked; decision type; children within the tree (>= 0 a node, else ``-1 - leaf``); training rows.
    threshold : float64 array, shape (nodes,)
        A number goes left if it is <= the threshold.
    set_from, set_until : int64 array, shape (nodes,)
        Where a categorical node's words lie in `words`; equal for other nodes.
    words : int64 array
        32 category codes each, lowest bit first; a code in the set goes left.
    value, rows : float64 array, shape (leaves,)
        Log-odds (shrunk already) and training rows of each leaf.
    """

    features: int
    node_from: I64
    leaf_from: I64
    feature: I64
    decision: I64
    left: I64
    right: I64
    count: I64
    threshold: F64
    set_from: I64
    set_until: I64
    words: I64
    value: F64
    rows: F64

    @property
    def base(self) -> float:
        """The expected margin over the training rows, summed in LightGBM's order."""
        total = 0.0
        for tree in range(len(self.node_from) - 1):
            leaves = slice(self.leaf_from[tree], self.leaf_from[tree + 1])
            if self.node_from[tree] == self.node_from[tree + 1]:
                total += float(self.value[leaves][0])
                continue
            whole = float(self.count[self.node_from[tree]])
            expected = 0.0
            for value, rows in zip(self.value[leaves].tolist(), self.rows[leaves].tolist(), strict=True):
                expected += rows / whole * value
            total += expected
        return total


def read_trees(text: str) -> Trees | None:
    r"""Return the trees of a LightGBM model text, or None where something in it is not understood.

    Not understood are: linear leaves, random forests (averaged output), several classes, keys and decision types that
    this reader does not know, leaves or nodes without training rows (the weights of TreeSHAP divide by them), and
    leaf values that are not finite. The text itself must be trusted: children that point nowhere are refused, but no
    meaning is checked.

    Examples
    --------
    >>> read_trees("tree\nversion=v4\nnum_class=3\n") is None
    True
    """
    try:
        return _read(text)
    except (ValueError, KeyError, OverflowError):
        return None


def _read(text: str) -> Trees:
    head, *parts = text.split("\nTree=")
    features = _read_header(head)
    if not parts:
        raise ValueError("no tree")
    parts[-1], end, _ = parts[-1].partition("\nend of trees")
    if not end:
        raise ValueError("no end")
    trees = [_read_tree(part) for part in parts]
    sizes = np.array([int(tree["num_leaves"]) for tree in trees], np.int64)
    inner = [tree for tree, size in zip(trees, sizes, strict=True) if size > 1]
    nodes = int((sizes - 1).sum())
    per_node = {key: _numbers([tree[key] for tree in inner], nodes) for key in _PER_NODE}
    value = _numbers([tree["leaf_value"] for tree in trees], int(sizes.sum()))
    rows = np.ones(len(value))
    leaf_from = np.concatenate([[0], np.cumsum(sizes)])
    many = np.repeat(sizes > 1, sizes)
    rows[many] = _numbers([tree["leaf_count"] for tree in inner], int(many.sum()))
    integer = {key: _whole(per_node[key]) for key in _PER_NODE if key != "threshold"}  # a threshold may be infinite
    found = Trees(
        features=features,
        node_from=np.concatenate([[0], np.cumsum(sizes - 1)]),
        leaf_from=leaf_from,
        feature=integer["split_feature"],
        decision=integer["decision_type"],
        left=integer["left_child"],
        right=integer["right_child"],
        count=integer["internal_count"],
        threshold=per_node["threshold"],
        value=value,
        rows=rows,
        **_read_sets(inner, integer["decision_type"], per_node["threshold"]),
    )
    _check(found, sizes)
    return found


def _read_header(head: str) -> int:
    first, *lines = head.strip("\n").split("\n")
    if first != "tree":
        raise ValueError(first)
    seen = {}
    for line in filter(None, lines):
        key, equals, value = line.partition("=")
        if not equals or not (key in _HEADER_FREE or value in _HEADER.get(key, ())):
            raise ValueError(line)
        seen[key] = value
    if not seen.keys() >= _HEADER.keys():
        raise ValueError("incomplete header")
    return int(seen["max_feature_idx"]) + 1


def _read_tree(part: str) -> dict[str, str]:
    _, *lines = part.split("\n")
    tree = {}
    for line in filter(None, lines):
        key, equals, value = line.partition("=")
        if not equals or key not in _KNOWN:
            raise ValueError(line)
        tree[key] = value
    if tree["is_linear"] != "0" or int(tree["num_leaves"]) < 1:
        raise ValueError("linear tree or no leaf")
    return tree


def _numbers(texts: Sequence[str], size: int) -> F64:
    found = np.array(" ".join(texts).split(), dtype=np.float64)
    if len(found) != size or np.isnan(found).any():
        raise ValueError(f"expected {size} numbers")
    return found


def _whole(numbers: F64) -> I64:
    if not np.isfinite(numbers).all():
        raise ValueError("expected whole numbers")
    found = numbers.astype(np.int64)
    if (found != numbers).any():
        raise ValueError("expected whole numbers")
    return found


def _read_sets(inner: Sequence[dict[str, str]], decision: I64, threshold: F64) -> dict[str, I64]:
    """Return where each categorical node's set lies: its threshold is the number of the set within its tree."""
    start, until = np.zeros(len(decision), np.int64), np.zeros(len(decision), np.int64)
    words, first, done = [], 0, 0
    for tree in inner:
        end = first + int(tree["num_leaves"]) - 1
        sets = int(tree["num_cat"])
        nodes = first + np.flatnonzero(decision[first:end] & CATEGORICAL)
        if sets:
            bounds = _whole(_numbers([tree["cat_boundaries"]], sets + 1))
            words.append(_whole(_numbers([tree["cat_threshold"]], int(bounds[-1]))))
            which = _whole(threshold[nodes])
            if (which < 0).any() or (which >= sets).any() or bounds[0] != 0 or (np.diff(bounds) < 0).any():
                raise ValueError("a set that is not there")
            start[nodes], until[nodes] = done + bounds[which], done + bounds[which + 1]
            done += int(bounds[-1])
        elif len(nodes):
            raise ValueError("a categorical node without sets")
        first = end
    return {
        "set_from": start,
        "set_until": until,
        "words": np.concatenate(words) if words else np.zeros(0, np.int64),
    }


def _check(trees: Trees, sizes: I64) -> None:
    nodes, leaves = np.repeat(sizes - 1, sizes - 1), np.repeat(sizes, sizes - 1)
    own = np.arange(len(nodes)) - np.repeat(trees.node_from[:-1], sizes - 1)
    for child in (trees.left, trees.right):
        # LightGBM numbers children after their parents: no walk goes round in circles
        if ((child >= nodes) | (-1 - child >= leaves) | ((child >= 0) & (child <= own))).any():
            raise ValueError("a child that is not there")
    below = np.concatenate([trees.left, trees.right])
    whose = np.tile(np.repeat(np.arange(len(sizes)), sizes - 1), 2)
    if len(np.unique(np.column_stack([whose, below]), axis=0)) != len(below):
        raise ValueError("a child of two parents")
    if not np.isfinite(trees.value).all():
        raise ValueError("a leaf without a value")
    if not np.isin(trees.decision, _DECISION_TYPES).all() or (trees.count <= 0).any() or (trees.rows <= 0).any():
        raise ValueError("unknown decision, or no training rows")
    if ((trees.feature < 0) | (trees.feature >= trees.features)).any():
        raise ValueError("a feature that is not there")
    categorical = (trees.decision & CATEGORICAL) > 0
    if np.isin(trees.feature[categorical], trees.feature[~categorical]).any():
        raise ValueError("a feature that is a number and a category")
