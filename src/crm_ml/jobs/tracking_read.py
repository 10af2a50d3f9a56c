"""What MLflow knows of the registered versions: their runs' parameters, measures and tags, and artefacts as text.

Only read, never loaded: texts are cut to size, and whoever shows them treats them as written by others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_ml.jobs.files import temporary_folder
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.tracking import store, store_address

ARTEFACTS = "artifacts"
MAX_TEXT_BYTES = 64_000_000
_SQLITE = "sqlite:///"
_PAGE = 200
_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RegisteredRun:
    """A registered version and the run that made it.

    Attributes
    ----------
    version, run_id : str
    aliases : tuple of str
        What points at the version now, sorted.
    params, tags : mapping of str
        Of the run, and the version's own tags over them.
    metrics : mapping of float
    """

    version: str
    run_id: str
    aliases: tuple[str, ...]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def registered_runs(workspace: Workspace, name: str) -> list[RegisteredRun]:
    """Return every registered version of a model with its run, the newest first; empty where nothing is registered.

    Versions whose run is gone or named oddly are left out.

    Raises
    ------
    Failure
        If the store cannot be reached.
    """
    address = store_address(workspace)
    if address.startswith(_SQLITE) and not Path(address.removeprefix(_SQLITE)).exists():
        return []  # asking MLflow would make an empty store
    with store(workspace) as (client, _):
        aliases = _aliases(client, name)
        found = [
            run
            for version in _versions(client, name)
            if _RUN_ID.fullmatch(str(version.run_id or "")) and (run := _run(client, version, aliases)) is not None
        ]
    return sorted(found, key=lambda run: -int(run.version))


def artefact_text(workspace: Workspace, run_id: str, path: str) -> str | None:
    """Return a text artefact of a run, found in the workspace or fetched from the store; None where there is none.

    Parameters
    ----------
    workspace : Workspace
        Whose store.
    run_id : str
        As `registered_runs` gives it.
    path : str
        Inside the run's artefacts, e.g. ``tables/importance.csv``.
    """
    # found relative to the workspace, so that a copied one needs nothing from where it came
    local = workspace.tracking_folder / ARTEFACTS / run_id / "artifacts"
    if local.is_dir():
        return _text(local / path, local)
    with temporary_folder(workspace.tracking_folder) as beside, store(workspace) as (client, _):
        run = _known_run(client, run_id)
        if run is None or str(run.info.artifact_uri).startswith(("/", "file:")):
            return None  # a folder of another machine or of the place this workspace was copied from
        parent = path.rpartition("/")[0]
        if path not in {str(entry.path) for entry in client.list_artifacts(run_id, parent or None)}:
            return None
        return _text(Path(client.download_artifacts(run_id, path, str(beside))), beside)


def _text(file: Path, base: Path) -> str | None:
    if not file.is_file() or not file.resolve().is_relative_to(base.resolve()) or file.stat().st_size > MAX_TEXT_BYTES:
        return None
    return file.read_text(encoding="utf-8", errors="replace")


def _aliases(client: Any, name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for model in client.search_registered_models(f"name = '{name}'"):
        for alias, version in sorted(dict(model.aliases).items()):
            found[str(version)] = (*found.get(str(version), ()), str(alias))
    return found


def _versions(client: Any, name: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def _known_run(client: Any, run_id: str) -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _run(client: Any, version: Any, aliases: Mapping[str, tuple[str, ...]]) -> RegisteredRun | None:
    run = _known_run(client, version.run_id)
    if run is None:
        return None
    data = run.data
    number = str(version.version)
    return RegisteredRun(
        version=number,
        run_id=str(version.run_id),
        aliases=aliases.get(number, ()),
        params={str(key): str(value) for key, value in data.params.items()},
        tags={str(key): str(value) for key, value in {**data.tags, **version.tags}.items()},
        metrics={str(key): float(value) for key, value in data.metrics.items()},
    )
