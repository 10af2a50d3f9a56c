"""The lists under faults: killed anywhere, stopped, started sixteen times, and answered while they are written."""

from __future__ import annotations

import csv
import shutil
import signal

import pandas as pd
import pytest

from crm_ml.actions.policy import policy_yaml
from crm_ml.jobs.publish import inspect_set

KILLED = -9
NEXT_DAY = "2025-03-04"
KINDS = ("scores", "lists")


def links(ws, day):
    return [ws / "published" / day / kind for kind in KINDS]


def bytes_of(ws, day):
    return {(link.name, path.name): path.read_bytes() for link in links(ws, day) for path in link.iterdir()}


def leftovers(ws):
    return list(ws.rglob(".building-*"))


@pytest.fixture(scope="module")
def before(trained_firm, tmp_path_factory, runner, firm_day):
    """A firm whose lists are published, under another policy than the one it has now."""
    ws = tmp_path_factory.mktemp("lists") / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    with (ws / "crm.yaml").open("a") as file:
        file.write("tracking: {days: false}\nkeep_sets: 1\n")
    assert runner("daily", "--as-of", firm_day, ws=ws).code == 0
    with (ws / "crm.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")
    (ws / "policy.yaml").write_text(policy_yaml().replace("daily_capacity: 10", "daily_capacity: 4"), encoding="utf-8")
    return ws


@pytest.fixture(scope="module")
def after(before, tmp_path_factory, runner, firm_day):
    """What a run that nobody disturbs publishes, and the points it passes."""
    ws = tmp_path_factory.mktemp("after") / "ws"
    shutil.copytree(before, ws, symlinks=True)
    listing = ws.parent / "points.txt"
    assert runner("daily", "--as-of", firm_day, ws=ws, env={"CRM_ML_CRASH_POINTS_TO": str(listing)}).code == 0
    return bytes_of(ws, firm_day), list(dict.fromkeys(listing.read_text().split()))


def killed_and_run_again(runner, start, ws, name, day, allowed, wanted):
    shutil.copytree(start, ws, symlinks=True)
    killed = runner("daily", "--as-of", day, ws=ws, env={"CRM_ML_CRASH_AT": name})
    assert killed.code == KILLED, (name, killed.err)
    for link in links(ws, day):
        assert not link.exists() or inspect_set(link).intact, (name, link)
    if all(link.exists() for link in links(ws, day)):
        assert bytes_of(ws, day) in allowed, name
    again = runner("daily", "--as-of", day, ws=ws)
    assert again.code == 0, (name, again.err)
    assert bytes_of(ws, day) == wanted, name
    assert leftovers(ws) == [], name
    shutil.rmtree(ws)


def test_the_points_are_many(after):
    assert len(after[1]) >= 25
    assert sum(name.startswith("daily.") for name in after[1]) >= 5


def test_killed_where_the_job_itself_stands(runner, before, after, tmp_path, firm_day):
    wanted, names = after
    old = bytes_of(before, firm_day)
    assert old != wanted
    for number, name in enumerate(name for name in names if name.startswith("daily.")):
        killed_and_run_again(runner, before, tmp_path / str(number), name, firm_day, (old, wanted), wanted)


@pytest.mark.stress
def test_killed_at_every_point(runner, before, after, tmp_path, firm_day):
    wanted, names = after
    old = bytes_of(before, firm_day)
    for number, name in enumerate(name for name in names if not name.startswith("daily.")):
        killed_and_run_again(runner, before, tmp_path / str(number), name, firm_day, (old, wanted), wanted)


@pytest.mark.stress
def test_first_lists_killed_at_every_point(runner, trained_firm, tmp_path, firm_day):
    """Where nothing was published before: both sets whole, or only the scores, or nothing."""
    start = tmp_path / "start"
    shutil.copytree(trained_firm, start, symlinks=True)
    with (start / "crm.yaml").open("a") as file:
        file.write("tracking: {days: false}\n")
    listing, calm = tmp_path / "points.txt", tmp_path / "calm"
    shutil.copytree(start, calm, symlinks=True)
    assert runner("daily", "--as-of", firm_day, ws=calm, env={"CRM_ML_CRASH_POINTS_TO": str(listing)}).code == 0
    wanted = bytes_of(calm, firm_day)
    for number, name in enumerate(dict.fromkeys(listing.read_text().split())):
        killed_and_run_again(runner, start, tmp_path / str(number), name, firm_day, (wanted,), wanted)


def test_a_signal_ends_it_cleanly(runner, before, tmp_path, firm_day):
    ws = tmp_path / "ws"
    shutil.copytree(before, ws, symlinks=True)
    old, codes = bytes_of(ws, firm_day), set()
    for after_seconds in (0.2, 0.6, 1.0):
        outcome = runner(
            "daily", "--as-of", firm_day, "--force", ws=ws, signal_after=after_seconds, signal=signal.SIGTERM
        )
        assert outcome.code in (143, 0), outcome.err
        assert "Traceback" not in outcome.err
        assert all(inspect_set(link).intact for link in links(ws, firm_day))
        assert bytes_of(ws, firm_day) == old or outcome.code == 0 or len(codes) > 0
        assert leftovers(ws) == []
        codes.add(outcome.code)
    assert 143 in codes


def test_sixteen_at_once(runner, before, tmp_path, firm_day):
    ws = tmp_path / "ws"
    shutil.copytree(before, ws, symlinks=True)
    outcomes = runner.together([runner.request("daily", "--as-of", firm_day, ws=ws) for _ in range(16)])
    assert {outcome.code for outcome in outcomes} <= {0, 5}
    assert sum(outcome.code == 0 and not outcome.json["already_published"] for outcome in outcomes) == 1
    assert all(inspect_set(link).intact for link in links(ws, firm_day))


def test_answers_that_come_while_lists_are_written_are_all_there(runner, before, tmp_path, firm_day):
    """Eight managers' files at once beside two runs of the job: every acknowledged answer counts next morning."""
    ws = tmp_path / "ws"
    shutil.copytree(before, ws, symlinks=True)
    with (ws / "published" / firm_day / "lists" / "AM1.csv").open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = list(csv.reader(file, delimiter=";"))
    place, key = heads.index("Answer"), heads.index("Key")
    files = []
    for number in range(8):
        said = [[*row[:place], "done" if at == number else "", *row[place + 1 :]] for at, row in enumerate(rows)]
        path = tmp_path / f"{number}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=";").writerows([heads, *said])
        files.append(path)
    requests = [runner.request("feedback", "import", str(path), "--as-of", firm_day, ws=ws) for path in files]
    requests += [runner.request("daily", "--as-of", NEXT_DAY, ws=ws) for _ in range(2)]
    outcomes = runner.together(requests)
    assert [outcome.code for outcome in outcomes[:8]] == [0] * 8, [outcome.err for outcome in outcomes[:8]]
    assert {outcome.code for outcome in outcomes[8:]} <= {0, 5}
    assert runner("daily", "--as-of", NEXT_DAY, ws=ws).code == 0
    answered = {row[key] for row in rows[:8]}
    before_ = pd.read_parquet(ws / "published" / firm_day / "lists" / "actions.parquet")
    subjects = set(before_.loc[before_["action_id"].isin(answered), "subject_id"])
    assert len(subjects) == 8
    decided = pd.read_parquet(ws / "published" / NEXT_DAY / "lists" / "decisions.parquet").set_index("subject_id")
    assert (decided.loc[sorted(subjects & set(decided.index)), "action"] == "none").all()
