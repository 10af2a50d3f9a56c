"""Attributes of the customer as known at the cutoff, and the season of the cutoff."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.events import SCALES, Timeline
from crm_ml.features.rows import integers
from crm_ml.features.spec import AnyFeature, AttributeFeature, CalendarFeature
from crm_ml.features.spine import Spine
from crm_ml.features.timeline import I64, NULL
from crm_ml.features.visibility import known_times
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_DESCRIPTIVE = {
    "industry": ("Branche", "industry"),
    "country": ("Land", "country"),
    "region": ("Region", "region"),
    "legal_form": ("Rechtsform", "legal form"),
}

FEATURES: tuple[AnyFeature, ...] = (
    *(
        AttributeFeature(
            id=column,
            column=column,
            unit="category",
            text_de=de,
            text_en=en,
            family="attributes",
            cause="profile",
            pii="person" if column == "legal_form" else "none",
        )
        for column, (de, en) in _DESCRIPTIVE.items()
    ),
    AttributeFeature(
        id="employees",
        column="employees",
        unit="count",
        text_de="Mitarbeiter",
        text_en="employees",
        family="attributes",
        cause="profile",
    ),
    AttributeFeature(
        id="days_since_customer_since",
        column="customer_since",
        unit="days",
        direction=-1,
        text_de="Tage seit Beginn der Kundenbeziehung",
        text_en="days since becoming a customer",
        family="attributes",
        cause="relationship_age",
        definition="local calendar days from the day of customers.customer_since to the day of the cutoff; "
        "null while customer_since is not before the cutoff",
    ),
    CalendarFeature(
        id="season_sin",
        part="sin",
        unit="ratio",
        text_de="Jahreszeit (Sinus)",
        text_en="season (sine)",
        family="calendar",
        cause="season",
    ),
    CalendarFeature(
        id="season_cos",
        part="cos",
        unit="ratio",
        text_de="Jahreszeit (Kosinus)",
        text_en="season (cosine)",
        family="calendar",
        cause="season",
    ),
)


def slug(text: str) -> str:
    """Return a text as lower-case ASCII letters, digits and underscores.

    Examples
    --------
    >>> slug("Größe (m²)")
    'groesse_m2'
    """
    text = text.lower()
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        text = text.replace(umlaut, plain)
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")


def own_features(tables: Tables, table: str = n.CUSTOMERS) -> tuple[AttributeFeature, ...]:
    """Return one feature per own attribute of the subjects' table, in the order of their names."""
    found, taken = [], set()
    for column in sorted(tables.attributes.get(table, {})):
        stem = f"attribute_{slug(column) or 'own'}"
        id, number = stem, 1
        while id in taken:
            number += 1
            id = f"{stem}_{number}"
        taken.add(id)
        type_ = tables.frames[table].schema.field(column).type
        unit = "category" if pa.types.is_string(type_) else "days" if pa.types.is_timestamp(type_) else "number"
        found.append(
            AttributeFeature(
                id=id,
                column=column,
                table=table,
                unit=unit,  # type: ignore[arg-type]
                text_de=column,
                text_en=column,
                family="attributes",
                pii="person",
            )
        )
    return tuple(found)


def attribute(timeline: Timeline, spine: Spine, feature: AttributeFeature) -> np.ndarray:
    """Return an attribute as known at each row of the sorted spine."""
    tables, table = timeline.tables, feature.table
    size = len(spine)
    category = feature.unit == "category"
    empty = np.full(size, None, object) if category else np.full(size, np.nan)
    frame = tables.frames.get(table)
    own = feature.column in tables.attributes.get(table, {})
    if frame is None or not (own or feature.column in tables.mapped.get(table, ())):
        return empty
    row = rows_of(timeline, spine)
    hidden = hidden_at(timeline, spine, row, feature.column)
    type_ = frame.schema.field(feature.column).type
    if feature.through is not None:
        return _through(feature, frame.column(feature.column), row, hidden, empty)
    if category:
        values = timeline.shared(f"texts {feature.column}", lambda: _texts(frame.column(feature.column)))
        found: np.ndarray = values[row]
        found[hidden] = None
        return found
    if pa.types.is_floating(type_):
        floats = timeline.shared(
            f"floats {feature.column}", lambda: np.append(frame.column(feature.column).to_numpy(), np.nan)
        )
        numbers = floats[row]
    else:
        whole = timeline.shared(f"integers {feature.column}", lambda: np.append(integers(frame, feature.column), NULL))[
            row
        ]
        if pa.types.is_timestamp(type_):
            days = timeline.clock.day(spine.cutoffs) - timeline.clock.day(whole)
            numbers = np.where(whole == NULL, np.nan, days)
        else:
            kind = SCHEMAS[table].column(feature.column).type if not own else "int"
            numbers = np.where(whole == NULL, np.nan, whole / SCALES.get(kind, 1))
    return np.asarray(np.where(hidden, np.nan, numbers))


def rows_of(timeline: Timeline, spine: Spine) -> I64:
    """Return the row of the subjects' own table for each row of the sorted spine, -1 where there is none."""
    of = timeline.of
    if SCHEMAS[of.table].event_time:
        return _newest_rows(timeline, spine)
    found: I64 = timeline.own_rows()[spine.subject]
    return found


def hidden_at(timeline: Timeline, spine: Spine, row: I64, column: str) -> np.ndarray:
    """Return where the value of a column of the subjects' own table is not known at the cutoff."""
    times = timeline.shared(
        f"known times {column}", lambda: np.append(known_times(timeline.tables, timeline.of.table, column), NULL)
    )
    return np.asarray(times[row] >= spine.cutoffs)


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return np.array([*pc.cast(column, pa.string()).to_pylist(), None], dtype=object)


def _through(
    feature: AttributeFeature, column: pa.ChunkedArray, row: I64, hidden: np.ndarray, empty: np.ndarray
) -> np.ndarray:
    """Return what a feature shows of a column, its function being called once with the distinct values."""
    distinct = pc.unique(column)
    values = [None if value is None else value for value in distinct.to_pylist()]
    if feature.through is None or not values:
        return empty
    shown = [*feature.through(values), None]
    code = pc.fill_null(pc.cast(pc.index_in(column, distinct), pa.int64()), -1).to_numpy()
    of_row = np.append(code, len(values))[row]
    out = empty.copy()
    found = np.array([None if value is None else value for value in shown], dtype=object)[of_row]
    there = np.array([value is not None for value in found], bool) & ~hidden
    out[there] = found[there]
    return out


def _newest_rows(timeline: Timeline, spine: Spine) -> I64:
    """Return the row of the newest visible version of each subject, -1 where none is visible."""
    from crm_ml.features import kernels

    events = timeline.stream(timeline.of.table)
    start = kernels.rows_above(spine.row_from, spine.cutoffs, events.subject, events.seen_from)
    end = kernels.rows_above(spine.row_from, spine.cutoffs, events.subject, events.seen_until)
    stop = spine.row_from[1:].astype(np.int32)[events.subject]
    row = events.columns["row"]
    at = kernels.latest(start, end, stop, events.t, row, len(spine))
    return np.where(at >= 0, row[at], -1) if len(events) else np.full(len(spine), -1, np.int64)


def season(days: I64, feature: CalendarFeature) -> np.ndarray:
    """Return the season of each cutoff, given its local calendar day."""
    dates = days.astype("datetime64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    angle = 2 * np.pi * day_of_year / 365.25
    return np.asarray(np.sin(angle) if feature.part == "sin" else np.cos(angle))
