"""Why a customer is at risk, by what happens to its risk in the simulation when one thing about it is ordinary."""

from __future__ import annotations

from itertools import product
from math import factorial

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import (
    CONTACT_PUSH,
    LATE_PUSH,
    MANAGER_PUSH,
    NEVER,
    PACE,
    QUALITY_PUSH,
    RECOVERY,
    Life,
    is_monday,
    last_orders,
    left_by,
    push_weight,
)
from crm_ml.tables.synth.outlook import Stand, no_order_probability, stand_of
from crm_ml.tables.synth.people import customer_ids
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Floats, Ints, World

DISCONTENT = "discontent"
PARTS = (DISCONTENT, "slow_rhythm", "just_ordered", "quiet_season")
"""What can raise the risk of a customer who is still there."""
SILENCE, LEFT_UNSEEN, NONE = "silence", "left_unseen", "none"
DRIVERS = ("faulty_delivery", "late_delivery", "price_rise", "contact_change", "manager_change", "never_content")
SINGLE_SHARE, CLEAR_RAISE = 0.70, 0.7
UNUSUAL = 0.10
_HALF_A_GAP = 0.5
_LEAST = 1e-3


def cause_table(world: World, life: Life, who: Ints, day: int, horizon_days: int) -> pd.DataFrame:
    """Return the causes of the customers `who` at the start of a day (see `Firm.causes`)."""
    actual = stand_of(world, life, who, day, horizon_days)
    parts = _shapley(actual, _typical(actual, world, day), world, day)
    raised = np.maximum(parts, 0)
    total, raise_ = raised.sum(axis=1), parts.sum(axis=1)
    share = np.divide(raised.max(axis=1), total, out=np.zeros(len(who)), where=total > 0)
    cause = np.where(raise_ > 0, np.array(PARTS, dtype=object)[raised.argmax(axis=1)], NONE)
    left = left_by(life, day)[who] < NEVER
    cause[left] = np.where(_still_ordinary(world, life, who, day)[left], LEFT_UNSEEN, SILENCE)
    single = np.where(left, cause == SILENCE, (share >= SINGLE_SHARE) & (raise_ >= CLEAR_RAISE))
    return pd.DataFrame(
        {
            "customer_id": customer_ids(world)[who],
            "cause": cause,
            "driver": pd.Series(_drivers(world, life, who, day), dtype="str").where(cause == DISCONTENT),
            "share": np.where(left, 1.0, np.where(cause == NONE, 0.0, share)),
            "single": single.astype(bool),
            "p_no_purchase": np.where(left, 1.0, no_order_probability(actual, world, day)),
            "days_silent": day - last_orders(life, world.customers, day)[who],
        }
    )


def _typical(actual: Stand, world: World, day: int) -> dict[str, dict[str, Floats]]:
    """Return, for each part, the fields of `Stand` that it is made of, as they are for an ordinary customer.

    Content is the firm's median set point; rhythm is the median customer's, with its regularity; the present gap is
    half over; the season is the mean over the customers.
    """
    ones = np.ones(len(actual.who))
    middle = np.argsort(world.gap_days, kind="stable")[world.customers // 2]
    content = np.median(world.set_point) * ones
    season = world.season[day : day + len(actual.season), world.industry].mean(axis=1)
    return {
        DISCONTENT: {"mood": content, "set_point": content},
        "slow_rhythm": {name: getattr(world, name)[middle] * ones for name in ("gap_days", "shape", "unit")},
        "just_ordered": {"progress": _HALF_A_GAP * ones},
        "quiet_season": {"season": season[:, None] * ones},
    }


def _shapley(actual: Stand, typical: dict[str, dict[str, Floats]], world: World, day: int) -> Floats:
    """Return, with a column per part, each part's Shapley value of the log-odds; they add up to the raise."""
    fields = vars(actual)
    margin = {}
    for own in product((False, True), repeat=len(PARTS)):
        changed = dict(fields)
        for part, is_own in zip(PARTS, own, strict=True):
            changed |= {} if is_own else typical[part]
        p = np.clip(no_order_probability(Stand(**changed), world, day), _LEAST, 1 - _LEAST)
        margin[own] = np.log(p / (1 - p))
    count = len(PARTS)
    values = np.zeros((len(actual.who), count))
    for place in range(count):
        for own, value in margin.items():
            if own[place]:
                without = (*own[:place], False, *own[place + 1 :])
                size = sum(without)
                weight = factorial(size) * factorial(count - size - 1) / factorial(count)
                values[:, place] += weight * (value - margin[without])
    return values


def _still_ordinary(world: World, life: Life, who: Ints, day: int) -> Bools:
    """Return whose present silence, in its own time, would not be unusual for a customer who stays."""
    season = world.season[BURN_IN_DAYS:day, world.industry[who]]
    pace = season * np.exp(PACE * np.clip(life.mood[: day - BURN_IN_DAYS, who], -3.5, 0.8))
    clock = np.vstack([np.zeros(len(who)), np.cumsum(pace, axis=0, dtype=np.float64)])
    # the day of the order itself does not count: the clock starts again when it is over
    since = np.clip(last_orders(life, world.customers, day)[who] + 1 - BURN_IN_DAYS, 0, len(clock) - 1)
    elapsed = (clock[-1] - clock[since, np.arange(len(who))]) / world.gap_days[who]
    return np.asarray(np.exp(-((elapsed * world.unit[who]) ** world.shape[who])) >= UNUSUAL)


def _drivers(world: World, life: Life, who: Ints, day: int) -> list[str]:
    """Return what pulls the satisfaction of each customer down most: a kind of push, as much of it as is left."""
    mondays = np.concatenate([[0], np.cumsum(_mondays(world))])

    def left_of(customer: Ints, at: Ints, push: Floats) -> Floats:
        seen = at < day
        customer, at, push = customer[seen], at[seen], push[seen]
        rest: Floats = push * (1 - RECOVERY) ** (mondays[day] - mondays[at + 1])
        return np.asarray(np.bincount(customer, rest, minlength=world.customers)[who], np.float64)

    weight = push_weight(world, life.order_who)
    everybody = np.arange(world.customers)
    prices = [left_of(everybody, np.full(world.customers, rise), world.price_sensitivity) for rise in world.price_days]
    own = (world.manager == world.managers - 1) * MANAGER_PUSH
    pulls = {
        "faulty_delivery": left_of(life.order_who, life.order_day, weight * QUALITY_PUSH * life.order_quality),
        "late_delivery": left_of(life.order_who, life.order_day, weight * LATE_PUSH * life.order_late),
        "price_rise": np.sum(prices, axis=0),
        "contact_change": left_of(life.contact_who, life.contact_day, np.full(len(life.contact_who), CONTACT_PUSH)),
        "manager_change": left_of(everybody, np.full(world.customers, world.manager_leaves), own),
        "never_content": (np.median(world.set_point) - world.set_point)[who],
    }
    table = np.stack([pulls[driver] for driver in DRIVERS], axis=1)
    return [DRIVERS[place] for place in table.argmax(axis=1)]


def _mondays(world: World) -> Bools:
    return np.array([is_monday(day, world) for day in range(len(world.days))])
