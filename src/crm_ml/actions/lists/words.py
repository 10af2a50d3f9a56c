"""Every sentence of the lists, the summary and the drafts, in German and English, at one place."""

from __future__ import annotations

from dataclasses import dataclass

from crm_ml.actions.lists.columns import Language
from crm_ml.actions.lists.speaking import about_leads

TIERS: dict[str, tuple[str, str]] = {
    "high": ("hoch", "high"),
    "medium": ("mittel", "medium"),
    "low": ("niedrig", "low"),
}
"""Tier -> its word in German and English; the order is that of the risk."""

TEXTS: dict[str, tuple[str, str]] = {
    # head of a list
    "list_of": ("Liste für {name}", "List for {name}"),
    "list_unassigned": ("Kunden ohne Betreuer", "Customers without an account manager"),
    "risk_list": ("Kunden mit Abwanderungsrisiko", "Customers at risk of leaving"),
    "nothing_to_do": ("Heute ist nichts zu tun.", "Nothing to do today."),
    "one_customer": ("1 Kunde", "1 customer"),
    "many_customers": ("{count} Kunden", "{count} customers"),
    "one_waits": (
        "1 weiterer Kunde steht an, passt aber heute nicht mehr auf die Liste.",
        "1 more customer is due but does not fit on the list today.",
    ),
    "many_wait": (
        "{count} weitere Kunden stehen an, passen aber heute nicht mehr auf die Liste.",
        "{count} more customers are due but do not fit on the list today.",
    ),
    # the other list of the same person: leads beside customers
    "beside_one": ("1 Lead wartet auf Sie", "1 lead waits for you"),
    "beside_many": ("{count} Leads warten auf Sie", "{count} leads wait for you"),
    "beside_none": ("Ihre Leads: heute nichts zu tun", "Your leads: nothing to do today"),
    "stands_in": ("In Vertretung auch für {names}.", "Also standing in for {names}."),
    "on_behalf_of": ("In Vertretung für {name}", "Standing in for {name}"),
    "compared_with": ("Verglichen mit der Liste vom {day}.", "Compared with the list of {day}."),
    "first_list": (
        "Dies ist die erste Liste; einen Vergleich gibt es ab der nächsten.",
        "This is the first list; changes are shown from the next one on.",
    ),
    "model_learned": (
        "Bewertet mit dem gelernten Modell {version}{trained}.",
        "Scored with the trained model {version}{trained}.",
    ),
    "model_rule": (
        "Bewertet mit einer einfachen Regel statt einem gelernten Modell (Version {version}{trained}): "
        "Die Reihenfolge ist ein grober Anhalt.",
        "Scored with a simple rule instead of a trained model (version {version}{trained}): "
        "the order is a rough guide only.",
    ),
    "trained_to": (", Stand der Daten {day}", ", with data up to {day}"),
    "please_note": ("Bitte beachten", "Please note"),
    # one customer
    "customer_number": ("Kundennummer {id}", "Customer number {id}"),
    "no_name": ("Kunde {id}", "Customer {id}"),
    "risk_high": ("Hohes Risiko", "High risk"),
    "risk_medium": ("Mittleres Risiko", "Medium risk"),
    "risk_low": ("Niedriges Risiko", "Low risk"),
    "risk_other": ("Risiko {tier}", "Risk {tier}"),
    "probability": ("Wahrscheinlichkeit", "Probability"),
    "yearly_value": ("Jahreswert", "Yearly value"),
    "expected_gain": ("Erwarteter Nutzen", "Expected gain"),
    "next_step": ("Nächster Schritt", "Next step"),
    "due": ("bis {day}", "by {day}"),
    "why": ("Warum", "Why"),
    "reasons_not_made": ("Gründe wurden hierfür nicht ermittelt.", "Reasons were not made for this one."),
    "no_reason": ("Kein einzelner Grund sticht heraus.", "No single reason stands out."),
    "hints": ("Hinweise", "Hints"),
    "call": ("{name} anrufen: {phone}", "Call {name}: {phone}"),
    "no_phone": ("Keine Telefonnummer hinterlegt", "No telephone number on file"),
    "rank": ("Rang {rank}", "Rank {rank}"),
    "draft_file": ("E-Mail-Entwurf: {file}", "E-mail draft: {file}"),
    "draft_open": ("E-Mail-Entwurf öffnen", "Open the e-mail draft"),
    "draft_lacks": ("Bitte ergänzen Sie im Entwurf: {what}.", "Please add to the draft: {what}."),
    "lacks_customer_name": ("Name des Kunden", "name of the customer"),
    "lacks_manager_name": ("Ihr Name", "your name"),
    "lacks_manager_phone": ("Ihre Telefonnummer", "your telephone number"),
    "lacks_manager_email": ("Ihre E-Mail-Adresse", "your e-mail address"),
    "lacks_company": ("Name Ihrer Firma", "name of your company"),
    "draft_none_address": (
        "Kein E-Mail-Entwurf: Die hinterlegte Adresse ist keine einzelne gültige E-Mail-Adresse.",
        "No e-mail draft: the address on file is not one valid e-mail address.",
    ),
    "draft_none_sender": (
        "Kein E-Mail-Entwurf: Für den Absender ist keine gültige E-Mail-Adresse hinterlegt.",
        "No e-mail draft: there is no valid e-mail address on file for the sender.",
    ),
    "draft_none_text": (
        "Kein E-Mail-Entwurf: Für diese Maßnahme gibt es keine Vorlage.",
        "No e-mail draft: there is no template for this action.",
    ),
    # hints
    "note_model_is_rule": (
        "Bewertet mit einer einfachen Regel, nicht mit einem gelernten Modell.",
        "Scored with a simple rule, not with a trained model.",
    ),
    "note_rhythm_longer_than_horizon": (
        "Bestellt üblicherweise seltener als alle {days} Tage: Eine Pause ist hier nicht ungewöhnlich.",
        "Usually orders less often than every {days} days: a pause is not unusual here.",
    ),
    "note_history_short": (
        "Erst wenige Bestellungen: Die Einschätzung ist unsicher.",
        "Few orders yet: the assessment is uncertain.",
    ),
    "note_tier_kept": (
        "Risikostufe beibehalten: Die Wahrscheinlichkeit hat sich nur wenig bewegt.",
        "Risk level kept: the probability has moved only a little.",
    ),
    # what changed
    "change_first": ("erste Liste", "first list"),
    "change_new": ("neu", "new"),
    "change_new_from": ("neu hier, bisher bei {name}", "new here, before with {name}"),
    "change_up": ("Risiko gestiegen", "risk up"),
    "change_up_p": ("Risiko gestiegen: {before} → {now}", "risk up: {before} → {now}"),
    "change_up_tier": ("Risiko gestiegen: {tier_before} → {tier_now}", "risk up: {tier_before} → {tier_now}"),
    "change_down": ("Risiko gesunken", "risk down"),
    "change_down_p": ("Risiko gesunken: {before} → {now}", "risk down: {before} → {now}"),
    "change_down_tier": ("Risiko gesunken: {tier_before} → {tier_now}", "risk down: {tier_before} → {tier_now}"),
    "change_same": ("unverändert", "unchanged"),
    # gone
    "gone_title": ("Nicht mehr auf der Liste", "No longer on the list"),
    "gone_done": ("Als erledigt gemeldet.", "Reported as done."),
    "gone_done_until": (
        "Als erledigt gemeldet; frühestens wieder am {day}.",
        "Reported as done; back on {day} at the earliest.",
    ),
    "gone_not_now": ("Auf Wiedervorlage gelegt.", "Put off for later."),
    "gone_not_now_until": ("Auf Wiedervorlage zum {day}.", "Put off until {day}."),
    "gone_wrong": ("Als falsch gemeldet.", "Reported as wrong."),
    "gone_wrong_until": (
        "Als falsch gemeldet; frühestens wieder am {day}.",
        "Reported as wrong; back on {day} at the earliest.",
    ),
    "gone_ordered": ("Hat wieder bestellt.", "Has ordered again."),
    "gone_risk_fell": (
        "Risiko gesunken: {tier_before} → {tier_now} ({before} → {now}).",
        "Risk has fallen: {tier_before} → {tier_now} ({before} → {now}).",
    ),
    "gone_capacity": (
        "Heute haben andere Kunden Vorrang; bleibt vorgemerkt.",
        "Other customers come first today; still on the waiting list.",
    ),
    "gone_moved": ("Jetzt auf der Liste von {name}.", "Now on the list of {name}."),
    "gone_moved_unassigned": ("Jetzt auf der Liste ohne Betreuer.", "Now on the list without an account manager."),
    "gone_not_scored": (
        "Wird nicht mehr bewertet: lange kein Kauf, oder der Kunde ist nicht mehr aktiv.",
        "No longer scored: no purchase for a long time, or the customer is not active any more.",
    ),
    "gone_other": ("Zurzeit ist kein Schritt vorgesehen.", "No step is planned at the moment."),
    # why a step was withheld
    "held_cool_down": ("Der letzte Schritt liegt erst kurz zurück.", "The last step was taken only recently."),
    "held_snoozed": ("Auf Wiedervorlage gelegt.", "Put off for later."),
    "held_answered_done": ("Als erledigt gemeldet.", "Reported as done."),
    "held_answered_wrong": ("Als falsch gemeldet.", "Reported as wrong."),
    "held_no_marketing_basis": (
        "Werbung per E-Mail ist hier nicht erlaubt (keine Einwilligung oder Rechtsgrundlage).",
        "Advertising by e-mail is not allowed here (no consent or legal basis).",
    ),
    "held_consent_needed": (
        "Werbung per E-Mail ist hier nur mit Einwilligung erlaubt.",
        "Advertising by e-mail is allowed here with consent only.",
    ),
    "held_no_email": ("Es ist keine E-Mail-Adresse hinterlegt.", "There is no e-mail address on file."),
    "held_no_phone": ("Es ist keine Telefonnummer hinterlegt.", "There is no telephone number on file."),
    "held_gain_not_positive": (
        "Der erwartete Nutzen deckt den Aufwand nicht.",
        "The expected gain does not cover the effort.",
    ),
    "held_other": ("Aus einem anderen Grund zurückgestellt.", "Held back for another reason."),
    # how to answer, and what the list is not
    "answer_title": ("So antworten Sie", "How to answer"),
    "answer_open": (
        "Öffnen Sie die Excel-Datei dieser Liste: {file}",
        "Open the Excel file of this list: {file}",
    ),
    "answer_pick": (
        "Wählen Sie beim Kunden in der Spalte „Antwort“ ein Wort:",
        "Choose a word for the customer in the column “Answer”:",
    ),
    "answer_done": (
        "Sie haben sich gekümmert. Der Kunde pausiert auf der Liste.",
        "You have taken care of it. The customer leaves the list for a while.",
    ),
    "answer_not_now": (
        "Der Kunde kommt wieder: an dem Tag unter „Wiedervorlage am“, sonst nach der üblichen Frist.",
        "The customer returns: on the day under “Again on”, or else after the usual time.",
    ),
    "answer_wrong": (
        "Die Einschätzung stimmt nicht. Warum, schreiben Sie kurz in „Bemerkung“.",
        "The assessment is not right. Say why in a few words under “Note”.",
    ),
    "answer_return": (
        "Speichern Sie die Datei und geben Sie sie dorthin zurück, woher Sie sie haben.",
        "Save the file and return it to where you got it from.",
    ),
    "on_paper": ("Auf Papier", "On paper"),
    "paper_ticks": (
        "☐ erledigt   ☐ nicht jetzt, wieder am ____________   ☐ falsch, weil ______________________________",
        "☐ done   ☐ not now, again on ____________   ☐ wrong, because ______________________________",
    ),
    "meaning_title": ("Was die Angaben bedeuten", "What the figures mean"),
    "order_means": (
        "Reihenfolge: nach dem erwarteten Nutzen, also Wahrscheinlichkeit × Jahreswert × Erfolgsquote − Aufwand.",
        "Order: by expected gain, that is probability × yearly value × success rate − effort.",
    ),
    "advice": (
        "Diese Liste ist ein Rat, keine Anweisung: Sie entscheiden, was Sie tun.",
        "This list is advice, not an instruction: you decide what to do.",
    ),
    "assumption": (
        "Der erwartete Nutzen rechnet mit angenommenen Erfolgsquoten ({rates}); sie sind noch nicht gemessen.",
        "The expected gain rests on assumed success rates ({rates}); they have not been measured yet.",
    ),
    "assumption_short": (
        "Der erwartete Nutzen rechnet mit angenommenen Erfolgsquoten; sie sind noch nicht gemessen.",
        "The expected gain rests on assumed success rates; they have not been measured yet.",
    ),
    "value_is_revenue": (
        "Jahreswert: Umsatz der letzten 365 Tage.",
        "Yearly value: revenue of the last 365 days.",
    ),
    "value_is_margin": (
        "Jahreswert: Deckungsbeitrag der letzten 365 Tage.",
        "Yearly value: margin of the last 365 days.",
    ),
    "probability_means": (
        "Wahrscheinlichkeit: {clause}.",
        "Probability: {clause}.",
    ),
    "confidential": (
        "Vertraulich: nur für die Betreuung dieser Kunden. Wer der Auswertung widersprochen hat, steht auf keiner "
        "Liste.",
        "Confidential: only for looking after these customers. Whoever has objected to profiling is on no list.",
    ),
    # the summary
    "summary_title": ("Übersicht für die Teamleitung", "Summary for the team lead"),
    "summary_scored": ("Bewertete Kunden", "Customers scored"),
    "summary_listed": ("Auf den Listen", "On the lists"),
    "summary_waiting": ("Passten nicht auf die Listen", "Did not fit on the lists"),
    "summary_gone": ("Seit der letzten Liste weggefallen", "Gone since the last list"),
    "summary_value": ("Jahreswert auf den Listen", "Yearly value on the lists"),
    "by_tier": ("Nach Risiko", "By risk"),
    "by_action": ("Nach Schritt", "By step"),
    "by_change": ("Nach Veränderung", "By change"),
    "by_held": ("Zurückgestellte Schritte", "Steps held back"),
    "by_gone": ("Weggefallen, nach Grund", "Gone, by reason"),
    "by_manager": ("Listen", "Lists"),
    "column_tier": ("Risiko", "Risk"),
    "column_scored": ("bewertet", "scored"),
    "column_listed": ("auf den Listen", "on the lists"),
    "column_action": ("Schritt", "Step"),
    "column_change": ("Veränderung", "Change"),
    "column_reason": ("Grund", "Reason"),
    "column_customers": ("Kunden", "Customers"),
    "column_list": ("Liste", "List"),
    "column_for_absent": ("in Vertretung für", "standing in for"),
    "no_ranking": (
        "Die Listen stehen in der Reihenfolge der Namen. Sie hängen von den Kunden ab, nicht von der Leistung "
        "einzelner Personen, und taugen nicht zum Vergleich von Mitarbeitenden.",
        "The lists are in the order of names. They depend on the customers, not on anybody's performance, and are not "
        "fit for comparing people.",
    ),
    "gone_kind_done": ("als erledigt gemeldet", "reported as done"),
    "gone_kind_not_now": ("auf Wiedervorlage", "put off"),
    "gone_kind_wrong": ("als falsch gemeldet", "reported as wrong"),
    "gone_kind_ordered": ("hat wieder bestellt", "ordered again"),
    "gone_kind_risk_fell": ("Risiko gesunken", "risk has fallen"),
    "gone_kind_capacity": ("andere haben Vorrang", "others come first"),
    "gone_kind_moved": ("auf anderer Liste", "on another list"),
    "gone_kind_not_scored": ("nicht mehr bewertet", "no longer scored"),
    "gone_kind_held": ("Schritt zurückgestellt", "step held back"),
    "gone_kind_other": ("kein Schritt vorgesehen", "no step planned"),
    # the workbook
    "sheet_list": ("Liste", "List"),
    "sheet_about": ("Erläuterung", "About"),
    "page": ("Seite", "Page"),
    "of": ("von", "of"),
    "pick_title": ("Ihre Antwort", "Your answer"),
    "pick_text": ("erledigt, nicht jetzt oder falsch", "done, not now or wrong"),
    "pick_error": ("Bitte wählen Sie einen Eintrag der Liste.", "Please choose an entry of the list."),
    "day_title": ("Wiedervorlage", "Again on"),
    "day_text": ("Ein Datum nach dem Tag der Liste", "A date after the day of the list"),
    "day_error": ("Bitte geben Sie ein Datum nach dem {day} ein.", "Please enter a date after {day}."),
    # the opt-out that every draft carries
    "opt_out": (
        "Wenn Sie keine Angebote von uns per E-Mail mehr erhalten möchten, antworten Sie bitte mit „Abmelden“ oder "
        "schreiben Sie an {address}. Es entstehen Ihnen dafür keine anderen Kosten als die der Übermittlung nach den "
        "Basistarifen.",
        "If you do not want to receive offers from us by e-mail any more, please reply with “unsubscribe” or write to "
        "{address}. This costs you nothing but the transmission at basic rates.",
    ),
    "opt_out_subject": ("Abmelden", "Unsubscribe"),
}
"""Name of a text -> German, English; ``{...}`` are filled in."""


