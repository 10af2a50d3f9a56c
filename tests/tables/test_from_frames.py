from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.errors import DataError, UsageError
from crm_ml.tables import SCHEMAS, check_tables, from_frames
from crm_ml.tables.values import ARROW_TYPES


def _payments(rows, columns="payment_id invoice_id paid_at amount known_at") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split()[: len(rows[0])])


def test_all_canonical_columns_in_their_types(orders):
    frame = from_frames({"order_lines": orders}).frames["order_lines"]
    schema = SCHEMAS["order_lines"]
    assert frame.column_names == list(schema.column_names)
    assert [field.type for field in frame.schema] == [ARROW_TYPES[column.type] for column in schema.columns]
    assert frame["net_amount"].to_pylist() == [105000, -10000, 12345678, 0]
    assert str(frame["ordered_at"][0]) == "2025-01-31 07:15:00+00:00"
    assert frame["known_at"].to_pylist() == frame["ordered_at"].to_pylist()
    assert frame["product_id"].null_count == 4


def test_row_and_column_order_never_matter(orders):
    first = from_frames({"order_lines": orders})
    other = from_frames({"order_lines": orders.iloc[::-1, ::-1]})
    assert first.frames["order_lines"].equals(other.frames["order_lines"])


def test_lines_without_a_number_are_all_kept_and_numbered():
    rows = [
        ("A", "7", "2025-01-02", 5),
        ("A", "7", "2025-01-01", 9),
        ("A", "7", "2025-01-01", 9),
        ("B", "7", "2025-01-01", 1),
    ]
    frame = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "net_amount"])
    tables = from_frames({"order_lines": frame})
    got = tables.frames["order_lines"].select(["order_id", "line_no", "net_amount"]).to_pylist()
    assert [tuple(row.values()) for row in got] == [
        ("A", "000001", 90000),
        ("A", "000002", 90000),
        ("A", "000003", 50000),
        ("B", "000001", 10000),
    ]
    found = [f for f in tables.findings if f.code == "duplicate_line"]
    assert [(f.severity, f.count, f.examples) for f in found] == [("info", 1, ("A",))]


def test_numbers_of_lines_do_not_depend_on_lines_that_come_later():
    columns = ["order_id", "customer_id", "ordered_at", "net_amount", "known_at"]
    early = [("A", "7", "2025-01-02", 5, None), ("A", "7", "2025-01-03", 4, None)]
    late = [("A", "1", "2025-01-01", 1, "2025-02-01"), ("A", "1", "2025-01-05", 1, None)]
    few = from_frames({"order_lines": pd.DataFrame(early, columns=columns)}).frames["order_lines"]
    more = from_frames({"order_lines": pd.DataFrame(late + early, columns=columns)}).frames["order_lines"]
    assert more.filter(pc.equal(more["customer_id"], "7")).combine_chunks().equals(few)


def test_exact_repeats_are_dropped_and_conflicts_set_aside():
    rows = [
        ("P1", "I1", "2025-01-05", 1),
        ("P1", "I1", "2025-01-05", 1),
        ("P1", "I1", "2025-01-03", 9),
        ("P2", "I1", "2025-01-01", 2),
    ]
    tables = from_frames({"payments": _payments(rows)})
    frame = tables.frames["payments"]
    assert frame.select(["payment_id", "amount"]).to_pylist() == [
        {"payment_id": "P1", "amount": 90000},
        {"payment_id": "P2", "amount": 20000},
    ]
    assert [(f.severity, f.code, f.count) for f in tables.findings] == [
        ("info", "duplicate_row", 1),
        ("warning", "duplicate_key", 1),
    ]
    aside = tables.quarantine["payments"]
    assert aside.select(["payment_id", "amount", "quarantined_because"]).to_pylist() == [
        {"payment_id": "P1", "amount": 10000, "quarantined_because": "duplicate_key"}
    ]


def test_rows_with_known_at_are_versions_and_all_kept():
    rows = [
        ("P1", "I1", "2025-01-05", 1, "2025-01-05"),
        ("P1", "I1", "2025-01-05", 2, "2025-02-05"),
        ("P1", "I1", "2025-01-04", 3, "2025-02-05"),
        ("P1", "I1", "2025-01-05", 1, None),
    ]
    tables = from_frames({"payments": _payments(rows)}, zone="UTC")
    assert tables.frames["payments"]["amount"].to_pylist() == [10000, 30000]
    assert [f.code for f in tables.findings] == ["duplicate_row", "duplicate_key"]


