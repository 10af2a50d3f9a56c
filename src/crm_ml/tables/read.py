"""Read mapped sources into `Tables`; everything that is wrong is collected and said at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crm_ml.errors import Failure, Finding, UsageError, did_you_mean
from crm_ml.tables.assemble import Assembly, Part, in_order
from crm_ml.tables.csv_source import open_csv
from crm_ml.tables.frame import Tables
from crm_ml.tables.mapping import ColumnSpec, SourceSpec, TableMapping, check_mappings
from crm_ml.tables.parsing import TextRules
from crm_ml.tables.place import Place
from crm_ml.tables.room import MEMORY, Room
from crm_ml.tables.schemas import SCHEMAS
from crm_ml.tables.sealed import Expression, Sealed, SqlRefused, check_expression, check_names, first_line, quoted
from crm_ml.tables.sources import (
    Opened,
    SourceFault,
    culprits,
    find_files,
    format_of,
    open_parquet,
)
from crm_ml.tables.xlsx_source import open_xlsx
from crm_ml.tables.zones import check_zone

_WHERE = "where"


def read_tables(
    mappings: Mapping[str, TableMapping],
    *,
    root: Path,
    zone: str,
    currency: str,
    only: Collection[str] | None = None,
    strict: bool = True,
    room: Room = MEMORY,
) -> Tables:
    r"""Read the mapped tables.

    Parameters
    ----------
    mappings : mapping of str to TableMapping
        Canonical table name to where it comes from.
    root : Path
        The workspace; relative sources belong to it.
    zone : str
        IANA name of the zone of naive time stamps.
    currency : str
        What the amounts are in.
    only : collection of str, optional
        Read just these tables (customers with status internal can only be left out if customers is among them).
    strict : bool
        Raise for findings of severity error; otherwise return what could be read, with the findings.
    room : Room
        Where columns are kept: in memory, or in files (`DiskRoom`); the tables are the same.

    Raises
    ------
    UsageError
        Unknown names of tables or columns, unknown time zone.
    DataError
        Whatever breaks the contract: all of it, in one error.
    Failure
        A source that is not supported here.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "orders.csv").write_text("Nr;Kunde;Datum;Betrag\nA1;007;31.01.2025;1.234,50\n")
    >>> mapping = TableMapping.model_validate({
    ...     "source": {"path": "orders.csv", "delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"},
    ...     "columns": {"order_id": "Nr", "customer_id": "Kunde", "ordered_at": "Datum", "net_amount": "Betrag"}})
    >>> tables = read_tables({"order_lines": mapping}, root=folder, zone="Europe/Berlin", currency="EUR")
    >>> tables.frames["order_lines"].select(["customer_id", "net_amount"]).to_pylist()
    [{'customer_id': '007', 'net_amount': 12345000}]
    """
    check_zone(zone)
    check_mappings(mappings)
    unknown = sorted(set(only or ()) - set(SCHEMAS))
    if unknown:
        raise UsageError(f"unknown table {unknown[0]!r}", code="unknown_table")
    found: dict[str, list[Finding]] = {name: [] for name in mappings if only is None or name in only}
    assembly = Assembly(zone=zone, currency=currency, room=room)
    for name in in_order(found):
        try:
            part = _read(name, mappings[name], root, zone, found[name], room)
        except SourceFault as fault:
            found[name].append(fault.finding(name))
            continue
        except Failure as failure:
            if strict:
                raise
            found[name].append(Finding("error", failure.code, failure.message, failure.remedy, table=name))
            continue
        if part is not None:
            assembly.add(part)
    findings = [finding for said in found.values() for finding in said]
    return assembly.finish(findings, strict=strict, title="the data cannot be used")


def rules_of(spec: SourceSpec) -> TextRules:
    """Return how the source writes numbers and times."""
    return TextRules(spec.decimal or "", spec.thousands, spec.date_format)


def open_source(spec: SourceSpec, root: Path, room: Room = MEMORY) -> Opened:
    """Find and open the files of a source; raises `SourceFault`."""
    if spec.database is not None:
        raise Failure(
            f"the source database {spec.database!r} cannot be read: databases are not supported yet",
            remedy="Export the query to Parquet or CSV and map the file",
            code="unsupported_source",
        )
    files = find_files(spec.path, root)
    kinds = {format_of(file, spec, root) for file in files}
    if len(kinds) > 1:
        raise SourceFault(
            "unknown_format",
            f"{spec.path} matches files of several formats: {', '.join(sorted(kinds))}",
            "Use a narrower pattern, e.g. `*.parquet`",
        )
    if kinds == {"parquet"}:
        return open_parquet(files, root)
    return open_csv(files, spec, root, room) if kinds == {"csv"} else open_xlsx(files, spec, root)


def _read(name: str, mapping: TableMapping, root: Path, zone: str, findings: list[Finding], room: Room) -> Part | None:
    spec = mapping.spec
    rules = rules_of(spec)
    opened = open_source(spec, root, room)
    before = len(findings)
    with Sealed(zone=zone, rules=rules, files=opened.files, table=opened.table, view=opened.view) as sealed:
        have = list(sealed.columns)
        plan = _Plan(name, mapping, have, opened, findings)
        if any(finding.severity == "error" for finding in findings[before:]):
            return None
        table = _select(sealed, plan, opened, root, room)
    if table is None:
        return None
    return plan.part(table, rules, zone)


class _Plan:
    """What to select for one table, checked against the columns of the source."""

    def __init__(
        self, name: str, mapping: TableMapping, have: list[str], opened: Opened, findings: list[Finding]
    ) -> None:
        self.name, self.mapping, self.have, self.opened, self.findings = name, mapping, have, opened, findings
        schema = SCHEMAS[name]
        specs: Mapping[str, ColumnSpec] = (
            mapping.columns
            if mapping.columns is not None
            else {column: column for column in schema.column_names if column in have}
        )
        self.used: set[str] = set()
        self.columns = {name: self._sql(name, spec) for name, spec in specs.items()}
        own = mapping.attributes.columns if mapping.attributes else {}
        self.attributes = {name: self._sql(name, spec) for name, spec in own.items()}
        self.where: str | None = None
        if mapping.where is not None:
            self.where = self._expression(_WHERE, mapping.where)
        self.origins = {key: spec for key, spec in [*specs.items(), *own.items()] if isinstance(spec, str)}

    def _sql(self, column: str, spec: ColumnSpec) -> str:
        if not isinstance(spec, str):
            return self._expression(column, spec.sql)
        self.used.add(spec)
        if spec not in self.have:
            self._missing(column, spec, f'columns: the source has no column "{spec}"')
        else:
            self._check_each_file(column, spec)
        return quoted(spec)

    def _missing(self, column: str, spec: str, message: str) -> None:
        near = did_you_mean(spec, self.have)
        listed = ", ".join(self.have[:20])
        self.findings.append(
            Finding(
                "error",
                "missing_column",
                f"{message}; it has {listed}",
                f"Correct the mapping, or the export.{near}",
                table=self.name,
                column=column,
            )
        )

    def _check_each_file(self, column: str, source: str) -> None:
        lacking = [file for file, columns in self.opened.per_file.items() if source not in columns]
        if lacking:
            self.findings.append(
                Finding(
                    "error",
                    "missing_column",
                    f'all files of a source must have the mapped column "{source}", {len(lacking)} have not: '
                    + ", ".join(lacking[:5]),
                    "Deliver these files again, or narrow the pattern",
                    table=self.name,
                    column=column,
                    count=len(lacking),
                    examples=lacking,
                )
            )

    def _expression(self, column: str, sql: str) -> str:
        try:
            checked: Expression = check_expression(sql)
            check_names(checked, self.have)
        except SqlRefused as refused:
            self.findings.append(
                Finding(
                    "error",
                    refused.code,
                    f"the SQL must be one expression over columns of the source; {refused} in: {sql}",
                    "Use columns, operators and plain functions of DuckDB only",
                    table=self.name,
                    column=column,
                )
            )
            return "NULL"
        lower = {name.lower(): name for name in self.have}
        for name in checked.columns:
            if name.lower() in lower:
                self.used.add(lower[name.lower()])
                self._check_each_file(column, lower[name.lower()])
        return sql

    @property
    def items(self) -> list[tuple[str, str]]:
        """All (label, SQL) in the order they are selected."""
        return [*self.columns.items(), *self.attributes.items()]

    def part(self, table: pa.Table, rules: TextRules, zone: str) -> Part:
        """Hand the selected columns over to typing."""
        made: list[tuple[str, tuple[Any, Place]]] = []
        for number, (label, sql) in enumerate(self.items):
            origin = self.origins.get(label, "")
            place = Place(
                self.name,
                label,
                zone,
                self.findings,
                origin=origin,
                rules=rules,
                sql=sql if origin else f"({sql})",
                untyped=self.opened.untyped,
            )
            made.append((label, (table.column(number), place)))
        split = len(self.columns)
        own = self.mapping.attributes
        known = {} if own is None or own.known_from is None else dict.fromkeys(own.columns, own.known_from)
        return Part(
            self.name,
            len(table),
            dict(made[:split]),
            dict(made[split:]),
            attributes_known_from=known,
            known_from=self.mapping.known_from,
            unmapped=tuple(column for column in self.have if column not in self.used),
            drop_exact_duplicates=self.mapping.drop_exact_duplicates,
        )


def _select(sealed: Sealed, plan: _Plan, opened: Opened, root: Path, room: Room) -> pa.Table | None:
    # names of our own: an alias that is also a column could be taken for it inside another expression
    aliases = {f"__crm_{number}": sql for number, (_, sql) in enumerate(plan.items)}
    try:
        if room.on_disk:
            return room.gathered(sealed.stream(aliases, plan.where))
        return sealed.select(aliases, plan.where)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from error
    except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
        faults = culprits(opened.files, root)
        if faults:
            plan.findings.extend(fault.finding(plan.name) for fault in faults)
            return None
        _say_sql(sealed, plan, error)
        return None


def _say_sql(sealed: Sealed, plan: _Plan, error: BaseException) -> None:
    """Find the expressions that fail by running each alone."""
    said = False
    attempts: list[tuple[str, dict[str, str], str | None]] = [
        (label, {"x": sql}, None) for label, sql in plan.items if label not in plan.origins
    ]
    if plan.where is not None:
        attempts.append((_WHERE, {"x": "1"}, plan.where))
    for label, columns, where in attempts:
        try:
            sealed.select(columns, where)
        except (duckdb.Error, pa.ArrowException, RuntimeError) as single:
            said = True
            _sql_failed(plan, label, where or columns["x"], single)
    if not said:
        _sql_failed(plan, "", "; ".join(sql for _, sql in plan.items), error)


def _sql_failed(plan: _Plan, label: str, sql: str, error: BaseException) -> None:
    outside = isinstance(error, duckdb.PermissionException)
    remedy = "Correct the expression"
    if plan.opened.untyped:
        remedy += "; columns of a CSV are text, so write number(COLUMN) or instant(COLUMN) to calculate with them"
    plan.findings.append(
        Finding(
            "error",
            "sql_outside_sources" if outside else "sql_failed",
            f"the SQL `{sql}` fails: {first_line(error)}",
            remedy,
            table=plan.name,
            column=label,
        )
    )
