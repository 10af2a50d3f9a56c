"""How the target of a model is spoken of: the same texts for all, others in their place for leads.

A page or a picture keeps its general texts, which speak of churn, and beside them those that sound different for leads.
`wording` picks once, by the target; whoever speaks asks it by key and knows nothing of kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crm_ml.models.terms import CHURN_TARGET

Texts = Mapping[str, tuple[str, str]]
"""German and English by key."""

_FORMS: Final[Mapping[str, Texts]] = {
    "won": {
        "target": ("gewonnen", "won"),
        "done": ("gewonnen", "won"),
        "reach": ("gewonnen werden", "are won"),
        "reached": ("gewonnen wurden", "were won"),
    },
    "opportunity": {
        "target": ("Verkaufschance", "opportunity"),
        "done": ("Ziel erreicht", "target reached"),
        "reach": ("zur Verkaufschance werden", "become an opportunity"),
        "reached": ("zur Verkaufschance wurden", "became an opportunity"),
    },
    "sql": {
        "target": ("SQL", "SQL"),
        "done": ("Ziel erreicht", "target reached"),
        "reach": ("zum SQL werden", "become an SQL"),
        "reached": ("zum SQL wurden", "became an SQL"),
    },
}


@dataclass(frozen=True)
class Wording:
    """Texts of one target; made by `wording`.

    Attributes
    ----------
    texts : mapping
        German and English by key.
    forms : mapping
        What every text may name besides its own values: for leads ``{target}``, ``{done}``, ``{reach}``, ``{reached}``.
    """

    texts: Texts
    forms: Texts = field(default_factory=dict)

    def __contains__(self, key: object) -> bool:
        """Return whether there is such a text."""
        return key in self.texts

    def say(self, key: str, language: str, **values: object) -> str:
        """Return a text with its values filled in."""
        which = int(language != "de")
        always = {name: form[which] for name, form in self.forms.items()}
        return self.texts[key][which].format(**(always | values))


def wording(target: str, general: Texts, of_leads: Texts) -> Wording:
    """Return the texts for a target: the general ones for churn, with those of leads in their place for any other.

    Parameters
    ----------
    target : str
        Of the label: ``churn``, ``won``, ``opportunity`` or ``sql``.
    general, of_leads : mapping
        German and English by key; every key of `of_leads` stands in for one of `general`.

    Examples
    --------
    >>> general = {"found": ("Abwanderer", "churners")}
    >>> of_leads = {"found": ("Leads, die {reach}", "leads that {reach}")}
    >>> [wording(target, general, of_leads).say("found", "en") for target in ("churn", "won", "sql")]
    ['churners', 'leads that are won', 'leads that become an SQL']
    """
    if target == CHURN_TARGET:
        return Wording(general)
    return Wording({**general, **of_leads}, _FORMS[target])
