"""Do the reasons of a customer stay from one morning to the next, and what does a row of them cost?

One model, fourteen mornings in a row. A reason may change when something happened; it should not when nothing did. The
same is measured on a real shop's orders where CRM_ML_REAL_DATA is set.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from real_orders import DAY as REAL_DAY
from real_orders import FILE, MAPPING

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models import Model, load_bundle
from crm_ml.models.explain.groups import REST
from crm_ml.models.explain.reasons import reasons_for

TRAIN_DAY = dt.date(2025, 9, 1)
FIRST_DAY = dt.date(2026, 2, 23)
DAYS = 14
ROWS = 20_000


def morning(workspace: Path, model: Model, day: dt.date, currency: str) -> pd.DataFrame:
    """First raising group and all shown groups of each customer, and whether it ordered the day before."""
    frame = crm.build_features(workspace, as_of=[day])
    reasons = reasons_for(frame, model.contributions(frame), currency=currency)
    shown = [[reason for reason in row if reason.group != REST] for row in reasons]
    return pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy(),
            "day": day,
            "p": model.predict_proba(frame),
            "first": [row[0].group if row else "" for row in shown],
            "groups": [frozenset(reason.group for reason in row) for row in shown],
            "raising": [frozenset(reason.group for reason in row if reason.contribution > 0) for row in shown],
            "ordered": (frame["days_since_last_order"] == 1).to_numpy(),
        }
    )


def stability(mornings: Sequence[pd.DataFrame]) -> dict[str, object]:
    """Shares of customers, and of steps from one morning to the next, for which a thing stays the same."""
    rows = pd.concat(mornings, ignore_index=True)
    always = rows.groupby("customer_id")["day"].transform("size") == len(mornings)
    rows = rows[always].sort_values(["customer_id", "day"], ignore_index=True)
    step = rows["customer_id"].eq(rows["customer_id"].shift())
    quiet = step & ~rows["ordered"]
    found: dict[str, object] = {"customers": int(rows["customer_id"].nunique()), "mornings": len(mornings)}
    for what in ("first", "groups", "raising"):
        same = rows[what] == rows[what].shift()
        found[f"{what}_same_all_mornings"] = float(rows.groupby("customer_id")[what].nunique().eq(1).mean())
        found[f"{what}_same_next_morning"] = float(same[step].mean())
        found[f"{what}_same_next_morning_without_an_order"] = float(same[quiet].mean())
    risky = rows.groupby("customer_id")["p"].transform("max") >= 0.3
    found["first_same_all_mornings_from_p_0.3"] = float(
        rows[risky].groupby("customer_id")["first"].nunique().eq(1).mean()
    )
    return found


def cost(workspace: Path, model: Model, day: dt.date, currency: str) -> dict[str, float]:
    """Microseconds per row from contributions to reasons, and for the contributions themselves, on many rows."""
    frame = crm.build_features(workspace, as_of=[day])
    picked = np.random.default_rng(0).integers(len(frame), size=ROWS)
    frame = frame.iloc[picked].reset_index(drop=True)
    # sentences are made once per value: amounts must differ as they do among so many customers
    for name in frame.columns:
        if "revenue" in name or "amount" in name:
            frame[name] *= np.random.default_rng(1).uniform(0.5, 2.0, len(frame))
    begin = time.perf_counter()
    contributions = model.contributions(frame)
    middle = time.perf_counter()
    reasons_for(frame, contributions, currency=currency)
    end = time.perf_counter()
    return {"rows": ROWS, "contributions_us": (middle - begin) / ROWS * 1e6, "reasons_us": (end - middle) / ROWS * 1e6}


def measure(workspace: Path, first_day: dt.date, currency: str) -> dict[str, object]:
    (bundle,) = (workspace / "mlflow" / "bundles").iterdir()
    model = load_bundle(bundle, sha256=bundle.name)
    mornings = [morning(workspace, model, first_day + dt.timedelta(days=k), currency) for k in range(DAYS)]
    return {**stability(mornings), "cost": cost(workspace, model, first_day, currency)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        firm = Path(folder) / "firm"
        make_workspace(firm, customers=asked.customers, seed=asked.seed)
        crm.train(firm, "churn", as_of=TRAIN_DAY)
        found["synthetic_firm"] = measure(firm, FIRST_DAY, "EUR")
        data = Path(os.environ.get("CRM_ML_REAL_DATA", ""))
        if os.environ.get("CRM_ML_REAL_DATA") and (data / FILE).is_file():
            shop = Path(folder) / "shop"
            shop.mkdir()
            (shop / "crm.yaml").write_text(MAPPING.format(source=(data / FILE).resolve()))
            crm.train(shop, "churn", as_of=REAL_DAY)
            found["real_orders"] = measure(shop, REAL_DAY, "GBP")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
