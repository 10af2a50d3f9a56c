from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_ml.errors import DataError, Failure, UsageError
from crm_ml.tables import SCHEMAS, SourceSpec, TableMapping, from_frames, read_tables, room

COLUMNS = ["order_id", "line_no", "customer_id", "ordered_at", "net_amount"]
PLAIN = dict(zip(COLUMNS, COLUMNS, strict=True))


@pytest.fixture(params=["memory", "files"], autouse=True)
def kept_in(request, tmp_path_factory, monkeypatch):
    """Everything that is read here is read twice: kept in memory, and every column in files."""
    if request.param == "files":
        monkeypatch.setattr(room, "_SMALL", 0)
        folder = tmp_path_factory.mktemp("columns")
        monkeypatch.setitem(read_tables.__kwdefaults__, "room", room.DiskRoom(folder))
        yield
        assert not os.listdir(folder)
    else:
        yield


def _same(first, second) -> None:
    assert set(first.frames) == set(second.frames)
    for name, frame in first.frames.items():
        assert frame.schema.equals(second.frames[name].schema)
        assert frame.equals(second.frames[name])


def test_all_ways_in_give_the_same_table(tmp_path, orders, read, write_xlsx):
    expected = from_frames({"order_lines": orders})
    orders.to_parquet(tmp_path / "o.parquet")
    orders.to_csv(tmp_path / "o.csv", index=False)
    write_xlsx(orders, tmp_path / "o.xlsx")
    german = orders.assign(
        net_amount=["10,5", "-1,00", "1.234,5678", "0"], ordered_at=orders["ordered_at"].dt.strftime("%d.%m.%Y %H:%M")
    )
    german.to_csv(tmp_path / "de.csv", index=False, sep=";", encoding="cp1252")
    spec = {"path": "de.csv", "delimiter": ";", "encoding": "cp1252", "decimal": ",", "date_format": "%d.%m.%Y %H:%M"}
    for source in ("o.parquet", "o.csv", "o.xlsx", spec):
        _same(read({"order_lines": {"source": source}}), expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
            st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2100-01-01")),
            st.floats(-1e9, 1e9),
            st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=5)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_frames_and_parquet_agree(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["payment_id", "paid_at", "amount", "currency"]).assign(invoice_id="I")
    frame = frame.drop(columns="currency").astype({"paid_at": "datetime64[us]"})
    frame.to_parquet(tmp_path / "p.parquet")
    mapping = {"payments": TableMapping(source="p.parquet")}
    got = read_tables(mapping, root=tmp_path, zone="Europe/Berlin", currency="EUR")
    _same(got, from_frames({"payments": frame}))


def test_one_file_or_many_is_the_same(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "all.parquet")
    for number, part in enumerate([orders.iloc[3:], orders.iloc[:1, ::-1], orders.iloc[1:3]]):
        part.to_parquet(tmp_path / f"part-{number}.parquet")
    _same(read({"order_lines": "part-*.parquet"}), read({"order_lines": "all.parquet"}))


def test_files_of_different_types_are_put_together_without_loss(tmp_path, orders, read):
    orders["order_id"], orders["customer_id"] = [1, 1, 2, 3], ["5", "6", "7", "008"]
    expected = from_frames({"order_lines": orders})
    first = orders.iloc[:3].assign(order_id=[1.0, 1.0, 2.0], customer_id=[5.0, 6.0, 7.0])
    first.to_parquet(tmp_path / "a.parquet")
    last = orders.iloc[3:].assign(order_id=["3"], net_amount=[Decimal("0.00")])
    last["ordered_at"] = last["ordered_at"].dt.date
    last.to_parquet(tmp_path / "b.parquet")
    _same(read({"order_lines": "*.parquet"}), expected)


def test_a_file_without_a_mapped_column_is_named(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "a.parquet")
    orders.drop(columns="net_amount").to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r'must have the mapped column "net_amount", 1 have not: b\.parquet'):
        read({"order_lines": "*.parquet"})


