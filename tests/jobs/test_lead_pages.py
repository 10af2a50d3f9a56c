"""Backtest and comparison of leads speak of leads, in both languages; of customers they say what they said."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from compared_runs import write_runs

from crm_ml.jobs import compare as compare_job
from crm_ml.jobs.backtest_page import page_html as backtest_page
from crm_ml.jobs.backtest_result import BacktestResult, Money, no_money, result_of, summary_of
from crm_ml.jobs.backtest_texts import LEAD_TEXTS as BACKTEST_LEADS
from crm_ml.jobs.backtest_texts import TEXTS as BACKTEST_TEXTS
from crm_ml.jobs.compare_page import page_html as compare_page
from crm_ml.jobs.compare_texts import LEAD_TEXTS as COMPARE_LEADS
from crm_ml.jobs.compare_texts import TEXTS as COMPARE_TEXTS
from crm_ml.models.evaluation.backtest import judge
from crm_ml.models.evaluation.backtest_rows import Choice

OF_CUSTOMERS = re.compile(r"kund|abwander|churn|customer|risik|riskant|riski|at stake|leaver|stayer", re.IGNORECASE)
DAYS = (dt.date(2025, 6, 2), dt.date(2025, 9, 1))
RULES = ("source_rate", "stage", "best_column")


def seen(page: str) -> str:
    """Return what a reader sees or hears of a page: texts, titles and descriptions of pictures."""
    page = re.sub(r"data:image[^\"]*|<style>.*?</style>", "", page, flags=re.DOTALL)
    spoken = re.findall(r'(?:alt|aria-label)="([^"]*)"', page)
    return " ".join([*spoken, re.sub(r"<[^>]+>", " ", page)])


@pytest.fixture(scope="module")
def leads() -> BacktestResult:
    """A backtest of leads at two cutoffs, with made-up scores of one candidate and three rules."""
    rng = np.random.default_rng(1)
    parts = []
    for day in DAYS:
        chance = rng.normal(-1, 1.2, 120)
        y = rng.random(120) < 1 / (1 + np.exp(-chance))
        for name, noise in (("lightgbm", 0.3), ("source_rate", 3.0), ("stage", 1.0), ("best_column", 1.5)):
            margin = chance + rng.normal(0, noise, 120)
            ids = [f"L{k:04d}" for k in range(120)]
            columns = {"cutoff": day, "customer_id": ids, "name": name, "margin": margin}
            parts.append(pd.DataFrame({**columns, "p": 1 / (1 + np.exp(-margin)), "y": y, "value_at_stake": 1.0}))
    frame = pd.concat(parts, ignore_index=True)
    choices = tuple(Choice(day, "lightgbm", "champion", ("lightgbm",), RULES) for day in DAYS)
    return BacktestResult(
        model="leads",
        as_of=dt.date(2026, 1, 5),
        horizon_days=90,
        language="en",
        choices=choices,
        judged=judge(frame.assign(cutoff=frame["cutoff"].astype(str)), choices, replicates=40),
        money=Money(None, "", {}, "EUR", no_money()),
        predictions=pa.Table.from_pandas(frame, preserve_index=False),
        trainings={str(day): {"train_rows": 900} for day in DAYS},
        target="won",
    )


@pytest.fixture(scope="module")
def compared(small_firm, tmp_path_factory):
    """A firm with three made-up trainings of leads."""
    folder = tmp_path_factory.mktemp("compared") / "ws"
    folder.mkdir()
    shutil.copy(small_firm / "crm.yaml", folder)
    runs = write_runs(folder, 3, champion=2)
    told = [replace(run, params={**run.params, "target": "won"}) for run in runs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_job, "registered_runs", lambda workspace, kind: told)
        patch.setattr(compare_job, "require_kind", lambda workspace, kind: None)
        yield {said: compare_job.compare(folder, "leads", language=said, dry_run=True) for said in ("de", "en")}


@pytest.mark.parametrize("said", ["de", "en"])
@pytest.mark.parametrize("target", ["won", "opportunity", "sql"])
def test_a_backtest_of_leads_says_nothing_of_customers(leads, said, target):
    text = seen(backtest_page(replace(leads, language=said, target=target)))
    assert OF_CUSTOMERS.findall(text) == []
    assert "{" not in text
    reached = {
        "won": ("gewonnen wurden", "were won"),
        "opportunity": ("zur Verkaufschance wurden", "became an opportunity"),
        "sql": ("zum SQL wurden", "became an SQL"),
    }[target]
    assert text.count(reached[said != "de"]) >= 3
    assert ("Regel: Quote der Quelle", "rule: rate of the source")[said != "de"] in text


def test_the_pictures_of_leads_speak_of_leads(leads):
    for said in ("de", "en"):
        result = replace(leads, language=said)
        drawn = (result.plot(), result.plot(metric="level"), result.plot_cutoffs(metric="lift_at_capacity"))
        for axes in (*drawn, result.plot_reliability(), result.plot_gain()):
            legend = axes.get_legend()
            words = [text.get_text() for text in legend.get_texts()] if legend else []
            words += [axes.get_xlabel(), axes.get_ylabel(), *(tick.get_text() for tick in axes.get_yticklabels())]
            assert OF_CUSTOMERS.findall(" ".join(words)) == []
    assert replace(leads, target="churn").plot_gain().get_ylabel() == "share of churners among them"


def test_the_target_of_a_backtest_comes_back_from_its_summary(leads):
    assert result_of(summary_of(leads), leads.predictions).target == "won"


@pytest.mark.parametrize("said", ["de", "en"])
def test_a_comparison_of_leads_says_nothing_of_customers(compared, said):
    result = compared[said]
    text = seen(compare_page(result))
    assert OF_CUSTOMERS.findall(text) == []
    assert ("Leads (Ziel: gewonnen)", "Leads (target: won)")[said != "de"] in text
    assert "{" not in text
    # what an action brings is assumed of customers, and tiers are theirs
    assert ("Geld", "Money")[said != "de"] not in text
    assert result.profit.empty
    assert result.profit_at_capacity.empty
    for kind in ("reliability", "gain"):
        axes = result.plot(kind)
        assert OF_CUSTOMERS.findall(f"{axes.get_xlabel()} {axes.get_ylabel()}") == []


def test_trainings_for_other_targets_are_not_compared(compared):
    run = compared["en"].runs[0]
    other = replace(run, run=replace(run.run, params={**run.run.params, "target": "sql"}))
    assert run.label == ("0", "90", "won") != other.label


@pytest.mark.parametrize(
    ("general", "of_leads"), [(BACKTEST_TEXTS, BACKTEST_LEADS), (COMPARE_TEXTS, COMPARE_LEADS)], ids=["back", "compare"]
)
def test_texts_of_leads_stand_for_others_and_name_the_same_values(general, of_leads):
    forms = {"target", "done", "reach", "reached"}
    for key, texts in of_leads.items():
        for which in (0, 1):
            named = set(re.findall(r"{(\w+)}", texts[which])) - forms
            assert named == set(re.findall(r"{(\w+)}", general[key][which])), key
