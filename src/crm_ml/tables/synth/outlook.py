"""What is to be expected of a customer who is still there, in closed form but for the noise in its satisfaction.

Until its next order nothing happens to a customer but the weekly movement of its satisfaction. So on a given path of
the satisfaction the probability of no order follows from the law of the gaps, and a few paths are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_ml.tables.synth.dynamics import (
    CONTACT_LEAVES,
    CONTACT_PUSH,
    LEAVES,
    LEAVES_MORE,
    MANAGER_PUSH,
    NOISE,
    PACE,
    RECOVERY,
    Life,
    is_monday,
)
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Floats, Ints, World

PATHS = 6


@dataclass(frozen=True)
class Stand:
    """Where customers stand at the start of a day, and what they are like; one entry per customer.

    `season` has a row per day from then on; the other fields are those of `World` and `State`.
    """

    who: Ints
    mood: Floats
    progress: Floats
    set_point: Floats
    gap_days: Floats
    shape: Floats
    unit: Floats
    season: Floats


def no_order_probability(stand: Stand, world: World, day: int) -> Floats:
    """Return P(no order in the days of `stand.season`, which begin at `day`) of customers who are there.

    The noise of the satisfaction is the same for every stand of the same customers (common random numbers), so that
    differences between two stands come from what differs in them.
    """
    days, count = len(stand.season), len(stand.who)
    half = stream(world.seed, "outlook", day).standard_normal((days // 7 + 2, world.customers, PATHS // 2))[
        :, stand.who
    ]
    noise = NOISE * np.concatenate([half, -half], axis=2)
    mood = np.repeat(stand.mood[:, None], PATHS, axis=1)
    progress, elapsed = stand.progress[:, None], (stand.progress[:, None] * stand.unit[:, None]) ** stand.shape[:, None]
    there, gone = np.ones((count, PATHS)), np.zeros((count, PATHS))
    pace, leave, week = _pace(mood, stand), _leave(mood, stand), 0
    for ahead in range(days):
        if _moves(mood, stand, world, day + ahead, noise[week]):
            week += is_monday(day + ahead, world)
            pace, leave = _pace(mood, stand), _leave(mood, stand)
        if not stand.season[ahead].any():
            continue
        progress = progress + pace * stand.season[ahead][:, None]
        after = (progress * stand.unit[:, None]) ** stand.shape[:, None]
        due = there * -np.expm1(elapsed - after)
        gone += due * leave
        there -= due
        elapsed = after
    return np.asarray((there + gone).mean(axis=1))


def _moves(mood: Floats, stand: Stand, world: World, day: int, noise: Floats) -> bool:
    """Move the satisfaction as `step` does, in place; return whether it moved."""
    moved = is_monday(day, world)
    if moved:
        mood += RECOVERY * (stand.set_point[:, None] - mood) + noise - CONTACT_PUSH * CONTACT_LEAVES / 52
    if day in world.price_days:
        mood -= world.price_sensitivity[stand.who][:, None]
        moved = True
    if day == world.manager_leaves:
        mood -= MANAGER_PUSH * (world.manager[stand.who] == world.managers - 1)[:, None]
        moved = True
    return moved


def _pace(mood: Floats, stand: Stand) -> Floats:
    return np.asarray(np.exp(PACE * np.clip(mood, -3.5, 0.8)) / stand.gap_days[:, None])


def _leave(mood: Floats, stand: Stand) -> Floats:
    hazard = LEAVES * np.exp(-LEAVES_MORE * np.clip(mood, -4, 1))
    return np.asarray(-np.expm1(-hazard * stand.gap_days[:, None] / 365))


def stand_of(world: World, life: Life, who: Ints, day: int, horizon_days: int) -> Stand:
    """Return where the customers `who` stand at the start of a day, with the season of the days ahead."""
    row = day - BURN_IN_DAYS
    return Stand(
        who=who,
        mood=life.mood[row, who].astype(np.float64),
        progress=life.progress[row, who].astype(np.float64),
        set_point=world.set_point[who],
        gap_days=world.gap_days[who],
        shape=world.shape[who],
        unit=world.unit[who],
        season=world.season[day : day + horizon_days, world.industry[who]],
    )
