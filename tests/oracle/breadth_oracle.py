"""The second opinion on the features that are off by default: independent SQL over the concepts of ``breadth.sql``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from feature_oracle import ARROW, CONCEPTS, oracle_features
from messy_firms import Firm
from wall_clock import HOUR_US, shifted

from crm_ml.features import CATALOGUE
from crm_ml.tables import Tables, from_frames
from crm_ml.tables.schemas import SCHEMAS

MORE_CONCEPTS = (Path(__file__).parent / "breadth.sql").read_text()
LOOK_BACK = (30, 90, 180, 275, 335, 365, 395, 455, 640, 730)
TABLES = ("customers", "products", "order_lines", "invoices", "payments", "interactions", "surveys", "contracts")


def _in(days: int, also: str = "") -> str:
    return f"FILTER (t >= c_{days}" + (f" AND {also})" if also else ")")


def _ago(days: int, ago: int) -> str:
    return f"FILTER (t >= c_{days + ago} AND t < c_{ago})"


def _sum(column: str, window: str) -> str:
    return f"euros(coalesce(sum({column}) {window}, 0))"


def _since(t: str) -> str:
    return f"c::DATE - ({t})::DATE"


def _sold() -> dict[str, str]:
    counted, costed = "quantity > 0", "cost_amount IS NOT NULL"
    found = {
        "orders_products_count_all": "count(DISTINCT product_id)",
        "orders_products_count_ago_90d": "count(DISTINCT product_id) FILTER (t < c_90)",
        "orders_products_count_365d_ago_365d": f"count(DISTINCT product_id) {_ago(365, 365)}",
    }
    for w in (90, 365):
        found |= {
            f"orders_counted_amount_{w}d": _sum("net_amount", _in(w, counted)),
            f"orders_counted_quantity_{w}d": _sum("quantity", _in(w, counted)),
            f"orders_costed_amount_{w}d": _sum("net_amount", _in(w, costed)),
            f"orders_margin_amount_{w}d": _sum("net_amount - cost_amount", _in(w, costed)),
            f"orders_discounted_share_{w}d": f"avg((list_amount > net_amount)::INT) {_in(w)}",
            f"orders_product_amount_{w}d": _sum("net_amount", _in(w, "product_id IS NOT NULL")),
        }
    return found


def _categories() -> dict[str, str]:
    found = {
        "orders_categories_count_all": "count(DISTINCT category)",
        "orders_categories_count_ago_90d": "count(DISTINCT category) FILTER (t < c_90)",
    }
    for w in (90, 365):
        found[f"orders_categories_count_{w}d"] = f"count(DISTINCT category) {_in(w)}"
        found[f"orders_category_amount_{w}d"] = _sum("net_amount", _in(w))
    return found


def _deliveries() -> dict[str, str]:
    found = {"days_since_last_delivery": _since("max(t)")}
    for w in (90, 365):
        found[f"deliveries_count_{w}d"] = f"count(t) {_in(w)}"
        found[f"delivery_days_mean_{w}d"] = f"avg(days) {_in(w)}"
        found[f"call_offs_count_{w}d"] = f"count(t) {_in(w, 'days > 30')}"
    return found


def _contacts() -> dict[str, str]:
    waited = "greatest(epoch_us(responded_at) - epoch_us(t), 0)"
    solved = "greatest(epoch_us(resolved_at) - epoch_us(t), 0)"
    ticket = "channel = 'ticket' AND resolved_at IS NULL"
    found = {
        "tickets_open_count": f"count(t) FILTER ({ticket})",
        "tickets_oldest_open_days": _since(f"min(t) FILTER ({ticket})"),
        "tickets_open_count_365d": f"count(t) {_in(365, ticket)}",
        "interactions_ticket_count_30d": f"count(t) {_in(30, ticket.split(' AND ')[0])}",
        "response_hours_max_365d": f"max({waited}) {_in(365, 'responded_at IS NOT NULL')} / 3600e6",
        "response_hours_last": f"(max({{'t': t, 'x': {waited}}}) FILTER (responded_at IS NOT NULL)).x / 3600e6",
        "interactions_answered_count_365d": "count(t) "
        + _in(365, "direction = 'inbound' AND responded_at IS NOT NULL"),
        "complaints_unresolved_count_365d": f"count(t) {_in(365, 'topic = complaint AND resolved_at IS NULL')}",
        "resolve_hours_max_365d": f"max({solved}) {_in(365, 'resolved_at IS NOT NULL')} / 3600e6",
        "contact_persons_contacts_365d": f"count(contact_id) {_in(365)}",
        "own_employees_count_365d": f"count(DISTINCT employee_id) {_in(365)}",
        "interactions_topics_count_365d": f"count(DISTINCT topic) {_in(365)}",
    }
    found["complaints_unresolved_count_365d"] = "count(t) " + _in(365, "topic = 'complaint' AND resolved_at IS NULL")
    for w in (90, 365):
        found[f"resolve_hours_mean_{w}d"] = f"avg({solved}) {_in(w, 'resolved_at IS NOT NULL')} / 3600e6"
        found[f"contact_persons_count_{w}d"] = f"count(DISTINCT contact_id) {_in(w)}"
        found[f"interactions_channels_count_{w}d"] = f"count(DISTINCT channel) {_in(w)}"
    return found


def _surveys() -> dict[str, str]:
    found = {"surveys_count_365d": f"count(t) {_in(365)}"}
    for kind in ("nps", "csat"):
        found[f"survey_{kind}_min_365d"] = f"euros(min(score) {_in(365, f'''kind = '{kind}' ''')})"
        found[f"survey_{kind}_max"] = f"euros(max(score) FILTER (kind = '{kind}'))"
    return found


def _pool(name: str, *, sums: tuple[tuple[int, int], ...], buyers: tuple[tuple[int, int], ...]) -> dict[str, str]:
    """Sums and buyers of a pool; null for who has none."""
    has, found = "CASE WHEN count(pool) > 0 THEN {} END", {}
    for w, ago in sums:
        window, id = (_ago(w, ago), f"{w}d_ago_{ago}d") if ago else (_in(w), f"{w}d")
        found[f"{name}_net_revenue_{id}"] = has.format(_sum("net_amount", window))
    for w, ago in buyers:
        upper, id = (f" AND t < c_{ago}", f"{w}d_ago_{ago}d") if ago else ("", f"{w}d")
        who = f"count(DISTINCT buyer) FILTER (t >= c_{w + ago}{upper} AND net_amount >= 0)"
        found[f"{name}_buyers_count_{id}"] = has.format(who)
    return found


_PEERS = {"sums": ((90, 0), (90, 90), (365, 0)), "buyers": ((90, 0), (90, 90), (365, 0))}
EVENTS: Mapping[str, Mapping[str, str]] = {
    "purchases": {
        "orders_weekdays_count_365d": f"count(DISTINCT isodow(day)) {_in(365)}",
        "orders_months_count_365d": f"count(DISTINCT strftime(day, '%Y-%m')) {_in(365)}",
        **{f"orders_count_{w}d_ago_{ago}d": f"count(t) {_ago(w, ago)}" for w, ago in ((90, 640), (30, 335), (30, 365))},
    },
    "visible_lines": {
        f"orders_net_revenue_{w}d_ago_{ago}d": _sum("net_amount", _ago(w, ago))
        for w, ago in ((90, 640), (30, 335), (30, 365))
    },
    "weekday_counts": {"orders_usual_weekday_count_365d": "max(n_365) FILTER (n_365 > 0)"},
    "third_counts": {"orders_usual_third_count_365d": "max(n_365) FILTER (n_365 > 0)"},
    "order_gaps": {
        "order_gap_days_min_365d": f"min(gap_days) {_in(365)}",
        "order_gap_days_mean_180d": f"avg(gap_days) {_in(180)}",
    },
    "sold_lines": _sold(),
    "lines_per_order": {f"orders_lines_mean_{w}d": f"avg(lines) {_in(w)}" for w in (90, 365)},
    "product_sums": {f"orders_main_product_amount_{w}d": f"euros(max(s_{w}))" for w in (90, 365)},
    "category_lines": _categories(),
    "category_sums": {
        **{f"orders_main_category_amount_{w}d": f"euros(max(s_{w}))" for w in (90, 365)},
        "orders_category_decline_amount_365d": "euros(max(s_365 * 90 / 365 - coalesce(s_90, 0)))",
    },
    "deliveries": _deliveries(),
    "undelivered": {"undelivered_amount_365d": _sum("net_amount", _in(365))},
    "visible_invoices": {
        "credit_notes_count_90d": f"count(t) {_in(90, 'amount < 0')}",
        **{f"credit_notes_amount_{w}d": _sum("-amount", _in(w, "amount < 0")) for w in (90, 365)},
        "credit_notes_amount_max_365d": f"euros(max(-amount) {_in(365, 'amount < 0')})",
        "days_since_last_credit_note": _since("max(t) FILTER (amount < 0)"),
        "invoices_amount_365d": _sum("amount", _in(365, "amount >= 0")),
        "invoices_amount_mean_365d": f"euros(avg(amount) {_in(365, 'amount >= 0')})",
        "invoices_count_90d": f"count(t) {_in(90, 'amount >= 0')}",
        "invoices_count_90d_ago_90d": "count(t) FILTER (t >= c_180 AND t < c_90 AND amount >= 0)",
    },
    "settlements": {
        "invoices_days_late_sd_365d": f"stddev_samp(days_late) {_in(365)}",
        "invoices_days_late_min_365d": f"min(days_late) {_in(365)}",
    },
    "visible_payments": {"payments_amount_90d": _sum("amount", _in(90))},
    "visible_contracts": {
        "contracts_running_count": "count(t) FILTER (cancelled_at IS NULL AND ended_at IS NULL)",
        "contracts_monthly_value": _sum("monthly_value", "FILTER (cancelled_at IS NULL AND ended_at IS NULL)"),
        "contracts_running_days": _since("min(t) FILTER (cancelled_at IS NULL AND ended_at IS NULL)"),
        "contracts_notice_count": "count(t) FILTER (cancelled_at IS NOT NULL AND ended_at IS NULL)",
        "contracts_new_count_365d": f"count(t) {_in(365)}",
    },
    "cancellations": {
        "contracts_cancelled_count_365d": f"count(t) {_in(365)}",
        "days_since_last_cancellation": _since("max(t)"),
    },
    "contract_ends": {"contracts_ended_count_365d": f"count(t) {_in(365)}"},
    "contacts": _contacts(),
    "person_counts": {"contact_persons_main_count_365d": "max(n_365) FILTER (n_365 > 0)"},
    "visible_surveys": _surveys(),
    "firm_lines": _pool("firm", sums=((30, 0), (90, 0), (90, 90), (90, 275), (365, 0)), buyers=((90, 0), (90, 90))),
    "family_lines": {
        **_pool("group", sums=((90, 0), (90, 90), (365, 0)), buyers=((90, 0), (365, 0))),
        "days_since_last_group_order": _since("max(t) FILTER (net_amount >= 0)"),
    },
    "industry_lines": _pool("industry", **_PEERS),
    "size_lines": _pool("size_class", **_PEERS),
}
"""Concept -> feature id -> aggregate over the concept's rows of one customer at one cutoff."""