def test_of_conflicting_rows_the_choice_ignores_what_is_known_later():
    columns = ["contract_id", "customer_id", "starts_at", "cancelled_at", "monthly_value"]
    rows = [("C", "7", "2025-01-01", "2026-01-01", 5), ("C", "7", "2025-01-01", "2025-06-01", 8)]
    frame = from_frames({"contracts": pd.DataFrame(rows, columns=columns)}).frames["contracts"]
    assert frame["monthly_value"].to_pylist() == [50000]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_delivering_rows_twice_in_any_order_changes_nothing(again, random):
    rows = [(f"P{i}", "I1", f"2025-01-0{i + 1}", i) for i in range(4)]
    doubled = rows + [rows[i] for i in again]
    random.shuffle(doubled)
    once = from_frames({"payments": _payments(rows)}).frames["payments"]
    assert from_frames({"payments": _payments(doubled)}).frames["payments"].equals(once)


def test_missing_and_wrong_values_are_all_said_at_once(orders):
    orders["net_amount"] = ["abc", "1", "3", "2"]
    frames = {"order_lines": orders.drop(columns="ordered_at"), "invoices": pd.DataFrame({"invoice_id": ["1"]})}
    with pytest.raises(DataError, match="the frames do not fit") as caught:
        from_frames(frames)
    assert {(f.table, f.code, f.column) for f in caught.value.findings} == {
        ("order_lines", "missing_column", "ordered_at"),
        ("order_lines", "not_a_number", "net_amount"),
        *(("invoices", "missing_column", column) for column in ("customer_id", "issued_at", "due_at", "amount")),
    }


def test_errors_name_table_column_count_and_examples(orders):
    orders["net_amount"] = ["abc", "1", None, "2"]
    orders.loc[0, "customer_id"] = ""
    with pytest.raises(DataError, match="customer_id") as caught:
        from_frames({"order_lines": orders})
    assert [(f.table, f.column, f.code, f.count, f.examples) for f in caught.value.findings] == [
        ("order_lines", "customer_id", "null_required", 1, ()),
        ("order_lines", "net_amount", "not_a_number", 1, ("abc",)),
        ("order_lines", "net_amount", "null_required", 1, ()),
    ]
    assert caught.value.exit_code == 3
    kept = from_frames({"order_lines": orders}, strict=False)
    assert len(kept.frames["order_lines"]) == 2
    assert kept.quarantine["order_lines"]["quarantined_because"].to_pylist() == ["incomplete"] * 2


def test_nulls_elsewhere_are_a_warning():
    invoices = pd.DataFrame(
        {"invoice_id": ["1"], "customer_id": ["7"], "issued_at": ["2025-01-01"], "due_at": [None], "amount": [1]}
    )
    tables = from_frames({"invoices": invoices})
    assert [(f.severity, f.code, f.column) for f in tables.findings] == [("warning", "null_value", "due_at")]
    assert len(tables.frames["invoices"]) == 1


def test_values_outside_the_vocabulary_are_kept():
    contacts = pd.DataFrame(
        {
            "interaction_id": [1, 2],
            "customer_id": ["7"] * 2,
            "occurred_at": ["2025-01-01"] * 2,
            "channel": ["Fax", "email"],
            "topic": ["x", None],
        }
    )
    tables = from_frames({"interactions": contacts})
    assert tables.frames["interactions"]["channel"].to_pylist() == ["Fax", "email"]
    assert [(f.severity, f.code, f.column, f.count) for f in tables.findings] == [
        ("warning", "other_value", "channel", 1),
        ("info", "other_value", "topic", 1),
    ]


def test_internal_customers_are_left_out_with_everything_that_hangs_on_them():
    frames = {
        "customers": pd.DataFrame({"customer_id": ["1", "2"], "status": ["internal", "active"]}),
        "invoices": pd.DataFrame(
            {
                "invoice_id": ["a", "b"],
                "customer_id": ["1", "2"],
                "issued_at": ["2025-01-01"] * 2,
                "due_at": ["2025-02-01"] * 2,
                "amount": [1, 2],
            }
        ),
        "payments": _payments([("p", "a", "2025-01-02", 1), ("q", "b", "2025-01-02", 1)]),
    }
    tables = from_frames(frames)
    assert {name: len(frame) for name, frame in tables.frames.items()} == {"customers": 1, "invoices": 1, "payments": 1}
    assert tables.frames["payments"]["payment_id"].to_pylist() == ["q"]
    assert check_tables(tables)[0].code == "absent_table"


