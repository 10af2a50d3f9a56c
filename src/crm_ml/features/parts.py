"""A timeline in parts: ranges of subjects whose events fit into the processor's cache, each a timeline of its own.

What a feature says of a subject depends on this subject's rows alone, so parts can be worked on one by one, side by
side and in any order: the result is the same bit by bit, and memory does not grow with the number of cutoffs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from crm_ml import names as n
from crm_ml.features.events import Timeline
from crm_ml.features.rows import Adjacent, Grouped, Levels, Once, Rows, codes
from crm_ml.features.spine import Spine
from crm_ml.features.timeline import I32, I64
from crm_ml.processors import processors
from crm_ml.tables.identifiers import codes_of, is_coded, levels_of, looked_up, short_places_among
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crm_ml.features.events import Stream
    from crm_ml.features.subjects import Subject
    from crm_ml.tables import Tables

T = TypeVar("T")

EVENTS_PER_PART = 160_000
"""Rows of all tables together; their columns then take some ten megabytes."""
ROWS_PER_PART = 60_000
"""Rows of the spine: bounds what is computed but not yet handed on."""
_PARTS_BETWEEN_RESTS = 16
_BLOCK = 1 << 22


class WholeTimeline(Timeline):
    """A timeline whose tables can be grouped by parts of its subjects."""

    def __init__(self, tables: Tables, subjects: pa.Array, streams: Mapping[str, Stream], *, of: Subject) -> None:
        super().__init__(tables, subjects, streams, of=of)
        self._once = Once()
        self.bounds: I64 = np.array([0, len(subjects)], np.int64)
        """Part p has the subjects ``bounds[p]`` to ``bounds[p + 1] - 1``."""

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, made by the first part that asks."""
        return self._once(name, make)

    def prepare(self, tables: Sequence[str], *, threads: int | None = None) -> None:
        """Group tables side by side, before the parts ask for them one after the other."""
        room = self.tables.room
        with ThreadPoolExecutor(min(threads or processors(), room.threads)) as pool:
            for done in [pool.submit(self.grouped, table) for table in tables]:
                done.result()
                room.rest()

    def about(self, table: str) -> I32:
        """Return the subject of each row of a table in the table's order, -1 where it is none of them."""
        found: I32 = self.shared(
            f"about {table}",
            lambda: self.tables.room.numbers(
                short_places_among(self.tables.stored[table].column(self.of.key), self.subjects)
            ),
        )
        return found

    def cut(self, rows: I64, tables: Sequence[str]) -> None:
        """Choose the parts so that none has much more than `EVENTS_PER_PART` events or `ROWS_PER_PART` rows.

        `rows` are those of the spine per subject, `tables` those whose events count. A subject is never cut, however
        many events it has.
        """
        events = np.zeros(len(self.subjects), np.int64)
        for table in tables:
            about = self.about(table)
            for at in range(0, len(about), _BLOCK):  # numpy counts a copy of 64 bits
                some = about[at : at + _BLOCK]
                events += np.bincount(some[some >= 0], minlength=len(events))
        load = np.cumsum(np.maximum(events / EVENTS_PER_PART, rows / ROWS_PER_PART))
        # a part ends where the load passes a whole number
        ends = np.flatnonzero(np.diff(np.floor(load))) + 1 if len(load) else np.zeros(0, np.int64)
        self.bounds = np.concatenate(([0], ends, [len(events)])).astype(np.int64)

    def grouped(self, table: str) -> Rows:
        """Return the rows of a table grouped by part; as they are where they belong to nobody in particular."""
        found: Rows = self.shared(f"grouped {table}", lambda: self._group(table))
        return found

    def _group(self, table: str) -> Rows:
        columns = self.tables.stored[table].column_names
        if self.of.key in columns and table != self.of.table:
            about = self.about(table)
            # who is none of the subjects may stand between them
            reached = np.maximum.accumulate(about)
            if ((about == reached) | (about < 0)).all():
                return Adjacent(self.tables, table, np.searchsorted(reached, self.bounds).astype(np.int64))
            row = np.flatnonzero(about >= 0).astype(np.int32)
            return self._in_parts(table, row, self._part_of(looked_up(about, row)))
        if table == n.PAYMENTS and n.INVOICES in self.tables.frames:
            row, part, invoice = self._payments()
            return self._in_parts(table, row, part, known={"codes among invoice_id": invoice})
        return Rows(self.tables, table)

    def _part_of(self, subject: I32 | I64) -> I32:
        parts = np.arange(len(self.bounds) - 1, dtype=np.int32)
        return looked_up(np.repeat(parts, np.diff(self.bounds)), subject)

    def _in_parts(self, table: str, row: I32, part: I32, known: Mapping[str, I32] | None = None) -> Grouped:
        from crm_ml.tables.kernels import by_code

        counts = np.bincount(part, minlength=len(self.bounds) - 1)
        rows = self.tables.room.numbers(looked_up(row, by_code(part, counts)))
        return Grouped(self.tables, table, rows, np.concatenate(([0], np.cumsum(counts))), known)

    def _payments(self) -> tuple[I32, I32, I32]:
        """Return (row, part) of payments where a version of their invoice is, and the invoice of every payment."""
        invoices, about = self.tables.stored[n.INVOICES].column("invoice_id"), self.about(n.INVOICES)
        code, levels = (codes_of(invoices), Levels(levels_of(invoices))) if is_coded(invoices) else codes(invoices)
        told = (about >= 0) & (code >= 0)
        if not told.all():
            code, about = code[told], about[told]
        part = self._part_of(about)
        payments = self.tables.stored[n.PAYMENTS].column("invoice_id")
        paid = self.tables.room.numbers(short_places_among(payments, levels.array))
        where = np.full(len(levels) + 1, -1, np.int32)  # the last place: of no invoice
        rows, parts = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        while len(code):
            # one part of each invoice per round; what is left are invoices with versions in further parts
            where[:] = -1
            where[code] = part
            found = looked_up(where, paid)
            row = np.flatnonzero(found >= 0)
            rows.append(row.astype(np.int32))
            parts.append(looked_up(found, row))
            left = part != looked_up(where, code)
            code, part = code[left], part[left]
        return np.concatenate(rows), np.concatenate(parts), paid

    def part(self, index: int) -> PartTimeline:
        """Return the timeline of one part."""
        return PartTimeline(self, index)

    def rows_of_part(self, spine: Spine, index: int) -> slice:
        """Return which rows of the sorted spine are about the subjects of a part."""
        first, last = self.bounds[index : index + 2].tolist()
        return slice(int(spine.row_from[first]), int(spine.row_from[last]))

    def part_of_spine(self, spine: Spine, index: int) -> Spine:
        """Return the spine's rows about the subjects of a part."""
        first, last = self.bounds[index : index + 2].tolist()
        rows = self.rows_of_part(spine, index)
        return Spine(
            ids=spine.ids.slice(first, last - first),
            subject=spine.subject[rows] - first,
            cutoffs=spine.cutoffs[rows],
            row_from=spine.row_from[first : last + 1] - spine.row_from[first],
            order=spine.order[rows],
        )


