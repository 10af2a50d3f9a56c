"""The second opinion on what counts as churn: plain loops over canonical rows, slow and obvious."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from wall_clock import local_day, shifted

from crm_ml.features import Outcome
from crm_ml.tables import Tables
from crm_ml.tables.schemas import SCHEMAS


def _rows(tables: Tables, table: str) -> list[dict[str, Any]]:
    frame = tables.frames[table]
    columns = {name: frame.column(name) for name in frame.column_names}
    plain = {
        name: (column.cast("int64") if str(column.type).startswith("timestamp") else column).to_pylist()
        for name, column in columns.items()
    }
    return [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]


def visible_rows(tables: Tables, table: str, cutoff: int) -> list[dict[str, Any]]:
    """The rows that are seen at a cutoff; of several versions the one that was known last."""
    event, key = SCHEMAS[table].event_time, SCHEMAS[table].key
    seen = []
    for row in _rows(tables, table):
        row["known"] = row["known_at"] if row.get("known_at") is not None else row[event]
        if row[event] < cutoff and row["known"] < cutoff:
            seen.append(row)
    if "known_at" not in tables.mapped[table] or not set(key) <= set(tables.mapped[table]):
        return seen
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(seen, key=lambda row: (row["known"], -row[event])):
        name = tuple(row[column] for column in key)
        held = newest.get(name)
        if held is None or (row["known"], -row[event]) > (held["known"], -held[event]):
            newest[name] = row
    return list(newest.values())


def orders(tables: Tables, customer: str, cutoff: int, category: str | None) -> list[tuple[int, int]]:
    """(time, net amount) of the customer's orders as seen at a cutoff; other categories count nothing."""
    counted = None
    if category is not None:
        counted = {row["product_id"] for row in _rows(tables, "products") if row["category"] == category}
    found: dict[str, tuple[int, int]] = {}
    for row in visible_rows(tables, "order_lines", cutoff):
        if row["customer_id"] != customer:
            continue
        net = row["net_amount"] if counted is None or row["product_id"] in counted else 0
        at, total = found.get(row["order_id"], (row["ordered_at"], 0))
        found[row["order_id"]] = (min(at, row["ordered_at"]), total + net)
    return list(found.values())


def own_horizon(tables: Tables, customer: str, cutoff: int, horizon_days: int, outcome: Outcome) -> int:
    own = outcome.own_gap
    if own is None:
        return horizon_days
    bought = orders(tables, customer, cutoff, outcome.category)
    days = sorted({local_day(at, tables.zone) for at, net in bought if net > 0})
    if len(days) < 2:
        return horizon_days
    gap = (days[-1] - days[0]).days / (len(days) - 1)
    return min(max(math.ceil(round(own.times * gap, 6)), own.min_days), own.max_days)


def churned(
    tables: Tables, customer: str, cutoff: int, *, gap_days: int, horizon_days: int, known_until: int, outcome: Outcome
) -> bool:
    days = own_horizon(tables, customer, cutoff, horizon_days, outcome)
    begin, end = (shifted(cutoff, extra, tables.zone) for extra in (gap_days, gap_days + days))
    if outcome.target == "contract_cancelled":
        at = [
            row["cancelled_at"]
            for row in visible_rows(tables, "contracts", known_until)
            if row["customer_id"] == customer and row["cancelled_at"] is not None
        ]
        return any(begin <= moment < end and moment < known_until for moment in at)
    then = [net for at, net in orders(tables, customer, known_until, outcome.category) if begin <= at < end]
    if outcome.target == "no_purchase":
        return all(net <= 0 for net in then)
    since = shifted(cutoff, -outcome.trailing_days, tables.zone)
    before = sum(net for at, net in orders(tables, customer, cutoff, outcome.category) if since <= at < cutoff)
    rate = before / outcome.trailing_days
    return sum(then) < outcome.partial_below * rate * days or sum(then) <= 0


def under_contract(tables: Tables, cutoff: int) -> Iterator[str]:
    """Customers with a contract that runs at the cutoff as far as is known then."""
    for row in visible_rows(tables, "contracts", cutoff):
        over = [row[name] for name in ("cancelled_at", "ends_at") if row.get(name) is not None]
        if all(moment >= cutoff for moment in over):
            yield row["customer_id"]
