"""The leads of one day: the model that serves, what leads are worth and what waiting costs as known then, the table."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.actions.policy import Policy
from crm_ml.actions.waiting import WaitingCurve
from crm_ml.errors import DataError, Failure, Finding
from crm_ml.features import cutoff_us
from crm_ml.features.journeys import lead_journeys
from crm_ml.jobs.deal_values import deal_values_at
from crm_ml.jobs.inputs import LEADS
from crm_ml.jobs.lead_table import LEAD_SCHEMA_VERSION, LeadScoring, read_previous_grades, score_leads
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.score_files import SCORES
from crm_ml.jobs.score_table import Scored
from crm_ml.jobs.serving import Serving, serving_model
from crm_ml.jobs.settings import Workspace
from crm_ml.models.deal_value import DealValues
from crm_ml.models.speed import fit_speed

if TYPE_CHECKING:
    import datetime as dt

    from crm_ml.jobs.score import Seen
    from crm_ml.tables import Tables


class DayLeads:
    """The lead scores of one day: computed once and only if needed.

    Parameters
    ----------
    workspace : Workspace
    seen : Seen
        The tables named in `LEAD_TABLES`, no more and no fewer: they go into the inputs.
    policy : Policy
        Its grades are used.
    before : Path or None
        Folder of the newest set of scores before the day.
    """

    kind = LEADS

    def __init__(self, workspace: Workspace, seen: Seen, policy: Policy, before: Path | None) -> None:
        self.workspace, self.seen, self.policy, self.before = workspace, seen, policy, before
        self.problem = problem_of(workspace, LEADS)
        self.serving: Serving = serving_model(workspace, LEADS, seen.day)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What the scores are made of."""
        return {
            "config": self.problem.config_hash,
            "data": self.seen.data_hash,
            "model": {"version": self.serving.version, "sha256": self.serving.sha256},
            "grades": self.policy.grades.model_dump(mode="json"),
            "schema": LEAD_SCHEMA_VERSION,
        }

    @cached_property
    def values(self) -> DealValues:
        """What leads are worth, by the deals won until the day."""
        return deal_values_at(self.seen.tables, self.seen.day)

    @cached_property
    def how(self) -> LeadScoring:
        """The loaded model and the definitions."""
        file = None if self.before is None else self.before / SCORES[LEADS].file
        return LeadScoring(
            as_of=self.seen.day,
            horizon_days=self.problem.label.horizon_days,
            model=self.serving.load(self.workspace),
            model_version=self.serving.version,
            model_sha256=self.serving.sha256,
            grades=self.policy.grades,
            values=self.values,
            curve=waiting_curve(self.seen.tables, self.seen.day, horizon_days=self.problem.label.horizon_days),
            previous=None if file is None else read_previous_grades(file),
        )

    @cached_property
    def features(self) -> pd.DataFrame:
        """Features of the open leads; the id stands in ``customer_id``."""
        rows = self.problem.eligible(self.seen.tables, [self.seen.day])
        frame = self.problem.features(self.seen.tables, rows, models=[self.how.model])
        require_declared(frame, self.how.model.features)
        return frame

    @cached_property
    def scored(self) -> Scored:
        """Features, contributions and the table."""
        return score_leads(self.features, self.seen.visible, self.how)

    @property
    def findings(self) -> list[Finding]:
        """What must be known of the scores."""
        found = self.values.findings()
        if self.scored.table.num_rows == 0:
            message = f"no lead is open as of {self.seen.day}"
            found.append(Finding("warning", "no_open_lead", message, "Check the day, and what closes a lead.", n.LEADS))
        return found


def require_declared(frame: pd.DataFrame, features: tuple[str, ...]) -> None:
    """Raise unless a frame has the features that a model needs.

    Raises
    ------
    Failure
        If one is not declared.
    """
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise Failure(
            f"The model needs features that are not declared here: {', '.join(missing[:5])}",
            remedy="Declare them with add_feature before scoring, as was done before training.",
            code="feature_not_declared",
        )


def waiting_curve(tables: Tables, day: dt.date, *, horizon_days: int) -> WaitingCurve | None:
    """Return what waiting for the first answer costs, by all leads known at the start of a day.

    None where touches are not mapped, too few leads were answered, or quick answers do not go with a higher chance
    beyond what chance would give.
    """
    if n.LEAD_EVENTS not in tables.frames:
        return None
    try:
        found = fit_speed(lead_journeys(tables, cutoff_us(day, tables.zone)), horizon_days=horizon_days)
    except DataError:
        return None
    table = found.table[np.isfinite(found.table["hours"]) & found.table["chance"].notna()]
    if not found.claimed or len(table) < 2 or not found.usual.value > 0:
        return None
    return WaitingCurve(tuple(table["hours"]), tuple(table["chance"]), found.usual.value)
