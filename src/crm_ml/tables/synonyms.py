"""How companies call what the canonical tables hold, in German and English: data for `propose`, nothing else.

Words are compared folded: lower case, umlauts written out, letters and digits only.
"""

from __future__ import annotations

from typing import Final

from crm_ml import names as n

FILES: Final[dict[str, str]] = {
    n.CUSTOMERS: "customers customer kunden kunde kundenstamm debitoren debitor accounts clients",
    n.ACCOUNT_MANAGERS: "accountmanagers accountmanager betreuer kundenbetreuer vertreter vertrieb "
    "aussendienst sales salesreps",
    n.PRODUCTS: "products product artikel artikelstamm produkte material materialstamm items",
    n.ORDER_LINES: "orderlines orderline orders order auftraege auftrag auftragspositionen bestellungen bestellung "
    "bestellpositionen verkaeufe umsaetze umsatz positionen retail sales",
    n.INVOICES: "invoices invoice rechnungen rechnung fakturen faktura debitorenposten offeneposten",
    n.PAYMENTS: "payments payment zahlungen zahlung zahlungseingaenge zahlungseingang",
    n.INTERACTIONS: "interactions interaction kontakte kontakthistorie aktivitaeten aktivitaet activities "
    "tickets besuche",
    n.SURVEYS: "surveys survey umfragen umfrage befragungen nps csat",
    n.CONTRACTS: "contracts contract vertraege vertrag abos subscriptions",
    n.LEADS: "leads lead interessenten anfragen",
    n.LEAD_EVENTS: "leadevents leadevent leadaktivitaeten webevents",
    n.LEAD_STAGES: "leadstages leadstage leadphasen leadstatus",
    n.DEALS: "deals deal opportunities chancen verkaufschancen angebote",
    n.DEAL_STAGES: "dealstages dealphasen chancenphasen",
    n.MARKETING_COSTS: "marketingcosts marketingkosten werbekosten",
    n.ACTION_LOG: "actionlog massnahmen aktionen",
    n.RATES: "rates kurse wechselkurse",
}

_CUSTOMER_ID = (
    "customer customernumber customerno custid custno customernr kunde kundennr kundennummer kdnr kundenid kundeid "
    "kundenummer debitor debitornr debitorennr debitorennummer client clientid account accountid accountnumber"
)
_EMAIL = "mail emailadresse emailaddress"
_PHONE = "telefon tel telefonnummer phonenumber telnr"

