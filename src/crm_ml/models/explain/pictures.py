"""Pictures of given numbers as matplotlib figures: no window, no global state, colours safe for the colour-blind.

Nothing is computed here that is not also written down as a table elsewhere. Figures are made without pyplot, so they
work without a display and leave no figure behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from crm_ml.models.explain.contributions import Contributions
from crm_ml.models.target_words import Texts, wording
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_GREY = "#767676"
_SWARM_ROWS = 2_000
_TEXTS: Final[Texts] = {  # these pictures go to a tracker, in English alone
    "mean": ("", "mean predicted probability of churn"),
    "happened": ("", "share that churned"),
    "predicted": ("", "predicted probability of churn"),
    "rows": ("", "customers"),
    "share": ("", "share of customers, riskiest first"),
    "found": ("", "share of churners found"),
}
_LEAD_TEXTS: Final[Texts] = {
    "mean": ("", "mean predicted probability"),
    "happened": ("", "share of those that {reached}"),
    "predicted": ("", "predicted probability"),
    "rows": ("", "leads"),
    "share": ("", "share of leads, most promising first"),
    "found": ("", "share of all that {reached} among them"),
}


def _say(key: str, target: str) -> str:
    return wording(target, _TEXTS, _LEAD_TEXTS).say(key, "en")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def reliability_figure(
    table: Mapping[str, Sequence[float]], *, title: str = "Reliability", target: str = CHURN_TARGET
) -> Figure:
    """Return the reliability curve with the 95 % interval of each bin's rate.

    Parameters
    ----------
    table : mapping
        As `crm_ml.models.evaluation.reliability_table` gives it.
    title : str
        Above the picture.
    target : str
        Of the label; decides how the outcome is called.

    Examples
    --------
    >>> table = {"mean_prediction": [0.1, 0.8], "rate": [0.2, 0.7], "low": [0.1, 0.6], "high": [0.3, 0.8]}
    >>> table["rows"] = [50, 50]
    >>> reliability_figure(table).axes[0].get_xlabel()
    'mean predicted probability of churn'
    """
    figure, axes = _figure(6.0, 5.2)
    x, rate, low, high = (np.asarray(table[key], dtype=float) for key in ("mean_prediction", "rate", "low", "high"))
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfect calibration")
    spread = np.abs(np.vstack([rate - low, high - rate]))
    axes.errorbar(x, rate, yerr=spread, color=COLOURS[0], marker="o", capsize=3, linewidth=1.5, label="observed, 95 %")
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel=_say("mean", target),
        ylabel=_say("happened", target),
        title=title,
    )
    axes.legend(frameon=False, loc="upper left")
    axes.text(0.98, 0.03, f"{int(np.sum(table['rows'])):,} rows", ha="right", color=_GREY, transform=axes.transAxes)
    return figure


def histogram_figure(
    probabilities: Sequence[float] | np.ndarray, *, title: str = "Scores", target: str = CHURN_TARGET
) -> Figure:
    """Return how many customers, or leads, have which probability, in twenty bins.

    Examples
    --------
    >>> histogram_figure([0.1, 0.12, 0.9]).axes[0].get_ylabel()
    'customers'
    """
    figure, axes = _figure(6.0, 3.5)
    axes.hist(np.asarray(probabilities, dtype=float), bins=list(np.linspace(0, 1, 21)), color=COLOURS[0])
    axes.set(xlim=(0, 1), xlabel=_say("predicted", target), ylabel=_say("rows", target), title=title)
    return figure


def gain_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, title: str = "Gain", target: str = CHURN_TARGET
) -> Figure:
    """Return gain curves: the share of events found against the share of rows looked at, highest score first.

    Parameters
    ----------
    curves : mapping of str to mapping
        By name, as `crm_ml.models.evaluation.gain_table` gives them; the model first, rules after it.
    title : str
        Above the picture.
    target : str
        Of the label; decides how the outcome is called.

    Examples
    --------
    >>> figure = gain_figure({"model": {"share": [0, 0.5, 1], "gain": [0, 0.8, 1]}})
    >>> [line.get_label() for line in figure.axes[0].get_lines()]
    ['in any order', 'model']
    """
    figure, axes = _figure(6.0, 5.2)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="in any order")
    for k, (name, table) in enumerate(curves.items()):
        style = ("-", "-.", ":", (0, (5, 1)))[k % 4]
        colour = COLOURS[k % len(COLOURS)]
        axes.plot(table["share"], table["gain"], color=colour, linestyle=style, linewidth=2, label=name)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel=_say("share", target),
        ylabel=_say("found", target),
        title=title,
    )
    axes.legend(frameon=False, loc="lower right")
    return figure


def bar_figure(
    contributions: Contributions, *, max_display: int = 15, labels: Mapping[str, str] | None = None
) -> Figure:
    """Return SHAP's bar plot: mean absolute contribution (log-odds) per feature.

    Parameters
    ----------
    contributions : Contributions
        Of some rows.
    max_display : int
        At most so many features.
    labels : mapping, optional
        Feature id to the words to show for it.
    """
    return _shap_figure(contributions, None, max_display=max_display, labels=labels or {}, swarm=False)


def beeswarm_figure(
    contributions: Contributions,
    frame: pd.DataFrame,
    *,
    max_display: int = 15,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Return SHAP's beeswarm: each row's contribution (log-odds) per feature, coloured by the feature's value.

    Parameters
    ----------
    contributions : Contributions
        Of the rows in `frame`; at most 2,000 evenly spaced ones are drawn.
    frame : pandas.DataFrame
        Values of the features; text is shown without colour.
    max_display : int
        At most so many features.
    labels : mapping, optional
        Feature id to the words to show for it.
    """
    return _shap_figure(contributions, frame, max_display=max_display, labels=labels or {}, swarm=True)


