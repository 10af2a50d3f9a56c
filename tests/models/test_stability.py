from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from crm_ml.errors import DataError
from crm_ml.models import make_dataset
from crm_ml.models.evaluation import (
    adversarial_validation,
    compare_lists,
    drop_top_features,
    shifted_time,
    stability_between,
    stability_over_seeds,
    stability_over_time,
)
from crm_ml.models.evaluation.probes import dealt
from crm_ml.models.evaluation.stability import top_customers

DAY = dt.date(2026, 1, 5)


def series(**scores: float) -> pd.Series:
    return pd.Series(scores)


# lists ----------------------------------------------------------------------------------------------------------------


def test_the_list_is_the_riskiest_share_rounded_up_and_ties_go_by_id():
    names, score = ["d", "c", "b", "a"], [0.5, 0.5, 0.9, 0.5]
    assert top_customers(names, score, capacity=0.25) == {"b"}
    assert top_customers(names, score, capacity=0.26) == {"b", "a"}
    assert top_customers(names, score, capacity=0.001) == {"b"}
    assert top_customers([], [], capacity=0.5) == frozenset()


def test_two_lists_worked_out_by_hand():
    before = series(a=0.9, b=0.8, c=0.7, d=0.6, e=0.2, f=0.1)
    after = series(a=0.9, c=0.1, d=0.8, e=0.2, f=0.3, g=0.95)
    said = compare_lists(before, after, capacity=0.5)  # a b c against g a d; b is gone
    assert (said["customers"], said["listed"], said["gone"]) == (5, 3, 1)
    assert said["overlap"] == pytest.approx(1 / 3)
    assert said["jaccard"] == pytest.approx(1 / 5)
    assert said["by_chance"] == 0.5
    assert said["rank_correlation"] == pytest.approx(spearmanr([9, 7, 6, 2, 1], [9, 1, 8, 2, 3]).statistic)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_rank_correlation_is_that_of_scipy(pairs):
    x, y = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    names = [f"{i:02d}" for i in range(len(pairs))]
    got = compare_lists(pd.Series(x, index=names), pd.Series(y, index=names))["rank_correlation"]
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert np.isnan(got)
    else:
        assert got == pytest.approx(spearmanr(x, y).statistic)


@given(st.permutations(range(12)), st.floats(0.05, 1.0))
def test_lists_do_not_hang_on_the_order_of_rows(order, capacity):
    rng = np.random.default_rng(1)
    names = np.array([f"{i:02d}" for i in range(12)])
    one, other = pd.Series(rng.integers(0, 4, 12), index=names), pd.Series(rng.integers(0, 4, 12), index=names)
    mixed = compare_lists(one.iloc[list(order)], other.iloc[list(order)[::-1]], capacity=capacity)
    assert mixed == pytest.approx(compare_lists(one, other, capacity=capacity))
    same = compare_lists(one, one.iloc[list(order)], capacity=capacity)
    assert (same["overlap"], same["jaccard"], same["gone"]) == (1.0, 1.0, 0)


def test_consecutive_days_are_compared_in_the_order_of_time():
    days = [DAY + dt.timedelta(days=7 * k) for k in (2, 0, 1)]
    first = pd.DataFrame({"customer_id": ["a", "b"] * 3, "as_of": np.repeat(days, 2), "p": [1, 2, 2, 1, 2, 1]})
    table = stability_over_time(first, capacity=0.5)
    assert table["before"].tolist() == [days[1], days[2]]
    assert table["after"].tolist() == [days[2], days[0]]
    assert table["overlap"].tolist() == [1.0, 0.0]


def test_one_day_gives_no_pair_and_a_repeated_row_is_an_error():
    frame = pd.DataFrame({"customer_id": ["a", "b"], "as_of": DAY, "p": [0.1, 0.2]})
    empty = stability_over_time(frame)
    assert (len(empty), list(empty.columns)[:2]) == (0, ["before", "after"])
    with pytest.raises(DataError, match="1 rows repeat"):
        stability_over_time(pd.concat([frame, frame.iloc[:1]]))


def test_a_steady_score_keeps_its_list_and_a_random_one_only_by_chance():
    rng = np.random.default_rng(4)
    names = [f"{i:04d}" for i in range(2000)]
    risk = rng.normal(size=2000)
    frames = []
    for k in range(4):
        steady, noise = risk + rng.normal(0, 0.1, 2000), rng.normal(size=2000)
        day = DAY + dt.timedelta(days=7 * k)
        frames.append(pd.DataFrame({"customer_id": names, "as_of": day, "p": steady, "noise": noise}))
    scores = pd.concat(frames)
    assert stability_over_time(scores)["overlap"].min() > 0.8
    random = stability_over_time(scores, score="noise")
    assert random["overlap"].max() < 0.16
    assert random["by_chance"].tolist() == [0.1] * 3


def test_seeds_that_hardly_matter_give_nearly_the_same_list(firm):
    data = firm(customers=200, count=8)
    today = data.frame[data.frame["as_of"] == data.snapshots[0]]
    table = stability_over_seeds(data, today, seeds=[1, 2, 3], rounds=30)
    assert list(zip(table["before"], table["after"], strict=True)) == [("1", "2"), ("1", "3"), ("2", "3")]
    assert table["rank_correlation"].min() > 0.9
    same = stability_over_seeds(data, today, seeds=[5, 5], rounds=30)
    pairs = stability_between({"x": series(a=1, b=2), "y": series(a=1, b=2)}, capacity=0.5)
    assert len(same) == 0  # one seed, one list
    assert pairs["overlap"].tolist() == [1.0]


