"""What is not visible at a cutoff changes nothing about a forecast; a firm whose future is torn out gives the same."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import deal_history
from crm_ml.models.deals import fit_hazards, open_deals
from crm_ml.models.revenue import simulate_revenue
from crm_ml.tables import from_frames
from crm_ml.tables.synth import make_firm

DAY = dt.date(2025, 3, 10)
AT = pd.Timestamp(DAY)


@pytest.fixture(scope="module")
def frames():
    made = make_firm(customers=250, seed=5, years=3).frames
    return {name: made[name] for name in ("deals", "deal_stages")}


def told(frames):
    tables = from_frames(frames, strict=False)
    then = deal_history(tables, cutoff_us(DAY, tables.zone))
    return simulate_revenue(then, draws=20, futures=5).table(), open_deals(then, fit_hazards(then), [then.day + 30])


def same(one, other):
    for first, second in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.fixture(scope="module")
def before(frames):
    return told(frames)


def test_the_future_may_be_torn_out(frames, before):
    deals, stages = frames["deals"], frames["deal_stages"]
    deals = deals[(deals["created_at"] < AT) & (deals["known_at"] < AT)].copy()
    late = ~(deals["closed_at"] < AT)
    deals.loc[late, "status"], deals.loc[late, "closed_at"] = "open", pd.NaT
    stages = stages[(stages["entered_at"] < AT) & (stages["known_at"] < AT)]
    # the export overwrote these when a deal ended; the stages say what was known
    deals.loc[late, "amount"], deals.loc[late, "expected_close_at"] = np.nan, pd.NaT
    same(before, told({"deals": deals, "deal_stages": stages}))


@pytest.mark.parametrize("seed", range(3))
def test_the_future_may_be_another(frames, before, seed):
    rng = np.random.default_rng(seed)
    deals, stages = frames["deals"].copy(), frames["deal_stages"].copy()
    late = ~(deals["closed_at"] < AT).to_numpy()
    deals.loc[late, "status"] = np.array(["open", "won", "lost"])[rng.integers(3, size=late.sum())]
    deals.loc[late, "closed_at"] = AT + pd.to_timedelta(rng.integers(0, 300, late.sum()), "D")
    unseen = (stages["entered_at"] >= AT).to_numpy()
    stages.loc[unseen, "amount"] = rng.integers(1, 10**6, unseen.sum()).astype(float)
    stages.loc[unseen, "stage"] = np.array(["offer", "elsewhere"])[rng.integers(2, size=unseen.sum())]
    # and rows that happened before but were entered on the day itself or later
    entered_late = stages[~unseen].sample(20, random_state=seed)
    entered_late = entered_late.assign(known_at=AT, entered_at=entered_late["entered_at"] - pd.Timedelta("1h"))
    stages = pd.concat([stages, entered_late]).sample(frac=1, random_state=seed)
    same(before, told({"deals": deals.sample(frac=1, random_state=seed), "deal_stages": stages}))
