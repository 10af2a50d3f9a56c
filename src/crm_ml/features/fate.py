"""What became of each lead, and from when until when that was known: won, lost, or a stage on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features.rows import integers, seen_span
from crm_ml.features.timeline import FOREVER, I64, NULL

if TYPE_CHECKING:
    from crm_ml.features.events import Timeline
    from crm_ml.tables import Tables

WON, LOST = "won", "lost"


@dataclass(frozen=True)
class Spells:
    """Spells of time, sorted by (owner, begin); a spell holds a cutoff c iff ``begin < c <= end``."""

    owner: I64
    begin: I64
    end: I64

    def holding(self, owner: I64, cutoffs: I64) -> NDArray[np.bool_]:
        """Return for each cutoff whether a spell of its owner holds it."""
        query, spell = pairs(owner, self.owner)
        there = (self.begin[spell] < cutoffs[query]) & (cutoffs[query] <= self.end[spell])
        found = np.zeros(len(owner), bool)
        found[query[there]] = True
        return found


@dataclass(frozen=True)
class Fate:
    """What became of the leads, in microseconds.

    Attributes
    ----------
    lead, created, seen_from, seen_until : ndarray of int64
        Per row of the table leads: the number of its lead, its creation, and the span in which this row is the lead's
        newest visible version.
    closed : Spells
        When which lead was known to be won or lost.
    won, won_at : Spells, ndarray of int64
        When which lead was known to be won, and at what time; one per entry, so they may overlap.
    """

    lead: I64
    created: I64
    seen_from: I64
    seen_until: I64
    closed: Spells
    won: Spells
    won_at: I64


def fate_of(timeline: Timeline) -> Fate:
    """Return what became of the leads of a timeline's tables."""
    tables = timeline.tables
    created, seen, until = seen_span(tables, n.LEADS)
    ids, lead = lead_numbers(tables)
    won_at, won = _entries(tables, (WON,), ids)
    return Fate(lead, created, seen, until, closed_spells(tables, ids), won, won_at)


def lead_numbers(tables: Tables) -> tuple[pa.Array, I64]:
    """Return the ids of all leads, and the position among them of each row of the table leads."""
    column = tables.frames[n.LEADS].column(n.LEAD_ID)
    ids = pc.unique(column)
    return ids, _positions(column, ids)


def closed_spells(tables: Tables, ids: pa.Array) -> Spells:
    """Return when which of the leads was known to be won or lost.

    A stage that was entered stays entered: a lead that was lost and enters a stage again stays closed. A version of a
    deal that takes its end back opens the lead again.

    Raises
    ------
    DataError
        If neither lead_stages nor deals can tell.
    """
    _, spells = _entries(tables, (WON, LOST), ids)
    return united(spells.owner, spells.begin, spells.end)


def united(owner: I64, begin: I64, end: I64) -> Spells:
    """Return spells without those that never hold anything, and with those of an owner that meet made one.

    Examples
    --------
    >>> spells = united(np.array([0, 0, 0, 1]), np.array([1, 5, 9, 2]), np.array([5, 7, 9, 3]))
    >>> [spells.owner.tolist(), spells.begin.tolist(), spells.end.tolist()]
    [[0, 1], [1, 2], [7, 3]]
    """
    kept = begin < end
    owner, begin, end = owner[kept], begin[kept], end[kept]
    order = np.lexsort((begin, owner))
    owner, begin, end = owner[order], begin[order], end[order]
    reach = pd.Series(end).groupby(owner).cummax().to_numpy(np.int64)
    new = np.ones(len(owner), bool)
    new[1:] = (owner[1:] != owner[:-1]) | (begin[1:] > reach[:-1])
    last = np.append(new[1:], True)[: len(new)]
    return Spells(owner[new], begin[new], reach[last])


def pairs(owner: I64, sorted_owner: I64) -> tuple[I64, I64]:
    """Return all pairs of positions whose owners are equal; the second ones are sorted.

    Examples
    --------
    >>> [side.tolist() for side in pairs(np.array([7, 3, 7]), np.array([3, 3, 7]))]
    [[0, 1, 1, 2], [2, 0, 1, 2]]
    """
    low = np.searchsorted(sorted_owner, owner, side="left")
    many = np.searchsorted(sorted_owner, owner, side="right") - low
    left = np.repeat(np.arange(len(owner)), many)
    place = np.arange(len(left)) - np.repeat(np.cumsum(many) - many, many)
    return left, np.repeat(low, many) + place


def first_entered(tables: Tables, stages: Collection[str], ids: pa.Array, *, known_until: int) -> I64:
    """Return when each of the leads first entered one of the stages, as known at an instant; NULL where it did not.

    From lead_stages; without that table ``won`` and ``lost`` from the deals of a lead.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    stages : collection of str
        Of DESIGN's stages.
    ids : pyarrow.Array
        The leads.
    known_until : int
        UTC microseconds: what becomes known then or later is left out.

    Raises
    ------
    DataError
        If neither table can tell.
    """
    t, spells = _entries(tables, stages, ids)
    known = (spells.begin < known_until) & (known_until <= spells.end)
    first = np.full(len(ids), FOREVER)
    np.minimum.at(first, spells.owner[known], t[known])
    return np.where(first == FOREVER, NULL, first)


def tells_of_ends(tables: Tables) -> bool:
    """Return whether the tables can tell which leads were won or lost."""
    return n.LEAD_STAGES in tables.frames or {n.LEAD_ID, "status", "closed_at"} <= set(tables.mapped.get(n.DEALS, ()))


def _entries(tables: Tables, stages: Collection[str], ids: pa.Array) -> tuple[I64, Spells]:
    """Return when one of the stages was entered, and by which of the leads and in which spell that was known."""
    beyond = sorted(set(stages) - {WON, LOST})
    if n.LEAD_STAGES in tables.frames:
        table, column = n.LEAD_STAGES, "stage"
        t, seen, until = seen_span(tables, table)
    elif tells_of_ends(tables) and not beyond:
        table, column = n.DEALS, "status"
        _, seen, until = seen_span(tables, table)
        t = integers(tables.frames[table], "closed_at")
        seen = np.where(t == NULL, FOREVER, np.maximum(seen, t))
    else:
        what = f"the stage {' or '.join(beyond)} needs" if beyond else "leads need"
        raise DataError(
            f"{what} the table lead_stages{'' if beyond else ', or deals with lead_id, status and closed_at'}, "
            "which is not mapped",
            remedy="Map lead_stages with lead_id, stage and entered_at in crm.yaml.",
            code="table_not_mapped",
        )
    frame = tables.frames[table]
    lead = _positions(frame.column(n.LEAD_ID), ids)
    of_stage = pc.is_in(frame.column(column), value_set=pa.array(sorted(stages), pa.string()))
    kept = of_stage.combine_chunks().to_numpy(zero_copy_only=False) & (lead >= 0) & (seen < until)
    lead, t, seen, until = lead[kept], t[kept], seen[kept], until[kept]
    order = np.lexsort((seen, lead))
    return t[order], Spells(lead[order], seen[order], until[order])


def _positions(values: pa.ChunkedArray, ids: pa.Array) -> I64:
    found: I64 = pc.fill_null(pc.cast(pc.index_in(values, ids), pa.int64()), -1).to_numpy()
    return found
