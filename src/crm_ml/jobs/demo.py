"""The whole way in one go on a made-up firm: make, train, score, and look up what then happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crm_ml import names as n
from crm_ml.errors import UsageError
from crm_ml.jobs.files import disk_errors, make_folder, replace_file
from crm_ml.jobs.score import ScoreResult, score
from crm_ml.jobs.settings import FILE_NAME
from crm_ml.jobs.train import TrainResult, train
from crm_ml.models.evaluation.metrics import auc
from crm_ml.tables.synth import DEFAULT_UNTIL, make_firm, write_firm

MARKER = ".crm-ml-demo"
HORIZON_DAYS = 90
_YAML = """\
# a made-up manufacturer, written by `crm-ml demo`
version: 1
currency: EUR
timezone: Europe/Berlin
language: de
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
    scored : ScoreResult
    auc : dict
        On the scored day, against what happened in the 90 days after: ``model``, ``rule`` (days since last order),
        ``truth`` (the probability that the simulation itself knew).
    """

    workspace: Path
    tables: dict[str, int]
    trained: TrainResult
    scored: ScoreResult
    auc: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "workspace": str(self.workspace),
            "tables": self.tables,
            "auc": self.auc,
            "train": self.trained.as_dict(),
            "score": self.scored.as_dict(),
        }


def make_demo(
    folder: str | Path = "demo",
    *,
    customers: int = 2500,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> DemoResult:
    """Make a synthetic manufacturer in `folder`, train on it and score its last day that can be looked up.

    The firm's data end 90 days after the scored day, so what then happened is known; training and scoring see nothing of it.

    Raises
    ------
    UsageError
        If the folder holds something that is not a demo.
    """
    root = Path(folder).expanduser().absolute()
    say = progress or (lambda _line: None)
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", remedy="Name a folder.")
    if root.is_dir() and any(root.iterdir()) and not (root / MARKER).exists():
        raise UsageError(f"{root} is not empty and holds no demo", remedy="Name a new folder.")
    day = DEFAULT_UNTIL - dt.timedelta(days=HORIZON_DAYS)
    say(f"making a manufacturer with {customers:,} customers")
    firm = make_firm(customers=customers, seed=seed)
    with disk_errors(root):
        make_folder(root)
        (root / MARKER).write_text(f"customers {customers}\nseed {seed}\n", encoding="utf-8")
        write_firm(firm, root, [day])
    sources = "".join(f"  {name}: {{source: data/{name}.parquet}}\n" for name in firm.frames)
    text = _YAML.format(tables=sources, horizon=HORIZON_DAYS)
    replace_file(root / FILE_NAME, lambda beside: _write(beside, text), step="demo")
    trained = train(root, as_of=day, progress=say)
    scored = score(root, as_of=day, progress=say)
    say("looking up what then happened")
    truth = firm.truth(day, HORIZON_DAYS)
    measured = _auc(scored, truth, root, day)
    return DemoResult(root, {name: len(frame) for name, frame in firm.frames.items()}, trained, scored, measured)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _auc(scored: ScoreResult, truth: Any, root: Path, day: dt.date) -> dict[str, float]:
    from crm_ml.jobs.features import build_features

    rule = build_features(root, as_of=day)[[n.CUSTOMER_ID, n.DAYS_SINCE_LAST_ORDER]]
    joined = scored.table[[n.CUSTOMER_ID, "p_churn"]].merge(truth, on=n.CUSTOMER_ID).merge(rule, on=n.CUSTOMER_ID)
    y = joined["y"].to_numpy(bool)
    columns = {"model": "p_churn", "rule": n.DAYS_SINCE_LAST_ORDER, "truth": "p_no_purchase"}
    return {name: round(float(auc(y, joined[column].to_numpy(np.float64))), 4) for name, column in columns.items()}
