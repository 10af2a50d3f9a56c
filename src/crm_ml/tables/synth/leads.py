"""All tables about leads and deals, made from one courtship."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_ml.tables.synth.courtship import Courtship
from crm_ml.tables.synth.deals import deal_tables
from crm_ml.tables.synth.lead_contacts import lead_events_table
from crm_ml.tables.synth.lead_tables import lead_stages_table, leads_table, marketing_costs_table
from crm_ml.tables.synth.world import World


def lead_frames(
    world: World, courtship: Courtship, *, customers: pd.DataFrame, products: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the tables about leads and deals, as far as they were known to the export."""
    deals, deal_stages = deal_tables(world, courtship, products)
    frames = {
        "leads": leads_table(world, courtship, customers),
        "lead_events": lead_events_table(world, courtship),
        "lead_stages": lead_stages_table(world, courtship),
        "deals": deals,
        "deal_stages": deal_stages,
        "marketing_costs": marketing_costs_table(world, courtship.enquirers),
    }
    return _known_by(frames, world.until)


def _known_by(frames: dict[str, pd.DataFrame], until: np.datetime64) -> dict[str, pd.DataFrame]:
    """Return the rows that were known before a day, without those of leads that were not."""
    leads = frames["leads"]
    known = set(leads["lead_id"][leads["known_at"] < until])
    deals = frames["deals"]
    dealt = set(deals["deal_id"][deals["lead_id"].isin(known)])
    kept = {}
    for name, frame in frames.items():
        keep = pd.Series(True, index=frame.index)
        for column, allowed in (("lead_id", known), ("deal_id", dealt)):
            keep &= frame[column].isin(allowed) if column in frame else True
        keep &= frame["known_at"] < until if "known_at" in frame else True
        kept[name] = frame[keep].reset_index(drop=True)
    return kept
