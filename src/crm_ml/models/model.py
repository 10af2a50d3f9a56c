"""A fitted model as everything above sees it: features by name in, calibrated probabilities and contributions out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_ml.features.choice import needed_features
from crm_ml.features.outcome import Outcome
from crm_ml.features.spec import AnyFeature
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.models.calibration import Calibration
from crm_ml.models.columns import ColumnContract, FloatArray
from crm_ml.models.explain.contributions import Contributions, as_contributions
from crm_ml.models.scorer import Scorer
from crm_ml.names import AS_OF

if TYPE_CHECKING:
    from crm_ml.tables import Tables


@dataclass(frozen=True)
class Label:
    """What the probability is a probability of: churn in [as_of + gap_days, as_of + gap_days + horizon_days).

    Attributes
    ----------
    gap_days, horizon_days : int
        The label window; where `outcome` gives windows of own length, `horizon_days` is that of customers without a
        rhythm yet.
    target : str
        ``churn``.
    outcome : Outcome
        What counts as churn; default: no purchase.

    Examples
    --------
    >>> Label(0, 90).as_json()
    {'target': 'churn', 'gap_days': 0, 'horizon_days': 90}
    >>> Label.from_json(Label(0, 90, outcome=Outcome(category="Pumps")).as_json()).outcome.category
    'Pumps'
    """

    gap_days: int
    horizon_days: int
    target: str = "churn"
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def longest_days(self) -> int:
        """Days from the snapshot to the end of the longest label window."""
        return self.gap_days + self.outcome.longest(self.horizon_days)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; `outcome` stands there only where it is not the default."""
        plain: dict[str, Any] = {
            "target": self.target,
            "gap_days": self.gap_days,
            "horizon_days": self.horizon_days,
        }
        return plain if self.outcome == Outcome() else {**plain, "outcome": self.outcome.as_json()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Label:
        """Return the label of stored values, also of bundles older than the variants.

        Raises
        ------
        ValueError
            If a key is missing or not known, or a value is impossible.
        """
        keys = {"target", "gap_days", "horizon_days"}
        if not isinstance(value, dict) or not keys <= set(value) <= {*keys, "outcome"}:
            raise ValueError(f"expected the keys {sorted(keys)} and perhaps outcome")
        outcome = value.get("outcome", {"target": "no_purchase"})
        if not isinstance(outcome, dict) or "target" not in outcome:
            raise ValueError(f"what counts as churn must be a mapping with a target, found {outcome!r}")
        days = _days(value["gap_days"], 0), _days(value["horizon_days"], 1)
        return Label(*days, str(value["target"]), Outcome.from_json(outcome))


def _days(value: Any, lowest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"expected a whole number of days from {lowest}, found {value!r}")
    return value


@dataclass(frozen=True)
class Model:
    """A scorer, its column contract and its calibration.

    Attributes
    ----------
    scorer : Scorer
        From encoded features to log-odds.
    contract : ColumnContract
        The features it needs, in order.
    calibration : Calibration
        From log-odds to probability.
    label : Label
        What is predicted.
    train_as_of : datetime.date
        The day as of which it was trained; it must not score an earlier day.
    declared : tuple of features
        Of the features it needs, those that are the workspace's own: kept with it, whatever the workspace says later.
    """

    scorer: Scorer
    contract: ColumnContract
    calibration: Calibration
    label: Label
    train_as_of: dt.date
    declared: tuple[AnyFeature, ...] = ()

    @property
    def kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        return self.scorer.kind

    @property
    def features(self) -> tuple[str, ...]:
        """Ids of the features the model reads."""
        return self.contract.ids

    def margin(self, frame: pd.DataFrame) -> FloatArray:
        """Return the raw log-odds per row, before calibration.

        Raises
        ------
        DataError
            If a needed feature is missing or holds text instead of numbers; other columns are ignored.
        """
        if len(frame) == 0:
            self.contract.encode(frame)
            return np.zeros(0)
        return self.scorer.margin(self.contract.encode(frame))

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """Return the calibrated probability of churn per row, in [1e-6, 1 - 1e-6], never missing."""
        return self.probability(self.margin(frame), frame)

    def probability(self, margin: FloatArray, frame: pd.DataFrame) -> FloatArray:
        """Return the calibrated probability that belongs to the log-odds `margin` of each row."""
        days = None
        if self.calibration.needs_days and AS_OF in frame.columns:
            days = pd.to_datetime(frame[AS_OF]).to_numpy("datetime64[D]")
        return self.calibration.probability(margin, days)

    def contributions(self, frame: pd.DataFrame) -> Contributions:
        """Return what each feature adds to the raw log-odds of each row."""
        if len(frame) == 0:
            return Contributions(pd.DataFrame(columns=list(self.features), index=frame.index, dtype=np.float64), 0.0)
        parts, base = self.scorer.contributions(self.contract.encode(frame))
        ordered = {name: parts[name] for name in self.features}
        return as_contributions(ordered, base, frame.index)


def features_for(tables: Tables, models: Sequence[Model], of: Subject = CUSTOMER) -> list[AnyFeature] | None:
    """Return what a table must hold for these models to score its rows.

    Returns
    -------
    list or None
        For `build_features`; None where the default set has it all.
    """
    ids = [name for model in models for name in model.features]
    kept = {feature.id: feature for model in models for feature in model.declared}
    return needed_features(tables, ids, kept=tuple(kept.values()), of=of)
