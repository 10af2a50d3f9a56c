"""How loops are compiled: in one place, so that all are kept on disk and run without the interpreter's lock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_LOG = logging.getLogger(__name__)


def compiled(function: F) -> F:
    """Return the function compiled by numba without the interpreter's lock, kept on disk for the next process."""
    try:
        return cast("F", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder for the cache can be written: compile in every process
        _LOG.info("no writable place for compiled kernels: compiling %s anew", function.__name__)
        return cast("F", numba.njit(nogil=True)(function))
