"""Leads: what they looked at, what was said in both directions, where they stand, who they are, and their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.features.events import Events, Measure, Stream, Timeline
from crm_ml.features.fate import pairs
from crm_ml.features.job_titles import FUNCTIONS, SENIORITIES, normalise_titles
from crm_ml.features.rows import codes, integers, seen_span
from crm_ml.features.spec import AnyFeature, AttributeFeature, Difference, Feature, PeerFeature, Ratio, windowed
from crm_ml.features.timeline import NULL
from crm_ml.features.visibility import known_times
from crm_ml.tables.identifiers import places_among, used_levels

STAGE_RANKS: Final[Mapping[str, int]] = {"lead": 0, "mql": 1, "sql": 2, "opportunity": 3, "won": 4, "lost": 5}
"""How far a stage is; a lead that is won or lost is not scored any more."""
_KINDS: Final = {
    "page_view": ("Seitenaufrufe", "page views"),
    "pricing_view": ("Aufrufe der Preise", "pricing views"),
    "email_open": ("geöffnete E-Mails", "e-mails opened"),
    "email_click": ("Klicks in E-Mails", "e-mail clicks"),
    "form_submit": ("Formulare", "forms"),
    "download": ("Downloads", "downloads"),
    "webinar": ("Webinare", "webinars"),
    "call": ("Telefonate", "calls"),
    "meeting": ("Termine", "meetings"),
    "no_show": ("nicht wahrgenommene Termine", "no-shows"),
    "reply_sent": ("unsere Antworten", "our replies"),
    "reply_received": ("Antworten des Interessenten", "replies by the lead"),
}
_INTEREST: Final = ("page_view", "pricing_view", "email_open", "email_click", "form_submit", "download", "webinar")
OURS: Final = ("reply_sent", "call", "meeting")
"""Kinds of touches that are a step of ours."""
_THEIRS: Final = ("form_submit", "reply_received", "download", "webinar", "pricing_view")
_EVENTS: Final = tuple(f"{n.LEAD_EVENTS}.{column}" for column in ("event_id", n.LEAD_ID, "occurred_at", "kind"))
_STAGES: Final = tuple(f"{n.LEAD_STAGES}.{column}" for column in (n.LEAD_ID, "stage", "entered_at"))
LINKED: Final = "lead_orders"
"""The stream that hangs on a column of the lead's own row, which a firm may fill in only when the lead is won."""
_LINK: Final = (
    *(f"{n.LEADS}.{column}" for column in (n.LEAD_ID, "created_at", n.CUSTOMER_ID)),
    *(f"{n.ORDER_LINES}.{column}" for column in ("order_id", n.CUSTOMER_ID, "ordered_at", "net_amount")),
)
_FREE_MAIL: Final = frozenset(
    [
        "aol",
        "arcor",
        "freenet",
        "gmail",
        "gmx",
        "googlemail",
        "hotmail",
        "icloud",
        "live",
        "mail",
        "me",
        "outlook",
        "posteo",
        "proton",
        "protonmail",
        "t-online",
        "web",
        "yahoo",
        "yandex",
    ]
)
_SIZES: Final = ((10, "1-9"), (50, "10-49"), (250, "50-249"), (1000, "250-999"), (float("inf"), "1000+"))
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "lead_company_size": tuple(name for _, name in _SIZES),
    "lead_job_function": FUNCTIONS,
    "lead_job_seniority": SENIORITIES,
}
"""Of categories whose levels do not depend on the data."""


def _touches(timeline: Timeline) -> Events:
    events = timeline.events(n.LEAD_EVENTS, {}, {name: name for name in ("kind", "asset", "contact_id")})
    kinds = events.levels["kind"]
    codes = events.columns["kind"]

    def among(names: Sequence[str]) -> np.ndarray:
        return np.isin(codes, [kinds.code(name) for name in names]).astype(np.int64)

    columns = {
        **events.columns,
        "day": timeline.clock.day(events.t),
        "is_interest": among(_INTEREST),
        "is_ours": among(OURS),
        "is_theirs": among(_THEIRS),
    }
    return Events(events.subject, events.t, events.seen_from, events.seen_until, columns, events.levels)


