"""Every feature of leads has a sentence in both languages, whatever its value."""

from __future__ import annotations

import math
import re

import pytest

from crm_ml.features import LEAD_CATALOGUE
from crm_ml.models.explain.texts_de_leads import TEXTS as DE
from crm_ml.models.explain.texts_en_leads import TEXTS as EN
from crm_ml.models.explain.wording import sentence

CATEGORIES = {feature.id for feature in LEAD_CATALOGUE if feature.unit == "category"}


def test_every_feature_has_texts_and_no_others_do():
    ids = {feature.id for feature in LEAD_CATALOGUE}
    assert set(DE) == ids
    assert set(EN) == ids


@pytest.mark.parametrize("feature", [feature.id for feature in LEAD_CATALOGUE])
def test_values_read_as_sentences(feature):
    values = (
        ["Messe", None, "x" * 300]
        if feature in CATEGORIES
        else [0.0, 1.0, 3.0, 0.037, 1234.5, 1e6, -5.0, None, math.nan]
    )
    for value in values:
        for raises in (True, False):
            for language in ("de", "en"):
                text = sentence(feature, value, raises=raises, language=language, leads=True)
                assert text[0].isupper() or text[0].isdigit() or text[0] == "-", text
                assert text.endswith("."), text
                assert not re.search(r"[{}]|nan|None|Risiko|risk", text), text
                assert len(text) < 140, text


def test_sentences_by_hand():
    def said(feature, value, language="de"):
        return sentence(feature, value, raises=True, language=language, leads=True)

    assert said("lead_pricing_view_count_14d", 3) == "In den letzten 14 Tagen 3 Blicke auf die Preise."
    assert said("lead_pricing_view_count_14d", 1, "en") == "In the last 14 days 1 look at the prices."
    assert said("lead_call_count", 0) == "Bisher kein Telefonat."
    assert said("lead_hours_since_theirs", 26) == "Hat sich zuletzt gemeldet vor 26 Stunden."
    assert said("lead_response_hours", None, "en") == "Not answered yet."
    assert said("lead_source", "fair", "en") == "Source: fair (speaks for winning)."
    assert said("attribute_budget", "50 k") == "Budget: 50 k (spricht für einen Abschluss)."
