"""The order of rows by several columns, none of which is ever compared as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crm_ml.processors import processors
from crm_ml.tables.identifiers import codes_of, is_coded, one_piece

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

Taken = slice | I64 | I32
"""Some rows: a stretch of them, or their places."""
ALL: Final = slice(None)
Key = Callable[[Taken], I64 | I32]
"""What makes a key of some rows."""

LAST = int(np.iinfo(np.int64).max)
"""Where nulls stand in an order."""
FEW_ROWS = 20_000
"""Below, sorting by numpy costs less than to load what is compiled."""
_MOST_ROWS = 1 << 31
_BLOCK_ROWS = 1 << 17


def ascending(column: pa.Array | pa.ChunkedArray, rows: Taken = ALL) -> I64 | I32:
    """Return integers that are ordered like the values of a column and equal where these are; nulls come last.

    With `rows` those of some rows alone.

    Examples
    --------
    >>> ascending(pa.array([True, None, False])).argsort().tolist()
    [2, 0, 1]
    >>> ascending(pa.array([2.0, -1.5, 0.0])).argsort().tolist()
    [1, 2, 0]
    """
    array = _taken(one_piece(column), rows)
    if is_coded(array):
        codes = codes_of(array)
        return np.where(codes < 0, np.int64(LAST), codes) if array.null_count else codes
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    kind = array.type
    if pa.types.is_floating(kind):
        # + 0.0: one zero, not two; the bits of negative numbers ascend the other way
        bits = (array.fill_null(0.0).to_numpy() + 0.0).view(np.int64)
        values = np.where(bits < 0, bits ^ np.int64(LAST), bits)
    elif pa.types.is_boolean(kind):
        values = array.fill_null(False).to_numpy(zero_copy_only=False).astype(np.int64)
    elif pa.types.is_timestamp(kind):
        values = array.view(pa.int64()).fill_null(0).to_numpy()
    else:
        values = array.cast(pa.int64()).fill_null(0).to_numpy()
    return np.where(nulls, LAST, values) if nulls is not None else values


def _taken(array: pa.Array, rows: Taken) -> pa.Array:
    if not isinstance(rows, slice):
        return array.take(pa.array(rows))
    begin, end, _ = rows.indices(len(array))
    return array.slice(begin, end - begin)


def row_order(keys: Sequence[Key]) -> I64 | I32 | None:
    """Return the stable order of rows by keys, the most important first; None if they are in order already.

    Each key is given by what makes it for some rows (integers below `LAST` or `LAST` for nothing), so that keys which
    decide nothing need not be made, and others for a block of rows at a time.

    Examples
    --------
    >>> row_order([lambda rows: np.array([1, 0, 1])[rows], lambda rows: np.array([5, 9, 4])[rows]]).tolist()
    [1, 2, 0]
    """
    first = keys[0](ALL)
    if not FEW_ROWS <= len(first) < _MOST_ROWS or int(first.min()) < 0 or int(first.max()) > 2 * len(first):
        made = [first, *(key(ALL) for key in keys[1:])]
        order = np.lexsort(made[::-1]).astype(np.int64)
        return None if (order == np.arange(len(order))).all() else order
    return _grouped_order(first, keys[1:])


def _grouped_order(first: I64 | I32, keys: Sequence[Key]) -> I32 | None:
    from crm_ml.tables import kernels

    counts = np.bincount(first)
    order: I32 | None = None
    if not (first[1:] >= first[:-1]).all():
        order = kernels.by_code(first.astype(np.int32, copy=False), counts)
    if not keys or int(counts.max()) <= 1:
        return order
    bounds = np.concatenate(([0], np.cumsum(counts[counts > 0])))
    # whole groups together: a block ends where a group does
    cuts = np.searchsorted(bounds, np.arange(0, len(first), _BLOCK_ROWS)[1:])
    cuts = np.unique(np.concatenate(([0], cuts, [len(bounds) - 1])))

    def work(block: int) -> tuple[int, int, I64 | None]:
        groups = bounds[cuts[block] : cuts[block + 1] + 1]
        begin, end = int(groups[0]), int(groups[-1])
        rows = slice(begin, end) if order is None else order[begin:end]
        own, moved = kernels.order_within(_side_by_side(keys, rows), groups - begin)
        return begin, end, own if moved else None

    with ThreadPoolExecutor(processors()) as pool:
        for begin, end, own in pool.map(work, range(len(cuts) - 1)):
            if own is not None:
                order = np.arange(len(first), dtype=np.int32) if order is None else order
                order[begin:end] = order[begin:end][own]
    return order


def _side_by_side(keys: Sequence[Key], rows: Taken) -> I64:
    return np.stack([key(rows) for key in keys]).astype(np.int64, copy=False)


def same_as_before(columns: Sequence[Key], rows: int, order: I64 | I32 | None = None) -> npt.NDArray[np.bool_]:
    """Return which rows agree with the row before them in all of these columns; rows are taken in an order, if given.

    Examples
    --------
    >>> same_as_before([lambda rows: np.array([1, 2, 1])[rows]], 3, np.array([0, 2, 1])).tolist()
    [False, True, False]
    """
    count = rows if order is None else len(order)
    same = np.zeros(count, dtype=bool)

    def work(begin: int) -> None:
        end = min(begin + _BLOCK_ROWS, count)
        left = np.arange(begin, end)
        for place, column in enumerate(columns):
            if not len(left):
                break
            if place == 0:  # nothing ruled out yet: compare side by side
                values = column(slice(begin - 1, end) if order is None else order[begin - 1 : end])
                left = np.flatnonzero(values[1:] == values[:-1]) + begin
            else:
                here, before = (left, left - 1) if order is None else (order[left], order[left - 1])
                left = left[column(here) == column(before)]
        same[left] = True

    with ThreadPoolExecutor(processors()) as pool:
        for done in pool.map(work, range(1, count, _BLOCK_ROWS)):
            assert done is None
    return same
