"""The house's models as scikit-learn classifiers: for pipelines, grid searches and comparisons outside `train`.

They obey scikit-learn's contract (``check_estimator``). A table goes in, of numbers and, for `ChurnClassifier`, texts;
missing values are allowed. Probabilities are calibrated inside `fit` on folds that keep each group (customer) together.
They know nothing of time: rows must be such that a random split is fair, or `groups` must say which belong together.
For rolling snapshots of one firm use `train_churn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from crm_ml import names
from crm_ml.models.boosting import Boosting, fit_boosting
from crm_ml.models.calibration import Calibration, fit_calibration
from crm_ml.models.candidates import ROUNDS_PER_ROOT_ROW
from crm_ml.models.columns import Column, ColumnContract, FloatArray, learn_columns
from crm_ml.models.logistic import RFM_FEATURES, SHRINKAGE, Logistic, fit_logistic
from crm_ml.models.recipe import Recipe, sharpness
from crm_ml.models.rules import RECENCY, Rule, fit_rule

BoolArray = NDArray[np.bool_]
Margins = Mapping[float, FloatArray]
_MOST_SEED = 2**31 - 1


class _Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What the classifiers share: input, classes, probabilities."""

    classes_: NDArray[Any]
    calibration_: Calibration
    n_features_in_: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def _target(self, y: ArrayLike) -> BoolArray:
        """Keep the two classes and return where y is the second one."""
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, code = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Both classes are needed to learn from; y holds one class, {self.classes_[0]!r}")
        return np.asarray(code == 1)

    def _table(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Return the input as columns x0, x1, ...: texts as they are, all else as float64."""
        if isinstance(X, pd.DataFrame) and not all(map(_numeric, X.dtypes)):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) == 0:
                raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
            return X.set_axis([f"x{k}" for k in range(X.shape[1])], axis=1).reset_index(drop=True)
        values = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        return pd.DataFrame(values, columns=[f"x{k}" for k in range(values.shape[1])])

    def _named(self, wanted: Sequence[str]) -> list[str]:
        """Return the columns x0, x1, ... that have these names; none where the input had no names."""
        given = [str(name) for name in getattr(self, "feature_names_in_", ())]
        return [f"x{given.index(name)}" for name in wanted if name in given]

    def _margin(self, table: pd.DataFrame) -> FloatArray:
        raise NotImplementedError

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the calibrated probability of each class, shape (rows, 2), columns in the order of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the columns are not those of `fit`.
        """
        check_is_fitted(self)
        p = self.calibration_.probability(self._margin(self._table(X, reset=False)))
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier class of each row."""
        p = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[(p[:, 1] > 0.5).astype(np.int64)]
        return found


class ChurnClassifier(_Calibrated):
    """Boosted trees as the house fits them: few leaves, strongly shrunk, no class weights, a calibrated probability.

    Rounds (their number per root of the rows) are chosen by log loss on folds; the sigmoid is fitted on the predictions
    of rows by models that did not see them; the trees that stay are fitted on all rows.

    Parameters
    ----------
    rounds_per_root_row : float or None
        Boosting rounds divided by the square root of the number of rows; None: chosen on the folds.
    folds : int
        Folds for choosing and calibrating (less where a class has fewer rows or groups).
    n_jobs : int
        Threads of LightGBM; never changes the result.
    random_state : int, RandomState or None
        Of the columns tried per tree.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The second one is what the probability in the second column is about.
    rounds_per_root_row_ : float
        What was used.
    scorer_ : Boosting or None
        The trees; None where no column held two values.
    calibration_ : Calibration
        The sigmoid on their log-odds.
    n_features_in_, feature_names_in_ : int, ndarray
        As in scikit-learn.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"days_since_last_order": rng.exponential(60, 600), "industry": ["metal", "plastic"] * 300})
    >>> y = rng.random(600) < 1 / (1 + 60 / X["days_since_last_order"])
    >>> model = ChurnClassifier(rounds_per_root_row=0.8).fit(X, y)
    >>> model.predict_proba(X.head(3)).shape, bool(model.score(X, y) > 0.6)
    ((3, 2), True)
    """

    def __init__(
        self,
        *,
        rounds_per_root_row: float | None = None,
        folds: int = 5,
        n_jobs: int = 1,
        random_state: int | np.random.RandomState | None = 1,
    ) -> None:
        self.rounds_per_root_row = rounds_per_root_row
        self.folds = folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on a table.

        Parameters
        ----------
        X : DataFrame or array of shape (rows, columns)
            Numbers and, in a DataFrame, texts (a level needs five rows); missing values are allowed.
        y : array of shape (rows,)
            Two classes.
        groups : array of shape (rows,), optional
            Which rows belong together, e.g. the customer: they never stand on both sides of a fold.

        Raises
        ------
        ValueError
            If y does not hold two classes, or the shapes do not fit.
        """
        table, target = _both(self, X, y)
        self._contract, _ = learn_columns(table, list(table.columns), pd.Series(np.arange(len(table))))
        encoded = self._contract.encode(table)
        seed = int(check_random_state(self.random_state).randint(_MOST_SEED))
        factors = ROUNDS_PER_ROOT_ROW if self.rounds_per_root_row is None else (float(self.rounds_per_root_row),)

        def staged(past: NDArray[np.int64], later: NDArray[np.int64]) -> Margins:
            if not self._contract.columns:
                return {factor: np.zeros(len(later)) for factor in factors}
            rounds = {factor: Recipe(factor).rounds(len(past)) for factor in factors}
            model = self._boosted(_taken(encoded, past), target[past], max(rounds.values()), seed)
            margins = model.staged_margins(_taken(encoded, later), sorted(set(rounds.values())))
            return {factor: margins[count] for factor, count in rounds.items()}

        fold = _folds(target, groups, self.folds)
        self.rounds_per_root_row_, self.calibration_ = _chosen(staged, target, fold)
        self.scorer_ = None
        if self._contract.columns:
            rounds = Recipe(self.rounds_per_root_row_).rounds(len(target))
            self.scorer_ = self._boosted(encoded, target, rounds, seed)
        return self

    def _boosted(self, encoded: Mapping[str, FloatArray], y: BoolArray, rounds: int, seed: int) -> Boosting:
        return fit_boosting(encoded, y, self._contract, rounds=rounds, seed=seed, threads=self.n_jobs)

    def _margin(self, table: pd.DataFrame) -> FloatArray:
        return np.zeros(len(table)) if self.scorer_ is None else self.scorer_.margin(self._contract.encode(table))


