"""The model that serves: found in the registry, its files checked, fit for the day, and loaded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_ml.errors import HeldBack
from crm_ml.faults import crash_point
from crm_ml.jobs import bundles, tracking
from crm_ml.jobs.definition import flat_label
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.settings import Workspace
from crm_ml.models import Label, Model
from crm_ml.models.bundle import load_bundle, read_meta, trial_load


@dataclass(frozen=True)
class Serving:
    """A registered model whose files are those that were registered.

    Attributes
    ----------
    name, version, sha256 : str
        Registered name and number, and what the bundle hashes to.
    folder : Path
        The bundle in the workspace's own store.
    meta : mapping
        What ``bundle.json`` says: label, train_as_of, model_kind, metrics, ...
    """

    name: str
    version: str
    sha256: str
    folder: Path
    meta: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        return str(self.meta["model_kind"])

    @property
    def train_as_of(self) -> dt.date:
        """The day as of which it was trained."""
        return dt.date.fromisoformat(self.meta["train_as_of"])

    def load(self, workspace: Workspace) -> Model:
        """Return the model; the first load of a bundle happens in a child process, which may die of it."""
        store = tracking.bundle_store(workspace)
        bundles.tried(store, self.sha256, lambda: trial_load(self.folder, sha256=self.sha256))
        return load_bundle(self.folder, sha256=self.sha256, trial=False)


def serving_model(workspace: Workspace, name: str, day: dt.date) -> Serving:
    """Return the champion for a day, its files checked but not yet loaded.

    Raises
    ------
    Failure
        No model serves yet, or its files are gone.
    HeldBack
        It was trained as of a later day, or for another label than crm.yaml says.
    DamagedArtefact
        Its files are not exactly those that were registered.
    """
    found = tracking.champion(workspace, name)
    crash_point("score.champion_found")
    folder = tracking.fetch_bundle(workspace, found)
    meta = read_meta(folder, sha256=found.sha256)
    crash_point("score.bundle_ready")
    serving = Serving(name, found.version, found.sha256, folder, meta)
    _refuse_later(serving.train_as_of, day)
    _refuse_other_label(problem_of(workspace, name).label, meta["label"])
    return serving


def _refuse_later(trained: dt.date, day: dt.date) -> None:
    if trained > day:
        raise HeldBack(
            f"The model that serves was trained as of {trained}, so it knows what happened after {day}",
            remedy=f"Score {trained} or a later day, or train as of {day} or earlier in a workspace of its own.",
            code="model_from_the_future",
        )


def _refuse_other_label(now: Label, label: Mapping[str, Any]) -> None:
    trained, wanted = flat_label(label), flat_label(now.as_json())
    for key in sorted({*trained, *wanted}):
        if trained.get(key) != wanted.get(key):
            raise HeldBack(
                f"The model that serves was trained with {key} {trained.get(key, 'not set')}, and crm.yaml says "
                f"{wanted.get(key, 'not set')}",
                remedy="Train again with the new definition, or restore the old one.",
                code="other_label",
            )
