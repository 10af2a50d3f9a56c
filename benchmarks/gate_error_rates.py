"""How often the gate is wrong: fixed seeds, scores of a known difference, no model fitted.

    python benchmarks/gate_error_rates.py [--repetitions 400] [--customers 2000]

Each repetition draws a firm anew: customers at two neighbouring snapshots with a lasting risk, and two scores that
see the risk through noise, half of which they share. The noise decides each score's true AUC; both scores are
calibrated exactly. Printed is the share of repetitions in which the challenger would take over.
"""

from __future__ import annotations

import argparse
from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import norm

from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.promotion import judge, list_overlap, pair

SNAPSHOTS, RATE, SPREAD = 2, 0.2, 1.7
CHAMPION = 0.76
GRID = np.linspace(-8.0, 8.0, 401)


def signal(noise: float) -> float:
    """Return the share of a score's variance that is risk."""
    return 1.0 / (1.0 + noise**2)


@cache
def curve(noise: float) -> np.ndarray:
    """Return the chance of churn at `GRID` of a score with that much noise: the mean over what the risk may be."""
    keep = signal(noise)
    inner = norm.ppf((np.arange(400) + 0.5) / 400)
    risk = np.sqrt(keep) * GRID[:, None] + np.sqrt(1 - keep) * inner
    return (1 / (1 + np.exp(-(SPREAD * risk + OFFSET)))).mean(axis=1)


def offset() -> float:
    """Return the intercept at which a fifth of the customers churns."""
    risk = np.random.default_rng(2).normal(size=200_000)
    low, high = -6.0, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(SPREAD * risk + middle)))).mean() < RATE else (low, middle)
    return low


OFFSET = offset()


def true_auc(noise: float) -> float:
    """Return the AUC of a score with that much noise on 200,000 fresh customers."""
    rng = np.random.default_rng(3)
    risk = rng.normal(size=200_000)
    y = rng.random(len(risk)) < 1 / (1 + np.exp(-(SPREAD * risk + OFFSET)))
    return auc(y, risk + noise * rng.normal(size=len(risk)))


@cache
def noise_for(target: float) -> float:
    """Return the noise that leads to an AUC."""
    low, high = 0.0, 6.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if true_auc(middle) > target else (low, middle)
    return (low + high) / 2


def contest(seed: int, customers: int, noises: tuple[float, float], shift: float = 0.0) -> tuple[pd.DataFrame, float]:
    """Return the paired rows of one firm and the overlap of the two lists of a later day."""
    rng = np.random.default_rng(seed)
    lasting = rng.normal(size=customers)
    parts = []
    for snapshot in range(SNAPSHOTS + 1):
        risk = 0.8 * lasting + 0.6 * rng.normal(size=customers)
        y = rng.random(customers) < 1 / (1 + np.exp(-(SPREAD * risk + OFFSET)))
        shared = rng.normal(size=customers)
        frame = pd.DataFrame({"customer_id": np.arange(customers).astype(str), "as_of": str(snapshot), "y": y})
        sides = []
        for noise in noises:
            own = np.sqrt(0.5) * (shared + rng.normal(size=customers))
            score = (risk + noise * own) * np.sqrt(signal(noise))
            p = np.clip(np.interp(score, GRID, curve(noise)) + (shift if noise == noises[1] else 0.0), 1e-6, 1 - 1e-6)
            sides.append(frame.assign(margin=score, p=p))
        parts.append(sides)
    today = list_overlap(*(side["margin"].to_numpy() for side in parts[-1]))
    champion, challenger = (pd.concat([part[k] for part in parts[:-1]]) for k in (0, 1))
    return pair(champion, challenger), today


def promoted(
    repetitions: int,
    customers: int,
    better_by: float,
    *,
    refresh: bool = False,
    shift: float = 0.0,
    first_seed: int = 0,
    replicates: int = 100,
) -> dict[str, float]:
    """Return the share of repetitions that pass, and of those that meet each criterion."""
    noises = (noise_for(CHAMPION), noise_for(CHAMPION + better_by) * (1 + 1e-12))
    passed: dict[str, list[bool]] = {}
    for seed in range(first_seed, first_seed + repetitions):
        rows, overlap = contest(seed, customers, noises, shift)
        found = judge(rows, refresh=refresh, overlap=overlap, replicates=replicates, seed=seed)
        passed.setdefault("all", []).append(found.passed)
        passed.setdefault("overlap_mean", []).append(overlap)  # type: ignore[arg-type]
        for criterion in found.criteria:
            passed.setdefault(criterion.name, []).append(criterion.passed)
    return {name: float(np.mean(values)) for name, values in passed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--cases", type=int, default=0, help="only the first so many")
    given = parser.parse_args()
    cases = [
        ("worse by .01", -0.01, False, 0.0),
        ("better by .03", 0.03, False, 0.0),
        ("refresh, worse by .02", -0.02, True, 0.0),
        ("equal", 0.0, False, 0.0),
        ("better by .03, level off by .06", 0.03, False, 0.06),
        ("refresh, worse by .01", -0.01, True, 0.0),
        ("refresh, equal", 0.0, True, 0.0),
    ]
    if given.cases:
        cases = cases[: given.cases]
    print(f"{given.repetitions} firms of {given.customers} customers at {SNAPSHOTS} snapshots, a fifth churns")
    for name, by, refresh, shift in cases:
        found = promoted(given.repetitions, given.customers, by, refresh=refresh, shift=shift)
        print(f"{name:32}", "  ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
