"""Twenty random changes that nobody could have seen on 1 March 2011 leave every feature of the real orders as it is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from wall_clock import midnight

from crm_ml.features import build_features, data_hash, make_spine
from crm_ml.tables import from_frames

ZONE = "Europe/London"
DAY = dt.date(2011, 3, 1)
START = pd.Timestamp(DAY)


@pytest.fixture(scope="module")
def lines(real_data: Path) -> pd.DataFrame:
    """The order lines of some 700 customers, with the time at which they were entered."""
    found = duckdb.sql(
        f"""
        SELECT Invoice AS order_id, "Customer ID"::VARCHAR AS customer_id, InvoiceDate::TIMESTAMP AS ordered_at,
               StockCode AS product_id, Quantity AS quantity, round(Quantity * Price, 2) AS net_amount,
               InvoiceDate::TIMESTAMP AS known_at
        FROM '{real_data}/online_retail_ii_until_2011-05-31.parquet'
        WHERE "Customer ID" IS NOT NULL AND Price > 0
          AND NOT (sheet = 'Year 2009-2010' AND InvoiceDate >= TIMESTAMP '2010-12-01')
          AND hash("Customer ID"::VARCHAR) % 7 = 0
        ORDER BY ALL
        """
    ).df()
    assert (found["ordered_at"] >= START).sum() > 5_000
    return found


def changed(lines: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the lines with rows that were not visible deleted, changed, doubled and added, in another order."""
    chance = np.random.default_rng(seed)
    seen, unseen = lines[lines["ordered_at"] < START], lines[lines["ordered_at"] >= START]
    unseen = unseen[chance.random(len(unseen)) < chance.random()].copy()
    for column in ("net_amount", "customer_id", "product_id", "order_id"):
        some = chance.random(len(unseen)) < 0.3
        unseen.loc[some, column] = lines[column].sample(int(some.sum()), random_state=seed).to_numpy()
    twice = unseen.sample(frac=0.2, random_state=seed)
    moved = seen.sample(2_000, random_state=seed)
    minutes = pd.to_timedelta(chance.integers(0, 80 * 1440, len(moved)), unit="min")
    ahead = moved.assign(ordered_at=START + minutes)  # known before it happens
    entered_late = moved.assign(net_amount=-moved["net_amount"], known_at=START + minutes)
    return pd.concat([seen, unseen, twice, ahead, entered_late]).sample(frac=1, random_state=seed)


@pytest.mark.real
def test_twenty_invisible_changes_leave_the_features_of_the_real_orders_alone(lines: pd.DataFrame) -> None:
    cutoff = midnight(DAY, ZONE)

    def seen_then(frame: pd.DataFrame) -> tuple[str, bytes, str]:
        tables = from_frames({"order_lines": frame}, zone=ZONE, currency="GBP")
        spine = make_spine(tables, [DAY], active_days=365)
        assert len(spine) > 500
        features = build_features(tables, spine)
        numbers = features.select_dtypes("number").to_numpy(float)
        return repr(features["customer_id"].tolist()), numbers.tobytes(), data_hash(tables, cutoff)

    before = seen_then(lines)
    for seed in range(20):
        assert seen_then(changed(lines, seed)) == before, f"change {seed}"
