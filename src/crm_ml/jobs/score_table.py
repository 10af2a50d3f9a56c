"""The table of scores: its columns, how it is computed from the visible data, and how it becomes a file."""

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

from crm_ml import names as n
from crm_ml.actions import priority, value_at_stake
from crm_ml.actions.policy import TierRules, assign_tiers
from crm_ml.errors import Failure
from crm_ml.features import Outcome, build_features, make_spine, usual_gap_days
from crm_ml.features.attributes import own_features
from crm_ml.features.outcome import CONTRACT_CANCELLED
from crm_ml.models import Contributions, Model
from crm_ml.models.explain.reasons import reasons_for
from crm_ml.models.model import features_for
from crm_ml.tables import Tables

FILE_NAME = "churn_scores.parquet"
SCHEMA_VERSION = 2
"""Raised whenever the same inputs give other scores or columns than before."""

NOTE_RULE = "model_is_rule"
NOTE_RHYTHM = "rhythm_longer_than_horizon"
NOTE_SHORT = "history_short"
NOTE_TIER_KEPT = "tier_kept"
_FEW_ORDER_DAYS = 3
_VALUE_FEATURES = (n.NET_REVENUE_365D, n.COST_365D, n.ORDER_GAP_DAYS_MEAN, n.ORDER_DAYS_COUNT)

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


@dataclass(frozen=True)
class Scored:
    """The published table, and what it was computed from (one row per customer, in the order of the spine)."""

    table: pa.Table
    features: pd.DataFrame
    contributions: Contributions


def customer_features(tables: Tables, how: Scoring) -> pd.DataFrame:
    """Return the features of the customers that are eligible on the day.

    Raises
    ------
    Failure
        If the model needs a feature that is not declared.
    """
    spine = make_spine(tables, [how.as_of], active_days=how.active_days, outcome=how.outcome)
    frame = build_features(tables, spine, features=features_for(tables, [how.model]))
    missing = [name for name in (*how.model.features, *_VALUE_FEATURES) if name not in frame.columns]
    if missing:
        raise Failure(
            f"The model needs features that are not declared here: {', '.join(missing[:5])}",
            remedy="Declare them with add_feature before scoring, as was done before training.",
            code="feature_not_declared",
        )
    return frame


def score_customers(frame: pd.DataFrame, seen: Tables, how: Scoring) -> Scored:
    """Return one row per eligible customer, highest priority first.

    Parameters
    ----------
    frame : DataFrame
        As `customer_features` gives it.
    seen : Tables
        What is visible at the start of the day.
    how : Scoring
        Model, day and definitions.
    """
    contributions = how.model.contributions(frame)
    if len(frame) == 0:
        return Scored(SCHEMA.empty_table(), frame, contributions)
    p = np.clip(np.asarray(how.model.predict_proba(frame), dtype=np.float64), 0.0, 1.0)
    cost = frame[n.COST_365D] if "cost_amount" in seen.mapped.get(n.ORDER_LINES, frozenset()) else None
    value = value_at_stake(frame[n.NET_REVENUE_365D], cost=cost, margin_rate=how.margin_rate)
    tiers, tier_p = assign_tiers(p, value, tiers=how.tiers, previous=_aligned(how.previous, frame[n.CUSTOMER_ID]))
    kept = [tier != plain for tier, plain in zip(tiers, assign_tiers(p, value, tiers=how.tiers)[0], strict=True)]
    told = reasons_for(
        frame, contributions, currency=seen.currency, features=(*own_features(seen), *how.model.declared)
    )
    reasons = [[reason.as_dict() for reason in row] for row in told]
    rows = len(frame)
    columns: dict[str, Any] = {
        n.AS_OF: pa.array([how.as_of] * rows, pa.date32()),
        n.CUSTOMER_ID: pa.array(frame[n.CUSTOMER_ID].to_numpy(dtype=object), pa.string()),
        "account_manager_id": _account_managers(seen, frame[n.CUSTOMER_ID]),
        "p_churn": pa.array(p),
        "risk_tier": pa.array(tiers, pa.string()),
        "value_at_stake": pa.array(value),
        "priority": pa.array(priority(p, value)),
        "reasons": pa.array(reasons, pa.list_(REASON)),
        "notes": pa.array(_notes(frame, how, kept, _slow(frame, seen, how)), pa.list_(pa.string())),
        "model_kind": pa.array([how.model.kind] * rows),
        "model_version": pa.array([how.model_version] * rows),
        "model_sha256": pa.array([how.model_sha256] * rows),
        "tier_p": pa.array(tier_p),
        "base_value": pa.array([contributions.base] * rows, pa.float64()),
        "margin": pa.array(contributions.margin),
    }
    table = pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    return Scored(table.sort_by([("priority", "descending"), (n.CUSTOMER_ID, "ascending")]), frame, contributions)


def read_previous_tiers(file: Path) -> pd.DataFrame:
    """Return customer_id, risk_tier and tier_p of a published table; where it has no tier_p, p_churn stands in."""
    names = pq.read_schema(file).names
    column = "tier_p" if "tier_p" in names else "p_churn"
    frame: pd.DataFrame = pq.read_table(file, columns=[n.CUSTOMER_ID, "risk_tier", column]).to_pandas()
    return frame.rename(columns={column: "tier_p"})


def _aligned(previous: pd.DataFrame | None, ids: pd.Series) -> pd.DataFrame | None:
    """Return the previous tiers row by row beside today's customers, null where there is none."""
    if previous is None:
        return None
    return previous.set_index(n.CUSTOMER_ID).reindex(ids.to_numpy(dtype=object)).reset_index(drop=True)


def write_scores(table: pa.Table, path: Path) -> int:
    """Write the table so that the same rows always give the same bytes; return their number."""
    pq.write_table(
        table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=65_536, use_dictionary=True
    )
    return int(table.num_rows)


def _account_managers(seen: Tables, customer_ids: pd.Series) -> pa.Array:
    customers = seen.frames.get(n.CUSTOMERS)
    ids = pa.array(customer_ids.to_numpy(dtype=object), pa.string())
    if customers is None:
        return pa.nulls(len(ids), pa.string())
    at = pc.index_in(ids, value_set=customers[n.CUSTOMER_ID].combine_chunks())
    return customers["account_manager_id"].combine_chunks().take(at)


def _slow(frame: pd.DataFrame, seen: Tables, how: Scoring) -> np.ndarray:
    """Return whose usual gap exceeds its label window: a pause tells little of it."""
    if how.outcome.target == CONTRACT_CANCELLED:
        return np.zeros(len(frame), bool)
    gaps = frame[n.ORDER_GAP_DAYS_MEAN].to_numpy(np.float64)
    if how.outcome.category is not None:
        gaps = usual_gap_days(seen, frame[[n.CUSTOMER_ID, n.AS_OF]], outcome=how.outcome)
    return np.asarray(gaps > how.outcome.horizons(gaps, how.horizon_days))


def _notes(frame: pd.DataFrame, how: Scoring, kept: Sequence[bool], slow: np.ndarray) -> list[list[str]]:
    every = [NOTE_RULE] if how.model.kind == "rule" else []
    short = ~(frame[n.ORDER_DAYS_COUNT].to_numpy(np.float64) >= _FEW_ORDER_DAYS)
    return [
        [
            *every,
            *([NOTE_RHYTHM] if own_slow else []),
            *([NOTE_SHORT] if own_short else []),
            *([NOTE_TIER_KEPT] if own_kept else []),
        ]
        for own_slow, own_short, own_kept in zip(slow.tolist(), short.tolist(), kept, strict=True)
    ]
