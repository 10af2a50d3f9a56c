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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feature_engine import CHANNELS, FEATURES, pandas_loop

DAY = dt.date(2024, 12, 1)
BEGIN, DAYS = np.datetime64("2020-01-01"), 1827
HORIZON_DAYS, ACTIVE_DAYS = 180, 1825
PER_MANAGER = 2500
CONTRIB_ROWS = 3000
TREES = 400
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


def workspace(folder: Path, data: Path, memory_gb: float | None = None) -> None:
    """Write crm.yaml and features.yaml over the files."""
    folder.mkdir(exist_ok=True)
    (folder / "crm.yaml").write_text(f"""\
version: 1
currency: EUR
timezone: UTC
language: de
company: Big Firm GmbH
reasons: {{share: 0.1}}
tracking: {{days: false}}
{"" if memory_gb is None else f"memory_gb: {memory_gb}"}
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


def train(small: Path) -> None:
    """Train on the sample as ever; then let a model of so many trees serve as firms with long histories get."""
    from dataclasses import replace

    from crm_ml.jobs import train as job
    from crm_ml.models.boosting import fit_boosting
    from crm_ml.models.columns import ColumnContract

    usual = job.train_model

    def trees(dataset: Any, plan: Any, **how: Any) -> Any:
        training = usual(dataset, plan, **how)
        # the columns that the pandas loop makes, too
        contract = ColumnContract(tuple(one for one in training.model.contract.columns if one.id in FEATURES))
        boosted = fit_boosting(contract.encode(dataset.frame), dataset.y, contract, rounds=TREES, seed=1)
        return replace(training, model=replace(training.model, scorer=boosted, contract=contract))

    job.train_model = trees
    print(json.dumps({"version": job.train(small, as_of=DAY).version}))


def stock(data: Path, bundle: Path, out: Path) -> dict[str, Any]:
    """Do the day with stock parts; return seconds by stage, those of reasons multiplied to the riskiest tenth."""
    import lightgbm

    from crm_ml.models.bundle import load_bundle

    model, booster = load_bundle(bundle), lightgbm.Booster(model_file=str(bundle / "model.txt"))
    seconds: dict[str, float] = {}
    worked: dict[str, float] = {}

    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def lap(name: str, since: tuple[float, float]) -> tuple[float, float]:
        seconds[name], worked[name] = (end - begin for end, begin in zip(now(), since, strict=True))
        return now()

    at = now()
    pandas_loop(data, [DAY], out / "features.parquet")
    frame = pd.read_parquet(out / "features.parquet")
    at = lap("features", at)
    x = frame[list(booster.feature_name())]
    margin = booster.predict(x, raw_score=True, validate_features=True)
    frame["p"] = model.probability(np.asarray(margin), frame)
    at = lap("scores", at)
    riskiest = frame["p"].nlargest(-(-len(frame) // 10)).index
    some = riskiest[:: max(1, len(riskiest) // CONTRIB_ROWS)][:CONTRIB_ROWS]
    at = now()
    parts = booster.predict(x.loc[some], pred_contrib=True)[:, :-1]
    lap("reasons", at)
    times = len(riskiest) / len(some)
    added = {"wall": seconds["reasons"] * (times - 1), "cpu": worked["reasons"] * (times - 1)}
    seconds["reasons"], worked["reasons"] = seconds["reasons"] * times, worked["reasons"] * times
    names = np.array(booster.feature_name())[np.argsort(-parts, axis=1)[:, :3]]
    why = pd.Series([", ".join(row) for row in names], index=some)
    at = now()
    people = pd.read_parquet(data / "customers.parquet")
    frame = frame.merge(people, on="customer_id", how="left")
    frame["reasons"] = why
    frame["tier"] = np.select([frame["p"] >= 0.6, frame["p"] >= 0.3], ["high", "medium"], "low")
    frame["value"] = frame["orders_net_revenue_365d"]
    frame["priority"] = frame["p"] * frame["value"]
    frame = frame.sort_values("priority", ascending=False)
    at = lap("tiers", at)
    shown = ["customer_id", "account_manager_id", "p", "tier", "value", "priority", "reasons"]
    frame[shown].to_parquet(out / "scores.parquet")
    for manager, own in frame.groupby("account_manager_id"):
        own.head(10)[["name", "phone", *shown]].to_csv(out / f"{manager}.csv", index=False)
    lap("lists", at)
    frame[["customer_id", "p"]].to_parquet(out / "p.parquet")
    rows = {"rows": len(frame), "riskiest_tenth": len(riskiest), "pred_contrib_measured_rows": len(some)}
    return {"seconds": seconds, "processor_seconds": worked, "pred_contrib_added": added, **rows}


def timed(folder: Path, *command: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a command that prints one JSON object; return what it cost and the object."""
    code = """if True:
        import json, os, resource, subprocess, sys, time
        begin = time.perf_counter()
        # compiled files of Python are kept, as wherever it is installed
        env = {name: x for name, x in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with open(sys.argv[1], "wb") as out, open(sys.argv[1] + ".log", "wb") as log:
            subprocess.run(sys.argv[2:], check=True, stdout=out, stderr=log, env=env)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
        print(json.dumps({"wall": time.perf_counter() - begin, "cpu": cpu, "mb": used.ru_maxrss / 1024}))
    """
    out = folder / "said.json"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(out), *command], check=True, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{error.stderr}\n{Path(f'{out}.log').read_text()}") from None
    return json.loads(done.stdout), json.loads(out.read_text().strip().splitlines()[-1])


