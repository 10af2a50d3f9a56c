"""Decisions: the first rule that holds, everything recorded, nothing done that must not be."""

from __future__ import annotations

import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.policy import HELD_BY, decide, default_policy, parse_policy
from crm_ml.actions.policy.subjects import Subjects
from crm_ml.errors import UsageError

DAY = dt.date(2026, 4, 30)
COLUMNS = [
    "subject_type",
    "subject_id",
    "action",
    "channel",
    "arm",
    "rule",
    "held_by",
    "save_rate",
    "cost",
    "expected_gain",
    "due_on",
    "text_de",
    "text_en",
    "label_de",
    "label_en",
    "policy_version",
    "inputs",
]
PLAIN = {
    "subject_type": "customer",
    "subject_id": "K1",
    "p": 0.7,
    "risk_tier": "high",
    "value_at_stake": 10_000.0,
    "priority": 7_000.0,
    "name": "Canary GmbH",
    "phone": "0711 123",
    "email": "einkauf@example.org",
    "marketing_basis": "consent",
    "is_natural_person": False,
    "profiling_objection": False,
    "open_complaint": False,
    "open_dispute": False,
    "last_action": None,
    "days_since_last_action": float("nan"),
    "held_until": None,
    "held_why": None,
    "status": "active",
    "notes": [],
}


def subjects(*changes):
    return pd.DataFrame([{**PLAIN, "subject_id": f"K{i}", **change} for i, change in enumerate(changes)])


def action(**more):
    texts = {"label_de": "L", "label_en": "E", "step_de": "Tun.", "step_en": "Do."}
    return {"channel": "phone", "save_rate": 0.5, "save_rate_source": "a guess", **texts, **more}


def policy(*rules, **more):
    catalogue = {"act": action(), "other": action(cost=10.0)}
    listed = [{"id": f"r{i}", "when": when, "then": then} for i, (when, then) in enumerate(rules)]
    return parse_policy({"version": "t", "actions": catalogue, "rules": listed, **more})


def one(change, rules=None):
    return decide(subjects(change), rules or default_policy(), as_of=DAY).iloc[0]


def chosen(when, *changes, extra=()):
    """Return for which of the subjects the condition holds."""
    frame = subjects(*changes)
    done = decide(frame, policy((when, "act"), *extra, only_with_gain=False), as_of=DAY)
    return [rule == "r0" for rule in done["rule"]]


def test_a_decision_carries_everything():
    (row,) = decide(subjects({}), default_policy(), as_of=DAY).to_dict("records")
    assert list(row) == COLUMNS
    inputs = json.loads(row.pop("inputs"))
    assert row == {
        "subject_type": "customer",
        "subject_id": "K0",
        "action": "personal_talk",
        "channel": "phone",
        "arm": "treatment",
        "rule": "high_risk",
        "held_by": None,
        "save_rate": 0.3,
        "cost": 60.0,
        "expected_gain": 7_000.0 * 0.3 - 60.0,
        "due_on": dt.date(2026, 5, 5),
        "text_de": "Rufen Sie den Kunden an und fragen Sie, woran es liegt.",
        "text_en": "Call the customer and ask what is behind it.",
        "label_de": "Persönliches Gespräch",
        "label_en": "Personal talk",
        "policy_version": default_policy().version_text,
    }
    assert inputs == {
        "p": 0.7,
        "risk_tier": "high",
        "value_at_stake": 10_000.0,
        "priority": 7_000.0,
        "open_complaint": False,
        "open_dispute": False,
        "marketing_basis": "consent",
        "natural_person": "no",
        "has_email": True,
        "last_action": None,
        "days_since_last_action": None,
        "held_until": None,
        "held_why": None,
        "withheld": None,
    }


