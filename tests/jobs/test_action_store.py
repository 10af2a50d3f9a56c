"""The action log: each answer once, the newest counts, and only a whole file of ours is ever touched."""

import datetime as dt
import os
import random
import shutil
import sqlite3
import stat
from contextlib import closing

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.feedback import Answer, Listed
from crm_ml.errors import DamagedArtefact, Failure, Locked
from crm_ml.jobs.action_store import ActionStore, open_store
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.store_schema import FORMAT
from crm_ml.tables import from_frames

DAY = dt.date(2026, 3, 2)
FOREVER = dt.date.max


def after(days):
    return DAY + dt.timedelta(days=days)


def listed(number=1, day=DAY, action="personal_talk"):
    key = f"{day:%Y%m%d}-{number:012d}"
    return Listed(key, day, "customer", f"000{number}", action, "phone", cost=30.0)


def said(answer="done", number=1, on=DAY, again_on=None, note="", **more):
    return Answer(listed(number, **more), answer, on, again_on, note)


@pytest.fixture
def store(tmp_path):
    return ActionStore(tmp_path / "feedback" / "action_log.db", wait_seconds=0.2)


def answers(store, as_of=FOREVER):
    state = store.state(as_of)
    columns = ("subject_id", "action", "answer", "answered_on")
    rows = zip(*(state[column].to_list() for column in columns), strict=True)
    return {(subject, action): (answer, on) for subject, action, answer, on in rows}


def test_an_answer_is_kept_with_all_that_it_says(store):
    note = "Sie sagt: „=1+1“\n🙂 'x'\0 ende" + "z" * 10_000
    assert store.record([said("not_now", on=after(2), again_on=after(9), note=note)]) == [True]
    (row,) = store.state(after(2)).to_dict("records")
    assert row == {
        "action_id": listed().action_id,
        "subject_type": "customer",
        "subject_id": "0001",
        "action": "personal_talk",
        "answer": "not_now",
        "answered_on": after(2),
        "again_on": after(9),
        "list_as_of": DAY,
        "note": note,
    }


def test_nothing_is_made_by_looking(store, tmp_path):
    assert store.state(FOREVER).empty
    assert store.log().empty
    assert store.record([]) == []
    assert store.record([said(), said(), said("wrong")], dry_run=True) == [True, False, True]
    assert store.listed(["x"]) == {}
    assert list(tmp_path.iterdir()) == []
    assert store.state_hash(DAY) == store.state_hash(FOREVER)
    assert list(store.state(DAY).columns) == list(recorded(store, said()).state(FOREVER).columns)


def recorded(store, *answers):
    store.record(list(answers))
    return store


def test_an_answer_counts_from_the_list_after_its_own_and_from_its_day_on(store):
    store.record([said(on=after(3))])
    assert [len(store.state(after(day))) for day in (0, 2, 3, 9)] == [0, 0, 1, 1]
    store.record([said(number=2, day=after(5), on=after(5))])
    assert [len(store.state(after(day))) for day in (5, 6)] == [1, 2]


def test_the_newest_answer_counts_by_day_and_then_by_order(store):
    store.record([said("done", on=after(1))])
    store.record([said("wrong", on=after(3))])
    store.record([said("not_now", on=after(2))])  # taken in late, as of an earlier day
    assert [answers(store, after(day))["0001", "personal_talk"][0] for day in (1, 2, 3)] == ["done", "not_now", "wrong"]
    store.record([said("not_now", on=after(3), note="doch")])
    assert answers(store)["0001", "personal_talk"] == ("not_now", after(3))


def test_what_was_said_before_is_no_new_answer(store):
    assert store.record([said("done", on=after(1))]) == [True]
    assert store.record([said("wrong", on=after(2))]) == [True]
    assert store.record([said("done", on=after(1)), said("done", on=after(5))]) == [False, False]
    assert answers(store)["0001", "personal_talk"] == ("wrong", after(2))
    assert store.record([said("done", on=after(5), note="jetzt wirklich")]) == [True]
    assert answers(store)["0001", "personal_talk"] == ("done", after(5))


def test_the_same_as_of_an_earlier_day_moves_the_day(store):
    store.record([said("done", on=after(4))])
    store.record([said("wrong", on=after(3))])
    assert store.record([said("done", on=after(2))]) == [True]
    assert answers(store)["0001", "personal_talk"] == ("wrong", after(3))
    assert store.record([said("done", on=after(4))]) == [False]


