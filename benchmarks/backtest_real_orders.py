"""A real shop's orders backtested at four days: is the best candidate at least as good as RFM logistic regression?

Data: UCI Online Retail II (Chen, Sain, Guo 2012), found through CRM_ML_REAL_DATA; the mapping is that of
`real_orders.py`. Pooled over the cutoffs, with paired 95 % customer-bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from real_orders import FILE, MAPPING

import crm_ml as crm
from crm_ml.jobs.backtest_texts import span
from crm_ml.models.evaluation.backtest_rows import CHAMPION

AS_OF = "2011-06-01"
CUTOFFS = ("2010-12-01", "2011-01-01", "2011-02-01", "2011-03-01")
LOGISTIC = "logistic"
LOWEST = -0.005


def measure(data: Path, root: Path, *, workers: int) -> dict[str, object]:
    (root / "crm.yaml").write_text(MAPPING.format(source=(data / FILE).resolve()))
    result = crm.backtest(
        crm.open_workspace(root),
        "churn",
        as_of=AS_OF,
        cutoffs=CUTOFFS,
        workers=workers,
        progress=lambda line: print(f"... {line}", file=sys.stderr),
    )
    judged = result.judged
    scopes = ("pooled", *CUTOFFS)
    gap = judged.difference(judged.best_candidate, LOGISTIC) if judged.best_candidate != LOGISTIC else None
    return {
        "rows": result.rows,
        "chosen": {str(choice.cutoff): f"{choice.chosen} ({choice.verdict})" for choice in result.choices},
        "auc": {
            name: {scope: span(judged.measure(name, "auc", scope), "en") for scope in scopes} for name in result.names
        },
        "champion": {name: span(value, "en") for name, value in result.metrics.items()},
        "level": {scope: span(judged.measure(CHAMPION, "level", scope), "en", sign=True) for scope in scopes},
        "champion_minus": {name: span(judged.difference(CHAMPION, name), "en", sign=True) for name in result.names[1:]},
        "best_candidate": judged.best_candidate,
        "best_minus_logistic": "the same" if gap is None else span(gap, "en", sign=True, places=4),
        "at_least_as_good": gap is None or gap.low > LOWEST,
        "warnings": [str(finding) for finding in result.findings if finding.severity == "warning"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--workspace", type=Path, help="keep it here, so that a killed run goes on; default: nowhere")
    given = parser.parse_args()
    folder = os.environ.get("CRM_ML_REAL_DATA", "")
    if not folder or not (Path(folder) / FILE).is_file():
        sys.exit(f"backtest_real_orders: set CRM_ML_REAL_DATA to a folder that holds {FILE}")
    with tempfile.TemporaryDirectory() as temporary:
        root = given.workspace or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure(Path(folder), root, workers=given.workers), indent=1))


if __name__ == "__main__":
    main()
