"""The picture of a revenue forecast: what is won, what is open, what is to come, and the bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from crm_ml.models.explain.pictures import COLOURS
from crm_ml.models.explain.pictures_common import GREY, INK, canvas, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS: Final = ("closed", "open", "new")
_WORDS: Final = {
    "de": ("gewonnen", "aus offenen Chancen", "aus künftigen Chancen", "50-%-Band", "90-%-Band", "Umsatz, {currency}"),
    "en": ("won", "from open deals", "from deals to come", "50 % band", "90 % band", "revenue, {currency}"),
}


def plot_forecast(table: pd.DataFrame, ax: Axes | None = None, *, currency: str = "EUR", language: str = "en") -> Axes:
    """Draw the expected revenue of each month as a stacked bar with its bands, and return the axes.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of one owner, or of all, as `crm_ml.models.revenue.Revenue.table` gives them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure of its own is made.
    currency : str
        Of the amounts.
    language : {"en", "de"}
        Of the words in the picture.

    Examples
    --------
    >>> row = {"month": pd.Timestamp("2026-03-01"), "closed": 1.0, "open": 3.0, "new": 2.0, "expected": 6.0}
    >>> bands = {"low_50": 5.0, "high_50": 7.0, "low_90": 2.0, "high_90": 9.0}
    >>> ax = plot_forecast(pd.DataFrame([row | bands]))
    >>> ax.get_ylabel(), [text.get_text() for text in ax.get_xticklabels()]
    ('revenue, EUR', ['2026-03'])
    """
    *parts, half, most, axis = _WORDS["de" if language == "de" else "en"]
    if ax is None:
        ax = canvas(3.6).add_axes((0.14, 0.14, 0.82, 0.8))
    at = np.arange(len(table))
    below = np.zeros(len(table))
    looks = ((INK, 0.8), (COLOURS[0], 0.8), (COLOURS[0], 0.35))
    for name, word, (colour, strength) in zip(_PARTS, parts, looks, strict=True):
        height = table[name].to_numpy(np.float64)
        ax.bar(at, height, 0.55, bottom=below, color=colour, alpha=strength, label=word)
        below = below + height
    for level, word, width in ((90, most, 1.2), (50, half, 4.0)):
        ax.vlines(at, table[f"low_{level}"], table[f"high_{level}"], color=COLOURS[1], linewidth=width, label=word)
    ax.set_xticks(at, [f"{month:%Y-%m}" for month in table["month"]])
    ax.set_ylim(bottom=0)
    ax.set_ylabel(axis.format(currency=plain(currency)))
    ax.grid(axis="y", color=GREY, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="best", fontsize=8)
    return ax
