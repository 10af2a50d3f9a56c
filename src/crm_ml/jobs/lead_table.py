"""The table of lead scores: its columns, and how it is computed from the visible data."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.actions.policy import assign_grades
from crm_ml.actions.policy.schema import GradeRules
from crm_ml.actions.waiting import WaitingCurve, lost_per_day
from crm_ml.features.attributes import own_features
from crm_ml.jobs.score_table import NOTE_RULE, REASON, Effects, Scored, effects_of, reasons_array
from crm_ml.models import Model
from crm_ml.models.deal_value import DealValues
from crm_ml.models.explain.reasons import reasons_for
from crm_ml.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAD_SCHEMA_VERSION = 2
"""Raised whenever the same inputs give other scores or columns than before."""
NOTE_NO_VALUE = "value_is_one"
NOTE_WAITS = "waits_for_us"

LEAD_SCHEMA = pa.schema(
    [
        (n.AS_OF, pa.date32()),
        (n.LEAD_ID, pa.string()),
        ("owner_id", pa.string()),
        ("p_win", pa.float64()),
        ("grade", pa.string()),
        ("expected_value", pa.float64()),
        ("priority", pa.float64()),
        ("reasons", pa.list_(REASON)),
        ("notes", pa.list_(pa.string())),
        ("model_kind", pa.string()),
        ("model_version", pa.string()),
        ("model_sha256", pa.string()),
        ("deal_value", pa.float64()),
        ("deal_value_low", pa.float64()),
        ("deal_value_high", pa.float64()),
        ("waited_hours", pa.float64()),
        ("base_value", pa.float64()),
        ("margin", pa.float64()),
    ]
)
"""Columns of ``lead_scores.parquet``."""


@dataclass(frozen=True)
class LeadScoring:
    """What a table of lead scores is computed with.

    Attributes
    ----------
    as_of : date
    horizon_days : int
        Of the label.
    model : Model
    model_version, model_sha256 : str
    grades : GradeRules
        Of the policy.
    values : DealValues
        What leads are worth.
    curve : WaitingCurve or None
        What waiting costs, if that was measured.
    previous : DataFrame or None
        ``lead_id`` and ``grade`` of the set before, for grades that do not flicker.
    """

    as_of: dt.date
    horizon_days: int
    model: Model
    model_version: str
    model_sha256: str
    grades: GradeRules
    values: DealValues
    curve: WaitingCurve | None = None
    previous: pd.DataFrame | None = None


def score_leads(frame: pd.DataFrame, seen: Tables, how: LeadScoring) -> Scored:
    """Return one row per open lead, the one that loses most by waiting first.

    Parameters
    ----------
    frame : DataFrame
        Features of the open leads, ``lead_id`` standing in the column ``customer_id``.
    seen : Tables
        What is visible at the start of the day.
    how : LeadScoring
        Model, day and definitions.
    """
    contributions = how.model.contributions(frame)
    if len(frame) == 0:
        return Scored(LEAD_SCHEMA.empty_table(), frame, contributions, Effects(0, {}, {}))
    p = np.clip(np.asarray(how.model.predict_proba(frame), dtype=np.float64), 0.0, 1.0)
    worth = how.values.predict(frame)
    expected = p * worth["value"].to_numpy(np.float64)
    waited = waited_hours(frame)
    declared = (*own_features(seen, n.LEADS), *how.model.declared)
    told = reasons_for(frame, contributions, currency=seen.currency, features=declared, leads=True)
    rows = len(frame)
    columns: dict[str, Any] = {
        n.AS_OF: pa.array([how.as_of] * rows, pa.date32()),
        n.LEAD_ID: pa.array(frame[n.CUSTOMER_ID].to_numpy(dtype=object), pa.string()),
        "owner_id": _owners(seen, frame[n.CUSTOMER_ID]),
        "p_win": pa.array(p),
        "grade": pa.array(_grades(expected, frame, how), pa.string()),
        "expected_value": pa.array(expected),
        "priority": pa.array(lost_per_day(expected, waited, curve=how.curve, horizon_days=how.horizon_days)),
        "reasons": reasons_array(told),
        "notes": pa.array(_notes(how, waited), pa.list_(pa.string())),
        "model_kind": pa.array([how.model.kind] * rows),
        "model_version": pa.array([how.model_version] * rows),
        "model_sha256": pa.array([how.model_sha256] * rows),
        "deal_value": pa.array(worth["value"].to_numpy(np.float64)),
        "deal_value_low": pa.array(worth["low"].to_numpy(np.float64)),
        "deal_value_high": pa.array(worth["high"].to_numpy(np.float64)),
        "waited_hours": pa.array(waited, from_pandas=True),
        "base_value": pa.array([contributions.base] * rows, pa.float64()),
        "margin": pa.array(contributions.margin),
    }
    table = pa.Table.from_arrays([columns[name] for name in LEAD_SCHEMA.names], schema=LEAD_SCHEMA)
    order = [("priority", "descending"), (n.LEAD_ID, "ascending")]
    return Scored(table.sort_by(order), frame, contributions, effects_of(frame, contributions))


def waited_hours(frame: pd.DataFrame) -> np.ndarray:
    """Return since how many hours each lead has been waiting for us; NaN where the next step is not ours.

    A lead that we never answered waits since its creation; one whose last move came after ours waits since then. Where
    lead_events is not mapped nobody is known to wait.
    """
    columns = ("lead_age_hours", "lead_hours_since_first_ours", "lead_hours_since_ours", "lead_hours_since_theirs")
    age, first, ours, theirs = (
        frame[name].to_numpy(np.float64) if name in frame else np.full(len(frame), np.nan) for name in columns
    )
    counts = frame["lead_reply_sent_count"].to_numpy(np.float64) if "lead_reply_sent_count" in frame else np.nan
    known = ~np.isnan(np.broadcast_to(counts, len(frame)))  # a count is null where there are no events at all
    never = known & np.isnan(first)
    return np.where(never, age, np.where(theirs < ours, theirs, np.nan))


def read_previous_grades(file: Path) -> pd.DataFrame | None:
    """Return lead_id and grade of a published table; None where the set has none."""
    if not file.exists():
        return None
    frame: pd.DataFrame = pq.read_table(file, columns=[n.LEAD_ID, "grade"]).to_pandas()
    return frame


def _grades(expected: np.ndarray, frame: pd.DataFrame, how: LeadScoring) -> list[str]:
    before = None
    if how.previous is not None:
        known = how.previous.set_index(n.LEAD_ID)["grade"].reindex(frame[n.CUSTOMER_ID].to_numpy(dtype=object))
        before = known.astype(object).where(known.notna(), None).to_numpy()
    return assign_grades(expected, grades=how.grades, previous=before)


def _owners(seen: Tables, lead_ids: pd.Series) -> pa.Array:
    leads = seen.frames[n.LEADS]
    at = pc.index_in(
        pa.array(lead_ids.to_numpy(dtype=object), pa.string()), value_set=leads[n.LEAD_ID].combine_chunks()
    )
    return leads["owner_id"].combine_chunks().cast(pa.string()).take(at)


def _notes(how: LeadScoring, waited: np.ndarray) -> Sequence[list[str]]:
    every = [NOTE_RULE] if how.model.kind == "rule" else []
    every += [] if how.values.deals else [NOTE_NO_VALUE]
    return [[*every, *([NOTE_WAITS] if waits else [])] for waits in np.isfinite(waited).tolist()]
