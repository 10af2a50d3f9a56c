"""The table of scores: its columns, how it is made of what was computed, and how it becomes a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crm_ml import names as n
from crm_ml.actions import priority
from crm_ml.actions.policy import TierRules
from crm_ml.features import Outcome
from crm_ml.models import Contributions, Model
from crm_ml.models.explain.groups import group_contributions
from crm_ml.models.explain.reasons import Reason
from crm_ml.tables import Tables

FILE_NAME = "churn_scores.parquet"
SCHEMA_VERSION = 2
"""Raised whenever the same inputs give other scores or columns than before."""

NOTE_RULE = "model_is_rule"
NOTE_RHYTHM = "rhythm_longer_than_horizon"
NOTE_SHORT = "history_short"
NOTE_TIER_KEPT = "tier_kept"
FloatArray = NDArray[np.float64]

REASON = pa.struct(
    [
        ("group", pa.string()),
        ("feature", pa.string()),
        ("value", pa.float64()),
        ("contribution", pa.float64()),
        ("text_de", pa.string()),
        ("text_en", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        (n.AS_OF, pa.date32()),
        (n.CUSTOMER_ID, pa.string()),
        ("account_manager_id", pa.string()),
        ("p_churn", pa.float64()),
        ("risk_tier", pa.string()),
        ("value_at_stake", pa.float64()),
        ("priority", pa.float64()),
        ("reasons", pa.list_(REASON)),
        ("notes", pa.list_(pa.string())),
        ("model_kind", pa.string()),
        ("model_version", pa.string()),
        ("model_sha256", pa.string()),
        ("tier_p", pa.float64()),
        ("base_value", pa.float64()),
        ("margin", pa.float64()),
    ]
)
"""Columns of ``churn_scores.parquet``."""


@dataclass(frozen=True)
class Scoring:
    """What a table of scores is computed with.

    Attributes
    ----------
    as_of : date
    active_days, horizon_days : int
    margin_rate : float
    model : Model
    model_version, model_sha256 : str
    tiers : TierRules
        Of the policy.
    previous : DataFrame or None
        ``customer_id``, ``risk_tier`` and ``tier_p`` of the set before, for tiers that do not flicker.
    outcome : Outcome
        What counts as churn; with windows of own length `horizon_days` is that of customers without a rhythm.
    reasons_share : float
        Share of the customers, riskiest first, who get reasons; 1: all.
    per_list : int
        Where that is not all: of each account manager and tier the first so many by priority get reasons besides.
    """

    as_of: dt.date
    active_days: int
    horizon_days: int
    margin_rate: float
    model: Model
    model_version: str
    model_sha256: str
    tiers: TierRules
    previous: pd.DataFrame | None = None
    outcome: Outcome = field(default_factory=Outcome)
    reasons_share: float = 1.0
    per_list: int = 20


@dataclass(frozen=True)
class Effects:
    """What moved the scores of all rows that have reasons: absolute contributions (log-odds), summed.

    Attributes
    ----------
    rows : int
        Rows with reasons.
    causes, features : dict
        Cause, or feature, to the sum.
    """

    rows: int
    causes: dict[str, float]
    features: dict[str, float]


@dataclass(frozen=True)
class Scored:
    """The published table, and what it was computed from.

    Attributes
    ----------
    table : pyarrow.Table
        One row per subject.
    features, contributions : DataFrame, Contributions
        Some of the rows that have reasons, evenly taken, in the order of the spine: enough for a picture. All of them
        where they are few.
    effects : Effects
        Of all rows that have reasons.
    beside : DataFrame
        Of each subject, in the order of the spine: its id, ``as_of``, ``cutoff`` and the features that were asked for.
    """

    table: pa.Table
    features: pd.DataFrame
    contributions: Contributions
    effects: Effects
    beside: pd.DataFrame = field(default_factory=pd.DataFrame)


def effects_of(features: pd.DataFrame, contributions: Contributions) -> Effects:
    """Return the sums over some rows."""
    causes = group_contributions(contributions, frame=features).abs().sum()
    each = contributions.values.abs().sum()
    return Effects(len(features), *({str(name): float(x) for name, x in sums.items()} for sums in (causes, each)))


@dataclass(frozen=True)
class Numbers:
    """What is said of each customer of a day, one value per row of the spine.

    Attributes
    ----------
    ids : pyarrow.Array of text
    p, margin, value, tier_p : numpy.ndarray of float64
    tier : numpy.ndarray of text
    slow, short, kept : numpy.ndarray of bool
        Who waits longer than the horizon, has few orders so far, has kept a tier of the day before.
    """

    ids: pa.Array
    p: FloatArray
    margin: FloatArray
    value: FloatArray
    tier: NDArray[np.object_]
    tier_p: FloatArray
    slow: NDArray[np.bool_]
    short: NDArray[np.bool_]
    kept: NDArray[np.bool_]


def table_of(numbers: Numbers, reasons: pa.Array, *, base: float, seen: Tables, how: Scoring) -> pa.Table:
    """Return the published table, highest priority first; `reasons` are one list per row."""
    rows, worth = len(numbers.ids), priority(numbers.p, numbers.value)
    columns: dict[str, Any] = {
        n.AS_OF: pa.array(np.full(rows, np.datetime64(how.as_of))),
        n.CUSTOMER_ID: numbers.ids,
        "account_manager_id": account_managers(seen, numbers.ids),
        "p_churn": pa.array(numbers.p),
        "risk_tier": pa.array(numbers.tier, pa.string()),
        "value_at_stake": pa.array(numbers.value),
        "priority": pa.array(worth),
        "reasons": reasons,
        "notes": _notes(numbers, how),
        "model_kind": pa.repeat(pa.scalar(how.model.kind), rows),
        "model_version": pa.repeat(pa.scalar(how.model_version), rows),
        "model_sha256": pa.repeat(pa.scalar(how.model_sha256), rows),
        "tier_p": pa.array(numbers.tier_p),
        "base_value": pa.repeat(pa.scalar(base, pa.float64()), rows),
        "margin": pa.array(numbers.margin),
    }
    keys = pa.table({"priority": columns["priority"], n.CUSTOMER_ID: numbers.ids})
    order = pc.sort_indices(keys, [("priority", "descending"), (n.CUSTOMER_ID, "ascending")])
    # one column after the other, so that no more than one is held twice
    return pa.Table.from_arrays([columns.pop(name).take(order) for name in SCHEMA.names], schema=SCHEMA)


def reasons_array(told: Sequence[Sequence[Reason]]) -> pa.ListArray:
    """Return the reasons of some rows as Arrow's lists.

    Examples
    --------
    >>> reasons_array([[Reason("rest", None, None, 0.5, "Sonst nichts.", "Nothing else.")], []]).to_pylist()[1]
    []
    """
    flat = [reason for row in told for reason in row]
    arrays = [pa.array([getattr(reason, column.name) for reason in flat], column.type) for column in REASON]
    ends = np.cumsum([0, *map(len, told)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.StructArray.from_arrays(arrays, fields=list(REASON)))


def read_previous_tiers(file: Path) -> pd.DataFrame:
    """Return customer_id, risk_tier and tier_p of a published table; where it has no tier_p, p_churn stands in."""
    names = pq.read_schema(file).names
    column = "tier_p" if "tier_p" in names else "p_churn"
    frame: pd.DataFrame = pq.read_table(file, columns=[n.CUSTOMER_ID, "risk_tier", column]).to_pandas()
    return frame.rename(columns={column: "tier_p"})


def write_scores(table: pa.Table, path: Path) -> int:
    """Write the table so that the same rows always give the same bytes; return their number."""
    pq.write_table(
        table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=65_536, use_dictionary=True
    )
    return int(table.num_rows)


def account_managers(seen: Tables, ids: pa.Array) -> pa.Array:
    """Return the account manager of each customer, null where none is known."""
    customers = seen.frames.get(n.CUSTOMERS)
    if customers is None:
        return pa.nulls(len(ids), pa.string())
    at = pc.index_in(ids, value_set=customers[n.CUSTOMER_ID].combine_chunks())
    return customers["account_manager_id"].combine_chunks().take(at)


def _notes(numbers: Numbers, how: Scoring) -> pa.Array:
    every = [NOTE_RULE] if how.model.kind == "rule" else []
    flags = {NOTE_RHYTHM: numbers.slow, NOTE_SHORT: numbers.short, NOTE_TIER_KEPT: numbers.kept}
    # there are few combinations: each is written down once
    combined = sum(flag.astype(np.int64) << bit for bit, flag in enumerate(flags.values()))
    lists = [[*every, *(note for bit, note in enumerate(flags) if code >> bit & 1)] for code in range(1 << len(flags))]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(combined))
