"""What an operator sees: help, one JSON object, logs elsewhere, codes, pipes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from crm_ml.cli.run import _plain
from crm_ml.cli.show import train_result
from crm_ml.cli.texts import _TEXTS
from crm_ml.costs import Cost
from crm_ml.models.evaluation.intervals import Interval

COMMANDS = ("demo", "init", "check", "features", "train", "score")


def run(*args: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crm_ml", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_help_is_quick_and_names_every_command():
    took = []
    for _ in range(3):
        began = time.monotonic()
        shown = run("--help")
        took.append(time.monotonic() - began)
    assert shown.returncode == 0
    assert all(f"  {name} " in shown.stdout for name in COMMANDS)
    assert min(took) < 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_the_common_options(name):
    shown = run(name, "--help").stdout
    assert f"crm-ml {name}" in shown
    for option in ("--json", "--lang", "--debug"):
        assert option in shown
    if name not in ("demo", "init"):
        assert "--workspace" in shown


def test_version_and_no_arguments():
    assert run("--version").stdout.startswith("crm-ml 0.")
    bare = run()
    assert "Usage" in bare.stdout + bare.stderr
    assert bare.returncode == 2


def test_json_is_one_object_and_the_log_is_elsewhere(runner, workspace, firm_day):
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert set(json.loads(outcome.out)) >= {"as_of", "published", "rows", "model_version", "already_published"}
    assert outcome.out.count("\n") == 1
    assert "publishing" in outcome.err
    assert "CONNECTION" not in outcome.err


def test_people_get_words_in_their_language(runner, workspace, firm_day):
    plain = ["score", "--as-of", firm_day, "--workspace", str(workspace)]
    assert "Published: " in runner(*plain).out
    assert "Bereits veröffentlicht: " in runner(*plain, "--lang", "de").out
    out = str(workspace / "f.parquet")
    rows = runner("features", "churn", "--as-of", firm_day, "--out", out, "--workspace", str(workspace)).out
    assert "features in" in rows
    checked = runner("check", "--workspace", str(workspace)).out
    assert "0 errors" in checked
    assert "order_lines" in checked


@pytest.mark.parametrize(("language", "mark", "other"), [("de", ".", ","), ("en", ",", ".")])
def test_numbers_are_written_as_in_the_language(runner, workspace, firm_day, language, mark, other):
    checked = runner("check", "--workspace", str(workspace), "--lang", language).out
    rows = re.search(r"^ *order_lines +(\S+) *$", checked, re.MULTILINE)
    assert rows
    assert re.fullmatch(rf"\d{{1,3}}\{mark}\d{{3}}", rows[1])
    scored = runner("score", "--as-of", firm_day, "--dry-run", "--workspace", str(workspace), "--lang", language).out
    # below the heads: customer, p_churn, tier, value, priority
    cells = [line.split() for line in scored.splitlines()[2:]]
    assert cells
    assert all(re.fullmatch(rf"[01]\{other}\d{{3}}", row[1]) for row in cells)
    amounts = [amount for row in cells for amount in row[3:]]
    assert any(re.fullmatch(rf"\d{{1,3}}(\{mark}\d{{3}})+", amount) for amount in amounts)
    assert not any(other in amount for amount in amounts)


def test_a_trainings_numbers_are_written_as_in_the_language(capsys):
    training = SimpleNamespace(
        train_rows=12345,
        train_events=1234,
        snapshots=[1],
        evaluated_on=["2026-01-01"],
        metrics={"auc": Interval(0.75, 0.7, 0.8)},
        differences={"recency": Interval(0.05, -0.01, 0.1)},
        baselines={"recency": 0.7},
    )
    result = SimpleNamespace(
        training=training,
        model="churn",
        version="1",
        facts={"as_of": "2026-02-01"},
        verdict="beaten",
        model_kind="lightgbm",
        feasibility=SimpleNamespace(sentence=lambda language: language),
        cost=Cost({"fit_lightgbm": 2000.0, "read": 345.0}, 1.0, 4321.0),
        findings=(),
    )
    train_result(result, "de")
    words = capsys.readouterr().out.split()
    assert {"12.345", "1.234", "0,750", "0,700", "0,800", "2.345", "2.000", "4.321"} <= set(words)
    assert {"(0,700)", "+0,050", "-0,010", "+0,100"} <= set(words)
    train_result(result, "en")
    words = capsys.readouterr().out.split()
    assert {"12,345", "1,234", "0.750", "(0.700)", "+0.050", "-0.010", "2,345", "2,000", "4,321"} <= set(words)


def test_every_text_is_there_in_both_languages():
    for key, (german, english) in _TEXTS.items():
        assert german, key
        assert english, key
        fields = [sorted(part.split("}")[0] for part in text.split("{")[1:]) for text in (german, english)]
        assert fields[0] == fields[1], key


def test_names_cannot_style_or_move_the_terminal(runner, workspace, firm_day):
    import pandas as pd

    for name in ("order_lines", "customers"):
        path = workspace / "data" / f"{name}.parquet"
        frame = pd.read_parquet(path)
        frame["customer_id"] = frame["customer_id"] + "\x1b[31m[bold]\n"
        frame.to_parquet(path, index=False)
    outcome = runner("score", "--as-of", firm_day, "--workspace", str(workspace))
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out
    assert "[bold]" in outcome.out


def test_a_reader_that_goes_away_is_no_error(workspace, firm_day):
    command = f"{sys.executable} -m crm_ml check --workspace {workspace} | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_an_unexpected_fault_is_one_line_and_debug_shows_where(tmp_path):
    code = (
        "import crm_ml.jobs.settings as s\n"
        "def broken(path): raise ZeroDivisionError('planted')\n"
        "s.open_workspace = broken\n"
        "from crm_ml.cli import main\n"
        "main({args!r})\n"
    )
    for more, shown in (([], False), (["--debug"], True)):
        program = code.format(args=["check", "--json", *more])
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 1
        assert json.loads(done.stdout)["error"]["code"] == "unexpected"
        assert "planted" in done.stderr
        assert ("Traceback" in done.stderr) is shown


def test_nothing_is_written_outside_the_workspace(workspace, firm_day, tmp_path):
    cwd, home = tmp_path / "cwd", tmp_path / "home"
    cwd.mkdir()
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "MPLCONFIGDIR": str(home)}
    for args in (["train", "churn"], ["score"]):
        done = run(*args, "--as-of", firm_day, "--workspace", str(workspace), cwd=cwd, env=environment)
        assert done.returncode == 0, done.stderr
    assert list(cwd.iterdir()) == []
    assert sorted(path.name for path in workspace.iterdir()) == ["crm.yaml", "data", "mlflow", "published"]


def test_json_knows_no_nan():
    assert _plain({"a": [float("nan"), 1.0, (float("inf"),)]}) == {"a": [None, 1.0, [None]]}
