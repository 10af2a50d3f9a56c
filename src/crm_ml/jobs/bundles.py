"""The workspace's own store of model bundles, named by their SHA-256: scoring loads from here and nowhere else."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from crm_ml.errors import DamagedArtefact
from crm_ml.faults import crash_point
from crm_ml.jobs.files import make_folder, sync_file, sync_folder, temporary_folder
from crm_ml.models.bundle import PART_FILES, read_meta

BUNDLE_FILE = "bundle.json"
_MAX_BUNDLE_BYTES = 16_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


def damaged(where: object, found: str) -> DamagedArtefact:
    """Return the refusal of a bundle that is not exactly ours."""
    return DamagedArtefact(
        f"The model bundle {where} is damaged or not ours: {found}",
        remedy="Train again, or remove the folder so that it is fetched again from the run's artefacts; "
        "nothing was loaded, and what was published before is untouched.",
    )


def is_sha256(text: str) -> bool:
    """Return whether a text is a SHA-256 in hexadecimal.

    Examples
    --------
    >>> is_sha256("0" * 64), is_sha256("../" + "0" * 61)
    (True, False)
    """
    return _SHA256.fullmatch(text) is not None


def parts_of(file: Path, sha256: str) -> dict[str, str]:
    """Return file name to SHA-256 as ``bundle.json`` says it; the file itself must have the given SHA-256.

    Raises
    ------
    DamagedArtefact
        If it has another one, or names a file that no bundle has.
    """
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_BUNDLE_BYTES:
        raise damaged(file.parent, f"{BUNDLE_FILE} is missing or too large")
    raw = file.read_bytes()
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise damaged(file.parent, f"{BUNDLE_FILE} is not the one that the registry names")
    try:
        parts = {str(name): str(digest) for name, digest in json.loads(raw)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise damaged(file.parent, f"{BUNDLE_FILE} does not name its files") from None
    if not set(parts) <= PART_FILES or not all(map(is_sha256, parts.values())):
        raise damaged(file.parent, f"{BUNDLE_FILE} names files that no bundle has")
    return parts


def store_bundle(store: Path, source: Path, sha256: str, *, building: Path | None = None) -> Path:
    """Copy a bundle into the store, file by file under its exact name, checked before it gets its name.

    Parameters
    ----------
    store : Path
        ``mlflow/bundles`` of the workspace.
    source : Path
        A folder with the bundle's files.
    sha256 : str
        SHA-256 of its ``bundle.json``.
    building : Path, optional
        Where the copy is made before it is renamed; on the same file system. The store itself by default.
    """
    target = store / sha256
    if target.exists():
        read_meta(target, sha256=sha256)
        return target
    read_meta(source, sha256=sha256)
    make_folder(store)
    with temporary_folder(building or store) as folder:
        crash_point("bundles.temporary_made")
        for name in sorted(path.name for path in source.iterdir()):
            shutil.copyfile(source / name, folder / name, follow_symlinks=False)
            crash_point("bundles.file_copied")
            sync_file(folder / name)
        read_meta(folder, sha256=sha256)
        sync_folder(folder)
        crash_point("bundles.synced")
        folder.rename(target)
        crash_point("bundles.renamed")
        sync_folder(store)
    return target


def tried(store: Path, sha256: str, trial: Callable[[], None]) -> None:
    """Run `trial` (a first load in a child process) once per bundle and version of LightGBM."""
    marker, stamp = store / f"{sha256}.tried", f"lightgbm {version('lightgbm')}\n"
    if marker.is_file() and not marker.is_symlink() and marker.read_text(encoding="utf-8", errors="replace") == stamp:
        return
    trial()
    crash_point("bundles.tried")
    marker.unlink(missing_ok=True)
    marker.write_text(stamp, encoding="utf-8")
