"""What does not change while the firm lives: its calendar, its seasons, and what kind of buyer each customer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import gamma

import numpy as np
import numpy.typing as npt

from crm_ml.tables.synth.streams import stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

BURN_IN_DAYS = 3 * 365
"""Days that are lived through before the first exported one, so that the first year looks like the later ones."""
OUTLOOK_DAYS = 800
"""Days of calendar beyond the end, for looking forward from the last days."""

INDUSTRIES = (
    # name, share, strength of the yearly season, its best day of the year
    ("Maschinenbau", 0.22, 0.10, 280),
    ("Automotive", 0.14, 0.08, 110),
    ("Bau", 0.13, 0.38, 175),
    ("Verpackung", 0.12, 0.14, 300),
    ("Elektrotechnik", 0.12, 0.08, 290),
    ("Medizintechnik", 0.09, 0.04, 60),
    ("Landtechnik", 0.07, 0.34, 95),
    ("Möbel", 0.06, 0.18, 270),
    ("Lebensmittel", 0.05, 0.10, 330),
)
_CLOSED = ((1, 1), (5, 1), (10, 3), (12, 24), (12, 25), (12, 26), (12, 31))
_SUMMER, _CHRISTMAS = 0.62, 0.30
_COMMON_BEST_DAY = 160


@dataclass(frozen=True)
class World:
    """The firm's calendar and the fixed traits of its customers; arrays have one entry per customer.

    Parameters
    ----------
    seed : int
    days : array of datetime64[D]
        The calendar: `BURN_IN_DAYS` before the first exported day, and `OUTLOOK_DAYS` after the last.
    until : datetime64
        The export is made at the start of this day.
    season : array (days, industries)
        Factor on the buying rate; nought at weekends and on holidays.
    price_days : array of int
        Day indices on which a price rise takes effect.
    manager_leaves : int
        Day index at which the last account manager leaves.
    gap_days : array
        Usual days between two orders of a content customer.
    shape, unit : array
        How regular the gaps are (Weibull shape; 1 is random, 4 almost a clock), and the mean for that shape.
    size : array
        Factor on the amount of an order.
    industry, manager : array of int
    project : array of bool
        Buys for single projects: long irregular gaps, large orders.
    set_point : array
        Level to which the customer's satisfaction returns.
    price_sensitivity : array
        What a price rise costs in satisfaction.
    joins : array of int
        Day index of the first order; -1: a customer since before the first exported day.
    """

    seed: int
    days: Days
    until: np.datetime64
    season: Floats
    price_days: Ints
    manager_leaves: int
    gap_days: Floats
    shape: Floats
    unit: Floats
    size: Floats
    industry: Ints
    manager: Ints
    project: Bools
    set_point: Floats
    price_sensitivity: Floats
    joins: Ints

    @property
    def customers(self) -> int:
        """Number of customers."""
        return len(self.gap_days)

    @property
    def managers(self) -> int:
        """Number of account managers."""
        return managers_of(self.customers)

    @property
    def end(self) -> int:
        """Index of the day on which the export is made."""
        return len(self.days) - OUTLOOK_DAYS

    def index(self, day: date) -> int:
        """Return the index of a day in `days` (also of days after the end)."""
        return int((np.array(day, dtype="datetime64[D]") - self.days[0]).astype(np.int64))


def managers_of(customers: int) -> int:
    """Return how many account managers a firm of that size has."""
    return int(np.clip(customers // 300, 6, 10))


def calendar(first: np.datetime64, last: np.datetime64) -> tuple[Days, Bools]:
    """Return all days from `first` up to but without `last`, and which of them are working days.

    Examples
    --------
    >>> days, works = calendar(np.datetime64("2025-12-22"), np.datetime64("2025-12-29"))
    >>> works.tolist()
    [True, True, False, False, False, False, False]
    """
    days = np.arange(first, last, dtype="datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    of_month = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    closed = np.zeros(len(days), bool)
    for closed_month, closed_day in _CLOSED:
        closed |= (month == closed_month) & (of_month == closed_day)
    return days, (weekday < 5) & ~closed


def seasons(days: Days, works: Bools, common: float = 0.0) -> Floats:
    """Return the factor on the buying rate per day and industry; its mean over a year is one.

    Every industry has its own wave through the year, and all have a quiet August and Christmas. `common` is the
    strength of a wave that all share, at its best in early June.
    """
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1
    quiet = np.ones(len(days))
    quiet[(day_of_year >= 211) & (day_of_year <= 235)] = _SUMMER
    quiet[(day_of_year >= 356) | (day_of_year <= 6)] = _CHRISTMAS
    waves = [1 + strength * np.cos(2 * np.pi * (day_of_year - best) / 365.25) for _, _, strength, best in INDUSTRIES]
    if common:
        quiet *= 1 + common * np.cos(2 * np.pi * (day_of_year - _COMMON_BEST_DAY) / 365.25)
    raw = np.stack(waves, axis=1) * (quiet * works)[:, None]
    return np.asarray(raw / raw[: 4 * 365].mean(axis=0))


def make_world(customers: int, seed: int, years: int, until: date, common_season: float = 0.0) -> World:
    """Draw the fixed traits of a firm's customers."""
    end = np.datetime64(until, "D")
    leap = (until.month, until.day) == (2, 29)
    start = np.datetime64(until.replace(year=until.year - years, day=28 if leap else until.day), "D")
    days, works = calendar(start - np.timedelta64(BURN_IN_DAYS, "D"), end + np.timedelta64(OUTLOOK_DAYS, "D"))
    traits = stream(seed, "traits")
    project = traits.random(customers) < 0.24
    industry = traits.choice(len(INDUSTRIES), customers, p=[share for _, share, _, _ in INDUSTRIES])
    gap = np.where(
        project,
        np.exp(traits.normal(np.log(130), 0.35, customers)),
        np.exp(traits.normal(np.log(24), 0.72, customers)),
    )
    gap = np.clip(gap, 6, np.where(project, 260, 185))
    regular = traits.uniform(0.9, 1.4, customers) * np.clip(6 - 1.5 * np.log(gap / 10), 1.5, 6)
    shape = np.where(project, traits.uniform(1.1, 1.6, customers), regular)
    managers = managers_of(customers)
    joins = _joining_days(customers, seed, days, works)
    leaves = len(days) - OUTLOOK_DAYS - min(400, years * 365 // 2)
    return World(
        seed=seed,
        days=days,
        until=end,
        season=seasons(days, works, common_season),
        price_days=np.flatnonzero(np.char.endswith(days.astype(str), "-02-01")),
        manager_leaves=leaves,
        gap_days=gap,
        shape=shape,
        unit=np.array([gamma(1 + 1 / k) for k in shape]),
        size=np.exp(traits.normal(0, 0.7, customers)) * np.where(project, 5.0, 1.0),
        industry=industry,
        # who comes after the last manager has left is given to one of the others
        manager=traits.integers(np.where(joins >= leaves, managers - 1, managers)),
        project=project,
        set_point=traits.normal(0.35, 0.45, customers),
        price_sensitivity=np.where(traits.random(customers) < 0.35, traits.uniform(0.3, 0.9, customers), 0.0),
        joins=joins,
    )


def _joining_days(customers: int, seed: int, days: Days, works: Bools) -> Ints:
    """Spread the newcomers evenly: as many as leave, and a little growth."""
    draw = stream(seed, "joins")
    end = len(days) - OUTLOOK_DAYS
    years = (end - BURN_IN_DAYS) / 365
    share = 1 - 1 / (1 + 0.10 * years)
    when = draw.integers(BURN_IN_DAYS + 1, end, customers)
    working = np.flatnonzero(works[:end])
    when = working[np.minimum(np.searchsorted(working, when), len(working) - 1)]
    return np.where(draw.random(customers) < share, when, -1)
