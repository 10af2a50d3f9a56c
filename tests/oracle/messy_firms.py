"""Small messy firms: everything that can go wrong with times, versions and amounts, in a handful of rows.

One generator serves two kinds of chance: `seeded_firm` rolls the dice of a seed, `messy_firms` lets hypothesis choose
(and shrink). Instants are UTC microseconds, money is in units of 1e-4, a missing value is None.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from wall_clock import DAY_US, HOUR_US, midnight, shifted, utc_us

from crm_ml.tables import Tables, from_frames

ZONE = "Europe/Berlin"
Row = dict[str, Any]

EVENT_TIME: Mapping[str, str] = {
    "order_lines": "ordered_at",
    "invoices": "issued_at",
    "payments": "paid_at",
    "interactions": "occurred_at",
    "surveys": "answered_at",
    "contracts": "starts_at",
    "leads": "created_at",
    "lead_events": "occurred_at",
    "lead_stages": "entered_at",
    "deals": "created_at",
}
KEY: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "order_lines": ("order_id", "line_no"),
    "invoices": ("invoice_id",),
    "payments": ("payment_id",),
    "interactions": ("interaction_id",),
    "surveys": ("survey_id",),
    "contracts": ("contract_id",),
    "leads": ("lead_id",),
    "lead_events": ("event_id",),
    "lead_stages": ("lead_id", "stage", "entered_at"),
    "deals": ("deal_id",),
}
LATE: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_since", "status_from"),
    "order_lines": ("delivery_at",),
    "invoices": ("due_at", "disputed_at"),
    "interactions": ("responded_at", "resolved_at"),
    "contracts": ("ends_at", "cancelled_at"),
    "leads": ("qualified_at",),
    "deals": ("closed_at",),
}
"""Time columns that hide themselves (and what depends on them) until they are past."""

INSTANTS = {*EVENT_TIME.values(), *(c for columns in LATE.values() for c in columns), "known_at"}
MONEY = {"net_amount", "quantity", "cost_amount", "list_amount", "amount", "score", "monthly_value"}
OPTIONAL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "customers": (("industry", "country"), ("employees",), ("status", "status_from"), ("profiling_objection",)),
    "order_lines": (("line_no",), ("known_at",), ("product_id",), ("quantity", "cost_amount"), ("list_amount",)),
    "invoices": (("known_at",), ("disputed_at",)),
    "payments": (("known_at",),),
    "interactions": (("known_at",), ("direction",), ("topic",), ("responded_at",), ("resolved_at",)),
    "surveys": (("known_at",),),
    "contracts": (("known_at",), ("cancelled_at",)),
}
"""Columns that a firm may lack (together)."""

SEGMENT_KNOWN_FROM = "customer_since"
_DAYS = ("2024-03-31", "2024-04-01", "2024-10-27", "2024-10-28", "2025-01-01", "2024-02-29", "2024-09-08", "2025-03-30")
_CLOCK_CHANGES = tuple(
    utc_us(f"{day} 01:00") + shift
    for day in ("2023-10-29", "2024-03-31", "2024-10-27", "2025-03-30")
    for shift in (0, -1, -HOUR_US // 2, HOUR_US // 2, -HOUR_US)
)
_WINDOWS = (30, 90, 180, 275, 365, 455, 730)


class Dice(Protocol):
    """A source of chance."""

    def below(self, n: int) -> int:
        """Return a whole number from 0 to n - 1; 0 is the plainest."""


@dataclass
class Seeded:
    """The dice of a seed."""

    random: random.Random

    def below(self, n: int) -> int:
        return self.random.randrange(n)


@dataclass
class Drawn:
    """Dice that hypothesis throws."""

    draw: Callable[[st.SearchStrategy[int]], int]

    def below(self, n: int) -> int:
        return self.draw(_below(n))


@lru_cache(maxsize=4096)
def _below(n: int) -> st.SearchStrategy[int]:
    return st.integers(0, n - 1)


@dataclass(frozen=True)
class Firm:
    """Rows by table, the columns each table has, and cutoffs that are worth looking at."""

    rows: Mapping[str, tuple[Row, ...]]
    columns: Mapping[str, tuple[str, ...]]
    cutoffs: tuple[int, ...]
    days: tuple[dt.date, ...]
    zone: str = ZONE

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the tables as pandas frames with canonical names."""
        return {table: frame_of(rows, self.columns[table]) for table, rows in self.rows.items()}

    def tables(self) -> Tables:
        """Return the tables as the library sees them."""
        own = {"customers": {"segment": SEGMENT_KNOWN_FROM}} if "customers" in self.rows else None
        return from_frames(self.frames(), zone=self.zone, attributes=own)

    def with_rows(self, table: str, rows: Iterable[Row]) -> Firm:
        """Return the firm with other rows in one table."""
        return replace(self, rows={**self.rows, table: tuple(rows)})

    def only(self, *tables: str) -> Firm:
        """Return the firm with some of its tables alone."""
        return replace(self, rows={table: self.rows[table] for table in tables if table in self.rows})

    def customers(self) -> list[str]:
        """Return the ids of all customers that occur anywhere, and of one that does not."""
        found = {row["customer_id"] for rows in self.rows.values() for row in rows if "customer_id" in row}
        return sorted(found | {"nobody"})

    def spine(self, cutoffs: Iterable[int] | None = None) -> pd.DataFrame:
        """Return every customer at every cutoff."""
        wanted = self.cutoffs if cutoffs is None else tuple(cutoffs)
        pairs = [(customer, cutoff) for cutoff in wanted for customer in self.customers()]
        return pd.DataFrame(pairs, columns=["customer_id", "cutoff"]).astype({"cutoff": "int64"})

    def generator(self, dice: Dice) -> Generator:
        """Return what makes rows like those of the firm."""
        return Generator(dice, self.cutoffs, 7, self.zone)

    def known_at(self, table: str, row: Row) -> int:
        """Return when a row was in the system."""
        happened: int = row[EVENT_TIME[table]]
        known = row.get("known_at") if "known_at" in self.columns[table] else None
        return happened if known is None else int(known)

    def sees(self, table: str, row: Row, cutoff: int) -> bool:
        """Return whether a row is visible at a cutoff (versions aside)."""
        if table not in EVENT_TIME:
            return True
        return bool(row[EVENT_TIME[table]] < cutoff and self.known_at(table, row) < cutoff)


