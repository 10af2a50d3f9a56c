"""The funnel of a workspace's leads as known at a day: how many move on at each step, and how fast."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from crm_ml.errors import UsageError, did_you_mean
from crm_ml.features import cutoff_us, shift_days
from crm_ml.features.journeys import TRAITS, lead_journeys
from crm_ml.features.timeline import DAY
from crm_ml.jobs.inputs import LEAD_TABLES, LEADS, as_day, as_workspace, nothing_visible, read_inputs, require_kind
from crm_ml.jobs.settings import Workspace
from crm_ml.models.evaluation.funnel import funnel_table, plot_funnel

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class FunnelResult:
    """What `funnel` found.

    Attributes
    ----------
    as_of : date
        Nothing that happened or became known on that day or later was used.
    table : DataFrame
        One row per step and group; see `models.evaluation.funnel.funnel_table`.
    horizon_days : int
        Days after entering a stage within which moving on counts.
    window_days : int or None
        Entries into a stage of the last so many days; None: all.
    by : str or None
        What the leads were grouped by.
    reopened : int
        Leads that were entered at a stage after they had been lost; these entries do not count.
    language : str
        Of the picture.
    """

    as_of: dt.date
    table: pd.DataFrame
    horizon_days: int
    window_days: int | None
    by: str | None
    reopened: int
    language: str = "de"

    def plot(self, ax: Axes) -> Axes:
        """Draw the rate of each step with its interval, one colour per group."""
        return plot_funnel(self.table, ax, horizon_days=self.horizon_days, language=self.language)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        steps = [
            {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}
            for row in self.table.to_dict("records")
        ]
        return {
            "as_of": str(self.as_of),
            "horizon_days": self.horizon_days,
            "window_days": self.window_days,
            "by": self.by,
            "reopened": self.reopened,
            "steps": steps,
        }


def funnel(
    workspace: Workspace | str | Path,
    *,
    as_of: dt.date | str,
    by: str | None = None,
    window_days: int | None = 365,
    horizon_days: int | None = None,
) -> FunnelResult:
    """Return how many leads of each stage reach the next one within the horizon, and in how many days.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        Nothing that happened or became known on that day or later is used.
    by : {"source", "campaign", "size_class", "seniority"}, optional
        Group the leads as well.
    window_days : int or None
        Only entries into a stage of the last so many days; None: all.
    horizon_days : int, optional
        Days after entering a stage; default: ``leads.horizon_days`` of crm.yaml.

    Raises
    ------
    DataError
        The data contract is broken, stages are not mapped, or no lead is visible at `as_of`.
    UsageError
        Leads cannot be grouped so, or a number of days is not positive.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    if by is not None and by not in TRAITS:
        hint = did_you_mean(by, TRAITS).strip()
        raise UsageError(f"by must be one of {', '.join(TRAITS)}; found {by!r}", remedy=hint or "Take source.")
    horizon = workspace.settings.leads.horizon_days if horizon_days is None else horizon_days
    for name, days in (("horizon_days", horizon), ("window_days", window_days)):
        if days is not None and days < 1:
            raise UsageError(f"{name} must be at least 1; found {days}", remedy="Give a number of days.")
    ways = read_journeys(workspace, day)
    zone = workspace.settings.timezone
    cutoff = cutoff_us(day, zone)
    # calendar days of the zone, in days of 24 hours: a clock change lies between
    window = None if window_days is None else (cutoff - shift_days(cutoff, -window_days, zone)) / DAY
    table = funnel_table(ways, horizon_days=horizon, window_days=window, by=by)
    reopened = int(ways["reopened"].sum())
    return FunnelResult(day, table, horizon, window_days, by, reopened, workspace.settings.language)


def read_journeys(workspace: Workspace, day: dt.date) -> pd.DataFrame:
    """Return the ways of a workspace's leads as known at the beginning of a day."""
    require_kind(workspace, LEADS)
    tables = read_inputs(workspace, only=LEAD_TABLES)
    ways = lead_journeys(tables, cutoff_us(day, tables.zone))
    if ways.empty:
        raise nothing_visible(day, LEADS)
    return ways
