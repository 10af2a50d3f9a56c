from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from crm_ml.models.evaluation import metrics as m
from crm_ml.models.evaluation.intervals import customer_weights, evaluate, interval

MEASURES = (m.auc, m.average_precision, m.brier, m.brier_skill, m.calibration_error, m.lift_at_capacity)

rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.05, 0.1, 0.3, 0.3000001, 0.5, 0.77, 0.9])), min_size=2, max_size=60
).filter(lambda pairs: len({y for y, _ in pairs}) == 2)


def split(pairs):
    return np.array([y for y, _ in pairs]), np.array([p for _, p in pairs])


@given(rows, st.integers(0, 5))
def test_measures_equal_scikit_learn_with_and_without_weights(pairs, seed):
    y, p = split(pairs)
    weights = np.random.default_rng(seed).integers(0, 4, len(y)).astype(float)
    weights[[int(np.argmax(y)), int(np.argmin(y))]] = 1.0
    for w in (None, weights):
        assert m.auc(y, p, w) == pytest.approx(sk.roc_auc_score(y, p, sample_weight=w))
        assert m.average_precision(y, p, w) == pytest.approx(sk.average_precision_score(y, p, sample_weight=w))
        assert m.brier(y, p, w) == pytest.approx(sk.brier_score_loss(y, p, sample_weight=w))
        base = sk.brier_score_loss(y, np.full(len(y), np.average(y, weights=w)), sample_weight=w)
        assert m.brier_skill(y, p, w) == pytest.approx(1 - m.brier(y, p, w) / base)
        assert m.log_loss(y, p, w) == pytest.approx(sk.log_loss(y, p, sample_weight=w))


@given(rows, st.integers(0, 5))
def test_the_order_of_rows_never_matters(pairs, seed):
    y, p = split(pairs)
    order = np.random.default_rng(seed).permutation(len(y))
    for measure in MEASURES:
        assert measure(y[order], p[order]) == pytest.approx(measure(y, p), abs=1e-12)


@given(rows)
def test_a_weight_of_two_is_the_row_standing_twice(pairs):
    y, p = split(pairs)
    twice = np.full(len(y), 2.0)
    for measure in MEASURES:
        assert measure(y, p, twice) == pytest.approx(measure(np.tile(y, 2), np.tile(p, 2)), abs=1e-12)


def test_calibration_error_by_hand():
    # 20 rows, bins of two: predictions .05 .15 ... .95 (twice each), outcomes: bin k churns with 0, 1/2 or 1
    p = np.repeat(np.arange(10) / 10 + 0.05, 2)
    y = np.array([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1])
    rates = np.array([0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1])
    assert m.calibration_error(y, p) == pytest.approx(np.abs(np.arange(10) / 10 + 0.05 - rates).mean())


def test_calibration_error_equals_the_plain_definition_on_distinct_predictions():
    rng = np.random.default_rng(4)
    p = rng.random(1000)
    y = rng.random(1000) < p**2
    bins = np.array_split(np.argsort(p), 10)
    plain = sum(len(b) / 1000 * abs(p[b].mean() - y[b].mean()) for b in bins)
    assert m.calibration_error(y, p) == pytest.approx(plain, abs=1e-12)


def test_lift_by_hand():
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0])
    score = np.arange(10, 0, -1)
    assert m.lift_at_capacity(y, score, capacity=0.2) == pytest.approx(1.0 / 0.3)
    assert m.lift_at_capacity(y, score, capacity=0.3) == pytest.approx((2 / 3) / 0.3)
    # all tied: a fifth of everybody holds a fifth of the churners
    assert m.lift_at_capacity(y, np.ones(10), capacity=0.2) == pytest.approx(1.0)
    assert m.lift_at_capacity(y, score, capacity=1.0) == pytest.approx(1.0)


def test_one_class_gives_no_number():
    assert np.isnan(m.auc([1, 1], [0.1, 0.2]))
    assert np.isnan(m.average_precision([0, 0], [0.1, 0.2]))
    assert np.isnan(m.auc([], []))


def test_gain_ends_at_one_and_a_perfect_score_is_as_steep_as_can_be():
    table = m.gain_table([1, 1, 0, 0, 0, 0, 0, 0], np.arange(8, 0, -1), points=5)
    assert table["gain"] == pytest.approx([0, 1, 1, 1, 1])


def test_reliability_bins_hold_all_rows():
    rng = np.random.default_rng(2)
    p = np.round(rng.random(503), 2)
    table = m.reliability_table(rng.random(503) < p, p)
    assert sum(table["rows"]) == 503
    assert all(low <= rate <= high for low, rate, high in zip(table["low"], table["rate"], table["high"], strict=True))


def test_customers_are_drawn_with_all_their_rows():
    customers = np.array(["a", "b", "a", "c", "b"])
    weights = customer_weights(customers, replicates=50, seed=3)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_a_row_stored_ten_times_widens_nothing_when_customers_are_drawn():
    rng = np.random.default_rng(5)
    y, score = rng.random(150) < 0.4, rng.random(150)
    ids = np.arange(150).astype(str)
    once = evaluate(y, {"s": score}, {"s": score}, ids)
    ten = evaluate(np.tile(y, 10), {"s": np.tile(score, 10)}, {"s": np.tile(score, 10)}, np.tile(ids, 10))
    assert ten.auc("s").low == pytest.approx(once.auc("s").low, abs=1e-9)
    assert ten.auc("s").high == pytest.approx(once.auc("s").high, abs=1e-9)


def test_paired_differences_use_the_same_draws():
    rng = np.random.default_rng(6)
    y = rng.random(400) < 0.5
    good = y + rng.normal(0, 1, 400)
    result = evaluate(y, {"a": good, "b": good - 5}, {"a": good, "b": good}, np.arange(400).astype(str))
    same = result.auc_difference("a", "b")
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    assert result.auc("a").high - result.auc("a").low > 0.05


def test_an_interval_holds_its_value():
    assert interval(0.1, np.array([0.2, 0.3])).low == 0.1
    assert interval(0.1, np.array([np.nan])).as_dict() == {"value": 0.1, "low": 0.1, "high": 0.1}


@pytest.mark.stress
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    covered = 0
    truth = 0.7602499  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    for seed in range(200):
        y = np.arange(300) % 2 == 0
        score = rng.normal(size=300) + y
        got = evaluate(y, {"s": score}, {"s": score}, np.arange(300).astype(str), seed=seed, replicates=300)
        covered += got.auc("s").low <= truth <= got.auc("s").high
    assert covered >= 178  # 95 % of 200, less three standard errors
