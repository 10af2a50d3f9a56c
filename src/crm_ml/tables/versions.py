"""Rows of one table in a total order: repeats dropped, versions kept, conflicts quarantined, lines numbered.

The order is: key, time of entry, event time, the other columns, and last the columns that arrive after their row. So
which of two conflicting rows stays, and how lines are numbered, never depends on anything that is known later than
the rows themselves. After that the events of a customer are brought together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import EXAMPLES_SHOWN, Finding
from crm_ml.tables.identifiers import codes_of, decoded, is_coded, levels_of, looked_up, one_piece, put_back
from crm_ml.tables.room import MEMORY, Room
from crm_ml.tables.row_order import Key, Taken, ascending, row_order, same_as_before
from crm_ml.tables.schemas import Schema
from crm_ml.tables.values import INSTANT

REASON: Final = "quarantined_because"
LINE_DIGITS: Final = 6

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Order = npt.NDArray[np.int64] | npt.NDArray[np.int32] | None
"""The rows in the order in which they are taken; None: as they are."""


@dataclass(frozen=True)
class Settled:
    """A table in order, the rows set aside (with the reason in column `REASON`), and what was found."""

    table: pa.Table
    quarantine: pa.Table | None
    findings: tuple[Finding, ...]


def must_have(schema: Schema) -> frozenset[str]:
    """Columns without which a row means nothing: key, event time, subject and required amounts.

    Examples
    --------
    >>> from crm_ml.tables.schemas import SCHEMAS
    >>> sorted(must_have(SCHEMAS["invoices"]))
    ['amount', 'customer_id', 'invoice_id', 'issued_at']
    """
    required = [
        column.name
        for column in schema.columns
        if column.required and (column.type in ("money", "float") or column.name.endswith("_id"))
    ]
    return frozenset({*schema.key, schema.event_time, *required} - {""})


def settle(
    schema: Schema,
    table: pa.Table,
    *,
    mapped: Collection[str],
    late: Mapping[str, str],
    drop_exact_duplicates: bool = False,
    room: Room = MEMORY,
) -> Settled:
    """Put the rows of one canonical table in order (see the module) and settle what shares a key.

    `late` names the columns that are known only from the time in another column, beyond those of the schema; `room`
    says where columns are kept.
    """
    findings: list[Finding] = []
    aside: list[pa.Table] = []
    table = _set_incomplete_aside(schema, table, mapped, aside, room)
    table = _known_at(schema, table, room)
    content = _content_order(schema, table, late)
    if schema.name == n.ORDER_LINES and table["line_no"].null_count == len(table):
        table = _number_lines(schema, table, content, drop_exact_duplicates, findings, room)
    else:
        versioned = n.KNOWN_AT in mapped
        group = [*schema.key, n.KNOWN_AT] if versioned else list(schema.key)
        order = row_order(_keys(table, group, room))
        if _same_as_before(table, group, room, order).any():
            order = row_order(_keys(table, [*group, *(name for name in content if name not in group)], room))
            table, order = _by_arrival(schema, _moved(table, order, room), late, group, content, room), None
            table = _settle_keys(schema, table, group, findings, aside, room)
        table = _moved(table, _by_subject(schema, table, order), room)
    quarantine = pa.concat_tables(decoded(rows) for rows in aside) if aside else None
    return Settled(table, quarantine, tuple(findings))


def _by_subject(schema: Schema, table: pa.Table, order: Order) -> Order:
    """Return the order with the events of a customer next to one another, as everything that is computed needs them.

    Rows of one customer stay in the order that is given, those of nobody come last.
    """
    if n.CUSTOMER_ID not in schema.column_names or not schema.event_time or not is_coded(table[n.CUSTOMER_ID]):
        return order
    codes = codes_of(table[n.CUSTOMER_ID])
    codes = np.where(codes < 0, len(levels_of(table[n.CUSTOMER_ID])), codes) if (codes < 0).any() else codes
    codes = codes if order is None else looked_up(codes, order)
    further = row_order([partial(_some, codes)])
    if further is None or order is None:
        return further if order is None else order
    return looked_up(order.astype(np.int32, copy=False), further)  # rows are fewer than 32 bits count


def _take_aside(table: pa.Table, reason: str) -> pa.Table:
    return table.append_column(REASON, pa.array([reason] * len(table), pa.string()))


def _set_incomplete_aside(
    schema: Schema, table: pa.Table, mapped: Collection[str], aside: list[pa.Table], room: Room
) -> pa.Table:
    names = [name for name in must_have(schema) if name in mapped and table[name].null_count]
    if not names:
        return table
    complete = pc.is_valid(table[names[0]])
    for name in names[1:]:
        complete = pc.and_(complete, pc.is_valid(table[name]))
    aside.append(_take_aside(table.filter(pc.invert(complete)), "incomplete"))
    return room.filtered(table, complete.combine_chunks())


def _known_at(schema: Schema, table: pa.Table, room: Room) -> pa.Table:
    if n.KNOWN_AT not in schema.column_names:
        return table
    place = table.column_names.index(n.KNOWN_AT)
    known = table.column(place)
    if known.null_count:
        known = (
            table[schema.event_time]
            if known.null_count == len(table)
            else room.array(one_piece(pc.coalesce(known, table[schema.event_time])))
        )
        table = table.set_column(place, pa.field(n.KNOWN_AT, INSTANT), known)
    return table


def _content_order(schema: Schema, table: pa.Table, late: Mapping[str, str]) -> list[str]:
    def rank(name: str) -> int:
        if name == schema.event_time:
            return 0
        if table.schema.field(name).type == INSTANT and name != n.KNOWN_AT:
            return 2  # hides itself until its own time
        return 3 if _known_from(schema, name, late) else 1

    # a column that is null throughout orders nothing
    filled = [name for name in table.column_names if table[name].null_count < len(table)]
    return sorted(filled, key=rank)


def _known_from(schema: Schema, name: str, late: Mapping[str, str]) -> str:
    column = schema.column(name) if name in schema.column_names else None
    return late.get(name, column.known_from if column is not None else "")


def _by_arrival(
    schema: Schema, table: pa.Table, late: Mapping[str, str], group: Sequence[str], content: Sequence[str], room: Room
) -> pa.Table:
    """Sort rows of one key by what arrived first, whichever column it arrived in.

    Column by column, a time that lies ahead could decide before one that has passed, and which row stays would depend
    on what is not known yet. So the late times of a row are compared in ascending order, each with its column and the
    values that it brought; times that lie ahead come last in both rows.
    """
    instants = [
        name for name in content if table.schema.field(name).type == INSTANT and name not in (n.KNOWN_AT, *group)
    ]
    instants = [name for name in instants if name != schema.event_time]
    brought = {
        time: [name for name in content if name != time and _known_from(schema, name, late) == time]
        for time in instants
    }
    if not instants:
        return table
    never = np.iinfo(np.int64).max
    times = np.stack(
        [pc.fill_null(pc.cast(table[name], pa.int64()), never).to_numpy(zero_copy_only=False) for name in instants]
    )
    values = np.stack([_content_rank(table, brought[name]) for name in instants])
    order = np.argsort(times, axis=0, kind="stable")
    plain = [name for name in content if name not in {*group, *instants, *(x for xs in brought.values() for x in xs)}]
    keys = _keys(table, [*group, *plain], room)
    for place in range(len(instants)):
        which = order[place : place + 1]
        arrays = (np.take_along_axis(times, which, axis=0)[0], which[0], np.take_along_axis(values, which, axis=0)[0])
        keys += [partial(_some, array) for array in arrays]
    return _moved(table, row_order(keys), room)


def _some(values: Numbers, rows: Taken) -> Numbers:
    return values[rows]


def _content_rank(table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rank of each row's values in these columns, equal for equal values."""
    if not names:
        return np.zeros(len(table), np.int64)
    rows = table.select(list(names)).to_pylist()
    texts = np.array([repr(list(row.values())) for row in rows], dtype=object)
    return np.unique(texts, return_inverse=True)[1].astype(np.int64)


