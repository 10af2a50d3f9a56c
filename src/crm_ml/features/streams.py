"""All streams of events that features can be declared over."""

from __future__ import annotations

from collections.abc import Mapping

from crm_ml.features import bills, contracts, goods, habits, interactions, leads, orders, payments, pools, service
from crm_ml.features.events import Stream
from crm_ml.features.subjects import LEAD, Subject

STREAMS: Mapping[str, Stream] = {
    **orders.STREAMS,
    **payments.STREAMS,
    **interactions.STREAMS,
    **habits.STREAMS,
    **goods.STREAMS,
    **bills.STREAMS,
    **contracts.STREAMS,
    **service.STREAMS,
    **pools.STREAMS,
}
"""Streams about customers by name; each says what an event is, its time t, its columns and the columns it needs."""
LEAD_STREAMS: Mapping[str, Stream] = leads.STREAMS
"""Streams about leads."""


def streams_of(of: Subject) -> Mapping[str, Stream]:
    """Return the streams about a kind of subject."""
    return LEAD_STREAMS if of == LEAD else STREAMS
