"""Who is to be explained: found in the tables, or refused with the reason."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Collection

import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import Failure, did_you_mean
from crm_ml.features import cutoff_us, visible
from crm_ml.features.outcome import CONTRACT_CANCELLED
from crm_ml.jobs.definition import eligible
from crm_ml.jobs.inputs import nothing_visible
from crm_ml.jobs.settings import ChurnSettings
from crm_ml.models.explain.customer import customer_record
from crm_ml.tables import Tables
from crm_ml.tables.identifiers import used_levels

_COMPARED = 20_000
_STATUS = {"blocked": "is blocked", "terminated": "has been terminated", "insolvent": "is insolvent"}


def find_customer(tables: Tables, subject_id: str, day: dt.date) -> str:
    """Return the id as it is written in the tables.

    Raises
    ------
    Failure
        If there is no such customer, or it has objected to profiling.
    DataError
        If no order is visible at the start of the day.
    """
    wanted = unicodedata.normalize("NFC", subject_id)
    objectors = _objectors(tables)
    if wanted in objectors:
        raise Failure(
            "This customer has objected to profiling",
            remedy="There is no score, and so nothing to explain.",
            code="objection",
        )
    lines = tables.only([n.ORDER_LINES])
    seen = visible(lines, cutoff_us(day, tables.zone)).stored[n.ORDER_LINES]
    if not len(seen):
        raise nothing_visible(day)
    known = set(used_levels(seen[n.CUSTOMER_ID]).to_pylist())
    if n.CUSTOMERS in tables.frames:
        known |= set(tables.frames[n.CUSTOMERS][n.CUSTOMER_ID].to_pylist())
    if wanted in known:
        return wanted
    hint = id_hint(wanted, known - objectors)
    raise Failure(
        f'There is no customer "{_short(wanted)}" as of {day}',
        remedy=f"{hint} Use the id as it stands in the tables; leading zeros count.".strip(),
        code="unknown_subject",
    )


def _short(text: str) -> str:
    shown = "".join(ch if ch.isprintable() else "�" for ch in text)
    return shown if len(shown) <= 80 else shown[:80] + "…"


def _objectors(tables: Tables) -> set[str]:
    customers = tables.frames.get(n.CUSTOMERS)
    if customers is None:
        return set()
    return set(customers.filter(pc.fill_null(customers["profiling_objection"], False))[n.CUSTOMER_ID].to_pylist())


def id_hint(wanted: str, known: Collection[str]) -> str:
    """Return a suggestion: the same number with other leading zeros, else the nearest id of about that length."""
    bare = wanted.strip().lstrip("0").casefold()
    same = sorted(id for id in known if id.lstrip("0").casefold() == bare)
    if same:
        return f' Did you mean "{same[0]}"?'
    near = sorted(id for id in known if abs(len(id) - len(wanted)) <= 2)
    begin = wanted[:1].casefold()
    # the nearest of hundreds of thousands is not worth a minute
    near.sort(key=lambda id: id[:1].casefold() != begin)
    return did_you_mean(wanted, near[:_COMPARED])


def refuse_not_eligible(own: Tables, seen: Tables, *, customer_id: str, day: dt.date, churn: ChurnSettings) -> None:
    """Raise unless the customer is scored on the day, and say why it is not.

    Parameters
    ----------
    own, seen : Tables
        The customer's own, and what of them is visible.
    customer_id : str
        Who.
    day : date
        When.
    churn : ChurnSettings
        What eligible means.

    Raises
    ------
    Failure
        With the code ``not_eligible``.
    """
    spine = eligible(own, [day], churn)
    if (spine[n.CUSTOMER_ID] == customer_id).any():
        return
    raise Failure(
        f"The customer is not scored as of {day}: {_why_not(seen, customer_id, day, churn)}",
        remedy="Choose a day on which it is.",
        code="not_eligible",
    )


def _why_not(seen: Tables, customer_id: str, day: dt.date, churn: ChurnSettings) -> str:
    customers = seen.frames.get(n.CUSTOMERS)
    if customers is not None and len(customers):
        status = customers["status"][0].as_py()
        if status == "internal":
            return "it is an internal account"
        if status not in (None, "active"):
            return f"it {_STATUS.get(status, f'has the status {status}')}"
    orders = customer_record(seen, customer_id, day).orders
    bought = orders[orders["amount"] > 0]
    if not len(bought):
        return "it has not bought anything before"
    last = bought["on"].iloc[-1]
    if (day - last).days <= churn.active_days and churn.target == CONTRACT_CANCELLED:
        return "no contract of it runs on that day"
    if (day - last).days <= churn.active_days and churn.category is not None:
        return f"it bought nothing of the category {churn.category} within {churn.active_days} days"
    return (
        f"its last purchase was on {last}, {(day - last).days} days before, "
        f"and only who bought within {churn.active_days} days is"
    )
