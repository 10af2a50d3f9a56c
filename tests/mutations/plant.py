"""Plants one mistake at a time in a copy of the package and requires that the tests turn red.

Run it as ``python tests/mutations/plant.py``; it prints a table of mistakes and the first test that saw each, and ends
with 1 if one went unseen. The package itself is never touched: the copy lies in a temporary folder and wins on the
path.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
ORACLE = "tests/oracle/test_oracle_features.py"
RULES = "tests/properties/test_time_rules.py"
DATASET = "tests/models/test_dataset.py"
SHARED = "tests/models/test_shared_rows.py"
PARTS = "tests/features/test_parts_of_subjects.py"
SHORT = (
    "by_hand or messy_firms[0] or messy_firms[8] or customers_and_labels[3] or at_the_bounds or belongs_to_what "
    "or its_end or seeded_firm"
)
MOST_SECONDS = 300


@dataclass(frozen=True)
class Mistake:
    """A text of the package, what a hasty hand would write instead, and the tests that should see it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...] = (ORACLE, RULES)
    chosen: str = SHORT


MISTAKES = (
    Mistake(
        "visible at its own instant (< to <=)",
        "features/build.py",
        'self._above(source, "from", events.seen_from)',
        'self._above(source, "from", events.seen_from - 1)',
    ),
    Mistake(
        "visible tables: < to <=",
        "features/visibility.py",
        "seen_now = (seen < cutoff) & (cutoff <= until)",
        "seen_now = (seen <= cutoff) & (cutoff <= until)",
        (RULES,),
    ),
    Mistake(
        "eligible by a purchase at the cutoff",
        "features/labels.py",
        "start = np.maximum(start, _above(spine, spine.cutoffs, events, events.seen_from))",
        "start = np.maximum(0 * start, _above(spine, spine.cutoffs, events, events.seen_from - 1))",
    ),
    Mistake(
        "the gap before the label window dropped",
        "features/labels.py",
        "timeline.clock.shift(part.cutoffs, gap_days),",
        "timeline.clock.shift(part.cutoffs, 0),",
    ),
    Mistake(
        "the label window a day longer",
        "features/labels.py",
        "timeline.clock.shift(part.cutoffs, gap_days + days)",
        "timeline.clock.shift(part.cutoffs, gap_days + days + 1)",
    ),
    Mistake(
        "labels from what was known later",
        "features/labels.py",
        "(events.seen_from < known_until)",
        "(events.seen_from <= known_until)",
    ),
    Mistake(
        "a look-back window a day longer",
        "features/build.py",
        'self._above(source, "t", events.t, window_days + offset_days)',
        'self._above(source, "t", events.t, window_days + offset_days + 1)',
    ),
    Mistake(
        "the lower bound of a window left out",
        "features/build.py",
        'self._above(source, "t", events.t, window_days + offset_days)',
        'self._above(source, "t - 1", events.t - 1, window_days + offset_days)',
    ),
    Mistake(
        "windows of 24-hour days",
        "features/timeline.py",
        "return self.instant(np.maximum(instants + self.offsets[k], ends[k]) + days * DAY)",
        "return instants + days * DAY",
    ),
    Mistake(
        "days of UTC instead of local ones",
        "features/timeline.py",
        "return self.wall(instants) // DAY",
        "return instants // DAY",
    ),
    Mistake(
        "known_at ignored",
        "features/rows.py",
        "seen = np.maximum(t, known)",
        "seen = t + 0 * known",
    ),
    Mistake(
        "a payment seen early",
        "features/payments.py",
        "rows = timeline.rows(n.PAYMENTS)\n    t, seen, until = rows.span()",
        "rows = timeline.rows(n.PAYMENTS)\n    t, seen, until = rows.span()\n    seen = seen * 0",
    ),
    Mistake(
        "the oldest version wins",
        "features/rows.py",
        "np.lexsort((t[many], known[many], key[many]))",
        "np.lexsort((t[many], -known[many], key[many]))",
    ),
    Mistake(
        "a late value shown with its row",
        "features/events.py",
        "when = np.where(never, FOREVER, at)",
        "when = np.where(never, FOREVER, np.minimum(at, self.seen_from))",
    ),
    Mistake(
        "visible tables: late values not masked",
        "features/visibility.py",
        "late = known_times(tables, table, column) >= cutoff",
        "late = known_times(tables, table, column) > cutoff + 10**15",
        (RULES,),
    ),
    Mistake(
        "a snapshot that is not mature",
        "models/dataset.py",
        "return snapshot + dt.timedelta(days=gap_days + horizon_days) <= at",
        "return snapshot + dt.timedelta(days=horizon_days) <= at",
        (DATASET,),
        "maturity",
    ),
    Mistake(
        "labels of the fit overlap the evaluation",
        "models/dataset.py",
        "if day + dt.timedelta(days=label_days) <= days[count - 1]",
        "if day < days[count - 1]",
        (DATASET,),
        "newest_one_to_three",
    ),
    Mistake(
        "labels of a fold overlap its validation",
        "models/dataset.py",
        "d + step <= block[0]",
        "d < block[0]",
        (DATASET,),
        "fold",
    ),
    Mistake(
        "rows that are seen end one too early",
        "models/dataset.py",
        "return slice(first, last + 1)",
        "return slice(first, last)",
        (SHARED,),
        "chosen_rows",
    ),
    Mistake(
        "weights stay on the bins after their fit",
        "models/boosting.py",
        'binned.data.set_field("weight", None)',
        "pass",
        (SHARED,),
        "shared_bins",
    ),
    Mistake(
        "a part leaves out its first subject",
        "features/parts.py",
        "ours = (about >= self._first)",
        "ours = (about > self._first)",
        (ORACLE,),
        "parts_of_few_events[30]",
    ),
    Mistake(
        "payments go to the first part of their invoice only",
        "features/parts.py",
        "left = part != looked_up(where, code)",
        "left = np.zeros(len(part), bool)",
        (PARTS,),
        "changed_hands",
    ),
    Mistake(
        "what is taken of taken columns is counted from the whole",
        "features/columns.py",
        "self._index[places]",
        "places",
        (PARTS,),
        "columns",
    ),
    # last, because the kernels are compiled anew
    Mistake(
        "equal keys of a subject change places: > to >=",
        "features/kernels_sort.py",
        "key[order[j - 1]] > x",
        "key[order[j - 1]] >= x",
        (PARTS,),
        "order_within",
    ),
    Mistake("a kernel's bound: > to >=", "features/kernels.py", "if keys[middle] > x:", "if keys[middle] >= x:"),
)


