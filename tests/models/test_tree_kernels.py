"""The compiled loops behind TreeSHAP against plain Python that says what they return, on small random trees.

The trees here are freer than LightGBM's: any bins may go left at a node. What LightGBM itself says of its own trees
stands in test_treeshap.py.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from crm_ml.models.explain import tree_bins, tree_cells, tree_tables, treeshap
from crm_ml.models.explain.tree_bins import ZERO
from crm_ml.models.explain.tree_cells import RUN_CELLS
from crm_ml.models.explain.tree_tables import quadrature

CASES = 40
NAN = math.nan


def ints(values: Iterable[int], kind=np.int64) -> np.ndarray:
    return np.array(list(values), kind)


def chances(cases: int = CASES) -> Iterator[random.Random]:
    return (random.Random(seed) for seed in range(cases))


def numbered(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys get the same number, in the order in which they first appear."""
    first: dict[Hashable, int] = {}
    return [first.setdefault(key, len(first)) for key in keys]


def same(found: np.ndarray, wanted, kind=np.int64) -> None:
    """Shape, type and values."""
    assert found.dtype == kind
    wanted = np.array(wanted)
    assert found.shape == wanted.shape
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-13)


@dataclass(frozen=True)
class Drawn:
    """A tree as lists: per node feature, children and the bins that go left; per leaf value and rows."""

    bins: list[int]
    feature: list[int]
    children: list[list[int]]
    goes_left: list[list[int]]
    value: list[float]
    rows: list[int]

    def below(self, child: int) -> list[int]:
        """The leaves below a child, from left to right."""
        return [-1 - child] if child < 0 else [leaf for each in self.children[child] for leaf in self.below(each)]

    def count(self, child: int) -> int:
        return sum(self.rows[leaf] for leaf in self.below(child))

    def way(self, leaf: int, node: int = 0) -> list[tuple[int, int, float]]:
        """From the root to a leaf: node, 1 where the way is left, part of the node's rows that take it."""
        if node < 0:
            return []
        side = next(side for side in (0, 1) if leaf in self.below(self.children[node][side]))
        child = self.children[node][side]
        return [(node, 1 - side, self.count(child) / self.count(node)), *self.way(leaf, child)]

    def conditions(self, leaf: int) -> dict[int, tuple[list[tuple[int, int]], float]]:
        """Per feature of a leaf's path, from the leaf up: nodes with the side they ask for; part of rows kept."""
        found: dict[int, tuple[list[tuple[int, int]], float]] = {}
        for node, side, part in reversed(self.way(leaf)):
            asked, kept = found.get(self.feature[node], ([], 1.0))
            found[self.feature[node]] = ([*asked, (node, side)], kept * part)
        return found

    def cells(self, feature: int) -> list[int]:
        """The cell of each bin of a feature: bins of one cell go the same way at all nodes."""
        nodes = [node for node, each in enumerate(self.feature) if each == feature]
        return numbered(tuple(self.goes_left[node][b] for node in nodes) for b in range(self.bins[feature]))

    def arrays(self) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        """The tree, its flags and its numbers of bins as the kernels take them; others' flags may come first."""
        others = len(self.feature) % 2 * 3
        flag_from = itertools.accumulate((len(each) for each in self.goes_left), initial=others)
        tree = (
            ints(self.feature),
            ints(left for left, _ in self.children),
            ints(right for _, right in self.children),
            np.array([float(self.count(node)) for node in range(len(self.feature))]),
            ints(itertools.islice(flag_from, len(self.feature))),
            np.array(self.value),
            np.array(self.rows, np.float64),
        )
        return tree, ints([*[1, 0, 1][:others], *itertools.chain(*self.goes_left)], np.uint8), ints(self.bins)


def grown(chance: random.Random, *, features: int = 4, leaves: int = 8, bins: int = 5) -> Drawn:
    """A tree grown by splitting one leaf after another, which leaf and by what left to chance."""
    made = [chance.randint(2, bins) for _ in range(chance.randint(1, features))]
    feature, children, goes_left = [], [], []
    holders = {0: None}  # leaf: (node, side) that points to it
    for node in range(chance.randint(1, leaves - 1)):
        leaf = chance.choice(sorted(holders))
        sides = [leaf, node + 1]
        chance.shuffle(sides)
        if holders[leaf] is not None:
            above, side = holders[leaf]
            children[above][side] = node
        feature.append(chance.randrange(len(made)))
        children.append([-1 - each for each in sides])
        goes_left.append([chance.randint(0, 1) for _ in range(made[feature[-1]])])
        holders |= {each: (node, side) for side, each in enumerate(sides)}
    value = [chance.uniform(-2, 2) for _ in holders]
    return Drawn(made, feature, children, goes_left, value, [chance.randint(1, 9) for _ in holders])


