"""What every fitted scorer offers, and the average of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from crm_ml.models.columns import Encoded, FloatArray

MODEL_TEXTS = ("model.txt", "model_2.txt", "model_3.txt", "model_4.txt", "model_5.txt")
"""Names of the LightGBM texts of a bundle; those of an average take as many as they need, from the first on."""


class Scorer(Protocol):
    """A fitted function from encoded features to log-odds (before calibration)."""

    @property
    def kind(self) -> str:
        """``lightgbm``, ``logistic``, ``average`` or ``rule``."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the features it reads."""
        ...

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return one log-odds per row."""
        ...

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return the contribution of each feature per row, and the base: base + their sum is the margin."""
        ...

    def files(self) -> dict[str, Any]:
        """Return what to store: ``model.txt`` as text, ``model.json`` as JSON-ready values."""
        ...


@dataclass(frozen=True)
class Average:
    """The mean of several scorers' log-odds.

    Log-odds rather than probabilities are averaged: members fitted by log loss speak log-odds, contributions then add
    up exactly, and the calibration that follows works on the same scale.
    """

    members: tuple[Scorer, ...]
    kind: str = "average"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the features that any member reads."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.needs))

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the mean of the members' log-odds."""
        total = self.members[0].margin(encoded)
        for member in self.members[1:]:
            total = total + member.margin(encoded)
        return total / len(self.members)

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return the mean of the members' contributions and of their bases."""
        parts = [member.contributions(encoded) for member in self.members]
        rows = len(next(iter(encoded.values())))
        values = {
            name: sum((part.get(name, np.zeros(rows)) for part, _ in parts), np.zeros(rows)) / len(parts)
            for name in self.needs
        }
        return values, float(sum(base for _, base in parts) / len(parts))

    def files(self) -> dict[str, Any]:
        """Return the members' files: JSON parts under their kinds, the texts of trees under `MODEL_TEXTS` in order."""
        stored: dict[str, Any] = {"model.json": {"kind": "average", "members": []}}
        free = iter(MODEL_TEXTS)
        for member in self.members:
            for name, content in member.files().items():
                if name == "model.json":
                    stored["model.json"]["members"].append(content)
                else:
                    file = next(free)
                    stored[file] = content
                    stored["model.json"]["members"].append({"kind": member.kind, "file": file})
        return stored


def stacked(encoded: Encoded, ids: Sequence[str]) -> FloatArray:
    """Return the named features as one C-ordered matrix, in the given order.

    Examples
    --------
    >>> stacked({"b": np.array([3.0]), "a": np.array([1.0])}, ["a", "b"]).tolist()
    [[1.0, 3.0]]
    """
    return np.ascontiguousarray(np.column_stack([encoded[name] for name in ids]), dtype=np.float64)
