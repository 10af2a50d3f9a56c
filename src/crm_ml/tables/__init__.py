"""Floor 1: what does the company have? Reads, maps and checks its tables."""

from __future__ import annotations

from crm_ml.tables.check import check_tables
from crm_ml.tables.frame import Tables, from_frames
from crm_ml.tables.mapping import AttributesSpec, SourceSpec, SqlSpec, TableMapping, check_mappings
from crm_ml.tables.propose import Proposal, propose_mapping
from crm_ml.tables.read import read_tables
from crm_ml.tables.schemas import SCHEMAS, Column, Schema

__all__ = [
    "SCHEMAS",
    "AttributesSpec",
    "Column",
    "Proposal",
    "Schema",
    "SourceSpec",
    "SqlSpec",
    "TableMapping",
    "Tables",
    "check_mappings",
    "check_tables",
    "from_frames",
    "propose_mapping",
    "read_tables",
]