def trees(cases: int = CASES) -> Iterator[tuple[random.Random, Drawn]]:
    return ((chance, grown(chance)) for chance in chances(cases))


# --- bins ----------------------------------------------------------------------------------------------------------


def test_decide_does_what_lightgbm_does_with_each_bin():
    """Per node: a category by its bit; a number by its threshold, unless zero or NaN count as missing there."""
    values = (-math.inf, -2.0, -1.1e-35, -ZERO, -0.0, 5e-324, ZERO, 1.1e-35, 1.5, 2.0, math.inf, NAN)
    for chance in chances(60):
        kinds = [chance.random() < 0.5 for _ in range(3)]
        own = [
            [*sorted(chance.sample(range(100), 6)), 0, 31, 32, -1.0]
            if kind
            else [*sorted(chance.sample(values[:-1], 4)), NAN]
            for kind in kinds
        ]
        feature = [chance.randrange(3) for _ in range(6)]
        lengths = [chance.randint(0, 3) if kinds[j] else 0 for j in feature]
        words = [chance.getrandbits(32) for _ in range(sum(lengths) + 2)]
        start = [2 + sum(lengths[:n]) for n in range(6)]
        sets = [words[first : first + length] for first, length in zip(start, lengths, strict=True)]
        default_left = [chance.random() < 0.5 for _ in feature]
        missing = [chance.randrange(3) for _ in feature]
        threshold = [chance.choice(values[:-1]) for _ in feature]
        flag_from = [sum(len(own[j]) for j in feature[:n]) for n in range(6)]
        flags = np.zeros(sum(len(own[j]) for j in feature), np.uint8)
        tree_bins._decide(
            (ints(feature), np.array([kinds[j] for j in feature]), np.array(default_left), ints(missing)),
            np.array(threshold),
            (ints(start), ints(first + length for first, length in zip(start, lengths, strict=True)), ints(words)),
            np.concatenate([np.array(each, np.float64) for each in own]),
            ints([0, *itertools.accumulate(len(each) for each in own)]),
            ints(flag_from),
            flags,
        )

        def left(n: int, x: float) -> bool:
            if kinds[feature[n]]:  # noqa: B023 (called in this turn)
                return x >= 0 and x // 32 < len(sets[n]) and bool(sets[n][int(x // 32)] & (1 << int(x % 32)))  # noqa: B023
            zero = abs(x) <= ZERO or (math.isnan(x) and missing[n] != 2)  # noqa: B023
            if (missing[n] == 1 and zero) or (missing[n] == 2 and math.isnan(x)):  # noqa: B023
                return default_left[n]  # noqa: B023
            return (0.0 if zero else x) <= threshold[n]  # noqa: B023

        assert flags.tolist() == [left(n, x) for n in range(6) for x in own[feature[n]]]


def test_bin_numbers_counts_the_cuts_below():
    around = (-math.inf, -3.0, -1.1e-35, -ZERO, -0.0, 5e-324, ZERO, 1.1e-35, 0.5, 3.0, math.inf, NAN)
    for chance in chances(100):
        cuts = sorted({chance.choice((*around[:-1], *range(-4, 5))) for _ in range(chance.randint(0, 9))})
        values = [*around, *(chance.choice([*cuts, 0.0]) + chance.choice((-0.5, 0.0, 0.5)) for _ in range(4))]
        out = np.full(len(values), 999, np.uint16)
        tree_bins.bin_numbers(np.array(values), np.array(cuts, np.float64), out)
        for x, found in zip(values, out.tolist(), strict=True):
            read = 0.0 if abs(x) <= ZERO else x
            assert found == (len(cuts) + 1 if math.isnan(x) else sum(cut < read for cut in cuts)), (x, cuts)


