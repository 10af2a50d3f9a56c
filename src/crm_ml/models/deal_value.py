"""What a lead is worth if it is won: the mean amount of deals of leads like it, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_ml.errors import Finding, UsageError

Floats = npt.NDArray[np.float64]

TRAITS: Final = ("lead_source", "lead_industry", "lead_company_size", "lead_country", "lead_job_seniority")
"""What deals are told apart by."""
ENOUGH: Final = 40
"""Won deals with an amount from which leads are told apart; below, all are worth the mean."""
_PRIOR_DEALS = 10.0
_LEAST_LEVEL = 5
_LEVEL: Final = 1.6448536269514722


@dataclass(frozen=True)
class DealValues:
    """Amounts of won deals by the traits of their leads: a shrunken linear model of the logarithm of the amount.

    Attributes
    ----------
    deals : int
        Won deals with an amount that it was fitted on.
    mean : float
        Their mean amount; 1 without any.
    terms : tuple of (str, str)
        Trait and level of each coefficient; empty where all leads are worth the mean.
    coefficients : numpy.ndarray, shape (terms + 1,)
        Of the intercept and the terms.
    covariance : numpy.ndarray, shape (terms + 1, terms + 1)
        Of the coefficients.
    smearing : float
        Factor from the middle of a log-linear model to the mean, so that values of deals add up to their amounts.
    """

    deals: int
    mean: float
    terms: tuple[tuple[str, str], ...]
    coefficients: Floats
    covariance: Floats
    smearing: float

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return ``value``, ``low`` and ``high`` (90 % interval of the mean amount) per row.

        Parameters
        ----------
        frame : DataFrame
            With the columns of `TRAITS` that are known.
        """
        design = _design(frame, self.terms)
        middle = design @ self.coefficients
        spread = _LEVEL * np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))
        ends = {"value": middle, "low": middle - spread, "high": middle + spread}
        return pd.DataFrame({name: np.exp(end) * self.smearing for name, end in ends.items()}, index=frame.index)

    def findings(self) -> list[Finding]:
        """Return what must be known of the values."""
        if self.deals >= ENOUGH:
            return []
        what = (
            "There are no won deals with an amount: each lead counts 1, so its expected value is its chance"
            if not self.deals
            else f"There are {self.deals} won deals with an amount, {ENOUGH} are needed to tell leads apart: each is "
            "worth the mean of these"
        )
        return [Finding("info", "deal_values", what, "Map deals with lead_id, status, closed_at and amount.")]


def fit_deal_values(amounts: npt.ArrayLike, traits: pd.DataFrame) -> DealValues:
    """Return the values of leads from the amounts of those that were won.

    With fewer than 40 amounts all are worth their mean. Else log amount is fitted by ridge regression on the levels of
    the traits that at least five deals have, each drawn in by ten deals' worth of the average, and one factor makes the
    values add up to the amounts (a smearing estimate as in Duan 1983, JASA 78). Amounts that are not above 0 are left
    out.

    Parameters
    ----------
    amounts : array-like of float, shape (deals,)
        Money.
    traits : DataFrame, shape (deals, any)
        The traits of the leads, row by row; columns outside `TRAITS` are not looked at.

    Raises
    ------
    UsageError
        If the two have different lengths.

    Examples
    --------
    >>> traits = pd.DataFrame({"lead_source": ["fair", "web"] * 50})
    >>> found = fit_deal_values([900.0, 100.0] * 50, traits)
    >>> found.predict(traits.iloc[:2]).round(0).to_numpy().tolist()
    [[862.0, 827.0, 898.0], [138.0, 133.0, 144.0]]
    """
    given = np.asarray(amounts, np.float64)
    if len(given) != len(traits):
        raise UsageError(f"There must be one row of traits per amount; found {len(traits)} for {len(given)}")
    good = np.isfinite(given) & (given > 0)
    money, traits = given[good], traits[good]
    # sums must not hang on the order of the rows
    order = np.lexsort([*(_text(traits, name) for name in TRAITS), money])
    money, traits = money[order], traits.iloc[order]
    if len(money) < ENOUGH:
        mean = float(money.mean()) if len(money) else 1.0
        spread = float(money.std() / len(money) ** 0.5 / mean) ** 2 if len(money) > 1 else 0.0
        return DealValues(len(money), mean, (), np.array([np.log(mean)]), np.array([[spread]]), 1.0)
    terms = tuple(_levels(traits))
    design, y = _design(traits, terms), np.log(money)
    penalty = np.diag([0.0, *[_PRIOR_DEALS] * len(terms)])
    inverse = np.linalg.inv(design.T @ design + penalty)
    beta = inverse @ (design.T @ y)
    rest = y - design @ beta
    covariance = np.asarray(inverse * (float(rest @ rest) / max(1, len(y) - 1)), np.float64)
    smearing = float(money.sum() / np.exp(design @ beta).sum())
    return DealValues(len(y), float(money.mean()), terms, beta, covariance, smearing)


def _text(frame: pd.DataFrame, name: str) -> npt.NDArray[np.str_]:
    if name not in frame.columns:
        return np.full(len(frame), "")
    return frame[name].astype(object).where(frame[name].notna(), "").astype(str).to_numpy(np.str_)


def _levels(traits: pd.DataFrame) -> Sequence[tuple[str, str]]:
    found = []
    for name in TRAITS:
        levels, counts = np.unique(_text(traits, name), return_counts=True)
        found += [
            (name, str(level)) for level, many in zip(levels, counts, strict=True) if level and many >= _LEAST_LEVEL
        ]
    return found


def _design(frame: pd.DataFrame, terms: Sequence[tuple[str, str]]) -> Floats:
    texts: Mapping[str, npt.NDArray[np.str_]] = {name: _text(frame, name) for name in {name for name, _ in terms}}
    columns = [np.ones(len(frame)), *((texts[name] == level).astype(np.float64) for name, level in terms)]
    return np.stack(columns, axis=1)
