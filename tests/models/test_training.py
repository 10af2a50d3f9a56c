from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import HeldBack
from crm_ml.models import candidates as candidates_module
from crm_ml.models import make_dataset, train_churn, write_bundle
from crm_ml.models.calibration import LEVELS, calibrate
from crm_ml.models.columns import select_columns
from crm_ml.models.dataset import Fold
from crm_ml.models.evaluation import auc, calibration_error
from crm_ml.models.recipe import (
    AVERAGE,
    AVERAGE_ALL,
    BAG,
    LIGHTGBM,
    LOGISTIC,
    LOGISTIC_ALL,
    Recipe,
    Rows,
    fold_masks,
    usable_candidates,
)

AT = dt.date(2026, 3, 1)
FIRST = dt.date(2023, 3, 1)


def train(data, **how):
    settings = {"train_as_of": AT, "gap_days": 0, "horizon_days": 90, "first_event": FIRST, "replicates": 100}
    return train_churn(data, **{**settings, **how})


def test_a_learnable_firm_gives_a_champion_that_beats_the_rules(small_training, firm_rows):
    got = small_training
    assert got.verdict == "champion"
    assert got.model_kind in ("lightgbm", "average", "logistic")
    assert got.differences["days_since_last_order"].low > 0
    assert got.compared == got.candidates.loc[got.candidates["chosen"], "name"].item()
    assert set(got.baselines) == {"days_since_last_order", "days_since_last_order_over_own_gap", "p_alive"}
    # and on new rows of later days, from another draw
    # (so many that the calibration error is not mostly noise: with 1,600 rows a perfect model has about .03)
    later, y = firm_rows(customers=4000, days=[AT, AT + dt.timedelta(days=30)], seed=99)
    p = got.model.predict_proba(later)
    assert auc(y, p) > got.metrics["auc"].low
    assert calibration_error(y, p) < 0.06


def test_intervals_hold_their_values(small_training):
    measures = {"auc", "average_precision", "brier", "brier_skill", "ece", "lift_at_capacity"}
    assert set(small_training.metrics) == measures
    for value in small_training.metrics.values():
        assert value.low <= value.value <= value.high
    assert small_training.metrics["auc"].high - small_training.metrics["auc"].low > 0.01


def test_the_evaluation_is_later_than_every_label_it_was_fitted_on(small_training):
    got = small_training
    assert got.evaluated_on == got.snapshots[:3]
    assert set(got.evaluation["as_of"]) == set(got.evaluated_on)
    assert got.train_rows == 14 * 250
    assert 0 < got.train_events < got.train_rows
    assert auc(got.evaluation["y"], got.evaluation["margin"]) == pytest.approx(got.metrics["auc"].value)


def test_the_summary_is_json(small_training):
    summary = json.loads(json.dumps(small_training.summary(), allow_nan=False))
    assert {"verdict", "model_kind", "metrics", "baselines", "train_rows", "train_events"} <= set(summary)
    assert summary["evaluated_on"][0] == str(small_training.evaluated_on[0])


def test_order_of_rows_and_columns_and_threads_change_no_byte(firm, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates_module, "ONE_THREAD_CELLS", 0)
    data = firm(customers=120, count=9)
    frame = data.frame.sample(frac=1, random_state=5)
    features = list(data.features)
    mixed = make_dataset(frame, data.y[frame.index], gap_days=0, horizon_days=90, features=features)
    one = train(data, threads=1)
    two = train(mixed, threads=2)
    shas = [write_bundle(t.model, tmp_path / str(i), t.summary()) for i, t in enumerate((one, two))]
    assert shas[0] == shas[1]


