"""LightGBM with a fixed column contract: deterministic, few leaves, strongly shrunk."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crm_ml.errors import DamagedArtefact
from crm_ml.models.columns import ColumnContract, Encoded, FloatArray
from crm_ml.models.scorer import stacked

if TYPE_CHECKING:
    from crm_ml.models.explain.tree_margin import TreeMargin
    from crm_ml.models.explain.treeshap import TreeShap

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.07,
    "num_leaves": 31,
    "max_depth": 8,
    "min_data_in_leaf": 60,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "max_bin": 127,
    "cat_smooth": 20.0,
    "cat_l2": 20.0,
    "max_cat_to_onehot": 8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
MANY_ROWS = 16_384
"""From so many rows on masks are made for the margin; for fewer, LightGBM has walked down before they are."""
# what bins depend on besides the rows: the same for every fit, so that fits can share them
_SHARED: dict[str, Any] = {"data_random_seed": 1, "feature_pre_filter": False}
_PARAMETER_BLOCK = re.compile(r"\nparameters:\n.*?\nend of parameters\n", re.DOTALL)


@dataclass(frozen=True)
class Boosting:
    """Boosted trees, held as LightGBM's own text.

    Attributes
    ----------
    text : str
        The model text, without the block of training parameters (it names the thread count and changes nothing).
    """

    text: str
    kind: str = "lightgbm"

    @cached_property
    def _booster(self) -> Any:
        return booster_from_text(self.text)

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Feature ids in the order of the trees' columns."""
        return tuple(self._booster.feature_name())

    @cached_property
    def _tree_shap(self) -> TreeShap | None:
        # loads what is compiled: for those who explain, not for everybody who reads a model
        from crm_ml.models.explain.treeshap import tree_shap

        return tree_shap(self.text)

    @cached_property
    def _tree_margin(self) -> TreeMargin | None:
        from crm_ml.models.explain.tree_margin import tree_margin

        return tree_margin(self.text)

    def margin(self, encoded: Encoded) -> FloatArray:
        """Return the sum of the trees per row (log-odds).

        Many rows are looked up in masks (`tree_margin`), few ones and those of a model that has none are given to
        LightGBM: the bits are the same.
        """
        many = len(encoded[self.needs[0]]) >= MANY_ROWS
        masks = self._tree_margin if many else None
        if masks is not None:
            return masks.margin([encoded[name] for name in self.needs])
        return np.asarray(self._booster.predict(stacked(encoded, self.needs), raw_score=True), dtype=np.float64)

    def staged_margins(self, encoded: Encoded, rounds: Sequence[int]) -> dict[int, FloatArray]:
        """Return the log-odds after each of the given numbers of rounds."""
        values = stacked(encoded, self.needs)
        total, done, staged = np.zeros(len(values)), 0, {}
        for count in sorted(rounds):
            if count > done:
                total = total + self._booster.predict(
                    values, raw_score=True, start_iteration=done, num_iteration=count - done
                )
            staged[count], done = total, count
        return staged

    def cut(self, rounds: int) -> Boosting:
        """Return the model of the first trees only: exactly what a fit with so many rounds gives."""
        return Boosting(_text(self._booster, rounds))

    def contributions(self, encoded: Encoded) -> tuple[dict[str, FloatArray], float]:
        """Return exact path-dependent TreeSHAP values (log-odds) and the expected value.

        From tables that are made at the first call and kept (`tree_shap`); by LightGBM's ``pred_contrib`` where the
        model has none. Which of the two hangs on the model alone, so a row's values never depend on the others.

        Lundberg, Erion, Lee 2018, "Consistent individualized feature attribution for tree ensembles".
        """
        tables = self._tree_shap
        if tables is not None:
            found = tables.contributions([encoded[name] for name in self.needs])
            return dict(zip(self.needs, found, strict=True)), tables.base
        values = stacked(encoded, self.needs)
        if len(values) == 0:
            return {name: np.zeros(0) for name in self.needs}, 0.0
        parts = np.asarray(self._booster.predict(values, pred_contrib=True), dtype=np.float64)
        return {name: np.ascontiguousarray(parts[:, j]) for j, name in enumerate(self.needs)}, float(parts[0, -1])

    def files(self) -> dict[str, Any]:
        """Return ``model.txt``."""
        return {"model.txt": self.text}


def _lightgbm() -> Any:
    # OpenMP threads that spin while they wait for one another cost a busy machine a hundredfold (measured); the policy
    # is read once, when the library is loaded
    if "lightgbm" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm

    return lightgbm


