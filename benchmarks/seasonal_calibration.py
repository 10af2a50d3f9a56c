"""Does the mean prediction keep up with a base rate that rises and falls with the season?

A synthetic firm sells with one strong wave through the year, so the share of customers without an order in 90 days
about doubles from early summer to winter. At each of twelve cutoffs, 30 days apart, a model is trained as of that day
and predicts the customers eligible on it; the 90 days after it judge. Aim: |mean prediction - rate| <= .03 at each.

``--plain`` leaves out the features that know the season, so that the calibration alone has to follow it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys

import numpy as np

from crm_ml.features import build_features, churn_labels, cutoff_us, make_spine
from crm_ml.models import make_dataset, train_churn
from crm_ml.tables import from_frames
from crm_ml.tables.synth import SEASONAL, make_firm

HORIZON, EVERY, CUTOFFS = 90, 30, 12
LAST = dt.date(2026, 3, 1)
AIM = 0.03
SEASONED = ("season_sin", "season_cos", "orders_count_90d_ago", "orders_net_revenue_90d_ago")


def measure(customers: int, seed: int, years: int, max_rows: int, plain: bool) -> dict[str, object]:
    firm = make_firm(customers=customers, seed=seed, years=years, common_season=SEASONAL)
    tables = from_frames(firm.frames)
    days = [LAST - dt.timedelta(days=EVERY * k) for k in range(365 * years // EVERY)]
    days = [day for day in days if day >= firm.start + dt.timedelta(days=90)]
    spine = make_spine(tables, days, active_days=365)
    frame = build_features(tables, spine)
    if plain:
        frame = frame.drop(columns=[name for name in SEASONED if name in frame.columns])
    found = []
    for k in reversed(range(CUTOFFS)):
        found.append(at_cutoff(firm, tables, spine, frame, LAST - dt.timedelta(days=EVERY * k), max_rows))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    off = [abs(row["mean_prediction"] - row["rate"]) for row in found]
    return {
        "customers": customers,
        "seed": seed,
        "years": years,
        "plain": plain,
        "cutoffs": found,
        "largest_difference": round(max(off), 4),
        "aim_met": max(off) <= AIM,
    }


def at_cutoff(firm, tables, spine, frame, day, max_rows):
    """Train as of a day, predict it, and look up what happened."""
    as_of = frame["as_of"]
    past = (as_of <= day - dt.timedelta(days=HORIZON)).to_numpy()
    # labels as known on the day of training: orders that were entered later do not count
    known = cutoff_us(day, tables.zone)
    y = churn_labels(tables, spine[past], gap_days=0, horizon_days=HORIZON, known_until=known)
    data = make_dataset(frame[past].drop(columns="cutoff"), y, gap_days=0, horizon_days=HORIZON)
    trained = train_churn(
        data,
        train_as_of=day,
        gap_days=0,
        horizon_days=HORIZON,
        every_days=EVERY,
        first_event=firm.start,
        max_rows=max_rows,
        replicates=50,
    )
    here = (as_of == day).to_numpy()
    end = cutoff_us(firm.until, tables.zone)
    happened = churn_labels(tables, spine[here], gap_days=0, horizon_days=HORIZON, known_until=end)
    p = trained.model.predict_proba(frame[here])
    choice = trained.calibration
    return {
        "as_of": day.isoformat(),
        "rows": len(p),
        "rate": round(float(np.mean(happened)), 4),
        "mean_prediction": round(float(p.mean()), 4),
        "difference": round(float(p.mean() - np.mean(happened)), 4),
        "model": trained.model_kind,
        "verdict": trained.verdict,
        "level": choice.level,
        "curve": choice.calibration.kind,
        "evaluation_ece": round(trained.metrics["ece"].value, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=20_000)
    parser.add_argument("--plain", action="store_true", help="without the features that know the season")
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
