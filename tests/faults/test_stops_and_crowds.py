"""Stopped, crowded out, or refused by the disk: always the old or the new, and a code that says which."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from crm_ml.jobs.publish import inspect_set


def link(ws, day):
    return ws / "published" / day / "scores"


def bytes_of(ws, day):
    return {path.name: path.read_bytes() for path in link(ws, day).iterdir()}


def other_inputs(ws):
    with (ws / "crm.yaml").open("a") as file:
        file.write("margin_rate: 0.25\n")


def scores_under_way(ws, text="purpose"):
    """Whether a run has signed the lock."""
    lock = ws / "published" / ".lock"
    return lock.exists() and text in lock.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly(runner, workspace, firm_day, number, code):
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    before = bytes_of(workspace, firm_day)
    other_inputs(workspace)
    codes = set()
    for after in (0.15, 0.3, 0.45):
        began = time.monotonic()
        outcome = runner("score", "--as-of", firm_day, "--force", ws=workspace, signal_after=after, signal=number)
        assert time.monotonic() - began < after + 5
        assert outcome.code in (code, 0), outcome.err
        assert "Traceback" not in outcome.err
        assert (
            bytes_of(workspace, firm_day) == before
            or outcome.code == 0
            or inspect_set(link(workspace, firm_day)).intact
        )
        assert list(workspace.rglob(".building-*")) == []
        codes.add(outcome.code)
    assert code in codes
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0


STOPPED_IN_A_FINALISER = """
import os, sys, time
import crm_ml.cli.app as app
from crm_ml.cli.run import main

class Dying:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        sum(range(1000))

def command(**_):
    dying = Dying()
    del dying
    time.sleep(20)

