"""Will an open deal be won, and when? Daily competing hazards of won, lost and the next stage, by stage and its age.

A deal is a path through stages that ends won or lost. Per day at risk it leaves its stage for each destination with a
hazard that depends on the stage and on how long the deal has stood in it: a discrete-time multi-state model, estimated
as events over days at risk with deals still open counted as far as they have come (right-censoring). Its product
integral is the estimator of Aalen and Johansen, "An empirical transition matrix for non-homogeneous Markov chains
based on censored observations", Scandinavian Journal of Statistics 5 (1978); with the age of the stage as clock it is
the semi-Markov form of Putter, Fiocco and Geskus, "Tutorial in biostatistics: competing risks and multi-state models",
Statistics in Medicine 26 (2007). Few deals are drawn towards the stage as a whole, and stages towards all deals.
Uncertainty: the Bayesian bootstrap over deals of Rubin, Annals of Statistics 9 (1981).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.features.deal_rows import UNSTAGED, DealHistory
from crm_ml.features.fate import LOST, WON

FloatArray = NDArray[np.float64]
I64 = NDArray[np.int64]

EDGES = (0, 7, 14, 28, 56, 112, 224)
"""Days in a stage at which the hazards may change."""
STRENGTH = 3.0
"""What all deals weigh beside a stage, and a stage beside one of its ages: as much as so many events."""
EVER_DAYS = 1095
"""So far ahead "ever" looks."""
PUSHED_DAYS = 30
"""An expected close put off by so much in all is a sign of slipping."""
NEEDED_SHARE, NEEDED_STAYS = 0.9, 10
"""A stage is old when this share of the stays of won deals was shorter, if there were so many stays."""
SLIPPING = ("passed", "pushed_back", "stage_age")
"""The reasons a deal can be slipping: its expected close has passed, was put off, or it stands too long."""


@dataclass(frozen=True)
class DealHazards:
    """Daily hazards, in one or several draws of the deals.

    Attributes
    ----------
    stages : tuple of str
        In order of their names.
    edges : tuple of int
        Days in a stage at which the hazards change; the last piece lasts.
    rates : ndarray, shape (draws, stages, pieces, stages + 2)
        Probability per day at risk of going on to each stage, of being won (next to last) and lost (last).
    """

    stages: tuple[str, ...]
    edges: tuple[int, ...]
    rates: FloatArray

    @property
    def ages(self) -> int:
        """How many ages are told apart; the last one stands for all above it."""
        return self.edges[-1] + 1

    def states(self, spells: pd.DataFrame) -> tuple[I64, I64]:
        """Return (stage, age) of stays that last: positions into what `win_by` returns."""
        place = {stage: k for k, stage in enumerate(self.stages)}
        stage: I64 = spells["stage"].map(place).to_numpy(np.int64).astype(np.int64)
        age: I64 = np.minimum(spells["length"].to_numpy(np.int64), self.ages - 1).astype(np.int64)
        return stage, age

    def win_by(self, days: Sequence[int]) -> FloatArray:
        """Return P(won within so many days), shape (len(days), draws, stages, ages).

        The age counts the days at risk that a deal has behind it in its stage. With h the hazards and V_0 = 0:
        ``V_k(s, a) = h_won(s, a) + sum_j h_j(s, a) V_(k-1)(j, 0) + (1 - sum h(s, a)) V_(k-1)(s, a + 1)``.
        """
        wanted = np.maximum(np.asarray(days, np.int64), 0)
        found = np.zeros((len(wanted), len(self.rates), len(self.stages), self.ages))
        for k, value in enumerate(self._path(int(wanted.max(initial=0)))):
            found[wanted == k] = value
        return found

    def win_of_new(self, days: int) -> FloatArray:
        """Return P(won within 0, 1, ..., `days` days of entering a stage), shape (days + 1, draws, stages)."""
        return np.stack([value[:, :, 0] for value in self._path(days)])

    def win_path(self, stage: I64, age: I64, days: int) -> FloatArray:
        """Return P(won within 0, 1, ..., `days` days) of some states in the first draw, shape (days + 1, states)."""
        return np.stack([value[0, stage, age] for value in self._path(days)])

    def _path(self, days: int) -> Iterator[FloatArray]:
        piece = np.searchsorted(self.edges, np.arange(self.ages), side="right") - 1
        older = np.minimum(np.arange(self.ages) + 1, self.ages - 1)
        moves, won = self.rates[..., :-2], self.rates[..., -2]
        stay = (1.0 - self.rates.sum(axis=-1))[:, :, piece]
        value = np.zeros((len(self.rates), len(self.stages), self.ages))
        yield value
        for _ in range(days):
            gone = won + np.einsum("bspj,bj->bsp", moves, value[:, :, 0])
            value = gone[:, :, piece] + stay * value[:, :, older]
            yield value


def fit_hazards(
    history: DealHistory,
    *,
    weights: FloatArray | None = None,
    edges: Sequence[int] = EDGES,
    strength: float = STRENGTH,
) -> DealHazards:
    """Return the hazards of deals.

    Parameters
    ----------
    history : DealHistory
        What was known on a day.
    weights : ndarray, shape (draws, deals), optional
        How much each deal counts in each draw; without it one draw in which all count once.
    edges : sequence of int
        Days in a stage at which the hazards may change, the first one 0.
    strength : float
        What all deals weigh beside a stage, and a stage beside one of its ages, in events; 0 leaves each alone.

    Returns
    -------
    DealHazards
        ``rate = (events + k * prior) / (days at risk + k)``: for a piece of a stage the prior is the stage's own rate,
        for a stage that of all deals, and k the days in which the prior expects `strength` events.

    Examples
    --------
    Four deals: won after 1 day, lost after 2, open after 2, won after 3.

    >>> deals = pd.DataFrame({"status": ["won", "lost", "open", "won"]})
    >>> spells = pd.DataFrame({"deal": range(4), "stage": "", "length": [1, 2, 2, 3], "to": ["won", "lost", "", "won"]})
    >>> hazards = fit_hazards(DealHistory(0, deals, spells), edges=(0, 1, 2), strength=0)
    >>> hazards.rates[0, 0, :, -2:].round(3).tolist()
    [[0.25, 0.0], [0.0, 0.333], [1.0, 0.0]]
    >>> hazards.win_by([1, 2, 3])[:, 0, 0, 0].round(3).tolist()  # the cumulative incidence of Aalen and Johansen
    [0.25, 0.25, 0.75]
    """
    spells = history.spells
    stages = tuple(sorted({*spells["stage"]}))
    if weights is None:
        weights = np.ones((1, len(history.deals)))
    events, risk = _counts(spells, stages, tuple(edges), weights)
    overall = _rate(events.sum(axis=(1, 2)), risk.sum(axis=(1, 2)))[:, None]
    # a stage does not lead to itself, whatever the others do
    allowed = np.concatenate([1.0 - np.eye(len(stages)), np.ones((len(stages), 2))], axis=1)
    of_stage = _shrunk(events.sum(axis=2), risk.sum(axis=2), overall * allowed, strength)
    return DealHazards(stages, tuple(edges), _shrunk(events, risk, of_stage[:, :, None], strength))


def _counts(
    spells: pd.DataFrame, stages: tuple[str, ...], edges: tuple[int, ...], weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return events (draws, stages, pieces, destinations) and days at risk (draws, stages, pieces)."""
    place = {name: k for k, name in enumerate((*stages, WON, LOST))}
    shape = (len(stages), len(edges), len(stages) + 2)
    deal, length = spells["deal"].to_numpy(np.int64), spells["length"].to_numpy(np.int64)
    stage = spells["stage"].map(place).to_numpy(np.int64)
    over = (spells["to"] != UNSTAGED).to_numpy()
    to = spells["to"].where(over, LOST).map(place).to_numpy(np.int64)
    piece = np.searchsorted(edges, length - 1, side="right") - 1
    event_cell = np.ravel_multi_index((stage[over], piece[over], to[over]), shape)
    begins, ends = np.array(edges), np.array([*edges[1:], np.iinfo(np.int64).max])
    days = np.clip(np.minimum(length[:, None], ends) - begins, 0, None).astype(np.float64)
    risk_cell = stage[:, None] * len(edges) + np.arange(len(edges))
    events = np.stack([np.bincount(event_cell, w[deal[over]], minlength=int(np.prod(shape))) for w in weights])
    size = shape[0] * shape[1]
    risk = np.stack([np.bincount(risk_cell.ravel(), (days * w[deal][:, None]).ravel(), size) for w in weights])
    return events.astype(np.float64).reshape(-1, *shape), risk.astype(np.float64).reshape(-1, *shape[:2])


