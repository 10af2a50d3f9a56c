"""Small firms at the command line: what an operator reads."""

from __future__ import annotations

import re

import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def cut(workspace, customers):
    path = workspace / "data/order_lines.parquet"
    orders = pd.read_parquet(path)
    orders[orders.customer_id < f"{customers:05d}"].to_parquet(path, index=False)


def test_ten_customers_are_refused_with_the_numbers_found_and_needed(untrained, firm_day, runner):
    cut(untrained, 10)
    outcome = runner("train", "churn", "--as-of", firm_day, ws=untrained)
    assert outcome.code == 4
    error = outcome.json["error"]
    assert error["code"] == "too_few_churners"
    assert re.search(r"At least 10 churned and 10 retained customers are needed; .* hold \d and \d+", error["message"])
    assert "Load more history" in error["message"]


def test_eighty_customers_get_a_result_that_says_how_it_came_about(untrained, firm_day, runner):
    cut(untrained, 80)
    outcome = runner("train", "churn", "--as-of", firm_day, ws=untrained)
    assert outcome.code in (0, 4)
    said = outcome.json
    assert said["verdict"] in ("champion", "refused")
    assert said["model_kind"] in ("rule", "logistic", "lightgbm", "average")
    area = said["metrics"]["auc"]
    assert area["low"] < area["value"] < area["high"]
    assert runner("score", "--as-of", firm_day, ws=untrained).code == 0
