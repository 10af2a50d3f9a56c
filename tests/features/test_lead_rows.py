"""Which leads are looked at and when, and what then became of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.features import cutoff_us, lead_labels, lead_moments, lead_spine
from crm_ml.features.fate import united
from crm_ml.features.lead_rows import lead_creations
from crm_ml.tables import Tables, from_frames

BERLIN = "Europe/Berlin"
LEADS = {"lead_id": ["1", "2"], "created_at": ["2026-01-05 00:00", "2026-01-07 12:00"]}
LATER = dt.date(2027, 1, 1)


def stages(*rows: tuple[Any, ...], known: bool = False) -> dict[str, list[Any]]:
    """Stages from tuples (lead, stage, entered_at), or with known_at as the last."""
    names = ("lead_id", "stage", "entered_at", *(["known_at"] if known else []))
    return dict(zip(names, (list(x) for x in zip(*rows, strict=True)), strict=True))


def instant(text: str) -> int:
    return pd.Timestamp(text, tz=BERLIN).value // 1_000


def open_on(made: Tables, *days: str) -> list[list[str]]:
    return [lead_spine(made, [dt.date.fromisoformat(day)])["lead_id"].tolist() for day in days]


def moments(made: Tables, until: str = "2027-01-01", least_hours: float = 24.0) -> list[tuple[str, str]]:
    found = lead_moments(made, until=instant(until), least_hours=least_hours)
    local = pd.to_datetime(found["cutoff"], unit="us", utc=True).dt.tz_convert(BERLIN) - pd.Timedelta(microseconds=1)
    return list(zip(found["lead_id"], local.dt.strftime("%m-%d %H:%M:%S"), strict=True))


def label(made: Tables, cutoff: int, gap: int = 0, horizon: int = 90, until: int | None = None, **more: Any) -> bool:
    spine = pd.DataFrame({"lead_id": ["1"], "cutoff": [cutoff]})
    known_until = cutoff_us(LATER, made.zone) if until is None else until
    found = lead_labels(made, spine, gap_days=gap, horizon_days=horizon, known_until=known_until, **more)
    return bool(found[0])


# open leads


def test_a_lead_is_open_from_the_day_after_it_was_created_until_it_is_won_or_lost(tables):
    made = tables(
        leads=LEADS, lead_stages=stages(("1", "won", "2026-01-20"), ("2", "lost", "2026-01-20 00:00:00.000001"))
    )
    found = open_on(made, "2026-01-05", "2026-01-06", "2026-01-08", "2026-01-20", "2026-01-21")
    # created and won exactly at the cutoff: not known yet
    assert found == [[], ["1"], ["1", "2"], ["1", "2"], []]


def test_days_are_sorted_and_leads_by_id_within_them(tables):
    made = tables(
        leads={"lead_id": ["b", "a"], "created_at": ["2026-01-01"] * 2}, lead_stages=stages(("x", "won", "2026-01-01"))
    )
    days = [dt.date(2026, 2, 1), dt.date(2026, 1, 5), dt.date(2026, 2, 1)]
    found = lead_spine(made, days)
    assert list(zip(found["as_of"].map(str), found["lead_id"], strict=True)) == [
        ("2026-01-05", "a"), ("2026-01-05", "b"), ("2026-02-01", "a"), ("2026-02-01", "b"),
    ]  # fmt: skip
    assert found["cutoff"].tolist()[::2] == [instant("2026-01-05"), instant("2026-02-01")]
    none = lead_spine(made, [dt.date(2020, 1, 1)])
    assert (len(none), list(none.columns), str(none["cutoff"].dtype)) == (0, ["lead_id", "as_of", "cutoff"], "int64")


def test_leads_and_ends_that_are_known_late(tables):
    leads = {**LEADS, "known_at": ["2026-01-10", "2026-01-07 12:00"]}
    made = tables(leads=leads, lead_stages=stages(("2", "won", "2026-01-12", "2026-01-15"), known=True))
    found = open_on(made, "2026-01-10", "2026-01-11", "2026-01-15", "2026-01-16")
    assert found == [["2"], ["1", "2"], ["1", "2"], ["1"]]


def test_a_lead_that_was_lost_and_enters_a_stage_again_stays_closed(tables):
    made = tables(
        leads=LEADS,
        lead_stages=stages(("1", "lost", "2026-01-20"), ("1", "mql", "2026-02-01"), ("1", "won", "2026-03-01")),
    )
    assert open_on(made, "2026-01-20", "2026-01-21", "2026-02-02") == [["1", "2"], ["2"], ["2"]]
    assert [moment for moment in moments(made) if moment[0] == "1"] == [("1", "01-05 00:00:00")]


def test_deals_alone(tables):
    deals = {
        "deal_id": ["a", "b", "c", "d"], "lead_id": ["1", "1", "2", None], "created_at": ["2026-01-08"] * 4,
        "status": ["open", "lost", "won", "won"], "closed_at": [None, "2026-01-20", "2026-01-25", "2026-01-09"],
    }  # fmt: skip
    made = tables(leads=LEADS, deals=deals)
    # the first deal that ends closes the lead
    assert open_on(made, "2026-01-20", "2026-01-21", "2026-01-26") == [["1", "2"], ["2"], []]
    spine = lead_spine(made, [dt.date(2026, 1, 10)])
    window = {"gap_days": 0, "horizon_days": 90, "known_until": cutoff_us(LATER, BERLIN)}
    assert lead_labels(made, spine, **window).tolist() == [False, True]
    for target in ("sql", "opportunity"):
        with pytest.raises(DataError, match=r"the stage .* needs the table lead_stages, which is not mapped") as error:
            lead_labels(made, spine, target=target, **window)
        assert "Map lead_stages" in str(error.value)


def test_a_correction_of_a_deal_opens_the_lead_again(tables):
    deals = {
        "deal_id": ["d", "d"], "created_at": ["2026-01-08"] * 2, "lead_id": ["1", "1"], "status": ["lost", "open"],
        "closed_at": ["2026-01-20", None], "known_at": ["2026-01-20", "2026-02-01"],
    }  # fmt: skip
    made = tables(leads=LEADS, deals=deals)
    assert open_on(made, "2026-01-20", "2026-01-21", "2026-02-01", "2026-02-02") == [
        ["1", "2"],
        ["2"],
        ["2"],
        ["1", "2"],
    ]


@pytest.mark.parametrize("without", ["lead_id", "closed_at"])
def test_deals_that_cannot_tell_are_an_error(tables, without):
    deals = {
        "deal_id": ["a"], "lead_id": ["1"], "customer_id": ["c"], "created_at": ["2026-01-08"], "status": ["won"],
        "closed_at": ["2026-01-20"],
    }  # fmt: skip
    made = tables(leads=LEADS, deals={name: column for name, column in deals.items() if name != without})
    with pytest.raises(
        DataError, match="leads need the table lead_stages, or deals with lead_id, status and closed_at"
    ):
        lead_spine(made, [LATER])


def test_missing_tables_are_errors_with_a_remedy(tables):
    spine = pd.DataFrame({"lead_id": ["1"], "cutoff": [instant("2026-02-01")]})
    without_leads = tables(lead_stages=stages(("1", "won", "2026-01-20")))
    only_leads = tables(leads=LEADS)
    for made, what, remedy in (
        (
            without_leads,
            "lead scoring needs the table leads, which is not mapped",
            "Map leads with lead_id and created_at",
        ),
        (
            only_leads,
            "leads need the table lead_stages, or deals",
            "Map lead_stages with lead_id, stage and entered_at",
        ),
    ):
        for call in (
            lambda made=made: lead_spine(made, [LATER]),
            lambda made=made: lead_moments(made, until=instant("2027-01-01")),
            lambda made=made: lead_labels(made, spine, gap_days=0, horizon_days=9, known_until=instant("2027-01-01")),
        ):
            with pytest.raises(DataError, match=what) as error:
                call()
            assert error.value.code == "table_not_mapped"
            assert remedy in str(error.value)


# moments


def touches(*rows: tuple[str, str], **columns: list[Any]) -> dict[str, list[Any]]:
    lead, when = (list(x) for x in zip(*rows, strict=True))
    ids = [f"e{k}" for k in range(len(rows))]
    return {"event_id": ids, "lead_id": lead, "occurred_at": when, "kind": ["call"] * len(rows), **columns}


NOBODY = stages(("x", "won", "2020-01-01"))


def test_moments_are_a_microsecond_after_creation_and_touches(tables):
    made = tables(
        leads=LEADS, lead_events=touches(("1", "2026-01-09 08:00"), ("unknown", "2026-01-09")), lead_stages=NOBODY
    )
    found = lead_moments(made, until=instant("2026-02-01"))
    assert found["cutoff"].tolist() == [instant(t) + 1 for t in ("2026-01-05", "2026-01-07 12:00", "2026-01-09 08:00")]
    assert found["as_of"].map(str).tolist() == ["2026-01-05", "2026-01-07", "2026-01-09"]
    assert found["lead_id"].tolist() == ["1", "2", "1"]


def test_touches_are_thinned_from_the_moment_kept_before_them(tables):
    times = ["2026-01-05 23:59:59", "2026-01-06 00:00", "2026-01-06 12:00", "2026-01-07 00:00:01", "2026-01-08"]
    made = tables(
        leads={name: x[:1] for name, x in LEADS.items()},
        lead_events=touches(*(("1", t) for t in times)),
        lead_stages=NOBODY,
    )
    # from the creation on the 5th 0:00: 24 hours later the 6th 0:00, then the 7th 0:00:01, and the 8th is too close
    assert moments(made) == [("1", "01-05 00:00:00"), ("1", "01-06 00:00:00"), ("1", "01-07 00:00:01")]
    assert len(moments(made, least_hours=0)) == 6
    assert [when for _, when in moments(made, least_hours=48)] == ["01-05 00:00:00", "01-07 00:00:01"]


def test_equal_moments_are_one(tables):
    made = tables(
        leads=LEADS,
        lead_events=touches(("1", "2026-01-05"), ("2", "2026-01-09"), ("2", "2026-01-09")),
        lead_stages=NOBODY,
    )
    assert moments(made, least_hours=0) == [("1", "01-05 00:00:00"), ("2", "01-07 12:00:00"), ("2", "01-09 00:00:00")]


def test_there_is_no_moment_of_a_lead_that_is_closed_or_not_known(tables):
    events = touches(
        ("1", "2026-01-03"), ("1", "2026-01-20"), ("1", "2026-01-20 00:00:00.000001"), ("1", "2026-02-20"),
        known_at=["2026-01-03", "2026-01-20", "2026-01-20 00:00:00.000001", "2026-02-20"],
    )  # fmt: skip
    leads = {"lead_id": ["1"], "created_at": ["2026-01-05"], "known_at": ["2026-01-06"]}
    made = tables(leads=leads, lead_events=events, lead_stages=stages(("1", "lost", "2026-01-20 00:00:00.000001")))
    # one microsecond after the touch of the 20th the end at that instant is not visible yet
    assert moments(made) == [("1", "01-06 00:00:00"), ("1", "01-20 00:00:00")]
    assert moments(made, until="2026-01-20") == [("1", "01-06 00:00:00")]


def test_a_version_of_a_touch_that_is_never_the_newest_gives_no_moment(tables):
    # moved to the 9th before it would have happened on the 30th
    events = touches(("1", "2026-01-30"), ("1", "2026-01-09"), known_at=["2026-01-06", "2026-01-07"])
    events["event_id"] = ["e", "e"]
    made = tables(leads={name: x[:1] for name, x in LEADS.items()}, lead_events=events, lead_stages=NOBODY)
    assert moments(made) == [("1", "01-05 00:00:00"), ("1", "01-09 00:00:00")]


def test_leads_without_touches(tables):
    made = tables(leads=LEADS, lead_stages=NOBODY)
    assert moments(made) == [("1", "01-05 00:00:00"), ("2", "01-07 12:00:00")]
    assert moments(made, until="2026-01-01") == []


# labels


@pytest.mark.parametrize(
    ("cutoff", "first", "end"),
    [
        # clocks go forward on 29 March and back on 25 October 2026; a window keeps its time of day
        ("2026-03-01", "2026-03-08", "2026-04-07"),
        ("2026-10-01", "2026-10-08", "2026-11-07"),
        ("2026-03-25 08:30", "2026-04-01 08:30", "2026-05-01 08:30"),
    ],
)
def test_a_win_counts_in_its_window_alone(tables, cutoff, first, end):
    def won(at: int) -> bool:
        when = [pd.Timestamp(at, unit="us", tz="UTC")]
        made = tables(leads=LEADS, lead_stages={"lead_id": ["1"], "stage": ["won"], "entered_at": when})
        return label(made, instant(cutoff), gap=7, horizon=30)

    begin, over = instant(first), instant(end)
    assert [won(begin - 1), won(begin), won(over - 1), won(over)] == [False, True, True, False]


def test_a_mature_label_does_not_change_with_what_is_known_later(tables):
    made = tables(leads=LEADS, lead_stages=stages(("1", "won", "2026-01-20", "2026-03-01"), known=True))
    cutoff, end = instant("2026-01-10"), instant("2026-03-01")
    assert not label(made, cutoff, horizon=30, until=end)
    assert label(made, cutoff, horizon=30, until=end + 1)


def test_targets_count_later_stages_and_only_the_first_entry(tables):
    entered = stages(("1", "sql", "2026-01-08"), ("1", "opportunity", "2026-02-01"), ("1", "won", "2026-04-20"))
    made = tables(leads=LEADS, lead_stages=entered)
    found = {
        target: [label(made, instant(day), target=target) for day in ("2026-01-06", "2026-01-10", "2026-02-10")]
        for target in ("sql", "opportunity", "won")
    }
    assert found["sql"] == [True, False, False]  # it was there already on the 10th
    assert found["opportunity"] == [True, True, False]
    assert found["won"] == [False, False, True]  # 90 days from 10 January end on 10 April
    jumped = tables(leads=LEADS, lead_stages=stages(("1", "won", "2026-02-01")))
    assert [label(jumped, instant("2026-01-06"), target=target) for target in ("sql", "opportunity", "won")] == [
        True
    ] * 3
    with pytest.raises(DataError, match="must be one of won, opportunity, sql; found 'mql'"):
        label(made, instant("2026-01-06"), target="mql")


def test_labels_keep_the_order_of_the_spine(tables):
    made = tables(leads=LEADS, lead_stages=stages(("2", "won", "2026-01-20"), ("stranger", "won", "2026-01-20")))
    cutoffs = [instant("2026-01-10")] * 3 + [instant("2026-02-10")]
    spine = pd.DataFrame({"lead_id": ["2", "nobody", "1", "2"], "cutoff": cutoffs}, index=[5, 5, 3, 1])
    window = {"gap_days": 0, "horizon_days": 90, "known_until": instant("2027-01-01")}
    assert lead_labels(made, spine, **window).tolist() == [True, False, False, False]
    assert lead_labels(made, spine[:0], **window).tolist() == []


def test_spells_that_meet_or_overlap_are_one():
    spells = united(*(np.array(x) for x in ([1, 0, 0, 0, 1], [4, 1, 3, 8, 4], [5, 9, 4, 10, 4])))
    assert [x.tolist() for x in (spells.owner, spells.begin, spells.end)] == [[0, 1], [1, 4], [10, 5]]
    at = np.array([1, 2, 10, 11, 5])
    assert spells.holding(np.array([0, 0, 0, 0, 1]), at).tolist() == [False, True, True, False, True]


# creations


def test_each_lead_is_seen_once_at_its_creation_also_when_it_is_over():
    leads = {**LEADS, "known_at": ["2026-01-06 09:00", "2026-01-07 12:00"]}
    made = from_frames(
        {"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages(("1", "won", "2026-01-05 10:00")))}
    )
    found = lead_creations(made, until=instant("2026-02-01"))
    # the first was entered a day later, when it was won already
    assert (found["cutoff"] - 1).tolist() == [instant("2026-01-06 09:00"), instant("2026-01-07 12:00")]
    assert found["as_of"].tolist() == [dt.date(2026, 1, 6), dt.date(2026, 1, 7)]
    assert lead_creations(made, until=instant("2026-01-07 12:00"))["lead_id"].tolist() == ["1"]
    assert len(lead_creations(made, until=instant("2026-01-01"))) == 0
