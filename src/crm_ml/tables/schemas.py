"""The canonical tables: names, keys, types, required columns, and when each value was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crm_ml import names as n

ColumnType = Literal["text", "instant", "money", "int", "float", "bool"]
"""``money`` (also quantities and scores) is int64 in units of 1/10,000; ``instant`` a UTC time in microseconds."""


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Parameters
    ----------
    name : str
    type : ColumnType
    required : bool
        Must be mapped, and must not be null in any row.
    known_from : str
        Name of a time column of the same row; the value is hidden until that time lies before the cutoff. Empty: known
        with its row.
    hidden : object
        What stands in the column while it is hidden (None, or an earlier state such as ``"open"``).
    values : tuple of str
        The values a text column may hold; empty: any.
    open_values : bool
        Other values than `values` are kept with a note instead of a warning.
    """

    name: str
    type: ColumnType = "text"
    required: bool = False
    known_from: str = ""
    hidden: str | None = None
    values: tuple[str, ...] = ()
    open_values: bool = False


@dataclass(frozen=True)
class Reference:
    """A column that names a row of another table."""

    column: str
    table: str
    target: str


@dataclass(frozen=True)
class Schema:
    """One canonical table.

    `key` are the columns that name a row, `event_time` the instant at which the row happened (empty: a plain list such
    as customers), `not_before` pairs (later, earlier) of time columns whose order is checked.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    event_time: str = ""
    references: tuple[Reference, ...] = ()
    not_before: tuple[tuple[str, str], ...] = ()
    extra: bool = False
    """Own columns may be mapped as attributes."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all canonical columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _req(name: str, type: ColumnType = "text", values: tuple[str, ...] = (), open_values: bool = False) -> Column:
    return Column(name, type, required=True, values=values, open_values=open_values)


def _instant(name: str, known_from: str | None = None) -> Column:
    # a time that lies at or after the cutoff is not known yet: it hides itself
    return Column(name, "instant", known_from=name if known_from is None else known_from)


_KNOWN = Column(n.KNOWN_AT, "instant")
# a plan speaks of the future from the day it is made: unlike other times it does not hide itself
_EXPECTED_CLOSE = Column("expected_close_at", "instant")
_CHANNELS = ("email", "phone", "visit", "web", "chat", "ticket", "event", "letter", "social")
_STAGES = ("lead", "mql", "sql", "opportunity", "won", "lost")
_BASIS = Column("marketing_basis", values=("consent", "existing_customer", "none"))

