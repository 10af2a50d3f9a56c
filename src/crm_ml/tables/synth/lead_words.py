"""Words of the leads: job titles as people write them, campaigns, assets, reasons."""

from __future__ import annotations

import numpy as np

# function -> per seniority (head, senior, staff), German and English ways to say it
TITLES: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "purchasing": (
        (("Leiter Einkauf", "Leiterin Einkauf", "Einkaufsleiter"), ("Head of Procurement", "Purchasing Director")),
        (("Strategischer Einkäufer", "Senior Einkäuferin"), ("Senior Buyer", "Procurement Manager")),
        (("Einkäufer", "Einkäuferin", "Sachbearbeiterin Einkauf"), ("Buyer", "Purchasing Assistant")),
    ),
    "design": (
        (("Leiter Konstruktion", "Entwicklungsleiterin"), ("Head of Engineering", "R&D Director")),
        (("Entwicklungsingenieur", "Projektingenieurin"), ("Senior Design Engineer", "Project Engineer")),
        (("Konstrukteur", "Konstrukteurin", "Technischer Zeichner"), ("Design Engineer", "CAD Designer")),
    ),
    "production": (
        (("Produktionsleiter", "Werkleiterin", "Betriebsleiter"), ("Plant Manager", "Head of Production")),
        (("Leiter Instandhaltung", "Fertigungsplaner"), ("Maintenance Manager", "Production Planner")),
        (("Schichtleiter", "Instandhalter", "Meister Fertigung"), ("Maintenance Technician", "Shift Lead")),
    ),
    "management": (
        (("Geschäftsführer", "Geschäftsführerin", "Inhaber", "Vorstand"), ("CEO", "Managing Director", "Owner")),
        (("Prokurist", "Kaufmännischer Leiter"), ("COO", "General Manager")),
        (("Assistentin der Geschäftsführung",), ("Executive Assistant",)),
    ),
    "electrical": (
        (("Leiter Elektrotechnik", "Leiter Schaltschrankbau"), ("Head of Electrical Engineering",)),
        (("Elektroplaner", "Elektromeisterin"), ("Senior Electrical Engineer",)),
        (("Elektroniker", "Schaltschrankbauer"), ("Electrician", "Electrical Designer")),
    ),
    "sales": (
        (("Vertriebsleiter", "Vertriebsleiterin"), ("Head of Sales", "Sales Director")),
        (("Key-Account-Managerin", "Außendienst"), ("Account Manager",)),
        (("Vertriebsinnendienst", "Marketingreferentin"), ("Sales Assistant", "Marketing Specialist")),
    ),
    "it": (
        (("IT-Leiter", "Leiterin Digitalisierung"), ("Head of IT", "CIO")),
        (("IT-Administrator", "SAP-Berater"), ("System Administrator",)),
        (("Fachinformatiker", "IT-Support"), ("IT Support",)),
    ),
    "student": (
        (("Wissenschaftlicher Mitarbeiter",), ("Research Associate",)),
        (("Doktorandin", "Doktorand"), ("PhD Student",)),
        (("Student", "Studentin", "Werkstudent", "Praktikantin"), ("Student", "Intern")),
    ),
}
CAMPAIGNS = {
    "website": ("Kontaktformular", "Muster anfordern", "Konfigurator"),
    "google_ads": ("Gehäuse Suche", "Kabelkanal Suche", "Spritzguss Suche", "Marke"),
    "linkedin": ("Konstrukteure DACH", "Einkauf Mittelstand"),
    "webinar": ("UL 94 in der Praxis", "Halogenfreie Werkstoffe", "Schaltschrank kompakt"),
    "newsletter": ("Newsletter",),
    "partner": ("Elektrogroßhandel", "Ingenieurbüros"),
    "address_list": ("Adresskauf Maschinenbau", "Adresskauf Elektro"),
}
PAGES = ("/gehaeuse", "/kabelkanal", "/dichtungen", "/werkstoffe", "/referenzen", "/lieferzeiten", "/unternehmen")
PRICES = ("/preise", "/preisanfrage")
DOWNLOADS = ("Katalog Gehäuse", "Katalog Profile", "CAD-Modell", "Datenblatt PA66-GF30", "Preisliste")
MAILINGS = ("Neuheiten", "Muster", "Lieferzeiten", "Messe", "Anwendungsbericht")
ONBOARDING = ("/kundenportal", "/bestellung")
FREE_MAIL = ("gmx.example", "web.example", "freemail.example", "t-mail.example")
LOST_EARLY = (("no_need", 0.35), ("no_response", 0.25), ("not_a_fit", 0.25), ("timing", 0.15))
LOST_LATE = (("price", 0.35), ("competitor", 0.30), ("budget", 0.15), ("timing", 0.10), ("technical", 0.10))
WON = (("price", 0.25), ("quality", 0.30), ("delivery_time", 0.25), ("advice", 0.20))


def job_title(function: str, seniority: int, english: bool, draw: int) -> str:
    """Return a job title; `draw` chooses among the ways to say it.

    Examples
    --------
    >>> job_title("purchasing", 0, False, 0), job_title("purchasing", 0, True, 1)
    ('Leiter Einkauf', 'Purchasing Director')
    """
    ways = TITLES[function][seniority][english]
    return ways[draw % len(ways)]


def draw_word(choices: tuple[tuple[str, float], ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` words drawn by their shares, as objects."""
    shares = np.array([share for _, share in choices])
    return rng.choice(np.array([word for word, _ in choices], dtype=object), count, p=shares / shares.sum())
