"""Answers of account managers: which action a returned row belongs to, what it says, how long it holds a customer back.

An answer belongs to an action by the key of its row. The customer number beside it is a cross-check: after a sort of
one column only, key and number no longer belong together, and the row is refused rather than booked on somebody else.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crm_ml.actions.feedback_cells import cell_as_text, day_of, same_number, without_guard
from crm_ml.actions.lists.columns import ANSWERS, answer_of
from crm_ml.actions.returned import Returned, ReturnedRow
from crm_ml.errors import Finding, UsageError, did_you_mean

DONE, WRONG, NOT_NOW = "done", "wrong", "not_now"
LATEST_YEARS = 5
_KEY = re.compile(r"(\d{4})(\d{2})(\d{2})-[0-9A-Za-z]{4,64}", re.ASCII)

REASONS: Mapping[str, tuple[str, str]] = {
    "no_key": (
        "Der Schlüssel der Zeile fehlt; so ist nicht zu erkennen, wozu die Antwort gehört.",
        "The row has no key, so nobody can tell what the answer belongs to.",
    ),
    "unknown_key": (
        "Diesen Schlüssel trägt keine ausgegebene Liste; er wurde geändert, oder die Liste ist nicht mehr da.",
        "No list that was handed out holds this key: it was changed, or the list is gone.",
    ),
    "other_customer": (
        "Kundennummer und Schlüssel der Zeile gehören nicht zusammen; vielleicht wurde nur eine Spalte sortiert.",
        "The customer number and the key of the row do not belong together; perhaps only one column was sorted.",
    ),
    "cells_moved": (
        "Rechts der letzten Überschrift steht noch etwas; die Zellen der Zeile sind verrutscht.",
        "Something stands to the right of the last heading: the cells of the row have moved.",
    ),
    "unknown_answer": (
        "Als Antwort gilt nur erledigt, falsch oder nicht jetzt.{hint_de}",
        "The answer must be done, wrong or not now.{hint_en}",
    ),
    "bad_date": (
        "Die Wiedervorlage ist kein eindeutiges Datum; so ist es recht: 02.03.2026.",
        "The date to come back is no date with one reading; write it as 2026-03-02.",
    ),
    "date_before_list": (
        "Die Wiedervorlage liegt nicht nach dem Tag der Liste.",
        "The date to come back does not lie after the day of the list.",
    ),
    "date_too_far": (
        "Die Wiedervorlage liegt mehr als fünf Jahre nach dem Tag der Liste; stimmt das Jahr?",
        "The date to come back lies more than five years after the day of the list; is the year right?",
    ),
    "list_is_later": (
        "Die Liste ist von einem späteren Tag als dem, zu dem die Antworten eingelesen werden.",
        "The list is of a later day than the one as of which the answers are imported.",
    ),
    "two_answers": (
        "Derselbe Schlüssel steht mehrmals in der Datei, mit verschiedenen Antworten.",
        "The same key stands several times in the file, with different answers.",
    ),
}
"""Why a row is refused: code -> German and English sentence."""


@dataclass(frozen=True)
class Listed:
    """An action as it stood on a published list."""

    action_id: str
    list_as_of: dt.date
    subject_type: str
    subject_id: str
    action: str
    channel: str | None = None
    arm: str = "treatment"
    cost: float | None = None


@dataclass(frozen=True)
class Answer:
    """What an account manager said about one action.

    Parameters
    ----------
    listed : Listed
        The action.
    answer : {"done", "wrong", "not_now"}
    answered_on : date
        The day as of which the answer was taken in.
    again_on : date or None
        When the customer may come back, where the manager named a day.
    note : str
        The manager's words, whole; empty where there are none.
    """

    listed: Listed
    answer: str
    answered_on: dt.date
    again_on: dt.date | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise UsageError(f"answer must be one of {', '.join(ANSWERS)}; found {self.answer[:40]!r}")

    @property
    def content(self) -> tuple[str, str, dt.date | None, str]:
        """What makes two answers the same, whenever they came in."""
        return (self.listed.action_id, self.answer, self.again_on, self.note)


@dataclass(frozen=True)
class Refused:
    """A row that was not taken, and why; it never repeats what stands in the row but a word near to an answer."""

    row: int
    code: str
    hint: str = ""

    def reason(self, language: str) -> str:
        """Return the reason as a sentence.

        Examples
        --------
        >>> Refused(7, "unknown_answer", "done").reason("en")
        'The answer must be done, wrong or not now. Did you mean "done"?'
        """
        german, english = REASONS[self.code]
        if language == "de":
            return german.format(hint_de=f" Gemeint ist wohl „{self.hint}“." if self.hint else "")
        return english.format(hint_en=f' Did you mean "{self.hint}"?' if self.hint else "")


@dataclass(frozen=True)
class Matched:
    """What a returned list says.

    Attributes
    ----------
    answers : tuple of (row number, Answer)
        One per answered row that is taken, in the order of the file.
    refused : tuple of Refused
    answered : int
        Rows with an answer, taken or refused.
    findings : tuple of Finding
        What was ignored and is worth a look.
    """

    answers: tuple[tuple[int, Answer], ...]
    refused: tuple[Refused, ...]
    answered: int
    findings: tuple[Finding, ...] = field(default=())


def keys_of(returned: Returned) -> dict[str, dt.date]:
    """Return the keys of the answered rows that look like keys, and the day of the list that each names."""
    keys = (key_of(row) for row in returned.rows if row.answer is not None)
    days = {key: _day_in(key) for key in dict.fromkeys(keys)}
    return {key: day for key, day in days.items() if day is not None}


def key_of(row: ReturnedRow) -> str:
    """Return the key of a row without what a spreadsheet program may have put around it."""
    return without_guard(cell_as_text(row.key)).strip().upper()


def _day_in(key: str) -> dt.date | None:
    match = _KEY.fullmatch(key)
    try:
        return dt.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def match_answers(returned: Returned, listed: Mapping[str, Listed], *, answered_on: dt.date) -> Matched:
    """Say for each answered row of a returned list which action it answers, or why it is refused.

    Parameters
    ----------
    returned : Returned
        The file.
    listed : mapping
        Key in capital letters -> the action as it was listed; of all lists of the days that the keys name.
    answered_on : date
        The day as of which the file is imported.

    Returns
    -------
    Matched
        The same for any order of rows and columns; rows without an answer are not looked at.

    Examples
    --------
    >>> day = dt.date(2026, 3, 2)
    >>> action = Listed("20260302-ABCDEFGHIJKL", day, "customer", "00123", "personal_talk")
    >>> row = ReturnedRow(2, key=action.action_id, subject_id=123.0, answer="Erledigt")
    >>> matched = match_answers(Returned("AM1.xlsx", "", (row,)), {action.action_id: action}, answered_on=day)
    >>> matched.answers[0][1].answer
    'done'
    """
    others = {action.subject_id for action in listed.values()}
    answers: list[tuple[int, Answer]] = []
    refused: list[Refused] = []
    unanswered = [row.number for row in returned.rows if row.answer is None and (row.note or row.again_on)]
    rows = [row for row in returned.rows if row.answer is not None]
    for row in rows:
        found = _answer(row, listed, others, answered_on)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            answers.append((row.number, found))
    contents: dict[str, set[object]] = {}
    for _, answer in answers:
        contents.setdefault(answer.listed.action_id, set()).add(answer.content)
    twice = {action_id for action_id, said in contents.items() if len(said) > 1}
    refused += [Refused(number, "two_answers") for number, answer in answers if answer.listed.action_id in twice]
    kept = [(number, answer) for number, answer in answers if answer.listed.action_id not in twice]
    refused.sort(key=lambda row: row.row)
    return Matched(tuple(kept), tuple(refused), len(rows), tuple(_ignored(unanswered)))


def _answer(row: ReturnedRow, listed: Mapping[str, Listed], others: set[str], answered_on: dt.date) -> Answer | Refused:
    key = key_of(row)
    action = listed.get(key)
    if row.surplus:
        return Refused(row.number, "cells_moved")
    if action is None:
        return Refused(row.number, "unknown_key" if key else "no_key")
    if not same_number(cell_as_text(row.subject_id), action.subject_id, others):
        return Refused(row.number, "other_customer")
    word = _word(row.answer)
    answer = answer_of(word)
    if answer is None:
        return Refused(row.number, "unknown_answer", _near(word))
    if answered_on < action.list_as_of:
        return Refused(row.number, "list_is_later")
    again_on = None
    if row.again_on is not None:
        again_on = day_of(row.again_on)
        wrong = _wrong_day(again_on, action.list_as_of)
        if wrong:
            return Refused(row.number, wrong)
    return Answer(action, answer, answered_on, again_on, note_of(row.note))


def _word(cell: object) -> str:
    word = without_guard(cell_as_text(cell))
    # typed into a German spreadsheet, the answer "falsch" becomes the truth value of that name
    return ANSWERS[WRONG][0] if word.strip().casefold() == "false" else word


def _wrong_day(day: dt.date | None, list_as_of: dt.date) -> str:
    if day is None:
        return "bad_date"
    if day <= list_as_of:
        return "date_before_list"
    return "date_too_far" if (day - list_as_of).days > LATEST_YEARS * 366 else ""


def _near(word: str) -> str:
    words = [text for both in ANSWERS.values() for text in both]
    return did_you_mean(word.strip().casefold(), words).removeprefix(' Did you mean "').removesuffix('"?')


def note_of(cell: object) -> str:
    r"""Return a note whole, with the guard of a formula taken off and line ends in one form.

    Examples
    --------
    >>> note_of("'=1+1"), note_of("two\r\nlines "), note_of(None), note_of("'n Abend")
    ('=1+1', 'two\nlines', '', "'n Abend")
    """
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        cell = cell.date()
    text = without_guard(cell_as_text(cell))
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _ignored(rows: Iterable[int]) -> list[Finding]:
    numbers = list(rows)
    if not numbers:
        return []
    message = f"{len(numbers)} rows hold a note or a date but no answer, so they count as not answered"
    remedy = "Choose an answer in these rows and import the file again."
    return [Finding("warning", "note_without_answer", message, remedy, count=len(numbers), examples=numbers)]
