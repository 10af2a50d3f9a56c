"""One row per scored customer with all that a policy may look at and a list may show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.actions.holding import held_back
from crm_ml.actions.policy import Policy
from crm_ml.features import Feature, build_features, cutoff_us, visible
from crm_ml.tables import Tables
from crm_ml.tables.zones import utc_to_local

if TYPE_CHECKING:
    from crm_ml.jobs.score import DayScores

CUSTOMER = "customer"
_DISPUTES = "invoices_disputed_open_count"
_SHOWN = ("name", "phone", "email", "language", "marketing_basis", "is_natural_person", "profiling_objection", "status")


def subjects_frame(
    scores: DayScores, rows: pd.DataFrame, answers: pd.DataFrame, tables: Tables, policy: Policy
) -> pd.DataFrame:
    """Return the subjects of a day, one per scored customer in the order of the scores.

    Parameters
    ----------
    scores : DayScores
        Of the day.
    rows : DataFrame
        The published scores.
    answers : DataFrame
        What account managers answered, as `ActionStore.state` gives it.
    tables : Tables
        All tables, the action log among them where there is one.
    policy : Policy
        Its conditions name features; its answers say how long a customer is left alone.
    """
    day = scores.seen.day
    ids = rows[n.CUSTOMER_ID].to_numpy(dtype=object)
    features = scores.features.set_index(n.CUSTOMER_ID).reindex(ids)
    subjects = pd.DataFrame(
        {
            "subject_type": CUSTOMER,
            "subject_id": ids,
            "account_manager_id": rows["account_manager_id"].to_numpy(dtype=object),
            "p": rows["p_churn"].to_numpy(np.float64),
            **{name: rows[name].to_numpy() for name in ("risk_tier", "value_at_stake", "priority", "reasons", "notes")},
            **_of_customers(scores.seen.visible, ids),
            "open_complaint": _open_complaints(scores.seen.tables, scores.features, policy, ids),
            "open_dispute": _counted(features, _DISPUTES),
        }
    )
    for name in dict.fromkeys((n.DAYS_SINCE_LAST_ORDER, *policy.features)):
        subjects[name] = features[name].to_numpy() if name in features else np.nan
    held = held_back(
        answers[answers["subject_type"] == CUSTOMER],
        cool_down_days={name: action.cool_down_days for name, action in policy.actions.items()},
        not_now_days=policy.answers.not_now_days,
        wrong_days=policy.answers.wrong_days,
        default_cool_down_days=policy.cool_down_days,
    )
    done = held[held["last_action"].notna()]
    answered = _actions(done["subject_id"], done["last_action"], [(day - on).days for on in done["last_action_on"]])
    actions = pd.concat([_logged(tables, day), answered], ignore_index=True)
    newest = actions.sort_values(["days", "action"], kind="stable").drop_duplicates("subject_id")
    found = newest.set_index("subject_id").reindex(ids)
    subjects["last_action"] = found["action"].to_numpy(dtype=object)
    subjects["days_since_last_action"] = found["days"].to_numpy(np.float64)
    by_id = held.set_index("subject_id").reindex(ids)
    subjects["held_until"] = by_id["held_until"].to_numpy(dtype=object)
    subjects["held_why"] = by_id["held_why"].to_numpy(dtype=object)
    return subjects


def _of_customers(seen: Tables, ids: np.ndarray) -> dict[str, Any]:
    """Return what is known of each customer, null where there is no table or no row."""
    frame = seen.frames.get(n.CUSTOMERS)
    if frame is None:
        return {name: np.full(len(ids), None, object) for name in _SHOWN}
    at = pc.index_in(pa.array(ids, pa.string()), value_set=frame[n.CUSTOMER_ID].combine_chunks())
    return {
        name: np.array(frame[name].combine_chunks().take(at).to_pylist() or [], dtype=object).reshape(len(ids))
        for name in _SHOWN
    }


def _open_complaints(tables: Tables, frame: pd.DataFrame, policy: Policy, ids: np.ndarray) -> np.ndarray:
    """Return who has a complaint of late that is not resolved: many firms never mark that one is."""
    days = policy.open_complaint_days
    recent = Feature(
        id=f"complaints_open_count_{days}d",
        source="interactions",
        window_days=days,
        where={"is_complaint": 1, "is_resolved": 0},
    )
    spine = frame[[n.CUSTOMER_ID, n.AS_OF, "cutoff"]]
    counted = build_features(tables, spine, features=[recent]).set_index(n.CUSTOMER_ID).reindex(ids)
    return _counted(counted, recent.id)


def _counted(features: pd.DataFrame, name: str) -> np.ndarray:
    """Return whether a count is above 0; what is not known is not open."""
    return np.asarray(features[name].to_numpy(np.float64) > 0) if name in features else np.zeros(len(features), bool)


def _logged(tables: Tables, day: dt.date) -> pd.DataFrame:
    """Return the treatments of the mapped action log that were known at the start of the day, newest last."""
    if n.ACTION_LOG not in tables.frames:
        return _actions([], [], [])
    only = tables.only([n.ACTION_LOG])
    frame = visible(only, cutoff_us(day, tables.zone)).frames[n.ACTION_LOG]
    log = frame.select(["subject_type", "subject_id", "decided_at", "action", "arm", "status"]).to_pandas()
    log = log[(log["subject_type"] == CUSTOMER) & (log["arm"] == "treatment") & (log["status"] != "cancelled")]
    instants = log["decided_at"].astype("datetime64[us, UTC]").dt.tz_localize(None).to_numpy("datetime64[us]")
    days = (np.datetime64(day) - local_days(instants.astype(np.int64), tables.zone)).astype(np.float64)
    return _actions(log["subject_id"], log["action"], days)


def _actions(ids: Iterable[str], actions: Iterable[str], days: Iterable[float]) -> pd.DataFrame:
    columns = {"subject_id": np.array(list(ids), object), "action": np.array(list(actions), object)}
    return pd.DataFrame({**columns, "days": np.array(list(days), np.float64)})


def managers_frame(tables: Tables) -> pd.DataFrame | None:
    """Return the account managers with local dates; a leave that lies ahead is known, so nothing is hidden here."""
    frame = tables.frames.get(n.ACCOUNT_MANAGERS)
    if frame is None:
        return None
    managers: pd.DataFrame = frame.drop_columns(["active_from", "active_to"]).to_pandas()
    for column in ("active_from", "active_to"):
        managers[column] = [None if at is None else _local_day(at, tables.zone) for at in _micros(frame[column])]
    return managers


def _micros(column: pa.ChunkedArray) -> list[int | None]:
    found: list[int | None] = pc.cast(column, pa.int64()).to_pylist()
    return found


def _local_day(instant: int, zone: str) -> dt.date:
    day: dt.date = local_days(np.array([instant]), zone)[0].item()
    return day


def local_days(instants: np.ndarray, zone: str) -> np.ndarray:
    """Return the local calendar day of instants in UTC microseconds, as ``datetime64[D]``."""
    local = utc_to_local(np.asarray(instants, dtype=np.int64), zone)
    return np.asarray(local.astype("datetime64[us]").astype("datetime64[D]"))


def nameable(seen: Tables) -> dict[str, str | None]:
    """Return the names of all customers who may be named as gone from a list: all but those who object."""
    frame = seen.frames.get(n.CUSTOMERS)
    if frame is None:
        return {}
    rows = zip(*(frame[name].to_pylist() for name in (n.CUSTOMER_ID, "name", "profiling_objection")), strict=True)
    return {customer: name for customer, name, objects in rows if not objects}
