"""The catalogue says everything about every feature of leads, once."""

from typing import get_args

import pytest

from crm_ml.features import CATALOGUE, LEAD, LEAD_CATALOGUE, Feature, PeerFeature, catalogue_markdown, sources
from crm_ml.features.catalogue import INPUTS
from crm_ml.features.spec import LEAD_CAUSES, Unit, windowed
from crm_ml.features.streams import LEAD_STREAMS
from crm_ml.tables.schemas import SCHEMAS


@pytest.mark.parametrize("feature", LEAD_CATALOGUE, ids=lambda feature: feature.id)
def test_each_says_what_it_is(feature):
    assert feature.text_de
    assert feature.text_en
    assert feature.text_de != feature.text_en
    assert feature.meaning
    assert feature.unit in get_args(Unit)
    assert feature.direction in (-1, 0, 1)
    assert feature.pii in ("none", "person")
    assert feature.cause in LEAD_CAUSES
    assert feature.family == "leads"
    assert feature.id.startswith("lead_")
    if isinstance(feature, Feature):
        assert feature.id.endswith(windowed("", feature.window_days, feature.offset_days))
    if isinstance(feature, PeerFeature):
        assert feature.id.endswith(windowed("", feature.window_days))
    found = sources(feature, of=LEAD)
    assert found == tuple(sorted(set(found)))
    assert found
    for source in found:
        table, column = source.split(".")
        assert column in SCHEMAS[table].column_names


def test_ids_and_labels_are_unique():
    ids = [feature.id for feature in (*LEAD_CATALOGUE, *CATALOGUE, *INPUTS)]
    assert len(ids) == len(set(ids))
    for texts in ([f.text_de for f in LEAD_CATALOGUE], [f.text_en for f in LEAD_CATALOGUE]):
        assert len(texts) == len(set(texts))


def test_every_cause_has_a_feature():
    assert {feature.cause for feature in LEAD_CATALOGUE} == set(LEAD_CAUSES)


def test_sources_of_peers():
    of = {feature.id: sources(feature, of=LEAD) for feature in LEAD_CATALOGUE}
    created = ("leads.created_at", "leads.lead_id", "leads.source")
    assert of["lead_source_created_30d"] == created
    assert of["lead_source_won_share"] == (
        "lead_stages.entered_at", "lead_stages.lead_id", "lead_stages.stage", *created,
    )  # fmt: skip


def test_the_page_has_a_row_for_each_below_leads():
    page = catalogue_markdown()
    assert page.count("\n# Leads\n") == 1
    of_customers, of_leads = page.split("\n# Leads\n")
    for feature in LEAD_CATALOGUE:
        assert of_leads.count(f"\n| `{feature.id}` |") == 1
    assert "`lead_" not in of_customers
    for feature in CATALOGUE:
        assert f"\n| `{feature.id}` |" not in of_leads
    for stream in LEAD_STREAMS.values():
        assert stream.definition.endswith(".")
        assert f"\n| {stream.name} | {stream.definition} |" in of_leads
    row = next(line for line in of_leads.splitlines() if line.startswith("| `lead_call_count_14d` "))
    assert row == (
        "| `lead_call_count_14d` | Telefonate in den letzten 14 Tagen | calls in the last 14 days | number of events; "
        "stream lead_events; where kind = call; window [c - 14 days, c) | count | 0 | lead_dialogue | none | "
        "lead_events.event_id, lead_events.kind, lead_events.lead_id, lead_events.occurred_at |"
    )


def test_headings_are_unique():
    headings = [line for line in catalogue_markdown().splitlines() if line.startswith("#")]
    assert len(headings) == len(set(headings))
