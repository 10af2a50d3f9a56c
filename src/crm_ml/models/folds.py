"""The rolling folds that candidates are tried on, and the losses they are chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crm_ml.models.calibration import fit_calibration
from crm_ml.models.columns import FloatArray
from crm_ml.models.dataset import BoolArray, Fold
from crm_ml.models.evaluation.metrics import auc, log_loss
from crm_ml.models.ladder import LEAST_CUSTOMERS
from crm_ml.models.rows import Rows, customers_per_class

CUSTOMER_FOLDS = 5
T = TypeVar("T")


def fold_masks(rows: Rows, folds: Sequence[Fold]) -> tuple[list[tuple[BoolArray, BoolArray]], bool]:
    """Return (fit, validation) masks, and whether they are out of time.

    Rolling folds whose fit part holds too few churned or retained customers are left out. If none remains, customers
    are dealt into five groups instead: honest about customers, but not about time.
    """
    masks = []
    for fold in folds:
        fit, validation = rows.on(fold.fit), rows.on(fold.validation)
        if min(customers_per_class(rows.y[fit], rows.customers[fit])) >= LEAST_CUSTOMERS and validation.any():
            masks.append((fit, validation))
    if masks and min(customers_per_class(*_joined(rows, masks))) >= LEAST_CUSTOMERS:
        return masks, True
    _, index = np.unique(rows.customers, return_inverse=True)
    group = index % CUSTOMER_FOLDS
    return [(group != k, group == k) for k in range(CUSTOMER_FOLDS)], False


def _joined(rows: Rows, masks: Sequence[tuple[BoolArray, BoolArray]]) -> tuple[BoolArray, NDArray[np.object_]]:
    seen = np.logical_or.reduce([validation for _, validation in masks])
    return rows.y[seen], rows.customers[seen]


def sharpness(margin: FloatArray, y: BoolArray, fold: NDArray[np.int64]) -> float:
    """Return the mean log loss after a sigmoid fitted to each fold itself: lower is better.

    The fold's own sigmoid takes away the level, which moves with the season for every candidate alike, so what is
    compared is how well churners are told from stayers.
    """
    total = 0.0
    for one in np.unique(fold):
        here = fold == one
        p = fit_calibration(margin[here], y[here]).probability(margin[here])
        total += float(log_loss(y[here], p)) * int(here.sum())
    return total / len(y)


def row_losses(margin: FloatArray, y: BoolArray) -> FloatArray:
    """Return the log loss of each row of one fold after a sigmoid fitted to them: its mean is their `sharpness`.

    Examples
    --------
    >>> y, margin = np.array([False, True] * 50), np.tile([-1.0, 1.0, 2.0, -0.5], 25)
    >>> bool(np.isclose(row_losses(margin, y).mean(), sharpness(margin, y, np.zeros(100, dtype=np.int64))))
    True
    """
    p = np.clip(fit_calibration(margin, y).probability(margin), 1e-15, 1 - 1e-15)
    return np.asarray(-np.where(y, np.log(p), np.log1p(-p)), dtype=np.float64)


def fold_auc(margin: FloatArray, y: BoolArray, fold: NDArray[np.int64]) -> float:
    """Return the mean AUC of the folds that hold both classes, weighted by rows."""
    parts = [(float(auc(y[fold == one], margin[fold == one])), int((fold == one).sum())) for one in np.unique(fold)]
    finite = [(value, rows) for value, rows in parts if np.isfinite(value)]
    return sum(v * n for v, n in finite) / sum(n for _, n in finite) if finite else float("nan")


def gain_with_error(default: FloatArray, other: FloatArray, customers: NDArray[np.object_]) -> tuple[float, float]:
    """Return the mean loss won over the default, and its standard error with customers as clusters.

    ``error**2 = C / (C - 1) * sum over customers (sum of their rows' (d - mean d))**2 / n**2`` for C customers and n
    rows (the sandwich variance of a mean under clustering; Liang and Zeger 1986).

    Examples
    --------
    >>> names = np.array(["a", "a", "b"], dtype=object)
    >>> gain, error = gain_with_error(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 1.0]), names)
    >>> round(gain, 4), round(error, 4)
    (0.3333, 0.2222)
    """
    d = default - other
    gain = float(d.mean())
    _, index = np.unique(customers, return_inverse=True)
    sums = np.bincount(index, weights=d - gain)
    clusters = len(sums)
    if clusters < 2:
        return gain, float("inf")
    return gain, float(np.sqrt(clusters / (clusters - 1) * (sums**2).sum()) / len(d))


def fold_row_losses(margin: FloatArray, y: BoolArray, fold: NDArray[np.int64]) -> FloatArray:
    """Return `row_losses` of every fold, in the order of the rows."""
    losses = np.zeros(len(y))
    for one in np.unique(fold):
        here = fold == one
        losses[here] = row_losses(margin[here], y[here])
    return losses


def simplest_of_best(losses: Mapping[T, FloatArray], customers: NDArray[np.object_]) -> T:
    """Return the first key whose loss is within one standard error of the least (Breiman et al. 1984, section 3.4.3).

    The error is that of the paired difference to the least, with customers as clusters; keys stand from simple to rich.

    Examples
    --------
    >>> names = np.array(["a", "b", "c", "d"], dtype=object)
    >>> close = np.array([0.5, 0.4, 0.6, 0.5])
    >>> simplest_of_best({"simple": close, "rich": close - [0.1, -0.1, 0.1, -0.05]}, names)
    'simple'
    >>> simplest_of_best({"simple": close, "rich": close - [0.1, 0.1, 0.11, 0.1]}, names)
    'rich'
    """
    best = min(losses, key=lambda key: float(losses[key].mean()))
    for key, loss in losses.items():
        gain, error = gain_with_error(loss, losses[best], customers)
        if gain <= error:
            return key
    return best