def newest_by_hand(imports, as_of):
    """Slowly: the first day of each content, then the newest content of each action."""
    first = {}
    for order, batch in enumerate(imports):
        for place, answer in enumerate(batch):
            known = first.get(answer.content)
            if known is None or answer.answered_on < known[0]:
                first[answer.content] = (answer.answered_on, order, place)
    newest = {}
    for batch in imports:
        for answer in batch:
            when = first[answer.content]
            if answer.listed.list_as_of < as_of and when[0] <= as_of:
                key = answer.listed.action_id
                if key not in newest or when > newest[key][0]:
                    newest[key] = (when, answer)
    return {key: (a.answer, a.again_on, a.note, when[0]) for key, (when, a) in newest.items()}


BATCHES = st.lists(
    st.lists(
        st.builds(
            said,
            answer=st.sampled_from(["done", "wrong", "not_now"]),
            number=st.integers(1, 3),
            on=st.integers(2, 5).map(after),
            again_on=st.none() | st.just(after(9)),
            note=st.sampled_from(["", "x"]),
            day=st.sampled_from([DAY, after(2)]),
        ),
        max_size=4,
        unique_by=lambda answer: answer.listed.action_id,
    ),
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(batches=BATCHES, data=st.data())
def test_any_order_and_number_of_imports_gives_the_newest_answers(tmp_path_factory, batches, data):
    folder = tmp_path_factory.mktemp("store", numbered=True)
    again = data.draw(st.lists(st.sampled_from(batches), max_size=4)) if batches else []
    imports = [*batches, *again]
    store = ActionStore(folder / "a.db")
    for batch in imports:
        store.record(batch)
    for as_of in (DAY, after(2), after(3), after(4), FOREVER):
        state = store.state(as_of)
        columns = ("action_id", "answer", "again_on", "note", "answered_on")
        found = {key: tuple(rest) for key, *rest in zip(*(state[c].to_list() for c in columns), strict=True)}
        assert found == newest_by_hand(imports, as_of)
    # different days: then the order of imports is of no account at all
    by_day = [[said(a.answer, on=after(n)) for a in batch[:1]] for n, batch in enumerate(batches)]
    hashes = set()
    for number, order in enumerate((by_day, by_day[::-1], data.draw(st.permutations(by_day)))):
        other = ActionStore(folder / f"{number}.db")
        for batch in order:
            other.record(batch)
        hashes.add(other.state_hash(FOREVER))
    assert len(hashes) == 1


def test_the_hash_is_that_of_the_state(store, tmp_path):
    store.record([said(), said(number=2, on=after(4))])
    early, late = store.state_hash(after(3)), store.state_hash(after(4))
    assert early != late
    other = ActionStore(tmp_path / "b.db")
    other.record([said(number=2, on=after(4))])
    other.record([said()])
    assert (other.state_hash(after(3)), other.state_hash(after(4))) == (early, late)


def test_rows_of_the_canonical_action_log(store):
    store.record([said("done", on=after(1)), said("not_now", number=2, on=after(1))])
    store.record([said("wrong", on=after(1)), said("wrong", number=2, on=after(3))])
    log = store.log()
    tables = from_frames({"action_log": log})
    assert [f for f in tables.findings if f.severity != "info"] == []
    assert log["known_at"].equals(log["completed_at"])
    rows = log[["subject_id", "status", "decided_at", "completed_at", "cost"]].to_numpy().tolist()
    stamp = pd.Timestamp
    assert rows == [
        ["0001", "wrong", stamp(DAY), stamp(after(1)), 30.0],
        ["0002", "not_now", stamp(DAY), stamp(after(1)), 30.0],
        ["0002", "wrong", stamp(DAY), stamp(after(3)), 30.0],
    ]


def test_actions_answered_before_are_known_by_their_key(store):
    store.record([said()])
    key = listed().action_id
    assert store.listed([key, "other"]) == {key: listed()}


def test_all_or_nothing(store):
    store.record([said()])
    broken = Answer(Listed("20260302-000000000007", DAY, "customer", "7", "", None), "done", DAY)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        store.record([said(number=2), broken, said(number=3)])
    assert list(answers(store)) == [("0001", "personal_talk")]


# the file


def test_the_file_is_in_wal_mode_strict_and_readable_like_its_folder(store):
    store.record([said()])
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o660 & ~mask
    assert [p.name for p in store.path.parent.iterdir()] == ["action_log.db"]
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
            connection.execute("UPDATE answers SET import_id = 'x'")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            connection.execute("UPDATE answers SET answer = 'maybe'")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            connection.execute("UPDATE answers SET answered_on = '2026-02-30'")


def refusal(store):
    before = {path: path.read_bytes() for path in store.path.parent.iterdir() if path.is_file()}
    with pytest.raises(DamagedArtefact, match=r"The action log .*action_log\.db") as refused:
        store.record([said(number=5)])
    with pytest.raises(DamagedArtefact, match=r"The action log .*action_log\.db"):
        store.state(FOREVER)
    assert {p: p.read_bytes() for p in before} == before
    assert refused.value.exit_code == 6
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"hello", "it is no SQLite file"),
        (b"SQLite format 3\0", "file is not a database"),
        (b"SQLite format 3\0" + bytes(4096), "it belongs to another program"),
    ],
)
def test_what_is_no_database_is_refused_and_left(store, content, told):
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    text = refusal(store)
    assert told in text
    assert "Restore it from a backup, or move it away" in text


