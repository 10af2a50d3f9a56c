"""The way of each lead as known at a cutoff: when it entered each stage, when it was lost, when we first answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features.fate import LOST, WON, first_entered, lead_numbers
from crm_ml.features.leads import OURS, job_seniorities, size_class
from crm_ml.features.rows import integers
from crm_ml.features.timeline import DAY, FOREVER, HOUR, I64, NULL
from crm_ml.features.visibility import visible

if TYPE_CHECKING:
    from crm_ml.tables import Tables

FUNNEL: Final = ("lead", "mql", "sql", "opportunity", WON)
"""The stages on the way, in order."""
TRAITS: Final = ("source", "campaign", "size_class", "seniority")
"""What is known of a lead at its creation and may group or adjust."""


def lead_journeys(tables: Tables, cutoff: int) -> pd.DataFrame:
    """Return when each lead entered each stage, counted from its creation, as known at a cutoff.

    A stage counts as entered with its first entry or that of a later stage, whichever comes first: who goes straight to
    an opportunity has passed the stages before it at that moment. Who falls back and climbs again has entered once. A
    lead that is known to be lost stays so; what it enters afterwards is not counted, but told in `reopened`. An entry
    before the creation counts at the creation.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals; answers come from lead_events.
    cutoff : int
        UTC microseconds. What happened or became known then or later is not used.

    Returns
    -------
    DataFrame
        One row per lead that is visible at the cutoff, sorted by id: ``lead_id``; `TRAITS` (text, null where unknown);
        ``followed_days`` from creation to cutoff; ``<stage>_days`` from creation to entry, null where not entered, for
        ``lead`` (always 0), ``won`` and each stage between that some visible row names; ``lost_days``; ``reopened``;
        ``response_hours`` from creation to our first reply, call or meeting, null where there is none.
        Days are of 24 hours.

    Raises
    ------
    DataError
        If leads, or what tells of their stages, is not mapped.

    Examples
    --------
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1", "2"], "created_at": ["2026-01-05 00:00", "2026-01-07 00:00"]}
    >>> stages = {"lead_id": ["1", "1", "2"], "stage": ["opportunity", "won", "lost"],
    ...           "entered_at": ["2026-01-09 12:00", "2026-01-20 00:00", "2026-01-08 00:00"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages)}, zone="UTC")
    >>> found = lead_journeys(tables, 1_769_904_000_000_000)  # 1 February 2026
    >>> found[["followed_days", "opportunity_days", "won_days", "lost_days"]].values.tolist()
    [[27.0, 4.5, 15.0, nan], [25.0, nan, nan, 1.0]]
    """
    if n.LEADS not in tables.frames:
        raise DataError(
            "The way of the leads needs the table leads, which is not mapped",
            remedy="Map leads with lead_id and created_at in crm.yaml.",
            code="table_not_mapped",
        )
    then = visible(tables, cutoff)
    leads = then.frames[n.LEADS]
    created = integers(leads, "created_at")
    named = _named_stages(then)
    ids, number = lead_numbers(then)

    def first(stages: Sequence[str]) -> np.ndarray:
        return _since(first_entered(then, stages, ids, known_until=FOREVER)[number], created, DAY)

    lost = first((LOST,))
    frame = pd.DataFrame({n.LEAD_ID: leads.column(n.LEAD_ID).to_pandas().astype("str")})
    for trait, values in _traits(then).items():
        frame[trait] = values
    frame["followed_days"] = (cutoff - created) / DAY
    reopened = np.zeros(len(leads), bool)
    for place, stage in enumerate(FUNNEL):
        if stage not in named:
            continue
        later = tuple(name for name in FUNNEL[place:] if name in named)
        entered = np.zeros(len(leads)) if stage == FUNNEL[0] else first(later)
        after = entered > lost
        reopened |= after
        frame[f"{stage}_days"] = np.where(after, np.nan, entered)
    frame["lost_days"] = lost
    frame["reopened"] = reopened
    frame["response_hours"] = _since(_first_answer(then, created), created, HOUR)
    return frame.sort_values(n.LEAD_ID, ignore_index=True)


def _named_stages(then: Tables) -> tuple[str, ...]:
    """Return the stages that the visible rows tell apart; a firm that skips one altogether has no such step."""
    found = {FUNNEL[0], WON}
    if n.LEAD_STAGES in then.frames:
        found |= set(pc.unique(then.frames[n.LEAD_STAGES].column("stage")).to_pylist())
    return tuple(stage for stage in FUNNEL if stage in found)


def _since(at: I64, created: I64, unit: int) -> np.ndarray:
    found: np.ndarray = np.where(at == NULL, np.nan, np.maximum(at - created, 0) / unit)
    return found


def _traits(then: Tables) -> dict[str, pd.Series[str]]:
    leads = then.frames[n.LEADS]
    plain = {name: leads.column(name).to_pandas().astype("str") for name in ("source", "campaign")}
    titles = leads.column("job_title").to_pandas().astype("str")
    # titles are read word by word: once each
    distinct = titles.dropna().unique().tolist()
    ranks = dict(zip(distinct, job_seniorities(distinct), strict=True))
    sizes = size_class([None if value is None else float(value) for value in leads.column("employees").to_pylist()])
    seniority = titles.map(ranks).astype("str")
    return {**plain, "size_class": pd.Series(sizes, dtype="str"), "seniority": seniority}


def _first_answer(then: Tables, created: I64) -> I64:
    """Return when we first answered each lead, NULL if never; a step before the creation answers nothing."""
    first = np.full(len(created), NULL)
    if n.LEAD_EVENTS not in then.frames:
        return first
    events = then.frames[n.LEAD_EVENTS]
    ours = pc.fill_null(pc.is_in(events.column("kind"), value_set=pa.array(OURS, pa.string())), False)
    events = events.filter(ours)
    of = pc.index_in(events.column(n.LEAD_ID), then.frames[n.LEADS].column(n.LEAD_ID).combine_chunks())
    lead, at = pc.fill_null(pc.cast(of, "int64"), -1).to_numpy(), integers(events, "occurred_at")
    kept = lead >= 0
    lead, at = lead[kept], at[kept]
    kept = at >= created[lead]
    order = np.lexsort((-at[kept], lead[kept]))
    # the last assignment stays: the earliest
    first[lead[kept][order]] = at[kept][order]
    return first
