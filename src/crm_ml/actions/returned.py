"""A list that comes back: CSV or XLSX, sorted, filtered, with columns moved or added, in either language."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from crm_ml.actions.lists.columns import COLUMNS, column_of
from crm_ml.errors import DataError

MAX_BYTES = 50_000_000
_MAX_UNPACKED = 500_000_000
_HEADING_WITHIN = 50
_DELIMITERS = ";,\t|"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_NEEDED = ("key", "answer")
_READ = (*_NEEDED, "subject_id", "again_on", "note")


@dataclass(frozen=True)
class ReturnedRow:
    """One row of a returned list, its cells as they stand there (text, number, date or None).

    Parameters
    ----------
    number : int
        Its row as a spreadsheet program shows it.
    key, subject_id, answer, again_on, note : object
    surplus : bool
        Whether something stands to the right of the last heading: the cells of the row have moved.
    """

    number: int
    key: Any = None
    subject_id: Any = None
    answer: Any = None
    again_on: Any = None
    note: Any = None
    surplus: bool = False


@dataclass(frozen=True)
class Returned:
    """A returned list as it was read.

    Parameters
    ----------
    name : str
        The file's name without its folder.
    sha256 : str
        Of its bytes.
    rows : tuple of ReturnedRow
        The rows in which anything stands.
    """

    name: str
    sha256: str
    rows: tuple[ReturnedRow, ...]


def read_returned(path: Path) -> Returned:
    r"""Read a list that came back, by what it holds and not by the end of its name.

    Parameters
    ----------
    path : Path
        A CSV (UTF-8, UTF-16 with its mark, or Windows-1252; ``;``, ``,``, tab or ``|``) or a spreadsheet.

    Returns
    -------
    Returned

    Raises
    ------
    DataError
        If the file is missing, unreadable or damaged, or no row of it holds the headings of the key and the answer.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "AM1.csv"
    >>> _ = file.write_text("Antwort;Schlüssel\nerledigt;20260302-ABCDEFGHIJKL\n", encoding="utf-8-sig")
    >>> read_returned(file).rows
    (ReturnedRow(number=2, key='20260302-ABCDEFGHIJKL', subject_id=None, answer='erledigt', again_on=None, ...),)
    """
    raw, name = _bytes_of(path), shown_path(Path(path.name))
    sheets = _sheets(raw, name) if raw.startswith(_WORKBOOKS) else [_csv_cells(raw, name)]
    for cells in sheets:
        found = _heading(cells, name)
        if found is not None:
            rows = _rows(cells, *found)
            return Returned(name, hashlib.sha256(raw).hexdigest(), tuple(rows))
    key, answer = (next(c for c in COLUMNS if c.id == name) for name in _NEEDED)
    raise DataError(
        f"{name} is no list of this workspace: no row holds the headings {key.de} and {answer.de} "
        f"({key.en} and {answer.en})",
        remedy="Give the file that was sent out, with its row of headings.",
        code="not_a_list",
    )


def shown_path(path: Path) -> str:
    r"""Return a path as text that can be written anywhere, also where its bytes are no UTF-8.

    Examples
    --------
    >>> shown_path(Path("AM\udcff.csv"))
    'AM\\udcff.csv'
    """
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DataError(f"There is no file {shown_path(path)}", remedy="Check the name.", code="missing_file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{shown_path(path)} cannot be read: {reason}",
            remedy="Check the path and its rights.",
            code="unreadable_file",
        ) from None
    if len(raw) > MAX_BYTES:
        raise _unreadable(shown_path(path), f"is larger than {MAX_BYTES // 1_000_000} MB, which no list is")
    return raw


def _unreadable(name: str, what: str) -> DataError:
    return DataError(
        f"{name} {what}",
        remedy="Open it in a spreadsheet program, save it again as .xlsx without a password, and import that.",
        code="unreadable_file",
    )


# spreadsheets


def _sheets(raw: bytes, name: str) -> Iterable[list[list[Any]]]:
    import python_calamine as calamine

    try:
        if raw.startswith(_WORKBOOKS[0]):
            with zipfile.ZipFile(io.BytesIO(raw)) as parts:
                if sum(part.file_size for part in parts.infolist()) > _MAX_UNPACKED:
                    raise ValueError("it unpacks to more than 500 MB")
                spoilt = parts.testzip()  # the parser does not look at the checksums: a flipped bit is another key
            if spoilt:
                raise ValueError("a checksum is wrong")
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        return [book.get_sheet_by_name(sheet).to_python(skip_empty_area=False) for sheet in book.sheet_names]
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # only a panic of the parser, which is not Python, is a fault of the file
        found = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise _unreadable(name, f"is damaged, protected or no spreadsheet ({found})") from None


# CSV


def _csv_cells(raw: bytes, name: str) -> list[list[Any]]:
    text = _decoded(raw, name)
    first, _, rest = text.partition("\n")
    told = first.strip().lower()
    if told.startswith("sep=") and len(told) <= len("sep=;"):
        text = rest  # a line for Excel, which does not show it
    limit = csv.field_size_limit(MAX_BYTES)  # a note may be longer than the module expects
    try:
        known = {mark: _headings(islice(_reader(text, mark), _HEADING_WITHIN)) for mark in _DELIMITERS}
        return list(_reader(text, max(known, key=lambda mark: known[mark])))
    except csv.Error as error:
        raise _unreadable(name, f"cannot be read as CSV ({error})") from None
    finally:
        csv.field_size_limit(limit)


def _reader(text: str, delimiter: str) -> Iterator[list[Any]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _headings(rows: Iterable[Sequence[Any]]) -> int:
    """Return how many cells of the best of these rows are headings of a list."""
    counts = (sum(column_of(cell) is not None for cell in row if isinstance(cell, str)) for row in rows)
    return max(counts, default=0)


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _unreadable(name, "is neither UTF-8 nor Windows-1252 text, and no spreadsheet")


# headings and rows


def _heading(cells: list[list[Any]], name: str) -> tuple[int, dict[str, int]] | None:
    """Return the place of the row of headings and the place of each column that is read."""
    for place, row in enumerate(cells[:_HEADING_WITHIN]):
        found: dict[str, list[int]] = {}
        for at, cell in enumerate(row):
            column = column_of(cell) if isinstance(cell, str) else None
            if column is not None:
                found.setdefault(column.id, []).append(at)
        if all(needed in found for needed in _NEEDED):
            return place, {column: _one(found[column], column, row, name) for column in _READ if column in found}
    return None


def _one(places: list[int], column_id: str, row: Sequence[Any], name: str) -> int:
    """Of several columns of one meaning, return the one in the language of the list: "Note" may be an own column."""
    if len(places) == 1:
        return places[0]
    column = next(c for c in COLUMNS if c.id == column_id)
    words = Counter(_plain(cell) for cell in row if isinstance(cell, str))
    german = sum(_plain(c.de) in words for c in COLUMNS)
    english = sum(_plain(c.en) in words for c in COLUMNS)
    wanted = _plain(column.de if german >= english else column.en)
    exact = [place for place in places if _plain(row[place]) == wanted]
    if len(exact) != 1:
        raise DataError(
            f'{name} has {len(places)} columns "{row[places[0]]}"',
            remedy="Give one of them another heading.",
            code="duplicate_column",
        )
    return exact[0]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _rows(cells: list[list[Any]], head: int, places: dict[str, int]) -> Iterable[ReturnedRow]:
    width = max((at + 1 for at, cell in enumerate(cells[head]) if not _blank(cell)), default=0)
    for number, row in enumerate(cells[head + 1 :], head + 2):
        if all(_blank(cell) for cell in row):
            continue
        kept = {name: row[at] for name, at in places.items() if at < len(row) and not _blank(row[at])}
        yield ReturnedRow(number, **kept, surplus=any(not _blank(cell) for cell in row[width:]))


def _blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
