"""The SQLite file of the action log: made whole, opened only when it is whole and ours, its refusals in plain words.

The file is made complete beside its place and linked there, so it is never seen half-made; from then on every change is
one transaction in WAL mode, on the disk before it is acknowledged. Every row carries the SHA-256 of its content: a file
that was damaged, cut or made by another program is refused by name and left as it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection, Error, OperationalError, connect, sqlite_version, sqlite_version_info

from crm_ml.errors import DamagedArtefact, Failure, Locked
from crm_ml.faults import crash_point
from crm_ml.jobs.files import TEMPORARY, disk_errors, make_folder, sync_file, sync_folder
from crm_ml.jobs.store_schema import APPLICATION_ID, FORMAT, SCHEMA_SQL, digest

_OLDEST_SQLITE = (3, 37)
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100  # https://www.sqlite.org/fileformat.html#the_database_header
# primary result codes of SQLite: https://www.sqlite.org/rescode.html
_PERM, _BUSY, _TABLE_LOCKED, _READ_ONLY, _CORRUPT, _CANNOT_OPEN, _PROTOCOL = 3, 5, 6, 8, 11, 14, 15
_ERROR, _TOO_BIG, _NOT_A_DATABASE = 1, 18, 26
_MISTAKES = (19, 20, 21, 25)  # constraint, mismatch, misuse, range: ours, not the disk's


def beside(path: Path) -> tuple[Path, Path]:
    """Return the names of the write-ahead log and of the rollback journal beside a database."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")


def make_file(path: Path) -> None:
    """Make an empty store; where two try at once, one of them is kept."""
    _require_sqlite()
    with disk_errors(path):
        make_folder(path.parent)
        crash_point("store.folder_made")
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", suffix=".db", dir=path.parent)
        building = Path(name)
        try:
            mask = os.umask(0o077)
            os.umask(mask)
            os.fchmod(handle, 0o660 & ~mask)
            os.close(handle)
            crash_point("store.temporary_made")
            _write_schema(building)
            sync_file(building)
            crash_point("store.temporary_synced")
            with suppress(FileExistsError):  # another process was first: its file is as good
                os.link(building, path)
            crash_point("store.linked")
            sync_folder(path.parent)
            crash_point("store.folder_synced")
        finally:
            for leftover in path.parent.glob(f"{building.name}*"):
                leftover.unlink(missing_ok=True)


def _require_sqlite() -> None:
    if sqlite_version_info < _OLDEST_SQLITE:
        raise Failure(
            f"SQLite {'.'.join(map(str, _OLDEST_SQLITE))} or newer is needed; this Python has {sqlite_version}",
            remedy="Use a Python that was built with a newer one.",
            code="sqlite_too_old",
        )


def _write_schema(path: Path) -> None:
    with _sqlite_errors(path), closing(connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA_SQL:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        crash_point("store.schema_made")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    crash_point("store.schema_committed")


@contextmanager
def opened(path: Path, *, wait_seconds: float, writing: bool) -> Iterator[Connection]:
    """Give a connection to a store that was found whole; without a COMMIT nothing of what is done with it is kept.

    Parameters
    ----------
    path : Path
        The file, which is there.
    wait_seconds : float
        How long to wait for another process.
    writing : bool
        Whether anything is to be changed.

    Raises
    ------
    DamagedArtefact, Locked, Failure
        As SQLite, the file or its content gives reason.
    """
    _require_sqlite()
    _refuse_foreign_file(path)
    with _sqlite_errors(path), closing(_connection(path, wait_seconds, writing)) as connection:
        crash_point("store.opened")
        _refuse_foreign_content(path, connection)
        crash_point("store.checked")
        if writing:  # a tool may have changed it
            connection.execute("PRAGMA journal_mode = WAL")
        yield connection


def _connection(path: Path, wait_seconds: float, writing: bool) -> Connection:
    # a store that may only be read (a medium without rights to write) is opened as it lies there
    still = not writing and not os.access(path.parent, os.W_OK) and not beside(path)[0].exists()
    address = f"{path.as_uri()}?{'immutable=1' if still else 'mode=rw'}"
    connection = connect(address, uri=True, timeout=wait_seconds, isolation_level=None)
    try:
        for name, value in (("foreign_keys", "ON"), ("trusted_schema", "OFF"), ("cell_size_check", "ON")):
            connection.execute(f"PRAGMA {name} = {value}")
        if writing:
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_foreign_file(path: Path) -> None:
    wal, journal = beside(path)
    if os.path.lexists(journal):
        raise _damaged(path, f"{journal.name} beside it was left by another program")
    if not path.is_file():
        if wal.exists():
            raise _damaged(path, f"it is gone, though {wal.name} is there")
        raise _damaged(path, "it is no file")
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}", remedy="Check the rights of the file.", code="cannot_read"
        ) from None
    if not start.startswith(_MAGIC):
        raise _damaged(path, "it is no SQLite file" if start else "it is empty")
    # looked at before SQLite opens it, which might tidy up what is another program's
    if len(start) == _HEADER_BYTES and int.from_bytes(start[68:72], "big") != APPLICATION_ID:
        raise _damaged(path, "it belongs to another program")


def _refuse_foreign_content(path: Path, connection: Connection) -> None:
    """Raise unless the file is ours, of this format, whole, and every row is what was written."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise DamagedArtefact(
            f"The action log {path} has format {found}, made by a newer version of crm-ml; this one knows {FORMAT}",
            remedy="Install that version or a newer one. The file was left as it is.",
            code="newer_format",
        )
    sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
    made = [row[0] for row in connection.execute(sql)]
    if found != FORMAT or made != list(SCHEMA_SQL):
        raise _damaged(path, f"its tables are not those of format {FORMAT}")
    connection.execute("BEGIN")  # all checks look at one state
    told = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if told != "ok":
        raise _damaged(path, str(told).splitlines()[0][:200])
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise _damaged(path, "an answer has lost its action")
    for table in ("actions", "answers"):
        for *content, sha256 in connection.execute(f"SELECT * FROM {table}"):
            if digest(content) != sha256:
                raise _damaged(path, f"a row of {table} is not what was written")
    connection.execute("COMMIT")


def _damaged(path: Path, found: str) -> DamagedArtefact:
    return DamagedArtefact(
        f"The action log {path} is damaged or not ours: {found}",
        remedy="Restore it from a backup, or move it away to begin a new one and import the returned lists again. "
        "The file was left as it is.",
        code="damaged_store",
    )


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite refuses into an error of ours; nothing of a transaction that fails is kept."""
    try:
        yield
    except UnicodeDecodeError:
        raise _damaged(path, "a text of it is no UTF-8") from None
    except Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _MISTAKES or (primary is None and not isinstance(error, OperationalError)):
            raise
        # our statements are fixed: one that is no good meets tables that are not ours (None: a text that is no UTF-8)
        if primary in (None, _ERROR, _CORRUPT, _TOO_BIG, _NOT_A_DATABASE):
            raise _damaged(path, str(error)) from error
        if primary in (_BUSY, _TABLE_LOCKED, _PROTOCOL):
            raise Locked(
                f"{path} is locked: another process has been writing for a long time",
                remedy="Wait for it to end, then run again; nothing was taken in.",
            ) from error
        rights = primary in (_PERM, _READ_ONLY, _CANNOT_OPEN)
        remedy = "Give this user the right to write in that folder" if rights else "Check the disk and its space"
        raise Failure(
            f"{path} cannot be used: {error}",
            remedy=f"{remedy}, then run again; nothing was taken in, and earlier answers are untouched.",
            code="cannot_write",
        ) from error
