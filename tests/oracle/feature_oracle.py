"""The second opinion on every feature: one SQL expression per feature id over the concepts of ``oracle.sql``.

It is written from the definitions, shares no code with `crm_ml.features`, and works on the canonical rows alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from wall_clock import shifted

from crm_ml.features import CATALOGUE, Feature
from crm_ml.features.catalogue import INPUTS
from crm_ml.tables import Tables
from crm_ml.tables.schemas import SCHEMAS

CONCEPTS = (Path(__file__).parent / "oracle.sql").read_text()
LOOK_BACK = (30, 90, 180, 275, 365, 455, 730)
ARROW = {
    "text": pa.string(),
    "instant": pa.timestamp("us", tz="UTC"),
    "money": pa.int64(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
}
NEEDED = ("customers", "order_lines", "invoices", "payments", "interactions", "surveys")


def _within(days: int, ago: int = 0) -> str:
    """The condition that t lies in the window; everything in a concept lies before c anyway."""
    return f"FILTER (t >= c_{days + ago}" + (f" AND t < c_{ago})" if ago else ")")


def _also(days: int, condition: str) -> str:
    return f"FILTER (t >= c_{days} AND {condition})"


def _days_since(aggregate: str) -> str:
    return f"c::DATE - ({aggregate})::DATE"


def _newest(value: str, condition: str) -> str:
    """The value at the latest t, of equal t the greatest."""
    return f"(max({{'t': t, 'x': {value}}}) FILTER ({condition})).x"


def _lines() -> dict[str, str]:
    revenue = "euros(coalesce(sum(net_amount) {}, 0))"
    found = {}
    for w in (30, 90, 180, 365):
        sold, returned = _also(w, "net_amount >= 0"), _also(w, "net_amount < 0")
        found[f"orders_net_revenue_{w}d"] = revenue.format(_within(w))
        found[f"orders_products_count_{w}d"] = f"count(DISTINCT product_id) {sold}"
        found[f"orders_sold_amount_{w}d"] = revenue.format(sold)
        found[f"orders_returned_amount_{w}d"] = f"euros(coalesce(-sum(net_amount) {returned}, 0))"
    for w in (90, 365):
        sold = _also(w, "net_amount >= 0")
        found[f"orders_list_amount_{w}d"] = f"euros(coalesce(sum(list_amount) {sold}, 0))"
        found[f"orders_discount_amount_{w}d"] = f"euros(coalesce(sum(list_amount - net_amount) {sold}, 0))"
    for w, ago in ((90, 90), (90, 275), (90, 365), (365, 365)):
        found[f"orders_net_revenue_{w}d_ago_{ago}d"] = revenue.format(_within(w, ago))
    found["orders_cost_365d"] = f"euros(coalesce(sum(cost_amount) {_within(365)}, 0))"
    return found


def _purchases() -> dict[str, str]:
    found = {
        "orders_net_amount_max_365d": f"euros(max(net_amount) {_within(365)})",
        "orders_net_amount_last": f"euros({_newest('net_amount', 'true')})",
        "days_since_last_order": _days_since("max(t)"),
        "days_since_first_order": _days_since("min(t)"),
        "order_days_count": "count(DISTINCT day)",
        "order_days_count_365d": f"count(DISTINCT day) {_within(365)}",
    }
    for w in (30, 90, 180, 365):
        found[f"orders_count_{w}d"] = f"count(t) {_within(w)}"
        found[f"orders_basket_mean_{w}d"] = f"euros(sum(net_amount) {_within(w)}) / count(t) {_within(w)}"
    for w, ago in ((90, 90), (90, 275), (90, 365), (365, 365)):
        found[f"orders_count_{w}d_ago_{ago}d"] = f"count(t) {_within(w, ago)}"
    return found


def _order_gaps() -> dict[str, str]:
    found = {"order_gap_days_last": "arg_max(gap_days, t)"}
    for name, function in (("mean", "avg"), ("sd", "stddev_samp"), ("max", "max")):
        found[f"order_gap_days_{name}"] = f"{function}(gap_days)"
        found[f"order_gap_days_{name}_365d"] = f"{function}(gap_days) {_within(365)}"
    return found


def _settlements() -> dict[str, str]:
    found = {"invoices_days_late_last": _newest("days_late", "days_late IS NOT NULL")}
    for w in (90, 180, 365):
        found[f"invoices_days_late_mean_{w}d"] = f"avg(days_late) {_within(w)}"
        found[f"invoices_days_late_max_{w}d"] = f"max(days_late) {_within(w)}"
        found[f"invoices_late_share_{w}d"] = f"avg((days_late > 0)::INT) {_within(w)}"
    return found


def _interactions() -> dict[str, str]:
    found = {
        "complaints_open_count": "count(t) FILTER (topic = 'complaint' AND resolved_at IS NULL)",
        "complaints_oldest_open_days": _days_since("min(t) FILTER (topic = 'complaint' AND resolved_at IS NULL)"),
        "days_since_last_complaint": _days_since("max(t) FILTER (topic = 'complaint')"),
        "days_since_last_contact": _days_since("max(t)"),
        "days_since_last_inbound_contact": _days_since("max(t) FILTER (direction = 'inbound')"),
        "interactions_unanswered_count_90d": "count(t) " + _also(90, "direction = 'inbound' AND responded_at IS NULL"),
    }
    for w in (90, 365):
        waited = "greatest(epoch_us(responded_at) - epoch_us(t), 0)"
        found[f"response_hours_mean_{w}d"] = f"avg({waited}) {_also(w, 'responded_at IS NOT NULL')} / 3600e6"
        for channel in ("email", "phone", "visit", "web", "chat", "ticket"):
            found[f"interactions_{channel}_count_{w}d"] = "count(t) " + _also(w, f"channel = '{channel}'")
    for w in (30, 90, 180, 365):
        found[f"interactions_count_{w}d"] = f"count(t) {_within(w)}"
        for direction in ("inbound", "outbound"):
            found[f"interactions_{direction}_count_{w}d"] = "count(t) " + _also(w, f"direction = '{direction}'")
    for w in (30, 90, 365):
        found[f"complaints_count_{w}d"] = "count(t) " + _also(w, "topic = 'complaint'")
    return found


def _surveys() -> dict[str, str]:
    found = {"days_since_last_survey": _days_since("max(t)")}
    for kind in ("nps", "csat"):
        is_kind = f"kind = '{kind}'"
        found[f"survey_{kind}_last"] = f"euros({_newest('score', is_kind)})"
        found[f"survey_{kind}_mean"] = f"euros(avg(score) FILTER ({is_kind}))"
    return found


EVENTS: Mapping[str, Mapping[str, str]] = {
    "visible_lines": _lines(),
    "orders": {"orders_returns_count_365d": f"count(t) {_also(365, 'net_amount < 0')}"},
    "purchases": _purchases(),
    "order_gaps": _order_gaps(),
    "visible_invoices": {
        "invoices_count_365d": f"count(t) {_also(365, 'amount >= 0')}",
        "credit_notes_count_365d": f"count(t) {_also(365, 'amount < 0')}",
    },
    "disputes": {"disputes_count_365d": f"count(disputed_at) {_within(365)}"},
    "open_invoices": {
        "invoices_open_count": "count(t)",
        "invoices_open_amount": "euros(coalesce(sum(open_amount), 0))",
        "invoices_part_paid_count": "count(t) FILTER (paid > 0)",
        "invoices_disputed_open_count": "count(t) FILTER (disputed_at IS NOT NULL)",
        "invoices_disputed_open_amount": "euros(coalesce(sum(open_amount) FILTER (disputed_at IS NOT NULL), 0))",
    },
    "overdue_invoices": {
        "invoices_overdue_count": "count(t)",
        "invoices_overdue_amount": "euros(coalesce(sum(open_amount), 0))",
        "invoices_overdue_days_oldest": _days_since("min(t)"),
    },
    "visible_payments": {
        "payments_count_365d": f"count(t) {_within(365)}",
        "payments_part_count_365d": f"count(t) {_also(365, 'is_part')}",
        "days_since_last_payment": _days_since("max(t)"),
    },
    "settlements": _settlements(),
    "visible_interactions": _interactions(),
    "contact_gaps": {"contact_gap_days_mean": "avg(gap_days)"},
    "visible_surveys": _surveys(),
    "visible_customers": {
        "industry": "any_value(industry)",
        "country": "any_value(country)",
        "region": "any_value(region)",
        "legal_form": "any_value(legal_form)",
        "employees": "any_value(employees)",
        "days_since_customer_since": _days_since("any_value(customer_since)"),
    },
    "cutoffs": {
        "season_sin": "sin(2 * pi() * (dayofyear(c::DATE) - 1) / 365.25)",
        "season_cos": "cos(2 * pi() * (dayofyear(c::DATE) - 1) / 365.25)",
    },
}
"""Concept -> feature id -> aggregate over the concept's rows of one customer at one cutoff."""

