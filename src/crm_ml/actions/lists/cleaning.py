"""Text of others made safe to show: what cannot be shown is marked, what is too long is cut with a mark."""

from __future__ import annotations

import re
import unicodedata

from crm_ml.actions.lists.columns import Language

SHORTENED: dict[str, str] = {"de": "… (gekürzt)", "en": "… (shortened)"}
"""What stands at the end of a text that was cut."""

REPLACED = "\ufffd"
"""What stands for a character that cannot be shown: controls, direction overrides, invisible ones."""

NAME_CHARACTERS = 120
TEXT_CHARACTERS = 400
PHONE_CHARACTERS = 40
ID_CHARACTERS = 80

_LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_KEPT_INVISIBLE = frozenset("\u00ad\u200c\u200d")  # soft hyphen; joiners, without which emoji and Persian fall apart
_FORMULA = frozenset("=+-@|%\u2212\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b")
_NUMERIC = re.compile(r"[\d\s.,:/+()%€$-]+")
_EXPONENT = re.compile(r"[+-]?\d+[.,]?\d*[eE][+-]?\d+")
_PLAIN_INTEGER = re.compile(r"0|[1-9]\d{0,14}")
_MONTH = r"(?:ja?nu?|fe?b|m[aä]?r?[czs]?|apr|ma[iy]|ju[nl]i?|aug|sept?|o[ck]t|nov|de[zc])[a-zä]*"
_DAY_LIKE = re.compile(rf"\d{{1,4}}[\s./-]*{_MONTH}[\s./-]*\d{{0,4}}|{_MONTH}[\s./-]*\d{{1,4}}", re.IGNORECASE)
_WORDS = frozenset({"wahr", "falsch", "true", "false"})

_ONE_DIGIT = {"1", "7"}
_TWO_DIGITS = {
    *("20", "27", "30", "31", "32", "33", "34", "36", "39"),
    *(str(code) for code in (*range(40, 42), *range(43, 50), *range(51, 59), *range(60, 67))),
    *("81", "82", "84", "86", *(str(code) for code in range(90, 96)), "98"),
}


def clean(text: str, language: Language, limit: int = TEXT_CHARACTERS) -> str:
    r"""Return one line of text that every format can hold; nothing is lost without a mark.

    Line breaks become ``⏎``; controls, direction overrides and invisible characters become ``\ufffd``; letters are
    composed (NFC); what is longer than `limit` ends in "… (gekürzt)".

    Examples
    --------
    >>> clean("A\nB\x00\tC", "de")
    'A ⏎ B� C'
    >>> clean("x" * 30, "en", 20)
    'xxxxxxx… (shortened)'
    """
    mark = SHORTENED[language]
    cut = len(text) > 4 * limit + 100
    text = text[: 4 * limit + 100]  # enough for the composed form of what is kept
    text = _LINE_BREAK.sub(" \u23ce ", text).replace("\t", " ")
    text = "".join(ch if _shows(ch) else REPLACED for ch in text)
    text = unicodedata.normalize("NFC", text).strip(" ")
    if len(text) <= limit and not cut:
        return text
    kept = text[: limit - len(mark)]
    while kept and (unicodedata.combining(kept[-1]) or kept[-1] in _KEPT_INVISIBLE or kept[-1] == " "):
        kept = kept[:-1]
    return kept + mark


def _shows(ch: str) -> bool:
    if ch in _KEPT_INVISIBLE:
        return True
    code = ord(ch)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return False
    return unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def may_be_formula(text: str) -> bool:
    """Say whether a spreadsheet may take a text for a formula, also after dropping what it does not show.

    Examples
    --------
    >>> may_be_formula("=1+1"), may_be_formula(" ＝1+1"), may_be_formula("Müller + Co")
    (True, True, False)
    """
    for ch in text:
        if ch in _FORMULA or ch in "\t\r\n":
            return True
        if not (ch.isspace() or ch in _KEPT_INVISIBLE or unicodedata.category(ch) in ("Cc", "Cf")):
            return False
    return False


def is_changed_by_spreadsheets(text: str) -> bool:
    """Say whether a spreadsheet that opens a CSV file shows another value: zeros lost, a date made of ``1-2``.

    Examples
    --------
    >>> [is_changed_by_spreadsheets(text) for text in ("00123", "1-2", "1E5", "MAR1", "12345", "K-00123")]
    [True, True, True, True, False, False]
    """
    if _PLAIN_INTEGER.fullmatch(text):
        return False
    return bool(
        (_NUMERIC.fullmatch(text) and any(ch.isdigit() for ch in text))
        or _EXPONENT.fullmatch(text)
        or _DAY_LIKE.fullmatch(text)
        or text.strip().casefold() in _WORDS
    )


def csv_text(text: str) -> str:
    """Return a text as a CSV cell holds it: with ``'`` in front where a spreadsheet would compute or change it.

    Examples
    --------
    >>> csv_text("=cmd|' /C calc'!A0"), csv_text("00123"), csv_text("Müller")
    ("'=cmd|' /C calc'!A0", "'00123", 'Müller')
    """
    return f"'{text}" if may_be_formula(text) or is_changed_by_spreadsheets(text) else text


def csv_phone(text: str) -> str:
    """Return a telephone number that stays text and can be dialled: ``+49 …`` is written ``(+49) …``.

    Examples
    --------
    >>> csv_phone("+49 221 4710 110"), csv_phone("+492214710"), csv_phone("02214710110"), csv_phone("=1+1")
    ('(+49) 221 4710 110', '(+49) 2214710', '0221 4710110', "'=1+1")
    """
    code = _country_code(text)
    if code:
        rest = text[1 + len(code) :].lstrip(" -/.")
        return f"(+{code}) {rest}"
    if re.fullmatch(r"\d{5,}", text):
        return f"{text[:4]} {text[4:]}"
    if re.fullmatch(r"\(\d{2,6}\)[ /-]*\d[\d /-]*", text):
        return text
    if re.fullmatch(r"\d{2,5}[ /-][\d /()-]+", text):
        # 0221/4710 would be a fraction, 05-12 a date
        parts = re.split(r"[ /-]+", text, maxsplit=1)
        return f"{parts[0]} {parts[1]}" if parts[0].startswith("0") else f"'{text}"
    return csv_text(text)


def phone_link(text: str) -> str:
    """Return the target of a ``tel:`` link, or an empty string where the text is not one number.

    Examples
    --------
    >>> phone_link("+49 (0) 221 / 4710-110"), phone_link("0221 4710"), phone_link("ask Mrs Berg")
    ('tel:+492214710110', 'tel:02214710', '')
    """
    if not re.fullmatch(r"\+?[\d\s()/.\u2010-\u2013-]{3,}", text):
        return ""
    digits = re.sub(r"[^\d]", "", text.replace("(0)", "") if text.startswith(("+", "00")) else text)
    return f"tel:{'+' if text.startswith('+') else ''}{digits}" if 3 <= len(digits) <= 15 else ""


def _country_code(text: str) -> str:
    found = re.fullmatch(r"\+(\d{1,15})(?:[\s/.()-][\d\s/.()-]*)?", text, re.ASCII)
    if not found:
        return ""
    digits = found[1]
    for length, known in ((1, _ONE_DIGIT), (2, _TWO_DIGITS)):
        if digits[:length] in known:
            return digits[:length]
    return digits[:3]
