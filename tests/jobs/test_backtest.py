"""The backtest job: what it trains on, what it publishes, what it refuses, and that none of it depends on the way."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import crm_ml as crm
from crm_ml.costs import Cost
from crm_ml.errors import HeldBack, UsageError
from crm_ml.features import churn_labels, cutoff_us
from crm_ml.jobs import backtest_processes
from crm_ml.jobs.backtest import _processor_seconds, backtest
from crm_ml.jobs.backtest_page import page_html
from crm_ml.jobs.backtest_texts import verdict
from crm_ml.jobs.backtest_work import SCHEMA, Outcome, store_outcome, stored_outcome
from crm_ml.jobs.inputs import read_inputs
from crm_ml.jobs.publish import inspect_set

pytestmark = pytest.mark.filterwarnings("ignore")
AS_OF = "2025-03-03"
CUTOFFS = ["2024-08-01", "2024-12-03"]


@pytest.fixture(scope="module")
def ws(small_firm, tmp_path_factory):
    """A firm whose backtest at two cutoffs is published; not to be changed."""
    folder = tmp_path_factory.mktemp("backtest") / "ws"
    shutil.copytree(small_firm, folder)
    return folder


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def result(ws, told):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest_processes, "processors", lambda: 2)
        return backtest(ws, as_of=AS_OF, cutoffs=CUTOFFS, workers=2, progress=told.append)


def test_each_cutoff_is_the_training_of_that_day(ws, result):
    """The champion's predictions are, to the bit, those of `train` as of the cutoff, on features of the cutoff."""
    day = CUTOFFS[0]
    trained = crm.train(ws, as_of=day, dry_run=True)
    frame = crm.build_features(ws, as_of=[day])
    served = result.champion[result.champion["cutoff"] == dt.date.fromisoformat(day)]
    assert served["customer_id"].tolist() == frame["customer_id"].tolist()
    assert served["p"].tolist() == trained.training.model.predict_proba(frame).tolist()
    assert served["margin"].tolist() == trained.training.model.margin(frame).tolist()
    assert result.choices[0].verdict == trained.verdict
    assert set(result.names[1:]) == set(trained.training.candidates["name"])
    assert served["value_at_stake"].to_numpy() == pytest.approx(frame["orders_net_revenue_365d"].fillna(0).to_numpy())
    tables = read_inputs(crm.open_workspace(ws))
    end = cutoff_us(dt.date.fromisoformat(AS_OF), tables.zone)
    y = churn_labels(tables, frame[["customer_id", "as_of"]], gap_days=0, horizon_days=90, known_until=end)
    assert served["y"].tolist() == y.tolist()


def test_the_folder_is_whole_and_as_the_contract_says(ws, result):
    assert inspect_set(result.published).intact
    assert {path.name for path in result.published.iterdir()} == {
        "predictions.parquet",
        "summary.json",
        "page.html",
        "manifest.json",
    }
    manifest = json.loads((result.published / "manifest.json").read_text())
    assert result.published == ws / "backtests" / f"{AS_OF}-{manifest['inputs_hash'][:12]}"
    schema = pq.read_schema(result.published / "predictions.parquet")
    assert {field.name: str(field.type) for field in schema} == {
        "cutoff": "date32[day]",
        "customer_id": "string",
        "name": "string",
        "margin": "double",
        "p": "double",
        "y": "bool",
        "value_at_stake": "double",
    }
    table = pq.read_table(result.published / "predictions.parquet").to_pandas()
    assert len(table) == result.rows * (len(result.names) - 1)
    assert not table.duplicated(["cutoff", "customer_id", "name"]).any()
    assert list((ws / "backtests").glob(".work-*")) == []


def test_json_has_the_keys_of_the_contract(result):
    value = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    keys = {"as_of", "cutoffs", "published", "rows", "names", "champion", "table", "differences", "findings"}
    assert keys | {"already_published"} <= set(value)
    assert value["cutoffs"] == CUTOFFS
    assert value["names"][0] == "champion"
    assert set(value["champion"]["metrics"]["auc"]) == {"value", "low", "high"}
    assert {row["cutoff"] for row in value["table"]} == {"pooled", *CUTOFFS}
    assert value["champion"]["metrics"]["auc"]["value"] > 0.6


