"""The reference of ``crm.yaml`` and of the canonical tables, written from the models and schemas themselves."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from crm_ml.jobs.settings import Settings
from crm_ml.tables.schemas import SCHEMAS, Column, Schema

_HEAD = """# crm.yaml

Generated from the code by `make reference`; every key there is. An unknown key is an error that names the nearest
known one. Relative paths are relative to the folder of the file.

SQL stands in `where` and in `{sql: ...}`: one expression over the columns of its own source, nothing else is reachable.
Columns of CSV and XLSX files are text there; `number(column)` and `instant(column)` read them by the declared rules.
"""
_TABLES = """
# Canonical tables

Types: text, int, float, bool; instant (a date or time stamp; without a zone it is local time of the workspace's zone);
money (also quantities and scores: kept as whole 1/10,000 of a unit). **Bold** is the time at which a row happened; what
has a `*` must be mapped if the table is. `known_at` (when the row was in the system) defaults to that time.
"""


def settings_markdown() -> str:
    """Return the reference as Markdown.

    Examples
    --------
    >>> "| `churn.horizon_days` | whole number | 90 | length of the label window |" in settings_markdown()
    True
    """
    lines = [_HEAD, "| key | type | default | meaning |", "|---|---|---|---|", *_rows(Settings, "")]
    lines.append(_TABLES)
    for schema in SCHEMAS.values():
        lines += _table(schema)
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, info in model.model_fields.items():
        key = prefix + (info.alias or name)
        inner, repeated = _inner(info.annotation)
        if inner is None or repeated or not info.is_required() or _plain(info):
            shown = "" if inner is not None and not repeated and not _plain(info) else _default(info)
            meaning = info.description or (inner.__doc__ or "").strip().splitlines()[0] if inner else info.description
            rows.append(f"| `{key}` | {_type(info.annotation)} | {shown} | {_cell(meaning or '')} |")
        if inner is not None:
            rows += _rows(inner, _entry(key, info.annotation) if repeated else f"{key}.")
    return rows


def _entry(key: str, annotation: Any) -> str:
    """Return what stands before the keys of one entry of a list, or of a mapping."""
    if get_origin(annotation) is tuple:
        return f"{key}[]."
    return f"{key}.<{'table' if key == 'tables' else 'feature'}>."


def _plain(info: FieldInfo) -> bool:
    """Whether the value may also be a plain text, as in ``source: orders.parquet``."""
    return str in get_args(info.annotation)


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (None, False) if set(annotation.model_fields) == {"sql"} else (annotation, False)
    if get_origin(annotation) is tuple:
        found, _ = _inner(get_args(annotation)[0])
        return found, found is not None
    if get_origin(annotation) is dict:
        found, _ = _inner(get_args(annotation)[1])
        return found, found is not None
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in (types.UnionType, Union):
        for part in get_args(annotation):
            found, repeated = _inner(part)
            if found is not None:
                return found, repeated
    return None, False


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "(needed)"
    value = info.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return ""
    return f"`{value}`" if not isinstance(value, int | float) or isinstance(value, bool) else str(value)


def _type(annotation: Any) -> str:
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    if annotation in names:
        return names[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is Annotated:
        return _type(parts[0])
    if origin in (types.UnionType, Union):
        return " or ".join(dict.fromkeys(_type(part) for part in parts if part is not type(None)))
    if origin is tuple:
        return "text or list of texts" if _inner(annotation)[0] is None else "list of mappings"
    return "mapping"


def _table(schema: Schema) -> list[str]:
    lines = [f"## {schema.name}", "", f"Key: {', '.join(f'`{name}`' for name in schema.key)}.", ""]
    lines += ["| column | type | values and time |", "|---|---|---|"]
    lines += [f"| {_name(schema, column)} | {column.type} | {_cell(_said(column))} |" for column in schema.columns]
    return [*lines, ""]


def _name(schema: Schema, column: Column) -> str:
    name = f"{column.name}{'*' if column.required else ''}"
    return f"**{name}**" if column.name == schema.event_time else f"`{name}`"


def _said(column: Column) -> str:
    told = [", ".join(column.values) + (", ..." if column.open_values else "")] if column.values else []
    if column.known_from:
        state = f"`{column.hidden}`" if column.hidden else "null"
        told.append(f"{state} until {'its own time' if column.known_from == column.name else f'`{column.known_from}`'}")
    return "; ".join(told)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
