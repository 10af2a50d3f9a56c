"""Models side by side: paired differences where they were judged on the same rows, and who changes tier between two.

A model's evaluation is a table with one row per customer and day: ``customer_id`` (may be missing), ``as_of``, ``y``,
``p``, and where known ``margin`` (the raw score; `p` stands in) and ``value_at_stake``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import UsageError
from crm_ml.models.evaluation import metrics
from crm_ml.models.evaluation.intervals import REPLICATES, Interval, customer_weights, interval
from crm_ml.names import AS_OF, CUSTOMER_ID

FloatArray = NDArray[np.float64]
PAIRED: Final[Mapping[str, tuple[Callable[..., Any], str]]] = {
    "auc": (metrics.auc, "margin"),
    "average_precision": (metrics.average_precision, "margin"),
    "brier": (metrics.brier, "p"),
}
"""Measures with a paired difference, and the column each looks at."""
LOWER_IS_BETTER: Final = frozenset({"brier", "ece", "log_loss"})
TIERS: Final = ("high", "medium", "low")
REFERENCE, NO_COMMON_ROWS, OTHER_OUTCOME = "reference", "no_common_rows", "other_outcome"
OTHER_LABEL, NOT_MEASURED = "other_label", "not_measured"
DIFFERENCE_COLUMNS: Final = (
    *("name", "reference", "measure", "value", "low", "high", "paired", "rows", "customers", "reads", "note"),
)
_BLOCK_CELLS: Final = 8_000_000
_CACHE_CELLS: Final = 131_072


def common_rows(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that both evaluations hold, by customer and day, sorted by them.

    Parameters
    ----------
    one, other : pandas.DataFrame
        Evaluations; one without ``customer_id`` has no row in common with anything.

    Returns
    -------
    pandas.DataFrame
        ``customer_id``, ``as_of``, ``y``, ``margin``, ``p`` of the first and ``y_other``, ``margin_other``,
        ``p_other`` of the second.

    Raises
    ------
    UsageError
        If a column is missing, or a customer stands in an evaluation twice on one day.

    Examples
    --------
    >>> one = pd.DataFrame({"customer_id": ["a", "b"], "as_of": "2025-01-01", "y": [True, False], "p": [0.9, 0.2]})
    >>> other = pd.DataFrame({"customer_id": ["b", "c"], "as_of": "2025-01-01", "y": [False, True], "p": [0.3, 0.7]})
    >>> common_rows(one, other)[["customer_id", "p", "p_other"]].to_numpy().tolist()
    [['b', 0.2, 0.3]]
    """
    left, right = _evaluation(one), _evaluation(other)
    both = left.merge(right, on=[CUSTOMER_ID, AS_OF], how="inner", suffixes=("", "_other"))
    return both.sort_values([AS_OF, CUSTOMER_ID], ignore_index=True)


def paired_differences(
    rows: pd.DataFrame, *, replicates: int = REPLICATES, seed: int = 0, cache: dict[str, FloatArray] | None = None
) -> dict[str, Interval]:
    """Return first minus second for every measure in `PAIRED`, each with its paired 95 % interval.

    Customers are drawn with replacement, all their rows come along, and both scores are measured in the same draw:
    what both find hard cancels out (customer bootstrap, percentile interval, as `intervals.evaluate`).

    Parameters
    ----------
    rows : pandas.DataFrame
        As `common_rows` gives them; both must hold the same outcome in every row.
    replicates, seed : int
        Of the draws.
    cache : dict, optional
        Filled with what the second score measures in each draw; handed on for other first scores on the same rows.

    Raises
    ------
    UsageError
        If there is no row, or the outcomes differ.

    Examples
    --------
    >>> y = np.tile([True, False], 50)
    >>> rows = pd.DataFrame({"customer_id": np.arange(100).astype(str), "as_of": "2025-01-01", "y": y, "y_other": y})
    >>> rows = rows.assign(margin=y * 1.0, p=0.5, margin_other=0.0, p_other=0.5)
    >>> paired_differences(rows, replicates=20)["auc"]
    Interval(value=0.5, low=0.5, high=0.5)
    """
    y = rows["y"].to_numpy(dtype=bool)
    if not len(y) or not np.array_equal(y, rows["y_other"].to_numpy(dtype=bool)):
        raise UsageError(
            "Paired differences need common rows with the same outcome in both evaluations",
            remedy="Compare models of the same label on days that both were evaluated on.",
        )
    known = {} if cache is None else cache
    customers = rows[CUSTOMER_ID].to_numpy(dtype=object)
    wanted = [(name, column) for name, (_, column) in PAIRED.items()]
    own = _draws(y, {name: rows[column] for name, column in wanted}, customers, replicates, seed)
    if not known:
        known.update(_draws(y, {name: rows[f"{column}_other"] for name, column in wanted}, customers, replicates, seed))
    found = {}
    for name, column in wanted:
        measure = PAIRED[name][0]
        value = measure(y, rows[column].to_numpy(float)) - measure(y, rows[f"{column}_other"].to_numpy(float))
        found[name] = interval(float(value), own[name] - known[name])
    return found