def test_fewer_than_four_cutoffs_are_a_finding(result):
    few = next(finding for finding in result.findings if finding.code == "few_cutoffs")
    assert "at least 4 cutoffs are wanted" in few.message
    assert few.count == 2


def test_progress_names_the_cutoffs(result, told):
    assert any(re.match(r"cutoff 2024-08-01 +\d+%: fold 1 of", line) for line in told)
    assert any(line.startswith("cutoff 2024-12-03") for line in told)


def test_twice_is_once(ws, result):
    before = {path: path.stat().st_mtime_ns for path in result.published.iterdir()}
    again = backtest(ws, as_of=AS_OF, cutoffs=CUTOFFS[::-1])
    assert (again.already_published, again.published) == (True, result.published)
    assert {path: path.stat().st_mtime_ns for path in result.published.iterdir()} == before
    pd.testing.assert_frame_equal(again.table, result.table)
    pd.testing.assert_frame_equal(again.differences, result.differences)
    assert again.run_id == result.run_id != ""


def test_one_worker_gives_the_same_bytes_and_a_damaged_folder_is_built_again(ws, result, tmp_path):
    folder = tmp_path / "ws"
    shutil.copytree(ws, folder)
    published = folder / "backtests" / result.published.name
    wanted = {path.name: path.read_bytes() for path in published.iterdir()}
    (published / "summary.json").write_text("{}")
    again = backtest(folder, as_of=AS_OF, cutoffs=CUTOFFS, workers=1)
    assert not again.already_published
    assert next(finding.code for finding in again.findings) == "damaged_publication"
    assert {path.name: path.read_bytes() for path in published.iterdir()} == wanted
    assert list((folder / "backtests").glob(".building-*")) == []


def test_money_is_that_of_the_lists_under_the_policy(ws, result):
    """Counted again customer by customer, with the save rate and the cost of the shipped policy's talk."""
    terms = result.money.terms
    assert (terms.save_rate, terms.cost, result.money.action) == (0.3, 60.0, "personal_talk")
    assert set(terms.lists.values()) == {10}  # no managers are mapped, so there is one list of the policy's length
    by_hand = {"by_value": 0.0, "by_risk": 0.0}
    for day, part in result.champion.groupby("cutoff"):
        gain = 0.3 * part["y"] * part["value_at_stake"] - 60
        expected = 0.3 * part["p"] * part["value_at_stake"]
        for name, score in (("by_value", expected[expected >= 60]), ("by_risk", part["p"])):
            first = score.sort_values(ascending=False, kind="stable").index[: terms.lists[day.isoformat()]]
            by_hand[name] += gain[first].sum()
    found = {name: result.money.measure("champion", name).value for name in by_hand}
    assert found["by_value"] == pytest.approx(by_hand["by_value"])
    page = page_html(result)
    assert "One day&#39;s lists" in page
    assert any("with the most value at risk first" in sentence for sentence in verdict(result))
    assert result.as_dict()["money"]["table"][0]["name"] == "champion"