def _created(timeline: Timeline) -> Events:
    events = timeline.events(n.LEADS, {}, {})
    rows = np.arange(timeline.tables.frames[n.LEADS].num_rows, dtype=np.int64)
    known = timeline.subject_codes(timeline.tables.frames[n.LEADS].column(n.LEAD_ID)) >= 0
    return Events(events.subject, events.t, events.seen_from, events.seen_until, {"row": rows[known]})


def _stages(timeline: Timeline) -> Events:
    events = timeline.events(n.LEAD_STAGES, {}, {"stage": "stage"})
    ranks = np.array([*(STAGE_RANKS.get(name, NULL) for name in events.levels["stage"]), NULL], np.int64)
    code = events.columns["stage"]
    rank = ranks[np.where(code == NULL, len(ranks) - 1, code)]
    columns = {"stage": code, "rank": rank}
    return Events(events.subject, events.t, events.seen_from, events.seen_until, columns, events.levels)


def _orders_before(timeline: Timeline) -> Events:
    tables = timeline.tables
    leads, lines = tables.stored[n.LEADS], tables.stored[n.ORDER_LINES]
    lines_at = [column[integers(lines, "net_amount") > 0] for column in seen_span(tables, n.ORDER_LINES)]
    lines = lines.filter(pc.greater(pc.cast(lines.column("net_amount"), pa.int64()), 0))
    customers = used_levels(leads.column(n.CUSTOMER_ID))
    who, whose = (places_among(frame.column(n.CUSTOMER_ID), customers) for frame in (leads, lines))
    linked = leads.column(n.CUSTOMER_ID).is_valid().to_numpy()
    by_customer = np.argsort(whose, kind="stable")
    lead, line = pairs(np.where(linked, who, -2), whose[by_customer])
    line = by_customer[line]
    created, seen, until = seen_span(tables, n.LEADS)
    ordered, ordered_seen, ordered_until = lines_at
    subject = timeline.subject_codes(leads.column(n.LEAD_ID))
    # what becomes of the lead is no reason for it: an order that followed the enquiry never counts
    kept = (ordered[line] < created[lead]) & (subject[lead] >= 0)
    lead, line = lead[kept], line[kept]
    seen = np.maximum(seen, known_times(tables, n.LEADS, n.CUSTOMER_ID))
    order, texts = codes(lines.column("order_id"))
    columns = {"order_id": order[line], "bought": np.ones(len(line), np.int64)}
    return Events(
        subject[lead],
        ordered[line],
        np.maximum(seen[lead], ordered_seen[line]),
        np.minimum(until[lead], ordered_until[line]),
        columns,
        {"order_id": texts},
    )