def frame_of(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a pandas frame, in the units people use."""
    found: dict[str, Any] = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        if name in INSTANTS:
            found[name] = pd.arrays.ArrowExtensionArray(pa.array(values, pa.timestamp("us", tz="UTC")))
        elif name in MONEY:
            found[name] = np.array([np.nan if v is None else v / 10_000 for v in values], dtype=float)
        elif name == "employees":
            found[name] = pd.array(values, dtype="Int64")
        elif name == "profiling_objection":
            found[name] = pd.array(values, dtype="boolean")
        else:
            found[name] = pd.array(values, dtype="str")
    return pd.DataFrame(found, columns=list(columns))


class Generator:
    """Makes rows of each table around the cutoffs it was given."""

    def __init__(self, dice: Dice, cutoffs: tuple[int, ...], customers: int, zone: str) -> None:
        self.dice = dice
        self.cutoffs = cutoffs
        self.zone = zone
        self.customers = [f"c{k}" for k in range(customers)]
        self.used: list[int] = []

    def pick(self, *options: Any) -> Any:
        return options[self.dice.below(len(options))]

    def instant(self) -> int:
        """Return an instant: mostly somewhere before a cutoff, often exactly where a mistake would show."""
        c = self.pick(*self.cutoffs)
        kind = self.dice.below(10)
        if kind <= 3:
            when = c - self.dice.below(500) * DAY_US - self.dice.below(24) * HOUR_US
        elif kind == 4:
            when = c + self.dice.below(3) - 1
        elif kind == 5:
            when = shifted(c, -self.pick(*_WINDOWS), self.zone) + self.dice.below(3) - 1
        elif kind == 6:
            when = self.pick(*_CLOCK_CHANGES)
        elif kind == 7:
            when = shifted(c, self.pick(0, 1, 30, 90), self.zone) + self.dice.below(3) - 1
        elif kind == 8 and self.used:
            when = self.pick(*self.used)
        else:
            when = c - self.dice.below(4000) * HOUR_US
        self.used.append(when)
        return int(when)

    def after(self, when: int) -> int:
        """Return an instant at or after another one (or, rarely, any)."""
        kind = self.dice.below(8)
        if kind == 7:
            return self.instant()
        if kind == 6:
            return int(max(when, self.pick(*self.cutoffs) + self.dice.below(3) - 1))
        return int(when + self.dice.below(60) * DAY_US + self.dice.below(24) * HOUR_US)

    def known(self, when: int) -> int | None:
        return self.pick(None, None, when, self.after(when)) if self.dice.below(3) else None

    def money(self) -> int:
        kind = self.dice.below(8)
        if kind == 7:
            return -self.dice.below(200_000)
        if kind == 6:
            return self.dice.below(3) - 1
        return (self.dice.below(50_000) + 1) * 100

    def order_lines(self) -> Row:
        customer = self.pick(*self.customers)
        at = self.instant()
        net = self.money()
        return {
            "order_id": f"o{self.dice.below(14)}" if self.dice.below(6) else f"shared{self.dice.below(2)}",
            "line_no": f"{self.dice.below(4)}",
            "customer_id": customer,
            "ordered_at": at,
            "net_amount": net,
            "product_id": self.pick("p0", "p1", "p2", "p3", None),
            "quantity": self.pick(10_000, 25_000, -10_000, None),
            "cost_amount": self.pick(None, net // 2, 70_000),
            "list_amount": self.pick(None, net, net + 12_300),
            "delivery_at": self.pick(None, self.after(at)),
            "known_at": self.known(at),
        }

    def invoices(self) -> Row:
        at = self.instant()
        return {
            "invoice_id": f"i{self.dice.below(10)}",
            "customer_id": self.pick(*self.customers),
            "issued_at": at,
            "due_at": self.pick(at + 14 * DAY_US, at + 30 * DAY_US, self.after(at), None),
            "amount": self.pick(1_000_000, 500_000, self.money()),
            "disputed_at": self.pick(None, None, self.after(at)),
            "known_at": self.known(at),
        }

    def payments(self) -> Row:
        at = self.instant()
        return {
            "payment_id": f"z{self.dice.below(14)}",
            "invoice_id": f"i{self.dice.below(12)}",
            "paid_at": at,
            "amount": self.pick(1_000_000, 500_000, 500_000, 1_500_000, self.money()),
            "known_at": self.known(at),
        }

    def interactions(self) -> Row:
        at = self.instant()
        return {
            "interaction_id": f"n{self.dice.below(16)}",
            "customer_id": self.pick(*self.customers),
            "occurred_at": at,
            "channel": self.pick("email", "phone", "visit", "web", "chat", "ticket", "event", "letter", "social"),
            "direction": self.pick("inbound", "outbound", None),
            "topic": self.pick("complaint", "inquiry", "offer", "general", None),
            "responded_at": self.pick(None, self.after(at)),
            "resolved_at": self.pick(None, self.after(at)),
            "known_at": self.known(at),
        }

    def surveys(self) -> Row:
        at = self.instant()
        return {
            "survey_id": f"s{self.dice.below(8)}",
            "customer_id": self.pick(*self.customers),
            "answered_at": at,
            "kind": self.pick("nps", "csat"),
            "score": self.dice.below(11) * 10_000,
            "known_at": self.known(at),
        }

    def contracts(self) -> Row:
        at = self.instant()
        return {
            "contract_id": f"v{self.dice.below(4)}",
            "customer_id": self.pick(*self.customers),
            "starts_at": at,
            "ends_at": self.pick(None, at + 365 * DAY_US),
            "cancelled_at": self.pick(None, self.after(at)),
            "monthly_value": self.money(),
            "known_at": self.known(at),
        }

    def customer(self, id: str) -> Row:
        return {
            "customer_id": id,
            "industry": self.pick("metal", "plastic", None),
            "country": self.pick("DE", "AT"),
            "employees": self.pick(None, 12, 300),
            "customer_since": self.pick(None, self.instant()),
            "profiling_objection": self.pick(None, False, False, True),
            "status": self.pick("active", None, "blocked", "terminated", "insolvent"),
            "status_from": self.pick(None, self.instant()),
            "segment": self.pick("A", "B", None),
        }

    def row(self, table: str) -> Row:
        made: Row = getattr(self, table)()
        return made

    def again(self, table: str, row: Row) -> Row:
        """Return the same row once more: exactly, as a version, or with other late values only."""
        kind = self.dice.below(4)
        if kind == 0 or table not in EVENT_TIME:
            return dict(row)
        other = self.row(table)
        if kind == 1:
            return {**row, **{name: other[name] for name in LATE.get(table, ())}}
        changes = [name for name in other if name not in KEY[table] and self.dice.below(2)]
        at = row[EVENT_TIME[table]]
        return {**row, "known_at": self.after(at), **{name: other[name] for name in changes if name != "known_at"}}


SIZES: Mapping[str, int] = {
    "order_lines": 41,
    "invoices": 13,
    "payments": 15,
    "interactions": 17,
    "surveys": 6,
    "contracts": 4,
}


def make_firm(dice: Dice, *, zone: str = ZONE, sizes: Mapping[str, int] = SIZES) -> Firm:
    """Return a firm with 1 to 6 customers and fewer rows per table than `sizes` says."""
    pick = dice.below
    days: list[dt.date] = []
    cutoffs: list[int] = []
    for _ in range(1 + pick(3)):
        plain = dt.date(2024, 1, 1) + dt.timedelta(days=pick(600))
        days.append(plain if pick(2) else dt.date.fromisoformat(_DAYS[pick(len(_DAYS))]))
        cutoffs.append(midnight(days[-1], zone))
    if pick(4) == 3:
        cutoffs.append((cutoffs[0] + 1, cutoffs[0] + 12 * HOUR_US, *_CLOCK_CHANGES)[pick(2 + len(_CLOCK_CHANGES))])
    make = Generator(dice, tuple(cutoffs), 1 + pick(6), zone)
    rows: dict[str, tuple[Row, ...]] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for table, most in SIZES.items():
        found = [make.row(table) for _ in range(pick(sizes.get(table, most)))]
        found += [make.again(table, found[pick(len(found))]) for _ in range(pick(6)) if found]
        rows[table] = tuple(found)
        columns[table] = tuple(make.row(table))
    rows["customers"] = tuple(make.customer(id) for id in make.customers if pick(5) < 4)
    columns["customers"] = tuple(make.customer("c0"))
    for table in columns:
        lacking = {name for group in OPTIONAL[table] if pick(6) == 5 for name in group}
        columns[table] = tuple(name for name in columns[table] if name not in lacking)
    if rows["contracts"] == ():
        del rows["contracts"], columns["contracts"]
    return Firm(rows, columns, tuple(dict.fromkeys(cutoffs)), tuple(dict.fromkeys(days)), zone)


def seeded_firm(seed: int, **options: Any) -> Firm:
    """Return the firm of a seed."""
    return make_firm(Seeded(random.Random(seed)), **options)


@st.composite
def messy_firms(draw: Any, **options: Any) -> Firm:
    """A strategy for firms."""
    return make_firm(Drawn(draw), **options)
