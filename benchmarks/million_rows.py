"""Training on a million feature rows: how long, and how much memory at the peak.

The rows are made by numpy: customers with a lasting temper at monthly snapshots, forty features, some of them missing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import time

import numpy as np
import pandas as pd

from crm_ml.models import Dataset, make_dataset, snapshots_for, train_churn

TRAIN_DAY = dt.date(2026, 3, 1)
SNAPSHOTS = 20
NOISE = 30


def made(rows: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    customers = rows // SNAPSHOTS
    days = snapshots_for(TRAIN_DAY, 0, 90, 30, 1825, 90, dt.date(2022, 3, 1))[:SNAPSHOTS]
    temper, gap = rng.normal(size=customers), np.exp(rng.normal(3.3, 0.5, customers))
    ids = np.array([f"{k:07d}" for k in range(customers)], dtype=object)
    parts, happened = [], []
    for day in days:
        ratio = rng.exponential(1.0, customers) * np.exp(0.4 * temper)
        late = np.where(rng.random(customers) < 0.2, np.nan, rng.normal(0.7 * temper, 1.0))
        orders = rng.poisson(365.0 / gap) + 1.0
        columns = {
            "days_since_last_order": ratio * gap,
            "days_since_first_order": gap * 5 + 400.0,
            "order_days_count": orders,
            "order_gap_days_mean": gap,
            "days_since_last_order_over_own_gap": ratio,
            "orders_count_365d": orders,
            "orders_net_revenue_365d": orders * 100.0 * np.exp(rng.normal(size=customers)),
            "invoices_days_late_mean_365d": late,
            **{f"noise_{k:02d}": rng.normal(size=customers) for k in range(NOISE)},
        }
        z = 0.9 * np.log1p(ratio) - 1.6 + 0.8 * np.nan_to_num(late) * (ratio > 0.7) + 0.3 * temper
        parts.append(pd.DataFrame({"customer_id": ids, "as_of": day, **columns}))
        happened.append(rng.random(customers) < 1 / (1 + np.exp(-z)))
    return make_dataset(pd.concat(parts), np.concatenate(happened), gap_days=0, horizon_days=90)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    data = made(given.rows, given.seed)
    before = peak_gb()
    began, cpu = time.perf_counter(), time.process_time()
    got = train_churn(data, train_as_of=TRAIN_DAY, gap_days=0, horizon_days=90, replicates=given.replicates)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    told = {
        "rows": len(data),
        "features": len(data.features),
        "churned": int(data.y.sum()),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "peak_gb_before": round(before, 2),
        "peak_gb": round(peak_gb(), 2),
        "verdict": got.verdict,
        "model_kind": got.model_kind,
        "auc": got.metrics["auc"].as_dict(),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
