"""Tiers: exact limits, and no change by a small movement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions import risk_tiers
from crm_ml.actions.policy import TierRules, assign_tiers
from crm_ml.errors import UsageError

BELOW = np.nextafter(0.6, 0), np.nextafter(0.3, 0)
RULES = TierRules()
RICH = TierRules.model_validate({"high": {"min_p": 0.6, "min_value": 1000.0}, "medium": {"min_p": 0.3}})


def before(*rows):
    return pd.DataFrame(rows, columns=["risk_tier", "tier_p"])


def tier(p, previous=None, *, value=0.0, rules=RULES):
    tiers, standing = assign_tiers([p], [value], tiers=rules, previous=None if previous is None else before(previous))
    return tiers[0], float(standing[0])


def test_limits_without_a_day_before_are_exact():
    assert risk_tiers([1.0, 0.6, BELOW[0], 0.3, BELOW[1], 0.0]) == ["high", "high", "medium", "medium", "low", "low"]
    assert [tier(p)[0] for p in (0.6, BELOW[0], 0.3, BELOW[1])] == ["high", "medium", "medium", "low"]
    assert tier(0.6) == ("high", 0.6)


def test_a_tier_stays_until_the_probability_has_moved_by_the_hysteresis():
    assert tier(0.605, ("medium", 0.59)) == ("medium", 0.59)
    assert tier(0.615, ("medium", 0.59)) == ("high", 0.615)
    assert tier(0.595, ("high", 0.61)) == ("high", 0.61)
    assert tier(0.585, ("high", 0.61)) == ("medium", 0.585)
    assert tier(0.29, ("medium", 0.3)) == ("medium", 0.3)
    assert tier(0.315, ("low", 0.29)) == ("medium", 0.315)


def test_movement_is_measured_from_where_the_tier_was_given():
    # .61 -> .95 -> .595: high all the way, and .595 is near .61
    assert tier(0.95, ("high", 0.61)) == ("high", 0.61)
    assert tier(0.595, ("high", 0.61)) == ("high", 0.61)
    # a slow drift is not lost: each step is small, the way is not
    standing = ("medium", 0.59)
    days = [standing := tier(p, standing) for p in (0.596, 0.602, 0.608, 0.613, 0.609, 0.594)]
    assert days == [("medium", 0.59)] * 3 + [("high", 0.613)] * 3


def test_a_movement_of_exactly_the_hysteresis_changes_the_tier():
    rules = TierRules.model_validate({"hysteresis": 0.125})
    assert tier(0.625, ("medium", 0.5), rules=rules) == ("high", 0.625)
    assert tier(np.nextafter(0.625, 0), ("medium", 0.5), rules=rules) == ("medium", 0.5)


@pytest.mark.parametrize("row", [(None, 0.59), ("medium", np.nan), (None, np.nan), ("severe", 0.59), ("", 0.59)])
def test_without_a_known_tier_before_the_plain_tier_is_given(row):
    assert tier(0.605, row) == ("high", 0.605)


def test_new_limits_count_at_once():
    lower = TierRules.model_validate({"high": {"min_p": 0.5}})
    assert tier(0.556, ("medium", 0.55), rules=lower) == ("high", 0.55)
    # and the next day nothing flickers
    assert tier(0.549, ("high", 0.55), rules=lower) == ("high", 0.55)


def test_a_value_below_the_least_keeps_a_customer_out_of_a_tier():
    assert [tier(0.7, value=v, rules=RICH)[0] for v in (999.99, 1000.0, np.nan)] == ["medium", "high", "medium"]


def test_values_near_the_least_do_not_flicker_either():
    assert tier(0.7, ("high", 0.7), value=900.0, rules=RICH) == ("high", 0.7)
    assert tier(0.7, ("high", 0.7), value=899.0, rules=RICH) == ("medium", 0.7)
    assert tier(0.7, ("medium", 0.7), value=1099.0, rules=RICH) == ("medium", 0.7)
    assert tier(0.7, ("medium", 0.7), value=1100.0, rules=RICH) == ("high", 0.7)
    assert tier(0.7, (None, np.nan), value=1000.0, rules=RICH) == ("high", 0.7)


def test_both_tiers_may_have_a_least_value():
    both = TierRules.model_validate({"high": {"min_value": 1000.0}, "medium": {"min_value": 100.0}})
    assert [tier(0.7, value=v, rules=both)[0] for v in (1000.0, 100.0, 99.0)] == ["high", "medium", "low"]
    assert tier(0.7, ("high", 0.7), value=95.0, rules=both) == ("medium", 0.7)
    assert tier(0.7, ("low", 0.7), value=105.0, rules=both) == ("low", 0.7)


@pytest.mark.parametrize("p", [-0.001, 1.001, np.nan, np.inf])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(UsageError, match=r"Each probability must be a number in \[0, 1\]"):
        assign_tiers([0.5, p], [1.0, 1.0], tiers=RULES)


@pytest.mark.parametrize(("values", "rows"), [([1.0], None), ([1.0, 1.0], before(("high", 0.7)))])
def test_lengths_must_agree(values, rows):
    with pytest.raises(UsageError, match="same number of rows"):
        assign_tiers([0.5, 0.5], values, tiers=RULES, previous=rows)


def test_nobody_is_a_valid_day():
    tiers, standing = assign_tiers([], [], tiers=RULES, previous=before())
    assert (tiers, standing.tolist()) == ([], [])


def walk(paths, rules):
    """Follow customers day by day; return the tiers, what stood behind them, and the probabilities, one row a day."""
    size, previous, days = paths.shape[1], None, []
    for p in paths:
        tiers, standing = assign_tiers(p, np.zeros(size), tiers=rules, previous=previous)
        days.append((np.array(tiers), standing))
        previous = pd.DataFrame({"risk_tier": tiers, "tier_p": standing})
    return np.array([t for t, _ in days]), np.array([s for _, s in days])


def check_walk(paths, rules):
    tiers, standing = walk(paths, rules)
    changed = tiers[1:] != tiers[:-1]
    moved = np.abs(paths[1:] - standing[:-1])
    assert not (changed & (moved < rules.hysteresis)).any()
    # a change goes to the plain tier of its day, which then stands
    plain = np.array([assign_tiers(p, np.zeros(len(p)), tiers=rules)[0] for p in paths])
    assert (tiers[1:][changed] == plain[1:][changed]).all()
    assert (standing[1:][changed] == paths[1:][changed]).all()
    assert (standing[1:][~changed] == standing[:-1][~changed]).all()
    # and a tier that differs from the plain one is always a small movement away from where it was given
    late = tiers[1:] != plain[1:]
    assert (moved[late] < rules.hysteresis).all()
    return int(changed.sum())


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from([0.3, 0.6, 0.29999, 0.60001, 0.59, 0.31, 0.45, 0.0, 1.0]),
    step=st.sampled_from([1e-9, 1e-4, 0.001, 0.005, 0.0099, 0.01, 0.02, 0.1]),
    hysteresis=st.sampled_from([0.01, 0.02, 0.05]),
    seed=st.integers(0, 2**31),
)
def test_random_walks_never_change_a_tier_by_a_small_movement(start, step, hysteresis, seed):
    rng = np.random.default_rng(seed)
    steps = rng.uniform(-step, step, (60, 20))
    check_walk(np.clip(start + np.cumsum(steps, axis=0), 0, 1), TierRules.model_validate({"hysteresis": hysteresis}))


def test_thirty_days_near_the_limits():
    rng = np.random.default_rng(3)
    noise = 0.6 + rng.uniform(-0.0049, 0.0049, (30, 500))
    # every movement between any two days is below .01: no tier ever changes
    assert check_walk(noise, RULES) == 0
    plain = np.array([risk_tiers(day) for day in noise])
    assert (plain[1:] != plain[:-1]).sum() > 5000
    # a real rise is seen, once for each customer
    rising = np.linspace(0.55, 0.65, 30)[:, None] + rng.uniform(-0.004, 0.004, (30, 500))
    assert check_walk(rising, RULES) == 500


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.floats(-1e6, 1e6),
            st.sampled_from(["high", "medium", "low", None, "x"]),
            st.one_of(st.floats(0, 1), st.just(float("nan"))),
        ),
        min_size=1,
        max_size=20,
    ),
    rules=st.sampled_from([RULES, RICH]),
)
def test_rows_do_not_know_of_each_other(rows, rules):
    p, value, names, given_p = zip(*rows, strict=True)
    previous = pd.DataFrame({"risk_tier": list(names), "tier_p": list(given_p)})
    tiers, standing = assign_tiers(p, value, tiers=rules, previous=previous)
    for i in range(len(rows)):
        one, at = assign_tiers([p[i]], [value[i]], tiers=rules, previous=previous.iloc[[i]])
        assert (one[0], at[0]) == (tiers[i], standing[i])
