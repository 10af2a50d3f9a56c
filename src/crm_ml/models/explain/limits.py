"""From where a value is good or bad: the limits that tones are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Number = float | FloatArray
NEVER: Final = float("nan")


@dataclass(frozen=True)
class Limits:
    """From where a value is good or bad; nan: never. `worse` says which side worries."""

    worse: Literal["low", "high"]
    bad: Number
    good: Number

    def is_bad(self, value: Number) -> BoolArray:
        """Return where a value worries."""
        return np.asarray(value <= self.bad if self.worse == "low" else value >= self.bad)

    def is_good(self, value: Number) -> BoolArray:
        """Return where a value is something good."""
        return np.asarray(value >= self.good if self.worse == "low" else value <= self.good)


def low(bad: Number, good: Number) -> Limits:
    """Return the limits of a value that worries when it is low."""
    return Limits("low", bad, good)


def high(good: Number, bad: Number) -> Limits:
    """Return the limits of a value that worries when it is high."""
    return Limits("high", bad, good)