def _measure(kind: Any, definition: str, *columns: str) -> Measure:
    return Measure(kind, definition, tuple(f"{n.LEAD_EVENTS}.{column}" for column in columns))


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            "leads",
            "One event per lead (its newest visible version); t = created_at.",
            (f"{n.LEADS}.{n.LEAD_ID}", f"{n.LEADS}.created_at"),
            {"row": Measure("count", "row of the table")},
            _created,
        ),
        Stream(
            "lead_events",
            "One event per touch of a lead (its newest visible version); t = occurred_at.",
            _EVENTS,
            {
                "kind": _measure("text", "kind"),
                "asset": _measure("text", "asset", "asset"),
                "contact_id": _measure("text", "contact_id", "contact_id"),
                "day": _measure("count", "local calendar day of t"),
                "is_interest": _measure("flag", f"1 if kind is one of {', '.join(_INTEREST)}, else 0"),
                "is_ours": _measure("flag", f"1 if kind is one of {', '.join(OURS)}, else 0"),
                "is_theirs": _measure("flag", f"1 if kind is one of {', '.join(_THEIRS)}, else 0"),
            },
            _touches,
        ),
        Stream(
            "lead_stages",
            "One event per stage entered (its newest visible version); t = entered_at.",
            _STAGES,
            {
                "stage": Measure("text", "stage"),
                "rank": Measure("count", "0 lead, 1 mql, 2 sql, 3 opportunity, 4 won, 5 lost"),
            },
            _stages,
        ),
        Stream(
            LINKED,
            "One event per order line of positive net amount (its newest visible version) that the customer named by "
            "leads.customer_id (of the lead's newest visible version) had ordered before leads.created_at; "
            "t = ordered_at. Only where the mapping says since when leads.customer_id was known (known_from).",
            _LINK,
            {"order_id": Measure("text", "order"), "bought": Measure("count", "1")},
            _orders_before,
            dated=(f"{n.LEADS}.{n.CUSTOMER_ID}",),
        ),
    )
}


def free_mail(values: Sequence[str | None]) -> list[float | None]:
    """Return 1 for addresses at a provider for private persons, 0 for others, None without an address.

    Examples
    --------
    >>> free_mail(["anna@gmx.de", "bob@yahoo.co.uk", "einkauf@mail.huber-gmbh.de", None])
    [1.0, 1.0, 0.0, None]
    """
    return [None if not value or "@" not in value else float(_provider(value) in _FREE_MAIL) for value in values]


def _provider(address: str) -> str:
    """Return the name before the country's or the general ending: what is in front of it is the owner's own."""
    *names, _ = ["", "", *address.rpartition("@")[2].strip().lower().rstrip(".").split(".")]
    return names[-2] if names[-1] in ("co", "com") and names[-2] else names[-1]


def size_class(values: Sequence[float | None]) -> list[str | None]:
    """Return the size class of companies by their employees.

    Examples
    --------
    >>> size_class([4, 250, None])
    ['1-9', '250-999', None]
    """
    return [
        None if value is None or value < 1 else next(name for below, name in _SIZES if value < below)
        for value in values
    ]


def job_functions(values: Sequence[str | None]) -> list[str | None]:
    """Return the function that each job title names, None without a title.

    Examples
    --------
    >>> job_functions(["Einkaufsleiterin", None])
    ['purchasing', None]
    """
    return _named(values, normalise_titles(values)[0])


def job_seniorities(values: Sequence[str | None]) -> list[str | None]:
    """Return the seniority that each job title names, None without a title.

    Examples
    --------
    >>> job_seniorities(["Einkaufsleiterin", None])
    ['head', None]
    """
    return _named(values, normalise_titles(values)[1])


def _named(values: Sequence[str | None], found: Sequence[str]) -> list[str | None]:
    return [None if value is None else name for value, name in zip(values, found, strict=True)]


def present(values: Sequence[Any]) -> list[float | None]:
    """Return 1 where there is a value, else 0.

    Examples
    --------
    >>> present(["0171 234", None])
    [1.0, 0.0]
    """
    return [0.0 if value is None or value == "" else 1.0 for value in values]


