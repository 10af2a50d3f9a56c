"""What every format shows of an entry: cleaned, worded, in the reader's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_ml.actions.lists.cleaning import ID_CHARACTERS, NAME_CHARACTERS, PHONE_CHARACTERS, clean
from crm_ml.actions.lists.columns import Language
from crm_ml.actions.lists.deputies import Row, day_of, text_of
from crm_ml.actions.lists.entries import Entries, ListHead
from crm_ml.actions.lists.formats import date, percent
from crm_ml.actions.lists.mail import Draft, make_draft
from crm_ml.actions.lists.speaking import about_leads
from crm_ml.actions.lists.words import Notice, count_of, note_text, say, tier_word
from crm_ml.actions.policy.schema import MailTemplate
from crm_ml.features.outcome import Outcome
from crm_ml.models.explain.outcome_texts import outcome_clause

EMAIL = "email"


@dataclass(frozen=True)
class ListContext:
    """What the lists of a day have in common.

    Parameters
    ----------
    language : {"de", "en"}
        Of the workspace; a manager's own goes before it.
    currency : str
    model_kind, model_version : str
        ``rule`` means that a simple rule stands in for a trained model.
    model_trained : date or None
        Up to which day the model's data go.
    horizon_days : int
        How far the probability looks.
    company : str or None
        Name of the firm, for drafts and the head of the lists.
    value_is_revenue : bool
        Whether the yearly value is revenue rather than margin.
    notices : tuple of Notice
        Warnings that every list shows.
    mails : mapping
        Action -> template of its e-mail.
    outcome : Outcome
        What the probability is a probability of.
    target : str
        Of lists of leads: the stage whose probability it is.
    """

    language: Language
    currency: str
    model_kind: str
    model_version: str
    model_trained: dt.date | None = None
    horizon_days: int = 90
    company: str | None = None
    value_is_revenue: bool = True
    notices: tuple[Notice, ...] = ()
    mails: Mapping[str, MailTemplate] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Outcome)
    target: str = "won"


@dataclass(frozen=True)
class Shown:
    """One entry as it is read; `cells` has a value for every column of a list (`columns.COLUMNS`)."""

    cells: Mapping[str, Any]
    row: Row
    hints: tuple[str, ...]
    reasons: tuple[str, ...]
    draft_file: str


def shown_id(subject_id: str, language: Language) -> str:
    """Return a customer number as lists show it.

    Examples
    --------
    >>> shown_id("00017", "de")
    '00017'
    """
    return clean(subject_id, language, ID_CHARACTERS)


def shown_name(name: str | None, subject_id: str, language: Language) -> str:
    """Return a customer's name as lists show it; without one the number stands in.

    Examples
    --------
    >>> shown_name(None, "00017", "en")
    'Customer 00017'
    """
    own = clean(name or "", language, NAME_CHARACTERS)
    return own or say("no_name", language, id=shown_id(subject_id, language))


def shown_rows(entries: Entries, head: ListHead, context: ListContext) -> list[Shown]:
    """Return the rows of a list in the language of its owner."""
    language = head.language or context.language
    return [_shown(row, head, context, language) for row in entries.rows_of(head.list_id)]


def draft_of(row: Row, head: ListHead, context: ListContext) -> Draft | None:
    """Return the draft of an entry, or None where its action is no e-mail."""
    if row["channel"] != EMAIL:
        return None
    own = text_of(row.get("language"))
    language: Language = ("de" if own == "de" else "en") if own in ("de", "en") else context.language
    mail = context.mails.get(row["action"])
    return make_draft(row, head, mail, company=context.company, language=language)


def draft_name(row: Row) -> str:
    """Return the file name of an entry's draft."""
    return f"draft-{row['action_id']}.eml"


