"""German names for the firm's customers, places, people and products."""

from __future__ import annotations

import unicodedata

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SURNAMES = _words("""
    Ahlers Albrecht Arnold Bachmann Bär Bauer Baumgartner Beckmann Bender Berger Bergmann Bischoff Böhm Böttcher
    Brandt Braun Breuer Brinkmann Buchholz Burkhardt Busch Claasen Dahlmann Decker Dietrich Döring Drescher
    Dreyer Ebert Eckert Ehlers Engelhardt Ernst Fiedler Fink Fischer Förster Frank Freytag Friedrich Fuchs
    Geiger Gerlach Göbel Graf Greiner Groß Grünwald Günther Haag Haas Hagemann Hahn Hartmann Hauser Heinemann
    Heinrich Held Hellwig Hempel Hennig Herrmann Hesse Heuer Hinrichs Hofmann Holzer Horn Huber Hübner Jäger
    Jahn Jansen Jung Kaiser Karstens Keller Kern Kessler Kirchner Klein Klose Knapp Koch Köhler König Körner
    Kramer Kraus Krüger Kuhn Kunze Kurz Lange Langer Lehmann Lindner Lohmann Lorenz Ludwig Lüders Maier
    Marquardt Martens Maurer Mayr Meinecke Menzel Merkle Michels Möller Moser Mühlbauer Naumann Neubauer Neumann
    Niemeyer Nolte Oelmann Oppermann Ostermann Otto Paulsen Peters Petzold Pfeiffer Pohl Poppe Prinz Raabe
    Rademacher Rapp Reichert Reinhardt Renner Reuter Richter Riedel Rieger Ritter Röder Roth Rückert Ruppert
    Sander Sauer Schäfer Schenk Scherer Schilling Schlegel Schlüter Schönfeld Schramm Schreiber Schubert
    Schuster Seidel Siebert Sommer Stahl Steiner Stöhr Strobel Sturm Thiele Ullrich Unger Vogel Voigt Völker
    Wagner Walz Weber Wegener Weiß Wendt Wenzel Werner Wieland Wiesner Winkler Wirth Wittmann Wolff Wüst Zander
    Ziegler Zimmer
""")
FIRST_NAMES = _words("""
    Andrea Anja Birgit Carolin Christian Claudia Daniel Dirk Eva Florian Frank Gülcan Heike Ines Jan Jörg Jürgen
    Karin Katrin Lars Lena Markus Martina Matthias Mehmet Michael Nadine Nicole Oliver Petra Ralf Sabine Silke
    Stefan Susanne Sven Thomas Tobias Ulrike Ute
""")
TRADES = {
    "Maschinenbau": _words("Maschinenbau Antriebstechnik Fördertechnik Werkzeugmaschinen Hydraulik Pumpentechnik"),
    "Automotive": _words("Fahrzeugtechnik Automotive Karosseriesysteme Fahrzeugteile Nutzfahrzeugbau Sitzsysteme"),
    "Bau": _words("Bautechnik Fensterbau Hochbau Fassadentechnik Metallbau Bauelemente Haustechnik"),
    "Verpackung": _words("Verpackungen Folientechnik Kunststoffverpackungen Behälterbau Kartonagen Abfülltechnik"),
    "Elektrotechnik": _words("Elektrotechnik Schaltanlagen Gehäusetechnik Kabeltechnik Sensorik Lichttechnik"),
    "Medizintechnik": _words("Medizintechnik Laborgeräte Orthopädietechnik Dentaltechnik Klinikbedarf"),
    "Landtechnik": _words("Landtechnik Landmaschinen Stalltechnik Bewässerung Gewächshausbau"),
    "Möbel": _words("Möbelwerke Küchentechnik Büromöbel Innenausbau Sitzmöbel Ladenbau"),
    "Lebensmittel": _words("Lebensmitteltechnik Molkereitechnik Getränketechnik Backtechnik Fleischereitechnik"),
    "Elektrogroßhandel": _words("Elektrogroßhandel Elektrohandel Industriebedarf Elektrovertrieb Lichtgroßhandel"),
}
LEGAL_FORMS = (
    ("GmbH", 0.58),
    ("GmbH & Co. KG", 0.22),
    ("AG", 0.05),
    ("KG", 0.05),
    ("OHG", 0.02),
    ("SE", 0.02),
    ("e. K.", 0.06),
)
PLACES = (
    # country, region, city, share, area code
    ("DE", "Nordrhein-Westfalen", "Köln", 0.17, "+49 221 4710"),
    ("DE", "Bayern", "München", 0.15, "+49 89 99998"),
    ("DE", "Baden-Württemberg", "Stuttgart", 0.16, "+49 30 23125"),
    ("DE", "Niedersachsen", "Hannover", 0.08, "+49 40 66969"),
    ("DE", "Hessen", "Frankfurt", 0.07, "+49 69 90009"),
    ("DE", "Sachsen", "Chemnitz", 0.05, "+49 30 23125"),
    ("DE", "Rheinland-Pfalz", "Mainz", 0.04, "+49 69 90009"),
    ("DE", "Schleswig-Holstein", "Kiel", 0.03, "+49 40 66969"),
    ("DE", "Berlin", "Berlin", 0.03, "+49 30 23125"),
    ("DE", "Thüringen", "Jena", 0.03, "+49 30 23125"),
    ("AT", "Oberösterreich", "Linz", 0.04, ""),
    ("AT", "Steiermark", "Graz", 0.03, ""),
    ("CH", "Zürich", "Winterthur", 0.04, ""),
    ("NL", "Noord-Brabant", "Eindhoven", 0.03, ""),
    ("CZ", "Plzeňský kraj", "Plzeň", 0.02, ""),
    ("PL", "Dolnośląskie", "Wrocław", 0.02, ""),
    ("FR", "Grand Est", "Strasbourg", 0.01, ""),
)
"""The telephone numbers are from the ranges that the German regulator keeps free for films and books."""
PRODUCT_KINDS = {
    "Spritzgussteile": _words("Abdeckkappe Griffschale Klemmhalter Lagerbuchse Rollenkörper Zahnrad Clipleiste Deckel"),
    "Gehäuse": _words("Klemmengehäuse Sensorgehäuse Pultgehäuse Wandgehäuse Hutschienengehäuse Steckergehäuse"),
    "Drehteile": _words("Gewindebolzen Distanzhülse Passstift Spannmutter Achszapfen Rändelschraube"),
    "Frästeile": _words("Grundplatte Adapterflansch Führungsleiste Montagewinkel Spannblock Kupplungsnabe"),
    "Dichtungen": _words("O-Ring Flachdichtung Wellendichtring Profildichtung Formdichtung"),
    "Profile": _words("Kantenschutz Kabelkanal U-Profil T-Nut-Profil Gleitleiste"),
    "Werkzeuge": _words("Spritzgusswerkzeug Stanzwerkzeug Prüflehre Montagevorrichtung"),
}
_MATERIALS = _words("PA6 PA66-GF30 POM PP ABS PEEK EPDM FKM 1.4301 AlMgSi1 S235")


