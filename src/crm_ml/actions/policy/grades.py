"""Grades A to D of leads, by the place of their expected value among the open leads of the day."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from crm_ml.actions.policy.schema import GRADES, GradeRules
from crm_ml.errors import UsageError

_TIE: Final = 1e-9


def assign_grades(
    expected_value: npt.ArrayLike, *, grades: GradeRules, previous: npt.ArrayLike | None = None
) -> list[str]:
    """Return the grade of each lead.

    A lead's place is the share of leads with a higher expected value; equal values have one place and so one grade. A
    grade that was given before stays while the place is within ``hysteresis`` of its range.

    Parameters
    ----------
    expected_value : array-like of float
        Chance x value of the open leads of a day.
    grades : GradeRules
        How large the shares are.
    previous : array-like of str or None, optional
        The grades of the same leads in the set before, None where there was none.

    Raises
    ------
    UsageError
        If a value is not a finite number, or `previous` has another length.

    Examples
    --------
    >>> values = [100.0, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    >>> "".join(assign_grades(values, grades=GradeRules()))
    'ABBCCCDDDD'
    >>> "".join(assign_grades([5.0, 5.0, 1.0], grades=GradeRules()))
    'AAD'
    >>> assign_grades([9.0, *values], grades=GradeRules(hysteresis=0.3), previous=["C", *[None] * 10])[0]
    'D'
    """
    value = np.asarray(expected_value, dtype=np.float64)
    if not np.isfinite(value).all():
        raise UsageError("Each expected value must be a finite number", remedy="Score with a calibrated model.")
    before = [None] * len(value) if previous is None else list(np.asarray(previous, dtype=object))
    if len(before) != len(value):
        raise UsageError("expected_value and previous must have the same number of rows")
    if not len(value):
        return []
    ordered = np.sort(value)
    higher = len(value) - np.searchsorted(ordered, value * (1 + _TIE), side="right")
    place = higher / len(value)
    ends = np.cumsum([grades.a, grades.b, grades.c])
    found = np.searchsorted(ends, place + _TIE, side="right")
    lower, upper = np.array([0.0, *ends]), np.array([*ends, 1.0])
    result: list[str] = []
    for now, at, old in zip(found.tolist(), place.tolist(), before, strict=True):
        rank = GRADES.index(old) if old in GRADES else now
        stays = lower[rank] - grades.hysteresis <= at < upper[rank] + grades.hysteresis
        result.append(GRADES[rank if stays else now])
    return result