def _declare() -> tuple[AnyFeature, ...]:
    found: list[AnyFeature] = []

    def add(stem: str, text: tuple[str, str], cause: Any, **fields: Any) -> None:
        id = windowed(stem, fields.get("window_days"), fields.get("offset_days", 0))
        found.append(Feature(id=id, text_de=text[0], text_en=text[1], family="leads", cause=cause, **fields))

    def windows(*days: int) -> list[tuple[int, str, str]]:
        return [(w, f"in den letzten {w} Tagen", f"in the last {w} days") for w in days]

    touches: dict[str, Any] = {"source": "lead_events"}
    count: dict[str, Any] = {**touches, "unit": "count"}
    since: dict[str, Any] = {**touches, "aggregate": "hours_since_last", "unit": "hours"}
    hours: dict[str, Any] = {"aggregate": "hours_since_first", "unit": "hours"}
    add("lead_age_days", ("Tage seit der Anfrage", "days since the enquiry"), "lead_age", source="leads",
        aggregate="days_since_first", unit="days", direction=-1)  # fmt: skip
    add("lead_age_hours", ("Stunden seit der Anfrage", "hours since the enquiry"), "lead_age", source="leads", **hours)
    for kind, (de, en) in _KINDS.items():
        cause = "lead_interest" if kind in _INTEREST else "lead_dialogue"
        direction = -1 if kind == "no_show" else 0 if kind in ("reply_sent", "call", "page_view", "email_open") else 1
        where: Mapping[str, Any] = {"kind": kind}
        add(f"lead_{kind}_count", (f"{de} bisher", f"{en} so far"), cause, **count, where=where, direction=direction)
        add(f"lead_{kind}_count", (f"{de} in den letzten 14 Tagen", f"{en} in the last 14 days"), cause, **count,
            where=where, window_days=14, direction=direction)  # fmt: skip
    for w, de, en in windows(3, 7, 30):
        add("lead_interest_count", (f"Zeichen von Interesse {de}", f"signs of interest {en}"), "lead_interest", **count,
            where={"is_interest": 1}, window_days=w, direction=1)  # fmt: skip
    add("lead_interest_count", ("Zeichen von Interesse bisher", "signs of interest so far"), "lead_interest", **count,
        where={"is_interest": 1}, direction=1)  # fmt: skip
    add("lead_active_days_count", ("Tage mit Aktivität bisher", "days with activity so far"), "lead_interest",
        **count, measure="day", aggregate="distinct", where={"is_interest": 1}, direction=1)  # fmt: skip
    add("lead_assets_count", ("verschiedene Inhalte bisher", "different assets so far"), "lead_interest", **touches,
        unit="count", measure="asset", aggregate="distinct", direction=1)  # fmt: skip
    add("lead_contacts_count", ("Ansprechpartner bisher", "contact persons so far"), "lead_dialogue", **touches,
        unit="count", measure="contact_id", aggregate="distinct", direction=1)  # fmt: skip
    for stem, de, en, cause, only in (
        ("interest", "seit dem letzten Zeichen von Interesse", "since the last sign of interest", "lead_interest",
         {"is_interest": 1}),
        ("theirs", "seit dem letzten Anstoß des Interessenten", "since the lead last moved", "lead_response",
         {"is_theirs": 1}),
        ("ours", "seit unserem letzten Schritt", "since our last step", "lead_response", {"is_ours": 1}),
        ("pricing_view", "seit dem letzten Blick auf die Preise", "since the last look at prices", "lead_interest",
         {"kind": "pricing_view"}),
        ("reply_received", "seit der letzten Antwort des Interessenten", "since the lead's last reply", "lead_dialogue",
         {"kind": "reply_received"}),
        ("no_show", "seit dem letzten nicht wahrgenommenen Termin", "since the last no-show", "lead_dialogue",
         {"kind": "no_show"}),
    ):  # fmt: skip
        add(f"lead_hours_since_{stem}", (f"Stunden {de}", f"hours {en}"), cause, **since, where=only,
            direction=1 if stem == "no_show" else -1 if stem != "ours" else 0)  # fmt: skip
    add("lead_hours_since_first_ours", ("Stunden seit unserem ersten Schritt", "hours since our first step"),
        "lead_response", **touches, **hours, where={"is_ours": 1})  # fmt: skip
    add("lead_hours_since_first_interest", ("Stunden seit dem ersten Zeichen von Interesse",
                                            "hours since the first sign of interest"),
        "lead_interest", **touches, **hours, where={"is_interest": 1})  # fmt: skip
    own: dict[str, Any] = {"family": "leads", "unit": "hours"}
    found += [
        Difference(id="lead_response_hours", left="lead_age_hours", right="lead_hours_since_first_ours", direction=-1,
                   cause="lead_response", text_de="Stunden bis zu unserem ersten Schritt",
                   text_en="hours until our first step", **own),
        Difference(id="lead_waiting_hours", left="lead_hours_since_ours", right="lead_hours_since_theirs",
                   cause="lead_response", text_de="Vorsprung des Interessenten vor unserem letzten Schritt (Stunden)",
                   text_en="by how many hours the lead moved after our last step", **own),
        Difference(id="lead_first_interest_hours", left="lead_age_hours", right="lead_hours_since_first_interest",
                   cause="lead_interest", text_de="Stunden von der Anfrage bis zum ersten Zeichen von Interesse",
                   text_en="hours from the enquiry to the first sign of interest", **own),
        # over whole days: over hours the form that makes the lead would count as a burst at its very first instant
        Ratio(id="lead_interest_pace", numerator="lead_interest_count", denominator="lead_age_days", direction=1,
              cause="lead_interest", unit="ratio", family="leads",
              text_de="Zeichen von Interesse je Tag", text_en="signs of interest per day"),
        Ratio(id="lead_interest_recent_share", numerator="lead_interest_count_7d", denominator="lead_interest_count",
              direction=1, cause="lead_interest", unit="share", family="leads",
              text_de="Anteil der letzten 7 Tage am Interesse", text_en="share of the interest in the last 7 days"),
        Ratio(id="lead_replies_share", numerator="lead_reply_received_count", denominator="lead_reply_sent_count",
              direction=1, cause="lead_dialogue", unit="ratio", family="leads",
              text_de="Antworten des Interessenten je unserer Antwort", text_en="replies by the lead per our reply"),
    ]  # fmt: skip
    stages: dict[str, Any] = {"source": "lead_stages"}
    add("lead_stage_rank", ("Stufe (0 Lead bis 3 Chance)", "stage (0 lead to 3 opportunity)"), "lead_stage", **stages,
        measure="rank", aggregate="last", unit="count", direction=1)  # fmt: skip
    add("lead_stage_rank_max", ("höchste Stufe bisher", "highest stage so far"), "lead_stage", **stages, measure="rank",
        aggregate="max", unit="count", direction=1)  # fmt: skip
    add("lead_stage_days", ("Tage in der Stufe", "days in the stage"), "lead_stage", **stages,
        aggregate="days_since_last", unit="days", direction=-1)  # fmt: skip
    add("lead_stage_changes", ("Stufenwechsel bisher", "stage changes so far"), "lead_stage", **stages, unit="count")
    found.append(
        Difference(id="lead_stage_steps_back", left="lead_stage_rank_max", right="lead_stage_rank", direction=-1,
                   cause="lead_stage", unit="count", family="leads", text_de="Stufen zurückgefallen",
                   text_en="stages fallen back")
    )  # fmt: skip
    before: dict[str, Any] = {"source": LINKED}
    add("lead_is_customer", ("schon Kunde vor der Anfrage", "a customer already before the enquiry"), "lead_company",
        **before, measure="bought", aggregate="distinct", unit="count", direction=1,
        definition=f"1 if there is any event, else 0; stream {LINKED}")  # fmt: skip
    add("lead_customer_orders", ("Bestellungen vor der Anfrage in den letzten 365 Tagen",
                                 "orders before the enquiry in the last 365 days"),
        "lead_company", **before, measure="order_id", aggregate="distinct", window_days=365, unit="count",
        direction=1)  # fmt: skip
    add("lead_customer_days_since_order", ("Tage seit der letzten Bestellung vor der Anfrage",
                                           "days since the last order before the enquiry"),
        "lead_company", **before, aggregate="days_since_last", unit="days", direction=-1)  # fmt: skip
    return (*found, *_firmographics(), *_peers())


