"""The gate as a pure function: every criterion alone, by hand or against another way to compute it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.intervals import customer_weights
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.promotion import Limits, judge, list_overlap, pair, replicates_of


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def predictions(*, customers=700, snapshots=2, blur=0.0, shift=0.0, seed=0, value=False):
    """Rows of a firm whose risk is known; `blur` hides it, `shift` moves the log-odds that are told."""
    rng = np.random.default_rng(seed)
    rows = []
    for snapshot in range(snapshots):
        risk = rng.normal(size=customers)
        frame = pd.DataFrame(
            {
                "customer_id": [f"{i:04d}" for i in range(customers)],
                "as_of": f"2026-0{snapshot + 1}-01",
                "y": rng.random(customers) < sigmoid(1.7 * risk - 1.2),
            }
        )
        seen = risk + blur * np.random.default_rng(seed + 100 + snapshot).normal(size=customers)
        slope = 1.7 / (1 + blur**2)
        frame["margin"] = slope * seen - 1.2
        frame["p"] = sigmoid(frame["margin"] + shift)
        rows.append(frame)
    table = pd.concat(rows, ignore_index=True)
    if value:
        table["value_at_stake"] = np.exp(np.random.default_rng(9).normal(size=len(table)))
    return table


def criterion(result, name):
    (found,) = [one for one in result.criteria if one.name == name]
    return found


def test_the_figures_are_those_of_scikit_learn():
    champion, challenger = predictions(blur=0.8), predictions()
    result = judge(pair(champion, challenger), overlap=0.8, replicates=50)
    y = champion["y"]
    gap = roc_auc_score(y, challenger["margin"]) - roc_auc_score(y, champion["margin"])
    assert criterion(result, "ranking").value == pytest.approx(gap, abs=1e-12)
    gap = brier_score_loss(y, challenger["p"]) - brier_score_loss(y, champion["p"])
    assert criterion(result, "calibration").value == pytest.approx(gap, abs=1e-12)
    assert (result.rows, result.customers, result.days) == (1400, 700, ("2026-01-01", "2026-02-01"))
    assert result.churned == champion.groupby("customer_id")["y"].any().sum()


def test_better_passes_and_worse_does_not():
    poor, good = predictions(blur=0.8), predictions()
    assert judge(pair(poor, good), overlap=0.8).passed
    for refresh in (False, True):
        result = judge(pair(good, poor), overlap=0.8, refresh=refresh)
        assert not result.passed
        assert "ranking" in {one.name for one in result.failed}


def test_equal_passes_as_a_refresh_only():
    rows = pair(predictions(), predictions())
    assert not judge(rows, overlap=1.0).passed
    refreshed = judge(rows, overlap=1.0, refresh=True)
    assert (refreshed.passed, refreshed.way) == (True, "refresh")
    assert (criterion(refreshed, "ranking").low, criterion(refreshed, "ranking").limit) == (0.0, -0.02)


def test_probabilities_that_are_off_are_held_though_the_ranking_is_better():
    result = judge(pair(predictions(blur=1.0), predictions(shift=1.2)), overlap=0.8)
    assert criterion(result, "ranking").passed
    assert {one.name for one in result.failed} == {"calibration", "level"}


def test_a_list_of_other_names_needs_a_reason():
    poor, good = predictions(blur=0.8), predictions()
    assert judge(pair(poor, good), overlap=0.5).passed
    explained = judge(pair(poor, good), overlap=0.1)
    assert explained.passed
    assert criterion(explained, "stability").low > 0
    assert "the new ones are the better ones" in explained.text("en")
    held = judge(pair(good, good), overlap=0.49, refresh=True)
    assert [one.name for one in held.failed] == ["stability"]
    assert held.text("de").startswith("Liste: 49 % der Namen bleiben, mindestens 50 % sollen es sein")


def test_by_value_another_model_wins():
    """The churners that are worth something are ranked well by one, the many small ones by the other."""
    rng = np.random.default_rng(4)
    n = 2000
    value = np.where(rng.random(n) < 0.2, 1000.0, 1.0)
    risk = rng.normal(size=n)
    rows = pd.DataFrame({"customer_id": np.arange(n).astype(str), "as_of": "2026-01-01", "value_at_stake": value})
    rows["y"] = rng.random(n) < sigmoid(2 * risk - 1)
    noise = rng.normal(size=n)
    knows_small, knows_large = np.where(value == 1.0, risk, noise), np.where(value == 1.0, noise, risk)
    champion, challenger = (rows.assign(margin=s, p=sigmoid(2 * s - 1)) for s in (knows_small, knows_large))
    by_auc, by_value = (judge(pair(champion, challenger), ranking=how) for how in ("auc", "profit"))
    assert criterion(by_auc, "ranking").high < 0
    assert criterion(by_value, "ranking").low > 0
    top = challenger.assign(priority=challenger["p"] * value).nlargest(n // 10, "priority")
    lift = (top["y"] * top["value_at_stake"]).mean() / (rows["y"] * value).mean()
    top = champion.assign(priority=champion["p"] * value).nlargest(n // 10, "priority")
    lift -= (top["y"] * top["value_at_stake"]).mean() / (rows["y"] * value).mean()
    assert criterion(by_value, "ranking").value == pytest.approx(lift)
    with pytest.raises(UsageError, match="ranking must be auc or profit; found 'luck'"):
        judge(pair(champion, challenger), ranking="luck")


def test_too_few_customers_are_no_comparison():
    rows = pair(predictions(customers=30, blur=1.0), predictions(customers=30))
    result = judge(rows)
    assert [one.name for one in result.criteria] == ["evidence"]
    assert not result.passed
    churned = rows.loc[rows["y"], "customer_id"].nunique()
    stayed = rows.loc[~rows["y"], "customer_id"].nunique()
    assert criterion(result, "evidence").value == min(churned, stayed) < 20
    assert len(judge(rows, limits=Limits(customers=5)).criteria) > 1
    assert not judge(rows.iloc[:0]).passed


def test_neither_the_order_of_rows_nor_another_value_changes_a_figure():
    champion, challenger = predictions(blur=0.5, value=True), predictions(value=True)
    shuffled = [frame.sample(frac=1.0, random_state=5) for frame in (champion, challenger)]
    assert judge(pair(champion, challenger), overlap=0.7) == judge(pair(*shuffled), overlap=0.7)


def test_only_rows_of_both_are_compared():
    champion, challenger = predictions(), predictions()
    both = pair(champion.iloc[100:], challenger.iloc[:-200])
    assert len(both) == 1400 - 300
    with pytest.raises(UsageError, match="stands once per day in the predictions of the champion; 1 rows repeat"):
        pair(pd.concat([champion, champion.iloc[:1]]), challenger)
    with pytest.raises(UsageError, match="must agree on what happened; 1 of 1400 rows differ"):
        pair(champion, challenger.assign(y=challenger["y"] ^ (np.arange(1400) == 3)))


def test_overlap_by_hand():
    assert list_overlap([9, 8, 7, 6, 5, 4], [9, 1, 8, 2, 3, 4], capacity=0.5) == pytest.approx(2 / 3)
    assert list_overlap([], []) == 1.0
    assert list_overlap([1, 2], [2, 1], capacity=0.01) == 0.0


def test_draws_in_parts_are_those_of_the_house(monkeypatch):
    rows = predictions(customers=60)
    y, margin, customers = rows["y"].to_numpy(), rows["margin"].to_numpy(), rows["customer_id"].to_numpy()
    expected = auc(y, margin, customer_weights(customers, replicates=30, seed=3))
    monkeypatch.setattr("crm_ml.models.evaluation.promotion._CELLS", 7 * len(rows))
    found = replicates_of({"auc": lambda w: auc(y, margin, w)}, customers, replicates=30, seed=3)
    np.testing.assert_array_equal(found["auc"], expected)


def test_the_result_is_a_table_and_plain_values():
    result = judge(pair(predictions(blur=0.8), predictions()), overlap=0.8)
    assert list(result.table["name"]) == ["evidence", "ranking", "calibration", "level", "stability"]
    assert result.table["passed"].all()
    said = result.as_dict()
    assert said["criteria"][1]["low"] == result.table["low"][1]
    assert (said["passed"], said["way"], said["days"]) == (True, "better", ["2026-01-01", "2026-02-01"])


@pytest.fixture(scope="module")
def simulation():
    """``benchmarks/gate_error_rates.py``."""
    path = Path(__file__).parents[2] / "benchmarks" / "gate_error_rates.py"
    spec = importlib.util.spec_from_file_location("gate_error_rates", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_simulation_gives_what_it_says(simulation):
    """Its scores have the AUC that was asked for, and are calibrated: else its error rates would mean nothing."""
    noise = simulation.noise_for(0.70)
    rows, _ = simulation.contest(0, 40_000, (noise, noise))
    assert roc_auc_score(rows["y"], rows["margin_champion"]) == pytest.approx(0.70, abs=0.006)
    assert rows["p_champion"].mean() == pytest.approx(rows["y"].mean(), abs=0.004)
    upper = rows[rows["p_champion"] > 0.4]
    assert upper["p_champion"].mean() == pytest.approx(upper["y"].mean(), abs=0.02)


def test_error_rates_in_small(simulation):
    """A twentieth of the benchmark: bounds that true rates of 5 % and 90 % miss once in thousands."""
    worse = simulation.promoted(20, 1000, -0.01, replicates=50)
    better = simulation.promoted(20, 2000, 0.03, replicates=50)
    assert worse["all"] <= 0.25
    assert better["all"] >= 0.65
