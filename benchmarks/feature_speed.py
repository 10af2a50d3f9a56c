"""Features at 24 monthly cutoffs against a pandas loop that computes sixteen of them, and against one cutoff.

Both sides start from the same rows in memory and are checked to agree cell by cell on what both compute.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from crm_ml.features import build_features, default_features, make_spine
from crm_ml.tables import from_frames
from crm_ml.tables.synth import make_firm

WINDOWS = (30, 90, 180, 365)
SHARED = [f"orders_{what}_{w}d" for w in WINDOWS for what in ("count", "net_revenue", "products_count")]
SHARED += ["days_since_last_order", "days_since_first_order", "order_days_count", "order_gap_days_mean"]


def pandas_loop(lines: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """The usual way: filter, group and aggregate once per cutoff and window."""
    parts = []
    for day, rows in spine.groupby("as_of", sort=True):
        end = pd.Timestamp(day)
        seen = lines[(lines["ordered_at"] < end) & (lines["known_at"] < end)]
        out = rows[["customer_id", "as_of"]].set_index("customer_id")
        orders = seen.groupby(["customer_id", "order_id"], sort=False).agg(
            at=("ordered_at", "min"), net=("net_amount", "sum")
        )
        bought = orders[orders["net"].round(4) > 0].reset_index("customer_id")
        for w in WINDOWS:
            begin = end - pd.Timedelta(days=w)
            some = seen[seen["ordered_at"] >= begin]
            out[f"orders_count_{w}d"] = bought[bought["at"] >= begin].groupby("customer_id").size()
            out[f"orders_net_revenue_{w}d"] = some.groupby("customer_id")["net_amount"].sum()
            kept = some[some["net_amount"] >= 0]
            out[f"orders_products_count_{w}d"] = kept.groupby("customer_id")["product_id"].nunique()
        days = bought.assign(day=bought["at"].dt.normalize()).drop_duplicates(["customer_id", "day"])
        grouped = days.groupby("customer_id")["day"]
        first, last, count = grouped.min(), grouped.max(), grouped.size()
        out["days_since_last_order"] = (end - last).dt.days
        out["days_since_first_order"] = (end - first).dt.days
        out["order_days_count"] = count
        out["order_gap_days_mean"] = ((last - first).dt.days / (count - 1)).where(count > 1)
        zero = [name for name in SHARED if "_count" in name or "revenue" in name]
        out[zero] = out[zero].fillna(0.0)
        parts.append(out.reset_index())
    return pd.concat(parts, ignore_index=True)


def timed(work: Callable[[], pd.DataFrame], runs: int) -> tuple[float, pd.DataFrame]:
    taken = []
    for _ in range(runs):
        begin = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken)), found


def measure(customers: int, runs: int) -> dict[str, object]:
    firm = make_firm(customers=customers, seed=1)
    frames = {name: firm.frames[name] for name in ("order_lines", "invoices", "payments", "interactions", "surveys")}
    tables, all_lines = from_frames(frames), firm.frames["order_lines"]
    days = [dt.date(2026, 5, 1) - dt.timedelta(days=30 * k) for k in range(24)]
    spine = make_spine(tables, days, active_days=365)
    one = make_spine(tables, days[:1], active_days=365)
    shared = [feature for feature in default_features() if feature.id in SHARED]
    build_features(tables, one)  # compile
    ours_all, _ = timed(lambda: build_features(tables, spine), runs)
    ours_one, _ = timed(lambda: build_features(tables, one), runs)
    ours, a = timed(lambda: build_features(tables, spine, features=shared), runs)
    peer, b = timed(lambda: pandas_loop(all_lines, spine), 1)
    both = a.merge(b, on=["customer_id", "as_of"], suffixes=("", "_peer"))
    for name in SHARED:
        # floats of the loop carry residues that the fixed-point sums do not
        np.testing.assert_allclose(both[name], both[f"{name}_peer"], rtol=1e-9, atol=1e-6, err_msg=name)
    return {
        "order_lines": len(all_lines),
        "spine_rows": len(spine),
        "pandas_loop_over_ours_same_features": peer / ours,
        "pandas_loop_16_features_over_ours_all_features": peer / ours_all,
        "features": len(default_features()),
        "growth_from_1_to_24_cutoffs": ours_all / ours_one,
        "seconds": {
            "pandas loop, 16 features": peer,
            "ours, the same": ours,
            "ours, all": ours_all,
            "one day": ours_one,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=3)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
