"""The German sentences about features of leads, as data: feature -> case -> text; see `wording` for cases and slots.

What raises the chance is good news of a lead. No two features share a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_de_orders import Texts

__all__ = ["NAMES", "OWN", "REST", "STAGES", "TEXTS"]

STAGES: Final = ("Lead", "MQL", "SQL", "Chance", "gewonnen", "verloren")
"""Stages by their rank."""

NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "lead_job_function": {
        "management": "Geschäftsleitung",
        "purchasing": "Einkauf",
        "production": "Produktion",
        "engineering": "Technik",
        "maintenance": "Instandhaltung",
        "quality": "Qualität",
        "logistics": "Logistik",
        "sales": "Vertrieb",
        "marketing": "Marketing",
        "finance": "Finanzen",
        "hr": "Personal",
        "it": "IT",
        "legal": "Recht",
        "project": "Projekte",
        "office": "Büro",
        "research": "Forschung",
        "other": "sonstige",
        "unknown": "nicht erkennbar",
    },
    "lead_job_seniority": {
        "executive": "Unternehmensleitung",
        "head": "Bereichsleitung",
        "lead": "Teamleitung",
        "specialist": "Fachkraft",
        "assistant": "Assistenz",
        "trainee": "Ausbildung",
        "unknown": "nicht erkennbar",
    },
    "lead_company_size": {"1000+": "1.000 oder mehr"},
}
"""What the package's own codes are called, by feature."""

_TOUCHES: Final[Mapping[str, tuple[str, str, str]]] = {
    # kind: what is counted, the sentence about nothing and about something; <when> is the time looked at
    "page_view": (
        "Seitenaufrufe",
        "Hat <when> keine Seite angesehen.",
        "Hat <when> {n|Seite|Seiten} angesehen.",
    ),
    "pricing_view": (
        "Aufrufe der Preise",
        "Hat <when> die Preise nicht angesehen.",
        "Hat <when> {n:t} die Preise angesehen.",
    ),
    "email_open": (
        "Geöffnete E-Mails",
        "Hat <when> keine E-Mail von uns geöffnet.",
        "Hat <when> {n|E-Mail|E-Mails} von uns geöffnet.",
    ),
    "email_click": (
        "Klicks in E-Mails",
        "Hat <when> auf keinen Link in einer E-Mail geklickt.",
        "Hat <when> {n:t} auf einen Link in einer E-Mail geklickt.",
    ),
    "form_submit": (
        "Abgeschickte Formulare",
        "Hat <when> kein Formular abgeschickt.",
        "Hat <when> {n|Formular|Formulare} abgeschickt.",
    ),
    "download": (
        "Downloads",
        "Hat <when> nichts heruntergeladen.",
        "Hat <when> {n:t} etwas heruntergeladen.",
    ),
    "webinar": (
        "Besuche von Webinaren",
        "War <when> in keinem Webinar.",
        "War <when> in {n|Webinar|Webinaren}.",
    ),
    "call": (
        "Telefonate",
        "Wir haben <when> nicht telefoniert.",
        "Wir haben <when> {n:t} telefoniert.",
    ),
    "meeting": (
        "Termine",
        "Wir hatten <when> keinen Termin miteinander.",
        "Wir hatten <when> {n|Termin|Termine} miteinander.",
    ),
    "no_show": (
        "Versäumte Termine",
        "Hat <when> keinen Termin versäumt.",
        "Hat <when> {n|Termin|Termine} versäumt.",
    ),
    "reply_sent": (
        "Unsere Antworten",
        "Hat <when> keine Antwort von uns bekommen.",
        "Hat <when> {n|Antwort|Antworten} von uns bekommen.",
    ),
    "reply_received": (
        "Antworten des Interessenten",
        "Hat uns <when> nicht geantwortet.",
        "Hat uns <when> {n:t} geantwortet.",
    ),
}


def _touches() -> dict[str, Texts]:
    found: dict[str, Texts] = {}
    for kind, (counted, nothing, some) in _TOUCHES.items():
        for window, when in (("", "bisher"), ("_14d", "{w}")):
            found[f"lead_{kind}_count{window}"] = {
                "null": f"{counted} {when} nicht bekannt.",
                "zero": nothing.replace("<when>", when),
                "plain": some.replace("<when>", when),
            }
    return found


