"""What is known of all customers that belong together: the firm, a group of companies, an industry, a size class.

A pool is computed from all order lines that are visible at the cutoff, whichever customers a feature table is about. A
customer belongs to a pool from the time its column is known from: its lines count there from then on.

============  ==========================================================================================
firm          all customers
parent_id     the customers with the same ``customers.parent_id`` and that customer itself; whoever names
              no parent (or none that is known yet) is its own
industry      the customers with the same ``customers.industry``; none where it is not known
size_class    the customers with the same class of ``customers.employees``: below 10, 50, 250, and above
============  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features import attributes
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.rows import codes, integers, seen_span
from crm_ml.features.spec import AnyFeature, Feature, PooledFeature
from crm_ml.features.spine import Spine
from crm_ml.features.timeline import FOREVER, I64, NULL
from crm_ml.features.visibility import known_times
from crm_ml.tables.identifiers import places_among, used_levels

if TYPE_CHECKING:
    from crm_ml.features.build import Evaluation

_NEEDS = tuple(f"{n.ORDER_LINES}.{column}" for column in ("order_id", n.CUSTOMER_ID, "ordered_at", "net_amount"))
_SIZES = np.array([10, 50, 250])
COLUMN: Mapping[str, str] = {"parent_id": "parent_id", "industry": "industry", "size_class": "employees"}
"""Pool -> column of the customers table that makes it; the firm needs none."""


@dataclass(frozen=True)
class _Pools:
    """Who belongs where: the spells of each customer (code, pool, from, until), and the pool of each row's own id."""

    ids: pa.Array
    customer: I64
    pool: I64
    since: I64
    until: I64
    table: I64
    alone: bool


def needs_of(feature: PooledFeature) -> tuple[str, ...]:
    """Return the source columns (``table.column``) that make the pool."""
    column = COLUMN.get(feature.pool)
    return () if column is None else (f"{n.CUSTOMERS}.{n.CUSTOMER_ID}", f"{n.CUSTOMERS}.{column}")


def pooled(evaluation: Evaluation, feature: PooledFeature) -> np.ndarray:
    """Return a pooled feature for each row of the sorted spine."""
    timeline, spine = evaluation.timeline, evaluation.spine
    if not timeline.has((*_NEEDS, *needs_of(feature))):
        return np.full(len(spine), np.nan)
    of_pools, row = timeline.once(f"pool {feature.pool}", lambda: _evaluation(evaluation, feature.pool))
    plain = {field.name: getattr(feature, field.name) for field in fields(Feature)}
    values = of_pools.all([Feature(**plain)])[feature.id]
    found: np.ndarray = np.append(values, np.nan)[row]
    return found


def _evaluation(evaluation: Evaluation, pool: str) -> tuple[Evaluation, I64]:
    """Return what evaluates features of the pools at the cutoffs of a spine, and the pools' row of each of its rows."""
    spine = evaluation.spine
    timeline = _whole(evaluation.timeline)
    pools = _firm(timeline) if pool == "firm" else _pools(timeline, spine, pool)
    own = _own_pools(timeline, spine, pools, pool)
    order = np.lexsort((spine.cutoffs, own))
    order = order[own[order] >= 0]
    subject, cutoffs = own[order], spine.cutoffs[order]
    new = np.ones(len(order), bool)
    new[1:] = (subject[1:] != subject[:-1]) | (cutoffs[1:] != cutoffs[:-1])
    row = np.full(len(spine), -1, np.int64)
    row[order] = np.cumsum(new) - 1
    size = max(int(pools.pool.max(initial=-1)), int(own.max(initial=-1))) + 1
    subject, cutoffs = subject[new], cutoffs[new]
    bounds = np.searchsorted(subject, np.arange(size + 1)).astype(np.int64)
    ids = pa.array([str(k) for k in range(size)], pa.string())
    of_pools = Spine(ids, subject, cutoffs, bounds, np.arange(len(subject)))
    stream = replace(STREAM, build=lambda pooled: _lines(pooled, pools))
    return type(evaluation)(Timeline(timeline.tables, ids, {STREAM.name: stream}), of_pools), row


