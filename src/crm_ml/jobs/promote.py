"""Who serves: a version takes over through the gate, or goes back to the one before; each decision is written down.

`rule_on` decides and changes nothing; `enact` writes the decision down and then moves the alias. A training does the
same for what it has just made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crm_ml import names as n
from crm_ml.errors import DamagedArtefact, DataError, Failure, HeldBack, UsageError
from crm_ml.faults import crash_point
from crm_ml.jobs import promotions, tracking
from crm_ml.jobs.contest import RECIPES, REFUSED, Contest, Side, contest, load_side
from crm_ml.jobs.files import remove_leftovers
from crm_ml.jobs.inputs import CHURN, as_day, as_workspace, read_inputs, require_kind
from crm_ml.jobs.lock import locked
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.promotions import ROLLBACK, Decision
from crm_ml.jobs.realised import realised_performance
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.tracking import CHALLENGER, CHAMPION, RunRecord, ServingVersion
from crm_ml.models.evaluation.promotion import GateResult
from crm_ml.tables import Tables

FIRST, IDENTICAL, HELD = "first", "identical", "held"
_GONE = "model_files_gone"


@dataclass(frozen=True)
class Ruling:
    """What is to become of a version, and why.

    Attributes
    ----------
    decision : str
        ``first``, ``identical``, ``better``, ``refresh`` or ``rollback``: it serves; ``held`` or ``refused``: not.
    passed : bool
    before : str or None
        The version that the alias stood at when this was decided.
    reason_de, reason_en : str
    contest : Contest or None
    """

    decision: str
    passed: bool
    before: str | None
    reason_de: str
    reason_en: str
    contest: Contest | None = None

    @property
    def gate(self) -> GateResult | None:
        """The figures, where there was a comparison."""
        return None if self.contest is None else self.contest.gate

    def evidence(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        if self.contest is None:
            return {}
        return {"compared": self.contest.compared, **self.contest.gate.as_dict()}


@dataclass(frozen=True)
class PromotionResult:
    """What came of asking for a version to serve.

    Attributes
    ----------
    model, version : str
        What was asked for.
    as_of : date
    before : str or None
        The version that served before.
    ruling : Ruling
    moved : bool
        Whether the alias was moved now (not in a dry run, nor where the version serves already).
    """

    model: str
    version: str
    as_of: dt.date
    before: str | None
    ruling: Ruling
    moved: bool

    @property
    def passed(self) -> bool:
        """Whether the version may serve."""
        return self.ruling.passed

    @property
    def table(self) -> pd.DataFrame:
        """The criteria of the gate with their figures; empty where there was nothing to compare."""
        gate = self.ruling.gate
        return pd.DataFrame(columns=["name", "passed", "value", "low", "high"]) if gate is None else gate.table

    @property
    def error(self) -> HeldBack | None:
        """Why it was held back, if it was."""
        if self.passed:
            return None
        serves = f"Version {self.before} still serves." if self.before else "Nothing serves."
        return HeldBack(self.ruling.reason_en, remedy=serves, code=self.ruling.decision)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "model": self.model,
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "before": self.before,
            "decision": self.ruling.decision,
            "passed": self.passed,
            "moved": self.moved,
            "reason_de": self.ruling.reason_de,
            "reason_en": self.ruling.reason_en,
            "gate": self.ruling.evidence() or None,
        }


def promote(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    version: str | int | None = None,
    *,
    as_of: dt.date | str,
    rollback: bool = False,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> PromotionResult:
    """Let a registered version serve if it passes the gate, or go back to the version that served before.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    version : str or int, optional
        Number of the registered version; not with `rollback`.
    as_of : date or ISO text
        The day of the decision: outcomes up to it count.
    rollback : bool
        Go back. It takes no gate, since what served had passed one, and it is logged all the same.
    dry_run : bool
        Decide, but change nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    PromotionResult
        Also when the gate holds it: then `error` says why.

    Raises
    ------
    UsageError
        Neither or both of `version` and `rollback`, or no such version.
    HeldBack
        The version was trained as of a later day, or for another label than crm.yaml says.
    DamagedArtefact
        Its files are not exactly those that were registered.
    Failure
        There is nothing to go back to, or the alias was moved by someone else meanwhile.
    Locked
        A training or another promotion runs in this workspace.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_kind(workspace, kind)
    if (version is None) != rollback:
        raise UsageError("Either a version or rollback is needed, and not both", remedy=f"crm-ml promote {kind} 7")
    say = progress or (lambda _line: None)
    with nullcontext() if dry_run else locked(workspace.tracking_folder, f"promote {kind} as of {day}"):
        if not dry_run:
            remove_leftovers(workspace.tracking_folder)
        say("looking at the versions")
        if rollback:
            wanted, ruling = _back(workspace, kind)
        else:
            wanted = tracking.registered(workspace, kind, str(version))
            _refuse_later(wanted, day)
            challenger = load_side(workspace, wanted)
            say("reading tables and comparing")
            ruling = rule_on(workspace, challenger, day, tables=lambda: _tables(workspace, kind, day))
        crash_point("promote.ruled")
        stands = ruling.before == wanted.version
        if not dry_run and not stands:
            enact(workspace, wanted, ruling, day)
        return PromotionResult(
            kind, wanted.version, day, ruling.before, ruling, ruling.passed and not dry_run and not stands
        )


