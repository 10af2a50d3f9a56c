"""Sorting by subject and keys against NumPy's and Python's own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_ml.features import kernels_sort

FEW = settings(max_examples=100, deadline=None)


@FEW
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=5))
@example([(0, 1, 0), (0, 0, 1)])
@example([(0, 0, 1), (0, 0, 0)])
@example([(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_is_ordered_says_whether_rows_ascend(rows):
    table = np.array(rows, np.int64).reshape(-1, 3).T
    assert kernels_sort.is_ordered(table[0], np.ascontiguousarray(table[1:])) == (rows == sorted(rows))
    ordered = np.array(sorted(rows), np.int64).reshape(-1, 3).T
    assert kernels_sort.is_ordered(ordered[0], np.ascontiguousarray(ordered[1:]))


def refined(lengths, keys, order):
    """What `refine` should make of an order: each stretch sorted stably by the key."""
    bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    expected = [row for a, b in pairwise(bounds) for row in sorted(order[a:b], key=keys.__getitem__)]
    found = np.array(order, np.int64)
    kernels_sort.refine(found, bounds, np.array(keys, np.int64))
    return found.tolist(), expected


@FEW
@given(st.lists(st.integers(0, 5), max_size=4), st.randoms(use_true_random=False))
def test_refine_sorts_each_stretch_stably(lengths, chance):
    size = sum(lengths)
    keys = [chance.randrange(4) for _ in range(size + 2)]
    order = chance.sample(range(size + 2), size)  # rows of no stretch keep out of it
    found, expected = refined(lengths, keys, order)
    assert found == expected


@pytest.mark.parametrize("size", [47, 48, 49, 60, 130])
def test_refine_of_long_stretches_is_stable_too(size):
    random = np.random.default_rng(size)
    keys = random.integers(0, 7, 2 * size + 3).tolist()
    order = random.permutation(2 * size + 3).tolist()
    found, expected = refined([1, size, 2, size], keys, order)
    assert found == expected
