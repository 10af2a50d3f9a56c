"""What is predicted of whom: churn of customers or the winning of leads, each as one object that all jobs go through.

Training, evaluation and comparison do not care which of the two it is. In their rows `customer_id` is whoever is
scored, so for leads it holds the lead's id (decision 0023); what is published is called by its own name.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.costs import Stages
from crm_ml.features import (
    CUSTOMER,
    LEAD,
    AnyFeature,
    AttributeFeature,
    Subject,
    before_target,
    build_features,
    cutoff_us,
    lead_labels,
    lead_moments,
    lead_spine,
    lead_training_rows,
    visible,
)
from crm_ml.features.choice import FeatureChoice
from crm_ml.features.lead_rows import MOMENT_HOURS, filled_later
from crm_ml.features.timeline import date_of, zone_clock
from crm_ml.jobs.definition import eligible, label_of, outcomes
from crm_ml.jobs.evaluations import stakes
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, LEADS, lead_tables, nothing_visible
from crm_ml.jobs.settings import TuningSettings, Workspace
from crm_ml.models import Calendar, Dataset, Label, Model, TrainingPlan, make_dataset
from crm_ml.models.candidates import Extras, added_candidates
from crm_ml.models.kinds import half_life_of, own_of, rules_of
from crm_ml.models.model import features_for
from crm_ml.models.points import PointScheme

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_SNAPSHOT = "snapshot"


class Problem(ABC):
    """A kind of model in a workspace: its tables, rows, labels, features and rules.

    Parameters
    ----------
    workspace : Workspace
        Whose settings define it.
    """

    kind: ClassVar[str]
    subject: ClassVar[Subject]
    shared_days: ClassVar[bool]
    """Whether training looks at everybody on the same few days."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads, where they are mapped."""

    @property
    @abstractmethod
    def config_hash(self) -> str:
        """SHA-256 over the settings that change its scores."""

    @property
    @abstractmethod
    def label(self) -> Label:
        """What its models predict."""

    @property
    @abstractmethod
    def calendar(self) -> Calendar:
        """How snapshots and labels are laid out."""

    @property
    @abstractmethod
    def tuning(self) -> TuningSettings:
        """How parameters are searched for."""

    @abstractmethod
    def first_day(self, tables: Tables, day: dt.date) -> dt.date:
        """Return the local day of the first event that is visible at the start of a day.

        Raises
        ------
        DataError
            If none is.
        """

    @abstractmethod
    def eligible(self, tables: Tables, days: Sequence[dt.date]) -> pd.DataFrame:
        """Return who is scored at the start of each day: customer_id, as_of, cutoff."""

    @abstractmethod
    def rows_on(self, tables: Tables, days: Sequence[dt.date], kept: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Return the rows on which two models are compared: whoever is eligible on the days, as `kept` has them.

        Where trainings look at everybody at times of their own, the rows of their kept evaluations stand for the days
        on which these lie.
        """

    @abstractmethod
    def training_rows(self, tables: Tables, day: dt.date) -> pd.DataFrame:
        """Return the mature rows for training as of a day: customer_id, as_of, cutoff and, for leads, snapshot.

        Raises
        ------
        HeldBack
            If there is no mature snapshot.
        """

    @abstractmethod
    def outcomes(self, tables: Tables, spine: pd.DataFrame, *, known_until: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what happened to each row of a spine, and the days until its label window is over, the gap aside."""

    @abstractmethod
    def stakes(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what is at stake in each row of a frame of features."""

    @abstractmethod
    def plan(self, day: dt.date, first: dt.date, extras: Extras) -> TrainingPlan:
        """Return what a training as of a day is told."""

    @property
    def choice(self) -> FeatureChoice:
        """Which features its models are given."""
        return self.workspace.choice_of(self.subject)

    def features(self, tables: Tables, spine: pd.DataFrame, *, models: Sequence[Model] = ()) -> pd.DataFrame:
        """Return the features of the rows of a spine, with its columns and in its order.

        Without models it is what a training sees; with them the default set and what else these models read.
        """
        wanted = features_for(tables, models, self.subject) if models else self.choice.built(tables)
        frame = build_features(tables, self.own_names(spine), features=wanted, of=self.subject)
        return frame.rename(columns={self.subject.key: n.CUSTOMER_ID})

    def given(self, columns: Iterable[object]) -> tuple[str, ...]:
        """Return those of the columns of a table for training that models are given, in its order."""
        names = [str(name) for name in columns if name not in (n.CUSTOMER_ID, n.AS_OF, "cutoff")]
        if self.choice.says_nothing:
            return tuple(names)
        declared = {feature.id: feature for feature in self.choice.declared()}
        return tuple(name for name in names if self.choice.takes(declared.get(name) or _attribute(name, self.subject)))

    def own_names(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the id called by its own name."""
        return rows.rename(columns={n.CUSTOMER_ID: self.subject.key})

    def dataset(self, tables: Tables, day: dt.date, *, stages: Stages | None = None) -> tuple[Dataset, dt.date]:
        """Return features and labels of all rows for training as of a day, and the day of the first event."""
        stages = stages or Stages()
        first = self.first_day(tables, day)
        spine = self.training_rows(tables, day)
        stages.now("labels")
        labels, horizons = self.outcomes(tables, spine, known_until=cutoff_us(day, tables.zone))
        snapshot = list(spine[_SNAPSHOT]) if _SNAPSHOT in spine else None
        stages.now("features")
        frame = self.features(tables, spine.drop(columns=_SNAPSHOT, errors="ignore"))
        gap = self.label.gap_days
        data = make_dataset(frame, labels, gap_days=gap, horizon_days=horizons, snapshot=snapshot)
        given, computed = self.given(data.features), self.computed
        return replace(data, features=given, computed=computed, filled_later=self.filled_later(tables, day)), first

    @property
    def computed(self) -> frozenset[str]:
        """Features of `features.yaml` that are computed from events, for the leak guard."""
        return frozenset(feature.id for feature in self.choice.add)

    def filled_later(self, tables: Tables, day: dt.date) -> Mapping[str, tuple[int, int]]:
        """Return for which times of the description the mapping says something that the rows contradict."""
        return {}

    @property
    def directions(self) -> Mapping[str, int]:
        """Feature id to the sign that is expected of it."""
        return {feature.id: feature.direction for feature in self.choice.chosen()}

    @property
    def extras(self) -> Extras:
        """What the catalogue and this process add to a training; tuning aside."""
        target = self.label.target
        return Extras(
            self.directions,
            own_of(target, added_candidates()),
            rules=rules_of(target, self.points),
            half_life_days=half_life_of(target),
        )

    @property
    def points(self) -> PointScheme | None:
        """Points that the firm has written down."""
        return None


class ChurnProblem(Problem):
    """Whether a customer will leave."""

    kind, subject, shared_days = CHURN, CUSTOMER, True

    @property
    def tables(self) -> tuple[str, ...]:
        """See `CHURN_TABLES`."""
        return CHURN_TABLES

    @property
    def config_hash(self) -> str:
        """See `Workspace.config_hash`."""
        return self.workspace.config_hash

    @property
    def label(self) -> Label:
        """See `label_of`."""
        return label_of(self.workspace.settings.churn)

    @property
    def calendar(self) -> Calendar:
        """The snapshots of crm.yaml, with the longest label window."""
        churn = self.workspace.settings.churn
        # windows of own length: only where even the longest is over has nobody been left out for being slow
        return Calendar(gap_days=churn.gap_days, horizon_days=churn.longest_days, **churn.snapshots.model_dump())

    @property
    def tuning(self) -> TuningSettings:
        """Of ``churn.tuning``."""
        return self.workspace.settings.churn.tuning

    def first_day(self, tables: Tables, day: dt.date) -> dt.date:
        """Return the local day of the first visible order."""
        return _first_day(tables, day, CHURN, n.ORDER_LINES, "ordered_at")

    def eligible(self, tables: Tables, days: Sequence[dt.date]) -> pd.DataFrame:
        """Return the customers who are eligible; see `crm_ml.features.make_spine`."""
        return eligible(tables, days, self.workspace.settings.churn)

    def rows_on(self, tables: Tables, days: Sequence[dt.date], kept: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Return the customers who are eligible on the days."""
        return self.eligible(tables, days)

    def training_rows(self, tables: Tables, day: dt.date) -> pd.DataFrame:
        """Return the eligible customers of all mature snapshots."""
        return self.eligible(tables, self.calendar.snapshots(day, self.first_day(tables, day)))

    def outcomes(self, tables: Tables, spine: pd.DataFrame, *, known_until: int) -> tuple[np.ndarray, np.ndarray]:
        """Return who churned, and the days of the label windows."""
        return outcomes(tables, spine, self.workspace.settings.churn, known_until=known_until)

    def stakes(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the margin of the last 365 days."""
        return stakes(frame, self.workspace.settings.margin_rate)

    def plan(self, day: dt.date, first: dt.date, extras: Extras) -> TrainingPlan:
        """Return the plan of a training on snapshots shared by all customers."""
        churn = self.workspace.settings.churn
        return TrainingPlan(
            train_as_of=day,
            gap_days=churn.gap_days,
            horizon_days=churn.horizon_days,
            every_days=churn.snapshots.every_days,
            first_event=first,
            leak_allow=tuple(churn.leak_allow),
            outcome=churn.outcome,
            extras=extras,
        )


class LeadProblem(Problem):
    """Whether a lead will be won, or reach an earlier stage."""

    kind, subject, shared_days = LEADS, LEAD, False

    @property
    def tables(self) -> tuple[str, ...]:
        """See `lead_tables`."""
        return lead_tables(self.workspace.settings.tables[n.LEADS].known_from)

    @property
    def config_hash(self) -> str:
        """See `Workspace.lead_config_hash`."""
        return self.workspace.lead_config_hash

    @property
    def label(self) -> Label:
        """Whether the target is reached in the label window."""
        leads = self.workspace.settings.leads
        return Label(leads.gap_days, leads.horizon_days, leads.target)

    @property
    def calendar(self) -> Calendar:
        """Every so many days; a lead needs no history."""
        leads = self.workspace.settings.leads
        return Calendar(
            leads.gap_days,
            leads.horizon_days,
            **leads.snapshots.model_dump(),
            min_history_days=0,
            spread_days=leads.snapshots.every_days,
            may_overlap=True,
        )

    @property
    def tuning(self) -> TuningSettings:
        """Of ``leads.tuning``."""
        return self.workspace.settings.leads.tuning

    @property
    def points(self) -> PointScheme | None:
        """Of ``leads.points``."""
        return self.workspace.settings.leads.scheme

    def first_day(self, tables: Tables, day: dt.date) -> dt.date:
        """Return the local day of the first visible lead."""
        return _first_day(tables, day, LEADS, n.LEADS, "created_at")

    def eligible(self, tables: Tables, days: Sequence[dt.date]) -> pd.DataFrame:
        """Return the leads that are open, the target not reached."""
        target = self.workspace.settings.leads.target
        return before_target(tables, lead_spine(tables, days), target=target).rename(columns=_GENERAL)

    def rows_on(self, tables: Tables, days: Sequence[dt.date], kept: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Return the open leads of the days, and those that were evaluated at moments of their own."""
        keys = [n.CUSTOMER_ID, n.AS_OF]
        rows = pd.concat([pd.DataFrame(columns=keys), *(one[keys] for one in kept)], ignore_index=True)
        rows = rows[rows[n.AS_OF].isin(days)].drop_duplicates()
        plain = self.eligible(tables, [day for day in days if day not in set(rows[n.AS_OF])])
        if len(rows) == 0:
            return plain
        # a kept row says its day alone: the moment of that day is its time, else the beginning of the day
        moments = lead_moments(tables, until=cutoff_us(max(days), tables.zone), least_hours=MOMENT_HOURS)
        rows = rows.merge(moments.rename(columns=_GENERAL), on=keys, how="left")
        starts = pd.Series([cutoff_us(day, tables.zone) for day in rows[n.AS_OF]], index=rows.index)
        rows["cutoff"] = rows["cutoff"].fillna(starts).astype("int64")
        found = pd.concat([plain, rows], ignore_index=True)
        return found.sort_values([n.AS_OF, n.CUSTOMER_ID], ignore_index=True)

    def training_rows(self, tables: Tables, day: dt.date) -> pd.DataFrame:
        """Return leads at their creation, at touches, and every so many days while open."""
        leads, label_days = self.workspace.settings.leads, self.label.longest_days
        history = leads.snapshots.history_days
        first = max(self.first_day(tables, day), day - dt.timedelta(days=history))
        newest = day - dt.timedelta(days=label_days)
        if newest < first:  # the calendar says what is missing
            self.calendar.snapshots(day, first)
        rows = lead_training_rows(
            tables, newest=newest, oldest=first, every_days=leads.snapshots.every_days, target=leads.target
        )
        return rows.rename(columns=_GENERAL)

    def outcomes(self, tables: Tables, spine: pd.DataFrame, *, known_until: int) -> tuple[np.ndarray, np.ndarray]:
        """Return who reached the target, and the days until the label window of the row is over."""
        leads = self.workspace.settings.leads
        labels = lead_labels(
            tables,
            self.own_names(spine),
            gap_days=leads.gap_days,
            horizon_days=leads.horizon_days,
            known_until=known_until,
            target=leads.target,
        )
        starts = {day: cutoff_us(day, tables.zone) for day in set(spine[n.AS_OF])}
        within = spine["cutoff"].to_numpy(np.int64) > spine[n.AS_OF].map(starts).to_numpy(np.int64)
        # the window of a moment ends at its hour of the last day
        return labels, leads.horizon_days + within.astype(np.int64)

    def filled_later(self, tables: Tables, day: dt.date) -> Mapping[str, tuple[int, int]]:
        """Return how many times of own attributes lie after the creation of the lead, as known on a day."""
        return filled_later(tables, until=cutoff_us(day, tables.zone))

    def stakes(self, frame: pd.DataFrame) -> np.ndarray:
        """Return one per lead: each counts the same where models are compared."""
        return np.ones(len(frame))

    def plan(self, day: dt.date, first: dt.date, extras: Extras) -> TrainingPlan:
        """Return the plan of a training on rows with times of their own."""
        leads = self.workspace.settings.leads
        return TrainingPlan(
            train_as_of=day,
            gap_days=leads.gap_days,
            horizon_days=leads.horizon_days,
            every_days=leads.snapshots.every_days,
            first_event=first,
            leak_allow=tuple(leads.leak_allow),
            extras=extras,
            target=leads.target,
            spread_days=leads.snapshots.every_days,
            may_overlap=True,
        )


_GENERAL = {n.LEAD_ID: n.CUSTOMER_ID}
_PROBLEMS: Mapping[str, type[Problem]] = {CHURN: ChurnProblem, LEADS: LeadProblem}


def problem_of(workspace: Workspace, kind: str) -> Problem:
    """Return the problem of a kind that `require_kind` let through.

    Examples
    --------
    >>> problem_of.__name__, sorted(_PROBLEMS)
    ('problem_of', ['churn', 'leads'])
    """
    return _PROBLEMS[kind](workspace)


def _attribute(name: str, of: Subject) -> AnyFeature:
    return AttributeFeature(id=name, column=name, table=of.table, family="attributes")


def _first_day(tables: Tables, day: dt.date, kind: str, table: str, column: str) -> dt.date:
    seen = visible(tables, cutoff_us(day, tables.zone)).stored[table]
    if seen.num_rows == 0:
        raise nothing_visible(day, kind)
    instant = pc.min(seen[column]).cast("int64").as_py()
    return date_of(int(zone_clock(tables.zone).day(np.array([instant], np.int64))[0]))
