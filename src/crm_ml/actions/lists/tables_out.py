"""The tables of a list set: every action on a list, and every decision."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crm_ml.actions.lists.deputies import day_of, text_of
from crm_ml.actions.lists.entries import Entries

ACTIONS_SCHEMA = pa.schema(
    [
        ("as_of", pa.date32()),
        ("subject_type", pa.string()),
        ("subject_id", pa.string()),
        ("account_manager_id", pa.string()),
        ("action", pa.string()),
        ("channel", pa.string()),
        ("arm", pa.string()),
        ("rule", pa.string()),
        ("expected_gain", pa.float64()),
        ("cost", pa.float64()),
        ("due_on", pa.date32()),
        ("text_de", pa.string()),
        ("text_en", pa.string()),
        ("action_id", pa.string()),
        ("rank", pa.int32()),
        ("risk_tier", pa.string()),
        ("p", pa.float64()),
        ("priority", pa.float64()),
        ("policy_version", pa.string()),
        ("on_behalf_of", pa.string()),
    ]
)
"""Columns of ``actions.parquet``: who has it on the list stands in ``account_manager_id``."""

DECISIONS_SCHEMA = pa.schema(
    [
        ("as_of", pa.date32()),
        ("subject_type", pa.string()),
        ("subject_id", pa.string()),
        ("account_manager_id", pa.string()),
        ("action", pa.string()),
        ("channel", pa.string()),
        ("arm", pa.string()),
        ("rule", pa.string()),
        ("held_by", pa.string()),
        ("save_rate", pa.float64()),
        ("cost", pa.float64()),
        ("expected_gain", pa.float64()),
        ("due_on", pa.date32()),
        ("risk_tier", pa.string()),
        ("p", pa.float64()),
        ("value_at_stake", pa.float64()),
        ("policy_version", pa.string()),
        ("inputs", pa.string()),
    ]
)
"""Columns of ``decisions.parquet``: one row per scored customer, also where nothing is done."""


def actions_table(entries: Entries) -> pa.Table:
    """Return the actions on the lists, by list and rank."""
    return as_table(entries.entries, ACTIONS_SCHEMA, entries.as_of)


def decisions_table(entries: Entries) -> pa.Table:
    """Return all decisions, by customer."""
    return entries.decided.sort_by([("subject_type", "ascending"), ("subject_id", "ascending")])


def write_table(table: pa.Table, path: Path) -> int:
    """Write a table so that the same rows always give the same bytes; return their number."""
    pq.write_table(table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=65_536)
    return int(table.num_rows)


def as_table(frame: pd.DataFrame, schema: pa.Schema, as_of: dt.date) -> pa.Table:
    """Return rows of subjects and decisions, whose list stands in ``list_id``, as a table of a schema."""
    arrays = []
    for column in schema:
        if column.name == "as_of":
            arrays.append(pa.array(np.full(len(frame), np.datetime64(as_of))))
            continue
        values = frame["list_id" if column.name == "account_manager_id" else column.name]
        if pa.types.is_string(column.type):
            arrays.append(_texts(values))
        elif pa.types.is_date(column.type):
            days = {value: day_of(value) for value in set(values.tolist())}
            arrays.append(pa.array([days[value] for value in values.tolist()], column.type))
        else:
            arrays.append(pa.array(values.tolist(), column.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _texts(values: pd.Series) -> pa.Array:
    """Return a column of texts, null where a cell is empty or missing or no text."""
    try:
        found = pa.array(values.to_numpy(dtype=object), pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return pa.array([_writable(text_of(value)) for value in values.tolist()], pa.string())
    return pc.if_else(pc.equal(pc.binary_length(found), 0), pa.scalar(None, pa.string()), found)


def _writable(text: str | None) -> str | None:
    # half a surrogate pair has no UTF-8
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
