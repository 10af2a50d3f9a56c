"""What the linter finds, and what it leaves alone."""

from __future__ import annotations

import copy
import itertools

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.policy import decide, lint_policy, parse_policy, policy_yaml
from crm_ml.actions.policy.boxes import is_empty, leftovers

TEXTS = {"label_de": "L", "label_en": "L", "step_de": "Tun.", "step_en": "Do."}
PHONE = {"channel": "phone", "save_rate": 0.2, "save_rate_source": "a guess", **TEXTS}
MAIL = {"subject_de": "Betreff", "subject_en": "Subject", "body_de": "Text {manager_name}", "body_en": "Body"}
EMAIL = {**PHONE, "channel": "email", "requires": ["email", "marketing_basis"], "mail": MAIL}
NO_ISSUE = {"open_issue": False}


def policy(*whens, **more):
    rules = [{"id": f"r{i}", "when": when, "then": "call"} for i, when in enumerate(whens)]
    return parse_policy({"version": "1", "actions": {"call": PHONE}, "rules": rules, **more})


def found(value, **more):
    return [(finding.severity, finding.code, finding.column) for finding in lint_policy(value, **more)]


def with_action(**change):
    return policy({}, actions={"call": {**PHONE, **change}})


def with_mail(**change):
    return parse_policy(
        {
            "version": "1",
            "actions": {"mail": {**EMAIL, **change}},
            "rules": [{"id": "r", "when": NO_ISSUE, "then": "mail"}],
        }
    )


def test_a_sound_policy_has_no_findings():
    assert found(policy({"tier": "high"}, {"tier": "medium", "value": {"min": 100}}, {})) == []
    assert found(with_mail()) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"tier": "high"}),
        ({"tier": ["high", "medium"]}, {"tier": "high", "value": {"min": 5}}),
        ({"p": {"min": 0.2}}, {"p": {"min": 0.2, "max": 0.4}}),
        # who is in the tier high has at least .58 (.6 less the hysteresis)
        ({"p": {"min": 0.58}}, {"tier": "high"}),
        ({"p": {"max": 0.32}}, {"tier": "low"}),
        ({"value": {"max": 10}}, {"value": {"min": -5, "max": 10}}),
        ({"open_issue": True}, {"open_dispute": True}),
        ({"open_complaint": False}, {"open_issue": False}),
        ({"marketing_basis": ["none", "unknown"]}, {"marketing_basis": "none"}),
        ({"natural_person": [True, "unknown"]}, {"natural_person": True}),
        ({"days_since_last_action": {"is_null": False}}, {"days_since_last_action": {"min": 3}}),
        ({"status": ["active", "blocked"]}, {"status": "blocked"}),
        ({"notes": ["history_short"]}, {"notes": ["history_short", "model_is_rule"]}),
        ({"without_notes": ["history_short"]}, {"without_notes": ["model_is_rule", "history_short"]}),
        ({"features": {"employees": {"min": 5}}}, {"features": {"employees": {"min": 5.5}}}),
        ({"features": {"employees": {"is_null": False}}}, {"features": {"employees": {"max": 5}}}),
        ({"features": {"country": {"is_null": False}}}, {"features": {"country": {"one_of": "DE"}}}),
        ({"features": {"country": {"one_of": ["DE", "AT"]}}}, {"features": {"country": {"one_of": "AT"}}}),
    ],
)
def test_a_rule_that_an_earlier_one_takes_everything_from_is_named(first, second):
    findings = lint_policy(policy(first, second))
    assert [(finding.code, finding.column) for finding in findings] == [("unreachable_rule", "rules.r1")]
    assert findings[0].message == "rules.r1: it never decides: all its cases are taken by r0 before it"
    # the other way round both decide
    assert found(policy(second, first)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"p": {"min": 0.59}}, {"tier": "high"}),
        ({"value": {"max": 10}}, {"value": {"min": 10}}),
        ({"value": {"max": 10}}, {}),
        ({"open_complaint": True}, {"open_issue": True}),
        ({"open_complaint": True}, {"open_dispute": True}),
        ({"natural_person": [True, False]}, {"natural_person": "unknown"}),
        ({"days_since_last_action": {"min": 0}}, {}),
        ({"features": {"employees": {"min": 5}}}, {"features": {"employees": {"is_null": True}}}),
        ({"features": {"employees": {"min": 5}}}, {"features": {"invoices_overdue_count": {"min": 5}}}),
        ({"features": {"country": {"one_of": "DE"}}}, {"features": {"country": {"is_null": False}}}),
        ({"notes": ["history_short"]}, {"without_notes": ["history_short"]}),
        ({"status": "active"}, {}),
    ],
)
def test_a_rule_that_keeps_some_case_is_left_alone(first, second):
    assert found(policy(first, second)) == []