def same_probabilities(published: Path, loop: Path) -> dict[str, float]:
    """Compare the probabilities of both sides; a float's last digits may put a row on the other side of a threshold."""
    ours = pd.read_parquet(published / "churn_scores.parquet", columns=["customer_id", "p_churn"])
    theirs = pd.read_parquet(loop / "p.parquet")
    ours["customer_id"] = ours["customer_id"].astype(np.int64)
    both = ours.merge(theirs, on="customer_id", how="outer", validate="one_to_one", indicator=True)
    assert (both["_merge"] == "both").all(), "not the same customers"
    apart = (both["p_churn"] - both["p"]).abs()
    assert (apart < 1e-6).mean() > 0.999, f"probabilities differ: {apart.describe()}"
    return {"rows": len(both), "equal_to_1e-6": float((apart < 1e-6).mean()), "largest_difference": float(apart.max())}


def measure(
    folder: Path, customers: int, lines: int, contacts: int, *, sample: int = 20_000, memory_gb: float | None = None
) -> dict[str, Any]:
    """Make the firm and the model, do the day once with each side, and give seconds by stage and ratios."""
    data, small, big, out = (folder / name for name in ("data", "small", "big", "stock"))
    out.mkdir(parents=True, exist_ok=True)
    command, me = str(Path(sys.executable).with_name("crm-ml")), [sys.executable, __file__]
    if not big.exists():  # else it was made by a run before
        data.mkdir()
        make_firm(data, lines, contacts, customers)
        make_sample(data, folder / "sample", min(sample, customers))
        workspace(small, folder / "sample")
        timed(folder, *me, "--train", str(small))
        shutil.copytree(small, big, symlinks=True)
    workspace(big, data, memory_gb)
    day = ("--as-of", str(DAY), "--json")
    timed(folder, command, "daily", *day, "--force", "--workspace", str(small))  # compiles
    cost, said = timed(folder, command, "daily", *day, "--force", "--workspace", str(big))
    published = big / "published" / str(DAY)
    manifest = json.loads((published / "scores" / "manifest.json").read_text())
    bundle = big / "mlflow" / "bundles" / manifest["inputs"]["model"]["sha256"]
    theirs, stages = timed(folder, *me, "--stock", str(data), "--bundle", str(bundle), "--out", str(out))
    added = stages["pred_contrib_added"]  # what was not run, but multiplied
    theirs = {**theirs, "wall": theirs["wall"] + added["wall"], "cpu": theirs["cpu"] + added["cpu"]}
    ours, worked = (
        {"start": cost[total] - sum(said[key].values()), **said[key]}
        for total, key in (("wall", "seconds"), ("cpu", "processor_seconds"))
    )
    files = list((published / "lists").iterdir())
    return {
        "customers": customers,
        "order_lines": lines,
        "contacts": contacts,
        "trees": TREES,
        "ours": {**cost, "seconds": ours, "processor_seconds": worked},
        "stock": {**theirs, **stages},
        "ratio_wall": theirs["wall"] / cost["wall"],
        "ratio_cpu": theirs["cpu"] / cost["cpu"],
        "ratio_cpu_after_features": _after(stages["processor_seconds"]) / _after(worked),
        "compared": same_probabilities(published / "scores", out),
        "lists": {
            "lists": len(said["lists"]),
            "entries": said["rows"],
            "files": len(files),
            "mb": sum(file.stat().st_size for file in files) / 1e6,
            "scores_mb": (published / "scores" / "churn_scores.parquet").stat().st_size / 1e6,
        },
    }


