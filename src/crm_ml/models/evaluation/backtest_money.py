"""What the scores of a backtest would have earned: by risk and by value, at the room there is and at the best size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Final

import numpy as np
import pandas as pd

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.backtest_rows import (
    CHAMPION,
    CUTOFF,
    NAME,
    Block,
    Choice,
    Draws,
    FloatArray,
    blocks_of,
    check_predictions,
)
from crm_ml.models.evaluation.contacts import gain_of_contact, profit_at_capacity
from crm_ml.models.evaluation.intervals import interval
from crm_ml.models.evaluation.profit import SaveRate, empb, empb_share

POOLED: Final = "pooled"
LISTS, SHARE, BEST = "lists", "share", "best"
ROOMS: Final = (LISTS, SHARE, BEST)
"""One day's lists of the team, a share of the customers, and as many as pay best."""
AMOUNTS: Final = ("by_value", "by_risk", "value_less_risk", "less_champion")
MONEY_COLUMNS: Final = (
    CUTOFF,
    NAME,
    "room",
    "contacts",
    *(f"{amount}{end}" for amount in AMOUNTS for end in ("", "_low", "_high")),
)
_PRIOR_STRENGTH = 20.0  # of Beta(6, 14): as sure of another save rate as the paper is of its .30
_BEST_REPLICATES = 100


@dataclass(frozen=True)
class Terms:
    """What a contact is taken to bring and to cost, and how many there is time for.

    Attributes
    ----------
    save_rate : float
        Share of contacted leavers who stay; an assumption until an experiment has measured it.
    cost : float
        Of one contact.
    lists : mapping of str to int
        Cutoff (ISO) -> contacts of one day: the daily capacities of the team, summed.
    share : float
        Share of the customers for the second room.

    Raises
    ------
    UsageError
        A share is not in (0, 1), or the cost is negative.
    """

    save_rate: float
    cost: float
    lists: Mapping[str, int]
    share: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.save_rate < 1 and self.cost >= 0 and 0 < self.share < 1):
            raise UsageError(
                f"Save rate and share must be in (0, 1) and the cost not negative; found {self.save_rate}, "
                f"{self.share} and {self.cost}",
                remedy="Give what the policy assumes of its action.",
                code="bad_terms",
            )

    @property
    def prior(self) -> SaveRate:
        """The save rate as a beta distribution with the spread of Beta(6, 14)."""
        return SaveRate(_PRIOR_STRENGTH * self.save_rate, _PRIOR_STRENGTH * (1 - self.save_rate))


def judge_money(
    predictions: pd.DataFrame,
    choices: Sequence[Choice],
    terms: Terms,
    *,
    seed: int = 0,
    replicates: int = 400,
) -> pd.DataFrame:
    """Return what contacting by each score would have earned per cutoff and in sum, with 95 % intervals.

    By risk those with the highest probability are contacted; by value those with the highest
    ``save_rate x p x value`` where that covers the cost, as the policy does. A contact brings
    ``save_rate x y x value - cost``. Customers are drawn once for all cutoffs, so differences are paired.

    Parameters
    ----------
    predictions, choices
        As `crm_ml.models.evaluation.backtest.judge` takes them.
    terms : Terms
        Save rate, cost, and how many contacts there is time for.
    seed, replicates : int
        Of the draws of customers; the room ``best`` uses the first 100 of them.

    Returns
    -------
    pandas.DataFrame
        One row per scope (``pooled`` first), name and room. ``room``: ``lists`` (one day's lists of the team),
        ``share`` (a share of the customers) and ``best`` (as many as pay best: `empb` x customers, no incentive).
        ``contacts`` of the list by value; ``by_value``, ``by_risk``, ``value_less_risk``, and ``less_champion`` (by
        value, minus the champion's), each with ``_low`` and ``_high``. Empty where nothing is at stake with anybody.

    Raises
    ------
    DataError
        If columns are missing, a cutoff has no choice, or names stand for different customers.

    Examples
    --------
    >>> import datetime as dt
    >>> day = dt.date(2025, 1, 1)
    >>> rows = pd.DataFrame({"cutoff": day, "customer_id": list("ab"), "name": "model", "margin": [1.0, 0.0],
    ...                      "p": [0.6, 0.5], "y": [True, True], "value_at_stake": [100.0, 900.0]})
    >>> terms = Terms(save_rate=0.5, cost=10.0, lists={"2025-01-01": 1})
    >>> money = judge_money(rows, [Choice(day, "model", "champion", ("model",), ())], terms, replicates=20)
    >>> row = money.query("cutoff == 'pooled' and name == 'model' and room == 'lists'").iloc[0]
    >>> float(row["by_value"]), float(row["by_risk"])
    (440.0, 40.0)
    """
    check_predictions(predictions, choices)
    ordered = sorted(choices, key=lambda choice: choice.cutoff)
    blocks = blocks_of(predictions, ordered)
    if not any((np.nan_to_num(block.value) > 0).any() for block in blocks):
        return pd.DataFrame(columns=list(MONEY_COLUMNS))
    drawn = Draws.of([block.customers for block in blocks], replicates=replicates, seed=seed)
    names = (CHAMPION, *dict.fromkeys(name for c in ordered for name in (*c.candidates, *c.rules)))
    earned = _Earned(blocks, drawn, terms)
    everywhere = tuple(range(len(blocks)))
    rows = []
    for label, scope in ({POOLED: everywhere} | {str(blocks[k].cutoff): (k,) for k in everywhere}).items():
        for name in names:
            there = tuple(k for k in scope if name in blocks[k].margins)
            rows += [
                {CUTOFF: label, NAME: name, "room": room, **earned.row(there, name, room)}
                for room in ROOMS * bool(there)
            ]
    return pd.DataFrame(rows, columns=list(MONEY_COLUMNS))


