"""How much of what can be known about a synthetic firm's leads do the published scores know?

The way of each lead is simulated from a hidden interest and fit, so its true chance is known. One model is trained as
of a day; the open leads of ten later days are scored with it, pooled, and judged by the truth and by what happened.
Beside it: a logistic regression on source, title and size of the same leads, fitted on leads created before.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.inputs import read_inputs
from crm_ml.jobs.problem import problem_of
from crm_ml.models.evaluation.metrics import calibration_error

TRAIN_DAY = dt.date(2025, 3, 1)
DAYS = [TRAIN_DAY + dt.timedelta(days=30 * k) for k in range(10)]
SIMPLE = ["lead_source", "lead_job_function", "lead_job_seniority", "lead_company_size"]


def measure(customers: int, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "firm"
        firm = make_workspace(workspace, customers=customers, seed=seed)
        trained = crm.train(workspace, "leads", as_of=TRAIN_DAY)
        problem = problem_of(crm.open_workspace(workspace), "leads")
        tables = read_inputs(problem.workspace, only=problem.tables)
        past, _ = problem.dataset(tables, TRAIN_DAY)
        ours = past.label_end <= np.datetime64(TRAIN_DAY)
        parts = []
        for day in DAYS:
            scores = crm.score(workspace, "leads", as_of=day, dry_run=True).table[["lead_id", "p_win"]]
            spine = problem.eligible(tables, [day])
            frame = problem.features(tables, spine)[["customer_id", *SIMPLE]].rename(columns={"customer_id": "lead_id"})
            truth = firm.lead_truth(day, 90).rename(columns={"p_win": "truth"})
            parts.append(scores.merge(truth, on="lead_id").merge(frame, on="lead_id").assign(day=day))
        rows = pd.concat(parts, ignore_index=True)
        rows = rows[rows["y"].notna()]
        simple = _simple(past.frame[ours], past.y[ours], rows)
        y, p = rows["y"].to_numpy(bool), rows["p_win"].to_numpy(np.float64)
        auc = {
            name: float(roc_auc_score(y, values))
            for name, values in (("model", p), ("truth", rows["truth"]), ("source, title, size", simple))
        }
        return {
            "customers": customers,
            "seed": seed,
            "verdict": trained.verdict,
            "model_kind": trained.model_kind,
            "rows": len(rows),
            "auc": {name: round(value, 4) for name, value in auc.items()},
            "share_of_truth": round((auc["model"] - 0.5) / (auc["truth"] - 0.5), 4),
            "above_simple": round(auc["model"] - auc["source, title, size"], 4),
            "calibration_error": round(float(calibration_error(y, p)), 4),
        }


def _simple(past: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    encoder = OneHotEncoder(handle_unknown="ignore")
    known = encoder.fit_transform(past[SIMPLE].astype(object).where(past[SIMPLE].notna(), "").astype(str))
    later = encoder.transform(rows[SIMPLE].astype(object).where(rows[SIMPLE].notna(), "").astype(str))
    return LogisticRegression(C=1.0, max_iter=1000).fit(known, y).predict_proba(later)[:, 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=8000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    given = parser.parse_args()
    for seed in given.seeds:
        print(json.dumps(measure(given.customers, seed), indent=2), flush=True)
