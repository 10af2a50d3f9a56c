"""What do the contacts of the chosen policy truly bring, next to the best that could be done and to risk alone?

In the synthetic firm the true effect of a call on each customer is known: some can be persuaded, many do not care, a
few are put off. A model is trained as of a day; on later days the team calls as many customers as it has time for. The
money of a list is the sum over those called of (fall of the churn probability x value at stake - cost of the call).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models.evaluation.contacts import compare_rankings, profit_at_capacity, true_gain_of_contact

TRAIN_DAY = dt.date(2025, 9, 1)
LATER_DAYS = (dt.date(2025, 10, 1), dt.date(2025, 12, 1), dt.date(2026, 3, 2))
SAVE_RATE, COST = 0.30, 60.0


def scored_days(customers: int, seed: int) -> tuple[pd.DataFrame, str]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "firm"
        firm = make_workspace(workspace, customers=customers, seed=seed)
        trained = crm.train(workspace, "churn", as_of=TRAIN_DAY)
        parts = []
        for day in LATER_DAYS:
            columns = ["customer_id", "account_manager_id", "p_churn", "value_at_stake"]
            scores = crm.score(workspace, "churn", as_of=day).table[columns]
            truth = firm.truth(day, 90, simulations=1)[["customer_id", "y"]]
            both = scores.merge(firm.call_effect(day, 90), on="customer_id").merge(truth, on="customer_id")
            parts.append(both.assign(day=day))
        return pd.concat(parts, ignore_index=True), trained.model_kind


def measure(customers: int, seed: int, share: float) -> dict[str, object]:
    rows, kind = scored_days(customers, seed)
    # each day is a list of its own: the day takes the place of the manager
    days = rows["day"].astype(str).to_numpy(dtype=object)
    capacity = {str(day): int(np.ceil(share * (days == str(day)).sum())) for day in LATER_DAYS}
    p, value, effect = (rows[name].to_numpy(np.float64) for name in ("p_churn", "value_at_stake", "effect"))
    terms = {"capacity": capacity, "managers": days, "save_rate": SAVE_RATE, "cost": COST}
    y, customer = rows["y"].to_numpy(bool), rows["customer_id"]
    true = compare_rankings(y, p, value, customer, effect=effect, **terms)  # type: ignore[arg-type]
    assumed = compare_rankings(y, p, value, customer, **terms)  # type: ignore[arg-type]
    gain = true_gain_of_contact(effect, value, cost=COST)
    other = {
        "true_probability_x_value": rows["p_no_purchase"].to_numpy(np.float64) * value,
        "value_alone": value,
    }
    return {
        "customers": customers,
        "seed": seed,
        "model_kind": kind,
        "rows": len(rows),
        "share_called": share,
        "capacity_per_day": capacity,
        "true": true.as_dict(),
        "assumed": assumed.as_dict(),
        "other_rankings": {
            name: profit_at_capacity(gain, score, capacity=capacity, managers=days) for name, score in other.items()
        },
        "mean_effect": float(effect.mean()),
        "share_put_off": float((effect > 0).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.1, help="share of the customers that can be called per day")
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
