"""The file of features: whatever the parts and row groups, every value is in its row."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_ml.jobs import feature_file
from crm_ml.jobs.feature_file import Staged


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 40, 41])
@pytest.mark.parametrize("parts", [1, 3, 50])
def test_every_value_is_in_its_row_whatever_the_parts_and_row_groups(rows, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_file, "_LEAST_ROWS", 8)
    monkeypatch.setattr(feature_file, "_GROUP_BYTES", 1)
    rng = np.random.default_rng(rows * parts)
    numbers = np.where(rng.random(rows) < 0.2, np.nan, rng.random(rows))
    texts = np.array([None if rng.random() < 0.2 else f"t{rng.integers(5)}" for _ in range(rows)], dtype=object)
    keys = pa.table({"customer_id": [str(row) for row in range(rows)]})
    out = tmp_path / "x.parquet"
    with Staged(tmp_path, rows) as staged:
        for part in np.array_split(rng.permutation(rows), parts):
            staged.put(part, {"number": numbers[part], "text": texts[part], "row": part.astype(float)})
        staged.write(keys, out)
    file = pq.ParquetFile(out)
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [
        min(8, rows - begin) for begin in range(0, rows, 8)
    ]
    found = file.read().to_pydict()
    assert found["customer_id"] == [str(row) for row in range(rows)]
    assert found["row"] == list(range(rows))
    assert found["number"] == [None if np.isnan(number) else number for number in numbers]
    assert found["text"] == texts.tolist()
    assert list(tmp_path.iterdir()) == [out]


def test_a_table_without_rows_has_its_columns(tmp_path):
    with Staged(tmp_path, 0) as staged:
        staged.put([], {"number": np.zeros(0)})
        staged.write(pa.table({"customer_id": pa.array([], pa.string())}), tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").schema.names == ["customer_id", "number"]
