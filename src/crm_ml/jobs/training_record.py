"""What one training leaves in MLflow: parameters, metrics, tables and pictures, and no customer's name or id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.costs import Cost
from crm_ml.jobs.model_card import model_card
from crm_ml.jobs.tracking import RunRecord, as_json
from crm_ml.models import Contributions, Training
from crm_ml.models.evaluation.metrics import gain_table, reliability_table
from crm_ml.models.evaluation.segments import Reliability
from crm_ml.models.evaluation.stability import stability_over_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PICTURE_ROWS = 2_000


def training_record(
    training: Training,
    explained: Explained,
    reliability: Reliability,
    *,
    bundle: Path,
    facts: Mapping[str, str],
    cost: Cost,
) -> RunRecord:
    """Return the run of a training.

    Parameters
    ----------
    training : Training
        What came out of it.
    explained : Explained
        Rows of the evaluation and what each feature added to them (`explain`).
    reliability : Reliability
        Of the same rows by tier and segment.
    bundle : Path
        Folder with the bundle's files.
    facts : mapping
        Tags: as_of, data_hash, sha256, ...
    cost : Cost
        What it took so far: writing this record and asking the gate come after it.
    """
    kind = "churn" if training.model.label.target == "churn" else "leads"
    metrics: dict[str, float] = {}
    for name, value in training.metrics.items():
        metrics |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    for name, value in training.differences.items():
        stem = f"auc_minus_{name}"
        metrics |= {stem: value.value, f"{stem}_low": value.low, f"{stem}_high": value.high}
    metrics |= {f"auc_{name}": value for name, value in training.baselines.items()}
    metrics |= {"train_rows": float(training.train_rows), "train_events": float(training.train_events)}
    evaluation = training.evaluation
    lists = stability_over_time(training.evaluation, capacity=training.parameters["capacity"])
    if len(lists):
        metrics |= {f"list_{name}": float(lists[name].mean()) for name in ("overlap", "rank_correlation")}
    metrics |= cost.metrics()
    metrics["features_held_back"] = float(len(training.leaks.held_back))
    y, p = evaluation["y"].to_numpy(bool), evaluation["p"].to_numpy(np.float64)
    importance = explained.contributions.importance()
    texts = {
        "model_card.md": model_card(training, facts, explained.most_used, reliability=reliability),
        "summary.json": as_json(training.summary()),
        "tables/snapshots.csv": _snapshots(training).to_csv(index=False, lineterminator="\n"),
        "tables/candidates.csv": training.candidates.to_csv(index=False, lineterminator="\n"),
        "tables/leak_guard.csv": training.leaks.table.to_csv(index=False, lineterminator="\n", float_format="%.4f"),
        "tables/features_left_out.csv": _left_out(training).to_csv(index=False, lineterminator="\n"),
        "tables/seconds.csv": _seconds(cost).to_csv(index=False, lineterminator="\n", float_format="%.3f"),
        "tables/list_stability.csv": lists.to_csv(index=False, lineterminator="\n", float_format="%.4f"),
        "tables/importance.csv": importance.to_csv(index=False, lineterminator="\n"),
        "tables/importance.json": _split(importance),
        "tables/reliability_by_tier.json": _split(reliability.by_tier),
        "tables/reliability_by_segment.json": _split(reliability.by_segment),
        "tables/reliability.json": as_json(reliability_table(y, p)),
        "tables/gain.json": as_json(gain_table(y, p)),
        "tables/predictions.csv": evaluation[[n.AS_OF, "y", "p"]]
        .sort_values([n.AS_OF, "p", "y"])
        .to_csv(index=False, lineterminator="\n", float_format="%.6f"),
    }
    return RunRecord(
        name=f"{kind} {facts['as_of']}",
        params=training.parameters,
        metrics={name: value for name, value in metrics.items() if np.isfinite(value)},
        tags={**facts, "verdict": training.verdict, "model_kind": training.model_kind},
        texts=texts,
        figures=_pictures(training, explained),
        bundle=bundle,
    )


def _left_out(training: Training) -> pd.DataFrame:
    """Return the features that the model was not given, and why."""
    held = dict.fromkeys(training.leaks.held_back, "held back by the leak guard")
    return pd.DataFrame(sorted((held | dict(training.left_out)).items()), columns=["feature", "why"])


def _seconds(cost: Cost) -> pd.DataFrame:
    """Return the stages and how long each took, the longest first."""
    longest = sorted(cost.seconds.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(longest, columns=["stage", "seconds"])


def _split(table: pd.DataFrame) -> str:
    """Return a table as MLflow shows it; missing values are null."""
    plain = table.astype(object).where(table.notna(), None)
    return as_json({"columns": list(plain.columns), "data": plain.to_numpy().tolist()})


@dataclass(frozen=True)
class Explained:
    """Some rows and what each feature adds to their log-odds."""

    rows: pd.DataFrame
    contributions: Contributions

    @property
    def most_used(self) -> list[str]:
        """Features, the one with the largest mean absolute contribution first."""
        return [str(name) for name in self.contributions.importance()["feature"]]


def explain(training: Training, features: pd.DataFrame) -> Explained:
    """Return contributions for evenly spaced rows: a picture of more of them shows nothing more."""
    step = max(1, -(-len(features) // _PICTURE_ROWS))
    rows = features.iloc[::step].reset_index(drop=True)
    return Explained(rows, training.model.contributions(rows))


def _snapshots(training: Training) -> pd.DataFrame:
    days = pd.Series(training.snapshots, name=n.AS_OF)
    return pd.DataFrame({n.AS_OF: days, "evaluated_on": days.isin(training.evaluated_on)})


def _pictures(training: Training, explained: Explained) -> dict[str, Figure]:
    from crm_ml.models.explain.pictures import bar_figure, beeswarm_figure, gain_figure

    evaluation = training.evaluation
    y = evaluation["y"].to_numpy(bool)
    curves = {training.model_kind: gain_table(y, evaluation["p"].to_numpy(np.float64))}
    for name in training.baselines:
        if f"margin_{name}" in evaluation.columns:
            curves.setdefault(name, gain_table(y, evaluation[f"margin_{name}"].to_numpy(np.float64)))
    return {
        "pictures/reliability.png": reliability_picture(training),
        "pictures/gain.png": gain_figure(
            curves, title="Gain on the evaluation snapshots", target=training.model.label.target
        ),
        "pictures/shap_beeswarm.png": beeswarm_figure(explained.contributions, explained.rows),
        "pictures/shap_bar.png": bar_figure(explained.contributions),
    }


def reliability_picture(training: Training) -> Figure:
    """Return the reliability curve of the evaluation."""
    from crm_ml.models.explain.pictures import reliability_figure

    y, p = training.evaluation["y"].to_numpy(bool), training.evaluation["p"].to_numpy(np.float64)
    return reliability_figure(
        reliability_table(y, p), title="Reliability on the evaluation snapshots", target=training.model.label.target
    )