DERIVED: Mapping[str, str] = {
    **{
        f"orders_returns_share_{w}d": f"over(orders_returned_amount_{w}d, orders_sold_amount_{w}d)"
        for w in LOOK_BACK[:3]
    },
    "orders_returns_share_365d": "over(orders_returned_amount_365d, orders_sold_amount_365d)",
    "order_gap_days_cv": "over(order_gap_days_sd, order_gap_days_mean)",
    "days_since_last_order_over_own_gap": "over(days_since_last_order, order_gap_days_mean)",
    "days_since_last_order_over_own_gap_365d": "over(days_since_last_order, order_gap_days_mean_365d)",
    "days_since_last_order_over_longest_gap": "over(days_since_last_order, order_gap_days_max)",
    "order_gap_days_last_over_own_gap": "over(order_gap_days_last, order_gap_days_mean)",
    "orders_count_trend_90d": "over(orders_count_90d, orders_count_90d_ago_90d)",
    "orders_net_revenue_trend_90d": "over(orders_net_revenue_90d, orders_net_revenue_90d_ago_90d)",
    "orders_count_trend_365d": "over(orders_count_365d, orders_count_365d_ago_365d)",
    "orders_net_revenue_trend_365d": "over(orders_net_revenue_365d, orders_net_revenue_365d_ago_365d)",
    "orders_count_over_last_year_90d": "over(orders_count_90d, orders_count_90d_ago_365d)",
    "orders_net_revenue_over_last_year_90d": "over(orders_net_revenue_90d, orders_net_revenue_90d_ago_365d)",
    "orders_count_30d_over_own_month": "over(orders_count_30d * 365 / 30, orders_count_365d)",
    "orders_net_revenue_90d_over_own_quarter": "over(orders_net_revenue_90d * 365 / 90, orders_net_revenue_365d)",
    "orders_basket_trend_90d": "over(orders_basket_mean_90d, orders_basket_mean_365d)",
    "orders_last_amount_over_own_basket": "over(orders_net_amount_last, orders_basket_mean_365d)",
    "orders_products_share_90d": "over(orders_products_count_90d, orders_products_count_365d)",
    "orders_discount_share_90d": "over(orders_discount_amount_90d, orders_list_amount_90d)",
    "orders_discount_share_365d": "over(orders_discount_amount_365d, orders_list_amount_365d)",
    "invoices_days_late_trend_90d": "invoices_days_late_mean_90d - invoices_days_late_mean_365d",
    "invoices_overdue_share": "over(invoices_overdue_amount, invoices_open_amount)",
    "days_since_last_contact_over_own_gap": "over(days_since_last_contact, contact_gap_days_mean)",
    "interactions_count_90d_over_own_quarter": "over(interactions_count_90d * 365 / 90, interactions_count_365d)",
    "survey_nps_change": "survey_nps_last - survey_nps_mean",
    "survey_csat_change": "survey_csat_last - survey_csat_mean",
}
"""Feature id -> expression over other features."""

