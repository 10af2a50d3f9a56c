"""Numbers, money and dates as the reader of a list writes them."""

from __future__ import annotations

import datetime as dt
import math
from decimal import ROUND_HALF_EVEN, Decimal

from crm_ml.actions.lists.columns import Language
from crm_ml.models.explain.amounts import SYMBOLS
from crm_ml.models.explain.shown import share as probability

_NO_BREAK = "\u00a0"
_DAYS = {
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = {
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}


def number(value: float, language: Language, decimals: int = 0) -> str:
    """Return a number with the separators of a language.

    Examples
    --------
    >>> number(12340.5, "de"), number(-1234.5, "en", 1), number(-0.2, "de")
    ('12.340', '-1,234.5', '0')
    """
    exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    text = f"{abs(exact) if exact == 0 else exact:,.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "de" else text


def money(value: float | None, currency: str, language: Language) -> str:
    r"""Return an amount without cents, with the sign of its currency.

    Examples
    --------
    >>> money(12340.4, "EUR", "de"), money(12340.4, "EUR", "en"), money(-5, "CHF", "en")
    ('12.340\xa0€', '€12,340', '-CHF\xa05')
    """
    if value is None or not math.isfinite(value):
        return "–"
    sign = SYMBOLS.get(currency, currency)
    if language == "de":
        return f"{number(value, language)}{_NO_BREAK}{sign}"
    shown = number(abs(value), language)
    gap = "" if currency in SYMBOLS else _NO_BREAK
    return f"{'-' if value < 0 and shown != '0' else ''}{sign}{gap}{shown}"


def percent(share: float | None, language: Language) -> str:
    r"""Return a probability in whole per cent; never a certainty.

    Examples
    --------
    >>> percent(0.624, "de"), percent(0.9999, "en"), percent(0.001, "de")
    ('62\xa0%', 'over 99%', 'unter 1\xa0%')
    """
    # the same words as on the page of one customer
    return "–" if share is None or not math.isfinite(share) else probability(share, language)


def date(day: dt.date | None, language: Language) -> str:
    r"""Return a short date.

    Examples
    --------
    >>> date(dt.date(2026, 3, 2), "de"), date(dt.date(2026, 3, 2), "en")
    ('02.03.2026', '2\xa0March\xa02026')
    """
    if day is None:
        return "–"
    if language == "de":
        return f"{day:%d.%m.%Y}"
    return _NO_BREAK.join((str(day.day), _MONTHS["en"][day.month - 1], str(day.year)))


def long_date(day: dt.date, language: Language) -> str:
    """Return a date with its day of the week, in words.

    Examples
    --------
    >>> long_date(dt.date(2026, 3, 2), "de"), long_date(dt.date(2026, 3, 2), "en")
    ('Montag, 2. März 2026', 'Monday, 2 March 2026')
    """
    dot = "." if language == "de" else ""
    return f"{_DAYS[language][day.weekday()]}, {day.day}{dot} {_MONTHS[language][day.month - 1]} {day.year}"


def short_date(day: dt.date | None, language: Language) -> str:
    r"""Return a date with the first letters of its day of the week, as it stands next to a step.

    Examples
    --------
    >>> short_date(dt.date(2026, 3, 4), "de"), short_date(dt.date(2026, 3, 4), "en")
    ('Mi,\xa004.03.2026', 'Wed,\xa04\xa0March\xa02026')
    """
    if day is None:
        return "–"
    letters = 2 if language == "de" else 3
    return f"{_DAYS[language][day.weekday()][:letters]},{_NO_BREAK}{date(day, language)}"
