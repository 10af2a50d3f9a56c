from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.errors import UsageError
from crm_ml.tables.parsing import TextRules
from crm_ml.tables.place import Place
from crm_ml.tables.times import text_to_instants
from crm_ml.tables.values import to_instant
from crm_ml.tables.zones import check_zone, local_to_utc, utc_to_local

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"]
EPOCH = datetime(1970, 1, 1)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@settings(max_examples=300, deadline=None)
@given(st.datetimes(datetime(1902, 1, 1), datetime(2198, 1, 1)), st.sampled_from(ZONES))
def test_local_times_mean_what_zoneinfo_says_with_fold_0(moment, zone):
    expected = moment.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    assert local_to_utc(np.array([_us(moment)]), zone).tolist() == [_us(expected)]
    local = expected.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert utc_to_local(np.array([_us(expected)]), zone).tolist() == [_us(local)]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-03-31 02:30", "2024-03-31 01:30"),  # skipped: moved forward by the hour that is missing
        ("2024-03-31 03:30", "2024-03-31 01:30"),
        ("2024-10-27 02:30", "2024-10-27 00:30"),  # happens twice: the first pass
        ("2024-10-27 03:00", "2024-10-27 02:00"),
    ],
)
def test_hours_around_a_change_of_the_clock(local, utc):
    found = local_to_utc(np.array([_us(datetime.fromisoformat(local))]), "Europe/Berlin")
    assert found.tolist() == [_us(datetime.fromisoformat(utc))]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
def test_duckdb_agrees_on_all_hours_of_a_year_that_exist_once(zone):
    hours = np.arange(_us(datetime(2024, 1, 1)), _us(datetime(2025, 1, 1)), 3_600_000_000)
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.register("hours", pa.table({"h": pa.array(hours).view(pa.timestamp("us"))}))
        theirs = connection.sql("SELECT epoch_us(h::TIMESTAMPTZ) AS u FROM hours").to_arrow_table()["u"].to_numpy()
    ours = local_to_utc(hours, zone)
    once = utc_to_local(ours, zone) == hours
    again = np.isin(hours, utc_to_local(ours + 3_600_000_000, zone)) & (ours != local_to_utc(hours, zone))
    assert (ours == theirs)[once & ~again].mean() > 0.9997  # the hour that happens twice may be read either way


@settings(max_examples=30, deadline=None)
@given(st.lists(st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1)), min_size=1, max_size=20))
def test_pyarrow_agrees_on_times_that_exist(moments):
    stamps = pa.array(moments, pa.timestamp("us"))
    ours = local_to_utc(stamps.view(pa.int64()).to_numpy(), "Europe/Berlin")
    exists = utc_to_local(ours, "Europe/Berlin") == stamps.view(pa.int64()).to_numpy()
    theirs = pa.compute.assume_timezone(stamps, "Europe/Berlin", ambiguous="earliest", nonexistent="latest")
    assert (ours == theirs.view(pa.int64()).to_numpy())[exists].all()


def test_dates_are_local_midnights_and_nanoseconds_are_floored():
    place = Place("t", "c", "Europe/Berlin")
    days, _ = to_instant(pa.array([19_905], pa.date32()), place)
    assert str(days[0]) == "2024-06-30 22:00:00+00:00"
    late, _ = to_instant(pa.array([-1], pa.timestamp("ns", "UTC")), place)
    assert late.view(pa.int64()).to_pylist() == [-1]
    zoned, _ = to_instant(pa.array([0], pa.timestamp("s", "America/New_York")), place)
    assert zoned.view(pa.int64()).to_pylist() == [0]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-31", "2026-12-30T23:00:00"),
        ("2026-12-31T08:15", "2026-12-31T07:15:00"),
        ("2026-12-31 08:15:30.25", "2026-12-31T07:15:30.250000"),
        ("2026-12-31T08:15:30Z", "2026-12-31T08:15:30"),
        ("2026-12-31 08:15+05:45", "2026-12-31T02:30:00"),
        ("2026-12-31 08:15-03", "2026-12-31T11:15:00"),
    ],
)
def test_iso_texts(text, utc):
    micros, state = text_to_instants(pa.array([text]), (), "Europe/Berlin")
    assert state.tolist() == [0]
    assert micros.tolist() == [_us(datetime.fromisoformat(utc))]


@pytest.mark.parametrize(
    "text", ["31.12.2026", "2026-13-01", "2026-02-30", "45000", "202612", "12:30", "2026-1-1", "x"]
)
def test_other_texts_are_refused_without_a_format(text):
    assert text_to_instants(pa.array([text]), (), "UTC")[1].tolist() == [1]


def test_declared_formats_come_first_and_may_be_several():
    micros, state = text_to_instants(
        pa.array(["01.02.2026", "01.02.2026 12:30", "2026-02-01", "30.02.2026"]), ("%d.%m.%Y", "%d.%m.%Y %H:%M"), "UTC"
    )
    assert state.tolist() == [0, 0, 0, 1]
    assert (micros[1] - micros[0]) // 60_000_000 == 750
    assert micros[2] == micros[0]


def test_a_format_with_the_year_first_is_not_mixed_with_iso():
    assert text_to_instants(pa.array(["2026-01-02"]), ("%Y-%d-%m",), "UTC")[0].view("datetime64[us]")[
        0
    ] == np.datetime64("2026-02-01")
    assert text_to_instants(pa.array(["2026-01-13"]), ("%Y-%d-%m",), "UTC")[1].tolist() == [1]


def test_times_beyond_the_calendar_are_said():
    place = Place("t", "c", "Europe/Berlin")
    out, bad = to_instant(pa.array([2**62, None, 0], pa.timestamp("us")), place)
    assert bad.tolist() == [True, False, False]
    assert out.null_count == 2
    assert [f.code for f in place.findings] == ["time_out_of_range"]


def test_the_far_end_of_the_calendar_can_be_shown():
    place = Place("t", "c", "America/St_Johns", rules=TextRules())
    out, bad = to_instant(pa.array(["9999-12-31", "0001-01-01"]), place)
    assert not bad.any()
    assert [value.as_py().year for value in out] == [9999, 1]


@pytest.mark.parametrize("zone", ["Europe/Berln", "../../etc/passwd", "/etc/localtime", ""])
def test_unknown_zones_are_a_usage_error(zone):
    with pytest.raises(UsageError, match="timezone must be a name of the time zone database"):
        check_zone(zone)


SCRIPT = """
import hashlib, sys, pandas as pd, pathlib
from crm_ml.tables import TableMapping, read_tables, from_frames
folder = pathlib.Path(sys.argv[1])
digest = hashlib.sha256()
for name in ("o.parquet", "o.csv", "z.parquet"):
    mapping = TableMapping.model_validate({"source": name, "columns": {
        "order_id": "order_id", "customer_id": "customer_id", "ordered_at": "ordered_at", "net_amount": "net_amount",
        "delivery_at": {"sql": "CAST(CAST(ordered_at AS TIMESTAMP) AS DATE)"}}})
    t = read_tables({"order_lines": mapping}, root=folder, zone="Europe/Berlin", currency="EUR")
    digest.update(str(t.frames["order_lines"].to_pylist()).encode())
print(digest.hexdigest())
"""


def test_the_zone_of_the_machine_never_matters(tmp_path, orders):
    orders.to_parquet(tmp_path / "o.parquet")
    orders.to_csv(tmp_path / "o.csv", index=False)
    orders["ordered_at"] = orders["ordered_at"].dt.tz_localize("America/New_York")
    orders.to_parquet(tmp_path / "z.parquet")
    seen = set()
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout.strip())
    assert len(seen) == 1
