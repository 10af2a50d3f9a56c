"""Do the intervals keep their word? Hundreds of small firms, each trained as usual, and 100,000 fresh customers.

For every firm: train, take the 95 % interval of the AUC that the training reports, and look whether it holds the AUC of
the very same fitted model on fresh customers of the same kind, on the same days. A 95 % interval should do so in about
95 of 100 firms. The same firms with shuffled outcomes say how often noise is taken for a model.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import small_firms

from crm_ml.errors import HeldBack
from crm_ml.models import Dataset, TrainingPlan, train_every
from crm_ml.models.evaluation.metrics import auc, wilson_interval

SEED = 20260301
CUSTOMERS = 400
FRESH = 100_000


@cache
def fresh_customers(count: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of fresh customers on the days that trainings are evaluated on, and what then happened."""
    firm = small_firms.make_firm(np.random.default_rng(SEED), count)
    return small_firms.rows_on(firm, small_firms.snapshot_days()[:3])


def shuffled(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The same customers with outcomes that belong to others: whole customers are exchanged, day by day."""
    y = data.y.copy()
    for day in np.unique(data.days):
        here = np.flatnonzero(data.days == day)
        y[here] = y[rng.permutation(here)]
    return Dataset(data.frame, y, data.features, data.label_end)


def study_firm(number: int, customers: int, fresh: int, shuffle: bool) -> dict[str, object]:
    """Train one firm; say what its interval was, and the AUC of the same model on fresh customers."""
    rng = np.random.default_rng([SEED, number])
    data = small_firms.make_small_dataset(small_firms.make_firm(rng, customers))
    if shuffle:
        data = shuffled(data, rng)
    try:
        plan = TrainingPlan(
            train_as_of=small_firms.TRAIN_AS_OF,
            gap_days=0,
            horizon_days=small_firms.HORIZON_DAYS,
            every_days=small_firms.EVERY_DAYS,
            seed=number,
            threads=1,
        )
        trained = train_every(data, plan)
    except HeldBack as error:
        return {"number": number, "verdict": "held_back", "code": error.code}
    training = trained.training
    found: dict[str, object] = {"number": number, "verdict": training.verdict, "kind": training.model_kind}
    if not shuffle:
        frame, y = fresh_customers(fresh)
        model = trained.evaluated[trained.chosen]
        value = training.metrics["auc"]
        truth = float(auc(y, model.margin(frame)))
        found |= {
            "auc": value.value,
            "low": value.low,
            "high": value.high,
            "truth": truth,
            "holds": bool(value.low <= truth <= value.high),
            "leavers": int(training.evaluation["y"].sum()),
        }
    return found


def study(firms: int, customers: int, fresh: int, *, shuffle: bool, workers: int) -> pd.DataFrame:
    """Study many firms in parallel, in the order of their numbers."""
    done = []
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(study_firm, number, customers, fresh, shuffle) for number in range(firms)]
        for job in jobs:
            done.append(job.result())
            if len(done) % 20 == 0:
                print(f"... {len(done)} of {firms} firms{' (shuffled)' if shuffle else ''}", file=sys.stderr)
    return pd.DataFrame(done)


def share(hits: pd.Series) -> dict[str, float]:
    """A share with its 95 % interval."""
    value = float(hits.mean())
    low, high = wilson_interval(value, len(hits))
    return {"value": value, "low": low, "high": high, "of": len(hits)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firms", type=int, default=400)
    parser.add_argument("--shuffled", type=int, default=200)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--fresh", type=int, default=FRESH)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    found: dict[str, object] = {"seed": SEED, "customers": asked.customers, "fresh_customers": asked.fresh}
    table = study(asked.firms, asked.customers, asked.fresh, shuffle=False, workers=asked.workers)
    fitted = table[table["verdict"] != "held_back"]
    found["firms"] = table["verdict"].value_counts().to_dict()
    found["interval_holds_the_truth"] = share(fitted["holds"].astype(bool))
    found["mean_auc"] = {"reported": float(fitted["auc"].mean()), "fresh": float(fitted["truth"].mean())}
    found["mean_width"] = float((fitted["high"] - fitted["low"]).mean())
    found["mean_leavers_evaluated"] = float(fitted["leavers"].mean())
    if asked.shuffled:
        noise = study(asked.shuffled, asked.customers, asked.fresh, shuffle=True, workers=asked.workers)
        found["shuffled_refused"] = share(noise["verdict"] != "champion")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
