"""A million customers from files to lists: `crm-ml daily` for one day against the same day with stock parts.

A firm is made (order lines, invoices with the day they were paid, contacts, customers with account managers), a model
is trained on a sample of its customers outside the measured time, and one day is scored and published: features,
scores, reasons, tiers, decisions, lists. The stock parts are a pandas loop for the features, LightGBM's `predict`, its
`pred_contrib` for the riskiest tenth, pandas for tiers and lists; the same model, the same features. `pred_contrib` is
measured on some rows and multiplied, and said so. Each side runs in a process of its own; wall and processor seconds,
peak memory and the seconds of each stage are printed as one JSON document. `--picture` draws where the time goes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from feature_engine import CHANNELS, FEATURES, pandas_loop, run

DAY = dt.date(2024, 12, 1)
BEGIN, DAYS = np.datetime64("2020-01-01"), 1827
HORIZON_DAYS, ACTIVE_DAYS = 180, 1825
PER_MANAGER = 2500
CONTRIB_ROWS = 3000
INDUSTRIES = ("machines", "plastics", "food", "chemistry", "energy", "retail", "health", "construction")
NAMES = ("Nord", "Berg", "Lind", "Stein", "Hafen", "Wald", "Rhein", "Elbe", "Kron", "Falk")
FORMS = ("GmbH", "AG", "KG", "GmbH & Co. KG")


def make_firm(folder: Path, lines: int, contacts: int, customers: int, *, seed: int = 11) -> None:
    """Write the tables of a firm whose customers order in a rhythm of their own, slow down, and leave."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 1500, customers)
    leaves = rng.random(customers) < 0.35
    end = np.where(leaves, start + 60 + (rng.random(customers) * (DAYS - start)).astype(np.int64), DAYS).clip(max=DAYS)
    weight = rng.gamma(1.5, 1.0, customers) * (end - start)
    share = np.cumsum(weight) / weight.sum()

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        who = np.searchsorted(share, rng.random(count)).clip(0, customers - 1)
        # those who leave slow down before: their days lie nearer to the beginning
        when = rng.random(count) ** np.where(leaves[who], 1.4, 1.0)
        return who, start[who] + (when * (end[who] - start[who])).astype(np.int64)

    orders = max(lines // 3, customers)
    who, day = drawn(orders - customers)
    who, day = np.concatenate((np.arange(customers), who)), np.concatenate((start, day))
    sort = np.argsort(day, kind="stable")
    who, day = who[sort], day[sort]
    size = rng.multinomial(max(lines - orders, 0), np.full(orders, 1 / orders)) + 1
    order = np.repeat(np.arange(orders), size)
    amount = np.round(rng.lognormal(4 + (who[order] % 7) / 5, 0.8), 2) * np.where(rng.random(len(order)) < 0.03, -1, 1)
    frame = {
        "order_id": order,
        "customer_id": who[order],
        "ordered_on": BEGIN + day[order],
        "product_id": (who[order] * 7919 + rng.geometric(0.08, len(order))) % 5000,
        "amount": amount,
    }
    pd.DataFrame(frame).to_parquet(folder / "order_lines.parquet")
    total = np.round(np.bincount(order, weights=amount), 2)
    due = day + np.array([14, 30, 60])[who % 3]
    late = rng.gamma(1.2, 8, orders) + np.where(leaves[who], 10 * rng.random(orders), 0)
    bills = pd.DataFrame({"invoice_id": np.arange(orders), "customer_id": who, "issued_on": BEGIN + day})
    paid = np.maximum(day + 1, due + late.astype(np.int64) - 8)
    bills = bills.assign(due_on=BEGIN + due, paid_on=BEGIN + paid, amount=total)
    bills.loc[rng.random(orders) < 0.005, "paid_on"] = pd.NaT
    bills.to_parquet(folder / "invoices.parquet")
    who, day = drawn(contacts)
    sort = np.argsort(day, kind="stable")
    frame = {"interaction_id": np.arange(contacts), "customer_id": who[sort], "held_on": BEGIN + day[sort]}
    direction = np.where(rng.random(contacts) < 0.55, "inbound", "outbound")
    frame |= {"channel": np.array(CHANNELS)[rng.integers(0, 5, contacts)], "direction": direction}
    pd.DataFrame(frame).to_parquet(folder / "interactions.parquet")
    _make_people(folder, customers, rng)


def _make_people(folder: Path, customers: int, rng: np.random.Generator) -> None:
    number = np.arange(customers)
    managers = max(2, customers // PER_MANAGER)
    text = pd.Series(number).astype(str)
    name = pd.Series(np.array(NAMES)[number % 10]) + pd.Series(np.array(NAMES)[number // 10 % 10]).str.lower()
    frame = {
        "customer_id": number,
        "name": name + " " + text + " " + pd.Series(np.array(FORMS)[number % 4]),
        "industry": np.array(INDUSTRIES)[rng.integers(0, 8, customers)],
        "region": np.char.add("R", rng.integers(1, 17, customers).astype(str)),
        "country": np.where(rng.random(customers) < 0.9, "DE", "AT"),
        "employees": rng.lognormal(3.5, 1.2, customers).astype(np.int64) + 1,
        "account_manager_id": np.char.add("AM", np.char.zfill(rng.integers(0, managers, customers).astype(str), 4)),
        "phone": "+49 30 " + text.str.zfill(7),
        "email": "einkauf@k" + text + ".example",
        "language": np.where(rng.random(customers) < 0.9, "de", "en"),
        "marketing_basis": np.array(["existing_customer", "consent", "none"])[rng.integers(0, 3, customers)],
        "natural_person": rng.random(customers) < 0.02,
        "objects": rng.random(customers) < 0.0,
    }
    pd.DataFrame(frame).to_parquet(folder / "customers.parquet")
    number = np.arange(managers)
    staff = {
        "account_manager_id": np.char.add("AM", np.char.zfill(number.astype(str), 4)),
        "name": np.char.add("Manager ", number.astype(str)),
        "email": np.char.add(np.char.add("m", number.astype(str)), "@firm.example"),
        "daily_capacity": 8 + number % 8,
    }
    pd.DataFrame(staff).to_parquet(folder / "account_managers.parquet")


def make_sample(data: Path, folder: Path, customers: int) -> None:
    """Write the rows of the first customers only."""
    folder.mkdir()
    for file in sorted(data.glob("*.parquet")):
        filters = None if file.stem == "account_managers" else [("customer_id", "<", customers)]
        pd.read_parquet(file, filters=filters).to_parquet(folder / file.name)


def workspace(folder: Path, data: Path) -> None:
    """Write crm.yaml and features.yaml over the files."""
    folder.mkdir(exist_ok=True)
    (folder / "crm.yaml").write_text(f"""\
version: 1
currency: EUR
timezone: UTC
language: de
company: Big Firm GmbH
tables:
  order_lines:
    source: {data}/order_lines.parquet
    columns: {{order_id: order_id, customer_id: customer_id, ordered_at: ordered_on, product_id: product_id,
              net_amount: amount}}
  invoices:
    source: {data}/invoices.parquet
    columns: {{invoice_id: invoice_id, customer_id: customer_id, issued_at: issued_on, due_at: due_on, amount: amount}}
  payments:
    source: {data}/invoices.parquet
    where: paid_on is not null
    columns: {{payment_id: invoice_id, invoice_id: invoice_id, paid_at: paid_on, amount: amount}}
  interactions:
    source: {data}/interactions.parquet
    columns: {{interaction_id: interaction_id, customer_id: customer_id, occurred_at: held_on, channel: channel,
              direction: direction}}
  customers:
    source: {data}/customers.parquet
    columns: {{customer_id: customer_id, name: name, industry: industry, region: region, country: country,
              employees: employees, account_manager_id: account_manager_id, phone: phone, email: email,
              language: language, marketing_basis: marketing_basis, is_natural_person: natural_person,
              profiling_objection: objects}}
  account_managers:
    source: {data}/account_managers.parquet
    columns: {{account_manager_id: account_manager_id, name: name, email: email, daily_capacity: daily_capacity}}
churn: {{active_days: {ACTIVE_DAYS}, horizon_days: {HORIZON_DAYS}, snapshots: {{every_days: 90, history_days: 900}}}}
""")
    (folder / "features.yaml").write_text("use:\n" + "".join(f"  - {name}\n" for name in FEATURES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--contacts", type=int, default=10_000_000)
    parser.add_argument("--sample", type=int, default=20_000, help="customers that the model is trained on")
    parser.add_argument("--make", type=Path)
    given = parser.parse_args()
    if given.make:
        (given.make / "data").mkdir(parents=True)
        make_firm(given.make / "data", given.lines, given.contacts, given.customers)
        make_sample(given.make / "data", given.make / "sample", given.sample)
        workspace(given.make / "small", given.make / "sample")
        command = str(Path(sys.executable).with_name("crm-ml"))
        out = subprocess.run([command, "train", "churn", "--as-of", str(DAY), "--workspace", str(given.make / "small"), "--json"], capture_output=True, text=True)
        print(out.stdout, out.stderr)
        shutil.copytree(given.make / "small", given.make / "big", symlinks=True)
        workspace(given.make / "big", given.make / "data")


if __name__ == "__main__":
    main()
