"""Text to numbers, truth values and times, by declared rules: what has two readings is refused, never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

TRUE_WORDS: Final = frozenset({"true", "t", "yes", "y", "1", "ja", "j", "wahr", "x"})
FALSE_WORDS: Final = frozenset({"false", "f", "no", "n", "0", "nein", "falsch"})

Problem = Literal["not_a_number", "not_finite", "ambiguous_number", "undeclared_decimal"]

_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?|[+-]?\.\d+", re.ASCII)
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)
_GROUPED = re.compile(r"[+-]?(\d{1,3}([., '’\u00a0\u202f]\d{3})+|\d+)([.,]\d+)?", re.ASCII)
_NOT_FINITE = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "-infinity", "+infinity"})
_SPACES = "\u00a0\u202f"


@dataclass(frozen=True)
class TextRules:
    """How a source writes numbers and times.

    Parameters
    ----------
    decimal : str
        ``","`` or ``"."``; empty: not declared, and only numbers with one reading are taken.
    thousands : str or None
        The mark between groups of three digits; None: the other one of comma and dot once `decimal` is declared.
    date_formats : tuple of str
        strptime formats tried in order; ISO 8601 needs none.
    """

    decimal: str = ""
    thousands: str | None = None
    date_formats: tuple[str, ...] = ()


def parse_number(text: str, rules: TextRules = TextRules()) -> Decimal | Problem | None:
    """Return the number, None for an empty text, or the name of the problem.

    Examples
    --------
    >>> parse_number("1234.5"), parse_number("1.234,56", TextRules(decimal=","))
    (Decimal('1234.5'), Decimal('1234.56'))
    >>> parse_number("1.234"), parse_number("1.234,56"), parse_number("n/a"), parse_number(" ")
    ('ambiguous_number', 'undeclared_decimal', 'not_a_number', None)
    >>> parse_number("12,50-", TextRules(decimal=","))
    Decimal('-12.50')
    """
    text = text.strip()
    if not text:
        return None
    if text[-1] == "-" and text[0] not in "+-":  # ERP systems write the sign of a credit behind the number
        text = "-" + text[:-1].rstrip()
    if not rules.decimal:
        if _PLAIN.fullmatch(text):
            return "ambiguous_number" if _AMBIGUOUS.fullmatch(text) else Decimal(text)
        if text.lower() in _NOT_FINITE:
            return "not_finite"
        return "undeclared_decimal" if _GROUPED.fullmatch(text) else "not_a_number"
    if text.lower() in _NOT_FINITE:
        return "not_finite"
    thousands = {",": ".", ".": ","}[rules.decimal] if rules.thousands is None else rules.thousands
    whole, mark, fraction = text.partition(rules.decimal)
    if thousands and (thousands in whole or (thousands == " " and any(space in whole for space in _SPACES))):
        if thousands == " ":
            whole = whole.translate({ord(space): " " for space in _SPACES})
        first, *groups = whole.split(thousands)
        if not (0 < len(first.lstrip("+-")) <= 3 and all(len(group) == 3 for group in groups)):
            return "not_a_number"
        whole = first + "".join(groups)
    plain = f"{whole}.{fraction}" if mark else whole
    return Decimal(plain) if _PLAIN.fullmatch(plain) else "not_a_number"


def parse_bool(text: str) -> bool | Literal["not_a_bool"] | None:
    """Return the truth value of a German or English word, None for an empty text.

    Examples
    --------
    >>> parse_bool("Ja"), parse_bool("0"), parse_bool(""), parse_bool("vielleicht")
    (True, False, None, 'not_a_bool')
    """
    word = text.strip().lower()
    if not word:
        return None
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else "not_a_bool"
