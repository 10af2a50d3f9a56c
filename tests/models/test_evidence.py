"""The record of a customer and the rows behind a reason, worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.features import OPTIONAL, build_features, cutoff_us, default_features, make_spine, visible
from crm_ml.models.explain.customer import CustomerRecord, customer_record, only_customer
from crm_ml.models.explain.evidence import COLUMNS, MOST_ROWS, rows_behind
from crm_ml.tables import Tables, from_frames

DAY = dt.date(2026, 3, 2)


def date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def tables() -> Tables:
    return from_frames(
        {
            "order_lines": pd.DataFrame(
                {
                    "order_id": ["A", "A", "B", "C", "D", "E", "F"],
                    "line_no": ["1", "2", "1", "1", "1", "1", "1"],
                    "customer_id": ["7", "7", "7", "7", "7", "7", "8"],
                    "product_id": ["P1", "P2", "P1", "P1", "P1", "P1", "P9"],
                    "ordered_at": [
                        *("2025-01-10 10:00", "2025-01-10 10:00", "2025-04-20 23:30", "2025-04-20 08:00"),
                        *("2026-02-20", "2026-03-02 00:00", "2026-01-01"),
                    ],
                    "net_amount": [60.0, 40.0, 200.0, 10.0, -50.0, 999.0, 5.0],
                    "list_amount": [80.0, 40.0, 200.0, 10.0, None, 999.0, 5.0],
                }
            ),
            "products": pd.DataFrame({"product_id": ["P1", "P2"], "name": ["Leiste", "Kappe"]}),
            "invoices": pd.DataFrame(
                {
                    "invoice_id": ["R1", "R2", "R3", "R4", "G1", "R9"],
                    "customer_id": ["7", "7", "7", "7", "7", "8"],
                    "issued_at": ["2025-01-11", "2025-04-21", "2025-05-01", "2026-02-21", "2026-02-22", "2025-01-01"],
                    "due_at": ["2025-02-10", "2025-05-21", "2025-05-31", "2026-03-23", "2026-02-22", "2025-01-31"],
                    "amount": [100.0, 200.0, 300.0, 400.0, -50.0, 1.0],
                    "disputed_at": [None, "2025-06-01", None, "2026-03-05", None, None],
                }
            ),
            "payments": pd.DataFrame(
                {
                    "payment_id": ["Z1", "Z2", "Z3", "Z4", "Z9"],
                    "invoice_id": ["R1", "R1", "R2", "R3", "R9"],
                    "paid_at": ["2025-02-01", "2025-02-13", "2025-05-20", "2026-03-02", "2025-01-02"],
                    "amount": [30.0, 70.0, 150.0, 300.0, 1.0],
                }
            ),
            "interactions": pd.DataFrame(
                {
                    "interaction_id": ["X1", "X2", "X3"],
                    "customer_id": ["7", "7", "7"],
                    "occurred_at": ["2025-12-01", "2026-02-01", "2026-03-02"],
                    "channel": ["email", "phone", "phone"],
                    "direction": ["inbound", "outbound", "inbound"],
                    "topic": ["complaint", "general", "complaint"],
                    "responded_at": ["2025-12-02", None, None],
                    "resolved_at": ["2026-03-04", None, None],
                }
            ),
            "surveys": pd.DataFrame(
                {
                    "survey_id": ["S1"],
                    "customer_id": ["7"],
                    "answered_at": ["2025-11-05"],
                    "kind": ["nps"],
                    "score": [4],
                }
            ),
        }
    )


def record() -> CustomerRecord:
    whole = tables()
    return customer_record(visible(whole, cutoff_us(DAY, whole.zone)), "7", DAY)


def test_orders_of_a_customer():
    found = record().orders
    assert found["order_id"].tolist() == ["A", "C", "B", "D"]
    assert found["on"].tolist() == [date("2025-01-10"), date("2025-04-20"), date("2025-04-20"), date("2026-02-20")]
    assert found["amount"].tolist() == [100.0, 10.0, 200.0, -50.0]
    assert found["lines"].tolist() == [2, 1, 1, 1]
    # 100 days from A to C; B is on the same day; D is a return
    np.testing.assert_array_equal(found["days_since_previous"], [np.nan, 100.0, np.nan, np.nan])


def test_invoices_of_a_customer():
    found = record().invoices.set_index("invoice_id")
    assert found["paid_on"].to_dict() == {"R1": date("2025-02-13"), "R2": None, "R3": None, "R4": None, "G1": None}
    assert found["open_amount"].to_dict() == {"R1": 0.0, "R2": 50.0, "R3": 300.0, "R4": 400.0, "G1": 0.0}
    # R4 is not due yet, so its due day is not known; R3 was paid on the day itself: not seen
    assert found["due_on"].to_dict()["R4"] is None
    late = {"R1": 3.0, "R2": 285.0, "R3": 275.0, "R4": np.nan, "G1": np.nan}
    assert found["days_late"].to_dict() == pytest.approx(late, nan_ok=True)
    assert found["disputed_on"].to_dict() == {
        "R1": None,
        "R2": date("2025-06-01"),
        "R3": None,
        "R4": None,
        "G1": None,
    }


def test_days_late_are_those_of_the_features():
    whole, mine = tables(), record().invoices
    spine = make_spine(whole, [DAY], active_days=1_000)
    values = build_features(whole, spine).set_index("customer_id").loc["7"]
    settled = mine[mine["paid_on"].notna()]
    assert values["invoices_days_late_last"] == settled["days_late"].iloc[-1] == 3.0
    overdue = mine[(mine["open_amount"] > 0) & mine["due_on"].notna()]
    assert values["invoices_overdue_amount"] == overdue["open_amount"].sum() == 350.0
    assert values["invoices_overdue_days_oldest"] == overdue["days_late"].max() == 285.0
    orders = record().orders
    assert values["days_since_last_order"] == (DAY - orders[orders["amount"] > 0]["on"].iloc[-1]).days
    assert values["order_gap_days_mean"] == orders["days_since_previous"].mean()


def test_contacts_and_surveys_of_a_customer():
    found = record()
    assert found.contacts["interaction_id"].tolist() == ["X1", "X2"]
    assert found.contacts["responded_on"].tolist() == [date("2025-12-02"), None]
    assert found.contacts["resolved_on"].tolist() == [None, None]
    assert found.surveys[["on", "kind", "score"]].to_numpy().tolist() == [[date("2025-11-05"), "nps", 4.0]]


def test_what_is_not_mapped_is_none():
    lines = {"order_id": ["A"], "customer_id": ["7"], "ordered_at": ["2026-01-05"], "net_amount": [1.0]}
    bills = {
        "invoice_id": ["R1"],
        "customer_id": ["7"],
        "issued_at": ["2026-01-06"],
        "due_at": ["2026-01-20"],
        "amount": [1.0],
    }
    found = customer_record(from_frames({"order_lines": pd.DataFrame(lines)}), "7", DAY)
    assert (found.invoices, found.payments, found.contacts, found.surveys) == (None, None, None, None)
    bare = customer_record(from_frames({"order_lines": pd.DataFrame(lines), "invoices": pd.DataFrame(bills)}), "7", DAY)
    # nobody knows whether it was paid
    assert bare.invoices["open_amount"].isna().all()
    assert bare.invoices["days_late"].isna().all()


@pytest.mark.parametrize(
    ("feature", "kind", "names"),
    [
        ("days_since_last_order", "orders", ["B", "C", "A"]),
        ("orders_count_30d_over_own_month", "orders", ["B", "C", "A"]),
        ("orders_returns_share_90d", "returns", ["D"]),
        ("orders_discount_share_365d", "discounts", ["A"]),
        ("invoices_overdue_amount", "invoices", ["R3", "R2"]),
        ("invoices_days_late_mean_365d", "invoices", ["R1"]),
        ("invoices_open_count", "invoices", ["R4", "R3", "R2"]),
        ("credit_notes_count_365d", "invoices", ["G1"]),
        ("disputes_count_365d", "disputes", ["R2"]),
    ],
)
def test_rows_behind_a_feature(feature, kind, names):
    found = rows_behind(feature, record())
    key = {"orders": "order_id", "returns": "order_id", "discounts": "order_id"}.get(kind, "invoice_id")
    assert (found.kind, [row[key] for row in found.rows], found.total) == (kind, names, len(names))


def test_rows_behind_contacts_products_surveys_and_attributes():
    mine = record()
    assert [row["topic"] for row in rows_behind("complaints_count_90d", mine).rows] == ["complaint"]
    assert [row["channel"] for row in rows_behind("interactions_phone_count_90d", mine).rows] == ["phone"]
    assert [row["direction"] for row in rows_behind("days_since_last_inbound_contact", mine).rows] == ["inbound"]
    assert rows_behind("survey_nps_last", mine).rows == ({"on": date("2025-11-05"), "kind": "nps", "score": 4.0},)
    assert rows_behind("survey_csat_last", mine).rows == ()
    assert rows_behind("orders_products_count_365d", mine).rows == (
        {"product_id": "P1", "product": "Leiste", "last_on": date("2025-04-20"), "orders": 3, "amount": 270.0},
        {"product_id": "P2", "product": "Kappe", "last_on": date("2025-01-10"), "orders": 1, "amount": 40.0},
    )
    assert rows_behind("country", mine, {"country": "DE"}).rows == ({"attribute": "country", "value": "DE"},)
    assert rows_behind("attribute_budget", mine, {"attribute_budget": float("nan")}).rows[0]["value"] is None
    for nothing in (None, "season_sin", "no_such_feature"):
        assert rows_behind(nothing, mine).total == 0


def test_only_the_newest_rows_are_shown():
    days = pd.date_range("2025-06-01", periods=200, freq="D")
    lines = {
        "order_id": [f"A{k:03d}" for k in range(200)],
        "customer_id": ["7"] * 200,
        "ordered_at": days,
        "net_amount": 1.0,
    }
    found = rows_behind(
        "orders_count_180d", customer_record(from_frames({"order_lines": pd.DataFrame(lines)}), "7", DAY)
    )
    assert len(found.rows) == MOST_ROWS
    assert found.rows[0]["on"] == date("2025-12-17")
    # 180 days before 2 March 2026 is 3 September
    assert found.total == (date("2025-12-17") - date("2025-09-03")).days + 1


def test_every_feature_has_its_rows_or_none():
    mine = record()
    for feature in (*default_features(), *OPTIONAL):
        found = rows_behind(feature.id, mine, {feature.id: 1.0})
        assert found.kind in ("", *COLUMNS)
        assert all(tuple(row) == COLUMNS[found.kind] for row in found.rows)
        days = [value for row in found.rows for value in row.values() if isinstance(value, dt.date)]
        assert all(day < DAY for day in days)


def test_a_customer_alone_has_the_features_it_has_among_others():
    whole = tables()
    spine = make_spine(whole, [DAY], active_days=1_000)
    every = (*default_features(), *OPTIONAL)
    together = build_features(whole, spine, features=every)
    for place, customer in enumerate(spine["customer_id"]):
        own = only_customer(whole, customer)
        alone = build_features(own, spine.iloc[[place]], features=every)
        pd.testing.assert_frame_equal(alone, together.iloc[[place]])


def test_versions_of_a_row_stay_together():
    """An order booked on the wrong customer and corrected later belongs to nobody but the right one."""
    lines = pd.DataFrame(
        {
            "order_id": ["A", "A", "B"],
            "line_no": ["1", "1", "1"],
            "customer_id": ["7", "8", "7"],
            "ordered_at": ["2026-01-05", "2026-01-05", "2025-12-01"],
            "known_at": ["2026-01-05", "2026-01-10", "2025-12-01"],
            "net_amount": [10.0, 10.0, 1.0],
        }
    )
    own = only_customer(from_frames({"order_lines": lines}), "7")
    seen = visible(own, cutoff_us(DAY, own.zone))
    assert customer_record(seen, "7", DAY).orders["order_id"].tolist() == ["B"]
    early = visible(own, cutoff_us(date("2026-01-08"), own.zone))
    assert customer_record(early, "7", date("2026-01-08")).orders["order_id"].tolist() == ["B", "A"]
