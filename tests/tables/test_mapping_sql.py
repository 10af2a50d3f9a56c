from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_ml.errors import DataError
from crm_ml.tables.parsing import TextRules
from crm_ml.tables.sealed import Sealed, SqlRefused, check_expression, quoted

ATTACKS = [
    "1) FROM read_text('/etc/passwd') --",
    "(SELECT count(*) FROM read_text('/etc/hostname')) > 0",
    "(SELECT content FROM read_text('/etc/passwd'))",
    "(FROM read_csv('/etc/passwd'))",
    "(SELECT count(*) FROM '/etc/passwd')",
    "(SELECT count(*) FROM glob('/etc/*'))",
    "(SELECT count(*) FROM 'https://example.org/x.parquet')",
    "glob('/etc/*')",
    "read_text('/etc/passwd')",
    "getenv('HOME')",
    "getvariable('x')",
    "current_setting('threads')",
    "current_user",
    "duckdb_settings()",
    "(SELECT count(*) FROM duckdb_settings())",
    "(SELECT count(*) FROM duckdb_secrets())",
    "(SELECT * FROM pragma_database_list)",
    "pragma_version()",
    "(SELECT 1 FROM frame)",
    "EXISTS (SELECT 1)",
    "1 IN (SELECT 1)",
    "(VALUES (1))",
    "(TABLE source)",
    "query('SELECT 1')",
    "1; COPY (SELECT 1) TO '/tmp/crm_ml_attack.csv'",
    "1; ATTACH '/tmp/crm_ml_attack.db'",
    "1; SET threads = 1",
    "1; INSTALL httpfs",
    "1; LOAD httpfs",
    "1; PRAGMA database_list",
    "1; CREATE TABLE t AS SELECT 1",
    "SET threads = 1",
    "COPY source TO '/tmp/crm_ml_attack.csv'",
    "1 FROM source UNION SELECT 2",
    "1), (2",
    "1 AS x",
    "*",
    "COLUMNS('.*')",
    "$1",
    "?",
    "now()",
    "current_date",
    "CURRENT_TIMESTAMP",
    "localtimestamp",
    "today()",
    "random()",
    "uuid()",
    "nextval('s')",
    "count(*)",
    "sum(net_amount)",
    "unnest([1, 2])",
    "sleep_ms(1000)",
    "ago(INTERVAL 1 DAY)",
    "json_execute_serialized_sql('{}')",
    "/* ",
    "",
    " ",
    "\0",
]


@pytest.mark.parametrize("where", [True, False])
@pytest.mark.parametrize("sql", ATTACKS)
def test_nothing_but_an_expression_over_the_source(tmp_path, orders, read, sql, where):
    orders.to_parquet(tmp_path / "o.parquet")
    columns = {name: name for name in orders.columns}
    mapping = {"source": "o.parquet", "columns": columns}
    if where and sql:
        mapping["where"] = sql
    elif sql:
        mapping["columns"] = {**columns, "net_amount": {"sql": sql}}
    else:
        return
    with pytest.raises(DataError, match="SQL") as caught:
        read({"order_lines": mapping})
    assert caught.value.exit_code == 3
    assert {finding.code for finding in caught.value.findings} <= {"sql_outside_sources", "sql_failed"}
    assert "root:" not in str(caught.value)


SECOND_FENCE = [
    "SELECT count(*) FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM frame",
    "SET threads = 1",
    "RESET enable_external_access",
    "ATTACH '{tmp}/x.db'",
    "COPY (SELECT 1) TO '{tmp}/x.csv'",
    "COPY (SELECT 1) TO '{tmp}/o.parquet'",
    "EXPORT DATABASE '{tmp}/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SELECT getenv('HOME')",
]


@pytest.mark.parametrize("statement", SECOND_FENCE)
def test_the_connection_itself_is_sealed(tmp_path, orders, statement):
    frame = orders
    frame.to_parquet(tmp_path / "o.parquet")
    before = (tmp_path / "o.parquet").read_bytes()
    file = tmp_path / "o.parquet"
    view = f"SELECT * FROM read_parquet('{file}')"
    import duckdb

    with Sealed(zone="UTC", rules=TextRules(), files=[file], view=view) as sealed:
        assert len(sealed.select({"a": "order_id"}, None)) == 4
        with pytest.raises(duckdb.Error, match=r"disabled|locked|does not exist|Cannot"):
            sealed._connection.execute(statement.replace("{tmp}", str(tmp_path))).fetchall()
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.parquet"]


