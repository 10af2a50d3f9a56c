from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crm_ml.errors import HeldBack, UsageError
from crm_ml.models import Dataset, make_dataset
from crm_ml.models.evaluation.feasibility import feasibility, feasibility_of_evaluation
from crm_ml.models.evaluation.intervals import Interval, evaluate
from crm_ml.models.evaluation.learning import learning_curve
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.power import (
    auc_half_width,
    auc_standard_error,
    expected_gain_curve,
    measured_gain_curve,
    per_arm_needed,
    smallest_cut,
    tiers_told_apart,
)
from crm_ml.models.logistic import RFM_FEATURES


def test_the_ratings_of_hanley_and_mcneil():
    # 58 normal and 51 abnormal images rated 1 to 5, as published in 1982: area .893, standard error .032
    normal, abnormal = np.repeat(range(1, 6), [33, 6, 6, 11, 2]), np.repeat(range(1, 6), [3, 2, 2, 11, 33])
    y, score = np.r_[np.zeros(58, bool), np.ones(51, bool)], np.r_[normal, abnormal]
    area = auc(y, score)
    assert area == pytest.approx(0.893, abs=5e-4)
    drawn = evaluate(y, {"r": score}, {"r": score / 6}, np.arange(109).astype(str), replicates=1000)
    assert np.std(drawn.auc_replicates["r"]) == pytest.approx(0.032, abs=0.0015)
    assert auc_standard_error(area, 51, 58, scores="exponential") == pytest.approx(0.032, abs=0.0015)


@pytest.mark.parametrize(("leavers", "stayers", "expected"), [(61, 1179, 0.75), (40, 160, 0.75), (150, 350, 0.85)])
def test_the_expected_width_is_that_of_repeated_samples(leavers, stayers, expected):
    rng = np.random.default_rng(1)
    y = np.r_[np.ones(leavers, bool), np.zeros(stayers, bool)]
    # exponential scores, where P(leaver > stayer) is a ratio of means, and normal ones
    mean = expected / (1 - expected)
    shift = np.sqrt(2) * stats.norm.ppf(expected)
    exponential = [auc(y, np.r_[rng.exponential(mean, leavers), rng.exponential(1, stayers)]) for _ in range(600)]
    normal = [auc(y, np.r_[rng.normal(shift, 1, leavers), rng.normal(0, 1, stayers)]) for _ in range(600)]
    said = auc_standard_error(expected, leavers, stayers)
    wider = auc_standard_error(expected, leavers, stayers, scores="exponential")
    assert np.mean(exponential) == pytest.approx(expected, abs=0.01)
    assert np.std(exponential) == pytest.approx(wider, rel=0.08)
    assert np.std(normal) == pytest.approx(said, rel=0.08)
    assert auc_half_width(expected, leavers, stayers) == pytest.approx(1.96 * said, rel=1e-4)


def test_the_chance_of_two_at_once_is_that_of_two_correlated_normals():
    for expected in (0.5, 0.66, 0.75, 0.93):
        z = stats.norm.ppf(expected)
        q = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([z, z])
        variance = (expected * (1 - expected) + 98 * (q - expected**2)) / 2100
        assert auc_standard_error(expected, 30, 70) == pytest.approx(np.sqrt(variance), rel=1e-4)


def test_arms_of_an_experiment_match_the_published_sizes_and_the_simulated_power():
    assert (per_arm_needed(0.10, 0.30), per_arm_needed(0.40, 0.30)) == (1356, 244)
    rng = np.random.default_rng(2)
    left, kept = rng.binomial(244, 0.40, 20_000) / 244, rng.binomial(244, 0.28, 20_000) / 244
    pooled = (left + kept) / 2
    power = (np.abs(left - kept) / np.sqrt(2 * pooled * (1 - pooled) / 244) > 1.959964).mean()
    assert power == pytest.approx(0.80, abs=0.015)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4, 0.7])
def test_the_smallest_cut_is_the_inverse_of_the_size(rate):
    cut = smallest_cut(rate, 700)
    assert cut is not None
    assert per_arm_needed(rate, cut) in {700, 701}
    assert per_arm_needed(rate, cut * 0.98) > 700
    assert smallest_cut(rate, 1) is None
    assert smallest_cut(0.0, 700) is None


def test_the_gain_curve_of_normal_scores_has_the_auc_it_was_made_for():
    # area under the curve of the gain against all customers = auc (1 - rate) + rate / 2
    for rate, expected in ((0.05, 0.75), (0.3, 0.6), (0.5, 0.9)):
        share, gain = expected_gain_curve(rate, expected)
        assert np.trapezoid(gain, share) == pytest.approx(expected * (1 - rate) + rate / 2, abs=1e-4)
    assert measured_gain_curve([])[0].tolist() == [0.0, 1.0]


