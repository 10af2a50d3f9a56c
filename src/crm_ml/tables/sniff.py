"""Looking at a CSV file to propose how it is written: guesses that are said, and declared in ``crm.yaml``."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from crm_ml.tables.parsing import TextRules, parse_number
from crm_ml.tables.times import WRONG, text_to_instants

_SAMPLE_LINES = 2000
_DELIMITERS: Final = (";", ",", "\t", "|")
_FORMATS: Final = (
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M"),
    *("%m/%d/%Y %H:%M", "%d-%m-%Y", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y%m%d"),
)
_DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}( .*)?|(19|20)\d{6}", re.ASCII)


@dataclass
class Sniffed:
    """The declared keys of a source as guessed, what was guessed, and what stays open."""

    spec: dict[str, Any]
    columns: dict[str, list[str]]
    guesses: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    dates: set[str] = field(default_factory=set)


def sniff_csv(file: Path) -> Sniffed:
    """Guess encoding, delimiter, decimal mark and date format of a CSV file from its first lines."""
    encoding = _encoding(file)
    with file.open(encoding=encoding, newline="") as stream:
        lines = [line for _, line in zip(range(_SAMPLE_LINES), stream, strict=False)]
    delimiter = _delimiter(lines)
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    names = [cell.strip().lstrip("\ufeff") for cell in rows[0]] if rows else []
    body = [row for row in rows[1:] if len(row) == len(names)]
    columns = {name: [row[place] for row in body if row[place].strip()] for place, name in enumerate(names)}
    spec: dict[str, Any] = {"path": file.name}
    said = []
    if delimiter != ",":
        spec["delimiter"] = delimiter
        said.append(f"delimiter {delimiter!r}")
    if encoding not in ("utf-8", "utf-8-sig"):
        spec["encoding"] = encoding
        said.append(f"encoding {encoding}")
    sniffed = Sniffed(spec, columns)
    _decimal(sniffed, delimiter, said)
    _date_format(sniffed, said)
    if said:
        sniffed.guesses.append(f"{file.name}: {', '.join(said)}")
    sniffed.questions = [f"{file.name}: {question}" for question in sniffed.questions]
    return sniffed


def _encoding(file: Path) -> str:
    with file.open("rb") as stream:
        first = stream.read(4)
        if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            stream.seek(0)
            # cp1252 has five bytes without a meaning; latin-1 takes all
            undefined = set(b"\x81\x8d\x8f\x90\x9d")
            return (
                "latin-1"
                if any(undefined & set(chunk) for chunk in iter(lambda: stream.read(1 << 20), b""))
                else "cp1252"
            )
    return "utf-8-sig" if first.startswith(codecs.BOM_UTF8) else "utf-8"


def _delimiter(lines: Sequence[str]) -> str:
    best, best_width = ",", 1
    for mark in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines[:50], delimiter=mark) if row]
        except csv.Error:
            continue
        if widths and min(widths) == max(widths) > best_width:
            best, best_width = mark, widths[0]
    return best


def _decimal(sniffed: Sniffed, delimiter: str, said: list[str]) -> None:
    votes = {",": 0, ".": 0}
    doubtful = []
    for name, texts in sniffed.columns.items():
        if not texts or any(re.match(r"\s*0\d", text) for text in texts):
            continue
        read = {mark: [parse_number(text, TextRules(decimal=mark)) for text in texts] for mark in votes}
        fits = {mark: not any(isinstance(number, str) for number in numbers) for mark, numbers in read.items()}
        marked = any("," in text or "." in text for text in texts)
        if not marked:
            continue
        if fits[","] and fits["."]:
            doubtful.append(name)
        elif fits[","] or fits["."]:
            votes["," if fits[","] else "."] += 1
    if votes[","] and votes["."]:
        sniffed.questions.append("some columns look like decimal comma, others like decimal point: declare `decimal`")
    elif votes[","]:
        sniffed.spec["decimal"] = ","
        said.append('decimal ","')
    elif doubtful:
        mark = "," if delimiter == ";" else "."
        sniffed.spec["decimal"] = mark
        said.append(f'decimal "{mark}"')
        listed = ", ".join(doubtful)
        sniffed.questions.append(f"numbers such as 1.234 in {listed} have two readings: check `decimal`")
    elif votes["."] and any(parse_number(text) == "ambiguous_number" for text in _flat(sniffed.columns.values())):
        sniffed.spec["decimal"] = "."
        said.append('decimal "."')


def _flat(columns: Iterable[list[str]]) -> Iterable[str]:
    return (text for texts in columns for text in texts)


def _date_format(sniffed: Sniffed, said: list[str]) -> None:
    formats: list[str] = []
    for name, texts in sniffed.columns.items():
        if not texts or not all(_DATE_LIKE.fullmatch(text.strip()) for text in texts[:50]) or is_iso(texts):
            continue
        fitting = [form for form in _FORMATS if _fits(texts, form)]
        if not fitting:
            continue
        sniffed.dates.add(name)
        if fitting[0] not in formats:
            formats.append(fitting[0])
        if len(fitting) > 1:
            sniffed.questions.append(f"dates in {name} fit {' and '.join(fitting)}: {fitting[0]} was taken")
    if formats:
        sniffed.spec["date_format"] = formats[0] if len(formats) == 1 else formats
        said.append(f"date format {' or '.join(formats)}")


def _fits(texts: Sequence[str], form: str) -> bool:
    stamps = pd.to_datetime(pd.Index([text.strip() for text in texts], dtype=object), format=form, errors="coerce")
    years = stamps.year
    return bool(stamps.notna().all() and ((years > 1950) & (years < 2100)).all())


def is_iso(texts: Sequence[str]) -> bool:
    """Whether all texts are ISO 8601 dates or times."""
    import pyarrow as pa

    return bool(texts) and not (text_to_instants(pa.array(list(texts)), (), "UTC")[1] == WRONG).any()