def test_expressions_where_and_unmapped_columns(tmp_path, read):
    frame = pd.DataFrame(
        {
            "Invoice": ["C1", "2", None],
            "Customer ID": [17.0, 18.0, None],
            "Date": ["2025-01-01"] * 3,
            "q": [-2, 3, 1],
            "Price": [1.5, 2, 9],
            "x": 1,
        }
    )
    frame.to_parquet(tmp_path / "r.parquet")
    mapping = {
        "source": "r.parquet",
        "where": '"Customer ID" IS NOT NULL',
        "columns": {
            "order_id": "Invoice",
            "customer_id": "Customer ID",
            "ordered_at": "Date",
            "net_amount": {"sql": "q * Price -- net"},
            "line_no": {"sql": "CAST(row_number() OVER (ORDER BY Invoice) AS VARCHAR)"},
        },
    }
    tables = read({"order_lines": mapping})
    assert tables.frames["order_lines"].select(["order_id", "customer_id", "net_amount"]).to_pylist() == [
        {"order_id": "C1", "customer_id": "17", "net_amount": -30000},
        {"order_id": "2", "customer_id": "18", "net_amount": 60000},
    ]
    assert tables.mapped["order_lines"] == set(COLUMNS)
    assert [(f.code, f.examples) for f in tables.findings] == [("id_from_float", ()), ("unmapped_column", ("x",))]


def test_missing_values_come_with_the_where_that_leaves_them_out(tmp_path, orders, read):
    orders.rename(columns={"customer_id": "Kd Nr"}).assign(**{"Kd Nr": ["1", None, "", "2"]}).to_parquet(
        tmp_path / "o.parquet"
    )
    mapping = {"source": "o.parquet", "columns": {**PLAIN, "customer_id": "Kd Nr"}}
    with pytest.raises(DataError, match="must be filled in every row, 2 of 4") as caught:
        read({"order_lines": mapping})
    assert "`where: '\"Kd Nr\" IS NOT NULL'`" in caught.value.findings[0].remedy


def test_a_source_without_its_columns(tmp_path, orders, read):
    orders.rename(columns={"net_amount": "net_amout"}).to_parquet(tmp_path / "o.parquet")
    with pytest.raises(DataError, match='the required column "net_amount" is not mapped') as caught:
        read({"order_lines": "o.parquet"})
    assert 'Did you mean "net_amout"?' in str(caught.value)
    with pytest.raises(DataError, match='the source has no column "Betrag"') as caught:
        read({"order_lines": {"source": "o.parquet", "columns": {**PLAIN, "net_amount": "Betrag"}}})
    assert caught.value.code == "missing_column"


def test_all_tables_are_read_before_anything_is_raised(tmp_path, orders, read):
    (tmp_path / "empty.parquet").write_bytes(b"")
    orders.assign(net_amount="x").to_csv(tmp_path / "o.csv", index=False)
    with pytest.raises(DataError, match="the data cannot be used") as caught:
        read({"order_lines": "o.csv", "invoices": "none.parquet", "payments": "empty.parquet"})
    assert {(f.table, f.code) for f in caught.value.findings} == {
        ("order_lines", "not_a_number"),
        ("invoices", "missing_file"),
        ("payments", "unreadable_file"),
    }
    assert caught.value.exit_code == 3
    kept = read({"order_lines": "o.csv", "invoices": "none.parquet"}, strict=False)
    assert list(kept.frames) == ["order_lines"]
    assert read({"order_lines": "o.csv", "invoices": "none.parquet"}, strict=False, only=["surveys"]).frames == {}


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("none.csv", "missing_file", "there is no file none.csv"),
        ("none/*.csv", "missing_file", "no file matches none"),
        ("folder", "missing_file", "is a folder"),
        ("../outside.csv", "outside_workspace", "must stay inside the workspace"),
        ("folder/../../outside.csv", "outside_workspace", "must stay inside the workspace"),
        ("link.csv", "outside_workspace", "is a link that leaves the workspace"),
        ("linked/outside.csv", "outside_workspace", "is a link that leaves the workspace"),
        ("linked/*.csv", "outside_workspace", "is a link that leaves the workspace"),
        ("text.dat", "unknown_format", "does not tell its format"),
        ("not.parquet", "unreadable_file", "damaged, truncated or not a Parquet file"),
        ("not.xlsx", "unreadable_file", "not an XLSX file"),
        ("nul\0.csv", "missing_file", "NUL"),
        ("https://example.org/a.parquet", "missing_file", "there is no file"),
        ("s3://bucket/*.parquet", "missing_file", "no file matches"),
    ],
)
def test_sources_that_are_not_there(tmp_path, read, source, code, words):
    root = tmp_path / "ws"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for file in (
        tmp_path / "outside.csv",
        tmp_path / "elsewhere" / "outside.csv",
        root / "text.dat",
        root / "not.parquet",
        root / "not.xlsx",
    ):
        file.write_text("a,b\n1,2\n")
    (root / "link.csv").symlink_to(tmp_path / "outside.csv")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=words) as caught:
        read({"order_lines": source}, root=root)
    assert caught.value.code == code
    assert caught.value.findings[0].remedy


