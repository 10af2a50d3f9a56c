"""Pictures of one customer: what moved the risk, what happened, how the score moved; each with a text instead of it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml.models.explain import shown
from crm_ml.models.explain.pictures import COLOURS
from crm_ml.models.explain.pictures_common import GREY, INK, LOWERS, PALE, RAISES, canvas, months, ordinals, plain, say
from crm_ml.models.explain.pictures_timeline import timeline_alt, timeline_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Step",
    "score_history_alt",
    "score_history_figure",
    "timeline_alt",
    "timeline_figure",
    "waterfall_alt",
    "waterfall_figure",
]


@dataclass(frozen=True)
class Step:
    """One cause in a waterfall: its name, a sentence, and its contribution to the log-odds."""

    label: str
    text: str
    contribution: float


def waterfall_figure(
    steps: Sequence[Step], *, p_start: float, p_end: float, language: str = "de", lead: bool = False
) -> Figure:
    r"""Return how the causes lead from a typical customer to this one, as arrows from row to row.

    The axis is the log-odds before calibration, without numbers: the two ends carry their probabilities.

    Parameters
    ----------
    steps : sequence of Step
        From top to bottom; their sum is the way from start to end.
    p_start, p_end : float
        Calibrated probability at both ends.
    language : {"de", "en"}
        Of the words.
    lead : bool
        Whether it is about a lead's chance rather than a customer's risk.

    Examples
    --------
    >>> steps = [Step("Bestellrhythmus", "Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.", 1.2)]
    >>> figure = waterfall_figure(steps, p_start=0.18, p_end=0.43)
    >>> [text.get_text() for text in figure.axes[2].texts][:2]
    ['18\xa0%', '43\xa0%']
    """
    of = "_lead" if lead else ""
    rows = len(steps) + 2
    height = 0.75 + 0.56 * rows
    figure = canvas(height)
    top, bottom = 1 - 0.38 / height, 0.36 / height
    stripes = figure.add_axes((0.012, bottom, 0.973, top - bottom))
    words = figure.add_axes((0.012, bottom, 0.53, top - bottom))
    bars = figure.add_axes((0.555, bottom, 0.43, top - bottom))
    figure.text(0.012, 1 - 0.2 / height, say(f"why{of}", language), fontsize=12, weight="bold", color=INK, va="center")
    edges = np.concatenate(([0.0], np.cumsum([step.contribution for step in steps])))
    span = float(edges.max() - edges.min()) or 1.0
    for axes in (stripes, words, bars):
        axes.set_ylim(rows - 0.5, -0.5)
        axes.axis("off")
    for row in range(0, rows, 2):
        stripes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", linewidth=0)
    words.set_xlim(0, 1)
    bars.set_xlim(float(edges.min()) - 0.2 * span, float(edges.max()) + 0.2 * span)
    _end(words, bars, (0, float(edges[0])), say(f"start{of}", language), shown.share(p_start, language))
    _end(words, bars, (rows - 1, float(edges[-1])), say(f"end{of}", language), shown.share(p_end, language))
    for row, step in enumerate(steps, start=1):
        _cause(words, row, step)
        _arrow(bars, row, (float(edges[row - 1]), float(edges[row])), span)
    for row in range(rows - 1):
        at = float(edges[row])
        bars.plot([at, at], [row + 0.24, row + 1 - 0.24], color=GREY, linewidth=0.8, zorder=2)
    bars.text(0.0, -0.01, say(f"less{of}", language), transform=bars.transAxes, va="top", fontsize=9.5, color=LOWERS)
    bars.text(1.0, -0.01, say(f"more{of}", language), transform=bars.transAxes, va="top", ha="right", fontsize=9.5,
              color=RAISES)  # fmt: skip
    return figure


def _end(words: Axes, bars: Axes, at: tuple[int, float], text: str, probability: str) -> None:
    row, x = at
    words.text(0.012, row, text, va="center", fontsize=10, weight="bold", color=INK)
    bars.plot([x, x], [row - 0.3, row + 0.3], color=INK, linewidth=3, zorder=3, solid_capstyle="butt")
    low, high = bars.get_xlim()
    left = x > (low + high) / 2
    shift = 0.02 * (high - low)
    bars.text(x - shift if left else x + shift, row, probability, va="center", ha="right" if left else "left",
              fontsize=12, weight="bold", color=INK)  # fmt: skip


def _cause(words: Axes, row: int, step: Step) -> None:
    lines = textwrap.wrap(plain(step.text), 62, max_lines=2, placeholder=" …", break_long_words=True)
    name = plain(step.label)
    label = name if len(name) <= 48 else name[:47] + "…"
    top = row - (0.42 if len(lines) > 1 else 0.33)
    words.text(0.012, top, label[:1].upper() + label[1:], va="top", fontsize=9.5, weight="bold", color=INK)
    words.text(0.012, top + 0.33, "\n".join(lines), va="top", fontsize=8.6, color=INK, linespacing=1.1)


def _arrow(bars: Axes, row: int, ends: tuple[float, float], span: float) -> None:
    """Draw a bar whose point says the direction, so that it does not hang on the colour alone."""
    from matplotlib.patches import Polygon

    begin, end = ends
    if begin == end:
        bars.plot([begin, begin], [row - 0.22, row + 0.22], color=GREY, linewidth=2, zorder=3)
        return
    way = np.sign(end - begin)
    neck = end - way * min(abs(end - begin), 0.035 * span)
    half = 0.24
    corners = [(begin, row - half), (neck, row - half), (end, row), (neck, row + half), (begin, row + half)]
    colour = RAISES if way > 0 else LOWERS
    bars.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor=colour, linewidth=1, zorder=3))


def waterfall_alt(
    steps: Sequence[Step], *, p_start: float, p_end: float, language: str = "de", lead: bool = False
) -> str:
    """Return the waterfall in words; with `lead` it is about the chance of a lead.

    Examples
    --------
    >>> waterfall_alt([Step("Order rhythm", "Late.", 0.5)], p_start=0.18, p_end=0.3, language="en")
    'From 18% for a typical customer to 30% for this one. Raises the risk: Order rhythm. Lowers the risk: none.'
    """
    raising = ", ".join(step.label for step in steps if step.contribution > 0) or say("none", language)
    lowering = ", ".join(step.label for step in steps if step.contribution < 0) or say("none", language)
    start, end = shown.share(p_start, language), shown.share(p_end, language)
    if lead:
        return (
            f"Von {start} bei einem typischen Lead zu {end} bei diesem. "
            f"Hebt die Aussicht: {raising}. Senkt die Aussicht: {lowering}."
            if language == "de"
            else f"From {start} for a typical lead to {end} for this one. "
            f"Raises the chance: {raising}. Lowers the chance: {lowering}."
        )
    if language == "de":
        return (
            f"Von {start} bei einem typischen Kunden zu {end} bei diesem. "
            f"Erhöht das Risiko: {raising}. Senkt das Risiko: {lowering}."
        )
    return (
        f"From {start} for a typical customer to {end} for this one. "
        f"Raises the risk: {raising}. Lowers the risk: {lowering}."
    )


def score_history_figure(
    history: pd.DataFrame, *, language: str = "de", thresholds: Mapping[str, float] | None = None
) -> Figure:
    """Return how the probability moved: today's model over earlier days, and what was really published.

    Parameters
    ----------
    history : DataFrame
        ``as_of`` (dates), ``p_churn`` (null where the customer was not scored) and ``published`` (bool).
    language : {"de", "en"}
        Of the words.
    thresholds : mapping, optional
        Words for the probabilities from which a tier begins.

    Examples
    --------
    >>> import datetime as dt
    >>> history = pd.DataFrame({"as_of": [dt.date(2026, 3, 2)], "p_churn": [0.4], "published": [False]})
    >>> score_history_figure(history, language="en").axes[0].get_ylabel()
    'churn'
    """
    from matplotlib.ticker import FuncFormatter

    figure = canvas(3.3)
    axes = figure.add_axes((0.1, 0.23, 0.79, 0.6))
    axes.spines[["top", "right"]].set_visible(False)
    figure.text(0.012, 0.94, say("history", language), fontsize=12, weight="bold", color=INK, va="center")
    for name, p in (thresholds or {}).items():
        axes.axhline(p, color=GREY, linestyle=":", linewidth=1)
        axes.text(1.01, p, plain(name), transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=GREY)
    styles = (
        (False, "today", {"color": COLOURS[0], "linestyle": (0, (4, 2)), "marker": "o", "markerfacecolor": "white"}),
        (True, "published", {"color": COLOURS[1], "linestyle": "-", "marker": "s"}),
    )
    ordered = history.sort_values("as_of", kind="stable")
    for published, key, style in styles:
        own = ordered[ordered["published"].astype(bool) == published]
        if own["p_churn"].notna().any():
            size = 6 if len(own) <= 60 else 3
            axes.plot(ordinals(own["as_of"]), own["p_churn"].to_numpy(np.float64), linewidth=1.8, markersize=size,
                      label=say(key, language), zorder=3 if published else 2, **style)  # fmt: skip
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: shown.share(y, language)))
    axes.set_ylabel(say("p", language), fontsize=9, color=INK)
    axes.grid(axis="y", color=PALE, linewidth=0.6, zorder=0)
    axes.tick_params(labelsize=9, length=0)
    if len(ordered):
        first, last = ordered["as_of"].iloc[0].toordinal(), ordered["as_of"].iloc[-1].toordinal()
        first = min(first, last - 30)
        axes.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
        ticks = months(first, last)
        axes.set_xticks([day.toordinal() for day in ticks], [shown.month(day, language) for day in ticks])
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="lower left", bbox_to_anchor=(0.005, 0.0), ncols=2, frameon=False, fontsize=9)
    return figure


def score_history_alt(history: pd.DataFrame, *, language: str = "de") -> str:
    """Return the history of the score in words: first, least, greatest and last probability of today's model.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2026, 1, 1), dt.date(2026, 2, 1), dt.date(2026, 3, 2)]
    >>> history = pd.DataFrame({"as_of": days, "p_churn": [0.1, None, 0.4], "published": [False] * 3})
    >>> score_history_alt(history, language="en")
    "Today's model says 10% for 1 January 2026 and 40% for 2 March 2026; between 10% and 40% in that time."
    """
    own = history[~history["published"].astype(bool) & history["p_churn"].notna()].sort_values("as_of", kind="stable")
    if not len(own):
        return "Keine Werte." if language == "de" else "No values."
    p = own["p_churn"].to_numpy(np.float64)
    says = [shown.share(value, language) for value in (p[0], p[-1], p.min(), p.max())]
    begin, end = shown.date(own["as_of"].iloc[0], language), shown.date(own["as_of"].iloc[-1], language)
    if language == "de":
        return (
            f"Das heutige Modell sagt für den {begin} {says[0]} und für den {end} {says[1]}; "
            f"in dieser Zeit zwischen {says[2]} und {says[3]}."
        )
    return (
        f"Today's model says {says[0]} for {begin} and {says[1]} for {end}; "
        f"between {says[2]} and {says[3]} in that time."
    )
