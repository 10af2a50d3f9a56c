"""A feature table on its way into a Parquet file: parts of subjects come in, row groups of all features go out.

Parts arrive subject by subject, the file is sorted by day. So parts are staged in a file without a name, which vanishes
with the process: each part as pieces, one per row group it has rows in, the columns of a piece one after the other.
A row group is then read with one look per part, while the group before is packed and written.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
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
        self._step = rows or 1
        """Rows of a row group, known with the number of columns."""
        self._levels: dict[str, dict[str, int]] = {}
        self._parts: list[NDArray[np.int64]] = []
        """Of each part the rows it holds, in order."""

    def __enter__(self) -> Self:
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=self.folder)
        os.unlink(name)
        self._file = open(handle, "r+b", buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def put(self, rows: Sequence[int] | NDArray[np.int64], columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Take the values of some rows, every time with the same columns: numbers, or texts (None where missing)."""
        if not self.names:
            self.names = tuple(columns)
            self._step = max(_LEAST_ROWS, _GROUP_BYTES // (8 * max(len(self.names), 1)))
        order = np.argsort(rows, kind="stable")
        ascending = np.asarray(rows, np.int64)[order]
        values = np.empty((len(self.names), len(order)))
        for number, name in enumerate(self.names):
            values[number] = self._numbers(name, columns[name])
        bounds = np.searchsorted(ascending, np.arange(0, self.rows + self._step, self._step))
        for first, last in pairwise(bounds.tolist()):
            if first < last:
                _write(self._file, np.take(values, order[first:last], axis=1))
        self._parts.append(ascending)

    def _numbers(self, name: str, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return numbers as they are, and texts as their codes."""
        if values.dtype != object:
            return values.astype(np.float64, copy=False)
        levels = self._levels.setdefault(name, {})
        codes = [np.nan if text is None else levels.setdefault(text, len(levels)) for text in values]
        return np.array(codes, np.float64)

    def write(self, keys: pa.Table, path: Path) -> None:
        """Write the key columns and all that was put as Parquet, in the order of the keys."""
        levels = {name: pa.array(list(codes), pa.string()) for name, codes in self._levels.items()}
        texts = [*(name for name in keys.column_names), *levels]
        fields = [pa.field(name, pa.string() if name in levels else pa.float64()) for name in self.names]
        schema = pa.schema([*keys.schema, *fields])

        def group(begin: int) -> pa.Table:
            block = self._block(begin, min(self._step, self.rows - begin))
            arrays = [*keys.slice(begin, block.shape[1]).combine_chunks().columns]
            arrays += [_column(values, levels.get(name)) for name, values in zip(self.names, block, strict=True)]
            return pa.table(arrays, schema=schema)

        # numbers of features repeat too little for a dictionary to pay, and level 1 packs nearly as well as the rest
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=texts) as writer:
            for table in _one_ahead(group, range(0, self.rows, self._step)):
                writer.write_table(table, row_group_size=len(table))

    def _block(self, begin: int, count: int) -> NDArray[np.float64]:
        """Return the values of the rows of the group that begins there, feature by feature."""
        block = np.empty((len(self.names), count))
        base = 0
        for rows in self._parts:
            first, last = np.searchsorted(rows, (begin, begin + count)).tolist()
            if first < last:
                here = rows[first:last] - begin
                side_by_side = here[-1] - here[0] == last - first - 1
                at = slice(here[0], here[-1] + 1) if side_by_side else here
                # pieces of earlier groups come before this one's
                piece = _read(self._file, base + 8 * first * len(self.names), (last - first) * len(self.names))
                block[:, at] = piece.reshape(len(self.names), last - first)
            base += 8 * len(rows) * len(self.names)
        return block


def _one_ahead(make: Callable[[int], pa.Table], begins: Iterable[int]) -> Iterator[pa.Table]:
    """Yield what is made for each, while the next is being made."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for begin in begins:
            waiting.append(pool.submit(make, begin))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _column(values: NDArray[np.float64], levels: pa.Array | None) -> pa.Array:
    nothing = np.isnan(values)
    if levels is None:
        return pa.array(values, mask=nothing) if nothing.any() else pa.array(values)
    codes = np.where(nothing, 0, values).astype(np.int64)
    return levels.take(pa.array(codes, mask=nothing))


def _write(file: FileIO, values: NDArray[np.float64]) -> None:
    left = values.reshape(-1).view(np.uint8).data
    while left:
        left = left[file.write(left) :]


def _read(file: FileIO, place: int, count: int) -> NDArray[np.float64]:
    found = os.pread(file.fileno(), 8 * count, place)
    if len(found) < 8 * count:
        raise OSError(f"{8 * count - len(found)} bytes are missing from the staged features")
    return np.frombuffer(found)