def test_days_are_not_negative():
    rules = policy({"days_since_last_action": {"min": 0, "max": 9}}, {"days_since_last_action": {"max": 9}})
    assert found(rules) == [("error", "unreachable_rule", "rules.r1")]


def test_rules_that_take_everything_together_are_named_together():
    rules = policy({"tier": "high"}, {"value": {"min": 50}}, {"tier": ["medium", "low"], "value": {"max": 50}}, {})
    (finding,) = lint_policy(rules)
    assert finding.code == "unreachable_rule"
    assert "taken by r0, r1, r2 before it" in finding.message


@pytest.mark.parametrize(
    ("when", "what"),
    [
        ({"p": {"min": 0.5, "max": 0.4}}, "tier or p"),
        ({"tier": "high", "p": {"max": 0.58}}, "tier or p"),
        ({"tier": "medium", "p": {"min": 0.62}}, "tier or p"),
        ({"tier": "medium", "p": {"max": 0.27}}, "tier or p"),
        ({"tier": "low", "p": {"min": 0.32}}, "tier or p"),
        ({"p": {"min": 1.5}}, "tier or p"),
        ({"value": {"min": 2, "max": 1}}, "value"),
        ({"open_issue": False, "open_dispute": True}, "open_issue, open_complaint and open_dispute"),
        (
            {"open_issue": True, "open_complaint": False, "open_dispute": False},
            "open_issue, open_complaint and open_dispute",
        ),
        ({"days_since_last_action": {"min": 2, "is_null": True}}, "days_since_last_action"),
        ({"days_since_last_action": {"max": -1}}, "days_since_last_action"),
        ({"notes": "tier_kept", "without_notes": "tier_kept"}, "notes and without_notes: tier_kept"),
        ({"features": {"employees": {"min": 2, "max": 1}}}, "features.employees"),
        ({"features": {"country": {"one_of": "DE", "is_null": True}}}, "features.country"),
    ],
)
def test_conditions_that_nothing_fulfils_are_named(when, what):
    (finding,) = lint_policy(policy(when))
    assert (finding.severity, finding.code, finding.column) == ("error", "contradictory_rule", "rules.r0")
    assert finding.message == f"rules.r0: it can never apply: nothing fulfils what it says of {what}"


@pytest.mark.parametrize(
    "when",
    [
        {"tier": "high", "p": {"max": 0.581}},
        {"tier": "medium", "p": {"min": 0.619}},
        {"tier": "low", "p": {"min": 0.319}},
        {"p": {"min": 0.4, "max": 0.4}},
        {"open_issue": True, "open_complaint": False},
        {"days_since_last_action": {"min": 0, "max": 0}},
    ],
)
def test_conditions_that_a_kept_tier_can_fulfil_are_left_alone(when):
    assert found(policy(when)) == []


def test_least_values_make_room_for_lower_tiers():
    rich = {"high": {"min_value": 1000}, "medium": {"min_value": 10}}
    assert found(policy({"tier": "medium", "p": {"min": 0.9}}, {"tier": "low", "p": {"min": 0.9}}, tiers=rich)) == []


