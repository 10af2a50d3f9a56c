"""A real shop's orders and nothing else: one list for nobody in particular, with the warnings that belong on it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.mark.stress
@pytest.mark.real
def test_daily_on_orders_alone(real_data: Path, tmp_path: Path) -> None:
    import real_orders

    import crm_ml as crm

    file = real_data / real_orders.FILE
    (tmp_path / "crm.yaml").write_text(real_orders.MAPPING.format(source=file), encoding="utf-8")
    crm.train(tmp_path, as_of=real_orders.DAY)
    result = crm.run_daily(tmp_path, as_of=real_orders.DAY)
    assert result.lists == {"unassigned": 10}
    assert result.published is not None
    with (result.published / "unassigned.csv").open(encoding="utf-8-sig", newline="") as opened:
        heads, *rows = list(csv.reader(opened, delimiter=";"))
    assert len(rows) == 10
    assert all(row[heads.index("Reason 1")] for row in rows)
    assert all(row[heads.index("Phone")] == "" for row in rows)
    # a shop where half do not come back within 90 days: the upper tier is crowded, and is said to be
    scores = pd.read_parquet(tmp_path / "published" / str(real_orders.DAY) / "scores" / "churn_scores.parquet")
    shares = scores["risk_tier"].value_counts(normalize=True)
    crowded = {tier for tier in ("high", "medium") if shares.get(tier, 0) > 0.4}
    said = {finding.message.split()[-1] for finding in result.findings if finding.code == "crowded_tier"}
    assert said == crowded == {"high"}
    page = (result.published / "unassigned.html").read_text(encoding="utf-8")
    assert ("tell little apart" in page) == bool(crowded)
    assert {finding.code for finding in crm.check(tmp_path).findings} >= ({"crowded_tier"} if crowded else set())
    # orders alone: nobody has an address, so nobody gets an offer by e-mail
    decisions = pd.read_parquet(result.published / "decisions.parquet")
    assert set(decisions.loc[decisions["risk_tier"] == "medium", "action"]) == {"none"}
    assert set(decisions.loc[decisions["risk_tier"] == "high", "action"]) <= {"none", "personal_talk"}