def unpaired_difference(one: Interval, other: Interval) -> Interval:
    """Return the difference of two values that were measured on different rows, with its 95 % interval.

    The distances of the ends from the values are added as squares, as if the two were independent (MOVER: Zou and
    Donner 2008, Statistics in Medicine 27, 1693-1702). Wider than a paired interval, and part of the difference may
    come from the rows rather than from the models.

    Examples
    --------
    >>> unpaired_difference(Interval(0.80, 0.77, 0.84), Interval(0.70, 0.67, 0.74))
    Interval(value=0.1, low=0.05, high=0.15)
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Interval(*(round(number, 12) for number in (value, low, high)))


def difference_table(
    evaluations: Mapping[str, pd.DataFrame | None],
    reference: str,
    *,
    measured: Mapping[str, Mapping[str, Interval]] | None = None,
    apart: Collection[str] = (),
    replicates: int = REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return every model minus the reference, for every measure.

    Parameters
    ----------
    evaluations : mapping of str to pandas.DataFrame
        By name; None where a model's rows are gone.
    reference : str
        The name that the others are compared with.
    measured : mapping, optional
        By name, what was measured at training: used, unpaired, where two models have no row in common.
    apart : collection of str
        Names of models with another label than the reference: they answer another question and are not compared.
    replicates, seed : int
        Of the draws of customers.

    Returns
    -------
    pandas.DataFrame
        Columns `DIFFERENCE_COLUMNS`. ``reads``: ``better``, ``worse`` or ``open`` (the interval holds zero; always
        where it is not paired). ``note``: empty, or ``reference``, ``no_common_rows``, ``other_label``,
        ``other_outcome`` (same rows and label, other outcomes: the data have changed), ``not_measured``.

    Raises
    ------
    UsageError
        If there is no model of the name `reference`.
    """
    if reference not in evaluations:
        raise UsageError(f"There is no model {reference!r} to compare with", remedy="Name one of those given.")
    told, caches = measured or {}, dict[bytes, dict[str, FloatArray]]()
    rows: list[dict[str, Any]] = []
    base = evaluations[reference]
    for name in evaluations:
        if name == reference or name in apart:
            note = REFERENCE if name == reference else OTHER_LABEL
            rows += [_row(name, reference, measure, note=note) for measure in PAIRED]
            continue
        evaluation = evaluations[name]
        common = None if evaluation is None or base is None else common_rows(evaluation, base)
        if common is None or common.empty:
            rows += [_unpaired(name, reference, measure, told) for measure in PAIRED]
        elif not np.array_equal(common["y"], common["y_other"]):
            rows += [_row(name, reference, measure, note=OTHER_OUTCOME) for measure in PAIRED]
        else:
            cache = caches.setdefault(_identity(common), {})
            found = paired_differences(common, replicates=replicates, seed=seed, cache=cache)
            size = (len(common), int(common[CUSTOMER_ID].nunique()))
            rows += [_row(name, reference, measure, found[measure], size=size) for measure in PAIRED]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def pooled_table(
    predictions: pd.DataFrame, *, rules: Collection[str] = (), replicates: int = REPLICATES, seed: int = 0
) -> pd.DataFrame:
    """Return the figures of a backtest over all its cutoffs together, the best candidate first.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``cutoff``, ``customer_id``, ``name``, ``margin``, ``p``, ``y``.
    rules : collection of str
        Which names are rules; the one with the highest AUC is what the others are compared with.
    replicates, seed : int
        Of the draws of customers.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``is_rule``, ``cutoffs``, ``rows``, ``events``, ``auc``, ``average_precision``, ``brier``, ``ece``,
        ``reference``, and ``difference``, ``low``, ``high``: AUC minus that of the reference, paired.

    Examples
    --------
    >>> day = {"cutoff": "2025-01-01", "customer_id": list("abcd"), "y": [True, True, False, False]}
    >>> good = pd.DataFrame({**day, "name": "model", "margin": [4.0, 3.0, 2.0, 1.0], "p": [0.9, 0.8, 0.2, 0.1]})
    >>> plain = pd.DataFrame({**day, "name": "rule", "margin": [4.0, 1.0, 2.0, 3.0], "p": 0.5})
    >>> table = pooled_table(pd.concat([good, plain]), rules=["rule"], replicates=20)
    >>> table[["name", "auc", "difference"]].to_numpy().tolist()
    [['model', 1.0, 0.5], ['rule', 0.5, 0.0]]
    """
    parts = {str(name): part.rename(columns={"cutoff": AS_OF}) for name, part in predictions.groupby("name", sort=True)}
    figures = {name: _figures(part) for name, part in parts.items()}
    order = sorted(figures, key=lambda name: (-np.nan_to_num(figures[name]["auc"], nan=-1.0), name))
    if not order:
        return pd.DataFrame(columns=["name", "is_rule", "cutoffs", "rows", "events", *_POOLED, *_AGAINST])
    reference = next((name for name in order if name in rules), order[-1])
    gaps = difference_table(parts, reference, replicates=replicates, seed=seed)
    gaps = gaps[gaps["measure"] == "auc"].set_index("name")
    rows = []
    for name in order:
        gap = gaps.loc[name]
        ends = (0.0, 0.0, 0.0) if name == reference else (gap["value"], gap["low"], gap["high"])
        shown = dict(zip(_AGAINST, (reference, *ends), strict=True))
        rows.append({"name": name, "is_rule": name in rules, **figures[name], **shown})
    return pd.DataFrame(rows)


