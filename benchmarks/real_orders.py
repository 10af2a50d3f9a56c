"""Scores of a real shop's customers for 2011-03-01, judged by the 90 days that followed.

Data: UCI Online Retail II (Chen, Sain, Guo 2012), found through CRM_ML_REAL_DATA. The mapping below is all that is
particular to it; training sees nothing from 2011-03-01 on.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import crm_ml as crm
from crm_ml.features import churn_labels, cutoff_us
from crm_ml.jobs.inputs import read_inputs
from crm_ml.models.evaluation.metrics import calibration_error

DAY = dt.date(2011, 3, 1)
HORIZON = 90
FILE = "online_retail_ii_until_2011-05-31.parquet"
MAPPING = """\
version: 1
currency: GBP
timezone: Europe/London
language: en
tables:
  order_lines:
    source: {source}
    where: >-
      "Customer ID" IS NOT NULL AND Price > 0
      AND NOT (sheet = 'Year 2009-2010' AND InvoiceDate >= TIMESTAMP '2010-12-01')
    columns:
      order_id: Invoice
      customer_id: Customer ID
      ordered_at: InvoiceDate
      product_id: StockCode
      quantity: Quantity
      net_amount: {{sql: Quantity * Price}}
churn: {{active_days: 365, gap_days: 0, horizon_days: 90}}
"""


def paired_interval(y: np.ndarray, ours: np.ndarray, rule: np.ndarray, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval over customers of the difference of the two AUCs."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        rows = generator.integers(len(y), size=len(y))
        found.append(roc_auc_score(y[rows], ours[rows]) - roc_auc_score(y[rows], rule[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def measure(data: Path) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "crm.yaml").write_text(MAPPING.format(source=(data / FILE).resolve()))
        workspace = crm.open_workspace(root)
        trained = crm.train(workspace, "churn", as_of=DAY)
        scores = crm.score(workspace, "churn", as_of=DAY).table.reset_index(drop=True)
        # the judge alone looks ahead
        tables = read_inputs(workspace)
        spine = scores[["customer_id"]].assign(as_of=DAY)
        end = cutoff_us(DAY + dt.timedelta(days=HORIZON), tables.zone)
        y = churn_labels(tables, spine, gap_days=0, horizon_days=HORIZON, known_until=end)
        features = crm.build_features(workspace, as_of=[DAY]).set_index("customer_id")
        rule = features["days_since_last_order"].loc[scores["customer_id"]].to_numpy(np.float64)
        p = scores["p_churn"].to_numpy(np.float64)
        return {
            "model_kind": trained.model_kind,
            "verdict": trained.verdict,
            "rows": len(scores),
            "rate": float(y.mean()),
            "auc": float(roc_auc_score(y, p)),
            "auc_days_since_last_order": float(roc_auc_score(y, rule)),
            "paired_interval": paired_interval(y, p, rule),
            "calibration_error": float(calibration_error(y, p)),
            "warnings": [str(finding) for finding in trained.findings if finding.severity == "warning"],
        }


def main() -> None:
    folder = os.environ.get("CRM_ML_REAL_DATA", "")
    if not folder or not (Path(folder) / FILE).is_file():
        sys.exit(f"real_orders: set CRM_ML_REAL_DATA to a folder that holds {FILE}")
    print(json.dumps(measure(Path(folder)), indent=1))


if __name__ == "__main__":
    main()
