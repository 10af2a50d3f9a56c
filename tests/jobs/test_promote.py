"""The alias moves through the gate, every decision has a line, and what was published is looked up afterwards."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

import crm_ml as crm
from crm_ml.errors import DamagedArtefact, Failure, HeldBack, UsageError
from crm_ml.jobs import promotions, tracking
from crm_ml.jobs.contest import Side, _fair_days, _recipes, _with_earlier, load_side
from crm_ml.jobs.evaluations import COLUMNS, evaluation_path, read_evaluation
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.promote import promotion_status
from crm_ml.jobs.publish import SetPlan, publish_set
from crm_ml.jobs.realised import realised_performance
from crm_ml.jobs.score_table import SCHEMA, write_scores

pytestmark = pytest.mark.filterwarnings("ignore")


def serves(firm):
    return tracking.alias_version(crm.open_workspace(firm.folder), "churn", "champion")


def decisions(firm):
    return promotions.read_decisions(crm.open_workspace(firm.folder))


@pytest.fixture(scope="module")
def moved(contenders, tmp_path_factory):
    """After the bad one was held and the good one let in."""
    firm = contenders.copy(tmp_path_factory.mktemp("moved") / "ws")
    held = crm.promote(firm.folder, version=firm.versions["bad"], as_of=firm.day)
    assert serves(firm) == firm.versions["weak"]
    passed = crm.promote(firm.folder, version=firm.versions["good"], as_of=firm.day)
    return firm, held, passed


def test_a_better_one_serves_and_a_worse_one_does_not(moved):
    firm, held, passed = moved
    assert (held.passed, held.moved, held.ruling.decision) == (False, False, "held")
    assert (passed.passed, passed.moved, passed.ruling.decision, passed.before) == (True, True, "better", "1")
    assert serves(firm) == firm.versions["good"]
    error = held.error
    assert (error.exit_code, error.code) == (4, "held")
    assert "Ranking: AUC -0." in str(error)
    assert "Version 1 still serves." in str(error)
    assert list(passed.table["name"]) == ["evidence", "ranking", "calibration", "level", "stability"]


def test_only_days_that_neither_model_knows_are_compared(moved):
    """The good one was trained as of 2024-06-03; the last day whose 90 days are over on 2025-03-03 is 2024-12-03."""
    _, _, passed = moved
    assert passed.ruling.gate.days == ("2024-06-06", "2024-07-21", "2024-09-04", "2024-10-19", "2024-12-03")
    assert passed.ruling.contest.compared == "models"


def test_the_figures_are_those_of_the_two_models(moved):
    firm, _, passed = moved
    ws = crm.open_workspace(firm.folder)
    rows = crm.build_features(ws, as_of=list(passed.ruling.gate.days))
    orders = pd.read_parquet(firm.folder / "data/order_lines.parquet")
    local = orders["ordered_at"].dt.date
    bought = [
        ((orders.customer_id == who) & (local >= day) & (local < day + dt.timedelta(days=90))).any()
        for who, day in zip(rows["customer_id"], rows["as_of"], strict=True)
    ]
    y = ~np.array(bought)
    margins = [load_side(ws, tracking.registered(ws, "churn", v)).model.margin(rows) for v in ("2", "1")]
    gap = roc_auc_score(y, margins[0]) - roc_auc_score(y, margins[1])
    ranking = passed.table.set_index("name").loc["ranking"]
    assert ranking["value"] == pytest.approx(gap, abs=1e-12)
    assert ranking["low"] > 0


def test_each_decision_has_a_line_with_its_evidence(moved):
    firm, _, passed = moved
    lines = decisions(firm)
    assert [(one.number, one.version, one.decision, one.before) for one in lines] == [
        (1, "1", "first", None),
        (2, firm.versions["bad"], "held", "1"),
        (3, firm.versions["good"], "better", "1"),
    ]
    assert lines[2].evidence["criteria"][1]["low"] == passed.ruling.gate.criteria[1].low
    assert lines[1].reason_de.startswith("Rangfolge: AUC -0,")
    tags = tracking.registered(crm.open_workspace(firm.folder), "churn", firm.versions["good"]).tags
    assert (tags["gate"], tags["gate_against"], tags["gate_as_of"]) == ("better", "1", firm.day)
    assert tracking.alias_version(crm.open_workspace(firm.folder), "churn", "challenger") == firm.versions["bad"]


def test_the_decision_is_a_run_in_mlflow(moved):
    firm, _, passed = moved
    tracking._import_mlflow()
    from mlflow.tracking import MlflowClient

    address = tracking.store_address(crm.open_workspace(firm.folder))
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    found = [e for e in client.search_experiments() if e.name.startswith("churn-promotions")]
    runs = client.search_runs([e.experiment_id for e in found], filter_string="tags.decision = 'better'")
    assert [run.data.params["version"] for run in runs] == [firm.versions["good"]]
    assert runs[0].data.metrics["ranking_low"] == pytest.approx(passed.ruling.gate.criteria[1].low)


def test_no_customer_is_named_in_the_log(moved):
    firm, _, _ = moved
    ids = set(crm.build_features(firm.folder, as_of=firm.day)["customer_id"])
    words = set(json.dumps([one.reason_en for one in decisions(firm)]).replace('"', " ").split())
    assert not ids & words


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shifted", "Level: calibration error"),
        ("fresh", r"snapshots that neither model has seen are mature from 2025-05-04 on"),
        ("refused", "Its training beat no rule"),
    ],
)
def test_what_else_is_held(contenders, name, told):
    result = crm.promote(contenders.folder, version=contenders.versions[name], as_of=contenders.day, dry_run=True)
    assert (result.passed, result.moved) == (False, False)
    with pytest.raises(HeldBack, match=told):
        raise result.error
    assert serves(contenders) == "1"
    assert len(decisions(contenders)) == 1, "a dry run writes nothing"


def test_rollback_goes_to_what_served_before_and_no_further_than_that(moved, tmp_path):
    firm = moved[0].copy(tmp_path / "ws")
    back = crm.promote(firm.folder, as_of=firm.day, rollback=True)
    assert (back.version, back.before, back.moved, back.ruling.decision) == ("1", "2", True, "rollback")
    assert serves(firm) == "1"
    assert decisions(firm)[-1].decision == "rollback"
    with pytest.raises(Failure, match="There is no version to go back to: before 1 none did"):
        crm.promote(firm.folder, as_of=firm.day, rollback=True)
    again = crm.promote(firm.folder, version="2", as_of=firm.day)
    assert again.ruling.decision == "better"
    assert serves(firm) == "2"
    version = tracking.registered(crm.open_workspace(firm.folder), "churn", "1")
    (firm.folder / "mlflow/bundles" / version.sha256 / "bundle.json").write_text("{}")
    with pytest.raises(DamagedArtefact, match="bundle"):
        crm.promote(firm.folder, as_of=firm.day, rollback=True)
    assert serves(firm) == "2"


def test_what_cannot_be_asked(contenders):
    with pytest.raises(UsageError, match="There is no version 99 of churn"):
        crm.promote(contenders.folder, version=99, as_of=contenders.day, dry_run=True)
    for how in ({}, {"version": 1, "rollback": True}):
        with pytest.raises(UsageError, match="Either a version or rollback is needed, and not both"):
            crm.promote(contenders.folder, as_of=contenders.day, **how)
    with pytest.raises(HeldBack, match=r"trained as of 2024-06-03, so it knows what happened after 2024-06-01"):
        crm.promote(contenders.folder, version=2, as_of="2024-06-01", dry_run=True)


def test_what_cannot_score_any_more_makes_room(contenders, tmp_path):
    firm = contenders.copy(tmp_path / "ws")
    version = tracking.registered(crm.open_workspace(firm.folder), "churn", "1")
    (firm.folder / "mlflow/bundles" / version.sha256 / "bundle.json").write_text("{}")
    result = crm.promote(firm.folder, version=firm.versions["good"], as_of=firm.day)
    assert (result.ruling.decision, result.moved) == ("first", True)
    assert "Version 1 can no longer score" in result.ruling.reason_en


def side(trained, kept=(), recipe="logistic"):
    class Stub:
        train_as_of = dt.date.fromisoformat(trained)

    frame = pd.DataFrame({"customer_id": "1", "as_of": [dt.date.fromisoformat(day) for day in kept]})
    return Side(None, Stub(), "champion", recipe, frame if kept else None)


def test_fair_days_by_hand(contenders):
    """45 days between snapshots, labels of 90 days: a model's own evaluation counts, what it was fitted on does not."""
    ws = crm.open_workspace(contenders.folder)
    day = dt.date(2025, 3, 3)
    kept = ("2024-12-03", "2024-10-19", "2024-09-04")

    def fair(champion, challenger):
        return [str(one) for one in _fair_days(problem_of(ws, "churn"), champion, challenger, day)]

    assert fair(side("2024-10-01"), side("2025-03-03", kept)) == ["2024-10-19", "2024-12-03"]
    assert fair(side("2025-01-01"), side("2025-03-03", kept)) == []
    assert fair(side("2025-03-03", kept), side("2025-03-03", kept[:2])) == ["2024-10-19", "2024-12-03"]
    assert fair(side("2024-10-01"), side("2024-11-01")) == ["2024-12-03"]
    assert fair(side("2024-12-04"), side("2024-11-01")) == []