def test_a_contradictory_rule_shadows_nothing():
    rules = policy({"value": {"min": 2, "max": 1}}, {"value": {"min": 5}})
    assert found(rules) == [("error", "contradictory_rule", "rules.r0")]


@pytest.mark.parametrize(
    ("tiers", "where"),
    [
        ({"high": {"min_p": 0.3}, "medium": {"min_p": 0.3}}, "tiers.medium"),
        ({"high": {"min_p": 0.3}, "medium": {"min_p": 0.6}}, "tiers.medium"),
        ({"high": {"min_p": 0.3, "min_value": 10}, "medium": {"min_p": 0.4, "min_value": 10}}, "tiers.medium"),
        ({"medium": {"min_p": 0.0}}, "tiers.medium"),
        ({"high": {"min_p": 0.0, "min_value": 5}, "medium": {"min_p": 0.0, "min_value": 5}}, "tiers.medium"),
    ],
)
def test_tiers_that_nobody_or_everybody_is_in_are_named(tiers, where):
    assert found(policy({}, tiers=tiers)) == [("error", "impossible_tier", where)]


@pytest.mark.parametrize(
    "tiers",
    [
        {"high": {"min_p": 0.3, "min_value": 10}, "medium": {"min_p": 0.6}},
        {"high": {"min_p": 0.3, "min_value": 10}, "medium": {"min_p": 0.3, "min_value": 9}},
        {"medium": {"min_p": 0.0, "min_value": 1}},
    ],
)
def test_tiers_by_value_are_left_alone(tiers):
    assert found(policy({}, tiers=tiers)) == []


def test_names_that_are_taken_or_missing():
    value = {
        "version": "1",
        "actions": {"call": PHONE, "none": PHONE, "visit": PHONE},
        "rules": [
            {"id": "a", "when": {"tier": "high"}, "then": "cal"},
            {"id": "a", "when": {"tier": "low"}, "then": "call"},
            {"id": "otherwise", "when": {"tier": "medium"}, "then": "none"},
        ],
    }
    findings = lint_policy(parse_policy(value))
    assert [(f.severity, f.code, f.column) for f in findings] == [
        ("error", "duplicate_rule", "rules.a"),
        ("error", "reserved_name", "rules.otherwise"),
        ("error", "reserved_name", "actions.none"),
        ("error", "unknown_action", "rules.a.then"),
        ("warning", "unused_action", "actions.visit"),
    ]
    assert findings[3].remedy == 'Did you mean "call"?'
    value["rules"][0]["then"] = "zzz"
    assert lint_policy(parse_policy(value))[3].remedy == "Add it under `actions`, or write `then: none`."


