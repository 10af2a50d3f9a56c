"""Tables of the action log, format 1, and the questions asked of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

APPLICATION_ID = 0x63726D6C
"""Stands in the header of every action log ("crml"): so another program's database is recognised."""

FORMAT = 1
"""The ``user_version`` of the file; raised whenever the tables change."""

# adding nothing makes SQLite compute the date: so 30 February is none
_DAY = "length({0}) = 10 AND date({0}, '+0 days') IS {0}"

SCHEMA_SQL: tuple[str, ...] = (
    f"""CREATE TABLE imports (
    import_id INTEGER PRIMARY KEY,
    as_of TEXT NOT NULL CHECK ({_DAY.format("as_of")}),
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT""",
    f"""CREATE TABLE actions (
    action_id TEXT NOT NULL PRIMARY KEY CHECK (length(action_id) >= 10),
    list_as_of TEXT NOT NULL CHECK ({_DAY.format("list_as_of")}),
    subject_type TEXT NOT NULL CHECK (subject_type <> ''),
    subject_id TEXT NOT NULL CHECK (subject_id <> ''),
    action TEXT NOT NULL CHECK (action <> ''),
    channel TEXT,
    arm TEXT NOT NULL CHECK (arm IN ('treatment', 'control')),
    cost REAL,
    digest TEXT NOT NULL CHECK (length(digest) = 64)
) STRICT""",
    f"""CREATE TABLE answers (
    answer_id INTEGER PRIMARY KEY,
    action_id TEXT NOT NULL REFERENCES actions (action_id),
    answered_on TEXT NOT NULL CHECK ({_DAY.format("answered_on")}),
    answer TEXT NOT NULL CHECK (answer IN ('done', 'wrong', 'not_now')),
    again_on TEXT CHECK (again_on IS NULL OR {_DAY.format("again_on")}),
    note TEXT NOT NULL,
    import_id INTEGER NOT NULL REFERENCES imports (import_id),
    digest TEXT NOT NULL CHECK (length(digest) = 64)
) STRICT""",
    "CREATE UNIQUE INDEX answers_once ON answers (action_id, answered_on, answer, coalesce(again_on, ''), note)",
    "CREATE INDEX actions_by_subject ON actions (subject_type, subject_id)",
)

# an answer that comes in a second time is no new one: of equal ones the first counts, by day and then by number
EFFECTIVE_SQL = """
WITH told AS (
    SELECT *, row_number() OVER (
        PARTITION BY action_id, answer, coalesce(again_on, ''), note ORDER BY answered_on, answer_id
    ) AS time_said
    FROM answers
), effective AS (
    SELECT told.*, actions.list_as_of, actions.subject_type, actions.subject_id,
           actions.action, actions.channel, actions.arm, actions.cost
    FROM told JOIN actions USING (action_id)
    WHERE time_said = 1
)
"""

STATE_SQL = """
SELECT action_id, subject_type, subject_id, action, answer, answered_on, again_on, list_as_of, note
FROM (
    SELECT *, row_number() OVER (PARTITION BY action_id ORDER BY answered_on DESC, answer_id DESC) AS place
    FROM effective
    WHERE list_as_of < ? AND answered_on <= ?
)
WHERE place = 1
ORDER BY subject_type, subject_id, answered_on, list_as_of, answer_id
"""

LOG_SQL = """
SELECT action_id, subject_type, subject_id, list_as_of, action, arm,
       channel, cost, answer, NULL, answered_on, answered_on
FROM (
    SELECT *, row_number() OVER (PARTITION BY action_id, answered_on ORDER BY answer_id DESC) AS place
    FROM effective
)
WHERE place = 1
ORDER BY list_as_of, action_id, answered_on
"""

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def digest(content: Sequence[object]) -> str:
    """Return the SHA-256 of a row's content.

    Examples
    --------
    >>> digest(["a", None, 1.5])[:8]
    '7887e8bc'
    """
    return hashlib.sha256(_encode(list(content)).encode("ascii")).hexdigest()