def test_nothing_to_do_is_a_decision_too():
    row = one({"risk_tier": "low", "p": 0.1})
    assert (row["action"], row["rule"], row["held_by"], row["channel"], row["due_on"]) == (
        "none",
        "otherwise",
        None,
        None,
        None,
    )
    assert (row["expected_gain"], row["cost"], row["save_rate"]) == (0.0, 0.0, 0.0)
    assert (row["text_de"], row["label_en"]) == ("Im Moment ist nichts zu tun.", "No action")


def test_what_is_withheld_is_recorded_and_costs_nothing():
    row = one({"risk_tier": "medium", "marketing_basis": "none"})
    assert (row["action"], row["rule"], row["held_by"]) == ("none", "medium_risk", "no_marketing_basis")
    assert (row["expected_gain"], row["cost"], row["due_on"]) == (0.0, 0.0, None)
    assert json.loads(row["inputs"])["withheld"] == "offer_email"


def test_the_first_rule_that_holds_decides():
    rules = policy(({"tier": "low"}, "act"), ({"p": {"min": 0.5}}, "other"), ({}, "act"))
    done = decide(subjects({}, {"risk_tier": "low"}, {"p": 0.4}), rules, as_of=DAY)
    assert list(done["rule"]) == ["r1", "r0", "r2"]
    assert list(done["action"]) == ["other", "act", "act"]


def test_who_objects_is_left_alone_whatever_the_rules_say():
    rules = policy(({}, "act"), only_with_gain=False)
    row = one({"profiling_objection": True, "held_until": dt.date(2027, 1, 1), "held_why": "done"}, rules)
    assert (row["action"], row["rule"], row["held_by"]) == ("none", "objection", "objection")
    assert row["inputs"] == '{"profiling_objection":true}'
    assert (row["expected_gain"], row["channel"], row["due_on"]) == (0.0, None, None)