COLUMNS: Final[dict[str, dict[str, str]]] = {
    "": {
        n.CUSTOMER_ID: _CUSTOMER_ID,
        "email": _EMAIL,
        "phone": _PHONE,
        "product_id": "product produkt produktid artikel artikelnr artikelnummer artnr artikelid sku "
        "stockcode material "
        "materialnr materialnummer item itemid itemno productcode productno produktnr produktnummer",
        "currency": "waehrung whg currencycode waehrungscode",
        n.KNOWN_AT: "erfasstam erfassungsdatum enteredat entrydate gebuchtam verbuchtam systemdatum",
        "country": "land laendercode countrycode",
        "industry": "branche sector sektor",
        "region": "gebiet bundesland state",
        "employees": "mitarbeiter mitarbeiterzahl anzahlmitarbeiter headcount",
        "language": "sprache",
        n.LEAD_ID: "lead leadnr leadnummer leadno interessent interessentennr mqlid",
        "owner_id": "owner besitzer verantwortlicher betreuer",
        "employee_id": "mitarbeiterid bearbeiter sachbearbeiter agent",
        "contact_id": "ansprechpartner ansprechpartnerid kontaktperson contact kontaktid",
        "marketing_basis": "werbeeinwilligung rechtsgrundlage einwilligung consent",
    },
    n.CUSTOMERS: {
        n.CUSTOMER_ID: _CUSTOMER_ID + " id nr nummer",
        "name": "firma firmenname kundenname company companyname name1",
        "customer_since": "kundeseit angelegtam createdat created anlagedatum since",
        "account_manager_id": "betreuer betreuerid kundenbetreuer vertreter verkaeufer accountmanager "
        "salesrep aussendienst",
        "parent_id": "konzern konzernnr parent gruppe mutter",
        "legal_form": "rechtsform",
        "is_natural_person": "privatperson natuerlicheperson",
        "profiling_objection": "widerspruch werbewiderspruch profilingwiderspruch objection",
        "status": "kundenstatus",
        "status_from": "statusseit statusdatum statusab",
    },
    n.ACCOUNT_MANAGERS: {
        "account_manager_id": "id nr betreuer betreuerid betreuernr vertreter vertreternr accountmanager kuerzel",
        "daily_capacity": "kapazitaet tageskapazitaet",
        "active_from": "aktivab eintritt",
        "active_to": "aktivbis austritt",
        "deputy_id": "vertretung stellvertreter deputy",
    },
    n.PRODUCTS: {
        "product_id": "id nr",
        "name": "bezeichnung beschreibung description artikelname produktname",
        "category": "kategorie warengruppe produktgruppe artikelgruppe",
        "unit_cost": "ek einkaufspreis einstandspreis kosten cost herstellkosten",
        "list_price": "vk listenpreis preis price verkaufspreis",
    },
    n.ORDER_LINES: {
        "order_id": "order ordernumber orderno ordernr bestellnr bestellnummer bestellung bestellid auftrag "
        "auftragsnr "
        "auftragsnummer auftragid auftragnr belegnr belegnummer beleg invoice invoiceno rechnungsnr "
        "rechnungsnummer",
        "line_no": "line linenumber position pos posnr positionsnr positionsnummer zeile zeilennr",
        "ordered_at": "orderdate bestelldatum auftragsdatum belegdatum datum date invoicedate rechnungsdatum "
        "buchungsdatum bestelltam",
        "net_amount": "net netto nettobetrag betrag umsatz nettoumsatz amount revenue total positionswert "
        "wert nettowert "
        "netvalue linetotal betragnetto umsatznetto positionsbetrag",
        "quantity": "qty menge anzahl stueck stueckzahl",
        "cost_amount": "cost kosten einstandswert einkaufswert wareneinsatz ek",
        "list_amount": "listenwert listprice bruttolistenwert",
        "delivery_at": "lieferdatum deliverydate liefertermin geliefertam",
    },
    n.INVOICES: {
        "invoice_id": "invoice invoiceno invoicenumber rechnung rechnungsnr rechnungsnummer rechnungid "
        "rechnungnr renr belegnr "
        "belegnummer beleg id nr",
        "issued_at": "invoicedate issuedate issued rechnungsdatum belegdatum datum date ausgestelltam redatum",
        "due_at": "duedate due faelligkeit faelligam faelligkeitsdatum zahlbarbis zahlungsziel",
        "amount": "betrag rechnungsbetrag bruttobetrag brutto total summe invoiceamount gesamtbetrag endbetrag",
        "order_id": "auftrag auftragsnr auftragsnummer bestellnr bestellnummer order orderno ordernumber",
        "disputed_at": "reklamiertam disputedate strittigseit",
    },
    n.PAYMENTS: {
        "payment_id": "payment paymentno paymentnumber zahlung zahlungsnr zahlungsnummer zahlungid belegnr "
        "belegnummer id nr",
        "invoice_id": "invoice invoiceno invoicenumber rechnung rechnungsnr rechnungsnummer rechnungid rechnungnr renr",
        "paid_at": "paymentdate paid zahlungsdatum bezahltam zahldatum eingangsdatum zahlungseingang "
        "wertstellung datum date",
        "amount": "betrag zahlbetrag zahlungsbetrag total summe",
    },
    n.INTERACTIONS: {
        "interaction_id": "interaction id nr kontaktnr aktivitaet aktivitaetsid aktivitaetsnr ticketid "
        "ticketnr ticket vorgang "
        "vorgangsnr activityid",
        "occurred_at": "zeitpunkt datum date kontaktdatum timestamp zeitstempel am eingang createdat",
        "channel": "kanal kontaktart medium typ type kontaktkanal",
        "direction": "richtung",
        "topic": "thema grund kategorie anlass",
        "responded_at": "beantwortetam antwortam antwortdatum",
        "resolved_at": "geloestam erledigtam closedat abgeschlossenam",
    },
    n.SURVEYS: {
        "survey_id": "survey id nr umfrageid",
        "answered_at": "datum date beantwortetam antwortdatum",
        "kind": "art typ type",
        "score": "wert note punkte bewertung",
    },
    n.CONTRACTS: {
        "contract_id": "contract vertrag vertragsnr vertragsnummer vertragid id nr",
        "starts_at": "beginn vertragsbeginn start startdate laufzeitab",
        "ends_at": "ende vertragsende end enddate laufzeitbis",
        "cancelled_at": "gekuendigtam kuendigungsdatum kuendigung cancelled",
        "monthly_value": "monatswert monatsbetrag mrr",
    },
    n.LEADS: {
        n.LEAD_ID: "id nr nummer",
        "created_at": "created angelegtam anlagedatum erstelltam datum firstcontactdate createdate eingangsdatum",
        "source": "herkunft quelle origin leadquelle",
        "campaign": "kampagne",
        "job_title": "position funktion titel jobtitle",
        "company": "firma firmenname companyname unternehmen",
    },
    n.LEAD_EVENTS: {
        "event_id": "event id nr",
        "occurred_at": "zeitpunkt datum date timestamp",
        "kind": "art typ type eventtype",
        "asset": "seite inhalt page",
    },
    n.LEAD_STAGES: {"stage": "phase stufe status", "entered_at": "datum seit date enteredon", "reason": "grund"},
    n.DEALS: {
        "deal_id": "deal id nr chance chancennr opportunityid",
        "created_at": "created angelegtam erstelltam datum",
        "closed_at": "abschluss abschlussdatum closedate geschlossenam wondate",
        "expected_close_at": "erwarteterabschluss expectedclose",
        "amount": "betrag wert volumen value",
    },
    n.DEAL_STAGES: {"deal_id": "deal", "stage": "phase stufe", "entered_at": "datum seit date"},
    n.MARKETING_COSTS: {"month": "monat", "source": "quelle herkunft kanal", "cost": "kosten betrag"},
    n.ACTION_LOG: {},
    n.RATES: {"valid_from": "gueltigab datum date", "rate": "kurs wechselkurs"},
}