def test_training_tells_how_steady_its_list_is(small_training):
    from crm_ml.jobs.model_card import model_card

    table = stability_over_time(small_training.evaluation, capacity=0.1)
    assert table["after"].tolist() == sorted(small_training.evaluated_on)[1:]
    card = model_card(small_training, {"as_of": "2026-03-01"}, [])
    assert f"(the riskiest 10%), {table['overlap'].mean():.0%} stood on that of the evaluation day before it" in card
    assert "30 days earlier (10% by chance)" in card


# probes ---------------------------------------------------------------------------------------------------------------


def told(customers: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer_id": [f"{i:04d}" for i in range(customers)], "as_of": DAY})
    frame = frame.assign(strong=rng.normal(size=customers), weak=rng.normal(size=customers), none=0.5)
    y = frame["strong"].to_numpy() + 0.4 * frame["weak"].to_numpy() + rng.normal(size=customers) > 0.3
    return frame.assign(noise=rng.normal(size=customers)), y


def test_without_its_best_feature_the_auc_falls_and_without_noise_it_does_not():
    frame, y = told()
    table = drop_top_features(make_dataset(frame, y, gap_days=0, horizon_days=90), top=3)
    assert table["feature"].tolist()[:3] == ["", "strong", "weak"]
    assert table["fall"].iloc[0] == 0
    by_name = table.set_index("feature")
    assert by_name.loc["strong", "fall_low"] > 0.05
    assert by_name.loc["strong", "fall"] > by_name.loc["weak", "fall"] > by_name.loc["noise", "fall_low"]
    assert by_name.loc["noise", "fall_low"] < 0.02
    assert by_name.loc["strong", "auc"] == pytest.approx(table["auc"].iloc[0] - by_name.loc["strong", "fall"])


def test_all_rows_of_a_customer_fall_into_one_part():
    customers = pd.Series(np.repeat([f"{i:03d}" for i in range(50)], 3))
    parts = dealt(customers)
    assert (parts.reshape(50, 3) == parts[::3, None]).all()
    assert np.bincount(parts[::3]).tolist() == [17, 17, 16]


def test_a_leak_falls_off_a_cliff_and_honest_knowledge_fades():
    rng = np.random.default_rng(6)
    names = [f"{i:04d}" for i in range(900)]
    y = rng.random(900) < 0.4
    noise = {days: rng.normal(size=900) for days in (0, 7, 30, 60)}

    def at(leak: bool):
        def features(spine: pd.DataFrame) -> pd.DataFrame:
            days = (DAY - spine["as_of"].iloc[0]).days
            honest = y * (1 - days / 120) + noise[days]
            return spine.assign(honest=honest, slipped_in=np.where(leak and days == 0, y, 0.1) + 0.05 * noise[days])

        return features

    spine = pd.DataFrame({"customer_id": names, "as_of": DAY})
    falls = {}
    for leak in (False, True):
        data = make_dataset(at(leak)(spine), y, gap_days=0, horizon_days=90)
        table = shifted_time(data, at(leak), shift_days=[7, 30, 60])
        assert table["shift_days"].tolist() == [0, 7, 30, 60]
        assert table["fall"].iloc[2] == pytest.approx(table["auc"].iloc[1] - table["auc"].iloc[2])
        falls[leak] = table["fall"].tolist()
    assert falls[True][1] > 0.15
    assert falls[False][1] < 0.05
    assert falls[True][2] == pytest.approx(falls[False][2], abs=0.05)


def test_features_of_another_number_of_rows_are_an_error():
    frame, y = told()
    data = make_dataset(frame, y, gap_days=0, horizon_days=90)
    with pytest.raises(DataError, match="it returned 3 for 600"):
        shifted_time(data, lambda spine: spine.iloc[:3], shift_days=[7])


def test_todays_customers_are_told_from_those_of_the_training_by_what_has_changed():
    rng = np.random.default_rng(2)

    def snapshot(shift: float, seen: float) -> pd.DataFrame:
        names = [f"{i:04d}" for i in range(500)]
        country = np.where(rng.random(500) < seen, "DE", "PL")
        level = np.arange(500) + 0.0  # tells the customer, not the day
        return pd.DataFrame(
            {
                "customer_id": names,
                "own": level,
                "price": rng.normal(shift, 1, 500),
                "season_sin": shift,
                "from": country,
            }
        )

    names = ["own", "price", "season_sin", "from"]
    same = adversarial_validation(snapshot(0, 0.8), snapshot(0, 0.8), names)
    assert same.auc.low < 0.5 < same.auc.high
    moved = adversarial_validation(snapshot(0, 0.8), snapshot(1.5, 0.8), names)
    assert moved.auc.low > 0.75
    assert moved.table["feature"].iloc[0] == "price"
    assert "season_sin" not in set(moved.table["feature"])
    assert moved.table["today"].iloc[0] - moved.table["train"].iloc[0] == pytest.approx(1.5, abs=0.2)
    other = adversarial_validation(snapshot(0, 0.9), snapshot(0, 0.3), names)
    assert other.table["feature"].iloc[0] == "from"
    assert (other.table["train"].iloc[0], other.table["today"].iloc[0]) == pytest.approx((0.9, 0.7), abs=0.05)


def test_without_a_feature_that_differs_nothing_can_be_told():
    frame = pd.DataFrame({"customer_id": ["a", "b"], "season_sin": [0.1, 0.1]})
    shift = adversarial_validation(frame, frame, ["season_sin"])
    assert (shift.auc.value, len(shift.table)) == (0.5, 0)
