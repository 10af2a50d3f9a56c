"""Calendar days in a zone: cutoffs, shifts and local days over clock changes."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from crm_ml.errors import UsageError
from crm_ml.features import cutoff_us, shift_days
from crm_ml.features.timeline import DAY, HOUR, SECOND, date_of, zone_clock

BERLIN = "Europe/Berlin"


def instant(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "zone", [BERLIN, "UTC", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca", "Australia/Lord_Howe"]
)
def test_local_time_agrees_with_the_zone_data_at_any_hour(zone):
    clock = zone_clock(zone)
    instants = np.arange(instant("2009-12-30T00:00+00:00"), instant("2012-02-01T00:00+00:00"), 1847 * 1_000_000)
    zone_info = ZoneInfo(zone)
    expected = [
        dt.datetime.fromtimestamp(t // 1_000_000, zone_info).replace(tzinfo=dt.UTC).timestamp() * 1e6
        for t in instants.tolist()
    ]
    assert clock.wall(instants).tolist() == expected


@pytest.mark.parametrize(
    ("zone", "least"),
    [
        (BERLIN, 240),
        ("Asia/Kathmandu", 1),  # another offset in 1950 than in 2100
        ("Pacific/Apia", 1),  # the first change on 1 January 1950
        ("Africa/Casablanca", 100),  # changes at midnight in UTC
        ("America/St_Johns", 300),  # changes a minute after midnight
        ("UTC", 0),
    ],
)
def test_changes_are_known_to_the_second_from_1950_to_2100(zone, least):
    clock, zone_info = zone_clock(zone), ZoneInfo(zone)
    assert len(clock.changes) >= least
    around = [change + second * SECOND for change in clock.changes.tolist() for second in (-1, 0)]
    around += [instant("1950-01-01T00:00+00:00"), instant("1950-01-02T00:00+00:00"), instant("2100-12-31T23:00+00:00")]
    local = [dt.datetime.fromtimestamp(t // SECOND, zone_info) for t in around]
    assert clock.wall(np.array(around)).tolist() == [
        round(at.replace(tzinfo=dt.UTC).timestamp()) * SECOND for at in local
    ]


def test_a_cutoff_is_local_midnight():
    assert cutoff_us(dt.date(2026, 1, 15), BERLIN) == instant("2026-01-14T23:00+00:00")
    assert cutoff_us(dt.date(2026, 7, 15), BERLIN) == instant("2026-07-14T22:00+00:00")
    assert cutoff_us(dt.date(2024, 2, 29), "UTC") == instant("2024-02-29T00:00+00:00")


def test_a_day_without_midnight_begins_when_its_first_hour_begins():
    # in São Paulo the clocks went from 0:00 to 1:00 on 4 November 2018
    assert cutoff_us(dt.date(2018, 11, 4), "America/Sao_Paulo") == instant("2018-11-04T03:00+00:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_are_calendar_days(day, hours):
    start = cutoff_us(dt.date.fromisoformat(day), BERLIN)
    following = shift_days(start, 1, BERLIN)
    assert following - start == hours * HOUR
    assert following == cutoff_us(dt.date.fromisoformat(day) + dt.timedelta(days=1), BERLIN)
    assert shift_days(following, -1, BERLIN) == start


def test_windows_tile_the_year():
    at = cutoff_us(dt.date(2026, 1, 1), BERLIN)
    steps = [shift_days(at, days, BERLIN) for days in range(0, 366, 5)]
    walked = at
    for step in steps[1:]:
        walked = shift_days(walked, 5, BERLIN)
        assert walked == step


def test_the_wall_clock_stays_for_a_cutoff_within_a_day():
    noon = instant("2026-03-30T12:00+02:00")
    assert shift_days(noon, -1, BERLIN) == instant("2026-03-29T12:00+02:00")
    assert shift_days(noon, -2, BERLIN) == instant("2026-03-28T12:00+01:00")


def test_a_skipped_hour_is_the_end_of_the_gap_and_a_repeated_one_its_first_pass():
    assert shift_days(instant("2026-03-28T02:30+01:00"), 1, BERLIN) == instant("2026-03-29T03:00+02:00")
    assert shift_days(instant("2026-10-24T02:30+02:00"), 1, BERLIN) == instant("2026-10-25T02:30+02:00")


def test_order_is_kept_through_the_repeated_hour():
    clock = zone_clock(BERLIN)
    minutes = np.arange(instant("2026-10-25T00:00+02:00"), instant("2026-10-25T06:00+01:00"), 60_000_000)
    for days in (-365, -30, -1, 1, 155):
        shifted = clock.shift(minutes, days)
        assert (np.diff(shifted) >= 0).all()
    second_pass = instant("2026-10-25T02:10+01:00")
    assert shift_days(second_pass, -1, BERLIN) == instant("2026-10-24T03:00+02:00")
    assert shift_days(second_pass, 0, BERLIN) == second_pass


def test_days_are_counted_from_1970():
    assert zone_clock("UTC").day(np.array([0, DAY - 1, DAY, -1])).tolist() == [0, 0, 1, -1]
    assert date_of(20_000) == dt.date(2024, 10, 4)


def test_an_unknown_zone_is_refused():
    with pytest.raises(UsageError, match="IANA name such as Europe/Berlin, found 'Europe/Berln'"):
        zone_clock("Europe/Berln")
