"""One decision per subject: which rule applies, what it proposes, and whether that can be done."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.actions.policy.conditions import holds
from crm_ml.actions.policy.record import inputs_json
from crm_ml.actions.policy.schema import NONE, OBJECTION, OTHERWISE, MailConsent, Policy
from crm_ml.actions.policy.subjects import Coded, Floats, Mask, Subjects, Words, check_subjects, coded
from crm_ml.actions.policy.workdays import add_working_days
from crm_ml.errors import UsageError, did_you_mean

ARM = "treatment"
HELD_BY = (
    "objection",
    "answered_done",
    "snoozed",
    "answered_wrong",
    "cool_down",
    "no_email",
    "no_phone",
    "no_marketing_basis",
    "consent_needed",
    "gain_not_positive",
)
"""Why an action was withheld, in the order in which it is looked at: the first that holds is named."""
_ANSWERS = {"done": "answered_done", "not_now": "snoozed", "wrong": "answered_wrong"}
_NOTHING = {
    "text_de": "Im Moment ist nichts zu tun.",
    "text_en": "There is nothing to do at the moment.",
    "label_de": "Keine Maßnahme",
    "label_en": "No action",
}


def decide(subjects: pd.DataFrame, policy: Policy, *, as_of: dt.date) -> pd.DataFrame:
    """Return one decision per subject, in the order and with the index of the subjects.

    The first rule whose conditions hold decides; without one it is ``otherwise``. An action that cannot be done is
    withheld: the action is none, and ``held_by`` says why. Who objects to profiling is decided by ``objection``.

    Parameters
    ----------
    subjects : DataFrame
        One row per scored subject: subject_type, subject_id, p, risk_tier, value_at_stake, priority and the features
        that the policy names; optional: email, phone, marketing_basis, is_natural_person, profiling_objection, status,
        open_complaint, open_dispute, notes, last_action, days_since_last_action, held_until, held_why. What is missing
        is unknown.
    policy : Policy
        Checked by `lint_policy`.
    as_of : date
        The business day: due dates are counted from it.

    Returns
    -------
    DataFrame
        subject_type, subject_id, action, channel, arm, rule, held_by, save_rate, cost, expected_gain (= priority x
        save rate - cost; 0 for none), due_on, text_de, text_en, label_de, label_en, policy_version, inputs (JSON text:
        what was looked at; ``withheld`` names the action that was held back).

    Raises
    ------
    UsageError
        If columns are missing, values cannot be, or a rule names an action that is not in the catalogue.

    Examples
    --------
    >>> from crm_ml.actions.policy import default_policy
    >>> row = {"subject_type": "customer", "subject_id": "K1", "p": 0.7, "risk_tier": "high",
    ...        "value_at_stake": 10000.0, "priority": 7000.0}
    >>> done = decide(pd.DataFrame([row]), default_policy(), as_of=dt.date(2026, 4, 30))
    >>> done[["action", "rule", "expected_gain", "due_on"]].values.tolist()
    [['personal_talk', 'high_risk', 2040.0, datetime.date(2026, 5, 5)]]
    """
    _check_actions(policy)
    seen = check_subjects(subjects, policy.features, as_of)
    rules, wanted = _rules(seen, policy)
    held = _held(seen, wanted, policy, as_of)
    done = np.where(held == "", wanted, NONE).astype(object)
    acts = coded(done)
    save_rate, cost = _rates(acts, policy)
    columns: dict[str, Any] = {
        "subject_type": seen.words("subject_type"),
        "subject_id": seen.words("subject_id"),
        "action": done,
        "channel": _of(acts, policy, "channel"),
        "arm": np.full(len(seen), ARM, dtype=object),
        "rule": rules,
        "held_by": _where(held != "", held),
        "save_rate": save_rate,
        "cost": cost,
        "expected_gain": np.where(done == NONE, 0.0, expected_gain(seen.numbers("priority"), save_rate, cost)),
        "due_on": acts.mapped(lambda name: _due(name, policy, as_of)),
        **{name: _of(acts, policy, name.replace("text", "step"), text) for name, text in _NOTHING.items()},
        "policy_version": np.full(len(seen), policy.version_text, dtype=object),
        "inputs": inputs_json(seen, policy, _where(held != "", wanted)),
    }
    # texts stay plain Python objects: None is None, whatever pandas thinks of missing texts
    series = {name: pd.Series(values, subjects.index, dtype=values.dtype) for name, values in columns.items()}
    return pd.DataFrame(series, columns=list(columns))


def expected_gain(priority: Floats, save_rate: Floats, cost: Floats) -> Floats:
    """Return priority x save rate - cost, in money.

    Examples
    --------
    >>> expected_gain(np.array([1000.0]), np.array([0.25]), np.array([60.0]))
    array([190.])
    """
    return priority * save_rate - cost


def _check_actions(policy: Policy) -> None:
    missing = [rule.then for rule in policy.rules if rule.then != NONE and rule.then not in policy.actions]
    if missing:
        raise UsageError(
            f"policy.yaml: there is no action {missing[0]} in the catalogue",
            remedy=did_you_mean(missing[0], policy.actions).strip() or "Add it under `actions`.",
            code="unknown_action",
        )


def _rules(seen: Subjects, policy: Policy) -> tuple[Words, Words]:
    """Return the rule that decides on each subject, and the action it asks for."""
    rules = np.full(len(seen), OTHERWISE, dtype=object)
    wanted = np.full(len(seen), NONE, dtype=object)
    rules[seen.objects] = OBJECTION
    open_ = ~seen.objects
    for rule in policy.rules:
        now = open_ & holds(rule.when, seen)
        rules[now], wanted[now] = rule.id, rule.then
        open_ &= ~now
    return rules, wanted


def _held(seen: Subjects, wanted: Words, policy: Policy, as_of: dt.date) -> Words:
    """Return why the wanted action cannot be done, an empty text where it can (or where none is wanted)."""
    acts = wanted != NONE
    kept = acts & seen.held_after(as_of)
    why = coded(seen.words("held_why")).mapped(lambda word: _ANSWERS.get(word, "answered_done"))
    rest = coded(seen.words("last_action")).mapped(policy.cool_down_of).astype(np.float64)
    asked = coded(wanted)

    def needs(what: str) -> Mask:
        return asked.mapped(lambda name: name != NONE and what in policy.actions[name].requires).astype(bool)

    mail = needs("marketing_basis")
    masks: dict[str, Mask] = {
        "objection": seen.objects,
        **{word: kept & (why == word) for word in _ANSWERS.values()},
        "cool_down": acts & (seen.numbers("days_since_last_action") < rest),
        "no_email": needs("email") & ~seen.has_email,
        "no_phone": needs("phone") & ~seen.has_phone,
        "no_marketing_basis": mail & ((seen.basis == "none") | (seen.basis == "unknown")),
        "consent_needed": mail & ~_may_mail(seen, policy.mail_consent),
        "gain_not_positive": acts & policy.only_with_gain & ~(_gain(seen, asked, policy) > 0),
    }
    return np.select([masks[name] for name in HELD_BY], HELD_BY, "").astype(object)


def _may_mail(seen: Subjects, consent: MailConsent) -> Mask:
    """Return whom an offer may be mailed to."""
    allowed = {"no": consent.company, "yes": consent.natural_person, "unknown": consent.unknown}
    kinds = [(seen.natural_person == kind) & np.isin(seen.basis, bases) for kind, bases in allowed.items()]
    return np.asarray(np.logical_or.reduce(kinds), dtype=bool)


def _gain(seen: Subjects, actions: Coded, policy: Policy) -> Floats:
    return expected_gain(seen.numbers("priority"), *_rates(actions, policy))


def _rates(actions: Coded, policy: Policy) -> tuple[Floats, Floats]:
    """Return save rate and cost of each action, 0 for none."""
    return (
        _of(actions, policy, "save_rate", 0.0).astype(np.float64),
        _of(actions, policy, "cost", 0.0).astype(np.float64),
    )


def _due(action: str, policy: Policy, as_of: dt.date) -> dt.date | None:
    return None if action == NONE else add_working_days(as_of, policy.actions[action].due_working_days, policy.calendar)


def _where(mask: Mask, values: Words) -> Words:
    """Return the values where the mask holds, None elsewhere."""
    found = np.full(len(values), None, dtype=object)
    found[mask] = values[mask]
    return found


def _of(actions: Coded, policy: Policy, attribute: str, otherwise: Any = None) -> Words:
    """Return what the catalogue says of each action."""
    return actions.mapped(lambda name: getattr(policy.actions[name], attribute) if name != NONE else otherwise)
