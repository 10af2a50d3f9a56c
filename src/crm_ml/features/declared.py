"""Declarations before anything is computed: every name checked, inputs before what is made of them."""

from __future__ import annotations

from collections.abc import Iterable

from crm_ml.errors import UsageError, did_you_mean
from crm_ml.features import pools
from crm_ml.features.catalogue import default_features, inputs_of, optional_features
from crm_ml.features.spec import (
    AnyFeature,
    AttributeFeature,
    Feature,
    FunctionFeature,
    PeakFeature,
    PeerFeature,
    PooledFeature,
)
from crm_ml.features.streams import streams_of
from crm_ml.features.subjects import CUSTOMER, LEAD, Subject
from crm_ml.tables.schemas import SCHEMAS

SINCE = ("days_since_last", "days_since_first", "hours_since_last", "hours_since_first")
"""Aggregates of times; they have no measure."""


def with_inputs(wanted: Iterable[AnyFeature], of: Subject) -> list[AnyFeature]:
    """Return the features and those they are computed from, inputs first; check every name."""
    declared = (*inputs_of(of), *optional_features(of), *default_features(of))
    known: dict[str, AnyFeature] = {feature.id: feature for feature in declared}
    seen: set[str] = set()
    for feature in wanted:
        if feature.id in seen:
            raise UsageError(f"feature id {feature.id!r} occurs twice", remedy="Give each feature its own id.")
        seen.add(feature.id)
        known[feature.id] = feature
    found: dict[str, AnyFeature] = {}

    def add(feature: AnyFeature, path: tuple[str, ...]) -> None:
        if feature.id in found:
            return
        if feature.id in path:
            raise UsageError(f"feature {feature.id!r} is computed from itself", remedy="Break the circle.")
        for name in feature.uses:
            if name not in known:
                raise UsageError(
                    f"feature {feature.id!r} uses the unknown feature {name!r}.{did_you_mean(name, known)}",
                    remedy="Declare it too, or correct the name.",
                )
            add(known[name], (*path, feature.id))
        check_feature(feature, of=of)
        found[feature.id] = feature

    for feature in wanted:
        add(feature, ())
    return list(found.values())


def check_feature(feature: AnyFeature, *, of: Subject = CUSTOMER) -> None:
    """Raise UsageError if the feature names an unknown stream or column, or is about another kind of subject."""
    if isinstance(feature, AttributeFeature) and feature.table != of.table:
        raise UsageError(
            f"feature {feature.id!r}: a {of.name} is described by the table {of.table}, found {feature.table!r}",
            remedy=f"Set table={of.table!r}, or build it of another subject.",
        )
    if isinstance(feature, PeerFeature):
        _check_peer(feature, of)
    if isinstance(feature, PooledFeature) and (of != CUSTOMER or feature.source != pools.STREAM.name):
        raise UsageError(
            f"feature {feature.id!r}: a pool is one of customers over {pools.STREAM.name}, found a {of.name} and "
            f"{feature.source!r}",
            remedy=f"Set source={pools.STREAM.name!r}, or use a plain Feature.",
        )
    if not isinstance(feature, Feature | FunctionFeature):
        return
    streams = streams_of(of)
    if feature.source not in streams:
        raise UsageError(
            f"feature {feature.id!r}: unknown source {feature.source!r}.{did_you_mean(feature.source, streams)}",
            remedy=f"Use one of {', '.join(streams)}.",
        )
    if isinstance(feature, FunctionFeature):
        return
    measures = streams[feature.source].measures
    by = [feature.by] if isinstance(feature, PeakFeature) else []
    for column in (*feature.where, *([feature.measure] if feature.measure else []), *by):
        if column not in measures:
            raise UsageError(
                f"feature {feature.id!r}: {feature.source} has no column {column!r}.{did_you_mean(column, measures)}",
                remedy=f"Use one of {', '.join(measures)}.",
            )
    for column, value in feature.where.items():
        text = measures[column].kind == "text"
        if isinstance(value, str) != text:
            raise UsageError(
                f"feature {feature.id!r}: {column} holds {'texts' if text else 'whole numbers'}, found {value!r}",
                remedy="Correct the value in `where`.",
            )
    numeric = feature.aggregate not in ("count", "distinct", *SINCE)
    if numeric and measures[feature.measure].kind == "text":
        raise UsageError(
            f"feature {feature.id!r}: {feature.measure!r} is a text and has no {feature.aggregate}",
            remedy="Use count, distinct or another measure.",
        )
    if feature.aggregate == "sd" and measures[feature.measure].kind not in ("days", "count", "flag"):
        raise UsageError(
            f"feature {feature.id!r}: sd is exact for days and counts only, {feature.measure!r} is neither",
            remedy="Use max, min or mean.",
        )


def _check_peer(feature: PeerFeature, of: Subject) -> None:
    if of != LEAD:
        raise UsageError(
            f"feature {feature.id!r}: only leads have peers, not a {of.name}", remedy="Build it with of=LEAD."
        )
    columns = SCHEMAS[of.table].column_names
    if feature.column not in columns:
        raise UsageError(
            f"feature {feature.id!r}: {of.table} has no column {feature.column!r}."
            f"{did_you_mean(feature.column, columns)}",
            remedy=f"Use one of {', '.join(columns)}.",
        )