LEAD_TEXTS: dict[str, tuple[str, str]] = {
    "list_unassigned": ("Leads ohne Zuständigen", "Leads without an owner"),
    "risk_list": ("Leads zum Nachfassen", "Leads to follow up"),
    "one_customer": ("1 Lead", "1 lead"),
    "many_customers": ("{count} Leads", "{count} leads"),
    "one_waits": (
        "1 weiterer Lead steht an, passt aber heute nicht mehr auf die Liste.",
        "1 more lead is due but does not fit on the list today.",
    ),
    "many_wait": (
        "{count} weitere Leads stehen an, passen aber heute nicht mehr auf die Liste.",
        "{count} more leads are due but do not fit on the list today.",
    ),
    "beside_one": ("1 Kunde wartet auf Sie", "1 customer waits for you"),
    "beside_many": ("{count} Kunden warten auf Sie", "{count} customers wait for you"),
    "beside_none": ("Ihre Kunden: heute nichts zu tun", "Your customers: nothing to do today"),
    "means_won": (
        "dass der Lead in den nächsten {days} Tagen gewonnen wird",
        "that the lead is won within the next {days} days",
    ),
    "means_opportunity": (
        "dass der Lead in den nächsten {days} Tagen zur Verkaufschance wird",
        "that the lead becomes an opportunity within the next {days} days",
    ),
    "means_sql": (
        "dass der Lead in den nächsten {days} Tagen zum SQL wird",
        "that the lead becomes an SQL within the next {days} days",
    ),
    "customer_number": ("Lead-Nummer {id}", "Lead number {id}"),
    "no_name": ("Lead {id}", "Lead {id}"),
    "risk_high": ("Klasse A", "Grade A"),
    "risk_medium": ("Klasse B", "Grade B"),
    "risk_low": ("Klasse C", "Grade C"),
    "risk_other": ("Klasse {tier}", "Grade {tier}"),
    "yearly_value": ("Erwarteter Wert", "Expected value"),
    "expected_gain": ("Verlust je Tag", "Lost per day"),
    "note_value_is_one": (
        "Es gibt keine gewonnenen Geschäfte mit Betrag: Der erwartete Wert ist die Wahrscheinlichkeit.",
        "There are no won deals with an amount: the expected value is the probability.",
    ),
    "note_waits_for_us": ("Wartet auf eine Antwort von uns.", "Waits for an answer from us."),
    "change_up": ("Aussicht gestiegen", "chance up"),
    "change_up_p": ("Aussicht gestiegen: {before} → {now}", "chance up: {before} → {now}"),
    "change_up_tier": ("Aussicht gestiegen: {before} → {now}", "chance up: {before} → {now}"),
    "change_down": ("Aussicht gesunken", "chance down"),
    "change_down_p": ("Aussicht gesunken: {before} → {now}", "chance down: {before} → {now}"),
    "change_down_tier": ("Aussicht gesunken: {before} → {now}", "chance down: {before} → {now}"),
    "gone_risk_fell": ("Aussicht gesunken: {before} → {now}.", "The chance has fallen: {before} → {now}."),
    "gone_capacity": (
        "Heute haben andere Leads Vorrang; bleibt vorgemerkt.",
        "Other leads come first today; still on the waiting list.",
    ),
    "gone_moved_unassigned": ("Jetzt auf der Liste ohne Zuständigen.", "Now on the list without an owner."),
    "gone_not_scored": (
        "Nicht mehr offen: gewonnen, verloren oder nicht mehr in den Daten.",
        "No longer open: won, lost, or not in the data any more.",
    ),
    "answer_pick": (
        "Wählen Sie beim Lead in der Spalte „Antwort“ ein Wort:",
        "Choose a word for the lead in the column “Answer”:",
    ),
    "answer_done": (
        "Sie haben sich gekümmert. Der Lead pausiert auf der Liste.",
        "You have taken care of it. The lead leaves the list for a while.",
    ),
    "answer_not_now": (
        "Der Lead kommt wieder: an dem Tag unter „Wiedervorlage am“, sonst nach der üblichen Frist.",
        "The lead returns: on the day under “Again on”, or else after the usual time.",
    ),
    "order_means": (
        "Reihenfolge: nach dem erwarteten Wert, der verloren geht, wenn bis morgen nichts geschieht. Wie schnell die "
        "Aussicht sinkt, ist an allen Leads beobachtet: ein Zusammenhang, kein Beweis.",
        "Order: by the expected value that is lost if nothing happens until tomorrow. How fast the chance decays was "
        "observed over all leads: a correlation, no proof.",
    ),
    "assumption": (
        "Der Verlust je Tag zählt so weit, wie der Schritt ihn abwendet ({rates}); das ist angenommen, nicht gemessen.",
        "The loss per day counts as far as the step averts it ({rates}); this is assumed, not measured.",
    ),
    "value_is_revenue": (
        "Erwarteter Wert: Wahrscheinlichkeit × mittlerer Betrag gewonnener Geschäfte mit ähnlichen Leads.",
        "Expected value: probability × mean amount of deals won with similar leads.",
    ),
    "value_is_margin": (
        "Erwarteter Wert: Wahrscheinlichkeit × mittlerer Betrag gewonnener Geschäfte mit ähnlichen Leads.",
        "Expected value: probability × mean amount of deals won with similar leads.",
    ),
    "confidential": (
        "Vertraulich: nur für die Betreuung dieser Leads.",
        "Confidential: only for looking after these leads.",
    ),
    "summary_scored": ("Bewertete Leads", "Leads scored"),
    "summary_value": ("Erwarteter Wert auf den Listen", "Expected value on the lists"),
    "by_tier": ("Nach Klasse", "By grade"),
    "column_tier": ("Klasse", "Grade"),
    "column_customers": ("Leads", "Leads"),
    "no_ranking": (
        "Die Listen stehen in der Reihenfolge der Namen. Sie hängen von den Leads ab, nicht von der Leistung "
        "einzelner Personen, und taugen nicht zum Vergleich von Mitarbeitenden.",
        "The lists are in the order of names. They depend on the leads, not on anybody's performance, and are not "
        "fit for comparing people.",
    ),
    "gone_kind_risk_fell": ("Aussicht gesunken", "chance has fallen"),
    "gone_kind_not_scored": ("nicht mehr offen", "no longer open"),
}
"""What is said otherwise on lists of leads."""
_GRADES: dict[str, str] = {"high": "A", "medium": "B", "low": "C"}


