"""The words of the page and the terminal about one customer, in German and English."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from crm_ml.actions.lists import words
from crm_ml.features.outcome import Outcome
from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.groups import feature_label
from crm_ml.models.explain.outcome_texts import outcome_clause

if TYPE_CHECKING:
    from crm_ml.jobs.counterfactuals import Answer
    from crm_ml.jobs.explain import ExplainResult

TIERS: Final[Mapping[str, tuple[str, str]]] = {
    "high": ("hoch", "high"),
    "medium": ("mittel", "medium"),
    "low": ("niedrig", "low"),
}

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Warum dieses Risiko?", "Why this risk?"),
    "customer": ("Kunde", "Customer"),
    "as_of": ("Stand {day}, Tagesbeginn", "As of the start of {day}"),
    "p": (
        "Wahrscheinlichkeit, dass der Kunde in den nächsten {days} Tagen nichts bestellt",
        "Probability that the customer orders nothing in the next {days} days",
    ),
    "p_variant": ("Wahrscheinlichkeit, {clause}", "Probability {clause}"),
    "tier": ("Risikostufe", "Risk tier"),
    "value": ("Jahreswert", "Yearly value"),
    "reasons": ("Die Gründe und die Zeilen dahinter", "The reasons, and the rows behind them"),
    "raises": ("erhöht das Risiko", "raises the risk"),
    "lowers": ("senkt das Risiko", "lowers the risk"),
    "shown": ("Die neuesten {shown} von {total} Zeilen.", "The newest {shown} of {total} rows."),
    "no_rows": ("Dazu liegt nichts vor.", "There is nothing on record."),
    "waterfall": ("Vom typischen zu diesem Kunden", "From a typical customer to this one"),
    "waterfall_note": (
        "Ein typischer Kunde hat {start}, dieser {end}. Jeder Pfeil ist ein Grund; "
        "je länger er ist, desto mehr bewegt er.",
        "A typical customer has {start}, this one {end}. Each arrow is a reason; the longer it is, the more it moves.",
    ),
    "otherwise": ("Was anders sein müsste", "What would have to be different"),
    "otherwise_note": (
        "Das sagt das Modell, wenn sich nur dieses eine ändert. Es ist kein Versprechen.",
        "This is what the model says if only this one thing changes. It is not a promise.",
    ),
    "order_yesterday": (
        "Wäre gestern eine Bestellung wie die letzte eingegangen, läge die Wahrscheinlichkeit bei {p}.",
        "If an order like the last one had come in yesterday, the probability would be {p}.",
    ),
    "invoices_paid": (
        "Wären die überfälligen Rechnungen gestern bezahlt worden, läge die Wahrscheinlichkeit bei {p}.",
        "If the overdue invoices had been paid yesterday, the probability would be {p}.",
    ),
    "complaints_resolved": (
        "Wären die offenen Beschwerden gestern gelöst worden, läge die Wahrscheinlichkeit bei {p}.",
        "If the open complaints had been resolved yesterday, the probability would be {p}.",
    ),
    "typical": (
        "Wäre „{group}“ wie bei einem typischen Kunden, läge die Wahrscheinlichkeit bei {p}.",
        "If “{group}” were as it is with a typical customer, the probability would be {p}.",
    ),
    "timeline": ("Zeitleiste", "Timeline"),
    "history": ("Verlauf", "Over time"),
    "history_note": (
        "Gestrichelt: was das heutige Modell für frühere Monatsanfänge sagt, mit dem, was damals bekannt war. "
        "Es wurde erst zum {trained} trainiert; was damals veröffentlicht wurde, kann anders gewesen sein.",
        "Dashed: what today's model says for earlier month starts, with what was known then. It was only trained as of "
        "{trained}; what was published at the time may have been different.",
    ),
    "data": ("Womit gerechnet wurde", "What it was computed from"),
    "tables": ("Tabellen (Zeilen dieses Kunden)", "Tables (rows of this customer)"),
    "model": ("Modell", "Model"),
    "model_is": (
        "Version {version} ({kind}), trainiert zum {trained}, Prüfsumme {sha}",
        "version {version} ({kind}), trained as of {trained}, checksum {sha}",
    ),
    "advice": (
        "Der Wert ist eine Schätzung aus vergangenem Verhalten und eine Hilfe für ein Gespräch. Was geschieht, "
        "entscheidet ein Mensch. Er ist nicht für Entscheidungen über Konditionen, Kredit oder Belieferung gedacht.",
        "The score is an estimate from past behaviour, and a help for a conversation. What is done is decided by a "
        "person. It is not meant for decisions on terms, credit or supply.",
    ),
    "notes": ("Hinweise", "Notes"),
    "published_otherwise": (
        "An diesem Tag wurde ein anderer Wert veröffentlicht: "
        "Daten, Einstellungen oder Modell haben sich seitdem geändert.",
        "Another score was published for this day: data, settings or model have changed since.",
    ),
    "short": ("Kurz gesagt", "In short"),
    "no_raising": ("Nichts sticht heraus, was das Risiko erhöht.", "Nothing stands out that raises the risk."),
    "above": ("Siehe oben: {kind}.", "See above: {kind}."),
    "page": ("Seite: {path}", "Page: {path}"),
    "dry": ("Probelauf: nichts geschrieben", "Dry run: nothing written"),
    "moved": (
        "Heutiges Modell, zurückgerechnet: {before} am {day}, jetzt {now}",
        "Today's model, looking back: {before} on {day}, now {now}",
    ),
}

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "lightgbm": ("Entscheidungsbäume", "boosted trees"),
    "logistic": ("logistische Regression", "logistic regression"),
    "average": ("Mittel aus mehreren Modellen", "average of several models"),
    "rule": ("einfache Regel", "simple rule"),
}

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "customers": ("Kundenstamm", "customers"),
    "order_lines": ("Auftragspositionen", "order lines"),
    "invoices": ("Rechnungen", "invoices"),
    "payments": ("Zahlungen", "payments"),
    "interactions": ("Kontakte", "contacts"),
    "surveys": ("Befragungen", "surveys"),
}

ROWS: Final[Mapping[str, tuple[str, str]]] = {
    "orders": ("Bestellungen", "Orders"),
    "returns": ("Retouren und Gutschriften", "Returns and credits"),
    "discounts": ("Positionen mit Rabatt", "Lines with a discount"),
    "products": ("Artikel", "Products"),
    "invoices": ("Rechnungen", "Invoices"),
    "disputes": ("Beanstandete Rechnungen", "Disputed invoices"),
    "payments": ("Zahlungen", "Payments"),
    "contacts": ("Kontakte", "Contacts"),
    "surveys": ("Befragungen", "Surveys"),
    "attributes": ("Angaben zum Kunden", "Facts about the customer"),
}

HEADINGS: Final[Mapping[str, tuple[str, str]]] = {
    "on": ("Datum", "Date"),
    "order_id": ("Auftrag", "Order"),
    "amount": ("Betrag", "Amount"),
    "days_since_previous": ("Tage seit dem Auftrag davor", "Days since the order before"),
    "product_id": ("Artikel-Nr.", "Product no."),
    "product": ("Artikel", "Product"),
    "list_amount": ("Zum Listenpreis", "At list price"),
    "last_on": ("Zuletzt am", "Last on"),
    "orders": ("Aufträge", "Orders"),
    "invoice_id": ("Rechnung", "Invoice"),
    "issued_on": ("Vom", "Issued"),
    "due_on": ("Fällig", "Due"),
    "paid_on": ("Bezahlt", "Paid"),
    "disputed_on": ("Beanstandet", "Disputed"),
    "open_amount": ("Offen", "Open"),
    "days_late": ("Tage zu spät", "Days late"),
    "channel": ("Weg", "Channel"),
    "direction": ("Richtung", "Direction"),
    "topic": ("Thema", "Topic"),
    "responded_on": ("Beantwortet", "Answered"),
    "resolved_on": ("Gelöst", "Resolved"),
    "kind": ("Art", "Kind"),
    "score": ("Bewertung", "Score"),
    "attribute": ("Angabe", "Fact"),
    "value": ("Wert", "Value"),
}

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "email": ("E-Mail", "e-mail"),
    "phone": ("Telefon", "phone"),
    "visit": ("Besuch", "visit"),
    "web": ("Web", "web"),
    "chat": ("Chat", "chat"),
    "ticket": ("Ticket", "ticket"),
    "event": ("Veranstaltung", "event"),
    "letter": ("Brief", "letter"),
    "social": ("Soziale Medien", "social media"),
    "inbound": ("vom Kunden", "by the customer"),
    "outbound": ("zum Kunden", "to the customer"),
    "complaint": ("Beschwerde", "complaint"),
    "inquiry": ("Anfrage", "inquiry"),
    "offer": ("Angebot", "offer"),
    "general": ("Allgemeines", "general"),
    "nps": ("NPS", "NPS"),
    "csat": ("CSAT", "CSAT"),
}

_MONEY = ("amount", "open_amount", "list_amount")
RIGHT: Final = (*_MONEY, "days_since_previous", "orders", "days_late", "score")
"""Columns of rows that are numbers."""


def of(texts: Mapping[str, tuple[str, str]], key: str, language: str, **values: object) -> str:
    """Return a text of one of the tables above with its values filled in; an unknown key stands for itself.

    Examples
    --------
    >>> of(TEXTS, "page", "en", path="a.html"), of(WORDS, "fax", "de")
    ('Page: a.html', 'fax')
    """
    if key not in texts:
        return key
    return texts[key][0 if language == "de" else 1].format(**values)


def probability_text(result: ExplainResult, language: str) -> str:
    """Return what the probability says, before its value."""
    if result.outcome == Outcome():
        return of(TEXTS, "p", language, days=result.horizon_days)
    clause = outcome_clause(result.outcome, language, horizon_days=result.horizon_days)
    return of(TEXTS, "p_variant", language, clause=clause)


def note_text(result: ExplainResult, note: str, language: str) -> str:
    """Return the sentence of a note: as the lists say it, and this page's own."""
    if note in TEXTS:
        return of(TEXTS, note, language)
    return words.note_text(note, "de" if language == "de" else "en", horizon_days=result.horizon_days)


def counterfactual_text(result: ExplainResult, answer: Answer, language: str) -> str:
    """Return the sentence of a counterfactual."""
    p = shown.share(answer.p_churn, language)
    return of(TEXTS, answer.change, language, p=p, group=result.label(answer.group, language))


def cell(column: str, value: Any, language: str, currency: str) -> str:
    r"""Return a value of a row as people read it; a missing one as a dash.

    Examples
    --------
    >>> cell("on", dt.date(2026, 3, 2), "de", "EUR"), cell("amount", 1250.0, "de", "EUR"), cell("on", None, "en", "EUR")
    ('02.03.2026', '1.250\xa0€', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, dt.date):
        return shown.date(value, language)
    if column in _MONEY:
        return amounts.money(float(value), currency, language)
    if column == "attribute":
        return _attribute(str(value), language)
    if isinstance(value, bool | str):
        return of(WORDS, str(value), language) if column in ("channel", "direction", "topic", "kind") else str(value)
    number = float(value)
    return amounts.grouped(number, language, 0 if number == int(number) else 1)


def _attribute(name: str, language: str) -> str:
    from crm_ml.models.explain.groups import declared_features

    label = feature_label(name, language, declared_features().get(name))
    return label[:1].upper() + label[1:]
