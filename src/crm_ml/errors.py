"""The error family: every refusal says what must hold, what was found and what to do.

Exit codes are part of the contract with operators (see ``docs/exit-codes.md``); each class carries its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
EXAMPLES_SHOWN = 5
_EXAMPLE_CHARACTERS = 80


class ExitCode(IntEnum):
    """What the process tells the operator."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DATA = 3
    HELD_BACK = 4
    LOCKED = 5
    DAMAGED = 6
    INTERRUPTED = 130
    TERMINATED = 143


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)
    return text if len(text) <= _EXAMPLE_CHARACTERS else text[:_EXAMPLE_CHARACTERS] + "…"


@dataclass(frozen=True)
class Finding:
    r"""One thing found in the data or the configuration.

    Parameters
    ----------
    severity : {"error", "warning", "info"}
        An error stops the commands that need the table; a warning is worth a look; info is said once.
    code : str
        Stable short name, e.g. ``duplicate_key``.
    message : str
        What must hold and what was found.
    remedy : str
        What to do about it.
    table, column : str
        Where it was found; empty where it concerns the whole table or workspace.
    count : int
        Number of rows (or values, files) concerned.
    examples : tuple of str
        Up to five values, shortened and made printable.

    Examples
    --------
    >>> Finding("warning", "unknown_customer", "2 orders of nobody", "add them", examples=["A\n", 7]).examples
    ('A\\n', '7')
    """

    severity: Severity
    code: str
    message: str
    remedy: str
    table: str = ""
    column: str = ""
    count: int = 0
    examples: Sequence[Any] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "examples", tuple(_shown(v) for v in list(self.examples)[:EXAMPLES_SHOWN]))

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON-ready values."""
        return {**asdict(self), "examples": list(self.examples)}

    def __str__(self) -> str:
        where = ".".join(part for part in (self.table, self.column) if part)
        shown = f" (e.g. {', '.join(map(str, self.examples))})" if self.examples else ""
        return f"{self.severity}{' ' + where if where else ''}: {self.message}{shown}. {self.remedy}"


class CrmError(Exception):
    """Base of all handled errors: a message for people, findings for machines, an exit code for the shell.

    Examples
    --------
    >>> raise DataError("order_lines: the file is missing", remedy="Check `source` in crm.yaml.")
    Traceback (most recent call last):
        ...
    crm_ml.errors.DataError: order_lines: the file is missing. Check `source` in crm.yaml.
    """

    exit_code: ExitCode = ExitCode.FAILURE
    code: str = "failure"

    def __init__(
        self, message: str, *, remedy: str = "", findings: Iterable[Finding] = (), code: str | None = None
    ) -> None:
        self.message = message
        self.remedy = remedy
        self.findings = tuple(findings)
        if code is not None:
            self.code = code
        super().__init__(f"{message}. {remedy}" if remedy else message)

    def as_dict(self) -> dict[str, Any]:
        """Return the ``error`` object of ``--json``."""
        return {
            "code": self.code,
            "exit_code": int(self.exit_code),
            "message": str(self),
            "findings": [finding.as_dict() for finding in self.findings],
        }


class Failure(CrmError):  # noqa: N818
    """Something outside is not there (no model yet, a source that is gone): exit code 1."""


class UsageError(CrmError):
    """A bad argument or configuration key: exit code 2."""

    exit_code = ExitCode.USAGE
    code = "usage"


class DataError(CrmError):
    """The data contract is broken: exit code 3."""

    exit_code = ExitCode.DATA
    code = "data"


class HeldBack(CrmError):  # noqa: N818 - it is a decision, not a mistake
    """A gate held a model or a publication back: exit code 4."""

    exit_code = ExitCode.HELD_BACK
    code = "held_back"


class Locked(CrmError):  # noqa: N818
    """Another run holds the lock: exit code 5."""

    exit_code = ExitCode.LOCKED
    code = "locked"


class DamagedArtefact(CrmError):  # noqa: N818
    """A model or published file is damaged, incomplete or foreign: exit code 6."""

    exit_code = ExitCode.DAMAGED
    code = "damaged_artefact"


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `` Did you mean "x"?`` for the nearest option, or an empty string.

    Examples
    --------
    >>> did_you_mean("curency", ["currency", "timezone"])
    ' Did you mean "currency"?'
    >>> did_you_mean("zzz", ["currency"])
    ''
    """
    near = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


def error_from_findings(findings: Iterable[Finding], *, title: str) -> DataError | None:
    """Return one `DataError` that carries all findings of severity ``error``, or None when there is none."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return None
    lines = "; ".join(str(finding) for finding in errors[:EXAMPLES_SHOWN])
    more = f"; and {len(errors) - EXAMPLES_SHOWN} more" if len(errors) > EXAMPLES_SHOWN else ""
    return DataError(f"{title}: {lines}{more}", findings=errors, code=errors[0].code)