def test_inputs_name_no_person():
    done = decide(subjects({}, {"profiling_objection": True}), default_policy(), as_of=DAY)
    text = done.to_json()
    assert not any(word in text for word in ("Canary", "einkauf", "0711"))


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"tier": ["high", "medium"]}, [{}, {"risk_tier": "medium"}], [{"risk_tier": "low"}]),
        ({"p": {"min": 0.7}}, [{"p": 0.7}, {"p": 1.0}], [{"p": np.nextafter(0.7, 0)}]),
        ({"p": {"max": 0.7}}, [{"p": 0.7}, {"p": 0.0}], [{"p": np.nextafter(0.7, 1)}]),
        ({"p": {"min": 0.2, "max": 0.4}}, [{"p": 0.3}], [{"p": 0.1}, {"p": 0.5}]),
        (
            {"value": {"min": 100, "max": 200}},
            [{"value_at_stake": 100.0}, {"value_at_stake": 200.0}],
            [{"value_at_stake": 99.0}, {"value_at_stake": 201.0}, {"value_at_stake": -5.0}],
        ),
        (
            {"open_issue": True},
            [{"open_complaint": True}, {"open_dispute": True}, {"open_complaint": True, "open_dispute": True}],
            [{}, {"open_complaint": None}],
        ),
        ({"open_issue": False}, [{}, {"open_dispute": None}], [{"open_complaint": True}, {"open_dispute": True}]),
        ({"open_complaint": True}, [{"open_complaint": True}], [{}, {"open_dispute": True}]),
        ({"open_complaint": False}, [{}, {"open_dispute": True}], [{"open_complaint": True}]),
        ({"open_dispute": True}, [{"open_dispute": True}], [{}, {"open_complaint": True}]),
        ({"open_dispute": False}, [{}, {"open_complaint": True}], [{"open_dispute": True}]),
        ({"marketing_basis": "consent"}, [{}], [{"marketing_basis": m} for m in ("existing_customer", "none", None)]),
        (
            {"marketing_basis": ["none", "unknown"]},
            [{"marketing_basis": m} for m in ("none", None, "a strange word")],
            [{}, {"marketing_basis": "existing_customer"}],
        ),
        ({"natural_person": True}, [{"is_natural_person": True}], [{}, {"is_natural_person": None}]),
        ({"natural_person": False}, [{}], [{"is_natural_person": True}, {"is_natural_person": None}]),
        ({"natural_person": "unknown"}, [{"is_natural_person": None}], [{}, {"is_natural_person": True}]),
        (
            {"days_since_last_action": {"min": 10}},
            [{"days_since_last_action": d} for d in (10.0, 99.0)],
            [{}, {"days_since_last_action": 9.0}],
        ),
        ({"days_since_last_action": {"max": 10}}, [{"days_since_last_action": 10.0}], [{}]),
        ({"days_since_last_action": {"is_null": True}}, [{}], [{"days_since_last_action": 3.0}]),
        ({"days_since_last_action": {"is_null": False}}, [{"days_since_last_action": 3.0}], [{}]),
        (
            {"status": ["active", "blocked"]},
            [{}, {"status": None}, {"status": "blocked"}],
            [{"status": "insolvent"}, {"status": "internal"}],
        ),
        (
            {"notes": ["model_is_rule", "history_short"]},
            [{"notes": ["history_short", "model_is_rule", *more]} for more in ([], ["tier_kept"])],
            [{}, {"notes": ["history_short"]}, {"notes": None}],
        ),
        (
            {"without_notes": ["model_is_rule", "history_short"]},
            [{}, {"notes": ["tier_kept"]}, {"notes": None}],
            [{"notes": ["history_short"]}, {"notes": ["model_is_rule", "tier_kept"]}],
        ),
        ({}, [{}, {"risk_tier": "low"}], []),
    ],
)
def test_each_condition(when, yes, no):
    assert chosen(when, *yes, *no) == [True] * len(yes) + [False] * len(no)


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ({"min": 5}, [5.0, 6.0], [4.9, None]),
        ({"max": 5}, [5.0, -1.0], [5.1, None]),
        ({"min": 1, "max": 3}, [1.0, 3.0], [0.0, 4.0, None]),
        ({"is_null": True}, [None], [0.0, 5.0]),
        ({"is_null": False}, [0.0, 5.0], [None]),
        ({"is_null": False, "min": 2}, [2.0], [1.0, None]),
        ({"is_null": True, "min": 2}, [], [2.0, None]),
        ({"one_of": ["DE", "AT"]}, ["DE", "AT"], ["CH", None, "de"]),
        ({"one_of": "DE", "is_null": False}, ["DE"], ["AT", None]),
        ({"one_of": "DE", "is_null": True}, [], ["DE", None]),
        ({}, [0.0, None], []),
    ],
)
def test_each_condition_on_features(condition, yes, no):
    rows = [{"own": value} for value in (*yes, *no)]
    assert chosen({"features": {"own": condition}}, *rows) == [True] * len(yes) + [False] * len(no)


def test_all_features_and_all_conditions_must_hold():
    when = {"tier": "high", "features": {"a": {"min": 1}, "b": {"max": 0}}}
    rows = [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0, "risk_tier": "low"}]
    assert chosen(when, *rows) == [True, False, False, False]


def test_features_are_recorded():
    rules = policy(({"features": {"a": {"min": 1}, "land": {"one_of": "Öl & %s"}}}, "act"))
    row = one({"a": 1.5, "land": "Öl & %s"}, rules)
    assert (json.loads(row["inputs"])["feature:a"], json.loads(row["inputs"])["feature:land"]) == (1.5, "Öl & %s")
    assert row["rule"] == "r0"


