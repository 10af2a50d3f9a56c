from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.errors import DataError, HeldBack
from crm_ml.models.dataset import is_mature, make_dataset, plan_split, rolling_folds, snapshots_for, thin_days

D = dt.date


def frame_of(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "as_of", "x"])


def test_rows_are_sorted_by_day_then_customer_whatever_their_order_was():
    table = frame_of(("b", D(2026, 2, 1), 1.0), ("a", D(2026, 2, 1), 2.0), ("c", D(2026, 1, 1), 3.0))
    y = np.array([True, False, True])
    one = make_dataset(table, y, gap_days=0, horizon_days=30)
    other = make_dataset(table.iloc[::-1], y[::-1], gap_days=0, horizon_days=30)
    assert one.frame["customer_id"].tolist() == ["c", "a", "b"]
    assert one.y.tolist() == [True, False, True]
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert other.y.tolist() == one.y.tolist()


@pytest.mark.parametrize("kind", ["date", "timestamp", "arrow", "text"])
def test_as_of_may_be_any_kind_of_date(kind):
    days = pd.Series([D(2026, 1, 1), D(2026, 1, 2)], dtype="object")
    table = pd.DataFrame({"customer_id": ["a", "a"], "x": [1.0, 2.0]})
    table["as_of"] = {
        "date": days,
        "timestamp": pd.to_datetime(days),
        "arrow": days.astype("date32[day][pyarrow]"),
        "text": days.astype(str),
    }[kind]
    data = make_dataset(table, [True, False], gap_days=1, horizon_days=2)
    assert data.snapshots == [D(2026, 1, 2), D(2026, 1, 1)]
    assert data.label_end.astype(str).tolist() == ["2026-01-04", "2026-01-05"]


def test_the_same_customer_twice_at_a_snapshot_is_refused():
    table = frame_of(("a", D(2026, 1, 1), 1.0), ("a", D(2026, 1, 1), 2.0))
    with pytest.raises(DataError, match=r"once per snapshot; 1 rows repeat, e\.g\. a at 2026-01-01"):
        make_dataset(table, [True, False], gap_days=0, horizon_days=30)


@pytest.mark.parametrize("labels", [[0.0, np.nan], [1, 0], [True], [True, None]])
def test_labels_that_are_not_yes_or_no_are_refused(labels):
    table = frame_of(("a", D(2026, 1, 1), 1.0), ("b", D(2026, 1, 1), 2.0))
    with pytest.raises(DataError, match="one True or False per row"):
        make_dataset(table, labels, gap_days=0, horizon_days=30)


def test_each_row_may_have_a_window_of_its_own():
    table = frame_of(("b", D(2026, 1, 1), 1.0), ("a", D(2026, 1, 1), 2.0))
    data = make_dataset(table, [True, False], gap_days=2, horizon_days=np.array([30, 60]))
    assert data.frame["customer_id"].tolist() == ["a", "b"]
    assert data.label_end.astype(str).tolist() == ["2026-03-04", "2026-02-02"]


@pytest.mark.parametrize("windows", [[30], [30.0, 60.0], [[30, 60]]])
def test_windows_that_do_not_fit_the_rows_are_refused(windows):
    table = frame_of(("a", D(2026, 1, 1), 1.0), ("b", D(2026, 1, 1), 2.0))
    with pytest.raises(DataError, match="one whole number of days per row"):
        make_dataset(table, [True, False], gap_days=0, horizon_days=np.array(windows))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="must have the columns as_of, z"):
        make_dataset(pd.DataFrame({"customer_id": ["a"]}), [True], gap_days=0, horizon_days=30, features=["z"])


def test_maturity_ends_with_the_label_window():
    # window [1 Jan + 5, 1 Jan + 5 + 10) ends before 16 Jan
    assert is_mature(D(2026, 1, 1), D(2026, 1, 16), gap_days=5, horizon_days=10)
    assert not is_mature(D(2026, 1, 1), D(2026, 1, 15), gap_days=5, horizon_days=10)


