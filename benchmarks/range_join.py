"""Sixty features at many cutoffs as SQL writes them first: DuckDB joins cutoffs with all events before them.

One range join per table, windows as filters of its aggregates, then everything joined on (customer, cutoff). It says
all sixty features of `feature_engine.py`, over the same files. Work grows with cutoffs times events.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from crm_ml.processors import processors

WINDOWS = (30, 90, 180, 365)
CHANNELS = ("email", "phone", "visit", "web", "ticket")
ACTIVE_DAYS = 1825
GROUP = "group by customer_id, cutoff"


def since(column: str, window: int) -> str:
    return f"filter ({column} >= cutoff - {window})"


def from_lines(data: Path) -> str:
    parts = []
    for w in WINDOWS:
        seen = f"ordered_on >= cutoff - {w}"
        returned, sold = (f"coalesce(sum({sign}amount) filter ({seen} and amount {than} 0), 0)" for sign, than in
                          (("-", "<"), ("", ">")))  # fmt: skip
        parts += [
            f"sum(amount) filter ({seen}) as orders_net_revenue_{w}d",
            f"count(distinct product_id) filter ({seen} and amount >= 0) as orders_products_count_{w}d",
            f"{returned} / nullif({sold}, 0) as orders_returns_share_{w}d",
        ]
    return f"""select customer_id, cutoff, {", ".join(parts)}
        from cutoffs join '{data}/order_lines.parquet' on ordered_on < cutoff group by customer_id, cutoff"""


def from_orders() -> str:
    """Orders of positive amount; whose customer has one within the active days is eligible."""
    parts = [
        "cutoff - max(day) as days_since_last_order",
        "cutoff - min(day) as days_since_first_order",
        "count(distinct day) as order_days_count",
    ]
    for w in WINDOWS:
        parts.append(f"count(*) {since('day', w)} as orders_count_{w}d")
        parts.append(f"avg(net) {since('day', w)} as orders_basket_mean_{w}d")
    return f"""select customer_id, cutoff, {", ".join(parts)} from cutoffs join orders on day < cutoff
        group by customer_id, cutoff having max(day) >= cutoff - {ACTIVE_DAYS}"""


def from_gaps() -> str:
    return """select customer_id, cutoff, avg(gap) as order_gap_days_mean, stddev_samp(gap) as order_gap_days_sd
        from cutoffs join (
            select customer_id, day, day - lag(day) over (partition by customer_id order by day) as gap
            from (select distinct customer_id, day from orders)
        ) on day < cutoff group by customer_id, cutoff"""


def from_invoices(data: Path) -> str:
    parts = []
    for w in WINDOWS[1:]:
        # what was due at the cutoff or later is not known to be late or early yet
        settled = f"filter (paid_on < cutoff and due_on < cutoff and paid_on >= cutoff - {w})"
        parts += [
            f"avg(paid_on - due_on) {settled} as invoices_days_late_mean_{w}d",
            f"max(paid_on - due_on) {settled} as invoices_days_late_max_{w}d",
            f"avg((paid_on > due_on)::int) {settled} as invoices_late_share_{w}d",
        ]
    unpaid = "(paid_on is null or paid_on >= cutoff)"
    for name, which in (("open", unpaid), ("overdue", f"{unpaid} and due_on < cutoff")):
        parts.append(f"count(*) filter ({which}) as invoices_{name}_count")
        parts.append(f"sum(amount) filter ({which}) as invoices_{name}_amount")
    bills = f"""(select customer_id, amount, issued_on::date as issued_on, due_on::date as due_on,
        paid_on::date as paid_on from '{data}/invoices.parquet' where amount > 0)"""
    return f"select customer_id, cutoff, {', '.join(parts)} from cutoffs join {bills} on issued_on < cutoff {GROUP}"


def from_interactions(data: Path) -> str:
    parts = [
        "cutoff - max(day) as days_since_last_contact",
        "cutoff - max(day) filter (direction = 'inbound') as days_since_last_inbound_contact",
    ]
    for w in WINDOWS:
        seen = f"day >= cutoff - {w}"
        parts.append(f"count(*) filter ({seen}) as interactions_count_{w}d")
        parts.append(f"count(*) filter ({seen} and direction = 'inbound') as interactions_inbound_count_{w}d")
        if w in (90, 365):
            parts.append(f"count(*) filter ({seen} and direction = 'outbound') as interactions_outbound_count_{w}d")
            for channel in CHANNELS:
                parts.append(f"count(*) filter ({seen} and channel = '{channel}') as interactions_{channel}_count_{w}d")
    talks = f"(select customer_id, channel, direction, held_on::date as day from '{data}/interactions.parquet')"
    return f"select customer_id, cutoff, {', '.join(parts)} from cutoffs join {talks} on day < cutoff {GROUP}"


def range_join(data: Path, days: list[dt.date], names: list[str], out: Path) -> None:
    """Write customers eligible at `days` with the features `names`."""
    import duckdb

    con = duckdb.connect(config={"threads": processors(), "temp_directory": str(out.parent / "spilled")})
    con.execute("set preserve_insertion_order = false")
    con.execute("create table cutoffs (cutoff date)")
    con.executemany("insert into cutoffs values (?)", [(day,) for day in days])
    con.execute(f"""create temp table orders as
        select customer_id, order_id, min(ordered_on)::date as day, sum(amount) as net
        from '{data}/order_lines.parquet' group by all having round(sum(amount), 4) > 0""")
    asked = {"o": from_orders(), "l": from_lines(data), "g": from_gaps(), "b": from_invoices(data),
             "t": from_interactions(data)}  # fmt: skip
    for name, query in asked.items():
        con.execute(f"create temp table {name} as {query}")
    joins = " ".join(f"left join {name} using (customer_id, cutoff)" for name in list(asked)[1:])
    zero = [name for name in names if name.endswith("_amount") or "count" in name or "revenue" in name]
    shown = (f"{f'coalesce({name}, 0)' if name in zero else name}::double as {name}" for name in names)
    con.execute(f"copy (select customer_id, cutoff as as_of, {', '.join(shown)} from o {joins}) to '{out}'")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with order_lines, invoices and interactions as Parquet")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cutoffs", type=dt.date.fromisoformat, nargs="+", required=True)
    parser.add_argument("--features", nargs="+", required=True)
    given = parser.parse_args()
    range_join(given.data, given.cutoffs, given.features, given.out)


if __name__ == "__main__":
    main()
