"""Order patterns: the streams of order lines, orders and gaps between order days, and their features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline, as_columns, order_within
from crm_ml.features.spec import AnyFeature, Cause, Feature, Ratio, cause_by_prefix, windowed
from crm_ml.features.timeline import FOREVER, I64, NULL

_LINES = n.ORDER_LINES
_NEEDS = tuple(f"{_LINES}.{column}" for column in ("order_id", n.CUSTOMER_ID, "ordered_at", "net_amount"))


def _order_lines(timeline: Timeline) -> Events:
    amounts = {name: name for name in ("net_amount", "quantity", "cost_amount", "list_amount")}
    events = timeline.events(_LINES, amounts, {"product_id": "product_id", "order_id": "order_id"})
    columns = as_columns(events.columns)

    def discount() -> I64:
        net, full = columns["net_amount"], columns["list_amount"]
        return np.where(full == NULL, NULL, full - net)

    return replace(
        events,
        columns=columns.but(
            is_return=lambda: (columns["net_amount"] < 0).astype(np.int64),
            sold_amount=lambda: np.maximum(columns["net_amount"], 0),
            returned_amount=lambda: np.maximum(-columns["net_amount"], 0),
            discount_amount=discount,
        ),
    )


def _orders(timeline: Timeline) -> Events:
    from crm_ml.features import kernels

    lines = timeline.stream("order_lines")
    lines = lines.sorted_by(lines.subject, lines.columns["order_id"], lines.seen_from)
    order = lines.columns["order_id"]
    group = lines.subject * (int(order.max(initial=0)) + 1) + order
    ending = np.flatnonzero(lines.seen_until < FOREVER)
    removals = ending[np.lexsort((lines.seen_until[ending], group[ending]))]
    amounts = ("net_amount", "quantity", "cost_amount")
    x = np.stack([np.where(lines.columns[name] == NULL, 0, lines.columns[name]) for name in amounts])
    first, t, begins, ends, rows, sums = kernels.group_states(
        group, lines.t, lines.seen_from, lines.seen_until, removals, x
    )
    columns = {
        **dict(zip(amounts, sums, strict=True)),
        "lines": rows,
        "is_purchase": (sums[0] > 0).astype(np.int64),
        "is_return": (sums[0] < 0).astype(np.int64),
        "day": timeline.clock.day(t),
    }
    return Events(lines.subject[first], t, begins, ends, columns)


def gaps(events: Events, day: I64) -> Events:
    """Return the gaps between consecutive days with at least one visible event.

    A gap's t is that of the first visible event of its later day; `gap_days` is the difference of the two local days.
    """
    from crm_ml.features import kernels

    order = order_within(events.subject, day, events.t)
    sorted_, day = (events, day) if order is None else (events.take(order), day[order])
    ending = np.flatnonzero(sorted_.seen_until < FOREVER)
    which = np.concatenate((np.arange(len(sorted_)), -1 - ending))
    row = np.concatenate((np.arange(len(sorted_)), ending))
    when = np.concatenate((sorted_.seen_from, sorted_.seen_until[ending]))
    changes = order_within(sorted_.subject[row], when, row)
    if changes is not None:
        when, which = when[changes], which[changes]
    row, t, days, begins, ends = kernels.gap_states(sorted_.subject, day, sorted_.t, when, which)
    return Events(sorted_.subject[row], t, begins, ends, {"gap_days": days})


def _order_gaps(timeline: Timeline) -> Events:
    orders = timeline.stream("orders")
    purchases = orders.take(orders.columns["is_purchase"] == 1)
    return gaps(purchases, purchases.columns["day"])


def _amount(definition: str, *columns: str) -> Measure:
    return Measure("money", definition, tuple(f"{_LINES}.{column}" for column in columns))


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "order_lines",
            "One event per order line (its newest visible version); t = ordered_at.",
            _NEEDS,
            {
                "net_amount": _amount("net amount, negative for returns and credit lines", "net_amount"),
                "sold_amount": _amount("net_amount where it is not negative, else 0", "net_amount"),
                "returned_amount": _amount("-net_amount where it is negative, else 0", "net_amount"),
                "cost_amount": _amount("cost of the line", "cost_amount"),
                "list_amount": _amount("amount of the line at list prices", "list_amount"),
                "discount_amount": _amount("list_amount - net_amount", "list_amount", "net_amount"),
                "quantity": Measure("number", "quantity", (f"{_LINES}.quantity",)),
                "is_return": Measure("flag", "1 if net_amount < 0"),
                "product_id": Measure("text", "product", (f"{_LINES}.product_id",)),
                "order_id": Measure("text", "order"),
            },
            _order_lines,
        ),
        Stream(
            "orders",
            "One event per order = the visible lines of one order_id of one customer; "
            "t = ordered_at of its first visible line.",
            _NEEDS,
            {
                "net_amount": _amount("sum of net_amount over the order's visible lines", "net_amount"),
                "cost_amount": _amount("sum of cost_amount over the visible lines (null as 0)", "cost_amount"),
                "quantity": Measure(
                    "number", "sum of quantity over the visible lines (null as 0)", (f"{_LINES}.quantity",)
                ),
                "lines": Measure("count", "number of visible lines"),
                "is_purchase": Measure("flag", "1 if the visible net amount is > 0"),
                "is_return": Measure("flag", "1 if the visible net amount is < 0"),
                "day": Measure("count", "local calendar day of t"),
            },
            _orders,
        ),
        Stream(
            "order_gaps",
            "One event per gap between consecutive distinct local days with a visible purchase; "
            "t = time of the first visible purchase of the gap's later day.",
            _NEEDS,
            {"gap_days": Measure("days", "local days between the two purchase days")},
            _order_gaps,
        ),
    )
}

_WINDOWS = (30, 90, 180, 365)
_PURCHASE = {"is_purchase": 1}
_CAUSES: Mapping[str, Cause] = {
    "days_since_last_order": "order_pause",
    "days_since_first_order": "relationship_age",
    "order_days_count": "relationship_age",
    "order_days_count_365d": "order_rhythm",
    "order_gap_days": "order_rhythm",
    "orders_count": "order_rhythm",
    **dict.fromkeys(("orders_count_30d", "orders_count_90d", "orders_count_trend", "orders_count_over"), "order_trend"),
    **dict.fromkeys(("orders_net_revenue_30d", "orders_net_revenue_90d"), "order_trend"),
    **dict.fromkeys(("orders_net_revenue_trend", "orders_net_revenue_over"), "order_trend"),
    **dict.fromkeys(("orders_count_90d_ago", "orders_net_revenue_90d_ago"), "season"),
    **dict.fromkeys(("orders_net_revenue", "orders_net_amount", "orders_last_amount"), "order_value"),
    **dict.fromkeys(("orders_basket", "orders_cost"), "order_value"),
    "orders_products": "product_range",
    "orders_returns": "returns",
    "orders_discount": "price",
}
"""Prefix of the ids -> what they tell of: short windows and comparisons of a trend, long windows of a habit."""


def _declare() -> tuple[AnyFeature, ...]:
    def ratio(id: str, over: tuple[str, str], text: tuple[str, str], *, direction: int, scale: float = 1.0) -> Ratio:
        share = over[0].startswith(("orders_returned", "orders_discount"))
        return Ratio(
            id=id, numerator=over[0], denominator=over[1], scale=scale, unit="share" if share else "ratio",
            direction=direction, text_de=text[0], text_en=text[1], family="orders",
            cause=cause_by_prefix(id, _CAUSES),
        )  # fmt: skip

    def plain(stem: str, text: tuple[str, str], **fields: Any) -> Feature:
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        cause = cause_by_prefix(id, _CAUSES)
        return Feature(id=id, text_de=text[0], text_en=text[1], family="orders", cause=cause, **fields)

    count: dict[str, Any] = {"source": "orders", "where": _PURCHASE, "unit": "count"}
    revenue: dict[str, Any] = {
        "source": "order_lines", "measure": "net_amount", "aggregate": "sum", "unit": "money"
    }  # fmt: skip
    gap: dict[str, Any] = {"source": "order_gaps", "measure": "gap_days", "unit": "days", "direction": 1}
    found: list[AnyFeature] = []
    for w in _WINDOWS:
        de, en = f"in den letzten {w} Tagen", f"in the last {w} days"
        found += [
            plain("orders_count", (f"Bestellungen {de}", f"orders {en}"), **count, window_days=w, direction=-1),
            plain("orders_net_revenue", (f"Umsatz {de}", f"revenue {en}"), **revenue, window_days=w, direction=-1),
            plain(
                "orders_basket_mean", (f"mittlerer Bestellwert {de}", f"mean order value {en}"), source="orders",
                measure="net_amount", aggregate="mean", where=_PURCHASE, window_days=w, unit="money",
            ),
            plain(
                "orders_products_count", (f"verschiedene Artikel {de}", f"different products {en}"), direction=-1,
                source="order_lines", measure="product_id", aggregate="distinct", where={"is_return": 0},
                window_days=w, unit="count",
            ),
            ratio(
                f"orders_returns_share_{w}d", (f"orders_returned_amount_{w}d", f"orders_sold_amount_{w}d"),
                (f"Anteil der Retouren am Umsatz {de}", f"share of returns in revenue {en}"), direction=1,
            ),
        ]  # fmt: skip
    year = "in den letzten 365 Tagen", "in the last 365 days"
    found += [
        plain("orders_cost", (f"Kosten der Bestellungen {year[0]}", f"cost of orders {year[1]}"), source="order_lines",
              measure="cost_amount", aggregate="sum", window_days=365, unit="money"),
        plain("orders_returns_count", (f"Retouren {year[0]}", f"returns {year[1]}"), source="orders",
              where={"is_return": 1}, window_days=365, unit="count", direction=1),
        plain("orders_net_amount_max", (f"größte Bestellung {year[0]}", f"largest order {year[1]}"), source="orders",
              measure="net_amount", aggregate="max", where=_PURCHASE, window_days=365, unit="money"),
        plain("days_since_last_order", ("Tage seit der letzten Bestellung", "days since the last order"),
              source="orders", aggregate="days_since_last", where=_PURCHASE, unit="days", direction=1),
        plain("days_since_first_order", ("Tage seit der ersten Bestellung", "days since the first order"),
              source="orders", aggregate="days_since_first", where=_PURCHASE, unit="days", direction=-1),
        plain("order_days_count", ("Bestelltage insgesamt", "days with an order so far"), source="orders",
              measure="day", aggregate="distinct", where=_PURCHASE, unit="count", direction=-1),
        plain("order_days_count", (f"Bestelltage {year[0]}", f"days with an order {year[1]}"), source="orders",
              measure="day", aggregate="distinct", where=_PURCHASE, window_days=365, unit="count", direction=-1),
        plain("order_gap_days_mean", ("üblicher Bestellabstand (Tage)", "usual gap between orders (days)"),
              aggregate="mean", **gap),
        plain("order_gap_days_mean", (f"mittlerer Bestellabstand {year[0]}", f"mean gap between orders {year[1]}"),
              aggregate="mean", window_days=365, **gap),
        plain("order_gap_days_sd", ("Schwankung der Bestellabstände (Tage)", "spread of gaps between orders (days)"),
              aggregate="sd", **gap),
        plain("order_gap_days_sd", (f"Schwankung der Bestellabstände {year[0]}", f"spread of gaps {year[1]}"),
              aggregate="sd", window_days=365, **gap),
        plain("order_gap_days_max", ("längster Bestellabstand (Tage)", "longest gap between orders (days)"),
              aggregate="max", **gap),
        plain("order_gap_days_max", (f"längster Bestellabstand {year[0]}", f"longest gap between orders {year[1]}"),
              aggregate="max", window_days=365, **gap),
        plain("order_gap_days_last", ("letzter Bestellabstand (Tage)", "last gap between orders (days)"),
              aggregate="last", **gap),
        plain("orders_net_amount_last", ("Wert der letzten Bestellung", "value of the last order"), source="orders",
              measure="net_amount", aggregate="last", where=_PURCHASE, unit="money"),
        plain("orders_count", ("Bestellungen in den 90 Tagen vor einem Jahr", "orders in the 90 days up to a year ago"),
              **count, window_days=90, offset_days=365),
        plain("orders_net_revenue",
              ("Umsatz in den 90 Tagen vor einem Jahr", "revenue in the 90 days up to a year ago"),
              **revenue, window_days=90, offset_days=365),
        plain("orders_count",
              ("Bestellungen im kommenden Quartal des Vorjahres", "orders in the same coming 90 days last year"),
              **count, window_days=90, offset_days=275, direction=-1),
        plain("orders_net_revenue",
              ("Umsatz im kommenden Quartal des Vorjahres", "revenue in the same coming 90 days last year"),
              **revenue, window_days=90, offset_days=275, direction=-1),
    ]  # fmt: skip
    last = "days_since_last_order"
    found += [
        ratio("order_gap_days_cv", ("order_gap_days_sd", "order_gap_days_mean"),
              ("Unregelmäßigkeit der Bestellabstände", "irregularity of gaps between orders"), direction=1),
        ratio(f"{last}_over_own_gap", (last, "order_gap_days_mean"),
              ("Tage seit letzter Bestellung im Verhältnis zum üblichen Abstand",
               "days since the last order relative to the usual gap"), direction=1),
        ratio(f"{last}_over_own_gap_365d", (last, "order_gap_days_mean_365d"),
              ("Tage seit letzter Bestellung im Verhältnis zum Abstand des letzten Jahres",
               "days since the last order relative to last year's gap"), direction=1),
        ratio(f"{last}_over_longest_gap", (last, "order_gap_days_max"),
              ("Tage seit letzter Bestellung im Verhältnis zum längsten Abstand",
               "days since the last order relative to the longest gap"), direction=1),
        ratio("order_gap_days_last_over_own_gap", ("order_gap_days_last", "order_gap_days_mean"),
              ("letzter Bestellabstand im Verhältnis zum üblichen", "last gap relative to the usual gap"), direction=1),
        ratio("orders_count_trend_90d", ("orders_count_90d", "orders_count_90d_ago_90d"),
              ("Bestellungen: letzte 90 Tage zu den 90 davor", "orders: last 90 days over the 90 before"),
              direction=-1),
        ratio("orders_net_revenue_trend_90d", ("orders_net_revenue_90d", "orders_net_revenue_90d_ago_90d"),
              ("Umsatz: letzte 90 Tage zu den 90 davor", "revenue: last 90 days over the 90 before"), direction=-1),
        ratio("orders_count_trend_365d", ("orders_count_365d", "orders_count_365d_ago_365d"),
              ("Bestellungen: letztes Jahr zum Jahr davor", "orders: last year over the year before"), direction=-1),
        ratio("orders_net_revenue_trend_365d", ("orders_net_revenue_365d", "orders_net_revenue_365d_ago_365d"),
              ("Umsatz: letztes Jahr zum Jahr davor", "revenue: last year over the year before"), direction=-1),
        ratio("orders_count_over_last_year_90d", ("orders_count_90d", "orders_count_90d_ago_365d"),
              ("Bestellungen: letzte 90 Tage zu denen vor einem Jahr", "orders: last 90 days over those a year ago"),
              direction=-1),
        ratio("orders_net_revenue_over_last_year_90d", ("orders_net_revenue_90d", "orders_net_revenue_90d_ago_365d"),
              ("Umsatz: letzte 90 Tage zu denen vor einem Jahr", "revenue: last 90 days over those a year ago"),
              direction=-1),
        ratio("orders_count_30d_over_own_month", ("orders_count_30d", "orders_count_365d"),
              ("Bestellungen: letzte 30 Tage zum eigenen Monatsmittel", "orders: last 30 days over own monthly mean"),
              direction=-1, scale=365 / 30),
        ratio("orders_net_revenue_90d_over_own_quarter", ("orders_net_revenue_90d", "orders_net_revenue_365d"),
              ("Umsatz: letzte 90 Tage zum eigenen Quartalsmittel", "revenue: last 90 days over own quarterly mean"),
              direction=-1, scale=365 / 90),
        ratio("orders_basket_trend_90d", ("orders_basket_mean_90d", "orders_basket_mean_365d"),
              ("Bestellwert: letzte 90 Tage zum Jahresmittel", "order value: last 90 days over the year's mean"),
              direction=-1),
        ratio("orders_last_amount_over_own_basket", ("orders_net_amount_last", "orders_basket_mean_365d"),
              ("Wert der letzten Bestellung zum Jahresmittel", "value of the last order over the year's mean"),
              direction=-1),
        ratio("orders_products_share_90d", ("orders_products_count_90d", "orders_products_count_365d"),
              ("Artikel: letzte 90 Tage zu denen des Jahres", "products: last 90 days over the year"),
              direction=-1),
        ratio("orders_discount_share_90d", ("orders_discount_amount_90d", "orders_list_amount_90d"),
              ("Rabatt auf den Listenpreis in den letzten 90 Tagen", "discount on list prices in the last 90 days"),
              direction=0),
        ratio("orders_discount_share_365d", ("orders_discount_amount_365d", "orders_list_amount_365d"),
              (f"Rabatt auf den Listenpreis {year[0]}", f"discount on list prices {year[1]}"), direction=0),
    ]  # fmt: skip
    return tuple(found)


def _inputs() -> tuple[Feature, ...]:
    """Features that only serve as numerators and denominators."""
    amounts: list[tuple[int, str, dict[str, int]]] = [
        (w, f"{name}_amount", {}) for w in _WINDOWS for name in ("returned", "sold")
    ]
    amounts += [(w, f"{name}_amount", {"is_return": 0}) for w in (90, 365) for name in ("discount", "list")]
    found = [
        Feature(
            id=f"orders_{measure}_{w}d",
            source="order_lines",
            measure=measure,
            aggregate="sum",
            window_days=w,
            where=where,
            unit="money",
            family="orders",
        )
        for w, measure, where in amounts
    ]
    for w, offset in ((90, 90), (365, 365)):
        found += [
            Feature(
                id=windowed("orders_count", w, offset), source="orders", where=_PURCHASE, window_days=w,
                offset_days=offset, unit="count", family="orders",
            ),
            Feature(
                id=windowed("orders_net_revenue", w, offset), source="order_lines", measure="net_amount",
                aggregate="sum", window_days=w, offset_days=offset, unit="money", family="orders",
            ),
        ]  # fmt: skip
    return tuple(found)


FEATURES: tuple[AnyFeature, ...] = _declare()
INPUTS: tuple[AnyFeature, ...] = _inputs()
