"""What ``crm.yaml`` says about tables: strict models, and the check of names against the canonical tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from crm_ml.errors import UsageError, did_you_mean
from crm_ml.tables.schemas import SCHEMAS

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class SqlSpec(BaseModel):
    """An SQL expression over the columns of the source.

    Examples
    --------
    >>> SqlSpec(sql="Quantity * Price").sql
    'Quantity * Price'
    """

    model_config = _STRICT

    sql: Annotated[str, Field(min_length=1, description="one SQL expression over columns of the source")]


ColumnSpec = str | SqlSpec


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class SourceSpec(BaseModel):
    """A file or glob, and how it writes what it holds: declared, never guessed.

    Examples
    --------
    >>> SourceSpec(path="crm/leads.csv", delimiter=";", decimal=",", date_format="%d.%m.%Y").date_format
    ('%d.%m.%Y',)
    """

    model_config = _STRICT

    path: Annotated[str, Field(description="file or glob; relative to the workspace")] = ""
    format: Annotated[
        Literal["parquet", "csv", "xlsx"] | None, Field(description="default: by the ending of the file name")
    ] = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1, description="CSV: between columns")] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1, description="CSV: around texts")] = '"'
    encoding: Annotated[str, Field(min_length=1, description="CSV: utf-8, cp1252, latin-1, utf-16, ...")] = "utf-8"
    decimal: Annotated[Literal[",", "."] | None, Field(description="decimal mark of numbers written as text")] = None
    thousands: Annotated[
        Literal[",", ".", " ", "'", "’", ""] | None,
        Field(description="mark between groups of three digits; default: the other one of comma and dot"),
    ] = None
    date_format: Annotated[
        tuple[str, ...],
        BeforeValidator(_as_tuple),
        Field(description="strptime format (or several) of dates written as text; ISO 8601 needs none"),
    ] = ()
    sheet: Annotated[
        str | int | None, Field(description="XLSX: name or number (from 1) of the sheet; default: first")
    ] = None
    header: Annotated[int, Field(ge=1, description="CSV, XLSX: line that holds the column names")] = 1
    database: Annotated[str | None, Field(description="name of a database (not supported yet)")] = None
    query: Annotated[str | None, Field(description="query for `database` (not supported yet)")] = None

    @model_validator(mode="after")
    def _check(self) -> SourceSpec:
        if (self.database is None) == (self.path == ""):
            raise ValueError("must have either `path` or `database` and `query`")
        if (self.database is None) != (self.query is None):
            raise ValueError("`database` and `query` go together")
        if self.decimal is not None and self.thousands == self.decimal:
            raise ValueError("`thousands` and `decimal` must differ")
        if self.thousands is not None and self.decimal is None:
            raise ValueError("`thousands` needs `decimal`")
        return self


class AttributesSpec(BaseModel):
    """Own columns that become static features once it is said when they were known.

    Examples
    --------
    >>> AttributesSpec(known_from="created_at", columns={"budget": "Budget"}).known_from
    'created_at'
    """

    model_config = _STRICT

    known_from: Annotated[
        str | None, Field(description="time column from which the values were known; empty text: with the row")
    ] = None
    columns: Annotated[dict[str, ColumnSpec], Field(min_length=1, description="own name: source column or {sql: ...}")]


class TableMapping(BaseModel):
    """How one canonical table is cut from a source.

    Examples
    --------
    >>> TableMapping(source="orders.parquet", columns={"net_amount": {"sql": "Quantity * Price"}}).columns["net_amount"]
    SqlSpec(sql='Quantity * Price')
    >>> TableMapping(source="orders.parquet").spec.path
    'orders.parquet'
    """

    model_config = _STRICT

    source: Annotated[str | SourceSpec, Field(description="file, glob, or {path: ..., delimiter: ..., ...}")]
    where: Annotated[str | None, Field(min_length=1, description="SQL condition over source columns")] = None
    columns: Annotated[
        dict[str, ColumnSpec] | None,
        Field(description="canonical column: source column or {sql: ...}; default: columns of the same name"),
    ] = None
    attributes: AttributesSpec | None = None
    known_from: Annotated[
        dict[str, str], Field(description="descriptive column: time column from which it was known")
    ] = Field(default_factory=dict)
    drop_exact_duplicates: Annotated[bool, Field(description="order_lines without line_no: drop exact repeats")] = False

    @property
    def spec(self) -> SourceSpec:
        """The source in its long form."""
        return SourceSpec(path=self.source) if isinstance(self.source, str) else self.source


def check_mappings(mappings: Mapping[str, TableMapping]) -> None:
    """Raise `UsageError` for tables and columns that do not exist, all of them at once.

    Examples
    --------
    >>> check_mappings({"order_lines": TableMapping(source="x.csv", columns={"net_amout": "Betrag"})})
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: tables: order_lines: columns: unknown column "net_amout". Did you mean "net_amount"?
    """
    faults: list[str] = []
    for table, mapping in mappings.items():
        schema = SCHEMAS.get(table)
        if schema is None:
            faults.append(f'tables: unknown table "{table}".{did_you_mean(table, SCHEMAS)}')
            continue
        for key, names in (("columns", mapping.columns or {}), ("known_from", mapping.known_from)):
            faults.extend(
                f'tables: {table}: {key}: unknown column "{name}".{did_you_mean(name, schema.column_names)}'
                for name in names
                if name not in schema.column_names and not (key == "known_from" and _is_attribute(mapping, name))
            )
        for name in mapping.attributes.columns if mapping.attributes else ():
            if not schema.extra:
                faults.append(f"tables: {table}: attributes are possible for customers and leads only.")
                break
            if name in schema.column_names or not name or name.startswith("__"):
                faults.append(f'tables: {table}: attributes: "{name}" is taken: map it under `columns`, or rename it.')
    if faults:
        raise UsageError(" ".join(faults), code="unknown_key")


def _is_attribute(mapping: TableMapping, name: str) -> bool:
    return mapping.attributes is not None and name in mapping.attributes.columns
