"""Pictures of money: `ax` in, `ax` out; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml.models.evaluation.contacts import RankingComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORDS = {
    "contacts": ("Kontakte", "contacts"),
    "profit": ("Gewinn ({currency})", "profit ({currency})"),
    "capacity": ("Kapazität", "capacity"),
    "risk": ("nach Risiko", "by risk"),
    "value": ("nach Wert", "by value"),
    "oracle": ("wer alles wüsste", "one who knew all"),
}


def _word(key: str, language: str, **values: str) -> str:
    german, english = _WORDS.get(key, (key, key))
    return (german if language == "de" else english).format(**values)


def plot_profit_curves(
    curves: Mapping[str, pd.DataFrame],
    ax: Axes,
    *,
    capacity: float | None = None,
    currency: str = "EUR",
    language: str = "de",
) -> Axes:
    """Draw profit against the number of contacts, one line per ranking, with its interval where there is one.

    Parameters
    ----------
    curves : mapping of str to pandas.DataFrame
        Tables of `profit_curve` by name; ``risk``, ``value`` and ``oracle`` are put into words.
    ax : matplotlib.axes.Axes
        Where to draw.
    capacity : float, optional
        Marked by an upright line.
    currency, language : str
        Of the labels.
    """
    for name, table in curves.items():
        (line,) = ax.plot(table["contacts"], table["profit"], label=_word(name, language))
        if np.isfinite(table["low"]).all():
            ax.fill_between(table["contacts"], table["low"], table["high"], color=line.get_color(), alpha=0.15, lw=0)
    ax.axhline(0.0, color="#6b6b6b", lw=0.8)
    if capacity is not None:
        ax.axvline(capacity, color="#6b6b6b", ls="--", lw=0.8, label=_word("capacity", language))
    ax.set_xlabel(_word("contacts", language))
    ax.set_ylabel(_word("profit", language, currency=currency))
    ax.legend(frameon=False)
    return ax


def plot_rankings(comparison: RankingComparison, ax: Axes, *, currency: str = "EUR", language: str = "de") -> Axes:
    """Draw the profit of each ranking as a bar with its 95 % interval.

    Parameters
    ----------
    comparison : RankingComparison
        Of `compare_rankings`.
    ax : matplotlib.axes.Axes
        Where to draw.
    currency, language : str
        Of the labels.
    """
    names, profits = list(comparison.profit), list(comparison.profit.values())
    middle = np.array([profit.value for profit in profits])
    reach = np.array([[profit.value - profit.low, profit.high - profit.value] for profit in profits]).T
    ax.barh(range(len(names)), middle, xerr=reach, color="#4c78a8", capsize=3, height=0.6)
    ax.set_yticks(range(len(names)), [_word(name, language) for name in names])
    ax.invert_yaxis()
    ax.axvline(0.0, color="#6b6b6b", lw=0.8)
    ax.set_xlabel(_word("profit", language, currency=currency))
    return ax
