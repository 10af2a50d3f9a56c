"""What a workspace, its catalogue and the process add to a training."""

from __future__ import annotations

import datetime as dt

import pytest
from sklearn.naive_bayes import GaussianNB

import crm_ml as crm
from crm_ml.errors import UsageError
from crm_ml.features import default_features
from crm_ml.jobs.train import extras

DAY = dt.date(2026, 3, 1)
YAML = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\ntables: {order_lines: {source: o.parquet}}\n"


@pytest.fixture
def workspace(tmp_path):
    """Function that writes crm.yaml with more lines and opens the workspace."""

    def make(more=""):
        (tmp_path / "crm.yaml").write_text(YAML + more)
        return crm.open_workspace(tmp_path)

    return make


def test_tuning_is_off_unless_asked_for(workspace, tmp_path):
    got = extras(workspace(), DAY)
    assert got.tuning is None
    assert got.directions == {feature.id: feature.direction for feature in default_features()}
    assert got.directions["days_since_last_order"] == 1
    assert got.own == ()
    assert not (tmp_path / "mlflow").exists()


def test_the_settings_or_the_call_ask_for_trials_and_they_are_kept_per_day(workspace, tmp_path):
    opened = workspace("churn: {tuning: {trials: 30, max_minutes: 12.5}}\n")
    got = extras(opened, DAY).tuning
    assert (got.trials, got.max_minutes) == (30, 12.5)
    assert got.storage == tmp_path / "mlflow" / "tuning" / "churn-2026-03-01.db"
    assert got.storage.parent.is_dir()
    assert extras(opened, DAY, trials=5).tuning.trials == 5
    assert extras(opened, DAY, trials=0).tuning is None
    with pytest.raises(UsageError, match="must be at least 0; found -1"):
        extras(opened, DAY, trials=-1)


def test_a_dry_run_keeps_no_trials(workspace, tmp_path):
    assert extras(workspace(), DAY, trials=3, keep=False).tuning.storage is None
    assert not (tmp_path / "mlflow").exists()


def test_how_long_is_searched_does_not_change_what_scores_mean(workspace):
    plain = workspace().config_hash
    assert workspace("churn: {tuning: {trials: 30}}\n").config_hash == plain
    assert workspace("churn: {horizon_days: 60}\n").config_hash != plain


def test_own_candidates_of_the_process_come_along(workspace):
    crm.add_candidate("bayes", GaussianNB(), features=["days_since_last_order"])
    try:
        (own,) = extras(workspace(), DAY).own
        assert (own.name, own.features) == ("bayes", ("days_since_last_order",))
    finally:
        crm.remove_candidate("bayes")
