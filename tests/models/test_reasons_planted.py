"""Does the first reason name what truly drives a customer of the synthetic firm? A model is trained in the test."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from crm_ml.features import build_features, churn_labels, cutoff_us, make_spine
from crm_ml.models import Model, make_dataset, snapshots_for, train_churn
from crm_ml.models.explain.reasons import reasons_for
from crm_ml.tables import Tables, from_frames
from crm_ml.tables.synth import make_firm

TRAIN_DAY = dt.date(2025, 9, 1)
DAYS = (dt.date(2025, 9, 1), dt.date(2025, 11, 3), dt.date(2026, 1, 12), dt.date(2026, 3, 2))
HORIZON = 90
DISCONTENT = {
    "complaints",
    "returns",
    "disputes",
    "price",
    "late_payment",
    "open_invoices",
    "response_time",
    "satisfaction",
}
TELLS_OF = {
    "silence": {"order_pause"},
    "slow_rhythm": {"order_rhythm"},
    "just_ordered": {"order_pause"},
    "quiet_season": {"season", "profile"},
    "discontent": DISCONTENT,
}
"""What the simulation knows a customer by -> the causes among the reasons that say just that.

Silence is a pause that is plain to see. Discontent shows in no table itself, only in what it leads to.
"""


def trained(tables: Tables) -> Model:
    cutoff = cutoff_us(TRAIN_DAY, tables.zone)
    days = snapshots_for(TRAIN_DAY, 0, HORIZON, 30, 1825, 365, dt.date(2021, 6, 1))[:30]
    spine = make_spine(tables, days, active_days=365)
    labels = churn_labels(tables, spine, gap_days=0, horizon_days=HORIZON, known_until=cutoff)
    data = make_dataset(build_features(tables, spine), labels, gap_days=0, horizon_days=HORIZON)
    return train_churn(
        data, train_as_of=TRAIN_DAY, gap_days=0, horizon_days=HORIZON, replicates=100, folds=2, threads=1
    ).model


@pytest.mark.stress
def test_planted_causes_lead_the_reasons_of_leavers() -> None:
    firm = make_firm(customers=1500, seed=5)
    tables = from_frames(firm.frames)
    model = trained(tables)
    rows = []
    for day in DAYS:
        frame = build_features(tables, make_spine(tables, [day], active_days=365))
        reasons = reasons_for(frame, model.contributions(frame), currency="EUR")
        first = [row[0].group if row[0].contribution > 0 else "nothing raises" for row in reasons]
        known = firm.causes(day, HORIZON).merge(firm.truth(day, HORIZON, simulations=1)[["customer_id", "y"]])
        rows.append(known.merge(pd.DataFrame({"customer_id": frame["customer_id"], "first": first})))
    all_rows = pd.concat(rows, ignore_index=True)
    leavers = all_rows[all_rows["y"].astype(bool) & all_rows["single"]]
    led = pd.Series(
        [group in TELLS_OF.get(cause, ()) for group, cause in zip(leavers["first"], leavers["cause"], strict=True)],
        index=leavers.index,
    )
    by_cause = led.groupby(leavers["cause"]).agg(["mean", "size"])
    assert len(leavers) > 200
    assert led.mean() >= 0.80, by_cause
    assert by_cause.loc["silence", "mean"] >= 0.95, by_cause
    assert by_cause.loc["slow_rhythm", "mean"] >= 0.75, by_cause
