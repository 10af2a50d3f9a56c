"""The tables products and order_lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import Life
from crm_ml.tables.synth.names import product_names
from crm_ml.tables.synth.people import customer_ids, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import Bools, Floats, Ints, World

_ASSORTMENT = 12
_RETURNED, _RETURNED_FAULTY, _CREDITED_FAULTY = 0.012, 0.45, 0.30
_LATE_ORDERS, _LATE_LINES = 0.015, 0.004
_SECOND = np.timedelta64(1, "s")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Orders:
    """One entry per order: its id, customer, delivery, net amount, whether it was faulty, and known to the export."""

    order_id: np.ndarray
    who: Ints
    delivery_at: np.ndarray
    amount: Floats
    faulty: Bools
    known: Bools


def products_table(world: World) -> pd.DataFrame:
    """Return the table products."""
    rng = stream(world.seed, "products")
    named = product_names(rng)
    cost = np.round(np.exp(rng.normal(1.2, 1.1, len(named))) + 0.05, 2)
    return pd.DataFrame(
        {
            "product_id": numbered(np.arange(len(named)) + 1, 5, "0"),
            "name": [name for _, name in named],
            "category": [category for category, _ in named],
            "unit_cost": cost,
            "list_price": np.round(cost * rng.uniform(1.5, 2.4, len(named)), 2),
        }
    )


def clock(days: np.ndarray, rng: np.random.Generator, first: float = 7.0, last: float = 17.5) -> np.ndarray:
    """Return a time stamp (microseconds) within working hours on each of the days."""
    seconds = rng.integers(int(first * 3600), int(last * 3600), len(days))
    return (days.astype("datetime64[s]") + seconds * _SECOND).astype("datetime64[us]")


def order_tables(world: World, life: Life, products: pd.DataFrame) -> tuple[pd.DataFrame, Orders]:
    """Return the table order_lines and the orders behind it (not the returns under numbers of their own)."""
    rng = stream(world.seed, "order_lines")
    count = len(life.order_who)
    at = clock(world.days[life.order_day], rng)
    in_time = np.lexsort((life.order_who, at))
    number = np.empty(count, np.int64)
    number[in_time] = np.arange(count)
    wait = rng.integers(4, 15, count) + np.where(life.order_late, rng.integers(7, 21, count), 0)
    delivery = clock(world.days[life.order_day] + wait, rng, 6, 16)
    known = np.where(
        rng.random(count) < _LATE_ORDERS, clock(world.days[life.order_day] + rng.integers(2, 13, count), rng), at
    )

    lines = 1 + rng.poisson(1.6 * np.exp(0.15 * np.clip(life.order_mood, -2, 1)))
    of = np.repeat(np.arange(count), lines)
    line_no = np.arange(len(of)) - np.repeat(np.cumsum(lines) - lines, lines) + 1
    priced = _priced(world, life, products, of, rng)
    late_line = rng.random(len(of)) < _LATE_LINES
    frame = pd.DataFrame(
        {
            "order": number[of],
            "line": line_no,
            "own": 0,
            "who": life.order_who[of],
            "ordered_at": at[of],
            **priced,
            "delivery_at": delivery[of],
            "known_at": np.where(late_line, known[of] + rng.integers(2, 10, len(of)) * _DAY, known[of]),
        }
    )
    amount = np.bincount(of, weights=frame["net_amount"].to_numpy(), minlength=count)
    back = _taken_back(frame, life.order_quality[of], rng)
    frame = pd.concat([frame, back], ignore_index=True)
    frame = frame[(frame["ordered_at"] < world.until) & (frame["known_at"] < world.until)]
    seen = np.zeros(count, bool)
    seen[frame["order"].to_numpy()] = True
    table = _named(world, frame)
    ids = np.array(numbered(number + 1, 8), dtype=object)
    return table, Orders(ids, life.order_who, delivery, np.round(amount, 2), life.order_quality, seen[number])


def _priced(
    world: World, life: Life, products: pd.DataFrame, of: Ints, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Choose a product for each line from the customer's own assortment, and work out quantity and amounts."""
    assortment = rng.integers(len(products), size=(world.customers, _ASSORTMENT))
    discount = np.round(rng.uniform(0.0, 0.22, world.customers), 2)
    pick = np.minimum((rng.random(len(of)) ** 1.8 * _ASSORTMENT).astype(np.int64), _ASSORTMENT - 1)
    who, day = life.order_who[of], life.order_day[of]
    product = assortment[who, pick]
    rises = np.searchsorted(world.price_days, day, side="right")
    index = 1.03 ** (rises - len(world.price_days))
    price = products["list_price"].to_numpy()[product] * index
    cost = products["unit_cost"].to_numpy()[product] * index
    worth = 450 * world.size[who] * np.exp(rng.normal(0, 0.6, len(of)) + 0.1 * np.clip(life.order_mood[of], -2, 1))
    quantity = np.maximum(1, np.round(worth / price))
    listed = np.round(quantity * price, 2)
    return {
        "net_amount": np.maximum(np.round(listed * (1 - discount[who]), 2), 0.01),
        "product": product,
        "quantity": quantity,
        "cost_amount": np.round(quantity * cost, 2),
        "list_amount": listed,
    }


