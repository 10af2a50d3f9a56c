"""How long each answer keeps a customer off the lists."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.actions.holding import held_back

DAY = dt.date(2026, 3, 2)
NAMES = ("subject_id", "action", "answer", "answered_on", "again_on", "list_as_of")


def held(*rows, **days):
    state = pd.DataFrame(rows, columns=list(NAMES), dtype=object).assign(subject_type="customer")
    rule = {"cool_down_days": {"talk": 30, "email": 10}, "not_now_days": 14, "wrong_days": 90} | days
    found = held_back(state, **rule).set_index("subject_id").drop(columns="subject_type")
    return {subject: tuple(row) for subject, row in found.iterrows()}


def after(days):
    return DAY + dt.timedelta(days=days)


def test_each_answer_holds_as_long_as_the_policy_says():
    found = held(
        ("1", "talk", "done", DAY, None, DAY),
        ("2", "email", "done", DAY, after(400), DAY),
        ("3", "talk", "not_now", DAY, None, DAY),
        ("4", "talk", "not_now", DAY, after(5), DAY),
        ("5", "talk", "wrong", DAY, None, DAY),
        ("6", "visit", "done", DAY, None, DAY),
    )
    assert found == {
        "1": (after(30), "done", "talk", DAY),
        "2": (after(10), "done", "email", DAY),
        "3": (after(14), "not_now", None, None),
        "4": (after(5), "not_now", None, None),
        "5": (after(90), "wrong", None, None),
        "6": (DAY, "done", "visit", DAY),
    }
    assert held(("6", "visit", "done", DAY, None, DAY), default_cool_down_days=7)["6"][0] == after(7)


def test_the_newest_answer_counts_but_what_was_done_stays_done():
    not_now = ("1", "talk", "not_now", after(1), after(3), after(0))
    assert held(("1", "talk", "wrong", DAY, None, DAY), not_now)["1"][:2] == (after(3), "not_now")
    assert held(("1", "talk", "done", DAY, None, DAY), not_now)["1"] == (after(30), "done", "talk", DAY)
    later = ("1", "talk", "not_now", after(1), after(60), after(0))
    assert held(("1", "talk", "done", DAY, None, DAY), later)["1"] == (after(60), "not_now", "talk", DAY)


def test_of_answers_of_one_day_the_one_to_the_later_list_counts():
    early = ("1", "talk", "not_now", after(5), after(20), after(1))
    late = ("1", "talk", "not_now", after(5), after(8), after(4))
    assert held(late, early)["1"][0] == held(early, late)["1"][0] == after(8)


def test_nobody_answered():
    assert held() == {}
    assert list(
        held_back(pd.DataFrame(columns=[*NAMES, "subject_type"]), cool_down_days={}, not_now_days=1, wrong_days=1)
    ) == [*("subject_type", "subject_id", "held_until", "held_why", "last_action", "last_action_on")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("12"),
            st.sampled_from(["talk", "email"]),
            st.sampled_from(["done", "wrong", "not_now"]),
            st.dates(DAY, after(40)),
            st.none() | st.dates(DAY, after(40)),
            st.just(DAY),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_done_is_never_back_before_its_cool_down(rows):
    found = held(*rows)
    for subject, action, answer, answered_on, _, _ in rows:
        if answer == "done":
            wait = {"talk": 30, "email": 10}[action]
            assert found[subject][0] >= answered_on + dt.timedelta(days=wait)


@pytest.mark.parametrize("why", ["done", "wrong", "not_now"])
def test_the_first_day_back_is_the_day_that_is_said(why):
    assert held(("1", "talk", why, DAY, after(7), DAY))["1"][1] == why
