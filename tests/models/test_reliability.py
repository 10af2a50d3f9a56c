"""Reliability by tier and segment, Brier skill, and what the short-history warning rests on."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from crm_ml.errors import DataError
from crm_ml.models import make_dataset
from crm_ml.models.calibration import Trial
from crm_ml.models.evaluation import brier_skill, evaluate, reliability_by, skill_interval
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.evaluation.metrics import wilson_interval
from crm_ml.models.explain.pictures_reliability import plot_reliability_by
from crm_ml.models.gates import short_history
from crm_ml.models.history import history_of


def predictions(rows=600, per_customer=1, seed=1):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, rows)
    return pd.DataFrame(
        {
            "customer_id": [f"{k // per_customer:04d}" for k in range(rows)],
            "tier": np.where(p > 0.6, "A", np.where(p > 0.3, "B", "C")),
            "industry": np.where(np.arange(rows) % 7 == 0, None, "Bau"),
            "p": p,
            "y": rng.random(rows) < p,
        }
    )


def test_skill_is_what_the_brier_score_saves_of_the_base_rates():
    table = predictions()
    y, p = table["y"].to_numpy(), table["p"].to_numpy()
    expected = 1 - brier_score_loss(y, p) / brier_score_loss(y, np.full(len(y), y.mean()))
    assert brier_skill(y, p) == pytest.approx(expected)
    assert brier_skill(y, 1 - p) < 0
    assert np.isnan(brier_skill([1, 1], [0.5, 0.6]))
    doubled = brier_skill(y, p, np.vstack([np.ones(600), np.where(np.arange(600) < 300, 2, 0)]))
    assert doubled == pytest.approx([expected, brier_skill(y[:300], p[:300])])


def test_the_interval_of_the_skill_counts_customers_not_rows():
    table = predictions(300)
    many = table.loc[table.index.repeat(4)]
    ends = [
        skill_interval(t["y"].to_numpy(), t["p"].to_numpy(), t["customer_id"], replicates=200) for t in (table, many)
    ]
    assert (ends[0].low, ends[0].high) == pytest.approx((ends[1].low, ends[1].high))
    assert ends[0].low < ends[0].value < ends[0].high


def test_an_evaluation_measures_the_skill_on_the_draws_of_the_other_measures():
    table = predictions(300, per_customer=3)
    y, p = table["y"].to_numpy(), table["p"].to_numpy()
    measured = evaluate(y, {"m": p}, {"m": p}, table["customer_id"], replicates=200, seed=3).measures("m")
    assert measured["brier_skill"] == skill_interval(y, p, table["customer_id"], replicates=200, seed=3)
    base = brier_score_loss(y, np.full(len(y), y.mean()))
    assert measured["brier_skill"].value == pytest.approx(1 - measured["brier"].value / base)


def test_a_tier_of_single_rows_has_the_score_interval():
    found = reliability_by(predictions(), "tier").set_index("tier")
    table = predictions()
    here = table[table["tier"] == "A"]
    rate = here["y"].mean()
    assert found.loc["A", ["low", "high"]].tolist() == pytest.approx(wilson_interval(rate, len(here)))
    assert found["rows"].sum() == 600
    assert found["events"].sum() == table["y"].sum()
    assert found["agrees"].all()
    off = reliability_by(table.assign(p=table["p"] + 0.2), "tier")
    assert not off["agrees"].any()
    assert (off["difference"] > 0.1).all()


def test_customers_with_several_rows_widen_the_interval():
    table = predictions(400)
    many = table.loc[table.index.repeat(5)].assign(day=list(range(5)) * 400)
    one, five = (reliability_by(t, "tier", replicates=400) for t in (table, many))
    widths = [(t["high"] - t["low"]).to_numpy() for t in (one, five)]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)
    assert five["customers"].tolist() == one["customers"].tolist()


def test_one_outcome_only_still_has_an_interval():
    table = pd.DataFrame({"customer_id": ["a", "a", "b", "c"], "tier": "A", "p": 0.1, "y": False})
    found = reliability_by(table, "tier").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx(wilson_interval(0.0, 3))


def test_row_order_does_not_matter_and_missing_values_are_a_group():
    table = predictions(rows=300, per_customer=3)
    one = reliability_by(table, ["tier", "industry"], replicates=50)
    other = reliability_by(table.sample(frac=1, random_state=1), ["tier", "industry"], replicates=50)
    pd.testing.assert_frame_equal(one, other)
    assert one["industry"].isna().sum() == 3


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="Reliability needs the columns y, segment"):
        reliability_by(predictions().drop(columns="y"), "segment")


@pytest.mark.parametrize(("language", "words"), [("en", "not given"), ("de", "keine Angabe")])
def test_the_picture_draws_on_the_axes_it_is_given(language, words):
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    table = reliability_by(predictions(), ["industry"])
    assert plot_reliability_by(table, ax, language=language) is ax
    assert len(ax.get_yticklabels()) == 2
    assert any(words in text.get_text() for text in ax.get_yticklabels())
    drawn = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == len(table)]
    assert any(np.allclose(line, table["mean_prediction"]) for line in drawn)


def growing(first=dt.date(2025, 1, 1)):
    """Two customers at first, five later; who was there at first was so from the first day of the data."""
    rows = []
    for day, customers in ((dt.date(2025, 4, 1), 2), (dt.date(2025, 10, 1), 5)):
        for k in range(customers):
            since = (day - first).days - 10 if k < 2 else 30
            rows.append((f"{k}", day, float(since)))
    frame = pd.DataFrame(rows, columns=["customer_id", "as_of", "days_since_first_order"])
    return make_dataset(frame, [True, False, True, True, True, True, False], gap_days=0, horizon_days=90)


def test_what_the_history_says_is_counted():
    found = history_of(growing(), dt.date(2026, 1, 1), dt.date(2025, 1, 1))
    assert (found.days, found.customers_oldest, found.customers_newest, found.growth) == (365, 2, 5, 2.5)
    assert (found.reach_oldest, found.reach_newest) == (90, 273)
    assert (found.cut_share, found.rate_oldest, found.rate_newest) == (0.4, 0.5, 0.8)
    assert found.as_dict()["oldest"] == "2025-04-01"


def test_the_warning_says_why_in_plain_words():
    history = history_of(growing(), dt.date(2026, 1, 1), dt.date(2025, 1, 1))
    (told,) = short_history(history, Interval(0.1, 0.05, 0.2))
    for words in (
        "not to be trusted yet",
        "1.0 years of data cannot tell a season from a trend",
        "40% of the customers on 2025-10-01",
        "nobody could be known for longer than 90 days",
        "grew from 2 to 5 customers",
        "moved from 50% to 80%",
    ):
        assert words in told.message
    trial = Trial("level", "all_slices", 3, 0.6, 0.6, 0.0, 0.084, 0.01, True, "the simplest")
    assert (
        "on 3 snapshots predicted a label window ahead the mean prediction was off by 0.084"
        in short_history(history, Interval(0.1, 0.05, 0.2), trial)[0].message
    )
    older = history_of(growing(), dt.date(2026, 1, 1), dt.date(2024, 1, 2))
    assert short_history(older, Interval(0.1, 0.05, 0.2)) == []


def test_a_steady_short_history_is_only_short():
    day = [dt.date(2025, 4, 1), dt.date(2025, 7, 1)]
    frame = pd.DataFrame({"customer_id": ["a", "b"] * 2, "as_of": np.repeat(day, 2), "x": 1.0})
    data = make_dataset(frame, [True, False] * 2, gap_days=0, horizon_days=90)
    history = history_of(data, dt.date(2025, 10, 1), dt.date(2024, 10, 1))
    assert history.cut_share is None
    assert len(history.reasons()) == 1
