"""Risk tiers: words for ranges of the calibrated probability and the value, that do not flicker from day to day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_ml.actions.policy.schema import TIERS, TierRules
from crm_ml.errors import UsageError

Floats = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]
_HIGH, _MEDIUM, _LOW, _NO_TIER = 0, 1, 2, 3


def risk_tiers(p_churn: npt.ArrayLike) -> list[str]:
    """Return the default tier of each probability: high from .6, medium from .3, otherwise low.

    Examples
    --------
    >>> risk_tiers([0.6, 0.5999, 0.3, 0.0])
    ['high', 'medium', 'medium', 'low']
    """
    p = np.asarray(p_churn, dtype=np.float64)
    return assign_tiers(p, np.zeros(len(p)), tiers=TierRules())[0]


def assign_tiers(
    p: npt.ArrayLike, value: npt.ArrayLike, *, tiers: TierRules, previous: pd.DataFrame | None = None
) -> tuple[list[str], Floats]:
    """Return the tier of each customer, and the probability that stands behind it.

    The tier is that of the *standing* probability ``tier_p``: the one at which the present tier was given. While the
    probability is nearer to it than ``tiers.hysteresis``, it counts as not moved, so a movement below that never
    changes a tier; a new value or new rules do. Values near ``min_value`` are held the same way: to change a tier that
    was given before, a value must pass it by the share ``tiers.value_hysteresis``.

    Parameters
    ----------
    p : array-like of float
        Calibrated probabilities in [0, 1].
    value : array-like of float
        Value at stake; NaN reaches no ``min_value``.
    tiers : TierRules
        Of the policy.
    previous : DataFrame, optional
        Row by row beside `p`: ``risk_tier`` and ``tier_p`` of the day before; null, or a tier that does not exist any
        more, for none.

    Returns
    -------
    tuple of list of str and array of float
        Tiers (high, medium, low) and ``tier_p``.

    Raises
    ------
    UsageError
        If a probability is missing or outside [0, 1], or the lengths differ.

    Examples
    --------
    >>> day = pd.DataFrame({"risk_tier": ["medium", "medium", None], "tier_p": [0.59, 0.57, np.nan]})
    >>> assign_tiers([0.605, 0.605, 0.605], [1.0, 1.0, 1.0], tiers=TierRules(), previous=day)
    (['medium', 'high', 'high'], array([0.59 , 0.605, 0.605]))
    """
    now, worth = np.asarray(p, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if not (now.shape == worth.shape and (previous is None or len(previous) == len(now))):
        raise UsageError("p, value and previous must have the same number of rows")
    if not bool(np.all((now >= 0) & (now <= 1))):
        raise UsageError("Each probability must be a number in [0, 1]", remedy="Score with a calibrated model.")
    before = np.full(len(now), _NO_TIER, dtype=np.int64)
    given = np.full(len(now), np.nan)
    if previous is not None:
        given = previous["tier_p"].to_numpy(dtype=np.float64, na_value=np.nan)
        before = np.where(np.isnan(given), _NO_TIER, _ranks(previous["risk_tier"]))
    known = before != _NO_TIER
    standing = np.where(known & (np.abs(now - given) < tiers.hysteresis), given, now)
    after = _tier_of(standing, worth, before, tiers)
    kept = known & (after == before)
    return [TIERS[rank] for rank in after.tolist()], np.where(kept, given, standing)


def _ranks(names: pd.Series) -> Ranks:
    found = pd.Index(TIERS, dtype=object).get_indexer(pd.Index(names, dtype=object))
    return np.where(found < 0, _NO_TIER, found)


def _tier_of(p: Floats, value: Floats, before: Ranks, tiers: TierRules) -> Ranks:
    high = (p >= tiers.high.min_p) & _worth(value, tiers.high.min_value, before, _HIGH, tiers.value_hysteresis)
    medium = (p >= tiers.medium.min_p) & _worth(value, tiers.medium.min_value, before, _MEDIUM, tiers.value_hysteresis)
    return np.select([high, medium], [_HIGH, _MEDIUM], _LOW)


def _worth(value: Floats, least: float | None, before: Ranks, tier: int, band: float) -> npt.NDArray[np.bool_]:
    """Return where a value reaches the least; who was in the tier or above keeps it a little longer."""
    if least is None:
        return np.ones(len(value), dtype=bool)
    margin = np.where(before == _NO_TIER, 0.0, np.where(before <= tier, -band, band)) * abs(least)
    return value >= least + margin
