"""Past forecasts, made with what was known then, beside what came and beside naive ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.errors import Finding, HeldBack, UsageError
from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import deal_history
from crm_ml.features.timeline import date_of
from crm_ml.jobs.forecast import amounts_findings, deal_tables, what_is_missing
from crm_ml.jobs.inputs import as_day, as_workspace
from crm_ml.jobs.settings import Workspace
from crm_ml.models.arrivals import first_day, month_of
from crm_ml.models.evaluation.forecasts import coverage, errors, monthly_revenue, naive_forecasts
from crm_ml.models.revenue import simulate_revenue
from crm_ml.tables import Tables

MOST_STARTS = 60
_BANDS = ["expected", "median", "low_50", "high_50", "low_90", "high_90"]


@dataclass(frozen=True)
class ForecastBacktest:
    """How forecasts of past month starts turned out.

    Attributes
    ----------
    as_of : datetime.date
        The day at which it looks back; what was won is what was known then.
    currency : str
    table : DataFrame
        One row per month start and month: ``start``, ``month``, ``ahead`` (1: the month that then began), ``actual``,
        ``expected``, ``median``, the bands, and the naive forecasts ``mean_of_year``, ``same_month_last_year``,
        ``pipeline``.
    findings : tuple of Finding
    """

    as_of: dt.date
    currency: str
    table: pd.DataFrame
    findings: tuple[Finding, ...] = ()

    @property
    def coverage(self) -> pd.DataFrame:
        """How often the bands held what came: ``ahead``, ``months``, ``inside_50``, ``inside_90``."""
        return coverage(self.table)

    @property
    def errors(self) -> pd.DataFrame:
        """Mean absolute errors beside the naive ones', paired; see `crm_ml.models.evaluation.forecasts.errors`."""
        return errors(self.table)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        rows = self.table.assign(start=self.table["start"].map(str), month=self.table["month"].map(str))
        return {
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "coverage": self.coverage.to_dict("records"),
            "errors": self.errors.to_dict("records"),
            "table": rows.to_dict("records"),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def forecast_backtest(
    workspace: Workspace | str | Path,
    *,
    as_of: dt.date | str,
    starts: int = 12,
    months: int = 1,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> ForecastBacktest:
    """Forecast as of past month starts and compare with what was won; nothing is written.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        The day at which it looks back; only months that are over then are judged.
    starts : int
        How many month starts, the newest being that of the newest month that is over.
    months : int
        Months forecast from each.
    seed : int
        Of the simulations.
    progress : callable, optional
        Gets one line per month start.

    Raises
    ------
    DataError
        Deals are not mapped, the data contract is broken, or no deal is visible.
    HeldBack
        No month start has enough history before it.
    UsageError
        `starts` lies outside 1 to 60 or `months` outside 1 to 24.
    """
    workspace, day, say = as_workspace(workspace), as_day(as_of), progress or (lambda _line: None)
    if not 1 <= starts <= MOST_STARTS:
        raise UsageError(f"the month starts of a backtest must be 1 to {MOST_STARTS}; found {starts}")
    tables = deal_tables(workspace, months)
    table, findings = judged_months(tables, day, starts=starts, months=months, seed=seed, progress=say)
    return ForecastBacktest(day, workspace.settings.currency, table, findings)


def judged_months(
    tables: Tables, day: dt.date, *, starts: int, months: int, seed: int, progress: Callable[[str], None]
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Return the rows of `ForecastBacktest.table`, and what there is to say about them."""
    now = deal_history(tables, cutoff_us(day, tables.zone))
    lacking = what_is_missing(now, day)
    actual = monthly_revenue(now)
    last = int(month_of(now.day))
    parts, skipped = [], []
    for month in range(last - starts, last):
        start = date_of(int(first_day(month)))
        then = deal_history(tables, cutoff_us(start, tables.zone))
        if then.deals.empty or what_is_missing(then, start):
            skipped.append(start.isoformat())
            continue
        progress(f"the forecast of {start}")
        parts.append(_rows(start, month, min(months, last - month), then, actual, seed))
    if not parts:
        lacking = lacking or f"no month start since {skipped[0]} has enough closed deals before it"
        raise HeldBack(
            f"A backtest of the forecast as of {day} needs more history: {lacking}",
            remedy="Choose a later --as-of, or map older deals too.",
            code="too_few_deals",
        )
    findings = list(amounts_findings(tables))
    if skipped:
        findings.append(
            Finding(
                "warning",
                "month_starts_left_out",
                f"{len(skipped)} of {starts} month starts have too few closed deals before them and are left out",
                "Ask for fewer, or map older deals too.",
                count=len(skipped),
                examples=skipped,
            )
        )
    return pd.concat(parts, ignore_index=True), tuple(findings)


def _rows(start: dt.date, month: int, months: int, then: Any, actual: pd.Series, seed: int) -> pd.DataFrame:
    revenue = simulate_revenue(then, months=months, seed=seed)
    told = revenue.table().iloc[:months]
    span = [*range(month, month + months)]
    naive = naive_forecasts(then, span)
    found = {
        "start": [start] * months,
        "month": list(told["month"]),
        "ahead": np.arange(1, months + 1),
        "actual": actual.reindex(span, fill_value=0.0).to_numpy(np.float64),
        **{name: told[name].to_numpy(np.float64) for name in _BANDS},
        **{str(name): naive[name].to_numpy(np.float64) for name in naive},
    }
    return pd.DataFrame(found)
