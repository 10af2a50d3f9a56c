"""Registered runs as MLflow would tell of them, with the files that a comparison reads, without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from crm_ml.features.catalogue import default_features
from crm_ml.jobs.tracking_read import RegisteredRun
from crm_ml.models.evaluation import evaluate

KINDS = ("lightgbm", "logistic", "average", "rule")


def run_id(number: int) -> str:
    return f"{number:032x}"


def evaluation(
    number: int, *, customers: int = 120, days: tuple[str, ...] = ("2025-01-01", "2025-02-01")
) -> pd.DataFrame:
    """Return rows in which what happens depends on customer and day alone, and the score on the run as well."""
    parts = []
    for day in days:
        world = np.random.default_rng(int(day.replace("-", "")))
        risk, value = world.normal(-1.2, 1.2, customers), world.lognormal(8, 1, customers).round(2)
        y = world.random(customers) < 1 / (1 + np.exp(-risk))
        margin = 0.8 * risk + np.random.default_rng(number).normal(0, 0.25 + 0.012 * number, customers)
        ids = [f"{k:05d}" for k in range(customers)]
        p = 1 / (1 + np.exp(-margin))
        table = {"customer_id": ids, "as_of": pd.Timestamp(day).date(), "y": y, "margin": margin, "p": p}
        parts.append(pd.DataFrame({**table, "value_at_stake": value}))
    return pd.concat(parts, ignore_index=True)


def write_evaluation(folder: Path, number: int, rows: pd.DataFrame) -> None:
    """Write the rows as `train` keeps them."""
    target = folder / "mlflow" / "evaluations"
    target.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(target / f"{run_id(number)}.parquet", index=False)


def write_artefact(folder: Path, number: int, name: str, text: str) -> None:
    """Write a text artefact where MLflow keeps it in a workspace."""
    file = folder / "mlflow" / "artifacts" / run_id(number) / "artifacts" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def registered(
    number: int, rows: pd.DataFrame, *, aliases: tuple[str, ...] = (), horizon: str = "90", **tags: str
) -> RegisteredRun:
    """Return a run whose measures are those of its rows."""
    y, margin, p = (rows[name].to_numpy() for name in ("y", "margin", "p"))
    measured = evaluate(y, {"m": margin}, {"m": p}, rows["customer_id"], replicates=50).measures("m")
    metrics = {"train_rows": 40_000.0 + number, "train_events": 7_000.0}
    for name, value in measured.items():
        metrics |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    told = {"as_of": "2025-05-05", "verdict": "champion", "model_kind": KINDS[number % 4], "sha256": "0" * 64, **tags}
    params = {"gap_days": "0", "horizon_days": horizon, "capacity": "0.1"}
    return RegisteredRun(str(number), run_id(number), aliases, params, told, metrics)


def write_runs(folder: Path, count: int, *, champion: int) -> list[RegisteredRun]:
    """Write the files of `count` runs and return them, newest first; every third one names no customers."""
    features = [feature.id for feature in default_features()]
    found = []
    for number in range(count, 0, -1):
        rows = evaluation(number, customers=400)
        named = number == champion or number % 3
        if named:
            write_evaluation(folder, number, rows)
        else:
            text = rows[["as_of", "y", "p"]].to_csv(index=False, float_format="%.6f")
            write_artefact(folder, number, "tables/predictions.csv", text)
        weights = np.random.default_rng(number).exponential(1.0, len(features)) / np.arange(1, len(features) + 1)
        table = pd.DataFrame({"feature": features, "mean_abs_contribution": weights})
        write_artefact(folder, number, "tables/importance.csv", table.to_csv(index=False))
        alias = ("champion",) if number == champion else ("challenger",) if number == champion + 1 else ()
        found.append(registered(number, rows, aliases=alias))
    return found