def test_bin_codes_finds_the_whole_part_among_the_codes():
    """What is no int32 or below zero as a whole number is in no set, whatever stands there."""
    end = 2.0**31
    for chance in chances(100):
        codes = sorted(chance.sample([-1, *range(9), 2**31 - 1, 2**31], chance.randint(0, 8)))
        whole = [*range(-2, 10), end - 1, end, end + 1]
        values = [*whole, *(x + 0.5 for x in whole), math.inf, -math.inf, NAN]
        out = np.full(len(values), 999, np.uint16)
        tree_bins.bin_codes(np.array(values), np.array(codes, np.float64), out)
        for x, found in zip(values, out.tolist(), strict=True):
            known = -1 < x < end and int(x) in codes
            assert found == (codes.index(int(x)) if known else len(codes)), (x, codes)


# --- cells and runs ------------------------------------------------------------------------------------------------


def test_refine_splits_each_cell_by_the_condition():
    for chance in chances(100):
        size = chance.randint(1, 5)
        cells = [chance.randrange(size) for _ in range(chance.randint(1, 9))]
        condition = [chance.randint(0, 1) for _ in cells]
        found = ints(cells, np.int32)
        want = numbered(zip(cells, condition, strict=True))
        assert tree_cells.refine(found, ints(condition, np.uint8), size) == len(set(want))
        assert found.tolist() == want
    full = ints(range(4), np.int32)
    assert tree_cells.refine(full, ints([1, 1, 1, 1], np.uint8), 4) == 4  # the last cell's number is used


def test_cells_of_tree_join_bins_that_go_the_same_way():
    for _, drawn in trees():
        cells, size, left = tree_cells._cells_of_tree(*drawn.arrays())
        want = [drawn.cells(j) for j in range(len(drawn.bins))]
        same(cells, [[*each, *[0] * (max(drawn.bins) - len(each))] for each in want], np.int32)
        assert size.tolist() == [len(set(each)) for each in want]
        most = max(len(set(want[j])) for j in drawn.feature)
        table = np.zeros((len(drawn.feature), most), int)
        for node, j in enumerate(drawn.feature):
            table[node, want[j]] = drawn.goes_left[node]
        same(left, table, np.uint8)


def test_leaves_in_order_go_from_left_to_right():
    for _, drawn in trees():
        tree, _, _ = drawn.arrays()
        order, parent = tree_cells._leaves_in_order(tree)
        assert order.tolist() == drawn.below(0)
        nodes = len(drawn.feature)
        want = [-1] * (2 * nodes + 1)
        for node, children in enumerate(drawn.children):
            for child in children:
                want[child if child >= 0 else nodes - 1 - child] = node
        assert parent.tolist() == want


def conditions_of(drawn: Drawn) -> tuple[np.ndarray, ...]:
    """What `_leaf_conditions` is to return."""
    order = drawn.below(0)
    cells = [drawn.cells(j) for j in range(len(drawn.bins))]
    longest = max(len(drawn.way(leaf)) for leaf in order)
    most = min(longest, len(drawn.bins))
    widest = max(max(cells[j]) + 1 for j in drawn.feature)
    many, which = np.zeros(len(order), np.int64), np.zeros((len(order), most), np.int64)
    share, held = np.ones((len(order), most)), np.ones((len(order), most, widest), np.uint8)
    for i, leaf in enumerate(order):
        asked = drawn.conditions(leaf)
        many[i] = len(asked)
        for k, (j, (nodes, kept)) in enumerate(asked.items()):
            which[i, k], share[i, k] = j, kept
            for b, cell in enumerate(cells[j]):
                held[i, k, cell] = all(drawn.goes_left[node][b] == side for node, side in nodes)
    return many, which, share, held


def test_leaf_conditions_say_what_leads_to_a_leaf():
    for _, drawn in trees():
        tree, flags, bins = drawn.arrays()
        _, size, left = tree_cells._cells_of_tree(tree, flags, bins)
        found = tree_cells._leaf_conditions(tree, size, left, *tree_cells._leaves_in_order(tree))
        kinds = (np.int64, np.int64, np.float64, np.uint8)
        for each, want, kind in zip(found, conditions_of(drawn), kinds, strict=True):
            same(each, want, kind)


def run_of(leaves: Sequence[int], size: Sequence[int], conditions: tuple[np.ndarray, ...]) -> dict[int, list[int]]:
    """Per feature of a run of leaves, as they first appear: the run's cell of each of the tree's cells."""
    many, which, _, held = conditions
    asked: dict[int, list[np.ndarray]] = {}
    for i in leaves:
        for k in range(many[i]):
            asked.setdefault(int(which[i, k]), []).append(held[i, k])
    return {j: numbered(tuple(each[c] for each in by) for c in range(size[j])) for j, by in asked.items()}


