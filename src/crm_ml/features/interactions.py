"""Interaction frequency: contacts, answers, complaints, surveys, and the features declared over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.orders import gaps
from crm_ml.features.spec import AnyFeature, Cause, Difference, Feature, Ratio, cause_by_prefix, windowed
from crm_ml.features.timeline import NULL

_CHANNELS = {
    "email": ("E-Mails", "e-mails"),
    "phone": ("Telefonate", "phone calls"),
    "visit": ("Besuche", "visits"),
    "web": ("Web-Kontakte", "web contacts"),
    "chat": ("Chats", "chats"),
    "ticket": ("Tickets", "tickets"),
}
NEEDS = tuple(f"{n.INTERACTIONS}.{column}" for column in ("interaction_id", n.CUSTOMER_ID, "occurred_at", "channel"))
_SURVEYS = tuple(f"{n.SURVEYS}.{column}" for column in ("survey_id", n.CUSTOMER_ID, "answered_at", "kind", "score"))


def _contacts(timeline: Timeline) -> Events:
    """Return the interactions before what arrives later splits them."""
    found: Events = timeline.once("contacts", lambda: _read_contacts(timeline))
    return found


def _read_contacts(timeline: Timeline) -> Events:
    texts = {name: name for name in ("channel", "direction", "topic")}
    times = {name: name for name in ("responded_at", "resolved_at")}
    events = timeline.events(n.INTERACTIONS, times, texts)
    complaint = events.levels["topic"].code("complaint")
    responded = events.columns["responded_at"]
    response = np.where(responded == NULL, NULL, np.maximum(responded - events.t, 0))
    columns = {name: events.columns[name] for name in texts}
    columns |= {
        "day": timeline.clock.day(events.t),
        "is_complaint": (columns["topic"] == complaint).astype(np.int64),
        "response_hours": response,
        "responded_at": responded,
        "resolved_at": events.columns["resolved_at"],
    }
    return Events(events.subject, events.t, events.seen_from, events.seen_until, columns, events.levels)


def _interactions(timeline: Timeline) -> Events:
    plain = _contacts(timeline)
    responded = plain.columns["responded_at"]
    once = plain.split(responded, {"is_responded": (0, 1), "response_hours": (NULL, plain.columns["response_hours"])})
    return once.split(once.columns["resolved_at"], {"is_resolved": (0, 1)})


def _contact_gaps(timeline: Timeline) -> Events:
    events = _contacts(timeline)
    seen = events.seen_from < events.seen_until
    events = events if seen.all() else events.take(seen)
    return gaps(events, events.columns["day"])


def _surveys(timeline: Timeline) -> Events:
    return timeline.events(n.SURVEYS, {"score": "score"}, {"kind": "kind"})


def measure(kind: Any, definition: str, *columns: str) -> Measure:
    """Return a measure made of columns of the interactions."""
    return Measure(kind, definition, tuple(f"{n.INTERACTIONS}.{column}" for column in columns))


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "interactions",
            "One event per interaction (its newest visible version); t = occurred_at.",
            NEEDS,
            {
                "channel": measure("text", "channel", "channel"),
                "direction": measure("text", "inbound or outbound", "direction"),
                "topic": measure("text", "topic", "topic"),
                "day": measure("count", "local calendar day of t"),
                "is_complaint": measure("flag", "1 if topic = complaint, else 0", "topic"),
                "is_responded": measure("flag", "1 if responded_at is before the cutoff, else 0", "responded_at"),
                "response_hours": measure(
                    "hours",
                    "hours from occurred_at to responded_at, at least 0; null until responded_at is before the cutoff",
                    "responded_at",
                ),
                "is_resolved": measure("flag", "1 if resolved_at is before the cutoff, else 0", "resolved_at"),
            },
            _interactions,
        ),
        Stream(
            "contact_gaps",
            "One event per gap between consecutive distinct local days with a visible interaction; "
            "t = time of the first visible interaction of the gap's later day.",
            NEEDS,
            {"gap_days": Measure("days", "local days between the two contact days")},
            _contact_gaps,
        ),
        Stream(
            "surveys",
            "One event per survey answer (its newest visible version); t = answered_at.",
            _SURVEYS,
            {"kind": Measure("text", "nps or csat"), "score": Measure("number", "score")},
            _surveys,
        ),
    )
}


_CAUSES: Mapping[str, Cause] = {
    "interactions": "contact",
    "interactions_unanswered": "response_time",
    "days_since_last_contact": "contact",
    "days_since_last_inbound_contact": "contact",
    "contact_gap": "contact",
    "complaints": "complaints",
    "days_since_last_complaint": "complaints",
    "response_hours": "response_time",
    "survey": "satisfaction",
    "days_since_last_survey": "satisfaction",
}


def _declare() -> tuple[AnyFeature, ...]:
    def plain(stem: str, text: tuple[str, str], **fields: Any) -> Feature:
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        cause = cause_by_prefix(id, _CAUSES)
        return Feature(id=id, text_de=text[0], text_en=text[1], family="interactions", cause=cause, **fields)

    count: dict[str, Any] = {"source": "interactions", "unit": "count"}
    found: list[AnyFeature] = []

    def windows(*days: int) -> list[tuple[int, str, str]]:
        return [(w, f"in den letzten {w} Tagen", f"in the last {w} days") for w in days]

    for w, de, en in windows(30, 90, 180, 365):
        found += [
            plain("interactions_count", (f"Kontakte {de}", f"contacts {en}"), **count, window_days=w, direction=-1),
            plain("interactions_inbound_count", (f"Kontakte vom Kunden {de}", f"contacts by the customer {en}"),
                  **count, where={"direction": "inbound"}, window_days=w, direction=-1),
            plain("interactions_outbound_count", (f"Kontakte zum Kunden {de}", f"contacts to the customer {en}"),
                  **count, where={"direction": "outbound"}, window_days=w),
        ]  # fmt: skip
    for w, de, en in windows(30, 90, 365):
        found += [
            plain("complaints_count", (f"Beschwerden {de}", f"complaints {en}"), **count,
                  where={"is_complaint": 1}, window_days=w, direction=1),
        ]  # fmt: skip
    for channel, (name_de, name_en) in _CHANNELS.items():
        for w, de, en in windows(90, 365):
            found.append(
                plain(f"interactions_{channel}_count", (f"{name_de} {de}", f"{name_en} {en}"), **count,
                      where={"channel": channel}, window_days=w)
            )  # fmt: skip
    year = "in den letzten 365 Tagen", "in the last 365 days"
    since: dict[str, Any] = {"source": "interactions", "aggregate": "days_since_last", "unit": "days", "direction": 1}
    score: dict[str, Any] = {"source": "surveys", "measure": "score", "unit": "score", "direction": -1}
    found += [
        plain("complaints_open_count", ("offene Beschwerden", "open complaints"), **count,
              where={"is_complaint": 1, "is_resolved": 0}, direction=1),
        plain("complaints_oldest_open_days", ("Tage seit der ältesten offenen Beschwerde",
                                              "days since the oldest open complaint"),
              source="interactions", aggregate="days_since_first", where={"is_complaint": 1, "is_resolved": 0},
              unit="days", direction=1),
        plain("days_since_last_complaint", ("Tage seit der letzten Beschwerde", "days since the last complaint"),
              source="interactions", aggregate="days_since_last", where={"is_complaint": 1}, unit="days", direction=-1),
        plain("days_since_last_contact", ("Tage seit dem letzten Kontakt", "days since the last contact"), **since),
        plain("days_since_last_inbound_contact", ("Tage seit dem letzten Kontakt vom Kunden",
                                                  "days since the customer's last contact"),
              where={"direction": "inbound"}, **since),
        plain("contact_gap_days_mean", ("üblicher Abstand der Kontakte (Tage)", "usual gap between contacts (days)"),
              source="contact_gaps", measure="gap_days", aggregate="mean", unit="days", direction=1),
        Ratio(id="days_since_last_contact_over_own_gap", numerator="days_since_last_contact",
              denominator="contact_gap_days_mean", unit="ratio", direction=1, family="interactions",
              cause="contact",
              text_de="Funkstille im Verhältnis zum üblichen Abstand der Kontakte",
              text_en="silence relative to the usual gap between contacts"),
        Ratio(id="interactions_count_90d_over_own_quarter", numerator="interactions_count_90d",
              denominator="interactions_count_365d", scale=365 / 90, unit="ratio", direction=-1,
              family="interactions", cause="contact", text_de="Kontakte: letzte 90 Tage zum eigenen Quartalsmittel",
              text_en="contacts: last 90 days over the own quarterly mean"),
        plain("response_hours_mean", (f"mittlere Antwortzeit (Stunden) {year[0]}", f"mean hours to respond {year[1]}"),
              source="interactions", measure="response_hours", aggregate="mean", window_days=365, unit="hours",
              direction=1),
        plain("response_hours_mean", ("mittlere Antwortzeit (Stunden) in den letzten 90 Tagen",
                                      "mean hours to respond in the last 90 days"),
              source="interactions", measure="response_hours", aggregate="mean", window_days=90, unit="hours",
              direction=1),
        plain("interactions_unanswered_count", ("unbeantwortete Kontakte vom Kunden in den letzten 90 Tagen",
                                                "unanswered contacts by the customer in the last 90 days"), **count,
              where={"direction": "inbound", "is_responded": 0}, window_days=90, direction=1),
    ]  # fmt: skip
    for kind, name in (("nps", "NPS"), ("csat", "CSAT")):
        found += [
            plain(f"survey_{kind}_last", (f"letzte Bewertung ({name})", f"last score ({name})"), aggregate="last",
                  where={"kind": kind}, **score),
            plain(f"survey_{kind}_mean", (f"mittlere Bewertung ({name})", f"mean score ({name})"), aggregate="mean",
                  where={"kind": kind}, **score),
            Difference(id=f"survey_{kind}_change", left=f"survey_{kind}_last", right=f"survey_{kind}_mean",
                       unit="score", direction=-1, family="interactions",
                       cause="satisfaction", text_de=f"letzte Bewertung gegen die eigene mittlere ({name})",
                       text_en=f"last score against the own mean ({name})"),
        ]  # fmt: skip
    found.append(
        plain("days_since_last_survey", ("Tage seit der letzten Befragung", "days since the last survey"),
              source="surveys", aggregate="days_since_last", unit="days", direction=0)
    )  # fmt: skip
    return tuple(found)


FEATURES: tuple[AnyFeature, ...] = _declare()
INPUTS: tuple[AnyFeature, ...] = ()
