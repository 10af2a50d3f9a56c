"""SQL of a mapping: one expression over the columns of its source, run where nothing else can be reached.

Two fences, each enough for most of what can be tried. The text must parse as one expression without sub-queries,
tables, parameters or functions that look at the clock, at settings or at chance. And the connection it runs in has no
file system beyond the declared files, no network, no Python objects and locked settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from crm_ml.tables.parsing import TextRules

SOURCE: Final = "source"
_BATCH_ROWS: Final = 1 << 18
_LOCKS: Final = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET lock_configuration = true",
)
_REFUSED_CLASSES: Final = {
    "SUBQUERY": "a sub-query",
    "PARAMETER": "a parameter",
    "STAR": "a star",
    "DEFAULT": "DEFAULT",
    "POSITIONAL_REFERENCE": "a positional reference",
}
_REFUSED_PREFIXES: Final = ("pg_", "has_", "inet_", "current_", "duckdb_", "read_", "parquet_")
_REFUSED_NAMES: Final = frozenset(
    {
        *("getenv", "getvariable", "user", "session_user", "ago", "get_block_size", "query", "query_table", "glob"),
        *("unnest", "generate_subscripts", "version", "sleep_ms", "write_log", "localtime", "localtimestamp"),
        *("regexp_split_to_table", "unlist", "json_execute_serialized_sql", "from_substrait", "in_search_path"),
    }
)
_ALLOWED_WITHIN_QUERY: Final = frozenset({"error"})


class SqlRefused(Exception):  # noqa: N818 - it is a decision about a text, turned into a finding by the reader
    """The text is not one plain expression over columns; `code` and message say why."""

    def __init__(self, message: str, code: str = "sql_outside_sources") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Expression:
    """A checked expression: its text and the columns it names (as written, without quotes)."""

    sql: str
    columns: frozenset[str]


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier.

    Examples
    --------
    >>> quoted('Customer "ID"; --')
    '"Customer ""ID""; --"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string.

    Examples
    --------
    >>> literal("O'Neil")
    "'O''Neil'"
    """
    return "'" + text.replace("'", "''") + "'"


@lru_cache(maxsize=1)
def _restless() -> frozenset[str]:
    """Functions whose value is not settled by their arguments, and aggregates, which fold rows together."""
    with duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT function_name, function_type, stability FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'table', 'table_macro', 'pragma')"
        ).fetchall()
    scalar = {name for name, kind, stability in rows if kind == "scalar" and stability == "CONSISTENT"}
    unsettled = {name for name, kind, stability in rows if kind == "scalar" and stability != "CONSISTENT"}
    others = {name for name, kind, _ in rows if kind != "scalar"}
    return frozenset((unsettled - _ALLOWED_WITHIN_QUERY) | (others - scalar))


@lru_cache(maxsize=512)
def check_expression(sql: str) -> Expression:
    """Check that `sql` is one expression over columns; otherwise raise `SqlRefused`.

    Examples
    --------
    >>> sorted(check_expression('Quantity * "Unit Price"').columns)
    ['Quantity', 'Unit Price']
    >>> check_expression("1) FROM read_text('/etc/passwd') --")
    Traceback (most recent call last):
        ...
    crm_ml.tables.sealed.SqlRefused: it is not one expression: syntax error at or near ")"
    """
    if "\0" in sql or not sql.strip():
        raise SqlRefused("it is empty or holds a NUL character", "sql_failed")
    # in brackets and on a line of its own, so that a comment or a second clause cannot swallow what comes after it
    statement = f"SELECT (\n{sql}\n)"
    with duckdb.connect(":memory:") as connection:
        try:
            tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()[0][0])
        except duckdb.Error as error:
            raise SqlRefused(f"it cannot be parsed: {first_line(error)}", "sql_failed") from error
    if tree.get("error"):
        raise SqlRefused(f"it is not one expression: {str(tree.get('error_message')).splitlines()[0]}", "sql_failed")
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    if (
        node.get("type") != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["from_table"]["type"] != "EMPTY"
        or node.get("where_clause")
        or node.get("group_expressions")
        or node.get("having")
        or node.get("qualify")
        or node.get("modifiers")
        or node["cte_map"]["map"]
    ):
        raise SqlRefused("it is not one expression")
    columns: set[str] = set()
    for item in _walk(node["select_list"][0]):
        _check_node(item, columns)
    return Expression(sql, frozenset(columns))


def check_names(expression: Expression, source_columns: Collection[str]) -> None:
    """Raise `SqlRefused` where a bare word is no column of the source but a function that needs no brackets.

    Examples
    --------
    >>> check_names(check_expression('"current_date"'), ["current_date"])
    >>> check_names(check_expression("current_date"), ["ordered_at"])
    Traceback (most recent call last):
        ...
    crm_ml.tables.sealed.SqlRefused: current_date looks beyond the row
    """
    known = {name.lower() for name in source_columns}
    for name in sorted(expression.columns):
        word = name.lower()
        if word not in known and (word in _REFUSED_NAMES or word in _restless() or word.startswith("current_")):
            raise SqlRefused(f"{name} looks beyond the row")


