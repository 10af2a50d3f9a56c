"""How many deals will be opened: the newest year's rate, the season where two years show one, and how both scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
I64 = NDArray[np.int64]

YEAR = 12
MOST_YEARS = 5
_FEWEST_EVENTS = 0.5


def month_of(days: I64 | int) -> I64:
    """Return the calendar months of days since 1970-01-01, as months since January 1970.

    Examples
    --------
    >>> month_of(np.array([30, 31, 365])).tolist()
    [0, 1, 12]
    """
    found: I64 = np.asarray(days, np.int64).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return found


def first_day(months: I64 | int) -> I64:
    """Return the first days of calendar months, both counted since January 1970.

    Examples
    --------
    >>> first_day(np.array([0, 1, 12])).tolist()
    [0, 31, 365]
    """
    found: I64 = np.asarray(months, np.int64).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return found


@dataclass(frozen=True)
class Arrivals:
    """New deals per calendar month.

    Attributes
    ----------
    level : float
        Per month, season aside.
    events : float
        What the level rests on: the newest deals counted, less what is lost to scatter beyond chance.
    season : ndarray, shape (12,)
        Factor of each month of the year; ones where less than two years are known.
    dispersion : float
        Variance of a month over its mean, at least 1.
    months : int
        Whole months seen.
    """

    level: float
    events: float
    season: FloatArray
    dispersion: float
    months: int

    @property
    def is_seasonal(self) -> bool:
        """Whether the months differ."""
        return bool((self.season != 1.0).any())

    def draw(self, means: FloatArray, rng: np.random.Generator, size: int) -> I64:
        """Return draws of the number of new deals, shape (size, len(means)); `means` are factors of the level.

        Gamma-Poisson: the level is drawn once per row, and each month scatters around it by `dispersion`.
        """
        level = rng.gamma(max(self.events, _FEWEST_EVENTS), self.level / max(self.events, _FEWEST_EVENTS), size)
        rate = level[:, None] * means
        extra = self.dispersion - 1.0
        if extra > 0:
            rate = rng.gamma(np.maximum(rate / extra, 1e-12), extra)
        return rng.poisson(rate)


def fit_arrivals(opened: I64, day: int) -> Arrivals:
    """Return the rate of new deals as known at the start of a day.

    Whole calendar months count, without the one of the first deal: nobody knows when in it the record began. Season:
    the newest whole years (at most five), each month over its year's mean, ``f = (count + k) / (expected + k)`` with
    1 / k the variance between months beyond chance (method of moments); no such variance, no season.

    Parameters
    ----------
    opened : ndarray of int64
        Days on which deals were opened, all before `day`.
    day : int
        As the days, since 1970-01-01.

    Examples
    --------
    >>> opened = first_day(np.arange(0, 13)).repeat(4)  # four deals in each of thirteen months
    >>> arrivals = fit_arrivals(opened, int(first_day(13)))
    >>> arrivals.level, arrivals.months, arrivals.is_seasonal
    (4.0, 12, False)
    """
    month, now = month_of(opened), int(month_of(day))
    begin = int(month.min(initial=now)) + 1
    counts = np.bincount(np.clip(month - begin, -1, None) + 1, minlength=max(now - begin, 0) + 1)
    whole: FloatArray = counts[1 : max(now - begin, 0) + 1].astype(np.float64)
    years = min(len(whole) // YEAR, MOST_YEARS)
    if years < 2:
        newest = whole[-YEAR:]
        level = float(newest.mean()) if len(newest) else 0.0
        scatter = _dispersion(newest, np.full(len(newest), level), len(newest) - 1)
        return Arrivals(level, float(newest.sum()) / scatter, np.ones(YEAR), scatter, len(whole))
    blocks = whole[-years * YEAR :].reshape(years, YEAR)
    means = blocks.mean(axis=1)
    factors = _season(blocks.sum(axis=0), float(means.sum()))
    # a block's year runs up to now: back to January
    season = np.roll(factors, now % YEAR)
    level = float(blocks[-1].sum() / factors.sum())
    scatter = _dispersion(blocks.ravel(), (means[:, None] * factors).ravel(), years * (YEAR - 1))
    return Arrivals(level, float(blocks[-1].sum()) / scatter, season, scatter, len(whole))


def _season(counts: FloatArray, expected: float) -> FloatArray:
    if expected <= 0:
        return np.ones(YEAR)
    beyond = float((counts / expected).var(ddof=1)) - 1.0 / expected
    if beyond <= 0:
        return np.ones(YEAR)
    found: FloatArray = (counts + 1 / beyond) / (expected + 1 / beyond)
    return found


def _dispersion(counts: FloatArray, expected: FloatArray, freedom: int) -> float:
    seen = expected > 0
    if freedom < 1 or not seen.any():
        return 1.0
    return max(1.0, float(((counts[seen] - expected[seen]) ** 2 / expected[seen]).sum()) / freedom)
