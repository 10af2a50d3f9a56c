"""Leads from the tables to the lists: trained, scored, explained, listed per owner, answered."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import crm_ml as crm
from crm_ml.errors import DataError, Failure, HeldBack, UsageError
from crm_ml.features import cutoff_us, lead_moments, lead_spine
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.feedback import import_feedback
from crm_ml.jobs.inputs import LEAD_TABLES, read_inputs
from crm_ml.jobs.lead_table import LEAD_SCHEMA
from crm_ml.jobs.score_rows import score_rows

pytestmark = pytest.mark.filterwarnings("ignore")
TRAINED, DAY = dt.date(2026, 2, 1), dt.date(2026, 3, 2)


@pytest.fixture(scope="module")
def firm(tmp_path_factory):
    """A firm whose leads were trained on 1 February."""
    folder = tmp_path_factory.mktemp("leads") / "firm"
    make_workspace(folder, customers=900, seed=1)
    result = crm.train(folder, "leads", as_of=TRAINED)
    assert result.serves
    return folder


@pytest.fixture
def copy(firm, tmp_path):
    shutil.copytree(firm, tmp_path / "firm")
    return tmp_path / "firm"


def test_a_training_says_what_it_found(firm):
    (file,) = (firm / "mlflow" / "bundles").glob("*/bundle.json")
    bundle = json.loads(file.read_text())
    assert bundle["label"] == {"target": "won", "gap_days": 0, "horizon_days": 90}
    meta = bundle["meta"]
    assert set(meta["baselines"]) == {"source_rate", "stage", "best_column"}
    assert meta["train_events"] > 100
    assert not any("churn" in warning["message"] for warning in meta["warnings"])


def test_the_model_card_speaks_of_leads(firm):
    (file,) = (firm / "mlflow").glob("artifacts/**/model_card.md")
    card = file.read_text()
    assert card.startswith("# Lead model as of 2026-02-01")
    assert "probability that it reaches the stage won, or a later one, in the days [day + 0, day + 90)" in card
    measured, law = card.split("## Law")
    assert "must be left out of the table `leads`" in law
    assert "profiling_objection" not in law
    assert not [word for word in ("churn", "customer", "buys", "leavers") if word in measured.lower()]


def test_a_wrong_lead_policy_is_named_before_anything_is_written(copy):
    with (copy / "crm.yaml").open("a") as file:
        file.write("lead_policy: nowhere.yaml\n")
    with pytest.raises(UsageError, match=r"lead_policy: there is no file nowhere\.yaml .* Correct `lead_policy`"):
        crm.run_daily(copy, as_of=DAY)
    assert not (copy / "published").exists()


def test_scores_are_of_the_open_leads_and_twice_is_once(copy):
    result = crm.score(copy, "leads", as_of=DAY)
    table = pq.read_table(result.published / "lead_scores.parquet")
    assert table.schema.equals(LEAD_SCHEMA, check_metadata=False)
    frame = table.to_pandas()
    spine = lead_spine(read_inputs(crm.open_workspace(copy), only=LEAD_TABLES), [DAY])
    assert sorted(frame.lead_id) == sorted(spine.lead_id)
    assert frame.p_win.between(0, 1).all()
    assert np.allclose(frame.expected_value, frame.p_win * frame.deal_value)
    assert frame.priority.is_monotonic_decreasing
    grade = frame.groupby("grade").expected_value.agg(["min", "max"])
    assert (grade["min"].to_numpy()[:-1] >= grade["max"].to_numpy()[1:]).all()
    for reasons in frame.reasons:
        assert {reason["feature"] is None or reason["feature"].startswith("lead_") for reason in reasons} == {True}
        total = frame.base_value.iloc[0] + sum(reason["contribution"] for reason in frame.reasons.iloc[0])
    assert total == pytest.approx(frame.margin.iloc[0])
    assert [finding.code for finding in result.findings if finding.code.endswith("not_scored")] == ["churn_not_scored"]
    again = crm.score(copy, "leads", as_of=DAY)
    assert again.already_published
    assert again.rows == len(frame)


def test_one_by_one_is_as_in_one_batch(firm):
    tables = read_inputs(crm.open_workspace(firm), only=LEAD_TABLES)
    moments = lead_moments(tables, until=cutoff_us(DAY, tables.zone))
    moments = moments[moments.cutoff >= cutoff_us(TRAINED, tables.zone)].head(60)
    at = pd.to_datetime(moments.cutoff, unit="us", utc=True)
    spine = pd.DataFrame({"lead_id": moments.lead_id, "as_of": at}).sample(frac=1, random_state=1)
    whole = score_rows(firm, "leads", spine=spine)
    assert whole.p_win.nunique() > 10
    for k in (0, 17, 41):
        alone = score_rows(firm, "leads", spine=spine.iloc[[k]])
        assert alone.p_win.iloc[0] == whole.p_win.iloc[k]
        assert alone.margin.iloc[0] == whole.margin.iloc[k]
    early = spine.assign(as_of=pd.Timestamp("2026-01-05", tz="UTC"))
    with pytest.raises(HeldBack, match="trained as of 2026-02-01"):
        score_rows(firm, "leads", spine=early)
    with pytest.raises(UsageError, match="at least one row"):
        score_rows(firm, "leads", spine=spine.iloc[:0])


def test_lists_stand_beside_each_other_and_answers_come_back(copy):
    day = crm.run_daily(copy, as_of=DAY)
    actions = pq.read_table(day.published / "actions.parquet").to_pandas()
    assert set(actions.subject_type) == {"lead"}
    assert set(actions.action) <= {"reply", "new_meeting", "call", "nurture", "drop"}
    assert (actions.groupby("account_manager_id")["rank"].max() <= 12).all()
    owner = actions.account_manager_id.iloc[0]
    files = {path.name for path in day.published.iterdir()}
    assert {f"{owner}.leads.csv", f"{owner}.leads.xlsx", f"{owner}.leads.html", "summary.leads.html"} <= files
    page = (day.published / f"{owner}.leads.html").read_text(encoding="utf-8")
    assert "Leads zum Nachfassen" in page
    assert "Kunde" not in page.split("<footer>")[0].replace("Kundenstamm", "")
    text = (day.published / f"{owner}.leads.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].split(";")[2:6] == ["Lead", "Lead-Nummer", "Telefon", "Klasse"]
    rows = [line.split(";") for line in text.splitlines()]
    rows[1][rows[0].index("Antwort")] = "erledigt"
    done = rows[1][rows[0].index("Lead-Nummer")].strip("'")
    (copy / "back.csv").write_text("\n".join(";".join(row) for row in rows[:2]), encoding="utf-8-sig")
    answered = import_feedback(copy, copy / "back.csv", as_of=DAY)
    assert answered.recorded == 1
    after = crm.run_daily(copy, as_of=DAY + dt.timedelta(days=1))
    now = pq.read_table(after.published / "decisions.parquet").to_pandas().set_index("subject_id")
    assert now["held_by"].get(done, "answered_done") == "answered_done"  # or it is closed by now
    assert done not in set(pq.read_table(after.published / "actions.parquet")["subject_id"].to_pylist())


def test_the_day_of_leads_is_a_run_in_mlflow_once(copy):
    def logged():
        with sqlite3.connect(copy / "mlflow" / "mlflow.db") as store:
            runs = store.execute(
                "SELECT r.run_uuid, e.name FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
                "WHERE r.name = ?",
                (f"day {DAY}",),
            ).fetchall()
            return runs, dict(
                store.execute("SELECT key, value FROM metrics WHERE run_uuid = ?", runs[0][:1]).fetchall()
            )

    day = crm.run_daily(copy, as_of=DAY)
    ((run, experiment),), metrics = logged()
    assert experiment.startswith("leads-days")
    scores = pq.read_table(copy / "published" / str(DAY) / "scores" / "lead_scores.parquet").to_pandas()
    assert metrics["leads"] == len(scores)
    assert [metrics[f"grade_{grade}"] for grade in "ABCD"] == [sum(scores.grade == grade) for grade in "ABCD"]
    assert metrics["waiting"] == scores.waited_hours.notna().sum() > 0
    assert metrics["p_win_mean"] == pytest.approx(scores.p_win.mean())
    assert metrics["list_entries"] == day.rows > 0
    assert sum(value for name, value in metrics.items() if name.startswith("action_")) == day.rows
    causes = copy / "mlflow" / "artifacts" / run / "artifacts" / "tables" / "causes.csv"
    assert pd.read_csv(causes)["mean_abs_contribution"].is_monotonic_decreasing
    names = [name.encode() for name in pd.read_parquet(copy / "data" / "leads.parquet")["company"].dropna().unique()]
    written = b"".join(path.read_bytes() for path in causes.parents[1].rglob("*") if path.is_file())
    assert [name for name in names if name in written] == []
    crm.run_daily(copy, as_of=DAY)
    assert logged()[0] == [(run, experiment)]


def test_one_lead_explained(copy):
    scores = crm.score(copy, "leads", as_of=DAY).table
    result = crm.explain(copy, "leads", scores.lead_id[0], as_of=DAY)
    assert result.p_win == scores.p_win[0]
    assert result.base + sum(part["contribution"] for part in result.contributions) == pytest.approx(result.margin)
    assert result.history.p_win.iloc[-1] == pytest.approx(result.p_win)
    assert result.page.read_text(encoding="utf-8").count('<li class="') == len(result.reasons)
    bare = scores.lead_id[0].replace("L0", "L")
    with pytest.raises(Failure, match=f'There is no lead "{bare}".* Did you mean "L0'):
        crm.explain(copy, "leads", bare, as_of=DAY)
    with pytest.raises(Failure, match='There is no lead "nobody"'):
        crm.explain(copy, "leads", "nobody", as_of=DAY)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.assign(created_at=None), DataError, "created_at"),
        (lambda f: f.drop(columns="lead_id"), DataError, "lead_id"),
        (lambda f: f.iloc[:0], DataError, "nothing is visible"),
    ],
)
def test_bad_leads_are_refused_with_what_to_do(copy, change, error, message):
    path = copy / "data" / "leads.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(error, match=message):
        crm.score(copy, "leads", as_of=DAY)
