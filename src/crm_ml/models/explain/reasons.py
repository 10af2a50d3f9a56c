"""Why a customer has its score: the business causes that moved it most, each with one sentence in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.features import AnyFeature
from crm_ml.models.explain import texts_de, texts_de_leads, texts_en, texts_en_leads
from crm_ml.models.explain.contributions import Contributions
from crm_ml.models.explain.groups import OWN, REST, Member, about_leads, declared_features, members, sum_of
from crm_ml.models.explain.tones import NOW, USUAL, supported
from crm_ml.models.explain.tones_leads import LEAD_LIMITS, WAITS
from crm_ml.models.explain.wording import CONTEXT_FEATURES, Value, sentence

__all__ = ["CONTEXT_FEATURES", "Reason", "reasons_for"]

TOP: Final = 4
LEAST: Final = 0.2
"""Log-odds below which a cause is not worth a sentence (a probability of .50 would be .55)."""
PLAIN_LEAST: Final = 0.5
"""The same for a cause whose value does not speak for its direction by itself (own features are told as others)."""
LEAST_SHARE: Final = 0.05
"""Share of all movement of a row, up and down, below which a cause does not stand out."""
_EVEN: Final = 0.05
_FIRST: Final = 1e9
_NEARLY: Final = 0.5
"""A feature with at least this share of the leading one's contribution may lead if its value speaks for itself."""
_LEADS: Final = "lead_"
"""Beginning of the causes of leads."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Reason:
    """One reason for a score.

    Attributes
    ----------
    group : str
        The cause, an id of `causes`; ``own:<feature>`` for a feature that stands alone; ``rest`` for all others.
    feature : str or None
        The feature of the cause that leads, None for the rest.
    value : float or None
        Its value; None where it is missing or a category (the text names that).
    contribution : float
        Log-odds that the whole cause adds before calibration: base + those of all reasons = raw margin.
    text_de, text_en : str
        The sentence.
    """

    group: str
    feature: str | None
    value: float | None
    contribution: float
    text_de: str
    text_en: str

    def as_dict(self) -> dict[str, Any]:
        """Return the reason as JSON-ready values."""
        return asdict(self)


def reasons_for(
    frame: pd.DataFrame,
    contributions: Contributions,
    *,
    currency: str,
    top: int = TOP,
    features: Sequence[AnyFeature] = (),
    leads: bool | None = None,
) -> list[list[Reason]]:
    """Return the reasons of each row: causes that raise the risk, then causes that lower it, then the rest.

    A cause's contribution is the sum of its features'. It is shown if it is at least `LEAST` and at least
    `LEAST_SHARE` of all movement in the row; at least `PLAIN_LEAST` where the value that would be told does not speak
    for the direction by itself. Of its features the one with the largest contribution in the cause's own
    direction gives the sentence; one that contributes nearly as much goes before it if its value supports the direction
    (see `crm_ml.models.explain.tones`), so that a customer whose pause is twice as long as usual is not told by a
    number of days that says little.

    Parameters
    ----------
    frame : DataFrame
        One row per scored row, in the order of the contributions, with the model's features as they were scored;
        those of `CONTEXT_FEATURES` that are there are used for saying what is usual.
    contributions : Contributions
        Of the model for these rows.
    currency : str
        Code of the currency of amounts.
    top : int
        Most causes shown per row.
    features : sequence of features
        Declarations of own features besides those added in this process (own attributes of the customers table).
    leads : bool, optional
        Whether the rows are about leads: what raises the margin is then good news. Not given: whether a feature of
        leads contributes.

    Returns
    -------
    list of lists of Reason
        Per row at most `top` causes and one ``rest``, the only one where nothing stands out.

    Examples
    --------
    >>> frame = pd.DataFrame({"days_since_last_order": [94.0], "order_gap_days_mean": [31.0], "employees": [40.0]})
    >>> values = pd.DataFrame({"days_since_last_order": [1.2], "employees": [-0.01]})
    >>> for reason in reasons_for(frame, Contributions(values, base=-0.5), currency="EUR")[0]:
    ...     print(reason.group, round(reason.contribution, 2), reason.text_en)
    order_pause 1.2 Last order 94 days ago; usually every 31 days.
    rest -0.01 Other influences balance out.
    """
    declared = declared_features(features)
    leads = about_leads(contributions.values.columns) if leads is None else leads
    matrix = contributions.values.to_numpy(dtype=np.float64)
    groups = members(contributions, declared, frame)
    sums = np.stack([sum_of(matrix, columns) for columns in groups.values()], axis=1)
    shown, leading = _clear(sums), np.zeros(sums.shape, np.int64)
    parts = []
    for number, (group, columns) in enumerate(groups.items()):
        names = [str(contributions.values.columns[column]) for column, _ in columns]
        for raises in (True, False):
            rows = np.flatnonzero(shown[:, number] & ((sums[:, number] > 0) == raises))
            part = _Part(frame, rows, group, sums[rows, number], raises)
            parts.append((number, names, part))
            if len(rows):
                leading[rows, number], speaks = _leading(_own(matrix, columns, part), part, names)
                # "3 products in 90 days" worries nobody: what does not speak for itself needs more weight to be told
                speaks |= _unjudged(part, names, leading[rows, number])
                shown[rows, number] = group.startswith(OWN) | speaks | (np.abs(part.sums) >= PLAIN_LEAST)
    ranks = _ranked(sums, shown, top)
    told = np.full(ranks.shape, None, object)
    for number, names, whole in parts:
        rows, places = np.nonzero((ranks == number) & ((sums[:, [number]] > 0) == whole.raises))
        if len(rows):
            part = _Part(frame, rows, whole.group, sums[rows, number], whole.raises)
            told[rows, places] = _told(part, names, leading[rows, number], (declared, currency, leads))
    # column by column, so that a row gives the same whatever rows it stands among
    rest = sum_of(matrix, [(column, None) for column in range(matrix.shape[1])])
    rest -= sum_of(sums, list(enumerate(_in_ranks(ranks, sums.shape).T)))
    return [
        [*(kept := [reason for reason in mine if reason is not None]), _rest(left, alone=not kept, leads=leads)]
        for mine, left in zip(told.tolist(), rest.tolist(), strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Part:
    """The rows in which one group is shown and moves the score in one direction."""

    frame: pd.DataFrame
    rows: IntArray
    group: str
    sums: FloatArray
    raises: bool

    def numbers(self, feature_id: str) -> FloatArray:
        """Return a feature's values in these rows, nan where it is missing, not known or a text."""
        if feature_id not in self.frame.columns:
            return np.full(len(self.rows), np.nan)
        values = pd.to_numeric(self.frame[feature_id].iloc[self.rows], errors="coerce")
        found: FloatArray = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isfinite(found), found, np.nan)

    def beside(self, feature_id: str) -> tuple[str, FloatArray] | None:
        """Return the feature that sentences about a feature like to know besides, with its values."""
        other = USUAL[feature_id][0] if feature_id in USUAL else NOW.get(feature_id, WAITS.get(feature_id))
        return None if other is None or other not in self.frame.columns else (other, self.numbers(other))

    def supports(self, feature_id: str) -> BoolArray:
        """Return in which rows the value itself speaks for the direction."""
        usual = None
        if feature_id in USUAL and (beside := self.beside(feature_id)) is not None:
            usual = beside[1] * USUAL[feature_id][1]
        return supported(feature_id, self.numbers(feature_id), usual, raises=self.raises)


