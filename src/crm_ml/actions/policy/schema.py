"""What a policy may hold: strict models of ``policy.yaml``."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from crm_ml.strict import Strict, canonical_json, listed

Tier = Literal["high", "medium", "low"]
Grade = Literal["A", "B", "C", "D"]
Channel = Literal["phone", "email", "visit", "letter", "chat", "task"]
Basis = Literal["consent", "existing_customer"]
Need = Literal["email", "phone", "marketing_basis"]
Restriction = Literal["terms", "credit", "supply"]

TIERS: tuple[Tier, ...] = ("high", "medium", "low")
GRADES: tuple[Grade, ...] = ("A", "B", "C", "D")
NONE = "none"
"""The action of those for whom there is nothing to do."""
OBJECTION = "objection"
"""The built-in rule that comes before all others."""
OTHERWISE = "otherwise"
"""The built-in rule that comes after all others."""
PLACEHOLDERS = ("customer_name", "manager_name", "manager_phone", "manager_email", "company")
"""What may stand in braces in the text of a mail."""


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("there must be a text here")
    return value


def _iso_day(value: object) -> object:
    return value.isoformat() if type(value) is dt.date else value


Text = Annotated[str, BeforeValidator(_not_blank)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Day = Annotated[
    str,
    BeforeValidator(_iso_day),
    Field(pattern=r"^(\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"),
]


class TierRule(Strict):
    """From where on a customer belongs to a tier; both must hold."""

    min_p: float = Field(ge=0, le=1, description="lowest calibrated probability, itself included")
    min_value: float | None = Field(default=None, description="lowest value at stake, itself included; default: any")


class HighTier(TierRule):
    """The tier looked at first."""

    min_p: float = Field(default=0.6, ge=0, le=1, description="lowest calibrated probability, itself included")


class MediumTier(TierRule):
    """The tier looked at next."""

    min_p: float = Field(default=0.3, ge=0, le=1, description="lowest calibrated probability, itself included")


class TierRules(Strict):
    """The tiers: high, else medium, else low; and how far a customer must move to change it.

    Examples
    --------
    >>> TierRules().high.min_p, TierRules().medium.min_p, TierRules().hysteresis
    (0.6, 0.3, 0.02)
    """

    high: HighTier = Field(default_factory=lambda: HighTier(), description="who is high")
    medium: MediumTier = Field(default_factory=lambda: MediumTier(), description="of the others, who is medium")
    hysteresis: float = Field(
        default=0.02,
        ge=0.01,
        le=0.5,
        description="a tier stays while the probability is nearer than this to the one at which it was given",
    )
    value_hysteresis: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        description="share by which a value must pass `min_value` to change a tier that was given before",
    )


class GradeRule(Strict):
    """Who of the open leads of a day has a grade; both must hold."""

    share: float = Field(ge=0, le=1, description="share of the open leads")
    min_expected_value: float | None = Field(
        default=None, ge=0, description="lowest expected value, itself included; default: any above 0"
    )


class GradeA(GradeRule):
    """The best leads."""

    share: float = Field(default=0.1, ge=0, le=1, description="share of the open leads, from the top")


class GradeB(GradeRule):
    """The next ones."""

    share: float = Field(default=0.2, ge=0, le=1, description="share of the next ones")


class GradeC(GradeRule):
    """Those after these."""

    share: float = Field(default=0.3, ge=0, le=1, description="share of the next ones")


class GradeRules(Strict):
    """The grades of leads by expected value: A, else B, else C, else D; and how far a lead must move to change it.

    Examples
    --------
    >>> GradeRules().a.share, GradeRules().b.share, GradeRules().c.share, GradeRules().hysteresis
    (0.1, 0.2, 0.3, 0.02)
    """

    a: GradeA = Field(default_factory=lambda: GradeA(), description="who is A")
    b: GradeB = Field(default_factory=lambda: GradeB(), description="of the others, who is B")
    c: GradeC = Field(default_factory=lambda: GradeC(), description="of the others, who is C; all others are D")
    hysteresis: float = Field(
        default=0.02,
        ge=0,
        le=0.5,
        description="a grade stays while the lead's place is less than this share of the open leads outside its range",
    )
    value_hysteresis: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        description="share by which an expected value must pass `min_expected_value` to change a grade given before",
    )


class Calendar(Strict):
    """Which days are worked on.

    Examples
    --------
    >>> Calendar(country="DE", subdivision="BY").closed_days
    ()
    """

    country: str = Field(default="DE", min_length=2, description="ISO code of the country whose public holidays count")
    subdivision: str | None = Field(
        default=None, description="code of a state, e.g. BY; default: holidays of the whole country only"
    )
    closed_days: Annotated[tuple[Day, ...], BeforeValidator(listed)] = Field(
        default=(), description="further days without work: MM-DD (every year) or YYYY-MM-DD"
    )


class MailConsent(Strict):
    """With which marketing basis an offer may be mailed, by who the customer is."""

    company: Annotated[tuple[Basis, ...], BeforeValidator(listed)] = Field(
        default=("consent", "existing_customer"), description="for companies"
    )
    natural_person: Annotated[tuple[Basis, ...], BeforeValidator(listed)] = Field(
        default=("consent",), description="for natural persons, sole traders among them"
    )
    unknown: Annotated[tuple[Basis, ...], BeforeValidator(listed)] = Field(
        default=("consent",), description="where it is not known which of the two"
    )


class AnswerRules(Strict):
    """For how long an answer of an account manager takes a customer off the list."""

    not_now_days: int = Field(default=14, ge=1, le=3660, description="after `not now` without a date")
    wrong_days: int = Field(default=90, ge=1, le=3660, description="after `wrong`")


class MailTemplate(Strict):
    """The draft of a mail; words in braces are filled in."""

    subject_de: Text = Field(description="subject in German")
    subject_en: Text = Field(description="subject in English")
    body_de: Text = Field(description="text in German; the opt-out line is added by itself")
    body_en: Text = Field(description="text in English; the opt-out line is added by itself")


class Action(Strict):
    """Something that can be done for a customer."""

    channel: Channel = Field(description="how it is done")
    label_de: Text = Field(description="its short name in German")
    label_en: Text = Field(description="its short name in English")
    step_de: Text = Field(description="the next step as a sentence in German")
    step_en: Text = Field(description="the next step as a sentence in English")
    cost: float = Field(default=0.0, ge=0, description="what it costs once, in the currency of the workspace")
    save_rate: float = Field(
        default=0.0, ge=0, le=1, description="share of those who would leave and stay because of it: an assumption"
    )
    save_rate_source: str = Field(default="", description="where the save rate comes from")
    due_working_days: int = Field(default=5, ge=0, le=250, description="working days until it should be done")
    cool_down_days: int = Field(
        default=30, ge=0, le=3660, description="days after it in which nothing else is proposed for the customer"
    )
    requires: Annotated[tuple[Need, ...], BeforeValidator(listed)] = Field(
        default=(), description="what must be there; `marketing_basis` as `mail_consent` says"
    )
    automatic: bool = Field(default=False, description="whether it happens without anybody looking at the case")
    human_approval: bool = Field(default=False, description="whether a person decides on each case before it happens")
    restricts: Annotated[tuple[Restriction, ...], BeforeValidator(listed)] = Field(
        default=(), description="what it denies the customer or makes worse"
    )
    mail: MailTemplate | None = Field(default=None, description="the draft, for the channel email")


class Range(Strict):
    """A range of numbers, both ends included; an unknown number is in no range."""

    min: float | None = Field(default=None, description="lowest number, itself included")
    max: float | None = Field(default=None, description="highest number, itself included")


class RangeOrNull(Range):
    """A range of numbers that may be unknown."""

    is_null: bool | None = Field(default=None, description="true: only where it is unknown; false: only where known")


class FeatureCondition(RangeOrNull):
    """What must hold for a feature."""

    one_of: Annotated[tuple[str, ...] | None, BeforeValidator(listed)] = Field(
        default=None, min_length=1, description="the texts that are meant, for a feature that is a text"
    )


class Conditions(Strict):
    """When a rule applies: everything that is named must hold; what is not named does not matter."""

    tier: Annotated[tuple[Tier, ...] | None, BeforeValidator(listed)] = Field(
        default=None, min_length=1, description="one of these tiers"
    )
    p: Range | None = Field(default=None, description="the calibrated probability")
    value: Range | None = Field(default=None, description="the value at stake")
    open_issue: bool | None = Field(default=None, description="an open complaint or an open dispute")
    open_complaint: bool | None = Field(default=None, description="a complaint that is not resolved")
    open_dispute: bool | None = Field(default=None, description="a disputed invoice that is not settled")
    marketing_basis: Annotated[
        tuple[Literal["consent", "existing_customer", "none", "unknown"], ...] | None, BeforeValidator(listed)
    ] = Field(default=None, min_length=1, description="one of these marketing bases")
    natural_person: Annotated[
        tuple[Literal["yes", "no", "unknown"], ...] | None, BeforeValidator(lambda value: listed(_yes_no(value)))
    ] = Field(default=None, min_length=1, description="a natural person: yes, no, unknown")
    days_since_last_action: RangeOrNull | None = Field(
        default=None, description="days since the last action for the customer; unknown where there was none"
    )
    status: Annotated[
        tuple[Literal["active", "blocked", "terminated", "insolvent"], ...] | None, BeforeValidator(listed)
    ] = Field(default=None, min_length=1, description="one of these states of the customer")
    notes: Annotated[tuple[Id, ...], BeforeValidator(listed)] = Field(
        default=(), description="notes of the score, all of which are there, e.g. history_short"
    )
    without_notes: Annotated[tuple[Id, ...], BeforeValidator(listed)] = Field(
        default=(), description="notes of the score, none of which is there"
    )
    features: dict[str, FeatureCondition] = Field(default_factory=dict, description="what must hold for features")


def _yes_no(value: object) -> object:
    # YAML reads yes and no as true and false
    if isinstance(value, list | tuple):
        return [_yes_no(one) for one in value]
    return ("yes" if value else "no") if isinstance(value, bool) else value


class Rule(Strict):
    """When this holds, then do that; the first rule that holds decides."""

    id: Id = Field(description="its name, unique in the policy")
    when: Conditions = Field(default_factory=lambda: Conditions(), description="when it applies; default: always")
    then: Id = Field(description="an action of the catalogue, or none")


class Policy(Strict):
    """Tiers, a catalogue of actions, and the rules that lead from one to the other."""

    version: Text = Field(description="what people call this version, e.g. 2026-03")
    tiers: TierRules = Field(default_factory=lambda: TierRules(), description="words for probabilities and values")
    actions: dict[Id, Action] = Field(description="the catalogue: what can be done")
    rules: Annotated[tuple[Rule, ...], BeforeValidator(listed)] = Field(
        description="in this order; the first that applies decides"
    )
    mail_consent: MailConsent = Field(
        default_factory=lambda: MailConsent(), description="with which basis an offer may be mailed"
    )
    grades: GradeRules = Field(default_factory=lambda: GradeRules(), description="words for expected values of leads")
    calendar: Calendar = Field(default_factory=lambda: Calendar(), description="working days, for due dates")
    answers: AnswerRules = Field(default_factory=lambda: AnswerRules(), description="what answers do")
    daily_capacity: int = Field(
        default=10, ge=1, le=1000, description="entries on a list of a manager for whom no capacity is given"
    )
    cool_down_days: int = Field(
        default=30, ge=0, le=3660, description="the same as of an action, after actions that are not in the catalogue"
    )
    open_complaint_days: int = Field(
        default=90, ge=1, le=3660, description="how long a complaint that nobody marked as resolved counts as open"
    )
    only_with_gain: bool = Field(
        default=True, description="whether actions whose expected gain is not positive are withheld"
    )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the whole content, defaults written out, as canonical JSON."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()

    @property
    def version_text(self) -> str:
        """What decisions carry: the version that people gave, and the first digits of the hash."""
        return f"{self.version} ({self.sha256[:8]})"

    @property
    def features(self) -> tuple[str, ...]:
        """Ids of the features that rules look at, sorted."""
        return tuple(sorted({name for rule in self.rules for name in rule.when.features}))

    def cool_down_of(self, action: str) -> int:
        """Return for how many days nothing else is proposed after an action."""
        known = self.actions.get(action)
        return self.cool_down_days if known is None else known.cool_down_days
