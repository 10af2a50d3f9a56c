"""A small firm that every floor above the features can use: written once, trained once, copied where it is changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FIRM_DAY = "2025-03-03"
FIRM_YAML = """\
version: 1
currency: EUR
timezone: Europe/Berlin
language: en
tables:
  customers: {source: data/customers.parquet}
  interactions: {source: data/interactions.parquet}
  invoices: {source: data/invoices.parquet}
  order_lines: {source: data/order_lines.parquet}
  payments: {source: data/payments.parquet}
churn:
  active_days: 365
  gap_days: 0
  horizon_days: 90
  snapshots: {every_days: 45}
"""
CANARY = "Zacharias Kanarienvogel"


def write_small_firm(folder: Path, *, customers: int = 260, seed: int = 7) -> None:
    """Write a workspace whose customers order more and more slowly before they stay away; ids have leading zeros."""
    rng = np.random.default_rng(seed)
    start, days = pd.Timestamp("2022-09-01"), 1000
    rows = []
    for number in range(customers):
        gap = float(np.exp(rng.normal(3.2, 0.4)))
        end = rng.uniform(200, days) if rng.random() < 0.55 else 10.0 * days
        at = rng.uniform(0, 60)
        while at < days:
            tired = 1.0 + 2.0 * max(0.0, (at - end + 150) / 150) if at < end else 30.0
            rows.append((f"{number:05d}", at, float(np.exp(rng.normal(6, 0.5)))))
            at += rng.exponential(gap * tired) + 1
    orders = pd.DataFrame(rows, columns=["customer_id", "at", "net_amount"])
    count = len(orders)
    orders.insert(0, "order_id", [f"A{i:06d}" for i in range(count)])
    orders.insert(1, "line_no", "1")
    orders["ordered_at"] = (start + pd.to_timedelta(orders.pop("at"), unit="D")).dt.floor("s").astype("datetime64[us]")
    orders["net_amount"] = orders["net_amount"].round(2)
    day = orders["ordered_at"].dt.normalize()
    invoices = pd.DataFrame(
        {
            "invoice_id": "R" + orders["order_id"],
            "customer_id": orders["customer_id"],
            "issued_at": day,
            "due_at": day + pd.Timedelta(days=30),
            "amount": orders["net_amount"],
        }
    )
    late = pd.to_timedelta(rng.integers(-5, 20, count), unit="D")
    payments = pd.DataFrame(
        {
            "payment_id": "Z" + orders["order_id"],
            "invoice_id": invoices["invoice_id"],
            "paid_at": invoices["due_at"] + late,
            "amount": invoices["amount"],
        }
    )
    who = rng.integers(0, customers, 4 * customers)
    contacts = pd.DataFrame(
        {
            "interaction_id": [f"X{i}" for i in range(len(who))],
            "customer_id": [f"{i:05d}" for i in who],
            "occurred_at": (start + pd.to_timedelta(rng.uniform(0, days, len(who)), unit="D")).floor("s").as_unit("us"),
            "channel": rng.choice(["email", "phone", "visit"], len(who)),
            "direction": rng.choice(["inbound", "outbound"], len(who)),
        }
    )
    people = pd.DataFrame(
        {
            "customer_id": [f"{i:05d}" for i in range(customers)],
            "name": [f"{CANARY} {i} GmbH" for i in range(customers)],
            "email": [f"kanarienvogel{i}@example.org" for i in range(customers)],
            "account_manager_id": rng.choice(["AM1", "AM2"], customers),
            "profiling_objection": np.arange(customers) % 40 == 0,
        }
    )
    (folder / "data").mkdir(parents=True)
    tables = {
        "customers": people,
        "interactions": contacts,
        "invoices": invoices,
        "order_lines": orders,
        "payments": payments,
    }
    for name, frame in tables.items():
        frame.to_parquet(folder / "data" / f"{name}.parquet", index=False)
    (folder / "crm.yaml").write_text(FIRM_YAML, encoding="utf-8")


@pytest.fixture(scope="session")
def small_firm(tmp_path_factory):
    """A workspace without a model; not to be changed."""
    folder = tmp_path_factory.mktemp("firm") / "plain"
    write_small_firm(folder)
    return folder


@pytest.fixture(scope="session")
def trained_firm(small_firm, tmp_path_factory):
    """The same with a model that serves; not to be changed."""
    from crm_ml.jobs.train import train

    folder = tmp_path_factory.mktemp("trained") / "firm"
    shutil.copytree(small_firm, folder)
    result = train(folder, as_of=FIRM_DAY)
    assert result.verdict == "champion"
    return folder


@pytest.fixture
def workspace(trained_firm, tmp_path):
    """A copy of the trained firm, to be changed at will."""
    folder = tmp_path / "ws"
    shutil.copytree(trained_firm, folder, symlinks=True)
    return folder


@pytest.fixture
def untrained(small_firm, tmp_path):
    """A copy of the firm without a model, to be changed at will."""
    folder = tmp_path / "ws"
    shutil.copytree(small_firm, folder, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def firm_day():
    """A day on which the firm can be trained and scored."""
    return FIRM_DAY


@pytest.fixture(scope="session")
def canary():
    """A name that must not leave the firm's own tables."""
    return CANARY


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Runner:
    """`runner("score", ..., ws=folder)` runs `crm-ml score ...` in a process of its own and waits for it."""

    def __init__(self, server: subprocess.Popen, cache: Path) -> None:
        self.server = server
        self.cache = cache

    def request(self, *args: str, ws: Path | None = None, **more: object) -> dict:
        where = [] if ws is None else ["--workspace", str(ws), "--json"]
        return {"args": [*args, *where], "cache": str(self.cache), "cwd": str(self.cache), **more}

    def together(self, requests: list[dict]) -> list[Outcome]:
        self.server.stdin.write(json.dumps(requests) + "\n")
        self.server.stdin.flush()
        return [Outcome(**answer) for answer in json.loads(self.server.stdout.readline())]

    def __call__(self, *args: str, ws: Path | None = None, **more: object) -> Outcome:
        (outcome,) = self.together([self.request(*args, ws=ws, **more)])
        return outcome


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    cache = tmp_path_factory.mktemp("fits")
    command = [sys.executable, str(Path(__file__).parent / "command_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield Runner(server, cache)
        assert list(cache.glob("ml*")) == [], "something was written into the working directory"
        server.stdin.close()


@dataclass(frozen=True)
class Contenders:
    """A firm with registered one-column models and no training: their numbers by name; version 1 serves."""

    folder: Path
    versions: dict[str, str]
    day: str

    def copy(self, to: Path) -> Contenders:
        shutil.copytree(self.folder, to, symlinks=True)
        return Contenders(to, self.versions, self.day)


def one_column_model(rows: pd.DataFrame, y: np.ndarray, feature: str, sign: float, as_of: str, shift: float = 0.0):
    """A logistic model on one column, calibrated on the rows given."""
    import datetime as dt

    from crm_ml.models.calibration import Calibration, calibrate
    from crm_ml.models.columns import Column, ColumnContract
    from crm_ml.models.logistic import Logistic, Term
    from crm_ml.models.model import Label, Model

    scorer = Logistic(0.0, (Term(feature, 0.0, 20.0, 3.0, 1.0, sign, 0.0, 0.0),))
    contract = ColumnContract((Column(feature, "number"),))
    margin = scorer.margin(contract.encode(rows))
    days = pd.to_datetime(rows["as_of"]).to_numpy("datetime64[D]")
    found = calibrate(margin, y, days)
    found = Calibration(found.intercept + shift, found.slope)
    return Model(scorer, contract, found, Label(0, 90), dt.date.fromisoformat(as_of))


def register_model(folder: Path, model, *, verdict: str = "champion", recipe: str = "logistic", evaluation=None) -> str:
    """Log and register a model as a training would, and let nothing serve; return its number."""
    from tempfile import TemporaryDirectory

    from crm_ml.jobs import tracking
    from crm_ml.jobs.evaluations import write_evaluation
    from crm_ml.jobs.settings import open_workspace
    from crm_ml.models import write_bundle

    ws = open_workspace(folder)
    as_of = model.train_as_of.isoformat()
    with TemporaryDirectory() as name:
        sha = write_bundle(model, Path(name), {"verdict": verdict})
        (folder / "mlflow").mkdir(exist_ok=True)
        record = tracking.RunRecord("by hand", {}, {}, {}, {}, {}, Path(name))
        run_id = tracking.log_run(ws, record, experiment="churn")
    if evaluation is not None:
        write_evaluation(ws, run_id, evaluation, evaluation[["customer_id", "as_of"]])
    tags = {"sha256": sha, "as_of": as_of, "recipe": recipe, "verdict": verdict, "model_kind": model.kind}
    return tracking.register(ws, "churn", run_id, tags=tags)


@pytest.fixture(scope="session")
def contenders(small_firm, tmp_path_factory):
    """Registered models of known worth, the weak one serving; not to be changed (`copy` it)."""
    import warnings

    import crm_ml as crm
    from crm_ml.features import churn_labels, cutoff_us
    from crm_ml.jobs.inputs import read_inputs

    folder = tmp_path_factory.mktemp("contenders") / "firm"
    shutil.copytree(small_firm, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ws = crm.open_workspace(folder)
        tables = read_inputs(ws)
        rows = crm.build_features(ws, as_of=["2024-06-06", "2024-09-04", "2024-12-03"])
        until = cutoff_us(pd.Timestamp(FIRM_DAY).date(), tables.zone)
        y = churn_labels(tables, rows[["customer_id", "as_of"]], gap_days=0, horizon_days=90, known_until=until)
        made = {
            "weak": one_column_model(rows, y, "days_since_first_order", 0.3, "2024-03-04"),
            "good": one_column_model(rows, y, "days_since_last_order", 1.0, "2024-06-03"),
            "bad": one_column_model(rows, y, "days_since_last_order", -1.0, "2024-06-03"),
            "shifted": one_column_model(rows, y, "days_since_last_order", 1.0, "2024-06-04", shift=1.5),
            "fresh": one_column_model(rows, y, "days_since_last_order", 1.002, "2025-02-03"),
        }
        versions = {name: register_model(folder, model) for name, model in made.items()}
        versions["refused"] = register_model(folder, made["good"], verdict="refused")
        crm.promote(ws, version=versions["weak"], as_of="2024-06-03")
    return Contenders(folder, versions, FIRM_DAY)
