"""What is bought, at which price and how it is delivered: prices, products, categories and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.rows import codes
from crm_ml.features.spec import AnyFeature
from crm_ml.features.timeline import NULL
from crm_ml.features.visibility import known_times

_LINES = n.ORDER_LINES
_NEEDS = tuple(f"{_LINES}.{column}" for column in ("order_id", n.CUSTOMER_ID, "ordered_at", "net_amount"))
_CATEGORY = f"{n.PRODUCTS}.category"
_CALL_OFF_DAYS = 30


def _priced_lines(timeline: Timeline) -> Events:
    lines = timeline.stream("order_lines")
    sold = lines.take(lines.columns["is_return"] == 0)
    net, quantity, full, cost = (
        sold.columns[name] for name in ("net_amount", "quantity", "list_amount", "cost_amount")
    )
    counted = quantity > 0  # NULL is the least integer
    columns = {
        "counted_amount": np.where(counted, net, NULL),
        "counted_quantity": np.where(counted, quantity, NULL),
        "is_discounted": np.where(full == NULL, NULL, (full > net).astype(np.int64)),
        "costed_amount": np.where(cost == NULL, NULL, net),
        "margin_amount": np.where(cost == NULL, NULL, net - cost),
    }
    return replace(sold, columns=columns, levels={})


def _product_lines(timeline: Timeline) -> Events:
    lines = timeline.stream("order_lines")
    lines = lines.take((lines.columns["is_return"] == 0) & (lines.columns["product_id"] != NULL))
    return replace(lines, columns={name: lines.columns[name] for name in ("net_amount", "product_id")})


def _category_lines(timeline: Timeline) -> Events:
    """Return the lines that were sold, with the category of their product, once that is known."""
    lines = timeline.stream("product_lines")
    products = timeline.tables.frames[n.PRODUCTS]
    names = lines.levels["product_id"].array
    place = pc.fill_null(pc.cast(pc.index_in(names, products.column("product_id")), pa.int64()), -1).to_numpy()
    category, texts = codes(products.column("category"))
    known = known_times(timeline.tables, n.PRODUCTS, "category")
    row = np.append(place, -1)[lines.columns["product_id"]]
    of_line = np.append(category, NULL)[row]
    columns = {"net_amount": lines.columns["net_amount"], "category": of_line}
    since = np.maximum(lines.seen_from, np.append(known, NULL)[row])
    found = replace(lines, columns=columns, levels={"category": texts}, seen_from=since)
    return found.take(of_line != NULL)


def _deliveries(timeline: Timeline) -> Events:
    """Return the delivered lines: they are there from the later of the row's and the delivery's time."""
    events = timeline.events(_LINES, {"net_amount": "net_amount", "delivery_at": "delivery_at"})
    events = events.take((events.columns["delivery_at"] != NULL) & (events.columns["net_amount"] >= 0))
    at = events.columns["delivery_at"]
    days = timeline.clock.day(at) - timeline.clock.day(events.t)
    columns = {
        "net_amount": events.columns["net_amount"],
        "delivery_days": days,
        "is_call_off": (days > _CALL_OFF_DAYS).astype(np.int64),
    }
    return Events(events.subject, at, np.maximum(events.seen_from, at), events.seen_until, columns)


def _undelivered(timeline: Timeline) -> Events:
    events = timeline.events(_LINES, {"net_amount": "net_amount", "delivery_at": "delivery_at"})
    events = events.take(events.columns["net_amount"] >= 0)
    at = events.columns["delivery_at"]
    until = np.where(at == NULL, events.seen_until, np.minimum(events.seen_until, at))
    return Events(events.subject, events.t, events.seen_from, until, {"net_amount": events.columns["net_amount"]})


def _line(kind: Any, definition: str, *columns: str) -> Measure:
    return Measure(kind, definition, tuple(f"{_LINES}.{column}" for column in columns))


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "priced_lines",
            "One event per order line that is no return (net_amount >= 0); t = ordered_at.",
            _NEEDS,
            {
                "counted_amount": _line("money", "net amount of a line with quantity > 0, else null", "quantity"),
                "counted_quantity": _line("number", "quantity of a line with quantity > 0, else null", "quantity"),
                "is_discounted": _line("flag", "1 if list_amount > net_amount; null without it", "list_amount"),
                "costed_amount": _line("money", "net amount of a line with a cost, else null", "cost_amount"),
                "margin_amount": _line("money", "net_amount - cost_amount; null without a cost", "cost_amount"),
            },
            _priced_lines,
        ),
        Stream(
            "product_lines",
            "One event per order line that is no return and names a product; t = ordered_at.",
            (*_NEEDS, f"{_LINES}.product_id"),
            {"net_amount": _line("money", "net amount", "net_amount"), "product_id": Measure("text", "product")},
            _product_lines,
        ),
        Stream(
            "category_lines",
            "One event per order line that is no return and whose product has a category; t = ordered_at.",
            (*_NEEDS, f"{_LINES}.product_id", f"{n.PRODUCTS}.product_id", _CATEGORY),
            {
                "net_amount": _line("money", "net amount", "net_amount"),
                "category": Measure("text", "category of the product"),
            },
            _category_lines,
        ),
        Stream(
            "deliveries",
            "One event per visible order line that is no return and whose delivery_at is before the cutoff; "
            "t = delivery_at.",
            (*_NEEDS, f"{_LINES}.delivery_at"),
            {
                "net_amount": _line("money", "net amount", "net_amount"),
                "delivery_days": Measure("days", "local day of delivery_at - local day of ordered_at"),
                "is_call_off": Measure("flag", f"1 if delivery_days > {_CALL_OFF_DAYS}: called off a blanket order"),
            },
            _deliveries,
        ),
        Stream(
            "undelivered_lines",
            "One event per visible order line that is no return and has no delivery_at before the cutoff; "
            "t = ordered_at.",
            (*_NEEDS, f"{_LINES}.delivery_at"),
            {"net_amount": _line("money", "net amount", "net_amount")},
            _undelivered,
        ),
    )
}

_SOLD: dict[str, Any] = {"source": "order_lines", "where": {"is_return": 0}}
_PRODUCTS: dict[str, Any] = {**_SOLD, "measure": "product_id", "aggregate": "distinct", "unit": "count"}
_CATEGORIES: dict[str, Any] = {
    "source": "category_lines", "measure": "category", "aggregate": "distinct", "unit": "count",
}  # fmt: skip
_LONG = (90, 365)


def _price() -> list[AnyFeature]:
    say = Declare("price", "price")
    found: list[AnyFeature] = []
    for w in _LONG:
        found += [
            say.ratio(f"orders_unit_price_{w}d", (f"orders_counted_amount_{w}d", f"orders_counted_quantity_{w}d"),
                      both(("mittlerer Preis je Einheit", "mean price per unit"), w), unit="money"),
            say.plain("orders_discounted_share", both(("Anteil der Positionen mit Rabatt",
                                                       "share of lines with a discount"), w),
                      source="priced_lines", measure="is_discounted", aggregate="mean", window_days=w, unit="share"),
            say.ratio(f"orders_margin_share_{w}d", (f"orders_margin_amount_{w}d", f"orders_costed_amount_{w}d"),
                      both(("Marge am Umsatz", "margin on revenue"), w), unit="share"),
        ]  # fmt: skip
    return [
        *found,
        say.ratio("orders_unit_price_trend_90d", ("orders_unit_price_90d", "orders_unit_price_365d"),
                  ("Preis je Einheit: letzte 90 Tage zum Jahr", "price per unit: last 90 days over the year"),
                  direction=1),
        say.minus("orders_discount_change_90d", ("orders_discount_share_90d", "orders_discount_share_365d"),
                  ("Rabatt: letzte 90 Tage gegen das Jahr", "discount: last 90 days against the year"), unit="share",
                  direction=-1),
        say.minus("orders_margin_change_90d", ("orders_margin_share_90d", "orders_margin_share_365d"),
                  ("Marge: letzte 90 Tage gegen das Jahr", "margin: last 90 days against the year"), unit="share"),
    ]  # fmt: skip


def _products() -> list[AnyFeature]:
    say = Declare("products", "product_range")
    found: list[AnyFeature] = []
    for w in _LONG:
        found += [
            say.ratio(f"orders_main_product_share_{w}d",
                      (f"orders_main_product_amount_{w}d", f"orders_product_amount_{w}d"),
                      both(("Anteil des Hauptartikels am Umsatz", "share of the main product in revenue"), w),
                      unit="share", direction=1),
            say.plain("orders_lines_mean", both(("Positionen je Bestellung", "lines per order"), w), source="orders",
                      measure="lines", aggregate="mean", where={"is_purchase": 1}, window_days=w, unit="number"),
        ]  # fmt: skip
    return [
        *found,
        say.minus("orders_products_lost_90d", ("orders_products_count_365d", "orders_products_count_90d"),
                  ("Artikel des Jahres, die seit 90 Tagen ausbleiben",
                   "products of the year not ordered for 90 days"), unit="count", direction=1),
        say.minus("orders_products_new_90d", ("orders_products_count_all", "orders_products_count_ago_90d"),
                  ("zum ersten Mal bestellte Artikel der letzten 90 Tage",
                   "products ordered for the first time in the last 90 days"), unit="count", direction=-1),
        say.ratio("orders_lines_mean_trend_90d", ("orders_lines_mean_90d", "orders_lines_mean_365d"),
                  ("Positionen je Bestellung: letzte 90 Tage zum Jahr",
                   "lines per order: last 90 days over the year"), direction=-1),
        say.ratio("orders_products_trend_365d", ("orders_products_count_365d", "orders_products_count_365d_ago_365d"),
                  ("Artikel: letztes Jahr zum Jahr davor", "products: last year over the year before"), direction=-1),
    ]  # fmt: skip


def _categories() -> list[AnyFeature]:
    say = Declare("categories", "product_range")
    found: list[AnyFeature] = []
    for w in _LONG:
        found += [
            say.plain("orders_categories_count", both(("Warengruppen", "product categories"), w), window_days=w,
                      direction=-1, **_CATEGORIES),
            say.ratio(f"orders_main_category_share_{w}d",
                      (f"orders_main_category_amount_{w}d", f"orders_category_amount_{w}d"),
                      both(("Anteil der größten Warengruppe am Umsatz", "share of the largest category in revenue"),
                           w), unit="share", direction=1),
        ]  # fmt: skip
    return [
        *found,
        say.minus("orders_categories_lost_90d", ("orders_categories_count_365d", "orders_categories_count_90d"),
                  ("Warengruppen des Jahres, die seit 90 Tagen ausbleiben",
                   "categories of the year not ordered for 90 days"), unit="count", direction=1),
        say.minus("orders_categories_lost_365d", ("orders_categories_count_all", "orders_categories_count_365d"),
                  ("seit einem Jahr ausbleibende Warengruppen", "categories not ordered for a year"), unit="count",
                  direction=1),
        say.minus("orders_categories_new_90d", ("orders_categories_count_all", "orders_categories_count_ago_90d"),
                  ("neue Warengruppen der letzten 90 Tage", "new categories of the last 90 days"), unit="count",
                  direction=-1),
        say.ratio("orders_category_decline_365d",
                  ("orders_category_decline_amount_365d", "orders_category_amount_365d"),
                  ("stärkster Rückgang einer Warengruppe, letzte 90 Tage zum Jahr",
                   "steepest decline of a category, last 90 days over the year"), unit="ratio", direction=1,
                  scale=365 / 90),
        say.minus("orders_main_category_share_change_90d",
                  ("orders_main_category_share_90d", "orders_main_category_share_365d"),
                  ("Anteil der größten Warengruppe: letzte 90 Tage gegen das Jahr",
                   "share of the largest category: last 90 days against the year"), unit="share", direction=1),
    ]  # fmt: skip


def _delivered() -> list[AnyFeature]:
    say = Declare("deliveries", "order_rhythm")
    found: list[AnyFeature] = []
    for w in _LONG:
        found += [
            say.plain("deliveries_count", both(("gelieferte Positionen", "delivered lines"), w), source="deliveries",
                      window_days=w, unit="count", direction=-1),
            say.plain("delivery_days_mean", both(("mittlere Lieferzeit (Tage)", "mean days to deliver"), w),
                      source="deliveries", measure="delivery_days", aggregate="mean", window_days=w, unit="days",
                      direction=1),
            say.plain("call_offs_count", both(("Abrufe aus Rahmenaufträgen", "call-offs of blanket orders"), w),
                      source="deliveries", where={"is_call_off": 1}, window_days=w, unit="count", direction=-1),
        ]  # fmt: skip
    return [
        *found,
        say.minus("delivery_days_change_90d", ("delivery_days_mean_90d", "delivery_days_mean_365d"),
                  ("Lieferzeit: letzte 90 Tage gegen das Jahr (Tage)",
                   "days to deliver: last 90 days against the year"), unit="days", direction=1),
        say.plain("days_since_last_delivery", ("Tage seit der letzten Lieferung", "days since the last delivery"),
                  source="deliveries", aggregate="days_since_last", unit="days", cause="order_pause", direction=1),
        say.ratio("days_since_last_delivery_over_own_gap", ("days_since_last_delivery", "order_gap_days_mean"),
                  ("Tage seit letzter Lieferung zum üblichen Bestellabstand",
                   "days since the last delivery over the usual gap between orders"), cause="order_pause",
                  direction=1),
        say.plain("undelivered_amount", both(("noch nicht gelieferter Auftragswert", "ordered and not delivered yet"),
                                             365),
                  source="undelivered_lines", measure="net_amount", aggregate="sum", window_days=365, unit="money",
                  direction=-1),
        say.ratio("undelivered_share_365d", ("undelivered_amount_365d", "orders_sold_amount_365d"),
                  both(("Anteil des noch nicht Gelieferten am Auftragswert",
                        "share of orders not delivered yet"), 365), unit="share", direction=-1),
    ]  # fmt: skip


def _inputs() -> list[AnyFeature]:
    price, say = Declare("price", "price"), Declare("products", "product_range")
    none = ("", "")
    found: list[AnyFeature] = []
    for w in _LONG:
        of_lines: dict[str, Any] = {"aggregate": "sum", "window_days": w, "unit": "money"}
        found += [
            price.plain(f"orders_{name}", none, source="priced_lines", measure=name, **of_lines)
            for name in ("counted_amount", "costed_amount", "margin_amount")
        ]
        found += [
            price.plain("orders_counted_quantity", none, source="priced_lines", measure="counted_quantity",
                        aggregate="sum", window_days=w, unit="number"),
            say.peak("orders_main_product_amount", none, source="product_lines", measure="net_amount",
                     by="product_id", **of_lines),
            say.plain("orders_product_amount", none, source="product_lines", measure="net_amount", **of_lines),
            say.peak("orders_main_category_amount", none, source="category_lines", measure="net_amount",
                     by="category", **of_lines),
            say.plain("orders_category_amount", none, source="category_lines", measure="net_amount", **of_lines),
        ]  # fmt: skip
    of_goods = (("products", _PRODUCTS), ("categories", _CATEGORIES))
    for name, fields in of_goods:
        found += [
            say.plain(f"orders_{name}_count_all", none, **fields),
            say.plain(f"orders_{name}_count", none, offset_days=90, **fields),
        ]
    return [
        *found,
        say.plain("orders_products_count", none, window_days=365, offset_days=365, **_PRODUCTS),
        say.peak("orders_category_decline_amount", none, source="category_lines", measure="net_amount", by="category",
                 aggregate="sum", window_days=365, against_days=90, unit="money"),
    ]  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = (*_price(), *_products(), *_categories(), *_delivered())
INPUTS: tuple[AnyFeature, ...] = tuple(_inputs())