@pytest.mark.parametrize(
    "text", ["\0", "a\nb", "x" * 100_000, "🙂", "\u202eabc", "=cmd()", "<b>", "\ud800", "'; DROP TABLE x; --"]
)
def test_strange_texts_are_kept(text, orders):
    customers = pd.DataFrame({"customer_id": [text, "2"], "name": [text, "b"]}, dtype=object)
    tables = from_frames({"customers": customers})
    shown = text.encode("utf-8", "backslashreplace").decode()
    assert shown in tables.frames["customers"]["name"].to_pylist()
    assert shown in tables.frames["customers"]["customer_id"].to_pylist()


def test_composed_and_decomposed_keys_are_one():
    rows = [("Mu\u0308ller", "I", "2025-01-01", 1), ("M\u00fcller", "I", "2025-01-01", 1)]
    assert len(from_frames({"payments": _payments(rows)}).frames["payments"]) == 1


def test_columns_of_mixed_types():
    customers = pd.DataFrame({"customer_id": [1, "007", 17.0], "employees": [1, "2", None]}, dtype=object)
    frame = from_frames({"customers": customers}).frames["customers"]
    assert frame["customer_id"].to_pylist() == ["1", "17", "007"]  # shorter ones first
    assert frame["employees"].to_pylist() == [1, None, 2]


def test_attributes_need_a_time():
    customers = pd.DataFrame(
        {
            "customer_id": ["1"],
            "customer_since": ["2020-01-01"],
            "size": [3],
            "color": ["red"],
            "visited": pd.to_datetime(["2021-01-01"]),
        }
    )
    tables = from_frames({"customers": customers}, attributes={"customers": {"size": "customer_since", "visited": ""}})
    assert tables.attributes == {"customers": {"size": "customer_since", "visited": ""}}
    assert tables.frames["customers"].schema.field("size").type == pa.float64()
    assert tables.frames["customers"].schema.field("visited").type == pa.timestamp("us", "UTC")
    assert "color" not in tables.frames["customers"].column_names
    assert [(f.code, f.examples) for f in tables.findings] == [("unmapped_column", ("color",))]
    with pytest.raises(DataError, match='must be a time column of this table, found "siz"'):
        from_frames({"customers": customers}, attributes={"customers": {"size": "siz"}})


def test_zero_rows_and_absent_tables(orders):
    tables = from_frames({"order_lines": orders.iloc[:0]})
    assert [(f.severity, f.code) for f in tables.findings] == [("warning", "empty_table")]
    assert len(tables.frames["order_lines"]) == 0
    assert tables.frames["order_lines"].schema.field("net_amount").type == pa.int64()
    assert from_frames({}).frames == {}


def test_foreign_currency_needs_a_rate(orders):
    orders["currency"] = ["EUR", None, "usd", "USD"]
    with pytest.raises(DataError, match="the table rates must hold a rate") as caught:
        from_frames({"order_lines": orders})
    assert caught.value.findings[0].count == 2
    rates = pd.DataFrame(
        {"currency": ["USD"] * 3, "valid_from": ["2025-01-01", "2025-06-30", "2026-01-01"], "rate": [0.9, 0.5, 7.0]}
    )
    orders["quantity"] = 3
    frame = from_frames({"order_lines": orders.assign(net_amount=[1, 1, 10.0001, 0.0001]), "rates": rates}).frames[
        "order_lines"
    ]
    # 10.0001 x 0.9 = 9.00009, 0.0001 x 0.5 = 0.00005: both half up in the fourth digit
    assert frame["net_amount"].to_pylist() == [10000, 10000, 90001, 1]
    assert frame["currency"].to_pylist() == ["EUR", None, "EUR", "EUR"]
    assert frame["quantity"].to_pylist() == [30000] * 4
    with pytest.raises(DataError, match="rates must lie above 0"):
        from_frames({"order_lines": orders, "rates": rates.assign(rate=[1e300, -1.0, 0.0])})
    with pytest.raises(DataError, match="neither"):
        from_frames({"order_lines": orders, "rates": rates.iloc[1:2]})


def test_unknown_tables_are_a_usage_error(orders):
    with pytest.raises(UsageError, match='Did you mean "order_lines"'):
        from_frames({"orderlines": orders})
    with pytest.raises(UsageError, match="time zone database"):
        from_frames({"order_lines": orders}, zone="Mars")


def test_the_callers_frames_stay_as_they_are(orders):
    before = orders.copy(deep=True)
    from_frames({"order_lines": orders})
    pd.testing.assert_frame_equal(orders, before)
    assert np.array_equal(orders.index, before.index)