@pytest.mark.parametrize(
    ("change", "held_by"),
    [
        # until the day before; on the day itself the customer may return
        ({"held_until": dt.date(2026, 5, 1), "held_why": "done"}, "answered_done"),
        ({"held_until": dt.date(2026, 5, 1), "held_why": "not_now"}, "snoozed"),
        ({"held_until": dt.date(2026, 5, 1), "held_why": "wrong"}, "answered_wrong"),
        ({"held_until": dt.date(2026, 5, 1), "held_why": None}, "answered_done"),
        ({"held_until": pd.Timestamp("2026-05-01"), "held_why": "not_now"}, "snoozed"),
        ({"held_until": DAY, "held_why": "done"}, None),
        ({"held_until": dt.date(2026, 4, 29), "held_why": "wrong"}, None),
        # 30 days after a talk
        ({"last_action": "personal_talk", "days_since_last_action": 29.0}, "cool_down"),
        ({"last_action": "personal_talk", "days_since_last_action": 30.0}, None),
        # 14 days after an issue
        ({"last_action": "clear_issue", "days_since_last_action": 13.0}, "cool_down"),
        ({"last_action": "clear_issue", "days_since_last_action": 14.0}, None),
        # what is not in the catalogue: 30 days
        ({"last_action": "fax", "days_since_last_action": 29.0}, "cool_down"),
        ({"last_action": "fax", "days_since_last_action": 30.0}, None),
        ({"last_action": "fax", "days_since_last_action": float("nan")}, None),
        # .3 x 200 = 60 is not more than the cost of 60
        ({"priority": 200.0}, "gain_not_positive"),
        ({"priority": 200.01}, None),
        ({"priority": -5.0}, "gain_not_positive"),
        # a talk needs neither address nor basis
        ({"email": None, "phone": None, "marketing_basis": None}, None),
    ],
)
def test_what_withholds_a_talk(change, held_by):
    row = one(change)
    assert (row["rule"], row["held_by"]) == ("high_risk", held_by)
    assert row["action"] == ("personal_talk" if held_by is None else "none")


@pytest.mark.parametrize(
    ("change", "held_by"),
    [
        ({}, None),
        ({"email": None}, "no_email"),
        ({"email": " "}, "no_email"),
        ({"email": "einkauf"}, "no_email"),
        ({"email": "a@b, c@d"}, "no_email"),
        ({"email": "a@b\nBcc: c@d"}, "no_email"),
        ({"email": " a@example.org "}, None),
        ({"marketing_basis": "none"}, "no_marketing_basis"),
        ({"marketing_basis": None}, "no_marketing_basis"),
        ({"marketing_basis": "Consent"}, "no_marketing_basis"),
        ({"marketing_basis": "existing_customer"}, None),
        ({"marketing_basis": "existing_customer", "is_natural_person": True}, "consent_needed"),
        ({"marketing_basis": "existing_customer", "is_natural_person": None}, "consent_needed"),
        ({"marketing_basis": "consent", "is_natural_person": True}, None),
        ({"marketing_basis": "consent", "is_natural_person": None}, None),
    ],
)
def test_what_withholds_an_offer(change, held_by):
    row = one({"risk_tier": "medium", **change})
    assert (row["rule"], row["held_by"]) == ("medium_risk", held_by)
    assert row["channel"] == ("email" if held_by is None else None)


@pytest.mark.parametrize(
    ("phone", "held_by"),
    [
        ("0711 123", None),
        ("+49 (7) 11", None),
        ("a1b2c3", None),
        ("12", "no_phone"),
        ("-", "no_phone"),
        (None, "no_phone"),
    ],
)
def test_an_action_may_need_a_phone(phone, held_by):
    rules = parse_policy(
        {"version": "t", "actions": {"act": action(requires="phone")}, "rules": [{"id": "r", "then": "act"}]}
    )
    assert one({"phone": phone}, rules)["held_by"] == held_by
    assert json.loads(one({"phone": phone}, rules)["inputs"])["has_phone"] is (held_by is None)


def test_the_consent_that_is_asked_for_is_that_of_the_policy():
    rules = parse_policy(
        {
            "version": "t",
            "actions": {"act": action(requires=["marketing_basis"])},
            "rules": [{"id": "r", "then": "act"}],
            "mail_consent": {"company": [], "natural_person": ["existing_customer"], "unknown": ["consent"]},
        }
    )
    rows = [{"is_natural_person": who, "marketing_basis": basis} for who, basis in WHO_AND_BASIS]
    held = decide(subjects(*rows), rules, as_of=DAY)["held_by"]
    assert list(held) == ["consent_needed", "consent_needed", "consent_needed", None, None, "consent_needed"]


