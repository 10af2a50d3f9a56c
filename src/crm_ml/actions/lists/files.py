"""All files of a list set, each with the function that writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import pyarrow as pa

from crm_ml.actions.lists.csv_file import csv_bytes
from crm_ml.actions.lists.entries import Entries, ListHead
from crm_ml.actions.lists.look import ListContext, Shown, draft_name, draft_of, shown_rows
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.lists.pages import Beside, list_page, summary_page
from crm_ml.actions.lists.speaking import LEAD, speaking_of
from crm_ml.actions.lists.tables_out import actions_table, decisions_table, write_table
from crm_ml.actions.lists.xlsx_file import xlsx_bytes

Writer = Callable[[Path], int]
"""Writes one file and returns its number of rows."""
Rows = Callable[[], list[Shown]]
"""Returns the rows of a list as they are shown."""


def lead_list_files(
    entries: Entries, context: ListContext, *, beside: Mapping[str, Beside] | None = None
) -> dict[str, Writer]:
    """Return the files of a day's lists of leads, beside those of customers: ``<id>.leads.csv``, ``.xlsx``, ``.html``.

    A person who owns no lead that is due, waits or went gets none. ``summary.leads.html`` is for the team lead; the
    tables of actions and decisions are those of `join_tables`. `beside` names the list of customers that each page
    links to, by list; see `customers_beside`.
    """
    files: dict[str, Writer] = {
        "summary.leads.html": lambda path: _put(path, summary_page(entries, context).encode(), len(entries.entries))
    }
    stems = file_stems(head.list_id for head in entries.heads)
    for head in entries.heads:
        if _has_leads(entries, head):
            other = (beside or {}).get(head.list_id)
            files |= _of_list(entries, head, context, f"{stems[head.list_id]}.leads", other)
    return {name: partial(_about_leads, write) for name, write in files.items()}


def _has_leads(entries: Entries, head: ListHead) -> bool:
    return bool(entries.rows_of(head.list_id) or head.waiting or entries.gone_rows_of(head.list_id))


def leads_beside(leads: Entries) -> dict[str, Beside]:
    """Return for each person with a list of leads its page and its number of entries."""
    stems = file_stems(head.list_id for head in leads.heads)
    return {
        head.list_id: Beside(f"{stems[head.list_id]}.leads.html", len(leads.rows_of(head.list_id)))
        for head in leads.heads
        if _has_leads(leads, head)
    }


def customers_beside(customers: Entries) -> dict[str, Beside]:
    """Return for each person with a list of customers its page and its number of entries."""
    stems = file_stems(head.list_id for head in customers.heads)
    return {
        head.list_id: Beside(f"{stems[head.list_id]}.html", len(customers.rows_of(head.list_id)))
        for head in customers.heads
    }


def join_tables(files: dict[str, Writer], customers: Entries, leads: Entries) -> None:
    """Let the tables of actions and decisions among the files hold customers and leads."""
    actions = pa.concat_tables([actions_table(customers), actions_table(leads)])
    decisions = pa.concat_tables([decisions_table(customers), decisions_table(leads)])
    files["actions.parquet"] = partial(_write_table, actions)
    files["decisions.parquet"] = partial(_write_table, decisions)


def tables_of(entries: Entries) -> dict[str, Writer]:
    """Return the tables of actions and decisions of some lists alone."""
    return {
        "actions.parquet": partial(_write_table, actions_table(entries)),
        "decisions.parquet": partial(_write_table, decisions_table(entries)),
    }


def _write_table(table: pa.Table, path: Path) -> int:
    return write_table(table, path)


def _about_leads(write: Writer, path: Path) -> int:
    with speaking_of(LEAD):
        return write(path)


def list_files(
    entries: Entries, context: ListContext, *, beside: Mapping[str, Beside] | None = None
) -> dict[str, Writer]:
    """Return the files of a day's lists: file name -> writer; the same input gives the same bytes.

    Per list ``<id>.csv``, ``.xlsx`` and ``.html`` (the id percent-encoded where a file system needs it), a
    ``draft-<key>.eml`` per e-mail that may be written, ``summary.html``, ``actions.parquet``, ``decisions.parquet``.
    `beside` names the list of leads that each page links to, by list; see `leads_beside`.
    """
    files: dict[str, Writer] = {
        "actions.parquet": lambda path: write_table(actions_table(entries), path),
        "decisions.parquet": lambda path: write_table(decisions_table(entries), path),
        "summary.html": lambda path: _put(path, summary_page(entries, context).encode(), len(entries.entries)),
    }
    stems = file_stems(head.list_id for head in entries.heads)
    for head in entries.heads:
        files |= _of_list(entries, head, context, stems[head.list_id], (beside or {}).get(head.list_id))
    return files


def _of_list(
    entries: Entries, head: ListHead, context: ListContext, stem: str, beside: Beside | None
) -> dict[str, Writer]:
    files: dict[str, Writer] = {}
    rows = cache(partial(shown_rows, entries, head, context))  # made by the first of the three files
    files[f"{stem}.csv"] = partial(_write_csv, rows, head, context)
    files[f"{stem}.xlsx"] = partial(_write_xlsx, rows, entries, head, context)
    files[f"{stem}.html"] = partial(_write_html, rows, entries, head, context, f"{stem}.xlsx", beside)
    for row in entries.rows_of(head.list_id):
        draft = draft_of(row, head, context)
        if draft is not None and draft.message is not None:
            files[draft_name(row)] = partial(_put, data=draft.message, rows=1)
    return files


def _write_csv(rows: Rows, head: ListHead, context: ListContext, path: Path) -> int:
    return _put(path, csv_bytes(rows(), head.language or context.language), len(rows()))


def _write_xlsx(rows: Rows, entries: Entries, head: ListHead, context: ListContext, path: Path) -> int:
    return _put(path, xlsx_bytes(rows(), entries, head, context), len(rows()))


def _write_html(
    rows: Rows, entries: Entries, head: ListHead, context: ListContext, xlsx: str, beside: Beside | None, path: Path
) -> int:
    page = list_page(rows(), entries, head, context, xlsx_name=xlsx, beside=beside)
    return _put(path, page.encode(), len(rows()))


def _put(path: Path, data: bytes, rows: int) -> int:
    path.write_bytes(data)
    return rows
