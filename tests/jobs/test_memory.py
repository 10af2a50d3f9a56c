"""Tables that do not fit into memory are worked on from files: the same results, bit by bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from crm_ml.jobs import inputs
from crm_ml.jobs.daily import run_daily
from crm_ml.jobs.features import write_features
from crm_ml.jobs.settings import open_workspace
from crm_ml.jobs.train import train
from crm_ml.tables import room
from crm_ml.tables.room import DiskRoom


def with_memory(folder: Path, gb: float | None) -> None:
    config = yaml.safe_load((folder / "crm.yaml").read_text())
    config.pop("memory_gb", None)
    (folder / "crm.yaml").write_text(yaml.safe_dump(config | ({} if gb is None else {"memory_gb": gb})))


@pytest.fixture
def all_in_files(monkeypatch):
    """However small a column is, it goes into a file where tables are kept in files; yields what was opened."""
    opened = []

    class Counted(DiskRoom):
        def new_file(self):
            opened.append(self.folder)
            return super().new_file()

    monkeypatch.setattr(room, "_SMALL", 0)
    monkeypatch.setattr(inputs, "DiskRoom", Counted)
    return opened


def test_features_are_the_same_bytes(small_firm, tmp_path, all_in_files) -> None:
    firm = tmp_path / "firm"
    shutil.copytree(small_firm, firm)
    days = ["2024-06-01", "2024-12-01", "2025-02-03"]
    for name, gb in (("memory", None), ("files", 0.001)):
        with_memory(firm, gb)
        assert not all_in_files
        write_features(firm, as_of=days, out=tmp_path / f"{name}.parquet")
    assert set(all_in_files) == {firm}
    assert (tmp_path / "files.parquet").read_bytes() == (tmp_path / "memory.parquet").read_bytes()
    assert len(pq.read_table(tmp_path / "files.parquet")) > 300
    assert sorted(os.listdir(firm)) == sorted(os.listdir(small_firm))


def test_scores_and_lists_are_the_same_bytes(workspace, firm_day, all_in_files) -> None:
    def made() -> dict[str, bytes]:
        run_daily(workspace, as_of=firm_day, force=True)
        folder = workspace / "published" / str(firm_day)
        files = [*(folder / "scores").iterdir(), *(folder / "lists").iterdir()]
        return {file.name: file.read_bytes() for file in files}

    before = made()
    assert not all_in_files
    with_memory(workspace, 0.001)
    assert made() == before
    assert all_in_files


def test_models_are_the_same_trees(trained_firm, small_firm, firm_day, tmp_path, all_in_files) -> None:
    firm = tmp_path / "firm"
    shutil.copytree(small_firm, firm)
    with_memory(firm, 0.001)
    train(firm, as_of=firm_day)
    assert all_in_files
    bundles = [sorted((folder / "mlflow" / "bundles").rglob("model.*")) for folder in (firm, trained_firm)]
    assert bundles[0]
    assert [path.read_bytes() for path in bundles[0]] == [path.read_bytes() for path in bundles[1]]


def test_the_limit_is_what_is_said_or_half_of_what_is_there(small_firm, tmp_path, monkeypatch) -> None:
    firm = tmp_path / "firm"
    shutil.copytree(small_firm, firm)
    monkeypatch.setattr(inputs, "memory_there", lambda: 6_000_000_000)
    assert inputs.memory_limit(open_workspace(firm).settings) == 3e9
    with_memory(firm, 1.5)
    assert inputs.memory_limit(open_workspace(firm).settings) == 1.5e9


def test_files_lie_beside_the_data_or_where_temporary_files_may(tmp_path, monkeypatch) -> None:
    assert inputs._folder_for_columns(tmp_path) == tmp_path
    monkeypatch.setattr(inputs.os, "access", lambda *_: False)
    assert inputs._folder_for_columns(tmp_path) == Path(tempfile.gettempdir())


_TOLD = """
import atexit, sys
from crm_ml.cli import main
from crm_ml.tables import room
room._BYTES_BETWEEN_RESTS = 1 << 25  # the tables of this test are not that large
peak = lambda: next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
atexit.register(lambda: print(peak(), file=sys.stderr))
sys.exit(main(sys.argv[1:]))
"""
"""Prints the most kilobytes that it ever took: what a parent is told counts the parent's own before the start."""


@pytest.mark.stress
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_working_from_files_takes_less_memory(tmp_path) -> None:
    rng, rows = np.random.default_rng(3), 8_000_000
    who = rng.integers(0, 20_000, rows)
    lines = pd.DataFrame(
        {
            "order_id": np.arange(rows) // 3,
            "customer_id": who,
            "ordered_at": np.datetime64("2023-01-01") + rng.integers(0, 730, rows),
            "product_id": rng.integers(0, 5000, rows),
            "net_amount": np.round(rng.lognormal(5, 1, rows), 2),
        }
    )
    firm = tmp_path / "firm"
    firm.mkdir()
    lines.to_parquet(firm / "lines.parquet")
    del lines
    config = {
        "version": 1,
        "currency": "EUR",
        "timezone": "UTC",
        "tables": {"order_lines": {"source": "lines.parquet"}},
    }
    (firm / "crm.yaml").write_text(yaml.safe_dump(config))
    (firm / "features.yaml").write_text("use: [orders_count_90d, orders_net_revenue_365d]")

    def peak(gb: float, out: str) -> int:
        with_memory(firm, gb)
        command = ["features", "churn", "--workspace", str(firm), "--as-of", "2024-12-01", "--out", str(tmp_path / out)]
        done = subprocess.run([sys.executable, "-c", _TOLD, *command], capture_output=True, text=True, check=True)
        return int(done.stderr.splitlines()[-1])

    in_memory, from_files = peak(100.0, "memory.parquet"), peak(0.1, "files.parquet")
    assert (tmp_path / "files.parquet").read_bytes() == (tmp_path / "memory.parquet").read_bytes()
    assert from_files < 0.7 * in_memory, (from_files, in_memory)
