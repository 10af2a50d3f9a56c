"""What a comparison says, in both languages, and how its numbers are written."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

from crm_ml.models.explain import shown
from crm_ml.models.explain.amounts import grouped
from crm_ml.models.target_words import Texts, Wording, wording
from crm_ml.models.terms import CHURN_TARGET

EMPTY: Final = "–"
_MINUS: Final = "\N{MINUS SIGN}"

TEXTS: Final[Texts] = {
    "title": ("Modelle im Vergleich", "Models compared"),
    "about": ("Abwanderung", "Churn"),
    "count": ("{count} Versionen, neueste zuerst", "{count} versions, newest first"),
    "count_one": ("eine Version", "one version"),
    "short": ("Auf einen Blick", "At a glance"),
    "serves": (
        "Version {name} bewertet zurzeit: {kind}, trainiert zum {day}, AUC {auc}.",
        "Version {name} serves: {kind}, trained as of {day}, AUC {auc}.",
    ),
    "nobody_serves": (
        "Kein Modell bewertet zurzeit; verglichen wird mit der neuesten Version {name}.",
        "No model serves; the newest version {name} is what the others are compared with.",
    ),
    "paired_count": (
        "Mit ihr auf gemeinsamen Zeilen gemessen: {count}. Besser: {better}, schlechter: {worse}, "
        "nicht zu unterscheiden: {open}.",
        "Measured with it on common rows: {count}. Better: {better}, worse: {worse}, cannot be told apart: {open}.",
    ),
    "unpaired_count": (
        "Nicht gepaart vergleichbar: {count}. Dort kann ein Unterschied auch von anderen Kunden oder Tagen kommen.",
        "Cannot be paired: {count}. There a difference may also come from other customers or days.",
    ),
    "money_short": (
        "Mit dem größten gefährdeten Wert zuerst hätte Version {name} bei {share} der Kunden {value} je Tag gebracht, "
        "nur nach Risiko geordnet {risk} (Annahmen unten).",
        "With the most value at risk first, version {name} would have brought {value} per day at {share} of the "
        "customers; ranked by risk alone {risk} (assumptions below).",
    ),
    "tiers_short": (
        "Stufen am {day}: Version {after} gibt {changed} von {customers} Kunden eine andere.",
        "Tiers on {day}: version {after} gives {changed} of {customers} customers another one.",
    ),
    "overview": ("Übersicht", "Overview"),
    "version": ("Version", "Version"),
    "as_of": ("Stand", "As of"),
    "kind": ("Art", "Kind"),
    "verdict": ("Urteil", "Verdict"),
    "rows": ("Zeilen", "Rows"),
    "leavers": ("{count} abgewandert", "{count} churned"),
    "auc": ("AUC", "AUC"),
    "average_precision": ("Mittlere Präzision", "Average precision"),
    "ap": ("Präz.", "AP"),
    "brier": ("Brier", "Brier"),
    "ece": ("Kal.-Fehler", "Cal. error"),
    "lift_at_capacity": ("Lift", "Lift"),
    "difference": ("AUC-Unterschied", "AUC difference"),
    "to": ("bis", "to"),
    "overview_note": (
        "Jede Version ist auf den neuesten reifen Tagen ihres eigenen Trainings gemessen, vor dem Anpassen auf allen "
        "Daten; darunter 95-%-Intervalle über Kunden.",
        "Each version is measured on the newest mature days of its own training, before the refit on all data; "
        "95 % intervals over customers below.",
    ),
    "more_versions": ("{count} weitere Versionen", "{count} more versions"),
    "more_version": ("eine weitere Version", "one more version"),
    "differences": ("Unterschiede zu Version {name}", "Differences to version {name}"),
    "differences_note": (
        "Punkt: gemessener Unterschied; Linie: 95-%-Intervall aus gemeinsam gezogenen Kunden. Gestrichelt mit hohlem "
        "Punkt: nicht gepaart. Liegt die Linie ganz auf einer Seite der Null, ist der Unterschied gezeigt.",
        "Dot: measured difference; line: 95 % interval from customers drawn together. Dashed with a hollow dot: not "
        "paired. Where the line lies on one side of zero, the difference is shown.",
    ),
    "brier_forest": ("Brier-Wert (weniger ist besser)", "Brier score (less is better)"),
    "average_precision_forest": ("Mittlere Präzision", "Average precision"),
    "auc_forest": ("AUC (mehr ist besser)", "AUC (more is better)"),
    "picture": ("Bild", "Picture"),
    "reads": ("Lesart", "Reads"),
    "better": ("besser", "better"),
    "worse": ("schlechter", "worse"),
    "open": ("nicht zu unterscheiden", "cannot be told apart"),
    "reference": ("Vergleichsversion", "reference"),
    "common": ("{rows} gemeinsame Zeilen", "{rows} common rows"),
    "no_common_rows": ("nicht gepaart: keine gemeinsamen Zeilen", "not paired: no common rows"),
    "other_label": (
        "nicht verglichen: anderes Label ({horizon} Tage)",
        "not compared: another label ({horizon} days)",
    ),
    "other_outcome": (
        "nicht verglichen: gleiche Zeilen, anderes Ergebnis (die Daten haben sich geändert)",
        "not compared: same rows, other outcomes (the data have changed)",
    ),
    "not_measured": ("nicht verglichen: keine Messwerte", "not compared: nothing measured"),
    "no_others": ("Es gibt noch keine zweite Version.", "There is no second version yet."),
    "own_rows": (
        "Jede Kurve stammt von den eigenen Auswertungstagen der Version; nur gleiche Tage sind streng vergleichbar. "
        "Grau: Version {name}.",
        "Each curve comes from the version's own evaluation days; only equal days compare strictly. Grey: version "
        "{name}.",
    ),
    "no_curves": (
        "Zu keiner Version sind Auswertungszeilen da.",
        "No version has evaluation rows.",
    ),
    "reliability": ("Kalibrierung", "Reliability"),
    "reliability_note": (
        "Waagerecht die vorhergesagte Wahrscheinlichkeit, senkrecht der Anteil, der wirklich abwanderte (95 %). "
        "Auf der Diagonale stimmt beides überein.",
        "Across: predicted probability; up: the share that really churned (95 %). On the diagonal both agree.",
    ),
    "reliability_alt": (
        "Kalibrierung von Version {name}: vorhergesagt {first} bis {last}, größte Abweichung {gap}",
        "Reliability of version {name}: predicted {first} to {last}, largest gap {gap}",
    ),
    "gain": ("Gefundene Abwanderer", "Churners found"),
    "gain_note": (
        "Waagerecht der Anteil der Kunden, riskanteste zuerst; senkrecht der Anteil der Abwanderer darunter.",
        "Across: share of customers, riskiest first; up: share of the churners among them.",
    ),
    "gain_alt": (
        "Version {name}: das riskanteste Zehntel enthält {tenth} der Abwanderer, die Hälfte {half}",
        "Version {name}: the riskiest tenth holds {tenth} of the churners, the riskiest half {half}",
    ),
    "profit": ("Geld", "Money"),
    "profit_note": (
        "Annahme aus der Richtlinie, bis sie gemessen ist: „{action}“ hält {save} derer, die gehen würden, und kostet "
        "{cost}. Gebracht hätte das, was davon am Jahreswert der Kunden hängt, je Auswertungstag. Durchgezogen: nach "
        "Wahrscheinlichkeit × Wert geordnet; gepunktet: nur nach Risiko.",
        "Assumption of the policy until it is measured: “{action}” keeps {save} of those who would leave and costs "
        "{cost}. Shown is what that would have brought of the customers' yearly value, per evaluation day. Solid: "
        "ranked by probability × value; dotted: by risk alone.",
    ),
    "no_profit": (
        "Zu keiner Version ist bekannt, was bei den Kunden auf dem Spiel steht.",
        "For no version it is known what is at stake with the customers.",
    ),
    "at_capacity": ("bei {share} der Kunden", "at {share} of the customers"),
    "acted": ("Kunden je Tag", "customers per day"),
    "by_value": ("nach Wert", "by value"),
    "by_risk": ("nur nach Risiko", "by risk alone"),
    "profit_alt": (
        "Version {name}: bei {share} der Kunden {value} nach Wert, {risk} nur nach Risiko; höchstens {best}",
        "Version {name}: at {share} of the customers {value} by value, {risk} by risk alone; at most {best}",
    ),
    "evaluated": ("Ausgewertet", "Evaluated"),
    "days": ("{count} Tage bis {last}", "{count} days to {last}"),
    "one_day": ("am {last}", "on {last}"),
    "importance": ("Was die Bewertungen bewegt", "What moves the scores"),
    "importance_note": (
        "Anteil der mittleren absoluten SHAP-Beiträge (Log-Odds) je Version; die {count} größten Merkmale.",
        "Share of the mean absolute SHAP contributions (log-odds) of each version; the {count} largest features.",
    ),
    "feature": ("Merkmal", "Feature"),
    "versions_from_to": ("Versionen {first} bis {last}", "Versions {first} to {last}"),
    "tiers": ("Wer die Stufe wechselt", "Who changes tier"),
    "tiers_note": (
        "Alle {customers} Kunden, die am {day} bewertet werden können: Stufe unter Version {before} (Zeilen) und unter "
        "Version {after} (Spalten). Stufen sind frisch vergeben, ohne die Trägheit der täglichen Listen.",
        "All {customers} customers that can be scored on {day}: tier under version {before} (rows) and under version "
        "{after} (columns). Tiers are given afresh, without the inertia of the daily lists.",
    ),
    "no_tiers": ("Stufen sind nicht verglichen.", "Tiers are not compared."),
    "from_to": ("von \\ nach", "from \\ to"),
    "matrix": ("Anzahl der Kunden je Stufe vorher und nachher", "Number of customers by tier before and after"),
    "changed": ("{count} Kunden wechseln die Stufe", "{count} customers change tier"),
    "changed_one": ("ein Kunde wechselt die Stufe", "one customer changes tier"),
    "changed_shown": ("gezeigt: die {count} größten Änderungen", "shown: the {count} largest changes"),
    "customer": ("Kunde", "Customer"),
    "with_version": ("Version {name}", "Version {name}"),
    "tier_with": ("Stufe {name}", "Tier {name}"),
    "high": ("hoch", "high"),
    "medium": ("mittel", "medium"),
    "low": ("niedrig", "low"),
    "backtests": ("Rückblickende Prüfung", "Backtests"),
    "backtest": ("Stand {day}", "As of {day}"),
    "backtest_note": (
        "Alle Stichtage zusammen; Unterschied der AUC zur besten Regel ({name}), gepaart, 95 %.",
        "All cutoffs together; AUC against the best rule ({name}), paired, 95 %.",
    ),
    "candidate": ("Kandidat", "Candidate"),
    "rule": ("Regel", "rule"),
    "cutoffs": ("Stichtage", "Cutoffs"),
    "events": ("Abwanderer", "Churners"),
    "notes": ("Hinweise", "Notes"),
    "foot": ("Wie das zu lesen ist", "How to read this"),
    "foot_auc": (
        "AUC: Wahrscheinlichkeit, dass ein Abwanderer vor einem Bleibenden steht. Brier-Wert: mittlerer quadratischer "
        "Fehler der Wahrscheinlichkeit. Kalibrierungsfehler: mittlere Abweichung von vorhergesagtem und eingetretenem "
        "Anteil in zehn Gruppen. Lift: Abwanderer im riskantesten Zehntel gegenüber dem Durchschnitt.",
        "AUC: chance that a churner stands above a stayer. Brier score: mean squared error of the probability. "
        "Calibration error: mean gap between predicted and observed share in ten groups. Lift: churners in the "
        "riskiest tenth against the average.",
    ),
    "foot_looks": (
        "Wer viele Versionen vergleicht, findet allein durch Zufall etwa bei jeder zwanzigsten einen Unterschied.",
        "Who compares many versions finds a difference in about one of twenty by chance alone.",
    ),
    "foot_private": (
        "Diese Seite enthält Kundennummern und ist nur für den internen Gebrauch. In MLflow stehen sie nicht.",
        "This page holds customer numbers and is for internal use only. MLflow does not hold them.",
    ),
    "foot_promote": (
        "Ein Unterschied auf diesen Zeilen ist kein Auftrag zum Wechsel: darüber entscheidet das Tor für den Wechsel.",
        "A difference on these rows is no order to switch: the promotion gate decides about that.",
    ),
    "axis_share": ("Anteil", "share"),
    "page": ("Seite: {path}", "Page: {path}"),
    "dry": ("Probelauf: keine Seite geschrieben", "Dry run: no page written"),
}

LEAD_TEXTS: Final[Texts] = {
    "about": ("Leads (Ziel: {target})", "Leads (target: {target})"),
    "unpaired_count": (
        "Nicht gepaart vergleichbar: {count}. Dort kann ein Unterschied auch von anderen Leads oder Tagen kommen.",
        "Cannot be paired: {count}. There a difference may also come from other leads or days.",
    ),
    "leavers": ("{count} {done}", "{count} {done}"),
    "overview_note": (
        "Jede Version ist auf den neuesten reifen Zeilen ihres eigenen Trainings gemessen, vor dem Anpassen auf allen "
        "Daten; darunter 95-%-Intervalle über Leads.",
        "Each version is measured on the newest mature rows of its own training, before the refit on all data; "
        "95 % intervals over leads below.",
    ),
    "differences_note": (
        "Punkt: gemessener Unterschied; Linie: 95-%-Intervall aus gemeinsam gezogenen Leads. Gestrichelt mit hohlem "
        "Punkt: nicht gepaart. Liegt die Linie ganz auf einer Seite der Null, ist der Unterschied gezeigt.",
        "Dot: measured difference; line: 95 % interval from leads drawn together. Dashed with a hollow dot: not "
        "paired. Where the line lies on one side of zero, the difference is shown.",
    ),
    "reliability_note": (
        "Waagerecht die vorhergesagte Wahrscheinlichkeit, senkrecht der Anteil derer, die wirklich {reached} (95 %). "
        "Auf der Diagonale stimmt beides überein.",
        "Across: predicted probability; up: the share of those that really {reached} (95 %). On the diagonal both "
        "agree.",
    ),
    "gain": ("Wie weit oben stehen die Leads, die {reached}?", "How high up stand the leads that {reached}?"),
    "gain_note": (
        "Waagerecht der Anteil der Leads, aussichtsreichste zuerst; senkrecht der Anteil aller, die {reached}, "
        "darunter.",
        "Across: share of leads, most promising first; up: the share of all that {reached} among them.",
    ),
    "gain_alt": (
        "Version {name}: das aussichtsreichste Zehntel enthält {tenth} der Leads, die {reached}, die Hälfte {half}",
        "Version {name}: the most promising tenth holds {tenth} of the leads that {reached}, the better half {half}",
    ),
    "events": ("{done}", "{done}"),
    "foot_auc": (
        "AUC: Wahrscheinlichkeit, dass von zwei Leads der vorn steht, der das Ziel erreicht. Brier-Wert: mittlerer "
        "quadratischer Fehler der Wahrscheinlichkeit. Kalibrierungsfehler: mittlere Abweichung von vorhergesagtem und "
        "eingetretenem Anteil in zehn Gruppen. Lift: Anteil, der das Ziel erreicht, im aussichtsreichsten Zehntel "
        "gegenüber dem Durchschnitt.",
        "AUC: chance that of two leads the one that reaches the target stands first. Brier score: mean squared error "
        "of the probability. Calibration error: mean gap between predicted and observed share in ten groups. Lift: "
        "share that reaches the target in the most promising tenth against the average.",
    ),
}
"""What sounds different for leads; see `crm_ml.models.target_words`. Money and tiers are of customers only."""

KINDS: Final[dict[str, tuple[str, str]]] = {
    "lightgbm": ("LightGBM", "LightGBM"),
    "logistic": ("logistische Regression", "logistic regression"),
    "average": ("Mittel", "average"),
    "rule": ("Regel", "rule"),
}
VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "champion": ("bestanden", "passed"),
    "challenger": ("Herausforderer", "challenger"),
    "refused": ("abgelehnt", "refused"),
}
ALIASES: Final[dict[str, tuple[str, str]]] = {
    "champion": ("Champion", "champion"),
    "challenger": ("Herausforderer", "challenger"),
}


def words_of(target: str) -> Wording:
    """Return the texts of a comparison for the target of its labels.

    Examples
    --------
    >>> words_of("churn").say("about", "de"), words_of("won").say("about", "en")
    ('Abwanderung', 'Leads (target: won)')
    """
    return wording(target, TEXTS, LEAD_TEXTS)


def say(key: str, language: str, *, target: str = CHURN_TARGET, **values: object) -> str:
    """Return a text of the comparison.

    Examples
    --------
    >>> say("more_versions", "de", count=3), say("no_common_rows", "en")
    ('3 weitere Versionen', 'not paired: no common rows')
    """
    return words_of(target).say(key, language, **values)


def word(table: dict[str, tuple[str, str]], key: str, language: str) -> str:
    """Return the word for a code; a code without one stands for itself."""
    return table[key][language != "de"] if key in table else key


def note(gap: Mapping[str, Any], horizon: str, language: str) -> str:
    """Return in words how a difference was measured, or why it was not; `gap` is a row of `difference_table`.

    Examples
    --------
    >>> note({"paired": False, "note": "no_common_rows"}, "90", "de")
    'nicht gepaart: keine gemeinsamen Zeilen'
    """
    if gap["paired"]:
        return say("common", language, rows=grouped(int(gap["rows"]), language))
    code = str(gap["note"])
    return say(code, language, horizon=horizon) if code == "other_label" else say(code, language)


def number(value: float | None, language: str, decimals: int = 3) -> str:
    """Return a number with fixed decimals; a dash where there is none.

    Examples
    --------
    >>> number(0.9404, "de"), number(-0.01, "en", 2), number(None, "de")
    ('0,940', '−0.01', '–')
    """
    if value is None or not math.isfinite(value):
        return EMPTY
    text = grouped(abs(value), language, decimals)
    return f"{_MINUS}{text}" if value < 0 and any(digit in text for digit in "123456789") else text


def signed(value: float | None, language: str, decimals: int = 3) -> str:
    """Return a difference with its sign.

    Examples
    --------
    >>> signed(0.0123, "de"), signed(-0.0123, "en"), signed(0.0, "en")
    ('+0,012', '−0.012', '0.000')
    """
    text = number(value, language, decimals)
    shows = any(digit in text for digit in "123456789")
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 and shows else text


def span(low: float, high: float, language: str, *, sign: bool = False) -> str:
    """Return an interval.

    Examples
    --------
    >>> span(0.93, 0.95, "de"), span(-0.01, 0.02, "en", sign=True)
    ('0,930 bis 0,950', '−0.010 to +0.020')
    """
    write = signed if sign else number
    return f"{write(low, language)} {say('to', language)} {write(high, language)}"


def day(value: str, language: str) -> str:
    """Return an ISO day as people write it; other text as it is.

    Examples
    --------
    >>> day("2026-03-02", "de"), day("soon", "en")
    ('02.03.2026', 'soon')
    """
    try:
        return shown.date(dt.date.fromisoformat(value), language)
    except ValueError:
        return value or EMPTY
