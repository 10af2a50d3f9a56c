"""What a backtest says in words, in German and English: the page, and the verdict in a few sentences."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from crm_ml.models.evaluation.backtest import POOLED
from crm_ml.models.evaluation.backtest_rows import CHAMPION
from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.pictures_backtest import label
from crm_ml.models.target_words import Texts, Wording, wording

if TYPE_CHECKING:
    from crm_ml.jobs.backtest_result import BacktestResult
    from crm_ml.models.evaluation.intervals import Interval

LOGISTIC: Final = "logistic"
LEVEL_OFF: Final = 0.03
"""A mean prediction that is surely further off than this is said to be."""

TEXTS: Final[Texts] = {
    "title": ("Rückvergleich der Abwanderungsmodelle", "Backtest of the churn models"),
    "as_of": ("Stand {day}", "as of {day}"),
    "short": ("Kurz gesagt", "In short"),
    "pooled": ("Alle Stichtage zusammen", "All cutoffs together"),
    "each": ("Stichtag für Stichtag", "Cutoff by cutoff"),
    "to_champion": ("Unterschiede zum Champion", "Differences to the champion"),
    "to_rule": ("Unterschiede zur besten Regel", "Differences to the best rule"),
    "reliability": ("Halten die Wahrscheinlichkeiten Wort?", "Do the probabilities keep their word?"),
    "gain": ("Wie viele Abwanderer stehen oben auf der Liste?", "How many churners stand at the top of the list?"),
    "money": ("Was die Listen gebracht hätten", "What the lists would have brought"),
    "contacts": ("Kontakte", "contacts"),
    "by_value": ("nach Wert", "by value"),
    "by_risk": ("nach Risiko", "by risk"),
    "value_less_risk": ("Wert − Risiko", "value − risk"),
    "less_champion": ("nach Wert − Champion", "by value − champion"),
    "room_lists": (
        "Die Listen eines Tages: {count} Kontakte über {days} Stichtage, {currency}",
        "One day's lists: {count} contacts over {days} cutoffs, {currency}",
    ),
    "room_share": (
        "Die ersten {share} der Kunden jedes Stichtags, {currency}",
        "The first {share} of the customers of each cutoff, {currency}",
    ),
    "room_best": (
        "So viele Kontakte, wie sich am meisten lohnen, {currency}",
        "As many contacts as pay best, {currency}",
    ),
    "money_note": (
        "Annahme aus der Richtlinie, bis sie gemessen ist: „{action}“ hält {save} derer, die gehen würden, und kostet "
        "{cost}. Gebracht hätte das vom Jahreswert der Kunden, Stichtage zusammengezählt. Nach Wert: die größten "
        "Wahrscheinlichkeit × Wert zuerst, solange es die Kosten deckt; nach Risiko: die größten Wahrscheinlichkeiten "
        "zuerst. Die letzte Tafel ist der erwartete Höchstgewinn: der Anteil, der zu halten ist, ist dort ungewiss "
        "(Beta-Verteilung), und für jeden wird die beste Zahl von Kontakten genommen.",
        "Assumption of the policy until it is measured: “{action}” keeps {save} of those who would leave and costs "
        "{cost}. Shown is what that would have brought of the customers' yearly value, cutoffs summed. By value: the "
        "highest probability × value first, as long as that covers the cost; by risk: the highest probability first. "
        "The last table is the expected maximum profit: the share that can be kept is uncertain there (beta "
        "distribution), and for each the best number of contacts is taken.",
    ),
    "money_short": (
        "Die Listen je eines Tages ({count} Kontakte) hätten mit den größten gefährdeten Werten zuerst {value} "
        "{currency} gebracht, nach Risiko allein {risk}: Unterschied {gap} (Annahmen unten).",
        "One day's lists at each cutoff ({count} contacts) would have brought {value} {currency} with the most value "
        "at risk first, by risk alone {risk}: difference {gap} (assumptions below).",
    ),
    "choices": ("Was an jedem Stichtag gedient hätte", "What would have served at each cutoff"),
    "findings": ("Zu beachten", "Worth knowing"),
    "name": ("Name", "name"),
    "cutoff": ("Stichtag", "cutoff"),
    "customers": ("Kunden", "customers"),
    "churned": ("abgewandert", "churned"),
    "cutoffs": ("Stichtage", "cutoffs"),
    "chosen": ("gewählt", "chosen"),
    "verdict": ("Urteil", "verdict"),
    "trained_on": ("trainiert auf Zeilen", "rows trained on"),
    "difference": ("AUC-Unterschied", "AUC difference"),
    "versus": ("gegen", "against"),
    "held": ("zurückgehalten", "held back"),
    "passed": ("besser als die Regeln", "better than the rules"),
    "refused": ("nicht besser als die Regeln: die Regel dient", "not better than the rules: the rule serves"),
    "interval_note": (
        "In Klammern und als Balken: 95-%-Intervalle. Gezogen werden Kunden, an allen Stichtagen zugleich; deshalb "
        "sind Unterschiede gepaart. Grau heißt: nicht von Null zu unterscheiden.",
        "In brackets and as bars: 95 % intervals. Customers are drawn, at all cutoffs at once, so differences are "
        "paired. Grey means: not to be told from zero.",
    ),
    "method": (
        "Jeder Stichtag ist ein volles Training mit dem, was an dem Tag bekannt war: Auswahl, Einstellung und "
        "Kalibrierung inbegriffen. „Champion“ ist, was dieses Training hätte dienen lassen. Beurteilt wurde an den "
        "{days} Tagen danach. AUC, Genauigkeit und Lift gelten innerhalb eines Stichtags und werden über die Stichtage "
        "gemittelt, gewichtet mit ihren Kunden.",
        "Each cutoff is a whole training with what was known on that day, with selection, tuning and calibration. "
        "“Champion” is what that training would have let serve. It was judged by the {days} days after. AUC, precision "
        "and lift are those within a cutoff, averaged over the cutoffs by their customers.",
    ),
    "looks": (
        "Verglichen werden mehrere Kandidaten an denselben Kunden: Wer nur knapp vorn liegt, kann es durch Zufall tun.",
        "Several candidates are compared on the same customers: who leads by little may do so by chance.",
    ),
    "what": (
        "An {count} Stichtagen von {first} bis {last} wurde trainiert und {rows} Mal ein Kunde nach {days} Tagen "
        "beurteilt; {rate} wanderten ab.",
        "At {count} cutoffs from {first} to {last} models were trained, and {rows} times a customer was judged {days} "
        "days later; {rate} churned.",
    ),
    "what_one": (
        "Zum {first} wurde trainiert, und {rows} Kunden wurden nach {days} Tagen beurteilt; {rate} wanderten ab.",
        "Models were trained as of {first}, and {rows} customers were judged {days} days later; {rate} churned.",
    ),
    "above_rule": (
        "Der Champion erkennt Abwanderer besser als die beste Regel ({rule}): AUC {own} gegen {other}, Unterschied "
        "{gap}.",
        "The champion tells churners from stayers better than the best rule ({rule}): AUC {own} against {other}, "
        "difference {gap}.",
    ),
    "below_rule": (
        "Der Champion erkennt Abwanderer schlechter als die beste Regel ({rule}): AUC {own} gegen {other}, Unterschied "
        "{gap}.",
        "The champion tells churners from stayers worse than the best rule ({rule}): AUC {own} against {other}, "
        "difference {gap}.",
    ),
    "like_rule": (
        "Ob der Champion Abwanderer besser erkennt als die beste Regel ({rule}), ist nicht zu entscheiden: AUC {own} "
        "gegen {other}, Unterschied {gap}.",
        "Whether the champion tells churners from stayers better than the best rule ({rule}) cannot be decided: AUC "
        "{own} against {other}, difference {gap}.",
    ),
    "best": (
        "Unter den Kandidaten liegt „{best}“ vorn; zu „{other}“ beträgt der Unterschied {gap} und ist {sure}.",
        "Of the candidates “{best}” leads; its difference to “{other}” is {gap}, which is {sure}.",
    ),
    "sure": ("sicher", "beyond chance"),
    "unsure": ("nicht von Zufall zu unterscheiden", "not to be told from chance"),
    "no_candidate": (
        "Kein Kandidat konnte trainiert werden; es gab nur Regeln.",
        "No candidate could be trained; there were rules only.",
    ),
    "level": (
        "Vorhergesagt wurden im Mittel {p}, abgewandert sind {rate}; am weitesten daneben lag der {day} mit {gap} "
        "Prozentpunkten.",
        "On average {p} was predicted and {rate} churned; furthest off was {day} with {gap} percentage points.",
    ),
    "level_off": (
        "Die Reihenfolge trägt; die Höhe der Wahrscheinlichkeiten war an diesen Tagen nicht verlässlich.",
        "The order holds; the level of the probabilities could not be relied on at these days.",
    ),
    "chose": ("Gewählt wurde: {list}.", "What was chosen: {list}."),
    "times": ("{name} {count} Mal", "{name} {count} times"),
    "once": ("{name} einmal", "{name} once"),
    "alt_differences": (
        "Unterschiede der AUC zu {name}, mit 95-%-Intervall: {list}.",
        "Differences of the AUC to {name}, with 95 % interval: {list}.",
    ),
    "alt_cutoffs": (
        "AUC je Stichtag; Champion: {list}.",
        "AUC at each cutoff; champion: {list}.",
    ),
    "alt_reliability": (
        "Vorhergesagte und beobachtete Abwanderung in zehn gleich großen Gruppen: {list}.",
        "Predicted and observed churn in ten groups of equal size: {list}.",
    ),
    "alt_gain": (
        "Anteil der Abwanderer im riskantesten Fünftel: {list}.",
        "Share of the churners in the riskiest fifth: {list}.",
    ),
}

LEAD_TEXTS: Final[Texts] = {
    "title": ("Rückvergleich der Lead-Modelle (Ziel: {target})", "Backtest of the lead models (target: {target})"),
    "gain": (
        "Wie viele der Leads, die {reached}, stehen oben auf der Liste?",
        "How many of the leads that {reached} stand at the top of the list?",
    ),
    "customers": ("Leads", "leads"),
    "churned": ("{done}", "{done}"),
    "interval_note": (
        "In Klammern und als Balken: 95-%-Intervalle. Gezogen werden Leads, an allen Stichtagen zugleich; deshalb "
        "sind Unterschiede gepaart. Grau heißt: nicht von Null zu unterscheiden.",
        "In brackets and as bars: 95 % intervals. Leads are drawn, at all cutoffs at once, so differences are paired. "
        "Grey means: not to be told from zero.",
    ),
    "method": (
        "Jeder Stichtag ist ein volles Training mit dem, was an dem Tag bekannt war: Auswahl, Einstellung und "
        "Kalibrierung inbegriffen. „Champion“ ist, was dieses Training hätte dienen lassen. Beurteilt wurden die "
        "offenen Leads an den {days} Tagen danach. AUC, Genauigkeit und Lift gelten innerhalb eines Stichtags und "
        "werden über die Stichtage gemittelt, gewichtet mit ihren Leads.",
        "Each cutoff is a whole training with what was known on that day, with selection, tuning and calibration. "
        "“Champion” is what that training would have let serve. The open leads were judged by the {days} days after. "
        "AUC, precision and lift are those within a cutoff, averaged over the cutoffs by their leads.",
    ),
    "looks": (
        "Verglichen werden mehrere Kandidaten an denselben Leads: Wer nur knapp vorn liegt, kann es durch Zufall tun.",
        "Several candidates are compared on the same leads: who leads by little may do so by chance.",
    ),
    "what": (
        "An {count} Stichtagen von {first} bis {last} wurde trainiert und {rows} Mal ein offener Lead nach {days} "
        "Tagen beurteilt; der Anteil derer, die {reached}, ist {rate}.",
        "At {count} cutoffs from {first} to {last} models were trained, and {rows} times an open lead was judged "
        "{days} days later; the share of those that {reached} is {rate}.",
    ),
    "what_one": (
        "Zum {first} wurde trainiert, und {rows} offene Leads wurden nach {days} Tagen beurteilt; der Anteil derer, "
        "die {reached}, ist {rate}.",
        "Models were trained as of {first}, and {rows} open leads were judged {days} days later; the share of those "
        "that {reached} is {rate}.",
    ),
    "above_rule": (
        "Welche Leads {reach}, erkennt der Champion besser als die beste Regel ({rule}): AUC {own} gegen {other}, "
        "Unterschied {gap}.",
        "The champion tells leads that {reach} from the others better than the best rule ({rule}): AUC {own} against "
        "{other}, difference {gap}.",
    ),
    "below_rule": (
        "Welche Leads {reach}, erkennt der Champion schlechter als die beste Regel ({rule}): AUC {own} gegen {other}, "
        "Unterschied {gap}.",
        "The champion tells leads that {reach} from the others worse than the best rule ({rule}): AUC {own} against "
        "{other}, difference {gap}.",
    ),
    "like_rule": (
        "Ob der Champion besser als die beste Regel ({rule}) erkennt, welche Leads {reach}, ist nicht zu entscheiden: "
        "AUC {own} gegen {other}, Unterschied {gap}.",
        "Whether the champion tells leads that {reach} from the others better than the best rule ({rule}) cannot be "
        "decided: AUC {own} against {other}, difference {gap}.",
    ),
    "level": (
        "Vorhergesagt wurden im Mittel {p}, eingetreten sind {rate}; am weitesten daneben lag der {day} mit {gap} "
        "Prozentpunkten.",
        "On average {p} was predicted and {rate} came true; furthest off was {day} with {gap} percentage points.",
    ),
    "alt_reliability": (
        "Vorhergesagter und beobachteter Anteil der Leads, die {reach}, in zehn gleich großen Gruppen: {list}.",
        "Predicted and observed share of leads that {reach}, in ten groups of equal size: {list}.",
    ),
    "alt_gain": (
        "Anteil der Leads, die {reached}, im aussichtsreichsten Fünftel: {list}.",
        "Share of the leads that {reached} in the most promising fifth: {list}.",
    ),
}
"""What sounds different for leads; see `crm_ml.models.target_words`."""


def words_of(target: str) -> Wording:
    """Return the texts of a backtest for the target of its label.

    Examples
    --------
    >>> words_of("churn").say("churned", "en"), words_of("won").say("churned", "de")
    ('churned', 'gewonnen')
    """
    return wording(target, TEXTS, LEAD_TEXTS)


def say(result: BacktestResult, key: str, **values: object) -> str:
    """Return a text about a result, in its language and for its target."""
    return words_of(result.target).say(key, result.language, **values)


def digits(value: float, language: str, *, places: int = 3, sign: bool = False) -> str:
    """Return a number with a fixed number of decimals; a dash where there is none.

    Examples
    --------
    >>> digits(0.7512, "de"), digits(0.02, "en", sign=True), digits(float("nan"), "en")
    ('0,751', '+0.020', '–')
    """
    if value != value:
        return "–"
    text = amounts.grouped(abs(value), language, places)
    return ("−" if value < 0 else "+" if sign else "") + text


def span(value: Interval, language: str, *, places: int = 3, sign: bool = False) -> str:
    """Return a value with its interval in brackets.

    Examples
    --------
    >>> from crm_ml.models import Interval
    >>> span(Interval(0.02, -0.01, 0.05), "de", sign=True)
    '+0,020 (−0,010 bis +0,050)'
    """
    one, low, high = (digits(v, language, places=places, sign=sign) for v in (value.value, value.low, value.high))
    return f"{one} ({low} {'bis' if language == 'de' else 'to'} {high})"


def verdict(result: BacktestResult) -> list[str]:
    """Return the verdict in a few sentences."""
    said, judged = result.language, result.judged
    rows = result.table
    whole = rows[(rows["cutoff"] == POOLED) & (rows["name"] == CHAMPION)].iloc[0]
    rate, days = whole["churned"] / whole["rows"], [shown.date(day, said) for day in result.cutoffs]
    sentences = [
        say(
            result,
            "what" if len(days) > 1 else "what_one",
            count=len(days),
            first=days[0],
            last=days[-1],
            rows=amounts.grouped(float(whole["rows"]), said),
            days=result.horizon_days,
            rate=shown.share(rate, said),
        )
    ]
    if judged.best_rule:
        gap = judged.difference(CHAMPION, judged.best_rule)
        key = "above_rule" if gap.low > 0 else "below_rule" if gap.high < 0 else "like_rule"
        own, other = (digits(judged.measure(name).value, said) for name in (CHAMPION, judged.best_rule))
        rule = label(judged.best_rule, said).partition(": ")[2] or judged.best_rule
        sentences.append(say(result, key, rule=rule, own=own, other=other, gap=span(gap, said, sign=True)))
    sentences.append(_best(result))
    sentences.append(_level(result, float(whole["level"]) + rate, rate))
    if (
        min(abs(whole["level_low"]), abs(whole["level_high"])) > LEVEL_OFF
        and whole["level_low"] * whole["level_high"] > 0
    ):
        sentences.append(say(result, "level_off"))
    if not result.money.table.empty:
        sentences.append(_money_short(result))
    counts = Counter(choice.chosen for choice in result.choices)
    told = [
        say(result, "times" if many > 1 else "once", name=label(name, said), count=many)
        for name, many in counts.most_common()
    ]
    return [*sentences, say(result, "chose", list=", ".join(told))]


def money_span(value: Interval, language: str, *, sign: bool = False) -> str:
    """Return an amount with its interval in brackets, to the unit of the currency.

    Examples
    --------
    >>> from crm_ml.models import Interval
    >>> money_span(Interval(1234.6, -20.2, 5000.0), "de", sign=True)
    '+1.235 (−20 bis +5.000)'
    """
    return span(value, language, places=0, sign=sign)


def room_caption(result: BacktestResult, room: str) -> str:
    """Return what a table of money is about."""
    terms = result.money.terms
    if terms is None:
        return ""
    return say(
        result,
        f"room_{room}",
        count=amounts.grouped(sum(terms.lists.values()), result.language),
        days=len(result.cutoffs),
        share=shown.share(terms.share, result.language),
        currency=result.money.currency,
    )


def money_note(result: BacktestResult) -> str:
    """Return what the money rests on; empty where there is none."""
    terms, said = result.money.terms, result.language
    if terms is None:
        return ""
    cost = amounts.money(terms.cost, result.money.currency, said)
    action = result.money.labels.get(said, result.money.action)
    return say(result, "money_note", action=action, save=shown.share(terms.save_rate, said), cost=cost)


def _money_short(result: BacktestResult) -> str:
    said, terms = result.language, result.money.terms
    own = {amount: result.money.measure(CHAMPION, amount) for amount in ("by_value", "by_risk", "value_less_risk")}
    return say(
        result,
        "money_short",
        count=amounts.grouped(float(sum(terms.lists.values())) if terms else 0.0, said),
        value=digits(own["by_value"].value, said, places=0),
        risk=digits(own["by_risk"].value, said, places=0),
        gap=money_span(own["value_less_risk"], said, sign=True),
        currency=result.money.currency,
    )


def _best(result: BacktestResult) -> str:
    said, judged = result.language, result.judged
    best = judged.best_candidate
    if not best:
        return say(result, "no_candidate")
    other = LOGISTIC if LOGISTIC in judged.names and best != LOGISTIC else CHAMPION
    gap = judged.difference(best, other)
    sure = say(result, "sure" if gap.low > 0 or gap.high < 0 else "unsure")
    return say(
        result, "best", best=label(best, said), other=label(other, said), gap=span(gap, said, sign=True), sure=sure
    )


def _level(result: BacktestResult, p: float, rate: float) -> str:
    said = result.language
    levels = {day: result.judged.measure(CHAMPION, "level", day).value for day in result.cutoffs}
    day = max(levels, key=lambda one: abs(levels[one]))
    points = digits(100 * levels[day], said, places=1, sign=True)
    return say(
        result, "level", p=shown.share(p, said), rate=shown.share(rate, said), day=shown.date(day, said), gap=points
    )
