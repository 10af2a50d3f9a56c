"""Service to the customer: tickets, answers, silence after a complaint, persons on both sides, drops in surveys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Stream, Timeline
from crm_ml.features.family import Declare, both
from crm_ml.features.interactions import NEEDS, measure
from crm_ml.features.spec import AnyFeature
from crm_ml.features.timeline import NULL


def _resolutions(timeline: Timeline) -> Events:
    events = timeline.events(n.INTERACTIONS, {"resolved_at": "resolved_at"}, {"channel": "channel", "topic": "topic"})
    events = events.take(events.columns["resolved_at"] != NULL)
    at = events.columns["resolved_at"]
    columns = {
        "channel": events.columns["channel"],
        "topic": events.columns["topic"],
        "resolve_hours": np.maximum(at - events.t, 0),
    }
    return replace(events, columns=columns, seen_from=np.maximum(events.seen_from, at))


def _persons(timeline: Timeline) -> Events:
    events = timeline.events(n.INTERACTIONS, {}, {"contact_id": "contact_id", "employee_id": "employee_id"})
    named = (events.columns["contact_id"] != NULL).astype(np.int64)
    return replace(events, columns={**events.columns, "has_contact": named})


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "resolutions",
            "One event per visible interaction with resolved_at before the cutoff; t = occurred_at.",
            (*NEEDS, f"{n.INTERACTIONS}.resolved_at"),
            {
                "channel": measure("text", "channel", "channel"),
                "topic": measure("text", "topic", "topic"),
                "resolve_hours": measure("hours", "hours from occurred_at to resolved_at, at least 0", "resolved_at"),
            },
            _resolutions,
        ),
        Stream(
            "contact_persons",
            "One event per interaction (its newest visible version), with the persons of both sides; t = occurred_at.",
            NEEDS,
            {
                "contact_id": measure("text", "person of the customer", "contact_id"),
                "employee_id": measure("text", "own employee", "employee_id"),
                "has_contact": measure("flag", "1 if the person of the customer is named", "contact_id"),
            },
            _persons,
        ),
    )
}

_ALL: dict[str, Any] = {"source": "interactions"}
_OPEN_TICKET: dict[str, Any] = {**_ALL, "where": {"channel": "ticket", "is_resolved": 0}}


def _tickets() -> tuple[AnyFeature, ...]:
    say = Declare("tickets", "complaints")
    return (
        say.plain("tickets_open_count", ("offene Tickets", "open tickets"), unit="count", direction=1, **_OPEN_TICKET),
        say.plain("tickets_oldest_open_days", ("Tage seit dem ältesten offenen Ticket",
                                               "days since the oldest open ticket"), aggregate="days_since_first",
                  unit="days", direction=1, **_OPEN_TICKET),
        say.ratio("tickets_open_share_365d", ("tickets_open_count_365d", "interactions_ticket_count_365d"),
                  both(("Anteil offener Tickets", "share of tickets still open"), 365), unit="share", direction=1),
        say.plain("interactions_ticket_count", both(("Tickets", "tickets"), 30), window_days=30, unit="count",
                  where={"channel": "ticket"}, **_ALL),
        say.ratio("tickets_over_own_quarter_90d", ("interactions_ticket_count_90d", "interactions_ticket_count_365d"),
                  ("Tickets: letzte 90 Tage zum eigenen Quartalsmittel",
                   "tickets: last 90 days over the own quarterly mean"), scale=365 / 90, direction=1),
    )  # fmt: skip


def _response() -> tuple[AnyFeature, ...]:
    say = Declare("response", "response_time")
    answer: dict[str, Any] = {**_ALL, "measure": "response_hours", "unit": "hours", "direction": 1}
    solved: dict[str, Any] = {"source": "resolutions", "measure": "resolve_hours", "unit": "hours", "direction": 1}
    return (
        say.plain("response_hours_max", both(("längste Antwortzeit (Stunden)", "longest hours to respond"), 365),
                  aggregate="max", window_days=365, **answer),
        say.plain("response_hours_last", ("letzte Antwortzeit (Stunden)", "hours of the last response"),
                  aggregate="last", **answer),
        say.minus("response_hours_change_90d", ("response_hours_mean_90d", "response_hours_mean_365d"),
                  ("Antwortzeit: letzte 90 Tage gegen das Jahr (Stunden)",
                   "hours to respond: last 90 days against the year"), unit="hours", direction=1),
        say.ratio("interactions_answered_share_365d", ("interactions_answered_count_365d",
                                                       "interactions_inbound_count_365d"),
                  both(("Anteil beantworteter Kontakte vom Kunden", "share of the customer's contacts answered"), 365),
                  unit="share", direction=-1),
        say.plain("resolve_hours_mean", both(("mittlere Lösungszeit (Stunden)", "mean hours to resolve"), 90),
                  aggregate="mean", window_days=90, **solved),
        say.plain("resolve_hours_mean", both(("mittlere Lösungszeit (Stunden)", "mean hours to resolve"), 365),
                  aggregate="mean", window_days=365, **solved),
        say.plain("resolve_hours_max", both(("längste Lösungszeit (Stunden)", "longest hours to resolve"), 365),
                  aggregate="max", window_days=365, **solved),
    )  # fmt: skip


def _silence() -> tuple[AnyFeature, ...]:
    say = Declare("silence", "complaints")
    return (
        say.minus("complaint_to_last_order_days", ("days_since_last_complaint", "days_since_last_order"),
                  ("Tage von der letzten Beschwerde bis zur letzten Bestellung",
                   "days from the last complaint to the last order"), unit="days", direction=-1),
        say.minus("complaint_to_last_contact_days", ("days_since_last_complaint", "days_since_last_inbound_contact"),
                  ("Tage von der letzten Beschwerde bis zum letzten Kontakt vom Kunden",
                   "days from the last complaint to the customer's last contact"), unit="days", direction=-1),
        say.ratio("complaints_share_365d", ("complaints_count_365d", "interactions_count_365d"),
                  both(("Anteil der Beschwerden an den Kontakten", "share of complaints among contacts"), 365),
                  unit="share", direction=1),
        say.ratio("complaints_unresolved_share_365d", ("complaints_unresolved_count_365d", "complaints_count_365d"),
                  both(("Anteil ungelöster Beschwerden", "share of complaints not resolved"), 365), unit="share",
                  direction=1),
    )  # fmt: skip


def _people() -> tuple[AnyFeature, ...]:
    say = Declare("people", "contact")
    persons: dict[str, Any] = {
        "source": "contact_persons", "measure": "contact_id", "aggregate": "distinct", "unit": "count",
        "direction": -1,
    }  # fmt: skip
    channels: dict[str, Any] = {
        **_ALL, "measure": "channel", "aggregate": "distinct", "unit": "count", "direction": -1,
    }  # fmt: skip
    return (
        say.plain("contact_persons_count", both(("Ansprechpartner beim Kunden", "contact persons at the customer"), 90),
                  window_days=90, **persons),
        say.plain("contact_persons_count", both(("Ansprechpartner beim Kunden", "contact persons at the customer"),
                                                365), window_days=365, **persons),
        say.minus("contact_persons_lost_90d", ("contact_persons_count_365d", "contact_persons_count_90d"),
                  ("Ansprechpartner des Jahres, von denen seit 90 Tagen nichts erfasst ist",
                   "contact persons of the year not seen for 90 days"), unit="count", direction=1),
        say.ratio("contact_persons_main_share_365d", ("contact_persons_main_count_365d",
                                                      "contact_persons_contacts_365d"),
                  both(("Anteil des häufigsten Ansprechpartners an den Kontakten",
                        "share of the most frequent contact person"), 365), unit="share", direction=1),
        say.plain("own_employees_count", both(("eigene Mitarbeiter mit Kontakt zum Kunden",
                                               "own employees in touch with the customer"), 365),
                  source="contact_persons", measure="employee_id", aggregate="distinct", window_days=365, unit="count"),
        say.plain("interactions_channels_count", both(("verschiedene Kontaktwege", "different channels of contact"),
                                                      90), window_days=90, **channels),
        say.plain("interactions_channels_count", both(("verschiedene Kontaktwege", "different channels of contact"),
                                                      365), window_days=365, **channels),
        say.plain("interactions_topics_count", both(("verschiedene Kontaktthemen", "different topics of contact"), 365),
                  measure="topic", aggregate="distinct", window_days=365, unit="count", **_ALL),
    )  # fmt: skip


def _surveys() -> tuple[AnyFeature, ...]:
    say = Declare("surveys", "satisfaction")
    found: list[AnyFeature] = [
        say.plain("surveys_count", both(("beantwortete Befragungen", "surveys answered"), 365), source="surveys",
                  window_days=365, unit="count", direction=-1)
    ]  # fmt: skip
    for kind, name in (("nps", "NPS"), ("csat", "CSAT")):
        found += [
            say.plain(f"survey_{kind}_min", (f"schlechteste Bewertung der letzten 365 Tage ({name})",
                                             f"lowest score of the last 365 days ({name})"), source="surveys",
                      measure="score", aggregate="min", where={"kind": kind}, window_days=365, unit="score",
                      direction=-1),
            say.minus(f"survey_{kind}_drop", (f"survey_{kind}_last", f"survey_{kind}_max"),
                      (f"letzte Bewertung gegen die beste je gegebene ({name})",
                       f"last score against the best ever given ({name})"), unit="score", direction=-1),
        ]  # fmt: skip
    return tuple(found)


def _inputs() -> tuple[AnyFeature, ...]:
    say = Declare("tickets", "complaints")
    none, year = ("", ""), {"window_days": 365}
    count: dict[str, Any] = {"unit": "count", **year}
    return (
        say.plain("tickets_open_count", none, **_OPEN_TICKET, **count),
        say.plain("interactions_answered_count", none, where={"direction": "inbound", "is_responded": 1}, **_ALL,
                  **count),
        say.plain("complaints_unresolved_count", none, where={"is_complaint": 1, "is_resolved": 0}, **_ALL, **count),
        say.peak("contact_persons_main_count", none, source="contact_persons", by="contact_id", **count),
        say.plain("contact_persons_contacts", none, source="contact_persons", where={"has_contact": 1}, **count),
        *(
            say.plain(f"survey_{kind}_max", none, source="surveys", measure="score", aggregate="max",
                      where={"kind": kind}, unit="score")
            for kind in ("nps", "csat")
        ),
    )  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = (*_tickets(), *_response(), *_silence(), *_people(), *_surveys())
INPUTS: tuple[AnyFeature, ...] = _inputs()
