"""What would have to be different: the model asked again about a customer to whom one thing has happened otherwise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features import Outcome, build_features, make_spine
from crm_ml.models import Model
from crm_ml.models.explain.customer import CustomerRecord
from crm_ml.models.model import features_for
from crm_ml.tables import Tables

ORDER, PAID, RESOLVED, TYPICAL = "order_yesterday", "invoices_paid", "complaints_resolved", "typical"
AT_MOST = 3
_LEAST_CHANGE = 0.005
_SAMPLE = 1_000
_HALF_A_DAY = 43_200_000_000
_OF_EVENTS = ("order_", "product_range", "open_invoices", "late_payment", "complaints", "returns")
_FIXED = ("profile", "relationship_age", "season", "rest")


@dataclass(frozen=True)
class Question:
    """A customer as it is, and all that is needed to ask the model about it otherwise.

    Attributes
    ----------
    tables : Tables
        Of the whole company; only looked at for what is typical.
    seen : Tables
        The customer's own tables as visible at the start of the day.
    record : CustomerRecord
    features : DataFrame
        The customer's features, one row.
    model : Model
    cutoff : int
        UTC microseconds.
    active_days : int
    outcome : Outcome
    """

    tables: Tables
    seen: Tables
    record: CustomerRecord
    features: pd.DataFrame
    model: Model
    cutoff: int
    active_days: int
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True)
class Answer:
    """What the model would say: `change` is one of the constants above, `group` the cause group it belongs to."""

    change: str
    group: str
    p_churn: float


def counterfactuals(
    asked: Question, groups: Sequence[tuple[str, float]], of_feature: Mapping[str, str]
) -> list[Answer]:
    """Return what the probability would be if one thing were different; at most three, the plainest first.

    An order like the last one yesterday; all overdue invoices paid yesterday; all open complaints resolved yesterday;
    and, for the strongest cause that none of these touches, its features set to the values of a typical customer
    (medians of the customers who are eligible that day). What changes next to nothing is left out, except the order.

    Parameters
    ----------
    asked : Question
        The customer.
    groups : sequence of (str, float)
        Cause groups with their contributions, strongest raising first.
    of_feature : mapping
        Feature id to its cause group.
    """
    now = float(asked.model.predict_proba(asked.features)[0])
    found: list[Answer] = []
    for change, group, ask in _events(asked):
        p = _asked_again(asked, ask())
        if change == ORDER or abs(p - now) >= _LEAST_CHANGE:
            found.append(Answer(change, group, p))
    for group, contribution in groups:
        if len(found) >= AT_MOST:
            break
        if contribution > 0 and not group.startswith((*_OF_EVENTS, *_FIXED)):
            p = _as_typical(asked, [name for name in asked.model.features if of_feature.get(name) == group])
            if abs(p - now) >= _LEAST_CHANGE:
                found.append(Answer(TYPICAL, group, p))
            break
    return found[:AT_MOST]


def _events(asked: Question) -> Iterator[tuple[str, str, Callable[[], Tables]]]:
    record, yesterday = asked.record, asked.record.as_of - dt.timedelta(days=1)
    bought = record.orders[record.orders["amount"] > 0]
    if len(bought) and bought["on"].iloc[-1] < yesterday:
        yield ORDER, "order_pause", lambda: _with_order(asked, str(bought["order_id"].iloc[-1]))
    invoices = record.invoices
    if invoices is not None and record.payments is not None:
        overdue = invoices[(invoices["open_amount"] > 0) & invoices["due_on"].notna()]
        if len(overdue):
            yield PAID, "open_invoices", lambda: _with_payments(asked, overdue)
    contacts = record.contacts
    if contacts is not None and "resolved_at" in asked.seen.mapped.get(n.INTERACTIONS, ()):
        unresolved = (contacts["topic"] == "complaint") & contacts["resolved_on"].isna()
        if unresolved.any():
            yield RESOLVED, "complaints", lambda: _with_resolved(asked)


def _asked_again(asked: Question, tables: Tables) -> float:
    spine = asked.features[[n.CUSTOMER_ID, n.AS_OF, "cutoff"]]
    wanted = features_for(tables, [asked.model])
    return float(asked.model.predict_proba(build_features(tables, spine, features=wanted))[0])


def _with(asked: Question, table: str, frame: pa.Table) -> Tables:
    return asked.seen.changed({table: frame})


def _filled(frame: pa.Table, values: Mapping[str, Any]) -> pa.Table:
    """Return the rows with some columns replaced (one value for all, or one each); only columns that there are."""
    for column, value in values.items():
        if column in frame.column_names:
            type_ = frame.schema.field(column).type
            each = value if isinstance(value, list) else [value] * len(frame)
            if pa.types.is_timestamp(type_):
                array = pa.array(each, pa.int64()).cast(type_)
            else:
                array = pa.array(each, type_)
            frame = frame.set_column(frame.column_names.index(column), frame.schema.field(column), array)
    return frame


def _with_order(asked: Question, order_id: str) -> Tables:
    lines, then = asked.seen.frames[n.ORDER_LINES], asked.cutoff - _HALF_A_DAY
    own = pc.and_(pc.equal(lines["order_id"], order_id), pc.equal(lines[n.CUSTOMER_ID], asked.record.customer_id))
    new_id = _free("what-if", set(lines["order_id"].to_pylist()))
    values = {"order_id": new_id, "ordered_at": then, n.KNOWN_AT: then, "delivery_at": None}
    return _with(asked, n.ORDER_LINES, pa.concat_tables([lines, _filled(lines.filter(own), values)]).combine_chunks())


def _with_payments(asked: Question, overdue: pd.DataFrame) -> Tables:
    payments, then = asked.seen.frames[n.PAYMENTS], asked.cutoff - _HALF_A_DAY
    taken, count = set(payments["payment_id"].to_pylist()), len(overdue)
    new = pa.table({f.name: pa.nulls(count, f.type) for f in payments.schema}, schema=payments.schema)
    amounts = np.rint(overdue["open_amount"].to_numpy(np.float64) * n.MONEY_SCALE).astype(np.int64)
    values = {
        "payment_id": [f"{_free('what-if', taken)}-{k}" for k in range(count)],
        "invoice_id": overdue["invoice_id"].tolist(),
        "paid_at": then,
        n.KNOWN_AT: then,
        "amount": amounts.tolist(),
    }
    return _with(asked, n.PAYMENTS, pa.concat_tables([payments, _filled(new, values)]).combine_chunks())


def _with_resolved(asked: Question) -> Tables:
    contacts, then = asked.seen.frames[n.INTERACTIONS], asked.cutoff - _HALF_A_DAY
    stamp = pa.scalar(then, pa.int64()).cast(contacts.schema.field("resolved_at").type)
    complaint = pc.fill_null(pc.equal(contacts["topic"], "complaint"), False)
    for column in ("responded_at", "resolved_at"):
        if column in asked.seen.mapped[n.INTERACTIONS]:
            values = pc.if_else(pc.and_(complaint, pc.is_null(contacts[column])), stamp, contacts[column])
            place = contacts.column_names.index(column)
            contacts = contacts.set_column(place, contacts.schema.field(place), values)
    return _with(asked, n.INTERACTIONS, contacts.combine_chunks())


def _free(stem: str, taken: set[str | None]) -> str:
    while any(name is not None and name.startswith(stem) for name in taken):
        stem += "-"
    return stem


def _as_typical(asked: Question, features: Sequence[str]) -> float:
    day, active_days = asked.record.as_of, asked.active_days
    everybody = make_spine(asked.tables, [day], active_days=active_days, outcome=asked.outcome)
    step = -(-len(everybody) // _SAMPLE)
    wanted = features_for(asked.tables, [asked.model])
    others = build_features(asked.tables, everybody.iloc[::step], features=wanted)
    changed = asked.features.copy()
    for name in features:
        changed[name] = pd.Series([_typical(others[name])], index=changed.index, dtype=changed[name].dtype)
    return float(asked.model.predict_proba(changed)[0])


def _typical(values: pd.Series[Any]) -> Any:
    known = values.dropna()
    if pd.api.types.is_numeric_dtype(values):
        return float(known.median()) if len(known) else np.nan
    return known.value_counts(sort=False).sort_index().idxmax() if len(known) else None
