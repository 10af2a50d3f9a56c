"""How candidates are fitted, and tried and chosen on rolling out-of-time folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.costs import FIT
from crm_ml.errors import Finding
from crm_ml.models.candidates import (
    AVERAGE,
    AVERAGE_ALL,
    BAG,
    FOLD_ROWS,
    LIGHTGBM,
    LOGISTIC,
    LOGISTIC_ALL,
    MONOTONE,
    ROUNDS_PER_ROOT_ROW,
    TUNED,
    Candidate,
    Extras,
    Fitting,
    boosting_path,
    rounds_for,
    tuned_how,
    with_own,
)
from crm_ml.models.columns import ColumnContract, FloatArray
from crm_ml.models.dataset import BoolArray
from crm_ml.models.folds import fold_auc, fold_masks, fold_row_losses, sharpness, simplest_of_best
from crm_ml.models.ladder import Reached, climb
from crm_ml.models.rows import OutOfTime, Rows, customers_per_class
from crm_ml.models.rules import P_ALIVE
from crm_ml.models.scorer import Average, Scorer
from crm_ml.models.tuning import FoldRows, Tuned, data_key, tune

__all__ = [
    "AVERAGE",
    "AVERAGE_ALL",
    "BAG",
    "LIGHTGBM",
    "LOGISTIC",
    "LOGISTIC_ALL",
    "MONOTONE",
    "TUNED",
    "Extras",
    "OutOfTime",
    "Progress",
    "Recipe",
    "Rows",
    "customers_per_class",
    "fit_all",
    "fit_scorer",
    "fold_auc",
    "fold_masks",
    "order_of",
    "reached_rung",
    "roll",
    "sharpness",
    "usable_candidates",
]

Progress = Callable[[str, float], None]
Masks = Sequence[tuple[BoolArray, BoolArray]]


@dataclass(frozen=True)
class Recipe:
    """What was chosen on the folds and is used again for every refit.

    Attributes
    ----------
    rounds_per_root_row : float
        Boosting rounds per square root of rows, of all boosted candidates but the tuned one.
    shrinkage, shrinkage_all : float
        ``C`` of the logistic regressions over RFM columns and over all numbers.
    tuned : Tuned, optional
        What tuning came to.
    extras : Extras
        Directions and own candidates that the fits need.
    """

    rounds_per_root_row: float = 0.4
    shrinkage: float = 0.01
    shrinkage_all: float = 0.003
    tuned: Tuned | None = None
    extras: Extras = field(default_factory=Extras, compare=False)

    def value(self, candidate: Candidate) -> float:
        """Return the chosen value of a candidate's setting; 0 where it has none."""
        if candidate.name == TUNED:
            return self.tuned.rounds_per_root_row if self.tuned else self.rounds_per_root_row
        return float(getattr(self, candidate.setting)) if candidate.setting else 0.0

    def with_value(self, candidate: Candidate, value: float) -> Recipe:
        """Return the recipe with another value of a candidate's setting."""
        changed: dict[str, Any] = {candidate.setting: value}
        return replace(self, **changed)

    def rounds(self, rows: int) -> int:
        """Return the number of boosting rounds for so many rows.

        Examples
        --------
        >>> Recipe(rounds_per_root_row=0.4).rounds(10_000), Recipe(rounds_per_root_row=0.1).rounds(100)
        (40, 10)
        """
        return rounds_for(self.rounds_per_root_row, rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values.

        Examples
        --------
        >>> Recipe(0.3, 0.1, 0.0001).as_dict()
        {'rounds_per_root_row': 0.3, 'shrinkage': 0.1, 'shrinkage_all': 0.0001}
        """
        plain = asdict(replace(self, tuned=None, extras=Extras()))
        del plain["tuned"], plain["extras"]
        return plain | (self.tuned.as_dict() if self.tuned else {})

    def findings(self) -> list[Finding]:
        """Return what the search for it has to tell."""
        return [self.tuned.finding()] if self.tuned else []


def usable_candidates(
    y: BoolArray, customers: NDArray[np.object_], contract: ColumnContract, extras: Extras | None = None
) -> tuple[str, ...]:
    """Return the candidates that the ladder, the columns and what was asked for allow."""
    extras = extras or Extras()
    fewer = min(customers_per_class(y, customers))
    return tuple(c.name for c in with_own(extras.own).values() if c.usable(fewer, contract, extras))


def reached_rung(
    y: BoolArray, customers: NDArray[np.object_], candidates: Sequence[str], rules: Sequence[str], extras: Extras
) -> Reached:
    """Return how far up the ladder the rows reach, given what could be tried."""
    known = with_own(extras.own)
    rungs = [known[name].rung for name in candidates if known[name].servable]
    churned, retained = customers_per_class(y, customers)
    return climb(churned, retained, [*("p_alive" if r == P_ALIVE else "rule" for r in rules), *rungs])


def fit_scorer(
    name: str, rows: Rows, contract: ColumnContract, recipe: Recipe, *, seed: int, threads: int, max_rows: int
) -> Scorer:
    """Fit one candidate or rule by name."""
    return fit_all([name], rows, contract, recipe, seed=seed, threads=threads, max_rows=max_rows)[name]


def fit_all(
    names: Sequence[str],
    rows: Rows,
    contract: ColumnContract,
    recipe: Recipe,
    *,
    seed: int,
    threads: int,
    max_rows: int,
) -> dict[str, Scorer]:
    """Fit several, with thinned rows, bins and members of averages made once."""
    fitting = _fitting(rows, contract, recipe, seed=seed, threads=threads, max_rows=max_rows)
    known, fitted = with_own(recipe.extras.own), dict[str, Scorer]()

    def fit(name: str) -> Scorer:
        if name not in fitted:
            with recipe.extras.stages.stage(FIT + name):
                fitted[name] = _fit_one(name, known, fitting, recipe, fit)
        return fitted[name]

    return {name: fit(name) for name in names}


def _fitting(
    rows: Rows, contract: ColumnContract, recipe: Recipe, *, seed: int, threads: int, max_rows: int
) -> Fitting:
    found = recipe.tuned.parameters if recipe.tuned else {}
    return Fitting(rows, contract, seed, threads, max_rows, recipe.extras, found)


def _fit_one(
    name: str, known: Mapping[str, Candidate], fitting: Fitting, recipe: Recipe, fit: Callable[[str], Scorer]
) -> Scorer:
    if name in fitting.extras.rules.names:
        return fitting.extras.rules.fit(name, fitting.rows, fitting.contract)
    candidate = known[name]
    if candidate.members:
        return Average(tuple(fit(member) for member in candidate.members))
    if name == TUNED and not (recipe.tuned and recipe.tuned.found):
        return fit(LIGHTGBM)
    value = recipe.value(candidate)
    return candidate.fit(fitting, (value,))[value]


def roll(
    rows: Rows,
    masks: Masks,
    contract: ColumnContract,
    candidates: Sequence[str],
    rules: Sequence[str],
    *,
    seed: int,
    threads: int,
    max_rows: int,
    progress: Progress,
    extras: Extras | None = None,
) -> tuple[OutOfTime, Recipe]:
    """Predict every validation row by what was fitted on its fold, and choose each candidate's setting by that.

    The folds are gone through twice: first for rules, own candidates and those with a grid, then for those that take
    over what was chosen for another.
    """
    extras = extras or Extras()
    known = with_own(extras.own)
    chosen = [known[name] for name in candidates if not known[name].members]
    recipe = Recipe(extras=extras)
    rolled = _Rolled(rows, masks, contract, seed, threads, max_rows, recipe, progress)
    first = [c for c in chosen if c.grid or not c.setting]
    followers = [c for c in chosen if c not in first and c.name != TUNED]
    found = rolled.predict(rules, {c: c.grid or (0.0,) for c in first}, share=(0.0, 0.6))
    margins = {name: _joined(found[name, 0.0]) for name in rules}
    for candidate in first:
        value = rolled.best(candidate, found)
        margins[candidate.name] = _joined(found[candidate.name, value])
        if candidate.setting:
            recipe = recipe.with_value(candidate, value)
    found = rolled.predict((), {c: (recipe.value(c),) for c in followers}, share=(0.6, 0.9))
    margins |= {c.name: _joined(found[c.name, recipe.value(c)]) for c in followers}
    if TUNED in candidates and extras.tuning is not None:
        with extras.stages.stage(FIT + TUNED):
            recipe, margins[TUNED] = rolled.tune(recipe, margins[LIGHTGBM])
    for candidate in (known[name] for name in candidates if known[name].members):
        parts = [margins[member] for member in candidate.members]
        margins[candidate.name] = sum(parts[1:], parts[0]) / len(parts)
    return OutOfTime(rolled.at, rolled.fold, {name: margins[name] for name in (*rules, *candidates)}), recipe


def order_of(names: Sequence[str], inner: OutOfTime, y: BoolArray, customers: NDArray[np.object_]) -> list[str]:
    """Return candidates in the order in which they are considered, given what happened in the rows predicted.

    First the simplest of the best (`simplest_of_best`; names stand from robust to rich), then the others by loss.
    """
    if not names:
        return []
    losses = {name: fold_row_losses(inner.margins[name], y, inner.fold) for name in names}
    first = simplest_of_best(losses, customers)
    return sorted(names, key=lambda name: (name != first, float(losses[name].mean())))


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Rolled:
    """The folds, and what was fitted on them that several passes share."""

    rows: Rows
    masks: Masks
    contract: ColumnContract
    seed: int
    threads: int
    max_rows: int
    recipe: Recipe
    progress: Progress
    _kept: dict[int, Fitting] = field(default_factory=dict)

    @property
    def places(self) -> list[NDArray[np.int64]]:
        """Positions of each fold's validation rows."""
        return [np.flatnonzero(validation) for _, validation in self.masks]

    @property
    def at(self) -> NDArray[np.int64]:
        """Positions of all validation rows, fold by fold."""
        return np.concatenate(self.places)

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each validation row."""
        return np.repeat(np.arange(len(self.masks)), [len(place) for place in self.places])

    def _fitting(self, rows: Rows, max_rows: int) -> Fitting:
        how = {"seed": self.seed, "threads": self.threads, "max_rows": max_rows}
        return _fitting(rows, self.contract, self.recipe, **how)

    def boosted(self, k: int) -> Fitting:
        """Return the thinned rows of a fold, binned once for all passes."""
        if k not in self._kept:
            most = min(self.max_rows, FOLD_ROWS)
            self._kept[k] = self._fitting(self.rows.take(self.masks[k][0]).thinned(most), most)
        return self._kept[k]

    def predict(
        self, rules: Sequence[str], grids: Mapping[Candidate, Sequence[float]], *, share: tuple[float, float]
    ) -> dict[tuple[str, float], list[FloatArray]]:
        """Return the margins of each fold's validation rows, by name and value."""
        found: dict[tuple[str, float], list[FloatArray]] = {}
        stages = self.recipe.extras.stages
        if not rules and not grids:
            return found
        for k, (fit, validation) in enumerate(self.masks):
            self.progress(f"fold {k + 1} of {len(self.masks)}", share[0] + (share[1] - share[0]) * k / len(self.masks))
            later = self.rows.take(validation).encoded
            if rules or any(candidate.rung != "boosting" for candidate in grids):
                whole = self._fitting(self.rows.take(fit), self.max_rows)
            for name in rules:
                with stages.stage(FIT + name):
                    rule = whole.extras.rules.fit(name, whole.rows, whole.contract)
                    found.setdefault((name, 0.0), []).append(rule.margin(later))
            for candidate, grid in grids.items():
                fitting = self.boosted(k) if candidate.rung == "boosting" else whole
                with stages.stage(FIT + candidate.name):
                    for value, margin in candidate.margins(fitting, grid, later).items():
                        found.setdefault((candidate.name, value), []).append(margin)
        return found

    def best(self, candidate: Candidate, found: Mapping[tuple[str, float], list[FloatArray]]) -> float:
        """Return the value of the least loss; of equal ones the smallest."""
        if not candidate.grid:
            return 0.0
        y, fold = self.rows.y[self.at], self.fold
        losses = {value: sharpness(_joined(found[candidate.name, value]), y, fold) for value in candidate.grid}
        return min(losses, key=lambda value: (losses[value], value))

    def _settings(self, directions: Mapping[str, int]) -> str:
        signs = {name: directions[name] for name in self.contract.ids if directions.get(name, 0)}
        return f"seed {self.seed}, at most {min(self.max_rows, FOLD_ROWS)} rows, directions {sorted(signs.items())}"

    def tune(self, recipe: Recipe, default: FloatArray) -> tuple[Recipe, FloatArray]:
        """Search for boosting's parameters on the folds; return the recipe with them, and their margins."""
        tuning, directions = recipe.extras.tuning, recipe.extras.directions
        assert tuning is not None
        places, later = self.places, {}
        for k, place in enumerate(places):
            later[k] = {name: values[place] for name, values in self.rows.encoded.items()}

        def fit_fold(k: int, parameters: Mapping[str, Any]) -> Mapping[float, FloatArray]:
            how = tuned_how(parameters, directions)
            return boosting_path(self.boosted(k), ROUNDS_PER_ROOT_ROW, later[k], **how)

        def tell(done: int) -> None:
            self.progress(f"trial {done + 1} of {tuning.trials}", 0.9 + 0.1 * done / tuning.trials)

        tuned = tune(
            fit_fold,
            [FoldRows(self.rows.y[place], self.rows.customers[place]) for place in places],
            np.split(default, np.cumsum([len(place) for place in places])[:-1]),
            tuning,
            factor=recipe.rounds_per_root_row,
            monotone=any(directions.get(name, 0) for name in self.contract.ids),
            seed=self.seed,
            key=data_key(self.rows.encoded, self.rows.y, self.masks, settings=self._settings(directions)),
            progress=lambda done: self.progress(
                f"trial {done + 1} of {tuning.trials}", 0.9 + 0.1 * done / tuning.trials
            ),
        )
        margins = default
        if tuned.found:
            factor = tuned.rounds_per_root_row
            margins = _joined([fit_fold(k, tuned.parameters)[factor] for k in range(len(places))])
        return replace(recipe, tuned=tuned), margins
