"""The morning's batch job: both sets, once, with what was answered before."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
import sqlite3

import pandas as pd
import pytest

from crm_ml.actions.lists.columns import column_of
from crm_ml.errors import HeldBack, UsageError
from crm_ml.jobs.daily import run_daily
from crm_ml.jobs.feedback import import_feedback
from crm_ml.jobs.publish import inspect_set

NEXT_DAY, LATER = "2025-03-04", "2025-03-20"


def lists(ws, day):
    return ws / "published" / day / "lists"


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_list(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = list(csv.reader(file, delimiter=";"))
    names = [column_of(head).id for head in heads]
    # an apostrophe keeps the zeros of a number in spreadsheets
    return [{name: value.removeprefix("'") for name, value in zip(names, row, strict=True)} for row in rows]


def answer(path, target, said):
    """Return the list with the answers written in: key -> (answer, date, note), in the words of the list."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = list(csv.reader(file, delimiter=";"))
    names = [column_of(head).id for head in heads]
    for row in rows:
        for name, value in zip(("answer", "again_on", "note"), said.get(row[names.index("key")], ()), strict=False):
            row[names.index(name)] = value
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([heads, *rows])
    return target


@pytest.fixture(scope="module")
def done(trained_firm, tmp_path_factory, firm_day):
    """The firm with the lists of one day; not to be changed."""
    ws = tmp_path_factory.mktemp("daily") / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    return ws, run_daily(ws, as_of=firm_day)


@pytest.fixture
def firm(done, tmp_path):
    ws = tmp_path / "copy"
    shutil.copytree(done[0], ws, symlinks=True)
    return ws


def test_both_sets_are_published_with_a_list_in_three_formats_for_each_manager(done, firm_day):
    ws, result = done
    folder = lists(ws, firm_day)
    assert inspect_set(folder).intact
    assert inspect_set(folder.parent / "scores").intact
    assert result.published == folder
    assert result.lists == {"AM1": 10, "AM2": 10}
    assert {f"{name}.{kind}" for name in ("AM1", "AM2") for kind in ("csv", "xlsx", "html")} <= set(bytes_of(folder))
    actions = pd.read_parquet(folder / "actions.parquet")
    assert result.rows == len(actions) == 20
    assert actions.groupby("account_manager_id")["expected_gain"].apply(lambda gain: gain.is_monotonic_decreasing).all()


def test_expected_gain_is_priority_times_save_rate_less_cost(done, firm_day):
    ws, _ = done
    scores = pd.read_parquet(ws / "published" / firm_day / "scores" / "churn_scores.parquet")
    decisions = pd.read_parquet(lists(ws, firm_day) / "decisions.parquet")
    both = decisions.merge(scores[["customer_id", "priority"]], left_on="subject_id", right_on="customer_id")
    acted = both[both["action"] != "none"]
    assert len(acted) > 20
    wanted = acted["priority"] * acted["save_rate"] - acted["cost"]
    pd.testing.assert_series_equal(acted["expected_gain"], wanted, check_names=False, rtol=1e-12)
    assert len(decisions) == len(scores)
    assert decisions["rule"].notna().all()
    assert decisions["policy_version"].str.contains(r"\([0-9a-f]{8}\)$").all()
    assert all(isinstance(json.loads(text), dict) for text in decisions["inputs"])


def test_the_reasons_add_up_to_the_margin_and_stand_on_the_list(done, firm_day):
    ws, _ = done
    scores = pd.read_parquet(ws / "published" / firm_day / "scores" / "churn_scores.parquet").set_index("customer_id")
    sums = scores["reasons"].apply(lambda reasons: sum(reason["contribution"] for reason in reasons))
    assert (sums + scores["base_value"] - scores["margin"]).abs().max() < 1e-9
    for row in read_list(lists(ws, firm_day) / "AM1.csv"):
        reasons = [
            r for r in scores.loc[row["subject_id"], "reasons"] if r["group"] != "rest" and r["contribution"] > 0
        ]
        if reasons:
            assert row["reason_1"] == reasons[0]["text_en"]


def test_twice_is_once_and_forced_is_the_same(firm, firm_day):
    before = bytes_of(lists(firm, firm_day))
    again = run_daily(firm, as_of=firm_day)
    assert again.already_published
    assert again.rows == 20
    forced = run_daily(firm, as_of=firm_day, force=True)
    assert not forced.already_published
    assert bytes_of(lists(firm, firm_day)) == before


def test_a_dry_run_writes_nothing(trained_firm, tmp_path, firm_day):
    ws = tmp_path / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    before = sorted(path.relative_to(ws) for path in ws.rglob("*") if "bundles" not in path.parts)
    result = run_daily(ws, as_of=firm_day, dry_run=True)
    assert result.rows == 20
    assert result.published is None
    assert sorted(path.relative_to(ws) for path in ws.rglob("*") if "bundles" not in path.parts) == before


def test_a_model_of_a_later_day_holds_the_lists_back(firm):
    with pytest.raises(HeldBack, match="was trained as of 2025-03-03"):
        run_daily(firm, as_of="2025-03-02")
    assert not (firm / "published" / "2025-03-02").exists()


