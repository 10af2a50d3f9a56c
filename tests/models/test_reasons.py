"""Contributions by cause add up to the margin; reasons are ordered and led by what speaks; small ones are left out."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.features import CATALOGUE, AttributeFeature
from crm_ml.features.spec import CAUSES, Feature
from crm_ml.models import Contributions
from crm_ml.models.explain import texts_de, texts_en
from crm_ml.models.explain.groups import cause_in_row, cause_label, cause_of, causes, group_contributions
from crm_ml.models.explain.reasons import LEAST, LEAST_SHARE, PLAIN_LEAST, Reason, reasons_for

IDS = [feature.id for feature in CATALOGUE]


def one_row(values: dict[str, float | str | None], contributions: dict[str, float], **how: object) -> list[Reason]:
    parts = Contributions(pd.DataFrame([contributions]), base=-1.0)
    return reasons_for(pd.DataFrame([values]), parts, currency="EUR", **how)[0]  # type: ignore[arg-type]


def random_rows(count: int, seed: int = 1) -> tuple[pd.DataFrame, Contributions]:
    """All features with values of many sizes, a tenth missing, and contributions from nothing to large."""
    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for feature in CATALOGUE:
        if feature.unit == "category":
            columns[feature.id] = rng.choice(np.array(["Bau", "A & B", None], dtype=object), count)
        else:
            values = np.round(rng.exponential(rng.choice([0.5, 5.0, 500.0]), count), rng.integers(0, 3))
            columns[feature.id] = np.where(rng.random(count) < 0.1, np.nan, values)
    sizes = rng.normal(size=(count, len(IDS))) * np.exp(rng.normal(-2.5, 1.5, (count, 1)))
    index = pd.Index(rng.permutation(count))
    return pd.DataFrame(columns, index=index), Contributions(pd.DataFrame(sizes, columns=IDS, index=index), base=-1.7)


def test_base_and_reasons_are_the_margin_for_10_000_rows() -> None:
    frame, parts = random_rows(10_000)
    found = reasons_for(frame, parts, currency="EUR")
    total = [parts.base + math.fsum(reason.contribution for reason in row) for row in found]
    assert np.abs(np.array(total) - parts.margin).max() < 1e-9
    for with_rows in (None, frame):
        sums = group_contributions(parts, frame=with_rows)
        assert sums.index.equals(frame.index)
        assert np.abs(parts.base + sums.to_numpy().sum(axis=1) - parts.margin).max() < 1e-9


def test_every_row_is_ordered_and_ends_with_the_rest() -> None:
    frame, parts = random_rows(2_000, seed=2)
    sums = group_contributions(parts, frame=frame).reset_index(drop=True)
    for top in (1, 4):
        for row, reasons in enumerate(reasons_for(frame, parts, currency="EUR", top=top)):
            *shown, rest = reasons
            assert len(shown) <= top
            assert (rest.group, rest.feature, rest.value) == ("rest", None, None)
            sizes = [reason.contribution for reason in shown]
            raising = [size for size in sizes if size > 0]
            assert raising == sorted(raising, reverse=True)
            assert sizes[len(raising) :] == sorted(sizes[len(raising) :])
            for reason in shown:
                assert reason.contribution == pytest.approx(sums.loc[row, reason.group])
                assert abs(reason.contribution) >= max(LEAST, LEAST_SHARE * sums.loc[row].abs().sum()) - 1e-12
                assert reason.feature is not None
                value = frame[reason.feature].iloc[row]
                assert cause_in_row(reason.feature, value) == reason.group
                assert parts.values[reason.feature].iloc[row] * reason.contribution > 0
            assert len({reason.group for reason in shown}) == len(shown)
            # nothing clear is left out while there is room, but what says little and weighs little
            if len(shown) < top:
                others = sums.loc[row].drop([reason.group for reason in shown]).abs()
                assert not ((others >= PLAIN_LEAST) & (others >= LEAST_SHARE * sums.loc[row].abs().sum())).any()


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    frame, parts = random_rows(300, seed=3)
    order = np.random.default_rng(4).permutation(len(frame))
    columns = list(reversed(IDS))
    turned = Contributions(parts.values.iloc[order][columns], parts.base)
    straight = reasons_for(frame, parts, currency="EUR")
    other = reasons_for(frame.iloc[order][columns], turned, currency="EUR")
    for place, row in enumerate(order):
        assert [reason.text_en for reason in other[place]] == [reason.text_en for reason in straight[row]]


def test_a_row_alone_has_the_reasons_it_has_among_others() -> None:
    frame, parts = random_rows(40, seed=5)
    together = reasons_for(frame, parts, currency="EUR")
    for row in range(len(frame)):
        alone = Contributions(parts.values.iloc[[row]], parts.base)
        assert reasons_for(frame.iloc[[row]], alone, currency="EUR") == [together[row]]


def test_near_duplicates_count_once() -> None:
    found = one_row(
        {"days_since_last_order": 94.0, "days_since_last_order_over_own_gap": 3.03, "order_gap_days_mean": 31.0,
         "complaints_open_count": 1.0},
        {"days_since_last_order": 0.5, "days_since_last_order_over_own_gap": 0.6, "complaints_open_count": 0.7},
    )  # fmt: skip
    assert [(reason.group, round(reason.contribution, 9)) for reason in found] == [
        ("order_pause", 1.1),
        ("complaints", 0.7),
        ("rest", 0.0),
    ]
    assert found[0].text_de == "Bestellpause 3-mal so lang wie üblich: 94 Tage statt 31."
    assert found[1].text_en == "1 open complaint."


def test_an_empty_window_is_the_order_pause() -> None:
    values = {"days_since_last_order": 120.0, "orders_count_90d": 0.0, "orders_basket_mean_90d": None}
    found = one_row(values, {"days_since_last_order": 0.4, "orders_count_90d": 0.5, "orders_basket_mean_90d": 0.3})
    assert [(reason.group, round(reason.contribution, 9)) for reason in found] == [("order_pause", 1.2), ("rest", 0.0)]
    values |= {"orders_count_90d": 1.0, "orders_basket_mean_90d": 90.0}
    found = one_row(values, {"days_since_last_order": 0.4, "orders_count_90d": 0.7, "orders_basket_mean_90d": 0.6})
    assert [reason.group for reason in found] == ["order_trend", "order_value", "order_pause", "rest"]


def test_what_does_not_speak_for_itself_needs_more_weight() -> None:
    """Three different products in 90 days worry nobody, whatever the model makes of them."""
    values = {"orders_products_count_90d": 3.0, "days_since_last_order": 94.0}
    little = one_row(values, {"orders_products_count_90d": 0.4, "days_since_last_order": 0.4})
    assert [reason.group for reason in little] == ["order_pause", "rest"]
    assert little[-1].contribution == pytest.approx(0.4)
    much = one_row(values, {"orders_products_count_90d": 0.6, "days_since_last_order": 0.4})
    assert [reason.group for reason in much] == ["product_range", "order_pause", "rest"]
    alone = one_row({"days_since_last_order": 5.0}, {"days_since_last_order": 0.3})
    assert [reason.group for reason in alone] == ["rest"]


def test_empty_windows_make_a_pause_of_their_own_where_no_other_feature_tells_of_it() -> None:
    found = one_row({"orders_count_90d": 0.0}, {"orders_count_90d": 0.5})
    assert [reason.group for reason in found] == ["order_pause", "rest"]
    assert found[0].text_en == "No orders in the last 90 days."


def test_the_feature_that_speaks_leads_if_it_weighs_nearly_as_much() -> None:
    values = {"days_since_last_order": 12.0, "days_since_last_order_over_own_gap": 2.4}
    near = {"days_since_last_order": 0.5, "days_since_last_order_over_own_gap": 0.3}
    assert one_row(values, near)[0].feature == "days_since_last_order_over_own_gap"
    far = {"days_since_last_order": 0.5, "days_since_last_order_over_own_gap": 0.2}
    assert one_row(values, far)[0].feature == "days_since_last_order"
    assert one_row(values, far)[0].text_en == "Last order 12 days ago."


def test_the_leading_feature_pulls_where_the_group_pulls() -> None:
    values = {"days_since_last_order": 94.0, "days_since_last_order_over_own_gap": 0.5}
    found = one_row(values, {"days_since_last_order": 0.9, "days_since_last_order_over_own_gap": -1.5})
    assert (found[0].feature, round(found[0].contribution, 9)) == ("days_since_last_order_over_own_gap", -0.6)
    assert found[0].text_en == "Still on schedule: order pause only at 50% of the usual gap (94 of 188 days)."


def test_nothing_clear() -> None:
    small = {id: 0.01 * (-1) ** k for k, id in enumerate(IDS)}
    found = one_row(dict.fromkeys(IDS), small)
    assert [(r.group, r.text_de, r.text_en) for r in found] == [
        ("rest", "Kein einzelner Grund sticht heraus.", "No single reason stands out.")
    ]
    cancelling = {"days_since_last_order": 2.0, "days_since_last_order_over_own_gap": -1.95}
    assert [r.group for r in one_row({"days_since_last_order": 30.0}, cancelling)] == ["rest"]


def test_what_the_rest_does_is_said() -> None:
    shown = {"days_since_last_order": 3.0, "complaints_open_count": 0.4, "industry": -0.5}
    values: dict[str, float | str | None] = {
        "days_since_last_order": 99.0,
        "complaints_open_count": 2.0,
        "industry": "Bau",
    }
    assert one_row(values, shown, top=1)[-1].text_en == "Other influences together lower the risk."
    assert (
        one_row(values, {**shown, "industry": 0.3}, top=1)[-1].text_de
        == "Weitere Einflüsse zusammen erhöhen das Risiko."
    )
    assert one_row(values, shown)[-1].text_en == "Other influences balance out."


def test_values_are_numbers_or_nothing() -> None:
    contributions = {"industry": 1.0, "employees": 0.9, "season_cos": -0.8, "returns": 0.5}
    found = one_row({"industry": "0012", "employees": math.inf, "season_cos": -1.0}, contributions)
    assert [(r.group, r.feature, r.value) for r in found] == [
        ("profile", "industry", None),
        ("own:returns", "returns", None),
        ("season", "season_cos", -1.0),
        ("rest", None, None),
    ]
    assert found[0].text_de == "Branche 0012: Solche Kunden gehen eher verloren."
    assert found[1].text_de == "Returns: nicht bekannt."
    assert json.loads(json.dumps([reason.as_dict() for reason in found], allow_nan=False))[2]["value"] == -1.0


def test_own_features_stand_alone_or_join_the_cause_they_name() -> None:
    alone = AttributeFeature(
        id="attribute_vip", column="VIP-Stufe", unit="number", text_de="VIP-Stufe", text_en="VIP level"
    )
    joins = Feature(
        id="orders_max_7d", source="orders", unit="count", window_days=7, cause="order_trend", text_de="Eilaufträge"
    )
    contributions = {"attribute_vip": 0.6, "orders_max_7d": 0.5, "orders_count_90d": 0.4, "attribute_other": 0.3}
    values: dict[str, float | str | None] = dict.fromkeys(contributions, 2.0)
    found = one_row(values, contributions, features=[alone, joins])
    assert [(reason.group, reason.text_de) for reason in found[:3]] == [
        ("order_trend", "Nur 2 Bestellungen in den letzten 90 Tagen."),
        ("own:attribute_vip", "VIP-Stufe: 2 (erhöht das Risiko)."),
        ("own:attribute_other", "Other: 2 (erhöht das Risiko)."),
    ]
    assert cause_label("own:attribute_vip", "en", [alone]) == "VIP level"


def test_money_is_in_the_workspace_currency() -> None:
    frame = pd.DataFrame({"invoices_overdue_amount": [1250.0]})
    parts = Contributions(pd.DataFrame({"invoices_overdue_amount": [1.0]}), base=0.0)
    assert reasons_for(frame, parts, currency="GBP")[0][0].text_de == "Überfälliger Betrag: 1.250\xa0£."
    assert reasons_for(frame, parts, currency="CHF")[0][0].text_en == "Overdue amount: CHF\xa01,250."


def test_no_rows_no_reasons() -> None:
    parts = Contributions(pd.DataFrame(columns=["days_since_last_order"], dtype=np.float64), base=0.0)
    assert reasons_for(pd.DataFrame({"days_since_last_order": []}), parts, currency="EUR") == []


def test_causes_have_labels_and_features() -> None:
    assert causes() == CAUSES
    assert {cause_of(id) for id in IDS} == set(CAUSES)
    for language in ("de", "en"):
        labels = [cause_label(group, language) for group in (*causes(), "rest")]
        assert len(set(labels)) == len(labels)
        assert all(label and "_" not in label for label in labels)


@given(st.lists(st.floats(-3, 3), min_size=5, max_size=5))
def test_reasons_add_up_whatever_the_contributions(sizes: list[float]) -> None:
    names = ["days_since_last_order", "orders_count_90d", "industry", "complaints_open_count", "own_thing"]
    found = one_row(dict.fromkeys(names), dict(zip(names, sizes, strict=True)))
    assert math.fsum(reason.contribution for reason in found) == pytest.approx(math.fsum(sizes), abs=1e-12)


def test_no_sentence_speaks_of_the_machinery() -> None:
    frame, parts = random_rows(500, seed=6)
    shown = {text for row in reasons_for(frame, parts, currency="EUR") for r in row for text in (r.text_de, r.text_en)}
    assert not [text for text in shown if re.search(r"_|\bnan\b|log-odds|SHAP|\{", text)]
    assert {*texts_de.REST.values(), *texts_en.REST.values()} & shown
