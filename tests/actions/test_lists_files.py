"""What stands in the files of a list set, cell by cell, in both languages."""

import csv
import datetime as dt
import io
import re
import string
import textwrap
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_day import DAY, NOTICE, before, context, customer, entries_of, manager, staff, written
from python_calamine import CalamineWorkbook

from crm_ml.actions.lists import ListContext, words, xlsx_file
from crm_ml.actions.lists.cleaning import csv_text
from crm_ml.actions.lists.columns import ANSWERS, COLUMNS, heading
from crm_ml.actions.lists.formats import date, money, number, percent
from crm_ml.actions.lists.tables_out import ACTIONS_SCHEMA
from crm_ml.actions.lists.xlsx_file import TIER_COLOURS
from crm_ml.actions.policy import HELD_BY
from crm_ml.actions.policy.schema import PLACEHOLDERS

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
TEMPLATES = Path(words.__file__).parent / "templates"


def day_of_lists(tmp_path, language="de", **changed):
    rows = [
        customer("00017", value_at_stake=12_340.5, notes=["rhythm_longer_than_horizon", "history_short"]),
        customer("00018", action="offer", p=0.4, value_at_stake=9_000.0, notes=["model_is_rule"]),
        customer("00019", account_manager_id="AM2", value_at_stake=7_000.0, phone=None),
        customer("00020", action="none", p=0.2, held_by="no_phone"),
        customer("00021", action="none", p=0.4, held_by="no_marketing_basis"),
        customer("00022", action="none", p=0.4, held_by="no_marketing_basis"),
    ]
    away = {"active_to": dt.date(2026, 3, 1), "deputy_id": "AM1", "name": "Jörg Öztürk"}
    people = staff(manager("AM1", name="Anna Berg"), manager("AM2", **away), manager("AM3", name="Äne Zett"))
    past = [before("00017", p=0.6, rank=1), before("00020", p=0.65, rank=2), before("00018", list_id="AM3", p=0.4)]
    return written(entries_of(rows, people, previous=past), context(language, **changed), tmp_path / "set")


def csv_rows(data: bytes) -> list[dict[str, str]]:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    ids = [column.id for column in COLUMNS]
    return [dict(zip(ids, row, strict=True)) for row in rows]


# --- CSV


def test_the_german_csv(tmp_path) -> None:
    data = day_of_lists(tmp_path)["AM1.csv"]
    assert data.startswith(b"\xef\xbb\xbfRang;")
    assert data.count(b"\r\n") == data.count(b"\n") == 4
    head, first, second, third = csv_rows(data)
    assert head == {column.id: column.de for column in COLUMNS}
    key = first.pop("key")
    assert re.fullmatch(r"20260302-[A-Z2-7]{12}", key)
    assert first == {
        "rank": "1",
        "change": "Risiko gestiegen: 60\u00a0% → 70\u00a0%",
        "name": "Firma 00017 GmbH",
        "subject_id": "'00017",
        "phone": "(+49) 221 4710 110",
        "tier": "hoch",
        "p": "70,0%",
        "step": "Rufen Sie den Kunden an.",
        "due_on": "04.03.2026",
        "reason_1": "Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.",
        "reason_2": "Zahlt 17 Tage nach Fälligkeit.",
        "reason_3": "",
        "value_at_stake": "12340,50",
        "expected_gain": "2531,50",  # .7 x 12,340.50 x .3 - 60 = 2,531.505, rounded half to even
        "hints": "Bestellt üblicherweise seltener als alle 90 Tage: Eine Pause ist hier nicht ungewöhnlich. "
        "Erst wenige Bestellungen: Die Einschätzung ist unsicher.",
        "answer": "",
        "again_on": "",
        "note": "",
    }
    assert second["hints"] == "In Vertretung für Jörg Öztürk."
    assert third["change"] == "neu hier, bisher bei Äne Zett"
    assert re.search(r"E-Mail-Entwurf: draft-20260302-[A-Z2-7]{12}\.eml$", third["hints"])


