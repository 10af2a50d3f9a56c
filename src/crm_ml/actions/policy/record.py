"""What a decision was made on, as JSON text: enough to make it again, nothing that names a person."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from crm_ml.actions.policy.conditions import named
from crm_ml.actions.policy.schema import Policy
from crm_ml.actions.policy.subjects import Subjects, Words

_OBJECTION = '{"profiling_objection":true}'
Texts = str | list[str]
"""One text for all subjects, or one for each."""
_ISSUE = {"open_issue", "open_complaint", "open_dispute"}


def inputs_json(seen: Subjects, policy: Policy, withheld: Words) -> Words:
    """Return per subject the JSON text of what the policy looks at, keys sorted.

    Parameters
    ----------
    seen : Subjects
        Whom it was decided on.
    policy : Policy
        Only what one of its rules or actions looks at is recorded.
    withheld : array of str or None
        The action that was held back.
    """
    columns = {**_looked_at(seen, policy), "withheld": _words(withheld)}
    names = sorted(columns)
    # what is the same for all is written once
    same = {name: texts for name, texts in columns.items() if isinstance(texts, str)}
    parts = [(json.dumps(name) + ":" + same.get(name, "\0")).replace("%", "%%").replace("\0", "%s") for name in names]
    template, different = "{" + ",".join(parts) + "}", [columns[name] for name in names if name not in same]
    rows = [template % row for row in zip(*different, strict=True)] if different else [template % ()] * len(seen)
    # of those who object nothing is looked at but that
    return np.where(seen.objects, _OBJECTION, np.array(rows, dtype=object))


def _looked_at(seen: Subjects, policy: Policy) -> dict[str, Texts]:
    used = set().union(*(named(rule.when) for rule in policy.rules))
    needs = {need for action in policy.actions.values() for need in action.requires}
    found: dict[str, Texts] = {
        "p": _numbers(seen.numbers("p")),
        "risk_tier": _words(seen.words("risk_tier")),
        "value_at_stake": _numbers(seen.numbers("value_at_stake")),
        "priority": _numbers(seen.numbers("priority")),
        "last_action": _words(seen.words("last_action")),
        "days_since_last_action": _numbers(seen.numbers("days_since_last_action")),
        "held_until": _words(seen.held_until),
        "held_why": _words(seen.words("held_why")),
    }
    if used & _ISSUE:
        found |= {"open_complaint": _words(seen.complaint), "open_dispute": _words(seen.dispute)}
    if "marketing_basis" in used | needs:
        found["marketing_basis"] = _words(seen.basis)
    if "natural_person" in used or "marketing_basis" in needs:
        found["natural_person"] = _words(seen.natural_person)
    if "email" in needs:
        found["has_email"] = _words(seen.has_email)
    if "phone" in needs:
        found["has_phone"] = _words(seen.has_phone)
    if "status" in used:
        found["status"] = _words(seen.status)
    if used & {"notes", "without_notes"}:
        texts = {notes: json.dumps(sorted(notes)) for notes in set(seen.notes)}
        found["notes"] = [texts[notes] for notes in seen.notes]
    return found | {f"feature:{name}": _feature(seen, name) for name in policy.features}


def _feature(seen: Subjects, name: str) -> Texts:
    type_ = seen.frame[name].dtype
    numbers = is_numeric_dtype(type_) and not is_bool_dtype(type_)
    return _numbers(seen.numbers(name)) if numbers else _words(seen.words(name))


def _numbers(values: Any) -> Texts:
    unknown = np.flatnonzero(~np.isfinite(values))
    if len(unknown) == len(values):
        return "null"
    texts = list(map(repr, values.tolist()))
    for at in unknown:
        texts[at] = "null"
    return texts


def _words(values: Any) -> Texts:
    plain = values.tolist()
    texts = {value: json.dumps(value, default=str, ensure_ascii=False) for value in set(plain)}
    return next(iter(texts.values())) if len(texts) == 1 else [texts[value] for value in plain]
