"""Payment behaviour: invoices, their balances as known then, settlements, and the features declared over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline, order_within
from crm_ml.features.spec import AnyFeature, Cause, Difference, Feature, Ratio, cause_by_prefix, windowed
from crm_ml.features.timeline import FOREVER, I64, NULL

_INVOICES = tuple(f"{n.INVOICES}.{column}" for column in ("invoice_id", n.CUSTOMER_ID, "issued_at", "due_at", "amount"))
_PAYMENTS = tuple(f"{n.PAYMENTS}.{column}" for column in ("payment_id", "invoice_id", "paid_at", "amount"))
_DISPUTED = (f"{n.INVOICES}.disputed_at",)


@dataclass(frozen=True)
class _Ledger:
    """Invoice versions sorted by (invoice, seen_from) and payment versions sorted by (invoice, paid_at), as offsets."""

    groups: int
    invoices: Events
    invoice_from: I64
    payments: Events
    payment_from: I64


def _invoice_versions(timeline: Timeline) -> Events:
    """Return all versions of the invoices, whoever the customer (subject -1: none of ours), with their invoice code."""
    found: Events = timeline.once("invoice versions", lambda: _read_invoices(timeline))
    return found


def _read_invoices(timeline: Timeline) -> Events:
    rows = timeline.rows(n.INVOICES)
    t, seen, until = rows.span()
    code, ids = rows.codes("invoice_id")
    columns = {name: rows.integers(name) for name in ("amount", "due_at", "disputed_at")}
    subject = timeline.subjects_of(n.INVOICES)
    return Events(subject, t, seen, until, {**columns, "invoice": code}, {"invoice": ids})


def _ledger(timeline: Timeline) -> _Ledger:
    invoices = _invoice_versions(timeline)
    invoices = invoices.take((invoices.subject >= 0) & (invoices.seen_from < invoices.seen_until))
    ours, of = np.unique(invoices.columns["invoice"], return_inverse=True)
    invoices = replace(invoices, columns={**invoices.columns, "invoice": of})
    rows = timeline.rows(n.PAYMENTS)
    t, seen, until = rows.span()
    code = rows.codes_among("invoice_id", timeline.rows(n.INVOICES).codes("invoice_id")[1])
    place = np.minimum(np.searchsorted(ours, code), max(len(ours) - 1, 0))
    billed = (ours[place] == code) & (seen < until) if len(ours) else np.zeros(len(code), bool)
    columns = {"amount": rows.integers("amount"), "invoice": place}
    payments = Events(np.zeros(len(t), np.int64), t, seen, until, columns).take(billed)
    # among payments of one instant the order does not matter: they count together
    invoices = invoices.sorted_by(invoices.columns["invoice"], invoices.seen_from)
    payments = payments.sorted_by(payments.columns["invoice"], payments.t)
    bounds = np.arange(len(ours) + 1)
    return _Ledger(
        len(ours),
        invoices,
        np.searchsorted(invoices.columns["invoice"], bounds),
        payments,
        np.searchsorted(payments.columns["invoice"], bounds),
    )


def _ledger_of(timeline: Timeline) -> _Ledger:
    found: _Ledger = timeline.once("ledger", lambda: _ledger(timeline))
    return found


def _invoices(timeline: Timeline) -> Events:
    events = _invoice_versions(timeline)
    events = events.take(events.subject >= 0)
    amount, disputed = events.columns["amount"], events.columns["disputed_at"]
    columns = {"amount": amount, "is_credit_note": (amount < 0).astype(np.int64)}
    plain = Events(events.subject, events.t, events.seen_from, events.seen_until, columns)
    return plain.split(disputed, {"is_disputed": (0, 1)})


def _disputes(timeline: Timeline) -> Events:
    events = _invoice_versions(timeline)
    disputed = events.columns["disputed_at"]
    events = events.take((events.subject >= 0) & (disputed != NULL))
    at = events.columns["disputed_at"]
    columns = {"amount": events.columns["amount"]}
    return Events(events.subject, at, np.maximum(events.seen_from, at), events.seen_until, columns)


def _payments(timeline: Timeline) -> Events:
    """Each payment version meets each version of its invoice: it counts while both are the visible ones."""
    ledger = _ledger_of(timeline)
    invoice = ledger.payments.columns["invoice"]
    begin = ledger.invoice_from[invoice]
    versions = ledger.invoice_from[invoice + 1] - begin
    pay = np.repeat(np.arange(len(invoice)), versions)
    first = np.repeat(np.cumsum(versions) - versions, versions)
    inv = np.repeat(begin, versions) + np.arange(len(pay)) - first
    paid, billed = ledger.payments.take(pay), ledger.invoices.take(inv)
    amount, due = paid.columns["amount"], billed.columns["amount"]
    columns = {"amount": amount, "is_part": ((amount > 0) & (amount < due)).astype(np.int64)}
    return Events(
        billed.subject,
        paid.t,
        np.maximum(paid.seen_from, billed.seen_from),
        np.minimum(paid.seen_until, billed.seen_until),
        columns,
    )


def _balances(timeline: Timeline) -> tuple[Events, I64]:
    """Return all states of the invoices (amount > 0) between changes, and the settling payment of each (or -1)."""
    from crm_ml.features import kernels

    ledger = _ledger_of(timeline)
    invoices, payments = ledger.invoices, ledger.payments
    changes = [
        (invoices.columns["invoice"], at)
        for at in (invoices.seen_from, invoices.seen_until, invoices.columns["due_at"], invoices.columns["disputed_at"])
    ]
    changes += [(payments.columns["invoice"], at) for at in (payments.seen_from, payments.seen_until)]
    group, at = (np.concatenate(arrays) for arrays in zip(*changes, strict=True))
    real = (at != NULL) & (at != FOREVER)
    group, at = group[real], at[real]
    order = order_within(group, at)
    if order is not None:
        group, at = group[order], at[order]
    new = np.ones(len(at), bool)
    new[1:] = (group[1:] != group[:-1]) | (at[1:] != at[:-1])
    group, at = group[new], at[new]
    version, begins, ends, paid, settled = kernels.balance_states(
        ledger.groups,
        np.searchsorted(group, np.arange(ledger.groups + 1)),
        at,
        ledger.invoice_from,
        np.stack((invoices.seen_from, invoices.seen_until, invoices.columns["amount"])),
        ledger.payment_from,
        np.stack((payments.seen_from, payments.seen_until, payments.columns["amount"], payments.t)),
    )
    of = invoices.take(version)
    due, disputed = of.columns["due_at"], of.columns["disputed_at"]
    columns = {
        "amount": of.columns["amount"],
        "open_amount": of.columns["amount"] - paid,
        "paid_amount": paid,
        "due_at": np.where(due <= begins, due, NULL),  # not before the cutoff: not known
        "is_disputed": ((disputed != NULL) & (disputed <= begins)).astype(np.int64),
    }
    states = Events(of.subject, of.t, begins, ends, columns)
    billed = columns["amount"] > 0
    return states.take(billed), settled[billed]


def _balances_of(timeline: Timeline) -> tuple[Events, I64]:
    found: tuple[Events, I64] = timeline.once("balances", lambda: _balances(timeline))
    return found


def _open_invoices(timeline: Timeline) -> Events:
    states, settled = _balances_of(timeline)
    states = states.take(settled < 0)
    part = (states.columns["paid_amount"] > 0).astype(np.int64)
    return Events(
        states.subject, states.t, states.seen_from, states.seen_until, {**states.columns, "is_part_paid": part}
    )


def _overdue_invoices(timeline: Timeline) -> Events:
    states = timeline.stream("open_invoices")
    states = states.take(states.columns["due_at"] != NULL)
    return Events(states.subject, states.columns["due_at"], states.seen_from, states.seen_until, states.columns)


def _settlements(timeline: Timeline) -> Events:
    states, settled = _balances_of(timeline)
    states, settled = states.take(settled >= 0), settled[settled >= 0]
    t, due = _ledger_of(timeline).payments.t[settled], states.columns["due_at"]
    late = np.where(due == NULL, NULL, timeline.clock.day(t) - timeline.clock.day(due))
    columns = {
        "days_late": late,
        "is_late": np.where(due == NULL, NULL, (late > 0).astype(np.int64)),
        "amount": states.columns["amount"],
    }
    return Events(states.subject, t, states.seen_from, states.seen_until, columns)


def _money(definition: str) -> Measure:
    return Measure("money", definition)


_IS_DISPUTED = Measure("flag", "1 if disputed_at is before the cutoff, else 0", _DISPUTED)
_OPEN: Mapping[str, Measure] = {
    "open_amount": _money("invoice amount - sum of its visible payments"),
    "amount": _money("invoice amount"),
    "paid_amount": _money("sum of its visible payments"),
    "is_part_paid": Measure("flag", "1 if the sum of its visible payments is > 0"),
    "is_disputed": _IS_DISPUTED,
}

STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "invoices",
            "One event per invoice or credit note (its newest visible version); t = issued_at.",
            _INVOICES,
            {
                "amount": _money("invoice amount, negative for credit notes"),
                "is_credit_note": Measure("flag", "1 if amount < 0"),
                "is_disputed": _IS_DISPUTED,
            },
            _invoices,
        ),
        Stream(
            "disputes",
            "One event per visible invoice with disputed_at before the cutoff; t = disputed_at.",
            (*_INVOICES, *_DISPUTED),
            {"amount": _money("invoice amount")},
            _disputes,
        ),
        Stream(
            "payments",
            "One event per visible payment of a visible invoice, of the invoice's customer; t = paid_at.",
            (*_INVOICES, *_PAYMENTS),
            {
                "amount": _money("amount paid"),
                "is_part": Measure("flag", "1 if 0 < amount paid < invoice amount"),
            },
            _payments,
        ),
        Stream(
            "open_invoices",
            "One event per visible invoice with amount > 0 whose visible payments sum to less than its amount; "
            "t = issued_at.",
            (*_INVOICES, *_PAYMENTS),
            _OPEN,
            _open_invoices,
        ),
        Stream(
            "overdue_invoices",
            "One event per open invoice (see open_invoices) with due_at before the cutoff; t = due_at.",
            (*_INVOICES, *_PAYMENTS),
            _OPEN,
            _overdue_invoices,
        ),
        Stream(
            "settlements",
            "One event per visible invoice with amount > 0 whose visible payments sum to at least its amount; t = the "
            "earliest paid_at at which the running sum of its visible payments (those of the same instant together) "
            "reaches the amount.",
            (*_INVOICES, *_PAYMENTS),
            {
                "days_late": Measure(
                    "days",
                    "local day of t - local day of due_at (negative: early); null until due_at is before the cutoff",
                ),
                "is_late": Measure("flag", "1 if days_late > 0, else 0; null until due_at is before the cutoff"),
                "amount": _money("invoice amount"),
            },
            _settlements,
        ),
    )
}


_CAUSES: Mapping[str, Cause] = {
    "invoices_days_late": "late_payment",
    "invoices_late_share": "late_payment",
    "payments_part": "late_payment",
    "invoices_open": "open_invoices",
    "invoices_overdue": "open_invoices",
    "invoices_part_paid": "open_invoices",
    "disputes": "disputes",
    "invoices_disputed": "disputes",
    "credit_notes": "disputes",
    "invoices_count": "order_rhythm",
    "payments_count": "order_rhythm",
    "days_since_last_payment": "order_pause",
}
"""Prefix of the ids -> what they tell of: who orders gets bills and pays them, so their number is one of orders."""


def _declare() -> tuple[AnyFeature, ...]:
    def plain(stem: str, text: tuple[str, str], **fields: Any) -> Feature:
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        cause = cause_by_prefix(id, _CAUSES)
        return Feature(id=id, text_de=text[0], text_en=text[1], family="payments", cause=cause, **fields)

    late: dict[str, Any] = {"source": "settlements", "measure": "days_late", "unit": "days", "direction": 1}
    found: list[AnyFeature] = []
    for w in (90, 180, 365):
        de, en = f"in den letzten {w} Tagen", f"in the last {w} days"
        found += [
            plain("invoices_days_late_mean", (f"Zahlungsverzug {de} (Mittel, Tage)", f"days paid late {en} (mean)"),
                  aggregate="mean", window_days=w, **late),
            plain("invoices_days_late_max", (f"größter Zahlungsverzug {de} (Tage)", f"most days paid late {en}"),
                  aggregate="max", window_days=w, **late),
            plain("invoices_late_share", (f"Anteil verspätet gezahlter Rechnungen {de}",
                                          f"share of invoices paid late {en}"),
                  source="settlements", measure="is_late", aggregate="mean", window_days=w, unit="share", direction=1),
        ]  # fmt: skip
    year = "in den letzten 365 Tagen", "in the last 365 days"
    count: dict[str, Any] = {"unit": "count", "direction": 1}
    amount: dict[str, Any] = {"measure": "open_amount", "aggregate": "sum", "unit": "money", "direction": 1}
    disputed = {"is_disputed": 1}
    found += [
        plain("invoices_days_late_last", ("Zahlungsverzug der zuletzt bezahlten Rechnung (Tage)",
                                          "days late of the last invoice paid"), aggregate="last", **late),
        Difference(id="invoices_days_late_trend_90d", left="invoices_days_late_mean_90d",
                   right="invoices_days_late_mean_365d", unit="days", direction=1, family="payments",
                   cause="late_payment", text_de="Zahlungsverzug: letzte 90 Tage gegen das Jahr (Tage)",
                   text_en="days paid late: last 90 days against the year"),
        plain("invoices_count", (f"Rechnungen {year[0]}", f"invoices {year[1]}"), source="invoices", window_days=365,
              where={"is_credit_note": 0}, unit="count", direction=-1),
        plain("invoices_open_count", ("offene Rechnungen", "open invoices"), source="open_invoices", **count),
        plain("invoices_open_amount", ("offener Rechnungsbetrag", "open invoice amount"),
              source="open_invoices", **amount),
        plain("invoices_part_paid_count", ("teilweise bezahlte offene Rechnungen", "open invoices paid in part"),
              source="open_invoices", where={"is_part_paid": 1}, **count),
        plain("invoices_overdue_count", ("überfällige Rechnungen", "overdue invoices"),
              source="overdue_invoices", **count),
        plain("invoices_overdue_amount", ("überfälliger Betrag", "overdue amount"),
              source="overdue_invoices", **amount),
        plain("invoices_overdue_days_oldest", ("Tage seit Fälligkeit der ältesten offenen Rechnung",
                                               "days since the oldest open invoice was due"),
              source="overdue_invoices", aggregate="days_since_first", unit="days", direction=1),
        Ratio(id="invoices_overdue_share", numerator="invoices_overdue_amount", denominator="invoices_open_amount",
              unit="share", direction=1, family="payments", cause="open_invoices",
              text_de="Anteil des Überfälligen am offenen Betrag", text_en="share of the open amount that is overdue"),
        plain("payments_part_count", (f"Teilzahlungen {year[0]}", f"part payments {year[1]}"), source="payments",
              where={"is_part": 1}, window_days=365, **count),
        plain("payments_count", (f"Zahlungen {year[0]}", f"payments {year[1]}"), source="payments", window_days=365,
              unit="count", direction=-1),
        plain("days_since_last_payment", ("Tage seit der letzten Zahlung", "days since the last payment"),
              source="payments", aggregate="days_since_last", unit="days", direction=1),
        plain("disputes_count", (f"Reklamierte Rechnungen {year[0]}", f"disputed invoices {year[1]}"),
              source="disputes", window_days=365, **count),
        plain("invoices_disputed_open_count", ("offene reklamierte Rechnungen", "open disputed invoices"),
              source="open_invoices", where=disputed, **count),
        plain("invoices_disputed_open_amount", ("offener reklamierter Betrag", "open disputed amount"),
              source="open_invoices", where=disputed, **amount),
        plain("credit_notes_count", (f"Gutschriften {year[0]}", f"credit notes {year[1]}"), source="invoices",
              where={"is_credit_note": 1}, window_days=365, **count),
    ]  # fmt: skip
    return tuple(found)


FEATURES: tuple[AnyFeature, ...] = _declare()
INPUTS: tuple[AnyFeature, ...] = ()
