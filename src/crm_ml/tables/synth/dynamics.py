"""How customers live from day to day: satisfaction moves, orders come sooner or later, some leave without a word.

The same `step` makes the history and, run forward from a past day, the truth about what was to be expected then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Floats, Ints, World

RECOVERY, NOISE = 0.025, 0.12
"""Satisfaction, per week: the share of the way back to the set point, and the noise."""
CONTACT_LEAVES, CONTACT_PUSH, MANAGER_PUSH = 0.10, 0.8, 0.5
"""Changes of the contact at the customer per year, what one costs, and what the leaving of an own manager costs."""
LATE_CHANCE, LATE_PUSH = 0.06, 0.5
QUALITY_CHANCE, QUALITY_PUSH = 0.03, 1.1
"""Late and faulty deliveries per order, and what one costs."""
PACE = 0.35
"""A point of satisfaction more makes the gaps shorter by the factor exp(-PACE)."""
LEAVES, LEAVES_MORE = 0.075, 1.7
"""Chance per year of leaving at satisfaction nought; a point less multiplies it by exp(LEAVES_MORE)."""
NEVER = np.int64(2**31)


@dataclass
class State:
    """Where some customers stand at the start of a day; `who` indexes the arrays of the world.

    `progress` is the share of the usual gap that has gone by since the last order, in the customer's own time: the
    clock runs slower in quiet seasons and when the customer is dissatisfied.
    """

    who: Ints
    mood: Floats
    progress: Floats
    left: Bools
    waiting: Bools


@dataclass(frozen=True)
class Life:
    """What happened: orders in time order, and the state of every customer at the start of every exported day.

    `order_mood` is the satisfaction when ordering. `mood` and `progress` have one row per exported day and one for the
    day of the export. `since` is the day index of the first purchase (negative: before the simulation began), `left`
    the one on which the customer took its order elsewhere for good (`NEVER` if it stayed).
    """

    order_who: Ints
    order_day: Ints
    order_mood: Floats
    order_late: Bools
    order_quality: Bools
    mood: np.ndarray
    progress: np.ndarray
    since: Ints
    left: Ints


def step(state: State, day: int, world: World, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Live through one day, changing `state`; return who orders and who leaves for good.

    Gaps follow a Weibull law in the customer's own time. Who leaves does so when the next order is due: that order and
    all later ones go elsewhere, and nothing tells before but what discontent does to everybody.
    """
    who, count = state.who, len(state.who)
    if world.days[day].astype(np.int64) % 7 == 4:  # once a week, on Mondays
        state.mood += RECOVERY * (world.set_point[who] - state.mood) + NOISE * rng.standard_normal(count)
        state.mood -= CONTACT_PUSH * (rng.random(count) < CONTACT_LEAVES / 52)
    if day in world.price_days:
        state.mood -= world.price_sensitivity[who]
    if day == world.manager_leaves:
        state.mood -= MANAGER_PUSH * (world.manager[who] == world.managers - 1)
    season = world.season[day, world.industry[who]]
    if not season.any():
        return np.zeros(count, bool), np.zeros(count, bool)
    pace = np.exp(PACE * np.clip(state.mood, -3.5, 0.8)) / world.gap_days[who]
    unit, shape = world.unit[who], world.shape[who]
    before = (state.progress * unit) ** shape
    state.progress += np.where(state.left | state.waiting, 0.0, pace * season)
    due = rng.random(count) < -np.expm1(before - (state.progress * unit) ** shape)
    state.progress[due] = 0.0
    hazard = LEAVES * np.exp(-LEAVES_MORE * np.clip(state.mood, -4, 1))
    leaving = due & (rng.random(count) < -np.expm1(-hazard * world.gap_days[who] / 365))
    state.left |= leaving
    return due & ~leaving, leaving


def live(world: World) -> Life:
    """Simulate the burn-in and the exported years.

    A customer who leaves during the burn-in is replaced by a new one of the same kind, so that those who are there on
    the first exported day are the mix of old and new, content and discontented, that a running firm has.
    """
    rng, count = stream(world.seed, "life"), world.customers
    state = State(
        who=np.arange(count),
        mood=world.set_point + 0.5 * rng.standard_normal(count),
        progress=rng.random(count),
        left=np.zeros(count, bool),
        waiting=world.joins >= 0,
    )
    since = np.where(state.waiting, world.joins, -1 - rng.geometric(1 / 2000, count))
    left = np.full(count, NEVER)
    mood = np.empty((world.end + 1 - BURN_IN_DAYS, count), np.float32)
    progress = np.empty_like(mood)
    orders: list[tuple[Ints, Ints, Floats, Bools, Bools]] = []
    for day in range(world.end):
        if day >= BURN_IN_DAYS:
            mood[day - BURN_IN_DAYS], progress[day - BURN_IN_DAYS] = state.mood, state.progress
        buys, leaving = step(state, day, world, rng)
        joins = world.joins == day
        state.waiting &= ~joins
        buys |= joins
        who = np.flatnonzero(buys)
        before = state.mood[who].copy()
        late, quality = deliver(state, who, world, rng)
        if day >= BURN_IN_DAYS:
            left[leaving] = day
            orders.append((who, np.full(len(who), day), before, late, quality))
        elif leaving.any():
            state.left &= ~leaving
            state.mood[leaving] = world.set_point[leaving]
            state.progress[leaving] = 0.0
            since[leaving] = day
    mood[-1], progress[-1] = state.mood, state.progress
    who, day_of, before, late, quality = (np.concatenate(parts) for parts in zip(*orders, strict=True))
    return Life(who, day_of, before, late, quality, mood, progress, since, left)


def deliver(state: State, who: Ints, world: World, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Deliver today's orders of the customers at positions `who`: some come late, some are faulty.

    A push weighs less on those who order often: they have seen good deliveries between.
    """
    weight = np.minimum(1.0, np.sqrt(world.gap_days[state.who[who]] / 60))
    late = rng.random(len(who)) < LATE_CHANCE
    quality = rng.random(len(who)) < QUALITY_CHANCE
    state.mood[who] += weight * (0.05 - LATE_PUSH * late - QUALITY_PUSH * quality)
    return late, quality


def no_purchase_probability(life: Life, world: World, day: int, horizon_days: int, *, simulations: int) -> Floats:
    """Return P(no order in [day, day + horizon_days) | state at the start of `day`) for every customer.

    Monte Carlo: `simulations` futures per customer, each followed until its first order.
    """
    rng = stream(world.seed, "truth", day, horizon_days)
    row = day - BURN_IN_DAYS
    there = np.flatnonzero((life.left >= day) & (world.joins < day))
    who = np.repeat(there, simulations)
    state = State(
        who=who,
        mood=life.mood[row, who].astype(np.float64),
        progress=life.progress[row, who].astype(np.float64),
        left=np.zeros(len(who), bool),
        waiting=np.zeros(len(who), bool),
    )
    bought = np.zeros(world.customers)
    for future in range(day, day + horizon_days):
        orders, _ = step(state, future, world, rng)
        if orders.any():
            bought += np.bincount(state.who[orders], minlength=world.customers)
            keep = ~orders
            state = State(*(values[keep] for values in vars(state).values()))
    return np.asarray(1 - bought / simulations)
