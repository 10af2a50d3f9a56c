"""How often is noise taken for a model of leads? A synthetic firm's leads with outcomes that belong to other leads.

Whole leads are exchanged: every row of a lead gets the outcomes of one other lead, in their order. A training may then
keep a rule, calibrated, or be refused; a champion is a mistake.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import crm_ml as crm
from crm_ml.errors import HeldBack
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.inputs import read_inputs
from crm_ml.jobs.problem import problem_of
from crm_ml.models import Dataset, train_every
from crm_ml.models.evaluation.metrics import wilson_interval

TRAIN_DAY = dt.date(2026, 3, 1)


def shuffled(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The same rows with the outcomes of other leads, stretched or cut to as many rows."""
    order = np.lexsort((data.days, data.frame["customer_id"].to_numpy(str)))
    _, first, counts = np.unique(data.frame["customer_id"].to_numpy(str)[order], return_index=True, return_counts=True)
    y, own = data.y[order], np.empty(len(data.y), bool)
    for lead, other in enumerate(rng.permutation(len(first))):
        share = np.arange(counts[lead]) * counts[other] // counts[lead]
        own[order[first[lead] : first[lead] + counts[lead]]] = y[first[other] + share]
    return replace(data, y=own)


def measure(customers: int, repeats: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "firm"
        make_workspace(workspace, customers=customers, seed=1)
        problem = problem_of(crm.open_workspace(workspace), "leads")
        data, first = problem.dataset(read_inputs(problem.workspace, only=problem.tables), TRAIN_DAY)
    verdicts = []
    for number in range(repeats):
        plan = replace(problem.plan(TRAIN_DAY, first, problem.extras), seed=number)
        try:
            verdicts.append(train_every(shuffled(data, np.random.default_rng([1, number])), plan).training.verdict)
        except HeldBack as error:
            verdicts.append(error.code)
        print(f"... {number + 1} of {repeats}: {verdicts[-1]}", file=sys.stderr)
    refused = sum(verdict != "champion" for verdict in verdicts)
    low, high = wilson_interval(refused / repeats, repeats)
    return {
        "leads": data.frame["customer_id"].nunique(),
        "rows": len(data),
        "won": int(data.y.sum()),
        "verdicts": pd.Series(verdicts).value_counts().to_dict(),
        "refused": {"value": refused / repeats, "low": low, "high": high, "of": repeats},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=800)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    print(json.dumps(measure(given.customers, given.repeats), indent=1))
