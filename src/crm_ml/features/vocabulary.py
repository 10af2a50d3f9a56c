"""The words in which features are declared: aggregates, units, families, business causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Aggregate = Literal[
    "count",
    "sum",
    "mean",
    "sd",
    "max",
    "min",
    "last",
    "first",
    "distinct",
    "days_since_last",
    "days_since_first",
    "hours_since_last",
    "hours_since_first",
]
Unit = Literal["count", "money", "days", "hours", "share", "ratio", "score", "number", "category"]
Family = Literal[
    "orders",
    "payments",
    "interactions",
    "attributes",
    "calendar",
    "leads",
    "own",
    "regularity",
    "season",
    "price",
    "products",
    "categories",
    "deliveries",
    "credit_notes",
    "paying",
    "contracts",
    "tickets",
    "response",
    "silence",
    "people",
    "surveys",
    "group",
    "peers",
]
Pii = Literal["none", "person"]
CustomerCause = Literal[
    "order_pause",
    "order_rhythm",
    "order_trend",
    "order_value",
    "product_range",
    "returns",
    "price",
    "late_payment",
    "open_invoices",
    "disputes",
    "contact",
    "complaints",
    "response_time",
    "satisfaction",
    "relationship_age",
    "profile",
    "season",
]
LeadCause = Literal[
    "lead_interest",
    "lead_dialogue",
    "lead_response",
    "lead_stage",
    "lead_person",
    "lead_company",
    "lead_source",
    "lead_owner",
    "lead_age",
]
Cause = CustomerCause | LeadCause
"""What a feature tells of in the business; near-duplicates tell of the same and count once among the reasons."""

AGGREGATES: Final[Mapping[str, str]] = {
    "count": "number of events",
    "sum": "sum of {m} (0 without any)",
    "mean": "mean of {m} (null without any)",
    "sd": "sample standard deviation of {m} (null below two)",
    "max": "greatest {m} (null without any)",
    "min": "smallest {m} (null without any)",
    "last": "{m} of the event with the latest t; of equal t the greatest {m} (null without any)",
    "first": "{m} of the event with the earliest t; of equal t the smallest {m} (null without any)",
    "distinct": "number of distinct {m}",
    "days_since_last": "local calendar days from the latest t to the cutoff (null without any)",
    "days_since_first": "local calendar days from the earliest t to the cutoff (null without any)",
    "hours_since_last": "hours from the latest t to the cutoff (null without any)",
    "hours_since_first": "hours from the earliest t to the cutoff (null without any)",
}
"""What each aggregate means; events whose measure is null are left out."""

CAUSES: Final[tuple[Cause, ...]] = get_args(CustomerCause)
"""All business causes of customers, in the order of the catalogue."""
LEAD_CAUSES: Final[tuple[Cause, ...]] = get_args(LeadCause)
"""All business causes of leads."""
