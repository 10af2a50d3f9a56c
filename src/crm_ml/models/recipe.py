"""Candidates and how they are fitted, tuned and tried on rolling out-of-time folds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.models.boosting import Boosting, fit_boosting
from crm_ml.models.calibration import fit_calibration
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.dataset import BoolArray, DayArray, Fold, thin_days
from crm_ml.models.evaluation.metrics import auc, log_loss
from crm_ml.models.logistic import RFM_FEATURES, SHRINKAGE, fit_logistic
from crm_ml.models.rules import RULES, fit_rule, rule_needs
from crm_ml.models.scorer import Average, Scorer

LOGISTIC, LIGHTGBM, AVERAGE = "logistic", "lightgbm", "average"
CANDIDATES = (LOGISTIC, LIGHTGBM, AVERAGE)
# distinct customers that churned and that stayed, below which a kind of model is not tried (a step down: boosting needs
# what commercial tools ask for, 40 + 40; a few shrunken coefficients half of that; calibrating a rule a quarter)
MIN_CUSTOMERS = {LIGHTGBM: 40, AVERAGE: 40, LOGISTIC: 20, "rule": 10}
CUSTOMER_FOLDS = 5
# below so many cells a second thread gains nothing
ONE_THREAD_CELLS = 2_000_000
# enough to choose rounds and to calibrate by; the models that serve get more
FOLD_ROWS = 40_000
# the best number of rounds grows with the rows, about as their square root (measured on two firms from 24,000 to 74,000
# rows): so the factor is chosen on the folds, and each fit gets the rounds of its own size
ROUNDS_PER_ROOT_ROW = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Recipe:
    """What was chosen on the folds and is used again for every refit."""

    rounds_per_root_row: float = 0.4
    shrinkage: float = 0.01

    def rounds(self, rows: int) -> int:
        """Return the number of boosting rounds for so many rows.

        Examples
        --------
        >>> Recipe(rounds_per_root_row=0.4).rounds(10_000), Recipe(rounds_per_root_row=0.1).rounds(100)
        (40, 10)
        """
        return int(np.clip(round(self.rounds_per_root_row * rows**0.5), 10, 400))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Rows:
    """Encoded rows with what is known about them, in sorted order."""

    encoded: Encoded
    y: BoolArray
    days: DayArray
    customers: NDArray[np.object_]

    def take(self, rows: BoolArray) -> Rows:
        """Return the chosen rows."""
        return Rows({k: v[rows] for k, v in self.encoded.items()}, self.y[rows], self.days[rows], self.customers[rows])

    def on(self, days: Sequence[dt.date]) -> BoolArray:
        """Return which rows belong to the given snapshot days."""
        return np.isin(self.days, np.array(sorted(days), dtype="datetime64[D]"))

    def thinned(self, max_rows: int) -> Rows:
        """Return the rows of the snapshots kept by `thin_days`."""
        if len(self.y) <= max_rows:
            return self
        days, counts = np.unique(self.days, return_counts=True)
        per_day = {d.astype(object): int(n) for d, n in zip(days, counts, strict=True)}
        return self.take(self.on(sorted(thin_days(per_day, max_rows=max_rows))))


@dataclass(frozen=True)
class OutOfTime:
    """Predictions of rows by models that were fitted before them; `rows` are positions in the rows given."""

    rows: NDArray[np.int64]
    fold: NDArray[np.int64]
    margins: dict[str, FloatArray]


def customers_per_class(y: BoolArray, customers: NDArray[np.object_]) -> tuple[int, int]:
    """Return the number of distinct customers with a churned row and with a retained row.

    Examples
    --------
    >>> customers_per_class(np.array([True, False, True]), np.array(["a", "a", "b"], dtype=object))
    (2, 1)
    """
    return len(set(customers[y].tolist())), len(set(customers[~y].tolist()))


def available_rules(contract: ColumnContract) -> tuple[str, ...]:
    """Return the rules whose columns are there."""
    return tuple(name for name in RULES if set(rule_needs(name)) <= set(contract.ids))


def usable_candidates(y: BoolArray, customers: NDArray[np.object_], contract: ColumnContract) -> tuple[str, ...]:
    """Return the candidates that the number of churned and retained customers allows."""
    fewer = min(customers_per_class(y, customers))
    rfm = any(name in contract.ids for name in RFM_FEATURES)
    needed = {LOGISTIC: rfm, LIGHTGBM: True, AVERAGE: rfm}
    return tuple(name for name in CANDIDATES if needed[name] and fewer >= MIN_CUSTOMERS[name])


def fit_scorer(
    name: str, rows: Rows, contract: ColumnContract, recipe: Recipe, *, seed: int, threads: int, max_rows: int
) -> Scorer:
    """Fit one candidate or rule by name."""
    if name in RULES:
        return fit_rule(name, rows.encoded, newest=(rows.days == rows.days.max()).astype(np.float64))
    if name == LOGISTIC:
        return fit_logistic(rows.encoded, rows.y, RFM_FEATURES, shrinkage=recipe.shrinkage)
    if name == LIGHTGBM:
        thin = rows.thinned(max_rows)
        used = threads if len(thin.y) * len(contract.columns) >= ONE_THREAD_CELLS else 1
        rounds = recipe.rounds(len(thin.y))
        return fit_boosting(thin.encoded, thin.y, contract, rounds=rounds, seed=seed, threads=used)
    parts = [
        fit_scorer(part, rows, contract, recipe, seed=seed, threads=threads, max_rows=max_rows)
        for part in (LIGHTGBM, LOGISTIC)
    ]
    return Average(tuple(parts))


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
    """Fit several, each member of an average once."""
    fitted: dict[str, Scorer] = {}
    for name in names:
        if name == AVERAGE and LIGHTGBM in fitted and LOGISTIC in fitted:
            fitted[name] = Average((fitted[LIGHTGBM], fitted[LOGISTIC]))
        else:
            fitted[name] = fit_scorer(name, rows, contract, recipe, seed=seed, threads=threads, max_rows=max_rows)
    return fitted


def sharpness(margin: FloatArray, y: BoolArray, fold: NDArray[np.int64]) -> float:
    """Return the mean log loss after a sigmoid fitted to each fold itself: lower is better.

    The fold's own sigmoid takes away the level, which moves with the season for every candidate alike, so what is
    compared is how well churners are told from stayers.
    """
    total = 0.0
    for one in np.unique(fold):
        here = fold == one
        p = fit_calibration(margin[here], y[here]).probability(margin[here])
        total += float(log_loss(y[here], p)) * int(here.sum())
    return total / len(y)


def fold_auc(margin: FloatArray, y: BoolArray, fold: NDArray[np.int64]) -> float:
    """Return the mean AUC of the folds that hold both classes, weighted by rows."""
    parts = [(float(auc(y[fold == one], margin[fold == one])), int((fold == one).sum())) for one in np.unique(fold)]
    finite = [(value, rows) for value, rows in parts if np.isfinite(value)]
    return sum(v * n for v, n in finite) / sum(n for _, n in finite) if finite else float("nan")


def fold_masks(rows: Rows, folds: Sequence[Fold]) -> tuple[list[tuple[BoolArray, BoolArray]], bool]:
    """Return (fit, validation) masks, and whether they are out of time.

    Rolling folds whose fit part holds too few churned or retained customers are left out. If none remains, customers
    are dealt into five groups instead: honest about customers, but not about time.
    """
    masks = []
    for fold in folds:
        fit, validation = rows.on(fold.fit), rows.on(fold.validation)
        if min(customers_per_class(rows.y[fit], rows.customers[fit])) >= MIN_CUSTOMERS["rule"] and validation.any():
            masks.append((fit, validation))
    if masks and min(customers_per_class(*_joined(rows, masks))) >= MIN_CUSTOMERS["rule"]:
        return masks, True
    _, index = np.unique(rows.customers, return_inverse=True)
    group = index % CUSTOMER_FOLDS
    return [(group != k, group == k) for k in range(CUSTOMER_FOLDS)], False


def _joined(rows: Rows, masks: Sequence[tuple[BoolArray, BoolArray]]) -> tuple[BoolArray, NDArray[np.object_]]:
    seen = np.logical_or.reduce([validation for _, validation in masks])
    return rows.y[seen], rows.customers[seen]


def roll(
    rows: Rows,
    masks: Sequence[tuple[BoolArray, BoolArray]],
    contract: ColumnContract,
    candidates: Sequence[str],
    rules: Sequence[str],
    *,
    seed: int,
    threads: int,
    max_rows: int,
    progress: Progress,
) -> tuple[OutOfTime, Recipe]:
    """Predict every validation row by what was fitted on its fold, and choose rounds and shrinkage by that."""
    places = [np.flatnonzero(validation) for _, validation in masks]
    staged: dict[float, list[FloatArray]] = {factor: [] for factor in ROUNDS_PER_ROOT_ROW}
    shrunk: dict[float, list[FloatArray]] = {c: [] for c in SHRINKAGE}
    ruled: dict[str, list[FloatArray]] = {name: [] for name in rules}
    for k, (fit, validation) in enumerate(masks):
        progress(f"fold {k + 1} of {len(masks)}", k / len(masks))
        past, later = rows.take(fit), rows.take(validation)
        for name in rules:
            rule = fit_scorer(name, past, contract, Recipe(), seed=seed, threads=threads, max_rows=max_rows)
            ruled[name].append(rule.margin(later.encoded))
        if LOGISTIC in candidates:
            for c in SHRINKAGE:
                shrunk[c].append(fit_logistic(past.encoded, past.y, RFM_FEATURES, shrinkage=c).margin(later.encoded))
        if LIGHTGBM in candidates:
            past = past.thinned(min(max_rows, FOLD_ROWS))
            most = Recipe(rounds_per_root_row=max(ROUNDS_PER_ROOT_ROW))
            model = fit_scorer(LIGHTGBM, past, contract, most, seed=seed, threads=threads, max_rows=max_rows)
            if isinstance(model, Boosting):
                counts = {factor: Recipe(factor).rounds(len(past.y)) for factor in ROUNDS_PER_ROOT_ROW}
                margins_at = model.staged_margins(later.encoded, sorted(set(counts.values())))
                for factor, count in counts.items():
                    staged[factor].append(margins_at[count])
    at = np.concatenate(places)
    fold = np.repeat(np.arange(len(places)), [len(p) for p in places])
    y = rows.y[at]
    margins = {name: np.concatenate(parts) for name, parts in ruled.items()}
    recipe = Recipe()
    if LOGISTIC in candidates:
        by_c = {c: np.concatenate(parts) for c, parts in shrunk.items()}
        shrinkage = min(by_c, key=lambda c: (sharpness(by_c[c], y, fold), c))
        recipe, margins[LOGISTIC] = Recipe(recipe.rounds_per_root_row, shrinkage), by_c[shrinkage]
    if LIGHTGBM in candidates:
        by_factor = {factor: np.concatenate(parts) for factor, parts in staged.items()}
        factor = min(by_factor, key=lambda f: (sharpness(by_factor[f], y, fold), f))
        recipe, margins[LIGHTGBM] = Recipe(factor, recipe.shrinkage), by_factor[factor]
    if AVERAGE in candidates:
        margins[AVERAGE] = (margins[LIGHTGBM] + margins[LOGISTIC]) / 2
    return OutOfTime(at, fold, margins), recipe
