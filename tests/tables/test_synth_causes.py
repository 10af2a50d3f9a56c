from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from crm_ml.tables.synth import Firm, make_firm
from crm_ml.tables.synth.causes import _LEAST, DRIVERS, PARTS, UNUSUAL, _shapley, _typical
from crm_ml.tables.synth.outlook import Stand, no_order_probability, stand_of
from crm_ml.tables.synth.world import BURN_IN_DAYS

DAY = date(2026, 3, 3)


@pytest.fixture(scope="module")
def firm() -> Firm:
    return make_firm(customers=1500, seed=7)


@pytest.fixture(scope="module")
def causes(firm: Firm) -> pd.DataFrame:
    return firm.causes(DAY)


def positions(table: pd.DataFrame) -> np.ndarray:
    return table["customer_id"].astype(int).to_numpy() - 100


def test_the_probability_is_that_of_the_truth(firm: Firm, causes: pd.DataFrame):
    truth = firm.truth(DAY, simulations=400)
    assert causes["customer_id"].tolist() == truth["customer_id"].tolist()
    difference = causes["p_no_purchase"] - truth["p_no_purchase"]
    assert difference.abs().max() < 0.12
    assert abs(difference.mean()) < 0.003


def test_the_parts_of_the_raise_add_up(firm: Firm, causes: pd.DataFrame):
    world, life = firm._world, firm._life
    who, day = positions(causes)[:200], world.index(DAY)
    actual = stand_of(world, life, who, day, 90)
    typical = _typical(actual, world, day)
    parts = _shapley(actual, typical, world, day)
    everything = {field: value for part in PARTS for field, value in typical[part].items()}

    def log_odds(stand: Stand) -> np.ndarray:
        p = np.clip(no_order_probability(stand, world, day), _LEAST, 1 - _LEAST)
        return np.log(p / (1 - p))

    ordinary = log_odds(Stand(**{**vars(actual), **everything}))
    np.testing.assert_allclose(parts.sum(axis=1), log_odds(actual) - ordinary, atol=1e-9)
    assert np.ptp(ordinary) < 0.4  # the noise is each customer's own


def test_who_has_gone_is_silent_or_not_noticed_yet(firm: Firm, causes: pd.DataFrame):
    world, life = firm._world, firm._life
    who, day = positions(causes), world.index(DAY)
    gone = life.left[who] < day
    assert (causes["cause"].isin(["silence", "left_unseen"]) == gone).all()
    assert (causes.loc[gone, "p_no_purchase"] == 1).all()
    assert (causes.loc[gone, "share"] == 1).all()
    silent, unseen = (causes[causes["cause"] == cause] for cause in ("silence", "left_unseen"))
    assert silent["single"].all()
    assert not unseen["single"].any()
    assert len(silent) > 2 * len(unseen) > 0
    gaps = causes["days_silent"] / world.gap_days[who]
    assert gaps[silent.index].min() > 0.9
    assert gaps[unseen.index].median() < 1.5 < gaps[silent.index].median()
    assert 0 < UNUSUAL < 0.5


def test_causes_name_what_is_out_of_the_ordinary(firm: Firm, causes: pd.DataFrame):
    world, life = firm._world, firm._life
    who = positions(causes)
    mood = life.mood[world.index(DAY) - BURN_IN_DAYS, who]
    there = ~causes["cause"].isin(["silence", "left_unseen"])
    slow = causes[there & (causes["cause"] == "slow_rhythm") & causes["single"]]
    assert len(slow) > 100
    assert (world.gap_days[who[slow.index]] > np.median(world.gap_days)).all()
    sour = causes[(causes["cause"] == "discontent") & causes["single"]]
    assert len(sour) > 50
    assert (mood[sour.index] < np.median(world.set_point)).all()
    assert set(causes["cause"]) <= {*PARTS, "silence", "left_unseen", "none"}
    assert (causes["driver"].notna() == (causes["cause"] == "discontent")).all()
    assert set(causes["driver"].dropna()) <= set(DRIVERS)
    none = causes[causes["cause"] == "none"]
    assert not none["single"].any()
    assert none["p_no_purchase"].max() < 0.05


