"""What leads are worth, judged by the deals of the year after: `python benchmarks/deal_values.py [FIRMS] [CUSTOMERS]`.

Synthetic firms of four years; values are learnt at the beginning of the last one. Printed per firm and together: the
sum of the values over that of the real amounts, the mean of Gamma deviance and squares against one mean for all, and
the real mean amount of the third that is said to be worth most over that of the others.
"""

from __future__ import annotations

import datetime as dt
import sys

import numpy as np
import pandas as pd

from crm_ml.features import LEAD, build_features, cutoff_us, default_features
from crm_ml.features.deal_rows import won_deals
from crm_ml.features.lead_rows import lead_creations
from crm_ml.jobs.deal_values import deal_values_at
from crm_ml.models.deal_value import TRAITS
from crm_ml.tables import from_frames
from crm_ml.tables.synth import make_firm


def judged(seed: int, customers: int) -> dict[str, object]:
    """Return the measures of one firm."""
    frames = make_firm(customers=customers, seed=seed, years=4).frames
    tables = from_frames({name: frames[name] for name in ("leads", "lead_stages", "deals", "deal_stages")})
    end = frames["deals"]["closed_at"].max().date() + dt.timedelta(days=1)
    day = end - dt.timedelta(days=365)
    found = deal_values_at(tables, day)
    until = cutoff_us(end, tables.zone)
    deals = won_deals(tables, until)
    deals = deals[deals["closed"] >= cutoff_us(day, tables.zone)]
    spine = lead_creations(tables, until=until)
    spine = spine[spine["lead_id"].isin(deals["lead_id"])].reset_index(drop=True)
    traits = [feature for feature in default_features(of=LEAD) if feature.id in TRAITS]
    deals = deals.merge(build_features(tables, spine, features=traits, of=LEAD), on="lead_id")
    real, value = deals["amount"].to_numpy(), found.predict(deals)["value"].to_numpy()
    one = np.full(len(real), found.mean)
    top = value >= np.quantile(value, 2 / 3)
    return {
        "seed": seed,
        "kind": found.kind,
        "deals": found.deals,
        "later": len(real),
        "sum": value.sum() / real.sum(),
        "sum_of_mean": one.sum() / real.sum(),
        "error": real.std() / real.mean() / len(real) ** 0.5,
        "deviance_saved": float(np.mean(_deviance(real, one) - _deviance(real, value))),
        "squares": float(((real - value) ** 2).mean() / ((real - one) ** 2).mean()),
        "top_over_rest": real[top].mean() / real[~top].mean() if 0 < top.sum() < len(top) else np.nan,
    }


def _deviance(real: np.ndarray, value: np.ndarray) -> np.ndarray:
    return real / value - np.log(real / value) - 1


if __name__ == "__main__":
    firms, size = (int(given) for given in (*sys.argv[1:], *("12", "900")[len(sys.argv) - 1 :]))
    rows = pd.DataFrame([judged(seed, size) for seed in range(firms)])
    print(rows.round(3).to_string(index=False))
    told = rows[["sum", "sum_of_mean", "deviance_saved", "squares", "top_over_rest"]]
    print(told.agg(["mean", "sem", "min", "max"]).round(3).to_string())