def _over(id: str, above: str, below: str) -> dict[str, str]:
    return {id: f"over({above}, {below})"}


DERIVED: Mapping[str, str] = {
    **_over("order_gap_days_cv_365d", "order_gap_days_sd_365d", "order_gap_days_mean_365d"),
    "order_gap_days_range_365d": "order_gap_days_max_365d - order_gap_days_min_365d",
    **_over("order_gap_days_lengthening_180d", "order_gap_days_mean_180d", "order_gap_days_mean"),
    **_over("days_since_last_order_over_longest_gap_365d", "days_since_last_order", "order_gap_days_max_365d"),
    "days_since_last_order_beyond_own_gap": "days_since_last_order - order_gap_days_mean",
    **_over("orders_usual_weekday_share_365d", "orders_usual_weekday_count_365d", "orders_count_365d"),
    **_over("orders_usual_third_share_365d", "orders_usual_third_count_365d", "orders_count_365d"),
    **_over("orders_count_over_last_year_30d", "orders_count_30d", "orders_count_30d_ago_365d"),
    **_over("orders_net_revenue_over_last_year_30d", "orders_net_revenue_30d", "orders_net_revenue_30d_ago_365d"),
    **_over("orders_coming_share_365d", "orders_count_90d_ago_275d", "orders_count_365d"),
    **{
        id: text
        for w in (90, 365)
        for id, text in {
            **_over(f"orders_unit_price_{w}d", f"orders_counted_amount_{w}d", f"orders_counted_quantity_{w}d"),
            **_over(f"orders_margin_share_{w}d", f"orders_margin_amount_{w}d", f"orders_costed_amount_{w}d"),
            **_over(
                f"orders_main_product_share_{w}d", f"orders_main_product_amount_{w}d", f"orders_product_amount_{w}d"
            ),
            **_over(
                f"orders_main_category_share_{w}d", f"orders_main_category_amount_{w}d", f"orders_category_amount_{w}d"
            ),
        }.items()
    },
    **_over("orders_unit_price_trend_90d", "orders_unit_price_90d", "orders_unit_price_365d"),
    "orders_discount_change_90d": "orders_discount_share_90d - orders_discount_share_365d",
    "orders_margin_change_90d": "orders_margin_share_90d - orders_margin_share_365d",
    "orders_products_lost_90d": "orders_products_count_365d - orders_products_count_90d",
    "orders_products_new_90d": "orders_products_count_all - orders_products_count_ago_90d",
    **_over("orders_lines_mean_trend_90d", "orders_lines_mean_90d", "orders_lines_mean_365d"),
    **_over("orders_products_trend_365d", "orders_products_count_365d", "orders_products_count_365d_ago_365d"),
    "orders_categories_lost_90d": "orders_categories_count_365d - orders_categories_count_90d",
    "orders_categories_lost_365d": "orders_categories_count_all - orders_categories_count_365d",
    "orders_categories_new_90d": "orders_categories_count_all - orders_categories_count_ago_90d",
    **_over(
        "orders_category_decline_365d", "orders_category_decline_amount_365d * 365 / 90", "orders_category_amount_365d"
    ),
    "orders_main_category_share_change_90d": "orders_main_category_share_90d - orders_main_category_share_365d",
    "delivery_days_change_90d": "delivery_days_mean_90d - delivery_days_mean_365d",
    **_over("days_since_last_delivery_over_own_gap", "days_since_last_delivery", "order_gap_days_mean"),
    **_over("undelivered_share_365d", "undelivered_amount_365d", "orders_sold_amount_365d"),
    **_over("credit_notes_share_365d", "credit_notes_amount_365d", "invoices_amount_365d"),
    "invoices_days_late_range_365d": "invoices_days_late_max_365d - invoices_days_late_min_365d",
    **_over("payments_part_share_365d", "payments_part_count_365d", "payments_count_365d"),
    **_over("invoices_count_trend_90d", "invoices_count_90d", "invoices_count_90d_ago_90d"),
    **_over("invoices_open_over_own_month", "invoices_open_amount * 365 / 30", "invoices_amount_365d"),
    **_over("disputes_share_365d", "disputes_count_365d", "invoices_count_365d"),
    **_over("tickets_open_share_365d", "tickets_open_count_365d", "interactions_ticket_count_365d"),
    **_over(
        "tickets_over_own_quarter_90d", "interactions_ticket_count_90d * 365 / 90", "interactions_ticket_count_365d"
    ),
    "response_hours_change_90d": "response_hours_mean_90d - response_hours_mean_365d",
    **_over("interactions_answered_share_365d", "interactions_answered_count_365d", "interactions_inbound_count_365d"),
    "complaint_to_last_order_days": "days_since_last_complaint - days_since_last_order",
    "complaint_to_last_contact_days": "days_since_last_complaint - days_since_last_inbound_contact",
    **_over("complaints_share_365d", "complaints_count_365d", "interactions_count_365d"),
    **_over("complaints_unresolved_share_365d", "complaints_unresolved_count_365d", "complaints_count_365d"),
    "contact_persons_lost_90d": "contact_persons_count_365d - contact_persons_count_90d",
    **_over("contact_persons_main_share_365d", "contact_persons_main_count_365d", "contact_persons_contacts_365d"),
    "survey_nps_drop": "survey_nps_last - survey_nps_max",
    "survey_csat_drop": "survey_csat_last - survey_csat_max",
    **_over("firm_activity_30d", "firm_net_revenue_30d * 365 / 30", "firm_net_revenue_365d"),
    **_over("firm_activity_90d", "firm_net_revenue_90d * 365 / 90", "firm_net_revenue_365d"),
    **_over("firm_activity_coming_90d", "firm_net_revenue_90d_ago_275d * 365 / 90", "firm_net_revenue_365d"),
    **_over("firm_net_revenue_trend_90d", "firm_net_revenue_90d", "firm_net_revenue_90d_ago_90d"),
    **_over("firm_buyers_trend_90d", "firm_buyers_count_90d", "firm_buyers_count_90d_ago_90d"),
    **_over("orders_net_revenue_trend_over_firm_90d", "orders_net_revenue_trend_90d", "firm_net_revenue_trend_90d"),
    **_over("group_net_revenue_trend_90d", "group_net_revenue_90d", "group_net_revenue_90d_ago_90d"),
    **_over("group_share_365d", "orders_net_revenue_365d", "group_net_revenue_365d"),
    "group_buyers_lost_90d": "group_buyers_count_365d - group_buyers_count_90d",
    **{
        id: text
        for pool in ("industry", "size_class")
        for id, text in {
            **_over(f"{pool}_net_revenue_trend_90d", f"{pool}_net_revenue_90d", f"{pool}_net_revenue_90d_ago_90d"),
            **_over(f"{pool}_buyers_trend_90d", f"{pool}_buyers_count_90d", f"{pool}_buyers_count_90d_ago_90d"),
            **_over(
                f"orders_net_revenue_trend_over_{pool}_90d",
                "orders_net_revenue_trend_90d",
                f"{pool}_net_revenue_trend_90d",
            ),
            **_over(f"{pool}_net_revenue_per_buyer_365d", f"{pool}_net_revenue_365d", f"{pool}_buyers_count_365d"),
            **_over(
                f"orders_net_revenue_over_{pool}_365d",
                "orders_net_revenue_365d",
                f"{pool}_net_revenue_per_buyer_365d",
            ),
        }.items()
    },
}
"""Feature id -> expression over other features, also those of `feature_oracle`."""

