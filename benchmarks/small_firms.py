"""Small firms made fast: customers order at their own pace, some are driven away, and nothing else is known of them.

For studies that need hundreds of firms and very many fresh customers; the firm of `crm_ml.tables.synth` is the detailed
one. A customer orders as a Poisson process at its own rate until it leaves; the hazard of leaving grows with what it
suffers (late deliveries), of which the tables show a noisy count. All arrays are made at once, per customer.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_ml.models import Dataset, make_dataset

START = dt.date(2022, 1, 1)
DAYS = 900
HORIZON_DAYS = 90
ACTIVE_DAYS = 365
EVERY_DAYS = 30
SNAPSHOTS = 14
TRAIN_AS_OF = START + dt.timedelta(days=DAYS)
_MOST_ORDERS = 90


@dataclass(frozen=True)
class Firm:
    """Order days of each customer (sorted, nan behind the last), and what it suffers (seen with noise)."""

    orders: np.ndarray
    suffering: np.ndarray
    seen: np.ndarray


def make_firm(rng: np.random.Generator, customers: int, *, driver: float = 1.0) -> Firm:
    """Return a firm; `driver` scales how much what customers suffer drives them away (0: only chance does)."""
    gap = np.exp(rng.normal(np.log(28), 0.5, customers))
    suffering = rng.gamma(1.0, 1.0, customers)
    hazard = 1 / 1400 * np.exp(driver * (suffering - 1.0))
    leaves = rng.exponential(1 / hazard)
    first = rng.uniform(0, 500, customers)
    steps = rng.exponential(1.0, (customers, _MOST_ORDERS)) * gap[:, None] * 0.8 + 1.0
    orders = first[:, None] + np.cumsum(steps, axis=1) - steps[:, :1]
    orders[(orders > (first + leaves)[:, None]) | (orders >= DAYS)] = np.nan
    seen = rng.poisson(suffering[:, None] * 3.0, (customers, 1))[:, 0].astype(float)
    return Firm(orders, suffering, seen)


def snapshot_rows(firm: Firm, day: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the features of the customers that are eligible on a day, and who then did not order in 90 days."""
    orders = firm.orders
    past = orders < day
    last = np.where(past, orders, -np.inf).max(axis=1)
    eligible = last >= day - ACTIVE_DAYS
    orders, past, last = orders[eligible], past[eligible], last[eligible]
    first = np.where(past, orders, np.inf).min(axis=1)
    count = past.sum(axis=1)
    gap = np.where(count > 1, (last - first) / np.maximum(count - 1, 1), np.nan)
    since = np.floor(day - last)
    frame = pd.DataFrame(
        {
            "customer_id": np.flatnonzero(eligible),
            "days_since_last_order": since,
            "days_since_last_order_over_own_gap": since / gap,
            "days_since_first_order": np.floor(day - first),
            "order_days_count": count.astype(float),
            **{
                f"orders_count_{window}d": (past & (orders >= day - window)).sum(axis=1).astype(float)
                for window in (30, 90, 365)
            },
            "deliveries_late_count_365d": firm.seen[eligible],
        }
    )
    stays = ((orders >= day) & (orders < day + HORIZON_DAYS)).any(axis=1)
    return frame, ~stays


def snapshot_days() -> list[int]:
    """Return the mature snapshot days for training at the end, newest first, as days of the firm."""
    return [DAYS - HORIZON_DAYS - EVERY_DAYS * k for k in range(SNAPSHOTS)]


def rows_on(firm: Firm, days: list[int]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows of several days below each other, with ``as_of``."""
    parts = [snapshot_rows(firm, day) for day in days]
    frames = [frame.assign(as_of=START + dt.timedelta(days=day)) for (frame, _), day in zip(parts, days, strict=True)]
    return pd.concat(frames, ignore_index=True), np.concatenate([y for _, y in parts])


def make_small_dataset(firm: Firm) -> Dataset:
    """Return the training data of a firm."""
    frame, y = rows_on(firm, snapshot_days())
    frame["customer_id"] = frame["customer_id"].map("{:07d}".format)
    return make_dataset(frame, y, gap_days=0, horizon_days=HORIZON_DAYS)
