"""Training from a data set to a verdict: fold, choose, evaluate later, compare with the rules, refit on everything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from crm_ml.errors import HeldBack
from crm_ml.features.outcome import Outcome
from crm_ml.models.calibration import Calibration, Choice, calibrate, choose_calibration
from crm_ml.models.candidates import RECENT, Extras, with_own
from crm_ml.models.columns import ColumnContract, FloatArray, Selection, learn_columns, select_columns
from crm_ml.models.dataset import (
    BoolArray,
    Dataset,
    DayArray,
    Split,
    plan_split,
    rolling_folds,
)
from crm_ml.models.evaluation.intervals import Evaluation, evaluate
from crm_ml.models.evaluation.jumps import jump_of
from crm_ml.models.evaluation.leakage import find_leaks
from crm_ml.models.evaluation.metrics import brier, calibration_error
from crm_ml.models.gates import (
    CHANCE,
    better_but_not_servable,
    calibration_choice,
    mature_rows,
    not_out_of_time,
    overlapping_windows,
    refusal,
    require_classes,
    short_history,
    stepped_down,
)
from crm_ml.models.history import history_of
from crm_ml.models.model import Model
from crm_ml.models.own import require_known
from crm_ml.models.plan import TrainingPlan
from crm_ml.models.recency import with_recent
from crm_ml.models.recipe import (
    OutOfTime,
    Progress,
    Recipe,
    Rows,
    fit_all,
    fold_auc,
    fold_masks,
    order_of,
    reached_rung,
    roll,
    sharpness,
    usable_candidates,
)
from crm_ml.models.terms import Terms
from crm_ml.models.training import Trained, Training
from crm_ml.names import AS_OF, CUSTOMER_ID

_OVERLAPS = (1 / 3, 1 / 5, 1 / 10)
LOOKS = 3
"""So many candidates are held against the rules; with more, noise would pass too often."""


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
    leak_allow: Sequence[str] = (),
    outcome: Outcome | None = None,
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
    outcome : Outcome, optional
        What the labels count as churn, for the model's label; default: no purchase. Where it gives windows of own
        length, the split and the folds keep the longest one apart.
    max_rows : int
        Boosting is fitted on at most about so many rows; older snapshots are thinned first.
    leak_allow : sequence of str
        Columns that the leak guard (`find_leaks`) must not hold back.
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
    plan = TrainingPlan(
        train_as_of=train_as_of,
        gap_days=gap_days,
        horizon_days=horizon_days,
        every_days=every_days,
        first_event=first_event,
        seed=seed,
        capacity=capacity,
        threads=threads,
        max_rows=max_rows,
        replicates=replicates,
        folds=folds,
        leak_allow=tuple(leak_allow),
        outcome=outcome or Outcome(),
        extras=extras or Extras(),
    )
    return train_model(dataset, plan, progress=progress)


def train_model(dataset: Dataset, plan: TrainingPlan, *, progress: Progress | None = None) -> Training:
    """Train, evaluate and judge a model of any kind as `train_churn` describes it; the plan says what it predicts.

    Raises
    ------
    HeldBack
        As for `train_churn`.
    """
    return _trained(dataset, plan, progress, every=False).training


def train_every(dataset: Dataset, plan: TrainingPlan, *, progress: Progress | None = None) -> Trained:
    """Train as `train_churn` does, and refit every candidate and rule the way the chosen one is.

    So a later day can be scored with all of them side by side: what each would have said had it been chosen. Refusals
    are those of `train_churn`.

    Examples
    --------
    >>> rng, days = np.random.default_rng(1), [dt.date(2025, 1, 1) + dt.timedelta(days=30 * k) for k in range(8)]
    >>> frame = pd.DataFrame({"customer_id": [f"{i:02d}" for _ in days for i in range(30)],
    ...                       "as_of": [day for day in days for _ in range(30)],
    ...                       "days_since_last_order": rng.integers(0, 200, 240).astype(float)})
    >>> y = rng.random(240) < frame["days_since_last_order"].to_numpy() / 200
    >>> from crm_ml.models import make_dataset
    >>> data = make_dataset(frame, y, gap_days=0, horizon_days=90)
    >>> plan = TrainingPlan(train_as_of=dt.date(2026, 1, 1), gap_days=0, horizon_days=90, replicates=20)
    >>> trained = train_every(data, plan)
    >>> list(trained.models), trained.chosen, trained.models[trained.chosen].kind == trained.training.model_kind
    (['logistic', 'days_since_last_order'], 'days_since_last_order', True)
    """
    return _trained(dataset, plan, progress, every=True)


def _trained(dataset: Dataset, plan: TrainingPlan, progress: Progress | None, *, every: bool) -> Trained:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # BLAS sums in another order with other thread counts; LightGBM's own threads stay
    with threadpool_limits(limits=1, user_api="blas"), plan.extras.stages.stage("columns"):
        trained = _train(dataset, plan, progress or (lambda what, share: None), every=every)
    training = trained.training
    return replace(
        trained, training=replace(training, parameters={**plan.parameters(training.recipe), **training.parameters})
    )


def _train(dataset: Dataset, plan: TrainingPlan, say: Progress, *, every: bool) -> Trained:
    terms, stages = plan.terms, plan.extras.stages
    data, findings = mature_rows(dataset, plan.train_as_of, terms=terms)
    parts = _parts(data, plan)
    data, split, is_fit, is_evaluation = parts.data, parts.split, parts.is_fit, parts.is_evaluation
    if split.overlapping:
        findings.append(overlapping_windows(plan.label.longest_days))
    jump = jump_of(data) if plan.by_creation else None
    findings += [jump.finding(terms)] if jump else []
    plan = with_recent(plan, data.take(is_fit))

    say("columns", 0.0)
    with stages.stage("leak_guard"):
        leaks = find_leaks(data.take(is_fit), allow=plan.leak_allow, terms=terms)
    data = leaks.without_leaks(data)
    findings += leaks.findings
    fit_frame = data.take(is_fit).frame
    contract, _ = learn_columns(fit_frame, data.features, fit_frame[CUSTOMER_ID])
    rules = _rules(contract, plan)
    findings += plan.extras.rules.findings(contract)
    encoded = contract.encode(data.frame)
    rows = Rows(encoded, data.y, data.days, data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object))
    fit_rows, evaluation_rows = rows.take(is_fit), rows.take(is_evaluation)
    for own in plan.extras.own:
        require_known(own, data.features)
    candidates = usable_candidates(fit_rows.y, fit_rows.customers, contract, plan.extras)
    rung = reached_rung(fit_rows.y, fit_rows.customers, candidates, rules, plan.extras)
    findings += stepped_down(rung, candidates, terms=terms)

    masks, out_of_time = fold_masks(fit_rows, rolling_folds(split.fit, label_days=plan.label_days, folds=plan.folds))
    if not out_of_time:
        findings.append(not_out_of_time(plan.label_days, terms=terms))
    stages.now("folds")
    inner, recipe = roll(
        fit_rows,
        masks,
        contract,
        candidates,
        rules,
        seed=plan.seed,
        threads=plan.threads,
        max_rows=plan.max_rows,
        progress=lambda what, share: say(what, 0.05 + 0.6 * share),
        extras=plan.extras,
    )
    findings += recipe.findings()
    say("evaluation", 0.65)
    stages.now("evaluation")
    names = (*candidates, *rules)
    fitted = fit_all(names, fit_rows, contract, recipe, seed=plan.seed, threads=plan.threads, max_rows=plan.max_rows)
    margins = {name: fitted[name].margin(evaluation_rows.encoded) for name in names}
    with stages.stage("calibration"):
        calibrations = {name: _calibrate(inner.margins[name], fit_rows, inner, plan.label_days) for name in names}
    probabilities = {name: calibrations[name].probability(margins[name], evaluation_rows.days) for name in names}
    measured = evaluate(
        evaluation_rows.y,
        margins,
        probabilities,
        evaluation_rows.customers,
        capacity=plan.capacity,
        seed=plan.seed,
        replicates=plan.replicates,
    )
    known = with_own(plan.extras.own)
    table = _table(names, {name: known[name].kind for name in candidates}, inner, fit_rows.y[inner.rows], measured)
    servable = tuple(name for name in candidates if known[name].servable)
    order = order_of(servable, inner, fit_rows.y[inner.rows], fit_rows.customers[inner.rows])
    to_beat = [name for name in rules if name in plan.extras.rules.one_column]
    chosen, one_column = _verdict(table, order, to_beat, measured)
    losses = dict(zip(table["name"], table["inner_log_loss"], strict=True))
    unservable = {name: losses[name] for name in candidates if name not in servable}
    findings += better_but_not_servable(unservable, chosen, losses)
    say("refit", 0.85)
    stages.now("refit")
    wanted = names if every else (chosen,)
    later = {name: _later(inner, fit_rows, margins, evaluation_rows, name) for name in wanted}
    models, choices, selection = _refit(data, rows, plan, recipe, later)
    choice = choices[chosen]
    findings += [*selection.findings(), calibration_choice(choice)]
    compared = chosen if chosen in candidates else (order[0] if order else "")
    refused = chosen not in candidates
    table["chosen"] = table["name"] == chosen
    measures = measured.measures(chosen)
    history = history_of(data, plan.train_as_of, plan.first_event or data.snapshots[-1])
    findings += short_history(history, measures["ece"], choice.serving)
    if refused:
        findings.append(refusal(compared, one_column, measured, terms=terms))
    say("done", 1.0)
    training = Training(
        verdict="refused" if refused else "champion",
        model=models[chosen],
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
        parameters={
            "calibration_level": choice.level,
            "calibration_curve": choice.calibration.kind,
            "rung": rung.rung.name if rung.rung else "",
            **({"recent_half_life_days": plan.extras.half_life_days} if RECENT in candidates else {}),
        },
        calibration=choice,
        rung=rung,
        findings=tuple(sorted(findings, key=lambda f: ("error", "warning", "info").index(f.severity))),
        leaks=leaks,
        jump=jump,
        left_out=selection.left_out,
    )
    evaluated = {
        name: Model(scorer, contract.only(scorer.needs), calibrations[name], plan.label, plan.train_as_of)
        for name, scorer in fitted.items()
    }
    return Trained(training, models, chosen, evaluated)


@dataclass(frozen=True)
class _Parts:
    """The rows, how they are split, and which of them are fitted on and evaluated."""

    data: Dataset
    split: Split
    is_fit: BoolArray
    is_evaluation: BoolArray


def _parts(data: Dataset, plan: TrainingPlan) -> _Parts:
    """Return the split in time; where that leaves too little and label windows may overlap, one by who came later."""
    try:
        split = plan_split(data.snapshots, label_days=plan.label_days)
        return _held(_Parts(data, split, _on(data, split.fit), _on(data, split.evaluation)), plan.terms)
    except HeldBack as held:
        if not plan.may_overlap:
            raise
        first = held
    for share in _OVERLAPS:
        try:
            return _held(_overlapping(data, share), plan.terms)
        except HeldBack:
            continue
    raise first


def _held(parts: _Parts, terms: Terms) -> _Parts:
    """Hold back unless there is enough of both classes in both parts."""
    require_classes(parts.data, parts.is_fit, "the snapshots to fit on", terms=terms)
    require_classes(parts.data, parts.is_evaluation, "the evaluation snapshots", at_least=1, terms=terms)
    return parts


def _overlapping(data: Dataset, share: float) -> _Parts:
    """Return the rows from some day on as evaluation, and earlier ones of others to fit on.

    The day is such that about a share of those to whom it happened came later. Of those who came before it and are
    still there, every second is evaluated and left out of the rows fitted on: label windows overlap, but nobody stands
    in both parts, and the evaluation has old and new ones as a day's list has.
    """
    own = pd.to_datetime(data.frame[AS_OF]).to_numpy("datetime64[D]")
    _, who = np.unique(data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object), return_inverse=True)
    came = np.full(who.max() + 1, np.datetime64("9999-01-01"))
    np.minimum.at(came, who, own)
    happened = np.unique(who[data.y])
    if not len(happened):
        raise HeldBack("Nothing happened", code="one_class")
    start = np.sort(came[happened])[int(len(happened) * (1 - share))]
    spared = np.zeros(len(came), bool)
    spared[np.unique(who[own >= start])[::2]] = True
    spared |= came >= start
    is_evaluation, is_fit = (own >= start) & spared[who], (own < start) & ~spared[who]
    snapshot = np.where(own >= start, start, np.minimum(data.days, start - np.timedelta64(1, "D")))
    moved = replace(data, snapshot=snapshot)
    before = tuple(day for day in moved.snapshots if day < start.astype(object))
    return _Parts(moved, Split((start.astype(object),), before, overlapping=True), is_fit, is_evaluation)


def _rules(contract: ColumnContract, plan: TrainingPlan) -> tuple[str, ...]:
    """Return the rules whose columns are there, at least one of them to be beaten."""
    known = plan.extras.rules
    rules = known.available(contract)
    if not set(rules) & set(known.one_column):
        raise HeldBack(
            f"A model is compared with {' and '.join(known.one_column)}; none of their features has values",
            remedy="Keep the features that they read in the feature set.",
            code="no_rule",
        )
    return rules


def _on(data: Dataset, days: tuple[dt.date, ...]) -> BoolArray:
    return np.isin(data.days, np.array(sorted(days), dtype="datetime64[D]"))


def _calibrate(margin: FloatArray, rows: Rows, inner: OutOfTime, label_days: int) -> Calibration:
    return calibrate(margin, rows.y[inner.rows], rows.days[inner.rows], label_days=label_days)


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


def _verdict(table: pd.DataFrame, order: list[str], one_column: list[str], measured: Evaluation) -> tuple[str, str]:
    """Return what is to be refitted, and the rule that candidates had to beat; `order` is that of the folds."""
    losses = dict(zip(table["name"], table["inner_log_loss"], strict=True))
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
    data: Dataset, rows: Rows, plan: TrainingPlan, recipe: Recipe, later: Mapping[str, _Later]
) -> tuple[dict[str, Model], dict[str, Choice], Selection]:
    """Return the named ones fitted on all mature snapshots, each calibrated by its own predictions of later rows."""
    selection = select_columns(data.frame, data.features, data.frame[CUSTOMER_ID])
    contract = selection.contract
    rows = replace(rows, encoded=contract.encode(data.frame))
    scorers = fit_all(
        tuple(later), rows, contract, recipe, seed=plan.seed, threads=plan.threads, max_rows=plan.max_rows
    )
    with plan.extras.stages.stage("calibration"):
        choices = {
            name: choose_calibration(seen.margin, seen.y, seen.days, label_days=plan.label_days)
            for name, seen in later.items()
        }
    models = {
        name: Model(scorers[name], contract.only(scorers[name].needs), choice.calibration, plan.label, plan.train_as_of)
        for name, choice in choices.items()
    }
    return models, choices, selection


def _evaluation_frame(
    frame: pd.DataFrame,
    y: BoolArray,
    margins: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    chosen: str,
) -> pd.DataFrame:
    table = frame[[CUSTOMER_ID, AS_OF]].reset_index(drop=True)
    columns = {"y": y, "margin": margins[chosen], "p": probabilities[chosen]}
    tried = {f"margin_{name}": margin for name, margin in margins.items()}
    return table.assign(**columns, **tried, **{f"p_{name}": p for name, p in probabilities.items()})
