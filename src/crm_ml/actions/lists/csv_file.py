"""A list as CSV that a German Excel opens right."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from crm_ml.actions.lists.cleaning import csv_phone, csv_text
from crm_ml.actions.lists.columns import COLUMNS, Language, ListColumn, heading
from crm_ml.actions.lists.look import Shown


def csv_bytes(rows: Sequence[Shown], language: Language) -> bytes:
    r"""Return the file: UTF-8 with BOM, ``;``, CRLF; German with decimal comma and ``dd.mm.yyyy``.

    English lists have a decimal point and ISO dates, and ``;`` as well: so no text with a comma is torn apart. A text
    that a spreadsheet would compute or change begins with ``'``; numbers are left alone, also negative ones.

    Examples
    --------
    >>> csv_bytes([], "de")[:10]
    b'\xef\xbb\xbfRang;Ve'
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow([heading(column, language) for column in COLUMNS])
    for row in rows:
        writer.writerow([_cell(column, row.cells[column.id], language) for column in COLUMNS])
    return buffer.getvalue().encode("utf-8-sig")


def _cell(column: ListColumn, value: object, language: Language) -> str:
    if value is None or value == "":
        return ""
    comma = "," if language == "de" else "."
    if column.kind == "date":
        return f"{value:%d.%m.%Y}" if language == "de" else f"{value:%Y-%m-%d}"
    if column.kind == "money":
        return f"{value:.2f}".replace(".", comma)
    if column.kind == "share":
        return f"{100 * float(str(value)):.1f}%".replace(".", comma)
    if column.kind == "number":
        return str(value)
    return csv_phone(str(value)) if column.id == "phone" else csv_text(str(value))
