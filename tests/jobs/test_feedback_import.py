"""Answers on their way from a returned file into the action log of a workspace."""

import csv
import datetime as dt
import json
import os
import shutil
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_ml.errors import DamagedArtefact, DataError, Failure, UsageError
from crm_ml.jobs.action_store import open_store
from crm_ml.jobs.feedback import import_feedback
from crm_ml.jobs.publish import SetPlan, publish_set
from crm_ml.jobs.settings import open_workspace

DAY = dt.date(2026, 3, 2)
HEAD = ["Rang", "Kunde", "Kundennummer", "Antwort", "Wiedervorlage am", "Bemerkung", "Schlüssel"]


def key(number, day=DAY):
    return f"{day:%Y%m%d}-ABCDEFGH{number:04d}"


def publish(ws, numbers, *, day=DAY, version=1, cost=30.0):
    """Publish lists of a day as they are published, of actions only."""
    rows = [
        {
            "as_of": day,
            "subject_type": "customer",
            "subject_id": f"00{number}",
            "action": "personal_talk",
            "channel": "phone",
            "arm": "treatment",
            "cost": cost,
            "action_id": key(number, day),
        }
        for number in numbers
    ]

    def write(path):
        pq.write_table(pa.Table.from_pylist(rows), path)
        return len(rows)

    plan = SetPlan(ws / "published", day, "lists", {"version": version})
    return publish_set(plan, {"actions.parquet": write}, keep_sets=5)


def returned(folder, *rows, name="AM1.csv"):
    path = folder / name
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEAD)
        for number, answer, *more in rows:
            again, note, day = [*more, *("", "", DAY)[len(more) :]]
            writer.writerow([number, f"Kanarienvogel {number}", f"00{number}", answer, again, note, key(number, day)])
    return path


@pytest.fixture
def ws(tmp_path):
    folder = tmp_path / "ws"
    folder.mkdir()
    text = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\nlanguage: de\n"
    (folder / "crm.yaml").write_text(text + "tables: {order_lines: {source: o.parquet}}\n")
    publish(folder, range(1, 6))
    return folder


def state(ws, as_of=dt.date.max):
    found = open_store(open_workspace(ws)).state(as_of)
    return dict(zip(found["subject_id"], found["answer"], strict=True))


def test_answers_are_taken_once(ws, tmp_path):
    file = returned(tmp_path, (3, "erledigt"), (1, "nicht jetzt", "07.04.2026", "im Urlaub"), (2, ""))
    result = import_feedback(ws, file, as_of="2026-03-03")
    assert result.as_dict() == {
        "as_of": "2026-03-03",
        "file": str(file),
        "rows": 3,
        "answered": 2,
        "recorded": 2,
        "already_known": 0,
        "refused": [],
        "store": str(ws / "feedback" / "action_log.db"),
        "dry_run": False,
        "findings": [],
    }
    assert result.error is None
    again = import_feedback(ws, file, as_of="2026-03-04")
    assert (again.recorded, again.already_known) == (0, 2)
    assert state(ws, dt.date(2026, 3, 3)) == {"003": "done", "001": "not_now"}


def test_refused_rows_are_named_and_the_others_are_kept(ws, tmp_path):
    file = returned(tmp_path, (1, "erledigt"), (9, "erledigt"), (2, "vielleicht"), (3, "erledgt"))
    result = import_feedback(ws, file, as_of=DAY)
    assert [(row["row"], row["code"]) for row in result.as_dict()["refused"]] == [
        (3, "unknown_key"),
        (4, "unknown_answer"),
        (5, "unknown_answer"),
    ]
    assert result.as_dict()["refused"][0]["reason"].startswith("Diesen Schlüssel trägt keine ausgegebene Liste")
    assert list(result.table["row"]) == [3, 4, 5]
    assert result.error.code == "rows_refused"
    assert result.error.exit_code == 1
    told = str(result.error)
    assert told.startswith("AM1.csv: 3 rows were refused: row 3: No list that was handed out holds this key")
    assert told.endswith("Correct these rows in the list and import it again; the other answers are taken.")
    assert "Kanarienvogel" not in json.dumps(result.as_dict()) + told
    assert state(ws) == {"001": "done"}


