"""MLflow: runs, registered versions and aliases. The only module that imports it, and only inside functions.

MLflow keeps and shows; it never loads. Scoring asks the registry which bundle serves (alias and SHA-256) and takes the
bundle's files by their exact names; what else a run or a version carries is never read.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from crm_ml.errors import CrmError, DamagedArtefact, Failure, UsageError, did_you_mean
from crm_ml.faults import crash_point
from crm_ml.jobs.bundles import BUNDLE_FILE, damaged, is_sha256, parts_of, store_bundle
from crm_ml.jobs.files import disk_errors, make_folder, remove_leftovers, temporary_folder
from crm_ml.jobs.settings import Workspace
from crm_ml.models.bundle import PART_FILES, read_meta

CHAMPION, CHALLENGER = "champion", "challenger"
AUTHOR = "crm-ml"
_SQLITE = "sqlite:///"
_ARTEFACTS, _BUNDLES, _BUNDLE = "artifacts", "bundles", "bundle"
_SHA_TAG, _AS_OF_TAG = "sha256", "as_of"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_BATCH = 100
_PARAM_CHARACTERS = 500
_MAX_EXPERIMENTS = 1000
_ALIAS_QUERY = """
    SELECT v.version, v.run_id
    FROM registered_model_aliases a JOIN model_versions v ON v.name = a.name AND v.version = a.version
    WHERE a.name = ? AND a.alias = ? AND v.current_stage <> 'Deleted_Internal'
"""
_TAGS_QUERY = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"


@dataclass(frozen=True)
class RunRecord:
    """What one training, or one day's scores, leave in MLflow.

    Parameters
    ----------
    name : str
    params, tags : mapping of str
    metrics : mapping of float
    texts : mapping
        Artefact path to text.
    figures : mapping
        Artefact path to matplotlib figure.
    bundle : Path, optional
        Folder with the bundle's files, where a model was made.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    figures: Mapping[str, Any]
    bundle: Path | None = None


@dataclass(frozen=True)
class ServingVersion:
    """A registered version: which bundle it stands for, which run made it, and what it is tagged with."""

    name: str
    version: str
    sha256: str
    run_id: str
    as_of: date
    tags: Mapping[str, str] = field(default_factory=dict)


def store_address(workspace: Workspace) -> str:
    """Return the MLflow address of the settings; a relative SQLite path lies in the workspace.

    Examples
    --------
    >>> from crm_ml.jobs.settings import parse_settings
    >>> text = {"version": 1, "currency": "EUR", "timezone": "UTC", "tables": {"order_lines": {"source": "o.parquet"}}}
    >>> store_address(Workspace(Path("/w"), parse_settings(text)))
    'sqlite:////w/mlflow/mlflow.db'
    """
    uri = workspace.settings.tracking.uri
    if not uri.startswith(_SQLITE):
        return uri
    return _SQLITE + str(workspace.root / uri.removeprefix(_SQLITE))


def bundle_store(workspace: Workspace) -> Path:
    """Return the folder of the workspace's own bundles."""
    return workspace.tracking_folder / _BUNDLES


def log_run(workspace: Workspace, record: RunRecord, *, experiment: str) -> str:
    """Write one MLflow run and return its id; the caller holds the lock of what it belongs to.

    Raises
    ------
    Failure
        If the store cannot be reached or written.
    """
    folder = workspace.tracking_folder
    with _store(workspace) as (client, entities), temporary_folder(folder) as beside:
        crash_point("tracking.store_opened")
        experiment_id = _experiment(client, workspace, experiment)
        crash_point("tracking.experiment_ready")
        # without this tag MLflow would store a login name
        tags = {**record.tags, "mlflow.user": AUTHOR, "mlflow.source.name": AUTHOR}
        run = client.create_run(experiment_id, tags=tags, run_name=record.name).info
        run_id = str(run.run_id)
        crash_point("tracking.run_created")
        params = [entities.Param(key, str(value)[:_PARAM_CHARACTERS]) for key, value in sorted(record.params.items())]
        for start in range(0, len(params), _BATCH):
            client.log_batch(run_id, params=params[start : start + _BATCH])
        crash_point("tracking.params_logged")
        metrics = [entities.Metric(key, value, run.start_time, 0) for key, value in sorted(record.metrics.items())]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        crash_point("tracking.metrics_logged")
        for name, text in record.texts.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_text(text, encoding="utf-8")
        for name, figure in record.figures.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(beside / name, dpi=120, bbox_inches="tight", metadata={"Software": None})
        crash_point("tracking.pictures_drawn")
        client.log_artifacts(run_id, str(beside))
        crash_point("tracking.pictures_logged")
        if record.bundle is not None:
            client.log_artifacts(run_id, str(record.bundle), _BUNDLE)
            crash_point("tracking.bundle_logged")
        client.set_terminated(run_id)
        crash_point("tracking.run_finished")
    return run_id


