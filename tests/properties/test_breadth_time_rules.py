"""The time rules for the features that are off by default: what is invisible, or stands elsewhere, never matters."""

from __future__ import annotations

import random

import pytest
from breadth_oracle import wider
from invisible import invisible_changes
from messy_firms import Seeded, seeded_firm
from test_time_rules import differing

from crm_ml.features import OPTIONAL, build_features


@pytest.mark.parametrize("seed", range(30))
def test_nothing_invisible_changes_a_feature(seed: int) -> None:
    firm, dice = seeded_firm(seed), Seeded(random.Random(-seed))
    cutoff = firm.cutoffs[dice.below(len(firm.cutoffs))]
    changed = invisible_changes(firm, cutoff, dice, changes=30)
    spine = firm.spine([cutoff])
    before, after = (wider(each) for each in (firm, changed))
    assert (
        differing(build_features(before, spine, features=OPTIONAL), build_features(after, spine, features=OPTIONAL))
        == []
    )


@pytest.mark.parametrize("seed", range(8))
def test_order_of_rows_and_what_runs_along_never_matter(seed: int) -> None:
    firm, chance = seeded_firm(seed), random.Random(seed)
    spine, tables = firm.spine(), wider(firm)
    together = build_features(tables, spine, features=OPTIONAL)
    order = list(range(len(spine)))
    chance.shuffle(order)
    assert differing(together.iloc[order], build_features(tables, spine.iloc[order], features=OPTIONAL)) == []
    single = spine["customer_id"] == chance.choice(spine["customer_id"].tolist())
    assert differing(together[single], build_features(tables, spine[single], features=OPTIONAL)) == []
    rows = {table: tuple(chance.sample(rows, len(rows))) for table, rows in firm.rows.items() if table != "customers"}
    for table, shuffled in rows.items():
        firm = firm.with_rows(table, shuffled)
    assert differing(together, build_features(wider(firm), spine, features=OPTIONAL)) == []
