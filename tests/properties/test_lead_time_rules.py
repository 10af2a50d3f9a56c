"""The time rules as properties of leads: what is invisible never matters, nor does what else runs along."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invisible import invisible_changes
from messy_firms import Drawn, Row, Seeded
from messy_leads import OWN, LeadFirm, messy_lead_firms, seeded_lead_firm
from wall_clock import DAY_US, HOUR_US, midnight, shifted

from crm_ml.features import LEAD, build_features, data_hash, lead_labels, lead_moments, lead_spine, visible
from crm_ml.tables import Tables, from_frames

FEW = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
FEWER = settings(FEW, max_examples=30)
MANY = settings(FEW, max_examples=300)


def bits(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return each column as bytes, so that equal means equal to the last bit."""
    return {
        str(name): column.to_numpy().tobytes()
        if pd.api.types.is_numeric_dtype(column)
        else repr(column.tolist()).encode()
        for name, column in frame.items()
    }


def differing(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    a, b = bits(one), bits(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def features(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    return build_features(tables, spine[["lead_id", "cutoff"]], of=LEAD)


def tells(firm: LeadFirm) -> bool:
    return bool({"lead_stages", "deals"} & set(firm.rows))


def moments_before(firm: LeadFirm, cutoff: int) -> list[tuple[str, int]]:
    found = lead_moments(firm.tables(), until=cutoff, least_hours=10)
    return list(zip(found["lead_id"], found["cutoff"], strict=True))


# what is not visible


def nothing_invisible_matters(firm: LeadFirm, changed: LeadFirm, cutoff: int) -> None:
    before, after = firm.tables(), changed.tables()
    spine = firm.spine([cutoff])
    assert differing(features(before, spine), features(after, spine)) == []
    assert data_hash(before, cutoff) == data_hash(after, cutoff)
    if not tells(firm):
        return
    days = [day for day in firm.days if midnight(day, firm.zone) == cutoff]
    assert lead_spine(before, days)["lead_id"].tolist() == lead_spine(after, days)["lead_id"].tolist()
    assert moments_before(firm, cutoff) == moments_before(changed, cutoff)
    rows = firm.spine([shifted(cutoff, -33, firm.zone)])
    window = {"gap_days": 3, "horizon_days": 30, "known_until": cutoff}
    assert lead_labels(before, rows, **window).tolist() == lead_labels(after, rows, **window).tolist()


@st.composite
def firms_with_invisible_changes(draw: Any) -> tuple[LeadFirm, LeadFirm, int]:
    firm = draw(messy_lead_firms())
    cutoff = draw(st.sampled_from(firm.cutoffs))
    return firm, invisible_changes(firm, cutoff, Drawn(draw)), cutoff


@FEW
@given(firms_with_invisible_changes())
def test_nothing_invisible_changes_a_feature_a_spine_or_a_label(case: tuple[LeadFirm, LeadFirm, int]) -> None:
    nothing_invisible_matters(*case)


@pytest.mark.stress
@MANY
@given(firms_with_invisible_changes())
def test_nothing_invisible_matters_in_300_firms(case: tuple[LeadFirm, LeadFirm, int]) -> None:
    nothing_invisible_matters(*case)


def seeded_changes(seed: int) -> tuple[LeadFirm, LeadFirm, int]:
    firm, dice = seeded_lead_firm(seed), Seeded(random.Random(-seed))
    cutoff = firm.cutoffs[dice.below(len(firm.cutoffs))]
    return firm, invisible_changes(firm, cutoff, dice, changes=30), cutoff


@pytest.mark.parametrize("seed", range(40))
def test_nothing_invisible_matters_in_a_seeded_firm(seed: int) -> None:
    nothing_invisible_matters(*seeded_changes(seed))


@pytest.mark.stress
def test_nothing_invisible_matters_in_200_seeded_firms() -> None:
    for seed in range(40, 240):
        nothing_invisible_matters(*seeded_changes(seed))


@pytest.mark.parametrize("seed", range(20))
def test_the_tables_as_known_then_give_the_same_features(seed: int) -> None:
    firm = seeded_lead_firm(seed)
    tables = firm.tables()
    for cutoff in firm.cutoffs:
        spine = firm.spine([cutoff])
        assert differing(features(tables, spine), features(visible(tables, cutoff), spine)) == []


def test_a_late_entry_of_an_early_win_does_not_change_the_share_before_it_is_known() -> None:
    day = pd.Timestamp("2025-01-01", tz="UTC").value // 1000
    leads = [{"lead_id": id, "created_at": day, "source": "web"} for id in ("a", "b")]
    late = {"lead_id": "a", "stage": "won", "entered_at": day + 120 * DAY_US, "known_at": day + 120 * DAY_US}
    early = {"lead_id": "a", "stage": "won", "entered_at": day + 60 * DAY_US, "known_at": day + 200 * DAY_US}

    def share(stages: list[Row], days: int) -> float:
        firm = LeadFirm(
            {"leads": tuple(leads), "lead_stages": tuple(stages)},
            {"leads": ("lead_id", "created_at", "source"), "lead_stages": tuple(late)}, (day,), (), "UTC",
        )  # fmt: skip
        frames = firm.frames()
        spine = pd.DataFrame({"lead_id": ["b"], "cutoff": [day + days * DAY_US]})
        return float(features(from_frames(frames, zone="UTC"), spine)["lead_source_won_share"][0])

    # after 90 days the win of day 120 is too late; the entry of day 60 is known on day 200
    assert [share([late], days) for days in (150, 201)] == [0, 0]
    assert [share([late, early], days) for days in (150, 200, 201)] == [0, 0, 0.5]


# what must not matter


@FEWER
@given(messy_lead_firms(), st.randoms(use_true_random=False))
def test_order_of_rows_columns_and_tables_never_matters(firm: LeadFirm, chance: random.Random) -> None:
    shuffled = {}
    for table, frame in firm.frames().items():
        rows, columns = list(range(len(frame))), list(frame.columns)
        chance.shuffle(rows)
        chance.shuffle(columns)
        shuffled[table] = frame.iloc[rows][columns].set_index(pd.Index([7] * len(frame)))
    names = list(shuffled)
    chance.shuffle(names)
    other = from_frames({name: shuffled[name] for name in names}, zone=firm.zone, attributes=OWN)
    other = replace(other, known_from=firm.tables().known_from)
    assert differing(features(firm.tables(), firm.spine()), features(other, firm.spine())) == []
    if tells(firm):
        until = max(firm.cutoffs)
        one, two = (lead_moments(tables, until=until) for tables in (firm.tables(), other))
        assert differing(one, two) == []
        assert differing(lead_spine(firm.tables(), firm.days), lead_spine(other, firm.days[::-1])) == []


@FEWER
@given(messy_lead_firms(), st.randoms(use_true_random=False))
def test_who_and_what_else_runs_along_never_matters(firm: LeadFirm, chance: random.Random) -> None:
    tables, spine = firm.tables(), firm.spine()
    together = features(tables, spine)
    order = list(range(len(spine)))
    chance.shuffle(order)
    assert differing(together.iloc[order], features(tables, spine.iloc[order])) == []
    lead, cutoff = chance.choice(spine["lead_id"].tolist()), chance.choice(firm.cutoffs)
    single, shared = spine["lead_id"] == lead, spine["cutoff"] == cutoff
    for some in (single, shared, single & shared):
        assert differing(together[some], features(tables, spine[some])) == []
    others = pd.DataFrame({"lead_id": [lead] * 90, "cutoff": [cutoff + (k - 45) * 7 * HOUR_US for k in range(90)]})
    among = features(tables, others)
    assert differing(together[single & shared], among[among["cutoff"] == cutoff]) == []


@FEWER
@given(messy_lead_firms(), st.data())
def test_repeating_rows_with_a_key_never_matters(firm: LeadFirm, data: st.DataObject) -> None:
    repeated = firm
    for table, rows in firm.rows.items():
        again = data.draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else []
        repeated = repeated.with_rows(table, [*rows, *again])
    assert differing(features(firm.tables(), firm.spine()), features(repeated.tables(), firm.spine())) == []


@pytest.mark.parametrize("seed", [seed for seed in range(20) if tells(seeded_lead_firm(seed))])
def test_creations_and_touches_one_by_one_equal_one_batch(seed: int) -> None:
    firm = seeded_lead_firm(seed)
    tables = firm.tables()
    moments = lead_moments(tables, until=max(firm.cutoffs) + 400 * DAY_US, least_hours=1)
    batch = features(tables, moments)
    alone = [features(tables, moments.iloc[[row]]) for row in range(len(moments))]
    if alone:
        assert differing(batch, pd.concat(alone)) == []
    # and each as it would have looked on the day itself
    for row in np.random.default_rng(seed).permutation(len(moments))[:5]:
        then = visible(tables, int(moments["cutoff"].iloc[row]))
        assert differing(batch.iloc[[row]], features(then, moments.iloc[[row]])) == []