def _whole(timeline: Timeline) -> Timeline:
    """Return a timeline over the tables of the whole company, where the tables are those of some customers."""
    whole = timeline.tables.whole
    return timeline if whole is None else Timeline(whole, timeline.subjects, timeline.streams, of=timeline.of)


def _firm(timeline: Timeline) -> _Pools:
    ids = used_levels(timeline.tables.stored[n.ORDER_LINES].column(n.CUSTOMER_ID))
    zero = np.zeros(len(ids), np.int64)
    return _Pools(
        ids, np.arange(len(ids)), zero, np.full(len(ids), NULL), np.full(len(ids), FOREVER), zero, alone=False
    )


def _pools(timeline: Timeline, spine: Spine, pool: str) -> _Pools:
    """Return the pools of a column of the customers table."""
    frame = timeline.tables.frames[n.CUSTOMERS]
    column = COLUMN[pool]
    who = frame.column(n.CUSTOMER_ID).combine_chunks()
    parts = [used_levels(timeline.tables.stored[n.ORDER_LINES].column(n.CUSTOMER_ID)), who, spine.ids]
    alone = pool == "parent_id"
    if alone:
        parts.append(frame.column(column).combine_chunks())
    ids = pc.drop_null(pc.unique(pa.concat_arrays([part.cast(pa.string()) for part in parts])))
    code = _codes_in(who, ids)
    since = known_times(timeline.tables, n.CUSTOMERS, column)
    if pool == "size_class":
        employees = integers(frame, column)
        value = np.where(employees == NULL, -1, np.searchsorted(_SIZES, employees, side="right"))
    elif pool == "industry":
        value, _ = codes(frame.column(column))
    else:
        value = _codes_in(frame.column(column).combine_chunks(), ids)
    value = np.where(value == NULL, -1, value)
    there = (value >= 0) & (since < FOREVER)
    customer, pools = code[there], value[there]
    begin, until = since[there], np.full(int(there.sum()), FOREVER)
    if alone:
        # until the parent is known, or without one, a customer is its own group
        own = np.arange(len(ids))
        end = np.full(len(ids), FOREVER)
        end[customer] = begin
        customer, pools = np.concatenate((own, customer)), np.concatenate((own, pools))
        begin, until = np.concatenate((np.full(len(ids), NULL), begin)), np.concatenate((end, until))
    return _Pools(ids, customer, pools, begin, until, value, alone=alone)


def _codes_in(values: pa.Array, ids: pa.Array) -> I64:
    found: I64 = pc.fill_null(pc.cast(pc.index_in(values, ids), pa.int64()), -1).to_numpy()
    return np.where(pc.is_null(values).to_numpy(zero_copy_only=False), -1, found)


def _own_pools(timeline: Timeline, spine: Spine, pools: _Pools, pool: str) -> I64:
    """Return the pool of each row of the spine as known at its cutoff, -1 where it has none."""
    if pool == "firm":
        return np.zeros(len(spine), np.int64)
    rows = attributes.rows_of(timeline, spine)
    hidden = attributes.hidden_at(timeline, spine, rows, COLUMN[pool])
    value = np.where(hidden, -1, np.append(pools.table, -1)[rows])
    if not pools.alone:
        return value
    own = _codes_in(spine.ids, pools.ids)[spine.subject]
    return np.where(value >= 0, value, own)


