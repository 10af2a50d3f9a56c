"""The tables interactions and surveys."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.calls import call_times
from crm_ml.tables.synth.dynamics import Life, present
from crm_ml.tables.synth.goods import Orders, clock
from crm_ml.tables.synth.money import mood_on
from crm_ml.tables.synth.people import customer_ids, manager_ids, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Floats, Ints, World

# per customer and year; how much customers differ in asking, and how little discontent keeps them from it
_INQUIRIES, _COMPLAINTS, _CALLS = 22.0, 0.5, 5.0
_SPREAD, _TALK = 0.4, 0.1
_NOTICED_AFTER_DAYS = 120
_CHANNELS = {
    "inquiry": (("email", 0.45), ("phone", 0.35), ("web", 0.10), ("chat", 0.05), ("event", 0.03), ("social", 0.02)),
    "complaint": (("email", 0.40), ("phone", 0.40), ("ticket", 0.18), ("letter", 0.02)),
    "outbound": (("phone", 0.45), ("email", 0.30), ("visit", 0.22), ("letter", 0.03)),
}
_TOPICS = {
    "inquiry": (("inquiry", 0.55), ("general", 0.45)),
    "complaint": (("complaint", 1.0),),
    "outbound": (("general", 0.55), ("offer", 0.45)),
}
_HOUR = 3600.0
_NONE = np.datetime64("NaT", "us")


def contact_tables(world: World, life: Life, orders: Orders) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables interactions and surveys."""
    parts = [_inquiries(world, life), _complaints(world, life, orders), _outbound(world, life)]
    if life.trial_reached.any():
        parts.append(_trial_calls(world, life))
    contacts = pd.concat(parts, ignore_index=True)
    contacts = contacts[contacts["occurred_at"] < world.until]
    contacts = contacts.sort_values(["occurred_at", "who", "topic"], kind="stable", ignore_index=True)
    return _interactions(world, contacts), _surveys(world, life, contacts)


