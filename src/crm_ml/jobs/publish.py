"""Published sets: immutable folders with a manifest, switched in one atomic step.

``published/<as_of>/<kind>`` is a relative link to ``published/<as_of>/.sets/<kind>-<inputs>``. A set is built beside,
brought to the disk, renamed, and only then linked; so a reader sees the whole old set or the whole new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from crm_ml.errors import Failure
from crm_ml.faults import crash_point
from crm_ml.jobs.files import (
    TEMPORARY,
    disk_errors,
    make_folder,
    remove_leftovers,
    sha256_of,
    sync_file,
    sync_folder,
    temporary_folder,
)
from crm_ml.jobs.settings import canonical_json

MANIFEST = "manifest.json"
_SETS = ".sets"
_FORMAT = 1
_SYNCING = 4
"""Files that are brought to the disk at a time."""

Writer = Callable[[Path], int]
"""Writes one file and returns its number of rows."""


@dataclass(frozen=True)
class SetPlan:
    """What a set is made of: the same plan always gives the same bytes.

    Parameters
    ----------
    published : Path
        The workspace's folder ``published``.
    as_of : date
    kind : str
        ``scores`` or ``lists``.
    inputs : mapping
        JSON-ready hashes and versions of all that goes in (configuration, visible data, model, code).
    versions : mapping
        Versions of the packages that did the work; said, but not part of the inputs.
    """

    published: Path
    as_of: date
    kind: str
    inputs: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs_hash(self) -> str:
        """SHA-256 over kind, day and inputs."""
        whole = {"kind": self.kind, "as_of": self.as_of.isoformat(), "inputs": dict(self.inputs)}
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()

    @property
    def day(self) -> Path:
        """Folder of the day."""
        return self.published / self.as_of.isoformat()

    @property
    def link(self) -> Path:
        """The name under which the set is read."""
        return self.day / self.kind

    @property
    def sets(self) -> Path:
        """Folder of the immutable sets of the day."""
        return self.day / _SETS


@dataclass(frozen=True)
class SetState:
    """How a published set was found: ``manifest`` is None when there is none or it is unreadable; `fault` says why."""

    manifest: Mapping[str, Any] | None
    fault: str = ""

    @property
    def intact(self) -> bool:
        """Whether every file is there with its SHA-256."""
        return self.manifest is not None and not self.fault

    @property
    def inputs_hash(self) -> str:
        """The hash of what the set was made of; empty where there is none."""
        return str((self.manifest or {}).get("inputs_hash", ""))

    @property
    def rows(self) -> int:
        """Rows of all tables of the set."""
        return sum(int(entry["rows"]) for entry in (self.manifest or {"files": {}})["files"].values())


def inspect_set(folder: Path) -> SetState:
    """Read a set's manifest and check every file against it.

    Examples
    --------
    >>> inspect_set(Path("no/such/folder"))
    SetState(manifest=None, fault='')
    """
    if not folder.is_dir():
        return SetState(None)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        expected = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
        _ = (manifest["inputs_hash"], [int(entry["rows"]) for entry in manifest["files"].values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return SetState(None, f"{MANIFEST} is missing or damaged")
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    if found != set(expected):
        differing = ", ".join(sorted(found ^ set(expected)))
        return SetState(manifest, f"the files are not those of the manifest ({differing})")
    for name, digest in sorted(expected.items()):
        if (folder / name).is_symlink() or sha256_of(folder / name) != digest:
            return SetState(manifest, f"{name} was changed after it was published")
    return SetState(manifest)


def published_state(plan: SetPlan) -> SetState:
    """Return the state of what the link of the plan's day and kind shows now."""
    _confined(plan)
    return inspect_set(plan.link)


def set_before(published: Path, day: date, kind: str) -> tuple[date, Path, SetState] | None:
    """Return the newest complete set of a kind from before a day: its day, its folder (no link) and its state."""
    found = []
    for path in published.glob(f"*/{kind}"):
        with suppress(ValueError):
            found.append((date.fromisoformat(path.parent.name), path))
    for its_day, path in sorted((entry for entry in found if entry[0] < day), reverse=True):
        state = inspect_set(path)
        if state.intact:
            return its_day, path.resolve(), state
    return None


def publish_set(plan: SetPlan, files: Mapping[str, Writer], *, keep_sets: int) -> Path:
    """Build, switch and prune; the caller holds the lock of ``published`` and has cleaned it (`clean`).

    Parameters
    ----------
    plan : SetPlan
        What the set is made of.
    files : mapping
        File name to writer.
    keep_sets : int
        Sets of this day and kind to keep, the new one included.

    Returns
    -------
    Path
        The link, now leading to the new set.

    Raises
    ------
    Failure
        If the disk refuses; what was published before then still is.
    """
    _confined(plan)
    with disk_errors(plan.day):
        try:
            make_folder(plan.sets)
            crash_point("publish.day_made")
            target = _build(plan, files)
            _switch(plan, target)
            _prune(plan, target, keep_sets)
        finally:
            for folder in (plan.sets, plan.day):
                with suppress(OSError):
                    folder.rmdir()  # only when empty: nothing half-made stays after a refusal
    return plan.link


