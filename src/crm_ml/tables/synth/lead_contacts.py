"""The table lead_events: what leads read, open and ask, and what sales does about it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth import lead_words as words
from crm_ml.tables.synth.courtship import ANALYSIS, LOST, MQL, SQL, WON, Courtship
from crm_ml.tables.synth.enquirers import SOURCES
from crm_ml.tables.synth.goods import clock
from crm_ml.tables.synth.lead_tables import change_times, lead_ids
from crm_ml.tables.synth.people import numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import Bools, Floats, Ints, World

# kind: rate per day at interest nought, how much interest lifts it, only on which days, from which stage on, assets
_KINDS: tuple[tuple[str, float, float, str, int, tuple[str, ...]], ...] = (
    ("page_view", 0.10, 0.9, "any", 0, words.PAGES),
    ("pricing_view", 0.012, 1.3, "any", 0, words.PRICES),
    ("email_open", 0.28, 0.4, "tuesday", 0, words.MAILINGS),
    ("email_click", 0.06, 0.8, "tuesday", 0, words.MAILINGS),
    ("download", 0.012, 0.8, "working", 0, words.DOWNLOADS),
    ("webinar", 0.003, 0.6, "working", 0, words.CAMPAIGNS["webinar"]),
    ("form_submit", 0.004, 1.0, "any", 0, ("Rückruf", "Muster", "Preisanfrage")),
    ("call", 0.025, 0.1, "working", MQL, ()),
    ("reply_sent", 0.03, 0.2, "working", SQL, ()),
    ("reply_received", 0.03, 0.8, "working", SQL, ()),
    ("meeting", 0.012, 0.5, "working", ANALYSIS, ()),
)
_FORMS = ("website", "google_ads", "linkedin")
_READS_ON = 0.3
_BATCH = 0.5
_TUESDAY = 5  # days since 1970-01-01, a Thursday, modulo 7


def lead_events_table(world: World, life: Courtship) -> pd.DataFrame:
    """Return the table lead_events."""
    parts = [_daily(world, life), _first_reply(world, life), _appointments(world, life), _first(world, life)]
    parts.append(_afterwards(world, life))
    frame = pd.concat(parts, ignore_index=True)
    leads = life.enquirers
    created = leads.created_at[frame["who"].to_numpy()]
    frame = frame[(frame["occurred_at"].to_numpy() >= created) & (frame["occurred_at"] < world.until)]
    frame = frame.sort_values(["occurred_at", "who", "kind"], kind="stable", ignore_index=True)
    rng, count = stream(world.seed, "lead_events_known"), len(frame)
    at = frame["occurred_at"].to_numpy()
    # who came to a webinar is taken over from the provider in the next days
    batch = (frame["kind"] == "webinar").to_numpy() & (rng.random(count) < _BATCH)
    known = np.where(batch, clock(at.astype("datetime64[D]") + rng.integers(1, 4, count), rng), at)
    ids = lead_ids(leads)[frame["who"].to_numpy()]
    return pd.DataFrame(
        {
            "event_id": numbered(np.arange(count) + 1, 8, "E"),
            "lead_id": ids,
            "occurred_at": at,
            "kind": frame["kind"].astype("str"),
            "asset": frame["asset"].astype("str"),
            "contact_id": [f"{lead}-1" for lead in ids],
            "known_at": known,
        }
    )


def _frame(who: Ints, at: np.ndarray, kind: str, asset: np.ndarray | None = None) -> pd.DataFrame:
    assets = pd.Series(asset, index=range(len(who)), dtype="str")
    return pd.DataFrame({"who": who, "occurred_at": at, "kind": kind, "asset": assets})


def _daily(world: World, life: Courtship) -> pd.DataFrame:
    """Draw what happens on the days of an open lead, more of it the greater its interest."""
    rng, leads = stream(world.seed, "lead_events"), life.enquirers
    row, who = np.nonzero(life.stage < WON)
    day = leads.day[who] + 1 + row
    keep = day < world.end
    row, who, day = row[keep], who[keep], day[keep]
    stage, interest = life.stage[row, who], np.clip(life.interest[row, who].astype(np.float64), -3, 2.5)
    working = world.season[:, 0][day] > 0
    on = {"any": np.where(working, 1.0, 0.3), "working": working, "tuesday": _is_tuesday(world, day)}
    parts = []
    for kind, rate, lift, days, least, assets in _KINDS:
        replies = leads.answers[who] if kind == "reply_received" else True
        mean = rate * np.exp(lift * interest) * on[days] * (stage >= least) * replies
        place = np.repeat(np.arange(len(who)), rng.poisson(mean))
        asset = rng.choice(np.array(assets, dtype=object), len(place)) if assets else None
        parts.append(_frame(who[place], clock(world.days[day[place]], rng, 7, 20), kind, asset))
    return pd.concat(parts, ignore_index=True)


def _is_tuesday(world: World, day: Ints) -> Bools:
    return np.asarray(world.days[day].astype(np.int64) % 7 == _TUESDAY)


def _first_reply(world: World, life: Courtship) -> pd.DataFrame:
    """Return the owners' first replies, as far as they came while the lead was open, and the answers to them."""
    rng, leads = stream(world.seed, "lead_replies"), life.enquirers
    closed = _closed(world, life)
    replied = np.flatnonzero(leads.reply_day <= closed)
    at = leads.reply_at[replied]
    interest = life.interest[np.clip(leads.reply_day[replied] - leads.day[replied] - 1, 0, None), replied]
    chance: Floats = leads.answers[replied] / (1 + np.exp(-0.8 - 0.8 * interest.astype(np.float64)))
    answers = rng.random(len(replied)) < chance
    wait = np.exp(rng.normal(2.5, 1.0, len(replied))) * 3600
    back = at + wait.astype("timedelta64[s]")
    day = (back.astype("datetime64[D]") - world.days[0]).astype(np.int64)
    answers &= day <= closed[replied]
    return pd.concat(
        [_frame(replied, at, "reply_sent"), _frame(replied[answers], back[answers], "reply_received")],
        ignore_index=True,
    )


