"""Look at the policy and all tables of a workspace and say everything that is found, at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crm_ml import names as n
from crm_ml.errors import DataError, Finding, error_from_findings
from crm_ml.features import cutoff_us
from crm_ml.features.labels import judged
from crm_ml.jobs.definition import require_tables
from crm_ml.jobs.feasibility import before_training
from crm_ml.jobs.inputs import as_day, as_workspace, read_inputs
from crm_ml.jobs.policy_file import read_policy
from crm_ml.jobs.publish import inspect_set
from crm_ml.jobs.score_table import FILE_NAME
from crm_ml.jobs.settings import Workspace
from crm_ml.tables import Tables, check_tables

_TIER_SHARE = 0.4


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Attributes
    ----------
    tables : dict
        Rows of each table that could be read.
    findings : tuple of Finding
        Errors first.
    """

    tables: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The findings, one row each."""
        columns = ["severity", "table", "column", "code", "count", "message", "remedy", "examples"]
        return pd.DataFrame([finding.as_dict() for finding in self.findings], columns=columns)

    @property
    def error(self) -> DataError | None:
        """The error that commands would raise, if there is a finding of that severity."""
        return error_from_findings(self.findings, title="The data contract is broken")

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each severity."""
        return {s: sum(f.severity == s for f in self.findings) for s in ("error", "warning", "info")}

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        found = [finding.as_dict() for finding in self.findings]
        return {"tables": self.tables, "counts": self.counts(), "findings": found}


def check(workspace: Workspace | str | Path, *, as_of: dt.date | str | None = None) -> CheckResult:
    """Read and check all mapped tables; never stops at the first finding and raises for none of them.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text, optional
        Rows dated later than the start of this day are counted and said, and so is what a training as of this day could
        show (`feasibility`), unless there is an error.

    Returns
    -------
    CheckResult
    """
    workspace = as_workspace(workspace)
    _, said = read_policy(workspace)
    tables = read_inputs(workspace, strict=False)
    now = None if as_of is None else cutoff_us(as_day(as_of), tables.zone)
    found = [*said, *tables.findings, *check_tables(tables, now=now), *_definition(workspace, tables)]
    found += _tier_shares(workspace)
    if as_of is not None and not any(finding.severity == "error" for finding in found):
        verdict = before_training(workspace, tables, as_day(as_of))
        found += [] if verdict is None else [verdict.finding()]
    findings = list(dict.fromkeys(found))
    order = {"error": 0, "warning": 1, "info": 2}
    findings.sort(key=lambda f: (order[f.severity], f.table, f.column, f.code, f.message))
    return CheckResult({name: frame.num_rows for name, frame in sorted(tables.stored.items())}, tuple(findings))


def crowded_tiers(tiers: Sequence[str], day: str) -> list[Finding]:
    """Return a warning for each upper tier that holds more than 40 % of the customers scored for a day.

    Examples
    --------
    >>> [finding.count for finding in crowded_tiers(["high", "high", "low", "low"], "2026-03-02")]
    [2]
    """
    findings = []
    for tier in ("high", "medium"):
        share = tiers.count(tier) / len(tiers) if tiers else 0.0
        if share > _TIER_SHARE:
            message = f"{share:.0%} of the customers scored for {day} are in the tier {tier}"
            remedy = "Look at the calibration, or choose other tiers in the policy."
            findings.append(
                Finding("warning", "crowded_tier", message, remedy, n.CUSTOMERS, "risk_tier", tiers.count(tier))
            )
    return findings


def _definition(workspace: Workspace, tables: Tables) -> list[Finding]:
    """Look whether what counts as churn can be found out with these tables."""
    try:
        require_tables(workspace)
        judged(tables, workspace.settings.churn.outcome)
    except DataError as error:
        return [Finding("error", error.code, error.message, error.remedy)]
    return []


def _tier_shares(workspace: Workspace) -> list[Finding]:
    """Look at the newest published scores."""
    import pyarrow.parquet as pq

    sets = sorted(workspace.published.glob("*/scores"))
    if not sets or not inspect_set(sets[-1]).intact:
        return []
    tiers = pq.read_table(sets[-1] / FILE_NAME, columns=["risk_tier"])["risk_tier"].to_pylist()
    return crowded_tiers(tiers, sets[-1].parent.name)
