"""An own scikit-learn classifier as a candidate: it is compared, but it cannot serve (decision 0004)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import Failure, UsageError, did_you_mean
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.ladder import rung_of
from crm_ml.models.scorer import stacked

KIND = "own"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LIMIT = 1e-6


@dataclass(frozen=True)
class OwnCandidate:
    """An unfitted classifier with the name it is compared under; made by `own_candidate`.

    Attributes
    ----------
    name : str
    estimator : object
        Unfitted, with ``fit``, ``predict_proba`` and scikit-learn's ``get_params``; only ever cloned.
    features : tuple of str, optional
        Ids of number features; None: all of them.
    at_least : int
        Churned customers, and retained ones, from which it is tried.
    """

    name: str
    estimator: Any = field(compare=False)
    features: tuple[str, ...] | None = None
    at_least: int = rung_of("boosting").at_least

    def columns(self, contract: ColumnContract) -> tuple[str, ...]:
        """Return the number features of the contract that it reads, in the contract's order."""
        numbers = [column.id for column in contract.columns if column.kind == "number"]
        return tuple(name for name in numbers if self.features is None or name in self.features)


@dataclass(frozen=True)
class OwnScorer:
    """A fitted clone. A missing value is read as the median of the feature's training rows.

    The margin is the log-odds of the second class's probability, clipped to [1e-6, 1 - 1e-6].
    """

    name: str
    fitted: Any
    needs: tuple[str, ...]
    medians: FloatArray
    kind: str = KIND

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the log-odds per row."""
        values = filled(stacked(encoded, self.needs), self.medians)
        if len(values) == 0:
            return np.zeros(0)
        p = np.asarray(_own(self.name, "predict_proba", lambda: self.fitted.predict_proba(values)), dtype=np.float64)
        if p.shape != (len(values), 2) or not np.isfinite(p).all():
            raise UsageError(
                f"predict_proba of the candidate {self.name} must return two finite probabilities per row; "
                f"found shape {p.shape} for {len(values)} rows",
                remedy="Give a classifier of two classes.",
                code="own_candidate_failed",
            )
        clipped = np.clip(p[:, 1], _LIMIT, 1 - _LIMIT)
        return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float64)

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Own estimators are compared, not explained: always raises `Failure`."""
        raise _not_servable(self.name)

    def files(self) -> dict[str, Any]:
        """Own estimators have no text form: always raises `Failure`."""
        raise _not_servable(self.name)


def _not_servable(name: str) -> Failure:
    return Failure(
        f"The candidate {name} has no text form, so it can be compared but neither stored nor explained",
        remedy="Serve one of the package's own candidates.",
        code="candidate_not_servable",
    )


def own_candidate(
    name: str, estimator: Any, *, features: Sequence[str] | None = None, at_least: int | None = None
) -> OwnCandidate:
    """Check and return an own candidate.

    Raises
    ------
    UsageError
        If the name is none or the estimator is not an unfitted classifier that scikit-learn can clone.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> own_candidate("bayes", GaussianNB(), features=["days_since_last_order"]).at_least
    40
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A candidate's name consists of lower-case ASCII letters, digits and _; found {name!r}",
            remedy="Rename it, e.g. my_forest.",
            code="bad_candidate",
        )
    absent = [method for method in ("fit", "predict_proba", "get_params") if not hasattr(estimator, method)]
    if absent or isinstance(estimator, type):
        found = "a class" if isinstance(estimator, type) else f"{type(estimator).__name__} without {', '.join(absent)}"
        raise UsageError(
            f"The candidate {name} must be an unfitted scikit-learn classifier with predict_proba; found {found}",
            remedy="Give an instance, e.g. RandomForestClassifier(); derive own ones from sklearn.base.BaseEstimator.",
            code="bad_candidate",
        )
    least = rung_of("boosting").at_least if at_least is None else at_least
    if least < rung_of("rule").at_least:
        raise UsageError(
            f"at_least of the candidate {name} must be at least {rung_of('rule').at_least}; found {least}",
            remedy="Raise it: below that nothing is trained.",
            code="bad_candidate",
        )
    chosen = None if features is None else tuple(dict.fromkeys(features))
    if chosen == ():
        raise UsageError(
            f"The candidate {name} reads no feature", remedy="Name some, or leave `features` out.", code="bad_candidate"
        )
    return OwnCandidate(name, estimator, chosen, least)


def require_known(own: OwnCandidate, features: Sequence[str]) -> None:
    """Refuse a candidate that names a feature which no row of the data set has."""
    unknown = [name for name in own.features or () if name not in features]
    if unknown:
        raise UsageError(
            f"The candidate {own.name} reads features that are not in the data: {', '.join(unknown[:5])}."
            f"{did_you_mean(unknown[0], features)}",
            remedy="Name features of the catalogue (docs/feature-catalogue.md) or add your own with add_feature.",
            code="bad_candidate",
        )


def fit_own(
    own: OwnCandidate, encoded: Encoded, y: NDArray[np.bool_], contract: ColumnContract, *, seed: int
) -> OwnScorer:
    """Clone the estimator, give it the seed wherever ``random_state`` is None, and fit the clone.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from crm_ml.models.columns import Column
    >>> x = np.array([1.0, 2.0, np.nan, 8.0, 9.0, 10.0])
    >>> contract = ColumnContract((Column("x", "number"),))
    >>> scorer = fit_own(own_candidate("bayes", GaussianNB()), {"x": x}, x > 5, contract, seed=1)
    >>> scorer.medians.tolist(), (scorer.margin({"x": np.array([1.0, 9.5])}) > 0).tolist()
    ([8.0], [False, True])
    """
    from sklearn.base import clone

    needs = own.columns(contract)
    raw = stacked(encoded, needs)
    medians = np.array([np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in raw.T])
    values = filled(raw, medians)
    fitted = _own(own.name, "clone", lambda: clone(own.estimator))
    seeds = {
        key: seed
        for key, value in fitted.get_params().items()
        if (key == "random_state" or key.endswith("__random_state")) and value is None
    }
    if seeds:
        fitted.set_params(**seeds)
    _own(own.name, "fit", lambda: fitted.fit(values, y.astype(np.int64)))
    return OwnScorer(own.name, fitted, needs, medians)


def filled(values: FloatArray, medians: FloatArray) -> FloatArray:
    """Return the matrix with each missing value replaced by its column's median.

    Examples
    --------
    >>> filled(np.array([[np.nan, 1.0]]), np.array([7.0, 8.0])).tolist()
    [[7.0, 1.0]]
    """
    return np.where(np.isnan(values), medians, values)


def _own(name: str, what: str, call: Any) -> Any:
    try:
        return call()
    except UsageError:
        raise
    except Exception as error:  # whatever foreign code raises, the message must name the candidate
        raise UsageError(
            f"{what} of the candidate {name} failed: {type(error).__name__}: {error}",
            remedy="Try it on a numeric matrix without missing values, or remove it with remove_candidate.",
            code="own_candidate_failed",
        ) from error
