"""Who features are about: customers or leads, each with its id and the table that describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crm_ml import names as n


@dataclass(frozen=True)
class Subject:
    """A kind of subject of the timeline.

    Attributes
    ----------
    name : str
        ``customer`` or ``lead``.
    key : str
        Column that holds its id, in every table that speaks of it and in a spine.
    table : str
        The table with one row per subject.
    """

    name: str
    key: str
    table: str


CUSTOMER: Final = Subject("customer", n.CUSTOMER_ID, n.CUSTOMERS)
LEAD: Final = Subject("lead", n.LEAD_ID, n.LEADS)
