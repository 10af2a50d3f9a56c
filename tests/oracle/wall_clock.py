"""Calendar days by the standard library alone: slow, obvious, and independent of `crm_ml.features.timeline`.

Instants are UTC microseconds. "The same time of day some days later" is taken literally, with two conventions: a time
that the clock skips means the first instant after the gap, and a time in the second pass of a repeated hour counts as
the end of that hour (so a later instant is never shifted before an earlier one).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def instant(moment: dt.datetime) -> int:
    """UTC microseconds of an aware time stamp."""
    return (moment - EPOCH) // MICROSECOND


def utc(us: int) -> dt.datetime:
    """The time stamp of UTC microseconds."""
    return EPOCH + us * MICROSECOND


def utc_us(text: str) -> int:
    """UTC microseconds of a time written as UTC, e.g. ``2024-10-27 00:30``."""
    return instant(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


def _offsets(wall: dt.datetime, zone: ZoneInfo) -> tuple[dt.timedelta, dt.timedelta]:
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    return first, second


def is_skipped(wall: dt.datetime, zone: ZoneInfo) -> bool:
    first, second = _offsets(wall, zone)
    return first < second


def is_repeated(wall: dt.datetime, zone: ZoneInfo) -> bool:
    first, second = _offsets(wall, zone)
    return first > second


def at_wall(wall: dt.datetime, zone: ZoneInfo) -> int:
    """The first instant at which the clock shows this time, or the first after the gap that skips it."""
    while is_skipped(wall, zone):
        wall = wall.replace(second=0, microsecond=0) + MINUTE
    return instant(wall.replace(tzinfo=zone, fold=0))


@lru_cache(maxsize=100_000)
def shifted(us: int, days: int, zone: str) -> int:
    """The instant with the same time of day `days` calendar days later."""
    if days == 0:
        return us
    info = ZoneInfo(zone)
    local = utc(us).astimezone(info)
    wall = local.replace(tzinfo=None, fold=0)
    while local.fold and is_repeated(wall, info):
        wall = wall.replace(second=0, microsecond=0) + MINUTE
    return at_wall(wall + dt.timedelta(days=days), info)


def midnight(day: dt.date, zone: str) -> int:
    """The instant at which a local day begins."""
    return at_wall(dt.datetime.combine(day, dt.time()), ZoneInfo(zone))


def local_day(us: int, zone: str) -> dt.date:
    """The local calendar day of an instant."""
    return utc(us).astimezone(ZoneInfo(zone)).date()
