"""What would make training cheaper, and what it would cost: quantised gradients, shared bins, rows without copies.

Everything is a ratio of two sides that take turns in the same run, in processor time on one thread. AUC differences are
of the mean of several seeds on later rows, with paired 95 % intervals from a bootstrap over customers. Data: rows made
by numpy (`million_rows.py`), a synthetic firm, and a real shop's orders where CRM_ML_REAL_DATA names them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from depth_cap import FITTED, JUDGED, rows_at
from million_rows import TRAIN_DAY, made
from real_orders import FILE, HORIZON, MAPPING

import crm_ml as crm
from crm_ml.costs import peak_memory_mb
from crm_ml.jobs.demo import make_workspace
from crm_ml.models import Dataset, dataset, make_dataset, rows, train_churn
from crm_ml.models.boosting import Binned, bin_rows, fit_binned
from crm_ml.models.candidates import rounds_for
from crm_ml.models.columns import ColumnContract, learn_columns
from crm_ml.models.evaluation.intervals import evaluate

SEEDS = (1, 2, 3)
FACTOR = 0.4
FIRM_DAYS = [dt.date(2025, 6, 1) - dt.timedelta(days=30 * k) for k in range(20)]
FIRM_LATER = [dt.date(2025, 9, 1) + dt.timedelta(days=30 * k) for k in range(3)]
QUANTISED = {"use_quantized_grad": True, "quant_train_renew_leaf": True}
WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "4 bins (LightGBM's default)": QUANTISED,
    "16 bins": {**QUANTISED, "num_grad_quant_bins": 16},
    "16 bins, no stochastic rounding": {**QUANTISED, "num_grad_quant_bins": 16, "stochastic_rounding": False},
    "32 bins": {**QUANTISED, "num_grad_quant_bins": 32},
}

FEW = 10_000
GRID = (
    (4, 60, 0.5),
    (4, 70, 0.5),
    (16, 10, 0.5),
    (16, 15, 0.5),
    (16, 17, 0.5),
    (16, 60, 0.5),
    (4, 60, 1.0),
    (16, 10, 1.0),
)


@dataclass(frozen=True)
class Rows:
    """Rows to fit on and later ones to judge by."""

    contract: ColumnContract
    encoded: dict[str, np.ndarray]
    y: np.ndarray
    later: dict[str, np.ndarray]
    y_later: np.ndarray
    customers: np.ndarray

    def binned(self) -> Binned:
        return bin_rows(self.encoded, self.y, self.contract, threads=1)

    @property
    def rounds(self) -> int:
        return rounds_for(FACTOR, len(self.y))


def split(known: Dataset, later: Dataset) -> Rows:
    contract, _ = learn_columns(known.frame, known.features, known.frame["customer_id"])
    customers = later.frame["customer_id"].astype(str).to_numpy(dtype=object)
    return Rows(contract, contract.encode(known.frame), known.y, contract.encode(later.frame), later.y, customers)


def made_rows(count: int) -> Rows:
    data = made(max(count * 20 // 14, 400), seed=1)
    days = np.unique(data.days)
    # label windows of 90 days end before the first judged day
    return split(data.take(data.days <= days[13]), data.take(data.days >= days[17]))


def of_workspace(folder: Path, days: list[dt.date], later: list[dt.date], most: int) -> Rows:
    workspace = crm.open_workspace(folder)
    known, judged = (
        make_dataset(frame, y, gap_days=0, horizon_days=HORIZON)
        for frame, y in (rows_at(workspace, days), rows_at(workspace, later))
    )
    newest = np.unique(known.days)[::-1]
    counts = np.cumsum([(known.days == day).sum() for day in newest])
    kept = newest[: max(1, int((counts <= most).sum()))]
    return split(known.take(known.days >= kept[-1]), judged)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    found = work()
    return time.process_time() - begin, found


def quantised(data: Rows, repeats: int) -> dict[str, Any]:
    """Each way against exact gradients; every fit on bins of its own: a failed one may leave them in any state."""
    from lightgbm.basic import LightGBMError

    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    margins: dict[str, dict[int, np.ndarray]] = {way: {} for way in WAYS}
    tried, failed, differs = (dict.fromkeys(WAYS, 0) for _ in range(3))
    for repeat in range(repeats):
        for seed in SEEDS:
            for way, parameters in WAYS.items():

                def fit(threads: int, seed: int = seed, way: str = way, parameters: Any = parameters) -> Any:
                    how = {"rounds": data.rounds, "seed": seed, "threads": threads, "parameters": parameters}
                    binned = data.binned()
                    tried[way] += 1
                    return timed(lambda: fit_binned(binned, **how))

                try:
                    took, model = fit(1)
                    seconds[way].append(took)
                    if repeat == 0:
                        margins[way][seed] = model.margin(data.later)
                        differs[way] += fit(2)[1].text != model.text
                except LightGBMError:
                    failed[way] += 1
    whole = {way: np.mean(list(found.values()), axis=0) for way, found in margins.items() if len(found) == len(SEEDS)}
    nothing = dict.fromkeys(whole, np.full(len(data.y_later), 0.5))
    measured = evaluate(data.y_later, whole, nothing, data.customers, seed=1)
    ways = {}
    for way in WAYS:
        found: dict[str, Any] = {
            "fits": tried[way],
            "failed": failed[way],
            "other_bits_with_2_threads": differs[way],
        }
        if way in whole:
            found["seconds"] = round(float(np.median(seconds[way])), 3)
            found["seconds_ratio"] = round(float(np.median(seconds[way]) / np.median(seconds["exact"])), 3)
            found["auc"] = round(measured.auc(way).value, 5)
            if way != "exact":
                found["auc_less_exact"] = {
                    k: round(v, 5) for k, v in measured.auc_difference(way, "exact").as_dict().items()
                }
        ways[way] = found
    size = {"rows": len(data.y), "features": len(data.contract.ids), "rounds": data.rounds, "judged": len(data.y_later)}
    return {**size, "ways": ways}


def failing(data: Rows) -> list[dict[str, Any]]:
    """Where quantised fits end in an error: by the quantisation's bins, the least rows of a leaf, columns per tree."""
    from lightgbm.basic import LightGBMError

    few = {name: values[:FEW] for name, values in data.encoded.items()}
    found = []
    for bins, leaf, columns in GRID:
        shape = {"num_grad_quant_bins": bins, "min_data_in_leaf": leaf, "feature_fraction": columns}
        failed = 0
        for seed in SEEDS:
            binned = bin_rows(few, data.y[:FEW], data.contract, threads=1)
            try:
                fit_binned(binned, rounds=40, seed=seed, threads=1, parameters={**QUANTISED, **shape})
            except LightGBMError:
                failed += 1
        found.append({**shape, "fits": len(SEEDS), "failed": failed})
    return found


