"""Published sets: whole or not at all, switched in one step, the same bytes for the same inputs."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from crm_ml.errors import Failure, Locked
from crm_ml.jobs.files import TEMPORARY, remove_leftovers, replace_file, sha256_of
from crm_ml.jobs.lock import locked
from crm_ml.jobs.publish import MANIFEST, SetPlan, inspect_set, publish_set, published_state

DAY = dt.date(2025, 6, 2)


def plan(published: Path, **inputs: object) -> SetPlan:
    return SetPlan(published, DAY, "scores", inputs, {"package": "1.0"})


def writer(text: str, rows: int = 1):
    def write(path: Path) -> int:
        path.write_text(text)
        return rows

    return write


def publish(published: Path, text: str, *, keep: int = 5, **inputs: object) -> Path:
    return publish_set(plan(published, **inputs), {"a.txt": writer(text), "b.txt": writer(text * 2, 2)}, keep_sets=keep)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_set_is_a_relative_link_to_a_folder_with_a_manifest(tmp_path):
    link = publish(tmp_path / "published", "x", model=1)
    assert link == tmp_path / "published" / "2025-06-02" / "scores"
    target = os.readlink(link)
    assert target.startswith(".sets/scores-")
    assert len(target) == len(".sets/scores-") + 12
    manifest = json.loads((link / MANIFEST).read_text())
    assert manifest["files"]["b.txt"] == {"sha256": sha256_of(link / "b.txt"), "rows": 2, "bytes": 2}
    assert manifest["inputs"] == {"model": 1}
    assert manifest["as_of"] == "2025-06-02"
    state = published_state(plan(tmp_path / "published", model=1))
    assert state.intact
    assert state.inputs_hash == plan(tmp_path / "published", model=1).inputs_hash
    assert state.rows == 3
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_others_may_read_it(tmp_path):
    link = publish(tmp_path / "published", "x")
    assert os.stat(link).st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_inputs_again_leave_every_byte(tmp_path):
    publish(tmp_path, "x", model=1)
    before, target = everything(tmp_path), os.readlink(tmp_path / "2025-06-02" / "scores")
    publish(tmp_path, "x", model=1)
    assert everything(tmp_path) == before
    assert os.readlink(tmp_path / "2025-06-02" / "scores") == target


def test_other_inputs_switch_and_keep_the_old_set(tmp_path):
    publish(tmp_path, "old", model=1)
    old = (tmp_path / "2025-06-02" / "scores").resolve()
    publish(tmp_path, "new", model=2)
    assert (tmp_path / "2025-06-02" / "scores" / "a.txt").read_text() == "new"
    assert inspect_set(old).intact
    assert (old / "a.txt").read_text() == "old"


def test_only_the_newest_sets_are_kept_and_never_without_the_one_that_serves(tmp_path):
    for number in range(5):
        publish(tmp_path, str(number), keep=2, model=number)
        link = tmp_path / "2025-06-02" / "scores"
        os.utime(link.resolve(), (number, number))
    kept = {(path / "a.txt").read_text() for path in (tmp_path / "2025-06-02" / ".sets").iterdir()}
    assert kept == {"3", "4"}
    publish(tmp_path, "3", keep=1, model=3)  # an old one serves again, and the newer one goes
    assert [(p / "a.txt").read_text() for p in (tmp_path / "2025-06-02" / ".sets").iterdir()] == ["3"]
    assert inspect_set(tmp_path / "2025-06-02" / "scores").intact


def test_the_other_kind_of_set_is_left_alone(tmp_path):
    publish(tmp_path, "x", keep=1, model=1)
    lists = SetPlan(tmp_path, DAY, "lists", {"model": 1})
    publish_set(lists, {"l.txt": writer("l")}, keep_sets=1)
    publish(tmp_path, "y", keep=1, model=2)
    assert inspect_set(lists.link).intact


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda s: (s / "a.txt").write_text("X"), "a.txt was changed"),
        (lambda s: (s / "a.txt").unlink(), r"not those of the manifest \(a.txt\)"),
        (lambda s: (s / "extra").write_text(""), r"not those of the manifest \(extra\)"),
        (lambda s: (s / MANIFEST).unlink(), "manifest.json is missing or damaged"),
        (lambda s: (s / MANIFEST).write_text("{}"), "manifest.json is missing or damaged"),
        (lambda s: (s / MANIFEST).write_bytes(b"\xff"), "manifest.json is missing or damaged"),
        (lambda s: ((s / "a.txt").rename(s.parent / "a"), (s / "a.txt").symlink_to("../a")), "a.txt was changed"),
    ],
)
def test_a_damaged_set_is_noticed_and_replaced_beside(tmp_path, damage, told):
    publish(tmp_path, "x", model=1)
    link = tmp_path / "2025-06-02" / "scores"
    damage(link.resolve())
    state = published_state(plan(tmp_path, model=1))
    assert not state.intact
    assert re.search(told, state.fault)
    publish(tmp_path, "x", model=1)
    assert inspect_set(link).intact
    assert os.readlink(link).endswith("-2")


def test_a_copy_that_made_a_folder_of_the_link_can_be_published_again(tmp_path):
    publish(tmp_path, "x", model=1)
    link = tmp_path / "2025-06-02" / "scores"
    target = link.resolve()
    link.unlink()
    target.rename(link)
    assert published_state(plan(tmp_path, model=1)).intact
    publish(tmp_path, "y", model=2)
    assert (link / "a.txt").read_text() == "y"
    assert link.is_symlink()
    assert (link.parent / ".sets" / "scores-copied-1" / "a.txt").read_text() == "x"


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def fails(path: Path) -> int:
        path.write_text("half")
        raise ZeroDivisionError("writer")

    with pytest.raises(ZeroDivisionError, match="writer"):
        publish_set(plan(tmp_path), {"a.txt": writer("x"), "b.txt": fails}, keep_sets=5)
    assert list(tmp_path.iterdir()) == []
    publish(tmp_path, "x", model=1)
    before = everything(tmp_path)
    with pytest.raises(ZeroDivisionError, match="writer"):
        publish_set(plan(tmp_path, model=2), {"a.txt": fails}, keep_sets=5)
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "remedy"), [(28, "Free some space"), (30, "writable"), (13, "right to write"), (5, "Check")]
)
def test_what_the_disk_refuses_is_one_clear_failure(tmp_path, number, remedy):
    publish(tmp_path, "x", model=1)
    before = everything(tmp_path)

    def refused(path: Path) -> int:
        raise OSError(number, os.strerror(number), str(path))

    with pytest.raises(
        Failure, match=f"cannot be written: .*{remedy}.*what was published before is untouched"
    ) as caught:
        publish_set(plan(tmp_path, model=2), {"a.txt": refused}, keep_sets=5)
    assert caught.value.exit_code == 1
    assert everything(tmp_path) == before


def test_leftovers_of_dead_runs_go_and_those_of_the_living_stay(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead, living = f"{TEMPORARY}{child.stdout.strip()}-x", f"{TEMPORARY}{os.getppid()}-x"
    for name in (dead, living, f"{TEMPORARY}odd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
    (tmp_path / f"{dead}-link").symlink_to("nowhere")
    (tmp_path / "keep").mkdir()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {living, "keep"}


def test_links_out_of_the_published_folder_are_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "2025-06-02").symlink_to(tmp_path / "outside")
    with pytest.raises(Failure, match="leads out of the workspace"):
        publish(tmp_path / "published", "x")
    assert list((tmp_path / "outside").iterdir()) == []


def test_replace_file_keeps_the_old_one_when_it_fails(tmp_path):
    path = tmp_path / "f.txt"
    replace_file(path, lambda beside: _put(beside, "old"), step="test")

    def fails(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(Failure, match=r"f\.txt cannot be written: No space left on device"):
        replace_file(path, fails, step="test")
    assert everything(tmp_path) == {"f.txt": b"old"}


def _put(path: Path, text: str) -> None:
    path.write_text(text)


# the lock

HOLD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from crm_ml.jobs.lock import locked
    with locked(Path(sys.argv[1]), "a long run"):
        print("held", flush=True)
        time.sleep(60)
""")


def test_the_lock_names_its_holder_and_a_killed_holder_frees_it(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(
                Locked, match=rf"is locked: a long run by process {child.pid} on \S+ since 20\d\d-.* UTC"
            ) as caught,
            locked(tmp_path, "another"),
        ):
            pytest.fail("it must not be held twice")
        assert caught.value.exit_code == 5
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    with locked(tmp_path, "another"):
        assert (tmp_path / ".lock").is_file()


def test_a_lock_file_with_nonsense_is_no_obstacle(tmp_path):
    (tmp_path / ".lock").write_bytes(b"\xff{")
    with locked(tmp_path, "a run"), pytest.raises(Locked, match="a run by process"), locked(tmp_path, "other"):
        pytest.fail("it must not be held twice")


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(Failure, match="cannot be written"), locked(tmp_path / "ws", "a run"):
        pytest.fail("it must not follow links")
    assert (tmp_path / "target").read_text() == "precious"
