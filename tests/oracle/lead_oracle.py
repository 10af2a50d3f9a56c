"""The second opinion on every feature of leads: plain loops over what was visible, one row of the spine at a time.

It is written from the definitions and shares no code with `crm_ml.features`; it works on the canonical rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from wall_clock import HOUR_US, local_day, shifted

from crm_ml.tables import Tables

Row = dict[str, Any]
KEY = {"leads": ("lead_id",), "lead_events": ("event_id",), "deals": ("deal_id",)} | {
    "order_lines": ("order_id", "line_no"),
    "lead_stages": ("lead_id", "stage", "entered_at"),
}
TIME = {"leads": "created_at", "lead_events": "occurred_at", "lead_stages": "entered_at", "deals": "created_at"}
TIME |= {"order_lines": "ordered_at"}
RANK = {"lead": 0, "mql": 1, "sql": 2, "opportunity": 3, "won": 4, "lost": 5}
INTEREST = {"page_view", "pricing_view", "email_open", "email_click", "form_submit", "download", "webinar"}
DIALOGUE = {"call", "meeting", "no_show", "reply_sent", "reply_received"}
OURS = {"reply_sent", "call", "meeting"}
THEIRS = {"form_submit", "reply_received", "download", "webinar", "pricing_view"}
TITLES = {"Einkaufsleiterin": ("purchasing", "head"), "CEO": ("management", "executive"), None: (None, None)}
FREE = {"gmx.de", "yahoo.co.uk", "T-Online.de"}


def rows_of(tables: Tables, table: str) -> list[Row]:
    """Return the canonical rows, instants as microseconds."""
    frame = tables.frames[table]
    for place, field in enumerate(frame.schema):
        if pa.types.is_timestamp(field.type):
            frame = frame.set_column(place, field.name, pc.cast(frame.column(place), pa.int64()))
    return list(frame.to_pylist())


class Then:
    """What was known at a cutoff."""

    def __init__(self, tables: Tables, cutoff: int) -> None:
        self.tables, self.c = tables, cutoff
        self.leads = {row["lead_id"]: row for row in self.visible("leads")}
        self.touches = self.visible("lead_events")
        self.stages = self.visible("lead_stages")
        self.lines = self.visible("order_lines")

    def visible(self, table: str) -> list[Row]:
        """Return the visible rows; of the versions of a row the one that was entered last."""
        if table not in self.tables.frames:
            return []
        rows = [r for r in rows_of(self.tables, table) if r[TIME[table]] < self.c and r["known_at"] < self.c]
        if not {"known_at", *KEY[table]} <= set(self.tables.mapped[table]):
            return rows
        newest: dict[Any, Row] = {}
        for row in sorted(rows, key=lambda r: r["known_at"]):
            newest[tuple(row[name] for name in KEY[table])] = row
        return list(newest.values())

    def has(self, table: str, *columns: str) -> bool:
        return table in self.tables.frames and set(columns) <= set(self.tables.mapped[table])

    def tells(self) -> bool:
        return self.has("lead_stages") or self.has("deals", "lead_id", "closed_at")

    def ends(self) -> list[tuple[str, str, int]]:
        """Return (lead, won or lost, when) as known."""
        if self.has("lead_stages"):
            return [(r["lead_id"], r["stage"], r["entered_at"]) for r in self.stages if r["stage"] in ("won", "lost")]
        return [
            (r["lead_id"], r["status"], r["closed_at"])
            for r in self.visible("deals")
            if r["status"] != "open" and r["closed_at"] is not None and r["closed_at"] < self.c
        ]

    def open_leads(self) -> set[str]:
        return set(self.leads) - {lead for lead, _, _ in self.ends()}

    def value(self, row: Row, column: str) -> Any:
        """Return a value of a lead, None while the time it is known from is not past."""
        since = self.tables.known_from.get("leads", {}).get(column)
        known = since is None or (row[since] is not None and row[since] < self.c)
        return row[column] if known else None


def over(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None or not b > 0 else a / b


def minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def of_touches(then: Then, lead: str, zone: str) -> dict[str, Any]:
    own, c = [r for r in then.touches if r["lead_id"] == lead], then.c
    mapped = then.has("lead_events")

    def count(kinds: Iterable[str], days: int | None = None) -> float | None:
        begin = -math.inf if days is None else shifted(c, -days, zone)
        return float(sum(r["kind"] in kinds and r["occurred_at"] >= begin for r in own)) if mapped else None

    def hours(kinds: Iterable[str], pick: Callable[[list[int]], int] = max) -> float | None:
        times = [r["occurred_at"] for r in own if r["kind"] in kinds]
        return (c - pick(times)) / HOUR_US if times else None

    def distinct(values: set[Any], *needs: str) -> float | None:
        return float(len(values - {None})) if then.has("lead_events", *needs) else None

    found: dict[str, Any] = {}
    for kind in INTEREST | DIALOGUE:
        found[f"lead_{kind}_count"] = count({kind})
        found[f"lead_{kind}_count_14d"] = count({kind}, 14)
    for days in (3, 7, 30):
        found[f"lead_interest_count_{days}d"] = count(INTEREST, days)
    found["lead_interest_count"] = count(INTEREST)
    interest_days = {local_day(r["occurred_at"], zone) for r in own if r["kind"] in INTEREST}
    found["lead_active_days_count"] = distinct(interest_days)
    found["lead_assets_count"] = distinct({r["asset"] for r in own}, "asset")
    found["lead_contacts_count"] = distinct({r["contact_id"] for r in own}, "contact_id")
    for stem, kinds in (("interest", INTEREST), ("theirs", THEIRS), ("ours", OURS)):
        found[f"lead_hours_since_{stem}"] = hours(kinds)
    for kind in ("pricing_view", "reply_received", "no_show"):
        found[f"lead_hours_since_{kind}"] = hours({kind})
    found["lead_hours_since_first_ours"] = hours(OURS, min)
    found["lead_hours_since_first_interest"] = hours(INTEREST, min)
    found["lead_waiting_hours"] = minus(found["lead_hours_since_ours"], found["lead_hours_since_theirs"])
    found["lead_interest_recent_share"] = over(found["lead_interest_count_7d"], found["lead_interest_count"])
    found["lead_replies_share"] = over(found["lead_reply_received_count"], found["lead_reply_sent_count"])
    return found


def of_stages(then: Then, lead: str, zone: str) -> dict[str, Any]:
    own = [(r["entered_at"], RANK[r["stage"]]) for r in then.stages if r["lead_id"] == lead]
    last, today = max(own, default=None), local_day(then.c, zone)
    most = max((rank for _, rank in own), default=None)
    return {
        "lead_stage_rank": None if last is None else last[1],
        "lead_stage_rank_max": most,
        "lead_stage_days": None if last is None else (today - local_day(last[0], zone)).days,
        "lead_stage_changes": float(len(own)) if then.has("lead_stages") else None,
        "lead_stage_steps_back": None if last is None else minus(most, last[1]),
    }


def size_of(employees: int | None) -> str | None:
    if employees is None or employees < 1:
        return None
    bounds = ((1000, "1000+"), (250, "250-999"), (50, "50-249"), (10, "10-49"), (1, "1-9"))
    return next(name for least, name in bounds if employees >= least)


def of_attributes(then: Then, lead: str, zone: str) -> dict[str, Any]:
    row = then.leads.get(lead)
    empty = dict.fromkeys(then.tables.frames["leads"].column_names)

    def value(column: str) -> Any:
        return None if row is None or not then.has("leads", column) else then.value(row, column)

    def given(column: str) -> float | None:
        return None if row is None or not then.has("leads", column) else float(value(column) is not None)

    found: dict[str, Any] = {f"lead_{x}": value(x) for x in ("source", "campaign", "industry", "country", "employees")}
    mail = value("email")
    found["lead_company_size"] = size_of(value("employees"))
    found["lead_free_mail"] = None if mail is None or "@" not in mail else float(mail.split("@")[1] in FREE)
    found["lead_job_function"], found["lead_job_seniority"] = TITLES[value("job_title")]
    found["lead_has_phone"], found["lead_has_company"] = given("phone"), given("company")
    known = (row or empty).get("qualified_at")
    qualified = known is not None and known < then.c
    found["attribute_budget"] = (row or empty).get("budget") if qualified else None
    days = (local_day(then.c, zone) - local_day(known, zone)).days if qualified else None
    return found | {"attribute_qualified_at": days}


def of_orders(then: Then, lead: str, zone: str) -> dict[str, Any]:
    row = then.leads.get(lead)
    said = "customer_id" in then.tables.known_from.get("leads", {})
    mapped = said and then.has("leads", "customer_id") and then.has("order_lines", "customer_id")
    customer = None if row is None or not mapped else then.value(row, "customer_id")
    earlier = [
        (line["ordered_at"], line["order_id"])
        for line in then.lines
        if customer is not None and line["customer_id"] == customer
        if line["net_amount"] > 0 and line["ordered_at"] < row["created_at"]
    ]
    begin, today = shifted(then.c, -365, zone), local_day(then.c, zone)
    last = max(earlier, default=None)
    return {
        "lead_is_customer": float(bool(earlier)) if mapped else None,
        "lead_customer_orders_365d": float(len({id for t, id in earlier if t >= begin})) if mapped else None,
        "lead_customer_days_since_order": None if last is None else (today - local_day(last[0], zone)).days,
    }


def of_peers(then: Then, lead: str, zone: str) -> dict[str, Any]:
    row, c = then.leads.get(lead), then.c
    won = [(who, when) for who, what, when in then.ends() if what == "won"]

    def share(rows: list[Row]) -> tuple[int, int]:
        ended = [(r["lead_id"], shifted(r["created_at"], 90, zone)) for r in rows]
        ended = [(id, end) for id, end in ended if end < c]
        return len(ended), sum(any(who == id and when < end for who, when in won) for id, end in ended)

    def group(column: str, days: int | None = None) -> list[Row] | None:
        if row is None or not then.has("leads", column) or then.value(row, column) is None:
            return None
        begin = -math.inf if days is None else shifted(c, -days, zone)
        mine = then.value(row, column)
        return [r for r in then.leads.values() if then.value(r, column) == mine and r["created_at"] >= begin]

    def won_share(column: str, days: int | None = None) -> float | None:
        mine = group(column, days)
        begin = -math.inf if days is None else shifted(c, -days, zone)
        total, all_won = share([r for r in then.leads.values() if r["created_at"] >= begin])
        if mine is None or not total or not then.tells():
            return None
        count, wins = share(mine)
        return (wins + 20 * all_won / total) / (count + 20)

    def size(rows: list[Row] | None) -> float | None:
        return None if rows is None else float(len(rows))

    owned, are_open = group("owner_id"), then.open_leads()
    owned_open = None if owned is None or not then.tells() else [r for r in owned if r["lead_id"] in are_open]
    return {
        "lead_source_won_share": won_share("source"),
        "lead_source_won_share_365d": won_share("source", 365),
        "lead_campaign_won_share": won_share("campaign"),
        "lead_source_created_30d": size(group("source", 30)),
        "lead_owner_open_count": size(owned_open),
        "lead_owner_created_7d": size(group("owner_id", 7)),
    }


def oracle_lead_features(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return one row per row of the spine and one column per feature of leads."""
    found, known = [], {c: Then(tables, c) for c in set(spine["cutoff"])}
    for lead, cutoff in zip(spine["lead_id"], spine["cutoff"], strict=True):
        then, zone = known[cutoff], tables.zone
        row = of_touches(then, lead, zone) | of_stages(then, lead, zone)
        row |= of_attributes(then, lead, zone) | of_peers(then, lead, zone) | of_orders(then, lead, zone)
        created = then.leads[lead]["created_at"] if lead in then.leads else None
        row["lead_age_hours"] = None if created is None else (cutoff - created) / HOUR_US
        today = local_day(cutoff, zone)
        row["lead_age_days"] = None if created is None else (today - local_day(created, zone)).days
        row["lead_response_hours"] = minus(row["lead_age_hours"], row["lead_hours_since_first_ours"])
        row["lead_first_interest_hours"] = minus(row["lead_age_hours"], row["lead_hours_since_first_interest"])
        row["lead_interest_pace"] = over(row["lead_interest_count"], row["lead_age_days"])
        found.append(row)
    return pd.DataFrame(found, index=spine.index)


