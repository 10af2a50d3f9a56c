"""Where columns are kept: in memory, or in files that are looked at through the page cache.

A column that lies in a file is an Arrow array like any other: its buffers are the file, mapped. The system reads the
pages that are looked at and lets go of them when others need the room, so what a process holds for itself is what it
works on at the moment. The files have no names: they vanish with the last array that looks at them, however the process
ends.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crm_ml.errors import Failure
from crm_ml.processors import processors

_Number = TypeVar("_Number", bound=np.generic)
_SMALL: Final = 1 << 20
"""Arrays of fewer bytes are not worth a file."""
_BYTES_BETWEEN_RESTS: Final = 1 << 28
_MOST_LETTERS: Final = (1 << 31) - 1
"""The most bytes of text that 32-bit offsets reach."""


class Room:
    """Columns stay in memory, where they were made.

    Examples
    --------
    >>> numbers = pa.array([1, 2])
    >>> Room().array(numbers) is numbers
    True
    """

    on_disk = False

    @property
    def threads(self) -> int:
        """How many columns may be worked on at once."""
        return processors()

    def array(self, array: pa.Array) -> pa.Array:
        """Return the same values, kept here."""
        return array

    def numbers(self, values: NDArray[_Number]) -> NDArray[_Number]:
        """Return the same numbers, kept here."""
        return values

    def table(self, table: pa.Table) -> pa.Table:
        """Return the same rows, kept here, every column in one piece."""
        return table.combine_chunks()

    def filtered(self, table: pa.Table, kept: NDArray[np.bool_] | pa.Array) -> pa.Table:
        """Return the rows where a mask is true, kept here."""
        return table.filter(_mask(kept)).combine_chunks()

    def gathered(self, batches: pa.RecordBatchReader) -> pa.Table:
        """Return all rows of a stream, kept here."""
        return batches.read_all()

    def looked_at(self, size: int) -> None:
        """Take note that so many bytes of columns were looked at."""

    def rest(self) -> None:
        """Let go of what was looked at; it is found again when somebody looks."""


MEMORY: Final = Room()


class DiskRoom(Room):
    """Columns lie in files.

    Parameters
    ----------
    folder : Path
        Where there is room for them: about what the tables take uncompressed, three times over while one is read.

    Examples
    --------
    >>> room = DiskRoom(Path(tempfile.gettempdir()))
    >>> kept = room.array(pa.array(range(1_000_000)))
    >>> room.rest()
    >>> kept[-1], room.array(kept) is kept
    (<pyarrow.Int64Scalar: 999999>, True)
    """

    on_disk = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: dict[int, tuple[int, int, weakref.ref[mmap.mmap]]] = {}
        """Begin, end and mapping of each file that somebody still looks at."""
        self._looked_at = 0

    @property
    def threads(self) -> int:
        """One: two columns in the making take twice the memory."""
        return 1

    def array(self, array: pa.Array) -> pa.Array:
        """Return the same values, their buffers in files."""
        if array.nbytes < _SMALL or pa.types.is_nested(array.type):
            return array
        if pa.types.is_dictionary(array.type):
            codes, levels = self.array(array.indices), self.array(array.dictionary)
            return pa.DictionaryArray.from_arrays(codes, levels, safe=False)
        if self._is_here(array):
            return array
        buffers = [None if buffer is None else self._kept(buffer) for buffer in array.buffers()]
        return pa.Array.from_buffers(array.type, len(array), buffers, array.null_count, array.offset)

    def numbers(self, values: NDArray[_Number]) -> NDArray[_Number]:
        """Return the same numbers, in a file."""
        if values.nbytes < _SMALL:
            return values
        kept = self._kept(pa.py_buffer(np.ascontiguousarray(values)))
        return np.frombuffer(kept, values.dtype)

    def table(self, table: pa.Table) -> pa.Table:
        """Return the same rows, every column in one piece in files."""
        columns = [self.array(_one_piece(table.column(place))) for place in range(table.num_columns)]
        return pa.Table.from_arrays(columns, schema=table.schema)

    def filtered(self, table: pa.Table, kept: NDArray[np.bool_] | pa.Array) -> pa.Table:
        """Return the rows where a mask is true; one column after the other is made and set aside."""
        mask = _mask(kept)
        columns = [self.array(_one_piece(table.column(place)).filter(mask)) for place in range(table.num_columns)]
        return pa.Table.from_arrays(columns, schema=table.schema)

    def gathered(self, batches: pa.RecordBatchReader) -> pa.Table:
        """Return all rows of a stream; no more than a batch of it is ever in memory."""
        writers = [_writer(self, field.type) for field in batches.schema]
        for batch in batches:
            for writer, column in zip(writers, batch.columns, strict=True):
                if len(column):
                    writer.add(column)
        columns = [writer.done() for writer in writers]
        return pa.Table.from_arrays(columns, names=batches.schema.names)

    def looked_at(self, size: int) -> None:
        """Take note that so many bytes of columns were looked at, and rest now and then."""
        self._looked_at += size  # threads may forget a little of each other's: it only says when
        if self._looked_at > _BYTES_BETWEEN_RESTS:
            self._looked_at = 0
            self.rest()

    def rest(self) -> None:
        """Take the pages off this process; they stay in the page cache while there is room."""
        if not hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            return
        for mapping in [ref() for _, _, ref in self._there()]:
            if mapping is None:
                continue
            mapping.madvise(mmap.MADV_DONTNEED)
        pa.default_memory_pool().release_unused()

    def new_file(self) -> BinaryIO:
        """Return a file without a name."""
        try:
            return tempfile.TemporaryFile(dir=self.folder, buffering=0)
        except OSError as error:
            raise _failure(error, self.folder) from error

    def write(self, file: BinaryIO, content: Any) -> None:
        """Write all bytes of a buffer."""
        left = memoryview(content).cast("B")
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise _failure(error, self.folder) from error

    def mapped(self, file: BinaryIO) -> pa.Buffer:
        """Return the content of a file as a buffer and close the file; it lives as long as the buffer."""
        with file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return pa.py_buffer(b"")
            mapping = mmap.mmap(file.fileno(), size)
        buffer = pa.py_buffer(mapping)
        key = id(mapping)
        self._maps[key] = buffer.address, buffer.address + size, weakref.ref(mapping)
        weakref.finalize(mapping, self._maps.pop, key, None)
        return buffer

    def _kept(self, buffer: pa.Buffer) -> pa.Buffer:
        file = self.new_file()
        self.write(file, buffer)
        self.looked_at(2 * buffer.size)  # what was written, and what it was made of
        return self.mapped(file)

    def _is_here(self, array: pa.Array) -> bool:
        values = array.buffers()[-1]
        if values is None:
            return False
        return any(begin <= values.address < end for begin, end, _ in self._there())

    def _there(self) -> list[tuple[int, int, weakref.ref[mmap.mmap]]]:
        """Return what is mapped now: whoever looks at a list is not disturbed by columns that vanish meanwhile."""
        return list(self._maps.values())


def _failure(error: OSError, folder: Path) -> Failure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(
            f"there is no room left in {folder} for tables that do not fit into memory",
            remedy="Make room there, or let more memory be used: `memory_gb` in crm.yaml",
            code="cannot_write",
        )
    return Failure(
        f"tables that do not fit into memory cannot be set aside in {folder}: {error.strerror}",
        remedy="Make the folder writable, or let more memory be used: `memory_gb` in crm.yaml",
        code="cannot_write",
    )


def _mask(kept: NDArray[np.bool_] | pa.Array) -> pa.Array:
    return pa.array(kept) if isinstance(kept, np.ndarray) else kept


def _one_piece(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


# columns that come in batches


class _Writer:
    """A column of a type that is rare: its batches stay in memory."""

    def __init__(self, room: DiskRoom, kind: pa.DataType) -> None:
        self.room, self.kind = room, kind
        self.batches: list[pa.Array] = []

    def add(self, column: pa.Array) -> None:
        self.batches.append(column)

    def done(self) -> pa.Array | pa.ChunkedArray:
        return pa.chunked_array(self.batches, self.kind)


class _Nulls:
    """Which values of a column are null."""

    def __init__(self) -> None:
        self.rows = self.count = 0
        self._masks: list[tuple[int, NDArray[np.bool_]]] = []

    def add(self, column: pa.Array) -> None:
        if column.null_count:
            self._masks.append((self.rows, column.is_valid().to_numpy(zero_copy_only=False)))
        self.rows += len(column)
        self.count += column.null_count

    def bitmap(self) -> pa.Buffer | None:
        if not self.count:
            return None
        valid = np.ones(self.rows, bool)
        for begin, mask in self._masks:
            valid[begin : begin + len(mask)] = mask
        return pa.py_buffer(np.packbits(valid, bitorder="little"))


class _FixedWriter(_Writer):
    """Values that all take the same whole number of bytes."""

    def __init__(self, room: DiskRoom, kind: pa.DataType) -> None:
        super().__init__(room, kind)
        self._file, self._nulls, self._width = room.new_file(), _Nulls(), kind.bit_width // 8

    def add(self, column: pa.Array) -> None:
        begin = column.offset * self._width
        values = column.buffers()[1].slice(begin, len(column) * self._width)
        self.room.write(self._file, values)
        self._nulls.add(column)

    def done(self) -> pa.Array:
        nulls = self._nulls
        return pa.Array.from_buffers(self.kind, nulls.rows, [nulls.bitmap(), self.room.mapped(self._file)], nulls.count)


class _TextWriter(_Writer):
    """Texts, in as many pieces as their offsets take."""

    def __init__(self, room: DiskRoom, kind: pa.DataType) -> None:
        super().__init__(room, kind)
        self._begin()

    def _begin(self) -> None:
        self._offsets, self._letters, self._nulls, self._total = self.room.new_file(), self.room.new_file(), _Nulls(), 0
        self.room.write(self._offsets, np.zeros(1, np.int32))

    def add(self, column: pa.Array) -> None:
        _, at, letters = column.buffers()
        offsets = np.frombuffer(at, np.int32, len(column) + 1, column.offset * 4)
        first, last = int(offsets[0]), int(offsets[-1])
        if self._total + last - first > _MOST_LETTERS:
            self._end()
            self._begin()
        if letters is not None:
            self.room.write(self._letters, letters.slice(first, last - first))
        self.room.write(self._offsets, (offsets[1:] - np.int32(first)) + np.int32(self._total))
        self._total += last - first
        self._nulls.add(column)

    def _end(self) -> None:
        buffers = [self._nulls.bitmap(), self.room.mapped(self._offsets), self.room.mapped(self._letters)]
        self.batches.append(pa.Array.from_buffers(self.kind, self._nulls.rows, buffers, self._nulls.count))

    def done(self) -> pa.ChunkedArray:
        self._end()
        return super().done()


def _writer(room: DiskRoom, kind: pa.DataType) -> _Writer:
    if pa.types.is_string(kind):
        return _TextWriter(room, kind)
    fixed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    if (fixed or pa.types.is_decimal(kind)) and kind.bit_width % 8 == 0:
        return _FixedWriter(room, kind)
    return _Writer(room, kind)
