"""The pages: one list for phone, screen and paper, and the summary for the team lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from crm_ml.actions.lists.cleaning import NAME_CHARACTERS, clean, phone_link
from crm_ml.actions.lists.columns import ANSWERS, Language
from crm_ml.actions.lists.deputies import Row, text_of
from crm_ml.actions.lists.entries import Entries, ListHead, tier_order
from crm_ml.actions.lists.formats import long_date, money, percent, short_date
from crm_ml.actions.lists.look import ListContext, Shown, foot_lines, head_lines, shown_id, shown_name
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.lists.speaking import about_leads
from crm_ml.actions.lists.words import TIERS, count_of, held_text, say, tier_phrase, tier_word

if TYPE_CHECKING:
    import jinja2
    import pandas as pd

_GLYPHS = {"high": "▲", "medium": "◆", "low": "●"}
_ARROWS = {"up": "↑", "down": "↓"}
_CHANGES = ("first", "new", "up", "down", "same")


@dataclass(frozen=True)
class Beside:
    """The other page of the same person: of leads beside customers, or the other way round.

    Attributes
    ----------
    file : str
        Its name, in the same folder.
    count : int
        Its entries.
    """

    file: str
    count: int


def list_page(
    rows: Sequence[Shown],
    entries: Entries,
    head: ListHead,
    context: ListContext,
    *,
    xlsx_name: str,
    beside: Beside | None = None,
) -> str:
    """Return the page of one list: no script, nothing from outside, light or dark as the reader's screen is."""
    language = head.language or context.language
    return _render(
        "list.html",
        language,
        iso_day=entries.as_of.isoformat(),
        day=long_date(entries.as_of, language),
        head=head_lines(entries, head, context, language),
        tiers=_tier_counts(rows, language),
        cards=[_card(row, context, language) for row in rows],
        gone=[_gone(row, language) for row in entries.gone_rows_of(head.list_id)],
        answers=[(words[language == "en"], say(f"answer_{name}", language)) for name, words in ANSWERS.items()],
        foot=foot_lines(entries, context, language),
        xlsx_name=xlsx_name,
        xlsx_link=quote(xlsx_name),
        beside=None if beside is None else (quote(beside.file), _beside_text(beside.count, language)),
    )


def _beside_text(count: int, language: Language) -> str:
    return count_of(count, "beside_one", "beside_many", language) if count else say("beside_none", language)


def summary_page(entries: Entries, context: ListContext) -> str:
    """Return the page for the team lead: sums by risk, step, change and reason; lists by name, people not ranked."""
    language = context.language
    listed, frame = entries.entries, entries.decided.select(["risk_tier", "action", "held_by"]).to_pandas()
    waiting = sum(head.waiting for head in entries.heads)
    trust = ListHead("", None, language, None, None, 0)
    return _render(
        "summary.html",
        language,
        iso_day=entries.as_of.isoformat(),
        day=long_date(entries.as_of, language),
        head=head_lines(entries, trust, context, language),
        figures=[
            (say("summary_scored", language), str(len(frame))),
            (say("summary_listed", language), str(len(listed))),
            (say("summary_waiting", language), str(waiting)),
            (say("summary_gone", language), str(len(entries.gone))),
            (say("summary_value", language), money(float(listed["value_at_stake"].sum()), context.currency, language)),
        ],
        by_tier=_by_tier(frame, listed, language),
        by_action=_by_action(listed, language),
        by_change=_counts(listed["change"], _CHANGES, lambda kind: say(f"change_{kind}", language)),
        by_gone=_counts(entries.gone["why"], (), lambda why: say(f"gone_kind_{why}", language)),
        by_held=_counts(
            frame.loc[frame["action"] == "none", "held_by"].dropna(), (), lambda code: held_text(code, language)
        ),
        lists=_lists(entries, language),
        foot=foot_lines(entries, context, language),
    )


