"""The order of rows: that of numpy's lexsort, however many rows there are and however they are grouped."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.tables import kernels, row_order
from crm_ml.tables.identifiers import coded
from crm_ml.tables.row_order import LAST, ascending, same_as_before

ROWS = st.integers(0, 70).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 4) | st.just(LAST), min_size=size, max_size=size), min_size=2, max_size=4
    )
)


def keys(columns):
    return [key(np.array(column, np.int64)) for column in columns]


def key(values):
    """What makes the key of some rows, given those of all."""
    return lambda rows: values[rows]


@settings(deadline=None)  # the first example loads what is compiled
@given(ROWS, st.lists(st.integers(0, 3), min_size=70, max_size=70), st.integers(1, 40), st.booleans())
def test_the_order_is_numpys(
    columns,
    groups,
    block,
    ascends,
):
    size = len(columns[0])
    first = np.array(sorted(groups[:size]) if ascends else groups[:size], np.int32)
    expected = np.lexsort([*(np.array(column, np.int64) for column in reversed(columns)), first])
    with pytest.MonkeyPatch.context() as patch:
        for few in (10**9, 0):
            patch.setattr(row_order, "FEW_ROWS", max(few, 1))
            patch.setattr(row_order, "_BLOCK_ROWS", block)
            found = row_order.row_order([key(first), *keys(columns)])
            assert (np.arange(size) if found is None else found).tolist() == expected.tolist()
            assert (found is None) == (expected.tolist() == list(range(size)))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=200), st.lists(st.integers(0, 60), max_size=6)
)
def test_rows_are_sorted_within_their_stretch_alone(rows, sizes):
    bounds = np.minimum(np.concatenate(([0], np.cumsum(sizes), [len(rows)])), len(rows)).astype(np.int64)
    own = np.array(rows, np.int64).reshape(-1, 2).T.copy()
    order, moved = kernels.order_within(own, bounds)
    expected = np.concatenate(
        [begin + np.lexsort((own[1, begin:end], own[0, begin:end])) for begin, end in pairwise(bounds)]
    )
    assert order.tolist() == expected.tolist()
    assert moved == (expected.tolist() != list(range(len(rows))))


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=9), st.integers(0, 2), st.sampled_from([np.int32, np.int64]))
def test_by_code_is_the_stable_order(groups, unused, kind):
    codes = np.array(groups, kind)
    counts = np.bincount(codes, minlength=int(codes.max(initial=-1)) + 1 + unused)
    before = counts.copy()
    assert kernels.by_code(codes, counts).tolist() == np.argsort(codes, kind="stable").tolist()
    assert counts.tolist() == before.tolist()


@pytest.mark.parametrize("size", [23, 24, 25, 47, 48, 49, 50, 72, 73, 96, 97, 145, 500])
@pytest.mark.parametrize("begin", [0, 3])
def test_long_stretches_are_merged_from_short_ones(size, begin):
    rng = np.random.default_rng(size)
    for values in (2, 5, 1000):
        own = rng.integers(0, values, (2, begin + size))
        order, moved = kernels.order_within(own, np.array([0, begin, begin + size]))
        expected = np.concatenate(
            [np.lexsort((own[1, :begin], own[0, :begin])), begin + np.lexsort((own[1, begin:], own[0, begin:]))]
        )
        assert order.tolist() == expected.tolist()
        assert moved


def test_rows_that_only_merging_moves_are_told():
    two_runs = np.concatenate((np.arange(24, 48), np.arange(24)))[None, :]
    order, moved = kernels.order_within(two_runs, np.array([0, 48]))
    assert order.tolist() == [*range(24, 48), *range(24)]
    assert moved
    assert kernels.order_within(np.arange(100)[None, :], np.array([0, 100]))[1] is False
    assert kernels.order_within(np.zeros((1, 100), np.int64), np.array([0, 100]))[1] is False


def test_codes_that_are_out_of_all_proportion_are_sorted_all_the_same(monkeypatch):
    monkeypatch.setattr(row_order, "FEW_ROWS", 1)
    wide = np.array([10**12, 5, LAST, 5])
    assert row_order.row_order([key(wide), key(np.array([0, 2, 0, 1]))]).tolist() == [3, 1, 0, 2]
    assert row_order.row_order([key(-wide)]).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([3, None, -1, 3]),
        pa.array([0.5, None, -0.0, 0.0, -1e300, -1.5, 1e-300]),
        pa.array([True, None, False]),
        pa.array([5, None, -7], pa.timestamp("us", "UTC")),
        coded(pa.array(["b", None, "a", "b"])),
        coded(pa.array(["b", "aa"])),
    ],
)
def test_integers_are_ordered_like_the_values(column):
    def rank(value):
        return (len(value), value) if isinstance(value, str) else value

    values = column.to_pylist() if not pa.types.is_timestamp(column.type) else column.view(pa.int64()).to_pylist()
    found = ascending(column).tolist()
    for a, x in zip(values, found, strict=True):
        for b, y in zip(values, found, strict=True):
            if a is None or b is None:
                assert (x == y, x > y) == (a is b, a is None and b is not None)
            else:
                assert (x == y, x > y) == (a == b, rank(a) > rank(b))


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 17])
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), max_size=30), st.randoms())
def test_rows_like_the_one_before(block, rows, random):
    order = random.sample(range(len(rows)), random.randint(0, len(rows)))
    columns = keys([[row[k] for row in rows] for k in range(3)])
    expected = [at > 0 and rows[order[at]] == rows[order[at - 1]] for at in range(len(order))]
    plain = [at > 0 and rows[at] == rows[at - 1] for at in range(len(rows))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_order, "_BLOCK_ROWS", block)
        assert same_as_before(columns, len(rows), np.array(order, np.int64)).tolist() == expected
        assert same_as_before(columns, len(rows)).tolist() == plain
        assert same_as_before([], len(rows)).tolist() == [at > 0 for at in range(len(rows))]


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([3, 0, 0]), slice(None)])
def test_keys_of_some_rows_are_those_of_all(rows):
    for column in (
        pa.array([3, None, -1, 3]),
        pa.array([0.5, None, -0.0, -2.0]),
        coded(pa.array(["b", None, "a", "b"])),
        pa.array([True, None, False, True]),
        pa.array([5, None, -7, 0], pa.timestamp("us", "UTC")),
    ):
        assert ascending(column, rows).tolist() == ascending(column)[rows].tolist()
