"""Probabilities and days as people of a language write them."""

from __future__ import annotations

import datetime as dt
from typing import Final

_MONTHS: Final = {
    "de": ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_ENGLISH_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def share(value: float, language: str) -> str:
    r"""Return a probability in whole per cent; never a certainty: what rounds to none or all is "under" or "over".

    Examples
    --------
    >>> share(0.674, "de"), share(0.674, "en"), share(0.001, "de"), share(0.9999, "en")
    ('67\xa0%', '67%', 'unter 1\xa0%', 'over 99%')
    """
    sign = "\N{NO-BREAK SPACE}%" if language == "de" else "%"
    if value < 0.005:
        return f"{'unter' if language == 'de' else 'under'} 1{sign}"
    if value >= 0.995:
        return f"{'über' if language == 'de' else 'over'} 99{sign}"
    return f"{int(value * 100 + 0.5)}{sign}"


def date(day: dt.date, language: str) -> str:
    """Return a day in full.

    Examples
    --------
    >>> date(dt.date(2026, 3, 2), "de"), date(dt.date(2026, 3, 2), "en")
    ('02.03.2026', '2 March 2026')
    """
    return f"{day:%d.%m.%Y}" if language == "de" else f"{day.day} {_ENGLISH_MONTHS[day.month - 1]} {day.year}"


def month(day: dt.date, language: str) -> str:
    """Return the month of a day for an axis.

    Examples
    --------
    >>> month(dt.date(2026, 3, 2), "de"), month(dt.date(2026, 3, 2), "en")
    ('Mär 26', 'Mar 26')
    """
    return f"{_MONTHS['de' if language == 'de' else 'en'][day.month - 1]} {day:%y}"
