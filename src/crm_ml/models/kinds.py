"""What differs between a model of customers and one of leads, by the target of its label."""

from __future__ import annotations

from collections.abc import Sequence

from crm_ml.models.lead_rules import LeadRules
from crm_ml.models.own import OwnCandidate
from crm_ml.models.points import PointScheme
from crm_ml.models.recency import HALF_LIFE_DAYS
from crm_ml.models.rules import CHURN_RULES, RuleSet
from crm_ml.models.terms import CHURN_TARGET

_OF_LEADS = ("lead_", "attribute_")


def rules_of(target: str, points: PointScheme | None = None) -> RuleSet:
    """Return the rules that a model must beat, the points of a firm among those of leads where it has some.

    Examples
    --------
    >>> rules_of("won").names
    ('source_rate', 'stage', 'best_column')
    """
    return CHURN_RULES if target == CHURN_TARGET else LeadRules(points)


def half_life_of(target: str) -> float | None:
    """Return within how many days the weight of a row halves for the candidate that forgets; None: there is none.

    Examples
    --------
    >>> half_life_of("won"), half_life_of("churn")
    (180.0, None)
    """
    return None if target == CHURN_TARGET else HALF_LIFE_DAYS


def own_of(target: str, own: Sequence[OwnCandidate]) -> tuple[OwnCandidate, ...]:
    """Return the own candidates that take part: of leads those that name no column of customers."""
    if target == CHURN_TARGET:
        return tuple(own)
    return tuple(one for one in own if all(name.startswith(_OF_LEADS) for name in one.features or ()))
