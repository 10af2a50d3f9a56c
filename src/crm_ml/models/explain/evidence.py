"""The rows behind a reason: what of the customer's record the leading feature was computed from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from crm_ml.features import CATALOGUE, CUSTOMER, OPTIONAL, AttributeFeature, Feature, FunctionFeature, default_features
from crm_ml.features.catalogue import inputs_of
from crm_ml.features.spec import AnyFeature
from crm_ml.models.explain.customer import CustomerRecord

MOST_ROWS: Final = 10
_LEAST_ROWS = 3

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("on", "order_id", "amount", "days_since_previous"),
    "returns": ("on", "order_id", "product_id", "product", "amount"),
    "discounts": ("on", "order_id", "product_id", "amount", "list_amount"),
    "products": ("product_id", "product", "last_on", "orders", "amount"),
    "invoices": ("invoice_id", "issued_on", "due_on", "paid_on", "amount", "open_amount", "days_late"),
    "disputes": ("invoice_id", "issued_on", "disputed_on", "amount", "open_amount"),
    "payments": ("on", "invoice_id", "amount"),
    "contacts": ("on", "channel", "direction", "topic", "responded_on", "resolved_on"),
    "surveys": ("on", "kind", "score"),
    "attributes": ("attribute", "value"),
}
"""Kind of rows -> their columns."""


@dataclass(frozen=True)
class Evidence:
    """Rows behind a reason.

    Attributes
    ----------
    kind : str
        A key of `COLUMNS`; empty where a reason has no rows (the season, the rest).
    rows : tuple of dict
        At most `MOST_ROWS`, newest first; days are dates, missing values None.
    total : int
        How many there are in all.
    """

    kind: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    total: int = 0


def rows_behind(
    feature_id: str | None,
    record: CustomerRecord,
    values: Mapping[str, Any] | None = None,
    own: Sequence[AnyFeature] = (),
) -> Evidence:
    """Return the rows that a feature was computed from, newest first.

    Orders, invoices and contacts that lie outside the feature's window are shown too where fewer than three lie in it:
    "no order in the last 90 days" is best shown by the last order there was.

    Parameters
    ----------
    feature_id : str or None
        The leading feature of a reason; None, or an id that is not declared, has no rows.
    record : CustomerRecord
        What is known of the customer.
    values : mapping, optional
        Values of the features by id, for those that are a column of the customers table.
    own : sequence of features
        Declared besides the catalogue.

    Examples
    --------
    >>> from crm_ml.features import visible
    >>> from crm_ml.models.explain.customer import customer_record
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A"], "customer_id": ["7"], "ordered_at": ["2026-01-05"], "net_amount": [100.0]}
    >>> record = customer_record(from_frames({"order_lines": pd.DataFrame(lines)}), "7", dt.date(2026, 3, 1))
    >>> rows_behind("days_since_last_order", record).rows
    ({'on': datetime.date(2026, 1, 5), 'order_id': 'A', 'amount': 100.0, 'days_since_previous': None},)
    """
    known = {
        feature.id: feature for feature in (*CATALOGUE, *inputs_of(CUSTOMER), *OPTIONAL, *default_features(), *own)
    }
    feature = known.get(feature_id or "")
    if isinstance(feature, AttributeFeature) or (feature_id or "").startswith("attribute_"):
        name = feature.column if isinstance(feature, AttributeFeature) else str(feature_id)
        value = _plain((values or {}).get(str(feature_id)))
        return Evidence("attributes", ({"attribute": name, "value": value},), 1)
    leaves = [] if feature is None else list(_leaves(feature, known))
    if not leaves or leaves[0].source not in _SHOWN:
        return Evidence()
    kind, source = _kind(leaves[0]), leaves[0].source
    frame, day = _table(kind, leaves[0], record), _DAY.get(source) or _DAY.get(kind, "on")
    return Evidence(kind) if frame is None else _newest(kind, frame, day, _first_day(leaves, record.as_of))


def _leaves(feature: AnyFeature, known: Mapping[str, AnyFeature]) -> Iterator[Feature | FunctionFeature]:
    if isinstance(feature, Feature | FunctionFeature):
        yield feature
    for name in feature.uses:
        if name in known:
            yield from _leaves(known[name], known)


def _first_day(leaves: list[Feature | FunctionFeature], as_of: dt.date) -> dt.date:
    """Return the first day of the widest of the windows."""
    reach = 0
    for leaf in leaves:
        if not isinstance(leaf, Feature) or leaf.window_days is None:
            return dt.date.min
        reach = max(reach, leaf.window_days + leaf.offset_days)
    return as_of - dt.timedelta(days=min(reach, as_of.toordinal() - 1))


_LINES = ("orders", "order_lines", "order_gaps", "purchases", "priced_lines", "product_lines", "category_lines")
_CONTACTS = ("interactions", "contact_gaps", "resolutions", "contact_persons")
_INVOICES = ("invoices", "open_invoices", "overdue_invoices", "settlements", "credit_notes")
_SHOWN = frozenset((*_LINES, *_CONTACTS, *_INVOICES, "payments", "disputes", "surveys"))
"""Streams whose rows can be shown: those of contracts, deliveries and pools are not part of a record."""


def _kind(leaf: Feature | FunctionFeature) -> str:
    where = leaf.where if isinstance(leaf, Feature) else {}
    measure = leaf.measure if isinstance(leaf, Feature) else ""
    if leaf.source in _LINES:
        if where.get("is_return") == 1 or measure == "returned_amount":
            return "returns"
        if measure in ("discount_amount", "list_amount"):
            return "discounts"
        of_products = measure == "product_id" or leaf.source in ("product_lines", "category_lines")
        return "products" if of_products else "orders"
    kinds = {"payments": "payments", "disputes": "disputes", "surveys": "surveys"}
    if leaf.source in _CONTACTS:
        return "contacts"
    if leaf.source in kinds:
        return kinds[leaf.source]
    return "disputes" if where.get("is_disputed") == 1 else "invoices"


def _table(kind: str, leaf: Feature | FunctionFeature, record: CustomerRecord) -> pd.DataFrame | None:
    """Return the rows of a kind that meet the feature's conditions, oldest first, or None where nothing is mapped."""
    where: Mapping[str, Any] = leaf.where if isinstance(leaf, Feature) else {}
    if kind == "orders":
        # what is counted are purchases: a return is no sign of life
        return record.orders[record.orders["amount"] > 0]
    if kind == "returns":
        return record.lines[record.lines["amount"] < 0]
    if kind == "discounts":
        return record.lines[record.lines["list_amount"] > record.lines["amount"]]
    if kind == "products":
        return _products(record.lines)
    if kind == "surveys":
        return _where(record.surveys, {"kind": where.get("kind")})
    if kind == "payments":
        return record.payments
    if kind == "contacts":
        return _contacts(record.contacts, where)
    return _invoices(record.invoices, leaf.source, where)


