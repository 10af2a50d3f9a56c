"""Puts the hand-made day of lists on the path of the tests that open it for real."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "actions"))
