"""What was known of other leads at a cutoff: how many an owner has open, how often leads of a source had been won."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crm_ml import names as n
from crm_ml.features.fate import Fate, Spells, fate_of, pairs, tells_of_ends, united
from crm_ml.features.rows import codes, seen_span
from crm_ml.features.timeline import I64, NULL
from crm_ml.features.visibility import known_times

if TYPE_CHECKING:
    from crm_ml.features.events import Timeline
    from crm_ml.features.spec import PeerFeature
    from crm_ml.features.spine import Spine

F64 = NDArray[np.float64]
Events3 = tuple[I64, I64, I64]
"""Events as (t, seen_from, seen_until)."""


def peer(timeline: Timeline, spine: Spine, rows: I64, hidden: NDArray[np.bool_], feature: PeerFeature) -> F64:
    """Return a peer feature for each row of the sorted spine.

    Parameters
    ----------
    timeline : Timeline
        Of leads.
    spine : Spine
        Its sorted rows.
    rows : ndarray of int64
        Row of the table leads for each row of the spine, -1 where there is none.
    hidden : ndarray of bool
        Where the column is not known yet.
    feature : PeerFeature
        What to compute.
    """
    group = timeline.once(f"peer groups {feature.column}", lambda: _groups(timeline, feature.column))
    own = np.append(group, -1)[rows]
    known = (own >= 0) & ~hidden
    leads = timeline.once("versions of leads", lambda: seen_span(timeline.tables, n.LEADS))
    # a lead counts among its group once the value that puts it there is known
    since = timeline.once(f"peers known {feature.column}", lambda: _known(timeline, feature.column))
    created, seen, until = leads
    in_group = created, np.maximum(seen, since), until
    if feature.what == "created":
        counted = _count(timeline, spine, (own, group), in_group, feature.window_days)
    elif not tells_of_ends(timeline.tables):
        return np.full(len(spine), np.nan)
    else:
        fate = timeline.once("fate of leads", lambda: fate_of(timeline))
        if feature.what == "open":
            counted = _open(timeline, spine, (own, group), in_group, fate)
        else:
            counted = _won_share(timeline, spine, (own, group), in_group, fate, feature)
    return np.where(known, counted, np.nan)


def _groups(timeline: Timeline, column: str) -> I64:
    """Return the group of each row of the table leads, -1 where the column is null."""
    values, _ = codes(timeline.tables.frames[n.LEADS].column(column))
    return np.where(values == NULL, -1, values)


def _known(timeline: Timeline, column: str) -> I64:
    return known_times(timeline.tables, n.LEADS, column)


def _while(events: Events3, spells: Spells) -> tuple[I64, Events3]:
    """Return the positions of events, and the spells of theirs in which they are seen; owners are positions."""
    t, seen, until = (x[spells.owner] for x in events)
    return spells.owner, (t, np.maximum(seen, spells.begin), np.minimum(until, spells.end))


def _open(timeline: Timeline, spine: Spine, groups: tuple[I64, I64], events: Events3, fate: Fate) -> F64:
    row, spell = pairs(fate.lead, fate.closed.owner)
    at, closed = _while(events, Spells(row, fate.closed.begin[spell], fate.closed.end[spell]))
    known = _count(timeline, spine, groups, events, None)
    return np.asarray(known - _count(timeline, spine, (groups[0], groups[1][at]), closed, None))


def _won_share(
    timeline: Timeline, spine: Spine, groups: tuple[I64, I64], in_group: Events3, fate: Fate, feature: PeerFeature
) -> F64:
    # counted from the first instant at which the days to be won are over
    over = timeline.clock.shift(fate.created, feature.horizon_days)
    row, entry = pairs(fate.lead, fate.won.owner)
    in_time = fate.won_at[entry] < over[row]
    row, entry = row[in_time], entry[in_time]
    won = united(row, fate.won.begin[entry], fate.won.end[entry])
    all_of = (np.zeros_like(groups[0]), np.zeros_like(groups[1]))
    counts = []
    for of, (t, seen, until) in (
        (groups, in_group),
        (all_of, (fate.created, fate.seen_from, fate.seen_until)),
    ):
        ended = t, np.maximum(seen, over), until
        at, wins = _while(ended, won)
        counts.append(_count(timeline, spine, of, ended, feature.window_days))
        counts.append(_count(timeline, spine, (of[0], of[1][at]), wins, feature.window_days))
    count, wins_of, whole, all_wins = counts
    share = np.divide(all_wins, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return np.asarray((wins_of + feature.shrink * share) / (count + feature.shrink))


def _count(
    timeline: Timeline,
    spine: Spine,
    groups: tuple[I64, I64],
    events: Events3,
    window_days: int | None,
) -> F64:
    """Return for each row of the spine the events of its group that are seen at its cutoff and lie in the window.

    `groups` are those of the spine's rows and of the events; `events` are (t, seen_from, seen_until).
    """
    from crm_ml.features import kernels

    own, group = groups
    t, seen_from, seen_until = events
    kept = (group >= 0) & (seen_from < seen_until)
    group, t, seen_from, seen_until = group[kept], t[kept], seen_from[kept], seen_until[kept]
    order = np.lexsort((spine.cutoffs, own))
    order = order[own[order] >= 0]
    cutoffs = np.ascontiguousarray(spine.cutoffs[order])
    size = max(int(own.max(initial=-1)), int(group.max(initial=-1))) + 1
    row_from = np.searchsorted(own[order], np.arange(size + 1)).astype(np.int64)
    start = kernels.rows_above(row_from, cutoffs, group, np.maximum(seen_from, t))
    end = kernels.rows_above(row_from, cutoffs, group, seen_until)
    if window_days:
        lower = np.ascontiguousarray(timeline.clock.shift(cutoffs, -window_days))
        end = np.minimum(end, kernels.rows_above(row_from, lower, group, t))
    found = np.full(len(spine), np.nan)
    found[order] = kernels.running_sum(start, end, np.ones(len(t), np.int64), len(order))
    return found
