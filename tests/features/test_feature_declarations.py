"""Declaring features: what is checked, own features, functions, and a test of the ten lines of the docs."""

import re

import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.features import (
    Difference,
    Feature,
    FunctionFeature,
    Ratio,
    add_feature,
    build_features,
    default_features,
    remove_feature,
)
from crm_ml.features.spec import windowed

SPINE = pd.DataFrame({"customer_id": ["7", "8"], "as_of": ["2026-03-01"] * 2})


@pytest.fixture
def made(tables, lines):
    rows = lines(("A", "2026-02-01", 10.0), ("A", "2026-02-01", 20.0), ("B", "2026-02-20", 5.0), quantity=[1, 2, 3])
    calls = {
        "interaction_id": ["1", "2"],
        "customer_id": ["7", "7"],
        "occurred_at": ["2026-02-27", "2026-02-01"],
        "channel": ["phone", "phone"],
    }
    return tables(order_lines=rows, interactions=calls)


def test_a_data_scientist_adds_a_feature_in_under_ten_lines(made):
    features = add_feature(Feature(
        id="interactions_phone_count_7d", source="interactions", aggregate="count", window_days=7,
        where={"channel": "phone"}, unit="count", direction=-1,
        text_de="Telefonate in den letzten 7 Tagen", text_en="phone calls in the last 7 days",
    ))  # fmt: skip
    try:
        assert features == default_features()
        found = build_features(made, SPINE)
    finally:
        remove_feature("interactions_phone_count_7d")
    assert found["interactions_phone_count_7d"].tolist() == [1.0, 0.0]
    assert "interactions_phone_count_7d" not in build_features(made, SPINE)


def test_only_the_features_asked_for(made):
    lines = Feature(id="lines_per_order", source="orders", measure="lines", aggregate="mean")
    half = Ratio(id="half", numerator="lines_per_order", denominator="orders_count_365d")
    less = Difference(id="less", left="orders_count_365d", right="lines_per_order")
    found = build_features(made, SPINE, features=[lines, half, less])
    assert list(found.columns) == ["customer_id", "as_of", "cutoff", "lines_per_order", "half", "less"]
    assert found.iloc[0, 3:].tolist() == [1.5, 0.75, 0.5]
    assert found.iloc[1, 3:].isna().all()


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("sum", 6.0), ("max", 3.0), ("min", 1.0), ("mean", 2.0), ("last", 3.0), ("first", 1.0), ("distinct", 3.0)],
)
def test_aggregates_over_lines(made, aggregate, expected):
    feature = Feature(id="f", source="order_lines", measure="quantity", aggregate=aggregate, unit="number")
    assert build_features(made, SPINE, features=[feature])["f"].iloc[0] == expected


def test_of_equal_times_the_last_is_the_greatest_and_the_first_the_smallest(tables, lines):
    made = tables(order_lines=lines(*[(f"O{i}", "2026-02-01", x) for i, x in enumerate((3.0, 9.0, 5.0))]))
    features = [
        Feature(id=aggregate, source="orders", measure="net_amount", aggregate=aggregate)
        for aggregate in ("last", "first")
    ]
    assert build_features(made, SPINE, features=features).iloc[0, 3:].tolist() == [9.0, 3.0]


def test_a_python_function_over_the_visible_events(made):
    def largest_share(events, cutoff):
        assert str(cutoff) == "2026-03-01 00:00:00+01:00"
        return events.net_amount.max() / events.net_amount.sum() if len(events) else None

    own = FunctionFeature(id="largest_share", source="orders", function=largest_share)
    found = build_features(made, SPINE, features=[own])
    assert found["largest_share"].iloc[0] == pytest.approx(30 / 35)
    assert pd.isna(found["largest_share"].iloc[1])


def test_functions_see_days_texts_and_nothing_later(made):
    seen = []
    own = FunctionFeature(id="seen", source="interactions", function=lambda events, _: seen.append(events) or 0)
    build_features(made, pd.DataFrame({"customer_id": ["7"], "as_of": ["2026-02-15"]}), features=[own])
    assert seen[0][["days_ago", "channel"]].to_numpy().tolist() == [[14, "phone"]]


def test_functions_over_tables_that_are_not_mapped_are_null(made):
    own = FunctionFeature(id="none", source="surveys", function=lambda events, _: 1.0)
    assert build_features(made, SPINE, features=[own])["none"].isna().all()


def feature(**fields):
    return Feature(**{"id": "x", "source": "orders", **fields})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: feature(id="Umsatz 90"), "an id consists of lower-case ASCII letters"),
        (lambda: feature(unit="euro"), "unknown unit 'euro'"),
        (lambda: feature(direction=2), "direction is 2. Use -1, 0 or 1"),
        (lambda: feature(aggregate="cuont"), "unknown aggregate 'cuont'. Did you mean \"count\"?"),
        (lambda: feature(window_days=0), "window_days must be a whole number of at least 1, found 0"),
        (lambda: feature(window_days=1.5), "window_days must be a whole number of at least 1, found 1.5"),
        (lambda: feature(window_days=True), "window_days must be a whole number of at least 1, found True"),
        (lambda: feature(offset_days=-1), "offset_days must be a whole number of at least 0, found -1"),
        (
            lambda: feature(aggregate="sum"),
            "the aggregate sum needs a measure, found ''. Name the column to aggregate in `measure`.",
        ),
        (
            lambda: feature(measure="net_amount"),
            "the aggregate count takes no measure, found 'net_amount'. Leave `measure` out.",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(make, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


def test_the_shortest_window_and_no_offset_are_fine():
    assert feature(window_days=1, offset_days=0).meaning == "number of events; stream orders; window [c - 1 days, c)"
    ids = [windowed("orders"), windowed("orders", 7), windowed("orders", 7, 1), windowed("orders", None, 30)]
    assert ids == ["orders", "orders_7d", "orders_7d_ago_1d", "orders_ago_30d"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (feature(source="order"), "unknown source 'order'. Did you mean \"orders\"?"),
        (feature(measure="net_amont", aggregate="sum"), "no column 'net_amont'. Did you mean \"net_amount\"?"),
        (feature(where={"is_purchas": 1}), "no column 'is_purchas'. Did you mean \"is_purchase\"?"),
        (feature(where={"is_purchase": "yes"}), "is_purchase holds whole numbers, found 'yes'"),
        (feature(source="interactions", where={"channel": 1}), "channel holds texts, found 1"),
        (feature(source="interactions", measure="channel", aggregate="max"), "is a text and has no max"),
        (feature(measure="net_amount", aggregate="sd"), "sd is exact for days and counts only"),
        (
            Ratio(id="r", numerator="orders_count_90", denominator="orders_count_365d"),
            "unknown feature 'orders_count_90'",
        ),
        (Ratio(id="r", numerator="r", denominator="orders_count_365d"), "feature 'r' is computed from itself"),
    ],
)
def test_a_feature_that_cannot_be_computed_is_refused(made, wrong, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        build_features(made, SPINE, features=[wrong])


def test_ids_are_unique(made):
    with pytest.raises(UsageError, match="feature id 'x' occurs twice"):
        build_features(made, SPINE, features=[feature(), feature()])
    with pytest.raises(UsageError, match="'orders_count_30d' is taken by the catalogue"):
        add_feature(feature(id="orders_count_30d"))
    with pytest.raises(UsageError, match="unknown source 'nothing'"):
        add_feature(feature(source="nothing"))


def test_where_with_a_value_that_never_occurs(made):
    rare = Feature(id="rare", source="interactions", where={"channel": "visit"})
    assert build_features(made, SPINE, features=[rare])["rare"].tolist() == [0, 0]
