"""Makes every mutant of the functions in `targets.py`, one at a time, and requires that a test turns red.

Run it as ``python tests/mutations/run_mutants.py``. It ends with 1 if a mutant survives without an explanation in
``survivors.toml``, or if one that is explained does not survive. ``--file`` and ``--function`` choose some;
``--sample`` takes so many, and all that are explained; ``--jobs`` runs several at a time.

The tests are collected once; each mutant is a fork of that process in which one function has other code. A test that
takes much more processor time than without the mutant counts as red: most such mutants never end. Where tests name the
function (``test_latest_...``), only these run.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import inspect
import io
import os
import random
import resource
import signal
import sys
import tempfile
import time
import tomllib
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
from mutants import SOURCE, Mutant, mutants_of
from targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
SURVIVORS = Path(__file__).with_name("survivors.toml")
TIMES_LONGER = 6
MOST_BYTES = 8 << 30
TOO_LONG, NO_MEMORY_OR_CRASH = "took too long", "ended the process"

Key = tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Verdict:
    """A mutant and the first test that saw it (empty: it survived)."""

    mutant: Mutant
    seen_by: str


def explained() -> dict[Key, str]:
    """Return why each listed mutant survives."""
    found: dict[Key, str] = {}
    for group in tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["survivors"]:
        for each in group["mutants"]:
            key = group["file"], group["function"], each["line"], each["mutant"], each.get("nth", 0)
            if key in found:
                raise ValueError(f"{SURVIVORS.name} lists {key} twice")
            found[key] = group["why"]
    return found


def put_in(mutant: Mutant) -> None:
    """Give the function of the imported package the mutant's code, for all who hold the function."""
    module = importlib.import_module("crm_ml." + mutant.file.removesuffix(".py").replace("/", "."))
    code = compile(mutant.source, str(module.__file__), "exec")
    found: Any = module
    for name in mutant.function.split("."):
        found = inspect.getattr_static(found, name)
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)
    if hasattr(found, "cache_clear"):
        found.cache_clear()
    found = found.fget if isinstance(found, property) else found
    inspect.unwrap(found).__code__ = code


