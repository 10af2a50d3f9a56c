"""Who is looked at, when, and what then happened: eligible customers and the churn label."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import DataError, did_you_mean
from crm_ml.features import attributes
from crm_ml.features.build import build_features
from crm_ml.features.events import Events, Timeline
from crm_ml.features.orders import FEATURES
from crm_ml.features.outcome import CONTRACT_CANCELLED, PARTIAL, Outcome
from crm_ml.features.parts import WholeTimeline, in_parts
from crm_ml.features.rows import integers
from crm_ml.features.spine import CUTOFF, Spine, crossed, sort_spine, with_cutoffs
from crm_ml.features.streams import STREAMS
from crm_ml.features.subjects import CUSTOMER
from crm_ml.features.timeline import FOREVER, I32, I64, NULL, cutoff_us
from crm_ml.features.visibility import known_times
from crm_ml.tables.identifiers import is_among, used_levels

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_ANY_PURCHASE = Outcome()
_CATEGORIES_SHOWN = 5


def judged(tables: Tables, outcome: Outcome) -> Tables:
    """Return the tables as the outcome looks at them: lines of other categories count nothing.

    Their amounts become 0 rather than that they go: a line that was corrected to another product stays one line.

    Raises
    ------
    DataError
        If a table or column that the outcome needs is not mapped, or no product has the category.
    """
    if outcome.target == CONTRACT_CANCELLED:
        _require(tables, n.CONTRACTS, "cancelled_at", "a churn of cancelled contracts")
    if outcome.category is None:
        return tables
    what = f"the churn category {outcome.category!r}"
    _require(tables, n.PRODUCTS, "category", what)
    _require(tables, n.ORDER_LINES, "product_id", what)
    products, lines = tables.frames[n.PRODUCTS], tables.stored[n.ORDER_LINES]
    of_category = products.filter(pc.equal(products["category"], outcome.category))["product_id"]
    if not len(of_category):
        there = sorted(value for value in pc.unique(products["category"]).to_pylist() if value)
        more = f" and {len(there) - _CATEGORIES_SHOWN} more" if len(there) > _CATEGORIES_SHOWN else ""
        raise DataError(
            f"{what} must be one of the products' categories; found {', '.join(there[:_CATEGORIES_SHOWN])}{more}",
            remedy=did_you_mean(outcome.category, there).strip() or "Correct churn.category in crm.yaml.",
            code="unknown_category",
        )
    counts = pa.array(is_among(lines["product_id"], of_category.combine_chunks()))
    net = lines["net_amount"]
    place = lines.column_names.index("net_amount")
    masked = pc.if_else(counts, net, pa.scalar(0, net.type))
    changed = lines.set_column(place, lines.schema.field(place), masked)
    return tables.changed({n.ORDER_LINES: changed})


def _require(tables: Tables, table: str, column: str, what: str) -> None:
    if table not in tables.frames or column not in tables.mapped.get(table, ()):
        raise DataError(
            f"{what} needs {table}.{column}, which is not mapped",
            remedy=f"Map the table {table} with {column} in crm.yaml, or choose another `churn.target`.",
            code="table_not_mapped",
        )


def _orders(timeline: Timeline) -> Events:
    if not timeline.has(STREAMS["orders"].needs):
        raise DataError(
            "churn needs the table order_lines, which is not mapped",
            remedy="Map order_lines with order_id, customer_id, ordered_at and net_amount in crm.yaml.",
            code="table_not_mapped",
        )
    return timeline.stream("orders")


def _above(spine: Spine, keys: I64, events: Events, values: I64) -> I32:
    from crm_ml.features import kernels

    return kernels.rows_above(spine.row_from, keys, events.subject, values)


def _looking_back(spine: Spine, events: Events, lower: I64, x: I64) -> I64:
    """Return for each row the sum of x over the events in [lower, cutoff) that are visible at the cutoff."""
    from crm_ml.features import kernels

    start = _above(spine, spine.cutoffs, events, events.t)
    start = np.maximum(start, _above(spine, spine.cutoffs, events, events.seen_from))
    end = np.minimum(_above(spine, lower, events, events.t), _above(spine, spine.cutoffs, events, events.seen_until))
    return kernels.running_sum(start, end, x, len(spine))


def _in_windows(spine: Spine, events: Events, windows: tuple[I64, I64], x: I64) -> I64:
    """Return for each row the sum of x over the subject's events with t in [lower, upper), whatever the windows."""
    from crm_ml.features import kernels

    event_from = np.searchsorted(events.subject, np.arange(len(spine.ids) + 1)).astype(np.int64)
    # the other way round than for features: windows of own length need not grow with the cutoff, so each row searches
    lower, upper = (kernels.rows_above(event_from, events.t, spine.subject, bound - 1) for bound in windows)
    total = np.concatenate((np.zeros(1, np.int64), np.cumsum(x)))
    found: I64 = total[upper] - total[lower]
    return found