def test_earlier_refreshes_add_their_days(contenders, monkeypatch):
    """Trainings between the two, of the same recipe and settings, at days that are not known nearly as well already."""
    ws = crm.open_workspace(contenders.folder)

    def version(number, as_of, recipe="logistic", config="c"):
        tags = {"recipe": recipe, "config_hash": config}
        return tracking.ServingVersion("churn", number, "", number, dt.date.fromisoformat(as_of), tags)

    kept = {
        "5": ["2024-11-03", "2024-10-30"],  # both within 22 days of what the challenger has
        "4": ["2024-07-21", "2024-06-06", "2024-04-22"],  # the last is before the champion's day
        "3": ["2024-08-01"],
        "2": ["2024-08-01"],
        "1": ["2024-08-01"],
    }
    registered = [
        version("5", "2025-02-01"),
        version("4", "2024-12-01"),
        version("3", "2024-12-01", recipe="average"),
        version("2", "2024-12-01", config="d"),
        version("1", "2024-06-01"),
    ]
    monkeypatch.setattr(tracking, "versions", lambda *_: registered)
    monkeypatch.setattr("crm_ml.jobs.contest.read_evaluation", lambda _, run: side("2025-01-01", kept[run]).evaluation)
    champion = replace(side("2024-06-01"), version=version("1", "2024-06-01"))
    challenger = replace(side("2025-03-03", ["2024-12-03", "2024-10-19"]), version=version("6", "2025-03-03"))
    found = _with_earlier(ws, champion, challenger)
    assert sorted(map(str, found.kept_days)) == ["2024-06-06", "2024-07-21", "2024-10-19", "2024-12-03"]
    assert sorted(map(str, _fair_days(problem_of(ws, "churn"), champion, found, dt.date(2025, 3, 3)))) == sorted(
        map(str, found.kept_days)
    )


