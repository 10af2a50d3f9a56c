"""Is the probability right in each tier, industry, country and size? The tables of a training, and when to worry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.errors import Finding
from crm_ml.models.columns import is_text
from crm_ml.models.evaluation.metrics import exact_interval
from crm_ml.models.evaluation.reliability import COLUMNS, reliability_by
from crm_ml.models.terms import CHURN_TERMS, Terms
from crm_ml.names import AS_OF, CUSTOMER_ID, EMPLOYEES

BY, GROUP, TIER, OTHER = "by", "group", "tier", "other"
LEAST_CUSTOMERS = 30
"""Smaller groups are told together: their rates say little, and a table must not point at single customers."""
MOST_GROUPS = 10
MATTERS = 0.05
"""A mean prediction off by less changes no decision: five customers in a hundred."""
_SIZES = ("under 10", "10 to 49", "50 to 249", "250 and more")
_SIZE_EDGES = (-np.inf, 10.0, 50.0, 250.0, np.inf)
_KEYS = [CUSTOMER_ID, AS_OF]


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=[BY, GROUP, *COLUMNS], dtype=np.float64)


@dataclass(frozen=True)
class Reliability:
    """What was predicted and what happened in each tier and in each segment.

    Attributes
    ----------
    by_tier, by_segment : pandas.DataFrame
        One row per group: ``by`` (``tier``, or the feature), ``group`` (missing: not given), and the columns of
        `reliability_by`.
    """

    by_tier: pd.DataFrame = field(default_factory=_empty)
    by_segment: pd.DataFrame = field(default_factory=_empty)

    @property
    def table(self) -> pd.DataFrame:
        """Both tables, tiers first."""
        return pd.concat([part for part in (self.by_tier, self.by_segment) if len(part)] or [_empty()])

    def findings(self, terms: Terms = CHURN_TERMS) -> list[Finding]:
        """Return one warning that names the groups whose probabilities are off, worst first; none if there are none.

        A group is named if its mean prediction is off by .05 or more and lies outside the exact interval of its rate
        (`exact_interval`) at level ``1 - .05 / groups``, Bonferroni's for all groups that were looked at. Each customer
        counts once there, however many days it was seen on, since those days share most of their label windows. So a
        training whose probabilities are right warns in fewer than one case in twenty.
        """
        table = self.table
        if not len(table):
            return []
        level = 1 - 0.05 / len(table)
        counted = zip(table["rate"].tolist(), table["customers"].tolist(), strict=True)
        ends = [exact_interval(rate, customers, level=level) for rate, customers in counted]
        low, high = np.array(ends).T
        mean = table["mean_prediction"].to_numpy(np.float64)
        gap = table["difference"].abs().to_numpy(np.float64)
        off = table.assign(gap=gap)[(gap >= MATTERS) & ((mean < low) | (mean > high))]
        off = off.sort_values("gap", ascending=False, kind="stable")
        return [_off(off, table, terms)] if len(off) else []

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return JSON-ready records; a group that is not given is null."""
        return {"by_tier": _records(self.by_tier), "by_segment": _records(self.by_segment)}


def _off(off: pd.DataFrame, table: pd.DataFrame, terms: Terms) -> Finding:
    # the groups of any one column are all rows
    parts = table[table[BY] == table[BY].iloc[0]]
    rows = parts["rows"].to_numpy(np.float64)
    mean, rate = (np.average(parts[name].to_numpy(np.float64), weights=rows) for name in ("mean_prediction", "rate"))
    told = (
        f"{name_of(row)}: predicted {row.mean_prediction:.2f}, {terms.event} {row.rate:.2f}" for row in off.itertuples()
    )
    return Finding(
        "warning",
        "unreliable_groups",
        f"In {len(off)} of {len(table)} tiers and segments the mean prediction is off by {MATTERS:.2f} or more, which "
        f"is not chance; in all rows together {mean:.2f} was predicted and {rate:.2f} {terms.did}",
        "Where all rows are off alike, the level has moved; where only these are, the model lacks what sets them "
        "apart. Use their ranking, and read their probabilities with care.",
        count=len(off),
        examples=list(told),
    )