def _where(frame: pd.DataFrame | None, wanted: Mapping[str, Any]) -> pd.DataFrame | None:
    if frame is None:
        return None
    for column, value in wanted.items():
        frame = frame if value is None else frame[frame[column] == value]
    return frame


def _contacts(contacts: pd.DataFrame | None, where: Mapping[str, Any]) -> pd.DataFrame | None:
    topic = "complaint" if where.get("is_complaint") == 1 else where.get("topic")
    wanted = {"channel": where.get("channel"), "direction": where.get("direction"), "topic": topic}
    found = _where(contacts, wanted)
    if found is None:
        return None
    for flag, column in (("is_resolved", "resolved_on"), ("is_responded", "responded_on")):
        if flag in where:
            found = found[found[column].notna() == bool(where[flag])]
    return found


def _invoices(invoices: pd.DataFrame | None, source: str, where: Mapping[str, Any]) -> pd.DataFrame | None:
    if invoices is None:
        return None
    if source == "disputes" or where.get("is_disputed") == 1:
        invoices = invoices[invoices["disputed_on"].notna()]
    if source in ("open_invoices", "overdue_invoices"):
        invoices = invoices[invoices["open_amount"] > 0]
    if source == "overdue_invoices":
        invoices = invoices[invoices["due_on"].notna()]
    if source == "settlements":
        invoices = invoices[invoices["paid_on"].notna()]
    if "is_credit_note" in where or source == "credit_notes":
        invoices = invoices[(invoices["amount"] < 0) == bool(where.get("is_credit_note", True))]
    return invoices


def _products(lines: pd.DataFrame) -> pd.DataFrame:
    bought = lines[(lines["amount"] >= 0) & lines["product_id"].notna()]
    grouped = bought.groupby("product_id", sort=True)
    columns = {"product": ("product", "first"), "last_on": ("on", "max"), "orders": ("order_id", "nunique")}
    products = grouped.agg(**columns, amount=("amount", "sum")).reset_index()
    products["amount"] = products["amount"].round(4)
    return products.sort_values(["last_on", "product_id"], ascending=[True, False], kind="stable", ignore_index=True)


_DAY = {
    "products": "last_on",
    "invoices": "issued_on",
    "disputes": "disputed_on",
    "settlements": "paid_on",
    "overdue_invoices": "due_on",
}
"""Source or kind of rows -> the column that says when; else ``on``."""


def _newest(kind: str, frame: pd.DataFrame, day: str, first: dt.date) -> Evidence:
    frame = frame.sort_values(day, kind="stable")
    inside = np.array([on >= first for on in frame[day]], bool)
    rows = frame[inside] if inside.sum() >= _LEAST_ROWS else frame.tail(_LEAST_ROWS)
    columns = COLUMNS[kind]
    found = [
        {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        for row in rows.tail(MOST_ROWS).iloc[::-1][list(columns)].itertuples(index=False, name=None)
    ]
    return Evidence(kind, tuple(found), len(rows))


def _plain(value: Any) -> Any:
    """Return a value as plain Python; missing ones as None."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
