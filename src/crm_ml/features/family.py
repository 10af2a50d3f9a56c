"""How the features of a family are declared in a line each: id, labels, cause and direction at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_ml.features.spec import Cause, Difference, Feature, PeakFeature, PooledFeature, Ratio, Unit, windowed

Texts = tuple[str, str]

DE: Mapping[int, str] = {w: f"in den letzten {w} Tagen" for w in (30, 90, 180, 365)}
EN: Mapping[int, str] = {w: f"in the last {w} days" for w in (30, 90, 180, 365)}


@dataclass(frozen=True)
class Declare:
    """Declares features of one family, with the cause that those have which name none.

    Examples
    --------
    >>> tickets = Declare("tickets", "complaints")
    >>> tickets.plain("tickets_count", ("Tickets", "tickets"), source="interactions", window_days=30).id
    'tickets_count_30d'
    """

    family: str
    cause: Cause

    def _fields(self, texts: Texts, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"family": self.family, "cause": self.cause, "text_de": texts[0], "text_en": texts[1], **fields}

    def plain(self, stem: str, texts: Texts, **fields: Any) -> Feature:
        """Return an aggregate whose id is made of the stem and the window."""
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        return Feature(id=id, **self._fields(texts, fields))

    def peak(self, stem: str, texts: Texts, **fields: Any) -> PeakFeature:
        """Return the greatest aggregate over the values of a column."""
        return PeakFeature(id=windowed(stem, fields.get("window_days")), **self._fields(texts, fields))

    def pooled(self, stem: str, texts: Texts, **fields: Any) -> PooledFeature:
        """Return an aggregate over the order lines of all customers of a pool."""
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        return PooledFeature(id=id, **self._fields(texts, {"source": "pool_lines", **fields}))

    def ratio(self, id: str, over: tuple[str, str], texts: Texts, *, unit: Unit = "ratio", **fields: Any) -> Ratio:
        """Return numerator over denominator."""
        return Ratio(id=id, numerator=over[0], denominator=over[1], unit=unit, **self._fields(texts, fields))

    def minus(self, id: str, of: tuple[str, str], texts: Texts, **fields: Any) -> Difference:
        """Return left minus right."""
        return Difference(id=id, left=of[0], right=of[1], **self._fields(texts, fields))


def both(texts: Texts, window_days: int) -> Texts:
    """Return labels that end in the window.

    Examples
    --------
    >>> both(("Lieferungen", "deliveries"), 90)
    ('Lieferungen in den letzten 90 Tagen', 'deliveries in the last 90 days')
    """
    return f"{texts[0]} {DE[window_days]}", f"{texts[1]} {EN[window_days]}"
