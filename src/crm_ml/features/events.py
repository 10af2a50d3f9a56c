"""Versioned events: what happened to whom, when, and from when until when it was seen.

Every table becomes a `Events` value: columns sorted by (subject, t). An event counts at a cutoff c iff
``seen_from < c <= seen_until``. A row that was entered late is seen from its `known_at`; a version ends when a newer
one is seen; a value that arrives after its row splits the event in two (`split`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from crm_ml import names as n
from crm_ml.features.columns import Columns
from crm_ml.features.rows import Levels, Rows
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.features.timeline import FOREVER, HOUR, I64, NULL, ZoneClock, zone_clock
from crm_ml.tables.identifiers import places_among
from crm_ml.tables.values import as_array

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
    levels: Mapping[str, Levels] = field(default_factory=dict)

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
            columns=as_columns(self.columns).take(index),
        )

    def ordered(self) -> Events:
        """Return the events that are seen at all, sorted by (subject, t)."""
        kept = self.seen_from < self.seen_until
        events = self if kept.all() else self.take(kept)
        return events.sorted_by(events.subject, events.t)

    def sorted_by(self, group: I64, *keys: I64) -> Events:
        """Return the events in the stable order of a group (0, 1, ...) and of keys within it."""
        order = order_within(group, *keys)
        return self if order is None else self.take(order)

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


def as_columns(columns: Mapping[str, I64]) -> Columns:
    """Return columns as `Columns`."""
    return columns if isinstance(columns, Columns) else Columns(columns)


def _code(rows: Rows, column: str) -> I64:
    return rows.codes(column)[0]


def _texts(rows: Rows, column: str) -> pa.Array:
    return rows.codes(column)[1].array


def order_within(group: I64, *keys: I64) -> I64 | None:
    """Return the stable order by group (0, 1, ...), then by keys, most important first; None if that is the order."""
    from crm_ml.features import kernels_sort
    from crm_ml.tables.kernels import by_code

    if kernels_sort.is_ordered(group, np.stack(keys)):
        return None
    counts = np.bincount(group)
    order: I64 = by_code(group, counts).astype(np.int64)
    bounds = np.concatenate(([0], np.cumsum(counts)))
    for key in reversed(keys):
        kernels_sort.refine(order, bounds, key)
    return order


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

    def rows(self, table: str) -> Rows:
        """Return the rows of a table."""
        found: Rows = self.once(f"rows {table}", lambda: Rows(self.tables, table))
        return found

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives for the tables as a whole, kept for all parts of the subjects."""
        return self.once(name, make)

    def subject_codes(self, values: pa.ChunkedArray) -> I64:
        """Return the position of each id among the subjects, -1 where it is none of them."""
        return places_among(values, self.subjects)

    def subjects_of(self, table: str) -> I64:
        """Return the subject that each row of `rows` is about, -1 where it is none of them."""
        return self.subject_codes(self.tables.stored[table].column(self.of.key))

    def own_rows(self) -> I64:
        """Return the row of each subject in the table that describes them, -1 where there is none."""

        def make() -> I64:
            keys = as_array(self.tables.stored[self.of.table].column(self.of.key))
            return places_among(self.subjects, keys)

        found: I64 = self.once("own rows", make)
        return found

    def events(self, table: str, columns: Mapping[str, str], texts: Mapping[str, str] | None = None) -> Events:
        """Return the rows of an event table that name one of the subjects as events, not yet ordered.

        `columns` and `texts` name the stream's columns and the table's columns they are taken from.
        """
        rows = self.rows(table)
        t, seen, until = rows.span()
        subject = self.subjects_of(table)
        numbers = {name: partial(rows.integers, source) for name, source in columns.items()}
        coded = {name: partial(_code, rows, source) for name, source in (texts or {}).items()}
        levels = {name: Levels(partial(_texts, rows, source)) for name, source in (texts or {}).items()}
        events = Events(subject, t, seen, until, Columns({**numbers, **coded}), levels)
        return events if (subject >= 0).all() else events.take(subject >= 0)
