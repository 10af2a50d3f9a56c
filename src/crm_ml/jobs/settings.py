"""The workspace file ``crm.yaml``: strict models of it, and the workspace it describes."""

from __future__ import annotations

import hashlib
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from crm_ml.errors import Failure, Finding, UsageError, did_you_mean
from crm_ml.jobs.yamlfile import read_yaml
from crm_ml.tables.mapping import TableMapping, check_mappings

FILE_NAME = "crm.yaml"
_FAULTS_SHOWN = 5


class _Strict(BaseModel):
    # hide_input_in_errors: a mistyped line may hold a password
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class SnapshotSettings(_Strict):
    """When customers are looked at for training."""

    every_days: int = Field(default=30, ge=1, le=366, description="days between two snapshots")
    history_days: int = Field(default=1825, ge=1, le=36500, description="how far back snapshots reach")
    min_history_days: int = Field(default=90, ge=0, le=3660, description="days of events before the first snapshot")


class ChurnSettings(_Strict):
    """What churn means here."""

    active_days: int = Field(
        default=365, ge=1, le=3660, description="a purchase within these days makes a customer eligible"
    )
    gap_days: int = Field(default=0, ge=0, le=366, description="days between the cutoff and the label window")
    horizon_days: int = Field(default=90, ge=1, le=1830, description="length of the label window")
    snapshots: SnapshotSettings = Field(default_factory=lambda: SnapshotSettings())


class LeadSettings(_Strict):
    """What winning a lead means here."""

    gap_days: int = Field(default=0, ge=0, le=366, description="days between the cutoff and the label window")
    horizon_days: int = Field(default=90, ge=1, le=1830, description="length of the label window")


class TrackingSettings(_Strict):
    """Where MLflow keeps runs and models."""

    uri: str = Field(
        default="sqlite:///mlflow/mlflow.db", min_length=1, description="tracking and registry address of MLflow"
    )


class Settings(_Strict):
    """The whole of ``crm.yaml``; all keys but version, currency, timezone and tables have defaults."""

    version: Literal[1] = Field(description="version of this file's format")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="currency of all amounts, e.g. EUR")
    timezone: str = Field(description="IANA name of the zone in which business days begin, e.g. Europe/Berlin")
    language: Literal["de", "en"] = Field(default="de", description="language of lists and reports")
    tables: dict[str, TableMapping] = Field(min_length=1, description="where each canonical table comes from")
    churn: ChurnSettings = Field(default_factory=lambda: ChurnSettings(), description="what churn means")
    leads: LeadSettings = Field(default_factory=lambda: LeadSettings(), description="what winning a lead means")
    margin_rate: float = Field(default=1.0, gt=0, le=1, description="margin per revenue where no cost is mapped")
    policy: str | None = Field(default=None, description="file with the policy for actions")
    tracking: TrackingSettings = Field(default_factory=lambda: TrackingSettings(), description="MLflow store")
    keep_sets: int = Field(
        default=5, ge=1, le=1000, description="published sets kept per day, the one that serves included"
    )

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"there is no time zone of that name{did_you_mean(value, available_timezones())}"
            ) from None
        return value

    @field_validator("tables")
    @classmethod
    def _tables_exist(cls, value: dict[str, TableMapping]) -> dict[str, TableMapping]:
        try:
            check_mappings(value)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return value


@dataclass(frozen=True)
class Workspace:
    """A folder with ``crm.yaml``, read and checked.

    Parameters
    ----------
    root : Path
        The folder, absolute.
    settings : Settings
    """

    root: Path
    settings: Settings

    @property
    def published(self) -> Path:
        """Folder of the published sets."""
        return inside(self.root, "published")

    @property
    def tracking_folder(self) -> Path:
        """Folder of the MLflow store, its artefacts and the bundles."""
        return inside(self.root, "mlflow")

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 over the settings that change scores: definitions, currency, zone, margin; not paths or language."""
        relevant = self.settings.model_dump(
            mode="json", include={"version", "currency", "timezone", "churn", "margin_rate"}
        )
        return hashlib.sha256(canonical_json(relevant).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for the same content.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, None]})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def inside(root: Path, name: str) -> Path:
    """Return ``root/name``, refused where a symbolic link leads it out of the workspace."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise Failure(
            f"{path} is a symbolic link that leads out of the workspace",
            remedy="Make it a folder of the workspace; nothing is written elsewhere.",
            code="outside_workspace",
        )
    return path


def open_workspace(path: str | Path = ".") -> Workspace:
    r"""Read and check the workspace file of a folder.

    Parameters
    ----------
    path : str or Path
        The folder that holds ``crm.yaml``.

    Returns
    -------
    Workspace

    Raises
    ------
    UsageError
        With all faults of the file at once, each as a finding with a remedy.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\ntables: {order_lines: {source: o.parquet}}\n"
    >>> _ = (folder / "crm.yaml").write_text(text)
    >>> open_workspace(folder).settings.churn.horizon_days
    90
    >>> _ = (folder / "crm.yaml").write_text(text.replace("currency", "curency"))
    >>> open_workspace(folder)
    Traceback (most recent call last):
        ...
    crm_ml.errors.UsageError: crm.yaml has 2 faults: ... Did you mean "currency"?
    """
    root = Path(path).expanduser().absolute()
    if not root.is_dir():
        raise UsageError(
            f"There is no folder {root}", remedy="Name the workspace with --workspace.", code="no_workspace"
        )
    return Workspace(root, parse_settings(read_yaml(root / FILE_NAME)))


