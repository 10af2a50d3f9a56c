"""Benchmarks run, small and without thresholds; what they compare must agree whatever the size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *arguments: str) -> dict[str, object]:
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drawn(folder: Path, *arguments: str) -> tuple[dict[str, dict[str, list]], str]:
    """Run the page; return the runs of its topics and what it printed."""
    out = folder / "page.html"
    command = [sys.executable, str(BENCHMARKS / "page.py"), "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = [*command, "--from", str(out.with_suffix(".json")), "--markdown", str(folder / "page.md")]
    first = out.read_text()
    assert subprocess.run(again, capture_output=True, text=True, check=True).stdout == done.stdout
    assert out.read_text() == first
    return json.loads(out.with_suffix(".json").read_text())["topics"], done.stdout


def test_the_page_is_made_small_and_features_of_files_equal_those_of_a_pandas_loop_and_a_range_join(tmp_path) -> None:
    topics, table = drawn(tmp_path, "--only", "engine,families")
    (ran,) = topics["engine"]["runs"]
    assert "failed" not in ran, ran
    found = ran["result"]
    assert found["rows"] > 1000
    assert found["features"] == 60
    sides = {"ours, 5 cutoffs", "ours, 1 cutoff", "ours, messy files", "pandas loop", "range join", "scan"}
    assert set(found["runs"]) == sides
    assert list(found["stages"]["wall"]) == ["start", "reading and checks", "who is eligible", "features", "the file"]
    assert min(found["stages"]["wall"].values()) > 0
    assert "pandas loop over ours (20,000 lines)" in table
    page, text = (tmp_path / "page.html").read_text(), (tmp_path / "page.md").read_text()
    assert page.count("<svg") == 6
    for side in sides:
        assert side in page
        assert side in text


@pytest.mark.stress
def test_every_topic_of_the_page_runs_small(tmp_path) -> None:
    topics, _ = drawn(tmp_path)
    real = bool(os.environ.get("CRM_ML_REAL_DATA"))
    assert {name for name, topic in topics.items() if "missing" in topic} <= (set() if real else {"depth"})
    assert [run for topic in topics.values() for run in topic["runs"] if "failed" in run] == []
