"""Calls to customers: what one does to whom, and the firm's trial, in which chance decided who was called.

Some customers can be persuaded, many do not care, and a few are put off. A call to one who can be persuaded lifts the
satisfaction, brings the next order forward, and may win back who has left; one who is put off is less content.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import NEVER, Life, State, deliver, is_monday, step
from crm_ml.tables.synth.people import customer_ids, endings, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Floats, Ints, World

PERSUADABLE, INDIFFERENT, PUT_OFF = 0, 1, 2
REACHED = 0.85
"""Share of the calls in which somebody answers."""
LIFT, FORWARD, ANNOYANCE = 1.1, 0.35, 0.6
"""A persuaded customer's gain in satisfaction and in progress of the present gap; what it costs to put one off."""
WON_BACK, AGAIN = 0.45, 0.5
"""Chance that one who can be persuaded returns after having left, and how much of a gap has then gone by."""
SHARES = {"frequent": (0.60, 0.08), "rare": (0.50, 0.12), "project": (0.30, 0.20)}
"""Who can be persuaded and who is put off, by kind of buyer: frequent (gaps below 45 days), rare, for projects."""
_FREQUENT_DAYS = 45

WAVES, LAST_WAVE_DAYS, FIRST_WAVE_DAYS = 18, 120, 180
"""Months of the trial; days between its last wave and the export, and between the first exported day and the first."""
ENROLLED_SILENT, ENROLLED, SILENT_GAPS = 0.40, 0.03, 1.2
"""Chance to be in a wave: after a silence of so many usual gaps, and else."""
PAUSE_DAYS, ACTIVE_DAYS = 120, 365
_COST = 40.0
_OUTCOMES = np.array(["positive", "neutral", "negative"], dtype=object)
_SAID = np.array([[0.60, 0.40, 0.0], [0.15, 0.75, 0.10], [0.0, 0.45, 0.55]])


def call_kinds(world: World) -> Ints:
    """Return for each customer whether it can be persuaded, does not care, or is put off."""
    draw = stream(world.seed, "call_kinds").random(world.customers)
    groups = np.where(world.project, "project", np.where(world.gap_days < _FREQUENT_DAYS, "frequent", "rare"))
    shares = np.array([SHARES[group] for group in groups])
    return np.where(draw < shares[:, 0], PERSUADABLE, np.where(draw < shares.sum(axis=1), PUT_OFF, INDIFFERENT)).astype(
        np.int64
    )


def called(state: State, world: World, spoken: Bools, returns: Bools) -> None:
    """Let the calls of a morning work: `spoken` whom somebody reached, `returns` who of them would come back."""
    kinds = call_kinds(world)[state.who]
    persuaded, put_off = spoken & (kinds == PERSUADABLE), spoken & (kinds == PUT_OFF)
    back = persuaded & state.left & returns
    state.left &= ~back
    state.progress[back] = AGAIN
    state.mood += LIFT * persuaded - ANNOYANCE * put_off
    state.progress += FORWARD * (persuaded & ~back)


def wave_days(world: World) -> Ints:
    """Return the day indices of the trial's waves: the first working day of each month."""
    latest = world.end - LAST_WAVE_DAYS
    working = np.flatnonzero(world.season.any(axis=1))
    months = world.days[working].astype("datetime64[M]")
    first = working[np.flatnonzero(np.diff(months.astype(np.int64), prepend=-1))]
    return np.asarray(first[(first >= BURN_IN_DAYS + FIRST_WAVE_DAYS) & (first <= latest)][-WAVES:])


def enrol_chance(world: World, day: int, last_order: Ints, last_wave: Ints) -> Floats:
    """Return each customer's chance to be in the wave of a day, from its last order and its last wave before."""
    silence = day - last_order
    chance = np.where(silence > SILENT_GAPS * world.gap_days, ENROLLED_SILENT, ENROLLED)
    allowed = (silence <= ACTIVE_DAYS) & (day - last_wave > PAUSE_DAYS)
    return np.where(allowed, chance, 0.0)


