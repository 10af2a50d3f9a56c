from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_ml.tables.synth import Firm, make_firm
from crm_ml.tables.synth.calls import (
    INDIFFERENT,
    LAST_WAVE_DAYS,
    PAUSE_DAYS,
    PERSUADABLE,
    PUT_OFF,
    WAVES,
    call_kinds,
    wave_days,
)
from crm_ml.tables.synth.dynamics import NEVER

DAY = date(2026, 3, 3)


@pytest.fixture(scope="module")
def firm() -> Firm:
    return make_firm(customers=3000, seed=2, years=3)


def trial_rows(firm: Firm) -> pd.DataFrame:
    """Every row of the trial with both expectations and what then happened in 90 days."""
    world, life, log, parts = firm._world, firm._life, firm.frames["action_log"], []
    for day, wave in log.groupby(log["decided_at"].dt.date):
        effect = firm.call_effect(day).set_index("customer_id").loc[wave["subject_id"]]
        first = world.index(day)
        after = (life.order_day >= first) & (life.order_day < first + 90)
        bought = np.bincount(life.order_who[after], minlength=world.customers) > 0
        who = wave["subject_id"].astype(int).to_numpy() - 100
        rows = effect.reset_index().assign(treated=(wave["arm"] == "treatment").to_numpy(), y=~bought[who], who=who)
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def test_some_are_moved_many_do_not_care_and_a_few_are_put_off(firm: Firm):
    kinds = call_kinds(firm._world)
    shares = np.bincount(kinds, minlength=3) / len(kinds)
    assert 0.35 < shares[PERSUADABLE] < 0.60
    assert 0.25 < shares[INDIFFERENT] < 0.50
    assert 0.05 < shares[PUT_OFF] < 0.20
    effect = firm.call_effect(DAY)
    kind = kinds[effect["customer_id"].astype(int) - 100]
    assert list(effect.columns) == ["customer_id", "p_no_purchase", "p_no_purchase_called", "effect"]
    assert effect[["p_no_purchase", "p_no_purchase_called"]].stack().between(0, 1).all()
    np.testing.assert_allclose(effect["effect"], effect["p_no_purchase_called"] - effect["p_no_purchase"], atol=1e-12)
    assert (effect.loc[kind == INDIFFERENT, "effect"] == 0).all()
    assert effect.loc[kind == PERSUADABLE, "effect"].max() <= 1e-12
    assert effect.loc[kind == PUT_OFF, "effect"].min() >= -1e-12
    at_risk = effect["p_no_purchase"].between(0.3, 0.9)
    assert effect.loc[at_risk & (kind == PERSUADABLE), "effect"].mean() < -0.10
    assert effect.loc[at_risk & (kind == PUT_OFF), "effect"].mean() > 0.03
    pd.testing.assert_frame_equal(effect, firm.call_effect(DAY))


def test_the_world_without_a_call_is_that_of_the_truth(firm: Firm):
    both = firm.call_effect(DAY).merge(firm.truth(DAY), on="customer_id", suffixes=("", "_truth"))
    difference = both["p_no_purchase"] - both["p_no_purchase_truth"]
    assert difference.abs().max() < 0.16
    assert abs(difference.mean()) < 0.003


def test_the_log_is_a_trial(firm: Firm):
    log, world = firm.frames["action_log"], firm._world
    waves = wave_days(world)
    assert len(waves) == WAVES
    assert waves[-1] <= world.end - LAST_WAVE_DAYS
    assert set(log["decided_at"].dt.date) == {world.days[day].astype(object) for day in waves}
    assert len(log) > 1500
    assert abs((log["arm"] == "treatment").mean() - 0.5) < 3 * 0.5 / np.sqrt(len(log))
    treated, control = log[log["arm"] == "treatment"], log[log["arm"] == "control"]
    assert 0.80 < (treated["status"] == "done").mean() < 0.90
    assert set(treated["status"]) == {"done", "not_reached"}
    assert control[["status", "outcome", "completed_at"]].isna().all(axis=None)
    assert (control["cost"] == 0).all()
    assert (treated["cost"] > 0).all()
    assert (treated["outcome"].notna() == (treated["status"] == "done")).all()
    assert set(treated["outcome"].dropna()) == {"positive", "neutral", "negative"}
    assert (treated["completed_at"] > treated["decided_at"]).all()
    again = log.sort_values("decided_at").groupby("subject_id")["decided_at"].diff().dropna()
    assert again.min() > pd.Timedelta(days=PAUSE_DAYS)
    objectors = firm.frames["customers"].set_index("customer_id")["profiling_objection"]
    in_trial = log["subject_id"].unique()
    assert objectors.any()
    assert not objectors[in_trial].any()


