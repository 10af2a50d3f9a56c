"""What a piece of work costs: seconds per stage by a clock that is given, and the most memory the process has held."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BINS, FIT = "bins", "fit_"
"""Stages of a training: cutting values into bins, and fitting the candidate or rule whose name follows."""
_STATUS = Path("/proc/self/status")
_MB = 2**20


class Stages:
    """Adds up seconds per stage; a stage inside another stops the other's clock, so all stages sum to the whole.

    For one thread: stages that overlap in time cannot be told apart.

    Parameters
    ----------
    clock : callable, optional
        Returns seconds on any clock that only moves forward; without one nothing is measured.

    Attributes
    ----------
    seconds : dict of str to float
        Per stage, without what has gone on since the last change of stage; in the order in which they first ended.

    Examples
    --------
    >>> ticks = iter([0.0, 1.0, 4.0, 6.0])
    >>> stages = Stages(lambda: next(ticks))
    >>> with stages.stage("folds"):
    ...     with stages.stage("fit"):
    ...         pass
    >>> stages.seconds
    {'folds': 3.0, 'fit': 3.0}
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside towards a stage, also when it ends in an error."""
        if self._clock is None:
            yield
            return
        self._book()
        self._open.append(name)
        depth = len(self._open)
        try:
            yield
        finally:
            self._book()
            del self._open[depth - 1 :]

    def now(self, name: str) -> None:
        """Go on with another stage in place of the innermost one; it ends where that would have ended."""
        if self._clock is None or not self._open:
            return
        self._book()
        self._open[-1] = name

    def so_far(self) -> dict[str, float]:
        """Return the seconds per stage until now, those of the stages that still go on among them."""
        if self._clock is not None:
            self._book()
        return dict(self.seconds)

    def _book(self) -> None:
        assert self._clock is not None
        at = self._clock()
        if self._open:
            stage = self._open[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + at - self._since
        self._since = at


@dataclass(frozen=True)
class Cost:
    """What a piece of work took.

    Attributes
    ----------
    seconds : dict of str to float
        By the clock on the wall, per stage.
    cpu_seconds : float
        Of all threads of the process.
    peak_memory_mb, peak_memory_mb_before : float or None
        The most memory that the process has held (resident, in units of 2**20 bytes) until the end and until the
        beginning: where both are the same, something before it needed more. None where the system does not tell.

    Examples
    --------
    >>> cost = Cost({"read": 1.0, "fit_lightgbm": 2.5}, 4.0, None, None)
    >>> cost.total, cost.metrics()
    (3.5, {'seconds_read': 1.0, 'seconds_fit_lightgbm': 2.5, 'seconds_total': 3.5, 'cpu_seconds_total': 4.0})
    """

    seconds: dict[str, float]
    cpu_seconds: float
    peak_memory_mb: float | None = None
    peak_memory_mb_before: float | None = None

    @property
    def total(self) -> float:
        """Seconds of all stages together."""
        return sum(self.seconds.values())

    @property
    def fits(self) -> float:
        """Seconds of all fits: of bins, candidates and rules, tuning among them."""
        return sum(value for name, value in self.seconds.items() if name == BINS or name.startswith(FIT))

    def metrics(self) -> dict[str, float]:
        """Return flat names for a tracker; what is not known is left out."""
        found = {f"seconds_{name}": value for name, value in self.seconds.items()}
        found |= {"seconds_total": self.total, "cpu_seconds_total": self.cpu_seconds}
        memory = {"peak_memory_mb": self.peak_memory_mb, "peak_memory_mb_before": self.peak_memory_mb_before}
        return found | {name: value for name, value in memory.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cost:
        """Return the cost from its plain values.

        Examples
        --------
        >>> cost = Cost({"read": 1.0}, 0.5, 90.0, 80.0)
        >>> Cost.from_dict(cost.as_dict()) == cost
        True
        """
        memory = values["peak_memory_mb"], values["peak_memory_mb_before"]
        return cls(dict(values["seconds"]), values["cpu_seconds_total"], *memory)

    def as_dict(self) -> dict[str, object]:
        """Return JSON-ready values, seconds to the millisecond and memory to a tenth; unknown memory is null."""
        memory = {"peak_memory_mb": self.peak_memory_mb, "peak_memory_mb_before": self.peak_memory_mb_before}
        return {
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "seconds_total": round(self.total, 3),
            "cpu_seconds_total": round(self.cpu_seconds, 3),
            **{name: None if value is None else round(value, 1) for name, value in memory.items()},
        }


class Meter:
    """Measures a piece of work from now on.

    Parameters
    ----------
    clock, cpu_clock : callable
        Return seconds: on any clock that only moves forward, and of processor time of the process.
    memory : callable
        Returns the most memory held so far; None where nobody knows.

    Examples
    --------
    >>> ticks, busy = iter([1.0, 4.0, 4.0]), iter([0.5, 2.0])
    >>> meter = Meter(lambda: next(ticks), lambda: next(busy), lambda: 90.0)
    >>> with meter.stages.stage("read"):
    ...     pass
    >>> meter.cost()
    Cost(seconds={'read': 3.0}, cpu_seconds=1.5, peak_memory_mb=90.0, peak_memory_mb_before=90.0)
    """

    def __init__(
        self, clock: Callable[[], float], cpu_clock: Callable[[], float], memory: Callable[[], float | None]
    ) -> None:
        self.stages = Stages(clock)
        self._cpu_clock, self._memory = cpu_clock, memory
        self._cpu, self._before = cpu_clock(), memory()

    def cost(self) -> Cost:
        """Return what it took until now."""
        return Cost(self.stages.so_far(), self._cpu_clock() - self._cpu, self._memory(), self._before)


def peak_memory_mb() -> float | None:
    """Return the most memory that this process has held so far, in units of 2**20 bytes; None where nobody tells.

    Linux keeps it per program (``VmHWM``; what `getrusage` says there is inherited from whoever started the program),
    macOS in `getrusage` in bytes, Windows as the peak of the working set. Memory of child processes is not in it.

    Examples
    --------
    >>> (peak_memory_mb() or 1.0) > 0
    True
    """
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB
    try:
        return _high_water(_STATUS.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None


def _high_water(status: str) -> float | None:
    """Return what Linux says of the most memory held."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM" and value.split()[1:] == ["kB"]:
            return int(value.split()[0]) * 1024 / _MB
    return None


def _windows() -> float | None:
    import ctypes
    from ctypes import wintypes

    names = ("PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage", "QuotaPagedPoolUsage")
    more = ("QuotaPeakNonPagedPoolUsage", "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage")

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in (*names, *more)),
        ]

    counters = Counters(cb=ctypes.sizeof(Counters))
    kernel = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009, mypy knows it on Windows alone
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return None
    return float(counters.PeakWorkingSetSize) / _MB
