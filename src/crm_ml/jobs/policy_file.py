"""The policy of a workspace: the file that ``crm.yaml`` names, checked, or the one that is shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from crm_ml import names as n
from crm_ml.actions.policy import Policy, default_lead_policy, default_policy, lint_policy, parse_policy
from crm_ml.errors import Finding, UsageError
from crm_ml.features import LEAD, default_features
from crm_ml.features.attributes import slug
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.yamlfile import read_yaml
from crm_ml.strict import faults_in
from crm_ml.tables.sources import SourceFault, find_files, shown


def load_policy(workspace: Workspace) -> Policy:
    """Return the policy of a workspace, refused where it has faults or its rules do not fit together.

    A relative path must stay in the workspace, also through symbolic links; an absolute one may lie anywhere.

    Raises
    ------
    UsageError
        With all faults at once.
    """
    return checked_policy(workspace)[0]


def checked_policy(workspace: Workspace) -> tuple[Policy, list[Finding]]:
    """Return the policy as `load_policy` does, and what is worth a look in it."""
    policy, findings = read_policy(workspace)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise faults_in(workspace.settings.policy or "The default policy", errors)
    return policy, findings


def read_policy(workspace: Workspace) -> tuple[Policy, list[Finding]]:
    """Return the policy of a workspace and what `lint_policy` says of it."""
    name = workspace.settings.policy
    if name is None:
        policy = default_policy()
    else:
        file = _file(workspace.root, name)
        policy = parse_policy(read_yaml(file), file=shown(file, workspace.root))
    return policy, lint_policy(policy, own_features=_attributes(workspace, policy))


def load_lead_policy(workspace: Workspace) -> Policy:
    """Return the policy for leads: the file under ``lead_policy`` of crm.yaml, or the one that is shipped.

    Raises
    ------
    UsageError
        With all faults at once.
    """
    name = workspace.settings.lead_policy
    if name is None:
        return default_lead_policy()
    file = _file(workspace.root, name, "lead_policy")
    policy = parse_policy(read_yaml(file), file=shown(file, workspace.root))
    known = {feature.id for feature in default_features(of=LEAD)}
    own = [name for name in policy.features if name in known or name.startswith("attribute_")]
    errors = [finding for finding in lint_policy(policy, own_features=own) if finding.severity == "error"]
    if errors:
        raise faults_in(name, errors)
    return policy


def _file(root: Path, name: str, key: str = "policy") -> Path:
    remedy = f"Correct `{key}` in crm.yaml; without that key the default policy is used."
    try:
        found = find_files(name, root)
    except SourceFault as fault:
        message = fault.message.replace("a relative source", "the path of a policy")
        raise UsageError(f"crm.yaml: {key}: {message}", remedy=remedy, code="no_policy") from None
    if len(found) != 1:
        raise UsageError(f"crm.yaml: {key}: {len(found)} files match {name}", remedy=remedy, code="no_policy")
    return found[0]


def _attributes(workspace: Workspace, policy: Policy) -> Iterator[str]:
    """Yield the ids that the policy uses of features made from own columns of the customers table."""
    mapping = workspace.settings.tables.get(n.CUSTOMERS)
    columns = () if mapping is None or mapping.attributes is None else mapping.attributes.columns
    stems = {f"attribute_{slug(column) or 'own'}" for column in columns}
    # columns whose names differ only in signs are numbered
    yield from (name for name in policy.features if name in stems or re.sub(r"_\d+$", "", name) in stems)
