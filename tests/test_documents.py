"""What the documents say is what the code does."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from crm_ml.errors import ExitCode

ROOT = Path(__file__).parent.parent


def test_exit_codes_in_the_document_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    rows = re.findall(r"^\| ([\d, ]+) \| ([A-Z_, ]+) \|", text, flags=re.MULTILINE)
    documented = {
        name.strip(): int(number)
        for numbers, names in rows
        for number, name in zip(numbers.split(","), names.split(","), strict=True)
    }
    assert documented == {code.name: int(code) for code in ExitCode}


def test_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"`?\bmake ([a-z]+)\b", readme))
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "docs" / "decisions").glob("0*.md")))
def test_decisions_are_listed_and_complete(name: str) -> None:
    listing = (ROOT / "docs" / "decisions" / "README.md").read_text()
    text = (ROOT / "docs" / "decisions" / name).read_text()
    assert f"({name})" in listing
    for part in ("**Context.**", "**Choice.**", "**Measured.**", "**What would change it.**"):
        assert part in text


@pytest.mark.parametrize("page", ["README.md", "docs/how-it-works.md", "pipelines/README.md", "mlflow/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    source = ROOT / page
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", source.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (source.parent / target).exists(), f"{page} links to {target}"


def test_daily_job_names_every_exit_code() -> None:
    job = yaml.safe_load((ROOT / "pipelines" / "score-daily.yaml").read_text())
    stopped = {int(ExitCode.INTERRUPTED), int(ExitCode.TERMINATED)}
    assert set(job["exit_codes"]) == {int(code) for code in ExitCode} - stopped
    assert job["command"][:3] == ["crm-ml", "score", "churn"]


@pytest.mark.parametrize("script", ["pipelines/score-daily.sh", "pipelines/setup.sh", "mlflow/serve.sh", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    done = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_units_of_systemd_are_whole() -> None:
    service = (ROOT / "pipelines" / "systemd" / "crm-ml-score.service").read_text()
    timer = (ROOT / "pipelines" / "systemd" / "crm-ml-score.timer").read_text()
    keys = dict(re.findall(r"^([A-Za-z]+)=(.*)$", service, flags=re.MULTILINE))
    assert keys["ExecStart"].split()[0].endswith("pipelines/score-daily.sh")
    assert {"5"} == set(keys["SuccessExitStatus"].split())
    assert {"2", "3", "4", "6"} == set(keys["RestartPreventExitStatus"].split())
    assert re.search(r"^OnCalendar=Mon\.\.Fri 05:30 Europe/Berlin$", timer, flags=re.MULTILINE)
    for text in (service, timer):
        assert all(re.match(r"^(\[[A-Za-z]+\]|[A-Za-z]+=.*|#.*|)$", line) for line in text.splitlines())


def test_cron_line_is_a_cron_line() -> None:
    text = (ROOT / "pipelines" / "cron" / "crm-ml").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#") and not re.match(r"^[A-Z_]+=", line)]
    assert len(lines) == 1
    minute, hour, day, month, weekday, user, command = lines[0].split(maxsplit=6)
    assert (minute, hour, day, month, weekday, user) == ("30", "5", "*", "*", "1-5", "crm-ml")
    assert "pipelines/score-daily.sh" in command
