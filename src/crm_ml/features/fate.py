"""What became of each lead, and from when on that was known: won, lost, or a stage on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features.events import integers, seen_span
from crm_ml.features.timeline import FOREVER, I64, NULL

if TYPE_CHECKING:
    from crm_ml.features.events import Timeline
    from crm_ml.tables import Tables

WON, LOST = "won", "lost"


@dataclass(frozen=True)
class Fate:
    """One entry per row of the table leads, in microseconds; rows of a lead that has versions share its fate.

    Attributes
    ----------
    created, seen_from, seen_until : ndarray of int64
        The lead's creation, and the span in which this row is its newest visible version.
    won, won_seen : ndarray of int64
        First time at which it was won, and from when on that was known; NULL and FOREVER where it never was.
    closed : ndarray of int64
        From when on it was known to be won or lost; FOREVER where it never was.
    """

    created: I64
    seen_from: I64
    seen_until: I64
    won: I64
    won_seen: I64
    closed: I64


def fate_of(timeline: Timeline) -> Fate:
    """Return what became of the leads of a timeline's tables."""
    tables = timeline.tables
    created, seen, until = seen_span(tables, n.LEADS)
    won, won_seen = reached(tables, (WON,))
    _, closed = reached(tables, (WON, LOST))
    return Fate(created, seen, until, won, won_seen, closed)


def reached(tables: Tables, stages: Collection[str], *, known_until: int = FOREVER) -> tuple[I64, I64]:
    """Return for each row of the table leads when one of the stages was first entered, and since when that was known.

    From lead_stages; without that table ``won`` and ``lost`` from the deals of a lead.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    stages : collection of str
        Of DESIGN's stages.
    known_until : int
        UTC microseconds: what becomes known then or later is left out.

    Returns
    -------
    tuple of ndarray of int64
        Earliest entry (NULL: never), and when the first entry of all became known (FOREVER: never).

    Raises
    ------
    DataError
        If neither table can tell.
    """
    lead, t, seen, until = _entries(tables, stages)
    leads = tables.frames[n.LEADS].column(n.LEAD_ID)
    ids = pc.unique(leads)
    code = pc.fill_null(pc.cast(pc.index_in(lead, ids), pa.int64()), -1).to_numpy()
    # judged at an instant the newest version counts; over all time it is enough that some version once said so
    kept = (code >= 0) & (seen < until) & (seen < known_until) & ((known_until == FOREVER) | (known_until <= until))
    first, told = np.full(len(ids), FOREVER), np.full(len(ids), FOREVER)
    np.minimum.at(first, code[kept], t[kept])
    np.minimum.at(told, code[kept], seen[kept])
    of_row = pc.cast(pc.index_in(leads, ids), pa.int64()).to_numpy()
    return np.where(first == FOREVER, NULL, first)[of_row], told[of_row]


def _entries(tables: Tables, stages: Collection[str]) -> tuple[pa.ChunkedArray, I64, I64, I64]:
    if n.LEAD_STAGES in tables.frames:
        frame = tables.frames[n.LEAD_STAGES]
        t, seen, until = seen_span(tables, n.LEAD_STAGES)
        mask = pc.is_in(frame.column("stage"), value_set=_texts(stages)).combine_chunks().to_numpy(zero_copy_only=False)
        lead = frame.column(n.LEAD_ID).filter(mask)
        return lead, t[mask], seen[mask], until[mask]
    missing = set(stages) - {WON, LOST}
    if n.DEALS in tables.frames and n.LEAD_ID in tables.mapped.get(n.DEALS, ()) and not missing:
        frame = tables.frames[n.DEALS]
        _, seen, until = seen_span(tables, n.DEALS)
        status = pc.is_in(frame.column("status"), value_set=_texts(stages)).combine_chunks()
        t = integers(frame, "closed_at")
        mask = status.to_numpy(zero_copy_only=False) & (t != NULL)
        return frame.column(n.LEAD_ID).filter(mask), t[mask], np.maximum(seen, t)[mask], until[mask]
    what = f"the stage {', '.join(sorted(missing))} needs" if missing else "leads need"
    raise DataError(
        f"{what} the table lead_stages{'' if missing else ', or deals that name their lead'}, which is not mapped",
        remedy="Map lead_stages with lead_id, stage and entered_at in crm.yaml.",
        code="table_not_mapped",
    )


def _texts(values: Collection[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
