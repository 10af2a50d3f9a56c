"""Where a column comes from, for messages, and small helpers on Arrow arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crm_ml.errors import EXAMPLES_SHOWN, Finding, Severity
from crm_ml.tables.parsing import TextRules

Mask = npt.NDArray[np.bool_]


@dataclass
class Place:
    """Where a column comes from, and the list its findings go to."""

    table: str
    column: str
    zone: str
    findings: list[Finding] = field(default_factory=list)
    origin: str = ""
    """How the source calls it, for messages; empty: the same name."""
    rules: TextRules = field(default_factory=TextRules)
    declare: str = "crm.yaml: source: {path: ..., %s}"
    """How to declare a rule; ``%s`` stands for the rule."""
    sql: str = ""
    """The column as SQL over the source, for the ``where`` of a remedy."""
    untyped: bool = False
    """The source knows only text (CSV)."""

    def say(self, severity: Severity, code: str, message: str, remedy: str, **more: Any) -> None:
        """Add a finding about this column."""
        self.findings.append(Finding(severity, code, message, remedy, table=self.table, column=self.column, **more))

    @property
    def name(self) -> str:
        """The column as people know it."""
        return f'"{self.origin}"' if self.origin and self.origin != self.column else f'"{self.column}"'

    def remedy_where(self, what: str = "is not null") -> str:
        """Return the advice to leave the rows out."""
        if not self.sql:
            return "Fill them, or leave these rows out of the frame"
        return f"Fill them at the source, or leave these rows out with `where: '{self.sql} {what.upper()}'`"


def null_mask(array: pa.Array) -> Mask:
    """Return which entries are null."""
    if array.null_count == 0:
        return np.zeros(len(array), dtype=bool)
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def to_numpy(array: pa.Array, fill: Any = 0) -> npt.NDArray[Any]:
    """Return the values, nulls filled."""
    if array.null_count:
        array = array.fill_null(fill)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def examples(array: pa.Array, bad: Mask) -> list[Any]:
    """Return the first of the bad values; times beyond the calendar as their raw numbers."""
    rows = [int(row) for row in np.flatnonzero(bad)[:EXAMPLES_SHOWN]]
    try:
        return [array[row].as_py() for row in rows]
    except (ValueError, OverflowError):
        return [array[row].value for row in rows]
