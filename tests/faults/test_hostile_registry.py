"""A registry or a run that somebody else wrote to: nothing of it runs, and what is not exactly ours is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sqlite3
from pathlib import Path

import pytest

MARKER = "owned"


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def attacked(workspace):
    """A firm whose own copy of the bundle is gone, so that it is fetched from the run's artefacts."""
    shutil.rmtree(workspace / "mlflow" / "bundles")
    (bundle,) = (workspace / "mlflow" / "artifacts").glob("*/artifacts/bundle")
    return workspace, bundle


def model_file(bundle: Path) -> Path:
    """Where the model itself stands: LightGBM's text, or JSON for a regression or rule."""
    return next(path for name in ("model.txt", "model.json") if (path := bundle / name).exists())


def code(marker: Path) -> str:
    return f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n"


def mlmodel(loader: str) -> str:
    flavors = f"flavors:\n  python_function:\n    loader_module: {loader}\n    code: code\n    data: .\n"
    return f"artifact_path: bundle\n{flavors}model_uuid: 0\n"


def loader_module(bundle: Path, marker: Path) -> None:
    (bundle / "MLmodel").write_text(mlmodel("evil"))
    (bundle / "evil.py").write_text(code(marker))


def code_folder(bundle: Path, marker: Path) -> None:
    (bundle / "code").mkdir()
    (bundle / "code" / "lightgbm.py").write_text(code(marker))
    (bundle / "MLmodel").write_text(mlmodel("lightgbm"))


def shadowing_module(bundle: Path, marker: Path) -> None:
    (bundle / "lightgbm.py").write_text(code(marker))


def pickle_file(bundle: Path, marker: Path) -> None:
    (bundle / "model.pkl").write_bytes(pickle.dumps(Bomb(marker)))


def pickle_as_model(bundle: Path, marker: Path) -> None:
    model_file(bundle).write_bytes(pickle.dumps(Bomb(marker)))


def pickle_as_json(bundle: Path, marker: Path) -> None:
    (bundle / "bundle.json").write_bytes(pickle.dumps(Bomb(marker)))


def linked_model(bundle: Path, marker: Path) -> None:
    path = model_file(bundle)
    path.rename(bundle.parent / "moved")
    path.symlink_to("../moved")


def traversal_in_the_list(bundle: Path, marker: Path) -> None:
    content = json.loads((bundle / "bundle.json").read_text())
    content["files"]["../../../../crm.yaml"] = content["files"].pop("features.json")
    (bundle / "bundle.json").write_text(json.dumps(content))


def foreign_bundle(bundle: Path, marker: Path) -> None:
    for path in bundle.iterdir():
        path.unlink()
    (bundle / "MLmodel").write_text(mlmodel("mlflow.sklearn"))
    (bundle / "python_model.pkl").write_bytes(pickle.dumps(Bomb(marker)))


def missing_part(bundle: Path, marker: Path) -> None:
    (bundle / "calibration.json").unlink()


def truncated_model(bundle: Path, marker: Path) -> None:
    path = model_file(bundle)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pipe_as_model(bundle: Path, marker: Path) -> None:
    path = model_file(bundle)
    path.unlink()
    os.mkfifo(path)


def device_as_model(bundle: Path, marker: Path) -> None:
    path = model_file(bundle)
    path.unlink()
    path.symlink_to("/dev/zero")


