"""The synthetic manufacturer as a whole: its tables, the truth about its customers, and the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from crm_ml.errors import UsageError
from crm_ml.tables.synth.calls import action_log_table, live_with_trial
from crm_ml.tables.synth.cases import with_cases
from crm_ml.tables.synth.causes import cause_table
from crm_ml.tables.synth.contacts import contact_tables
from crm_ml.tables.synth.courtship import Courtship, court_all, win_probability
from crm_ml.tables.synth.dynamics import Life, live
from crm_ml.tables.synth.enquirers import draw_enquirers
from crm_ml.tables.synth.goods import order_tables, products_table
from crm_ml.tables.synth.lead_tables import lead_ids
from crm_ml.tables.synth.leads import lead_frames
from crm_ml.tables.synth.money import money_tables
from crm_ml.tables.synth.people import account_managers_table, customer_ids, customers_table
from crm_ml.tables.synth.truth import effect_table, no_purchase_probability
from crm_ml.tables.synth.world import BURN_IN_DAYS, Ints, World, make_world

DEFAULT_CUSTOMERS = 3000
DEFAULT_UNTIL = date(2026, 6, 1)
ACTIVE_DAYS = 365
SEASONAL = 0.6
"""A `common_season` that makes a clearly seasonal firm."""
_LEAST_YEARS, _MOST_YEARS = 1, 30
_MOST_SEASON = 0.9


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
    _courtship: Courtship = field(repr=False)

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
        _positive("simulations", simulations)
        world, life = self._world, self._life
        day, who = self._eligible(as_of, horizon_days)
        p = no_purchase_probability(life, world, day, horizon_days, simulations=simulations)
        then = (life.order_day >= day) & (life.order_day < day + horizon_days)
        bought = np.bincount(life.order_who[then], minlength=world.customers) > 0
        y = pd.array(~bought[who], dtype="boolean")
        if day + horizon_days > world.end:
            y[:] = pd.NA
        return pd.DataFrame({"customer_id": customer_ids(world)[who], "p_no_purchase": p[who], "y": y})

    def causes(self, as_of: date, horizon_days: int = 90) -> pd.DataFrame:
        """Return what truly drives the risk of each customer at the start of a day.

        For a customer who is still there, the log-odds of P(no purchase) are compared with those of an ordinary
        customer on that day and the difference is shared out (Shapley values over the simulator's own probabilities)
        among four parts of its state: `discontent` (satisfaction below the firm's usual), `slow_rhythm` (own gaps
        longer, or less regular, than the median customer's), `just_ordered` (the present gap has only begun) and
        `quiet_season` (its industry's next weeks are quieter than the others'). Being new drives nothing in this firm.
        A customer who has already taken its orders elsewhere has one cause: `silence`, or `left_unseen` while the time
        since the last order is still one that nobody would notice (shorter than 90 % of its own gaps).

        Parameters
        ----------
        as_of : date
            A day from `start` to `until`.
        horizon_days : int
            Days looked ahead.

        Returns
        -------
        DataFrame
            One row per customer of `truth`: `customer_id`; `cause`, the part that raises the risk most (`none` if the
            risk is below the ordinary customer's); `driver`, for `discontent`, what pulls the satisfaction down most
            (`faulty_delivery`, `late_delivery`, `price_rise`, `contact_change`, `manager_change`, `never_content`);
            `share` of the cause in everything that raises the risk; `single`, whether that share is at least 0.70 and
            the risk clearly raised (odds doubled), or the silence is there for all to see; `p_no_purchase`, as in
            `truth` but computed in another way; `days_silent` since the last order.

        Raises
        ------
        UsageError
            `as_of` lies outside the firm's years, or `horizon_days` is not positive.

        Examples
        --------
        >>> causes = make_firm(customers=30, seed=1, years=2).causes(date(2026, 1, 5))
        >>> list(causes.columns)[:5], bool(causes["share"].between(0, 1).all())
        (['customer_id', 'cause', 'driver', 'share', 'single'], True)
        """
        day, who = self._eligible(as_of, horizon_days)
        return cause_table(self._world, self._life, who, day, horizon_days)

    def call_effect(self, as_of: date, horizon_days: int = 90) -> pd.DataFrame:
        """Return what a call on a day would change for each customer: both worlds, with the same luck.

        Parameters
        ----------
        as_of : date
            A day from `start` to `until`; the call is made that morning, and nobody is called after it.
        horizon_days : int
            Days looked ahead.

        Returns
        -------
        DataFrame
            One row per customer of `truth`: `customer_id`; `p_no_purchase`, the probability that it buys nothing in
            the window; `p_no_purchase_called`, the same if somebody tries to call (15 % are not reached); `effect`,
            the second less the first: below nought for those who can be persuaded, nought for those who do not care
            and above nought for those who are put off.

        Raises
        ------
        UsageError
            `as_of` lies outside the firm's years, or `horizon_days` is not positive.

        Examples
        --------
        >>> effect = make_firm(customers=60, seed=1, years=2).call_effect(date(2026, 1, 5))["effect"]
        >>> bool(effect.min() < 0 < effect.max()), bool((effect == 0).any())
        (True, True)
        """
        day, who = self._eligible(as_of, horizon_days)
        return effect_table(self._world, self._life, who, day, horizon_days)

    def lead_truth(self, as_of: date, horizon_days: int = 90, simulations: int = 200) -> pd.DataFrame:
        """Return what was to be expected of the open leads at the start of a day, and what then happened.

        Parameters
        ----------
        as_of : date
            A day from `start` to `until`.
        horizon_days : int
            Days looked ahead.
        simulations : int
            Futures that are played through per lead.

        Returns
        -------
        DataFrame
            One row per lead of the table leads that came before `as_of` and was neither won nor lost by then:
            `lead_id`; `p_win`, the probability of being won in ``[as_of, as_of + horizon_days)`` given its stage, its
            interest, its fit, and when it is replied to; `y` (boolean), whether it was, null when the horizon ends
            after `until`.

        Raises
        ------
        UsageError
            `as_of` lies outside the firm's years, or a number is not positive.

        Examples
        --------
        >>> truth = make_firm(customers=60, seed=1, years=2).lead_truth(date(2026, 1, 12), simulations=50)
        >>> list(truth.columns), bool(truth["p_win"].between(0, 1).all())
        (['lead_id', 'p_win', 'y'], True)
        """
        self._within(as_of, horizon_days)
        _positive("simulations", simulations)
        world, life = self._world, self._courtship
        found = win_probability(life, world, world.index(as_of), horizon_days, simulations=simulations)
        found.insert(0, "lead_id", lead_ids(life.enquirers)[found.pop("who")])
        return found[found["lead_id"].isin(self.frames["leads"]["lead_id"])].reset_index(drop=True)

    def _within(self, as_of: date, horizon_days: int) -> None:
        if not self.start <= as_of <= self.until:
            raise UsageError(
                f"as_of must lie between {self.start} and {self.until}, found {as_of}",
                remedy="Choose a day within the years of the firm.",
            )
        _positive("horizon_days", horizon_days)

    def _eligible(self, as_of: date, horizon_days: int) -> tuple[int, Ints]:
        """Return the index of the day, and who has bought in the year before it."""
        self._within(as_of, horizon_days)
        day, life = self._world.index(as_of), self._life
        recent = (life.order_day >= day - ACTIVE_DAYS) & (life.order_day < day)
        return day, np.unique(life.order_who[recent])


def make_firm(
    customers: int = DEFAULT_CUSTOMERS,
    seed: int = 1,
    *,
    years: int = 5,
    until: date = DEFAULT_UNTIL,
    trial: bool = True,
    common_season: float = 0.0,
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
    trial : bool
        Whether the firm once let chance decide whom it called (the table action_log); the calls changed the life of
        those who were reached and could be moved, and of nobody else.
    common_season : float
        Strength of a yearly wave that the buying of all customers follows, from 0 (each industry has but its own) up
        to 0.9; with `SEASONAL` the share of customers without an order in 90 days about doubles from early summer to
        late autumn.

    Raises
    ------
    UsageError
        A number is out of its range.

    Examples
    --------
    >>> firm = make_firm(customers=30, seed=1, years=2)
    >>> sorted(firm.frames)[:3], len(firm.frames["customers"])
    (['account_managers', 'action_log', 'customers'], 30)
    """
    _positive("customers", customers)
    if seed < 0:
        raise UsageError(f"seed must be 0 or more, found {seed}", remedy="Give a non-negative whole number.")
    if not _LEAST_YEARS <= years <= _MOST_YEARS:
        raise UsageError(
            f"years must lie between {_LEAST_YEARS} and {_MOST_YEARS}, found {years}", remedy="Five is usual."
        )
    if not 0 <= common_season <= _MOST_SEASON:
        raise UsageError(
            f"common_season must lie between 0 and {_MOST_SEASON}, found {common_season}",
            remedy=f"{SEASONAL} makes a clearly seasonal firm.",
        )
    world = make_world(customers, seed, years, until, common_season)
    life = live(world)
    if trial:
        life = live_with_trial(world, life, customers_table(world, life)["profiling_objection"].to_numpy(bool))
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
    if len(life.trial_who):
        frames["action_log"] = action_log_table(world, life)
    frames = with_cases(frames, world, life)
    courtship = court_all(world, draw_enquirers(world))
    frames |= lead_frames(world, courtship, customers=frames["customers"], products=products)
    start = world.days[BURN_IN_DAYS].astype(object)
    return Firm(frames, seed, start, until, world, life, courtship)


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
