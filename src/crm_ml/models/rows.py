"""Encoded rows with what is known about them, and how many customers of each class they hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_ml.models.columns import Encoded, FloatArray
from crm_ml.models.dataset import BoolArray, DayArray, neighbours, thin_days


@dataclass(frozen=True)
class Rows:
    """Encoded rows with what is known about them, in sorted order."""

    encoded: Encoded
    y: BoolArray
    days: DayArray
    customers: NDArray[np.object_]

    def take(self, rows: BoolArray) -> Rows:
        """Return the chosen rows; where they stand next to one another nothing is copied."""
        at = neighbours(rows)
        return Rows({k: v[at] for k, v in self.encoded.items()}, self.y[at], self.days[at], self.customers[at])

    def on(self, days: Sequence[dt.date]) -> BoolArray:
        """Return which rows belong to the given snapshot days."""
        return np.isin(self.days, np.array(sorted(days), dtype="datetime64[D]"))

    def thinned(self, max_rows: int) -> Rows:
        """Return the rows of the snapshots kept by `thin_days`."""
        if len(self.y) <= max_rows:
            return self
        days, counts = np.unique(self.days, return_counts=True)
        per_day = {d.astype(object): int(n) for d, n in zip(days, counts, strict=True)}
        return self.take(self.on(sorted(thin_days(per_day, max_rows=max_rows))))


@dataclass(frozen=True)
class OutOfTime:
    """Predictions of rows by models that were fitted before them; `rows` are positions in the rows given."""

    rows: NDArray[np.int64]
    fold: NDArray[np.int64]
    margins: dict[str, FloatArray]


def customers_per_class(y: BoolArray, customers: NDArray[np.object_]) -> tuple[int, int]:
    """Return the number of distinct customers with a churned row and with a retained row.

    Examples
    --------
    >>> customers_per_class(np.array([True, False, True]), np.array(["a", "a", "b"], dtype=object))
    (2, 1)
    """
    return len(set(customers[y].tolist())), len(set(customers[~y].tolist()))