class RfmLogisticClassifier(_Calibrated):
    """Ridge-penalised logistic regression on signed logs of recency, frequency and money, calibrated.

    Parameters
    ----------
    shrinkage : float or None
        scikit-learn's ``C`` (smaller: coefficients closer to zero); None: chosen on the folds.
    folds : int
        Folds for choosing and calibrating.

    Attributes
    ----------
    shrinkage_ : float
        What was used.
    used_ : list of str
        Columns of the sum: those of a DataFrame with the names in `RFM_FEATURES`; all number columns where none has
        such a name.
    scorer_ : Logistic
        Every constant of it.
    classes_, calibration_, n_features_in_, feature_names_in_
        As in `ChurnClassifier`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"days_since_last_order": rng.exponential(60, 400), "note": 1.0})
    >>> y = rng.random(400) < 1 / (1 + 60 / X["days_since_last_order"])
    >>> RfmLogisticClassifier().fit(X, y).used_
    ['days_since_last_order']
    """

    def __init__(self, *, shrinkage: float | None = None, folds: int = 5) -> None:
        self.shrinkage = shrinkage
        self.folds = folds

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on a table; parameters and errors as in `ChurnClassifier.fit`."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        table, target = _both(self, X, y)
        numbers = [name for name in table.columns if _numeric(table[name].dtype)]
        self._columns = [name for name in self._named(RFM_FEATURES) if name in numbers] or numbers
        given = getattr(self, "feature_names_in_", None)
        self.used_ = [name if given is None else str(given[int(name[1:])]) for name in self._columns]
        encoded = self._encoded(table)
        strengths = SHRINKAGE if self.shrinkage is None else (float(self.shrinkage),)

        def shrunk(past: NDArray[np.int64], later: NDArray[np.int64]) -> Margins:
            seen, ahead = _taken(encoded, past), _taken(encoded, later)
            return {c: fit_logistic(seen, target[past], self._columns, shrinkage=c).margin(ahead) for c in strengths}

        # BLAS sums in another order with other thread counts
        with threadpool_limits(limits=1, user_api="blas"):
            self.shrinkage_, self.calibration_ = _chosen(shrunk, target, _folds(target, groups, self.folds))
            self.scorer_: Logistic = fit_logistic(encoded, target, self._columns, shrinkage=self.shrinkage_)
        return self

    def _encoded(self, table: pd.DataFrame) -> dict[str, FloatArray]:
        contract = ColumnContract(tuple(Column(name, "number") for name in self._columns))
        # without any number column the sum is its intercept, and still has as many rows
        return contract.encode(table) or {"": np.zeros(len(table))}

    def _margin(self, table: pd.DataFrame) -> FloatArray:
        return self.scorer_.margin(self._encoded(table))


