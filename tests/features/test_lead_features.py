"""Features of leads with values worked out by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.features import (
    LEAD,
    LEAD_CATALOGUE,
    AttributeFeature,
    Feature,
    FunctionFeature,
    PeerFeature,
    add_feature,
    build_features,
    remove_feature,
)
from crm_ml.features.leads import free_mail, size_class
from crm_ml.tables import Tables

LEADS = {"lead_id": ["7"], "created_at": ["2026-03-02 08:00"]}
NONE_YET = {"lead_id": ["x"], "stage": ["lead"], "entered_at": ["2020-01-01"]}


def row_at(tables: Tables, as_of: str | pd.Timestamp, lead: str = "7", features: Any = None) -> dict[str, Any]:
    """The features of one lead: as_of is a date, a local time, or a time stamp."""
    if isinstance(as_of, str) and len(as_of) > 10:
        as_of = pd.Timestamp(as_of, tz=tables.zone)
    spine = pd.DataFrame({"lead_id": [lead]})
    if isinstance(as_of, pd.Timestamp):
        spine["cutoff"] = as_of.value // 1_000
    else:
        spine["as_of"] = [dt.date.fromisoformat(as_of)]
    found = build_features(tables, spine, features=features, of=LEAD).iloc[0].to_dict()
    return {name: None if pd.isna(value) else value for name, value in found.items()}


def touches(*rows: tuple[str, str], lead: str = "7", **columns: list[Any]) -> dict[str, list[Any]]:
    """Touches of a lead from tuples (kind, occurred_at)."""
    kind, when = (list(values) for values in zip(*rows, strict=True))
    ids = [f"e{k}" for k in range(len(rows))]
    return {"event_id": ids, "lead_id": [lead] * len(rows), "kind": kind, "occurred_at": when, **columns}


def stages(*rows: tuple[str, str, str]) -> dict[str, list[str]]:
    """Stages from tuples (lead, stage, entered_at)."""
    return dict(zip(("lead_id", "stage", "entered_at"), (list(x) for x in zip(*rows, strict=True)), strict=True))


# touches


def test_counts_and_their_windows(tables):
    events = touches(
        ("page_view", "2026-03-02 09:00"),
        ("page_view", "2026-03-14 10:00"),
        ("pricing_view", "2026-03-17 10:00"),
        ("email_open", "2026-03-19 10:00"),
        ("no_show", "2026-03-19 11:00"),
        ("fair", "2026-03-19 12:00"),  # a kind of the firm's own: neither interest nor dialogue
    )
    found = row_at(tables(leads=LEADS, lead_events=events), "2026-03-20")
    assert (found["lead_page_view_count"], found["lead_page_view_count_14d"]) == (2, 1)
    assert (found["lead_no_show_count"], found["lead_webinar_count"], found["lead_webinar_count_14d"]) == (1, 0, 0)
    # 3 days: from 17 March 0:00; 7 days: from 13 March 0:00
    counts = [found[f"lead_interest_count{window}"] for window in ("_3d", "_7d", "_30d", "")]
    assert counts == [2, 3, 4, 4]
    assert found["lead_interest_recent_share"] == 3 / 4
    assert found["lead_active_days_count"] == 4


def test_a_window_begins_at_the_same_time_of_day_when_the_clocks_change(tables):
    # clocks go forward on 29 March: 7 days before 31 March 12:00 is 24 March 12:00, an hour less than 168 hours ago
    events = touches(("page_view", "2026-03-24 11:59:59.999999"), ("page_view", "2026-03-24 12:00"))
    made = tables(leads=LEADS, lead_events=events)
    found = row_at(made, "2026-03-31 12:00")
    assert (found["lead_interest_count_7d"], found["lead_interest_count"]) == (1, 2)
    assert found["lead_hours_since_interest"] == 167
    assert found["lead_age_days"] == 29


def test_days_are_those_of_the_workspace(tables):
    # 23:30 and 0:30 in Berlin are two days; in UTC both are 22:30 and 23:30 of the first
    events = touches(("page_view", "2026-03-04T22:30Z"), ("page_view", "2026-03-04T23:30Z"))
    days = [
        row_at(tables(zone=zone, leads=LEADS, lead_events=events), "2026-03-10")["lead_active_days_count"]
        for zone in ("Europe/Berlin", "UTC")
    ]
    assert days == [2, 1]


def test_an_event_at_the_cutoff_is_not_visible_and_a_microsecond_before_it_is(tables):
    events = touches(("download", "2026-03-05 10:00"), asset=["paper"], contact_id=["p"])
    made = tables(leads=LEADS, lead_events=events, lead_stages=stages(("7", "mql", "2026-03-05 10:00")))
    at = pd.Timestamp("2026-03-05 10:00", tz="Europe/Berlin")
    names = ("lead_download_count", "lead_assets_count", "lead_contacts_count", "lead_stage_changes")
    before, after = row_at(made, at), row_at(made, at + pd.Timedelta(microseconds=1))
    assert [before[name] for name in names] == [0, 0, 0, 0]
    assert [after[name] for name in names] == [1, 1, 1, 1]
    assert (before["lead_hours_since_interest"], before["lead_stage_rank"]) == (None, None)
    assert (after["lead_hours_since_interest"], after["lead_stage_rank"]) == (1 / 3_600_000_000, 1)


def test_a_lead_is_there_from_a_microsecond_after_its_creation(tables):
    made = tables(leads={**LEADS, "source": ["web"], "owner_id": ["ann"]}, lead_stages=NONE_YET)
    at = pd.Timestamp("2026-03-02 08:00", tz="Europe/Berlin")
    before, after = row_at(made, at), row_at(made, at + pd.Timedelta(microseconds=1))
    names = ("lead_age_hours", "lead_source", "lead_owner_open_count", "lead_source_created_30d")
    assert [before[name] for name in names] == [None] * 4
    assert [after[name] for name in names] == [1 / 3_600_000_000, "web", 1, 1]


def test_what_was_entered_late_is_known_late(tables):
    events = touches(("call", "2026-03-05 10:00"), known_at=["2026-03-09 10:00"])
    made = tables(leads=LEADS, lead_events=events)
    assert row_at(made, "2026-03-09 10:00")["lead_call_count"] == 0
    found = row_at(made, "2026-03-09 10:00:00.000001")
    assert (found["lead_call_count"], round(found["lead_hours_since_ours"], 6)) == (1, 96)


def test_hours_since_response_and_waiting(tables):
    events = touches(
        ("form_submit", "2026-03-02 08:00"),  # with the enquiry
        ("reply_sent", "2026-03-02 14:00"),  # 6 hours later
        ("pricing_view", "2026-03-03 08:00"),
        ("reply_received", "2026-03-04 08:00"),
        ("reply_sent", "2026-03-04 20:00"),
        ("page_view", "2026-03-05 08:00"),  # a look around is no move
        ("reply_received", "2026-03-05 10:00"),
    )
    made = tables(leads=LEADS, lead_events=events)
    found = row_at(made, "2026-03-06 08:00")
    assert (found["lead_age_hours"], found["lead_age_days"]) == (96, 4)
    assert found["lead_response_hours"] == 6
    assert (found["lead_hours_since_ours"], found["lead_hours_since_theirs"]) == (36, 22)
    assert found["lead_waiting_hours"] == 14  # the lead wrote 14 hours after our last step
    assert (found["lead_hours_since_first_ours"], found["lead_hours_since_first_interest"]) == (90, 96)
    assert found["lead_first_interest_hours"] == 0
    assert (found["lead_hours_since_pricing_view"], found["lead_hours_since_reply_received"]) == (72, 22)
    assert found["lead_hours_since_interest"] == 24
    assert found["lead_hours_since_no_show"] is None
    assert found["lead_replies_share"] == 1
    # 3 signs of interest (form, price, page) in 4 days
    assert found["lead_interest_pace"] == pytest.approx(3 / 4)
    # after our second step the lead had not moved: the waiting is on the other side
    assert row_at(made, "2026-03-05 08:00")["lead_waiting_hours"] == -12


def test_different_assets_and_contacts(tables):
    events = touches(
        ("download", "2026-03-03"), ("download", "2026-03-04"), ("webinar", "2026-03-05"), ("call", "2026-03-06"),
        asset=["paper", "paper", "film", None], contact_id=["p1", "p2", None, "p1"],
    )  # fmt: skip
    found = row_at(tables(leads=LEADS, lead_events=events), "2026-03-20")
    assert (found["lead_assets_count"], found["lead_contacts_count"]) == (2, 2)


def test_touches_of_others_do_not_count(tables):
    events = touches(("call", "2026-03-03"), ("call", "2026-03-04"))
    events["lead_id"] = ["8", "unknown"]
    found = row_at(tables(leads=LEADS, lead_events=events), "2026-03-20")
    assert (found["lead_call_count"], found["lead_hours_since_ours"], found["lead_response_hours"]) == (0, None, None)


# stages


def test_stage_rank_and_steps_back(tables):
    entered = stages(
        ("7", "lead", "2026-03-02 08:00"), ("7", "mql", "2026-03-03 09:00"), ("7", "opportunity", "2026-03-05 09:00"),
        ("7", "mql", "2026-03-08 23:30"), ("8", "won", "2026-03-04"),
    )  # fmt: skip
    made = tables(leads=LEADS, lead_stages=entered)
    names = ("lead_stage_rank", "lead_stage_rank_max", "lead_stage_steps_back", "lead_stage_days", "lead_stage_changes")
    assert [row_at(made, "2026-03-06")[name] for name in names] == [3, 3, 0, 1, 3]
    assert [row_at(made, "2026-03-10")[name] for name in names] == [1, 3, 2, 2, 4]
    assert [row_at(made, "2026-03-02")[name] for name in names] == [None, None, None, None, 0]


def test_of_stages_entered_at_once_the_highest_counts(tables):
    entered = stages(("7", "sql", "2026-03-03"), ("7", "mql", "2026-03-03"))
    assert row_at(tables(leads=LEADS, lead_stages=entered), "2026-03-04")["lead_stage_rank"] == 2


# who the lead is


def test_firmographics(tables):
    leads = {
        **LEADS, "employees": [250], "email": ["anna@gmx.de"], "phone": ["0171"], "company": [None],
        "industry": ["metal"], "country": ["AT"], "campaign": ["spring"],
    }  # fmt: skip
    found = row_at(tables(leads=leads), "2026-03-20")
    assert (found["lead_employees"], found["lead_company_size"], found["lead_free_mail"]) == (250, "250-999", 1)
    assert (found["lead_has_phone"], found["lead_has_company"]) == (1, 0)
    assert (found["lead_industry"], found["lead_country"], found["lead_campaign"]) == ("metal", "AT", "spring")
    assert (found["lead_source"], found["lead_owner_open_count"]) == (None, None)


@pytest.mark.parametrize(
    ("employees", "expected"),
    [(None, None), (0, None), (1, "1-9"), (9, "1-9"), (10, "10-49"), (49, "10-49"), (50, "50-249"), (249, "50-249"),
     (250, "250-999"), (999, "250-999"), (1000, "1000+"), (300_000, "1000+")],
)  # fmt: skip
def test_size_classes(employees, expected):
    assert size_class([employees]) == [expected]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("anna@gmx.de", 1), ("ANNA@GMX.NET ", 1), ("bob@yahoo.co.uk", 1), ("c@t-online.de", 1), ("d@me.com", 1),
        ("e@huber-gmbh.de", 0), ("f@mail.huber-gmbh.de", 0), ("g@web.huber.com", 0), ("h@notgmx.de", 0),
        ("i@live.firm.co.uk", 0), ("nonsense", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_free_mail(address, expected):
    assert free_mail([address]) == [expected]


def test_a_version_changes_what_the_lead_is_from_when_it_is_known(tables):
    leads = {
        "lead_id": ["7", "7"], "created_at": ["2026-03-02 08:00"] * 2, "source": ["web", "fair"],
        "owner_id": ["ann", "bob"], "known_at": ["2026-03-02 08:00", "2026-03-10"],
    }  # fmt: skip
    made = tables(leads=leads, lead_stages=NONE_YET)
    assert [row_at(made, day)["lead_source"] for day in ("2026-03-10", "2026-03-11")] == ["web", "fair"]
    other = {**leads, "lead_id": ["7", "7", "8"], "created_at": [*leads["created_at"], "2026-03-03"],
             "source": ["web", "fair", "fair"], "owner_id": ["ann", "bob", "bob"],
             "known_at": [*leads["known_at"], "2026-03-03"]}  # fmt: skip
    made = tables(leads=other, lead_stages=NONE_YET)
    # seen from lead 8, which has been bob's from the start: lead 7 joins on 10 March
    loads = [row_at(made, day, lead="8")["lead_owner_open_count"] for day in ("2026-03-10", "2026-03-11")]
    assert loads == [1, 2]
    assert [row_at(made, day)["lead_owner_open_count"] for day in ("2026-03-10", "2026-03-11")] == [1, 2]


# peers


def enquiries(*rows: tuple[str, str, str], **columns: list[Any]) -> dict[str, list[Any]]:
    """Leads from tuples (lead, created_at, source)."""
    return {
        **dict(zip(("lead_id", "created_at", "source"), map(list, zip(*rows, strict=True)), strict=True)),
        **columns,
    }


def test_the_won_share_of_a_source_is_drawn_towards_that_of_all(tables):
    leads = enquiries(
        ("a", "2025-06-01", "fair"), ("b", "2025-06-01", "fair"), ("c", "2025-06-01", "web"),
        ("d", "2025-06-01", "web"), ("e", "2025-06-01", None),
        ("7", "2026-03-02", "fair"), ("8", "2026-03-02", "new"), ("9", "2026-03-02", None),
    )  # fmt: skip
    won = stages(("a", "won", "2025-07-01"), ("c", "lost", "2025-07-01"), ("d", "won", "2025-09-30"))
    made = tables(leads=leads, lead_stages=won)
    # 5 leads whose 90 days are over (a to e), one of them won in these days: d came too late. Overall 1/5
    # fair: 2 leads, 1 won: (1 + 20 / 5) / (2 + 20); a new source has the share of all: (0 + 20 / 5) / (0 + 20)
    shares = [row_at(made, "2026-03-20", lead=lead)["lead_source_won_share"] for lead in ("7", "8", "9")]
    assert shares[:2] == [pytest.approx(5 / 22, rel=1e-15), pytest.approx(1 / 5, rel=1e-15)]
    assert shares[2] is None  # without a source
    assert row_at(made, "2026-03-20")["lead_campaign_won_share"] is None  # not mapped


def test_a_lead_counts_once_its_days_are_over_and_a_win_once_it_is_known(tables):
    # 90 days from 1 June 0:00 end on 30 August 0:00
    leads = enquiries(("a", "2025-06-01", "fair"), ("7", "2025-08-01", "fair"))
    won = {**stages(("a", "won", "2025-08-29")), "known_at": ["2025-09-10"]}
    made = tables(leads=leads, lead_stages=won)
    at_end = row_at(made, "2025-08-30")["lead_source_won_share"]
    after = row_at(made, "2025-08-30 00:00:00.000001")["lead_source_won_share"]
    told = [row_at(made, day)["lead_source_won_share"] for day in ("2025-09-10", "2025-09-11")]
    assert (at_end, after, told) == (None, 0, [0, 1])


def test_a_win_of_the_last_microsecond_is_in_time(tables):
    leads = enquiries(("a", "2025-06-01", "fair"), ("7", "2025-08-01", "fair"))
    shares = [
        row_at(tables(leads=leads, lead_stages=stages(("a", "won", when))), "2025-10-01")["lead_source_won_share"]
        for when in ("2025-08-29 23:59:59.999999", "2025-08-30")
    ]
    assert shares == [1, 0]


def test_the_share_of_the_last_year(tables):
    # 365 days before 20 March 2026 is 20 March 2025 0:00
    leads = enquiries(
        ("a", "2025-03-19 23:59", "fair"), ("b", "2025-03-20", "fair"), ("c", "2025-06-01", "web"),
        ("7", "2026-03-02", "fair"),
    )  # fmt: skip
    made = tables(leads=leads, lead_stages=stages(("a", "won", "2025-04-01"), ("c", "won", "2025-06-02")))
    found = row_at(made, "2026-03-20")
    # all: 2 of 3; fair: 1 of 2. In the year: 1 of 2; fair: 0 of 1
    assert found["lead_source_won_share"] == pytest.approx((1 + 20 * 2 / 3) / 22, rel=1e-15)
    assert found["lead_source_won_share_365d"] == pytest.approx((0 + 20 / 2) / 21, rel=1e-15)


def test_the_load_of_the_owner(tables):
    leads = enquiries(
        ("7", "2026-03-02", "x"), ("8", "2026-03-10", "x"), ("9", "2026-03-11", "y"), ("10", "2026-03-01", "x"),
        owner_id=["ann", "ann", "ann", "bob"],
    )  # fmt: skip
    ends = {**stages(("8", "lost", "2026-03-12 10:00"), ("8", "mql", "2026-03-13")), "known_at": ["2026-03-14", None]}
    made = tables(leads=leads, lead_stages=ends)
    days = ("2026-03-10", "2026-03-11", "2026-03-12", "2026-03-14", "2026-03-15")
    found = [row_at(made, day) for day in days]
    # itself counts; lead 8 is known to be lost from the 14th on, and stays so when it enters a stage again
    assert [row["lead_owner_open_count"] for row in found] == [1, 2, 3, 3, 2]
    # in the last 7 days: lead 7 of the 2nd is out from the 10th on
    assert [row["lead_owner_created_7d"] for row in found] == [0, 1, 2, 2, 2]
    assert [row["lead_source_created_30d"] for row in found] == [2, 3, 3, 3, 3]


def test_deals_tell_of_ends_where_stages_are_missing(tables):
    leads = enquiries(("a", "2025-06-01", "fair"), ("7", "2026-03-02", "fair"), owner_id=["ann", "ann"])
    deals = {
        "deal_id": ["d"], "created_at": ["2025-06-02"], "lead_id": ["a"], "status": ["won"], "closed_at": ["2025-07-01"]
    }  # fmt: skip
    found = row_at(tables(leads=leads, deals=deals), "2026-03-20")
    assert (found["lead_source_won_share"], found["lead_owner_open_count"], found["lead_stage_rank"]) == (1, 1, None)
    # while it was not closed it was open, whatever the status says now
    assert row_at(tables(leads=leads, deals=deals), "2025-07-01", lead="a")["lead_owner_open_count"] == 1
    without = {name: column for name, column in deals.items() if name != "closed_at"}
    found = row_at(tables(leads=leads, deals=without), "2026-03-20")
    assert (found["lead_source_won_share"], found["lead_owner_open_count"]) == (None, None)


def test_a_version_of_a_deal_that_takes_its_end_back_opens_the_lead_again(tables):
    leads = enquiries(("7", "2026-03-02", "fair"), owner_id=["ann"])
    deals = {
        "deal_id": ["d", "d"], "created_at": ["2026-03-02"] * 2, "lead_id": ["7", "7"], "status": ["lost", "open"],
        "closed_at": ["2026-03-05", None], "known_at": ["2026-03-05", "2026-03-09"],
    }  # fmt: skip
    made = tables(leads=leads, deals=deals)
    days = ("2026-03-05", "2026-03-06", "2026-03-09", "2026-03-10")
    assert [row_at(made, day)["lead_owner_open_count"] for day in days] == [1, 0, 0, 1]


def test_a_peer_counts_once_its_source_is_known(tables):
    leads = enquiries(("7", "2026-03-02", "fair"), ("8", "2026-03-02", "fair"))
    leads["named_at"] = [pd.Timestamp("2026-03-03"), pd.Timestamp("2026-03-15")]
    made = tables(attributes={"leads": {"named_at": ""}}, leads=leads, lead_stages=NONE_YET)
    made = replace(made, known_from={"leads": {"source": "named_at"}})
    counts = [row_at(made, day)["lead_source_created_30d"] for day in ("2026-03-03", "2026-03-04", "2026-03-16")]
    assert counts == [None, 1, 2]
    assert row_at(made, "2026-03-15", lead="8")["lead_source"] is None


# what is not mapped


def test_without_other_tables_their_features_are_null(tables):
    found = row_at(tables(leads={**LEADS, "source": ["web"], "owner_id": ["ann"]}), "2026-03-20")
    given = {id for id, value in found.items() if id.startswith("lead_") and value is not None} - {"lead_id"}
    assert given == {
        "lead_age_days",
        "lead_age_hours",
        "lead_source",
        "lead_source_created_30d",
        "lead_owner_created_7d",
    }


def test_without_any_event_counts_are_0_and_all_else_is_null(tables):
    empty = {name: pd.Series([], dtype="str") for name in ("event_id", "lead_id", "kind", "asset", "contact_id")}
    events = {**empty, "occurred_at": pd.Series([], dtype="datetime64[us]")}
    found = row_at(tables(leads=LEADS, lead_events=events, lead_stages=NONE_YET), "2026-03-20")
    for feature in LEAD_CATALOGUE:
        if isinstance(feature, Feature) and feature.source in ("lead_events", "lead_stages"):
            expected = 0 if feature.aggregate in ("count", "distinct") else None
            assert found[feature.id] == expected, feature.id
    assert (found["lead_interest_pace"], found["lead_replies_share"], found["lead_waiting_hours"]) == (0, None, None)


def test_an_unknown_lead_has_no_features(tables):
    made = tables(
        leads={**LEADS, "source": ["web"], "phone": ["1"]}, lead_events=touches(("call", "2026-03-03")),
        lead_stages=NONE_YET,
    )  # fmt: skip
    found = row_at(made, "2026-03-20", lead="unknown")
    assert {value for id, value in found.items() if id.startswith("lead_") and id != "lead_id"} == {0, None}
    assert (found["lead_has_phone"], found["lead_age_days"], found["lead_call_count"]) == (None, None, 0)


def test_own_attributes_are_features_once_they_are_known(tables):
    leads = {**LEADS, "Budget": [70], "asked": [pd.Timestamp("2026-03-05")]}
    made = tables(attributes={"leads": {"Budget": "asked", "asked": ""}}, leads=leads)
    assert [row_at(made, day)["attribute_budget"] for day in ("2026-03-05", "2026-03-06")] == [None, 70]
    assert row_at(made, "2026-03-08")["attribute_asked"] == 3


# own features


def test_an_own_feature_of_leads(tables):
    mine = Feature(
        id="lead_fairs", source="lead_events", where={"kind": "fair"}, unit="count", text_de="Messen", text_en="fairs"
    )
    made = tables(leads=LEADS, lead_events=touches(("fair", "2026-03-03"), ("call", "2026-03-03")))
    assert row_at(made, "2026-03-20", features=[mine])["lead_fairs"] == 1
    add_feature(mine, of=LEAD)
    try:
        assert row_at(made, "2026-03-20")["lead_fairs"] == 1
    finally:
        remove_feature("lead_fairs")
    with pytest.raises(UsageError, match="taken by the catalogue"):
        add_feature(replace(mine, id="lead_source"), of=LEAD)
    called = FunctionFeature(
        id="kinds", source="lead_events", function=lambda e, c: e["kind"].nunique() + e["days_ago"].max() / 100,
        text_de="Arten", text_en="kinds",
    )  # fmt: skip
    assert row_at(made, "2026-03-20", features=[called])["kinds"] == 2.17


def test_a_feature_about_another_subject_is_refused(tables):
    made = tables(leads=LEADS, customers={"customer_id": ["7"]})
    industry = AttributeFeature(id="of_customer", column="industry")
    with pytest.raises(UsageError, match="a lead is described by the table leads, found 'customers'"):
        row_at(made, "2026-03-20", features=[industry])
    load = PeerFeature(id="load", column="owner_id", what="open")
    spine = pd.DataFrame({"customer_id": ["7"], "as_of": [dt.date(2026, 3, 20)]})
    with pytest.raises(UsageError, match="only leads have peers, not a customer"):
        build_features(made, spine, features=[load])
    with pytest.raises(UsageError, match=r"leads has no column 'owner'\. Did you mean"):
        row_at(made, "2026-03-20", features=[replace(load, column="owner")])
    with pytest.raises(UsageError, match="unknown source 'orders'"):
        row_at(made, "2026-03-20", features=[Feature(id="orders", source="orders")])


# already a customer


def purchases(*rows: tuple[str, str, str, float], **columns: list[Any]) -> dict[str, list[Any]]:
    """Order lines from tuples (customer, order, ordered_at, net amount)."""
    names = ("customer_id", "order_id", "ordered_at", "net_amount")
    return {**dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)), **columns}


def said(tables: Tables, since: str = "created_at") -> Tables:
    """The tables of a firm that says since when the customer of a lead was known."""
    return replace(tables, known_from={"leads": {"customer_id": since}})


CUSTOMER = ("lead_is_customer", "lead_customer_orders_365d", "lead_customer_days_since_order")


def customer_at(tables: Tables, as_of: str, lead: str = "7") -> list[Any]:
    found = row_at(tables, as_of, lead=lead)
    return [found[name] for name in CUSTOMER]


def test_orders_before_the_enquiry(tables):
    leads = {"lead_id": ["7", "8", "9"], "created_at": ["2026-03-02 08:00"] * 3, "customer_id": ["c", "d", None]}
    orders = purchases(
        ("c", "A", "2025-03-19", 10), ("c", "B", "2026-02-01", 5), ("c", "B", "2026-02-01", 5),
        ("c", "C", "2026-02-18", 1), ("c", "D", "2026-02-20", -9), ("c", "E", "2026-02-21", 0),
        ("c", "F", "2026-03-02 08:00", 70),  # with the enquiry, and no earlier
        ("d", "G", "2026-03-05", 70),
    )  # fmt: skip
    made = said(tables(leads=leads, order_lines=orders))
    # 365 days before 20 March 2026 begin on 20 March 2025: A is too old, B counts once, D and E are no purchases
    assert customer_at(made, "2026-03-20") == [1, 2, 30]
    assert customer_at(made, "2026-03-19") == [1, 3, 29]
    # the lead's own order makes nobody an old customer, nor is one without a link
    assert customer_at(made, "2026-03-20", lead="8") == customer_at(made, "2026-03-20", lead="9") == [0, 0, None]
    assert customer_at(made, "2026-03-02") == [0, 0, None]  # not created yet


def test_becoming_a_customer_by_winning_does_not_show(tables):
    leads = {"lead_id": ["7", "8"], "created_at": ["2026-03-02"] * 2, "customer_id": ["new", None]}
    won = stages(("7", "won", "2026-03-10"), ("8", "lost", "2026-03-10"))
    made = said(tables(leads=leads, lead_stages=won, order_lines=purchases(("new", "A", "2026-03-10", 900))))
    for day in ("2026-03-05", "2026-03-11", "2027-01-01"):
        assert customer_at(made, day, lead="7") == customer_at(made, day, lead="8") == [0, 0, None]


def test_an_order_that_was_entered_late_counts_from_then_on(tables):
    orders = purchases(("c", "A", "2026-02-20", 10), known_at=["2026-03-04"])
    made = said(tables(leads={**LEADS, "customer_id": ["c"]}, order_lines=orders))
    assert [customer_at(made, day) for day in ("2026-03-04", "2026-03-05")] == [[0, 0, None], [1, 1, 13]]


def test_a_link_counts_from_when_it_is_known(tables):
    orders = purchases(("c", "A", "2026-02-20", 10), ("d", "B", "2026-02-21", 10), ("d", "C", "2026-02-22", 10))
    # by versions of the lead
    versions = {
        "lead_id": ["7"] * 3, "created_at": ["2026-03-02 08:00"] * 3, "customer_id": [None, "c", "d"],
        "known_at": ["2026-03-02 08:00", "2026-03-05", "2026-03-07"],
    }  # fmt: skip
    made = said(tables(leads=versions, order_lines=orders))
    found = [customer_at(made, day)[:2] for day in ("2026-03-05", "2026-03-06", "2026-03-08")]
    assert found == [[0, 0], [1, 1], [1, 2]]
    # by a column that says since when
    leads = {**LEADS, "customer_id": ["c"], "linked_at": [pd.Timestamp("2026-03-05")]}
    made = tables(attributes={"leads": {"linked_at": ""}}, leads=leads, order_lines=orders)
    made = said(made, "linked_at")
    assert [customer_at(made, day)[0] for day in ("2026-03-05", "2026-03-06")] == [0, 1]


def test_without_a_link_its_time_or_orders_nothing_is_said(tables):
    orders, linked = purchases(("c", "A", "2026-02-20", 10)), {**LEADS, "customer_id": ["c"]}
    assert customer_at(said(tables(leads=LEADS, order_lines=orders)), "2026-03-20") == [None] * 3
    assert customer_at(said(tables(leads=linked)), "2026-03-20") == [None] * 3
    # a link of unknown age may have been made when the lead was won
    assert customer_at(tables(leads=linked, order_lines=orders), "2026-03-20") == [None] * 3
    assert customer_at(said(tables(leads=linked, order_lines=orders)), "2026-03-20") == [1, 1, 28]
