"""The file policy.yaml: strict, all faults at once, hashed over its content."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from crm_ml.actions.policy import default_policy, lint_policy, parse_policy, policy_yaml
from crm_ml.errors import UsageError

CALL = {
    "channel": "phone",
    "label_de": "Anruf",
    "label_en": "Call",
    "step_de": "Rufen Sie an.",
    "step_en": "Call.",
    "save_rate": 0.2,
    "save_rate_source": "a guess",
}


def content(**more):
    return {"version": "1", "actions": {"call": dict(CALL)}, "rules": [{"id": "all", "then": "call"}], **more}


def faults(value):
    with pytest.raises(UsageError, match=r"policy\.yaml has") as caught:
        parse_policy(value)
    return {(finding.code, finding.column): finding for finding in caught.value.findings}


def test_every_fault_is_named_at_once_with_its_key():
    value = content(
        tires={},
        tiers={"high": {"min_p": 1.2}, "hysteresis": 0.001},
        calendar={"closed_days": ["24.12."]},
    )
    value["version"] = 1
    value["actions"]["call"]["chanel"] = value["actions"]["call"].pop("channel")
    value["actions"]["call"]["step_en"] = "  "
    value["rules"][0]["when"] = {"tier": "hihg", "features": {"employees": {"mn": 3}}}
    value["rules"].append({"id": "Second", "then": "call"})
    found = faults(value)
    assert set(found) == {
        ("unknown_key", "tires"),
        ("bad_value", "version"),
        ("bad_value", "tiers.high.min_p"),
        ("bad_value", "tiers.hysteresis"),
        ("bad_value", "calendar.closed_days.0"),
        ("unknown_key", "actions.call.chanel"),
        ("missing_key", "actions.call.channel"),
        ("bad_value", "actions.call.step_en"),
        ("bad_value", "rules.all.when.tier.0"),
        ("unknown_key", "rules.all.when.features.employees.mn"),
        ("bad_value", "rules.Second.id"),
    }
    assert found["unknown_key", "tires"].remedy == 'Did you mean "tiers"?'
    assert found["unknown_key", "actions.call.chanel"].remedy == 'Did you mean "channel"?'
    assert found["unknown_key", "rules.all.when.features.employees.mn"].remedy == 'Did you mean "min"?'
    assert found["bad_value", "rules.all.when.tier.0"].remedy == 'Did you mean "high"?'
    assert found["missing_key", "actions.call.channel"].remedy == "Add it: how it is done."
    assert found["bad_value", "version"].remedy.startswith("Put the value in quotes")
    assert "there must be a text here" in found["bad_value", "actions.call.step_en"].message


def test_a_rule_without_an_id_is_named_by_its_number():
    assert set(faults(content(rules=[{"then": "none"}, 7]))) == {
        ("missing_key", "rules.0.id"),
        ("bad_value", "rules.1"),
    }


def test_a_wrong_word_in_a_list_is_answered_with_the_nearest():
    rules = [{"id": "all", "when": {"marketing_basis": ["consent", "existing_custmer"]}, "then": "none"}]
    (finding,) = faults(content(rules=rules)).values()
    assert (finding.column, finding.remedy) == (
        "rules.all.when.marketing_basis.1",
        'Did you mean "existing_customer"?',
    )
    (finding,) = faults(content(actions={"call": {**CALL, "channel": 7}})).values()
    assert finding.remedy == "Correct it."


@pytest.mark.parametrize("key", ["tier", "marketing_basis", "natural_person", "status"])
def test_an_empty_list_is_no_condition_but_a_fault(key):
    (code, where), *_ = faults(content(rules=[{"id": "all", "when": {key: []}, "then": "none"}]))
    assert (code, where) == ("bad_value", f"rules.all.when.{key}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5", True, -0.1, 1.1])
def test_a_save_rate_is_a_number_between_0_and_1(value):
    assert set(faults(content(actions={"call": {**CALL, "save_rate": value}}))) == {
        ("bad_value", "actions.call.save_rate")
    }


@pytest.mark.parametrize("id", ["Call", "1st", "a b", "x" * 41, ""])
def test_ids_are_plain(id):
    assert len(faults(content(actions={id: dict(CALL)}))) == 1


@pytest.mark.parametrize("day", ["02-30", "12-24", "2026-12-24", "02-29"])
def test_closed_days_have_two_forms(day):
    assert parse_policy(content(calendar={"closed_days": day})).calendar.closed_days == (day,)


def test_a_date_that_yaml_reads_as_a_date_is_a_closed_day_too():
    days = yaml.safe_load("[2026-12-24, 12-31]")
    assert parse_policy(content(calendar={"closed_days": days})).calendar.closed_days == ("2026-12-24", "12-31")


@pytest.mark.parametrize("day", ["2026-13-01", "12-32", "00-10", "12-00", "24.12.", "1-1"])
def test_what_is_no_day_is_a_fault(day):
    assert set(faults(content(calendar={"closed_days": [day]}))) == {("bad_value", "calendar.closed_days.0")}


def test_a_single_value_may_stand_for_a_list():
    rule = {"id": "one", "when": {"tier": "high", "natural_person": True, "status": "active"}, "then": "none"}
    when = parse_policy(content(rules=[rule])).rules[0].when
    assert (when.tier, when.natural_person, when.status) == (("high",), ("yes",), ("active",))
    rule["when"]["natural_person"] = [False, "unknown"]
    assert parse_policy(content(rules=[rule])).rules[0].when.natural_person == ("no", "unknown")


def test_the_default_is_the_story():
    policy = default_policy()
    assert [(rule.id, rule.when.tier, rule.when.open_issue, rule.then) for rule in policy.rules] == [
        ("issue_first", ("high", "medium"), True, "clear_issue"),
        ("high_risk", ("high",), None, "personal_talk"),
        ("medium_risk", ("medium",), None, "offer_email"),
    ]
    assert (policy.tiers.high.min_p, policy.tiers.medium.min_p, policy.tiers.hysteresis) == (0.6, 0.3, 0.02)
    assert {id: (a.channel, a.save_rate, a.automatic) for id, a in policy.actions.items()} == {
        "personal_talk": ("phone", 0.3, False),
        "clear_issue": ("phone", 0.3, False),
        "offer_email": ("email", 0.1, False),
    }
    assert policy.actions["offer_email"].requires == ("email", "marketing_basis")
    assert policy.mail_consent.natural_person == ("consent",)
    assert policy.mail_consent.company == ("consent", "existing_customer")
    assert lint_policy(policy) == []


def test_what_the_default_file_leaves_out_has_the_same_default():
    value = yaml.safe_load(policy_yaml())
    short = {key: value[key] for key in ("version", "actions", "rules", "calendar")}
    assert parse_policy(short) == parse_policy(value)
    assert parse_policy({**value, "tiers": {"high": {"min_value": 5000}}}).tiers.high.min_p == 0.6


def test_the_hash_is_that_of_the_content_not_of_the_writing():
    value = content()
    policy = parse_policy(value)
    written_out = parse_policy(json.loads(json.dumps(policy.model_dump(mode="json"))))
    assert written_out == policy
    text = json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert policy.sha256 == written_out.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert policy.version_text == f"1 ({policy.sha256[:8]})"


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"rules": []},
        {"cool_down_days": 31},
        {"tiers": {"hysteresis": 0.03}},
        {"actions": {"call": {**CALL, "step_de": "Rufen Sie bald an."}}},
    ],
)
def test_every_change_changes_the_hash(change):
    assert parse_policy(content(**change)).sha256 != parse_policy(content()).sha256


def test_a_policy_does_not_change_later():
    with pytest.raises(ValueError, match="frozen"):
        default_policy().rules = ()


def test_features_and_cool_downs_are_named():
    rules = [
        {"id": "a", "when": {"features": {"employees": {"min": 5}}}, "then": "call"},
        {"id": "b", "when": {"features": {"country": {"one_of": "DE"}, "employees": {"max": 5}}}, "then": "call"},
    ]
    policy = parse_policy(content(rules=rules, cool_down_days=17))
    assert policy.features == ("country", "employees")
    assert (policy.cool_down_of("call"), policy.cool_down_of("fax"), policy.cool_down_of(None)) == (30, 17, 17)
