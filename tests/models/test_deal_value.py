"""Deal values: worked out where that can be done by hand, independent formulas else, coverage and JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.errors import UsageError
from crm_ml.models.deal_value import LEVEL, TRAITS, DealValues, deal_values_from_json
from crm_ml.models.deal_value_fit import fit_deal_values

NOBODY = pd.DataFrame({"amount": [], "closed": []})


def lognormal(middle, spread, rng):
    return np.exp(middle + spread * rng.standard_normal(len(middle)))


def made(deals, seed, *, fair=1.0, industry=0.0, spread=0.5):
    """Return won leads: fairs are worth more by a factor, industries a and b too."""
    rng = np.random.default_rng(seed)
    won = pd.DataFrame(
        {
            "lead_source": rng.choice(["fair", "web", "mail"], deals),
            "lead_company_size": rng.choice(["1-9", "10-49"], deals),
            "lead_industry": rng.choice(["a", "b"], deals),
            "closed": np.arange(deals),
        }
    )
    middle = 8 + fair * (won["lead_source"] == "fair") + industry * (won["lead_industry"] == "a")
    return won.assign(amount=lognormal(middle.to_numpy(), spread, rng))


def test_without_amounts_each_lead_counts_one_and_that_is_said():
    found = fit_deal_values(NOBODY)
    assert (found.kind, found.deals) == ("one", 0)
    assert found.predict(pd.DataFrame(index=[7, 8])).to_dict("index") == {
        7: {"value": 1.0, "low": 1.0, "high": 1.0},
        8: {"value": 1.0, "low": 1.0, "high": 1.0},
    }
    (finding,) = found.findings()
    assert (finding.severity, finding.code) == ("info", "deal_values")
    assert finding.message.startswith("There are no won leads with an amount: each lead counts 1")


def test_few_deals_are_worth_their_mean_with_an_interval_worked_out():
    won = pd.DataFrame({"amount": [100.0, 300.0, 200.0, np.nan, 0.0, -5.0], "closed": [3, 1, 2, 4, 5, 6]})
    found = fit_deal_values(won)
    # squares around 200: 20,000 = .5 of 200 ^ 2; with three supposed deals (.5 + 3) / (2 + 3) / 3
    assert found.variance == pytest.approx(0.7 / 3)
    width = LEVEL * (0.7 / 3) ** 0.5
    row = found.predict(pd.DataFrame(index=[0])).iloc[0]
    assert row.to_list() == pytest.approx([200, 200 * np.exp(-width), 200 * np.exp(width)])
    assert (found.kind, found.deals, found.left_out, found.mean) == ("mean", 3, 2, 200.0)
    few, left_out = found.findings()
    assert few.message.startswith("Won leads with an amount: 3; 40 are needed to tell leads apart")
    assert (left_out.code, left_out.count) == ("deal_without_amount", 2)


def test_one_deal_says_little():
    row = fit_deal_values(pd.DataFrame({"amount": [500.0], "closed": [1]})).predict(pd.DataFrame(index=[0])).iloc[0]
    assert row["value"] == pytest.approx(500)
    assert row["high"] / row["value"] == pytest.approx(np.exp(LEVEL))


def test_from_forty_on_leads_are_told_apart():
    won = pd.DataFrame({"lead_source": ["fair", "web"] * 20, "amount": [1000.0, 100.0] * 20, "closed": range(40)})
    won["amount"] *= np.tile([0.9, 0.9, 1.1, 1.1], 10)
    assert fit_deal_values(won[:39]).kind == "mean"
    found = fit_deal_values(won)
    assert found.kind == "segments"
    assert found.predict(won[:2])["value"].to_list() == pytest.approx([1000, 100], rel=0.01)
    assert found.findings() == []


def test_values_are_means_and_add_up_to_the_amounts():
    won = made(3000, 1, spread=1.0)
    found = fit_deal_values(won)
    value = found.predict(won)["value"]
    assert value.sum() == pytest.approx(won["amount"].sum(), rel=1e-9)
    by_source = value.groupby(won["lead_source"]).mean()
    real = won["amount"].groupby(won["lead_source"]).mean()
    medians = won["amount"].groupby(won["lead_source"]).median()
    assert by_source.to_numpy() == pytest.approx(real.to_numpy(), rel=0.06)
    assert (by_source > 1.4 * medians).all(), "the median of a lognormal amount of spread 1 is .61 of its mean"


def test_small_segments_are_drawn_towards_the_mean():
    won = made(90, 2, fair=1.5, spread=0.3)
    won.loc[:5, "lead_source"], won.loc[:5, "lead_company_size"] = "new", "1-9"
    won.loc[:5, "amount"] = 60_000 * np.exp(0.3 * np.array([-1.2, -0.7, -0.2, 0.2, 0.7, 1.2]))
    found = fit_deal_values(won)
    value = found.predict(won[:1])["value"].iloc[0]
    assert won["amount"].mean() < value < won.loc[:5, "amount"].mean()
    wide = np.log(found.predict(won)["high"] / found.predict(won)["low"])
    assert wide[0] > wide[won["lead_source"] == "web"].max(), "six deals are known less well"


def test_restricted_likelihood_against_a_plain_search():
    """How far effects are drawn in: the most likely of all, by the normal density of the amounts themselves."""
    won = made(60, 3, fair=0.4)
    found = fit_deal_values(won)
    noise = found.unseen
    y = np.log(won["amount"].to_numpy())
    design = np.stack([np.all([won[name] == level for name, level in term], axis=0) for term in found.terms], 1) * 1.0

    def log_likelihood(prior):
        # contrasts that do not know the mean
        contrasts = np.linalg.qr(np.c_[np.ones(len(y)), np.eye(len(y))[:, 1:]])[0][:, 1:]
        cov = contrasts.T @ (np.eye(len(y)) + design @ design.T / prior) @ contrasts
        rest = contrasts.T @ y
        scale = rest @ np.linalg.solve(cov, rest) / len(rest)
        return -0.5 * (len(rest) * np.log(scale) + np.linalg.slogdet(cov)[1]), scale

    tried = {prior: log_likelihood(prior) for prior in 2.0 ** np.arange(-8, 11)}
    best = max(tried, key=lambda prior: tried[prior][0])
    assert noise == pytest.approx(tried[best][1] / best)
    # and the effects are those of the best linear unbiased prediction
    centred = design - design.mean(axis=0)
    effects = np.linalg.solve(centred.T @ centred + best * np.eye(len(found.terms)), centred.T @ (y - y.mean()))
    assert found.effects == pytest.approx(effects)


@pytest.mark.parametrize("deals", [50, 250])
def test_where_amounts_do_not_differ_all_are_worth_the_mean(deals):
    won = made(deals, 4, fair=0.0).assign(amount=100.0)
    found = fit_deal_values(won)
    assert (found.kind, found.predict(won[:1])["value"].iloc[0]) == ("mean", pytest.approx(100))


def test_single_traits_are_used_only_where_they_save_on_later_deals():
    worth_it = fit_deal_values(made(400, 5, industry=1.5))
    assert worth_it.kind == "linear"
    assert worth_it.gain[1] > 0
    assert {name for term in worth_it.terms for name, _ in term} == {
        "lead_source",
        "lead_company_size",
        "lead_industry",
    }
    not_worth_it = fit_deal_values(made(400, 6))
    assert (not_worth_it.kind, not_worth_it.gain[1] <= 0) == ("segments", True)
    assert fit_deal_values(made(199, 5, industry=1.5)).gain is None, "below 200 it is not tried"


def test_a_gain_of_the_past_alone_does_not_count():
    won = made(400, 7, industry=1.5)
    late = won["closed"] >= 160
    rng = np.random.default_rng(0)
    won.loc[late, "lead_industry"] = rng.choice(["a", "b"], late.sum())  # says nothing of later amounts any more
    assert fit_deal_values(won).kind == "segments"


def test_the_interval_holds_the_true_mean():
    """90 % of 200 firms of 60 deals, for fairs and web: between 82.5 and 97.5 % (3.5 errors)."""
    leads = pd.DataFrame({"lead_source": ["fair", "web"], "lead_company_size": ["1-9", "10-49"]})
    truth = np.exp(8 + np.array([1.0, 0.0]) + 0.5**2 / 2)
    rows = [fit_deal_values(made(60, seed)).predict(leads) for seed in range(200)]
    held = np.array([(row["low"] <= truth) & (truth <= row["high"]) for row in rows]).mean(axis=0)
    assert ((held > 0.825) & (held < 0.975)).all(), held


def test_levels_that_were_never_seen_are_worth_the_level_and_known_less_well():
    won = made(300, 8)
    found = fit_deal_values(won)
    leads = pd.DataFrame({"lead_source": ["web", "barter", None], "lead_company_size": "1-9"})
    row = found.predict(leads)
    width = np.log(row["high"] / row["low"])
    assert width[1] == width[2] > 2 * width[0]
    assert row["value"][0] < row["value"][1] < found.predict(leads.assign(lead_source="fair"))["value"][0]


def test_not_known_is_a_level_like_others():
    won = made(200, 9, fair=0.0)
    won.loc[::2, "lead_source"] = None
    won.loc[::2, "amount"] *= 5
    leads = pd.DataFrame({"lead_source": [None, "web"], "lead_company_size": "1-9"})
    unknown, web = fit_deal_values(won).predict(leads)["value"]
    assert 3.8 < unknown / web < 6.6, "5, give or take two errors of some 17 deals"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([10, 60, 230]))
def test_rows_in_another_order_change_nothing(seed, deals):
    won = made(deals, 10, industry=1.0)
    won["closed"] //= 7  # many at the same time
    shuffled = won.sample(frac=1, random_state=seed)[[*won.columns[::-1]]]
    assert fit_deal_values(won).as_json() == fit_deal_values(shuffled).as_json()


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 1000), st.sampled_from([10, 60, 230]))
def test_values_follow_the_currency(factor, deals):
    won = made(deals, 11)
    one, other = fit_deal_values(won), fit_deal_values(won.assign(amount=won["amount"] * factor))
    assert one.kind == other.kind
    np.testing.assert_allclose(one.predict(won) * factor, other.predict(won), rtol=1e-6)


@pytest.mark.parametrize("won", [NOBODY, made(5, 1), made(80, 1), made(300, 5, industry=1.5)])
def test_it_goes_through_json_unchanged(won):
    found = fit_deal_values(won)
    back = deal_values_from_json(json.loads(json.dumps(found.as_json(), allow_nan=False)))
    assert back.as_json() == found.as_json()
    pd.testing.assert_frame_equal(back.predict(made(20, 2)), found.predict(made(20, 2)))
    assert isinstance(back, DealValues)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": 1}, "must have exactly the keys"),
        ({"kind": "tree"}, "unknown kind of deal values 'tree'"),
        ({"kind": ["mean"]}, "unknown kind of deal values"),
        ({"kind": "mean"}, "terms of deal values must be distinct, and there if the kind"),
        ({"deals": 0}, "deals 0 only if the kind is one"),
        ({"deals": 1.5}, "must be whole"),
        ({"deals": True}, "deals of deal values must be a number of at least 0; found True"),
        ({"mean": 0.0}, "mean of deal values must be a number above 0"),
        ({"intercept": float("nan")}, "intercept of deal values must be a finite number; found nan"),
        ({"variance": "0"}, "variance of deal values must be a number of at least 0; found '0'"),
        ({"effects": [0.1]}, "effects of deal values must have 6 entries; found 1"),
        ({"covariance": [[1.0] * 6] * 5}, "covariance of deal values must have 6 entries; found 5"),
        ({"covariance": (-np.eye(6)).tolist()}, "without negative variances"),
        ({"centre": None}, "centre of deal values must be a list; found None"),
        ({"terms": [[["lead_shoe_size", "43"]]] * 6}, "must be pairs of a trait and a level"),
        ({"terms": [[]] * 6}, "a term of deal values must have a trait"),
        ({"terms": [[["lead_source", "web"]]] * 6}, "must be distinct"),
        ({"gain": [0.1, 0.2]}, "gain of deal values must have 3 entries; found 2"),
    ],
)
def test_what_was_not_written_so_is_not_read(change, message):
    plain = fit_deal_values(made(80, 1)).as_json()
    assert len(plain["terms"]) == 6
    with pytest.raises(ValueError, match=message):
        deal_values_from_json({**plain, **change})


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="missing: closed"):
        fit_deal_values(pd.DataFrame({"amount": [1.0]}))
    with pytest.raises(UsageError, match="Each won lead with an amount must have a time"):
        fit_deal_values(pd.DataFrame({"amount": [1.0], "closed": [np.nan]}))
    with pytest.raises(UsageError, match="missing are lead_company_size"):
        fit_deal_values(made(80, 1)).predict(pd.DataFrame({"lead_source": ["web"]}))
    assert set(made(1, 1).columns) & set(TRAITS)
