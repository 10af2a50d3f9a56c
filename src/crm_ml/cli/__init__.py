"""The door: the command ``crm-ml``."""

from __future__ import annotations

from crm_ml.cli.run import main

__all__ = ["main"]
