"""A first mapping for a folder of files, by names, types and content; it says what it guessed and what is open."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import CrmError
from crm_ml.tables import synonyms
from crm_ml.tables.mapping import SourceSpec, TableMapping
from crm_ml.tables.place import Place
from crm_ml.tables.read import open_source, read_tables, rules_of
from crm_ml.tables.schemas import SCHEMAS, Column, Schema
from crm_ml.tables.sealed import Sealed, literal, quoted
from crm_ml.tables.sniff import sniff_csv
from crm_ml.tables.sources import SourceFault
from crm_ml.tables.synonyms import fold
from crm_ml.tables.values import attribute_type

_SUFFIXES: Final = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
_SAMPLE = 2000
_FILE_HIT = 10.0


@dataclass(frozen=True)
class Proposal:
    """A proposed mapping.

    Parameters
    ----------
    mapping : dict
        What belongs under ``tables:`` in ``crm.yaml``.
    guesses : tuple of str
        What was taken from names and content.
    questions : tuple of str
        What a person must decide.
    """

    mapping: dict[str, dict[str, Any]]
    guesses: tuple[str, ...]
    questions: tuple[str, ...]

    zone: str = "Europe/Berlin"
    currency: str = "EUR"

    @property
    def text(self) -> str:
        """A whole ``crm.yaml``, with guesses and open questions as comments."""
        import yaml

        head = {"version": 1, "currency": self.currency, "timezone": self.zone, "language": "de"}
        said = [f"guessed: {line}" for line in self.guesses] + [f"open: {line}" for line in self.questions]
        comments = "".join(f"# {_one_line(line)}\n" for line in said)
        body = yaml.safe_dump({**head, "tables": self.mapping}, sort_keys=False, allow_unicode=True, width=120)
        return f"{comments}{body}"


@dataclass
class _Look:
    """One file (or several of the same shape) as it was seen."""

    files: list[str]
    spec: dict[str, Any]
    sample: pa.Table
    kinds: dict[str, str]
    guesses: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    untyped: bool = False


@dataclass
class _Match:
    """How well a look fits a table."""

    table: str
    look: _Look
    columns: dict[str, Any]
    score: float
    guesses: list[str]


def propose_mapping(
    folder: Path, *, root: Path | None = None, zone: str = "Europe/Berlin", currency: str = "EUR"
) -> Proposal:
    r"""Propose how the files of a folder map to the canonical tables.

    Parameters
    ----------
    folder : Path
        Parquet, CSV and XLSX files in it and in its sub-folders.
    root : Path, optional
        The workspace; sources inside it are written relative to it. Others (and all without it) are absolute.
    zone, currency : str
        Used when the proposal is tried out on the files.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "Auftraege.csv").write_text("BestellNr;KdNr;Datum;Netto\nA1;007;31.01.2025;1.234,50\n")
    >>> proposal = propose_mapping(folder, root=folder)
    >>> proposal.mapping["order_lines"]["source"]
    {'path': 'Auftraege.csv', 'delimiter': ';', 'decimal': ',', 'date_format': '%d.%m.%Y'}
    >>> proposal.mapping["order_lines"]["columns"]
    {'order_id': 'BestellNr', 'customer_id': 'KdNr', 'ordered_at': 'Datum', 'net_amount': 'Netto'}
    """
    folder, base = folder.absolute(), None if root is None else root.absolute()
    guesses: list[str] = []
    questions: list[str] = []
    looks = _looks(folder, base, questions)
    matches = [match for look in looks for table in SCHEMAS if (match := _match(look, SCHEMAS[table])) is not None]
    matches.sort(key=lambda match: (-match.score, match.table, match.look.files))
    taken: dict[str, _Match] = {}
    used: list[_Look] = []
    for match in matches:
        if match.table not in taken and not any(match.look is look for look in used):
            taken[match.table] = match
            used.append(match.look)
    for look in looks:
        if not any(look is other for other in used):
            questions.append(f"{look.files[0]}: no table was recognised (columns: {', '.join(look.kinds)})")
    mapping = {}
    for table in SCHEMAS:
        if table in taken:
            mapping[table] = _entry(taken[table])
            guesses.extend([*taken[table].look.guesses, *taken[table].guesses])
            questions.extend(taken[table].look.questions)
    _try_out(mapping, base or folder, zone, currency, guesses, questions)
    questions.append(f"amounts are taken as {currency}, times without a zone as {zone}: is that so?")
    return Proposal(mapping, tuple(guesses), tuple(dict.fromkeys(questions)), zone, currency)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


# looking at files


def _looks(folder: Path, base: Path | None, questions: list[str]) -> list[_Look]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    looks: dict[tuple[Any, ...], _Look] = {}
    for file in files:
        if any(part.startswith((".", "~$")) for part in file.relative_to(folder).parts):
            continue
        name = file.relative_to(base).as_posix() if base and file.is_relative_to(base) else str(file)
        try:
            look = _look(file, name, base or folder)
        except (SourceFault, CrmError, UnicodeError, OSError, duckdb.Error, pa.ArrowException) as error:
            questions.append(
                f"{name}: cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
            )
            continue
        # files of one shape whose names differ in digits only are one source
        pattern = re.sub(r"\d[\d_.-]*", "*", file.stem) + file.suffix
        key = (file.parent, pattern, tuple(look.kinds)) if "*" in pattern else (file,)
        known = looks.get(key)
        if known is None:
            looks[key] = look
        elif all(known.spec.get(word, value) == value for word, value in look.spec.items() if word != "path"):
            known.files.append(name)
            known.spec.update({**look.spec, "path": name.removesuffix(file.name) + pattern})
        else:
            looks[file,] = look
    return list(looks.values())


def _look(file: Path, name: str, base: Path) -> _Look:
    guesses, questions = [], []
    dates: set[str] = set()
    spec: dict[str, Any] = {"path": name}
    if file.suffix.lower() in (".csv", ".tsv", ".txt"):
        sniffed = sniff_csv(file)
        spec = {**sniffed.spec, "path": name}
        guesses, questions, dates = sniffed.guesses, sniffed.questions, sniffed.dates
    source = SourceSpec.model_validate(spec)
    opened = open_source(source, base)
    rules = rules_of(source)
    with Sealed(zone="UTC", rules=rules, files=opened.files, table=opened.table, view=opened.view) as sealed:
        sample = sealed.sample(_SAMPLE)
    place = Place("", "", "UTC", rules=rules, untyped=opened.untyped or file.suffix.lower().startswith(".xls"))
    kinds = {}
    for column in sample.column_names:
        array = sample[column].combine_chunks()
        kinds[column] = "empty" if array.null_count == len(array) else str(attribute_type(array, place))
        if column in dates:  # 20261231 is a number as well
            kinds[column] = "instant"
    return _Look([name], spec, sample, kinds, guesses, questions, opened.untyped)


# matching


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _name_score(schema: Schema, column: str, folded: str) -> float:
    if folded == fold(column):
        return 3.0
    if folded in _words(synonyms.COLUMNS.get(schema.name, {}).get(column, "")):
        return 2.0
    return 1.5 if folded in _words(synonyms.COLUMNS[""].get(column, "")) else 0.0


def _fits(column: Column, kind: str) -> bool:
    if kind == "empty" or column.type == "text":
        return kind != "bool"
    if column.type == "bool":
        return kind in ("bool", "float", "text")
    return kind == ("instant" if column.type == "instant" else "float")


def _match(look: _Look, schema: Schema) -> _Match | None:
    scored = [
        (score, -place, column.name, name)
        for place, column in enumerate(schema.columns)
        for name, kind in look.kinds.items()
        if _fits(column, kind) and (score := _name_score(schema, column.name, fold(name)))
    ]
    columns: dict[str, Any] = {}
    for _, _, column, name in sorted(scored, key=lambda entry: (-entry[0], -entry[1])):
        if column not in columns and name not in columns.values():
            columns[column] = name
    file_words = {fold(re.sub(r"[\d_.-]+", " ", part)) for part in _stem_parts(look.files[0])}
    hit = bool(file_words & ({fold(schema.name)} | _words(synonyms.FILES[schema.name])))
    guesses: list[str] = []
    missing = [column for column in schema.columns if column.required and column.name not in columns]
    if hit:
        for absent in missing:
            found = _by_content(look, schema, absent, columns)
            if found is not None:
                columns[absent.name] = found
                what = found if isinstance(found, str) else found["sql"]
                guesses.append(f"{schema.name}: {absent.name} is taken from {what} by its content")
        missing = [column for column in missing if column.name not in columns]
    if missing or not columns:
        return None
    required = sum(column.required for column in schema.columns)
    score = (_FILE_HIT if hit else 0.0) + required + 0.5 * (len(columns) - required)
    renamed = [f"{column} = {name}" for column, name in columns.items() if isinstance(name, str) and name != column]
    if renamed:
        guesses.insert(0, f"{schema.name}: by name: {', '.join(renamed)}")
    if not hit:
        guesses.insert(0, f"{schema.name}: {look.files[0]} was recognised by its columns")
    order = [column for column in schema.column_names if column in columns]
    return _Match(schema.name, look, {column: columns[column] for column in order}, score, guesses)


def _stem_parts(path: str) -> list[str]:
    file = Path(path)
    words = re.split(r"[\s_.-]+", file.stem)
    pairs = [a + b for a, b in itertools.pairwise(words)]
    return [file.stem, *words, *pairs, file.parent.name]


def _by_content(look: _Look, schema: Schema, column: Column, columns: Mapping[str, Any]) -> Any:
    free = [name for name in look.kinds if name not in columns.values()]
    if column.name == "net_amount" and "quantity" in columns:
        price = [name for name in free if fold(name) in _words(synonyms.PRICE) and look.kinds[name] == "float"]
        if price:
            both = [quoted(columns["quantity"]), quoted(price[0])]
            return {"sql": " * ".join(f"number({name})" if look.untyped else name for name in both)}
    if column.type == "instant":
        times = [name for name in free if look.kinds[name] == "instant"]
        return times[0] if len(times) == 1 else None
    if column.type == "money":
        numbers = [name for name in free if look.kinds[name] == "float"]
        return numbers[0] if len(numbers) == 1 else None
    if column.name in schema.key:
        unique = [name for name in free if look.kinds[name] in ("text", "float") and _unique(look.sample[name])]
        return unique[0] if len(unique) == 1 else None
    return None


def _unique(values: pa.ChunkedArray) -> bool:
    return bool(len(values) and values.null_count == 0 and pc.count_distinct(values).as_py() == len(values))


# writing


def _entry(match: _Match) -> dict[str, Any]:
    look, schema = match.look, SCHEMAS[match.table]
    spec = look.spec if len(look.spec) > 1 else look.spec["path"]
    columns = dict(match.columns)
    for column in schema.columns:
        name = columns.get(column.name)
        if column.values and isinstance(name, str):
            case = _vocabulary(look.sample[name], column, name)
            if case is not None:
                columns[column.name] = {"sql": case}
                match.guesses.append(f"{schema.name}: the values of {name} were translated to those of {column.name}")
    same = {column for column in schema.column_names if column in look.kinds}
    entry: dict[str, Any] = {"source": spec}
    if any(column != name for column, name in columns.items()) or same != set(columns):
        entry["columns"] = columns
    if schema.extra:
        used = set(map(str, match.columns.values()))
        own = [name for name in look.kinds if name not in used]
        if own:
            look.questions.append(f"{schema.name}: {', '.join(own)} could be `attributes`: when were they known?")
    return entry


def _vocabulary(values: pa.ChunkedArray, column: Column, name: str) -> str | None:
    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        return None
    distinct = [value for value in pc.unique(values).to_pylist() if value]
    if len(distinct) > 50 or all(value in column.values for value in distinct):
        return None
    words = synonyms.VALUES.get(column.name, {})
    pairs = []
    for value in sorted(distinct):
        folded = fold(value)
        target = next((v for v in column.values if folded == fold(v) or folded in _words(words.get(v, ""))), None)
        if target is None:
            return None
        if target != value:
            pairs.append(f"WHEN {literal(value)} THEN {literal(target)}")
    return f"CASE {quoted(name)} {' '.join(pairs)} ELSE {quoted(name)} END"


def _try_out(
    mapping: dict[str, dict[str, Any]], base: Path, zone: str, currency: str, guesses: list[str], questions: list[str]
) -> None:
    """Read with the proposal: rows without a key are left out by `where`, other errors become questions."""
    for _ in range(2):
        models = {table: TableMapping.model_validate(entry) for table, entry in mapping.items()}
        tables = read_tables(models, root=base, zone=zone, currency=currency, strict=False)
        errors = [finding for finding in tables.findings if finding.severity == "error"]
        empty = [finding for finding in errors if finding.code == "null_required" and finding.table in mapping]
        if not empty:
            break
        for finding in empty:
            spec = mapping[finding.table].get("columns", {}).get(finding.column, finding.column)
            sql = quoted(spec) if isinstance(spec, str) else f"({spec['sql']})"
            before = mapping[finding.table].get("where")
            clause = f"{sql} IS NOT NULL"
            mapping[finding.table]["where"] = f"{before} AND {clause}" if before else clause
            guesses.append(f"{finding.table}: {finding.count} rows without {finding.column} are left out by `where`")
    for finding in errors:
        if finding.code != "null_required" or finding not in empty:
            questions.append(str(finding))
    if n.ORDER_LINES not in mapping and n.LEADS not in mapping:
        questions.append("neither order_lines nor leads were found: scoring needs one of them")
