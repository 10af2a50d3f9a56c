"""The gate between the model that serves and one that wants to: compared on rows that neither was fitted on.

Pure: what the rows are, and that nobody was fitted on them, is the caller's part (``jobs/contest.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_ml.errors import UsageError
from crm_ml.models.evaluation.intervals import REPLICATES, Interval, interval
from crm_ml.models.evaluation.metrics import auc, brier, calibration_error, lift_at_capacity
from crm_ml.models.evaluation.promotion_texts import describe
from crm_ml.names import AS_OF, CUSTOMER_ID

FloatArray = NDArray[np.float64]
Ranking = Literal["auc", "profit"]
Measure = Callable[[FloatArray], Any]
VALUE = "value_at_stake"
_PREDICTED = ("margin", "p")
_CELLS = 100_000  # what stays in the processor's cache is several times as fast


@dataclass(frozen=True)
class Limits:
    """What the gate asks for; decision 0014 says why, ``benchmarks/gate_error_rates.py`` what it leads to.

    Attributes
    ----------
    refresh : float
        A refresh (the same recipe on newer data) may be worse by less than this: AUC, or lift of the value at risk.
    brier : float
        The Brier score may grow by at most this, at the upper end.
    ece : float
        The calibration error must not be shown to be worse by more than this. It counts noise as error, so that a score
        that says the same of everybody looks best: the upper end would ask too much.
    overlap : float
        Share of the champion's top list that must stand on the challenger's as well.
    customers : int
        Distinct churned and distinct retained customers that a comparison needs at least.
    """

    refresh: float = 0.02
    brier: float = 0.005
    ece: float = 0.02
    overlap: float = 0.5
    customers: int = 20


LIMITS = Limits()


@dataclass(frozen=True)
class Criterion:
    """One thing the gate looked at.

    Attributes
    ----------
    name : str
        ``evidence``, ``ranking``, ``calibration``, ``level`` or ``stability``.
    passed : bool
    value, low, high : float
        Challenger minus champion with its 95 % interval; a count or a share where there is no interval.
    limit : float
        What `low` must be above (ranking) or at least (evidence, stability), and `high` (calibration) or `low` (level)
        at most.
    text_de, text_en : str
        The same in words.
    """

    name: str
    passed: bool
    value: float
    low: float
    high: float
    limit: float
    text_de: str
    text_en: str


@dataclass(frozen=True)
class GateResult:
    """What the gate came to.

    Attributes
    ----------
    passed : bool
        Every criterion is met.
    way : {"better", "refresh"}
        What was asked: to rank better, or, of the same recipe on newer data, not to rank worse.
    criteria : tuple of Criterion
    rows, customers, churned : int
        Rows compared, the distinct customers in them, and those of them that churned.
    days : tuple of str
        Snapshots of those rows, ISO, oldest first.
    """

    passed: bool
    way: str
    criteria: tuple[Criterion, ...]
    rows: int
    customers: int
    churned: int
    days: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row per criterion with its figures."""
        columns = ["name", "passed", "value", "low", "high", "limit", "text_de", "text_en"]
        return pd.DataFrame([asdict(criterion) for criterion in self.criteria], columns=columns)

    @property
    def failed(self) -> tuple[Criterion, ...]:
        """The criteria that are not met."""
        return tuple(criterion for criterion in self.criteria if not criterion.passed)

    def text(self, language: str) -> str:
        """Return all criteria in words, ``de`` or ``en``, those that are not met first."""
        ordered = sorted(self.criteria, key=lambda criterion: criterion.passed)
        return "; ".join(one.text_de if language == "de" else one.text_en for one in ordered)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {**asdict(self), "criteria": [asdict(one) for one in self.criteria], "days": list(self.days)}