def states_of(run: dict[int, list[int]]) -> int:
    return math.prod(max(cells) + 1 for cells in run.values())


def random_conditions(chance: random.Random, leaves: int, features: int, cells: int) -> tuple[list[int], tuple]:
    """Conditions of leaves of no tree: any features, any cells."""
    size = [chance.randint(2, cells) for _ in range(features)]
    most = features
    many, which = np.zeros(leaves, np.int64), np.zeros((leaves, most), np.int64)
    held = np.ones((leaves, most, max(size)), np.uint8)
    for i in range(leaves):
        many[i] = chance.randint(1, most)
        which[i, : many[i]] = chance.sample(range(features), many[i])
        for k in range(many[i]):
            held[i, k, : size[which[i, k]]] = [chance.randint(0, 1) for _ in range(size[which[i, k]])]
    return size, (many, which, np.ones((leaves, most)), held)


def best_plan(size: Sequence[int], conditions: tuple) -> tuple[list[int], list[int], list[int]]:
    """Try every partition into runs that keep to the limit (a leaf alone always does); of equals the longest last."""
    leaves = len(conditions[0])
    runs = {
        (first, end): run_of(range(first, end), size, conditions)
        for end in range(1, leaves + 1)
        for first in range(end)
    }
    fits = [
        (first, end) for (first, end), run in runs.items() if end - first == 1 or states_of(run) * len(run) <= RUN_CELLS
    ]
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for end in range(1, leaves + 1):
        ways = [(best[first][0] + len(runs[first, end]) + 2, first) for first, other in fits if other == end]
        cost, first = min(ways)
        best[end] = cost, [*best[first][1], end]
    ends = best[leaves][1]
    chosen = [runs[first, end] for first, end in zip([0, *ends], ends, strict=False)]
    return ends, [len(run) for run in chosen], [states_of(run) for run in chosen]


def planned(size: Sequence[int], conditions: tuple) -> tuple[list[int], list[int], list[int]]:
    many, which, _, held = conditions
    ends, width, states = tree_cells._plan(ints(size), many, which, held)
    return ends.tolist(), width.tolist(), states.tolist()


@pytest.mark.parametrize(("features", "cells"), [(3, 3), (6, 7), (10, 3)])
def test_plan_is_the_partition_with_the_fewest_features(features, cells):
    several = 0
    for chance in chances(12):
        size, conditions = random_conditions(chance, chance.randint(1, 7), features, cells)
        want = best_plan(size, conditions)
        assert planned(size, conditions) == want
        several += 1 < len(want[0]) < len(conditions[0])
    assert several or cells == features == 3  # few states: one run


@pytest.mark.parametrize(("wanted", "runs"), [((4, 4, 8, 8), 1), ((4, 4, 8, 9), 2)])
def test_plan_takes_a_run_whose_table_just_fits(wanted, runs):
    """4 features with 4 * 4 * 8 * 8 states are 4,096 values, which is the limit; one cell more are too many."""
    # leaf c asks each feature for cell c alone: c leaves tell c + 1 cells apart
    leaves = max(wanted) - 1
    many, which = np.full(leaves, 4, np.int64), np.tile(np.arange(4), (leaves, 1))
    held = np.zeros((leaves, 4, max(wanted)), np.uint8)
    for i in range(leaves):
        for k, cells in enumerate(wanted):
            held[i, k, min(i, cells - 1)] = 1
    found = planned(wanted, (many, which, np.ones((leaves, 4)), held))
    assert len(found[0]) == runs
    if runs == 1:
        assert found == ([leaves], [4], [4 * 4 * 8 * 8])


@pytest.mark.parametrize("large", [0, 1, 2])
def test_plan_leaves_a_leaf_alone_that_is_beyond_the_limit(large):
    """Nine features in two cells each are 9 * 512 values; the two other leaves ask one feature each."""
    many, which = np.ones(3, np.int64), np.tile(np.arange(9), (3, 1))
    many[large] = 9
    held = np.zeros((3, 9, 2), np.uint8)
    held[:, :, 0] = 1
    alone = {0: ([1, 3], [9, 1], [512, 2]), 1: ([1, 2, 3], [1, 9, 1], [2, 512, 2]), 2: ([2, 3], [1, 9], [2, 512])}
    assert planned([2] * 9, (many, which, np.ones((3, 9)), held)) == alone[large]


