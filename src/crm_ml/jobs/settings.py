"""The workspace file ``crm.yaml``: strict models of it, and the workspace it describes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from crm_ml import names as n
from crm_ml.errors import Failure, UsageError, did_you_mean
from crm_ml.features.choice import FeatureChoice
from crm_ml.features.outcome import CONTRACT_CANCELLED, NO_PURCHASE, PARTIAL, Outcome, OwnGap, Target
from crm_ml.features.subjects import CUSTOMER, LEAD, Subject
from crm_ml.jobs.features_file import read_choices
from crm_ml.jobs.points import PointsSettings, fault_of_points
from crm_ml.jobs.yamlfile import read_yaml
from crm_ml.models.points import FeaturePoints, PointScheme, Step
from crm_ml.strict import Strict, listed, parse_strictly
from crm_ml.strict import canonical_json as canonical_json
from crm_ml.tables.mapping import TableMapping, check_mappings

FILE_NAME = "crm.yaml"


class SnapshotSettings(Strict):
    """When customers are looked at for training."""

    every_days: int = Field(default=30, ge=1, le=366, description="days between two snapshots")
    history_days: int = Field(default=1825, ge=1, le=36500, description="how far back snapshots reach")
    min_history_days: int = Field(default=90, ge=0, le=3660, description="days of events before the first snapshot")


class HorizonSettings(Strict):
    """A label window per customer: so many of its usual gaps, within bounds."""

    own_gap: float = Field(gt=0, le=20, description="length of the label window in usual gaps of the customer, e.g. 2")
    min_days: int = Field(default=30, ge=1, le=1830, description="shortest label window")
    max_days: int = Field(
        default=365, ge=1, le=1830, description="longest label window; as much history is left out at the end"
    )


class TuningSettings(Strict):
    """How long to search for boosting's parameters at each training."""

    trials: int = Field(default=0, ge=0, le=10_000, description="trials of the search; 0: none, the defaults are used")
    max_minutes: float | None = Field(
        default=None, gt=0, description="begin no trial later than this; a search cut short is not repeatable"
    )


_PARTIAL_BELOW = 0.5


class ChurnSettings(Strict):
    """What churn means here."""

    active_days: int = Field(
        default=365, ge=1, le=3660, description="a purchase within these days makes a customer eligible"
    )
    gap_days: int = Field(default=0, ge=0, le=366, description="days between the cutoff and the label window")
    horizon_days: int = Field(default=90, ge=1, le=1830, description="length of the label window")
    horizon: HorizonSettings | None = Field(
        default=None,
        description="a label window per customer, by its own rhythm; who has fewer than two purchase days gets "
        "`horizon_days`",
    )
    target: Target = Field(
        default=NO_PURCHASE,
        description="what counts as churn in the label window: no purchase, a contract cancelled, or revenue below a "
        "part of the usual",
    )
    partial_below: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="with `target: partial`: churned is whose daily revenue falls below this part of its own over the "
        f"last `active_days`; then {_PARTIAL_BELOW} if not given",
    )
    category: str | None = Field(
        default=None,
        min_length=1,
        description="only products of this category count, for who is eligible and for what is churn",
    )
    snapshots: SnapshotSettings = Field(default_factory=lambda: SnapshotSettings())
    leak_allow: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        default=(), description="columns that the leak guard must not hold back: they were known before the outcome"
    )
    tuning: TuningSettings = Field(default_factory=lambda: TuningSettings(), description="search for parameters")

    @model_validator(mode="after")
    def _fits_together(self) -> ChurnSettings:
        own = self.horizon
        faults = [
            (
                self.partial_below is None or self.target == PARTIAL,
                f"partial_below is for `target: partial` alone, and target is {self.target}",
            ),
            (
                self.target != CONTRACT_CANCELLED or (own is None and self.category is None),
                "with `target: contract_cancelled` neither category nor horizon can stand: both speak of purchases",
            ),
            (
                own is None or own.min_days <= self.horizon_days <= own.max_days,
                f"horizon_days ({self.horizon_days}) is the window of customers without a rhythm yet and must lie "
                f"between horizon.min_days and horizon.max_days "
                f"({'' if own is None else own.min_days} and {'' if own is None else own.max_days})",
            ),
        ]
        wrong = [message for holds, message in faults if not holds]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def outcome(self) -> Outcome:
        """What counts as churn, as features and models take it."""
        partial, own = self.target == PARTIAL, self.horizon
        return Outcome(
            target=self.target,
            partial_below=(self.partial_below or _PARTIAL_BELOW) if partial else None,
            trailing_days=self.active_days if partial else None,
            category=self.category,
            own_gap=None if own is None else OwnGap(own.own_gap, own.min_days, own.max_days),
        )

    @property
    def longest_days(self) -> int:
        """Length of the longest label window: when every row of a snapshot is mature, the gap aside."""
        return self.outcome.longest(self.horizon_days)


class LeadSnapshotSettings(Strict):
    """When leads are looked at for training, besides their creation and their touches."""

    every_days: int = Field(default=30, ge=1, le=366, description="days between two looks at all open leads")
    history_days: int = Field(default=1825, ge=1, le=36500, description="how far back they reach")


