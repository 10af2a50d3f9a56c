"""The rows of all lists: who is on whose list, in which order, and what changed."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.actions.lists.changes import (
    GONE_COLUMNS,
    Names,
    change_of,
    first_change,
    gone_rows,
    subject_of,
)
from crm_ml.actions.lists.columns import UNASSIGNED, Language
from crm_ml.actions.lists.deputies import Row, day_of, is_active, records, responsible, text_of
from crm_ml.actions.lists.words import TIERS, say
from crm_ml.errors import UsageError

REASONS_SHOWN = 3
_REST = "rest"
_ADDED = ("change", "change_de", "change_en", "reasons_de", "reasons_en", "action_id")


@dataclass(frozen=True)
class ListHead:
    """One list: whose it is and what does not stand in its rows.

    Attributes
    ----------
    list_id : str
        Id of the account manager, or ``unassigned``.
    name : str or None
        The manager's name; None for ``unassigned``.
    language : {"de", "en"} or None
        The manager's; None: that of the workspace.
    email, phone : str or None
        The manager's; the sender of drafts.
    capacity : int
        Most customers on the list.
    waiting : int
        Customers with a step who did not fit.
    stands_in_for : tuple of str
        Names of absent managers whose customers are on the list.
    """

    list_id: str
    name: str | None
    language: Language | None
    email: str | None
    phone: str | None
    capacity: int
    waiting: int = 0
    stands_in_for: tuple[str, ...] = ()

    def title(self, language: Language) -> str:
        """Return what the list is called."""
        if self.list_id == UNASSIGNED and self.name is None:
            return say("list_unassigned", language)
        return say("list_of", language, name=self.name or self.list_id)


@dataclass(frozen=True)
class Entries:
    """The lists of a day, before they get a look.

    Attributes
    ----------
    as_of : date
    previous_as_of : date or None
        Day of the list set that changes are told against.
    entries : DataFrame
        One row per list row, by list and rank: the columns of subjects and decisions, ``action_id``, ``list_id``,
        ``on_behalf_of``, ``rank``, ``change``, ``change_de``, ``change_en``, ``reasons_de``, ``reasons_en``.
    gone : DataFrame
        Who is on a list no longer: ``list_id``, ``subject_type``, ``subject_id``, ``name``, ``why``, ``text_de``,
        ``text_en``.
    heads : tuple of ListHead
        The lists that are written, also empty ones, by id.
    frame : DataFrame
        Subjects and decisions side by side: all that were decided, with ``list_id`` and ``on_behalf_of``.
    """

    as_of: dt.date
    previous_as_of: dt.date | None
    entries: pd.DataFrame
    gone: pd.DataFrame
    heads: tuple[ListHead, ...]
    frame: pd.DataFrame = field(repr=False)

    def of(self, list_id: str) -> pd.DataFrame:
        """Return the rows of one list, first rank first."""
        return self.entries[self.entries["list_id"] == list_id]

    def gone_from(self, list_id: str) -> pd.DataFrame:
        """Return who is no longer on one list."""
        return self.gone[self.gone["list_id"] == list_id]


def make_entries(
    subjects: pd.DataFrame,
    decisions: pd.DataFrame,
    managers: pd.DataFrame | None,
    *,
    as_of: dt.date,
    default_capacity: int,
    previous: pd.DataFrame | None = None,
    may_be_named: Mapping[str, str | None] | None = None,
) -> Entries:
    """Put the decided actions on lists.

    Parameters
    ----------
    subjects : DataFrame
        One row per scored customer.
    decisions : DataFrame
        One row per subject, in the same order (`crm_ml.actions.policy.decide`).
    managers : DataFrame or None
        The table account_managers with dates of the workspace's zone; None where there is none.
    as_of : date
        Today.
    default_capacity : int
        Most rows of a list whose owner has no daily capacity.
    previous : DataFrame or None
        ``actions.parquet`` of the newest list set before the day; None where there is none.
    may_be_named : mapping, optional
        Id -> name of customers who are not scored and may still be named as gone. Objectors must not be in it.

    Returns
    -------
    Entries
        Ranked by expected gain (ties by id), at most the capacity per list.

    Raises
    ------
    UsageError
        If subjects and decisions are not about the same customers in the same order.
    """
    frame = _side_by_side(subjects, decisions)
    frame = frame[(frame["held_by"] != "objection").to_numpy(bool)].reset_index(drop=True)  # named nowhere
    owner = responsible(managers, frame["account_manager_id"].tolist(), as_of=as_of)
    places = [owner[text_of(value)] for value in frame["account_manager_id"].tolist()]
    frame["list_id"] = pd.Series([place[0] for place in places], index=frame.index, dtype=object)
    frame["on_behalf_of"] = pd.Series([place[1] for place in places], index=frame.index, dtype=object)
    staff = _staff(managers, as_of)
    ids = set(staff) if managers is not None else set(frame["list_id"])
    ids |= set(frame.loc[frame["action"] != "none", "list_id"])
    if previous is not None and UNASSIGNED in set(previous["account_manager_id"]):
        ids.add(UNASSIGNED)
    heads = {value: _head(value, staff.get(value), default_capacity) for value in sorted(ids or {UNASSIGNED})}
    entries, waiting = _ranked(frame, {value: head.capacity for value, head in heads.items()})
    names = Names(_list_names(managers), may_be_named or {})
    entries = _with_words(entries, previous, as_of=as_of, names=names)
    gone = pd.DataFrame(columns=list(GONE_COLUMNS), dtype=object)
    if previous is not None:
        gone = gone_rows(previous, entries, frame, as_of=as_of, names=names)
    finished = [_finished(head, entries, waiting.get(value, 0)) for value, head in heads.items()]
    return Entries(as_of, _day_of_set(previous), entries, gone, tuple(finished), frame)


def action_key(as_of: dt.date, subject_type: str, subject_id: str, action: str) -> str:
    """Return the key by which the answer to an action is recognised: day, and 60 bits of a hash.

    Examples
    --------
    >>> action_key(dt.date(2026, 3, 2), "customer", "00017", "personal_talk")
    '20260302-YSFNRNT4ZQMI'
    """
    whole = "\x1f".join((as_of.isoformat(), subject_type, subject_id, action))
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).digest()
    return f"{as_of:%Y%m%d}-{base64.b32encode(digest).decode()[:12]}"


def raising_reasons(reasons: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """Return the sentences of the first reasons that raise the risk; without any, that none stands out.

    Examples
    --------
    >>> late = {"group": "rhythm", "contribution": 0.4, "text_de": "Lange nichts.", "text_en": "Late."}
    >>> raising_reasons([late], "en")
    ['Late.']
    >>> raising_reasons([], "en")
    ['No single reason stands out.']
    """
    raising = [
        reason[f"text_{language}"] for reason in reasons if reason["group"] != _REST and reason["contribution"] > 0
    ]
    return raising[:REASONS_SHOWN] or [say("no_reason", language)]


def _side_by_side(subjects: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    key = ["subject_type", "subject_id"]
    same = len(subjects) == len(decisions) and all(subjects[name].tolist() == decisions[name].tolist() for name in key)
    if not same:
        raise UsageError(
            f"decisions must be about the same customers as subjects, in the same order; found {len(decisions)} "
            f"decisions for {len(subjects)} subjects",
            remedy="Pass what `decide` returned for these subjects.",
        )
    left = subjects.reset_index(drop=True)
    right = decisions.reset_index(drop=True)
    return pd.concat([left, right[[name for name in right.columns if name not in left.columns]]], axis=1)


def _staff(managers: pd.DataFrame | None, as_of: dt.date) -> dict[str, Row]:
    if managers is None:
        return {}
    rows = {row["account_manager_id"]: row for row in reversed(records(managers))}
    return {value: row for value, row in rows.items() if is_active(row.get("active_from"), row.get("active_to"), as_of)}


def daily_capacity(managers: pd.DataFrame | None, *, as_of: dt.date, default: int) -> int:
    """Return how many customers a day's lists hold at most: of all account managers who are at work that day.

    Parameters
    ----------
    managers : DataFrame or None
        As in `make_entries`. Without any there is one list.
    as_of : date
        The day.
    default : int
        Of a manager for whom none is given, and of the one list.

    Examples
    --------
    >>> managers = pd.DataFrame({"account_manager_id": ["a", "b", "c"], "daily_capacity": [5, None, 8],
    ...                          "active_from": None, "active_to": [None, None, dt.date(2026, 1, 1)]})
    >>> daily_capacity(managers, as_of=dt.date(2026, 3, 2), default=10)
    15
    """
    staff = _staff(managers, as_of)
    return sum(_head(value, row, default).capacity for value, row in staff.items()) if staff else default


def _list_names(managers: pd.DataFrame | None) -> dict[str, str]:
    if managers is None:
        return {}
    rows = records(managers)
    return {row["account_manager_id"]: text_of(row.get("name")) or row["account_manager_id"] for row in rows}


def _head(list_id: str, row: Row | None, default_capacity: int) -> ListHead:
    row = row or {}
    capacity, language = row.get("daily_capacity"), row.get("language")
    known = capacity is not None and capacity is not pd.NA and float(capacity) >= 0  # NaN is not
    return ListHead(
        list_id,
        text_of(row.get("name")) or (None if list_id == UNASSIGNED else list_id),
        language if language in ("de", "en") else None,
        text_of(row.get("email")),
        text_of(row.get("phone")),
        int(capacity) if known and capacity is not None else default_capacity,
    )


def _ranked(frame: pd.DataFrame, capacity: Mapping[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows that fit, ranked per list, and how many of each list do not fit."""
    acted = frame[frame["action"] != "none"]
    by = ["list_id", "expected_gain", "subject_type", "subject_id"]
    acted = acted.sort_values(by, ascending=[True, False, True, True], kind="stable", na_position="last")
    rank = acted.groupby("list_id", sort=False).cumcount() + 1
    most = acted["list_id"].map(dict(capacity)).astype(np.int64)
    fits = (rank <= most).to_numpy(bool)
    entries = acted[fits].assign(rank=rank[fits].astype(np.int64)).reset_index(drop=True)
    left_out = acted.loc[~fits, "list_id"].value_counts()
    return entries, {str(key): int(value) for key, value in left_out.items()}


