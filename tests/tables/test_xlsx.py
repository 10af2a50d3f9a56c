from __future__ import annotations

import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.tables import from_frames


def test_sheet_header_and_numbers_written_as_text(tmp_path, orders, read, write_xlsx):
    write_xlsx(orders, tmp_path / "o.xlsx", sheet="Aufträge", skip=2)
    spec = {"path": "o.xlsx", "sheet": "Aufträge", "header": 3}
    assert (
        read({"order_lines": {"source": spec}})
        .frames["order_lines"]
        .equals(from_frames({"order_lines": orders}).frames["order_lines"])
    )
    assert len(read({"order_lines": {"source": {**spec, "sheet": 1}}}).frames["order_lines"]) == 4


def test_mixed_cells(tmp_path, read, write_xlsx):
    frame = pd.DataFrame(
        {
            "order_id": [17.0, "A", 18],
            "customer_id": ["007", 8, 9.0],
            "ordered_at": pd.to_datetime(["2025-01-01"] * 3),
            "net_amount": [1.234, "5,5", 2],
        }
    )
    write_xlsx(frame, tmp_path / "o.xlsx")
    tables = read({"order_lines": {"source": {"path": "o.xlsx", "decimal": ","}}})
    got = tables.frames["order_lines"].select(["order_id", "customer_id", "net_amount"]).to_pylist()
    assert [tuple(row.values()) for row in got] == [("A", "8", 55000), ("18", "9", 20000), ("17", "007", 12340)]


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"sheet": "Blat1"}, "missing_sheet", 'Did you mean "Blatt1"'),
        ({"sheet": 2}, "missing_sheet", "has no sheet 2, only Blatt1"),
        ({"header": 40}, "unreadable_file", "holds no column names"),
    ],
)
def test_wrong_sheets(tmp_path, orders, read, write_xlsx, spec, code, words):
    write_xlsx(orders, tmp_path / "o.xlsx")
    with pytest.raises(DataError, match=words) as caught:
        read({"order_lines": {"source": {"path": "o.xlsx", **spec}}})
    assert caught.value.code == code


def test_error_cells_and_serial_numbers_are_no_amounts_or_dates(tmp_path, orders, read, write_xlsx):
    write_xlsx(orders.assign(net_amount=["#N/A", 1, 2, 3]), tmp_path / "o.xlsx")
    with pytest.raises(DataError, match="must hold numbers, found text"):
        read({"order_lines": "o.xlsx"})
    write_xlsx(orders.assign(ordered_at=[45_000] * 4), tmp_path / "o.xlsx")
    with pytest.raises(DataError, match="must hold dates or times, found values of type int64"):
        read({"order_lines": "o.xlsx"})


def test_several_workbooks(tmp_path, orders, read, write_xlsx):
    write_xlsx(orders.iloc[:2], tmp_path / "a.xlsx")
    write_xlsx(orders.iloc[2:, ::-1].assign(order_id=["A2", 3]), tmp_path / "b.xlsx")
    frame = read({"order_lines": "*.xlsx"}).frames["order_lines"]
    assert frame["order_id"].to_pylist() == ["A1", "A1", "A2", "3"]


def test_a_flipped_bit_is_noticed_wherever_it_stands(tmp_path, orders, read, write_xlsx):
    """Workbooks carry checksums: whatever is read after one bit turned is what was written, or nothing is."""
    path = tmp_path / "o.xlsx"
    write_xlsx(orders, path)
    raw, wanted = path.read_bytes(), read({"order_lines": "o.xlsx"}).frames["order_lines"]
    refused = 0
    for at in range(0, len(raw), max(1, len(raw) // 60)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(bytes(damaged))
        try:
            found = read({"order_lines": "o.xlsx"}).frames["order_lines"]
        except DataError:
            refused += 1
        else:
            assert found.equals(wanted), at
    assert refused > 20
