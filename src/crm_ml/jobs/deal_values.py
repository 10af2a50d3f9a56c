"""What leads are worth as known on a day: the won deals of that day, the leads as they were when they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_ml import names as n
from crm_ml.features import LEAD, build_features, cutoff_us, default_features
from crm_ml.features.deal_rows import won_deals
from crm_ml.features.lead_rows import lead_creations
from crm_ml.models.deal_value import TRAITS, DealValues
from crm_ml.models.deal_value_fit import fit_deal_values

if TYPE_CHECKING:
    import datetime as dt

    from crm_ml.tables import Tables


def deal_values_at(tables: Tables, day: dt.date) -> DealValues:
    """Return what leads are worth by the deals that were known to be won at the start of a day.

    Deals of one lead are added up, and count as closed with the first of them. Where no won deal names a lead, all won
    deals stand for what leads are worth: then each is worth their mean.

    Parameters
    ----------
    tables : Tables
        With leads and, as far as mapped, deals and deal_stages.
    day : date
        Nothing of it is known yet.

    Returns
    -------
    DealValues
        To predict from features of leads.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> deals = {"deal_id": ["1", "2"], "created_at": "2026-01-02", "status": "won", "closed_at": "2026-01-05",
    ...          "amount": [100, 300], "lead_id": ["a", "b"]}
    >>> leads = {"lead_id": ["a", "b"], "created_at": "2026-01-01"}
    >>> tables = from_frames({"deals": pd.DataFrame(deals), "leads": pd.DataFrame(leads)})
    >>> deal_values_at(tables, dt.date(2026, 1, 8)).mean, deal_values_at(tables, dt.date(2026, 1, 5)).mean
    (200.0, 1.0)
    """
    cutoff = cutoff_us(day, tables.zone)
    deals = won_deals(tables, cutoff)
    if deals[n.LEAD_ID].isna().all():
        return fit_deal_values(deals[["amount", "closed"]])
    won = deals.groupby(n.LEAD_ID, as_index=False).agg({"amount": "sum", "closed": "min"})
    spine = lead_creations(tables, until=cutoff)
    spine = spine[spine[n.LEAD_ID].isin(won[n.LEAD_ID])].reset_index(drop=True)
    traits = [feature for feature in default_features(of=LEAD) if feature.id in TRAITS]
    known = build_features(tables, spine, features=traits, of=LEAD)
    return fit_deal_values(won.merge(known, on=n.LEAD_ID, validate="one_to_one"))