def parse_settings(value: Mapping[str, Any]) -> Settings:
    """Check the content of a workspace file; all faults are raised at once as one `UsageError`."""
    try:
        return Settings.model_validate(dict(value))
    except ValidationError as error:
        faults = _without_other_branches(error.errors(include_url=False, include_input=False))
    findings = list(dict.fromkeys(_finding(fault) for fault in faults))
    count = f"{len(findings)} faults" if len(findings) > 1 else "a fault"
    shown = "; ".join(f"{fault.message}. {fault.remedy.rstrip('.')}" for fault in findings[:_FAULTS_SHOWN])
    more = f" And {len(findings) - _FAULTS_SHOWN} more." if len(findings) > _FAULTS_SHOWN else ""
    raise UsageError(f"{FILE_NAME} has {count}: {shown}{more}", findings=findings, code=findings[0].code)


def _without_other_branches(faults: Sequence[Any]) -> list[Any]:
    """Of a key that may be text or a mapping, keep the faults of what was meant."""
    texts = {fault["loc"][:-1] for fault in faults if fault["loc"][-1:] == ("str",) and fault["type"] == "string_type"}
    mappings = {
        prefix
        for prefix in texts
        if any(f["loc"][: len(prefix)] == prefix and len(f["loc"]) > len(prefix) + 1 for f in faults)
    }
    kept = []
    for fault in faults:
        prefix = fault["loc"][:-1]
        of_text = fault["loc"][-1:] == ("str",)
        other_branch = of_text if prefix in mappings else prefix in texts and not of_text
        if not other_branch:
            kept.append(fault)
    return kept


def _finding(fault: Mapping[str, Any]) -> Finding:
    path = [str(part) for part in fault["loc"] if _is_key(part)]
    where, kind = ".".join(path) or FILE_NAME, str(fault["type"])
    if kind == "extra_forbidden":
        known = sorted(_known_keys(path[:-1]))
        hint = did_you_mean(path[-1], known).strip()
        remedy = hint or (f"Known keys here: {', '.join(known)}." if known else "Take it out.")
        return Finding("error", "unknown_key", f"{where}: there is no such key", remedy, column=where)
    if kind == "missing":
        return Finding("error", "missing_key", f"{where}: this key is needed", _described(path), column=where)
    message = re.sub(r"^Value error, |^Assertion failed, ", "", str(fault["msg"])).rstrip(".")
    message, _, hint = message.partition(" Did you mean ")
    remedy = f"Did you mean {hint}" if hint else _yaml_hint(kind)
    return Finding(
        "error", "bad_value", f"{where}: {message[:1].lower() + message[1:].rstrip('.')}", remedy, column=where
    )


def _yaml_hint(kind: str) -> str:
    if kind == "string_type":
        return "Put the value in quotes: YAML reads no as false, 007 as 7, 12:30 as 750 and 2026-01-01 as a date."
    if kind.startswith(("int", "float", "bool")):
        return "Write it without quotes, as a plain number or true/false."
    if kind in ("model_type", "dict_type"):
        return "Write it as `key: value` lines below."
    return "Correct it."


def _is_key(part: object) -> bool:
    # pydantic also names the branch of a union ("str", "SourceSpec", "function-before[...]"): no keys of the file
    return isinstance(part, int) or not (
        part in ("str", "int", "float", "bool", "[key]") or re.match(r"[A-Z]\w+$|.*\[", str(part))
    )


def _models_of(annotation: Any) -> Iterator[Any]:
    """Yield the pydantic models (and the value types of dicts) inside an annotation."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _models_of(part)
    elif (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or origin in (dict, Mapping):
        yield annotation


def _step(nodes: Iterable[Any], key: str) -> Iterator[Any]:
    for node in nodes:
        if get_origin(node) is not None:
            yield from _models_of(get_args(node)[1])
        else:
            for name, field in node.model_fields.items():
                if key in (name, field.alias):
                    yield from _models_of(field.annotation)


def _known_keys(path: Iterable[str]) -> set[str]:
    nodes: list[Any] = [Settings]
    for key in path:
        nodes = list(_step(nodes, key))
    models = [node for node in nodes if get_origin(node) is None]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _described(path: list[str]) -> str:
    nodes: list[Any] = [Settings]
    for key in path[:-1]:
        nodes = list(_step(nodes, key))
    for node in nodes:
        if get_origin(node) is None and path[-1] in node.model_fields:
            text = node.model_fields[path[-1]].description
            if text:
                return f"Add it: {text}."
    return "Add it."