def test_snapshots_go_back_in_steps_to_the_history_or_the_first_event():
    got = snapshots_for(D(2026, 6, 1), 10, 90, 30, 200, 30, D(2020, 1, 1))
    assert got == [D(2026, 2, 21), D(2026, 1, 22), D(2025, 12, 23), D(2025, 11, 23)]
    got = snapshots_for(D(2026, 6, 1), 10, 90, 30, 1825, 30, D(2025, 12, 1))
    assert got == [D(2026, 2, 21), D(2026, 1, 22)]


@given(
    gap=st.integers(0, 60),
    horizon=st.integers(1, 200),
    every=st.integers(1, 60),
    history=st.integers(300, 2000),
    least=st.integers(0, 200),
    age=st.integers(500, 3000),
)
def test_every_snapshot_is_mature_and_has_its_history(gap, horizon, every, history, least, age):
    at = D(2026, 6, 1)
    first = at - dt.timedelta(days=age)
    days = snapshots_for(at, gap, horizon, every, history, least, first)
    assert days == sorted(days, reverse=True)
    assert days[0] == at - dt.timedelta(days=gap + horizon)
    assert all(is_mature(day, at, gap_days=gap, horizon_days=horizon) for day in days)
    assert all(day - first >= dt.timedelta(days=least) and at - day <= dt.timedelta(days=history) for day in days)


def test_no_mature_snapshot_says_from_when_on_there_will_be_one():
    with pytest.raises(HeldBack, match="Train as of 2026-06-30 or later") as caught:
        snapshots_for(D(2026, 6, 1), 0, 90, 30, 1825, 90, D(2026, 1, 1))
    assert caught.value.code == "no_mature_snapshot"
    assert caught.value.exit_code == 4
    assert snapshots_for(D(2026, 6, 30), 0, 90, 30, 1825, 90, D(2026, 1, 1)) == [D(2026, 4, 1)]


def test_a_history_shorter_than_the_label_window_is_named():
    with pytest.raises(HeldBack, match="history_days must reach back beyond"):
        snapshots_for(D(2026, 6, 1), 0, 90, 30, 60, 0, D(2020, 1, 1))


def days_back(count, every=30, newest=D(2026, 3, 1)):
    return [newest - dt.timedelta(days=every * k) for k in range(count)]


@pytest.mark.parametrize(
    ("count", "evaluated", "fitted"), [(45, 3, 40), (10, 3, 5), (8, 3, 3), (7, 2, 3), (6, 2, 2), (5, 1, 2), (4, 1, 1)]
)
def test_the_newest_one_to_three_snapshots_evaluate(count, evaluated, fitted):
    split = plan_split(days_back(count), label_days=90)
    assert (len(split.evaluation), len(split.fit)) == (evaluated, fitted)
    assert all(day + dt.timedelta(days=90) <= min(split.evaluation) for day in split.fit)


def test_snapshots_that_overlap_all_cannot_be_evaluated():
    with pytest.raises(HeldBack, match="Train as of 2026-06-29 or later") as caught:
        plan_split(days_back(3), label_days=90)
    assert caught.value.code == "too_little_history"


@given(count=st.integers(1, 60), every=st.integers(1, 90), label=st.integers(1, 200), folds=st.integers(1, 6))
def test_no_fold_is_fitted_on_a_label_that_ends_after_its_first_validation_day(count, every, label, folds):
    days = days_back(count, every)
    parts = rolling_folds(days, label_days=label, folds=folds)
    assert len(parts) <= folds
    seen = [day for part in parts for day in part.validation]
    assert len(set(seen)) == len(seen)
    for part in parts:
        assert part.fit
        assert part.validation
        assert max(part.fit) + dt.timedelta(days=label) <= min(part.validation)


def test_folds_reach_back_over_two_years_at_most():
    parts = rolling_folds(days_back(60), label_days=90)
    assert len(parts) == 4
    assert min(day for part in parts for day in part.validation) > D(2026, 3, 1) - dt.timedelta(days=730)
    assert max(day for part in parts for day in part.validation) == D(2026, 3, 1)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 20_000))
def test_thinning_keeps_the_newest_day_and_the_cap_where_it_can(counts, cap):
    per_day = dict(zip(days_back(len(counts)), counts, strict=True))
    kept = thin_days(per_day, max_rows=cap)
    assert max(per_day) in kept
    assert sum(per_day[day] for day in kept) <= cap or len(kept) <= 2
    assert sum(counts) > cap or kept == set(per_day)