def pair(champion: pd.DataFrame, challenger: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that both have predicted, sorted by day and customer.

    Parameters
    ----------
    champion, challenger : pandas.DataFrame
        ``customer_id``, ``as_of``, ``y``, ``margin``, ``p``, and ``value_at_stake`` where known (else 0).

    Returns
    -------
    pandas.DataFrame
        ``customer_id``, ``as_of``, ``y``, ``value_at_stake``, and ``margin_champion``, ``p_champion``,
        ``margin_challenger``, ``p_challenger``.

    Raises
    ------
    UsageError
        If one of them has a row twice, or if they do not agree on what happened.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer_id": ["1", "2"], "as_of": "2026-01-01", "y": [True, False],
    ...                      "margin": [1.0, 0.0], "p": [0.7, 0.5]})
    >>> pair(rows, rows.iloc[:1].assign(p=0.6))[["customer_id", "p_champion", "p_challenger"]].values.tolist()
    [['1', 0.7, 0.6]]
    """
    keys = [CUSTOMER_ID, AS_OF]
    for name, frame in (("champion", champion), ("challenger", challenger)):
        twice = int(frame.duplicated(keys).sum())
        if twice:
            raise UsageError(f"A customer stands once per day in the predictions of the {name}; {twice} rows repeat")
    extra = [VALUE] if VALUE in challenger else []
    mine = challenger[[*keys, "y", *extra, *_PREDICTED]].rename(columns={c: f"{c}_challenger" for c in _PREDICTED})
    theirs = champion[[*keys, "y", *_PREDICTED]].rename(columns={c: f"{c}_champion" for c in _PREDICTED})
    both = mine.merge(theirs, on=keys, suffixes=("", "_other"))
    unequal = int((both["y"].astype(bool) != both["y_other"].astype(bool)).sum())
    if unequal:
        raise UsageError(f"Champion and challenger must agree on what happened; {unequal} of {len(both)} rows differ")
    if VALUE not in both:
        both[VALUE] = 0.0
    columns = [*keys, "y", VALUE, *(f"{c}_{who}" for who in ("champion", "challenger") for c in _PREDICTED)]
    return both[columns].sort_values([AS_OF, CUSTOMER_ID], kind="stable", ignore_index=True)


def list_overlap(champion: ArrayLike, challenger: ArrayLike, *, capacity: float = 0.1) -> float:
    """Return which share of the champion's top list also stands on the challenger's; ties by position.

    Parameters
    ----------
    champion, challenger : array of float, shape (customers,)
        Scores of the same customers, higher first.
    capacity : float
        Share of the customers that fits on the list; at least one does.

    Examples
    --------
    >>> list_overlap([4, 3, 2, 1], [4, 1, 3, 2], capacity=0.5)
    0.5
    """
    one, other = (np.asarray(scores, dtype=np.float64) for scores in (champion, challenger))
    if not len(one):
        return 1.0
    room = max(1, int(np.ceil(capacity * len(one) - 1e-9)))
    top = [set(np.argsort(-scores, kind="stable")[:room].tolist()) for scores in (one, other)]
    return len(top[0] & top[1]) / room


def replicates_of(
    measures: Mapping[str, Measure], customers: ArrayLike, *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, FloatArray]:
    """Return each measure in every draw of customers; all of them see the same draws.

    The draws are those of `customer_weights`, but only some of them are in memory at a time.

    Parameters
    ----------
    measures : mapping of callable
        Each gets weights of shape (some replicates, rows) and returns one value per replicate.
    customers : array of str, shape (rows,)
        Whose row it is.
    replicates, seed : int
        Of the draws.
    """
    found: dict[str, list[FloatArray]] = {name: [] for name in measures}
    for weights in _draws(customers, replicates, seed):
        for name, measure in measures.items():
            found[name].append(np.atleast_1d(measure(weights)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _draws(customers: ArrayLike, replicates: int, seed: int) -> Iterator[FloatArray]:
    names, index = np.unique(np.asarray(customers, dtype=object), return_inverse=True)
    rng, shares = np.random.default_rng(seed), np.full(len(names), 1.0 / len(names))
    at_once = max(1, _CELLS // max(1, len(index)))
    for start in range(0, replicates, at_once):
        draws = rng.multinomial(len(names), shares, size=min(at_once, replicates - start))
        yield draws.astype(np.float64)[:, index]


def judge(
    paired: pd.DataFrame,
    *,
    refresh: bool = False,
    overlap: float | None = None,
    ranking: Ranking = "auc",
    capacity: float = 0.1,
    limits: Limits = LIMITS,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> GateResult:
    r"""Decide whether the challenger may take over, on mature rows that neither model was fitted on.

    With :math:`\Delta` for challenger minus champion on the same rows, and intervals from drawing customers with all
    their rows (percentiles of the paired differences), the challenger passes if

    - ranking: the lower end of :math:`\Delta` AUC lies above 0; for a refresh, above ``-limits.refresh``. With
      ``ranking="profit"`` the lift of the value at risk takes the place of the AUC: which multiple of the average the
      leavers' value among the `capacity` share with the highest p x value comes to. At the same capacity both models
      cost the same, so that expected profits differ by the save rate times this, whatever the save rate;
    - calibration: the upper end of :math:`\Delta` Brier is at most ``limits.brier``;
    - level: the lower end of :math:`\Delta` calibration error is at most ``limits.ece``;
    - stability: `overlap` is at least ``limits.overlap``, or the new names are shown to be the right ones (lower end of
      :math:`\Delta` lift at capacity above 0).

    Age is no argument: it is not looked at.

    Parameters
    ----------
    paired : pandas.DataFrame
        As `pair` gives it.
    refresh : bool
        Whether it is the same recipe fitted on newer data.
    overlap : float, optional
        `list_overlap` on today's customers; without it stability is not asked for.
    ranking : {"auc", "profit"}
        What ranking better means.
    capacity : float
        Share of customers that can be acted upon.
    limits : Limits
        What is asked for.
    seed, replicates : int
        Of the draws of customers.

    Returns
    -------
    GateResult
        Not passed, with the criterion ``evidence`` alone, where there are too few customers to compare on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=600)
    >>> rows = pd.DataFrame({"customer_id": np.arange(600).astype(str), "as_of": "2026-01-01",
    ...                      "y": rng.random(600) < 1 / (1 + np.exp(-2 * z))})
    >>> good = rows.assign(margin=2 * z, p=1 / (1 + np.exp(-2 * z)))
    >>> poor = rows.assign(margin=rng.normal(size=600), p=rows["y"].mean())
    >>> judge(pair(poor, good)).passed, judge(pair(good, poor), refresh=True).passed, judge(pair(good, good)).passed
    (True, False, False)
    >>> judge(pair(good, good), refresh=True).way
    'refresh'
    """
    if ranking not in ("auc", "profit"):
        raise UsageError(f"ranking must be auc or profit; found {ranking!r}")
    y, customers = paired["y"].to_numpy(bool), paired[CUSTOMER_ID].astype(str).to_numpy(object)
    churned, stayed = len(set(customers[y])), len(set(customers[~y]))
    days = tuple(sorted(str(day)[:10] for day in paired[AS_OF].unique()))
    about = {"rows": len(paired), "customers": len(set(customers)), "churned": churned, "days": days}
    way = "refresh" if refresh else "better"
    criteria = [_evidence(min(churned, stayed), limits.customers)]
    if criteria[0].passed:
        asked = ("ranking", "brier", "ece", *(("lift",) if overlap is not None and overlap < limits.overlap else ()))
        measures = {
            who: _measures(paired, y, who, ranking=ranking, capacity=capacity) for who in ("champion", "challenger")
        }
        differences = _differences(measures, asked, customers, seed=seed, replicates=replicates)
        criteria += _criteria(differences, overlap, ranking, limits, refresh=refresh)
    return GateResult(all(one.passed for one in criteria), way, tuple(criteria), **about)  # type: ignore[arg-type]


def _evidence(found: int, needed: int) -> Criterion:
    return _criterion("evidence", found >= needed, Interval(found, found, found), needed)


def _criterion(name: str, passed: bool, found: Interval, limit: float, *, kind: str = "") -> Criterion:
    german, english = describe(kind or name, value=found.value, low=found.low, high=found.high, limit=limit)
    return Criterion(name, bool(passed), found.value, found.low, found.high, float(limit), german, english)


def _criteria(
    found: Mapping[str, Interval], overlap: float | None, ranking: str, limits: Limits, *, refresh: bool
) -> Iterable[Criterion]:
    floor = -limits.refresh if refresh else 0.0
    yield _criterion(
        "ranking", found["ranking"].low > floor, found["ranking"], floor, kind=f"{ranking}_{refresh and 'refresh'}"
    )
    yield _criterion("calibration", found["brier"].high <= limits.brier, found["brier"], limits.brier)
    yield _criterion("level", found["ece"].low <= limits.ece, found["ece"], limits.ece)
    if overlap is None:
        return
    if "lift" not in found or found["lift"].low <= 0:
        share = Interval(overlap, overlap, overlap)
        yield _criterion("stability", overlap >= limits.overlap, share, limits.overlap)
    else:
        # other names, and shown to be the right ones
        yield _criterion("stability", True, found["lift"], 0.0, kind="stability_explained")


def _differences(
    measures: Mapping[str, Mapping[str, Measure]],
    asked: Sequence[str],
    customers: NDArray[np.object_],
    *,
    seed: int,
    replicates: int,
) -> dict[str, Interval]:
    """Return challenger minus champion for each measure asked for, with paired intervals."""
    flat = {f"{name}_{who}": measures[who][name] for who in measures for name in asked}
    drawn = replicates_of(flat, customers, replicates=replicates, seed=seed)
    once = np.ones((1, len(customers)))
    result = {}
    for name in asked:
        mine, theirs = (flat[f"{name}_{who}"](once)[0] for who in ("challenger", "champion"))
        result[name] = interval(float(mine - theirs), drawn[f"{name}_challenger"] - drawn[f"{name}_champion"])
    return result


def _measures(
    paired: pd.DataFrame, y: NDArray[np.bool_], who: str, *, ranking: str, capacity: float
) -> dict[str, Measure]:
    margin, p = (paired[f"{column}_{who}"].to_numpy(np.float64) for column in _PREDICTED)
    value = paired[VALUE].to_numpy(np.float64)
    return {
        "ranking": (lambda w: auc(y, margin, w))
        if ranking == "auc"
        else (lambda w: lift_at_capacity(y * value, p * value, w, capacity=capacity)),
        "brier": lambda w: brier(y, p, w),
        "ece": lambda w: calibration_error(y, p, w),
        "lift": lambda w: lift_at_capacity(y, margin, w, capacity=capacity),
    }
