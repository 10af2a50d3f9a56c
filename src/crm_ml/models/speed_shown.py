"""The speed of answers in words and as a picture; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from crm_ml.models.evaluation.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crm_ml.models.speed import Speed

_ENDS: Final = {
    "won": ("gewonnen", "won"),
    "opportunity": ("zur Chance", "an opportunity"),
    "sql": ("zum SQL", "an SQL"),
    "mql": ("zum MQL", "an MQL"),
}
_CLAIM: Final = (
    "Von den Leads, die nach etwa {fast} beantwortet werden, werden {p_fast} binnen {days} Tagen {end}; nach etwa "
    "{slow} sind es {p_slow}.",
    "Of the leads that are answered after about {fast}, {p_fast} are {end} within {days} days; after about {slow} it "
    "is {p_slow}.",
)
_NO_CLAIM: Final = (
    "Ein Vorteil schneller Antworten ist nicht vom Zufall zu unterscheiden: Nach etwa {fast} werden {p_fast} der Leads "
    "binnen {days} Tagen {end}, nach etwa {slow} {p_slow}.",
    "An advantage of quick answers cannot be told from chance: after about {fast}, {p_fast} of the leads are {end} "
    "within {days} days, after about {slow} {p_slow}.",
)
_CAVEAT: Final = (
    "Das ist ein Zusammenhang, bereinigt um {adjusted}, und kein Beweis: Ob die Schnelligkeit die Ursache ist, zeigt "
    "erst ein Versuch, in dem der Zufall entscheidet, wer zuerst Antwort bekommt.",
    "This is a correlation, adjusted for {adjusted}, and no proof: whether speed is the cause is shown only by an "
    "experiment in which chance decides who is answered first.",
)
_PLAIN_CAVEAT: Final = (
    "Das ist ein Zusammenhang und kein Beweis: Ob die Schnelligkeit die Ursache ist, zeigt erst ein Versuch, in dem "
    "der Zufall entscheidet, wer zuerst Antwort bekommt.",
    "This is a correlation and no proof: whether speed is the cause is shown only by an experiment in which chance "
    "decides who is answered first.",
)
_ADJUSTED: Final = ("Herkunft, Firmengröße und Rang", "source, company size and seniority")
_AXES: Final = {
    "x": ("Stunden bis zur ersten Antwort", "hours until the first answer"),
    "y": ("Anteil, der binnen {days} Tagen {end} wird", "share that is {end} within {days} days"),
    "usual": ("wie tatsächlich beantwortet", "as in fact answered"),
    "never": ("nie", "never"),
}


def speed_sentence(found: Speed, language: str = "de") -> str:
    """Return what was found in two sentences, the second saying that a correlation is no proof.

    Parameters
    ----------
    found : Speed
        Of `fit_speed`.
    language : {"de", "en"}
        Of the text.
    """
    which = int(language != "de")
    rows = found.table.set_index("hours")
    fast, slow = (rows.loc[hours] for hours in found.compared)

    def percent(row: object) -> str:
        value, low, high = (100 * float(row[name]) for name in ("chance", "low", "high"))  # type: ignore[index]
        text = f"{value:.1f} % ({low:.1f} {('bis', 'to')[which]} {high:.1f} %)"
        return text if which else text.replace(".", ",")

    text = (_CLAIM if found.claimed else _NO_CLAIM)[which].format(
        fast=_wait(found.compared[0], which),
        slow=_wait(found.compared[1], which),
        p_fast=percent(fast),
        p_slow=percent(slow),
        days=f"{found.horizon_days:g}",
        end=_ENDS[found.target][which],
    )
    caveat = _CAVEAT if found.adjusted_for else _PLAIN_CAVEAT
    return f"{text} {caveat[which].format(adjusted=_ADJUSTED[which])}"


def _wait(hours: float, which: int) -> str:
    count, words = (hours, (("Stunde", "hour"), ("Stunden", "hours")))
    if hours >= 24:
        count, words = hours / 24, (("Tag", "day"), ("Tagen", "days"))
    return f"{count:g} {words[count != 1][which]}"


def plot_speed(found: Speed, ax: Axes, *, language: str = "de") -> Axes:
    """Draw the chance by hours until the answer with its 95 % intervals, and the chance as leads were in fact answered.

    Parameters
    ----------
    found : Speed
        Of `fit_speed`.
    ax : matplotlib.axes.Axes
        Where to draw.
    language : {"de", "en"}
        Of the labels.
    """
    which = int(language != "de")
    rows = found.table[found.table["chance"].notna()]
    hours = rows["hours"].to_numpy(np.float64)
    # never stands to the right of the longest wait
    longest = hours[np.isfinite(hours)].max()
    at = np.where(np.isfinite(hours), hours, 4 * longest)
    reach = [rows["chance"] - rows["low"], rows["high"] - rows["chance"]]
    ax.errorbar(at, rows["chance"], yerr=reach, fmt="o", capsize=3, color="#4c78a8")
    usual: Interval = found.usual
    if np.isfinite(usual.value):
        ax.axhline(usual.value, color="#6b6b6b", ls="--", lw=0.8, label=_AXES["usual"][which])
        ax.legend(frameon=False)
    ax.set_xscale("log")
    names = [_AXES["never"][which] if not np.isfinite(h) else f"{h:g} h" if h < 24 else f"{h / 24:g} d" for h in hours]
    ax.set_xticks(at, names)
    ax.set_xticks([], minor=True)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_AXES["x"][which])
    ax.set_ylabel(_AXES["y"][which].format(days=f"{found.horizon_days:g}", end=_ENDS[found.target][which]))
    return ax
