from __future__ import annotations

from dataclasses import replace

import pandas as pd

from crm_ml.tables import SCHEMAS, check_tables, from_frames

INVOICES = {"invoice_id": ["1", "2", "3"], "customer_id": ["7"] * 3, "amount": [1] * 3}


def _frame(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_references(orders):
    frames = {
        "customers": _frame(customer_id=["007"], account_manager_id=["AM9"]),
        "account_managers": _frame(account_manager_id=["AM1"], deputy_id=[None]),
        "products": _frame(product_id=["P1"]),
        "order_lines": orders.assign(product_id=["P1", "P2", "P3", None]),
        "payments": _frame(payment_id=["1"], invoice_id=["R9"], paid_at=["2025-01-01"], amount=[1]),
        "invoices": _frame(**INVOICES, issued_at=["2025-01-01"] * 3, due_at=["2025-02-01"] * 3),
    }
    found = check_tables(from_frames(frames))
    assert {(f.table, f.code, f.count, f.examples) for f in found if f.severity == "warning"} == {
        ("customers", "unknown_account_manager", 1, ("AM9",)),
        ("order_lines", "unknown_customer", 1, ("0815",)),
        ("order_lines", "unknown_product", 2, ("P2", "P3")),
        ("invoices", "unknown_customer", 3, ("7",)),
        ("payments", "unknown_invoice", 1, ("R9",)),
    }
    assert all(f.remedy for f in found)


def test_time_order_takes_a_date_as_its_whole_day():
    invoices = _frame(
        **INVOICES,
        issued_at=["2025-03-05 10:00", "2025-03-05 10:00", "2025-03-05 10:00"],
        due_at=["2025-03-05", "2025-03-04", "2025-03-05 09:00"],
    )
    found = [f for f in check_tables(from_frames({"invoices": invoices})) if f.code == "time_order"]
    assert [(f.column, f.count, f.examples) for f in found] == [("due_at", 2, ("2", "3"))]


def test_responses_before_their_question():
    contacts = _frame(
        interaction_id=["1", "2"],
        customer_id=["7"] * 2,
        channel=["email"] * 2,
        occurred_at=["2025-03-05 10:00"] * 2,
        responded_at=["2025-03-05 09:59", None],
    )
    found = [f for f in check_tables(from_frames({"interactions": contacts})) if f.code == "time_order"]
    assert [(f.column, f.count) for f in found] == [("responded_at", 1)]


def test_rows_of_the_future_are_counted_only_when_asked(orders):
    tables = from_frames({"order_lines": orders}, zone="UTC")
    now = int(pd.Timestamp("2025-03-30 12:00", tz="UTC").timestamp() * 1e6)
    assert [f.code for f in check_tables(tables)] == ["absent_table"]
    found = check_tables(tables, now=now)
    assert [(f.code, f.count) for f in found] == [("future_row", 1), ("absent_table", len(SCHEMAS) - 1)]


def test_deals_without_a_subject():
    deals = _frame(deal_id=["1", "2"], created_at=["2025-01-01"] * 2, status=["open"] * 2, lead_id=["L", None])
    found = check_tables(from_frames({"deals": deals}))
    assert [f.code for f in found] == ["deal_without_subject", "absent_table"]


def test_a_link_of_leads_without_a_time_is_told(orders):
    lead = {"lead_id": ["L"], "created_at": ["2025-01-01"], "customer_id": ["007"]}
    undated = from_frames({"leads": _frame(**lead), "order_lines": orders})

    def told(tables):
        return [(f.severity, f.table, f.column) for f in check_tables(tables) if f.code == "undated_link"]

    assert told(undated) == [("info", "leads", "customer_id")]
    assert told(replace(undated, known_from={"leads": {"source": "created_at"}})) == [("info", "leads", "customer_id")]
    assert told(replace(undated, known_from={"leads": {"customer_id": "created_at"}})) == []
    assert told(from_frames({"leads": _frame(**lead)})) == []  # without orders nothing stays empty for it
    assert told(from_frames({"leads": _frame(**lead).drop(columns="customer_id"), "order_lines": orders})) == []
