"""Sixty features at many cutoffs, files to a file: `crm-ml features` against a pandas loop, a range join, a plain scan.

Each runs in a process of its own and prints wall and processor seconds and peak memory. What is in the time of ours:
start of Python, reading, every check of the tables, the choice of eligible customers, features, the file. What is in
that of the loop: reading, features, the file. The scan is DuckDB reading every needed column once. Cells of the loop
and of ours are compared before any ratio is printed. `--messy` gives ours the same rows as text ids, shuffled, in eight
files per table. `--range-join` adds SQL as it is written first (`range_join.py`), all sixty features, compared too; it
takes long beyond a million lines. Where ours spends its seconds is told by a run of its own (`stages`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from crm_ml.processors import processors

WINDOWS = (30, 90, 180, 365)
CHANNELS = ("email", "phone", "visit", "web", "ticket")
FEATURES = (
    *(f"orders_{what}_{w}d" for w in WINDOWS for what in ("count", "net_revenue", "basket_mean", "products_count")),
    *(f"orders_returns_share_{w}d" for w in WINDOWS),
    "days_since_last_order", "days_since_first_order", "order_days_count", "order_gap_days_mean", "order_gap_days_sd",
    *(f"invoices_{what}_{w}d" for w in WINDOWS[1:] for what in ("days_late_mean", "days_late_max", "late_share")),
    "invoices_open_count", "invoices_open_amount", "invoices_overdue_count", "invoices_overdue_amount",
    *(f"interactions_{what}_{w}d" for w in WINDOWS for what in ("count", "inbound_count")),
    *(f"interactions_outbound_count_{w}d" for w in (90, 365)),
    *(f"interactions_{channel}_count_{w}d" for channel in CHANNELS for w in (90, 365)),
    "days_since_last_contact", "days_since_last_inbound_contact",
)  # fmt: skip
BEGIN, DAYS = np.datetime64("2020-01-01"), 1827


def cutoffs(count: int) -> list[dt.date]:
    """The first days of the last months of 2024."""
    return [dt.date(2024 - (11 - month) // 12, (month % 12) + 1, 1) for month in range(12 - count, 12)]


def make_data(folder: Path, lines: int, contacts: int, customers: int, *, seed: int = 7) -> None:
    """Write orders, invoices with the day they were paid, and contacts of customers who come and go."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 1400, customers)
    end = np.minimum(start + 30 + rng.exponential(1200, customers).astype(np.int64), DAYS)
    weight = rng.lognormal(0, 1.5, customers) * (end - start)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        who = np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random(count)).clip(0, customers - 1)
        day = start[who] + (rng.random(count) * (end[who] - start[who])).astype(np.int64)
        order = np.argsort(day, kind="stable")
        return who[order], day[order]

    who, day = drawn(lines // 3)
    size = rng.multinomial(lines - len(who), np.full(len(who), 1 / len(who))) + 1
    amount = np.round(rng.lognormal(5, 1, lines), 2) * np.where(rng.random(lines) < 0.03, -1, 1)
    order = np.repeat(np.arange(len(who)), size)
    frame = {
        "order_id": order,
        "customer_id": who[order],
        "ordered_on": BEGIN + day[order],
        "product_id": (who[order] * 7919 + rng.geometric(0.08, lines)) % 5000,
        "amount": amount,
    }
    pd.DataFrame(frame).to_parquet(folder / "order_lines.parquet")
    total = np.round(np.bincount(order, weights=amount), 2)
    due = day + np.array([14, 30, 60])[who % 3]
    paid = np.maximum(day + 1, due + rng.gamma(1.2, 8, len(who)).astype(np.int64) - 8)
    bills = pd.DataFrame({"invoice_id": np.arange(len(who)), "customer_id": who, "issued_on": BEGIN + day})
    bills = bills.assign(due_on=BEGIN + due, paid_on=BEGIN + paid, amount=total)
    bills.loc[rng.random(len(who)) < 0.005, "paid_on"] = pd.NaT
    bills.to_parquet(folder / "invoices.parquet")
    who, day = drawn(contacts)
    direction = np.where(rng.random(contacts) < 0.55, "inbound", "outbound")
    frame = {"interaction_id": np.arange(contacts), "customer_id": who, "held_on": BEGIN + day}
    frame |= {"channel": np.array(CHANNELS)[rng.integers(0, 5, contacts)], "direction": direction}
    pd.DataFrame(frame).to_parquet(folder / "interactions.parquet")


def make_messy(clean: Path, folder: Path, *, files: int = 8) -> None:
    """Write the same rows with text ids, shuffled, in several files per table."""
    rng = np.random.default_rng(1)
    for name in ("order_lines", "invoices", "interactions"):
        frame = pd.read_parquet(clean / f"{name}.parquet")
        for column in [column for column in frame if column.endswith("_id")]:
            frame[column] = column[0].upper() + frame[column].astype(str).str.zfill(9)
        order = rng.permutation(len(frame))
        (folder / name).mkdir()
        for number in range(files):
            frame.iloc[order[number::files]].to_parquet(folder / name / f"{number}.parquet", index=False)


def workspace(folder: Path, data: Path, *, messy: bool, memory_gb: float | None = None) -> None:
    """Write crm.yaml and features.yaml over the files."""
    folder.mkdir()
    source = {name: data / name / "*.parquet" if messy else data / f"{name}.parquet" for name in
              ("order_lines", "invoices", "interactions")}  # fmt: skip
    (folder / "crm.yaml").write_text(f"""\
version: 1
currency: EUR
timezone: UTC
tables:
  order_lines:
    source: {source["order_lines"]}
    columns: {{order_id: order_id, customer_id: customer_id, ordered_at: ordered_on, product_id: product_id,
              net_amount: amount}}
  invoices:
    source: {source["invoices"]}
    columns: {{invoice_id: invoice_id, customer_id: customer_id, issued_at: issued_on, due_at: due_on, amount: amount}}
  payments:
    source: {source["invoices"]}
    where: paid_on is not null
    columns: {{payment_id: invoice_id, invoice_id: invoice_id, paid_at: paid_on, amount: amount}}
  interactions:
    source: {source["interactions"]}
    columns: {{interaction_id: interaction_id, customer_id: customer_id, occurred_at: held_on, channel: channel,
              direction: direction}}
churn: {{active_days: 1825}}
{"" if memory_gb is None else f"memory_gb: {memory_gb}"}
""")
    (folder / "features.yaml").write_text("use:\n" + "".join(f"  - {name}\n" for name in FEATURES))


def scan(data: Path) -> None:
    """Let DuckDB read every needed column once."""
    import duckdb

    con = duckdb.connect(config={"threads": processors()})
    for table, columns in (
        ("order_lines", "sum(order_id), sum(customer_id), max(ordered_on), sum(product_id), sum(amount)"),
        ("invoices", "sum(customer_id), max(issued_on), max(due_on), max(paid_on), sum(amount)"),
        ("interactions", "sum(customer_id), max(held_on), count_if(channel = 'web'), count_if(direction = 'inbound')"),
    ):
        con.execute(f"select {columns} from '{data / table}.parquet'").fetchall()


def pandas_loop(data: Path, days: list[dt.date], out: Path) -> None:
    """The usual way: filter, group and aggregate once per cutoff and window."""
    lines, bills, talks = (
        pd.read_parquet(data / f"{name}.parquet") for name in ("order_lines", "invoices", "interactions")
    )
    lines["sold"], lines["returned"] = lines["amount"].clip(lower=0), -lines["amount"].clip(upper=0)
    bills["late"] = (bills["paid_on"] - bills["due_on"]).dt.days
    parts = []
    for day in days:
        end = pd.Timestamp(day)
        since = {w: end - pd.Timedelta(days=w) for w in WINDOWS}
        seen = lines[lines["ordered_on"] < end]
        orders = seen.groupby(["customer_id", "order_id"], sort=False).agg(
            at=("ordered_on", "min"), net=("amount", "sum")
        )
        orders = orders[orders["net"].round(4) > 0].reset_index("customer_id")
        active = orders["at"] >= end - pd.Timedelta(days=1825)
        out_rows = pd.DataFrame(index=pd.Index(np.sort(orders.loc[active, "customer_id"].unique()), name="customer_id"))
        for w in WINDOWS:
            some = seen[seen["ordered_on"] >= since[w]]
            own = orders[orders["at"] >= since[w]].groupby("customer_id")["net"]
            out_rows[f"orders_count_{w}d"], out_rows[f"orders_basket_mean_{w}d"] = own.size(), own.mean()
            by = some.groupby("customer_id")
            out_rows[f"orders_net_revenue_{w}d"] = by["amount"].sum()
            out_rows[f"orders_products_count_{w}d"] = (
                some[some["amount"] >= 0].groupby("customer_id")["product_id"].nunique()
            )
            out_rows[f"orders_returns_share_{w}d"] = by["returned"].sum() / by["sold"].sum().replace(0.0, np.nan)
        dates = orders[["customer_id", "at"]].drop_duplicates().sort_values(["customer_id", "at"])
        dates["gap"] = dates.groupby("customer_id")["at"].diff().dt.days
        by = dates.groupby("customer_id")
        out_rows["days_since_last_order"] = (end - by["at"].max()).dt.days
        out_rows["days_since_first_order"] = (end - by["at"].min()).dt.days
        out_rows["order_days_count"] = by.size()
        out_rows["order_gap_days_mean"], out_rows["order_gap_days_sd"] = by["gap"].mean(), by["gap"].std()
        billed = bills[(bills["issued_on"] < end) & (bills["amount"] > 0)]
        settled = billed[billed["paid_on"] < end]
        for w in WINDOWS[1:]:
            # what was due at the cutoff or later is not known to be late or early yet
            some = settled[(settled["paid_on"] >= since[w]) & (settled["due_on"] < end)]
            by = some.groupby("customer_id")["late"]
            out_rows[f"invoices_days_late_mean_{w}d"], out_rows[f"invoices_days_late_max_{w}d"] = by.mean(), by.max()
            out_rows[f"invoices_late_share_{w}d"] = (some["late"] > 0).groupby(some["customer_id"]).mean()
        unpaid = billed[~(billed["paid_on"] < end)]
        for name, some in (("open", unpaid), ("overdue", unpaid[unpaid["due_on"] < end])):
            by = some.groupby("customer_id")["amount"]
            out_rows[f"invoices_{name}_count"], out_rows[f"invoices_{name}_amount"] = by.size(), by.sum()
        talked = talks[talks["held_on"] < end]
        for w in WINDOWS:
            some = talked[talked["held_on"] >= since[w]]
            out_rows[f"interactions_count_{w}d"] = some.groupby("customer_id").size()
            for direction in ("inbound", "outbound"):
                own = some[some["direction"] == direction].groupby("customer_id").size()
                out_rows[f"interactions_{direction}_count_{w}d"] = own
            if w in (90, 365):
                for channel in CHANNELS:
                    own = some[some["channel"] == channel].groupby("customer_id").size()
                    out_rows[f"interactions_{channel}_count_{w}d"] = own
        inbound = talked[talked["direction"] == "inbound"]
        for name, some in (("contact", talked), ("inbound_contact", inbound)):
            out_rows[f"days_since_last_{name}"] = (end - some.groupby("customer_id")["held_on"].max()).dt.days
        zero = [name for name in FEATURES if name.endswith(("_amount",)) or "count" in name or "revenue" in name]
        out_rows[zero] = out_rows[zero].fillna(0)
        parts.append(out_rows[list(FEATURES)].astype(np.float64).reset_index().assign(as_of=day))
    pd.concat(parts).to_parquet(out)


def run(*arguments: str) -> dict[str, float]:
    """Run a command; return wall seconds, processor seconds and peak memory in MB of it and its children."""
    code = """if True:
        import json, resource, subprocess, sys, time
        begin = time.perf_counter()
        subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
        print(json.dumps({"wall": time.perf_counter() - begin, "cpu": cpu, "mb": used.ru_maxrss / 1024}))
    """
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def stages(folder: Path, days: list[dt.date], out: Path, begun: float) -> dict[str, dict[str, float]]:
    """Write the features as the command does, and return seconds of its stages; `begun` is when Python was started.

    The file's stage is what is left: columns set aside, gathered by day and written.
    """
    from crm_ml.jobs import features as job

    wall = {"start": time.time() - begun, "reading and checks": 0.0, "who is eligible": 0.0, "features": 0.0}
    cpu = {**wall, "start": time.process_time()}

    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def add(name: str, since: tuple[float, float]) -> None:
        for spent, end, begin in zip((wall, cpu), now(), since, strict=True):
            spent[name] += end - begin

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*given: Any, **named: Any) -> Any:
            since = now()
            try:
                return work(*given, **named)
            finally:
                add(name, since)

        return inner

    parts = job.floor.feature_parts

    def watched_parts(*given: Any, **named: Any) -> Iterator[Any]:
        since = now()
        for part in parts(*given, **named):
            add("features", since)
            yield part
            since = now()
        add("features", since)

    job.read_inputs = watched("reading and checks", job.read_inputs)
    job.eligible = watched("who is eligible", job.eligible)
    job.floor.feature_parts = watched_parts
    since = now()
    job.write_features(folder, as_of=days, out=out)
    for spent, end, begin in zip((wall, cpu), now(), since, strict=True):
        spent["the file"] = end - begin - sum(spent[name] for name in list(spent)[1:])
    return {"wall": wall, "cpu": cpu}


