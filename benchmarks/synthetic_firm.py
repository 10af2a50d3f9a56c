"""How much of what can be known about a synthetic firm do the published scores know?

The firm is simulated from a hidden satisfaction, so each customer's true probability is known. One model is trained as
of a day; three later days are scored with it; the truth and what then happened judge them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models.evaluation.metrics import calibration_error

TRAIN_DAY = dt.date(2025, 9, 1)
LATER_DAYS = (dt.date(2025, 10, 1), dt.date(2025, 12, 1), dt.date(2026, 3, 2))


def measure(customers: int, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "firm"
        firm = make_workspace(workspace, customers=customers, seed=seed)
        trained = crm.train(workspace, "churn", as_of=TRAIN_DAY)
        days, pooled = [], []
        for day in LATER_DAYS:
            scores = crm.score(workspace, "churn", as_of=day).table[["customer_id", "p_churn"]]
            rule = crm.build_features(workspace, as_of=[day])[["customer_id", "days_since_last_order"]]
            both = scores.merge(firm.truth(day, 90), on="customer_id").merge(rule, on="customer_id")
            y = both["y"].to_numpy(bool)
            auc = {
                name: float(roc_auc_score(y, both[column]))
                for name, column in (
                    ("model", "p_churn"),
                    ("rule", "days_since_last_order"),
                    ("truth", "p_no_purchase"),
                )
            }
            share = {name: (auc[name] - 0.5) / (auc["truth"] - 0.5) for name in ("model", "rule")}
            days.append(
                {"day": day.isoformat(), "rows": len(both), "rate": float(y.mean()), "auc": auc, "share": share}
            )
            pooled.append(both)
        rows = pd.concat(pooled)
        ece = calibration_error(rows["y"].to_numpy(bool), rows["p_churn"].to_numpy(np.float64))
        return {
            "customers": customers,
            "seed": seed,
            "model_kind": trained.model_kind,
            "verdict": trained.verdict,
            "days": days,
            "least_share": min(day["share"]["model"] for day in days),
            "pooled_rows": len(rows),
            "pooled_calibration_error": float(ece),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
