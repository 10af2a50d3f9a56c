"""What also a small firm is to have on the day its demo looks at: a dispute, complaints, an objector, a person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.dynamics import NEVER, Life, last_orders, left_by
from crm_ml.tables.synth.names import ascii_slug
from crm_ml.tables.synth.outlook import no_order_probability, stand_of
from crm_ml.tables.synth.people import customer_ids
from crm_ml.tables.synth.world import Bools, Ints, World

SHOWN_DAYS = 90
"""The day looked at lies so many days before the export."""
AT_RISK = 0.3
_COMPLAINTS, _LATELY, _DISPUTED_DAYS = 2, 30, 5
_WAYS = ("email", "phone")
_PERSON = "e. K."
_DAY = np.timedelta64(1, "D")


def with_cases(frames: dict[str, pd.DataFrame], world: World, life: Life) -> dict[str, pd.DataFrame]:
    """Return the tables with the cases that chance did not bring; a firm that has them all stays as it is.

    A dispute and complaints are given to customers at risk, the objection to one who never was in the trial.
    """
    day = world.end - SHOWN_DAYS
    now = world.days[day].astype("datetime64[us]")
    customers = frames["customers"]
    ended = (customers["status_from"] < now).to_numpy()
    there = np.flatnonzero((day - last_orders(life, world.customers, day) <= 365) & ~ended)
    risky = customer_ids(world)[there[_risk(world, life, there, day) >= AT_RISK]]
    return {
        **frames,
        "customers": _people(customers, there, life),
        "invoices": _dispute(frames["invoices"], frames["payments"], risky, now),
        "interactions": _complaints(frames["interactions"], risky, now),
    }


def _risk(world: World, life: Life, who: Ints, day: int) -> np.ndarray:
    p = no_order_probability(stand_of(world, life, who, day, SHOWN_DAYS), world, day)
    return np.where(left_by(life, day)[who] < NEVER, 1.0, p)


def _people(customers: pd.DataFrame, there: Ints, life: Life) -> pd.DataFrame:
    customers = customers.copy()
    rows = customers.iloc[there]
    free = there[~np.isin(there, life.trial_who) & ~rows["is_natural_person"].to_numpy()]
    if len(free) and not rows["profiling_objection"].any():
        customers.loc[free[0], "profiling_objection"] = True
    if len(free) > 1 and not rows["is_natural_person"].any():
        row = free[-1]
        stem = str(customers.loc[row, "name"]).removesuffix(str(customers.loc[row, "legal_form"]))
        customers.loc[row, ["legal_form", "name"]] = [_PERSON, stem + _PERSON]
        customers.loc[row, "is_natural_person"] = True
        customers.loc[row, "email"] = f"einkauf@{ascii_slug(stem + _PERSON)}.example"
    return customers


def _dispute(invoices: pd.DataFrame, payments: pd.DataFrame, risky: np.ndarray, now: np.datetime64) -> pd.DataFrame:
    """Let one unpaid bill be disputed if no customer at risk disputes one."""
    seen = payments[(payments["paid_at"] < now) & (payments["known_at"] < now)]
    paid = invoices["invoice_id"].map(seen.groupby("invoice_id")["amount"].sum()).fillna(0.0)
    unpaid: Bools = (
        invoices["customer_id"].isin(risky)
        & (invoices["issued_at"] < now - (_DISPUTED_DAYS + 1) * _DAY)
        & (invoices["amount"] - paid > 0.005)
    ).to_numpy()
    if (invoices["disputed_at"] < now)[unpaid].any() or not unpaid.any():
        return invoices
    invoices = invoices.copy()
    newest = np.flatnonzero(unpaid)[-1]
    at = now - _DISPUTED_DAYS * _DAY + np.timedelta64(10, "h")
    invoices.loc[newest, "disputed_at"] = pd.Timestamp(at)
    return invoices


def _complaints(interactions: pd.DataFrame, risky: np.ndarray, now: np.datetime64) -> pd.DataFrame:
    """Let what some customers at risk asked be complaints, not settled yet, if there are too few of them."""
    at = interactions["occurred_at"]
    lately = interactions["customer_id"].isin(risky) & (at < now) & (at >= now - _LATELY * _DAY)
    complains = lately & (interactions["topic"] == "complaint")
    is_open = complains & ~(interactions["resolved_at"] < now)
    missing = _COMPLAINTS - interactions.loc[is_open, "customer_id"].nunique()
    asked = lately & ~complains & (interactions["direction"] == "inbound") & interactions["channel"].isin(_WAYS)
    asked &= ~interactions["customer_id"].isin(interactions.loc[is_open, "customer_id"])
    rows = interactions[asked].drop_duplicates("customer_id", keep="last").index[: max(missing, 0)]
    if not len(rows):
        return interactions
    interactions = interactions.copy()
    interactions.loc[rows, "topic"] = "complaint"
    return interactions
