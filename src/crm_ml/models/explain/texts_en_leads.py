"""The English sentences about features of leads, as data: feature -> case -> text; cases and slots as in `wording`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_de_orders import Texts

_TOUCHES: Final[Mapping[str, tuple[str, str, str]]] = {
    "page_view": ("no pages viewed", "page viewed", "pages viewed"),
    "pricing_view": ("prices not looked at", "look at the prices", "looks at the prices"),
    "email_open": ("no e-mail opened", "e-mail opened", "e-mails opened"),
    "email_click": ("no link clicked in an e-mail", "click in an e-mail", "clicks in e-mails"),
    "form_submit": ("no form submitted", "form submitted", "forms submitted"),
    "download": ("nothing downloaded", "download", "downloads"),
    "webinar": ("no webinar attended", "webinar attended", "webinars attended"),
    "call": ("no call", "call", "calls"),
    "meeting": ("no meeting", "meeting", "meetings"),
    "no_show": ("no meeting missed", "meeting missed", "meetings missed"),
    "reply_sent": ("no reply of ours", "reply of ours", "replies of ours"),
    "reply_received": ("no reply from the lead", "reply from the lead", "replies from the lead"),
}
_SIGNS: Final = "{n|sign|signs} of interest"


def _touches() -> dict[str, Texts]:
    found: dict[str, Texts] = {}
    for kind, (nothing, one, many) in _TOUCHES.items():
        some = f"{{n|{one}|{many}}}"
        found[f"lead_{kind}_count"] = {
            "null": f"Not known so far: {many}.",
            "zero": f"So far {nothing}.",
            "plain": f"So far {some}.",
        }
        found[f"lead_{kind}_count_14d"] = {
            "null": f"Not known for the last 14 days: {many}.",
            "zero": f"{{W}} {nothing}.",
            "plain": f"{{W}} {some}.",
        }
    for days in (3, 7, 30):
        found[f"lead_interest_count_{days}d"] = {
            "null": f"Interest of the last {days} days not known.",
            "zero": "{W} no sign of interest.",
            "plain": f"{{W}} {_SIGNS}.",
        }
    return found


def _since(what: str, nothing: str) -> Texts:
    return {"null": nothing, "plain": f"{what} {{n:h}} ago."}


def _trait(label: str) -> Texts:
    return {
        "null": f"{label} not known.",
        "bad": f"{label}: {{t}} (speaks for winning).",
        "good": f"{label}: {{t}} (rather speaks against it).",
    }


TEXTS: Final[Mapping[str, Texts]] = {
    **_touches(),
    "lead_age_days": {"null": "Age of the enquiry not known.", "plain": "Enquiry {n|day|days} ago."},
    "lead_age_hours": {"null": "Time of the enquiry not known.", "plain": "The enquiry came {n:h} ago."},
    "lead_interest_count": {
        "null": "Interest so far not known.",
        "zero": "No sign of interest so far.",
        "plain": f"So far {_SIGNS}.",
    },
    "lead_active_days_count": {
        "null": "Active days not known.",
        "zero": "Active on no day so far.",
        "plain": "Active on {n|day|days} so far.",
    },
    "lead_assets_count": {
        "null": "Contents looked at not known.",
        "zero": "No contents looked at so far.",
        "plain": "So far {n|piece|different pieces} of content looked at.",
    },
    "lead_contacts_count": {
        "null": "Number of contacts not known.",
        "zero": "No contact known so far.",
        "plain": "So far {n|contact|contacts}.",
    },
    "lead_hours_since_interest": _since("Last sign of interest", "No sign of interest yet."),
    "lead_hours_since_theirs": _since("Last got in touch", "Has not got in touch since the enquiry."),
    "lead_hours_since_ours": _since("Our last step was", "We have not taken a step yet."),
    "lead_hours_since_pricing_view": _since("Last look at the prices", "Has never looked at the prices."),
    "lead_hours_since_reply_received": _since("Last reply from the lead", "Has never replied."),
    "lead_hours_since_no_show": _since("Last missed meeting", "Has not missed a meeting."),
    "lead_hours_since_first_ours": _since("Our first step was", "We have not been in touch yet."),
    "lead_hours_since_first_interest": _since("First sign of interest", "Still no sign of interest."),
    "lead_response_hours": {
        "null": "Not answered yet.",
        "zero": "Answered at once.",
        "negative": "We were in touch before the enquiry.",
        "plain": "Answered after {n:h}.",
    },
    "lead_waiting_hours": {
        "null": "No exchange of moves and answers yet.",
        "zero": "Move and answer fell together.",
        "negative": "Our last step came after the last move of the lead.",
        "plain": "Got in touch again after our last step, {n:h} later.",
    },
    "lead_first_interest_hours": {
        "null": "No sign of interest after the enquiry.",
        "zero": "Sign of interest right with the enquiry.",
        "negative": "Showed interest before the enquiry.",
        "plain": "First sign of interest {n:h} after the enquiry.",
    },
    "lead_interest_pace": {
        "null": "Pace of interest not known.",
        "zero": "Has shown no interest since the enquiry.",
        "plain": "On average {n} signs of interest a day.",
    },
    "lead_interest_recent_share": {
        "null": "Interest of the last 7 days cannot be compared.",
        "zero": "All interest is more than 7 days old.",
        "plain": "{n:p} of the interest falls into the last 7 days.",
    },
    "lead_replies_share": {
        "null": "No reply of ours yet that could have been answered.",
        "zero": "Has reacted to none of our replies.",
        "plain": "On average {n} replies to each of ours.",
    },
    "lead_stage_rank": {
        "null": "Stage not known.",
        "zero": "Still at the beginning (stage lead).",
        "plain": "Stands at stage {n} of 3 (1 MQL, 2 SQL, 3 opportunity).",
    },
    "lead_stage_rank_max": {
        "null": "Highest stage not known.",
        "zero": "Has not got beyond the beginning.",
        "plain": "Has got as far as stage {n} of 3 (1 MQL, 2 SQL, 3 opportunity).",
    },
    "lead_stage_days": {
        "null": "Time in the stage not known.",
        "zero": "In this stage since today.",
        "plain": "In this stage for {n|day|days}.",
    },
    "lead_stage_changes": {
        "null": "Changes of stage not known.",
        "zero": "Has not changed stage yet.",
        "plain": "So far {n|change|changes} of stage.",
    },
    "lead_stage_steps_back": {
        "null": "Steps back not known.",
        "zero": "Has never fallen back.",
        "plain": "Has fallen back {n|stage|stages}.",
    },
    "lead_source": _trait("Source"),
    "lead_campaign": _trait("Campaign"),
    "lead_industry": _trait("Industry"),
    "lead_country": _trait("Country"),
    "lead_company_size": _trait("Employees of the company"),
    "lead_job_function": _trait("Function of the person"),
    "lead_job_seniority": _trait("Rank of the person"),
    "lead_employees": {"null": "Number of employees not known.", "plain": "Company with {n} employees."},
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
    "lead_source_won_share": {
        "null": "Rate of this source not known yet.",
        "plain": "Of enquiries from this source {n:p} have been won so far.",
    },
    "lead_source_won_share_365d": {
        "null": "Rate of this source in the last year not known.",
        "plain": "Of enquiries from this source {n:p} were won in the last year.",
    },
    "lead_campaign_won_share": {
        "null": "Rate of this campaign not known yet.",
        "plain": "Of enquiries from this campaign {n:p} have been won so far.",
    },
    "lead_source_created_30d": {
        "null": "Number of enquiries from the same source not known.",
        "zero": "No other enquiry from the same source in 30 days.",
        "plain": "{n|enquiry|enquiries} from the same source in 30 days.",
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
"""By feature id."""

OWN: Final[Texts] = {
    "null": "{label}: not known.",
    "plain_bad": "{label}: {value} (speaks for winning).",
    "plain_good": "{label}: {value} (rather speaks against it).",
}
"""Texts of features that bring only a label; what raises the chance stands under ``bad``, as for customers the risk."""

REST: Final[Texts] = {
    "only": "No single reason stands out.",
    "raises": "Other influences together raise the chance.",
    "lowers": "Other influences together lower the chance.",
    "even": "Other influences balance out.",
}
"""Texts of what is not shown one by one."""