_ALL = (
    Schema(
        n.CUSTOMERS,
        (n.CUSTOMER_ID,),
        (
            _req(n.CUSTOMER_ID),
            *_texts("name", "industry", "country", "region"),
            Column("employees", "int"),
            _instant("customer_since"),
            *_texts("account_manager_id", "parent_id", "email", "phone", "language", "legal_form"),
            Column("is_natural_person", "bool"),
            _BASIS,
            Column("profiling_objection", "bool"),
            Column(
                "status",
                known_from="status_from",
                hidden="active",
                values=("active", "blocked", "terminated", "insolvent", "internal"),
            ),
            _instant("status_from"),
        ),
        references=(Reference("account_manager_id", n.ACCOUNT_MANAGERS, "account_manager_id"),),
        extra=True,
    ),
    Schema(
        n.ACCOUNT_MANAGERS,
        ("account_manager_id",),
        (
            _req("account_manager_id"),
            *_texts("name", "email", "phone", "language"),
            Column("daily_capacity", "int"),
            Column("active_from", "instant"),
            Column("active_to", "instant"),
            Column("deputy_id"),
        ),
        references=(Reference("deputy_id", n.ACCOUNT_MANAGERS, "account_manager_id"),),
    ),
    Schema(
        n.PRODUCTS,
        ("product_id",),
        (_req("product_id"), *_texts("name", "category"), Column("unit_cost", "money"), Column("list_price", "money")),
    ),
    Schema(
        n.ORDER_LINES,
        ("order_id", "line_no"),
        (
            _req("order_id"),
            Column("line_no"),
            _req(n.CUSTOMER_ID),
            _req("ordered_at", "instant"),
            _req("net_amount", "money"),
            Column("product_id"),
            Column("quantity", "money"),
            Column("cost_amount", "money"),
            Column("list_amount", "money"),
            _instant("delivery_at"),
            Column("currency"),
            _KNOWN,
        ),
        event_time="ordered_at",
        references=(
            Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),
            Reference("product_id", n.PRODUCTS, "product_id"),
        ),
    ),
    Schema(
        n.INVOICES,
        ("invoice_id",),
        (
            _req("invoice_id"),
            _req(n.CUSTOMER_ID),
            _req("issued_at", "instant"),
            Column("due_at", "instant", required=True, known_from="due_at"),
            _req("amount", "money"),
            Column("order_id"),
            _instant("disputed_at"),
            Column("currency"),
            _KNOWN,
        ),
        event_time="issued_at",
        references=(Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),),
        not_before=(("due_at", "issued_at"), ("disputed_at", "issued_at")),
    ),
    Schema(
        n.PAYMENTS,
        ("payment_id",),
        (
            _req("payment_id"),
            _req("invoice_id"),
            _req("paid_at", "instant"),
            _req("amount", "money"),
            Column("currency"),
            _KNOWN,
        ),
        event_time="paid_at",
        references=(Reference("invoice_id", n.INVOICES, "invoice_id"),),
    ),
    Schema(
        n.INTERACTIONS,
        ("interaction_id",),
        (
            _req("interaction_id"),
            _req(n.CUSTOMER_ID),
            _req("occurred_at", "instant"),
            _req("channel", values=_CHANNELS),
            Column("direction", values=("inbound", "outbound")),
            Column("topic", values=("complaint", "inquiry", "offer", "general"), open_values=True),
            *_texts("contact_id", "employee_id"),
            _instant("responded_at"),
            _instant("resolved_at"),
            _KNOWN,
        ),
        event_time="occurred_at",
        references=(Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),),
        not_before=(("responded_at", "occurred_at"), ("resolved_at", "occurred_at")),
    ),
    Schema(
        n.SURVEYS,
        ("survey_id",),
        (
            _req("survey_id"),
            _req(n.CUSTOMER_ID),
            _req("answered_at", "instant"),
            _req("kind", values=("nps", "csat")),
            _req("score", "money"),
            _KNOWN,
        ),
        event_time="answered_at",
        references=(Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),),
    ),
    Schema(
        n.CONTRACTS,
        ("contract_id",),
        (
            _req("contract_id"),
            _req(n.CUSTOMER_ID),
            _req("starts_at", "instant"),
            _instant("ends_at"),
            _instant("cancelled_at"),
            Column("monthly_value", "money"),
            _KNOWN,
        ),
        event_time="starts_at",
        references=(Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),),
        not_before=(("ends_at", "starts_at"), ("cancelled_at", "starts_at")),
    ),
    Schema(
        n.LEADS,
        (n.LEAD_ID,),
        (
            _req(n.LEAD_ID),
            _req("created_at", "instant"),
            *_texts("source", "campaign", "job_title", "company"),
            Column("employees", "int"),
            *_texts("industry", "country", "owner_id", "email", "phone"),
            _BASIS,
            Column(n.CUSTOMER_ID),
            _KNOWN,
        ),
        event_time="created_at",
        extra=True,
    ),
    Schema(
        n.LEAD_EVENTS,
        ("event_id",),
        (
            _req("event_id"),
            _req(n.LEAD_ID),
            _req("occurred_at", "instant"),
            _req(
                "kind",
                values=(
                    "page_view",
                    "pricing_view",
                    "email_open",
                    "email_click",
                    "form_submit",
                    "download",
                    "webinar",
                    "call",
                    "meeting",
                    "no_show",
                    "reply_sent",
                    "reply_received",
                ),
                open_values=True,
            ),
            *_texts("asset", "contact_id"),
            _KNOWN,
        ),
        event_time="occurred_at",
        references=(Reference(n.LEAD_ID, n.LEADS, n.LEAD_ID),),
    ),
    Schema(
        n.LEAD_STAGES,
        (n.LEAD_ID, "stage", "entered_at"),
        (
            _req(n.LEAD_ID),
            _req("stage", values=_STAGES),
            _req("entered_at", "instant"),
            Column("reason"),
            _KNOWN,
        ),
        event_time="entered_at",
        references=(Reference(n.LEAD_ID, n.LEADS, n.LEAD_ID),),
    ),
    Schema(
        n.DEALS,
        ("deal_id",),
        (
            _req("deal_id"),
            _req("created_at", "instant"),
            Column("status", required=True, known_from="closed_at", hidden="open", values=("open", "won", "lost")),
            *_texts(n.LEAD_ID, n.CUSTOMER_ID),
            _instant("closed_at"),
            _EXPECTED_CLOSE,
            Column("amount", "money"),
            *_texts("owner_id", "product_id"),
            _KNOWN,
        ),
        event_time="created_at",
        references=(
            Reference(n.LEAD_ID, n.LEADS, n.LEAD_ID),
            Reference(n.CUSTOMER_ID, n.CUSTOMERS, n.CUSTOMER_ID),
        ),
        not_before=(("closed_at", "created_at"),),
    ),
    Schema(
        n.DEAL_STAGES,
        ("deal_id", "stage", "entered_at"),
        (
            _req("deal_id"),
            _req("stage"),
            _req("entered_at", "instant"),
            Column("amount", "money"),
            _EXPECTED_CLOSE,
            _KNOWN,
        ),
        event_time="entered_at",
        references=(Reference("deal_id", n.DEALS, "deal_id"),),
    ),
    Schema(
        n.MARKETING_COSTS,
        ("month", "source"),
        (_req("month", "instant"), _req("source"), _req("cost", "money")),
    ),
    Schema(
        n.ACTION_LOG,
        ("action_id",),
        (
            _req("action_id"),
            _req("subject_type", values=("customer", "lead", "deal"), open_values=True),
            _req("subject_id"),
            _req("decided_at", "instant"),
            _req("action"),
            _req("arm", values=("treatment", "control")),
            Column("channel"),
            Column("cost", "money"),
            Column("status", known_from="completed_at"),
            Column("outcome", known_from="completed_at"),
            _instant("completed_at"),
            _KNOWN,
        ),
        event_time="decided_at",
    ),
    Schema(
        n.RATES,
        ("currency", "valid_from"),
        (_req("currency"), _req("valid_from", "instant"), _req("rate", "float")),
    ),
)

SCHEMAS: dict[str, Schema] = {schema.name: schema for schema in _ALL}
"""All canonical tables by name."""