class RecencyRule(_Calibrated):
    """The rule a model must beat: who has not ordered for longest is likeliest to churn; one column, a sigmoid on it.

    ``p = sigmoid(a + b log(1 + days))`` with b > 0, so the ranking is that of the column whatever y says; a missing
    value takes the median.

    Parameters
    ----------
    column : str, int or None
        Name (of a DataFrame) or place of the column; None: ``days_since_last_order``, or the first where there is none.

    Attributes
    ----------
    column_ : int
        Place of the column that is used.
    scorer_ : Rule
        The rule.
    classes_, calibration_, n_features_in_, feature_names_in_
        As in `ChurnClassifier`.

    Examples
    --------
    >>> X = pd.DataFrame({"other": 1.0, "days_since_last_order": [5.0, 10, 200, 300]})
    >>> RecencyRule().fit(X, ["stays", "stays", "goes", "stays"]).column_
    1
    """

    def __init__(self, *, column: str | int | None = None) -> None:
        self.column = column

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # it looks at one column, in one direction
        return tags

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit the sigmoid; parameters and errors as in `ChurnClassifier.fit`.

        Raises
        ------
        ValueError
            If the column is not there.
        """
        table, target = _both(self, X, y)
        self.column_ = self._place()
        encoded = self._encoded(table)
        self.scorer_: Rule = fit_rule(RECENCY, encoded)
        # no label enters the rule, so the sigmoid may be fitted on the same rows
        self.calibration_ = fit_calibration(self.scorer_.margin(encoded), target)
        return self

    def _place(self) -> int:
        wanted = names.DAYS_SINCE_LAST_ORDER if self.column is None else self.column
        if isinstance(wanted, str):
            found = self._named([wanted])
            if not found and self.column is not None:
                raise ValueError(f"There is no column {wanted!r}; give a DataFrame that has it, or the column's place")
            return int(found[0][1:]) if found else 0
        if not 0 <= wanted < self.n_features_in_:
            raise ValueError(f"column must be from 0 to {self.n_features_in_ - 1}, found {wanted}")
        return wanted

    def _encoded(self, table: pd.DataFrame) -> dict[str, FloatArray]:
        return {names.DAYS_SINCE_LAST_ORDER: table.iloc[:, self.column_].to_numpy(np.float64)}

    def _margin(self, table: pd.DataFrame) -> FloatArray:
        return self.scorer_.margin(self._encoded(table))


def _both(estimator: _Calibrated, X: Any, y: Any) -> tuple[pd.DataFrame, BoolArray]:
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    table = estimator._table(X, reset=True)
    labels = column_or_1d(y, warn=True)
    check_consistent_length(table, labels)
    return table, estimator._target(labels)


def _numeric(dtype: Any) -> bool:
    # bools are numbers here; texts, categories and times are not
    return bool(pd.api.types.is_numeric_dtype(dtype))


def _taken(encoded: Mapping[str, FloatArray], rows: NDArray[np.int64]) -> dict[str, FloatArray]:
    return {name: values[rows] for name, values in encoded.items()}


def _folds(y: BoolArray, groups: ArrayLike | None, folds: int) -> NDArray[np.int64]:
    """Return the fold of each row: groups dealt out in turn, those with a positive row apart from the others."""
    if folds < 2:
        raise ValueError(f"folds must be at least 2, found {folds}")
    index = np.arange(len(y))
    if groups is not None:
        given = column_or_1d(groups)
        check_consistent_length(given, y)
        index = np.unique(given, return_inverse=True)[1]
    positive = np.zeros(index.max() + 1, bool)
    positive[index[y]] = True
    count = min(folds, int(positive.sum()), len(set(index[~y].tolist())))
    rank = np.where(positive, np.cumsum(positive), np.cumsum(~positive)) - 1
    # one fold means: too few to hold anything back
    return np.asarray(rank[index] % max(count, 1), np.int64)


def _chosen(
    fit: Callable[[NDArray[np.int64], NDArray[np.int64]], Margins], y: BoolArray, fold: NDArray[np.int64]
) -> tuple[float, Calibration]:
    """Return the value with the least log loss on rows that were held back, and the sigmoid of its margins there."""
    held: dict[float, FloatArray] = {}
    many = int(fold.max()) > 0
    for one in range(int(fold.max()) + 1):
        later = np.flatnonzero(fold == one)
        past = np.flatnonzero(fold != one) if many else later
        if many and not (y[past].any() and not y[past].all()):
            past = np.arange(len(y))
        for value, margin in fit(past, later).items():
            held.setdefault(value, np.zeros(len(y)))[later] = margin
    best = min(held, key=lambda value: (sharpness(held[value], y, fold), value))
    return best, fit_calibration(held[best], y)