WHO_AND_BASIS = [
    (False, "consent"),
    (False, "existing_customer"),
    (True, "consent"),
    (True, "existing_customer"),
    (None, "consent"),
    (None, "existing_customer"),
]


def test_of_several_obstacles_the_first_in_order_is_named():
    everything = {
        "risk_tier": "medium",
        "profiling_objection": True,
        "held_until": dt.date(2026, 6, 1),
        "held_why": "done",
        "last_action": "personal_talk",
        "days_since_last_action": 1.0,
        "email": None,
        "marketing_basis": "none",
        "priority": -1.0,
    }
    cures = [
        ("objection", {"profiling_objection": False}),
        ("answered_done", {"held_until": None}),
        ("cool_down", {"last_action": None, "days_since_last_action": float("nan")}),
        ("no_email", {"email": "a@example.org"}),
        ("no_marketing_basis", {"marketing_basis": "existing_customer", "is_natural_person": True}),
        ("consent_needed", {"marketing_basis": "consent"}),
        ("gain_not_positive", {"priority": 1000.0}),
    ]
    for held_by, cure in cures:
        assert one(everything)["held_by"] == held_by
        everything.update(cure)
    assert one(everything)["action"] == "offer_email"
    order = [held_by for held_by, _ in cures]
    assert [held_by for held_by in HELD_BY if held_by in order] == order


def test_gain_may_be_left_out_of_account():
    rules = policy(({}, "other"), only_with_gain=False)
    row = one({"priority": 2.0}, rules)
    assert (row["action"], row["expected_gain"]) == ("other", 2.0 * 0.5 - 10.0)
    assert one({"priority": 2.0}, policy(({}, "other")))["held_by"] == "gain_not_positive"


def test_none_is_never_withheld():
    rules = policy(({}, "none"))
    row = one({"held_until": dt.date(2027, 1, 1), "held_why": "done", "priority": -1.0}, rules)
    assert (row["action"], row["rule"], row["held_by"]) == ("none", "r0", None)
    assert json.loads(row["inputs"])["withheld"] is None


def test_only_the_needed_columns_are_needed():
    needed = ["subject_type", "subject_id", "p", "risk_tier", "value_at_stake", "priority"]
    done = decide(subjects({}, {"risk_tier": "medium"})[needed], default_policy(), as_of=DAY)
    assert list(done["action"]) == ["personal_talk", "none"]
    assert list(done["held_by"]) == [None, "no_email"]


def test_without_the_column_nobody_has_notes_a_status_or_an_issue():
    when = {"without_notes": ["tier_kept"], "status": "active", "open_issue": False, "natural_person": "unknown"}
    frame = subjects({}, {})[["subject_type", "subject_id", "p", "risk_tier", "value_at_stake", "priority"]]
    assert list(decide(frame, policy((when, "act")), as_of=DAY)["rule"]) == ["r0", "r0"]


