"""Who is eligible, what the label says, and what a spine may look like."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crm_ml.errors import DataError, UsageError
from crm_ml.features import build_features, churn_labels, cutoff_us, data_hash, make_spine
from crm_ml.features.spine import crossed, sort_spine

DAY = dt.date(2026, 3, 1)
BERLIN = "Europe/Berlin"


def eligible(made, day=DAY, active_days=365):
    return make_spine(made, [day], active_days=active_days)["customer_id"].tolist()


def test_eligible_is_who_bought_in_the_last_active_days(tables, lines):
    rows = lines(
        ("A", "2025-03-01 00:00", 1.0), ("B", "2025-02-28 23:59", 1.0), ("C", "2026-02-28", 1.0),
        ("D", "2026-03-01", 1.0), ("E", "2026-02-01", -1.0), ("F", "2026-02-01", 1.0),
        customer_id=["1", "2", "3", "4", "5", "6"], line_no=["1"] * 6,
        known_at=[None, None, None, None, None, "2026-03-01"],
    )  # fmt: skip
    assert eligible(tables(order_lines=rows)) == ["1", "3"]


def test_the_spine_is_sorted_and_carries_dates_and_cutoffs(tables, lines):
    rows = lines(("A", "2026-01-01", 1.0), ("B", "2026-01-02", 1.0), customer_id=["10", "9"])
    spine = make_spine(tables(order_lines=rows), [DAY, dt.date(2026, 2, 1), DAY], active_days=365)
    assert list(spine.columns) == ["customer_id", "as_of", "cutoff"]
    assert spine["customer_id"].tolist() == ["10", "9", "10", "9"]
    assert spine["as_of"].tolist() == [dt.date(2026, 2, 1)] * 2 + [DAY] * 2
    assert spine["cutoff"].tolist()[-1] == cutoff_us(DAY, BERLIN)
    assert spine["cutoff"].dtype == np.int64


@pytest.mark.parametrize("kind", ["str", "object", "int64"])
def test_a_sorted_spine_knows_where_each_row_came_from(kind):
    ids = pd.Series([20, 10, 20, 20], dtype=kind if kind == "int64" else "str").astype(kind)
    spine = sort_spine(pd.DataFrame({"customer_id": ids, "cutoff": [2, 9, 1, 3]}))
    assert spine.ids.to_pylist() == ["10", "20"]
    assert (spine.subject.tolist(), spine.cutoffs.tolist()) == ([0, 1, 1, 1], [9, 1, 2, 3])
    assert (spine.row_from.tolist(), spine.order.tolist()) == ([0, 1, 4], [1, 2, 0, 3])
    assert spine.unsorted(np.array([1.5, 2.5, 3.5, 4.5])).tolist() == [3.5, 1.5, 2.5, 4.5]


def test_a_crossed_spine_is_what_sorting_would_give():
    by_sorting = sort_spine(pd.DataFrame({"customer_id": ["7", "7", "8", "8", "9", "9"], "cutoff": [10, 20] * 3}))
    made = crossed(pa.array(["7", "8", "9"]), np.array([10, 20]))
    for name in ("ids", "subject", "cutoffs", "row_from", "order"):
        assert getattr(made, name).tolist() == getattr(by_sorting, name).tolist(), name


def test_objectors_and_inactive_customers_are_left_out(tables, lines):
    ids = ["active", "objects", "blocked", "blocked_later", "always_blocked", "unknown_state"]
    customers = {
        "customer_id": ids,
        "profiling_objection": [False, True, None, None, None, None],
        "status": ["active", "active", "blocked", "terminated", "insolvent", None],
        "status_from": [None, None, "2026-02-01", "2026-03-01", None, None],
    }
    everyone = [*ids, "not_in_customers"]
    rows = lines(*[(f"O{i}", "2026-01-01", 1.0) for i in range(len(everyone))], customer_id=everyone)
    made = tables(customers=customers, order_lines=rows)
    assert eligible(made) == ["active", "blocked_later", "not_in_customers", "unknown_state"]
    assert eligible(made, dt.date(2026, 3, 2)) == ["active", "not_in_customers", "unknown_state"]
    assert "blocked" in eligible(made, dt.date(2026, 2, 1))


def test_no_eligible_customer_is_an_empty_spine_and_an_empty_feature_table(tables, lines):
    made = tables(order_lines=lines(("A", "2020-01-01", 1.0)))
    spine = make_spine(made, [DAY], active_days=365)
    assert len(spine) == 0
    found = build_features(made, spine)
    assert len(found) == 0
    assert "orders_count_90d" in found
    assert churn_labels(made, spine, gap_days=0, horizon_days=90, known_until=0).tolist() == []


def test_without_order_lines_there_is_no_spine(tables):
    with pytest.raises(DataError, match="churn needs the table order_lines, which is not mapped"):
        make_spine(tables(customers={"customer_id": ["1"]}), [DAY], active_days=365)


@pytest.mark.parametrize(
    ("ordered_at", "churned"),
    [
        ("2026-03-10 23:59:59.999999", True),  # in the gap
        ("2026-03-11 00:00:00", False),  # first instant of the label window
        ("2026-04-09 23:59:59.999999", False),  # last day: 11 March + 30 days = 10 April
        ("2026-04-10 00:00:00", True),
    ],
)
def test_the_label_window_begins_after_the_gap_and_ends_with_the_horizon(tables, lines, ordered_at, churned):
    made = tables(order_lines=lines(("A", "2026-02-01", 1.0), ("B", ordered_at, 1.0)))
    spine = make_spine(made, [DAY], active_days=365)
    until = cutoff_us(dt.date(2026, 6, 1), BERLIN)
    assert churn_labels(made, spine, gap_days=10, horizon_days=30, known_until=until).tolist() == [churned]


def test_the_label_knows_what_was_visible_until_then(tables, lines):
    rows = lines(
        ("A", "2026-02-01", 1.0), ("B", "2026-03-15", 1.0), ("C", "2026-03-20", -5.0), ("C", "2026-03-20", 5.0),
        line_no=["1"] * 4, known_at=[None, "2026-07-01", None, "2026-06-15"],
    )  # fmt: skip
    made = tables(order_lines=rows)
    spine = make_spine(made, [DAY], active_days=365)

    def label(until):
        at = cutoff_us(until, BERLIN)
        return churn_labels(made, spine, gap_days=0, horizon_days=90, known_until=at).tolist()

    assert label(dt.date(2026, 6, 1)) == [True]
    assert label(dt.date(2026, 6, 16)) == [False]  # order C corrected to a purchase
    assert label(dt.date(2026, 7, 2)) == [False]


def test_rows_order_other_cutoffs_and_other_subjects_change_nothing(tables, lines):
    rows = lines(
        *[(f"O{i}", f"2026-01-{1 + i % 28:02d} {i % 24:02d}:00", 1.5 * i - 9) for i in range(60)],
        customer_id=[str(i % 4) for i in range(60)],
        product_id=[f"p{i % 7}" for i in range(60)],
    )
    frame = pd.DataFrame(rows)
    made, shuffled = tables(order_lines=frame), tables(order_lines=frame.sample(frac=1.0, random_state=3))
    days = [dt.date(2026, 1, day) for day in (5, 12, 19, 30)]
    spine = make_spine(made, days, active_days=365)
    whole = build_features(made, spine)
    mixed = spine.sample(frac=1.0, random_state=5)
    pd.testing.assert_frame_equal(build_features(shuffled, mixed).sort_index(), whole, check_exact=True)
    for i in range(len(spine)):
        alone = build_features(made, spine.iloc[[i]])
        pd.testing.assert_frame_equal(alone, whole.iloc[[i]], check_exact=True)


def test_the_spine_is_checked_and_not_changed(tables, lines):
    made = tables(order_lines=lines(("A", "2026-01-01", 1.0)))
    spine = pd.DataFrame({"customer_id": ["7"], "as_of": [DAY], "note": ["x"]}, index=[41])
    found = build_features(made, spine)
    assert list(spine.columns) == ["customer_id", "as_of", "note"]
    assert found.index.tolist() == [41]
    assert found["note"].tolist() == ["x"]
    with pytest.raises(UsageError, match="needs the columns customer_id and cutoff or as_of"):
        build_features(made, pd.DataFrame({"customer_id": ["7"]}))
    with pytest.raises(UsageError, match="must not be null, found 1 nulls"):
        build_features(made, pd.DataFrame({"customer_id": [None], "cutoff": [1]}))
    with pytest.raises(UsageError, match="must be UTC microseconds as int64, found datetime64"):
        build_features(made, pd.DataFrame({"customer_id": ["7"], "cutoff": pd.to_datetime(["2026-01-01"])}))
    for stamp in (pd.Timestamp("2026-03-01 12:00"), pd.Timestamp("2026-03-01", tz="UTC")):
        with pytest.raises(UsageError, match="as_of must hold dates, found time stamps such as 2026-03-01"):
            build_features(made, pd.DataFrame({"customer_id": ["7"], "as_of": [stamp]}))
    with pytest.raises(UsageError, match=r"already has the columns \['orders_count_30d'\]"):
        build_features(made, spine.assign(orders_count_30d=1))


def test_odd_identifiers_stay_apart(tables, lines):
    ids = ["x", "x\x00", "007", "7", "é", "x" * 100_000]
    rows = lines(*[(f"O{i}", "2026-01-01", float(i + 1)) for i in range(len(ids))], customer_id=ids)
    made = tables(order_lines=rows)
    spine = make_spine(made, [DAY], active_days=365)
    found = build_features(made, spine).set_index("customer_id")["orders_net_revenue_365d"]
    assert sorted(found.tolist()) == [1, 2, 3, 4, 5, 6]
    assert (found["007"], found["7"]) == (3, 4)


def test_tables_without_rows_give_zeros_and_nulls(tables):
    empty = {
        "order_lines": ["order_id", "customer_id", "ordered_at", "net_amount", "product_id", "known_at"],
        "invoices": ["invoice_id", "customer_id", "issued_at", "due_at", "amount", "disputed_at"],
        "payments": ["payment_id", "invoice_id", "paid_at", "amount"],
        "interactions": [
            "interaction_id",
            "customer_id",
            "occurred_at",
            "channel",
            "direction",
            "topic",
            "responded_at",
        ],
        "surveys": ["survey_id", "customer_id", "answered_at", "kind", "score"],
        "customers": ["customer_id", "industry", "employees", "status"],
    }
    made = tables(**{name: {column: [] for column in columns} for name, columns in empty.items()})
    assert len(make_spine(made, [DAY], active_days=365)) == 0
    found = build_features(made, pd.DataFrame({"customer_id": ["7"], "as_of": [DAY]})).iloc[0]
    zero = ["orders_count_30d", "orders_net_revenue_365d", "orders_products_count_90d", "order_days_count"]
    zero += ["invoices_open_amount", "payments_count_365d", "disputes_count_365d", "complaints_count_90d"]
    assert found[zero].tolist() == [0] * len(zero)
    for name in ("days_since_last_order", "order_gap_days_mean", "invoices_days_late_max_90d", "survey_nps_last"):
        assert pd.isna(found[name])
    assert pd.isna(found["industry"])
    assert len(data_hash(made, cutoff_us(DAY, BERLIN))) == 64
