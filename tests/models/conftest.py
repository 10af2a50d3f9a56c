from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from crm_ml.models import Dataset, make_dataset, snapshots_for

sys.path.insert(0, str(Path(__file__).parent))  # leaky_firm

# a busy machine must not fail a test
settings.register_profile("models", deadline=None)
settings.load_profile("models")

TRAIN_AS_OF = dt.date(2026, 3, 1)
FIRST_EVENT = dt.date(2023, 3, 1)


def simulated_rows(
    *,
    customers: int,
    days: list[dt.date],
    seed: int = 1,
    signal: float = 1.0,
    season: float = 0.0,
    shuffled: bool = False,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers with a lasting temper; the outcome hangs on silence, on paying late, and on both at once."""
    rng = np.random.default_rng(seed)
    temper = rng.normal(size=customers)
    gap = np.exp(rng.normal(3.3, 0.5, customers))
    parts = []
    for k, day in enumerate(sorted(days)):
        ratio = rng.exponential(1.0, customers) * np.exp(0.4 * temper)
        late = rng.normal(0.7 * temper, 1.0)
        silent = np.round(np.minimum(ratio * gap, 364.0))
        counts = rng.poisson(365.0 / gap) + 1.0
        single = rng.random(customers) < 0.05
        swing = season * np.sin(2 * np.pi * (day.timetuple().tm_yday / 365.25))
        z = signal * (0.9 * np.log1p(ratio) - 0.6 + 0.8 * late * (ratio > 0.7)) + 0.3 * temper * signal + swing
        frame = pd.DataFrame(
            {
                "customer_id": [f"{i:05d}" for i in range(customers)],
                "as_of": day,
                "days_since_last_order": silent,
                "days_since_first_order": np.round(gap * 5 + 400.0 + 30 * k),
                "order_days_count": np.where(single, 1.0, counts),
                "order_gap_days_mean": np.where(single, np.nan, gap),
                "days_since_last_order_over_own_gap": np.where(single, np.nan, silent / gap),
                "orders_count_365d": np.where(single, 1.0, counts),
                "orders_net_revenue_365d": counts * 100.0 * np.exp(rng.normal(size=customers)),
                "invoices_days_late_mean_365d": np.where(rng.random(customers) < 0.2, np.nan, late),
                "noise": rng.normal(size=customers),
                "nothing": np.nan,
                "always_one": 1.0,
                "country": np.where(
                    np.arange(customers) % 97 == 0, None, np.array(["AT", "DE", "CH"])[np.arange(customers) % 3]
                ),
            }
        )
        parts.append((frame, rng.random(customers) < 1 / (1 + np.exp(-z))))
    table, y = pd.concat([frame for frame, _ in parts], ignore_index=True), np.concatenate([y for _, y in parts])
    if shuffled:
        y = rng.permutation(y)
    return table, y


def simulated(*, customers: int = 250, count: int = 14, **how: object) -> Dataset:
    days = snapshots_for(TRAIN_AS_OF, 0, 90, 30, 1825, 90, FIRST_EVENT)[:count]
    frame, y = simulated_rows(customers=customers, days=days, **how)  # type: ignore[arg-type]
    return make_dataset(frame, y, gap_days=0, horizon_days=90)


@pytest.fixture(scope="session")
def firm_rows():
    """Function that makes rows of a simulated firm."""
    return simulated_rows


@pytest.fixture(scope="session")
def firm():
    """Function that makes the data set of a simulated firm with mature snapshots before 2026-03-01."""
    return simulated


@pytest.fixture(scope="session")
def small_training():
    """One training that many tests look at."""
    from crm_ml.models import train_churn

    return train_churn(
        simulated(), train_as_of=TRAIN_AS_OF, gap_days=0, horizon_days=90, first_event=FIRST_EVENT, replicates=200
    )
