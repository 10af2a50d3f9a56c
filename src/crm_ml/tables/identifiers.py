"""Texts as codes: each distinct text once, in order, and a small whole number per row.

Identifiers are the most of what a company's tables hold, and nearly all of them are numbers in disguise: 4711,
C000123, R-2026-00017. Such texts are told apart by arithmetic; only others are hashed and sorted. Codes ascend with
their texts, shorter ones first, so rows are put in order and compared by codes alone, and it makes no difference
whether a source holds 17 or '17'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
Number = TypeVar("Number", bound=np.generic)
CODED = pa.dictionary(pa.int32(), pa.string())
_MOST_DIGITS = 18
_BLOCK = 1 << 16
_SPREAD = 8
"""A table of all numbers between the least and the greatest is made while it has at most so many places per row."""
_POWERS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.int64)


@dataclass(frozen=True)
class Numbered:
    """Texts that are a common beginning and a number: `width` digits with leading zeros, or (0) as many as it takes."""

    prefix: str
    width: int
    values: I64


def numbered(texts: pa.Array) -> Numbered | None:
    """Return what is behind texts (none of them null) if all are one beginning and a number, else None.

    Examples
    --------
    >>> numbered(pa.array(["C007", "C123"]))
    Numbered(prefix='C', width=3, values=array([  7, 123]))
    >>> numbered(pa.array(["9", "10"])).values.tolist(), numbered(pa.array(["7", "007"]))
    ([9, 10], None)
    """
    if not len(texts):
        return None
    first = texts[0].as_py()
    digits = len(first) - len(first.rstrip("0123456789"))
    prefix = first[: len(first) - digits]
    if not 0 < digits <= _MOST_DIGITS or not first.isascii():
        return None
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    shortest, longest = _least_and_most(offsets)
    if shortest == longest:
        raw = np.frombuffer(texts.buffers()[2], np.uint8, int(offsets[-1] - offsets[0]), int(offsets[0]))
        return _of_one_width(raw.reshape(len(texts), len(first)), prefix, digits)
    if longest - len(prefix) > _MOST_DIGITS:
        return None
    return _of_many_widths(texts, prefix)


def _least_and_most(offsets: I32) -> tuple[int, int]:
    """Return the length of the shortest and of the longest text."""
    lengths = np.diff(offsets)
    return int(lengths.min()), int(lengths.max())


def _of_one_width(letters: npt.NDArray[np.uint8], prefix: str, digits: int) -> Numbered | None:
    begins = np.frombuffer(prefix.encode("ascii"), np.uint8)
    values = np.empty(len(letters), np.int64)
    # in blocks that stay in the processor's cache
    for at in range(0, len(letters), _BLOCK):
        block = letters[at : at + _BLOCK]
        if (block[:, : len(begins)] != begins).any():
            return None
        number = np.zeros(len(block), np.int64)
        for place in range(len(begins), len(begins) + digits):
            digit = block[:, place] - np.uint8(48)  # what is no digit becomes more than 9
            if (digit > 9).any():
                return None
            number *= 10
            number += digit
        values[at : at + _BLOCK] = number
    return Numbered(prefix, digits, values)


def _of_many_widths(texts: pa.Array, prefix: str) -> Numbered | None:
    if prefix:
        if not pc.all(pc.starts_with(texts, prefix)).as_py():
            return None
        texts = pc.utf8_slice_codeunits(texts, len(prefix))
    plain = pc.and_(pc.ascii_is_decimal(texts), pc.string_is_ascii(texts))
    if not pc.all(plain).as_py():
        return None
    values = pc.cast(texts, pa.int64()).to_numpy()
    written = np.maximum(np.searchsorted(_POWERS, values, side="right"), 1)
    if not np.array_equal(written, pc.binary_length(texts).to_numpy()):
        return None  # some have leading zeros: two texts may be one number
    return Numbered(prefix, 0, values)


def coded(texts: pa.Array) -> pa.DictionaryArray:
    """Return texts as codes among their distinct texts, which ascend by length, then letter by letter.

    Examples
    --------
    >>> found = coded(pa.array(["9", "10", None, "9"]))
    >>> found.indices.to_pylist(), found.dictionary.to_pylist()
    ([0, 1, None, 0], ['9', '10'])
    """
    nulls = texts.is_null().to_numpy(zero_copy_only=False) if texts.null_count else None
    told = texts.drop_null() if texts.null_count else texts
    found = numbered(told)
    if found is None:
        encoded = told.dictionary_encode()
        codes, levels = _by_length(encoded.indices.to_numpy(), encoded.dictionary)
    else:
        codes, distinct = ranked(found.values)
        found = replace(found, values=distinct)  # those of all rows are let go of
        levels = _written(found)
    return _with_nulls(codes, levels, nulls)


def coded_numbers(values: pa.Array) -> pa.DictionaryArray:
    """Return whole numbers as codes among their texts; see `coded`.

    Examples
    --------
    >>> coded_numbers(pa.array([10, 9, None])).to_pylist()
    ['10', '9', None]
    """
    nulls = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    told = values.drop_null() if values.null_count else values
    if pa.types.is_uint64(told.type) or (len(told) and pc.min(told).as_py() < 0):
        return coded(values.cast(pa.string()))
    codes, distinct = ranked(told.cast(pa.int64()).to_numpy())
    return _with_nulls(codes, pa.array(distinct).cast(pa.string()), nulls)


def ranked(values: I64) -> tuple[I32, I64]:
    """Return the rank of each number among the distinct ones, and these in ascending order.

    Examples
    --------
    >>> ranked(np.array([30, 10, 30]))
    (array([1, 0, 1], dtype=int32), array([10, 30]))
    """
    if not len(values):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    least, most = int(values.min()), int(values.max())
    if most - least < _SPREAD * len(values) + _BLOCK:
        there = np.zeros(most - least + 1, bool)
        for at in range(0, len(values), _BLOCK):
            there[values[at : at + _BLOCK] - least] = True
        distinct: I64 = np.flatnonzero(there) + least
        if len(distinct) == len(there):
            return (values - least).astype(np.int32), distinct
        rank = np.cumsum(there, dtype=np.int32)
        rank -= 1
        codes = np.empty(len(values), np.int32)
        for at in range(0, len(values), _BLOCK):
            codes[at : at + _BLOCK] = rank[values[at : at + _BLOCK] - least]
        return codes, distinct
    encoded = pa.array(values).dictionary_encode()
    distinct = encoded.dictionary.to_numpy()
    order = np.argsort(distinct)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[encoded.indices.to_numpy()], distinct[order]


def _by_length(codes: I32, texts: pa.Array) -> tuple[I32, pa.Array]:
    keys = pa.table({"length": pc.binary_length(texts), "text": texts})
    order = pc.sort_indices(keys, sort_keys=[("length", "ascending"), ("text", "ascending")]).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], texts.take(pa.array(order))


def _written(found: Numbered) -> pa.Array:
    texts = pa.array(found.values).cast(pa.string())
    if found.width:
        texts = pc.utf8_lpad(texts, found.width, "0")
    return pc.binary_join_element_wise(found.prefix, texts, "") if found.prefix else texts


def _with_nulls(codes: I32, levels: pa.Array, nulls: npt.NDArray[np.bool_] | None) -> pa.DictionaryArray:
    if nulls is None:
        return pa.DictionaryArray.from_arrays(pa.array(codes), levels)
    every = np.zeros(len(nulls), np.int32)
    every[~nulls] = codes
    return pa.DictionaryArray.from_arrays(pa.array(every, mask=nulls), levels)


# working with coded columns


def is_coded(column: pa.Array | pa.ChunkedArray) -> bool:
    """Return whether a column holds codes."""
    return bool(pa.types.is_dictionary(column.type))


def one_piece(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def levels_of(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the texts behind the codes of a column; after rows were left out some may be of no row."""
    return one_piece(column).dictionary