def _clear(sums: FloatArray) -> BoolArray:
    """Return which groups of each row are large enough to be told."""
    size = np.abs(sums)
    movement = sum_of(size, [(column, None) for column in range(size.shape[1])])
    found: BoolArray = (size >= LEAST) & (size >= LEAST_SHARE * movement[:, None])
    return found


def _ranked(sums: FloatArray, shown: BoolArray, top: int) -> IntArray:
    """Return the columns of the shown groups per row, -1 where there is none: raising ones first, largest first."""
    key = np.where(shown, np.where(sums > 0, _FIRST, 0.0) + np.abs(sums), -1.0)
    order = np.argsort(-key, axis=1, kind="stable")[:, :top]
    return np.where(np.take_along_axis(key, order, axis=1) < 0, -1, order)


def _in_ranks(ranks: IntArray, shape: tuple[int, ...]) -> BoolArray:
    found = np.zeros((shape[0], shape[1] + 1), bool)
    np.put_along_axis(found, ranks, True, axis=1)  # -1 is the column beyond
    return found[:, :-1]


def _own(matrix: FloatArray, columns: Sequence[Member], part: _Part) -> FloatArray:
    """Return the contributions in the direction of the group; nothing where a feature belongs to another one."""
    sign = 1 if part.raises else -1
    found = [
        sign * matrix[part.rows, column]
        if rows is None
        else np.where(rows, sign * matrix[:, column], -np.inf)[part.rows]
        for column, rows in columns
    ]
    return np.stack(found, axis=1)


