"""The English sentences about features of leads, as data: feature -> case -> text; cases and slots as in `wording`.

What raises the chance is good news of a lead. No two features share a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_de_orders import Texts

__all__ = ["NAMES", "OWN", "REST", "STAGES", "TEXTS"]

STAGES: Final = ("lead", "MQL", "SQL", "opportunity", "won", "lost")
"""Stages by their rank."""

NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "lead_job_function": {"hr": "HR", "it": "IT", "unknown": "not recognisable"},
    "lead_job_seniority": {
        "executive": "executive",
        "head": "head of an area",
        "lead": "team lead",
        "unknown": "not recognisable",
    },
    "lead_company_size": {"1000+": "1,000 or more"},
}
"""What the package's own codes are called where the code itself is no word, by feature."""

_TOUCHES: Final[Mapping[str, tuple[str, str, str]]] = {
    # kind: what is counted, the sentence about nothing and about something; <when> is the time looked at
    "page_view": ("Page views", "Has viewed no pages <when>.", "Has viewed {n|page|pages} <when>."),
    "pricing_view": (
        "Looks at the prices",
        "Has not looked at the prices <when>.",
        "Has looked at the prices {n:t} <when>.",
    ),
    "email_open": (
        "E-mails opened",
        "Has opened none of our e-mails <when>.",
        "Has opened {n} of our e-mails <when>.",
    ),
    "email_click": (
        "Clicks in e-mails",
        "Has clicked no link in an e-mail <when>.",
        "Has clicked a link in an e-mail {n:t} <when>.",
    ),
    "form_submit": ("Forms submitted", "Has submitted no form <when>.", "Has submitted {n|form|forms} <when>."),
    "download": ("Downloads", "Has downloaded nothing <when>.", "Has downloaded something {n:t} <when>."),
    "webinar": ("Webinars attended", "Has attended no webinar <when>.", "Has attended {n|webinar|webinars} <when>."),
    "call": ("Calls", "We have not talked on the phone <when>.", "We have talked on the phone {n:t} <when>."),
    "meeting": ("Meetings", "We have had no meeting <when>.", "We have had {n|meeting|meetings} <when>."),
    "no_show": ("Meetings missed", "Has missed no meeting <when>.", "Has missed {n|meeting|meetings} <when>."),
    "reply_sent": ("Our replies", "Has had no reply from us <when>.", "Has had {n|reply|replies} from us <when>."),
    "reply_received": ("Replies of the lead", "Has not replied to us <when>.", "Has replied to us {n:t} <when>."),
}


def _touches() -> dict[str, Texts]:
    found: dict[str, Texts] = {}
    for kind, (counted, nothing, some) in _TOUCHES.items():
        for window, when in (("", "so far"), ("_14d", "{w}")):
            found[f"lead_{kind}_count{window}"] = {
                "null": f"{counted} {when} not known.",
                "zero": nothing.replace("<when>", when),
                "plain": some.replace("<when>", when),
            }
    return found


def _interest(when: str) -> Texts:
    return {
        "null": f"Signs of interest {when} not known.",
        "zero": f"Has shown no interest {when}.",
        "bad": f"Has shown interest only {{n:t}} {when}.",
        "good": f"Shows interest: {{n:t}} {when}.",
        "plain": f"Has shown interest {{n:t}} {when}.",
    }


def _group(of: str, plain: str) -> Texts:
    return {
        "null": f"{of} not known.",
        "bad": f"{plain}: such leads are won less often.",
        "good": f"{plain}: such leads are won more often.",
    }


_WAITS: Final = "Has been waiting for us for {n:i}."

