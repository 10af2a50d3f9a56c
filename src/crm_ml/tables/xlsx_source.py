"""XLSX: one sheet as columns of numbers, times, truth values or text."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_ml.errors import did_you_mean
from crm_ml.tables.loose import cell_text
from crm_ml.tables.mapping import SourceSpec
from crm_ml.tables.sealed import first_line
from crm_ml.tables.sources import Opened, SourceFault, check_readable, shown

_WHOLE = 2**53


def open_xlsx(files: Sequence[Path], spec: SourceSpec, root: Path) -> Opened:
    """Read the sheet of all files, put together by name; raises `SourceFault`."""
    columns: dict[str, list[Any]] = {}
    per_file: dict[str, frozenset[str]] = {}
    rows = 0
    for file in files:
        names, body = _read(file, spec, root)
        per_file[shown(file, root)] = frozenset(names)
        for name in names:
            columns.setdefault(name, [None] * rows)
        for place, name in enumerate(names):
            columns[name].extend(row[place] for row in body)
        rows += len(body)
        for cells in columns.values():
            cells.extend([None] * (rows - len(cells)))
    arrays = {name: _column(cells, spec.decimal or "") for name, cells in columns.items()}
    return Opened(per_file, table=pa.table(arrays))


def _read(file: Path, spec: SourceSpec, root: Path) -> tuple[list[str], list[list[Any]]]:
    import python_calamine as calamine

    name = shown(file, root)
    check_readable(file, root)
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as parts:
                if parts.testzip():  # the parser does not look at the checksums: a flipped bit is another value
                    raise ValueError("a checksum is wrong")
        book = calamine.CalamineWorkbook.from_path(str(file))
        sheets = list(book.sheet_names)
        sheet = _sheet(sheets, spec, name)
        cells: list[list[Any]] = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except SourceFault:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # the parser is not Python: a panic in it is no Exception
        raise SourceFault(
            "unreadable_file",
            f"{name} is damaged, protected or not an XLSX file ({first_line(error)})",
            "Open it in a spreadsheet program and save it again as .xlsx without a password",
        ) from error
    if len(cells) < spec.header or not any(str(cell).strip() for cell in cells[spec.header - 1]):
        raise SourceFault(
            "unreadable_file",
            f'line {spec.header} of sheet "{sheet}" in {name} holds no column names',
            "Check `sheet` and `header`",
        )
    head = [(cell_text(cell) or "").strip() for cell in cells[spec.header - 1]]
    while head and not head[-1]:
        head.pop()
    names = [cell or f"column_{number}" for number, cell in enumerate(head, 1)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise SourceFault(
            "duplicate_column",
            f"{name} has columns of the same name: {', '.join(twice)}",
            "Rename them in the sheet",
            examples=twice,
        )
    body = [row[: len(names)] for row in cells[spec.header :]]
    return names, [row for row in body if any(cell != "" for cell in row)]


def _sheet(sheets: list[str], spec: SourceSpec, name: str) -> str:
    if not sheets:
        raise SourceFault("unreadable_file", f"{name} has no sheet", "Check the file")
    if spec.sheet is None:
        return sheets[0]
    if isinstance(spec.sheet, int) and 1 <= spec.sheet <= len(sheets):
        return sheets[spec.sheet - 1]
    if spec.sheet in sheets:
        return str(spec.sheet)
    raise SourceFault(
        "missing_sheet",
        f"{name} has no sheet {spec.sheet!r}, only {', '.join(sheets)}.{did_you_mean(str(spec.sheet), sheets)}".rstrip(
            "."
        ),
        "Correct `sheet`",
    )


def _column(cells: list[Any], decimal: str) -> pa.Array:
    """Return the cells of one column in their common type; mixed ones as text."""
    values = [None if cell == "" else cell for cell in cells]
    kinds = {
        bool if isinstance(v, bool) else float if isinstance(v, int | float) else _time(v)
        for v in values
        if v is not None
    }
    if kinds == {float}:
        if all(v is None or (v == int(v) and abs(v) <= _WHOLE) for v in values):
            return pa.array([None if v is None else int(v) for v in values], pa.int64())
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {datetime}:
        stamps = [v if isinstance(v, datetime) or v is None else datetime(v.year, v.month, v.day) for v in values]  # noqa: DTZ001
        return pa.array(stamps, pa.timestamp("us"))
    return pa.array([cell_text(v, decimal) for v in values], pa.string())


def _time(value: Any) -> type:
    return datetime if isinstance(value, datetime | date) else str
