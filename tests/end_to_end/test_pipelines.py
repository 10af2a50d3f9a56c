"""The schedules of pipelines/: what they start, for which day, and what they try again.

Airflow and Dagster are stood in for by the few names that the files import.
"""

from __future__ import annotations

import ast
import datetime as dt
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from crm_ml.errors import ExitCode

PIPELINES = Path(__file__).parents[2] / "pipelines"
JOB = yaml.safe_load((PIPELINES / "daily.yaml").read_text(encoding="utf-8"))
RETRIED = {1, 5, 130, 143}
TOLD = {2, 3, 4, 6}
UNITS = ("crm-ml-daily.service", "crm-ml-daily.timer")


class Given:
    """Arguments that a stand-in was called with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class Started:
    """Stands in for `subprocess.run`."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.code = 0

    def __call__(self, command: list[str], *, check: bool) -> SimpleNamespace:
        assert check is False
        self.commands.append(command)
        return SimpleNamespace(returncode=self.code)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started()
    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setenv("CRM_ML", "/opt/here/crm-ml")
    monkeypatch.setenv("CRM_ML_WORKSPACE", "/srv/my firm")
    return started


def loaded(name: str) -> dict[str, Any]:
    """Execute a file of pipelines/ and return its names."""
    path = PIPELINES / name
    names = {"__file__": str(path), "__name__": path.stem}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return names


