"""Reasons of leads: the same machinery as for customers, with the signs of a chance."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_ml.features import LEAD, LEAD_CATALOGUE, AttributeFeature, Feature, add_feature, remove_feature
from crm_ml.features.spec import LEAD_CAUSES
from crm_ml.models.explain.contributions import Contributions
from crm_ml.models.explain.groups import (
    cause_label,
    cause_of,
    declared_features,
    feature_label,
    group_contributions,
)
from crm_ml.models.explain.reasons import reasons_for

BUDGET = AttributeFeature(id="attribute_budget", column="Budget", table="leads", unit="money", text_de="Budget")


def told(values: dict[str, object], parts: dict[str, float], **more: object) -> list[tuple[str, str]]:
    frame = pd.DataFrame({name: [value] for name, value in {**values, **more}.items()})
    found = reasons_for(frame, Contributions(pd.DataFrame([parts]), base=-2.0), currency="EUR", features=[BUDGET])
    return [(reason.group, reason.text_de) for reason in found[0]]


@pytest.mark.parametrize("key", [{"lead_id": "L1"}, {"customer_id": "L1"}, {}])
def test_reasons_need_no_key_and_know_that_rows_are_leads(key):
    values = {"lead_pricing_view_count_14d": 3.0, "lead_stage_days": 94.0, "attribute_budget": 50_000.0,
              "lead_country": "DE", "lead_has_phone": 1.0}  # fmt: skip
    parts = {"lead_pricing_view_count_14d": 0.9, "lead_stage_days": -0.4, "attribute_budget": 0.5,
             "lead_country": -0.05, "lead_has_phone": 0.15}  # fmt: skip
    assert told(values, parts, **key) == [
        ("lead_interest", "Hat in den letzten 14 Tagen 3-mal die Preise angesehen."),
        ("own:attribute_budget", "Budget: 50.000\xa0€ (spricht für einen Abschluss)."),
        ("lead_stage", "Steht still: seit 94 Tagen auf derselben Stufe."),
        ("rest", "Weitere Einflüsse zusammen erhöhen die Aussicht."),  # -.05 + .15
    ]


def test_what_speaks_against_its_direction_needs_more_weight():
    looks, hardly = {"lead_pricing_view_count_14d": 3.0}, {"lead_pricing_view_count_14d": -0.3}
    assert [group for group, _ in told(looks, hardly)] == ["rest"]
    assert [group for group, _ in told(looks, {"lead_pricing_view_count_14d": -0.6})] == ["lead_interest", "rest"]
    # nothing at all speaks for itself against a lead, and so does a value that is missing, or a trait
    for value in (0.0, None):
        assert told({"lead_pricing_view_count_14d": value}, hardly)[0][0] == "lead_interest"
    assert told({"lead_source": "fair"}, {"lead_source": -0.3})[0] == (
        "lead_source",
        "Herkunft fair: Solche Anfragen werden seltener gewonnen.",
    )


def test_the_value_that_speaks_for_the_direction_leads():
    # more is said by silence of 20 days than by 40 pages that were viewed
    values = {"lead_page_view_count": 40.0, "lead_hours_since_interest": 480.0}
    parts = {"lead_page_view_count": -0.4, "lead_hours_since_interest": -0.3}
    assert told(values, parts)[0] == ("lead_interest", "Seit 20 Tagen kein Zeichen von Interesse mehr.")


def test_who_waits_is_told_so():
    values = {"lead_hours_since_theirs": [26.0, 26.0], "lead_hours_since_ours": [50.0, None]}
    frame = pd.DataFrame({**values, "lead_response_hours": [2.0, None], "lead_age_hours": [60.0, 31.0]})
    parts = pd.DataFrame({"lead_hours_since_theirs": [-0.6, 0.0], "lead_response_hours": [0.0, -0.6]})
    one, two = reasons_for(frame, Contributions(parts, base=0.0), currency="EUR")
    assert one[0].text_en == "Has been waiting for us for 26 hours."
    assert two[0].text_en == "Has been waiting for a first answer for 31 hours."


def test_rows_of_customers_are_still_about_risk():
    frame = pd.DataFrame({"complaints_open_count": [2.0]})
    found = reasons_for(frame, Contributions(pd.DataFrame({"complaints_open_count": [0.1]}), base=0.0), currency="EUR")
    assert [reason.text_en for reason in found[0]] == ["No single reason stands out."]
    values = pd.DataFrame({"complaints_open_count": [0.9], "employees": [0.1]})
    found = reasons_for(frame, Contributions(values, base=0.0), currency="EUR")
    assert found[0][-1].text_en == "Other influences together raise the risk."


def test_every_feature_of_leads_is_known_with_its_cause_and_label():
    known = declared_features()
    for feature in LEAD_CATALOGUE:
        assert known[feature.id] is feature
        assert cause_of(feature.id) == feature.cause
        assert cause_of(feature.id) in LEAD_CAUSES
        assert cause_label(feature.cause, "de") != cause_label(feature.cause, "en")
        assert feature_label(feature.id, "de", feature) == feature.text_de
    assert len(known) == len({feature.id for feature in known.values()})


def test_contributions_are_summed_by_the_causes_of_leads():
    parts = pd.DataFrame({"lead_stage_rank": [0.5], "lead_stage_days": [-0.2], "lead_source": [0.25]})
    assert group_contributions(Contributions(parts, base=0.0)).round(9).to_dict("list") == {
        "lead_stage": [0.3],
        "lead_source": [0.25],
    }


def test_an_added_feature_of_leads_speaks_by_its_label():
    mine = Feature(id="lead_calls_7d", source="lead_events", window_days=7, where={"kind": "call"}, unit="count",
                   text_de="Telefonate in 7 Tagen", text_en="calls in 7 days")  # fmt: skip
    add_feature(mine, of=LEAD)
    try:
        assert told({"lead_calls_7d": 2.0}, {"lead_calls_7d": 0.6})[0] == (
            "own:lead_calls_7d",
            "Telefonate in 7 Tagen: 2 (spricht für einen Abschluss).",
        )
    finally:
        remove_feature(mine.id)
