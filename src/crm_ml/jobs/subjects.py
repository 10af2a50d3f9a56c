"""The scored customers with all that a policy may look at and a list may show."""

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
from crm_ml.features import Feature, cutoff_us, visible
from crm_ml.jobs.score_parts import Beside
from crm_ml.tables import Tables
from crm_ml.tables.zones import utc_to_local

if TYPE_CHECKING:
    from crm_ml.jobs.score import DayScores

CUSTOMER = "customer"
_DISPUTES = "invoices_disputed_open_count"
_COMPLAINTS = "policy_complaints_open_count_{days}d"
_SHOWN = ("name", "phone", "email", "language", "marketing_basis", "is_natural_person", "profiling_objection", "status")


def beside_of(policy: Policy) -> Beside:
    """Return what a policy and a list look at besides the score."""
    days = policy.open_complaint_days
    # of late only: many firms never mark that a complaint is resolved
    complaints = Feature(
        id=_COMPLAINTS.format(days=days),
        source="interactions",
        window_days=days,
        where={"is_complaint": 1, "is_resolved": 0},
    )
    names = (_DISPUTES, n.DAYS_SINCE_LAST_ORDER, *policy.features, complaints.id)
    return Beside(tuple(dict.fromkeys(names)), (complaints,))


class DaySubjects:
    """The subjects of a day, one per scored customer in the order of the scores, some at a time.

    Parameters
    ----------
    scores : DayScores
        Of the day.
    rows : pyarrow.Table
        The published scores; reasons are not needed.
    answers : DataFrame
        What account managers answered, as `ActionStore.state` gives it.
    tables : Tables
        All tables, the action log among them where there is one.
    policy : Policy
        Its conditions name features; its answers say how long a customer is left alone.
    """

    def __init__(
        self, scores: DayScores, rows: pa.Table, answers: pd.DataFrame, tables: Tables, policy: Policy
    ) -> None:
        self._rows, self._policy, day = rows, policy, scores.seen.day
        ids = rows[n.CUSTOMER_ID].combine_chunks()
        self._beside = scores.beside
        self._at = pc.index_in(ids, value_set=pa.array(self._beside[n.CUSTOMER_ID], pa.string())).to_numpy()
        customers = scores.seen.customers.frames.get(n.CUSTOMERS)
        self._shown: dict[str, pa.Array] = {}
        if customers is not None:
            self._in_customers = pc.index_in(ids, value_set=customers[n.CUSTOMER_ID].combine_chunks())
            self._shown = {name: customers[name].combine_chunks() for name in _SHOWN}
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
        self._newest, self._held = newest.set_index("subject_id"), held.set_index("subject_id")

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def block(self, begin: int, count: int) -> pd.DataFrame:
        """Return the subjects from a place in the scores on, with all that a policy may look at and a list may show."""
        rows: pd.DataFrame = self._rows.slice(begin, count).to_pandas()
        ids = rows[n.CUSTOMER_ID].to_numpy(dtype=object)
        features = self._beside.iloc[self._at[begin : begin + count]]
        open_complaint = next(f.id for f in beside_of(self._policy).also)
        subjects = pd.DataFrame(
            {
                "subject_type": CUSTOMER,
                "subject_id": ids,
                "account_manager_id": rows["account_manager_id"].to_numpy(dtype=object),
                "p": rows["p_churn"].to_numpy(np.float64),
                **{name: rows[name].to_numpy() for name in ("risk_tier", "value_at_stake", "priority", "notes")},
                **self._of_customers(begin, len(ids)),
                "open_complaint": _counted(features, open_complaint),
                "open_dispute": _counted(features, _DISPUTES),
            }
        )
        for name in dict.fromkeys((n.DAYS_SINCE_LAST_ORDER, *self._policy.features)):
            subjects[name] = features[name].to_numpy() if name in features else np.nan
        found, by_id = self._newest.reindex(ids), self._held.reindex(ids)
        subjects["last_action"] = found["action"].to_numpy(dtype=object)
        subjects["days_since_last_action"] = found["days"].to_numpy(np.float64)
        subjects["held_until"] = by_id["held_until"].to_numpy(dtype=object)
        subjects["held_why"] = by_id["held_why"].to_numpy(dtype=object)
        return subjects

    def _of_customers(self, begin: int, count: int) -> dict[str, Any]:
        """Return what is known of each customer, null where there is no table or no row."""
        if not self._shown:
            return {name: np.full(count, None, object) for name in _SHOWN}
        at = self._in_customers.slice(begin, count)
        return {
            name: values.take(at).to_numpy(zero_copy_only=False).astype(object) for name, values in self._shown.items()
        }


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


def nameable(seen: Tables, ids: Iterable[str]) -> dict[str, str | None]:
    """Return the names of those of some customers who may be named as gone from a list: all but those who object."""
    frame = seen.frames.get(n.CUSTOMERS)
    if frame is None:
        return {}
    frame = frame.filter(pc.is_in(frame[n.CUSTOMER_ID], pa.array(list(ids), pa.string())))
    rows = zip(*(frame[name].to_pylist() for name in (n.CUSTOMER_ID, "name", "profiling_objection")), strict=True)
    return {customer: name for customer, name, objects in rows if not objects}