def _leading(own: FloatArray, part: _Part, names: Sequence[str]) -> tuple[IntArray, BoolArray]:
    """Return which feature leads in each row, and whether its value speaks for the direction of the group.

    `own` are the contributions in that direction.
    """
    most = own.max(axis=1, keepdims=True)
    speaks = np.stack([part.supports(name) for name in names], axis=1)
    found: IntArray = np.argmax(own + np.where(speaks & (own >= _NEARLY * most), most, 0.0), axis=1)
    return found, np.take_along_axis(speaks, found[:, None], axis=1)[:, 0]


def _unjudged(part: _Part, names: Sequence[str], leading: IntArray) -> BoolArray:
    """Return where a lead is told by what has no better or worse side, or by what is missing."""
    if not part.group.startswith(_LEADS):
        return np.zeros(len(leading), bool)
    found = np.stack([np.isnan(part.numbers(name)) | (name not in LEAD_LIMITS) for name in names], axis=1)
    return np.take_along_axis(found, leading[:, None], axis=1)[:, 0]


def _told(
    part: _Part, names: Sequence[str], leading: IntArray, how: tuple[Mapping[str, AnyFeature], str, bool]
) -> list[Reason]:
    """Return the reason of each row of a part."""
    found: list[Reason | None] = [None] * len(part.rows)
    for which in np.unique(leading).tolist():
        feature_id, mine = names[which], np.flatnonzero(leading == which)
        few = _Part(part.frame, part.rows[mine], part.group, part.sums[mine], part.raises)
        for place, reason in zip(mine.tolist(), _of_feature(few, feature_id, how), strict=True):
            found[place] = reason
    return [reason for reason in found if reason is not None]


def _of_feature(part: _Part, feature_id: str, how: tuple[Mapping[str, AnyFeature], str, bool]) -> list[Reason]:
    """Return the reason of each row of a part that one feature leads; equal sentences are made once."""
    declared, currency, leads = how
    feature: str | AnyFeature = declared.get(feature_id, feature_id)
    values, beside = _values(part, feature_id), part.beside(feature_id)
    known = [math.nan] * len(values) if beside is None else beside[1].tolist()
    others = [None if math.isnan(other) else other for other in known]
    texts: dict[tuple[Value, Value], tuple[str, str]] = {}
    found = []
    for value, other, contribution in zip(values, others, part.sums.tolist(), strict=True):
        key = (value, other)
        if key not in texts:
            context = {} if beside is None else {beside[0]: other}
            de, en = (
                sentence(
                    feature,
                    value,
                    raises=part.raises,
                    language=language,
                    context=context,
                    currency=currency,
                    leads=leads,
                )
                for language in ("de", "en")
            )
            texts[key] = (de, en)
        number = None if value is None or isinstance(value, str) else value
        found.append(Reason(part.group, feature_id, number, contribution, *texts[key]))
    return found


def _values(part: _Part, feature_id: str) -> list[Value]:
    """Return a feature's values as numbers or texts, None where missing."""
    numbers = part.numbers(feature_id).tolist()
    if feature_id not in part.frame.columns or pd.api.types.is_numeric_dtype(part.frame[feature_id]):
        return [None if math.isnan(value) else value for value in numbers]
    raw = part.frame[feature_id].iloc[part.rows].tolist()  # a category may look like a number
    return [
        text if isinstance(text, str) else None if math.isnan(value) else value
        for text, value in zip(raw, numbers, strict=True)
    ]


def _rest(contribution: float, *, alone: bool, leads: bool) -> Reason:
    case = "only" if alone else "even" if abs(contribution) < _EVEN else "raises" if contribution > 0 else "lowers"
    german, english = (texts_de_leads, texts_en_leads) if leads else (texts_de, texts_en)
    return Reason(REST, None, None, contribution, german.REST[case], english.REST[case])