def test_what_happens_after_the_evaluation_does_not_choose_the_recipe(firm):
    data = firm(customers=150, count=10)
    one = train(data)
    newest = np.isin(data.frame["as_of"], one.evaluated_on)
    flipped = np.where(newest, np.random.default_rng(3).permutation(data.y), data.y)
    other = train(make_dataset(data.frame, flipped, gap_days=0, horizon_days=90))
    assert one.recipe == other.recipe
    columns = ["name", "inner_log_loss", "inner_auc"]
    pd.testing.assert_frame_equal(one.candidates[columns], other.candidates[columns])
    margins = [c for c in one.evaluation if c.startswith("margin_")]
    pd.testing.assert_frame_equal(one.evaluation[margins], other.evaluation[margins])


def test_a_hopeless_firm_is_refused_and_the_calibrated_rule_serves(firm):
    got = train(firm(shuffled=True, customers=150, count=10))
    assert got.verdict == "refused"
    assert got.model_kind == "rule"
    assert got.differences["days_since_last_order"].low <= 0
    told = next(f for f in got.findings if f.code == "refused")
    assert "the lower end must be above 0" in told.message
    assert 0.02 < got.model.predict_proba(firm(customers=150, count=2).frame).mean() < 0.98


@pytest.mark.stress
def test_hopeless_firms_are_refused_nearly_always(firm):
    # looks at levels .025, .0125 and .0083 may pass noise in up to 4.6 % of firms; twenty would be too few to tell
    verdicts = [train(firm(shuffled=True, customers=150, count=10, seed=s)).verdict for s in range(200)]
    assert verdicts.count("refused") >= 190


def test_few_churners_step_down_and_say_so(firm):
    data = firm(customers=30, count=9)
    got = train(data)
    assert set(got.candidates["kind"]) == {"logistic", "rule"}
    warning = next(f for f in got.findings if f.code == "few_churners")
    assert "rule from 10, p_alive from 10, logistic from 20, boosting from 40 of each" in warning.message
    assert "logistic, logistic_all tried" in warning.message
    assert (got.rung.rung.name, got.rung.above.name) == ("logistic", "boosting")
    assert f"{got.rung.missing} more of the scarcer kind bring boosting" in warning.message
    assert got.summary()["rung"]["missing"] == 40 - min(got.rung.churned, got.rung.retained) > 0


def test_steps_by_number_of_customers(firm):
    data = firm(customers=45, count=1)
    names = data.frame["customer_id"].to_numpy(dtype=object)
    from crm_ml.models.columns import learn_columns

    contract, _ = learn_columns(data.frame, data.features, data.frame["customer_id"])
    many = np.tile([True, False], 45)
    assert usable_candidates(many, np.repeat(names, 2), contract) == (
        AVERAGE,
        LOGISTIC,
        LIGHTGBM,
        BAG,
        LOGISTIC_ALL,
        AVERAGE_ALL,
    )
    assert usable_candidates(many[:78], np.repeat(names, 2)[:78], contract) == (LOGISTIC, LOGISTIC_ALL)
    assert usable_candidates(many[:38], np.repeat(names, 2)[:38], contract) == ()


def constant(data, value):
    return make_dataset(data.frame, np.full(len(data), value), gap_days=0, horizon_days=90)


@pytest.mark.parametrize(("value", "word"), [(True, "churned"), (False, "stayed")])
def test_one_class_is_held_back(firm, value, word):
    with pytest.raises(HeldBack, match=rf"in the snapshots to fit on all .* rows {word}") as caught:
        train(constant(firm(customers=60, count=9), value))
    assert (caught.value.code, caught.value.exit_code) == ("one_class", 4)


def test_one_class_in_the_evaluation_is_held_back(firm):
    data = firm(customers=60, count=9)
    newest = np.isin(data.frame["as_of"], data.snapshots[:3])
    y = np.where(newest, True, data.y)
    with pytest.raises(HeldBack, match="in the evaluation snapshots all 180 rows churned"):
        train(make_dataset(data.frame, y, gap_days=0, horizon_days=90))