def _firmographics() -> tuple[AnyFeature, ...]:
    def one(id: str, column: str, text: tuple[str, str], cause: Any, **fields: Any) -> AttributeFeature:
        return AttributeFeature(
            id=id, column=column, table=n.LEADS, text_de=text[0], text_en=text[1], family="leads", cause=cause, **fields
        )

    category: dict[str, Any] = {"unit": "category"}
    flag: dict[str, Any] = {"unit": "count"}
    return (
        one("lead_source", "source", ("Herkunft", "source"), "lead_source", **category),
        one("lead_campaign", "campaign", ("Kampagne", "campaign"), "lead_source", **category),
        one("lead_industry", "industry", ("Branche", "industry"), "lead_company", **category),
        one("lead_country", "country", ("Land", "country"), "lead_company", **category),
        one("lead_employees", "employees", ("Mitarbeiter", "employees"), "lead_company", unit="count"),
        one("lead_company_size", "employees", ("Größenklasse", "company size class"), "lead_company", **category,
            through=size_class, definition="leads.employees as one of 1-9, 10-49, 50-249, 250-999, 1000+"),
        one("lead_job_function", "job_title", ("Funktion", "function"), "lead_person", **category, pii="person",
            through=job_functions, definition="function that leads.job_title names (docs/job-titles.md)"),
        one("lead_job_seniority", "job_title", ("Rang", "seniority"), "lead_person", **category, pii="person",
            through=job_seniorities, definition="seniority that leads.job_title names (docs/job-titles.md)"),
        one("lead_free_mail", "email", ("private E-Mail-Adresse", "free-mail address"), "lead_person", **flag,
            through=free_mail, direction=-1, pii="person",
            definition="1 if leads.email is at a provider for private persons, 0 if not; null without an address"),
        one("lead_has_phone", "phone", ("Telefonnummer angegeben", "phone number given"), "lead_person", **flag,
            through=present, direction=1, definition="1 if leads.phone is given, else 0"),
        one("lead_has_company", "company", ("Firma angegeben", "company given"), "lead_company", **flag,
            through=present, direction=1, definition="1 if leads.company is given, else 0"),
    )  # fmt: skip


