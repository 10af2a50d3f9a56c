from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from crm_ml.tables.synth import Firm, make_firm
from crm_ml.tables.synth.courtship import MOST_DAYS, WON, court_all
from crm_ml.tables.synth.enquirers import FUNCTIONS, SOURCES
from crm_ml.tables.synth.lead_words import FREE_MAIL, TITLES, job_title

DAY = date(2026, 1, 13)


@pytest.fixture(scope="module")
def firm() -> Firm:
    return make_firm(customers=1200, seed=5)


@pytest.fixture(scope="module")
def won(firm: Firm) -> pd.Series:
    stages = firm.frames["lead_stages"]
    return firm.frames["leads"]["lead_id"].isin(stages.loc[stages["stage"] == "won", "lead_id"])


def of_old(firm: Firm) -> pd.Series:
    """Leads old enough to be won or lost."""
    return firm.frames["leads"]["created_at"] < pd.Timestamp(firm.until) - pd.Timedelta(days=MOST_DAYS + 10)


def place(firm: Firm) -> np.ndarray:
    """Where the leads of the table stand among those simulated: what was entered after the export is not in it."""
    return firm.frames["leads"]["lead_id"].str[1:].astype(int).to_numpy() - 1


def test_about_half_as_many_leads_a_year_as_customers(firm: Firm):
    leads = firm.frames["leads"]
    assert 2900 < len(leads) <= 3000
    assert leads["lead_id"].is_unique
    assert leads["created_at"].is_monotonic_increasing
    assert (leads["created_at"].dt.day_of_week >= 5).mean() < 0.12


def test_lead_truth_is_calibrated():
    firm = make_firm(customers=3000, seed=11)
    days = [firm.until - timedelta(days=90 + 45 * k) for k in range(36)]
    truth = pd.concat([firm.lead_truth(day, simulations=200) for day in days])
    p, y = truth["p_win"].to_numpy(float), truth["y"].to_numpy(bool)
    assert len(truth) > 5_000
    assert abs(p.mean() - y.mean()) < 0.012
    for rows in np.array_split(np.argsort(p, kind="stable"), 10):
        spread = np.sqrt(max(p[rows].mean() * (1 - p[rows].mean()), 0.002) / len(rows))
        assert abs(p[rows].mean() - y[rows].mean()) < 4 * spread
    assert 0.80 < roc_auc_score(y, p) < 0.97


def test_truth_is_about_the_leads_that_are_open(firm: Firm):
    truth, now = firm.lead_truth(DAY, simulations=20), pd.Timestamp(DAY)
    leads, stages = firm.frames["leads"], firm.frames["lead_stages"]
    over = stages[stages["stage"].isin(["won", "lost"]) & (stages["entered_at"] < now)]
    expected = leads[(leads["created_at"] < now) & ~leads["lead_id"].isin(over["lead_id"])]
    assert truth["lead_id"].tolist() == expected["lead_id"].tolist()
    then = stages[stages["entered_at"].between(now, now + pd.Timedelta(days=90), inclusive="left")]
    assert (truth["y"] == truth["lead_id"].isin(then.loc[then["stage"] == "won", "lead_id"])).all()
    pd.testing.assert_frame_equal(truth, firm.lead_truth(DAY, simulations=20))


def test_no_outcome_beyond_the_end(firm: Firm):
    late = firm.lead_truth(firm.until - timedelta(days=89), simulations=5)
    assert len(late)
    assert late["y"].isna().all()
    assert firm.lead_truth(firm.until - timedelta(days=90), simulations=5)["y"].notna().all()
    assert len(firm.lead_truth(firm.until, simulations=5))