def _interest(when: str) -> Texts:
    return {
        "null": f"Zeichen von Interesse {when} nicht bekannt.",
        "zero": f"Zeigte {when} kein Interesse.",
        "bad": f"Zeigte {when} nur {{n:t}} Interesse.",
        "good": f"Zeigt Interesse: {when} {{n:t}}.",
        "plain": f"Zeigte {when} {{n:t}} Interesse.",
    }


def _group(of: str, plain: str) -> Texts:
    return {
        "null": f"{of} nicht bekannt.",
        "bad": f"{plain}: Solche Anfragen werden seltener gewonnen.",
        "good": f"{plain}: Solche Anfragen werden öfter gewonnen.",
    }


_WAITS: Final = "Wartet seit {n:i} auf eine Reaktion von uns."

_TIME_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_age_days": {
        "null": "Alter der Anfrage nicht bekannt.",
        "zero": "Anfrage von heute.",
        "bad": "Alte Anfrage: schon vor {n:d} gekommen.",
        "good": "Frische Anfrage: erst vor {n:d} gekommen.",
        "plain": "Anfrage vor {n:d} gekommen.",
    },
    "lead_age_hours": {
        "null": "Zeitpunkt der Anfrage nicht bekannt.",
        "zero": "Die Anfrage kam gerade eben.",
        "plain": "Die Anfrage kam vor {n:i}.",
    },
    "lead_hours_since_interest": {
        "null": "Noch kein Zeichen von Interesse.",
        "zero": "Zeigt gerade Interesse.",
        "bad": "Seit {n:i} kein Zeichen von Interesse mehr.",
        "good": "Frisches Interesse: zuletzt vor {n:i}.",
        "plain": "Zeigte zuletzt vor {n:i} Interesse.",
    },
    "lead_hours_since_theirs": {
        "null": "Ist seit der Anfrage nicht von sich aus aktiv geworden.",
        "zero": "Ist gerade von sich aus aktiv geworden.",
        "bad": "Seit {n:i} nicht mehr von sich aus aktiv.",
        "bad+": _WAITS,
        "good": "Bleibt dran: zuletzt vor {n:i} von sich aus aktiv.",
        "good+": _WAITS,
        "plain": "Zuletzt vor {n:i} von sich aus aktiv.",
        "plain+": _WAITS,
    },
    "lead_hours_since_ours": {
        "null": "Wir haben noch keinen Schritt getan.",
        "zero": "Unser letzter Schritt war gerade eben.",
        "plain": "Unser letzter Schritt war vor {n:i}.",
    },
    "lead_hours_since_pricing_view": {
        "null": "Hat die Preise noch nie angesehen.",
        "zero": "Sieht gerade die Preise an.",
        "bad": "Hat die Preise seit {n:i} nicht mehr angesehen.",
        "good": "Hat kürzlich die Preise angesehen: vor {n:i}.",
        "plain": "Sah zuletzt vor {n:i} die Preise an.",
    },
    "lead_hours_since_reply_received": {
        "null": "Hat noch nie geantwortet.",
        "zero": "Hat gerade geantwortet.",
        "bad": "Hat seit {n:i} nicht mehr geantwortet.",
        "good": "Hat kürzlich geantwortet: vor {n:i}.",
        "plain": "Hat zuletzt vor {n:i} geantwortet.",
    },
    "lead_hours_since_no_show": {
        "null": "Hat noch nie einen Termin versäumt.",
        "zero": "Hat gerade einen Termin versäumt.",
        "bad": "Hat erst vor {n:i} einen Termin versäumt.",
        "good": "Hat lange keinen Termin mehr versäumt: zuletzt vor {n:i}.",
        "plain": "Hat zuletzt vor {n:i} einen Termin versäumt.",
    },
    "lead_hours_since_first_ours": {
        "null": "Wir haben uns noch nicht gemeldet.",
        "zero": "Unser erster Schritt war gerade eben.",
        "plain": "Unser erster Schritt war vor {n:i}.",
    },
    "lead_hours_since_first_interest": {
        "null": "Bislang kein Zeichen von Interesse.",
        "zero": "Zeigt gerade zum ersten Mal Interesse.",
        "plain": "Zeigte vor {n:i} zum ersten Mal Interesse.",
    },
    "lead_response_hours": {
        "null": "Noch nicht beantwortet.",
        "null+": "Wartet seit {u:i} auf eine erste Antwort.",
        "zero": "Sofort beantwortet.",
        "negative": "Wir waren schon {n:j} vor der Anfrage im Gespräch.",
        "bad": "Spät beantwortet: erst nach {n:i}.",
        "good": "Schnell beantwortet: nach {n:i}.",
        "plain": "Nach {n:i} beantwortet.",
    },
    "lead_waiting_hours": {
        "null": "Noch kein Wechsel von Anstoß und Antwort.",
        "zero": "Anstoß und Antwort fielen zusammen.",
        "negative": "Wir waren zuletzt am Zug, {n:j} nach dem Interessenten.",
        "plain": "Wurde {n:j} nach unserem letzten Schritt wieder aktiv und wartet nun.",
    },
    "lead_first_interest_hours": {
        "null": "Nach der Anfrage kein Zeichen von Interesse.",
        "zero": "Zeigte Interesse gleich mit der Anfrage.",
        "negative": "Zeigte schon {n:j} vor der Anfrage Interesse.",
        "plain": "Zeigte erst {n:j} nach der Anfrage Interesse.",
    },
}

