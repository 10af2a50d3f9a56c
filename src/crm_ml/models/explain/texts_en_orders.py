"""The English sentences about orders; see `crm_ml.models.explain.texts_de`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Texts = Mapping[str, str]

_FEW: Final = "(too few orders on record)"
_ORDERS: Final = "{n|order|orders}"
_PRODUCTS: Final = "{n|product|different products}"
DAYS: Final = "{n|day|days}"
_SAME: Final = "in the same 90 days last year"
_COMING: Final = "in the 90 days now ahead"
LAST_90: Final = "in the last 90 days"
_YEAR: Final = "in the last 12 months"
_YEAR_MEAN: Final = "the average of the last 12 months"


def window(days: int) -> str:
    """Return how a look-back window is called.

    Examples
    --------
    >>> window(90), window(365)
    ('in the last 90 days', 'in the last 12 months')
    """
    return _YEAR if days == 365 else f"in the last {days} days"


def more_or_fewer(things: str, now: str, before: str) -> Texts:
    """Return the texts for a number of things now over the number before.

    Examples
    --------
    >>> more_or_fewer("orders", "this year", "last year")["less"]
    '{n:c} fewer orders this year than last year.'
    """
    beside = "({a} instead of {u})"
    return {
        "null": f"Number of {things} {now} not comparable: none on record {before}.",
        "zero": f"No {things} {now}, unlike {before}.",
        "less": f"{{n:c}} fewer {things} {now} than {before}.",
        "less+": f"{{n:c}} fewer {things} {now} than {before} {beside}.",
        "same": f"As many {things} {now} as {before}.",
        "more": f"{{n:c}} more {things} {now} than {before}.",
        "more+": f"{{n:c}} more {things} {now} than {before} {beside}.",
        "times": f"{{n:f}} as many {things} {now} as {before}.",
        "times+": f"{{n:f}} as many {things} {now} as {before} {beside}.",
    }


def _higher_or_lower(what: str, before: str, low: str = "lower", high: tuple[str, str] = ("high", "higher")) -> Texts:
    """Texts for an amount now over the amount before."""
    beside = "({a:m} instead of {u:m})"
    return {
        "null": f"{what} not comparable: no value on record for {before.removeprefix('in ')}.",
        "zero": f"{what} at zero, unlike {before}.",
        "negative": f"{what} negative ({{n:p}} of the value {before.replace('the average', 'in the average')}).",
        "less": f"{what} {{n:c}} {low} than {before}.",
        "less+": f"{what} {{n:c}} {low} than {before} {beside}.",
        "same": f"{what} as {high[0]} as {before}.",
        "more": f"{what} {{n:c}} {high[1]} than {before}.",
        "more+": f"{what} {{n:c}} {high[1]} than {before} {beside}.",
        "times": f"{what} {{n:f}} as {high[0]} as {before}.",
        "times+": f"{what} {{n:f}} as {high[0]} as {before} {beside}.",
    }


def _pause(usual: str, of_gap: str, null: str) -> Texts:
    """Texts for the time since the last order over a gap."""
    beside = "({a} of {u|day|days})"
    return {
        "null": null,
        "zero": f"Order pause only just begun, measured by {of_gap}.",
        "below": f"Order pause at {{n:p}} of {of_gap}.",
        "below+": f"Order pause at {{n:p}} of {of_gap} {beside}.",
        "below_good": f"Still on schedule: order pause only at {{n:p}} of {of_gap}.",
        "below_good+": f"Still on schedule: order pause only at {{n:p}} of {of_gap} {beside}.",
        "same": f"Order pause as long as {usual}.",
        "times": f"Order pause {{n:f}} as long as {usual}.",
        "times+": f"Order pause {{n:f}} as long as {usual}: {{a|day|days}} instead of {{u}}.",
    }


ORDER_TEXTS: Final[Mapping[str, Texts]] = {
    "orders_count": {
        "null": "Number of orders {w} not known.",
        "zero": "No orders {w}.",
        "zero+": "No orders {w}; usually about {u:r} in that time.",
        "bad": f"Only {_ORDERS} {{w}}.",
        "bad+": f"Only {_ORDERS} {{w}}; usually about {{u:r}} in that time.",
        "good": f"Orders regularly: {_ORDERS} {{w}}.",
        "plain": f"{_ORDERS} {{w}}.",
    },
    "orders_net_revenue": {
        "null": "Revenue {w} not known.",
        "zero": "No revenue {w}.",
        "zero+": "No revenue {w}; usually about {u:M} in that time.",
        "negative": "More returned than bought {w}: revenue of {n:m}.",
        "bad+": "Revenue {w} only {n:m}; usually about {u:M} in that time.",
        "good": "Keeps buying: revenue of {n:m} {w}.",
        "plain": "Revenue {w}: {n:m}.",
    },
    "orders_basket_mean": {
        "null": "No order on record {w}, so average order value not known.",
        "plain": "Average order value {w}: {n:m}.",
        "plain+": "Average order value {w}: {n:m}; over the last 12 months {u:m}.",
        "bad+": "Smaller orders than usual: {n:m} on average {w} instead of {u:m}.",
        "good+": "Larger orders than usual: {n:m} on average {w} instead of {u:m}.",
    },
    "orders_products_count": {
        "null": "Number of products ordered {w} not known.",
        "zero": "No products ordered {w}.",
        "bad": f"Narrow range: {_PRODUCTS} {{w}}.",
        "good": f"Broad range: {_PRODUCTS} {{w}}.",
        "plain": f"Ordered {_PRODUCTS} {{w}}.",
    },
    "orders_returns_share": {
        "null": "No revenue on record {w}, so share of returns not known.",
        "zero": "Nothing returned {w}.",
        "bad": "Many returns: {n:p} of revenue {w} sent back.",
        "good": "Hardly any returns: {n:p} of revenue {w} sent back.",
        "plain": "{n:p} of revenue {w} sent back.",
    },
    "orders_cost": {
        "null": "Cost of goods {w} not known.",
        "zero": "No cost of goods {w}.",
        "plain": "Cost of goods ordered {w}: {n:m}.",
    },
    "orders_returns_count": {
        "null": "Number of returns {w} not known.",
        "zero": "No returns {w}.",
        "bad": "Repeated returns: {n} {w}.",
        "plain": "{n|return|returns} {w}.",
    },
    "orders_net_amount_max": {
        "null": "No order on record {w}, so largest order not known.",
        "plain": "Largest order {w}: {n:m}.",
    },
    "orders_net_amount_last": {
        "null": "Value of the last order not known.",
        "plain": "Last order worth {n:m}.",
        "plain+": "Last order worth {n:m}; average of the last 12 months {u:m}.",
        "bad+": "Last order smaller than usual: {n:m} instead of {u:m}.",
        "good+": "Last order larger than usual: {n:m} instead of {u:m}.",
    },
    "days_since_last_order": {
        "null": "No earlier order on record.",
        "zero": "Last order today.",
        "zero_good": "Has just ordered: last order today.",
        "bad": f"No order for {DAYS}.",
        "bad+": f"Last order {DAYS} ago; usually {{u:e}}.",
        "good": f"Ordered recently: last order {DAYS} ago.",
        "good+": f"In the usual rhythm: last order {DAYS} ago; usually {{u:e}}.",
        "plain": f"Last order {DAYS} ago.",
        "plain+": f"Last order {DAYS} ago; usually {{u:e}}.",
    },
    "days_since_last_order_over_own_gap": _pause(
        "usual", "the usual gap", "No usual gap between orders known yet, so order pause not comparable."
    ),
    "days_since_last_order_over_own_gap_365d": _pause(
        f"usual {_YEAR}",
        f"the gap {_YEAR}",
        f"No gap between orders {_YEAR} known, so order pause not comparable.",
    ),
    "days_since_last_order_over_longest_gap": {
        "null": "No longest order pause known yet, so present pause not comparable.",
        "zero": "Order pause only just begun, measured by the longest so far.",
        "below": "Order pause at {n:p} of the longest so far.",
        "below+": "Order pause at {n:p} of the longest so far ({a} of {u|day|days}).",
        "below_good": "Shorter than earlier pauses: only {n:p} of the longest so far.",
        "below_good+": "Shorter than earlier pauses: only {n:p} of the longest so far ({a} of {u|day|days}).",
        "same": "Order pause as long as the longest so far.",
        "times": "Never this long without an order: {n:f} the longest pause so far.",
        "times+": "Never this long without an order: {n:f} the longest pause so far ({a|day|days} against {u}).",
    },
    "days_since_first_order": {
        "null": "First order not known.",
        "zero": "First order today.",
        "bad": "Has not been buying for long: first order {n:d} ago.",
        "good": "Has been buying for long: first order {n:d} ago.",
        "plain": "First order {n:d} ago.",
    },
    "order_days_count": {
        "null": "Number of days with an order not known.",
        "zero": "Has not ordered on any day so far.",
        "bad": f"Has ordered on only {DAYS} so far.",
        "good": f"Well-established: has ordered on {DAYS} so far.",
        "plain": f"Has ordered on {DAYS} so far.",
    },
    "order_days_count_365d": {
        "null": "Number of days with an order {w} not known.",
        "zero": "Ordered on no day {w}.",
        "bad": f"Ordered on only {DAYS} {{w}}.",
        "good": f"Orders regularly: on {DAYS} {{w}}.",
        "plain": f"Ordered on {DAYS} {{w}}.",
    },
    "order_gap_days_mean": {
        "null": f"Usual gap between orders not known {_FEW}.",
        "bad": "Orders seldom: {n:e} on average.",
        "good": "Orders often: {n:e} on average.",
        "plain": "Orders {n:e} on average.",
    },
    "order_gap_days_mean_365d": {
        "null": f"Gap between orders {{w}} not known {_FEW}.",
        "bad": "Ordered seldom {w}: {n:e} on average.",
        "good": "Ordered often {w}: {n:e} on average.",
        "plain": "Ordered {n:e} on average {w}.",
    },
    "order_gap_days_sd": {
        "null": f"Variation of gaps between orders not known {_FEW}.",
        "zero": "Gaps between orders have always been equal.",
        "bad": f"Orders irregularly: gaps vary by {DAYS}.",
        "good": f"Orders evenly: gaps vary by only {DAYS}.",
        "plain": f"Gaps between orders vary by {DAYS}.",
    },
    "order_gap_days_sd_365d": {
        "null": f"Variation of gaps between orders {{w}} not known {_FEW}.",
        "zero": "Gaps between orders {w} always equal.",
        "bad": f"Ordered irregularly {{w}}: gaps varied by {DAYS}.",
        "good": f"Ordered evenly {{w}}: gaps varied by only {DAYS}.",
        "plain": f"Gaps between orders {{w}} varied by {DAYS}.",
    },
    "order_gap_days_max": {
        "null": f"Longest order pause not known {_FEW}.",
        "bad": f"Has gone {DAYS} without an order before.",
        "good": f"Never long without an order: longest pause so far {DAYS}.",
        "plain": f"Longest order pause so far: {DAYS}.",
    },
    "order_gap_days_max_365d": {
        "null": f"Longest order pause {{w}} not known {_FEW}.",
        "bad": f"Went {DAYS} without an order {{w}}.",
        "good": f"Never long without an order {{w}}: longest pause {DAYS}.",
        "plain": f"Longest order pause {{w}}: {DAYS}.",
    },
    "order_gap_days_last": {
        "null": f"Gap between the last two orders not known {_FEW}.",
        "bad": f"Long gap between the last two orders: {DAYS}.",
        "bad+": f"Longer gap than usual between the last two orders: {DAYS} instead of {{u}}.",
        "good": f"Last two orders close together: {DAYS} apart.",
        "plain": f"Gap between the last two orders: {DAYS}.",
        "plain+": f"Gap between the last two orders: {DAYS}; usually {{u}}.",
    },
    "order_gap_days_cv": {
        "null": f"Regularity of orders not known {_FEW}.",
        "zero": "Orders like clockwork: gaps without any variation.",
        "bad": "Orders without a fixed rhythm: gaps vary by {n:p} of their mean.",
        "good": "Orders in a steady rhythm: gaps vary by only {n:p} of their mean.",
        "plain": "Gaps between orders vary by {n:p} of their mean.",
    },
    "order_gap_days_last_over_own_gap": {
        "null": f"Last gap between orders not comparable with the usual one {_FEW}.",
        "below": "Last gap between orders at {n:p} of the usual one.",
        "below+": "Last gap between orders at {n:p} of the usual one ({a} of {u|day|days}).",
        "below_good": "Ordered sooner than usual last time: gap at {n:p} of the usual one.",
        "below_good+": "Ordered sooner than usual last time: gap at {n:p} of the usual one ({a} of {u|day|days}).",
        "same": "Last gap between orders as long as usual.",
        "times": "Last gap between orders {n:f} as long as usual.",
        "times+": "Last gap between orders {n:f} as long as usual: {a|day|days} instead of {u}.",
    },
    "orders_count_90d_ago_365d": {
        "null": f"Number of orders {_SAME} not known.",
        "zero": f"No orders {_SAME}.",
        "plain": f"{_ORDERS} {_SAME}.",
    },
    "orders_net_revenue_90d_ago_365d": {
        "null": f"Revenue {_SAME} not known.",
        "zero": f"No revenue {_SAME}.",
        "plain": f"Revenue {_SAME}: {{n:m}}.",
    },
    "orders_count_90d_ago_275d": {
        "null": f"Number of last year's orders {_COMING} not known.",
        "zero": f"Last year brought no orders {_COMING}.",
        "zero_bad": f"A quiet time begins: last year brought no orders {_COMING}.",
        "bad": f"A quiet time begins: last year brought only {_ORDERS} {_COMING}.",
        "good": f"The usual time for orders begins: last year brought {_ORDERS} {_COMING}.",
        "plain": f"Last year brought {_ORDERS} {_COMING}.",
    },
    "orders_net_revenue_90d_ago_275d": {
        "null": f"Last year's revenue {_COMING} not known.",
        "zero": f"Last year brought no revenue {_COMING}.",
        "zero_bad": f"A quiet time begins: last year brought no revenue {_COMING}.",
        "good": f"The usual time for buying begins: last year brought revenue of {{n:m}} {_COMING}.",
        "plain": f"Last year brought revenue of {{n:m}} {_COMING}.",
    },
    "orders_count_trend_90d": more_or_fewer("orders", LAST_90, "in the 90 days before"),
    "orders_count_trend_365d": more_or_fewer("orders", _YEAR, "in the year before"),
    "orders_count_over_last_year_90d": more_or_fewer("orders", LAST_90, _SAME),
    "orders_count_30d_over_own_month": more_or_fewer("orders", window(30), "in this customer's average month"),
    "orders_net_revenue_trend_90d": _higher_or_lower(f"Revenue {LAST_90}", "in the 90 days before"),
    "orders_net_revenue_trend_365d": _higher_or_lower(f"Revenue {_YEAR}", "in the year before"),
    "orders_net_revenue_over_last_year_90d": _higher_or_lower(f"Revenue {LAST_90}", _SAME),
    "orders_net_revenue_90d_over_own_quarter": _higher_or_lower(
        f"Revenue {LAST_90}", "in this customer's average quarter"
    ),
    "orders_basket_trend_90d": _higher_or_lower(f"Average order value {LAST_90}", _YEAR_MEAN),
    "orders_last_amount_over_own_basket": _higher_or_lower("Last order", _YEAR_MEAN, "smaller", ("large", "larger")),
    "orders_products_share_90d": {
        "null": f"No products on record {_YEAR}, so the share ordered {LAST_90} not known.",
        "zero": f"None of the year's products ordered {LAST_90}.",
        "bad": f"Buys fewer products: only {{n:p}} of the year's products {LAST_90}.",
        "good": f"Keeps buying the same range: {{n:p}} of the year's products {LAST_90}.",
        "plain": f"Ordered {{n:p}} of the year's products {LAST_90}.",
    },
    "orders_discount_share": {
        "null": "Discount {w} not known.",
        "zero": "No discount on list prices {w}.",
        "negative": "Paid {n:p} more than list prices {w}.",
        "plain": "Discount {w}: {n:p} off list prices.",
    },
}
