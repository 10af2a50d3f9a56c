"""Local times and instants, from the time zone database alone: the machine's own zone never matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from crm_ml.errors import UsageError

DAY_US: Final = 86_400_000_000
FIRST_US: Final = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z
LAST_US: Final = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCAN_FROM, _SCAN_TO, _SCAN_STEP = datetime(1900, 1, 1, tzinfo=UTC), 2200, timedelta(days=7)

_BLOCK = 1 << 16

Micros = npt.NDArray[np.int64]


def check_zone(zone: str) -> str:
    """Return `zone` if the time zone database knows it; otherwise raise `UsageError`.

    Examples
    --------
    >>> check_zone("Europe/Berlin")
    'Europe/Berlin'
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"timezone must be a name of the time zone database, found {zone!r}",
            remedy="Write for example `timezone: Europe/Berlin`; a system without time zones needs the package tzdata",
        ) from error
    return zone


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _offset_us(info: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(info).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)


@lru_cache(maxsize=32)
def _transitions(zone: str) -> tuple[Micros, Micros]:
    """UTC instants at which the offset changes, and the offsets before, between and after them."""
    info = ZoneInfo(check_zone(zone))
    moments: list[int] = []
    low, before = _SCAN_FROM, _offset_us(info, _SCAN_FROM)
    offsets = [before]
    while low.year < _SCAN_TO:
        high = low + _SCAN_STEP
        after = _offset_us(info, high)
        if after != before:
            first, last = low, high
            while last - first > timedelta(seconds=1):
                middle = first + (last - first) // 2
                middle = middle.replace(microsecond=0)
                if _offset_us(info, middle) == before:
                    first = middle
                else:
                    last = middle
            moments.append(_us(last))
            offsets.append(after)
        low, before = high, after
    return np.array(moments, dtype=np.int64), np.array(offsets, dtype=np.int64)


def local_to_utc(local_us: Micros, zone: str) -> Micros:
    """Turn local wall-clock microseconds into UTC microseconds.

    An hour that happens twice means its first pass; a time that the clock skips is moved forward by the length of the
    gap. Both are what ``zoneinfo`` does with ``fold=0``. Offsets before 1900 and after 2199 are those of the edges.

    Examples
    --------
    >>> local = np.array(["2024-03-31T02:30", "2024-10-27T02:30", "2024-07-01T00:00"], "datetime64[us]").view(np.int64)
    >>> local_to_utc(local, "Europe/Berlin").view("datetime64[us]").astype("datetime64[m]").astype(str).tolist()
    ['2024-03-31T01:30', '2024-10-27T00:30', '2024-06-30T22:00']
    """
    moments, offsets = _transitions(zone)
    # the offset before a change holds until the later of the two wall clocks has reached it
    switches = moments + np.maximum(offsets[:-1], offsets[1:])
    utc = np.empty(len(local_us), np.int64)
    # in blocks that stay in the processor's cache
    for at in range(0, len(local_us), _BLOCK):
        block = local_us[at : at + _BLOCK]
        shift = offsets[np.searchsorted(switches, block, side="right")] if len(switches) else offsets[0]
        np.clip(block - shift, FIRST_US, LAST_US, out=utc[at : at + _BLOCK])
    return utc


def utc_to_local(utc_us: Micros, zone: str) -> Micros:
    """Turn UTC microseconds into the wall-clock microseconds of `zone`.

    Examples
    --------
    >>> utc_to_local(np.array([0]), "Europe/Berlin").tolist()
    [3600000000]
    """
    moments, offsets = _transitions(zone)
    return np.asarray(utc_us + offsets[np.searchsorted(moments, utc_us, side="right")], dtype=np.int64)
