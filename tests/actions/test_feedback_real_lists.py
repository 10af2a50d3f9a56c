"""The lists that are sent out come back: filled in, sorted, saved again, and every answer finds its action."""

import csv
import io
import random
import re
import zipfile
from xml.sax.saxutils import escape

import pytest
from hostile_texts import ALL
from listed_day import DAY, context, customer, entries_of, manager, staff, written

from crm_ml.actions.feedback import Listed, match_answers
from crm_ml.actions.feedback_cells import without_guard
from crm_ml.actions.lists.columns import ANSWERS, COLUMNS
from crm_ml.actions.returned import read_returned

IDS = ["00123", "123", "4711", "1E5", "1-2", "123456789012345678", "K-7", "=1+1", "-5", "Müller", "0", "ß" * 90, "MAR1"]
STRANGE = [text.strip() for text in ALL if text.strip() and len(text) < 60 and text.isprintable()]
IDS += [f"{text}{number}" for number, text in enumerate(STRANGE)]
PLACE = {column.id: at for at, column in enumerate(COLUMNS)}


@pytest.fixture(scope="module", params=["de", "en"])
def files(request, tmp_path_factory):
    """All files of one manager with customers of awkward numbers, and the actions on it."""
    rows = [customer(subject_id, p=0.9 - number / 500) for number, subject_id in enumerate(IDS)]
    people = staff(manager("AM1", daily_capacity=500))
    entries = entries_of(rows, people)
    folder = tmp_path_factory.mktemp(f"lists-{request.param}")
    written(entries, context(request.param), folder)
    listed = {
        key: Listed(key, DAY, "customer", subject_id, "talk")
        for key, subject_id in zip(entries.entries["action_id"], entries.entries["subject_id"], strict=True)
    }
    assert len(listed) == len(IDS)
    return request.param, folder, listed


def said(number, language):
    """The answer to the n-th row of a list: answer, word, note."""
    answer = list(ANSWERS)[number % 3]
    return answer, ANSWERS[answer][language == "en"], f'\'n Gruß; {number}\n"x", =1+1'


def check(path, listed, expected):
    matched = match_answers(read_returned(path), listed, answered_on=DAY)
    assert matched.refused == ()
    found = {answer.listed.action_id: (answer.answer, answer.note) for _, answer in matched.answers}
    assert found == expected


def fill_csv(path, language):
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=";"))
    expected = {}
    for number, row in enumerate(rows[1:]):
        answer, word, note = said(number, language)
        row[PLACE["answer"]], row[PLACE["note"]] = word, note
        expected[row[PLACE["key"]]] = (answer, note)
    return rows, expected


def test_the_csv_comes_back_sorted_and_filtered(files, tmp_path):
    language, folder, listed = files
    (head, *rows), expected = fill_csv(folder / "AM1.csv", language)
    random.Random(1).shuffle(rows)
    kept = rows[::2]
    for delimiter, encoding, chosen in ((";", "utf-8-sig", rows), (",", "utf-8", kept), ("\t", "utf-16", kept)):
        path = tmp_path / "back.csv"
        with path.open("w", encoding=encoding, errors="replace", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([head, *chosen])
        check(path, listed, {row[PLACE["key"]]: expected[row[PLACE["key"]]] for row in chosen})


def test_customer_numbers_that_a_spreadsheet_made_numbers_of(files, tmp_path):
    """As German Excel saves a CSV that it opened: zeros lost, powers of ten, fifteen digits, guards typed away."""
    language, folder, listed = files
    (head, *rows), expected = fill_csv(folder / "AM1.csv", language)
    changed = {
        "'00123": "'00123",
        "4711": "4711,0",
        "'1E5": "1,00E+05",
        "'123456789012345678": "1,23457E+17",
        "'0": "0",
    }
    for row in rows:
        number = row[PLACE["subject_id"]]
        row[PLACE["subject_id"]] = changed.get(number, without_guard(number))
    path = tmp_path / "back.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([head, *rows])
    check(path, listed, expected)


def test_one_column_sorted_alone_is_refused_row_by_row(files, tmp_path):
    language, folder, listed = files
    (head, *rows), _ = fill_csv(folder / "AM1.csv", language)
    keys = [row[PLACE["key"]] for row in rows]
    for row, key in zip(rows, keys[1:] + keys[:1], strict=True):
        row[PLACE["key"]] = key
    path = tmp_path / "back.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([head, *rows])
    matched = match_answers(read_returned(path), listed, answered_on=DAY)
    assert matched.answers == ()
    assert {refused.code for refused in matched.refused} == {"other_customer"}


def fill_xlsx(path, target, words):
    """Write answers into the cells of the first sheet, as a program that keeps everything else would."""
    letters = {name: chr(ord("A") + PLACE[name]) for name in ("answer", "again_on", "note")}
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            text = old.read(part.filename)
            if part.filename == "xl/worksheets/sheet1.xml":
                sheet = text.decode()
                for line, cells in words.items():
                    for name, value in cells.items():
                        at = f"{letters[name]}{line}"
                        inner = f' t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'
                        if isinstance(value, int):
                            inner = f"><v>{value}</v></c>"
                        sheet, count = re.subn(rf'(<c r="{at}" s="\d+")/>', lambda m, inner=inner: m[1] + inner, sheet)
                        assert count == 1, at
                text = sheet.encode()
            new.writestr(part.filename, text)


def test_the_workbook_comes_back(files, tmp_path):
    language, folder, listed = files
    rows = read_returned(folder / "AM1.xlsx").rows
    assert [row.key for row in rows] == list(listed)
    words, expected = {}, {}
    for number, row in enumerate(rows):
        answer, word, note = said(number, language)
        words[row.number] = {"answer": word, "note": note, "again_on": 46119}
        expected[row.key] = (answer, note)
    fill_xlsx(folder / "AM1.xlsx", tmp_path / "back.xlsx", words)
    check(tmp_path / "back.xlsx", listed, expected)
    matched = match_answers(read_returned(tmp_path / "back.xlsx"), listed, answered_on=DAY)
    assert {answer.again_on.isoformat() for _, answer in matched.answers} == {"2026-04-07"}


def test_an_untouched_list_says_nothing(files):
    _, folder, listed = files
    for name in ("AM1.csv", "AM1.xlsx"):
        returned = read_returned(folder / name)
        assert len(returned.rows) == len(IDS)
        matched = match_answers(returned, listed, answered_on=DAY)
        assert (matched.answered, matched.refused, matched.findings) == (0, (), ())
