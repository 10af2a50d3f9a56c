"""Who asks: the fixed traits of the leads. What they want and how well they fit stands in no table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_ml.tables.synth.dynamics import NEVER
from crm_ml.tables.synth.goods import clock
from crm_ml.tables.synth.names import PLACES
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, INDUSTRIES, Bools, Days, Floats, Ints, World

PER_YEAR = 0.5
"""Leads per year and customer of the firm."""
SOURCES = (
    # name, share, mean interest at the start, cost per lead
    ("website", 0.26, 0.40, 0),
    ("google_ads", 0.18, 0.15, 120),
    ("trade_fair", 0.13, 0.05, 260),
    ("linkedin", 0.12, -0.25, 170),
    ("webinar", 0.09, -0.05, 60),
    ("referral", 0.07, 0.95, 15),
    ("newsletter", 0.06, -0.35, 10),
    ("partner", 0.05, 0.55, 40),
    ("address_list", 0.04, -1.20, 25),
)
FAIRS = (("-04-20", 5, "Hannover Messe"), ("-11-24", 3, "SPS"))
FUNCTIONS = (
    # name, share, what it adds to the fit
    ("purchasing", 0.26, 0.30),
    ("design", 0.22, 0.45),
    ("production", 0.15, 0.15),
    ("management", 0.12, 0.40),
    ("electrical", 0.10, 0.35),
    ("sales", 0.06, -0.40),
    ("it", 0.05, -0.45),
    ("student", 0.04, -1.60),
)
SENIORITY = (("head", 0.25, 0.30), ("senior", 0.35, 0.10), ("staff", 0.40, -0.15))
TRADE = "Elektrogroßhandel"
_INDUSTRY_FIT = {
    "Maschinenbau": 0.30,
    "Elektrotechnik": 0.40,
    "Automotive": 0.05,
    "Medizintechnik": 0.25,
    "Bau": -0.15,
    "Lebensmittel": -0.35,
    "Möbel": -0.25,
    TRADE: 0.15,
}
_FAST_HOURS, _SLOW_HOURS, _HOURS_SPREAD = 1.5, 40.0, 0.9
_NO_REPLY, _SILENT, _SILENT_FREE_MAIL = 0.04, 0.10, 0.30
_FREE_MAIL, _TWIN, _OF_CUSTOMER = 0.13, 0.06, 0.05
_TWIN_DAYS = 60
_HOUR = np.timedelta64(3600, "s")


@dataclass(frozen=True)
class Enquirers:
    """One entry per lead, in the order of creation.

    Parameters
    ----------
    day, created_at : array
        Day index and time of the enquiry.
    source, function, seniority : array of int
        Positions in `SOURCES`, `FUNCTIONS` and `SENIORITY`.
    industry : array of str
    employees, place, owner : array of int
        Size of the company, position in `PLACES`, and which account manager looks after the lead.
    reply_at, reply_day, reply_hours : array
        When the owner first replies (`NEVER`: not at all) and after how many hours.
    fit, interest : array
        How well the company fits, and what the lead wants at the start.
    answers : array of bool
        Whether anybody ever answers.
    free_mail : array of bool
    twin : array of int
        An earlier lead of the same company; -1: none.
    customer : array of int
        The customer of the firm that asks; -1: not a customer.
    """

    day: Ints
    created_at: Days
    source: Ints
    function: Ints
    seniority: Ints
    industry: np.ndarray
    employees: Ints
    place: Ints
    owner: Ints
    reply_at: Days
    reply_day: Ints
    reply_hours: Floats
    fit: Floats
    interest: Floats
    answers: Bools
    free_mail: Bools
    twin: Ints
    customer: Ints

    def __len__(self) -> int:
        return len(self.day)


def draw_enquirers(world: World) -> Enquirers:
    """Draw the leads of the exported years."""
    rng = stream(world.seed, "leads")
    count = max(1, round(PER_YEAR * world.customers * (world.end - BURN_IN_DAYS) / 365.25))
    source = _pick(SOURCES, count, rng)
    created = clock(world.days[_days(world, source, rng)], rng, 6.5, 21.0)
    order = np.argsort(created, kind="stable")
    source, created = source[order], created[order]
    day = (created.astype("datetime64[D]") - world.days[0]).astype(np.int64)
    customer = np.where(rng.random(count) < _OF_CUSTOMER, rng.integers(world.customers, size=count), -1)
    customer[world.joins[np.maximum(customer, 0)] >= day] = -1
    twin = _twins(day, customer, rng)
    industry, employees, place = _companies(world, twin, customer, rng)
    function, seniority = _pick(FUNCTIONS, count, rng), _pick(SENIORITY, count, rng)
    free_mail = rng.random(count) < _FREE_MAIL
    fit = (
        np.array([gain for *_, gain in FUNCTIONS])[function]
        + np.array([gain for *_, gain in SENIORITY])[seniority]
        + np.array([_INDUSTRY_FIT.get(name, 0.0) for name in industry])
        - 0.12 * np.log(employees / 150) ** 2
        - 0.3 * free_mail
        + rng.normal(0, 0.4, count)
    )
    means = np.array([mean for _, _, mean, _ in SOURCES])
    owner = rng.integers(np.where(day >= world.manager_leaves, world.managers - 1, world.managers))
    reply_at, reply_day, hours = _replies(world, created, owner, rng)
    return Enquirers(
        day=day,
        created_at=created,
        source=source,
        function=function,
        seniority=seniority,
        industry=industry,
        employees=employees,
        place=place,
        owner=owner,
        reply_at=reply_at,
        reply_day=np.where(reply_day == NEVER, NEVER, np.maximum(reply_day, day + 1)),
        reply_hours=hours,
        fit=fit,
        interest=means[source] + rng.normal(0, 0.9, count) + 0.5 * (customer >= 0),
        answers=rng.random(count) >= np.where(free_mail, _SILENT_FREE_MAIL, _SILENT),
        free_mail=free_mail,
        twin=twin,
        customer=customer,
    )


def _pick(choices: tuple[tuple[object, ...], ...], count: int, rng: np.random.Generator) -> Ints:
    shares = np.array([choice[1] for choice in choices], np.float64)
    return rng.choice(len(choices), count, p=shares / shares.sum())


def _days(world: World, source: Ints, rng: np.random.Generator) -> Ints:
    """Return the day of each enquiry: few at weekends, and those of a fair on its days."""
    every = np.arange(BURN_IN_DAYS, world.end)
    weight = np.where(world.season[every].any(axis=1), 1.0, 0.2)
    day = rng.choice(every, len(source), p=weight / weight.sum())
    text = world.days[every].astype(str)
    starts = [(BURN_IN_DAYS + np.flatnonzero(np.char.endswith(text, start)), days) for start, days, _ in FAIRS]
    fair = np.concatenate([first[:, None] + np.arange(days) for first, days in starts], axis=None)
    fair = fair[fair < world.end]
    at_fair = source == [name for name, *_ in SOURCES].index("trade_fair")
    return np.where(at_fair & bool(len(fair)), rng.choice(fair, len(source)) if len(fair) else day, day)


def _twins(day: Ints, customer: Ints, rng: np.random.Generator) -> Ints:
    """Let some leads come from a company that asked already some weeks before."""
    count = len(day)
    back = rng.integers(1, _TWIN_DAYS, count)
    first = np.searchsorted(day, day - back)
    twin = np.where((rng.random(count) < _TWIN) & (first < np.arange(count)), first, -1)
    of = np.maximum(twin, 0)
    # a company's first lead is the one meant, and customers have their own number
    twin[(twin >= 0) & ((twin[of] >= 0) | (customer[of] >= 0) | (customer >= 0))] = -1
    return twin


def _companies(world: World, twin: Ints, customer: Ints, rng: np.random.Generator) -> tuple[np.ndarray, Ints, Ints]:
    count = len(twin)
    names = [name for name, *_ in INDUSTRIES] + [TRADE]
    shares = np.array([share for _, share, _, _ in INDUSTRIES] + [0.12])
    industry = rng.choice(len(names), count, p=shares / shares.sum())
    industry = np.where(customer >= 0, world.industry[np.maximum(customer, 0)], industry)
    employees = np.maximum(1, np.exp(rng.normal(4.3, 1.2, count))).astype(np.int64)
    place = rng.choice(len(PLACES), count, p=(w := np.array([share for *_, share, _ in PLACES])) / w.sum())
    same = np.where(twin >= 0, twin, np.arange(count))
    return np.array(names, dtype=object)[industry[same]], employees[same], place[same]


def _replies(world: World, created: Days, owner: Ints, rng: np.random.Generator) -> tuple[Days, Ints, Floats]:
    """Return when the owners reply: each has its own pace, and nobody replies at the weekend."""
    count = len(created)
    pace = np.geomspace(_FAST_HOURS, _SLOW_HOURS, world.managers)[rng.permutation(world.managers)]
    wait = pace[owner] * np.exp(rng.normal(0, _HOURS_SPREAD, count))
    at = created.astype("datetime64[s]") + (wait * 3600).astype("timedelta64[s]")
    day = (at.astype("datetime64[D]") - world.days[0]).astype(np.int64)
    day = np.minimum(day, len(world.days) - 10)
    working = np.flatnonzero(world.season.any(axis=1))
    later = working[np.searchsorted(working, day)]
    morning = world.days[later].astype("datetime64[s]") + (rng.uniform(7.5, 10, count) * 3600).astype("timedelta64[s]")
    at = np.where(later > day, morning, at)
    hours = (at - created) / _HOUR
    never = rng.random(count) < _NO_REPLY
    return (
        np.where(never, np.datetime64("NaT"), at).astype("datetime64[us]"),
        np.where(never, NEVER, later),
        np.where(never, np.inf, hours),
    )
