"""Reliability by tier and segment where people look: the run, the model card, and a warning where it is off."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crm_ml.actions.policy.parse import policy_yaml
from crm_ml.jobs.model_card import _groups
from crm_ml.jobs.reliability import reliability_of_training
from crm_ml.jobs.settings import open_workspace
from crm_ml.jobs.tracking_read import artefact_text, registered_runs
from crm_ml.models.evaluation.segments import Reliability

KEYS = {"customer_id": [f"{k:03d}" for k in range(200)], "as_of": [dt.date(2025, 1, 1)] * 200}


def training(p, y, *, held_back=()):
    """As much of a training as is looked at."""
    evaluation = pd.DataFrame({**KEYS, "y": np.asarray(y, bool), "p": p})
    return SimpleNamespace(evaluation=evaluation, leaks=SimpleNamespace(held_back=held_back))


def features(**columns):
    return pd.DataFrame({**KEYS, "orders_net_revenue_365d": [1000.0, 100.0] * 100, **columns})


@pytest.mark.filterwarnings("ignore")
def test_a_run_holds_the_tiers_of_its_own_predictions(trained_firm):
    workspace = open_workspace(trained_firm)
    (run,) = registered_runs(workspace, "churn")
    lines = artefact_text(workspace, run.run_id, "tables/predictions.csv").splitlines()[1:]
    rows = pd.DataFrame([line.split(",")[1:] for line in lines], columns=["y", "p"])
    p, y = rows["p"].astype(float), rows["y"] == "True"
    told = json.loads(artefact_text(workspace, run.run_id, "tables/reliability_by_tier.json"))
    table = pd.DataFrame(told["data"], columns=told["columns"]).set_index("group")
    for tier, inside in (("high", p >= 0.6), ("medium", (p >= 0.3) & (p < 0.6)), ("low", p < 0.3)):
        assert table.loc[tier, ["rows", "events"]].tolist() == [inside.sum(), y[inside].sum()]
        assert table.loc[tier, "mean_prediction"] == pytest.approx(p[inside].mean(), abs=1e-6)
    card = artefact_text(workspace, run.run_id, "model_card.md")
    high = table.loc["high"]
    shares = f"{high['mean_prediction']:.3f} | {high['rate']:.3f} | {high['low']:.3f} to {high['high']:.3f} |"
    assert f"| tier high | {high['customers']:,} | {high['rows']:,} | {shares}" in card.splitlines()
    # the firm's customers have neither industry nor country nor size
    segments = json.loads(artefact_text(workspace, run.run_id, "tables/reliability_by_segment.json"))
    assert segments["columns"] == told["columns"]
    assert segments["data"] == []


def test_tiers_are_those_of_the_policy_with_its_least_values(untrained):
    policy = policy_yaml().replace("min_p: 0.6", "min_p: 0.5, min_value: 500").replace("min_p: 0.3", "min_p: 0.2")
    (untrained / "policy.yaml").write_text(policy, encoding="utf-8")
    with (untrained / "crm.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")
    workspace = open_workspace(untrained)
    # 100 of .55, half of them worth less than 500; nobody is low; half of each leave
    made = training([0.55] * 100 + [0.4] * 100, [1, 1, 0, 0] * 50)
    found, told = reliability_of_training(workspace, made, features())
    assert told == []
    assert found.by_tier[["group", "rows"]].values.tolist() == [["high", 50], ["medium", 150]]
    (untrained / "policy.yaml").write_text(policy.replace("  high:", "  hihg:"), encoding="utf-8")
    found, told = reliability_of_training(workspace, made, features())
    assert found.by_tier["group"].tolist() == ["medium"]
    assert [(finding.severity, finding.code) for finding in told] == [("warning", "default_tiers")]
    assert "hihg" in told[0].message


def test_segments_are_looked_at_unless_the_leak_guard_held_them_back(small_firm):
    workspace = open_workspace(small_firm)
    rows = features(industry=["Bau"] * 150 + ["Möbel"] * 50, attribute_status=["a", "b"] * 100, employees=20.0)
    y = [1, 0, 0, 0, 0] * 30 + [1, 1, 1, 1, 0] * 10
    found, told = reliability_of_training(workspace, training([0.2] * 200, y, held_back=["attribute_status"]), rows)
    assert found.by_segment[["by", "group"]].values.tolist() == [["industry", "Bau"], ["industry", "Möbel"]]
    assert [finding.code for finding in told] == ["unreliable_groups"]
    lines = _groups(found)
    assert "| industry Bau | 150 | 150 | 0.200 | 0.200 | 0.144 to 0.271 |" in lines
    assert "industry Möbel: predicted 0.20, churned 0.80" in lines[-1]


def test_the_card_shows_the_worst_segments_and_says_so_and_breaks_no_cell():
    groups = pd.DataFrame({"by": "region", "group": [f"a|b {k:02d}" for k in range(20)], "rows": 40, "customers": 40})
    groups = groups.assign(events=8, mean_prediction=0.2 + np.arange(20) / 1000, rate=0.2, low=0.1, high=0.35)
    groups = groups.assign(difference=groups["mean_prediction"] - 0.2, agrees=True)
    tier = groups.head(1).assign(by="tier", group="low")
    lines = _groups(Reliability(tier, groups))
    assert "of 20 segments the 15 with the largest difference" in lines[0]
    shown = [line.split(" | ")[0] for line in lines if line.startswith("| region")]
    assert shown == [f"| region a\\|b {k:02d}" for k in range(5, 20)]
    assert lines[-1] == "None of the 21 groups is off by 0.05 or more beyond chance."
    assert "largest difference" not in _groups(dataclasses.replace(Reliability(tier, groups.head(3))))[0]
