"""How often the leak guard names planted leaks of six kinds, and what it names on clean firms.

    python benchmarks/leak_guard.py [firms]

Synthetic firms of 700 customers with two, three and four years of history, whose customers table was overwritten when
customers left (`tests/models/leaky_firm.py`); only a share of the leavers is written down.
Then simulated panels with a trait that was truly known and multiplies the rate of leaving. Fixed seeds.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "models"))

from leaky_firm import LEAKS, SOUND, Plants, dataset, firm, leaky_columns, merged

from crm_ml.models import Dataset, make_dataset
from crm_ml.models.evaluation import find_leaks

SHARES = (1.0, 0.5)
RISKS = (2, 3, 4)
PANELS = 20


def known_trait(times: int, snapshots: int, seed: int) -> Dataset:
    """600 customers, a fifth of them with the trait; 12 % leave per year, those with it `times` as many."""
    rng = np.random.default_rng(seed)
    with_it, start = rng.random(600) < 0.2, np.where(rng.random(600) < 0.6, 0, rng.integers(0, snapshots, 600))
    gone = start + rng.geometric(1 - (1 - np.where(with_it, 0.12 * times, 0.12)) ** (1 / 12))
    who, step = np.tile(np.arange(600), snapshots), np.repeat(np.arange(snapshots), 600)
    there = (start[who] <= step) & (step < gone[who] + 12)
    y = (step >= gone[who] - 2) | (rng.random(len(who)) < 0.08)
    days = np.datetime64("2020-01-01") + step * np.timedelta64(30, "D")
    frame = pd.DataFrame({"customer_id": who.astype(str), "as_of": days, "attribute_trait": with_it[who] * 1.0})
    return make_dataset(frame[there], y[there], gap_days=0, horizon_days=90)


def main(firms: int) -> None:
    sound = 0
    for share in SHARES:
        named: Counter[str] = Counter()
        for seed in range(firms):
            plants = Plants(firm(700, seed + 100, (2, 3, 4)[seed % 3]), seed, share=share)
            report = find_leaks(dataset(merged(plants, leaky_columns(plants)), (*SOUND, *LEAKS)))
            named.update(report.held_back)
            sound += sum(name not in {f"attribute_{column}" for column in LEAKS} for name in report.held_back)
        print(f"{share:.0%} of the leavers written down; named in of {firms} firms:")
        for column, kind in LEAKS.items():
            print(f"  kind {kind} {column:14s} {named[f'attribute_{column}']}")
    print(f"sound columns and features named in all of them: {sound}", flush=True)


def panels() -> None:
    for times in RISKS:
        for snapshots in (8, 24, 48):
            named = sum(bool(find_leaks(known_trait(times, snapshots, seed)).held_back) for seed in range(PANELS))
            print(
                f"a known trait, {times} times the risk, {snapshots} snapshots: named in {named} of {PANELS}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
    panels()
