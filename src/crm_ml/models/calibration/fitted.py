"""A fitted calibration: level, slope, season and curve, from log-odds to a probability that keeps its word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import DataError
from crm_ml.models.calibration.curves import Curve, FloatArray, Line, sigmoid

DayArray = NDArray[np.datetime64]
CLIP = 1e-6


def share_of_year(days: DayArray) -> FloatArray:
    """Return how much of its year has gone by at the start of each day, in [0, 1).

    Examples
    --------
    >>> share_of_year(np.array(["2025-01-01", "2024-07-02"], dtype="datetime64[D]")).tolist()
    [0.0, 0.5]
    """
    starts = days.astype("datetime64[Y]")
    first, following = starts.astype("datetime64[D]"), (starts + np.timedelta64(1, "Y")).astype("datetime64[D]")
    return np.asarray(
        (days.astype("datetime64[D]") - first).astype(np.float64) / (following - first).astype(np.float64)
    )


def season_terms(days: DayArray, harmonics: int) -> FloatArray:
    """Return sine and cosine of the day in the year, two columns per harmonic."""
    share = share_of_year(days)
    columns = [f(2 * np.pi * (k + 1) * share) for k in range(harmonics) for f in (np.sin, np.cos)]
    return np.column_stack(columns) if columns else np.zeros((len(days), 0))


@dataclass(frozen=True)
class Calibration:
    """``p = sigmoid(curve(intercept + slope * margin + season + year))``, clipped to [1e-6, 1 - 1e-6].

    Attributes
    ----------
    intercept, slope : float
        Level and slope on the log-odds; the slope is positive, so the ranking within a day never changes.
    season : tuple of float
        Sine and cosine coefficients of the day in the year (pairs per harmonic); empty: no wave.
    year : tuple of (float, float)
        Share of the year gone by, and what is added to the log-odds then: as at the same time last year. Between
        two of them, and round the turn of the year, straight lines; empty: nothing is added.
    curve : Curve
        What bends the result: `Line` (a sigmoid), `BetaCurve` or `IsotonicCurve`.

    Examples
    --------
    >>> Calibration(0.0, 1.0).probability(np.array([0.0, 1e4, -np.inf])).tolist()
    [0.5, 0.999999, 1e-06]
    >>> flat = Calibration(0.0, 1.0, year=((0.0, 0.0), (0.5, 1.0)))
    >>> days = np.array(["2025-01-01", "2025-04-02"], dtype="datetime64[D]")
    >>> flat.log_odds(np.zeros(2), days).round(2).tolist()
    [0.0, 0.5]
    """

    intercept: float
    slope: float
    season: tuple[float, ...] = ()
    year: tuple[tuple[float, float], ...] = ()
    curve: Curve = field(default_factory=Line)

    @property
    def kind(self) -> str:
        """``sigmoid``, ``beta`` or ``isotonic``."""
        return self.curve.kind

    @property
    def needs_days(self) -> bool:
        """Whether the probability depends on the day."""
        return bool(self.season or self.year)

    def log_odds(self, margin: FloatArray, days: DayArray | None = None) -> FloatArray:
        """Return calibrated log-odds before the curve, shape (rows,).

        Raises
        ------
        DataError
            If the calibration follows the season and no days are given.
        """
        z = self.intercept + self.slope * np.asarray(margin, dtype=np.float64)
        if not self.needs_days:
            return z
        if days is None:
            raise DataError(
                "This model's calibration follows the season: the frame must have the column as_of",
                remedy="Keep as_of in the feature table.",
                code="missing_column",
            )
        terms = season_terms(days, len(self.season) // 2)
        for j, coefficient in enumerate(self.season):
            z = z + coefficient * np.ascontiguousarray(terms[:, j])
        if self.year:
            shares, added = (np.array(column) for column in zip(*self.year, strict=True))
            z = z + np.interp(share_of_year(days), shares, added, period=1.0)
        return z

    def probability(self, margin: FloatArray, days: DayArray | None = None) -> FloatArray:
        """Return calibrated probabilities, shape (rows,).

        Parameters
        ----------
        margin : numpy.ndarray of float
            Raw log-odds.
        days : numpy.ndarray of datetime64, optional
            Day of each row; needed where `needs_days`.

        Raises
        ------
        DataError
            If the calibration follows the season and no days are given.
        """
        return np.clip(sigmoid(self.curve(self.log_odds(margin, days))), CLIP, 1.0 - CLIP)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON-ready values; `year` only where there is one."""
        year = {"year": [list(pair) for pair in self.year]} if self.year else {}
        return {
            "kind": self.kind,
            "intercept": self.intercept,
            "slope": self.slope,
            "season": list(self.season),
            **year,
            **self.curve.as_json(),
        }