def _keys(table: pa.Table, names: Sequence[str], room: Room) -> list[Key]:
    return [partial(_key, table[name], room) for name in names]


def _key(column: pa.ChunkedArray, room: Room, rows: Taken) -> Numbers:
    values = ascending(column, rows)
    room.looked_at(values.nbytes)
    return values


def _moved(table: pa.Table, order: Order, room: Room) -> pa.Table:
    """Return the rows in an order (None: as they are)."""
    if order is None:
        return room.table(table)
    index = pa.array(order)
    # columns that are not mapped are null throughout: there is nothing to move
    filled = [name for name in table.column_names if table[name].null_count < len(table)]
    # the time of entry is the time of the event itself where it is not mapped
    alike = {name: _alike(table, name, filled) for name in filled}
    once = sorted(set(alike.values()))
    with ThreadPoolExecutor(room.threads) as pool:
        taken = pool.map(lambda name: room.array(one_piece(table[name]).take(index)), once)
        moved = dict(zip(once, taken, strict=True))
    room.rest()
    columns = [moved[alike[name]] if name in alike else table[name].slice(0, len(order)) for name in table.column_names]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _alike(table: pa.Table, name: str, names: Sequence[str]) -> str:
    """Return the first of these columns that is the same in memory."""
    place = one_piece(table[name]).buffers()[1].address
    return next(other for other in names if one_piece(table[other]).buffers()[1].address == place)


