"""The rules a model of leads must beat: the rate of the source, the stage reached, the best single column, and points.

The points are those of crm.yaml, where there are any (`crm_ml.models.points`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import Finding
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.dataset import BoolArray
from crm_ml.models.points import POINTS, PointScheme, fit_points
from crm_ml.models.rows import Rows
from crm_ml.models.scorer import Scorer

BEST_COLUMN = "best_column"
SOURCE_RATE = "source_rate"
STAGE = "stage"
COLUMN_OF: Final[Mapping[str, str]] = {SOURCE_RATE: "lead_source", STAGE: "lead_stage_rank"}
COLUMN_RULES: Final = (SOURCE_RATE, STAGE, BEST_COLUMN)
LEAD_RULES: Final = (*COLUMN_RULES, POINTS)
"""All names; points are there only where a firm has written some down."""
_BINS = 10
_PRIOR_ROWS = 20.0
_FOLDS = 4

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ColumnRule:
    """The log-odds of each bin of one column, drawn in towards those of all rows.

    Attributes
    ----------
    name : str
        ``best_column``, ``source_rate`` or ``stage``.
    column : str
        The feature it reads.
    edges : tuple of float
        Upper ends of the bins of a number, ascending; the last bin has none. Of a category's codes: k + 0.5.
    log_odds : tuple of float
        One per bin.
    missing : float
        Of rows without a value.
    base : float
        Log-odds of all rows.
    """

    name: str
    column: str
    edges: tuple[float, ...]
    log_odds: tuple[float, ...]
    missing: float
    base: float
    kind: str = "rule"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the features it reads."""
        return (self.column,)

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the log-odds of each row's bin."""
        found = np.array([*self.log_odds, self.missing])
        return np.asarray(found[_bin(encoded[self.column], np.array(self.edges))])

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return everything as the contribution of the one column, against all rows as base."""
        return {self.column: self.margin(encoded) - self.base}, self.base

    def files(self) -> dict[str, Any]:
        """Return ``model.json``."""
        plain = {key: getattr(self, key) for key in ("name", "column", "missing", "base")}
        return {"model.json": {"kind": "rule", **plain, "edges": list(self.edges), "log_odds": list(self.log_odds)}}


def column_rule_from_json(value: Mapping[str, Any]) -> ColumnRule:
    """Return the rule of its stored values.

    Raises
    ------
    ValueError
        If a key is missing or not known, or a value is impossible.
    """
    keys = {"kind", "name", "column", "edges", "log_odds", "missing", "base"}
    if set(value) != keys or value["name"] not in COLUMN_RULES or not isinstance(value["column"], str):
        raise ValueError(f"a rule of one column must have the keys {sorted(keys)} and a known name")
    edges, log_odds = (tuple(map(_number, value[key])) for key in ("edges", "log_odds"))
    if len(log_odds) != len(edges) + 1 or list(edges) != sorted(set(edges)):
        raise ValueError("edges must ascend, with one bin more than there are edges")
    ends = _number(value["missing"]), _number(value["base"])
    return ColumnRule(value["name"], value["column"], edges, log_odds, *ends)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"expected a finite number, found {value!r}")
    return float(value)


def _bin(values: FloatArray, edges: FloatArray) -> IntArray:
    """Return the bin of each value; one past the last for missing ones."""
    found = np.searchsorted(edges, values, side="left")
    return np.where(np.isnan(values), len(edges) + 1, found)


def _edges(values: FloatArray, *, category: bool) -> FloatArray:
    known = values[~np.isnan(values)]
    if category:
        return np.arange(known.max() if known.size else 0.0) + 0.5
    ends: FloatArray = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if known.size else np.zeros(0)
    # an end at the highest value would leave the last bin empty
    return ends[ends < known.max()] if known.size else ends


def _log_odds(bins: IntArray, y: BoolArray, count: int) -> tuple[FloatArray, float]:
    """Return the log-odds per bin and of all rows; a bin gets twenty rows of the average for company."""
    rate = (y.sum() + 0.5) / (len(y) + 1.0)
    rows, won = np.bincount(bins, minlength=count), np.bincount(bins, weights=y, minlength=count)
    p = (won + _PRIOR_ROWS * rate) / (rows + _PRIOR_ROWS)
    return np.log(p / (1 - p)), float(np.log(rate / (1 - rate)))


def fit_column(name: str, column: str, values: FloatArray, y: BoolArray, *, category: bool = False) -> ColumnRule:
    """Return the rule of a given column.

    Parameters
    ----------
    name : str
        What the rule is called.
    column : str
        The feature.
    values : numpy.ndarray of float
        Its values, or codes of a category; NaN where missing.
    y : numpy.ndarray of bool
        What happened.
    category : bool
        Whether each code is a bin of its own; else there are at most ten bins of about as many rows.

    Examples
    --------
    >>> values, y = np.repeat([0.0, 1.0], 50), np.repeat([False, True], 50)
    >>> rule = fit_column("best_column", "x", values, y)
    >>> [round(m, 2) for m in rule.margin({"x": np.array([0.0, 1.0, np.nan])}).tolist()]
    [-1.79, 1.79, 0.0]
    """
    edges = _edges(values, category=category)
    odds, base = _log_odds(_bin(values, edges), y, len(edges) + 2)
    return ColumnRule(name, column, tuple(edges.tolist()), tuple(odds[:-1].tolist()), float(odds[-1]), base)


def best_column(rows: Rows, contract: ColumnContract) -> ColumnRule:
    """Return the rule of the column whose bins have the least log loss on subjects that they were not counted on.

    Subjects are dealt into four parts; ties go to the first column by name.

    Examples
    --------
    >>> from crm_ml.models.columns import Column
    >>> rng = np.random.default_rng(1)
    >>> x, noise = rng.random(400), rng.random(400)
    >>> ids = np.array([f"{k:03d}" for k in range(400)], dtype=object)
    >>> rows = Rows({"x": x, "noise": noise}, rng.random(400) < x, np.zeros(400, "datetime64[D]"), ids)
    >>> best_column(rows, ColumnContract((Column("noise", "number"), Column("x", "number")))).column
    'x'
    """
    _, subject = np.unique(rows.customers, return_inverse=True)
    part = subject % _FOLDS
    losses = {}
    for column in sorted(contract.ids):
        values = rows.encoded[column]
        edges = _edges(values, category=column in contract.categories)
        losses[column] = _loss(_bin(values, edges), rows.y, part, len(edges) + 2)
    chosen = min(sorted(losses), key=lambda column: losses[column])
    return fit_column(BEST_COLUMN, chosen, rows.encoded[chosen], rows.y, category=chosen in contract.categories)


def _loss(bins: IntArray, y: BoolArray, part: IntArray, count: int) -> float:
    total = 0.0
    for k in range(_FOLDS):
        here = part == k
        if not here.any() or here.all():
            continue
        odds = _log_odds(bins[~here], y[~here], count)[0][bins[here]]
        total += float(np.logaddexp(0.0, np.where(y[here], -odds, odds)).sum())
    return total / len(y)


@dataclass(frozen=True)
class LeadRules:
    """The rules of leads; each must be beaten.

    Attributes
    ----------
    scheme : PointScheme, optional
        Points that the firm has written down.
    """

    scheme: PointScheme | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return COLUMN_RULES if self.scheme is None else LEAD_RULES

    @property
    def one_column(self) -> tuple[str, ...]:
        """All of them."""
        return self.names

    def available(self, contract: ColumnContract) -> tuple[str, ...]:
        """Return the rules whose columns are there; the best column is as soon as there is one."""
        return tuple(name for name in self.names if self._has(name, contract))

    def _has(self, name: str, contract: ColumnContract) -> bool:
        if name == POINTS:
            return self.scheme is not None and not self.scheme.missing(contract)
        return COLUMN_OF[name] in contract.ids if name in COLUMN_OF else bool(contract.ids)

    def findings(self, contract: ColumnContract) -> list[Finding]:
        """Return why the points cannot be counted, or which of them never are."""
        return [] if self.scheme is None else self.scheme.findings(contract)

    def fit(self, name: str, rows: Rows, contract: ColumnContract) -> Scorer:
        """Return the rule fitted to training rows."""
        if name == POINTS and self.scheme is not None:
            return fit_points(self.scheme, rows, contract)
        if name not in COLUMN_OF:
            return best_column(rows, contract)
        column = COLUMN_OF[name]
        category = column in contract.categories
        # a stage is a bin of its own, as the level of a category is
        return fit_column(name, column, rows.encoded[column], rows.y, category=category or name == STAGE)
