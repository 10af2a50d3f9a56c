"""A hash of everything that is visible at a cutoff: two days with the same hash have the same inputs.

Each row becomes two 64-bit numbers, and those are added up: so neither rows nor files need an order, no text is turned
into an object of Python, and no table is copied. What is hashed with SHA-256 are names, types, counts and the sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.rows import integers
from crm_ml.features.visibility import seen_at, visible, with_late_values_hidden
from crm_ml.tables.identifiers import codes_of, is_coded, levels_of
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crm_ml.features.kernels_hash import U64
    from crm_ml.tables import Tables

ROWS_AT_ONCE = 1 << 20
"""Rows that are hashed together; it changes no hash."""
_OF_OTHERS = (n.LEADS, n.DEALS)
"""Tables of which other tables say what is visible."""
_HELPERS = (n.LEADS, n.LEAD_STAGES, n.DEALS, n.DEAL_STAGES)
_NOTHING = np.uint64(0x6A09E667F3BCC909)


def data_hash(tables: Tables, cutoff_us: int) -> str:
    """Return the hash of everything that is visible at a cutoff (UTC microseconds), as hexadecimal text.

    It covers the names of the mapped tables and columns, the zone, the currency and all visible values, whatever the
    order of rows, files or columns. Rows and values that are not visible never change it.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> lines = pd.DataFrame({"order_id": ["A", "B"], "customer_id": ["7", "8"], "net_amount": [1, 2],
    ...                       "ordered_at": ["2026-01-05", "2026-02-04"]})
    >>> cutoff = 1_768_000_000_000_000  # 9 January 2026
    >>> both, one = from_frames({"order_lines": lines}), from_frames({"order_lines": lines[:1]})
    >>> data_hash(both, cutoff) == data_hash(one, cutoff)
    True
    >>> data_hash(both, cutoff) == data_hash(both, 2 * cutoff)
    False
    """
    whole = hashlib.sha256()
    _feed(whole, tables.zone, tables.currency)
    for table in sorted(tables.stored):
        frame = tables.stored[table]
        mapped = {*tables.mapped.get(table, ()), *tables.attributes.get(table, ())}
        columns = sorted(mapped & set(frame.column_names))
        _feed(
            whole, "table", table, *(part for name in columns for part in (name, _type(frame.schema.field(name).type)))
        )
        count, sums = _sums(tables, table, columns, cutoff_us)
        _feed(whole, str(count))
        whole.update(sums.astype("<u8").tobytes())
    return whole.hexdigest()


def _sums(tables: Tables, table: str, columns: list[str], cutoff: int) -> tuple[int, U64]:
    """Return the number of visible rows of a table, and the sums of their numbers."""
    from crm_ml.features import kernels_hash

    keys = {name: _key(name) for name in columns}
    texts = _Texts()
    count, sums = 0, np.zeros(2, np.uint64)
    for frame, counts in _visible_chunks(tables, table, cutoff):
        rows = np.zeros((2, len(frame)), np.uint64)
        for name in columns:
            kernels_hash.stir(rows, _numbers(frame, name, texts), keys[name])
        count += int(counts.sum())
        sums += kernels_hash.total(rows, counts)
    return count, sums


def _visible_chunks(tables: Tables, table: str, cutoff: int) -> Iterator[tuple[pa.Table, NDArray[np.bool_]]]:
    """Yield the rows of a table, what is not known yet hidden, and which of them are visible."""
    whole = tables.stored[table]
    if table in _OF_OTHERS:
        whole = visible(tables.only(_HELPERS), cutoff).stored[table]
    # whether a version is the newest hangs on other rows; what hangs on its own row alone is asked chunk by chunk
    versions = n.KNOWN_AT in tables.mapped.get(table, ()) and bool(SCHEMAS[table].event_time)
    seen = seen_at(tables, table, cutoff) if versions and table not in _OF_OTHERS else None
    for begin in range(0, len(whole), ROWS_AT_ONCE):
        some = whole.slice(begin, ROWS_AT_ONCE)
        if table in _OF_OTHERS:
            yield some, np.ones(len(some), bool)
            continue
        chunk = replace(tables, frames={table: some})
        counts = seen_at(chunk, table, cutoff) if seen is None else seen[begin : begin + ROWS_AT_ONCE]
        yield with_late_values_hidden(chunk, table, cutoff), counts


class _Texts:
    """The numbers of the texts behind codes, made once for all chunks of a table."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], U64] = {}

    def of(self, name: str, column: pa.ChunkedArray) -> U64:
        """Return a number for each row of a coded column."""
        levels = levels_of(column)
        # the chunks of a column share their texts, unless some were put in place of values that come too late
        key = name, levels.buffers()[2].address if len(levels) else 0
        if key not in self._made:
            self._made[key] = np.append(_of_texts(levels), _NOTHING)
        return self._made[key][codes_of(column)]


def _numbers(frame: pa.Table, column: str, texts: _Texts) -> U64:
    """Return a number for each value of a column."""
    values = frame.column(column)
    if is_coded(values):
        return texts.of(column, values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        parts = [_of_texts(chunk) for chunk in values.chunks]
        return np.concatenate([*parts, np.zeros(0, np.uint64)])
    if pa.types.is_floating(values.type):
        floats = pc.fill_null(values, np.nan).to_numpy().astype(np.float64) + 0.0  # one zero, not two
        return np.where(np.isnan(floats), np.nan, floats).view(np.uint64)
    return np.ascontiguousarray(integers(frame, column)).view(np.uint64)


def _of_texts(texts: pa.Array) -> U64:
    from crm_ml.features import kernels_hash

    if not len(texts):
        return np.zeros(0, np.uint64)
    _, offsets, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    at = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    raw = np.zeros(1, np.uint8) if data is None or data.size == 0 else np.frombuffer(data, np.uint8)
    found = kernels_hash.text_hashes(at, raw)
    return np.where(pc.is_null(texts).to_numpy(zero_copy_only=False), _NOTHING, found) if texts.null_count else found


def _key(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def _type(type_: pa.DataType) -> str:
    """Return what a type is called; how texts are held does not matter."""
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    return "string" if pa.types.is_large_string(plain) else str(plain)


def _feed(whole: hashlib._Hash, *texts: str) -> None:
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        whole.update(len(raw).to_bytes(8, "little"))
        whole.update(raw)
