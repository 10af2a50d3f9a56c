"""Floor 4: what should be done? Values and tiers of scored customers."""

from __future__ import annotations

from crm_ml.actions.policy import risk_tiers
from crm_ml.actions.value import priority, value_at_stake

__all__ = ["priority", "risk_tiers", "value_at_stake"]
