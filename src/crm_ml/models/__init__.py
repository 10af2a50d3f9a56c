"""Floor 3: what will happen, and why? From a table of features to a judged, calibrated, stored model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crm_ml.models.bundle import load_bundle, read_meta, trial_load, write_bundle
from crm_ml.models.calibration import Calibration
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.dataset import Calendar, Dataset, is_mature, make_dataset, rolling_cutoffs, snapshots_for
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.explain.contributions import Contributions
from crm_ml.models.model import Label, Model
from crm_ml.models.plan import TrainingPlan
from crm_ml.models.train import train_churn, train_every, train_model
from crm_ml.models.training import Trained, Training

if TYPE_CHECKING:
    from crm_ml.models.estimators import ChurnClassifier, RecencyRule, RfmLogisticClassifier

# loaded when first asked for: they need scikit-learn, and nothing else here does
_ESTIMATORS = ("ChurnClassifier", "RecencyRule", "RfmLogisticClassifier")

__all__ = [
    "Calendar",
    "Calibration",
    "ChurnClassifier",
    "Column",
    "ColumnContract",
    "Contributions",
    "Dataset",
    "Interval",
    "Label",
    "Model",
    "RecencyRule",
    "RfmLogisticClassifier",
    "Trained",
    "Training",
    "TrainingPlan",
    "is_mature",
    "load_bundle",
    "make_dataset",
    "read_meta",
    "rolling_cutoffs",
    "snapshots_for",
    "train_churn",
    "train_every",
    "train_model",
    "trial_load",
    "write_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("crm_ml.models.estimators"), name)
