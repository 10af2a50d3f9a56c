"""The file ``features.yaml`` of a workspace: which features models are given, and those that are declared there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError

from crm_ml.errors import Finding, UsageError
from crm_ml.features.choice import FeatureChoice
from crm_ml.features.spec import AnyFeature
from crm_ml.features.stored import from_json
from crm_ml.features.subjects import CUSTOMER, LEAD, Subject
from crm_ml.jobs.yamlfile import read_yaml
from crm_ml.strict import Strict, faults_in, listed, parse_strictly
from crm_ml.tables.sources import SourceFault, find_files

FILE_NAME: Final = "features.yaml"
_Patterns = Annotated[tuple[str, ...], BeforeValidator(listed)]
_COMMON: Final = ("id", "unit", "direction", "text_de", "text_en", "cause", "definition", "pii")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ratio": ("numerator", "denominator", "scale"),
    "difference": ("left", "right"),
    "feature": ("source", "measure", "aggregate", "window_days", "offset_days", "where"),
    "peak": ("source", "measure", "aggregate", "window_days", "offset_days", "where", "by", "against_days"),
    "pooled": ("source", "measure", "aggregate", "window_days", "offset_days", "where", "pool"),
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "ratio": ("numerator", "denominator"),
    "difference": ("left", "right"),
    "feature": ("source",),
    "peak": ("source", "by"),
    "pooled": ("source", "pool"),
}


class AddedFeature(Strict):
    """A feature of one's own: an aggregate (`source`), a ratio (`numerator`, `denominator`) or a difference."""

    id: str = Field(description="column name: lower-case ASCII letters, digits and _")
    unit: str = Field(default="number", description="count, money, days, hours, share, ratio, score or number")
    direction: int = Field(default=0, description="+1: a higher value is expected to mean more risk; -1: less; 0: open")
    text_de: str = Field(min_length=1, description="label in German")
    text_en: str = Field(min_length=1, description="label in English")
    cause: str = Field(default="", description="business cause that it counts under; empty: it stands alone")
    definition: str = Field(default="", description="exact meaning; made from the other keys where it is left out")
    pii: Literal["none", "person"] = Field(default="none", description="whether the value describes a person")
    source: str | None = Field(default=None, description="stream whose events are aggregated")
    measure: str | None = Field(default=None, description="column of the stream; none for count and the days since")
    aggregate: str | None = Field(default=None, description="count, sum, mean, sd, max, min, last, distinct, ...")
    window_days: int | None = Field(default=None, description="calendar days before the cutoff; none: all")
    offset_days: int | None = Field(default=None, description="days before the cutoff at which the window ends")
    where: dict[str, str | int | bool] | None = Field(default=None, description="column: value that an event must have")
    by: str | None = Field(default=None, description="the greatest sum or count over the values of this column")
    against_days: int | None = Field(default=None, description="with `by`: the greatest decline in so many days")
    pool: str | None = Field(
        default=None, description="over all customers of the firm, parent_id, industry, size_class"
    )
    numerator: str | None = Field(default=None, description="id of a feature")
    denominator: str | None = Field(default=None, description="id of a feature")
    scale: float | None = Field(default=None, description="factor of the ratio; 1 where it is left out")
    left: str | None = Field(default=None, description="id of a feature")
    right: str | None = Field(default=None, description="id of a feature")

    @property
    def kind(self) -> str:
        """Which kind of declaration it is, by its keys."""
        for kind, key in (("ratio", "numerator"), ("ratio", "denominator"), ("difference", "left")):
            if getattr(self, key) is not None:
                return kind
        if self.right is not None:
            return "difference"
        return "peak" if self.by is not None else "pooled" if self.pool is not None else "feature"

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what does not fit together."""
        said = {name for name in type(self).model_fields if getattr(self, name) is not None}
        missing = [name for name in _NEEDED[self.kind] if name not in said]
        odd = sorted(said - {*_COMMON, *_FIELDS[self.kind]})
        if missing:
            kinds = "source (with by or pool), numerator and denominator, or left and right"
            yield f"feature {self.id!r} lacks {' and '.join(missing)}", f"A feature needs {kinds}."
        if odd:
            yield f"feature {self.id!r} cannot have {', '.join(odd)} beside {_NEEDED[self.kind][0]}", "Leave it out."

    def declared(self) -> AnyFeature:
        """Return the declaration.

        Raises
        ------
        UsageError
            If a value is not one that a declaration may have.
        """
        names = (*_COMMON, *_FIELDS[self.kind])
        values = {name: value for name in names if (value := getattr(self, name)) is not None}
        return from_json({"kind": self.kind, **values})


class Chosen(Strict):
    """Which features models of one kind are given."""

    use: _Patterns = Field(
        default=(), description="patterns over ids, or family:NAME; nothing: the families that are on by default"
    )
    leave_out: _Patterns = Field(default=(), description="patterns of what is taken out again")
    families: dict[str, bool] = Field(default_factory=dict, description="whole families on (true) or off (false)")
    add: tuple[AddedFeature, ...] = Field(default=(), description="features of one's own", strict=False)


class FeatureFile(Chosen):
    """The whole of ``features.yaml``: of customers, and of leads under `leads`."""

    leads: Chosen = Field(default_factory=lambda: Chosen(), description="the same keys for features of leads")


def read_choices(root: Path, name: str | None) -> tuple[dict[str, FeatureChoice], dict[str, Any]]:
    """Return what is chosen by kind of subject, and what the file says as plain values (empty: nothing).

    Parameters
    ----------
    root : Path
        Folder of the workspace.
    name : str or None
        As crm.yaml names it; None: ``features.yaml`` if there is one.

    Raises
    ------
    UsageError
        With all faults of the file at once.
    """
    if name is None and not (root / FILE_NAME).is_file():
        return {of.name: FeatureChoice(of=of) for of in (CUSTOMER, LEAD)}, {}
    path = _file(root, name or FILE_NAME)
    value = read_yaml(path)
    faults: list[Finding] = []
    try:
        given, lost = parse_strictly(FeatureFile, value, file=path.name), frozenset[str]()
    except UsageError as error:
        faults += error.findings
        given, lost = _well_formed(value)
    found = {}
    for of, part, before in ((CUSTOMER, given, ""), (LEAD, given.leads, "leads.")):
        found[of.name], wrong = _choice(part, of, lost)
        faults += [Finding("error", "bad_features", f"{before}{what}", remedy) for what, remedy in wrong]
    if faults:
        raise faults_in(path.name, faults)
    return found, given.model_dump(mode="json", exclude_defaults=True)


def _well_formed(value: Mapping[str, Any]) -> tuple[FeatureFile, frozenset[str]]:
    """Return what a file with faults of shape says elsewhere, and the ids of the features that it would have added."""
    kept = {key: deepcopy(part) for key, part in value.items() if isinstance(key, str)}
    lost: set[str] = set()
    while True:
        try:
            return FeatureFile.model_validate(kept), frozenset(lost)
        except ValidationError as error:
            places = {_place(fault["loc"], kept) for fault in error.errors()}
        for *above, key in sorted(places, key=_order, reverse=True):  # of a list the last first: places stay
            within: Any = kept
            for part in above:
                within = within[part]
            gone = within.pop(key)
            if "add" in (*above, key):
                lost |= set(_ids(gone))


def _place(loc: tuple[int | str, ...], value: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return the smallest part of the file that can be left out with a fault: an entry of a key, else the key."""
    depth = 2 if loc[0] == "leads" and len(loc) > 1 and isinstance(value["leads"], dict) else 1
    within: Any = value
    for part in loc[:depth]:
        within = within[part]
    entry = loc[depth : depth + 1]
    there = isinstance(within, list) or (isinstance(within, dict) and entry and entry[0] in within)
    return loc[: depth + 1] if there else loc[:depth]