def _lines(timeline: Timeline, pools: _Pools) -> Events:
    """Return the order lines of all customers, each once for every spell of its customer in a pool."""
    frame = timeline.tables.stored[n.ORDER_LINES]
    t, seen, until = seen_span(timeline.tables, n.ORDER_LINES)
    buyer = places_among(frame.column(n.CUSTOMER_ID), pools.ids)
    order = np.argsort(pools.customer, kind="stable")
    bounds = np.searchsorted(pools.customer[order], np.arange(len(pools.ids) + 1))
    count = np.where(buyer >= 0, bounds[buyer + 1] - bounds[buyer], 0)
    line = np.repeat(np.arange(len(buyer)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    spell = order[bounds[buyer[line]] + np.arange(len(line)) - first]
    net = integers(frame, "net_amount")
    columns = {"net_amount": net[line], "buyer": buyer[line], "is_return": (net[line] < 0).astype(np.int64)}
    return Events(
        pools.pool[spell],
        t[line],
        np.maximum(seen[line], pools.since[spell]),
        np.minimum(until[line], pools.until[spell]),
        columns,
    )


def _own_lines(timeline: Timeline) -> Events:
    events = timeline.events(n.ORDER_LINES, {"net_amount": "net_amount"})
    net = events.columns["net_amount"]
    return replace(
        events, columns={"net_amount": net, "buyer": events.subject, "is_return": (net < 0).astype(np.int64)}
    )


STREAM = Stream(
    "pool_lines",
    "One event per order line of a customer of the pool (of a plain feature: of the customer); t = ordered_at.",
    _NEEDS,
    {
        "net_amount": Measure("money", "net amount, negative for returns and credit lines"),
        "is_return": Measure("flag", "1 if net_amount < 0"),
        "buyer": Measure("count", "the customer, as a number"),
    },
    _own_lines,
)
STREAMS: Mapping[str, Stream] = {STREAM.name: STREAM}

_REVENUE: dict[str, Any] = {"measure": "net_amount", "aggregate": "sum", "unit": "money"}
_BUYERS: dict[str, Any] = {"measure": "buyer", "aggregate": "distinct", "where": {"is_return": 0}, "unit": "count"}


def _firm_features() -> tuple[AnyFeature, ...]:
    say = Declare("season", "season")
    return (
        say.ratio("firm_activity_30d", ("firm_net_revenue_30d", "firm_net_revenue_365d"),
                  ("Geschäft aller Kunden: letzte 30 Tage zum Monatsmittel",
                   "business of all customers: last 30 days over the monthly mean"), scale=365 / 30),
        say.ratio("firm_activity_90d", ("firm_net_revenue_90d", "firm_net_revenue_365d"),
                  ("Geschäft aller Kunden: letzte 90 Tage zum Quartalsmittel",
                   "business of all customers: last 90 days over the quarterly mean"), scale=365 / 90),
        say.ratio("firm_activity_coming_90d", ("firm_net_revenue_90d_ago_275d", "firm_net_revenue_365d"),
                  ("Geschäft aller Kunden im kommenden Quartal des Vorjahres zum Quartalsmittel",
                   "business of all customers in the coming 90 days last year over the quarterly mean"),
                  scale=365 / 90),
        say.ratio("firm_buyers_trend_90d", ("firm_buyers_count_90d", "firm_buyers_count_90d_ago_90d"),
                  ("kaufende Kunden: letzte 90 Tage zu den 90 davor",
                   "customers who buy: last 90 days over the 90 before"), direction=-1),
        say.ratio("orders_net_revenue_trend_over_firm_90d", ("orders_net_revenue_trend_90d",
                                                             "firm_net_revenue_trend_90d"),
                  ("Umsatzentwicklung gegenüber der aller Kunden (90 Tage)",
                   "trend of revenue over that of all customers (90 days)"), cause="order_trend", direction=-1),
    )  # fmt: skip


def _group_features() -> tuple[AnyFeature, ...]:
    say = Declare("group", "profile")
    of: dict[str, Any] = {"pool": "parent_id"}
    found: list[AnyFeature] = []
    for w in (90, 365):
        found += [
            say.pooled("group_net_revenue", both(("Umsatz der Unternehmensgruppe", "revenue of the group"), w),
                       window_days=w, direction=-1, **_REVENUE, **of),
            say.pooled("group_buyers_count", both(("kaufende Kunden der Unternehmensgruppe",
                                                   "customers of the group who buy"), w),
                       window_days=w, direction=-1, **_BUYERS, **of),
        ]  # fmt: skip
    return (
        *found,
        say.ratio("group_net_revenue_trend_90d", ("group_net_revenue_90d", "group_net_revenue_90d_ago_90d"),
                  ("Umsatz der Unternehmensgruppe: letzte 90 Tage zu den 90 davor",
                   "revenue of the group: last 90 days over the 90 before"), direction=-1),
        say.ratio("group_share_365d", ("orders_net_revenue_365d", "group_net_revenue_365d"),
                  both(("eigener Anteil am Umsatz der Unternehmensgruppe", "own share in the revenue of the group"),
                       365), unit="share"),
        say.minus("group_buyers_lost_90d", ("group_buyers_count_365d", "group_buyers_count_90d"),
                  ("Kunden der Unternehmensgruppe, die seit 90 Tagen nicht kaufen",
                   "customers of the group who have not bought for 90 days"), unit="count", direction=1),
        say.pooled("days_since_last_group_order", ("Tage seit der letzten Bestellung der Unternehmensgruppe",
                                                   "days since the last order of the group"),
                   aggregate="days_since_last", where={"is_return": 0}, unit="days", direction=1, **of),
    )  # fmt: skip


def _peer_features() -> tuple[AnyFeature, ...]:
    say = Declare("peers", "order_trend")
    found: list[AnyFeature] = []
    for pool, de, en in (
        ("industry", "der Branche", "of the industry"),
        ("size_class", "der Größenklasse", "of the size class"),
    ):
        found += [
            say.ratio(f"{pool}_net_revenue_trend_90d", (f"{pool}_net_revenue_90d", f"{pool}_net_revenue_90d_ago_90d"),
                      (f"Umsatz {de}: letzte 90 Tage zu den 90 davor", f"revenue {en}: last 90 days over 90 before"),
                      direction=-1),
            say.ratio(f"{pool}_buyers_trend_90d", (f"{pool}_buyers_count_90d", f"{pool}_buyers_count_90d_ago_90d"),
                      (f"kaufende Kunden {de}: letzte 90 Tage zu den 90 davor",
                       f"customers {en} who buy: last 90 days over the 90 before"), direction=-1),
            say.ratio(f"orders_net_revenue_trend_over_{pool}_90d",
                      ("orders_net_revenue_trend_90d", f"{pool}_net_revenue_trend_90d"),
                      (f"Umsatzentwicklung gegenüber {de} (90 Tage)", f"trend of revenue over that {en} (90 days)"),
                      direction=-1),
            say.ratio(f"orders_net_revenue_over_{pool}_365d",
                      ("orders_net_revenue_365d", f"{pool}_net_revenue_per_buyer_365d"),
                      (f"Jahresumsatz zum mittleren Kunden {de}", f"revenue of the year over the mean customer {en}"),
                      cause="order_value"),
        ]  # fmt: skip
    return tuple(found)


def _inputs() -> tuple[AnyFeature, ...]:
    say = Declare("peers", "order_trend")
    none = ("", "")
    found: list[AnyFeature] = []
    for pool in ("firm", "industry", "size_class"):
        of: dict[str, Any] = {"pool": pool}
        found += [
            say.pooled(f"{pool}_net_revenue", none, window_days=w, offset_days=ago, **_REVENUE, **of)
            for w, ago in ((90, 0), (90, 90), (365, 0))
        ]
        found += [
            say.pooled(f"{pool}_buyers_count", none, window_days=90, offset_days=ago, **_BUYERS, **of)
            for ago in (0, 90)
        ]
        if pool == "firm":
            trend = ("firm_net_revenue_90d", "firm_net_revenue_90d_ago_90d")
            found += [
                say.pooled("firm_net_revenue", none, window_days=30, **_REVENUE, **of),
                say.pooled("firm_net_revenue", none, window_days=90, offset_days=275, **_REVENUE, **of),
                say.ratio("firm_net_revenue_trend_90d", trend, none),
            ]
        else:
            mean = (f"{pool}_net_revenue_365d", f"{pool}_buyers_count_365d")
            found += [
                say.pooled(f"{pool}_buyers_count", none, window_days=365, **_BUYERS, **of),
                say.ratio(f"{pool}_net_revenue_per_buyer_365d", mean, none, unit="money"),
            ]
    group: dict[str, Any] = {"pool": "parent_id", **_REVENUE}
    found.append(say.pooled("group_net_revenue", none, window_days=90, offset_days=90, **group))
    return tuple(found)


FEATURES: tuple[AnyFeature, ...] = (*_firm_features(), *_group_features(), *_peer_features())
INPUTS: tuple[AnyFeature, ...] = _inputs()
