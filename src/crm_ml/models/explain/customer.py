"""One customer alone: its part of the tables, and what is known of it at a day as small tables for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.rows import integers
from crm_ml.features.timeline import NULL, ZoneClock, date_of, zone_clock
from crm_ml.tables import SCHEMAS, Tables
from crm_ml.tables.identifiers import coded, is_among, is_coded, one_piece, used_levels
from crm_ml.tables.values import as_array

_PLAIN = (n.PRODUCTS, n.ACCOUNT_MANAGERS, n.RATES)
_TABLES = (n.ORDER_LINES, n.INVOICES, n.INTERACTIONS, n.SURVEYS, n.CONTRACTS)

ORDER_COLUMNS = ("order_id", "on", "amount", "lines", "days_since_previous")
LINE_COLUMNS = ("order_id", "on", "product_id", "product", "amount", "list_amount")
INVOICE_COLUMNS = (
    "invoice_id",
    "issued_on",
    "due_on",
    "paid_on",
    "disputed_on",
    "amount",
    "open_amount",
    "days_late",
)
PAYMENT_COLUMNS = ("payment_id", "invoice_id", "on", "amount")
CONTACT_COLUMNS = ("interaction_id", "on", "channel", "direction", "topic", "responded_on", "resolved_on")
SURVEY_COLUMNS = ("survey_id", "on", "kind", "score")


@dataclass(frozen=True)
class CustomerRecord:
    """What is known of one customer at the start of a day; a table is None where its source is not mapped.

    Days are local dates (None where unknown), amounts are money units.

    Attributes
    ----------
    customer_id : str
    as_of : date
    orders : DataFrame
        `ORDER_COLUMNS`, oldest first; returns and credits have amounts that are not positive. ``days_since_previous``
        counts from the purchase day before; null for the first one and for a second order of a day.
    lines : DataFrame
        `LINE_COLUMNS`, oldest first.
    invoices : DataFrame or None
        `INVOICE_COLUMNS`: ``due_on`` is null until it has passed, ``paid_on`` until the visible payments cover the
        amount; ``days_late`` counts to `paid_on`, or to `as_of` while the invoice is open. Open amounts are null where
        payments are not mapped.
    payments, contacts, surveys : DataFrame or None
        `PAYMENT_COLUMNS`, `CONTACT_COLUMNS`, `SURVEY_COLUMNS`.
    """

    customer_id: str
    as_of: dt.date
    orders: pd.DataFrame
    lines: pd.DataFrame
    invoices: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    contacts: pd.DataFrame | None = None
    surveys: pd.DataFrame | None = None


def only_customer(tables: Tables, customer_id: str) -> Tables:
    """Return the tables with this customer's rows alone: features and scores of the customer stay what they are.

    Of a row that named another customer in an earlier or later version, all versions are kept, as only together they
    say which one is visible.

    Examples
    --------
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "8"], "ordered_at": ["2026-01-05", "2026-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> only_customer(from_frames({"order_lines": pd.DataFrame(lines)}), "8")
    Tables(order_lines: 1; Europe/Berlin, EUR)
    """
    frames: dict[str, pa.Table] = {name: tables.stored[name] for name in _PLAIN if name in tables.stored}
    wanted = pa.array([customer_id], pa.string())
    if n.CUSTOMERS in tables.stored:
        customers = tables.stored[n.CUSTOMERS]
        frames[n.CUSTOMERS] = customers.filter(pa.array(is_among(customers.column(n.CUSTOMER_ID), wanted)))
    for name in _TABLES:
        if name in tables.stored:
            frame = tables.stored[name]
            frames[name] = _whole_keys(name, frame, is_among(frame.column(n.CUSTOMER_ID), wanted))
    if n.PAYMENTS in tables.stored and n.INVOICES in frames:
        payments = tables.stored[n.PAYMENTS]
        ours = is_among(payments.column("invoice_id"), used_levels(frames[n.INVOICES].column("invoice_id")))
        frames[n.PAYMENTS] = _whole_keys(n.PAYMENTS, payments, ours)
    elif n.PAYMENTS in tables.stored:
        frames[n.PAYMENTS] = tables.stored[n.PAYMENTS].slice(0, 0)
    return replace(tables, frames={name: _small(frame) for name, frame in frames.items()}, whole=tables.whole or tables)


def _whole_keys(name: str, frame: pa.Table, ours: np.ndarray) -> pa.Table:
    key = SCHEMAS[name].key[0]
    kept = frame.filter(pa.array(ours))
    if not len(kept):
        return kept
    return frame.filter(pa.array(is_among(frame.column(key), used_levels(kept.column(key)))))


def _small(frame: pa.Table) -> pa.Table:
    """Return a few rows of a large table without the texts of all the others."""
    columns = [coded(as_array(column)) if is_coded(column) else one_piece(column) for column in frame.columns]
    return pa.table(dict(zip(frame.column_names, columns, strict=True)))


def customer_record(seen: Tables, customer_id: str, as_of: dt.date) -> CustomerRecord:
    """Return what is known of a customer.

    Parameters
    ----------
    seen : Tables
        What is visible at the start of the day (`crm_ml.features.visible`).
    customer_id : str
        Whose.
    as_of : date
        The day.

    Examples
    --------
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B", "B"], "customer_id": ["7"] * 3, "net_amount": [100.0, 50.0, 0.5],
    ...          "ordered_at": ["2026-01-05", "2026-02-04", "2026-02-04"]}
    >>> record = customer_record(from_frames({"order_lines": pd.DataFrame(lines)}), "7", dt.date(2026, 3, 1))
    >>> record.orders[["order_id", "amount", "days_since_previous"]].values.tolist()
    [['A', 100.0, nan], ['B', 50.5, 30.0]]
    """
    clock = zone_clock(seen.zone)
    lines = _lines(seen, customer_id, clock)
    invoices, payments = _invoices(seen, customer_id, clock, as_of)
    return CustomerRecord(
        customer_id,
        as_of,
        _orders(lines),
        lines.drop(columns=["t", "net"]),
        invoices,
        payments,
        _contacts(seen, customer_id, clock),
        _surveys(seen, customer_id, clock),
    )


def _own(seen: Tables, name: str, customer_id: str) -> pa.Table | None:
    frame = seen.frames.get(name)
    return None if frame is None else frame.filter(pc.equal(frame.column(n.CUSTOMER_ID), customer_id))


def _days(frame: pa.Table, column: str, clock: ZoneClock) -> list[dt.date | None]:
    instants = integers(frame, column)
    days = clock.day(np.where(instants == NULL, 0, instants))
    return [None if at == NULL else date_of(day) for at, day in zip(instants.tolist(), days.tolist(), strict=True)]


def _money(frame: pa.Table, column: str) -> np.ndarray:
    whole = integers(frame, column)
    return np.where(whole == NULL, np.nan, whole / n.MONEY_SCALE)


def _made(columns: dict[str, Any], order: Iterable[str], sort: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({name: pd.Series(list(values), dtype=_dtype(values)) for name, values in columns.items()})
    return frame.sort_values(sort, kind="stable", ignore_index=True)[list(order)]


def _dtype(values: Any) -> Any:
    return values.dtype if isinstance(values, np.ndarray) else object


def _lines(seen: Tables, customer_id: str, clock: ZoneClock) -> pd.DataFrame:
    frame = _own(seen, n.ORDER_LINES, customer_id)
    if frame is None:
        frame = seen.frames[n.ORDER_LINES].slice(0, 0)
    products = seen.frames.get(n.PRODUCTS)
    names: dict[str, str | None] = {}
    if products is not None:
        names = dict(zip(products["product_id"].to_pylist(), products["name"].to_pylist(), strict=True))
    product_ids = frame["product_id"].to_pylist()
    columns = {
        "order_id": frame["order_id"].to_pylist(),
        "on": _days(frame, "ordered_at", clock),
        "product_id": product_ids,
        "product": [names.get(id) for id in product_ids],
        "amount": _money(frame, "net_amount"),
        "list_amount": _money(frame, "list_amount"),
        "t": integers(frame, "ordered_at"),
        "net": integers(frame, "net_amount"),
        "line_no": frame["line_no"].to_pylist(),
    }
    return _made(columns, (*LINE_COLUMNS, "t", "net"), ["t", "order_id", "line_no"])


def _orders(lines: pd.DataFrame) -> pd.DataFrame:
    grouped = lines.groupby("order_id", sort=False)
    orders = grouped.agg(on=("on", "first"), t=("t", "min"), net=("net", "sum"), lines=("net", "size")).reset_index()
    orders = orders.sort_values(["t", "order_id"], kind="stable", ignore_index=True)
    orders["amount"] = orders["net"].astype(np.float64) / n.MONEY_SCALE
    since: list[float] = []
    before: dt.date | None = None
    for on, net in zip(orders["on"], orders["net"], strict=True):
        counts = net > 0 and on != before
        since.append(float((on - before).days) if counts and before is not None else np.nan)
        before = on if counts else before
    orders["days_since_previous"] = np.array(since, np.float64)
    return orders[list(ORDER_COLUMNS)]


def _invoices(
    seen: Tables, customer_id: str, clock: ZoneClock, as_of: dt.date
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    frame = _own(seen, n.INVOICES, customer_id)
    if frame is None:
        return None, None
    mapped, paid_table = seen.mapped.get(n.INVOICES, frozenset()), seen.frames.get(n.PAYMENTS)
    ids, net = frame["invoice_id"].to_pylist(), integers(frame, "amount")
    due, payments = _days(frame, "due_at", clock), None
    open_amount = np.full(len(ids), np.nan)
    paid_on: list[dt.date | None] = [None] * len(ids)
    if paid_table is not None:
        own = paid_table.filter(pc.is_in(paid_table["invoice_id"], pa.array(ids, pa.string())))
        payments = _payments(own, clock)
        open_amount, paid_on = _settled(ids, net, payments)
    credit = net < 0
    late = [
        None if due_on is None or is_credit or (np.isnan(rest)) else ((paid or as_of) - due_on).days
        for due_on, is_credit, rest, paid in zip(due, credit, open_amount, paid_on, strict=True)
    ]
    columns = {
        "invoice_id": ids,
        "issued_on": _days(frame, "issued_at", clock),
        "due_on": due,
        "paid_on": paid_on,
        "disputed_on": _days(frame, "disputed_at", clock) if "disputed_at" in mapped else [None] * len(ids),
        "amount": net / n.MONEY_SCALE,
        "open_amount": open_amount,
        "days_late": np.array([np.nan if days is None else days for days in late], np.float64),
        "t": integers(frame, "issued_at"),
    }
    invoices = _made(columns, INVOICE_COLUMNS, ["t", "invoice_id"])
    return invoices, None if payments is None else payments[list(PAYMENT_COLUMNS)]


def _payments(frame: pa.Table, clock: ZoneClock) -> pd.DataFrame:
    columns = {
        "payment_id": frame["payment_id"].to_pylist(),
        "invoice_id": frame["invoice_id"].to_pylist(),
        "on": _days(frame, "paid_at", clock),
        "amount": _money(frame, "amount"),
        "t": integers(frame, "paid_at"),
        "net": integers(frame, "amount"),
    }
    return _made(columns, (*PAYMENT_COLUMNS, "t", "net"), ["t", "payment_id"])


def _settled(ids: list[str], net: np.ndarray, payments: pd.DataFrame) -> tuple[np.ndarray, list[dt.date | None]]:
    """Return the open amount of each invoice and the day on which its payments first covered it, if they do."""
    paid = {str(id): group for id, group in payments.groupby("invoice_id", sort=False)}
    rest, days = np.zeros(len(ids)), []
    for row, (id, amount) in enumerate(zip(ids, net.tolist(), strict=True)):
        group = paid.get(id)
        total = 0 if group is None else int(group["net"].sum())
        on = None
        if amount > 0 and group is not None and total >= amount:
            # payments of one instant count together
            running = group.groupby("t")["net"].sum().cumsum()
            first = running.index[running >= amount][0]
            on = group.loc[group["t"] == first, "on"].iloc[0]
        rest[row] = max(amount - total, 0) / n.MONEY_SCALE if amount > 0 else 0.0
        days.append(on)
    return rest, days


def _contacts(seen: Tables, customer_id: str, clock: ZoneClock) -> pd.DataFrame | None:
    frame = _own(seen, n.INTERACTIONS, customer_id)
    if frame is None:
        return None
    columns = {
        "interaction_id": frame["interaction_id"].to_pylist(),
        "on": _days(frame, "occurred_at", clock),
        **{name: frame[name].to_pylist() for name in ("channel", "direction", "topic")},
        "responded_on": _days(frame, "responded_at", clock),
        "resolved_on": _days(frame, "resolved_at", clock),
        "t": integers(frame, "occurred_at"),
    }
    return _made(columns, CONTACT_COLUMNS, ["t", "interaction_id"])


def _surveys(seen: Tables, customer_id: str, clock: ZoneClock) -> pd.DataFrame | None:
    frame = _own(seen, n.SURVEYS, customer_id)
    if frame is None:
        return None
    columns = {
        "survey_id": frame["survey_id"].to_pylist(),
        "on": _days(frame, "answered_at", clock),
        "kind": frame["kind"].to_pylist(),
        "score": _money(frame, "score"),
        "t": integers(frame, "answered_at"),
    }
    return _made(columns, SURVEY_COLUMNS, ["t", "survey_id"])
