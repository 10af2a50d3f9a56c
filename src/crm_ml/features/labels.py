"""Who is looked at, when, and what then happened: eligible customers and the churn label."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features import attributes
from crm_ml.features.events import Events, Timeline, integers
from crm_ml.features.spine import CUTOFF, Spine, sort_spine, with_cutoffs
from crm_ml.features.streams import STREAMS
from crm_ml.features.timeline import I32, I64, NULL, cutoff_us
from crm_ml.features.visibility import known_times

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_ROWS_AT_ONCE = 4_000_000


def _purchases(timeline: Timeline) -> Events:
    if not timeline.has(STREAMS["orders"].needs):
        raise DataError(
            "churn needs the table order_lines, which is not mapped",
            remedy="Map order_lines with order_id, customer_id, ordered_at and net_amount in crm.yaml.",
            code="table_not_mapped",
        )
    orders = timeline.stream("orders")
    return orders.take(orders.columns["is_purchase"] == 1)


def _with_purchase(spine: Spine, events: Events, lower: I64, upper: I64, seen: tuple[I64, I64] | None) -> np.ndarray:
    """Return for each row whether an event has its t in [lower, upper), both per row and growing with the cutoff.

    `seen` are the events' seen_from and seen_until where visibility is judged at the row's cutoff.
    """
    from crm_ml.features import kernels

    def above(keys: I64, values: I64) -> I32:
        return kernels.rows_above(spine.row_from, keys, events.subject, values)

    start, end = above(upper, events.t), above(lower, events.t)
    if seen is not None:
        start = np.maximum(start, above(spine.cutoffs, seen[0]))
        end = np.minimum(end, above(spine.cutoffs, seen[1]))
    found = kernels.running_sum(start, end, np.ones(len(events), np.int64), len(spine))
    return np.asarray(found > 0)


def make_spine(tables: Tables, days: Sequence[dt.date], *, active_days: int) -> pd.DataFrame:
    """Return the customers that are eligible on each day.

    Eligible at c (the beginning of the day): at least one visible purchase in the last `active_days`, no objection to
    profiling, status active (or unknown) as known at c.

    Returns
    -------
    DataFrame
        `customer_id`, `as_of` (date), `cutoff` (int64, UTC microseconds), sorted by (as_of, customer_id).

    Raises
    ------
    DataError
        If order_lines is not mapped.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "8"], "ordered_at": ["2026-01-05", "2024-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> tables = from_frames({"order_lines": pd.DataFrame(lines)})
    >>> make_spine(tables, [dt.date(2026, 3, 1)], active_days=365)["customer_id"].tolist()
    ['7']
    """
    unique = sorted(set(days))
    lines = tables.frames.get(n.ORDER_LINES)
    ids = [] if lines is None else sorted(pc.unique(lines.column(n.CUSTOMER_ID)).to_pylist())
    timeline = Timeline(tables, sort_spine(pd.DataFrame({n.CUSTOMER_ID: ids, CUTOFF: 0})).ids, STREAMS)
    purchases = _purchases(timeline)
    step = max(1, _ROWS_AT_ONCE // max(1, len(ids)))
    parts = []
    for begin in range(0, len(unique), step):
        some = unique[begin : begin + step]
        cutoffs = np.array([cutoff_us(day, tables.zone) for day in some], np.int64)
        frame = pd.DataFrame(
            {
                n.CUSTOMER_ID: np.tile(np.array(ids, object), len(some)),
                n.AS_OF: np.repeat(np.array(some, object), len(ids)),
                CUTOFF: np.repeat(cutoffs, len(ids)),
            }
        )
        spine = sort_spine(frame)
        lower = timeline.clock.shift(spine.cutoffs, -active_days)
        kept = _with_purchase(spine, purchases, lower, spine.cutoffs, (purchases.seen_from, purchases.seen_until))
        kept &= _approachable(timeline, spine)
        parts.append(frame[spine.unsorted(kept)])
    columns = {n.CUSTOMER_ID: pd.array([], "str"), n.AS_OF: np.array([], object), CUTOFF: np.array([], np.int64)}
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns)
    return found.astype({n.CUSTOMER_ID: "str", CUTOFF: "int64"})


def _approachable(timeline: Timeline, spine: Spine) -> np.ndarray:
    """Return where the customer has not objected and is active as known at the cutoff."""
    tables = timeline.tables
    customers = tables.frames.get(n.CUSTOMERS)
    if customers is None:
        return np.ones(len(spine), bool)
    row = attributes.rows_of(timeline, spine)
    objects = np.append(integers(customers, "profiling_objection") == 1, False)[row]
    status = np.array([*customers.column("status").to_pylist(), None], object)[row]
    since = np.append(known_times(tables, n.CUSTOMERS, "status"), NULL)[row]
    inactive = np.array([value not in (None, "active") for value in status], bool) & (since < spine.cutoffs)
    return np.asarray(~objects & ~inactive)


def churn_labels(
    tables: Tables, spine: pd.DataFrame, *, gap_days: int, horizon_days: int, known_until: int
) -> np.ndarray:
    """Return True where the customer made no purchase in the label window [c + gap, c + gap + horizon).

    Windows are calendar days in the workspace's zone; what is a purchase is judged by what is visible at `known_until`
    (UTC microseconds). It is the caller's part to ask for mature rows only (label window over at `known_until`).

    Returns
    -------
    ndarray of bool
        In the order of the spine.

    Raises
    ------
    DataError
        If order_lines is not mapped.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "8"], "ordered_at": ["2026-01-05", "2024-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> tables = from_frames({"order_lines": pd.DataFrame(lines)})
    >>> spine = pd.DataFrame({"customer_id": ["7", "8"], "as_of": [dt.date(2026, 1, 1)] * 2})
    >>> end = cutoff_us(dt.date(2026, 4, 1), "Europe/Berlin")
    >>> churn_labels(tables, spine, gap_days=0, horizon_days=90, known_until=end).tolist()
    [False, True]
    """
    sorted_spine = sort_spine(with_cutoffs(spine, tables.zone))
    timeline = Timeline(tables, sorted_spine.ids, STREAMS)
    purchases = _purchases(timeline)
    purchases = purchases.take((purchases.seen_from < known_until) & (known_until <= purchases.seen_until))
    lower = timeline.clock.shift(sorted_spine.cutoffs, gap_days)
    upper = timeline.clock.shift(sorted_spine.cutoffs, gap_days + horizon_days)
    bought = _with_purchase(sorted_spine, purchases, lower, upper, None)
    labels: np.ndarray = sorted_spine.unsorted(~bought)
    return labels