def booster_from_text(text: str) -> Any:
    """Return the LightGBM booster of a model text that is already trusted.

    Raises
    ------
    DamagedArtefact
        If LightGBM refuses the text. A damaged text may abort the interpreter instead: hash and trial-load first.
    """
    lightgbm = _lightgbm()
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DamagedArtefact(
            f"model.txt must be a LightGBM model; LightGBM says: {error}", remedy="Train again or restore the bundle."
        ) from error


@dataclass(frozen=True)
class Binned:
    """Training rows as LightGBM bins them: made once, used for every fit on the same rows."""

    data: Any
    ids: tuple[str, ...]
    categories: tuple[str, ...]
    rows: int


def bin_rows(encoded: Encoded, y: NDArray[np.bool_], contract: ColumnContract, *, threads: int = 2) -> Binned:
    """Bin rows in their given (sorted) order; a quarter of the time of a fit on a hundred features (measured).

    Bins are cut where these rows' values lie, so they are never made of more rows than a fit may see.
    """
    lightgbm = _lightgbm()
    ids = contract.ids
    data = lightgbm.Dataset(
        stacked(encoded, ids),
        label=y.astype(np.float64),
        feature_name=list(ids),
        categorical_feature=[ids.index(name) for name in contract.categories],
        params={**PARAMETERS, **_SHARED, "num_threads": threads},
        free_raw_data=True,
    )
    return Binned(data.construct(), ids, contract.categories, len(y))


def fit_boosting(
    encoded: Encoded,
    y: NDArray[np.bool_],
    contract: ColumnContract,
    *,
    rounds: int,
    seed: int,
    threads: int = 2,
) -> Boosting:
    """Bin rows in their given (sorted) order and fit boosted trees to them; see `fit_binned`.

    Examples
    --------
    >>> from crm_ml.models.columns import Column
    >>> x = np.arange(400.0)
    >>> model = fit_boosting({"x": x}, x > 200, ColumnContract((Column("x", "number"),)), rounds=5, seed=1)
    >>> bool(model.margin({"x": np.array([300.0])})[0] > model.margin({"x": np.array([100.0])})[0])
    True
    """
    return fit_binned(bin_rows(encoded, y, contract, threads=threads), rounds=rounds, seed=seed, threads=threads)


def fit_binned(
    binned: Binned,
    *,
    rounds: int,
    seed: int,
    threads: int = 2,
    parameters: Mapping[str, Any] | None = None,
    directions: Mapping[str, int] | None = None,
    weights: FloatArray | None = None,
) -> Boosting:
    """Fit boosted trees.

    No class weights: they spoil probabilities. A leaf holds at least 60 rows, or 2 % of them if that is less, but never
    fewer than 10.

    Parameters
    ----------
    binned : Binned
        From `bin_rows`.
    rounds, seed, threads : int
        Number of trees; of the draws of features per tree; at most so many threads, which never changes the result.
    parameters : mapping, optional
        LightGBM's parameters that differ from `PARAMETERS`; not those that change the bins.
    directions : mapping of str to int, optional
        Feature id -> +1 where a higher value may only raise the log-odds, -1 where it may only lower them. Features
        not named, named with 0, or categories are free. A missing value goes to either side of a split.
    weights : numpy.ndarray of float, optional
        Of the rows, in this fit alone: bins do not depend on them.

    Examples
    --------
    >>> from crm_ml.models.columns import Column
    >>> x = np.arange(400.0)
    >>> binned = bin_rows({"x": x}, np.abs(x - 200) > 100, ColumnContract((Column("x", "number"),)))
    >>> rising = fit_binned(binned, rounds=20, seed=1, directions={"x": 1}).margin({"x": x})
    >>> bool((np.diff(rising) >= 0).all())
    True
    """
    free = set(binned.categories)
    signs = [0 if name in free else int((directions or {}).get(name, 0)) for name in binned.ids]
    used = {
        **PARAMETERS,
        "min_data_in_leaf": int(np.clip(binned.rows // 50, 10, PARAMETERS["min_data_in_leaf"])),
        **(parameters or {}),
        **_SHARED,
        "seed": seed,
        "num_threads": threads,
        **({"monotone_constraints": signs} if any(signs) else {}),
    }
    lightgbm = _lightgbm()
    if weights is None:
        return Boosting(_text(lightgbm.train(used, binned.data, num_boost_round=rounds), -1))
    binned.data.set_field("weight", weights)
    try:
        return Boosting(_text(lightgbm.train(used, binned.data, num_boost_round=rounds), -1))
    finally:
        binned.data.set_field("weight", None)


def _text(booster: Any, rounds: int) -> str:
    """Return the model's text without parameters; a booster read from such a text writes a blank line less."""
    text = _PARAMETER_BLOCK.sub("\n", booster.model_to_string(num_iteration=rounds))
    return re.sub(r"\n+(?=pandas_categorical:)", "\n\n\n", text)
