"""The table of all keys of ``policy.yaml`` for the documentation, written from the models themselves."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from crm_ml.actions.policy.schema import Policy

_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_ENTRY = {"actions": "<action>", "rules": "<rule>", "features": "<feature>"}


def policy_reference() -> str:
    """Return one row of Markdown per key.

    Examples
    --------
    >>> "| `tiers.high.min_p` | number | 0.6 |" in policy_reference()
    True
    """
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    rows += [f"| `{key}` | {type_} | {default} | {meaning} |" for key, type_, default, meaning in _rows(Policy, "")]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str, given: BaseModel | None = None) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{name}", _model(field.annotation)
        needed = field.is_required() and given is None
        default = None if needed else field.get_default(call_default_factory=True)
        value = default if given is None else getattr(given, name)
        yield key, _type(field.annotation), "(needed)" if needed else _shown(value), field.description or ""
        if inner is not None:
            repeated = get_origin(_bare(field.annotation)) in (dict, tuple)
            below = f"{key}.{_ENTRY[name]}." if repeated else f"{key}."
            yield from _rows(inner, below, value if isinstance(value, BaseModel) else None)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, BaseModel) or value in ((), {}, ""):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"{value:g}"
    return f"`[{', '.join(value)}]`" if isinstance(value, tuple) else f"`{value}`"


def _bare(annotation: Any) -> Any:
    """Return the annotation without its notes and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (types.UnionType, Union):
        return _bare(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    if get_origin(bare) in (dict, tuple):
        return _model(get_args(bare)[1 if get_origin(bare) is dict else 0])
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _type(annotation: Any) -> str:
    bare = _bare(annotation)
    if bare in _NAMES:
        return _NAMES[bare]
    if get_origin(bare) is Literal:
        return ", ".join(f"`{part}`" for part in get_args(bare))
    if get_origin(bare) is tuple:
        inner = _model(bare)
        return "list" if inner is not None else f"list of: {_type(get_args(bare)[0])}"
    return "mapping"
