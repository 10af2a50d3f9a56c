"""How many leads of a stage reach the next one, how long it takes, and how sure that is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import DataError
from crm_ml.models.evaluation.incidence import LOST, MOVED, STILL, incidence
from crm_ml.models.evaluation.intervals import (
    REPLICATES,
    Interval,
    bootstrap,
    customer_weights,
    interval,
    shows_no_spread,
)
from crm_ml.models.evaluation.metrics import wilson_interval
from crm_ml.names import LEAD_ID

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
EVERYONE: Final = "(all)"
UNKNOWN: Final = "(unknown)"
FEW: Final = 30
COLUMNS: Final = (
    "step",
    "group",
    "entered",
    "moved_on",
    "lost",
    "still_open",
    "rate",
    "rate_low",
    "rate_high",
    "median_days",
    "median_low",
    "median_high",
    "few",
)
_STAGES: Final = ("lead", "mql", "sql", "opportunity", "won")


def funnel_table(
    journeys: pd.DataFrame,
    *,
    horizon_days: float,
    window_days: float | None = None,
    by: str | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the steps of the funnel, each with its rate, its duration and 95 % intervals.

    The rate of a step is the share that moves on within `horizon_days` of entering the stage, with being lost as the
    competing end (`incidence`): a lead that is too young to have an outcome counts as long as it has been seen, not as
    a failure. The median is over those who move on within the horizon. Intervals are percentiles of a bootstrap over
    leads (Efron 1981); where a rate is 0 or 1, so that drawing shows no spread, the rate's is Wilson's (1927) over the
    leads whose end or whole horizon has been seen.

    Parameters
    ----------
    journeys : DataFrame
        One row per lead: ``lead_id``, ``followed_days``, ``lead_days``, ``won_days``, ``lost_days``, days of the stages
        between as far as the firm has them, and the column of `by` (`lead_journeys`).
    horizon_days : float
        Days after entering a stage.
    window_days : float, optional
        Only entries into the stage in the last so many days; default: all.
    by : str, optional
        Column to group by as well; missing values are a group.
    replicates, seed : int
        Of the draws of leads.

    Returns
    -------
    DataFrame
        One row per step and group, all leads first; the last step is the whole way. ``step`` (``"lead -> mql"``),
        ``group``, ``entered``, ``moved_on`` and ``lost`` (counts within the horizon), ``still_open`` (neither, as
        known), ``rate``, ``rate_low``, ``rate_high``, ``median_days``, ``median_low``, ``median_high``, and ``few``:
        fewer than 30 leads whose end or whole horizon has been seen. The rate is null where no lead has been seen as
        long as the horizon.

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> ways = pd.DataFrame({"lead_id": ["1", "2", "3", "4"], "followed_days": [100.0, 100.0, 4.0, 100.0],
    ...                      "lead_days": 0.0, "won_days": [2, None, None, 5], "lost_days": [None, 3, None, None]})
    >>> found = funnel_table(ways, horizon_days=30)
    >>> found[["step", "entered", "moved_on", "lost", "still_open", "rate", "median_days"]].values.tolist()
    [['lead -> won', 4, 2, 1, 1, 0.75, 5.0]]
    """
    needed = [LEAD_ID, "followed_days", "lead_days", "won_days", "lost_days", *([by] if by else [])]
    missing = [name for name in needed if name not in journeys.columns]
    if missing:
        raise DataError(
            f"A funnel needs the columns {', '.join(needed)}; {', '.join(missing)} is missing",
            remedy="Take the table of `lead_journeys`.",
            code="missing_column",
        )
    rows = journeys.sort_values(LEAD_ID, ignore_index=True)
    stages = [stage for stage in _STAGES if f"{stage}_days" in rows.columns]
    pairs = list(pairwise(stages))
    pairs += [(stages[0], stages[-1])] if len(pairs) > 1 else []
    groups = [(EVERYONE, np.ones(len(rows), bool))]
    if by is not None:
        names = rows[by].astype("str").fillna(UNKNOWN)
        groups += [(str(name), (names == name).to_numpy()) for name in sorted(names.unique())]
    records = []
    for group, of_group in groups:
        for begin, end in pairs:
            entered = rows[f"{begin}_days"].notna().to_numpy() & of_group
            if window_days is not None:
                entered &= (rows["followed_days"] - rows[f"{begin}_days"] <= window_days).to_numpy()
            found = _step(rows[entered], begin, end, horizon_days, replicates, seed)
            records.append((f"{begin} -> {end}", group, *found))
    return pd.DataFrame(records, columns=list(COLUMNS))


