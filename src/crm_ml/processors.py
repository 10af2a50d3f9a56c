"""How many processors this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """Return the number of processors that the process may run on, at least 1.

    Examples
    --------
    >>> processors() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