def test_a_dry_run_says_the_same_and_writes_nothing(ws, tmp_path):
    before = sorted(path for path in ws.rglob("*"))
    file = returned(tmp_path, (1, "erledigt"), (9, "erledigt"))
    result = import_feedback(ws, file, as_of=DAY, dry_run=True)
    assert (result.recorded, result.already_known, len(result.refused)) == (1, 0, 1)
    assert "would be taken" in str(result.error)
    assert sorted(path for path in ws.rglob("*")) == before
    import_feedback(ws, file, as_of=DAY)
    result = import_feedback(ws, returned(tmp_path, (1, "erledigt"), (2, "falsch")), as_of=DAY, dry_run=True)
    assert (result.recorded, result.already_known) == (1, 1)
    assert state(ws) == {"001": "done"}


def test_an_older_answer_sent_again_is_said_and_does_not_count(ws, tmp_path):
    old = returned(tmp_path, (1, "erledigt"), (2, "erledigt"), name="old.csv")
    new = returned(tmp_path, (1, "falsch", "", "gibt es nicht mehr"), name="new.csv")
    import_feedback(ws, old, as_of=DAY)
    import_feedback(ws, new, as_of=DAY)
    (finding,) = import_feedback(ws, old, as_of=DAY).findings
    assert (finding.code, finding.examples) == ("repeats_older_answer", ("2",))
    assert state(ws) == {"001": "wrong", "002": "done"}


def test_keys_of_a_list_that_was_published_again_are_known(ws, tmp_path):
    publish(ws, range(3, 9), version=2, cost=5.0)
    import_feedback(ws, returned(tmp_path, (1, "erledigt"), (4, "erledigt")), as_of=DAY)
    log = open_store(open_workspace(ws)).log().set_index("subject_id")
    assert log["cost"].to_dict() == {"001": 30.0, "004": 5.0}


def test_lists_of_several_days_in_one_file(ws, tmp_path):
    later = dt.date(2026, 3, 4)
    publish(ws, [1, 7], day=later)
    file = returned(tmp_path, (1, "erledigt"), (7, "falsch", "", "x", later))
    assert import_feedback(ws, file, as_of="2026-03-03").refused[0].code == "list_is_later"
    assert import_feedback(ws, file, as_of=later).recorded == 1
    assert state(ws, later) == {"001": "done"}
    assert state(ws, dt.date(2026, 3, 5)) == {"001": "done", "007": "wrong"}


def test_a_copied_workspace_takes_its_answers_along(ws, tmp_path):
    file = returned(tmp_path, (1, "erledigt"))
    import_feedback(ws, file, as_of=DAY)
    shutil.copytree(ws, tmp_path / "copy")  # links become folders
    assert state(tmp_path / "copy") == {"001": "done"}
    result = import_feedback(tmp_path / "copy", returned(tmp_path, (1, "erledigt"), (2, "falsch")), as_of=DAY)
    assert (result.recorded, result.already_known) == (1, 1)


def test_lists_that_were_tidied_away(ws, tmp_path):
    import_feedback(ws, returned(tmp_path, (1, "erledigt")), as_of=DAY)
    shutil.rmtree(ws / "published")
    result = import_feedback(ws, returned(tmp_path, (1, "falsch", "", "Irrtum"), (2, "erledigt")), as_of=DAY)
    assert (result.recorded, [row.code for row in result.refused]) == (1, ["unknown_key"])
    assert state(ws) == {"001": "wrong"}


