"""Agreement of rankings, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import roc_auc_score

from crm_ml.errors import HeldBack
from crm_ml.models.evaluation.sensitivity import agreement, agreement_table, auc_between, cheap_scores, riskiest


@pytest.fixture
def two():
    rng = np.random.default_rng(4)
    ids = [f"{k:03d}" for k in range(200)]
    one = pd.Series(np.round(rng.normal(size=200), 1), index=ids)
    other = pd.Series(np.round(one.to_numpy() + rng.normal(size=200), 1), index=ids).sample(frac=0.8, random_state=1)
    return one, other


def test_correlations_are_those_of_scipy_with_ties(two):
    one, other = two
    found = agreement(one, other)
    both = one.loc[other.index]
    assert found["spearman"] == pytest.approx(spearmanr(both, other).statistic)
    assert found["kendall"] == pytest.approx(kendalltau(both, other).statistic)
    assert (found["customers"], found["shared"], found["listed"]) == (160, 160, 20)


def test_the_list_is_cut_by_risk_and_ties_by_id(two):
    one, other = two
    top = one.sort_index().sort_values(ascending=False, kind="stable").index[:20].tolist()
    assert riskiest(one.sample(frac=1, random_state=2), 20) == top
    found = agreement(one, other, capacity=20)
    kept = set(top) & set(riskiest(other, 20))
    assert (found["overlap"], found["entering"]) == (len(kept) / 20, 20 - len(kept))


def test_the_same_ranking_agrees_wholly_whatever_its_scale_and_order(two):
    one, _ = two
    table = agreement_table({"base": one, "same": np.exp(one).sample(frac=1, random_state=3)}, "base")
    assert table["spearman"].tolist() == pytest.approx([1, 1])
    assert table["overlap"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("other", "shared"), [(pd.Series({"x": 1.0, "y": 2.0}), 0), (pd.Series({"a": 1.0, "b": 1.0}), 2)]
)
def test_what_cannot_be_compared_is_not_a_number(other, shared):
    found = agreement(pd.Series({"a": 1.0, "b": 2.0}), other)
    assert found["shared"] == shared
    assert np.isnan([found["spearman"], found["kendall"]]).all()


def test_auc_counts_only_customers_of_both(two):
    one, other = two
    rng = np.random.default_rng(1)
    happened = pd.Series(rng.random(150) < 0.3, index=one.index[:150])
    found = auc_between({"one": one, "other": other}, {"x": happened, "never": happened & False})
    assert found.loc["one", "x"] == pytest.approx(roc_auc_score(happened, one[:150]))
    both = sorted(set(other.index) & set(happened.index))
    assert found.loc["other", "x"] == pytest.approx(roc_auc_score(happened[both], other[both]))
    assert np.isnan(found["never"]).all()


@pytest.mark.parametrize(("customers", "name"), [(250, "lightgbm"), (30, "logistic")])
def test_the_candidate_is_what_the_churners_allow(firm, customers, name):
    data = firm(customers=customers, count=6)
    frame = data.frame[data.days == data.days.max()]
    got, (scores,) = cheap_scores(data, [frame])
    assert got == name
    y = data.y[data.days == data.days.max()]
    assert roc_auc_score(y, scores) > 0.6
    assert scores.index.tolist() == frame["customer_id"].tolist()


def test_too_few_churners_are_named(firm):
    data = firm(customers=30, count=2)
    few = data.take(data.frame["customer_id"].to_numpy(dtype=object) < "00015")
    with pytest.raises(HeldBack, match="20 churned and 20 retained customers are needed to compare definitions"):
        cheap_scores(few, [])
