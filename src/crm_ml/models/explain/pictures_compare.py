"""Pictures of models side by side: each takes a table and axes (`ax`), draws into them and returns them.

Nothing is computed here: the tables come from `crm_ml.models.evaluation.compare` and `curves`. Without axes a new
figure is made, without pyplot. With more models than colours, the reference and the first ones keep theirs and the
others are thin and grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from crm_ml.models.explain.amounts import grouped
from crm_ml.models.explain.pictures import COLOURS, _figure
from crm_ml.models.explain.pictures_common import GREY, INK, PALE, plain
from crm_ml.models.target_words import Texts, wording
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES: Final = ("-", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), "--")
_TEXTS: Final[Texts] = {
    "version": ("Version {name}", "version {name}"),
    "perfect": ("genau kalibriert", "perfect calibration"),
    "any": ("in beliebiger Reihenfolge", "in any order"),
    "predicted": ("mittlere vorhergesagte Wahrscheinlichkeit", "mean predicted probability"),
    "observed": ("Anteil, der abwanderte", "share that churned"),
    "customers": ("Anteil der Kunden, riskanteste zuerst", "share of customers, riskiest first"),
    "found": ("Anteil der gefundenen Abwanderer", "share of churners found"),
    "acted": ("Anteil der Kunden, auf die reagiert wird", "share of customers acted on"),
    "money": ("{currency} je Auswertungstag", "{currency} per evaluation day"),
    "by_risk": ("Version {name}, nur nach Risiko", "version {name}, by risk alone"),
    "auc": ("AUC gegenüber Version {name}", "AUC against version {name}"),
    "average_precision": (
        "mittlere Präzision gegenüber Version {name}",
        "average precision against version {name}",
    ),
    "brier": (
        "Brier-Wert gegenüber Version {name} (weniger ist besser)",
        "Brier score against version {name} (less is better)",
    ),
    "unpaired": ("offen: nicht gepaart", "hollow: not paired"),
    "share": ("Anteil an dem, was die Bewertungen bewegt", "share in what moves the scores"),
}
_LEAD_TEXTS: Final[Texts] = {
    "observed": ("Anteil derer, die {reached}", "share of those that {reached}"),
    "customers": ("Anteil der Leads, aussichtsreichste zuerst", "share of leads, most promising first"),
    "found": ("Anteil aller, die {reached}, darunter", "share of all that {reached} among them"),
}


def _say(key: str, language: str, *, target: str = CHURN_TARGET, **values: object) -> str:
    return wording(target, _TEXTS, _LEAD_TEXTS).say(key, language, **values)


def plot_reliability(
    curves: pd.DataFrame,
    ax: Axes | None = None,
    *,
    reference: str | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw reliability curves, each bin's rate with its 95 % interval, and return the axes.

    Parameters
    ----------
    curves : pandas.DataFrame
        As `crm_ml.models.evaluation.curves.reliability_curves` gives it.
    ax : matplotlib axes, optional
        Where to draw.
    reference : str, optional
        The model drawn thickest.
    language : {"en", "de"}
        Of the words.
    target : str
        Of the label; decides how the outcome is called.

    Examples
    --------
    >>> columns = ["name", "mean_prediction", "rate", "low", "high", "rows"]
    >>> curves = pd.DataFrame([["7", 0.1, 0.2, 0.1, 0.3, 50], ["7", 0.8, 0.7, 0.6, 0.8, 50]], columns=columns)
    >>> [line.get_label() for line in plot_reliability(curves).get_lines()][:2]
    ['perfect calibration', 'version 7']
    """
    axes = _axes(ax)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label=_say("perfect", language))
    for name, part, look in _each(curves, reference):
        label = _say("version", language, name=plain(name)) if look["color"] != PALE else None
        axes.plot(part["mean_prediction"], part["rate"], marker="o", markersize=3.5, label=label, **look)
        if look["color"] != PALE:
            axes.vlines(part["mean_prediction"], part["low"], part["high"], color=look["color"], linewidth=0.8)
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel=_say("predicted", language), ylabel=_say("observed", language, target=target)
    )
    axes.legend(frameon=False, loc="upper left", reverse=True)
    return axes