def test_a_quick_reply_truly_changes_the_chance(firm: Firm, won: pd.Series):
    world, leads = firm._world, firm._courtship.enquirers
    chance = {}
    for hours in (1.0, 12.0, 72.0):
        day = leads.day + 1 + int(hours // 24)
        life = court_all(world, replace(leads, reply_hours=np.full(len(leads), hours), reply_day=day))
        chance[hours] = np.isin(place(firm), life.change_who[life.change_to == WON])[of_old(firm)].mean()
    assert chance[1.0] > chance[12.0] + 0.02 > chance[72.0] + 0.04
    # and so it shows in the tables
    events, frame = firm.frames["lead_events"], firm.frames["leads"]
    first = events[events["kind"] == "reply_sent"].groupby("lead_id")["occurred_at"].min()
    wait = (frame["lead_id"].map(first) - frame["created_at"]).dt.total_seconds() / 3600
    assert won[of_old(firm) & (wait < 4)].mean() > won[of_old(firm) & (wait > 48)].mean() + 0.06
    owners = wait.groupby(frame["owner_id"]).median()
    assert owners.max() > 5 * owners.min()


def test_intent_and_fit_show(firm: Firm, won: pd.Series):
    leads, events = firm.frames["leads"], firm.frames["lead_events"]
    hidden, old = firm._courtship.enquirers, of_old(firm)
    assert 0.10 < won[old].mean() < 0.25
    rate = won[old].groupby(leads["source"]).mean()
    assert rate["referral"] > rate["website"] > rate["address_list"]
    student = leads["job_title"].isin([title for rank in TITLES["student"] for ways in rank for title in ways])
    assert won[student & old].mean() < 0.5 * won[old].mean()
    early = events.merge(leads[["lead_id", "created_at"]])
    early = early[early["occurred_at"] < early["created_at"] + pd.Timedelta(days=14)]
    looks = leads["lead_id"].isin(early.loc[early["kind"] == "pricing_view", "lead_id"])
    assert won[looks & old].mean() > won[~looks & old].mean() + 0.05
    assert np.corrcoef(hidden.interest[place(firm)][old], won[old])[0, 1] > 0.15
    assert np.corrcoef(hidden.fit[place(firm)][old], won[old])[0, 1] > 0.10


def test_stages_follow_each_other(firm: Firm):
    stages = firm.frames["lead_stages"].sort_values(["lead_id", "entered_at"])
    order = {"lead": 0, "mql": 1, "sql": 2, "opportunity": 3, "won": 4, "lost": 5}
    step = stages["stage"].map(order)
    before = step.groupby(stages["lead_id"]).shift()
    assert stages.groupby("lead_id")["stage"].first().eq("lead").all()
    later = before.notna() & (stages["stage"] != "lost")
    assert (step[later] == before[later] + 1).all()
    assert (before[stages["stage"] == "lost"] < 4).all()
    assert not stages.duplicated(["lead_id", "stage"]).any()
    entered = stages[stages["stage"] == "lead"].set_index("lead_id")["entered_at"]
    assert (entered == firm.frames["leads"].set_index("lead_id")["created_at"]).all()
    over = stages["stage"].isin(["won", "lost"])
    assert (stages["reason"].notna() == over).all()
    assert {"no_response", "duplicate", "price", "competitor", "no_need"} <= set(stages["reason"].dropna())
    assert 0.02 < (stages["known_at"] > stages["entered_at"] + pd.Timedelta(hours=1)).mean() < 0.10


def test_the_awkward_leads_are_there(firm: Firm, won: pd.Series):
    leads, events = firm.frames["leads"], firm.frames["lead_events"]
    old = of_old(firm)
    answered = leads["lead_id"].isin(events.loc[events["kind"] == "reply_received", "lead_id"])
    silent = ~firm._courtship.enquirers.answers[place(firm)]
    assert 0.08 < silent.mean() < 0.20
    assert not answered[silent].any()
    assert not won[silent].any()
    free = leads["email"].str.split("@").str[1].isin(FREE_MAIL)
    assert 0.08 < free.mean() < 0.18
    assert won[free & old].mean() < won[~free & old].mean()
    assert leads["email"].str.endswith(".example").all()
    twice = leads["company"].duplicated(keep=False) & (leads["marketing_basis"] != "existing_customer")
    assert 0.05 < twice.mean() < 0.20
    assert set(leads["marketing_basis"]) == {"consent", "existing_customer", "none"}
    assert 0.03 < leads["job_title"].isna().mean() < 0.15
    entered = leads["known_at"] > leads["created_at"]
    assert set(leads.loc[entered, "source"]) == {"trade_fair", "address_list"}
    shows = events["kind"].value_counts()
    assert 0.03 < shows["no_show"] / (shows["no_show"] + shows["meeting"]) < 0.4
    webinars = events[events["kind"] == "webinar"]
    assert 0.2 < (webinars["known_at"] > webinars["occurred_at"]).mean() < 0.8


def test_events_lie_after_their_lead_and_some_after_the_outcome(firm: Firm):
    leads, events, stages = (firm.frames[name] for name in ("leads", "lead_events", "lead_stages"))
    at = events.merge(leads[["lead_id", "created_at"]])
    assert (at["occurred_at"] >= at["created_at"]).all()
    over = stages[stages["stage"].isin(["won", "lost"])].set_index("lead_id")["entered_at"]
    after = events[events["occurred_at"] > events["lead_id"].map(over) + pd.Timedelta(days=1)]
    assert len(after) > 200
    assert {"/kundenportal", "/bestellung"} <= set(after["asset"].dropna())
    portal = events[events["asset"].isin(["/kundenportal", "/bestellung"])]
    assert (portal["occurred_at"] > portal["lead_id"].map(over)).all()


def test_won_leads_become_customers_by_name(firm: Firm, won: pd.Series):
    leads, customers = firm.frames["leads"], firm.frames["customers"].set_index("name")
    stages = firm.frames["lead_stages"]
    named = leads["company"].isin(customers.index)
    linked = leads["customer_id"].notna()
    assert (won | ~linked).all(), "nobody is linked who was not won"
    assert (named | ~linked).all()
    own = customers["customer_id"].reindex(leads.loc[linked, "company"])
    assert own.tolist() == leads.loc[linked, "customer_id"].tolist()
    asks_again = leads["marketing_basis"] == "existing_customer"
    new = linked & ~asks_again
    assert 0.15 < new.sum() / won.sum() < 0.8
    assert (named & ~linked & won & ~asks_again).sum() > 5, "some are customers by name only"
    entered = stages[stages["stage"] == "won"].set_index("lead_id")["entered_at"]
    joined = customers["customer_since"].reindex(leads.loc[new, "company"]).to_numpy()
    wait = joined - entered.reindex(leads.loc[new, "lead_id"]).to_numpy()
    assert (wait > np.timedelta64(0, "D")).all()
    assert (wait < np.timedelta64(46, "D")).all()
    assert not leads.loc[new, "customer_id"].duplicated().any()


def test_deals_are_as_the_export_finds_them_and_their_stages_as_they_were(firm: Firm):
    deals, moves, stages = (firm.frames[name] for name in ("deals", "deal_stages", "lead_stages"))
    moves = moves.sort_values(["deal_id", "entered_at"])
    first, last = (moves.groupby("deal_id").nth(n).set_index("deal_id") for n in (0, -1))
    own = deals.set_index("deal_id")
    assert (first["stage"] == "analysis").all()
    assert (first["entered_at"] == own["created_at"]).all()
    opened = stages[stages["stage"] == "opportunity"].set_index("lead_id")["entered_at"]
    assert (own["created_at"] == own["lead_id"].map(opened)).all()
    assert (last["amount"] == own["amount"]).all()
    over = own["status"] != "open"
    assert set(own["status"]) == {"open", "won", "lost"}
    assert (own["closed_at"].notna() == over).all()
    assert (last.loc[over, "stage"] == own.loc[over, "status"]).all()
    assert (last.loc[over, "entered_at"] == own.loc[over, "closed_at"]).all()
    assert (own.loc[over, "expected_close_at"] == own.loc[over, "closed_at"]).all(), "overwritten at the outcome"
    assert (own.loc[~over, "expected_close_at"] > own.loc[~over, "created_at"]).all()
    closes = stages[stages["stage"].isin(["won", "lost"])].set_index("lead_id")
    assert (own.loc[over, "closed_at"] == own.loc[over, "lead_id"].map(closes["entered_at"])).all()
    assert (own.loc[over, "status"] == own.loc[over, "lead_id"].map(closes["stage"])).all()
    before = moves[~moves["stage"].isin(["won", "lost"])]
    assert (before["amount"] % 100 == 0).all(), "only the contract has cents"
    assert (own.loc[own["status"] == "won", "amount"] % 1 != 0).mean() > 0.9
    assert before.groupby("deal_id")["expected_close_at"].nunique().max() >= 3
    slips = before[before["stage"] == before.groupby("deal_id")["stage"].shift()]
    assert len(slips) > 100
    assert own["lead_id"].notna().all()
    assert 0.02 < own["customer_id"].notna().mean() < 0.15


def test_what_the_sources_cost(firm: Firm):
    costs, leads = firm.frames["marketing_costs"], firm.frames["leads"]
    assert set(costs["source"]) <= {name for name, *_ in SOURCES} == set(leads["source"])
    assert (costs["cost"] > 0).all()
    assert not costs.duplicated(["month", "source"]).any()
    assert costs["month"].min() == pd.Timestamp(2021, 6, 1)
    assert costs["month"].max() == pd.Timestamp(2026, 5, 1)
    fair = costs[costs["source"] == "trade_fair"]
    assert set(fair["month"].dt.month) <= {4, 5, 11}
    each = costs.groupby("source")["cost"].sum() / leads.groupby("source").size()
    assert each["google_ads"] == pytest.approx(120, rel=0.1)
    assert each["trade_fair"] == pytest.approx(260, rel=0.15)


def test_titles_are_those_of_the_function():
    assert job_title("design", 2, False, 1) == "Konstrukteurin"
    assert job_title("management", 0, True, 3) == "CEO"
    assert set(TITLES) == {name for name, *_ in FUNCTIONS}
    ways = [title for ranks in TITLES.values() for rank in ranks for words in rank for title in words]
    assert all(ways)
    assert len(ways) > 80


def test_what_came_late_is_not_in_the_tables(firm: Firm):
    frames, until = firm.frames, pd.Timestamp(firm.until)
    leads = set(frames["leads"]["lead_id"])
    for name in ("lead_events", "lead_stages", "deals", "deal_stages"):
        assert (frames[name]["known_at"] < until).all()
    for name in ("lead_events", "lead_stages", "deals"):
        assert set(frames[name]["lead_id"]) <= leads
    assert set(frames["deal_stages"]["deal_id"]) == set(frames["deals"]["deal_id"])
    assert set(frames["lead_stages"]["lead_id"]) == leads
