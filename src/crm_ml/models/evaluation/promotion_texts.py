"""What the gate says, in both languages."""

from __future__ import annotations

import re

_POINT, _PER_CENT = re.compile(r"(?<=\d)\.(?=\d)"), re.compile(r"(?<=\d)%")
_TEXTS: dict[str, tuple[str, str]] = {
    "evidence": (
        "Vergleich: die kleinere der Gruppen abgewandert und geblieben zählt {value:.0f} Kunden, mindestens "
        "{limit:.0f} sollen es sein",
        "Comparison: the smaller of the groups churned and retained counts {value:.0f} customers, and at least "
        "{limit:.0f} are needed",
    ),
    "auc_False": (
        "Rangfolge: AUC {value:+.4f} gegenüber dem Modell im Einsatz ({low:+.4f} bis {high:+.4f}), das untere Ende "
        "muss über 0 liegen",
        "Ranking: AUC {value:+.4f} against the model that serves ({low:+.4f} to {high:+.4f}), the lower end must be "
        "above 0",
    ),
    "auc_refresh": (
        "Rangfolge: AUC {value:+.4f} gegenüber dem Modell im Einsatz ({low:+.4f} bis {high:+.4f}), das untere Ende "
        "muss bei einer Auffrischung über {limit:+.2f} liegen",
        "Ranking: AUC {value:+.4f} against the model that serves ({low:+.4f} to {high:+.4f}), for a refresh the lower "
        "end must be above {limit:+.2f}",
    ),
    "profit_False": (
        "Wert: vom Wert der Abwandernden steht auf der Liste das {value:+.3f}-Fache des Durchschnitts mehr als beim "
        "Modell im Einsatz ({low:+.3f} bis {high:+.3f}), das untere Ende muss über 0 liegen",
        "Value: of the leavers' value the list holds {value:+.3f} times the average more than that of the model that "
        "serves ({low:+.3f} to {high:+.3f}), the lower end must be above 0",
    ),
    "profit_refresh": (
        "Wert: vom Wert der Abwandernden steht auf der Liste das {value:+.3f}-Fache des Durchschnitts mehr als beim "
        "Modell im Einsatz ({low:+.3f} bis {high:+.3f}), das untere Ende muss bei einer Auffrischung über "
        "{limit:+.2f} liegen",
        "Value: of the leavers' value the list holds {value:+.3f} times the average more than that of the model that "
        "serves ({low:+.3f} to {high:+.3f}), for a refresh the lower end must be above {limit:+.2f}",
    ),
    "calibration": (
        "Wahrscheinlichkeiten: Brier-Wert {value:+.4f} ({low:+.4f} bis {high:+.4f}), das obere Ende darf höchstens "
        "{limit:+.3f} sein",
        "Probabilities: Brier score {value:+.4f} ({low:+.4f} to {high:+.4f}), the upper end may be at most "
        "{limit:+.3f}",
    ),
    "level": (
        "Niveau: Kalibrierungsfehler {value:+.4f} ({low:+.4f} bis {high:+.4f}), er darf nicht nachweislich um "
        "mehr als {limit:.2f} größer sein",
        "Level: calibration error {value:+.4f} ({low:+.4f} to {high:+.4f}), it must not be shown to be larger by "
        "more than {limit:.2f}",
    ),
    "stability": (
        "Liste: {value:.0%} der Namen bleiben, mindestens {limit:.0%} sollen es sein",
        "List: {value:.0%} of the names stay, and at least {limit:.0%} should",
    ),
    "stability_explained": (
        "Liste: viele Namen wechseln, und die neuen sind die richtigeren: Lift {value:+.2f} ({low:+.2f} bis "
        "{high:+.2f})",
        "List: many names change, and the new ones are the better ones: lift {value:+.2f} ({low:+.2f} to {high:+.2f})",
    ),
}


def describe(kind: str, *, value: float, low: float, high: float, limit: float) -> tuple[str, str]:
    """Return a criterion with its figures in German and in English.

    Examples
    --------
    >>> german, english = describe("stability", value=0.4, low=0.4, high=0.4, limit=0.5)
    >>> german
    'Liste: 40 % der Namen bleiben, mindestens 50 % sollen es sein'
    >>> english
    'List: 40% of the names stay, and at least 50% should'
    """
    german, english = _TEXTS[kind]
    figures = {"value": value, "low": low, "high": high, "limit": limit}
    with_commas = _POINT.sub(",", german.format(**figures))
    return _PER_CENT.sub(" %", with_commas), english.format(**figures)
