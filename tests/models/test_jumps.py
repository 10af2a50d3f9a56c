"""A jump of the rate: found where there is one, hardly ever where there is none, and told in numbers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.models import make_dataset
from crm_ml.models.evaluation.jumps import find_jump, jump_of
from crm_ml.models.terms import terms_of

START = np.datetime64("2024-01-01")


def series(seed, *, rows=1500, span=700, at=350, before=0.1, after=0.1, spread=0.0):
    """Rows on random days; `spread` is the variation of the rate from week to week, in parts of it."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, span, rows))
    p = np.where(day >= at, after, before)
    if spread:
        p = p * rng.gamma(spread**-2, spread**2, day.max() // 7 + 1)[day // 7]
    return START + day, rng.random(rows) < np.clip(p, 0, 1)


def test_rates_and_day_are_those_of_the_series():
    days = START + np.repeat(np.arange(10), 40)
    y = np.tile(np.arange(40) < 4, 10)
    y[240:] = np.tile(np.arange(40) < 16, 4)  # from the seventh day on 16 of 40
    jump = find_jump(days, y)
    assert (jump.day, jump.before, jump.after) == (dt.date(2024, 1, 7), 0.1, 0.4)
    assert (jump.rows_before, jump.rows_after, jump.p_value) == (240, 160, 0.001)


@pytest.mark.parametrize("turned", [False, True])
def test_a_doubled_rate_is_found_nearly_always_and_near_its_day(turned):
    rates = {"before": 0.2, "after": 0.1} if turned else {"before": 0.1, "after": 0.2}
    found = [find_jump(*series(seed, **rates), draws=299) for seed in range(20)]
    there = [jump for jump in found if jump is not None]
    assert len(there) >= 19
    off = [abs((np.datetime64(jump.day) - START).astype(int) - 350) for jump in there]
    assert np.median(off) <= 30
    assert all((jump.after < jump.before) == turned for jump in there)


@pytest.mark.stress
@pytest.mark.parametrize("how", [{}, {"before": 0.02, "after": 0.02}, {"rows": 400}, {"spread": 0.3}])
def test_false_alarms_are_rare(how):
    alarms = [find_jump(*series(seed, **how), least_ratio=1.0) is not None for seed in range(400)]
    assert np.mean(alarms) <= 0.02


def test_few_false_alarms_in_a_short_run():
    assert sum(find_jump(*series(seed), least_ratio=1.0) is not None for seed in range(60)) <= 2


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    days, y = series(3, rows=400, span=200, at=100, after=0.4)
    order = list(range(len(y)))
    random.shuffle(order)
    assert find_jump(days[order], y[order], draws=199) == find_jump(days, y, draws=199)


@pytest.mark.parametrize(
    ("rows", "y"),
    [(0, False), (150, True), (199, True)],
)
def test_too_few_rows_have_no_jump(rows, y):
    days = START + np.arange(rows)
    assert find_jump(days, (np.arange(rows) >= rows // 2) == y) is None


@pytest.mark.parametrize("y", [True, False])
def test_one_outcome_only_is_no_jump(y):
    assert find_jump(START + np.arange(500), np.full(500, y)) is None


def test_all_on_one_day_is_no_jump():
    assert find_jump(np.full(500, START), np.arange(500) < 100) is None


def test_a_small_difference_of_many_rows_is_no_jump():
    days, y = START + np.repeat(np.arange(400), 250), np.tile(np.arange(250) < 25, 400)
    y[50_000:] = np.tile(np.arange(250) < 28, 200)
    assert find_jump(days, y, draws=99) is None
    assert find_jump(days, y, draws=99, least_ratio=1.0).after == pytest.approx(0.112)


def frame_of(days: np.ndarray, **more: object) -> pd.DataFrame:
    ids = [f"{k:05d}" for k in range(len(days))]
    return pd.DataFrame({"customer_id": ids, "as_of": pd.to_datetime(days).date, "lead_age_days": 0.0, **more})


def test_each_lead_counts_once_by_its_creation():
    days, y = series(5, after=0.3)
    frame = frame_of(days)
    # later rows of the leads, and old leads that have survived, all of them won
    later = frame.assign(as_of=pd.to_datetime(days + 40).date, lead_age_days=40.0)
    old = frame.assign(customer_id="old" + frame["customer_id"], lead_age_days=400.0)
    both = pd.concat([later, frame, old], ignore_index=True)
    labels = np.concatenate([np.ones(len(y), bool), y, np.ones(len(y), bool)])
    data = make_dataset(both, labels, gap_days=0, horizon_days=90)
    assert jump_of(data) == find_jump(days, y)


def test_it_is_told_with_day_rates_and_what_to_do():
    jump = find_jump(*series(5, after=0.3))
    finding = jump.finding(terms_of("won"))
    assert (finding.severity, finding.code) == ("warning", "rate_jump")
    assert f"came before {jump.day} it is {jump.before:.1%}" in finding.message
    assert "Find out what changed" in finding.remedy
    assert jump.as_dict()["day"] == jump.day.isoformat()
