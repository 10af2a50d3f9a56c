"""All streams of events that features can be declared over."""

from __future__ import annotations

from collections.abc import Mapping

from crm_ml.features import interactions, orders, payments
from crm_ml.features.events import Stream

STREAMS: Mapping[str, Stream] = {**orders.STREAMS, **payments.STREAMS, **interactions.STREAMS}
"""Streams by name; each says what an event is, its time t, its columns and the source columns it needs."""
