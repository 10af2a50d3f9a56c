"""Models side by side: the figures are those of hand-worked tables, of scikit-learn and of plain loops."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from crm_ml.errors import UsageError
from crm_ml.models.evaluation import Interval, evaluate
from crm_ml.models.evaluation.compare import (
    common_rows,
    difference_table,
    paired_differences,
    pooled_table,
    tier_changes,
    tier_matrix,
    unpaired_difference,
)
from crm_ml.models.evaluation.curves import (
    gain_curves,
    importance_table,
    profit_at_capacity,
    profit_curves,
    reliability_curves,
)

DAYS = ("2025-01-01", "2025-02-01")


def made(noise: float, *, seed: int, customers: int = 150, shift: float = 0.0) -> pd.DataFrame:
    """Return an evaluation; customers and outcomes are the same whatever the seed."""
    world = np.random.default_rng(0)
    risk = np.tile(world.normal(-1, 1.3, customers), len(DAYS))
    y = world.random(len(risk)) < 1 / (1 + np.exp(-risk))
    margin = risk + shift + np.random.default_rng(seed).normal(0, noise, len(risk))
    ids = np.tile([f"{k:04d}" for k in range(customers)], len(DAYS))
    table = {"customer_id": ids, "as_of": np.repeat(DAYS, customers), "y": y, "margin": margin}
    return pd.DataFrame({**table, "p": 1 / (1 + np.exp(-margin)), "value_at_stake": world.lognormal(6, 1, len(risk))})


def test_common_rows_are_those_of_the_same_customer_and_day_whatever_the_type_of_the_day():
    one = pd.DataFrame({"customer_id": ["b", "a"], "as_of": [pd.Timestamp("2025-01-01").date()] * 2})
    one = one.assign(y=[False, True], p=[0.2, 0.9], margin=[-1.0, 2.0])
    other = pd.DataFrame({"customer_id": ["a", "a"], "as_of": pd.to_datetime(DAYS), "y": [1, 0], "p": [0.8, 0.7]})
    both = common_rows(one, other)
    assert both[["customer_id", "y", "margin", "p", "y_other", "margin_other"]].to_numpy().tolist() == [
        ["a", True, 2.0, 0.9, True, 0.8]
    ]
    assert common_rows(one.drop(columns="customer_id"), other).empty


def test_an_evaluation_that_cannot_be_paired_is_refused():
    rows = made(0.5, seed=1)
    with pytest.raises(UsageError, match="needs the columns as_of, y and p; p is missing"):
        common_rows(rows.drop(columns="p"), rows)
    with pytest.raises(UsageError, match="each customer once a day; some stand in it twice"):
        common_rows(pd.concat([rows, rows]), rows)
    with pytest.raises(UsageError, match="same outcome in both evaluations"):
        paired_differences(common_rows(rows, rows.assign(y=~rows["y"])))


def test_the_paired_interval_is_that_of_the_evaluation_with_both_scores():
    one, other = made(0.3, seed=1), made(1.5, seed=2)
    found = paired_differences(common_rows(one, other))
    together = evaluate(
        one["y"].to_numpy(), {"a": one["margin"].to_numpy(), "b": other["margin"].to_numpy()}, {}, one["customer_id"]
    ).auc_difference("a", "b")
    for end in ("value", "low", "high"):
        assert getattr(found["auc"], end) == pytest.approx(getattr(together, end), abs=1e-12)
    y = one["y"]
    by_hand = {
        "auc": roc_auc_score(y, one["margin"]) - roc_auc_score(y, other["margin"]),
        "average_precision": average_precision_score(y, one["margin"]) - average_precision_score(y, other["margin"]),
        "brier": brier_score_loss(y, one["p"]) - brier_score_loss(y, other["p"]),
    }
    assert {name: value.value for name, value in found.items()} == pytest.approx(by_hand)


def test_the_paired_interval_is_a_loop_over_draws_of_customers():
    one, other = made(0.3, seed=1, customers=40), made(1.5, seed=2, customers=40)
    rows = common_rows(one, other)
    found = paired_differences(rows, replicates=60, seed=5)["brier"]
    names = np.unique(rows["customer_id"])
    drawn = np.random.default_rng(5).multinomial(len(names), np.full(len(names), 1 / len(names)), size=60)
    gaps = []
    for counts in drawn:
        picked = np.concatenate(
            [
                np.flatnonzero(rows["customer_id"] == name)
                for name, k in zip(names, counts, strict=True)
                for _ in range(k)
            ]
        )
        sample = rows.iloc[picked]
        gaps.append(((sample["p"] - sample["y"]) ** 2).mean() - ((sample["p_other"] - sample["y"]) ** 2).mean())
    low, high = np.quantile(gaps, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_the_interval_does_not_depend_on_the_order_of_rows_or_on_a_shared_cache():
    one, two, other = made(0.3, seed=1), made(0.6, seed=3), made(1.5, seed=2)
    plain = difference_table({"1": one, "2": two, "0": other}, "0", replicates=40)
    shuffled = {name: rows.sample(frac=1, random_state=4) for name, rows in {"1": one, "2": two, "0": other}.items()}
    pd.testing.assert_frame_equal(difference_table(shuffled, "0", replicates=40), plain)
    alone = paired_differences(common_rows(two, other), replicates=40)["auc"]
    row = plain[(plain["name"] == "2") & (plain["measure"] == "auc")].iloc[0]
    assert (row["value"], row["low"], row["high"]) == (alone.value, alone.low, alone.high)


def test_what_a_difference_says_and_why_there_is_none():
    good, poor = made(0.1, seed=1), made(3.0, seed=2)
    measured = {name: {"auc": Interval(0.7, 0.65, 0.75)} for name in ("good", "poor", "unnamed", "gone")}
    table = difference_table(
        {
            "poor": poor,
            "good": good,
            "far": good.assign(p=0.99),
            "unnamed": good.drop(columns="customer_id"),
            "gone": None,
            "changed": good.assign(y=~good["y"]),
            "longer": good,
        },
        "poor",
        measured=measured,
        apart=["longer"],
        replicates=50,
    ).set_index(["name", "measure"])
    auc, brier = table.xs("auc", level="measure"), table.xs("brier", level="measure")
    assert auc["note"].to_dict() == {
        "poor": "reference",
        "good": "",
        "far": "",
        "unnamed": "no_common_rows",
        "gone": "no_common_rows",
        "changed": "other_outcome",
        "longer": "other_label",
    }
    assert auc["paired"].sum() == 2
    assert (auc.loc["good", "reads"], brier.loc["good", "reads"]) == ("better", "better")
    assert brier.loc["good", "value"] < 0 < brier.loc["far", "value"]
    assert brier.loc["far", "reads"] == "worse"
    assert (auc.loc["good", "rows"], auc.loc["good", "customers"]) == (300, 150)
    # MOVER by hand: 0 -+ sqrt(.05^2 + .05^2)
    assert auc.loc["gone", ["value", "low", "high"]].tolist() == pytest.approx([0, -math.sqrt(0.005), math.sqrt(0.005)])
    assert auc.loc["gone", "reads"] == "open"
    assert brier.loc["gone", "note"] == "not_measured"
    with pytest.raises(UsageError, match="There is no model 'x' to compare with"):
        difference_table({"good": good}, "x")


def test_an_unpaired_interval_is_wider_than_either_and_turns_round():
    one, other = Interval(0.82, 0.78, 0.85), Interval(0.80, 0.77, 0.84)
    found, turned = unpaired_difference(one, other), unpaired_difference(other, one)
    assert (found.value, found.low, found.high) == pytest.approx((-turned.value, -turned.high, -turned.low))
    assert found.high - found.low > max(one.high - one.low, other.high - other.low)


def test_pooled_figures_are_those_of_all_cutoffs_together():
    parts = []
    for name, noise in (("lightgbm", 0.2), ("recency", 1.0), ("alive", 4.0)):
        rows = made(noise, seed=len(name)).rename(columns={"as_of": "cutoff"})
        parts.append(rows.assign(name=name))
    predictions = pd.concat(parts).sample(frac=1, random_state=1)
    table = pooled_table(predictions, rules=["recency", "alive"], replicates=50).set_index("name")
    assert list(table.index) == ["lightgbm", "recency", "alive"]
    assert table["reference"].unique().tolist() == ["recency"]
    for name, rows in predictions.groupby("name"):
        assert table.loc[name, "auc"] == pytest.approx(roc_auc_score(rows["y"], rows["margin"]))
        assert table.loc[name, "brier"] == pytest.approx(brier_score_loss(rows["y"], rows["p"]))
    assert table.loc["lightgbm", "difference"] == pytest.approx(
        table.loc["lightgbm", "auc"] - table.loc["recency", "auc"]
    )
    assert table.loc["lightgbm", "low"] > 0 > table.loc["alive", "high"]
    assert table["cutoffs"].tolist() == [2, 2, 2]
    assert pooled_table(predictions.iloc[:0]).empty


def test_reliability_is_that_of_scikit_learn_in_bins_of_equal_count():
    rows = made(0.5, seed=1)
    curve = reliability_curves({"1": rows, "2": rows.sample(frac=1, random_state=2)}, bins=10)
    rate, mean = calibration_curve(rows["y"], rows["p"], n_bins=10, strategy="quantile")
    for name in ("1", "2"):
        part = curve[curve["name"] == name]
        assert part["mean_prediction"].to_numpy() == pytest.approx(mean)
        assert part["rate"].to_numpy() == pytest.approx(rate)
        assert ((part["low"] <= part["rate"]) & (part["rate"] <= part["high"])).all()


def test_gain_starts_at_nothing_ends_at_all_and_counts_churners_found():
    rows = made(0.5, seed=1)
    curve = gain_curves({"1": rows}, points=11)
    order = rows.sort_values("margin", ascending=False)["y"].to_numpy()
    assert curve["gain"].to_numpy() == pytest.approx([order[: 30 * k].sum() / order.sum() for k in range(11)])
    assert gain_curves({}).empty


def test_money_is_a_loop_over_the_first_customers_of_each_day():
    rows = made(0.5, seed=1, customers=50)
    curve = profit_curves({"1": rows, "2": rows.drop(columns="value_at_stake")}, save_rate=0.3, cost=20.0, points=11)
    assert curve["name"].unique().tolist() == ["1"]
    for key, score in (("by_value", rows["p"] * rows["value_at_stake"]), ("by_risk", rows["p"])):
        expected = np.zeros(11)
        for day in DAYS:
            order = score[rows["as_of"] == day].sort_values(ascending=False).index
            brings = [rows["y"][at] * rows["value_at_stake"][at] * 0.3 - 20.0 for at in order]
            expected += [sum(brings[: 5 * k]) / 2 for k in range(11)]
        assert curve[key].to_numpy() == pytest.approx(expected)
    at = profit_at_capacity({"1": rows}, save_rate=0.3, cost=20.0, capacity=0.1).iloc[0]
    assert (at["customers"], at["by_value"]) == (5.0, pytest.approx(curve["by_value"][1]))


def test_customers_with_equal_scores_share_what_they_bring():
    rows = pd.DataFrame({"as_of": "2025-01-01", "y": [True, False, False, False], "p": 0.5, "value_at_stake": 100.0})
    for order in (rows, rows.iloc[::-1]):
        curve = profit_curves({"1": order}, save_rate=1.0, cost=10.0, points=5)
        assert curve["by_risk"].tolist() == [0.0, 15.0, 30.0, 45.0, 60.0]


def test_importance_is_a_share_of_each_model_and_keeps_the_largest():
    one = pd.DataFrame({"feature": ["a", "b", "c"], "mean_abs_contribution": [6.0, 3.0, 1.0]})
    two = pd.DataFrame({"feature": ["c", "b"], "mean_abs_contribution": [0.0, 0.0]})
    table = importance_table({"1": one, "2": two}, top=2)
    assert table.to_dict("index") == {"a": {"1": 0.6, "2": 0.0}, "b": {"1": 0.3, "2": 0.0}}
    assert importance_table({}).empty


def test_who_changes_tier_and_how_many():
    before = pd.DataFrame(
        {"customer_id": list("abcd"), "p": [0.7, 0.5, 0.1, 0.9], "tier": ["high", "medium", "low", "high"]}
    )
    after = pd.DataFrame(
        {"customer_id": list("dcba"), "p": [0.2, 0.35, 0.4, 0.65], "tier": ["low", "medium", "medium", "high"]}
    )
    changes = tier_changes(before, after)
    assert changes[["customer_id", "tier_before", "tier_after"]].to_numpy().tolist() == [
        ["d", "high", "low"],
        ["c", "low", "medium"],
    ]
    assert tier_matrix(before, after).to_numpy().tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_pictures_draw_into_the_axes_they_are_given_and_only_what_the_tables_say():
    from matplotlib.figure import Figure

    from crm_ml.models.explain import pictures_compare as pictures

    models = {str(k): made(0.2 + 0.3 * k, seed=k) for k in range(9)}
    axes = Figure(figsize=(4, 3)).subplots()
    curves = gain_curves(models, points=11)
    assert pictures.plot_gain(curves, axes, reference="4") is axes
    drawn = {line.get_label(): line for line in axes.get_lines()}
    assert list(drawn["version 4"].get_ydata()) == curves[curves["name"] == "4"]["gain"].tolist()
    # two of nine have no colour of their own; the reference has
    assert sum(label.startswith("version") for label in drawn) == 7
    table = difference_table({"1": models["1"], "2": models["2"], "3": None}, "1", replicates=30)
    forest = pictures.plot_differences(table, language="de")
    assert [tick.get_text() for tick in forest.get_yticklabels()] == ["Version 2"]
    assert forest.get_xlabel() == "AUC gegenüber Version 1"
    lines = pictures.plot_reliability(reliability_curves({"1": models["1"]}), reference="1").get_lines()
    assert [line.get_label() for line in lines] == ["perfect calibration", "version 1"]
    money = profit_curves({"1": models["1"]}, save_rate=0.3, cost=20.0)
    assert pictures.plot_profit(money, currency="CHF", language="de").get_ylabel() == "CHF je Auswertungstag"
    bars = pictures.plot_importance(pd.DataFrame({"1": [0.6, 0.4], "2": [0.1, 0.9]}, index=["a", "b"])).patches
    assert [bar.get_width() for bar in bars] == [0.6, 0.4, 0.1, 0.9]
