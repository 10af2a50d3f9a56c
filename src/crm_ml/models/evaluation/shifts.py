"""The same outcomes from older knowledge, and the rows of the training against those of today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_ml.errors import DataError
from crm_ml.models.boosting import fit_boosting
from crm_ml.models.columns import FloatArray, learn_columns
from crm_ml.models.dataset import BoolArray, Dataset
from crm_ml.models.evaluation.intervals import Interval, customer_weights
from crm_ml.models.evaluation.probes import (
    MOST_ROWS,
    REPLICATES,
    ROUNDS,
    Measured,
    cross_fitted,
    dealt,
    measured_on,
    sampled,
    with_fall,
)
from crm_ml.models.evaluation.traits import plain
from crm_ml.names import AS_OF, CUSTOMER_ID

SEASON = ("season_sin", "season_cos")
"""Features that tell the day by themselves."""
Earlier = Callable[[pd.DataFrame], pd.DataFrame]


def shifted_time(
    data: Dataset,
    earlier: Earlier,
    *,
    shift_days: Sequence[int] = (7, 30, 60, 90),
    replicates: int = REPLICATES,
    seed: int = 1,
) -> pd.DataFrame:
    """Return how the AUC falls when the same outcomes are predicted from what was known some days earlier.

    Honest knowledge ages slowly. Knowledge that slipped in around the outcome is gone with the first step: the AUC
    falls off a cliff and then hardly further. (A value that stands in all rows of a customer, however old, does not
    fall at all; that is what `find_leaks` looks for.)

    Parameters
    ----------
    data : Dataset
        Rows whose labels may be seen; customers are sampled to about 10,000 rows.
    earlier : callable
        Takes a frame with ``customer_id`` and ``as_of`` and returns one row per row of it, in its order, with the
        features as known then, e.g. ``lambda spine: build_features(tables, spine)``.
    shift_days : sequence of int
        So many days before each snapshot; 0 is always first.
    replicates, seed : int
        Draws of customers for the intervals; seed of trees and draws.

    Returns
    -------
    DataFrame
        ``shift_days``, ``auc``, ``auc_low``, ``auc_high``, and ``fall`` from the step before with its paired 95 %
        interval; the same rows, the same parts of customers at each step.

    Raises
    ------
    DataError
        If `earlier` returns another number of rows.

    Examples
    --------
    >>> import datetime as dt
    >>> from crm_ml.models import make_dataset
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"customer_id": np.arange(900).astype(str), "as_of": dt.date(2026, 1, 1)})
    >>> y, noise = rng.random(900) < 0.4, rng.normal(size=(2, 900))
    >>> def known(spine):
    ...     told = pd.to_datetime(spine.as_of) >= pd.Timestamp("2026-01-01")
    ...     return spine.assign(honest=y + noise[0], told=np.where(told, y + 0.1 * noise[1], noise[1]))
    >>> data = make_dataset(known(frame), y, gap_days=0, horizon_days=90)  # ids sort as texts
    >>> order = data.frame.customer_id.astype(int).to_numpy()
    >>> table = shifted_time(data, lambda s: known(s.set_index(s.customer_id.astype(int)).sort_index()).loc[order],
    ...                      shift_days=[7, 30])
    >>> table.shift_days.tolist(), bool(table.fall[1] > 0.1), bool(table.fall[2] < 0.02)
    ([0, 7, 30], True, True)
    """
    data = data.take(sampled(data))
    parts, measured = dealt(data.frame[CUSTOMER_ID], seed=seed), measured_on(data, replicates=replicates, seed=seed)
    rows: list[dict[str, object]] = []
    before: FloatArray | None = None
    for days in [0, *(d for d in shift_days if d)]:
        frame = data.frame if days == 0 else _as_known(data, earlier, days)
        contract, _ = learn_columns(frame, data.features, data.frame[CUSTOMER_ID])
        margin = cross_fitted(contract.encode(frame), data.y, contract, parts, seed=seed)
        fall = Interval(0.0, 0.0, 0.0) if before is None else measured.difference(before, margin)
        rows.append(with_fall(days, measured.auc(margin), fall, key="shift_days"))
        before = margin
    return pd.DataFrame(rows)


def _as_known(data: Dataset, earlier: Earlier, days: int) -> pd.DataFrame:
    spine = data.frame[[CUSTOMER_ID, AS_OF]].copy()
    spine[AS_OF] = [day.astype(object) for day in data.days - np.timedelta64(days, "D")]
    frame = earlier(spine)
    if len(frame) != len(spine):
        raise DataError(
            f"`earlier` must return one row per row of the spine; it returned {len(frame)} for {len(spine)}",
            remedy="Return the features in the order of the spine, e.g. with build_features.",
            code="bad_rows",
        )
    return frame.reset_index(drop=True)


@dataclass(frozen=True)
class Shift:
    """How far today's customers differ from those learnt from; made by `adversarial_validation`.

    Attributes
    ----------
    auc : Interval
        Chance that a row of today looks more like today than a row of the training does; .5: they cannot be told apart.
    table : pandas.DataFrame
        ``feature``, ``use`` (mean absolute contribution, log-odds), and its median (of texts the most frequent one's
        share) in the training and today; the most used first.
    """

    auc: Interval
    table: pd.DataFrame


def adversarial_validation(
    train: pd.DataFrame,
    today: pd.DataFrame,
    features: Sequence[str],
    *,
    leave_out: Sequence[str] = SEASON,
    top: int = 10,
    seed: int = 1,
    replicates: int = REPLICATES,
) -> Shift:
    """Return how well rows of the training and rows of today can be told apart, and by what.

    A model is only known to hold for customers like those it has seen. A customer's rows of then and now fall into the
    same part, so that it is the time and not the customer that is recognised.

    Parameters
    ----------
    train, today : DataFrame
        ``customer_id`` and the features, one row per customer and snapshot.
    features : sequence of str
        What to look at.
    leave_out : sequence of str
        Features that tell the day by themselves; default: the season.
    top : int
        So many features in the table.
    seed, replicates : int
        Of trees and draws of customers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> then = pd.DataFrame({"customer_id": np.arange(400), "x": rng.normal(size=400), "level": rng.normal(size=400)})
    >>> now = then.assign(level=then.level + 2, x=rng.normal(size=400))
    >>> shift = adversarial_validation(then, now, ["x", "level"])
    >>> shift.auc.low > 0.85, shift.table.feature[0]
    (True, 'level')
    """
    names = [name for name in features if name not in leave_out]
    both = pd.concat([train[[CUSTOMER_ID, *names]], today[[CUSTOMER_ID, *names]]], ignore_index=True)
    is_today = np.repeat([False, True], [len(train), len(today)])
    order = np.lexsort((both[CUSTOMER_ID].astype(str).to_numpy(object), is_today))
    both, is_today = both.iloc[order].reset_index(drop=True), is_today[order]
    keep = _balanced(both, is_today)
    both, is_today = both[keep].reset_index(drop=True), is_today[keep]
    contract, _ = learn_columns(both, names, both[CUSTOMER_ID])
    if not contract.ids:
        return Shift(Interval(0.5, 0.5, 0.5), pd.DataFrame(columns=["feature", "use", "train", "today"]))
    encoded = contract.encode(both)
    margin = cross_fitted(encoded, is_today, contract, dealt(both[CUSTOMER_ID], seed=seed), seed=seed)
    weights = customer_weights(both[CUSTOMER_ID].astype(str).to_numpy(object), replicates=replicates, seed=seed)
    value = Measured(is_today, weights).auc(margin)
    parts, _ = fit_boosting(encoded, is_today, contract, rounds=ROUNDS, seed=seed, threads=1).contributions(encoded)
    use = {name: float(np.abs(values).mean()) for name, values in parts.items()}
    ranked = sorted(use, key=lambda name: (-use[name], name))[:top]
    table = pd.DataFrame(
        [
            {
                "feature": name,
                "use": use[name],
                "train": _middle(both[name][~is_today]),
                "today": _middle(both[name][is_today]),
            }
            for name in ranked
        ]
    )
    return Shift(value, table)


def _balanced(both: pd.DataFrame, is_today: BoolArray) -> BoolArray:
    """Thin rows where there are too many; today's customers are few against all snapshots of the training."""
    keep = np.ones(len(both), bool)
    for side in (is_today, ~is_today):
        places = np.flatnonzero(side)
        step = max(1, -(-len(places) // (MOST_ROWS // 2)))
        keep[places] = np.arange(len(places)) % step == 0
    return keep


def _middle(column: pd.Series[Any]) -> float:
    values = plain(column)
    if values.dtype != object:
        return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
    counts = column.value_counts(normalize=True, dropna=False)
    return float(counts.iloc[0]) if len(counts) else float("nan")
