"""Working days: until when something should be done."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING

from crm_ml.actions.policy.schema import Calendar
from crm_ml.errors import UsageError

if TYPE_CHECKING:
    from holidays import HolidayBase

_LONGEST_PAUSE_DAYS = 366


def add_working_days(day: dt.date, n: int, calendar: Calendar) -> dt.date:
    """Return the n-th working day after a day; for 0 the day itself, or the next working day if it is none.

    Examples
    --------
    Good Friday and Easter Monday of 2026 are 3 and 6 April:

    >>> add_working_days(dt.date(2026, 4, 2), 1, Calendar(country="DE"))
    datetime.date(2026, 4, 7)
    >>> add_working_days(dt.date(2026, 4, 3), 0, Calendar(country="DE"))
    datetime.date(2026, 4, 7)
    """
    if n < 0:
        raise UsageError(f"n must be 0 or more working days; found {n}")
    left = 0 if n == 0 and is_working_day(day, calendar) else max(n, 1)
    pause = 0
    while left:
        day += dt.timedelta(days=1)
        working = is_working_day(day, calendar)
        left -= working
        pause = 0 if working else pause + 1
        if pause > _LONGEST_PAUSE_DAYS:
            raise UsageError(
                f"policy.yaml: calendar.closed_days leaves no working day in the year before {day}",
                remedy="Take days out of it.",
            )
    return day


def is_working_day(day: dt.date, calendar: Calendar) -> bool:
    """Return whether a day is neither weekend, public holiday nor a day on which the firm is closed.

    Examples
    --------
    >>> is_working_day(dt.date(2026, 1, 6), Calendar(country="DE"))
    True
    >>> is_working_day(dt.date(2026, 1, 6), Calendar(country="DE", subdivision="BY"))
    False
    """
    if f"{day:%m-%d}" in calendar.closed_days or day.isoformat() in calendar.closed_days:
        return False
    return bool(_holidays(calendar.country, calendar.subdivision).is_working_day(day))


@lru_cache(maxsize=16)
def _holidays(country: str, subdivision: str | None) -> HolidayBase:
    import holidays

    try:
        return holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError as error:
        raise UsageError(
            f"policy.yaml: calendar: {error}", remedy="Use codes like country: DE and subdivision: BY."
        ) from None