def test_the_english_csv(tmp_path) -> None:
    head, first, *_ = csv_rows(day_of_lists(tmp_path, "en")["AM1.csv"])
    assert head == {column.id: column.en for column in COLUMNS}
    assert (first["p"], first["value_at_stake"], first["due_on"]) == ("70.0%", "12340.50", "2026-03-04")
    assert (first["tier"], first["change"]) == ("high", "risk up: 60% → 70%")


def test_negative_numbers_are_left_alone(tmp_path) -> None:
    row = customer("A", value_at_stake=-1_234.5, expected_gain=-319.25)
    (_, first) = csv_rows(written(entries_of([row]), context(), tmp_path)["AM1.csv"])
    assert (first["value_at_stake"], first["expected_gain"]) == ("-1234,50", "-319,25")


@pytest.mark.parametrize("text", ["00123", "1-2", "3/4", "1.5", "1,5", "12:30", "1E5", "50%", "1234567890123456"])
def test_what_a_spreadsheet_would_change_is_guarded(text) -> None:
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["0", "12345", "K-00123", "Müller + Söhne", "3M Deutschland", "Mai & Co", "A1"])
def test_what_stays_as_it_is_is_not_guarded(text) -> None:
    assert csv_text(text) == text


# --- XLSX


def sheet_of(book: bytes, name: str = "sheet1") -> ElementTree.Element:
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return ElementTree.fromstring(archive.read(f"xl/worksheets/{name}.xml"))


def test_the_workbook_holds_real_numbers_and_dates(tmp_path) -> None:
    book = day_of_lists(tmp_path)["AM1.xlsx"]
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name("Liste").to_python()
    assert rows[0] == [column.de for column in COLUMNS]
    first = dict(zip([column.id for column in COLUMNS], rows[1], strict=True))
    assert first["rank"] == 1.0
    assert first["p"] == 0.7
    assert first["due_on"] == dt.date(2026, 3, 4)
    assert (first["value_at_stake"], first["expected_gain"]) == (12_340.5, 2_531.5)
    assert (first["subject_id"], first["phone"]) == ("00017", "+49 221 4710 110")
    assert (first["answer"], first["again_on"], first["note"]) == ("", "", "")


