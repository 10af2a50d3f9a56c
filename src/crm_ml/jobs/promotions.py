"""The log of what was let in and what was not: lines of ``mlflow/promotions.jsonl``, written before the alias moves.

So whatever serves has a line that says why, even when a machine dies between the line and the move: a line whose move
did not happen is harmless, and the alias says what did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crm_ml.errors import DamagedArtefact
from crm_ml.jobs.files import make_folder, replace_file
from crm_ml.jobs.settings import Workspace

FILE = "promotions.jsonl"
ROLLBACK = "rollback"


@dataclass(frozen=True)
class Decision:
    """One line of the log.

    Attributes
    ----------
    number : int
        1, 2, ... in the order of the decisions.
    model, version, sha256, run_id : str
        What wanted to serve.
    as_of : str
        Day of the decision, ISO.
    decision : str
        ``first``, ``identical``, ``better``, ``refresh``, ``rollback`` (these serve), ``held`` or ``refused``.
    passed : bool
        Whether it was to serve from then on.
    before : str or None
        The version the alias stood at.
    reason_de, reason_en : str
        In words.
    evidence : mapping
        Figures of the gate, where there was a comparison.
    """

    number: int
    model: str
    version: str
    sha256: str
    run_id: str
    as_of: str
    decision: str
    passed: bool
    before: str | None
    reason_de: str
    reason_en: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def read_decisions(workspace: Workspace, kind: str | None = None) -> list[Decision]:
    """Return the decisions on a kind of model, or all of them, oldest first.

    Raises
    ------
    DamagedArtefact
        If a line is not one of ours.
    """
    path = workspace.tracking_folder / FILE
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(Decision(**json.loads(line)))
        except (ValueError, TypeError):
            raise DamagedArtefact(
                f"Line {number} of {path} is damaged",
                remedy="Restore the file from a backup, or move it aside: what serves stays, rollback forgets.",
            ) from None
    return [one for one in found if kind in (None, one.model)]


def append_decision(workspace: Workspace, decision: Decision) -> None:
    """Add a line; the caller holds the lock of the folder. The file is replaced as a whole, so it is never half."""
    lines = [*read_decisions(workspace), decision]
    text = "".join(json.dumps(asdict(one), sort_keys=True, ensure_ascii=False) + "\n" for one in lines)

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    make_folder(workspace.tracking_folder)
    replace_file(workspace.tracking_folder / FILE, write, step="promotions")


def served_before(decisions: Sequence[Decision], version: str) -> str | None:
    """Return the version that served before `version` was let in; going back does not count as being let in.

    Examples
    --------
    >>> def line(version, before, decision="better"):
    ...     return Decision(1, "churn", version, "", "", "2026-01-01", decision, True, before, "", "")
    >>> log = [line("2", "1"), line("3", "2"), line("2", "3", "rollback")]
    >>> served_before(log[:2], "3"), served_before(log, "2"), served_before(log, "1")
    ('2', '1', None)
    """
    for one in reversed(decisions):
        if one.passed and one.version == version and one.decision != ROLLBACK and one.before != version:
            return one.before
    return None
