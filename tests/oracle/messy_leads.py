"""Random firms with leads: late entries, versions with other sources, reopened leads, touches of strangers."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd
from hypothesis import strategies as st
from messy_firms import ZONE, Dice, Drawn, Firm, Generator, Row, Seeded, frame_of
from wall_clock import DAY_US, HOUR_US, midnight, shifted

from crm_ml.tables import Tables, from_frames

OWN = {"leads": {"budget": "qualified_at", "qualified_at": ""}}
"""Own attributes: the budget is known from the time the lead was qualified."""
OPTIONAL = {
    "leads": (
        ("known_at",),
        ("source",),
        ("campaign", "owner_id"),
        ("employees", "email"),
        ("phone",),
        ("customer_id",),
    ),
    "lead_events": (("known_at",), ("asset",), ("contact_id",)),
    "lead_stages": (("known_at",),),
    "deals": (("known_at",),),
    "order_lines": (("known_at",), ("line_no",)),
}
SIZES = {"leads": 24, "lead_events": 60, "lead_stages": 30, "deals": 20, "order_lines": 30}
KINDS = (
    "page_view", "pricing_view", "email_open", "email_click", "form_submit", "download", "webinar", "call", "meeting",
    "no_show", "reply_sent", "reply_received", "fair",
)  # fmt: skip
MAILS = ("anna@gmx.de", "bob@yahoo.co.uk", "c@mail.huber-gmbh.de", "not an address", "d@T-Online.de", None)


class LeadFirm(Firm):
    """A firm whose subjects are leads."""

    def frames(self) -> dict[str, pd.DataFrame]:
        found = {}
        for table, rows in self.rows.items():
            frame = frame_of(rows, self.columns[table])
            if "budget" in frame:
                frame["budget"] = pd.array([row["budget"] for row in rows], dtype="Int64")
            found[table] = frame
        return found

    def tables(self) -> Tables:
        tables = from_frames(self.frames(), zone=self.zone, attributes=OWN)
        since = ("", "created_at", "qualified_at")[self.cutoffs[0] // DAY_US % 3]
        if since and "customer_id" in self.columns["leads"]:
            tables = replace(tables, known_from={**tables.known_from, "leads": {"customer_id": since}})
        return tables

    def generator(self, dice: Dice) -> LeadGenerator:
        return LeadGenerator(dice, self.cutoffs, 9, self.zone)

    def leads(self) -> list[str]:
        """Return the ids of all leads that occur anywhere, and of one that does not."""
        found = {row["lead_id"] for rows in self.rows.values() for row in rows if row.get("lead_id") is not None}
        return sorted(found | {"nobody"})

    def spine(self, cutoffs: Iterable[int] | None = None) -> pd.DataFrame:
        """Return every lead at every cutoff."""
        wanted = self.cutoffs if cutoffs is None else tuple(cutoffs)
        pairs = [(lead, cutoff) for cutoff in wanted for lead in self.leads()]
        return pd.DataFrame(pairs, columns=["lead_id", "cutoff"]).astype({"cutoff": "int64"})


class LeadGenerator(Generator):
    """Makes rows of the tables of leads."""

    def __init__(self, dice: Dice, cutoffs: tuple[int, ...], leads: int, zone: str) -> None:
        super().__init__(dice, cutoffs, 3, zone)
        self.ids = [f"l{k}" for k in range(leads)]
        self.created: list[tuple[str, int]] = []

    def instant(self) -> int:
        if self.dice.below(3):
            return super().instant()
        c = self.pick(*self.cutoffs)
        if self.dice.below(2):
            when = c - self.dice.below(24 * 16) * HOUR_US - self.dice.below(2)
        else:
            when = shifted(c, -self.pick(3, 7, 14, 30, 90), self.zone) + self.dice.below(3) - 1
        self.used.append(when)
        return int(when)

    def leads(self) -> Row:
        id, at = self.pick(*self.ids), self.instant()
        self.created.append((id, at))
        return {
            "lead_id": id,
            "created_at": at,
            "source": self.pick("fair", "web", "web", "phone", None),
            "campaign": self.pick("spring", "autumn", None),
            "job_title": self.pick("Einkaufsleiterin", "CEO", None),
            "company": self.pick("Huber", None),
            "employees": self.pick(None, 0, 9, 10, 249, 250, 4000),
            "industry": self.pick("metal", "plastic", None),
            "country": self.pick("DE", "AT"),
            "owner_id": self.pick("ann", "bob", None),
            "email": self.pick(*MAILS),
            "phone": self.pick("0171", None),
            "customer_id": self.pick("c0", "c1", "c2", "unheard", None),
            "budget": self.pick(None, 5, 70),
            "qualified_at": self.pick(None, self.after(at)),
            "known_at": self.known(at),
        }

    def order_lines(self) -> Row:
        """Return a line, often right around the creation of a lead or a year before a cutoff."""
        row = super().order_lines()
        if self.dice.below(2):
            _, at = self.pick(*self.created) if self.created else ("", self.instant())
            at += self.pick(0, -1, 1, -DAY_US, -40 * DAY_US)
        else:
            at = shifted(self.pick(*self.cutoffs), -self.pick(365, 365, 30), self.zone) + self.dice.below(3) - 1
        return {**row, "ordered_at": at, "known_at": self.known(at)}

    def lead_events(self) -> Row:
        at = self.instant()
        return {
            "event_id": f"e{self.dice.below(50)}",
            "lead_id": self.pick(*self.ids, "stranger", "nobody's"),
            "occurred_at": at,
            "kind": self.pick(*KINDS),
            "asset": self.pick("paper", "film", "prices", None),
            "contact_id": self.pick("p1", "p2", None),
            "known_at": self.known(at),
        }

    def lead_stages(self) -> Row:
        id, at = self.ended("stranger")
        return {
            "lead_id": id,
            "stage": self.pick("won", "lost", "lead", "mql", "sql", "opportunity", "won"),
            "entered_at": at,
            "reason": self.pick("price", None),
            "known_at": self.known(at),
        }

    def ended(self, *others: str | None) -> tuple[Any, int]:
        """Return a lead and a time, mostly around the 90 days in which it may be won."""
        if not self.created or not self.dice.below(3):
            return self.pick(*self.ids, *others), self.instant()
        id, at = self.pick(*self.created)
        return id, shifted(at, self.pick(90, 90, 40, 5), self.zone) + self.dice.below(3) - 1

    def deals(self) -> Row:
        id, end = self.ended("stranger", None)
        at = self.pick(self.instant(), end - 30 * DAY_US)
        return {
            "deal_id": f"d{self.dice.below(12)}",
            "lead_id": id,
            "created_at": at,
            "status": self.pick("open", "won", "won", "lost"),
            "closed_at": self.pick(None, end, end, self.after(at)),
            "known_at": self.known(at),
        }


def make_lead_firm(dice: Dice, *, zone: str = ZONE) -> LeadFirm:
    """Return a firm with few leads, and cutoffs at and inside days."""
    pick = dice.below
    days = tuple(dt.date(2024, 1, 1) + dt.timedelta(days=pick(600)) for _ in range(1 + pick(3)))
    cutoffs = [midnight(day, zone) for day in days]
    cutoffs += [cutoffs[0] + pick(30 * 24) * HOUR_US + pick(3) - 1 for _ in range(pick(3))]
    make = LeadGenerator(dice, tuple(cutoffs), 1 + pick(16), zone)
    rows: dict[str, tuple[Row, ...]] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for table, most in SIZES.items():
        found = [make.row(table) for _ in range(pick(most))]
        found += [make.again(table, found[pick(len(found))]) for _ in range(pick(8)) if found]
        rows[table] = tuple(found)
        lacking = {name for group in OPTIONAL[table] if pick(6) == 5 for name in group}
        columns[table] = tuple(name for name in make.row(table) if name not in lacking)
    for table in (
        ("deals",),
        ("deals",),
        ("lead_stages",),
        ("lead_stages", "deals"),
        ("lead_events",),
        ("order_lines", "deals"),
    )[pick(6)]:
        del rows[table], columns[table]
    return LeadFirm(rows, columns, tuple(dict.fromkeys(cutoffs)), tuple(dict.fromkeys(days)), zone)


def seeded_lead_firm(seed: int, **options: Any) -> LeadFirm:
    """Return the firm of a seed."""
    return make_lead_firm(Seeded(random.Random(seed)), **options)


@st.composite
def messy_lead_firms(draw: Any, **options: Any) -> LeadFirm:
    """A strategy for firms with leads."""
    return make_lead_firm(Drawn(draw), **options)
