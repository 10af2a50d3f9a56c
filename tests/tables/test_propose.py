from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from crm_ml.tables import TableMapping, check_tables, from_frames, propose_mapping, read_tables

GERMAN = {
    "Kundenstamm.csv": "KdNr;Firma;Branche;E-Mail;Betreuer;Status;Kunde seit\n"
    "00017;Müller & Söhne;Maschinen;a@b.de;AM1;aktiv;01.02.2020\n00018;Größe;Bau;;AM2;gesperrt;03.04.2021\n",
    "Aufträge_2023.csv": "BestellNr;Pos;KdNr;Bestelldatum;Artikelnr;Menge;Netto\n"
    "4711;1;00017;31.01.2023;00A;2;1.234,50\n4711;2;00017;31.01.2023;00B;1;-10,00\n",
    "Aufträge_2024.csv": "BestellNr;Pos;KdNr;Bestelldatum;Artikelnr;Menge;Netto\n4712;1;00018;28.02.2024;00Ä;1;5\n",
    "Rechnungen.csv": "Rechnungsnr;KdNr;Rechnungsdatum;Fällig am;Betrag\nR1;00017;31.01.2024;01.03.2024;1.469,06\n",
    "Zahlungen.csv": "Zahlungsnr;Rechnungsnr;Zahldatum;Betrag\nZ1;R1;02.03.2024;1.469,06\n",
    "Kontakte.csv": "Nr;KdNr;Datum;Kanal;Richtung\n"
    "1;00017;02.03.2024 08:15;Telefon;eingehend\n2;00018;03.03.2024 09:00;E-Mail;ausgehend\n",
}


def _read(proposal, root):
    models = {
        name: TableMapping.model_validate(entry) for name, entry in yaml.safe_load(proposal.text)["tables"].items()
    }
    return read_tables(models, root=root, zone=proposal.zone, currency=proposal.currency)


@pytest.fixture
def german(tmp_path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    for name, text in GERMAN.items():
        (folder / name).write_bytes(text.encode("cp1252"))
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_german_exports(german, inside):
    proposal = propose_mapping(german, root=german.parent if inside else None)
    tables = _read(proposal, german.parent)
    assert {name: len(frame) for name, frame in tables.frames.items()} == {
        "customers": 2,
        "order_lines": 3,
        "invoices": 1,
        "payments": 1,
        "interactions": 2,
    }
    lines = tables.frames["order_lines"]
    assert lines["net_amount"].to_pylist() == [12345000, -100000, 50000]
    assert lines["product_id"].to_pylist() == ["00A", "00B", "00Ä"]
    assert tables.frames["interactions"]["channel"].to_pylist() == ["phone", "email"]
    assert tables.frames["customers"]["status"].to_pylist() == ["active", "blocked"]
    assert [f.severity for f in check_tables(tables)] == ["info"]
    source = proposal.mapping["order_lines"]["source"]
    assert source["path"] == ("export/Aufträge_*.csv" if inside else str(german / "Aufträge_*.csv"))
    assert {key: value for key, value in source.items() if key != "path"} == {
        "delimiter": ";",
        "encoding": "cp1252",
        "decimal": ",",
        "date_format": "%d.%m.%Y",
    }
    assert any("delimiter ';'" in guess and "encoding cp1252" in guess for guess in proposal.guesses)
    assert any("KdNr" in guess for guess in proposal.guesses)
    assert proposal.questions


def test_canonical_files_need_only_their_source(tmp_path, orders):
    orders.to_parquet(tmp_path / "order_lines.parquet")
    customers = pd.DataFrame({"customer_id": ["007", "0815"], "name": ["A", "B"], "employees": [1, 2]})
    customers.to_csv(tmp_path / "customers.csv", index=False)
    proposal = propose_mapping(tmp_path, root=tmp_path)
    assert proposal.mapping == {
        "customers": {"source": "customers.csv"},
        "order_lines": {"source": "order_lines.parquet"},
    }
    tables = _read(proposal, tmp_path)
    expected = from_frames({"order_lines": orders, "customers": customers})
    assert tables.frames["order_lines"].equals(expected.frames["order_lines"])
    assert tables.frames["customers"].equals(expected.frames["customers"])


def test_content_and_missing_keys(tmp_path, write_xlsx):
    frame = pd.DataFrame(
        {
            "Invoice": ["1", "2", "3"],
            "Customer ID": [17.0, None, 18.0],
            "Zeit": pd.to_datetime(["2025-01-01"] * 3),
            "Quantity": [2, 3, 4],
            "Price": [1.5, 2.5, 3.5],
        }
    )
    write_xlsx(frame, tmp_path / "orders.xlsx")
    proposal = propose_mapping(tmp_path, root=tmp_path)
    entry = proposal.mapping["order_lines"]
    assert entry["where"] == '"Customer ID" IS NOT NULL'
    assert entry["columns"]["net_amount"] == {"sql": '"Quantity" * "Price"'}
    assert entry["columns"]["ordered_at"] == "Zeit"
    assert any("1 rows without customer_id are left out" in guess for guess in proposal.guesses)
    assert _read(proposal, tmp_path).frames["order_lines"]["net_amount"].to_pylist() == [30000, 140000]


def test_what_is_not_recognised_or_readable_is_asked(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "picture.png").write_bytes(b"x")
    proposal = propose_mapping(tmp_path)
    assert proposal.mapping == {}
    asked = "\n".join(proposal.questions)
    assert "broken.parquet: cannot be read" in asked
    assert "notes.csv: no table was recognised" in asked
    assert "empty.csv: cannot be read" in asked
    assert "neither order_lines nor leads were found" in asked


@pytest.mark.parametrize(
    ("dates", "form", "asked"),
    [
        (["03/04/2025", "13/04/2025"], "%d/%m/%Y", False),
        (["03/04/2025", "03/13/2025"], "%m/%d/%Y", False),
        (["03/04/2025", "05/06/2025"], "%d/%m/%Y", True),
        (["20250403", "20250413"], "%Y%m%d", False),
    ],
)
def test_date_formats_are_guessed_and_doubt_is_said(tmp_path, dates, form, asked):
    rows = "\n".join(f"A{i},7,{day},1.5" for i, day in enumerate(dates))
    (tmp_path / "orders.csv").write_text(f"order_id,customer_id,order_date,net_amount\n{rows}\n")
    proposal = propose_mapping(tmp_path, root=tmp_path)
    assert proposal.mapping["order_lines"]["source"]["date_format"] == form
    assert any("was taken" in question for question in proposal.questions) == asked


def test_the_proposal_is_text_for_a_file(german):
    shutil.copy(german / "Rechnungen.csv", german / "x\ninjected: yes.csv")
    text = propose_mapping(german, root=german).text
    loaded = yaml.safe_load(text)
    assert list(loaded) == ["version", "currency", "timezone", "language", "tables"]
    assert text.startswith("# guessed: ")