def agree(ours: Path, other: Path) -> None:
    """Compare cell by cell."""
    a, b = pd.read_parquet(ours), pd.read_parquet(other)
    for frame in (a, b):
        frame["customer_id"] = frame["customer_id"].astype(str).str.removeprefix("C").astype(np.int64)
    keys = ["as_of", "customer_id"]
    a, b = (frame.sort_values(keys).reset_index(drop=True) for frame in (a, b))
    assert a["customer_id"].equals(b["customer_id"]), "not the same customers"
    for name in FEATURES:
        # floats of the loop carry residues that fixed-point sums do not
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9, atol=1e-4, err_msg=name)


def measure(
    folder: Path,
    lines: int,
    contacts: int,
    customers: int,
    count: int,
    *,
    messy: bool,
    joined: bool = False,
    looped: bool = True,
    memory_gb: float | None = None,
) -> dict[str, object]:
    """Run all sides once, the small ones three times, and give ratios."""
    data = folder / "data"
    data.mkdir()
    make_data(data, lines, contacts, customers)
    workspace(folder / "clean", data, messy=False, memory_gb=memory_gb)
    command = str(Path(sys.executable).with_name("crm-ml"))
    me = [sys.executable, __file__]

    def ours(name: str, number: int, out: str) -> dict[str, float]:
        days = [part for day in cutoffs(number) for part in ("--as-of", str(day))]
        where = ("--workspace", str(folder / name), "--out", str(folder / out))
        return run(command, "features", "churn", *days, *where)

    ours("clean", 1, "warm.parquet")  # compiles
    found = {
        f"ours, {count} cutoffs": ours("clean", count, "ours.parquet"),
        "ours, 1 cutoff": ours("clean", 1, "x.parquet"),
    }
    found["scan"] = min((run(*me, "--scan", str(data)) for _ in range(3)), key=lambda one: one["wall"])
    if looped:
        out = str(folder / "loop.parquet")
        found["pandas loop"] = run(*me, "--loop", str(data), "--cutoffs", str(count), "--out", out)
        agree(folder / "ours.parquet", folder / "loop.parquet")
    if joined:
        script = str(Path(__file__).with_name("range_join.py"))
        asked = ("--cutoffs", *map(str, cutoffs(count)), "--features", *FEATURES)
        found["range join"] = run(sys.executable, script, str(data), str(folder / "joined.parquet"), *asked)
        agree(folder / "ours.parquet", folder / "joined.parquet")
    if messy:
        (folder / "parts").mkdir()
        make_messy(data, folder / "parts")
        workspace(folder / "messy", folder / "parts", messy=True, memory_gb=memory_gb)
        found["ours, messy files"] = ours("messy", count, "messy.parquet")
        agree(folder / "messy.parquet", folder / "ours.parquet")
    main_run = found[f"ours, {count} cutoffs"]
    pairs = {
        "ours over scan": (main_run, found["scan"]),
        f"growth from 1 to {count} cutoffs": (main_run, found["ours, 1 cutoff"]),
    }
    if looped:
        pairs = {"pandas loop over ours": (found["pandas loop"], main_run), **pairs}
    if joined:
        pairs["range join over ours"] = (found["range join"], main_run)
    if messy:
        pairs["messy over clean"] = (found["ours, messy files"], main_run)
    where = ("--stages", str(folder / "clean"), "--cutoffs", str(count), "--out", str(folder / "x.parquet"))
    split = subprocess.run(
        [*me, *where, "--begun", str(time.time())], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return {
        "order_lines": lines,
        "contacts": contacts,
        "customers": customers,
        "cutoffs": count,
        "rows": pq.ParquetFile(folder / "ours.parquet").metadata.num_rows,
        "features": len(FEATURES),
        "ratios of processor time": {name: a["cpu"] / b["cpu"] for name, (a, b) in pairs.items()},
        "ratios of wall time": {name: a["wall"] / b["wall"] for name, (a, b) in pairs.items()},
        "runs": found,
        "stages": json.loads(split),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--cutoffs", type=int, default=24)
    parser.add_argument("--messy", action="store_true")
    parser.add_argument("--range-join", action="store_true")
    parser.add_argument("--memory-gb", type=float, help="the setting of crm.yaml; beyond it columns lie in files")
    parser.add_argument("--without-loop", action="store_true", help="for sizes at which pandas takes too long")
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.scan:
        return scan(given.scan)
    if given.loop:
        return pandas_loop(given.loop, cutoffs(given.cutoffs), given.out)
    if given.stages:
        print(json.dumps(stages(given.stages, cutoffs(given.cutoffs), given.out, given.begun)))
        return None
    sizes = given.lines, given.contacts, given.customers, given.cutoffs
    with tempfile.TemporaryDirectory() as name:
        sides = {"messy": given.messy, "joined": given.range_join, "looped": not given.without_loop}
        print(json.dumps(measure(Path(name), *sizes, **sides, memory_gb=given.memory_gb), indent=1))
    return None


if __name__ == "__main__":
    main()
