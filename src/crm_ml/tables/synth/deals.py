"""The tables deals and deal_stages."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.courtship import ANALYSIS, LOST, NEGOTIATION, OFFER, WON, Courtship
from crm_ml.tables.synth.goods import clock
from crm_ml.tables.synth.lead_tables import change_times, lead_ids
from crm_ml.tables.synth.people import customer_ids, manager_ids, numbered
from crm_ml.tables.synth.streams import stream
from crm_ml.tables.synth.world import World

_TYPICAL, _SPREAD, _BY_SIZE, _USUAL_SIZE = 9.0, 0.8, 0.35, 74
"""The logarithm of an amount: its mean and spread, and how it grows with the company's size."""
_MOVES = {OFFER: (0.0, 0.20), NEGOTIATION: (-0.05, 0.10), WON: (-0.03, 0.05)}
_ROUNDED = {ANALYSIS: 500.0, OFFER: 100.0, NEGOTIATION: 100.0}
_REST_DAYS = {ANALYSIS: 75, OFFER: 50, NEGOTIATION: 28}
_SLIP_DAYS = (14, 45)
_NAMES = {ANALYSIS: "analysis", OFFER: "offer", NEGOTIATION: "negotiation", WON: "won", LOST: "lost"}
_DAY = np.timedelta64(1, "D")
_NONE = np.datetime64("NaT", "us")


def deal_tables(world: World, life: Courtship, products: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables deals and deal_stages: one deal per opportunity.

    Amount and expected end move from stage to stage, and the end slips when it passes. The table deals is as the
    export finds it: a deal that is over has its end for the expected one and the amount of the contract.
    """
    moves = _moves(world, life)
    stages = _with_slips(world, moves)
    last = stages.drop_duplicates("who", keep="last").set_index("who")
    first = moves.drop_duplicates("who").set_index("who")
    who = first.index.to_numpy()
    ids = pd.Series(numbered(np.arange(len(who)) + 1, 6, "D"), index=who)
    leads, last = life.enquirers, last.loc[who]
    rng = stream(world.seed, "deals")
    over = last["to"].isin([WON, LOST]).to_numpy()
    at = last["entered_at"].to_numpy()
    deals = pd.DataFrame(
        {
            "deal_id": ids.to_numpy(),
            "created_at": first["entered_at"].to_numpy(),
            "status": np.where(over, last["to"].map(_NAMES).to_numpy(), "open").astype(object),
            "lead_id": lead_ids(leads)[who],
            "customer_id": pd.Series(customer_ids(world)[leads.customer[who]], dtype="str").where(
                leads.customer[who] >= 0
            ),
            "closed_at": np.where(over, at, _NONE),
            "expected_close_at": np.where(over, at, last["expected_close_at"].to_numpy()),
            "amount": last["amount"].to_numpy(),
            "owner_id": manager_ids(world)[leads.owner[who]],
            "product_id": products["product_id"].to_numpy()[rng.integers(len(products), size=len(who))],
            "known_at": first["entered_at"].to_numpy(),
        }
    )
    return deals, _stages(stages, ids)


def _moves(world: World, life: Courtship) -> pd.DataFrame:
    """Return the changes of stage of the deals with the amount from then on."""
    rng, leads = stream(world.seed, "deal_moves"), life.enquirers
    deal = np.isin(life.change_who, life.change_who[life.change_to == ANALYSIS]) & (life.change_to >= ANALYSIS)
    frame = pd.DataFrame(
        {"who": life.change_who[deal], "to": life.change_to[deal], "entered_at": change_times(world, life)[deal]}
    ).sort_values(["who", "entered_at"], kind="stable", ignore_index=True)
    to, who = frame["to"].to_numpy(), frame["who"].to_numpy()
    size = np.log(leads.employees[who] / _USUAL_SIZE)
    start = _TYPICAL + _BY_SIZE * size + _SPREAD * rng.standard_normal(len(frame))
    move = start
    for stage, (mean, spread) in _MOVES.items():
        move = np.where(to == stage, mean + spread * rng.standard_normal(len(frame)), move)
    move = np.where(to == LOST, 0.0, move)
    level = np.exp(pd.Series(move).groupby(who).cumsum().to_numpy())
    unit = np.select([to == stage for stage in _ROUNDED], list(_ROUNDED.values()), 0.01)
    amount = np.maximum(np.round(level / unit), 1) * unit
    before = pd.Series(amount).groupby(who).shift().to_numpy()
    frame["amount"] = np.round(np.where(to == LOST, before, amount), 2)
    rest = np.select([to == stage for stage in _REST_DAYS], list(_REST_DAYS.values()), 0)
    wait = np.round(rest * rng.uniform(0.5, 1.5, len(frame))).astype(np.int64)
    frame["expected_close_at"] = frame["entered_at"].to_numpy().astype("datetime64[D]") + wait * _DAY
    return frame


def _with_slips(world: World, moves: pd.DataFrame) -> pd.DataFrame:
    """Add a row whenever the expected end passes before the next stage: the owner puts it off the working day after."""
    rng = stream(world.seed, "deal_slips")
    following = moves.groupby("who")["entered_at"].shift(-1).fillna(pd.Timestamp(world.until))
    open_ = moves["to"] < WON
    current = moves[open_].assign(until=following[open_])
    made = [moves]
    while len(current):
        late = np.busday_offset(current["expected_close_at"].to_numpy().astype("datetime64[D]"), 1, roll="forward")
        at = clock(late, rng, 8, 12)
        slips = at < current["until"].to_numpy()
        put_off = rng.integers(*_SLIP_DAYS, len(current))
        current = current.assign(entered_at=at, expected_close_at=late + put_off * _DAY)[slips]
        made.append(current.drop(columns="until"))
    frame = pd.concat(made, ignore_index=True)
    return frame.sort_values(["who", "entered_at"], kind="stable", ignore_index=True)


def _stages(stages: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    over: np.ndarray = (stages["to"] >= WON).to_numpy()
    at = stages["entered_at"].to_numpy()
    frame = pd.DataFrame(
        {
            "deal_id": ids.loc[stages["who"]].to_numpy(),
            "stage": stages["to"].map(_NAMES).astype("str"),
            "entered_at": at,
            "amount": stages["amount"],
            "expected_close_at": np.where(over, at, stages["expected_close_at"].to_numpy().astype("datetime64[us]")),
            "known_at": at,
        }
    )
    return frame.sort_values(["entered_at", "deal_id"], kind="stable", ignore_index=True)
