"""Does the depth cap of the boosted trees cost anything on a real shop's orders? Depths 6 and 8 against none, paired.

Trees are fitted on snapshots whose label windows have ended by 2010-12-01 and judged on four later snapshots; the same
rows, seeds and numbers of trees for all. Intervals: bootstrap over customers.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from real_orders import FILE, HORIZON, MAPPING
from sklearn.metrics import roc_auc_score

import crm_ml as crm
from crm_ml.features import churn_labels, cutoff_us
from crm_ml.jobs.inputs import read_inputs
from crm_ml.models import make_dataset
from crm_ml.models.boosting import bin_rows, fit_binned
from crm_ml.models.columns import learn_columns

FIT_UNTIL = dt.date(2010, 12, 1)
JUDGED = [FIT_UNTIL + dt.timedelta(days=30 * k) for k in range(4)]
FITTED = [FIT_UNTIL - dt.timedelta(days=HORIZON + 30 * k) for k in range(6)]
SEEDS = (1, 2, 3)


def rows_at(workspace: crm.Workspace, days: list[dt.date]) -> tuple[pd.DataFrame, np.ndarray]:
    frame = crm.build_features(workspace, as_of=days)
    tables = read_inputs(workspace)
    until = cutoff_us(max(days) + dt.timedelta(days=HORIZON), tables.zone)
    spine = frame[["customer_id", "as_of"]]
    return frame, churn_labels(tables, spine, gap_days=0, horizon_days=HORIZON, known_until=until)


def difference(y: np.ndarray, customers: pd.Series, capped: np.ndarray, free: np.ndarray) -> tuple[float, float, float]:
    """AUC with the cap less that without, and its 95 % interval."""
    who = pd.factorize(customers)[0]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(500):
        times = np.bincount(rng.integers(who.max() + 1, size=who.max() + 1), minlength=who.max() + 1)[who]
        found.append(roc_auc_score(y, capped, sample_weight=times) - roc_auc_score(y, free, sample_weight=times))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(roc_auc_score(y, capped) - roc_auc_score(y, free)), float(low), float(high)


def measure(data: Path) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "crm.yaml").write_text(MAPPING.format(source=(data / FILE).resolve()))
        workspace = crm.open_workspace(folder)
        frame, y = rows_at(workspace, FITTED)
        later, y_later = rows_at(workspace, JUDGED)
    known = make_dataset(frame, y, gap_days=0, horizon_days=HORIZON)
    contract, _ = learn_columns(known.frame, known.features, known.frame["customer_id"])
    binned = bin_rows(contract.encode(known.frame), known.y, contract)
    judged = contract.encode(later)
    found = []
    for leaves, rounds in ((31, 100), (31, 400), (63, 400)):
        margins = {}
        for depth in (6, 8, -1):
            shape = {"num_leaves": leaves, "max_depth": depth}
            margins[depth] = np.mean(
                [fit_binned(binned, rounds=rounds, seed=seed, parameters=shape).margin(judged) for seed in SEEDS],
                axis=0,
            )
        for depth in (6, 8):
            off, low, high = difference(y_later, later["customer_id"], margins[depth], margins[-1])
            found.append(
                {
                    "leaves": leaves,
                    "trees": rounds,
                    "max_depth": depth,
                    "rows": len(later),
                    "auc": float(roc_auc_score(y_later, margins[depth])),
                    "auc_without_cap": float(roc_auc_score(y_later, margins[-1])),
                    "difference": off,
                    "interval": (low, high),
                }
            )
    return found


def main() -> None:
    folder = os.environ.get("CRM_ML_REAL_DATA", "")
    if not folder or not (Path(folder) / FILE).is_file():
        sys.exit(f"depth_cap: set CRM_ML_REAL_DATA to a folder that holds {FILE}")
    for row in measure(Path(folder)):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
