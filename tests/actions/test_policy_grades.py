"""Grades: shares worked out, ties together, and no change by a small movement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.policy import GradeRules, assign_grades, default_policy, lint_policy, parse_policy
from crm_ml.actions.policy.schema import GRADES
from crm_ml.errors import UsageError

RULES = GradeRules()
HUNDRED = np.arange(100, 0, -1.0)
values = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5, 8.0, 100.0]), max_size=40)


def rules(**changes):
    return GradeRules.model_validate(changes)


def graded(value, previous=None, *, grades=RULES):
    return "".join(assign_grades(value, grades=grades, previous=None if previous is None else list(previous)))


def test_shares_of_a_hundred_leads():
    found = graded(HUNDRED)
    assert found == "A" * 10 + "B" * 20 + "C" * 30 + "D" * 40


@pytest.mark.parametrize(
    ("leads", "expected"), [(0, ""), (1, "A"), (2, "AC"), (3, "ACD"), (4, "ABCD"), (5, "ABCDD"), (11, "AABBCCCDDDD")]
)
def test_few_leads(leads, expected):
    # two: the second has place .5, inside C (.3 to .6)
    assert graded(HUNDRED[:leads]) == expected


def test_equal_values_have_one_grade_whatever_the_share():
    assert graded([5.0] * 30 + [1.0] * 70) == "A" * 30 + "C" * 70
    assert graded([7.0] * 5) == "AAAAA"
    # as equal as rounding leaves them
    assert graded([0.1 + 0.2, 0.3, *[0.01] * 8]) == "AA" + "B" * 8


def test_what_is_worth_nothing_is_d():
    assert graded([0.0, 0.0]) == "DD"
    assert graded([3.0, 0.0]) == "AD"
    assert graded([0.0], "A") == "D"


def test_a_least_value_keeps_a_lead_out_of_a_grade():
    least = rules(a={"min_expected_value": 1000.0}, b={"min_expected_value": 500.0})
    top = [999.99, *[1.0] * 99]
    assert graded([1000.0, *top[1:]], grades=least)[0] == "A"
    assert graded(top, grades=least)[0] == "B", "its place is inside B too"
    assert graded([499.0, *top[1:]], grades=least)[0] == "C"


def test_grades_by_least_values_alone():
    limits = {"a": 50.0, "b": 20.0, "c": 10.0}
    by_value = rules(**{k: {"share": float(k == "a"), "min_expected_value": least} for k, least in limits.items()})
    assert graded(HUNDRED, grades=by_value) == "A" * 51 + "B" * 30 + "C" * 10 + "D" * 9


def test_a_share_of_nothing_is_a_grade_of_nobody():
    assert graded(HUNDRED[:10], grades=rules(a={"share": 0})) == "BBCCCDDDDD"


def test_a_grade_stays_while_the_place_is_near_its_range():
    def at(place, old, **changes):
        return graded(HUNDRED, [old if lead == place else None for lead in range(100)], grades=rules(**changes))[place]

    # A ends at .10: who is A keeps it to .11, who is B gets it below .08
    assert [at(place, "A") for place in (9, 10, 11, 12)] == ["A", "A", "A", "B"]
    assert [at(place, "B") for place in (7, 8, 9, 10)] == ["A", "B", "B", "B"]
    assert [at(place, "B") for place in (30, 31, 32)] == ["B", "B", "C"]
    assert [at(place, "D") for place in (57, 58, 59)] == ["C", "D", "D"]
    # who changes anyway gets the plain grade
    assert [at(place, "D") for place in (9, 10)] == ["A", "B"]
    assert [at(9, old) for old in (None, "", "E", np.nan)] == ["A"] * 4
    assert at(9, "B", hysteresis=0) == "A"


def test_values_near_the_least_do_not_flicker_either():
    least = rules(a={"min_expected_value": 1000.0})

    def top(value, old):
        return graded([value, *[1.0] * 99], [old, *[None] * 99], grades=least)[0]

    assert [top(value, "A") for value in (900.0, 899.0)] == ["A", "B"]
    assert [top(value, "B") for value in (1099.0, 1100.1)] == ["B", "A"]


def test_equal_leads_of_different_grades_get_the_one_that_most_had():
    value = [*HUNDRED[:9], 91.0, 91.0, 91.0, *HUNDRED[12:]]
    assert value[9:12] == [91.0] * 3  # place .09: A, but who was B stays
    assert graded(value, [None] * 9 + ["B", "B", "A"] + [None] * 88)[9:12] == "BBB"
    assert graded(value, [None] * 9 + ["B", "A", None] + [None] * 88)[9:12] == "AAA", "no single one: the plain grade"


@settings(max_examples=200, deadline=None)
@given(values, st.data())
def test_ties_order_and_currency(value, data):
    old = data.draw(st.lists(st.sampled_from([*GRADES, None]), min_size=len(value), max_size=len(value)))
    found = assign_grades(value, grades=RULES, previous=old)
    assert len({(v, g) for v, g in zip(value, found, strict=True)}) == len(set(value)), "equal values, equal grades"
    order = data.draw(st.permutations(range(len(value))))
    moved = assign_grades([value[i] for i in order], grades=RULES, previous=[old[i] for i in order])
    assert moved == [found[i] for i in order]
    assert assign_grades([v * 8 for v in value], grades=RULES, previous=old) == found
    # nothing moves on a second morning with the same values
    assert assign_grades(value, grades=RULES, previous=found) == found


@settings(max_examples=200, deadline=None)
@given(values)
def test_without_a_set_before_a_better_lead_is_never_graded_worse(value):
    found = assign_grades(value, grades=RULES)
    by_value = [grade for _, grade in sorted(zip(value, found, strict=True), key=lambda pair: -pair[0])]
    assert by_value == sorted(by_value)


def test_noise_moves_far_fewer_grades_than_without_hysteresis():
    """500 leads whose chance trembles by 3 %: 20 mornings."""
    rng = np.random.default_rng(1)
    worth = np.exp(8 + rng.standard_normal(500))
    days = worth * np.exp(0.03 * rng.standard_normal((20, 500)))

    def moves(grades):
        before, count = assign_grades(days[0], grades=grades), 0
        for day in days[1:]:
            now = assign_grades(day, grades=grades, previous=before)
            count += sum(a != b for a, b in zip(now, before, strict=True))
            before = now
        return count

    assert moves(RULES) <= moves(rules(hysteresis=0)) / 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(UsageError, match="Each expected value must be a finite number"):
        assign_grades([1.0, value], grades=RULES)


def test_lengths_must_agree():
    with pytest.raises(UsageError, match="same number of rows"):
        assign_grades([1.0, 2.0], grades=RULES, previous=["A"])


def with_grades(grades):
    return parse_policy({**default_policy().model_dump(mode="json"), "grades": grades})


@pytest.mark.parametrize(
    ("grades", "message"),
    [
        ({"c": {"share": 0.8}}, "grades: the shares of a, b and c add up to 1.1, which is more than all leads"),
        ({"a": {"share": 0.01}}, "grades.a: no lead would rise to it: its share 0.01 is not above the hysteresis 0.02"),
    ],
)
def test_what_cannot_be_is_found_by_the_linter(grades, message):
    assert [(f.severity, f.code, f.message) for f in lint_policy(with_grades(grades))] == [
        ("error", "impossible_grade", message)
    ]


def test_grades_of_a_policy():
    policy = with_grades({"a": {"share": 0.05, "min_expected_value": 1000}, "hysteresis": 0.01})
    assert lint_policy(policy) == []
    assert (policy.grades.a.share, policy.grades.a.min_expected_value, policy.grades.b.share) == (0.05, 1000.0, 0.2)
    with pytest.raises(UsageError, match=r"grades\.a\.shar: there is no such key\. Did you mean \"share\"\?"):
        with_grades({"a": {"shar": 0.1}})
    with pytest.raises(UsageError, match=r"grades\.b\.share: input should be less than or equal to 1"):
        with_grades({"b": {"share": 20}})
