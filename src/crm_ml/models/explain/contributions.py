"""Contributions of features to the log-odds of each row, before calibration: base + their sum is the margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """One row per scored row, one column per feature, in log-odds.

    Attributes
    ----------
    values : pandas.DataFrame
        Contributions; same index as the scored frame.
    base : float
        The margin of a typical row; ``base + values.sum(axis=1)`` is the raw margin.
    """

    values: pd.DataFrame
    base: float

    @property
    def margin(self) -> FloatArray:
        """Return base + sum of contributions per row."""
        total = np.full(len(self.values), self.base, dtype=np.float64)
        for name in self.values.columns:  # one after the other: a row's sum is the same alone as among others
            total += self.values[name].to_numpy(dtype=np.float64)
        return total

    def importance(self) -> pd.DataFrame:
        """Return the mean absolute contribution per feature, largest first (ties by name).

        Examples
        --------
        >>> parts = Contributions(pd.DataFrame({"a": [1.0, -3.0], "b": [0.5, 0.5]}), base=0.0)
        >>> parts.importance().to_dict("list")
        {'feature': ['a', 'b'], 'mean_abs_contribution': [2.0, 0.5]}
        """
        means = self.values.abs().mean()
        table = pd.DataFrame({"feature": list(map(str, means.index)), "mean_abs_contribution": means.to_numpy()})
        return table.sort_values(["mean_abs_contribution", "feature"], ascending=[False, True], ignore_index=True)


def as_contributions(parts: Mapping[str, FloatArray], base: float, index: pd.Index) -> Contributions:
    """Return contributions given by feature name as a table."""
    return Contributions(pd.DataFrame(dict(parts), index=index, dtype=np.float64), base)