def test_the_run_in_mlflow_holds_no_customer(ws, result):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{ws}/mlflow/mlflow.db")
    run = client.get_run(result.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "churn-backtests"
    assert run.data.metrics["auc"] == pytest.approx(result.metrics["auc"].value)
    rule = result.judged.best_rule
    assert run.data.metrics[f"auc_minus_{rule}_low"] == pytest.approx(result.judged.difference("champion", rule).low)
    artefacts = ws / "mlflow" / "artifacts" / result.run_id / "artifacts"
    texts = [path.read_text() for path in artefacts.rglob("*") if path.suffix in (".csv", ".json")]
    assert len(texts) == 7
    earned = result.money.measure("champion", "value_less_risk", "share")
    assert run.data.metrics["money_share_value_less_risk_high"] == pytest.approx(earned.high)
    cells = {cell.strip('" ') for text in texts for cell in re.split(r"[,\n\[\]:]", text)}
    assert "champion" in cells
    assert not cells & set(result.champion["customer_id"])


def test_what_it_took_is_told_and_in_the_run_but_not_published(ws, result):
    import mlflow

    cost = json.loads(json.dumps(result.as_dict()["cost"], allow_nan=False))
    assert set(cost["seconds"]) == {"read", "features", "trainings", "judge", "publish", "record"}
    assert cost["seconds_total"] == pytest.approx(sum(cost["seconds"].values()), abs=0.01)
    assert list(cost["trainings"]) == CUTOFFS
    for each in cost["trainings"].values():
        assert {"read", "columns", "leak_guard", "bins", "folds", "calibration", "score"} <= set(each["seconds"])
        assert any(stage.startswith("fit_") for stage in each["seconds"])
        assert each["cpu_seconds_total"] > 0
    assert "cost" not in json.loads((result.published / "summary.json").read_text())
    assert backtest(ws, as_of=AS_OF, cutoffs=CUTOFFS).as_dict()["cost"] is None
    metrics = mlflow.MlflowClient(f"sqlite:///{ws}/mlflow/mlflow.db").get_run(result.run_id).data.metrics
    assert {"seconds_read", "seconds_trainings", "seconds_total", "cpu_seconds_total"} <= set(metrics)
    assert metrics["seconds_trainings"] == pytest.approx(cost["seconds"]["trainings"], abs=0.001)
    peaks = [each["peak_memory_mb"] for each in (cost, *cost["trainings"].values())]
    if None not in peaks:  # where the system tells
        assert metrics["peak_memory_mb_of_all"] >= max(peaks[1:]) - 0.1
    assert set(result.cost.table["cutoff"]) == {"", *CUTOFFS}


def test_processor_time_of_ended_children_counts():
    before = _processor_seconds()
    code = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert _processor_seconds() - before > 0.45


def test_what_a_training_took_is_kept_with_it(tmp_path):
    day = dt.date(2025, 1, 1)
    took = Outcome(day, None, SCHEMA.empty_table(), {}, cost=Cost({"fit_rules": 1.5}, 2.25, 90.5, None))
    store_outcome(tmp_path, took)
    assert stored_outcome(tmp_path, day) == took
    store_outcome(tmp_path, dataclasses.replace(took, cost=None))
    assert stored_outcome(tmp_path, day).cost is None


def test_what_is_known_later_never_changes_an_earlier_training(ws, result, tmp_path):
    """Orders after the first cutoff's day change what is judged there, but not what was predicted."""
    folder = tmp_path / "ws"
    shutil.copytree(ws, folder)
    path = folder / "data" / "order_lines.parquet"
    orders = pd.read_parquet(path)
    orders[orders["ordered_at"] < "2024-08-01"].to_parquet(path, index=False)
    got = backtest(folder, as_of=AS_OF, cutoffs=CUTOFFS[:1], workers=1, dry_run=True)
    first = result.champion[result.champion["cutoff"] == dt.date(2024, 8, 1)].reset_index(drop=True)
    assert got.champion["p"].tolist() == first["p"].tolist()
    assert got.champion["y"].all()
    assert not first["y"].all()


def test_cutoffs_that_cannot_be_trained_are_left_out_and_said_and_a_dry_run_leaves_nothing(small_firm, tmp_path):
    folder = tmp_path / "ws"
    shutil.copytree(small_firm, folder)
    before = sorted(folder.rglob("*"))
    got = backtest(folder, as_of=AS_OF, cutoffs=["2022-12-01", "2021-01-01", CUTOFFS[1]], dry_run=True, workers=1)
    assert (got.published, got.run_id, got.cutoffs) == (None, "", (dt.date(2024, 12, 3),))
    assert sorted(folder.rglob("*")) == before
    held = [finding for finding in got.findings if finding.code == "cutoff_held_back"]
    assert "nothing is visible as of 2021-01-01" in held[0].message
    assert "No snapshot is mature at 2022-12-01" in held[1].message
    assert len(held) == 2


def test_refusals_say_what_is_missing(ws):
    with pytest.raises(HeldBack, match=r"At least one cutoff .* none of 1 does.*No snapshot is mature at 2022-12-01"):
        backtest(ws, as_of=AS_OF, cutoffs=["2022-12-01"], dry_run=True)
    with pytest.raises(HeldBack, match="No day can be backtested at 2023-03-01") as caught:
        backtest(ws, as_of="2023-03-01", dry_run=True)
    assert caught.value.exit_code == 4
    with pytest.raises(
        UsageError, match=r"must have ended at 2025-03-03; that of 2024-12-04 has not.*up to 2024-12-03"
    ):
        backtest(ws, as_of=AS_OF, cutoffs=["2024-12-04"], dry_run=True)
    with pytest.raises(UsageError, match="n and workers must be at least 1"):
        backtest(ws, as_of=AS_OF, n=0)
    with pytest.raises(UsageError, match="must name at least one day"):
        backtest(ws, as_of=AS_OF, cutoffs=[])


def test_axes_in_axes_out(result):
    from matplotlib.figure import Figure

    for draw in (result.plot, result.plot_cutoffs, result.plot_reliability, result.plot_gain):
        axes = Figure().add_subplot()
        assert draw(axes) is axes
        assert draw().get_figure() is not None
    named = [text.get_text() for text in result.plot(against=result.judged.best_rule, metric="brier").get_yticklabels()]
    assert named[-1] == "champion"
    assert len(named) == len(result.names) - 1


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.addresses, self.words = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.addresses += [value for key, value in given.items() if key in ("src", "href", "action", "srcset")]
        if tag == "img":
            self.images.append(given)

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_stands_alone_and_says_what_was_measured(result):
    text = (result.published / "page.html").read_text()
    page = Page(text)
    assert not page.tags & {"script", "link", "iframe", "object", "form"}
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert len(page.images) == 5
    for image in page.images:
        assert len(image["alt"]) > 40
        assert base64.b64decode(image["src"].partition(",")[2])[:4] == b"\x89PNG"
    words = " ".join(page.words)
    auc = result.metrics["auc"]
    assert f"({auc.low:.3f} to {auc.high:.3f})" in words
    assert f"{auc.value:.3f} " in words
    for name in ("logistic regression (RFM)", "rule: days since last order", "Differences to the best rule"):
        assert name in words
    assert "00001" not in words


def test_the_page_escapes_names_and_speaks_german(result):
    from dataclasses import replace

    evil = "<script>alert(1)</script>"
    judged = result.judged
    renamed = {
        "names": tuple(evil if name == "logistic" else name for name in judged.names),
        "table": judged.table.replace({"name": {"logistic": evil}}),
        "differences": judged.differences.replace({"name": {"logistic": evil}, "other": {"logistic": evil}}),
        "best_candidate": evil if judged.best_candidate == "logistic" else judged.best_candidate,
    }
    german = replace(result, judged=replace(judged, **renamed), language="de")
    text = page_html(german)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Rückvergleich der Abwanderungsmodelle" in text
    assert '<html lang="de">' in text


def test_the_verdict_follows_the_interval(result):
    from dataclasses import replace

    def said(low, high):
        judged, rule = result.judged, result.judged.best_rule
        table = judged.differences.copy()
        at = (table["name"] == "champion") & (table["other"] == rule) & (table["metric"] == "auc")
        table.loc[at, ["value", "low", "high"]] = [(low + high) / 2, low, high]
        return verdict(replace(result, judged=replace(judged, differences=table)))[1]

    assert "better than the best rule" in said(0.01, 0.05)
    assert "cannot be decided" in said(-0.01, 0.05)
    assert "worse than the best rule" in said(-0.05, -0.01)
    assert "+0.030 (+0.010 to +0.050)" in said(0.01, 0.05)


def test_findings_of_several_trainings_are_said_once(result):
    codes = [finding.code for finding in result.findings]
    assert codes.count("short_history") <= 1
    for finding in result.findings:
        if finding.code == "short_history":
            assert "training as of" in finding.message
            assert "of 2 cutoffs" in finding.message


def test_predictions_are_probabilities_of_every_name(result):
    frame = result.predictions.to_pandas()
    assert set(frame["name"]) == set(result.names[1:])
    assert np.isfinite(frame[["margin", "p"]].to_numpy()).all()
    assert frame["p"].between(1e-6, 1 - 1e-6).all()