def oracle_open(tables: Tables, cutoff: int) -> list[str]:
    """Return the leads that are open at a cutoff."""
    return sorted(Then(tables, cutoff).open_leads())


def oracle_labels(
    tables: Tables, spine: pd.DataFrame, *, gap_days: int, horizon_days: int, known_until: int, target: str
) -> list[bool]:
    """Return whether each lead first entered the stage or a later one in its window, as known at the end."""
    counts = {"won": ("won",), "opportunity": ("opportunity", "won"), "sql": ("sql", "opportunity", "won")}[target]
    then = Then(tables, known_until)
    staged = then.has("lead_stages")
    entries = [(r["lead_id"], r["stage"], r["entered_at"]) for r in then.stages] if staged else then.ends()
    found = []
    for lead, cutoff in zip(spine["lead_id"], spine["cutoff"], strict=True):
        first = min((t for who, stage, t in entries if who == lead and stage in counts), default=None)
        begin, end = (shifted(cutoff, days, tables.zone) for days in (gap_days, gap_days + horizon_days))
        found.append(first is not None and begin <= first < end)
    return found


def oracle_moments(tables: Tables, *, until: int, least_hours: float) -> list[tuple[str, int]]:
    """Return (lead, cutoff) of each lead's creation and touches while it is open."""
    leads = rows_of(tables, "leads")
    touches = rows_of(tables, "lead_events") if "lead_events" in tables.frames else []
    begins = {r["lead_id"]: min(changes_of(leads, r["lead_id"])) for r in leads}
    found = []
    for lead, begin in begins.items():
        last = -math.inf
        for moment in sorted({max(m, begin) for m in moments_of(tables, touches, lead)} | {begin}):
            if moment >= until or lead not in Then(tables, moment).open_leads():
                continue
            if moment - last >= max(least_hours * HOUR_US, 1):
                found.append((lead, moment))
                last = moment
    return sorted(found, key=lambda x: (x[1], x[0]))


def changes_of(rows: list[Row], lead: str) -> list[int]:
    return [max(r["created_at"], r["known_at"]) + 1 for r in rows if r["lead_id"] == lead]


def moments_of(tables: Tables, touches: list[Row], lead: str) -> set[int]:
    """Return the instants just after a version of a touch became the newest visible one."""
    found = set()
    for row in touches:
        at = max(row["occurred_at"], row["known_at"]) + 1
        if row["lead_id"] == lead and row in Then(tables, at).touches:
            found.add(at)
    return found
