"""Points for leads as a sales team writes them down, and the rule that their sum makes: two numbers are learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crm_ml.errors import Finding, did_you_mean
from crm_ml.models.calibration import fit_calibration
from crm_ml.models.columns import MIN_CUSTOMERS_PER_LEVEL, Column, ColumnContract, Encoded, FloatArray
from crm_ml.models.rows import Rows

POINTS: Final = "points"
"""What the rule is called."""


@dataclass(frozen=True)
class Step:
    """Points for the numbers of an interval.

    Attributes
    ----------
    start, end : float
        From, included, and to, not included; infinite where open.
    points : float
    """

    start: float
    end: float
    points: float


@dataclass(frozen=True)
class FeaturePoints:
    """The points of one feature: by level of a category, or by interval of a number.

    Attributes
    ----------
    feature : str
        Its id.
    levels : tuple of (str, float)
        Of a category; empty for a number.
    steps : tuple of Step
        Of a number; they do not overlap.
    otherwise : float
        Of every other value, and of rows without one.
    """

    feature: str
    levels: tuple[tuple[str, float], ...] = ()
    steps: tuple[Step, ...] = ()
    otherwise: float = 0.0

    @property
    def kind(self) -> str:
        """Which kind of column it speaks of: ``category`` or ``number``."""
        return "category" if self.levels else "number"

    def bins(self, column: Column) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the edges between bins of a column's values (or codes), and the points of each bin.

        Examples
        --------
        >>> FeaturePoints("x", steps=(Step(1.0, 3.0, 5.0), Step(3.0, float("inf"), 9.0))).bins(Column("x", "number"))
        ((1.0, 3.0), (0.0, 5.0, 9.0))
        >>> FeaturePoints("c", levels=(("fair", 7.0),)).bins(Column("c", "category", ("fair", "web")))
        ((0.5,), (7.0, 0.0))
        """
        if self.levels:
            known = dict(self.levels)
            found = tuple(known.get(level, self.otherwise) for level in column.levels)
            return tuple(k + 0.5 for k in range(len(found) - 1)), found
        edges = sorted({end for step in self.steps for end in (step.start, step.end) if math.isfinite(end)})
        lows = (-math.inf, *edges)
        return tuple(edges), tuple(self._at(low) for low in lows)

    def _at(self, low: float) -> float:
        return next((step.points for step in self.steps if step.start <= low < step.end), self.otherwise)