def _shap_figure(
    contributions: Contributions,
    frame: pd.DataFrame | None,
    *,
    max_display: int,
    labels: Mapping[str, str],
    swarm: bool,
) -> Figure:
    names = [str(name) for name in contributions.values.columns]
    values = contributions.values.to_numpy(dtype=np.float64)
    shown = max(1, min(max_display, len(names)))
    figure, axes = _figure(8.0, 1.6 + 0.36 * shown)
    if not len(values) or not names:
        axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=_GREY)
        axes.set_xlabel("contribution to the score (log-odds)")
        return figure
    step = -(-len(values) // _SWARM_ROWS) if swarm else 1
    data = None if frame is None else np.column_stack([_numbers(frame[name]) for name in names])[::step]
    with _quiet():
        import shap
        from matplotlib import colormaps

        explanation = shap.Explanation(
            values=values[::step],
            base_values=np.full(len(values[::step]), contributions.base),
            # a data frame breaks some of SHAP's plots: an array always works
            data=data,
            feature_names=[labels.get(name, name) for name in names],
        )
        if swarm:
            with _fixed_jitter():
                shap.plots.beeswarm(
                    explanation,
                    max_display=shown,
                    color=colormaps["cividis"],
                    ax=axes,
                    show=False,
                    plot_size=None,
                    group_remaining_features=False,
                )
            axes.set_xlabel("contribution to the score (log-odds)")
        else:
            shap.plots.bar(explanation, max_display=shown, ax=axes, show=False)
            for bar in axes.patches:
                bar.set_facecolor(COLOURS[0])
            for text in axes.texts:
                text.set_color("#333333")
            axes.set_xlabel("mean |contribution| to the score (log-odds)")
        figure.canvas.draw()
    return figure


def _numbers(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep SHAP's and matplotlib's own deprecations out of the caller's log: the caller cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _fixed_jitter() -> Iterator[None]:
    """Let SHAP's beeswarm, which shuffles with numpy's global generator, draw the same picture each time."""
    state = np.random.get_state()  # noqa: NPY002 - SHAP uses the global generator; it is put back
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