def _peers() -> tuple[AnyFeature, ...]:
    def one(id: str, column: str, text: tuple[str, str], cause: Any, **fields: Any) -> PeerFeature:
        return PeerFeature(
            id=id, column=column, text_de=text[0], text_en=text[1], family="leads", cause=cause, **fields
        )

    share: dict[str, Any] = {"what": "won_share", "unit": "share", "direction": 1}
    return (
        one("lead_source_won_share", "source", ("Abschlussquote der Herkunft bisher", "win rate of the source so far"),
            "lead_source", **share),
        one("lead_source_won_share_365d", "source", ("Abschlussquote der Herkunft im letzten Jahr",
                                                     "win rate of the source in the last year"),
            "lead_source", window_days=365, **share),
        one("lead_campaign_won_share", "campaign", ("Abschlussquote der Kampagne bisher",
                                                    "win rate of the campaign so far"), "lead_source", **share),
        one("lead_source_created_30d", "source", ("Leads derselben Herkunft in 30 Tagen",
                                                  "leads of the source in 30 days"),
            "lead_source", what="created", window_days=30, unit="count"),
        one("lead_owner_open_count", "owner_id", ("offene Leads des Bearbeiters", "open leads of the owner"),
            "lead_owner", what="open", unit="count", direction=-1),
        one("lead_owner_created_7d", "owner_id", ("neue Leads des Bearbeiters in 7 Tagen",
                                                  "new leads of the owner in 7 days"),
            "lead_owner", what="created", window_days=7, unit="count"),
    )  # fmt: skip


FEATURES: tuple[AnyFeature, ...] = _declare()
INPUTS: tuple[AnyFeature, ...] = ()
