"""Regularity and own season: gaps, usual weekdays and months of orders, and the same time of earlier years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.spec import AnyFeature

_NEEDS = tuple(f"{n.ORDER_LINES}.{column}" for column in ("order_id", n.CUSTOMER_ID, "ordered_at", "net_amount"))
_TEN_DAYS, _TWENTY_DAYS = 10, 20


def _purchases(timeline: Timeline) -> Events:
    orders = timeline.stream("orders")
    bought = orders.take(orders.columns["is_purchase"] == 1)
    days = bought.columns["day"].astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    of_month = (days - months).astype(np.int64)
    columns = {
        "net_amount": bought.columns["net_amount"],
        # 1 January 1970 was a Thursday
        "weekday": (bought.columns["day"] + 3) % 7,
        "month": months.astype(np.int64),
        "third": (of_month >= _TEN_DAYS).astype(np.int64) + (of_month >= _TWENTY_DAYS),
    }
    return replace(bought, columns=columns, levels={})


STREAMS: Mapping[str, Stream] = {
    "purchases": Stream(
        "purchases",
        "One event per order whose visible net amount is > 0 (see orders); t = ordered_at of its first visible line.",
        _NEEDS,
        {
            "net_amount": Measure("money", "sum of net_amount over the order's visible lines"),
            "weekday": Measure("count", "local weekday of t, Monday = 0"),
            "month": Measure("count", "local calendar month of t, counted from January 1970"),
            "third": Measure("count", "third of the local month: day 1 to 10 = 0, 11 to 20 = 1, the rest = 2"),
        },
        _purchases,
    )
}

_YEAR: dict[str, Any] = {"window_days": 365}


def _regularity() -> tuple[AnyFeature, ...]:
    say = Declare("regularity", "order_rhythm")
    bought: dict[str, Any] = {"source": "purchases", "unit": "count"}
    gap: dict[str, Any] = {"source": "order_gaps", "measure": "gap_days", "unit": "days"}
    return (
        say.ratio("order_gap_days_cv_365d", ("order_gap_days_sd_365d", "order_gap_days_mean_365d"),
                  both(("Unregelmäßigkeit der Bestellabstände", "irregularity of gaps between orders"), 365),
                  direction=1),
        say.plain("order_gap_days_min", both(("kürzester Bestellabstand", "shortest gap between orders"), 365),
                  aggregate="min", direction=1, **gap, **_YEAR),
        say.minus("order_gap_days_range_365d", ("order_gap_days_max_365d", "order_gap_days_min_365d"),
                  both(("Spanne der Bestellabstände", "range of gaps between orders"), 365), unit="days", direction=1),
        say.ratio("order_gap_days_lengthening_180d", ("order_gap_days_mean_180d", "order_gap_days_mean"),
                  ("Bestellabstand der letzten 180 Tage zum üblichen", "gap of the last 180 days over the usual gap"),
                  direction=1),
        say.ratio("days_since_last_order_over_longest_gap_365d", ("days_since_last_order", "order_gap_days_max_365d"),
                  ("Tage seit letzter Bestellung zum längsten Abstand des Jahres",
                   "days since the last order over the longest gap of the year"), cause="order_pause", direction=1),
        say.minus("days_since_last_order_beyond_own_gap", ("days_since_last_order", "order_gap_days_mean"),
                  ("Tage über den üblichen Bestellabstand hinaus", "days beyond the usual gap between orders"),
                  unit="days", cause="order_pause", direction=1),
        say.plain("orders_weekdays_count", both(("Wochentage mit Bestellung", "weekdays with an order"), 365),
                  measure="weekday", aggregate="distinct", **bought, **_YEAR),
        say.plain("orders_months_count", both(("Monate mit Bestellung", "months with an order"), 365),
                  measure="month", aggregate="distinct", direction=-1, **bought, **_YEAR),
        say.ratio("orders_usual_weekday_share_365d", ("orders_usual_weekday_count_365d", "orders_count_365d"),
                  both(("Anteil der Bestellungen am üblichen Wochentag", "share of orders on the usual weekday"), 365),
                  unit="share"),
        say.ratio("orders_usual_third_share_365d", ("orders_usual_third_count_365d", "orders_count_365d"),
                  both(("Anteil der Bestellungen im üblichen Monatsdrittel",
                        "share of orders in the usual third of the month"), 365), unit="share"),
    )  # fmt: skip


def _season() -> tuple[AnyFeature, ...]:
    say = Declare("season", "season")
    count: dict[str, Any] = {"source": "orders", "where": {"is_purchase": 1}, "unit": "count", "direction": -1}
    revenue: dict[str, Any] = {
        "source": "order_lines", "measure": "net_amount", "aggregate": "sum", "unit": "money", "direction": -1,
    }  # fmt: skip
    return (
        say.plain("orders_count", ("Bestellungen im kommenden Quartal vor zwei Jahren",
                                   "orders in the same coming 90 days two years ago"),
                  window_days=90, offset_days=640, **count),
        say.plain("orders_net_revenue", ("Umsatz im kommenden Quartal vor zwei Jahren",
                                         "revenue in the same coming 90 days two years ago"),
                  window_days=90, offset_days=640, **revenue),
        say.plain("orders_count", ("Bestellungen in den kommenden 30 Tagen des Vorjahres",
                                   "orders in the same coming 30 days last year"),
                  window_days=30, offset_days=335, **count),
        say.plain("orders_net_revenue", ("Umsatz in den kommenden 30 Tagen des Vorjahres",
                                         "revenue in the same coming 30 days last year"),
                  window_days=30, offset_days=335, **revenue),
        say.ratio("orders_count_over_last_year_30d", ("orders_count_30d", "orders_count_30d_ago_365d"),
                  ("Bestellungen: letzte 30 Tage zu denen vor einem Jahr", "orders: last 30 days over a year ago"),
                  direction=-1),
        say.ratio("orders_net_revenue_over_last_year_30d",
                  ("orders_net_revenue_30d", "orders_net_revenue_30d_ago_365d"),
                  ("Umsatz: letzte 30 Tage zu denen vor einem Jahr", "revenue: last 30 days over those a year ago"),
                  direction=-1),
        say.ratio("orders_coming_share_365d", ("orders_count_90d_ago_275d", "orders_count_365d"),
                  ("Anteil des kommenden Quartals an den Bestellungen des Jahres",
                   "share of the coming 90 days in the orders of the year"), unit="share", direction=-1),
    )  # fmt: skip


def _inputs() -> tuple[AnyFeature, ...]:
    say = Declare("regularity", "order_rhythm")
    bought: dict[str, Any] = {"source": "purchases", "unit": "count", **_YEAR}
    own: dict[str, Any] = {"window_days": 30, "offset_days": 365}
    return (
        say.peak("orders_usual_weekday_count", ("", ""), by="weekday", **bought),
        say.peak("orders_usual_third_count", ("", ""), by="third", **bought),
        say.plain("order_gap_days_mean", ("", ""), source="order_gaps", measure="gap_days", aggregate="mean",
                  unit="days", window_days=180),
        say.plain("orders_count", ("", ""), source="orders", where={"is_purchase": 1}, unit="count", **own),
        say.plain("orders_net_revenue", ("", ""), source="order_lines", measure="net_amount", aggregate="sum",
                  unit="money", **own),
    )  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = (*_regularity(), *_season())
INPUTS: tuple[AnyFeature, ...] = _inputs()