def live_with_trial(world: World, life: Life, objects: Bools) -> Life:
    """Return the life as it went with the trial: what a call changed is lived anew from that day on.

    Whom no call changed lives on exactly as before; `objects` (to profiling) are never in the trial.
    """
    waves = wave_days(world)
    if not len(waves):
        return life
    rng = stream(world.seed, "trial")
    past = _Past(world, life, objects)
    for day in range(int(waves[0]), world.end):
        past.note(day)
        if day in waves:
            past.wave(day, rng)
        past.step(day, rng)
    return past.life()


class _Past:
    """The life up to the present day of the trial, and those who live anew since a call."""

    def __init__(self, world: World, life: Life, objects: Bools) -> None:
        self.world, self.base, self.objects = world, life, objects
        none = np.zeros(0, np.int64)
        self.state = State(none, none.astype(float), none.astype(float), *(none.astype(bool) for _ in range(3)))
        self.since = np.full(world.customers, NEVER)
        self.last_wave = np.full(world.customers, -NEVER)
        self.mood, self.progress = life.mood.copy(), life.progress.copy()
        self.left, self.away_from, self.away_to = life.left.copy(), life.away_from.copy(), life.away_to.copy()
        self.orders: list[tuple[np.ndarray, ...]] = []
        self.changes: list[tuple[np.ndarray, ...]] = []
        self.log: list[tuple[np.ndarray, ...]] = []
        self.last_order = np.full(world.customers, -NEVER)
        self.noted = 0

    def note(self, day: int) -> None:
        """Write down where those who live anew stand, and the orders that the others made before the day."""
        row = day - BURN_IN_DAYS
        self.mood[row, self.state.who], self.progress[row, self.state.who] = self.state.mood, self.state.progress
        upto = int(np.searchsorted(self.base.order_day, day))
        who, at = self.base.order_who[self.noted : upto], self.base.order_day[self.noted : upto]
        old = at < self.since[who]
        self.last_order[who[old]] = at[old]
        self.noted = upto

    def wave(self, day: int, rng: np.random.Generator) -> None:
        """Draw who is in the wave, toss the coin, and call."""
        world, count = self.world, self.world.customers
        draw, arm, reached, returns = rng.random((4, count))
        _, status_from = endings(world, self.left)
        marked = status_from <= world.days[day].astype("datetime64[us]")
        chance = np.where(self.objects | marked, 0.0, enrol_chance(world, day, self.last_order, self.last_wave))
        chosen = draw < chance
        self.last_wave[chosen] = day
        treated, spoken = chosen & (arm < 0.5), chosen & (arm < 0.5) & (reached < REACHED)
        who = np.flatnonzero(chosen)
        self.log.append((who, np.full(len(who), day), treated[who], spoken[who]))
        self._take_in(day, spoken & (call_kinds(world) != INDIFFERENT) & (self.since == NEVER))
        state = self.state
        before = state.left.copy()
        returning = (returns < WON_BACK) & (self.away_to == NEVER)
        called(state, world, spoken[state.who], returning[state.who])
        back = state.who[before & ~state.left]
        self.away_from[back], self.away_to[back] = self.left[back], day
        self.left[back] = NEVER

    def _take_in(self, day: int, new: Bools) -> None:
        """Let customers live anew from this day on, from where they stand."""
        who, row, state = np.flatnonzero(new), day - BURN_IN_DAYS, self.state
        self.since[who] = day
        gone = self.left[who] < day
        self.left[who[~gone]] = NEVER
        joined = State(
            np.concatenate([state.who, who]),
            np.concatenate([state.mood, self.mood[row, who].astype(np.float64)]),
            np.concatenate([state.progress, self.progress[row, who].astype(np.float64)]),
            np.concatenate([state.left, gone]),
            np.concatenate([state.waiting, np.zeros(len(who), bool)]),
            np.concatenate([state.contact_left, np.zeros(len(who), bool)]),
        )
        self.state = joined

    def step(self, day: int, rng: np.random.Generator) -> None:
        """Live through the day with those who live anew."""
        state, world = self.state, self.world
        buys, leaving = step(state, day, world, rng)
        if is_monday(day, world):
            changed = state.who[state.contact_left]
            self.changes.append((changed, np.full(len(changed), day)))
        at = np.flatnonzero(buys)
        before = state.mood[at].copy()
        late, quality = deliver(state, at, world, rng)
        who = state.who[at]
        self.last_order[who] = day
        self.left[state.who[leaving]] = day
        self.orders.append((who, np.full(len(who), day), before, late, quality))

    def life(self) -> Life:
        """Return the whole life: the old one of those whom no call changed, and the new one of the others."""
        base, state = self.base, self.state
        self.mood[-1, state.who], self.progress[-1, state.who] = state.mood, state.progress
        old = (base.order_who, base.order_day, base.order_mood, base.order_late, base.order_quality)
        orders = _merged(old, self.orders, self.since)
        changes = _merged((base.contact_who, base.contact_day), self.changes, self.since)
        log = [np.concatenate(parts) for parts in zip(*self.log, strict=True)]
        return replace(
            base,
            never_called=self.objects,
            order_who=orders[0],
            order_day=orders[1],
            order_mood=orders[2],
            order_late=orders[3],
            order_quality=orders[4],
            contact_who=changes[0],
            contact_day=changes[1],
            mood=self.mood,
            progress=self.progress,
            left=self.left,
            away_from=self.away_from,
            away_to=self.away_to,
            trial_who=log[0],
            trial_day=log[1],
            trial_treated=log[2],
            trial_reached=log[3],
        )