def _card(shown: Shown, context: ListContext, language: Language) -> dict[str, Any]:
    row, cells = shown.row, shown.cells
    tier = str(row["risk_tier"])
    return {
        **cells,
        "tone": tier if tier in TIERS else "other",
        "glyph": _GLYPHS.get(tier, "■"),
        "risk": clean(tier_phrase(_said_tier(row), language), language),
        "probability": percent(float(row["p"]), language),
        "change_kind": row["change"],
        "arrow": _ARROWS.get(row["change"], ""),
        "label": clean(row[f"label_{language}"], language),
        "due": "" if cells["due_on"] is None else say("due", language, day=short_date(cells["due_on"], language)),
        "due_iso": "" if cells["due_on"] is None else cells["due_on"].isoformat(),
        "reasons": shown.reasons,
        "hints": [hint for hint in shown.hints if not shown.draft_file or shown.draft_file not in hint],
        "draft": shown.draft_file,
        "value": money(cells["value_at_stake"], context.currency, language),
        "gain": money(cells["expected_gain"], context.currency, language),
        "phone_link": phone_link(cells["phone"]),
        "nameless": text_of(row.get("name")) is None,
    }


def _said_tier(row: Row) -> str:
    """Return the grade of a lead, the tier of a customer."""
    return text_of(row.get("grade")) or str(row["risk_tier"])


def _gone(row: Row, language: Language) -> dict[str, str]:
    return {
        "name": shown_name(text_of(row["name"]), row["subject_id"], language),
        "subject_id": shown_id(row["subject_id"], language),
        "text": clean(row[f"text_{language}"], language),
    }


def _tier_counts(rows: Sequence[Shown], language: Language) -> list[dict[str, Any]]:
    tiers = [str(row.row["risk_tier"]) for row in rows]
    return [
        {
            "tone": tier if tier in TIERS else "other",
            "glyph": _GLYPHS.get(tier, "■"),
            "word": clean(tier_phrase(tier, language), language),
            "count": tiers.count(tier),
        }
        for tier in tier_order(set(tiers))
    ]


def _by_tier(frame: pd.DataFrame, listed: pd.DataFrame, language: Language) -> list[tuple[str, int, int]]:
    scored, on = frame["risk_tier"].value_counts(), listed["risk_tier"].value_counts()
    return [
        (clean(tier_word(tier, language), language), int(scored.get(tier, 0)), int(on.get(tier, 0)))
        for tier in tier_order(set(frame["risk_tier"].unique()))
    ]


def _by_action(listed: pd.DataFrame, language: Language) -> list[tuple[str, int]]:
    counts = listed["action"].value_counts()
    labels = dict(zip(listed["action"], listed[f"label_{language}"], strict=True))
    return [(clean(labels[action], language), int(counts[action])) for action in sorted(labels)]


def _counts(values: pd.Series, order: Sequence[str], word: Any) -> list[tuple[str, int]]:
    counts = values.value_counts()
    names = [name for name in order if name in counts.index]
    names += sorted((name for name in counts.index if name not in order), key=lambda name: (-counts[name], name))
    merged: dict[str, int] = {}
    for name in names:  # two codes may mean the same to a reader
        merged[word(name)] = merged.get(word(name), 0) + int(counts[name])
    return list(merged.items())


def _lists(entries: Entries, language: Language) -> list[dict[str, Any]]:
    stems = file_stems(head.list_id for head in entries.heads)
    rows = [
        {
            "name": clean(head.name or head.title(language), language, NAME_CHARACTERS),
            "link": quote(f"{stems[head.list_id]}{'.leads' if about_leads() else ''}.html"),
            "absent": ", ".join(clean(name, language, NAME_CHARACTERS) for name in head.stands_in_for),
            "count": len(entries.rows_of(head.list_id)),
            "last": head.name is None,
            "list_id": head.list_id,
        }
        for head in entries.heads
    ]
    return sorted(rows, key=lambda row: (row["last"], row["name"].casefold(), row["list_id"]))


def _render(template: str, language: Language, **values: Any) -> str:
    def text(name: str, /, **filled: object) -> str:
        return say(name, language, **filled)

    return _environment().get_template(f"{template}.j2").render(lang=language, t=text, **values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("crm_ml.actions.lists", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
