"""Puts the oracle, the generator of messy firms and the invisible changes on the path of the tests that use them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "oracle")]
