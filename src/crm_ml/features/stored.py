"""Declarations as plain values and back: what a bundle keeps of the features that are a workspace's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final

from crm_ml.features.spec import AnyFeature, Difference, Feature, PeakFeature, PooledFeature, Ratio

Stored = Feature | Ratio | Difference
KINDS: Final[Mapping[str, type[Stored]]] = {
    "feature": Feature,
    "peak": PeakFeature,
    "pooled": PooledFeature,
    "ratio": Ratio,
    "difference": Difference,
}
"""Name of a kind of declaration -> its class."""


def as_json(feature: AnyFeature) -> dict[str, Any]:
    """Return a declaration as JSON-ready values; what is as by default is left out.

    Examples
    --------
    >>> as_json(Ratio(id="a", numerator="x", denominator="y"))
    {'kind': 'ratio', 'id': 'a', 'numerator': 'x', 'denominator': 'y'}
    """
    kind = next((name for name, made in KINDS.items() if type(feature) is made), "")
    if not kind:
        raise TypeError(f"a {type(feature).__name__} cannot be stored")
    found: dict[str, Any] = {"kind": kind}
    for each in fields(feature):
        value = getattr(feature, each.name)
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        if value != default:
            found[each.name] = dict(value) if isinstance(value, Mapping) else value
    return found


def from_json(value: Mapping[str, Any]) -> Stored:
    """Return the declaration that `as_json` gave these values for.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> from_json({"kind": "difference", "id": "a", "left": "x", "right": "y"}).uses
    ('x', 'y')
    """
    made = KINDS.get(str(value.get("kind")))
    rest = {name: each for name, each in value.items() if name != "kind"}
    known = set() if made is None else {each.name for each in fields(made)}
    if made is None or not set(rest) <= known:
        raise ValueError(f"a declared feature must be one of {', '.join(KINDS)} with its fields, found {value!r:.200}")
    try:
        return made(**rest)
    except TypeError as error:
        raise ValueError(f"a declared feature lacks a field: {error}") from None


def with_inputs(ids: Sequence[str], declared: Sequence[AnyFeature]) -> tuple[AnyFeature, ...]:
    """Return those of the declared features that have these ids, and those that they are computed from, in order.

    Examples
    --------
    >>> own = [Feature(id="x", source="orders"), Ratio(id="a", numerator="x", denominator="orders_count_365d")]
    >>> [feature.id for feature in with_inputs(["a", "orders_count_90d"], own)]
    ['x', 'a']
    """
    known = {feature.id: feature for feature in declared}
    wanted: set[str] = set()
    open_ = [id for id in ids if id in known]
    while open_:
        id = open_.pop()
        if id not in wanted:
            wanted.add(id)
            open_ += [other for other in known[id].uses if other in known]
    return tuple(feature for feature in declared if feature.id in wanted)
