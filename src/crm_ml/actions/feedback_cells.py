"""Cells as spreadsheet programs give them back: dates of three kinds, numbers that were texts, guarded formulas."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Collection
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

from crm_ml.actions.lists.cleaning import ID_CHARACTERS, clean, csv_text, may_be_formula
from crm_ml.tables.loose import cell_text

_EPOCH = dt.date(1899, 12, 30)  # day 0 of Excel's calendar from March 1900 on
_SERIALS = (20_000, 80_000)  # 1954 to 2119
_GERMAN = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})", re.ASCII)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", re.ASCII)
_SLASHES = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})", re.ASCII)
_WORDS = re.compile(r"(\d{1,2})\.?\s+([A-Za-zäÄ]{3,9})\.?,?\s+(\d{4})")
_SERIAL = re.compile(r"\d{5}([.,]0+)?", re.ASCII)
_MIDNIGHT = re.compile(r"[T ]\s*0{1,2}:00(:00(\.0+)?)?$")
_NUMBER = re.compile(r"\d{1,40}(?:[.,]\d{1,20})?(?:[eE]\+?\d{1,2})?", re.ASCII)
_EXCEL_DIGITS = 15
_LONGEST_GUARDED_NUMBER = 200
_MONTHS = (
    ("januar", "january"),
    ("februar", "february"),
    ("märz", "march"),
    ("april", "april"),
    ("mai", "may"),
    ("juni", "june"),
    ("juli", "july"),
    ("august", "august"),
    ("september", "september"),
    ("oktober", "october"),
    ("november", "november"),
    ("dezember", "december"),
)


def cell_as_text(cell: object) -> str:
    """Return a cell as text in composed form; an empty one as an empty text.

    Examples
    --------
    >>> cell_as_text(123.0), cell_as_text(None), cell_as_text("a")
    ('123', '', 'a')
    """
    return unicodedata.normalize("NFC", cell_text(cell) or "")


def without_guard(text: str) -> str:
    """Take off the apostrophe that keeps a text from being computed or changed by a spreadsheet program.

    Examples
    --------
    >>> without_guard("'=1+1"), without_guard("'00123"), without_guard("'n Abend")
    ('=1+1', '00123', "'n Abend")
    """
    bare = text[1:]
    if text[:1] != "'":
        return text
    guarded = may_be_formula(bare) if len(bare) > _LONGEST_GUARDED_NUMBER else csv_text(bare) != bare
    return bare if guarded else text


def day_of(cell: object) -> dt.date | None:
    """Return the day that a cell holds: a date, a serial number of Excel or a text; None if it has not one reading.

    Examples
    --------
    >>> day_of(46083.0), day_of("02.03.2026"), day_of("2. März 2026"), day_of("2 March 2026")
    (datetime.date(2026, 3, 2), datetime.date(2026, 3, 2), datetime.date(2026, 3, 2), datetime.date(2026, 3, 2))
    >>> day_of("31/3/2026"), day_of("2/3/2026"), day_of("bald")
    (datetime.date(2026, 3, 31), None, None)
    """
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        low, high = _SERIALS
        return _EPOCH + dt.timedelta(days=int(cell)) if math.isfinite(cell) and low <= cell <= high else None
    text = " ".join(without_guard(cell_as_text(cell)).split())
    return _day_in_text(_MIDNIGHT.sub("", text))


def _day_in_text(text: str) -> dt.date | None:
    if _SERIAL.fullmatch(text):
        return day_of(int(text[:5]))
    if match := _ISO.fullmatch(text):
        year, month, day = map(int, match.groups())
        return _date(year, month, day)
    if match := _GERMAN.fullmatch(text):
        day, month, year = map(int, match.groups())
        return _date(year, month, day)
    if match := _SLASHES.fullmatch(text):
        first, second, year = map(int, match.groups())
        readings = {_date(year, second, first), _date(year, first, second)} - {None}
        return readings.pop() if len(readings) == 1 else None
    if match := _WORDS.fullmatch(text):
        return _date(int(match[3]), _month(match[2].casefold()), int(match[1]))
    return None


def _month(word: str) -> int:
    fitting = [number for number, names in enumerate(_MONTHS, 1) if any(name.startswith(word) for name in names)]
    return fitting[0] if len(fitting) == 1 else 0


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None


def same_number(found: str, own: str, others: Collection[str]) -> bool:
    """Whether a customer number is the one that was written, as far as a spreadsheet program may have changed it.

    Parameters
    ----------
    found : str
        What stands in the row; empty where the column or the cell was removed, and then nothing speaks against it.
    own : str
        The number that belongs to the key.
    others : collection of str
        The numbers of all customers on these lists: what is exactly another's is not taken for a changed own one.

    Examples
    --------
    >>> same_number("123", "00123", []), same_number("1,23457E+11", "123456789012", []), same_number("124", "00123", [])
    (True, True, False)
    >>> same_number("123", "00123", ["123"])
    False
    """
    own_text = unicodedata.normalize("NFC", own).strip()
    bare = without_guard(found.strip()).strip()
    forms = {found.strip(), bare, without_guard(found).strip()}
    shown = {text.strip() for text in (own_text, clean(own, "de", ID_CHARACTERS), clean(own, "en", ID_CHARACTERS))}
    if not found or forms & shown:
        return True
    if bare in others or not (_NUMBER.fullmatch(bare) and _NUMBER.fullmatch(own_text)):
        return False
    return _equal_as_numbers(bare.replace(",", "."), own_text.replace(",", "."))


def _equal_as_numbers(found: str, own: str) -> bool:
    shown, true = Decimal(found), Decimal(own)
    if shown == true:
        return True
    if "e" in found.lower():  # shown with a power of ten: compared to as many digits as are left
        digits = len(re.sub(r"[eE].*|\.", "", found))
        return any(Context(prec=digits, rounding=how).plus(true) == shown for how in (ROUND_HALF_UP, ROUND_HALF_EVEN))
    surplus = len(own) - _EXCEL_DIGITS
    if own.isdigit() and surplus > 0:  # a spreadsheet number holds 15 digits; a double a little more
        cut = own[:_EXCEL_DIGITS] + "0" * surplus
        return float(found) in (float(cut), float(own))
    return False