CONCEPT_NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("visible_lines", "orders", "purchases", "order_gaps"), ("order_lines",)),
    **dict.fromkeys(("visible_invoices", "disputes"), ("invoices",)),
    **dict.fromkeys(("open_invoices", "overdue_invoices", "visible_payments", "settlements"), ("invoices", "payments")),
    **dict.fromkeys(("visible_interactions", "contact_gaps"), ("interactions",)),
    "visible_surveys": ("surveys",),
    "visible_customers": ("customers",),
    "cutoffs": (),
}
"""Tables without which all features over a concept are null."""

COLUMN_NEEDS: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(
        ("visible_lines",),
        dict.fromkeys(("product_id", "cost_amount", "list_amount"), "order_lines"),
    ),
    "disputes": {"disputed_at": "invoices"},
    "open_invoices": {"disputed_at": "invoices"},
    "visible_interactions": dict.fromkeys(("direction", "topic", "responded_at", "resolved_at"), "interactions"),
    "visible_customers": dict.fromkeys(
        ("industry", "country", "region", "legal_form", "employees", "customer_since"), "customers"
    ),
}
"""Columns of a concept whose features are null where the column is not mapped."""


def _connect(tables: Tables, cutoffs: Iterable[int]) -> duckdb.DuckDBPyConnection:
    """A database with the canonical tables, the cutoffs and the concepts."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"SET TimeZone = '{tables.zone}'")
    for name in NEEDED:
        schema = pa.schema([(column.name, ARROW[column.type]) for column in SCHEMAS[name].columns])
        connection.register(name, tables.frames.get(name, schema.empty_table()))
    at = sorted(set(cutoffs))
    instants = {"c": at} | {f"c_{days}": [shifted(c, -days, tables.zone) for c in at] for days in LOOK_BACK}
    connection.register("cutoffs", pa.table({k: pa.array(v, ARROW["instant"]) for k, v in instants.items()}))
    connection.execute(CONCEPTS)
    return connection


def _is_mapped(tables: Tables, concept: str, expression: str) -> bool:
    needs = COLUMN_NEEDS.get(concept, {})
    columns = [(table, name) for name, table in needs.items() if re.search(rf"\b{name}\b", expression)]
    return all(table in tables.frames for table in CONCEPT_NEEDS[concept]) and all(
        name in tables.mapped[table] for table, name in columns
    )


def oracle_features(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return the spine's rows with one column per feature of the catalogue and its inputs, computed by SQL."""
    connection = _connect(tables, spine["cutoff"].tolist())
    rows = pa.table(
        {
            "row": pa.array(range(len(spine)), pa.int64()),
            "customer_id": pa.array(spine["customer_id"].tolist(), pa.string()),
            "c": pa.array(spine["cutoff"].tolist(), ARROW["instant"]),
        }
    )
    connection.register("spine", rows)
    for concept, features in _with_own(tables).items():
        wanted = ", ".join(
            f"{expression if _is_mapped(tables, concept, expression) else 'NULL'} AS {id}"
            for id, expression in features.items()
        )
        own = "" if concept == "cutoffs" else f"LEFT JOIN {concept} USING (c, customer_id)"
        connection.execute(
            f"CREATE TEMP TABLE of_{concept} AS "
            f"SELECT row, {wanted} FROM spine JOIN cutoffs USING (c) {own} GROUP BY row, c"
        )
    joined = " ".join(f"JOIN of_{concept} USING (row)" for concept in EVENTS)
    derived = ", ".join(f"{expression} AS {id}" for id, expression in DERIVED.items())
    found = connection.sql(f"SELECT *, {derived} FROM spine {joined} ORDER BY row").to_arrow_table()
    connection.close()
    return found.drop_columns(["row", "customer_id", "c"]).to_pandas()


