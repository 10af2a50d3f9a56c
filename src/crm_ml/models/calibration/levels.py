"""Where the level of the probabilities comes from: all slices, the newest, or the same season of earlier years."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from crm_ml.models.calibration.curves import FloatArray
from crm_ml.models.calibration.fit import BoolArray, anchored, fit_calibration
from crm_ml.models.calibration.fitted import Calibration, DayArray, share_of_year

SEASON_DAYS = 365
RECENT_DAYS = 180
YEAR_SEEN_DAYS = SEASON_DAYS - 60
"""Slices must span so many days before anything is said about seasons."""
_SAME_SEASON_DAYS = 45
_CELLS = 50


@dataclass(frozen=True)
class Slices:
    """Out-of-time predictions with what happened; `weights` says how often each row counts.

    Attributes
    ----------
    margin : numpy.ndarray of float, shape (rows,)
        Raw log-odds.
    y : numpy.ndarray of bool
    days : numpy.ndarray of datetime64[D]
        Day of the prediction; all rows of a day are one slice.
    weights : numpy.ndarray of float
    """

    margin: FloatArray
    y: BoolArray
    days: DayArray
    weights: FloatArray

    def take(self, rows: BoolArray) -> Slices:
        """Return the chosen rows."""
        return Slices(self.margin[rows], self.y[rows], self.days[rows], self.weights[rows])

    def newest(self, days: int) -> BoolArray:
        """Return which rows lie less than so many days before the newest slice."""
        return np.asarray(self.days > self.days.max() - np.timedelta64(days, "D"))

    @cached_property
    def plain(self) -> Calibration:
        """The sigmoid fitted on all these rows."""
        return fit_calibration(self.margin, self.y, weights=self.weights)

    @cached_property
    def waved(self) -> Calibration:
        """The sigmoid with one wave through the year, fitted on all these rows."""
        return fit_calibration(self.margin, self.y, weights=self.weights, days=self.days, harmonics=1)

    @property
    def span_days(self) -> int:
        """Days from the oldest slice to the newest."""
        return int((self.days.max() - self.days.min()) / np.timedelta64(1, "D")) if len(self.days) else 0

    @property
    def events(self) -> int:
        """Rows of the rarer outcome."""
        churned = float(self.weights[self.y].sum())
        return int(min(churned, float(self.weights.sum()) - churned))

    def in_cells(self) -> Slices:
        """Return nearly the same in few rows: neighbours of a slice share their mean margin, and are counted.

        Fits on cells cost a fiftieth and differ in the third digit; only choices are made on them.
        """
        margin, y, weights, days = [], [], [], []
        for day in np.unique(self.days):
            here = np.flatnonzero(self.days == day)
            here = here[np.lexsort((self.y[here], self.margin[here]))]
            for cell in np.array_split(here, min(_CELLS, len(here))):
                churned = int(self.y[cell].sum())
                for outcome, count in ((True, churned), (False, len(cell) - churned)):
                    if count:
                        margin.append(float(self.margin[cell].mean()))
                        y.append(outcome)
                        weights.append(float(count))
                        days.append(day)
        return Slices(np.array(margin), np.array(y, bool), np.array(days, "datetime64[D]"), np.array(weights))


def slices(margin: FloatArray, y: BoolArray, days: DayArray) -> Slices:
    """Return rows that count once each, sorted, so that their order can never matter."""
    margin, days = np.asarray(margin, np.float64), days.astype("datetime64[D]")
    order = np.lexsort((y, margin, days))
    return Slices(margin[order], y[order], days[order], np.ones(len(y)))


def _at(calibration: Calibration, rows: Slices) -> Calibration:
    return anchored(calibration, rows.margin, rows.y, rows.days, weights=rows.weights)


def all_slices(rows: Slices, label_days: int) -> Calibration:
    """Return the sigmoid fitted on all slices."""
    return rows.plain


def re_anchored(rows: Slices, label_days: int) -> Calibration:
    """Return the slope of all slices with the level of those of the newest label window."""
    return _at(rows.plain, rows.take(rows.newest(label_days)))


def recent_days(label_days: int) -> int:
    """Return how far back `recent` looks: half a year, and two label windows at least."""
    return max(RECENT_DAYS, 2 * label_days)


def recent(rows: Slices, label_days: int) -> Calibration | None:
    """Return the sigmoid fitted on the slices of the newest half year; None where there are no older ones."""
    newest = rows.newest(recent_days(label_days))
    return None if newest.all() else rows.take(newest).plain


def last_year(rows: Slices, label_days: int) -> Calibration | None:
    """Return the slope of all slices with, for each time of the year, the level that it had a year ago.

    Levels are those of the slices of the newest year, each estimated with its neighbours within 45 days.
    """
    if rows.span_days < YEAR_SEEN_DAYS:
        return None
    fitted, year = rows.plain, rows.take(rows.newest(SEASON_DAYS))
    return replace(fitted, year=_profile(fitted, year))


def _profile(fitted: Calibration, rows: Slices) -> tuple[tuple[float, float], ...]:
    share = share_of_year(rows.days)
    added = {}
    for at in np.unique(share):
        away = np.abs(share - at)
        near = np.minimum(away, 1.0 - away) <= _SAME_SEASON_DAYS / SEASON_DAYS
        added[float(at)] = _at(fitted, rows.take(near)).intercept - fitted.intercept
    return tuple(added.items())


def wave(rows: Slices, label_days: int) -> Calibration | None:
    """Return the sigmoid with one wave through the year; None before a year has been seen."""
    return None if rows.span_days < YEAR_SEEN_DAYS else rows.waved


def wave_re_anchored(rows: Slices, label_days: int) -> Calibration | None:
    """Return slope and wave of all slices with the level of those of the newest label window."""
    fitted = wave(rows, label_days)
    return None if fitted is None else _at(fitted, rows.take(rows.newest(label_days)))


LEVELS: Mapping[str, Callable[[Slices, int], Calibration | None]] = {
    function.__name__: function for function in (all_slices, re_anchored, recent, last_year, wave, wave_re_anchored)
}
"""Ways to set the level, the simpler ones first; each gives None where the history is too short for it."""
