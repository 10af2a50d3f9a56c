"""Deals as known on a day: what became of them, and how long they stood where."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.features import cutoff_us
from crm_ml.features.deal_rows import deal_history, won_deals
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


def won(day, deals=DEALS, stages=STAGES, leads=("1", "2", "3")):
    frames = {"deals": pd.DataFrame(deals)} | ({} if stages is None else {"deal_stages": pd.DataFrame(stages)})
    if leads is not None:
        frames["leads"] = pd.DataFrame({"lead_id": list(leads), "created_at": "2026-01-01"})
    tables = from_frames(frames, strict=False)
    found = won_deals(tables, cutoff_us(day, tables.zone))
    closed = pd.to_datetime(found["closed"], unit="us", utc=True).dt.tz_convert(tables.zone).dt.strftime("%m-%d %H:%M")
    return found.assign(closed=closed).astype(object).where(found.notna(), None).values.tolist()


def test_won_deals_are_those_known_to_be_won():
    assert won(dt.date(2026, 1, 12)) == [], "it is won in the afternoon of that day"
    assert won(dt.date(2026, 1, 13)) == [["1", 120.0, "01-12 15:00"]]
    assert won(dt.date(2026, 4, 1)) == [["1", 120.0, "01-12 15:00"]], "a is lost"


def test_amounts_of_won_deals_are_those_last_stated():
    later = {**DEALS, "amount": [999, 40, 7]}
    assert won(dt.date(2026, 2, 1), deals=later)[0][1] == 120.0
    assert won(dt.date(2026, 2, 1), deals=later, stages=None)[0][1] == 999.0
    only_stages = {name: column for name, column in DEALS.items() if name != "amount"}
    assert won(dt.date(2026, 2, 1), deals=only_stages)[0][1] == 120.0
    assert won(dt.date(2026, 2, 1), deals=only_stages, stages=None) == []
    assert won(dt.date(2026, 2, 1), deals={**DEALS, "amount": [None, 40, 7]}, stages=None) == []


def test_a_lead_that_is_not_visible_is_not_named():
    assert won(dt.date(2026, 2, 1), leads=("2",))[0] == [None, 120.0, "01-12 15:00"]
    assert won(dt.date(2026, 2, 1), leads=None)[0][0] is None


def test_won_deals_stand_in_the_order_of_time():
    three = {
        **DEALS,
        "status": "won",
        "closed_at": ["2026-01-12", "2026-03-01", "2026-01-12"],
        "created_at": "2026-01-01",
    }
    assert [row[:2] for row in won(dt.date(2026, 4, 1), deals=three, stages=None)] == [["1", 120], ["3", 7], ["2", 40]]
