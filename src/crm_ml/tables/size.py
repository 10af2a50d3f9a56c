"""How much memory tables will take, told from their files before they are read; and how much there is."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml.tables.mapping import TableMapping
from crm_ml.tables.sources import SourceFault, find_files, format_of

BASE_BYTES: Final = 300_000_000
"""What Python and its packages take."""
_BYTES_PER_VALUE: Final = 12
"""Measured: raw, typed and moved columns at once, in the worst moment (decision 0033)."""
_TIMES_OF_TEXT_FILE: Final = 4
_CGROUPS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_needed(mappings: Mapping[str, TableMapping], *, root: Path, only: Collection[str] | None = None) -> int:
    """Return about how many bytes it takes to read tables and work on them in memory.

    What cannot be opened counts nothing: reading will say what is wrong with it.
    """
    chosen = [mapping for name, mapping in mappings.items() if only is None or name in only]
    return BASE_BYTES + sum(_of_source(mapping, root) for mapping in chosen)


def _of_source(mapping: TableMapping, root: Path) -> int:
    spec, total = mapping.spec, 0
    try:
        files = find_files(spec.path, root)
        for file in files:
            if format_of(file, spec, root) == "parquet":
                meta = pq.read_metadata(file)
                own = len(mapping.attributes.columns) if mapping.attributes else 0
                columns = meta.num_columns if mapping.columns is None else len(mapping.columns) + own
                total += meta.num_rows * columns * _BYTES_PER_VALUE
            else:
                total += file.stat().st_size * _TIMES_OF_TEXT_FILE
    except (SourceFault, OSError, pa.ArrowException):
        return 0
    return total


def memory_there() -> int:
    """Return the bytes of memory that this process may use: the machine's, or less where a control group says so.

    Examples
    --------
    >>> memory_there() > BASE_BYTES
    True
    """
    found = []
    if hasattr(os, "sysconf"):  # not on Windows
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in _CGROUPS:
        try:
            found.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found, default=8 << 30)
