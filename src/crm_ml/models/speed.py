"""How much the chance of a lead hangs on how soon it is answered, without mistaking the order of events for a cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import DataError, UsageError
from crm_ml.models.evaluation.incidence import LOST, MOVED, STILL, incidence
from crm_ml.models.evaluation.intervals import Interval, customer_weights, interval, shows_no_spread
from crm_ml.models.evaluation.metrics import wilson_interval
from crm_ml.names import LEAD_ID

FloatArray = NDArray[np.float64]
WAITS: Final = (1.0, 4.0, 24.0, 72.0, 168.0)
"""Hours for which the chance is estimated."""
NEVER: Final = np.inf
ADJUSTED: Final = ("source", "size_class", "seniority")
ENOUGH: Final = 50
"""Answered leads that a wait needs to be spoken of."""
_MOST_STRATA, _PER_STRATUM = 5, 40
_MOSTLY = 0.5
_SLOW = 72.0


@dataclass(frozen=True)
class Speed:
    """The chance by hours until the first answer; see `fit_speed`.

    Attributes
    ----------
    table : DataFrame
        One row per wait, the last one for never: ``wait`` (``"1 h"``, ``"3 days"``), ``hours`` (inf: never),
        ``from_hours`` and ``to_hours`` (the answers that stand for it), ``leads`` (answered so, or not at all),
        ``median_hours`` of these, ``chance`` with ``low`` and ``high``, and ``less`` with ``less_low`` and
        ``less_high``: how much lower the chance is than after the first wait; ``strata``, the groups of equal prospects
        over which it is averaged. Null where there are fewer than 50 leads, or none is followed as long as the horizon.
    usual : Interval
        The chance as leads were in fact answered.
    effect : Interval
        Chance after the first wait less that after three days (or the longest shorter wait with enough leads), a
        comparison fixed beforehand.
    compared : tuple of float
        The hours of these two.
    horizon_days : float
        Since the creation.
    target : str
        What the chance is of.
    adjusted_for : tuple of str
        What the two compared were adjusted for; empty where there were too few answers for strata.
    """

    table: pd.DataFrame
    usual: Interval
    effect: Interval
    compared: tuple[float, float]
    horizon_days: float
    target: str
    adjusted_for: tuple[str, ...]
    draws: FloatArray = field(repr=False)
    """Chances in the replicates, shape (waits + 1, replicates): the waits of the table, then as usual."""

    @property
    def claimed(self) -> bool:
        """Whether quick answers go with a higher chance beyond what chance would give: the interval is above 0."""
        return self.effect.low > 0

    def loss_per_day(self, p: float, value: float, *, first: float = 1.0, then: float = 24.0) -> Interval:
        """Return the expected loss per day of waiting from `first` to `then` hours, with its 95 % interval.

        ``p value (F(first) - F(then)) / F(usual) / days``: a lead whose chance at the usual speed is p gains or loses
        in proportion to all leads.

        Parameters
        ----------
        p : float
            The lead's chance at the usual speed, as a score gives it.
        value : float
            What winning it is worth.
        first, then : float
            Two waits of the table, in hours.

        Raises
        ------
        UsageError
            If p is not between 0 and 1, or a wait is not one of the table's.
        """
        hours = self.table["hours"].tolist()
        if not 0 <= p <= 1 or first not in hours or then not in hours or not first < then < NEVER:
            raise UsageError(
                f"A loss needs p between 0 and 1 and two waits of {hours[:-1]}, the shorter one first; found p {p}, "
                f"{first} and {then}",
                remedy="Give hours that were fitted.",
                code="bad_wait",
            )
        days, one, two = (then - first) / 24, hours.index(first), hours.index(then)
        chance = self.table["chance"].to_numpy(np.float64)
        scale = p * value / days

        def loss(early: Any, late: Any, usual: Any) -> Any:
            with np.errstate(divide="ignore", invalid="ignore"):
                return scale * (early - late) / usual

        drawn = loss(self.draws[one], self.draws[two], self.draws[-1])
        return _interval(float(loss(chance[one], chance[two], np.float64(self.usual.value))), drawn)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        rows = [
            {key: None if isinstance(v, float) and not np.isfinite(v) else v for key, v in row.items()}
            for row in self.table.to_dict("records")
        ]
        return {
            "target": self.target,
            "horizon_days": self.horizon_days,
            "adjusted_for": list(self.adjusted_for),
            "usual": _plain(self.usual),
            "effect": _plain(self.effect),
            "compared_hours": list(self.compared),
            "claimed": self.claimed,
            "waits": rows,
        }


def fit_speed(
    journeys: pd.DataFrame,
    *,
    horizon_days: float,
    target: str = "won",
    waits: Sequence[float] = WAITS,
    adjust: Sequence[str] = ADJUSTED,
    replicates: int = 400,
    seed: int = 0,
) -> Speed:
    """Return the chance of reaching the target within the horizon if leads were answered after so many hours.

    For the wait w, all leads are followed from their creation as if the rule were "answer after more than l and at most
    u hours", l and u lying midway (geometrically) to the neighbouring waits. A lead is unanswered until it is answered,
    and leaves the comparison in the moment in which it breaks the rule: answered at l or before, or still unanswered at
    u. So the time that a lead had to survive to be answered late is never counted in favour of late answers (no
    immortal time), and what is lost before its answer counts for every rule it had kept until then. Within a stratum
    all who have kept to the rule count alike, and the chance is that of Aalen and Johansen with being lost as the
    competing end; over the strata it is averaged by their shares (standardised). This is the emulated trial of Hernán
    and Robins (2016) with a grace period, in its form without weights.

    Strata are fifths of a prospect score: a ridge regression of the target on what was known at creation (Hansen 2008);
    fewer where a wait has too few leads to be followed to the horizon in each. The bootstrap draws leads and keeps the
    score.

    Parameters
    ----------
    journeys : DataFrame
        One row per lead: ``lead_id``, ``followed_days``, ``<target>_days``, ``lost_days``, ``response_hours`` and the
        columns of `adjust` (`lead_journeys`).
    horizon_days : float
        Days after the creation.
    target : str
        Stage to be reached.
    waits : sequence of float
        Hours, rising; never is added.
    adjust : sequence of str
        Categories known at creation; missing values are one.
    replicates, seed : int
        Of the draws of leads.

    Raises
    ------
    DataError
        A column is missing, or fewer than two waits have 50 answered leads with a whole horizon behind them.
    """
    _require(journeys, [LEAD_ID, "followed_days", f"{target}_days", "lost_days", "response_hours", *adjust])
    rows = journeys.sort_values(LEAD_ID, ignore_index=True)
    time, event, answered = _lives(rows, target)
    horizon = 24.0 * horizon_days
    low, high = _bounds(waits)
    count = np.array([int(((answered > a) & (answered <= b)).sum()) for a, b in zip(low, high, strict=True)])
    count[-1] = int((~np.isfinite(answered)).sum())
    large = count[:-1][count[:-1] >= ENOUGH]
    score = _prospects(rows[list(adjust)], time, event, horizon)
    finest = int(np.clip(large.min() // _PER_STRATUM, 1, _MOST_STRATA)) if large.size else 1
    weights = np.ones((replicates + 1, len(rows)))
    weights[1:] = customer_weights(rows[LEAD_ID], replicates=replicates, seed=seed)
    rules, strata = [], []
    for a, b, enough in zip(low, high, count >= ENOUGH, strict=True):
        chance, many = np.full(len(weights), np.nan), 0
        if enough:
            chance, many = _standardised(*_kept_to(time, event, answered, a, b), score, finest, horizon, weights)
        rules.append(chance)
        strata.append(many)
    usual, _ = _standardised(time, event, score, 1, horizon, weights)
    chances = np.stack([*rules, usual])
    first, slow = _compared(chances[:, 0], waits)
    effect = _interval(chances[first, 0] - chances[slow, 0], chances[first, 1:] - chances[slow, 1:])
    table = _table(chances, answered, np.stack([low, high], axis=1), waits).assign(strata=strata)
    return Speed(
        table,
        _interval(float(usual[0]), usual[1:]),
        effect,
        (float(waits[first]), float(waits[slow])),
        horizon_days,
        target,
        tuple(adjust) if min(strata[first], strata[slow]) > 1 else (),
        chances[:, 1:],
    )


def wait_name(hours: float) -> str:
    """Return a wait in words.

    Examples
    --------
    >>> wait_name(4.0), wait_name(24.0), wait_name(72.0), wait_name(NEVER)
    ('4 h', '1 day', '3 days', 'never')
    """
    if not np.isfinite(hours):
        return "never"
    days = hours / 24
    return f"{hours:g} h" if days < 1 else f"{days:g} day" if days == 1 else f"{days:g} days"


def _require(journeys: pd.DataFrame, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in journeys.columns]
    if missing:
        raise DataError(
            f"The speed of answers needs the columns {', '.join(needed)}; {', '.join(missing)} is missing",
            remedy="Take the table of `lead_journeys`; a stage that no row names has no column.",
            code="missing_column",
        )


def _lives(rows: pd.DataFrame, target: str) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Return hours to the end or the last look, what it is, and hours to the answer (inf: none before the end)."""
    there, lost, last = (
        24.0 * rows[name].to_numpy(np.float64) for name in (f"{target}_days", "lost_days", "followed_days")
    )
    event = np.where(~np.isnan(there), MOVED, np.where(~np.isnan(lost), LOST, STILL))
    time = np.where(event == MOVED, there, np.where(event == LOST, lost, last))
    answered = rows["response_hours"].to_numpy(np.float64)
    # an answer in the moment of the end, or after it, did not bring it about
    return time, event, np.where(answered < time, answered, NEVER)


