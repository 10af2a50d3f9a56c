"""What is proposed for whom: tiers, a catalogue of actions, and rules, all of them data in ``policy.yaml``."""

from __future__ import annotations

from crm_ml.actions.policy.decide import HELD_BY, decide
from crm_ml.actions.policy.grades import assign_grades
from crm_ml.actions.policy.lint import lint_policy
from crm_ml.actions.policy.parse import default_lead_policy, default_policy, parse_policy, policy_yaml
from crm_ml.actions.policy.schema import NONE, PLACEHOLDERS, Action, GradeRules, MailTemplate, Policy, TierRules
from crm_ml.actions.policy.tiers import assign_tiers, risk_tiers
from crm_ml.actions.policy.workdays import add_working_days, is_working_day

__all__ = [
    "HELD_BY",
    "NONE",
    "PLACEHOLDERS",
    "Action",
    "GradeRules",
    "MailTemplate",
    "Policy",
    "TierRules",
    "add_working_days",
    "assign_grades",
    "assign_tiers",
    "decide",
    "default_lead_policy",
    "default_policy",
    "is_working_day",
    "lint_policy",
    "parse_policy",
    "policy_yaml",
    "risk_tiers",
]