def test_tiers_are_told_apart_as_often_as_said():
    customers, rate = 1240, 61 / 1240
    shares, rates = tiers_told_apart(customers, rate, expected_gain_curve(rate, 0.75))
    assert len(shares) == 3
    assert sum(shares) == pytest.approx(1.0)
    assert np.dot(shares, rates) == pytest.approx(rate, abs=1e-4)
    # repeated from the start: scores and outcomes are drawn, and the Wilson intervals of scipy are compared
    rng, apart = np.random.default_rng(9), 0
    edges = np.round(np.cumsum((0.0, *shares)) * customers).astype(int)
    shift = np.sqrt(2) * stats.norm.ppf(0.75)
    for _ in range(400):
        y = rng.random(customers) < rate
        ranked = y[np.argsort(-(rng.normal(size=customers) + shift * y))]
        tiers = [ranked[a:b] for a, b in pairwise(edges)]
        ends = [stats.binomtest(int(t.sum()), len(t)).proportion_ci(method="wilson") for t in tiers]
        apart += all(up.low > down.high for up, down in pairwise(ends))
    assert apart / 400 > 0.75


def test_no_tiers_where_scores_say_nothing_or_customers_are_few():
    assert tiers_told_apart(5000, 0.2, expected_gain_curve(0.2, 0.5))[0] == (1.0,)
    assert tiers_told_apart(30, 0.2, expected_gain_curve(0.2, 0.7))[0] == (1.0,)
    assert tiers_told_apart(1, 0.0, expected_gain_curve(0.2, 0.7)) == ((1.0,), (0.0,))
    flat = measured_gain_curve(np.full(4000, 0.2))
    assert flat[0].tolist() == [0.0, 1.0]
    assert tiers_told_apart(4000, 0.2, flat)[0] == (1.0,)


def test_the_verdict_before_a_training():
    verdict = feasibility(1240, 61)
    assert verdict.half_width == pytest.approx(auc_half_width(0.75, 61, 1179))
    # 101 leavers and 1952 stayers
    assert verdict.half_width_then == pytest.approx(auc_half_width(0.75, 101, 1952))
    # four windows of 90 days in a year, half of the customers in each arm
    assert verdict.per_arm == 2480
    assert verdict.smallest_cut == pytest.approx(smallest_cut(61 / 1240, 2480))
    assert verdict.table.set_index("what")["value"]["tiers"] == 3.0
    assert verdict.finding().code == "feasibility"
    assert verdict.finding().message == verdict.sentence("en") == verdict.as_dict()["text_en"]
    assert feasibility(1240, 61) == verdict


def test_the_verdict_after_a_training_rests_on_what_was_measured():
    p = np.r_[np.full(200, 0.5), np.full(800, 0.05)]
    verdict = feasibility(1000, 140, auc=Interval(0.81, 0.77, 0.86), p=p, contacts_per_year=300)
    assert (verdict.stage, verdict.auc, verdict.half_width) == ("after", 0.81, pytest.approx(0.045))
    shrinks = auc_half_width(0.81, 180, round(860 * 180 / 140)) / auc_half_width(0.81, 140, 860)
    assert verdict.half_width_then == pytest.approx(0.045 * shrinks)
    # two kinds of customers, two tiers, cut where the scores change
    assert verdict.tier_shares == (0.2, 0.8)
    assert verdict.tier_rates == pytest.approx((0.14 * 100 / 140 / 0.2, 0.14 * 40 / 140 / 0.8))
    assert verdict.per_arm == 300
    assert "AUC .81 is known to ±.045" in verdict.sentence("en")
    assert "die AUC 0,81 ist auf ±0,045 bekannt" in verdict.sentence("de")


def test_rows_of_one_customer_count_once():
    y, p = np.array([True, False, False, False]), np.array([0.9, 0.2, 0.3, 0.1])
    verdict = feasibility_of_evaluation(y, p, ["a", "a", "b", "c"], Interval(0.9, 0.5, 1.0), window_days=90)
    assert (verdict.customers, verdict.leavers) == (3, 1)
    # 200 customers in four windows each, and one in eight rows is a leaver: always the same 25 customers
    ids, left = np.tile(np.arange(200), 4).astype(str), np.arange(800) % 8 == 0
    several = feasibility_of_evaluation(left, np.full(800, 0.125), ids, Interval(0.7, 0.6, 0.8), window_days=90)
    assert several.leavers == 25
    assert several.tier_rates == (0.125,)
    assert several.smallest_cut == smallest_cut(0.125, 400)


def test_hopeless_cases_are_said_in_both_languages():
    small = feasibility(20, 2)
    assert small.tiers == 1
    assert small.smallest_cut is None
    assert "no two tiers can be told apart" in small.sentence("en")
    assert "no effect, however large" in small.sentence("en")
    assert "keine zwei Stufen unterscheiden" in small.sentence("de")
    for customers, leavers in ((0, 0), (50, 0), (50, 50)):
        none = feasibility(customers, leavers)
        assert (none.half_width, none.half_width_then, none.tiers) == (0.5, 0.5, 1)
        assert "nothing can be learnt" in none.sentence("en")
        assert "nichts lernen" in none.sentence("de")