ATTACKS = [
    loader_module,
    code_folder,
    shadowing_module,
    pickle_file,
    pickle_as_model,
    pickle_as_json,
    linked_model,
    traversal_in_the_list,
    foreign_bundle,
    missing_part,
    truncated_model,
    pipe_as_model,
    device_as_model,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("place", ["artefacts", "own store"])
def test_attack_on_the_bundle(runner, workspace, tmp_path, firm_day, attack, place):
    marker = tmp_path / MARKER
    if place == "artefacts":
        shutil.rmtree(workspace / "mlflow" / "bundles")
        (bundle,) = (workspace / "mlflow" / "artifacts").glob("*/artifacts/bundle")
    else:
        (bundle,) = (path for path in (workspace / "mlflow" / "bundles").iterdir() if path.is_dir())
    attack(bundle, marker)
    outcome = runner("score", "--as-of", firm_day, ws=workspace, cwd=str(tmp_path))
    assert outcome.code == 6, outcome.err
    assert outcome.json["error"]["code"] == "damaged_artefact"
    assert "Traceback" not in outcome.err
    assert not marker.exists()
    assert not (workspace / "published" / firm_day).exists()


def registry(workspace: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    with sqlite3.connect(workspace / "mlflow" / "mlflow.db") as store:
        for statement, values in statements:
            store.execute(statement, values)
    store.close()


def test_a_version_without_our_tag_is_foreign(runner, workspace, firm_day):
    registry(workspace, ("DELETE FROM model_version_tags WHERE key = 'sha256'", ()))
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "damaged_artefact")
    assert "is not one of ours" in outcome.err


@pytest.mark.parametrize("sha", ["../../../etc", "0" * 63 + "/", "0" * 64, "A" * 64, ""])
def test_a_tag_that_names_another_place_or_bundle(runner, workspace, firm_day, sha):
    registry(workspace, ("UPDATE model_version_tags SET value = ? WHERE key = 'sha256'", (sha,)))
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "damaged_artefact")


def test_a_run_id_that_leads_elsewhere(runner, attacked, tmp_path, firm_day):
    workspace, bundle = attacked
    shutil.copytree(bundle.parents[1], tmp_path / "elsewhere")
    registry(workspace, ("UPDATE model_versions SET run_id = ?", ("../../../elsewhere",)))
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "damaged_artefact")
    assert "names no run" in outcome.err


def test_the_source_of_a_version_is_never_followed(runner, workspace, tmp_path, firm_day):
    evil = tmp_path / "evil"
    evil.mkdir()
    loader_module(evil, tmp_path / MARKER)
    registry(workspace, ("UPDATE model_versions SET source = ?, storage_location = ?", (str(evil), str(evil))))
    assert runner("score", "--as-of", firm_day, ws=workspace, cwd=str(evil)).code == 0
    assert not (tmp_path / MARKER).exists()


def test_training_again_is_the_way_out(runner, workspace, firm_day):
    registry(workspace, ("DELETE FROM model_version_tags WHERE key = 'sha256'", ()))
    again = runner("train", "churn", "--as-of", firm_day, ws=workspace)
    assert again.code == 0, again.err
    assert again.json["serves"]
    assert runner("score", "--as-of", firm_day, ws=workspace).json["model_version"] == "2"


def test_a_store_that_is_no_database_is_a_clean_failure(runner, workspace, firm_day):
    (workspace / "mlflow" / "mlflow.db").write_bytes(b"nonsense" * 1000)
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "tracking")
    assert "Traceback" not in outcome.err


def test_files_that_are_gone_are_a_clean_failure(runner, attacked, firm_day):
    workspace, bundle = attacked
    shutil.rmtree(bundle)
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "model_files_gone")


def test_the_own_store_is_filled_from_the_artefacts(runner, attacked, firm_day):
    workspace, bundle = attacked
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    (kept,) = (path for path in (workspace / "mlflow" / "bundles").iterdir() if path.is_dir())
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == {p.name: p.read_bytes() for p in bundle.iterdir()}


@pytest.mark.stress
def test_two_hundred_small_damages_are_all_refused(runner, workspace, firm_day):
    import numpy as np

    rng = np.random.default_rng(0)
    (bundle,) = (path for path in (workspace / "mlflow" / "bundles").iterdir() if path.is_dir())
    files = sorted(bundle.iterdir())
    for number in range(200):
        path = files[number % len(files)]
        whole = path.read_bytes()
        at = int(rng.integers(len(whole)))
        flipped = whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :]
        path.write_bytes(whole[:at] if number % 2 else flipped)
        outcome = runner("score", "--as-of", firm_day, "--force", ws=workspace)
        assert outcome.code == 6, (path.name, at, outcome.err)
        path.write_bytes(whole)
