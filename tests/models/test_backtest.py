"""The judge of a backtest against values worked out by hand, slow loops and scikit-learn; and training all at once."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sk_log_loss

from crm_ml.errors import DataError, HeldBack
from crm_ml.models import Calendar, TrainingPlan, rolling_cutoffs, train_churn, train_every
from crm_ml.models.evaluation.backtest import METRICS, judge
from crm_ml.models.evaluation.backtest_rows import COLUMNS, Choice
from crm_ml.models.evaluation.metrics import calibration_error

DAYS = [dt.date(2025, 1, 1), dt.date(2025, 4, 1), dt.date(2025, 7, 1)]


def predictions(
    *, customers: int = 60, days=DAYS, seed: int = 1, names=("logistic", "lightgbm", "rule")
) -> pd.DataFrame:
    """Fewer customers at later days; the models see the truth with more and less noise, on scales of their own."""
    rng = np.random.default_rng(seed)
    temper = rng.normal(size=customers)
    parts = []
    for k, day in enumerate(days):
        here = np.arange(customers)[k * 5 :]
        y = rng.random(len(here)) < 1 / (1 + np.exp(-temper[here]))
        for j, name in enumerate(names):
            margin = (k + 1) * (temper[here] + (0.5 + j) * rng.normal(size=len(here))) + 10 * k
            p = np.clip(1 / (1 + np.exp(-(margin - 10 * k))), 1e-6, 1 - 1e-6)
            parts.append(
                pd.DataFrame(
                    {
                        "cutoff": day,
                        "customer_id": [f"{i:03d}" for i in here],
                        "name": name,
                        "margin": margin,
                        "p": p,
                        "y": y,
                        "value_at_stake": 1.0,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def choices(chosen, days=DAYS, candidates=("logistic", "lightgbm"), rules=("rule",)) -> list[Choice]:
    return [Choice(day, name, "champion", candidates, rules) for day, name in zip(days, chosen, strict=True)]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return predictions()


@pytest.fixture(scope="module")
def judged(table):
    return judge(table, choices(["logistic", "lightgbm", "logistic"]), replicates=60, seed=3)


def rows_of(table, name, day):
    return table[(table["name"] == name) & (table["cutoff"] == day)].sort_values("customer_id")


def test_each_cutoff_is_measured_as_scikit_learn_does(table, judged):
    for day in DAYS:
        part = rows_of(table, "lightgbm", day)
        y, p = part["y"].to_numpy(), part["p"].to_numpy()
        assert judged.measure("lightgbm", "auc", day).value == pytest.approx(roc_auc_score(y, part["margin"]))
        assert judged.measure("lightgbm", "brier", day).value == pytest.approx(brier_score_loss(y, p))
        assert judged.measure("lightgbm", "log_loss", day).value == pytest.approx(sk_log_loss(y, p))
        assert judged.measure("lightgbm", "level", day).value == pytest.approx(p.mean() - y.mean())


def test_pooled_ranking_is_the_mean_inside_the_cutoffs_and_errors_are_over_all_rows(table, judged):
    parts = [rows_of(table, "logistic", day) for day in DAYS]
    counts = [len(part) for part in parts]
    aucs = [roc_auc_score(part["y"], part["margin"]) for part in parts]
    assert judged.measure("logistic").value == pytest.approx(np.average(aucs, weights=counts))
    whole = pd.concat(parts)
    # the margins of different cutoffs lie on scales of their own: ranked together they would say something else
    assert abs(roc_auc_score(whole["y"], whole["margin"]) - judged.measure("logistic").value) > 0.05
    assert judged.measure("logistic", "brier").value == pytest.approx(brier_score_loss(whole["y"], whole["p"]))
    assert judged.measure("logistic", "ece").value == pytest.approx(calibration_error(whole["y"], whole["p"]))
    base = whole["y"].mean() * (1 - whole["y"].mean())
    skill = judged.measure("logistic", "brier_skill")
    assert skill.value == pytest.approx(1 - brier_score_loss(whole["y"], whole["p"]) / base)
    row = judged.table[(judged.table["cutoff"] == "pooled") & (judged.table["name"] == "logistic")].iloc[0]
    assert (row["cutoffs"], row["rows"], row["churned"]) == (3, sum(counts), whole["y"].sum())


def test_the_champion_is_what_was_chosen_at_each_cutoff(judged):
    for day, name in zip(DAYS, ["logistic", "lightgbm", "logistic"], strict=True):
        for metric in METRICS:
            assert judged.measure("champion", metric, day) == judged.measure(name, metric, day)
            assert judged.difference("champion", name, metric, day).high == 0.0
    assert judged.difference("champion", "logistic").low < judged.difference("champion", "logistic").high


def test_intervals_are_those_of_a_slow_loop_over_drawn_customers(table, judged):
    everyone = sorted(table["customer_id"].unique())
    drawn = np.random.default_rng(3).multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), size=60)
    gaps, levels = [], []
    for counts in drawn:
        times = dict(zip(everyone, counts, strict=True))
        aucs, weights, off = {"logistic": [], "rule": []}, [], 0.0
        for day in DAYS:
            for name, found in aucs.items():
                part = rows_of(table, name, day)
                many = part["customer_id"].map(times).to_numpy()
                again = part.loc[part.index.repeat(many)]
                found.append(roc_auc_score(again["y"], again["margin"]))
            weights.append(len(again))
            off += (again["p"] - again["y"]).sum()
        gaps.append(np.average(np.subtract(aucs["logistic"], aucs["rule"]), weights=weights))
        levels.append(off / sum(weights))
    got = judged.difference("logistic", "rule")
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])))
    level = judged.measure("rule", "level")
    assert (level.low, level.high) == pytest.approx(tuple(np.quantile(levels, [0.025, 0.975])))


def test_a_difference_turned_round_changes_its_sign_and_the_order_of_its_ends(judged):
    one, other = judged.difference("logistic", "rule", "brier"), judged.difference("rule", "logistic", "brier")
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)


def test_paired_intervals_are_narrower_than_the_two_alone(table):
    twin = table[table["name"] == "logistic"].assign(name="twin")
    twin["margin"] += np.random.default_rng(5).normal(size=len(twin)) * 0.05
    both = pd.concat([table, twin])
    judged = judge(both, choices(["logistic"] * 3, candidates=("logistic", "twin")), replicates=60)
    gap, own = judged.difference("twin", "logistic"), judged.measure("logistic")
    assert gap.high - gap.low < (own.high - own.low) / 4


def test_order_of_rows_and_choices_changes_nothing(table, judged):
    mixed = table.sample(frac=1, random_state=4)
    again = judge(mixed, choices(["logistic", "lightgbm", "logistic"])[::-1], replicates=60, seed=3)
    pd.testing.assert_frame_equal(judged.table, again.table)
    pd.testing.assert_frame_equal(judged.differences, again.differences)


def test_one_that_was_not_there_everywhere_is_compared_where_both_were(table):
    late = table[~((table["name"] == "lightgbm") & (table["cutoff"] == DAYS[0]))]
    given = [Choice(DAYS[0], "logistic", "champion", ("logistic",), ("rule",)), *choices(["logistic"] * 3)[1:]]
    judged = judge(late, given, replicates=40)
    pooled = judged.table[judged.table["cutoff"] == "pooled"].set_index("name")
    assert pooled.loc["lightgbm", "cutoffs"] == 2
    parts = {name: [rows_of(table, name, day) for day in DAYS[1:]] for name in ("lightgbm", "logistic")}
    mean = {
        name: np.average([roc_auc_score(p["y"], p["margin"]) for p in of], weights=[len(p) for p in of])
        for name, of in parts.items()
    }
    assert judged.difference("lightgbm", "logistic").value == pytest.approx(mean["lightgbm"] - mean["logistic"])
    with pytest.raises(DataError, match="There is no auc of lightgbm at 2025-01-01"):
        judged.measure("lightgbm", "auc", DAYS[0])


def test_a_cutoff_of_one_class_has_no_ranking_and_is_left_out_of_the_pooled_one(table):
    flat = table.assign(y=table["y"] | (table["cutoff"] == DAYS[1]))
    judged = judge(flat, choices(["logistic"] * 3), replicates=40)
    assert np.isnan(judged.measure("rule", "auc", DAYS[1]).value)
    parts = [rows_of(flat, "rule", day) for day in (DAYS[0], DAYS[2])]
    wanted = np.average([roc_auc_score(p["y"], p["margin"]) for p in parts], weights=[len(p) for p in parts])
    got = judged.measure("rule")
    assert got.value == pytest.approx(wanted)
    assert got.low < got.value < got.high
    assert np.isfinite(judged.measure("rule", "brier").high)


def test_the_best_are_named_and_without_candidates_there_is_none(table):
    judged = judge(table, choices(["logistic"] * 3), replicates=20)
    assert (judged.best_candidate, judged.best_rule) == ("logistic", "rule")
    rules = judge(table, choices(["rule"] * 3, candidates=(), rules=("logistic", "lightgbm", "rule")), replicates=20)
    assert (rules.best_candidate, rules.best_rule) == ("", "logistic")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="p"), "p are missing"),
        (lambda t: t[t["cutoff"] != DAYS[0]], "one choice and predictions"),
        (lambda t: t[~((t["name"] == "rule") & (t["customer_id"] == "030"))], "rule does not"),
        (lambda t: t.assign(y=t["y"] ^ (t["name"] == "rule")), "rule does not"),
        (lambda t: t[t["name"] != "logistic"], "no predictions of logistic"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, change, told):
    with pytest.raises(DataError, match=told):
        judge(change(table), choices(["logistic"] * 3), replicates=5)


def test_columns_are_those_of_the_contract():
    assert COLUMNS == ("cutoff", "customer_id", "name", "margin", "p", "y", "value_at_stake")


CALENDAR = Calendar(gap_days=0, horizon_days=90, every_days=30, history_days=1825, min_history_days=90)


def test_cutoffs_lie_a_horizon_apart_and_the_newest_can_just_be_judged():
    days = rolling_cutoffs(dt.date(2026, 3, 1), 5, calendar=CALENDAR, first_event=dt.date(2020, 1, 1))
    assert days[0] == dt.date(2025, 12, 1)
    assert {(a - b).days for a, b in pairwise(days)} == {90}


def test_a_short_history_brings_them_nearer_or_fewer():
    # one training needs 90 days of history, two label windows: 270 days before the cutoff
    first = dt.date(2026, 3, 1) - dt.timedelta(days=90 + 270 + 100)
    days = rolling_cutoffs(dt.date(2026, 3, 1), 4, calendar=CALENDAR, first_event=first)
    assert [(days[0] - day).days for day in days] == [0, 30, 60, 90]
    days = rolling_cutoffs(dt.date(2026, 3, 1), 6, calendar=CALENDAR, first_event=first)
    assert [(days[0] - day).days for day in days] == [0, 30, 60, 90]


def test_no_history_is_held_back_and_the_day_named_at_which_it_would_go_is_right():
    first = dt.date(2025, 6, 1)
    with pytest.raises(HeldBack, match=r"No day can be backtested at 2026-03-01: .* is 2025-12-01"):
        rolling_cutoffs(dt.date(2026, 3, 1), 4, calendar=CALENDAR, first_event=first)
    earliest = first + dt.timedelta(days=90 + 270)
    assert len(rolling_cutoffs(earliest, 4, calendar=CALENDAR, first_event=first)) == 1
    with pytest.raises(HeldBack, match="No day can be backtested"):
        rolling_cutoffs(earliest - dt.timedelta(days=1), 4, calendar=CALENDAR, first_event=first)


def test_training_all_gives_the_chosen_one_to_the_bit_and_all_others_beside_it(firm):
    how = {"train_as_of": dt.date(2026, 3, 1), "gap_days": 0, "horizon_days": 90, "first_event": dt.date(2023, 3, 1)}
    data = firm(customers=120, count=9)
    one = train_churn(data, **how, replicates=60)
    all_ = train_every(data, TrainingPlan(**how, replicates=60))
    assert list(all_.models) == list(all_.training.candidates["name"])
    assert one.summary() == all_.training.summary()
    assert all_.training.model is all_.models[all_.chosen]
    for name, model in all_.models.items():
        p = model.predict_proba(data.frame)
        assert ((p >= 1e-6) & (p <= 1 - 1e-6)).all(), name
        assert (p == one.model.predict_proba(data.frame)).all() == (name == all_.chosen)
