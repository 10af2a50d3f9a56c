"""Logistic regression on transformed columns, stored with every constant, so that scoring needs no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml import names
from crm_ml.models.columns import Encoded, FloatArray

RFM_FEATURES = (
    names.DAYS_SINCE_LAST_ORDER,
    names.DAYS_SINCE_FIRST_ORDER,
    names.ORDER_DAYS_COUNT,
    names.ORDER_GAP_DAYS_MEAN,
    names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP,
    names.ORDERS_COUNT_365D,
    names.NET_REVENUE_365D,
)
SHRINKAGE = (1.0, 0.1, 0.01, 0.001)
# over all features: a large firm wanted the first, a small one the second (measured)
STRONG_SHRINKAGE = (0.03, 0.0003)
_TAIL = 0.001
_MISSING_SHARE = 0.005


@dataclass(frozen=True)
class Term:
    """One feature in the sum: ``coef (clip(signed_log1p(x), low, high) - mean) / sd + missing_coef (missing - share)``.

    A missing value takes the mean, so it contributes through its indicator alone.
    """

    feature: str
    low: float
    high: float
    mean: float
    sd: float
    coef: float
    missing_share: float
    missing_coef: float

    def value(self, x: FloatArray) -> FloatArray:
        """Return this term's contribution to the log-odds per row."""
        missing = np.isnan(x)
        z = (np.clip(signed_log1p(np.where(missing, 0.0, x)), self.low, self.high) - self.mean) / self.sd
        return self.coef * np.where(missing, 0.0, z) + self.missing_coef * (missing - self.missing_share)


