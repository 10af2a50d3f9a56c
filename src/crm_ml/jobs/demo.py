"""The whole way in one go on a made-up firm: make, train, score, decide, list, and look up what then happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.actions.lists.columns import UNASSIGNED
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.policy import policy_yaml
from crm_ml.errors import UsageError
from crm_ml.jobs.daily import DailyResult, run_daily
from crm_ml.jobs.files import disk_errors, make_folder, replace_file
from crm_ml.jobs.score import ScoreResult
from crm_ml.jobs.settings import FILE_NAME
from crm_ml.jobs.train import TrainResult, train
from crm_ml.models.evaluation.metrics import auc
from crm_ml.tables.synth import DEFAULT_CUSTOMERS, DEFAULT_UNTIL, Firm, make_firm, write_firm

MARKER = ".crm-ml-demo"
POLICY_FILE = "policy.yaml"
HORIZON_DAYS = 90
LAST_DAY = DEFAULT_UNTIL - dt.timedelta(days=HORIZON_DAYS)
"""The last day whose label window ends with the data."""
WEEK_BEFORE = LAST_DAY - dt.timedelta(days=7)
"""The day of the model and of the first lists, so that those of the last day can say what changed."""
_YAML = """\
# a made-up manufacturer, written by `crm-ml demo`
version: 1
currency: EUR
timezone: Europe/Berlin
language: de
company: Plastform GmbH
policy: policy.yaml
tables:
{tables}churn: {{active_days: 365, gap_days: 0, horizon_days: {horizon}}}
"""


@dataclass(frozen=True)
class DemoResult:
    """What the demo made and measured.

    Attributes
    ----------
    workspace : Path
    tables : dict
        Rows of each table.
    trained : TrainResult
    daily : DailyResult
    auc : dict
        On the scored day, against what happened in the 90 days after: ``model``, ``rule`` (days since last order),
        ``truth`` (the probability that the simulation itself knew).
    """

    workspace: Path
    tables: dict[str, int]
    trained: TrainResult
    daily: DailyResult
    auc: dict[str, float]

    @property
    def scored(self) -> ScoreResult:
        """The scores of the day."""
        return self.daily.scored

    @property
    def list_file(self) -> Path | None:
        """The CSV of the longest list (of equally long ones the first), to look at."""
        if self.daily.published is None or not self.daily.rows:
            return None
        longest = max(self.daily.lists, key=lambda name: (self.daily.lists[name], name != UNASSIGNED))
        file = self.daily.published / f"{file_stems(self.daily.lists)[longest]}.csv"
        return file if file.exists() else None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "workspace": str(self.workspace),
            "tables": self.tables,
            "auc": self.auc,
            "train": self.trained.as_dict(),
            "score": self.scored.as_dict(),
            "daily": self.daily.as_dict(),
        }


def make_workspace(folder: str | Path, *, customers: int = DEFAULT_CUSTOMERS, seed: int = 1) -> Firm:
    """Make a synthetic manufacturer in `folder` (tables, crm.yaml, and the truth beside them) and return it.

    Raises
    ------
    UsageError
        If the folder holds something that is not a demo.
    """
    root = Path(folder).expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", remedy="Name a folder.")
    if root.is_dir() and any(root.iterdir()) and not (root / MARKER).exists():
        raise UsageError(f"{root} is not empty and holds no demo", remedy="Name a new folder.")
    firm = make_firm(customers=customers, seed=seed)
    with disk_errors(root):
        make_folder(root)
        (root / MARKER).write_text(f"customers {customers}\nseed {seed}\n", encoding="utf-8")
        write_firm(firm, root, [LAST_DAY])
    sources = "".join(f"  {name}: {{source: data/{name}.parquet}}\n" for name in firm.frames)
    text = _YAML.format(tables=sources, horizon=HORIZON_DAYS)
    replace_file(root / POLICY_FILE, lambda beside: _write(beside, policy_yaml()), step="demo")
    replace_file(root / FILE_NAME, lambda beside: _write(beside, text), step="demo")
    return firm


def make_demo(
    folder: str | Path = "demo",
    *,
    customers: int = DEFAULT_CUSTOMERS,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> DemoResult:
    """Make a synthetic manufacturer in `folder`, train on it, and write the lists of two days, a week apart.

    The firm's data end 90 days after the scored day, so what then happened is known; no step before sees any of it.

    Raises
    ------
    UsageError
        If the folder holds something that is not a demo.
    """
    root = Path(folder).expanduser().absolute()
    say = progress or (lambda _line: None)
    say(f"making a manufacturer with {customers:,} customers")
    firm = make_workspace(root, customers=customers, seed=seed)
    trained = train(root, as_of=WEEK_BEFORE, progress=say)
    say(f"the lists of {WEEK_BEFORE}")
    run_daily(root, as_of=WEEK_BEFORE, progress=say)
    say(f"the lists of {LAST_DAY}")
    daily = run_daily(root, as_of=LAST_DAY, progress=say)
    say("looking up what then happened")
    truth = firm.truth(LAST_DAY, HORIZON_DAYS)
    measured = _auc(daily.scored, truth, root, LAST_DAY)
    return DemoResult(root, {name: len(frame) for name, frame in firm.frames.items()}, trained, daily, measured)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _auc(scored: ScoreResult, truth: Any, root: Path, day: dt.date) -> dict[str, float]:
    from crm_ml.jobs.features import build_features

    rule = build_features(root, as_of=day)[[n.CUSTOMER_ID, n.DAYS_SINCE_LAST_ORDER]]
    joined = scored.table[[n.CUSTOMER_ID, "p_churn"]].merge(truth, on=n.CUSTOMER_ID).merge(rule, on=n.CUSTOMER_ID)
    y = joined["y"].to_numpy(bool)
    columns = {"model": "p_churn", "rule": n.DAYS_SINCE_LAST_ORDER, "truth": "p_no_purchase"}
    return {name: round(float(auc(y, joined[column].to_numpy(np.float64))), 4) for name, column in columns.items()}