def test_the_workbook_is_guarded_and_only_answers_are_open(tmp_path) -> None:
    book = day_of_lists(tmp_path)["AM1.xlsx"]
    sheet = sheet_of(book)
    protection = sheet.find(f"{MAIN}sheetProtection").attrib
    assert protection["sheet"] == "1"
    assert "password" not in protection
    assert protection["autoFilter"] == protection["sort"] == "0"  # 0: not forbidden
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
    looks = styles.find(f"{MAIN}cellXfs")
    opened = {
        at
        for at, look in enumerate(looks)
        if (guard := look.find(f"{MAIN}protection")) is not None and guard.get("locked") == "0"
    }
    prefixed = {at for at, look in enumerate(looks) if look.get("quotePrefix") == "1"}
    free, quoted = set(), set()
    for row in list(sheet.iter(f"{MAIN}row"))[1:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            free |= {column.id} if int(cell.get("s")) in opened else set()
            quoted |= {column.id} if int(cell.get("s")) in prefixed else set()
    assert free == {column.id for column in COLUMNS if column.answered} == {"answer", "again_on", "note"}
    assert quoted == {column.id for column in COLUMNS if column.kind == "text"} - {"note"}


def test_the_workbook_has_head_filter_choice_and_print_setup(tmp_path) -> None:
    sheet = sheet_of(day_of_lists(tmp_path)["AM1.xlsx"])
    pane = sheet.find(f".//{MAIN}pane").attrib
    assert (pane["ySplit"], pane["xSplit"], pane["state"]) == ("1", "3", "frozen")
    assert sheet.find(f"{MAIN}autoFilter").get("ref") == "A1:S4"
    rules = {rule.get("type"): rule for rule in sheet.iter(f"{MAIN}dataValidation")}
    assert rules["list"].get("sqref") == "P2:P4"
    assert rules["list"].find(f"{MAIN}formula1").text == '"erledigt,nicht jetzt,falsch"'
    assert rules["date"].get("sqref") == "Q2:Q4"
    assert rules["date"].find(f"{MAIN}formula1").text == "46084"  # the day after 2 March 2026
    words_coloured = [formula.text for formula in sheet.iter(f"{MAIN}formula")]
    assert words_coloured == ['"hoch"', '"mittel"', '"niedrig"']
    setup = sheet.find(f"{MAIN}pageSetup").attrib
    assert (setup["paperSize"], setup["orientation"], setup["fitToHeight"]) == ("9", "landscape", "0")
    assert "Liste für Anna Berg" in sheet.find(f"{MAIN}headerFooter/{MAIN}oddHeader").text


def test_the_second_sheet_says_whose_list_what_model_and_who_is_gone(tmp_path) -> None:
    book = CalamineWorkbook.from_filelike(io.BytesIO(day_of_lists(tmp_path)["AM1.xlsx"]))
    assert book.sheet_names == ["Liste", "Erläuterung"]
    text = "\n".join(str(row[0]) for row in book.get_sheet_by_name("Erläuterung").to_python())
    for part in (
        "Liste für Anna Berg",
        "Montag, 2. März 2026 · 3 Kunden",
        "In Vertretung auch für Jörg Öztürk.",
        "gelernten Modell 7, Stand der Daten 01.02.2026",
        NOTICE.de,
        "Firma 00020 GmbH (00020): Risiko gesunken: hoch → niedrig (65\u00a0% → 20\u00a0%).",
        "angenommenen Erfolgsquoten (Angebot per E-Mail 10\u00a0%; Persönliches Gespräch 30\u00a0%)",
        "ein Rat, keine Anweisung",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["=1+1 & Söhne &D &P", "&" * 300, "x" * 100_000])
def test_names_break_no_head_of_the_printed_page(tmp_path, name) -> None:
    book = written(entries_of([customer("A")], staff(manager("AM1", name=name))), context(), tmp_path)["AM1.xlsx"]
    text = sheet_of(book).find(f"{MAIN}headerFooter/{MAIN}oddHeader").text
    assert len(text) <= 255
    assert not re.search(r"(?<!&)(&&)*&[DPTFAN]", text)


# --- the same input gives the same bytes


def test_the_same_day_gives_the_same_bytes(tmp_path) -> None:
    one, other = day_of_lists(tmp_path / "a"), day_of_lists(tmp_path / "b")
    assert one == other
    endings = {name.rpartition(".")[2] for name in one}
    assert endings == {"csv", "xlsx", "html", "eml", "parquet"}
    with zipfile.ZipFile(io.BytesIO(one["AM1.xlsx"])) as archive:
        assert "2026-03-02T12:00:00Z" in archive.read("docProps/core.xml").decode()


def test_each_list_has_all_formats_also_an_empty_one(tmp_path) -> None:
    files = day_of_lists(tmp_path)
    assert {name for name in files if not name.startswith("draft-")} == {
        *("AM1.csv", "AM1.xlsx", "AM1.html", "AM3.csv", "AM3.xlsx", "AM3.html"),
        *("actions.parquet", "decisions.parquet", "summary.html"),
    }
    assert files["AM3.csv"].decode("utf-8-sig").splitlines() == [";".join(column.de for column in COLUMNS)]
    assert "Heute ist nichts zu tun." in files["AM3.html"].decode()
    book = CalamineWorkbook.from_filelike(io.BytesIO(files["AM3.xlsx"]))
    assert len(book.get_sheet_by_name("Liste").to_python()) == 1
    assert ["Heute ist nichts zu tun."] in book.get_sheet_by_name("Erläuterung").to_python()


# --- tables


def test_actions_have_the_contract_s_columns_first(tmp_path) -> None:
    day_of_lists(tmp_path)
    table = pq.read_table(tmp_path / "set" / "actions.parquet")
    assert table.schema.equals(ACTIONS_SCHEMA)
    assert table.column_names[:13] == [
        *("as_of", "subject_type", "subject_id", "account_manager_id", "action", "channel", "arm", "rule"),
        *("expected_gain", "cost", "due_on", "text_de", "text_en"),
    ]
    frame = table.to_pandas()
    assert frame["subject_id"].tolist() == ["00017", "00019", "00018"]
    assert frame["account_manager_id"].tolist() == ["AM1", "AM1", "AM1"]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert table["on_behalf_of"].to_pylist() == [None, "Jörg Öztürk", None]
    assert frame["as_of"].tolist() == [DAY] * 3
    assert frame["action_id"].is_unique


def test_decisions_hold_everybody(tmp_path) -> None:
    day_of_lists(tmp_path)
    table = pq.read_table(tmp_path / "set" / "decisions.parquet")
    assert table["subject_id"].to_pylist() == ["00017", "00018", "00019", "00020", "00021", "00022"]
    assert table["held_by"].to_pylist() == [None, None, None, "no_phone", "no_marketing_basis", "no_marketing_basis"]
    assert set(table["policy_version"].to_pylist()) == {"test-1"}


def test_written_actions_serve_as_the_list_before(tmp_path) -> None:
    day_of_lists(tmp_path)
    past = pd.read_parquet(tmp_path / "set" / "actions.parquet").to_dict("records")
    again = entries_of([customer("00017")], previous=past)
    assert again.entries["change"].tolist() == ["same"]
    assert again.previous_as_of == DAY


# --- the summary


def test_the_summary_counts_and_ranks_nobody(tmp_path) -> None:
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", day_of_lists(tmp_path)["summary.html"].decode()))
    for part in (
        "Bewertete Kunden 6 Auf den Listen 3",
        "hoch 2 2 mittel 3 1 niedrig 1 0",
        "Angebot per E-Mail 1 Persönliches Gespräch 2",
        "neu 2 Risiko gestiegen 1",
        "Risiko gesunken 1",
        "Werbung per E-Mail ist hier nicht erlaubt (keine Einwilligung oder Rechtsgrundlage). 2",
        "Es ist keine Telefonnummer hinterlegt. 1",
        "Anna Berg Jörg Öztürk 3 Äne Zett – 0",
        NOTICE.de,
    ):
        assert part in page


def test_lists_of_the_summary_stand_by_name_whatever_their_size(tmp_path) -> None:
    people = staff(manager("AM1", name="Zora"), manager("AM2", name="anton"), manager("AM3", name="Berta"))
    rows = [customer(str(at), account_manager_id=who) for at, who in enumerate(["AM1"] * 3 + ["AM3"] * 2 + [None])]
    page = written(entries_of(rows, people), context(), tmp_path)["summary.html"].decode()
    found = re.findall(r'<th scope="row"><a href="[^"]+"><bdi>([^<]+)</bdi>', page)
    assert found == ["anton", "Berta", "Zora", "Kunden ohne Betreuer"]


# --- languages


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", words.TEXTS)
def test_every_text_has_both_languages_with_the_same_values(name) -> None:
    german, english = words.TEXTS[name]
    assert german.strip()
    assert english.strip()
    assert placeholders(german) == placeholders(english)
    assert german != english


def test_all_texts_are_used_and_templates_hold_none_of_their_own() -> None:
    used = "".join(path.read_text() for path in TEMPLATES.parent.rglob("*") if path.suffix in (".py", ".j2"))
    prefixes = ("risk_", "note_", "held_", "gone_", "change_", "draft_none_", "answer_", "lacks_")
    assert [
        name for name in words.TEXTS if not name.startswith(prefixes) and len(re.findall(f"[\"']{name}[\"']", used)) < 2
    ] == []
    for template in TEMPLATES.glob("*.j2"):
        bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", template.read_text(), flags=re.DOTALL)
        assert re.findall(r"[A-Za-zÄÖÜäöüß]{2,}", bare) == [], template.name


def test_every_code_of_policy_scores_and_answers_has_words() -> None:
    assert [code for code in HELD_BY if code != "objection" and f"held_{code}" not in words.TEXTS] == []
    for code in ("model_is_rule", "rhythm_longer_than_horizon", "history_short", "tier_kept"):
        assert f"note_{code}" in words.TEXTS
    assert {f"answer_{name}" for name in ANSWERS} <= set(words.TEXTS)
    assert set(words.TIERS) == set(TIER_COLOURS)
    assert {f"lacks_{name}" for name in PLACEHOLDERS} <= set(words.TEXTS)


def test_no_page_of_one_language_holds_texts_of_the_other(tmp_path) -> None:
    fixed = {"de": 0, "en": 1}
    for language, other in (("de", "en"), ("en", "de")):
        files = day_of_lists(tmp_path / language, language)
        texts = [pair[fixed[other]] for pair in words.TEXTS.values()]
        foreign = [text for text in texts if len(text) > 12 and "{" not in text]
        foreign += [heading(column, other) for column in COLUMNS if len(heading(column, other)) > 8]
        for name in ("AM1.html", "AM3.html", "summary.html", "AM1.csv"):
            page = files[name].decode("utf-8-sig")
            assert [text for text in foreign if text in page and text not in str(NOTICE)] == []


def test_a_managers_own_language_goes_before_the_workspaces(tmp_path) -> None:
    people = staff(manager("AM1", language="en"), manager("AM2", language="fr"))
    rows = [customer("a"), customer("b", account_manager_id="AM2")]
    files = written(entries_of(rows, people), context("de"), tmp_path)
    assert '<html lang="en">' in files["AM1.html"].decode()
    assert '<html lang="de">' in files["AM2.html"].decode()
    assert files["AM1.csv"].decode("utf-8-sig").startswith("Rank;")


# --- numbers


@pytest.mark.parametrize(
    ("value", "german", "english"),
    [
        (12_340.0, "12.340 €", "€12,340"),
        (0.4, "0 €", "€0"),
        (-0.4, "0 €", "€0"),
        (-1_500.0, "-1.500 €", "-€1,500"),
        (1_234_567.5, "1.234.568 €", "€1,234,568"),
        (float("nan"), "–", "–"),
        (None, "–", "–"),
    ],
)
def test_money(value, german, english) -> None:
    assert money(value, "EUR", "de").replace("\u00a0", " ") == german
    assert money(value, "EUR", "en").replace("\u00a0", " ") == english


def test_other_currencies_and_shares() -> None:
    assert money(5.0, "CHF", "de") == "5\u00a0CHF"
    assert money(5.0, "USD", "en") == "$5"
    assert [percent(p, "de").replace("\u00a0", " ") for p in (0.0, 0.0049, 0.994, 0.9951, 1.0)] == [
        *("unter 1 %", "unter 1 %", "99 %", "über 99 %", "über 99 %")
    ]
    assert percent(None, "en") == percent(float("nan"), "en") == "–"
    assert date(None, "de") == "–"
    assert number(0.125, "en", 2) == "0.12"


def test_a_context_says_what_it_needs() -> None:
    assert ListContext("de", "EUR", "rule", "1").horizon_days == 90


@pytest.mark.parametrize(("kind", "text"), [("rule", "einer einfachen Regel"), ("lightgbm", "dem gelernten Modell 7")])
def test_the_page_says_what_scored(tmp_path, kind, text) -> None:
    files = written(entries_of([customer("a")]), context(model_kind=kind), tmp_path)
    assert text in files["AM1.html"].decode()


@given(st.text(st.one_of(st.characters(), st.sampled_from("a -\t\n\u00a0")), max_size=12), st.integers(1, 12))
def test_hypothesis_lines_of_a_cell_are_those_of_textwrap(text, width):
    assert xlsx_file._lines(text, width) == len(textwrap.wrap(text, width))