class LeadSettings(Strict):
    """What winning a lead means here."""

    gap_days: int = Field(default=0, ge=0, le=366, description="days between the cutoff and the label window")
    horizon_days: int = Field(default=90, ge=1, le=1830, description="length of the label window")
    target: Literal["won", "opportunity", "sql"] = Field(
        default="won", description="the stage that a lead is to reach in the label window; a later one counts as well"
    )
    snapshots: LeadSnapshotSettings = Field(
        default_factory=lambda: LeadSnapshotSettings(), description="when leads are looked at for training"
    )
    leak_allow: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        default=(), description="columns that the leak guard must not hold back: they were known before the outcome"
    )
    tuning: TuningSettings = Field(default_factory=lambda: TuningSettings(), description="search for parameters")
    points: dict[str, PointsSettings] = Field(
        default_factory=dict, description="points per feature, summed up as one more rule that a model must beat"
    )

    @property
    def scheme(self) -> PointScheme | None:
        """The points as models take them; None without any."""
        if not self.points:
            return None
        return PointScheme(
            tuple(
                FeaturePoints(
                    name,
                    tuple(sorted(given.levels.items())),
                    tuple(Step(step.start, step.end, step.points) for step in given.steps),
                    given.otherwise,
                )
                for name, given in sorted(self.points.items())
            )
        )


class TrackingSettings(Strict):
    """Where MLflow keeps runs and models."""

    uri: str = Field(
        default="sqlite:///mlflow/mlflow.db", min_length=1, description="tracking and registry address of MLflow"
    )
    days: bool = Field(default=True, description="log a run with figures, causes and pictures of each day's scores")


class ReasonSettings(Strict):
    """Who is told why."""

    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the customers, riskiest first, whose scores get reasons; below 1 also the first of each "
        "account manager and tier by priority get them, twice as many as the longest list has entries",
    )


class Settings(Strict):
    """The whole of ``crm.yaml``; all keys but version, currency, timezone and tables have defaults."""

    version: Literal[1] = Field(description="version of this file's format")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="currency of all amounts, e.g. EUR")
    timezone: str = Field(description="IANA name of the zone in which business days begin, e.g. Europe/Berlin")
    language: Literal["de", "en"] = Field(default="de", description="language of lists and reports")
    company: str | None = Field(
        default=None, min_length=1, max_length=200, description="name of the firm, for lists and drafts of mails"
    )
    tables: dict[str, TableMapping] = Field(min_length=1, description="where each canonical table comes from")
    churn: ChurnSettings = Field(default_factory=lambda: ChurnSettings(), description="what churn means")
    leads: LeadSettings = Field(default_factory=lambda: LeadSettings(), description="what winning a lead means")
    reasons: ReasonSettings = Field(default_factory=lambda: ReasonSettings(), description="reasons of churn scores")
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="tables that need more than so many GB of memory (10^9 bytes) are worked on from files beside "
        "crm.yaml; default: half of what the machine or its control group has. Results are the same",
    )
    margin_rate: float = Field(default=1.0, gt=0, le=1, description="margin per revenue where no cost is mapped")
    features: str | None = Field(
        default=None,
        min_length=1,
        description="file that says which features models are given; without the key `features.yaml`, if there is one",
    )
    policy: str | None = Field(default=None, description="file with the policy for actions")
    lead_policy: str | None = Field(default=None, description="file with the policy for leads, written like the other")
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

    @field_validator("leads")
    @classmethod
    def _points_speak_of_features(cls, value: LeadSettings, info: ValidationInfo) -> LeadSettings:
        mapped = info.data.get("tables", {}).get(n.LEADS)
        own = mapped.attributes.columns if mapped is not None and mapped.attributes is not None else ()
        fault = fault_of_points(value.points, own)
        if fault:
            raise ValueError(fault)
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
    def _choices(self) -> tuple[dict[str, FeatureChoice], dict[str, Any]]:
        return read_choices(self.root, self.settings.features)

    def choice_of(self, of: Subject) -> FeatureChoice:
        """Return which features models of a kind of subject are given.

        Raises
        ------
        UsageError
            With all faults of the file at once.
        """
        return self._choices[0][of.name]

    def _chosen(self, of: Subject) -> dict[str, Any]:
        """Return what is said about features, for a hash: a workspace that says nothing keeps its hash."""
        said = self._choices[1]
        part = said.get("leads", {}) if of == LEAD else {key: each for key, each in said.items() if key != "leads"}
        return {"features": part} if part else {}

    @cached_property
    def lead_config_hash(self) -> str:
        """SHA-256 over the settings that change scores of leads, as `config_hash` is over those of customers."""
        relevant = self.settings.model_dump(mode="json", include={"version", "currency", "timezone", "leads"})
        del relevant["leads"]["tuning"]
        if not relevant["leads"]["points"]:  # who has none keeps the hash
            del relevant["leads"]["points"]
        relevant |= self._chosen(LEAD)
        return hashlib.sha256(canonical_json(relevant).encode()).hexdigest()

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 over the settings that change scores: definitions, currency, zone, margin; not paths or language."""
        relevant = self.settings.model_dump(
            mode="json", include={"version", "currency", "timezone", "churn", "margin_rate"}
        )
        del relevant["churn"]["tuning"]  # how a model is searched for; its bundle says what was found
        # what is not said must not count: a workspace keeps its hash when a variant is added that it does not use
        churn = {key: value for key, value in relevant["churn"].items() if value not in (None, NO_PURCHASE, [])}
        told = {**relevant, "churn": churn, **self._chosen(CUSTOMER)}
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()


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
    workspace = Workspace(root, parse_settings(read_yaml(root / FILE_NAME)))
    workspace.choice_of(CUSTOMER)  # a faulty file is said at once
    return workspace


def parse_settings(value: Mapping[str, Any]) -> Settings:
    """Check the content of a workspace file; all faults are raised at once as one `UsageError`."""
    return parse_strictly(Settings, value, file=FILE_NAME)
