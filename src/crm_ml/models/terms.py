"""The nouns and verbs that gates and cards speak with: customers who churned, or leads that were won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHURN_TARGET: Final = "churn"
"""The target of the labels of customers; others are stages that leads reach."""


@dataclass(frozen=True)
class Terms:
    """How rows and their two classes are called in English sentences.

    Attributes
    ----------
    one, many : str
        Of whom a row speaks: ``customer``, ``customers``.
    event, other : str
        Adjectives of the two classes: ``churned``, ``retained``.
    did, did_not : str
        Verbs of the two classes: ``churned``, ``stayed``.
    having, lacking : str
        Those of the two classes as people: ``churners``, ``stayers``.
    nobody, nobody_remedy, one_class_remedy, beyond_rules : str
        What to say, and to do, where nobody is eligible, only one class is there, or no model beats a rule.
    """

    one: str
    many: str
    event: str
    other: str
    did: str
    did_not: str
    having: str
    lacking: str
    nobody: str
    nobody_remedy: str
    one_class_remedy: str
    beyond_rules: str


CHURN_TERMS: Final = Terms(
    one="customer",
    many="customers",
    event="churned",
    other="retained",
    did="churned",
    did_not="stayed",
    having="churners",
    lacking="stayers",
    nobody="no customer is eligible at any snapshot",
    nobody_remedy="Check active_days, the customers' status and that orders are mapped.",
    one_class_remedy="Check horizon_days and active_days against how often customers order, and that newer orders are "
    "mapped.",
    beyond_rules="Add tables or history that say more than the time since the last order.",
)
LEAD_TERMS: Final = Terms(
    one="lead",
    many="leads",
    event="won",
    other="not won",
    did="were won",
    did_not="were not won",
    having="leads that are won",
    lacking="others",
    nobody="no lead was open long enough ago for its label window to be over",
    nobody_remedy="Check leads.horizon_days, and that created_at of leads and entered_at of their stages are mapped.",
    one_class_remedy="Check leads.horizon_days against how long leads take to be won, and that the stage won (or "
    "deals that are won) is mapped.",
    beyond_rules="Add what leads do (lead_events), who they are, or a longer history.",
)


def terms_of(target: str) -> Terms:
    """Return the words for a label's target.

    Examples
    --------
    >>> terms_of("churn").many, terms_of("won").many
    ('customers', 'leads')
    """
    return CHURN_TERMS if target == CHURN_TARGET else LEAD_TERMS
