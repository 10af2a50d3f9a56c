"""The picture of reliability by tier or segment, on axes that are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from crm_ml.models.evaluation.reliability import COLUMNS
from crm_ml.models.explain.pictures import COLOURS
from crm_ml.models.explain.pictures_common import GREY, canvas, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORDS: Final = {
    "de": ("beobachtet, 95 %", "vorhergesagt", "Anteil abgewanderter Kunden", "{rows} Zeilen", "keine Angabe"),
    "en": ("observed, 95 %", "predicted", "share that churned", "{rows} rows", "not given"),
}


def plot_reliability_by(table: pd.DataFrame, ax: Axes | None = None, *, language: str = "en", title: str = "") -> Axes:
    """Draw what was predicted beside what happened, one line per group, and return the axes.

    Parameters
    ----------
    table : pandas.DataFrame
        As `crm_ml.models.evaluation.reliability_by` gives it; the first group is drawn on top.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure of its own is made.
    language : {"en", "de"}
        Of the words in the picture.
    title : str
        Above it.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> table = pd.DataFrame({"tier": ["A"], "rows": [50], "customers": [50], "events": [25], "rate": [0.5]})
    >>> table = table.assign(mean_prediction=0.45, low=0.37, high=0.63, difference=-0.05, agrees=True)
    >>> ax = plot_reliability_by(table)
    >>> [text.get_text() for text in ax.get_yticklabels()], ax.get_xlabel()
    (['A (50 rows)'], 'share that churned')
    """
    observed, predicted, share, rows_word, missing = _WORDS["de" if language == "de" else "en"]
    if ax is None:
        figure = canvas(1.6 + 0.42 * max(1, len(table)))
        ax = figure.add_axes((0.28, 0.24, 0.68, 0.64))
    keys = [name for name in table.columns if name not in COLUMNS]
    at = np.arange(len(table))
    rate, low, high, mean = (table[name].to_numpy(np.float64) for name in ("rate", "low", "high", "mean_prediction"))
    spread = np.vstack([np.maximum(rate - low, 0.0), np.maximum(high - rate, 0.0)])
    ax.errorbar(rate, at, xerr=spread, fmt="o", color=COLOURS[0], capsize=3, label=observed)
    ax.plot(mean, at, linestyle="none", marker="D", markerfacecolor="none", color=COLOURS[1], label=predicted)
    names = []
    for *key, rows in table[[*keys, "rows"]].itertuples(index=False, name=None):
        count = f"{int(rows):,}".replace(",", "." if language == "de" else ",")
        group = ", ".join(missing if pd.isna(value) else str(value) for value in key)
        names.append(f"{plain(group)} ({rows_word.format(rows=count)})")
    ax.set_yticks(at, names)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel(share)
    ax.set_title(title)
    ax.grid(axis="x", color=GREY, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="best")
    return ax
