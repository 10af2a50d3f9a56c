"""Read a YAML file strictly: one plain document, no aliases, no tags, no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from crm_ml.errors import UsageError

MAX_BYTES = 1_000_000
_MAX_DEPTH = 50


class _StrictLoader(yaml.SafeLoader):
    """`yaml.SafeLoader` without aliases (a few of them can stand for gigabytes) and without repeated keys."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not allowed; write it out", mark)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, f"more than {_MAX_DEPTH} levels", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                found = f"the key {key_node.value!r} is read as {type(key).__name__}; put it in quotes"
                raise yaml.constructor.ConstructorError(None, None, found, key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that the file holds.

    Raises
    ------
    UsageError
        If the file is missing, larger than 1 MB, not UTF-8, not YAML, or holds anything but one plain mapping.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except FileNotFoundError:
        raise UsageError(
            f"There is no {path.name} in {path.parent}",
            remedy="Name the workspace with --workspace, or make one with `crm-ml init DIR --from FOLDER`.",
            code="no_workspace",
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="Check the path and its rights.") from None
    if raw is None:
        raise UsageError(f"{path} is larger than {MAX_BYTES:,} bytes", remedy="A workspace file is a page or two.")
    try:
        value = yaml.load(raw.decode("utf-8-sig"), Loader=_StrictLoader)  # a SafeLoader, made stricter
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})", remedy="Save it as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{where}: {error.problem or error.context}", remedy="Correct that line.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid YAML ({type(error).__name__})", remedy="Correct the file.") from None
    if not isinstance(value, dict):
        raise UsageError(
            f"{path} must hold `key: value` lines; found {'nothing' if value is None else type(value).__name__}",
            remedy="Start with `version: 1`; `crm-ml init` writes a first one.",
        )
    return value
