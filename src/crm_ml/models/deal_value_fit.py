"""Deal values from won leads: how far deals are told apart is what the amounts themselves support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_ml.errors import UsageError
from crm_ml.models.deal_value import (
    ENOUGH,
    TRAITS,
    DealValues,
    Floats,
    Ints,
    Term,
    level_texts,
    term_places,
)

SEGMENT: Final = ("lead_source", "lead_company_size")
"""Traits whose combinations are the segments."""
ENOUGH_FOR_LINEAR: Final = 200
"""Won leads with an amount from which single traits are tried."""
_GROUPS: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "mean": (),
    "segments": (SEGMENT,),
    "linear": tuple((name,) for name in TRAITS),
}
_LEAST_LEVEL, _MOST_LEVELS = 5, 40
_PRIOR_DEALS: Final = 2.0 ** np.arange(-8, 11)
_BLOCKS, _FIRST_BLOCK = 5, 2
_SUPPOSED_DEALS = 3.0
"""So many more deals are supposed to have varied by as much as their mean: few deals say little of their own spread."""
_NORMAL_95 = 1.959963984540054
_LIKE: Final = 1e-9


def fit_deal_values(won: pd.DataFrame) -> DealValues:
    """Return what leads are worth by the amounts of those that were won.

    Without amounts each lead counts 1; below 40 all are worth the mean. From 40 on the logarithm of the amount has an
    effect for each combination of source and size class, drawn in towards the mean by as many deals as restricted
    maximum likelihood finds (empirical Bayes; all the way where amounts do not differ). From 200 on one effect for each
    level of each trait is tried on later deals, five blocks by the time of closing, and taken where it saves Gamma
    deviance at the lower end of the paired 95 % interval. One factor makes the values add up to the amounts (a smearing
    estimate as in Duan 1983, JASA 78), so that values are means, not medians.

    Parameters
    ----------
    won : DataFrame
        One row per won lead: ``amount``, ``closed`` (when; any number that grows with time), and columns of `TRAITS` as
        known at its creation; those that are absent are not looked at. Amounts that are not above 0 are left out. The
        order of the rows does not matter.

    Raises
    ------
    UsageError
        If a column is missing, or a row with an amount has no time of closing.

    Examples
    --------
    >>> won = pd.DataFrame({"lead_source": ["fair", "fair", "web", "web"] * 25, "amount": [900.0, 1100, 90, 110] * 25,
    ...                     "closed": range(100)})
    >>> found = fit_deal_values(won)
    >>> found.kind, found.predict(won.iloc[[0, 2]]).round(0).to_numpy().tolist()
    ('segments', [[1000.0, 962.0, 1040.0], [100.0, 96.0, 104.0]])
    """
    missing = [name for name in ("amount", "closed") if name not in won.columns]
    if missing:
        raise UsageError(f"Won leads must have the columns amount and closed; missing: {', '.join(missing)}")
    amount = won["amount"].to_numpy(np.float64, na_value=np.nan)
    good = np.isfinite(amount) & (amount > 0)
    left_out = int((np.isfinite(amount) & ~good).sum())
    if won.loc[good, "closed"].isna().any():
        raise UsageError("Each won lead with an amount must have a time in closed", remedy="Leave out those without.")
    won = _in_order(won[good])
    if len(won) < ENOUGH:
        return _fit(won, "mean", left_out)
    segments = _fit(won, "segments", left_out)
    if len(won) < ENOUGH_FOR_LINEAR:
        return segments
    gain = _gain_of_linear(won)
    found = _fit(won, "linear", left_out) if gain is not None and gain[1] > 0 else segments
    return replace(found, gain=gain)


def _in_order(won: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in an order that hangs on nothing but what is in them, their traits as text."""
    plain = {"closed": won["closed"].to_numpy(), "amount": won["amount"].to_numpy(np.float64)}
    frame = pd.DataFrame({**plain, **{name: level_texts(won, name) for name in TRAITS if name in won.columns}})
    return frame.sort_values([*frame.columns], ignore_index=True)


def _terms(won: pd.DataFrame, groups: Sequence[tuple[str, ...]]) -> list[Term]:
    """Return the levels that enough deals have, of each group of traits; the most frequent ones of too many."""
    found: list[Term] = []
    for group in groups:
        there = [name for name in group if name in won.columns]
        if not there:
            continue
        counts = Counter(zip(*(won[name] for name in there), strict=True))
        frequent = sorted(counts, key=lambda level: (-counts[level], level))[:_MOST_LEVELS]
        found += [tuple(zip(there, level, strict=True)) for level in frequent if counts[level] >= _LEAST_LEVEL]
    return found


