"""The trainings of a backtest side by side, each in a process of its own that dies with this one."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from crm_ml.errors import Failure
from crm_ml.jobs.backtest_worker import train_cutoff
from crm_ml.processors import processors

Say = Callable[[str], None]
_MODULE = "crm_ml.jobs.backtest_worker"
_MOST_THREADS = 2


def train_cutoffs(work: Path, cutoffs: Sequence[dt.date], *, workers: int, say: Say) -> None:
    """Train as of each cutoff; each leaves its file in the work folder as soon as it has ended.

    Parameters
    ----------
    work : Path
        As `prepare` leaves it.
    cutoffs : sequence of datetime.date
        Those that are not done yet.
    workers : int
        At most so many at a time, and never more than there are processors; with one, all happens in this process.
    say : callable
        Gets one line per step.

    Raises
    ------
    Failure
        If a process fails or is killed; what the others have finished by then stays.
    """
    side_by_side = max(1, min(workers, processors(), len(cutoffs)))
    threads = max(1, min(_MOST_THREADS, processors() // side_by_side))
    if side_by_side == 1:
        for cutoff in cutoffs:
            train_cutoff(work, cutoff, threads=threads, say=_teller(cutoff, say))
        return
    crew = _Crew(work, threads, say)
    with ThreadPoolExecutor(side_by_side) as pool:
        try:
            jobs = [pool.submit(crew.train, cutoff) for cutoff in cutoffs]
            done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.end()


def _teller(cutoff: dt.date, say: Say) -> Callable[[str, float], None]:
    return lambda what, share: say(f"cutoff {cutoff} {share:4.0%}: {what}")


class _Crew:
    """The processes that run now."""

    def __init__(self, work: Path, threads: int, say: Say) -> None:
        self._work, self._threads, self._say = work, threads, say
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._over = False

    def train(self, cutoff: dt.date) -> None:
        """Run one training to its end."""
        log = self._work / f"log-{cutoff}.txt"
        command = [sys.executable, "-m", _MODULE, str(self._work), cutoff.isoformat(), str(self._threads)]
        with log.open("wb") as errors:
            with self._lock:
                if self._over:
                    return
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
                )
                self._running.add(process)
            told = self._listen(process, _teller(cutoff, self._locked_say))
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if code != 0 and not self._over:
            raise _failed(cutoff, code, told, log)

    def _locked_say(self, line: str) -> None:
        with self._lock:
            if not self._over:
                self._say(line)

    def _listen(self, process: subprocess.Popen[str], tell: Callable[[str, float], None]) -> dict[str, str]:
        error: dict[str, str] = {}
        for line in process.stdout or ():
            with suppress(ValueError, KeyError):
                said = json.loads(line)
                if "error" in said:
                    error = said["error"]
                else:
                    tell(said["what"], said["share"])
        return error

    def end(self) -> None:
        """Kill what still runs and start nothing more."""
        with self._lock:
            self._over = True
            for process in self._running:
                process.kill()


def _failed(cutoff: dt.date, code: int, told: dict[str, str], log: Path) -> Failure:
    if told:
        return Failure(
            f"The training as of {cutoff} failed: {told['message']}", remedy=told["remedy"], code=told["code"]
        )
    if code < 0:
        return Failure(
            f"The training as of {cutoff} was killed (signal {-code})",
            remedy="If the memory was used up, run with --workers 1; what was finished is kept.",
            code="worker_killed",
        )
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    return Failure(
        f"The training as of {cutoff} failed with code {code}: {lines[-1][:300]}",
        remedy="Run with --workers 1 --debug to see where.",
        code="worker_failed",
    )
