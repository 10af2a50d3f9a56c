"""Writing so that a crash at any moment leaves either the old or the new: beside, to the disk, then one rename."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crm_ml.errors import Failure
from crm_ml.faults import crash_point

TEMPORARY = ".building-"
"""Prefix of everything half-made; the number of the process that makes it follows."""

_REMEDIES = {
    errno.ENOSPC: "Free some space and run again",
    errno.EDQUOT: "Free some of the quota and run again",
    errno.EFBIG: "Raise the limit of the file size and run again",
    errno.EROFS: "Make the file system writable and run again",
    errno.EACCES: "Give this user the right to write there and run again",
    errno.EPERM: "Give this user the right to write there and run again",
}


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn what the operating system refuses while writing below `where` into one clear `Failure`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the rights of the folder and run again")
        raise Failure(
            f"{where} cannot be written: {reason}",
            remedy=f"{remedy}; what was published before is untouched.",
            code="cannot_write",
        ) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


sync_folder = sync_file
"""Bring a folder's entries (new names, renames) to the disk."""


def make_folder(path: Path) -> None:
    """Make a folder and its parents; each new name is brought to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder below `parent` that is gone afterwards, unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=parent))
    folder.chmod(0o777 & ~_umask())  # mkdtemp makes it private; the published set is to be read by others
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(*parents: Path) -> None:
    """Remove the temporary files and folders of dead runs; those of a living process of this machine stay."""
    for parent in parents:
        for path in parent.glob(f"{TEMPORARY}*"):
            if _owner_lives(path.name):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _owner_lives(name: str) -> bool:
    owner = name.removeprefix(TEMPORARY).split("-")[0]
    if not owner.isdigit() or int(owner) == os.getpid():
        return False
    try:
        os.kill(int(owner), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def replace_file(path: Path, write: Callable[[Path], None], *, step: str) -> None:
    """Write a file beside its final name, bring it to the disk and rename it over the old one."""
    path = path.absolute()
    with disk_errors(path):
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            beside.chmod(0o666 & ~_umask())
            write(beside)
            crash_point(f"{step}.written")
            sync_file(beside)
            crash_point(f"{step}.synced")
            beside.replace(path)
            crash_point(f"{step}.renamed")
            sync_folder(path.parent)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
