"""Every mutant of the kernels and windows is seen by a test, or it is written down why it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import mutants
import pytest
from mutants import Mutant, mutants_of
from run_mutants import Verdict, all_mutants, explained, faults, gone, sample

RUNNER = Path(__file__).with_name("run_mutants.py")
SMALL = '''\
class Box:
    def add(self, a: int = 1) -> int:
        """Return 1."""
        for i in range(a):
            if i < 3 and a:
                break
        return max(a, i + 1)


def other(a):
    return a
'''


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUNNER), *options]
    # compiled in this process or not: the runner decides for itself
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NUMBA"))}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=inherited)


def test_mutants_are_changes_of_the_body_of_one_function(tmp_path, monkeypatch):
    (tmp_path / "small.py").write_text(SMALL)
    monkeypatch.setattr(mutants, "SOURCE", tmp_path)
    made = mutants_of("small.py", ("Box.add",))
    changes = {(m.line, m.mutant) for m in made}
    line = "if i < 3 and a:"
    assert {
        ("for i in range(a):", "for i in []:"),
        (line, "if i <= 3 and a:"),
        (line, "if i >= 3 and a:"),
        (line, "if i < 4 and a:"),
        (line, "if i < 2 and a:"),
        (line, "if i < 3 or a:"),
        (line, "if not (i < 3 and a):"),
        ("break", "pass"),
        ("break", "continue"),
        ("return max(a, i + 1)", "return min(a, i + 1)"),
        ("return max(a, i + 1)", "return max(a, i - 1)"),
        ("return max(a, i + 1)", "pass"),
    } <= changes
    assert {m.line for m in made} == {"for i in range(a):", line, "break", "return max(a, i + 1)"}
    for one in made:
        compile(one.source, "small.py", "exec")
        assert one.source.endswith("def other(a):\n    return a\n")
        assert '"""Return 1."""' in one.source
    with pytest.raises(LookupError, match=r"no functions \['Box.gone'\]"):
        mutants_of("small.py", ("Box.gone",))


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_told():
    one, other = (Mutant("a.py", "f", "a < b", text, 0, "", 7) for text in ("a <= b", "a > b"))
    verdicts = [Verdict(one, ""), Verdict(other, "some test")]
    assert faults(verdicts, {one.key: "never equal"}) == []
    unexplained, stale = faults(verdicts, {other.key: "never greater"})
    assert unexplained.startswith("SURVIVED UNEXPLAINED a.py:7 f")
    assert stale.startswith("EXPLAINED BUT SEEN a.py:7 f")
    assert "some test" in stale


def test_every_explained_survivor_is_a_mutant_of_the_source_as_it_is():
    assert gone(explained()) == [], "the code has changed: look again at tests/mutations/survivors.toml"
    assert len(gone({("features/kernels.py", "latest", "no such line", "at all", 0): "made up"})) == 1


def test_no_two_mutants_are_named_alike():
    names = [mutant.key for _, mutant in all_mutants()]
    assert len(set(names)) == len(names) > 1500


def test_every_explanation_says_something():
    assert [key for key, why in explained().items() if len(why.split()) < 5] == []


def test_a_sample_holds_all_that_is_explained_and_stays_the_same():
    whole, reasons = list(all_mutants()), explained()
    some = [mutant.key for _, mutant in sample(whole, 50)]
    assert [mutant.key for _, mutant in sample(whole, 50)] == some
    assert set(reasons) <= set(some)
    assert len(some) == 50 + len(reasons)


@pytest.mark.stress
def test_no_mutant_survives_unexplained():
    # all of them: make mutants
    done = run("--sample", "150")
    assert done.returncode == 0, done.stderr.replace("\r", "\n")[-4000:]