def test_too_few_churners_are_held_back_with_the_numbers(firm):
    data = firm(customers=60, count=9)
    churner = data.frame["customer_id"].isin(["00001", "00002", "00003"]).to_numpy()
    with pytest.raises(HeldBack, match=r"At least 10 churned and 10 retained .* hold 3 and 57") as caught:
        train(make_dataset(data.frame, churner, gap_days=0, horizon_days=90))
    assert caught.value.code == "too_few_churners"


def test_no_rows_are_held_back(firm):
    data = firm(customers=60, count=2)
    with pytest.raises(HeldBack, match="no customer is eligible") as caught:
        train(data.take(np.zeros(len(data), dtype=bool)))
    assert caught.value.code == "no_eligible_customers"


def test_immature_rows_are_left_out_and_none_left_is_held_back(firm):
    data = firm(customers=120, count=10)
    earlier = AT - dt.timedelta(days=30)
    got = train(data, train_as_of=earlier)
    assert got.snapshots == data.snapshots[1:]
    assert next(f for f in got.findings if f.code == "immature_rows").count == 120
    with pytest.raises(HeldBack, match="No snapshot is mature at 2024-01-01") as caught:
        train(data, train_as_of=dt.date(2024, 1, 1))
    assert caught.value.code == "no_mature_snapshot"


def test_snapshots_that_cannot_be_evaluated_are_held_back(firm):
    with pytest.raises(HeldBack, match="a later snapshot than those it was fitted on"):
        train(firm(customers=60, count=3))


def test_without_the_order_features_there_is_no_rule(firm):
    data = firm(customers=60, count=9)
    features = ["noise", "invoices_days_late_mean_365d"]
    with pytest.raises(HeldBack, match="none of their features has values"):
        train(make_dataset(data.frame, data.y, gap_days=0, horizon_days=90, features=features))


def test_little_history_is_calibrated_across_customers_and_says_so(firm):
    got = train(firm(customers=150, count=6), first_event=dt.date(2025, 7, 1))
    codes = {f.code: f for f in got.findings}
    assert "calibration_not_out_of_time" in codes
    assert codes["short_history"].message.startswith("Less than one season of history (243 days, 730 wanted)")
    assert f"{got.metrics['ece'].value:.3f}" in codes["short_history"].message


@pytest.mark.parametrize(
    ("days", "words"), [(364, "one season"), (365, "two seasons"), (729, "two seasons"), (730, "")]
)
def test_the_warning_about_seasons(firm, days, words):
    got = train(firm(customers=60, count=9), first_event=AT - dt.timedelta(days=days), replicates=20)
    told = [f.message for f in got.findings if f.code == "short_history"]
    assert bool(told) == bool(words)
    assert all(f"Less than {words}" in message for message in told)


def test_how_it_was_calibrated_is_told(small_training):
    told = small_training.summary()["calibration"]
    assert told["kind"] == small_training.model.calibration.kind == small_training.parameters["calibration_curve"]
    assert told["level"] == small_training.parameters["calibration_level"]
    assert [trial["option"] for trial in told["trials"]] == [*LEVELS, "sigmoid", "beta", "isotonic"]
    json.dumps(told, allow_nan=False)
    (note,) = [f for f in small_training.findings if f.code == "calibration_choice"]
    assert "chosen on later slices a label window ahead" in note.message


def test_useless_features_are_named_and_not_needed_for_scoring(small_training):
    by_code = {f.code: f for f in small_training.findings}
    assert by_code["empty_features"].examples == ("nothing",)
    assert by_code["constant_features"].examples == ("always_one",)
    assert not {"nothing", "always_one"} & set(small_training.model.features)


def test_a_feature_that_restates_the_label_is_held_back(firm):
    data = firm(customers=120, count=9)
    rng = np.random.default_rng(1)
    frame = data.frame.assign(days_until_next_order=data.y * 100.0 + rng.normal(size=len(data)))
    got = train(make_dataset(frame, data.y, gap_days=0, horizon_days=90))
    assert next(f for f in got.findings if f.code == "leak_suspected").column == "days_until_next_order"
    assert got.metrics["auc"].value < 0.95
    assert np.isfinite(got.model.predict_proba(frame)).all()