def _with_words(entries: pd.DataFrame, previous: pd.DataFrame | None, *, as_of: dt.date, names: Names) -> pd.DataFrame:
    before = {} if previous is None else {subject_of(row): row for row in records(previous)}
    rows = []
    for row in records(entries):
        subject = subject_of(row)
        change = first_change() if previous is None else change_of(row, before.get(subject), names=names)
        reasons = row["reasons"]
        rows.append(
            (
                change.kind,
                change.de,
                change.en,
                raising_reasons(reasons, "de"),
                raising_reasons(reasons, "en"),
                action_key(as_of, *subject, row["action"]),
            )
        )
    columns = {
        name: pd.Series([row[at] for row in rows], index=entries.index, dtype=object) for at, name in enumerate(_ADDED)
    }
    return entries.assign(**columns)


def _finished(head: ListHead, entries: pd.DataFrame, waiting: int) -> ListHead:
    absent = entries.loc[entries["list_id"] == head.list_id, "on_behalf_of"].dropna()
    return ListHead(
        head.list_id,
        head.name,
        head.language,
        head.email,
        head.phone,
        head.capacity,
        waiting,
        tuple(sorted(set(absent))),
    )


def _day_of_set(previous: pd.DataFrame | None) -> dt.date | None:
    return None if previous is None or len(previous) == 0 else day_of(previous["as_of"].iloc[0])


def tier_order(tiers: set[str]) -> list[str]:
    """Return tiers from the highest risk to the lowest; own ones follow by name.

    Examples
    --------
    >>> tier_order({"low", "watch", "high"})
    ['high', 'low', 'watch']
    """
    known = [tier for tier in TIERS if tier in tiers]
    return known + sorted(tiers - set(TIERS))