app.app = command
main(["check"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_meets_a_finaliser_still_ends_it_with_a_sentence(number, code):
    command = [sys.executable, "-c", STOPPED_IN_A_FINALISER, str(int(number))]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == code
    assert outcome.stderr == "crm-ml: stopped; what was published before is untouched\n"


def test_sixteen_at_once(runner, workspace, firm_day):
    outcomes = runner.together([runner.request("score", "--as-of", firm_day, ws=workspace) for _ in range(16)])
    assert {outcome.code for outcome in outcomes} <= {0, 5}
    published = [o for o in outcomes if o.code == 0 and not o.json["already_published"]]
    assert len(published) == 1
    locked = [o for o in outcomes if o.code == 5]
    assert all("is locked: " in o.json["error"]["message"] for o in locked)
    assert inspect_set(link(workspace, firm_day)).intact
    assert len(list((workspace / "published" / firm_day / ".sets").iterdir())) == 1


@pytest.mark.stress
def test_sixteen_at_once_again_and_again(runner, workspace, firm_day):
    for number in range(20):
        day = f"2025-04-{number + 1:02d}"
        outcomes = runner.together([runner.request("score", "--as-of", day, ws=workspace) for _ in range(16)])
        assert {outcome.code for outcome in outcomes} <= {0, 5}
        assert sum(o.code == 0 and not o.json["already_published"] for o in outcomes) == 1
        assert inspect_set(link(workspace, day)).intact


def test_trainings_at_once_leave_one_that_serves(runner, workspace, firm_day):
    runner("train", "churn", "--as-of", firm_day, "--dry-run", ws=workspace)  # so that all of them find the fit ready
    outcomes = runner.together([runner.request("train", "churn", "--as-of", firm_day, ws=workspace) for _ in range(4)])
    assert {outcome.code for outcome in outcomes} <= {0, 5}
    done = [int(o.json["version"]) for o in outcomes if o.code == 0]
    assert done
    assert len(set(done)) == len(done)
    scored = runner("score", "--as-of", firm_day, ws=workspace)
    assert int(scored.json["model_version"]) == max(done)


@pytest.mark.stress
def test_fifty_random_moments(runner, workspace, firm_day):
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    began = time.monotonic()
    assert runner("score", "--as-of", firm_day, "--force", ws=workspace).code == 0
    whole = time.monotonic() - began
    rng = random.Random(0)
    text = (workspace / "crm.yaml").read_text()
    for number in range(50):
        before = bytes_of(workspace, firm_day)
        (workspace / "crm.yaml").write_text(f"{text}margin_rate: {0.1 + number / 100:.2f}\n")
        outcome = runner("score", "--as-of", firm_day, ws=workspace, signal_after=rng.uniform(0, 1.2 * whole))
        assert outcome.code in (-9, 0), outcome.err
        assert inspect_set(link(workspace, firm_day)).intact
        if outcome.code == -9 and bytes_of(workspace, firm_day) == before:
            again = runner("score", "--as-of", firm_day, ws=workspace)
            assert again.code == 0, again.err
        assert bytes_of(workspace, firm_day) != before
        assert inspect_set(link(workspace, firm_day)).intact


@pytest.mark.parametrize("limit", [2_500, 5_000, 10_000])
def test_the_disk_refuses_the_scores(runner, workspace, firm_day, limit):
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    before = bytes_of(workspace, firm_day)
    other_inputs(workspace)
    outcome = runner("score", "--as-of", firm_day, ws=workspace, file_limit=limit)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "cannot_write"), outcome.err
    assert "what was published before is untouched" in outcome.err
    assert "Traceback" not in outcome.err
    assert bytes_of(workspace, firm_day) == before
    assert list(workspace.rglob(".building-*")) == []
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    assert bytes_of(workspace, firm_day) != before


@pytest.mark.parametrize("limit", [5_000, 20_000, 60_000])
def test_the_disk_refuses_the_training(runner, workspace, firm_day, limit):
    runner("train", "churn", "--as-of", firm_day, "--dry-run", ws=workspace)
    outcome = runner("train", "churn", "--as-of", firm_day, ws=workspace, file_limit=limit)
    assert outcome.code == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert runner("score", "--as-of", firm_day, ws=workspace).json["model_version"] == "1"
    assert runner("train", "churn", "--as-of", firm_day, ws=workspace).json["serves"]


def test_the_machine_s_zone_changes_nothing(runner, small_firm, tmp_path, firm_day):
    import shutil

    found = []
    for zone in ("UTC", "Europe/Berlin", "Asia/Kathmandu"):
        ws = tmp_path / zone.replace("/", "-")
        shutil.copytree(small_firm, ws)
        env = {"TZ": zone}
        assert runner("train", "churn", "--as-of", firm_day, ws=ws, env=env).code == 0
        assert runner("score", "--as-of", firm_day, ws=ws, env=env).code == 0
        out = str(ws / "features.parquet")
        assert runner("features", "churn", "--as-of", firm_day, "--out", out, ws=ws, env=env).code == 0
        found.append((bytes_of(ws, firm_day), (ws / "features.parquet").read_bytes()))
    assert found[0] == found[1] == found[2]


def test_secrets_and_persons_stay_where_they_are(runner, untrained, firm_day, canary):
    secret = "hunter2-canary"
    env = {
        "CRM_ML_TEST_SECRET": secret,
        "MLFLOW_TRACKING_PASSWORD": secret,
        "LOGNAME": "canary-login",
        "USER": "canary-login",
    }
    said = []
    for args in (("train", "churn"), ("score",), ("check",)):
        outcome = runner(*args, "--as-of", firm_day, "--debug", ws=untrained, env=env)
        assert outcome.code == 0, outcome.err
        said.append(outcome.out + outcome.err)
    written = [
        p.read_bytes() for p in untrained.rglob("*") if p.is_file() and "data" not in p.relative_to(untrained).parts
    ]
    for word in (secret, "canary-login", canary, "kanarienvogel"):
        assert not any(word in text for text in said), word
        assert not any(word.encode() in content for content in written), word


def test_a_secret_in_the_tracking_address_is_never_shown(runner, workspace, firm_day):
    with (workspace / "crm.yaml").open("a") as file:
        file.write("tracking: {uri: 'postgresql://anna:hunter2@127.0.0.1:9/mlflow'}\n")
    outcome = runner("score", "--as-of", firm_day, "--debug", ws=workspace)
    assert outcome.code == 1
    assert "hunter2" not in outcome.out + outcome.err