def test_a_single_cause_has_at_least_seven_tenths(causes: pd.DataFrame):
    assert causes.loc[causes["single"], "share"].min() >= 0.70
    assert causes["share"].between(0, 1).all()
    at_risk = causes[causes["p_no_purchase"] >= 0.3]
    assert at_risk["single"].mean() > 0.6


def test_drivers_happened(firm: Firm, causes: pd.DataFrame):
    world, life = firm._world, firm._life
    who, day = positions(causes), world.index(DAY)
    driver = causes["driver"].to_numpy()
    assert (world.price_sensitivity[who[driver == "price_rise"]] > 0).all()
    assert (world.set_point[who[driver == "never_content"]] < np.median(world.set_point)).all()
    seen = life.order_day < day
    faulty = np.unique(life.order_who[seen & life.order_quality])
    late = np.unique(life.order_who[seen & life.order_late])
    assert np.isin(who[driver == "faulty_delivery"], faulty).all()
    assert np.isin(who[driver == "late_delivery"], late).all()
    changed = np.unique(life.contact_who[life.contact_day < day])
    assert np.isin(who[driver == "contact_change"], changed).all()
    assert (world.manager[who[driver == "manager_change"]] == world.managers - 1).all()
    assert len(set(causes["driver"].dropna())) >= 4


def test_the_same_asked_twice_and_for_other_windows(firm: Firm, causes: pd.DataFrame):
    pd.testing.assert_frame_equal(causes, firm.causes(DAY))
    longer = firm.causes(DAY, horizon_days=180)
    there = ~causes["cause"].isin(["silence", "left_unseen"])
    assert longer.loc[there, "p_no_purchase"].mean() < causes.loc[there, "p_no_purchase"].mean() - 0.02
    assert len(firm.causes(firm.until - timedelta(days=1)))


@pytest.mark.parametrize(("customers", "seed"), [(50, 1), (50, 8), (150, 6), (300, 4)])
def test_small_firms_have_the_cases_of_a_demo(customers: int, seed: int):
    firm = make_firm(customers=customers, seed=seed)
    frames, now = firm.frames, pd.Timestamp(DAY)
    table = frames["customers"].set_index("customer_id")
    causes = firm.causes(DAY).set_index("customer_id")
    causes = causes[~(table["status_from"] < now).reindex(causes.index)]
    at_risk = causes.index[causes["p_no_purchase"] >= 0.3]
    there = table.loc[causes.index]
    assert there["profiling_objection"].any()
    assert there["is_natural_person"].any()
    assert (table["is_natural_person"] == (table["legal_form"] == "e. K.")).all()
    assert table["name"].is_unique
    assert set(there["marketing_basis"]) == {"consent", "existing_customer", "none"}
    invoices, payments = frames["invoices"], frames["payments"]
    paid = payments[payments["known_at"] < now].groupby("invoice_id")["amount"].sum()
    due = invoices["amount"] - invoices["invoice_id"].map(paid).fillna(0)
    disputed = invoices[(invoices["disputed_at"] < now) & (invoices["issued_at"] < now) & (due > 0.01)]
    assert disputed["customer_id"].isin(at_risk).any()
    assert (disputed["disputed_at"] > disputed["issued_at"]).all()
    contacts = frames["interactions"]
    lately = contacts[contacts["occurred_at"].between(now - pd.Timedelta(days=60), now, inclusive="left")]
    complains = lately[(lately["topic"] == "complaint") & ~(lately["resolved_at"] < now)]
    assert complains["customer_id"][complains["customer_id"].isin(at_risk)].nunique() >= 2
    assert (complains["direction"] == "inbound").all()
