"""Reliability of a training by the tiers of the policy and by the segments of the customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.actions.policy import assign_tiers
from crm_ml.actions.policy.schema import TIERS, TierRules
from crm_ml.errors import Finding, UsageError
from crm_ml.jobs.inputs import CHURN
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.settings import Workspace
from crm_ml.models import Training
from crm_ml.models.evaluation.segments import TIER, Reliability, reliability_of, segments_of
from crm_ml.models.terms import terms_of


def reliability_of_training(
    workspace: Workspace, training: Training, features: pd.DataFrame, *, kind: str = CHURN
) -> tuple[Reliability, list[Finding]]:
    """Return reliability on the evaluation rows, and what is to be said about it.

    Tiers are those of the policy, each given afresh (no tier stands); segments are the categories among the features
    that the leak guard did not hold back, and the size of the firm.

    Parameters
    ----------
    workspace : Workspace
        Whose policy.
    training : Training
        What came out of it.
    features : pandas.DataFrame
        Of the evaluation rows.
    kind : {"churn", "leads"}
        Of what.
    """
    problem = problem_of(workspace, kind)
    rules, findings = _tier_rules(workspace)
    keys = [n.CUSTOMER_ID, n.AS_OF]
    worth = features[keys].assign(worth=problem.stakes(features))
    rows = training.evaluation[[*keys, "y", "p"]].merge(worth, on=keys, how="left", validate="one_to_one")
    tier, _ = assign_tiers(np.clip(rows["p"].to_numpy(np.float64), 0.0, 1.0), rows["worth"], tiers=rules)
    predictions = rows.assign(**{TIER: pd.Categorical(tier, list(TIERS), ordered=True)})
    found = reliability_of(predictions, segments_of(features, leave_out=training.leaks.held_back))
    return found, [*findings, *found.findings(terms_of(problem.label.target))]


def _tier_rules(workspace: Workspace) -> tuple[TierRules, list[Finding]]:
    """Return the policy's tiers; a faulty policy must not cost a training, which does not need it."""
    try:
        return load_policy(workspace).tiers, []
    except UsageError as error:
        told = f"Reliability by tier is that of the default tiers, since the policy cannot be used: {error.message}"
        return TierRules(), [Finding("warning", "default_tiers", told, "Correct it; `crm-ml check` names its faults.")]