def test_another_policy_makes_other_lists_and_leaves_the_scores(firm, firm_day):
    from crm_ml.actions.policy import policy_yaml

    scores = (firm / "published" / firm_day / "scores").resolve()
    (firm / "policy.yaml").write_text(
        policy_yaml().replace("daily_capacity: 10", "daily_capacity: 3"), encoding="utf-8"
    )
    with (firm / "crm.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")
    result = run_daily(firm, as_of=firm_day)
    assert result.lists == {"AM1": 3, "AM2": 3}
    assert result.scored.already_published
    assert (firm / "published" / firm_day / "scores").resolve() == scores


def test_a_faulty_policy_is_named_before_anything_is_written(firm, firm_day):
    (firm / "policy.yaml").write_text("version: '1'\nactons: {}\nrules: []\n", encoding="utf-8")
    with (firm / "crm.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")
    before = lists(firm, firm_day).resolve()
    with pytest.raises(UsageError, match='Did you mean "actions"'):
        run_daily(firm, as_of=firm_day)
    assert lists(firm, firm_day).resolve() == before


def test_answered_customers_leave_the_list_and_snoozed_ones_return(firm, firm_day, tmp_path):
    rows = read_list(lists(firm, firm_day) / "AM1.csv")
    done_, later, wrong = rows[0], rows[1], rows[2]
    said = {
        done_["key"]: ("done", "", ""),
        later["key"]: ("not now", LATER, ""),
        wrong["key"]: ("wrong", "", "closed since January"),
    }
    file = answer(lists(firm, firm_day) / "AM1.csv", tmp_path / "back.csv", said)
    taken = import_feedback(firm, file, as_of=firm_day)
    assert (taken.recorded, taken.refused) == (3, ())
    # the list that was answered stays as it was
    assert run_daily(firm, as_of=firm_day).already_published
    run_daily(firm, as_of=NEXT_DAY)
    next_ = {row["subject_id"] for row in read_list(lists(firm, NEXT_DAY) / "AM1.csv")}
    assert not {done_["subject_id"], later["subject_id"], wrong["subject_id"]} & next_
    decisions = pd.read_parquet(lists(firm, NEXT_DAY) / "decisions.parquet").set_index("subject_id")
    assert decisions.loc[done_["subject_id"], "held_by"] == "answered_done"
    assert decisions.loc[wrong["subject_id"], "held_by"] == "answered_wrong"
    day_before = (dt.date.fromisoformat(LATER) - dt.timedelta(days=1)).isoformat()
    for day, held in ((day_before, True), (LATER, False)):
        run_daily(firm, as_of=day)
        decided = pd.read_parquet(lists(firm, day) / "decisions.parquet").set_index("subject_id")
        assert (decided.loc[later["subject_id"], "held_by"] == "snoozed") == held, day
        assert decided.loc[done_["subject_id"], "action"] == "none"
    page = (lists(firm, NEXT_DAY) / "AM1.html").read_text(encoding="utf-8")
    assert done_["name"] in page


def test_objectors_stand_nowhere(firm, firm_day, canary):
    customers = pd.read_parquet(firm / "data" / "customers.parquet")
    listed = read_list(lists(firm, firm_day) / "AM1.csv")[0]
    customers.loc[customers["customer_id"] == listed["subject_id"], "profiling_objection"] = True
    customers.to_parquet(firm / "data" / "customers.parquet", index=False)
    run_daily(firm, as_of=NEXT_DAY)
    objectors = customers.loc[customers["profiling_objection"], ["customer_id", "name"]]
    scored = set(pd.read_parquet(firm / "published" / NEXT_DAY / "scores" / "churn_scores.parquet")["customer_id"])
    assert not scored & set(objectors["customer_id"])
    for path in lists(firm, NEXT_DAY).iterdir():
        if path.suffix in (".csv", ".html", ".eml"):
            text = path.read_text(encoding="utf-8-sig")
            for name in objectors["name"]:
                assert f"{name}<" not in text, path.name
                assert f"{name};" not in text, path.name
        if path.suffix == ".parquet":
            assert not set(pd.read_parquet(path)["subject_id"]) & set(objectors["customer_id"])


def test_a_manager_on_leave_is_stood_in_for(firm):
    managers = pd.DataFrame(
        {
            "account_manager_id": ["AM1", "AM2"],
            "name": ["Anna Ahrens", "Bert Busch"],
            "daily_capacity": [4, 12],
            "active_to": pd.to_datetime(["2025-03-04", None]),
            "active_from": pd.to_datetime(["2025-03-18", None]),
            "deputy_id": ["AM2", None],
        }
    )
    managers.to_parquet(firm / "data" / "account_managers.parquet", index=False)
    text = (firm / "crm.yaml").read_text()
    text = text.replace("tables:\n", "tables:\n  account_managers: {source: data/account_managers.parquet}\n")
    (firm / "crm.yaml").write_text(text)
    away = run_daily(firm, as_of=NEXT_DAY)
    assert away.lists == {"AM2": 12}
    back = run_daily(firm, as_of=LATER)
    assert back.lists == {"AM1": 4, "AM2": 12}
    actions = pd.read_parquet(lists(firm, NEXT_DAY) / "actions.parquet")
    assert "Anna Ahrens" in set(actions["on_behalf_of"].dropna())


