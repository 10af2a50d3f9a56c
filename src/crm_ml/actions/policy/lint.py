"""What does not fit together in a policy, or must not be in one."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from crm_ml.actions.policy.boxes import ISSUE, NO_ISSUE, Box, is_empty, leftovers
from crm_ml.actions.policy.schema import (
    NONE,
    OBJECTION,
    OTHERWISE,
    PLACEHOLDERS,
    Action,
    FeatureCondition,
    MailTemplate,
    Policy,
    Rule,
)
from crm_ml.errors import Finding, Severity, did_you_mean
from crm_ml.features import default_features

_DENIALS = re.compile(
    r"liefer(sperre|stopp)|vora?u?s?-?kasse|\b(ge)?sperr(en|t|e|ung)\b|kreditlimit|kreditlinie"
    r"|\b(stop|halt|suspend|withhold)\w* (the )?(suppl|deliver|shipment)|\bprepa(y|id)|in advance|credit (limit|line)"
    r"|\bblock(ed|ing)? (the )?(customer|account|order)",
    re.IGNORECASE,
)


def lint_policy(policy: Policy, *, own_features: Iterable[str] = ()) -> list[Finding]:
    """Return what is wrong in a policy (errors: it is not used) and what is worth a look (warnings).

    Parameters
    ----------
    policy : Policy
        As `parse_policy` returned it.
    own_features : iterable of str
        Ids of features besides the declared ones, e.g. of own attributes.

    Returns
    -------
    list of Finding
        Errors first; ``column`` is the key.

    Examples
    --------
    >>> from crm_ml.actions.policy import default_policy, parse_policy
    >>> lint_policy(default_policy())
    []
    >>> rules = [{"id": "all", "then": "none"}, {"id": "few", "when": {"tier": "high"}, "then": "cal"}]
    >>> [finding.code for finding in lint_policy(parse_policy({"version": "1", "actions": {}, "rules": rules}))]
    ['unknown_action', 'unreachable_rule']
    """
    found = [
        *_names(policy),
        *_tiers(policy),
        *_grades(policy),
        *_reach(policy),
        *_features(policy, tuple(own_features)),
        *(finding for id, action in policy.actions.items() for finding in _action(f"actions.{id}", action, policy)),
        *_consent(policy),
        *_calendar(policy),
    ]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _said(severity: Severity, code: str, key: str, message: str, remedy: str) -> Finding:
    return Finding(severity, code, f"{key}: {message}", remedy, column=key)


def _names(policy: Policy) -> Iterator[Finding]:
    for id, count in Counter(rule.id for rule in policy.rules).items():
        if count > 1:
            yield _said("error", "duplicate_rule", f"rules.{id}", f"{count} rules have this id", "Rename the others.")
    for id in {rule.id for rule in policy.rules} & {OBJECTION, OTHERWISE}:
        remedy = "Choose another id."
        yield _said("error", "reserved_name", f"rules.{id}", "this id is that of a built-in rule", remedy)
    if NONE in policy.actions:
        message = "this id stands for doing nothing"
        yield _said("error", "reserved_name", f"actions.{NONE}", message, "Choose another id.")
    known = {*policy.actions, NONE}
    for rule in policy.rules:
        if rule.then not in known:
            hint = did_you_mean(rule.then, known).strip() or "Add it under `actions`, or write `then: none`."
            message = f"there is no action {rule.then} in the catalogue"
            yield _said("error", "unknown_action", f"rules.{rule.id}.then", message, hint)
    for id in policy.actions.keys() - {rule.then for rule in policy.rules} - {NONE}:
        remedy = "Write a rule for it, or take it out."
        yield _said("warning", "unused_action", f"actions.{id}", "no rule leads to this action", remedy)


def _tiers(policy: Policy) -> Iterator[Finding]:
    high, medium = policy.tiers.high, policy.tiers.medium
    poorer = high.min_value is not None and (medium.min_value is None or medium.min_value < high.min_value)
    if medium.min_p >= high.min_p and not poorer:
        message = f"nobody can be in it: all from {medium.min_p} are already high (from {high.min_p})"
        yield _said("error", "impossible_tier", "tiers.medium", message, "Set its min_p below that of high.")
    for name, tier in (("high", high), ("medium", medium)):
        if tier.min_p == 0 and tier.min_value is None:
            message = "everybody is in it: its min_p is 0 and it has no min_value"
            yield _said("error", "impossible_tier", f"tiers.{name}", message, "Raise min_p above 0.")


def _grades(policy: Policy) -> Iterator[Finding]:
    rules = policy.grades
    shares = {"a": rules.a.share, "b": rules.b.share, "c": rules.c.share}
    total = sum(shares.values())
    if total > 1 + 1e-9:
        message = f"the shares of a, b and c add up to {total:g}, which is more than all leads"
        yield _said("error", "impossible_grade", "grades", message, "Lower them: what they leave is D.")
    for name, share in shares.items():
        if 0 < share <= rules.hysteresis:
            message = f"no lead would rise to it: its share {share:g} is not above the hysteresis {rules.hysteresis:g}"
            yield _said("error", "impossible_grade", f"grades.{name}", message, "Lower grades.hysteresis.")


def _reach(policy: Policy) -> Iterator[Finding]:
    found = leftovers(policy)
    for number, (rule, box, left) in enumerate(found):
        if is_empty(box):
            yield _contradiction(rule, box)
        elif left == []:
            takers = [earlier.id for earlier, cases, _ in found[:number] if _meet(box, cases)]
            message = f"it never decides: all its cases are taken by {', '.join(takers)} before it"
            remedy = "Move it up, narrow the rules before it, or take it out."
            yield _said("error", "unreachable_rule", f"rules.{rule.id}", message, remedy)
        elif left is not None and _offers(rule, policy) and any(piece[ISSUE] - {NO_ISSUE} for piece in left):
            message = "it proposes an offer also while a complaint or a dispute is open"
            remedy = "Put a rule for `open_issue: true` before it, or add `open_issue: false` to it."
            yield _said("warning", "offer_during_issue", f"rules.{rule.id}", message, remedy)


def _contradiction(rule: Rule, box: Box) -> Finding:
    keys = {"risk": "tier or p", ISSUE: "open_issue, open_complaint and open_dispute"}
    names = [
        keys.get(name, name.replace("feature ", "features.").replace("note ", "notes and without_notes: "))
        for name, cases in box.items()
        if not cases
    ]
    message = f"it can never apply: nothing fulfils what it says of {', '.join(names)}"
    remedy = "Check that min is not above max and that the tier has such probabilities."
    return _said("error", "contradictory_rule", f"rules.{rule.id}", message, remedy)


def _meet(box: Box, other: Box) -> bool:
    return not is_empty({name: cases & other[name] for name, cases in box.items()})


def _offers(rule: Rule, policy: Policy) -> bool:
    action = policy.actions.get(rule.then)
    return action is not None and (action.channel == "email" or "marketing_basis" in action.requires)


def _features(policy: Policy, own: tuple[str, ...]) -> Iterator[Finding]:
    units = {**{feature.id: str(feature.unit) for feature in default_features()}, **dict.fromkeys(own, "own")}
    for rule in policy.rules:
        for id, condition in rule.when.features.items():
            key = f"rules.{rule.id}.when.features.{id}"
            if id not in units:
                hint = did_you_mean(id, units).strip() or "docs/feature-catalogue.md lists them."
                yield _said("error", "unknown_feature", key, "there is no feature of this id", hint)
            else:
                yield from _kind(key, condition, units[id])


def _kind(key: str, condition: FeatureCondition, unit: str) -> Iterator[Finding]:
    number = condition.min is not None or condition.max is not None
    text = condition.one_of is not None
    if not (number or text or condition.is_null is not None):
        remedy = "Give min, max, one_of or is_null."
        yield _said("error", "empty_condition", key, "nothing is asked of the feature", remedy)
    if number and (text or unit == "category"):
        message = "it is a text, and min and max are for numbers" if unit == "category" else "min or max and one_of"
        yield _said("error", "condition_kind", key, message, "Use one_of for texts, min and max for numbers.")
    elif text and unit not in ("category", "own"):
        remedy = "Use min and max."
        yield _said("error", "condition_kind", key, "it is a number, and one_of is for texts", remedy)


def _action(key: str, action: Action, policy: Policy) -> Iterator[Finding]:
    if action.automatic and not action.human_approval:
        message = "it is automatic, and nobody approves the single case"
        yield _said("error", "unapproved_automatic", key, message, "Add `human_approval: true`, or automatic: false.")
    if action.restricts and not action.human_approval:
        message = f"it denies a customer {', '.join(action.restricts)}, and nobody approves the single case"
        remedy = "Add `human_approval: true`: a score alone must not decide that (GDPR, Article 22)."
        yield _said("error", "unapproved_restriction", key, message, remedy)
    texts = " ".join((action.label_de, action.label_en, action.step_de, action.step_en))
    denial = _DENIALS.search(texts)
    if denial and not action.restricts:
        message = f'its texts speak of "{denial[0]}", and `restricts` is empty'
        remedy = "Add `restricts: [terms]` (or credit, supply) with `human_approval: true`, or use other words."
        yield _said("warning", "restriction_not_declared", key, message, remedy)
    if action.save_rate > 0 and not action.save_rate_source.strip():
        remedy = "Add `save_rate_source`: where the number comes from, and that it is an assumption if it is one."
        yield _said(
            "warning", "save_rate_without_source", key, f"its save rate {action.save_rate} has no source", remedy
        )
    if action.save_rate == 0 and policy.only_with_gain:
        message = "without a save rate it has no gain, so it is always withheld"
        yield _said("warning", "never_a_gain", key, message, "Give a save rate, or set `only_with_gain: false`.")
    yield from _mail(key, action)
    yield from _translations(key, action)


def _mail(key: str, action: Action) -> Iterator[Finding]:
    if action.channel != "email":
        return
    if "marketing_basis" not in action.requires:
        message = "an e-mail action must require the marketing basis"
        remedy = "Add `requires: [email, marketing_basis]`: an offer by mail without one is unlawful (UWG, section 7)."
        yield _said("error", "mail_without_basis", key, message, remedy)
    if "email" not in action.requires:
        message = "an e-mail action must require the e-mail address"
        yield _said("error", "mail_without_address", key, message, "Add `requires: [email, marketing_basis]`.")
    if action.mail is None:
        message = "an e-mail action must have the draft of the mail"
        yield _said("error", "mail_without_text", key, message, "Add `mail` with subject and body in both languages.")
        return
    for name in MailTemplate.model_fields:
        yield from _placeholders(f"{key}.mail.{name}", getattr(action.mail, name))


def _placeholders(key: str, text: str) -> Iterator[Finding]:
    for name in re.findall(r"\{([^{}]*)\}", text):
        if name not in PLACEHOLDERS:
            hint = did_you_mean(name, PLACEHOLDERS).strip()
            known = ", ".join(f"{{{word}}}" for word in PLACEHOLDERS)
            message = f"{{{name}}} is not filled in"
            yield _said("error", "unknown_placeholder", key, message, hint or f"Use one of {known}.")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
        message = "a brace stands without its other half"
        yield _said("error", "unknown_placeholder", key, message, "Write {word}, or take the brace out.")


def _translations(key: str, action: Action) -> Iterator[Finding]:
    pairs = {f"{key}.step": (action.step_de, action.step_en)}
    if action.mail is not None:
        pairs[f"{key}.mail.subject"] = (action.mail.subject_de, action.mail.subject_en)
        pairs[f"{key}.mail.body"] = (action.mail.body_de, action.mail.body_en)
    for place, (german, english) in pairs.items():
        if german.strip() == english.strip():
            message = "the German and the English text are the same"
            yield _said("warning", "missing_translation", f"{place}_en", message, "Translate one of them.")


def _consent(policy: Policy) -> Iterator[Finding]:
    for kind in ("natural_person", "unknown"):
        if "existing_customer" in getattr(policy.mail_consent, kind):
            message = "offers are mailed to persons who did not consent"
            remedy = "Take `existing_customer` out, or have it checked by a lawyer."
            yield _said("warning", "mail_to_persons_without_consent", f"mail_consent.{kind}", message, remedy)


def _calendar(policy: Policy) -> Iterator[Finding]:
    import holidays

    calendar = policy.calendar
    countries = holidays.list_supported_countries(include_aliases=True)
    if calendar.country not in countries:
        hint = did_you_mean(calendar.country, countries).strip() or "Use a code of two capital letters, e.g. DE."
        message = f"the holidays of {calendar.country} are not known"
        yield _said("error", "unknown_country", "calendar.country", message, hint)
    elif calendar.subdivision is not None and calendar.subdivision not in countries[calendar.country]:
        known = ", ".join(countries[calendar.country]) or "none"
        message = f"{calendar.country} has no part of the code {calendar.subdivision}"
        yield _said("error", "unknown_subdivision", "calendar.subdivision", message, f"Known: {known}.")
    for day in calendar.closed_days:
        try:
            dt.date.fromisoformat(day if len(day) == 10 else f"2024-{day}")
        except ValueError:
            message = f"there is no day {day}"
            yield _said("error", "no_such_day", "calendar.closed_days", message, "Correct it.")
