"""How a feature is declared: once, with its unit, direction and labels, never coded.

Examples
--------
A data scientist's own feature; nothing else is needed, the id becomes a column of every feature table:

>>> from crm_ml.features import Feature, add_feature, remove_feature
>>> calls = Feature(
...     id="interactions_phone_count_7d", source="interactions", aggregate="count", window_days=7,
...     where={"channel": "phone"}, unit="count", direction=-1,
...     text_de="Telefonate in den letzten 7 Tagen", text_en="phone calls in the last 7 days",
... )
>>> features = add_feature(calls)  # or build_features(tables, spine, features=[calls])
>>> features[-1].id
'interactions_phone_count_7d'
>>> remove_feature("interactions_phone_count_7d")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from crm_ml.errors import UsageError, did_you_mean
from crm_ml.features.vocabulary import AGGREGATES, CAUSES, LEAD_CAUSES, Aggregate, Cause, Family, Pii, Unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGGREGATES",
    "CAUSES",
    "LEAD_CAUSES",
    "Aggregate",
    "AnyFeature",
    "AttributeFeature",
    "CalendarFeature",
    "Cause",
    "Declared",
    "Difference",
    "Family",
    "Feature",
    "FunctionFeature",
    "PeakFeature",
    "PeerFeature",
    "Pii",
    "PooledFeature",
    "Ratio",
    "Unit",
    "cause_by_prefix",
    "windowed",
]

_ID = re.compile(r"[a-z][a-z0-9_]*")


def windowed(stem: str, window_days: int | None = None, offset_days: int = 0) -> str:
    """Return the id of a feature: the stem, the window in days and how many days ago the window ended.

    Examples
    --------
    >>> windowed("orders_count", 90)
    'orders_count_90d'
    >>> windowed("orders_count", 90, 365)
    'orders_count_90d_ago_365d'
    """
    return stem + (f"_{window_days}d" if window_days else "") + (f"_ago_{offset_days}d" if offset_days else "")


def cause_by_prefix(id: str, causes: Mapping[str, Cause]) -> Cause:
    """Return the cause of the longest prefix of an id.

    Examples
    --------
    >>> cause_by_prefix("orders_count_30d", {"orders": "order_rhythm", "orders_count_30d": "order_trend"})
    'order_trend'
    """
    return causes[max((prefix for prefix in causes if id.startswith(prefix)), key=len)]


def _check(holds: bool, feature: str, what: str, remedy: str) -> None:
    if not holds:
        raise UsageError(f"feature {feature!r}: {what}", remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What every feature says about itself.

    Parameters
    ----------
    id : str
        Column name: lower-case ASCII letters, digits and underscores.
    unit : {"count", "money", "days", "hours", "share", "ratio", "score", "number", "category"}
    direction : {-1, 0, 1}
        +1: a higher value is expected to mean more risk of churn, of a lead a better chance; -1: less; 0: no
        expectation.
    text_de, text_en : str
        Short labels.
    family : str
        What is switched on and off together: one of `Family`, or ``own``.
    definition : str
        Exact meaning; made from the other fields where it is left empty.
    pii : {"none", "person"}
        Whether the value describes a person rather than the company's behaviour.
    cause : str
        The business cause that its contributions are counted under (`CAUSES`, `LEAD_CAUSES`); empty: it stands alone.
    """

    id: str
    unit: Unit = "number"
    direction: int = 0
    text_de: str = ""
    text_en: str = ""
    family: Family = "own"
    definition: str = ""
    pii: Pii = "none"
    cause: Cause | Literal[""] = ""

    def __post_init__(self) -> None:
        _check(
            _ID.fullmatch(self.id) is not None,
            self.id,
            "an id consists of lower-case ASCII letters, digits and _, and begins with a letter",
            "Rename it, e.g. orders_count_90d.",
        )
        _check(
            self.unit in get_args(Unit),
            self.id,
            f"unknown unit {self.unit!r}.{did_you_mean(str(self.unit), get_args(Unit))}",
            f"Use one of {', '.join(get_args(Unit))}.",
        )
        _check(self.direction in (-1, 0, 1), self.id, f"direction is {self.direction!r}", "Use -1, 0 or 1.")
        _check(
            self.cause == "" or self.cause in (*CAUSES, *LEAD_CAUSES),
            self.id,
            f"unknown cause {self.cause!r}.{did_you_mean(str(self.cause), (*CAUSES, *LEAD_CAUSES))}",
            f"Use one of {', '.join((*CAUSES, *LEAD_CAUSES))}, or leave `cause` out.",
        )

    @property
    def uses(self) -> tuple[str, ...]:
        """Ids of the features this one is computed from."""
        return ()

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        return self.definition


