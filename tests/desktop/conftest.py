"""Puts the hand-made day of lists and the made-up runs on the path of the tests that open them for real."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "actions"))
sys.path.insert(0, str(Path(__file__).parent.parent / "jobs"))
