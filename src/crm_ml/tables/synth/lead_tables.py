"""The tables leads, lead_stages and marketing_costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth import lead_words as words
from crm_ml.tables.synth.courtship import ANALYSIS, LOST, MQL, SQL, WON, Courtship
from crm_ml.tables.synth.enquirers import FAIRS, FUNCTIONS, SOURCES, Enquirers
from crm_ml.tables.synth.goods import clock
from crm_ml.tables.synth.names import FIRST_NAMES, LEGAL_FORMS, PLACES, SURNAMES, TRADES, ascii_slug
from crm_ml.tables.synth.people import manager_ids, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Bools, Ints, World

NAMED = {MQL: "mql", SQL: "sql", ANALYSIS: "opportunity", WON: "won", LOST: "lost"}
_ENTERED_LATER, _TITLE_MISSING, _NO_PHONE, _ENGLISH = 0.06, 0.08, 0.35, 0.22
_FOUND_AFTER, _FOUND_BEFORE, _LINKED = 2, 45, 0.75
_CONSENT, _CONSENT_LIST = 0.55, 0.05
_NONE = np.datetime64("NaT", "us")


def lead_ids(leads: Enquirers) -> np.ndarray:
    """Return the id of every lead, as an array of objects."""
    return np.array(numbered(np.arange(len(leads)) + 1, 7, "L"), dtype=object)


def change_times(world: World, life: Courtship) -> np.ndarray:
    """Return when each change of stage happened."""
    return clock(world.days[life.change_day], stream(world.seed, "lead_changes"))


def leads_table(world: World, life: Courtship, customers: pd.DataFrame) -> pd.DataFrame:
    """Return the table leads; of those whose company became a customer, most are linked to it."""
    rng, leads = stream(world.seed, "leads_table"), life.enquirers
    count = len(leads)
    sources = [SOURCES[i][0] for i in leads.source]
    found = _became(world, life, customers)
    companies = _companies(leads, customers, found, rng)
    english = np.array([PLACES[i][0] not in ("DE", "AT", "CH") for i in leads.place]) | (rng.random(count) < _ENGLISH)
    ways = rng.integers(1000, size=count)
    titles = [
        words.job_title(FUNCTIONS[function][0], rank, bool(is_english), way)
        for function, rank, is_english, way in zip(leads.function, leads.seniority, english, ways, strict=True)
    ]
    consent = rng.random(count) < np.where(leads.source == len(SOURCES) - 1, _CONSENT_LIST, _CONSENT)
    basis = np.where(leads.customer >= 0, "existing_customer", np.where(consent, "consent", "none"))
    linked = (found >= 0) & ((leads.customer >= 0) | (rng.random(count) < _LINKED))
    phones = pd.Series([f"+49 221 4710 {n}" for n in rng.integers(100, 999, count)], dtype="str")
    return pd.DataFrame(
        {
            "lead_id": lead_ids(leads),
            "created_at": leads.created_at,
            "source": pd.array(sources, dtype="str"),
            "campaign": pd.array(_campaigns(world, leads, sources, ways), dtype="str"),
            "job_title": pd.Series(titles, dtype="str").where(rng.random(count) >= _TITLE_MISSING),
            "company": pd.array(companies, dtype="str"),
            "employees": leads.employees,
            "industry": leads.industry,
            "country": pd.array([PLACES[i][0] for i in leads.place], dtype="str"),
            "owner_id": manager_ids(world)[leads.owner],
            "email": pd.array(_emails(leads, companies, rng), dtype="str"),
            "phone": phones.where(rng.random(count) >= _NO_PHONE),
            "marketing_basis": basis.astype(object),
            "customer_id": pd.Series(customers["customer_id"].to_numpy()[found], dtype="str").where(linked),
            "known_at": _known(leads, sources, rng),
        }
    )


def _known(leads: Enquirers, sources: list[str], rng: np.random.Generator) -> np.ndarray:
    """Enter what came from a fair or a bought list some days later, all else at once."""
    later = np.isin(sources, ["trade_fair", "address_list"])
    days = leads.created_at.astype("datetime64[D]") + rng.integers(1, 8, len(leads))
    return np.where(later, clock(days, rng), leads.created_at)


def _campaigns(world: World, leads: Enquirers, sources: list[str], ways: Ints) -> list[str | None]:
    months = world.days[leads.day].astype("datetime64[M]").astype(str)
    fairs = {start[1:3]: name for start, _, name in FAIRS}
    found: list[str | None] = []
    for source, month, way in zip(sources, months, ways, strict=True):
        if source == "trade_fair":
            found.append(f"{fairs.get(month[5:], 'Hausmesse')} {month[:4]}")
        else:
            ways_of = words.CAMPAIGNS.get(source, ())
            found.append(ways_of[way % len(ways_of)] if ways_of else None)
    return found


def _became(world: World, life: Courtship, customers: pd.DataFrame) -> Ints:
    """Return which customer each won lead became: a newcomer of the same trade and country, some days after; else -1.

    Leads of customers that the firm had before are theirs once they are won.
    """
    leads = life.enquirers
    found = np.full(len(leads), -1)
    won = np.flatnonzero(life.change_to == WON)
    taken = np.zeros(world.customers, bool)
    industry, country = customers["industry"].to_numpy(), customers["country"].to_numpy()
    newcomers = np.argsort(world.joins, kind="stable")
    joins = world.joins[newcomers]
    for who, day in zip(life.change_who[won], life.change_day[won], strict=True):
        if leads.customer[who] >= 0:
            found[who] = leads.customer[who]
            continue
        if leads.twin[who] >= 0:
            continue
        first, last = np.searchsorted(joins, (day + _FOUND_AFTER, day + _FOUND_BEFORE))
        near = newcomers[first:last]
        own = PLACES[leads.place[who]][0]
        fits = near[(industry[near] == leads.industry[who]) & (country[near] == own) & ~taken[near]]
        if len(fits):
            found[who] = fits[0]
            taken[fits[0]] = True
    return found


def _companies(leads: Enquirers, customers: pd.DataFrame, found: Ints, rng: np.random.Generator) -> list[str]:
    """Return the names of the companies: customers have theirs, twins that of the earlier lead, nobody else's twice."""
    count, names = len(leads), customers["name"].tolist()
    forms = words.draw_word(LEGAL_FORMS, count, rng)
    surnames, trades = rng.integers(len(SURNAMES), size=count), rng.integers(1000, size=count)
    # told apart from the customers by more than the legal form, so that a name that is the same means the company
    taken = set()
    for name, form in zip(names, customers["legal_form"], strict=True):
        taken.add(name.removesuffix(f" {form}"))
    made: list[str] = []
    for who in range(count):
        of = TRADES[leads.industry[who]]
        stem = base = f"{SURNAMES[surnames[who]]} {of[trades[who] % len(of)]}"
        step = 1
        while stem in taken:
            city = PLACES[(trades[who] + step) % len(PLACES)][2]
            stem = f"{base} {city}" + (f" {step // len(PLACES) + 2}" if step >= len(PLACES) else "")
            step += 1
        taken.add(stem)
        customer = found[who] if found[who] >= 0 else leads.customer[who]
        twin = leads.twin[who]
        made.append(made[twin] if twin >= 0 else names[customer] if customer >= 0 else f"{stem} {forms[who]}")
    return made