_INTEREST_TEXTS: Final[Mapping[str, Texts]] = {
    **{f"lead_interest_count_{days}d": _interest("{w}") for days in (3, 7, 30)},
    "lead_interest_count": _interest("bisher"),
    "lead_active_days_count": {
        "null": "Tage mit Aktivität nicht bekannt.",
        "zero": "War bisher an keinem Tag aktiv.",
        "bad": "War bisher nur an {n|Tag|Tagen} aktiv.",
        "good": "Immer wieder aktiv: bisher an {n|Tag|Tagen}.",
        "plain": "War bisher an {n|Tag|Tagen} aktiv.",
    },
    "lead_assets_count": {
        "null": "Angesehene Inhalte nicht bekannt.",
        "zero": "Hat bisher keine Inhalte angesehen.",
        "plain": "Hat bisher {n|Inhalt|verschiedene Inhalte} angesehen.",
    },
    "lead_contacts_count": {
        "null": "Zahl der Ansprechpersonen nicht bekannt.",
        "zero": "Bisher keine Ansprechperson bekannt.",
        "good": "Mehrere sind beteiligt: bisher {n|Ansprechperson|Ansprechpersonen}.",
        "plain": "Bisher {n|Ansprechperson|Ansprechpersonen}.",
    },
    "lead_interest_pace": {
        "null": "Tempo des Interesses nicht bekannt.",
        "zero": "Zeigt seit der Anfrage kein Interesse.",
        "plain": "Im Mittel {n|Zeichen|Zeichen} von Interesse am Tag.",
    },
    "lead_interest_recent_share": {
        "null": "Interesse der letzten 7 Tage nicht vergleichbar.",
        "zero": "Alles Interesse liegt länger als 7 Tage zurück.",
        "bad": "Interesse lässt nach: nur {n:p} davon in den letzten 7 Tagen.",
        "good": "Interesse ist frisch: {n:p} davon in den letzten 7 Tagen.",
        "plain": "{n:p} des Interesses in den letzten 7 Tagen.",
    },
    "lead_replies_share": {
        "null": "Noch keine Antwort von uns, auf die zu reagieren war.",
        "zero": "Hat auf keine unserer Antworten reagiert.",
        "plain": "Im Mittel {n|Antwort|Antworten} auf jede von uns.",
    },
}

_STAGE_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_stage_rank": {
        "null": "Stufe nicht bekannt.",
        "zero": "Steht noch am Anfang (Stufe Lead).",
        "good": "Schon weit gekommen: steht auf Stufe {n:s}.",
        "plain": "Steht auf Stufe {n:s}.",
    },
    "lead_stage_rank_max": {
        "null": "Höchste Stufe nicht bekannt.",
        "zero": "Kam bisher nicht über den Anfang hinaus.",
        "plain": "Kam bisher bis zur Stufe {n:s}.",
    },
    "lead_stage_days": {
        "null": "Zeit auf der Stufe nicht bekannt.",
        "zero": "Seit heute auf dieser Stufe.",
        "bad": "Steht still: seit {n:d} auf derselben Stufe.",
        "good": "Kommt voran: erst seit {n:d} auf dieser Stufe.",
        "plain": "Seit {n:d} auf dieser Stufe.",
    },
    "lead_stage_changes": {
        "null": "Wechsel der Stufe nicht bekannt.",
        "zero": "Hat die Stufe noch nicht gewechselt.",
        "plain": "Hat die Stufe bisher {n:t} gewechselt.",
    },
    "lead_stage_steps_back": {
        "null": "Rückschritte nicht bekannt.",
        "zero": "Ist nie zurückgefallen.",
        "plain": "Ist {n|Stufe|Stufen} zurückgefallen.",
    },
}

