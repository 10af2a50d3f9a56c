"""Versioned events: what happened to whom, when, and from when until when it was seen.

Every table becomes a `Events` value: columns sorted by (subject, t). An event counts at a cutoff c iff
``seen_from < c <= seen_until``. A row that was entered late is seen from its `known_at`; a version ends when a newer
one is seen; a value that arrives after its row splits the event in two (`split`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.features.timeline import FOREVER, HOUR, I64, NULL, ZoneClock, zone_clock
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from crm_ml.tables import Tables

Kind = Literal["count", "flag", "money", "number", "days", "hours", "text"]
SCALES: Mapping[str, int] = {"money": n.MONEY_SCALE, "number": n.MONEY_SCALE, "hours": HOUR}
"""What an int64 value of a kind is divided by at the very end."""


@dataclass(frozen=True)
class Measure:
    """A column of a stream: its kind, its meaning, and the source columns (``table.column``) it is made of."""

    kind: Kind
    definition: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stream:
    """A kind of event that features can be declared over.

    Parameters
    ----------
    name : str
    definition : str
        What one event is, and its time t.
    needs : tuple of str
        Source columns (``table.column``) without which there is no such stream; its features are then null.
    measures : mapping
        Columns by name.
    build : callable
        Makes the events from a `Timeline`.
    dated : tuple of str
        Source columns for which the mapping must also say since when they were known (`known_from`).
    """

    name: str
    definition: str
    needs: tuple[str, ...]
    measures: Mapping[str, Measure]
    build: Callable[[Timeline], Events]
    dated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Events:
    """Events sorted by (subject, t); `levels` holds the texts behind the codes of text columns."""

    subject: I64
    t: I64
    seen_from: I64
    seen_until: I64
    columns: Mapping[str, I64]
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.t)

    def take(self, index: np.ndarray) -> Events:
        """Return the events at these positions (or where this mask is true), in this order."""
        return replace(
            self,
            subject=self.subject[index],
            t=self.t[index],
            seen_from=self.seen_from[index],
            seen_until=self.seen_until[index],
            columns={name: column[index] for name, column in self.columns.items()},
        )

    def ordered(self) -> Events:
        """Return the events that are seen at all, sorted by (subject, t)."""
        kept = self.seen_from < self.seen_until
        events = self if kept.all() else self.take(kept)
        return events.take(np.lexsort((events.t, events.subject)))

    def split(self, at: I64, changes: Mapping[str, tuple[I64 | int, I64 | int]]) -> Events:
        """Return the events cut in two where ``at`` (NULL: never) passes; `changes` are the columns (before, after)."""
        never = at == NULL
        when = np.where(never, FOREVER, at)
        size = len(self)
        before = {name: np.broadcast_to(np.asarray(a, np.int64), size) for name, (a, _) in changes.items()}
        first = replace(self, seen_until=np.minimum(self.seen_until, when), columns={**self.columns, **before})
        if never.all():
            return first
        after = {name: np.broadcast_to(np.asarray(b, np.int64), size) for name, (_, b) in changes.items()}
        second = replace(self, seen_from=np.maximum(self.seen_from, when), columns={**self.columns, **after}).take(
            ~never
        )
        return joined(first, second)


def joined(first: Events, second: Events) -> Events:
    """Return the events of both, one after the other (same columns)."""

    def both(a: I64, b: I64) -> I64:
        return np.concatenate((a, b))

    return Events(
        both(first.subject, second.subject),
        both(first.t, second.t),
        both(first.seen_from, second.seen_from),
        both(first.seen_until, second.seen_until),
        {name: both(column, second.columns[name]) for name, column in first.columns.items()},
        first.levels,
    )


def integers(frame: pa.Table, column: str) -> I64:
    """Return a column as int64 (instants as microseconds, booleans as 0 and 1), NULL where it is null."""
    values = frame.column(column)
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    if values.type != pa.int64():
        values = pc.cast(values, pa.int64())
    if values.null_count:
        values = pc.fill_null(values, NULL)
    found: I64 = values.to_numpy()
    return found


def codes(values: pa.ChunkedArray | pa.Array) -> tuple[I64, tuple[str, ...]]:
    """Return (code per row, texts); NULL where null."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    index = pc.fill_null(pc.cast(encoded.indices, pa.int64()), NULL).to_numpy()
    return index, tuple(encoded.dictionary.to_pylist())


