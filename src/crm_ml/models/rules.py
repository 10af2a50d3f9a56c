"""The rules a model must beat: one column each, and BG/NBD beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from crm_ml import names
from crm_ml.errors import DataError, Finding
from crm_ml.models.bgnbd import BgNbd, fit_bgnbd
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.rows import Rows
from crm_ml.models.scorer import Scorer

RECENCY = "days_since_last_order"
RECENCY_OVER_GAP = "days_since_last_order_over_own_gap"
P_ALIVE = "p_alive"
ONE_COLUMN_RULES = (RECENCY, RECENCY_OVER_GAP)
RULES = (*ONE_COLUMN_RULES, P_ALIVE)
_NEEDS = {
    RECENCY: (names.DAYS_SINCE_LAST_ORDER,),
    RECENCY_OVER_GAP: (names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP, names.DAYS_SINCE_LAST_ORDER),
    P_ALIVE: (names.DAYS_SINCE_LAST_ORDER, names.DAYS_SINCE_FIRST_ORDER, names.ORDER_DAYS_COUNT),
}
_CONSTANTS = {
    RECENCY: ("typical",),
    RECENCY_OVER_GAP: ("typical", "typical_gap"),
    P_ALIVE: ("typical", "r", "alpha", "a", "b"),
}


@dataclass(frozen=True)
class Rule:
    """A fixed formula over one to three columns; higher means more likely to churn.

    Attributes
    ----------
    name : str
        ``days_since_last_order``: log(1 + days). ``days_since_last_order_over_own_gap``: log(1 + ratio); a customer
        without a gap of its own (one order day) gets the typical gap of the training rows. ``p_alive``: BG/NBD log-odds
        of having dropped out.
    constants : mapping
        ``typical`` is the value of a row in which the needed columns are missing: the median of training.
    """

    name: str
    constants: Mapping[str, float]
    kind: str = "rule"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the features it reads."""
        return _NEEDS[self.name]

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the rule's value per row, on a scale that a sigmoid can calibrate."""
        raw = self._raw(encoded)
        return np.where(np.isnan(raw), self.constants["typical"], raw)

    def _raw(self, encoded: Encoded) -> FloatArray:
        days = np.maximum(encoded[names.DAYS_SINCE_LAST_ORDER], 0.0)
        if self.name == RECENCY:
            return np.asarray(np.log1p(days))
        if self.name == RECENCY_OVER_GAP:
            ratio = np.maximum(encoded[names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP], 0.0)
            return np.asarray(np.log1p(np.where(np.isnan(ratio), days / self.constants["typical_gap"], ratio)))
        model = BgNbd(*(self.constants[key] for key in ("r", "alpha", "a", "b")))
        return model.dead_log_odds(*_history(encoded))

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return everything as the contribution of the leading column, against the typical value as base."""
        base = float(self.constants["typical"])
        rows = len(encoded[self.needs[0]])
        return {
            name: self.margin(encoded) - base if j == 0 else np.zeros(rows) for j, name in enumerate(self.needs)
        }, base

    def files(self) -> dict[str, Any]:
        """Return ``model.json``."""
        return {"model.json": {"kind": "rule", "name": self.name, "constants": dict(self.constants)}}


def rule_constants(name: str) -> tuple[str, ...]:
    """Return the names of the constants a rule must have."""
    return _CONSTANTS[name]


def rule_needs(name: str) -> tuple[str, ...]:
    """Return the features a rule reads."""
    return _NEEDS[name]


def _history(encoded: Encoded) -> tuple[FloatArray, FloatArray, FloatArray]:
    age = np.maximum(encoded[names.DAYS_SINCE_FIRST_ORDER], 0.0)
    last = np.clip(age - np.maximum(encoded[names.DAYS_SINCE_LAST_ORDER], 0.0), 0.0, None)
    repeats = np.maximum(encoded[names.ORDER_DAYS_COUNT] - 1.0, 0.0)
    return repeats, last, age


def fit_rule(name: str, encoded: Encoded, *, newest: FloatArray | None = None) -> Rule:
    """Return the rule with its constants taken from training rows; labels are not used.

    Parameters
    ----------
    name : str
        One of `RULES`.
    encoded : mapping of str to numpy.ndarray
        Features by name.
    newest : numpy.ndarray of bool, optional
        Rows of the newest snapshot: BG/NBD is fitted on them alone, as it expects each customer once.

    Raises
    ------
    DataError
        If a column that the rule reads is not there.

    Examples
    --------
    >>> encoded = {"days_since_last_order": np.array([0.0, np.e - 1, np.nan])}
    >>> fit_rule("days_since_last_order", encoded).margin(encoded).tolist()
    [0.0, 1.0, 0.5]
    """
    absent = [need for need in _NEEDS[name] if need not in encoded]
    if absent:
        raise DataError(
            f"The rule {name} needs the features {', '.join(absent)}",
            remedy="Keep the order features in the feature set.",
            code="missing_feature",
        )
    constants = {"typical": 0.0}
    if name == RECENCY_OVER_GAP:
        ratio, days = encoded[names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP], encoded[names.DAYS_SINCE_LAST_ORDER]
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps = np.where((ratio > 0) & (days > 0), days / ratio, np.nan)
        gaps = gaps[np.isfinite(gaps)]
        constants["typical_gap"] = max(float(np.median(gaps)), 1e-3) if gaps.size else 30.0
    elif name == P_ALIVE:
        x, t_x, T = (values if newest is None else values[newest.astype(bool)] for values in _history(encoded))
        known = ~(np.isnan(x) | np.isnan(t_x) | np.isnan(T))
        model = fit_bgnbd(x[known], t_x[known], T[known]) if known.sum() else BgNbd(1.0, 30.0, 1.0, 1.0)
        constants |= {"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b}
    values = Rule(name, constants)._raw(encoded)
    values = values[~np.isnan(values)]
    constants["typical"] = float(np.median(values)) if values.size else 0.0
    return Rule(name, constants)


class RuleSet(Protocol):
    """The rules of a kind of model: which there are, which a model must beat, and how one is fitted."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""

    @property
    def one_column(self) -> tuple[str, ...]:
        """Those that a model must beat."""

    def available(self, contract: ColumnContract) -> tuple[str, ...]:
        """Return the rules whose columns are there."""

    def fit(self, name: str, rows: Rows, contract: ColumnContract) -> Scorer:
        """Return the rule with what it takes from training rows."""

    def findings(self, contract: ColumnContract) -> list[Finding]:
        """Return what is to be told of rules that were asked for and cannot be had."""


@dataclass(frozen=True)
class ChurnRules:
    """Days since the last order, the same over the own gap, and BG/NBD; labels are not used."""

    names: tuple[str, ...] = RULES
    one_column: tuple[str, ...] = ONE_COLUMN_RULES

    def available(self, contract: ColumnContract) -> tuple[str, ...]:
        """Return the rules whose columns are there."""
        return tuple(name for name in self.names if set(rule_needs(name)) <= set(contract.ids))

    def fit(self, name: str, rows: Rows, contract: ColumnContract) -> Scorer:
        """Return the rule with its constants taken from training rows; see `fit_rule`."""
        return fit_rule(name, rows.encoded, newest=(rows.days == rows.days.max()).astype(np.float64))

    def findings(self, contract: ColumnContract) -> list[Finding]:
        """Return nothing: none is asked for."""
        return []


CHURN_RULES: Final = ChurnRules()
