"""Every feature, eligible customer and label against independent SQL, cell by cell."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from feature_oracle import DERIVED, EVENTS, differences, oracle_eligible, oracle_features, oracle_labels
from hypothesis import HealthCheck, given, settings
from messy_firms import OPTIONAL, Firm, frame_of, messy_firms, seeded_firm
from wall_clock import DAY_US, HOUR_US, midnight, shifted, utc_us

from crm_ml.features import CATALOGUE, build_features, churn_labels, make_spine, parts
from crm_ml.features.attributes import own_features
from crm_ml.features.catalogue import INPUTS
from crm_ml.tables import Tables, from_frames
from crm_ml.tables.synth import make_firm

DECLARED = (*CATALOGUE, *INPUTS)
CUT = midnight(dt.date(2024, 4, 1), "Europe/Berlin")
ACTIVE_DAYS = 365


def agree(tables: Tables, spine: pd.DataFrame) -> None:
    features = [*DECLARED, *own_features(tables)]
    found = build_features(tables, spine[["customer_id", "cutoff"]], features=features)
    assert differences(found.drop(columns=["customer_id", "cutoff"]), oracle_features(tables, spine)) == []


def test_every_declared_feature_has_an_expression_and_none_is_left_over() -> None:
    expressions = [id for features in EVENTS.values() for id in features] + list(DERIVED)
    assert len(expressions) == len(set(expressions))
    assert {feature.id for feature in DECLARED} == set(expressions)


# firms of all kinds


@pytest.mark.parametrize("seed", range(30))
def test_messy_firms(seed: int) -> None:
    firm = seeded_firm(seed)
    agree(firm.tables(), firm.spine())


@pytest.mark.parametrize("seed", range(45, 55))
def test_messy_firms_where_each_row_has_an_instant_of_its_own(seed: int) -> None:
    firm = seeded_firm(seed)
    customers = firm.customers()
    # the instant of an order line, which it does not see itself, the next microsecond, and any time around a cutoff
    at = [(row["customer_id"], row["ordered_at"] + late) for row in firm.rows["order_lines"] for late in (0, 1)]
    offsets = random.Random(seed)
    at += [(who, c + offsets.randrange(-60 * DAY_US, 60 * DAY_US)) for who in customers for c in firm.cutoffs * 3]
    own = pd.DataFrame(at, columns=["customer_id", "cutoff"]).astype({"cutoff": "int64"})
    agree(firm.tables(), own.sample(frac=1, random_state=seed).reset_index(drop=True))


@pytest.mark.parametrize("seed", range(30, 45))
def test_messy_firms_in_parts_of_few_events(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 3)
    firm = seeded_firm(seed)
    agree(firm.tables(), firm.spine())


@pytest.mark.parametrize("zone", ["America/Santiago", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
def test_messy_firms_where_clocks_change_at_midnight_or_by_half_an_hour_or_never(zone: str) -> None:
    for seed in range(100, 104):
        firm = seeded_firm(seed, zone=zone)
        cutoffs = [midnight(day, zone) for day in (dt.date(2024, 9, 8), dt.date(2024, 9, 9), dt.date(2024, 10, 6))]
        agree(firm.tables(), firm.spine([*firm.cutoffs, *cutoffs]))


@pytest.mark.stress
@settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(messy_firms())
def test_300_firms_of_hypothesis(firm: Firm) -> None:
    agree(firm.tables(), firm.spine())


@pytest.mark.parametrize("table", [*OPTIONAL, "all but orders"])
def test_a_firm_without_a_table_or_without_rows_in_it(table: str) -> None:
    firm = seeded_firm(11)
    gone = set(OPTIONAL) - {"order_lines"} if table == "all but orders" else {table}
    frames = firm.frames()
    own = {"customers": {"segment": "customer_since"}}
    without = {name: frame for name, frame in frames.items() if name not in gone}
    agree(from_frames(without, attributes=own if "customers" in without else None), firm.spine())
    empty = {name: frame[:0] if name in gone else frame for name, frame in frames.items()}
    agree(from_frames(empty, attributes=own), firm.spine())


def test_the_synthetic_manufacturer() -> None:
    tables = from_frames(make_firm(customers=60, seed=5, years=3).frames)
    days = [dt.date(2025, month, 1) for month in (1, 4, 7, 10)] + [dt.date(2025, 3, 31), dt.date(2025, 10, 27)]
    ids = sorted(set(tables.frames["customers"]["customer_id"].to_pylist()))
    agree(
        tables,
        pd.DataFrame(
            [(id, midnight(day, tables.zone)) for day in days for id in ids], columns=["customer_id", "cutoff"]
        ),
    )


@pytest.fixture(scope="module")
def real_orders(real_data: Path) -> Tables:
    """The order lines of 300 customers of the real shop, mapped as the folder's README says."""
    lines = duckdb.sql(
        f"""
        SELECT Invoice AS order_id, "Customer ID"::VARCHAR AS customer_id, InvoiceDate AS ordered_at,
               StockCode AS product_id, Quantity AS quantity, Quantity * Price AS net_amount
        FROM '{real_data}/online_retail_ii_until_2011-05-31.parquet'
        WHERE "Customer ID" IS NOT NULL AND Price > 0
          AND NOT (sheet = 'Year 2009-2010' AND InvoiceDate >= TIMESTAMP '2010-12-01')
          AND hash("Customer ID"::VARCHAR) % 14 = 0
        """
    ).df()
    assert lines["customer_id"].nunique() > 300
    return from_frames({"order_lines": lines}, zone="Europe/London", currency="GBP")


