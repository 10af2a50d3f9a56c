"""The candidates, declared in one place: what each needs, from which rung on it is tried, and what the folds choose.

`DECLARED` holds the package's own; `add_candidate` adds a scikit-learn classifier for this process. `Extras` carries
what a caller may add to a training: directions of features, own candidates, tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from crm_ml.costs import BINS, Stages
from crm_ml.errors import UsageError
from crm_ml.models.boosting import Binned, Boosting, bin_rows, fit_binned
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.dataset import DayArray
from crm_ml.models.ladder import RungName, rung_of
from crm_ml.models.lead_rules import LEAD_RULES
from crm_ml.models.logistic import RFM_FEATURES, SHRINKAGE, STRONG_SHRINKAGE, fit_logistic_path
from crm_ml.models.own import OwnCandidate, fit_own, own_candidate
from crm_ml.models.rows import Rows
from crm_ml.models.rules import CHURN_RULES, RULES, RuleSet
from crm_ml.models.scorer import Average, Scorer
from crm_ml.models.tuning import Tuning

LOGISTIC, LOGISTIC_ALL, AVERAGE, AVERAGE_ALL = "logistic", "logistic_all", "average", "average_all"
LIGHTGBM, MONOTONE, BAG, TUNED = "lightgbm", "lightgbm_monotone", "lightgbm_bag", "lightgbm_tuned"
RECENT = "lightgbm_recent"
# below so many cells a second thread gains nothing
ONE_THREAD_CELLS = 2_000_000
# enough to choose rounds and to calibrate by; the models that serve get more
FOLD_ROWS = 40_000
# a regression over two hundred columns costs as much as boosting, and gains .002 AUC from twice the rows (measured)
LOGISTIC_ALL_ROWS = 20_000
# each further seed costs as much as the plain trees, and gains less the more rows there are (measured)
BAG_SEEDS, BAG_SEEDS_OF_MANY_ROWS = 3, 2
# the best number of rounds grows with the rows, about as their square root (measured on two firms from 24,000 to 74,000
# rows): so the factor is chosen on the folds, and each fit gets the rounds of its own size
ROUNDS_PER_ROOT_ROW = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)
# holds the directions over the whole tree instead of node by node: .0005 AUC better at a tenth more time (measured)
_MONOTONE = {"monotone_constraints_method": "intermediate"}


@dataclass(frozen=True)
class Extras:
    """What a caller adds to a training.

    Attributes
    ----------
    directions : mapping of str to int
        Feature id -> +1 where a higher value is expected to mean more risk, -1 less, 0 no expectation.
    own : tuple of OwnCandidate
    tuning : Tuning, optional
        How to search for boosting's parameters; None: not at all.
    rules : RuleSet
        What a model must beat.
    half_life_days : float, optional
        Within how many days the weight of a row halves for ``lightgbm_recent``; None: it is not tried.
    stages : Stages
        Where the seconds of a training are added up; by default nowhere.
    """

    directions: Mapping[str, int] = field(default_factory=dict)
    own: tuple[OwnCandidate, ...] = ()
    tuning: Tuning | None = None
    rules: RuleSet = CHURN_RULES
    half_life_days: float | None = None
    stages: Stages = field(default_factory=Stages, compare=False, repr=False)


@dataclass(frozen=True)
class Fitting:
    """Rows to fit on and how; what several candidates share (thinned rows, bins) is made once."""

    rows: Rows
    contract: ColumnContract
    seed: int
    threads: int
    max_rows: int
    extras: Extras = field(default_factory=Extras)
    tuned: Mapping[str, Any] = field(default_factory=dict)
    _plain: dict[int, tuple[int, Boosting]] = field(default_factory=dict)

    @cached_property
    def thin(self) -> Rows:
        """The rows of the snapshots that boosting is fitted on."""
        return self.rows.thinned(self.max_rows)

    @property
    def cells(self) -> int:
        """Thinned rows times columns."""
        return len(self.thin.y) * len(self.contract.columns)

    @property
    def used_threads(self) -> int:
        """One thread where a second gains nothing."""
        return self.threads if self.cells >= ONE_THREAD_CELLS else 1

    @cached_property
    def binned(self) -> Binned:
        """The thinned rows as LightGBM bins them."""
        thin = self.thin
        with self.extras.stages.stage(BINS):
            return bin_rows(thin.encoded, thin.y, self.contract, threads=self.used_threads)

    def boost(self, factor: float, **how: Any) -> Boosting:
        """Fit boosted trees with the number of rounds that a factor means for these rows."""
        rounds = rounds_for(factor, len(self.thin.y))
        return fit_binned(self.binned, rounds=rounds, seed=self.seed, threads=self.used_threads, **how)

    def plain(self, factor: float, *, seed_offset: int = 0) -> Boosting:
        """Fit boosted trees with the default's parameters; a fit with more rounds than asked for is cut, not repeated.

        The first trees of a longer fit are those of a shorter one, so the bag's first member costs nothing.
        """
        rounds = rounds_for(factor, len(self.thin.y))
        have, model = self._plain.get(seed_offset, (0, None))
        if model is None or have < rounds:
            seed = self.seed + seed_offset
            model = fit_binned(self.binned, rounds=rounds, seed=seed, threads=self.used_threads)
            self._plain[seed_offset] = rounds, model
            return model
        return model if have == rounds else model.cut(rounds)


Fit = Callable[[Fitting, Sequence[float]], Mapping[float, Scorer]]
Path = Callable[[Fitting, Sequence[float], Encoded], dict[float, FloatArray]]


@dataclass(frozen=True)
class Candidate:
    """A way to make a model.

    Attributes
    ----------
    name : str
        In tables, e.g. ``lightgbm_bag``.
    kind : {"rule", "logistic", "lightgbm", "average", "own"}
        Which form the fitted model has.
    rung : str
        The rung of the ladder it stands on.
    fit : callable
        From rows and values of its setting to one scorer per value.
    path : callable, optional
        As `fit`, but straight to the margins of later rows, where that is cheaper than one fit per value.
    setting : str
        The field of the recipe that the folds fill; empty: nothing to choose.
    grid : tuple of float
        What the folds choose from; empty where it takes over what they chose for another candidate.
    needs : tuple of str
        At least one of these columns must be there; empty: any column will do.
    members : tuple of str
        The candidates it is the average of; it is then not fitted itself.
    at_least : int
        Churned customers, and retained ones, from which it is tried.
    servable : bool
        Whether it can be stored and so serve.
    """

    name: str
    kind: Literal["rule", "logistic", "lightgbm", "average", "own"]
    rung: RungName
    fit: Fit
    path: Path | None = None
    setting: str = ""
    grid: tuple[float, ...] = ()
    needs: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    at_least: int = 0
    servable: bool = True

    def margins(self, fitting: Fitting, values: Sequence[float], later: Encoded) -> dict[float, FloatArray]:
        """Return the margins of later rows for each value of the setting."""
        if self.path is not None:
            return self.path(fitting, values, later)
        return {value: scorer.margin(later) for value, scorer in self.fit(fitting, values).items()}

    def usable(self, fewer: int, contract: ColumnContract, extras: Extras) -> bool:
        """Return whether customers, columns and what was asked for allow it."""
        if fewer < self.at_least or not (not self.needs or set(self.needs) & set(contract.ids)):
            return False
        if self.name == RECENT:
            return extras.half_life_days is not None
        if self.name == MONOTONE:
            return any(extras.directions.get(name, 0) for name in contract.ids if name not in contract.categories)
        return self.name != TUNED or (extras.tuning is not None and extras.tuning.trials > 0)


def rounds_for(factor: float, rows: int) -> int:
    """Return the number of boosting rounds for so many rows.

    Examples
    --------
    >>> rounds_for(0.4, 10_000), rounds_for(0.1, 100)
    (40, 10)
    """
    return int(np.clip(round(factor * rows**0.5), 10, 400))


def row_weights(days: DayArray, half_life_days: float) -> FloatArray:
    """Return the weight of each row: 1 for the newest day, half for every half-life before it.

    They are not scaled up to a mean of 1: what is forgotten is not there, and shrinkage is as strong against the rest
    as it is in a shorter history.

    Examples
    --------
    >>> row_weights(np.array(["2025-01-01", "2025-06-30", "2025-12-27"], "datetime64[D]"), 180.0).tolist()
    [0.25, 0.5, 1.0]
    """
    age = (days.max() - days).astype("timedelta64[D]").astype(np.float64)
    return np.asarray(0.5 ** (age / half_life_days))


def boosting_path(fitting: Fitting, factors: Sequence[float], later: Encoded, **how: Any) -> dict[float, FloatArray]:
    """Return the margins of later rows for each factor of rounds, all from the one fit with most rounds."""
    model = fitting.boost(max(factors), **how) if how else fitting.plain(max(factors))
    counts = {factor: rounds_for(factor, len(fitting.thin.y)) for factor in factors}
    staged = model.staged_margins(later, sorted(set(counts.values())))
    return {factor: staged[count] for factor, count in counts.items()}


def _rfm(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    return fit_logistic_path(fitting.rows.encoded, fitting.rows.y, RFM_FEATURES, shrinkages=values)


def _all_numbers(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    numbers = [column.id for column in fitting.contract.columns if column.kind == "number"]
    thin = fitting.rows.thinned(min(fitting.max_rows, LOGISTIC_ALL_ROWS))
    return fit_logistic_path(thin.encoded, thin.y, numbers, shrinkages=values)


def _boosted(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    return {value: fitting.plain(value) for value in values}


def _monotone(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    directions = fitting.extras.directions
    return {value: fitting.boost(value, directions=directions, parameters=_MONOTONE) for value in values}


def _recent(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    assert fitting.extras.half_life_days is not None
    weights = row_weights(fitting.thin.days, fitting.extras.half_life_days)
    return {value: fitting.boost(value, weights=weights) for value in values}


def _bagged(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    seeds = BAG_SEEDS if fitting.cells < ONE_THREAD_CELLS else BAG_SEEDS_OF_MANY_ROWS
    return {value: Average(tuple(fitting.plain(value, seed_offset=k) for k in range(seeds))) for value in values}


def tuned_how(parameters: Mapping[str, Any], directions: Mapping[str, int]) -> dict[str, Any]:
    """Return the arguments of `Fitting.boost` for parameters found by tuning."""
    found = dict(parameters)
    if not found.pop("monotone", False):
        return {"parameters": found}
    return {"parameters": {**found, **_MONOTONE}, "directions": directions}


def _tuned(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    how = tuned_how(fitting.tuned, fitting.extras.directions)
    return {value: fitting.boost(value, **how) for value in values}


def _never(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
    raise AssertionError("an average is made of its members")


def _declare(name: str, kind: Any, rung: RungName, fit: Fit, **more: Any) -> Candidate:
    return Candidate(name, kind, rung, fit, at_least=rung_of(rung).at_least, **more)


DECLARED: tuple[Candidate, ...] = (
    _declare(AVERAGE, "average", "boosting", _never, members=(LIGHTGBM, LOGISTIC), needs=RFM_FEATURES),
    _declare(LOGISTIC, "logistic", "logistic", _rfm, setting="shrinkage", grid=SHRINKAGE, needs=RFM_FEATURES),
    # the directions' trees and the bag take the rounds that the folds chose for the plain trees
    _declare(MONOTONE, "lightgbm", "boosting", _monotone, setting="rounds_per_root_row"),
    _declare(
        LIGHTGBM,
        "lightgbm",
        "boosting",
        _boosted,
        path=boosting_path,
        setting="rounds_per_root_row",
        grid=ROUNDS_PER_ROOT_ROW,
    ),
    _declare(BAG, "average", "boosting", _bagged, setting="rounds_per_root_row"),
    _declare(LOGISTIC_ALL, "logistic", "logistic", _all_numbers, setting="shrinkage_all", grid=STRONG_SHRINKAGE),
    _declare(AVERAGE_ALL, "average", "boosting", _never, members=(LIGHTGBM, LOGISTIC_ALL)),
    # it throws rows away: only where that is seen to help beyond noise
    _declare(RECENT, "lightgbm", "boosting", _recent, setting="rounds_per_root_row"),
    _declare(TUNED, "lightgbm", "boosting", _tuned, setting="rounds_tuned"),
)
"""The package's own candidates, from robust to rich: of those the folds cannot tell apart, the first is taken."""


