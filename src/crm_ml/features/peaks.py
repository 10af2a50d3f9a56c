"""How much hangs on one value of a column: the greatest sum over the products, categories, weekdays or persons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crm_ml.features.timeline import I32, I64, NULL

if TYPE_CHECKING:
    from crm_ml.features.events import Events

Run = tuple[I32, I32]


def peak(
    events: Events, by: str, run: Run, mask: np.ndarray, x: I64, rows: int, *, less: tuple[Run, I64] | None = None
) -> I64:
    """Return for each row the greatest sum of x over the values of a column; NULL where no event counts.

    Parameters
    ----------
    events : Events
        Of one stream, sorted by (subject, t).
    by : str
        Column whose values divide the events.
    run : tuple of ndarray
        First row at which each event counts, and the row before which it ends.
    mask : ndarray of bool
        Which events may count at all.
    x : ndarray of int64
        What is summed.
    rows : int
        Rows of the spine.
    less : tuple, optional
        Another run of the same events and what is added in it: with a negative x it is taken off.
    """
    from crm_ml.features import kernels

    value = events.columns[by]
    kept = np.flatnonzero(mask & (value != NULL))
    order = kept[np.lexsort((value[kept], events.subject[kept]))]
    changes = (np.diff(value[order]) != 0) | (np.diff(events.subject[order]) != 0)
    group = np.concatenate(([0], np.cumsum(changes)))[: len(order)].astype(np.int64)
    start, end, amount = run[0][order], run[1][order], x[order]
    counts = np.ones(len(order), np.int64)
    if less is not None:
        (begin, stop), other = less
        both = np.argsort(np.concatenate((group, group)), kind="stable")
        group = np.concatenate((group, group))[both]
        start, end = np.concatenate((start, begin[order]))[both], np.concatenate((end, stop[order]))[both]
        amount = np.concatenate((amount, other[order]))[both]
        counts = np.concatenate((counts, np.zeros_like(counts)))[both]
    return np.asarray(kernels.greatest_sum(group, start, end, amount, counts, rows))
