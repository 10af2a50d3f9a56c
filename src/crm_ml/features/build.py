"""From declarations to a feature table: one heavy step per table, then a cheap running total per feature."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml.errors import UsageError
from crm_ml.features import attributes, peers, pools
from crm_ml.features.catalogue import default_features
from crm_ml.features.declared import SINCE, with_inputs
from crm_ml.features.events import SCALES, Events, Timeline, order_within
from crm_ml.features.parts import WholeTimeline, event_tables, in_parts
from crm_ml.features.peaks import peak
from crm_ml.features.spec import (
    AnyFeature,
    AttributeFeature,
    Difference,
    Feature,
    FunctionFeature,
    PeakFeature,
    PeerFeature,
    PooledFeature,
    Ratio,
)
from crm_ml.features.spine import Spine, sort_spine, with_cutoffs
from crm_ml.features.streams import streams_of
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.features.timeline import FOREVER, HOUR, I32, I64, NULL
from crm_ml.processors import processors
from crm_ml.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crm_ml.tables import Tables

    F64 = NDArray[np.float64]

_LOG = logging.getLogger(__name__)


def build_features(
    tables: Tables,
    spine: pd.DataFrame,
    *,
    features: Sequence[AnyFeature] | None = None,
    of: Subject = CUSTOMER,
    threads: int | None = None,
) -> pd.DataFrame:
    """Return the spine with one column per feature, in the spine's order.

    Parameters
    ----------
    tables : Tables
        What the company has; rows that are not visible at a cutoff have no effect there.
    spine : DataFrame
        Columns `customer_id` (or `lead_id`) and `cutoff` (int64, UTC microseconds), or `as_of` (dates); others are
        carried along.
    features : sequence, optional
        Declarations; default: `default_features` and the own attributes of the subjects' table.
    of : Subject
        Whether the rows are about customers (`CUSTOMER`) or leads (`LEAD`).
    threads : int, optional
        At most so many work at it, which never changes the result; default: one per processor.

    Returns
    -------
    DataFrame
        Numbers are float64, categories text. A feature whose columns are not mapped is null everywhere; without any
        event, counts and sums are 0 and everything else is null.

    Raises
    ------
    UsageError
        If a declaration names an unknown stream, column or feature, or an id occurs twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_ml.tables import from_frames
    >>> lines = {"order_id": ["A", "B"], "customer_id": ["7", "7"], "ordered_at": ["2026-01-05", "2026-02-04"],
    ...          "net_amount": [100.0, 50.5]}
    >>> tables = from_frames({"order_lines": pd.DataFrame(lines)})
    >>> spine = pd.DataFrame({"customer_id": ["7"], "as_of": ["2026-03-01"]})
    >>> found = build_features(tables, spine)
    >>> found[["orders_count_30d", "orders_net_revenue_365d", "days_since_last_order"]].iloc[0].tolist()
    [1.0, 150.5, 25.0]
    """
    frame = with_cutoffs(spine, tables.zone, of=of)
    columns: dict[str, np.ndarray] = {}
    for rows, made in feature_parts(tables, frame, features=features, of=of, threads=threads):
        for name, values in made.items():
            if name not in columns:
                columns[name] = np.empty(len(frame), values.dtype)
            columns[name][rows] = values
    found = pd.DataFrame(
        {name: pd.array(x, dtype="str") if x.dtype == object else x for name, x in columns.items()},
        index=frame.index,
        copy=False,
    )
    return pd.concat([frame, found], axis=1)


def feature_parts(
    tables: Tables,
    spine: pd.DataFrame,
    *,
    features: Sequence[AnyFeature] | None = None,
    of: Subject = CUSTOMER,
    threads: int | None = None,
) -> Iterator[tuple[I64, dict[str, np.ndarray]]]:
    """Yield the features of `build_features` for some subjects after the other, so that they need not be held at once.

    Each time (positions of the rows in the spine, array per feature); computed a few parts ahead of what is taken.

    Raises
    ------
    UsageError
        As `build_features`, before the first part.
    """
    frame = with_cutoffs(spine, tables.zone, of=of)
    default = (*default_features(of), *attributes.own_features(tables, of.table))
    wanted = list(default if features is None else features)
    needed = with_inputs(wanted, of)
    ids = [feature.id for feature in wanted]
    taken = [id for id in ids if id in frame]
    if taken:
        raise UsageError(f"the spine already has the columns {taken[:5]}", remedy="Drop them first.")
    parts = _in_parts(tables, sort_spine(frame, of=of), needed, of=of, threads=threads)
    return ((rows, {id: made[id] for id in ids}) for rows, made in parts)


def _in_parts(
    tables: Tables, spine: Spine, needed: Sequence[AnyFeature], *, of: Subject, threads: int | None
) -> Iterator[tuple[I64, dict[str, np.ndarray]]]:
    """Yield (rows of the original frame, all features there) part by part; inputs stand before what uses them."""
    whole = WholeTimeline(tables, spine.ids, streams_of(of), of=of)
    if of == CUSTOMER:  # what is said of a lead may depend on its peers
        whole.cut(np.diff(spine.row_from), event_tables(tables, of))
        whole.prepare(_tables_of(needed, whole), threads=threads)
        if len(whole.bounds) > 2 and threads != 1:
            _fill(whole, spine, needed, threads=threads)

    # what is said of all customers together is made once, for all parts
    pooled = [feature for feature in needed if isinstance(feature, PooledFeature)]
    of_pools = Evaluation(whole, spine).all(pooled)
    others = [feature for feature in needed if feature.id not in of_pools]

    def work(index: int) -> tuple[I64, dict[str, np.ndarray]]:
        part, rows = whole.part_of_spine(spine, index), whole.rows_of_part(spine, index)
        given = {name: values[rows] for name, values in of_pools.items()}
        return part.order, Evaluation(whole.part(index), part).all(others, given)

    # functions that are not ours may not be made for several threads
    foreign = any(isinstance(feature, FunctionFeature) for feature in needed)
    yield from in_parts(whole, work, threads=1 if foreign else threads)


def _fill(whole: WholeTimeline, spine: Spine, needed: Iterable[AnyFeature], *, threads: int | None) -> None:
    """Let the first part ask for the columns of its sources side by side: each is then moved for all parts."""
    by_source: dict[str, list[AnyFeature]] = {}
    for feature in needed:
        if isinstance(feature, Feature) and not isinstance(feature, PooledFeature):
            by_source.setdefault(feature.source, []).append(feature)
    part = whole.part_of_spine(spine, 0)
    with ThreadPoolExecutor(threads or processors()) as pool:
        for done in [pool.submit(Evaluation(whole.part(0), part).all, some) for some in by_source.values()]:
            done.result()


def _tables_of(needed: Iterable[AnyFeature], timeline: Timeline) -> list[str]:
    """Return the mapped event tables that features are made of."""
    sources = {feature.source for feature in needed if isinstance(feature, Feature | FunctionFeature)}
    columns = {need for source in sources for need in timeline.streams[source].needs}
    names = {need.split(".")[0] for need in columns}
    return [name for name in timeline.tables.frames if name in names and SCHEMAS[name].event_time]


class Evaluation:
    """The features of one spine, with everything that several of them share computed once."""

    def __init__(self, timeline: Timeline, spine: Spine) -> None:
        from crm_ml.features import kernels

        if not getattr(kernels.rows_above, "signatures", True):
            _LOG.info("loading the compiled kernels (their first use on a machine compiles them: some seconds)")
        self._kernels = kernels
        self.timeline = timeline
        self.spine = spine
        self.days = timeline.clock.day(spine.cutoffs)
        self._stop_of: I32 = spine.row_from[1:].astype(np.int32)
        self._bounds: dict[int, I64] = {0: spine.cutoffs}
        self._first_above: dict[tuple[str, str, int], I32] = {}
        self._runs: dict[tuple[str, int | None, int], tuple[I32, I32]] = {}
        self._masks: dict[tuple[object, ...], np.ndarray] = {}
        self._groups: dict[tuple[str, str], tuple[I64, I64]] = {}

    def all(
        self, features: Iterable[AnyFeature], given: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Return one array per feature over the sorted spine; inputs must come before what uses them, or be given."""
        made: dict[str, np.ndarray] = dict(given or {})
        for feature in features:
            made[feature.id] = self._one(feature, made)
        return made

    def _one(self, feature: AnyFeature, made: Mapping[str, np.ndarray]) -> np.ndarray:
        if isinstance(feature, PooledFeature):
            return pools.pooled(self, feature)
        if isinstance(feature, PeakFeature):
            return self._peak(feature)
        if isinstance(feature, Feature):
            return self._aggregate(feature)
        if isinstance(feature, Ratio):
            return _ratio(made[feature.numerator], made[feature.denominator], feature.scale)
        if isinstance(feature, Difference):
            return np.asarray(made[feature.left] - made[feature.right])
        if isinstance(feature, FunctionFeature):
            return self._function(feature)
        if isinstance(feature, AttributeFeature):
            return attributes.attribute(self.timeline, self.spine, feature)
        if isinstance(feature, PeerFeature):
            return self._peer(feature)
        return attributes.season(self.days, feature)

    def _nothing(self) -> F64:
        return np.full(len(self.spine), np.nan)

    def _mapped(self, source: str, columns: Iterable[str]) -> bool:
        stream = self.timeline.streams[source]
        needs = [need for column in columns for need in stream.measures[column].needs]
        return self.timeline.has_stream(source) and self.timeline.has(needs)

    def _above(self, source: str, what: str, values: I64, days: int = 0) -> I32:
        """First row of each event's subject whose cutoff (shifted back by `days`) lies above the value."""
        key = (source, what, days)
        if key not in self._first_above:
            if days not in self._bounds:
                self._bounds[days] = self.timeline.clock.shift(self.spine.cutoffs, -days)
            events = self.timeline.stream(source)
            self._first_above[key] = self._kernels.rows_above(
                self.spine.row_from, self._bounds[days], events.subject, values
            )
        return self._first_above[key]

    def _run(self, source: str, window_days: int | None, offset_days: int) -> tuple[I32, I32]:
        """Return the run of rows [start, end) at which each event of the stream counts."""
        key = (source, window_days, offset_days)
        if key not in self._runs:
            self._runs[key] = self._make_run(source, window_days, offset_days)
        return self._runs[key]

    def _make_run(self, source: str, window_days: int | None, offset_days: int) -> tuple[I32, I32]:
        events = self.timeline.stream(source)
        start = self._above(source, "from", events.seen_from)
        if (events.seen_until == FOREVER).all():
            end = self._stops(events)
        else:
            end = self._above(source, "until", events.seen_until)
        if offset_days:
            start = np.maximum(start, self._above(source, "t", events.t, offset_days))
        if window_days:
            end = np.minimum(end, self._above(source, "t", events.t, window_days + offset_days))
        return start, end

    def _stops(self, events: Events) -> I32:
        return self._stop_of[events.subject]

    def _mask(self, feature: Feature) -> np.ndarray:
        """Return which events of the stream fulfil the conditions and have the measure."""
        key = (feature.source, feature.measure, *sorted((k, str(v)) for k, v in feature.where.items()))
        if key not in self._masks:
            events = self.timeline.stream(feature.source)
            mask = np.ones(len(events), bool)
            for column, value in feature.where.items():
                levels = events.levels.get(column)
                if levels is None:
                    mask &= events.columns[column] == int(value)
                else:
                    mask &= events.columns[column] == levels.code(str(value))
            if feature.measure:
                mask &= events.columns[feature.measure] != NULL
            self._masks[key] = mask
        return self._masks[key]

    def _aggregate(self, feature: Feature) -> F64:
        if not self._mapped(feature.source, [*feature.where, *([feature.measure] if feature.measure else [])]):
            return self._nothing()
        kernels, rows = self._kernels, len(self.spine)
        events, mask = self.timeline.stream(feature.source), self._mask(feature)
        start, end = self._run(feature.source, feature.window_days, feature.offset_days)
        if feature.aggregate == "count":
            return np.asarray(kernels.running_sum(start, end, mask.astype(np.int64), rows), np.float64)
        if feature.aggregate in SINCE:
            at = self._edge(feature.aggregate.endswith("last"), events, (start, end), mask, events.t)
            t = events.t[at] if len(events) else self.spine.cutoffs
            if feature.aggregate.startswith("hours"):
                return np.where(at >= 0, (self.spine.cutoffs - t) / HOUR, np.nan)
            return np.where(at >= 0, self.days - self.timeline.clock.day(t), np.nan)
        x = events.columns[feature.measure]
        scale = SCALES.get(self.timeline.streams[feature.source].measures[feature.measure].kind, 1)
        if feature.aggregate == "distinct":
            return self._distinct(feature, events, (start, end), mask)
        if feature.aggregate in ("last", "first"):
            at = self._edge(feature.aggregate == "last", events, (start, end), mask, x)
            return np.where(at >= 0, x[at] / scale, np.nan) if len(events) else self._nothing()
        if feature.aggregate in ("max", "min"):
            sign = 1 if feature.aggregate == "max" else -1
            most = kernels.running_max(start, np.where(mask, end, start), np.where(mask, sign * x, NULL), rows)
            return np.where(most == NULL, np.nan, sign * (most / scale))
        return self._moments(feature, (start, end), mask, x) / scale

    def _peak(self, feature: PeakFeature) -> F64:
        if not self._mapped(
            feature.source, [*feature.where, *([feature.measure] if feature.measure else []), feature.by]
        ):
            return self._nothing()
        events, mask = self.timeline.stream(feature.source), self._mask(feature)
        run = self._run(feature.source, feature.window_days, feature.offset_days)
        x = events.columns[feature.measure] if feature.measure else np.ones(len(events), np.int64)
        measures = self.timeline.streams[feature.source].measures
        scale = SCALES.get(measures[feature.measure].kind, 1) if feature.measure else 1
        less, of_window = None, feature.window_days or 1
        if feature.against_days:
            less = self._run(feature.source, feature.against_days, 0), -of_window * x
            x, scale = feature.against_days * x, scale * of_window
        found = peak(events, feature.by, run, mask, x, len(self.spine), less=less)
        return np.where(found == NULL, np.nan, found / scale)

    def _moments(self, feature: Feature, run: tuple[I32, I32], mask: np.ndarray, x: I64) -> F64:
        kernels, rows = self._kernels, len(self.spine)
        x = np.where(mask, x, 0)
        total = kernels.running_sum(*run, x, rows)
        if feature.aggregate == "sum":
            return np.asarray(total, np.float64)
        count = kernels.running_sum(*run, mask.astype(np.int64), rows)
        if feature.aggregate == "mean":
            return np.where(count > 0, total / np.maximum(count, 1), np.nan)
        squares = kernels.running_sum(*run, x * x, rows)
        spread = (count * squares - total * total) / np.maximum(count * (count - 1), 1)
        return np.where(count > 1, np.sqrt(spread), np.nan)

    def _edge(self, last: bool, events: Events, run: tuple[I32, I32], mask: np.ndarray, x: I64) -> I64:
        """Return per row the position of the latest (or earliest) counting event, -1 for none."""
        start, end = run[0], np.where(mask, run[1], run[0])
        stop, rows = self._stops(events), len(self.spine)
        if last:
            return self._kernels.latest(start, end, stop, events.t, x, rows)
        # the earliest is the latest with time running backwards
        start, end, stop = (np.ascontiguousarray(a[::-1]) for a in (start, end, stop))
        at = self._kernels.latest(
            start, end, stop, np.ascontiguousarray(-events.t[::-1]), np.ascontiguousarray(-x[::-1]), rows
        )
        return np.where(at >= 0, len(events) - 1 - at, -1)

    def _distinct(self, feature: Feature, events: Events, run: tuple[I32, I32], mask: np.ndarray) -> F64:
        key = (feature.source, feature.measure)
        if key not in self._groups:
            x = events.columns[feature.measure]
            order = order_within(events.subject, x)
            order = np.arange(len(x)) if order is None else order
            changes = (np.diff(x[order]) != 0) | (np.diff(events.subject[order]) != 0)
            self._groups[key] = order, np.concatenate(([0], np.cumsum(changes)))[: len(order)]
        order, group = self._groups[key]
        start, end = run[0], np.where(mask, run[1], run[0])
        found = self._kernels.distinct(group, start[order], end[order], len(self.spine))
        return np.asarray(found, np.float64)

    def _function(self, feature: FunctionFeature) -> F64:
        if not self._mapped(feature.source, ()):
            return self._nothing()
        events, zone = self.timeline.stream(feature.source), self.timeline.tables.zone
        frame = decoded(self.timeline, feature.source)
        frame.insert(0, "t", pd.to_datetime(events.t, unit="us", utc=True).tz_convert(zone))
        begins = np.searchsorted(events.subject, np.arange(len(self.spine.ids) + 1))
        day = self.timeline.clock.day(events.t)
        out = self._nothing()
        for row, (subject, cutoff) in enumerate(zip(self.spine.subject, self.spine.cutoffs, strict=True)):
            own = slice(begins[subject], begins[subject + 1])
            seen = (events.seen_from[own] < cutoff) & (cutoff <= events.seen_until[own])
            visible = frame.iloc[own][seen].reset_index(drop=True)
            visible.insert(1, "days_ago", self.days[row] - day[own][seen])
            value = feature.function(visible, pd.Timestamp(cutoff, unit="us", tz="UTC").tz_convert(zone))
            out[row] = np.nan if value is None else float(value)
        return out

    def _peer(self, feature: PeerFeature) -> F64:
        timeline, spine = self.timeline, self.spine
        if feature.column not in timeline.tables.mapped.get(timeline.of.table, ()):
            return self._nothing()
        rows = attributes.rows_of(timeline, spine)
        hidden = attributes.hidden_at(timeline, spine, rows, feature.column)
        return peers.peer(timeline, spine, rows, hidden, feature)


def _ratio(numerator: F64, denominator: F64, scale: float) -> F64:
    positive = denominator > 0
    return np.where(positive, scale * numerator / np.where(positive, denominator, 1.0), np.nan)


def decoded(timeline: Timeline, source: str) -> pd.DataFrame:
    """Return the columns of a stream as people read them: texts, numbers in their unit, nulls as nulls."""
    events, measures = timeline.stream(source), timeline.streams[source].measures
    out: dict[str, object] = {}
    for name, measure in measures.items():
        values = events.columns.get(name)
        if values is None:
            continue
        if name in events.levels:
            texts = np.array([*events.levels[name], None], dtype=object)
            out[name] = pd.array(texts[np.where(values == NULL, len(texts) - 1, values)], dtype="str")
        else:
            out[name] = np.where(values == NULL, np.nan, values / SCALES.get(measure.kind, 1))
    return pd.DataFrame(out, index=range(len(events)))
