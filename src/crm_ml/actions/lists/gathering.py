"""The rows of all lists: who is on whose list, in which order, and what changed.

Customers may come in blocks: of each are kept the decisions, as a table of Arrow, and the rows that may still be on a
list or have gone from one. So a list of ten costs the memory of ten, however many customers it is chosen from.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_ml.actions.lists.changes import GONE_COLUMNS, Names, change_of, first_change, gone_rows, subject_of
from crm_ml.actions.lists.columns import UNASSIGNED
from crm_ml.actions.lists.deputies import day_of, records, responsible, text_of
from crm_ml.actions.lists.entries import Entries, ListHead, action_key, head_of, raising_reasons, staff_at
from crm_ml.actions.lists.tables_out import DECISIONS_SCHEMA, as_table
from crm_ml.errors import UsageError

_ADDED = ("change", "change_de", "change_en", "reasons_de", "reasons_en", "action_id")

ReasonsOf = Callable[[Sequence[str]], Sequence[Any]]
"""Returns the reasons of subjects by id, in the order of the ids."""


class Gathering:
    """The lists of a day while subjects and decisions come in.

    Parameters
    ----------
    managers : DataFrame or None
        The table account_managers with dates of the workspace's zone; None where there is none.
    as_of : date
        Today.
    default_capacity : int
        Most rows of a list whose owner has no daily capacity.
    previous : DataFrame or None
        ``actions.parquet`` of the newest list set before the day; None where there is none.
    """

    def __init__(
        self,
        managers: pd.DataFrame | None,
        *,
        as_of: dt.date,
        default_capacity: int,
        previous: pd.DataFrame | None = None,
    ) -> None:
        self._managers, self._as_of, self._default, self._previous = managers, as_of, default_capacity, previous
        self._staff = staff_at(managers, as_of)
        self._before = set() if previous is None else set(previous["subject_id"])
        self._decided: list[pa.Table] = []
        self._front: list[pd.DataFrame] = []
        self._asked: list[pd.DataFrame] = []
        self._ids: set[str] = set()
        self._acted: Counter[str] = Counter()

    def add(self, subjects: pd.DataFrame, decisions: pd.DataFrame) -> None:
        """Take some subjects with their decisions, in the same order.

        Raises
        ------
        UsageError
            If they are not about the same customers in the same order.
        """
        frame = _side_by_side(subjects, decisions)
        frame = frame[(frame["held_by"] != "objection").to_numpy(bool)].reset_index(drop=True)  # named nowhere
        manager = frame["account_manager_id"].tolist()
        owner = responsible(self._managers, manager, as_of=self._as_of)
        places = {value: owner[text_of(value)] for value in dict.fromkeys(manager)}
        frame["list_id"] = pd.Series([places[value][0] for value in manager], index=frame.index, dtype=object)
        frame["on_behalf_of"] = pd.Series([places[value][1] for value in manager], index=frame.index, dtype=object)
        self._decided.append(as_table(frame, DECISIONS_SCHEMA, self._as_of))
        acted = frame[frame["action"] != "none"]
        self._acted.update(acted["list_id"].tolist())
        self._ids.update((acted if self._managers is not None else frame)["list_id"].unique())
        if self._before:
            self._asked.append(frame[frame["subject_id"].isin(self._before)])
        # who does not fit on the list of those so far will not fit on that of all
        front = pd.concat([*self._front, acted], ignore_index=True)
        self._front = [_ranked(front, self._capacity(set(front["list_id"]))).drop(columns="rank")]

    def _capacity(self, ids: set[str]) -> dict[str, int]:
        return {value: head_of(value, self._staff.get(value), self._default).capacity for value in ids}

    def entries(
        self, *, may_be_named: Mapping[str, str | None] | None = None, reasons_of: ReasonsOf | None = None
    ) -> Entries:
        """Return the lists of all subjects that came in; see `make_entries`."""
        previous, ids = self._previous, set(self._ids)
        if self._managers is not None:
            ids |= set(self._staff)
        if previous is not None and UNASSIGNED in set(previous["account_manager_id"]):
            ids.add(UNASSIGNED)
        heads = {value: head_of(value, self._staff.get(value), self._default) for value in sorted(ids or {UNASSIGNED})}
        (front,) = self._front
        entries = _ranked(front, self._capacity(set(front["list_id"])))
        if reasons_of is not None:
            reasons = pd.Series(list(reasons_of(entries["subject_id"].tolist())), index=entries.index, dtype=object)
            entries = entries.assign(reasons=reasons)
        names = Names(_list_names(self._managers), may_be_named or {})
        entries = _with_words(entries, previous, as_of=self._as_of, names=names)
        gone = pd.DataFrame(columns=list(GONE_COLUMNS), dtype=object)
        if previous is not None:
            asked = pd.concat(self._asked, ignore_index=True) if self._asked else front.iloc[:0]
            gone = gone_rows(previous, entries, asked, as_of=self._as_of, names=names)
        on = entries["list_id"].value_counts()
        finished = [
            _finished(head, entries, self._acted[value] - int(on.get(value, 0))) for value, head in heads.items()
        ]
        decided = pa.concat_tables(self._decided)
        return Entries(self._as_of, _day_of_set(previous), entries, gone, tuple(finished), decided)


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
        One row per scored customer, with its ``reasons``.
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
    gathering = Gathering(managers, as_of=as_of, default_capacity=default_capacity, previous=previous)
    gathering.add(subjects, decisions)
    return gathering.entries(may_be_named=may_be_named)


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


def _list_names(managers: pd.DataFrame | None) -> dict[str, str]:
    if managers is None:
        return {}
    rows = records(managers)
    return {row["account_manager_id"]: text_of(row.get("name")) or row["account_manager_id"] for row in rows}


def _ranked(acted: pd.DataFrame, capacity: Mapping[str, int]) -> pd.DataFrame:
    """Return the rows that fit, ranked per list."""
    by = ["list_id", "expected_gain", "subject_type", "subject_id"]
    acted = acted.sort_values(by, ascending=[True, False, True, True], kind="stable", na_position="last")
    rank = acted.groupby("list_id", sort=False).cumcount() + 1
    most = acted["list_id"].map(dict(capacity)).astype(np.int64)
    fits = (rank <= most).to_numpy(bool)
    return acted[fits].assign(rank=rank[fits].astype(np.int64)).reset_index(drop=True)


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
