"""A list as a workbook: real numbers and dates, and only the answers can be written into."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from crm_ml.actions.lists.cleaning import NAME_CHARACTERS, clean
from crm_ml.actions.lists.columns import ANSWERS, COLUMNS, Language, ListColumn, heading
from crm_ml.actions.lists.entries import Entries, ListHead
from crm_ml.actions.lists.formats import date, long_date
from crm_ml.actions.lists.look import ListContext, Shown, foot_lines, head_lines, shown_id, shown_name
from crm_ml.actions.lists.words import TIERS, say

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

TIER_COLOURS: dict[str, tuple[str, str]] = {
    "high": ("#FBE3DA", "#8A2B08"),
    "medium": ("#FFF0C7", "#664600"),
    "low": ("#DFECF9", "#0B4A82"),
}
"""Tier -> ground and ink: told apart by the colour-blind, and always beside the word."""

_WIDTHS = {
    "rank": 6,
    "change": 13,
    "name": 21,
    "subject_id": 12,
    "phone": 16,
    "tier": 8,
    "p": 14,
    "step": 24,
    "due_on": 10,
    "reason_1": 21,
    "reason_2": 21,
    "reason_3": 21,
    "value_at_stake": 11,
    "expected_gain": 11,
    "hints": 20,
    "answer": 11,
    "again_on": 12,
    "note": 20,
    "key": 8,
}
_INK, _SOFT, _LINE, _HEAD, _ANSWER = "#1F2328", "#8B949E", "#D0D7DE", "#12355B", "#FFFDE7"
_FONT = {"font_name": "Calibri", "font_size": 10, "font_color": _INK, "valign": "top"}
_ABOUT_WIDTH = 95
_PER_WIDTH, _LINE_HEIGHT, _TALLEST = 1.2, 13.2, 400.0  # characters per unit of width, points
_LONGEST_WAIT = dt.timedelta(days=5 * 365)


def xlsx_bytes(rows: Sequence[Shown], entries: Entries, head: ListHead, context: ListContext) -> bytes:
    """Return the workbook: the list, and a sheet that explains it.

    Text is written as text whatever it begins with; times inside the file are the list's day, so the same list gives
    the same bytes. The sheet is protected without a password; filtering is allowed.
    """
    import xlsxwriter

    language = head.language or context.language
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(buffer, options)
    title = clean(head.title(language), language)
    noon = dt.datetime.combine(entries.as_of, dt.time(12))
    book.set_properties({"title": title, "author": "crm-ml", "created": noon})
    sheet = book.add_worksheet(say("sheet_list", language))
    about = book.add_worksheet(say("sheet_about", language))
    looks = _looks(book, context.currency, language)
    _fill(sheet, rows, looks, language)
    _guard(sheet, len(rows), entries.as_of, language)
    _colour(book, sheet, len(rows), language)
    _page(sheet, len(rows), f"{title} · {long_date(entries.as_of, language)}", language)
    _explain(book, about, entries, head, context)
    if not rows:
        about.activate()  # an empty table says nothing; the other sheet says why
    book.close()
    return buffer.getvalue()


def _looks(book: Workbook, currency: str, language: Language) -> Mapping[str, Format]:
    cell = {**_FONT, "text_wrap": True, "border": 1, "border_color": _LINE}
    sign = "€" if currency == "EUR" else currency
    money = f'#,##0\u00a0"{sign}"' if language == "de" else f'"{sign}{"" if sign == "€" else chr(160)}"#,##0'
    day = {"num_format": "dd.mm.yyyy" if language == "de" else "yyyy-mm-dd", "align": "left"}
    answer = {**cell, "locked": False, "bg_color": _ANSWER}
    named: dict[str, dict[str, Any]] = {
        "head": {
            **_FONT,
            "bold": True,
            "font_size": 9,
            "font_color": "#FFFFFF",
            "bg_color": _HEAD,
            "text_wrap": True,
            "valign": "vcenter",
        },
        # quote_prefix: the text stays text even after somebody edits the cell
        "text": {**cell, "quote_prefix": True},
        "name": {**cell, "quote_prefix": True, "bold": True},
        "key": {**cell, "quote_prefix": True, "font_color": _SOFT, "font_size": 8, "text_wrap": False},
        "number": {**cell, "num_format": "0", "align": "center"},
        "money": {**cell, "num_format": money},
        "share": {**cell, "num_format": "0\u00a0%" if language == "de" else "0%", "align": "center"},
        "date": {**cell, **day},
        # as text: a German spreadsheet turns "falsch" into a truth value
        "answer": {**answer, "num_format": "@"},
        "answer_date": {**answer, **day},
        "answer_text": {**answer, "num_format": "@"},
    }
    return {name: book.add_format(values) for name, values in named.items()}


def _look(column: ListColumn, looks: Mapping[str, Format]) -> Format:
    if column.answered:
        return looks[{"date": "answer_date", "text": "answer_text"}.get(column.kind, "answer")]
    return looks[column.id if column.id in ("name", "key") else column.kind]


def _fill(sheet: Worksheet, rows: Sequence[Shown], looks: Mapping[str, Format], language: Language) -> None:
    sheet.set_row(0, 32)
    for at, column in enumerate(COLUMNS):
        sheet.write_string(0, at, heading(column, language), looks["head"])
        sheet.set_column(at, at, _WIDTHS[column.id])
    for line, row in enumerate(rows, start=1):
        sheet.set_row(line, _height((row.cells[name], width) for name, width in _WIDTHS.items()))
        for at, column in enumerate(COLUMNS):
            value, look = row.cells[column.id], _look(column, looks)
            if value is None or value == "":
                sheet.write_blank(line, at, None, look)
            elif column.kind == "date":
                sheet.write_datetime(line, at, value, look)
            elif column.kind in ("number", "money", "share"):
                sheet.write_number(line, at, value, look)
            else:
                sheet.write_string(line, at, str(value), look)
    sheet.freeze_panes(1, _place("name") + 1)
    sheet.autofilter(0, 0, max(len(rows), 1), len(COLUMNS) - 1)


def _guard(sheet: Worksheet, rows: int, as_of: dt.date, language: Language) -> None:
    sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
    if rows == 0:
        return
    answer, again = _place("answer"), _place("again_on")
    words = [ANSWERS[name][language == "en"] for name in ("done", "not_now", "wrong")]
    sheet.data_validation(
        1,
        answer,
        rows,
        answer,
        {
            "validate": "list",
            "source": words,
            "input_title": say("pick_title", language),
            "input_message": say("pick_text", language),
            "error_title": say("pick_title", language),
            "error_message": say("pick_error", language),
        },
    )
    sheet.data_validation(
        1,
        again,
        rows,
        again,
        {
            "validate": "date",
            "criteria": "between",
            "minimum": dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time()),
            "maximum": dt.datetime.combine(as_of + _LONGEST_WAIT, dt.time()),
            "input_title": say("day_title", language),
            "input_message": say("day_text", language),
            "error_title": say("day_title", language),
            "error_message": say("day_error", language, day=date(as_of, language)),
        },
    )


def _colour(book: Workbook, sheet: Worksheet, rows: int, language: Language) -> None:
    at = _place("tier")
    for tier, (ground, ink) in TIER_COLOURS.items():
        look = book.add_format({"bg_color": ground, "font_color": ink, "bold": True})
        word = TIERS[tier][language == "en"]
        rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": look}
        sheet.conditional_format(1, at, max(rows, 1), at, rule)


def _page(sheet: Worksheet, rows: int, title: str, language: Language) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.3, right=0.3, top=0.6, bottom=0.5)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.print_area(0, 0, max(rows, 1), _place("note"))
    # & begins a code in heads of pages; 255 characters is all they hold
    sheet.set_header(f"&L&10{title.replace('&', '&&')[:200]}")
    sheet.set_footer(f"&R&8{say('page', language)} &P {say('of', language)} &N")


def _explain(book: Workbook, sheet: Worksheet, entries: Entries, head: ListHead, context: ListContext) -> None:
    language = head.language or context.language
    lines = head_lines(entries, head, context, language)
    plain = book.add_format({**_FONT, "text_wrap": True, "quote_prefix": True})
    bold = book.add_format({**_FONT, "text_wrap": True, "bold": True, "quote_prefix": True})
    large = book.add_format({**_FONT, "bold": True, "font_size": 14, "quote_prefix": True})
    gone = entries.gone_rows_of(head.list_id)
    text = [
        (lines["title"], large),
        (f"{long_date(entries.as_of, language)} · {lines['count']}", plain),
        *([] if entries.rows_of(head.list_id) else [(say("nothing_to_do", language), bold)]),
        *((lines[name], plain) for name in ("stands_in", "waiting", "model", "compared") if lines[name]),
        *((notice, bold) for notice in lines["notices"]),
        ("", plain),
        (say("answer_title", language), bold),
        (say("answer_pick", language), plain),
        *((f"{words[language == 'en']}: {say(f'answer_{name}', language)}", plain) for name, words in ANSWERS.items()),
        (say("answer_return", language), plain),
        ("", plain),
        *((line, plain) for line in foot_lines(entries, context, language)),
    ]
    if gone:
        text += [("", plain), (say("gone_title", language), bold)]
        for row in gone:
            name = shown_name(row["name"], row["subject_id"], language)
            number = shown_id(row["subject_id"], language)
            text.append((f"{clean(name, language, NAME_CHARACTERS)} ({number}): {row[f'text_{language}']}", plain))
    sheet.set_column(0, 0, _ABOUT_WIDTH)
    sheet.hide_gridlines(2)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    for at, (line, look) in enumerate(text):
        sheet.set_row(at, 22 if look is large else _height([(line, _ABOUT_WIDTH)]))
        sheet.write_string(at, 0, line, look)
    sheet.protect("")


def _height(cells: Iterable[tuple[object, float]]) -> float:
    """Return the height of a row in points: not every program finds it out for itself."""
    lines = [_lines(value, max(1, int(width * _PER_WIDTH))) for value, width in cells if isinstance(value, str)]
    return min(_TALLEST, 4 + _LINE_HEIGHT * max(lines, default=1))


def _lines(text: str, width: int) -> int:
    """Return how many lines a text takes."""
    # most cells are short: they need no search for where a line may end
    return 1 if len(text) <= width and text.isprintable() and text.strip() else len(wrap(text, width))


def _place(column_id: str) -> int:
    return next(at for at, column in enumerate(COLUMNS) if column.id == column_id)