def _refuse_later(wanted: ServingVersion, day: dt.date) -> None:
    if wanted.as_of > day:
        raise HeldBack(
            f"Version {wanted.version} was trained as of {wanted.as_of}, so it knows what happened after {day}",
            remedy=f"Decide as of {wanted.as_of} or a later day.",
            code="model_from_the_future",
        )


def _tables(workspace: Workspace, kind: str, day: dt.date) -> Tables:
    problem = problem_of(workspace, kind)
    tables = read_inputs(workspace, only=problem.tables)
    problem.first_day(tables, day)  # refuses a day before all data
    return tables


def _back(workspace: Workspace, kind: str) -> tuple[ServingVersion, Ruling]:
    serves = tracking.alias_version(workspace, kind, CHAMPION)
    before = None if serves is None else promotions.served_before(promotions.read_decisions(workspace, kind), serves)
    if before is None:
        raise Failure(
            f"There is no version to go back to: {'nothing serves' if serves is None else f'before {serves} none did'}",
            remedy=f"`crm-ml promote {kind} VERSION` lets another version serve if it passes the gate.",
            code="nothing_before",
        )
    wanted = tracking.registered(workspace, kind, before)
    load_side(workspace, wanted)  # what is damaged, or means something else by now, must not serve
    german = f"Zurück von Version {serves} zu Version {before}, die davor im Einsatz war"
    english = f"Back from version {serves} to version {before}, which served before it"
    return wanted, Ruling(ROLLBACK, True, serves, german, english)


def rule_on(
    workspace: Workspace,
    challenger: Side,
    day: dt.date,
    *,
    tables: Callable[[], Tables],
    newest_only: bool = False,
) -> Ruling:
    """Decide whether a version may serve; nothing is changed.

    Parameters
    ----------
    workspace : Workspace
        The caller holds the lock of its ``mlflow`` folder, unless nothing is to come of it.
    challenger : Side
        What wants to serve.
    day : date
        Outcomes up to it count.
    tables : callable
        Gives the tables; called only where there is something to compare.
    newest_only : bool
        Hold back what was trained as of an earlier day than what serves, whatever it says.
    """
    kind = challenger.version.name
    seen = tracking.alias_version(workspace, kind, CHAMPION)
    champion, fault = _champion(workspace, kind)
    refused = challenger.verdict == REFUSED
    if champion is None:
        return _vacant(seen, fault, refused=refused)
    if champion.version.version == challenger.version.version:
        return Ruling(IDENTICAL, True, seen, "Diese Version ist schon im Einsatz", "This version serves already")
    if refused:
        german = "Das Training hat keine Regel geschlagen; es ersetzt nichts"
        return Ruling(REFUSED, False, seen, german, "Its training beat no rule; it replaces nothing")
    if champion.version.sha256 == challenger.version.sha256:
        german = f"Byte für Byte dasselbe Modell wie Version {seen}"
        return Ruling(IDENTICAL, True, seen, german, f"Byte for byte the same model as version {seen}")
    if newest_only and challenger.version.as_of < champion.version.as_of:
        german = f"Das Modell im Einsatz kennt neuere Daten ({champion.version.as_of})"
        return Ruling(HELD, False, seen, german, f"The model that serves knows newer data ({champion.version.as_of})")
    given = tables()
    try:
        today = contest(workspace, given, champion, challenger, day)
    except DataError:
        # which of the two is it? the challenger's own fault is raised, that of what serves makes room
        contest(workspace, given, challenger, challenger, day)
        return _vacant(seen, "its features cannot be computed", refused=False)
    return _weighed(seen, champion, challenger, today)


def _champion(workspace: Workspace, kind: str) -> tuple[Side | None, str]:
    """Return what serves, or why it cannot: then training again is the way out, and nothing is compared with it."""
    try:
        version = tracking.serving(workspace, kind)
        return (None, "") if version is None else (load_side(workspace, version), "")
    except (DamagedArtefact, HeldBack) as error:
        return None, error.message
    except Failure as error:
        if error.code != _GONE:
            raise
        return None, error.message


def _vacant(seen: str | None, fault: str, *, refused: bool) -> Ruling:
    if seen is None:
        german, english = "Bisher ist kein Modell im Einsatz", "No model serves yet"
    else:
        german = f"Version {seen} kann nicht mehr bewerten ({fault})"
        english = f"Version {seen} can no longer score ({fault})"
    if refused:
        german += "; die kalibrierte Regel ist besser als keine Liste"
        english += "; the calibrated rule is better than no list"
    return Ruling(FIRST, True, seen, german, english)