def test_cells_of_runs_tell_apart_what_the_run_asks_for():
    for chance, drawn in trees():
        conditions = conditions_of(drawn)
        size = [len(set(drawn.cells(j))) for j in range(len(drawn.bins))]
        ends = some_ends(chance, len(conditions[0]))
        cells, split = tree_cells._cells_of_runs(ints(size), conditions, ints(ends))
        want = np.zeros((len(ends), len(size), conditions[3].shape[2]), int)
        many = np.ones((len(ends), len(size)), int)
        for r, (first, end) in enumerate(zip([0, *ends], ends, strict=False)):
            for j, own in run_of(range(first, end), size, conditions).items():
                want[r, j, : size[j]], many[r, j] = own, max(own) + 1
        same(cells, want, np.int32)
        same(split, many)


def some_ends(chance: random.Random, leaves: int) -> list[int]:
    return [*(end for end in range(1, leaves) if chance.random() < 0.4), leaves]


def test_tree_runs_hands_on_what_the_steps_return():
    for _, drawn in trees(10):
        tree, flags, bins = drawn.arrays()
        (cells, size), order, conditions, runs = tree_cells.tree_runs(tree, flags, bins)
        assert cells.tolist() == tree_cells._cells_of_tree(tree, flags, bins)[0].tolist()
        assert size.tolist() == [len(set(drawn.cells(j))) for j in range(len(drawn.bins))]
        assert order.tolist() == drawn.below(0)
        for each, want in zip(conditions, conditions_of(drawn), strict=True):
            assert each == pytest.approx(want)
        ends, width, states, run_cells, split = runs
        assert (ends.tolist(), width.tolist(), states.tolist()) == best_plan(size.tolist(), conditions)
        want_cells, want_split = tree_cells._cells_of_runs(size, conditions, ends)
        assert run_cells.tolist() == want_cells.tolist()
        assert split.tolist() == want_split.tolist()


# --- tables --------------------------------------------------------------------------------------------------------


def shapley(share: Sequence[float], value: float, fulfilled: Sequence[int]) -> list[float]:
    """Each condition's mean over all orders of what it adds to the leaf's expected value."""
    k = len(share)
    found = [0.0] * k
    for order in itertools.permutations(range(k)):
        worth = value * math.prod(share)
        for i in order:
            with_it = worth / share[i] * fulfilled[i]
            found[i] += (with_it - worth) / math.factorial(k)
            worth = with_it
    return found


@pytest.mark.parametrize("k", range(1, 6))
def test_leaf_table_is_shapleys_mean_over_all_orders(k):
    chance = random.Random(k)
    share, value = [chance.uniform(0.05, 1.0) for _ in range(k)], chance.uniform(-3, 3)
    at, weight = quadrature()
    needed = (k + 1) // 2  # points that give the integral exactly
    table = tree_tables.leaf_table(np.array(share), value, at[:needed], weight[:needed])
    want = [shapley(share, value, [state >> i & 1 for i in range(k)]) for state in range(2**k)]
    same(table, np.array(want).T, np.float64)


def test_fill_adds_up_the_leaves_of_each_run():
    points = quadrature()
    for chance, drawn in trees(25):
        conditions = conditions_of(drawn)
        many, which, share, held = conditions
        size = [len(set(drawn.cells(j))) for j in range(len(drawn.bins))]
        ends = some_ends(chance, len(many))
        runs = [run_of(range(first, end), size, conditions) for first, end in zip([0, *ends], ends, strict=False)]
        value = [drawn.value[leaf] for leaf in drawn.below(0)]
        width, states = ints(len(run) for run in runs), ints(states_of(run) for run in runs)
        cells = np.zeros((len(size), max(drawn.bins)), np.int32), ints(size)
        run_cells = tree_cells._cells_of_runs(ints(size), conditions, ints(ends))
        own, steps, table = tree_tables._fill(
            (ints(ends), width, states, *run_cells), np.array(value), conditions, cells, points
        )
        assert own.tolist() == [j for run in runs for j in run]
        want_steps, want = np.zeros((len(own), held.shape[2]), int), []
        for r, run in enumerate(runs):
            step = 1
            for f, (j, mine) in enumerate(run.items(), start=int(width[:r].sum())):
                want_steps[f, : size[j]] = [step * cell for cell in mine]
                step *= max(mine) + 1
            summed = np.zeros((len(run), step))
            some = {j: [mine.index(cell) for cell in range(max(mine) + 1)] for j, mine in run.items()}
            # the first feature's cell changes fastest
            for state, chosen in enumerate(itertools.product(*reversed(some.values()))):
                cell = dict(zip(reversed(some), chosen, strict=True))
                for i in range(ends[r - 1] if r else 0, ends[r]):
                    on_path = [int(j) for j in which[i, : many[i]]]
                    meets = [int(held[i, m, cell[j]]) for m, j in enumerate(on_path)]
                    for j, phi in zip(on_path, shapley(share[i, : many[i]], value[i], meets), strict=True):
                        summed[list(run).index(j), state] += phi
            want += summed.ravel().tolist()
        same(steps, want_steps, np.int32)
        same(table, want, np.float64)