_TIME_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_age_days": {
        "null": "Age of the enquiry not known.",
        "zero": "Enquiry of today.",
        "bad": "Old enquiry: it came {n:d} ago.",
        "good": "Fresh enquiry: it came only {n:d} ago.",
        "plain": "Enquiry of {n:d} ago.",
    },
    "lead_age_hours": {
        "null": "Time of the enquiry not known.",
        "zero": "The enquiry came just now.",
        "plain": "The enquiry came {n:i} ago.",
    },
    "lead_hours_since_interest": {
        "null": "No sign of interest yet.",
        "zero": "Is showing interest right now.",
        "bad": "No more sign of interest for {n:i}.",
        "good": "Fresh interest: last shown {n:i} ago.",
        "plain": "Last showed interest {n:i} ago.",
    },
    "lead_hours_since_theirs": {
        "null": "Has made no move since the enquiry.",
        "zero": "Has made a move just now.",
        "bad": "Has made no move for {n:i}.",
        "bad+": _WAITS,
        "good": "Keeps at it: last move {n:i} ago.",
        "good+": _WAITS,
        "plain": "Last made a move {n:i} ago.",
        "plain+": _WAITS,
    },
    "lead_hours_since_ours": {
        "null": "We have not taken a step yet.",
        "zero": "Our last step was just now.",
        "plain": "Our last step was {n:i} ago.",
    },
    "lead_hours_since_pricing_view": {
        "null": "Has never looked at the prices.",
        "zero": "Is looking at the prices right now.",
        "bad": "Has not looked at the prices again for {n:i}.",
        "good": "Has recently looked at the prices: {n:i} ago.",
        "plain": "Last looked at the prices {n:i} ago.",
    },
    "lead_hours_since_reply_received": {
        "null": "Has never replied.",
        "zero": "Has replied just now.",
        "bad": "Has not replied again for {n:i}.",
        "good": "Has recently replied: {n:i} ago.",
        "plain": "Last replied {n:i} ago.",
    },
    "lead_hours_since_no_show": {
        "null": "Has never missed a meeting.",
        "zero": "Has missed a meeting just now.",
        "bad": "Missed a meeting only {n:i} ago.",
        "good": "Has not missed a meeting for long: the last {n:i} ago.",
        "plain": "Last missed a meeting {n:i} ago.",
    },
    "lead_hours_since_first_ours": {
        "null": "We have not been in touch yet.",
        "zero": "Our first step was just now.",
        "plain": "Our first step was {n:i} ago.",
    },
    "lead_hours_since_first_interest": {
        "null": "Still no sign of interest.",
        "zero": "Is showing interest for the first time right now.",
        "plain": "First showed interest {n:i} ago.",
    },
    "lead_response_hours": {
        "null": "Not answered yet.",
        "null+": "Has been waiting for a first answer for {u:i}.",
        "zero": "Answered at once.",
        "negative": "We were in touch {n:j} before the enquiry.",
        "bad": "Answered late: only after {n:i}.",
        "good": "Answered quickly: after {n:i}.",
        "plain": "Answered after {n:i}.",
    },
    "lead_waiting_hours": {
        "null": "No exchange of moves and answers yet.",
        "zero": "Move and answer fell together.",
        "negative": "The last step was ours, {n:j} after the lead's.",
        "plain": "Made a move {n:j} after our last step and now waits.",
    },
    "lead_first_interest_hours": {
        "null": "No sign of interest after the enquiry.",
        "zero": "Showed interest right with the enquiry.",
        "negative": "Showed interest {n:j} before the enquiry.",
        "plain": "Showed interest only {n:j} after the enquiry.",
    },
}

_INTEREST_TEXTS: Final[Mapping[str, Texts]] = {
    **{f"lead_interest_count_{days}d": _interest("{w}") for days in (3, 7, 30)},
    "lead_interest_count": _interest("so far"),
    "lead_active_days_count": {
        "null": "Active days not known.",
        "zero": "Active on no day so far.",
        "bad": "Active on only {n|day|days} so far.",
        "good": "Active again and again: on {n|day|days} so far.",
        "plain": "Active on {n|day|days} so far.",
    },
    "lead_assets_count": {
        "null": "Content looked at not known.",
        "zero": "Has looked at no content so far.",
        "plain": "Has looked at {n|piece|different pieces} of content so far.",
    },
    "lead_contacts_count": {
        "null": "Number of contacts not known.",
        "zero": "No contact known so far.",
        "good": "Several people take part: {n|contact|contacts} so far.",
        "plain": "{n|contact|contacts} so far.",
    },
    "lead_interest_pace": {
        "null": "Pace of interest not known.",
        "zero": "Has shown no interest since the enquiry.",
        "plain": "{n|sign|signs} of interest a day on average.",
    },
    "lead_interest_recent_share": {
        "null": "Interest of the last 7 days cannot be compared.",
        "zero": "All interest is more than 7 days old.",
        "bad": "Interest is fading: only {n:p} of it in the last 7 days.",
        "good": "Interest is fresh: {n:p} of it in the last 7 days.",
        "plain": "{n:p} of the interest in the last 7 days.",
    },
    "lead_replies_share": {
        "null": "No reply of ours yet that could have been answered.",
        "zero": "Has reacted to none of our replies.",
        "plain": "{n|reply|replies} to each of ours on average.",
    },
}

