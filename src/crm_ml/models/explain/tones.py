"""When a value is something good or something that worries: the limits behind the tone of a sentence.

They decide about words alone, never about a score. A value between the limits, or one that speaks against the sign of
its contribution, is stated neutrally.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from crm_ml.models.explain.limits import NEVER, BoolArray, FloatArray, Limits, Number, high, low
from crm_ml.models.explain.tones_leads import LEAD_LIMITS

Tone = Literal["good", "bad", ""]

_CHANGE: Final = low(0.9, 1.0)
_SILENCE: Final = high(0.995, 1.2)
LIMITS: Final[Mapping[str, Limits]] = {
    "orders_count_30d": low(1, 2),
    "orders_count_90d": low(2, 2),
    "orders_count_180d": low(2, 3),
    "orders_count_365d": low(4, 4),
    **{f"orders_net_revenue_{w}d": low(0, 1) for w in (30, 90, 180, 365)},
    **{f"orders_products_count_{w}d": low(2, 5) for w in (30, 90, 180, 365)},
    **{f"orders_returns_share_{w}d": high(0.03, 0.1) for w in (30, 90, 180, 365)},
    "orders_returns_count_365d": high(0, 2),
    "days_since_last_order": high(30, 60),
    "days_since_last_order_over_own_gap": _SILENCE,
    "days_since_last_order_over_own_gap_365d": _SILENCE,
    "days_since_last_order_over_longest_gap": high(0.995, 1.0),
    "days_since_first_order": low(365, 730),
    "days_since_customer_since": low(365, 730),
    "order_days_count": low(3, 10),
    "order_days_count_365d": low(3, 4),
    "order_gap_days_mean": high(45, 90),
    "order_gap_days_mean_365d": high(45, 90),
    "order_gap_days_sd": high(10, 30),
    "order_gap_days_sd_365d": high(10, 30),
    "order_gap_days_max": high(60, 120),
    "order_gap_days_max_365d": high(60, 120),
    "order_gap_days_last": high(30, 90),
    "order_gap_days_cv": high(0.35, 0.8),
    "order_gap_days_last_over_own_gap": _SILENCE,
    "orders_count_90d_ago_275d": low(1, 2),
    "orders_net_revenue_90d_ago_275d": low(0, 1),
    **{
        f"orders_{what}": _CHANGE
        for what in (
            "count_trend_90d",
            "count_trend_365d",
            "count_over_last_year_90d",
            "count_30d_over_own_month",
            "net_revenue_trend_90d",
            "net_revenue_trend_365d",
            "net_revenue_over_last_year_90d",
            "net_revenue_90d_over_own_quarter",
            "basket_trend_90d",
            "last_amount_over_own_basket",
        )
    },
    "orders_products_share_90d": low(0.4, 0.7),
    **{f"invoices_days_late_mean_{w}d": high(2, 5) for w in (90, 180, 365)},
    **{f"invoices_days_late_max_{w}d": high(5, 14) for w in (90, 180, 365)},
    **{f"invoices_late_share_{w}d": high(0.2, 0.4) for w in (90, 180, 365)},
    "invoices_days_late_last": high(2, 5),
    "invoices_days_late_trend_90d": high(-0.5, 1),
    "invoices_count_365d": low(4, 4),
    "payments_count_365d": low(4, 4),
    "days_since_last_payment": high(30, 60),
    "invoices_open_count": high(0, 3),
    "invoices_open_amount": high(0, NEVER),
    "invoices_part_paid_count": high(0, 1),
    "invoices_overdue_count": high(0, 1),
    "invoices_overdue_amount": high(0, 1),
    "invoices_overdue_days_oldest": high(7, 30),
    "invoices_overdue_share": high(0, 0.01),
    "payments_part_count_365d": high(0, 2),
    "disputes_count_365d": high(0, 1),
    "invoices_disputed_open_count": high(0, 1),
    "invoices_disputed_open_amount": high(0, 1),
    "credit_notes_count_365d": high(0, 1),
    "interactions_count_30d": low(1, 3),
    "interactions_count_90d": low(2, 5),
    "interactions_count_180d": low(3, 8),
    "interactions_count_365d": low(5, 12),
    "interactions_inbound_count_30d": low(1, 2),
    "interactions_inbound_count_90d": low(1, 3),
    "interactions_inbound_count_180d": low(2, 5),
    "interactions_inbound_count_365d": low(3, 8),
    "complaints_count_30d": high(0, 1),
    "complaints_count_90d": high(0, 1),
    "complaints_count_365d": high(0, 1),
    "complaints_open_count": high(0, 1),
    "complaints_oldest_open_days": high(NEVER, 1),
    "days_since_last_complaint": low(60, 180),
    "days_since_last_contact": high(21, 60),
    "days_since_last_inbound_contact": high(30, 60),
    "contact_gap_days_mean": high(21, 60),
    "days_since_last_contact_over_own_gap": _SILENCE,
    "interactions_count_90d_over_own_quarter": _CHANGE,
    "response_hours_mean_365d": high(8, 24),
    "response_hours_mean_90d": high(8, 24),
    "interactions_unanswered_count_90d": high(0, 1),
    "survey_nps_last": low(6, 9),
    "survey_nps_mean": low(6, 9),
    "survey_nps_change": low(-0.5, 0.5),
    "survey_csat_change": low(-0.3, 0.3),
}
"""By feature id; a feature that is not here has no better or worse side."""

USUAL: Final[Mapping[str, tuple[str, float]]] = {
    **{
        f"{stem}_{w}d": (f"{stem}_365d", w / 365)
        for stem in ("orders_count", "orders_net_revenue", "interactions_count")
        for w in (30, 90, 180)
    },
    **{f"orders_basket_mean_{w}d": ("orders_basket_mean_365d", 1.0) for w in (30, 90, 180)},
    "orders_net_amount_last": ("orders_basket_mean_365d", 1.0),
    "days_since_last_order": ("order_gap_days_mean", 1.0),
    "order_gap_days_last": ("order_gap_days_mean", 1.0),
    "days_since_last_contact": ("contact_gap_days_mean", 1.0),
}
"""Feature -> (the feature that says what is usual for this customer, times)."""

NOW: Final[Mapping[str, str]] = {
    "days_since_last_order_over_own_gap": "days_since_last_order",
    "days_since_last_order_over_own_gap_365d": "days_since_last_order",
    "days_since_last_order_over_longest_gap": "days_since_last_order",
    "order_gap_days_last_over_own_gap": "order_gap_days_last",
    "days_since_last_contact_over_own_gap": "days_since_last_contact",
    "orders_count_trend_90d": "orders_count_90d",
    "orders_count_trend_365d": "orders_count_365d",
    "orders_count_over_last_year_90d": "orders_count_90d",
    "orders_count_30d_over_own_month": "orders_count_30d",
    "orders_net_revenue_trend_90d": "orders_net_revenue_90d",
    "orders_net_revenue_trend_365d": "orders_net_revenue_365d",
    "orders_net_revenue_over_last_year_90d": "orders_net_revenue_90d",
    "orders_net_revenue_90d_over_own_quarter": "orders_net_revenue_90d",
    "orders_basket_trend_90d": "orders_basket_mean_90d",
    "orders_last_amount_over_own_basket": "orders_net_amount_last",
    "interactions_count_90d_over_own_quarter": "interactions_count_90d",
}
"""Ratio -> its numerator: over the ratio it gives what the numerator is compared with."""

_FEWER, _MORE = 0.75, 1.25
_SIZES: Final = ("orders_basket", "orders_net_amount")


def tone_of(feature_id: str, value: float, *, raises: bool, usual: float | None = None) -> Tone:
    """Return the tone that a value supports: bad where it raises the risk and worries, good where it lowers it.

    Of leads it is the other way round: a contribution that raises the chance is good news.

    With what is `usual` for the customer, the value is judged by it rather than by fixed limits.

    Examples
    --------
    >>> tone_of("days_since_last_order", 94, raises=True), tone_of("days_since_last_order", 94, raises=False)
    ('bad', '')
    >>> tone_of("days_since_last_order", 94, raises=False, usual=120)
    'good'
    >>> tone_of("lead_stage_rank", 2, raises=True), tone_of("lead_stage_rank", 2, raises=False)
    ('good', '')
    """
    limits, worries = _judged(feature_id, raises)
    if usual is not None:
        limits = _own_limits(feature_id, usual)
    if limits is None:
        return ""
    if worries:
        return "bad" if limits.is_bad(value) else ""
    return "good" if limits.is_good(value) else ""


def supported(feature_id: str, values: FloatArray, usual: FloatArray | None, *, raises: bool) -> BoolArray:
    """Return where `tone_of` finds a tone, for many values at once; `usual` is nan where it is not known.

    Examples
    --------
    >>> supported("days_since_last_order", np.array([94.0, 10.0, np.nan]), None, raises=True).tolist()
    [True, False, False]
    """
    limits, worries = _judged(feature_id, raises)
    found = np.zeros(len(values), bool) if limits is None else _holds(limits, values, worries)
    if usual is None:
        return found
    return np.where(usual >= 1, _holds(_own_limits(feature_id, usual), values, worries), found)


def _judged(feature_id: str, raises: bool) -> tuple[Limits | None, bool]:
    """Return the limits of a feature, and whether its worse side is asked for: what raises a chance is good news."""
    if feature_id in LEAD_LIMITS:
        return LEAD_LIMITS[feature_id], not raises
    return LIMITS.get(feature_id), raises


def _holds(limits: Limits, values: FloatArray, worries: bool) -> BoolArray:
    return limits.is_bad(values) if worries else limits.is_good(values)


def _own_limits(feature_id: str, usual: Number) -> Limits:
    limits = LIMITS.get(feature_id)
    if limits is not None and limits.worse == "high":
        return high(usual * 1.0001, usual * _MORE)
    return low(usual * _FEWER, usual * _MORE if feature_id.startswith(_SIZES) else usual)