def test_steps_of_bins_are_those_of_their_cells():
    for chance in chances():
        bins = [chance.randint(2, 5) for _ in range(3)]
        cell = np.array([[chance.randrange(4) for _ in range(max(bins))] for _ in bins], np.int32)
        own = [chance.randrange(3) for _ in range(chance.randint(1, 6))]
        steps = np.array([[chance.randrange(9999) for _ in range(4)] for _ in own], np.int32)
        out = tree_tables._steps_of_bins(ints(own), steps, (cell, ints([4, 4, 4])), ints(bins))
        same(out, [steps[f, cell[j, b]] for f, j in enumerate(own) for b in range(bins[j])], np.uint16)


def test_add_up_looks_up_the_state_of_each_row():
    for chance in chances():
        bins, used, rows = [chance.randint(2, 4) for _ in range(3)], [0, 2, 3], chance.randint(1, 5)
        binned = np.array([[chance.randrange(bins[j]) for _ in range(rows)] for j in range(3)], np.uint16)
        want = np.array([[chance.randint(-9, 9) for _ in range(rows + 2)] for _ in range(5)], np.float64)
        out = want.copy()
        width, states, feature, step, table = [], [], [], [], []
        for _ in range(chance.randint(0, 3)):
            own = chance.sample(range(3), chance.randint(1, 3))
            state = [0] * rows
            most = 0
            for j in own:
                summands = [chance.randrange(5) for _ in range(bins[j])]
                state = [a + summands[b] for a, b in zip(state, binned[j], strict=True)]
                most += max(summands)
                step += summands
            width.append(len(own))
            states.append(most + 1)
            feature += own
            for j in own:
                values = [chance.randint(-9, 9) for _ in range(most + 1)]
                want[used[j], 1 : rows + 1] += [values[s] for s in state]
                table += values
        treeshap._add_up(
            binned,
            ints(used),
            ints(bins),
            (ints(width), ints(states), ints(feature)),
            ints(step, np.uint16),
            np.array(table, np.float64),
            out[:, 1:],
        )
        assert out.tolist() == want.tolist()


def test_tables_of_a_whole_tree_give_the_trees_own_shapley_values():
    """Of the tree's expected value given a set of features, with no leaf, cell or run in sight."""
    for chance, drawn in trees(12):
        tree, flags, bins = drawn.arrays()
        width, states, own, step, table = tree_tables.tree_tables(tree, flags, bins, quadrature(), 2**20)
        row = [chance.randrange(many) for many in drawn.bins]
        found = np.zeros((len(row), 1))
        runs = width, states, own
        treeshap._add_up(ints(row, np.uint16)[:, None], ints(range(len(row))), bins, runs, step, table, found[:, :])

        def worth(known: frozenset[int], node: int = 0) -> float:
            if node < 0:
                return drawn.value[-1 - node]  # noqa: B023
            children, j = drawn.children[node], drawn.feature[node]  # noqa: B023
            if j in known:
                return worth(known, children[1 - drawn.goes_left[node][row[j]]])  # noqa: B023
            return sum(drawn.count(child) * worth(known, child) for child in children) / drawn.count(node)  # noqa: B023

        want = [0.0] * len(row)
        orders = list(itertools.permutations(range(len(row))))
        for order in orders:
            for at, j in enumerate(order):
                before = frozenset(order[:at])
                want[j] += (worth(before | {j}) - worth(before)) / len(orders)
        assert found[:, 0] == pytest.approx(want, abs=1e-12)
