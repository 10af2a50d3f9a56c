"""A real MLflow server on this machine: train through it, score from it, and what happens when it is gone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from crm_ml.errors import CrmError, DamagedArtefact
from crm_ml.jobs.score import score
from crm_ml.jobs.train import train


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(address: str, server: subprocess.Popen) -> bool:
    for _ in range(240):
        if server.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False


@pytest.fixture
def mlflow_server(tmp_path):
    home = tmp_path / "server"
    home.mkdir()
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/store.db", "--artifacts-destination", str(home / "files")]
    off = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        open(home / "log", "wb") as log,
        subprocess.Popen(
            command, cwd=home, env={**os.environ, **off}, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            assert _answers(address, server), (home / "log").read_text()[-2000:]
            yield address, server, home / "files"
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore")
def test_a_remote_store_serves_and_is_checked(mlflow_server, untrained, firm_day, capfd):
    address, server, files = mlflow_server
    settings = untrained / "crm.yaml"
    settings.write_text(settings.read_text() + f'tracking: {{uri: "{address}"}}\n')
    trained = train(untrained, as_of=firm_day)
    assert (trained.verdict, trained.serves) == ("champion", True)
    assert not (untrained / "mlflow" / "mlflow.db").exists()
    assert list(files.rglob("model.*")), "the bundle lies on the server"
    assert capfd.readouterr().out == "", "stdout is for results"

    first = score(untrained, as_of=firm_day)
    bundles = untrained / "mlflow" / "bundles"
    shutil.rmtree(bundles)
    again = score(untrained, as_of=firm_day, force=True)  # fetched from the server this time
    assert list(bundles.rglob("bundle.json"))
    assert again.table.equals(first.table)

    shutil.rmtree(bundles)
    (model,) = files.rglob("features.json")
    model.write_bytes(model.read_bytes().replace(b"orders_count_90d", b"orders_count_30d", 1))
    with pytest.raises(DamagedArtefact, match=r"features\.json"):
        score(untrained, as_of=firm_day, force=True)
    assert not list(bundles.glob("*/bundle.json")), "nothing of a damaged download stays"

    os.killpg(server.pid, signal.SIGTERM)
    server.wait(30)
    with pytest.raises(CrmError, match=r"MLflow|store") as gone:
        score(untrained, as_of=firm_day, force=True)
    assert int(gone.value.exit_code) == 1
    assert (untrained / "published" / firm_day / "scores" / "manifest.json").is_file()
