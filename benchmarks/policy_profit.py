"""What do the contacts of the chosen policy truly bring, next to risk alone and to those who know more?

In the synthetic firm the true effect of a call on each customer is known. A model is trained as of a day; on three
later days the team calls as many customers as it has time for. The money of a list is the sum over those called of
(fall of the churn probability x value at stake - cost of the call). Three who know more stand beside the policy:

- `same_with_truth`: the same policy with each customer's true probability in place of the model's;
- `knows_state`: knows the true state of each customer and what a call does on average to such a customer, but not the
  lot that chance drew for it (can be persuaded, does not care, is put off), which no table shows;
- `knows_all`: knows that lot too.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.models.evaluation.contacts import contacted, profit_at_capacity, true_gain_of_contact
from crm_ml.models.evaluation.intervals import customer_weights, interval
from crm_ml.tables.synth import Firm, calls
from crm_ml.tables.synth.people import customer_ids

TRAIN_DAY = dt.date(2025, 9, 1)
LATER_DAYS = (dt.date(2025, 10, 1), dt.date(2025, 12, 1), dt.date(2026, 3, 2))
SHARES = (0.05, 0.10, 0.20, 0.30)
SAVE_RATE, COST = 0.30, 60.0


def expected_effect(firm: Firm, day: dt.date) -> pd.DataFrame:
    """What a call does on average over the lots that a customer of its kind may have drawn."""
    world = firm._world
    kinds = np.where(world.project, "project", np.where(world.gap_days < calls._FREQUENT_DAYS, "frequent", "rare"))
    chances = pd.DataFrame(
        [calls.SHARES[kind] for kind in kinds],
        index=customer_ids(world),
        columns=[calls.PERSUADABLE, calls.PUT_OFF],
    )
    total: pd.Series | float = 0.0
    for lot in (calls.PERSUADABLE, calls.PUT_OFF):
        lots = np.full(world.customers, lot)
        with patch("crm_ml.tables.synth.truth.call_kinds", lambda _world, lots=lots: lots):
            effect = firm.call_effect(day, 90).set_index("customer_id")["effect"]
        total = total + chances.loc[effect.index, lot] * effect
    assert isinstance(total, pd.Series)
    return total.rename("expected_effect").rename_axis("customer_id").reset_index()


def scored_days(customers: int, seed: int) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "firm"
        firm = make_workspace(workspace, customers=customers, seed=seed)
        crm.train(workspace, "churn", as_of=TRAIN_DAY)
        parts = []
        for day in LATER_DAYS:
            scores = crm.score(workspace, "churn", as_of=day).table[["customer_id", "p_churn", "value_at_stake"]]
            both = scores.merge(firm.call_effect(day, 90), on="customer_id")
            parts.append(both.merge(expected_effect(firm, day), on="customer_id").assign(day=str(day)))
        return pd.concat(parts, ignore_index=True)


def judged(rows: pd.DataFrame, share: float, replicates: int = 400) -> dict[str, object]:
    """Profit of each list at a capacity, and the policy's share of each, with 95 % intervals over customers."""
    # each day is a list of its own: the day takes the place of the manager
    days = rows["day"].to_numpy(dtype=object)
    room = {"capacity": {str(d): int(np.ceil(share * (days == d).sum())) for d in np.unique(days)}, "managers": days}
    p, p_true, value, effect, expected = (
        rows[name].to_numpy(np.float64)
        for name in ("p_churn", "p_no_purchase", "value_at_stake", "effect", "expected_effect")
    )
    gain = true_gain_of_contact(effect, value, cost=COST)
    lists = {
        "value": (SAVE_RATE * p * value, COST),
        "risk": (p, -np.inf),
        "same_with_truth": (SAVE_RATE * p_true * value, COST),
        "knows_state": (true_gain_of_contact(expected, value, cost=COST), 0.0),
        "knows_all": (gain, 0.0),
    }
    weights = customer_weights(rows["customer_id"], replicates=replicates)
    result: dict[str, object] = {"called": {}, "profit": {}, "share_of": {}}
    profit, drawn = {}, {}
    for name, (score, least) in lists.items():
        profit[name] = profit_at_capacity(gain, score, least=least, **room)  # type: ignore[arg-type]
        drawn[name] = profit_at_capacity(gain, score, weights, least=least, **room)  # type: ignore[arg-type]
        result["called"][name] = float(contacted(score, least=least, **room).sum())  # type: ignore[arg-type, index]
        result["profit"][name] = interval(profit[name], drawn[name]).as_dict()  # type: ignore[index]
    result["value_less_risk"] = interval(profit["value"] - profit["risk"], drawn["value"] - drawn["risk"]).as_dict()
    for name in ("same_with_truth", "knows_state", "knows_all"):
        of = np.divide(drawn["value"], drawn[name], out=np.full(replicates, np.nan), where=drawn[name] > 0)
        ratio = interval(profit["value"] / profit[name], of)
        result["share_of"][name] = ratio.as_dict()  # type: ignore[index]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = scored_days(given.customers, given.seed)
    found = {f"{share:.0%} of the customers called per day": judged(rows, share) for share in SHARES}
    print(json.dumps({**vars(given), "rows": len(rows), "at": found}, indent=1))


if __name__ == "__main__":
    main()
