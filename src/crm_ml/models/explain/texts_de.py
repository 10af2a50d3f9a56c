"""The German sentences about features, as data: feature or stem of its windows -> case -> text.

Cases and slots are explained in `crm_ml.models.explain.wording`. No two features share a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_ml.models.explain.texts_de_orders import DAYS, LAST_90, ORDER_TEXTS, SINCE, Texts, more_or_fewer, window

__all__ = ["OWN", "REST", "TEXTS", "window"]

_PAYMENT_TEXTS: Final[Mapping[str, Texts]] = {
    "invoices_days_late_mean": {
        "null": "Keine bezahlte Rechnung {w} erfasst, mittlerer Zahlungsverzug daher nicht bekannt.",
        "zero": "Zahlte {w} im Mittel genau zur Fälligkeit.",
        "zero_good": "Zahlt pünktlich: {w} im Mittel genau zur Fälligkeit.",
        "negative": f"Zahlte {{w}} im Mittel {DAYS} vor Fälligkeit.",
        "negative_good": f"Zahlt pünktlich: {{w}} im Mittel {DAYS} vor Fälligkeit.",
        "bad": f"Zahlt spät: {{w}} im Mittel {DAYS} nach Fälligkeit.",
        "good": f"Zahlt fast pünktlich: {{w}} im Mittel {DAYS} nach Fälligkeit.",
        "plain": f"Zahlte {{w}} im Mittel {DAYS} nach Fälligkeit.",
    },
    "invoices_days_late_max": {
        "null": "Keine bezahlte Rechnung {w} erfasst, größter Zahlungsverzug daher nicht bekannt.",
        "zero": "Späteste Zahlung {w} genau zur Fälligkeit.",
        "zero_good": "Zahlt zuverlässig: späteste Zahlung {w} genau zur Fälligkeit.",
        "negative": f"Späteste Zahlung {{w}} schon {DAYS} vor Fälligkeit.",
        "negative_good": f"Zahlt zuverlässig: späteste Zahlung {{w}} schon {DAYS} vor Fälligkeit.",
        "bad": f"Sehr späte Zahlung {{w}}: {DAYS} nach Fälligkeit.",
        "good": f"Zahlt zuverlässig: späteste Zahlung {{w}} nur {DAYS} nach Fälligkeit.",
        "plain": f"Späteste Zahlung {{w}} {DAYS} nach Fälligkeit.",
    },
    "invoices_late_share": {
        "null": "Keine bezahlte Rechnung {w} erfasst, Anteil verspäteter Zahlungen daher nicht bekannt.",
        "zero": "{W} keine Rechnung verspätet bezahlt.",
        "zero_good": "Zahlt pünktlich: {w} keine Rechnung verspätet.",
        "bad": "Zahlt oft verspätet: {w} {n:p} der Rechnungen.",
        "good": "Zahlt meist pünktlich: {w} nur {n:p} der Rechnungen verspätet.",
        "plain": "{n:p} der Rechnungen {w} verspätet bezahlt.",
    },
    "invoices_days_late_last": {
        "null": "Zahlungsverzug der letzten bezahlten Rechnung nicht bekannt.",
        "zero": "Letzte Rechnung genau zur Fälligkeit bezahlt.",
        "zero_good": "Letzte Rechnung pünktlich bezahlt, genau zur Fälligkeit.",
        "negative": f"Letzte Rechnung {DAYS} vor Fälligkeit bezahlt.",
        "negative_good": f"Letzte Rechnung pünktlich bezahlt, {DAYS} vor Fälligkeit.",
        "bad": f"Letzte Rechnung spät bezahlt: {DAYS} nach Fälligkeit.",
        "good": f"Letzte Rechnung fast pünktlich bezahlt: {DAYS} nach Fälligkeit.",
        "plain": f"Letzte Rechnung {DAYS} nach Fälligkeit bezahlt.",
    },
    "invoices_days_late_trend_90d": {
        "null": f"Zahlungsverzug {LAST_90} nicht mit dem Jahresmittel vergleichbar (keine Zahlung erfasst).",
        "zero": f"Zahlte {LAST_90} wie im Jahresmittel.",
        "negative": f"Zahlte {LAST_90} {DAYS} früher als im Jahresmittel.",
        "negative_good": f"Zahlt schneller als sonst: {LAST_90} {DAYS} früher als im Jahresmittel.",
        "bad": f"Zahlt langsamer als sonst: {LAST_90} {DAYS} später als im Jahresmittel.",
        "plain": f"Zahlte {LAST_90} {DAYS} später als im Jahresmittel.",
    },
    "invoices_count": {
        "null": "Zahl der Rechnungen {w} nicht bekannt.",
        "zero": "Keine Rechnung {w}.",
        "bad": "Nur {n|Rechnung|Rechnungen} {w}.",
        "good": "Kauft regelmäßig: {n|Rechnung|Rechnungen} {w}.",
        "plain": "{n|Rechnung|Rechnungen} {w}.",
    },
    "invoices_open_count": {
        "null": "Zahl der offenen Rechnungen nicht bekannt.",
        "zero": "Keine offenen Rechnungen.",
        "bad": "Viele offene Rechnungen: {n}.",
        "plain": "{n|offene Rechnung|offene Rechnungen}.",
    },
    "invoices_open_amount": {
        "null": "Offener Rechnungsbetrag nicht bekannt.",
        "zero": "Kein offener Rechnungsbetrag.",
        "plain": "Offener Rechnungsbetrag: {n:m}.",
    },
    "invoices_part_paid_count": {
        "null": "Zahl der teilweise bezahlten Rechnungen nicht bekannt.",
        "zero": "Keine teilweise bezahlten offenen Rechnungen.",
        "plain": "{n|offene Rechnung|offene Rechnungen} erst zum Teil bezahlt.",
    },
    "invoices_overdue_count": {
        "null": "Zahl der überfälligen Rechnungen nicht bekannt.",
        "zero": "Keine überfälligen Rechnungen.",
        "plain": "{n|überfällige Rechnung|überfällige Rechnungen}.",
    },
    "invoices_overdue_amount": {
        "null": "Überfälliger Betrag nicht bekannt.",
        "zero": "Kein überfälliger Betrag.",
        "plain": "Überfälliger Betrag: {n:m}.",
    },
    "invoices_overdue_days_oldest": {
        "null": "Keine Rechnung mit überschrittener Fälligkeit erfasst.",
        "zero": "Älteste offene Rechnung seit heute fällig.",
        "bad": f"Rechnung lange überfällig: die älteste seit {SINCE}.",
        "good": f"Nur kurz überfällig: älteste offene Rechnung seit {SINCE}.",
        "plain": f"Älteste offene Rechnung seit {SINCE} fällig.",
    },
    "invoices_overdue_share": {
        "null": "Kein offener Betrag erfasst, Anteil des Überfälligen daher nicht bekannt.",
        "zero": "Vom offenen Betrag ist nichts überfällig.",
        "plain": "{n:p} des offenen Betrags überfällig.",
    },
    "payments_part_count": {
        "null": "Zahl der Teilzahlungen {w} nicht bekannt.",
        "zero": "Keine Teilzahlungen {w}.",
        "bad": "Zahlt in Teilen: {n|Teilzahlung|Teilzahlungen} {w}.",
        "plain": "{n|Teilzahlung|Teilzahlungen} {w}.",
    },
    "payments_count": {
        "null": "Zahl der Zahlungen {w} nicht bekannt.",
        "zero": "Keine Zahlung {w}.",
        "bad": "Nur {n|Zahlung|Zahlungen} {w}.",
        "good": "Zahlt regelmäßig: {n|Zahlung|Zahlungen} {w}.",
        "plain": "{n|Zahlung|Zahlungen} {w}.",
    },
    "days_since_last_payment": {
        "null": "Keine Zahlung erfasst.",
        "zero": "Letzte Zahlung heute.",
        "bad": f"Seit {SINCE} keine Zahlung.",
        "good": f"Hat kürzlich bezahlt: letzte Zahlung vor {SINCE}.",
        "plain": f"Letzte Zahlung vor {SINCE}.",
    },
    "disputes_count": {
        "null": "Zahl der beanstandeten Rechnungen {w} nicht bekannt.",
        "zero": "Keine Rechnung {w} beanstandet.",
        "plain": "{n|Rechnung|Rechnungen} {w} beanstandet.",
    },
    "invoices_disputed_open_count": {
        "null": "Zahl der offenen beanstandeten Rechnungen nicht bekannt.",
        "zero": "Keine beanstandete Rechnung offen.",
        "plain": "{n|beanstandete Rechnung|beanstandete Rechnungen} noch offen.",
    },
    "invoices_disputed_open_amount": {
        "null": "Offener beanstandeter Betrag nicht bekannt.",
        "zero": "Kein beanstandeter Betrag offen.",
        "plain": "Beanstandet und noch offen: {n:m}.",
    },
    "credit_notes_count": {
        "null": "Zahl der Gutschriften {w} nicht bekannt.",
        "zero": "Keine Gutschriften {w}.",
        "plain": "{n|Gutschrift|Gutschriften} {w}.",
    },
}


def _counted(one: str, many: str, zero: str) -> Texts:
    """Texts for a number of events without an expectation."""
    return {
        "null": f"Zahl der {many} {{w}} nicht bekannt.",
        "zero": f"{zero} {{w}}.",
        "plain": f"{{n|{one}|{many}}} {{w}}.",
    }


def _survey(note: str, points: str) -> Mapping[str, Texts]:
    """Texts for the last score of a kind, its mean, and the difference of the two."""
    step = "{n|Punkt|Punkte}"
    return {
        "last": {
            "null": f"Noch keine {note} erfasst.",
            "bad": f"Unzufrieden: letzte {note} {points}.",
            "good": f"Zufrieden: letzte {note} {points}.",
            "plain": f"Letzte {note}: {points}.",
        },
        "mean": {
            "null": f"Keine mittlere {note} bekannt.",
            "bad": f"Im Mittel unzufrieden: {note} {points}.",
            "good": f"Im Mittel zufrieden: {note} {points}.",
            "plain": f"Mittlere {note}: {points}.",
        },
        "change": {
            "null": f"Letzte {note} nicht mit dem eigenen Mittel vergleichbar (keine erfasst).",
            "zero": f"Letzte {note} genau im eigenen Mittel.",
            "negative": f"Letzte {note} {step} unter dem eigenen Mittel.",
            "negative_bad": f"Unzufriedener als sonst: letzte {note} {step} unter dem eigenen Mittel.",
            "good": f"Zufriedener als sonst: letzte {note} {step} über dem eigenen Mittel.",
            "plain": f"Letzte {note} {step} über dem eigenen Mittel.",
        },
    }


_NPS: Final = _survey("Bewertung (NPS)", "{n} von 10")
_CSAT: Final = _survey("Zufriedenheitsnote (CSAT)", "{n|Punkt|Punkte}")

_CONTACT_TEXTS: Final[Mapping[str, Texts]] = {
    "interactions_count": {
        "null": "Zahl der Kontakte {w} nicht bekannt.",
        "zero": "Kein Kontakt {w}.",
        "zero+": "Kein Kontakt {w}, sonst etwa {u:r} in dieser Zeit.",
        "bad": "Wenig Kontakt: {n|Kontakt|Kontakte} {w}.",
        "bad+": "Wenig Kontakt: {n|Kontakt|Kontakte} {w}, sonst etwa {u:r} in dieser Zeit.",
        "good": "Reger Austausch: {n|Kontakt|Kontakte} {w}.",
        "plain": "{n|Kontakt|Kontakte} {w}.",
    },
    "interactions_inbound_count": {
        "null": "Wie oft sich der Kunde {w} gemeldet hat, ist nicht bekannt.",
        "zero": "Kunde hat sich {w} nicht gemeldet.",
        "bad": "Kunde meldet sich kaum: {w} {n:t}.",
        "good": "Kunde sucht den Kontakt: {w} {n:t} gemeldet.",
        "plain": "Kunde hat sich {w} {n:t} gemeldet.",
    },
    "interactions_outbound_count": {
        "null": "Wie oft wir den Kunden {w} angesprochen haben, ist nicht bekannt.",
        "zero": "Von uns {w} nicht angesprochen.",
        "plain": "Von uns {w} {n:t} angesprochen.",
    },
    "interactions_email_count": _counted("E-Mail", "E-Mails", "Keine E-Mails"),
    "interactions_phone_count": _counted("Telefonat", "Telefonate", "Keine Telefonate"),
    "interactions_visit_count": _counted("Besuch", "Besuche", "Keine Besuche"),
    "interactions_web_count": _counted("Web-Kontakt", "Web-Kontakte", "Keine Web-Kontakte"),
    "interactions_chat_count": _counted("Chat", "Chats", "Keine Chats"),
    "interactions_ticket_count": _counted("Ticket", "Tickets", "Keine Tickets"),
    "complaints_count": {
        **_counted("Beschwerde", "Beschwerden", "Keine Beschwerden"),
        "bad": "Hat sich beschwert: {n|Beschwerde|Beschwerden} {w}.",
    },
    "complaints_open_count": {
        "null": "Zahl der offenen Beschwerden nicht bekannt.",
        "zero": "Keine offenen Beschwerden.",
        "plain": "{n|offene Beschwerde|offene Beschwerden}.",
    },
    "complaints_oldest_open_days": {
        "null": "Keine ungelöste Beschwerde erfasst.",
        "zero": "Älteste offene Beschwerde von heute.",
        "plain": f"Älteste offene Beschwerde seit {SINCE} ungelöst.",
    },
    "days_since_last_complaint": {
        "null": "Noch nie eine Beschwerde erfasst.",
        "zero": "Letzte Beschwerde heute.",
        "bad": f"Erst vor {SINCE} beschwert.",
        "good": f"Lange keine Beschwerde mehr: die letzte vor {SINCE}.",
        "plain": f"Letzte Beschwerde vor {SINCE}.",
    },
    "days_since_last_contact": {
        "null": "Kein früherer Kontakt erfasst.",
        "zero": "Letzter Kontakt heute.",
        "bad": f"Seit {SINCE} kein Kontakt.",
        "bad+": f"Letzter Kontakt vor {SINCE}, sonst {{u:e}}.",
        "good": f"Im Gespräch: letzter Kontakt vor {SINCE}.",
        "good+": f"Im Gespräch: letzter Kontakt vor {SINCE}, sonst {{u:e}}.",
        "plain": f"Letzter Kontakt vor {SINCE}.",
        "plain+": f"Letzter Kontakt vor {SINCE}, sonst {{u:e}}.",
    },
    "days_since_last_inbound_contact": {
        "null": "Noch nie vom Kunden gehört (nichts erfasst).",
        "zero": "Kunde meldete sich zuletzt heute.",
        "bad": f"Seit {SINCE} nichts vom Kunden gehört.",
        "good": f"Kunde meldete sich kürzlich: vor {SINCE}.",
        "plain": f"Kunde meldete sich zuletzt vor {SINCE}.",
    },
    "contact_gap_days_mean": {
        "null": "Üblicher Abstand der Kontakte nicht bekannt (zu wenige erfasst).",
        "bad": "Selten im Gespräch: Kontakt im Mittel {n:e}.",
        "good": "Oft im Gespräch: Kontakt im Mittel {n:e}.",
        "plain": "Kontakt im Mittel {n:e}.",
    },
    "days_since_last_contact_over_own_gap": {
        "null": "Noch kein üblicher Abstand der Kontakte bekannt, Funkstille nicht vergleichbar.",
        "below": "Zeit seit dem letzten Kontakt bei {n:p} des üblichen Abstands.",
        "below+": "Zeit seit dem letzten Kontakt bei {n:p} des üblichen Abstands ({a} von {u|Tag|Tagen}).",
        "below_good": "In gewohntem Kontakt: letzter erst bei {n:p} des üblichen Abstands.",
        "below_good+": "In gewohntem Kontakt: letzter erst bei {n:p} des üblichen Abstands ({a} von {u|Tag|Tagen}).",
        "same": "Zeit seit dem letzten Kontakt so lang wie der übliche Abstand.",
        "times": "Funkstille {n:f} so lang wie üblich.",
        "times+": "Funkstille {n:f} so lang wie üblich: {a|Tag|Tage} statt {u}.",
    },
    "interactions_count_90d_over_own_quarter": more_or_fewer("Kontakte", LAST_90, "im eigenen Quartalsmittel"),
    "response_hours_mean": {
        "null": "Antwortzeit {w} nicht bekannt (keine beantwortete Anfrage erfasst).",
        "zero": "Anfragen {w} im Mittel sofort beantwortet.",
        "bad": "Langsame Antworten: {w} im Mittel nach {n:h}.",
        "good": "Schnelle Antworten: {w} im Mittel nach {n:h}.",
        "plain": "Anfragen {w} im Mittel nach {n:h} beantwortet.",
    },
    "interactions_unanswered_count": {
        "null": "Zahl der unbeantworteten Anfragen {w} nicht bekannt.",
        "zero": "Keine unbeantworteten Anfragen {w}.",
        "plain": "{n|unbeantwortete Anfrage|unbeantwortete Anfragen} {w}.",
    },
    **{f"survey_nps_{which}": texts for which, texts in _NPS.items()},
    **{f"survey_csat_{which}": texts for which, texts in _CSAT.items()},
    "days_since_last_survey": {
        "null": "Noch keine Befragung beantwortet (nichts erfasst).",
        "zero": "Letzte Befragung heute beantwortet.",
        "plain": f"Letzte Befragung vor {SINCE} beantwortet.",
    },
}


def _season(when: str) -> Texts:
    return {
        "bad": f"Jahreszeit: Im {when} setzen Kunden eher mit Bestellungen aus.",
        "good": f"Jahreszeit: Im {when} bestellen Kunden eher weiter.",
    }


def _group(of: str, plain: str) -> Texts:
    return {
        "null": f"{of} nicht bekannt.",
        "bad": f"{plain} {{t}}: Solche Kunden gehen eher verloren.",
        "good": f"{plain} {{t}}: Solche Kunden bleiben eher.",
    }


_PROFILE_TEXTS: Final[Mapping[str, Texts]] = {
    "industry": _group("Branche", "Branche"),
    "country": _group("Land", "Land"),
    "region": _group("Region", "Region"),
    "legal_form": _group("Rechtsform", "Rechtsform"),
    "employees": {
        "null": "Zahl der Mitarbeiter nicht bekannt.",
        "zero": "Unternehmen ohne Mitarbeiter.",
        "plain": "Unternehmen mit {n|Mitarbeiter|Mitarbeitern}.",
    },
    "days_since_customer_since": {
        "null": "Beginn der Kundenbeziehung nicht bekannt.",
        "zero": "Kunde seit heute.",
        "bad": "Noch kurze Kundenbeziehung: seit {n:d}.",
        "good": "Langjährige Kundenbeziehung: seit {n:d}.",
        "plain": "Kunde seit {n:d}.",
    },
    "season_sin": {
        "null": "Jahreszeit nicht bekannt (erstes oder zweites Halbjahr).",
        **{f"first_{tone}": text for tone, text in _season("ersten Halbjahr").items()},
        **{f"second_{tone}": text for tone, text in _season("zweiten Halbjahr").items()},
    },
    "season_cos": {
        "null": "Jahreszeit nicht bekannt (Winter oder Sommer).",
        **{f"first_{tone}": text for tone, text in _season("Winterhalbjahr").items()},
        **{f"second_{tone}": text for tone, text in _season("Sommerhalbjahr").items()},
    },
}

TEXTS: Final[Mapping[str, Texts]] = {**ORDER_TEXTS, **_PAYMENT_TEXTS, **_CONTACT_TEXTS, **_PROFILE_TEXTS}
"""All texts by feature id, or by its id without the window."""

OWN: Final[Texts] = {
    "null": "{label}: nicht bekannt.",
    "plain_bad": "{label}: {value} (erhöht das Risiko).",
    "plain_good": "{label}: {value} (senkt das Risiko).",
}
"""Texts of features that bring only a label."""

REST: Final[Texts] = {
    "only": "Kein einzelner Grund sticht heraus.",
    "raises": "Weitere Einflüsse zusammen erhöhen das Risiko.",
    "lowers": "Weitere Einflüsse zusammen senken das Risiko.",
    "even": "Weitere Einflüsse gleichen sich aus.",
}
"""Texts of what is not shown one by one."""
