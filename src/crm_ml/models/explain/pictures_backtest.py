"""Pictures of a backtest: drawn into the axes that are given, or into new ones; colours safe for the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from crm_ml.models.evaluation.backtest import HIGHER_IS_BETTER, POOLED
from crm_ml.models.evaluation.backtest_rows import CHAMPION, CUTOFF, NAME
from crm_ml.models.explain.pictures import COLOURS
from crm_ml.models.target_words import Texts, wording
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY, _INK = "#6b6b6b", "#222222"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_LINES = ("-", "--", "-.", ":")
_TEXTS: Final[Texts] = {
    "auc": ("AUC", "AUC"),
    "average_precision": ("mittlere Genauigkeit", "average precision"),
    "lift_at_capacity": ("Lift im riskantesten Zehntel", "lift among the riskiest tenth"),
    "brier": ("Brier-Wert", "Brier score"),
    "brier_skill": ("Brier-Skill", "Brier skill"),
    "log_loss": ("Log-Verlust", "log loss"),
    "ece": ("Kalibrierungsfehler", "calibration error"),
    "level": ("Vorhersage minus Abwanderung", "prediction minus churn"),
    "minus": ("{metric}: Unterschied zu {name}", "{metric}: difference to {name}"),
    "better": ("besser →", "better →"),
    "worse": ("← schlechter", "← worse"),
    "champion": ("Champion", "champion"),
    "logistic": ("Logistische Regression (RFM)", "logistic regression (RFM)"),
    "lightgbm": ("LightGBM", "LightGBM"),
    "logistic_all": ("Logistische Regression (alle Zahlen)", "logistic regression (all numbers)"),
    "lightgbm_monotone": ("LightGBM mit Richtungen", "LightGBM with directions"),
    "lightgbm_bag": ("LightGBM, mehrere Startwerte", "LightGBM, several seeds"),
    "lightgbm_recent": ("LightGBM, Neues zählt mehr", "LightGBM, recent weighs more"),
    "lightgbm_tuned": ("LightGBM, Parameter gesucht", "LightGBM, tuned"),
    "average": ("Mittel LightGBM + RFM", "average LightGBM + RFM"),
    "average_all": ("Mittel mit Richtungen + alle Zahlen", "average with directions + all numbers"),
    "days_since_last_order": ("Regel: Tage seit Bestellung", "rule: days since last order"),
    "days_since_last_order_over_own_gap": ("Regel: Tage / üblicher Abstand", "rule: days / usual gap"),
    "p_alive": ("Regel: BG/NBD", "rule: BG/NBD"),
    "points": ("Regel: Punkte", "rule: points"),
    "source_rate": ("Regel: Quote der Quelle", "rule: rate of the source"),
    "stage": ("Regel: erreichte Stufe", "rule: stage reached"),
    "best_column": ("Regel: beste einzelne Spalte", "rule: best single column"),
    "perfect": ("genau richtig", "exactly right"),
    "seen": ("beobachtet, 95 %", "observed, 95 %"),
    "predicted": ("vorhergesagte Abwanderung", "predicted probability of churn"),
    "happened": ("Anteil, der abwanderte", "share that churned"),
    "share": ("Anteil der Kunden, riskanteste zuerst", "share of customers, riskiest first"),
    "found": ("Anteil der Abwanderer darunter", "share of churners among them"),
    "any_order": ("in beliebiger Reihenfolge", "in any order"),
}

_LEAD_TEXTS: Final[Texts] = {
    "lift_at_capacity": ("Lift im aussichtsreichsten Zehntel", "lift among the most promising tenth"),
    "level": ("Vorhersage minus Eingetretenes", "prediction minus outcome"),
    "predicted": ("vorhergesagte Wahrscheinlichkeit", "predicted probability"),
    "happened": ("Anteil derer, die {reached}", "share of those that {reached}"),
    "share": ("Anteil der Leads, aussichtsreichste zuerst", "share of leads, most promising first"),
    "found": ("Anteil aller, die {reached}, darunter", "share of all that {reached} among them"),
}


def label(key: str, language: str, *, target: str = CHURN_TARGET, **values: object) -> str:
    """Return a metric, a name or a phrase in words; a name that is not known stays as it is.

    Examples
    --------
    >>> label("ece", "en"), label("lightgbm", "de"), label("my_model", "de")
    ('calibration error', 'LightGBM', 'my_model')
    >>> label("happened", "en"), label("happened", "en", target="won")
    ('share that churned', 'share of those that were won')
    """
    words = wording(target, _TEXTS, _LEAD_TEXTS)
    return words.say(key, language, **values) if key in words else key


def new_axes(width: float = 8.2, height: float = 4.2) -> Axes:
    """Return the axes of a new figure, without pyplot and without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def draw_differences(
    differences: pd.DataFrame,
    names: Sequence[str],
    *,
    against: str = CHAMPION,
    metric: str = "auc",
    ax: Axes | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw the pooled differences of all others to one as a forest plot, and return the axes.

    Parameters
    ----------
    differences : pandas.DataFrame
        As `crm_ml.models.evaluation.backtest.judge` gives them.
    names : sequence of str
        In the order to show them.
    against : str
        The one they are compared with.
    metric : str
        What is compared.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.
    language : {"de", "en"}
        Of the words in the picture.
    target : str
        Of the label; decides how the outcome is called.

    Examples
    --------
    >>> d = pd.DataFrame([("pooled", "logistic", "champion", "auc", -0.02, -0.03, -0.01)],
    ...                  columns=["cutoff", "name", "other", "metric", "value", "low", "high"])
    >>> [text.get_text() for text in draw_differences(d, ["champion", "logistic"]).get_yticklabels()]
    ['logistic regression (RFM)']
    """
    rows = differences[
        (differences[CUTOFF] == POOLED) & (differences["other"] == against) & (differences["metric"] == metric)
    ].set_index(NAME)
    shown = [name for name in names if name in rows.index][::-1]
    axes = new_axes(height=1.5 + 0.42 * max(1, len(shown))) if ax is None else ax
    places = np.arange(len(shown))
    value, low, high = (rows.loc[shown, key].to_numpy(np.float64) for key in ("value", "low", "high"))
    better = 1 if metric in HIGHER_IS_BETTER else -1
    for at, one, least, most in zip(places, value, low, high, strict=True):
        sure = least > 0 or most < 0
        colour = _GREY if not sure else COLOURS[0] if one * better > 0 else COLOURS[1]
        axes.plot([least, most], [at, at], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot([one], [at], color=colour, marker="o" if sure else "D", markersize=6.5)
        axes.annotate(
            f"{one:+.3f}", (most, at), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9, color=_INK
        )
    axes.axvline(0.0, color=_INK, linewidth=1)
    axes.set_yticks(places, [label(name, language) for name in shown])
    axes.set_ylim(-0.7, max(0.7, len(shown) - 0.3))
    axes.margins(x=0.16)
    words = label("minus", language, metric=label(metric, language, target=target), name=label(against, language))
    ends = (label("worse", language), label("better", language))
    left, right = ends if better > 0 else (label("better", language)[:-2], label("worse", language)[2:])
    axes.set_xlabel(f"{left}      {words}      {right}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes


def draw_cutoffs(
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    metric: str = "auc",
    ax: Axes | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw one metric of each name at each cutoff, the champion with its intervals, and return the axes.

    Examples
    --------
    >>> t = pd.DataFrame([("2025-01-01", "champion", 0.8, 0.7, 0.9), ("pooled", "champion", 0.8, 0.7, 0.9)],
    ...                  columns=["cutoff", "name", "auc", "auc_low", "auc_high"])
    >>> draw_cutoffs(t, ["champion"]).get_ylabel()
    'AUC'
    """
    axes = new_axes() if ax is None else ax
    rows = table[table[CUTOFF] != POOLED]
    days = sorted(rows[CUTOFF].unique())
    at = {day: place for place, day in enumerate(days)}
    for k, name in enumerate(names):
        part = rows[rows[NAME] == name]
        x, y = part[CUTOFF].map(at).to_numpy(np.float64), part[metric].to_numpy(np.float64)
        first = name == CHAMPION
        colour = COLOURS[-1] if first else COLOURS[(k - 1) % (len(COLOURS) - 1)]
        axes.plot(
            x,
            y,
            color=colour,
            marker=_MARKERS[k % len(_MARKERS)],
            linestyle=_LINES[k % len(_LINES)],
            linewidth=2.2 if first else 1.4,
            markersize=6,
            label=label(name, language),
            zorder=3 if first else 2,
        )
        if first:
            spread = np.vstack([y - part[f"{metric}_low"], part[f"{metric}_high"] - y])
            axes.errorbar(x, y, yerr=np.abs(spread), fmt="none", ecolor=colour, capsize=4, linewidth=1.2)
    axes.set_xticks(range(len(days)), days)
    axes.margins(x=0.08)
    axes.set_ylabel(label(metric, language, target=target))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def draw_reliability(
    table: Mapping[str, Sequence[float]],
    *,
    ax: Axes | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw a reliability curve with the 95 % interval of each bin's rate, and return the axes.

    Examples
    --------
    >>> table = {"mean_prediction": [0.1, 0.8], "rate": [0.2, 0.7], "low": [0.1, 0.6], "high": [0.3, 0.8]}
    >>> draw_reliability(table, language="de").get_ylabel()
    'Anteil, der abwanderte'
    """
    axes = new_axes(5.6, 4.8) if ax is None else ax
    x, rate, low, high = (np.asarray(table[key], np.float64) for key in ("mean_prediction", "rate", "low", "high"))
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label=label("perfect", language))
    spread = np.abs(np.vstack([rate - low, high - rate]))
    axes.errorbar(
        x, rate, yerr=spread, color=COLOURS[0], marker="o", capsize=3, linewidth=1.5, label=label("seen", language)
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), **_ends("predicted", "happened", language, target))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    return axes


def draw_gain(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    ax: Axes | None = None,
    language: str = "en",
    target: str = CHURN_TARGET,
) -> Axes:
    """Draw gain curves by name, and return the axes.

    Examples
    --------
    >>> axes = draw_gain({"champion": {"share": [0, 0.5, 1], "gain": [0, 0.8, 1]}})
    >>> [line.get_label() for line in axes.get_lines()]
    ['in any order', 'champion']
    """
    axes = new_axes(5.6, 4.8) if ax is None else ax
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label=label("any_order", language))
    for k, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[-1] if name == CHAMPION else COLOURS[(k - 1) % (len(COLOURS) - 1)]
        axes.plot(
            curve["share"],
            curve["gain"],
            color=colour,
            linestyle=_LINES[k % len(_LINES)],
            linewidth=2,
            label=label(name, language),
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), **_ends("share", "found", language, target))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return axes


def _ends(across: str, up: str, language: str, target: str) -> dict[str, str]:
    return {"xlabel": label(across, language, target=target), "ylabel": label(up, language, target=target)}
