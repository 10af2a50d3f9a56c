"""Where the conditions of a rule hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.actions.policy.schema import Conditions, FeatureCondition, Range, RangeOrNull
from crm_ml.actions.policy.subjects import Floats, Mask, Subjects, Words


def holds(when: Conditions, subjects: Subjects) -> Mask:
    """Return for which subjects everything holds that the conditions name."""
    masks = [_HOLDS[name](getattr(when, name), subjects) for name in sorted(named(when))]
    return _all(masks, len(subjects))


def named(when: Conditions) -> set[str]:
    """Return which conditions are given at all.

    Examples
    --------
    >>> named(Conditions(tier=("high",), notes=()))
    {'tier'}
    """
    return {name for name in Conditions.model_fields if getattr(when, name) not in (None, (), {})}


def _all(masks: Iterable[Mask], size: int) -> Mask:
    found = np.ones(size, dtype=bool)
    for mask in masks:
        found &= mask
    return found


def _one_of(values: Words, wanted: Iterable[str]) -> Mask:
    return np.asarray(pd.Index(values).isin(list(wanted)), dtype=bool)


def _in_range(values: Floats, range_: Range) -> Mask:
    inside = np.ones(len(values), dtype=bool)
    if range_.min is not None:
        inside &= values >= range_.min
    if range_.max is not None:
        inside &= values <= range_.max
    if isinstance(range_, RangeOrNull) and range_.is_null is not None:
        inside &= np.isnan(values) == range_.is_null
    return inside


def _features(wanted: dict[str, FeatureCondition], subjects: Subjects) -> Mask:
    return _all([_feature(name, condition, subjects) for name, condition in wanted.items()], len(subjects))


def _feature(name: str, condition: FeatureCondition, subjects: Subjects) -> Mask:
    if condition.one_of is None and condition.min is None and condition.max is None:
        known = np.array([value is not None for value in subjects.words(name)], dtype=bool)
        return known != condition.is_null if condition.is_null is not None else np.ones(len(known), dtype=bool)
    if condition.one_of is None:
        return _in_range(subjects.numbers(name), condition)
    words = subjects.words(name)
    chosen = np.array([word is not None and str(word) in condition.one_of for word in words], dtype=bool)
    return chosen & (not condition.is_null)


def _with_notes(wanted: tuple[str, ...], subjects: Subjects) -> Mask:
    return np.array([set(wanted) <= notes for notes in subjects.notes], dtype=bool)


def _without_notes(unwanted: tuple[str, ...], subjects: Subjects) -> Mask:
    return np.array([notes.isdisjoint(unwanted) for notes in subjects.notes], dtype=bool)


_HOLDS: dict[str, Callable[[Any, Subjects], Mask]] = {
    "tier": lambda wanted, subjects: _one_of(subjects.words("risk_tier"), wanted),
    "p": lambda wanted, subjects: _in_range(subjects.numbers("p"), wanted),
    "value": lambda wanted, subjects: _in_range(subjects.numbers("value_at_stake"), wanted),
    "open_issue": lambda wanted, subjects: (subjects.complaint | subjects.dispute) == wanted,
    "open_complaint": lambda wanted, subjects: subjects.complaint == wanted,
    "open_dispute": lambda wanted, subjects: subjects.dispute == wanted,
    "marketing_basis": lambda wanted, subjects: _one_of(subjects.basis, wanted),
    "natural_person": lambda wanted, subjects: _one_of(subjects.natural_person, wanted),
    "days_since_last_action": lambda wanted, subjects: _in_range(subjects.numbers("days_since_last_action"), wanted),
    "status": lambda wanted, subjects: _one_of(subjects.status, wanted),
    "notes": _with_notes,
    "without_notes": _without_notes,
    "features": _features,
}
