"""Runs `crm-ml` many times quickly: imports everything once, then forks a child for each run.

A child is a real process: it may be killed at a named point, after some time, or refused the disk. Requests and answers
are JSON lines on stdin and stdout. Not a test: `conftest.py` starts it.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import warnings
from datetime import date
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
STOPPING = (signal.SIGINT, signal.SIGTERM)


def preload() -> None:
    """Import what the commands import, and load the compiled kernels by using them once."""
    warnings.simplefilter("ignore")
    for name in (
        "alembic.command",
        "crm_ml.cli.app",
        "crm_ml.jobs.backtest",
        "crm_ml.jobs.demo",
        "crm_ml.jobs.feedback",
        "crm_ml.jobs.init",
        "crm_ml.models.explain.pictures",
        "holidays.countries",
        "jinja2",
        "lightgbm",
        "matplotlib.figure",
        "mlflow.store.model_registry.sqlalchemy_workspace_store",
        "mlflow.tracking",
        "mlflow.store.model_registry.sqlalchemy_store",
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "pyarrow.dataset",
        "sqlalchemy.dialects.sqlite",
        "xlsxwriter",
    ):
        importlib.import_module(name)
    import pandas as pd

    from crm_ml.features import build_features, churn_labels, make_spine
    from crm_ml.tables import from_frames

    day, days = date(2025, 3, 3), ["2025-01-05", "2025-02-05"]
    lines = {"order_id": ["1", "2"], "customer_id": ["1", "1"], "ordered_at": days, "net_amount": [1.0, 2.0]}
    invoices = {"invoice_id": ["1"], "customer_id": ["1"], "issued_at": days[:1], "due_at": days[1:], "amount": [1.0]}
    payments = {"payment_id": ["1"], "invoice_id": ["1"], "paid_at": days[1:], "amount": [1.0]}
    contacts = {"interaction_id": ["1"], "customer_id": ["1"], "occurred_at": days[:1], "channel": ["email"]}
    frames = {"order_lines": lines, "invoices": invoices, "payments": payments, "interactions": contacts}
    tables = from_frames({name: pd.DataFrame(frame) for name, frame in frames.items()})
    spine = make_spine(tables, [day], active_days=365)
    build_features(tables, spine)
    churn_labels(tables, spine, gap_days=0, horizon_days=1, known_until=0)


def refuse_connections() -> None:
    import socket

    def refused(*_args: object, **_kwargs: object) -> None:
        sys.stderr.write("CONNECTION ATTEMPTED\n")
        raise OSError("no connections in tests")

    socket.socket.connect = refused
    socket.socket.connect_ex = refused
    socket.getaddrinfo = refused


def remember_fits(cache: str) -> None:
    """Fit each training once, and draw no pictures: what is tested here is what happens around it."""
    job = importlib.import_module("crm_ml.jobs.train")
    importlib.import_module("crm_ml.jobs.training_record")._pictures = lambda *_: {}

    fit = job._fit

    def cached(problem, dataset, day, first, say, added):  # type: ignore[no-untyped-def]
        path = Path(cache) / f"{problem.kind}-{day}-{problem.config_hash}-{len(dataset)}"
        if not path.exists():
            path.write_bytes(pickle.dumps(fit(problem, dataset, day, first, say, added)))
        return pickle.loads(path.read_bytes())  # noqa: S301 - written a moment ago by this process

    job._fit = cached
    worker = importlib.import_module("crm_ml.jobs.backtest_worker")
    importlib.import_module("crm_ml.jobs.backtest_record")._pictures = lambda _: {}
    importlib.import_module("crm_ml.jobs.backtest_page")._source = lambda _: "data:image/png;base64,"
    train = worker._train

    def cached_every(task, cutoff, threads, say, stages):  # type: ignore[no-untyped-def]
        path = Path(cache) / f"every-{cutoff}-{len(task.dataset)}-{int(task.dataset.y.sum())}"
        if not path.exists():
            path.write_bytes(pickle.dumps(train(task, cutoff, threads, say, stages)))
        return pickle.loads(path.read_bytes())  # noqa: S301 - written a moment ago by this process

    worker._train = cached_every


def child(request: dict, out: str, err: str) -> None:
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    os.environ.update(request.get("env", {}))
    if "TZ" in request.get("env", {}):
        time.tzset()
    os.chdir(request.get("cwd", "/"))
    refuse_connections()
    if request.get("cache"):
        remember_fits(request["cache"])
    if request.get("file_limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"], request["file_limit"]))
    from crm_ml.cli import main

    # held back since the fork: a signal meets the command, never what set it up here
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    try:
        main(request["args"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def start(request: dict) -> tuple[int, str, str]:
    folder = tempfile.mkdtemp()
    out, err = f"{folder}/out", f"{folder}/err"
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    pid = os.fork()
    if pid == 0:
        child(request, out, err)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    return pid, out, err


def finish(pid: int, out: str, err: str) -> dict:
    _, status = os.waitpid(pid, 0)
    answer = {"code": os.waitstatus_to_exitcode(status), "out": _read(out), "err": _read(err)}
    for name in (out, err):
        Path(name).unlink(missing_ok=True)
    Path(out).parent.rmdir()
    return answer


def _read(name: str) -> str:
    return Path(name).read_text(errors="replace") if Path(name).exists() else ""


def serve() -> None:
    preload()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        requests = json.loads(line)
        running = [start(request) for request in requests]
        for (pid, _, _), request in zip(running, requests, strict=True):
            if "signal_after" in request:
                time.sleep(request["signal_after"])
                os.kill(pid, request.get("signal", signal.SIGKILL))
        sys.stdout.write(json.dumps([finish(*one) for one in running]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
