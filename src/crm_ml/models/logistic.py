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
    from sklearn.linear_model import LogisticRegression

    used: list[tuple[str, tuple[float, float, float, float, float]]] = []
    columns: list[FloatArray] = []
    for name in features:
        constants = _prepare(encoded[name]) if name in encoded else None
        if constants is None:
            continue
        low, high, mean, sd, share = constants
        missing = np.isnan(encoded[name])
        safe_sd = sd if sd > 1e-12 else 0.0
        if not safe_sd and share < _MISSING_SHARE:
            continue
        z = (np.clip(signed_log1p(np.where(missing, 0.0, encoded[name])), low, high) - mean) / (safe_sd or 1.0)
        columns.append(np.where(missing, 0.0, z) if safe_sd else np.zeros(len(y)))
        flag_sd = float(np.sqrt(share * (1 - share))) if share >= _MISSING_SHARE else 0.0
        columns.append((missing - share) / flag_sd if flag_sd else np.zeros(len(y)))
        used.append((name, constants))
    if not used:
        rate = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
        return Logistic(float(np.log(rate / (1 - rate))), ())
    fitted = LogisticRegression(C=shrinkage, solver="newton-cholesky", tol=1e-8).fit(np.column_stack(columns), y)
    coefficients = fitted.coef_[0]
    terms = []
    for j, (name, (low, high, mean, sd, share)) in enumerate(used):
        flag_sd = float(np.sqrt(share * (1 - share))) if share >= _MISSING_SHARE else 0.0
        has_sd = sd > 1e-12
        terms.append(
            Term(
                feature=name,
                low=low,
                high=high,
                mean=mean,
                sd=sd if has_sd else 1.0,
                coef=float(coefficients[2 * j]) if has_sd else 0.0,
                missing_share=share,
                missing_coef=float(coefficients[2 * j + 1]) / flag_sd if flag_sd else 0.0,
            )
        )
    return Logistic(float(fitted.intercept_[0]), tuple(terms))