def test_all_faults_of_the_subjects_at_once():
    frame = subjects({"p": 1.5, "risk_tier": "severe", "priority": float("inf")}).drop(columns=["value_at_stake"])
    rules = policy(({"features": {"employees": {"min": 1}}}, "act"))
    with pytest.raises(UsageError, match=r"must have the columns value_at_stake, employees") as caught:
        decide(frame, rules, as_of=DAY)
    assert [(finding.code, finding.column, finding.count) for finding in caught.value.findings] == [
        ("missing_column", "", 2),
        ("bad_value", "p", 1),
        ("bad_value", "priority", 1),
        ("bad_value", "risk_tier", 1),
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(UsageError, match=r"p must be a finite number in \[0, 1\]"):
        decide(subjects({"p": value}), default_policy(), as_of=DAY)


def test_an_action_that_does_not_exist_is_refused():
    rules = policy(({"tier": "low"}, "act"), ({}, "acct"))
    with pytest.raises(UsageError, match=r"no action acct in the catalogue.* Did you mean \"act\""):
        decide(subjects({}), rules, as_of=DAY)


def test_nobody_is_a_valid_table():
    done = decide(subjects({}).iloc[:0], default_policy(), as_of=DAY)
    assert list(done.columns) == COLUMNS
    assert len(done) == 0


def test_the_table_of_the_caller_stays_as_it_is():
    frame = subjects({}, {"profiling_objection": True, "marketing_basis": None})
    before = frame.copy(deep=True)
    decide(frame, default_policy(), as_of=DAY)
    pd.testing.assert_frame_equal(frame, before)


people = st.fixed_dictionaries(
    {
        "p": st.floats(0, 1),
        "risk_tier": st.sampled_from(["high", "medium", "low"]),
        "value_at_stake": st.floats(-1e6, 1e6),
        "priority": st.floats(-1e6, 1e6),
        "email": st.sampled_from([None, "", "a@example.org"]),
        "marketing_basis": st.sampled_from(["consent", "existing_customer", "none", None]),
        "is_natural_person": st.sampled_from([True, False, None]),
        "profiling_objection": st.sampled_from([True, False, None]),
        "open_complaint": st.booleans(),
        "open_dispute": st.booleans(),
        "last_action": st.sampled_from([None, "act", "fax"]),
        "days_since_last_action": st.sampled_from([float("nan"), 0.0, 29.0, 30.0]),
        "held_until": st.sampled_from([None, DAY, dt.date(2026, 5, 1)]),
        "held_why": st.sampled_from(["done", "not_now", "wrong", None]),
        "notes": st.lists(st.sampled_from(["history_short", "tier_kept"]), unique=True),
        "employees": st.sampled_from([None, 1.0, 50.0]),
        "country": st.sampled_from([None, "DE", "AT"]),
    }
)
RULES = policy(
    ({"notes": "history_short", "p": {"max": 0.5}}, "none"),
    ({"tier": "high", "open_issue": True}, "act"),
    ({"features": {"employees": {"min": 10}, "country": {"one_of": "DE"}}}, "other"),
    ({"tier": ["high", "medium"], "marketing_basis": ["consent", "unknown"]}, "other"),
    ({"value": {"min": 1000}}, "act"),
)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(people, min_size=1, max_size=12), data=st.data())
def test_properties_of_every_decision(rows, data):
    frame = subjects(*rows)
    done = decide(frame, RULES, as_of=DAY)
    assert list(done["subject_id"]) == list(frame["subject_id"])
    assert set(done["rule"]) <= {"objection", "otherwise", *(rule.id for rule in RULES.rules)}
    acts = done["action"] != "none"
    assert (acts == done["due_on"].notna()).all()
    assert (acts == done["channel"].notna()).all()
    assert not (acts & done["held_by"].notna()).any()
    # expected gain = priority x save rate - cost, and never a loss
    gain = frame["priority"] * done["save_rate"] - done["cost"]
    assert (done.loc[acts, "expected_gain"] == gain[acts]).all()
    assert (done.loc[acts, "expected_gain"] > 0).all()
    assert (done.loc[~acts, ["expected_gain", "cost", "save_rate"]] == 0).all().all()
    # who objects is never acted on, and is always said to object
    objects = frame["profiling_objection"] == True  # noqa: E712
    assert ((done["rule"] == "objection") == objects).all()
    assert ((done["held_by"] == "objection") == objects).all()
    # the order of the rows does not matter, nor who else is there
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = decide(frame.iloc[order], RULES, as_of=DAY)
    pd.testing.assert_frame_equal(shuffled, done.iloc[order])
    alone = pd.concat([decide(frame.iloc[[i]], RULES, as_of=DAY) for i in range(len(rows))])
    pd.testing.assert_frame_equal(alone, done)
    assert list(alone["inputs"]) == list(done["inputs"])


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(people, min_size=1, max_size=8))
def test_the_rule_that_decides_is_the_first_that_decides_alone(rows):
    frame = subjects(*rows)
    done = decide(frame, RULES, as_of=DAY)
    fits = {
        rule.id: list(decide(frame, RULES.model_copy(update={"rules": (rule,)}), as_of=DAY)["rule"] == rule.id)
        for rule in RULES.rules
    }
    for i, decided in enumerate(done["rule"]):
        if decided != "objection":
            assert decided == next((id for id, holds in fits.items() if holds[i]), "otherwise")


