"""Finding and opening the files of a source."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from crm_ml.errors import EXAMPLES_SHOWN, Finding
from crm_ml.tables.mapping import SourceSpec
from crm_ml.tables.sealed import first_line, literal, quoted

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
_WILD = frozenset("*?[")


class SourceFault(Exception):  # noqa: N818 - internal: it becomes a finding
    """A source cannot be used; carries what the finding says."""

    def __init__(
        self, code: str, message: str, remedy: str, *, count: int = 0, examples: Sequence[object] = ()
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.count, self.examples = code, message, remedy, count, examples

    def finding(self, table: str) -> Finding:
        """Return the fault as a finding of severity error."""
        return Finding(
            "error", self.code, self.message, self.remedy, table=table, count=self.count, examples=tuple(self.examples)
        )


@dataclass(frozen=True)
class Opened:
    """A source ready to be queried: Parquet files with the view over them, or a table in memory.

    `per_file` holds the column names of each file; `untyped` says that all values are text (CSV).
    """

    per_file: Mapping[str, frozenset[str]]
    files: Sequence[Path] = ()
    view: str = ""
    table: pa.Table | None = None
    untyped: bool = False
    faults: Sequence[SourceFault] = field(default=())


def find_files(path: str, root: Path) -> list[Path]:
    """Return the files of a source in name order; raise `SourceFault` when there is none or one lies outside.

    Relative paths belong to `root` and must stay in it, also through symbolic links; absolute ones may lie anywhere.
    """
    if "\0" in path:
        raise SourceFault("missing_file", "the path of a source holds a NUL character", "Correct `source` in crm.yaml")
    absolute = os.path.isabs(path)
    if not absolute and os.path.normpath(path).split(os.sep)[0] == os.pardir:
        raise SourceFault(
            "outside_workspace",
            f"a relative source must stay inside the workspace, found {path}",
            "Copy the file into the workspace, or name it with an absolute path",
        )
    base = Path(path) if absolute else root / path
    try:
        if base.is_dir():
            raise SourceFault(
                "missing_file",
                f"{path} is a folder, not a file",
                f"Name the files in it, e.g. `source: {path}/*.parquet`",
            )
        found = [base] if base.exists() else []
        if not found and _WILD & set(path):
            pattern = path if absolute else os.path.join(glob.escape(str(root)), path)
            found = sorted(Path(hit) for hit in glob.glob(pattern, recursive=True) if os.path.isfile(hit))
    except OSError as error:
        raise SourceFault("missing_file", f"{path} cannot be reached: {error.strerror}", "Check `source`") from error
    if not found:
        what = "no file matches" if _WILD & set(path) else "there is no file"
        where = "" if absolute else f" (looked in {root})"
        raise SourceFault("missing_file", f"{what} {path}{where}", "Check `source` in crm.yaml, or deliver the file")
    if not absolute:
        home = root.resolve()
        for file in found:
            if not file.resolve().is_relative_to(home):
                raise SourceFault(
                    "outside_workspace",
                    f"{shown(file, root)} is a link that leaves the workspace",
                    "Copy the file into the workspace, or name it with an absolute path",
                )
    return found


def shown(file: Path, root: Path) -> str:
    """Return the path as people know it: relative to the workspace where it lies inside."""
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return str(file)


def format_of(file: Path, spec: SourceSpec, root: Path) -> str:
    """Return ``parquet``, ``csv`` or ``xlsx``."""
    kind = spec.format or _FORMATS.get(file.suffix.lower())
    if kind is None:
        raise SourceFault(
            "unknown_format",
            f"the ending of {shown(file, root)} does not tell its format",
            "Write `source: {path: ..., format: parquet}` (or csv, xlsx)",
        )
    return kind


def check_readable(file: Path, root: Path) -> None:
    """Raise `SourceFault` for an empty or unreadable file."""
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        raise SourceFault(
            "unreadable_file", f"{shown(file, root)} cannot be read: {error.strerror}", "Check the rights of the file"
        ) from error
    if size == 0:
        raise SourceFault(
            "unreadable_file",
            f"{shown(file, root)} is empty (zero bytes)",
            "Deliver the file again; the export may have been interrupted",
        )


# Parquet


def damaged(file: Path, root: Path, error: BaseException) -> SourceFault:
    """Return the fault of a Parquet file that cannot be read."""
    reason = first_line(error).replace(str(file), file.name)
    return SourceFault(
        "unreadable_file",
        f"{shown(file, root)} is damaged, truncated or not a Parquet file ({reason})",
        "Deliver the file again; the export may have been interrupted",
    )


def _scan(file: Path) -> str:
    return f"read_parquet({literal(str(file))}, hive_partitioning = false, union_by_name = false)"


def open_parquet(files: Sequence[Path], root: Path) -> Opened:
    """Look at the columns of each file and put one view over all, by column name."""
    types: dict[Path, dict[str, str]] = {}
    faults: list[SourceFault] = []
    with duckdb.connect(":memory:") as connection:
        for file in files:
            try:
                check_readable(file, root)
                rows = connection.execute(f"DESCRIBE SELECT * FROM {_scan(_escaped(file))}").fetchall()
                types[file] = {str(row[0]): str(row[1]) for row in rows}
            except SourceFault as fault:
                faults.append(fault)
            except duckdb.Error as error:
                faults.append(damaged(file, root, error))
        if faults:
            raise _first_of(faults)
        per_file = {shown(file, root): frozenset(columns) for file, columns in types.items()}
        view = _union(types)
        if any(_WILD & set(str(file)) for file in files):
            # the sealed connection takes its allowed paths literally but the reader expands them: read these before
            try:
                table = connection.sql(
                    _union({_escaped(file): columns for file, columns in types.items()})
                ).to_arrow_table()
            except duckdb.Error as error:
                raise damaged(files[0], root, error) from error
            return Opened(per_file, table=table)
    return Opened(per_file, files=tuple(files), view=view)


def _escaped(file: Path) -> Path:
    return Path("".join(f"[{letter}]" if letter in _WILD else letter for letter in str(file)))


def _first_of(faults: Sequence[SourceFault]) -> SourceFault:
    if len(faults) == 1:
        return faults[0]
    first = faults[0]
    rest = [fault.message for fault in faults[1:EXAMPLES_SHOWN]]
    return SourceFault(
        first.code,
        f"{len(faults)} files cannot be read: {first.message}",
        first.remedy,
        count=len(faults),
        examples=rest,
    )


def _union(types: Mapping[Path, Mapping[str, str]]) -> str:
    """One SELECT over files: by name, a type that differs between files widened without loss of meaning."""
    kinds: dict[str, set[str]] = {}
    for columns in types.values():
        for name, kind in columns.items():
            kinds.setdefault(name, set()).add(kind)
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for file, columns in types.items():
        groups.setdefault(tuple(columns.items()), []).append(file)
    selects = []
    for signature, members in groups.items():
        have = dict(signature)
        listed = ", ".join(literal(str(file)) for file in members)
        picked = ", ".join(f"{_widened(name, have.get(name), kinds[name])} AS {quoted(name)}" for name in sorted(kinds))
        selects.append(
            f"SELECT {picked or '1 AS nothing'} "
            f"FROM read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
        )
    return " UNION ALL BY NAME ".join(selects)


def _widened(name: str, kind: str | None, kinds: set[str]) -> str:
    if kind is None:
        return "NULL"
    column = quoted(name)
    if "VARCHAR" in kinds and kind in ("DOUBLE", "FLOAT"):
        # a whole number in one file is '17' in the next, not '17.0'
        whole = f"{column} = trunc({column}) AND abs({column}) < 9007199254740992"
        return f"CASE WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
    return column


def culprits(files: Sequence[Path], root: Path) -> list[SourceFault]:
    """Read every Parquet file whole and return the faults of those that cannot be read."""
    faults = []
    for file in files:
        with duckdb.connect(":memory:") as connection:
            try:
                reader = connection.sql(f"SELECT * FROM {_scan(_escaped(file))}").to_arrow_reader(100_000)
                for _ in reader:
                    pass
            except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
                faults.append(damaged(file, root, error))
    return faults
