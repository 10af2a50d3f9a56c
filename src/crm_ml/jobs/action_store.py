"""The action log of a workspace: takes each answer once, never loses one, and says which one counts on which day."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

import pandas as pd

from crm_ml.actions.feedback import Answer, Listed
from crm_ml.faults import crash_point
from crm_ml.jobs.files import disk_errors, remove_leftovers
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.jobs.store_file import beside, make_file, opened
from crm_ml.jobs.store_schema import EFFECTIVE_SQL, LOG_SQL, STATE_SQL, digest

FOLDER, FILE_NAME = "feedback", "action_log.db"
WAIT_SECONDS = 30.0
_STATE = "action_id,subject_type,subject_id,action,answer,answered_on,again_on,list_as_of,note"
_LOG = "action_id,subject_type,subject_id,decided_at,action,arm,channel,cost,status,outcome,completed_at,known_at"
_DAYS = frozenset({"answered_on", "again_on", "list_as_of"})
_STAMPS = frozenset({"decided_at", "completed_at", "known_at"})

T = TypeVar("T")


@dataclass(frozen=True)
class ActionStore:
    """The action log of a workspace.

    Parameters
    ----------
    path : Path
        The SQLite file; it comes into being with the first answer.
    wait_seconds : float
        How long to wait for another process that writes.

    Examples
    --------
    >>> import tempfile
    >>> day = dt.date(2026, 3, 2)
    >>> store = ActionStore(Path(tempfile.mkdtemp()) / "feedback" / "action_log.db")
    >>> said = Answer(Listed("20260302-ABCDEFGHIJKL", day, "customer", "00123", "personal_talk"), "done", day)
    >>> store.record([said]), store.record([said])
    ([True], [False])
    >>> store.state(day).empty  # an answer counts from the list after the one it answers
    True
    >>> store.state(dt.date(2026, 3, 3))[["subject_id", "action", "answer"]].to_numpy().tolist()
    [['00123', 'personal_talk', 'done']]
    """

    path: Path
    wait_seconds: float = field(default=WAIT_SECONDS, repr=False)

    @property
    def exists(self) -> bool:
        """Whether an answer was ever taken in, or something else lies at the store's place."""
        return any(os.path.lexists(path) for path in (self.path, *beside(self.path)))

    def record(
        self, answers: Sequence[Answer], *, source: str = "", sha256: str = "", dry_run: bool = False
    ) -> list[bool]:
        """Write the answers that are new, all or none, and say which those are.

        An answer is known already when the same action has the same answer, date and note as of the same day or an
        earlier one.

        Parameters
        ----------
        answers : sequence of Answer
            What was said.
        source : str
            Where they come from: the name of a file.
        sha256 : str
            Of that file's bytes.
        dry_run : bool
            Only say it.

        Returns
        -------
        list of bool
            For each answer whether it is new; when this returns, the new ones are on the disk.

        Raises
        ------
        Failure
            If the disk refuses; then nothing was written.
        Locked
            If another process writes for longer than the store waits.
        DamagedArtefact
            If the file is damaged, foreign or of a newer format; it is left as it is.
        """
        if dry_run or not answers:
            return self._use(lambda connection: _which_are_new(connection, answers), _first_ones(answers))
        if not self.exists:
            make_file(self.path)
        with disk_errors(self.path):
            remove_leftovers(self.path.parent)
        with opened(self.path, wait_seconds=self.wait_seconds, writing=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            crash_point("store.begun")
            new = _which_are_new(connection, answers)
            if not any(new):
                connection.execute("ROLLBACK")
                return new
            day = max(answer.answered_on for answer in answers)
            row = (day.isoformat(), source, sha256)
            cursor = connection.execute("INSERT INTO imports (as_of, source, sha256) VALUES (?, ?, ?)", row)
            crash_point("store.import_noted")
            for answer, is_new in zip(answers, new, strict=True):
                if is_new:
                    _insert(connection, answer, int(cursor.lastrowid or 0))
            crash_point("store.before_commit")
            connection.execute("COMMIT")
            crash_point("store.committed")
        crash_point("store.closed")
        return new

    def state(self, as_of: dt.date) -> pd.DataFrame:
        """Return the newest answer to each action that counts for the lists of a day.

        An answer to the list of day L that was taken in as of day A counts for day D iff L < D and A <= D. The newest
        is the one of the latest A; of the same A, the one that was taken in last.

        Parameters
        ----------
        as_of : date
            D.

        Returns
        -------
        DataFrame
            action_id, subject_type, subject_id, action, answer, answered_on, again_on, list_as_of, note; the newest
            answer to a subject last. Days are `datetime.date`.
        """
        return _frame(_STATE.split(","), self._rows(STATE_SQL, as_of))

    def state_hash(self, as_of: dt.date) -> str:
        """Return the SHA-256 over `state`: the same for the same answers, whatever else the file holds."""
        rows = sorted(map(list, self._rows(STATE_SQL, as_of)))
        return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()

    def log(self) -> pd.DataFrame:
        """Return all answers as rows of the canonical table ``action_log``.

        One row per action and day: the answer that was the newest at the end of that day. ``known_at`` makes the rows
        of one action versions, of which the newest visible one counts.

        Returns
        -------
        DataFrame
            The canonical columns; times are the beginnings of days, without a zone.
        """
        return _frame(_LOG.split(","), self._rows(LOG_SQL, None))

    def listed(self, action_ids: Collection[str]) -> dict[str, Listed]:
        """Return those of the actions that were answered before, by their id in capital letters."""
        wanted = {action_id.upper() for action_id in action_ids}
        known: dict[str, Listed] = self._use(_listed, {})
        return {key: action for key, action in known.items() if key in wanted}

    def _rows(self, sql: str, as_of: dt.date | None) -> list[tuple[Any, ...]]:
        bound = () if as_of is None else (as_of.isoformat(),) * 2
        return self._use(lambda connection: connection.execute(EFFECTIVE_SQL + sql, bound).fetchall(), [])

    def _use(self, work: Callable[[Connection], T], without: T) -> T:
        """Return what `work` makes of the store, or `without` where there is none."""
        if not self.exists:
            return without
        with opened(self.path, wait_seconds=self.wait_seconds, writing=False) as connection:
            return work(connection)


def open_store(workspace: Workspace) -> ActionStore:
    """Return the action log of a workspace; nothing is read or made yet.

    Raises
    ------
    Failure
        If a symbolic link leads the file out of the workspace.
    """
    inside(workspace.root, FOLDER)
    return ActionStore(inside(workspace.root, f"{FOLDER}/{FILE_NAME}"))


# rows


def _which_are_new(connection: Connection, answers: Sequence[Answer]) -> list[bool]:
    sql = "SELECT 1 FROM answers WHERE action_id = ? AND answer = ? AND again_on IS ? AND note = ? AND answered_on <= ?"
    new = _first_ones(answers)
    for at, answer in enumerate(answers):
        key, word, again_on, note = answer.content
        row = (key, word, _iso(again_on), note, answer.answered_on.isoformat())
        new[at] = new[at] and connection.execute(sql, row).fetchone() is None
    return new


def _first_ones(answers: Sequence[Answer]) -> list[bool]:
    """Say of each answer whether no equal one of the same day or an earlier one stands before it."""
    earliest: dict[tuple[object, ...], dt.date] = {}
    first = []
    for answer in answers:
        known = earliest.get(answer.content, dt.date.max)
        first.append(answer.answered_on < known)
        earliest[answer.content] = min(known, answer.answered_on)
    return first


def _insert(connection: Connection, answer: Answer, import_id: int) -> None:
    action = answer.listed
    if connection.execute("SELECT 1 FROM actions WHERE action_id = ?", (action.action_id,)).fetchone() is None:
        row: list[Any] = [action.action_id, action.list_as_of.isoformat(), action.subject_type, action.subject_id]
        row += [action.action, action.channel, action.arm, action.cost]
        connection.execute(f"INSERT INTO actions VALUES ({', '.join('?' * 9)})", (*row, digest(row)))
        crash_point("store.action_inserted")
    number = connection.execute("SELECT coalesce(max(answer_id), 0) + 1 FROM answers").fetchone()[0]
    row = [number, action.action_id, answer.answered_on.isoformat(), answer.answer, _iso(answer.again_on)]
    row += [answer.note, import_id]
    connection.execute(f"INSERT INTO answers VALUES ({', '.join('?' * 8)})", (*row, digest(row)))
    crash_point("store.answer_inserted")


def _listed(connection: Connection) -> dict[str, Listed]:
    rows = connection.execute("SELECT * FROM actions ORDER BY action_id").fetchall()
    return {row[0].upper(): Listed(row[0], dt.date.fromisoformat(row[1]), *row[2:8]) for row in rows}


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _frame(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    columns = {}
    for at, name in enumerate(names):
        values = [row[at] for row in rows]
        if name in _DAYS:
            days = [None if value is None else dt.date.fromisoformat(value) for value in values]
            columns[name] = pd.Series(days, dtype=object)
        elif name in _STAMPS:
            columns[name] = pd.Series(pd.to_datetime(pd.Series(values, dtype="str"))).astype("datetime64[us]")
        else:
            columns[name] = pd.Series(values, dtype="float64" if name == "cost" else "str")
    return pd.DataFrame(columns)
