"""What changed since the last list: new, up, down, same; and who is gone, and why."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from crm_ml import names as n
from crm_ml.actions.lists.columns import UNASSIGNED, Language
from crm_ml.actions.lists.deputies import Row, day_of, records, text_of
from crm_ml.actions.lists.formats import date, percent
from crm_ml.actions.lists.words import TIERS, held_text, say, tier_word

MOVED_BY = 0.02
"""A probability that moved by less is called unchanged."""

LANGUAGES: tuple[Language, Language] = ("de", "en")
_ANSWERED = {
    "answered_done": "done",
    "snoozed": "not_now",
    "answered_wrong": "wrong",
}
GONE_COLUMNS = ("list_id", "subject_type", "subject_id", "name", "why", "text_de", "text_en")

Subject = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """How a customer stands against the last list."""

    kind: str
    de: str
    en: str


@dataclass(frozen=True)
class Names:
    """What lists are called, and what customers are called who are not scored now."""

    lists: Mapping[str, str]
    customers: Mapping[str, str | None]

    def of_list(self, list_id: str) -> str:
        """Return the name of a list's owner."""
        return self.lists.get(list_id) or list_id


def subject_of(row: Row) -> Subject:
    """Return type and id of the subject of a row."""
    return str(row["subject_type"]), str(row["subject_id"])


def change_of(now: Row, before: Row | None, *, names: Names) -> Change:
    """Return how an entry stands against the last list on which its customer was (None: on none).

    Examples
    --------
    >>> before = {"account_manager_id": "A", "p": 0.41, "risk_tier": "medium"}
    >>> now = {"list_id": "A", "p": 0.52, "risk_tier": "medium"}
    >>> change_of(now, before, names=Names({}, {})).en
    'risk up: 41% → 52%'
    """
    if before is None:
        return _both("new", "change_new")
    if before["account_manager_id"] != now["list_id"]:
        return _both("new", "change_new_from", name=names.of_list(before["account_manager_id"]))
    kind = _direction(now, before)
    if kind == "same":
        return _both("same", "change_same")
    if now["risk_tier"] != before["risk_tier"]:
        return Change(kind, *(say(f"change_{kind}_tier", lang, **_moved(now, before, lang)) for lang in LANGUAGES))
    texts = []
    for lang in LANGUAGES:
        values = _moved(now, before, lang)
        shown = "" if values["before"] == values["now"] else "_p"
        texts.append(say(f"change_{kind}{shown}", lang, **values))
    return Change(kind, *texts)


def first_change() -> Change:
    """Return the change of every entry where there is no list before."""
    return _both("first", "change_first")


def gone_rows(
    previous: pd.DataFrame, entries: pd.DataFrame, frame: pd.DataFrame, *, as_of: dt.date, names: Names
) -> pd.DataFrame:
    """Return who was on a list before and is not on the same list now, with the reason in both languages.

    Parameters
    ----------
    previous : DataFrame
        ``actions.parquet`` of the last list set.
    entries : DataFrame
        Today's entries.
    frame : DataFrame
        Subjects and decisions of today, side by side.
    as_of : date
        Today.
    names : Names
        A customer who is neither in `frame` nor in ``names.customers`` is left out: objectors are never named.
    """
    today = {subject_of(row): row["list_id"] for row in records(entries)}
    asked = frame[frame["subject_id"].isin(set(previous["subject_id"]))]
    scored = {subject_of(row): row for row in records(asked)}
    rows = []
    for before in records(previous.sort_values(["account_manager_id", "rank"])):
        subject, list_id = subject_of(before), before["account_manager_id"]
        if today.get(subject) == list_id:
            continue
        now = scored.get(subject)
        if now is None and subject[1] not in names.customers:
            continue
        name = text_of(now.get("name") if now is not None else names.customers[subject[1]])
        reason = _moved_to(today[subject], names) if subject in today else _why(before, now, as_of=as_of)
        rows.append((list_id, *subject, name, reason.kind, reason.de, reason.en))
    return pd.DataFrame(rows, columns=list(GONE_COLUMNS))


def _why(before: Row, now: Row | None, *, as_of: dt.date) -> Change:
    if now is None:
        return _both("not_scored", "gone_not_scored")
    if now["action"] != "none":
        return _both("capacity", "gone_capacity")
    held = text_of(now["held_by"])
    answered = _ANSWERED.get(held or "")
    if answered:
        until = day_of(now.get("held_until"))
        name = f"gone_{answered}" if until is None else f"gone_{answered}_until"
        return Change(answered, *(say(name, lang, day=date(until, lang)) for lang in LANGUAGES))
    ordered = now.get(n.DAYS_SINCE_LAST_ORDER)
    since = day_of(before["as_of"])
    if ordered is not None and since is not None and float(ordered) <= (as_of - since).days:
        return _both("ordered", "gone_ordered")
    if _tier_rank(now) < _tier_rank(before):
        return Change("risk_fell", *(say("gone_risk_fell", lang, **_moved(now, before, lang)) for lang in LANGUAGES))
    if held is not None:
        return Change("held", held_text(held, "de"), held_text(held, "en"))
    return _both("other", "gone_other")


def _moved_to(list_id: str, names: Names) -> Change:
    if list_id == UNASSIGNED:
        return _both("moved", "gone_moved_unassigned")
    return _both("moved", "gone_moved", name=names.of_list(list_id))


def _direction(now: Row, before: Row) -> str:
    if now["risk_tier"] != before["risk_tier"]:
        step = _tier_rank(now) - _tier_rank(before)
        return "up" if (step or _difference(now, before)) > 0 else "down"
    moved = _difference(now, before)
    if abs(moved) < MOVED_BY:
        return "same"
    return "up" if moved > 0 else "down"


def _difference(now: Row, before: Row) -> float:
    # two probabilities of four digits differ by .02 or not: no float noise decides
    difference = round(float(now["p"]) - float(before["p"]), 9)
    return difference if math.isfinite(difference) else 0.0


def _tier_rank(row: Row) -> int:
    order = list(reversed(TIERS))
    return order.index(row["risk_tier"]) if row["risk_tier"] in order else 0


def _moved(now: Row, before: Row, language: Language) -> dict[str, str]:
    return {
        "before": percent(float(before["p"]), language),
        "now": percent(float(now["p"]), language),
        "tier_before": tier_word(str(before["risk_tier"]), language),
        "tier_now": tier_word(str(now["risk_tier"]), language),
    }


def _both(kind: str, name: str, /, **values: object) -> Change:
    return Change(kind, say(name, "de", **values), say(name, "en", **values))