_LINES = ("order_lines",)
NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("purchases", "visible_lines", "weekday_counts", "third_counts", "order_gaps"), _LINES),
    **dict.fromkeys(("sold_lines", "lines_per_order", "firm_lines"), _LINES),
    "product_sums": ("order_lines.product_id",),
    **dict.fromkeys(("category_lines", "category_sums"), ("order_lines.product_id", "products.category")),
    **dict.fromkeys(("deliveries", "undelivered"), ("order_lines.delivery_at",)),
    "visible_invoices": ("invoices",),
    **dict.fromkeys(("settlements", "visible_payments"), ("invoices", "payments")),
    "visible_contracts": ("contracts",),
    "cancellations": ("contracts.cancelled_at",),
    "contract_ends": ("contracts.ends_at",),
    **dict.fromkeys(("contacts", "person_counts"), ("interactions",)),
    "visible_surveys": ("surveys",),
    "family_lines": ("order_lines", "customers.parent_id"),
    "industry_lines": ("order_lines", "customers.industry"),
    "size_lines": ("order_lines", "customers.employees"),
}
"""Tables, or table.column, without which all features over a concept are null."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sold_lines": dict.fromkeys(("product_id", "quantity", "cost_amount", "list_amount"), "order_lines"),
    "visible_contracts": {"cancelled_at": "contracts", "ended_at": "contracts.ends_at", "monthly_value": "contracts"},
    "contacts": dict.fromkeys(
        ("direction", "topic", "responded_at", "resolved_at", "contact_id", "employee_id"), "interactions"
    ),
    "person_counts": {"n_365": "interactions.contact_id"},
}
"""Columns of a concept whose features are null where the column (of that name, if no other is said) is not mapped."""


def _mapped(tables: Tables, concept: str, expression: str) -> bool:
    needs = list(NEEDS[concept])
    for name, source in COLUMNS.get(concept, {}).items():
        if re.search(rf"\b{name}\b", expression):
            needs.append(source if "." in source else f"{source}.{name}")
    return all(
        need in tables.frames if "." not in need else need.split(".")[1] in tables.mapped.get(need.split(".")[0], ())
        for need in needs
    )


def _connect(tables: Tables, spine: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"SET TimeZone = '{tables.zone}'")
    for name in TABLES:
        schema = pa.schema([(column.name, ARROW[column.type]) for column in SCHEMAS[name].columns])
        connection.register(name, tables.frames.get(name, schema.empty_table()))
    at = sorted(set(spine["cutoff"].tolist()))
    instants = {"c": at} | {f"c_{days}": [shifted(c, -days, tables.zone) for c in at] for days in LOOK_BACK}
    connection.register("cutoffs", pa.table({k: pa.array(v, ARROW["instant"]) for k, v in instants.items()}))
    rows = {
        "row": pa.array(range(len(spine)), pa.int64()),
        "customer_id": pa.array(spine["customer_id"].tolist(), pa.string()),
        "c": pa.array(spine["cutoff"].tolist(), ARROW["instant"]),
    }
    connection.register("spine", pa.table(rows))
    connection.execute("CREATE TEMP TABLE who AS SELECT DISTINCT c, customer_id FROM spine")
    of = tables.known_from.get("customers", {})
    since = ", ".join(f"{of.get(name, 'NULL::TIMESTAMPTZ')} AS {name}_since" for name in ("parent_id", "industry"))
    since = since.replace("parent_id_since", "parent_since")
    # a time of becoming known that is null: never known
    for name in ("parent_id", "industry"):
        if name in of:
            since = since.replace(f"{of[name]} AS", f"coalesce({of[name]}, TIMESTAMPTZ '2200-01-01') AS")
    connection.execute(f"CREATE TEMP TABLE known_from AS SELECT customer_id, {since} FROM customers")
    connection.execute(CONCEPTS + MORE_CONCEPTS)
    return connection


def breadth_features(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return the spine's rows with one column per feature that is off by default, and their inputs, by SQL."""
    connection = _connect(tables, spine)
    for concept, features in EVENTS.items():
        wanted = ", ".join(
            f"{text if _mapped(tables, concept, text) else 'NULL::DOUBLE'} AS {id}" for id, text in features.items()
        )
        connection.execute(
            f"CREATE TEMP TABLE of_{concept} AS SELECT row, {wanted} "
            f"FROM spine JOIN cutoffs USING (c) LEFT JOIN {concept} USING (c, customer_id) GROUP BY row, c"
        )
    known = oracle_features(tables, spine).reset_index(drop=True)
    # an array, so that duckdb reads nan as null
    texts_of = {feature.id for feature in CATALOGUE if feature.unit == "category"}
    known = known[[id for id in known if id not in texts_of and not id.startswith("attribute_")]].astype(float)
    known.insert(0, "row", np.arange(len(known)))
    connection.register("known", pa.Table.from_pandas(known, preserve_index=False))
    joined = " ".join(f"JOIN of_{concept} USING (row)" for concept in EVENTS)
    texts = dict(DERIVED)
    level = f"SELECT * FROM known {joined}"
    while texts:  # what is derived of what is derived comes later
        now = {
            id: text
            for id, text in texts.items()
            if not any(re.search(rf"\b{other}\b", text) for other in texts if other != id)
        }
        level = f"SELECT *, {', '.join(f'{text} AS {id}' for id, text in now.items())} FROM ({level})"
        texts = {id: text for id, text in texts.items() if id not in now}
    found = connection.sql(f"{level} ORDER BY row").to_arrow_table().to_pandas()
    connection.close()
    return found


