"""Take the answers of a returned list into the action log of the workspace."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml.actions.feedback import Answer, Listed, Matched, Refused, keys_of, match_answers
from crm_ml.actions.returned import read_returned, shown_path
from crm_ml.errors import Failure, Finding
from crm_ml.faults import crash_point
from crm_ml.jobs.action_store import ActionStore, open_store
from crm_ml.jobs.inputs import as_day, as_workspace
from crm_ml.jobs.publish import MANIFEST
from crm_ml.jobs.settings import Workspace

ROWS_REFUSED = "rows_refused"
ACTIONS_FILE = "actions.parquet"
_LISTS, _SETS = "lists", ".sets"
_COLUMNS = ("action_id", "as_of", "subject_type", "subject_id", "action", "channel", "arm", "cost")
_SHOWN = 20


@dataclass(frozen=True)
class FeedbackResult:
    """What was taken from a returned list.

    Attributes
    ----------
    as_of : date
        The day as of which the answers were taken in.
    file : Path
    rows : int
        Rows of the list in which anything stands.
    answered : int
        Rows with an answer: recorded, known already or refused.
    recorded : int
        New answers; after a dry run, those that would be.
    already_known : int
    refused : tuple of Refused
    store : Path
        The action log.
    language : str
        Of the reasons for refusals.
    dry_run : bool
    findings : tuple of Finding
    """

    as_of: dt.date
    file: Path
    rows: int
    answered: int
    recorded: int
    already_known: int
    refused: tuple[Refused, ...]
    store: Path
    language: str
    dry_run: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The refused rows: row, code, reason."""
        return pd.DataFrame(self._refused(), columns=["row", "code", "reason"])

    @property
    def error(self) -> Failure | None:
        """That rows were refused, if any were; the others are kept all the same."""
        if not self.refused:
            return None
        shown = "; ".join(f"row {row.row}: {row.reason('en').rstrip('.')}" for row in self.refused[:_SHOWN])
        more = f"; and {len(self.refused) - _SHOWN} more" if len(self.refused) > _SHOWN else ""
        count = "1 row was" if len(self.refused) == 1 else f"{len(self.refused)} rows were"
        others = "would be taken" if self.dry_run else "are taken"
        return Failure(
            f"{shown_path(Path(self.file.name))}: {count} refused: {shown}{more}",
            remedy=f"Correct these rows in the list and import it again; the other answers {others}.",
            findings=self.findings,
            code=ROWS_REFUSED,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "as_of": self.as_of.isoformat(),
            "file": shown_path(self.file),
            "rows": self.rows,
            "answered": self.answered,
            "recorded": self.recorded,
            "already_known": self.already_known,
            "refused": self._refused(),
            "store": str(self.store),
            "dry_run": self.dry_run,
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def _refused(self) -> list[dict[str, Any]]:
        return [{"row": row.row, "code": row.code, "reason": row.reason(self.language)} for row in self.refused]


def import_feedback(
    workspace: Workspace | str | Path, file: str | Path, *, as_of: dt.date | str, dry_run: bool = False
) -> FeedbackResult:
    """Read a list that came back and take its answers into the workspace's action log.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    file : str or Path
        The list, CSV or XLSX; sorted, filtered, with rows or columns removed, moved or added.
    as_of : date or ISO text
        The day as of which the answers are taken in.
    dry_run : bool
        Read and compare, but write nothing.

    Returns
    -------
    FeedbackResult
        When it is returned, what it calls recorded is on the disk. The same file a second time records nothing.

    Raises
    ------
    DataError
        The file is missing or unreadable, or is no list.
    Failure
        The disk refuses; then nothing was taken in.
    Locked
        Another process keeps the store for too long.
    DamagedArtefact
        The store is damaged, foreign or of a newer format.
    """
    workspace, day, file = as_workspace(workspace), as_day(as_of), Path(file)
    store = open_store(workspace)
    returned = read_returned(file)
    crash_point("feedback.file_read")
    listed, findings = _listed(workspace, store, keys_of(returned))
    crash_point("feedback.keys_looked_up")
    matched = match_answers(returned, listed, answered_on=day)
    crash_point("feedback.matched")
    answers = [answer for _, answer in matched.answers]
    new = store.record(answers, source=returned.name, sha256=returned.sha256, dry_run=dry_run)
    crash_point("feedback.recorded")
    findings += [*matched.findings, *_overtaken(store, matched, new)]
    return FeedbackResult(
        as_of=day,
        file=file,
        rows=len(returned.rows),
        answered=matched.answered,
        recorded=sum(new),
        already_known=len(new) - sum(new),
        refused=matched.refused,
        store=store.path,
        language=workspace.settings.language,
        dry_run=dry_run,
        findings=tuple(findings),
    )


def _listed(
    workspace: Workspace, store: ActionStore, keys: dict[str, dt.date]
) -> tuple[dict[str, Listed], list[Finding]]:
    """Return the actions of all lists of the days that the keys name, by key in capital letters; newest list first."""
    listed: dict[str, Listed] = {}
    damaged = []
    for day in sorted(set(keys.values())):
        for folder in _sets_of(workspace, day):
            actions = _actions_of(folder, day)
            if actions is None:
                damaged.append(f"{day}/{folder.name}")
                continue
            for action in actions:
                listed.setdefault(action.action_id.upper(), action)
    missing = [key for key in keys if key not in listed]
    if missing:  # the lists may have been tidied away; an action that was answered before is known all the same
        listed |= store.listed(missing)
    return listed, _damaged_lists(damaged)


def _sets_of(workspace: Workspace, day: dt.date) -> Iterator[Path]:
    """Yield the folders of the lists of a day: the one that serves, then the others, newest first."""
    home = workspace.published / day.isoformat()
    serving = (home / _LISTS).resolve()
    others = [path for path in (home / _SETS).glob(f"{_LISTS}-*") if not path.is_symlink() and path.is_dir()]
    others.sort(key=lambda path: (path.lstat().st_mtime_ns, path.name), reverse=True)
    base = workspace.published.resolve()
    for folder in dict.fromkeys(path.resolve() for path in (serving, *others)):
        if folder.is_dir() and folder.is_relative_to(base):
            yield folder


def _actions_of(folder: Path, day: dt.date) -> list[Listed] | None:
    """Return the actions of one set, or None where its file is not the one that was published."""
    try:
        raw = (folder / ACTIONS_FILE).read_bytes()
        expected = json.loads((folder / MANIFEST).read_bytes())["files"][ACTIONS_FILE]["sha256"]
        if hashlib.sha256(raw).hexdigest() != expected:
            return None
        table = pq.read_table(io.BytesIO(raw), columns=list(_COLUMNS))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None if folder.is_dir() else []  # a set may be tidied away while we look
    return [
        Listed(key, list_as_of, *rest)
        for key, list_as_of, *rest in zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)
        if key is not None and list_as_of == day
    ]


