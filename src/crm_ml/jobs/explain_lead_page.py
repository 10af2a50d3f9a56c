"""The page about one lead: self-contained, without script, every text of others escaped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from crm_ml import names as n
from crm_ml.actions.lists.cleaning import ID_CHARACTERS, clean
from crm_ml.actions.lists.columns import Language
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.lists.speaking import LEAD, speaking_of
from crm_ml.actions.lists.words import note_text
from crm_ml.jobs.explain_texts import KINDS, of
from crm_ml.jobs.pages import picture_bytes, picture_source, rendered, write_pages
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.pictures_customer import waterfall_alt

if TYPE_CHECKING:
    from crm_ml.jobs.explain_lead import LeadExplanation

FOLDER, PAGE, PICTURE = "explained", "index.html", "waterfall.png"
_TEMPLATE = "explain_lead_page.html.j2"
_LAST = 40
_CHARACTERS = 80
_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Warum dieser Lead so bewertet ist", "Why this lead has its score"),
    "lead": ("Lead", "Lead"),
    "as_of": ("Stand {day}", "as of {day}"),
    "chance_won": ("Aussicht auf Gewinn in {days} Tagen", "Chance of winning within {days} days"),
    "chance_opportunity": (
        "Aussicht auf eine Verkaufschance in {days} Tagen",
        "Chance of becoming an opportunity within {days} days",
    ),
    "chance_sql": ("Aussicht, in {days} Tagen zum SQL zu werden", "Chance of becoming an SQL within {days} days"),
    "grade": ("Klasse", "Grade"),
    "value": ("Erwarteter Wert", "Expected value"),
    "reasons": ("Was die Aussicht bewegt", "What moves the chance"),
    "raises": ("hebt die Aussicht", "raises the chance"),
    "lowers": ("senkt die Aussicht", "lowers the chance"),
    "notes": ("Hinweise", "Notes"),
    "history": ("Wie sich die Aussicht bewegt hat", "How the chance has moved"),
    "touches": ("Was geschehen ist", "What has happened"),
    "no_touches": ("Bis zu diesem Tag ist nichts vermerkt.", "Nothing is on record up to this day."),
    "when": ("Zeitpunkt", "Time"),
    "what": ("Ereignis", "Event"),
    "chance": ("Aussicht", "Chance"),
    "last": ("die letzten {count} von {total}", "the last {count} of {total}"),
    "model": ("Modell {version} ({kind}), gelernt zum {trained}", "Model {version} ({kind}), trained as of {trained}"),
    "advice": ("Ein Rat, keine Anweisung: Sie entscheiden.", "Advice, not an instruction: you decide."),
}
_PLAIN = [key for key, texts in _TEXTS.items() if "{" not in texts[0]]

TOUCHES: Final[Mapping[str, tuple[str, str]]] = {
    "page_view": ("Seite angesehen", "viewed a page"),
    "pricing_view": ("Preise angesehen", "viewed the prices"),
    "email_open": ("E-Mail geöffnet", "opened an e-mail"),
    "email_click": ("Link in einer E-Mail angeklickt", "clicked a link in an e-mail"),
    "form_submit": ("Formular abgeschickt", "sent a form"),
    "download": ("Datei heruntergeladen", "downloaded a file"),
    "webinar": ("Webinar besucht", "attended a webinar"),
    "call": ("Telefonat", "telephone call"),
    "meeting": ("Termin", "meeting"),
    "no_show": ("Termin versäumt", "missed a meeting"),
    "reply_sent": ("Antwort von uns", "reply from us"),
    "reply_received": ("Antwort des Interessenten", "reply by the lead"),
}
STAGES: Final[Mapping[str, tuple[str, str]]] = {
    "lead": ("Stufe: Lead", "stage: lead"),
    "mql": ("Stufe: MQL", "stage: MQL"),
    "sql": ("Stufe: SQL", "stage: SQL"),
    "opportunity": ("Stufe: Verkaufschance", "stage: opportunity"),
    "won": ("Gewonnen", "won"),
    "lost": ("Verloren", "lost"),
}


def event_word(what: str, language: str, *, is_stage: bool = False) -> str:
    """Return the word for a kind of touch or a stage; a firm's own kind stands for itself, readable.

    Examples
    --------
    >>> event_word("no_show", "de"), event_word("sql", "en", is_stage=True), event_word("site_visit", "en")
    ('Termin versäumt', 'stage: SQL', 'site visit')
    """
    known = STAGES if is_stage else TOUCHES
    return known[what][int(language != "de")] if what in known else what.replace("_", " ")


def write_page(result: LeadExplanation, workspace: Workspace, out: Path | None) -> LeadExplanation:
    """Write the page and its picture, each file whole or not at all, and return the result that names the page.

    Parameters
    ----------
    result : LeadExplanation
        What to show.
    workspace : Workspace
        Below it lies the default folder.
    out : Path or None
        Folder to write to; made if it is missing.

    Raises
    ------
    UsageError
        If `out` is a file.
    Failure
        If the disk refuses.
    """
    stem = file_stems([result.lead_id])[result.lead_id]
    own = f"{result.as_of}-lead-{stem}"
    folder = inside(workspace.root, FOLDER) / own if out is None else out.expanduser().absolute()
    picture = picture_bytes(result.plot())
    page = page_html(result, picture).encode("utf-8", "replace")
    write_pages({PICTURE: picture, PAGE: page}, folder, step="explain")
    return replace(result, page=folder / PAGE)


def page_html(result: LeadExplanation, picture: bytes) -> str:
    """Return the page as one HTML text with its picture, a PNG, inside."""
    return rendered(_TEMPLATE, _values(result, picture))


def _values(result: LeadExplanation, picture: bytes) -> dict[str, Any]:
    said = result.language
    language: Language = "de" if said == "de" else "en"
    alt = waterfall_alt(result.steps(), p_start=result.p_base, p_end=result.p_win, language=said, lead=True)
    with speaking_of(LEAD):
        notes = [note_text(code, language, horizon_days=result.horizon_days) for code in result.notes]
    history, touches = result.history.tail(_LAST), result.touches.tail(_LAST)
    return {
        "language": said,
        "text": {key: of(_TEXTS, key, said) for key in _PLAIN},
        "id": clean(result.lead_id, language, ID_CHARACTERS),
        "as_of": of(_TEXTS, "as_of", said, day=shown.date(result.as_of, said)),
        "p": shown.share(result.p_win, said),
        "p_text": of(_TEXTS, f"chance_{result.target}", said, days=result.horizon_days),
        "grade": result.grade,
        "value": amounts.money(result.expected_value, result.currency, said),
        "reasons": [(reason["contribution"] > 0, reason[f"text_{said}"]) for reason in result.reasons],
        "notes": notes,
        "picture": {"source": picture_source(picture), "alt": alt},
        "history": [
            (_time(at, said), shown.share(p, said))
            for at, p in zip(history[n.AS_OF], history["p_win"].tolist(), strict=True)
        ],
        "touches": [
            (_time(at, said), clean(event_word(str(what), said, is_stage=is_stage), language, _CHARACTERS))
            for at, what, is_stage in zip(touches["at"], touches["what"], touches["is_stage"], strict=True)
        ],
        "touches_cut": of(_TEXTS, "last", said, count=_LAST, total=amounts.grouped(len(result.touches), said))
        if len(result.touches) > _LAST
        else "",
        "model": of(
            _TEXTS,
            "model",
            said,
            version=result.model_version,
            kind=of(KINDS, result.model_kind, said),
            trained=shown.date(result.train_as_of, said),
        ),
    }


def _time(at: dt.datetime, language: str) -> str:
    """Return a day and a time of that day.

    Examples
    --------
    >>> _time(dt.datetime(2026, 3, 2, 9, 5), "de")
    '02.03.2026, 09:05'
    """
    return f"{shown.date(at.date(), language)}, {at:%H:%M}"
