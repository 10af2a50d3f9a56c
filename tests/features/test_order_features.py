"""Order patterns with values worked out by hand. Cutoff, unless said otherwise: 1 March 2026, Berlin."""

import pandas as pd
import pytest

AS_OF = "2026-03-01"


def test_counts_and_sums_take_the_day_the_window_begins_and_not_the_cutoff(tables, at, lines):
    # 30 days before 1 March 2026 is 30 January
    found = at(
        tables(
            order_lines=lines(
                ("A", "2026-01-29 23:59:59", 1.0),
                ("B", "2026-01-30 00:00:00", 10.0),
                ("C", "2026-02-28 23:59:59", 100.0),
                ("D", "2026-03-01 00:00:00", 1000.0),
            )
        ),
        AS_OF,
    )
    assert found["orders_count_30d"] == 2
    assert found["orders_net_revenue_30d"] == 110.0
    assert found["orders_basket_mean_30d"] == 55.0
    assert found["orders_count_90d"] == 3
    assert found["days_since_last_order"] == 1


def test_an_order_is_its_visible_lines_and_a_purchase_has_a_positive_sum(tables, at, lines):
    # order A: 50 - 60 < 0 once the credit line of February is seen, so it is no purchase any more
    frame = lines(("A", "2026-01-10", 50.0), ("A", "2026-02-10", -60.0), ("B", "2026-02-20", 0.0))
    made = tables(order_lines=frame)
    before, after = at(made, "2026-02-01"), at(made, AS_OF)
    assert (before["orders_count_90d"], before["days_since_last_order"], before["order_days_count"]) == (1, 22, 1)
    assert (after["orders_count_90d"], after["days_since_last_order"], after["order_days_count"]) == (0, None, 0)
    assert after["orders_net_revenue_90d"] == -10.0
    assert after["orders_returns_count_365d"] == 1
    assert after["orders_basket_mean_90d"] is None


def test_an_order_has_the_time_of_its_first_visible_line(tables, at, lines):
    # the line of 5 January was entered on 15 February: before that the order happened on 10 January
    frame = lines(
        ("A", "2026-01-10", 50.0),
        ("A", "2026-01-05", 20.0),
        line_no=["1", "2"],
        known_at=[None, "2026-02-15"],
    )
    made = tables(order_lines=frame)
    assert at(made, "2026-02-15")["days_since_first_order"] == 36
    later = at(made, "2026-02-16")
    assert later["days_since_first_order"] == 42
    assert later["orders_count_365d"] == 1
    assert later["orders_net_amount_last"] == 70.0


def test_order_ids_of_two_customers_are_two_orders(tables, at, lines):
    made = tables(order_lines=lines(("A", "2026-02-01", 5.0), ("A", "2026-02-01", 7.0), customer_id=["7", "8"]))
    assert at(made, AS_OF)["orders_net_amount_last"] == 5.0
    assert at(made, AS_OF, customer="8")["orders_net_amount_last"] == 7.0


def test_breadth_counts_products_bought_not_returned(tables, at, lines):
    rows = lines(
        ("A", "2026-02-01", 5.0), ("A", "2026-02-01", 6.0), ("B", "2026-02-05", 5.0), ("C", "2025-04-01", 5.0),
        ("D", "2026-02-06", -5.0), ("E", "2026-02-07", 1.0), product_id=["x", "y", "x", "z", "w", None],
    )  # fmt: skip
    found = at(tables(order_lines=rows), AS_OF)
    assert found["orders_products_count_30d"] == 2
    assert found["orders_products_count_365d"] == 3
    assert found["orders_products_share_90d"] == pytest.approx(2 / 3)


def test_returns_share_is_returned_over_sold_value(tables, at, lines):
    found = at(tables(order_lines=lines(("A", "2026-02-01", 80.0), ("B", "2026-02-05", -20.0))), AS_OF)
    assert found["orders_returns_share_30d"] == 0.25
    only_returns = at(tables(order_lines=lines(("B", "2026-02-05", -20.0))), AS_OF)
    assert only_returns["orders_returns_share_30d"] is None


