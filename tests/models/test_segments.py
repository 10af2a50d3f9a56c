"""Reliability by tier and segment as every training measures it: which groups, which rates, when it warns."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from crm_ml.models.evaluation.metrics import exact_interval, wilson_interval
from crm_ml.models.evaluation.segments import Reliability, reliability_of, segments_of

DAYS = [dt.date(2025, 10, 4), dt.date(2025, 11, 3), dt.date(2025, 12, 3)]
TIERS = ["high", "medium", "low"]


def with_tiers(rows):
    tier = np.where(rows["p"] >= 0.6, "high", np.where(rows["p"] >= 0.3, "medium", "low"))
    return rows.assign(tier=pd.Categorical(tier, TIERS, ordered=True))


def one_day(p, y, **columns):
    keys = {"customer_id": [f"{k:04d}" for k in range(len(p))], "as_of": DAYS[0]}
    return with_tiers(pd.DataFrame({**keys, "p": p, "y": np.asarray(y, bool), **columns}))


def firm(seed, *, customers=600, off=0.0):
    """Right probabilities on three days whose outcomes are the same, but for one industry of nine that is off."""
    rng = np.random.default_rng(seed)
    risk, luck = rng.beta(0.5, 2.0, customers), rng.random(customers)
    industry = rng.choice([f"industry {k}" for k in range(9)], customers)
    country = rng.choice(["AT", "CH", "DE", "PL"], customers)
    parts = []
    for day in DAYS:
        p = np.clip(risk + rng.normal(0, 0.01, customers), 0.001, 0.999)
        y = luck < p + off * (industry == "industry 3")
        keys = {"customer_id": [f"{k:04d}" for k in range(customers)], "as_of": day}
        parts.append(pd.DataFrame({**keys, "p": p, "y": y, "industry": industry, "country": country}))
    return with_tiers(pd.concat(parts, ignore_index=True))


def measured(rows, **draws):
    return reliability_of(rows, segments_of(rows[["customer_id", "as_of", "industry", "country"]]), **draws)


def test_the_tables_hold_what_can_be_counted_by_hand():
    # 40 customers of .7 of whom 30 leave, 60 of .1 of whom 6 do; nobody is medium
    rows = one_day([0.7] * 40 + [0.1] * 60, [1] * 30 + [0] * 10 + [1] * 6 + [0] * 54)
    segments = segments_of(rows[["customer_id", "as_of"]].assign(country=["DE"] * 50 + ["AT"] * 50))
    found = reliability_of(rows, segments)
    columns = ["by", "group", "rows", "customers", "events"]
    assert found.by_tier[columns].values.tolist() == [["tier", "high", 40, 40, 30], ["tier", "low", 60, 60, 6]]
    assert found.by_segment[columns].values.tolist() == [["country", "AT", 50, 50, 0], ["country", "DE", 50, 50, 36]]
    assert found.by_tier["mean_prediction"].tolist() == pytest.approx([0.7, 0.1])
    assert found.by_segment["mean_prediction"].tolist() == pytest.approx([0.1, (40 * 0.7 + 10 * 0.1) / 50])
    assert found.by_tier[["low", "high"]].values[0].tolist() == pytest.approx(wilson_interval(0.75, 40))
    assert len(found.table) == 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 120))
def test_the_groups_of_each_column_are_all_rows(seed, customers):
    rows = firm(seed, customers=customers)
    found = measured(rows, replicates=5)
    for _, groups in found.table.groupby("by"):
        assert groups["rows"].sum() == len(rows)
        assert groups["events"].sum() == rows["y"].sum()
        assert np.average(groups["mean_prediction"], weights=groups["rows"]) == pytest.approx(rows["p"].mean())
    assert set(found.by_tier["group"]) == set(rows["tier"])
    assert (found.table["low"] <= found.table["rate"]).all()
    assert (found.table["rate"] <= found.table["high"]).all()


def test_the_order_of_rows_and_columns_never_matters():
    rows = firm(1, customers=200)
    mixed = rows.sample(frac=1, random_state=2)
    features = mixed[["country", "as_of", "industry", "customer_id"]].sample(frac=1, random_state=3)
    other = reliability_of(mixed, segments_of(features), replicates=20)
    pd.testing.assert_frame_equal(measured(rows, replicates=20).table, other.table)


def test_small_groups_are_told_together_and_missing_ones_apart():
    rows = pd.DataFrame({"customer_id": [f"{k:04d}" for k in range(500)], "as_of": DAYS[0]})
    country = np.repeat(["DE", "AT", "CH", None], [300, 30, 29, 141])
    found = segments_of(
        rows.assign(
            country=country,
            region=[f"region {k % 12:02d}" for k in range(500)],
            tax_number=rows["customer_id"],
            language="de",
            balance=1.5,
        )
    )
    assert list(found.columns) == ["customer_id", "as_of", "country", "region"]
    assert found["country"].value_counts(dropna=False).to_dict() == {"DE": 300, "AT": 30, "other": 29, np.nan: 141}
    # twelve regions of 41 or 42 customers: the ten largest, then by name
    assert list(found["region"].cat.categories) == [f"region {k:02d}" for k in range(10)] + ["other"]
    assert (found["region"] == "other").sum() == 82
    held_back = segments_of(rows.assign(country=country), leave_out=["country"])
    assert list(held_back.columns) == ["customer_id", "as_of"]


def test_a_customer_on_three_days_counts_once_for_the_size_of_a_group():
    rows = pd.DataFrame({"customer_id": [f"{k % 40:02d}" for k in range(120)], "as_of": np.repeat(DAYS, 40)})
    country = ["AT" if k % 40 < 11 else "DE" if k % 40 < 20 else "CH" for k in range(120)]
    assert "country" not in segments_of(rows.assign(country=country))


@pytest.mark.parametrize("kind", ["Float64", "Int64"])
def test_sizes_are_those_of_the_recommendation(kind):
    counts = [0, 9, 10, 49, 50, 249, 250, 90_000]
    rows = pd.DataFrame({"customer_id": [f"{k:03d}" for k in range(241)], "as_of": DAYS[0]})
    found = segments_of(rows.assign(employees=pd.array(counts * 30 + [None], dtype=kind)))
    told = found["employees"].astype(object)
    assert told.iloc[:8].tolist() == [
        *["under 10"] * 2,
        *["10 to 49"] * 2,
        *["50 to 249"] * 2,
        *["250 and more"] * 2,
    ]
    assert pd.isna(told.iloc[-1])


def test_a_feature_may_be_called_like_a_column_of_the_table():
    rows = one_day([0.2] * 80, [1, 0, 0, 0, 0] * 16)
    segments = segments_of(rows[["customer_id", "as_of"]].assign(p=["a"] * 40 + ["b"] * 40, rows=["c", "d"] * 40))
    assert reliability_of(rows, segments).by_segment["by"].tolist() == ["p", "p", "rows", "rows"]


@pytest.mark.parametrize(("events", "rows", "level"), [(3, 20, 0.95), (0, 50, 0.999), (50, 50, 0.99), (7, 300, 0.998)])
def test_the_exact_interval_is_that_of_scipy(events, rows, level):
    expected = binomtest(events, rows).proportion_ci(level, method="exact")
    assert exact_interval(events / rows, rows, level=level) == pytest.approx((expected.low, expected.high))


def test_the_warning_names_what_is_off_and_what_happened_in_all_rows():
    rows = one_day([0.2] * 300, [1, 0, 0, 0, 0] * 40 + [1, 1, 1, 0, 0] * 20)
    rows["industry"], rows["country"] = ["Bau"] * 200 + ["Möbel"] * 100, ["DE", "AT"] * 150
    (told,) = measured(rows).findings()
    assert (told.severity, told.code, told.count) == ("warning", "unreliable_groups", 4)
    assert told.examples[0] == "industry Möbel: predicted 0.20, churned 0.60"
    assert "In 4 of 5 tiers and segments" in told.message
    assert "in all rows together 0.20 was predicted and 0.33 churned" in told.message
    assert not any("Bau" in example for example in told.examples)


def test_what_is_off_by_little_or_perhaps_by_chance_is_not_named():
    # 4,000 customers: .14 against .10 is certain, and changes no decision
    assert measured(one_day([0.1] * 4000, [1] * 560 + [0] * 3440, industry="Bau", country="DE")).findings() == []
    # 100 customers: .2 predicted, .30 happened; 95 % alone would do, for one of many groups it does not
    y = [1] * 30 + [0] * 70
    alone = reliability_of(one_day([0.2] * 100, y), segments_of(one_day([0.2] * 100, y)[["customer_id", "as_of"]]))
    assert len(alone.findings()) == 1
    others = one_day([0.2] * 500, y + [1, 0, 0, 0, 0] * 80, industry=np.repeat(list("ABCDE"), 100), country="DE")
    found = measured(others)
    assert not found.by_segment.loc[found.by_segment["group"] == "A", "agrees"].item()
    assert found.findings() == []
    assert Reliability().findings() == []


def test_right_probabilities_are_not_warned_of_and_a_wrong_industry_is_found():
    clean = [bool(measured(firm(seed), replicates=2).findings()) for seed in range(60)]
    assert sum(clean) <= 3
    for seed in range(5):
        (told,) = measured(firm(seed, customers=1500, off=0.2), replicates=2).findings()
        assert told.examples[0].startswith("industry industry 3: predicted ")


def test_the_records_are_json_and_null_where_nothing_was_given():
    rows = one_day([0.2] * 80, [1, 0, 0, 0, 0] * 16, industry=["Bau"] * 50 + [None] * 30, country="DE")
    found = json.loads(json.dumps(measured(rows).as_dict(), allow_nan=False))
    assert [row["group"] for row in found["by_segment"]] == ["Bau", None]
    assert found["by_tier"][0]["rows"] == 80
    assert Reliability().as_dict() == {"by_tier": [], "by_segment": []}
