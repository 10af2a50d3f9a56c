"""Which snapshots train, which evaluate, and in what order rows stand: time order is decided here and nowhere else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import DataError, HeldBack
from crm_ml.names import AS_OF, CUSTOMER_ID

BoolArray = NDArray[np.bool_]
DayArray = NDArray[np.datetime64]
_NOT_FEATURES = (CUSTOMER_ID, AS_OF, "cutoff")


@dataclass(frozen=True)
class Dataset:
    """Rows (customer, snapshot) with features and what then happened; made by `make_dataset`.

    Attributes
    ----------
    frame : pandas.DataFrame
        ``customer_id``, ``as_of`` and the feature columns, sorted by (as_of, customer_id).
    y : numpy.ndarray of bool
        True where the customer churned in the label window.
    features : tuple of str
        Names of the feature columns.
    label_end : numpy.ndarray of datetime64[D]
        First day after each row's label window; a row is mature at T iff ``label_end <= T``.
    snapshot : numpy.ndarray of datetime64[D], optional
        The snapshot that each row belongs to, where rows have times of their own; default: its own day.
    filled_later : mapping of str to (int, int)
        Features that hold a time, which the mapping says is known from the first row on: for how many subjects it lies
        after that, of how many who have it. For the leak guard.
    computed : frozenset of str
        Features besides those of the catalogue that are computed from events, so that they cannot know the outcome.
    """

    frame: pd.DataFrame
    y: BoolArray
    features: tuple[str, ...]
    label_end: DayArray
    snapshot: DayArray | None = None
    filled_later: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()

    @property
    def days(self) -> DayArray:
        """Snapshot day of each row."""
        return _days(self.frame[AS_OF]) if self.snapshot is None else self.snapshot

    @property
    def snapshots(self) -> list[dt.date]:
        """Distinct snapshot days, newest first."""
        return [day.astype(object) for day in np.unique(self.days)[::-1]]

    def take(self, rows: BoolArray) -> Dataset:
        """Return the data set of the chosen rows, in the same order."""
        at = neighbours(rows)
        snapshot = None if self.snapshot is None else self.snapshot[at]
        frame = self.frame[at].reset_index(drop=True)
        told = self.filled_later, self.computed
        return Dataset(frame, self.y[at], self.features, self.label_end[at], snapshot, *told)

    def __len__(self) -> int:
        return len(self.y)


def neighbours(rows: BoolArray) -> BoolArray | slice:
    """Return chosen rows that stand next to one another as a slice, which copies nothing; others as they are.

    Rows stand in the order of time, so what was known up to a day, and what came after it, are neighbours.

    Examples
    --------
    >>> neighbours(np.array([False, True, True])), neighbours(np.array([True, False, True])).tolist()
    (slice(1, 3, None), [True, False, True])
    """
    places = np.flatnonzero(rows)
    if len(places) == 0:
        return slice(0, 0)
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else rows


def _days(values: Any) -> DayArray:
    return pd.to_datetime(pd.Series(values)).to_numpy("datetime64[D]")


def make_dataset(
    frame: pd.DataFrame,
    y: Sequence[bool] | NDArray[Any],
    *,
    gap_days: int,
    horizon_days: int | NDArray[np.int64],
    features: Sequence[str] | None = None,
    snapshot: Sequence[dt.date] | None = None,
) -> Dataset:
    """Return the rows sorted by (as_of, customer_id), so that their order can never matter.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per customer and snapshot: ``customer_id``, ``as_of`` (a date) and the feature columns.
    y : sequence of bool
        What happened in ``[as_of + gap_days, as_of + gap_days + horizon_days)``.
    gap_days : int
        Days between the snapshot and the label window.
    horizon_days : int or numpy.ndarray of int
        Length of the label window, one for all or one per row of the frame: it tells when a row is mature.
    features : sequence of str, optional
        Default: every column but ``customer_id``, ``as_of`` and ``cutoff``.
    snapshot : sequence of date, optional
        One per row of the frame: the snapshot it counts to; default: its ``as_of``.

    Raises
    ------
    DataError
        If a column is missing, a label is not yes or no, the windows do not fit the rows, or a (customer, snapshot)
        stands there twice.

    Examples
    --------
    >>> import datetime as dt
    >>> frame = pd.DataFrame({"customer_id": ["b", "a"], "as_of": [dt.date(2026, 1, 1)] * 2, "x": [2.0, 1.0]})
    >>> data = make_dataset(frame, [True, False], gap_days=0, horizon_days=90)
    >>> data.frame.customer_id.tolist(), data.y.tolist(), str(data.label_end[0])
    (['a', 'b'], [False, True], '2026-04-01')
    """
    missing = [name for name in (CUSTOMER_ID, AS_OF, *(features or ())) if name not in frame.columns]
    if missing:
        raise DataError(
            f"The training frame must have the columns {', '.join(missing)}; "
            f"it has {', '.join(map(str, frame.columns[:20]))}",
            remedy="Build it with features.build_features.",
            code="missing_column",
        )
    labels = np.asarray(y)
    if labels.dtype != np.bool_ or labels.shape != (len(frame),):
        raise DataError(
            f"Labels must be one True or False per row; found {labels.dtype} of shape {labels.shape} "
            f"for {len(frame)} rows",
            remedy="Compute them with features.churn_labels.",
            code="bad_labels",
        )
    names = tuple(features) if features is not None else tuple(str(c) for c in frame.columns if c not in _NOT_FEATURES)
    days = _days(frame[AS_OF])
    keys = frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object)
    order = np.lexsort((keys, days))
    same = (keys[order][1:] == keys[order][:-1]) & (days[order][1:] == days[order][:-1])
    if same.any():
        first = int(np.flatnonzero(same)[0])
        raise DataError(
            f"A customer must stand once per snapshot; {int(same.sum())} rows repeat, "
            f"e.g. {keys[order][first]} at {days[order][first]}",
            remedy="Remove the repeated rows from the spine.",
            code="duplicate_rows",
        )
    sorted_frame = frame[[CUSTOMER_ID, AS_OF, *names]].iloc[order].reset_index(drop=True)
    window = _windows(horizon_days, len(frame))[order] + gap_days
    own = None if snapshot is None else _days(list(snapshot))[order]
    return Dataset(sorted_frame, labels[order], names, days[order] + window.astype("timedelta64[D]"), own)


def _windows(horizon_days: int | NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    if isinstance(horizon_days, np.ndarray) and (horizon_days.shape != (rows,) or horizon_days.dtype.kind != "i"):
        raise DataError(
            f"Label windows must be one whole number of days per row; found {horizon_days.dtype} of shape "
            f"{horizon_days.shape} for {rows} rows",
            remedy="Compute them with features.label_horizons.",
            code="bad_windows",
        )
    return np.broadcast_to(np.asarray(horizon_days, np.int64), rows)


def is_mature(snapshot: dt.date, at: dt.date, *, gap_days: int, horizon_days: int) -> bool:
    """Return whether the label window of `snapshot` ends at or before the day `at`.

    Examples
    --------
    >>> is_mature(dt.date(2026, 1, 1), dt.date(2026, 4, 1), gap_days=0, horizon_days=90)
    True
    >>> is_mature(dt.date(2026, 1, 1), dt.date(2026, 4, 1), gap_days=1, horizon_days=90)
    False
    """
    return snapshot + dt.timedelta(days=gap_days + horizon_days) <= at


def snapshots_for(
    train_as_of: dt.date,
    gap_days: int,
    horizon_days: int,
    every_days: int,
    history_days: int,
    min_history_days: int,
    first_event: dt.date,
) -> list[dt.date]:
    """Return the mature snapshot days for training at a day, newest first.

    ``c_k = train_as_of - gap_days - horizon_days - k * every_days``, back to ``train_as_of - history_days`` or
    ``first_event + min_history_days``, whichever is later.

    Raises
    ------
    HeldBack
        If there is none; the message names the first day at which there would be one.

    Examples
    --------
    >>> days = snapshots_for(dt.date(2011, 3, 1), 0, 90, 30, 1825, 90, dt.date(2009, 12, 1))
    >>> len(days), str(days[0]), str(days[-1])
    (10, '2010-12-01', '2010-03-06')
    """
    newest = train_as_of - dt.timedelta(days=gap_days + horizon_days)
    floor = first_event + dt.timedelta(days=min_history_days)
    oldest = max(floor, train_as_of - dt.timedelta(days=history_days))
    if newest < oldest:
        if train_as_of - dt.timedelta(days=history_days) > newest:
            raise HeldBack(
                f"history_days must reach back beyond gap_days + horizon_days = {gap_days + horizon_days}; "
                f"it is {history_days}",
                remedy="Raise churn.snapshots.history_days.",
                code="no_mature_snapshot",
            )
        earliest = floor + dt.timedelta(days=gap_days + horizon_days)
        raise HeldBack(
            f"No snapshot is mature at {train_as_of}: the first event is of {first_event}, a snapshot needs "
            f"{min_history_days} days of history before it and {gap_days + horizon_days} days after it",
            remedy=f"Train as of {earliest} or later, or load older data.",
            code="no_mature_snapshot",
        )
    return [newest - dt.timedelta(days=k * every_days) for k in range((newest - oldest).days // every_days + 1)]


@dataclass(frozen=True)
class Split:
    """Days that evaluate and days that may be fitted on before them; both newest first.

    `overlapping` says that label windows of the latter reach into the former.
    """

    evaluation: tuple[dt.date, ...]
    fit: tuple[dt.date, ...]
    overlapping: bool = False


@dataclass(frozen=True)
class Fold:
    """One rolling out-of-time step: fit on days whose label windows end before the first validation day."""

    fit: tuple[dt.date, ...]
    validation: tuple[dt.date, ...]


def plan_split(snapshots: Sequence[dt.date], *, label_days: int) -> Split:
    """Return the evaluation days (the newest one to three) and the days whose label windows end before them.

    Three when at least eight snapshots exist and at least three remain to be fitted on; else two when at least four
    exist and two remain; else one.

    Raises
    ------
    HeldBack
        If no snapshot is left to fit on.

    Examples
    --------
    >>> days = snapshots_for(dt.date(2011, 3, 1), 0, 90, 30, 1825, 90, dt.date(2009, 12, 1))
    >>> split = plan_split(days, label_days=90)
    >>> [str(day) for day in split.evaluation], [str(day) for day in split.fit][:2], len(split.fit)
    (['2010-12-01', '2010-11-01', '2010-10-02'], ['2010-07-04', '2010-06-04'], 5)
    """
    days = sorted(set(snapshots), reverse=True)
    for count, at_least, remaining in ((3, 8, 3), (2, 4, 2), (1, 1, 1)):
        if len(days) < at_least:
            continue
        fit = tuple(day for day in days if day + dt.timedelta(days=label_days) <= days[count - 1])
        if len(fit) >= remaining:
            return Split(tuple(days[:count]), fit)
    earliest = f"{days[-1] + dt.timedelta(days=2 * label_days)}" if days else "a later day"
    raise HeldBack(
        f"A model must be evaluated on a later snapshot than those it was fitted on, whose label windows "
        f"({label_days} days) have ended by then; the {len(days)} mature snapshots do not reach far enough apart",
        remedy=f"Train as of {earliest} or later, or load older data.",
        code="too_little_history",
    )


def plan_overlapping_split(snapshots: Sequence[dt.date]) -> Split:
    """Return the newest third of the days as evaluation and all earlier ones to fit on, label windows or not.

    For subjects that are each seen for a short time only, like leads, whose history is shorter than two label windows:
    the caller must keep everybody who is fitted on out of the evaluation.

    Raises
    ------
    HeldBack
        If there are fewer than two snapshots.

    Examples
    --------
    >>> split = plan_overlapping_split([dt.date(2026, month, 1) for month in (1, 2, 3)])
    >>> [day.month for day in split.evaluation], [day.month for day in split.fit]
    ([3], [2, 1])
    """
    days = sorted(set(snapshots), reverse=True)
    if len(days) < 2:
        raise HeldBack(
            f"A model must be evaluated on later rows than those it was fitted on; there are {len(days)} mature "
            "snapshots, and two are needed",
            remedy="Train later, or load older data.",
            code="too_little_history",
        )
    count = max(1, len(days) // 3)
    return Split(tuple(days[:count]), tuple(days[count:]), overlapping=True)


@dataclass(frozen=True)
class Calendar:
    """How snapshots and labels of a firm are laid out.

    Attributes
    ----------
    gap_days, horizon_days : int
        The label window [day + gap, day + gap + horizon).
    every_days, history_days, min_history_days : int
        Distance of snapshots, how far back they reach, and what must lie before the first.
    spread_days : int
        Days over which the rows of one snapshot are spread: so much longer its label windows reach.
    may_overlap : bool
        Whether, for want of history, label windows may reach into the evaluation (`plan_overlapping_split`).
    """

    gap_days: int
    horizon_days: int
    every_days: int
    history_days: int
    min_history_days: int
    spread_days: int = 0
    may_overlap: bool = False

    @property
    def label_days(self) -> int:
        """Days from a day to the end of its label window."""
        return self.gap_days + self.horizon_days

    def split(self, snapshots: Sequence[dt.date]) -> Split:
        """Return which snapshots evaluate and which may be fitted on; see `plan_split`.

        Raises
        ------
        HeldBack
            If there is too little history.
        """
        try:
            return plan_split(snapshots, label_days=self.label_days + self.spread_days)
        except HeldBack:
            if not self.may_overlap:
                raise
        return plan_overlapping_split(snapshots)

    def snapshots(self, day: dt.date, first_event: dt.date) -> list[dt.date]:
        """Return the mature snapshots for training as of a day, newest first; see `snapshots_for`."""
        return snapshots_for(
            day,
            self.gap_days,
            self.horizon_days,
            self.every_days,
            self.history_days,
            self.min_history_days,
            first_event,
        )


def rolling_cutoffs(as_of: dt.date, count: int, *, calendar: Calendar, first_event: dt.date) -> list[dt.date]:
    """Return up to `count` days to backtest at, newest first: the newest is the newest that can be judged at `as_of`.

    They lie a horizon apart, so that their label windows do not overlap; where the history is too short for that many,
    the largest multiple of ``every_days`` is taken at which all of them leave something to train and evaluate on, and
    at worst fewer days, ``every_days`` apart.

    Raises
    ------
    HeldBack
        If not even the newest can be trained; the message says from when on it could.

    Examples
    --------
    >>> calendar = Calendar(0, 90, 30, 1825, 90)
    >>> [str(d) for d in rolling_cutoffs(dt.date(2011, 6, 1), 4, calendar=calendar, first_event=dt.date(2009, 1, 1))]
    ['2011-03-03', '2010-12-03', '2010-09-04', '2010-06-06']
    >>> [str(d) for d in rolling_cutoffs(dt.date(2011, 6, 1), 4, calendar=calendar, first_event=dt.date(2009, 12, 1))]
    ['2011-03-03', '2011-01-02', '2010-11-03', '2010-09-04']
    """
    newest = as_of - dt.timedelta(days=calendar.label_days)
    try:
        calendar.split(calendar.snapshots(newest, first_event))
    except HeldBack as held:
        raise HeldBack(
            f"No day can be backtested at {as_of}: the newest whose label window has ended by then is {newest}, and a "
            f"training as of it is held back: {held.message}",
            remedy=f"{held.remedy} Its label window must have ended too ({calendar.label_days} more days).",
            code="no_cutoff",
        ) from None
    every = calendar.every_days
    steps = [max(calendar.horizon_days, every), *range(calendar.horizon_days // every * every, 0, -every), every]
    able: list[dt.date] = []
    for step in dict.fromkeys(steps):
        days = [newest - dt.timedelta(days=k * step) for k in range(count)]
        able = [day for day in days if _trainable(day, calendar, first_event)]
        if len(able) == count:
            return able
    return able


def _trainable(day: dt.date, calendar: Calendar, first_event: dt.date) -> bool:
    try:
        calendar.split(calendar.snapshots(day, first_event))
    except HeldBack:
        return False
    return True


def rolling_folds(
    fit_days: Sequence[dt.date], *, label_days: int, folds: int = 4, window_days: int = 730
) -> tuple[Fold, ...]:
    """Return up to `folds` rolling out-of-time steps inside the given days, oldest first.

    The days of the newest `window_days` that have anything before them to be fitted on are cut into contiguous blocks;
    each block is predicted by what is fitted on days whose label windows end at or before its first day.

    Examples
    --------
    >>> days = [dt.date(2010, 1, 1) + dt.timedelta(days=30 * k) for k in range(8)]
    >>> [(len(f.fit), [str(d) for d in f.validation]) for f in rolling_folds(days, label_days=90, folds=2)]
    [(1, ['2010-04-01', '2010-05-01', '2010-05-31']), (4, ['2010-06-30', '2010-07-30'])]
    """
    days = sorted(set(fit_days))
    step = dt.timedelta(days=label_days)
    if not days:
        return ()
    able = [d for d in days if days[0] + step <= d and d > days[-1] - dt.timedelta(days=window_days)]
    blocks = [
        list(block) for block in np.array_split(np.array(able, dtype=object), min(folds, len(able)) or 1) if len(block)
    ]
    return tuple(Fold(tuple(d for d in days if d + step <= block[0]), tuple(block)) for block in blocks)


def thin_days(counts: dict[dt.date, int], *, max_rows: int, dense_days: int = 365) -> set[dt.date]:
    """Return the snapshot days to fit on so that at most about `max_rows` rows remain.

    Neighbouring snapshots of the same customers say nearly the same: older ones are thinned first, those of the newest
    `dense_days` only if that does not suffice; the newest day always stays.

    Examples
    --------
    >>> days = {dt.date(2024, 1, 1) + dt.timedelta(days=30 * k): 100 for k in range(24)}
    >>> len(thin_days(days, max_rows=10_000)), len(thin_days(days, max_rows=1_900)), len(thin_days(days, max_rows=600))
    (24, 19, 5)
    """
    days = sorted(counts, reverse=True)
    recent = [d for d in days if d > days[0] - dt.timedelta(days=dense_days)]
    older = days[len(recent) :]
    chosen = days
    for dense_step, step in [*((1, s) for s in range(1, 5)), *((s, 3 * s) for s in range(2, len(days) + 1))]:
        chosen = recent[::dense_step] + older[::step]
        if sum(counts[d] for d in chosen) <= max_rows:
            break
    return set(chosen)
