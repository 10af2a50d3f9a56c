"""`Tables`: what the other floors work on, and the way in for frames that already have canonical names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crm_ml.errors import Finding, UsageError, did_you_mean
from crm_ml.tables.identifiers import decoded
from crm_ml.tables.room import MEMORY, Room

if TYPE_CHECKING:
    import pandas as pd


class Frames(Mapping[str, pa.Table]):
    """Tables by name, kept with codes for texts; the texts of a table are written out when somebody asks for it.

    Parameters
    ----------
    stored : mapping of str to pyarrow.Table
        Texts coded (see `identifiers`) or not.

    Examples
    --------
    >>> from crm_ml.tables.identifiers import coded
    >>> frames = Frames({"leads": pa.table({"lead_id": coded(pa.array(["9", "10"]))})})
    >>> frames["leads"]["lead_id"].type, frames.stored["leads"]["lead_id"].type
    (DataType(string), DictionaryType(dictionary<values=string, indices=int32, ordered=0>))
    """

    def __init__(self, stored: Mapping[str, pa.Table]) -> None:
        self.stored = dict(stored)
        self._written: dict[str, pa.Table] = {}
        self._lock = Lock()

    def __getitem__(self, name: str) -> pa.Table:
        table = self.stored[name]
        with self._lock:
            if name not in self._written:
                self._written[name] = decoded(table)
            return self._written[name]

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


@dataclass(frozen=True)
class Tables:
    """All tables of a company in canonical form, ready to be asked what was known when.

    Parameters
    ----------
    frames : mapping of str to pyarrow.Table
        Canonical name to table: every column of the schema (null where not mapped), then the attributes. Times are UTC
        microseconds, amounts int64 in units of 1e-4, identifiers text. Rows are in a total order. Only mapped tables.
    zone : str
        IANA time zone of the workspace.
    currency : str
    mapped : mapping of str to frozenset of str
        Which columns of each table really came from a source.
    attributes : mapping of str to mapping of str to str
        Table to its own columns, each with the time column from which it is known (empty: with the row).
    known_from : mapping of str to mapping of str to str
        What the mapping said about descriptive columns.
    findings : tuple of Finding
    quarantine : mapping of str to pyarrow.Table
        Rows that were set aside, with the reason in the last column.
    room : Room
        Where columns are kept; those that are made of them may be kept there too.
    whole : Tables, optional
        The tables of the whole company where these are the rows of some of its customers: what is known of all
        customers is computed from them.
    """

    frames: Mapping[str, pa.Table]
    zone: str
    currency: str
    mapped: Mapping[str, frozenset[str]]
    attributes: Mapping[str, Mapping[str, str]]
    known_from: Mapping[str, Mapping[str, str]]
    findings: tuple[Finding, ...] = ()
    quarantine: Mapping[str, pa.Table] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was computed of these tables and may be asked for again; tables made of them start with nothing."""
    whole: Tables | None = None
    room: Room = field(default=MEMORY, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.frames, Frames):
            object.__setattr__(self, "frames", Frames(self.frames))

    @property
    def stored(self) -> Mapping[str, pa.Table]:
        """The frames as they are kept: texts as codes. For work on all rows of large tables."""
        assert isinstance(self.frames, Frames)
        return self.frames.stored

    def only(self, names: Collection[str]) -> Tables:
        """Return some of the tables."""
        return replace(self, frames={name: frame for name, frame in self.stored.items() if name in names})

    def changed(self, frames: Mapping[str, pa.Table]) -> Tables:
        """Return the tables with some in place of others; texts coded or not."""
        return replace(self, frames={**self.stored, **frames})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(frame)}" for name, frame in self.stored.items())
        return f"Tables({sizes}; {self.zone}, {self.currency})"


def from_frames(
    frames: Mapping[str, pd.DataFrame],
    *,
    zone: str = "Europe/Berlin",
    currency: str = "EUR",
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    strict: bool = True,
) -> Tables:
    """Build `Tables` from pandas frames that have the canonical names.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Canonical table name to frame. Time stamps without a zone are local times of `zone`.
    zone : str
        IANA name of the zone of naive time stamps.
    currency : str
        What the amounts are in.
    attributes : mapping of str to mapping of str to str, optional
        Table to own columns of the frame, each with the time column from which it is known (empty: with the row).
    strict : bool
        Raise for findings of severity error; otherwise only list them.

    Raises
    ------
    UsageError
        An unknown table name or time zone.
    DataError
        A required column is missing, a value does not fit its type; all of it at once.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({
    ...     "order_id": [1, 2], "customer_id": ["007", "007"],
    ...     "ordered_at": pd.to_datetime(["2025-01-31", "2025-07-01"]), "net_amount": [10.5, -1.0]})
    >>> tables = from_frames({"order_lines": orders})
    >>> tables
    Tables(order_lines: 2; Europe/Berlin, EUR)
    >>> tables.frames["order_lines"].select(["order_id", "line_no", "customer_id", "net_amount"]).to_pylist()[0]
    {'order_id': '1', 'line_no': '000001', 'customer_id': '007', 'net_amount': 105000}
    >>> str(tables.frames["order_lines"]["ordered_at"][0])
    '2025-01-30 23:00:00+00:00'
    """
    from crm_ml.tables.assemble import Assembly, Part, in_order
    from crm_ml.tables.place import Place
    from crm_ml.tables.schemas import SCHEMAS
    from crm_ml.tables.zones import check_zone

    check_zone(zone)
    findings: list[Finding] = []
    parts: dict[str, Part] = {}
    for name, frame in frames.items():
        if name not in SCHEMAS:
            raise UsageError(f"unknown table {name!r}.{did_you_mean(name, SCHEMAS)}".rstrip("."), code="unknown_table")
        own = (attributes or {}).get(name, {})
        canonical = frozenset(SCHEMAS[name].column_names)
        columns: dict[str, tuple[Any, Place]] = {}
        extra: dict[str, tuple[Any, Place]] = {}
        unmapped: list[str] = []
        for label in frame.columns:
            column = str(label)
            place = Place(name, column, zone, findings, declare=_CONVERT_FIRST)
            if column in canonical:
                columns[column] = (_to_arrow(frame[label], place), place)
            elif column in own:
                extra[column] = (_to_arrow(frame[label], place), place)
            else:
                unmapped.append(column)
        parts[name] = Part(
            name,
            len(frame),
            columns,
            extra,
            attributes_known_from=own,
            unmapped=tuple(unmapped),
            map_hint="a column {column} in the frame {table}",
        )
    assembly = Assembly(zone=zone, currency=currency)
    for name in in_order(parts):
        assembly.add(parts[name])
    return assembly.finish(findings, strict=strict, title="the frames do not fit")


_CONVERT_FIRST = "convert the column before, as if it were %s"


def _to_arrow(series: pd.Series[Any], place: Any) -> pa.Array:
    try:
        if getattr(series.dtype, "tz", None) is not None and hasattr(series.dtype, "unit"):
            # handed over as it is, pandas warns that the zone would be dropped on the way
            unit = series.dtype.unit
            naive = pa.array(series.dt.tz_convert("UTC").dt.tz_localize(None), from_pandas=True)
            return naive.cast(pa.timestamp(unit)).cast(pa.timestamp(unit, "UTC"))
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        from crm_ml.tables.loose import from_objects

        return from_objects(series.tolist(), place)