def plot_gain(
    curves: pd.DataFrame,
    ax: Axes | None = None,
    *,
    reference: str | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw gain curves and return the axes.

    Parameters
    ----------
    curves : pandas.DataFrame
        As `crm_ml.models.evaluation.curves.gain_curves` gives it.
    ax, reference, language, target
        As for `plot_reliability`.

    Examples
    --------
    >>> curves = pd.DataFrame({"name": "7", "share": [0.0, 1.0], "gain": [0.0, 1.0]})
    >>> plot_gain(curves, language="de").get_ylabel()
    'Anteil der gefundenen Abwanderer'
    """
    axes = _axes(ax)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label=_say("any", language))
    for name, part, look in _each(curves, reference):
        label = _say("version", language, name=plain(name)) if look["color"] != PALE else None
        axes.plot(part["share"], part["gain"], label=label, **look)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel=_say("customers", language, target=target),
        ylabel=_say("found", language, target=target),
    )
    axes.legend(frameon=False, loc="lower right", reverse=True)
    return axes


def plot_profit(
    curves: pd.DataFrame,
    ax: Axes | None = None,
    *,
    reference: str | None = None,
    currency: str = "EUR",
    language: str = "en",
) -> Axes:
    """Draw what acting on the first share of the customers brings, and for the reference also by risk alone.

    Parameters
    ----------
    curves : pandas.DataFrame
        As `crm_ml.models.evaluation.curves.profit_curves` gives it.
    ax, reference, language
        As for `plot_reliability`.
    currency : str
        Of the amounts.

    Examples
    --------
    >>> curves = pd.DataFrame({"name": "7", "share": [0.0, 1.0], "by_value": [0.0, 90.0], "by_risk": [0.0, 90.0]})
    >>> [line.get_label() for line in plot_profit(curves, reference="7").get_lines()]
    ['version 7', 'version 7, by risk alone']
    """
    axes = _axes(ax)
    for name, part, look in _each(curves, reference):
        label = _say("version", language, name=plain(name)) if look["color"] != PALE else None
        axes.plot(part["share"], part["by_value"], label=label, **look)
        if name == reference:
            risk = _say("by_risk", language, name=plain(name))
            axes.plot(part["share"], part["by_risk"], color=INK, linestyle=":", linewidth=1.5, label=risk)
    axes.hlines(0, 0, 1, color=GREY, linewidth=0.8)
    axes.set(xlim=(0, 1), xlabel=_say("acted", language), ylabel=_say("money", language, currency=plain(currency)))
    axes.yaxis.set_major_formatter(lambda value, _: grouped(value, language))
    if len(curves):
        axes.legend(frameon=False, loc="best", reverse=True)
    return axes


def plot_differences(
    table: pd.DataFrame, ax: Axes | None = None, *, measure: str = "auc", language: str = "en"
) -> Axes:
    """Draw each model's difference to the reference with its 95 % interval, the first row on top.

    Parameters
    ----------
    table : pandas.DataFrame
        As `crm_ml.models.evaluation.compare.difference_table` gives it.
    ax : matplotlib axes, optional
        Where to draw.
    measure : {"auc", "average_precision", "brier"}
        Which difference.
    language : {"en", "de"}
        Of the words.

    Examples
    --------
    >>> row = {"name": "8", "reference": "7", "measure": "auc", "value": 0.02, "low": 0.01, "high": 0.03}
    >>> axes = plot_differences(pd.DataFrame([{**row, "paired": True, "reads": "better"}]))
    >>> [tick.get_text() for tick in axes.get_yticklabels()], axes.get_xlabel()
    (['version 8'], 'AUC against version 7')
    """
    axes = _axes(ax)
    shown = table[(table["measure"] == measure) & np.isfinite(table["value"].astype(float))].reset_index(drop=True)
    colours = {"better": COLOURS[0], "worse": COLOURS[1], "open": GREY}
    for at, row in enumerate(shown.to_dict("records")):
        colour = colours[row["reads"]]
        axes.hlines(at, row["low"], row["high"], color=colour, linewidth=2, linestyle="-" if row["paired"] else ":")
        face = colour if row["paired"] else "white"
        axes.plot(row["value"], at, "o", color=colour, markerfacecolor=face, markersize=6)
    axes.axvline(0, color=INK, linewidth=0.8)
    names = [_say("version", language, name=plain(str(name))) for name in shown["name"]]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(max(1, len(shown)) - 0.5, -0.5)
    reference = str(table["reference"].iloc[0]) if len(table) else "-"
    axes.set_xlabel(_say(measure, language, name=plain(reference)))
    if not shown["paired"].all():
        axes.text(1, 1.01, _say("unpaired", language), ha="right", va="bottom", color=GREY, transform=axes.transAxes)
    return axes


def plot_importance(table: pd.DataFrame, ax: Axes | None = None, *, language: str = "en") -> Axes:
    """Draw the share of each feature in every model as grouped bars, the largest on top; at most seven models.

    Parameters
    ----------
    table : pandas.DataFrame
        As `crm_ml.models.evaluation.curves.importance_table` gives it; the first seven columns are drawn.
    ax : matplotlib axes, optional
        Where to draw.
    language : {"en", "de"}
        Of the words.

    Examples
    --------
    >>> axes = plot_importance(pd.DataFrame({"7": [0.6, 0.4]}, index=["orders_count_90d", "p_alive"]))
    >>> [tick.get_text() for tick in axes.get_yticklabels()]
    ['orders_count_90d', 'p_alive']
    """
    axes = _axes(ax)
    columns = list(table.columns[: len(COLOURS)])
    height = 0.8 / max(1, len(columns))
    for k, name in enumerate(columns):
        places = np.arange(len(table)) - 0.4 + (k + 0.5) * height
        label = _say("version", language, name=plain(str(name)))
        axes.barh(places, table[name].to_numpy(float), height=height, color=COLOURS[k], label=label)
    axes.set_yticks(range(len(table)), [plain(str(name)) for name in table.index])
    axes.set_ylim(max(1, len(table)) - 0.5, -0.5)
    axes.set_xlabel(_say("share", language))
    if columns:
        axes.legend(frameon=False, loc="lower right")
    return axes


def _axes(ax: Axes | None) -> Axes:
    return _figure(6.4, 5.2)[1] if ax is None else ax


def _each(curves: pd.DataFrame, reference: str | None) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Give each model's part and how it is drawn: colours and line styles for the first ones, grey for the rest."""
    names = [str(name) for name in curves["name"].unique()]
    names.sort(key=lambda name: name != reference)
    for at in reversed(range(len(names))):  # what matters is drawn last, on top
        name = names[at]
        look: dict[str, Any] = {"color": PALE, "linewidth": 0.8, "linestyle": "-"}
        if at < len(COLOURS):
            width = 2.6 if name == reference else 1.6
            look = {"color": COLOURS[at], "linewidth": width, "linestyle": STYLES[at]}
        yield name, curves[curves["name"] == name], look
