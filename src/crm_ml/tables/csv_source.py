"""CSV: declared delimiter, encoding and quote; every value read as text, nothing guessed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from crm_ml.errors import EXAMPLES_SHOWN
from crm_ml.tables.mapping import SourceSpec
from crm_ml.tables.room import MEMORY, Room
from crm_ml.tables.sources import Opened, SourceFault, check_readable, shown

_DELIMITERS = ";\t|,"
_BLOCK = 1 << 24
_CHUNK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def open_csv(files: Sequence[Path], spec: SourceSpec, root: Path, room: Room = MEMORY) -> Opened:
    """Read all files as text columns, put together by name and kept in a room; raises `SourceFault`."""
    tables = {}
    for file in files:
        check_readable(file, root)
        check_encoding(file, spec, root)
        tables[shown(file, root)] = _read(file, spec, root, room)
    table = (
        pa.concat_tables(tables.values(), promote_options="default") if len(tables) > 1 else next(iter(tables.values()))
    )
    per_file = {name: frozenset(part.column_names) for name, part in tables.items()}
    return Opened(per_file, table=table, untyped=True)


def check_encoding(file: Path, spec: SourceSpec, root: Path) -> None:
    """Raise `SourceFault` where the bytes are not what the declared encoding says."""
    name = shown(file, root)
    try:
        "".encode(spec.encoding)
        decoder = codecs.getincrementaldecoder(spec.encoding)()
    except LookupError:
        raise SourceFault(
            "unknown_encoding",
            f"{spec.encoding!r} is not a known text encoding",
            "Declare utf-8, cp1252 (Windows), latin-1 or utf-16",
        ) from None
    single = len("ü".encode(spec.encoding, "replace")) == 1
    also_utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")() if single else None
    place, line, foreign = 0, 1, False
    with file.open("rb") as stream:
        first = stream.read(4)
        stream.seek(0)
        while True:
            chunk = stream.read(_CHUNK)
            try:
                kept = len(getattr(decoder, "buffer", b"") or b"")
                decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                at = max(getattr(error, "start", 0) - kept, 0)
                line += chunk[:at].count(b"\n")
                raise SourceFault(
                    "wrong_encoding",
                    f"{name} is not {spec.encoding}: byte {place + at} in line {line} cannot be decoded",
                    f"Declare how the file is written, `source: {{path: ..., encoding: {_likely(first, spec)}}}`",
                    examples=[chunk[max(at - 10, 0) : at + 10].decode("ascii", "backslashreplace")],
                ) from None
            if also_utf8 is not None:
                try:
                    also_utf8.decode(chunk, final=not chunk)
                    foreign = foreign or not chunk.isascii()
                except UnicodeDecodeError:
                    also_utf8 = None
            if not chunk:
                break
            place += len(chunk)
            line += chunk.count(b"\n")
    if also_utf8 is not None and foreign:
        raise SourceFault(
            "wrong_encoding",
            f"{name} is declared as {spec.encoding} but is written in utf-8: ü would be read as Ã¼",
            "Declare `encoding: utf-8`",
        )


def _likely(first: bytes, spec: SourceSpec) -> str:
    for mark, name in _BOMS:
        if first.startswith(mark) and codecs.lookup(spec.encoding).name != codecs.lookup(name).name:
            return name
    return "cp1252" if codecs.lookup(spec.encoding).name != "cp1252" else "latin-1"


def header_of(file: Path, spec: SourceSpec, root: Path) -> tuple[list[str], int]:
    """Return the column names and how many lines stand before the data."""
    encoding = "utf-8-sig" if codecs.lookup(spec.encoding).name == "utf-8" else spec.encoding
    name = shown(file, root)
    with file.open(encoding=encoding, newline="") as stream:
        for _ in range(spec.header - 1):
            stream.readline()
        reader = csv.reader(stream, delimiter=spec.delimiter, quotechar=spec.quote)
        try:
            cells = next(reader, [])
        except (csv.Error, UnicodeError) as error:
            raise SourceFault(
                "unreadable_file", f"the header of {name} cannot be read ({error})", "Check `delimiter` and `quote`"
            ) from error
        lines = spec.header - 1 + reader.line_num
    names = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, 1)]
    if not any(cell.strip() for cell in cells):
        raise SourceFault(
            "unreadable_file", f"line {spec.header} of {name} holds no column names", "Check `header` and the file"
        )
    if len(names) == 1:
        others = [mark for mark in _DELIMITERS if mark != spec.delimiter and mark in names[0]]
        if others:
            best = max(others, key=names[0].count)
            raise SourceFault(
                "wrong_delimiter",
                f"{name} has one column with delimiter {spec.delimiter!r}: {names[0]!r}",
                f"Declare the delimiter, `source: {{path: ..., delimiter: {_yaml(best)}}}`",
                examples=[names[0]],
            )
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise SourceFault(
            "duplicate_column",
            f"{name} has columns of the same name: {', '.join(twice)}",
            "Rename them in the export",
            examples=twice,
        )
    return names, lines


def _yaml(mark: str) -> str:
    return '"\\t"' if mark == "\t" else f'"{mark}"'


def _read(file: Path, spec: SourceSpec, root: Path, room: Room) -> pa.Table:
    names, lines = header_of(file, spec, root)
    bad: list[Any] = []

    def note(row: Any) -> str:
        bad.append((row.text, row.actual_columns) if len(bad) < EXAMPLES_SHOWN else None)
        return "skip"

    block = _BLOCK
    while True:
        bad.clear()
        try:
            table = _parsed(
                room,
                file,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, skip_rows=lines, encoding=_arrow_encoding(spec), block_size=block
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=spec.delimiter,
                    quote_char=spec.quote,
                    newlines_in_values=True,
                    invalid_row_handler=note,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""]
                ),
            )
            break
        except (pa.ArrowException, UnicodeError, OSError, ValueError) as error:
            text = str(error)
            if "skip initial" in text or "Empty CSV" in text:  # a header and nothing behind it
                return pa.table({name: pa.array([], pa.string()) for name in names})
            if "straddl" in text and block <= file.stat().st_size * 4:  # one row larger than a block
                block *= 8
                continue
            raise SourceFault(
                "unreadable_file",
                f"{shown(file, root)} cannot be read as CSV ({text.splitlines()[0] if text else type(error).__name__})",
                "Check `delimiter`, `quote` and the file",
            ) from error
    if bad:
        shown_rows = [text for text, _ in filter(None, bad)]
        found = bad[0][1]
        raise SourceFault(
            "wrong_column_count",
            f"{shown(file, root)} has {len(names)} columns in its header, but {len(bad)} rows have another number "
            f"(the first: {found})",
            "Check `delimiter` and `quote`; a text with the delimiter in it must stand in quotes",
            count=len(bad),
            examples=shown_rows,
        )
    return table


def _parsed(room: Room, file: Path, **options: Any) -> pa.Table:
    if not room.on_disk:
        return arrow_csv.read_csv(file, **options)
    with arrow_csv.open_csv(file, **options) as reader:
        return room.gathered(reader)


def _arrow_encoding(spec: SourceSpec) -> str:
    return "utf8" if codecs.lookup(spec.encoding).name in ("utf-8", "utf-8-sig") else spec.encoding