_STAGE_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_stage_rank": {
        "null": "Stage not known.",
        "zero": "Still at the beginning (stage lead).",
        "good": "Has come far already: stands at stage {n:s}.",
        "plain": "Stands at stage {n:s}.",
    },
    "lead_stage_rank_max": {
        "null": "Highest stage not known.",
        "zero": "Has not got beyond the beginning.",
        "plain": "Has got as far as stage {n:s}.",
    },
    "lead_stage_days": {
        "null": "Time at the stage not known.",
        "zero": "At this stage since today.",
        "bad": "Stands still: at the same stage for {n:d}.",
        "good": "Moves on: at this stage for only {n:d}.",
        "plain": "At this stage for {n:d}.",
    },
    "lead_stage_changes": {
        "null": "Changes of stage not known.",
        "zero": "Has not changed stage yet.",
        "plain": "Has changed stage {n:t} so far.",
    },
    "lead_stage_steps_back": {
        "null": "Steps back not known.",
        "zero": "Has never fallen back.",
        "plain": "Has fallen back {n|stage|stages}.",
    },
}

_ORIGIN_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_source": _group("Source", "Source {t}"),
    "lead_campaign": _group("Campaign", "Campaign {t}"),
    "lead_industry": _group("Industry", "Industry {t}"),
    "lead_country": _group("Country", "Country {t}"),
    "lead_company_size": _group("Size of the company", "Company with {t} employees"),
    "lead_job_function": _group("Function of the person", "Function {t}"),
    "lead_job_seniority": _group("Rank of the person", "Rank {t}"),
    "lead_employees": {
        "null": "Number of employees not known.",
        "zero": "Company without employees.",
        "plain": "Company with {n|employee|employees}.",
    },
    "lead_free_mail": {
        "null": "No e-mail address given.",
        "zero": "Writes from a company address.",
        "plain": "Writes from a private e-mail address.",
    },
    "lead_has_phone": {
        "null": "Not known whether there is a telephone number.",
        "zero": "No telephone number given.",
        "plain": "Has given a telephone number.",
    },
    "lead_has_company": {
        "null": "Not known whether a company is given.",
        "zero": "No company given.",
        "plain": "Has given the company.",
    },
    "lead_is_customer": {
        "null": "Not known whether the company had bought from us before the enquiry.",
        "zero": "Had never bought from us before the enquiry.",
        "plain": "Had bought from us before the enquiry.",
    },
    "lead_customer_orders_365d": {
        "null": "Orders before the enquiry not known.",
        "zero": "Before the enquiry no order {w}.",
        "plain": "Before the enquiry {n|order|orders} {w}.",
    },
    "lead_customer_days_since_order": {
        "null": "No order before the enquiry.",
        "zero": "Ordered today, before the enquiry.",
        "bad": "The last order before the enquiry is long ago: {n:d}.",
        "good": "Ordered only {n:d} ago, before the enquiry.",
        "plain": "Last order before the enquiry {n:d} ago.",
    },
    "lead_source_won_share": {
        "null": "Win rate of this source not known yet.",
        "zero": "Of leads from this source none has been won so far.",
        "plain": "Of leads from this source {n:p} have been won so far.",
    },
    "lead_source_won_share_365d": {
        "null": "Win rate of this source in the last year not known.",
        "zero": "Of leads from this source none was won in the last year.",
        "plain": "Of leads from this source {n:p} were won in the last year.",
    },
    "lead_campaign_won_share": {
        "null": "Win rate of this campaign not known yet.",
        "zero": "Of leads from this campaign none has been won so far.",
        "plain": "Of leads from this campaign {n:p} have been won so far.",
    },
    "lead_source_created_30d": {
        "null": "Number of leads from the same source not known.",
        "zero": "No lead from the same source in 30 days.",
        "plain": "{n|lead|leads} from the same source in 30 days.",
    },
    "lead_owner_open_count": {
        "null": "Load of the owner not known.",
        "zero": "The owner has no open leads.",
        "plain": "The owner has {n|open lead|open leads}.",
    },
    "lead_owner_created_7d": {
        "null": "New leads of the owner not known.",
        "zero": "The owner got no new lead in 7 days.",
        "plain": "The owner got {n|new lead|new leads} in 7 days.",
    },
}

TEXTS: Final[Mapping[str, Texts]] = {
    **_touches(),
    **_TIME_TEXTS,
    **_INTEREST_TEXTS,
    **_STAGE_TEXTS,
    **_ORIGIN_TEXTS,
}
"""By feature id."""

OWN: Final[Texts] = {
    "null": "{label}: not known.",
    "plain_bad": "{label}: {value} (rather speaks against it).",
    "plain_good": "{label}: {value} (speaks for winning).",
}
"""Texts of features that bring only a label."""

REST: Final[Texts] = {
    "only": "No single reason stands out.",
    "raises": "Other influences together raise the chance.",
    "lowers": "Other influences together lower the chance.",
    "even": "Other influences balance out.",
}
"""Texts of what is not shown one by one."""
