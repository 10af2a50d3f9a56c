"""Every variant of churn against slow loops, on small messy firms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from messy_firms import Firm, seeded_firm
from outcome_oracle import churned, orders, own_horizon, under_contract
from wall_clock import DAY_US, midnight, shifted

from crm_ml.features import Outcome, OwnGap, churn_labels, label_horizons, make_spine
from crm_ml.tables import Tables, from_frames

PRODUCTS = pd.DataFrame({"product_id": ["p0", "p1", "p2", "p3"], "category": ["Pumps", "Pumps", "Valves", None]})
OWN = OwnGap(2.0, 20, 120)
OUTCOMES = {
    "partial": Outcome(target="partial", partial_below=0.5, trailing_days=365),
    "partial of a category": Outcome(target="partial", partial_below=0.8, trailing_days=90, category="Pumps"),
    "category": Outcome(category="Pumps"),
    "own gap": Outcome(own_gap=OWN),
    "own gap of a category": Outcome(own_gap=OwnGap(0.5, 1, 200), category="Pumps"),
    "partial in own gap": Outcome(target="partial", partial_below=0.3, trailing_days=180, own_gap=OWN),
    "contract": Outcome(target="contract_cancelled"),
}
FIRMS = 8


def firm_tables(firm: Firm) -> Tables:
    own = {"customers": {"segment": "customer_since"}} if "customers" in firm.rows else None
    return from_frames({**firm.frames(), "products": PRODUCTS}, zone=firm.zone, attributes=own)


def answers(outcome: Outcome, tables: Tables) -> bool:
    """Whether the firm has the columns that the outcome asks for."""
    mapped = tables.mapped
    if outcome.target == "contract_cancelled":
        return "cancelled_at" in mapped.get("contracts", ())
    return outcome.category is None or "product_id" in mapped["order_lines"]


@pytest.mark.parametrize("name", OUTCOMES)
def test_labels_are_those_of_the_slow_loop(name: str) -> None:
    outcome, seen = OUTCOMES[name], set()
    for seed in range(FIRMS):
        firm = seeded_firm(seed)
        tables = firm_tables(firm)
        if not answers(outcome, tables):
            continue
        spine = firm.spine()
        for gap, horizon, until in ((0, 30, max(firm.cutoffs)), (7, 90, min(firm.cutoffs) + 500 * DAY_US)):
            window = {"gap_days": gap, "horizon_days": horizon, "known_until": until, "outcome": outcome}
            expected = [
                churned(tables, customer, cutoff, **window)
                for customer, cutoff in zip(spine["customer_id"], spine["cutoff"].tolist(), strict=True)
            ]
            assert churn_labels(tables, spine, **window).tolist() == expected
            seen |= set(expected)
    assert seen == {True, False}


@pytest.mark.parametrize("name", [name for name, outcome in OUTCOMES.items() if outcome.own_gap])
def test_windows_are_those_of_the_slow_loop(name: str) -> None:
    outcome, seen = OUTCOMES[name], set()
    for seed in range(FIRMS):
        firm = seeded_firm(seed)
        tables = firm_tables(firm)
        if not answers(outcome, tables):
            continue
        spine = firm.spine().sample(frac=1.0, random_state=seed)
        expected = [
            own_horizon(tables, customer, cutoff, 45, outcome)
            for customer, cutoff in zip(spine["customer_id"], spine["cutoff"].tolist(), strict=True)
        ]
        assert label_horizons(tables, spine, horizon_days=45, outcome=outcome).tolist() == expected
        seen |= set(expected)
    assert len(seen) > 3


@pytest.mark.parametrize("name", ["category", "contract"])
def test_who_is_eligible_is_as_the_slow_loop_says(name: str) -> None:
    outcome, left_out = OUTCOMES[name], 0
    for seed in range(FIRMS):
        firm = seeded_firm(seed)
        tables = firm_tables(firm)
        if not answers(outcome, tables):
            continue
        everyone = make_spine(tables, firm.days, active_days=3660)
        found = make_spine(tables, firm.days, active_days=365, outcome=outcome)
        expected = set()
        for day in firm.days:
            cutoff = midnight(day, firm.zone)
            begin = shifted(cutoff, -365, firm.zone)
            bound = set(under_contract(tables, cutoff)) if name == "contract" else None
            for customer in everyone.loc[everyone["as_of"] == day, "customer_id"]:
                bought = orders(tables, customer, cutoff, outcome.category)
                recent = any(begin <= at < cutoff and net > 0 for at, net in bought)
                if recent and (bound is None or customer in bound):
                    expected.add((customer, day))
        assert set(zip(found["customer_id"], found["as_of"], strict=True)) == expected
        plain = make_spine(tables, firm.days, active_days=365)
        left_out += len(plain) - len(found)
    assert left_out > 0


def test_who_buys_nothing_has_also_churned_in_part() -> None:
    for seed in range(FIRMS):
        firm = seeded_firm(seed)
        tables, spine = firm_tables(firm), firm.spine()
        window = {"gap_days": 0, "horizon_days": 90, "known_until": max(firm.cutoffs) + 400 * DAY_US}
        nothing = churn_labels(tables, spine, **window)
        partly = churn_labels(tables, spine, **window, outcome=OUTCOMES["partial"])
        assert not (nothing & ~partly).any()


def test_windows_given_per_row_are_those_that_are_worked_out() -> None:
    firm = seeded_firm(3)
    tables, spine = firm_tables(firm), firm.spine()
    outcome, until = OUTCOMES["own gap"], max(firm.cutoffs)
    days = label_horizons(tables, spine, horizon_days=45, outcome=outcome)
    one = churn_labels(tables, spine, gap_days=3, horizon_days=45, known_until=until, outcome=outcome)
    other = churn_labels(tables, spine, gap_days=3, horizon_days=days, known_until=until)
    assert one.tolist() == other.tolist()
    assert len(np.unique(days)) > 1
