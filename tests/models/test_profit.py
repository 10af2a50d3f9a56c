from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.intervals import bootstrap, customer_weights
from crm_ml.models.evaluation.profit import SaveRate, empb, empb_share, empc, empc_share

PAPER = {"clv": 200.0, "incentive": 10.0, "contact": 1.0}


def slow_best(gamma, y, score, value, incentive, contact):
    """Profit per customer of the best cut at one save rate, and the share contacted; a plain loop over cuts."""
    best, share = 0.0, 0.0
    for t in sorted(set(score), reverse=True):
        profit, contacted = 0.0, 0
        for left, s, v, d in zip(y, score, value, incentive, strict=True):
            if s >= t:
                contacted += 1
                profit += gamma * (v - d) - contact if left else -(d + contact)
        if profit / len(y) > best:
            best, share = profit / len(y), contacted / len(y)
    return best, share


def slow_integral(y, score, value, incentive, contact, alpha=6.0, beta=14.0, steps=2000):
    """The definition itself: a sum over many save rates of the best profit there."""
    edges = stats.beta(alpha, beta).ppf((np.arange(steps) + 0.5) / steps)
    found = np.array([slow_best(gamma, y, score, value, incentive, contact) for gamma in edges])
    return found.mean(axis=0)


rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9, 0.95]), st.floats(5.0, 900.0)),
    min_size=1,
    max_size=9,
)


@given(rows)
@settings(max_examples=12)
def test_both_measures_are_the_integral_of_the_best_profit(pairs):
    y, score, value = (np.array(column) for column in zip(*pairs, strict=True))
    own = slow_integral(y, score, value, 0.05 * value, 15.0, steps=400)
    assert empb(y, score, value=value) == pytest.approx(own[0], rel=0.02, abs=0.02)
    assert empb_share(y, score, value=value) == pytest.approx(own[1], abs=0.01)
    same = np.full(len(y), 200.0)
    one = slow_integral(y, score, same, 0.05 * same, 1.0, steps=400)
    assert empc(y, score) == pytest.approx(one[0], rel=0.02, abs=0.02)
    assert empc_share(y, score) == pytest.approx(one[1], abs=0.01)


def test_the_integral_is_met_to_many_digits_by_quadrature():
    y = np.array([1, 0, 1, 1, 0, 0, 1, 0, 0, 0], bool)
    score = np.array([9, 8, 7, 7, 6, 5, 4, 4, 2, 1], float)
    value = np.array([300, 50, 20, 900, 400, 80, 10, 700, 60, 30], float)
    density = stats.beta(6, 14).pdf
    points = np.linspace(0, 1, 201)
    expected = sum(
        integrate.quad(lambda g: slow_best(g, y, score, value, 0.05 * value, 15.0)[0] * density(g), a, b)[0]
        for a, b in pairwise(points)
        if b > 0.02
    )
    assert empb(y, score, value=value) == pytest.approx(expected, rel=1e-5)


def test_a_perfect_ranking_has_the_closed_form():
    # pi0 clv (1 - delta) E[max(gamma - phi / (1 - delta), 0)]: one segment of the hull, straight up
    y = np.array([True] * 20 + [False] * 80)
    threshold, save = 1 / 190, stats.beta(6, 14)
    worth = integrate.quad(lambda g: (g - threshold) * save.pdf(g), threshold, 1)[0]
    assert empc(y, y.astype(float), **PAPER) == pytest.approx(0.2 * 190 * worth, rel=1e-9)
    # the threshold lies far below the mass of Beta(6, 14): 0.2 (200 0.3 0.95 - 1)
    assert empc(y, y.astype(float), **PAPER) == pytest.approx(0.2 * (0.3 * 190 - 1), abs=1e-6)
    assert empc_share(y, y.astype(float), **PAPER) == pytest.approx(0.2, abs=1e-8)


def test_a_ranking_that_knows_nothing_contacts_all_or_none():
    # one segment from (0, 0) to (1, 1): pays where gamma 190 pi0 > 1 + 10 pi1
    y = np.array([True] * 20 + [False] * 80)
    threshold = (1 + 10 * 0.8) / (190 * 0.2)
    save = stats.beta(6, 14)
    worth = integrate.quad(lambda g: (190 * 0.2 * g - 9) * save.pdf(g), threshold, 1)[0]
    assert empc(y, np.zeros(100), **PAPER) == pytest.approx(worth, rel=1e-9)
    assert empc_share(y, np.zeros(100), **PAPER) == pytest.approx(save.sf(threshold), rel=1e-9)


def test_scores_that_are_the_true_probabilities_have_a_closed_form_too():
    # score uniform on (0, 1) and leaving with that very probability; at save rate gamma it pays to contact from
    # t = 11 / (190 gamma + 10) on, which brings (190 gamma + 10) (1 - t^2) / 2 - 11 (1 - t)
    score = (np.arange(4000) + 0.5) / 4000
    y, both, weight = np.repeat([True, False], 4000), np.tile(score, 2), np.r_[score, 1 - score]

    def best(gamma):
        t = min(1.0, 11 / (190 * gamma + 10))
        return (190 * gamma + 10) * (1 - t**2) / 2 - 11 * (1 - t)

    def share(gamma):
        return 1 - min(1.0, 11 / (190 * gamma + 10))

    for measure, at in ((empc, best), (empc_share, share)):
        mean = integrate.quad(lambda g, at=at: at(g) * stats.beta(6, 14).pdf(g), 0, 1, points=[1 / 190])[0]
        assert measure(y, both, weight, **PAPER) == pytest.approx(mean, rel=1e-4)


