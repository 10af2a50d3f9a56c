"""What acting on a customer is taken to bring and cost, and how many the team has time for: policy and managers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_ml.actions.lists.entries import daily_capacity
from crm_ml.errors import Finding, UsageError
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.subjects import managers_frame

if TYPE_CHECKING:
    from crm_ml.actions.policy import Policy
    from crm_ml.jobs.settings import Workspace
    from crm_ml.tables import Tables


@dataclass(frozen=True)
class Assumed:
    """What acting on a customer is taken to bring and cost: from the policy, an assumption until measured."""

    action: str
    label_de: str
    label_en: str
    save_rate: float
    cost: float


def assumed(policy: Policy) -> Assumed:
    """Return save rate and cost of the action that the policy has for high risk: of the first rule for that tier alone.

    Where no rule is for that tier alone, the first rule that takes it in; without one, nothing is saved at no cost.
    """
    rules = [rule for rule in policy.rules if rule.when.tier is None or "high" in rule.when.tier]
    rules.sort(key=lambda rule: rule.when.tier != ("high",))
    for rule in rules:
        action = policy.actions.get(rule.then)
        if action is not None:
            return Assumed(rule.then, action.label_de, action.label_en, action.save_rate, action.cost)
    return Assumed("", "", "", 0.0, 0.0)


@dataclass(frozen=True)
class Room:
    """The action that is assumed, and the contacts of one day at each of several days.

    Attributes
    ----------
    assumed : Assumed
    lists : dict of str to int
        Day (ISO) -> daily capacities of the account managers at work, summed.
    """

    assumed: Assumed
    lists: dict[str, int]


def room_for(workspace: Workspace, tables: Tables, days: Sequence[dt.date]) -> tuple[Room | None, list[Finding]]:
    """Return what may be assumed at each day; None, and why, where the policy says nothing usable."""
    try:
        policy = load_policy(workspace)
    except UsageError as error:
        message = f"profits are not computed, because the policy cannot be used: {error.message}"
        return None, [Finding("warning", "no_money", message, error.remedy)]
    found = assumed(policy)
    if not 0 < found.save_rate < 1:
        message = "profits are not computed: the policy has no action for high risk with a save rate between 0 and 1"
        return None, [Finding("info", "no_money", message, "Give the action a save_rate in the policy.")]
    managers = managers_frame(tables)
    lists = {day.isoformat(): daily_capacity(managers, as_of=day, default=policy.daily_capacity) for day in days}
    return Room(found, lists), []
