"""A fitted model as everything above sees it: features by name in, calibrated probabilities and contributions out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_ml.models.calibration import Calibration
from crm_ml.models.columns import ColumnContract, FloatArray
from crm_ml.models.explain.contributions import Contributions, as_contributions
from crm_ml.models.scorer import Scorer
from crm_ml.names import AS_OF


@dataclass(frozen=True)
class Label:
    """What the probability is a probability of: no purchase in [as_of + gap_days, as_of + gap_days + horizon_days)."""

    gap_days: int
    horizon_days: int
    target: str = "churn"


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
    """

    scorer: Scorer
    contract: ColumnContract
    calibration: Calibration
    label: Label
    train_as_of: dt.date

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
        days = None
        if self.calibration.needs_days and AS_OF in frame.columns:
            days = pd.to_datetime(frame[AS_OF]).to_numpy("datetime64[D]")
        return self.calibration.probability(self.margin(frame), days)

    def contributions(self, frame: pd.DataFrame) -> Contributions:
        """Return what each feature adds to the raw log-odds of each row."""
        if len(frame) == 0:
            return Contributions(pd.DataFrame(columns=list(self.features), index=frame.index, dtype=np.float64), 0.0)
        parts, base = self.scorer.contributions(self.contract.encode(frame))
        ordered = {name: parts[name] for name in self.features}
        return as_contributions(ordered, base, frame.index)