def imported(name: str) -> set[str]:
    """Return the top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse((PIPELINES / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            found.add(node.module.split(".")[0])
    return found


# the job as data


def test_the_job_names_every_exit_code_and_what_follows():
    assert set(JOB["exit_codes"]) == {int(code) for code in ExitCode}
    then = {code: told["then"] for code, told in JOB["exit_codes"].items()}
    assert then.pop(0) == "nothing"
    assert {code for code, what in then.items() if what == "retry"} == RETRIED
    assert {code for code, what in then.items() if what.startswith("tell")} == TOLD
    assert all(told["meaning"] for told in JOB["exit_codes"].values())


def test_the_job_is_a_command_that_exists():
    from typer.main import get_command

    from crm_ml.cli.app import app

    assert JOB["command"][:2] == ["crm-ml", "daily"]
    assert {"{workspace}", "{day}"} < set(JOB["command"])
    options = {name for option in get_command(app).commands["daily"].params for name in option.opts}
    assert {word for word in JOB["command"] if word.startswith("--")} <= options


def test_the_zone_and_the_time_are_the_same_everywhere():
    minute, hour, *rest = JOB["when"]["cron"].split()
    assert rest == ["*", "*", "1-5"]
    assert ZoneInfo(JOB["when"]["timezone"])
    timer = (PIPELINES / "systemd" / UNITS[1]).read_text()
    assert f"OnCalendar=Mon..Fri {int(hour):02d}:{int(minute):02d} {JOB['when']['timezone']}" in timer.splitlines()
    cron = (PIPELINES / "cron" / "crm-ml").read_text().splitlines()
    assert f"CRON_TZ={JOB['when']['timezone']}" in cron
    assert any(line.startswith(JOB["when"]["cron"] + " ") for line in cron)


# Airflow


class AirflowFail(Exception):
    pass


@pytest.fixture(params=["airflow.sdk.exceptions", "airflow.exceptions"])
def airflow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, started: Started) -> SimpleNamespace:
    """Load the DAG; return what it asked for, its task, and the context that the task will see."""
    seen = SimpleNamespace(context={}, tasks={}, dags={})

    def dag(**arguments: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        def wrap(function: Callable[[], None]) -> Callable[[], None]:
            def make() -> None:
                seen.dags[arguments["dag_id"]] = arguments
                function()

            return make

        return wrap

    def task(function: Callable[[], None]) -> Callable[[], None]:
        def place() -> None:
            seen.tasks[function.__name__] = function

        return place

    modules = {
        "airflow": {},
        request.param: {"AirflowFailException": AirflowFail},
        "airflow.sdk": {"dag": dag, "task": task, "get_current_context": lambda: seen.context},
        "airflow.timetables": {},
        "airflow.timetables.trigger": {"CronTriggerTimetable": Given},
    }
    for name, attributes in modules.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    loaded("airflow_daily.py")
    return seen


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_airflow_file_imports_nothing_else():
    assert imported("airflow_daily.py") == {"os", "subprocess", "datetime", "pathlib", "zoneinfo", "yaml", "airflow"}


def test_airflow_runs_on_working_mornings_and_tries_again(airflow: SimpleNamespace):
    (arguments,) = airflow.dags.values()
    timetable = arguments["schedule"]
    assert (timetable.args, timetable.kwargs) == (("30 5 * * 1-5",), {"timezone": "Europe/Berlin"})
    assert arguments["catchup"] is False
    assert arguments["max_active_runs"] == 1
    assert arguments["default_args"]["retries"] == 3
    assert arguments["default_args"]["retry_delay"] == dt.timedelta(minutes=15)
    assert list(airflow.tasks) == ["daily"]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-01-12T04:30:00", "2026-01-12"),  # 05:30 in winter
        ("2026-07-13T03:30:00", "2026-07-13"),  # 05:30 in summer
        ("2026-07-13T22:30:00", "2026-07-14"),  # started by hand after midnight, local time
    ],
)
def test_airflow_passes_the_day_of_the_run(airflow: SimpleNamespace, started: Started, moment: str, day: str):
    airflow.context = {"logical_date": at(moment)}
    airflow.tasks["daily"]()
    airflow.tasks["daily"]()
    by_hand = {"dag_run": SimpleNamespace(run_after=at(moment))}
    airflow.context = by_hand
    airflow.tasks["daily"]()
    command = ["/opt/here/crm-ml", "daily", "--workspace", "/srv/my firm", "--as-of", day, "--json"]
    assert started.commands == [command] * 3, "cleared and repeated, it is the same command"


@pytest.mark.parametrize("code", sorted(RETRIED | TOLD | {-9, 137}))
def test_airflow_retries_what_may_pass_by_itself(airflow: SimpleNamespace, started: Started, code: int):
    airflow.context, started.code = {"logical_date": at("2026-01-12T04:30:00")}, code
    with pytest.raises(
        (RuntimeError, AirflowFail), match=f"crm-ml daily for 2026-01-12 ended with {code}: .+"
    ) as caught:
        airflow.tasks["daily"]()
    assert isinstance(caught.value, AirflowFail) == (code in TOLD)


# Dagster


class DagsterFailure(Exception):
    def __init__(self, *, description: str, allow_retries: bool) -> None:
        super().__init__(description)
        self.allow_retries = allow_retries


@pytest.fixture
def dagster(monkeypatch: pytest.MonkeyPatch, started: Started) -> dict[str, Any]:
    """Load the definitions; decorated functions stay callable and carry what they were decorated with."""

    def decorator(**arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            vars(function)["asked"] = arguments
            return function

        return wrap

    module = ModuleType("dagster")
    vars(module).update(
        op=decorator,
        job=lambda function: function,
        schedule=decorator,
        RetryPolicy=Given,
        RunRequest=Given,
        Definitions=Given,
        Failure=DagsterFailure,
    )
    monkeypatch.setitem(sys.modules, "dagster", module)
    return loaded("dagster_daily.py")


def test_dagster_file_imports_nothing_else():
    assert imported("dagster_daily.py") == {"os", "subprocess", "pathlib", "zoneinfo", "yaml", "dagster"}


def test_dagster_runs_on_working_mornings_and_tries_again(dagster: dict[str, Any]):
    schedule, policy = dagster["every_morning"].asked, dagster["daily"].asked["retry_policy"]
    assert schedule["job"] is dagster["crm_ml_daily"]
    assert (schedule["cron_schedule"], schedule["execution_timezone"]) == ("30 5 * * 1-5", "Europe/Berlin")
    assert policy.kwargs == {"max_retries": 3, "delay": 900}
    assert dagster["defs"].kwargs == {"jobs": [dagster["crm_ml_daily"]], "schedules": [dagster["every_morning"]]}


@pytest.mark.parametrize(
    ("moment", "day"), [("2026-01-12T04:30:00", "2026-01-12"), ("2026-07-12T22:30:00", "2026-07-13")]
)
def test_dagster_passes_the_day_of_the_schedule(dagster: dict[str, Any], started: Started, moment: str, day: str):
    request = dagster["every_morning"](SimpleNamespace(scheduled_execution_time=at(moment)))
    assert request.kwargs["run_key"] == day, "one run a day"
    config = request.kwargs["run_config"]["ops"]["daily"]["config"]
    assert set(config) == set(dagster["daily"].asked["config_schema"]) == {"as_of"}
    dagster["daily"](SimpleNamespace(op_config=config))
    dagster["daily"](SimpleNamespace(op_config=config))
    command = ["/opt/here/crm-ml", "daily", "--workspace", "/srv/my firm", "--as-of", day, "--json"]
    assert started.commands == [command] * 2


@pytest.mark.parametrize("code", sorted(RETRIED | TOLD | {-9, 137}))
def test_dagster_retries_what_may_pass_by_itself(dagster: dict[str, Any], started: Started, code: int):
    started.code = code
    with pytest.raises(DagsterFailure, match=f"crm-ml daily for 2026-01-12 ended with {code}: .+") as caught:
        dagster["daily"](SimpleNamespace(op_config={"as_of": "2026-01-12"}))
    assert caught.value.allow_retries == (code not in TOLD)


# the script, cron and systemd


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A command that writes down its arguments and ends with the first word of the file `codes`, which it takes off."""
    command = tmp_path / "crm-ml"
    command.write_text(
        f"#!/usr/bin/env bash\nprintf '%s|' \"$@\" >> {tmp_path}/calls; echo >> {tmp_path}/calls\n"
        f'read -r code rest < {tmp_path}/codes; echo "$rest" > {tmp_path}/codes\n'
        'echo \'{"rows": 1}\'; exit "$code"\n'
    )
    command.chmod(0o755)
    return command