def _weighed(seen: str | None, champion: Side, challenger: Side, found: Contest) -> Ruling:
    gate = found.gate
    german, english = gate.text("de"), gate.text("en")
    if found.compared == RECIPES:
        german = f"Verglichen sind die Rezepte ({challenger.recipe} gegen {champion.recipe}): {german}"
        english = f"The recipes are compared ({challenger.recipe} against {champion.recipe}): {english}"
    if gate.passed:
        return Ruling(gate.way, True, seen, german, english, found)
    if [one.name for one in gate.criteria] == ["evidence"]:
        german += f"; Stichtage, die keines der Modelle kennt, sind ab dem {found.later:%d.%m.%Y} reif"
        english += f"; snapshots that neither model has seen are mature from {found.later} on"
    return Ruling(HELD, False, seen, german, english, found)


def enact(workspace: Workspace, version: ServingVersion, ruling: Ruling, day: dt.date) -> None:
    """Write a decision down, then let it happen; the caller holds the lock of the workspace's ``mlflow`` folder.

    The line in the log comes first: so whatever the alias stands at has one. The move looks again whether the alias
    still stands where it was seen.

    Raises
    ------
    Failure
        If someone else moved the alias meanwhile.
    """
    number = len(promotions.read_decisions(workspace)) + 1
    decision = Decision(
        number=number,
        model=version.name,
        version=version.version,
        sha256=version.sha256,
        run_id=version.run_id,
        as_of=day.isoformat(),
        decision=ruling.decision,
        passed=ruling.passed,
        before=ruling.before,
        reason_de=ruling.reason_de,
        reason_en=ruling.reason_en,
        evidence=ruling.evidence(),
    )
    promotions.append_decision(workspace, decision)
    crash_point("promote.logged")
    tags = {"gate": ruling.decision, "gate_as_of": decision.as_of, "gate_against": ruling.before or ""}
    tracking.tag_version(workspace, version.name, version.version, tags)
    crash_point("promote.tagged")
    if ruling.passed:
        tracking.move_alias(workspace, version.name, CHAMPION, version.version, expected=ruling.before)
    elif ruling.decision == HELD:
        there = tracking.alias_version(workspace, version.name, CHALLENGER)
        tracking.move_alias(workspace, version.name, CHALLENGER, version.version, expected=there)
    crash_point("promote.moved")
    tracking.log_run(workspace, _record(decision), experiment=f"{version.name}-promotions")
    crash_point("promote.done")


def _record(decision: Decision) -> RunRecord:
    metrics: dict[str, float] = {}
    for one in decision.evidence.get("criteria", ()):
        metrics |= {f"{one['name']}{end}": float(one[key]) for end, key in _ENDS.items()}
    return RunRecord(
        name=f"{decision.model} {decision.as_of} version {decision.version}: {decision.decision}",
        params={"version": decision.version, "against": decision.before or "", "as_of": decision.as_of},
        metrics=metrics,
        tags={"decision": decision.decision, "model": decision.model, "version": decision.version},
        texts={"decision.json": tracking.as_json(asdict(decision))},
        figures={},
    )


_ENDS: Mapping[str, str] = {"": "value", "_low": "low", "_high": "high"}


@dataclass(frozen=True)
class PromotionStatus:
    """Who serves, who did before, what was decided, and how what was published turned out.

    Attributes
    ----------
    model : str
    version, before : str or None
        What serves, and what a rollback goes to.
    decisions : DataFrame
        One row per decision, newest first.
    realised : DataFrame
        One row per published day whose outcomes are known; see `realised_performance`.
    """

    model: str
    version: str | None
    before: str | None
    decisions: pd.DataFrame
    realised: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Return the status as JSON-ready values."""
        return {
            "model": self.model,
            "version": self.version,
            "before": self.before,
            "decisions": self.decisions.to_dict("records"),
            "realised": self.realised.astype({n.AS_OF: str}).to_dict("records"),
        }


def promotion_status(workspace: Workspace | str | Path, kind: str = CHURN, *, as_of: dt.date | str) -> PromotionStatus:
    """Return who serves and how it has done on days that have become mature; nothing is written."""
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_kind(workspace, kind)
    found = tracking.serving(workspace, kind)
    decisions = promotions.read_decisions(workspace, kind)
    before = None if found is None else promotions.served_before(decisions, found.version)
    columns = ["number", "as_of", "version", "before", "decision", "passed", "reason_de", "reason_en"]
    table = pd.DataFrame([asdict(one) for one in reversed(decisions)], columns=[*columns, "evidence"])[columns]
    realised = realised_performance(workspace, kind, as_of=day, dry_run=True).table
    return PromotionStatus(kind, None if found is None else found.version, before, table, realised)