def _damaged_lists(folders: Collection[str]) -> list[Finding]:
    if not folders:
        return []
    message = f"{len(folders)} published lists of these days are damaged, so their keys are not known"
    remedy = "Run `crm-ml daily` for the day again, or restore the folder; then import the file again."
    return [Finding("warning", "damaged_publication", message, remedy, count=len(folders), examples=list(folders))]


def _overtaken(store: ActionStore, matched: Matched, new: list[bool]) -> list[Finding]:
    """Say which rows repeat an answer that was changed since: it does not come back by being sent again."""
    known = [(row, answer) for (row, answer), is_new in zip(matched.answers, new, strict=True) if not is_new]
    if not known:
        return []
    state = store.state(dt.date.max)
    current = {
        key: (answer, again_on, note)
        for key, answer, again_on, note in zip(
            *(state[name].to_list() for name in ("action_id", "answer", "again_on", "note")), strict=True
        )
    }
    rows = [row for row, answer in known if _differs(answer, current)]
    if not rows:
        return []
    message = f"{len(rows)} rows repeat an answer that was replaced by a newer one; the newer one counts"
    remedy = "Should the older one hold again, write a note beside it and import the file again."
    return [Finding("info", "repeats_older_answer", message, remedy, count=len(rows), examples=rows)]


def _differs(answer: Answer, current: dict[str, tuple[str, dt.date | None, str]]) -> bool:
    key = answer.listed.action_id
    return key in current and current[key] != (answer.answer, answer.again_on, answer.note)
