"""Who has a customer on the list today: the manager, a deputy, or nobody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pandas as pd

from crm_ml.actions.lists.columns import UNASSIGNED

Row = Mapping[str, Any]


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a table, each as column -> value."""
    return cast("list[Row]", frame.to_dict("records"))


def text_of(value: object) -> str | None:
    """Return a cell as text, or None where it is empty or missing.

    Examples
    --------
    >>> text_of("A"), text_of(""), text_of(float("nan")), text_of(None)
    ('A', None, None, None)
    """
    return value if isinstance(value, str) and value else None


def day_of(value: object) -> dt.date | None:
    """Return a cell as a date, or None where it is missing.

    Examples
    --------
    >>> day_of(pd.Timestamp("2026-03-02 08:00")), day_of(pd.NaT), day_of(None)
    (datetime.date(2026, 3, 2), None, None)
    """
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, dt.datetime):  # a Timestamp is one, too
        return value.date()
    if isinstance(value, dt.date):
        return value
    return pd.Timestamp(str(value)).date()


def is_active(active_from: object, active_to: object, as_of: dt.date) -> bool:
    """Say whether a manager works on a day: active in ``[from, to)``; ``to`` before ``from`` is a leave between them.

    Examples
    --------
    >>> is_active(None, dt.date(2026, 3, 2), dt.date(2026, 3, 2))
    False
    >>> is_active(dt.date(2026, 3, 9), dt.date(2026, 3, 2), dt.date(2026, 3, 9))
    True
    """
    first, end = day_of(active_from), day_of(active_to)
    if first is not None and end is not None and end < first:
        return as_of < end or as_of >= first
    return (first is None or first <= as_of) and (end is None or as_of < end)


def responsible(
    managers: pd.DataFrame | None, ids: Iterable[str | None], *, as_of: dt.date
) -> dict[str | None, tuple[str, str | None]]:
    """Return for each manager named on customers whose list has them, and for whom the list's owner stands in.

    Parameters
    ----------
    managers : DataFrame or None
        ``account_manager_id`` and, where known, ``name``, ``active_from``, ``active_to`` (dates of the workspace's
        zone) and ``deputy_id``. None: there is no such table, and every id has a list of its own.
    ids : iterable of str or None
        Ids as customers carry them.
    as_of : date
        Today.

    Returns
    -------
    dict
        id -> (list, name of the absent manager or None). The list is ``unassigned`` for a manager who is unknown, or
        absent without a deputy who works; deputies of deputies are followed, circles end at ``unassigned``.

    Examples
    --------
    >>> staff = pd.DataFrame({"account_manager_id": ["A", "B"], "name": ["Anna", "Bert"],
    ...                       "active_to": [dt.date(2026, 1, 1), None], "deputy_id": ["B", None]})
    >>> responsible(staff, ["A", "B", "X", None], as_of=dt.date(2026, 3, 2))
    {'A': ('B', 'Anna'), 'B': ('B', None), 'X': ('unassigned', None), None: ('unassigned', None)}
    """
    wanted = list(dict.fromkeys(text_of(value) for value in ids))
    if managers is None:
        return {value: (value or UNASSIGNED, None) for value in wanted}
    staff = {row["account_manager_id"]: row for row in reversed(records(managers))}

    def works(manager: str) -> bool:
        row = staff[manager]
        return is_active(row.get("active_from"), row.get("active_to"), as_of)

    found: dict[str | None, tuple[str, str | None]] = {}
    for value in wanted:
        if value is None or value not in staff:
            found[value] = (UNASSIGNED, None)
            continue
        stand_in: str | None = value
        passed = set()
        while stand_in is not None and stand_in in staff and stand_in not in passed and not works(stand_in):
            passed.add(stand_in)
            stand_in = text_of(staff[stand_in].get("deputy_id"))
        serves = stand_in is not None and stand_in in staff and stand_in not in passed
        absent = None if stand_in == value and serves else text_of(staff[value].get("name")) or value
        found[value] = (str(stand_in) if serves else UNASSIGNED, absent)
    return found