def test_links_inside_the_workspace_and_absolute_paths_are_followed(tmp_path, orders, read):
    root = tmp_path / "ws"
    root.mkdir()
    orders.to_parquet(root / "real.parquet")
    (root / "link.parquet").symlink_to(root / "real.parquet")
    orders.to_parquet(tmp_path / "outside.parquet")
    (tmp_path / "ws2").symlink_to(root)
    for source, base in [
        ("link.parquet", root),
        (str(tmp_path / "outside.parquet"), root),
        ("real.parquet", tmp_path / "ws2"),
    ]:
        assert len(read({"order_lines": source}, root=base).frames["order_lines"]) == 4


@pytest.mark.parametrize(
    "name", ["o[1].parquet", "o*?.parquet", "o'\"; --.parquet", "ö 🙂.parquet", "o$(x)`y`.parquet"]
)
def test_file_names_are_taken_literally(tmp_path, orders, read, name):
    orders.iloc[:1].to_parquet(tmp_path / "o1.parquet")
    orders.to_parquet(tmp_path / name)
    assert len(read({"order_lines": name}).frames["order_lines"]) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_without_rights_are_named(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "o.parquet")
    (tmp_path / "o.parquet").chmod(0)
    with pytest.raises(DataError, match=r"o\.parquet cannot be read"):
        read({"order_lines": "o.parquet"})


def test_every_damaged_file_is_named(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-20])
    (tmp_path / "c.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 files cannot be read: b\.parquet is damaged"):
        read({"order_lines": "*.parquet"})


def test_databases_are_refused(read):
    source = {"database": "erp", "query": "SELECT 1"}
    with pytest.raises(Failure, match="not supported yet") as caught:
        read({"order_lines": {"source": source}})
    assert caught.value.exit_code == 1
    assert read({"order_lines": {"source": source}}, strict=False).findings[0].code == "unsupported_source"


def test_attributes_and_known_from(tmp_path, read):
    (tmp_path / "leads.csv").write_text(
        "Nr;Angelegt am;Budget;Ort;Besuch\n1;01.02.2025;1.000,50;köln;02.02.2025\n2;03.02.2025;;bonn;\n",
        encoding="utf-8",
    )
    spec = {"path": "leads.csv", "delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}
    mapping = {
        "source": spec,
        "columns": {"lead_id": "Nr", "created_at": "Angelegt am"},
        "attributes": {
            "known_from": "created_at",
            "columns": {"budget": "Budget", "city": {"sql": "upper(Ort)"}, "visit": "Besuch"},
        },
        "known_from": {"industry": "created_at"},
    }
    tables = read({"leads": mapping}, zone="UTC")
    assert tables.frames["leads"].select(["budget", "city"]).to_pylist() == [
        {"budget": 1000.5, "city": "KÖLN"},
        {"budget": None, "city": "BONN"},
    ]
    assert tables.frames["leads"].schema.field("visit").type == pa.timestamp("us", "UTC")
    assert tables.attributes == {"leads": dict.fromkeys(["budget", "city", "visit"], "created_at")}
    assert tables.known_from == {"leads": {"industry": "created_at"}}
    del mapping["attributes"]["known_from"]
    held = read({"leads": mapping}, zone="UTC")
    assert held.frames["leads"].column_names == list(SCHEMAS["leads"].column_names)
    assert [f.code for f in held.findings] == ["attributes_held_back"]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"order_linse": {"source": "x"}}, 'unknown table "order_linse". Did you mean "order_lines"'),
        (
            {"order_lines": {"source": "x", "columns": {"amount": "a"}}},
            'unknown column "amount". Did you mean "net_amount"',
        ),
        ({"order_lines": {"source": "x", "attributes": {"columns": {"a": "b"}}}}, "customers and leads only"),
        ({"leads": {"source": "x", "attributes": {"columns": {"email": "b"}}}}, '"email" is taken'),
        ({"leads": {"source": "x", "known_from": {"industrie": "b"}}}, 'Did you mean "industry"'),
    ],
)
def test_unknown_names_are_usage_errors(read, mapping, words):
    with pytest.raises(UsageError, match=words.replace(".", r"\.")):
        read(mapping)


