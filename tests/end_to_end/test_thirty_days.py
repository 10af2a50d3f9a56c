"""A month of mornings: tiers do not flicker, and who was spoken to is left alone."""

from __future__ import annotations

import datetime as dt
import shutil

import pandas as pd
import pytest

from crm_ml.actions.feedback import Answer, Listed
from crm_ml.actions.policy import default_policy
from crm_ml.jobs.action_store import open_store
from crm_ml.jobs.daily import run_daily
from crm_ml.jobs.settings import open_workspace

DAYS = 30


@pytest.mark.stress
def test_thirty_mornings(trained_firm, tmp_path, firm_day):
    ws = tmp_path / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    with (ws / "crm.yaml").open("a") as file:
        file.write("tracking: {days: false}\n")
    store, policy = open_store(open_workspace(ws)), default_policy()
    first = dt.date.fromisoformat(firm_day)
    spoken: dict[str, dt.date] = {}
    given: dict[str, tuple[str, float]] = {}
    changes = 0
    for number in range(DAYS):
        day = first + dt.timedelta(days=number)
        result = run_daily(ws, as_of=day)
        scores = pd.read_parquet(ws / "published" / day.isoformat() / "scores" / "churn_scores.parquet")
        for row in scores.itertuples():
            tier, p = given.get(row.customer_id, (row.risk_tier, row.p_churn))
            if row.risk_tier != tier:
                changes += 1
                assert abs(row.p_churn - p) >= 0.01, (day, row.customer_id)
            if row.risk_tier != tier or row.customer_id not in given:
                given[row.customer_id] = (row.risk_tier, row.p_churn)
        listed = result.table
        for subject in listed["subject_id"]:
            if subject in spoken:
                back = spoken[subject] + dt.timedelta(days=policy.cool_down_of("personal_talk"))
                assert day >= back, (day, subject)
        top = listed[(listed["rank"] <= 2) & (listed["action"] == "personal_talk")]
        answers = [
            Answer(Listed(row.action_id, day, row.subject_type, row.subject_id, row.action), "done", day)
            for row in top.itertuples()
        ]
        store.record(answers)
        spoken |= {row.subject_id: day for row in top.itertuples()}
    assert changes > 5
    assert len(spoken) > 30
