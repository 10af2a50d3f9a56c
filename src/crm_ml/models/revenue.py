"""Revenue of the months to come, from deals: what is won already, what is open, and what is not yet opened.

Monte Carlo: each draw of the deals (Bayesian bootstrap: every deal weighs an exponential variate) gives hazards,
amounts and stages of entry; with each draw several futures are played through. So the bands hold both chance and
ignorance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.features.deal_rows import UNSTAGED, DealHistory
from crm_ml.features.fate import WON
from crm_ml.models.arrivals import Arrivals, first_day, fit_arrivals, month_of
from crm_ml.models.deals import DealHazards, fit_hazards

FloatArray = NDArray[np.float64]
I64 = NDArray[np.int64]

DRAWS, FUTURES = 200, 20
"""Draws of the deals, and futures played through with each."""
LEVELS = (0.9, 0.5)
_RECENT_DAYS = 365
_FEWEST_RATIOS = 10
_CELLS = 4_000_000


@dataclass(frozen=True)
class Revenue:
    """Simulated revenue; the axes are futures, months and owners.

    Attributes
    ----------
    months : ndarray of int64
        Calendar months since January 1970; the first is that of the day.
    owners : tuple of str
        Sorted; the empty one is nobody.
    closed : ndarray, shape (months, owners)
        Won already and known.
    open, new : ndarray, shape (futures, months, owners)
        From deals that are open, and from deals that are not yet opened.
    arrivals : Arrivals
    """

    months: I64
    owners: tuple[str, ...]
    closed: FloatArray
    open: FloatArray
    new: FloatArray
    arrivals: Arrivals

    def table(self) -> pd.DataFrame:
        """Return one row per month, then one per month and owner.

        Columns: ``month`` (its first day), ``owner_id`` (null: all), ``closed``, ``open``, ``new`` and their sum
        ``expected`` (means), ``median``, and the bands ``low_50``, ``high_50``, ``low_90``, ``high_90``.
        """
        parts = [self._rows(None, self.closed.sum(axis=1), self.open.sum(axis=2), self.new.sum(axis=2))]
        for k, owner in enumerate(self.owners):
            parts.append(self._rows(owner, self.closed[:, k], self.open[:, :, k], self.new[:, :, k]))
        return pd.concat(parts, ignore_index=True)

    def _rows(self, owner: str | None, closed: FloatArray, opened: FloatArray, new: FloatArray) -> pd.DataFrame:
        total = closed + opened + new
        rows = {
            "month": self.months.astype("datetime64[M]").astype("datetime64[D]").astype(object),
            "owner_id": np.full(len(self.months), owner, object),
            "closed": closed,
            "open": opened.mean(axis=0),
            "new": new.mean(axis=0),
            "expected": total.mean(axis=0),
            "median": np.median(total, axis=0),
        }
        for level in LEVELS:
            low, high = np.quantile(total, [(1 - level) / 2, (1 + level) / 2], axis=0)
            rows |= {f"low_{round(level * 100)}": low, f"high_{round(level * 100)}": high}
        return pd.DataFrame(rows)


def simulate_revenue(
    history: DealHistory, *, months: int = 3, seed: int = 0, draws: int = DRAWS, futures: int = FUTURES
) -> Revenue:
    """Return simulated revenue of the month of the history's day and the months after it.

    Parameters
    ----------
    history : DealHistory
        What was known on a day.
    months : int
        How many calendar months.
    seed : int
        The same history and seed give the same numbers.
    draws, futures : int
        Draws of the deals, and futures per draw.

    Returns
    -------
    Revenue

    Notes
    -----
    An open deal brings its amount as last known, times the ratio of final to then stated amount of a won deal that
    stood in the same stage; without an amount, that of any won deal. New deals arrive as `fit_arrivals` says, evenly
    over their month, belong to owners as those of the last 365 days did, and bring amounts of won deals, smoothed (log
    scale, Silverman's bandwidth) because the next large one is none of those seen.
    """
    rng = np.random.default_rng([seed, history.day])
    now = int(month_of(history.day))
    span = now + np.arange(months)
    ends = first_day(span + 1) - 1
    weights = rng.standard_exponential((draws, len(history.deals)))
    hazards = fit_hazards(history, weights=weights)
    owners = tuple(sorted({*history.deals["owner_id"]}))
    pool = _Amounts(history, weights)
    size = (draws, futures, months, len(owners))
    opened = _from_open(history, hazards, pool, ends, owners, np.zeros(size), rng)
    arrivals = fit_arrivals(history.deals["opened"].to_numpy(np.int64), history.day)
    new = _from_new(history, hazards, pool, ends, owners, weights, arrivals, np.zeros(size), rng)
    shape = (draws * futures, months, len(owners))
    return Revenue(span, owners, _closed(history, months, owners), opened.reshape(shape), new.reshape(shape), arrivals)


class _Amounts:
    """Amounts of won deals, and what became of amounts stated before."""

    def __init__(self, history: DealHistory, weights: FloatArray) -> None:
        amount = history.deals["amount"].to_numpy(np.float64)
        won = ((history.deals["status"] == WON) & np.isfinite(amount)).to_numpy()
        self.values = amount[won]
        self.shares = _Shares(weights[:, won])
        positive = np.log(self.values[self.values > 0])
        quarter = float(np.subtract(*np.quantile(positive, [0.75, 0.25]))) if len(positive) else 0.0
        self.width = 0.9 * min(float(positive.std()) if len(positive) else 0.0, quarter / 1.34)
        self.width *= max(len(positive), 1) ** -0.2
        self.ratios = _ratios(history, np.where(won, amount, np.nan))

    def draw(self, of_draw: I64, rng: np.random.Generator) -> FloatArray:
        """Return amounts, one for each entry of `of_draw` (which draw of the deals it is for)."""
        smooth = np.exp(self.width * rng.standard_normal(len(of_draw)) - self.width**2 / 2)
        found: FloatArray = self.values[self.shares.draw(of_draw, rng)] * smooth
        return found

    def ratio(self, stages: NDArray[np.object_], rng: np.random.Generator) -> FloatArray:
        """Return final over stated amounts for deals in these stages."""
        found = np.ones(len(stages))
        for stage, ratios in self.ratios.items():
            here = stages == stage
            if len(ratios):
                found[here] = ratios[rng.integers(len(ratios), size=int(here.sum()))]
        return found


class _Shares:
    """Draws of a category, with shares that differ from draw to draw."""

    def __init__(self, weights: FloatArray) -> None:
        total = np.cumsum(weights, axis=1)
        self.size = weights.shape[1]
        # draw k owns the stretch [k, k + 1) of one long line
        self.line = (total / total[:, -1:] + np.arange(len(weights))[:, None]).ravel() if self.size else np.zeros(0)

    def draw(self, of_draw: I64, rng: np.random.Generator) -> I64:
        at = np.searchsorted(self.line, of_draw + rng.random(len(of_draw)), side="right")
        found: I64 = np.clip(at - of_draw * self.size, 0, self.size - 1)
        return found


def _ratios(history: DealHistory, final: FloatArray) -> dict[str, FloatArray]:
    """Return for each stage the final over the then stated amounts of won deals; of all stages where it has too few."""
    spells = history.spells
    stated, end = spells["amount"].to_numpy(np.float64), final[spells["deal"].to_numpy(np.int64)]
    told = (stated > 0) & (end > 0)
    ratio, stage = np.divide(end, stated, out=np.ones_like(end), where=told), spells["stage"].to_numpy(object)
    everywhere = ratio[told] if told.sum() >= _FEWEST_RATIOS else np.ones(0)
    found = {}
    for name in sorted({*stage}):
        here = ratio[told & (stage == name)]
        found[name] = here if len(here) >= _FEWEST_RATIOS else everywhere
    return found


def _closed(history: DealHistory, months: int, owners: tuple[str, ...]) -> FloatArray:
    found = np.zeros((months, len(owners)))
    deals = history.deals
    now = (deals["status"] == WON).to_numpy() & (deals["closed"] >= first_day(month_of(history.day))).to_numpy()
    sums = deals[now].groupby("owner_id")["amount"].sum().reindex(owners, fill_value=0.0)
    found[0] = sums.to_numpy(np.float64)
    return found


def _from_open(
    history: DealHistory,
    hazards: DealHazards,
    pool: _Amounts,
    ends: I64,
    owners: tuple[str, ...],
    into: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    lasting = history.spells[history.spells["to"] == UNSTAGED]
    deals = history.deals.iloc[lasting["deal"].to_numpy()]
    owner = np.searchsorted(np.array(owners, object), deals["owner_id"].to_numpy(object))
    amount, name = deals["amount"].to_numpy(np.float64), lasting["stage"].to_numpy(object)
    stage, age = hazards.states(lasting)
    by_end = hazards.win_by([*(ends - history.day + 1)])
    draws, futures, months = into.shape[:3]
    step = max(1, _CELLS // (draws * futures))
    for start in range(0, len(deals), step):
        part = slice(start, start + step)
        by = by_end[:, :, stage[part], age[part]][:, :, None]
        luck = rng.random((draws, futures, len(amount[part])))
        month = (luck >= by).sum(axis=0)
        draw, future, deal = np.nonzero(month < months)
        when, deal_at = month[draw, future, deal], deal + start
        stated = amount[deal_at]
        money = stated * pool.ratio(name[deal_at], rng)
        unknown = ~np.isfinite(stated)
        money[unknown] = pool.draw(draw[unknown], rng)
        _add(into, (draw, future, when, owner[deal_at]), money)
    return into


def _from_new(
    history: DealHistory,
    hazards: DealHazards,
    pool: _Amounts,
    ends: I64,
    owners: tuple[str, ...],
    weights: FloatArray,
    arrivals: Arrivals,
    into: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    draws, futures, months = into.shape[:3]
    starts = np.maximum(first_day(month_of(ends)), history.day)
    lengths = ends - first_day(month_of(ends)) + 1
    means = arrivals.season[month_of(ends) % 12] * (ends - starts + 1) / lengths
    count = arrivals.draw(means, rng, draws * futures).reshape(draws, futures, months)
    wins = rng.multinomial(count, _won_when(history, hazards, weights, starts, ends)[:, None])[..., :-1].sum(axis=2)
    draw, future, month = (
        np.repeat(index.ravel(), wins.ravel()) for index in np.indices(wins.shape, dtype=np.int64, sparse=False)
    )
    recent = (history.deals["opened"] >= history.day - _RECENT_DAYS).to_numpy()
    recent = recent if recent.any() else np.ones(len(recent), bool)
    owner = np.searchsorted(np.array(owners, object), history.deals["owner_id"].to_numpy(object))
    shares = np.stack([np.bincount(owner[recent], w[recent], len(owners)) for w in weights])
    _add(into, (draw, future, month, _Shares(shares.astype(np.float64)).draw(draw, rng)), pool.draw(draw, rng))
    return into


def _won_when(history: DealHistory, hazards: DealHazards, weights: FloatArray, starts: I64, ends: I64) -> FloatArray:
    """Return P(a deal opened in month a is won in month m), and at last in none, shape (draws, months, months + 1)."""
    first = history.spells.drop_duplicates("deal")
    place = {name: k for k, name in enumerate(hazards.stages)}
    code, deal = first["stage"].map(place).to_numpy(np.int64), first["deal"].to_numpy(np.int64)
    begins = np.stack([np.bincount(code, w[deal], len(place)) for w in weights]).astype(np.float64)
    begins /= begins.sum(axis=1, keepdims=True)
    won = np.einsum("kbs,bs->kb", hazards.win_of_new(int(ends[-1] - starts[0])), begins)
    found = np.zeros((len(weights), len(ends), len(ends) + 1))
    for a, (start, end) in enumerate(zip(starts, ends, strict=True)):
        days = np.arange(start, end + 1)
        by_end = np.stack([won[np.maximum(last - days, 0)].mean(axis=0) for last in ends], axis=1)
        found[:, a, :-1] = np.maximum(np.diff(by_end, axis=1, prepend=0.0), 0.0)
    found[..., -1] = np.maximum(1.0 - found[..., :-1].sum(axis=-1), 0.0)
    return found


def _add(into: FloatArray, at: tuple[I64, ...], values: FloatArray) -> None:
    into += np.bincount(np.ravel_multi_index(at, into.shape), values, minlength=into.size).reshape(into.shape)
