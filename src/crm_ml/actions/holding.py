"""How long an answer keeps a customer off the lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_ml.actions.feedback import DONE, NOT_NOW, WRONG

_HELD = ("subject_type", "subject_id", "held_until", "held_why", "last_action", "last_action_on")


def held_back(
    state: pd.DataFrame,
    *,
    cool_down_days: Mapping[str, int],
    not_now_days: int,
    wrong_days: int,
    default_cool_down_days: int = 0,
) -> pd.DataFrame:
    """Return how long each answered subject stays off the lists, and what was last done with it.

    The newest answer to a subject counts: "done" holds it for the cool-down of the action, "not now" until the day that
    was named (else `not_now_days`), "wrong" for `wrong_days`, each from the day the answer was taken in. What was done
    stays done: a later answer to another list never ends a cool-down early.

    Parameters
    ----------
    state : DataFrame
        The newest answer per action, as the action log's ``state`` returns it.
    cool_down_days : mapping
        Action -> days.
    not_now_days : int
        For "not now" without a day.
    wrong_days : int
        For "wrong".
    default_cool_down_days : int
        For actions that the mapping no longer holds.

    Returns
    -------
    DataFrame
        One row per subject: subject_type, subject_id, held_until (the first day it may return), held_why, last_action,
        last_action_on (the newest that was done; None where nothing was).

    Examples
    --------
    >>> day = dt.date(2026, 3, 2)
    >>> said = {"subject_type": "customer", "subject_id": "7", "action": "call", "list_as_of": day}
    >>> rows = [{**said, "answer": "done", "answered_on": day, "again_on": None}]
    >>> held = held_back(pd.DataFrame(rows), cool_down_days={"call": 30}, not_now_days=14, wrong_days=90)
    >>> held[["held_until", "held_why"]].to_numpy().tolist()
    [[datetime.date(2026, 4, 1), 'done']]
    """
    days = {NOT_NOW: not_now_days, WRONG: wrong_days}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    names = ("subject_type", "subject_id", "action", "answer", "answered_on", "again_on", "list_as_of")
    said = sorted(zip(*(state[name].to_list() for name in names), strict=True), key=lambda row: (row[4], row[6]))
    for kind, subject, action, answer, answered_on, again_on, _ in said:
        wait = cool_down_days.get(action, default_cool_down_days) if answer == DONE else days[answer]
        until = again_on if answer == NOT_NOW and again_on is not None else answered_on + dt.timedelta(days=wait)
        held = found.setdefault((kind, subject), {"last_action": None, "last_action_on": None, "cools_until": None})
        held |= {"held_until": until, "held_why": answer}
        if answer == DONE:
            held |= {"last_action": action, "last_action_on": answered_on}
            held["cools_until"] = max(until, held["cools_until"] or until)
    rows = []
    for (kind, subject), held in sorted(found.items()):
        cools = held["cools_until"]
        if cools is not None and cools > held["held_until"]:
            held |= {"held_until": cools, "held_why": DONE}
        rows.append((kind, subject, *(held[name] for name in _HELD[2:])))
    return pd.DataFrame(rows, columns=list(_HELD), dtype=object)