def _rate(events: FloatArray, risk: FloatArray) -> FloatArray:
    return np.divide(events, risk[..., None], out=np.zeros_like(events), where=risk[..., None] > 0)


def _shrunk(events: FloatArray, risk: FloatArray, prior: FloatArray, strength: float) -> FloatArray:
    if not strength:
        return _rate(events, risk)
    expected = np.broadcast_to(prior, events.shape).sum(axis=-1)
    days = np.divide(strength, expected, out=np.zeros_like(expected), where=expected > 0)
    return _rate(events + days[..., None] * prior, risk + days)


def open_deals(history: DealHistory, hazards: DealHazards, ends: Sequence[int]) -> pd.DataFrame:
    """Return what is to be expected of each open deal.

    Parameters
    ----------
    history : DealHistory
        What was known on a day.
    hazards : DealHazards
        One draw.
    ends : sequence of int
        Last days (since 1970-01-01) by which the probability is wanted.

    Returns
    -------
    DataFrame
        One row per open deal, sorted by id: ``deal_id``, ``owner_id``, ``stage``, ``stage_age_days``, ``amount``,
        ``stated_close`` (day), ``p_win`` (within three years), ``p_win_by`` (list, one per end), ``expected_close``
        (the day by which half of the deals of its kind that are won have been won; NaN where none are) and
        ``slipping`` (list of reasons, see `slipping`).
    """
    lasting = history.spells[history.spells["to"] == UNSTAGED]
    deals = history.deals.iloc[lasting["deal"].to_numpy()]
    stage, age = hazards.states(lasting)
    state, of = np.unique(stage * hazards.ages + age, return_inverse=True)
    path = hazards.win_path(state // hazards.ages, state % hazards.ages, EVER_DAYS)
    ever = path[-1]
    half = (path >= ever / 2).argmax(axis=0)
    close = np.where(ever > 0, history.day - 1.0 + half, np.nan)
    horizon = np.clip(np.asarray(ends, np.int64) - history.day + 1, 0, EVER_DAYS)
    found = {
        "deal_id": deals["deal_id"].to_numpy(),
        "owner_id": deals["owner_id"].to_numpy(),
        "stage": lasting["stage"].to_numpy(),
        "stage_age_days": history.day - lasting["entered"].to_numpy(),
        "amount": deals["amount"].to_numpy(),
        "stated_close": deals["expected_close"].to_numpy(),
        "p_win": ever[of],
        "p_win_by": path[horizon][:, of].T.tolist(),
        "expected_close": close[of],
        "slipping": slipping(history),
    }
    return pd.DataFrame(found)


def slipping(history: DealHistory) -> list[list[str]]:
    """Return for each open deal why it is slipping; empty where it is not.

    ``passed``: the expected close lies before the day. ``pushed_back``: the expected close is at least 30 days later
    than the first one stated. ``stage_age``: it stands in its stage for longer than 90 % of the stays of won deals
    there (at least 10 stays).

    Examples
    --------
    >>> deals = pd.DataFrame({"status": ["open"], "expected_close": [95.0], "first_close": [60.0]})
    >>> spells = pd.DataFrame({"deal": [0], "stage": "offer", "entered": 80, "length": 19, "to": ""})
    >>> slipping(DealHistory(100, deals, spells))
    [['passed', 'pushed_back']]
    """
    spells = history.spells
    lasting = spells[spells["to"] == UNSTAGED]
    deals = history.deals.iloc[lasting["deal"].to_numpy()]
    won = spells[(history.deals["status"].to_numpy() == WON)[spells["deal"].to_numpy()]]
    stays = won.groupby("stage")["length"].agg(["size", lambda days: days.quantile(NEEDED_SHARE)])
    needed = stays.iloc[:, 1].where(stays["size"] >= NEEDED_STAYS)
    flags = (
        (deals["expected_close"] < history.day).to_numpy(),
        (deals["expected_close"] - deals["first_close"] >= PUSHED_DAYS).to_numpy(),
        lasting["length"].to_numpy() > lasting["stage"].map(needed).to_numpy(np.float64),
    )
    return [[name for name, flag in zip(SLIPPING, row, strict=True) if flag] for row in zip(*flags, strict=True)]