def signed_log1p(x: FloatArray) -> FloatArray:
    """Return ``sign(x) * log(1 + |x|)``: tames the tails of counts, days and money alike.

    Examples
    --------
    >>> signed_log1p(np.array([-np.e + 1, 0.0, np.e - 1])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)), dtype=np.float64)


@dataclass(frozen=True)
class Logistic:
    """A sum of terms: log-odds = intercept + sum of `Term.value`."""

    intercept: float
    terms: tuple[Term, ...]
    kind: str = "logistic"

    @property
    def needs(self) -> tuple[str, ...]:
        """Feature ids of the terms."""
        return tuple(dict.fromkeys(term.feature for term in self.terms))

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the log-odds per row; added term by term, so one row gives exactly what it gives in a batch."""
        total = np.full(_rows(encoded), self.intercept)
        for term in self.terms:
            total = total + term.value(encoded[term.feature])
        return total

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return (value - training mean) x coefficient summed per feature, and the intercept as base."""
        values = {name: np.zeros(_rows(encoded)) for name in self.needs}
        for term in self.terms:
            values[term.feature] = values[term.feature] + term.value(encoded[term.feature])
        return values, self.intercept

    def files(self) -> dict[str, Any]:
        """Return ``model.json``."""
        return {
            "model.json": {
                "kind": "logistic",
                "intercept": self.intercept,
                "terms": [asdict(term) for term in self.terms],
            }
        }


def _rows(encoded: Encoded) -> int:
    return len(next(iter(encoded.values())))


def _prepare(x: FloatArray) -> tuple[float, float, float, float, float] | None:
    present = signed_log1p(x[~np.isnan(x)])
    if present.size == 0:
        return None
    low, high = (float(q) for q in np.quantile(present, [_TAIL, 1 - _TAIL]))
    clipped = np.clip(present, low, high)
    return low, high, float(clipped.mean()), float(clipped.std()), float(np.isnan(x).mean())


@dataclass(frozen=True)
class Design:
    """Features as the columns of a regression: standardised signed logs, and standardised indicators of missing values.

    Attributes
    ----------
    features : tuple of str
        Features in use.
    constants : tuple of tuple of float
        Of each: low, high, mean, sd (0 without spread), share missing.
    columns : numpy.ndarray
        Shape (rows, columns); only columns with spread.
    places : tuple of (int, int)
        Of each feature: its columns of values and of missing, -1 where there is none.
    """

    features: tuple[str, ...]
    constants: tuple[tuple[float, float, float, float, float], ...]
    columns: FloatArray
    places: tuple[tuple[int, int], ...]


def design(encoded: Encoded, features: Sequence[str]) -> Design:
    """Return the design of the named number features; those not in `encoded` or without spread are left out."""
    used: list[str] = []
    constants: list[tuple[float, float, float, float, float]] = []
    columns: list[FloatArray] = []
    places: list[tuple[int, int]] = []
    for name in features:
        found = _prepare(encoded[name]) if name in encoded else None
        if found is None:
            continue
        low, high, mean, sd, share = found
        has_spread, has_gaps = sd > 1e-12, share >= _MISSING_SHARE
        if not has_spread and not has_gaps:
            continue
        missing = np.isnan(encoded[name])
        place = [-1, -1]
        if has_spread:
            z = (np.clip(signed_log1p(np.where(missing, 0.0, encoded[name])), low, high) - mean) / sd
            place[0] = len(columns)
            columns.append(np.where(missing, 0.0, z))
        if has_gaps:
            place[1] = len(columns)
            columns.append((missing - share) / _flag_sd(share))
        used.append(name)
        constants.append((low, high, mean, sd if has_spread else 0.0, share))
        places.append((place[0], place[1]))
    return Design(
        tuple(used), tuple(constants), np.column_stack(columns) if columns else np.zeros((0, 0)), tuple(places)
    )


def _flag_sd(share: float) -> float:
    return float(np.sqrt(share * (1 - share)))


def fit_logistic(encoded: Encoded, y: NDArray[np.bool_], features: Sequence[str], *, shrinkage: float) -> Logistic:
    """Fit a ridge-penalised logistic regression on signed logs, standardised, tails clipped at the 0.1 % quantiles.

    Parameters
    ----------
    encoded : mapping of str to numpy.ndarray
        Features by name.
    y : numpy.ndarray of bool
        What happened.
    features : sequence of str
        Number features to use; those not in `encoded` or without spread are left out.
    shrinkage : float
        scikit-learn's ``C``: smaller means coefficients closer to zero.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.exponential(50, 1000)
    >>> model = fit_logistic({"x": x}, rng.random(1000) < x / (x + 50), ["x"], shrinkage=1.0)
    >>> model.terms[0].coef > 0.5
    True
    """
    return fit_logistic_path(encoded, y, features, shrinkages=(shrinkage,))[shrinkage]


def fit_logistic_path(
    encoded: Encoded, y: NDArray[np.bool_], features: Sequence[str], *, shrinkages: Sequence[float]
) -> dict[float, Logistic]:
    """Fit several shrinkages on one design; see `fit_logistic`. Each is fitted from scratch, so none hangs on another.

    Examples
    --------
    >>> x = np.arange(100.0)
    >>> path = fit_logistic_path({"x": x}, x > 50, ["x"], shrinkages=(1.0, 0.001))
    >>> path[1.0].terms[0].coef > path[0.001].terms[0].coef > 0
    True
    """
    from sklearn.linear_model import LogisticRegression

    made = design(encoded, features)
    if not made.features:
        rate = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
        return {c: Logistic(float(np.log(rate / (1 - rate))), ()) for c in shrinkages}
    fitted = {}
    for c in shrinkages:
        model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-8).fit(made.columns, y)
        fitted[c] = Logistic(float(model.intercept_[0]), _terms(made, model.coef_[0]))
    return fitted


def _terms(made: Design, coefficients: FloatArray) -> tuple[Term, ...]:
    terms = []
    for name, (low, high, mean, sd, share), (value, gap) in zip(
        made.features, made.constants, made.places, strict=True
    ):
        terms.append(
            Term(
                feature=name,
                low=low,
                high=high,
                mean=mean,
                sd=sd or 1.0,
                coef=float(coefficients[value]) if value >= 0 else 0.0,
                missing_share=share,
                missing_coef=float(coefficients[gap]) / _flag_sd(share) if gap >= 0 else 0.0,
            )
        )
    return tuple(terms)
