"""Strict models of files that people write, and their faults in words: every fault at once, each with its key."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from crm_ml.errors import Finding, UsageError, did_you_mean

_FAULTS_SHOWN = 5


class Strict(BaseModel):
    """Base of all settings: no unknown key, no value that is read as another type, nothing that changes later."""

    # hide_input_in_errors: a mistyped line may hold a password
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def parse_strictly(model: type[Model], value: Mapping[str, Any], *, file: str) -> Model:
    """Return the checked model of a file's content; all faults are raised at once as one `UsageError`.

    Parameters
    ----------
    model : type of BaseModel
        What the file must hold.
    value : mapping
        What it holds.
    file : str
        Its name, for messages.

    Examples
    --------
    >>> class Shelf(Strict):
    ...     boards: int
    >>> parse_strictly(Shelf, {"bords": 3}, file="shelf.yaml")
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: shelf.yaml has 2 faults: ... Did you mean "boards"?
    """
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        faults = _without_echoes(_without_other_branches(error.errors(include_url=False, include_input=False)))
    raise faults_in(file, [_finding(fault, model, value, file) for fault in faults])


def faults_in(file: str, findings: Iterable[Finding]) -> UsageError:
    """Return one error that names all faults of a file.

    Examples
    --------
    >>> print(faults_in("policy.yaml", [Finding("error", "x", "rules: two are called a", "Rename one.")]))
    policy.yaml has a fault: rules: two are called a. Rename one
    """
    found = list(dict.fromkeys(findings))
    count = f"{len(found)} faults" if len(found) > 1 else "a fault"
    shown = "; ".join(f"{fault.message}. {fault.remedy.rstrip('.')}" for fault in found[:_FAULTS_SHOWN])
    more = f" And {len(found) - _FAULTS_SHOWN} more." if len(found) > _FAULTS_SHOWN else ""
    return UsageError(f"{file} has {count}: {shown}{more}", findings=found, code=found[0].code)


def listed(value: object) -> object:
    """Return a list as a tuple and a single value as a tuple of one: what a YAML key may hold either way.

    Examples
    --------
    >>> listed("high"), listed(["high", "low"])
    (('high',), ('high', 'low'))
    """
    if isinstance(value, list):
        return tuple(value)
    return value if value is None or isinstance(value, tuple | Mapping) else (value,)


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for the same content.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, None]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _without_other_branches(faults: Sequence[Any]) -> list[Any]:
    """Of a key that may be text or a mapping, keep the faults of what was meant."""
    texts = {fault["loc"][:-1] for fault in faults if fault["loc"][-1:] == ("str",) and fault["type"] == "string_type"}
    mappings = {
        prefix
        for prefix in texts
        if any(f["loc"][: len(prefix)] == prefix and len(f["loc"]) > len(prefix) + 1 for f in faults)
    }
    kept = []
    for fault in faults:
        prefix = fault["loc"][:-1]
        of_text = fault["loc"][-1:] == ("str",)
        other_branch = of_text if prefix in mappings else prefix in texts and not of_text
        if not other_branch:
            kept.append(fault)
    return kept


def _without_echoes(faults: Sequence[Any]) -> list[Any]:
    """Drop "too short" of lists whose entries are faulty: faulty entries are not counted."""
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(other["loc"][:-1] == fault["loc"] for other in faults if other is not fault)
    ]


def _finding(fault: Mapping[str, Any], model: type[BaseModel], value: Any, file: str) -> Finding:
    path = [part for part in fault["loc"] if _is_key(part)]
    where, kind = ".".join(_named(path, value)) or file, str(fault["type"])
    if kind == "extra_forbidden":
        known = sorted(_known_keys(model, path[:-1]))
        hint = did_you_mean(str(path[-1]), known).strip()
        remedy = hint or (f"Known keys here: {', '.join(known)}." if known else "Take it out.")
        return Finding("error", "unknown_key", f"{where}: there is no such key", remedy, column=where)
    if kind == "missing":
        return Finding("error", "missing_key", f"{where}: this key is needed", _described(model, path), column=where)
    message = re.sub(r"^Value error, |^Assertion failed, ", "", str(fault["msg"])).rstrip(".")
    message, _, hint = message.partition(" Did you mean ")
    remedy = f"Did you mean {hint}" if hint else _near_word(fault, path, value) or _yaml_hint(kind)
    return Finding(
        "error", "bad_value", f"{where}: {message[:1].lower() + message[1:].rstrip('.')}", remedy, column=where
    )


def _near_word(fault: Mapping[str, Any], path: Sequence[str | int], value: Any) -> str:
    """Return the nearest of the allowed words, if words are what is allowed."""
    if fault["type"] != "literal_error":
        return ""
    with suppress(KeyError, IndexError, TypeError):
        for part in path:
            # a single text may stand for a list of one
            value = value if isinstance(value, str) else value[part]
    options = re.findall("'([^']*)'", str(fault["ctx"]["expected"]))
    return did_you_mean(value, options).strip() if isinstance(value, str) else ""


def _named(path: Sequence[str | int], value: Any) -> Iterator[str]:
    """Yield the parts of a path; an entry of a list goes by its ``id`` where it has one."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        own = value.get("id") if isinstance(part, int) and isinstance(value, Mapping) else None
        yield own if isinstance(own, str) and own.isidentifier() else str(part)


def _yaml_hint(kind: str) -> str:
    if kind == "string_type":
        return "Put the value in quotes: YAML reads no as false, 007 as 7, 12:30 as 750 and 2026-01-01 as a date."
    if kind.startswith(("int", "float", "bool")):
        return "Write it without quotes, as a plain number or true/false."
    if kind in ("model_type", "dict_type"):
        return "Write it as `key: value` lines below."
    if kind == "tuple_type":
        return "Write it as a list."
    return "Correct it."


def _is_key(part: object) -> bool:
    # pydantic also names the branch of a union ("str", "SourceSpec", "function-before[...]"): no keys of the file
    return isinstance(part, int) or not (
        part in ("str", "int", "float", "bool", "[key]") or re.match(r"[A-Z]\w+$|.*\[", str(part))
    )


def _models_of(annotation: Any) -> Iterator[Any]:
    """Yield the pydantic models (and the dicts and lists) inside an annotation."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _models_of(part)
    elif (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or origin in (dict, Mapping, tuple):
        yield annotation


def _step(nodes: Iterable[Any], key: str | int) -> Iterator[Any]:
    for node in nodes:
        origin = get_origin(node)
        if origin is not None:
            yield from _models_of(get_args(node)[0 if origin is tuple else 1])
        else:
            for name, field in node.model_fields.items():
                if key in (name, field.alias):
                    yield from _models_of(field.annotation)


def _models_at(model: type[BaseModel], path: Iterable[str | int]) -> list[type[BaseModel]]:
    nodes: list[Any] = [model]
    for key in path:
        nodes = list(_step(nodes, key))
    return [node for node in nodes if get_origin(node) is None]


def _known_keys(model: type[BaseModel], path: Iterable[str | int]) -> set[str]:
    return {field.alias or name for node in _models_at(model, path) for name, field in node.model_fields.items()}


def _described(model: type[BaseModel], path: Sequence[str | int]) -> str:
    for node in _models_at(model, path[:-1]):
        field = node.model_fields.get(str(path[-1]))
        if field is not None and field.description:
            return f"Add it: {field.description}."
    return "Add it."
