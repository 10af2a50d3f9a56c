"""`crm-ml features leads`: the open leads of a day, or the rows of a spine down to the microsecond."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow.parquet as pq
import pytest

import crm_ml as crm
from crm_ml.errors import DataError
from crm_ml.jobs.features import write_features

DAY = "2026-03-02"


@pytest.fixture
def ws(tmp_path):
    """Three leads: one won long ago, one open, one that comes on the day itself."""
    folder = tmp_path / "ws"
    folder.mkdir()
    pd.DataFrame(
        {
            "lead_id": ["001", "002", "003"],
            "created_at": ["2026-01-05 09:00", "2026-02-20 12:00", "2026-03-02 08:00"],
            "source": ["fair", "fair", "web"],
            "owner_id": ["m1", "m1", "m2"],
        }
    ).to_csv(folder / "leads.csv", index=False)
    stages = {"lead_id": ["001"], "stage": ["won"], "entered_at": ["2026-01-20 10:00"]}
    pd.DataFrame(stages).to_csv(folder / "stages.csv", index=False)
    touches = {
        "event_id": ["1", "2"],
        "lead_id": ["002", "002"],
        "kind": ["pricing_view", "reply_sent"],
        "occurred_at": ["2026-02-21 12:00", "2026-02-20 18:00"],
    }
    pd.DataFrame(touches).to_csv(folder / "touches.csv", index=False)
    tables = "".join(
        f"  {name}:\n    source: {file}.csv\n"
        for name, file in (("leads", "leads"), ("lead_stages", "stages"), ("lead_events", "touches"))
    )
    head = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\ntables:\n"
    (folder / "crm.yaml").write_text(head + tables, encoding="utf-8")
    return folder


def test_the_open_leads_of_a_day(ws, tmp_path):
    found = write_features(ws, "leads", as_of=DAY, out=tmp_path / "leads.parquet")
    table = found.table
    assert (found.rows, table["lead_id"].tolist(), table["as_of"].tolist()) == (1, ["002"], [dt.date(2026, 3, 2)])
    row = table.iloc[0]
    assert (row["lead_pricing_view_count"], row["lead_reply_sent_count"], row["lead_age_days"]) == (1, 1, 10)
    assert row["lead_response_hours"] == 6.0
    assert str(pq.read_schema(tmp_path / "leads.parquet").field("as_of").type) == "date32[day]"


def test_a_spine_of_instants_sees_nothing_later(ws):
    at = pd.to_datetime(["2026-02-20 18:00:00.000000", "2026-02-20 18:00:00.000001"])
    frame = crm.build_features(ws, "leads", spine=pd.DataFrame({"lead_id": ["002", "002"], "as_of": at}))
    assert frame["lead_reply_sent_count"].tolist() == [0, 1]


def test_a_day_before_the_first_lead_is_refused(ws):
    with pytest.raises(DataError, match="leads: nothing is visible as of 2025-01-01: no lead"):
        crm.build_features(ws, "leads", as_of="2025-01-01")


def test_a_spine_of_customers_is_refused(ws):
    with pytest.raises(DataError, match="must have the columns lead_id and as_of; lead_id is missing"):
        crm.build_features(ws, "leads", spine=pd.DataFrame({"customer_id": ["1"], "as_of": [dt.date(2026, 3, 2)]}))
