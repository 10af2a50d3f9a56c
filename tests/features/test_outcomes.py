"""What counts as churn, worked out by hand; what a firm must have for it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.features import Outcome, OwnGap, churn_labels, cutoff_us, label_horizons, make_spine, usual_gap_days

DAY = dt.date(2026, 3, 1)
UNTIL = cutoff_us(dt.date(2026, 12, 1), "Europe/Berlin")
PARTIAL = Outcome(target="partial", partial_below=0.5, trailing_days=100)
CONTRACT = Outcome(target="contract_cancelled")
PRODUCTS = {"product_id": ["p", "v"], "category": ["Pumps", "Valves"]}


def label(made, outcome, *, gap=0, horizon=30, until=UNTIL, customer="7"):
    spine = pd.DataFrame({"customer_id": [customer], "as_of": [DAY]})
    return churn_labels(
        made, spine, gap_days=gap, horizon_days=horizon, known_until=until, outcome=outcome
    ).tolist() == [True]


@pytest.mark.parametrize(
    ("then", "churned"),
    [
        (149.99, True),  # usual: 1000 in 100 days, so 300 in 30; half of it is 150
        (150.0, False),
        (0.0, True),
        (-20.0, True),
    ],
)
def test_partial_churn_is_less_than_half_the_usual_revenue(tables, lines, then, churned):
    rows = lines(("A", "2025-11-21 00:00", 600.0), ("B", "2026-02-28 23:59", 400.0), ("C", "2026-03-15", then),
                 ("D", "2025-11-20 23:59", 9e6), ("E", "2026-03-31 00:00", 9e6))  # fmt: skip
    assert label(tables(order_lines=rows), PARTIAL) is churned


def test_who_returned_more_than_it_bought_has_churned_in_part_only_without_revenue(tables, lines):
    rows = lines(("A", "2026-01-01", 100.0), ("B", "2026-01-02", -500.0), ("C", "2026-03-15", 1.0))
    assert label(tables(order_lines=rows), PARTIAL) is False
    assert label(tables(order_lines={name: values[:2] for name, values in rows.items()}), PARTIAL) is True


def test_the_own_rate_is_what_was_known_at_the_cutoff_and_the_rest_what_was_known_later(tables, lines):
    rows = lines(("A", "2026-01-01", 1000.0), ("B", "2026-01-02", 1e6), ("C", "2026-03-15", 150.0),
                 known_at=[None, "2026-03-01", "2026-09-01"])  # fmt: skip
    made = tables(order_lines=rows)
    assert label(made, PARTIAL) is False
    assert label(made, PARTIAL, until=cutoff_us(dt.date(2026, 9, 1), "Europe/Berlin")) is True


@pytest.mark.parametrize(
    ("cancelled_at", "churned"),
    [(None, False), ("2026-03-10", False), ("2026-03-11", True), ("2026-04-09 23:59", True), ("2026-04-10", False)],
)
def test_a_contract_cancelled_in_the_window_is_churn(tables, lines, cancelled_at, churned):
    contracts = {
        "contract_id": ["V"],
        "customer_id": ["7"],
        "starts_at": ["2025-01-01"],
        "cancelled_at": [cancelled_at],
    }
    made = tables(order_lines=lines(("A", "2026-02-01", 1.0)), contracts=contracts)
    assert label(made, CONTRACT, gap=10) is churned


def test_a_cancellation_counts_once_its_version_is_known(tables, lines):
    contracts = {
        "contract_id": ["V", "V"],
        "customer_id": ["7", "7"],
        "starts_at": ["2025-01-01"] * 2,
        "cancelled_at": [None, "2026-03-11"],
        "known_at": ["2025-01-01", "2026-06-01"],
    }
    made = tables(order_lines=lines(("A", "2026-02-01", 1.0)), contracts=contracts)
    first = cutoff_us(dt.date(2026, 6, 1), "Europe/Berlin")
    assert label(made, CONTRACT, until=first) is False
    assert label(made, CONTRACT, until=first + 1) is True


def test_only_who_has_a_running_contract_can_cancel_one(tables, lines):
    ids = ["runs", "cancelled", "cancels today", "ended", "ends today", "begins today", "entered today", "none"]
    contracts = {
        "contract_id": [f"V{k}" for k in range(7)],
        "customer_id": ids[:7],
        "starts_at": ["2025-01-01"] * 5 + ["2026-03-01", "2025-01-01"],
        "cancelled_at": [None, "2026-02-28 23:59", "2026-03-01", None, None, None, None],
        "ends_at": [None, None, None, "2026-02-28 23:59", "2026-03-01", None, None],
        "known_at": [None] * 6 + ["2026-03-01"],
    }
    rows = lines(*[(f"O{k}", "2026-01-01", 1.0) for k in range(len(ids))], customer_id=ids)
    made = tables(order_lines=rows, contracts=contracts)
    found = make_spine(made, [DAY], active_days=365, outcome=CONTRACT)["customer_id"].tolist()
    assert found == ["cancels today", "ends today", "runs"]


def test_a_category_knows_only_its_own_products(tables, lines):
    rows = lines(("A", "2026-02-01", 5.0), ("B", "2026-02-02", 5.0), ("C", "2026-03-05", 5.0), ("D", "2026-03-06", 5.0),
                 product_id=["p", "v", "v", None])  # fmt: skip
    made = tables(order_lines=rows, products=PRODUCTS)
    assert label(made, Outcome()) is False
    assert label(made, Outcome(category="Pumps")) is True
    assert label(made, Outcome(category="Valves")) is False
    later = make_spine(made, [dt.date(2026, 3, 4)], active_days=31, outcome=Outcome(category="Pumps"))
    assert len(later) == 1
    later = make_spine(made, [dt.date(2026, 3, 5)], active_days=31, outcome=Outcome(category="Pumps"))
    assert len(later) == 0


def test_a_line_corrected_to_another_product_leaves_the_category(tables, lines):
    rows = lines(("A", "2026-02-01", 5.0), ("C", "2026-03-05", 5.0), ("C", "2026-03-05", 5.0),
                 line_no=["1"] * 3, product_id=["p", "p", "v"], known_at=[None, None, "2026-06-01"])  # fmt: skip
    made = tables(order_lines=rows, products=PRODUCTS)
    assert label(made, Outcome(category="Pumps"), until=cutoff_us(dt.date(2026, 6, 1), "Europe/Berlin")) is False
    assert label(made, Outcome(category="Pumps")) is True


def test_the_window_follows_the_own_rhythm_as_known_at_the_cutoff(tables, lines):
    # weekly, every 40 days, once, and one whose second day is known only later
    rows = lines(
        ("A1", "2026-02-01", 1.0), ("A2", "2026-02-08", 1.0), ("A3", "2026-02-15", 1.0),
        ("B1", "2025-12-01", 1.0), ("B2", "2026-01-10", 1.0), ("B3", "2026-05-19", 1.0),
        ("C1", "2026-02-01", 1.0), ("D1", "2026-01-01", 1.0), ("D2", "2026-02-01", 1.0),
        customer_id=["a"] * 3 + ["b"] * 3 + ["c"] + ["d"] * 2, known_at=[None] * 8 + ["2026-03-01"],
    )  # fmt: skip
    made = tables(order_lines=rows)
    spine = pd.DataFrame({"customer_id": ["d", "b", "a", "c"], "as_of": [DAY] * 4})
    assert usual_gap_days(made, spine)[1:3].tolist() == [40.0, 7.0]
    outcome = Outcome(own_gap=OwnGap(2.0, 30, 365))
    assert label_horizons(made, spine, horizon_days=60, outcome=outcome).tolist() == [60, 80, 30, 60]
    assert label_horizons(made, spine, horizon_days=60).tolist() == [60] * 4
    # b bought 79 days after the cutoff, on the last day of its own window of 80
    window = {"gap_days": 0, "horizon_days": 60, "known_until": UNTIL}
    assert churn_labels(made, spine, **window, outcome=outcome).tolist() == [True, False, True, True]
    assert churn_labels(made, spine, **window).tolist() == [True, True, True, True]


def test_own_windows_may_shrink_from_one_cutoff_to_the_next(tables, lines):
    # 100 days at first, then daily: the later window ends before the earlier one
    rows = lines(("A", "2025-10-01", 1.0), ("B", "2026-01-09", 1.0), *[(f"D{k}", f"2026-01-{9 + k:02d}", 1.0)
                 for k in range(1, 20)], ("Z", "2026-03-20", 1.0))  # fmt: skip
    made = tables(order_lines=rows)
    spine = pd.DataFrame({"customer_id": ["7", "7"], "as_of": [dt.date(2026, 1, 10), dt.date(2026, 2, 1)]})
    outcome = Outcome(own_gap=OwnGap(1.0, 5, 365))
    assert label_horizons(made, spine, horizon_days=30, outcome=outcome).tolist() == [100, 6]
    window = {"gap_days": 40, "horizon_days": 30, "known_until": UNTIL, "outcome": outcome}
    assert churn_labels(made, spine, **window).tolist() == [False, True]


@pytest.mark.parametrize(
    ("outcome", "frames", "told"),
    [
        (CONTRACT, {}, r"needs contracts\.cancelled_at, which is not mapped.*Map the table contracts"),
        (Outcome(category="Pumps"), {}, r"needs products\.category, which is not mapped"),
        (Outcome(category="Pumps"), {"products": PRODUCTS}, r"needs order_lines\.product_id, which is not mapped"),
    ],
)
def test_what_an_outcome_needs_is_named(tables, lines, outcome, frames, told):
    made = tables(order_lines=lines(("A", "2026-02-01", 1.0)), **frames)
    with pytest.raises(DataError, match=told) as caught:
        make_spine(made, [DAY], active_days=365, outcome=outcome)
    assert (caught.value.exit_code, caught.value.code) == (3, "table_not_mapped")


def test_an_unknown_category_is_named_with_the_nearest(tables, lines):
    made = tables(order_lines=lines(("A", "2026-02-01", 1.0), product_id=["p"]), products=PRODUCTS)
    with pytest.raises(DataError, match=r'found Pumps, Valves\. Did you mean "Pumps"') as caught:
        make_spine(made, [DAY], active_days=365, outcome=Outcome(category="Pumpz"))
    assert caught.value.code == "unknown_category"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"target": "gone"}, "target must be one of no_purchase"),
        ({"target": "partial"}, "partial_below belongs to the target partial"),
        ({"target": "partial", "partial_below": 1.5, "trailing_days": 365}, r"partial_below must be in \(0, 1\]"),
        ({"target": "partial", "partial_below": 0.5, "trailing_days": 0}, "trailing_days must be above 0"),
        ({"trailing_days": 365}, "trailing_days belongs to the target partial"),
        ({"target": "contract_cancelled", "category": "Pumps"}, "speak of purchases"),
        ({"own_gap": OwnGap(2.0, 40, 30)}, "1 <= min_days <= max_days"),
        ({"own_gap": OwnGap(float("nan"), 3, 30)}, "times > 0"),
        ({"category": 5}, "category must be text"),
    ],
)
def test_contradictions_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        Outcome(**values)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(),
        CONTRACT,
        PARTIAL,
        Outcome(category="Pumps", own_gap=OwnGap(1.5, 1, 60)),
    ],
)
def test_an_outcome_comes_back_from_its_values(outcome):
    assert Outcome.from_json(outcome.as_json()) == outcome


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"target": "no_purchase", "moon": 1}, r"unknown keys \['moon'\]"),
        ({"target": "no_purchase", "own_gap": {"times": 2}}, "must have the keys times, min_days and max_days"),
    ],
)
def test_what_is_not_known_is_refused(value, told):
    with pytest.raises(ValueError, match=told):
        Outcome.from_json(value)


def test_the_longest_window_and_the_bounds():
    own = Outcome(own_gap=OwnGap(2.0, 30, 365))
    assert (Outcome().longest(90), own.longest(90), own.longest(400)) == (90, 365, 400)
    assert own.horizons(np.array([14.9999999999, 15.0, 15.01, np.nan]), 90).tolist() == [30, 30, 31, 90]
