"""The synthetic manufacturer as a whole: its tables, the truth about its customers, and the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from crm_ml.errors import UsageError
from crm_ml.tables.synth.contacts import contact_tables
from crm_ml.tables.synth.dynamics import Life, live, no_purchase_probability
from crm_ml.tables.synth.goods import order_tables, products_table
from crm_ml.tables.synth.money import money_tables
from crm_ml.tables.synth.people import account_managers_table, customer_ids, customers_table
from crm_ml.tables.synth.world import BURN_IN_DAYS, World, make_world

DEFAULT_CUSTOMERS = 3000
DEFAULT_UNTIL = date(2026, 6, 1)
ACTIVE_DAYS = 365
_LEAST_YEARS, _MOST_YEARS = 1, 30


@dataclass(frozen=True, eq=False)
class Firm:
    """A made-up manufacturer of plastic and machine parts.

    Parameters
    ----------
    frames : dict of str to DataFrame
        The canonical tables by name. Time stamps are local times without a zone, ids are text, money is in euros.
    seed : int
        What the firm was made with.
    start, until : date
        The tables hold what happened and was known from the start of `start` to the start of `until`.
    """

    frames: dict[str, pd.DataFrame] = field(repr=False)
    seed: int
    start: date
    until: date
    _world: World = field(repr=False)
    _life: Life = field(repr=False)

    def truth(self, as_of: date, horizon_days: int = 90, simulations: int = 200) -> pd.DataFrame:
        """Return what was to be expected at the start of a day, and what then happened.

        Parameters
        ----------
        as_of : date
            A day from `start` to `until`.
        horizon_days : int
            Days looked ahead.
        simulations : int
            Futures that are played through per customer; the error of a probability is at most
            ``0.5 / sqrt(simulations)``.

        Returns
        -------
        DataFrame
            One row per customer with a purchase in the 365 days before `as_of`: `customer_id`; `p_no_purchase`, the
            probability that it buys nothing in ``[as_of, as_of + horizon_days)`` given all that is true of it at
            `as_of`, also what no table shows; `y` (boolean), whether it bought nothing, null when the horizon ends
            after `until`.

        Raises
        ------
        UsageError
            `as_of` lies outside the firm's years, or a number is not positive.

        Examples
        --------
        >>> truth = make_firm(customers=30, seed=1, years=2).truth(date(2026, 1, 5), simulations=50)
        >>> list(truth.columns), bool(truth["p_no_purchase"].between(0, 1).all())
        (['customer_id', 'p_no_purchase', 'y'], True)
        """
        if not self.start <= as_of <= self.until:
            raise UsageError(
                f"as_of must lie between {self.start} and {self.until}, found {as_of}",
                remedy="Choose a day within the years of the firm.",
            )
        _positive("horizon_days", horizon_days)
        _positive("simulations", simulations)
        world, life = self._world, self._life
        day = world.index(as_of)
        recent = (life.order_day >= day - ACTIVE_DAYS) & (life.order_day < day)
        who = np.unique(life.order_who[recent])
        p = no_purchase_probability(life, world, day, horizon_days, simulations=simulations)
        then = (life.order_day >= day) & (life.order_day < day + horizon_days)
        bought = np.bincount(life.order_who[then], minlength=world.customers) > 0
        y = pd.array(~bought[who], dtype="boolean")
        if day + horizon_days > world.end:
            y[:] = pd.NA
        return pd.DataFrame({"customer_id": customer_ids(world)[who], "p_no_purchase": p[who], "y": y})


def make_firm(
    customers: int = DEFAULT_CUSTOMERS, seed: int = 1, *, years: int = 5, until: date = DEFAULT_UNTIL
) -> Firm:
    """Make a manufacturer with a known truth; the same arguments give the same tables.

    Parameters
    ----------
    customers : int
        Rows of the table customers: those who were there at the start and those who came later. About two thirds of
        them have bought within a year of any day.
    seed : int
        0 or more; another seed is another firm.
    years : int
        Years of history before `until`.
    until : date
        Day on which the tables are exported; nothing that happens or becomes known from then on is in them.

    Raises
    ------
    UsageError
        A number is out of its range.

    Examples
    --------
    >>> firm = make_firm(customers=30, seed=1, years=2)
    >>> sorted(firm.frames)[:3], len(firm.frames["customers"])
    (['account_managers', 'customers', 'interactions'], 30)
    """
    _positive("customers", customers)
    if seed < 0:
        raise UsageError(f"seed must be 0 or more, found {seed}", remedy="Give a non-negative whole number.")
    if not _LEAST_YEARS <= years <= _MOST_YEARS:
        raise UsageError(
            f"years must lie between {_LEAST_YEARS} and {_MOST_YEARS}, found {years}", remedy="Five is usual."
        )
    world = make_world(customers, seed, years, until)
    life = live(world)
    products = products_table(world)
    lines, orders = order_tables(world, life, products)
    invoices, payments = money_tables(world, life, orders, lines)
    interactions, surveys = contact_tables(world, life, orders)
    frames = {
        "customers": customers_table(world, life),
        "account_managers": account_managers_table(world),
        "products": products,
        "order_lines": lines,
        "invoices": invoices,
        "payments": payments,
        "interactions": interactions,
        "surveys": surveys,
    }
    start = world.days[BURN_IN_DAYS].astype(object)
    return Firm(frames, seed, start, until, world, life)


def write_firm(firm: Firm, folder: Path, truth_days: Sequence[date] = ()) -> list[Path]:
    """Write ``data/<table>.parquet`` and, for each of the days, ``truth/<day>.parquet``; return the files.

    The truth lies beside the tables, never among them: what trains or scores has no business there.

    Examples
    --------
    >>> import tempfile
    >>> firm = make_firm(customers=30, seed=1, years=2)
    >>> files = write_firm(firm, Path(tempfile.mkdtemp()), [date(2026, 1, 5)])
    >>> files[-1].name
    '2026-01-05.parquet'
    """
    written = []
    tables = {folder / "data" / f"{name}.parquet": frame for name, frame in firm.frames.items()}
    truths = {folder / "truth" / f"{day}.parquet": firm.truth(day) for day in truth_days}
    for path, frame in {**tables, **truths}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)
        written.append(path)
    return written


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"{name} must be at least 1, found {value}", remedy="Give a positive whole number.")