def _closed(world: World, life: Courtship) -> Ints:
    """Return the day on which each lead was won or lost; the day of the export if it is open."""
    closed = np.full(len(life.enquirers), world.end)
    ends = life.change_to >= WON
    closed[life.change_who[ends]] = life.change_day[ends]
    return closed


def _appointments(world: World, life: Courtship) -> pd.DataFrame:
    """Return the appointments with which leads become sql: some do not show up."""
    sql = life.change_to == SQL
    at, who, absent = change_times(world, life)[sql], life.change_who[sql], life.no_show[sql]
    return pd.concat(
        [_frame(who[~absent], at[~absent], "meeting"), _frame(who[absent], at[absent], "no_show")], ignore_index=True
    )


def _first(world: World, life: Courtship) -> pd.DataFrame:
    """Return the form or the webinar with which leads came."""
    leads = life.enquirers
    names = np.array([name for name, *_ in SOURCES])[leads.source]
    parts = []
    for kind, of in (("form_submit", _FORMS), ("webinar", ("webinar",))):
        who = np.flatnonzero(np.isin(names, of))
        parts.append(_frame(who, leads.created_at[who], kind))
    return pd.concat(parts, ignore_index=True)


def _afterwards(world: World, life: Courtship) -> pd.DataFrame:
    """Return what happens when all is over: customers-to-be look at the portal, a few of the lost read on."""
    rng = stream(world.seed, "lead_afterwards")
    ends = np.flatnonzero(life.change_to >= WON)
    is_won = life.change_to[ends] == WON
    place = np.repeat(ends, rng.poisson(np.where(is_won, 3.0, _READS_ON)))
    day = np.minimum(life.change_day[place] + rng.integers(1, 40, len(place)), len(world.days) - 1)
    asset = np.where(
        life.change_to[place] == LOST,
        rng.choice(np.array(words.PAGES, dtype=object), len(place)),
        rng.choice(np.array(words.ONBOARDING, dtype=object), len(place)),
    )
    return _frame(life.change_who[place], clock(world.days[day], rng, 7, 20), "page_view", asset)
