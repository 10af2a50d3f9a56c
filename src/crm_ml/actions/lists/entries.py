"""What lists are made of: their heads, their rows, and how an action is recognised."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa

from crm_ml.actions.lists.columns import UNASSIGNED, Language
from crm_ml.actions.lists.deputies import Row, is_active, records, text_of
from crm_ml.actions.lists.words import TIERS, say

REASONS_SHOWN = 3
_REST = "rest"


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
    decided : pyarrow.Table
        All decisions, in the order of the subjects (`crm_ml.actions.lists.tables_out.DECISIONS_SCHEMA`).
    """

    as_of: dt.date
    previous_as_of: dt.date | None
    entries: pd.DataFrame
    gone: pd.DataFrame
    heads: tuple[ListHead, ...]
    decided: pa.Table = field(repr=False)

    def of(self, list_id: str) -> pd.DataFrame:
        """Return the rows of one list, first rank first."""
        return self.entries[self.entries["list_id"] == list_id]

    def gone_from(self, list_id: str) -> pd.DataFrame:
        """Return who is no longer on one list."""
        return self.gone[self.gone["list_id"] == list_id]

    def rows_of(self, list_id: str) -> list[Row]:
        """Return the rows of one list as column -> value, first rank first."""
        return self._rows.get(list_id, [])

    def gone_rows_of(self, list_id: str) -> list[Row]:
        """Return who is no longer on one list, as column -> value."""
        return self._gone_rows.get(list_id, [])

    @cached_property
    def rates(self) -> list[Row]:
        """The labels and the save rate of each action on a list, by action."""
        columns = ["action", "label_de", "label_en", "save_rate"]
        return records(self.entries[columns].drop_duplicates("action").sort_values("action"))

    @cached_property
    def _rows(self) -> dict[str, list[Row]]:
        return _by_list(self.entries)

    @cached_property
    def _gone_rows(self) -> dict[str, list[Row]]:
        return _by_list(self.gone)


def _by_list(frame: pd.DataFrame) -> dict[str, list[Row]]:
    """Return the rows of each list: made once, they are asked for by every file of every list."""
    found: dict[str, list[Row]] = {}
    for row in records(frame):
        found.setdefault(row["list_id"], []).append(row)
    return found


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

    Where there are no reasons at all, not even a rest, none were made: that is said instead.

    Examples
    --------
    >>> late = {"group": "rhythm", "contribution": 0.4, "text_de": "Lange nichts.", "text_en": "Late."}
    >>> raising_reasons([late], "en")
    ['Late.']
    >>> rest = {"group": "rest", "contribution": 0.1, "text_de": "Sonst nichts.", "text_en": "Nothing else."}
    >>> raising_reasons([rest], "en"), raising_reasons([], "en")
    (['No single reason stands out.'], ['Reasons were not made for this one.'])
    """
    if len(reasons) == 0:
        return [say("reasons_not_made", language)]
    raising = [
        reason[f"text_{language}"] for reason in reasons if reason["group"] != _REST and reason["contribution"] > 0
    ]
    return raising[:REASONS_SHOWN] or [say("no_reason", language)]


def staff_at(managers: pd.DataFrame | None, as_of: dt.date) -> dict[str, Row]:
    """Return the account managers who work on a day, by id."""
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
    staff = staff_at(managers, as_of)
    return sum(head_of(value, row, default).capacity for value, row in staff.items()) if staff else default


def head_of(list_id: str, row: Row | None, default_capacity: int) -> ListHead:
    """Return the list of a manager, whose row of account_managers is given where there is one."""
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


def tier_order(tiers: set[str]) -> list[str]:
    """Return tiers from the highest risk to the lowest; own ones follow by name.

    Examples
    --------
    >>> tier_order({"low", "watch", "high"})
    ['high', 'low', 'watch']
    """
    known = [tier for tier in TIERS if tier in tiers]
    return known + sorted(tiers - set(TIERS))
