"""Risk tiers: words for ranges of the calibrated probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

HIGH, MEDIUM, LOW = "high", "medium", "low"
HIGH_FROM, MEDIUM_FROM = 0.6, 0.3


def risk_tiers(p_churn: npt.ArrayLike) -> list[str]:
    """Return the tier of each probability: high from .6, medium from .3, otherwise low.

    Examples
    --------
    >>> risk_tiers([0.6, 0.5999, 0.3, 0.0])
    ['high', 'medium', 'medium', 'low']
    """
    p = np.asarray(p_churn, dtype=np.float64)
    return [str(tier) for tier in np.select([p >= HIGH_FROM, p >= MEDIUM_FROM], [HIGH, MEDIUM], LOW)]
