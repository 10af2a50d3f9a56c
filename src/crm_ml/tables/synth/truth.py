"""What was to be expected of the customers on a past day, and what a call would have changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from crm_ml.tables.synth.calls import (
    AGAIN,
    ANNOYANCE,
    FORWARD,
    LIFT,
    PERSUADABLE,
    PUT_OFF,
    REACHED,
    WON_BACK,
    call_kinds,
    called,
    enrol_chance,
    wave_days,
)
from crm_ml.tables.synth.dynamics import NEVER, Life, State, last_orders, left_by, step
from crm_ml.tables.synth.outlook import no_order_probability, stand_of
from crm_ml.tables.synth.people import customer_ids, endings
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Floats, Ints, World


def no_purchase_probability(life: Life, world: World, day: int, horizon_days: int, *, simulations: int) -> Floats:
    """Return P(no order in [day, day + horizon_days) | state at the start of `day`) for every customer.

    Monte Carlo: `simulations` futures per customer, each followed until its first order. Where the trial has a wave
    among these days, chance calls the customers of a future as it did in the past.
    """
    rng, luck = stream(world.seed, "truth", day, horizon_days), stream(world.seed, "truth_trial", day, horizon_days)
    gone, row = left_by(life, day) < NEVER, day - BURN_IN_DAYS
    trial = _Trial(world, life, day)
    waves = set() if life.never_called.all() else set(wave_days(world).tolist()) & set(range(day, day + horizon_days))
    there = np.flatnonzero((world.joins < day) & (~gone | (trial.may_return if waves else False)))
    who = np.repeat(there, simulations)
    state = State(
        who=who,
        mood=life.mood[row, who].astype(np.float64),
        progress=life.progress[row, who].astype(np.float64),
        left=gone[who],
        waiting=np.zeros(len(who), bool),
        contact_left=np.zeros(len(who), bool),
    )
    bought = np.zeros(world.customers)
    for future in range(day, day + horizon_days):
        if future in waves:
            trial.wave(state, future, luck)
        orders, _ = step(state, future, world, rng)
        if orders.any():
            bought += np.bincount(state.who[orders], minlength=world.customers)
            keep = ~orders
            state = State(*(values[keep] for values in vars(state).values()))
    return np.asarray(1 - bought / simulations)


class _Trial:
    """The trial as it would go on from a day, for customers who have not ordered since."""

    def __init__(self, world: World, life: Life, day: int) -> None:
        self.world, self.never = world, life.never_called
        self.last_order = last_orders(life, world.customers, day)
        self.last_wave = np.full(world.customers, -NEVER)
        before = life.trial_day < day
        np.maximum.at(self.last_wave, life.trial_who[before], life.trial_day[before])
        _, self.status_from = endings(world, left_by(life, day))
        self.may_return = ~(life.away_to < day)

    def wave(self, state: State, day: int, rng: np.random.Generator) -> None:
        """Call some of the customers of all futures."""
        marked = self.status_from <= self.world.days[day].astype("datetime64[us]")
        chance = enrol_chance(self.world, day, self.last_order, self.last_wave)
        chance = np.where(self.never | marked, 0.0, chance)[state.who]
        draw, returns = rng.random((2, len(state.who)))
        called(state, self.world, draw < chance * 0.5 * REACHED, self.may_return[state.who] & (returns < WON_BACK))


def effect_table(world: World, life: Life, who: Ints, day: int, horizon_days: int) -> pd.DataFrame:
    """Return P(no order) of customers with and without a call at the start of a day (see `Firm.call_effect`)."""
    stand, kinds = stand_of(world, life, who, day, horizon_days), call_kinds(world)[who]
    since = left_by(life, day)
    gone = since[who] < NEVER
    _, status_from = endings(world, since)
    marked = status_from[who] <= world.days[day].astype("datetime64[us]")
    returns = gone & (kinds == PERSUADABLE) & ~marked & ~(life.away_to[who] < day)
    lift = np.where(kinds == PERSUADABLE, LIFT, np.where(kinds == PUT_OFF, -ANNOYANCE, 0.0))
    forward = stand.progress + FORWARD * (kinds == PERSUADABLE)
    spoken = replace(stand, mood=stand.mood + lift, progress=np.where(gone, AGAIN, forward))
    without = np.where(gone, 1.0, no_order_probability(stand, world, day))
    reached = no_order_probability(spoken, world, day)
    reached = np.where(gone, np.where(returns, 1 - WON_BACK * (1 - reached), 1.0), reached)
    effect = REACHED * (reached - without)
    return pd.DataFrame(
        {
            "customer_id": customer_ids(world)[who],
            "p_no_purchase": without,
            "p_no_purchase_called": without + effect,
            "effect": effect,
        }
    )
