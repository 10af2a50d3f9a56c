"""What a training is told: the day, how labels were made, and the few numbers that decide how much is tried."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from crm_ml.features.outcome import Outcome
from crm_ml.models.candidates import Extras
from crm_ml.models.model import Label
from crm_ml.models.recipe import Recipe
from crm_ml.models.terms import Terms, terms_of


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What a training is told, besides the rows; `threads` alone never changes a result.

    Attributes
    ----------
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
        At most so many for boosting.
    folds : int
        At most so many rolling folds.
    max_rows : int
        Boosting is fitted on at most about so many rows; older snapshots are thinned first.
    leak_allow : tuple of str
        Columns that the leak guard must not hold back.
    outcome : Outcome
        What the labels count as churn. Where it gives windows of own length, the split and the folds keep the longest
        one apart.
    extras : Extras
        Directions of features, own candidates, tuning, rules.
    target : str
        ``churn``, or the stage that a lead is to reach.
    spread_days : int
        Days over which the rows of one snapshot are spread: so much longer its label windows reach.
    may_overlap : bool
        Whether, for want of history, other subjects of later snapshots may evaluate while label windows overlap.

    Examples
    --------
    >>> plan = TrainingPlan(train_as_of=dt.date(2026, 3, 2), gap_days=7, horizon_days=90)
    >>> plan.label_days, plan.parameters(Recipe())["train_as_of"]
    (97, '2026-03-02')
    """

    train_as_of: dt.date
    gap_days: int
    horizon_days: int
    every_days: int = 30
    first_event: dt.date | None = None
    seed: int = 1
    capacity: float = 0.1
    threads: int = 2
    max_rows: int = 100_000
    replicates: int = 400
    folds: int = 4
    leak_allow: tuple[str, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)
    extras: Extras = field(default_factory=Extras)
    target: str = "churn"
    spread_days: int = 0
    may_overlap: bool = False

    @property
    def by_creation(self) -> bool:
        """Whether rows begin with the creation of their subject, as those of leads do."""
        return self.target != "churn"

    @property
    def terms(self) -> Terms:
        """The words for it."""
        return terms_of(self.target)

    @property
    def label(self) -> Label:
        """What the model predicts."""
        return Label(self.gap_days, self.horizon_days, self.target, outcome=self.outcome)

    @property
    def label_days(self) -> int:
        """Days from a snapshot to the end of its longest label window."""
        return self.label.longest_days + self.spread_days

    def parameters(self, recipe: Recipe) -> dict[str, Any]:
        """Return what a run says about itself."""
        left_out = {"threads", "first_event", "outcome", "extras", "leak_allow", "train_as_of"}
        if self.target == "churn":
            left_out |= {"target", "spread_days", "may_overlap"}
        plain = {key: value for key, value in vars(self).items() if key not in left_out}
        special = {} if self.outcome == Outcome() else {f"churn_{k}": v for k, v in self.outcome.as_json().items()}
        return {
            **plain,
            "train_as_of": self.train_as_of.isoformat(),
            "leak_allow": ", ".join(self.leak_allow) or "none",
            **special,
            **recipe.as_dict(),
        }
