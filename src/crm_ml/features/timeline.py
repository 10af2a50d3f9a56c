"""Calendar days in the workspace's zone: cutoffs, windows and local days as exact integer arithmetic.

An instant is an int64 count of UTC microseconds. All windows are made of calendar days, so a window keeps its
wall-clock time when the clocks change and consecutive windows tile the time line without gap or overlap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import UsageError

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
FOREVER = int(np.iinfo(np.int64).max)
NULL = int(np.iinfo(np.int64).min)
"""Stands for "no value" in int64 columns."""

_EPOCH = dt.date(1970, 1, 1)
_YEARS = (1950, 2101)


@dataclass(frozen=True)
class ZoneClock:
    """A time zone as a table of its changes: `offsets[k]` holds from `changes[k - 1]` until before `changes[k]`.

    `ends` are the wall-clock times at which each stretch ends. All times are microseconds.
    """

    changes: I64
    offsets: I64
    ends: I64

    def wall(self, instants: I64) -> I64:
        """Return the wall-clock time of instants."""
        return instants + self.offsets[np.searchsorted(self.changes, instants, side="right")]

    def day(self, instants: I64) -> I64:
        """Return the local calendar day of instants, as days since 1970-01-01."""
        return self.wall(instants) // DAY

    def instant(self, walls: I64) -> I64:
        """Return the instants of wall-clock times.

        A time that occurs twice means its first occurrence; one that is skipped means the first instant after the gap.
        """
        k = np.searchsorted(self.ends, walls, side="right")
        begins = np.concatenate(([NULL], self.changes))
        found: I64 = np.maximum(walls - self.offsets[k], begins[k])
        return found

    def shift(self, instants: I64, days: int | I64) -> I64:
        """Return the instants with the same wall-clock time `days` calendar days later (earlier if negative).

        `days` may be given per instant; then none of them is 0.

        An instant in the second pass of a repeated hour counts as the end of that hour, so that order is kept: of two
        instants, the later one is never shifted before the earlier one.
        """
        if isinstance(days, int) and days == 0:
            return instants
        k = np.searchsorted(self.changes, instants, side="right")
        ends = np.concatenate(([NULL], self.ends))
        return self.instant(np.maximum(instants + self.offsets[k], ends[k]) + days * DAY)


def _offset_at(zone: ZoneInfo) -> Callable[[int], int]:
    def offset(second: int) -> int:
        found = dt.datetime.fromtimestamp(second, zone).utcoffset()
        return 0 if found is None else round(found.total_seconds())

    return offset


@lru_cache(maxsize=16)
def zone_clock(zone: str) -> ZoneClock:
    """Return the clock of an IANA zone, exact from 1950 to 2100.

    Raises
    ------
    UsageError
        If there is no such zone.

    Examples
    --------
    >>> clock = zone_clock("Europe/Berlin")
    >>> int(clock.day(np.array([0]))[0])
    0
    """
    try:
        offset = _offset_at(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"timezone must be an IANA name such as Europe/Berlin, found {zone!r}", remedy="Correct `timezone`."
        ) from error
    first, last = ((dt.date(year, 1, 1) - _EPOCH).days * 86_400 for year in _YEARS)
    seconds = range(first, last, 86_400)
    daily = [offset(second) for second in seconds]
    changes, offsets = [], [daily[0]]
    for second, before, after in zip(seconds, daily, daily[1:], strict=False):
        if before != after:
            low, high = second, second + 86_400  # offset(low) is the old one, offset(high) the new one
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            changes.append(high)
            offsets.append(after)
    at = np.array(changes, dtype=np.int64) * SECOND
    by = np.array(offsets, dtype=np.int64) * SECOND
    return ZoneClock(at, by, at + by[:-1])


def cutoff_us(day: dt.date, zone: str) -> int:
    """Return the instant at which a local day begins, in UTC microseconds.

    Examples
    --------
    >>> import datetime as dt
    >>> cutoff_us(dt.date(1970, 1, 2), "Europe/Berlin") // 3_600_000_000
    23
    """
    wall = np.array([(day - _EPOCH).days * DAY], dtype=np.int64)
    return int(zone_clock(zone).instant(wall)[0])


def shift_days(cutoff: int, days: int, zone: str) -> int:
    """Return the instant `days` calendar days after `cutoff` at the same wall-clock time in the zone.

    Examples
    --------
    A day on which the clocks go forward has 23 hours:

    >>> import datetime as dt
    >>> start = cutoff_us(dt.date(2026, 3, 29), "Europe/Berlin")
    >>> (shift_days(start, 1, "Europe/Berlin") - start) // 3_600_000_000
    23
    >>> shift_days(shift_days(start, 1, "Europe/Berlin"), -1, "Europe/Berlin") == start
    True
    """
    return int(zone_clock(zone).shift(np.array([cutoff], dtype=np.int64), days)[0])


def date_of(day: int) -> dt.date:
    """Return the date of a count of days since 1970-01-01.

    Examples
    --------
    >>> date_of(365)
    datetime.date(1971, 1, 1)
    """
    return _EPOCH + dt.timedelta(days=int(day))