def register(workspace: Workspace, name: str, run_id: str, *, tags: Mapping[str, str]) -> str:
    """Register the bundle of a run as a new version of `name` and return its number; no alias moves."""
    with _store(workspace) as (client, _):
        _ensure_model(client, name)
        crash_point("registry.model_ready")
        source = f"{client.get_run(run_id).info.artifact_uri}/{_BUNDLE}"
        made = client.create_model_version(name, source, run_id, tags=dict(tags))
        crash_point("registry.version_made")
        return str(made.version)


def move_alias(workspace: Workspace, name: str, alias: str, version: str, *, expected: str | None) -> None:
    """Point an alias at a version, if it still stands where it was seen (`expected`; None: nowhere).

    MLflow cannot compare and set in one step. The caller holds the lock of the workspace's ``mlflow`` folder, so that
    of all that go through crm-ml in this workspace only one is between the look and the move. Who moves the alias past
    it (another workspace on the same server, a person in MLflow) in that moment is overwritten, and seen by the look
    afterwards only if later still.

    Raises
    ------
    Failure
        If someone else moved it meanwhile.
    """
    with _store(workspace) as (client, _):
        found = _version_of(client, name, alias)
        if (None if found is None else str(found.version)) != expected:
            raise Failure(
                f"The alias {alias} of {name} was moved by someone else meanwhile (expected {expected or 'none'})",
                remedy="Look at the versions in MLflow and train again if needed.",
                code="alias_moved",
            )
        crash_point("registry.before_alias")
        client.set_registered_model_alias(name, alias, version)
        crash_point("registry.alias_moved")
        after = _version_of(client, name, alias)
        if after is None or str(after.version) != version:
            raise Failure(
                f"The alias {alias} of {name} was moved by someone else right after it was set to {version}",
                remedy="Look at the versions in MLflow; what serves is what the alias says.",
                code="alias_moved",
            )


def serving(workspace: Workspace, name: str, alias: str = CHAMPION) -> ServingVersion | None:
    """Return the version that an alias stands for; None where nothing is registered yet.

    Raises
    ------
    DamagedArtefact
        If the version does not say which bundle it stands for: then it is not one of ours.
    Failure
        If the store cannot be reached.
    """
    address = store_address(workspace)
    if address.startswith(_SQLITE):
        file = Path(address.removeprefix(_SQLITE))
        if not file.exists():
            return None  # asking MLflow would make an empty store
        known, row = _look_up(file, name, alias)
        if known:
            return None if row is None else _as_version(name, row)
    with _store(workspace) as (client, _):
        found = _version_of(client, name, alias)
    if found is None:
        return None
    return _as_version(name, _Row(str(found.version), str(found.run_id or ""), dict(found.tags)))


def alias_version(workspace: Workspace, name: str, alias: str) -> str | None:
    """Return the number of the version that an alias stands for, ours or not; None where there is none."""
    with _store(workspace) as (client, _):
        found = _version_of(client, name, alias)
    return None if found is None else str(found.version)


def registered(workspace: Workspace, name: str, version: str) -> ServingVersion:
    """Return a registered version by its number.

    Raises
    ------
    UsageError
        If there is none of that number.
    DamagedArtefact
        If it does not say which bundle it stands for.
    """
    with _store(workspace) as (client, _):
        known = {str(one.version): one for one in client.search_model_versions(f"name='{name}'")}
    found = known.get(version)
    if found is None:
        newest = ", ".join(sorted(known, key=int, reverse=True)[:5]) or "none"
        raise UsageError(
            f"There is no version {version} of {name}{did_you_mean(version, known)}", remedy=f"Newest: {newest}."
        )
    return _as_version(name, _Row(version, str(found.run_id or ""), dict(found.tags)))


