"""The ladder for small data: the number of distinct customers of the scarcer class decides how far up candidates go.

Up to each rung everything below it is tried as well; which of them serves is decided by the folds and the evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

RungName = Literal["rule", "p_alive", "logistic", "boosting"]


@dataclass(frozen=True)
class Rung:
    """A kind of model and the least number of churned customers, and of retained ones, from which it is tried.

    Attributes
    ----------
    name : {"rule", "p_alive", "logistic", "boosting"}
    at_least : int
        Distinct customers, of each class.
    why : str
        What the number comes from.
    """

    name: RungName
    at_least: int
    why: str


LADDER = (
    Rung("rule", 10, "one column, nothing is fitted to outcomes but the sigmoid of its calibration"),
    Rung("p_alive", 10, "BG/NBD learns four constants from purchases alone; its calibration needs what a rule's does"),
    Rung("logistic", 20, "a few shrunken coefficients need twice what the calibration of a rule needs"),
    Rung("boosting", 40, "trees need what commercial tools ask for: 40 churned and 40 retained customers"),
)
"""From the lowest rung up."""
LEAST_CUSTOMERS = LADDER[0].at_least


@dataclass(frozen=True)
class Reached:
    """How far up the ladder a training could go.

    Attributes
    ----------
    rung : Rung or None
        The highest rung whose number is reached and that something could be tried on; None below the lowest.
    churned, retained : int
        Distinct customers in the rows to fit on.
    above : Rung or None
        The next rung for which customers are missing.
    """

    rung: Rung | None
    churned: int
    retained: int
    above: Rung | None

    @property
    def missing(self) -> int:
        """Customers of the scarcer class that the next rung still needs."""
        return self.above.at_least - min(self.churned, self.retained) if self.above else 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "rung": self.rung.name if self.rung else "",
            "churned": self.churned,
            "retained": self.retained,
            "at_least": self.rung.at_least if self.rung else LEAST_CUSTOMERS,
            "next": self.above.name if self.above else "",
            "missing": self.missing,
        }


def rung_of(name: RungName) -> Rung:
    """Return the rung of a name."""
    return next(rung for rung in LADDER if rung.name == name)


def climb(churned: int, retained: int, tried: Sequence[RungName]) -> Reached:
    """Return how far up the ladder so many customers reach.

    Parameters
    ----------
    churned, retained : int
        Distinct customers of each class in the rows to fit on.
    tried : sequence of str
        The rungs on which a candidate or rule has the columns it needs.

    Examples
    --------
    >>> got = climb(31, 400, ["rule", "logistic", "boosting"])
    >>> got.rung.name, got.above.name, got.missing
    ('logistic', 'boosting', 9)
    >>> climb(9, 9, ["rule"]).rung is None
    True
    """
    fewer = min(churned, retained)
    reached = [rung for rung in LADDER if rung.at_least <= fewer and rung.name in tried]
    beyond = [rung for rung in LADDER if rung.at_least > fewer]
    return Reached(reached[-1] if reached else None, churned, retained, beyond[0] if beyond else None)
