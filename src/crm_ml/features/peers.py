"""What was known of other leads at a cutoff: how many an owner has open, how often leads of a source had been won."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crm_ml import names as n
from crm_ml.features.events import codes
from crm_ml.features.fate import Fate, fate_of
from crm_ml.features.timeline import FOREVER, I64, NULL

if TYPE_CHECKING:
    from crm_ml.features.events import Timeline
    from crm_ml.features.spec import PeerFeature
    from crm_ml.features.spine import Spine

F64 = NDArray[np.float64]


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
    fate = timeline.once("fate of leads", lambda: fate_of(timeline))
    if feature.what == "open":
        counted = _count(timeline, spine, (own, group), _open(fate), None)
    elif feature.what == "created":
        counted = _count(
            timeline, spine, (own, group), (fate.created, fate.seen_from, fate.seen_until), feature.window_days
        )
    else:
        counted = _won_share(timeline, spine, (own, group), fate, feature)
    return np.where(known, counted, np.nan)


def _groups(timeline: Timeline, column: str) -> I64:
    """Return the group of each row of the table leads, -1 where the column is null."""
    values, _ = codes(timeline.tables.frames[n.LEADS].column(column))
    return np.where(values == NULL, -1, values)


def _open(fate: Fate) -> tuple[I64, I64, I64]:
    return fate.created, fate.seen_from, np.minimum(fate.seen_until, np.maximum(fate.closed, fate.seen_from))


def _won_share(timeline: Timeline, spine: Spine, groups: tuple[I64, I64], fate: Fate, feature: PeerFeature) -> F64:
    # counted from the first instant at which the days to be won are over
    over = timeline.clock.shift(fate.created, feature.horizon_days)
    begin = np.maximum(fate.seen_from, over)
    won = (fate.won != NULL) & (fate.won < over)
    seen = np.where(won, np.maximum(begin, fate.won_seen), FOREVER)
    all_of = (np.zeros_like(groups[0]), np.zeros_like(groups[1]))
    counts = [
        _count(timeline, spine, of, (fate.created, start, fate.seen_until), feature.window_days)
        for of in (groups, all_of)
        for start in (begin, seen)
    ]
    count, wins, whole, all_wins = counts
    share = np.divide(all_wins, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return np.asarray((wins + feature.shrink * share) / (count + feature.shrink))


def _count(
    timeline: Timeline,
    spine: Spine,
    groups: tuple[I64, I64],
    events: tuple[I64, I64, I64],
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