def test_recipes_stand_in_where_no_day_is_fair():
    kept = pd.DataFrame({"customer_id": ["1", "2"], "as_of": "2025-01-01", "y": [True, False]})
    kept = kept.assign(margin=[2.0, 1.0], p=[0.8, 0.6], value_at_stake=5.0, margin_rule=[0.0, 3.0], p_rule=[0.5, 0.9])
    stub = side("2025-03-03").model
    challenger = Side(None, stub, "champion", "average", kept)
    paired = _recipes(Side(None, stub, "champion", "rule", None), challenger)
    assert paired["margin_champion"].tolist() == [0.0, 3.0]
    assert paired["p_challenger"].tolist() == [0.8, 0.6]
    assert _recipes(Side(None, stub, "champion", "average", None), challenger) is None
    assert _recipes(Side(None, stub, "champion", "other", None), challenger) is None


def test_a_training_keeps_its_evaluation_rows_and_its_reasons(trained_firm):
    ws = crm.open_workspace(trained_firm)
    (line,) = promotions.read_decisions(ws)
    assert (line.decision, line.passed, line.version, line.before) == ("first", True, "1", None)
    frame = read_evaluation(ws, line.run_id)
    assert tuple(frame.columns[: len(COLUMNS)]) == COLUMNS
    assert {"margin_logistic", "p_logistic", "margin_days_since_last_order"} <= set(frame.columns)
    assert str(pq.read_schema(evaluation_path(ws, line.run_id)).field("as_of").type) == "date32[day]"
    features = crm.build_features(ws, as_of=sorted(set(frame["as_of"])))
    both = frame.merge(features, on=["customer_id", "as_of"], validate="one_to_one")
    assert len(both) == len(frame)
    assert both["value_at_stake"].to_numpy() == pytest.approx(both["orders_net_revenue_365d"].fillna(0).to_numpy())
    assert read_evaluation(ws, "0" * 32) is None


def test_damaged_records_are_named(contenders, tmp_path):
    firm = contenders.copy(tmp_path / "ws")
    with (firm.folder / "mlflow/promotions.jsonl").open("a") as file:
        file.write('{"number": 2')
    with pytest.raises(DamagedArtefact, match=r"Line 2 of .*promotions\.jsonl is damaged"):
        crm.promote(firm.folder, as_of=firm.day, rollback=True)
    (firm.folder / "mlflow/realised.parquet").write_bytes(b"no")
    with pytest.raises(DamagedArtefact, match=r"realised\.parquet is damaged"):
        realised_performance(firm.folder, as_of=firm.day)


