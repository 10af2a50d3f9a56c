"""Boosting that weighs recent rows more: when it is tried, what it weighs, and that the folds decide."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_ml.models import TrainingPlan, load_bundle, make_dataset, train_model, write_bundle
from crm_ml.models.boosting import bin_rows, fit_binned
from crm_ml.models.candidates import LIGHTGBM, RECENT, Extras, row_weights
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.kinds import half_life_of, rules_of
from crm_ml.models.recency import with_recent
from crm_ml.models.recipe import Recipe, fit_all
from crm_ml.models.rows import Rows

TRAINED = dt.date(2026, 3, 1)


def leads(*, every=30, count=30, each=80, turn=None, seed=1):
    """New leads on each day; what speaks for winning is turned round from a day on."""
    rng, parts, labels = np.random.default_rng(seed), [], []
    for k in range(count):
        day = TRAINED - dt.timedelta(days=90 + every * (count - 1 - k))
        x, z = rng.normal(size=each), rng.normal(size=each)
        sign = -1.0 if turn is not None and k >= turn else 1.0
        ids = [f"{k:03d}-{i:03d}" for i in range(each)]
        parts.append(pd.DataFrame({"customer_id": ids, "as_of": day, "lead_age_days": 0.0, "x": x, "z": z}))
        labels.append(rng.random(each) < 1 / (1 + np.exp(1.5 - sign * 1.8 * x - 0.5 * z)))
    return make_dataset(pd.concat(parts, ignore_index=True), np.concatenate(labels), gap_days=0, horizon_days=90)


def plan(**changes):
    extras = Extras(rules=rules_of("won"), half_life_days=half_life_of("won"))
    how = {"gap_days": 0, "horizon_days": 90, "target": "won", "replicates": 50, "threads": 1, "extras": extras}
    return TrainingPlan(train_as_of=TRAINED, **(how | changes))


def test_weights_halve_with_every_half_life():
    days = np.array(["2025-12-27", "2025-01-01", "2025-06-30"], "datetime64[D]")
    assert row_weights(days, 180.0).tolist() == [1.0, 0.25, 0.5]
    assert row_weights(days[:1], 180.0).tolist() == [1.0]


@pytest.fixture(scope="module")
def fitted():
    data = leads(count=12, turn=9)
    contract = ColumnContract((Column("x", "number"), Column("z", "number")))
    rows = Rows(contract.encode(data.frame), data.y, data.days, data.frame["customer_id"].to_numpy(dtype=object))
    recipe = Recipe(extras=plan().extras)
    how = {"seed": 1, "threads": 1, "max_rows": 10**6}
    return rows, contract, fit_all([LIGHTGBM, RECENT], rows, contract, recipe, **how)


def test_it_is_the_same_boosting_with_weights(fitted):
    rows, contract, models = fitted
    weights = row_weights(rows.days, 180.0)
    binned = bin_rows(rows.encoded, rows.y, contract, threads=1)
    how = {"rounds": Recipe().rounds(len(rows.y)), "seed": 1, "threads": 1}
    assert models[RECENT] == fit_binned(binned, weights=weights, **how)
    assert models[RECENT].kind == "lightgbm"
    assert models[RECENT] != models[LIGHTGBM]


def test_equal_weights_change_nothing(fitted):
    rows, contract, models = fitted
    same = replace(rows, days=np.full(len(rows.y), rows.days[0]))
    later = fit_all([RECENT], same, contract, Recipe(extras=plan().extras), seed=1, threads=1, max_rows=10**6)
    later = later[RECENT].margin(rows.encoded)
    assert np.allclose(later, models[LIGHTGBM].margin(rows.encoded), atol=1e-9)


def test_it_is_tried_where_the_history_is_long_or_the_rate_jumped():
    def tried(data):
        return with_recent(plan(), data).extras.half_life_days

    assert tried(leads(count=14, each=10)) == 180.0  # 390 days
    assert tried(leads(count=13, each=10)) is None  # 360 are two half-lives, not more
    short = leads(count=8, each=60)
    late = short.days > np.unique(short.days)[3]
    jumped = replace(short, y=np.where(late, np.arange(len(short)) % 2 == 0, np.arange(len(short)) % 12 == 0))
    assert tried(replace(short, y=np.arange(len(short)) % 5 == 0)) is None
    assert tried(jumped) == 180.0
    without = plan(extras=Extras())
    assert with_recent(without, jumped) is without
    assert half_life_of("churn") is None


@pytest.fixture(scope="module")
def turned():
    """A training after a turn that the folds have seen."""
    return train_model(leads(count=36, each=80, turn=12), plan())


def test_it_serves_where_what_speaks_for_winning_has_turned(turned, tmp_path):
    table = turned.candidates.set_index("name")
    assert table.loc[RECENT, "inner_log_loss"] < table.loc[LIGHTGBM, "inner_log_loss"] - 0.01
    assert table.loc[RECENT, "auc"] > table.loc[LIGHTGBM, "auc"] + 0.05
    assert (table.index[table["chosen"]].tolist(), turned.verdict, turned.model_kind) == (
        [RECENT],
        "champion",
        "lightgbm",
    )
    assert turned.parameters["recent_half_life_days"] == 180.0
    sha = write_bundle(turned.model, tmp_path / "b", turned.summary())
    again = load_bundle(tmp_path / "b", sha256=sha)
    frame = leads(count=2).frame
    assert (again.predict_proba(frame) == turned.model.predict_proba(frame)).all()


def test_it_does_not_serve_where_nothing_has_changed():
    got = train_model(leads(count=20, each=80), plan())
    assert RECENT in set(got.candidates["name"])
    assert got.candidates.loc[got.candidates["chosen"], "name"].item() != RECENT
    assert got.jump is None
    assert "rate_jump" not in got.summary()


def test_a_training_of_customers_does_not_know_it(small_training):
    assert RECENT not in set(small_training.candidates["name"])
    assert "recent_half_life_days" not in small_training.parameters
    assert small_training.jump is None


def test_a_jump_stands_in_the_summary_and_the_findings():
    data = leads(count=16, each=60)
    late = data.days > np.unique(data.days)[8]
    rng = np.random.default_rng(2)
    x = data.frame["x"].to_numpy()
    y = rng.random(len(x)) < 1 / (1 + np.exp(np.where(late, 0.0, 2.5) - 1.5 * x))
    got = train_model(replace(data, y=y), plan())
    day = dt.date.fromisoformat(got.summary()["rate_jump"]["day"])
    first = np.unique(data.days)[9].astype(object)
    assert abs((day - first).days) <= 30
    (finding,) = [finding for finding in got.findings if finding.code == "rate_jump"]
    assert f"{day}" in finding.message