def with_own(own: Sequence[OwnCandidate]) -> dict[str, Candidate]:
    """Return all candidates by name, own ones last."""
    return {c.name: c for c in (*DECLARED, *(_as_candidate(one) for one in own))}


def _as_candidate(own: OwnCandidate) -> Candidate:
    def fit(fitting: Fitting, values: Sequence[float]) -> Mapping[float, Scorer]:
        thin = fitting.rows.thinned(min(fitting.max_rows, FOLD_ROWS))
        scorer = fit_own(own, thin.encoded, thin.y, fitting.contract, seed=fitting.seed)
        return dict.fromkeys(values, scorer)

    needs = own.features or ()
    return Candidate(own.name, "own", "boosting", fit, needs=needs, at_least=own.at_least, servable=False)


_ADDED: list[OwnCandidate] = []


def add_candidate(
    name: str, estimator: Any, features: Sequence[str] | None = None, *, at_least: int | None = None
) -> tuple[OwnCandidate, ...]:
    """Let an own scikit-learn classifier take part in every training of this process; return all own candidates.

    It is cloned and fitted on the same folds and rows as the others (at most 40,000 rows), gets a matrix of number
    features in which a missing value is the median of the training rows, and ``random_state`` where that is None. It
    stands in all tables. It cannot serve: a bundle holds no pickle (decision 0004), so what serves is the best of the
    package's own candidates, and a finding says so. One of the same name is replaced.

    Parameters
    ----------
    name : str
        Lower-case ASCII letters, digits and underscores; not the name of a built-in candidate or rule.
    estimator : object
        Unfitted, with ``fit``, ``predict_proba`` and ``get_params``.
    features : sequence of str, optional
        Ids of number features; default: all.
    at_least : int, optional
        Churned customers, and retained ones, from which it is tried; default: as boosting, 40.

    Raises
    ------
    UsageError
        If the name is taken or malformed, or the estimator is not an unfitted classifier.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> [own.name for own in add_candidate("my_forest", RandomForestClassifier(min_samples_leaf=20))]
    ['my_forest']
    >>> remove_candidate("my_forest")
    """
    if name in {*RULES, *LEAD_RULES, *(c.name for c in DECLARED)}:
        raise UsageError(
            f"{name} is the name of a built-in candidate or rule", remedy="Choose another name.", code="bad_candidate"
        )
    added = own_candidate(name, estimator, features=features, at_least=at_least)
    _ADDED[:] = [*(own for own in _ADDED if own.name != name), added]
    return tuple(_ADDED)


def remove_candidate(name: str) -> None:
    """Take an own candidate out again; nothing happens if it is not there."""
    _ADDED[:] = [own for own in _ADDED if own.name != name]


def added_candidates() -> tuple[OwnCandidate, ...]:
    """Return the own candidates of this process."""
    return tuple(_ADDED)
