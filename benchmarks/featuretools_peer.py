"""The featuretools side of `cutoffs_per_row.py`; runs under an interpreter of its own, which has pandas 2.

Knows nothing of the package: reads the tables and the rows (customer, instant) of a folder, computes what of the sixty
features featuretools can say with aggregations, one `calculate_feature_matrix` per window with `training_window`, and
writes the matrix. Prints seconds as JSON. What is timed: the matrices alone; reading, preparing frames by hand
(purchases, days, sold and returned amounts) and building the entity set are not.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import featuretools as ft  # noqa: E402
import pandas as pd  # noqa: E402
from featuretools.primitives import Count, Max, Mean, Min, NumUnique, Sum  # noqa: E402

WINDOWS = (30, 90, 180, 365)
CHANNELS = ("email", "phone", "visit", "web", "ticket")


def entity_set(folder: Path, wanted: pd.Series, *, only_wanted: bool) -> ft.EntitySet:
    """Return the tables as featuretools wants them; with `only_wanted` nothing but the rows of these customers."""
    lines, bills, talks = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("order_lines", "invoices", "interactions")
    )
    if only_wanted:
        lines, bills, talks = (frame[frame["customer_id"].isin(wanted)] for frame in (lines, bills, talks))
    lines["sold"], lines["returned"] = lines["amount"].clip(lower=0), -lines["amount"].clip(upper=0)
    lines["line_id"] = range(len(lines))
    orders = lines.groupby(["order_id", "customer_id"], as_index=False).agg(
        at=("ordered_on", "min"), net=("amount", "sum")
    )
    orders = orders[orders["net"].round(4) > 0]
    orders["day"] = orders["at"].dt.normalize().astype("int64") / _day(orders["at"])
    orders["order_day"] = orders["day"]
    talks["day"] = talks["held_on"].dt.normalize().astype("int64") / _day(talks["held_on"])
    bills = bills[bills["amount"] > 0]
    es = ft.EntitySet("firm")
    customers = pd.DataFrame({"customer_id": wanted.unique()})
    es.add_dataframe(dataframe_name="customers", dataframe=customers, index="customer_id")
    kept = lines.loc[lines["amount"] >= 0, ["line_id", "customer_id", "ordered_on", "product_id"]].copy()
    paid = bills.loc[bills["paid_on"].notna(), ["invoice_id", "customer_id", "paid_on", "amount"]].copy()
    amounts = lines[["line_id", "customer_id", "ordered_on", "amount", "sold", "returned"]]
    texts = ("product_id", "order_day", "channel", "direction")
    for name, frame, key, at in (
        ("lines", amounts, "line_id", "ordered_on"),
        ("kept", kept, "line_id", "ordered_on"),
        ("orders", orders, "order_id", "at"),
        ("talks", talks, "interaction_id", "held_on"),
        ("bills", bills[["invoice_id", "customer_id", "issued_on", "amount"]], "invoice_id", "issued_on"),
        ("paid", paid, "invoice_id", "paid_on"),
    ):
        own = {column: "Categorical" for column in texts if column in frame}
        es.add_dataframe(dataframe_name=name, dataframe=frame.copy(), index=key, time_index=at, logical_types=own)
        es.add_relationship("customers", "customer_id", name, "customer_id")
    return es


def _day(times: pd.Series) -> int:
    return {"ns": 86_400_000_000_000, "us": 86_400_000_000, "ms": 86_400_000}[times.dt.unit]


def declared(es: ft.EntitySet) -> tuple[dict[int, dict[str, ft.Feature]], dict[str, ft.Feature]]:
    """Return the aggregations of each window and those without one, by name."""

    def made(frame: str, column: str, primitive: type, where: ft.Feature | None = None) -> ft.Feature:
        base = ft.Feature(es[frame].ww[column])
        return ft.Feature(base, parent_dataframe_name="customers", primitive=primitive, where=where)

    def is_(column: str, value: str) -> ft.Feature:
        return ft.Feature(es["talks"].ww[column]) == value

    windows: dict[int, dict[str, ft.Feature]] = {}
    for w in WINDOWS:
        windows[w] = {
            f"orders_count_{w}d": made("orders", "order_id", Count),
            f"orders_basket_mean_{w}d": made("orders", "net", Mean),
            f"orders_net_revenue_{w}d": made("lines", "amount", Sum),
            f"orders_products_count_{w}d": made("kept", "product_id", NumUnique),
            f"sold_{w}d": made("lines", "sold", Sum),
            f"returned_{w}d": made("lines", "returned", Sum),
            f"interactions_count_{w}d": made("talks", "interaction_id", Count),
            f"interactions_inbound_count_{w}d": made("talks", "interaction_id", Count, is_("direction", "inbound")),
        }
        if w in (90, 365):
            outbound = made("talks", "interaction_id", Count, is_("direction", "outbound"))
            windows[w][f"interactions_outbound_count_{w}d"] = outbound
            for channel in CHANNELS:
                own = made("talks", "interaction_id", Count, is_("channel", channel))
                windows[w][f"interactions_{channel}_count_{w}d"] = own
    always = {
        "last_order": made("orders", "day", Max),
        "first_order": made("orders", "day", Min),
        "order_days_count": made("orders", "order_day", NumUnique),
        "last_contact": made("talks", "day", Max),
        "last_inbound": made("talks", "day", Max, is_("direction", "inbound")),
        "billed": made("bills", "invoice_id", Count),
        "billed_amount": made("bills", "amount", Sum),
        "paid": made("paid", "invoice_id", Count),
        "paid_amount": made("paid", "amount", Sum),
    }
    return windows, always


def matrix(es: ft.EntitySet, rows: pd.DataFrame, options: dict[str, object]) -> pd.DataFrame:
    """Return one row per (customer, instant)."""
    windows, always = declared(es)
    parts = []
    for window, features in (*windows.items(), (None, always)):
        found = ft.calculate_feature_matrix(
            list(features.values()),
            entityset=es,
            cutoff_time=rows.rename(columns={"at": "time"}),
            training_window=f"{window} days" if window else None,
            include_cutoff_time=False,  # strictly before
            cutoff_time_in_index=True,
            approximate=None,
            verbose=False,
            **options,
        )
        found = found[[feature.get_name() for feature in features.values()]]
        parts.append(found.set_axis(list(features), axis=1))
    return pd.concat(parts, axis=1)


def finished(raw: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features under our names: differences and quotients of what featuretools aggregated."""
    keys = pd.MultiIndex.from_arrays([rows["customer_id"], rows["at"]])
    raw = raw.reindex(keys).astype("float64")
    today = rows["at"].dt.normalize().astype("int64").to_numpy() / _day(rows["at"])
    sums = [name for name in raw if "_count" in name or "revenue" in name or name.startswith(("billed", "paid"))]
    raw[sums] = raw[sums].fillna(0)
    for w in WINDOWS:
        raw[f"orders_returns_share_{w}d"] = raw.pop(f"returned_{w}d") / raw.pop(f"sold_{w}d").where(lambda x: x > 0)
    for name, day in (("days_since_last_order", "last_order"), ("days_since_first_order", "first_order"),
                      ("days_since_last_contact", "last_contact"),
                      ("days_since_last_inbound_contact", "last_inbound")):  # fmt: skip
        raw[name] = today - raw.pop(day)
    raw["invoices_open_count"] = raw.pop("billed") - raw.pop("paid")
    raw["invoices_open_amount"] = raw.pop("billed_amount") - raw.pop("paid_amount")
    return raw.reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--only-wanted", action="store_true")
    given = parser.parse_args()
    rows = pd.read_parquet(given.rows)
    es = entity_set(given.folder, rows["customer_id"], only_wanted=given.only_wanted)
    options: dict[str, object] = {"n_jobs": given.n_jobs}
    if given.n_jobs > 1:  # one cluster for all windows, started before the clock is
        from distributed import LocalCluster

        options["dask_kwargs"] = {"cluster": LocalCluster(n_workers=given.n_jobs, threads_per_worker=1)}
    matrix(es, rows.head(4), options)  # imports and first uses are not in the time
    wall, cpu = time.perf_counter(), time.process_time()
    raw = matrix(es, rows, options)
    spent = {"wall": time.perf_counter() - wall}
    if given.n_jobs == 1:  # that of workers cannot be told from that of starting them
        spent["cpu"] = time.process_time() - cpu
    out = finished(raw, rows)
    out.to_parquet(given.out)
    versions = {"python": platform.python_version(), "pandas": pd.__version__, "featuretools": ft.__version__}
    print(json.dumps(spent | {"features": out.shape[1], "versions": versions}))


if __name__ == "__main__":
    main()