def _after(seconds: Mapping[str, float]) -> float:
    return sum(x for name, x in seconds.items() if name not in ("start", "reading", "comparing", "features"))


COLOURS = {
    "start": "#57606a", "reading": "#0b4a82", "comparing": "#5b8db8", "model": "#8b949e", "features": "#12758a",
    "scores": "#b98900", "tiers": "#7a5195", "reasons": "#c8502a", "decisions": "#9a6fb0", "lists": "#3f7f3f",
    "publishing": "#77a877", "records": "#8b949e",
}  # fmt: skip


def picture(found: Mapping[str, Any]) -> str:
    """Draw where processor time goes: both sides on one scale, and ours again on a scale of its own."""
    stock, ours = found["stock"]["processor_seconds"], found["ours"]["processor_seconds"]
    wide, left, parts = 640, 150, []
    rows = (
        (36, "stock parts", stock, sum(stock.values())),
        (96, "crm-ml", ours, sum(stock.values())),
        (176, "crm-ml, enlarged", ours, sum(ours.values())),
    )
    for top, title, seconds, scale in rows:
        at = float(left)
        parts.append(f'<text x="{left - 10}" y="{top + 19}" text-anchor="end" class="t">{title}</text>')
        for name, x in seconds.items():
            width = wide * x / scale
            tip = f"<title>{name}: {x:.1f} s</title>"
            parts.append(
                f'<rect x="{at:.1f}" y="{top}" width="{width:.1f}" height="28" fill="{COLOURS[name]}">{tip}</rect>'
            )
            if width > 8 * len(name):
                parts.append(
                    f'<text x="{at + width / 2:.1f}" y="{top + 18}" text-anchor="middle" class="w">{name}</text>'
                )
            at += width
        parts.append(f'<text x="{at + 6:.1f}" y="{top + 19}" class="t">{sum(seconds.values()):.0f} s</text>')
    legend, x = [], left
    for number, (name, seconds) in enumerate(ours.items()):
        x, y = left + number % 4 * 165, 232 + number // 4 * 20
        legend.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[name]}"/>')
        theirs = f" ({stock[name]:.0f})" if name in stock else ""
        legend.append(f'<text x="{x + 18}" y="{y}" class="t">{name} {seconds:.1f}{theirs} s</text>')
    sizes = (f"{found[key]:,} {word}" for key, word in
             (("customers", "customers"), ("order_lines", "order lines"), ("contacts", "contacts")))  # fmt: skip
    head = f"{', '.join(sizes)}, one day: seconds of processors"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 300" width="860" height="300" role="img" '
        f'aria-label="Where the time goes: {head}"><style>text{{font:13px sans-serif;fill:#1f2328}}'
        ".w{fill:#fff;font-size:12px}.h{font-weight:bold}</style>"
        f'<rect width="860" height="300" fill="#fff"/><text x="10" y="20" class="h">{head}</text>'
        + "".join((*parts, *legend))
        + f'<text x="{left}" y="294" class="t">in brackets: stock parts; their reasons are measured on '
        f"{found['stock']['pred_contrib_measured_rows']:,} rows and multiplied</text>" + "</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--contacts", type=int, default=10_000_000)
    parser.add_argument("--sample", type=int, default=20_000, help="customers that the model is trained on")
    parser.add_argument("--memory-gb", type=float, help="the setting of crm.yaml; beyond it columns lie in files")
    parser.add_argument("--folder", type=Path, help="where to work and leave everything; default: a temporary folder")
    parser.add_argument("--picture", type=Path, help="SVG file to draw")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stock", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bundle", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        return train(given.train)
    if given.stock:
        print(json.dumps(stock(given.stock, given.bundle, given.out)))
        return None
    sizes = given.customers, given.lines, given.contacts
    named = {"sample": given.sample, "memory_gb": given.memory_gb}
    if given.folder:
        found = measure(given.folder.absolute(), *sizes, **named)
    else:
        with tempfile.TemporaryDirectory() as name:
            found = measure(Path(name), *sizes, **named)
    if given.picture:
        given.picture.write_text(picture(found), encoding="utf-8")
    print(json.dumps(found, indent=1))
    return None


if __name__ == "__main__":
    main()
