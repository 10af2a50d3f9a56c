"""Deals as known at a cutoff: what became of each, and how long it stood in which stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features.fate import LOST, WON
from crm_ml.features.rows import integers
from crm_ml.features.timeline import FOREVER, NULL, zone_clock
from crm_ml.features.visibility import visible

if TYPE_CHECKING:
    from crm_ml.tables import Tables

OPEN = "open"
UNSTAGED = ""
"""The stage of a deal of which no stage is known; as the stage that follows: none does yet."""
_DEAL_ID, _STAGE, _ENTERED, _AMOUNT, _EXPECTED = "deal_id", "stage", "entered_at", "amount", "expected_close_at"


@dataclass(frozen=True)
class DealHistory:
    """The deals visible at the start of a day. All days are local, counted since 1970-01-01.

    Attributes
    ----------
    day : int
        The day; nothing of it is known yet.
    deals : DataFrame
        One row per deal, sorted by its id: ``deal_id``, ``owner_id`` (empty: nobody), ``status`` (open, won, lost),
        ``opened``, ``closed`` (NaN while open), ``amount`` (money, as last known), ``expected_close`` (day, as last
        known), ``first_close`` (the first one stated), ``pushes`` (how often it was put off).
    spells : DataFrame
        One row per stay of a deal in a stage, sorted by (deal, time): ``deal`` (row of `deals`), ``stage``,
        ``entered``, ``length`` (days at risk: from the day after it was entered to the one it was left, at least 1; of
        one that lasts, to the day before `day`), ``to`` (the next stage, won, lost, or `UNSTAGED` where it lasts),
        ``amount`` (the last one stated in it).
    """

    day: int
    deals: pd.DataFrame
    spells: pd.DataFrame

    @property
    def is_open(self) -> np.ndarray:
        """Which deals are open."""
        found: np.ndarray = (self.deals["status"] == OPEN).to_numpy()
        return found


def deal_history(tables: Tables, cutoff_us: int) -> DealHistory:
    """Return the deals as known at a cutoff (UTC microseconds) that is the start of a day.

    A deal that is won or lost without a time of closing was never known to be: it counts as open. Rows of deal_stages
    at or after the closing, and those named won or lost, are the end itself and no stage; a repeated stage states
    another amount or expected close and does not begin anew.

    Raises
    ------
    DataError
        If the table deals is not there.

    Examples
    --------
    >>> from crm_ml.tables import from_frames
    >>> deals = {"deal_id": ["1", "2"], "created_at": ["2026-01-01", "2026-01-03"], "status": ["won", "open"],
    ...          "closed_at": ["2026-01-05", None], "amount": [100, 50], "lead_id": ["a", "b"]}
    >>> tables = from_frames({"deals": pd.DataFrame(deals)}, zone="UTC")
    >>> history = deal_history(tables, 1_767_830_400_000_000)  # 8 January 2026
    >>> history.spells[["deal", "stage", "length", "to"]].values.tolist()
    [[0, '', 4, 'won'], [1, '', 4, '']]
    """
    if n.DEALS not in tables.frames:
        raise DataError(
            "a forecast needs the table deals, which is not mapped",
            remedy="Map deals with deal_id, created_at, status, closed_at and amount in crm.yaml.",
            code="table_not_mapped",
        )
    only = {name: tables.frames[name] for name in (n.DEALS, n.DEAL_STAGES) if name in tables.frames}
    then = visible(replace(tables, frames=only), cutoff_us)
    day = int(zone_clock(tables.zone).day(np.array([cutoff_us]))[0])
    deals = _deals(then)
    stages = _stages(then, deals)
    said = stages[stages["expected_close"].notna()]
    later = said["expected_close"] > said.groupby("deal")["expected_close"].shift()
    deals["first_close"] = said.groupby("deal")["expected_close"].first().reindex(deals.index)
    deals["pushes"] = later.groupby(said["deal"]).sum().reindex(deals.index, fill_value=0).astype(np.int64)
    return DealHistory(day, deals.drop(columns="closed_at"), _spells(deals, stages, day))


def won_deals(tables: Tables, cutoff_us: int) -> pd.DataFrame:
    """Return the deals known at a cutoff (UTC microseconds) to be won that have an amount.

    The amount is that of the newest visible stage that says one, else as last known: money, never a feature. Empty
    where deals, or amounts, are not mapped.

    Returns
    -------
    DataFrame
        `lead_id` (null where the deal names none that is visible), `amount`, `closed` (int64, UTC microseconds), sorted
        by (closed, lead_id, amount).

    Examples
    --------
    >>> from crm_ml.tables import from_frames
    >>> deals = {"deal_id": ["1", "2"], "created_at": ["2026-01-01", "2026-01-03"], "status": ["won", "open"],
    ...          "closed_at": ["2026-01-05", None], "amount": [100, 50], "lead_id": ["a", "b"]}
    >>> leads = {"lead_id": ["a", "b"], "created_at": ["2026-01-01", "2026-01-02"]}
    >>> tables = from_frames({"deals": pd.DataFrame(deals), "leads": pd.DataFrame(leads)}, zone="UTC")
    >>> won_deals(tables, 1_767_830_400_000_000).values.tolist()  # 8 January 2026
    [['a', 100.0, 1767571200000000]]
    """
    sources = {name: tables.frames[name] for name in (n.DEALS, n.DEAL_STAGES, n.LEADS) if name in tables.frames}
    if n.DEALS not in sources or not any(_AMOUNT in tables.mapped.get(name, ()) for name in (n.DEALS, n.DEAL_STAGES)):
        nobody = {n.LEAD_ID: pd.array([], "str"), _AMOUNT: np.zeros(0), "closed": np.zeros(0, np.int64)}
        return pd.DataFrame(nobody)
    then = visible(replace(tables, frames=sources), cutoff_us)
    frame = then.frames[n.DEALS]
    lead = frame.column(n.LEAD_ID).to_pandas().astype("str")
    known = then.frames[n.LEADS].column(n.LEAD_ID).to_pandas() if n.LEADS in then.frames else []
    closed = integers(frame, "closed_at")
    deals = pd.DataFrame({n.LEAD_ID: lead.where(lead.isin(known)), _AMOUNT: _money(frame), "closed": closed})
    won = np.asarray(frame.column("status").to_pandas() == WON) & (closed != NULL)
    found: pd.DataFrame = deals[won & deals[_AMOUNT].notna()]
    return found.sort_values(["closed", n.LEAD_ID, _AMOUNT], ignore_index=True)


def _deals(then: Tables) -> pd.DataFrame:
    frame = then.frames[n.DEALS]
    ids = frame.column(_DEAL_ID).to_numpy(zero_copy_only=False).astype(object)
    columns = {
        _DEAL_ID: ids,
        "owner_id": _filled(frame, "owner_id"),
        "status": _filled(frame, "status"),
        "opened": _days(then, n.DEALS, "created_at"),
        "closed": _days(then, n.DEALS, "closed_at"),
        "closed_at": integers(frame, "closed_at"),
        _AMOUNT: _money(frame),
        "expected_close": _days(then, n.DEALS, _EXPECTED),
    }
    deals = pd.DataFrame(columns).sort_values(_DEAL_ID, ignore_index=True)
    # a status without its time is hidden as open; a time without its status says nothing either
    over = deals["status"].isin([WON, LOST]) & deals["closed"].notna()
    deals["status"] = deals["status"].where(over, OPEN)
    deals["closed"] = deals["closed"].where(over)
    deals["closed_at"] = deals["closed_at"].where(over, FOREVER)
    return deals.astype({"opened": np.int64})


def _stages(then: Tables, deals: pd.DataFrame) -> pd.DataFrame:
    """Return what was stated about the deals on the way, in the order of time."""
    if n.DEAL_STAGES not in then.frames or not len(then.frames[n.DEAL_STAGES]):
        empty = {"deal": np.int64, "stage": object, "at": np.int64, "entered": np.float64, _AMOUNT: np.float64}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()}).assign(expected_close=np.nan)
    frame = then.frames[n.DEAL_STAGES]
    place = pd.Series(deals.index, index=deals[_DEAL_ID])
    stages = pd.DataFrame(
        {
            "deal": place.reindex(frame.column(_DEAL_ID).to_pandas()).to_numpy(),
            _STAGE: _filled(frame, _STAGE),
            "at": integers(frame, _ENTERED),
            "entered": _days(then, n.DEAL_STAGES, _ENTERED),
            _AMOUNT: _money(frame),
            "expected_close": _days(then, n.DEAL_STAGES, _EXPECTED),
        }
    )
    stages = stages[stages["deal"].notna()].astype({"deal": np.int64})
    stages = stages[~stages[_STAGE].isin([WON, LOST])]
    stages = stages[stages["at"].to_numpy() < deals["closed_at"].to_numpy()[stages["deal"]]]
    return stages.sort_values(["deal", "at", _STAGE], ignore_index=True)


def _spells(deals: pd.DataFrame, stages: pd.DataFrame, day: int) -> pd.DataFrame:
    opened = deals["opened"].to_numpy()
    entered = np.maximum(stages["entered"].to_numpy(np.float64), opened[stages["deal"].to_numpy(np.int64)])
    rows = stages[["deal", _STAGE, _AMOUNT]].assign(entered=entered)
    # until its first stage a deal stands in none; where that comes on the first day there is no such stay
    first = rows.groupby("deal")["entered"].min().reindex(deals.index)
    before = deals.index[~(first <= deals["opened"]).to_numpy()]
    unstaged = pd.DataFrame({"deal": before, _STAGE: UNSTAGED, _AMOUNT: np.nan, "entered": opened[before]})
    parts = [part for part in (unstaged, rows) if len(part)]
    rows = pd.concat(parts, ignore_index=True) if parts else rows
    rows = rows.sort_values(["deal", "entered"], kind="stable", ignore_index=True)
    again = (rows["deal"] == rows["deal"].shift()) & (rows[_STAGE] == rows[_STAGE].shift())
    spell = (~again).cumsum()
    spells = rows.groupby(spell).agg(
        deal=("deal", "first"), stage=(_STAGE, "first"), entered=("entered", "first"), amount=(_AMOUNT, "last")
    )
    spells = spells.reset_index(drop=True).astype({"deal": np.int64, "entered": np.int64})
    last = ~spells["deal"].duplicated(keep="last")
    deal = spells["deal"].to_numpy()
    status = deals["status"].to_numpy()[deal]
    lasts = last & (status == OPEN)
    left = np.where(last, deals["closed"].to_numpy()[deal], spells["entered"].shift(-1))
    since = spells["entered"].to_numpy()
    length = np.where(lasts, day - 1 - since, np.maximum(left - since, 1))
    spells["length"] = np.maximum(length, 0).astype(np.int64)
    spells["to"] = np.where(lasts, UNSTAGED, np.where(last, status, spells[_STAGE].shift(-1)))
    return spells


def _days(then: Tables, table: str, column: str) -> np.ndarray:
    """Return the local days of a column of instants, NaN where it is null."""
    at = integers(then.frames[table], column)
    days = zone_clock(then.zone).day(np.where(at == NULL, 0, at)).astype(np.float64)
    return np.where(at == NULL, np.nan, days)


def _money(frame: pa.Table) -> np.ndarray:
    cents = integers(frame, _AMOUNT)
    return np.where(cents == NULL, np.nan, cents / n.MONEY_SCALE)


def _filled(frame: pa.Table, column: str) -> np.ndarray:
    texts: pd.Series = frame.column(column).to_pandas()
    return texts.astype(object).where(texts.notna(), "").to_numpy(dtype=object)