def run_script(fake: Path, codes: str, *arguments: str, tries: int | None = None) -> tuple[int, list[str], str]:
    (fake.parent / "codes").write_text(codes + "\n")
    (fake.parent / "calls").unlink(missing_ok=True)
    extra = {} if tries is None else {"CRM_ML_TRIES": str(tries), "CRM_ML_WAIT": "0"}
    done = subprocess.run(
        ["bash", str(PIPELINES / "daily.sh"), *arguments],
        env={"PATH": os.environ["PATH"], "CRM_ML": str(fake), **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (fake.parent / "calls").read_text().splitlines(), done.stdout


def test_the_script_passes_workspace_and_day_and_ends_as_the_command_does(fake: Path):
    code, calls, out = run_script(fake, "4", "/srv/my firm", "2026-01-12")
    assert (code, calls) == (4, ["daily|--workspace|/srv/my firm|--as-of|2026-01-12|--json|"])
    assert out == '{"rows": 1}\n'
    assert run_script(fake, "0", "firm")[:2] == (0, ["daily|--workspace|firm|--json|"])


@pytest.mark.parametrize(
    ("codes", "ended", "calls"),
    [("0 9", 0, 1), ("5 0", 0, 2), ("1 5 1 1 0", 1, 4), ("5 3 0", 3, 2), ("2 0", 2, 1), ("4 0", 4, 1), ("6 0", 6, 1)],
)
def test_the_script_tries_again_for_cron(fake: Path, codes: str, ended: int, calls: int):
    code, made, _ = run_script(fake, codes, "firm", "2026-01-12", tries=4)
    assert (code, len(made)) == (ended, calls)
    assert len(set(made)) == 1, "the same day again"


def test_the_script_says_how_it_is_used():
    done = subprocess.run(["bash", str(PIPELINES / "daily.sh")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: daily.sh WORKSPACE [YYYY-MM-DD]" in done.stderr
    assert os.access(PIPELINES / "daily.sh", os.X_OK)


def test_cron_line_is_a_cron_line():
    lines = (PIPELINES / "cron" / "crm-ml").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if re.match(r"^[A-Z_]+=", line))
    jobs = [line for line in lines if line and not line.startswith("#") and not re.match(r"^[A-Z_]+=", line)]
    assert len(jobs) == 1
    minute, hour, day, month, weekday, user, command = jobs[0].split(maxsplit=6)
    assert (minute, hour, day, month, weekday, user) == ("30", "5", "*", "*", "1-5", "crm-ml")
    assert command.split()[0].endswith("pipelines/daily.sh")
    assert "%" not in command, "cron takes a per cent sign for the end of the line"
    assert int(values["CRM_ML_TRIES"]) == 1 + JOB["retry"]["times"]


def unit(name: str) -> dict[str, str]:
    text = (PIPELINES / "systemd" / name).read_text()
    assert all(re.match(r"^(\[[A-Za-z]+\]|[A-Za-z]+=.*|#.*|)$", line) for line in text.splitlines())
    return dict(re.findall(r"^([A-Za-z]+)=(.*)$", text, flags=re.MULTILINE))


def test_units_of_systemd_retry_what_may_pass_by_itself():
    service, timer = (unit(name) for name in UNITS)
    assert service["ExecStart"].split()[0].endswith("pipelines/daily.sh")
    assert service["Type"] == "oneshot"
    assert service["Restart"] == "on-failure"
    assert "SuccessExitStatus" not in service, "5 is tried again, and then finds the day published"
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == TOLD
    assert int(service["StartLimitBurst"]) == 1 + JOB["retry"]["times"]
    assert service["RestartSec"] == f"{JOB['retry']['after_minutes']}min"
    assert timer["Persistent"] == "true"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
def test_systemd_takes_the_units(tmp_path: Path):
    for name in UNITS:
        text = (PIPELINES / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/crm-ml/pipelines", str(PIPELINES)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    about_us = [line for line in done.stderr.splitlines() if "crm-ml" in line]
    assert (done.returncode, about_us) == (0, [])


def test_the_readme_names_every_file():
    text = (PIPELINES / "README.md").read_text()
    for path in PIPELINES.rglob("*"):
        if path.is_file() and path.name != "README.md" and "__pycache__" not in path.parts:
            assert path.name in text or (path.suffix == ".timer" and "`.timer`" in text), path.name
