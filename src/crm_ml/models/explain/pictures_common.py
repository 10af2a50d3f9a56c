"""What the pictures of one customer share: words in both languages, colours, and an empty figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from crm_ml.models.explain.pictures import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RAISES, LOWERS = COLOURS[1], COLOURS[0]
GREY, INK, PALE = "#6b6b6b", "#222222", "#d9d9d9"
_WIDTH = 8.2

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "less": ("← weniger Risiko", "← less risk"),
    "more": ("mehr Risiko →", "more risk →"),
    "start": ("Ausgangspunkt: ein typischer Kunde", "Starting point: a typical customer"),
    "end": ("Dieser Kunde", "This customer"),
    "why": ("Was das Risiko dieses Kunden bewegt", "What moves this customer's risk"),
    "less_lead": ("← weniger Aussicht", "← less chance"),
    "more_lead": ("mehr Aussicht →", "more chance →"),
    "start_lead": ("Ausgangspunkt: ein typischer Lead", "Starting point: a typical lead"),
    "end_lead": ("Dieser Lead", "This lead"),
    "why_lead": ("Was die Aussicht dieses Leads bewegt", "What moves this lead's chance"),
    "raises": ("erhöht das Risiko", "raises the risk"),
    "lowers": ("senkt das Risiko", "lowers the risk"),
    "timeline": ("Was bis zum {day} geschehen ist", "What happened up to {day}"),
    "amount": ("Bestellwert", "order value"),
    "no_order": ("keine Bestellung in diesem Zeitraum", "no order in this period"),
    "none": ("keine", "none"),
    "lane_late": ("Rechnungen im Verzug", "Late invoices"),
    "lane_complaints": ("Beschwerden", "Complaints"),
    "lane_inbound": ("Kontakte vom Kunden", "Contacts by the customer"),
    "lane_outbound": ("Kontakte zum Kunden", "Contacts to the customer"),
    "lane_contacts": ("Kontakte", "Contacts"),
    "order": ("Bestellung", "order"),
    "return": ("Retoure oder Gutschrift", "return or credit"),
    "paid_late": ("fällig bis bezahlt", "due until paid"),
    "overdue": ("fällig und noch offen", "due and still open"),
    "complaint": ("Beschwerde, Linie bis zur Lösung", "complaint, line until resolved"),
    "usual": ("sonst {every}", "usually {every}"),
    "expected": (
        "sonst {every}: üblich wäre die nächste Bestellung um den {day}",
        "usually {every}: the next order would be usual around {day}",
    ),
    "silent": ("länger als üblich ohne Bestellung", "longer than usual without an order"),
    "history": ("Wie sich die Wahrscheinlichkeit bewegt hat", "How the probability moved"),
    "today": ("heutiges Modell, zurückgerechnet", "today's model, looking back"),
    "published": ("damals veröffentlicht", "published at the time"),
    "p": ("Abwanderung", "churn"),
}


def say(key: str, language: str, **values: object) -> str:
    """Return words of a picture in a language."""
    german, english = _TEXTS[key]
    return (german if language == "de" else english).format(**values)


def plain(text: str) -> str:
    """Return a text on one line that matplotlib does not take for a formula."""
    printable = "".join(ch if ch.isprintable() else " " for ch in text)
    return " ".join(printable.split()).replace("$", r"\$")


def canvas(height: float) -> Figure:
    """Return an empty figure of the common width, without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=110)
    FigureCanvasAgg(figure)
    return figure


def months(first: int, last: int) -> list[dt.date]:
    """Return month starts, at most nine and evenly spaced, the last not too near the edge."""
    begin, end = dt.date.fromordinal(first), dt.date.fromordinal(last)
    starts = [
        dt.date(year, month, 1)
        for year in range(begin.year, end.year + 1)
        for month in range(1, 13)
        if first <= dt.date(year, month, 1).toordinal() <= last
    ]
    step = next(step for step in (1, 2, 3, 4, 6, 12, 24, 48, 120, 600) if len(starts) <= 9 * step)
    return [day for day in starts if (day.month - 1 + 12 * day.year) % step == 0]


def ordinals(days: Iterable[dt.date]) -> np.ndarray:
    """Return days as numbers for an axis."""
    return np.array([day.toordinal() for day in days], np.float64)
