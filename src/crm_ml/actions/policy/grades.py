"""Grades A to D of leads, by the place of their expected value among the open leads of the day."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt

from crm_ml.actions.policy.schema import GRADES, GradeRule, GradeRules
from crm_ml.errors import UsageError

Floats = npt.NDArray[np.float64]
_TIE: Final = 1e-9
_NO_GRADE: Final = len(GRADES)


def assign_grades(
    expected_value: npt.ArrayLike, *, grades: GradeRules, previous: npt.ArrayLike | None = None
) -> list[str]:
    """Return the grade of each lead; the grades are also what is needed as `previous` the next time.

    A lead's place is the share of the leads that have a higher expected value. It has the first grade (A, B, C) of
    whose range, counted from the top, it is inside and whose ``min_expected_value`` it reaches; else, or where it is
    worth nothing, D. So whoever misses a least value falls to the next grade, whatever its share. Equal values have one
    place and so one grade: where many leads are worth the same, a grade may hold more than its share. The best lead has
    place 0, also when it is the only one.

    A grade that was given before stays while place and value are within ``hysteresis`` and ``value_hysteresis`` of what
    it takes. Of leads with equal values the grade that most of them had is looked at, if there is one.

    Parameters
    ----------
    expected_value : array-like of float
        Chance x value of the open leads of a day.
    grades : GradeRules
        Of the policy.
    previous : array-like of str or None, optional
        The grades of the same leads in the set before; null, or a grade that does not exist, for none.

    Returns
    -------
    list of str
        A, B, C or D, in the order of the leads.

    Raises
    ------
    UsageError
        If a value is not a finite number, or `previous` has another length.

    Examples
    --------
    >>> values = [100.0, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    >>> "".join(assign_grades(values, grades=GradeRules()))
    'ABBCCCDDDD'
    >>> "".join(assign_grades([5.0, 5.0, 1.0, 0.0], grades=GradeRules()))
    'AACD'
    >>> "".join(assign_grades(values, grades=GradeRules(), previous=[*"BACCCCDDDD"]))
    'AABCCCDDDD'
    """
    value = np.asarray(expected_value, dtype=np.float64)
    if not np.isfinite(value).all():
        raise UsageError("Each expected value must be a finite number", remedy="Score with a calibrated model.")
    before = [None] * len(value) if previous is None else list(np.asarray(previous, dtype=object))
    if len(before) != len(value):
        raise UsageError("expected_value and previous must have the same number of rows")
    if not len(value):
        return []
    equal, worth, place = _groups(value)
    old = _grade_before(equal, before, len(worth))
    now = _grade_of(place, worth, old, grades)
    plain = _grade_of(place, worth, np.full(len(worth), _NO_GRADE), grades)
    # ranges widened for the grade before: if it does not lead back to that grade, it says nothing
    found = np.where(now == old, now, plain)
    return [GRADES[rank] for rank in found[equal].tolist()]


def _groups(value: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Return for each lead its group of equal values, and for each group, best first, its value and place."""
    order = np.argsort(-value, kind="stable")
    ordered = value[order]
    first = np.r_[True, ordered[:-1] - ordered[1:] > _TIE * np.abs(ordered[:-1])]
    equal = np.empty(len(value), np.int64)
    equal[order] = np.cumsum(first) - 1
    return equal, ordered[first], np.flatnonzero(first) / len(value)


def _grade_before(equal: npt.NDArray[np.int64], before: list[object], groups: int) -> npt.NDArray[np.int64]:
    """Return the rank of the grade that most leads of each group had; none where that is no single one."""
    counts = Counter((group, GRADES.index(old)) for group, old in zip(equal.tolist(), before, strict=True) if _is(old))
    table = np.zeros((groups, _NO_GRADE), np.int64)
    for (group, rank), count in counts.items():
        table[group, rank] = count
    most = table.max(axis=1)
    single = (most > 0) & ((table == most[:, None]).sum(axis=1) == 1)
    return np.where(single, table.argmax(axis=1), _NO_GRADE)


def _is(old: object) -> bool:
    return isinstance(old, str) and old in GRADES


def _grade_of(place: Floats, worth: Floats, before: npt.NDArray[np.int64], grades: GradeRules) -> npt.NDArray[np.int64]:
    """Return the rank of the first grade of which all holds; who had it, or a better one, keeps it a little longer."""
    rules: tuple[GradeRule, ...] = (grades.a, grades.b, grades.c)
    ends = np.cumsum([rule.share for rule in rules])
    holds = []
    for rank, (rule, end) in enumerate(zip(rules, ends, strict=True)):
        # +1: keeps it longer, -1: must come further to get it
        side = np.where(before == _NO_GRADE, 0.0, np.where(before <= rank, 1.0, -1.0))
        least = 0.0 if rule.min_expected_value is None else rule.min_expected_value
        inside = place < end + side * grades.hysteresis - _TIE
        holds.append(inside & (worth > 0) & (worth >= least * (1 - side * grades.value_hysteresis)))
    return np.select(holds, list(range(len(holds))), len(holds))
