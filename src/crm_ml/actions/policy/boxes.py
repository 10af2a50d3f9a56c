"""Conditions as sets: which cases a rule covers, and which of them rules before it leave over.

Every number is cut into finitely many pieces at the limits that some rule names, so that the cases of a rule are a box:
one finite set per dimension. What is left of a box after taking others away is found exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from crm_ml.actions.policy.conditions import named
from crm_ml.actions.policy.schema import (
    TIERS,
    Conditions,
    FeatureCondition,
    Policy,
    Range,
    RangeOrNull,
    Rule,
    TierRules,
)

Box = Mapping[str, frozenset[Any]]
ISSUE = "issue"
NO_ISSUE = (False, False)
_MANY = 2_000


class Case(Enum):
    """Cases that are no value of their own."""

    NULL = "unknown"
    OTHER = "any other"


_FIXED: dict[str, frozenset[Any]] = {
    ISSUE: frozenset(itertools.product((False, True), repeat=2)),
    "marketing_basis": frozenset(["consent", "existing_customer", "none", "unknown"]),
    "natural_person": frozenset(["yes", "no", "unknown"]),
    "status": frozenset(["active", "blocked", "terminated", "insolvent", Case.OTHER]),
}


class Space:
    """All cases that a policy can tell apart.

    Parameters
    ----------
    policy : Policy
        Its rules say where the numbers are cut.
    """

    def __init__(self, policy: Policy) -> None:
        self._tiers = policy.tiers
        self._points = {name: _points(limits) for name, limits in _limits(policy).items()}
        self._texts = _texts(policy.rules)
        notes = {name for rule in policy.rules for name in (*rule.when.notes, *rule.when.without_notes)}
        days = self._points["days_since_last_action"]
        risks = frozenset((tier, p) for tier in TIERS for p in self._points["p"] if _possible(tier, p, policy.tiers))
        self.everything: Box = {
            **_FIXED,
            "risk": risks,
            "value": frozenset(self._points["value"]),
            "days_since_last_action": frozenset([*(day for day in days if day >= 0), Case.NULL]),
            **{f"note {name}": frozenset([True, False]) for name in notes},
            **{f"feature {name}": frozenset(self._feature_cases(name)) for name in policy.features},
        }

    def box(self, when: Conditions) -> Box:
        """Return the cases that conditions cover."""
        cases = dict(self.everything)
        for name in named(when):
            for dimension, allowed in self._allowed(name, getattr(when, name)).items():
                cases[dimension] = cases[dimension] & allowed
        return cases

    def _allowed(self, name: str, wanted: Any) -> dict[str, frozenset[Any]]:
        risks = self.everything["risk"]
        if name == "tier":
            return {"risk": frozenset((tier, p) for tier, p in risks if tier in wanted)}
        if name == "p":
            return {"risk": frozenset((tier, p) for tier, p in risks if _inside(p, wanted))}
        if name in ("value", "days_since_last_action"):
            return {name: frozenset(case for case in self.everything[name] if _inside(case, wanted))}
        if name in ("open_issue", "open_complaint", "open_dispute"):
            part = {"open_issue": slice(0, 2), "open_complaint": slice(0, 1), "open_dispute": slice(1, 2)}[name]
            return {ISSUE: frozenset(case for case in _FIXED[ISSUE] if any(case[part]) == wanted)}
        if name in ("notes", "without_notes"):
            return {f"note {note}": frozenset([name == "notes"]) for note in wanted}
        if name == "features":
            return {f"feature {id}": self._feature(id, condition) for id, condition in wanted.items()}
        return {name: frozenset(wanted)}

    def _feature(self, id: str, condition: FeatureCondition) -> frozenset[Any]:
        cases = self.everything[f"feature {id}"]
        if id in self._texts and condition.one_of is not None:
            chosen = frozenset(condition.one_of) if not condition.is_null else frozenset()
            return cases & chosen
        return frozenset(case for case in cases if _inside(case, condition))

    def _feature_cases(self, name: str) -> Iterable[Any]:
        texts = self._texts.get(name)
        return [*(self._points[f"feature {name}"] if texts is None else [*texts, Case.OTHER]), Case.NULL]


def is_empty(box: Box) -> bool:
    """Return whether a box covers no case.

    Examples
    --------
    >>> is_empty({"a": frozenset([1]), "b": frozenset()})
    True
    """
    return not all(box.values())


def without(boxes: Sequence[Box], taken: Box) -> list[Box]:
    """Return what is left of boxes after taking another one away, as boxes that do not overlap.

    Examples
    --------
    >>> left = without([{"a": frozenset([1, 2]), "b": frozenset([1])}], {"a": frozenset([2]), "b": frozenset([1, 3])})
    >>> left == [{"a": frozenset([1]), "b": frozenset([1])}]
    True
    """
    left: list[Box] = []
    for box in boxes:
        if any(not (cases & taken[name]) for name, cases in box.items()):
            left.append(box)
            continue
        rest = dict(box)
        for name, cases in box.items():
            outside = cases - taken[name]
            if outside:
                left.append({**rest, name: outside})
                rest[name] = cases & taken[name]
    return left


def leftovers(policy: Policy) -> list[tuple[Rule, Box, list[Box] | None]]:
    """Return each rule with the cases it covers and those of them that no rule before it takes.

    The last is None where there are too many pieces to say.
    """
    space = Space(policy)
    found: list[tuple[Rule, Box, list[Box] | None]] = []
    for number, rule in enumerate(policy.rules):
        box = space.box(rule.when)
        left: list[Box] | None = [] if is_empty(box) else [box]
        for earlier in found[:number]:
            if left:
                left = without(left, earlier[1]) if not is_empty(earlier[1]) else left
                left = left if len(left) <= _MANY else None
        found.append((rule, box, left))
    return found


def _limits(policy: Policy) -> dict[str, list[float]]:
    """Return where each number is cut."""
    tiers = policy.tiers
    near = [tier.min_p + way * tiers.hysteresis for tier in (tiers.high, tiers.medium) for way in (-1, 1)]
    limits: dict[str, list[float]] = {"p": [0.0, 1.0, *near], "value": [], "days_since_last_action": [0.0]}
    for rule in policy.rules:
        ranges: dict[str, Range | None] = {
            "p": rule.when.p,
            "value": rule.when.value,
            "days_since_last_action": rule.when.days_since_last_action,
            **{f"feature {name}": condition for name, condition in rule.when.features.items()},
        }
        for name, range_ in ranges.items():
            ends = () if range_ is None else (range_.min, range_.max)
            limits.setdefault(name, []).extend(end for end in ends if end is not None)
    return limits


def _points(limits: Iterable[float]) -> list[float]:
    """Return one number for each piece: the limits, one between any two, one before and one after."""
    cuts = sorted(set(limits))
    if not cuts:
        return [0.0]
    between = [(low + high) / 2 for low, high in itertools.pairwise(cuts)]
    return [cuts[0] - 1, *cuts, *between, cuts[-1] + 1]


def _texts(rules: Sequence[Rule]) -> dict[str, list[str]]:
    """Return the features that are texts, and the texts that are named."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        for name, condition in rule.when.features.items():
            if condition.one_of is not None:
                found[name] = [*found.get(name, []), *condition.one_of]
    return found


def _possible(tier: str, p: float, tiers: TierRules) -> bool:
    """Return whether a customer with this probability can be in a tier, also one kept from another day."""
    lowest = {"high": tiers.high.min_p, "medium": tiers.medium.min_p, "low": -math.inf}[tier]
    above = [rule.min_p for rule in (tiers.high, tiers.medium)[: TIERS.index(tier)] if rule.min_value is None]
    return 0 <= p <= 1 and (p > lowest - tiers.hysteresis) and all(p < limit + tiers.hysteresis for limit in above)


def _inside(case: Any, range_: Range) -> bool:
    is_null = range_.is_null if isinstance(range_, RangeOrNull) else None
    if not isinstance(case, float):
        fits = range_.min is None and range_.max is None
        return fits and (is_null is None or is_null == (case is Case.NULL))
    low, high = -math.inf if range_.min is None else range_.min, math.inf if range_.max is None else range_.max
    return is_null is not True and low <= case <= high
