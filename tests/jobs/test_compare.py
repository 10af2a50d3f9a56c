"""`crm-ml compare`: real trainings read back, made-up runs paired, the page harmless, each refusal with its code."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from compared_runs import evaluation, registered, run_id, write_artefact, write_evaluation, write_runs

import crm_ml as crm
from crm_ml.errors import Failure, UsageError
from crm_ml.jobs import compare as job
from crm_ml.jobs import tracking
from crm_ml.jobs.assumptions import assumed
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.settings import open_workspace
from crm_ml.jobs.tracking_read import artefact_text, registered_runs
from crm_ml.models.bundle import load_bundle
from crm_ml.models.evaluation.curves import VALUE

EARLIER = "2025-01-20"


@pytest.fixture(scope="module")
def two_trainings(trained_firm, tmp_path_factory):
    """The trained firm with an older training beside its champion, and one day published."""
    folder = tmp_path_factory.mktemp("two") / "firm"
    shutil.copytree(trained_firm, folder)
    (folder / "crm.yaml").write_text((folder / "crm.yaml").read_text().replace("language: en", "language: de"))
    assert crm.train(folder, as_of=EARLIER).verdict == "challenger"
    crm.score(folder, as_of="2025-03-04")
    return folder


@pytest.fixture
def made(small_firm, tmp_path, monkeypatch):
    """A firm with six made-up runs: 4 serves, 5 challenges, 3 and 6 name no customers."""
    folder = tmp_path / "ws"
    folder.mkdir()
    shutil.copy(small_firm / "crm.yaml", folder)
    runs = write_runs(folder, 6, champion=4)
    monkeypatch.setattr(job, "registered_runs", lambda workspace, kind: runs)
    return folder


class Page(HTMLParser):
    """Counts tags, and collects what would be asked for or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.odd: list[tuple[str, str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href", "xlink:href") and not str(value).startswith("#")):
                self.odd.append((tag, name, value))


@pytest.mark.filterwarnings("ignore")
def test_two_real_trainings_side_by_side(two_trainings):
    result = crm.compare(two_trainings, "churn")
    table = result.table.set_index("version")
    assert list(table.index) == ["2", "1"]
    assert result.reference == "1"
    assert result.champion_serves
    assert table["alias"].to_dict() == {"1": "champion", "2": "challenger"}
    assert table["as_of"].to_dict() == {"1": "2025-03-03", "2": EARLIER}
    run = registered_runs(open_workspace(two_trainings), "churn")[1]
    assert table.loc["1", "auc"] == run.metrics["auc"]
    # the two were evaluated on other days: the difference is that of the two measured values, and not paired
    assert table.loc["2", "difference"] == pytest.approx(table.loc["2", "auc"] - table.loc["1", "auc"])
    assert (bool(table.loc["2", "paired"]), table.loc["2", "note"]) == (False, "no_common_rows")
    assert result.unnamed == frozenset()
    assert set(result.importance.columns) == {"1", "2"}
    assert result.importance.sum().max() <= 1 + 1e-9
    text = result.page.read_text(encoding="utf-8")
    assert "nicht gepaart: keine gemeinsamen Zeilen" in text
    assert result.page == two_trainings / "compared" / "churn.html"


@pytest.mark.filterwarnings("ignore")
def test_tiers_change_as_the_two_bundles_say(two_trainings):
    result = crm.compare(two_trainings, dry_run=True)
    tiers = result.tiers
    assert (tiers.as_of.isoformat(), tiers.before, tiers.after) == ("2025-03-04", "1", "2")
    frame = crm.build_features(two_trainings, "churn", as_of="2025-03-04")
    workspace = open_workspace(two_trainings)
    words = {}
    for alias in ("champion", "challenger"):
        version = tracking.serving(workspace, "churn", alias)
        model = load_bundle(tracking.fetch_bundle(workspace, version), sha256=version.sha256, trial=False)
        p = model.predict_proba(frame)
        words[alias] = np.select([p >= 0.6, p >= 0.3], ["high", "medium"], "low")
    changed = frame["customer_id"][words["champion"] != words["challenger"]]
    assert len(changed) > 0
    assert sorted(tiers.changes["customer_id"]) == sorted(changed)
    assert tiers.customers == len(frame) == int(tiers.matrix.to_numpy().sum())
    counts = pd.crosstab(words["champion"], words["challenger"])
    assert tiers.matrix.loc["high", "high"] == counts.loc["high", "high"]
    # neither the terminal's JSON nor MLflow learns who it is
    assert not any(f'"{name}"' in str(result.as_dict()) for name in changed)
    assert result.as_dict()["tier_changes"]["changed"] == len(changed)


@pytest.mark.filterwarnings("ignore")
def test_a_day_before_a_training_is_not_used_for_tiers(two_trainings):
    result = crm.compare(two_trainings, as_of="2025-02-03", dry_run=True)
    assert result.tiers is None
    (finding,) = result.findings
    assert (finding.code, finding.severity) == ("model_from_the_future", "warning")
    assert "Version 1 was trained as of 2025-03-03" in finding.message


@pytest.mark.filterwarnings("ignore")
def test_the_command_prints_a_table_and_one_object(two_trainings, runner):
    outcome = runner("compare", "churn", ws=two_trainings)
    assert outcome.code == 0
    assert outcome.json["champion"] == "1"
    assert [run["version"] for run in outcome.json["runs"]] == ["2", "1"]
    assert {"value", "low", "high"} == set(outcome.json["runs"][0]["metrics"]["auc"])
    assert outcome.json["runs"][0]["differences"]["note"] == "no_common_rows"
    told = runner("compare", "churn", "--workspace", str(two_trainings), "--last", "1", "--dry-run", "--lang", "en")
    assert told.code == 0
    # a narrow terminal breaks the last column
    lines = [line for line in told.out.splitlines() if line.split()[:1] in (["1"], ["2"], ["Dry"])]
    assert lines[0].split()[:2] == ["2", "challenger"]
    assert "not paired: no" in lines[0]
    assert "common rows" in told.out
    assert lines[1].split()[:2] == ["1", "champion"]
    assert lines[1].rstrip().endswith("reference")
    assert lines[2] == "Dry run: no page written"
    wrong = runner("compare", "churn", "--version", "7", ws=two_trainings)
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "no_such_version")
    assert "Versions here, newest first: 2, 1" in wrong.json["error"]["message"]


def test_without_a_model_there_is_nothing_to_compare(small_firm):
    with pytest.raises(Failure, match=r"There is no churn model to compare in .* crm-ml train churn"):
        crm.compare(small_firm)
    assert not (small_firm / "mlflow").exists()
    with pytest.raises(UsageError, match="language must be de or en"):
        crm.compare(small_firm, language="fr")


def test_rows_in_common_are_paired_and_the_rest_says_why(made):
    result = crm.compare(made, dry_run=True)
    table = result.table.set_index("version")
    assert list(table.index) == ["6", "5", "4", "3", "2", "1"]
    assert table["note"].to_dict() == {
        "6": "no_common_rows",
        "5": "",
        "4": "reference",
        "3": "no_common_rows",
        "2": "",
        "1": "",
    }
    assert table["paired"].to_dict() == {"6": False, "5": True, "4": False, "3": False, "2": True, "1": True}
    assert table.loc["5", "rows"] == 800
    # on the same rows the paired difference is the difference of the measured values, and its interval is narrower
    assert table.loc["1", "difference"] == pytest.approx(table.loc["1", "auc"] - table.loc["4", "auc"])
    width = table["difference_high"] - table["difference_low"]
    assert width["5"] < width["6"]
    assert set(result.profit_at_capacity["name"]) == {"5", "4", "2", "1"}
    assert set(result.gain["name"]) == set(table.index)


def test_which_runs_are_compared(made):
    def versions(**how):
        return [run.version for run in crm.compare(made, dry_run=True, **how).runs]

    assert versions(last=1) == ["6", "4"]
    assert versions(runs=["2", run_id(6)]) == ["6", "4", "2"]
    assert versions(runs=["1", "2", "6"], last=2) == ["6", "4", "2"]
    with pytest.raises(UsageError, match=r"No registered version or run is called 'x'.*6, 5, 4, 3, 2, 1"):
        versions(runs=["x"])
    with pytest.raises(UsageError, match="last must be at least 1; found 0"):
        versions(last=0)


def test_another_label_is_not_compared_and_without_a_champion_the_newest_is_the_reference(made, monkeypatch):
    runs = [registered(8, evaluation(8), horizon="60"), registered(7, evaluation(7))]
    for number in (7, 8):
        write_evaluation(made, number, evaluation(number))
        write_artefact(made, number, "tables/importance.csv", "feature,mean_abs_contribution\na,1.0\n")
    monkeypatch.setattr(job, "registered_runs", lambda workspace, kind: runs)
    result = crm.compare(made, out=made / "page.html", language="en")
    assert (result.reference, result.champion_serves) == ("8", False)
    assert result.table.set_index("version").loc["7", "note"] == "other_label"
    text = result.page.read_text(encoding="utf-8")
    assert "No model serves; the newest version 8" in text
    assert "not compared: another label (90 days)" in text


def test_money_assumes_what_the_policy_says_for_high_risk(made):
    found = assumed(load_policy(open_workspace(made)))
    assert (found.action, found.save_rate, found.cost) == ("personal_talk", 0.3, 60.0)
    result = crm.compare(made, dry_run=True)
    rows = evaluation(4, customers=400)
    first = []
    for _, day in rows.groupby("as_of"):
        best = day.assign(rank=day["p"] * day[VALUE]).nlargest(40, "rank")
        first.append((best["y"] * best[VALUE] * 0.3 - 60.0).sum())
    own = result.profit_at_capacity.set_index("name").loc["4"]
    assert own["by_value"] == pytest.approx(np.mean(first))


def test_the_page_is_one_file_that_runs_and_asks_for_nothing(made):
    result = crm.compare(made, out=made / "somewhere" / "page.html", language="de")
    text = result.page.read_text(encoding="utf-8")
    page = Page(text)
    assert page.odd == []
    assert not {"script", "iframe", "img", "link", "object", "form"} & set(page.tags)
    assert "http" not in re.sub(r"<meta http-equiv", "", text)
    assert page.tags["svg"] == text.count('role="img"') + text.count('class="forest') + 1
    assert all(label for label in re.findall(r'role="img" aria-label="([^"]*)"', text))
    auc = result.table.set_index("version").loc["4", "auc"]
    assert f"{auc:.3f}".replace(".", ",") in text
    assert f"{auc:.3f}" not in text
    assert "00001" not in text  # no customer but in the list of tiers, and there is none here
    again = crm.compare(made, out=made / "again.html", language="de")
    assert again.page.read_bytes() == result.page.read_bytes()


def test_what_others_wrote_into_mlflow_is_text(made, monkeypatch):
    evil = "<script>alert(1)</script>\"'\x1b[31m"
    run = registered(7, evaluation(7), model_kind=evil, as_of=evil, verdict=evil, aliases=("champion", evil))
    write_evaluation(made, 7, evaluation(7))
    bars = pd.DataFrame({"feature": [evil], "mean_abs_contribution": [1.0]})
    write_artefact(made, 7, "tables/importance.csv", bars.to_csv(index=False))
    monkeypatch.setattr(job, "registered_runs", lambda workspace, kind: [run])
    text = crm.compare(made, out=made / "page.html").page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "\x1b" not in text
    assert Page(text).odd == []


def test_broken_files_of_a_run_are_as_good_as_none(made):
    (made / "mlflow" / "evaluations" / f"{run_id(5)}.parquet").write_bytes(b"PAR1 not really")
    write_artefact(made, 5, "tables/predictions.csv", "as_of,y,p\n2025-01-01,True,maybe\n")
    write_artefact(made, 2, "tables/importance.csv", "something,else\n1,2\n")
    result = crm.compare(made, out=made / "page.html")
    table = result.table.set_index("version")
    assert table.loc["5", "note"] == "no_common_rows"
    assert "5" not in set(result.gain["name"])
    assert "2" not in result.importance.columns
    workspace = open_workspace(made)
    (made / "mlflow" / "artifacts" / run_id(2) / "artifacts" / "secret.csv").symlink_to(made / "crm.yaml")
    assert artefact_text(workspace, run_id(2), "secret.csv") is None
    assert artefact_text(workspace, run_id(2), "tables/none.csv") is None


def test_backtests_of_the_workspace_are_pooled(made):
    folder = made / "backtests" / "2025-04-01-0123456789ab"
    folder.mkdir(parents=True)
    days = ("2024-11-01", "2024-12-01", "2025-01-01", "2025-02-01")
    parts = [
        evaluation(number, days=days).assign(name=name).rename(columns={"as_of": "cutoff"})
        for number, name in ((1, "lightgbm"), (90, "days_since_last_order"))
    ]
    pd.concat(parts).to_parquet(folder / "predictions.parquet", index=False)
    (made / "backtests" / "notes").mkdir()
    result = crm.compare(made, out=made / "page.html", language="en")
    (one,) = result.backtests
    assert (one.as_of, one.table["name"].tolist()) == ("2025-04-01", ["lightgbm", "days_since_last_order"])
    assert one.table["rows"].tolist() == [480, 480]
    assert one.table["low"][0] > 0
    assert "As of 1 April 2025" in result.page.read_text(encoding="utf-8")


def test_each_picture_is_drawn_from_python_too(made):
    from matplotlib.figure import Figure

    result = crm.compare(made, dry_run=True)
    for kind in job.PLOTS:
        axes = Figure().subplots()
        assert result.plot(kind, axes) is axes
        assert axes.has_data()
    with pytest.raises(UsageError, match=r"There is no picture 'gian'\. Did you mean \"gain\""):
        result.plot("gian")


def test_a_folder_is_no_file_for_the_page(made):
    with pytest.raises(UsageError, match=r"is a folder\. Name a file with --out"):
        crm.compare(made, out=made)
