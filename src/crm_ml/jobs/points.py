"""Points for leads in ``crm.yaml``: strict models of them, and what they may speak of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from crm_ml.errors import did_you_mean
from crm_ml.strict import Strict, listed

_MOST = 1e6


class StepSettings(Strict):
    """Points for numbers of an interval."""

    from_: float | None = Field(
        default=None, alias="from", description="lowest number that gets them; open if left out"
    )
    to: float | None = Field(default=None, description="first number above that does not; open if left out")
    points: float = Field(ge=-_MOST, le=_MOST, description="points, may be negative")

    @model_validator(mode="after")
    def _is_an_interval(self) -> StepSettings:
        if self.from_ is None and self.to is None:
            raise ValueError("a step needs from, to, or both; found neither")
        if self.start >= self.end:
            raise ValueError(f"from must lie below to; found from {self.from_} to {self.to}")
        return self

    @property
    def start(self) -> float:
        """Lowest number of the interval."""
        return -math.inf if self.from_ is None else self.from_

    @property
    def end(self) -> float:
        """First number above the interval."""
        return math.inf if self.to is None else self.to


class PointsSettings(Strict):
    """Points of one feature of leads."""

    levels: dict[str, Annotated[float, Field(ge=-_MOST, le=_MOST)]] = Field(
        default_factory=dict, description="of a category: level: points"
    )
    steps: Annotated[tuple[StepSettings, ...], BeforeValidator(listed)] = Field(
        default=(), description="of a number: points per interval; intervals must not overlap"
    )
    otherwise: float = Field(
        default=0.0, ge=-_MOST, le=_MOST, description="points of every other value, and of leads without one"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> PointsSettings:
        if bool(self.levels) == bool(self.steps):
            found = "both" if self.levels else "neither"
            raise ValueError(f"points are given by levels (of a category) or by steps (of a number); found {found}")
        ordered = sorted(self.steps, key=lambda step: step.start)
        for low, high in pairwise(ordered):
            if high.start < low.end:
                raise ValueError(
                    f"steps must not overlap: one ends at {low.end:g}, one begins at {high.start:g}; "
                    "from belongs to a step, to does not"
                )
        return self


def fault_of_points(points: Mapping[str, PointsSettings], own: Iterable[str]) -> str:
    """Return what is wrong with the features and levels that points speak of; empty if nothing is.

    Parameters
    ----------
    points : mapping of str to PointsSettings
        By id of the feature.
    own : iterable of str
        Names of the own attributes of the table leads.

    Examples
    --------
    >>> fault_of_points({"lead_sorce": PointsSettings(levels={"fair": 1.0})}, [])
    'points: a feature of leads is needed, found "lead_sorce". Did you mean "lead_source"?'
    """
    from crm_ml.features import LEAD, default_features
    from crm_ml.features.attributes import slug
    from crm_ml.features.leads import LEVELS

    units = {feature.id: feature.unit for feature in default_features(of=LEAD)}
    attributes = tuple(f"attribute_{slug(name) or 'own'}" for name in own)
    for name, given in points.items():
        if name in attributes or name.rpartition("_")[0] in attributes:
            continue
        if name not in units:
            hint = did_you_mean(name, [*units, *attributes]) or " Ids stand in docs/feature-catalogue.md"
            return f'points: a feature of leads is needed, found "{name}".{hint}'
        if (units[name] == "category") != bool(given.levels):
            wanted, found = ("levels", "steps") if units[name] == "category" else ("steps", "levels")
            kind = "category" if wanted == "levels" else "number"
            return f"points.{name} is a {kind}: its points must be given by {wanted}, found {found}"
        unknown = [level for level in given.levels if level not in LEVELS[name]] if name in LEVELS else []
        if unknown:
            hint = did_you_mean(unknown[0], LEVELS[name])
            return f'points.{name}: levels must be among {", ".join(LEVELS[name])}; found "{unknown[0]}".{hint}'
    return ""
