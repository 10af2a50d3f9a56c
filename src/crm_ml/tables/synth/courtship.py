"""How leads live from day to day: interest rises and falls, stages are entered, most are lost and some are won.

As with the customers, the same `court` makes the history and, run forward from a past day, the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_ml.tables.synth.enquirers import Enquirers
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Floats, Ints, World

STAGES = ("lead", "mql", "sql", "analysis", "offer", "negotiation", "won", "lost")
"""Where a lead stands; the third to the fifth are the parts of the stage opportunity."""
LEAD, MQL, SQL, ANALYSIS, OFFER, NEGOTIATION, WON, LOST = range(8)
MOST_DAYS = 360
"""A lead that is open so long is given up."""
RETURNS, NOISE = 0.03, 0.10
"""Interest, per day: the share of the way back to where it settles, and the noise."""
RESTING, RESTING_INTENT, RESTING_FIT, RESTING_DEAL, RESTING_SILENT = -0.7, 0.45, 0.35, 0.6, -0.8
REPLY_STAYS, REPLY_NOW, REPLY_HOURS = 1.0, 0.8, 24.0
"""What a reply adds to where interest settles and at once; both shrink by the factor e with every `REPLY_HOURS`."""
_ON = np.array([0.060, 0.050, 0.038, 0.042, 0.036, 0.026])
_OFF = np.array([0.040, 0.038, 0.032, 0.020, 0.020, 0.025])
_ON_INTEREST, _ON_FIT, _OFF_INTEREST, _OFF_FIT = 0.60, 0.35, 0.60, 0.30
_OFF_TWIN, _OFF_SILENT, _SILENT_AFTER_DAYS = 0.05, 0.03, 30
_NO_SHOW, _NO_SHOW_INTEREST, NO_SHOW_COSTS = 0.16, 0.5, 0.6


@dataclass
class Courted:
    """Where some open leads stand at the start of a day; `who` indexes the arrays of the enquirers."""

    who: Ints
    stage: Ints
    interest: Floats


@dataclass(frozen=True)
class Courtship:
    """What happened: the changes of stage in time order, and the state at the start of every day of each lead's life.

    `stage` and `interest` have a row per day since the one after the enquiry, and a column per lead. `no_show`: the
    appointment with which the change began fell through.
    """

    enquirers: Enquirers
    change_who: Ints
    change_day: Ints
    change_to: Ints
    no_show: Bools
    stage: np.ndarray
    interest: np.ndarray


def court(state: Courted, day: int, leads: Enquirers, world: World, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Live through one day, changing `state`; return whose stage changed, and who of them did not show up."""
    who, count = state.who, len(state.who)
    quick = np.exp(-leads.reply_hours[who] / REPLY_HOURS)
    replied = leads.reply_day[who] <= day
    settles = RESTING + RESTING_INTENT * leads.interest[who] + RESTING_FIT * leads.fit[who]
    settles = settles + RESTING_DEAL * (state.stage >= ANALYSIS)
    settles = settles + REPLY_STAYS * quick * replied + RESTING_SILENT * ~leads.answers[who]
    state.interest += RETURNS * (settles - state.interest) + NOISE * rng.standard_normal(count)
    state.interest += REPLY_NOW * quick * (leads.reply_day[who] == day)
    draw, shows = rng.random((2, count))
    if not world.season[day].any():
        given_up = np.zeros(count, bool)
        return given_up, given_up
    age = day - leads.day[who]
    liking = np.clip(state.interest, -3, 2.5)
    on = _ON[state.stage] * np.exp(_ON_INTEREST * liking + _ON_FIT * leads.fit[who])
    on = np.where((state.stage == MQL) & ~(replied & leads.answers[who]), 0.0, on)
    off = _OFF[state.stage] * np.exp(-_OFF_INTEREST * liking - _OFF_FIT * leads.fit[who])
    off = off + _OFF_TWIN * ((leads.twin[who] >= 0) & (state.stage < ANALYSIS))
    off = off + _OFF_SILENT * (~leads.answers[who] & (age > _SILENT_AFTER_DAYS))
    forward = draw < np.minimum(on, 0.5)
    lost = ~forward & ((draw > 1 - np.minimum(off, 0.4)) | (age >= MOST_DAYS))
    absent = forward & (state.stage == MQL) & (shows < _NO_SHOW * np.exp(-_NO_SHOW_INTEREST * liking))
    state.interest -= NO_SHOW_COSTS * absent
    state.stage = np.where(lost, LOST, state.stage + forward)
    return forward | lost, absent


def court_all(world: World, leads: Enquirers) -> Courtship:
    """Simulate the leads of the exported years."""
    rng = stream(world.seed, "courtship")
    count, most = len(leads), MOST_DAYS + 12
    stage, interest = np.full((most, count), LOST, np.int8), np.zeros((most, count), np.float32)
    state = Courted(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    changes: list[tuple[Ints, Ints, Ints, Bools]] = []
    begins = np.searchsorted(leads.day, np.arange(world.end + 1))
    for day in range(BURN_IN_DAYS, world.end + 1):
        new = np.arange(begins[day - 1], begins[day])
        state.who = np.concatenate([state.who, new])
        state.stage = np.concatenate([state.stage, np.full(len(new), LEAD)])
        state.interest = np.concatenate([state.interest, leads.interest[new]])
        row = day - leads.day[state.who] - 1
        stage[row, state.who], interest[row, state.who] = state.stage, state.interest
        if day == world.end:
            break
        changed, absent = court(state, day, leads, world, rng)
        at = np.flatnonzero(changed)
        changes.append((state.who[at], np.full(len(at), day), state.stage[at], absent[at]))
        keep = state.stage < WON
        state = Courted(state.who[keep], state.stage[keep], state.interest[keep])
    who, when, to, no_show = (np.concatenate(parts) for parts in zip(*changes, strict=True))
    return Courtship(leads, who, when, to, no_show, stage, interest)


def open_leads(life: Courtship, day: int) -> Ints:
    """Return the leads that are open at the start of a day."""
    age = day - life.enquirers.day - 1
    there = np.flatnonzero((age >= 0) & (age < len(life.stage)))
    return there[life.stage[age[there], there] < WON]


def win_probability(life: Courtship, world: World, day: int, horizon_days: int, *, simulations: int) -> pd.DataFrame:
    """Return P(won in [day, day + horizon_days) | state at the start of `day`) of the open leads, and whether it came.

    The columns are `who`, `p_win` and `y`; Monte Carlo with `simulations` futures per lead.
    """
    rng = stream(world.seed, "lead_truth", day, horizon_days)
    there, leads = open_leads(life, day), life.enquirers
    age = day - leads.day[there] - 1
    state = Courted(
        np.repeat(np.arange(len(there)), simulations),
        np.repeat(life.stage[age, there].astype(np.int64), simulations),
        np.repeat(life.interest[age, there].astype(np.float64), simulations),
    )
    place, state.who = state.who, np.repeat(there, simulations)
    won = np.zeros(len(there))
    for future in range(day, day + horizon_days):
        court(state, future, leads, world, rng)
        is_won, keep = state.stage == WON, state.stage < WON
        won += np.bincount(place[is_won], minlength=len(there))
        place = place[keep]
        state = Courted(state.who[keep], state.stage[keep], state.interest[keep])
    then = (life.change_to == WON) & (life.change_day >= day) & (life.change_day < day + horizon_days)
    y = pd.array(np.isin(there, life.change_who[then]), dtype="boolean")
    if day + horizon_days > world.end:
        y[:] = pd.NA
    return pd.DataFrame({"who": there, "p_win": won / simulations, "y": y})
