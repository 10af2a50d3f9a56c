"""Benchmarks run, small and without thresholds; what they compare must agree whatever the size."""

import json
import os
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
    made = ElementTree.fromstring(picture.read_text())
    texts = {text.text.split(" ")[0] for text in made.iter("{http://www.w3.org/2000/svg}text")}
    assert set(stages) <= texts


@pytest.mark.stress
def test_every_topic_of_the_page_runs_small(tmp_path) -> None:
    topics, _ = drawn(tmp_path)
    real = bool(os.environ.get("CRM_ML_REAL_DATA"))
    assert {name for name, topic in topics.items() if "missing" in topic} <= (set() if real else {"depth"})
    assert [run for topic in topics.values() for run in topic["runs"] if "failed" in run] == []
