"""Contributions grouped into business causes: near-duplicates tell of the same and count once.

A feature belongs to the cause that it declares, with one exception that hangs on its value: a window in which nothing
was ordered tells of the order pause and of nothing else. "No orders in the last 90 days" beside "last order 290 days
ago" would be the same reason twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml.features import LEAD, AnyFeature, default_features, optional_features
from crm_ml.features.spec import CAUSES, LEAD_CAUSES
from crm_ml.models.explain.contributions import Contributions

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Member = tuple[int, BoolArray | None]

REST: Final = "rest"
"""Group of what is not shown one by one."""
OWN: Final = "own:"
"""Prefix of the groups of features that declare no cause: each stands alone."""

PAUSE: Final = "order_pause"

_WINDOWS: Final = (30, 90, 180, 365)
_EMPTY_AT_ZERO: Final = frozenset(
    f"orders_{stem}"
    for stem in (
        *(f"{what}_{w}d" for what in ("count", "net_revenue", "products_count") for w in _WINDOWS),
        *(f"{what}_{over}_90d" for what in ("count", "net_revenue") for over in ("trend", "over_last_year")),
        "count_30d_over_own_month",
        "net_revenue_90d_over_own_quarter",
        "products_share_90d",
    )
)
_EMPTY_AT_NULL: Final = frozenset(
    [f"orders_{what}_{w}d" for what in ("basket_mean", "returns_share") for w in _WINDOWS]
    + ["orders_basket_trend_90d", "orders_discount_share_90d"]
)

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
    "lead_interest": ("Interesse", "interest"),
    "lead_dialogue": ("Austausch", "dialogue"),
    "lead_response": ("Reaktionszeit", "response"),
    "lead_stage": ("Stufe", "stage"),
    "lead_person": ("Person", "person"),
    "lead_company": ("Unternehmen", "company"),
    "lead_source": ("Herkunft und Kampagne", "source and campaign"),
    "lead_owner": ("Zuständiger", "owner"),
    "lead_age": ("Alter der Anfrage", "age of the enquiry"),
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
    """Return the known features of customers and leads by id: catalogue, those added in this process, the given."""
    known = (*default_features(), *optional_features(), *default_features(of=LEAD), *extra)
    return {feature.id: feature for feature in known}


def about_leads(feature_ids: Iterable[object]) -> bool:
    """Return whether a feature of leads is among them.

    Examples
    --------
    >>> about_leads(["lead_stage_rank", "attribute_budget"]), about_leads(["orders_count_90d"])
    (True, False)
    """
    known = {feature.id for feature in default_features(of=LEAD)}
    return any(str(feature_id) in known for feature_id in feature_ids)


def cause_of(feature_id: str, declared: Mapping[str, AnyFeature] | None = None) -> str:
    """Return the group that a feature's contribution is counted under, whatever its value.

    Examples
    --------
    >>> cause_of("days_since_last_order"), cause_of("attribute_size_class")
    ('order_pause', 'own:attribute_size_class')
    """
    found = (declared_features() if declared is None else declared).get(feature_id)
    return (found.cause if found is not None else "") or OWN + feature_id


def cause_in_row(feature_id: str, value: float | str | None, declared: Mapping[str, AnyFeature] | None = None) -> str:
    """Return the group that a feature's contribution is counted under where it has this value.

    Examples
    --------
    >>> cause_in_row("orders_count_90d", 2.0), cause_in_row("orders_count_90d", 0.0)
    ('order_trend', 'order_pause')
    """
    if feature_id in _EMPTY_AT_ZERO and value == 0:
        return PAUSE
    if feature_id in _EMPTY_AT_NULL and pd.isna(value):
        return PAUSE
    return cause_of(feature_id, declared)


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


def group_contributions(
    contributions: Contributions, features: Sequence[AnyFeature] = (), *, frame: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the contributions summed by business cause: one column per group that occurs, in log-odds.

    ``base`` of the contributions plus the sum of a row is its raw margin, as before.

    Parameters
    ----------
    contributions : Contributions
        One column per feature.
    features : sequence of features
        Own features besides those added in this process.
    frame : DataFrame
        The scored rows, in the same order; with it the groups are those of the reasons, without it empty windows stay
        where they are declared.

    Examples
    --------
    >>> values = pd.DataFrame({"order_gap_days_cv": [0.25], "orders_count_90d": [1.0], "order_gap_days_sd": [0.5]})
    >>> group_contributions(Contributions(values, base=-1.0)).to_dict("list")
    {'order_rhythm': [0.75], 'order_trend': [1.0]}
    >>> frame = pd.DataFrame({"orders_count_90d": [0.0]})
    >>> group_contributions(Contributions(values, base=-1.0), frame=frame).to_dict("list")
    {'order_pause': [1.0], 'order_rhythm': [0.75], 'order_trend': [0.0]}
    """
    parts = members(contributions, declared_features(features), frame)
    matrix = contributions.values.to_numpy(dtype=np.float64)
    return pd.DataFrame(
        {group: sum_of(matrix, members) for group, members in parts.items()}, index=contributions.values.index
    )


def members(
    contributions: Contributions, declared: Mapping[str, AnyFeature], frame: pd.DataFrame | None
) -> dict[str, list[Member]]:
    """Return, for each group that occurs, its columns and in which rows each of them belongs to it (None: in all)."""
    found: dict[str, list[Member]] = {}
    for column, name in enumerate(map(str, contributions.values.columns)):
        empty = None if frame is None or name not in frame.columns else _empty_window(name, frame[name])
        if empty is None or not empty.any():
            found.setdefault(cause_of(name, declared), []).append((column, None))
        else:
            found.setdefault(cause_of(name, declared), []).append((column, ~empty))
            found.setdefault(PAUSE, []).append((column, empty))
    own = sorted(group for group in found if group.startswith(OWN))
    return {group: found[group] for group in (*CAUSES, *LEAD_CAUSES, *own) if group in found}


def sum_of(matrix: FloatArray, columns: Sequence[Member]) -> FloatArray:
    """Return the sum of a group's columns per row."""
    total = np.zeros(len(matrix))
    for column, rows in columns:
        total += matrix[:, column] if rows is None else np.where(rows, matrix[:, column], 0.0)
    return total


def _empty_window(feature_id: str, values: pd.Series[Any]) -> BoolArray | None:
    if feature_id in _EMPTY_AT_ZERO:
        return np.asarray(values == 0, dtype=bool)
    return np.asarray(values.isna(), dtype=bool) if feature_id in _EMPTY_AT_NULL else None
