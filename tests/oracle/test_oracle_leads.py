"""Every feature of leads, the open leads, their moments and labels against independent loops, cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from lead_oracle import oracle_labels, oracle_lead_features, oracle_moments, oracle_open
from messy_leads import OPTIONAL, LeadFirm, messy_lead_firms, seeded_lead_firm
from wall_clock import DAY_US, midnight

from crm_ml.errors import DataError
from crm_ml.features import (
    LEAD,
    LEAD_CATALOGUE,
    PeerFeature,
    Ratio,
    build_features,
    lead_labels,
    lead_moments,
    lead_spine,
)
from crm_ml.tables import Tables, from_frames

ROUNDED = {
    feature.id
    for feature in LEAD_CATALOGUE
    if isinstance(feature, Ratio) or (isinstance(feature, PeerFeature) and feature.what == "won_share")
}
"""All others agree exactly."""


def differing(found: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    lines = []
    for id in found.columns:
        ours, theirs = found[id], expected[id]
        if pd.api.types.is_numeric_dtype(ours):
            a, b = ours.to_numpy(float), theirs.to_numpy(float, na_value=np.nan)
            same = np.isclose(a, b, rtol=1e-12, atol=0) if id in ROUNDED else a == b
            same |= np.isnan(a) & np.isnan(b)
        else:
            same = ((ours == theirs) | (ours.isna() & theirs.isna())).to_numpy(bool)
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            lines.append(f"{id}: {int((~same).sum())} cells, e.g. row {row}: {ours[row]!r}, not {theirs[row]!r}")
    return lines


def agree(tables: Tables, spine: pd.DataFrame) -> None:
    found = build_features(tables, spine, of=LEAD).drop(columns=["lead_id", "cutoff"])
    expected = oracle_lead_features(tables, spine)
    assert set(found.columns) == set(expected.columns)
    assert differing(found, expected) == []


@pytest.mark.parametrize("seed", range(30))
def test_messy_firms(seed: int) -> None:
    firm = seeded_lead_firm(seed)
    agree(firm.tables(), firm.spine())


@pytest.mark.parametrize("zone", ["America/Santiago", "Australia/Lord_Howe", "UTC"])
def test_messy_firms_in_other_zones(zone: str) -> None:
    for seed in range(100, 103):
        firm = seeded_lead_firm(seed, zone=zone)
        agree(firm.tables(), firm.spine())


@pytest.mark.stress
@settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(messy_lead_firms())
def test_300_firms_of_hypothesis(firm: LeadFirm) -> None:
    agree(firm.tables(), firm.spine())


@pytest.mark.stress
def test_300_seeded_firms() -> None:
    for seed in range(1000, 1300):
        firm = seeded_lead_firm(seed)
        agree(firm.tables(), firm.spine())


@pytest.mark.parametrize("table", [name for name in OPTIONAL if name != "leads"])
def test_a_firm_without_a_table_or_without_rows_in_it(table: str) -> None:
    for seed in (3, 4):
        firm = seeded_lead_firm(seed)
        frames = firm.frames()
        own = firm.tables().attributes
        agree(
            from_frames({name: frame for name, frame in frames.items() if name != table}, attributes=own), firm.spine()
        )
        empty = {name: frame[:0] if name == table else frame for name, frame in frames.items()}
        agree(from_frames(empty, attributes=own), firm.spine())


@pytest.mark.parametrize("seed", range(8))
def test_a_source_or_owner_that_is_known_later_than_its_lead(seed: int) -> None:
    firm = seeded_lead_firm(seed)
    late = {
        name: "qualified_at" for name in ("source", "owner_id", "email", "customer_id") if name in firm.columns["leads"]
    }
    agree(replace(firm.tables(), known_from={"leads": late}), firm.spine())


@pytest.mark.parametrize("seed", range(30))
def test_open_leads_moments_and_labels(seed: int) -> None:
    firm = seeded_lead_firm(seed)
    tables = firm.tables()
    if not {"lead_stages", "deals"} & set(tables.frames):
        with pytest.raises(DataError, match="leads need the table lead_stages, or deals"):
            lead_spine(tables, firm.days)
        return
    spine = lead_spine(tables, firm.days)
    for day in firm.days:
        found = spine.loc[spine["as_of"] == day, "lead_id"].tolist()
        assert found == oracle_open(tables, midnight(day, firm.zone))
    for hours in (0.0, 24.0, 100.0):
        until = max(firm.cutoffs)
        moments = lead_moments(tables, until=until, least_hours=hours)
        found = list(zip(moments["lead_id"], moments["cutoff"], strict=True))
        assert found == oracle_moments(tables, until=until, least_hours=hours)
    rows, targets = firm.spine(), ("won", "sql", "opportunity") if "lead_stages" in tables.frames else ("won",)
    for target in targets:
        for gap, horizon in ((0, 90), (7, 30)):
            window = {"gap_days": gap, "horizon_days": horizon, "known_until": max(firm.cutoffs) + 40 * DAY_US}
            labels = lead_labels(tables, rows, target=target, **window).tolist()
            assert labels == oracle_labels(tables, rows, target=target, **window)


def test_the_firms_hold_enough_to_tell_features_apart() -> None:
    firms = [seeded_lead_firm(seed) for seed in range(30)]
    whole = pd.concat([build_features(firm.tables(), firm.spine(), of=LEAD) for firm in firms])
    for feature in LEAD_CATALOGUE:
        assert whole[feature.id].dropna().nunique() > 1, feature.id
    assert whole["lead_source_won_share"].nunique() > 10
    assert (whole["lead_owner_open_count"] < whole["lead_owner_created_7d"]).any()
