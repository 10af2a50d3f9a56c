"""The catalogue says everything about every feature, once."""

from typing import get_args

import pytest

from crm_ml import names
from crm_ml.features import CATALOGUE, STREAMS, Feature, catalogue_markdown, sources
from crm_ml.features.catalogue import INPUTS
from crm_ml.features.spec import Unit, windowed
from crm_ml.tables.schemas import SCHEMAS


def test_there_are_enough_in_three_families():
    families = [feature.family for feature in CATALOGUE]
    assert len(families) >= 60
    assert all(families.count(family) >= 20 for family in ("orders", "payments", "interactions"))


def test_ids_are_unique_and_ascii():
    ids = [feature.id for feature in (*CATALOGUE, *INPUTS)]
    assert len(ids) == len(set(ids))
    assert all(id.isascii() and id.islower() for id in ids)


@pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.id)
def test_each_says_what_it_is(feature):
    assert feature.text_de
    assert feature.text_en
    assert feature.text_de != feature.text_en or feature.id == "region"
    assert feature.meaning
    assert feature.unit in get_args(Unit)
    assert feature.direction in (-1, 0, 1)
    assert feature.pii in ("none", "person")
    if isinstance(feature, Feature):
        assert feature.id.endswith(windowed("", feature.window_days, feature.offset_days))


def test_labels_are_unique():
    for texts in ([f.text_de for f in CATALOGUE], [f.text_en for f in CATALOGUE]):
        assert len(texts) == len(set(texts))


def test_sources_are_canonical_columns():
    for feature in CATALOGUE:
        for source in sources(feature):
            table, column = source.split(".")
            assert column in SCHEMAS[table].column_names
    for stream in STREAMS.values():
        assert stream.definition.endswith(".")


def test_the_names_other_floors_rely_on_exist():
    ids = {feature.id for feature in CATALOGUE}
    for name in (
        names.DAYS_SINCE_LAST_ORDER,
        names.DAYS_SINCE_FIRST_ORDER,
        names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP,
        names.ORDER_DAYS_COUNT,
        names.ORDER_GAP_DAYS_MEAN,
        names.ORDERS_COUNT_365D,
        names.NET_REVENUE_365D,
        names.COST_365D,
    ):
        assert name in ids


def test_the_page_has_a_row_for_each():
    page = catalogue_markdown()
    assert page == catalogue_markdown()
    for feature in CATALOGUE:
        assert page.count(f"\n| `{feature.id}` |") == 1
    row = next(line for line in page.splitlines() if line.startswith("| `orders_count_90d` "))
    assert row == (
        "| `orders_count_90d` | Bestellungen in den letzten 90 Tagen | orders in the last 90 days | number of events; "
        "stream orders; where is_purchase = 1; window [c - 90 days, c) | count | - | order_trend | none | "
        "order_lines.customer_id, order_lines.net_amount, order_lines.order_id, order_lines.ordered_at |"
    )
