"""Every feature that is off by default against independent SQL, cell by cell."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest
from breadth_oracle import DERIVED, EVENTS, breadth_features, wider
from feature_oracle import differences
from messy_firms import OPTIONAL as TABLES
from messy_firms import frame_of, seeded_firm
from wall_clock import DAY_US, midnight

from crm_ml.features import OPTIONAL, build_features, parts
from crm_ml.features.catalogue import OPTIONAL_INPUTS
from crm_ml.tables import Tables, from_frames
from crm_ml.tables.synth import make_firm

DECLARED = (*OPTIONAL, *OPTIONAL_INPUTS)
CUT = midnight(dt.date(2024, 4, 1), "Europe/Berlin")


def agree(tables: Tables, spine: pd.DataFrame) -> None:
    found = build_features(tables, spine[["customer_id", "cutoff"]], features=DECLARED)
    assert differences(found.drop(columns=["customer_id", "cutoff"]), breadth_features(tables, spine)) == []


def test_every_feature_has_an_expression_and_none_is_left_over() -> None:
    expressions = [id for features in EVENTS.values() for id in features] + list(DERIVED)
    assert len(expressions) == len(set(expressions))
    assert {feature.id for feature in DECLARED} == set(expressions)


@pytest.mark.parametrize("seed", range(24))
def test_messy_firms(seed: int) -> None:
    firm = seeded_firm(seed)
    agree(wider(firm), firm.spine())


@pytest.mark.parametrize("seed", range(24, 34))
def test_messy_firms_in_parts_of_few_events(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 3)
    firm = seeded_firm(seed)
    agree(wider(firm), firm.spine())


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(100, 180))
def test_many_messy_firms(seed: int) -> None:
    firm = seeded_firm(seed)
    agree(wider(firm), firm.spine())


@pytest.mark.parametrize("seed", range(6))
def test_groups_and_industries_that_become_known_later(seed: int) -> None:
    firm = seeded_firm(seed)
    tables = wider(firm)
    if "customers" not in tables.frames:
        pytest.skip("no customers")
    later = {"customers": {"parent_id": "customer_since", "industry": "customer_since"}}
    agree(replace(tables, known_from=later), firm.spine())


@pytest.mark.parametrize("table", list(TABLES))
def test_a_firm_without_a_table_or_without_rows_in_it(table: str) -> None:
    firm = next(firm for seed in range(11, 99) if table in (firm := seeded_firm(seed)).rows)
    agree(wider(replace(firm, rows={name: rows for name, rows in firm.rows.items() if name != table})), firm.spine())
    agree(wider(firm.with_rows(table, ())), firm.spine())


def test_the_synthetic_manufacturer() -> None:
    tables = from_frames(make_firm(customers=40, seed=5, years=3).frames)
    ids = sorted(set(tables.frames["customers"]["customer_id"].to_pylist()))
    days = [dt.date(2025, 1, 1), dt.date(2025, 3, 31), dt.date(2025, 10, 27)]
    rows = [(id, midnight(day, tables.zone)) for day in days for id in ids]
    agree(tables, pd.DataFrame(rows, columns=["customer_id", "cutoff"]))


# by hand


def by_hand(tables: dict[str, list[dict[str, object]]], cutoff: int = CUT) -> pd.Series:
    frames = {
        name: frame_of(rows, list(dict.fromkeys(key for row in rows for key in row))) for name, rows in tables.items()
    }
    made = from_frames(frames)
    spine = pd.DataFrame({"customer_id": ["7"], "cutoff": [cutoff]})
    agree(made, spine)
    return build_features(made, spine, features=DECLARED).iloc[0]


def line(order: str, days_ago: int, net: int, **more: object) -> dict[str, object]:
    at = CUT - days_ago * DAY_US
    return {"order_id": order, "customer_id": "7", "ordered_at": at, "net_amount": net * 10_000, **more}


def test_the_main_product_and_its_decline_by_hand() -> None:
    lines = [
        line("A", 200, 300, product_id="p1"),
        line("B", 10, 100, product_id="p1"),
        line("C", 5, 100, product_id="p2"),
    ]
    goods = [{"product_id": "p1", "category": "pumps"}, {"product_id": "p2", "category": "valves"}]
    found = by_hand({"order_lines": lines, "products": goods})
    assert found["orders_main_product_share_365d"] == pytest.approx(0.8)
    assert found["orders_main_product_share_90d"] == 0.5
    assert (found["orders_products_new_90d"], found["orders_categories_new_90d"]) == (1, 1)
    # pumps: 400 in the year are 98.63 in 90 days, 100 came; valves: 100 are 24.66, 100 came
    assert found["orders_category_decline_amount_365d"] == pytest.approx(400 * 90 / 365 - 100)


def test_a_delivery_ahead_is_not_known_by_hand() -> None:
    lines = [
        line("A", 60, 50, delivery_at=CUT - 20 * DAY_US),
        line("B", 50, 70, delivery_at=CUT),
        line("C", 5, 30, delivery_at=None),
    ]
    found = by_hand({"order_lines": lines})
    assert (found["deliveries_count_90d"], found["call_offs_count_90d"], found["undelivered_amount_365d"]) == (
        1,
        1,
        100,
    )
    assert by_hand({"order_lines": lines}, CUT + 1)["deliveries_count_90d"] == 2


def test_a_contract_in_notice_by_hand() -> None:
    contract = {
        "contract_id": "v", "customer_id": "7", "starts_at": CUT - 100 * DAY_US, "ends_at": CUT + 10 * DAY_US,
        "cancelled_at": CUT - DAY_US, "monthly_value": 500_000,
    }  # fmt: skip
    tables = {"contracts": [contract], "order_lines": [line("A", 5, 1)]}
    found = by_hand(tables)
    assert (found["contracts_running_count"], found["contracts_notice_count"]) == (0, 1)
    before = by_hand(tables, CUT - DAY_US)
    assert (before["contracts_running_count"], before["contracts_monthly_value"]) == (1, 50)
    assert by_hand(tables, CUT + 11 * DAY_US)["contracts_ended_count_365d"] == 1


def test_the_group_of_a_customer_by_hand() -> None:
    rows = [
        {"customer_id": id, "parent_id": parent} for id, parent in (("7", "9"), ("8", "9"), ("9", None), ("5", None))
    ]
    others = [line(id, 20, net) | {"customer_id": id} for id, net in (("8", 30), ("9", 50), ("5", 1000))]
    found = by_hand({"order_lines": [line("A", 5, 20), *others], "customers": rows})
    assert (found["group_net_revenue_90d"], found["group_buyers_count_90d"]) == (100, 3)
    assert found["group_share_365d"] == 0.2
    assert found["firm_net_revenue_90d"] == 1100