def test_gaps_between_order_days(tables, at, lines):
    # days: 1 Jan, 11 Jan (two orders), 31 Jan, 5 Feb: gaps 10, 20, 5
    rows = lines(
        ("A", "2026-01-01 10:00", 1.0), ("B", "2026-01-11 09:00", 1.0), ("C", "2026-01-11 17:00", 1.0),
        ("D", "2026-01-31 08:00", 1.0), ("E", "2026-02-05 23:59", 1.0),
    )  # fmt: skip
    found = at(tables(order_lines=rows), AS_OF)
    assert found["order_days_count"] == 4
    assert found["order_gap_days_mean"] == pytest.approx(35 / 3)
    assert found["order_gap_days_sd"] == pytest.approx(7.637626158259733)  # of 10, 20, 5
    assert found["order_gap_days_max"] == 20
    assert found["order_gap_days_last"] == 5
    assert found["days_since_last_order"] == 24
    assert found["days_since_last_order_over_own_gap"] == pytest.approx(24 / (35 / 3))
    assert found["days_since_last_order_over_longest_gap"] == pytest.approx(24 / 20)
    assert found["order_gap_days_cv"] == pytest.approx(7.637626158259733 / (35 / 3))


def test_a_late_entered_order_cuts_a_gap_in_two_from_then_on(tables, at, lines):
    # 1 and 31 January; the order of the 11th is entered on 20 February
    rows = lines(
        ("A", "2026-01-01", 1.0), ("B", "2026-01-11", 1.0), ("C", "2026-01-31", 1.0),
        line_no=["1", "1", "1"], known_at=[None, "2026-02-20 12:00", None],
    )  # fmt: skip
    made = tables(order_lines=rows)
    before, after = at(made, "2026-02-20"), at(made, "2026-02-21")
    assert (before["order_gap_days_mean"], before["order_gap_days_max"], before["order_days_count"]) == (30, 30, 2)
    assert (after["order_gap_days_mean"], after["order_gap_days_max"], after["order_days_count"]) == (15, 20, 3)


def test_a_gap_belongs_to_the_window_its_later_day_lies_in(tables, at, lines):
    # 365 days before 1 March 2026 is 1 March 2025: the gap that ends on 28 February 2025 is outside
    rows = lines(("A", "2025-01-01", 1.0), ("B", "2025-02-28", 1.0), ("C", "2025-03-01", 1.0), ("D", "2025-03-11", 1.0))
    found = at(tables(order_lines=rows), AS_OF)
    assert found["order_gap_days_mean_365d"] == pytest.approx((1 + 10) / 2)
    assert found["order_gap_days_mean"] == pytest.approx((58 + 1 + 10) / 3)
    assert found["order_gap_days_max"] == 58


def test_gaps_are_local_days_over_the_clock_change(tables, at, lines):
    # 28 March 23:30 and 30 March 00:30 local are 24 hours apart (the 29th has 23), and two days
    found = at(tables(order_lines=lines(("A", "2026-03-28 23:30", 1.0), ("B", "2026-03-30 00:30", 1.0))), "2026-04-01")
    assert found["order_gap_days_last"] == 2
    assert found["days_since_last_order"] == 2


def test_the_newest_visible_version_counts(tables, at, lines):
    rows = lines(
        ("A", "2026-01-10", 10.0), ("A", "2026-01-10", 30.0), ("A", "2026-01-10", 20.0),
        line_no=["1", "1", "1"], known_at=["2026-01-10", "2026-02-10", "2026-02-20"],
    )  # fmt: skip
    made = tables(order_lines=rows)
    days = ("2026-01-11", "2026-02-10", "2026-02-11", "2026-02-20", "2026-02-21")
    assert [at(made, day)["orders_net_revenue_365d"] for day in days] == [10.0, 10.0, 30.0, 30.0, 20.0]


def test_a_version_that_moves_to_another_customer_leaves_the_first(tables, at, lines):
    rows = lines(
        ("A", "2026-01-10", 10.0), ("A", "2026-01-10", 10.0),
        line_no=["1", "1"], customer_id=["7", "8"], known_at=["2026-01-10", "2026-02-10"],
    )  # fmt: skip
    made = tables(order_lines=rows)
    assert at(made, "2026-02-01")["orders_count_365d"] == 1
    assert at(made, AS_OF)["orders_count_365d"] == 0
    assert at(made, AS_OF, customer="8")["orders_count_365d"] == 1


