"""Killed anywhere, or eight at once: whatever serves has passed the gate, and the next run completes."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing

import pytest

KILLED = -9


def alias(folder):
    with closing(sqlite3.connect(f"file:{folder}/mlflow/mlflow.db?mode=ro", uri=True, timeout=10)) as store:
        rows = store.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'").fetchall()
    return str(rows[0][0])


def let_in(folder):
    lines = (folder / "mlflow" / "promotions.jsonl").read_text().splitlines()
    return {line["version"] for line in map(json.loads, lines) if line["passed"]}


def ask(firm, name):
    return ("promote", "churn", firm.versions[name], "--as-of", firm.day)


@pytest.fixture(scope="module")
def points(contenders, runner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    firm = contenders.copy(folder / "ws")
    listing = folder / "points.txt"
    outcome = runner(*ask(firm, "good"), ws=firm.folder, env={"CRM_ML_CRASH_POINTS_TO": str(listing)})
    assert outcome.code == 0, outcome.err
    return list(dict.fromkeys(listing.read_text().split()))


@pytest.mark.filterwarnings("ignore")
def test_promotion_killed_at_every_point(contenders, runner, points, tmp_path):
    """Before the alias moves the old one serves, after it the new one; asked again, it is done."""
    assert {"promote.ruled", "promotions.renamed", "promote.logged", "registry.before_alias", "promote.moved"} <= set(
        points
    )
    after_move = points.index("registry.alias_moved")
    chosen = [name for name in points if name.startswith(("promot", "registry.")) or name == "lock.signed"]
    for number, name in enumerate(chosen):
        firm = contenders.copy(tmp_path / str(number))
        killed = runner(*ask(firm, "good"), ws=firm.folder, env={"CRM_ML_CRASH_AT": name})
        assert killed.code == KILLED, (name, killed.err)
        assert alias(firm.folder) == ("2" if points.index(name) >= after_move else "1"), name
        assert alias(firm.folder) in let_in(firm.folder), name
        again = runner(*ask(firm, "good"), ws=firm.folder)
        assert again.code == 0, (name, again.err)
        assert alias(firm.folder) == "2", name
        assert list((firm.folder / "mlflow").glob(".building-*.jsonl")) == [], name
        if name == "promote.moved":  # the line was written, the run in MLflow was not
            back = runner("promote", "churn", "--rollback", "--as-of", firm.day, ws=firm.folder)
            assert (back.code, alias(firm.folder)) == (0, "1")
        shutil.rmtree(firm.folder)


@pytest.mark.filterwarnings("ignore")
def test_eight_at_once_and_only_what_passed_serves(contenders, runner, tmp_path):
    """Good and bad versions ask together, again and again; somebody looks at the alias all the time."""
    firm = contenders.copy(tmp_path / "ws")
    seen, stop = set(), threading.Event()

    def look():
        while not stop.is_set():
            now = alias(firm.folder)
            seen.add((now, now in let_in(firm.folder)))
            time.sleep(0.002)

    watcher = threading.Thread(target=look)
    watcher.start()
    codes = []
    try:
        for _ in range(2):
            names = ["bad", "good", "shifted", "refused", "bad", "good", "fresh", "shifted"]
            outcomes = runner.together([runner.request(*ask(firm, name), ws=firm.folder) for name in names])
            codes += [(name, outcome.code) for name, outcome in zip(names, outcomes, strict=True)]
    finally:
        stop.set()
        watcher.join()
    assert runner(*ask(firm, "good"), ws=firm.folder).code == 0
    assert {code for _, code in codes} <= {0, 4, 5}
    assert {name for name, code in codes if code == 0} <= {"good"}
    assert all(passed for _, passed in seen)
    assert {version for version, _ in seen} <= {"1", "2"}
    assert alias(firm.folder) == "2"


@pytest.mark.filterwarnings("ignore")
def test_the_disk_refuses_the_line_and_nothing_moves(contenders, runner, tmp_path):
    firm = contenders.copy(tmp_path / "ws")
    before = (firm.folder / "mlflow/promotions.jsonl").read_text()
    outcome = runner(*ask(firm, "good"), ws=firm.folder, file_limit=len(before) + 200)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "cannot_write"), outcome.err
    assert (firm.folder / "mlflow/promotions.jsonl").read_text() == before
    assert alias(firm.folder) == "1"
