"""The rows of a table as integers, column by column when first asked for: all of them, or those of a part of subjects.

A part is a range of subjects small enough that its rows fit into the processor's cache. `Grouped` moves every column
once so that the rows of a part are neighbours; after that a part reads slices of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.timeline import FOREVER, I32, I64, NULL
from crm_ml.tables.identifiers import codes_of, is_coded, levels_of, looked_up, places_among
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crm_ml.tables import Tables

Make = Callable[[], Any]


class Levels(Sequence[str]):
    """The texts behind codes; they become Python's own only when somebody looks at them.

    Examples
    --------
    >>> levels = Levels(pa.array(["email", "phone"]))
    >>> levels.code("phone"), levels.code("fax"), len(levels)
    (1, -1, 2)
    """

    def __init__(self, array: pa.Array | Callable[[], pa.Array]) -> None:
        self._given = array

    @cached_property
    def array(self) -> pa.Array:
        """The texts as Arrow's."""
        return self._given() if callable(self._given) else self._given

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(self.array.to_pylist())

    @cached_property
    def _codes(self) -> Mapping[str, int]:
        return {text: code for code, text in enumerate(self._texts)}

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return self._texts[at]

    def code(self, text: str) -> int:
        """Return the code of a text, -1 if no row has it."""
        return self._codes.get(text, -1)


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


def codes(values: pa.ChunkedArray | pa.Array) -> tuple[I64, Levels]:
    """Return (code per row, texts); NULL where null."""
    if is_coded(values):
        codes = codes_of(values).astype(np.int64)
        codes[codes < 0] = NULL
        return codes, Levels(levels_of(values))
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    index = pc.cast(encoded.indices, pa.int64())
    if index.null_count:
        index = pc.fill_null(index, NULL)
    return index.to_numpy(), Levels(encoded.dictionary)


def row_codes(frame: pa.Table, columns: Iterable[str]) -> I64:
    """Return one int64 per row that is equal for rows with equal values in all these columns."""
    total = np.zeros(frame.num_rows, np.int64)
    for name in columns:
        text = pa.types.is_string(frame.column(name).type) or is_coded(frame.column(name))
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

    frame, schema = tables.stored[table], SCHEMAS[table]
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


class Once:
    """Values by name, each made by the first thread that asks while others who want the same wait.

    Examples
    --------
    >>> once = Once()
    >>> once("a", lambda: 1), once("a", lambda: 2)
    (1, 1)
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._locks: dict[str, RLock] = {}
        self._lock = Lock()

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the value of a name."""
        if name not in self._made:
            with self._lock:
                own = self._locks.setdefault(name, RLock())
            with own:
                if name not in self._made:
                    self._made[name] = make()
        return self._made[name]


class Rows:
    """All rows of a table.

    Parameters
    ----------
    tables : Tables
    table : str
        Which of them.
    """

    def __init__(self, tables: Tables, table: str) -> None:
        self.tables, self.table = tables, table
        self.frame = tables.stored[table]
        self._levels: dict[str, Levels] = {}
        self._span: tuple[I64, I64, I64] | None = None

    def __len__(self) -> int:
        return int(self.frame.num_rows)

    def array(self, name: str, make: Make) -> I64:
        """Return an array with one value per row, given what makes it for the whole table, under a name of its own."""
        found: I64 = make()
        return found

    def integers(self, column: str) -> I64:
        """Return a column as int64; see `integers`."""
        values = self.frame.column(column)
        if values.null_count == len(values):
            return np.full(len(self), NULL, np.int64)
        return self.array(f"column {column}", lambda: integers(self.frame, column))

    def codes(self, column: str) -> tuple[I64, Levels]:
        """Return the code of the text in each row (NULL where null), and the texts."""

        def make() -> I64:
            # the order lines of one workspace are asked for by who is eligible, by features and by labels
            key = "codes", self.table, column
            if key not in self.tables.kept:
                self.tables.kept[key] = codes(self.frame.column(column))
            found, self._levels[column] = self.tables.kept[key]
            return np.asarray(found)

        return self.array(f"codes {column}", make), self._levels[column]

    def codes_among(self, column: str, levels: Levels) -> I64:
        """Return the code of the text in each row among given texts, -1 where it is none of them."""

        def make() -> I64:
            return places_among(self.frame.column(column), levels.array)

        return self.array(f"codes among {column}", make)

    def span(self) -> tuple[I64, I64, I64]:
        """Return (event time, seen_from, seen_until) of each row; see `seen_span`."""
        if n.KNOWN_AT not in self.tables.mapped[self.table]:
            t = self.integers(SCHEMAS[self.table].event_time)
            return t, t, np.full(len(t), FOREVER, np.int64)
        t, seen, until = (self.array(f"span {k}", lambda k=k: self._whole_span()[k]) for k in range(3))  # type: ignore[misc]
        return t, seen, until

    def _whole_span(self) -> tuple[I64, I64, I64]:
        if self._span is None:
            self._span = seen_span(self.tables, self.table)
        return self._span


