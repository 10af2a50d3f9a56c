"""Helpers of the feature tests: tiny tables and the features of one customer at one cutoff."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from crm_ml.features import build_features
from crm_ml.tables import Tables, from_frames


def tables_of(zone: str = "Europe/Berlin", attributes: Any = None, **frames: Any) -> Tables:
    return from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()}, zone=zone, attributes=attributes)


def row_at(tables: Tables, as_of: Any, customer: str = "7", features: Any = None) -> dict[str, Any]:
    """The features of one customer: as_of is a date, or a time stamp with zone."""
    spine = pd.DataFrame({"customer_id": [customer]})
    if isinstance(as_of, pd.Timestamp):
        spine["cutoff"] = as_of.value // 1_000  # value counts nanoseconds
    else:
        spine["as_of"] = [dt.date.fromisoformat(as_of)]
    found = build_features(tables, spine, features=features).iloc[0].to_dict()
    return {name: None if pd.isna(value) else value for name, value in found.items()}


@pytest.fixture
def tables() -> Callable[..., Tables]:
    return tables_of


@pytest.fixture
def at() -> Callable[..., dict[str, Any]]:
    return row_at


@pytest.fixture
def lines() -> Callable[..., dict[str, list[Any]]]:
    """Order lines of customer 7 from tuples (order_id, ordered_at, net_amount); other columns by name."""

    def make(*rows: tuple[str, str, float], **columns: list[Any]) -> dict[str, list[Any]]:
        order, when, net = (list(values) for values in zip(*rows, strict=True))
        plain = {"order_id": order, "ordered_at": when, "net_amount": net, "customer_id": ["7"] * len(rows)}
        return {**plain, **columns}

    return make