_PEOPLE = ("k1", "k2", "k3", None)


def wider(firm: Firm) -> Tables:
    """Return the tables of a messy firm with products, groups and persons, made from what its rows hold."""
    frames = firm.frames()
    if "interactions" in frames:
        contacts, rows = frames["interactions"], firm.rows["interactions"]
        person = [_PEOPLE[(row["occurred_at"] // HOUR_US) % 4] for row in rows]
        staff = [f"e{(row['occurred_at'] // HOUR_US) % 3}" for row in rows]
        frames["interactions"] = contacts.assign(
            contact_id=pd.array(person, dtype="str"), employee_id=pd.array(staff, dtype="str")
        )
    if "customers" in frames:
        ids = frames["customers"]["customer_id"].tolist()
        parents = [(None, "c0", "holding")[int(id[1:]) % 3] for id in ids]
        frames["customers"] = frames["customers"].assign(parent_id=pd.array(parents, dtype="str"))
    if "order_lines" in frames:
        goods = {"product_id": ["p0", "p1", "p2", "p3", "p9"], "category": ["pumps", "pumps", None, "valves", "seals"]}
        frames["products"] = pd.DataFrame({name: pd.array(values, dtype="str") for name, values in goods.items()})
    own = {"customers": {"segment": "customer_since"}} if "customers" in frames else None
    return from_frames(frames, zone=firm.zone, attributes=own)