def test_orders_alone_give_one_list_for_nobody_in_particular(trained_firm, tmp_path, firm_day):
    from crm_ml.jobs.train import train

    ws = tmp_path / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    shutil.rmtree(ws / "mlflow")
    text = (ws / "crm.yaml").read_text()
    head, _, tail = text.partition("tables:\n")
    tail = tail[tail.index("churn:") :]
    (ws / "crm.yaml").write_text(f"{head}tables:\n  order_lines: {{source: data/order_lines.parquet}}\n{tail}")
    train(ws, as_of=firm_day)
    result = run_daily(ws, as_of=firm_day)
    assert result.lists == {"unassigned": 10}
    assert {"unassigned.csv", "unassigned.xlsx", "unassigned.html"} <= set(bytes_of(lists(ws, firm_day)))


def test_the_day_is_a_run_in_mlflow_once(done, firm_day):
    ws, _ = done
    with sqlite3.connect(ws / "mlflow" / "mlflow.db") as store:
        runs = store.execute(
            "SELECT r.run_uuid, r.name FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
            "WHERE e.name LIKE 'churn-days%'"
        ).fetchall()
        metrics = dict(store.execute("SELECT key, value FROM metrics WHERE run_uuid = ?", (runs[0][0],)).fetchall())
    assert [name for _, name in runs] == [f"day {firm_day}"]
    assert metrics["customers"] == 227
    assert metrics["list_entries"] == 20
    pictures = ws / "mlflow" / "artifacts" / runs[0][0] / "artifacts" / "pictures"
    assert {"shap_beeswarm.png", "shap_bar.png", "scores.png"} == {path.name for path in pictures.iterdir()}
    causes = pd.read_csv(pictures.parent / "tables" / "causes.csv")
    assert causes["mean_abs_contribution"].is_monotonic_decreasing


def test_no_name_of_a_customer_reaches_mlflow(done, canary, firm_day):
    ws, _ = done
    name = canary.encode()
    files = [path for path in (ws / "mlflow").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path.name for path in files if name in path.read_bytes()] == []
    assert name in (lists(ws, firm_day) / "AM1.csv").read_bytes()


def test_a_store_that_does_not_answer_costs_no_list(firm):
    text = (firm / "crm.yaml").read_text()
    shutil.rmtree(firm / "mlflow" / "artifacts")
    (firm / "mlflow" / "days").mkdir(exist_ok=True)
    (firm / "mlflow" / "artifacts").write_text("not a folder")
    (firm / "crm.yaml").write_text(text)
    result = run_daily(firm, as_of=NEXT_DAY)
    assert inspect_set(lists(firm, NEXT_DAY)).intact
    assert [finding.code for finding in result.findings if finding.severity == "warning"] == ["day_not_tracked"]


def test_a_crowded_tier_is_said_where_it_is(firm, firm_day):
    from crm_ml.actions.policy import policy_yaml

    text = policy_yaml().replace("min_p: 0.6", "min_p: 0.05").replace("min_p: 0.3", "min_p: 0.01")
    (firm / "policy.yaml").write_text(text, encoding="utf-8")
    with (firm / "crm.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")
    result = run_daily(firm, as_of=firm_day)
    assert "crowded_tier" in [finding.code for finding in result.findings]
    assert "high risk" in (lists(firm, firm_day) / "AM1.html").read_text(encoding="utf-8").lower()


def test_a_tier_stands_until_the_score_has_moved(firm, firm_day):
    """The set before is an input: its tiers hold while nothing moved by .02."""
    before = pd.read_parquet(firm / "published" / firm_day / "scores" / "churn_scores.parquet").set_index("customer_id")
    assert (before["tier_p"] == before["p_churn"]).all()
    run_daily(firm, as_of=NEXT_DAY)
    now = pd.read_parquet(firm / "published" / NEXT_DAY / "scores" / "churn_scores.parquet").set_index("customer_id")
    both = before.join(now.add_suffix("_now"), how="inner")
    still = (both["p_churn_now"] - both["tier_p"]).abs() < 0.02
    assert still.sum() > 100
    assert (both.loc[still, "risk_tier"] == both.loc[still, "risk_tier_now"]).all()
    assert (both.loc[still, "tier_p"] == both.loc[still, "tier_p_now"]).all()
    assert (both.loc[~still, "p_churn_now"] == both.loc[~still, "tier_p_now"]).any()
    manifest = json.loads((firm / "published" / NEXT_DAY / "scores" / "manifest.json").read_text())
    earlier = json.loads((firm / "published" / firm_day / "scores" / "manifest.json").read_text())
    assert manifest["inputs"]["previous"] == earlier["inputs_hash"]