def _walk(item: Any) -> Iterator[dict[str, Any]]:
    stack = [item]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            yield current
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)


def _check_node(item: dict[str, Any], columns: set[str]) -> None:
    kind = item.get("class")
    if kind in _REFUSED_CLASSES:
        raise SqlRefused(f"{_REFUSED_CLASSES[kind]} is not possible here")
    if "from_table" in item or "cte_map" in item:
        raise SqlRefused("a sub-query is not possible here")
    if kind == "COLUMN_REF":
        names = item.get("column_names") or []
        columns.update(str(name) for name in names)
    if kind == "FUNCTION":
        name = str(item.get("function_name", "")).lower()
        if name in _REFUSED_NAMES or name.startswith(_REFUSED_PREFIXES) or name in _restless():
            raise SqlRefused(f"the function {name} looks beyond the row")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class Sealed:
    """A DuckDB connection that sees one source, under the name `SOURCE`, and nothing else.

    Give either Parquet `files` (the only paths it may open) or a `table` in memory.
    """

    def __init__(
        self,
        *,
        zone: str,
        rules: TextRules,
        files: Sequence[Path] = (),
        table: pa.Table | None = None,
        view: str = "",
    ) -> None:
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run(f"SET TimeZone = {literal(zone)}")
        for macro in _macros(rules):
            run(macro)
        if table is not None:
            self._connection.register(SOURCE, table)
        else:
            run(f"CREATE TEMP VIEW {SOURCE} AS {view}")
            run(f"SET allowed_paths = [{', '.join(literal(str(file)) for file in files)}]")
        for lock in _LOCKS:
            run(lock)

    def select(self, columns: Mapping[str, str], where: str | None) -> pa.Table:
        """Return the expressions as columns, for the rows where the condition holds."""
        return self._selected(columns, where).to_arrow_table()

    def stream(self, columns: Mapping[str, str], where: str | None) -> pa.RecordBatchReader:
        """Return the same as `select`, batch by batch."""
        return self._selected(columns, where).to_arrow_reader(_BATCH_ROWS)

    def _selected(self, columns: Mapping[str, str], where: str | None) -> duckdb.DuckDBPyRelation:
        picked = ", ".join(f"(\n{sql}\n) AS {quoted(name)}" for name, sql in columns.items()) or "1 AS nothing"
        condition = f" WHERE (\n{where}\n)" if where else ""
        return self._connection.sql(f"SELECT {picked} FROM {SOURCE}{condition}")

    def sample(self, rows: int) -> pa.Table:
        """Return the first rows of the source."""
        return self._connection.sql(f"SELECT * FROM {SOURCE} LIMIT {int(rows)}").to_arrow_table()

    @property
    def columns(self) -> dict[str, str]:
        """Names and types of the source's columns."""
        rows = self._connection.execute(f"DESCRIBE SELECT * FROM {SOURCE}").fetchall()
        return {str(row[0]): str(row[1]) for row in rows}

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Sealed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _macros(rules: TextRules) -> list[str]:
    """``number(text)`` and ``instant(text)``: the declared rules inside SQL."""
    text = r"regexp_replace(trim(CAST(x AS VARCHAR)), '^([^+-].*)-$', '-\1')"
    decimal = rules.decimal or "."
    thousands = (
        "" if not rules.decimal else {",": ".", ".": ","}[decimal] if rules.thousands is None else rules.thousands
    )
    mark, group = re.escape(decimal), re.escape(thousands)
    whole = rf"(\d{{1,3}}({group}\d{{3}})+|\d+)" if thousands else r"\d+"
    form = rf"[+-]?{whole}({mark}\d+)?([eE][+-]?\d{{1,3}})?"
    plain = f"replace({text}, {literal(thousands)}, '')" if thousands else text
    value = f"CAST(replace({plain}, {literal(decimal)}, '.') AS DOUBLE)"
    doubt = rf"regexp_full_match({text}, '[+-]?[1-9]\d{{0,2}}\.\d{{3}}')" if not rules.decimal else "false"
    number = (
        f"CASE WHEN {text} = '' THEN NULL "
        f"WHEN {doubt} THEN error('number(): ' || {text} || ' has two readings; declare `decimal` for the source') "
        f"WHEN regexp_full_match({text}, {literal(form)}) THEN {value} "
        f"ELSE error('number(): ' || {text} || ' is not a number in the declared notation') END"
    )
    formats = ", ".join(literal(form) for form in rules.date_formats)
    stamp = "nullif(trim(CAST(x AS VARCHAR)), '')"
    instant = f"strptime({stamp}, [{formats}])" if formats else f"CAST({stamp} AS TIMESTAMP)"
    return [f"CREATE TEMP MACRO number(x) AS {number}", f"CREATE TEMP MACRO instant(x) AS {instant}"]
