"""The three shapes a calibration may have: a straight line on the log-odds, a bent one, or steps from the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MIN_SLOPE = 0.01
"""No curve is flatter than this anywhere: two customers with different margins never get the same log-odds."""


def sigmoid(z: FloatArray) -> FloatArray:
    """Return ``1 / (1 + exp(-z))`` without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1e9, 0.0, 1e9])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(z, dtype=np.float64))), dtype=np.float64)


class Curve(Protocol):
    """A strictly increasing function from log-odds to log-odds."""

    @property
    def kind(self) -> str:
        """``sigmoid``, ``beta`` or ``isotonic``."""
        ...

    def __call__(self, log_odds: FloatArray) -> FloatArray:
        """Return calibrated log-odds, same shape."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return what is stored beside the kind, JSON-ready."""
        ...


@dataclass(frozen=True)
class Line:
    """No bend: the calibration is a sigmoid (Platt 1999).

    Examples
    --------
    >>> Line()(np.array([0.5])).tolist()
    [0.5]
    """

    kind = "sigmoid"

    def __call__(self, log_odds: FloatArray) -> FloatArray:
        """Return the log-odds as they are."""
        return log_odds

    def as_json(self) -> dict[str, Any]:
        """Return nothing: a line has no numbers of its own."""
        return {}


@dataclass(frozen=True)
class BetaCurve:
    """``logit q = a ln p - b ln(1 - p) + c`` with p the probability given (Kull, Silva Filho, Flach 2017).

    With log-odds m of p this is ``c - a softplus(-m) + b softplus(m)``: slope a far below p = .5, slope b far above.
    With a = b it is a sigmoid.

    Attributes
    ----------
    a, b : float
        At least 0.01, so that the ranking stays.
    c : float

    Examples
    --------
    >>> BetaCurve(1.0, 1.0, 0.0)(np.array([-2.0, 0.0, 2.0])).round(12).tolist()
    [-2.0, 0.0, 2.0]
    >>> q = BetaCurve(2.0, 1.0, 0.0)(np.array([0.0]))  # 2 ln .5 - ln .5 = ln .5, so q = 1/3
    >>> round(float(sigmoid(q)[0]), 4)
    0.3333
    """

    a: float
    b: float
    c: float
    kind = "beta"

    def __call__(self, log_odds: FloatArray) -> FloatArray:
        """Return calibrated log-odds."""
        return np.asarray(self.c - self.a * np.logaddexp(0.0, -log_odds) + self.b * np.logaddexp(0.0, log_odds))

    def as_json(self) -> dict[str, Any]:
        """Return the three numbers."""
        return {"a": self.a, "b": self.b, "c": self.c}


@dataclass(frozen=True)
class IsotonicCurve:
    """Straight pieces between knots that both increase strictly; beyond the outer knots the slope is 0.01.

    Attributes
    ----------
    x, z : tuple of float
        Log-odds given and calibrated, at each knot.

    Examples
    --------
    >>> IsotonicCurve((0.0, 2.0), (1.0, 2.0))(np.array([-100.0, 1.0, 102.0])).tolist()
    [0.0, 1.5, 3.0]
    """

    x: tuple[float, ...]
    z: tuple[float, ...]
    kind = "isotonic"

    def __call__(self, log_odds: FloatArray) -> FloatArray:
        """Return calibrated log-odds."""
        beyond = np.minimum(log_odds - self.x[0], 0.0) + np.maximum(log_odds - self.x[-1], 0.0)
        return np.asarray(np.interp(log_odds, self.x, self.z) + MIN_SLOPE * beyond)

    def as_json(self) -> dict[str, Any]:
        """Return the knots."""
        return {"x": list(self.x), "z": list(self.z)}