class Adjacent(Rows):
    """All rows of a table that has those of a part next to one another, as tables are kept; nothing is moved.

    Parameters
    ----------
    tables : Tables
    table : str
    bounds : numpy.ndarray of int64
        Part p has the rows ``bounds[p]`` to ``bounds[p + 1] - 1``, some of them perhaps of no subject.
    """

    def __init__(self, tables: Tables, table: str, bounds: I64) -> None:
        super().__init__(tables, table)
        self.bounds = bounds
        self._once = Once()

    def array(self, name: str, make: Make) -> I64:
        """Return the array; made by the first part that asks, kept for the others."""
        found: I64 = self._once(name, make)
        return found

    def levels(self, column: str) -> Levels:
        """Return the texts behind the codes of a column, the same for all parts."""
        found: Levels = self._once(f"levels {column}", lambda: Levels(levels_of(self.frame.column(column))))
        return found

    def part(self, index: int) -> PartOfRows:
        """Return the rows of one part."""
        return SliceOfRows(self, index)


class Grouped(Rows):
    """All rows of a table with those of a part next to one another, in their old order within a part.

    Parameters
    ----------
    tables : Tables
    table : str
    rows : numpy.ndarray of int32
        The row of the table that stands in each place; a row may stand in several parts, or in none.
    bounds : numpy.ndarray of int64
        Part p has the places ``bounds[p]`` to ``bounds[p + 1] - 1``.
    known : mapping of str to numpy.ndarray, optional
        Arrays of the whole table that are made already, by the names they are asked for under.
    """

    def __init__(
        self, tables: Tables, table: str, rows: I32, bounds: I64, known: Mapping[str, I32] | None = None
    ) -> None:
        super().__init__(tables, table)
        self.rows, self.bounds = rows, bounds
        self._known = known or {}
        self._once = Once()

    def array(self, name: str, make: Make) -> I64:
        """Return the array in the order of the places; made by the first part that asks, kept for the others."""

        def placed() -> I64:
            whole = self._known[name] if name in self._known else make()
            return self.tables.room.numbers(looked_up(whole, self.rows).astype(np.int64, copy=False))

        found: I64 = self._once(name, placed)
        return found

    def part(self, index: int) -> PartOfRows:
        """Return the rows of one part."""
        return PartOfRows(self, index)


class PartOfRows(Rows):
    """The rows of one part."""

    def __init__(self, grouped: Adjacent | Grouped, part: int) -> None:
        super().__init__(grouped.tables, grouped.table)
        self._grouped = grouped
        self._places = slice(int(grouped.bounds[part]), int(grouped.bounds[part + 1]))
        self._levels = grouped._levels

    def __len__(self) -> int:
        return self._places.stop - self._places.start

    def array(self, name: str, make: Make) -> I64:
        """Return the part's slice of the grouped array."""
        found: I64 = self._grouped.array(name, make)[self._places]
        return found

    def _whole_span(self) -> tuple[I64, I64, I64]:
        return self._grouped._whole_span()


class SliceOfRows(PartOfRows):
    """The rows of one part where they lie together: columns are made of the slice alone, none for the whole table."""

    def __init__(self, adjacent: Adjacent, part: int) -> None:
        super().__init__(adjacent, part)
        self._adjacent = adjacent
        self._slice = adjacent.frame.slice(self._places.start, len(self))

    def integers(self, column: str) -> I64:
        """Return a column as int64; see `integers`."""
        return integers(self._slice, column)

    def codes(self, column: str) -> tuple[I64, Levels]:
        """Return the code of the text in each row (NULL where null), and the texts."""
        found, levels = codes(self._slice.column(column))
        return found, self._adjacent.levels(column) if is_coded(self._slice.column(column)) else levels
