"""The scores of a day, some thousands of customers after the other: memory holds a few numbers per customer.

Features come part by part (`feature_parts`). Of each part are kept the probability, the value, the tier, what lists
look at, and the reasons as Arrow's lists; its features are then let go. Where only a share of the customers gets
reasons, the features of those who may still be among them wait in a pool until all scores are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from crm_ml import names as n
from crm_ml.actions import priority, value_at_stake
from crm_ml.actions.policy import assign_tiers
from crm_ml.errors import Failure
from crm_ml.features import AnyFeature, default_features, feature_parts, make_spine, usual_gap_days
from crm_ml.features.attributes import own_features
from crm_ml.features.outcome import CONTRACT_CANCELLED
from crm_ml.jobs.score_table import (
    SCHEMA,
    Effects,
    FloatArray,
    Numbers,
    Scored,
    Scoring,
    account_managers,
    effects_of,
    reasons_array,
    table_of,
)
from crm_ml.jobs.stages import stage
from crm_ml.models import Contributions
from crm_ml.models.explain.reasons import CONTEXT_FEATURES, reasons_for
from crm_ml.models.model import features_for
from crm_ml.tables import Tables

ROWS_AT_ONCE = 65_536
"""Customers that are scored together; it changes no result."""
SHOWN_ROWS = 2_000
"""At most so many rows are kept with features and contributions."""
_SHORT = 2**16
_FEW_ORDER_DAYS = 3
_VALUE_FEATURES = (n.NET_REVENUE_365D, n.COST_365D, n.ORDER_GAP_DAYS_MEAN, n.ORDER_DAYS_COUNT)

Ints = NDArray[np.int64]
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Beside:
    """What is wanted of each customer besides the score.

    Attributes
    ----------
    names : tuple of str
        Ids of features; those that are not declared are left out.
    also : tuple of features
        Features to compute besides those that the model knows of.
    everything : bool
        Whether all features that are declared are computed, for the rows that are kept with their features.
    """

    names: tuple[str, ...] = ()
    also: tuple[AnyFeature, ...] = ()
    everything: bool = False


def score_customers(
    tables: Tables,
    seen: Tables,
    how: Scoring,
    beside: Beside | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Scored:
    """Return the scores of the customers that are eligible on the day, highest priority first.

    Parameters
    ----------
    tables : Tables
        Those that the features are made of.
    seen : Tables
        What is visible at the start of the day, of the customers at least.
    how : Scoring
        Model, day and definitions.
    beside : Beside, optional
        What else is wanted.
    progress : callable, optional
        Gets one line per batch, where there are several.

    Raises
    ------
    Failure
        If the model needs a feature that is not declared.
    """
    wanted = beside or Beside()
    with stage("features"):
        spine = make_spine(tables, [how.as_of], active_days=how.active_days, outcome=how.outcome)
    features = _features(tables, how, wanted)
    if len(spine) == 0:
        nothing = how.model.contributions(pd.DataFrame({f.id: np.zeros(0) for f in features}))
        return Scored(SCHEMA.empty_table(), spine, nothing, Effects(0, {}, {}), spine)
    day = _Day(spine, seen, how, [name for name in wanted.names if name in {f.id for f in features}])
    done = 0
    for rows, columns in _batches(feature_parts(tables, spine, features=features)):
        day.take(rows, columns)
        done += len(rows)
        if progress is not None and len(rows) < len(spine):
            progress(f"scored {done:,} of {len(spine):,} customers")
    return day.scored()


def features_beside(tables: Tables, spine: pd.DataFrame, features: Sequence[AnyFeature]) -> pd.DataFrame:
    """Return the spine with some features, where the scores themselves are published already."""
    found: dict[str, np.ndarray] = {}
    with stage("features"):
        for rows, columns in feature_parts(tables, spine, features=features):
            _keep(found, columns, rows, len(spine))
    return _with(spine, found)


def declared_beside(tables: Tables, how: Scoring, beside: Beside) -> list[AnyFeature]:
    """Return the declared features among those wanted besides the score."""
    known = {feature.id: feature for feature in _known(tables, how)}
    return [*(known[name] for name in dict.fromkeys(beside.names) if name in known), *beside.also]


def _known(tables: Tables, how: Scoring) -> list[AnyFeature]:
    found = features_for(tables, [how.model])
    return [*default_features(), *own_features(tables)] if found is None else found


def _features(tables: Tables, how: Scoring, beside: Beside) -> list[AnyFeature]:
    """Return the features that the score, its reasons and the lists look at."""
    known = _known(tables, how)
    ids = {feature.id for feature in known}
    missing = [name for name in (*how.model.features, *_VALUE_FEATURES) if name not in ids]
    if missing:
        raise Failure(
            f"The model needs features that are not declared here: {', '.join(missing[:5])}",
            remedy="Declare them with add_feature before scoring, as was done before training.",
            code="feature_not_declared",
        )
    needed = {*how.model.features, *_VALUE_FEATURES, *CONTEXT_FEATURES, *beside.names}
    return [*(f for f in known if beside.everything or f.id in needed), *(f for f in beside.also if f.id not in ids)]


def _batches(parts: Iterator[tuple[Ints, dict[str, np.ndarray]]]) -> Iterator[tuple[Ints, Columns]]:
    """Yield parts joined to batches that are worth a call of the model."""
    waiting: list[tuple[Ints, dict[str, np.ndarray]]] = []
    while True:
        with stage("features"):
            part = next(parts, None)
            if part is not None:
                waiting.append(part)
        if waiting and (part is None or sum(len(rows) for rows, _ in waiting) >= ROWS_AT_ONCE):
            rows = np.concatenate([rows for rows, _ in waiting])
            columns = {name: np.concatenate([some[name] for _, some in waiting]) for name in waiting[0][1]}
            waiting.clear()
            yield rows, columns
        if part is None:
            return


def _keep(kept: dict[str, np.ndarray], columns: Columns, rows: Ints, size: int) -> None:
    for name, values in columns.items():
        if name not in kept:
            kept[name] = np.empty(size, values.dtype)
        kept[name][rows] = values


def _with(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    texts = {name: pd.array(x, dtype="str") if x.dtype == object else x for name, x in columns.items()}
    return pd.concat([frame, pd.DataFrame(texts, index=frame.index, copy=False)], axis=1)


@dataclass
class _Told:
    """The reasons made so far, and what is kept of the rows that have them."""

    how: Scoring
    seen: Tables
    rows: list[Ints] = field(default_factory=list)
    lists: list[pa.Array] = field(default_factory=list)
    shown: list[tuple[Ints, pd.DataFrame, pd.DataFrame]] = field(default_factory=list)
    base: float = 0.0
    count: int = 0
    causes: dict[str, float] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)

    def tell(self, rows: Ints, frame: pd.DataFrame, shown: NDArray[np.bool_]) -> FloatArray:
        """Make the reasons of some rows, of which some are kept to be shown; return their margins."""
        contributions = self.how.model.contributions(frame)
        own = (*own_features(self.seen), *self.how.model.declared)
        told = reasons_for(frame, contributions, currency=self.seen.currency, features=own)
        self.rows.append(rows)
        self.lists.append(reasons_array(told))
        self.base = contributions.base
        effects = effects_of(frame, contributions)
        self.count += effects.rows
        for sums, more in ((self.causes, effects.causes), (self.features, effects.features)):
            for name, x in more.items():
                sums[name] = sums.get(name, 0.0) + x
        if shown.any():
            self.shown.append((rows[shown], frame[shown], contributions.values[shown]))
        return contributions.margin

    def column(self, size: int) -> pa.Array:
        """Return one list per row of the spine, empty where there are no reasons."""
        rows = np.concatenate(self.rows)
        nothing = pa.array([[]], self.lists[0].type)
        at = np.full(size, len(rows))
        at[rows] = np.arange(len(rows))
        return pa.concat_arrays([*self.lists, nothing]).take(pa.array(at))

    def sample(self) -> tuple[pd.DataFrame, Contributions]:
        """Return the rows that are kept to be shown, in the order of the spine."""
        order = np.argsort(np.concatenate([rows for rows, _, _ in self.shown]), kind="stable")
        features = pd.concat([frame for _, frame, _ in self.shown]).iloc[order]
        values = pd.concat([some for _, _, some in self.shown]).iloc[order]
        return features.reset_index(drop=True), Contributions(values.reset_index(drop=True), self.base)


class _Day:
    """The numbers of a day's customers as they come in."""

    def __init__(self, spine: pd.DataFrame, seen: Tables, how: Scoring, names: Sequence[str]) -> None:
        self.spine, self.seen, self.how, self.names, rows = spine, seen, how, tuple(dict.fromkeys(names)), len(spine)
        self.ids = pa.array(spine[n.CUSTOMER_ID], pa.string())
        self.p, self.margin, self.value, self.tier_p, self.gaps = (np.empty(rows) for _ in range(5))
        self.tier = np.empty(rows, object)
        self.kept, self.short = np.zeros(rows, bool), np.zeros(rows, bool)
        self.beside: dict[str, np.ndarray] = {}
        self.told = _Told(how, seen)
        self.previous = _aligned(how.previous, self.ids)
        self.all_told = how.reasons_share >= 1
        self.pool = None if self.all_told else _Pool(how, rows, account_managers(seen, self.ids))

    def take(self, rows: Ints, columns: Columns) -> None:
        """Take the features of some customers."""
        how = self.how
        with stage("scores"):
            frame = _with(self.spine.iloc[rows].reset_index(drop=True), columns)
            margin = how.model.margin(frame)
            p = np.clip(np.asarray(how.model.probability(margin, frame), dtype=np.float64), 0.0, 1.0)
            self.p[rows], self.margin[rows] = p, margin
            self.gaps[rows] = frame[n.ORDER_GAP_DAYS_MEAN].to_numpy(np.float64)
            self.short[rows] = ~(frame[n.ORDER_DAYS_COUNT].to_numpy(np.float64) >= _FEW_ORDER_DAYS)
            _keep(self.beside, {name: columns[name] for name in self.names}, rows, len(self.spine))
        with stage("tiers"):
            cost = frame[n.COST_365D] if "cost_amount" in self.seen.mapped.get(n.ORDER_LINES, frozenset()) else None
            value = value_at_stake(frame[n.NET_REVENUE_365D], cost=cost, margin_rate=how.margin_rate)
            before = None if self.previous is None else self.previous.iloc[rows]
            tiers, tier_p = assign_tiers(p, value, tiers=how.tiers, previous=before)
            tier = np.array(tiers, object)
            if before is not None:
                self.kept[rows] = tier != np.array(assign_tiers(p, value, tiers=how.tiers)[0], object)
            self.value[rows], self.tier[rows], self.tier_p[rows] = value, tier, tier_p
        with stage("reasons"):
            if self.pool is not None:
                self.pool.add(rows, frame, self)
            else:
                step = max(1, -(-len(self.spine) // SHOWN_ROWS))
                self.margin[rows] = self.told.tell(rows, frame, rows % step == 0)

    def scored(self) -> Scored:
        """Return everything, once all features are in."""
        how, rows = self.how, len(self.spine)
        with stage("reasons"):
            if self.pool is not None:
                for some, frame, shown in self.pool.chosen(self):
                    self.margin[some] = self.told.tell(some, frame, shown)
            reasons = self.told.column(rows)
        with stage("tiers"):
            numbers = Numbers(
                self.ids, self.p, self.margin, self.value, self.tier, self.tier_p, self._slow(), self.short, self.kept
            )
            table = table_of(numbers, reasons, base=self.told.base, seen=self.seen, how=how)
        features, contributions = self.told.sample()
        effects = Effects(self.told.count, self.told.causes, self.told.features)
        return Scored(table, features, contributions, effects, _with(self.spine, self.beside))

    def _slow(self) -> NDArray[np.bool_]:
        """Return whose usual gap exceeds its label window: a pause tells little of it."""
        outcome, gaps = self.how.outcome, self.gaps
        if outcome.target == CONTRACT_CANCELLED:
            return np.zeros(len(self.spine), bool)
        if outcome.category is not None:
            gaps = usual_gap_days(self.seen, self.spine[[n.CUSTOMER_ID, n.AS_OF]], outcome=outcome)
        return np.asarray(gaps > outcome.horizons(gaps, self.how.horizon_days))


class _Pool:
    """The rows that may still get reasons: the riskiest share, and the first of each account manager and tier."""

    def __init__(self, how: Scoring, rows: int, managers: pa.Array) -> None:
        self.most, self.per_list = int(np.ceil(how.reasons_share * rows)), how.per_list
        self.manager = (
            pa.chunked_array([managers]).combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
        )
        self.rows: Ints = np.zeros(0, np.int64)
        self.frame = pd.DataFrame()

    def add(self, rows: Ints, frame: pd.DataFrame, day: _Day) -> None:
        """Take some rows in, and let go of those that are out of question by now."""
        mine = self._best(rows, day)  # who is not among the first of its own batch will not be among those of all
        rows, frame = rows[mine], frame[mine]
        self.rows = np.concatenate((self.rows, rows))
        self.frame = pd.concat([self.frame, frame], ignore_index=True) if len(self.frame) else frame
        if len(self.rows) > 1.5 * self.most:
            keep = self._best(self.rows, day)
            self.rows, self.frame = self.rows[keep], self.frame[keep]

    def chosen(self, day: _Day) -> Iterator[tuple[Ints, pd.DataFrame, NDArray[np.bool_]]]:
        """Yield the rows that get reasons in batches, each with its features and whether it is kept to be shown."""
        keep = np.flatnonzero(self._best(self.rows, day))
        keep = keep[np.argsort(self.rows[keep], kind="stable")]
        shown = np.arange(len(keep)) % max(1, -(-len(keep) // SHOWN_ROWS)) == 0
        for begin in range(0, len(keep), ROWS_AT_ONCE):
            some = keep[begin : begin + ROWS_AT_ONCE]
            frame = self.frame.iloc[some].reset_index(drop=True)
            yield self.rows[some], frame, shown[begin : begin + ROWS_AT_ONCE]

    def _best(self, rows: Ints, day: _Day) -> NDArray[np.bool_]:
        found = np.zeros(len(rows), bool)
        if not (rows[1:] > rows[:-1]).all():  # of equals, the first in the spine go before
            order = np.argsort(rows)
            found[order] = self._best(rows[order], day)
            return found
        found[_largest(day.p[rows], self.most)] = True
        tiers = day.tier[rows].tolist()
        number = {name: at for at, name in enumerate(dict.fromkeys(tiers))}
        tier = np.fromiter(map(number.__getitem__, tiers), np.int64, len(tiers))
        group = (self.manager[rows] + 1).astype(np.int64) * len(number) + tier
        if group.max(initial=0) < _SHORT:
            group = group.astype(np.uint16)  # sorted by counting
        order = np.argsort(-priority(day.p[rows], day.value[rows]), kind="stable")
        order = order[np.argsort(group[order], kind="stable")]
        sorted_ = group[order]
        first = np.flatnonzero(np.concatenate(([True], sorted_[1:] != sorted_[:-1])))
        place = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
        found[order[place < self.per_list]] = True
        return found


def _largest(values: FloatArray, count: int) -> Ints:
    """Return where the largest values are; of those that equal the least of them, the first.

    Examples
    --------
    >>> _largest(np.array([0.2, 0.5, 0.1, 0.2]), 2).tolist()
    [1, 0]
    """
    if count >= len(values):
        return np.arange(len(values))
    least = -np.partition(-values, count - 1)[count - 1] if count else np.inf
    above = np.flatnonzero(values > least)
    return np.concatenate((above, np.flatnonzero(values == least)[: count - len(above)]))


def _aligned(previous: pd.DataFrame | None, ids: pa.Array) -> Any:
    """Return the previous tiers row by row beside today's customers, null where there is none."""
    if previous is None:
        return None
    texts = ids.to_numpy(zero_copy_only=False)
    return previous.set_index(n.CUSTOMER_ID).reindex(texts).reset_index(drop=True)
