"""The forecast of a day: open deals, and the revenue of the months to come with its bands. Nothing is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.errors import DataError, Finding, HeldBack, UsageError
from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import DealHistory, deal_history
from crm_ml.features.fate import WON
from crm_ml.features.timeline import date_of
from crm_ml.jobs.inputs import as_day, as_workspace, read_inputs
from crm_ml.jobs.settings import Workspace
from crm_ml.models.arrivals import YEAR, first_day
from crm_ml.models.deals import fit_hazards, open_deals
from crm_ml.models.revenue import simulate_revenue
from crm_ml.tables import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORECAST_TABLES = (n.DEALS, n.DEAL_STAGES, n.RATES)
MOST_MONTHS = 24
FEWEST_CLOSED, FEWEST_WON, FEWEST_MONTHS = 20, 8, 6
"""Below so many closed deals, won deals with an amount, and whole months of record nothing is forecast."""
BY = "p_win_by_"


@dataclass(frozen=True)
class ForecastResult:
    """What is to be expected as of a day.

    Attributes
    ----------
    as_of : datetime.date
    currency : str
        Of all amounts.
    language : {"de", "en"}
        Of the picture.
    table : DataFrame
        One row per calendar month, then one per month and owner: ``month`` (its first day), ``owner_id`` (null: all;
        empty: nobody), ``closed`` (won in that month already), ``open`` (expected from open deals), ``new`` (from
        deals not yet opened), ``expected`` (their sum), ``median``, ``low_50``, ``high_50``, ``low_90``, ``high_90``.
    deals : DataFrame
        One row per open deal, sorted by id: ``deal_id``, ``owner_id``, ``stage``, ``stage_age_days``, ``amount`` (as
        last known), ``stated_close``, ``p_win`` (within three years), ``p_win_by_<last day of a month>``,
        ``expected_close`` (half of such deals that are won have been won by then) and ``slipping`` (list of reasons:
        ``passed``, ``pushed_back``, ``stage_age``).
    findings : tuple of Finding
    """

    as_of: dt.date
    currency: str
    language: str
    table: pd.DataFrame
    deals: pd.DataFrame
    findings: tuple[Finding, ...] = ()

    @property
    def months(self) -> pd.DataFrame:
        """The rows of `table` for all owners together."""
        return self.table[self.table["owner_id"].isna()].reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the months with their bands and return the axes."""
        from crm_ml.models.explain.pictures_forecast import plot_forecast

        return plot_forecast(self.months, ax, currency=self.currency, language=self.language)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        by = [name for name in map(str, self.deals) if name.startswith(BY)]
        deals = []
        for row in _plain(self.deals):
            chances = {name.removeprefix(BY): row.pop(name) for name in by}
            deals.append({**row, "p_win_by": chances})
        return {
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "months": _plain(self.months.drop(columns="owner_id")),
            "owners": _plain(self.table[self.table["owner_id"].notna()]),
            "deals": deals,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def forecast(
    workspace: Workspace | str | Path, *, as_of: dt.date | str, months: int = 3, seed: int = 0
) -> ForecastResult:
    """Return the open deals' chances and the revenue forecast as of a day; see `crm_ml.models.revenue`.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        Nothing that happened or became known on that day or later is used.
    months : int
        Calendar months, the first being the one that holds the day.
    seed : int
        Of the simulation. Same inputs and seed, same numbers.

    Raises
    ------
    DataError
        Deals are not mapped, the data contract is broken, or no deal is visible.
    HeldBack
        Too few deals are closed; the message says what is missing.
    UsageError
        `months` lies outside 1 to 24.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    tables = deal_tables(workspace, months)
    history = deal_history(tables, cutoff_us(day, tables.zone))
    missing = what_is_missing(history, day)
    if missing:
        raise HeldBack(
            f"A forecast as of {day} needs more history: {missing}",
            remedy="Choose a later --as-of, or map older deals too.",
            code="too_few_deals",
        )
    revenue = simulate_revenue(history, months=months, seed=seed)
    ends = first_day(revenue.months + 1) - 1
    deals = _with_dates(open_deals(history, fit_hazards(history), [*ends]), ends)
    found = _findings(tables, deals, revenue.arrivals.months)
    settings = workspace.settings
    return ForecastResult(day, settings.currency, settings.language, revenue.table(), deals, found)


def deal_tables(workspace: Workspace, months: int) -> Tables:
    """Return the tables that a forecast of so many months reads, or raise as `forecast` says."""
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(f"months must lie between 1 and {MOST_MONTHS}; found {months}")
    if n.DEALS not in workspace.settings.tables:
        raise DataError(
            f"The table {n.DEALS} is needed for a forecast and is not mapped",
            remedy=f"Map it under `tables:` in {workspace.root / 'crm.yaml'}.",
            code="table_not_mapped",
        )
    return read_inputs(workspace, only=FORECAST_TABLES)


def what_is_missing(history: DealHistory, day: dt.date) -> str:
    """Return in words what a forecast lacks; empty where it lacks nothing.

    Raises
    ------
    DataError
        If no deal is visible at all.
    """
    deals = history.deals
    if deals.empty:
        raise DataError(
            f"{n.DEALS}: nothing is visible as of {day}: no deal was opened and known before that day",
            remedy="Choose a later --as-of, or check that created_at and its format are mapped rightly.",
            code="nothing_visible",
        )
    begin = date_of(int(deals["opened"].min()))
    priced = int(((deals["status"] == WON) & deals["amount"].notna()).sum())
    months = 12 * (day.year - begin.year) + day.month - begin.month - 1
    counted = (
        (int((~history.is_open).sum()), FEWEST_CLOSED, "deals that are won or lost with their closed_at"),
        (priced, FEWEST_WON, "won deals with an amount"),
        (months, FEWEST_MONTHS, "whole months since the first deal"),
    )
    return ", ".join(f"{max(found, 0)} {what} (at least {least})" for found, least, what in counted if found < least)


def _with_dates(deals: pd.DataFrame, ends: np.ndarray) -> pd.DataFrame:
    """Return the deals with days as dates, and one column per month's end."""
    chances = np.array(deals["p_win_by"].tolist(), np.float64).reshape(len(deals), len(ends))
    place = deals.columns.get_loc("p_win_by")
    deals = deals.drop(columns="p_win_by")
    for k, end in enumerate(ends):
        deals.insert(int(str(place)) + k, f"{BY}{date_of(int(end))}", chances[:, k])
    for name in ("stated_close", "expected_close"):
        days = [None if pd.isna(value) else date_of(int(value)) for value in deals[name]]
        deals[name] = pd.Series(days, index=deals.index, dtype=object)
    return deals


def _findings(tables: Tables, deals: pd.DataFrame, months: int) -> tuple[Finding, ...]:
    found = list(amounts_findings(tables))
    unpriced = deals.loc[deals["amount"].isna(), "deal_id"]
    if len(unpriced):
        found.append(
            Finding(
                "warning",
                "open_deals_without_amount",
                f"{len(unpriced)} of {len(deals)} open deals have no amount and count with that of any won deal",
                "Enter their amounts.",
                table=n.DEALS,
                column="amount",
                count=len(unpriced),
                examples=tuple(unpriced),
            )
        )
    if months < 2 * YEAR:
        found.append(
            Finding(
                "info",
                "no_season",
                f"{months} whole months are known: new deals are forecast without a season",
                "From two years on they are forecast with one.",
                table=n.DEALS,
            )
        )
    return tuple(found)


def amounts_findings(tables: Tables) -> tuple[Finding, ...]:
    """Return the warning that amounts have no history, where the stages do not state them."""
    if n.DEAL_STAGES in tables.frames and "amount" in tables.mapped.get(n.DEAL_STAGES, ()):
        return ()
    return (
        Finding(
            "warning",
            "amounts_as_last_known",
            "deal_stages with amounts is not mapped: amounts and expected closes are as last known, on past days too",
            "Map deal_stages with amount and expected_close_at; until then a backtest flatters the open deals.",
            table=n.DEALS,
            column="amount",
        ),
    )


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [_row(row) for row in frame.to_dict("records")]
    return rows


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value.isoformat() if isinstance(value, dt.date) else value for key, value in row.items()}