_POOLED: Final = ("auc", "average_precision", "brier", "ece")
_AGAINST: Final = ("reference", "difference", "low", "high")


def _figures(part: pd.DataFrame) -> dict[str, Any]:
    part = part.sort_values([AS_OF, CUSTOMER_ID])
    y, margin, p = part["y"].to_numpy(bool), part["margin"].to_numpy(float), part["p"].to_numpy(float)
    return {
        "cutoffs": int(part[AS_OF].nunique()),
        "rows": len(part),
        "events": int(y.sum()),
        "auc": metrics.auc(y, margin),
        "average_precision": metrics.average_precision(y, margin),
        "brier": metrics.brier(y, p),
        "ece": metrics.calibration_error(y, p),
    }


def tier_changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return the customers whose tier differs between two scorings of the same day, the largest change of `p` first.

    Parameters
    ----------
    before, after : pandas.DataFrame
        ``customer_id``, ``p`` and ``tier``; one row per customer.

    Returns
    -------
    pandas.DataFrame
        ``customer_id``, ``p_before``, ``tier_before``, ``p_after``, ``tier_after``.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": ["a", "b"], "p": [0.7, 0.1], "tier": ["high", "low"]})
    >>> after = pd.DataFrame({"customer_id": ["b", "a"], "p": [0.1, 0.4], "tier": ["low", "medium"]})
    >>> tier_changes(before, after).to_numpy().tolist()
    [['a', 0.7, 'high', 0.4, 'medium']]
    """
    both = _both(before, after)
    moved = both[both["tier_before"] != both["tier_after"]]
    size = (moved["p_after"] - moved["p_before"]).abs()
    ordered = moved.assign(size=-size).sort_values(["size", CUSTOMER_ID], ignore_index=True)
    return ordered[[CUSTOMER_ID, "p_before", "tier_before", "p_after", "tier_after"]]


def tier_matrix(before: pd.DataFrame, after: pd.DataFrame, *, tiers: Sequence[str] = TIERS) -> pd.DataFrame:
    """Return how many customers go from which tier (rows) to which (columns).

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": ["a", "b"], "p": [0.7, 0.1], "tier": ["high", "low"]})
    >>> after = pd.DataFrame({"customer_id": ["b", "a"], "p": [0.1, 0.4], "tier": ["low", "medium"]})
    >>> tier_matrix(before, after).to_numpy().tolist()
    [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    """
    both = _both(before, after)
    counts = pd.crosstab(both["tier_before"], both["tier_after"])
    table = counts.reindex(index=list(tiers), columns=list(tiers), fill_value=0).astype(int)
    table.index.name, table.columns.name = "before", "after"
    return table


def _both(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    return before.merge(after, on=CUSTOMER_ID, suffixes=("_before", "_after"), validate="one_to_one")


def _evaluation(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that pairing needs, in one form; empty where customers are not named."""
    missing = [name for name in (AS_OF, "y", "p") if name not in frame.columns]
    if missing:
        raise UsageError(f"An evaluation needs the columns as_of, y and p; {', '.join(missing)} is missing")
    named = frame if CUSTOMER_ID in frame.columns else frame.iloc[:0].assign(**{CUSTOMER_ID: ""})
    p = named["p"].to_numpy(np.float64)
    table = pd.DataFrame(
        {
            CUSTOMER_ID: named[CUSTOMER_ID].astype(str).to_numpy(dtype=object),
            AS_OF: pd.to_datetime(named[AS_OF]).to_numpy("datetime64[s]"),
            "y": named["y"].to_numpy(bool),
            "margin": named["margin"].to_numpy(np.float64) if "margin" in named.columns else p,
            "p": p,
        }
    )
    if table.duplicated([CUSTOMER_ID, AS_OF]).any():
        raise UsageError("An evaluation must hold each customer once a day; some stand in it twice")
    return table


def _draws(
    y: NDArray[np.bool_], scores: Mapping[str, Any], customers: NDArray[np.object_], replicates: int, seed: int
) -> dict[str, FloatArray]:
    """Return each measure in every draw; the draws come in blocks, so that a million rows fit into memory."""
    block, step = max(1, min(replicates, _BLOCK_CELLS // len(y))), max(1, _CACHE_CELLS // len(y))
    # rows in the order of the ranking: what sorts them again in every block then has nothing to do
    order = np.argsort(-np.asarray(scores["auc"], dtype=np.float64), kind="stable")
    y, customers = y[order], customers[order]
    values = {name: np.asarray(score, dtype=np.float64)[order] for name, score in scores.items()}
    found: dict[str, list[FloatArray]] = {name: [] for name in scores}
    for number, start in enumerate(range(0, replicates, block)):
        drawn = customer_weights(customers, replicates=min(block, replicates - start), seed=seed + number)
        for first in range(0, len(drawn), step):
            weights = drawn[first : first + step].astype(np.float64)
            for name, score in values.items():
                found[name].append(PAIRED[name][0](y, score, weights))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _identity(rows: pd.DataFrame) -> bytes:
    hashes = pd.util.hash_pandas_object(rows[[CUSTOMER_ID, AS_OF]], index=False)
    return hashes.to_numpy().tobytes()


def _unpaired(name: str, reference: str, measure: str, told: Mapping[str, Mapping[str, Interval]]) -> dict[str, Any]:
    one, other = told.get(name, {}).get(measure), told.get(reference, {}).get(measure)
    if one is None or other is None:
        return _row(name, reference, measure, note=NOT_MEASURED)
    return _row(name, reference, measure, unpaired_difference(one, other), note=NO_COMMON_ROWS)


def _row(
    name: str,
    reference: str,
    measure: str,
    found: Interval | None = None,
    *,
    size: tuple[int, int] = (0, 0),
    note: str = "",
) -> dict[str, Any]:
    """Return one row of the table; `size` is the number of common rows and customers, zeros where it is not paired."""
    ends = (math.nan, math.nan, math.nan) if found is None else (found.value, found.low, found.high)
    paired = size[0] > 0
    values = (name, reference, measure, *ends, paired, *size, _reads(measure, found, paired), note)
    return dict(zip(DIFFERENCE_COLUMNS, values, strict=True))


def _reads(measure: str, found: Interval | None, paired: bool) -> str:
    if found is None or not paired or found.low <= 0 <= found.high:
        return "open"
    return "better" if (found.low > 0) != (measure in LOWER_IS_BETTER) else "worse"
