from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.contacts import (
    compare_rankings,
    contacted,
    gain_of_contact,
    profit_at_capacity,
    profit_curve,
    true_gain_of_contact,
)
from crm_ml.models.evaluation.money_plots import plot_profit_curves, plot_rankings
from crm_ml.models.evaluation.profit import SaveRate, empb

rows = st.lists(
    st.tuples(st.floats(-50, 300), st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.sampled_from("abc")),
    min_size=1,
    max_size=14,
)


def columns(pairs):
    gain, score, manager = zip(*pairs, strict=True)
    return np.array(gain), np.array(score), np.array(manager, dtype=object)


def test_a_day_of_two_managers_by_hand():
    # per manager the two riskiest: a has 1 and 2, b has 4 and 5; the leaver 3 stands too low
    y = np.array([1, 0, 1, 0, 1, 0], bool)
    p = np.array([0.9, 0.8, 0.3, 0.7, 0.6, 0.2])
    value = np.array([1000.0, 5000.0, 9000.0, 400.0, 2000.0, 100.0])
    gain = gain_of_contact(y, value, save_rate=SaveRate(), cost=60.0)
    assert gain.tolist() == pytest.approx([240.0, -60.0, 2640.0, -60.0, 540.0, -60.0])
    managers = list("aaabbb")
    assert profit_at_capacity(gain, p, capacity=2, managers=managers) == pytest.approx(240 - 60 - 60 + 540)
    assert profit_at_capacity(gain, p, capacity={"a": 1, "b": 0}, managers=managers) == pytest.approx(240)
    # the team as a whole: 1, 2, 4 and 5 as well; by value 3 comes first
    assert profit_at_capacity(gain, p * value, capacity=1) == pytest.approx(-60)
    assert profit_at_capacity(gain, p * value, capacity=2) == pytest.approx(-60 + 2640)


@given(rows, st.integers(0, 15), st.integers(0, 3))
def test_profit_is_that_of_a_plain_loop_over_each_managers_list(pairs, capacity, seed):
    gain, score, managers = columns(pairs)
    score = score + np.arange(len(score)) * 1e-6  # no ties: a loop has no halves
    expected = 0.0
    for manager in sorted(set(managers)):
        own = [(s, g) for s, g, m in zip(score, gain, managers, strict=True) if m == manager and s >= 0.15]
        expected += sum(g for _, g in sorted(own, reverse=True)[:capacity])
    found = profit_at_capacity(gain, score, capacity=capacity, managers=managers, least=0.15)
    assert found == pytest.approx(expected, abs=1e-9)
    order = np.random.default_rng(seed).permutation(len(gain))
    again = profit_at_capacity(gain[order], score[order], capacity=capacity, managers=managers[order], least=0.15)
    assert again == pytest.approx(found, abs=1e-9)


@given(rows, st.integers(0, 12), st.integers(0, 3))
def test_ties_share_the_room_and_weights_are_repetitions(pairs, capacity, seed):
    gain, score, _ = columns(pairs)
    times = np.random.default_rng(seed).integers(0, 4, (3, len(gain)))
    found = profit_at_capacity(gain, score, times, capacity=capacity)
    for i, counts in enumerate(times):
        repeated = profit_at_capacity(np.repeat(gain, counts), np.repeat(score, counts), capacity=capacity)
        assert found[i] == pytest.approx(repeated, abs=1e-9)
    assert contacted(score, capacity=capacity).sum() == pytest.approx(min(capacity, len(gain)))


def test_the_curve_meets_the_profit_at_every_capacity():
    rng = np.random.default_rng(2)
    gain, score = rng.normal(10, 100, 40), rng.normal(size=40)
    curve = profit_curve(gain, score, points=41)
    for k, profit in zip(curve["contacts"], curve["profit"], strict=True):
        assert profit == pytest.approx(profit_at_capacity(gain, score, capacity=int(k)))
    assert curve["low"].isna().all()
    drawn = profit_curve(gain, score, rng.integers(0, 3, (30, 40)), points=5)
    assert (drawn["low"] <= drawn["profit"]).all()
    assert (drawn["profit"] <= drawn["high"]).all()