@dataclass(frozen=True, kw_only=True)
class Feature(Declared):
    """An aggregate over the events of a stream in a window of calendar days before the cutoff c.

    An event counts iff it is visible at c and its t lies in ``[c - offset_days - window_days, c - offset_days)``;
    without `window_days` every visible event before ``c - offset_days`` counts.

    Parameters
    ----------
    source : str
        A stream (`crm_ml.features.STREAMS`), e.g. ``orders``.
    measure : str
        A column of the stream; empty for count and the days since.
    aggregate : str
        One of `AGGREGATES`.
    window_days, offset_days : int
        Calendar days in the workspace's zone.
    where : mapping
        Column -> value that an event must have to count. An event whose column is null never counts.

    Examples
    --------
    >>> Feature(id="orders_count_90d", source="orders", aggregate="count", window_days=90).meaning
    'number of events; stream orders; window [c - 90 days, c)'
    >>> Feature(id="Orders", source="orders")
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: feature 'Orders': an id consists of lower-case ASCII letters, digits and _, ...
    """

    source: str
    measure: str = ""
    aggregate: Aggregate = "count"
    window_days: int | None = None
    offset_days: int = 0
    where: Mapping[str, str | int | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(
            self.aggregate in AGGREGATES,
            self.id,
            f"unknown aggregate {self.aggregate!r}.{did_you_mean(str(self.aggregate), AGGREGATES)}",
            f"Use one of {', '.join(AGGREGATES)}.",
        )
        for name, days, least in (("window_days", self.window_days, 1), ("offset_days", self.offset_days, 0)):
            _check(
                days is None or (isinstance(days, int) and not isinstance(days, bool) and days >= least),
                self.id,
                f"{name} must be a whole number of at least {least}, found {days!r}",
                "Correct it.",
            )
        needs = "{m}" in AGGREGATES[self.aggregate]
        _check(
            needs == bool(self.measure),
            self.id,
            f"the aggregate {self.aggregate} {'needs a' if needs else 'takes no'} measure, found {self.measure!r}",
            "Name the column to aggregate in `measure`." if needs else "Leave `measure` out.",
        )

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        if self.definition:
            return self.definition
        parts = [AGGREGATES[self.aggregate].format(m=self.measure), f"stream {self.source}"]
        if self.where:
            parts.append("where " + " and ".join(f"{column} = {value}" for column, value in self.where.items()))
        end = f"c - {self.offset_days} days" if self.offset_days else "c"
        if self.window_days:
            parts.append(f"window [c - {self.window_days + self.offset_days} days, {end})")
        else:
            parts.append(f"all before {end}")
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class PeakFeature(Feature):
    """The greatest of the sums (or counts) that the events give per value of a column: how much hangs on one of them.

    Parameters
    ----------
    by : str
        Column of the stream whose values divide the events; those without a value are left out.
    against_days : int, optional
        The sum of the last so many days, scaled to the length of the window, is taken off each: the greatest decline.

    Examples
    --------
    >>> PeakFeature(
    ...     id="most", source="order_lines", aggregate="sum", measure="sold_amount", by="product_id", window_days=90
    ... ).meaning
    'greatest over product_id of: sum of sold_amount (0 without any); stream order_lines; window [c - 90 days, c); ...'
    """

    by: str
    against_days: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.aggregate in ("count", "sum"), self.id, "a peak is one of counts or sums", "Use count or sum.")
        fits = self.against_days is None or (not self.offset_days and 0 < self.against_days < (self.window_days or 0))
        _check(
            fits,
            self.id,
            f"against_days must be shorter than the window and the window must end at c, found {self.against_days}",
            "Correct it.",
        )

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        if self.definition:
            return self.definition
        less = ""
        if self.against_days:
            less = f" * {self.against_days} / {self.window_days} less the same of the last {self.against_days} days"
        return f"greatest over {self.by} of: {super().meaning}{less}; null without any event that has a {self.by}"


@dataclass(frozen=True, kw_only=True)
class PooledFeature(Feature):
    """An aggregate over the order lines of all customers of the same pool: the firm, the group, the industry.

    It is computed from all rows that are visible at the cutoff, whoever else the feature table is about.

    Parameters
    ----------
    pool : {"firm", "parent_id", "industry", "size_class"}
        Who belongs together; see `crm_ml.features.pools`.

    Examples
    --------
    >>> PooledFeature(
    ...     id="of_all", source="pool_lines", aggregate="sum", measure="net_amount", window_days=90, pool="firm"
    ... ).meaning
    'of all customers: sum of net_amount (0 without any); stream pool_lines; window [c - 90 days, c)'
    """

    pool: Literal["firm", "parent_id", "industry", "size_class"]

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        whose = {"firm": "of all customers", "parent_id": "of the customer's group"}
        return (
            self.definition or f"{whose.get(self.pool, f'of all customers of the same {self.pool}')}: {super().meaning}"
        )


