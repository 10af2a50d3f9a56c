from __future__ import annotations

import pytest

from crm_ml.errors import DataError

HEAD = "Nr;Kunde;Datum;Betrag\n"
COLUMNS = {"order_id": "Nr", "customer_id": "Kunde", "ordered_at": "Datum", "net_amount": "Betrag"}
SPEC = {"path": "o.csv", "delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}


@pytest.fixture
def orders_csv(tmp_path, read):
    """Write the text (or bytes) and read it with the settings."""

    def _run(content, columns=None, where=None, **spec):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "o.csv").write_bytes(data)
        source = {key: value for key, value in {**SPEC, **spec}.items() if value is not None}
        mapping = {"source": source, "columns": COLUMNS if columns is None else columns}
        return read({"order_lines": mapping if where is None else {**mapping, "where": where}}).frames["order_lines"]

    return _run


def test_declared_german_notation(orders_csv):
    frame = orders_csv(HEAD + "A;00123;31.12.2026;1.234,56\nB;00123;01.01.2027;-5\n")
    assert frame["customer_id"].to_pylist() == ["00123", "00123"]
    assert frame["net_amount"].to_pylist() == [12345600, -50000]
    assert str(frame["ordered_at"][0]) == "2026-12-30 23:00:00+00:00"


@pytest.mark.parametrize(
    ("content", "spec", "code", "words"),
    [
        (HEAD + "A;1;31.12.2026;1\n", {"delimiter": None}, "wrong_delimiter", "has one column with delimiter ','"),
        (HEAD + "A;1;31.12.2026;1,5\n", {"delimiter": "\t"}, "wrong_delimiter", 'delimiter: ";"'),
        (HEAD + "A;1;31.12.2026;1.234,56\n", {"decimal": None}, "wrong_decimal", 'decimal: ","'),
        (HEAD + "A;1;31.12.2026;1.234\n", {"decimal": None}, "ambiguous_number", "1.234 may be 1234 or 1,234"),
        (HEAD + "A;1;31.12.2026;12,5\n", {"decimal": "."}, "not_a_number", 'declared: decimal "."'),
        (HEAD + "A;1;31.12.2026;12 EUR\n", {}, "not_a_number", "found text"),
        (HEAD + "A;1;31.12.2026;nan\n", {}, "not_finite", "NaN or infinity"),
        (HEAD + "A;1;31.12.2026;1\n", {"date_format": None}, "not_a_time", 'date_format: "%d.%m.%Y"'),
        (HEAD + "A;1;12/31/2026;1\n", {}, "not_a_time", "written as %d.%m.%Y"),
        (HEAD + "A;Müller;31.12.2026;1\n", {"encoding": "ascii"}, "wrong_encoding", "in line 2 cannot be decoded"),
        ((HEAD + "A;Müller;31.12.2026;1\n").encode("cp1252"), {}, "wrong_encoding", "encoding: cp1252"),
        ((HEAD + "A;1;31.12.2026;1\n").encode("utf-16"), {}, "wrong_encoding", "encoding: utf-16"),
        (HEAD + "A;Müller;31.12.2026;1\n", {"encoding": "cp1252"}, "wrong_encoding", "is written in utf-8"),
        (HEAD, {"encoding": "klingon"}, "unknown_encoding", "not a known text encoding"),
        (HEAD, {"encoding": "rot13"}, "unknown_encoding", "not a known text encoding"),
        (HEAD + "A;1;31.12.2026\nB;1;31.12.2026;1;2\n", {}, "wrong_column_count", "2 rows have another number"),
        (HEAD + '"A;1;31.12.2026;1\n', {}, "wrong_column_count", "1 rows have another number"),
        ("Nr;Nr;Datum;Betrag\n", {}, "duplicate_column", "columns of the same name: Nr"),
        ("\n\n", {}, "unreadable_file", "holds no column names"),
        (HEAD, {"header": 9}, "unreadable_file", "holds no column names"),
    ],
)
def test_what_is_declared_wrong_is_refused(orders_csv, content, spec, code, words):
    with pytest.raises(DataError, match="the data cannot be used") as caught:
        orders_csv(content, **spec)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1", "cp850"])
def test_declared_encodings(orders_csv, encoding):
    frame = orders_csv((HEAD + "Ä;Größe;31.12.2026;1\n").encode(encoding), encoding=encoding)
    assert frame["customer_id"].to_pylist() == ["Größe"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(orders_csv):
    assert len(orders_csv(b"\xef\xbb\xbf" + (HEAD + "A;1;31.12.2026;1\n").encode())) == 1


def test_lines_above_the_header_quotes_and_line_ends(orders_csv):
    text = 'Export vom 1.1.\r\n\r\nNr;"Kun\nde";Datum;Betrag\r\nA;"x;""y""\nz";31.12.2026;1\r\n'
    frame = orders_csv(text, header=3, columns={**COLUMNS, "customer_id": "Kun\nde"})
    assert frame["customer_id"].to_pylist() == ['x;"y"\nz']


def test_very_long_texts_and_nul(orders_csv):
    long = "x" * 100_000
    frame = orders_csv(HEAD + f"A;{long};31.12.2026;1\nB;a\0b;31.12.2026;1\n")
    assert sorted(map(len, frame["customer_id"].to_pylist())) == [3, 100_000]


def test_only_a_header(orders_csv):
    assert len(orders_csv(HEAD)) == 0
    assert len(orders_csv(HEAD.strip())) == 0


def test_plain_numbers_and_iso_dates_need_no_declaration(orders_csv):
    frame = orders_csv(HEAD + "A;1;2026-12-31 08:15;1234.5\nB;1;2026-12-31;0.125\n", decimal=None, date_format=None)
    assert frame["net_amount"].to_pylist() == [12345000, 1250]


def test_calculating_with_text_columns(orders_csv):
    content = "Nr;Kunde;Datum;Menge;Preis\nA;1;31.12.2026;2;1.234,50\nB;1;31.12.2026;3;2\nC;1;31.12.2026;;2\n"
    columns = {
        **COLUMNS,
        "net_amount": {"sql": "number(Menge) * number(Preis)"},
        "delivery_at": {"sql": "instant(Datum) + INTERVAL 1 DAY"},
    }
    frame = orders_csv(content, columns=columns, where="number(Menge) IS NOT NULL")
    assert frame["net_amount"].to_pylist() == [24690000, 60000]
    assert str(frame["delivery_at"][0]) == "2026-12-31 23:00:00+00:00"
    with pytest.raises(DataError, match=r"write number\(COLUMN\)"):
        orders_csv(content, columns={**COLUMNS, "net_amount": {"sql": "Menge * Preis"}})
    with pytest.raises(DataError, match="is not a number in the declared notation"):
        orders_csv(content.replace("1.234,50", "1.23,5"), columns=columns)
    with pytest.raises(DataError, match="has two readings"):
        orders_csv(content.replace("1.234,50", "1.234"), columns=columns, decimal=None)
