"""The German sentences about orders; see `crm_ml.models.explain.texts_de`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Texts = Mapping[str, str]

_FEW: Final = "(zu wenige Bestellungen erfasst)"
_ORDERS: Final = "{n|Bestellung|Bestellungen}"
_PRODUCTS: Final = "{n|Artikel|verschiedene Artikel}"
DAYS: Final = "{n|Tag|Tage}"
SINCE: Final = "{n|Tag|Tagen}"
_SAME: Final = "in den gleichen 90 Tagen des Vorjahres"
_COMING: Final = "In den 90 Tagen, die jetzt kommen, gab es im Vorjahr"
LAST_90: Final = "in den letzten 90 Tagen"
_YEAR: Final = "in den letzten 12 Monaten"
_YEAR_MEAN: Final = "im Mittel der letzten 12 Monate"


def window(days: int) -> str:
    """Return how a look-back window is called.

    Examples
    --------
    >>> window(90), window(365)
    ('in den letzten 90 Tagen', 'in den letzten 12 Monaten')
    """
    return _YEAR if days == 365 else f"in den letzten {days} Tagen"


def more_or_fewer(things: str, now: str, before: str) -> Texts:
    """Return the texts for a number of things now over the number before.

    Examples
    --------
    >>> more_or_fewer("Bestellungen", "heuer", "im Vorjahr")["less"]
    '{n:c} weniger Bestellungen heuer als im Vorjahr.'
    """
    beside = "({a} statt {u})"
    return {
        "null": f"{things} nicht mit denen {before} vergleichbar (keine erfasst).",
        "zero": f"Keine {things} {now}, anders als {before}.",
        "less": f"{{n:c}} weniger {things} {now} als {before}.",
        "less+": f"{{n:c}} weniger {things} {now} als {before} {beside}.",
        "same": f"Gleich viele {things} {now} wie {before}.",
        "more": f"{{n:c}} mehr {things} {now} als {before}.",
        "more+": f"{{n:c}} mehr {things} {now} als {before} {beside}.",
        "times": f"{{n:f}} so viele {things} {now} wie {before}.",
        "times+": f"{{n:f}} so viele {things} {now} wie {before} {beside}.",
    }


def _higher_or_lower(
    what: str, before: str, low: str = "niedriger", high: tuple[str, str] = ("hoch", "höher")
) -> Texts:
    """Texts for an amount now over the amount before."""
    beside = "({a:m} statt {u:m})"
    return {
        "null": f"{what} nicht vergleichbar mit dem Wert {before} (keiner erfasst).",
        "zero": f"{what} bei null, anders als {before}.",
        "negative": f"{what} im Minus ({{n:p}} des Werts {before}).",
        "less": f"{what} {{n:c}} {low} als {before}.",
        "less+": f"{what} {{n:c}} {low} als {before} {beside}.",
        "same": f"{what} so {high[0]} wie {before}.",
        "more": f"{what} {{n:c}} {high[1]} als {before}.",
        "more+": f"{what} {{n:c}} {high[1]} als {before} {beside}.",
        "times": f"{what} {{n:f}} so {high[0]} wie {before}.",
        "times+": f"{what} {{n:f}} so {high[0]} wie {before} {beside}.",
    }


def _pause(usual: str, of_gap: str, at_gap: str, null: str) -> Texts:
    """Texts for the time since the last order over a gap."""
    beside = "({a} von {u|Tag|Tagen})"
    return {
        "null": null,
        "zero": f"Bestellpause beginnt eben erst, gemessen {at_gap}.",
        "below": f"Bestellpause bei {{n:p}} {of_gap}.",
        "below+": f"Bestellpause bei {{n:p}} {of_gap} {beside}.",
        "below_good": f"Noch im Rhythmus: Bestellpause erst bei {{n:p}} {of_gap}.",
        "below_good+": f"Noch im Rhythmus: Bestellpause erst bei {{n:p}} {of_gap} {beside}.",
        "same": f"Bestellpause so lang wie {usual}.",
        "times": f"Bestellpause {{n:f}} so lang wie {usual}.",
        "times+": f"Bestellpause {{n:f}} so lang wie {usual}: {{a|Tag|Tage}} statt {{u}}.",
    }


ORDER_TEXTS: Final[Mapping[str, Texts]] = {
    "orders_count": {
        "null": "Zahl der Bestellungen {w} nicht bekannt.",
        "zero": "Keine Bestellung {w}.",
        "zero+": "Keine Bestellung {w}, sonst etwa {u:r} in dieser Zeit.",
        "bad": f"Nur {_ORDERS} {{w}}.",
        "bad+": f"Nur {_ORDERS} {{w}}, sonst etwa {{u:r}} in dieser Zeit.",
        "good": f"Bestellt regelmäßig: {_ORDERS} {{w}}.",
        "plain": f"{_ORDERS} {{w}}.",
    },
    "orders_net_revenue": {
        "null": "Umsatz {w} nicht bekannt.",
        "zero": "Kein Umsatz {w}.",
        "zero+": "Kein Umsatz {w}, sonst etwa {u:M} in dieser Zeit.",
        "negative": "Mehr zurückgegeben als gekauft {w}: Umsatz {n:m}.",
        "bad+": "Umsatz {w} nur {n:m}, sonst etwa {u:M} in dieser Zeit.",
        "good": "Kauft weiter ein: {n:m} Umsatz {w}.",
        "plain": "Umsatz {w}: {n:m}.",
    },
    "orders_basket_mean": {
        "null": "Keine Bestellung {w} erfasst, mittlerer Bestellwert daher nicht bekannt.",
        "plain": "Mittlerer Bestellwert {w}: {n:m}.",
        "plain+": f"Mittlerer Bestellwert {{w}}: {{n:m}}, {_YEAR_MEAN} {{u:m}}.",
        "bad+": "Kleinere Bestellungen als sonst: {w} im Mittel {n:m} statt {u:m}.",
        "good+": "Größere Bestellungen als sonst: {w} im Mittel {n:m} statt {u:m}.",
    },
    "orders_products_count": {
        "null": "Zahl der bestellten Artikel {w} nicht bekannt.",
        "zero": "{W} keinen Artikel bestellt.",
        "bad": f"Schmales Sortiment: {_PRODUCTS} {{w}}.",
        "good": f"Breites Sortiment: {_PRODUCTS} {{w}}.",
        "plain": f"{_PRODUCTS} {{w}} bestellt.",
    },
    "orders_returns_share": {
        "null": "Kein Umsatz {w} erfasst, Anteil der Retouren daher nicht bekannt.",
        "zero": "{W} keine Ware zurückgegeben.",
        "bad": "Viele Retouren: {n:p} des Umsatzes {w} zurückgegeben.",
        "good": "Kaum Retouren: {n:p} des Umsatzes {w} zurückgegeben.",
        "plain": "{n:p} des Umsatzes {w} zurückgegeben.",
    },
    "orders_cost": {
        "null": "Wareneinsatz {w} nicht bekannt.",
        "zero": "Kein Wareneinsatz {w}.",
        "plain": "Wareneinsatz der Bestellungen {w}: {n:m}.",
    },
    "orders_returns_count": {
        "null": "Zahl der Retouren {w} nicht bekannt.",
        "zero": "Keine Retoure {w}.",
        "bad": "Immer wieder Retouren: {n} {w}.",
        "plain": "{n|Retoure|Retouren} {w}.",
    },
    "orders_net_amount_max": {
        "null": "Keine Bestellung {w} erfasst, größte Bestellung daher nicht bekannt.",
        "plain": "Größte Bestellung {w}: {n:m}.",
    },
    "orders_net_amount_last": {
        "null": "Wert der letzten Bestellung nicht bekannt.",
        "plain": "Letzte Bestellung über {n:m}.",
        "plain+": f"Letzte Bestellung über {{n:m}}, {_YEAR_MEAN} {{u:m}}.",
        "bad+": "Letzte Bestellung kleiner als sonst: {n:m} statt {u:m}.",
        "good+": "Letzte Bestellung größer als sonst: {n:m} statt {u:m}.",
    },
    "days_since_last_order": {
        "null": "Keine frühere Bestellung erfasst.",
        "zero": "Letzte Bestellung heute.",
        "zero_good": "Hat gerade bestellt: letzte Bestellung heute.",
        "bad": f"Seit {SINCE} keine Bestellung.",
        "bad+": f"Letzte Bestellung vor {SINCE}, sonst {{u:e}}.",
        "good": f"Hat kürzlich bestellt: letzte Bestellung vor {SINCE}.",
        "good+": f"Im gewohnten Rhythmus: letzte Bestellung vor {SINCE}, sonst {{u:e}}.",
        "plain": f"Letzte Bestellung vor {SINCE}.",
        "plain+": f"Letzte Bestellung vor {SINCE}, sonst {{u:e}}.",
    },
    "days_since_last_order_over_own_gap": _pause(
        "üblich",
        "des üblichen Abstands",
        "am üblichen Abstand",
        "Noch kein üblicher Bestellabstand bekannt, Bestellpause nicht vergleichbar.",
    ),
    "days_since_last_order_over_own_gap_365d": _pause(
        f"{_YEAR} üblich",
        "des Abstands der letzten 12 Monate",
        "am Abstand der letzten 12 Monate",
        f"Kein Bestellabstand {_YEAR} bekannt, Bestellpause nicht vergleichbar.",
    ),
    "days_since_last_order_over_longest_gap": {
        "null": "Noch keine längste Bestellpause bekannt, jetzige Pause nicht vergleichbar.",
        "zero": "Bestellpause beginnt eben erst, gemessen an der bisher längsten.",
        "below": "Bestellpause bei {n:p} der bisher längsten.",
        "below+": "Bestellpause bei {n:p} der bisher längsten ({a} von {u|Tag|Tagen}).",
        "below_good": "Kürzer als frühere Pausen: erst {n:p} der bisher längsten.",
        "below_good+": "Kürzer als frühere Pausen: erst {n:p} der bisher längsten ({a} von {u|Tag|Tagen}).",
        "same": "Bestellpause so lang wie die bisher längste.",
        "times": "So lange wie noch nie ohne Bestellung: {n}-mal die bisher längste Pause.",
        "times+": "So lange wie noch nie ohne Bestellung: {n}-mal die bisher längste Pause ({a|Tag|Tage} statt {u}).",
    },
    "days_since_first_order": {
        "null": "Erste Bestellung nicht bekannt.",
        "zero": "Erste Bestellung heute.",
        "bad": "Kauft noch nicht lange: erste Bestellung vor {n:d}.",
        "good": "Kauft schon lange: erste Bestellung vor {n:d}.",
        "plain": "Erste Bestellung vor {n:d}.",
    },
    "order_days_count": {
        "null": "Zahl der Bestelltage nicht bekannt.",
        "zero": "Bisher an keinem Tag bestellt.",
        "bad": f"Bisher erst an {SINCE} bestellt.",
        "good": f"Eingespielte Beziehung: bisher an {SINCE} bestellt.",
        "plain": f"Bisher an {SINCE} bestellt.",
    },
    "order_days_count_365d": {
        "null": "Zahl der Bestelltage {w} nicht bekannt.",
        "zero": "{W} an keinem Tag bestellt.",
        "bad": f"{{W}} nur an {SINCE} bestellt.",
        "good": f"Bestellt regelmäßig: {{w}} an {SINCE}.",
        "plain": f"{{W}} an {SINCE} bestellt.",
    },
    "order_gap_days_mean": {
        "null": f"Üblicher Bestellabstand nicht bekannt {_FEW}.",
        "bad": "Bestellt selten: im Mittel {n:e}.",
        "good": "Bestellt oft: im Mittel {n:e}.",
        "plain": "Bestellt im Mittel {n:e}.",
    },
    "order_gap_days_mean_365d": {
        "null": f"Bestellabstand {{w}} nicht bekannt {_FEW}.",
        "bad": "Bestellte {w} selten: im Mittel {n:e}.",
        "good": "Bestellte {w} oft: im Mittel {n:e}.",
        "plain": "Bestellte {w} im Mittel {n:e}.",
    },
    "order_gap_days_sd": {
        "null": f"Schwankung der Bestellabstände nicht bekannt {_FEW}.",
        "zero": "Bestellabstände bisher immer gleich lang.",
        "bad": f"Bestellt unregelmäßig: Abstände schwanken um {DAYS}.",
        "good": f"Bestellt gleichmäßig: Abstände schwanken nur um {DAYS}.",
        "plain": f"Bestellabstände schwanken um {DAYS}.",
    },
    "order_gap_days_sd_365d": {
        "null": f"Schwankung der Bestellabstände {{w}} nicht bekannt {_FEW}.",
        "zero": "Bestellabstände {w} immer gleich lang.",
        "bad": f"Bestellte {{w}} unregelmäßig: Abstände schwankten um {DAYS}.",
        "good": f"Bestellte {{w}} gleichmäßig: Abstände schwankten nur um {DAYS}.",
        "plain": f"Bestellabstände schwankten {{w}} um {DAYS}.",
    },
    "order_gap_days_max": {
        "null": f"Längste Bestellpause nicht bekannt {_FEW}.",
        "bad": f"War schon einmal {DAYS} lang ohne Bestellung.",
        "good": f"Noch nie lange ohne Bestellung: längste Pause bisher {DAYS}.",
        "plain": f"Längste Bestellpause bisher: {DAYS}.",
    },
    "order_gap_days_max_365d": {
        "null": f"Längste Bestellpause {{w}} nicht bekannt {_FEW}.",
        "bad": f"War {{w}} einmal {DAYS} lang ohne Bestellung.",
        "good": f"{{W}} nie lange ohne Bestellung: längste Pause {DAYS}.",
        "plain": f"Längste Bestellpause {{w}}: {DAYS}.",
    },
    "order_gap_days_last": {
        "null": f"Abstand der letzten beiden Bestellungen nicht bekannt {_FEW}.",
        "bad": f"Großer Abstand zwischen den letzten beiden Bestellungen: {DAYS}.",
        "bad+": f"Größerer Abstand als sonst zwischen den letzten beiden Bestellungen: {DAYS} statt {{u}}.",
        "good": f"Die letzten beiden Bestellungen folgten dicht aufeinander: {DAYS} Abstand.",
        "plain": f"Abstand der letzten beiden Bestellungen: {DAYS}.",
        "plain+": f"Abstand der letzten beiden Bestellungen: {DAYS}, sonst {{u}}.",
    },
    "order_gap_days_cv": {
        "null": f"Regelmäßigkeit der Bestellungen nicht bekannt {_FEW}.",
        "zero": "Bestellt genau im Takt: Abstände ohne jede Schwankung.",
        "bad": "Bestellt ohne festen Takt: Abstände schwanken um {n:p} ihres Mittels.",
        "good": "Bestellt im Takt: Abstände schwanken nur um {n:p} ihres Mittels.",
        "plain": "Bestellabstände schwanken um {n:p} ihres Mittels.",
    },
    "order_gap_days_last_over_own_gap": {
        "null": f"Letzter Bestellabstand nicht mit dem üblichen vergleichbar {_FEW}.",
        "below": "Letzter Bestellabstand bei {n:p} des üblichen.",
        "below+": "Letzter Bestellabstand bei {n:p} des üblichen ({a} von {u|Tag|Tagen}).",
        "below_good": "Bestellte zuletzt schneller: Abstand bei {n:p} des üblichen.",
        "below_good+": "Bestellte zuletzt schneller: Abstand bei {n:p} des üblichen ({a} von {u|Tag|Tagen}).",
        "same": "Letzter Bestellabstand so lang wie üblich.",
        "times": "Letzter Bestellabstand {n:f} so lang wie üblich.",
        "times+": "Letzter Bestellabstand {n:f} so lang wie üblich: {a|Tag|Tage} statt {u}.",
    },
    "orders_count_90d_ago_365d": {
        "null": f"Zahl der Bestellungen {_SAME} nicht bekannt.",
        "zero": f"Keine Bestellung {_SAME}.",
        "plain": f"{_ORDERS} {_SAME}.",
    },
    "orders_net_revenue_90d_ago_365d": {
        "null": f"Umsatz {_SAME} nicht bekannt.",
        "zero": f"Kein Umsatz {_SAME}.",
        "plain": f"Umsatz {_SAME}: {{n:m}}.",
    },
    "orders_count_90d_ago_275d": {
        "null": "Zahl der Bestellungen im Vorjahr in den 90 Tagen, die jetzt kommen, nicht bekannt.",
        "zero": f"{_COMING} keine Bestellung.",
        "zero_bad": f"Ruhige Zeit steht bevor: {_COMING} keine Bestellung.",
        "bad": f"Ruhige Zeit steht bevor: {_COMING} nur {_ORDERS}.",
        "good": f"Gewohnte Bestellzeit steht bevor: {_COMING} {_ORDERS}.",
        "plain": f"{_COMING} {_ORDERS}.",
    },
    "orders_net_revenue_90d_ago_275d": {
        "null": "Umsatz im Vorjahr in den 90 Tagen, die jetzt kommen, nicht bekannt.",
        "zero": f"{_COMING} keinen Umsatz.",
        "zero_bad": f"Ruhige Zeit steht bevor: {_COMING} keinen Umsatz.",
        "good": f"Gewohnte Einkaufszeit steht bevor: {_COMING} {{n:m}} Umsatz.",
        "plain": f"{_COMING} {{n:m}} Umsatz.",
    },
    "orders_count_trend_90d": more_or_fewer("Bestellungen", LAST_90, "in den 90 Tagen davor"),
    "orders_count_trend_365d": more_or_fewer("Bestellungen", _YEAR, "im Jahr davor"),
    "orders_count_over_last_year_90d": more_or_fewer("Bestellungen", LAST_90, _SAME),
    "orders_count_30d_over_own_month": more_or_fewer("Bestellungen", window(30), "im eigenen Monatsmittel"),
    "orders_net_revenue_trend_90d": _higher_or_lower(f"Umsatz {LAST_90}", "in den 90 Tagen davor"),
    "orders_net_revenue_trend_365d": _higher_or_lower(f"Umsatz {_YEAR}", "im Jahr davor"),
    "orders_net_revenue_over_last_year_90d": _higher_or_lower(f"Umsatz {LAST_90}", _SAME),
    "orders_net_revenue_90d_over_own_quarter": _higher_or_lower(f"Umsatz {LAST_90}", "im eigenen Quartalsmittel"),
    "orders_basket_trend_90d": _higher_or_lower(f"Mittlerer Bestellwert {LAST_90}", _YEAR_MEAN),
    "orders_last_amount_over_own_basket": _higher_or_lower(
        "Letzte Bestellung", _YEAR_MEAN, "kleiner", ("groß", "größer")
    ),
    "orders_products_share_90d": {
        "null": f"Keine Artikel {_YEAR} erfasst, Anteil der {LAST_90} bestellten nicht bekannt.",
        "zero": f"Keinen der Artikel des Jahres {LAST_90} bestellt.",
        "bad": f"Bezieht weniger Artikel: {LAST_90} nur {{n:p}} der Artikel des Jahres.",
        "good": f"Bezieht sein Sortiment weiter: {LAST_90} {{n:p}} der Artikel des Jahres.",
        "plain": f"Hat {LAST_90} {{n:p}} der Artikel des Jahres bestellt.",
    },
    "orders_discount_share": {
        "null": "Rabatt {w} nicht bekannt.",
        "zero": "Kein Rabatt auf den Listenpreis {w}.",
        "negative": "Zahlte {w} {n:p} mehr als den Listenpreis.",
        "plain": "Rabatt {w}: {n:p} auf den Listenpreis.",
    },
}
