"""Credit notes and how a customer pays: amounts, shares, spread; further to what `payments` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.spec import AnyFeature

_INVOICES = tuple(f"{n.INVOICES}.{column}" for column in ("invoice_id", n.CUSTOMER_ID, "issued_at", "due_at", "amount"))


def _credit_notes(timeline: Timeline) -> Events:
    invoices = timeline.stream("invoices")
    notes = invoices.take(invoices.columns["is_credit_note"] == 1)
    return replace(notes, columns={"amount": -notes.columns["amount"]})


STREAMS: Mapping[str, Stream] = {
    "credit_notes": Stream(
        "credit_notes",
        "One event per credit note (an invoice with amount < 0); t = issued_at.",
        _INVOICES,
        {"amount": Measure("money", "-amount, so above 0")},
        _credit_notes,
    )
}


def _notes() -> tuple[AnyFeature, ...]:
    say = Declare("credit_notes", "disputes")
    of: dict[str, Any] = {"source": "credit_notes"}
    amount: dict[str, Any] = {**of, "measure": "amount", "unit": "money", "direction": 1}
    return (
        say.plain("credit_notes_count", both(("Gutschriften", "credit notes"), 90), window_days=90, unit="count",
                  direction=1, **of),
        say.plain("credit_notes_amount", both(("Betrag der Gutschriften", "amount of credit notes"), 90),
                  aggregate="sum", window_days=90, **amount),
        say.plain("credit_notes_amount", both(("Betrag der Gutschriften", "amount of credit notes"), 365),
                  aggregate="sum", window_days=365, **amount),
        say.plain("credit_notes_amount_max", both(("größte Gutschrift", "largest credit note"), 365),
                  aggregate="max", window_days=365, **amount),
        say.ratio("credit_notes_share_365d", ("credit_notes_amount_365d", "invoices_amount_365d"),
                  both(("Gutschriften im Verhältnis zu den Rechnungen", "credit notes relative to invoices"), 365),
                  unit="share", direction=1),
        say.plain("days_since_last_credit_note", ("Tage seit der letzten Gutschrift",
                                                  "days since the last credit note"),
                  aggregate="days_since_last", unit="days", direction=-1, **of),
    )  # fmt: skip


def _paying() -> tuple[AnyFeature, ...]:
    say = Declare("paying", "late_payment")
    late: dict[str, Any] = {"source": "settlements", "measure": "days_late", "window_days": 365, "unit": "days"}
    billed: dict[str, Any] = {"source": "invoices", "where": {"is_credit_note": 0}}
    return (
        say.plain("invoices_days_late_sd", both(("Schwankung des Zahlungsverzugs (Tage)", "spread of days paid late"),
                                                365), aggregate="sd", direction=1, **late),
        say.minus("invoices_days_late_range_365d", ("invoices_days_late_max_365d", "invoices_days_late_min_365d"),
                  both(("Spanne des Zahlungsverzugs (Tage)", "range of days paid late"), 365), unit="days",
                  direction=1),
        say.ratio("payments_part_share_365d", ("payments_part_count_365d", "payments_count_365d"),
                  both(("Anteil der Teilzahlungen", "share of part payments"), 365), unit="share", direction=1),
        say.plain("payments_amount", both(("gezahlter Betrag", "amount paid"), 90), source="payments",
                  measure="amount", aggregate="sum", window_days=90, unit="money", cause="order_trend", direction=-1),
        say.plain("invoices_count", both(("Rechnungen", "invoices"), 90), window_days=90, unit="count",
                  cause="order_rhythm", direction=-1, **billed),
        say.ratio("invoices_count_trend_90d", ("invoices_count_90d", "invoices_count_90d_ago_90d"),
                  ("Rechnungen: letzte 90 Tage zu den 90 davor", "invoices: last 90 days over the 90 before"),
                  cause="order_trend", direction=-1),
        say.plain("invoices_amount_mean", both(("mittlerer Rechnungsbetrag", "mean invoice amount"), 365),
                  measure="amount", aggregate="mean", window_days=365, unit="money", cause="order_value", **billed),
        say.ratio("invoices_open_over_own_month", ("invoices_open_amount", "invoices_amount_365d"),
                  ("offener Betrag zum mittleren Monat an Rechnungen", "open amount over the mean month of invoices"),
                  cause="open_invoices", scale=365 / 30, direction=1),
        say.ratio("disputes_share_365d", ("disputes_count_365d", "invoices_count_365d"),
                  both(("reklamierte im Verhältnis zu allen Rechnungen", "disputed over all invoices"), 365),
                  unit="share", cause="disputes", direction=1),
    )  # fmt: skip


def _inputs() -> tuple[AnyFeature, ...]:
    say = Declare("paying", "late_payment")
    none, billed = ("", ""), {"source": "invoices", "where": {"is_credit_note": 0}}
    fields: dict[str, Any] = {**billed}
    return (
        say.plain("invoices_days_late_min", none, source="settlements", measure="days_late", aggregate="min",
                  window_days=365, unit="days"),
        say.plain("invoices_count", none, window_days=90, offset_days=90, unit="count", **fields),
        say.plain("invoices_amount", none, measure="amount", aggregate="sum", window_days=365, unit="money", **fields),
    )  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = (*_notes(), *_paying())
INPUTS: tuple[AnyFeature, ...] = _inputs()