def test_more_of_everything_never_says_less():
    widths = [feasibility(10 * n, n).half_width for n in (20, 80, 320)]
    assert widths == sorted(widths, reverse=True)
    cuts = [feasibility(10 * n, n).smallest_cut for n in (80, 320, 1280)]
    assert cuts == sorted(cuts, reverse=True)
    tiers = [feasibility(10 * n, n).tiers for n in (20, 80, 320, 1280)]
    assert tiers == sorted(tiers)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(UsageError, match="found 3, 5 and 90 days"):
        feasibility(3, 5)
    with pytest.raises(UsageError, match=r"found 1\.0, 5 and 5"):
        auc_standard_error(1.0, 5, 5)
    with pytest.raises(UsageError, match=r"found 0\.0 and 0\.3"):
        per_arm_needed(0.0, 0.3)


def of_six_columns(customers: int) -> Dataset:
    """Six columns that each say a little: what a handful of customers cannot teach."""
    rng = np.random.default_rng(4)
    names = [name for name in RFM_FEATURES if name != "days_since_first_order"]
    days = [dt.date(2025, 3, 1), dt.date(2025, 6, 1), dt.date(2025, 9, 1)]
    temper = rng.normal(size=(len(names), customers))
    parts, outcomes = [], []
    for day in days:
        z = temper + 0.3 * rng.normal(size=temper.shape)
        ids = [f"{i:04d}" for i in range(customers)]
        parts.append(pd.DataFrame({"customer_id": ids, "as_of": day, **dict(zip(names, np.exp(3 + z), strict=True))}))
        signs = np.where(np.arange(len(names)) % 2, 1.0, -1.0)
        outcomes.append(rng.random(customers) < 1 / (1 + np.exp(1 - signs @ z)))
    return make_dataset(pd.concat(parts), np.concatenate(outcomes), gap_days=0, horizon_days=90)


def test_the_learning_curve_rises_and_is_the_same_for_any_order_of_rows():
    data = of_six_columns(300)
    curve = learning_curve(data, sizes=(10, 40, 1000), repeats=4)
    assert curve["customers"].tolist() == [10, 40, 180]
    assert curve["auc"].iloc[0] < curve["auc"].iloc[1] < curve["auc"].iloc[2]
    assert curve["auc"].iloc[0] < curve["auc"].iloc[2] - 0.05
    assert (curve["repeats"] == 4).all()
    assert curve["leavers"].is_monotonic_increasing
    order = np.random.default_rng(1).permutation(len(data))
    mixed = make_dataset(data.frame.iloc[order], data.y[order], gap_days=0, horizon_days=90)
    assert learning_curve(mixed, sizes=(10, 40, 1000), repeats=4).equals(curve)


def test_nothing_is_learnt_from_shuffled_outcomes(firm):
    noise = learning_curve(firm(customers=300, count=8, shuffled=True), sizes=(), repeats=3)
    assert noise["auc"].item() == pytest.approx(0.5, abs=0.06)


def test_a_learning_curve_needs_customers(firm):
    data = firm(customers=5, count=8)
    one = data.take((data.frame["customer_id"] == "00001").to_numpy())
    with pytest.raises(HeldBack, match="at least two customers; found 1"):
        learning_curve(one)
    assert isinstance(data.snapshots[0], dt.date)


def test_the_verdict_about_leads_speaks_of_leads():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.6, 400)
    y, ids = rng.random(400) < p, np.arange(400).astype(str)
    measured = Interval(0.8, 0.75, 0.85)
    churn = feasibility_of_evaluation(y, p, ids, measured, window_days=90)
    leads = feasibility_of_evaluation(y, p, ids, measured, window_days=90, target="won")
    assert leads.sentence("en").startswith(f"With 400 leads of which {y.sum()} were won ")
    assert leads.sentence("de").startswith(f"Mit 400 Leads, von denen {y.sum()} gewonnen wurden, lassen sich ")
    told = leads.as_dict()
    assert (told["leads"], told["reached"], told["target"]) == (400, y.sum(), "won")
    assert {name for name in told if "customer" in name or "leaver" in name} == set()
    spoken = f"{leads.table.to_csv()} {leads.finding()} {leads.sentence('de')}".lower()
    assert [word for word in ("customer", "leaver", "stayer", "churn", "kunde", "abwander") if word in spoken] == []
    # only the words differ
    same = {"customers": "leads", "leavers": "reached", "more_leavers": "more_reached"}
    plain = {same.get(name, name): value for name, value in churn.as_dict().items()}
    assert {**plain, "target": "won", "text_de": "", "text_en": ""} == {**told, "text_de": "", "text_en": ""}
    nothing = feasibility_of_evaluation(y & False, p, ids, measured, window_days=90, target="sql")
    assert nothing.sentence("en").startswith("With 400 leads of which 0 became an SQL nothing can be learnt")