_ORIGIN_TEXTS: Final[Mapping[str, Texts]] = {
    "lead_source": _group("Herkunft", "Herkunft {t}"),
    "lead_campaign": _group("Kampagne", "Kampagne {t}"),
    "lead_industry": _group("Branche", "Branche {t}"),
    "lead_country": _group("Land", "Land {t}"),
    "lead_company_size": _group("Größe des Betriebs", "Betrieb mit {t} Beschäftigten"),
    "lead_job_function": _group("Funktion der Person", "Funktion {t}"),
    "lead_job_seniority": _group("Rang der Person", "Rang {t}"),
    "lead_employees": {
        "null": "Zahl der Beschäftigten nicht bekannt.",
        "zero": "Betrieb ohne Beschäftigte.",
        "plain": "Betrieb mit {n} Beschäftigten.",
    },
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
    "lead_is_customer": {
        "null": "Nicht bekannt, ob die Firma vor der Anfrage schon bei uns gekauft hat.",
        "zero": "Hat vor der Anfrage noch nie bei uns gekauft.",
        "plain": "Hat schon vor der Anfrage bei uns gekauft.",
    },
    "lead_customer_orders_365d": {
        "null": "Bestellungen vor der Anfrage nicht bekannt.",
        "zero": "Vor der Anfrage {w} keine Bestellung.",
        "plain": "Vor der Anfrage {w} {n|Bestellung|Bestellungen}.",
    },
    "lead_customer_days_since_order": {
        "null": "Keine Bestellung vor der Anfrage.",
        "zero": "Bestellte heute, noch vor der Anfrage.",
        "bad": "Letzte Bestellung vor der Anfrage liegt lange zurück: {n:d}.",
        "good": "Bestellte erst vor {n:d}, schon vor der Anfrage.",
        "plain": "Letzte Bestellung vor der Anfrage vor {n:d}.",
    },
    "lead_source_won_share": {
        "null": "Abschlussquote dieser Herkunft noch nicht bekannt.",
        "zero": "Von Anfragen dieser Herkunft wurde bisher keine gewonnen.",
        "plain": "Von Anfragen dieser Herkunft wurden bisher {n:p} gewonnen.",
    },
    "lead_source_won_share_365d": {
        "null": "Abschlussquote dieser Herkunft im letzten Jahr nicht bekannt.",
        "zero": "Von Anfragen dieser Herkunft wurde im letzten Jahr keine gewonnen.",
        "plain": "Von Anfragen dieser Herkunft wurden im letzten Jahr {n:p} gewonnen.",
    },
    "lead_campaign_won_share": {
        "null": "Abschlussquote dieser Kampagne noch nicht bekannt.",
        "zero": "Von Anfragen dieser Kampagne wurde bisher keine gewonnen.",
        "plain": "Von Anfragen dieser Kampagne wurden bisher {n:p} gewonnen.",
    },
    "lead_source_created_30d": {
        "null": "Zahl der Anfragen derselben Herkunft nicht bekannt.",
        "zero": "In 30 Tagen keine Anfrage derselben Herkunft.",
        "plain": "In 30 Tagen {n|Anfrage|Anfragen} derselben Herkunft.",
    },
    "lead_owner_open_count": {
        "null": "Auslastung der zuständigen Person nicht bekannt.",
        "zero": "Die zuständige Person hat keine offenen Leads.",
        "plain": "Die zuständige Person hat {n|offenen Lead|offene Leads}.",
    },
    "lead_owner_created_7d": {
        "null": "Neue Leads der zuständigen Person nicht bekannt.",
        "zero": "Die zuständige Person bekam in 7 Tagen keinen neuen Lead.",
        "plain": "Die zuständige Person bekam in 7 Tagen {n|neuen Lead|neue Leads}.",
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
    "null": "{label}: nicht bekannt.",
    "plain_bad": "{label}: {value} (spricht eher dagegen).",
    "plain_good": "{label}: {value} (spricht für einen Abschluss).",
}
"""Texts of features that bring only a label."""

REST: Final[Texts] = {
    "only": "Kein einzelner Grund sticht heraus.",
    "raises": "Weitere Einflüsse zusammen erhöhen die Aussicht.",
    "lowers": "Weitere Einflüsse zusammen senken die Aussicht.",
    "even": "Weitere Einflüsse gleichen sich aus.",
}
"""Texts of what is not shown one by one."""
