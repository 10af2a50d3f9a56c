"""Every column of every canonical table dropped, renamed, retyped or emptied: the same result or a named finding."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_ml.errors import CrmError
from crm_ml.tables import SCHEMAS, from_frames
from crm_ml.tables.schemas import Column

STAMPS = ["2025-01-31 08:15:00", "2025-02-28 09:30:00"]


def _values(column: Column):
    if column.values:
        return [column.values[0], column.values[-1]]
    if column.name == "currency":
        return ["EUR", "USD"]
    return {
        "text": ["01", "02"],
        "instant": pd.to_datetime(STAMPS),
        "money": [1.5, -2.0],
        "int": [3, 4],
        "float": [0.5, 0.25],
        "bool": [True, False],
    }[column.type]


def _frame(table: str) -> pd.DataFrame:
    frame = pd.DataFrame({column.name: _values(column) for column in SCHEMAS[table].columns})
    return frame.assign(currency="EUR") if "currency" in frame and table != "rates" else frame


def _outcome(table: str, frame: pd.DataFrame):
    return from_frames({table: frame}, strict=False)


ALL = [(table, column) for table, schema in SCHEMAS.items() for column in schema.columns]
IDS = [f"{table}.{column.name}" for table, column in ALL]


@pytest.mark.parametrize(("table", "column"), ALL, ids=IDS)
def test_each_column(table, column):
    frame = _frame(table)
    whole = _outcome(table, frame)
    assert not [f for f in whole.findings if f.severity == "error"]
    name = column.name

    for changed in (frame.drop(columns=name), frame.rename(columns={name: f"{name}_neu"})):
        got = _outcome(table, changed)
        missing = [f for f in got.findings if f.code == "missing_column"]
        assert bool(missing) == column.required
        if column.required:
            assert (missing[0].table, missing[0].column) == (table, name)
        else:
            assert name not in got.mapped[table]

    texts = frame.assign(**{name: [None if pd.isna(v) else str(v) for v in frame[name]]})
    _assert_same_or_named(whole, _outcome(table, texts), table, name, same=True)

    for strange in ([["a"], ["b"]], [b"\xff", b"\xfe"], ["?", "!"], [1e300, -1e300], [True, False]):
        got = _outcome(table, frame.assign(**{name: pd.Series(strange, dtype=object)}))
        if column.type != "text":
            _assert_same_or_named(whole, got, table, name)

    empty = _outcome(table, frame.assign(**{name: None}))
    _assert_same_or_named(whole, empty, table, name, null=True)


def _assert_same_or_named(whole, got, table, name, *, same=False, null=False) -> None:
    named = [f for f in got.findings if f.column == name and f.severity in ("error", "warning")]
    if same:
        assert got.frames[table].equals(whole.frames[table]), named
    elif null:
        required = SCHEMAS[table].column(name).required
        assert bool(named) == required
        if not required:
            assert got.frames[table][name].null_count in (0, len(got.frames[table])) or name == "line_no"
    else:
        assert named or got.frames[table].equals(whole.frames[table])


def test_refusals_are_our_own_errors():
    with pytest.raises(CrmError, match="invoices"):
        from_frames({"invoices": _frame("invoices").assign(amount="viel")})
