"""What the probability is a probability of, in a clause of German and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.features.outcome import CONTRACT_CANCELLED, PARTIAL, Outcome
from crm_ml.models.explain import shown

_WINDOW: Final = ("in den nächsten {days} Tagen", "within the next {days} days")
_OWN_WINDOW: Final = (
    "innerhalb von {times} üblichen Bestellabständen ({least} bis {most} Tage)",
    "within {times} of its usual gaps between orders ({least} to {most} days)",
)
_CLAUSES: Final[Mapping[str, tuple[str, str]]] = {
    "no_purchase": ("dass der Kunde {window} nicht bestellt", "that the customer will not order {window}"),
    "no_purchase_of": (
        "dass der Kunde {window} nichts aus der Warengruppe {category} bestellt",
        "that the customer will order nothing of the category {category} {window}",
    ),
    "contract_cancelled": (
        "dass der Kunde {window} einen Vertrag kündigt",
        "that the customer will cancel a contract {window}",
    ),
    "partial": (
        "dass der Umsatz mit dem Kunden {window} unter {share} des Üblichen fällt",
        "that revenue with the customer will fall below {share} of the usual {window}",
    ),
    "partial_of": (
        "dass der Umsatz mit dem Kunden in der Warengruppe {category} {window} unter {share} des Üblichen fällt",
        "that revenue with the customer in the category {category} will fall below {share} of the usual {window}",
    ),
}


def outcome_clause(outcome: Outcome, language: str, *, horizon_days: int) -> str:
    """Return what may happen, as a clause after "the probability".

    Examples
    --------
    >>> outcome_clause(Outcome(), "en", horizon_days=90)
    'that the customer will not order within the next 90 days'
    >>> outcome_clause(Outcome(category="Pumpen"), "de", horizon_days=90)
    'dass der Kunde in den nächsten 90 Tagen nichts aus der Warengruppe Pumpen bestellt'
    """
    at, own = 0 if language == "de" else 1, outcome.own_gap
    window = _WINDOW[at].format(days=horizon_days)
    if own is not None:
        times = f"{own.times:g}".replace(".", "," if language == "de" else ".")
        window = _OWN_WINDOW[at].format(times=times, least=own.min_days, most=own.max_days)
    key: str = outcome.target if outcome.target in (CONTRACT_CANCELLED, PARTIAL) else "no_purchase"
    if outcome.category is not None:
        key += "_of"
    share = shown.share(outcome.partial_below or 0.0, language)
    return _CLAUSES[key][at].format(window=window, category=outcome.category, share=share)
