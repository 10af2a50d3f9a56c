"""Money of a backtest against sums over customers, against `empb`, and by its properties."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.backtest_money import MONEY_COLUMNS, Terms, judge_money
from crm_ml.models.evaluation.backtest_rows import Choice
from crm_ml.models.evaluation.profit import SaveRate, empb

DAYS = [dt.date(2025, 1, 1), dt.date(2025, 4, 1)]
TERMS = Terms(save_rate=0.25, cost=40.0, lists={"2025-01-01": 7, "2025-04-01": 4}, share=0.2)


def table_of(customers: int = 90, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for k, day in enumerate(DAYS):
        y = rng.random(customers - 10 * k) < 0.3
        value = np.exp(rng.normal(6, 1.5, len(y)))
        for name, noise in (("model", 0.5), ("rule", 2.0)):
            margin = y + noise * rng.normal(size=len(y))
            part = {"cutoff": day, "customer_id": [f"{i:03d}" for i in range(len(y))], "name": name, "margin": margin}
            parts.append(pd.DataFrame(part | {"p": 1 / (1 + np.exp(1 - margin)), "y": y, "value_at_stake": value}))
    return pd.concat(parts, ignore_index=True)


CHOICES = [Choice(day, "model", "champion", ("model",), ("rule",)) for day in DAYS]


@pytest.fixture(scope="module")
def money() -> pd.DataFrame:
    return judge_money(table_of(), CHOICES, TERMS, replicates=150, seed=2)


def row(money, name, room, cutoff="pooled"):
    return money[(money["name"] == name) & (money["room"] == room) & (money["cutoff"] == cutoff)].iloc[0]


def by_hand(part: pd.DataFrame, room: int) -> tuple[float, float]:
    """Both lists customer by customer."""
    people = part.to_dict("records")
    brings = [0.25 * one["y"] * one["value_at_stake"] - 40 for one in people]
    expected = [0.25 * one["p"] * one["value_at_stake"] for one in people]
    by_value = sorted((i for i in range(len(people)) if expected[i] >= 40), key=lambda i: -expected[i])[:room]
    by_risk = sorted(range(len(people)), key=lambda i: -people[i]["p"])[:room]
    return sum(brings[i] for i in by_value), sum(brings[i] for i in by_risk)


@pytest.mark.parametrize("name", ["model", "rule"])
def test_lists_and_shares_are_the_sums_over_who_is_contacted(money, name):
    table = table_of()
    sizes = {"lists": lambda day, _n: TERMS.lists[str(day)], "share": lambda _day, n: int(np.ceil(0.2 * n))}
    for room, size in sizes.items():
        parts = [table[(table["name"] == name) & (table["cutoff"] == day)] for day in DAYS]
        sums = [by_hand(part, size(day, len(part))) for day, part in zip(DAYS, parts, strict=True)]
        for day, (value, risk) in zip(DAYS, sums, strict=True):
            found = row(money, name, room, str(day))
            assert (found["by_value"], found["by_risk"]) == pytest.approx((value, risk))
        pooled = row(money, name, room)
        assert pooled["by_value"] == pytest.approx(sum(value for value, _ in sums))
        assert pooled["value_less_risk"] == pytest.approx(sum(value - risk for value, risk in sums))


def test_the_best_size_is_the_expected_maximum_profit_over_all_customers(money):
    table = table_of()
    wanted = 0.0
    for day in DAYS:
        part = table[(table["name"] == "rule") & (table["cutoff"] == day)]
        score = part["p"] * part["value_at_stake"]
        terms = {"value": part["value_at_stake"], "incentive_share": 0.0, "contact": 40.0, "save_rate": SaveRate(5, 15)}
        wanted += len(part) * empb(part["y"], score, **terms)
    assert row(money, "rule", "best")["by_value"] == pytest.approx(wanted)


def test_the_champion_is_the_chosen_one_and_differences_are_to_it(money):
    own, chosen, rule = (row(money, name, "share") for name in ("champion", "model", "rule"))
    assert own["by_value"] == chosen["by_value"]
    assert (own["less_champion"], own["less_champion_low"], own["less_champion_high"]) == (0, 0, 0)
    assert rule["less_champion"] == pytest.approx(rule["by_value"] - own["by_value"])


def test_intervals_hold_the_value_and_paired_ones_are_narrower_than_sums(money):
    for amount in ("by_value", "by_risk", "value_less_risk", "less_champion"):
        assert (money[f"{amount}_low"] <= money[amount] + 1e-9).all()
        assert (money[amount] <= money[f"{amount}_high"] + 1e-9).all()
    one = row(money, "model", "share")
    value, risk, gap = (one[f"{a}_high"] - one[f"{a}_low"] for a in ("by_value", "by_risk", "value_less_risk"))
    assert gap < value + risk


def test_it_does_not_depend_on_the_order_of_rows(money):
    shuffled = table_of().sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(judge_money(shuffled, CHOICES[::-1], TERMS, replicates=150, seed=2), money)


def test_without_values_there_is_no_money():
    table = table_of().assign(value_at_stake=[0.0, np.nan] * 85 * 2)
    empty = judge_money(table, CHOICES, TERMS, replicates=10)
    assert empty.empty
    assert list(empty.columns) == list(MONEY_COLUMNS)


@pytest.mark.parametrize("bad", [{"save_rate": 0.0}, {"save_rate": 1.0}, {"cost": -1.0}, {"share": 1.5}])
def test_impossible_terms_are_refused(bad):
    with pytest.raises(UsageError, match="Save rate and share must be in"):
        Terms(**({"save_rate": 0.3, "cost": 1.0, "lists": {}} | bad))
