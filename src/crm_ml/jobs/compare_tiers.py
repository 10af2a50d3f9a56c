"""Who changes tier: two registered bundles score the same customers on the same day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.actions import value_at_stake
from crm_ml.actions.policy import assign_tiers
from crm_ml.errors import CrmError, DamagedArtefact, Failure, Finding, HeldBack
from crm_ml.features import build_features, make_spine
from crm_ml.jobs import tracking
from crm_ml.jobs.bundles import damaged, is_sha256
from crm_ml.jobs.compare_inputs import ComparedRun
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, read_inputs
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.publish import set_before
from crm_ml.jobs.score import KIND, see
from crm_ml.jobs.serving import Serving
from crm_ml.jobs.settings import Workspace
from crm_ml.models import Model
from crm_ml.models.bundle import read_meta
from crm_ml.models.evaluation.compare import tier_changes, tier_matrix
from crm_ml.models.model import features_for


@dataclass(frozen=True)
class TierChange:
    """How the tiers of a day differ between two versions, each customer's tier given afresh (no tier stands).

    Attributes
    ----------
    as_of : datetime.date
    before, after : str
        Version numbers.
    customers : int
        Scored on the day.
    matrix : pandas.DataFrame
        Counts: tier under `before` in rows, under `after` in columns.
    changes : pandas.DataFrame
        ``customer_id``, ``p_before``, ``tier_before``, ``p_after``, ``tier_after``; the largest change first.
    """

    as_of: dt.date
    before: str
    after: str
    customers: int
    matrix: pd.DataFrame
    changes: pd.DataFrame


def newest_published_day(workspace: Workspace) -> dt.date | None:
    """Return the newest day with a complete set of scores."""
    found = set_before(workspace.published, dt.date.max, KIND)
    return None if found is None else found[0]


def tier_change(
    workspace: Workspace, before: ComparedRun, after: ComparedRun, day: dt.date
) -> tuple[TierChange | None, list[Finding]]:
    """Score the eligible customers of a day with both bundles; where one cannot score it, a finding says why.

    Raises
    ------
    DataError
        If the tables break their contract or nothing is visible on the day.
    """
    try:
        models = [_load(workspace, run, day) for run in (before, after)]
    except (DamagedArtefact, Failure, HeldBack) as error:
        return None, [_not_compared(error)]
    seen = see(read_inputs(workspace, only=CHURN_TABLES), day)
    settings = workspace.settings
    spine = make_spine(seen.tables, [day], active_days=settings.churn.active_days)
    # each with the features that it was trained with: an own one may mean something else in the other
    frames = [build_features(seen.tables, spine, features=features_for(seen.tables, [model])) for model in models]
    frame = frames[0]
    missing = sorted(
        {name for model, own in zip(models, frames, strict=True) for name in set(model.features) - set(own)}
    )
    if missing:
        undeclared = Failure(
            f"Features of a model are not declared here: {', '.join(missing[:5])}",
            remedy="Declare them with add_feature first.",
            code="feature_not_declared",
        )
        return None, [_not_compared(undeclared)]
    cost = frame[n.COST_365D] if "cost_amount" in seen.tables.mapped.get(n.ORDER_LINES, frozenset()) else None
    value = value_at_stake(frame[n.NET_REVENUE_365D], cost=cost, margin_rate=settings.margin_rate)
    rules = load_policy(workspace).tiers
    scored = []
    for model, own in zip(models, frames, strict=True):
        p = np.clip(np.asarray(model.predict_proba(own), np.float64), 0.0, 1.0) if len(frame) else np.empty(0)
        tier = assign_tiers(p, value, tiers=rules)[0]
        scored.append(pd.DataFrame({n.CUSTOMER_ID: frame[n.CUSTOMER_ID].astype(str), "p": p, "tier": tier}))
    change = TierChange(
        as_of=day,
        before=before.version,
        after=after.version,
        customers=len(frame),
        matrix=tier_matrix(*scored),
        changes=tier_changes(*scored),
    )
    return change, []


def _load(workspace: Workspace, run: ComparedRun, day: dt.date) -> Model:
    where, sha256 = f"of {CHURN} version {run.version}", run.tag("sha256")
    if not is_sha256(sha256):
        raise damaged(where, "the registered version has no tag sha256, so it is not one of ours")
    trained = _day(run.tag("as_of"))
    if trained is None:
        raise damaged(where, "its tag as_of is not a date")
    if trained > day:
        raise HeldBack(
            f"Version {run.version} was trained as of {trained}, so it knows what happened after {day}",
            remedy=f"Compare tiers on {trained} or a later day (--as-of).",
            code="model_from_the_future",
        )
    named = tracking.ServingVersion(CHURN, run.version, sha256, run.run.run_id, trained)
    folder = tracking.fetch_bundle(workspace, named)
    return Serving(CHURN, run.version, sha256, folder, read_meta(folder, sha256=sha256)).load(workspace)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _not_compared(error: CrmError) -> Finding:
    return Finding("warning", error.code, f"tiers are not compared: {error.message}", error.remedy)
