"""A feature table on its way into a Parquet file: parts of subjects come in, row groups of all features go out.

Parts arrive subject by subject, the file is sorted by day. So rows are staged in a file without a name, each at its
place, and read again in order; it vanishes with the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crm_ml.jobs.files import TEMPORARY

_GROUP_BYTES = 64_000_000
_LEAST_ROWS = 4096


class Staged:
    """The rows of a table whose number is known, filled part by part and then written as Parquet.

    Parameters
    ----------
    folder : Path
        Where there is room for them: eight bytes per value.
    rows : int

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> keys = pa.table({"customer_id": ["7", "8", "9"]})
    >>> with Staged(folder, 3) as staged:
    ...     staged.put([2], {"n": np.array([9.0]), "land": np.array([None], dtype=object)})
    ...     staged.put([1, 0], {"n": np.array([8.0, np.nan]), "land": np.array(["DE", "AT"], dtype=object)})
    ...     staged.write(keys, folder / "x.parquet")
    >>> pq.read_table(folder / "x.parquet").to_pydict()
    {'customer_id': ['7', '8', '9'], 'n': [None, 8.0, 9.0], 'land': ['AT', 'DE', None]}
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.names: tuple[str, ...] = ()
        self._levels: dict[str, dict[str, int]] = {}

    def __enter__(self) -> Self:
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=self.folder)
        os.unlink(name)
        self._file = handle
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def put(self, rows: Sequence[int] | NDArray[np.int64], columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Take the values of some rows, every time with the same columns: numbers, or texts (None where missing)."""
        self.names = self.names or tuple(columns)
        if len(rows) == 0:
            return
        order = np.argsort(rows, kind="stable")
        block = np.column_stack([self._numbers(name, columns[name]) for name in self.names])[order]
        places = np.asarray(rows, np.int64)[order]
        width = block.shape[1] * block.itemsize
        # a day's rows of a range of subjects lie side by side in the file
        starts = np.concatenate(([0], np.flatnonzero(np.diff(places) != 1) + 1, [len(places)]))
        for begin, end in pairwise(starts):
            _write_at(self._file, block[begin:end].tobytes(), int(places[begin]) * width)

    def _numbers(self, name: str, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return numbers as they are, and texts as their codes."""
        if values.dtype != object:
            return values.astype(np.float64)
        levels = self._levels.setdefault(name, {})
        return np.array([np.nan if text is None else levels.setdefault(text, len(levels)) for text in values])

    def write(self, keys: pa.Table, path: Path) -> None:
        """Write the key columns and all that was put as Parquet, in the order of the keys."""
        levels = {name: pa.array(list(codes), pa.string()) for name, codes in self._levels.items()}
        texts = [*(name for name in keys.column_names), *levels]
        fields = [pa.field(name, pa.string() if name in levels else pa.float64()) for name in self.names]
        schema = pa.schema([*keys.schema, *fields])
        width = 8 * len(self.names)
        step = max(_LEAST_ROWS, _GROUP_BYTES // max(width, 1))
        # numbers of features repeat too little for a dictionary to pay, and level 1 packs nearly as well as the rest
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=texts) as writer:
            for begin in range(0, self.rows, step):
                count = min(step, self.rows - begin)
                raw = _read_at(self._file, count * width, begin * width)
                block = np.ascontiguousarray(np.frombuffer(raw).reshape(count, len(self.names)).T)
                arrays = [*keys.slice(begin, count).combine_chunks().columns]
                arrays += [_column(values, levels.get(name)) for name, values in zip(self.names, block, strict=True)]
                writer.write_table(pa.table(arrays, schema=schema), row_group_size=count)


def _column(values: NDArray[np.float64], levels: pa.Array | None) -> pa.Array:
    nothing = np.isnan(values)
    if levels is None:
        return pa.array(values, mask=nothing) if nothing.any() else pa.array(values)
    codes = np.where(nothing, 0, values).astype(np.int64)
    return levels.take(pa.array(codes, mask=nothing))


def _write_at(file: int, data: bytes, place: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(file, memoryview(data)[done:], place + done)


def _read_at(file: int, size: int, place: int) -> bytearray:
    found, done = bytearray(size), 0
    while done < size:
        got = os.preadv(file, [memoryview(found)[done:]], place + done)
        if not got:
            raise OSError(f"{size - done} bytes are missing from the staged features")
        done += got
    return found
