"""What a day of waiting costs with a lead: the expected value that is lost until tomorrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crm_ml.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WaitingCurve:
    """The chance of being won by the hours until the first answer, as measured over all leads.

    Attributes
    ----------
    hours, chance : tuple of float
        Points of the curve, hours ascending; a chance that rises again with waiting is taken as level.
    usual : float
        The chance as leads are in fact answered.

    Examples
    --------
    >>> curve = WaitingCurve((1.0, 24.0, 72.0), (0.2, 0.1, 0.05), usual=0.1)
    >>> curve.lost_share(np.array([0.0, 24.0, 500.0])).round(3).tolist()
    [1.0, 0.315, 0.0]
    """

    hours: tuple[float, ...]
    chance: tuple[float, ...]
    usual: float

    def __post_init__(self) -> None:
        if len(self.hours) != len(self.chance) or list(self.hours) != sorted(set(self.hours)) or not self.usual > 0:
            raise UsageError(
                f"A waiting curve needs ascending hours, a chance for each and a usual chance above 0; found "
                f"{len(self.hours)} hours, {len(self.chance)} chances, usual {self.usual}"
            )

    def at(self, hours: npt.ArrayLike) -> Floats:
        """Return the chance after so many hours, between points linear in the logarithm of hours; level outside."""
        falling = np.minimum.accumulate(np.asarray(self.chance))
        known = np.log(np.asarray(self.hours))
        return np.interp(np.log(np.maximum(np.asarray(hours, np.float64), 1e-3)), known, falling)

    def lost_share(self, waited: npt.ArrayLike) -> Floats:
        """Return which share of a lead's usual chance is lost if it waits a day more."""
        now = np.asarray(waited, np.float64)
        return (self.at(now) - self.at(now + 24.0)) / self.usual


def lost_per_day(
    expected_value: npt.ArrayLike,
    waited_hours: npt.ArrayLike,
    *,
    curve: WaitingCurve | None,
    horizon_days: int,
) -> Floats:
    """Return the expected value that a lead loses if nothing is done until tomorrow.

    ``expected value x max(lost share, 1 / horizon)``: a lead that waits for us loses as measured over all leads
    (`WaitingCurve`, a correlation unless chance decided who was answered first); any other, and all of them where
    nothing was measured, loses its share of the horizon, so that the order among these is that of expected value.

    Parameters
    ----------
    expected_value : array-like of float
        Chance x value.
    waited_hours : array-like of float
        Hours since the lead has been waiting for us; missing: it does not.
    curve : WaitingCurve or None
        What was measured.
    horizon_days : int
        Of the label.

    Examples
    --------
    >>> curve = WaitingCurve((1.0, 24.0), (0.2, 0.1), usual=0.1)
    >>> lost_per_day([100.0, 100.0], [0.0, np.nan], curve=curve, horizon_days=50).round(2).tolist()
    [100.0, 2.0]
    """
    value, waited = np.asarray(expected_value, np.float64), np.asarray(waited_hours, np.float64)
    share = np.full(len(value), 1.0 / horizon_days)
    if curve is not None:
        waits = np.isfinite(waited)
        share[waits] = np.maximum(share[waits], curve.lost_share(np.maximum(waited[waits], 0.0)))
    return np.asarray(value * share)
