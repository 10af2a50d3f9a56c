"""Numbers inside sentences: as a person writes them in German and English."""

from __future__ import annotations

import math
from typing import Final

_NO_BREAK: Final = "\u00a0"
SYMBOLS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
"""Currencies that are written with a sign; the others with their code."""
_HUGE: Final = 1e15
_SWAP: Final = str.maketrans(",.", ".,")
_HOURS_SHOWN: Final = 72
_WHOLE_HOURS: Final = 10
_UNITS: Final = {
    "de": {
        "minutes": ("Minute", "Minuten"),
        "hours": ("Stunde", "Stunden"),
        "days": ("Tag", "Tagen"),
        "months": ("Monat", "Monaten"),
        "years": ("Jahr", "Jahren"),
    },
    "en": {
        "minutes": ("minute", "minutes"),
        "hours": ("hour", "hours"),
        "days": ("day", "days"),
        "months": ("month", "months"),
        "years": ("year", "years"),
    },
}


def grouped(value: float, language: str, decimals: int = 0) -> str:
    """Return a number with the separators of the language.

    Examples
    --------
    >>> grouped(1234567.89, "de"), grouped(1234.5, "en", 1)
    ('1.234.568', '1,234.5')
    """
    if abs(value) >= _HUGE:
        return "mehr als 999 Billionen" if language == "de" else "more than 999 trillion"
    text = f"{value:,.{decimals}f}"
    return text.translate(_SWAP) if language == "de" else text


def number(value: float, language: str) -> str:
    """Return a number with one decimal at most, and none where it says nothing.

    Examples
    --------
    >>> [number(value, "de") for value in (3.0, 1.52, 99.96, 1234.5, -2.5, 0.001)]
    ['3', '1,5', '100', '1.234', '-2,5', 'weniger als 0,1']
    """
    if value < 0:
        return f"-{number(-value, language)}"
    if 0 < value < 0.05:
        return "weniger als 0,1" if language == "de" else "less than 0.1"
    shown = round(value, 1)
    return grouped(shown, language, 0 if shown >= 100 or shown == int(shown) else 1)


def with_unit(value: float, unit: str, currency: str, language: str) -> str:
    r"""Return a value of a declared unit.

    Examples
    --------
    >>> [with_unit(1.5, unit, "EUR", "de") for unit in ("money", "share", "days", "number")]
    ['1,50\xa0€', '150\xa0%', '1,5 Tage', '1,5']
    """
    if unit == "money":
        return money(value, currency, language)
    if unit == "share":
        return percent(value, language)
    if unit in ("days", "hours"):
        one, many = _UNITS[language][unit]
        return counted(value, one, "Tage" if many == "Tagen" else many, language)
    return number(value, language)