def codes_of(column: pa.Array | pa.ChunkedArray) -> I32:
    """Return the code of each row, -1 where there is no text."""
    indices = one_piece(column).indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    found: I32 = indices.to_numpy()
    return found


def used_levels(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the distinct texts of the rows of a column, coded or not, in no particular order; null is none of them."""
    if not is_coded(column):
        return pc.unique(one_piece(column)).drop_null()
    codes, levels = codes_of(column), levels_of(column)
    there = np.zeros(len(levels) + 1, bool)
    for at in range(0, len(codes), _BLOCK):
        there[codes[at : at + _BLOCK]] = True
    there = there[:-1]
    return levels if there.all() else levels.filter(pa.array(there))


def places_among(column: pa.Array | pa.ChunkedArray, texts: pa.Array) -> I64:
    """Return the place of each row's text among some distinct texts, -1 where it is none of them.

    Examples
    --------
    >>> places_among(coded(pa.array(["b", None, "a", "c"])), pa.array(["a", "b"])).tolist()
    [1, -1, 0, -1]
    """
    return _row_places(column, texts, np.int64)


def short_places_among(column: pa.Array | pa.ChunkedArray, texts: pa.Array) -> I32:
    """Return the same as `places_among` in 32 bits, for columns of many rows."""
    return _row_places(column, texts, np.int32)


def _row_places(column: pa.Array | pa.ChunkedArray, texts: pa.Array, kind: type[Number]) -> npt.NDArray[Number]:
    if not is_coded(column):
        return _places(one_piece(column), texts).astype(kind, copy=False)
    # one place more for rows without a text, whose code is the last from behind
    return looked_up(np.append(_places(levels_of(column), texts), -1).astype(kind), codes_of(column))


def looked_up(values: npt.NDArray[Number], codes: I32 | I64) -> npt.NDArray[Number]:
    """Return ``values[codes]``, in blocks that stay in the processor's cache: numpy would first copy all codes.

    Examples
    --------
    >>> looked_up(np.array([5.0, 7.0]), np.array([1, -1, 0], np.int32)).tolist()
    [7.0, 7.0, 5.0]
    """
    found = np.empty(len(codes), values.dtype)
    for at in range(0, len(codes), _BLOCK):
        found[at : at + _BLOCK] = values[codes[at : at + _BLOCK]]
    return found


def put_back(values: npt.NDArray[Number], places: I32 | I64, size: int) -> npt.NDArray[Number]:
    """Return so many values, those given at their places and zeros elsewhere: the other way of `looked_up`.

    Examples
    --------
    >>> put_back(np.array([5.0, 7.0]), np.array([2, 0]), 3).tolist()
    [7.0, 0.0, 5.0]
    """
    found = np.zeros(size, values.dtype)
    for at in range(0, len(places), _BLOCK):
        found[places[at : at + _BLOCK]] = values[at : at + _BLOCK]
    return found


def _places(levels: pa.Array, texts: pa.Array) -> I64:
    """Return the place of each of these texts among those, -1 where it is none of them."""
    if len(levels) > _BLOCK and len(texts) > _BLOCK and not levels.null_count:
        some, those = numbered(levels), numbered(texts) if not texts.null_count else None
        if some is not None and those is not None:
            return _number_places(some, those)
    return np.asarray(pc.fill_null(pc.cast(pc.index_in(levels, texts), pa.int64()), -1).to_numpy())


def _number_places(some: Numbered, those: Numbered) -> I64:
    if some.prefix != those.prefix:
        return np.full(len(some.values), -1, np.int64)
    order = None if (np.diff(those.values) > 0).all() else np.argsort(those.values)
    ascending = those.values if order is None else those.values[order]
    found = np.empty(len(some.values), np.int64)
    for begin in range(0, len(found), _BLOCK):
        values = some.values[begin : begin + _BLOCK]
        at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
        same = ascending[at] == values
        if some.width != those.width:
            # one side has leading zeros, the other never, or fewer: they meet where none is needed
            same &= values >= _POWERS[max(some.width, those.width) - 1] * (max(some.width, those.width) > 1)
        found[begin : begin + _BLOCK] = np.where(same, at, -1)
    return found if order is None else np.where(found >= 0, order[found], -1)


def is_among(column: pa.Array | pa.ChunkedArray, texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Return where a row's text is one of these."""
    return np.asarray(places_among(column, texts) >= 0)


def decoded(table: pa.Table) -> pa.Table:
    """Return a table with its texts written out."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if is_coded(column):
            texts = one_piece(column).dictionary_decode()
            table = table.set_column(place, pa.field(name, texts.type), texts)
    return table
