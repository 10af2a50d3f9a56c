"""Puts the made-up registered runs on the path of the tests that compare them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
