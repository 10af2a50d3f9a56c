"""Does the feasibility verdict say what then happens? Fixed seeds, no data needed.

1. The expected half-width of an AUC's interval against 1.96 standard deviations of repeated samples.
2. Tiers said to be told apart: how often the intervals of their rates then do not overlap (80 % or more is promised).
3. Smallest effect said to be visible: how often an experiment of that size then shows it (80 %).
4. The learning curve of a synthetic firm.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import stats

from crm_ml.jobs.demo import LAST_DAY, make_workspace
from crm_ml.jobs.inputs import as_workspace, read_inputs
from crm_ml.jobs.problem import problem_of
from crm_ml.models.evaluation.feasibility import feasibility
from crm_ml.models.evaluation.learning import learning_curve
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.power import auc_half_width, auc_standard_error

SIZES = ((300, 40, 0.75), (1240, 61, 0.75), (1240, 61, 0.85), (3000, 300, 0.70), (8000, 1600, 0.80))


def scores(rng: np.random.Generator, y: np.ndarray, expected: float, shape: str) -> np.ndarray:
    if shape == "normal":
        return rng.normal(size=len(y)) + np.sqrt(2) * stats.norm.ppf(expected) * y
    return rng.exponential(np.where(y, expected / (1 - expected), 1.0))


def widths(draws: int) -> list[dict[str, float]]:
    rng, found = np.random.default_rng(1), []
    for customers, leavers, expected in SIZES:
        y = np.arange(customers) < leavers
        row = {"customers": customers, "leavers": leavers, "auc": expected}
        row["said"] = auc_half_width(expected, leavers, customers - leavers)
        exponential = auc_standard_error(expected, leavers, customers - leavers, scores="exponential")
        row["said_for_exponential"] = 1.96 * exponential
        for shape in ("normal", "exponential"):
            row[shape] = 1.96 * float(np.std([auc(y, scores(rng, y, expected, shape)) for _ in range(draws)]))
        found.append(row)
    return found


def tiers(draws: int) -> list[dict[str, object]]:
    rng, found = np.random.default_rng(2), []
    for customers, leavers, expected in SIZES:
        verdict, apart = feasibility(customers, leavers, auc=expected), 0
        edges = np.round(np.cumsum((0.0, *verdict.tier_shares)) * customers).astype(int)
        for _ in range(draws):
            y = rng.random(customers) < leavers / customers
            ranked = y[np.argsort(-scores(rng, y, expected, "normal"))]
            parts = [ranked[a:b] for a, b in pairwise(edges)]
            ends = [stats.binomtest(int(t.sum()), len(t)).proportion_ci(method="wilson") for t in parts]
            apart += all(upper.low > lower.high for upper, lower in pairwise(ends))
        rates = [round(rate, 3) for rate in verdict.tier_rates]
        found.append({"customers": customers, "leavers": leavers, "auc": expected, "shares": verdict.tier_shares})
        found[-1] |= {"rates": rates, "told_apart": apart / draws}
    return found


def effects(draws: int) -> list[dict[str, object]]:
    rng, found = np.random.default_rng(3), []
    for customers, leavers, _ in SIZES:
        verdict = feasibility(customers, leavers)
        row: dict[str, object] = {"customers": customers, "leavers": leavers, "per_arm": verdict.per_arm}
        row["smallest_cut"] = verdict.smallest_cut
        if verdict.smallest_cut is not None:
            rate, n = leavers / customers, verdict.per_arm
            control = rng.binomial(n, rate, draws) / n
            treated = rng.binomial(n, rate * (1 - verdict.smallest_cut), draws) / n
            middle = (control + treated) / 2
            spread = np.sqrt(np.maximum(2 * middle * (1 - middle) / n, 1e-12))
            row["shown"] = float(((control - treated) / spread > 1.959964).mean())
        found.append(row)
    return found


def curve(customers: int, repeats: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "firm"
        make_workspace(root, customers=customers, seed=1)
        workspace = as_workspace(root)
        dataset, _ = problem_of(workspace, "churn").dataset(read_inputs(workspace), LAST_DAY)
        table = learning_curve(dataset, sizes=(25, 50, 100, 200, 400, 800), repeats=repeats)
        return table.round(4).to_dict("records")  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--customers", type=int, default=1500, help="of the firm behind the learning curve")
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    result = {"half_widths": widths(given.draws), "tiers": tiers(given.draws), "effects": effects(20 * given.draws)}
    result["learning_curve"] = curve(given.customers, given.repeats)  # type: ignore[assignment]
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
