"""Contributions grouped into business causes: near-duplicates tell of the same and count once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from crm_ml.features import AnyFeature, default_features
from crm_ml.features.spec import CAUSES
from crm_ml.models.explain.contributions import Contributions

REST: Final = "rest"
"""Group of what is not shown one by one."""
OWN: Final = "own:"
"""Prefix of the groups of features that declare no cause: each stands alone."""

_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "order_pause": ("Bestellpause", "order pause"),
    "order_rhythm": ("Bestellrhythmus", "order rhythm"),
    "order_trend": ("Entwicklung von Bestellungen und Umsatz", "trend of orders and revenue"),
    "order_value": ("Umsatz und Bestellwert", "revenue and order value"),
    "product_range": ("Sortiment", "product range"),
    "returns": ("Retouren", "returns"),
    "price": ("Preis und Rabatt", "price and discount"),
    "late_payment": ("Zahlungsverhalten", "payment behaviour"),
    "open_invoices": ("Offene Rechnungen", "open invoices"),
    "disputes": ("Beanstandungen und Gutschriften", "disputes and credit notes"),
    "contact": ("Kontakt", "contact"),
    "complaints": ("Beschwerden", "complaints"),
    "response_time": ("Antwortzeit", "response time"),
    "satisfaction": ("Zufriedenheit", "satisfaction"),
    "relationship_age": ("Dauer der Kundenbeziehung", "age of the relationship"),
    "profile": ("Unternehmen", "company profile"),
    "season": ("Saison", "season"),
    REST: ("Übrige Einflüsse", "other influences"),
}


def causes() -> tuple[str, ...]:
    """Return the groups of the features that come with the package, in the order of the catalogue.

    Examples
    --------
    >>> causes()[:3]
    ('order_pause', 'order_rhythm', 'order_trend')
    """
    return tuple(CAUSES)


def declared_features(extra: Iterable[AnyFeature] = ()) -> dict[str, AnyFeature]:
    """Return the known features by id: the catalogue, those added in this process, and the given ones."""
    return {feature.id: feature for feature in (*default_features(), *extra)}


def cause_of(feature_id: str, declared: Mapping[str, AnyFeature] | None = None) -> str:
    """Return the group that a feature's contribution is counted under.

    Examples
    --------
    >>> cause_of("days_since_last_order"), cause_of("attribute_size_class")
    ('order_pause', 'own:attribute_size_class')
    """
    found = (declared_features() if declared is None else declared).get(feature_id)
    return (found.cause if found is not None else "") or OWN + feature_id


def cause_label(group: str, language: str, features: Sequence[AnyFeature] = ()) -> str:
    """Return the name of a group as people read it; of a feature that stands alone, its own label.

    Parameters
    ----------
    group : str
        A group id of `causes`, ``rest``, or the group of an own feature.
    language : {"de", "en"}
        Language of the label.
    features : sequence of features
        Own features besides those added in this process (own attributes of the customers table).

    Examples
    --------
    >>> cause_label("order_pause", "de"), cause_label("rest", "en"), cause_label("own:attribute_size_class", "en")
    ('Bestellpause', 'other influences', 'size class')
    """
    if group in _LABELS:
        return _LABELS[group][0 if language == "de" else 1]
    feature_id = group.removeprefix(OWN)
    return feature_label(feature_id, language, declared_features(features).get(feature_id))


def feature_label(feature_id: str, language: str, declared: AnyFeature | None) -> str:
    """Return the label of a feature; the words of its id where it has none.

    Examples
    --------
    >>> feature_label("attribute_size_class", "de", None)
    'size class'
    """
    label = "" if declared is None else (declared.text_de if language == "de" else declared.text_en)
    label = label or ("" if declared is None else declared.text_de or declared.text_en)
    return " ".join((label or feature_id.removeprefix("attribute_").replace("_", " ")).split())


def group_contributions(contributions: Contributions, features: Sequence[AnyFeature] = ()) -> pd.DataFrame:
    """Return the contributions summed by business cause: one column per group that occurs, in log-odds.

    ``base`` of the contributions plus the sum of a row is its raw margin, as before.

    Examples
    --------
    >>> values = pd.DataFrame({"order_gap_days_cv": [0.25], "days_since_last_order": [1.0], "order_gap_days_sd": [0.5]})
    >>> group_contributions(Contributions(values, base=-1.0)).to_dict("list")
    {'order_pause': [1.0], 'order_rhythm': [0.75]}
    """
    groups, sums = grouped(contributions, declared_features(features))
    return pd.DataFrame(sums, index=contributions.values.index, columns=list(groups))


def grouped(
    contributions: Contributions, declared: Mapping[str, AnyFeature]
) -> tuple[tuple[str, ...], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Return the groups that occur, and the sum per row and group."""
    of_column = [cause_of(str(name), declared) for name in contributions.values.columns]
    own = sorted({group for group in of_column if group.startswith(OWN)})
    groups = tuple(group for group in (*CAUSES, *own) if group in set(of_column))
    matrix = contributions.values.to_numpy(dtype=np.float64)
    sums = np.zeros((len(matrix), len(groups)))
    for column, group in enumerate(of_column):
        sums[:, groups.index(group)] += matrix[:, column]
    return groups, sums