@pytest.mark.parametrize("how", ["cut", "whole but other", "no manifest"])
def test_a_damaged_list_is_said_and_not_believed(ws, tmp_path, how):
    folder = ws / "published" / DAY.isoformat() / "lists"
    actions = folder / "actions.parquet"
    table = pq.read_table(actions)
    if how == "cut":
        actions.write_bytes(actions.read_bytes()[:-1])
    elif how == "whole but other":
        pq.write_table(table.set_column(2, "subject_id", [["001"] * 5]), actions)
    else:
        (folder / "manifest.json").unlink()
    result = import_feedback(ws, returned(tmp_path, (1, "erledigt")), as_of=DAY)
    assert [finding.code for finding in result.findings] == ["damaged_publication"]
    assert [row.code for row in result.refused] == ["unknown_key"]


def test_actions_of_another_day_in_a_list_are_not_believed(ws, tmp_path):
    """A folder that somebody renamed."""
    day, later = dt.date(2026, 3, 5), dt.date(2026, 3, 10)
    publish(ws, [1], day=day)
    (ws / "published" / day.isoformat()).rename(ws / "published" / later.isoformat())
    file = returned(tmp_path, (1, "erledigt", "", "", day), (2, "erledigt", "", "", later))
    result = import_feedback(ws, file, as_of=later)
    assert [row.code for row in result.refused] == ["unknown_key", "unknown_key"]


def test_lists_are_not_looked_for_outside(ws, tmp_path):
    day = ws / "published" / DAY.isoformat()
    shutil.move(day / ".sets", tmp_path / "elsewhere")
    (day / "lists").unlink()
    (day / "lists").symlink_to(next((tmp_path / "elsewhere").iterdir()))
    result = import_feedback(ws, returned(tmp_path, (1, "erledigt")), as_of=DAY)
    assert [row.code for row in result.refused] == ["unknown_key"]


def test_what_is_no_list_or_no_day_is_refused_before_anything(ws, tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        import_feedback(ws, tmp_path / "nothing.csv", as_of=DAY)
    with pytest.raises(UsageError, match="as_of must be a date like"):
        import_feedback(ws, tmp_path / "nothing.csv", as_of="02.03.2026")
    assert not (ws / "feedback").exists()


def test_a_store_that_leads_out_or_is_foreign_is_refused(ws, tmp_path):
    file = returned(tmp_path, (1, "erledigt"))
    (ws / "feedback").symlink_to(tmp_path)
    with pytest.raises(Failure, match="is a symbolic link that leads out of the workspace"):
        import_feedback(ws, file, as_of=DAY)
    (ws / "feedback").unlink()
    (ws / "feedback").mkdir()
    with closing(sqlite3.connect(ws / "feedback" / "action_log.db")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(DamagedArtefact, match="it belongs to another program"):
        import_feedback(ws, file, as_of=DAY)


def test_a_file_without_answers_makes_no_store(ws, tmp_path):
    result = import_feedback(ws, returned(tmp_path, (1, ""), (2, "")), as_of=DAY)
    assert (result.rows, result.answered, result.recorded) == (2, 0, 0)
    assert not (ws / "feedback").exists()


def test_a_file_whose_name_is_no_text(ws, tmp_path):
    odd = tmp_path / os.fsdecode(b"AM\xff.csv")
    returned(tmp_path, (1, "erledigt"), (9, "erledigt")).rename(odd)
    result = import_feedback(ws, odd, as_of=DAY)
    assert result.recorded == 1
    json.dumps([result.as_dict(), result.error.as_dict()], ensure_ascii=False).encode()
    with pytest.raises(DataError, match=r"There is no file .*\\udcfe") as refused:
        import_feedback(ws, tmp_path / os.fsdecode(b"\xfe"), as_of=DAY)
    str(refused.value).encode()


def test_a_day_of_lists_that_leads_out_is_not_followed(ws, tmp_path):
    shutil.move(ws / "published" / DAY.isoformat(), tmp_path / "elsewhere")
    (ws / "published" / DAY.isoformat()).symlink_to(tmp_path / "elsewhere")
    result = import_feedback(ws, returned(tmp_path, (1, "erledigt")), as_of=DAY)
    assert [row.code for row in result.refused] == ["unknown_key"]