def _with_own(tables: Tables) -> dict[str, dict[str, str]]:
    """The expressions, and those of the firm's own attributes, which are null until the time they are known from."""
    found = {concept: dict(features) for concept, features in EVENTS.items()}
    for name, since in tables.attributes.get("customers", {}).items():
        known = f" FILTER ({since} < c)" if since else ""
        found["visible_customers"][f"attribute_{name}"] = f"any_value({name}){known}"
    return found


def oracle_labels(
    tables: Tables, spine: pd.DataFrame, *, gap_days: int, horizon_days: int, known_until: int
) -> np.ndarray:
    """Return whether each row's customer made no purchase in the label window, as known at `known_until`."""
    connection = _connect(tables, [known_until])
    begins = [shifted(c, gap_days, tables.zone) for c in spine["cutoff"].tolist()]
    ends = [shifted(c, gap_days + horizon_days, tables.zone) for c in spine["cutoff"].tolist()]
    windows = pa.table(
        {
            "row": pa.array(range(len(spine)), pa.int64()),
            "customer_id": pa.array(spine["customer_id"].tolist(), pa.string()),
            "begins": pa.array(begins, ARROW["instant"]),
            "ends": pa.array(ends, ARROW["instant"]),
        }
    )
    connection.register("windows", windows)
    found = connection.execute(
        "SELECT count(t) = 0 FROM windows w LEFT JOIN purchases p "
        "ON p.customer_id = w.customer_id AND t >= begins AND t < ends GROUP BY row ORDER BY row"
    ).fetchnumpy()
    connection.close()
    return np.asarray(next(iter(found.values())), dtype=bool)


def oracle_eligible(tables: Tables, cutoffs: Iterable[int], *, active_days: int) -> set[tuple[str, int]]:
    """Return the (customer, cutoff) that are eligible: a purchase in the last `active_days`, no objection, active."""
    connection = _connect(tables, cutoffs)
    assert active_days in LOOK_BACK
    found = connection.execute(
        f"""
        SELECT DISTINCT customer_id, epoch_us(c) FROM purchases JOIN cutoffs USING (c) WHERE t >= c_{active_days}
        EXCEPT
        SELECT customer_id, epoch_us(c) FROM visible_customers
        WHERE coalesce(profiling_objection, false) OR coalesce(status, 'active') <> 'active'
        """
    ).fetchall()
    connection.close()
    return set(found)


_EXACT = {
    feature.id
    for feature in (*CATALOGUE, *INPUTS)
    if isinstance(feature, Feature) and feature.aggregate not in ("mean", "sd")
}


def differences(found: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    """Return one line per feature whose cells differ: counts and amounts must agree exactly, ratios to 1e-12."""
    lines = []
    for id in found.columns:
        ours, theirs = found[id], expected[id]
        if pd.api.types.is_numeric_dtype(ours):
            a, b = ours.to_numpy(float), theirs.to_numpy(float, na_value=np.nan)
            same = (a == b) if id in _EXACT else np.isclose(a, b, rtol=1e-12, atol=1e-12)
            same |= np.isnan(a) & np.isnan(b)
        else:
            same = ((ours == theirs) | (ours.isna() & theirs.isna())).to_numpy(bool)
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            lines.append(
                f"{id}: {int((~same).sum())} cells, e.g. row {row}: {ours[row]!r}, the oracle says {theirs[row]!r}"
            )
    return lines