def shared_bins(data: Rows, repeats: int) -> dict[str, Any]:
    """The five fits of a fold on one binning against five on bins of their own; the trees must be the same."""
    weights = np.linspace(0.2, 1.0, len(data.y))
    directions = {data.contract.ids[0]: 1}
    fits: list[dict[str, Any]] = [{"seed": 1}, {"seed": 2}, {"seed": 3}, {"seed": 1, "weights": weights}]
    fits.append({"seed": 1, "directions": directions, "parameters": {"monotone_constraints_method": "intermediate"}})

    def together() -> list[str]:
        binned = data.binned()
        return [fit_binned(binned, rounds=data.rounds, threads=1, **how).text for how in fits]

    def apart() -> list[str]:
        return [fit_binned(data.binned(), rounds=data.rounds, threads=1, **how).text for how in fits]

    took: dict[str, list[float]] = {"shared": [], "own": []}
    same = True
    for _ in range(repeats):
        one, texts = timed(together)
        other, alone = timed(apart)
        took["shared"].append(one)
        took["own"].append(other)
        same &= texts == alone
    return {
        "rows": len(data.y),
        "fits": len(fits),
        "seconds_shared": round(float(np.median(took["shared"])), 3),
        "seconds_own": round(float(np.median(took["own"])), 3),
        "seconds_ratio": round(float(np.median(np.divide(took["shared"], took["own"]))), 3),
        "same_trees": same,
    }


def child(way: str, count: int) -> None:
    """Train once in this process, with rows seen or with rows copied at each step."""
    if way == "copied":
        dataset.neighbours = rows.neighbours = lambda chosen: chosen  # type: ignore[assignment]
        plain = ColumnContract.encode
        ColumnContract.encode = lambda self, frame: {k: v.copy() for k, v in plain(self, frame).items()}  # type: ignore[method-assign]
    data = made(count, seed=1)
    before, begin = peak_memory_mb(), time.process_time()
    got = train_churn(data, train_as_of=TRAIN_DAY, gap_days=0, horizon_days=90, replicates=100)
    told = json.dumps(got.summary(), sort_keys=True, default=str) + got.evaluation.to_csv()
    found = {
        "peak_memory_mb_before": before,
        "peak_memory_mb": peak_memory_mb(),
        "seconds": time.process_time() - begin,
    }
    print(json.dumps({**found, "result": hashlib.sha256(told.encode()).hexdigest()}))


def memory(count: int) -> dict[str, Any]:
    found = {}
    for way in ("seen", "copied"):
        command = [sys.executable, __file__, "--rows", str(count), "--child", way]
        found[way] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    same = found["seen"].pop("result") == found["copied"].pop("result")
    told: dict[str, Any] = {"rows": count, "same_result": same, **found}
    if found["seen"]["peak_memory_mb"] is not None:
        grown = {way: value["peak_memory_mb"] - value["peak_memory_mb_before"] for way, value in found.items()}
        told["growth_ratio"] = round(grown["seen"] / grown["copied"], 3)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="made rows to fit on")
    parser.add_argument("--memory-rows", type=int, default=0, help="made rows of the whole training; default: 3 x rows")
    parser.add_argument("--customers", type=int, default=3000, help="of the synthetic firm; 0: leave it out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", choices=("seen", "copied"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.rows)
        return
    plain = made_rows(asked.rows)
    told: dict[str, Any] = {"shared_bins": shared_bins(plain, asked.repeats)}
    told["failing"] = failing(plain)
    told["quantised"] = {"made rows": quantised(plain, asked.repeats)}
    if asked.customers:
        with tempfile.TemporaryDirectory() as folder:
            make_workspace(Path(folder) / "firm", customers=asked.customers, seed=1)
            firm = of_workspace(Path(folder) / "firm", FIRM_DAYS, FIRM_LATER, asked.rows)
        told["quantised"]["synthetic firm"] = quantised(firm, asked.repeats)
    real = Path(os.environ.get("CRM_ML_REAL_DATA") or ".") / FILE
    if real.is_file():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "crm.yaml").write_text(MAPPING.format(source=real.resolve()))
            told["quantised"]["real orders"] = quantised(
                of_workspace(Path(folder), FITTED, JUDGED, asked.rows), asked.repeats
            )
    told["memory"] = memory(asked.memory_rows or 3 * asked.rows)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
