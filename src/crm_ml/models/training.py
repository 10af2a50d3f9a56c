"""What a training comes to: the judged and refitted model, and, where asked for, every other one beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from crm_ml.errors import Finding
from crm_ml.models.calibration import Choice
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.evaluation.jumps import Jump
from crm_ml.models.evaluation.leakage import LeakReport
from crm_ml.models.ladder import Reached
from crm_ml.models.model import Model
from crm_ml.models.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """What came out of a training; the metrics are those of the evaluation snapshots, before the refit.

    Attributes
    ----------
    verdict : {"champion", "refused"}
        ``refused`` when no candidate beats the best one-column rule; the model is then the calibrated best rule.
    model : Model
        Refitted on all mature snapshots.
    metrics : dict of Interval
        ``auc``, ``average_precision``, ``brier``, ``brier_skill``, ``ece``, ``lift_at_capacity`` of what is in `model`.
    differences : dict of Interval
        AUC of `compared` minus AUC of each rule, paired.
    compared : str
        The candidate those differences are about: the chosen one, or the first choice when refused; empty without one.
    baselines : dict of float
        AUC of each rule on the evaluation snapshots.
    candidates : pandas.DataFrame
        One row per candidate and rule: inner log loss and AUC (folds), evaluation AUC with interval, what became of it.
    rung : Reached
        How far up the ladder for small data the candidates went, and why.
    snapshots, evaluated_on : list of datetime.date
        All mature snapshots (the refit), and the ones evaluated on; newest first.
    evaluation : pandas.DataFrame
        customer_id, as_of, y, margin, p of the evaluation rows, and ``margin_<name>`` and ``p_<name>`` of every
        candidate and rule.
    findings : tuple of Finding
        Warnings and notes, most severe first.
    leaks : LeakReport
        What the leak guard looked at and held back.
    calibration : Choice or None
        How the calibration was chosen: every way to set the level and every curve, how each did on later slices.
    jump : Jump or None
        Where the rate of leads jumped over their creation.
    left_out : dict of str
        Features that could not be learnt from in the refit, and why: ``empty``, ``constant``, ``duplicate of ...``.
    """

    verdict: Literal["champion", "refused"]
    model: Model
    metrics: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    compared: str
    baselines: Mapping[str, float]
    candidates: pd.DataFrame
    train_rows: int
    train_events: int
    snapshots: list[dt.date]
    evaluated_on: list[dt.date]
    evaluation: pd.DataFrame
    recipe: Recipe
    rung: Reached
    findings: tuple[Finding, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    leaks: LeakReport = field(default_factory=LeakReport)
    calibration: Choice | None = None
    jump: Jump | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        return self.model.kind

    def summary(self) -> dict[str, Any]:
        """Return JSON-ready values: what is printed, logged and kept in the bundle."""
        return {
            "verdict": self.verdict,
            "model_kind": self.model_kind,
            "metrics": {name: value.as_dict() for name, value in self.metrics.items()},
            "baselines": dict(self.baselines),
            "compared": self.compared,
            "differences": {name: value.as_dict() for name, value in self.differences.items()},
            "train_rows": self.train_rows,
            "train_events": self.train_events,
            "snapshots": [day.isoformat() for day in self.snapshots],
            "evaluated_on": [day.isoformat() for day in self.evaluated_on],
            "recipe": self.recipe.as_dict(),
            "rung": self.rung.as_dict(),
            "calibration": self.calibration.as_dict() if self.calibration else {},
            "held_back_features": list(self.leaks.held_back),
            **({"rate_jump": self.jump.as_dict()} if self.jump else {}),
            "warnings": [finding.as_dict() for finding in self.findings if finding.severity == "warning"],
        }


@dataclass(frozen=True)
class Trained:
    """A training with every candidate and rule refitted, not only the chosen one.

    Attributes
    ----------
    training : Training
        What `train_churn` returns for the same arguments, to the byte.
    models : dict of Model
        One per row of ``training.candidates``, in that order, each refitted on all mature snapshots and calibrated as
        it would be had it been chosen.
    chosen : str
        Which of them ``training.model`` is.
    evaluated : dict of Model
        The same as they were before the refit: fitted on the fit snapshots alone, so the metrics are exactly theirs.
    """

    training: Training
    models: Mapping[str, Model]
    chosen: str
    evaluated: Mapping[str, Model] = field(default_factory=dict)
