"""The German sentences about features of leads, as data: feature -> case -> text; see `wording` for cases and slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_de_orders import Texts

_TOUCHES: Final[Mapping[str, tuple[str, str, str]]] = {
    # kind: nothing, one, many; {W} is the window, and "Bisher" without one
    "page_view": ("keine Seiten angesehen", "Seite angesehen", "Seiten angesehen"),
    "pricing_view": ("die Preise nicht angesehen", "Blick auf die Preise", "Blicke auf die Preise"),
    "email_open": ("keine E-Mail geöffnet", "E-Mail geöffnet", "E-Mails geöffnet"),
    "email_click": ("keinen Link in einer E-Mail angeklickt", "Klick in einer E-Mail", "Klicks in E-Mails"),
    "form_submit": ("kein Formular abgeschickt", "Formular abgeschickt", "Formulare abgeschickt"),
    "download": ("nichts heruntergeladen", "Download", "Downloads"),
    "webinar": ("an keinem Webinar teilgenommen", "Webinar besucht", "Webinare besucht"),
    "call": ("kein Telefonat", "Telefonat", "Telefonate"),
    "meeting": ("kein Termin", "Termin", "Termine"),
    "no_show": ("keinen Termin versäumt", "Termin versäumt", "Termine versäumt"),
    "reply_sent": ("noch keine Antwort von uns", "Antwort von uns", "Antworten von uns"),
    "reply_received": (
        "keine Antwort des Interessenten",
        "Antwort des Interessenten",
        "Antworten des Interessenten",
    ),
}
_SIGNS: Final = "{n|Zeichen|Zeichen} von Interesse"


def _touches() -> dict[str, Texts]:
    found: dict[str, Texts] = {}
    for kind, (nothing, one, many) in _TOUCHES.items():
        some = f"{{n|{one}|{many}}}"
        found[f"lead_{kind}_count"] = {
            "null": f"Nicht bekannt, ob bisher: {one}.",
            "zero": f"Bisher {nothing}.",
            "plain": f"Bisher {some}.",
        }
        found[f"lead_{kind}_count_14d"] = {
            "null": f"Nicht bekannt, ob in den letzten 14 Tagen: {one}.",
            "zero": f"{{W}} {nothing}.",
            "plain": f"{{W}} {some}.",
        }
    for days in (3, 7, 30):
        found[f"lead_interest_count_{days}d"] = {
            "null": f"Interesse der letzten {days} Tage nicht bekannt.",
            "zero": "{W} kein Zeichen von Interesse.",
            "plain": f"{{W}} {_SIGNS}.",
        }
    return found


def _since(what: str, nothing: str) -> Texts:
    return {"null": nothing, "plain": f"{what} vor {{n:h}}."}


TEXTS: Final[Mapping[str, Texts]] = {
    **_touches(),
    "lead_age_days": {"null": "Alter der Anfrage nicht bekannt.", "plain": "Anfrage vor {n|Tag|Tagen}."},
    "lead_age_hours": {"null": "Zeitpunkt der Anfrage nicht bekannt.", "plain": "Die Anfrage kam vor {n:h}."},
    "lead_interest_count": {
        "null": "Bisheriges Interesse nicht bekannt.",
        "zero": "Bisher kein Zeichen von Interesse.",
        "plain": f"Bisher {_SIGNS}.",
    },
    "lead_active_days_count": {
        "null": "Tage mit Aktivität nicht bekannt.",
        "zero": "Bisher an keinem Tag aktiv.",
        "plain": "Bisher an {n|Tag|Tagen} aktiv.",
    },
    "lead_assets_count": {
        "null": "Angesehene Inhalte nicht bekannt.",
        "zero": "Bisher keine Inhalte angesehen.",
        "plain": "Bisher {n|Inhalt|verschiedene Inhalte} angesehen.",
    },
    "lead_contacts_count": {
        "null": "Zahl der Ansprechpartner nicht bekannt.",
        "zero": "Bisher kein Ansprechpartner bekannt.",
        "plain": "Bisher {n|Ansprechpartner|Ansprechpartner}.",
    },
    "lead_hours_since_interest": _since("Letztes Zeichen von Interesse", "Noch kein Zeichen von Interesse."),
    "lead_hours_since_theirs": _since("Hat sich zuletzt gemeldet", "Hat sich seit der Anfrage nicht gemeldet."),
    "lead_hours_since_ours": _since("Unser letzter Schritt war", "Wir haben noch keinen Schritt getan."),
    "lead_hours_since_pricing_view": _since("Letzter Blick auf die Preise", "Hat die Preise noch nie angesehen."),
    "lead_hours_since_reply_received": _since("Letzte Antwort des Interessenten", "Hat noch nie geantwortet."),
    "lead_hours_since_no_show": _since("Letzter versäumter Termin", "Hat noch keinen Termin versäumt."),
    "lead_hours_since_first_ours": _since("Unser erster Schritt war", "Wir haben uns noch nicht gemeldet."),
    "lead_hours_since_first_interest": _since("Erstes Zeichen von Interesse", "Bislang kein Zeichen von Interesse."),
    "lead_response_hours": {
        "null": "Noch nicht beantwortet.",
        "zero": "Sofort beantwortet.",
        "negative": "Wir waren schon vor der Anfrage im Gespräch.",
        "plain": "Nach {n:h} beantwortet.",
    },
    "lead_waiting_hours": {
        "null": "Noch kein Wechsel von Anstoß und Antwort.",
        "zero": "Anstoß und Antwort fielen zusammen.",
        "negative": "Unser letzter Schritt kam nach dem letzten Anstoß des Interessenten.",
        "plain": "Hat sich nach unserem letzten Schritt wieder gemeldet, {n:h} später.",
    },
    "lead_first_interest_hours": {
        "null": "Nach der Anfrage kein Zeichen von Interesse.",
        "zero": "Zeichen von Interesse gleich mit der Anfrage.",
        "negative": "Zeigte schon vor der Anfrage Interesse.",
        "plain": "Erstes Zeichen von Interesse {n:h} nach der Anfrage.",
    },
    "lead_interest_pace": {
        "null": "Tempo des Interesses nicht bekannt.",
        "zero": "Zeigt seit der Anfrage kein Interesse.",
        "plain": "Im Mittel {n} Zeichen von Interesse am Tag.",
    },
    "lead_interest_recent_share": {
        "null": "Interesse der letzten 7 Tage nicht vergleichbar.",
        "zero": "Alles Interesse liegt länger als 7 Tage zurück.",
        "plain": "{n:p} des Interesses fällt in die letzten 7 Tage.",
    },
    "lead_replies_share": {
        "null": "Noch keine Antwort von uns, auf die er hätte reagieren können.",
        "zero": "Hat auf keine unserer Antworten reagiert.",
        "plain": "Im Mittel {n} Antworten auf jede von uns.",
    },
    "lead_stage_rank": {
        "null": "Stufe nicht bekannt.",
        "zero": "Steht noch am Anfang (Stufe Lead).",
        "plain": "Steht auf Stufe {n} von 3 (1 MQL, 2 SQL, 3 Chance).",
    },
    "lead_stage_rank_max": {
        "null": "Höchste Stufe nicht bekannt.",
        "zero": "Kam bisher nicht über den Anfang hinaus.",
        "plain": "Kam bisher bis Stufe {n} von 3 (1 MQL, 2 SQL, 3 Chance).",
    },
    "lead_stage_days": {
        "null": "Zeit in der Stufe nicht bekannt.",
        "zero": "Seit heute in dieser Stufe.",
        "plain": "Seit {n|Tag|Tagen} in dieser Stufe.",
    },
    "lead_stage_changes": {
        "null": "Stufenwechsel nicht bekannt.",
        "zero": "Hat die Stufe noch nicht gewechselt.",
        "plain": "Bisher {n|Stufenwechsel|Stufenwechsel}.",
    },
    "lead_stage_steps_back": {
        "null": "Rückschritte nicht bekannt.",
        "zero": "Ist nie zurückgefallen.",
        "plain": "Ist {n|Stufe|Stufen} zurückgefallen.",
    },
    "lead_source": {
        "null": "Herkunft nicht bekannt.",
        "bad": "Herkunft: {t} (spricht für einen Abschluss).",
        "good": "Herkunft: {t} (spricht eher dagegen).",
    },
    "lead_campaign": {
        "null": "Kampagne nicht bekannt.",
        "bad": "Kampagne: {t} (spricht für einen Abschluss).",
        "good": "Kampagne: {t} (spricht eher dagegen).",
    },
    "lead_industry": {
        "null": "Branche nicht bekannt.",
        "bad": "Branche: {t} (spricht für einen Abschluss).",
        "good": "Branche: {t} (spricht eher dagegen).",
    },
    "lead_country": {
        "null": "Land nicht bekannt.",
        "bad": "Land: {t} (spricht für einen Abschluss).",
        "good": "Land: {t} (spricht eher dagegen).",
    },
    "lead_company_size": {
        "null": "Größe des Unternehmens nicht bekannt.",
        "bad": "Unternehmen mit {t} Beschäftigten (spricht für einen Abschluss).",
        "good": "Unternehmen mit {t} Beschäftigten (spricht eher dagegen).",
    },
    "lead_job_function": {
        "null": "Funktion der Person nicht bekannt.",
        "bad": "Funktion der Person: {t} (spricht für einen Abschluss).",
        "good": "Funktion der Person: {t} (spricht eher dagegen).",
    },
    "lead_job_seniority": {
        "null": "Rang der Person nicht bekannt.",
        "bad": "Rang der Person: {t} (spricht für einen Abschluss).",
        "good": "Rang der Person: {t} (spricht eher dagegen).",
    },
    "lead_employees": {"null": "Zahl der Beschäftigten nicht bekannt.", "plain": "Unternehmen mit {n} Beschäftigten."},
    "lead_free_mail": {
        "null": "Keine E-Mail-Adresse angegeben.",
        "zero": "Schreibt von einer Firmenadresse.",
        "plain": "Schreibt von einer privaten E-Mail-Adresse.",
    },
    "lead_has_phone": {
        "null": "Nicht bekannt, ob eine Telefonnummer vorliegt.",
        "zero": "Keine Telefonnummer angegeben.",
        "plain": "Hat eine Telefonnummer angegeben.",
    },
    "lead_has_company": {
        "null": "Nicht bekannt, ob eine Firma angegeben ist.",
        "zero": "Keine Firma angegeben.",
        "plain": "Hat die Firma angegeben.",
    },
    "lead_source_won_share": {
        "null": "Abschlussquote dieser Herkunft noch nicht bekannt.",
        "plain": "Von Anfragen dieser Herkunft wurden bisher {n:p} gewonnen.",
    },
    "lead_source_won_share_365d": {
        "null": "Abschlussquote dieser Herkunft im letzten Jahr nicht bekannt.",
        "plain": "Von Anfragen dieser Herkunft wurden im letzten Jahr {n:p} gewonnen.",
    },
    "lead_campaign_won_share": {
        "null": "Abschlussquote dieser Kampagne noch nicht bekannt.",
        "plain": "Von Anfragen dieser Kampagne wurden bisher {n:p} gewonnen.",
    },
    "lead_source_created_30d": {
        "null": "Zahl der Anfragen derselben Herkunft nicht bekannt.",
        "zero": "In 30 Tagen keine weitere Anfrage derselben Herkunft.",
        "plain": "In 30 Tagen {n|Anfrage|Anfragen} derselben Herkunft.",
    },
    "lead_owner_open_count": {
        "null": "Auslastung des Zuständigen nicht bekannt.",
        "zero": "Der Zuständige hat keine offenen Leads.",
        "plain": "Der Zuständige hat {n|offenen Lead|offene Leads}.",
    },
    "lead_owner_created_7d": {
        "null": "Neue Leads des Zuständigen nicht bekannt.",
        "zero": "Der Zuständige bekam in 7 Tagen keinen neuen Lead.",
        "plain": "Der Zuständige bekam in 7 Tagen {n|neuen Lead|neue Leads}.",
    },
}
"""By feature id."""

OWN: Final[Texts] = {
    "null": "{label}: nicht bekannt.",
    "plain_bad": "{label}: {value} (spricht für einen Abschluss).",
    "plain_good": "{label}: {value} (spricht eher dagegen).",
}
"""Texts of features that bring only a label; what raises the chance stands under ``bad``, as for customers the risk."""

REST: Final[Texts] = {
    "only": "Kein einzelner Grund sticht heraus.",
    "raises": "Weitere Einflüsse zusammen erhöhen die Aussicht.",
    "lowers": "Weitere Einflüsse zusammen senken die Aussicht.",
    "even": "Weitere Einflüsse gleichen sich aus.",
}
"""Texts of what is not shown one by one."""
