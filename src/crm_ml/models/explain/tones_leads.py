"""When a value speaks for a lead and when against it; what raises the margin of a lead is good news."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.limits import Limits, high, low

_DAY: Final = 24.0
_ASKED_FOR: Final = ("pricing_view", "email_click", "form_submit", "download", "webinar", "meeting", "reply_received")

LEAD_LIMITS: Final[Mapping[str, Limits]] = {
    **{f"lead_{kind}_count{window}": low(0, 1) for kind in _ASKED_FOR for window in ("", "_14d")},
    "lead_no_show_count": high(0, 1),
    "lead_no_show_count_14d": high(0, 1),
    "lead_interest_count_3d": low(0, 1),
    "lead_interest_count_7d": low(0, 2),
    "lead_interest_count_30d": low(1, 4),
    "lead_interest_count": low(1, 5),
    "lead_active_days_count": low(1, 3),
    "lead_assets_count": low(0, 2),
    "lead_contacts_count": low(0, 2),
    "lead_hours_since_interest": high(3 * _DAY, 14 * _DAY),
    "lead_hours_since_theirs": high(3 * _DAY, 14 * _DAY),
    "lead_hours_since_pricing_view": high(7 * _DAY, 30 * _DAY),
    "lead_hours_since_reply_received": high(3 * _DAY, 14 * _DAY),
    "lead_hours_since_no_show": low(14 * _DAY, 60 * _DAY),
    "lead_response_hours": high(4, _DAY),
    "lead_interest_pace": low(0.1, 0.5),
    "lead_interest_recent_share": low(0.1, 0.5),
    "lead_replies_share": low(0.3, 0.7),
    "lead_age_days": high(14, 60),
    "lead_age_hours": high(14 * _DAY, 60 * _DAY),
    "lead_stage_rank": low(0, 2),
    "lead_stage_rank_max": low(0, 2),
    "lead_stage_days": high(14, 45),
    "lead_stage_steps_back": high(0, 1),
    "lead_free_mail": high(0, 1),
    "lead_has_phone": low(0, 1),
    "lead_has_company": low(0, 1),
    "lead_is_customer": low(0, 1),
    "lead_customer_orders_365d": low(0, 1),
    "lead_customer_days_since_order": high(90, 365),
}
"""By feature id; bad is what speaks against winning. A feature that is not here has no better or worse side."""

WAITS: Final[Mapping[str, str]] = {
    "lead_hours_since_theirs": "lead_hours_since_ours",
    "lead_response_hours": "lead_age_hours",
}
"""Feature -> the feature that says whether, and since when, the lead waits for us."""
