"""Working days over German holidays, worked out by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.policy import add_working_days, default_policy, is_working_day
from crm_ml.actions.policy.schema import Calendar
from crm_ml.errors import UsageError

GERMANY = Calendar(country="DE")
BAVARIA = Calendar(country="DE", subdivision="BY")
SAXONY = Calendar(country="DE", subdivision="SN")
AUSTRIA = Calendar(country="AT")
SHIPPED = default_policy().calendar


def day(text):
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "n", "calendar", "due"),
    [
        # an ordinary week: Monday 2 March 2026
        ("2026-03-02", 0, GERMANY, "2026-03-02"),
        ("2026-03-02", 1, GERMANY, "2026-03-03"),
        ("2026-03-02", 5, GERMANY, "2026-03-09"),
        ("2026-03-06", 1, GERMANY, "2026-03-09"),
        # from a weekend
        ("2026-03-07", 0, GERMANY, "2026-03-09"),
        ("2026-03-07", 1, GERMANY, "2026-03-09"),
        ("2026-03-08", 2, GERMANY, "2026-03-10"),
        # Easter 2026: Good Friday 3 April, Easter Monday 6 April
        ("2026-04-02", 1, GERMANY, "2026-04-07"),
        ("2026-04-02", 2, GERMANY, "2026-04-08"),
        ("2026-04-03", 0, GERMANY, "2026-04-07"),
        ("2026-04-04", 1, GERMANY, "2026-04-07"),
        # Easter 2027: Good Friday 26 March, Easter Monday 29 March
        ("2027-03-25", 1, GERMANY, "2027-03-30"),
        # 1 May 2026 is a Friday, in 2027 a Saturday
        ("2026-04-30", 1, GERMANY, "2026-05-04"),
        ("2027-04-30", 1, GERMANY, "2027-05-03"),
        # Ascension 14 May 2026 (Thursday), Whit Monday 25 May 2026
        ("2026-05-13", 1, GERMANY, "2026-05-15"),
        ("2026-05-22", 1, GERMANY, "2026-05-26"),
        # 3 October 2025 is a Friday, in 2026 a Saturday
        ("2025-10-02", 1, GERMANY, "2025-10-06"),
        ("2026-10-02", 1, GERMANY, "2026-10-05"),
        # Christmas 2026: Thursday 24, Friday 25, Saturday 26; 24 and 31 are closed in the shipped policy only
        ("2026-12-23", 1, GERMANY, "2026-12-24"),
        ("2026-12-23", 2, GERMANY, "2026-12-28"),
        ("2026-12-23", 1, SHIPPED, "2026-12-28"),
        ("2026-12-24", 0, SHIPPED, "2026-12-28"),
        # into the new year: 28, 29, 30 December, then 4 January 2027 (1 January is a Friday)
        ("2026-12-23", 4, SHIPPED, "2027-01-04"),
        ("2026-12-30", 1, GERMANY, "2026-12-31"),
        ("2026-12-31", 1, GERMANY, "2027-01-04"),
        # Epiphany (6 January 2027, Wednesday) and Corpus Christi (4 June 2026, Thursday): Bavaria, not all of Germany
        ("2027-01-05", 1, GERMANY, "2027-01-06"),
        ("2027-01-05", 1, BAVARIA, "2027-01-07"),
        ("2026-06-03", 1, GERMANY, "2026-06-04"),
        ("2026-06-03", 1, BAVARIA, "2026-06-05"),
        # Day of Prayer and Repentance (18 November 2026, Wednesday): Saxony only
        ("2026-11-17", 1, SAXONY, "2026-11-19"),
        ("2026-11-17", 1, BAVARIA, "2026-11-18"),
        # 26 October 2026 (Monday) is a holiday in Austria
        ("2026-10-23", 1, AUSTRIA, "2026-10-27"),
        ("2026-10-23", 1, GERMANY, "2026-10-26"),
        # 29 February 2028 is a Tuesday
        ("2028-02-28", 1, GERMANY, "2028-02-29"),
        ("2028-02-28", 2, GERMANY, "2028-03-01"),
    ],
)
def test_worked_out_days(start, n, calendar, due):
    assert add_working_days(day(start), n, calendar) == day(due)


def test_closed_days_of_one_year_and_of_every_year():
    once = Calendar(closed_days=("2026-03-03",))
    each = Calendar(closed_days=("03-03",))
    assert [is_working_day(day(text), once) for text in ("2026-03-03", "2027-03-03")] == [False, True]
    assert [is_working_day(day(text), each) for text in ("2026-03-03", "2027-03-03")] == [False, False]


def test_a_calendar_without_working_days_is_a_fault_and_no_endless_loop():
    never = Calendar(closed_days=tuple(f"{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 32)))
    with pytest.raises(UsageError, match=r"closed_days leaves no working day in the year before 2027-03-0"):
        add_working_days(day("2026-03-02"), 1, never)


def test_days_are_not_counted_backwards():
    with pytest.raises(UsageError, match="n must be 0 or more working days; found -1"):
        add_working_days(day("2026-03-02"), -1, GERMANY)


@pytest.mark.parametrize("calendar", [Calendar(country="ZZ"), Calendar(subdivision="XX")])
def test_unknown_places_are_a_fault(calendar):
    with pytest.raises(UsageError, match=r"policy\.yaml: calendar: .*Use codes like country: DE and subdivision: BY"):
        is_working_day(day("2026-03-02"), calendar)


@settings(max_examples=100, deadline=None)
@given(
    start=st.dates(dt.date(2015, 1, 1), dt.date(2040, 12, 31)),
    first=st.integers(1, 12),
    more=st.integers(1, 12),
    calendar=st.sampled_from([GERMANY, BAVARIA, SHIPPED, AUSTRIA]),
)
def test_counting_on_is_counting_once(start, first, more, calendar):
    half = add_working_days(start, first, calendar)
    assert is_working_day(half, calendar)
    assert half > start
    assert add_working_days(half, more, calendar) == add_working_days(start, first + more, calendar)
    between = [start + dt.timedelta(days=i) for i in range(1, (half - start).days + 1)]
    assert sum(is_working_day(each, calendar) for each in between) == first
    assert add_working_days(half, 0, calendar) == half