@pytest.mark.parametrize(
    "sql",
    [
        "Quantity * Price",
        '"Customer ID" IS NOT NULL AND Price > 0',
        "CASE WHEN a > 1 THEN 'x' ELSE upper(b) END",
        "CAST(a AS DATE)",
        "a::DATE + INTERVAL 3 DAY",
        "date_trunc('month', a)",
        "coalesce(nullif(a, ''), b)",
        "a IN ('x', 'y') OR b BETWEEN 1 AND 2",
        "row_number() OVER (PARTITION BY a ORDER BY b)",
        "list_transform([1, 2], x -> x + a)[1]",
        "regexp_replace(a, '[^0-9]', '')",
        "a -- a remark",
        "number(a) * number(b)",
        "'won'",
        "TRY_CAST(a AS DOUBLE)",
        "strptime(a, '%d.%m.%Y')",
        "greatest(a, b)",
        "DATE '2008-05-01' + CAST(a / 40 AS INTEGER)",
    ],
)
def test_plain_expressions_are_fine(sql):
    assert check_expression(sql).sql == sql


def test_columns_called_like_functions_are_columns(tmp_path, read):
    frame = pd.DataFrame({"user": ["1"], "current_date": ["2025-01-01"], "random": [2.5], "version": ["A"]})
    frame.to_parquet(tmp_path / "o.parquet")
    columns = {
        "order_id": {"sql": "version"},
        "customer_id": {"sql": '"user"'},
        "ordered_at": {"sql": '"current_date"'},
        "net_amount": {"sql": "random * 2"},
    }
    got = read({"order_lines": {"source": "o.parquet", "columns": columns}}).frames["order_lines"]
    assert got.select(["order_id", "customer_id", "net_amount"]).to_pylist() == [
        {"order_id": "A", "customer_id": "1", "net_amount": 50000}
    ]
    assert str(got["ordered_at"][0]) == "2024-12-31 23:00:00+00:00"


NASTY = ['a"b', "a; DROP TABLE source; --", "ü 🙂", "x') --", "[1]", "a.b", "SELECT", "*", "$1", "\t", "__crm_0", "'"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(NASTY),
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10),
        ),
        min_size=4,
        max_size=4,
        unique_by=lambda name: name.casefold(),
    )
)
def test_any_column_name_is_only_a_name(tmp_path, read, names):
    values = [["A"], ["7"], ["2025-01-31"], [2.5]]
    pd.DataFrame(dict(zip(names, values, strict=True))).to_parquet(tmp_path / "o.parquet")
    targets = ["order_id", "customer_id", "ordered_at", "net_amount"]
    columns: dict = dict(zip(targets, names, strict=True))
    columns["quantity"] = {"sql": f"{quoted(names[3])} * 2"}
    mapping = {"source": "o.parquet", "columns": columns, "where": f"{quoted(names[0])} = 'A'"}
    row = read({"order_lines": mapping}).frames["order_lines"].to_pylist()[0]
    assert (row["order_id"], row["customer_id"], row["net_amount"], row["quantity"]) == ("A", "7", 25000, 50000)


def test_a_column_that_does_not_exist_in_an_expression(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "o.parquet")
    columns = {**{name: name for name in orders.columns}, "quantity": {"sql": "Menge * 2"}}
    with pytest.raises(DataError, match="Menge") as caught:
        read({"order_lines": {"source": "o.parquet", "columns": columns}})
    assert [(f.code, f.column) for f in caught.value.findings] == [("sql_failed", "quantity")]


def test_a_value_that_breaks_an_expression_names_it(tmp_path, orders, read):
    orders.to_parquet(tmp_path / "o.parquet")
    columns = {name: name for name in orders.columns}
    columns |= {"quantity": {"sql": "CAST(order_id AS INTEGER)"}, "cost_amount": {"sql": "1 / 2"}}
    with pytest.raises(DataError, match="Could not convert string 'A1'") as caught:
        read({"order_lines": {"source": "o.parquet", "columns": columns, "where": "customer_id"}})
    assert {f.column for f in caught.value.findings} == {"quantity", "where"} or len(caught.value.findings) == 1


def test_deeply_nested_text_is_refused_not_crashed():
    with pytest.raises(SqlRefused, match="expression"):
        check_expression("(" * 5000 + "1" + ")" * 5000)
