"""Killed, crowded or refused by the disk: an answer acknowledged is never lost, and none counts twice."""

from __future__ import annotations

import csv
import datetime as dt
import os
import random
import shutil
import sqlite3
import time
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_ml.jobs.action_store import open_store
from crm_ml.jobs.publish import SetPlan, publish_set
from crm_ml.jobs.settings import open_workspace

KILLED = -9
DAY = dt.date(2026, 3, 2)
AS_OF = ("--as-of", "2026-03-03")
COUNT = 200


def key(number):
    return f"20260302-ABCDEFGH{number:04d}"


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A workspace with lists of one day; not to be changed."""
    ws = tmp_path_factory.mktemp("listed") / "ws"
    ws.mkdir()
    text = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\n"
    (ws / "crm.yaml").write_text(text + "tables: {order_lines: {source: o.parquet}}\n")
    rows = [
        {
            "as_of": DAY,
            "subject_type": "customer",
            "subject_id": f"{number:05d}",
            "action": "personal_talk",
            "channel": "phone",
            "arm": "treatment",
            "cost": 30.0,
            "action_id": key(number),
        }
        for number in range(COUNT)
    ]

    def write(path):
        pq.write_table(pa.Table.from_pylist(rows), path)
        return len(rows)

    publish_set(SetPlan(ws / "published", DAY, "lists", {}), {"actions.parquet": write}, keep_sets=1)
    return ws


@pytest.fixture
def ws(listed, tmp_path):
    shutil.copytree(listed, tmp_path / "ws", symlinks=True)
    return tmp_path / "ws"


def returned(folder, numbers, *, answer="done", note="", name="AM1.csv"):
    path = folder / name
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Customer number", "Answer", "Note", "Key"])
        writer.writerows([f"{number:05d}", answer, note, key(number)] for number in numbers)
    return str(path)


def kept(ws):
    """How often each answer stands in the log."""
    path = open_store(open_workspace(ws)).path
    if not path.exists():
        return {}
    assert len(open_store(open_workspace(ws)).state(dt.date.max)) >= 0  # whole, and ours
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT action_id, answer, note, count(*) FROM answers GROUP BY 1, 2, 3").fetchall()
    return {(action_id, answer, note): count for action_id, answer, note, count in rows}


def wanted(numbers, *, answer="done", note=""):
    return {(key(number), answer, note): 1 for number in numbers}


def leftovers(ws):
    return sorted(path.name for path in (ws / "feedback").iterdir() if path.name != "action_log.db")


@pytest.fixture(scope="module")
def points(runner, listed, tmp_path_factory):
    """The points that a first import passes."""
    folder = tmp_path_factory.mktemp("points")
    shutil.copytree(listed, folder / "ws", symlinks=True)
    env = {"CRM_ML_CRASH_POINTS_TO": str(folder / "points.txt")}
    outcome = runner("feedback", "import", returned(folder, range(3)), *AS_OF, ws=folder / "ws", env=env)
    assert outcome.code == 0, outcome.err
    return list(dict.fromkeys((folder / "points.txt").read_text().split()))


def test_every_step_has_a_name(points):
    names = {"store.temporary_made", "store.schema_made", "store.linked", "store.opened", "store.begun"}
    names |= {"store.answer_inserted", "store.before_commit", "store.committed", "store.closed", "feedback.recorded"}
    assert names <= set(points)
    assert len(points) >= 20


def test_killed_at_every_point_of_a_first_import(runner, listed, points, tmp_path):
    file = returned(tmp_path, range(3))
    for number, name in enumerate(points):
        ws = tmp_path / str(number)
        shutil.copytree(listed, ws, symlinks=True)
        killed = runner("feedback", "import", file, *AS_OF, ws=ws, env={"CRM_ML_CRASH_AT": name})
        assert (killed.code, killed.out) == (KILLED, ""), name
        shutil.copytree(ws, tmp_path / f"{number}-copy", symlinks=True)
        found = kept(tmp_path / f"{number}-copy")
        committed = points.index(name) >= points.index("store.committed")
        assert found == (wanted(range(3)) if committed else {}), name
        again = runner("feedback", "import", file, *AS_OF, ws=ws)
        assert again.code == 0, (name, again.err)
        assert (again.json["recorded"], again.json["already_known"]) == ((0, 3) if committed else (3, 0)), name
        assert kept(ws) == wanted(range(3)), name
        assert leftovers(ws) == [], name


def test_killed_at_every_point_of_a_later_import(runner, ws, points, tmp_path):
    """Again and again in one workspace: what was acknowledged before stays, what was not is taken when sent again."""
    assert runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws).code == 0
    known = wanted(range(3))
    passed = [
        name for name in points if not name.startswith(("store.folder", "store.temp", "store.schema", "store.linked"))
    ]
    for number, name in enumerate(passed, 3):
        file = returned(tmp_path, [number, number + 50], note=name)
        killed = runner("feedback", "import", file, *AS_OF, ws=ws, env={"CRM_ML_CRASH_AT": name})
        assert killed.code == KILLED, name
        new = wanted([number, number + 50], note=name)
        assert kept(ws) in (known, known | new), name
        assert runner("feedback", "import", file, *AS_OF, ws=ws).code == 0, name
        known |= new
        assert kept(ws) == known, name


def test_the_log_of_a_killed_process_is_taken_up(runner, ws, points, tmp_path):
    """Killed after the commit, before the file was tidied: the answer stands in the log beside, also in a copy."""
    env = {"CRM_ML_CRASH_AT": "store.committed"}
    assert runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws, env=env).code == KILLED
    assert "action_log.db-wal" in leftovers(ws)
    shutil.copytree(ws, tmp_path / "copy", symlinks=True)
    assert kept(tmp_path / "copy") == wanted(range(3))
    outcome = runner("feedback", "import", returned(tmp_path, range(5)), *AS_OF, ws=ws)
    assert (outcome.json["recorded"], outcome.json["already_known"]) == (2, 3)
    assert leftovers(ws) == []


def crowd(runner, ws, files):
    outcomes = runner.together([runner.request("feedback", "import", file, *AS_OF, ws=ws) for file in files])
    assert {outcome.code for outcome in outcomes} == {0}, [outcome.err for outcome in outcomes]
    return outcomes


def test_eight_overlapping_files_at_once(runner, ws, tmp_path):
    files = [returned(tmp_path, range(10 * n, 10 * n + 30), name=f"{n}.csv") for n in range(8)]
    outcomes = crowd(runner, ws, files)
    assert sum(outcome.json["recorded"] for outcome in outcomes) == 100
    assert sum(outcome.json["already_known"] for outcome in outcomes) == 140
    assert kept(ws) == wanted(range(100))


def test_the_same_file_sixteen_times_at_once(runner, ws, tmp_path):
    outcomes = crowd(runner, ws, [returned(tmp_path, range(40))] * 16)
    assert sorted(outcome.json["recorded"] for outcome in outcomes) == [0] * 15 + [40]
    assert kept(ws) == wanted(range(40))
    assert leftovers(ws) == []


@pytest.mark.stress
def test_crowds_again_and_again(runner, listed, tmp_path):
    for number in range(20):
        ws = tmp_path / str(number)
        shutil.copytree(listed, ws, symlinks=True)
        rng = random.Random(number)
        chosen = [sorted(rng.sample(range(COUNT), 60)) for _ in range(16)]
        crowd(runner, ws, [returned(tmp_path, numbers, name=f"{n}.csv") for n, numbers in enumerate(chosen)])
        assert kept(ws) == wanted(set().union(*chosen))


@pytest.mark.stress
def test_two_hundred_random_moments(runner, ws, tmp_path):
    began = time.monotonic()
    assert runner("feedback", "import", returned(tmp_path, [0]), *AS_OF, ws=ws).code == 0
    whole = time.monotonic() - began
    rng = random.Random(0)
    known = wanted([0])
    ends = set()
    for number in range(200):
        chosen = rng.sample(range(COUNT), 5)
        file, new = returned(tmp_path, chosen, note=str(number)), wanted(chosen, note=str(number))
        outcome = runner("feedback", "import", file, *AS_OF, ws=ws, signal_after=rng.uniform(0, 1.2 * whole))
        assert outcome.code in (KILLED, 0), outcome.err
        found = kept(ws)
        assert found in (known, known | new), number
        assert outcome.code == KILLED or found == known | new, number
        ends.add((outcome.code, found == known))
        known = found
    assert (KILLED, True) in ends
    assert (0, False) in ends


@pytest.mark.stress
def test_random_kills_in_a_crowd(runner, listed, tmp_path):
    """Sixteen at once, half of them killed: whoever was told 0 has its answers in the log, once."""
    rng = random.Random(1)
    for number in range(15):
        ws = tmp_path / str(number)
        shutil.copytree(listed, ws, symlinks=True)
        chosen = [sorted(rng.sample(range(COUNT), 20)) for _ in range(16)]
        files = [returned(tmp_path, numbers, name=f"{n}.csv") for n, numbers in enumerate(chosen)]
        requests = [runner.request("feedback", "import", file, *AS_OF, ws=ws) for file in files]
        for request in requests[::2]:
            request["signal_after"] = rng.uniform(0, 0.05)
        outcomes = runner.together(requests)
        assert {outcome.code for outcome in outcomes} <= {KILLED, 0}
        told = set().union(*(set(n) for n, outcome in zip(chosen, outcomes, strict=True) if outcome.code == 0))
        found = kept(ws)
        assert set(found.values()) <= {1}
        assert set(wanted(told)) <= set(found)
        crowd(runner, ws, files)
        assert kept(ws) == wanted(set().union(*chosen))


@pytest.mark.parametrize("limit", [512, 4096, 20_000, 60_000])
def test_a_full_disk_ends_it_with_a_reason_and_takes_nothing(runner, ws, tmp_path, limit):
    file = returned(tmp_path, range(100), note="x" * 2000, name="large.csv")
    first = runner("feedback", "import", file, *AS_OF, ws=ws, file_limit=limit)
    assert first.code == 1, first.err
    assert first.out == "" or first.json["error"]["code"] == "cannot_write"
    assert "Traceback" not in first.err
    assert kept(ws) == {}
    assert runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws).code == 0
    assert runner("feedback", "import", file, *AS_OF, ws=ws, file_limit=limit).code == 1
    assert kept(ws) == wanted(range(3))
    assert runner("feedback", "import", file, *AS_OF, ws=ws).json["recorded"] == 100
    assert kept(ws) == wanted(range(3)) | wanted(range(100), note="x" * 2000)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(runner, ws, tmp_path):
    (ws).chmod(0o555)
    try:
        outcome = runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws)
    finally:
        (ws).chmod(0o755)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "cannot_write")


def test_a_store_that_may_only_be_read(runner, ws, tmp_path):
    """A file of another user, or a medium without rights: the immutable flag refuses the superuser as well."""
    assert runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws).code == 0
    path = ws / "feedback" / "action_log.db"
    path.chmod(0o444)
    (ws / "feedback").chmod(0o555)
    try:
        state = open_store(open_workspace(ws)).state(dt.date.max)
        outcome = runner("feedback", "import", returned(tmp_path, range(5)), *AS_OF, ws=ws)
    finally:
        (ws / "feedback").chmod(0o755)
        path.chmod(0o644)
    assert len(state) == 3
    if os.geteuid() != 0:
        assert (outcome.code, outcome.json["error"]["code"]) == (1, "cannot_write")
        assert "Give this user the right to write in that folder" in outcome.json["error"]["message"]
        assert kept(ws) == wanted(range(3))


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_store_ends_it_with_six_and_stays_as_it_is(runner, ws, tmp_path, content):
    path = ws / "feedback" / "action_log.db"
    path.parent.mkdir()
    path.write_bytes(content)
    outcome = runner("feedback", "import", returned(tmp_path, range(3)), *AS_OF, ws=ws)
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "damaged_store")
    assert "Restore it from a backup" in outcome.json["error"]["message"]
    assert path.read_bytes() == content


def test_rows_refused_end_it_with_one_and_the_others_are_kept(runner, ws, tmp_path):
    outcome = runner("feedback", "import", returned(tmp_path, [1, 2, COUNT + 1]), *AS_OF, ws=ws)
    assert (outcome.code, outcome.json["error"]["code"], outcome.json["recorded"]) == (1, "rows_refused", 2)
    assert [row["row"] for row in outcome.json["refused"]] == [4]
    assert kept(ws) == wanted([1, 2])


@pytest.mark.parametrize("signal", [15, 2])
def test_a_signal_ends_it_cleanly(runner, ws, tmp_path, signal):
    codes = set()
    for number, after in enumerate((0.0, 0.01, 0.02, 0.04, 0.08)):
        file = returned(tmp_path, range(COUNT), note=str(number))
        outcome = runner("feedback", "import", file, *AS_OF, ws=ws, signal_after=after, signal=signal)
        # 99 and -signal: before the program could listen
        assert outcome.code in (0, 128 + signal, 99, -signal), outcome.err
        assert "Traceback" not in outcome.err
        new = wanted(range(COUNT), note=str(number))
        found = kept(ws)
        assert len(set(new) & set(found)) in (0, COUNT)
        assert outcome.code != 0 or set(new) <= set(found)
        codes.add(outcome.code)
    assert codes
