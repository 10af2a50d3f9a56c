"""What counts as churn: the variants of the label, as one frozen value that features, models and jobs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from crm_ml.features.timeline import I64

if TYPE_CHECKING:
    from numpy.typing import NDArray

Target = Literal["no_purchase", "contract_cancelled", "partial"]
NO_PURCHASE: Target = "no_purchase"
CONTRACT_CANCELLED: Target = "contract_cancelled"
PARTIAL: Target = "partial"
TARGETS: tuple[str, ...] = get_args(Target)
# a mean gap is a quotient: 30.000000000000004 days are thirty
_ROUNDING = 1e-9


@dataclass(frozen=True)
class OwnGap:
    """A label window as long as the customer's own rhythm asks for: `times` its usual gap, within bounds.

    Attributes
    ----------
    times : float
        How many usual gaps (mean days between purchase days, as known at the cutoff) the window holds.
    min_days, max_days : int
        Bounds of the window, both included.

    Examples
    --------
    >>> OwnGap(2.0, 30, 365).days(np.array([7.0, 40.5, 400.0, np.nan]), otherwise=90).tolist()
    [30, 81, 365, 90]
    """

    times: float
    min_days: int
    max_days: int

    def days(self, gaps: NDArray[np.float64], *, otherwise: int) -> I64:
        """Return the length of each window in whole days, rounded up; `otherwise` where there is no gap yet."""
        wanted = np.ceil(self.times * np.where(np.isnan(gaps), 0.0, gaps) - _ROUNDING)
        bounded = np.clip(wanted, self.min_days, self.max_days).astype(np.int64)
        return np.where(np.isnan(gaps), np.int64(otherwise), bounded)


@dataclass(frozen=True)
class Outcome:
    """What counts as churn in the label window.

    Attributes
    ----------
    target : {"no_purchase", "contract_cancelled", "partial"}
        No purchase; a contract of the customer cancelled; net revenue below `partial_below` of the customer's own
        trailing rate: ``revenue in the window < partial_below * revenue of the last trailing_days / trailing_days *
        days of the window``, or no revenue at all.
    partial_below : float or None
        With ``partial`` only: a share above 0, at most 1.
    trailing_days : int or None
        With ``partial`` only: the days before the cutoff that make the customer's own rate.
    category : str or None
        Only lines of products of this category count, also for who is eligible.
    own_gap : OwnGap or None
        The window's length per customer instead of one for all.

    Examples
    --------
    >>> Outcome(target="partial", partial_below=0.5, trailing_days=365).as_json()
    {'target': 'partial', 'partial_below': 0.5, 'trailing_days': 365}
    >>> Outcome.from_json({"target": "no_purchase"}) == Outcome()
    True
    """

    target: Target = NO_PURCHASE
    partial_below: float | None = None
    trailing_days: int | None = None
    category: str | None = None
    own_gap: OwnGap | None = None

    def __post_init__(self) -> None:
        _refuse_contradictions(self)

    def longest(self, horizon_days: int) -> int:
        """Return the longest label window there can be: what snapshots and folds must be planned with."""
        return horizon_days if self.own_gap is None else max(horizon_days, self.own_gap.max_days)

    def horizons(self, gaps: NDArray[np.float64], horizon_days: int) -> I64:
        """Return the days of the label window per row; `gaps` are the usual gaps as known at the cutoff."""
        if self.own_gap is None:
            return np.full(len(gaps), horizon_days, np.int64)
        return self.own_gap.days(gaps, otherwise=horizon_days)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what is not set is left out."""
        plain = {"partial_below": self.partial_below, "trailing_days": self.trailing_days, "category": self.category}
        found: dict[str, Any] = {"target": self.target, **{k: v for k, v in plain.items() if v is not None}}
        if self.own_gap is not None:
            found["own_gap"] = {
                "times": self.own_gap.times,
                "min_days": self.own_gap.min_days,
                "max_days": self.own_gap.max_days,
            }
        return found

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Outcome:
        """Return the outcome that `as_json` gave these values for.

        Raises
        ------
        ValueError
            If a key or a value is not known here.
        """
        unknown = sorted(set(value) - {"target", "partial_below", "trailing_days", "category", "own_gap"})
        if unknown:
            raise ValueError(f"what counts as churn has unknown keys {unknown}")
        own = value.get("own_gap")
        if own is not None and (not isinstance(own, Mapping) or set(own) != {"times", "min_days", "max_days"}):
            raise ValueError(f"own_gap must have the keys times, min_days and max_days, found {own!r}")
        plain = {name: value.get(name) for name in ("partial_below", "trailing_days", "category")}
        return Outcome(target=value["target"], own_gap=None if own is None else OwnGap(**own), **plain)


def _refuse_contradictions(outcome: Outcome) -> None:
    partial, own = outcome.target == PARTIAL, outcome.own_gap
    share, trailing = outcome.partial_below, outcome.trailing_days
    faults = [
        (outcome.target in TARGETS, f"target must be one of {', '.join(TARGETS)}, found {outcome.target!r}"),
        (partial == (share is not None), "partial_below belongs to the target partial, and to it alone"),
        (partial == (trailing is not None), "trailing_days belongs to the target partial, and to it alone"),
        (not partial or (_number(share) and 0 < float(share or 0) <= 1), f"partial_below must be in (0, 1]: {share!r}"),
        (not partial or (_whole(trailing) and int(trailing or 0) > 0), f"trailing_days must be above 0: {trailing!r}"),
        (
            outcome.target != CONTRACT_CANCELLED or (outcome.category is None and own is None),
            "category and own_gap speak of purchases and cannot go with the target contract_cancelled",
        ),
        (outcome.category is None or isinstance(outcome.category, str), f"category must be text: {outcome.category!r}"),
        (
            own is None
            or (
                _number(own.times)
                and own.times > 0
                and _whole(own.min_days)
                and _whole(own.max_days)
                and 1 <= own.min_days <= own.max_days
            ),
            f"own_gap needs times > 0 and 1 <= min_days <= max_days, found {own}",
        ),
    ]
    wrong = [message for holds, message in faults if not holds]
    if wrong:
        raise ValueError("; ".join(wrong))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
