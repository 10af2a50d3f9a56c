"""What a lead is worth if it is won: the mean amount of deals of leads like it, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_ml.errors import Finding, UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Term = tuple[tuple[str, str], ...]
"""Traits with their levels, all of which a lead must have; the level of what is not known is the empty text."""

TRAITS: Final = ("lead_source", "lead_industry", "lead_company_size", "lead_country", "lead_job_seniority")
"""What deals are told apart by."""
ENOUGH: Final = 40
"""Won leads with an amount from which leads are told apart; below, all are worth the mean."""
LEVEL: Final = 1.6448536269514722
"""Standard deviations to either end of the interval: 90 %."""
KINDS: Final = ("one", "mean", "segments", "linear")
_NONE: Final = np.zeros(0)


@dataclass(frozen=True)
class DealValues:
    """The value of a won lead: ``exp(intercept + effects + half their variance)``, effects by the lead's traits.

    Attributes
    ----------
    kind : {"one", "mean", "segments", "linear"}
        No amounts are known and each lead counts 1; all are worth the mean; by source and size class together; by each
        trait of `TRAITS`.
    deals : int
        Won leads with an amount that it was fitted on.
    left_out : int
        Those whose amount was not above 0.
    mean : float
        Mean amount; 1 without any.
    intercept : float
        Logarithm of the value of a lead without effects.
    variance : float
        Of the logarithm of the level of all values: how well the mean amount is known.
    terms : tuple of Term
        To what an effect belongs.
    effects : ndarray, shape (terms,)
        What is added to the logarithm.
    covariance : ndarray, shape (terms, terms)
        Of the effects.
    centre : ndarray, shape (terms,)
        Shares of the deals that have each term.
    unseen : float
        Variance of the effect of a level that too few deals have.
    gain : tuple of three floats, or None
        What ``linear`` saved on later deals against ``segments``: Gamma deviance per deal with 95 % interval; None
        where that was not tried.
    """

    kind: str
    deals: int
    left_out: int
    mean: float
    intercept: float
    variance: float
    terms: tuple[Term, ...] = ()
    effects: Floats = field(default_factory=_NONE.copy)
    covariance: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    centre: Floats = field(default_factory=_NONE.copy)
    unseen: float = 0.0
    gain: tuple[float, float, float] | None = None

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return ``value`` (mean amount if won), ``low`` and ``high`` per row.

        The ends are those of a 90 % interval of the mean amount of such leads, not of the amount of one deal. Without
        any amount all three are 1.

        Parameters
        ----------
        frame : DataFrame
            With the columns of `TRAITS` that terms look at.

        Raises
        ------
        UsageError
            If one of these columns is missing.
        """
        needed = sorted({name for term in self.terms for name, _ in term})
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise UsageError(
                f"Deal values need the columns {', '.join(needed)}; missing are {', '.join(missing)}",
                remedy="Give the features of the leads as build_features(..., of=LEAD) returns them.",
            )
        middle, spread = self._log_values(term_places(frame, self.terms))
        width = LEVEL * np.sqrt(self.variance + spread) if self.deals else np.zeros(len(frame))
        ends = {"value": middle, "low": middle - width, "high": middle + width}
        return pd.DataFrame({name: np.exp(end) for name, end in ends.items()}, index=frame.index)

    def _log_values(self, places: Ints) -> tuple[Floats, Floats]:
        """Return logarithms of the values and variances of their effects, for the terms of each row."""
        effects = np.append(self.effects, 0.0)  # a place of -1 is no term
        covariance = np.pad(self.covariance, (0, 1))
        pull = covariance @ np.append(self.centre, 0.0)
        spread = np.full(len(places), float(self.centre @ self.covariance @ self.centre))
        log_value = np.full(len(places), self.intercept)
        for place in places.T:
            log_value += effects[place]
            spread += np.where(place < 0, self.unseen, 0.0) - 2 * pull[place]
            for other in places.T:
                spread += covariance[place, other]
        spread = np.maximum(spread, 0.0)
        return log_value + spread / 2, spread

    def findings(self) -> list[Finding]:
        """Return what must be known of the values."""
        found = []
        if self.deals < ENOUGH:
            what = (
                "There are no won leads with an amount: each lead counts 1, so its expected value is its chance"
                if not self.deals
                else f"Won leads with an amount: {self.deals}; {ENOUGH} are needed to tell leads apart, so each is "
                "worth the mean of these"
            )
            found.append(Finding("info", "deal_values", what, "Map deals with lead_id, status, closed_at and amount."))
        if self.left_out:
            what = "Won deals whose amount is not above 0 say nothing of what leads are worth and are left out"
            remedy = "Enter their amounts, if they have any."
            found.append(Finding("info", "deal_without_amount", what, remedy, "deals", "amount", count=self.left_out))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for `deal_values_from_json`."""
        plain = asdict(self)
        plain["terms"] = [[list(part) for part in term] for term in self.terms]
        for name in ("effects", "covariance", "centre"):
            plain[name] = getattr(self, name).tolist()
        plain["gain"] = None if self.gain is None else list(self.gain)
        return plain


def term_places(frame: pd.DataFrame, terms: Sequence[Term]) -> Ints:
    """Return which term each row has in each group of traits, -1 for none: shape (rows, groups).

    Terms of the same traits are a group; a row has one of them at most.
    """
    groups: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
    for at, term in enumerate(terms):
        groups.setdefault(tuple(name for name, _ in term), {})[tuple(level for _, level in term)] = at
    columns = []
    for traits, known in groups.items():
        levels = zip(*(level_texts(frame, name) for name in traits), strict=True)
        columns.append(np.fromiter((known.get(level, -1) for level in levels), np.int64, len(frame)))
    return np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0), np.int64)


def level_texts(frame: pd.DataFrame, trait: str) -> list[str]:
    """Return the levels of a trait as text, empty where it is not known."""
    return [str(value) if known else "" for value, known in zip(frame[trait], frame[trait].notna(), strict=True)]


def deal_values_from_json(value: Mapping[str, Any]) -> DealValues:
    """Return the deal values that `DealValues.as_json` wrote.

    Raises
    ------
    ValueError
        If a key is missing, added or of another type, a number is not finite or out of its range, or sizes differ; the
        message says which.

    Examples
    --------
    >>> plain = DealValues("mean", 3, 0, mean=100.0, intercept=4.605, variance=0.1).as_json()
    >>> deal_values_from_json(plain).predict(pd.DataFrame(index=[0])).round(0).to_numpy().tolist()
    [[100.0, 59.0, 168.0]]
    >>> deal_values_from_json({**plain, "variance": -1})
    Traceback (most recent call last):
        ...
    ValueError: variance of deal values must be a number of at least 0; found -1
    """
    keys = {*DealValues.__dataclass_fields__}
    if set(value) != keys:
        raise ValueError(f"deal values must have exactly the keys {sorted(keys)}; found {sorted(value)}")
    kind = value["kind"]
    if kind not in KINDS:
        raise ValueError(f"unknown kind of deal values {kind!r}; known are {', '.join(KINDS)}")
    terms = tuple(_term(term) for term in _list("terms", value["terms"]))
    if len(set(terms)) != len(terms) or bool(terms) != (kind in ("segments", "linear")):
        raise ValueError(f"terms of deal values must be distinct, and there if the kind is segments or linear: {kind}")
    size = len(terms)
    covariance = _numbers("covariance", value["covariance"], size, size)
    if size and (not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] < -1e-9):
        raise ValueError("the covariance of deal values must be symmetric and without negative variances")
    counts = [_number(name, value[name], least=0) for name in ("deals", "left_out")]
    if not all(count.is_integer() for count in counts) or (kind == "one") != (counts[0] == 0):
        raise ValueError(f"deals and left_out must be whole, and deals 0 only if the kind is one; found {counts}")
    gain = None if value["gain"] is None else tuple(_numbers("gain", value["gain"], 3).tolist())
    return DealValues(
        kind=kind,
        deals=int(counts[0]),
        left_out=int(counts[1]),
        mean=_number("mean", value["mean"], least=math.ulp(0.0)),
        intercept=_number("intercept", value["intercept"]),
        variance=_number("variance", value["variance"], least=0),
        terms=terms,
        effects=_numbers("effects", value["effects"], size),
        covariance=covariance,
        centre=_numbers("centre", value["centre"], size),
        unseen=_number("unseen", value["unseen"], least=0),
        gain=gain,
    )


def _term(value: Any) -> Term:
    parts = [tuple(_list("terms", part)) for part in _list("terms", value)]
    for part in parts:
        if len(part) != 2 or part[0] not in TRAITS or not isinstance(part[1], str):
            raise ValueError(f"a term of deal values must be pairs of a trait and a level; found {list(part)!r}")
    if not parts:
        raise ValueError("a term of deal values must have a trait")
    return tuple(parts)


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} of deal values must be a list; found {value!r}")
    return value


def _number(name: str, value: Any, *, least: float | None = None) -> float:
    good = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    if not good or (least is not None and value < least):
        bound = "" if least is None else " above 0" if least > 0 else " of at least 0"
        raise ValueError(f"{name} of deal values must be a {'' if bound else 'finite '}number{bound}; found {value!r}")
    return float(value)


def _numbers(name: str, value: Any, *shape: int) -> Floats:
    rows = _list(name, value)
    if len(rows) != shape[0]:
        raise ValueError(f"{name} of deal values must have {shape[0]} entries; found {len(rows)}")
    if len(shape) > 1:
        return np.array([_numbers(name, row, *shape[1:]) for row in rows]).reshape(shape)
    return np.array([_number(name, entry) for entry in rows], np.float64)
