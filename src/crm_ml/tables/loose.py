"""Cells of mixed types (object columns, spreadsheets) as one Arrow column: of their common type, or as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from crm_ml.tables.place import Place


def cell_text(value: Any, decimal: str = "") -> str | None:
    """Write one cell as text the way its source would: 17.0 as ``17``, times as ISO 8601.

    Examples
    --------
    >>> cell_text(17.0), cell_text(1.234), cell_text(1.5, ","), cell_text(True), cell_text(date(2026, 1, 2))
    ('17', '1.2340', '1,5', 'true', '2026-01-02')
    """
    if value is None or value != value:  # NaN and NaT differ from themselves
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating | Decimal):
        if np.isfinite(float(value)) and value == int(value):
            return str(int(value))
        text = str(value) if isinstance(value, Decimal) else repr(float(value))
        whole, mark, fraction = text.partition(".")
        # a number is not ambiguous, its text must not become so: three decimals would look like thousands
        if mark and len(fraction) == 3 and fraction.isdigit():
            fraction += "0"
        return f"{whole}{(decimal or mark) if mark else ''}{fraction}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def from_objects(values: Sequence[Any], place: Place) -> pa.Array:
    """Return the cells as one column: of one type where they share one, otherwise as text."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return pa.array([cell_text(value, place.rules.decimal) for value in values], pa.string())
