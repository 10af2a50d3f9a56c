"""Named points at which a test may end the process the hard way.

Writing a set of files safely can only be shown by killing the writer between any two steps. Production code names the
steps; a test sets ``CRM_ML_CRASH_AT`` to one of the names and the process dies there as if the power had failed.
"""

from __future__ import annotations

import os
import signal

ENVIRONMENT_VARIABLE = "CRM_ML_CRASH_AT"
LIST_VARIABLE = "CRM_ML_CRASH_POINTS_TO"


def crash_point(name: str) -> None:
    """End this process with SIGKILL if the environment names this point; otherwise do nothing.

    With ``CRM_ML_CRASH_POINTS_TO`` set to a file, the name is appended to it: so a test learns which points a run
    passes.
    """
    if os.environ.get(ENVIRONMENT_VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    listing = os.environ.get(LIST_VARIABLE)
    if listing:
        with open(listing, "a", encoding="utf-8") as file:
            file.write(name + "\n")