def test_thirty_days_replayed_nobody_returns_before_the_cool_down():
    rng = np.random.default_rng(11)
    size, days = 200, 60
    base = rng.uniform(0.2, 0.9, size)
    talked = np.full(size, -10_000)
    returns = 0
    for number in range(days):
        day = dt.date(2026, 1, 5) + dt.timedelta(days=number)
        p = np.clip(base + rng.normal(0, 0.05, size), 0, 1)
        since = np.where(talked > -10_000, number - talked, np.nan).astype(float)
        frame = pd.DataFrame(
            {
                "subject_type": "customer",
                "subject_id": [f"{i:03d}" for i in range(size)],
                "p": p,
                "risk_tier": np.where(p >= 0.6, "high", np.where(p >= 0.3, "medium", "low")),
                "value_at_stake": 10_000.0,
                "priority": p * 10_000.0,
                "last_action": pd.Series(np.where(np.isnan(since), None, "personal_talk"), dtype=object),
                "days_since_last_action": since,
            }
        )
        acts = (decide(frame, default_policy(), as_of=day)["action"] == "personal_talk").to_numpy()
        assert not (acts & (since < 30)).any()
        returns += int((acts & (since == 30)).sum())
        # a third of those on the list are talked to on the day
        talked[acts & (rng.random(size) < 0.3)] = number
    assert returns > 20


BLANKS = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u2003"


@settings(max_examples=200)
@given(st.lists(st.one_of(st.none(), st.text(), st.text(f"ab@.1 \0{BLANKS}٣ü", max_size=9)), min_size=1, max_size=8))
def test_hypothesis_addresses_and_numbers_are_told_as_python_tells_them(texts):
    subjects = Subjects(
        pd.DataFrame({"email": pd.Series(texts, dtype=object), "phone": pd.Series(texts, dtype=object)})
    )
    plain = [str(text or "").strip() for text in texts]
    assert subjects.has_email.tolist() == [re.search(r"^[^@\s]+@[^@\s]+\Z", text) is not None for text in plain]
    assert subjects.has_phone.tolist() == [sum(map(str.isdecimal, text)) >= 3 for text in plain]


def test_addresses_that_are_no_texts_are_read_as_such():
    subjects = Subjects(pd.DataFrame({"phone": pd.Series([12345, None, "1 2", "\ud800 123"], dtype=object)}))
    assert subjects.has_phone.tolist() == [True, False, False, True]


def test_what_is_the_same_for_all_is_recorded_for_each():
    rules = policy(({"features": {"a": {"min": 1}, "land": {"one_of": "100 %s"}}}, "act"))
    rows = [{**PLAIN, "subject_id": name, "p": p, "land": "100 %s", "a": None} for name, p in (("A", 0.5), ("B", 0.25))]
    texts = decide(pd.DataFrame(rows), rules, as_of=DAY)["inputs"].tolist()
    found = [json.loads(text) for text in texts]
    assert [(each["p"], each["feature:land"], each["feature:a"]) for each in found] == [
        (0.5, "100 %s", None),
        (0.25, "100 %s", None),
    ]
    assert all(list(each) == sorted(each) for each in found)
    assert texts == [decide(pd.DataFrame([row]), rules, as_of=DAY)["inputs"].item() for row in rows]
