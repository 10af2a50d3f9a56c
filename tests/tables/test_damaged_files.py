"""Files with random damage: read or refused by a `CrmError`, nothing else."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from crm_ml.errors import CrmError, DataError


def _damage(data: bytes, seed: int) -> bytes:
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        kind, at = rng.random(), rng.randrange(len(out)) if out else 0
        if kind < 0.7 and out:
            out[at] = rng.randrange(256)
        elif kind < 0.8:
            del out[at : at + rng.randrange(50)]
        elif kind < 0.9:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
        else:
            del out[at:]
    return bytes(out)


def _many_orders() -> pd.DataFrame:
    rows = range(200)
    return pd.DataFrame(
        {
            "order_id": [f"A{i // 3}" for i in rows],
            "line_no": [str(i) for i in rows],
            "customer_id": [f"{i % 17:05d}" for i in rows],
            "ordered_at": pd.to_datetime("2024-01-01") + pd.to_timedelta(rows, unit="h"),
            "net_amount": [i * 1.25 for i in rows],
        }
    )


def _write(kind, path, write_xlsx) -> None:
    frame = _many_orders()
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    else:
        write_xlsx(frame, path)


def _try_all(seeds, kind, tmp_path, read, write_xlsx) -> int:
    path = tmp_path / f"o.{kind}"
    _write(kind, path, write_xlsx)
    data = path.read_bytes()
    refusals: list[tuple[int, CrmError]] = []
    for seed in seeds:
        path.write_bytes(_damage(data, seed))
        try:
            read({"order_lines": path.name}).frames["order_lines"].to_pylist()
        except CrmError as error:
            refusals.append((seed, error))
    for seed, error in refusals:
        assert error.exit_code == 3, seed
        assert all(finding.remedy and finding.message for finding in error.findings), seed
        assert len(str(error)) < 20_000, seed
    return len(refusals)


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_damaged_files_are_read_or_refused(kind, tmp_path, read, write_xlsx):
    assert _try_all(range(60), kind, tmp_path, read, write_xlsx) > 30


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_many_damaged_files_are_read_or_refused(kind, tmp_path, read, write_xlsx):
    assert _try_all(range(1000, 1500), kind, tmp_path, read, write_xlsx) > 250


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files_are_refused(kind, part, tmp_path, read, write_xlsx):
    path = tmp_path / f"o.{kind}"
    _write(kind, path, write_xlsx)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(DataError, match=rf"o\.{kind} is (empty|damaged)") as caught:
        read({"order_lines": path.name})
    assert caught.value.code == "unreadable_file"