def _emails(leads: Enquirers, companies: list[str], rng: np.random.Generator) -> list[str]:
    count = len(leads)
    firsts, lasts = rng.integers(len(FIRST_NAMES), size=count), rng.integers(len(SURNAMES), size=count)
    providers = rng.integers(len(words.FREE_MAIL), size=count)
    found = []
    for who, company in enumerate(companies):
        person = f"{ascii_slug(FIRST_NAMES[firsts[who]])}.{ascii_slug(SURNAMES[lasts[who]])}"
        free = words.FREE_MAIL[providers[who]]
        found.append(f"{person}@{free}" if leads.free_mail[who] else f"{person}@{ascii_slug(company)}.example")
    return found


def lead_stages_table(world: World, life: Courtship) -> pd.DataFrame:
    """Return the table lead_stages; some entries are made days later, never before the lead itself is entered."""
    rng, leads = stream(world.seed, "lead_stages"), life.enquirers
    named = np.isin(life.change_to, list(NAMED))
    who, to = life.change_who[named], life.change_to[named]
    frame = pd.DataFrame(
        {
            "who": np.concatenate([np.arange(len(leads)), who]),
            "stage": ["lead"] * len(leads) + [NAMED[stage] for stage in to],
            "entered_at": np.concatenate([leads.created_at, change_times(world, life)[named]]),
            "reason": [None] * len(leads) + _reasons(life, named, rng).tolist(),
        }
    )
    later = (rng.random(len(frame)) < _ENTERED_LATER) & (frame["stage"] != "lead").to_numpy()
    days = frame["entered_at"].to_numpy().astype("datetime64[D]") + rng.integers(1, 6, len(frame))
    frame["known_at"] = np.where(later, clock(days, rng), frame["entered_at"].to_numpy())
    frame = frame.sort_values(["entered_at", "who"], kind="stable", ignore_index=True)
    frame.insert(0, "lead_id", lead_ids(leads)[frame.pop("who")])
    return frame.astype({"stage": "str", "reason": "str"})


