"""A calibration out of the JSON of a bundle: exactly the keys of its kind, and numbers that make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from crm_ml.models.calibration.curves import MIN_SLOPE, BetaCurve, Curve, IsotonicCurve, Line
from crm_ml.models.calibration.fitted import Calibration

_COMMON = {"kind", "intercept", "slope", "season"}
_OWN = {"sigmoid": set[str](), "beta": {"a", "b", "c"}, "isotonic": {"x", "z"}}


def calibration_from_json(value: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `Calibration.as_json` wrote; files with nothing but a sigmoid are as old as bundles.

    Raises
    ------
    ValueError
        If a key is missing, added or of another type, a number is not finite, or the curve would turn the ranking
        round; the message says which.

    Examples
    --------
    >>> calibration_from_json({"kind": "sigmoid", "intercept": 0.5, "slope": 1, "season": []}).slope
    1.0
    >>> calibration_from_json({"kind": "sigmoid", "intercept": 0.5, "slope": -1, "season": []})
    Traceback (most recent call last):
        ...
    ValueError: the calibration's slope must be positive; found -1.0
    """
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _OWN:
        raise ValueError(f"unknown kind of calibration {kind!r}; known are {', '.join(_OWN)}")
    keys = _COMMON | _OWN[kind]
    if set(value) - {"year"} != keys:
        raise ValueError(f"expected exactly the keys {sorted(keys)}")
    slope = _number(value["slope"])
    if slope <= 0:
        raise ValueError(f"the calibration's slope must be positive; found {slope}")
    season = _numbers(value["season"])
    if len(season) % 2:
        raise ValueError("season coefficients must come in pairs")
    year = _year(value["year"]) if "year" in value else ()
    return Calibration(_number(value["intercept"]), slope, season, year, _curve(kind, value))


def _curve(kind: str, value: Mapping[str, Any]) -> Curve:
    if kind == "beta":
        a, b, c = (_number(value[key]) for key in ("a", "b", "c"))
        if min(a, b) < MIN_SLOPE:
            raise ValueError(f"a and b of a beta calibration must be at least {MIN_SLOPE}; found {a} and {b}")
        return BetaCurve(a, b, c)
    if kind == "isotonic":
        x, z = _numbers(value["x"]), _numbers(value["z"])
        if not x or len(x) != len(z) or not _increases(x) or not _increases(z):
            raise ValueError("the knots of an isotonic calibration must be as many and increase strictly")
        return IsotonicCurve(x, z)
    return Line()


def _year(value: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("year must be a list of pairs that is not empty")
    pairs = []
    for entry in value:
        pair = _numbers(entry)
        if len(pair) != 2 or not 0 <= pair[0] < 1:
            raise ValueError(f"year must hold pairs of a share of the year in [0, 1) and a number, found {entry!r}")
        pairs.append((pair[0], pair[1]))
    if not _increases([share for share, _ in pairs]):
        raise ValueError("the shares of the year must increase strictly")
    return tuple(pairs)


def _increases(values: Sequence[float]) -> bool:
    return all(left < right for left, right in pairwise(values))


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list of numbers, found {value!r}")
    return tuple(_number(entry) for entry in value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value!r}")
    return float(value)
