"""Points in crm.yaml, the whole way: checked, trained, served, explained, and tried in a backtest."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import pyarrow.parquet as pq
import pytest

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models import load_bundle

pytestmark = pytest.mark.filterwarnings("ignore")
TRAINED, DAY = dt.date(2026, 2, 1), dt.date(2026, 3, 2)
POINTS = """leads:
  points:
    lead_source: {levels: {referral: 10, partner: 6, trade_fair: 3, address_list: -5}}
    lead_job_seniority: {levels: {executive: 3, head: 3}}
    lead_stage_rank:
      steps: [{from: 1, to: 2, points: 10}, {from: 2, to: 3, points: 20}, {from: 3, points: 40}]
    lead_reply_received_count: {steps: [{from: 1, to: 2, points: 4}, {from: 2, points: 8}]}
    lead_age_days: {steps: [{from: 60, points: -10}, {from: 30, to: 60, points: -5}]}
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A firm without points, not trained."""
    folder = tmp_path_factory.mktemp("points") / "firm"
    make_workspace(folder, customers=300, seed=1)
    return folder


@pytest.fixture(scope="module")
def firm(plain, tmp_path_factory):
    """The same with points, trained on 1 February."""
    folder = tmp_path_factory.mktemp("with") / "firm"
    shutil.copytree(plain, folder)
    with (folder / "crm.yaml").open("a") as file:
        file.write(POINTS)
    crm.train(folder, "leads", as_of=TRAINED)
    return folder


def test_points_compete_and_serve_where_nothing_is_better(firm):
    (file,) = (firm / "mlflow" / "bundles").glob("*/bundle.json")
    meta = json.loads(file.read_text())["meta"]
    assert set(meta["baselines"]) == {"source_rate", "stage", "best_column", "points"}
    assert meta["differences"].keys() == meta["baselines"].keys()
    # where no model beats the rules, the rule with the least loss on the folds serves
    assert meta["verdict"] == "refused"
    model = load_bundle(file.parent)
    assert (model.kind, model.scorer.name) == ("rule", "points")
    assert set(model.features) == {line.split(":")[0].strip() for line in POINTS.splitlines()[2:] if "lead_" in line}
    card = next((firm / "mlflow").glob("artifacts/**/model_card.md")).read_text()
    assert "| points | " in card


def test_scores_and_reasons_are_sums_of_points(firm, tmp_path):
    shutil.copytree(firm, tmp_path / "firm")
    result = crm.score(tmp_path / "firm", "leads", as_of=DAY)
    frame = pq.read_table(result.published / "lead_scores.parquet").to_pandas()
    assert frame.p_win.between(0, 1).all()
    assert all("model_is_rule" in list(notes) for notes in frame.notes)
    for row in frame.head(20).itertuples():
        total = row.base_value + sum(reason["contribution"] for reason in row.reasons)
        assert total == pytest.approx(row.margin)


def test_the_backtest_tries_the_points_that_its_plan_carries(firm):
    result = crm.backtest(firm, "leads", as_of=DAY, cutoffs=[dt.date(2025, 11, 1)], dry_run=True, workers=1)
    assert {"points", "lightgbm_recent"} <= set(result.predictions["name"].to_pylist())
    assert all("points" in choice.rules for choice in result.choices)


def test_where_a_table_is_missing_the_rule_is_left_out_and_said(plain, tmp_path):
    shutil.copytree(plain, tmp_path / "firm")
    text = (tmp_path / "firm" / "crm.yaml").read_text()
    kept = [line for line in text.splitlines() if not line.strip().startswith("lead_events:")]
    (tmp_path / "firm" / "crm.yaml").write_text("\n".join(kept) + "\n" + POINTS)
    result = crm.train(tmp_path / "firm", "leads", as_of=TRAINED, dry_run=True)
    assert "points" not in set(result.training.candidates["name"])
    (finding,) = [finding for finding in result.findings if finding.code == "points_not_available"]
    assert finding.examples == ("lead_reply_received_count",)
