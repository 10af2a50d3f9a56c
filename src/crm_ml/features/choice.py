"""Which features a workspace's models are given: patterns over the catalogue, families on and off, features of its own.

With nothing said it is the catalogue's default set, the features added in this process, and the own attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from crm_ml import names
from crm_ml.errors import UsageError, did_you_mean
from crm_ml.features.attributes import own_features
from crm_ml.features.catalogue import default_features, families_of, inputs_of, optional_features
from crm_ml.features.declared import check_feature
from crm_ml.features.spec import AnyFeature
from crm_ml.features.stored import with_inputs
from crm_ml.features.subjects import CUSTOMER, Subject
from crm_ml.tables import Tables

FAMILY: Final = "family:"
"""Beginning of a pattern over the names of families."""
OWN_ATTRIBUTE: Final = "attribute_"
KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "customer": (
        names.DAYS_SINCE_LAST_ORDER,
        names.DAYS_SINCE_FIRST_ORDER,
        names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP,
        names.ORDER_DAYS_COUNT,
    ),
    "lead": ("lead_source", "lead_stage_rank"),
}
"""Kind of subject -> what the one-column rules read: it is always there, as every model is measured against them."""


@dataclass(frozen=True)
class FeatureChoice:
    """A set of features.

    Attributes
    ----------
    use : tuple of str
        Patterns (``*``, ``?``, ``[...]``) over ids, or over families as ``family:NAME``; nothing: the default families.
    leave_out : tuple of str
        Patterns of what is taken out again.
    families : mapping of str to bool
        Whole families on or off.
    add : tuple of features
        Declared here.
    of : Subject

    Examples
    --------
    >>> choice = FeatureChoice(leave_out=("orders_products_*",), families={"contracts": True})
    >>> chosen = [feature.id for feature in choice.chosen()]
    >>> "orders_products_count_90d" in chosen, "contracts_running_count" in chosen, "tickets_open_count" in chosen
    (False, True, False)
    """

    use: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    families: Mapping[str, bool] = field(default_factory=dict)
    add: tuple[AnyFeature, ...] = ()
    of: Subject = CUSTOMER

    @property
    def says_nothing(self) -> bool:
        """Whether it is the default set."""
        return not (self.use or self.leave_out or self.families or self.add)

    def declared(self, own: Sequence[AnyFeature] = ()) -> tuple[AnyFeature, ...]:
        """Return all that could be chosen: default and optional features, those declared here, own attributes."""
        return (*default_features(self.of), *optional_features(self.of), *self.add, *own)

    def takes(self, feature: AnyFeature) -> bool:
        """Return whether a feature is given to models."""
        if feature.id in KEPT[self.of.name]:
            return True
        if _any_matches(self.leave_out, feature):
            return False
        if feature.id in {added.id for added in self.add}:
            return True
        said = self.families.get(feature.family)
        if said is not None:
            return said
        if self.use:
            return _any_matches(self.use, feature)
        return families_of(self.of).get(feature.family, True)

    def chosen(self, own: Sequence[AnyFeature] = ()) -> tuple[AnyFeature, ...]:
        """Return the features that models are given, given the own attributes of the tables."""
        if self.says_nothing:
            return (*default_features(self.of), *own)
        return tuple(feature for feature in self.declared(own) if self.takes(feature))

    def built(self, tables: Tables) -> list[AnyFeature] | None:
        """Return what a table for training holds: the default set, which other floors read, and what is chosen.

        None where nothing is said: then it is what `build_features` makes by itself.
        """
        if self.says_nothing:
            return None
        own = own_features(tables, self.of.table)
        default = (*default_features(self.of), *own)
        known = {feature.id for feature in default}
        return [*default, *(feature for feature in self.chosen(own) if feature.id not in known)]

    def own_of(self, ids: Sequence[str]) -> tuple[AnyFeature, ...]:
        """Return the features declared here that a model with these features needs, to be kept with it."""
        return with_inputs(ids, self.add)

    def faults(self, lost: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Yield what is wrong and what to do about it: unknown families, patterns without a match, bad declarations.

        Parameters
        ----------
        lost : collection of str
            Ids of features that are declared with faults of their own: to name one of them is no fault.
        """
        families = families_of(self.of)
        for name in self.families:
            if name not in families:
                yield f"families: there is no family {name!r}{did_you_mean(name, families)}", _named(families)
        known = self.declared()
        for key, patterns in (("use", self.use), ("leave_out", self.leave_out)):
            for pattern in patterns:
                if any(fnmatchcase(id, pattern) for id in lost) or pattern.startswith(OWN_ATTRIBUTE):
                    continue
                if not any(_matches(pattern, f) for f in known):
                    words = (
                        [f"{FAMILY}{name}" for name in families]
                        if pattern.startswith(FAMILY)
                        else [f.id for f in known]
                    )
                    hint = did_you_mean(pattern, words)
                    yield (
                        f"{key}: no feature matches {pattern!r}{hint}",
                        "Name ids of docs/feature-catalogue.md, with * for any letters, or family:NAME.",
                    )
        yield from self._faults_of_added(known, lost)

    def _faults_of_added(self, known: Iterable[AnyFeature], lost: Collection[str]) -> Iterator[tuple[str, str]]:
        there = [feature.id for feature in (*inputs_of(self.of), *known)]
        for feature in self.add:
            if there.count(feature.id) > 1:
                yield f"add: the id {feature.id!r} is taken", "Choose another id for your feature."
            try:
                check_feature(feature, of=self.of)
            except UsageError as error:
                yield f"add: {error.message}", error.remedy
            for other in feature.uses:
                if other not in there and other not in lost:
                    yield (
                        f"add: feature {feature.id!r} uses the unknown feature {other!r}{did_you_mean(other, there)}",
                        "Declare it too, or correct the name.",
                    )


def _named(families: Iterable[str]) -> str:
    return f"Use {', '.join(families)}."


def _matches(pattern: str, feature: AnyFeature) -> bool:
    if pattern.startswith(FAMILY):
        return fnmatchcase(feature.family, pattern.removeprefix(FAMILY))
    return fnmatchcase(feature.id, pattern)


def _any_matches(patterns: Iterable[str], feature: AnyFeature) -> bool:
    return any(_matches(pattern, feature) for pattern in patterns)


def needed_features(
    tables: Tables, ids: Iterable[str], *, kept: Sequence[AnyFeature] = (), of: Subject = CUSTOMER
) -> list[AnyFeature] | None:
    """Return what a table for scoring holds: the default set, and what else a model was trained with.

    Parameters
    ----------
    tables : Tables
        Whose own attributes count.
    ids : iterable of str
        Features that the model reads.
    kept : sequence of features
        Declarations that were kept with it: they count before all others.
    of : Subject
        Whom it is about.

    Returns
    -------
    list or None
        None where the default set has it all: it is what `build_features` makes by itself.
    """
    default = {feature.id: feature for feature in (*default_features(of), *own_features(tables, of.table))}
    wanted = set(ids)
    more = {feature.id: feature for feature in optional_features(of) if feature.id in wanted}
    found = default | {id: feature for id, feature in more.items() if id not in default}
    found |= {feature.id: feature for feature in kept}
    return None if len(found) == len(default) and not kept else list(found.values())


def contradictory(some: Iterable[AnyFeature], others: Iterable[AnyFeature]) -> bool:
    """Return whether an id means one thing here and another there: then one table cannot serve both."""
    known = {feature.id: feature for feature in some}
    return any(known.get(feature.id, feature) != feature for feature in others)
