"""What all jobs on customers begin with: the kind of model, the day, and the tables of the workspace."""

from __future__ import annotations

import datetime as dt
import logging
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from crm_ml import names as n
from crm_ml.errors import DataError, UsageError, did_you_mean
from crm_ml.jobs.definition import require_tables
from crm_ml.jobs.settings import Settings, Workspace, open_workspace
from crm_ml.tables import Tables, read_tables
from crm_ml.tables.room import MEMORY, DiskRoom
from crm_ml.tables.size import memory_needed, memory_there

CHURN, LEADS = "churn", "leads"
KINDS = (CHURN, LEADS)
CHURN_TABLES = (
    n.ORDER_LINES,
    n.CUSTOMERS,
    n.ACCOUNT_MANAGERS,
    n.PRODUCTS,
    n.INVOICES,
    n.PAYMENTS,
    n.INTERACTIONS,
    n.SURVEYS,
    n.CONTRACTS,
    n.RATES,
)
LEAD_TABLES = (n.LEADS, n.LEAD_EVENTS, n.LEAD_STAGES, n.DEALS, n.DEAL_STAGES, n.CUSTOMERS, n.RATES)
_YEARS = (1971, 2099)
_LOG = logging.getLogger(__name__)


def as_workspace(workspace: Workspace | str | Path) -> Workspace:
    """Return the workspace itself, or open the folder that is named."""
    return workspace if isinstance(workspace, Workspace) else open_workspace(workspace)


def lead_tables(known_from: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tables that leads are scored by, given what the mapping of leads dates.

    Orders are among them only where the link of a lead to a customer is dated: else nobody waits for them to be read.

    Examples
    --------
    >>> "order_lines" in lead_tables({}), "order_lines" in lead_tables({"customer_id": "created_at"})
    (False, True)
    """
    return (*LEAD_TABLES, n.ORDER_LINES) if n.CUSTOMER_ID in known_from else LEAD_TABLES


def as_day(value: dt.date | str) -> dt.date:
    """Return a business date from a date or ISO text.

    Examples
    --------
    >>> as_day("2025-06-02")
    datetime.date(2025, 6, 2)
    >>> as_day("02.06.2025")
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: as_of must be a date like 2025-06-02; found '02.06.2025'
    """
    try:
        # a time stamp is not a business date, though Python calls it a date
        if isinstance(value, dt.datetime):
            raise ValueError
        day = value if isinstance(value, dt.date) else dt.datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007
    except (ValueError, TypeError):
        raise UsageError(f"as_of must be a date like 2025-06-02; found {str(value)[:40]!r}") from None
    if not _YEARS[0] <= day.year <= _YEARS[1]:
        raise UsageError(f"as_of must lie between {_YEARS[0]} and {_YEARS[1]}; found {day}")
    return day


def require_kind(workspace: Workspace, kind: str) -> None:
    """Raise unless the kind of model exists and what it needs is mapped.

    Raises
    ------
    UsageError
        For a kind that does not exist.
    DataError
        If the table that the kind needs is not mapped.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS).strip()
        raise UsageError(f'There is no model "{kind}"', remedy=hint or "Use churn or leads.")
    needed = n.LEADS if kind == LEADS else n.ORDER_LINES
    if needed not in workspace.settings.tables:
        raise DataError(
            f"The table {needed} is needed for {kind} and is not mapped",
            remedy=f"Map it under `tables:` in {workspace.root / 'crm.yaml'}.",
            code="table_not_mapped",
        )
    if kind == CHURN:
        require_tables(workspace)


def read_inputs(workspace: Workspace, *, only: Collection[str] | None = None, strict: bool = True) -> Tables:
    """Read the mapped tables of a workspace (of these names only, if given)."""
    settings = workspace.settings
    wanted = None if only is None else [name for name in settings.tables if name in only]
    needed = memory_needed(settings.tables, root=workspace.root, only=wanted)
    room = DiskRoom(_folder_for_columns(workspace.root)) if needed > memory_limit(settings) else MEMORY
    if room.on_disk:
        _LOG.info("the tables need about %.1f GB of memory; they are worked on from files", needed / 1e9)
    return read_tables(
        settings.tables,
        root=workspace.root,
        zone=settings.timezone,
        currency=settings.currency,
        only=wanted,
        strict=strict,
        room=room,
    )


def memory_limit(settings: Settings) -> float:
    """Return how many bytes tables may need before they are worked on from files."""
    return memory_there() / 2 if settings.memory_gb is None else settings.memory_gb * 1e9


def _folder_for_columns(root: Path) -> Path:
    # the folder of temporary files lies in memory on some systems; beside the data there is a disk
    return root if os.access(root, os.W_OK) else Path(tempfile.gettempdir())


def nothing_visible(day: dt.date, kind: str = CHURN) -> DataError:
    """Return the refusal of a day before all data."""
    table, what = (n.LEADS, "lead") if kind == LEADS else (n.ORDER_LINES, "order")
    return DataError(
        f"{table}: nothing is visible as of {day}: no {what} was made and known before that day",
        remedy="Choose a later --as-of, or check that the time column and its format are mapped rightly.",
        code="nothing_visible",
    )
