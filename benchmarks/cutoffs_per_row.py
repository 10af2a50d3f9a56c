"""Sixty features where each row has an instant of its own: against shared cutoffs, and against featuretools.

The tables are those of `feature_engine.py` with times of day. Rows are (customer, instant): once the first days of 24
months, shared by all, once instants of any microsecond in the same two years, each used once; same customers, same
number of rows. Both are computed in one process by turns, and by the command line from files to a file. The cells of
a sample are compared with a plain pandas computation per row, with a computation of each row alone, and shared cutoffs
with the same ones among rows of their own instants.

featuretools needs pandas below 3, so it runs under an interpreter of its own, given by `--peer`; without it that part
is left out and said to be. It is measured at growing numbers of rows, on all tables (as so many rows need) and once on
nothing but the rows' customers (its best case); its cells are compared before any ratio is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feature_engine import CHANNELS, FEATURES, WINDOWS, cutoffs, make_data, run, workspace

from crm_ml import open_workspace
from crm_ml.features import CUSTOMER, LEAD, build_features, default_features
from crm_ml.jobs.inputs import CHURN_TABLES, read_inputs
from crm_ml.tables import Tables, from_frames

DAY = 86_400_000_000
KEYS = ["customer_id", "at"]
TOLERANCE = {"rtol": 1e-9, "atol": 1e-4}  # floats of the others carry residues that fixed-point sums do not


def add_times(data: Path) -> None:
    """Give orders, invoices, payments and contacts times of day; due dates stay days."""
    rng = np.random.default_rng(11)
    for name, columns in (("order_lines", ["ordered_on"]), ("invoices", ["issued_on", "paid_on"]),
                          ("interactions", ["held_on"])):  # fmt: skip
        frame = pd.read_parquet(data / f"{name}.parquet")
        own = frame["order_id"] if name == "order_lines" else frame.index
        for column in columns:
            within = rng.integers(0, DAY, len(frame))[own]  # the lines of an order have the same time
            frame[column] = (frame[column] + pd.to_timedelta(within, unit="us")).astype("datetime64[us]")
        frame.to_parquet(data / f"{name}.parquet")


def spines(data: Path, rows: int) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return (shared cutoffs, own cutoffs) for few customers with 24 rows each and for many with four."""
    rng = np.random.default_rng(5)
    known = pd.read_parquet(data / "order_lines.parquet", columns=["customer_id"])["customer_id"].unique()
    days = np.array(cutoffs(24), "datetime64[us]")
    begin, end = days[[0, -1]].astype(np.int64)
    found = {}
    for each, some in ((24, days), (4, days[5::6])):
        who = np.repeat(rng.choice(known, min(rows // each, len(known)), replace=False), each)
        at = np.unique(rng.integers(begin, end, 2 * len(who)))
        own = rng.permutation(at)[: len(who)].astype("datetime64[us]")
        shared = np.tile(some, len(who) // each)
        order = rng.permutation(len(who))
        found[f"{each} rows per customer"] = tuple(
            pd.DataFrame({"customer_id": who, "at": times}).iloc[order].reset_index(drop=True)
            for times in (shared, own)
        )
    return found


def asked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a spine: ids as text, instants as microseconds."""
    return pd.DataFrame({"customer_id": rows["customer_id"].astype(str), "cutoff": rows["at"].astype("int64")})


def row_by_hand(lines: pd.DataFrame, bills: pd.DataFrame, talks: pd.DataFrame, end: pd.Timestamp) -> dict[str, float]:
    """Return the sixty features of one customer's rows at one instant, each straight from its definition."""
    found: dict[str, float] = {}
    today = end.normalize()
    lines, talks = lines[lines["ordered_on"] < end], talks[talks["held_on"] < end]
    bills = bills[(bills["issued_on"] < end) & (bills["amount"] > 0)]
    orders = lines.groupby("order_id").agg(at=("ordered_on", "min"), net=("amount", "sum"))
    orders = orders[orders["net"].round(4) > 0]
    paid = bills[bills["paid_on"] < end]
    unpaid = bills[~(bills["paid_on"] < end)]
    overdue = unpaid[unpaid["due_on"] < end]
    for w in WINDOWS:
        begin = end - pd.Timedelta(days=w)
        some, own = lines[lines["ordered_on"] >= begin], orders[orders["at"] >= begin]
        kept, returned = some[some["amount"] >= 0], some[some["amount"] < 0]
        sold = kept["amount"].sum()
        found[f"orders_count_{w}d"] = len(own)
        found[f"orders_basket_mean_{w}d"] = own["net"].mean()
        found[f"orders_net_revenue_{w}d"] = some["amount"].sum()
        found[f"orders_products_count_{w}d"] = kept["product_id"].nunique()
        found[f"orders_returns_share_{w}d"] = -returned["amount"].sum() / sold if sold > 0 else np.nan
        talked = talks[talks["held_on"] >= begin]
        found[f"interactions_count_{w}d"] = len(talked)
        for direction in ("inbound", "outbound"):
            found[f"interactions_{direction}_count_{w}d"] = (talked["direction"] == direction).sum()
        for channel in CHANNELS:
            found[f"interactions_{channel}_count_{w}d"] = (talked["channel"] == channel).sum()
        # what was due at the cutoff or later is not known to be late or early yet
        settled = paid[(paid["paid_on"] >= begin) & (paid["due_on"] < end)]
        late = (settled["paid_on"].dt.normalize() - settled["due_on"].dt.normalize()).dt.days
        found[f"invoices_days_late_mean_{w}d"], found[f"invoices_days_late_max_{w}d"] = late.mean(), late.max()
        found[f"invoices_late_share_{w}d"] = (late > 0).mean()
    days = orders["at"].dt.normalize().drop_duplicates().sort_values()
    gaps = days.diff().dropna().dt.days
    found["order_days_count"] = len(days)
    found["order_gap_days_mean"], found["order_gap_days_sd"] = gaps.mean(), gaps.std()
    inbound = talks[talks["direction"] == "inbound"]
    since = {"last_order": days.max(), "first_order": days.min()}
    since |= {"last_contact": talks["held_on"].max(), "last_inbound_contact": inbound["held_on"].max()}
    for name, at in since.items():
        found[f"days_since_{name}"] = (today - at.normalize()).days if pd.notna(at) else np.nan
    found["invoices_open_count"], found["invoices_open_amount"] = len(unpaid), unpaid["amount"].sum()
    found["invoices_overdue_count"], found["invoices_overdue_amount"] = len(overdue), overdue["amount"].sum()
    return found


def by_hand(data: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the sixty features of rows, one row after the other."""
    frames = [pd.read_parquet(data / f"{name}.parquet") for name in ("order_lines", "invoices", "interactions")]
    of = [dict(list(frame[frame["customer_id"].isin(rows["customer_id"])].groupby("customer_id"))) for frame in frames]
    nothing = [frame.iloc[:0] for frame in frames]
    found = [
        row_by_hand(*(own.get(who, none) for own, none in zip(of, nothing, strict=True)), at)
        for who, at in rows[KEYS].itertuples(index=False)
    ]
    return pd.DataFrame(found)[list(FEATURES)].astype(np.float64)


def same(ours: pd.DataFrame, other: pd.DataFrame, what: str) -> int:
    """Compare cell by cell; return how many there are."""
    assert len(ours) == len(other), what
    for name in other:
        np.testing.assert_allclose(ours[name], other[name], **TOLERANCE, err_msg=f"{what}: {name}")
    return int(other.size)


def some_leads(rows: int) -> tuple[Tables, pd.DataFrame, pd.DataFrame]:
    """Return leads with touches and stages, and rows: the next first of a month, and any instant in their 90 days."""
    rng = np.random.default_rng(3)
    count, touches = rows // 4, rows * 5 // 2
    created = np.datetime64("2022-01-01", "us") + rng.integers(0, 1000 * DAY, count).astype("timedelta64[us]")

    def after(lead: np.ndarray, days: int) -> np.ndarray:
        return created[lead] + rng.integers(1, days * DAY, len(lead)).astype("timedelta64[us]")

    def drawn(values: tuple[str, ...], size: int) -> np.ndarray:
        return np.array(values)[rng.integers(0, len(values), size)]

    ids = np.arange(count).astype(str)
    leads = {"lead_id": ids, "created_at": created, "source": drawn(("fair", "web", "referral"), count)}
    leads |= {"country": drawn(("DE", "AT", "CH"), count), "employees": rng.integers(1, 500, count)}
    leads |= {"owner_id": rng.integers(0, 30, count).astype(str)}
    lead = rng.integers(0, count, touches)
    kinds = drawn(("page_view", "email_open", "call", "reply_received"), touches)
    events = {"event_id": np.arange(touches).astype(str), "lead_id": ids[lead], "occurred_at": after(lead, 90)}
    stages = {"lead_id": ids, "stage": drawn(("mql", "won", "lost"), count), "entered_at": after(np.arange(count), 120)}
    frames = {"leads": leads, "lead_events": events | {"kind": kinds}, "lead_stages": stages}
    tables = from_frames({name: pd.DataFrame(columns) for name, columns in frames.items()})
    lead = rng.integers(0, count, rows)
    own = pd.DataFrame({"lead_id": ids[lead], "cutoff": after(lead, 90).astype(np.int64)})
    months = (np.datetime64("2022-01") + np.arange(40)).astype("datetime64[us]").astype(np.int64)
    return tables, own.assign(cutoff=months[np.searchsorted(months, own["cutoff"])]), own


def timed(tables: Tables, spine: pd.DataFrame, **options: Any) -> dict[str, float]:
    """Return what the features of a spine take."""
    wall, cpu = time.perf_counter(), time.process_time()
    build_features(tables, spine, **options)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class Ours:
    """The tables read once, and features of rows from them."""

    def __init__(self, folder: Path) -> None:
        ws = open_workspace(folder)
        wall, cpu = time.perf_counter(), time.process_time()
        self.tables = read_inputs(ws, only=CHURN_TABLES)
        self.reading = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        chosen = {feature.id: feature for feature in ws.choice_of(CUSTOMER).chosen()}
        self.features = [chosen[name] for name in FEATURES]

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        return build_features(self.tables, asked(rows), features=self.features)[list(FEATURES)]

    def timed(self, rows: pd.DataFrame) -> dict[str, float]:
        return timed(self.tables, asked(rows), features=self.features)


def checked(ours: Ours, data: Path, shared: pd.DataFrame, own: pd.DataFrame, sample: int) -> dict[str, int]:
    """Compare cells in three ways; return how many were compared."""
    rng = np.random.default_rng(2)
    whole = ours(own)
    some = np.sort(rng.choice(len(own), min(sample, len(own)), replace=False))
    cells = {"pandas row by row": same(whole.iloc[some], by_hand(data, own.iloc[some]), "pandas row by row")}
    alone = [ours(own.iloc[[row]]) for row in some[:20]]
    pd.testing.assert_frame_equal(pd.concat(alone), whole.iloc[some[:20]], check_exact=True)
    cells["each row alone, bit by bit"] = len(alone) * len(FEATURES)
    both = pd.concat([own, shared], ignore_index=True)
    order = rng.permutation(len(both))
    mixed = ours(both.iloc[order])
    apart = pd.concat([whole, ours(shared)], ignore_index=True).iloc[order]
    pd.testing.assert_frame_equal(mixed.reset_index(drop=True), apart.reset_index(drop=True), check_exact=True)
    cells["shared cutoffs among own ones, bit by bit"] = mixed.size
    return cells


def in_turns(
    time_of: Callable[[pd.DataFrame], dict[str, float]], shared: pd.DataFrame, own: pd.DataFrame, pairs: int
) -> dict[str, Any]:
    """Time both in one process, one after the other, and give the ratio of each pair."""
    times = [(time_of(shared), time_of(own)) for _ in range(pairs)]
    found: dict[str, Any] = {"rows": len(own)}
    for what in ("cpu", "wall"):
        a, b = (np.array([pair[k][what] for pair in times]) for k in (0, 1))
        found[what] = {
            "shared, microseconds a row": float(np.median(a)) / len(shared) * 1e6,
            "own, microseconds a row": float(np.median(b)) / len(own) * 1e6,
            "own over shared": float(np.median(b / a)),
            "range of pairs": [float((b / a).min()), float((b / a).max())],
        }
    return found


def by_command(folder: Path, shared: pd.DataFrame, own: pd.DataFrame, pairs: int) -> dict[str, Any]:
    """Time `crm-ml features churn --spine`: start, reading and checking tables and spine, features, the file."""
    command = str(Path(sys.executable).with_name("crm-ml"))
    times = []
    for _ in range(pairs):
        pair = []
        for name, rows in (("shared", shared), ("own", own)):
            spine = rows.set_axis(["customer_id", "as_of"], axis=1).astype({"customer_id": str})
            spine.to_parquet(folder / f"{name}.parquet")
            where = ("--workspace", str(folder / "ws"), "--spine", str(folder / f"{name}.parquet"))
            pair.append(run(command, "features", "churn", *where, "--out", str(folder / f"{name}_out.parquet")))
        times.append(pair)
    found: dict[str, Any] = {}
    for what in ("cpu", "wall"):
        a, b = (np.array([pair[k][what] for pair in times]) for k in (0, 1))
        found[what] = {"shared, s": float(np.median(a)), "own, s": float(np.median(b)),
                       "own over shared": float(np.median(b / a))}  # fmt: skip
    return found


def against_featuretools(
    peer: Path, ours: Ours, data: Path, own: pd.DataFrame, per_row: dict[str, float], sizes: list[int], n_jobs: int
) -> dict[str, Any]:
    """Time featuretools at growing numbers of rows; compare its cells with ours before giving a ratio."""
    runs: list[dict[str, Any]] = []
    configurations = [(size, False, 1) for size in sizes] + [(sizes[0], True, 1)]
    if n_jobs > 1:
        configurations.append((sizes[0], False, n_jobs))
    names: list[str] = []
    versions: dict[str, str] = {}
    for size, only_wanted, jobs in configurations:
        rows = own.head(size)
        rows.to_parquet(data / "rows.parquet")
        options = ["--n-jobs", str(jobs), *(["--only-wanted"] if only_wanted else [])]
        script = Path(__file__).with_name("featuretools_peer.py")
        command = [str(peer), str(script), str(data), str(data / "rows.parquet"), str(data / "out.parquet"), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            runs.append({"rows": len(rows), "n_jobs": jobs, "failed": done.stderr[-2000:]})
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        out = pd.read_parquet(data / "out.parquet")
        names, versions = list(out), told["versions"]
        cells = same(ours(rows), out, f"featuretools at {size} rows")
        same_size, measured = ours.timed(rows), [what for what in ("cpu", "wall") if what in told]
        runs.append(
            {
                "rows": len(rows),
                "tables": "of these customers alone" if only_wanted else "all",
                "n_jobs": jobs,
                "cells compared": cells,
                "ms a row": {what: told[what] / len(rows) * 1e3 for what in measured},
                "over ours at as many rows": {what: told[what] / same_size[what] for what in measured},
                "over ours per row": {what: told[what] / len(rows) / per_row[what] for what in measured},
            }
        )
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    largest = next((one for one in reversed(runs[: len(sizes)]) if "failed" not in one), None)
    if largest is None:
        return {"runs": runs}
    return {
        "versions": versions,
        "features both compute": len(names),
        "not compared": [name for name in FEATURES if name not in names],
        "runs": runs,
        f"hours of processor time for {len(own)} rows, extrapolated": largest["ms a row"]["cpu"] * len(own) / 3.6e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sample", type=int, default=500)
    parser.add_argument("--peer", type=Path, help="interpreter that has featuretools and pandas below 3")
    parser.add_argument("--peer-rows", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--peer-jobs", type=int, default=1, help="so many processes too (featuretools[dask])")
    given = parser.parse_args()
    found: dict[str, Any] = {"order_lines": given.lines, "contacts": given.contacts, "features": len(FEATURES)}
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), Path(name) / "data"
        data.mkdir()
        make_data(data, given.lines, given.contacts, given.customers)
        add_times(data)
        workspace(folder / "ws", data, messy=False)
        rows = spines(data, given.rows)
        ours = Ours(folder / "ws")
        shared, own = rows["4 rows per customer"]
        ours(own.head(100))  # compiles
        found["cells compared"] = checked(ours, data, shared, own, given.sample)
        found["reading and checking, s"] = ours.reading
        found["features alone"] = turns = {
            shape: in_turns(ours.timed, *pair, given.pairs) for shape, pair in rows.items()
        }
        tables, monthly, moments = some_leads(given.rows)
        build_features(tables, moments.head(100), of=LEAD)
        of_leads = in_turns(partial(timed, tables, of=LEAD), monthly, moments, given.pairs)
        found["leads, features alone"] = {"features": len(default_features(LEAD))} | of_leads
        found["crm-ml features --spine"] = by_command(folder, shared, own, min(given.pairs, 3))
        print(json.dumps(found), file=sys.stderr, flush=True)
        if given.peer:
            own_run = turns["4 rows per customer"]
            per_row = {what: own_run[what]["own, microseconds a row"] / 1e6 for what in ("cpu", "wall")}
            arguments = given.peer, ours, data, own, per_row, given.peer_rows, given.peer_jobs
            found["featuretools"] = against_featuretools(*arguments)
        else:
            found["featuretools"] = "not measured: name an interpreter that has it with --peer (see README.md)"
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
