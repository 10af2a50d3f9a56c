"""The compiled loops behind margins by masks against plain Python, on small random trees.

LightGBM's own values stand in test_tree_margin.py.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from crm_ml.models.explain import tree_margin

SEQUENCE = {32: 0x077CB531, 64: 0x03F79D71B4CB0A89}
NODE = tuple[int, list[int], list[int]]


@dataclass
class Tree:
    """Per node its feature, children (a leaf k is -1 - k) and which bins go left; per leaf its value."""

    bins: list[int]
    nodes: list[NODE] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def leaf(self, row: list[int], node: int = 0) -> int:
        """The leaf of a row of bins, found by walking."""
        if not self.nodes:
            return 0
        if node < 0:
            return -1 - node
        feature, children, left = self.nodes[node]
        return self.leaf(row, children[0] if left[row[feature]] else children[1])

    def open_leaves(self, feature: int, one: int, node: int = 0) -> set[int]:
        """The leaves that a bin of one feature leaves open."""
        if node < 0:
            return {-1 - node}
        asked, children, left = self.nodes[node]
        sides = ([0] if left[one] else [1]) if asked == feature else [0, 1]
        return set().union(*(self.open_leaves(feature, one, children[side]) for side in sides))

    @property
    def used(self) -> list[int]:
        return sorted({feature for feature, _, _ in self.nodes})


def grown(chance: random.Random, bins: list[int], splits: int) -> Tree:
    tree, holders = Tree(bins), {0: None}
    for node in range(splits):
        leaf = chance.choice(sorted(holders))
        sides = [leaf, node + 1]
        chance.shuffle(sides)
        if holders[leaf] is not None:
            above, side = holders[leaf]
            tree.nodes[above][1][side] = node
        feature = chance.randrange(len(bins))
        tree.nodes.append(
            (feature, [-1 - each for each in sides], [chance.randint(0, 1) for _ in range(bins[feature])])
        )
        holders |= {each: (node, side) for side, each in enumerate(sides)}
    tree.value = [chance.uniform(-2, 2) for _ in holders]
    return tree


def forests(most: int = 6):
    for seed in range(40):
        chance = random.Random(seed)
        bins = [chance.randint(2, 5) for _ in range(chance.randint(1, 4))]
        yield chance, bins, [grown(chance, bins, chance.randint(0, most)) for _ in range(chance.randint(1, 4))]


def mask_of(leaves: set[int]) -> int:
    return sum(1 << leaf for leaf in leaves)


def masks(trees: list[Tree]) -> list[int]:
    return [
        mask_of(tree.open_leaves(feature, one))
        for tree in trees
        for feature in tree.used
        for one in range(tree.bins[feature])
    ]


def test_close_leaves_open_what_a_bin_leaves_open():
    for _, _, trees in forests():
        node_from, left, right, flag_from, mask_from, size, flags, whole = [0], [], [], [], [], [], [0, 1], []
        for tree in trees:
            begins = {}
            for feature in tree.used:
                begins[feature] = len(whole)
                whole += [2 ** len(tree.value) - 1] * tree.bins[feature]
            for feature, children, goes_left in tree.nodes:
                left.append(children[0])
                right.append(children[1])
                flag_from.append(len(flags))
                flags += goes_left
                mask_from.append(begins[feature])
                size.append(tree.bins[feature])
            node_from.append(len(left))
        found = np.array(whole, np.uint64)
        nodes = tuple(np.array(each, np.int64) for each in (left, right, flag_from, mask_from, size))
        tree_margin._close(np.array(node_from, np.int64), nodes, np.array(flags, np.uint8), found)
        assert found.tolist() == masks(trees)


@pytest.mark.parametrize("bits", [32, 64])
def test_add_up_adds_the_leaf_of_each_tree_in_their_order(bits):
    kind, top = np.dtype(f"uint{bits}").type, bits.bit_length() - 1
    for chance, bins, trees in forests(bits - 1):
        rows = chance.randint(1, 9)
        which = [[chance.randrange(size) for _ in range(rows)] for size in bins]
        value = np.full((len(trees), bits), np.nan)
        for each, tree in zip(value, trees, strict=True):
            for leaf, x in enumerate(tree.value):
                each[((SEQUENCE[bits] << leaf) % 2**bits) >> (bits - top)] = x
        out = np.array([chance.uniform(-1, 1) for _ in range(rows)])
        expected = out.tolist()
        for row in range(rows):
            for tree in trees:
                expected[row] += tree.value[tree.leaf([column[row] for column in which])]
        runs = (
            np.array([len(tree.used) for tree in trees], np.int64),
            np.array([feature for tree in trees for feature in tree.used], np.int64),
        )
        mask = np.array(masks(trees), kind)
        with np.errstate(over="ignore"):  # the bits above are to be cut off
            tree_margin._add_up(
                np.array(which, np.uint16), np.array(bins, np.int64), runs, mask, kind(SEQUENCE[bits]), value, out
            )
        assert out.tolist() == expected