def clean(published: Path) -> None:
    """Remove what dead runs left behind below ``published``; the caller holds its lock."""
    remove_leftovers(*published.glob(f"*/{_SETS}"))
    crash_point("publish.cleaned")


def _confined(plan: SetPlan) -> None:
    base = plan.published.resolve()
    for path in (plan.day, plan.sets):
        if path.exists() and not path.resolve().is_relative_to(base):
            raise Failure(
                f"{path} is a symbolic link that leads out of the workspace",
                remedy="Remove the link; nothing is written elsewhere.",
                code="outside_workspace",
            )


def _build(plan: SetPlan, files: Mapping[str, Writer]) -> Path:
    with temporary_folder(plan.sets) as folder:
        crash_point("publish.temporary_made")
        return _settle(plan, folder, write_set(plan, files, folder))


def write_set(plan: SetPlan, files: Mapping[str, Writer], folder: Path) -> bytes:
    """Write the files of a set and its manifest into a folder, all brought to the disk; return the manifest's bytes."""
    with ThreadPoolExecutor(_SYNCING) as pool:
        syncing: dict[str, Future[dict[str, Any]]] = {}
        for name, write in sorted(files.items()):
            crash_point("publish.before_file")
            rows = write(folder / name)
            crash_point("publish.file_written")
            # the disk works on the files before while the next one is made
            syncing[name] = pool.submit(_synced, folder / name, rows)
        entries = {}
        for name, done in syncing.items():
            entries[name] = done.result()
            crash_point("publish.file_synced")
    manifest = {
        "format": _FORMAT,
        "kind": plan.kind,
        "as_of": plan.as_of.isoformat(),
        "inputs_hash": plan.inputs_hash,
        "inputs": dict(plan.inputs),
        "versions": dict(plan.versions),
        "files": entries,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    crash_point("publish.manifest_written")
    sync_file(folder / MANIFEST)
    crash_point("publish.manifest_synced")
    sync_folder(folder)
    crash_point("publish.temporary_synced")
    return text.encode()


def _synced(path: Path, rows: int) -> dict[str, Any]:
    """Bring a file to the disk; return what the manifest says of it."""
    sync_file(path)
    return {"sha256": sha256_of(path), "rows": rows, "bytes": path.stat().st_size}


def _settle(plan: SetPlan, folder: Path, manifest: bytes) -> Path:
    """Give the built folder its final name; one that is there already, whole and equal, is used as it is."""
    stem, number = f"{plan.kind}-{plan.inputs_hash[:12]}", 1
    while True:
        target = plan.sets / (stem if number == 1 else f"{stem}-{number}")
        if not os.path.lexists(target):
            break
        if inspect_set(target).intact and (target / MANIFEST).read_bytes() == manifest:
            os.utime(target)  # it is the newest again, so pruning spares it
            crash_point("publish.same_set_found")
            return target
        number += 1
    folder.rename(target)
    crash_point("publish.renamed")
    sync_folder(plan.sets)
    crash_point("publish.sets_synced")
    return target


def _switch(plan: SetPlan, target: Path) -> None:
    wanted = f"{_SETS}/{target.name}"
    if plan.link.is_symlink() and os.readlink(plan.link) == wanted:
        return
    if plan.link.exists() and not plan.link.is_symlink():
        # a copy that turned links into folders: kept as an old set, since a link cannot replace a folder
        plan.link.rename(_free_name(plan.sets / f"{plan.kind}-copied"))
    beside = plan.sets / f"{TEMPORARY}{os.getpid()}-link"
    beside.unlink(missing_ok=True)
    beside.symlink_to(wanted)
    crash_point("publish.link_made")
    beside.replace(plan.link)
    crash_point("publish.link_switched")
    sync_folder(plan.day)
    crash_point("publish.day_synced")


def _free_name(path: Path) -> Path:
    number = 1
    while os.path.lexists(candidate := path.with_name(f"{path.name}-{number}")):
        number += 1
    return candidate


def _prune(plan: SetPlan, serving: Path, keep_sets: int) -> None:
    others = [path for path in plan.sets.glob(f"{plan.kind}-*") if path.name != serving.name]
    others.sort(key=lambda path: (path.lstat().st_mtime_ns, path.name), reverse=True)
    for path in others[keep_sets - 1 :]:
        gone = _free_name(plan.sets / f"{TEMPORARY}{os.getpid()}-gone")
        path.rename(gone)  # first the name, so that half a set never carries one
        crash_point("publish.old_set_renamed")
        shutil.rmtree(gone, ignore_errors=True)
        crash_point("publish.old_set_removed")
