"""CSV and XLSX opened by LibreOffice as a German reader has it: every value and date comes back equal."""

import csv
import datetime as dt
import io
import shutil
import subprocess

import pytest
from hostile_texts import ALL
from listed_day import context, customer, entries_of, manager, reason, staff, written
from python_calamine import CalamineWorkbook

from crm_ml.actions.feedback_cells import without_guard
from crm_ml.actions.lists.cleaning import csv_phone
from crm_ml.actions.lists.columns import COLUMNS, heading

pytestmark = pytest.mark.desktop

IDS = [column.id for column in COLUMNS]
GERMAN = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale"><value>de-DE</value></prop></item>
</oor:items>
"""
# separator ; quote " UTF-8, from line 1, columns as they come, German, quotes mean nothing, dates and numbers are found
CSV_OF_A_GERMAN = "59,34,76,1,,1031,false,true"
CSV_OF_AN_ENGLISH = "59,34,76,1,,2057,false,true"
AS_SHOWN = "csv:Text - txt - csv (StarCalc):59,34,76,1,,1031,false,true"


@pytest.fixture(scope="session")
def office(tmp_path_factory):
    """`office("xlsx", [files])` converts files with a German LibreOffice and returns the folder of the results."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("LibreOffice is not installed")
    profile = tmp_path_factory.mktemp("profile")
    (profile / "user").mkdir()
    (profile / "user" / "registrymodifications.xcu").write_text(GERMAN, encoding="utf-8")

    def convert(to, files, *options):
        out = tmp_path_factory.mktemp("converted")
        command = [program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", *options]
        command += ["--convert-to", to, "--outdir", str(out), *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
        assert len(list(out.iterdir())) == len(files), done.stderr
        return out

    return convert


def a_day(folder, language):
    """15 customers, with all that spreadsheets like to change, and hostile names."""
    ids = ["00123", "1-2", "3/4", "1E5", "MAR1", "1234567890123456789", "12345", "1.5", "50%", "K-7"]
    phones = ["+49 221 4710 110", "02214710110", "0221/4710-12", "+492214710110", "05-12", "(0221) 47", "110", None]
    rows = [
        customer(
            ids[at] if at < len(ids) else f"{at:06d}",
            action="talk" if at % 2 else "offer",
            p=0.301 + at * 0.0437,
            value_at_stake=1_234.56 * (at - 1),
            expected_gain=100.25 * (20 - at) - 1_500.0,
            phone=phones[at % len(phones)],
            due_on=dt.date(2026, 2, 28) + dt.timedelta(days=at),
            name=ALL[at] if at % 2 else f"Müller & Söhne Nr. {at} „Größe“",
            reasons=[reason("Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.", ALL[at + 15])],
        )
        for at in range(15)
    ]
    people = staff(manager("AM1", daily_capacity=100, language=language), manager("AM2", language=language))
    return written(entries_of(rows, people, previous=[]), context(language), folder)


@pytest.fixture(scope="session", params=["de", "en"])
def day(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("day") / request.param
    a_day(folder, request.param)
    return request.param, folder


def values(path, sheet=0):
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(sheet).to_python()
    return rows[0], [dict(zip(IDS, row, strict=False)) for row in rows[1:]]


def published(folder):
    """What the workbook holds, read without LibreOffice: the values that must come back."""
    return values(folder / "AM1.xlsx")[1]


def same(found, wanted):
    if isinstance(wanted, float):
        return isinstance(found, float) and abs(found - wanted) < 1e-9 * max(1.0, abs(wanted))
    return found == wanted


def test_the_csv_comes_back_equal(office, day) -> None:
    language, folder = day
    tokens = CSV_OF_A_GERMAN if language == "de" else CSV_OF_AN_ENGLISH
    out = office("xlsx", [folder / "AM1.csv"], f"--infilter=CSV:{tokens}")
    head, rows = values(out / "AM1.xlsx")
    assert head == [heading(column, language) for column in COLUMNS]
    wanted = published(folder)
    assert len(rows) == len(wanted) == 15
    for row, own in zip(rows, wanted, strict=True):
        for column in COLUMNS:
            found = row[column.id]
            if column.kind == "text" and not isinstance(found, float):
                expected = csv_phone(own["phone"]) if column.id == "phone" else own[column.id]
                assert without_guard(found) == without_guard(expected), column.id
            elif column.kind == "text":
                # a plain whole number may be a number: nothing of it is lost
                assert f"{found:.0f}" == own[column.id], column.id
            else:
                assert same(found, own[column.id]), (column.id, found, own[column.id])


def test_the_workbook_comes_back_equal_and_is_shown_as_a_german_reads_it(office, day) -> None:
    language, folder = day
    out = office("xlsx", [folder / "AM1.xlsx", folder / "AM2.xlsx"])
    for name in ("AM1.xlsx", "AM2.xlsx"):
        for sheet in (0, 1):
            found = CalamineWorkbook.from_path(str(out / name)).get_sheet_by_index(sheet).to_python()
            wanted = CalamineWorkbook.from_path(str(folder / name)).get_sheet_by_index(sheet).to_python()
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                assert all(same(a, b) for a, b in zip(one, other, strict=True)), (one, other)
    shown = (office(AS_SHOWN, [folder / "AM1.xlsx"]) / "AM1.csv").read_text(encoding="utf-8")
    rows = [dict(zip(IDS, row, strict=True)) for row in csv.reader(io.StringIO(shown), delimiter=";")]
    first, own = rows[1], published(folder)[0]
    day_shown = f"{own['due_on']:%d.%m.%Y}" if language == "de" else f"{own['due_on']:%Y-%m-%d}"
    assert first["due_on"] == day_shown
    assert first["p"].replace("\u00a0", " ") == f"{100 * own['p']:.0f}{' ' if language == 'de' else ''}%"
    sign = "-" if own["value_at_stake"] < 0 else ""
    amount = f"{abs(own['value_at_stake']):,.0f}".replace(",", ".")
    wanted = f"{sign}{amount} €" if language == "de" else f"{sign}€{amount}"
    assert first["value_at_stake"].replace("\u00a0", " ") == wanted
    assert {row["subject_id"] for row in rows} >= {"00123", "1-2", "3/4", "1E5", "1234567890123456789"}


def test_no_cell_is_a_formula_for_the_office(office, day) -> None:
    language, folder = day
    tokens = CSV_OF_A_GERMAN if language == "de" else CSV_OF_AN_ENGLISH
    for out in (
        office("fods", [folder / "AM1.csv"], f"--infilter=CSV:{tokens}"),
        office("fods", [folder / "AM1.xlsx"]),
    ):
        text = (out / "AM1.fods").read_text(encoding="utf-8")
        assert "table:formula" not in text
        assert "<text:a " not in text
        assert "Müller &amp; Söhne" in text


def test_the_workbook_prints_on_landscape_a4(office, day) -> None:
    _, folder = day
    pdf = (office("pdf", [folder / "AM1.xlsx"]) / "AM1.pdf").read_bytes()
    assert b"/MediaBox[0 0 841" in pdf.replace(b"/MediaBox [", b"/MediaBox[")
