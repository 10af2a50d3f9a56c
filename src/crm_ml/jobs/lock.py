"""One writer at a time: an advisory lock that the operating system frees when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from crm_ml.errors import Locked
from crm_ml.faults import crash_point
from crm_ml.jobs.files import disk_errors, make_folder

LOCK_NAME = ".lock"


@contextmanager
def locked(folder: Path, purpose: str) -> Iterator[None]:
    """Hold the lock of a folder, which is made if needed.

    Parameters
    ----------
    folder : Path
        The lock is ``folder/.lock``; the file stays, only the hold on it ends (also when the process is killed).
    purpose : str
        What the holder does, for the message that others get.

    Raises
    ------
    Locked
        At once, when another process holds it; the message names host, process and start.
    Failure
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with locked(folder, "a test"):
    ...     with locked(folder, "another"):
    ...         pass
    Traceback (most recent call last):
        ...
    crm_ml.errors.Locked: ... is locked: a test by process ... on ... since ...
    """
    with disk_errors(folder):
        make_folder(folder)
        crash_point("lock.folder_made")
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        crash_point("lock.opened")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"{folder} is locked: {_holder(descriptor)}", remedy="Wait for it to end, then run again."
            ) from None
        crash_point("lock.held")
        with disk_errors(folder):
            text = json.dumps({"purpose": purpose, "host": socket.gethostname(), "pid": os.getpid()})
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        crash_point("lock.signed")
        yield
        crash_point("lock.before_release")
    finally:
        os.close(descriptor)
    crash_point("lock.released")


def _holder(descriptor: int) -> str:
    since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"{holder['purpose']} by process {holder['pid']} on {holder['host']} since {since}"
    except (ValueError, KeyError, TypeError):
        return f"another run since {since}"
