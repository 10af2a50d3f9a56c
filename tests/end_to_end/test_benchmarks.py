"""Benchmarks run, small and without thresholds; what they compare must agree whatever the size."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

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


def test_features_at_instants_of_their_own_equal_those_of_pandas_row_by_row() -> None:
    sizes = ("--lines", "20000", "--contacts", "8000", "--customers", "300", "--rows", "1200")
    found = run("cutoffs_per_row.py", *sizes, "--sample", "100", "--pairs", "1")
    assert found["cells compared"] == {
        "pandas row by row": 100 * 60,
        "each row alone, bit by bit": 20 * 60,
        "shared cutoffs among own ones, bit by bit": 2 * found["features alone"]["4 rows per customer"]["rows"] * 60,
    }
    assert found["features alone"]["24 rows per customer"]["rows"] == 1200
    assert "--peer" in found["featuretools"]


def test_shared_bins_and_rows_that_are_seen_give_the_results_of_those_that_are_not() -> None:
    found = run("training_speed.py", "--rows", "3000", "--customers", "0", "--repeats", "1")
    assert found["shared_bins"]["same_trees"] is True
    assert found["memory"]["same_result"] is True
    ways = found["quantised"]["made rows"]["ways"]
    exact, others = ways["exact"], {name: way for name, way in ways.items() if name != "exact"}
    assert (exact["failed"], exact["other_bits_with_2_threads"]) == (0, 0)
    assert len(others) == 4
    for way in others.values():
        assert 0 <= way["failed"] <= way["fits"] <= 6
        if "auc_less_exact" in way:
            assert way["auc_less_exact"]["low"] <= way["auc_less_exact"]["value"] <= way["auc_less_exact"]["high"]


def test_a_firm_is_scored_like_with_stock_parts_and_the_picture_shows_every_stage(tmp_path) -> None:
    picture = tmp_path / "million.svg"
    sizes = ("--customers", "1500", "--lines", "15000", "--contacts", "15000", "--sample", "1500")
    found = run("million_customers.py", *sizes, "--picture", str(picture))
    assert found["compared"]["rows"] == found["stock"]["rows"] > 1400
    assert found["lists"]["lists"] == 2
    assert 0 < found["lists"]["entries"] <= 2 * 9
    stages = found["ours"]["seconds"]
    assert {"start", "reading", "features", "scores", "reasons", "tiers", "lists", "publishing"} <= set(stages)
    assert sum(stages.values()) == pytest.approx(found["ours"]["wall"])
    drawn = ElementTree.fromstring(picture.read_text())
    texts = {text.text.split(" ")[0] for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert set(stages) <= texts
