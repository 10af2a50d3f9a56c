"""Training from a data set to a verdict: fold, choose, evaluate later, compare with the rules, refit on everything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from crm_ml.errors import Finding, HeldBack
from crm_ml.models.calibration import Calibration, calibrate
from crm_ml.models.candidates import Extras, with_own
from crm_ml.models.columns import FloatArray, learn_columns
from crm_ml.models.dataset import BoolArray, Dataset, DayArray, plan_split, rolling_folds
from crm_ml.models.evaluation.intervals import Evaluation, Interval, evaluate
from crm_ml.models.evaluation.metrics import brier, calibration_error
from crm_ml.models.gates import (
    CHANCE,
    better_but_not_servable,
    mature_rows,
    not_out_of_time,
    refusal,
    require_classes,
    short_history,
    stepped_down,
    suspicious_features,
)
from crm_ml.models.ladder import Reached
from crm_ml.models.model import Label, Model
from crm_ml.models.own import require_known
from crm_ml.models.recipe import (
    OutOfTime,
    Progress,
    Recipe,
    Rows,
    available_rules,
    fit_all,
    fit_scorer,
    fold_auc,
    fold_masks,
    order_of,
    reached_rung,
    roll,
    sharpness,
    usable_candidates,
)
from crm_ml.models.rules import ONE_COLUMN_RULES
from crm_ml.names import AS_OF, CUSTOMER_ID

LOOKS = 3
"""So many candidates are held against the rules; with more, noise would pass too often."""


@dataclass(frozen=True)
class Training:
    """What came out of a training; the metrics are those of the evaluation snapshots, before the refit.

    Attributes
    ----------
    verdict : {"champion", "refused"}
        ``refused`` when no candidate beats the best one-column rule; the model is then the calibrated best rule.
    model : Model
        Refitted on all mature snapshots.
    metrics : dict of Interval
        ``auc``, ``average_precision``, ``brier``, ``ece``, ``lift_at_capacity`` of what is in `model`.
    differences : dict of Interval
        AUC of `compared` minus AUC of each rule, paired.
    compared : str
        The candidate those differences are about: the chosen one, or the first choice when refused; empty without one.
    baselines : dict of float
        AUC of each rule on the evaluation snapshots.
    candidates : pandas.DataFrame
        One row per candidate and rule: inner log loss and AUC (folds), evaluation AUC with interval, what became of it.
    rung : Reached
        How far up the ladder for small data the candidates went, and why.
    snapshots, evaluated_on : list of datetime.date
        All mature snapshots (the refit), and the ones evaluated on; newest first.
    evaluation : pandas.DataFrame
        customer_id, as_of, y, margin, p of the evaluation rows, and ``margin_<name>`` of every candidate and rule.
    findings : tuple of Finding
        Warnings and notes, most severe first.
    """

    verdict: Literal["champion", "refused"]
    model: Model
    metrics: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    compared: str
    baselines: Mapping[str, float]
    candidates: pd.DataFrame
    train_rows: int
    train_events: int
    snapshots: list[dt.date]
    evaluated_on: list[dt.date]
    evaluation: pd.DataFrame
    recipe: Recipe
    rung: Reached
    findings: tuple[Finding, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        return self.model.kind

    def summary(self) -> dict[str, Any]:
        """Return JSON-ready values: what is printed, logged and kept in the bundle."""
        return {
            "verdict": self.verdict,
            "model_kind": self.model_kind,
            "metrics": {name: value.as_dict() for name, value in self.metrics.items()},
            "baselines": dict(self.baselines),
            "compared": self.compared,
            "differences": {name: value.as_dict() for name, value in self.differences.items()},
            "train_rows": self.train_rows,
            "train_events": self.train_events,
            "snapshots": [day.isoformat() for day in self.snapshots],
            "evaluated_on": [day.isoformat() for day in self.evaluated_on],
            "recipe": self.recipe.as_dict(),
            "rung": self.rung.as_dict(),
            "warnings": [finding.as_dict() for finding in self.findings if finding.severity == "warning"],
        }


@dataclass(frozen=True)
class _Settings:
    train_as_of: dt.date
    label_days: int
    seed: int
    capacity: float
    threads: int
    max_rows: int
    replicates: int
    folds: int
    extras: Extras


def train_churn(
    dataset: Dataset,
    *,
    train_as_of: dt.date,
    gap_days: int,
    horizon_days: int,
    every_days: int = 30,
    first_event: dt.date | None = None,
    seed: int = 1,
    capacity: float = 0.1,
    threads: int = 2,
    max_rows: int = 100_000,
    replicates: int = 400,
    folds: int = 4,
    extras: Extras | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train, evaluate and judge a churn model; pure: same inputs give the same result at any thread count.

    1. The newest one to three mature snapshots are the evaluation (`plan_split`).
    2. Candidates are fitted on the snapshots whose label windows end before it. Rounds, shrinkage, calibration and the
       choice among candidates come from rolling out-of-time folds inside those (`rolling_folds`).
    3. The chosen one must beat the best one-column rule on the evaluation: the lower end of the paired 95 % interval of
       the AUC difference lies above zero, and that of its own AUC above .5 (on noise a rule may fall below chance, and
       beating it then means nothing). If it does not, the next two are looked at in the order of the folds; the k-th
       look uses an interval of level 1 - 0.05 / k, since looking often finds something. Own candidates are compared,
       but never chosen: they have no form that can be stored.
    4. What won (else the best rule) is refitted on all mature snapshots with the same recipe; its calibration is fitted
       on all rolling out-of-time predictions, the evaluation's among them.

    Parameters
    ----------
    dataset : Dataset
        Rows of all snapshots; immature ones are left out and reported.
    train_as_of : datetime.date
        The day of training: nothing after it may have been used for a label.
    gap_days, horizon_days, every_days : int
        How labels and snapshots were made.
    first_event : datetime.date, optional
        First day of the history, for the warning about seasons; default: the oldest snapshot.
    capacity : float
        Share of customers that can be acted upon, for ``lift_at_capacity``.
    seed, replicates : int
        Of boosting and of the draws of customers; number of draws.
    threads : int
        At most so many for boosting; never changes the result.
    folds : int
        At most so many rolling folds.
    max_rows : int
        Boosting is fitted on at most about so many rows; older snapshots are thinned first.
    extras : Extras, optional
        Directions of features, own candidates, tuning.
    progress : callable, optional
        Called with (what, share done).

    Raises
    ------
    HeldBack
        One class only, too few churned or retained customers, no mature snapshot, too little history to evaluate, no
        rows, or no rule's columns.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    label_days, extras = gap_days + horizon_days, extras or Extras()
    settings = _Settings(train_as_of, label_days, seed, capacity, threads, max_rows, replicates, folds, extras)
    say = progress or (lambda what, share: None)
    # BLAS sums in another order with other thread counts; LightGBM's own threads stay
    with threadpool_limits(limits=1, user_api="blas"):
        outcome = _train(dataset, settings, Label(gap_days, horizon_days), first_event, say)
    parameters = {
        "train_as_of": train_as_of.isoformat(),
        "gap_days": gap_days,
        "horizon_days": horizon_days,
        "every_days": every_days,
        "seed": seed,
        "capacity": capacity,
        "max_rows": max_rows,
        "replicates": replicates,
        "folds": folds,
        "rung": outcome.rung.rung.name if outcome.rung.rung else "",
        **outcome.recipe.as_dict(),
    }
    return Training(**{**vars(outcome), "parameters": parameters})


def _train(dataset: Dataset, settings: _Settings, label: Label, first_event: dt.date | None, say: Progress) -> Training:
    data, findings = mature_rows(dataset, settings.train_as_of)
    split = plan_split(data.snapshots, label_days=settings.label_days)
    is_fit, is_evaluation = _on(data, split.fit), _on(data, split.evaluation)
    require_classes(data, is_fit, "the snapshots to fit on")
    require_classes(data, is_evaluation, "the evaluation snapshots", at_least=1)

    say("columns", 0.0)
    fit_frame = data.frame[is_fit]
    contract, _ = learn_columns(fit_frame, data.features, fit_frame[CUSTOMER_ID])
    rules = available_rules(contract)
    if not set(rules) & set(ONE_COLUMN_RULES):
        raise HeldBack(
            f"A model is compared with {' and '.join(ONE_COLUMN_RULES)}; neither feature has values",
            remedy="Keep the order features in the feature set.",
            code="no_rule",
        )
    encoded = contract.encode(data.frame)
    rows = Rows(encoded, data.y, data.days, data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object))
    fit_rows, evaluation_rows = rows.take(is_fit), rows.take(is_evaluation)
    for own in settings.extras.own:
        require_known(own, data.features)
    candidates = usable_candidates(fit_rows.y, fit_rows.customers, contract, settings.extras)
    rung = reached_rung(fit_rows.y, fit_rows.customers, candidates, rules, settings.extras)
    findings += stepped_down(rung, candidates) + suspicious_features(fit_rows, contract)

    masks, out_of_time = fold_masks(
        fit_rows, rolling_folds(split.fit, label_days=settings.label_days, folds=settings.folds)
    )
    if not out_of_time:
        findings.append(not_out_of_time(settings.label_days))
    inner, recipe = roll(
        fit_rows,
        masks,
        contract,
        candidates,
        rules,
        seed=settings.seed,
        threads=settings.threads,
        max_rows=settings.max_rows,
        progress=lambda what, share: say(what, 0.05 + 0.6 * share),
        extras=settings.extras,
    )
    findings += recipe.findings()
    say("evaluation", 0.65)
    names = (*candidates, *rules)
    fitted = fit_all(
        names, fit_rows, contract, recipe, seed=settings.seed, threads=settings.threads, max_rows=settings.max_rows
    )
    margins = {name: fitted[name].margin(evaluation_rows.encoded) for name in names}
    calibrations = {name: _calibrate(inner.margins[name], fit_rows, inner) for name in names}
    probabilities = {name: calibrations[name].probability(margins[name], evaluation_rows.days) for name in names}
    measured = evaluate(
        evaluation_rows.y,
        margins,
        probabilities,
        evaluation_rows.customers,
        capacity=settings.capacity,
        seed=settings.seed,
        replicates=settings.replicates,
    )
    known = with_own(settings.extras.own)
    table = _table(names, {name: known[name].kind for name in candidates}, inner, fit_rows.y[inner.rows], measured)
    servable = tuple(name for name in candidates if known[name].servable)
    order = order_of(servable, inner, fit_rows.y[inner.rows], fit_rows.customers[inner.rows])
    chosen, one_column = _verdict(table, order, rules, measured)
    losses = dict(zip(table["name"], table["inner_log_loss"], strict=True))
    unservable = {name: losses[name] for name in candidates if name not in servable}
    findings += better_but_not_servable(unservable, chosen, losses)
    say("refit", 0.85)
    model, train_findings = _refit(
        chosen, data, label, settings, recipe, _later(inner, fit_rows, margins, evaluation_rows, chosen)
    )
    findings += train_findings
    compared = chosen if chosen in candidates else (order[0] if order else "")
    refused = chosen not in candidates
    table["chosen"] = table["name"] == chosen
    measures = measured.measures(chosen)
    ece = measures["ece"]
    findings += short_history(settings.train_as_of, first_event or data.snapshots[-1], ece)
    if refused:
        findings.append(refusal(compared, one_column, measured))
    say("done", 1.0)
    return Training(
        verdict="refused" if refused else "champion",
        model=model,
        metrics=measures,
        differences={rule: measured.auc_difference(compared, rule) for rule in rules} if compared else {},
        compared=compared,
        baselines={rule: measured.auc(rule).value for rule in rules},
        candidates=table,
        train_rows=len(data),
        train_events=int(data.y.sum()),
        snapshots=data.snapshots,
        evaluated_on=list(split.evaluation),
        evaluation=_evaluation_frame(data.frame[is_evaluation], evaluation_rows.y, margins, probabilities, chosen),
        recipe=recipe,
        rung=rung,
        findings=tuple(sorted(findings, key=lambda f: ("error", "warning", "info").index(f.severity))),
    )


def _on(data: Dataset, days: tuple[dt.date, ...]) -> BoolArray:
    return np.isin(data.days, np.array(sorted(days), dtype="datetime64[D]"))


def _calibrate(margin: FloatArray, rows: Rows, inner: OutOfTime) -> Calibration:
    return calibrate(margin, rows.y[inner.rows], rows.days[inner.rows])


def _table(
    names: tuple[str, ...], kinds: Mapping[str, str], inner: OutOfTime, y: BoolArray, measured: Evaluation
) -> pd.DataFrame:
    records = []
    for name in names:
        value = measured.auc(name)
        records.append(
            {
                "name": name,
                "kind": kinds.get(name, "rule"),
                "inner_log_loss": sharpness(inner.margins[name], y, inner.fold),
                "inner_auc": fold_auc(inner.margins[name], y, inner.fold),
                "auc": value.value,
                "auc_low": value.low,
                "auc_high": value.high,
                "brier": brier(measured.y, measured.probabilities[name]),
                "ece": calibration_error(measured.y, measured.probabilities[name]),
            }
        )
    return pd.DataFrame(records)


def _verdict(table: pd.DataFrame, order: list[str], rules: tuple[str, ...], measured: Evaluation) -> tuple[str, str]:
    """Return what is to be refitted, and the rule that candidates had to beat; `order` is that of the folds."""
    losses = dict(zip(table["name"], table["inner_log_loss"], strict=True))
    one_column = [rule for rule in rules if rule in ONE_COLUMN_RULES]
    to_beat = max(one_column, key=lambda rule: measured.auc(rule).value)
    for looks, name in enumerate(order[:LOOKS], start=1):
        level = 1 - 0.05 / looks
        if measured.auc_difference(name, to_beat, level=level).low > 0 and measured.auc(name, level=level).low > CHANCE:
            return name, to_beat
    return min(one_column, key=lambda rule: losses[rule]), to_beat


@dataclass(frozen=True)
class _Later:
    margin: FloatArray
    y: BoolArray
    days: DayArray


def _later(inner: OutOfTime, fit: Rows, margins: Mapping[str, FloatArray], evaluation: Rows, name: str) -> _Later:
    return _Later(
        np.concatenate([inner.margins[name], margins[name]]),
        np.concatenate([fit.y[inner.rows], evaluation.y]),
        np.concatenate([fit.days[inner.rows], evaluation.days]),
    )


def _refit(
    name: str, data: Dataset, label: Label, settings: _Settings, recipe: Recipe, later: _Later
) -> tuple[Model, list[Finding]]:
    contract, findings = learn_columns(data.frame, data.features, data.frame[CUSTOMER_ID])
    rows = Rows(
        contract.encode(data.frame), data.y, data.days, data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object)
    )
    scorer = fit_scorer(
        name, rows, contract, recipe, seed=settings.seed, threads=settings.threads, max_rows=settings.max_rows
    )
    calibration = calibrate(later.margin, later.y, later.days)
    return Model(scorer, contract.only(scorer.needs), calibration, label, settings.train_as_of), findings


def _evaluation_frame(
    frame: pd.DataFrame,
    y: BoolArray,
    margins: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    chosen: str,
) -> pd.DataFrame:
    table = frame[[CUSTOMER_ID, AS_OF]].reset_index(drop=True)
    columns = {"y": y, "margin": margins[chosen], "p": probabilities[chosen]}
    return table.assign(**columns, **{f"margin_{name}": margin for name, margin in margins.items()})
