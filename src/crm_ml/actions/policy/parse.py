"""From the content of ``policy.yaml`` to a checked policy, and the policy that is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from crm_ml.actions.policy.schema import Policy
from crm_ml.strict import parse_strictly

FILE_NAME = "policy.yaml"


def parse_policy(value: Mapping[str, Any], *, file: str = FILE_NAME) -> Policy:
    """Return the policy that the content of a file describes.

    Whether its rules fit together is for `lint_policy` to say.

    Raises
    ------
    UsageError
        With all faults at once, each as a finding with its key and a remedy.

    Examples
    --------
    >>> parse_policy({"version": "1", "actions": {}, "rules": [{"id": "a", "wehn": {}, "then": "none"}]})
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: policy.yaml has a fault: rules.a.wehn: there is no such key. Did you mean "when"?
    """
    return parse_strictly(Policy, value, file=file)


@lru_cache(maxsize=1)
def default_lead_policy() -> Policy:
    """Return the policy for leads that is shipped; the tiers of its conditions stand for the grades A, B, and C or D.

    Examples
    --------
    >>> [rule.then for rule in default_lead_policy().rules]
    ['new_meeting', 'reply', 'call', 'call', 'reply', 'drop', 'nurture']
    """
    text = (resources.files("crm_ml.actions.policy") / "default_lead_policy.yaml").read_text(encoding="utf-8")
    return parse_policy(yaml.safe_load(text), file="default_lead_policy.yaml")


def policy_yaml() -> str:
    """Return the default policy as the commented text that a workspace gets."""
    return (resources.files("crm_ml.actions.policy") / "default_policy.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def default_policy() -> Policy:
    """Return the policy that is shipped: high risk to a talk, medium risk to a draft offer, low risk to nothing.

    Examples
    --------
    >>> [(rule.id, rule.then) for rule in default_policy().rules]
    [('issue_first', 'clear_issue'), ('high_risk', 'personal_talk'), ('medium_risk', 'offer_email')]
    """
    return parse_policy(yaml.safe_load(policy_yaml()))
