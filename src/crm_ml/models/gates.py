"""What holds a training back, and what it must be told with: each with the numbers found and the numbers needed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np

from crm_ml.errors import Finding, HeldBack
from crm_ml.models.calibration import Choice, Trial
from crm_ml.models.dataset import BoolArray, Dataset
from crm_ml.models.evaluation.intervals import Evaluation, Interval
from crm_ml.models.history import SEASON_DAYS, History
from crm_ml.models.ladder import LADDER, LEAST_CUSTOMERS, Reached
from crm_ml.models.rows import customers_per_class
from crm_ml.models.terms import CHURN_TERMS, Terms
from crm_ml.names import CUSTOMER_ID

CHANCE = 0.5
"""AUC of a score that knows nothing."""


def mature_rows(dataset: Dataset, train_as_of: dt.date, *, terms: Terms = CHURN_TERMS) -> tuple[Dataset, list[Finding]]:
    """Return the mature rows, and a note about those left out; hold back where none is left."""
    if len(dataset) == 0:
        raise HeldBack(
            f"There must be {terms.many} to learn from; {terms.nobody}",
            remedy=terms.nobody_remedy,
            code=f"no_eligible_{terms.many}",
        )
    mature = dataset.label_end <= np.datetime64(train_as_of, "D")
    if not mature.any():
        earliest = dataset.label_end.min().astype(object)
        raise HeldBack(
            f"No snapshot is mature at {train_as_of}: the label window of the oldest ends at {earliest}",
            remedy=f"Train as of {earliest} or later, or load older data.",
            code="no_mature_snapshot",
        )
    left_out = int((~mature).sum())
    if not left_out:
        return dataset, []
    note = Finding(
        "info",
        "immature_rows",
        f"{left_out} rows whose label window ends after {train_as_of} were left out",
        "Nothing to do.",
        count=left_out,
    )
    return dataset.take(mature), [note]


def require_classes(
    data: Dataset, rows: BoolArray, where: str, *, at_least: int = LEAST_CUSTOMERS, terms: Terms = CHURN_TERMS
) -> None:
    """Hold back unless there are enough distinct customers (or leads) of both classes."""
    y, customers = data.y[rows], data.frame[CUSTOMER_ID].astype(str).to_numpy(dtype=object)[rows]
    churned, stayed = customers_per_class(y, customers)
    if churned and stayed and min(churned, stayed) >= at_least:
        return
    if churned == 0 or stayed == 0:
        what = terms.did if stayed == 0 else terms.did_not
        raise HeldBack(
            f"Both {terms.event} and {terms.other} {terms.many} are needed; in {where} all {len(y)} rows {what}",
            remedy=terms.one_class_remedy,
            code="one_class",
        )
    raise HeldBack(
        f"At least {at_least} {terms.event} and {at_least} {terms.other} {terms.many} are needed; {where} hold "
        f"{churned} and {stayed}",
        remedy=f"Load more history or more {terms.many}, or shorten horizon_days.",
        code="too_few_churners" if terms is CHURN_TERMS else "too_few_won",
    )


def stepped_down(reached: Reached, candidates: tuple[str, ...], *, terms: Terms = CHURN_TERMS) -> list[Finding]:
    """Return how far up the ladder the customers reach: a warning where boosting was not tried for want of them."""
    if reached.above is None or reached.rung is None:
        return []
    tried = ", ".join(candidates) or "the rules alone"
    needs = ", ".join(f"{rung.name} from {rung.at_least}" for rung in LADDER)
    return [
        Finding(
            "warning",
            "few_churners" if terms is CHURN_TERMS else "few_won",
            f"The ladder for small data ends at {reached.rung.name}: {reached.churned} {terms.event} and "
            f"{reached.retained} {terms.other} {terms.many} in the rows to fit on ({needs} of each); {tried} tried. "
            f"{reached.missing} more of the scarcer kind bring {reached.above.name}",
            f"Load more history or more {terms.many}.",
            count=min(reached.churned, reached.retained),
        )
    ]


def better_but_not_servable(own: Mapping[str, float], serving: str, losses: Mapping[str, float]) -> list[Finding]:
    """Return a warning where an own candidate was better on the folds than what may serve.

    Parameters
    ----------
    own : mapping of str to float
        Log loss on the folds of the candidates that cannot be stored.
    serving : str
        What was chosen.
    losses : mapping of str to float
        Log loss on the folds of everything.
    """
    if not own:
        return []
    best = min(own, key=lambda name: own[name])
    if own[best] >= losses[serving]:
        return []
    return [
        Finding(
            "warning",
            "candidate_not_servable",
            f"{best} has the least log loss on the folds ({own[best]:.4f}; {serving} {losses[serving]:.4f}), but it "
            "cannot serve: a bundle holds text that runs no code, and an own estimator has no such form. "
            f"{serving} is what is kept",
            "Compare the two in the table of candidates; if it is much better, find out which of its features or "
            "interactions the package's candidates lack.",
        )
    ]


def not_out_of_time(label_days: int, *, terms: Terms = CHURN_TERMS) -> Finding:
    """Return the warning that the folds were cut across customers, not across time."""
    return Finding(
        "warning",
        "calibration_not_out_of_time",
        f"The snapshots before the evaluation span less than two label windows ({label_days} days each): the "
        f"choice of model and its calibration come from other {terms.many} of the same time, not from later ones",
        "Load older data, or train again later.",
    )


def short_history(history: History, ece: Interval, ahead: Trial | None = None) -> list[Finding]:
    """Return the warning that the level cannot be trusted before two seasons have been seen, and why.

    `ahead` is what serves, tried on later slices: by how much the level was off where it could be looked up.
    """
    if history.days >= 2 * SEASON_DAYS:
        return []
    seasons = "one season" if history.days < SEASON_DAYS else "two seasons"
    reasons = history.reasons()
    if ahead is not None and ahead.slices:
        days = "one snapshot" if ahead.slices == 1 else f"{ahead.slices} snapshots"
        reasons.append(f"on {days} predicted a label window ahead the mean prediction was off by {ahead.off:.3f}")
    return [
        Finding(
            "warning",
            "short_history",
            f"Less than {seasons} of history ({history.days} days, {2 * SEASON_DAYS} wanted): the level of the "
            f"probabilities is not to be trusted yet; measured calibration error {ece.value:.3f} "
            f"({ece.low:.3f} to {ece.high:.3f}), and the next season may lie outside. Why: " + "; ".join(reasons),
            "Use the ranking, read the probabilities with care, and load older data if there is any.",
            count=history.days,
        )
    ]


_LEVEL_WORDS = {
    "all_slices": "the level of all slices",
    "re_anchored": "the level of the newest slices",
    "recent": "level and slope of the newest half year",
    "wave": "a wave through the year",
    "last_year": "the level of the same season last year",
    "wave_re_anchored": "a wave through the year and the level of the newest slices",
}


def calibration_choice(choice: Choice) -> Finding:
    """Return the note that says how the probabilities are calibrated, what else was tried, and why not."""
    judged = sorted((trial for trial in choice.trials[1:] if trial.slices), key=lambda trial: -trial.gain)
    tried = [f"{trial.option}: {trial.why}" for trial in judged if trial.option != "sigmoid"]
    curve = choice.calibration.kind
    return Finding(
        "info",
        "calibration_choice",
        f"Calibrated by {'an' if curve == 'isotonic' else 'a'} {curve} curve with {_LEVEL_WORDS[choice.level]}, "
        "chosen on later slices a label window ahead",
        "Nothing to do.",
        count=len(choice.trials),
        examples=tried,
    )


def overlapping_windows(label_days: int) -> Finding:
    """Return the warning that the evaluation has leads created later, but not outcomes that came later."""
    return Finding(
        "warning",
        "overlapping_windows",
        f"The history is too short for an evaluation after the label windows ({label_days} days) of what is fitted: "
        "evaluated are other leads, created later, while outcomes of the earlier ones were still to come. What changed "
        "with time alone is hidden from these figures",
        "Load older data, or train again later.",
    )


def refusal(compared: str, rule: str, measured: Evaluation, *, terms: Terms = CHURN_TERMS) -> Finding:
    """Return the warning that says which rule was not beaten, and by how much."""
    if not compared:
        message = f"No model could be tried; the calibrated rule {rule} serves"
    else:
        gap, own = measured.auc_difference(compared, rule), measured.auc(compared)
        message = (
            f"No model tells {terms.having} from {terms.lacking} better than chance: "
            f"{compared} has AUC {own.value:.4f} ({own.low:.4f} to {own.high:.4f}), and the lower end must be above "
            f"{CHANCE}; the calibrated rule serves"
            if gap.low > 0
            else f"No model beats the rule {rule}: {compared} differs by {gap.value:+.4f} AUC "
            f"({gap.low:+.4f} to {gap.high:+.4f}), and the lower end must be above 0; the calibrated rule serves"
        )
    return Finding("warning", "refused", message, terms.beyond_rules)
