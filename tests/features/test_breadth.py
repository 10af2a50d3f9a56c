"""The features that are off by default: declared in full, told in both languages, chosen by pattern."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.features import (
    CATALOGUE,
    OPTIONAL,
    AttributeFeature,
    Feature,
    PeakFeature,
    PooledFeature,
    Ratio,
    build_features,
    catalogue_markdown,
    default_features,
    sources,
)
from crm_ml.features.catalogue import INPUTS, OPTIONAL_INPUTS, families_of
from crm_ml.features.choice import KEPT, FeatureChoice, contradictory, needed_features
from crm_ml.features.spec import CAUSES, Family, Unit
from crm_ml.features.stored import as_json, from_json, with_inputs
from crm_ml.models.explain.wording import sentence
from crm_ml.tables import from_frames
from crm_ml.tables.schemas import SCHEMAS

EVERY = (*CATALOGUE, *OPTIONAL, *INPUTS, *OPTIONAL_INPUTS)
LINES = pd.DataFrame(
    {
        "order_id": ["A", "B", "C", "D"],
        "customer_id": ["7", "7", "7", "8"],
        "ordered_at": ["2026-01-05", "2026-02-04", "2026-02-11", "2026-02-12"],
        "net_amount": [100.0, 50.0, 20.0, 30.0],
        "product_id": ["p", "p", "q", "q"],
    }
)
SPINE = pd.DataFrame({"customer_id": ["7"], "as_of": ["2026-03-01"]})


def test_there_are_more_than_two_hundred_and_the_default_set_is_what_it_was() -> None:
    assert len(CATALOGUE) + len(OPTIONAL) >= 200
    assert default_features() == CATALOGUE
    assert not {feature.family for feature in OPTIONAL} & {feature.family for feature in CATALOGUE}


def test_ids_and_labels_are_unique() -> None:
    ids = [feature.id for feature in EVERY]
    assert len(ids) == len(set(ids))
    for texts in ([f.text_de for f in (*CATALOGUE, *OPTIONAL)], [f.text_en for f in (*CATALOGUE, *OPTIONAL)]):
        assert len(texts) == len(set(texts))


@pytest.mark.parametrize("feature", OPTIONAL, ids=lambda feature: feature.id)
def test_each_says_what_it_is(feature: Feature) -> None:
    assert feature.text_de != feature.text_en
    assert feature.meaning
    assert feature.cause in CAUSES
    assert feature.unit in get_args(Unit)
    assert feature.family in get_args(Family)
    for source in sources(feature):
        table, column = source.split(".")
        assert column in SCHEMAS[table].column_names
    assert catalogue_markdown().count(f"\n| `{feature.id}` |") == 1


def test_each_is_told_in_both_languages_and_no_two_share_a_sentence() -> None:
    owner: dict[str, str] = {}
    for feature in OPTIONAL:
        for value in (0.0, 1.5, -2.0, 40.0, None):
            for language in ("de", "en"):
                for raises in (True, False):
                    text = sentence(feature.id, value, raises=raises, language=language)
                    assert owner.setdefault(text, feature.id) == feature.id
                    assert text.endswith(".")
                    assert len(text) < 220
                    assert "_" not in text
                    assert "…" not in text


def test_a_peak_is_the_greatest_of_the_sums() -> None:
    most = PeakFeature(id="most", source="order_lines", aggregate="sum", measure="net_amount", by="product_id")
    orders = PeakFeature(id="orders", source="order_lines", by="product_id", window_days=30)
    found = build_features(from_frames({"order_lines": LINES}), SPINE, features=[most, orders]).iloc[0]
    assert (found["most"], found["orders"]) == (150, 1)
    before = SPINE.assign(as_of="2026-01-01")
    nothing = build_features(from_frames({"order_lines": LINES}), before, features=[most]).iloc[0]
    assert np.isnan(nothing["most"])


def test_a_pool_counts_all_customers_whoever_is_asked_for() -> None:
    firm = PooledFeature(id="firm", source="pool_lines", aggregate="sum", measure="net_amount", pool="firm")
    buyers = PooledFeature(id="buyers", source="pool_lines", aggregate="distinct", measure="buyer", pool="firm")
    found = build_features(from_frames({"order_lines": LINES}), SPINE, features=[firm, buyers]).iloc[0]
    assert (found["firm"], found["buyers"]) == (200, 2)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: PeakFeature(id="x", source="orders", aggregate="max", measure="net_amount", by="day"),
            "one of counts",
        ),
        (lambda: PeakFeature(id="x", source="orders", by="day", against_days=9), "must be shorter than the window"),
    ],
)
def test_what_cannot_be_a_peak_is_refused(made: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made()  # type: ignore[operator]


def test_a_peak_over_an_unknown_column_and_a_pool_of_another_stream_are_refused() -> None:
    tables = from_frames({"order_lines": LINES})
    with pytest.raises(UsageError, match=r"orders has no column 'weekdy'"):
        build_features(tables, SPINE, features=[PeakFeature(id="x", source="orders", by="weekdy")])
    with pytest.raises(UsageError, match=r"a pool is one of customers over pool_lines, found a customer and 'orders'"):
        build_features(tables, SPINE, features=[PooledFeature(id="x", source="orders", pool="firm")])


# stored


@pytest.mark.parametrize("feature", [f for f in EVERY if type(f) in (Feature, Ratio, PeakFeature, PooledFeature)][::9])
def test_a_stored_declaration_comes_back(feature: Feature) -> None:
    assert from_json(json.loads(json.dumps(as_json(feature)))) == feature


@pytest.mark.parametrize(
    "value", [{"kind": "magic", "id": "x"}, {"kind": "ratio", "id": "x"}, {"kind": "feature", "id": "x", "colour": 1}]
)
def test_what_is_no_declaration_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a declared feature"):
        from_json(value)


def test_inputs_of_inputs_are_kept_and_nothing_else() -> None:
    own = [
        Feature(id="a", source="orders"),
        Ratio(id="b", numerator="a", denominator="orders_count_365d"),
        Ratio(id="c", numerator="b", denominator="a"),
        Feature(id="d", source="orders"),
    ]
    assert [feature.id for feature in with_inputs(["c"], own)] == ["a", "b", "c"]


# chosen


def ids_of(choice: FeatureChoice) -> set[str]:
    return {feature.id for feature in choice.chosen()}


def test_nothing_said_is_the_default_set() -> None:
    assert FeatureChoice().chosen() == default_features()
    assert FeatureChoice().built(from_frames({"order_lines": LINES})) is None


def test_a_family_is_switched_on_and_off() -> None:
    found = ids_of(FeatureChoice(families={"contracts": True, "interactions": False}))
    assert {f.id for f in OPTIONAL if f.family == "contracts"} <= found
    assert not {f.id for f in CATALOGUE if f.family == "interactions"} & found
    assert {f.id for f in CATALOGUE if f.family == "payments"} <= found


def test_use_takes_what_matches_and_what_the_rules_read() -> None:
    found = ids_of(FeatureChoice(use=("orders_count_*", "family:tickets")))
    expected = {f.id for f in (*CATALOGUE, *OPTIONAL) if f.id.startswith("orders_count_") or f.family == "tickets"}
    assert found == expected | set(KEPT["customer"])


def test_leave_out_wins_but_not_over_what_the_rules_read() -> None:
    choice = FeatureChoice(leave_out=("days_since_*", "family:calendar"), families={"regularity": True})
    found = ids_of(choice)
    assert "days_since_last_payment" not in found
    assert "season_sin" not in found
    assert "days_since_last_order_beyond_own_gap" not in found
    assert set(KEPT["customer"]) <= found


def test_own_attributes_can_be_left_out() -> None:
    own = [AttributeFeature(id=f"attribute_{name}", column=name, family="attributes") for name in ("size", "mood")]
    found = {feature.id for feature in FeatureChoice(leave_out=("attribute_m*",)).chosen(own)}
    assert "attribute_size" in found
    assert "attribute_mood" not in found


def test_faults_say_what_is_near() -> None:
    choice = FeatureChoice(
        use=("order_count_90d",),
        leave_out=("family:tikets",),
        families={"contract": True},
        add=(
            Feature(id="orders_count_90d", source="orders"),
            Ratio(id="x", numerator="orders_cont_90d", denominator="orders_count_365d"),
            Feature(id="y", source="order"),
        ),
    )
    told = " ".join(what for what, _ in choice.faults())
    for words in (
        "there is no family 'contract' Did you mean \"contracts\"?",
        "no feature matches 'order_count_90d' Did you mean \"orders_count_90d\"?",
        "no feature matches 'family:tikets' Did you mean \"family:tickets\"?",
        "the id 'orders_count_90d' is taken",
        "uses the unknown feature 'orders_cont_90d' Did you mean \"orders_count_90d\"?",
        "unknown source 'order'",
    ):
        assert words in told


def test_a_model_is_given_what_it_was_trained_with() -> None:
    tables = from_frames({"order_lines": LINES})
    assert needed_features(tables, ["orders_count_90d"]) is None
    mine = Feature(id="mine", source="orders", window_days=10)
    found = needed_features(tables, ["mine", "orders_unit_price_90d"], kept=[mine])
    assert found is not None
    assert {"mine", "orders_unit_price_90d", *(f.id for f in CATALOGUE)} == {feature.id for feature in found}


def test_the_same_id_with_two_meanings_is_noticed() -> None:
    one, other = Feature(id="x", source="orders", window_days=10), Feature(id="x", source="orders", window_days=20)
    assert contradictory([one], [other])
    assert not contradictory([one], [one])
    assert not contradictory([one], [])


def test_every_family_has_a_state() -> None:
    found = families_of()
    assert found["orders"]
    assert not found["season"]
    assert len(found) >= 20
