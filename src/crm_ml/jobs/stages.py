"""How long each stage of a job took: of a job that runs under `measured`, every `stage` is counted, and only once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stages:
    """Seconds by stage. A stage within another one stops the other's clock, so that all of them add up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._worked: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.perf_counter(), time.process_time()

    def _turn(self) -> None:
        now = time.perf_counter(), time.process_time()
        if self._open:
            for sums, end, begin in zip((self._seconds, self._worked), now, self._since, strict=True):
                sums[self._open[-1]] = sums.get(self._open[-1], 0.0) + end - begin
        self._since = now

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count the time within under a name."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds (wall) of each stage so far, in the order in which they began."""
        return {name: round(seconds, 3) for name, seconds in self._seconds.items()}

    @property
    def processor_seconds(self) -> dict[str, float]:
        """Seconds of all processors together."""
        return {name: round(seconds, 3) for name, seconds in self._worked.items()}

    def line(self) -> str:
        """Return them in one line."""
        parts = [f"{name} {seconds:.1f}" for name, seconds in self._seconds.items() if seconds >= 0.05]
        return f"took {sum(self._seconds.values()):.1f} s: {', '.join(parts)}"


_NOW: ContextVar[Stages | None] = ContextVar("stages", default=None)


@contextmanager
def measured() -> Iterator[Stages]:
    """Count the stages of what happens within.

    Examples
    --------
    >>> with measured() as stages:
    ...     with stage("reading"), stage("checks"):
    ...         pass
    >>> list(stages.seconds)
    ['reading', 'checks']
    """
    stages = Stages()
    token = _NOW.set(stages)
    try:
        yield stages
    finally:
        _NOW.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time within under a name, where anybody measures; to be used in the thread of the job."""
    stages = _NOW.get()
    if stages is None:
        yield
        return
    with stages.of(name):
        yield
