"""Columns that lie in files are the columns they were, and leave nothing behind."""

from __future__ import annotations

import datetime as dt
import gc
import os
import sys
import threading
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_ml.errors import Failure
from crm_ml.tables import TableMapping, room
from crm_ml.tables.identifiers import coded
from crm_ml.tables.room import MEMORY, DiskRoom
from crm_ml.tables.size import BASE_BYTES, memory_needed, memory_there

KINDS = {
    "whole": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "short": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "double": (pa.float64(), st.floats(allow_nan=False)),
    "truth": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text(st.characters(codec="utf-8"), max_size=4)),
    "day": (pa.date32(), st.dates()),
    "time": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "amount": (pa.decimal128(20, 4), st.integers(-(10**9), 10**9).map(lambda x: Decimal(x) / 10_000)),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(0, 9), max_size=2)),
    "nothing": (pa.null(), st.none()),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in KINDS.items()])
ROWS = st.lists(st.tuples(*(st.none() | values for _, values in KINDS.values())), max_size=12)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A room that keeps the smallest columns in files."""
    monkeypatch.setattr(room, "_SMALL", 0)
    return DiskRoom(tmp_path)


def table_of(rows):
    columns = list(zip(*rows, strict=True)) if rows else [[]] * len(KINDS)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def mapped_files() -> int:
    with open("/proc/self/maps") as maps:
        return sum("(deleted)" in line for line in maps)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=4), st.integers(0, 3), st.integers(1, 30))
def test_streams_of_any_cut_are_gathered_whole(files, pieces, skip, letters):
    # slices begin in the middle of bytes of their bitmaps
    batches = [table_of(rows).combine_chunks().slice(skip).to_batches() for rows in pieces]
    flat = [batch for some in batches for batch in some]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_MOST_LETTERS", max(letters, 16))
        found = files.gathered(pa.RecordBatchReader.from_batches(SCHEMA, flat))
    found.validate(full=True)
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == pa.Table.from_batches(flat, SCHEMA).to_pylist()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.integers(0, 5), st.randoms())
def test_arrays_are_the_same_in_files(files, rows, skip, random):
    table = table_of(rows)
    kept = [random.random() < 0.5 for _ in rows]
    for column in [*(column.combine_chunks() for column in table.columns), coded(table["text"].combine_chunks())]:
        some = column.slice(skip)
        found = files.array(some)
        files.rest()
        found.validate(full=True)
        assert found.equals(some)
        in_files = found.buffers()[-1] is not None and found.buffers()[-1].size and not pa.types.is_nested(found.type)
        assert files.array(found) is found or pa.types.is_dictionary(found.type) or not in_files
    masked = files.filtered(table, np.array(kept, bool))
    assert masked.to_pylist() == [row for row, keep in zip(table.to_pylist(), kept, strict=True) if keep]
    assert files.table(table).to_pylist() == table.to_pylist()


def test_texts_beyond_the_reach_of_their_offsets_come_in_pieces(files, monkeypatch):
    monkeypatch.setattr(room, "_MOST_LETTERS", 10)
    batches = [pa.record_batch({"x": ["abcd", None, "e"]}), pa.record_batch({"x": ["fghij", "k"]})]
    found = files.gathered(pa.RecordBatchReader.from_batches(batches[0].schema, batches))
    assert found["x"].num_chunks == 2
    assert found["x"].to_pylist() == ["abcd", None, "e", "fghij", "k"]
    monkeypatch.setattr(room, "_MOST_LETTERS", 11)
    assert files.gathered(pa.RecordBatchReader.from_batches(batches[0].schema, batches))["x"].num_chunks == 1


def test_numbers_are_kept_with_their_type(files):
    for values in (np.arange(5, dtype=np.int32), np.array([0.5, np.nan]), np.arange(10)[::2], np.zeros(0)):
        found = files.numbers(values)
        assert found.dtype == values.dtype
        assert np.array_equal(found, values, equal_nan=values.dtype.kind == "f")
        assert MEMORY.numbers(values) is values


def test_files_have_no_names_and_vanish_with_their_columns(tmp_path):
    gc.collect()
    before, files = mapped_files(), DiskRoom(tmp_path)
    column = files.array(pa.array(np.arange(500_000)))
    part = column.slice(400_000, 3)
    assert mapped_files() == before + 1
    assert os.listdir(tmp_path) == []
    del column
    gc.collect()
    assert part.to_pylist() == [400_000, 400_001, 400_002]
    assert mapped_files() == before + 1
    del part
    gc.collect()
    assert mapped_files() == before
    assert files._maps == {}


def test_what_is_looked_at_weighs_nothing_after_a_rest(tmp_path):
    def resident() -> int:
        with open("/proc/self/status") as status:
            return sum(int(line.split()[1]) for line in status if line.startswith(("RssFile:", "RssShmem:")))

    files = DiskRoom(tmp_path)
    column = files.array(pa.array(np.arange(8_000_000)))  # 64 MB
    files.rest()
    before = resident()
    assert int(column.to_numpy().sum()) == 8_000_000 * 7_999_999 // 2
    looked_at = resident()
    files.rest()
    assert looked_at - before > 50_000
    assert resident() - before < 10_000


def test_looking_at_much_lets_go_by_itself(tmp_path, monkeypatch):
    rests = []
    files = DiskRoom(tmp_path)
    monkeypatch.setattr(files, "rest", lambda: rests.append(1))
    monkeypatch.setattr(room, "_BYTES_BETWEEN_RESTS", 100)
    for _ in range(10):
        files.looked_at(30)
    assert len(rests) == 2


def test_threads_may_rest_while_others_look(tmp_path):
    files = DiskRoom(tmp_path)
    column = files.array(pa.array(np.arange(2_000_000))).to_numpy()
    done = threading.Event()

    def resting() -> None:
        while not done.is_set():
            files.rest()

    thread = threading.Thread(target=resting)
    thread.start()
    try:
        for _ in range(20):
            assert int(column.sum()) == 2_000_000 * 1_999_999 // 2
    finally:
        done.set()
        thread.join()


def test_columns_may_vanish_while_others_rest_or_are_made(files):
    kept = [files.array(pa.array([number])) for number in range(300)]
    found: list[Exception] = []
    done = threading.Event()

    def resting() -> None:
        try:
            while not done.is_set():
                files.rest()
                files.array(kept[0])
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=resting)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for number in range(3000):
            files.array(pa.array([number]))
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(switching)
    assert not found


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(Failure, match=r"cannot be set aside in .*gone: No such file") as refused:
        DiskRoom(tmp_path / "gone").array(pa.array(np.arange(200_000)))
    assert "memory_gb" in refused.value.remedy


def test_what_tables_need_is_told_from_their_files(tmp_path):
    pq.write_table(pa.table({"a": range(1000), "b": range(1000), "c": range(1000)}), tmp_path / "x.parquet")
    (tmp_path / "y.csv").write_text("lead_id\n" + "1\n" * 500)
    mappings = {
        "order_lines": TableMapping.model_validate(
            {"source": "x.parquet", "columns": {"order_id": "a", "product_id": "b"}}
        ),
        "customers": TableMapping.model_validate({"source": "x.parquet"}),
        "leads": TableMapping.model_validate({"source": "y.csv"}),
        "deals": TableMapping.model_validate({"source": "gone.parquet"}),
    }
    assert memory_needed(mappings, root=tmp_path) - BASE_BYTES == 1000 * 12 * (2 + 3) + 4 * 1008
    assert memory_needed(mappings, root=tmp_path, only=["leads"]) - BASE_BYTES == 4 * 1008
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert memory_needed(mappings, root=tmp_path, only=["order_lines", "deals"]) == BASE_BYTES


def test_a_control_group_may_have_less_than_the_machine(tmp_path, monkeypatch):
    from crm_ml.tables import size

    (tmp_path / "most").write_text("max\n")
    (tmp_path / "less").write_text("1234567\n")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(size, "_CGROUPS", (str(tmp_path / "most"), str(tmp_path / "none")))
    assert memory_there() == machine
    monkeypatch.setattr(size, "_CGROUPS", (str(tmp_path / "most"), str(tmp_path / "less")))
    assert memory_there() == 1_234_567
