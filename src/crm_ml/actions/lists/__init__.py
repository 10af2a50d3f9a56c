"""The morning's lists: who is on them, in which order, what changed, and how they look in each format."""

from __future__ import annotations

from crm_ml.actions.lists.deputies import responsible
from crm_ml.actions.lists.entries import Entries, ListHead, action_key
from crm_ml.actions.lists.files import list_files
from crm_ml.actions.lists.gathering import Gathering, make_entries
from crm_ml.actions.lists.look import ListContext
from crm_ml.actions.lists.words import Notice

__all__ = [
    "Entries",
    "Gathering",
    "ListContext",
    "ListHead",
    "Notice",
    "action_key",
    "list_files",
    "make_entries",
    "responsible",
]