@dataclass(frozen=True)
class _Part:
    """What one score earns at one cutoff: in all, and in each draw."""

    contacts: float
    by_value: tuple[float, FloatArray]
    by_risk: tuple[float, FloatArray]


class _Earned:
    """What every name earns at every cutoff and room; each computed once."""

    def __init__(self, blocks: Sequence[Block], drawn: Draws, terms: Terms) -> None:
        self._blocks, self._drawn, self._terms = blocks, drawn, terms
        self._known: dict[tuple[int, str, str], _Part] = {}

    def row(self, there: tuple[int, ...], name: str, room: str) -> dict[str, float]:
        """Return the amounts summed over the cutoffs at the given places, with their intervals."""
        own, champion = (list(self._parts(there, one, room)) for one in (name, CHAMPION))
        by_value, by_risk, best = (
            (sum(value for value, _ in sums), np.sum([draws for _, draws in sums], axis=0))
            for sums in ([p.by_value for p in own], [p.by_risk for p in own], [p.by_value for p in champion])
        )
        amounts = {
            "by_value": by_value,
            "by_risk": by_risk,
            "value_less_risk": (by_value[0] - by_risk[0], by_value[1] - by_risk[1]),
            "less_champion": (by_value[0] - best[0], by_value[1] - best[1]),
        }
        row = {"contacts": sum(part.contacts for part in own)}
        for amount, (value, draws) in amounts.items():
            found = interval(value, draws)
            row |= {amount: found.value, f"{amount}_low": found.low, f"{amount}_high": found.high}
        return row

    def _parts(self, there: tuple[int, ...], name: str, room: str) -> Iterator[_Part]:
        for k in there:
            # the champion is one of the others: nothing is computed twice
            key = (k, self._blocks[k].first_of(name), room)
            if key not in self._known:
                self._known[key] = self._part(*key)
            yield self._known[key]

    def _part(self, k: int, name: str, room: str) -> _Part:
        block, terms, weights = self._blocks[k], self._terms, self._drawn.weights[k]
        value = np.maximum(np.nan_to_num(block.value), 0.0)
        p = block.probabilities[name]
        expected = terms.save_rate * p * value
        if room == BEST:
            return self._best(block, value, {"by_value": expected, "by_risk": p}, weights[:_BEST_REPLICATES])
        capacity = terms.lists.get(str(block.cutoff), 0) if room == LISTS else ceil(terms.share * len(p) - 1e-9)
        gain = gain_of_contact(block.y, value, save_rate=terms.save_rate, cost=terms.cost)
        found = {}
        for key, score, least in (("by_value", expected, terms.cost), ("by_risk", p, -np.inf)):
            earn = partial(profit_at_capacity, gain, score, capacity=capacity, least=least)
            found[key] = (earn(), earn(weights))
        return _Part(float(min(capacity, int((expected >= terms.cost).sum()))), **found)

    def _best(self, block: Block, value: FloatArray, scores: Mapping[str, FloatArray], weights: Any) -> _Part:
        terms: dict[str, Any] = {
            "value": value,
            "incentive_share": 0.0,
            "contact": self._terms.cost,
            "save_rate": self._terms.prior,
        }
        rows, totals = len(value), weights.sum(axis=1)
        found = {
            key: (rows * empb(block.y, score, **terms), totals * empb(block.y, score, weights, **terms))
            for key, score in scores.items()
        }
        return _Part(rows * empb_share(block.y, scores["by_value"], **terms), **found)
