"""The tables invoices and payments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import Life
from crm_ml.tables.synth.goods import Orders, clock
from crm_ml.tables.synth.people import customer_ids, endings, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import BURN_IN_DAYS, Floats, Ints, World

_NEVER_PAID, _IN_PARTS, _OVERPAID, _ENTERED_LATER = 0.008, 0.07, 0.004, 0.20
# each point of satisfaction below content delays a payment by so many days
_DAYS_PER_POINT, _CONTENT = 9.0, 1.0
_DAY = np.timedelta64(1, "D")


def mood_on(life: Life, who: Ints, day: Ints) -> Floats:
    """Return the satisfaction of the customers on the days (the nearest simulated one)."""
    row = np.clip(day - BURN_IN_DAYS, 0, len(life.mood) - 1)
    return life.mood[row, who].astype(np.float64)


def money_tables(world: World, life: Life, orders: Orders, lines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables invoices and payments."""
    bills = pd.concat([_bills(world, orders), _credit_notes(world, lines)], ignore_index=True)
    bills = bills[bills["issued_at"] < world.until]
    bills = bills.sort_values(["issued_at", "order_id", "amount"], kind="stable", ignore_index=True)
    bills["invoice_id"] = numbered(np.arange(len(bills)) + 1, 8, "R")
    payments = _payments(world, life, bills)
    disputed = bills["disputed_at"].where(bills["disputed_at"] < world.until).astype("datetime64[us]")
    invoices = pd.DataFrame(
        {
            "invoice_id": bills["invoice_id"],
            "customer_id": customer_ids(world)[bills["who"].to_numpy()],
            "issued_at": bills["issued_at"],
            "due_at": bills["due_at"],
            "amount": bills["amount"],
            "order_id": bills["order_id"],
            "disputed_at": disputed,
            "known_at": bills["issued_at"],
        }
    )
    return invoices, payments


def _terms(world: World) -> Ints:
    return stream(world.seed, "terms").choice(np.array([14, 30, 60]), world.customers, p=[0.3, 0.5, 0.2])


def _bills(world: World, orders: Orders) -> pd.DataFrame:
    """Bill each order when it is delivered; some bills are disputed, faulty deliveries more often."""
    rng = stream(world.seed, "invoices")
    count = len(orders.who)
    issued = clock(orders.delivery_at.astype("datetime64[D]") + rng.integers(0, 3, count) * _DAY, rng)
    day = issued.astype("datetime64[D]")
    disputes = rng.random(count) < np.where(orders.faulty, 0.30, 0.004)
    disputed = clock(day + rng.integers(2, 21, count) * _DAY, rng)
    return pd.DataFrame(
        {
            "who": orders.who,
            "order_id": orders.order_id,
            "issued_at": issued,
            "due_at": (day + _terms(world)[orders.who] * _DAY).astype("datetime64[us]"),
            "amount": orders.amount,
            "disputed_at": np.where(disputes, disputed, np.datetime64("NaT", "us")),
        }
    )[orders.known]


def _credit_notes(world: World, lines: pd.DataFrame) -> pd.DataFrame:
    """Return one credit note for every line that takes something back."""
    rng = stream(world.seed, "credit_notes")
    back = lines[lines["net_amount"] < 0]
    day = back["ordered_at"].to_numpy().astype("datetime64[D]") + rng.integers(1, 6, len(back)) * _DAY
    position = pd.Index(customer_ids(world)).get_indexer(back["customer_id"])
    return pd.DataFrame(
        {
            "who": position,
            "order_id": back["order_id"].to_numpy(),
            "issued_at": clock(day, rng),
            "due_at": (day + 14 * _DAY).astype("datetime64[us]"),
            "amount": back["net_amount"].to_numpy(),
            "disputed_at": np.datetime64("NaT", "us"),
        }
    )


def _payments(world: World, life: Life, bills: pd.DataFrame) -> pd.DataFrame:
    """Pay the bills: each customer has its habit, dissatisfaction and disputes delay, some pay in parts or never."""
    rng = stream(world.seed, "payments")
    count, who = len(bills), bills["who"].to_numpy()
    due = bills["due_at"].to_numpy().astype("datetime64[D]")
    habit = rng.normal(1.0, 4.0, world.customers)
    mood = mood_on(life, who, (due - world.days[0]).astype(np.int64))
    delay = habit[who] + _DAYS_PER_POINT * np.maximum(_CONTENT - mood, 0) + rng.gamma(1.2, 3.0, count) - 3
    delay += np.where(bills["disputed_at"].notna(), rng.uniform(10, 40, count), 0)
    issued = bills["issued_at"].to_numpy().astype("datetime64[D]")
    paid_day = np.maximum(due + np.round(delay).astype(np.int64) * _DAY, issued + 2 * _DAY)
    parts = rng.random(count) < _IN_PARTS
    first = np.where(parts, np.round(rng.uniform(0.3, 0.7, count), 2), 1.0)
    unpaid = (rng.random(count) < _NEVER_PAID) | _defaulted(world, life, bills)
    amount = bills["amount"].to_numpy()
    over = np.where(rng.random(count) < _OVERPAID, 1.05, 1.0)
    once = np.round(amount * first * over, 2)
    gap = rng.integers(8, 45, count)
    frame = pd.DataFrame(
        {
            "invoice_id": np.concatenate([bills["invoice_id"], bills["invoice_id"][parts]]),
            "day": np.concatenate([paid_day, (paid_day + gap * _DAY)[parts]]),
            "amount": np.concatenate([once, np.round(amount - once, 2)[parts]]),
            "unpaid": np.concatenate([unpaid, unpaid[parts]]),
        }
    )
    frame = frame[~frame["unpaid"] & (frame["amount"] != 0)]
    return _booked(world, frame, rng)


def _defaulted(world: World, life: Life, bills: pd.DataFrame) -> np.ndarray:
    """Return which bills stay open because the customer is insolvent or was blocked for not paying."""
    status, _ = endings(world, life.left)
    who = bills["who"].to_numpy()
    due = (bills["due_at"].to_numpy().astype("datetime64[D]") - world.days[0]).astype(np.int64)
    broke = np.isin(status[who], ["insolvent", "blocked"])
    return np.asarray(broke & (due > life.left[who]) & (bills["amount"].to_numpy() > 0))


def _booked(world: World, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Book the payments on working days; some are entered a few days after the money came."""
    day = np.busday_offset(frame["day"].to_numpy().astype("datetime64[D]"), 0, roll="forward")
    paid = clock(day, rng, 6, 15)
    later = np.busday_offset(day, rng.integers(1, 4, len(day)), roll="forward")
    known = np.where(rng.random(len(day)) < _ENTERED_LATER, clock(later, rng, 8, 10), paid)
    booked = pd.DataFrame(
        {"invoice_id": frame["invoice_id"], "paid_at": paid, "amount": frame["amount"], "known_at": known}
    )
    booked = booked[(booked["paid_at"] < world.until) & (booked["known_at"] < world.until)]
    booked = booked.sort_values(["paid_at", "invoice_id", "amount"], kind="stable", ignore_index=True)
    booked.insert(0, "payment_id", numbered(np.arange(len(booked)) + 1, 8, "Z"))
    return booked
