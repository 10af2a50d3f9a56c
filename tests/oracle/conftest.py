"""Puts the oracle and the generator of messy firms on the path of the tests that use them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
