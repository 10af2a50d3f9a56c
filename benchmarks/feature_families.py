"""What does each family of features bring? Models with and without it, on one real shop and on synthetic firms.

At each day boosted trees are fitted on the labels known then, three seeds averaged, and score the customers of that
day. A family that is off by default is added to the default set; one that is on is taken away from it. The difference
of the AUC (mean over the days) has a 95 % interval by drawing customers anew, the same draws for both.

The real orders are found through CRM_ML_REAL_DATA and left out without it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from real_orders import FILE, MAPPING

import crm_ml as crm
from crm_ml.features import CATALOGUE, OPTIONAL, build_features, cutoff_us
from crm_ml.features.catalogue import families_of
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.inputs import read_inputs
from crm_ml.jobs.problem import ChurnProblem
from crm_ml.models.boosting import fit_boosting
from crm_ml.models.columns import select_columns
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.recipe import Recipe

SEEDS = (1, 2, 3)
DRAWS = 400
EVERY = 90
REAL_DAYS = (dt.date(2010, 12, 1), dt.date(2011, 1, 15), dt.date(2011, 3, 1))
CLEAR = 0.002
"""A gain below this is not worth a family's columns, however narrow its interval."""


@dataclass(frozen=True)
class Day:
    """What a model is fitted on and what it is judged by."""

    fit: pd.DataFrame
    fitted_on: np.ndarray
    scored: pd.DataFrame
    happened: np.ndarray


def days_of(root: Path, as_of: dt.date, days: Sequence[dt.date], *, most_rows: int) -> list[Day]:
    problem = ChurnProblem(crm.open_workspace(root))
    tables = read_inputs(problem.workspace, only=problem.tables)
    found = []
    for day in days:
        spine = problem.training_rows(tables, day)
        kept = sorted(set(spine["as_of"]), reverse=True)[:: EVERY // 30]
        spine = spine[spine["as_of"].isin(kept)].reset_index(drop=True)
        if len(spine) > most_rows:
            spine = spine.sample(most_rows, random_state=1).reset_index(drop=True)
        scored = problem.eligible(tables, [day])
        y, _ = problem.outcomes(tables, spine, known_until=cutoff_us(day, tables.zone))
        then, _ = problem.outcomes(tables, scored, known_until=cutoff_us(as_of, tables.zone))
        wanted = [*CATALOGUE, *OPTIONAL]
        frames = [build_features(tables, rows, features=wanted) for rows in (spine, scored)]
        found.append(Day(frames[0], y, frames[1], then))
        print(f"... {root.name} {day}: {len(spine)} rows fitted on, {len(scored)} scored", file=sys.stderr, flush=True)
    return found


def margins(day: Day, ids: Sequence[str]) -> np.ndarray | None:
    """Return what trees over these features say of the customers of a day; None where no feature has two values."""
    contract = select_columns(day.fit, ids, day.fit["customer_id"]).contract
    if not contract.columns:
        return None
    fitted, scored = contract.encode(day.fit), contract.encode(day.scored)
    rounds = Recipe().rounds(len(day.fit))
    told = [
        fit_boosting(fitted, day.fitted_on, contract, rounds=rounds, seed=seed, threads=2).margin(scored)
        for seed in SEEDS
    ]
    return np.mean(told, axis=0)


def usable(days: Sequence[Day], ids: Sequence[str]) -> bool:
    return any(select_columns(day.fit, ids, day.fit["customer_id"]).contract.columns for day in days)


def gain(
    days: Sequence[Day], with_it: Sequence[np.ndarray], without: Sequence[np.ndarray]
) -> tuple[float, float, float]:
    """Return the mean difference of the AUC over the days and its interval over draws of customers."""
    names = sorted({name for day in days for name in day.scored["customer_id"]})
    place = {name: k for k, name in enumerate(names)}
    owner = [np.array([place[name] for name in day.scored["customer_id"]]) for day in days]
    chance = np.random.default_rng(0)

    def difference(weight: np.ndarray) -> float:
        found = []
        for k, day in enumerate(days):
            rows = np.repeat(np.arange(len(owner[k])), weight[owner[k]])
            y = day.happened[rows]
            found.append(float(auc(y, with_it[k][rows])) - float(auc(y, without[k][rows])))
        return float(np.mean(found))

    drawn = [
        difference(np.bincount(chance.integers(len(names), size=len(names)), minlength=len(names)))
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return difference(np.ones(len(names), int)), float(low), float(high)


def table(days: Sequence[Day], families: Sequence[str]) -> tuple[float, dict[str, str]]:
    """Return the AUC of the default set and one cell per family."""
    default = [feature.id for feature in CATALOGUE]
    base = [margins(day, default) for day in days]
    assert all(each is not None for each in base)
    cells = {}
    for family in families:
        on = families_of()[family]
        own = [feature.id for feature in (*CATALOGUE, *OPTIONAL) if feature.family == family]
        if not usable(days, own):
            cells[family] = "no data"
            continue
        ids = [id for id in default if id not in own] if on else [*default, *own]
        other = [margins(day, ids) for day in days]
        value, low, high = gain(days, base if on else other, other if on else base)  # type: ignore[arg-type]
        mark = " +" if low > 0 and value >= CLEAR else " -" if high < 0 else ""
        cells[family] = f"{value:+.4f} ({low:+.4f} to {high:+.4f}){mark}"
        print(f"... {family}: {cells[family]}", file=sys.stderr, flush=True)
    level = float(np.mean([float(auc(day.happened, said)) for day, said in zip(days, base, strict=True)]))
    return level, cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--most-rows", type=int, default=12_000)
    parser.add_argument("--families", nargs="*", default=list(families_of()))
    parser.add_argument("--real-days", type=dt.date.fromisoformat, nargs="*", default=list(REAL_DAYS))
    given = parser.parse_args()
    found: dict[str, tuple[float, dict[str, str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = os.environ.get("CRM_ML_REAL_DATA", "")
        if data and (Path(data) / FILE).is_file():
            root = Path(folder) / "real orders"
            root.mkdir()
            (root / "crm.yaml").write_text(MAPPING.format(source=(Path(data) / FILE).resolve()))
            days = days_of(root, dt.date(2011, 6, 1), given.real_days, most_rows=given.most_rows)
            found["real orders"] = table(days, given.families)
        for seed in given.seeds:
            root = Path(folder) / f"firm {seed}"
            make_workspace(root, customers=given.customers, seed=seed)
            cutoffs = [dt.date(2025, 3, 1), dt.date(2025, 7, 1), dt.date(2025, 11, 1)]
            days = days_of(root, dt.date(2026, 2, 1), cutoffs, most_rows=given.most_rows)
            found[f"firm {seed}"] = table(days, given.families)
    print("| family | by default | " + " | ".join(found) + " |")
    print("|---|---|" + "---|" * len(found))
    print("| AUC of the default set | | " + " | ".join(f"{level:.4f}" for level, _ in found.values()) + " |")
    for family in given.families:
        on = families_of()[family]
        cells = " | ".join(cells[family] for _, cells in found.values())
        print(f"| {family} | {'on' if on else 'off'} | {cells} |")


if __name__ == "__main__":
    main()
