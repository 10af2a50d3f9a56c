"""How soon a workspace's leads are answered, and how the chance of winning them goes with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from crm_ml import names as n
from crm_ml.errors import DataError, UsageError
from crm_ml.features.journeys import FUNNEL
from crm_ml.jobs.funnel import read_journeys
from crm_ml.jobs.inputs import as_day, as_workspace
from crm_ml.jobs.settings import Workspace
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.speed import Speed, fit_speed
from crm_ml.models.speed_shown import plot_speed, speed_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SpeedResult:
    """What `speed_to_lead` found.

    Attributes
    ----------
    as_of : date
        Nothing that happened or became known on that day or later was used.
    found : Speed
        The estimate with all its parts.
    language : str
        Of the picture.
    """

    as_of: dt.date
    found: Speed
    language: str = "de"

    @property
    def table(self) -> pd.DataFrame:
        """One row per wait: the chance with its interval, and how much it lies below that of the first wait."""
        return self.found.table

    def loss_per_day(self, p: float, value: float) -> Interval:
        """Return what waiting a day instead of an hour is expected to cost: see `Speed.loss_per_day`."""
        return self.found.loss_per_day(p, value)

    def sentence(self, lang: str = "de") -> str:
        """Return the finding in words, and that a correlation is no proof; `lang` is ``de`` or ``en``."""
        return speed_sentence(self.found, lang)

    def plot(self, ax: Axes) -> Axes:
        """Draw the chance by hours until the answer."""
        return plot_speed(self.found, ax, language=self.language)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        texts = {f"text_{lang}": self.sentence(lang) for lang in ("de", "en")}
        return {"as_of": str(self.as_of), **self.found.as_dict(), **texts}


def speed_to_lead(
    workspace: Workspace | str | Path,
    *,
    as_of: dt.date | str,
    target: str = "won",
    horizon_days: int | None = None,
) -> SpeedResult:
    """Return the chance that a lead is won within the horizon by how soon it was answered, as known at a day.

    An answer is the first reply, call or meeting of ours at or after the creation.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        Nothing that happened or became known on that day or later is used.
    target : {"won", "opportunity", "sql", "mql"}
        Stage to be reached; a later one counts as well.
    horizon_days : int, optional
        Days after the creation; default: ``leads.horizon_days`` of crm.yaml.

    Raises
    ------
    DataError
        The data contract is broken, lead_events is not mapped, no lead is visible, or too few are answered.
    UsageError
        There is no such stage, or the days are not positive.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    if target not in FUNNEL[1:]:
        raise UsageError(f"target must be one of {', '.join(FUNNEL[1:])}; found {target!r}", remedy="Take won.")
    horizon = workspace.settings.leads.horizon_days if horizon_days is None else horizon_days
    if horizon < 1:
        raise UsageError(f"horizon_days must be at least 1; found {horizon}", remedy="Give a number of days.")
    ways = read_journeys(workspace, day)
    if n.LEAD_EVENTS not in workspace.settings.tables:
        raise DataError(
            "How soon leads are answered needs the table lead_events, which is not mapped",
            remedy="Map lead_events with the kinds reply_sent, call and meeting in crm.yaml.",
            code="table_not_mapped",
        )
    return SpeedResult(day, fit_speed(ways, horizon_days=horizon, target=target), workspace.settings.language)
