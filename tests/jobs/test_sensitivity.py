"""Other definitions of churn beside the workspace's own."""

from __future__ import annotations

import datetime as dt

import pytest

import crm_ml as crm
from crm_ml.errors import HeldBack
from crm_ml.features import OwnGap
from crm_ml.jobs.sensitivity import BASE, definition_sensitivity, other_definitions
from crm_ml.jobs.settings import ChurnSettings

pytestmark = pytest.mark.filterwarnings("ignore")


def test_neighbours_of_a_definition():
    found = other_definitions(ChurnSettings(horizon_days=60, active_days=180, gap_days=5))
    assert {name: (one.horizon_days, one.active_days, one.target) for name, one in found.items()} == {
        BASE: (60, 180, "no_purchase"),
        "horizon 30 days": (30, 180, "no_purchase"),
        "horizon 120 days": (120, 180, "no_purchase"),
        "active 90 days": (60, 90, "no_purchase"),
        "active 360 days": (60, 360, "no_purchase"),
        "revenue below half": (60, 180, "partial"),
        "twice the own gap": (60, 180, "no_purchase"),
    }
    assert found["twice the own gap"].outcome.own_gap == OwnGap(2.0, 20, 120)
    assert {one.gap_days for one in found.values()} == {5}


@pytest.mark.parametrize(
    ("churn", "neighbours"),
    [
        ({"target": "partial"}, {"no purchase", "twice the own gap"}),
        ({"target": "contract_cancelled"}, set()),
        ({"horizon": {"own_gap": 2.0}}, {"revenue below half", "horizon 90 days"}),
    ],
)
def test_neighbours_of_variants(churn, neighbours):
    plain = {BASE, "horizon 45 days", "horizon 180 days", "active 182 days", "active 730 days"}
    if "horizon" in churn:
        plain -= {"horizon 45 days", "horizon 180 days"}
    assert set(other_definitions(ChurnSettings.model_validate(churn))) == plain | neighbours


def test_the_list_of_each_definition_beside_that_of_the_workspace(untrained, firm_day):
    churn = crm.open_workspace(untrained).settings.churn
    wanted = {name: one for name, one in other_definitions(churn).items() if "180" not in name}
    result = definition_sensitivity(untrained, firm_day, definitions=wanted, capacity=20)
    table = result.table.set_index("definition")
    assert list(table.index) == list(wanted)
    assert table.loc[BASE, ["spearman", "overlap", "entering"]].tolist() == [1.0, 1.0, 0]
    assert table["listed"].unique().tolist() == [20]
    assert (table["auc"] > 0.55).all()
    assert result.auc.shape == (len(wanted), len(wanted))
    assert table["auc_as_base"].tolist() == result.auc[BASE].tolist()
    # the own gap's longest window is 180 days: the newest day of the grid that far back
    assert result.evaluated_on == dt.date(2025, 3, 3) - dt.timedelta(days=180)
    wider, narrower = table.loc["active 730 days"], table.loc["active 182 days"]
    assert narrower["customers"] < table.loc[BASE, "customers"] <= wider["customers"]
    assert wider["shared"] == table.loc[BASE, "customers"]
    assert table.loc["revenue below half", "churn_rate"] > table.loc[BASE, "churn_rate"]
    assert sorted(path.name for path in untrained.iterdir()) == ["crm.yaml", "data"]


def test_too_short_a_history_says_from_when_on(untrained):
    with pytest.raises(HeldBack, match=r"up to 180 days.*Use 2024-0.* or later"):
        definition_sensitivity(untrained, "2023-03-01")