@pytest.mark.parametrize(
    "bad",
    [
        {"path": "a.csv", "delimter": ";"},
        {"path": "a.csv", "decimal": ";"},
        {"path": "a.csv", "header": "1"},
        {"path": "a.csv", "thousands": "."},
        {"path": "a.csv", "decimal": ",", "thousands": ","},
        {"path": "a.csv", "delimiter": ";;"},
        {"database": "x"},
        {},
    ],
)
def test_source_settings_are_strict(bad):
    with pytest.raises(ValueError, match="SourceSpec"):
        SourceSpec.model_validate(bad)


def test_a_wrong_value_in_the_mapping_is_not_shown():
    with pytest.raises(ValueError, match="validation error") as caught:
        TableMapping.model_validate({"source": 5, "where": ["secret-password"]})
    assert "secret-password" not in str(caught.value)


def test_column_names_that_differ_in_case_only(tmp_path, orders, read):
    table = pa.Table.from_pandas(orders, preserve_index=False)
    table = table.append_column("NET_AMOUNT", pa.array([1, 2, 3, 4]))
    pq.write_table(table, tmp_path / "o.parquet")
    assert read({"order_lines": "o.parquet"}).frames["order_lines"]["net_amount"].to_pylist()[0] == 105000


def test_binary_text_is_refused_with_a_way_out(tmp_path, orders, read):
    table = pa.Table.from_pandas(orders.assign(customer_id=[b"1"] * 4), preserve_index=False)
    pq.write_table(table, tmp_path / "o.parquet")
    with pytest.raises(DataError, match="must hold text, found values of type binary"):
        read({"order_lines": "o.parquet"})
    columns = {**PLAIN, "customer_id": {"sql": "decode(customer_id)"}}
    assert len(read({"order_lines": {"source": "o.parquet", "columns": columns}}).frames["order_lines"]) == 4


@pytest.mark.real
def test_real_orders():
    folder = os.environ.get("CRM_ML_REAL_DATA")
    if not folder:
        pytest.skip("CRM_ML_REAL_DATA does not name the folder of real data")
    mapping = TableMapping.model_validate(
        {
            "source": str(Path(folder) / "online_retail_ii_until_2011-05-31.parquet"),
            "where": "\"Customer ID\" IS NOT NULL AND Price > 0 AND NOT (sheet = 'Year 2009-2010' AND InvoiceDate >= "
            "TIMESTAMP '2010-12-01')",
            "columns": {
                "order_id": "Invoice",
                "customer_id": "Customer ID",
                "ordered_at": "InvoiceDate",
                "product_id": "StockCode",
                "quantity": "Quantity",
                "net_amount": {"sql": "Quantity * Price"},
            },
        }
    )
    tables = read_tables({"order_lines": mapping}, root=Path(folder), zone="Europe/London", currency="GBP")
    frame = tables.frames["order_lines"]
    assert len(frame) == 551_741
    assert not frame["customer_id"].null_count
    assert {f.severity for f in tables.findings} == {"info"}
