"""Killed anywhere: the previous publication is whole, what served still serves, and the next run completes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crm_ml.jobs.publish import inspect_set

KILLED = -9


def points(runner, tmp_path: Path, *args: str, ws: Path) -> list[str]:
    listing = tmp_path / "points.txt"
    outcome = runner(*args, ws=ws, env={"CRM_ML_CRASH_POINTS_TO": str(listing)})
    assert outcome.code == 0, outcome.err
    return list(dict.fromkeys(listing.read_text().split()))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leftovers(ws: Path) -> list[Path]:
    return list(ws.rglob(".building-*"))


@pytest.fixture(scope="module")
def before(trained_firm, tmp_path_factory, runner, firm_day):
    """A firm whose scores are published, with other inputs than those: a margin changed, and no bundle at hand."""
    ws = tmp_path_factory.mktemp("before") / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    assert runner("score", "--as-of", firm_day, ws=ws).code == 0
    with (ws / "crm.yaml").open("a") as file:
        file.write("margin_rate: 0.25\nkeep_sets: 1\n")
    shutil.rmtree(ws / "mlflow" / "bundles")
    return ws


@pytest.fixture(scope="module")
def after(before, tmp_path_factory, runner, firm_day):
    """What a run that nobody disturbs publishes, and the points it passes."""
    folder = tmp_path_factory.mktemp("after")
    shutil.copytree(before, folder / "ws", symlinks=True)
    names = points(runner, folder, "score", "--as-of", firm_day, ws=folder / "ws")
    return files(folder / "ws" / "published" / firm_day / "scores"), names


def test_the_names_are_many(after):
    assert len(after[1]) >= 25


def test_score_killed_at_every_point(runner, before, after, tmp_path, firm_day):
    wanted, names = after
    old = files(before / "published" / firm_day / "scores")
    assert old != wanted
    for number, name in enumerate(names):
        ws = tmp_path / str(number)
        shutil.copytree(before, ws, symlinks=True)
        link = ws / "published" / firm_day / "scores"
        assert runner("score", "--as-of", firm_day, ws=ws, env={"CRM_ML_CRASH_AT": name}).code == KILLED, name
        assert inspect_set(link).intact, name
        assert files(link) in (old, wanted), name
        again = runner("score", "--as-of", firm_day, ws=ws)
        assert again.code == 0, (name, again.err)
        assert files(link) == wanted, name
        assert leftovers(ws) == [], name
        shutil.rmtree(ws)


def test_first_score_killed_at_every_point_publishes_whole_or_nothing(runner, after, trained_firm, tmp_path, firm_day):
    """The same where nothing was published before."""
    for number, name in enumerate(name for name in after[1] if name.startswith(("publish.", "lock."))):
        ws = tmp_path / str(number)
        shutil.copytree(trained_firm, ws, symlinks=True)
        link = ws / "published" / firm_day / "scores"
        killed = runner("score", "--as-of", firm_day, ws=ws, env={"CRM_ML_CRASH_AT": name})
        assert killed.code in (KILLED, 0), name  # some points are passed only where there is something to prune
        assert not link.exists() or inspect_set(link).intact, name
        again = runner("score", "--as-of", firm_day, ws=ws)
        assert again.code == 0, (name, again.err)
        assert inspect_set(link).intact, name
        assert leftovers(ws) == [], name
        shutil.rmtree(ws)


@pytest.fixture(scope="module")
def train_points(runner, trained_firm, tmp_path_factory, firm_day):
    folder = tmp_path_factory.mktemp("train")
    shutil.copytree(trained_firm, folder / "ws", symlinks=True)
    return points(runner, folder, "train", "churn", "--as-of", firm_day, ws=folder / "ws")


def test_score_and_train_pass_at_least_thirty_names(after, train_points):
    assert len(set(after[1]) | set(train_points)) >= 45


def test_train_killed_at_every_point(runner, train_points, trained_firm, tmp_path, firm_day):
    """Killed again and again in one workspace: what served or its successor serves, and the next run completes."""
    ws = tmp_path / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    serving = 1
    for name in train_points:
        killed = runner("train", "churn", "--as-of", firm_day, ws=ws, env={"CRM_ML_CRASH_AT": name})
        assert killed.code == KILLED, (name, killed.err)
        scored = runner("score", "--as-of", firm_day, "--dry-run", ws=ws)
        assert scored.code == 0, (name, scored.err)
        assert int(scored.json["model_version"]) >= serving, name
        serving = int(scored.json["model_version"])
    again = runner("train", "churn", "--as-of", firm_day, ws=ws)
    assert again.code == 0, again.err
    assert again.json["serves"]
    assert leftovers(ws / "mlflow") == []
    assert runner("score", "--as-of", firm_day, ws=ws).json["model_version"] == again.json["version"]


@pytest.mark.stress
def test_train_killed_at_every_point_in_a_firm_without_a_model(runner, train_points, small_firm, tmp_path, firm_day):
    """Where nothing served before, a killed training leaves either a model that loads or none."""
    for number, name in enumerate(train_points):
        ws = tmp_path / str(number)
        shutil.copytree(small_firm, ws, symlinks=True)
        assert runner("train", "churn", "--as-of", firm_day, ws=ws, env={"CRM_ML_CRASH_AT": name}).code == KILLED, name
        scored = runner("score", "--as-of", firm_day, "--dry-run", ws=ws)
        assert scored.code in (0, 1), (name, scored.err)
        assert scored.code == 0 or scored.json["error"]["code"] == "no_model", name
        again = runner("train", "churn", "--as-of", firm_day, ws=ws)
        assert again.code == 0, (name, again.err)
        assert leftovers(ws / "mlflow") == [], name
        shutil.rmtree(ws)