def head_lines(entries: Entries, head: ListHead, context: ListContext, language: Language) -> dict[str, Any]:
    """Return what stands above a list: who, when, how many, by which model, and what to beware of."""
    count = len(entries.rows_of(head.list_id))
    trained = (
        "" if context.model_trained is None else say("trained_to", language, day=date(context.model_trained, language))
    )
    kind = "model_rule" if context.model_kind == "rule" else "model_learned"
    absent = [clean(name, language, NAME_CHARACTERS) for name in head.stands_in_for]
    before = entries.previous_as_of
    return {
        "title": clean(head.title(language), language),
        "company": clean(context.company or "", language, NAME_CHARACTERS),
        "count": count_of(count, "one_customer", "many_customers", language),
        "stands_in": say("stands_in", language, names=", ".join(absent)) if absent else "",
        "waiting": count_of(head.waiting, "one_waits", "many_wait", language) if head.waiting else "",
        "model": say(kind, language, version=context.model_version, trained=trained),
        "compared": "" if before is None else say("compared_with", language, day=date(before, language)),
        "notices": [clean(notice.text(language), language) for notice in context.notices],
    }


def foot_lines(entries: Entries, context: ListContext, language: Language) -> list[str]:
    """Return what stands below a list: what the numbers mean and what the list is not."""
    named = "; ".join(
        f"{clean(row[f'label_{language}'], language)} {percent(row['save_rate'], language)}" for row in entries.rates
    )
    return [
        clean(say("probability_means", language, clause=_means(context, language)), language),
        say("value_is_revenue" if context.value_is_revenue else "value_is_margin", language),
        say("order_means", language),
        say("assumption", language, rates=named) if named else say("assumption_short", language),
        say("advice", language),
        say("confidential", language),
    ]


def _means(context: ListContext, language: Language) -> str:
    if about_leads():
        return say(f"means_{context.target}", language, days=context.horizon_days)
    return outcome_clause(context.outcome, language, horizon_days=context.horizon_days)


def _shown(row: Row, head: ListHead, context: ListContext, language: Language) -> Shown:
    draft = draft_of(row, head, context)
    file = draft_name(row) if draft is not None and draft.message is not None else ""
    hints = _hints(row, context, language)
    if draft is not None:
        hints += _draft_hints(draft, file, language)
    reasons = [clean(text, language) for text in row[f"reasons_{language}"]]
    name, number = text_of(row.get("name")), str(row["subject_id"])
    cells = {
        "rank": int(row["rank"]),
        "change": clean(row[f"change_{language}"], language),
        "name": shown_name(name, number, language),
        "subject_id": shown_id(number, language),
        "phone": clean(text_of(row.get("phone")) or "", language, PHONE_CHARACTERS),
        "tier": text_of(row.get("grade")) or tier_word(str(row["risk_tier"]), language),
        "p": round(float(row["p"]), 3),
        "step": clean(row[f"text_{language}"], language),
        "due_on": day_of(row["due_on"]),
        **{f"reason_{at + 1}": reasons[at] if at < len(reasons) else "" for at in range(3)},
        "value_at_stake": round(float(row["value_at_stake"]), 2),
        "expected_gain": round(float(row["expected_gain"]), 2),
        "hints": " ".join(hints),
        "answer": "",
        "again_on": None,
        "note": "",
        "key": row["action_id"],
    }
    return Shown(cells, row, tuple(hints), tuple(reasons), file)


def _hints(row: Row, context: ListContext, language: Language) -> list[str]:
    notes = [
        note_text(code, language, horizon_days=context.outcome.longest(context.horizon_days)) for code in row["notes"]
    ]
    absent = text_of(row["on_behalf_of"])
    if absent:
        who = clean(absent, language, NAME_CHARACTERS)
        notes.insert(0, f"{say('on_behalf_of', language, name=who)}.")
    return notes


def _draft_hints(draft: Draft, file: str, language: Language) -> list[str]:
    if draft.fault:
        return [say(f"draft_none_{draft.fault}", language)]
    lacks = ", ".join(say(f"lacks_{name}", language) for name in draft.missing)
    return [say("draft_file", language, file=file), *([say("draft_lacks", language, what=lacks)] if lacks else [])]
