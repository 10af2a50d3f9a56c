"""Bad input, each with its exit code, a message that names cause and remedy, no trace, nothing half-written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ORDERS = "data/order_lines.parquet"


def files_of(ws: Path) -> set[str]:
    return {str(path.relative_to(ws)) for path in (ws / "published").rglob("*") if path.name != ".lock"}


def change(table: str, how):
    def apply(ws: Path) -> None:
        path = ws / "data" / f"{table}.parquet"
        frame = how(pd.read_parquet(path))
        frame.to_parquet(path, index=False)

    return apply


def edit(old: str, new: str):
    def apply(ws: Path) -> None:
        text = (ws / "crm.yaml").read_text()
        assert old in text
        (ws / "crm.yaml").write_text(text.replace(old, new))

    return apply


def orders_from_csv(source: str, write):
    def apply(ws: Path) -> None:
        write(pd.read_parquet(ws / ORDERS), ws / "orders.csv")
        edit("order_lines: {source: data/order_lines.parquet}", f"order_lines: {{source: {source}}}")(ws)

    return apply


def german(frame: pd.DataFrame, path: Path, encoding: str = "utf-8") -> None:
    frame = frame.assign(order_id="Ä" + frame.order_id, ordered_at=frame.ordered_at.dt.strftime("%Y-%m-%d %H:%M:%S"))
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding=encoding)


def amounts(value: object):
    def how(frame: pd.DataFrame) -> pd.DataFrame:
        column = frame["net_amount"].astype(object if isinstance(value, str) else float)
        if isinstance(value, str):
            column = column.astype(str)
        column.iloc[3] = value
        return frame.assign(net_amount=column)

    return how


def query(where: str):
    return edit("{source: data/order_lines.parquet}", f"{{source: data/order_lines.parquet, where: {where!r}}}")


# what is done to the workspace, the exit code, what the message must name
BROKEN = {
    "missing file": (lambda ws: (ws / ORDERS).unlink(), 3, "order_lines"),
    "truncated file": (lambda ws: (ws / ORDERS).write_bytes((ws / ORDERS).read_bytes()[:5000]), 3, "order_lines"),
    "zero bytes": (lambda ws: (ws / ORDERS).write_bytes(b""), 3, "order_lines"),
    "a folder in its place": (lambda ws: ((ws / ORDERS).unlink(), (ws / ORDERS).mkdir()), 3, "order_lines"),
    "text in its place": (lambda ws: (ws / ORDERS).write_text("order_id;net_amount\n"), 3, "order_lines"),
    "another table is broken": (lambda ws: (ws / "data/payments.parquet").write_bytes(b"PAR1"), 3, "payments"),
    "wrong delimiter": (orders_from_csv("orders.csv", german), 3, "delimiter"),
    "decimal not declared": (orders_from_csv("{path: orders.csv, delimiter: ';'}", german), 3, "decimal"),
    "wrong decimal": (orders_from_csv("{path: orders.csv, delimiter: ';', decimal: '.'}", german), 3, "net_amount"),
    "wrong encoding": (
        orders_from_csv("{path: orders.csv, delimiter: ';', decimal: ','}", lambda f, p: german(f, p, "cp1252")),
        3,
        "encoding",
    ),
    "required column gone": (change("order_lines", lambda f: f.drop(columns="net_amount")), 3, "net_amount"),
    "required column renamed": (
        change("order_lines", lambda f: f.rename(columns={"ordered_at": "date"})),
        3,
        "ordered_at",
    ),
    "text in an amount": (change("order_lines", amounts("viel")), 3, "net_amount"),
    "NaN in an amount": (change("order_lines", amounts(float("nan"))), 3, "net_amount"),
    "infinity in an amount": (change("order_lines", amounts(float("inf"))), 3, "net_amount"),
    "a key is null": (
        change("order_lines", lambda f: f.assign(customer_id=f.customer_id.where(f.index > 5))),
        3,
        "customer_id",
    ),
    "no rows at all": (change("order_lines", lambda f: f.head(0)), 3, "nothing is visible"),
    "SQL that reads another file": (query("(SELECT count(*) FROM read_text('/etc/hostname')) > 0"), 3, "order_lines"),
    "SQL that fails": (query("no_such_column > 0"), 3, "no_such_column"),
    "SQL that is two statements": (query("1=1; DROP TABLE x"), 3, "order_lines"),
    "SQL that never ends a text": (query('net_amount = "'), 3, "order_lines"),
    "unknown configuration key": (edit("currency:", "curency: EUR\ncurrency:"), 2, 'Did you mean "currency"'),
    "not YAML": (edit("version: 1", "version: [1"), 2, r"crm\.yaml line"),
    "no crm.yaml": (lambda ws: (ws / "crm.yaml").unlink(), 2, "crm-ml init"),
    "orders not mapped": (
        edit("  order_lines: {source: data/order_lines.parquet}\n", ""),
        3,
        "order_lines.*not mapped",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_input_has_its_code(runner, workspace, firm_day, name):
    apply, code, told = BROKEN[name]
    assert runner("score", "--as-of", firm_day, ws=workspace).code == 0
    before = files_of(workspace)
    apply(workspace)
    outcome = runner("score", "--as-of", firm_day, "--force", ws=workspace)
    assert outcome.code == code, (outcome.out, outcome.err)
    error = outcome.json["error"]
    assert re.search(told, error["message"], re.DOTALL), error["message"]
    assert error["exit_code"] == code
    assert "Traceback" not in outcome.err
    assert files_of(workspace) == before
    for finding in error["findings"]:
        assert finding["remedy"], finding


BAD_CALLS = {
    "before all data": (("score", "--as-of", "2001-01-01"), 3, "nothing is visible as of 2001-01-01"),
    "not a date": (("score", "--as-of", "03.03.2025"), 2, "as_of must be a date like"),
    "no such day": (("score", "--as-of", "2025-02-30"), 2, "as_of must be a date like"),
    "the year 9999": (("score", "--as-of", "9999-01-01"), 2, "as_of must lie between"),
    "earlier than the model": (("score", "--as-of", "2024-06-03"), 4, "was trained as of 2025-03-03"),
    "unknown option": (("score", "--as-off", "2025-03-03"), 2, "--as-off"),
    "unknown command": (("scor",), 2, "score"),
    "unknown model": (("train", "chrun"), 2, "chrun"),
    "leads not mapped": (("features", "leads", "--as-of", "2025-03-03", "--out", "x.parquet"), 3, "leads.*not mapped"),
    "leads not mapped, train": (("train", "leads", "--as-of", "2025-03-03"), 3, "leads.*not mapped"),
    "too early to train": (("train", "churn", "--as-of", "2022-10-01"), 4, "No snapshot is mature"),
    "features into nowhere": (
        ("features", "churn", "--as-of", "2025-03-03", "--out", "/nowhere/x.parquet"),
        2,
        "no folder",
    ),
    "features not as Parquet": (("features", "churn", "--as-of", "2025-03-03", "--out", "x.csv"), 2, r"\.parquet"),
    "no spine": (("features", "churn", "--spine", "/nowhere.parquet", "--out", "x.parquet"), 3, "no spine file"),
    "not there yet": (("segments", "churn"), 1, "not in this version"),
    "deals not mapped": (("forecast", "--as-of", "2025-03-03"), 3, "deals.*not mapped"),
    "explain nobody": (("explain", "churn", "0x0001", "--as-of", "2025-03-03"), 1, "no customer"),
    "explain who objects": (("explain", "churn", "00040", "--as-of", "2025-03-03"), 1, "object"),
    "daily before all data": (("daily", "--as-of", "2001-01-01"), 3, "nothing is visible"),
    "daily before the model": (("daily", "--as-of", "2025-03-02"), 4, "was trained as of 2025-03-03"),
    "daily no day": (("daily", "--as-of", "today"), 2, "must be a date"),
    "feedback of no file": (("feedback", "import", "/nowhere.xlsx"), 3, "nowhere.xlsx"),
    "feedback of no list": (("feedback", "import", "data/customers.parquet"), 3, "customers.parquet"),
    "feedback alone": (("feedback",), 2, ""),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_call_has_its_code(runner, workspace, tmp_path, name):
    args, code, told = BAD_CALLS[name]
    outcome = runner(*args, ws=workspace, cwd=str(tmp_path))
    assert outcome.code == code, (outcome.out, outcome.err)
    assert re.search(told, outcome.json["error"]["message"]), outcome.json
    assert "Traceback" not in outcome.err
    assert not (workspace / "published").exists() or files_of(workspace) == set()


def test_a_model_is_missing(runner, untrained, firm_day):
    outcome = runner("score", "--as-of", firm_day, ws=untrained)
    assert (outcome.code, outcome.json["error"]["code"]) == (1, "no_model")
    assert "crm-ml train churn" in outcome.err
    assert not (untrained / "mlflow").exists()


def test_nobody_is_eligible(runner, workspace, firm_day):
    outcome = runner("score", "--as-of", "2034-03-01", ws=workspace)
    assert outcome.code == 0, outcome.err
    assert outcome.json["rows"] == 0
    assert [finding["code"] for finding in outcome.json["findings"] if finding["severity"] == "warning"] == [
        "no_eligible_customer"
    ]
    table = pd.read_parquet(workspace / "published" / "2034-03-01" / "scores" / "churn_scores.parquet")
    full = runner("score", "--as-of", firm_day, ws=workspace)
    assert full.code == 0
    filled = pd.read_parquet(workspace / "published" / firm_day / "scores" / "churn_scores.parquet")
    assert list(table.columns) == list(filled.columns)
    assert len(table) == 0


def test_one_class_is_held_back_with_what_is_missing(runner, untrained, firm_day):
    orders = pd.read_parquet(untrained / ORDERS)
    ids = sorted(orders.customer_id.unique())
    days = pd.date_range("2022-09-01", "2025-03-01", freq="20D").as_unit("us")
    rows = [(f"{c}-{i}", c, day, 100.0) for c in ids for i, day in enumerate(days)]
    faithful = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "net_amount"])
    faithful.to_parquet(untrained / ORDERS, index=False)
    outcome = runner("train", "churn", "--as-of", firm_day, ws=untrained)
    assert (outcome.code, outcome.json["error"]["code"]) == (4, "one_class")
    assert "all" in outcome.json["error"]["message"]
    assert "Traceback" not in outcome.err
    assert not (untrained / "mlflow" / "mlflow.db").exists()


HARMLESS = {
    "other tables without rows": [
        change(name, lambda f: f.head(0)) for name in ("invoices", "payments", "interactions", "customers")
    ],
    "names full of traps": [
        change(
            "customers",
            lambda f: f.assign(
                name=[
                    [
                        '=HYPERLINK("http://x")',
                        "<script>alert(1)</script>",
                        "a\nb\tc",
                        "😀" * 50,
                        "x" * 100_000,
                        "\u202eabc",
                    ][i % 6]
                    for i in range(len(f))
                ]
            ),
        )
    ],
    "orders of unknown customers": [change("customers", lambda f: f.head(50))],
    "due before issued": [change("invoices", lambda f: f.assign(due_at=f.issued_at - pd.Timedelta(days=3)))],
    "exact repeats": [change("order_lines", lambda f: pd.concat([f, f.head(500)]))],
    "conflicting keys": [change("order_lines", lambda f: pd.concat([f, f.head(50).assign(net_amount=1.0)]))],
    "a column more": [change("order_lines", lambda f: f.assign(own=np.arange(len(f))))],
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_said_but_harmless(runner, workspace, firm_day, name):
    for apply in HARMLESS[name]:
        apply(workspace)
    outcome = runner("score", "--as-of", firm_day, ws=workspace)
    assert outcome.code == 0, outcome.err
    table = pd.read_parquet(workspace / "published" / firm_day / "scores" / "churn_scores.parquet")
    assert table.p_churn.between(0, 1).all()
    assert table.customer_id.is_unique
    assert len(table) > 100
    checked = runner("check", "--as-of", firm_day, ws=workspace)
    assert checked.code == 0, checked.err


def test_check_finds_everything_at_once(runner, workspace):
    change("order_lines", amounts("viel"))(workspace)
    (workspace / "data/payments.parquet").write_bytes(b"")
    change("invoices", lambda f: f.drop(columns="due_at"))(workspace)
    outcome = runner("check", ws=workspace)
    assert outcome.code == 3
    assert {f["table"] for f in outcome.json["findings"] if f["severity"] == "error"} == {
        "order_lines",
        "payments",
        "invoices",
    }
    assert outcome.json["counts"]["error"] >= 3
    assert outcome.json["error"]["findings"]
