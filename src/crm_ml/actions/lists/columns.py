"""The columns of a manager's list, in order, and the words of the answers: one place for writing and reading back."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from crm_ml.actions.lists.speaking import about_leads

Language = Literal["de", "en"]
Kind = Literal["text", "number", "money", "share", "date", "answer"]


@dataclass(frozen=True)
class ListColumn:
    """A column of the CSV and XLSX lists.

    Parameters
    ----------
    id : str
        What code calls it.
    de, en : str
        Its heading; headings are unique in each language.
    kind : {"text", "number", "money", "share", "date", "answer"}
        How it is written: money with the currency, a share as per cent, a date as a real date.
    answered : bool
        Whether the manager writes into it.
    """

    id: str
    de: str
    en: str
    kind: Kind = "text"
    answered: bool = False


COLUMNS: tuple[ListColumn, ...] = (
    ListColumn("rank", "Rang", "Rank", "number"),
    ListColumn("change", "Veränderung", "Change"),
    ListColumn("name", "Kunde", "Customer"),
    ListColumn("subject_id", "Kundennummer", "Customer number"),
    ListColumn("phone", "Telefon", "Phone"),
    ListColumn("tier", "Risiko", "Risk"),
    ListColumn("p", "Wahrscheinlichkeit", "Probability", "share"),
    ListColumn("step", "Nächster Schritt", "Next step"),
    ListColumn("due_on", "Fällig am", "Due on", "date"),
    ListColumn("reason_1", "Grund 1", "Reason 1"),
    ListColumn("reason_2", "Grund 2", "Reason 2"),
    ListColumn("reason_3", "Grund 3", "Reason 3"),
    ListColumn("value_at_stake", "Jahreswert", "Yearly value", "money"),
    ListColumn("expected_gain", "Erwarteter Nutzen", "Expected gain", "money"),
    ListColumn("hints", "Hinweise", "Hints"),
    ListColumn("answer", "Antwort", "Answer", "answer", answered=True),
    ListColumn("again_on", "Wiedervorlage am", "Again on", "date", answered=True),
    ListColumn("note", "Bemerkung", "Note", answered=True),
    ListColumn("key", "Schlüssel", "Key"),
)
"""All columns of a list; ``key`` is what an answer is recognised by."""

ANSWERS: dict[str, tuple[str, str]] = {
    "done": ("erledigt", "done"),
    "wrong": ("falsch", "wrong"),
    "not_now": ("nicht jetzt", "not now"),
}
"""Answer -> its word in German and English."""

UNASSIGNED = "unassigned"
"""The list of customers for whom nobody is responsible."""


LEAD_HEADINGS: dict[str, tuple[str, str]] = {
    "name": ("Lead", "Lead"),
    "subject_id": ("Lead-Nummer", "Lead number"),
    "tier": ("Klasse", "Grade"),
    "value_at_stake": ("Erwarteter Wert", "Expected value"),
    "expected_gain": ("Verlust je Tag", "Lost per day"),
}
"""Columns that are headed otherwise on lists of leads."""


def heading(column: ListColumn, language: Language) -> str:
    """Return the heading of a column.

    Examples
    --------
    >>> heading(COLUMNS[0], "de")
    'Rang'
    """
    german, english = column.de, column.en
    if about_leads():
        german, english = LEAD_HEADINGS.get(column.id, (german, english))
    return german if language == "de" else english


def column_of(heading_text: str) -> ListColumn | None:
    """Return the column that a heading of either language names, however it is spaced or written, or None.

    Examples
    --------
    >>> column_of(" SCHLÜSSEL ").id, column_of("Owner")
    ('key', None)
    """
    wanted = _folded(heading_text)
    named = {column.id: (column.de, column.en, *LEAD_HEADINGS.get(column.id, ())) for column in COLUMNS}
    return next((column for column in COLUMNS if wanted in map(_folded, named[column.id])), None)


def answer_of(word: str) -> str | None:
    """Return the answer that a word of either language means, or None.

    Examples
    --------
    >>> answer_of("Nicht  jetzt"), answer_of("vielleicht")
    ('not_now', None)
    """
    wanted = _folded(word)
    return next((answer for answer, words in ANSWERS.items() if wanted in map(_folded, (*words, answer))), None)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("_", " ").split())
