"""Runs side by side: what MLflow holds of them, paired differences to the champion, and one page that shows it all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from crm_ml.errors import Failure, Finding, UsageError, did_you_mean
from crm_ml.jobs.assumptions import Assumed, assumed
from crm_ml.jobs.compare_inputs import (
    MEASURES,
    Backtest,
    ComparedRun,
    Evaluations,
    Known,
    backtests,
    chosen_runs,
    importance_of,
)
from crm_ml.jobs.compare_tiers import TierChange, newest_published_day, tier_change
from crm_ml.jobs.inputs import CHURN, as_day, as_workspace, require_kind
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.tracking import CHALLENGER, CHAMPION
from crm_ml.jobs.tracking_read import registered_runs
from crm_ml.models.evaluation.compare import PAIRED, difference_table
from crm_ml.models.evaluation.curves import (
    gain_curves,
    importance_table,
    profit_at_capacity,
    profit_curves,
    reliability_curves,
)
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTS = ("differences", "reliability", "gain", "profit", "importance")
_TOP_FEATURES = 15


@dataclass(frozen=True)
class CompareResult:
    """Registered trainings side by side.

    Attributes
    ----------
    kind : str
        ``churn`` or ``leads``.
    reference : str
        Version that the others are compared with: the champion, or the newest where none serves.
    runs : tuple of ComparedRun
        Newest first.
    differences : pandas.DataFrame
        Each version minus the reference for AUC, average precision and Brier score; see `difference_table`.
    assumed : Assumed
        Save rate and cost behind the money.
    backtests : tuple of Backtest
        Pooled figures of the newest backtests.
    tiers : TierChange or None
        Who changes tier; None where there is no second version or no day to look at.
    findings : tuple of Finding
    language : {"de", "en"}
    currency : str
    page : Path or None
        The page; None after a dry run.
    """

    kind: str
    reference: str
    runs: tuple[ComparedRun, ...]
    differences: pd.DataFrame
    assumed: Assumed
    backtests: tuple[Backtest, ...]
    tiers: TierChange | None
    findings: tuple[Finding, ...]
    language: str
    currency: str
    page: Path | None = None
    _rows: Evaluations = field(repr=False, compare=False, kw_only=True)
    _importances: dict[str, pd.DataFrame] = field(repr=False, compare=False, kw_only=True)

    @property
    def champion_serves(self) -> bool:
        """Whether the reference is the champion."""
        return any(run.version == self.reference and run.alias == CHAMPION for run in self.runs)

    @property
    def target(self) -> str:
        """``churn``, or the stage that leads are to reach."""
        reference = next(run for run in self.runs if run.version == self.reference)
        return CHURN_TARGET if self.kind == CHURN else reference.run.params.get("target", "won")

    @property
    def unnamed(self) -> frozenset[str]:
        """Versions whose evaluation names no customers, so that nothing can be paired with them."""
        return frozenset(self._rows.unnamed)

    @property
    def table(self) -> pd.DataFrame:
        """One row per version: what it is, its measures with intervals, and its AUC against the reference."""
        gaps = {row["name"]: row for row in self.auc_differences}
        return pd.DataFrame([_table_row(run, gaps[run.version]) for run in self.runs])

    @property
    def auc_differences(self) -> list[dict[str, Any]]:
        """The rows of `differences` about the AUC."""
        rows = self.differences[self.differences["measure"] == "auc"].to_dict("records")
        return [{str(key): value for key, value in row.items()} for row in rows]

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Reliability curves by version; see `reliability_curves`."""
        return reliability_curves(Known(self._rows))

    @cached_property
    def gain(self) -> pd.DataFrame:
        """Gain curves by version; see `gain_curves`."""
        return gain_curves(Known(self._rows))

    @cached_property
    def profit(self) -> pd.DataFrame:
        """Money by share of the customers acted on, by version; of leads none. See `profit_curves`."""
        return profit_curves(self._worth, save_rate=self.assumed.save_rate, cost=self.assumed.cost)

    @cached_property
    def profit_at_capacity(self) -> pd.DataFrame:
        """Money at the share of the customers that can be acted upon, by version; of leads none."""
        return profit_at_capacity(
            self._worth, save_rate=self.assumed.save_rate, cost=self.assumed.cost, capacity=self.capacity
        )

    @property
    def _worth(self) -> Mapping[str, pd.DataFrame]:
        # what an action brings is assumed of customers only
        return Known(self._rows) if self.kind == CHURN else {}

    @cached_property
    def importance(self) -> pd.DataFrame:
        """Share of each of the top features in every version; see `importance_table`."""
        return importance_table(self._importances, top=_TOP_FEATURES)

    def evaluation(self, version: str) -> pd.DataFrame | None:
        """Return the evaluation rows of a version; None where they are gone."""
        return self._rows[version]

    @property
    def capacity(self) -> float:
        """Share of the customers that can be acted upon, as the reference was trained with."""
        return next(run.capacity for run in self.runs if run.version == self.reference)

    def plot(self, kind: str = "differences", ax: Axes | None = None) -> Axes:
        """Draw one of the pictures into `ax`, or into a new figure, and return the axes.

        Parameters
        ----------
        kind : {"differences", "reliability", "gain", "profit", "importance"}
            Which one.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        UsageError
            For a picture that does not exist.
        """
        from crm_ml.models.explain import pictures_compare as pictures

        if kind not in PLOTS:
            hint = did_you_mean(kind, PLOTS).strip()
            raise UsageError(f"There is no picture {kind!r}", remedy=hint or f"Use one of {', '.join(PLOTS)}.")
        if kind == "differences":
            return pictures.plot_differences(self.differences, ax=ax, language=self.language)
        if kind == "importance":
            return pictures.plot_importance(self.importance, ax=ax, language=self.language)
        if kind == "profit":
            return pictures.plot_profit(
                self.profit, ax=ax, reference=self.reference, currency=self.currency, language=self.language
            )
        draw = pictures.plot_reliability if kind == "reliability" else pictures.plot_gain
        return draw(getattr(self, kind), ax=ax, reference=self.reference, language=self.language, target=self.target)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; no customer's id is in it."""
        tiers = self.tiers
        return {
            "kind": self.kind,
            "reference": self.reference,
            "champion": self.reference if self.champion_serves else None,
            "runs": [_run_dict(run, self.differences) for run in self.runs],
            "backtests": [
                {"name": one.name, "as_of": one.as_of, "pooled": one.table.to_dict("records")} for one in self.backtests
            ],
            "tier_changes": None
            if tiers is None
            else {
                "as_of": tiers.as_of.isoformat(),
                "before": tiers.before,
                "after": tiers.after,
                "customers": tiers.customers,
                "changed": len(tiers.changes),
                "matrix": {str(tier): row for tier, row in tiers.matrix.to_dict("index").items()},
            },
            "page": None if self.page is None else str(self.page),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def compare(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    runs: Sequence[str] | None = None,
    last: int | None = None,
    as_of: dt.date | str | None = None,
    out: str | Path | None = None,
    language: str | None = None,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> CompareResult:
    """Compare registered trainings with the one that serves, and write the page about it.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    runs : sequence of str, optional
        Version numbers or run ids; default: all. The champion is always among them.
    last : int, optional
        Only so many of the newest.
    as_of : date or ISO text, optional
        Day on which tiers are compared; default: the newest published one.
    out : path, optional
        File of the page; default: ``compared/<kind>.html`` in the workspace.
    language : {"de", "en"}, optional
        Default: the workspace's.
    dry_run : bool
        Compute, but write nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    CompareResult

    Raises
    ------
    UsageError
        A version that is not registered, or a language that does not exist.
    Failure
        No model is registered yet, or the disk refuses.
    DataError
        The data contract is broken, or nothing is visible on the day.
    """
    workspace = as_workspace(workspace)
    require_kind(workspace, kind)
    said = language or workspace.settings.language
    if said not in ("de", "en"):
        raise UsageError(f"language must be de or en; found {said!r}")
    day = None if as_of is None else as_day(as_of)
    say = progress or (lambda _line: None)
    say("reading the runs")
    found = registered_runs(workspace, kind)
    if not found:
        raise Failure(
            f"There is no {kind} model to compare in {workspace.root}",
            remedy=f"Train one first: crm-ml train {kind} --as-of YYYY-MM-DD --workspace {workspace.root}",
            code="no_model",
        )
    chosen = chosen_runs(found, wanted=list(runs or ()), last=last)
    result = _compared(workspace, kind, chosen, day, said, say)
    if dry_run:
        return result
    say("writing the page")
    from crm_ml.jobs.compare_page import write_page

    return write_page(result, workspace, None if out is None else Path(out))


def _compared(
    workspace: Workspace,
    kind: str,
    runs: Sequence[ComparedRun],
    day: dt.date | None,
    language: str,
    say: Callable[[str], None],
) -> CompareResult:
    reference = next((run for run in runs if run.alias == CHAMPION), runs[0])
    rows = Evaluations(workspace, runs)
    say("computing differences")
    differences = difference_table(
        rows,
        reference.version,
        measured={run.version: run.metrics for run in runs},
        apart=[run.version for run in runs if run.label != reference.label],
    )
    tables = {run.version: importance_of(workspace, run) for run in runs}
    say("reading backtests")
    pooled = backtests(workspace, kind)
    say("comparing tiers")
    tiers, findings = _tiers(workspace, runs, reference, day) if kind == CHURN else (None, [])
    return CompareResult(
        kind=kind,
        reference=reference.version,
        runs=tuple(runs),
        differences=differences,
        assumed=assumed(load_policy(workspace)),
        backtests=tuple(pooled),
        tiers=tiers,
        findings=tuple(findings),
        language=language,
        currency=workspace.settings.currency,
        _rows=rows,
        _importances={name: table for name, table in tables.items() if table is not None},
    )


def _tiers(
    workspace: Workspace, runs: Sequence[ComparedRun], reference: ComparedRun, day: dt.date | None
) -> tuple[TierChange | None, list[Finding]]:
    """Compare the reference with the challenger, or else with the newest other version of the same label."""
    others = [run for run in runs if run.version != reference.version and run.label == reference.label]
    if not others:
        return None, []
    other = next((run for run in others if run.alias == CHALLENGER), others[0])
    on = day or newest_published_day(workspace)
    if on is None:
        message = "tiers are not compared: nothing is published yet"
        return None, [Finding("info", "no_day", message, "Name a day with --as-of, or publish scores first.")]
    return tier_change(workspace, reference, other, on)


def _table_row(run: ComparedRun, gap: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "version": run.version,
        "run_id": run.run.run_id,
        "as_of": run.tag("as_of"),
        "model_kind": run.tag("model_kind"),
        "verdict": run.tag("verdict"),
        "alias": run.alias,
        "train_rows": run.count("train_rows"),
        "train_events": run.count("train_events"),
    }
    for name in MEASURES:
        value = run.metrics.get(name)
        ends = (None, None, None) if value is None else (value.value, value.low, value.high)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    shown = {"difference": "value", "difference_low": "low", "difference_high": "high"}
    return (
        row
        | {key: gap[column] for key, column in shown.items()}
        | {key: gap[key] for key in ("paired", "rows", "reads", "note")}
    )


def _run_dict(run: ComparedRun, differences: pd.DataFrame) -> dict[str, Any]:
    own = differences[differences["name"] == run.version].set_index("measure")
    first = own.iloc[0]
    gaps = {name: own.loc[name, ["value", "low", "high"]].astype(float).to_dict() for name in PAIRED}
    return {
        "version": run.version,
        "run_id": run.run.run_id,
        "as_of": run.tag("as_of"),
        "model_kind": run.tag("model_kind"),
        "verdict": run.tag("verdict"),
        "alias": run.alias or None,
        "train_rows": run.count("train_rows"),
        "train_events": run.count("train_events"),
        "metrics": {name: value.as_dict() for name, value in run.metrics.items()},
        "differences": {
            **gaps,
            "paired": bool(first["paired"]),
            "rows": int(first["rows"]),
            "customers": int(first["customers"]),
            "note": str(first["note"]) or None,
            "reads": {name: str(own.loc[name, "reads"]) for name in PAIRED},
        },
    }