def test_progress_is_told_and_never_goes_back(firm):
    seen = []
    train(firm(customers=60, count=9), replicates=20, progress=lambda what, share: seen.append((what, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(what.startswith("fold 1 of") for what, _ in seen)


def test_a_season_is_followed_after_three_years_and_not_before(firm):
    rng = np.random.default_rng(2)
    days = np.repeat(np.arange("2023-01-01", "2026-01-01", 30, dtype="datetime64[D]"), 200)
    margin = rng.normal(size=len(days))
    wave = np.sin(2 * np.pi * (days - np.datetime64("2023-01-01")).astype(float) / 365.25)
    y = rng.random(len(days)) < 1 / (1 + np.exp(-(margin + 0.8 * wave)))
    assert calibrate(margin, y, days).needs_days
    short = days < np.datetime64("2024-04-01")
    assert not calibrate(margin[short], y[short], days[short]).needs_days
    autumn = np.repeat(np.arange("2026-08-15", "2026-11-01", 30, dtype="datetime64[D]"), 2000)
    fresh = rng.normal(size=len(autumn))
    late = np.sin(2 * np.pi * (autumn - np.datetime64("2023-01-01")).astype(float) / 365.25)
    truth = rng.random(len(autumn)) < 1 / (1 + np.exp(-(fresh + 0.8 * late)))
    followed = calibration_error(truth, calibrate(margin, y, days).probability(fresh, autumn))
    flat = calibration_error(truth, calibrate(margin[short], y[short], days[short]).probability(fresh, autumn))
    assert followed < 0.03 < 0.08 < flat


def test_folds_without_enough_customers_of_both_kinds_are_left_out(firm):
    data = firm(customers=40, count=4)
    y = data.y.copy()
    oldest = np.isin(data.frame["as_of"], data.snapshots[-1:])
    y[oldest] = False
    rows = Rows({}, y, data.days, data.frame["customer_id"].to_numpy(dtype=object))
    days = data.snapshots[::-1]
    folds = [Fold((days[0],), (days[2],)), Fold((days[0], days[1]), (days[3],))]
    masks, out_of_time = fold_masks(rows, folds)
    assert out_of_time
    assert len(masks) == 1
    masks, out_of_time = fold_masks(rows, folds[:1])
    assert not out_of_time
    assert len(masks) == 5
    assert all(not (fit & validation).any() for fit, validation in masks)


def test_rounds_grow_with_the_root_of_the_rows():
    assert Recipe(0.4).rounds(40_000) == 80
    assert Recipe(0.4).rounds(10) == 10
    assert Recipe(0.8).rounds(10**8) == 400


def test_exact_duplicates_are_left_out_but_never_what_others_read_by_name() -> None:
    last = [3.0, 5.0, np.nan, 8.0]
    frame = pd.DataFrame(
        {
            "a": last,
            "days_since_last_order": last,
            "orders_count_365d": last,
            "b": [0.0, 1.0, 1.0, 2.0],
            "c": [-0.0, 1.0, 1.0, 2.0],
            "kind": ["x", "y", "x", "y"],
            "code": [0.0, 1.0, 0.0, 1.0],
        }
    )
    customers = pd.Series([f"{k}" for k in range(4)])
    found = select_columns(
        pd.concat([frame] * 5, ignore_index=True),
        list(frame),
        pd.concat([customers + f"{k}" for k in range(5)], ignore_index=True),
    )
    assert found.contract.ids == ("days_since_last_order", "orders_count_365d", "b", "kind", "code")
    assert found.left_out == {"a": "duplicate of days_since_last_order", "c": "duplicate of b"}
    (told,) = found.findings()
    assert (told.code, told.count, told.severity) == ("duplicate_features", 2, "info")
    assert "c (duplicate of b)" in told.examples
