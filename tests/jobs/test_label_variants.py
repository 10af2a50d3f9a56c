"""Churn by other definitions, from crm.yaml to the published set."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import crm_ml as crm
from crm_ml.errors import DamagedArtefact, DataError, HeldBack
from crm_ml.features import Outcome, cutoff_us
from crm_ml.jobs.definition import eligible, flat_label, outcomes
from crm_ml.jobs.inputs import CHURN_TABLES, read_inputs
from crm_ml.jobs.problem import problem_of
from crm_ml.models.explain.outcome_texts import outcome_clause

pytestmark = pytest.mark.filterwarnings("ignore")


def redefine(workspace, churn, tables=""):
    text = (workspace / "crm.yaml").read_text()
    text = text.replace("  horizon_days: 90\n", f"  horizon_days: 90\n  {churn}\n")
    (workspace / "crm.yaml").write_text(text.replace("tables:\n", f"tables:\n{tables}"))
    return crm.open_workspace(workspace)


def give_products(workspace):
    path = workspace / "data/order_lines.parquet"
    orders = pd.read_parquet(path)
    orders["product_id"] = np.where(np.arange(len(orders)) % 3 == 0, "v1", "p1")
    orders.to_parquet(path, index=False)
    pd.DataFrame({"product_id": ["v1", "p1"], "category": ["Ventile", "Pumpen"]}).to_parquet(
        workspace / "data/products.parquet", index=False
    )


@pytest.mark.parametrize(
    ("churn", "told"),
    [
        ("target: partial", r"trained with partial_below not set, and crm\.yaml says 0\.5.*Train again"),
        ("horizon: {own_gap: 2}", r"trained with horizon\.max_days not set, and crm\.yaml says 365"),
    ],
)
def test_another_definition_needs_another_model(workspace, firm_day, churn, told):
    with pytest.raises(HeldBack, match=told) as caught:
        crm.score(redefine(workspace, churn), as_of=firm_day)
    assert (caught.value.code, caught.value.exit_code) == ("other_label", 4)


def test_a_label_of_a_later_version_is_refused():
    with pytest.raises(DamagedArtefact, match=r"does not know: .*target must be one of.*Update crm-ml"):
        flat_label({"target": "churn", "gap_days": 0, "horizon_days": 90, "outcome": {"target": "moved"}})


@pytest.mark.parametrize(
    ("churn", "told"),
    [
        ("target: contract_cancelled", "table contracts is needed for `churn.target: contract_cancelled`"),
        ("category: Pumpen", "table products is needed for `churn.category: Pumpen`"),
    ],
)
def test_tables_that_a_definition_needs_are_asked_for(untrained, firm_day, churn, told):
    workspace = redefine(untrained, churn)
    for job in (crm.train, crm.score, crm.build_features):
        with pytest.raises(DataError, match=told) as caught:
            job(workspace, as_of=firm_day)
        assert caught.value.exit_code == 3


def test_check_says_what_a_definition_lacks(untrained):
    give_products(untrained)
    found = crm.check(redefine(untrained, "category: Pumpen", "  products: {source: data/products.parquet}\n"))
    assert found.error is None
    text = (untrained / "crm.yaml").read_text()
    (untrained / "crm.yaml").write_text(text.replace("category: Pumpen", "category: Pumpe"))
    errors = [finding for finding in crm.check(untrained).findings if finding.severity == "error"]
    assert [(finding.code, finding.remedy) for finding in errors] == [("unknown_category", 'Did you mean "Pumpen"?')]
    (untrained / "crm.yaml").write_text(text.replace("category: Pumpen", "target: contract_cancelled"))
    assert crm.check(untrained).error.exit_code == 3


def test_snapshots_of_own_windows_are_old_enough_for_the_longest(untrained):
    workspace, day = redefine(untrained, "horizon: {own_gap: 2, max_days: 200}"), dt.date(2025, 3, 3)
    tables = read_inputs(workspace, only=CHURN_TABLES)
    data, _ = problem_of(workspace, "churn").dataset(tables, day)
    assert data.snapshots[0] == day - dt.timedelta(days=200)
    days = (data.label_end - data.days).astype(int)
    gap = data.frame["order_gap_days_mean"].to_numpy(float)
    assert days.tolist() == Outcome.horizons(workspace.settings.churn.outcome, gap, 90).tolist()
    assert len(np.unique(days)) > 20
    spine = eligible(tables, [data.snapshots[-1]], workspace.settings.churn)
    labels, windows = outcomes(tables, spine, workspace.settings.churn, known_until=cutoff_us(day, "Europe/Berlin"))
    oldest = data.days == np.datetime64(data.snapshots[-1])
    assert labels.tolist() == data.y[oldest].tolist()
    assert windows.tolist() == days[oldest].tolist()


def test_the_whole_way_with_windows_of_own_length(untrained, firm_day):
    workspace = redefine(untrained, "horizon: {own_gap: 3, min_days: 30, max_days: 180}")
    trained = crm.train(workspace, as_of=firm_day)
    assert "within 3 of its usual gaps between orders (30 to 180 days)" in trained.card()
    table = crm.score(workspace, as_of=firm_day).table
    features = crm.build_features(workspace, as_of=firm_day).set_index("customer_id").loc[table["customer_id"]]
    slow = features["order_gap_days_mean"].to_numpy() > 180
    assert [("rhythm_longer_than_horizon" in notes) for notes in table["notes"]] == list(slow)
    text = (untrained / "crm.yaml").read_text()
    (untrained / "crm.yaml").write_text(text.replace("own_gap: 3", "own_gap: 2"))
    with pytest.raises(HeldBack, match=r"trained with horizon\.own_gap 3\.0, and crm\.yaml says 2\.0"):
        crm.score(untrained, as_of=firm_day)


def test_the_whole_way_with_a_category_and_partial_churn(untrained, firm_day):
    give_products(untrained)
    workspace = redefine(
        untrained, "category: Ventile\n  target: partial", "  products: {source: data/products.parquet}\n"
    )
    trained = crm.train(workspace, as_of=firm_day)
    assert trained.training.model.label.outcome.as_json() == {
        "target": "partial",
        "partial_below": 0.5,
        "trailing_days": 365,
        "category": "Ventile",
    }
    result = crm.score(workspace, as_of=firm_day)
    assert result.rows > 50
    page = crm.explain(workspace, "churn", result.table["customer_id"][0], as_of=firm_day, dry_run=True)
    assert page.outcome.category == "Ventile"


def give_contracts(workspace):
    """A contract per customer; who has not ordered for two months cancels it, unless the data end before."""
    orders = pd.read_parquet(workspace / "data/order_lines.parquet")
    life = orders.groupby("customer_id")["ordered_at"].agg(["min", "max"])
    late = life["max"] + pd.Timedelta(days=60)
    contracts = pd.DataFrame(
        {
            "contract_id": "C" + life.index,
            "customer_id": life.index,
            "starts_at": life["min"].to_numpy(),
            "cancelled_at": late.where(late < orders["ordered_at"].max()).to_numpy(),
        }
    )
    contracts.to_parquet(workspace / "data/contracts.parquet", index=False)
    return contracts


def test_the_whole_way_with_cancelled_contracts(untrained, firm_day):
    contracts = give_contracts(untrained)
    workspace = redefine(untrained, "target: contract_cancelled", "  contracts: {source: data/contracts.parquet}\n")
    trained = crm.train(workspace, as_of=firm_day)
    assert trained.training.model.label.outcome.target == "contract_cancelled"
    assert trained.verdict == "champion"
    table = crm.score(workspace, as_of=firm_day).table
    day = pd.Timestamp(firm_day)
    over = set(contracts.loc[contracts["cancelled_at"] < day, "customer_id"])
    assert over
    assert not over & set(table["customer_id"])
    # who cancels in the window was at risk: the pause that precedes it shows
    window = contracts["cancelled_at"].between(day, day + pd.Timedelta(days=90))
    left = table["customer_id"].isin(contracts.loc[window, "customer_id"])
    assert table.loc[left, "p_churn"].mean() > 2 * table.loc[~left, "p_churn"].mean()


@pytest.mark.parametrize(
    ("outcome", "german", "english"),
    [
        (
            Outcome(target="partial", partial_below=0.5, trailing_days=365),
            "dass der Umsatz mit dem Kunden in den nächsten 90 Tagen unter 50\N{NO-BREAK SPACE}% des Üblichen fällt",
            "that revenue with the customer will fall below 50% of the usual within the next 90 days",
        ),
        (
            Outcome(target="contract_cancelled"),
            "dass der Kunde in den nächsten 90 Tagen einen Vertrag kündigt",
            "that the customer will cancel a contract within the next 90 days",
        ),
    ],
)
def test_the_clause_of_each_variant(outcome, german, english):
    assert outcome_clause(outcome, "de", horizon_days=90) == german
    assert outcome_clause(outcome, "en", horizon_days=90) == english