def test_chance_alone_tells_the_arms_apart(firm: Firm):
    rows = trial_rows(firm)
    before = rows.groupby("treated")["p_no_purchase"].agg(["mean", "std", "size"])
    spread = np.sqrt((before["std"] ** 2 / before["size"]).sum())
    assert abs(before["mean"].diff().iloc[-1]) < 3.5 * spread


@pytest.mark.parametrize("seed", [2, 3])
def test_later_life_carries_the_effect(seed: int):
    rows = trial_rows(make_firm(customers=3000, seed=seed, years=3))
    for treated, column in ((True, "p_no_purchase_called"), (False, "p_no_purchase")):
        arm = rows[rows["treated"] == treated]
        spread = np.sqrt((arm[column] * (1 - arm[column])).mean() / len(arm))
        assert abs(arm["y"].mean() - arm[column].mean()) < 4 * spread, treated
    treated = rows[rows["treated"]]
    spread = np.sqrt((treated["p_no_purchase"] * (1 - treated["p_no_purchase"])).mean() / len(treated))
    assert treated["y"].mean() < treated["p_no_purchase"].mean() - 3 * spread
    assert -0.08 < rows["effect"].mean() < -0.02


def test_nobody_else_lives_differently():
    firm, without = (make_firm(customers=600, seed=4, years=3, trial=trial) for trial in (True, False))
    life, old = firm._life, without._life
    moved = np.unique(life.trial_who[life.trial_reached & (call_kinds(firm._world)[life.trial_who] != INDIFFERENT)])
    others = np.setdiff1d(np.arange(600), moved)
    assert len(moved) > 50
    for name in ("order_day", "order_mood", "order_late", "order_quality"):
        mine, theirs = np.isin(life.order_who, others), np.isin(old.order_who, others)
        np.testing.assert_array_equal(getattr(life, name)[mine], getattr(old, name)[theirs])
    np.testing.assert_array_equal(life.mood[:, others], old.mood[:, others])
    np.testing.assert_array_equal(life.left[others], old.left[others])
    first = {who: life.trial_day[life.trial_reached & (life.trial_who == who)].min() for who in moved.tolist()}
    for who, day in list(first.items())[:20]:
        mine, theirs = (one.order_day[one.order_who == who] for one in (life, old))
        assert mine[mine < day].tolist() == theirs[theirs < day].tolist()
    assert (np.diff(life.order_day) >= 0).all()


def test_who_is_won_back_was_away(firm: Firm):
    world, life = firm._world, firm._life
    back = np.flatnonzero(life.away_from < NEVER)
    assert len(back) > 10
    contacts = firm.frames["interactions"]
    for who in back[:10]:
        gone, returned = life.away_from[who], life.away_to[who]
        days = life.order_day[life.order_who == who]
        assert not ((days >= gone) & (days < returned)).any()
        own = contacts[contacts["customer_id"] == f"{who + 100:06d}"]
        week_after = pd.Timestamp(world.days[gone]) + pd.Timedelta(days=8)
        away = own["occurred_at"].between(week_after, pd.Timestamp(world.days[returned]))
        assert set(own.loc[away & (own["direction"] == "inbound"), "topic"]) <= {"complaint"}
        assert firm._life.trial_reached[(life.trial_who == who) & (life.trial_day == returned)].all()


def test_calls_are_contacts_too(firm: Firm):
    log, contacts = firm.frames["action_log"], firm.frames["interactions"]
    done = log[log["status"] == "done"]
    calls = contacts[(contacts["channel"] == "phone") & (contacts["direction"] == "outbound")]
    both = done.merge(calls, left_on=["subject_id", "completed_at"], right_on=["customer_id", "occurred_at"])
    assert len(both) == len(done)


@pytest.mark.stress
def test_truth_is_calibrated_while_the_trial_runs():
    parts = []
    for seed in range(1, 7):
        firm = make_firm(seed=seed)
        parts += [firm.truth(day, simulations=60) for day in (date(2025, 1, 7), date(2025, 5, 6), date(2025, 9, 9))]
    truth = pd.concat(parts)
    p, y = truth["p_no_purchase"].to_numpy(float), truth["y"].to_numpy(bool)
    assert abs(p.mean() - y.mean()) < 0.005
    for rows in np.array_split(np.argsort(p, kind="stable"), 10):
        spread = np.sqrt(max(p[rows].mean() * (1 - p[rows].mean()), 0.01) / len(rows))
        assert abs(p[rows].mean() - y[rows].mean()) < 5 * spread