def make_spine(
    tables: Tables, days: Sequence[dt.date], *, active_days: int, outcome: Outcome = _ANY_PURCHASE
) -> pd.DataFrame:
    """Return the customers that are eligible on each day.

    Eligible at c (the beginning of the day): at least one visible purchase in the last `active_days` (of the outcome's
    category, if it has one), no objection to profiling, status active (or unknown) as known at c; where churn means a
    cancelled contract, also a contract that runs at c as far as is known then.

    Returns
    -------
    DataFrame
        `customer_id`, `as_of` (date), `cutoff` (int64, UTC microseconds), sorted by (as_of, customer_id).

    Raises
    ------
    DataError
        If order_lines or a table that the outcome needs is not mapped.

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
    tables, unique = judged(tables, outcome), sorted(set(days))
    lines = tables.stored.get(n.ORDER_LINES)
    ids = pa.array([], pa.string()) if lines is None else used_levels(lines.column(n.CUSTOMER_ID))
    cutoffs = np.array([cutoff_us(day, tables.zone) for day in unique], np.int64)
    whole = WholeTimeline(tables, ids, STREAMS, of=CUSTOMER)
    whole.cut(np.full(len(ids), len(unique)), [n.ORDER_LINES] if n.ORDER_LINES in tables.frames else [])

    def work(index: int) -> np.ndarray:
        timeline = whole.part(index)
        spine = crossed(timeline.subjects, cutoffs)
        orders = _orders(timeline)
        purchases = orders.take(orders.columns["is_purchase"] == 1)
        lower = timeline.clock.shift(spine.cutoffs, -active_days)
        one = np.ones(len(purchases), np.int64)
        kept = (_looking_back(spine, purchases, lower, one) > 0) & _approachable(timeline, spine)
        if outcome.target == CONTRACT_CANCELLED:
            kept &= _under_contract(timeline, spine)
        return np.asarray(kept.reshape(len(timeline.subjects), len(unique)))

    kept = np.concatenate(list(in_parts(whole, work)))
    by_text = pc.sort_indices(ids).to_numpy()
    day, customer = np.nonzero(kept[by_text].T)
    return pd.DataFrame(
        {
            n.CUSTOMER_ID: pd.array(ids.take(pa.array(by_text[customer])), dtype="str"),
            n.AS_OF: np.array([*unique, None], object)[:-1][day],
            CUTOFF: cutoffs[day],
        }
    )


def _approachable(timeline: Timeline, spine: Spine) -> np.ndarray:
    """Return where the customer has not objected and is active as known at the cutoff."""
    tables = timeline.tables
    customers = tables.frames.get(n.CUSTOMERS)
    if customers is None:
        return np.ones(len(spine), bool)
    row = attributes.rows_of(timeline, spine)

    def make() -> tuple[np.ndarray, I64]:
        objects = integers(customers, "profiling_objection") == 1
        status = np.array([value in (None, "active") for value in customers.column("status").to_pylist()], bool)
        inactive_since = np.where(status, FOREVER, known_times(tables, n.CUSTOMERS, "status"))
        return np.append(objects, False), np.append(inactive_since, FOREVER)

    objects, inactive_since = timeline.shared("approachable", make)
    return np.asarray(~objects[row] & (inactive_since[row] >= spine.cutoffs))


def _under_contract(timeline: Timeline, spine: Spine) -> np.ndarray:
    """Return where a contract runs at the cutoff: begun, not cancelled and not ended as far as is known then."""
    from crm_ml.features import kernels

    contracts = timeline.events(n.CONTRACTS, {"ends_at": "ends_at", "cancelled_at": "cancelled_at"})
    over = contracts.seen_until
    for column in contracts.columns.values():
        over = np.minimum(over, np.where(column == NULL, FOREVER, column))
    start = _above(spine, spine.cutoffs, contracts, contracts.seen_from)
    end = _above(spine, spine.cutoffs, contracts, over)
    return np.asarray(kernels.running_sum(start, end, np.ones(len(contracts), np.int64), len(spine)) > 0)


def usual_gap_days(tables: Tables, spine: pd.DataFrame, *, outcome: Outcome = _ANY_PURCHASE) -> np.ndarray:
    """Return the customer's usual gap as known at the cutoff: mean days between purchase days; NaN before the second.

    With a category only its purchases count.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "7"], "ordered_at": ["2026-01-05", "2026-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> tables = from_frames({"order_lines": pd.DataFrame(lines)})
    >>> usual_gap_days(tables, pd.DataFrame({"customer_id": ["7"], "as_of": [dt.date(2026, 3, 1)]})).tolist()
    [30.0]
    """
    (feature,) = [each for each in FEATURES if each.id == n.ORDER_GAP_DAYS_MEAN]
    rows = with_cutoffs(spine, tables.zone)[[n.CUSTOMER_ID, CUTOFF]]
    found = build_features(judged(tables, outcome), rows, features=[feature])
    return found[feature.id].to_numpy(np.float64)


def label_horizons(
    tables: Tables, spine: pd.DataFrame, *, horizon_days: int, outcome: Outcome = _ANY_PURCHASE
) -> np.ndarray:
    """Return the days of each row's label window (int64): `horizon_days`, or as its own rhythm asks for.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from crm_ml.features import OwnGap
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "7"], "ordered_at": ["2026-01-05", "2026-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> tables = from_frames({"order_lines": pd.DataFrame(lines)})
    >>> spine = pd.DataFrame({"customer_id": ["7", "7"], "as_of": [dt.date(2026, 2, 1), dt.date(2026, 3, 1)]})
    >>> label_horizons(tables, spine, horizon_days=90, outcome=Outcome(own_gap=OwnGap(2, 30, 365))).tolist()
    [90, 60]
    """
    if outcome.own_gap is None:
        return np.full(len(spine), horizon_days, np.int64)
    return outcome.horizons(usual_gap_days(tables, spine, outcome=outcome), horizon_days)


def churn_labels(
    tables: Tables,
    spine: pd.DataFrame,
    *,
    gap_days: int,
    horizon_days: int | np.ndarray,
    known_until: int,
    outcome: Outcome = _ANY_PURCHASE,
) -> np.ndarray:
    """Return True where the customer churned in the label window [c + gap, c + gap + horizon).

    Churned is what the outcome says; as a rule that the customer made no purchase. Windows are calendar days in the
    workspace's zone; what happened in them is judged by what is visible at `known_until` (UTC microseconds), the
    customer's own rate and rhythm by what is visible at the cutoff. It is the caller's part to ask for mature rows only
    (label window over at `known_until`).

    Parameters
    ----------
    tables : Tables
        What the company has.
    spine : DataFrame
        ``customer_id`` and ``as_of`` (or ``cutoff``).
    gap_days : int
        Days between the cutoff and the label window.
    horizon_days : int or ndarray of int
        One length for all (of customers without a rhythm of their own, if the outcome has `own_gap`), or one per row.
    known_until : int
        The instant as of which the window is judged.
    outcome : Outcome
        What counts as churn.

    Returns
    -------
    ndarray of bool
        In the order of the spine.

    Raises
    ------
    DataError
        If order_lines or a table that the outcome needs is not mapped.

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
    if isinstance(horizon_days, np.ndarray):
        horizons = np.broadcast_to(horizon_days.astype(np.int64), len(spine))
    else:
        horizons = label_horizons(tables, spine, horizon_days=horizon_days, outcome=outcome)
    tables = judged(tables, outcome)
    sorted_spine = sort_spine(with_cutoffs(spine, tables.zone))
    whole = WholeTimeline(tables, sorted_spine.ids, STREAMS, of=CUSTOMER)
    whole.cut(np.diff(sorted_spine.row_from), [n.ORDER_LINES] if n.ORDER_LINES in tables.frames else [])

    def work(index: int) -> np.ndarray:
        timeline, part = whole.part(index), whole.part_of_spine(sorted_spine, index)
        days = horizons[part.order]
        windows = (
            timeline.clock.shift(part.cutoffs, gap_days),
            timeline.clock.shift(part.cutoffs, gap_days + days),
        )
        if outcome.target == CONTRACT_CANCELLED:
            return _cancelled(timeline, part, windows, known_until)
        if outcome.target == PARTIAL:
            return _below_own_rate(timeline, part, windows, (days, known_until), outcome)
        orders = _orders(timeline)
        purchases = _known(orders.take(orders.columns["is_purchase"] == 1), known_until)
        return np.asarray(_in_windows(part, purchases, windows, np.ones(len(purchases), np.int64)) == 0)

    return sorted_spine.unsorted(np.concatenate(list(in_parts(whole, work))))


def _known(events: Events, known_until: int) -> Events:
    return events.take((events.seen_from < known_until) & (known_until <= events.seen_until))


def _cancelled(timeline: Timeline, spine: Spine, windows: tuple[I64, I64], known_until: int) -> np.ndarray:
    contracts = _known(timeline.events(n.CONTRACTS, {"cancelled_at": "cancelled_at"}), known_until)
    at = contracts.columns["cancelled_at"]
    told = (at != NULL) & (at < known_until)
    cancelled = replace(contracts, t=at).take(told).ordered()
    return np.asarray(_in_windows(spine, cancelled, windows, np.ones(len(cancelled), np.int64)) > 0)


def _below_own_rate(
    timeline: Timeline, spine: Spine, windows: tuple[I64, I64], until: tuple[I64, int], outcome: Outcome
) -> np.ndarray:
    days, known_until = until
    orders, trailing_days = _orders(timeline), int(outcome.trailing_days or 0)
    final = _known(orders, known_until)
    revenue = _in_windows(spine, final, windows, final.columns["net_amount"])
    begin = timeline.clock.shift(spine.cutoffs, -trailing_days)
    before = _looking_back(spine, orders, begin, orders.columns["net_amount"])
    usual = float(outcome.partial_below or 0.0) * before.astype(np.float64) * days
    return np.asarray((revenue.astype(np.float64) * trailing_days < usual) | (revenue <= 0))