def test_another_program_s_database_is_refused_and_left(store):
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("CREATE TABLE answers (x)")
    assert "it belongs to another program" in refusal(store)


def test_a_newer_format_is_refused_by_name(store):
    store.record([said()])
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(DamagedArtefact, match=f"has format {FORMAT + 1}, made by a newer version of crm-ml") as refused:
        store.record([said(number=2)])
    assert refused.value.code == "newer_format"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE answers", "its tables are not those of format 1"),
        ("CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END", "its tables are not"),
        ("PRAGMA user_version = 0", "its tables are not those of format 1"),
        ("UPDATE answers SET note = 'other'", "a row of answers is not what was written"),
        ("UPDATE actions SET subject_id = '0002'", "a row of actions is not what was written"),
        ("DELETE FROM actions", "an answer has lost its action"),
    ],
)
def test_what_somebody_changed_is_refused(store, statement, told):
    store.record([said()])
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(statement)
        connection.commit()
    assert told in refusal(store)


def test_a_log_without_its_database_is_refused(store):
    store.record([said()])
    store.path.rename(store.path.with_name("action_log.db-wal"))
    assert "it is gone, though action_log.db-wal is there" in refusal(store)
    store.path.with_name("action_log.db-wal").rename(store.path.with_name("action_log.db-journal"))
    assert "action_log.db-journal beside it was left by another program" in refusal(store)


def test_cut_anywhere(store):
    store.record([said(number=n, note="x" * 500) for n in range(1, 40)])
    whole = store.path.read_bytes()
    for cut in range(0, len(whole), 509):
        store.path.write_bytes(whole[:cut])
        refusal(store)


def test_flipped_anywhere_it_is_refused_or_says_the_same(store):
    store.record([said(number=n, note="x" * 500) for n in range(1, 40)])
    whole, state = store.path.read_bytes(), store.state(FOREVER)
    rng = random.Random(3)
    refused = 0
    for _ in range(300):
        at = rng.randrange(len(whole))
        store.path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
        for leftover in ("-wal", "-shm"):
            store.path.with_name(store.path.name + leftover).unlink(missing_ok=True)
        try:
            found = store.state(FOREVER)
        except DamagedArtefact:
            refused += 1
        else:
            pd.testing.assert_frame_equal(found, state)
    assert refused > 200


def test_a_folder_instead_of_a_file(store):
    store.path.mkdir(parents=True)
    with pytest.raises(DamagedArtefact, match="it is no file"):
        store.record([said()])


def test_a_link_that_leads_out_is_refused(tmp_path):
    workspace = Workspace(tmp_path / "ws", settings=None)
    (tmp_path / "ws").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "ws" / "feedback").symlink_to(tmp_path / "out")
    with pytest.raises(Failure, match="is a symbolic link that leads out of the workspace"):
        open_store(workspace)
    (tmp_path / "ws" / "feedback").unlink()
    (tmp_path / "ws" / "feedback").mkdir()
    (tmp_path / "ws" / "feedback" / "action_log.db").symlink_to(tmp_path / "out" / "x.db")
    with pytest.raises(Failure, match="is a symbolic link that leads out of the workspace"):
        open_store(workspace)


def test_somebody_else_writes_for_too_long(store):
    store.record([said()])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked, match="is locked: another process has been writing for a long time") as locked:
            store.record([said(number=2)])
        assert locked.value.exit_code == 5
        assert len(store.state(FOREVER)) == 1  # looking is not held up
        connection.execute("ROLLBACK")
    assert store.record([said(number=2)]) == [True]


def test_a_copy_of_the_folder_takes_the_answers_along(store, tmp_path):
    store.record([said()])
    shutil.copytree(store.path.parent, tmp_path / "copy")
    pd.testing.assert_frame_equal(ActionStore(tmp_path / "copy" / "action_log.db").state(FOREVER), store.state(FOREVER))


def test_many_answers(store):
    batch = [said(number=n) for n in range(1, 5001)]
    assert all(store.record(batch))
    assert not any(store.record(batch[::-1]))
    assert len(store.state(FOREVER)) == 5000
