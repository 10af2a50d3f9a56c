"""A synthetic firm whose customers table was overwritten when customers left: leaks of six kinds, and sound columns."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from crm_ml.features import build_features, churn_labels, cutoff_us, default_features, make_spine
from crm_ml.features.attributes import own_features
from crm_ml.models import Dataset, make_dataset, snapshots_for
from crm_ml.models.dataset import plan_split
from crm_ml.tables import from_frames
from crm_ml.tables.synth import Firm, make_firm

UNTIL = dt.date(2026, 6, 1)
SOUND = ("group", "score", "size_class")
LEAKS = {
    "status_text": 1,
    "ended_on": 2,
    "changed_at": 2,
    "changed_month": 2,
    "reason": 3,
    "year_total": 4,
    "next_quarter": 4,
    "owner": 5,
    "merged_into": 6,
    "is_duplicate": 6,
}
BASE = (
    "days_since_last_order",
    "days_since_last_order_over_own_gap",
    "order_gap_days_mean",
    "orders_count_365d",
    "orders_count_90d",
    "orders_net_revenue_365d",
    "days_since_last_contact",
)
DESCRIPTIVE = ("industry", "country", "region", "legal_form", "employees", "days_since_customer_since")


def dataset(frames: dict[str, pd.DataFrame], own: tuple[str, ...] = (), *, only: tuple[str, ...] = BASE) -> Dataset:
    """The rows a training as of UNTIL fits on; the mapping claims that `own` were known from customer_since."""
    names = ("customers", "order_lines", "interactions", "invoices", "payments", "surveys")
    tables = from_frames(
        {name: frames[name] for name in names}, attributes={"customers": dict.fromkeys(own, "customer_since")}
    )
    first = frames["order_lines"]["ordered_at"].min().date()
    days = plan_split(snapshots_for(UNTIL, 0, 90, 30, 1825, 90, first), label_days=90).fit
    spine = make_spine(tables, days, active_days=365)
    y = churn_labels(tables, spine, gap_days=0, horizon_days=90, known_until=cutoff_us(UNTIL, tables.zone))
    features = [f for f in default_features() if not only or f.id in (*only, *DESCRIPTIVE)]
    frame = build_features(tables, spine, features=[*features, *own_features(tables)])
    return make_dataset(frame, y, gap_days=0, horizon_days=90)


def firm(customers: int, seed: int, years: int = 3) -> Firm:
    return make_firm(customers, seed, years=years, until=UNTIL)


class Plants:
    """Columns as a careless export would hold them; `share` of the leavers are written down at all."""

    def __init__(self, made: Firm, seed: int, *, share: float = 1.0) -> None:
        self.made, self.rng, self.share = made, np.random.default_rng(seed), share
        self.customers = made.frames["customers"].copy()
        self.count = len(self.customers)

    def marked(self, soonest: int, latest: int) -> tuple[np.ndarray, np.ndarray]:
        """Who is marked as gone by UNTIL, and on which day of the firm's calendar."""
        world, left = self.made._world, self.made._life.left
        day = np.where(left < world.end, left, world.end) + self.rng.integers(soonest, latest, self.count)
        written = self.rng.random(self.count) < self.share
        return written & (day < world.end), np.minimum(day, world.end - 1)

    def total(self, since: str, until: str) -> np.ndarray:
        lines = self.made.frames["order_lines"]
        there = (lines["ordered_at"] >= since) & (lines["ordered_at"] < until)
        sums = lines[there].groupby("customer_id")["net_amount"].sum()
        return self.customers["customer_id"].map(sums).fillna(0.0).to_numpy(float)

    def days(self, day: np.ndarray) -> np.ndarray:
        return self.made._world.days[day].astype("datetime64[us]")


def sound_columns(plants: Plants) -> pd.DataFrame:
    """What was truly known from the start: chance, and something that goes with how often a customer orders."""
    rng, size = plants.rng, np.log(plants.made._world.size)
    noisy = size + rng.normal(0, 0.5, plants.count)
    return plants.customers.assign(
        group=rng.choice(["A", "B", "C"], plants.count),
        score=rng.lognormal(0, 1, plants.count),
        size_class=np.digitize(noisy, np.quantile(noisy, [0.25, 0.5, 0.75])).astype(float),
    )


def leaky_columns(plants: Plants) -> pd.DataFrame:
    rng, frames = plants.rng, plants.made.frames
    out = sound_columns(plants)
    gone, _ = plants.marked(20, 120)
    out["status_text"] = np.where(gone, "verloren", "aktiv")
    gone, day = plants.marked(10, 90)
    out["ended_on"] = np.where(gone, plants.days(day), np.datetime64("NaT", "us"))
    last = frames["order_lines"].groupby("customer_id")["ordered_at"].max()
    changed = out["customer_id"].map(last).fillna(pd.Timestamp("2023-06-01"))
    changed += pd.to_timedelta(rng.integers(1, 40, plants.count), unit="D")
    out["changed_at"] = changed.clip(upper=pd.Timestamp(UNTIL) - pd.Timedelta(days=1))
    out["changed_month"] = out["changed_at"].dt.strftime("%Y-%m")
    gone, _ = plants.marked(10, 90)
    why = rng.choice(["price", "competitor", "quality"], plants.count)
    out["reason"] = pd.array(np.where(gone, why, None), dtype="str")
    out["year_total"] = plants.total("2026-01-01", "2026-06-01")
    out["next_quarter"] = plants.total("2025-10-01", "2026-01-01")
    gone, _ = plants.marked(20, 150)
    out["owner"] = np.where(gone, "house account", out["account_manager_id"])
    return out


def leaky_descriptive(plants: Plants) -> pd.DataFrame:
    """The same through columns that count as known from the start."""
    out = plants.customers
    gone, _ = plants.marked(20, 120)
    out["industry"] = np.where(gone, "former customers", out["industry"])
    gone, _ = plants.marked(20, 120)
    out["country"] = pd.array(np.where(gone, None, out["country"]), dtype="str")
    gone, _ = plants.marked(20, 120)
    out["region"] = np.where(gone, "house account", out["region"])
    gone, day = plants.marked(10, 60)
    out["customer_since"] = np.where(gone, plants.days(day), out["customer_since"])
    out["employees"] = plants.total("2026-01-01", "2026-06-01").astype(int)
    return out


def merged(plants: Plants, customers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Let every tenth buying customer turn out to be a double: from a day on its orders run under another number."""
    lines = plants.made.frames["order_lines"].copy()
    ids = customers["customer_id"].to_numpy()
    bought = lines.groupby("customer_id")["ordered_at"].agg(["min", "max"])
    into = np.full(len(ids), None, object)
    for place in np.flatnonzero(plants.rng.random(len(ids)) < 0.1):
        if ids[place] not in bought.index:
            continue
        first, last = bought.loc[ids[place]]
        day = first + (last - first) * plants.rng.uniform(0.2, 0.9)
        into[place] = ids[(place + 1) % len(ids)]
        own = (lines["customer_id"] == ids[place]) & (lines["ordered_at"] >= day)
        lines.loc[own, "customer_id"] = into[place]
    doubles = customers.assign(
        merged_into=pd.array(into, dtype="str"), is_duplicate=[0.0 if x is None else 1.0 for x in into]
    )
    return {**plants.made.frames, "customers": doubles, "order_lines": lines}
