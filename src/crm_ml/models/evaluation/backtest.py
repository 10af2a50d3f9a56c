"""Several past days judged together: every score at every cutoff and pooled, and every difference, with intervals.

Customers are drawn once for all cutoffs: who stands at four of them comes along with all four rows in every draw, and
all scores are judged on the same draws. So each difference is paired, by customer and by cutoff.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import DataError
from crm_ml.models.evaluation import metrics
from crm_ml.models.evaluation.backtest_rows import (
    CHAMPION,
    CUTOFF,
    NAME,
    Block,
    Choice,
    Draws,
    blocks_of,
    check_predictions,
)
from crm_ml.models.evaluation.intervals import Interval, bootstrap, interval

FloatArray = NDArray[np.float64]
POOLED, KIND = "pooled", "kind"
CANDIDATE, RULE = "candidate", "rule"
METRICS = ("auc", "average_precision", "lift_at_capacity", "brier", "brier_skill", "log_loss", "ece", "level")
HIGHER_IS_BETTER = frozenset({"auc", "average_precision", "lift_at_capacity", "brier_skill"})
_OVER_ALL_ROWS = frozenset({"ece", "brier_skill"})  # not a mean of those inside the cutoffs
_DIFFERENCE_COLUMNS = (CUTOFF, NAME, "other", "metric", "value", "low", "high")


def level(y: Any, p: Any, weights: Any = None) -> Any:
    """Return mean prediction minus rate of churn: above zero means that too much churn was predicted.

    Examples
    --------
    >>> level([0, 1], [0.5, 0.9])
    0.2
    """
    truth, values, w, single = metrics._checked(y, p, weights)
    found = (w * (values - truth)).sum(axis=1) / w.sum(axis=1)
    return metrics._out(found, single)


@dataclass(frozen=True)
class Backtest:
    """What the cutoffs say, one by one and pooled; made by `judge`.

    Attributes
    ----------
    names : tuple of str
        ``champion`` (what would have served at each cutoff), the candidates, the rules.
    table : pandas.DataFrame
        One row per scope (``pooled`` first, then the cutoffs) and name: ``cutoff``, ``name``, ``kind``, ``cutoffs``
        (how many), ``rows``, ``churned``, and each of `METRICS` with ``_low`` and ``_high``, the ends of its 95 %
        interval.
    differences : pandas.DataFrame
        One row per scope, ordered pair of names and metric: ``value`` is the first minus the second, paired. Pooled
        over the cutoffs at which both were there.
    best_candidate, best_rule : str
        The one with the highest pooled AUC; empty where there is none.
    """

    names: tuple[str, ...]
    table: pd.DataFrame
    differences: pd.DataFrame
    best_candidate: str
    best_rule: str

    def measure(self, name: str, metric: str = "auc", cutoff: str | dt.date = POOLED) -> Interval:
        """Return one metric of one name, pooled or at a cutoff.

        Raises
        ------
        DataError
            If there is no such row.
        """
        rows = self.table[(self.table[CUTOFF] == str(cutoff)) & (self.table[NAME] == name)]
        if rows.empty or metric not in rows.columns:
            raise _unknown(f"{metric} of {name} at {cutoff}", self.names)
        row = rows.iloc[0]
        return Interval(float(row[metric]), float(row[f"{metric}_low"]), float(row[f"{metric}_high"]))

    def difference(self, name: str, other: str, metric: str = "auc", cutoff: str | dt.date = POOLED) -> Interval:
        """Return one metric of `name` minus that of `other` with its paired interval.

        Raises
        ------
        DataError
            If there is no such row.
        """
        d = self.differences
        rows = d[(d[CUTOFF] == str(cutoff)) & (d[NAME] == name) & (d["other"] == other) & (d["metric"] == metric)]
        if rows.empty:
            raise _unknown(f"difference of {metric} between {name} and {other} at {cutoff}", self.names)
        return Interval(*(float(rows.iloc[0][key]) for key in ("value", "low", "high")))


def _unknown(what: str, names: Iterable[str]) -> DataError:
    return DataError(f"There is no {what}", remedy=f"The names are {', '.join(names)}.", code="no_such_row")


def judge(
    predictions: pd.DataFrame,
    choices: Sequence[Choice],
    *,
    capacity: float = 0.1,
    seed: int = 0,
    replicates: int = 400,
) -> Backtest:
    """Return metrics and differences of every score per cutoff and pooled, with 95 % customer-bootstrap intervals.

    Parameters
    ----------
    predictions : pandas.DataFrame
        The columns `COLUMNS`; one row per cutoff, customer and name. ``y`` is what happened.
    choices : sequence of Choice
        One per cutoff: which name the row ``champion`` stands for there.
    capacity : float
        Share of customers that can be acted upon.
    seed, replicates : int
        Of the draws of customers.

    Notes
    -----
    Every cutoff has models of its own, whose margins are not on one scale, and a list ranks the customers of one day.
    So pooled ranking measures (AUC, average precision, lift) are the mean of those inside the cutoffs, weighted by
    rows; for Brier score, log loss and ``level`` (mean prediction minus rate) that is the mean over all rows; and
    calibration error and Brier skill are taken over all rows at once. In each draw the weights are those of the draw. A
    cutoff at which all churned or all stayed has no ranking: it is left out of the pooled ranking measures.

    Raises
    ------
    DataError
        If columns are missing, a cutoff has no choice, or names stand for different customers.

    Examples
    --------
    >>> from crm_ml.models.evaluation.backtest_rows import COLUMNS
    >>> day, other = dt.date(2025, 1, 1), dt.date(2025, 4, 1)
    >>> rows = [(d, c, n, m, 0.5, c in "ab", 0.0) for d in (day, other) for n, sign in (("model", 1), ("rule", -1))
    ...         for c, m in zip("abcd", (4 * sign, 1 * sign, 2 * sign, 0 * sign))]
    >>> table = pd.DataFrame(rows, columns=list(COLUMNS))
    >>> result = judge(table, [Choice(d, "model", "champion", ("model",), ("rule",)) for d in (day, other)],
    ...                replicates=50)
    >>> result.names, result.measure("champion").value, result.difference("model", "rule").value
    (('champion', 'model', 'rule'), 0.75, 0.5)
    """
    check_predictions(predictions, choices)
    ordered = sorted(choices, key=lambda choice: choice.cutoff)
    blocks = blocks_of(predictions, ordered)
    drawn = Draws.of([block.customers for block in blocks], replicates=replicates, seed=seed)
    candidates = tuple(dict.fromkeys(name for choice in ordered for name in choice.candidates))
    rules = tuple(dict.fromkeys(name for choice in ordered for name in choice.rules))
    names = (CHAMPION, *candidates, *rules)
    measures = _Measures(blocks, drawn, capacity)
    kinds = {CHAMPION: CHAMPION, **dict.fromkeys(candidates, CANDIDATE), **dict.fromkeys(rules, RULE)}
    everywhere = tuple(range(len(blocks)))
    scopes = {POOLED: everywhere} | {str(blocks[k].cutoff): (k,) for k in everywhere}
    rows: list[dict[str, Any]] = []
    gaps: list[tuple[Any, ...]] = []
    for label, scope in scopes.items():
        at = {name: tuple(k for k in scope if name in blocks[k].margins) for name in names}
        rows += [
            {CUTOFF: label, NAME: name, KIND: kinds[name]} | _row(blocks, at[name], measures, name)
            for name in names
            if at[name]
        ]
        for pair in combinations(names, 2):
            both = tuple(k for k in at[pair[0]] if k in at[pair[1]])
            gaps += [(label, *one) for one in _gaps(both, measures, pair)]
    table = pd.DataFrame(rows)
    pooled = table[table[CUTOFF] == POOLED]
    return Backtest(
        names=names,
        table=table,
        differences=pd.DataFrame(gaps, columns=list(_DIFFERENCE_COLUMNS)),
        best_candidate=_best(pooled[pooled[KIND] == CANDIDATE]),
        best_rule=_best(pooled[pooled[KIND] == RULE]),
    )


def _best(rows: pd.DataFrame) -> str:
    known = rows[rows["auc"].notna()].sort_values("auc", ascending=False, kind="stable")
    return str(known[NAME].iloc[0]) if len(known) else ""


class _Measures:
    """Every metric of every name over any set of cutoffs, and its value in each draw; each computed once."""

    def __init__(self, blocks: Sequence[Block], drawn: Draws, capacity: float) -> None:
        self._blocks, self._drawn, self._capacity = blocks, drawn, capacity
        self._known: dict[tuple[tuple[int, ...], str, str], tuple[float, FloatArray]] = {}

    def of(self, there: tuple[int, ...], name: str, metric: str) -> tuple[float, FloatArray]:
        """Return a metric pooled over the cutoffs at the given places."""
        if len(there) == 1:
            # the champion is one of the others: nothing is computed twice
            name = self._blocks[there[0]].first_of(name)
        key = (there, name, metric)
        if key not in self._known:
            stacked = len(there) == 1 or metric in _OVER_ALL_ROWS
            self._known[key] = self._stacked(*key) if stacked else self._mean(*key)
        return self._known[key]

    def _stacked(self, there: tuple[int, ...], name: str, metric: str) -> tuple[float, FloatArray]:
        measure, by_margin = _MEASURES[metric]
        if metric == "lift_at_capacity":
            measure = partial(measure, capacity=self._capacity)
        blocks = [self._blocks[k] for k in there]
        y = np.concatenate([block.y for block in blocks])
        scores = np.concatenate([(block.margins if by_margin else block.probabilities)[name] for block in blocks])
        weights = [self._drawn.weights[k] for k in there]
        drawn = bootstrap(measure, y, scores, weights[0] if len(there) == 1 else np.concatenate(weights, axis=1))
        return float(measure(y, scores)), drawn

    def _mean(self, there: tuple[int, ...], name: str, metric: str) -> tuple[float, FloatArray]:
        parts = [(len(self._blocks[k].y), self._drawn.totals[k], *self.of((k,), name, metric)) for k in there]
        parts = [part for part in parts if np.isfinite(part[2])]
        if not parts:
            return float("nan"), np.full(len(self._drawn.totals[0]), np.nan)
        value = sum(rows * one for rows, _, one, _ in parts) / sum(rows for rows, *_ in parts)
        summed = np.sum([total * draws for _, total, _, draws in parts], axis=0)
        return float(value), np.asarray(summed / np.sum([total for _, total, *_ in parts], axis=0))


_MEASURES: Mapping[str, tuple[Callable[..., Any], bool]] = {
    "auc": (metrics.auc, True),
    "average_precision": (metrics.average_precision, True),
    "lift_at_capacity": (metrics.lift_at_capacity, True),
    "brier": (metrics.brier, False),
    "brier_skill": (metrics.brier_skill, False),
    "log_loss": (metrics.log_loss, False),
    "ece": (metrics.calibration_error, False),
    "level": (level, False),
}
"""Each measure, and whether it reads margins (else probabilities)."""


def _row(blocks: Sequence[Block], there: tuple[int, ...], measures: _Measures, name: str) -> dict[str, float | int]:
    row: dict[str, float | int] = {
        "cutoffs": len(there),
        "rows": sum(len(blocks[k].y) for k in there),
        "churned": int(sum(blocks[k].y.sum() for k in there)),
    }
    for metric in METRICS:
        found = interval(*measures.of(there, name, metric))
        row |= {metric: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high}
    return row


def _gaps(there: tuple[int, ...], measures: _Measures, pair: tuple[str, str]) -> list[tuple[Any, ...]]:
    """Return each metric of the first minus that of the second, and the same turned round."""
    rows: list[tuple[Any, ...]] = []
    for metric in METRICS if there else ():
        (value, draws), (less, fewer) = (measures.of(there, one, metric) for one in pair)
        found = interval(value - less, draws - fewer)
        rows.append((*pair, metric, found.value, found.low, found.high))
        rows.append((*pair[::-1], metric, -found.value, -found.high, -found.low))
    return rows