def _step(
    rows: pd.DataFrame, begin: str, end: str, horizon: float, replicates: int, seed: int
) -> tuple[int | float | bool, ...]:
    start, there, lost, last = (
        rows[name].to_numpy(np.float64) for name in (f"{begin}_days", f"{end}_days", "lost_days", "followed_days")
    )
    # moving on and being lost in the same instant: moved on
    event = np.where(~np.isnan(there), MOVED, np.where(~np.isnan(lost), LOST, STILL))
    time = np.maximum(np.where(event == MOVED, there, np.where(event == LOST, lost, last)) - start, 0.0)
    within = time < horizon
    known = int(((event != STILL) | ~within).sum())
    counts = (
        len(rows),
        int((within & (event == MOVED)).sum()),
        int((within & (event == LOST)).sum()),
        int((event == STILL).sum()),
    )

    def measure(event: FloatArray, time: FloatArray, weights: FloatArray) -> FloatArray:
        found = incidence(time, event, horizon=horizon, weights=weights)
        return np.stack([found.at_horizon(), found.median()], axis=1)

    value = measure(event, time, np.ones((1, len(rows))))[0]
    if np.isnan(value[0]):
        return (*counts, *[np.nan] * 6, known < FEW)
    draws = bootstrap(measure, event, time, customer_weights(rows[LEAD_ID], replicates=replicates, seed=seed))
    rate, median = interval(float(value[0]), draws[:, 0]), interval(float(value[1]), draws[:, 1])
    if shows_no_spread(rate):
        rate = Interval(rate.value, *wilson_interval(rate.value, max(known, 1)))
    middle = (median.value, median.low, median.high) if np.isfinite(value[1]) else (np.nan,) * 3
    return (*counts, rate.value, rate.low, rate.high, *middle, known < FEW)


_WORDS = {
    "rate": ("Anteil, der binnen {days} Tagen weiterkommt", "share that moves on within {days} days"),
    EVERYONE: ("alle", "all"),
    UNKNOWN: ("(unbekannt)", "(unknown)"),
}


def plot_funnel(table: pd.DataFrame, ax: Axes, *, horizon_days: int, language: str = "de") -> Axes:
    """Draw the rate of each step with its 95 % interval, one colour per group; nothing is computed here.

    Parameters
    ----------
    table : DataFrame
        Of `funnel_table`.
    ax : matplotlib.axes.Axes
        Where to draw.
    horizon_days : int
        For the label.
    language : {"de", "en"}
        Of the labels.
    """

    def word(key: str) -> str:
        return _WORDS[key][language != "de"] if key in _WORDS else key

    steps, groups = list(dict.fromkeys(table["step"])), list(dict.fromkeys(table["group"]))
    for place, group in enumerate(groups):
        rows = table[(table["group"] == group) & table["rate"].notna()]
        at = np.array([steps.index(step) for step in rows["step"]]) + (place + 0.5) / len(groups) * 0.8 - 0.4
        reach = [rows["rate"] - rows["rate_low"], rows["rate_high"] - rows["rate"]]
        ax.errorbar(rows["rate"], at, xerr=reach, fmt="o", capsize=2, label=word(group))
    ax.set_yticks(range(len(steps)), [step.replace("->", "→") for step in steps])
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel(word("rate").format(days=horizon_days))
    if len(groups) > 1:
        ax.legend(frameon=False)
    return ax
