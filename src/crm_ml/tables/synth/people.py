"""The tables customers and account_managers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import NEVER, Life
from crm_ml.tables.synth.names import PLACES, ascii_slug, company_names, person_names
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import INDUSTRIES, Ints, World

# status, share of those who left, and how many days later it is set: from, to
_ENDINGS = (("terminated", 0.08, 30, 200), ("insolvent", 0.05, 20, 90), ("blocked", 0.04, 60, 150))
_IN_GROUPS = 0.06
# which account manager was away, and so many days before the export from when and until when
_AWAY, _AWAY_DAYS = 1, (98, 77)


def numbered(numbers: Ints, width: int, prefix: str = "") -> list[str]:
    """Return text ids with leading zeros.

    Examples
    --------
    >>> numbered(np.array([7, 12]), 4, "R")
    ['R0007', 'R0012']
    """
    return [f"{prefix}{number:0{width}d}" for number in numbers.tolist()]


def customer_ids(world: World) -> np.ndarray:
    """Return the id of every customer, as an array of objects."""
    return np.array(numbered(np.arange(world.customers) + 100, 6), dtype=object)


def manager_ids(world: World) -> np.ndarray:
    """Return the id of every account manager, as an array of objects."""
    return np.array(numbered(np.arange(world.managers) + 1, 3, "AM"), dtype=object)


def endings(world: World, left: Ints) -> tuple[np.ndarray, np.ndarray]:
    """Return the status of each customer and since when it holds; only some of those who left are marked at all.

    `left` is the day index on which each left, `NEVER` if it did not.
    """
    rng = stream(world.seed, "endings")
    draw, wait = rng.random(world.customers), rng.random(world.customers)
    status = np.full(world.customers, "active", dtype=object)
    since = np.full(world.customers, np.datetime64("NaT", "us"))
    low = 0.0
    for name, share, shortest, longest in _ENDINGS:
        hit = (left < NEVER) & (draw >= low) & (draw < low + share)
        day = np.where(hit, left, 0) + (shortest + wait * (longest - shortest)).astype(np.int64)
        hit &= day < world.end
        status[hit] = name
        since[hit] = world.days[day[hit]].astype("datetime64[us]")
        low += share
    return status, since


def customers_table(world: World, life: Life) -> pd.DataFrame:
    """Return the table customers."""
    rng, count = stream(world.seed, "customers"), world.customers
    industries = [INDUSTRIES[i][0] for i in world.industry]
    names, forms = company_names(industries, rng)
    shares = np.array([share for *_, share, _ in PLACES])
    places = [PLACES[i] for i in rng.choice(len(PLACES), count, p=shares / shares.sum())]
    ids = customer_ids(world)
    phones = rng.integers(100, 999, count)
    since = world.days[0].astype("datetime64[us]") + life.since.astype("timedelta64[D]").astype("timedelta64[us]")
    status, status_from = endings(world, life.left)
    basis = rng.choice(np.array(["existing_customer", "consent", "none"]), count, p=[0.55, 0.25, 0.20])
    return pd.DataFrame(
        {
            "customer_id": ids,
            "name": names,
            "industry": industries,
            "country": [place[0] for place in places],
            "region": [place[1] for place in places],
            "employees": np.maximum(1, np.exp(rng.normal(4.2, 1.0, count)) * np.sqrt(world.size)).astype(np.int64),
            "customer_since": since,
            "account_manager_id": manager_ids(world)[world.manager],
            "parent_id": pd.array(_parents(ids, rng), dtype="str"),
            "email": [f"einkauf@{ascii_slug(name)}.example" for name in names],
            "phone": pd.array(
                [f"{place[4]} {number}" if place[4] else None for place, number in zip(places, phones, strict=True)],
                dtype="str",
            ),
            "language": ["de" if place[0] in ("DE", "AT", "CH") else "en" for place in places],
            "legal_form": forms,
            "is_natural_person": [form == "e. K." for form in forms],
            "marketing_basis": basis.astype(object),
            "profiling_objection": rng.random(count) < 0.015,
            "status": status,
            "status_from": status_from,
        }
    )


def _parents(ids: np.ndarray, rng: np.random.Generator) -> list[str | None]:
    """Let some customers belong to a group; a parent has no parent itself."""
    child = rng.random(len(ids)) < _IN_GROUPS
    parents = np.flatnonzero(~child)
    picked = rng.integers(max(len(parents), 1), size=len(ids))
    return [
        ids[parents[pick]] if is_child and len(parents) else None for is_child, pick in zip(child, picked, strict=True)
    ]


def account_managers_table(world: World) -> pd.DataFrame:
    """Return the table account_managers.

    The last one has left, and the first stands in. The second was away for three weeks about `_AWAY_DAYS` before the
    export: its `active_to` lies before its `active_from`, the day of the return; the third stood in.
    """
    rng, count = stream(world.seed, "account_managers"), world.managers
    names = person_names(count, rng)
    ids = manager_ids(world)
    active_to = np.full(count, np.datetime64("NaT", "us"))
    active_to[-1] = world.days[world.manager_leaves].astype("datetime64[us]")
    active_from = (world.days[0] - rng.integers(0, 3000, count)).astype("datetime64[us]")
    active_to[_AWAY], active_from[_AWAY] = (
        world.days[world.end - days].astype("datetime64[us]") for days in _AWAY_DAYS
    )
    deputies = pd.Series([None] * count, dtype="str")
    deputies[count - 1], deputies[_AWAY] = ids[0], ids[_AWAY + 1]
    return pd.DataFrame(
        {
            "account_manager_id": ids,
            "name": names,
            "email": [f"{ascii_slug(name).replace('-', '.')}@plastform.example" for name in names],
            "phone": numbered(np.arange(count) + 10, 2, "+49 221 4710 1"),
            "language": ["de"] * (count - 1) + ["en"],
            "daily_capacity": rng.integers(5, 16, count),
            "active_from": active_from,
            "active_to": active_to,
            "deputy_id": deputies.array,
        }
    )