def test_features_must_exist_and_be_asked_rightly():
    features = {
        "employes": {"min": 3},
        "country": {"min": 3},
        "industry": {"min": 3, "one_of": "steel"},
        "orders_count_90d": {"one_of": "3"},
        "attribute_budget": {"min": 3},
        "attribute_key_account": {"one_of": "yes"},
        "attribute_other": {"min": 3},
        "attribute_both": {"min": 3, "one_of": "yes"},
        "employees": {},
    }
    rules = policy(*({"features": {name: condition}} for name, condition in features.items()))
    own = ["attribute_budget", "attribute_key_account", "attribute_both"]
    findings = lint_policy(rules, own_features=iter(own))
    prefix = "rules.r{}.when.features."
    assert [(f.code, f.column) for f in findings] == [
        ("unknown_feature", prefix.format(0) + "employes"),
        ("condition_kind", prefix.format(1) + "country"),
        ("condition_kind", prefix.format(2) + "industry"),
        ("condition_kind", prefix.format(3) + "orders_count_90d"),
        ("unknown_feature", prefix.format(6) + "attribute_other"),
        ("condition_kind", prefix.format(7) + "attribute_both"),
        ("empty_condition", prefix.format(8) + "employees"),
    ]
    assert findings[0].remedy == 'Did you mean "employees"?'


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"automatic": True}, ["unapproved_automatic"]),
        ({"automatic": True, "human_approval": True}, []),
        ({"restricts": "credit"}, ["unapproved_restriction"]),
        ({"restricts": ["credit", "supply"], "human_approval": True}, []),
        ({"automatic": True, "restricts": ["terms"]}, ["unapproved_automatic", "unapproved_restriction"]),
        ({"step_de": "Liefersperre setzen."}, ["restriction_not_declared"]),
        ({"label_en": "Suspend deliveries"}, ["restriction_not_declared"]),
        ({"step_en": "Block the customer."}, ["restriction_not_declared"]),
        ({"step_de": "Auf Vorkasse umstellen."}, ["restriction_not_declared"]),
        ({"step_de": "Kreditlimit senken.", "restricts": "credit", "human_approval": True}, []),
        ({"step_de": "Rufen Sie vor der Lieferung an.", "step_en": "Call before delivery."}, []),
        ({"save_rate_source": " "}, ["save_rate_without_source"]),
        ({"save_rate": 0.0, "save_rate_source": ""}, ["never_a_gain"]),
        ({"step_en": "Tun. "}, ["missing_translation"]),
    ],
)
def test_actions_that_must_not_be_or_need_a_look(change, codes):
    findings = lint_policy(with_action(**change))
    assert [finding.code for finding in findings] == codes
    errors = {"unapproved_automatic", "unapproved_restriction"}
    assert [finding.severity == "error" for finding in findings] == [code in errors for code in codes]


def test_without_gain_in_account_a_save_rate_may_be_missing():
    assert found(policy({}, actions={"call": {**PHONE, "save_rate": 0.0}}, only_with_gain=False)) == []


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"requires": ["email"]}, ["mail_without_basis"]),
        ({"requires": ["marketing_basis"]}, ["mail_without_address"]),
        ({"requires": [], "mail": None}, ["mail_without_basis", "mail_without_address", "mail_without_text"]),
        ({"mail": {**MAIL, "body_en": "Dear {custmer_name}"}}, ["unknown_placeholder"]),
        ({"mail": {**MAIL, "subject_de": "{customer_name.__class__}"}}, ["unknown_placeholder"]),
        ({"mail": {**MAIL, "body_de": "Text {manager_name"}}, ["unknown_placeholder"]),
        ({"mail": {**MAIL, "body_de": "Text }"}}, ["unknown_placeholder"]),
        ({"mail": {**MAIL, "body_de": "{customer_name} {manager_phone} {manager_email} {company}"}}, []),
        ({"mail": {**MAIL, "body_en": MAIL["body_de"]}}, ["missing_translation"]),
        ({"mail": {**MAIL, "subject_en": " Betreff"}}, ["missing_translation"]),
    ],
)
def test_mails_need_a_basis_an_address_and_a_text(change, codes):
    assert [finding.code for finding in lint_policy(with_mail(**change))] == codes


def test_a_mistyped_placeholder_is_answered_with_the_nearest():
    (finding,) = lint_policy(with_mail(mail={**MAIL, "body_en": "Dear {custmer_name}"}))
    assert (finding.column, finding.remedy) == ("actions.mail.mail.body_en", 'Did you mean "customer_name"?')


@pytest.mark.parametrize("when", [{}, {"tier": "high"}, {"open_complaint": False}])
def test_offers_while_an_issue_is_open_are_worth_a_look(when):
    value = {"version": "1", "actions": {"mail": EMAIL}, "rules": [{"id": "r", "when": when, "then": "mail"}]}
    assert found(parse_policy(value)) == [("warning", "offer_during_issue", "rules.r")]
    value["rules"].insert(0, {"id": "first", "when": {"open_issue": True}, "then": "none"})
    assert found(parse_policy(value)) == []


