"""Ten, twenty, forty, eighty customers, and forty who left: a usable, honest result, or what exactly is missing."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pytest

from crm_ml.errors import HeldBack
from crm_ml.models import make_dataset, snapshots_for, train_churn
from crm_ml.models.evaluation import auc

AT = dt.date(2026, 3, 1)
FIRST = dt.date(2023, 3, 1)
KINDS = {"rule", "logistic", "lightgbm", "average"}


def train(data, **how):
    settings = {"train_as_of": AT, "gap_days": 0, "horizon_days": 90, "first_event": FIRST, "replicates": 200}
    return train_churn(data, **{**settings, **how})


def left(data):
    """Distinct customers that churned at some snapshot, and that stayed at some."""
    customers = data.frame["customer_id"].to_numpy(dtype=object)
    return len(set(customers[data.y])), len(set(customers[~data.y]))


def thinned(firm_rows, *, customers, leavers, count=12, seed=1, signal=1.0):
    """A firm in which so many customers leave: churned rows of the simulation stay churned with one chance for all.

    The order of the probabilities, and so the best ranking there is, stays what it was.
    """
    days = snapshots_for(AT, 0, 90, 30, 1825, 90, FIRST)[:count]
    frame, y = firm_rows(customers=customers, days=days, seed=seed, signal=signal)
    luck = np.random.default_rng(seed).random(len(y))
    names = frame["customer_id"].to_numpy(dtype=object)
    chances = np.sort(luck[y])
    chance = next(one for one in chances if len(set(names[y & (luck <= one)])) == leavers)
    return make_dataset(frame, y & (luck <= chance), gap_days=0, horizon_days=90), chance


def is_honest(got, data):
    """What a small training must say of itself, whatever it came to."""
    assert got.model_kind in KINDS
    assert got.verdict == ("refused" if got.model_kind == "rule" else "champion")
    tried = dict(zip(got.candidates["name"], got.candidates["kind"], strict=True))
    assert got.candidates["chosen"].sum() == 1
    area = got.metrics["auc"]
    assert 0 <= area.low <= area.value <= area.high <= 1
    assert area.high - area.low > 0.05
    if got.verdict == "champion":
        assert area.low > 0.5
        assert min(got.differences[rule].low for rule in got.baselines if rule != "p_alive") > 0
    if "lightgbm" not in tried:
        told = next(finding for finding in got.findings if finding.code == "few_churners")
        assert re.search(r"\d+ churned and \d+ retained customers", told.message)
        assert told.remedy
    p = got.model.predict_proba(data.frame)
    assert ((p > 0) & (p < 1)).all()
    return area


@pytest.mark.parametrize("customers", [10, 20, 40, 80])
def test_small_firms_get_an_honest_result_where_ten_left_and_ten_stayed(firm, customers):
    data = firm(customers=customers, count=12)
    assert min(left(data)) >= 10
    got = train(data)
    is_honest(got, data)
    assert got.train_rows == len(data)


@pytest.mark.parametrize("customers", [10, 20, 40, 80])
def test_small_firms_with_too_few_leavers_hear_what_is_missing(firm_rows, customers):
    data, _ = thinned(firm_rows, customers=customers, leavers=8)
    with pytest.raises(HeldBack, match=rf"At least 10 churned and 10 retained .* hold \d and {customers}") as caught:
        train(data)
    assert (caught.value.code, caught.value.exit_code) == ("too_few_churners", 4)
    assert "Load more history or more customers" in caught.value.remedy


@pytest.mark.parametrize("signal", [1.0, 2.5])
def test_forty_leavers_are_enough_for_a_usable_honest_result(firm_rows, signal):
    data, chance = thinned(firm_rows, customers=150, leavers=40, signal=signal)
    assert left(data)[0] == 40
    got = train(data)
    area = is_honest(got, data)
    # what forty leavers can tell, and the interval says so
    assert 0.08 < area.high - area.low < 0.5
    later, churned = firm_rows(customers=4000, days=[AT], seed=77, signal=signal)
    y = churned & (np.random.default_rng(5).random(len(churned)) <= chance)
    p = got.model.predict_proba(later)
    assert auc(y, p) > 0.53
    assert area.low <= auc(y, p) <= area.high
    assert p.mean() == pytest.approx(y.mean(), abs=0.03)


def test_some_leavers_more_are_the_difference_between_nothing_and_a_rule(firm_rows):
    data, _ = thinned(firm_rows, customers=60, leavers=16)
    got = train(data)
    is_honest(got, data)
    assert got.model_kind == "rule"
    few, _ = thinned(firm_rows, customers=60, leavers=6)
    with pytest.raises(HeldBack, match=r"At least 10 churned .* hold \d and 60"):
        train(few)


@pytest.mark.stress
def test_intervals_of_forty_leavers_hold_what_fresh_customers_show(firm_rows):
    later, churned = firm_rows(customers=20_000, days=[AT], seed=77)
    luck = np.random.default_rng(5).random(len(churned))
    held = []
    for seed in range(20):
        data, chance = thinned(firm_rows, customers=150, leavers=40, seed=seed)
        got = train(data)
        fresh = auc(churned & (luck <= chance), got.model.predict_proba(later))
        held.append(got.metrics["auc"].low <= fresh <= got.metrics["auc"].high)
    assert sum(held) >= 17
