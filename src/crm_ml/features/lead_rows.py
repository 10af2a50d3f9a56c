"""Which leads are looked at and when, and what then became of them: open leads, moments of a lead, labels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_ml import names as n
from crm_ml.errors import DataError
from crm_ml.features.attributes import own_features
from crm_ml.features.build import build_features
from crm_ml.features.fate import Spells, closed_spells, first_entered
from crm_ml.features.leads import FEATURES as LEAD_FEATURES
from crm_ml.features.leads import STAGE_RANKS
from crm_ml.features.rows import integers, seen_span
from crm_ml.features.spine import CUTOFF
from crm_ml.features.subjects import LEAD
from crm_ml.features.timeline import FOREVER, I64, NULL, cutoff_us, date_of, zone_clock

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_TARGETS = {
    "won": ("won",),
    "opportunity": ("opportunity", "won"),
    "sql": ("sql", "opportunity", "won"),
}
"""A later stage implies the earlier ones: some firms enter only how far a lead came in the end."""
MOMENT_HOURS: Final = 25.0
"""Between two moments that are learnt from: on the long day in autumn two that are a day apart would share a date."""
_FURTHEST: Final = "lead_stage_rank_max"


def lead_spine(tables: Tables, days: Sequence[dt.date]) -> pd.DataFrame:
    """Return the leads that are open at the beginning of each day.

    Open at c: created and known before c, and neither won nor lost as known then. A lead that was lost and enters a
    stage again stays closed.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    days : sequence of date
        Business days.

    Returns
    -------
    DataFrame
        `lead_id`, `as_of` (date), `cutoff` (int64, UTC microseconds), sorted by (as_of, lead_id).

    Raises
    ------
    DataError
        If leads, or what tells of their stages, is not mapped.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1", "2"], "created_at": ["2026-01-05", "2026-01-07"]}
    >>> stages = {"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-01-20"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages)})
    >>> [lead_spine(tables, [day])["lead_id"].tolist() for day in (dt.date(2026, 1, 20), dt.date(2026, 1, 21))]
    [['1', '2'], ['2']]
    """
    ids, created, closed = _lives(tables)
    parts = []
    for day in sorted(set(days)):
        cutoff = cutoff_us(day, tables.zone)
        there = (created < cutoff) & ~closed.holding(np.arange(len(ids)), np.full(len(ids), cutoff))
        parts.append(pd.DataFrame({n.LEAD_ID: ids[there], n.AS_OF: day, CUTOFF: np.int64(cutoff)}))
    return _joined(parts)


def lead_moments(tables: Tables, *, until: int, least_hours: float = 24.0) -> pd.DataFrame:
    """Return each lead at its creation and after its touches, while it is open.

    A moment is one microsecond after the creation or the touch became known, so that it is visible. A touch closer than
    `least_hours` to the moment kept before it gives none.

    Parameters
    ----------
    tables : Tables
        With leads; touches come from lead_events.
    until : int
        UTC microseconds: moments at or after it are left out.
    least_hours : float
        Between two moments of a lead.

    Returns
    -------
    DataFrame
        `lead_id`, `as_of` (local date of the moment), `cutoff` (int64, UTC microseconds), sorted by (cutoff, lead_id).

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1"], "created_at": ["2026-01-05 10:00"]}
    >>> touches = {"event_id": ["a", "b"], "lead_id": ["1", "1"], "kind": ["download", "call"],
    ...            "occurred_at": ["2026-01-05 11:00", "2026-01-09 08:00"]}
    >>> stages = {"lead_id": ["1"], "stage": ["lead"], "entered_at": ["2026-01-05 10:00"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_events": pd.DataFrame(touches),
    ...                       "lead_stages": pd.DataFrame(stages)})
    >>> lead_moments(tables, until=cutoff_us(dt.date(2026, 2, 1), tables.zone))["as_of"].astype(str).tolist()
    ['2026-01-05', '2026-01-09']
    """
    ids, created, closed = _lives(tables)
    who, at = np.arange(len(ids)), created
    if n.LEAD_EVENTS in tables.frames:
        _, seen, until_newer = seen_span(tables, n.LEAD_EVENTS)
        of = pd.Index(ids).get_indexer(tables.frames[n.LEAD_EVENTS].column(n.LEAD_ID).to_pandas())
        known = (of >= 0) & (seen < until_newer)
        who, at = np.concatenate((who, of[known])), np.concatenate((at, np.maximum(seen[known], created[of[known]])))
    cutoff = at + 1
    open_then = ~closed.holding(who, cutoff) & (cutoff < until)
    who, cutoff = who[open_then], cutoff[open_then]
    order = np.lexsort((cutoff, who))
    who, cutoff = who[order], cutoff[order]
    kept = _thinned(who, cutoff, round(least_hours * 3_600_000_000))
    who, cutoff = who[kept], cutoff[kept]
    days = zone_clock(tables.zone).day(cutoff)
    part = pd.DataFrame({n.LEAD_ID: ids[who], n.AS_OF: [date_of(day) for day in days.tolist()], CUTOFF: cutoff})
    return _joined([part]).sort_values([CUTOFF, n.LEAD_ID], ignore_index=True)


def lead_creations(tables: Tables, *, until: int) -> pd.DataFrame:
    """Return each lead at its creation, one microsecond after it became known.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    until : int
        UTC microseconds: leads that were not visible then are left out.

    Returns
    -------
    DataFrame
        `lead_id`, `as_of` (local date), `cutoff` (int64, UTC microseconds), sorted by lead_id.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1", "2"], "created_at": ["2026-01-05 10:00", "2026-02-05 10:00"]}
    >>> stages = {"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-01-20"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages)}, zone="UTC")
    >>> lead_creations(tables, until=cutoff_us(dt.date(2026, 2, 1), "UTC"))[["lead_id", "cutoff"]].values.tolist()
    [['1', 1767607200000001]]
    """
    ids, created, _ = _lives(tables)
    there = created < until
    ids, cutoff = ids[there], created[there] + 1
    days = [date_of(day) for day in zone_clock(tables.zone).day(cutoff).tolist()]
    return _joined([pd.DataFrame({n.LEAD_ID: ids, n.AS_OF: pd.Series(days, dtype=object), CUTOFF: cutoff})])


def lead_training_rows(
    tables: Tables, *, newest: dt.date, oldest: dt.date, every_days: int, target: str = "won"
) -> pd.DataFrame:
    """Return the rows that a model of leads learns from: creation, touches, and every so many days while open.

    A lead is looked at while open no more often than it had moments of its own: else leads that nobody ever closes
    would fill the rows, and a model would learn their age and little else. Which of the days, is decided by its id.
    Days are laid back from `newest`. Of two rows of a lead on one day the later one stays. Rows of a lead that was
    known to have reached the target already are left out.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    newest, oldest : date
        The first day, and the last, that rows lie on. A moment after the beginning of `newest` is left out: its label
        window would end later.
    every_days : int
        Between two days on which all open leads are looked at, and the length of a snapshot.
    target : {"won", "opportunity", "sql"}
        The stage that is to be reached.

    Returns
    -------
    DataFrame
        `lead_id`, `as_of` (local date), `cutoff` (int64, UTC microseconds) and `snapshot`: the first of the
        `every_days` days, counted back from `newest`, among which the row lies. Sorted by (cutoff, lead_id).

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1"], "created_at": ["2026-01-05 10:00"]}
    >>> stages = {"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-03-01"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages)})
    >>> rows = lead_training_rows(tables, newest=dt.date(2026, 3, 11), oldest=dt.date(2026, 1, 1), every_days=30)
    >>> rows[["as_of", "snapshot"]].astype(str).to_numpy().tolist()  # one moment, and so one look
    [['2026-01-05', '2025-12-12'], ['2026-01-10', '2025-12-12']]
    """
    span = (newest - oldest).days
    days = [newest - dt.timedelta(days=back) for back in range(0, span + 1, every_days)]
    moments = lead_moments(tables, until=cutoff_us(newest, tables.zone), least_hours=MOMENT_HOURS)
    moments = moments[moments[n.AS_OF] >= oldest]
    rows = _joined([_some(lead_spine(tables, days), moments), moments])
    rows = rows.sort_values([CUTOFF, n.LEAD_ID], kind="stable")
    rows = rows.drop_duplicates([n.LEAD_ID, n.AS_OF], keep="last").reset_index(drop=True)
    rows = before_target(tables, rows, target=target)
    back = np.array([(newest - day).days // every_days for day in rows[n.AS_OF]], np.int64)
    first = [newest - dt.timedelta(days=int(k + 1) * every_days - 1) for k in back]
    return rows.assign(snapshot=pd.Series(first, index=rows.index, dtype=object))


def _some(looks: pd.DataFrame, moments: pd.DataFrame) -> pd.DataFrame:
    """Return of each lead at most as many looks as it has moments, spread over its days from a place its id gives."""
    many = looks.groupby(n.LEAD_ID)[n.LEAD_ID].transform("size").to_numpy(np.int64)
    wanted = looks[n.LEAD_ID].map(moments[n.LEAD_ID].value_counts()).fillna(1).to_numpy(np.int64)
    place = looks.groupby(n.LEAD_ID).cumcount().to_numpy(np.int64)
    start = np.array([crc32(lead.encode("utf-8", "surrogatepass")) for lead in looks[n.LEAD_ID]], np.int64)
    # every place k of m with floor((k + s) w / m) above that of the place before: w of them, evenly spread
    turned = (place + start) % np.maximum(many, 1)
    kept = (turned + 1) * wanted // many > turned * wanted // many
    found: pd.DataFrame = looks.loc[kept | (wanted >= many)]
    return found


def filled_later(tables: Tables, *, until: int) -> dict[str, tuple[int, int]]:
    """Return for each own attribute of leads that is a time, for how many it lies after the creation, of how many.

    Parameters
    ----------
    tables : Tables
        With leads.
    until : int
        UTC microseconds; times at or after it are not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> filled_later(from_frames({"leads": pd.DataFrame({"lead_id": ["1"], "created_at": ["2026-01-05"]})}), until=0)
    {}
    """
    frame = tables.frames[n.LEADS]
    created, found = integers(frame, "created_at"), {}
    for feature in own_features(tables, n.LEADS):
        if pa.types.is_timestamp(frame.schema.field(feature.column).type):
            at = integers(frame, feature.column)
            there = (at != NULL) & (at < until) & (created < until)
            found[feature.id] = (int((there & (at > created)).sum()), int(there.sum()))
    return found


def before_target(tables: Tables, spine: pd.DataFrame, *, target: str) -> pd.DataFrame:
    """Return the rows of a spine at which the lead was not yet known to have reached the target."""
    if target == "won" or len(spine) == 0:  # what is won is not open
        return spine
    stage = [feature for feature in LEAD_FEATURES if feature.id == _FURTHEST]
    rank = build_features(tables, spine[[n.LEAD_ID, n.AS_OF, CUTOFF]], features=stage, of=LEAD)[_FURTHEST]
    return spine[~(rank.to_numpy(np.float64) >= STAGE_RANKS[target])].reset_index(drop=True)


def lead_labels(
    tables: Tables, spine: pd.DataFrame, *, gap_days: int, horizon_days: int, known_until: int, target: str = "won"
) -> np.ndarray:
    """Return True where the lead first entered the stage in the label window [c + gap, c + gap + horizon).

    Windows are calendar days in the workspace's zone; what happened in them is judged by what is known at
    `known_until`. A lead that is still open then counts as not won: the question is "won within the horizon". So does
    one that had entered the stage, or a later one, before the window.

    Parameters
    ----------
    tables : Tables
        With leads, and lead_stages or deals.
    spine : DataFrame
        ``lead_id`` and ``cutoff``.
    gap_days, horizon_days : int
        Of the label window.
    known_until : int
        UTC microseconds.
    target : {"won", "opportunity", "sql"}
        The stage that counts; a later one counts as well.

    Returns
    -------
    ndarray of bool
        In the order of the spine.

    Raises
    ------
    DataError
        If the stage cannot be told from what is mapped.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> leads = {"lead_id": ["1", "2"], "created_at": ["2026-01-05", "2026-01-07"]}
    >>> stages = {"lead_id": ["1"], "stage": ["won"], "entered_at": ["2026-01-20"]}
    >>> tables = from_frames({"leads": pd.DataFrame(leads), "lead_stages": pd.DataFrame(stages)})
    >>> end = cutoff_us(dt.date(2026, 6, 1), tables.zone)
    >>> lead_labels(tables, lead_spine(tables, [dt.date(2026, 1, 10)]), gap_days=0, horizon_days=30,
    ...             known_until=end).tolist()
    [True, False]
    """
    if target not in _TARGETS:
        raise DataError(
            f"A lead's target must be one of {', '.join(_TARGETS)}; found {target!r}",
            remedy="Correct leads.target in crm.yaml.",
            code="unknown_target",
        )
    _check_leads(tables)
    # by the spine's own leads: a label must not depend on which other leads, or versions of them, the table holds
    code, ids = pd.factorize(spine[n.LEAD_ID].astype("str"))
    leads = pa.array(ids, pa.string())
    at: I64 = first_entered(tables, _TARGETS[target], leads, known_until=known_until)[code]
    clock, cutoffs = zone_clock(tables.zone), spine[CUTOFF].to_numpy(np.int64)
    lower = clock.shift(cutoffs, gap_days)
    upper = clock.shift(cutoffs, gap_days + horizon_days)
    return np.asarray((at != NULL) & (lower <= at) & (at < upper))


def _lives(tables: Tables) -> tuple[np.ndarray, I64, Spells]:
    """Return for each lead its id (sorted) and since when it is known, and when which was known to be won or lost."""
    _check_leads(tables)
    _, seen, until = seen_span(tables, n.LEADS)
    frame = pd.DataFrame({"id": tables.frames[n.LEADS].column(n.LEAD_ID).to_pandas(), "seen": seen})
    lives = frame[seen < until].groupby("id", sort=True)["seen"].min()
    ids = lives.index.to_numpy(dtype=object)
    return ids, lives.to_numpy(np.int64), closed_spells(tables, pa.array(ids, pa.string()))


def _check_leads(tables: Tables) -> None:
    if n.LEADS not in tables.frames:
        raise DataError(
            "lead scoring needs the table leads, which is not mapped",
            remedy="Map leads with lead_id and created_at in crm.yaml.",
            code="table_not_mapped",
        )


def _thinned(who: np.ndarray, cutoff: I64, least: int) -> np.ndarray:
    """Return which of the moments, sorted by (lead, time), lie at least so far after the one kept before them."""
    kept = np.zeros(len(who), bool)
    last_who, last = -1, -FOREVER
    for row, (lead, at) in enumerate(zip(who.tolist(), cutoff.tolist(), strict=True)):
        if lead != last_who or at - last >= max(least, 1):
            kept[row], last_who, last = True, lead, at
    return kept


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = {n.LEAD_ID: pd.array([], "str"), n.AS_OF: np.array([], object), CUTOFF: np.array([], np.int64)}
    filled = [part for part in parts if len(part)]
    found = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns)
    return found.astype({n.LEAD_ID: "str", CUTOFF: "int64"})
