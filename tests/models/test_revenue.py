"""New deals per month, and the simulation: what must add up, and what must not matter."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import deal_history
from crm_ml.models.arrivals import Arrivals, first_day, fit_arrivals, month_of
from crm_ml.models.evaluation.forecasts import naive_forecasts
from crm_ml.models.revenue import simulate_revenue
from crm_ml.tables import from_frames


def opened(counts, begin=0):
    """Return the first days of months, as often as there are deals in them."""
    return first_day(np.arange(begin, begin + len(counts))).repeat(counts)


def test_the_newest_year_counts_where_two_are_not_known():
    arrivals = fit_arrivals(opened([9] + [2] * 6 + [5] * 12), int(first_day(19)))
    assert (arrivals.level, arrivals.months, arrivals.is_seasonal, arrivals.dispersion) == (5.0, 18, False, 1.0)
    assert arrivals.events == 60


def test_a_season_is_found_and_put_into_its_month():
    year = [10] * 11 + [40]
    arrivals = fit_arrivals(opened([1] + year * 3), int(first_day(37)))
    mean = 150 / 12
    raw = np.array(year) / mean
    k = 1 / (raw.var(ddof=1) - 1 / (3 * mean))
    assert arrivals.season[0] == pytest.approx((120 + k) / (3 * mean + k))  # January: months 12, 24, 36
    assert arrivals.season.argmax() == 0
    assert arrivals.level == pytest.approx(150 / arrivals.season.sum())


def test_months_that_differ_by_chance_alone_have_no_season():
    assert not fit_arrivals(opened([1] + [10, 11] * 18), int(first_day(37))).is_seasonal


def test_draws_have_the_mean_and_scatter_that_were_found():
    arrivals = Arrivals(20.0, 1e9, np.ones(12), 3.0, 24)
    drawn = arrivals.draw(np.array([1.0, 0.5]), np.random.default_rng(0), 40_000)
    assert drawn.mean(axis=0) == pytest.approx([20, 10], rel=0.02)
    assert drawn.var(axis=0) == pytest.approx([60, 30], rel=0.05)


def firm(count=90, seed=0):
    rng = np.random.default_rng(seed)
    created = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 420, count)), "D")
    closed = created + pd.to_timedelta(rng.integers(5, 80, count), "D")
    over = closed < pd.Timestamp("2026-03-10")
    frame = {
        "deal_id": [f"{k:03}" for k in range(count)],
        "created_at": created,
        "status": np.where(over, np.where(rng.random(count) < 0.5, "won", "lost"), "open"),
        "closed_at": closed.where(over),
        "amount": np.round(np.exp(rng.normal(9, 0.8, count)), 2),
        "owner_id": np.array(["m1", "m2", "m3"])[rng.integers(3, size=count)],
        "lead_id": "x",
    }
    return pd.DataFrame(frame)


def history(frame, day=dt.date(2026, 3, 10)):
    tables = from_frames({"deals": frame}, strict=False)
    return deal_history(tables, cutoff_us(day, tables.zone))


def test_parts_and_owners_add_up():
    revenue = simulate_revenue(history(firm()), months=4)
    table = revenue.table()
    total = table[table["owner_id"].isna()].set_index("month")
    owners = table[table["owner_id"].notna()].groupby("month")
    for part in ("closed", "open", "new", "expected"):
        assert owners[part].sum().to_numpy() == pytest.approx(total[part].to_numpy())
    assert (total["closed"] + total["open"] + total["new"]).to_numpy() == pytest.approx(total["expected"].to_numpy())
    for low, high in (("low_90", "low_50"), ("low_50", "median"), ("median", "high_50"), ("high_50", "high_90")):
        assert (table[low] <= table[high]).all()
    assert [str(month) for month in total.index] == ["2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01"]


def test_what_is_won_in_the_month_is_known():
    frame = firm(300)
    frame.loc[frame["closed_at"] >= "2026-03-01", "status"] = "won"
    won = frame[frame["closed_at"] >= "2026-03-01"]
    table = simulate_revenue(history(frame), months=2).table()
    assert len(won)
    assert table["closed"].iloc[:2].tolist() == pytest.approx([won["amount"].sum(), 0.0])


def test_open_deals_are_won_as_often_as_their_chances_say():
    then = history(firm(400))
    revenue = simulate_revenue(then, months=12, draws=60, futures=40)
    assert revenue.open.sum(axis=(1, 2)).mean() == pytest.approx(
        0.5 * then.deals.loc[then.is_open, "amount"].sum(), rel=0.2
    )


def test_same_inputs_same_numbers_whatever_the_order_of_rows():
    frame = firm()
    first = simulate_revenue(history(frame)).table()
    again = simulate_revenue(history(frame.sample(frac=1, random_state=3))).table()
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(simulate_revenue(history(frame), seed=1).table())


def test_naive_forecasts_by_hand():
    frame = pd.DataFrame(
        {
            "deal_id": list("abcd"),
            "created_at": ["2025-01-05", "2025-01-06", "2025-12-01", "2025-12-01"],
            "status": ["won", "lost", "open", "open"],
            "closed_at": ["2025-03-05", "2025-03-06", None, None],
            "expected_close_at": [None, None, "2026-04-10", "2026-01-01"],
            "amount": [1200, 1, 500, 300],
            "lead_id": "x",
        }
    )
    then = history(frame, dt.date(2026, 3, 1))
    months = [int(month_of(then.day)), int(month_of(then.day)) + 1]
    found = naive_forecasts(then, months)
    # of the twelve months before March 2026 one brought 1200; half of the closed deals were won; one is overdue
    assert found.to_dict("list") == {
        "mean_of_year": [100, 100],
        "same_month_last_year": [1200, 0],
        "pipeline": [150, 250],
    }