class Mutations:
    """A plugin of pytest: instead of running the tests once, it runs them for each mutant."""

    def __init__(self, work: list[tuple[Target, Mutant]], jobs: int, tell: Callable[[str], None]) -> None:
        self.work, self.jobs, self.tell = work, jobs, tell
        self.verdicts: list[Verdict] = []
        self.seconds: dict[str, float] = {}
        self._now = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the unchanged tests in a fork for their times, then each mutant in another."""
        tests = {target: _of_target(session.items, target) for target, _ in self.work}
        failed, self.seconds = self._times([item for items in tests.values() for item in items])
        if failed:
            raise pytest.UsageError(f"without a mutant the tests must be green; red: {failed}")
        gc.collect()
        gc.freeze()  # or each fork copies what its collector touches
        running: dict[int, tuple[Mutant, int]] = {}
        for target, mutant in self.work:
            named = [item for item in tests[target] if target.named and mutant.function in item.name]
            items = named or list(tests[target])
            items.sort(key=lambda item: self.seconds[item.nodeid])
            running |= self._start(target, mutant, items)
            while len(running) >= self.jobs:
                self._wait(running)
        while running:
            self._wait(running)
        gc.unfreeze()
        return True

    def _times(self, items: list[pytest.Item]) -> tuple[str, dict[str, float]]:
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            _quiet()
            for item, end in zip(items, [*items[1:], None], strict=True):
                begin = time.process_time()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=end)
                os.write(into, f"{item.nodeid}\t{time.process_time() - begin}\n".encode())
                if item.session.testsfailed:
                    os.write(into, f"{item.nodeid}\tred\n".encode())
                    break
            for name in sorted(sys.modules):
                os.write(into, f"{name}\tmodule\n".encode())
            os._exit(0)
        os.close(into)
        with os.fdopen(out) as lines:
            told = [line.rstrip("\n").split("\t") for line in lines]
        os.waitpid(pid, 0)
        for name, what in told:
            # what the tests import when they run is not imported anew in each fork
            if what == "module" and name.startswith(("crm_ml", "pyarrow", "pandas", "numpy", "duckdb")):
                importlib.import_module(name)
        red = [name for name, what in told if what == "red"]
        return "".join(red), {name: float(what) for name, what in told if what not in ("red", "module")}

    def _start(self, target: Target, mutant: Mutant, items: list[pytest.Item]) -> dict[int, tuple[Mutant, int]]:
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(out)
            self._run(target, mutant, items, into)
        os.close(into)
        return {pid: (mutant, out)}

    def _run(self, target: Target, mutant: Mutant, items: list[pytest.Item], into: int) -> NoReturn:
        _quiet()
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        put_in(mutant)
        for item, end in zip(items, [*items[1:], None], strict=True):
            os.write(into, f"{item.nodeid}\n".encode())
            signal.setitimer(signal.ITIMER_PROF, target.seconds + TIMES_LONGER * self.seconds[item.nodeid])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=end)
            if item.session.testsfailed:
                os._exit(1)
        os._exit(0)

    def _wait(self, running: dict[int, tuple[Mutant, int]]) -> None:
        pid, status = os.waitpid(-1, 0)
        mutant, out = running.pop(pid)
        with os.fdopen(out) as lines:
            begun = lines.read().split("\n")[:-1]
        code = os.waitstatus_to_exitcode(status)
        seen_by = begun[-1].removeprefix("tests/") if begun else "its making"
        if code not in (0, 1):
            seen_by += f" ({TOO_LONG if code == -signal.SIGPROF else NO_MEMORY_OR_CRASH})"
        self.verdicts.append(Verdict(mutant, "" if code == 0 else seen_by))
        self.tell(f"{len(self.verdicts)} of {len(self.work)}")


def _quiet() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _of_target(items: Iterable[pytest.Item], target: Target) -> list[pytest.Item]:
    found = []
    for wanted in target.tests:
        mine = [
            item for item in items if item.nodeid == wanted or item.nodeid.startswith((f"{wanted}::", f"{wanted}["))
        ]
        if not mine:
            raise pytest.UsageError(f"{target.file}: there is no test {wanted}")
        found += mine
    return found


def judge(work: list[tuple[Target, Mutant]], *, jobs: int = 1, tell: Callable[[str], None] = str) -> list[Verdict]:
    """Run the tests of each target against its mutants; return a verdict for each mutant, in order."""
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutants")
    if "numba" in sys.modules:
        raise SystemExit("the kernels must not be imported before the mutants are run")
    # as plain Python an index out of bounds raises instead of reading what lies there
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    # what is imported now is not imported anew in each fork
    for file in sorted({target.file for target, _ in work}):
        importlib.import_module("crm_ml." + file.removesuffix(".py").replace("/", "."))
    plugin = Mutations(work, jobs, tell)
    tests = sorted({test for target, _ in work for test in target.tests})
    told = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(ROOT), contextlib.redirect_stdout(told):
        quiet = ["-q", "--tb=no", "--no-header", "--no-summary", f"--basetemp={folder}"]
        quiet += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
        # whole numbers that wrap around are meant to; compiled they do so in silence
        quiet += ["-W", "ignore:overflow encountered:RuntimeWarning"]
        code = pytest.main([*quiet, *tests], plugins=[plugin])
    if len(plugin.verdicts) != len(work):
        raise SystemExit(f"the tests did not run (code {code})\n{told.getvalue()}")
    place = {mutant.key: at for at, (_, mutant) in enumerate(work)}
    return sorted(plugin.verdicts, key=lambda verdict: place[verdict.mutant.key])


def all_mutants(files: Iterable[str] = (), functions: Iterable[str] = ()) -> Iterator[tuple[Target, Mutant]]:
    """Return the mutants of all targets, or of those named."""
    files, functions = set(files), set(functions)
    for target in TARGETS:
        if files and target.file not in files:
            continue
        names = tuple(name for name in target.functions if not functions or name in functions)
        for mutant in mutants_of(target.file, names):
            yield target, mutant


def sample(work: list[tuple[Target, Mutant]], size: int) -> list[tuple[Target, Mutant]]:
    """Return the explained mutants and so many others: the same ones until one of the files changes."""
    reasons = explained()
    others = [at for at, (_, mutant) in enumerate(work) if mutant.key not in reasons]
    files = sorted({target.file for target, _ in work})
    chance = random.Random(b"".join((SOURCE / file).read_bytes() for file in files))
    chosen = set(chance.sample(others, min(size, len(others))))
    return [each for at, each in enumerate(work) if at in chosen or each[1].key in reasons]


def faults(verdicts: Iterable[Verdict], reasons: dict[Key, str]) -> list[str]:
    """Return a sentence for each mutant that survived unexplained, or was seen though it is explained."""
    found = []
    for verdict in verdicts:
        one = verdict.mutant
        where = f"{one.file}:{one.number} {one.function} (nth = {one.nth})\n    {one.line}\n    {one.mutant}"
        if not verdict.seen_by and one.key not in reasons:
            found.append(f"SURVIVED UNEXPLAINED {where}")
        if verdict.seen_by and one.key in reasons:
            found.append(f"EXPLAINED BUT SEEN {where}\n    by {verdict.seen_by}")
    return found


def gone(reasons: dict[Key, str]) -> list[str]:
    """Return a sentence for each explained mutant that cannot be made of the source as it is."""
    made = {mutant.key for _, mutant in all_mutants()}
    return [f"EXPLAINED BUT NOT MADE {key}" for key in sorted(set(reasons) - made)]


def summary(verdicts: list[Verdict], reasons: dict[Key, str]) -> str:
    """Return a table of counts per file."""
    rows = [f"{'file':34} mutants  seen  of these too long  survived  explained"]
    files: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        count = files.setdefault(verdict.mutant.file, Counter())
        count["mutants"] += 1
        count["seen"] += bool(verdict.seen_by)
        count["too long"] += TOO_LONG in verdict.seen_by
        count["survived"] += not verdict.seen_by
        count["explained"] += not verdict.seen_by and verdict.mutant.key in reasons
    files["all"] = sum(files.values(), Counter())
    for file, count in files.items():
        rows.append(
            f"{file:34} {count['mutants']:7} {count['seen']:5} {count['too long']:18} {count['survived']:9} "
            f"{count['explained']:10}"
        )
    return "\n".join(rows)


def say(line: str, end: str = "\n") -> None:
    """Write at once: the whole takes minutes."""
    sys.stderr.write(line + end)
    sys.stderr.flush()


def main() -> int:
    """Run what the options choose; print what survived and the counts."""
    options = argparse.ArgumentParser(description="mutation testing of the kernels and windows")
    options.add_argument("--file", action="append", default=[], help="a file of the package, e.g. features/kernels.py")
    options.add_argument("--function", action="append", default=[], help="a function, e.g. latest or ZoneClock.shift")
    options.add_argument("--sample", type=int, help="so many mutants only, besides those that are explained")
    options.add_argument("--seen-by", action="store_true", help="print which test saw each mutant")
    options.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    given = options.parse_args()
    work = list(all_mutants(given.file, given.function))
    if given.sample is not None:
        work = sample(work, given.sample)
    begin = time.monotonic()
    verdicts = judge(work, jobs=given.jobs, tell=lambda line: say(line, "\r"))
    if given.seen_by:
        for each in verdicts:
            say(f"{each.mutant.function} | {each.mutant.line} | {each.mutant.mutant} | {each.seen_by or 'NOBODY'}")
    reasons = explained()
    found = gone(reasons) + faults(verdicts, reasons)
    for sentence in found:
        say(sentence)
    say(summary(verdicts, reasons))
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(each.ru_utime + each.ru_stime for each in spent)
    say(f"{time.monotonic() - begin:.0f} seconds, {processor:.0f} of processor time")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