def _fit(won: pd.DataFrame, kind: str, left_out: int = 0) -> DealValues:
    terms = _terms(won, _GROUPS[kind])
    money = won["amount"].to_numpy(np.float64)
    if not len(money):
        return DealValues("one", 0, left_out, mean=1.0, intercept=0.0, variance=0.0)
    places, y = term_places(won, terms), np.log(money)
    fitted = _effects(places, y - y.mean(), len(terms)) if terms else None
    mean = float(money.mean())
    found = DealValues("mean", len(money), left_out, mean=mean, intercept=float(y.mean()), variance=0.0)
    if fitted is not None:
        effects, covariance, centre, unseen = fitted
        found = replace(
            found,
            kind=kind,
            intercept=float(y.mean() - centre @ effects),
            terms=tuple(terms),
            effects=effects,
            covariance=covariance,
            centre=centre,
            unseen=unseen,
        )
    value = np.exp(found._log_values(places if fitted is not None else places[:, :0])[0])
    factor = float(money.sum() / value.sum())
    return replace(
        found, intercept=found.intercept + float(np.log(factor)), variance=_level_variance(money, value * factor)
    )


def _level_variance(money: Floats, value: Floats) -> float:
    """Return the variance of the logarithm of the sum of the values, by how the amounts lie around them."""
    squares = float(((money - value) ** 2).sum() / value.mean() ** 2)
    return (squares + _SUPPOSED_DEALS) / (len(money) - 1 + _SUPPOSED_DEALS) / len(money)


def _effects(places: Ints, y: Floats, size: int) -> tuple[Floats, Floats, Floats, float] | None:
    """Return effects on the centred `y`, their covariance, the shares of the terms, and the variance of effects.

    None where no number of deals to draw in by is more likely than all of them.
    """
    rows, total = len(y), float(y @ y)
    gram, right = np.zeros((size, size)), np.zeros(size)
    for place in places.T:
        here = place >= 0
        right += np.bincount(place[here], y[here], minlength=size)
        for other in places.T:
            both = here & (other >= 0)
            gram += np.bincount(place[both] * size + other[both], minlength=size * size).reshape(size, size)
    centre = np.diag(gram) / rows
    scale, axes = np.linalg.eigh(gram - rows * np.outer(centre, centre))
    scale, along = np.maximum(scale, 0.0), axes.T @ right
    drawn = _PRIOR_DEALS[:, None]
    # amounts that terms explain wholly would be infinitely likely
    rest = np.maximum(total - (along**2 / (scale + drawn)).sum(axis=1), _LIKE * total)
    if not total > _LIKE * rows:
        return None
    unlikely = (rows - 1) * np.log(rest / total) + np.log1p(scale / drawn).sum(axis=1)
    best = len(unlikely) - 1 - int(np.argmin(unlikely[::-1]))
    if not unlikely[best] < -_LIKE:
        return None
    prior, noise = float(_PRIOR_DEALS[best]), float(rest[best]) / (rows - 1)
    covariance = np.asarray((axes / (scale + prior)) @ axes.T * noise, np.float64)
    return axes @ (along / (scale + prior)), (covariance + covariance.T) / 2, centre, noise / prior


def _gain_of_linear(won: pd.DataFrame) -> tuple[float, float, float] | None:
    """Return what effects of single traits save on later deals, with the ends of the paired 95 % interval."""
    rank = won["closed"].rank(method="min").to_numpy() - 1  # of one instant all go together
    block: npt.NDArray[np.int64] = np.floor(rank * _BLOCKS / len(won)).astype(np.int64)
    saved = []
    for now in range(_FIRST_BLOCK, _BLOCKS):
        before, then = won[block < now], won[block == now]
        if len(before) < ENOUGH or not len(then):
            continue
        losses = [_deviance(_fit(before, kind), then) for kind in ("segments", "linear")]
        saved.append(losses[0] - losses[1])
    each = np.concatenate(saved) if saved else np.zeros(0)
    if len(each) < 2:
        return None
    width = _NORMAL_95 * float(each.std(ddof=1)) / len(each) ** 0.5
    middle = float(each.mean())
    return middle, middle - width, middle + width


def _deviance(values: DealValues, deals: pd.DataFrame) -> Floats:
    """Return half the Gamma deviance of each deal: least in the mean where values are means, however amounts spread."""
    ratio = deals["amount"].to_numpy(np.float64) / values.predict(deals)["value"].to_numpy(np.float64)
    return np.asarray(ratio - np.log(ratio) - 1)