@pytest.mark.real
def test_real_orders(real_orders: Tables) -> None:
    spine = make_spine(
        real_orders, [dt.date(2010, 6, 15), dt.date(2010, 10, 31), dt.date(2011, 3, 1)], active_days=ACTIVE_DAYS
    )
    assert len(spine) > 600
    agree(real_orders, spine)
    assert set(zip(spine["customer_id"], spine["cutoff"], strict=True)) == oracle_eligible(
        real_orders, spine["cutoff"].unique().tolist(), active_days=ACTIVE_DAYS
    )
    until = midnight(dt.date(2011, 5, 30), real_orders.zone)
    window = {"gap_days": 0, "horizon_days": 90, "known_until": until}
    assert churn_labels(real_orders, spine, **window).tolist() == oracle_labels(real_orders, spine, **window).tolist()


# who is looked at, and what then happened


@pytest.mark.parametrize("seed", range(25))
def test_eligible_customers_and_labels(seed: int) -> None:
    firm = seeded_firm(seed)
    tables = firm.tables()
    spine = make_spine(tables, firm.days, active_days=ACTIVE_DAYS)
    cutoffs = [midnight(day, firm.zone) for day in firm.days]
    found = set(zip(spine["customer_id"], spine["cutoff"], strict=True))
    assert found == oracle_eligible(tables, cutoffs, active_days=ACTIVE_DAYS)
    rows = firm.spine()
    end = shifted(min(firm.cutoffs), 97, firm.zone)
    for gap, horizon, until in ((0, 30, max(firm.cutoffs)), (7, 90, end), (30, 1, end + 400 * DAY_US)):
        window = {"gap_days": gap, "horizon_days": horizon, "known_until": until}
        assert churn_labels(tables, rows, **window).tolist() == oracle_labels(tables, rows, **window).tolist()


def test_who_is_eligible_at_the_bounds() -> None:
    day, begin = dt.date(2024, 4, 1), shifted(CUT, -ACTIVE_DAYS, "Europe/Berlin")
    times = {"too old": begin - 1, "just active": begin, "just bought": CUT - 1, "buys then": CUT}
    lines = [line(name, at, 5) | {"customer_id": name} for name, at in times.items()]
    lines.append(line("late", CUT - 5, 5, known_at=CUT) | {"customer_id": "entered then"})
    tables = from_frames({"order_lines": frame_of(lines, list(lines[-1]))})
    spine = make_spine(tables, [day], active_days=ACTIVE_DAYS)
    assert spine["customer_id"].tolist() == ["just active", "just bought"]
    assert set(spine["customer_id"]) == {id for id, _ in oracle_eligible(tables, [CUT], active_days=ACTIVE_DAYS)}


# by hand: what the definitions mean, in numbers anyone can check


def by_hand(cutoff: int, tables: dict[str, list[dict[str, Any]]]) -> pd.Series:
    """Return the features of customer 7, after the oracle has agreed."""
    frames = {
        name: frame_of(rows, list(dict.fromkeys(key for row in rows for key in row))) for name, rows in tables.items()
    }
    made = from_frames(frames)
    spine = pd.DataFrame({"customer_id": ["7"], "cutoff": [cutoff]})
    agree(made, spine)
    return build_features(made, spine, features=DECLARED).iloc[0]


def line(order: str, at: int, net: int, **more: Any) -> dict[str, Any]:
    return {"order_id": order, "customer_id": "7", "ordered_at": at, "net_amount": net * 10_000, **more}


def test_window_bounds_by_hand() -> None:
    # 30 days before 1 April 0:00 (23 hours on 31 March) is 2 March 0:00 local time
    begin = CUT - 30 * DAY_US + HOUR_US
    lines = [line("A", begin - 1, 1), line("B", begin, 10), line("C", CUT - 1, 100), line("D", CUT, 1000)]
    found = by_hand(CUT, {"order_lines": lines})
    assert (found["orders_count_30d"], found["orders_net_revenue_30d"], found["orders_net_revenue_90d"]) == (
        2,
        110,
        111,
    )
    assert by_hand(CUT + 1, {"order_lines": lines})["orders_net_revenue_30d"] == 1100


