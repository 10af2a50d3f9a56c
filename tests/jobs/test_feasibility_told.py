"""The verdict on feasibility is told by `check` before a training, and by `train` and the model card after it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models.evaluation.feasibility import feasibility

DAY = dt.date(2025, 9, 1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("firm") / "firm"
    make_workspace(folder, customers=150, seed=1)
    return folder


def test_check_counts_the_newest_mature_snapshot(workspace):
    result = crm.check(workspace, as_of=DAY)
    (note,) = [finding for finding in result.findings if finding.code == "feasibility"]
    snapshot = DAY - dt.timedelta(days=90)
    customers = len(crm.build_features(workspace, as_of=[snapshot]))
    assert note.severity == "info"
    assert note.message == feasibility(customers, note.count).sentence("en")
    assert 0 < note.count < customers
    assert "feasibility" not in {finding.code for finding in crm.check(workspace).findings}
    # nobody is eligible long before the first order
    assert "feasibility" not in {finding.code for finding in crm.check(workspace, as_of=dt.date(1990, 1, 1)).findings}


def test_train_tells_what_was_measured(workspace):
    result = crm.train(workspace, "churn", as_of=DAY, dry_run=True)
    verdict = result.feasibility
    measured = result.metrics["auc"]
    assert verdict.stage == "after"
    assert verdict.half_width == pytest.approx((measured.high - measured.low) / 2)
    assert verdict.customers == result.training.evaluation["customer_id"].nunique()
    assert result.as_dict()["feasibility"]["text_de"] == verdict.sentence("de")
    assert verdict.finding() in result.findings
    assert f"{verdict.sentence('en')}." in result.card()
