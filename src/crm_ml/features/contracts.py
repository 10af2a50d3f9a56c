"""Contracts as known then: running, in notice, cancelled, ended.

An end or a cancellation that lies ahead is not known yet (a time hides itself until it is past), so there are no days
to the end of a contract here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.spec import AnyFeature
from crm_ml.features.timeline import NULL

_NEEDS = tuple(f"{n.CONTRACTS}.{column}" for column in ("contract_id", n.CUSTOMER_ID, "starts_at"))


def _rows(timeline: Timeline) -> Events:
    columns = {name: name for name in ("ends_at", "cancelled_at", "monthly_value")}
    return timeline.events(n.CONTRACTS, columns)


def _contracts(timeline: Timeline) -> Events:
    events = _rows(timeline)
    cancelled = events.columns["cancelled_at"]
    kept = replace(events, columns={name: events.columns[name] for name in ("ends_at", "monthly_value")})
    once = kept.split(cancelled, {"is_cancelled": (0, 1)})
    return once.split(once.columns["ends_at"], {"is_ended": (0, 1)})


def _at(column: str, timeline: Timeline) -> Events:
    events = _rows(timeline)
    events = events.take(events.columns[column] != NULL)
    at = events.columns[column]
    columns = {"monthly_value": events.columns["monthly_value"]}
    return Events(events.subject, at, np.maximum(events.seen_from, at), events.seen_until, columns)


def _cancellations(timeline: Timeline) -> Events:
    return _at("cancelled_at", timeline)


def _ends(timeline: Timeline) -> Events:
    return _at("ends_at", timeline)


_VALUE = Measure("money", "monthly value", (f"{n.CONTRACTS}.monthly_value",))

STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "contracts",
            "One event per contract that has begun (its newest visible version); t = starts_at.",
            _NEEDS,
            {
                "monthly_value": _VALUE,
                "is_cancelled": Measure(
                    "flag", "1 if cancelled_at is before the cutoff, else 0", (f"{n.CONTRACTS}.cancelled_at",)
                ),
                "is_ended": Measure("flag", "1 if ends_at is before the cutoff, else 0", (f"{n.CONTRACTS}.ends_at",)),
            },
            _contracts,
        ),
        Stream(
            "contract_cancellations",
            "One event per visible contract with cancelled_at before the cutoff; t = cancelled_at.",
            (*_NEEDS, f"{n.CONTRACTS}.cancelled_at"),
            {"monthly_value": _VALUE},
            _cancellations,
        ),
        Stream(
            "contract_ends",
            "One event per visible contract with ends_at before the cutoff; t = ends_at.",
            (*_NEEDS, f"{n.CONTRACTS}.ends_at"),
            {"monthly_value": _VALUE},
            _ends,
        ),
    )
}


def _declare() -> tuple[AnyFeature, ...]:
    say = Declare("contracts", "relationship_age")
    running: dict[str, Any] = {"source": "contracts", "where": {"is_cancelled": 0, "is_ended": 0}}
    return (
        say.plain("contracts_running_count", ("laufende ungekündigte Verträge", "running contracts not cancelled"),
                  unit="count", direction=-1, **running),
        say.plain("contracts_monthly_value", ("Monatswert der laufenden Verträge",
                                              "monthly value of running contracts"),
                  measure="monthly_value", aggregate="sum", unit="money", cause="order_value", direction=-1, **running),
        say.plain("contracts_running_days", ("Laufzeit des ältesten laufenden Vertrags (Tage)",
                                             "days of the oldest running contract"), aggregate="days_since_first",
                  unit="days", direction=-1, **running),
        say.plain("contracts_notice_count", ("gekündigte, noch laufende Verträge",
                                             "contracts cancelled and still running"), source="contracts",
                  where={"is_cancelled": 1, "is_ended": 0}, unit="count", direction=1),
        say.plain("contracts_new_count", both(("neue Verträge", "new contracts"), 365), source="contracts",
                  window_days=365, unit="count", direction=-1),
        say.plain("contracts_cancelled_count", both(("gekündigte Verträge", "contracts cancelled"), 365),
                  source="contract_cancellations", window_days=365, unit="count", direction=1),
        say.plain("days_since_last_cancellation", ("Tage seit der letzten Kündigung",
                                                   "days since the last contract was cancelled"),
                  source="contract_cancellations", aggregate="days_since_last", unit="days", direction=-1),
        say.plain("contracts_ended_count", both(("ausgelaufene Verträge", "contracts ended"), 365),
                  source="contract_ends", window_days=365, unit="count", direction=1),
    )  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = _declare()
INPUTS: tuple[AnyFeature, ...] = ()
