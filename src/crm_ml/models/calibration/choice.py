"""Which calibration: every option is tried on slices it could not have seen, and the simpler one wins a tie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from crm_ml.models.calibration.curves import Curve, FloatArray
from crm_ml.models.calibration.fit import BoolArray, fit_beta, fit_isotonic
from crm_ml.models.calibration.fitted import Calibration, DayArray
from crm_ml.models.calibration.levels import LEVELS, Slices, all_slices, recent, recent_days, slices, wave
from crm_ml.models.evaluation.metrics import log_loss

LABEL_DAYS = 90
LEAST_GAIN = 0.002
"""The share of the log loss that an option must save, beside its noise."""
LEAST_BLOCKS = 3
"""An option is judged on at least so many label windows."""
LEAST_EVENTS = 20
CURVE_EVENTS = 200
"""Rows of the rarer outcome below which nothing but a sigmoid is tried."""
_CURVES = ("sigmoid", "beta", "isotonic")


@dataclass(frozen=True)
class Trial:
    """One option and how it did on the slices it was judged on.

    Attributes
    ----------
    step : {"level", "curve"}
        What was being chosen.
    option : str
        A name of `LEVELS`, or ``sigmoid``, ``beta``, ``isotonic``.
    slices : int
        Judged slices on which both it and what it had to beat could be fitted.
    log_loss, before : float
        Mean over those slices, of the option and of what it had to beat.
    gain : float
        What it saves of the log loss, each label window counting the same.
    off : float
        Mean over those slices of |mean prediction - rate|.
    noise : float
        Standard error of the gain, from label windows.
    chosen : bool
        Whether it is what serves.
    why : str
        In words.
    """

    step: str
    option: str
    slices: int
    log_loss: float
    before: float
    gain: float
    off: float
    noise: float
    chosen: bool
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; None where nothing could be judged."""
        return {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Choice:
    """A calibration fitted on all slices, how its level is set, and what was tried."""

    calibration: Calibration
    level: str
    trials: tuple[Trial, ...]

    @property
    def serving(self) -> Trial:
        """The trial of what serves: of the chosen curve with the chosen level."""
        return [trial for trial in self.trials if trial.chosen][-1]

    def as_dict(self) -> dict[str, Any]:
        """Return what was chosen and what was tried, JSON-ready."""
        return {
            "kind": self.calibration.kind,
            "level": self.level,
            "trials": [trial.as_dict() for trial in self.trials],
        }


def calibrate(
    margin: FloatArray, y: BoolArray, days: DayArray, *, label_days: int = LABEL_DAYS, choose_curve: bool = True
) -> Calibration:
    """Fit the calibration that did best on out-of-time predictions a label window ahead; see `choose_calibration`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = np.repeat(np.arange("2023-01-01", "2025-12-01", 30, dtype="datetime64[D]"), 300)
    >>> wave = np.sin(2 * np.pi * (days - days[0]).astype(float) / 365.25)
    >>> margin = rng.normal(size=len(days))
    >>> fitted = calibrate(margin, rng.random(len(days)) < 1 / (1 + np.exp(-margin - wave)), days)
    >>> fitted.needs_days
    True
    >>> calibrate(margin, rng.random(len(days)) < 1 / (1 + np.exp(-margin)), days).needs_days
    False
    """
    return choose_calibration(margin, y, days, label_days=label_days, choose_curve=choose_curve).calibration


def choose_calibration(
    margin: FloatArray, y: BoolArray, days: DayArray, *, label_days: int = LABEL_DAYS, choose_curve: bool = True
) -> Choice:
    """Choose level and curve by a backtest within the history, and fit the chosen ones on all of it.

    Each slice in turn is predicted by what could have been fitted at its day: on slices whose label windows had ended
    by then. First the ways to set the level are compared (`LEVELS`, as sigmoids), then, with the level chosen, a
    sigmoid, beta calibration and isotonic regression. The options are walked from the simplest on; one replaces the
    one before if on the slices that both could predict it saves more than a standard error of the log loss (from
    label windows, of which there must be at least three), and more than 0.2 % of it.

    Parameters
    ----------
    margin : numpy.ndarray of float, shape (rows,)
        Raw log-odds, predicted out of time.
    y : numpy.ndarray of bool, shape (rows,)
        What happened.
    days : numpy.ndarray of datetime64, shape (rows,)
        Day of the prediction.
    label_days : int
        From the day of a prediction to the end of its label window.
    choose_curve : bool
        False: a sigmoid, only its level is chosen.
    """
    rows = slices(margin, y, days)
    tasks = _tasks(rows, label_days)
    level, trials = _walk(
        "level", tuple(LEVELS), lambda name: _predictions(tasks, name, "sigmoid", label_days), label_days
    )
    curve, more = "sigmoid", tuple[Trial, ...]()
    if choose_curve:
        curve, more = _walk("curve", _CURVES, lambda name: _predictions(tasks, level, name, label_days), label_days)
    fitted = _fit(rows, level, curve, label_days)
    return Choice(fitted or LEVELS[level](rows, label_days) or all_slices(rows, label_days), level, trials + more)


@dataclass(frozen=True)
class _Judged:
    """Log loss and |mean prediction - rate| of an option on each slice that it could predict, by day."""

    loss: Mapping[np.datetime64, float]
    off: Mapping[np.datetime64, float]


def _fit(rows: Slices, level: str, curve: str, label_days: int) -> Calibration | None:
    """Return the calibration of that form, or None where these slices do not allow it."""
    fitted = LEVELS[level](rows, label_days)
    if fitted is None or curve == "sigmoid":
        return fitted
    # a curve is fitted where level and slope are those of its own rows: beside an anchored level it would undo it
    base = {"re_anchored": all_slices, "wave_re_anchored": wave}.get(level, LEVELS[level])(rows, label_days)
    seen = rows.take(rows.newest(recent_days(label_days))) if level == recent.__name__ else rows
    if base is None or seen.events < CURVE_EVENTS:
        return None
    fit = fit_beta if curve == "beta" else fit_isotonic
    bent: Curve = fit(base.log_odds(seen.margin, seen.days), seen.y, weights=seen.weights)
    return replace(fitted, curve=bent)


def _tasks(rows: Slices, label_days: int) -> list[tuple[Slices, Slices]]:
    """Return (what could be fitted on at its day, in cells; the slice) for every slice that has enough before it."""
    cells, tasks = rows.in_cells(), []
    for day in np.unique(rows.days):
        past = cells.take(cells.days + np.timedelta64(label_days, "D") <= day)
        if len(past.y) and past.events >= LEAST_EVENTS:
            tasks.append((past, rows.take(rows.days == day)))
    return tasks


def _predictions(tasks: Sequence[tuple[Slices, Slices]], level: str, curve: str, label_days: int) -> _Judged:
    loss, off = {}, {}
    for past, here in tasks:
        fitted = _fit(past, level, curve, label_days)
        if fitted is not None:
            p, day = fitted.probability(here.margin, here.days), here.days[0]
            loss[day], off[day] = float(log_loss(here.y, p)), abs(float(p.mean() - here.y.mean()))
    return _Judged(loss, off)


def _walk(
    step: str, names: Sequence[str], judge: Callable[[str], _Judged], label_days: int
) -> tuple[str, tuple[Trial, ...]]:
    """Go from the simplest option on; return the last one standing, and how each did against the one before."""
    standing, best, trials = names[0], judge(names[0]), []
    trials.append(_trial(step, names[0], best, best, label_days, first=True))
    for name in names[1:]:
        found = judge(name)
        trial = _trial(step, name, found, best, label_days)
        trials.append(trial)
        if trial.chosen:
            standing, best = name, found
    return standing, tuple(replace(trial, chosen=trial.option == standing) for trial in trials)


def _trial(step: str, name: str, found: _Judged, best: _Judged, label_days: int, *, first: bool = False) -> Trial:
    common = sorted(set(found.loss) & set(best.loss))
    if not common:
        nan = float("nan")
        return Trial(step, name, 0, nan, nan, nan, nan, nan, first, "too little history, or too few of one outcome")
    gains = np.array([best.loss[day] - found.loss[day] for day in common])
    block = np.array([(day - common[0]) // np.timedelta64(label_days, "D") for day in common])
    means = np.array([gains[block == k].mean() for k in np.unique(block)])
    noise = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("nan")
    loss, before, off = (float(np.mean([kind[day] for day in common])) for kind in (found.loss, best.loss, found.off))
    gain, chosen = float(means.mean()), first
    if first:
        why = "the simplest"
    elif len(means) < LEAST_BLOCKS:
        windows = "one label window" if len(means) == 1 else f"{len(means)} label windows"
        why = f"judged on {windows}, {LEAST_BLOCKS} are needed"
    else:
        needed = max(noise, LEAST_GAIN * before)
        chosen = gain > needed
        why = f"gain {gain:+.5f} in log loss, {'more' if chosen else 'not more'} than {needed:.5f}"
    return Trial(step, name, len(common), loss, before, gain, off, noise, chosen, why)