def run(copy: Path, tests: tuple[str, ...], chosen: str) -> tuple[int, str]:
    """Run the tests against the copy in a child of this process; return the exit code and the output."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            _child(copy, tests, chosen, output.fileno())
        end = time.monotonic() + MOST_SECONDS
        while (done := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        output.seek(0)
        return os.waitstatus_to_exitcode(done[1]), output.read().decode(errors="replace")


def _child(copy: Path, tests: tuple[str, ...], chosen: str, output: int) -> NoReturn:
    code = 99
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(ROOT)
        sys.path.insert(0, str(copy))
        quiet = ["-x", "-q", "--tb=line", "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*quiet, "-m", "not stress", "-k", chosen, *tests]))
        found = sys.modules["crm_ml"].__file__ or ""
        if not found.startswith(str(copy)):
            code = 98
            sys.stdout.write(f"the copy must be what is imported, found {found}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def preload() -> None:
    """Import once what each child would import, except the package: that comes from the copy, with its mistake."""
    for name in ("duckdb", "hypothesis", "lightgbm", "numba", "pandas", "pyarrow.compute", "scipy.optimize"):
        importlib.import_module(name)
    for name in ("scipy.stats", "sklearn.linear_model"):
        importlib.import_module(name)
    importlib.import_module("numba").njit(lambda x: x[0])(importlib.import_module("numpy").zeros(1))
    if "crm_ml" in sys.modules:
        raise SystemExit("the package must not be imported before the mistakes are planted")


def first_failure(output: str) -> str:
    """Return the name of the first failed test in pytest's summary."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return found.group(1).removeprefix("tests/") if found else ""


def plant(copy: Path, mistake: Mistake) -> str:
    """Plant a mistake, run the tests, take it out again; return the first failing test (empty: nobody saw it)."""
    path = copy / "crm_ml" / mistake.file
    right = path.read_text()
    if right.count(mistake.right) != 1:
        raise SystemExit(
            f"{mistake.name}: {mistake.file} must hold {mistake.right!r} once, found {right.count(mistake.right)}. "
            "The code has changed: write the mistake anew in tests/mutations/plant.py."
        )
    stamp = path.stat()
    path.write_text(right.replace(mistake.right, mistake.wrong))
    # a file of another age is compiled anew, also within the same second
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**10))
    code, output = run(copy, mistake.tests, mistake.chosen)
    path.write_text(right)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    if code not in (0, 1):
        raise SystemExit(f"{mistake.name}: the tests did not run (code {code})\n{output}")
    return first_failure(output) if code == 1 else ""


def say(line: str) -> None:
    """Write a line at once: the whole takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Plant all mistakes, one after the other, and print who saw them."""
    sys.dont_write_bytecode = True
    preload()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        # with what is compiled already: it is known by the age of its file
        shutil.copytree(ROOT / "src", copy)
        code, output = run(copy, (ORACLE, RULES, DATASET), f"{SHORT} or maturity or newest_one or fold")
        if code != 0:
            raise SystemExit(f"without a mistake the tests must be green (code {code})\n{output}")
        unseen = 0
        for mistake in MISTAKES:
            seen_by = plant(copy, mistake)
            unseen += not seen_by
            say(f"{mistake.name:45} {seen_by or 'NOBODY SAW IT'}")
    say(f"{len(MISTAKES) - unseen} of {len(MISTAKES)} mistakes seen")
    return int(unseen > 0)


if __name__ == "__main__":
    raise SystemExit(main())
