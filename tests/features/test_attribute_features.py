"""Attributes as known at the cutoff, and the season."""

import math

import pandas as pd
import pytest

from crm_ml.features.attributes import own_features, slug

LINES = {"order_id": ["A"], "customer_id": ["7"], "ordered_at": ["2026-01-10"], "net_amount": [5.0]}


def test_descriptive_columns_are_categories_or_numbers(tables, at):
    customers = {
        "customer_id": ["7", "8"],
        "industry": ["Maschinenbau", None],
        "employees": [120, 7],
        "customer_since": ["2025-03-01", "2026-05-01"],
    }
    made = tables(customers=customers, order_lines=LINES)
    found = at(made, "2026-03-01")
    assert (found["industry"], found["employees"], found["days_since_customer_since"]) == ("Maschinenbau", 120, 365)
    other = at(made, "2026-03-01", customer="8")
    assert (other["industry"], other["employees"]) == (None, 7)
    assert other["days_since_customer_since"] is None  # still to come
    unknown = at(made, "2026-03-01", customer="9")
    assert (unknown["industry"], unknown["employees"]) == (None, None)
    assert found["country"] is None


def test_own_attributes_are_hidden_until_they_are_known(tables, at):
    customers = {
        "customer_id": ["7"],
        "customer_since": ["2026-02-01"],
        "Größe": ["L"],
        "rating": [3.5],
        "audit": [pd.Timestamp("2026-02-10")],
    }
    own = {"customers": {"Größe": "customer_since", "rating": "", "audit": ""}}
    made = tables(attributes=own, customers=customers, order_lines=LINES)
    assert [feature.id for feature in own_features(made)] == [
        "attribute_groesse",
        "attribute_audit",
        "attribute_rating",
    ]
    before, after = at(made, "2026-02-01"), at(made, "2026-03-01")
    assert (before["attribute_groesse"], before["attribute_rating"], before["attribute_audit"]) == (None, 3.5, None)
    assert (after["attribute_groesse"], after["attribute_rating"], after["attribute_audit"]) == ("L", 3.5, 19)


def test_slugs_are_ascii():
    assert slug("Umsatz (Mio. €)") == "umsatz_mio"
    assert slug("日本") == ""


def test_the_season_is_that_of_the_local_day(tables, at):
    made = tables(order_lines=LINES)
    assert at(made, "2026-01-01")["season_cos"] == 1.0
    found = at(made, "2026-07-02")
    angle = 2 * math.pi * 182 / 365.25
    assert found["season_sin"] == pytest.approx(math.sin(angle))
    assert found["season_cos"] == pytest.approx(math.cos(angle))