def _taken_back(frame: pd.DataFrame, faulty: Bools, rng: np.random.Generator) -> pd.DataFrame:
    """Return the lines that take something back: returns (in the same order or under an own number) and credits."""
    draw = rng.random(len(frame))
    returned = draw < np.where(faulty, _RETURNED_FAULTY, _RETURNED)
    credited = faulty & ~returned & (draw < _RETURNED_FAULTY + _CREDITED_FAULTY)
    back = frame[returned | credited].copy()
    is_credit = credited[returned | credited]
    own = ~is_credit & (rng.random(len(back)) < 0.5)
    # within an order at most a part comes back: an order that was bought stays a purchase
    part = np.where(own, 1.0, rng.uniform(0.1, 0.6, len(back)))
    quantity = np.where(is_credit, 0.0, np.maximum(np.floor(back["quantity"].to_numpy() * part), 0.0))
    share = np.where(is_credit, part * 0.5, quantity / back["quantity"].to_numpy())
    for column in ("net_amount", "list_amount"):
        back[column] = np.round(-back[column] * share, 2)
    back["cost_amount"] = np.where(is_credit, 0.0, np.round(-back["cost_amount"] * share, 2))
    back["quantity"] = -quantity
    start = back["delivery_at"].to_numpy().astype("datetime64[D]") + rng.integers(2, 25, len(back)) * _DAY
    back["ordered_at"] = clock(np.busday_offset(start, 0, roll="forward"), rng)
    back["known_at"] = np.maximum(back["ordered_at"], back["known_at"])
    back["delivery_at"] = np.datetime64("NaT", "us")
    back["line"] += np.where(own, 0, 100)
    back["own"] = own.astype(np.int64)
    return back[back["net_amount"] < 0]


def _named(world: World, frame: pd.DataFrame) -> pd.DataFrame:
    """Put the rows in time order and give them their ids."""
    frame = frame.sort_values(["ordered_at", "order", "own", "line"], kind="stable", ignore_index=True)
    ids = np.array(numbered(frame["order"].to_numpy() + 1, 8), dtype=object)
    own = frame["own"].to_numpy() == 1
    ids[own] = [f"RET{order}-{line}" for order, line in zip(ids[own], frame["line"][own], strict=True)]
    product_id = np.array(numbered(np.arange(frame["product"].max() + 2) + 1, 5, "0"), dtype=object)
    delivery = frame["delivery_at"].where(frame["delivery_at"] < world.until).astype("datetime64[us]")
    return pd.DataFrame(
        {
            "order_id": ids,
            "line_no": [str(line) for line in frame["line"]],
            "customer_id": customer_ids(world)[frame["who"].to_numpy()],
            "ordered_at": frame["ordered_at"],
            "net_amount": frame["net_amount"],
            "product_id": product_id[frame["product"].to_numpy()],
            "quantity": frame["quantity"],
            "cost_amount": frame["cost_amount"],
            "list_amount": frame["list_amount"],
            "delivery_at": delivery,
            "known_at": frame["known_at"],
        }
    )
