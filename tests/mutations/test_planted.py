"""Mistakes in the time rules do not survive the tests."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.stress
def test_every_planted_mistake_turns_a_test_red() -> None:
    script = Path(__file__).with_name("plant.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOBODY SAW IT" not in done.stdout
