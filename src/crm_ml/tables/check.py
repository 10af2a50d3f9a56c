"""What can only be seen with all tables side by side: references, the order of times, rows of the future."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import EXAMPLES_SHOWN, Finding
from crm_ml.tables.frame import Tables
from crm_ml.tables.identifiers import is_among, used_levels
from crm_ml.tables.schemas import SCHEMAS, Reference, Schema
from crm_ml.tables.zones import DAY_US, utc_to_local

_SINGULAR = {
    n.CUSTOMERS: "customer",
    n.PRODUCTS: "product",
    n.INVOICES: "invoice",
    n.LEADS: "lead",
    n.DEALS: "deal",
    n.ACCOUNT_MANAGERS: "account_manager",
}


def check_tables(tables: Tables, *, now: int | None = None) -> list[Finding]:
    """Return the findings of all checks between tables; types and keys were checked when they were read.

    Parameters
    ----------
    tables : Tables
        As read.
    now : int, optional
        UTC microseconds; rows that happened later are counted. Without it nothing is said about the future.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> order = {"order_id": "1", "customer_id": "7", "ordered_at": "2025-01-31", "net_amount": 1}
    >>> orders = pd.DataFrame([order])
    >>> customers = pd.DataFrame({"customer_id": ["8"]})
    >>> found = check_tables(from_frames({"order_lines": orders, "customers": customers}))
    >>> [(finding.code, finding.count, finding.examples) for finding in found if finding.severity == "warning"]
    [('unknown_customer', 1, ('7',))]
    """
    findings: list[Finding] = []
    for name, frame in tables.stored.items():
        schema = SCHEMAS[name]
        for reference in schema.references:
            if reference.column in tables.mapped[name] and reference.table in tables.stored:
                _check_reference(name, frame, reference, tables, findings)
        for later, earlier in schema.not_before:
            _check_order(name, frame, later, earlier, tables.zone, findings)
        if now is not None:
            _check_future(schema, frame, now, findings)
    if n.DEALS in tables.stored:
        _check_deals(tables.stored[n.DEALS], findings)
    findings += _undated_link(tables)
    absent = [name for name in SCHEMAS if name not in tables.stored]
    if absent:
        findings.append(
            Finding(
                "info",
                "absent_table",
                f"{len(absent)} tables are not mapped: {', '.join(absent)}",
                "What is built on them stays empty; map those you have",
                count=len(absent),
            )
        )
    return findings


def _undated_link(tables: Tables) -> list[Finding]:
    """Say that orders from before a lead are not looked at while nobody knows since when its customer was known."""
    link = n.CUSTOMER_ID
    wanted = n.ORDER_LINES in tables.stored and link in tables.mapped.get(n.LEADS, ())
    if not wanted or link in tables.known_from.get(n.LEADS, {}):
        return []
    return [
        Finding(
            "info",
            "undated_link",
            "the mapping does not say since when the customer of a lead was known, so what leads had ordered before "
            "their enquiry stays empty",
            "If it is known when the lead comes in, add `known_from: {customer_id: created_at}`, else name a time "
            "column of its own (docs/leads.md)",
            n.LEADS,
            link,
        )
    ]


def _check_reference(name: str, frame: pa.Table, reference: Reference, tables: Tables, findings: list[Finding]) -> None:
    column = frame[reference.column]
    known = used_levels(tables.stored[reference.table][reference.target])
    strange = column.filter(pa.array(np.asarray(pc.is_valid(column)) & ~is_among(column, known)))
    if not len(strange):
        return
    what = _SINGULAR[reference.table]
    values = used_levels(strange)
    findings.append(
        Finding(
            "warning",
            f"unknown_{what}",
            f"{len(strange)} rows name {len(values)} values that are not in {reference.table}",
            f"Deliver {reference.table} complete, or check how both systems write the number (leading zeros, blanks)",
            table=name,
            column=reference.column,
            count=len(strange),
            examples=pc.take(values, pc.sort_indices(values))[:EXAMPLES_SHOWN].to_pylist(),
        )
    )


def _micros(frame: pa.Table, name: str) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pa.Array]:
    column = frame[name].combine_chunks()
    return column.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), column


def _check_order(name: str, frame: pa.Table, later: str, earlier: str, zone: str, findings: list[Finding]) -> None:
    after, after_column = _micros(frame, later)
    before, before_column = _micros(frame, earlier)
    both = np.asarray(pc.and_(pc.is_valid(after_column), pc.is_valid(before_column)).to_numpy(zero_copy_only=False))
    wrong = both & (after < before)
    if wrong.any():
        # a date without a time stands for its whole day
        local = utc_to_local(after, zone)
        same_day = (local % DAY_US == 0) & (local // DAY_US == utc_to_local(before, zone) // DAY_US)
        wrong &= ~same_day
    if not wrong.any():
        return
    key = SCHEMAS[name].key[0]
    findings.append(
        Finding(
            "warning",
            "time_order",
            f"{later} must not lie before {earlier}, but does in {int(wrong.sum())} rows",
            "Correct the rows at the source; they are used as they are",
            table=name,
            column=later,
            count=int(wrong.sum()),
            examples=[frame[key][int(row)].as_py() for row in np.flatnonzero(wrong)[:EXAMPLES_SHOWN]],
        )
    )


def _check_future(schema: Schema, frame: pa.Table, now: int, findings: list[Finding]) -> None:
    if not schema.event_time:
        return
    moments, column = _micros(frame, schema.event_time)
    future = (moments > now) & np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
    if future.any():
        findings.append(
            Finding(
                "warning",
                "future_row",
                f"{int(future.sum())} rows lie in the future; no feature sees them before their time",
                "Check the dates at the source",
                table=schema.name,
                column=schema.event_time,
                count=int(future.sum()),
                examples=[str(column[int(row)].as_py()) for row in np.flatnonzero(future)[:EXAMPLES_SHOWN]],
            )
        )


def _check_deals(frame: pa.Table, findings: list[Finding]) -> None:
    alone = pc.and_(pc.is_null(frame[n.LEAD_ID]), pc.is_null(frame[n.CUSTOMER_ID]))
    count = pc.sum(alone).as_py() or 0
    if count:
        findings.append(
            Finding(
                "warning",
                "deal_without_subject",
                f"a deal should name a lead or a customer, {count} name neither",
                "Map lead_id or customer_id",
                table=n.DEALS,
                count=count,
                examples=frame.filter(alone)["deal_id"][:EXAMPLES_SHOWN].to_pylist(),
            )
        )