def test_the_best_point_of_the_curve_is_the_maximum_profit_at_a_sure_save_rate():
    # a beta distribution that is nearly a point turns the expected maximum profit into the top of the curve
    rng = np.random.default_rng(5)
    y, value = rng.random(60) < 0.3, np.exp(rng.normal(7, 1, 60))
    score = rng.normal(size=60) + y
    top = profit_curve(gain_of_contact(y, value, save_rate=0.3, cost=15.0), score, points=61)["profit"].max()
    sure = empb(y, score, value=value, incentive_share=0.0, save_rate=SaveRate(6e6, 14e6))
    assert 60 * sure == pytest.approx(top, rel=1e-3)


def test_risk_against_value_and_one_who_knows_by_hand():
    # customer 1: risky, small; 2: less risky, large, put off by calls; 3: middling, can be kept
    y, p, value = [1, 1, 0], [0.9, 0.6, 0.5], [100.0, 1000.0, 800.0]
    effect = [-0.5, 0.1, -0.3]
    assert true_gain_of_contact(effect, value, cost=20.0).tolist() == pytest.approx([30.0, -120.0, 220.0])
    known = compare_rankings(y, p, value, list("123"), capacity=2, cost=20.0, effect=effect, replicates=40)
    profit = {name: found.value for name, found in known.profit.items()}
    assert profit == pytest.approx({"risk": -90.0, "value": 100.0, "oracle": 250.0})
    assert known.value_less_risk.value == pytest.approx(190.0)
    assert known.share_of_oracle is not None
    assert known.share_of_oracle.value == pytest.approx(0.4)
    assert known.on_both == pytest.approx(0.5)
    assert known.table["ranking"].tolist() == ["risk", "value", "oracle"]
    assert known.as_dict()["basis"] == "true effect"
    # by an assumed save rate of .3: 1 brings 10, 2 brings 280, 3 costs 20
    assumed = compare_rankings(y, p, value, list("123"), capacity=2, cost=20.0, replicates=40)
    assert {name: found.value for name, found in assumed.profit.items()} == pytest.approx(
        {"risk": 290.0, "value": 260.0}
    )
    assert assumed.share_of_oracle is None


def test_by_value_nobody_is_called_whose_gain_does_not_cover_the_cost():
    result = compare_rankings([1, 0], [0.5, 0.5], [100.0, 1000.0], ["1", "2"], capacity=2, cost=60.0, replicates=5)
    # .3 x .5 x 100 = 15 < 60; .3 x .5 x 1000 = 150
    assert result.contacts == {"risk": 2.0, "value": 1.0}


def test_the_paired_interval_is_narrower_than_the_two_apart():
    rng = np.random.default_rng(1)
    n = 800
    p = rng.beta(1, 6, n)
    y, value = rng.random(n) < p, np.exp(rng.normal(7, 0.5, n))
    result = compare_rankings(y, p, value, np.arange(n).astype(str), capacity=300, replicates=200)
    width = result.value_less_risk.high - result.value_less_risk.low
    apart = np.hypot(*(found.high - found.low for found in result.profit.values()))
    assert width < 0.8 * apart
    again = compare_rankings(y, p, value, np.arange(n).astype(str), capacity=300, replicates=200)
    assert again.as_dict() == result.as_dict()


def test_pictures_draw_on_the_axes_they_get():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    left, right = figure.subplots(1, 2)
    curve = profit_curve([3.0, -1.0], [2.0, 1.0], np.ones((4, 2)), points=3)
    assert plot_profit_curves({"risk": curve}, left, capacity=1, language="en") is left
    assert left.get_xlabel() == "contacts"
    assert left.lines[0].get_ydata().tolist() == [0.0, 3.0, 2.0]
    comparison = compare_rankings([1, 0], [0.9, 0.1], [100.0, 50.0], ["1", "2"], capacity=1, replicates=5)
    assert plot_rankings(comparison, right) is right
    assert [text.get_text() for text in right.get_yticklabels()] == ["nach Risiko", "nach Wert"]


def test_a_capacity_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="needs to know whose customer"):
        contacted([1.0], capacity={"a": 1})
    with pytest.raises(UsageError, match="found -1"):
        contacted([1.0], capacity=-1)