def _same_as_before(table: pa.Table, names: Sequence[str], room: Room, order: Order = None) -> npt.NDArray[np.bool_]:
    """Which rows, taken in an order, agree with the one before in all of these columns (null equals null)."""
    filled = [name for name in names if table[name].null_count < len(table)]
    return same_as_before(_keys(table, filled, room), len(table), order)


def _key_examples(table: pa.Table, key: Sequence[str], rows: npt.NDArray[Any]) -> list[Any]:
    texts = (" ".join(str(table[name][int(row)].as_py()) for name in key) for row in rows[: EXAMPLES_SHOWN * 20])
    return list(dict.fromkeys(texts))[:EXAMPLES_SHOWN]


def _settle_keys(
    schema: Schema, table: pa.Table, group: Sequence[str], findings: list[Finding], aside: list[pa.Table], room: Room
) -> pa.Table:
    again = _same_as_before(table, group, room)
    if not again.any():
        return table
    repeats = again & _same_as_before(table, [name for name in table.column_names if name not in group], room)
    if repeats.any():
        findings.append(
            Finding(
                "info",
                "duplicate_row",
                f"{int(repeats.sum())} rows repeat another row exactly and were dropped",
                "Nothing to do; a source that delivers rows twice may be worth a look",
                table=schema.name,
                count=int(repeats.sum()),
                examples=_key_examples(table, schema.key, np.flatnonzero(repeats)),
            )
        )
    conflicts = again & ~repeats
    if conflicts.any():
        what = "key and the same known_at" if n.KNOWN_AT in group else "key"
        findings.append(
            Finding(
                "warning",
                "duplicate_key",
                f"{', '.join(schema.key)} must name one row; {int(conflicts.sum())} rows have the {what} of "
                "another row but differ from it: the earliest stays, these were set aside",
                "Correct the source, or map known_at if these are versions of the same row",
                table=schema.name,
                column=schema.key[0],
                count=int(conflicts.sum()),
                examples=_key_examples(table, schema.key, np.flatnonzero(conflicts)),
            )
        )
        aside.append(_take_aside(table.filter(pa.array(conflicts)), "duplicate_key"))
    return room.filtered(table, ~again)


def _places_within(goes_on: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Return how many rows of its group stand before each row, given where a row goes on with its group."""
    place = np.arange(len(goes_on), dtype=np.int32)
    begins = np.where(goes_on, np.int32(0), place)
    np.maximum.accumulate(begins, out=begins)
    place -= begins
    return place


def _number_lines(
    schema: Schema,
    table: pa.Table,
    content: list[str],
    drop_exact_duplicates: bool,
    findings: list[Finding],
    room: Room,
) -> pa.Table:
    known, ordered = _keys(table, [n.KNOWN_AT, "ordered_at"], room)

    def visible_from(rows: Taken) -> npt.NDArray[np.int64]:
        return np.maximum(known(rows), ordered(rows)).astype(np.int64, copy=False)

    others = [name for name in content if name != "order_id"]
    order = row_order([*_keys(table, ["order_id"], room), visible_from, *_keys(table, others, room)])
    repeats = _same_as_before(table, table.column_names, room, order)
    if repeats.any():
        rows = np.flatnonzero(repeats) if order is None else order[repeats]
        done = "were dropped" if drop_exact_duplicates else "were kept: without line numbers each row is a line"
        findings.append(
            Finding(
                "info",
                "duplicate_line",
                f"{len(rows)} order lines repeat another line exactly and {done}",
                "Map line_no, or set `drop_exact_duplicates: true` if the source delivers lines twice",
                table=schema.name,
                count=len(rows),
                examples=_key_examples(table, ["order_id"], rows),
            )
        )
        if drop_exact_duplicates:
            order = np.flatnonzero(~repeats) if order is None else order[~repeats]
    del repeats
    # numbered in the order of the lines of an order, then moved with the rest
    lines = room.array(_numbered(_same_as_before(table, ["order_id"], room, order), order, len(table)))
    table = table.set_column(table.column_names.index("line_no"), pa.field("line_no", lines.type), lines)
    return _moved(table, _by_subject(schema, table, order), room)


def _numbered(goes_on: npt.NDArray[np.bool_], order: Order, rows: int) -> pa.DictionaryArray:
    """Return the number of each row within its group, given where rows in an order go on with their group."""
    numbers = _places_within(goes_on)
    texts = pc.utf8_lpad(pa.array(np.arange(1, int(numbers.max(initial=-1)) + 2)).cast(pa.string()), LINE_DIGITS, "0")
    if order is not None:
        numbers = put_back(numbers, order, rows)
    return pa.DictionaryArray.from_arrays(pa.array(numbers), texts)
