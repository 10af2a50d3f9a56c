"""`funnel` and `speed_to_lead` on a workspace: days, groups, what is refused, and what is given back."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError, UsageError
from crm_ml.jobs.funnel import funnel
from crm_ml.jobs.speed import speed_to_lead
from crm_ml.tables.synth import make_firm

DAY = dt.date(2026, 6, 1)
YAML = """\
version: 1
currency: EUR
timezone: Europe/Berlin
language: en
tables:
  leads: {source: leads.parquet}
  lead_events: {source: lead_events.parquet}
  lead_stages: {source: lead_stages.parquet}
leads: {horizon_days: 120}
"""


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leads")
    firm = make_firm(customers=500, seed=3, years=3)
    for name in ("leads", "lead_events", "lead_stages"):
        firm.frames[name].to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "crm.yaml").write_text(YAML, encoding="utf-8")
    return folder


def test_the_funnel_of_a_day_by_source(ws):
    found = funnel(ws, as_of=DAY, by="source")
    everyone = found.table[found.table["group"] == "(all)"].set_index("step")
    assert everyone.index.tolist() == [
        "lead -> mql",
        "mql -> sql",
        "sql -> opportunity",
        "opportunity -> won",
        "lead -> won",
    ]
    leads = pd.read_parquet(ws / "leads.parquet")
    # a year back from midnight in Berlin
    window = leads["created_at"] >= pd.Timestamp(DAY) - pd.Timedelta(days=365)
    assert everyone.loc["lead -> mql", "entered"] == window.sum()
    assert (found.horizon_days, found.window_days, found.reopened) == (120, 365, 0)
    assert set(found.table["group"]) == {"(all)", *leads.loc[window, "source"]}
    parts = found.table[found.table["group"] != "(all)"].groupby("step")["entered"].sum()
    assert parts.to_dict() == everyone["entered"].to_dict()
    assert found.table.loc[found.table["step"] == "opportunity -> won", "few"].any()


def test_a_later_export_does_not_change_an_earlier_day(ws, tmp_path):
    early = dt.date(2025, 9, 1)
    for name in ("leads", "lead_events", "lead_stages"):
        frame = pd.read_parquet(ws / f"{name}.parquet")
        frame[frame["known_at"] < pd.Timestamp(early)].to_parquet(tmp_path / f"{name}.parquet", index=False)
    (tmp_path / "crm.yaml").write_text(YAML, encoding="utf-8")
    pd.testing.assert_frame_equal(funnel(ws, as_of=early).table, funnel(tmp_path, as_of=early).table)
    whole, part = (speed_to_lead(folder, as_of=early, horizon_days=60) for folder in (ws, tmp_path))
    assert whole.as_dict() == part.as_dict()


def test_speed_of_a_day(ws):
    found = speed_to_lead(ws, as_of=DAY, target="opportunity")
    assert found.table["wait"].tolist() == ["1 h", "4 h", "1 day", "3 days", "7 days", "never"]
    assert found.found.horizon_days == 120
    told = found.table["chance"].notna()
    assert told.sum() >= 3
    assert (found.table["low"] <= found.table["chance"])[told].all()
    assert "an opportunity within 120 days" in found.sentence("en")
    assert "binnen 120 Tagen zur Chance" in found.sentence("de")
    loss = found.loss_per_day(0.1, 5_000)
    assert loss.low <= loss.value <= loss.high


def test_results_are_ready_for_json(ws):
    for found in (funnel(ws, as_of="2026-06-01", by="seniority", window_days=None), speed_to_lead(ws, as_of=DAY)):
        plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert plain["as_of"] == "2026-06-01"
        assert plain == found.as_dict()


def test_pictures_are_drawn_on_the_axes_given(ws):
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    assert funnel(ws, as_of=DAY).plot(left) is left
    assert "within 120 days" in left.get_xlabel()
    assert speed_to_lead(ws, as_of=DAY).plot(right) is right
    assert np.isfinite(right.get_ylim()).all()


def test_what_cannot_be_done_is_said(ws, tmp_path):
    with pytest.raises(UsageError, match="by must be one of source, campaign, size_class, seniority; found 'sorce'"):
        funnel(ws, as_of=DAY, by="sorce")
    with pytest.raises(UsageError, match="horizon_days must be at least 1; found 0"):
        funnel(ws, as_of=DAY, horizon_days=0)
    with pytest.raises(UsageError, match="window_days must be at least 1; found -3"):
        funnel(ws, as_of=DAY, window_days=-3)
    with pytest.raises(DataError, match="leads: nothing is visible as of 2001-01-01"):
        funnel(ws, as_of="2001-01-01")
    with pytest.raises(UsageError, match="target must be one of mql, sql, opportunity, won; found 'lost'"):
        speed_to_lead(ws, as_of=DAY, target="lost")
    with pytest.raises(UsageError, match="horizon_days must be at least 1; found 0"):
        speed_to_lead(ws, as_of=DAY, horizon_days=0)
    with pytest.raises(DataError, match="at least two waits"):
        speed_to_lead(ws, as_of="2023-07-01")
    for name in ("leads", "lead_stages"):
        pd.read_parquet(ws / f"{name}.parquet").to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "crm.yaml").write_text(YAML.replace("  lead_events: {source: lead_events.parquet}\n", ""))
    with pytest.raises(DataError, match="needs the table lead_events, which is not mapped"):
        speed_to_lead(tmp_path, as_of=DAY)
