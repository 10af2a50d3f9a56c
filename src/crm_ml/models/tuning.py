"""Tuning of boosting's parameters with Optuna: trials are counted, stored, resumable, and stopped where all is noise.

Every trial is drawn by a fresh TPE sampler (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization") whose
seed depends on the seed of the training and the number of trials finished before, and on nothing else. So a search that
was killed and taken up again draws what an unbroken one would have drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import DamagedArtefact, Finding, UsageError
from crm_ml.faults import crash_point
from crm_ml.models.boosting import PARAMETERS
from crm_ml.models.columns import Encoded, FloatArray
from crm_ml.models.dataset import BoolArray
from crm_ml.models.folds import gain_with_error, row_losses

SPACE_VERSION = 1
STARTUP_TRIALS = 10
"""Drawn at random before TPE begins."""
LEAST_TRIALS = 15
"""Finished before the search may be stopped for finding only noise."""
NOISE = 1.96
"""A gain counts when it is above so many of its standard errors."""
FitFold = Callable[[int, Mapping[str, Any]], Mapping[float, FloatArray]]


@dataclass(frozen=True)
class Tuning:
    """What is asked for.

    Attributes
    ----------
    trials : int
        Trials to finish, those of an earlier, broken run and the default's among them; 0: no tuning.
    storage : pathlib.Path, optional
        SQLite file that keeps finished trials; None: nothing is kept.
    max_minutes : float, optional
        No trial is begun later than so long after the first of this run. A search cut short by it is not repeatable,
        and says so.
    minutes : callable, optional
        Returns minutes on any clock that only moves forward; needed with `max_minutes`.
    """

    trials: int
    storage: Path | None = None
    max_minutes: float | None = None
    minutes: Callable[[], float] | None = field(default=None, compare=False)

    def over(self, begun: float) -> bool:
        """Return whether the cap of minutes is reached, counted from `begun`."""
        if self.max_minutes is None or self.minutes is None:
            return False
        return self.minutes() - begun >= self.max_minutes


@dataclass(frozen=True)
class Tuned:
    """What the search came to.

    Attributes
    ----------
    parameters : mapping
        LightGBM's parameters that differ from the default's, and ``monotone``; empty where the default stands.
    rounds_per_root_row : float
        The factor of rounds that goes with them.
    trials, pruned, asked : int
        Finished ones, those of them given up after some folds, and how many were asked for.
    gain, error : float
        Log loss won over the default on the folds, and its standard error over customers.
    stopped : {"trials", "noise", "minutes"}
        What ended the search.
    """

    parameters: Mapping[str, Any]
    rounds_per_root_row: float
    trials: int
    pruned: int
    asked: int
    gain: float
    error: float
    stopped: Literal["trials", "noise", "minutes"]

    @property
    def found(self) -> bool:
        """Whether the gain is above the noise, so that the parameters differ from the default's."""
        return bool(self.parameters)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values with flat names."""
        counts = {
            "tuning_trials": self.trials,
            "tuning_pruned": self.pruned,
            "tuning_asked": self.asked,
            "tuning_gain": self.gain,
            "tuning_error": self.error,
            "tuning_stopped": self.stopped,
        }
        return counts | {f"tuned_{name}": value for name, value in self.parameters.items()}

    def finding(self) -> Finding:
        """Return what the search came to, in a sentence."""
        ended = {
            "trials": "as many as asked for",
            "noise": f"of {self.asked}: it was stopped, since the best gain was noise",
            "minutes": f"of {self.asked}: the minutes were over, so another run may end differently",
        }[self.stopped]
        what = f"Tuning finished {self.trials} trials, {ended}. The best gains {self.gain:.5f} log loss on the folds"
        if self.found:
            text = f"{what}, more than {NOISE} standard errors of {self.error:.5f}: lightgbm_tuned uses it"
        else:
            text = f"{what}, not more than {NOISE} standard errors of {self.error:.5f}: the default parameters stand"
        severity: Literal["warning", "info"] = "warning" if self.stopped == "minutes" else "info"
        return Finding(severity, "tuning", text, "Nothing to do.", count=self.trials)


@dataclass(frozen=True)
class FoldRows:
    """What happened in the validation rows of a fold, and whose rows they are."""

    y: BoolArray
    customers: NDArray[np.object_]


def data_key(encoded: Encoded, y: BoolArray, masks: Sequence[tuple[BoolArray, BoolArray]], *, settings: str) -> str:
    """Return the name under which trials on exactly these rows, folds and settings are kept.

    Examples
    --------
    >>> y, all_rows = np.array([True, False]), np.array([True, True])
    >>> keys = {data_key({"x": np.array([1.0, x])}, y, [(all_rows, all_rows)], settings="") for x in (2.0, 3.0)}
    >>> len(keys)
    2
    """
    digest = hashlib.sha256(f"space {SPACE_VERSION}, {settings}\n".encode())
    for name in encoded:
        digest.update(name.encode() + b"\n")
        digest.update(np.ascontiguousarray(encoded[name]).tobytes())
    for mask in (y, *(part for masks_of_fold in masks for part in masks_of_fold)):
        digest.update(np.ascontiguousarray(mask).tobytes())
    return digest.hexdigest()


def tune(
    fit_fold: FitFold,
    folds: Sequence[FoldRows],
    default: Sequence[FloatArray],
    tuning: Tuning,
    *,
    factor: float,
    monotone: bool,
    seed: int,
    key: str,
    progress: Callable[[int], None] = lambda done: None,
) -> Tuned:
    """Search for parameters that beat the default on the folds.

    The loss of a trial is the mean log loss after each fold's own sigmoid (as candidates are compared by), at the best
    factor of rounds. Trials worse than the median of the earlier ones after the same folds are given up
    (`optuna.pruners.MedianPruner`). Trial 0 is the default and costs nothing. From `LEAST_TRIALS` finished trials on,
    the search stops where the best gain is not above `NOISE` of its standard errors; then the default stands.

    Parameters
    ----------
    fit_fold : callable
        From the position of a fold and parameters to the margins of its validation rows, for each factor of rounds.
    folds : sequence of FoldRows
        What happened.
    default : sequence of numpy.ndarray
        Margins of the default's parameters, one array per fold.
    tuning : Tuning
        What is asked for.
    factor : float
        The default's factor of rounds.
    monotone : bool
        Whether there are directions that trees could keep to.
    seed : int
        Of the draws.
    key : str
        What the trials belong to; trials stored under another key are left alone.
    progress : callable
        Called with the number of finished trials.

    Raises
    ------
    UsageError
        If Optuna is not installed.
    DamagedArtefact
        If the file of trials cannot be read.
    """
    search = _Search(fit_fold, folds, [row_losses(m, f.y) for m, f in zip(default, folds, strict=True)], factor)
    study = _study(tuning.storage, key)
    _forget_broken(study)
    begun = tuning.minutes() if tuning.minutes else 0.0
    stopped: Literal["trials", "noise", "minutes"] = "trials"
    while len(done := _finished(study)) < tuning.trials:
        progress(len(done))
        if len(done) >= LEAST_TRIALS and not _best(done[: tuning.trials])[1]:
            stopped = "noise"
            break
        if done and tuning.over(begun):
            stopped = "minutes"
            break
        search.run(study, len(done), monotone=monotone, seed=seed)
        crash_point("tuning.trial_finished")
    done = _finished(study)[: tuning.trials]
    best, beyond_noise = _best(done)
    gain, error = best.user_attrs["gain"], best.user_attrs["error"]
    return Tuned(
        parameters=dict(best.params) if beyond_noise else {},
        rounds_per_root_row=float(best.user_attrs["factor"]) if beyond_noise else factor,
        trials=len(done),
        pruned=sum(trial.state.name == "PRUNED" for trial in done),
        asked=tuning.trials,
        gain=float(gain),
        error=float(error),
        stopped=stopped,
    )


def _best(done: Sequence[Any]) -> tuple[Any, bool]:
    """Return the trial of the least loss (of equal ones the earliest), and whether its gain is above the noise."""
    whole = [trial for trial in done if trial.state.name == "COMPLETE"]
    best = min(whole, key=lambda trial: (trial.value, trial.number))
    gain, error = best.user_attrs["gain"], best.user_attrs["error"]
    return best, gain > NOISE * error and gain > 0


def _finished(study: Any) -> list[Any]:
    return sorted(
        (trial for trial in study.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "PRUNED")),
        key=lambda trial: trial.number,
    )


def _forget_broken(study: Any) -> None:
    """Mark trials as failed that a killed run began: the sampler leaves those out, and they are drawn again."""
    import optuna

    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _study(storage: Path | None, key: str) -> Any:
    try:
        import optuna
        from sqlalchemy.engine import URL
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise UsageError(
            f"Tuning needs Optuna, which is not installed ({error.name})",
            remedy="Install crm-ml[tuning], or set churn.tuning.trials to 0.",
            code="no_optuna",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0)
    if storage is None:
        return optuna.create_study(study_name=key, direction="minimize", pruner=pruner)
    url = URL.create("sqlite", database=str(storage)).render_as_string(hide_password=False)
    try:
        store = optuna.storages.RDBStorage(url)
        return optuna.create_study(
            study_name=key, storage=store, direction="minimize", pruner=pruner, load_if_exists=True
        )
    except (SQLAlchemyError, RuntimeError) as error:
        raise DamagedArtefact(
            f"The file of tuning trials {storage} must be a database of Optuna; found: {str(error).splitlines()[0]}",
            remedy="Remove it; the trials are then run again.",
        ) from error


@dataclass(frozen=True)
class _Search:
    fit_fold: FitFold
    folds: Sequence[FoldRows]
    default: Sequence[FloatArray]
    factor: float

    def run(self, study: Any, done: int, *, monotone: bool, seed: int) -> None:
        """Draw one trial, try it fold by fold, and store what came of it."""
        import optuna

        if done == 0:
            study.add_trial(self._default_trial(monotone=monotone))
            return
        state = int(np.random.SeedSequence([seed, done]).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(
            seed=state, n_startup_trials=STARTUP_TRIALS, multivariate=False, constant_liar=False
        )
        trial = study.ask(fixed_distributions=space(monotone=monotone))
        by_factor: dict[float, list[FloatArray]] = {}
        best, loss = self.factor, float("inf")
        for k, fold in enumerate(self.folds):
            for factor, margin in self.fit_fold(k, dict(trial.params)).items():
                by_factor.setdefault(factor, []).append(row_losses(margin, fold.y))
            means = {factor: float(np.concatenate(parts).mean()) for factor, parts in by_factor.items()}
            best = min(means, key=lambda f: (means[f], f))
            loss = means[best]
            trial.report(loss, k)
            crash_point("tuning.fold_reported")
            if k + 1 < len(self.folds) and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        customers = np.concatenate([fold.customers for fold in self.folds])
        gain, error = gain_with_error(np.concatenate(self.default), np.concatenate(by_factor[best]), customers)
        for name, value in (("factor", best), ("gain", gain), ("error", error)):
            trial.set_user_attr(name, value)
        study.tell(trial, loss)

    def _default_trial(self, *, monotone: bool) -> Any:
        import optuna

        means = [float(np.concatenate(self.default[: k + 1]).mean()) for k in range(len(self.default))]
        return optuna.trial.create_trial(
            params=default_point(monotone=monotone),
            distributions=space(monotone=monotone),
            value=means[-1],
            intermediate_values=dict(enumerate(means)),
            user_attrs={"factor": self.factor, "gain": 0.0, "error": 0.0},
        )


def default_point(*, monotone: bool) -> dict[str, Any]:
    """Return the default's parameters as a point of the space."""
    names = ("learning_rate", "num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction")
    return {name: PARAMETERS[name] for name in names} | ({"monotone": False} if monotone else {})


def space(*, monotone: bool) -> dict[str, Any]:
    """Return what is searched: how much trees can learn, how fast, and whether they keep to the directions."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {
        "learning_rate": FloatDistribution(0.03, 0.15, log=True),
        "num_leaves": IntDistribution(4, 63, log=True),
        "min_data_in_leaf": IntDistribution(10, 300, log=True),
        "lambda_l2": FloatDistribution(0.3, 100.0, log=True),
        "feature_fraction": FloatDistribution(0.2, 1.0),
    }
    return found | ({"monotone": CategoricalDistribution([False, True])} if monotone else {})
