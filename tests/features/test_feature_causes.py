"""Every feature of the catalogue declares what it tells of."""

from __future__ import annotations

import pytest

from crm_ml.errors import UsageError
from crm_ml.features import CATALOGUE, Feature, catalogue_markdown
from crm_ml.features.spec import CAUSES, cause_by_prefix

OF = {feature.id: feature.cause for feature in CATALOGUE}


def test_every_feature_has_a_cause_and_every_cause_a_feature() -> None:
    assert set(OF.values()) == set(CAUSES)


@pytest.mark.parametrize(
    ("id", "cause"),
    [
        ("days_since_last_order_over_own_gap", "order_pause"),
        ("days_since_last_payment", "order_pause"),
        ("order_gap_days_last_over_own_gap", "order_rhythm"),
        ("orders_count_365d", "order_rhythm"),
        ("invoices_count_365d", "order_rhythm"),
        ("orders_count_90d", "order_trend"),
        ("orders_count_trend_365d", "order_trend"),
        ("orders_net_revenue_90d_over_own_quarter", "order_trend"),
        ("orders_net_revenue_90d_ago_275d", "season"),
        ("season_sin", "season"),
        ("orders_net_revenue_365d", "order_value"),
        ("orders_last_amount_over_own_basket", "order_value"),
        ("orders_products_share_90d", "product_range"),
        ("orders_returns_count_365d", "returns"),
        ("orders_discount_share_90d", "price"),
        ("invoices_days_late_trend_90d", "late_payment"),
        ("invoices_overdue_share", "open_invoices"),
        ("credit_notes_count_365d", "disputes"),
        ("invoices_disputed_open_amount", "disputes"),
        ("days_since_last_contact_over_own_gap", "contact"),
        ("interactions_unanswered_count_90d", "response_time"),
        ("complaints_oldest_open_days", "complaints"),
        ("survey_csat_change", "satisfaction"),
        ("order_days_count", "relationship_age"),
        ("order_days_count_365d", "order_rhythm"),
        ("employees", "profile"),
    ],
)
def test_causes(id: str, cause: str) -> None:
    assert OF[id] == cause


def test_the_longest_prefix_counts() -> None:
    causes = {"a": "price", "a_b": "returns"}
    assert [cause_by_prefix(id, causes) for id in ("a", "a_c", "a_b_c")] == ["price", "price", "returns"]


def test_an_own_feature_may_join_a_cause_or_stand_alone() -> None:
    assert Feature(id="mine", source="orders").cause == ""
    assert Feature(id="mine", source="orders", cause="price").cause == "price"


def test_an_unknown_cause_is_refused() -> None:
    with pytest.raises(UsageError, match=r'unknown cause .complaint.\. Did you mean "complaints"'):
        Feature(id="mine", source="orders", cause="complaint")  # type: ignore[arg-type]


def test_the_catalogue_shows_it() -> None:
    row = next(line for line in catalogue_markdown().splitlines() if line.startswith("| `complaints_count_30d` "))
    assert row.split(" | ")[6] == "complaints"