def test_same_windows_a_year_ago(tables, at, lines):
    # one year (365 days) before 1 March 2026 is 1 March 2025; the coming 90 days then: 1 March to 29 May 2025
    rows = lines(
        ("A", "2024-12-01", 1.0),  # first day of the 90 days up to a year ago
        ("B", "2025-02-28 23:59", 2.0),
        ("C", "2025-03-01 00:00", 4.0),
        ("D", "2025-05-29 23:59", 8.0),
        ("E", "2025-05-30", 16.0),
    )
    found = at(tables(order_lines=rows), AS_OF)
    assert (found["orders_count_90d_ago_365d"], found["orders_net_revenue_90d_ago_365d"]) == (2, 3.0)
    assert (found["orders_count_90d_ago_275d"], found["orders_net_revenue_90d_ago_275d"]) == (2, 12.0)


def test_trends_are_null_without_a_base(tables, at, lines):
    rows = lines(("A", "2025-10-15", 50.0), ("B", "2026-01-15", 10.0), ("C", "2026-02-15", 15.0))
    found = at(tables(order_lines=rows), AS_OF)
    assert found["orders_count_trend_90d"] == 2.0  # 2 after 1 December, 1 in the 90 days before
    assert found["orders_net_revenue_trend_90d"] == 0.5
    assert found["orders_count_trend_365d"] is None
    assert found["orders_count_30d_over_own_month"] == pytest.approx(365 / 30 / 3)


def test_what_is_not_mapped_is_null_and_what_did_not_happen_is_zero(tables, at, lines):
    found = at(tables(order_lines=lines(("A", "2026-02-15", 15.0))), AS_OF)
    assert found["orders_cost_365d"] is None
    assert found["orders_products_count_90d"] is None
    assert found["orders_discount_share_365d"] is None
    assert found["invoices_open_count"] is None
    assert found["interactions_count_90d"] is None
    nobody = at(tables(order_lines=lines(("A", "2026-02-15", 15.0))), AS_OF, customer="nobody")
    assert (nobody["orders_count_365d"], nobody["orders_net_revenue_365d"]) == (0, 0)
    assert (nobody["days_since_last_order"], nobody["order_gap_days_mean"]) == (None, None)


def test_cost_and_discount(tables, at, lines):
    rows = lines(
        ("A", "2026-02-01", 80.0), ("B", "2026-02-05", 20.0), ("C", "2026-02-06", -20.0),
        list_amount=[100.0, None, -25.0], cost_amount=[30.0, 5.5, None],
    )  # fmt: skip
    found = at(tables(order_lines=rows), AS_OF)
    assert found["orders_cost_365d"] == 35.5
    assert found["orders_discount_share_365d"] == 0.2


def test_a_cutoff_may_be_any_instant(tables, at, lines):
    made = tables(order_lines=lines(("A", "2026-02-01 12:00", 80.0), ("B", "2026-02-01 13:00", 20.0)))
    first = pd.Timestamp("2026-02-01 12:00", tz="Europe/Berlin")
    assert at(made, first)["orders_count_30d"] == 0
    just_after = at(made, first + pd.Timedelta("1us"))
    assert (just_after["orders_count_30d"], just_after["days_since_last_order"]) == (1, 0)
    # the window keeps the wall clock: [2 January 12:00, ...) from 1 February 12:00
    a_month_on = at(made, pd.Timestamp("2026-03-03 12:00", tz="Europe/Berlin"))
    assert a_month_on["orders_count_30d"] == 2
    assert at(made, pd.Timestamp("2026-03-03 12:00:01", tz="Europe/Berlin"))["orders_count_30d"] == 1


def test_money_is_exact_where_floats_are_not(tables, at, lines):
    rows = lines(*[(f"O{i}", "2026-02-01", 0.1) for i in range(30)])
    assert at(tables(order_lines=rows), AS_OF)["orders_net_revenue_30d"] == 3.0
