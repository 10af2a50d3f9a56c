"""How customers live from day to day: satisfaction moves, orders come sooner or later, some leave without a word.

The same `step` makes the history and, run forward from a past day, the truth about what was to be
expected then (`truth`).
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
_MONDAY = 4  # days since 1970-01-01, a Thursday, modulo 7


@dataclass
class State:
    """Where some customers stand at the start of a day; `who` indexes the arrays of the world.

    `progress` is the share of the usual gap that has gone by since the last order, in the customer's own time: the
    clock runs slower in quiet seasons and when the customer is dissatisfied. `contact_left` says whose contact person
    left in the newest week.
    """

    who: Ints
    mood: Floats
    progress: Floats
    left: Bools
    waiting: Bools
    contact_left: Bools


@dataclass(frozen=True)
class Life:
    """What happened: orders in time order, and the state of every customer at the start of every exported day.

    `order_mood` is the satisfaction when ordering. `mood` and `progress` have one row per exported day and one for the
    day of the export. `since` is the day index of the first purchase (negative: before the simulation began), `left`
    the one on which the customer took its order elsewhere for good (`NEVER` if it stayed). `contact_who` and
    `contact_day` are the changes of the contact person.

    A customer who had left and was won back by a call was away from `away_from` to `away_to` (`NEVER`: was not).
    `trial_who` and `trial_day` are the rows of the firm's trial of calls, with what chance decided, and whether the
    customer was reached; `never_called` who stays out of it.
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
    contact_who: Ints
    contact_day: Ints
    away_from: Ints
    away_to: Ints
    trial_who: Ints
    trial_day: Ints
    trial_treated: Bools
    trial_reached: Bools
    never_called: Bools


def is_monday(day: int, world: World) -> bool:
    """Return whether a day is one on which satisfaction moves."""
    return bool(world.days[day].astype(np.int64) % 7 == _MONDAY)


def step(state: State, day: int, world: World, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Live through one day, changing `state`; return who orders and who leaves for good.

    Gaps follow a Weibull law in the customer's own time. Who leaves does so when the next order is due: that order and
    all later ones go elsewhere, and nothing tells before but what discontent does to everybody.
    """
    who, count = state.who, len(state.who)
    if is_monday(day, world):
        state.mood += RECOVERY * (world.set_point[who] - state.mood) + NOISE * rng.standard_normal(count)
        state.contact_left = rng.random(count) < CONTACT_LEAVES / 52
        state.mood -= CONTACT_PUSH * state.contact_left
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
        contact_left=np.zeros(count, bool),
    )
    since = np.where(state.waiting, world.joins, -1 - rng.geometric(1 / 2000, count))
    left = np.full(count, NEVER)
    mood = np.empty((world.end + 1 - BURN_IN_DAYS, count), np.float32)
    progress = np.empty_like(mood)
    orders: list[tuple[Ints, Ints, Floats, Bools, Bools]] = []
    changes: list[tuple[Ints, Ints]] = []
    for day in range(world.end):
        if day >= BURN_IN_DAYS:
            mood[day - BURN_IN_DAYS], progress[day - BURN_IN_DAYS] = state.mood, state.progress
        buys, leaving = step(state, day, world, rng)
        if is_monday(day, world):
            changed = np.flatnonzero(state.contact_left)
            changes.append((changed, np.full(len(changed), day)))
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
    contact_who, contact_day = (np.concatenate(parts) for parts in zip(*changes, strict=True))
    return Life(
        order_who=who,
        order_day=day_of,
        order_mood=before,
        order_late=late,
        order_quality=quality,
        mood=mood,
        progress=progress,
        since=since,
        left=left,
        contact_who=contact_who,
        contact_day=contact_day,
        away_from=np.full(count, NEVER),
        away_to=np.full(count, NEVER),
        trial_who=np.zeros(0, np.int64),
        trial_day=np.zeros(0, np.int64),
        trial_treated=np.zeros(0, bool),
        trial_reached=np.zeros(0, bool),
        never_called=np.ones(count, bool),
    )


def deliver(state: State, who: Ints, world: World, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Deliver today's orders of the customers at positions `who`: some come late, some are faulty.

    A push weighs less on those who order often: they have seen good deliveries between.
    """
    weight = push_weight(world, state.who[who])
    late = rng.random(len(who)) < LATE_CHANCE
    quality = rng.random(len(who)) < QUALITY_CHANCE
    state.mood[who] += weight * (0.05 - LATE_PUSH * late - QUALITY_PUSH * quality)
    return late, quality


def push_weight(world: World, who: Ints) -> Floats:
    """Return the weight of a late or faulty delivery for the customers `who`."""
    return np.asarray(np.minimum(1.0, np.sqrt(world.gap_days[who] / 60)))


def present(life: Life, day: Ints, who: Ints) -> Bools:
    """Return whether customers `who` give their orders to this firm on the days; both broadcast."""
    away = (life.away_from[who] <= day) & (day < life.away_to[who])
    return np.asarray((day < life.left[who]) & ~away)


def left_by(life: Life, day: int) -> Ints:
    """Return since when each customer has been gone at the start of a day; `NEVER` if it is there."""
    left = np.where(life.left < day, life.left, NEVER)
    return np.where((life.away_from < day) & (day <= life.away_to), life.away_from, left)


def last_orders(life: Life, customers: int, day: int) -> Ints:
    """Return the day of each customer's newest order before a day; far in the past if there is none."""
    last = np.full(customers, -NEVER)
    before = life.order_day < day
    np.maximum.at(last, life.order_who[before], life.order_day[before])
    return last
