"""A backtest that is killed goes on where it was, and ends with the numbers of one that nobody disturbs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm_ml.jobs.publish import inspect_set

KILLED = -9
AS_OF = "2025-03-03"
CALL = ("backtest", "churn", "--as-of", AS_OF, "--cutoff", "2024-11-01", "--cutoff", "2024-12-03", "--workers", "1")
TURNS = (
    "backtest.features_built",
    "backtest.task_read",
    "backtest.cutoff_trained",
    "backtest.cutoff_stored",
    "backtest.judged",
    "publish.manifest_written",
    "backtest.published",
    "tracking.run_created",
    "backtest.logged",
)


@pytest.fixture(scope="module")
def firm(small_firm, tmp_path_factory):
    """The firm with a short history, so that a training takes a moment only; not to be changed."""
    folder = tmp_path_factory.mktemp("short") / "ws"
    shutil.copytree(small_firm, folder)
    text = (folder / "crm.yaml").read_text()
    (folder / "crm.yaml").write_text(text.replace("{every_days: 45}", "{every_days: 60, history_days: 420}"))
    return folder


@pytest.fixture(scope="module")
def undisturbed(firm, runner, tmp_path_factory):
    """What a run that nobody disturbs publishes, and the points it passes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(firm, folder / "ws")
    listing = folder / "points.txt"
    outcome = runner(*CALL, ws=folder / "ws", env={"CRM_ML_CRASH_POINTS_TO": str(listing)})
    assert outcome.code == 0, outcome.err
    assert outcome.json["already_published"] is False
    published = Path(outcome.json["published"])
    return {path.name: path.read_bytes() for path in published.iterdir()}, list(
        dict.fromkeys(listing.read_text().split())
    )


def check(ws, undisturbed, where):
    for folder in (ws / "backtests").glob(f"{AS_OF}-*"):
        assert inspect_set(folder).intact, where
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == undisturbed, where


def killed_in_turn(runner, firm, tmp_path, undisturbed, names):
    """Killed at one point after another in one workspace: each run goes on from what the one before left."""
    ws = tmp_path / "ws"
    shutil.copytree(firm, ws)
    for name in names:
        killed = runner(*CALL, ws=ws, env={"CRM_ML_CRASH_AT": name})
        assert killed.code == KILLED, (name, killed.err)
        check(ws, undisturbed, name)
    again = runner(*CALL, ws=ws)
    assert again.code == 0, again.err
    assert len(list((ws / "backtests").glob(f"{AS_OF}-*"))) == 1
    check(ws, undisturbed, "the end")
    assert list(ws.rglob(".building-*")) == []
    assert list(ws.rglob(".work-*")) == []
    return again


def test_killed_at_its_turning_points(runner, firm, tmp_path, undisturbed):
    wanted, names = undisturbed
    assert set(TURNS) <= set(names)
    again = killed_in_turn(runner, firm, tmp_path, wanted, TURNS)
    assert again.json["already_published"]
    assert again.json["run_id"]


@pytest.mark.stress
def test_killed_at_every_point(runner, firm, tmp_path, undisturbed):
    wanted, names = undisturbed
    # a lock is taken again by every run: its points come first and last
    killed_in_turn(runner, firm, tmp_path, wanted, [name for name in names if not name.startswith("lock.")])


def test_a_finished_cutoff_is_not_trained_again_and_a_damaged_one_is(runner, firm, tmp_path, undisturbed):
    ws = tmp_path / "ws"
    shutil.copytree(firm, ws)
    assert runner(*CALL, ws=ws, env={"CRM_ML_CRASH_AT": "backtest.judged"}).code == KILLED
    (work,) = (ws / "backtests").glob(".work-*")
    first, second = sorted(work.glob("done-*"))
    content = bytearray(second.read_bytes())
    content[len(content) // 3] ^= 255
    second.write_bytes(content)
    listing = tmp_path / "points.txt"
    again = runner(*CALL, ws=ws, env={"CRM_ML_CRASH_POINTS_TO": str(listing)})
    assert again.code == 0, again.err
    assert "1 of 2 cutoffs were finished by an earlier run" in again.err
    assert listing.read_text().split().count("backtest.cutoff_trained") == 1
    check(ws, undisturbed[0], "after damage")
    assert not first.exists()


def test_two_at_once_do_not_work_in_one_workspace(runner, firm, tmp_path):
    ws = tmp_path / "ws"
    shutil.copytree(firm, ws)
    outcomes = runner.together([runner.request(*CALL, ws=ws) for _ in range(2)])
    assert sorted(outcome.code for outcome in outcomes) in ([0, 5], [0, 0])
    assert any(outcome.code == 0 for outcome in outcomes)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


def wait_for(what, seconds=300.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only where processes can be listed by ps and /proc")
def test_the_parent_killed_for_real_takes_its_trainings_along_and_the_next_run_goes_on(firm, tmp_path, undisturbed):
    """Two processes train; the first to finish is kept, the parent is killed with -9, and a second run ends it."""
    ws = tmp_path / "ws"
    shutil.copytree(firm, ws)
    call = [sys.executable, "-m", "crm_ml", *CALL[:-1], "2", "--workspace", str(ws)]
    with (tmp_path / "err").open("wb") as err:
        parent = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=err)
        wait_for(lambda: list((ws / "backtests").glob(".work-*/done-*.parquet")) or parent.poll() is not None)
        its = children(parent.pid)
        parent.send_signal(signal.SIGKILL)
        assert parent.wait() == KILLED, (tmp_path / "err").read_text()
    wait_for(lambda: not any(alive(pid) for pid in its), seconds=60)
    assert not list((ws / "backtests").glob(f"{AS_OF}-*"))
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "of 2 cutoffs were finished by an earlier run" in done.stderr
    (folder,) = (ws / "backtests").glob(f"{AS_OF}-*")
    # pictures are left out of the undisturbed page; all numbers are there
    for name in ("predictions.parquet", "summary.json"):
        assert (folder / name).read_bytes() == undisturbed[0][name], name


def test_a_training_whose_process_dies_is_told(firm, tmp_path, monkeypatch):
    from crm_ml.errors import Failure
    from crm_ml.jobs import backtest_processes
    from crm_ml.jobs.backtest import backtest

    ws = tmp_path / "ws"
    shutil.copytree(firm, ws)
    monkeypatch.setattr(backtest_processes, "processors", lambda: 2)
    monkeypatch.setenv("CRM_ML_CRASH_AT", "backtest.task_read")
    with pytest.raises(Failure, match=r"The training as of 2024-1\d-0\d was killed \(signal 9\)") as caught:
        backtest(ws, as_of=AS_OF, cutoffs=["2024-11-01", "2024-12-03"], workers=2)
    assert caught.value.code == "worker_killed"
