"""The model card: made from a run's own figures, with every section, and safe with what others wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_ml.errors import Finding
from crm_ml.jobs.model_card import model_card
from crm_ml.jobs.settings import open_workspace
from crm_ml.jobs.tracking_read import artefact_text, registered_runs

ROOT = Path(__file__).parent.parent.parent
SECTIONS = [
    "Intended use",
    "Out of scope",
    "Data",
    "Label",
    "Features",
    "Measured",
    "Calibration",
    "Reliability by tier and segment",
    "Compared with rules",
    "What these customers can show",
    "Leaks and stability",
    "Limits",
    "Law",
    "Made from",
]


def section(card: str, title: str) -> str:
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def run_and_card(trained_firm):
    workspace = open_workspace(trained_firm)
    (run,) = registered_runs(workspace, "churn")
    return run, artefact_text(workspace, run.run_id, "model_card.md")


@pytest.mark.filterwarnings("ignore")
def test_the_card_of_a_run_holds_its_figures(run_and_card):
    run, card = run_and_card
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == SECTIONS
    ends = [run.metrics[name] for name in ("auc", "auc_low", "auc_high")]
    assert "| {:.3f} | {:.3f} to {:.3f} |".format(*ends) in section(card, "Measured")
    skill = [run.metrics[f"brier_skill{end}"] for end in ("", "_low", "_high")]
    assert "base rate) | {:.3f} | {:.3f} to {:.3f} |".format(*skill) in section(card, "Measured")
    assert f"{run.metrics['train_rows']:,.0f} rows" in section(card, "Data")
    assert "no purchase in the 90 days" in section(card, "Label")
    rules = section(card, "Compared with rules")
    gap = [run.metrics[f"auc_minus_days_since_last_order{end}"] for end in ("", "_low", "_high")]
    assert "{:+.3f} ({:+.3f} to {:+.3f})".format(*gap) in rules
    assert all(
        word in section(card, "Law") for word in ("Art. 22", "Art. 21", "UWG § 7", "2024/1689", "no legal advice")
    )
    assert run.tags["sha256"] in section(card, "Made from")


@pytest.mark.filterwarnings("ignore")
def test_its_calibration_table_covers_all_evaluation_rows(run_and_card):
    _, card = run_and_card
    told = section(card, "Calibration")
    rows = [line.split("|")[1:-1] for line in told.splitlines() if re.match(r"\| \d", line)]
    counted = sum(int(row[3].replace(",", "")) for row in rows)
    assert f"({counted:,} rows" in section(card, "Data")
    predicted = [float(row[0]) for row in rows]
    assert predicted == sorted(predicted)
    low, high = zip(*(map(float, row[2].split(" to ")) for row in rows), strict=True)
    assert all(a <= float(row[1]) <= b for a, row, b in zip(low, rows, high, strict=True))


def test_what_the_checks_found_stands_under_leaks_and_stability_and_breaks_no_line(real_training):
    leak = Finding("warning", "leak_time_stamp", "ended_on looks\nset after", "Leave it out", examples=["a`b"])
    card = model_card(
        real_training, {"as_of": "2025-03-03", "odd": "x`\n# y"}, ["days_since_last_order"], checks=[leak]
    )
    assert "- ended_on looks set after (a'b). Leave it out" in section(card, "Leaks and stability").splitlines()
    assert "- odd: `x' # y`" in card.splitlines()
    plain = model_card(real_training, {"as_of": "2025-03-03"}, [])
    assert "found nothing to report" in section(plain, "Leaks and stability")


def test_the_card_under_git_has_the_form_of_today():
    card = (ROOT / "models" / "churn.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == SECTIONS


@pytest.fixture(scope="module")
def real_training():
    """A small training of the rules' three columns: enough for a card."""
    import datetime as dt

    import numpy as np
    import pandas as pd

    from crm_ml.models import make_dataset, train_churn

    rng = np.random.default_rng(3)
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=30 * k) for k in range(12)]
    silent = np.abs(rng.normal(40, 30, (len(days), 80)))
    rows = {
        "customer_id": np.tile([f"{k:03d}" for k in range(80)], len(days)),
        "as_of": np.repeat(days, 80),
        "days_since_last_order": silent.ravel(),
        "days_since_last_order_over_own_gap": (silent / 20).ravel(),
        "days_since_first_order": 400.0,
        "order_days_count": 9.0,
    }
    frame = pd.DataFrame(rows)
    y = rng.random(len(frame)) < 1 / (1 + np.exp(-(frame["days_since_last_order"].to_numpy() - 60) / 15))
    dataset = make_dataset(frame, y, gap_days=0, horizon_days=30)
    return train_churn(dataset, train_as_of=dt.date(2025, 2, 1), gap_days=0, horizon_days=30, replicates=40)
