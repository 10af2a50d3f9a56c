"""SHAP values from tables against LightGBM's ``pred_contrib``: pairs in the same run, one thread, processor time.

Models of 400 trees on 100 columns (two categories, holes, counts and tails), trained with the product's parameters but
for leaves and depth. The tables' cost is shown apart: it is paid once per model and process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from crm_ml.models.boosting import bin_rows, booster_from_text, fit_binned
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.explain.treeshap import TreeShap, tree_shap

FEATURES, LEVELS = 100, (12, 150)
SHAPES = ((31, 6), (31, 8), (63, 6), (63, 8), (31, -1), (63, -1))


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (features, rows) and outcome."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(FEATURES, count))
    x[:30] = np.round(3 * np.exp(x[:30]))
    x[30:50] = np.exp(x[30:50])
    x[rng.random(x.shape) < 0.08] = np.nan
    x[-2], x[-1] = rng.integers(0, LEVELS[0], count), rng.integers(0, LEVELS[1], count)
    full = np.nan_to_num(x)
    z = 0.1 * full[0] - full[50] * full[51] + 0.5 * np.sin(3 * full[52]) + (x[-1] % 7 == 0) + 0.15 * full[60:75].sum(0)
    return x, rng.random(count) < 1 / (1 + np.exp(-z + 0.8))


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(leaves: int, depth: int, asked: argparse.Namespace) -> dict[str, Any]:
    columns = [Column(f"x{j}", "number") for j in range(FEATURES - 2)]
    columns += [Column(f"c{k}", "category", tuple(map(str, range(size)))) for k, size in enumerate(LEVELS)]
    contract = ColumnContract(tuple(columns))
    x, y = rows_of(asked.fit_rows, seed=1)
    binned = bin_rows(dict(zip(contract.ids, x, strict=True)), y, contract, threads=1)
    shape = {"num_leaves": leaves, "max_depth": depth}
    text = fit_binned(binned, rounds=asked.trees, seed=1, threads=1, parameters=shape).text
    booster = booster_from_text(text)
    x, _ = rows_of(asked.rows, seed=2)
    matrix = np.ascontiguousarray(x.T[: asked.peer_rows])
    few = [np.ascontiguousarray(column[: asked.peer_rows]) for column in x]
    built: list[TreeShap | None] = []
    build = min(seconds(lambda: built.append(tree_shap(text))) for _ in range(3))
    tables = built[-1]
    if tables is None:
        return {"leaves": leaves, "max_depth": depth, "tables": None}
    tables.contributions(few, threads=1)
    ours, peers = [], []
    for _ in range(asked.pairs):
        ours.append(seconds(lambda: tables.contributions(list(x), threads=1)) / asked.rows)
        peers.append(seconds(lambda: booster.predict(matrix, pred_contrib=True, num_threads=1)) / len(matrix))
    ratios = np.array(peers) / np.array(ours)
    one = min(seconds(lambda: [tables.contributions([c[:1] for c in x], threads=1) for _ in range(20)]) for _ in "123")
    off = np.abs(booster.predict(matrix, pred_contrib=True, num_threads=1)[:, :-1] - tables.contributions(few).T).max()
    return {
        "leaves": leaves,
        "max_depth": depth,
        "tables": "made",
        "pred_contrib, us a row": float(np.median(peers)) * 1e6,
        "tables, us a row": float(np.median(ours)) * 1e6,
        "ratio": float(np.median(ratios)),
        "range of pairs": [float(ratios.min()), float(ratios.max())],
        "one row alone, ms": one / 20 * 1e3,
        "tables made in, s": build,
        "mb": tables.nbytes / 1e6,
        "greatest difference": float(off),
    }


def row(found: dict[str, Any]) -> str:
    """Return a line of the table."""
    name = f"| {found['leaves']} | {found['max_depth'] if found['max_depth'] > 0 else 'none'} |"
    if found["tables"] is None:
        return f"{name} - | too large: `pred_contrib` | | | | | |"
    low, high = found["range of pairs"]
    return (
        f"{name} {found['pred_contrib, us a row']:.0f} | {found['tables, us a row']:.1f} | **{found['ratio']:.0f}** "
        f"({low:.0f} to {high:.0f}) | {found['one row alone, ms']:.2f} | {found['tables made in, s']:.2f} | "
        f"{found['mb']:.0f} | {found['greatest difference']:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=400)
    parser.add_argument("--fit-rows", type=int, default=30_000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer-rows", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    asked = parser.parse_args()
    if asked.json:
        print(json.dumps([measure(leaves, depth, asked) for leaves, depth in SHAPES], indent=1))
        return
    print("| leaves | max_depth | pred_contrib, us a row | tables, us a row | ratio (range of pairs) |", end="")
    print(" one row alone, ms | tables made in, s | MB | greatest difference |")
    print("|---" * 9 + "|")
    for leaves, depth in SHAPES:
        print(row(measure(leaves, depth, asked)), flush=True)


if __name__ == "__main__":
    main()