PRICE: Final = "price preis einzelpreis stueckpreis unitprice vkpreis nettopreis"

VALUES: Final[dict[str, dict[str, str]]] = {
    "channel": {
        "email": "email mail emailnachricht",
        "phone": "telefon anruf tel call telefonat telephone",
        "visit": "besuch vorort termin meeting kundenbesuch",
        "web": "webseite website online portal",
        "chat": "livechat whatsapp",
        "ticket": "support serviceticket",
        "event": "messe veranstaltung",
        "letter": "brief post fax",
        "social": "linkedin xing socialmedia",
    },
    "direction": {"inbound": "eingehend ein eingang in incoming", "outbound": "ausgehend aus ausgang out outgoing"},
    "topic": {
        "complaint": "beschwerde reklamation",
        "inquiry": "anfrage",
        "offer": "angebot",
        "general": "allgemein sonstiges",
    },
    "status": {
        "active": "aktiv",
        "blocked": "gesperrt",
        "terminated": "gekuendigt beendet",
        "insolvent": "insolvenz",
        "internal": "intern",
        "won": "gewonnen",
        "lost": "verloren",
        "open": "offen",
    },
    "stage": {"won": "gewonnen", "lost": "verloren"},
}


def fold(word: str) -> str:
    """Return the word as it is compared.

    Examples
    --------
    >>> fold("Fälligkeits-Datum"), fold("Kd.-Nr.")
    ('faelligkeitsdatum', 'kdnr')
    """
    lower = word.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    return "".join(letter for letter in lower if letter.isascii() and letter.isalnum())
