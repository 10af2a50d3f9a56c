"""What was known at a cutoff: the tables as they would have looked then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.rows import integers, seen_span
from crm_ml.features.timeline import FOREVER, I64, NULL
from crm_ml.tables.identifiers import coded, is_coded, one_piece
from crm_ml.tables.schemas import SCHEMAS
from crm_ml.tables.values import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    if n.KNOWN_AT not in tables.mapped[table]:  # nothing is entered late, nothing has versions
        earliest = pc.min(tables.stored[table].column(SCHEMAS[table].event_time))
        return earliest.is_valid and int(earliest.value) < cutoff_us
    _, seen, until = seen_span(tables, table)
    return bool(((seen < cutoff_us) & (cutoff_us <= until)).any())


def _visible_frame(tables: Tables, table: str, cutoff: int) -> pa.Table:
    frame = with_late_values_hidden(tables, table, cutoff)
    if SCHEMAS[table].event_time:
        seen_now = seen_at(tables, table, cutoff)
        frame = frame if seen_now.all() else frame.filter(pa.array(seen_now))
    return frame.combine_chunks()


def seen_at(tables: Tables, table: str, cutoff: int) -> NDArray[np.bool_]:
    """Return which rows of a table are visible at a cutoff; rows without an event time always are."""
    if not SCHEMAS[table].event_time:
        return np.ones(len(tables.stored[table]), bool)
    _, seen, until = seen_span(tables, table)
    seen_now = (seen < cutoff) & (cutoff <= until)
    return np.asarray(seen_now)


def with_late_values_hidden(tables: Tables, table: str, cutoff: int) -> pa.Table:
    """Return all rows of a table with those values null, or in their earlier state, that arrived later."""
    frame, schema = tables.stored[table], SCHEMAS[table]
    for column in frame.column_names:
        before = schema.column(column).hidden if column in schema.column_names else None
        if before is None and frame.column(column).null_count == len(frame):
            continue
        late = known_times(tables, table, column) >= cutoff
        if late.any():
            masked = _masked(one_piece(frame.column(column)), late, before)
            frame = frame.set_column(frame.column_names.index(column), frame.schema.field(column), masked)
    return frame


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