class PartTimeline(Timeline):
    """The events of the subjects of one part."""

    def __init__(self, whole: WholeTimeline, index: int) -> None:
        first, last = int(whole.bounds[index]), int(whole.bounds[index + 1])
        super().__init__(whole.tables, whole.subjects.slice(first, last - first), whole.streams, of=whole.of)
        self._whole, self._index, self._first, self._last = whole, index, first, last

    def rows(self, table: str) -> Rows:
        """Return the rows of a table that are about the part's subjects."""
        grouped = self._whole.grouped(table)
        return grouped.part(self._index) if isinstance(grouped, Adjacent | Grouped) else grouped

    def subjects_of(self, table: str) -> I64:
        """Return the subject of each row, counted from the part's first."""
        about: I64 = np.asarray(self.rows(table).array("about", lambda: self._whole.about(table)), np.int64)
        ours = (about >= self._first) & (about < self._last)
        found: I64 = np.where(ours, about - self._first, -1)
        return found

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives for the tables as a whole."""
        return self._whole.shared(name, make)

    def own_rows(self) -> I64:
        """Return the row of each of the part's subjects in the table that describes them."""
        found: I64 = self._whole.shared("own rows", self._whole.own_rows)
        return found[self._first : self._last]


def in_parts(whole: WholeTimeline, work: Callable[[int], T], *, threads: int | None = None) -> Iterator[T]:
    """Yield what `work` gives for the parts of a timeline, in their order.

    Parts are worked on by so many threads (default: one per processor), a few ahead of what is taken.
    """
    parts, workers, room = len(whole.bounds) - 1, threads or processors(), whole.tables.room
    if parts == 1 or workers == 1:
        for index in range(parts):
            yield work(index)
            if index % _PARTS_BETWEEN_RESTS == 0:
                room.rest()
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(work, index) for index in range(min(parts, workers + 1)))
        begun = len(waiting)
        while waiting:
            done = waiting.popleft().result()
            if begun < parts:
                waiting.append(pool.submit(work, begun))
                begun += 1
                if begun % _PARTS_BETWEEN_RESTS == 0:
                    room.rest()
            yield done


def event_tables(tables: Tables, of: Subject) -> list[str]:
    """Return the tables whose rows are events of subjects."""
    return [
        name
        for name, frame in tables.stored.items()
        if SCHEMAS[name].event_time and name != of.table and of.key in frame.column_names
    ]