def row_codes(frame: pa.Table, columns: Iterable[str]) -> I64:
    """Return one int64 per row that is equal for rows with equal values in all these columns."""
    total = np.zeros(frame.num_rows, np.int64)
    for name in columns:
        text = pa.types.is_string(frame.column(name).type)
        code = codes(frame.column(name))[0] if text else integers(frame, name)
        code = np.unique(code, return_inverse=True)[1].astype(np.int64)
        # numbered anew after each column, so that the product stays below rows * rows
        total = np.unique(total * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1].astype(np.int64)
    return total


def seen_span(tables: Tables, table: str) -> tuple[I64, I64, I64]:
    """Return (event time, seen_from, seen_until) of each row of an event table.

    A row is seen from the later of its event time and its `known_at`. Rows with the same key are versions of it: one
    stays the newest visible version until the first of those with a later `known_at` is seen.
    """
    from crm_ml.features import kernels

    frame, schema = tables.frames[table], SCHEMAS[table]
    t = integers(frame, schema.event_time)
    known_at = n.KNOWN_AT in tables.mapped[table]
    if not known_at:
        return t, t, np.full(len(t), FOREVER, np.int64)
    known = integers(frame, n.KNOWN_AT)
    known = np.where(known == NULL, t, known)
    seen = np.maximum(t, known)
    until = np.full(len(t), FOREVER, np.int64)
    if len(t) and set(schema.key) <= tables.mapped[table]:
        key = row_codes(frame, schema.key)
        many = np.flatnonzero(np.bincount(key)[key] > 1)
        order = many[np.lexsort((t[many], known[many], key[many]))]
        until[order] = kernels.supersede(key[order], known[order], seen[order])
    return t, seen, until


class Timeline:
    """The events of some subjects, stream by stream, each made once when it is first asked for."""

    def __init__(
        self, tables: Tables, subjects: pa.Array, streams: Mapping[str, Stream], *, of: Subject = CUSTOMER
    ) -> None:
        self.tables = tables
        self.of = of
        self.subjects = subjects
        self.clock: ZoneClock = zone_clock(tables.zone)
        self.streams = streams
        self._made: dict[str, Any] = {}

    def has(self, needs: Iterable[str]) -> bool:
        """Return whether all these source columns (``table.column``) are mapped."""
        return all(column in self.tables.mapped.get(table, ()) for table, column in (x.split(".") for x in needs))

    def has_stream(self, name: str) -> bool:
        """Return whether all that a stream is made of is mapped, and where it must be, dated."""
        stream, known = self.streams[name], self.tables.known_from
        return self.has(stream.needs) and all(
            column in known.get(table, ()) for table, column in (x.split(".") for x in stream.dated)
        )

    def stream(self, name: str) -> Events:
        """Return the events of a stream."""
        found: Events = self.once(f"stream {name}", lambda: self.streams[name].build(self).ordered())
        return found

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, made when first asked for and kept."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def subject_codes(self, values: pa.ChunkedArray) -> I64:
        """Return the position of each id among the subjects, -1 where it is none of them."""
        found: I64 = pc.fill_null(pc.cast(pc.index_in(values, self.subjects), pa.int64()), -1).to_numpy()
        return found

    def events(self, table: str, columns: Mapping[str, str], texts: Mapping[str, str] | None = None) -> Events:
        """Return the rows of an event table that name one of the subjects as events, not yet ordered.

        `columns` and `texts` name the stream's columns and the table's columns they are taken from.
        """
        frame = self.tables.frames[table]
        t, seen, until = seen_span(self.tables, table)
        subject = self.subject_codes(frame.column(self.of.key))
        found = {name: integers(frame, source) for name, source in columns.items()}
        levels = {}
        for name, source in (texts or {}).items():
            found[name], levels[name] = codes(frame.column(source))
        events = Events(subject, t, seen, until, found, levels)
        return events if (subject >= 0).all() else events.take(subject >= 0)
