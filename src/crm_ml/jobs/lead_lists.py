"""The follow-up lists of a day: whom of the open leads to call first, beside the lists of customers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.actions.holding import held_back
from crm_ml.actions.lists import Entries, make_entries
from crm_ml.actions.lists.speaking import LEAD, speaking_of
from crm_ml.actions.policy import Policy, decide
from crm_ml.jobs.lead_scores import DayLeads
from crm_ml.jobs.subjects import managers_frame
from crm_ml.tables import Tables

_TIER_OF = {"A": "high", "B": "medium", "C": "low", "D": "low"}
"""What stands for a grade in the conditions of a policy."""


def lead_entries(
    leads: DayLeads,
    rows: pd.DataFrame,
    answers: pd.DataFrame,
    tables: Tables,
    policy: Policy,
    previous: pd.DataFrame | None,
) -> Entries:
    """Return the lists of leads of a day.

    Parameters
    ----------
    leads : DayLeads
        Of the day.
    rows : DataFrame
        The published scores of leads.
    answers : DataFrame
        What was answered, as `ActionStore.state` gives it.
    tables : Tables
        All tables, account_managers among them where there is one.
    policy : Policy
        For leads.
    previous : DataFrame or None
        ``actions.parquet`` of the newest list set before.
    """
    day = leads.seen.day
    subjects = lead_subjects(leads, rows, answers, policy)
    before = None if previous is None else previous[previous["subject_type"] == LEAD].reset_index(drop=True)
    with speaking_of(LEAD):
        return make_entries(
            subjects,
            decide(subjects, policy, as_of=day),
            managers_frame(tables),
            as_of=day,
            default_capacity=policy.daily_capacity,
            previous=before if before is not None and len(before) else None,
            may_be_named=_names(leads.seen.visible),
        )


def lead_subjects(leads: DayLeads, rows: pd.DataFrame, answers: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return one row per scored lead with all that the policy may look at and a list may show, in the order of scores.

    `priority` is what a day of waiting loses, `value_at_stake` the expected value, `risk_tier` stands for the grade.
    """
    day, ids = leads.seen.day, rows[n.LEAD_ID].to_numpy(dtype=object)
    grades = rows["grade"].to_numpy(dtype=object)
    known = _of_leads(leads.seen.visible, ids)
    subjects = pd.DataFrame(
        {
            "subject_type": LEAD,
            "subject_id": ids,
            "account_manager_id": rows["owner_id"].to_numpy(dtype=object),
            "p": rows["p_win"].to_numpy(np.float64),
            "grade": grades,
            "risk_tier": np.array([_TIER_OF[grade] for grade in grades], dtype=object),
            "value_at_stake": rows["expected_value"].to_numpy(np.float64),
            "priority": rows["priority"].to_numpy(np.float64),
            "reasons": rows["reasons"].to_numpy(),
            "notes": rows["notes"].to_numpy(),
            **known,
        }
    )
    features = leads.features.set_index(n.CUSTOMER_ID).reindex(ids)
    for name in policy.features:
        subjects[name] = features[name].to_numpy() if name in features else np.nan
    held = held_back(
        answers[answers["subject_type"] == LEAD],
        cool_down_days={name: action.cool_down_days for name, action in policy.actions.items()},
        not_now_days=policy.answers.not_now_days,
        wrong_days=policy.answers.wrong_days,
        default_cool_down_days=policy.cool_down_days,
    ).set_index("subject_id")
    own = held.reindex(ids)
    subjects["last_action"] = own["last_action"].to_numpy(dtype=object)
    subjects["days_since_last_action"] = np.array([_days_since(on, day) for on in own["last_action_on"]], np.float64)
    subjects["held_until"] = own["held_until"].to_numpy(dtype=object)
    subjects["held_why"] = own["held_why"].to_numpy(dtype=object)
    return subjects


def _days_since(on: Any, day: dt.date) -> float:
    return float((day - on).days) if isinstance(on, dt.date) else np.nan


def _of_leads(seen: Tables, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return name, phone, email and marketing basis of each lead; the company is its name."""
    frame = seen.frames[n.LEADS]
    at = pc.index_in(pa.array(ids, pa.string()), value_set=frame[n.LEAD_ID].combine_chunks())
    columns = {"name": "company", "phone": "phone", "email": "email", "marketing_basis": "marketing_basis"}
    return {
        name: np.array(frame[column].combine_chunks().take(at).to_pylist() or [], dtype=object).reshape(len(ids))
        for name, column in columns.items()
    }


def _names(seen: Tables) -> dict[str, str | None]:
    frame = seen.frames[n.LEADS]
    return dict(zip(frame[n.LEAD_ID].to_pylist(), frame["company"].to_pylist(), strict=True))
