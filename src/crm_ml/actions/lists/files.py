"""All files of a list set, each with the function that writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from crm_ml.actions.lists.csv_file import csv_bytes
from crm_ml.actions.lists.deputies import records
from crm_ml.actions.lists.entries import Entries, ListHead
from crm_ml.actions.lists.look import ListContext, draft_name, draft_of, shown_rows
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.lists.pages import list_page, summary_page
from crm_ml.actions.lists.tables_out import actions_table, decisions_table, write_table
from crm_ml.actions.lists.xlsx_file import xlsx_bytes

Writer = Callable[[Path], int]
"""Writes one file and returns its number of rows."""


def list_files(entries: Entries, context: ListContext) -> Mapping[str, Writer]:
    """Return the files of a day's lists: file name -> writer; the same input gives the same bytes.

    Per list ``<id>.csv``, ``.xlsx`` and ``.html`` (the id percent-encoded where a file system needs it), a
    ``draft-<key>.eml`` per e-mail that may be written, ``summary.html``, ``actions.parquet``, ``decisions.parquet``.
    """
    files: dict[str, Writer] = {
        "actions.parquet": lambda path: write_table(actions_table(entries), path),
        "decisions.parquet": lambda path: write_table(decisions_table(entries), path),
        "summary.html": lambda path: _put(path, summary_page(entries, context).encode(), len(entries.entries)),
    }
    stems = file_stems(head.list_id for head in entries.heads)
    for head in entries.heads:
        stem = stems[head.list_id]
        files[f"{stem}.csv"] = partial(_write_csv, entries, head, context)
        files[f"{stem}.xlsx"] = partial(_write_xlsx, entries, head, context)
        files[f"{stem}.html"] = partial(_write_html, entries, head, context, f"{stem}.xlsx")
        for row in records(entries.of(head.list_id)):
            draft = draft_of(row, head, context)
            if draft is not None and draft.message is not None:
                files[draft_name(row)] = partial(_put, data=draft.message, rows=1)
    return files


def _write_csv(entries: Entries, head: ListHead, context: ListContext, path: Path) -> int:
    rows = shown_rows(entries, head, context)
    return _put(path, csv_bytes(rows, head.language or context.language), len(rows))


def _write_xlsx(entries: Entries, head: ListHead, context: ListContext, path: Path) -> int:
    rows = shown_rows(entries, head, context)
    return _put(path, xlsx_bytes(rows, entries, head, context), len(rows))


def _write_html(entries: Entries, head: ListHead, context: ListContext, xlsx_name: str, path: Path) -> int:
    rows = shown_rows(entries, head, context)
    return _put(path, list_page(rows, entries, head, context, xlsx_name=xlsx_name).encode(), len(rows))


def _put(path: Path, data: bytes, rows: int) -> int:
    path.write_bytes(data)
    return rows