def versions(workspace: Workspace, name: str) -> list[ServingVersion]:
    """Return the registered versions that are ours, newest first."""
    with _store(workspace) as (client, _):
        found = list(client.search_model_versions(f"name='{name}'"))
    ours = []
    for one in sorted(found, key=lambda version: int(version.version), reverse=True):
        with suppress(DamagedArtefact):
            ours.append(_as_version(name, _Row(str(one.version), str(one.run_id or ""), dict(one.tags))))
    return ours


def tag_version(workspace: Workspace, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Set tags of a registered version."""
    with _store(workspace) as (client, _):
        for key, value in sorted(tags.items()):
            client.set_model_version_tag(name, version, key, value)


def champion(workspace: Workspace, name: str) -> ServingVersion:
    """Return the version that serves; Failure if there is none."""
    found = serving(workspace, name)
    if found is None:
        raise Failure(
            f"There is no {name} model that serves in {workspace.root}",
            remedy=f"Train one first: crm-ml train {name} --as-of YYYY-MM-DD --workspace {workspace.root}",
            code="no_model",
        )
    return found


def fetch_bundle(workspace: Workspace, wanted: ServingVersion) -> Path:
    """Return the checked folder of a version's bundle in the workspace's own store, fetched there if need be.

    Raises
    ------
    DamagedArtefact
        If it is not exactly the bundle that the registry names.
    Failure
        If its files are gone.
    """
    store = bundle_store(workspace)
    kept = store / wanted.sha256
    if kept.exists() or kept.is_symlink():
        read_meta(kept, sha256=wanted.sha256)
        return kept
    with disk_errors(store):
        make_folder(store)
        remove_leftovers(store)
        crash_point("bundles.fetching")
        # found relative to the workspace, so that a copied one needs nothing from where it came
        local = workspace.tracking_folder / _ARTEFACTS / wanted.run_id / "artifacts" / _BUNDLE
        if local.exists() or local.is_symlink():
            return store_bundle(store, local, wanted.sha256)
        with temporary_folder(store) as beside:
            folder = _download(workspace, wanted, beside)
            return store_bundle(store, folder, wanted.sha256)


def _download(workspace: Workspace, wanted: ServingVersion, beside: Path) -> Path:
    """Take the bundle's files one by one, by their exact names, out of the run's artefacts."""
    folder = beside / _BUNDLE
    gone = Failure(
        f"The files of {wanted.name} version {wanted.version} are neither in the workspace nor with its run",
        remedy="Bring the artefacts back, or train again.",
        code="model_files_gone",
    )
    with _store(workspace) as (client, _):
        location = str(client.get_run(wanted.run_id).info.artifact_uri)
        if location.startswith(("/", "file:")):
            raise gone  # a folder of another machine or of the place this workspace was copied from
        listed = {str(entry.path) for entry in client.list_artifacts(wanted.run_id, _BUNDLE)}
        if not listed:
            raise gone
        odd = listed - {f"{_BUNDLE}/{name}" for name in PART_FILES | {BUNDLE_FILE}}
        if odd:
            raise damaged(f"of run {wanted.run_id}", f"it holds what no bundle holds ({', '.join(sorted(odd)[:5])})")
        make_folder(folder)

        def take(name: str) -> None:
            # where below the target a file ends up differs by kind of store
            client.download_artifacts(wanted.run_id, f"{_BUNDLE}/{name}", str(beside))
            if (beside / name).exists():
                (beside / name).replace(folder / name)

        take(BUNDLE_FILE)
        crash_point("bundles.described")
        for name in sorted(parts_of(folder / BUNDLE_FILE, wanted.sha256)):
            take(name)
            crash_point("bundles.downloaded")
    return folder


@dataclass(frozen=True)
class _Row:
    """A registered version as the registry gives it."""

    version: str
    run_id: str
    tags: Mapping[str, str]


def _look_up(file: Path, name: str, alias: str) -> tuple[bool, _Row | None]:
    """Ask the SQLite registry itself, and say whether it could be asked.

    Importing MLflow and opening its store takes several seconds, and scoring needs one row of it. Where the tables are
    not as expected, MLflow is asked instead (a test holds the two answers against each other).
    """
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as store:
            rows = store.execute(_ALIAS_QUERY, (name, alias)).fetchall()
            if len(rows) > 1:
                return False, None
            if not rows:
                return True, None
            (version, run_id), *_ = rows
            tags = store.execute(_TAGS_QUERY, (name, version)).fetchall()
    except sqlite3.Error:
        return False, None
    return True, _Row(str(version), str(run_id or ""), {str(key): str(value) for key, value in tags})


def _as_version(name: str, row: _Row) -> ServingVersion:
    where = f"of {name} version {row.version}"
    if not is_sha256(row.tags.get(_SHA_TAG, "")):
        raise damaged(where, f"the registered version has no tag {_SHA_TAG}, so it is not one of ours")
    if _RUN_ID.fullmatch(row.run_id) is None:
        raise damaged(where, "the registered version names no run")
    try:
        as_of = date.fromisoformat(row.tags.get(_AS_OF_TAG, ""))
    except ValueError:
        raise damaged(where, f"its tag {_AS_OF_TAG} is not a date") from None
    return ServingVersion(name, row.version, row.tags[_SHA_TAG], row.run_id, as_of, row.tags)


def _version_of(client: Any, name: str, alias: str) -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        # MLflow says "invalid parameter" for a missing alias and "does not exist" for a missing model
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _ensure_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment(client: Any, workspace: Workspace, name: str) -> str:
    """Return the experiment whose artefacts lie in this workspace; a copied workspace gets one of its own."""
    address = store_address(workspace)
    if address.startswith(("http:", "https:", "databricks")):
        found = client.get_experiment_by_name(name)
        return str(found.experiment_id if found else client.create_experiment(name))
    location = str(workspace.tracking_folder / _ARTEFACTS)
    for number in range(1, _MAX_EXPERIMENTS):
        candidate = name if number == 1 else f"{name}-{number}"
        found = client.get_experiment_by_name(candidate)
        if found is None:
            return str(client.create_experiment(candidate, artifact_location=location))
        if str(found.artifact_location).removeprefix("file://") == location and found.lifecycle_stage == "active":
            return str(found.experiment_id)
    raise Failure(f"There are {_MAX_EXPERIMENTS} experiments called {name}", remedy="Delete the old ones in MLflow.")


@contextmanager
def _store(workspace: Workspace) -> Iterator[tuple[Any, Any]]:
    """Give MLflow's client on the workspace's store, quiet and without telemetry; its errors become `Failure`."""
    address = store_address(workspace)
    try:
        client_class, entities = _import_mlflow()
        if address.startswith(_SQLITE):
            make_folder(Path(address.removeprefix(_SQLITE)).parent)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield client_class(tracking_uri=address, registry_uri=address), entities
    except CrmError:
        raise
    except Exception as error:
        first = (str(error).strip() or "no reason given").splitlines()[0]
        raise Failure(
            f"The MLflow store {without_secrets(address)} failed: {type(error).__name__}: "
            f"{first.replace(address, without_secrets(address))[:300]}",
            remedy="Check `tracking.uri` in crm.yaml, the disk and the rights of its folder.",
            code="tracking",
        ) from error


store = _store
"""The same for `tracking_read`."""


def without_secrets(address: str) -> str:
    """Return an address without user and password.

    Examples
    --------
    >>> without_secrets("postgresql://anna:secret@db/mlflow?password=x")
    'postgresql://***@db/mlflow'
    """
    return re.sub(r"//[^/@]*@", "//***@", address.split("?")[0])


def _import_mlflow() -> tuple[Any, Any]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # stdout is for results
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import mlflow.entities
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise Failure(
                f"MLflow is needed for models and is not installed ({error.name})",
                remedy="Install it: pip install 'crm-ml[tracking]'",
                code="not_installed",
            ) from None
    for name in ("mlflow", "alembic", "sqlalchemy"):
        # what they would log as an error, traces and all, reaches the user as one Failure
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return MlflowClient, mlflow.entities


def as_json(value: Any) -> str:
    """Return indented JSON text for an artefact."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
