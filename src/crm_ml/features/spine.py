"""The spine: any rows of (subject, cutoff), sorted so that the kernels can walk them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_ml import names as n
from crm_ml.errors import UsageError
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.features.timeline import I64, cutoff_us
from crm_ml.tables.identifiers import coded, codes_of
from crm_ml.tables.values import composed

CUTOFF = "cutoff"


@dataclass(frozen=True)
class Spine:
    """Rows sorted by (subject, cutoff): subject s owns the rows ``row_from[s]`` to ``row_from[s + 1] - 1``.

    `order` gives the position of each sorted row in the frame it came from.
    """

    ids: pa.Array
    subject: I64
    cutoffs: I64
    row_from: I64
    order: I64

    def __len__(self) -> int:
        return len(self.cutoffs)

    def unsorted(self, values: np.ndarray) -> np.ndarray:
        """Return values of the sorted rows in the order of the original frame."""
        out = np.empty_like(values)
        out[self.order] = values
        return out


def with_cutoffs(frame: pd.DataFrame, zone: str, *, of: Subject = CUSTOMER) -> pd.DataFrame:
    """Return the spine with a `cutoff` column, made from `as_of` where it is missing.

    Raises
    ------
    UsageError
        If the subject's id, or both `cutoff` and `as_of`, are missing or hold nulls, `cutoff` is not whole numbers, or
        `as_of` holds time stamps.
    """
    columns = [of.key, CUTOFF if CUTOFF in frame else n.AS_OF]
    for column in columns:
        if column not in frame:
            raise UsageError(
                f"a spine needs the columns {of.key} and {CUTOFF} or {n.AS_OF}, found {list(frame.columns)}",
                remedy="Use make_spine, or add the column.",
            )
        if frame[column].isna().any():
            raise UsageError(
                f"spine column {column} must not be null, found {int(frame[column].isna().sum())} nulls",
                remedy="Remove these rows.",
            )
    if CUTOFF in frame:
        if not pd.api.types.is_integer_dtype(frame[CUTOFF]):
            raise UsageError(
                f"spine column {CUTOFF} must be UTC microseconds as int64, found {frame[CUTOFF].dtype}",
                remedy="Use cutoff_us, or give as_of dates instead.",
            )
        return frame
    stamps = pd.to_datetime(frame[n.AS_OF])
    if stamps.dt.tz is not None or (stamps != stamps.dt.normalize()).any():
        # the beginning of the day would be another instant than the one that was given
        raise UsageError(
            f"spine column {n.AS_OF} must hold dates, found time stamps such as {frame[n.AS_OF].iloc[0]}",
            remedy=f"Give {CUTOFF} in UTC microseconds, or use crm_ml.build_features(workspace, spine=...).",
        )
    days = stamps.dt.date
    at = {day: cutoff_us(day, zone) for day in days.unique()}
    return frame.assign(**{CUTOFF: days.map(at).astype("int64")})


def sort_spine(frame: pd.DataFrame, *, of: Subject = CUSTOMER) -> Spine:
    """Return the sorted rows of a spine frame (columns: the subject's id, `cutoff` in microseconds)."""
    # Arrow texts: numpy's would take the longest id's room for every row, and drop a NUL at the end
    ids = frame[of.key]
    texts = ids if isinstance(ids.dtype, pd.StringDtype) else ids.map(str)
    given = coded(composed(pa.array(texts, pa.string(), from_pandas=True)))
    # in the order in which the tables have them, so that the rows of a range of subjects lie together
    subject = codes_of(given).astype(np.int64)
    cutoffs = frame[CUTOFF].to_numpy(dtype=np.int64)
    order = np.lexsort((cutoffs, subject))
    counts = np.bincount(subject, minlength=len(given.dictionary))
    return Spine(
        ids=given.dictionary,
        subject=subject[order],
        cutoffs=cutoffs[order],
        row_from=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        order=order.astype(np.int64),
    )


def crossed(ids: pa.Array, cutoffs: I64) -> Spine:
    """Return the spine of every subject at every cutoff, given in order.

    Examples
    --------
    >>> spine = crossed(pa.array(["7", "8"]), np.array([10, 20, 30]))
    >>> spine.subject.tolist(), spine.cutoffs.tolist(), spine.row_from.tolist()
    ([0, 0, 0, 1, 1, 1], [10, 20, 30, 10, 20, 30], [0, 3, 6])
    """
    count, size = len(cutoffs), len(ids)
    return Spine(
        ids=ids,
        subject=np.repeat(np.arange(size, dtype=np.int64), count),
        cutoffs=np.tile(cutoffs.astype(np.int64), size),
        row_from=np.arange(size + 1, dtype=np.int64) * count,
        order=np.arange(size * count, dtype=np.int64),
    )
