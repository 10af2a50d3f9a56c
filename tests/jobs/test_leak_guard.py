"""A column that was overwritten when customers left, mapped as if it had been known from the start."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

import crm_ml as crm
from crm_ml.jobs import train as train_module

pytestmark = pytest.mark.filterwarnings("ignore")
COLUMN = "Letzter Umsatz"


class Enough(Exception):
    """Stops a training where it would begin to fit."""


@pytest.fixture
def overwritten(untrained):
    """The firm with such a column: the month of the last order, as a text that nothing shows to be a time."""
    path = untrained / "data" / "customers.parquet"
    customers, lines = pd.read_parquet(path), pd.read_parquet(untrained / "data" / "order_lines.parquet")
    last = customers["customer_id"].map(lines.groupby("customer_id")["ordered_at"].max())
    customers.assign(last_month=last.dt.strftime("%Y-%m")).to_parquet(path, index=False)
    file = untrained / "crm.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["tables"]["customers"]["attributes"] = {"known_from": "", "columns": {COLUMN: "last_month"}}
    file.write_text(yaml.safe_dump(settings))
    return untrained


def test_training_names_it_in_the_result_and_in_the_card(overwritten, firm_day):
    result = crm.train(overwritten, as_of=firm_day, dry_run=True)
    told = result.as_dict()
    assert told["held_back_features"] == ["attribute_letzter_umsatz"]
    finding = next(f for f in told["findings"] if f["code"] == "leak_suspected")
    assert (finding["severity"], finding["column"]) == ("warning", "attribute_letzter_umsatz")
    assert "attribute_letzter_umsatz looks as if it was set after the outcome and was held back" in result.card()
    assert "attribute_letzter_umsatz" not in result.training.model.features


def test_what_the_settings_allow_reaches_the_training(overwritten, firm_day, monkeypatch):
    file = overwritten / "crm.yaml"
    settings = yaml.safe_load(file.read_text())
    settings.setdefault("churn", {})["leak_allow"] = [COLUMN]
    file.write_text(yaml.safe_dump(settings))
    seen = {}

    def stopped(dataset, plan, **_):
        seen.update(vars(plan))
        raise Enough

    monkeypatch.setattr(train_module, "train_model", stopped)
    with pytest.raises(Enough, match=r"^$"):
        crm.train(overwritten, as_of=firm_day, dry_run=True)
    assert seen["leak_allow"] == (COLUMN,)
