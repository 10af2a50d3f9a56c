from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xlsxwriter

from crm_ml.tables import TableMapping, Tables, read_tables


@pytest.fixture
def orders() -> pd.DataFrame:
    """Four lines of three orders; local times."""
    return pd.DataFrame(
        {
            "order_id": ["A1", "A1", "A2", "A3"],
            "line_no": ["1", "2", "1", "1"],
            "customer_id": ["007", "007", "007", "0815"],
            "ordered_at": pd.to_datetime(
                ["2025-01-31 08:15", "2025-01-31 08:15", "2025-03-30 12:00", "2025-07-01 00:00"]
            ).as_unit("us"),
            "net_amount": [10.5, -1.0, 1234.5678, 0.0],
        }
    )


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Tables]:
    """Read mappings given as they would stand in ``crm.yaml``."""

    def _read(tables: Mapping[str, Any], **more: Any) -> Tables:
        models = {
            name: TableMapping.model_validate({"source": spec} if isinstance(spec, str) else spec)
            for name, spec in tables.items()
        }
        return read_tables(models, **{"root": tmp_path, "zone": "Europe/Berlin", "currency": "EUR", **more})

    return _read


@pytest.fixture
def write_xlsx() -> Callable[..., None]:
    """Write a frame as a workbook with one sheet; times as real times."""

    def _write(frame: pd.DataFrame, path: Path, sheet: str = "Blatt1", skip: int = 0) -> None:
        book = xlsxwriter.Workbook(
            str(path),
            {"default_date_format": "yyyy-mm-dd hh:mm:ss", "strings_to_formulas": False, "strings_to_urls": False},
        )
        page = book.add_worksheet(sheet)
        for place, name in enumerate(frame.columns):
            page.write_string(skip, place, str(name))
        for row, values in enumerate(frame.itertuples(index=False), skip + 1):
            for place, value in enumerate(values):
                if isinstance(value, pd.Timestamp):
                    page.write_datetime(row, place, value.to_pydatetime())
                elif not pd.isna(value):
                    page.write(row, place, value)
        book.close()

    return _write


@pytest.fixture
def codes() -> Callable[..., list[tuple[str, str, str]]]:
    """Severity, code and column of the findings, shortest form for comparisons."""

    def _codes(findings: Any, severity: str | None = None) -> list[tuple[str, str, str]]:
        return [(f.severity, f.code, f.column) for f in findings if severity in (None, f.severity)]

    return _codes
