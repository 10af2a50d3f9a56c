"""What was known at a cutoff: the tables as they would have looked then, and a hash of exactly that."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.rows import integers, seen_span
from crm_ml.features.timeline import FOREVER, I64, NULL
from crm_ml.tables.identifiers import coded, is_coded, one_piece, places_among, used_levels
from crm_ml.tables.schemas import SCHEMAS
from crm_ml.tables.values import as_array

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_HOLDS_WITHOUT_TIME = {(n.CUSTOMERS, "status")}
"""A state without a time always held; any other value without its time is not known."""


def known_times(tables: Tables, table: str, column: str) -> I64:
    """Return for each row of a table when the value of a column became known: visible at c iff it is < c.

    NULL (the least integer) where it is known with its row, FOREVER where it never is: its time is null (only a
    customer's status without a time always held). A value that is itself a time is known from that time on.
    """
    frame, schema = tables.stored[table], SCHEMAS[table]
    own = tables.attributes.get(table, {})
    since = tables.known_from.get(table, {}).get(column) or own.get(column) or ""
    if not since and column in schema.column_names:
        since = schema.column(column).known_from
    times = np.full(len(frame), NULL, np.int64)
    if since:
        times = integers(frame, since)
        if (table, column) not in _HOLDS_WITHOUT_TIME:
            times = np.where(times == NULL, FOREVER, times)
    if column in own and pa.types.is_timestamp(frame.schema.field(column).type):
        times = np.maximum(times, integers(frame, column))
    return times


def visible(tables: Tables, cutoff_us: int) -> Tables:
    """Return the tables as known at a cutoff (UTC microseconds).

    Rows whose event time or `known_at` is not before the cutoff are gone; of the versions of a row the newest visible
    one is left; values that arrived later are null or in their earlier state (DESIGN: time rules).

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> contacts = {"interaction_id": ["1", "2"], "customer_id": ["7", "7"], "channel": ["phone", "email"],
    ...             "occurred_at": ["2026-01-05", "2026-02-04"], "responded_at": ["2026-02-01", None]}
    >>> tables = from_frames({"interactions": pd.DataFrame(contacts)}, zone="UTC")
    >>> then = visible(tables, 1_768_000_000_000_000)  # 9 January 2026
    >>> then.frames["interactions"].select(["interaction_id", "responded_at"]).to_pylist()
    [{'interaction_id': '1', 'responded_at': None}]
    """
    frames = {name: _visible_frame(tables, name, cutoff_us) for name in tables.stored}
    then = replace(tables, frames=frames)
    if n.LEADS in frames and n.CUSTOMER_ID not in tables.known_from.get(n.LEADS, {}):
        frames[n.LEADS] = _without_later_customer(then)
    if n.DEALS in frames and n.DEAL_STAGES in frames:
        frames[n.DEALS] = _with_stage_values(then)
    return replace(tables, frames=frames)


def sees_any(tables: Tables, table: str, cutoff_us: int) -> bool:
    """Return whether any row of an event table is visible at a cutoff (UTC microseconds)."""
    _, seen, until = seen_span(tables, table)
    return bool(((seen < cutoff_us) & (cutoff_us <= until)).any())


def _visible_frame(tables: Tables, table: str, cutoff: int) -> pa.Table:
    frame, schema = tables.stored[table], SCHEMAS[table]
    for column in frame.column_names:
        before = schema.column(column).hidden if column in schema.column_names else None
        if before is None and frame.column(column).null_count == len(frame):
            continue
        late = known_times(tables, table, column) >= cutoff
        if late.any():
            masked = _masked(one_piece(frame.column(column)), late, before)
            frame = frame.set_column(frame.column_names.index(column), frame.schema.field(column), masked)
    if schema.event_time:
        _, seen, until = seen_span(tables, table)
        seen_now = (seen < cutoff) & (cutoff <= until)
        frame = frame if seen_now.all() else frame.filter(pa.array(seen_now))
    return frame.combine_chunks()


def _masked(array: pa.Array, late: np.ndarray, before: object) -> pa.Array:
    """Return the values with what stood there before (None: nothing) where they come too late."""
    if not is_coded(array):
        return pc.if_else(pa.array(late), pa.scalar(before, array.type), array)
    if before is None:
        indices = pc.if_else(pa.array(late), pa.scalar(None, pa.int32()), array.indices)
        return pa.DictionaryArray.from_arrays(indices, array.dictionary)
    return coded(pc.if_else(pa.array(late), pa.scalar(before, pa.string()), as_array(array)))


def _without_later_customer(then: Tables) -> pa.Table:
    """Return the leads without the customers they became later: known from the won stage on."""
    leads = then.frames[n.LEADS]
    stages = then.frames.get(n.LEAD_STAGES)
    won = pa.array([], pa.string())
    if stages is not None:
        won = stages.filter(pc.equal(stages.column("stage"), "won")).column(n.LEAD_ID).combine_chunks()
    keep = pc.is_in(leads.column(n.LEAD_ID), won)
    place = leads.column_names.index(n.CUSTOMER_ID)
    values = pc.if_else(keep, leads.column(n.CUSTOMER_ID), pa.scalar(None, pa.string()))
    return leads.set_column(place, leads.schema.field(place), values).combine_chunks()


def _with_stage_values(then: Tables) -> pa.Table:
    """Return the deals with the amount and expected close of their newest visible stage, where a stage says them."""
    deals, stages = then.frames[n.DEALS], then.frames[n.DEAL_STAGES]
    if not len(stages):
        return deals
    order = np.lexsort((integers(stages, n.KNOWN_AT), integers(stages, "entered_at")))
    stages = stages.take(pa.array(order))
    for column in ("amount", "expected_close_at"):
        said = stages.filter(pc.is_valid(stages.column(column)))
        newest = dict(zip(said.column("deal_id").to_pylist(), range(len(said)), strict=True))  # the last one wins
        row = [newest.get(deal) for deal in deals.column("deal_id").to_pylist()]
        value = said.column(column).combine_chunks().take(pa.array(row, pa.int64()))
        place = deals.column_names.index(column)
        deals = deals.set_column(place, deals.schema.field(place), pc.coalesce(value, deals.column(column)))
    return deals.combine_chunks()


def data_hash(tables: Tables, cutoff_us: int) -> str:
    """Return the SHA-256 of everything that is visible at a cutoff (UTC microseconds), as hexadecimal text.

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
    then = visible(tables, cutoff_us)
    whole = hashlib.sha256()
    _feed(whole, then.zone, then.currency)
    for table in sorted(then.stored):
        frame = then.stored[table]
        columns = sorted({*tables.mapped.get(table, ()), *tables.attributes.get(table, ())} & set(frame.column_names))
        _feed(whole, "table", table, str(len(frame)))
        sorted_columns = []
        for column in columns:
            type_ = frame.schema.field(column).type
            texts: tuple[str, ...] = ()
            if is_coded(frame.column(column)) or pa.types.is_string(type_) or pa.types.is_large_string(type_):
                type_ = pa.string()
                used = used_levels(frame.column(column)).sort()
                texts, values = tuple(used.to_pylist()), places_among(frame.column(column), used)
                values = np.where(values < 0, NULL, values)
            elif pa.types.is_floating(type_):
                floats = pc.fill_null(frame.column(column), np.nan).to_numpy() + 0.0  # one zero, not two
                values = floats.astype(np.float64).view(np.int64)
            else:
                values = integers(frame, column)
            sorted_columns.append((column, str(type_), texts, values))
        order = np.lexsort([values for _, _, _, values in reversed(sorted_columns)]) if columns else np.arange(0)
        for column, type_name, texts, values in sorted_columns:
            _feed(whole, "column", column, type_name, str(len(texts)), *texts)
            whole.update(values[order].astype("<i8").tobytes())
    return whole.hexdigest()


def _feed(whole: hashlib._Hash, *texts: str) -> None:
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        whole.update(len(raw).to_bytes(8, "little"))
        whole.update(raw)