def _reasons(life: Courtship, named: Bools, rng: np.random.Generator) -> np.ndarray:
    """Return why leads were won or lost."""
    leads, who, to = life.enquirers, life.change_who[named], life.change_to[named]
    late = np.isin(who, life.change_who[life.change_to == ANALYSIS])
    count = len(who)
    lost = np.where(late, words.draw_word(words.LOST_LATE, count, rng), words.draw_word(words.LOST_EARLY, count, rng))
    lost = np.where(~leads.answers[who] & ~late, "no_response", lost)
    lost = np.where((leads.twin[who] >= 0) & ~late & (rng.random(count) < 0.7), "duplicate", lost)
    won = words.draw_word(words.WON, count, rng)
    reason: np.ndarray = np.where(to == LOST, lost, won).astype(object)
    reason[to < WON] = None
    return reason


def marketing_costs_table(world: World, leads: Enquirers) -> pd.DataFrame:
    """Return the table marketing_costs: what each source cost in every month that is over."""
    rng = stream(world.seed, "marketing_costs")
    months = world.days.astype("datetime64[M]")
    every = np.arange(months[BURN_IN_DAYS], months[world.end])
    counts = np.zeros((len(every), len(SOURCES)))
    at = (months[leads.day] - every[0]).astype(np.int64) if len(every) else np.zeros(0, np.int64)
    seen = at < len(every)
    np.add.at(counts, (at[seen], leads.source[seen]), 1)
    usual = counts.mean(axis=0) if len(every) else counts.sum(axis=0)
    each = np.array([cost for *_, cost in SOURCES], np.float64)
    # most is spent evenly, a part follows what came
    cost = each * (0.7 * usual + 0.3 * counts) * rng.uniform(0.8, 1.2, counts.shape)
    fair = [name for name, *_ in SOURCES].index("trade_fair")
    cost[:, fair] = each[fair] * counts[:, fair] * rng.uniform(0.8, 1.2, len(every))
    month, source = np.nonzero(np.round(cost, 2))
    return pd.DataFrame(
        {
            "month": every[month].astype("datetime64[us]"),
            "source": pd.array([SOURCES[i][0] for i in source], dtype="str"),
            "cost": np.round(cost[month, source], 2),
        }
    )