@dataclass(frozen=True)
class Notice:
    """A warning on the lists, in both languages.

    Examples
    --------
    >>> Notice("Die Daten sind von gestern.", "The data are of yesterday.").text("en")
    'The data are of yesterday.'
    """

    de: str
    en: str

    def text(self, language: Language) -> str:
        """Return the text in a language."""
        return self.de if language == "de" else self.en


def say(name: str, language: Language, /, **values: object) -> str:
    """Return a text of `TEXTS` with its values.

    Examples
    --------
    >>> say("many_customers", "de", count=3)
    '3 Kunden'
    """
    texts = LEAD_TEXTS[name] if about_leads() and name in LEAD_TEXTS else TEXTS[name]
    return texts[language == "en"].format(**values)


def count_of(number: int, one: str, many: str, language: Language) -> str:
    """Return the text for one or for many.

    Examples
    --------
    >>> count_of(1, "one_customer", "many_customers", "en"), count_of(0, "one_customer", "many_customers", "en")
    ('1 customer', '0 customers')
    """
    return say(one, language) if number == 1 else say(many, language, count=number)


def tier_word(tier: str, language: Language) -> str:
    """Return the word of a tier; a tier of one's own keeps its name.

    Examples
    --------
    >>> tier_word("high", "de"), tier_word("watch", "de")
    ('hoch', 'watch')
    """
    if about_leads():
        return _GRADES.get(tier, tier)
    return TIERS[tier][language == "en"] if tier in TIERS else tier


def tier_phrase(tier: str, language: Language) -> str:
    """Return the tier as a phrase.

    Examples
    --------
    >>> tier_phrase("medium", "de")
    'Mittleres Risiko'
    """
    return say(f"risk_{tier}", language) if tier in TIERS else say("risk_other", language, tier=tier)


def held_text(code: str, language: Language) -> str:
    """Return why a step was withheld; a code that is not known is said in general words.

    Examples
    --------
    >>> held_text("no_phone", "en"), held_text("moon_phase", "en")
    ('There is no telephone number on file.', 'Held back for another reason.')
    """
    return say(f"held_{code}" if f"held_{code}" in TEXTS else "held_other", language)


def note_text(code: str, language: Language, *, horizon_days: int) -> str:
    """Return the hint behind a note of the scores; one's own notes keep their name.

    Examples
    --------
    >>> note_text("rhythm_longer_than_horizon", "en", horizon_days=90)
    'Usually orders less often than every 90 days: a pause is not unusual here.'
    """
    name = f"note_{code}"
    known = name in TEXTS or (about_leads() and name in LEAD_TEXTS)
    return say(name, language, days=horizon_days) if known else code