def _merged(old: tuple[np.ndarray, ...], new: list[tuple[np.ndarray, ...]], since: Ints) -> list[np.ndarray]:
    """Drop what was made after its customer began to live anew, put the new in, and order by day and customer."""
    keep = old[1] < since[old[0]]
    columns = [
        np.concatenate([column[keep], *parts]) for column, parts in zip(old, zip(*new, strict=True), strict=True)
    ]
    order = np.lexsort((columns[0], columns[1]))
    return [column[order] for column in columns]


def call_times(world: World, life: Life) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row of the trial, when it was decided and when somebody called."""
    rng, count = stream(world.seed, "call_times"), len(life.trial_who)
    day = world.days[life.trial_day].astype("datetime64[us]")
    decided, later = rng.integers(6 * 3600, 7 * 3600, count), rng.integers(8 * 3600, 17 * 3600, count)
    second = np.timedelta64(1_000_000, "us")
    return day + decided * second, day + later * second


def action_log_table(world: World, life: Life) -> pd.DataFrame:
    """Return the table action_log: the trial's rows, of those called and of those left alone."""
    rng, count = stream(world.seed, "action_log"), len(life.trial_who)
    decided, talked = call_times(world, life)
    said = np.cumsum(_SAID, axis=1)[call_kinds(world)[life.trial_who]]
    answer = _OUTCOMES[(rng.random(count)[:, None] > said).sum(axis=1).clip(max=2)]
    treated, reached = life.trial_treated, life.trial_reached
    return pd.DataFrame(
        {
            "action_id": numbered(np.arange(count) + 1, 7, "T"),
            "subject_type": np.full(count, "customer", dtype=object),
            "subject_id": customer_ids(world)[life.trial_who],
            "decided_at": decided,
            "action": np.full(count, "personal_talk", dtype=object),
            "arm": np.where(treated, "treatment", "control").astype(object),
            "channel": np.full(count, "phone", dtype=object),
            "cost": np.where(treated, _COST, 0.0),
            "status": pd.Series(np.where(reached, "done", "not_reached"), dtype="str").where(treated),
            "outcome": pd.Series(answer, dtype="str").where(reached),
            "completed_at": np.where(treated, talked, np.datetime64("NaT", "us")),
            "known_at": decided,
        }
    )
