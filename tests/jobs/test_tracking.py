"""MLflow keeps the runs; everything of it lies in the workspace, and scoring needs one row of it."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest

from crm_ml.errors import DamagedArtefact, Failure
from crm_ml.jobs import bundles, tracking
from crm_ml.jobs.settings import open_workspace


def client_of(folder: Path):
    tracking._import_mlflow()
    from mlflow.tracking import MlflowClient

    address = tracking.store_address(open_workspace(folder))
    return MlflowClient(tracking_uri=address, registry_uri=address)


@pytest.mark.filterwarnings("ignore")
def test_a_run_says_what_it_cost_stage_by_stage(trained_firm):
    client = client_of(trained_firm)
    run = client.get_run(client.get_model_version_by_alias("churn", "champion").run_id)
    folder = Path(run.info.artifact_uri)
    tried = set(pd.read_csv(folder / "tables/candidates.csv")["name"])
    took = {name.removeprefix("seconds_"): v for name, v in run.data.metrics.items() if name.startswith("seconds_")}
    total = took.pop("total")
    assert total == pytest.approx(sum(took.values()))
    assert {"read", "rows", "labels", "features", "leak_guard", "bins", "evaluation", "refit", "bundle"} <= set(took)
    assert {"fit_lightgbm", "fit_logistic", "fit_days_since_last_order"} <= set(took)
    assert {name.removeprefix("fit_") for name in took if name.startswith("fit_")} <= tried
    assert not {"record", "gate"} & set(took)  # they come after it
    assert all(value >= 0 for value in took.values())
    assert run.data.metrics["cpu_seconds_total"] > 0
    if sys.platform in ("linux", "darwin", "win32"):
        assert 0 < run.data.metrics["peak_memory_mb_before"] <= run.data.metrics["peak_memory_mb"]
    table = pd.read_csv(folder / "tables/seconds.csv")
    assert list(table["seconds"]) == sorted(table["seconds"], reverse=True)
    assert dict(zip(table["stage"], table["seconds"], strict=True)) == pytest.approx(took, abs=0.001)
    meta = (folder / "bundle/bundle.json").read_text() + (folder / "model_card.md").read_text()
    assert "seconds" not in meta  # the same inputs give the same bundle, however long it took


@pytest.mark.filterwarnings("ignore")
def test_a_run_holds_what_a_scientist_looks_for(trained_firm):
    client = client_of(trained_firm)
    version = client.get_model_version_by_alias("churn", "champion")
    run = client.get_run(version.run_id)
    assert {"auc", "auc_low", "auc_high", "brier", "ece", "average_precision", "train_rows"} <= set(run.data.metrics)
    low, skill, high = (run.data.metrics[f"brier_skill{end}"] for end in ("_low", "", "_high"))
    assert low < skill < high < 1
    assert any(name.startswith("auc_minus_days_since_last_order") for name in run.data.metrics)
    assert run.data.params["horizon_days"] == "90"
    assert {"as_of", "data_hash", "sha256", "schema_version", "verdict", "model_kind"} <= set(run.data.tags)
    assert {"as_of", "data_hash", "sha256", "verdict", "model_kind"} <= set(version.tags)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.user"] == "crm-ml"
    assert not [name for name in run.data.tags if "git" in name]
    folder = Path(run.info.artifact_uri)
    assert folder.is_relative_to(trained_firm / "mlflow" / "artifacts")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        "model_card.md",
        "summary.json",
        "pictures/reliability.png",
        "pictures/gain.png",
        "pictures/shap_beeswarm.png",
        "pictures/shap_bar.png",
        "tables/importance.csv",
        "tables/snapshots.csv",
        "tables/candidates.csv",
        "tables/seconds.csv",
        "tables/reliability.json",
        "tables/reliability_by_tier.json",
        "tables/reliability_by_segment.json",
        "tables/gain.json",
        "bundle/bundle.json",
    } <= names
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith(".png"))
    # what holds customer ids lies in the workspace and beside MLflow's own
    beside = {"evaluations", "promotions.jsonl"}
    ours = [path for path in (trained_firm / "mlflow").iterdir() if path.name not in beside]
    files = [path for root in ours for path in (root, *root.rglob("*")) if path.is_file() and path.name[0] != "."]
    endings = {path.suffix for path in files}
    assert endings <= {".txt", ".json", ".csv", ".md", ".png", ".db", ".tried"}


@pytest.mark.filterwarnings("ignore")
def test_asking_the_database_gives_what_mlflow_gives(trained_firm, monkeypatch):
    ws = open_workspace(trained_firm)
    direct = tracking.champion(ws, "churn")
    monkeypatch.setattr(tracking, "_look_up", lambda *_: (False, None))
    assert tracking.champion(ws, "churn") == direct
    assert tracking.serving(ws, "churn", "challenger") is None
    assert tracking.serving(ws, "leads") is None
    monkeypatch.undo()
    assert tracking.serving(ws, "churn", "challenger") is None
    assert tracking.serving(ws, "leads") is None


@pytest.mark.filterwarnings("ignore")
def test_asking_makes_no_store(small_firm):
    ws = open_workspace(small_firm)
    with pytest.raises(Failure, match=r"There is no churn model that serves in .* crm-ml train churn"):
        tracking.champion(ws, "churn")
    assert not (small_firm / "mlflow").exists()


@pytest.mark.filterwarnings("ignore")
def test_an_alias_moves_only_from_where_it_was_seen(workspace):
    ws = open_workspace(workspace)
    with pytest.raises(Failure, match="was moved by someone else meanwhile") as caught:
        tracking.move_alias(ws, "churn", "champion", "1", expected=None)
    assert caught.value.code == "alias_moved"
    tracking.move_alias(ws, "churn", "champion", "1", expected="1")
    assert tracking.alias_version(ws, "churn", "champion") == "1"


@pytest.mark.filterwarnings("ignore")
def test_a_copied_workspace_trains_into_its_own_folder(workspace, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(workspace, copy)
    ws = open_workspace(copy)
    client = client_of(copy)
    first = tracking._experiment(client, ws, "churn")
    found = client.get_experiment(first)
    assert found.artifact_location == str(copy / "mlflow" / "artifacts")
    assert found.name.startswith("churn-")
    assert tracking._experiment(client, ws, "churn") == first


def test_a_store_of_other_tables_is_left_to_mlflow(tmp_path):
    file = tmp_path / "x.db"
    with sqlite3.connect(file) as store:
        store.execute("CREATE TABLE t (x)")
    store.close()
    assert tracking._look_up(file, "churn", "champion") == (False, None)


@pytest.mark.filterwarnings("ignore")
def test_what_mlflow_says_comes_without_secrets(workspace):
    with (workspace / "crm.yaml").open("a") as file:
        file.write("tracking: {uri: 'nosuchscheme://anna:hunter2@127.0.0.1/x'}\n")
    with pytest.raises(Failure, match=r"The MLflow store nosuchscheme://\*\*\*@127\.0\.0\.1/x failed") as caught:
        tracking.champion(open_workspace(workspace), "churn")
    assert "hunter2" not in str(caught.value)


def test_parts_are_named_by_a_checked_file_only(tmp_path):
    file = tmp_path / "bundle.json"
    file.write_text("{}")
    with pytest.raises(DamagedArtefact, match="is not the one that the registry names"):
        bundles.parts_of(file, "0" * 64)
    import hashlib

    for text, told in (
        ('{"files": {"../x": ""}}', "names files that no bundle has"),
        ("{}", "does not name its files"),
    ):
        file.write_text(text)
        with pytest.raises(DamagedArtefact, match=told):
            bundles.parts_of(file, hashlib.sha256(text.encode()).hexdigest())


def test_a_trial_happens_once_per_bundle(tmp_path):
    calls = []
    for _ in range(3):
        bundles.tried(tmp_path, "0" * 64, lambda: calls.append(1))
    assert calls == [1]
    (tmp_path / f"{'0' * 64}.tried").write_text("lightgbm of another version")
    bundles.tried(tmp_path, "0" * 64, lambda: calls.append(1))
    assert calls == [1, 1]
