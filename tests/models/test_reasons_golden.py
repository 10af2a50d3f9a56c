"""Every sentence about every feature of the catalogue, as reviewed text files.

After a change of the texts: ``CRM_ML_WRITE_GOLDEN=1 pytest tests/models/test_reasons_golden.py``, then read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from crm_ml.features import CATALOGUE, AnyFeature
from crm_ml.models.explain.wording import sentence

FOLDER = Path(__file__).parent / "golden"
HUGE = 1234567.89
VALUES = (("0", 0.0), ("1", 1.0), ("2", 2.0), ("1.5", 1.5), ("null", None), ("huge", HUGE))
MORE = {
    "money": (12340.0, 56.78),
    "share": (0.034, 0.25, 0.999),
    "ratio": (0.4, 0.97, 1.3, 3.03),
    "days": (14.0, 94.0, 800.0),
    "hours": (7.5, 30.0, 100.0),
    "score": (6.0, 9.5),
    "count": (5.0, 23.0),
    "category": ("Maschinenbau", "e. K."),
}
"""Values that occur, by unit."""
BELOW = {
    "orders_net_revenue_": (-1.0, -2.5, -5000.0),
    "orders_discount_": (-0.05,),
    "invoices_days_late_": (-1.0, -2.5),
    "survey_nps_change": (-1.0, -2.5),
    "survey_csat_change": (-1.0, -2.5),
    "season_": (-0.5, -1.0),
}
"""Features that may be negative, by the beginning of their ids."""
BESIDE = {
    "orders_count_365d": 24.0,
    "orders_count_90d": 3.0,
    "orders_count_30d": 1.0,
    "orders_net_revenue_365d": 48_000.0,
    "orders_net_revenue_90d": 6_000.0,
    "orders_basket_mean_365d": 2_000.0,
    "orders_basket_mean_90d": 1_500.0,
    "orders_net_amount_last": 2_500.0,
    "order_gap_days_mean": 30.7,
    "order_gap_days_last": 47.0,
    "days_since_last_order": 94.0,
    "days_since_last_contact": 40.0,
    "contact_gap_days_mean": 9.2,
    "interactions_count_365d": 30.0,
    "interactions_count_90d": 2.0,
}
"""What is known of one customer besides."""


def told(feature: AnyFeature, language: str, context: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Name of the value, + (raises) or - (lowers) or = (both alike), and the sentence."""
    found = []
    below = [value for stem, values in BELOW.items() if feature.id.startswith(stem) for value in values]
    for name, value in (*VALUES, *((f"{value}", value) for value in (*MORE[feature.unit], *below))):
        up, down = (
            sentence(feature.id, value, raises=raises, language=language, context=context) for raises in (True, False)
        )
        found += [(name, "=", up)] if up == down else [(name, "+", up), (name, "-", down)]
    return found


def lines(language: str, *, beside: bool) -> str:
    found = []
    for feature in CATALOGUE:
        said = told(feature, language, {})
        if beside:
            context = {id: value for id, value in BESIDE.items() if id != feature.id}
            said = [line for line in told(feature, language, context) if line not in said]
        if said:
            found += [f"## {feature.id}", *(f"{name:>12} {mark} {text}" for name, mark, text in said), ""]
    return "\n".join(found)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_sentences_are_the_reviewed_ones(language: str, beside: bool) -> None:
    """+ raises the risk, - lowers it, = both alike; "beside": the sentences that change when more is known."""
    path = FOLDER / f"reasons_{language}{'_beside' if beside else ''}.txt"
    text = lines(language, beside=beside)
    if os.environ.get("CRM_ML_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines() == text.splitlines()
