"""What became of each customer, and who of them carried a value from the start: the unit is the customer, not the row.

A value that was truly known from the beginning may go with a higher risk. A value that was written when the customer
left goes with leaving itself: nearly all who carry it have left by the end, and few who still buy carry it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.models.columns import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FOLDS = 3
_HIGH = 2.0
LEAST_CARRIERS = 8
_MONTH = 30.0


@dataclass(frozen=True)
class Fates:
    """One entry per customer, in the order of `who`.

    Attributes
    ----------
    first : numpy.ndarray of int
        Position of the customer's first row.
    left : numpy.ndarray of bool
        Whether it fell silent for good (see `fates`).
    exposure : numpy.ndarray of float
        Days from its first snapshot to its leaving, or to the last day on which leaving could have been seen.
    fold : numpy.ndarray of int
        The part, 0 to 2, into which the customer was dealt.
    """

    first: IntArray
    left: BoolArray
    exposure: FloatArray
    fold: IntArray


def fates(who: IntArray, days: NDArray[Any], y: BoolArray, *, label_days: int, seed: int = 0) -> Fates:
    """Return what became of the customers.

    A customer has left for good if its last rows all say "churned" and either span at least one label window (so it was
    silent for two) or end that long before the newest snapshot (it was not even eligible any more).

    Parameters
    ----------
    who : numpy.ndarray of int
        Customer of each row, 0, 1, ...; the rows are sorted by snapshot day.
    days : numpy.ndarray of datetime64[D]
        Snapshot day of each row.
    y : numpy.ndarray of bool
        Whether the customer churned in the label window of the row.
    label_days : int
        Days from a snapshot to the end of its label window.
    seed : int
        Of the dealing into folds.

    Examples
    --------
    >>> days = np.repeat(np.arange("2025-01-01", "2025-07-01", 30, dtype="datetime64[D]"), 2)
    >>> y = np.array([0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1], dtype=bool)
    >>> found = fates(np.tile([0, 1], 7), days, y, label_days=90)
    >>> found.left.tolist(), found.exposure.tolist()
    ([True, False], [60.0, 90.0])
    """
    size, day, place = int(who.max()) + 1, days.astype("datetime64[D]").astype(np.int64), np.arange(len(who))
    first, last = np.full(size, len(who)), np.zeros(size, np.int64)
    np.minimum.at(first, who, place)
    np.maximum.at(last, who, place)
    bought = np.full(size, -1)
    np.maximum.at(bought, who, np.where(y, -1, place))
    silent = y & (place > bought[who])
    since = np.full(size, len(who))
    np.minimum.at(since, who[silent], place[silent])
    ends_silent = since < len(who)
    silent_day = day[np.minimum(since, len(who) - 1)]
    newest = int(day.max())
    seen_until = newest - label_days
    left = ends_silent & ((day[last] - silent_day >= label_days) | (day[last] < seen_until))
    stop = np.minimum(np.where(ends_silent, silent_day, day[last]), seen_until)
    fold = np.random.default_rng(seed).permutation(size) % FOLDS
    return Fates(first, left, np.maximum(stop - day[first], 0).astype(np.float64), fold.astype(np.int64))


@dataclass(frozen=True)
class Carriers:
    """How those who carried a risky value from the start fared against the others.

    Attributes
    ----------
    customers, left, others, others_left : int
        Carriers, those of them who left, and the same of the others.
    ratio, low : float
        Rate of leaving of the carriers over that of the others, and the lower end of its interval of two standard
        errors: ``log ratio -+ 2 sqrt(1 / (left + .5) + 1 / (others_left + .5))``.
    share_before, share_after : float
        Share of carriers among the customers still buying, in the oldest and in the newest third of the snapshots.
    empty : bool
        Whether the risky value is mostly "missing".
    filled : bool
        Whether the carriers are mostly those with any value, and the others those without.
    """

    customers: int
    left: int
    others: int
    others_left: int
    ratio: float
    low: float
    share_before: float
    share_after: float
    empty: bool
    filled: bool


def carriers(codes: IntArray, who: IntArray, days: NDArray[Any], y: BoolArray, found: Fates) -> Carriers | None:
    """Compare customers whose value goes with leaving with the others; None where nothing can be said.

    Which values are risky is learnt on two thirds of the customers and applied to the other third, three times, so that
    a value cannot look risky for the very customers it was picked by. Risky: its rate of leaving, drawn towards the
    mean by half an event, is more than twice the mean.

    Parameters
    ----------
    codes : numpy.ndarray of int
        Code of each row's value (`crm_ml.models.evaluation.traits.coded`); that of the customer's first row counts.
    who, days, y : numpy.ndarray
        As for `fates`.
    found : Fates
        Of the same rows.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = np.repeat(np.arange("2024-01-01", "2025-07-01", 30, dtype="datetime64[D]"), 200)
    >>> who, gone = np.tile(np.arange(200), len(days) // 200), rng.integers(1, 80, 200)
    >>> y = np.repeat(np.arange(len(days) // 200), 200) >= gone[who]
    >>> said = carriers((gone < 18)[who].astype(int), who, days, y, fates(who, days, y, label_days=90))
    >>> said.low > 3, said.share_before > said.share_after
    (True, True)
    """
    value = codes[found.first]
    risky = np.zeros(len(value), bool)
    for k in range(FOLDS):
        others = found.fold != k
        rate = found.left[others].sum() / max(found.exposure[others].sum(), 1.0)
        if rate == 0:
            return None
        size = int(codes.max()) + 1
        events = np.bincount(value[others], found.left[others], size) + 0.5
        expected = np.bincount(value[others], found.exposure[others], size) * rate + 0.5
        risky[~others] = (events / expected)[value[~others]] > _HIGH
    many, rest = int(risky.sum()), int((~risky).sum())
    if min(many, rest) < LEAST_CARRIERS:
        return None
    left, others_left = int(found.left[risky].sum()), int(found.left[~risky].sum())
    # a month more, or a value that only the newest customers carry would be divided by next to nothing
    exposed, exposed_others = found.exposure[risky].sum() + _MONTH, found.exposure[~risky].sum() + _MONTH
    ratio = ((left + 0.5) / exposed) / ((others_left + 0.5) / exposed_others)
    width = 2 * np.sqrt(1 / (left + 0.5) + 1 / (others_left + 0.5))
    before, after = _shares(risky, who, days, ~y)
    missing, missing_others = (value[risky] == 0).mean(), (value[~risky] == 0).mean()
    return Carriers(
        many,
        left,
        rest,
        others_left,
        float(ratio),
        float(ratio * np.exp(-width)),
        before,
        after,
        bool(missing > 0.9 and missing_others < 0.5),
        bool(missing < 0.1 and missing_others > 0.5),
    )


def _shares(risky: BoolArray, who: IntArray, days: NDArray[Any], buying: BoolArray) -> tuple[float, float]:
    snapshots = np.unique(days)
    if len(snapshots) < FOLDS:
        return float("nan"), float("nan")
    thirds: Sequence[NDArray[Any]] = np.array_split(snapshots, 3)
    shares = []
    for part in (thirds[0], thirds[-1]):
        here = np.unique(who[buying & np.isin(days, part)])
        shares.append(float(risky[here].mean()) if len(here) else float("nan"))
    return shares[0], shares[1]
