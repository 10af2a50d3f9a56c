"""Rows and bins that several fits share: nothing is copied that need not be, and every fit is as if it were alone."""

from __future__ import annotations

import datetime as dt

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.models import boosting, make_dataset, train_model
from crm_ml.models.boosting import bin_rows, fit_binned
from crm_ml.models.candidates import Fitting
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.evaluation.stability import stability_between, stability_over_seeds
from crm_ml.models.plan import TrainingPlan
from crm_ml.models.rows import Rows

CONTRACT = ColumnContract((Column("a", "number"), Column("b", "number"), Column("c", "category", ("x", "y", "z"))))
HOW = {"rounds": 25, "seed": 3, "threads": 1}


def table(rows=900, seed=1):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    frame = pd.DataFrame({"a": a, "b": rng.integers(0, 9, rows).astype(float), "c": rng.choice(["x", "y", "q"], rows)})
    y = rng.random(rows) < 1 / (1 + np.exp(-np.nan_to_num(a) * (frame["b"] - 4)))
    return frame, y.to_numpy()


def alone(encoded, y, *, weights=None, **changed):
    """A fit by LightGBM itself, on a Dataset of its own."""
    ids = list(CONTRACT.ids)
    used = {**boosting.PARAMETERS, "data_random_seed": 1, "feature_pre_filter": False, "num_threads": 1, **changed}
    values = np.column_stack([encoded[name] for name in ids])
    data = lightgbm.Dataset(
        values, y.astype(float), weight=weights, feature_name=ids, categorical_feature=[2], params=used
    )
    leaf = {"min_data_in_leaf": max(10, min(60, len(y) // 50)), "seed": HOW["seed"]}
    return lightgbm.train({**used, **leaf, **changed}, data, num_boost_round=HOW["rounds"])


def as_text(booster):
    return boosting._text(booster, -1)


def test_every_fit_on_shared_bins_is_the_fit_that_lightgbm_makes_alone():
    frame, y = table()
    encoded = CONTRACT.encode(frame)
    weights = np.random.default_rng(2).random(len(y)) + 0.1
    other = {"num_leaves": 5, "learning_rate": 0.2, "min_data_in_leaf": 30}
    binned = bin_rows(encoded, y, CONTRACT, threads=1)
    plain = fit_binned(binned, **HOW)
    weighted = fit_binned(binned, weights=weights, **HOW)
    changed = fit_binned(binned, parameters=other, **HOW)
    again = fit_binned(binned, **HOW)
    assert plain.text == as_text(alone(encoded, y))
    assert weighted.text == as_text(alone(encoded, y, weights=weights))
    assert changed.text == as_text(alone(encoded, y, **other))
    assert again.text == plain.text != weighted.text


def test_weights_are_gone_even_after_a_fit_that_failed():
    frame, y = table(300)
    binned = bin_rows(CONTRACT.encode(frame), y, CONTRACT, threads=1)
    plain = fit_binned(binned, **HOW)
    with pytest.raises(lightgbm.basic.LightGBMError, match="learning_rate"):
        fit_binned(binned, weights=np.ones(len(y)) * 2, parameters={"learning_rate": -1.0}, **HOW)
    assert fit_binned(binned, **HOW) == plain


def test_a_fitting_bins_its_rows_once(monkeypatch):
    frame, y = table()
    days = np.repeat(np.array(["2026-01-01", "2026-02-01", "2026-03-01"], "datetime64[D]"), 300)
    rows = Rows(CONTRACT.encode(frame), y, days, np.arange(len(y)).astype(str).astype(object))
    made = []
    monkeypatch.setattr("crm_ml.models.candidates.bin_rows", lambda *a, **k: made.append(1) or bin_rows(*a, **k))
    fitting = Fitting(rows, CONTRACT, 1, 1, 10**6)
    first = fitting.boost(0.5)
    fitting.boost(0.5, weights=np.linspace(0.1, 1.0, len(y)))
    fitting.plain(0.5, seed_offset=1)
    fitting.boost(0.5, directions={"a": 1})
    assert fitting.boost(0.5) == first
    assert len(made) == 1


def test_bins_are_cut_by_the_rows_of_the_fit_alone():
    """Later rows with other values change neither the fold's bins nor what is learnt before them."""
    frame, y = table()
    days = np.repeat(np.array(["2026-01-01", "2026-02-01", "2026-03-01"], "datetime64[D]"), 300)
    early = days < days[-1]

    def thresholds(shift):
        moved = frame.assign(b=np.where(early, frame["b"], frame["b"] + shift))
        rows = Rows(CONTRACT.encode(moved), y, days, np.arange(len(y)).astype(str).astype(object))
        return Fitting(rows.take(early), CONTRACT, 1, 1, 10**6).boost(0.5).text

    assert thresholds(0.0) == thresholds(1000.0)


@given(st.lists(st.booleans(), max_size=12))
def test_chosen_rows_are_those_that_the_mask_chooses(mask):
    chosen = np.array(mask, bool)
    values = np.arange(float(len(mask)))
    days = np.datetime64("2026-01-01") + np.arange(len(mask))
    rows = Rows({"x": values}, values > 3, days, values.astype(str).astype(object))
    got = rows.take(chosen)
    assert got.encoded["x"].tolist() == values[chosen].tolist()
    assert got.y.tolist() == rows.y[chosen].tolist()
    assert got.days.tolist() == days[chosen].tolist()
    assert got.customers.tolist() == rows.customers[chosen].tolist()
    if chosen.any() and np.diff(np.flatnonzero(chosen)).max(initial=1) == 1:
        assert np.shares_memory(got.encoded["x"], values)


def test_rows_before_a_day_are_not_copied(firm):
    data = firm(customers=60, count=5)
    before = data.days < np.unique(data.days)[3]
    part, name = data.take(before), "days_since_last_order"
    pd.testing.assert_frame_equal(part.frame, data.frame[before].reset_index(drop=True))
    assert np.shares_memory(part.frame[name].to_numpy(), data.frame[name].to_numpy())
    assert part.y.tolist() == data.y[before].tolist()
    assert part.label_end.tolist() == data.label_end[before].tolist()
    every_third = np.arange(len(data)) % 3 == 0
    pd.testing.assert_frame_equal(data.take(every_third).frame, data.frame[every_third].reset_index(drop=True))


def test_encoded_numbers_are_the_frames_own_and_nobody_can_write_into_them():
    frame = pd.DataFrame({"whole": [1, 2, 3], "plain": [1.0, np.nan, 3.0], "endless": [1.0, np.inf, -np.inf]})
    before = frame.copy()
    contract = ColumnContract(tuple(Column(name, "number") for name in frame))
    encoded = contract.encode(frame)
    assert np.shares_memory(encoded["plain"], frame["plain"].to_numpy())
    assert np.isnan(encoded["endless"]).tolist() == [False, True, True]
    for values in encoded.values():
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 5.0
    pd.testing.assert_frame_equal(frame, before)
    frame.loc[0, "plain"] = 9.0  # whoever gave the table may go on with it
    assert frame["plain"].tolist()[0] == 9.0


def test_a_training_leaves_the_table_as_it_was(firm):
    data = firm(customers=60, count=5)
    before = data.frame.copy()
    train_model(data, TrainingPlan(train_as_of=dt.date(2026, 3, 1), gap_days=0, horizon_days=90, replicates=20))
    pd.testing.assert_frame_equal(data.frame, before)


def test_lists_over_seeds_are_those_of_fits_of_their_own():
    frame, y = table(600)
    named = frame.assign(customer_id=np.arange(600).astype(str), as_of="2026-01-01")
    data = make_dataset(named, y, gap_days=0, horizon_days=90)
    got = stability_over_seeds(data, named, seeds=[1, 2], rounds=15)
    contract = ColumnContract((Column("a", "number"), Column("b", "number"), Column("c", "category", ("q", "x", "y"))))
    encoded, today = contract.encode(data.frame), contract.encode(named)
    scores = {
        str(seed): pd.Series(
            boosting.fit_boosting(encoded, data.y, contract, rounds=15, seed=seed, threads=1).margin(today),
            index=named["customer_id"],
        )
        for seed in (1, 2)
    }
    pd.testing.assert_frame_equal(got, stability_between(scores, capacity=0.1))
