"""What a history can say about the level of probabilities: how many seasons, how it grew, and where its start cuts."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crm_ml.models.dataset import Dataset
from crm_ml.names import DAYS_SINCE_FIRST_ORDER

SEASON_DAYS = 365
START_DAYS = 90
"""Who is first seen within so many days of the start of the data may well have been a customer before."""
GROWN = 1.25
CUT_SHARE = 0.2
RATE_MOVED = 0.05


@dataclass(frozen=True)
class History:
    """Facts about a history that bear on whether its level can be trusted.

    Attributes
    ----------
    days : int
        From the first event to the day of training.
    oldest, newest : datetime.date
        Its mature snapshots.
    customers_oldest, customers_newest : int
        Customers on them.
    rate_oldest, rate_newest : float
        Share that churned on them.
    reach_oldest, reach_newest : int
        Days that the data reach back on them: nobody can be known for longer.
    cut_share : float or None
        Share of the newest snapshot's customers whose first known order falls into the first 90 days of the data
        (their true first order may lie before it); None without the feature ``days_since_first_order``.
    """

    days: int
    oldest: dt.date
    newest: dt.date
    customers_oldest: int
    customers_newest: int
    rate_oldest: float
    rate_newest: float
    reach_oldest: int
    reach_newest: int
    cut_share: float | None

    @property
    def seasons(self) -> float:
        """Years of history."""
        return self.days / SEASON_DAYS

    @property
    def growth(self) -> float:
        """Customers on the newest snapshot over those on the oldest."""
        return self.customers_newest / self.customers_oldest

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {**asdict(self), "oldest": self.oldest.isoformat(), "newest": self.newest.isoformat()}

    def reasons(self) -> list[str]:
        """Return, in plain words, what speaks against trusting the level; the number of seasons comes first."""
        told = [f"{self.seasons:.1f} years of data cannot tell a season from a trend: each needs to be seen twice"]
        if self.cut_share is not None and self.cut_share >= CUT_SHARE:
            told.append(
                f"the start of the data cuts off what was before: {self.cut_share:.0%} of the customers on "
                f"{self.newest} have their first known order within its first {START_DAYS} days and may be customers "
                f"of old; on {self.oldest} nobody could be known for longer than {self.reach_oldest} days, on "
                f"{self.newest} for {self.reach_newest}"
            )
        if not 1 / GROWN < self.growth < GROWN:
            told.append(
                f"the customer base {'grew' if self.growth > 1 else 'shrank'} from {self.customers_oldest:,} to "
                f"{self.customers_newest:,} customers between these snapshots, so older ones speak of another mix"
            )
        if abs(self.rate_newest - self.rate_oldest) >= RATE_MOVED:
            told.append(f"the share that churned moved from {self.rate_oldest:.0%} to {self.rate_newest:.0%}")
        return told


def history_of(data: Dataset, train_as_of: dt.date, first_event: dt.date) -> History:
    """Return what the mature rows and the start of the data say about the history.

    Parameters
    ----------
    data : Dataset
        Mature rows, at least one.
    train_as_of : datetime.date
        The day of training.
    first_event : datetime.date
        First day of the data.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.models.dataset import make_dataset
    >>> rows = [("a", dt.date(2025, 4, 1), 90.0), ("a", dt.date(2025, 7, 1), 181.0), ("b", dt.date(2025, 7, 1), 10.0)]
    >>> frame = pd.DataFrame(rows, columns=["customer_id", "as_of", "days_since_first_order"])
    >>> data = make_dataset(frame, [True, True, False], gap_days=0, horizon_days=90)
    >>> found = history_of(data, dt.date(2025, 10, 1), dt.date(2025, 1, 1))
    >>> found.growth, found.cut_share, found.reach_oldest, found.rate_newest
    (2.0, 0.5, 90, 0.5)
    """
    newest, oldest = data.snapshots[0], data.snapshots[-1]
    on = {day: data.days == np.datetime64(day) for day in (oldest, newest)}
    cut = None
    if DAYS_SINCE_FIRST_ORDER in data.features:
        tenure = data.frame.loc[on[newest], DAYS_SINCE_FIRST_ORDER].to_numpy(np.float64)
        known = tenure[~np.isnan(tenure)]
        if len(known):
            cut = float((known >= (newest - first_event).days - START_DAYS).mean())
    return History(
        days=(train_as_of - first_event).days,
        oldest=oldest,
        newest=newest,
        customers_oldest=int(on[oldest].sum()),
        customers_newest=int(on[newest].sum()),
        rate_oldest=float(data.y[on[oldest]].mean()),
        rate_newest=float(data.y[on[newest]].mean()),
        reach_oldest=(oldest - first_event).days,
        reach_newest=(newest - first_event).days,
        cut_share=cut,
    )
