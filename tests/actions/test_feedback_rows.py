"""What a row says, which action it answers, and why it is refused: for that row alone."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.actions.feedback import REASONS, Answer, Listed, Refused, keys_of, match_answers, note_of
from crm_ml.actions.feedback_cells import day_of, same_number, without_guard
from crm_ml.actions.lists.cleaning import ID_CHARACTERS, clean, csv_text
from crm_ml.actions.returned import Returned, ReturnedRow
from crm_ml.errors import UsageError

DAY = dt.date(2026, 3, 2)
A, B, C = "20260302-AAAAAAAAAAAA", "20260302-BBBBBBBBBBBB", "20260303-CCCCCCCCCCCC"
LISTED = {
    A: Listed(A, DAY, "customer", "00123", "personal_talk", "phone", cost=30.0),
    B: Listed(B, DAY, "customer", "K-7", "offer_email", "email"),
    C: Listed(C, dt.date(2026, 3, 3), "customer", "9", "personal_talk"),
}


def match(*rows, on=DAY):
    numbered = tuple(ReturnedRow(number, **cells) for number, cells in enumerate(rows, 2))
    return match_answers(Returned("AM1.csv", "", numbered), LISTED, answered_on=on)


def refusals(*rows, on=DAY):
    return [(refused.row, refused.code) for refused in match(*rows, on=on).refused]


def test_a_row_answers_the_action_of_its_key():
    matched = match({"key": f" {A.lower()} ", "subject_id": 123.0, "answer": " ERLEDIGT ", "note": "'=1+1\r\nja "})
    assert matched.answers == ((2, Answer(LISTED[A], "done", DAY, None, "=1+1\nja")),)
    assert matched.answered == 1


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("erledigt", "done"),
        ("Done", "done"),
        ("FALSCH", "wrong"),
        (False, "wrong"),
        ("FALSE", "wrong"),
        ("nicht\u00a0 jetzt", "not_now"),
        ("not_now", "not_now"),
    ],
)
def test_words_of_answers(word, answer):
    assert match({"key": A, "answer": word}).answers[0][1].answer == answer


def test_rows_without_an_answer_are_not_looked_at():
    matched = match({"key": "nonsense"}, {"key": A, "note": "rief an"}, {"key": B, "answer": "done"})
    assert (matched.answered, len(matched.answers), matched.refused) == (1, 1, ())
    (finding,) = matched.findings
    assert (finding.code, finding.examples) == ("note_without_answer", ("3",))


def test_each_refusal_is_for_its_row_alone():
    good = {"key": B, "subject_id": "K-7", "answer": "done"}
    rows = [
        {"answer": "done"},
        {"key": "20260302-AAAAAAAAAAAB", "answer": "done"},
        {"key": A, "subject_id": "K-7", "answer": "done"},
        {"key": A, "answer": "erledgt"},
        {"key": A, "answer": "done", "surplus": True},
        {"key": A, "answer": "not now", "again_on": "im April"},
        {"key": A, "answer": "not now", "again_on": DAY},
        {"key": A, "answer": "not now", "again_on": "2062-03-02"},
        {"key": C, "answer": "done"},
    ]
    codes = ["no_key", "unknown_key", "other_customer", "unknown_answer", "cells_moved"]
    codes += ["bad_date", "date_before_list", "date_too_far", "list_is_later"]
    matched = match(*rows, good)
    assert [(r.row, r.code) for r in matched.refused] == list(enumerate(codes, 2))
    assert [answer.listed.action_id for _, answer in matched.answers] == [B]
    assert (matched.answered, set(codes) | {"two_answers"}) == (10, set(REASONS))
    assert refusals({"key": C, "answer": "done"}, on=dt.date(2026, 3, 3)) == []


def test_reasons_are_sentences_in_both_languages_and_repeat_nothing():
    for code in REASONS:
        for language in ("de", "en"):
            reason = Refused(2, code).reason(language)
            assert reason[-1] in ".?"
            assert "{" not in reason
    (refused,) = match({"key": A, "answer": "Zacharias anrufen"}).refused
    assert "Zacharias" not in repr(refused) + refused.reason("de") + refused.reason("en")
    (refused,) = match({"key": A, "answer": "Erledgt"}).refused
    hinted = "Als Antwort gilt nur erledigt, falsch oder nicht jetzt. Gemeint ist wohl „erledigt“."
    assert refused.reason("de") == hinted


def test_one_key_twice():
    same = {"key": A, "answer": "done"}
    assert match(same, same).refused == ()
    assert refusals(same, {"key": A, "answer": "erledigt", "note": "x"}, {"key": A}) == [
        (2, "two_answers"),
        (3, "two_answers"),
    ]


def test_keys_are_asked_for_by_the_day_that_they_name():
    rows = [ReturnedRow(2, key=A, answer="x"), ReturnedRow(3, key=B), ReturnedRow(4, key=C.lower(), answer="x")]
    rows += [ReturnedRow(n, key=key, answer="x") for n, key in enumerate(["20261332-AAAAAAAAAAAA", "../x", 7.0, None])]
    assert keys_of(Returned("", "", tuple(rows))) == {A: DAY, C: dt.date(2026, 3, 3)}


def test_an_answer_is_one_of_three():
    with pytest.raises(UsageError, match="answer must be one of done, wrong, not_now; found 'maybe'"):
        Answer(LISTED[A], "maybe", DAY)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        (dt.date(2026, 4, 7), "2026-04-07"),
        (dt.datetime(2026, 4, 7, 13, 30), "2026-04-07"),
        (46119, "2026-04-07"),
        (46119.5, "2026-04-07"),
        ("46119", "2026-04-07"),
        ("46119,0", "2026-04-07"),
        ("7.4.2026", "2026-04-07"),
        (" 07. 04. 2026 ", "2026-04-07"),
        ("07.04.26", "2026-04-07"),
        ("07.04.2026 00:00:00", "2026-04-07"),
        ("2026-04-07", "2026-04-07"),
        ("2026-04-07T00:00:00", "2026-04-07"),
        ("7. April 2026", "2026-04-07"),
        ("1 Mär 2026", "2026-03-01"),
        ("1 May 2026", "2026-05-01"),
        ("29.02.2028", "2028-02-29"),
        ("13/4/2026", "2026-04-13"),
        ("4/13/2026", "2026-04-13"),
        ("5/5/2026", "2026-05-05"),
        ("4/7/2026", None),
        ("29.02.2026", None),
        ("31.04.2026", None),
        ("7.4.", None),
        ("1 Ju 2026", None),
        ("morgen", None),
        ("0", None),
        (12.0, None),
        (1e300, None),
        (float("inf"), None),
        (True, None),
        ("٠٧.٠٤.٢٠٢٦", None),
    ],
)
def test_dates(cell, day):
    found = day_of(cell)
    assert (found.isoformat() if found else None) == day


@given(st.dates(dt.date(1960, 1, 1), dt.date(2099, 12, 31)))
def test_every_day_is_read_from_every_form(day):
    forms = [
        day,
        day.isoformat(),
        f"{day:%d.%m.%Y}",
        (day - dt.date(1899, 12, 30)).days,
        f"{day.day}.{day.month}.{day.year}",
    ]
    assert {day_of(form) for form in forms} == {day}


@pytest.mark.parametrize(
    ("found", "own", "same"),
    [
        ("00123", "00123", True),
        ("", "00123", True),
        ("'00123", "00123", True),
        ("123", "00123", True),
        ("123.0", "00123", True),
        ("123,00", "00123", True),
        (" 00123 ", "00123", True),
        ("1230", "00123", False),
        ("124", "00123", False),
        ("-123", "00123", False),
        ("1,23457E+11", "123456789012", True),
        ("1.23458E+11", "123456789012", False),
        ("1234567890123450000", "1234567890123456789", True),
        ("1234567890123456768", "1234567890123456789", True),
        ("1234567890123400000", "1234567890123456789", False),
        ("100000", "1E5", True),
        ("1E99", "1E98", False),
        ("9" * 400, "9" * 400, True),
        ("9" * 400, "9" * 399, False),
        ("k-7", "K-7", False),
        ("Mu\u0308ller", "M\u00fcller", True),
        ("M\u00fcller", "Mu\u0308ller", True),
        ("٣", "3", False),
    ],
)
def test_customer_numbers_as_spreadsheets_leave_them(found, own, same):
    import unicodedata

    assert same_number(unicodedata.normalize("NFC", found), own, [own]) is same


def test_what_is_exactly_another_number_is_no_changed_one():
    assert same_number("123", "00123", ["00123"])
    assert not same_number("123", "00123", ["00123", "123"])


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_what_was_guarded_is_restored(text):
    assert without_guard(csv_text(text)) == text or text.startswith("'")
    assert same_number(csv_text(clean(text, "de", ID_CHARACTERS)), text, [])


@settings(max_examples=200)
@given(st.text(max_size=100).filter(lambda text: not text.startswith("'")))
def test_notes_are_kept_whole(text):
    import unicodedata

    wanted = unicodedata.normalize("NFC", text.encode("utf-8", "backslashreplace").decode())
    wanted = wanted.replace("\r\n", "\n").replace("\r", "\n").strip()
    assert note_of(text) == wanted
    assert note_of(csv_text(text)) == wanted


def test_long_notes_and_notes_that_are_no_text():
    book = "Zeile 🙂\n" * 1500
    assert note_of(book) == book.strip()
    assert len(note_of("'" + "7" * 100_000 + "x")) == 100_002
    assert [note_of(cell) for cell in (5.0, 1.5, dt.datetime(2026, 3, 2), dt.datetime(2026, 3, 2, 8, 30), None)] == [
        "5",
        "1.5",
        "2026-03-02",
        "2026-03-02T08:30:00",
        "",
    ]


def test_every_reason_is_in_the_document():
    text = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text(encoding="utf-8")
    assert [code for code in REASONS if f"`{code}`" not in text] == []
