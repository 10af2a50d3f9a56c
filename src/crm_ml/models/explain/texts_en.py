"""The English sentences about features, as data; see `crm_ml.models.explain.texts_de`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_en_orders import DAYS, LAST_90, ORDER_TEXTS, Texts, more_or_fewer, window

__all__ = ["OWN", "REST", "TEXTS", "window"]

_PAYMENT_TEXTS: Final[Mapping[str, Texts]] = {
    "invoices_days_late_mean": {
        "null": "No paid invoice on record {w}, so average delay not known.",
        "zero": "Paid exactly on the due date on average {w}.",
        "zero_good": "Pays on time: exactly on the due date on average {w}.",
        "negative": f"Paid {DAYS} before the due date on average {{w}}.",
        "negative_good": f"Pays on time: {DAYS} before the due date on average {{w}}.",
        "bad": f"Pays late: {DAYS} after the due date on average {{w}}.",
        "good": f"Pays almost on time: {DAYS} after the due date on average {{w}}.",
        "plain": f"Paid {DAYS} after the due date on average {{w}}.",
    },
    "invoices_days_late_max": {
        "null": "No paid invoice on record {w}, so longest delay not known.",
        "zero": "Latest payment {w} exactly on the due date.",
        "zero_good": "Pays reliably: latest payment {w} exactly on the due date.",
        "negative": f"Latest payment {{w}} still {DAYS} before the due date.",
        "negative_good": f"Pays reliably: latest payment {{w}} still {DAYS} before the due date.",
        "bad": f"Very late payment {{w}}: {DAYS} after the due date.",
        "good": f"Pays reliably: latest payment {{w}} only {DAYS} after the due date.",
        "plain": f"Latest payment {{w}} {DAYS} after the due date.",
    },
    "invoices_late_share": {
        "null": "No paid invoice on record {w}, so share of late payments not known.",
        "zero": "No invoice paid late {w}.",
        "zero_good": "Pays on time: no invoice paid late {w}.",
        "bad": "Often pays late: {n:p} of invoices {w}.",
        "good": "Mostly pays on time: only {n:p} of invoices late {w}.",
        "plain": "{n:p} of invoices paid late {w}.",
    },
    "invoices_days_late_last": {
        "null": "Delay of the last paid invoice not known.",
        "zero": "Last invoice paid exactly on the due date.",
        "zero_good": "Last invoice paid on time, exactly on the due date.",
        "negative": f"Last invoice paid {DAYS} before the due date.",
        "negative_good": f"Last invoice paid on time, {DAYS} before the due date.",
        "bad": f"Last invoice paid late: {DAYS} after the due date.",
        "good": f"Last invoice paid almost on time: {DAYS} after the due date.",
        "plain": f"Last invoice paid {DAYS} after the due date.",
    },
    "invoices_days_late_trend_90d": {
        "null": f"Delay of payments {LAST_90} not comparable with the year's average (no payment on record).",
        "zero": f"Paid {LAST_90} as in the year's average.",
        "negative": f"Paid {DAYS} earlier {LAST_90} than in the year's average.",
        "negative_good": f"Pays sooner than usual: {DAYS} earlier {LAST_90} than in the year's average.",
        "bad": f"Pays later than usual: {DAYS} later {LAST_90} than in the year's average.",
        "plain": f"Paid {DAYS} later {LAST_90} than in the year's average.",
    },
    "invoices_count": {
        "null": "Number of invoices {w} not known.",
        "zero": "No invoices {w}.",
        "bad": "Only {n|invoice|invoices} {w}.",
        "good": "Buys regularly: {n|invoice|invoices} {w}.",
        "plain": "{n|invoice|invoices} {w}.",
    },
    "invoices_open_count": {
        "null": "Number of open invoices not known.",
        "zero": "No open invoices.",
        "bad": "Many open invoices: {n}.",
        "plain": "{n|open invoice|open invoices}.",
    },
    "invoices_open_amount": {
        "null": "Open invoice amount not known.",
        "zero": "No open invoice amount.",
        "plain": "Open invoice amount: {n:m}.",
    },
    "invoices_part_paid_count": {
        "null": "Number of partly paid invoices not known.",
        "zero": "No partly paid open invoices.",
        "plain": "{n|open invoice|open invoices} paid only in part.",
    },
    "invoices_overdue_count": {
        "null": "Number of overdue invoices not known.",
        "zero": "No overdue invoices.",
        "plain": "{n|overdue invoice|overdue invoices}.",
    },
    "invoices_overdue_amount": {
        "null": "Overdue amount not known.",
        "zero": "No overdue amount.",
        "plain": "Overdue amount: {n:m}.",
    },
    "invoices_overdue_days_oldest": {
        "null": "No invoice past its due date on record.",
        "zero": "Oldest open invoice due today.",
        "bad": f"Invoice long overdue: the oldest for {DAYS}.",
        "good": f"Only recently overdue: oldest open invoice for {DAYS}.",
        "plain": f"Oldest open invoice due {DAYS} ago.",
    },
    "invoices_overdue_share": {
        "null": "No open amount on record, so the overdue share is not known.",
        "zero": "None of the open amount is overdue.",
        "plain": "{n:p} of the open amount overdue.",
    },
    "payments_part_count": {
        "null": "Number of part payments {w} not known.",
        "zero": "No part payments {w}.",
        "bad": "Pays in parts: {n|part payment|part payments} {w}.",
        "plain": "{n|part payment|part payments} {w}.",
    },
    "payments_count": {
        "null": "Number of payments {w} not known.",
        "zero": "No payments {w}.",
        "bad": "Only {n|payment|payments} {w}.",
        "good": "Pays regularly: {n|payment|payments} {w}.",
        "plain": "{n|payment|payments} {w}.",
    },
    "days_since_last_payment": {
        "null": "No payment on record.",
        "zero": "Last payment today.",
        "bad": f"No payment for {DAYS}.",
        "good": f"Paid recently: last payment {DAYS} ago.",
        "plain": f"Last payment {DAYS} ago.",
    },
    "disputes_count": {
        "null": "Number of disputed invoices {w} not known.",
        "zero": "No invoice disputed {w}.",
        "plain": "{n|invoice|invoices} disputed {w}.",
    },
    "invoices_disputed_open_count": {
        "null": "Number of open disputed invoices not known.",
        "zero": "No disputed invoice open.",
        "plain": "{n|disputed invoice|disputed invoices} still open.",
    },
    "invoices_disputed_open_amount": {
        "null": "Open disputed amount not known.",
        "zero": "No disputed amount open.",
        "plain": "Disputed and still open: {n:m}.",
    },
    "credit_notes_count": {
        "null": "Number of credit notes {w} not known.",
        "zero": "No credit notes {w}.",
        "plain": "{n|credit note|credit notes} {w}.",
    },
}


def _counted(one: str, many: str) -> Texts:
    """Texts for a number of events without an expectation."""
    return {
        "null": f"Number of {many} {{w}} not known.",
        "zero": f"No {many} {{w}}.",
        "plain": f"{{n|{one}|{many}}} {{w}}.",
    }


def _survey(score: str, points: str) -> Mapping[str, Texts]:
    """Texts for the last score of a kind, its mean, and the difference of the two."""
    step = "{n|point|points}"
    return {
        "last": {
            "null": f"No {score} on record yet.",
            "bad": f"Dissatisfied: last {score} {points}.",
            "good": f"Satisfied: last {score} {points}.",
            "plain": f"Last {score}: {points}.",
        },
        "mean": {
            "null": f"No average {score} known.",
            "bad": f"Dissatisfied on average: {score} {points}.",
            "good": f"Satisfied on average: {score} {points}.",
            "plain": f"Average {score}: {points}.",
        },
        "change": {
            "null": f"Last {score} not comparable with the customer's own average (none on record).",
            "zero": f"Last {score} exactly at the customer's own average.",
            "negative": f"Last {score} {step} below the customer's own average.",
            "negative_bad": f"Less satisfied than usual: last {score} {step} below the customer's own average.",
            "good": f"More satisfied than usual: last {score} {step} above the customer's own average.",
            "plain": f"Last {score} {step} above the customer's own average.",
        },
    }


_NPS: Final = _survey("survey score (NPS)", "{n} out of 10")
_CSAT: Final = _survey("satisfaction score (CSAT)", "{n|point|points}")

_CONTACT_TEXTS: Final[Mapping[str, Texts]] = {
    "interactions_count": {
        "null": "Number of contacts {w} not known.",
        "zero": "No contact {w}.",
        "zero+": "No contact {w}; usually about {u:r} in that time.",
        "bad": "Little contact: {n|contact|contacts} {w}.",
        "bad+": "Little contact: {n|contact|contacts} {w}; usually about {u:r} in that time.",
        "good": "In lively contact: {n|contact|contacts} {w}.",
        "plain": "{n|contact|contacts} {w}.",
    },
    "interactions_inbound_count": {
        "null": "How often the customer got in touch {w} is not known.",
        "zero": "Customer has not got in touch {w}.",
        "bad": "Customer hardly gets in touch: {n:t} {w}.",
        "good": "Customer seeks contact: got in touch {n:t} {w}.",
        "plain": "Customer got in touch {n:t} {w}.",
    },
    "interactions_outbound_count": {
        "null": "How often we approached the customer {w} is not known.",
        "zero": "Not approached by us {w}.",
        "plain": "Approached by us {n:t} {w}.",
    },
    "interactions_email_count": _counted("e-mail", "e-mails"),
    "interactions_phone_count": _counted("phone call", "phone calls"),
    "interactions_visit_count": _counted("visit", "visits"),
    "interactions_web_count": _counted("web contact", "web contacts"),
    "interactions_chat_count": _counted("chat", "chats"),
    "interactions_ticket_count": _counted("ticket", "tickets"),
    "complaints_count": {
        **_counted("complaint", "complaints"),
        "bad": "Has complained: {n|complaint|complaints} {w}.",
    },
    "complaints_open_count": {
        "null": "Number of open complaints not known.",
        "zero": "No open complaints.",
        "plain": "{n|open complaint|open complaints}.",
    },
    "complaints_oldest_open_days": {
        "null": "No unresolved complaint on record.",
        "zero": "Oldest open complaint from today.",
        "plain": f"Oldest open complaint unresolved for {DAYS}.",
    },
    "days_since_last_complaint": {
        "null": "Never a complaint on record.",
        "zero": "Last complaint today.",
        "bad": f"Complained only {DAYS} ago.",
        "good": f"No complaint for long: the last {DAYS} ago.",
        "plain": f"Last complaint {DAYS} ago.",
    },
    "days_since_last_contact": {
        "null": "No earlier contact on record.",
        "zero": "Last contact today.",
        "bad": f"No contact for {DAYS}.",
        "bad+": f"Last contact {DAYS} ago; usually {{u:e}}.",
        "good": f"In touch: last contact {DAYS} ago.",
        "good+": f"In touch: last contact {DAYS} ago; usually {{u:e}}.",
        "plain": f"Last contact {DAYS} ago.",
        "plain+": f"Last contact {DAYS} ago; usually {{u:e}}.",
    },
    "days_since_last_inbound_contact": {
        "null": "Never heard from the customer (nothing on record).",
        "zero": "Last heard from the customer today.",
        "bad": f"Nothing heard from the customer for {DAYS}.",
        "good": f"Heard from the customer recently: {DAYS} ago.",
        "plain": f"Last heard from the customer {DAYS} ago.",
    },
    "contact_gap_days_mean": {
        "null": "Usual gap between contacts not known (too few on record).",
        "bad": "Seldom in touch: contact {n:e} on average.",
        "good": "Often in touch: contact {n:e} on average.",
        "plain": "Contact {n:e} on average.",
    },
    "days_since_last_contact_over_own_gap": {
        "null": "No usual gap between contacts known yet, so silence not comparable.",
        "below": "Time since the last contact at {n:p} of the usual gap.",
        "below+": "Time since the last contact at {n:p} of the usual gap ({a} of {u|day|days}).",
        "below_good": "In touch as usual: time since the last contact only {n:p} of the usual gap.",
        "below_good+": "In touch as usual: time since the last contact only {n:p} of the usual gap "
        "({a} of {u|day|days}).",
        "same": "Time since the last contact as long as the usual gap.",
        "times": "Silence {n:f} as long as usual.",
        "times+": "Silence {n:f} as long as usual: {a|day|days} instead of {u}.",
    },
    "interactions_count_90d_over_own_quarter": more_or_fewer("contacts", LAST_90, "in this customer's average quarter"),
    "response_hours_mean": {
        "null": "Response time {w} not known (no answered inquiry on record).",
        "zero": "Inquiries {w} answered at once on average.",
        "bad": "Slow answers: after {n:h} on average {w}.",
        "good": "Quick answers: after {n:h} on average {w}.",
        "plain": "Inquiries {w} answered after {n:h} on average.",
    },
    "interactions_unanswered_count": {
        "null": "Number of unanswered inquiries {w} not known.",
        "zero": "No unanswered inquiries {w}.",
        "plain": "{n|unanswered inquiry|unanswered inquiries} {w}.",
    },
    **{f"survey_nps_{which}": texts for which, texts in _NPS.items()},
    **{f"survey_csat_{which}": texts for which, texts in _CSAT.items()},
    "days_since_last_survey": {
        "null": "No survey answered yet (nothing on record).",
        "zero": "Last survey answered today.",
        "plain": f"Last survey answered {DAYS} ago.",
    },
}


def _season(when: str) -> Texts:
    return {
        "bad": f"Time of year: customers are more likely to stop ordering in {when}.",
        "good": f"Time of year: customers are more likely to go on ordering in {when}.",
    }


def _group(what: str) -> Texts:
    return {
        "null": f"{what} not known.",
        "bad": f"{what} {{t}}: such customers are lost more often.",
        "good": f"{what} {{t}}: such customers tend to stay.",
    }


_PROFILE_TEXTS: Final[Mapping[str, Texts]] = {
    "industry": _group("Industry"),
    "country": _group("Country"),
    "region": _group("Region"),
    "legal_form": _group("Legal form"),
    "employees": {
        "null": "Number of employees not known.",
        "zero": "Company without employees.",
        "plain": "Company with {n|employee|employees}.",
    },
    "days_since_customer_since": {
        "null": "Start of the customer relationship not known.",
        "zero": "Customer since today.",
        "bad": "Still a short relationship: customer for {n:d}.",
        "good": "Long-standing relationship: customer for {n:d}.",
        "plain": "Customer for {n:d}.",
    },
    "season_sin": {
        "null": "Time of year not known (first or second half).",
        **{f"first_{tone}": text for tone, text in _season("the first half of the year").items()},
        **{f"second_{tone}": text for tone, text in _season("the second half of the year").items()},
    },
    "season_cos": {
        "null": "Time of year not known (winter or summer).",
        **{f"first_{tone}": text for tone, text in _season("the winter half-year").items()},
        **{f"second_{tone}": text for tone, text in _season("the summer half-year").items()},
    },
}

TEXTS: Final[Mapping[str, Texts]] = {**ORDER_TEXTS, **_PAYMENT_TEXTS, **_CONTACT_TEXTS, **_PROFILE_TEXTS}
"""All texts by feature id, or by its id without the window."""

OWN: Final[Texts] = {
    "null": "{label}: not known.",
    "plain_bad": "{label}: {value} (raises the risk).",
    "plain_good": "{label}: {value} (lowers the risk).",
}
"""Texts of features that bring only a label."""

REST: Final[Texts] = {
    "only": "No single reason stands out.",
    "raises": "Other influences together raise the risk.",
    "lowers": "Other influences together lower the risk.",
    "even": "Other influences balance out.",
}
"""Texts of what is not shown one by one."""