def name_of(row: Any) -> str:
    """Return a row of the tables in words, e.g. ``industry Bau``."""
    return f"{row.by} {'not given' if pd.isna(row.group) else row.group}"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def reliability_of(predictions: pd.DataFrame, segments: pd.DataFrame, **draws: int) -> Reliability:
    """Return the reliability of predictions by tier and by every segment.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``customer_id``, ``as_of``, ``y``, ``p`` and ``tier``, whose order is kept where it is an ordered categorical.
    segments : pandas.DataFrame
        Of the same rows, as `segments_of` gives them.
    **draws
        ``replicates`` and ``seed`` of `reliability_by`.

    Examples
    --------
    >>> import datetime as dt
    >>> keys = {"customer_id": [f"{k:03d}" for k in range(200)], "as_of": [dt.date(2026, 1, 1)] * 200}
    >>> predictions = pd.DataFrame({**keys, "y": [k % 100 < 50 for k in range(200)], "p": [0.45] * 100 + [0.2] * 100})
    >>> predictions["tier"] = pd.Categorical(["medium"] * 100 + ["low"] * 100, ["high", "medium", "low"])
    >>> segments = segments_of(pd.DataFrame({**keys, "industry": ["Bau"] * 100 + ["Möbel"] * 100}))
    >>> found = reliability_of(predictions, segments)
    >>> found.table[["by", "group", "customers", "mean_prediction", "rate"]].round(2).values.tolist()[:3]
    [['tier', 'medium', 100, 0.45, 0.5], ['tier', 'low', 100, 0.2, 0.5], ['industry', 'Bau', 100, 0.45, 0.5]]
    >>> [finding.examples for finding in found.findings()]
    [('tier low: predicted 0.20, churned 0.50', 'industry Möbel: predicted 0.20, churned 0.50')]
    """
    tiers = predictions[[*_KEYS, TIER]]
    return Reliability(_by(predictions, tiers, draws), _by(predictions, segments, draws))


def _by(predictions: pd.DataFrame, groups: pd.DataFrame, draws: dict[str, int]) -> pd.DataFrame:
    parts = []
    for name in (name for name in groups.columns if name not in _KEYS):
        # one column at a time, renamed: a feature may have the name of a column of the result
        column = groups[[*_KEYS, name]].rename(columns={name: GROUP})
        table = predictions[[*_KEYS, "y", "p"]].merge(column, on=_KEYS, how="left", validate="one_to_one")
        found = reliability_by(table, GROUP, **draws)
        found[GROUP] = found[GROUP].astype(object)
        found.insert(0, BY, name)
        parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else _empty()


def segments_of(features: pd.DataFrame, *, leave_out: Collection[str] = ()) -> pd.DataFrame:
    """Return the segments of each row: every feature that is a text, and the size of the firm.

    A group of fewer than 30 customers, and all but the ten largest, are called ``other``; a column that then holds no
    group of its own, or one alone, is no segment. Sizes are those of the Recommendation 2003/361/EC: under 10, 50 and
    250 employees.

    Parameters
    ----------
    features : pandas.DataFrame
        ``customer_id``, ``as_of`` and the features.
    leave_out : collection of str
        Features not to look at, e.g. those that the leak guard held back.

    Returns
    -------
    pandas.DataFrame
        ``customer_id``, ``as_of`` and one ordered categorical per segment, columns by name.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer_id": [f"{k:02d}" for k in range(70)], "as_of": "2026-01-01"})
    >>> rows["country"] = ["DE"] * 40 + ["AT"] * 29 + [None]
    >>> found = segments_of(rows.assign(employees=[9.0] * 35 + [12.0] * 35, language="de"))
    >>> list(found.columns[2:]), found["country"].value_counts(dropna=False).tolist()
    (['country', 'employees'], [40, 29, 1])
    >>> list(found["country"].cat.categories), list(found["employees"].cat.categories)
    (['DE', 'other'], ['under 10', '10 to 49', 'other'])
    """
    customers = features[CUSTOMER_ID].astype(str)
    found: dict[str, Any] = {}
    for name in sorted(str(column) for column in features.columns if column not in (*_KEYS, *leave_out)):
        values, order = features[name], None
        if name == EMPLOYEES:
            values, order = _size(values), _SIZES
        elif not is_text(values):
            continue
        groups = _pooled(values.astype(object), customers, order)
        if groups is not None:
            found[name] = groups
    return pd.concat([features[_KEYS], pd.DataFrame(found, index=features.index)], axis=1)


def _size(employees: pd.Series[Any]) -> pd.Series[Any]:
    return pd.cut(pd.to_numeric(employees).astype(np.float64), _SIZE_EDGES, right=False, labels=list(_SIZES))


def _pooled(values: pd.Series[Any], customers: pd.Series[Any], order: Sequence[str] | None) -> pd.Categorical | None:
    pairs = pd.DataFrame({GROUP: values, CUSTOMER_ID: customers}).dropna().drop_duplicates()
    counts = pairs[GROUP].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    kept = set(counts.index[counts >= LEAST_CUSTOMERS][:MOST_GROUPS])
    named = [name for name in (order or sorted(kept)) if name in kept and name != OTHER]
    pooled = pd.Categorical(values.where(values.isna() | values.isin(named), OTHER), [*named, OTHER], ordered=True)
    return pooled if named and len(np.unique(pooled.codes)) > 1 else None
