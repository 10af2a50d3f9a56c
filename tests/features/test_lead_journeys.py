"""The way of each lead as known at a cutoff: values worked out, a slow loop, and the rules of time."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.features.journeys import FUNNEL, lead_journeys
from crm_ml.features.timeline import cutoff_us
from crm_ml.tables import Tables, from_frames

NOW = pd.Timestamp("2026-03-01")
CUTOFF = cutoff_us(NOW.date(), "UTC")


def made(leads: dict, stages: dict | None = None, events: dict | None = None, **more: pd.DataFrame) -> Tables:
    frames = {"leads": pd.DataFrame(leads)} | more
    if stages is not None:
        frames["lead_stages"] = pd.DataFrame(stages)
    if events is not None:
        frames["lead_events"] = pd.DataFrame(events).assign(event_id=[str(k) for k in range(len(events["kind"]))])
    return from_frames(frames, zone="UTC")


def one(stages: list[tuple[str, str]], events: list[tuple[str, str]] = (), created: str = "2026-01-01") -> pd.Series:
    """The way of lead 1; another lead names all stages."""
    every = [("9", stage, "2026-01-01") for stage in ("mql", "sql", "opportunity", "won")]
    rows = [("1", *row) for row in stages] + every
    ids, names, at = zip(*rows, strict=True)
    tables = made(
        {"lead_id": ["1", "9"], "created_at": [created, "2026-01-01"]},
        {"lead_id": list(ids), "stage": list(names), "entered_at": list(at)},
        {"lead_id": ["1" for _ in events], "kind": [k for k, _ in events], "occurred_at": [t for _, t in events]},
    )
    found = lead_journeys(tables, CUTOFF)
    assert found["lead_id"].tolist() == ["1", "9"]
    return found.iloc[0]


def test_each_stage_counts_from_the_creation():
    way = one([("lead", "2026-01-01"), ("mql", "2026-01-03"), ("sql", "2026-01-05 12:00"), ("lost", "2026-01-09")])
    assert (way["lead_days"], way["mql_days"], way["sql_days"], way["lost_days"]) == (0.0, 2.0, 4.5, 8.0)
    assert (np.isnan(way["opportunity_days"]), np.isnan(way["won_days"]), way["followed_days"]) == (True, True, 59.0)


def test_stages_that_are_skipped_are_passed_with_the_next_one():
    way = one([("opportunity", "2026-01-11")])
    assert way[["mql_days", "sql_days", "opportunity_days"]].tolist() == [10.0, 10.0, 10.0]
    assert np.isnan(way["won_days"])


def test_who_falls_back_and_climbs_again_has_entered_once():
    way = one([("sql", "2026-01-05"), ("mql", "2026-01-10"), ("sql", "2026-01-20")])
    assert (way["mql_days"], way["sql_days"]) == (4.0, 4.0)


def test_what_comes_after_the_loss_is_told_and_not_counted():
    way = one([("mql", "2026-01-03"), ("lost", "2026-01-05"), ("sql", "2026-01-10"), ("won", "2026-01-12")])
    assert (way["mql_days"], way["lost_days"], way["reopened"]) == (2.0, 4.0, True)
    assert way[["sql_days", "opportunity_days", "won_days"]].isna().all()
    assert not one([("won", "2026-01-05"), ("lost", "2026-01-09")])["reopened"]


def test_an_entry_before_the_creation_counts_at_the_creation():
    assert one([("mql", "2025-12-01")])["mql_days"] == 0.0


def test_the_first_step_of_ours_answers_and_none_before_the_creation():
    events = [
        ("call", "2025-12-31"),
        ("page_view", "2026-01-01 01:00"),
        ("meeting", "2026-01-03"),
        ("call", "2026-01-02"),
    ]
    assert one([], events)["response_hours"] == 24.0
    assert np.isnan(one([], [("reply_received", "2026-01-02")])["response_hours"])
    assert one([], [("reply_sent", "2026-01-01")])["response_hours"] == 0.0


def test_stages_that_nobody_names_are_no_steps():
    stages = {"lead_id": ["1"], "stage": ["opportunity"], "entered_at": ["2026-01-04"]}
    found = lead_journeys(made({"lead_id": ["1"], "created_at": ["2026-01-01"]}, stages), CUTOFF)
    assert [name for name in FUNNEL if f"{name}_days" in found] == ["lead", "opportunity", "won"]


def test_deals_tell_of_won_and_lost_where_no_stages_are_mapped():
    deals = {
        "deal_id": ["a", "b"],
        "lead_id": ["1", "2"],
        "created_at": ["2026-01-02", "2026-01-02"],
        "status": ["won", "lost"],
        "closed_at": ["2026-01-11", "2026-04-01"],
    }
    tables = made({"lead_id": ["1", "2"], "created_at": ["2026-01-01", "2026-01-01"]}, deals=pd.DataFrame(deals))
    found = lead_journeys(tables, CUTOFF)
    assert found["won_days"].tolist()[0] == 10.0
    assert found["lost_days"].isna().all(), "the loss in April is not known in March"


def test_traits_are_those_of_the_columns():
    leads = {
        "lead_id": ["1", "2"],
        "created_at": ["2026-01-01"] * 2,
        "source": ["fair", None],
        "job_title": ["Einkaufsleiterin", None],
        "employees": [120, None],
    }
    found = lead_journeys(made(leads, {"lead_id": ["1"], "stage": ["lead"], "entered_at": ["2026-01-01"]}), CUTOFF)
    assert found.loc[0, ["source", "size_class", "seniority"]].tolist() == ["fair", "50-249", "head"]
    assert found.loc[1, ["source", "campaign", "size_class", "seniority"]].isna().all()


@pytest.mark.parametrize("absent", ["leads", "lead_stages"])
def test_what_is_not_mapped_is_said(absent):
    frames = {
        "leads": pd.DataFrame({"lead_id": ["1"], "created_at": ["2026-01-01"]}),
        "lead_stages": pd.DataFrame({"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-01-02"]}),
    }
    del frames[absent]
    with pytest.raises(DataError, match="which is not mapped"):
        lead_journeys(from_frames(frames), CUTOFF)


# a firm with late entries, repeats and steps in all directions


def messy(seed: int, leads: int = 60) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    created = pd.Timestamp("2025-09-01") + pd.to_timedelta(rng.integers(0, 200 * 24, leads), unit="h")
    known = created + pd.to_timedelta(rng.choice([0, 0, 0, 30, 3000], leads), unit="h")
    ids = [f"{k:03d}" for k in range(leads)]

    def of(count: int) -> tuple[np.ndarray, pd.DatetimeIndex, pd.DatetimeIndex]:
        who = rng.integers(0, leads, count)
        at = created[who] + pd.to_timedelta(rng.integers(-24, 2400, count), unit="h")
        return who, at, at + pd.to_timedelta(rng.choice([0, 0, 24, 2000], count), unit="h")

    who, at, seen = of(4 * leads)
    stages = {"lead_id": [ids[k] for k in who], "stage": rng.choice([*FUNNEL, "lost"], len(who)), "entered_at": at}
    frames = {
        "leads": pd.DataFrame({"lead_id": ids, "created_at": created, "known_at": known, "source": "web"}),
        "lead_stages": pd.DataFrame(stages).assign(known_at=seen),
    }
    who, at, seen = of(5 * leads)
    kinds = rng.choice(["call", "reply_sent", "meeting", "page_view", "email_open"], len(who))
    events = {"event_id": [f"e{k}" for k in range(len(who))], "lead_id": [ids[k] for k in who], "kind": kinds}
    frames["lead_events"] = pd.DataFrame(events).assign(occurred_at=at, known_at=seen)
    return frames


def unseen(frame: pd.DataFrame) -> pd.Series:
    time = next(name for name in ("created_at", "entered_at", "occurred_at") if name in frame)
    return (frame[time] >= NOW) | (frame["known_at"] >= NOW)


def slowly(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    leads, stages, events = (frames[name][~unseen(frames[name])] for name in ("leads", "lead_stages", "lead_events"))
    day, rows = pd.Timedelta(days=1), []
    for lead in leads.sort_values("lead_id").itertuples():
        own = stages[stages["lead_id"] == lead.lead_id]
        row = {"lead_id": lead.lead_id, "followed_days": (NOW - lead.created_at) / day}
        lost = [max((at - lead.created_at) / day, 0.0) for at in own.loc[own["stage"] == "lost", "entered_at"]]
        row["lost_days"], row["reopened"] = min(lost, default=np.nan), False
        for place, stage in enumerate(FUNNEL):
            entered = [
                max((entry.entered_at - lead.created_at) / day, 0.0)
                for entry in own.itertuples()
                if entry.stage in FUNNEL[place:]
            ]
            first = 0.0 if stage == "lead" else min(entered, default=np.nan)
            if lost and first > min(lost):
                row["reopened"], first = True, np.nan
            row[f"{stage}_days"] = first
        answers = [
            (event.occurred_at - lead.created_at) / pd.Timedelta(hours=1)
            for event in events[events["lead_id"] == lead.lead_id].itertuples()
            if event.kind in ("call", "reply_sent", "meeting") and event.occurred_at >= lead.created_at
        ]
        row["response_hours"] = min(answers, default=np.nan)
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", range(6))
def test_a_slow_loop_finds_the_same(seed):
    frames = messy(seed)
    expected = slowly(frames)
    found = lead_journeys(from_frames(frames, zone="UTC"), CUTOFF)
    assert found["reopened"].any()
    assert found["response_hours"].notna().any()
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_is_not_visible_changes_anything(seed):
    frames = messy(seed)
    before = lead_journeys(from_frames(frames, zone="UTC"), CUTOFF)
    rng = np.random.default_rng(100 + seed)
    changed = {}
    for name, frame in frames.items():
        late = unseen(frame)
        kept = frame[~late | (rng.random(len(frame)) < 0.5)].copy()
        text = "stage" if name == "lead_stages" else "kind" if name == "lead_events" else "source"
        hidden = unseen(kept)
        kept.loc[hidden, text] = {"stage": "won", "kind": "call", "source": "fair"}[text]
        if name != "leads":
            more = frame[~late].sample(20, random_state=seed).assign(known_at=NOW + pd.Timedelta(days=1))
            time = "entered_at" if name == "lead_stages" else "occurred_at"
            more[time] = more[time] - pd.Timedelta(hours=7)
            if name == "lead_events":
                more["event_id"] = [f"x{k}" for k in range(len(more))]
            kept = pd.concat([kept, more])
        changed[name] = kept.sample(frac=1, random_state=seed)
    after = lead_journeys(from_frames(changed, zone="UTC", strict=False), CUTOFF)
    pd.testing.assert_frame_equal(before, after)


def test_the_cutoff_itself_is_not_seen():
    stages = {"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-03-01 00:00"]}
    tables = made({"lead_id": ["1"], "created_at": ["2026-01-01"]}, stages)
    assert lead_journeys(tables, CUTOFF)["won_days"].isna().all()
    assert lead_journeys(tables, CUTOFF + 1)["won_days"].tolist() == [59.0]
    assert dt.date(2026, 3, 1) == NOW.date()