def counted(value: float, one: str, many: str, language: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "day", "days", "en"), counted(1.5, "Tag", "Tagen", "de"), counted(0, "day", "days", "en")
    ('1 day', '1,5 Tagen', '0 days')
    """
    shown = number(value, language)
    return f"{shown} {one if shown == '1' else many}"


def percent(share: float, language: str) -> str:
    r"""Return a share as per cent; neither nothing nor all unless it is.

    Examples
    --------
    >>> [percent(share, "de") for share in (0.5, 0.034, 1.0, 0.999, 0.0001)]
    ['50\xa0%', '3,4\xa0%', '100\xa0%', '99,9\xa0%', 'weniger als 0,1\xa0%']
    """
    if share < 0:
        return f"-{percent(-share, language)}"
    value = min(share * 100, 1e300)  # still a number
    if 99 < value < 100:
        value = min(round(value, 1), 99.9)
    elif value >= 10:
        value = round(value)
    return number(value, language) + (f"{_NO_BREAK}%" if language == "de" else "%")


def change(ratio: float, language: str) -> str:
    r"""Return how far a ratio lies from one, as per cent.

    Examples
    --------
    >>> change(0.5, "en"), change(1.26, "en"), change(0.001, "en")
    ('50%', '26%', 'over 99%')
    """
    value = round(abs(ratio - 1) * 100)
    sign = f"{_NO_BREAK}%" if language == "de" else "%"
    if value >= 100 and ratio < 1:
        return ("über 99" if language == "de" else "over 99") + sign
    return grouped(max(value, 1), language) + sign


def money(value: float, currency: str, language: str) -> str:
    r"""Return an amount with the sign of its currency; cents only of small amounts.

    Examples
    --------
    >>> money(12340.4, "EUR", "de"), money(12340.4, "EUR", "en"), money(-1.5, "CHF", "en"), money(0, "EUR", "de")
    ('12.340\xa0€', '€12,340', '-CHF\xa01.50', '0\xa0€')
    """
    size = abs(value)
    shown = grouped(size, language, 0 if size >= 100 or round(size, 2) == int(size) else 2)
    sign, minus = SYMBOLS.get(currency, currency), "-" if value < 0 else ""
    if language == "de":
        return f"{minus}{shown}{_NO_BREAK}{sign}"
    return f"{minus}{sign}{'' if currency in SYMBOLS else _NO_BREAK}{shown}"


def about(value: float, currency: str, language: str) -> str:
    r"""Return an amount in two digits.

    Examples
    --------
    >>> about(11836.0, "EUR", "de"), about(87.3, "EUR", "en")
    ('12.000\xa0€', '€87')
    """
    digits = 1 - math.floor(math.log10(abs(value))) if value else 0
    return money(round(value, min(digits, 0)), currency, language)


def times(value: float, language: str) -> str:
    """Return how often something happened.

    Examples
    --------
    >>> times(1, "de"), times(2, "en"), times(1.5, "de"), times(3, "en")
    ('einmal', 'twice', '1,5-mal', '3 times')
    """
    shown = number(value, language)
    words = {"1": "einmal", "2": "zweimal"} if language == "de" else {"1": "once", "2": "twice"}
    return words.get(shown) or (f"{shown}-mal" if language == "de" else f"{shown} times")


def factor(value: float, language: str) -> str:
    """Return how many times as large something is.

    Examples
    --------
    >>> factor(2.01, "de"), factor(2, "en"), factor(3.5, "de")
    ('doppelt', 'twice', '3,5-mal')
    """
    return "doppelt" if language == "de" and number(value, language) == "2" else times(value, language)


def every(days: float, language: str) -> str:
    """Return a gap in days as a rhythm.

    Examples
    --------
    >>> every(31, "de"), every(1, "en"), every(0, "de"), every(7.25, "en")
    ('alle 31 Tage', 'every day', 'mehrmals am Tag', 'every 7 days')
    """
    shown = number(round(days) if days >= 3 else days, language)
    if shown == "0":
        return "mehrmals am Tag" if language == "de" else "several times a day"
    if shown == "1":
        return "jeden Tag" if language == "de" else "every day"
    return f"alle {shown} Tage" if language == "de" else f"every {shown} days"


def duration(days: float, language: str) -> str:
    """Return a time in days, from 100 days on in whole months, from two years on in whole years (German: dative).

    Examples
    --------
    >>> [duration(days, "de") for days in (1, 94, 365, 2200)]
    ['1 Tag', '94 Tagen', '12 Monaten', '6 Jahren']
    """
    units = _UNITS[language]
    if days < 100:
        return counted(days, *units["days"], language)
    if days < 730:
        return counted(int((days + 1) / 30.44), *units["months"], language)
    return counted(int((days + 0.5) / 365.25), *units["years"], language)


def waiting(hours: float, language: str) -> str:
    """Return a time in hours, from three days on in days (German: dative).

    Examples
    --------
    >>> waiting(3.5, "de"), waiting(1, "en"), waiting(96, "en")
    ('3,5 Stunden', '1 hour', '4 days')
    """
    units = _UNITS[language]
    if hours < _HOURS_SHOWN:
        return counted(hours, *units["hours"], language)
    return counted(hours / 24, *units["days"], language)


def elapsed(hours: float, language: str, *, after: bool = False) -> str:
    """Return the time since an instant: minutes, hours up to three days, then days, months, years (German: dative).

    With `after` it is the time that something lies behind ("4 Tage nach").

    Examples
    --------
    >>> [elapsed(hours, "de") for hours in (0.25, 3.5, 26.2, 96, 2400)]
    ['15 Minuten', '3,5 Stunden', '26 Stunden', '4 Tagen', '3 Monaten']
    >>> elapsed(96, "de", after=True), elapsed(0.001, "en")
    ('4 Tage', '1 minute')
    """
    if 0 <= hours < 1:
        return counted(max(round(hours * 60), 1), *_UNITS[language]["minutes"], language)
    if hours < _HOURS_SHOWN:
        return counted(round(hours) if hours >= _WHOLE_HOURS else hours, *_UNITS[language]["hours"], language)
    found = duration(round(hours / 24), language)
    return found.removesuffix("n") if after and language == "de" else found