@dataclass(frozen=True, kw_only=True)
class Ratio(Declared):
    """``scale * numerator / denominator`` of two features; null where either is null or the denominator is not > 0.

    Examples
    --------
    >>> Ratio(id="habit", numerator="orders_count_30d", denominator="orders_count_365d", scale=365 / 30).uses
    ('orders_count_30d', 'orders_count_365d')
    """

    numerator: str
    denominator: str
    scale: float = 1.0

    @property
    def uses(self) -> tuple[str, ...]:
        """Ids of the features this one is computed from."""
        return (self.numerator, self.denominator)

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        scale = "" if self.scale == 1.0 else f"{self.scale:.10g} * "
        return self.definition or f"{scale}{self.numerator} / {self.denominator}; null where the denominator is not > 0"


@dataclass(frozen=True, kw_only=True)
class Difference(Declared):
    """``left - right`` of two features; null where either is null.

    Examples
    --------
    >>> Difference(id="change", left="orders_count_30d", right="orders_count_30d_ago_30d").meaning
    'orders_count_30d - orders_count_30d_ago_30d'
    """

    left: str
    right: str

    @property
    def uses(self) -> tuple[str, ...]:
        """Ids of the features this one is computed from."""
        return (self.left, self.right)

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        return self.definition or f"{self.left} - {self.right}"


@dataclass(frozen=True, kw_only=True)
class FunctionFeature(Declared):
    """A Python function over one subject's visible events of a stream: for what the aggregates cannot express.

    The function gets a DataFrame (one row per event visible at the cutoff, in the order of t; columns ``t`` (local time
    stamp), ``days_ago`` (local calendar days before the cutoff) and the stream's columns as numbers or texts) and
    the cutoff as a local time stamp; it returns a number or None. It is called once per row of the spine: it is slow.

    Examples
    --------
    >>> FunctionFeature(
    ...     id="largest_share", source="orders", function=lambda e, c: e.net_amount.max() / e.net_amount.sum(),
    ...     text_de="Anteil der größten Bestellung", text_en="share of the largest order",
    ... ).source
    'orders'
    """

    source: str
    function: Callable[[pd.DataFrame, pd.Timestamp], float | None]

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        return self.definition or f"Python function {getattr(self.function, '__name__', '?')} over stream {self.source}"


@dataclass(frozen=True, kw_only=True)
class AttributeFeature(Declared):
    """A column of the subjects' own table as known at the cutoff: a category (text), a number, or days since a time.

    It is null while its time of becoming known (`known_from`) is not before the cutoff.

    Parameters
    ----------
    column : str
        Its name.
    table : str
        ``customers`` or ``leads``.
    through : callable, optional
        From the distinct values of the column (texts, or numbers; None where unknown) to what the feature shows; it is
        called once per table. A category's result is texts, any other's numbers; None is null.
    """

    column: str
    table: str = "customers"
    through: Callable[[Sequence[Any]], Sequence[Any]] | None = None

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        return self.definition or f"{self.table}.{self.column} as known at the cutoff"


@dataclass(frozen=True, kw_only=True)
class CalendarFeature(Declared):
    """The season of the cutoff: sine or cosine of 2 pi (day of the year - 1) / 365.25 of the cutoff's local day."""

    part: Literal["sin", "cos"]

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        return f"{self.part}(2 pi (day of the year - 1) / 365.25) of the cutoff's local day"


@dataclass(frozen=True, kw_only=True)
class PeerFeature(Declared):
    """What was known at the cutoff of all leads that share a value of a column with this one, itself included.

    Parameters
    ----------
    column : str
        Of the table leads, e.g. ``source`` or ``owner_id``.
    what : {"open", "created", "won_share"}
        Leads that are open at the cutoff; leads created in the window; or the share of those created in the window
        whose time to be won was over before the cutoff, and that were won in it, drawn towards the share of all leads
        by `shrink` leads.
    window_days : int, optional
        Look-back over the creation of leads, in calendar days.
    horizon_days : int
        Calendar days from its creation in which a lead may be won.
    shrink : float
        Weight of the share of all leads, as a number of leads.
    """

    column: str
    what: Literal["open", "created", "won_share"]
    window_days: int | None = None
    horizon_days: int = 90
    shrink: float = 20.0

    @property
    def meaning(self) -> str:
        """The exact definition in one sentence."""
        if self.definition:
            return self.definition
        window = f"created in [c - {self.window_days} days, c)" if self.window_days else "created before c"
        if self.what == "open":
            return f"leads of the same {self.column} that are open at c"
        if self.what == "created":
            return f"leads of the same {self.column} {window}"
        return (
            f"(w + {self.shrink:g} W / N) / (n + {self.shrink:g}): n leads of the same {self.column} {window} whose "
            f"{self.horizon_days} days from creation ended before c, w of them won in these days as known at c; N and "
            "W the same of all leads; null without any"
        )


AnyFeature = Feature | Ratio | Difference | FunctionFeature | AttributeFeature | CalendarFeature | PeerFeature