def test_the_hull_bridges_a_dent_in_the_ranking():
    # a stayer ahead of a leaver: the two pay together or not at all; uniform save rate, worked out by hand
    terms = {"clv": 100.0, "incentive": 10.0, "contact": 1.0, "save_rate": SaveRate(1, 1)}
    assert empc([1, 0, 1, 0], [4, 3, 2, 1], **terms) == pytest.approx(14005 / 720)
    assert empc_share([1, 0, 1, 0], [4, 3, 2, 1], **terms) == pytest.approx(245 / 360)
    # the same two with one score: nothing changes
    assert empc([1, 0, 1, 0], [4, 2, 2, 1], **terms) == pytest.approx(14005 / 720)


def test_values_of_customers_by_hand():
    # leaver worth 1000 (offer 50, capped at 20), stayer worth 400 (offer 20), contact 10, uniform save rate.
    # leaver first: gains 980 gamma - 10, pays from 10/980 on; the stayer never pays
    terms = {"value": [1000.0, 400.0], "contact": 10.0, "incentive_cap": 20.0, "save_rate": SaveRate(1, 1)}
    assert empb([1, 0], [2, 1], **terms) == pytest.approx(980 * (970 / 980) ** 2 / 2 / 2)
    assert empb_share([1, 0], [2, 1], **terms) == pytest.approx(970 / 980 / 2)
    # the stayer first: both together, 980 gamma - 10 - 30
    assert empb([1, 0], [1, 2], **terms) == pytest.approx(980 * (940 / 980) ** 2 / 2 / 2)


def test_one_class_is_no_special_case():
    score = np.arange(5.0)
    assert (empc(np.zeros(5), score), empc_share(np.zeros(5), score)) == (0.0, 0.0)
    assert empc(np.ones(5), score) == pytest.approx(0.3 * 190 - 1, abs=1e-6)
    assert empb(np.zeros(5), score, value=np.full(5, 1e6)) == 0.0
    assert np.isnan(empc([], []))


def test_what_is_worth_nothing_brings_nothing():
    y = [True, False, True]
    assert empb(y, [3, 2, 1], value=[0.0, -50.0, np.nan]) == 0.0
    # free contacts and no offer: all leavers are contacted, whatever the order
    free = empb(y, [1, 3, 2], value=[100.0, 50.0, 200.0], incentive_share=0.0, contact=0.0)
    assert free == pytest.approx(0.3 * 300 / 3)


@given(rows, st.integers(0, 3))
def test_order_of_rows_and_scale_of_scores_and_money(pairs, seed):
    y, score, value = (np.array(column) for column in zip(*pairs, strict=True))
    order = np.random.default_rng(seed).permutation(len(y))
    measured = empb(y, score, value=value)
    assert empb(y[order], score[order], value=value[order]) == pytest.approx(measured, abs=1e-9)
    assert empb(y, np.exp(score), value=value) == pytest.approx(measured, abs=1e-9)
    assert empb(y, score, value=10 * value, contact=150.0) == pytest.approx(10 * measured, rel=1e-9, abs=1e-9)
    same = np.full(len(y), 200.0)
    assert empb(y, score, value=same, contact=1.0) == pytest.approx(empc(y, score), abs=1e-9)


@given(rows, st.integers(0, 3))
def test_a_weight_is_the_row_standing_so_often(pairs, seed):
    y, score, value = (np.array(column) for column in zip(*pairs, strict=True))
    times = np.random.default_rng(seed).integers(0, 4, (3, len(y)))
    times[:, 0] += 1
    weighted = empb(y, score, times, value=value)
    shares = empb_share(y, score, times, value=value)
    for i, counts in enumerate(times):
        repeated = [np.repeat(x, counts) for x in (y, score)]
        assert weighted[i] == pytest.approx(empb(*repeated, value=np.repeat(value, counts)), abs=1e-9)
        assert shares[i] == pytest.approx(empb_share(*repeated, value=np.repeat(value, counts)), abs=1e-9)


def test_replicates_give_intervals_through_the_common_draws():
    rng = np.random.default_rng(3)
    y = rng.random(300) < 0.2
    score = rng.normal(size=300) + y
    drawn = bootstrap(empc, y, score, customer_weights(np.arange(300).astype(str), replicates=50))
    assert drawn.shape == (50,)
    assert drawn.min() < empc(y, score) < drawn.max()


def test_what_a_campaign_cannot_be_is_refused():
    with pytest.raises(UsageError, match="found value 0"):
        empc([1, 0], [1, 2], clv=0.0)
    with pytest.raises(UsageError, match="found 1 values for 2 rows"):
        empb([1, 0], [1, 2], value=[3.0])
    with pytest.raises(UsageError, match=r"share 1\.5"):
        empb([1, 0], [1, 2], value=[3.0, 4.0], incentive_share=1.5)
    with pytest.raises(UsageError, match="found 0 and 14"):
        SaveRate(0, 14)
