"""What may be assumed of an action, and what is said where the policy gives nothing to assume."""

from __future__ import annotations

import datetime as dt

import pytest

import crm_ml as crm
from crm_ml.jobs.assumptions import room_for
from crm_ml.jobs.inputs import CHURN_TABLES, read_inputs

DAYS = [dt.date(2024, 12, 3)]


@pytest.fixture
def room(untrained):
    def of(policy=None):
        if policy is not None:
            (untrained / "policy.yaml").write_text(policy, encoding="utf-8")
            with (untrained / "crm.yaml").open("a", encoding="utf-8") as file:
                file.write("policy: policy.yaml\n")
        workspace = crm.open_workspace(untrained)
        return room_for(workspace, read_inputs(workspace, only=CHURN_TABLES), DAYS)

    return of


def test_the_shipped_policy_gives_its_talk_and_one_list_without_managers(room):
    found, findings = room()
    assert findings == []
    assert (found.assumed.action, found.assumed.save_rate, found.assumed.cost) == ("personal_talk", 0.3, 60.0)
    assert found.lists == {"2024-12-03": 10}


def test_a_policy_with_faults_costs_the_money_and_not_the_backtest(room):
    found, (finding,) = room("version: 1\ntears: {}\n")
    assert found is None
    assert (finding.severity, finding.code) == ("warning", "no_money")
    assert "profits are not computed, because the policy cannot be used" in finding.message
    assert "tears" in finding.message


def test_an_action_that_saves_nobody_is_said(room):
    from importlib.resources import files

    text = files("crm_ml.actions.policy").joinpath("default_policy.yaml").read_text(encoding="utf-8")
    found, (finding,) = room(text.replace("save_rate: 0.3", "save_rate: 0.0"))
    assert found is None
    assert "no action for high risk with a save rate between 0 and 1" in finding.message
