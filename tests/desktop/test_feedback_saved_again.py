"""A filled list that LibreOffice saves again, in any of its formats and a German locale, says the same."""

import csv
import io
import re
import subprocess
import zipfile
from xml.sax.saxutils import escape

import pytest
from listed_day import DAY, context, customer, entries_of, manager, staff, written

from crm_ml.actions.feedback import Listed, match_answers
from crm_ml.actions.lists.columns import COLUMNS
from crm_ml.actions.returned import read_returned

pytestmark = pytest.mark.desktop

IDS = ["00123", "4711", "1E5", "1-2", "123456789012345678", "K-7", "=1+1", "MAR1"]
NOTE = "'n Gruß von „Müller“; 🙂\nzweite Zeile, =1+1"
SAID = [("erledigt", "done"), ("nicht jetzt", "not_now"), ("falsch", "wrong"), (None, "wrong")]
GERMAN_CSV = "csv:Text - txt - csv (StarCalc):{delimiter},34,{charset},1,,1031,false,true"
FORMATS = {
    "xlsx": "xlsx",
    "ods": "ods",
    "xls": "xls",
    "semicolon": GERMAN_CSV.format(delimiter=59, charset=76),
    "tab": GERMAN_CSV.format(delimiter=9, charset=76),
    "windows": GERMAN_CSV.format(delimiter=59, charset=1),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The workbook and the CSV of one manager with all rows answered, and what they say."""
    folder = tmp_path_factory.mktemp("filled")
    entries = entries_of([customer(number) for number in IDS], staff(manager("AM1")))
    written(entries, context("de"), folder)
    listed = {
        key: Listed(key, DAY, "customer", subject_id, "talk")
        for key, subject_id in zip(entries.entries["action_id"], entries.entries["subject_id"], strict=True)
    }
    expected = {}
    letters = {name: chr(ord("A") + [c.id for c in COLUMNS].index(name)) for name in ("answer", "again_on", "note")}
    with zipfile.ZipFile(folder / "AM1.xlsx") as old, zipfile.ZipFile(folder / "filled.xlsx", "w") as new:
        for part in old.infolist():
            text = old.read(part.filename)
            if part.filename == "xl/worksheets/sheet1.xml":
                sheet = text.decode()
                for line, key in enumerate(listed, 2):
                    word, answer = SAID[line % len(SAID)]
                    cells = {
                        "answer": f' t="inlineStr"><is><t>{word}</t></is></c>' if word else ' t="b"><v>0</v></c>',
                        "again_on": "><v>46119</v></c>",
                        "note": f' t="inlineStr"><is><t xml:space="preserve">{escape(NOTE)}</t></is></c>',
                    }
                    for name, inner in cells.items():
                        at = rf'(<c r="{letters[name]}{line}" s="\d+")/>'
                        # a truth value comes into being only where somebody took the text format off the cell
                        plain = name == "answer" and word is None
                        cell = f'<c r="{letters[name]}{line}" s="0"' if plain else r"\1"
                        sheet, count = re.subn(at, lambda m, c=cell, i=inner: m.expand(c) + i, sheet)
                        assert count == 1
                    expected[key] = (answer, "2026-04-07", NOTE)
                text = sheet.encode()
            new.writestr(part.filename, text)
    return folder, listed, expected


def check(path, listed, expected, lost=str):
    matched = match_answers(read_returned(path), listed, answered_on=DAY)
    if path.suffix == ".ods":  # the program writes the truth value as the number 0: refused, not guessed
        refused = {key for line, key in enumerate(listed, 2) if SAID[line % len(SAID)][0] is None}
        assert {listed_key(path, row.row) for row in matched.refused} == refused
        expected = {key: said for key, said in expected.items() if key not in refused}
    else:
        assert matched.refused == ()
    found = {a.listed.action_id: (a.answer, a.again_on.isoformat(), a.note) for _, a in matched.answers}
    assert found == {key: (answer, day, lost(note)) for key, (answer, day, note) in expected.items()}


def listed_key(path, number):
    return next(row.key for row in read_returned(path).rows if row.number == number)


def saved_again(path, how, folder):
    profile = f"-env:UserInstallation=file://{folder}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", how, "--outdir", str(folder / "out"), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (saved,) = (folder / "out").iterdir()
    return saved


@pytest.mark.parametrize("kind", FORMATS)
def test_the_workbook_saved_again(filled, tmp_path, kind):
    folder, listed, expected = filled
    saved = saved_again(folder / "filled.xlsx", FORMATS[kind], tmp_path)
    # Windows-1252 has no such sign; the program writes a question mark for it
    lost = (lambda note: note.replace("🙂", "?")) if kind == "windows" else str
    check(saved, listed, expected, lost)


def test_the_csv_opened_and_saved_again(filled, tmp_path):
    folder, listed, expected = filled
    rows = list(csv.reader(io.StringIO((folder / "AM1.csv").read_text("utf-8-sig"), newline=""), delimiter=";"))
    at = {column.id: place for place, column in enumerate(COLUMNS)}
    words = {"done": "erledigt", "not_now": "nicht jetzt", "wrong": "falsch"}
    for row in rows[1:]:
        answer, _, note = expected[row[at["key"]]]
        row[at["answer"]], row[at["again_on"]], row[at["note"]] = words[answer], "07.04.2026", note
    with (folder / "answered.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    opened = "--infilter=CSV:59,34,76,1,,1031,false,true"
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", opened]
    command += ["--convert-to", "xlsx", "--outdir", str(tmp_path / "out"), str(folder / "answered.csv")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    check(tmp_path / "out" / "answered.xlsx", listed, expected)