def publish(folder, day, scores, sha="a" * 64):
    rows = [
        dict.fromkeys(SCHEMA.names)
        | {"as_of": day, "customer_id": who, "p_churn": p, "reasons": [], "notes": []}
        | {"model_kind": "logistic", "model_version": "1", "model_sha256": sha, "margin": p}
        for who, p in scores
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    plan = SetPlan(folder / "published", day, "scores", {"model": {"version": "1", "sha256": sha}})
    publish_set(plan, {"churn_scores.parquet": lambda path: write_scores(table, path)}, keep_sets=5)


def test_published_scores_are_looked_up_once_their_days_are_over(small_firm, tmp_path):
    import shutil

    folder = tmp_path / "ws"
    shutil.copytree(small_firm, folder)
    (folder / "mlflow").mkdir()
    days = [dt.date(2024, 11, 1), dt.date(2024, 12, 2), dt.date(2025, 3, 3)]
    rng = np.random.default_rng(0)
    said = {day: [(f"{i:05d}", float(rng.random())) for i in range(1, 200)] for day in days}
    for day in days:
        publish(folder, day, said[day])
    first = realised_performance(folder, as_of="2025-02-01")
    assert first.new_days == (days[0],), "the label window of the second ends on 2025-03-02"
    kept = (folder / "mlflow/realised.parquet").read_bytes()
    assert realised_performance(folder, as_of="2025-02-01").new_days == ()
    assert (folder / "mlflow/realised.parquet").read_bytes() == kept
    looked = realised_performance(folder, as_of="2025-03-02", dry_run=True)
    assert looked.new_days == (days[1],)
    assert (folder / "mlflow/realised.parquet").read_bytes() == kept
    second = realised_performance(folder, as_of="2025-03-02")
    assert [str(day) for day in second.table["looked_at"]] == ["2025-02-01", "2025-03-02"]
    orders = pd.read_parquet(folder / "data/order_lines.parquet")
    local = orders["ordered_at"].dt.date
    window = orders[(local >= days[0]) & (local < days[0] + dt.timedelta(days=90))]
    y = np.array([who not in set(window.customer_id) for who, _ in said[days[0]]])
    p = np.array([p for _, p in said[days[0]]])
    row = second.table.iloc[0]
    assert (row["rows"], row["churned"]) == (199, y.sum())
    assert row["auc"] == pytest.approx(roc_auc_score(y, p))
    assert row["brier"] == pytest.approx(brier_score_loss(y, p))
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    assert row["lift"] == pytest.approx(y[np.argsort(-p)[:20]].mean() / y.mean())
    publish(folder, days[0], said[days[0]][:50], sha="b" * 64)
    third = realised_performance(folder, as_of="2025-03-02")
    assert (third.new_days, len(third.table)) == ((days[0],), 3)


def test_a_damaged_set_is_no_evidence(small_firm, tmp_path):
    import shutil

    folder = tmp_path / "ws"
    shutil.copytree(small_firm, folder)
    (folder / "mlflow").mkdir()
    publish(folder, dt.date(2024, 11, 1), [("00001", 0.5)])
    (folder / "published/2024-11-01/scores/churn_scores.parquet").write_bytes(b"x")
    assert realised_performance(folder, as_of="2025-03-03").new_days == ()


def test_the_command_says_what_python_says(moved, runner):
    firm, _, _ = moved
    outcome = runner("promote", "churn", firm.versions["bad"], "--as-of", firm.day, "--dry-run", ws=firm.folder)
    assert outcome.code == 4
    assert outcome.json["error"]["code"] == "held"
    assert outcome.json["gate"]["criteria"][1]["name"] == "ranking"
    assert (outcome.json["passed"], outcome.json["moved"], outcome.json["before"]) == (False, False, "2")
    status = runner("promote", "churn", "--status", "--as-of", firm.day, ws=firm.folder)
    assert (status.code, status.json["version"], status.json["before"]) == (0, "2", "1")
    assert [row["decision"] for row in status.json["decisions"]] == ["better", "held", "first"]
    assert runner("promote", "churn", "--status", "--rollback", ws=firm.folder).code == 2
    assert runner("promote", "churn", ws=firm.folder).code == 2
    words = runner("promote", "churn", "--status", "--as-of", firm.day, "--lang", "de", "-w", str(firm.folder))
    assert "Im Einsatz: Version 2; davor: 1" in words.out
    told = runner("promote", "churn", "3", "--as-of", firm.day, "--dry-run", "--lang", "de", "-w", str(firm.folder))
    assert "Version 3 bleibt draußen; im Einsatz ist weiter 2" in told.out
    assert "- Rangfolge: AUC -0," in told.out
    assert promotion_status(firm.folder, as_of=firm.day).version == "2"
