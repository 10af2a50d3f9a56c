"""A jump of the conversion rate over time: where rates before and after differ most, and whether that is chance."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import Finding
from crm_ml.models.dataset import Dataset
from crm_ml.models.terms import Terms
from crm_ml.names import AS_OF, CUSTOMER_ID

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL: Final = 0.01
"""A jump is told when chance alone makes one as large in fewer series than this share."""
LEAST: Final = 100
"""So many on either side."""
LEAST_RATIO: Final = 1.25
"""So many times the lower rate the higher one must be: with many rows the smallest difference is beyond chance."""
DRAWS: Final = 999
_WEEK: Final = 7
_AGE: Final = "lead_age_days"
_OLD_DAYS: Final = 1.0


@dataclass(frozen=True)
class Jump:
    """Where a rate jumped.

    Attributes
    ----------
    day : datetime.date
        The first day of what came after.
    before, after : float
        Rates.
    rows_before, rows_after : int
    p_value : float
        Share of series without a jump, with the same days and outcomes, in which some day differs as much.
    """

    day: dt.date
    before: float
    after: float
    rows_before: int
    rows_after: int
    p_value: float

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {**vars(self), "day": self.day.isoformat()}

    def finding(self, terms: Terms) -> Finding:
        """Return the warning that says what happened, and what to do."""
        return Finding(
            "warning",
            "rate_jump",
            f"The share of {terms.many} that {terms.did} should not jump: of the {self.rows_before:,} that came before "
            f"{self.day} it is {self.before:.1%}, of the {self.rows_after:,} since then {self.after:.1%} (p = "
            f"{self.p_value:.3f} over all days looked at)",
            "Find out what changed about then: a campaign, a price, how stages are kept. What was learnt from "
            f"{terms.many} before it may no longer hold; compare the probabilities of the newest with what happens.",
            count=self.rows_before + self.rows_after,
            examples=(self.day.isoformat(),),
        )


def find_jump(
    days: NDArray[np.datetime64],
    y: NDArray[np.bool_],
    *,
    least: int = LEAST,
    level: float = LEVEL,
    least_ratio: float = LEAST_RATIO,
    draws: int = DRAWS,
    seed: int = 0,
) -> Jump | None:
    """Return the day at which the rate jumped, or None where nothing beyond chance is seen.

    Every day that leaves enough on both sides is looked at; the statistic is the largest two-sample binomial z among
    them. Its distribution without a jump comes from dealing the outcomes anew among all rows, days and their numbers of
    rows kept (multivariate hypergeometric draws), so the search over days is paid for. Rows of a week often share a
    fate; where rates of weeks within the two parts spread more than binomial ones do, the statistic is divided by that
    spread.

    One jump is looked for. A slow drift, or a season in less than two years, looks like one as well.

    Parameters
    ----------
    days : numpy.ndarray of datetime64[D]
        When each row came; in any order.
    y : numpy.ndarray of bool
        Whether it then happened, seen for every row as long as for the others.
    least : int
        Rows on either side.
    level : float
        The p-value must not lie above it.
    least_ratio : float
        So many times the lower rate the higher one must be.
    draws, seed : int
        Of the series without a jump.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days = np.datetime64("2025-01-01") + np.arange(1500) // 3
    >>> y = rng.random(1500) < np.where(np.arange(1500) < 900, 0.1, 0.3)  # from 28 October on
    >>> jump = find_jump(days, y)
    >>> str(jump.day), round(jump.before, 1), round(jump.after, 1), jump.p_value
    ('2025-10-28', 0.1, 0.3, 0.001)
    >>> find_jump(days, rng.random(1500) < 0.1) is None
    True
    """
    distinct, place = np.unique(np.asarray(days, "datetime64[D]"), return_inverse=True)
    rows = np.bincount(place, minlength=len(distinct))
    won = np.bincount(place, weights=y, minlength=len(distinct)).astype(np.int64)
    total, happened = int(rows.sum()), int(won.sum())
    so_far = np.cumsum(rows)[:-1]
    ends = np.flatnonzero((so_far >= least) & (total - so_far >= least))
    if not len(ends) or happened in (0, total):
        return None
    z = _standardised(won[None, :], rows, ends)[0]
    k = int(ends[np.argmax(np.abs(z))])
    before, after = won[: k + 1].sum() / rows[: k + 1].sum(), won[k + 1 :].sum() / rows[k + 1 :].sum()
    if max(before, after) < least_ratio * min(before, after):
        return None
    strongest = float(np.abs(z).max()) / _spread(distinct, rows, won, k)
    if strongest < NormalDist().inv_cdf(1 - level / 2):  # too little even for a day known beforehand
        return None
    rng = np.random.default_rng(seed)
    dealt = rng.multivariate_hypergeometric(rows, happened, size=draws, method="marginals")
    by_chance = np.abs(_standardised(dealt, rows, ends)).max(axis=1)
    p_value = (1 + int((by_chance >= strongest - 1e-9).sum())) / (1 + draws)
    if p_value > level:
        return None
    sides = int(so_far[k]), int(total - so_far[k])
    return Jump(distinct[k + 1].astype(object), float(before), float(after), *sides, p_value)


def _standardised(won: IntArray, rows: IntArray, ends: IntArray) -> FloatArray:
    """Return z of the rate after each end less the rate up to it, one line per series; all have the same total."""
    total, happened = rows.sum(), won[0].sum()
    rate = happened / total
    first = np.cumsum(rows)[ends]
    up_to = np.cumsum(won, axis=1)[:, ends]
    error = np.sqrt(rate * (1 - rate) * (1 / first + 1 / (total - first)))
    found: FloatArray = ((happened - up_to) / (total - first) - up_to / first) / error
    return found


def _spread(distinct: NDArray[np.datetime64], rows: IntArray, won: IntArray, k: int) -> float:
    """Return by how much rates of weeks spread around their part's rate, against binomial ones; at least 1."""
    squares, free = 0.0, 0
    for part in (slice(None, k + 1), slice(k + 1, None)):
        week = (distinct[part] - distinct[part][0]).astype(np.int64) // _WEEK
        n, happened = np.bincount(week, weights=rows[part]), np.bincount(week, weights=won[part])
        n, happened = n[n > 0], happened[n > 0]
        rate = happened.sum() / n.sum()
        if 0 < rate < 1:
            squares += float(((happened - n * rate) ** 2 / (n * rate * (1 - rate))).sum())
            free += len(n) - 1
    return max(1.0, (squares / free) ** 0.5) if free else 1.0


def jump_of(data: Dataset) -> Jump | None:
    """Return the jump of the rate of leads over their creation: each counts once, by its first row.

    Leads whose first row lies a day or more after their creation are left out: they came before the history that is
    looked at, and had survived until then.

    Parameters
    ----------
    data : Dataset
        Mature rows.
    """
    frame = data.frame
    young = frame[_AGE].to_numpy(np.float64) < _OLD_DAYS if _AGE in frame else np.ones(len(frame), bool)
    first = ~frame[CUSTOMER_ID].duplicated().to_numpy()  # rows stand in the order of their days
    at = first & young
    return find_jump(pd.to_datetime(frame[AS_OF]).to_numpy("datetime64[D]")[at], data.y[at])