def test_days_and_gaps_by_hand() -> None:
    # local days 1, 1, 11 and 31 March: gaps 10 and 20; the last order is half an hour before midnight, a day ago
    days = [utc_us(text) for text in ("2024-03-01 00:00", "2024-03-01 22:30", "2024-03-11 12:00", "2024-03-31 21:30")]
    found = by_hand(CUT, {"order_lines": [line(f"o{k}", at, 5) for k, at in enumerate(days)]})
    assert (found["order_days_count"], found["order_gap_days_mean"], found["order_gap_days_last"]) == (3, 15, 20)
    assert found["order_gap_days_sd"] == pytest.approx(50**0.5, rel=1e-15)
    assert (found["days_since_last_order"], found["days_since_first_order"]) == (1, 31)
    assert found["days_since_last_order_over_own_gap"] == pytest.approx(1 / 15, rel=1e-15)


def test_orders_purchases_and_returns_by_hand() -> None:
    at = CUT - 10 * DAY_US
    lines = [
        line("A", at, 50, line_no="1"),
        line("A", at + DAY_US, -20, line_no="2"),  # still a purchase of 30
        line("B", at, 40, line_no="1"),
        line("B", at + DAY_US, -40, line_no="2"),  # taken back whole: no purchase
        line("C", at, -5, line_no="1"),  # a return
    ]
    found = by_hand(CUT, {"order_lines": lines})
    assert (found["orders_count_30d"], found["orders_returns_count_365d"], found["orders_basket_mean_30d"]) == (
        1,
        1,
        30,
    )
    assert found["orders_net_revenue_30d"] == 25
    assert found["orders_returns_share_30d"] == pytest.approx(65 / 90, rel=1e-15)
    # before the credit lines came, both were purchases
    assert by_hand(at + DAY_US, {"order_lines": lines})["orders_count_30d"] == 2


def test_versions_by_hand() -> None:
    at, hour = CUT - 10 * DAY_US, HOUR_US
    versions = [
        line("A", at, 50, line_no="1", known_at=at),
        line("A", at, 70, line_no="1", known_at=CUT - hour),
        line("A", at, 90, line_no="1", known_at=CUT),
    ]
    revenue = [by_hand(c, {"order_lines": versions})["orders_net_revenue_30d"] for c in (CUT - hour, CUT, CUT + 1)]
    assert revenue == [50, 70, 90]


def test_invoices_by_hand() -> None:
    issued, due = CUT - 40 * DAY_US, shifted(CUT, -10, "Europe/Berlin")
    invoice = {"invoice_id": "i", "customer_id": "7", "issued_at": issued, "due_at": due, "amount": 1_000_000}
    payments = [
        {"payment_id": "p", "invoice_id": "i", "paid_at": due - DAY_US, "amount": 400_000, "known_at": due - DAY_US},
        {"payment_id": "q", "invoice_id": "i", "paid_at": due + 3 * DAY_US, "amount": 600_000, "known_at": CUT},
    ]
    tables = {"invoices": [invoice], "payments": payments}
    early = by_hand(due, tables)
    assert (early["invoices_open_amount"], early["invoices_overdue_count"], early["invoices_part_paid_count"]) == (
        60,
        0,
        1,
    )
    then = by_hand(CUT, tables)  # the second payment was made, but nobody knows
    assert (then["invoices_open_amount"], then["invoices_overdue_amount"]) == (60, 60)
    assert (then["invoices_overdue_days_oldest"], then["payments_count_365d"]) == (10, 1)
    later = by_hand(CUT + 1, tables)
    assert (later["invoices_open_count"], later["invoices_days_late_last"], later["payments_part_count_365d"]) == (
        0,
        3,
        2,
    )


def test_answers_and_disputes_arrive_after_their_rows_by_hand() -> None:
    at = CUT - 5 * DAY_US
    contact = {
        "interaction_id": "n", "customer_id": "7", "occurred_at": at, "channel": "email", "direction": "inbound",
        "topic": "complaint", "responded_at": CUT, "resolved_at": CUT + HOUR_US,
    }  # fmt: skip
    invoice = {
        "invoice_id": "i", "customer_id": "7", "issued_at": at, "due_at": at + 30 * DAY_US, "amount": 10_000,
        "disputed_at": CUT,
    }  # fmt: skip
    payment = {"payment_id": "p", "invoice_id": "x", "paid_at": at, "amount": 1}
    tables = {"interactions": [contact], "invoices": [invoice], "payments": [payment]}
    before, answered, resolved = (by_hand(c, tables) for c in (CUT, CUT + 1, CUT + HOUR_US + 1))
    assert [f["interactions_unanswered_count_90d"] for f in (before, answered, resolved)] == [1, 0, 0]
    assert [f["complaints_open_count"] for f in (before, answered, resolved)] == [1, 1, 0]
    assert [f["disputes_count_365d"] for f in (before, answered, resolved)] == [0, 1, 1]
    assert pd.isna(before["response_hours_mean_90d"])
    assert answered["response_hours_mean_90d"] == 5 * 24