def _weekly(world: World, life: Life, per_year: Floats, there: Bools, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw (customer, day index) of contacts from yearly rates given per week and customer."""
    week, who = np.nonzero(counts := rng.poisson(np.where(there, per_year, 0.0) / 52.18))
    times = counts[week, who]
    week, who = np.repeat(week, times), np.repeat(who, times)
    weekday = rng.choice(np.array([0, 1, 2, 3, 4, 5]), len(week), p=[0.22, 0.20, 0.20, 0.19, 0.17, 0.02])
    monday = (-(world.days[BURN_IN_DAYS].astype(np.int64) + 3)) % 7  # days from the first exported day to a Monday
    return who, BURN_IN_DAYS + week * 7 + monday + weekday


def _weeks(world: World, life: Life) -> tuple[Floats, Ints]:
    """Return satisfaction per (week, customer) and the day index at which each week begins."""
    first = np.arange(0, len(life.mood), 7)
    return life.mood[first].astype(np.float64), first[:, None] + BURN_IN_DAYS


def _made(world: World, kind: str, who: Ints, day: Ints, rng: np.random.Generator) -> pd.DataFrame:
    """Return contacts with channel, topic and clock time."""
    keep = (day >= BURN_IN_DAYS) & (day < world.end)
    who, day = who[keep], day[keep]
    channels, topics = _CHANNELS[kind], _TOPICS[kind]
    return pd.DataFrame(
        {
            "kind": kind,
            "who": who,
            "occurred_at": clock(world.days[day], rng),
            "channel": rng.choice([c for c, _ in channels], len(who), p=[share for _, share in channels]).astype(
                object
            ),
            "topic": rng.choice([t for t, _ in topics], len(who), p=[share for _, share in topics]).astype(object),
        }
    )


def _inquiries(world: World, life: Life) -> pd.DataFrame:
    """Return what customers ask and tell while they are there; the discontented a little less."""
    rng = stream(world.seed, "inquiries")
    mood, day = _weeks(world, life)
    rate = _INQUIRIES * np.exp(rng.normal(0, _SPREAD, world.customers)) * (35 / world.gap_days) ** 0.25
    there = (day >= world.joins) & present(life, day, np.arange(world.customers))
    who, days = _weekly(world, life, rate * np.exp(_TALK * np.clip(mood, -3, 1)), there, rng)
    return _made(world, "inquiry", who, days, rng)


def _complaints(world: World, life: Life, orders: Orders) -> pd.DataFrame:
    """Return the complaints: from discontent, and some days after a late or faulty delivery."""
    rng = stream(world.seed, "complaints")
    mood, day = _weeks(world, life)
    there = (day >= world.joins) & present(life, day, np.arange(world.customers))
    who, days = _weekly(world, life, _COMPLAINTS * np.exp(-1.0 * np.clip(mood, -3.5, 1.5)), there, rng)
    chance = np.where(orders.faulty, 0.6, np.where(life.order_late, 0.3, 0.0))
    hit = rng.random(len(orders.who)) < chance
    delivered = (orders.delivery_at[hit].astype("datetime64[D]") - world.days[0]).astype(np.int64)
    caused = delivered + rng.integers(0, 8, len(delivered))
    return _made(world, "complaint", np.concatenate([who, orders.who[hit]]), np.concatenate([days, caused]), rng)


def _outbound(world: World, life: Life) -> pd.DataFrame:
    """Return calls and visits of sales, which notices late that a customer has gone and then calls less."""
    rng = stream(world.seed, "outbound")
    _, day = _weeks(world, life)
    rate = _CALLS * np.exp(rng.normal(0, 0.4, world.customers)) * np.sqrt(np.clip(world.size, 0.5, 4))
    away = (day > life.away_from + _NOTICED_AFTER_DAYS) & (day < life.away_to)
    noticed = (day > life.left + _NOTICED_AFTER_DAYS) | away
    who, days = _weekly(world, life, np.where(noticed, 0.25 * rate, rate), day >= world.joins, rng)
    return _made(world, "outbound", who, days, rng)


def _trial_calls(world: World, life: Life) -> pd.DataFrame:
    """Return the calls of the trial in which somebody was reached."""
    _, at = call_times(world, life)
    reached = life.trial_reached
    return pd.DataFrame(
        {
            "kind": "outbound",
            "who": life.trial_who[reached],
            "occurred_at": at[reached],
            "channel": "phone",
            "topic": "general",
        }
    )


def _interactions(world: World, contacts: pd.DataFrame) -> pd.DataFrame:
    """Add who spoke with whom, when it was answered and when it was settled."""
    rng = stream(world.seed, "answers")
    count, at = len(contacts), contacts["occurred_at"].to_numpy()
    inbound = (contacts["kind"] != "outbound").to_numpy()
    complaint = (contacts["kind"] == "complaint").to_numpy()
    answer = _plus_hours(at, np.exp(rng.normal(1.2, 1.1, count)))
    settled = _plus_hours(answer, 24 * np.exp(rng.normal(1.6, 0.8, count)))
    answered = inbound & (rng.random(count) < 0.93) & (answer < world.until)
    is_settled = complaint & answered & (rng.random(count) < 0.9) & (settled < world.until)
    who = contacts["who"].to_numpy()
    ids = customer_ids(world)[who]
    return pd.DataFrame(
        {
            "interaction_id": numbered(np.arange(count) + 1, 8, "K"),
            "customer_id": ids,
            "occurred_at": at,
            "channel": contacts["channel"],
            "direction": np.where(inbound, "inbound", "outbound").astype(object),
            "topic": contacts["topic"],
            "contact_id": [
                f"{customer}-{number}" for customer, number in zip(ids, rng.integers(1, 4, count), strict=True)
            ],
            "employee_id": manager_ids(world)[world.manager[who]],
            "responded_at": np.where(answered, answer, _NONE),
            "resolved_at": np.where(is_settled, settled, _NONE),
            "known_at": at,
        }
    )


def _plus_hours(at: np.ndarray, hours: Floats) -> np.ndarray:
    return np.asarray(at + (hours * _HOUR).astype("timedelta64[s]").astype("timedelta64[us]"))


def _surveys(world: World, life: Life, contacts: pd.DataFrame) -> pd.DataFrame:
    """Ask every customer once a year (nps) and after some complaints (csat); not all answer, and none who has gone."""
    rng = stream(world.seed, "surveys")
    years = int(np.ceil(len(life.mood) / 365))
    who = np.tile(np.arange(world.customers), years)
    day = BURN_IN_DAYS + np.repeat(np.arange(years), world.customers) * 365 + rng.integers(365, size=len(who))
    yearly = _answers(world, life, "nps", who, day, rng)
    complaints = contacts[contacts["kind"] == "complaint"]
    asked = rng.random(len(complaints)) < 0.3
    at = complaints["occurred_at"].to_numpy()[asked].astype("datetime64[D]")
    day = (at - world.days[0]).astype(np.int64) + rng.integers(5, 30, len(at))
    after = _answers(world, life, "csat", complaints["who"].to_numpy()[asked], day, rng)
    answers = pd.concat([yearly, after]).sort_values(["answered_at", "who"], kind="stable", ignore_index=True)
    return pd.DataFrame(
        {
            "survey_id": numbered(np.arange(len(answers)) + 1, 7, "U"),
            "customer_id": customer_ids(world)[answers["who"].to_numpy()],
            "answered_at": answers["answered_at"],
            "kind": answers["kind"],
            "score": answers["score"],
            "known_at": answers["answered_at"],
        }
    )


def _answers(world: World, life: Life, kind: str, who: Ints, day: Ints, rng: np.random.Generator) -> pd.DataFrame:
    """Return the answers of those who are asked on a day, and still there."""
    there = (day >= np.maximum(world.joins[who], BURN_IN_DAYS)) & present(life, day, who) & (day < world.end)
    keep = there & (rng.random(len(who)) < 0.5)
    who, day = who[keep], day[keep]
    mood = mood_on(life, who, day)
    if kind == "nps":
        score = np.clip(np.round(7.6 + 1.3 * mood + rng.normal(0, 1.2, len(who))), 0, 10)
    else:
        score = np.clip(np.round(3.6 + 0.8 * mood + rng.normal(0, 0.8, len(who))), 1, 5)
    return pd.DataFrame({"who": who, "answered_at": clock(world.days[day], rng), "kind": kind, "score": score})