@dataclass(frozen=True)
class PointScheme:
    """The points of all features that have some.

    Examples
    --------
    >>> scheme = PointScheme((FeaturePoints("lead_source", levels=(("fair", 10.0),)),))
    >>> PointScheme.from_json(scheme.as_json()) == scheme
    True
    """

    features: tuple[FeaturePoints, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Return JSON-ready values; an open end of a step is null."""
        return [
            {
                "feature": one.feature,
                "levels": [list(level) for level in one.levels],
                "steps": [[_or_none(step.start), _or_none(step.end), step.points] for step in one.steps],
                "otherwise": one.otherwise,
            }
            for one in self.features
        ]

    @classmethod
    def from_json(cls, value: list[dict[str, Any]]) -> PointScheme:
        """Return the scheme from its plain values."""
        return cls(
            tuple(
                FeaturePoints(
                    one["feature"],
                    tuple((level, float(points)) for level, points in one["levels"]),
                    tuple(_step(*step) for step in one["steps"]),
                    float(one["otherwise"]),
                )
                for one in value
            )
        )

    def missing(self, contract: ColumnContract) -> tuple[str, ...]:
        """Return the features that have no column of the kind that the points speak of."""
        kinds = {column.id: column.kind for column in contract.columns}
        return tuple(one.feature for one in self.features if kinds.get(one.feature) != one.kind)

    def findings(self, contract: ColumnContract) -> list[Finding]:
        """Return what training rows lack that the points speak of: features, and levels of categories."""
        missing = self.missing(contract)
        if missing:
            return [
                Finding(
                    "warning",
                    "points_not_available",
                    f"Every feature of leads.points must tell leads apart in the training rows; {len(missing)} of "
                    f"{len(self.features)} do not (no values, one value only, held back, or of the other kind): "
                    f"{', '.join(missing[:5])}. The rule points was left out",
                    "Map the tables they come from, or take them out of leads.points.",
                    count=len(missing),
                    examples=missing,
                )
            ]
        known = {column.id: column.levels for column in contract.columns}
        unseen = [
            (one.feature, level) for one in self.features for level, _ in one.levels if level not in known[one.feature]
        ]
        if not unseen:
            return []
        feature, level = unseen[0]
        return [
            Finding(
                "warning",
                "points_levels_not_seen",
                f"A level of leads.points must stand in at least {MIN_CUSTOMERS_PER_LEVEL} leads to count; "
                f"{len(unseen)} do not, and such leads get the points of `otherwise`",
                did_you_mean(level, known[feature]).strip() or "Correct the spelling, or leave them until they come.",
                count=len(unseen),
                examples=tuple(f"{feature}: {level}" for feature, level in unseen[:5]),
            )
        ]


def _or_none(end: float) -> float | None:
    return end if math.isfinite(end) else None


def _step(start: float | None, end: float | None, points: float) -> Step:
    return Step(-math.inf if start is None else float(start), math.inf if end is None else float(end), float(points))


@dataclass(frozen=True)
class PointsColumn:
    """One feature's part of a fitted rule.

    Attributes
    ----------
    feature : str
    edges : tuple of float
        Lower ends of all bins but the first, ascending; of a category's codes: k + 0.5.
    points : tuple of float
        One per bin.
    otherwise : float
        Of rows without a value, or with one that was not known in training.
    mean : float
        Of the training rows.
    """

    feature: str
    edges: tuple[float, ...]
    points: tuple[float, ...]
    otherwise: float
    mean: float = 0.0

    def of(self, encoded: Encoded) -> FloatArray:
        """Return the points of each row."""
        values = encoded[self.feature]
        found = np.searchsorted(np.array(self.edges), values, side="right")
        return np.asarray(np.array([*self.points, self.otherwise])[np.where(np.isnan(values), -1, found)])


@dataclass(frozen=True)
class PointsRule:
    """The sum of points as log-odds: ``base + slope * sum(points - mean points)``.

    Attributes
    ----------
    columns : tuple of PointsColumn
    base : float
        Log-odds of a row with as many points as the training rows have on average.
    slope : float
        Log-odds per point; not negative, so that more points never mean less.
    """

    columns: tuple[PointsColumn, ...]
    base: float
    slope: float
    name: str = POINTS
    kind: str = "rule"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the features it reads."""
        return tuple(column.feature for column in self.columns)

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the log-odds of each row: the base and the contributions, added in order."""
        parts, base = self.contributions(encoded)
        total = np.full(len(encoded[self.columns[0].feature]), base)
        for part in parts.values():
            total = total + part
        return total

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return what the points of each feature add, against the average of the training rows as base."""
        return {c.feature: self.slope * (c.of(encoded) - c.mean) for c in self.columns}, self.base

    def files(self) -> dict[str, Any]:
        """Return ``model.json``."""
        columns = [
            {**vars(column), "edges": list(column.edges), "points": list(column.points)} for column in self.columns
        ]
        plain = {"kind": "rule", "name": self.name, "base": self.base, "slope": self.slope, "columns": columns}
        return {"model.json": plain}


def fit_points(scheme: PointScheme, rows: Rows, contract: ColumnContract) -> PointsRule:
    """Return the rule of a scheme, with the two numbers that turn its sum into log-odds taken from training rows.

    The line is fitted by maximum likelihood with targets drawn in by one row per class (Platt 1999), so it is finite
    where points separate the rows. Points that speak against what happened keep their order at a slope of .01 per
    standard deviation.

    Parameters
    ----------
    scheme : PointScheme
        None of its features is missing (`PointScheme.missing`).
    rows : Rows
        To fit on.
    contract : ColumnContract
        Of their columns.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.integers(0, 2, 4000).astype(float)
    >>> rows = Rows({"x": x}, rng.random(4000) < 0.1 + 0.4 * x, np.zeros(4000, "datetime64[D]"), np.zeros(4000, object))
    >>> scheme = PointScheme((FeaturePoints("x", steps=(Step(1.0, float("inf"), 10.0),)),))
    >>> rule = fit_points(scheme, rows, ColumnContract((Column("x", "number"),)))
    >>> [round(p, 1) for p in (1 / (1 + np.exp(-rule.margin({"x": np.array([0.0, 1.0])})))).tolist()]
    [0.1, 0.5]
    """
    known = {column.id: column for column in contract.columns}
    columns = []
    for one in scheme.features:
        column = PointsColumn(one.feature, *one.bins(known[one.feature]), one.otherwise)
        mean = float(column.of(rows.encoded).mean())
        columns.append(PointsColumn(column.feature, column.edges, column.points, column.otherwise, mean))
    centred = sum((c.of(rows.encoded) - c.mean for c in columns), np.zeros(len(rows.y)))
    spread = float(centred.std())
    spread = spread if spread > 0 else 1.0
    line = fit_calibration(centred / spread, rows.y)
    return PointsRule(tuple(columns), line.intercept, line.slope / spread)


def points_rule_from_json(value: Mapping[str, Any]) -> PointsRule:
    """Return the rule of its stored values.

    Raises
    ------
    ValueError
        If a key is missing or not known, or a value is impossible.
    """
    if set(value) != {"kind", "name", "base", "slope", "columns"} or value["name"] != POINTS:
        raise ValueError("a rule of points must have the keys base, columns, kind, name and slope")
    columns = tuple(_column(column) for column in value["columns"])
    if not columns or len({column.feature for column in columns}) != len(columns):
        raise ValueError("a rule of points needs features, each once")
    rule = PointsRule(columns, _number(value["base"]), _number(value["slope"]))
    if rule.slope < 0:
        raise ValueError(f"more points must not mean less, found the slope {rule.slope}")
    return rule


def _column(value: Mapping[str, Any]) -> PointsColumn:
    keys = {"feature", "edges", "points", "otherwise", "mean"}
    if not isinstance(value, dict) or set(value) != keys or not isinstance(value["feature"], str):
        raise ValueError(f"points of a feature must have the keys {sorted(keys)}")
    edges, points = (tuple(map(_number, value[key])) for key in ("edges", "points"))
    if len(points) != len(edges) + 1 or list(edges) != sorted(set(edges)):
        raise ValueError("edges must ascend, with points for one bin more than there are edges")
    return PointsColumn(value["feature"], edges, points, _number(value["otherwise"]), _number(value["mean"]))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value!r}")
    return float(value)