def _bounds(waits: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Return the hours between which answers stand for each wait; never is the last one, with nothing in between."""
    hours = np.asarray(waits, dtype=np.float64)
    if len(hours) < 2 or not (hours > 0).all() or not (np.diff(hours) > 0).all() or not np.isfinite(hours).all():
        raise UsageError(
            f"waits must be at least two rising numbers of hours above 0; found {list(waits)}",
            remedy="Take 1, 4, 24, 72 and 168.",
        )
    middle = np.sqrt(hours[:-1] * hours[1:])
    high = np.append(middle, hours[-1] ** 2 / middle[-1])
    # an answer in the moment of the creation belongs to the first wait
    return np.append(np.append(-1.0, middle), NEVER), np.append(high, NEVER)


def _kept_to(
    time: FloatArray, event: NDArray[np.int64], answered: FloatArray, low: float, high: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return how long each lead kept to the rule "answered after more than low and at most high hours", and its end."""
    early = np.where(answered <= low, answered, NEVER)
    if np.isfinite(low):
        broken = np.where(answered <= high, early, high)
    else:
        broken = answered
    return np.minimum(time, broken), np.where(time <= broken, event, STILL)


def _prospects(traits: pd.DataFrame, time: FloatArray, event: NDArray[np.int64], horizon: float) -> FloatArray:
    """Return the log-odds of the target given what was known at creation, learnt from leads whose end is known."""
    known = (event != STILL) | (time >= horizon)
    y = (event == MOVED) & (time < horizon)
    if not traits.shape[1] or len(np.unique(y[known])) < 2:
        return np.zeros(len(traits))
    from sklearn.linear_model import LogisticRegression

    design = pd.get_dummies(traits.astype("str").fillna("(unknown)")).to_numpy(np.float64)
    model = LogisticRegression(C=1.0, max_iter=500).fit(design[known], y[known])
    # rounded, so that the last digit of a solver cannot move a lead across a border
    found: FloatArray = np.round(model.decision_function(design), 6)
    return found


def _standardised(
    time: FloatArray, event: NDArray[np.int64], score: FloatArray, finest: int, horizon: float, weights: FloatArray
) -> tuple[FloatArray, int]:
    """Return the chance in each replicate, that within strata averaged by their shares, and the number of strata.

    As many strata as can be followed to the horizon, in most draws too; NaN and 0 if not even all leads together.
    """
    for wanted in range(finest, 0, -1):
        borders = np.unique(np.quantile(score, np.arange(1, wanted) / wanted))
        stratum = np.searchsorted(borders, score, side="left")
        total, found = np.zeros(len(weights)), np.unique(stratum)
        for one in found:
            of = stratum == one
            share = weights[:, of].sum(axis=1)
            chance = incidence(time[of], event[of], horizon=horizon, weights=weights[:, of]).at_horizon()
            total += np.where(share > 0, share * chance, 0.0)
        told = np.isfinite(total)
        if told[0] and told.mean() >= _MOSTLY:
            return total / weights.sum(axis=1), len(found)
    return np.full(len(weights), np.nan), 0


def _compared(chance: FloatArray, waits: Sequence[float]) -> tuple[int, int]:
    """Return which waits are compared: the first with enough leads, and three days or the longest shorter one."""
    told = [k for k, hours in enumerate(waits) if np.isfinite(chance[k]) and hours <= _SLOW]
    if len(told) < 2:
        raise DataError(
            f"To compare speeds at least two waits of up to {_SLOW:g} hours need {ENOUGH} answered leads and a whole "
            f"horizon behind them; found {len(told)}",
            remedy="Map lead_events with the kinds reply_sent, call and meeting, wait for more leads, or shorten the "
            "horizon.",
            code="too_few_answers",
        )
    return told[0], told[-1]


def _table(chances: FloatArray, answered: FloatArray, bounds: FloatArray, waits: Sequence[float]) -> pd.DataFrame:
    records = []
    told = np.isfinite(chances[: len(bounds), 0])
    first = int(np.argmax(told))
    for k, (hours, (low, high)) in enumerate(zip([*waits, NEVER], bounds, strict=True)):
        of = (answered > low) & (answered <= high) if hours < NEVER else ~np.isfinite(answered)
        chance = _interval(chances[k, 0], chances[k, 1:])
        if shows_no_spread(chance):
            chance = Interval(chance.value, *wilson_interval(min(chance.value, 1.0), max(int(of.sum()), 1)))
        less = _interval(chances[first, 0] - chances[k, 0], chances[first, 1:] - chances[k, 1:])
        median = float(np.median(answered[of])) if of.any() and hours < NEVER else np.nan
        counts = (wait_name(hours), hours, max(low, 0.0), high, int(of.sum()), median)
        records.append((*counts, chance.value, chance.low, chance.high, less.value, less.low, less.high))
    columns = ["wait", "hours", "from_hours", "to_hours", "leads", "median_hours", "chance", "low", "high"]
    return pd.DataFrame(records, columns=[*columns, "less", "less_low", "less_high"])


def _interval(value: float, draws: FloatArray) -> Interval:
    return interval(float(value), draws) if np.isfinite(value) else Interval(np.nan, np.nan, np.nan)


def _plain(found: Interval) -> dict[str, float | None]:
    return {key: value if np.isfinite(value) else None for key, value in found.as_dict().items()}