@pytest.mark.parametrize("kind", ["natural_person", "unknown"])
def test_mailing_persons_without_consent_is_worth_a_look(kind):
    rules = policy({}, mail_consent={kind: ["consent", "existing_customer"]})
    assert found(rules) == [("warning", "mail_to_persons_without_consent", f"mail_consent.{kind}")]


@pytest.mark.parametrize(
    ("calendar", "code", "remedy"),
    [
        ({"country": "ZZ"}, "unknown_country", "Use a code of two capital letters, e.g. DE."),
        ({"country": "DEE"}, "unknown_country", "Did you mean"),
        ({"subdivision": "XX"}, "unknown_subdivision", "Known: BB, BE, BW, BY,"),
        ({"closed_days": ["02-30"]}, "no_such_day", "Correct it."),
        ({"closed_days": ["2026-02-29"]}, "no_such_day", "Correct it."),
    ],
)
def test_places_and_days_must_exist(calendar, code, remedy):
    (finding,) = lint_policy(policy({}, calendar=calendar))
    assert (finding.severity, finding.code) == ("error", code)
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "calendar", [{"country": "DE", "subdivision": "BY"}, {"country": "AT"}, {"closed_days": ["02-29", "2024-02-29"]}]
)
def test_places_and_days_that_exist_are_left_alone(calendar):
    assert found(policy({}, calendar=calendar)) == []


def test_errors_come_before_warnings():
    value = copy.deepcopy(yaml.safe_load(policy_yaml()))
    value["actions"]["offer_email"]["save_rate_source"] = ""
    value["rules"].append({"id": "late", "when": {"tier": "high"}, "then": "none"})
    assert [severity for severity, _, _ in found(parse_policy(value))] == ["error", "warning"]


ranges = st.fixed_dictionaries({}, optional={"min": st.sampled_from([0.2, 0.5]), "max": st.sampled_from([0.3, 0.5])})
whens = st.fixed_dictionaries(
    {},
    optional={
        "tier": st.lists(st.sampled_from(["high", "medium", "low"]), min_size=1, unique=True),
        "value": ranges,
        "open_issue": st.booleans(),
        "open_dispute": st.booleans(),
        "natural_person": st.lists(st.sampled_from(["yes", "no", "unknown"]), min_size=1, unique=True),
        "without_notes": st.just(["tier_kept"]),
        "notes": st.just(["tier_kept"]),
    },
)


def every_case():
    """Every subject that those conditions can tell apart."""
    parts = itertools.product(
        [("high", 0.7), ("medium", 0.4), ("low", 0.1)],
        [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6],
        [False, True],
        [False, True],
        [True, False, None],
        [[], ["tier_kept"]],
    )
    return pd.DataFrame(
        [
            {
                "subject_type": "customer",
                "subject_id": str(i),
                "risk_tier": tier,
                "p": p,
                "value_at_stake": value,
                "priority": 1.0,
                "open_complaint": complaint,
                "open_dispute": dispute,
                "is_natural_person": person,
                "notes": notes,
            }
            for i, ((tier, p), value, complaint, dispute, person, notes) in enumerate(parts)
        ]
    )


CASES = every_case()


@settings(max_examples=80, deadline=None)
@given(st.lists(whens, min_size=1, max_size=6))
def test_the_linter_is_right_about_every_rule(rules):
    value = policy(*rules)
    decided = set(decide(CASES, value, as_of=pd.Timestamp("2026-03-02").date())["rule"])
    for rule, box, left in leftovers(value):
        assert left is not None
        assert (left != []) == (rule.id in decided)
        # boxes that are left over do not overlap and lie in the rule's own
        for piece in left:
            assert all(piece[name] and piece[name] <= box[name] for name in box)
        for one, other in itertools.combinations(left, 2):
            assert is_empty({name: one[name] & other[name] for name in one})
    named = {finding.column.removeprefix("rules.") for finding in lint_policy(value) if finding.severity == "error"}
    assert named == {rule.id for rule in value.rules} - decided
