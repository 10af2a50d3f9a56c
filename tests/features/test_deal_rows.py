"""Deals as known on a day: what became of them, and how long they stood where."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import deal_history
from crm_ml.tables import from_frames

DEALS = {
    "deal_id": ["b", "a", "c"],
    "created_at": ["2026-01-02 09:00", "2026-01-01 09:00", "2026-01-20 09:00"],
    "status": ["won", "lost", "open"],
    "closed_at": ["2026-01-12 15:00", "2026-03-01 10:00", None],
    "expected_close_at": ["2026-01-12", "2026-03-01", None],
    "amount": [120, 40, 7],
    "owner_id": ["m1", None, "m2"],
    "lead_id": ["1", "2", "3"],
}
STAGES = {
    "deal_id": ["b", "b", "b", "b", "a", "a", "a"],
    "stage": ["offer", "talks", "talks", "won", "offer", "offer", "talks"],
    "entered_at": [
        "2026-01-02 09:00",
        "2026-01-05 08:00",
        "2026-01-08 08:00",
        "2026-01-12 15:00",
        "2026-01-04 09:00",
        "2026-01-10 09:00",
        "2026-02-20 09:00",
    ],
    "amount": [100, 110, 115, 120, 30, 35, 40],
    "expected_close_at": ["2026-02-01", "2026-01-10", "2026-01-11", "2026-01-12", "2026-02-01", "2026-03-15", None],
}


def history(day, deals=DEALS, stages=STAGES):
    frames = {"deals": pd.DataFrame(deals)} | ({} if stages is None else {"deal_stages": pd.DataFrame(stages)})
    tables = from_frames(frames, strict=False)
    return deal_history(tables, cutoff_us(day, tables.zone))


def days(found):
    return [None if pd.isna(value) else int(value) for value in found]


JANUARY = (dt.date(2026, 1, 1) - dt.date(1970, 1, 1)).days - 1
"""Days of January 2026 less this are days of the month."""


def test_stays_and_ends():
    found = history(dt.date(2026, 1, 15))
    assert found.deals["deal_id"].tolist() == ["a", "b"]  # c is not there yet
    rows = found.spells.assign(entered=found.spells["entered"] - JANUARY)
    assert rows[["deal", "stage", "entered", "length", "to", "amount"]].fillna(0).values.tolist() == [
        [0, "", 1, 3, "offer", 0],  # no stage is known of its first three days
        [0, "offer", 4, 10, "", 35],  # the second entry is the same stay; at risk from the 5th to the 14th
        [1, "offer", 2, 3, "talks", 100],
        [1, "talks", 5, 7, "won", 115],
    ]


def test_what_is_known_of_each_deal():
    deals = history(dt.date(2026, 1, 15)).deals
    assert deals["status"].tolist() == ["open", "won"]  # that a is lost becomes known in March
    assert deals["owner_id"].tolist() == ["", "m1"]
    assert deals["amount"].tolist() == [35.0, 120.0]
    assert days(deals["closed"]) == [None, JANUARY + 12]
    march_15 = JANUARY + 31 + 28 + 15
    assert days(deals["expected_close"]) == [march_15, JANUARY + 12]  # a plan is known before its day
    assert deals["pushes"].tolist() == [1, 1]
    assert days(deals["first_close"]) == [JANUARY + 32, JANUARY + 32]


def test_without_stages_a_deal_is_one_stay():
    found = history(dt.date(2026, 3, 2), stages=None)
    assert found.spells[["stage", "length", "to"]].values.tolist() == [["", 59, "lost"], ["", 10, "won"], ["", 40, ""]]


def test_a_deal_that_ends_on_its_first_day_was_at_risk_for_one():
    deals = {**DEALS, "closed_at": ["2026-01-02 15:00", None, None], "status": ["won", "open", "won"]}
    found = history(dt.date(2026, 1, 25), deals=deals, stages=None)
    assert found.spells["length"].tolist() == [23, 1, 4]
    assert found.deals["status"].tolist() == ["open", "won", "open"]  # won without a time: never known to be


def test_deals_must_be_there():
    tables = from_frames({"leads": pd.DataFrame({"lead_id": ["1"], "created_at": ["2026-01-01"]})}, strict=False)
    with pytest.raises(DataError, match="needs the table deals, which is not mapped"):
        deal_history(tables, 0)