def company_names(industries: list[str], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return one name and one legal form per customer; no name comes twice.

    Examples
    --------
    >>> names, forms = company_names(["Bau", "Möbel"], np.random.default_rng(1))
    >>> all(name.endswith(form) for name, form in zip(names, forms))
    True
    """
    forms = rng.choice([form for form, _ in LEGAL_FORMS], len(industries), p=[share for _, share in LEGAL_FORMS])
    surnames = rng.integers(len(SURNAMES), size=len(industries))
    trades = rng.integers(1000, size=len(industries))
    seen: dict[str, int] = {}
    names = []
    for industry, form, surname, trade in zip(industries, forms.tolist(), surnames, trades, strict=True):
        words = TRADES[industry]
        stem = f"{SURNAMES[surname]} {words[trade % len(words)]}"
        seen[stem] = seen.get(stem, 0) + 1
        if seen[stem] > 1:  # the second family firm of that name is told apart by its place, the next by a number
            stem += f" {PLACES[(trade + seen[stem]) % len(PLACES)][2]}" + (f" {seen[stem]}" if seen[stem] > 2 else "")
        names.append(f"{stem} {form}")
    return names, forms.tolist()


def person_names(count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` different names of people.

    Examples
    --------
    >>> len(set(person_names(10, np.random.default_rng(1))))
    10
    """
    surnames = rng.permutation(len(SURNAMES))[:count]
    firsts = rng.integers(len(FIRST_NAMES), size=count)
    return [f"{FIRST_NAMES[first]} {SURNAMES[surname]}" for first, surname in zip(firsts, surnames, strict=True)]


def product_names(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return (category, name) of every product: each kind of part in four makes."""
    named = []
    for category, parts in PRODUCT_KINDS.items():
        for part in parts:
            materials = rng.permutation(len(_MATERIALS))[:4]
            sizes = rng.integers(4, 90, 4) * 5
            named += [(category, f"{part} {_MATERIALS[m]} {size} mm") for m, size in zip(materials, sizes, strict=True)]
    return named


def ascii_slug(text: str) -> str:
    """Return the text as it stands in a mail address.

    Examples
    --------
    >>> ascii_slug("Möller Bautechnik GmbH & Co. KG")
    'moeller-bautechnik-gmbh-co-kg'
    """
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        text = text.lower().replace(umlaut, plain)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "-".join("".join(ch if ch.isalnum() else " " for ch in text).split())
