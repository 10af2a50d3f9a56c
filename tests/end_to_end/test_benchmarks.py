"""Benchmarks run, small and without thresholds; what they compare must agree whatever the size."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *arguments: str) -> dict[str, object]:
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_features_of_files_equal_those_of_a_pandas_loop_for_clean_and_for_messy_files() -> None:
    sizes = ("--lines", "20000", "--contacts", "8000", "--customers", "300", "--cutoffs", "5")
    found = run("feature_engine.py", *sizes, "--messy")
    assert found["rows"] > 1000
    assert found["features"] == 60
    assert set(found["runs"]) == {"ours, 5 cutoffs", "ours, 1 cutoff", "ours, messy files", "pandas loop", "scan"}
