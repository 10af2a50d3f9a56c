"""What a backtest is judged from: the rows of each cutoff in one order, and one draw of customers for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.errors import DataError
from crm_ml.models.evaluation.intervals import customer_weights
from crm_ml.names import CUSTOMER_ID

FloatArray = NDArray[np.float64]
CHAMPION = "champion"
CUTOFF, NAME, VALUE = "cutoff", "name", "value_at_stake"
COLUMNS = (CUTOFF, CUSTOMER_ID, NAME, "margin", "p", "y", VALUE)
"""Columns of a table of predictions."""


@dataclass(frozen=True)
class Choice:
    """What the training as of a cutoff came to.

    Attributes
    ----------
    cutoff : datetime.date
    chosen : str
        The candidate or rule that would have served.
    verdict : str
        ``champion`` or ``refused``, as that training said.
    candidates, rules : tuple of str
        What it could try.
    """

    cutoff: dt.date
    chosen: str
    verdict: str
    candidates: tuple[str, ...]
    rules: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            CUTOFF: self.cutoff.isoformat(),
            "chosen": self.chosen,
            "verdict": self.verdict,
            "candidates": list(self.candidates),
            "rules": list(self.rules),
        }


def check_predictions(predictions: pd.DataFrame, choices: Sequence[Choice]) -> None:
    """Raise a `DataError` where columns are missing or cutoffs and choices are not about the same days."""
    missing = [name for name in COLUMNS if name not in predictions.columns]
    if missing:
        raise DataError(
            f"Predictions must have the columns {', '.join(COLUMNS)}; {', '.join(missing)} are missing",
            remedy="Use the table that a backtest writes.",
            code="missing_column",
        )
    given, chosen = {str(day) for day in predictions[CUTOFF].unique()}, {str(choice.cutoff) for choice in choices}
    if not given or given != chosen:
        raise DataError(
            f"Every cutoff must have one choice and predictions; found predictions at "
            f"{', '.join(sorted(given)) or 'none'} and choices at {', '.join(sorted(chosen)) or 'none'}",
            remedy="Give one choice per cutoff.",
            code="no_choice",
        )


@dataclass(frozen=True)
class Block:
    """One cutoff: customers in sorted order, what happened, and each name's scores beside it."""

    cutoff: dt.date
    customers: NDArray[np.object_]
    y: NDArray[np.bool_]
    value: FloatArray
    margins: Mapping[str, FloatArray]
    probabilities: Mapping[str, FloatArray]

    def first_of(self, name: str) -> str:
        """Return the name under which the same scores stand first."""
        return next(known for known, margin in self.margins.items() if margin is self.margins[name])


def blocks_of(predictions: pd.DataFrame, choices: Sequence[Choice]) -> list[Block]:
    """Return one block per choice, in their order; a `DataError` where names stand for different customers."""
    days = predictions[CUTOFF].astype(str)
    return [_block(predictions[days == str(choice.cutoff)], choice) for choice in choices]


def _block(rows: pd.DataFrame, choice: Choice) -> Block:
    parts = {str(name): part.sort_values(CUSTOMER_ID) for name, part in rows.groupby(NAME, sort=False)}
    whole = next(iter(parts.values()))
    customers, y = whole[CUSTOMER_ID].to_numpy(dtype=object), whole["y"].to_numpy(dtype=bool)
    for name, part in parts.items():
        same = np.array_equal(part[CUSTOMER_ID].to_numpy(dtype=object), customers)
        if not same or not np.array_equal(part["y"].to_numpy(dtype=bool), y):
            raise DataError(
                f"At {choice.cutoff} every score must stand for the same customers and outcomes; {name} does not",
                remedy="Use the table that a backtest writes.",
                code="unlike_rows",
            )
    if choice.chosen not in parts:
        raise DataError(
            f"At {choice.cutoff} there are no predictions of {choice.chosen}, which was chosen there",
            remedy=f"Found {', '.join(parts)}.",
            code="no_choice",
        )
    margins = {name: part["margin"].to_numpy(np.float64) for name, part in parts.items()}
    probabilities = {name: part["p"].to_numpy(np.float64) for name, part in parts.items()}
    margins[CHAMPION], probabilities[CHAMPION] = margins[choice.chosen], probabilities[choice.chosen]
    value = whole[VALUE].to_numpy(np.float64)
    return Block(choice.cutoff, customers, y, value, margins, probabilities)


@dataclass(frozen=True)
class Draws:
    """How often each row of each cutoff is drawn, shape (replicates, rows), from one draw of customers for all."""

    weights: list[NDArray[np.int16]]
    totals: list[FloatArray]

    @classmethod
    def of(cls, customers: Sequence[NDArray[np.object_]], *, replicates: int, seed: int) -> Draws:
        """Draw the customers of all cutoffs together."""
        everyone, index = np.unique(np.concatenate(customers), return_inverse=True)
        counts = customer_weights(everyone, replicates=replicates, seed=seed)
        places = np.split(index, np.cumsum([len(part) for part in customers])[:-1])
        weights = [counts[:, place] for place in places]
        return cls(weights, [part.sum(axis=1, dtype=np.float64) for part in weights])