def _order(place: tuple[int | str, ...]) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in place]


def _ids(added: Any) -> Iterator[str]:
    """Yield the ids that one declaration or several have."""
    for each in added if isinstance(added, list) else [added]:
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            yield each["id"]


def _file(root: Path, name: str) -> Path:
    """Return the file; a relative path must stay in the workspace, also through symbolic links."""
    remedy = "Correct `features` in crm.yaml; without that key features.yaml is used, if there is one."
    try:
        found = find_files(name, root)
    except SourceFault as fault:
        message = fault.message.replace("a relative source", "the path of the features")
        raise UsageError(f"crm.yaml: features: {message}", remedy=remedy, code="no_features") from None
    if len(found) != 1:
        raise UsageError(f"crm.yaml: features: {len(found)} files match {name}", remedy=remedy, code="no_features")
    return found[0]


def _choice(part: Chosen, of: Subject, lost: frozenset[str]) -> tuple[FeatureChoice, list[tuple[str, str]]]:
    """Return the choice and its faults; `lost` are ids of features that are there but have faults of their own."""
    added, wrong = [], []
    for each in part.add:
        odd = list(each.faults())
        wrong += [(f"add: {what}", remedy) for what, remedy in odd]
        if not odd:
            try:
                added.append(each.declared())
                continue
            except UsageError as error:
                wrong.append((f"add: {error.message}", error.remedy))
            except ValueError as error:
                wrong.append((f"add: {error}", "Correct it."))
        lost = lost | {each.id}
    choice = FeatureChoice(part.use, part.leave_out, part.families, tuple(added), of)
    return choice, [*wrong, *choice.faults(lost)]
