"""The leak guard: features that look as if they were set after the outcome are named with the evidence and held back.

Features that the package computes from events see only what was visible at the snapshot; they are looked at, but never
held back. Everything else (attributes, descriptive columns, columns of one's own) is one value per customer as the
source says it *today*, and may have been overwritten when the customer left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from crm_ml.errors import Finding, did_you_mean
from crm_ml.features.attributes import FEATURES as DESCRIPTIVE
from crm_ml.features.attributes import slug
from crm_ml.features.catalogue import CATALOGUE, LEAD_CATALOGUE, default_features, optional_features
from crm_ml.features.leads import LINKED
from crm_ml.features.spec import AnyFeature, AttributeFeature, Feature
from crm_ml.features.subjects import LEAD
from crm_ml.models.dataset import BoolArray, Dataset
from crm_ml.models.evaluation.fates import FOLDS, LEAST_CARRIERS, Carriers, Fates, IntArray, carriers, fates
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.evaluation.probes import auc_gain
from crm_ml.models.evaluation.traits import Behaviour, Trait, coded, plain, trait
from crm_ml.models.terms import CHURN_TERMS, Terms
from crm_ml.names import AS_OF, CUSTOMER_ID

SUSPICIOUS_AUC = 0.98
"""A single feature above it decides nearly alone."""
LEAVING_RATIO = 3.5
"""Carriers of a value that was set when they left leave at least so many times as often (lower end)."""
DYING_OUT = 0.75
"""And their share among those still buying falls at least to this part of what it was."""
ARRIVAL_ODDS = 6.0
"""A value that arrives while the customer is watched multiplies the odds of churn at least so much (lower end)."""
COLLAPSE_AUC, COLLAPSE_AUC_OF_LEADS, COLLAPSE_GAIN = 0.9, 0.8, 0.08
"""An attribute without which the AUC falls by this much from at least that height restates the outcome."""
LATE_SHARE = 0.05
"""A time that lies after the first row of so many of those who have it was filled in later."""
_LOOK_AUC = 0.75
_ROWS = 200_000
_COMPUTED_ROWS = 20_000


@dataclass(frozen=True)
class Leak:
    """What was found about one feature.

    Attributes
    ----------
    feature : str
    behaviour : {"computed", "fixed", "stamp", "moving"}
        Computed from events by the package; one value per customer; a time (days since it); changing by snapshot.
    alone : float
        AUC of the feature alone: its values' rates of churn, learnt on other customers.
    reasons : tuple of str
        Why it looks like a leak, in words; empty: it does not.
    carriers : Carriers or None
        How those with a risky value fared.
    without, gain : Interval or None
        AUC without it, and what it adds (`auc_gain`); looked at only for features that are suspected.
    """

    feature: str
    behaviour: Behaviour
    alone: float
    reasons: tuple[str, ...] = ()
    carriers: Carriers | None = None
    without: Interval | None = None
    gain: Interval | None = None


@dataclass(frozen=True)
class LeakReport:
    """What the guard found.

    Attributes
    ----------
    leaks : tuple of Leak
        Every feature looked at, in the order of the data set.
    allowed : tuple of str
        Suspected features that `leak_allow` names.
    held_back : tuple of str
        Features to leave out of the training.
    findings : tuple of Finding
        One per suspected feature, with the evidence; what `leak_allow` names without effect.
    """

    leaks: tuple[Leak, ...] = ()
    allowed: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row per feature looked at: figures, and the evidence in words (empty: nothing found)."""
        nothing = float("nan")
        rows = [
            {
                "feature": leak.feature,
                "behaviour": leak.behaviour,
                "auc_alone": leak.alone,
                "leaving_ratio": leak.carriers.ratio if leak.carriers else nothing,
                "leaving_ratio_low": leak.carriers.low if leak.carriers else nothing,
                "share_before": leak.carriers.share_before if leak.carriers else nothing,
                "share_after": leak.carriers.share_after if leak.carriers else nothing,
                "auc_without": leak.without.value if leak.without else nothing,
                "auc_gain": leak.gain.value if leak.gain else nothing,
                "auc_gain_low": leak.gain.low if leak.gain else nothing,
                "held_back": leak.feature in self.held_back,
                "evidence": "; ".join(leak.reasons),
            }
            for leak in self.leaks
        ]
        return pd.DataFrame(rows)

    def without_leaks(self, dataset: Dataset) -> Dataset:
        """Return the data set without the features held back."""
        return replace(dataset, features=tuple(f for f in dataset.features if f not in self.held_back))


def find_leaks(dataset: Dataset, *, allow: Iterable[str] = (), seed: int = 0, terms: Terms = CHURN_TERMS) -> LeakReport:
    """Look at every feature that the package did not compute itself, and name those that look set after the outcome.

    A feature is suspected when one of these holds:

    - it decides nearly alone: its AUC, with the rates of its values learnt on other customers, is above .98;
    - its value stands for the whole time in the rows of customers who leave later: carriers of a risky value leave at
      least 3.5 times as often as the others (lower end of two standard errors), and among customers still buying
      their share falls to three quarters or less from the oldest third of the snapshots to the newest (`carriers`).
      A trait that was known and only raises the risk does the first, but hardly the second: newcomers have it too;
    - it arrives while the customer is watched, and with it churn: the odds of churn where it is filled are at least six
      times those where it is not (lower end);
    - it is an attribute, the AUC falls by more than .08 without it (lower end), and with it is above .9 (of leads,
      who are described once at their creation, .8: no single field there is worth so much beside all others);
    - it is a time of a lead's description, and for at least a twentieth of those who have it, it lies after the lead's
      first row: the mapping says that it was known then, so it was filled in later, for whom is not known.

    Parameters
    ----------
    dataset : Dataset
        Rows whose labels may be seen: those of the snapshots to fit on.
    allow : iterable of str
        Columns (or feature ids) that are known to be sound: named in a note, not held back.
    seed : int
        Of the dealing of customers into three parts.
    terms : Terms
        Whether rows are about customers or leads, who are looked at for a short time.

    Returns
    -------
    LeakReport

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> days = np.arange("2024-01-01", "2025-07-01", 30, dtype="datetime64[D]")
    >>> frame = pd.DataFrame({"customer_id": np.tile(np.arange(300), len(days)), "as_of": np.repeat(days, 300)})
    >>> gone = rng.integers(1, 60, 300)[frame.customer_id]
    >>> y = np.repeat(np.arange(len(days)), 300) >= gone
    >>> frame["attribute_state"] = np.where(gone < len(days), "lost", "good")
    >>> frame["attribute_group"] = rng.choice(["A", "B"], 300)[frame.customer_id]
    >>> from crm_ml.models import make_dataset
    >>> report = find_leaks(make_dataset(frame.astype({"customer_id": str}), y, gap_days=0, horizon_days=90))
    >>> report.held_back
    ('attribute_state',)
    """
    data = _fewer_customers(dataset)
    who, _ = pd.factorize(data.frame[CUSTOMER_ID].astype(str), sort=True)
    label_days = int((data.label_end - data.days).max().astype(int)) if len(data) else 0
    if not len(data) or data.y.all() or not data.y.any():
        return LeakReport()
    found = fates(who, data.days, data.y, label_days=label_days, seed=seed)
    computed = _computed() | data.computed
    leaks = [
        _computed_leak(name, data) if name in computed else _look(name, data, who, found, terms)
        for name in data.features
    ]
    height = COLLAPSE_AUC if terms is CHURN_TERMS else COLLAPSE_AUC_OF_LEADS
    leaks = _with_gains(leaks, data, who, found, height)
    report = _report(leaks, tuple(allow), data.features)
    if terms is CHURN_TERMS:
        return report
    words = (("churn.leak_allow", "leads.leak_allow"), ("customer leaves", "lead is won"), ("customers", "leads"))
    return replace(report, findings=tuple(_said_of(finding, words) for finding in report.findings))


def _said_of(finding: Finding, words: Sequence[tuple[str, str]]) -> Finding:
    message, remedy = finding.message, finding.remedy
    for customer, lead in words:
        message, remedy = message.replace(customer, lead), remedy.replace(customer, lead)
    return replace(finding, message=message, remedy=remedy)


def _computed() -> set[str]:
    declared = (*default_features(), *optional_features(), *default_features(of=LEAD))
    return {f.id for f in declared if not _described(f)}


def _described(feature: AnyFeature) -> bool:
    """Return whether a feature hangs on a column of the subject's own row, which may be filled in at the outcome."""
    return isinstance(feature, AttributeFeature) or (isinstance(feature, Feature) and feature.source == LINKED)


def _fewer_customers(data: Dataset) -> Dataset:
    if len(data) <= _ROWS:
        return data
    codes, names = pd.factorize(data.frame[CUSTOMER_ID].astype(str), sort=True)
    step = -(-len(data) // _ROWS)
    return data.take(np.random.default_rng(0).permutation(len(names))[codes] % step == 0)


def _computed_leak(name: str, data: Dataset) -> Leak:
    step = max(1, len(data) // _COMPUTED_ROWS)
    y, values = data.y[::step], data.frame[name].to_numpy()[::step]
    if values.dtype == object or pd.api.types.is_string_dtype(data.frame[name]):
        return Leak(name, "computed", 0.5)
    numbers = np.asarray(values, dtype=np.float64)
    there = np.isfinite(numbers)
    if there.sum() < len(y) / 2:
        return Leak(name, "computed", 0.5)
    strength = float(auc(y[there], numbers[there]))
    strength = max(strength, 1 - strength) if np.isfinite(strength) else 0.5
    reasons = (_decides(strength),) if strength > SUSPICIOUS_AUC else ()
    return Leak(name, "computed", strength, reasons)


def _look(name: str, data: Dataset, who: IntArray, found: Fates, terms: Terms) -> Leak:
    # by the row's own day: a snapshot may hold several
    own = pd.to_datetime(data.frame[AS_OF]).to_numpy("datetime64[D]")
    said_of = trait(plain(data.frame[name]), who, own, within=0.0 if terms is CHURN_TERMS else 1.0)
    behaviour, codes = said_of.behaviour, coded(said_of.values, who)
    alone = _alone(codes, data.y, found.fold[who])
    reasons = [_decides(alone)] if alone > SUSPICIOUS_AUC else []
    reasons += _filled_later(name, data)
    said = None
    if behaviour != "moving":
        said = carriers(codes, who, data.days, data.y, found)
        if said and said.low > LEAVING_RATIO and said.share_after < DYING_OUT * said.share_before:
            reasons.append(_told(said))
        if said_of.arriving.any():
            reasons += _arrives(codes > 0, said_of, data, who)
    return Leak(name, behaviour, alone, tuple(reasons), said)


def _alone(codes: IntArray, y: BoolArray, fold: IntArray) -> float:
    score, size = np.zeros(len(y)), int(codes.max()) + 1
    for k in range(FOLDS):
        others = fold != k
        base = y[others].mean()
        rate = (np.bincount(codes[others], y[others], size) + base) / (np.bincount(codes[others], minlength=size) + 1)
        score[~others] = rate[codes[~others]]
    return float(auc(y, score))


def _decides(strength: float) -> str:
    return f"alone it tells churners from stayers almost perfectly (AUC {strength:.3f})"


def _told(said: Carriers) -> str:
    what = "without a value" if said.empty else "with any value" if said.filled else "with one of the risky values"
    return (
        f"of {said.customers} customers {what}, which stands in their rows from the first snapshot on, {said.left} "
        f"left later; of the {said.others} others {said.others_left} did: {said.ratio:.1f} times as often per year (at "
        f"least {said.low:.1f}), and among those still buying their share falls from {said.share_before:.1%} to "
        f"{said.share_after:.1%} towards the newest snapshots, as happens to a value that is set when a customer leaves"
    )


def _arrives(filled: BoolArray, said_of: Trait, data: Dataset, who: IntArray) -> list[str]:
    """Return the evidence of a value that comes with the outcome; the unit is the customer's first filled row."""
    came = np.full(len(said_of.arriving), len(who))
    np.minimum.at(came, who[filled], np.flatnonzero(filled))
    came = came[said_of.arriving]
    owners = np.unique(who[filled]).size
    if len(came) < LEAST_CARRIERS or len(came) < owners / 2:
        return []
    with_it, base = data.y[came], data.y[~filled]
    churned, stayed = with_it.sum() + 0.5, (~with_it).sum() + 0.5
    odds = (churned / stayed) / ((base.sum() + 0.5) / ((~base).sum() + 0.5))
    low = odds * np.exp(-2 * np.sqrt(1 / churned + 1 / stayed))
    if low < ARRIVAL_ODDS:
        return []
    of_churned, of_stayed = filled[data.y].mean(), filled[~data.y].mean()
    what = "its time lies" if said_of.behaviour == "stamp" else "it appears only"
    return [
        f"for {len(came)} of the {owners} customers who have it {what} after their first snapshot, and it is filled in "
        f"{of_churned:.1%} of the rows that churned and {of_stayed:.1%} of those that stayed (odds of churn {odds:.0f} "
        f"times as high where it is filled, at least {low:.1f})"
    ]


def _filled_later(name: str, data: Dataset) -> list[str]:
    """Return the evidence that a time which is said to be known from the first row on was filled in later."""
    late, owners = data.filled_later.get(name, (0, 0))
    if late < LEAST_CARRIERS or late < LATE_SHARE * owners:
        return []
    return [
        f"for {late} of the {owners} customers who have it, its time lies after their first row, from which on the "
        "mapping says that it is known"
    ]


def _with_gains(leaks: Sequence[Leak], data: Dataset, who: IntArray, found: Fates, height: float) -> list[Leak]:
    """Say of each suspect what the AUC is without it; without a suspect nothing is fitted."""
    declared = {f.id for f in (*DESCRIPTIVE, *LEAD_CATALOGUE) if isinstance(f, AttributeFeature)}
    look = {
        leak.feature for leak in leaks if leak.behaviour != "computed" and (leak.reasons or leak.alone >= _LOOK_AUC)
    }
    if not look:
        return list(leaks)
    suspected = [leak.feature for leak in leaks if leak.feature in look]
    gains = auc_gain(data, suspected, parts=found.fold[who])
    told = []
    for leak in leaks:
        if leak.feature not in gains:
            told.append(leak)
            continue
        without, gain = gains[leak.feature]
        attribute = leak.feature in declared or leak.feature.startswith("attribute_")
        collapses = attribute and gain.low > COLLAPSE_GAIN and without.value + gain.value > height
        reasons = leak.reasons
        if reasons or collapses:
            reasons = (*reasons, _gained(without, gain))
        told.append(replace(leak, reasons=reasons, without=without, gain=gain))
    return told


def _gained(without: Interval, gain: Interval) -> str:
    return (
        f"the AUC is {without.value + gain.value:.3f} with it and {without.value:.3f} without any suspected feature "
        f"({gain.value:+.3f}, interval {gain.low:+.3f} to {gain.high:+.3f})"
    )


def _report(leaks: Sequence[Leak], allow: tuple[str, ...], features: Sequence[str]) -> LeakReport:
    ids = {name: _ids(name, features) for name in allow}
    sound = {feature for found in ids.values() for feature in found}
    leaks = _together(leaks)
    suspects = [leak for leak in leaks if leak.reasons and leak.behaviour != "computed"]
    held = tuple(leak.feature for leak in suspects if leak.feature not in sound)
    findings = [_finding(leak, allowed=leak.feature in sound) for leak in suspects]
    findings += _suspicious([leak.feature for leak in leaks if leak.reasons and leak.behaviour == "computed"])
    findings += [
        Finding(
            "warning",
            "leak_allow_unknown",
            f'leak_allow names "{name}", which is no feature of this training.{did_you_mean(name, features)}',
            "Correct or remove it in churn.leak_allow.",
            column=name,
        )
        for name, found in ids.items()
        if not found
    ]
    allowed = tuple(leak.feature for leak in suspects if leak.feature in sound)
    return LeakReport(tuple(leaks), allowed, held, tuple(findings))


def _together(leaks: Sequence[Leak]) -> Sequence[Leak]:
    """Return what was found, the features that hang on one link being suspected together: each tells of the others."""
    linked = {f.id for f in LEAD_CATALOGUE if isinstance(f, Feature) and f.source == LINKED}
    first = next((leak for leak in leaks if leak.feature in linked and leak.reasons), None)
    if first is None:
        return leaks
    why = (f"it hangs on the same column as {first.feature}, which looks so",)
    return [replace(leak, reasons=leak.reasons or why) if leak.feature in linked else leak for leak in leaks]


def _ids(name: str, features: Sequence[str]) -> list[str]:
    """Return the features that a column of the mapping, or an id, stands for."""
    described = {f.id: _column_of(f) for f in (*CATALOGUE, *LEAD_CATALOGUE) if _described(f)}
    wanted = {name, f"attribute_{slug(name)}", *(id for id, column in described.items() if column == name)}
    return [feature for feature in features if feature in wanted]


def _column_of(feature: AnyFeature) -> str:
    return feature.column if isinstance(feature, AttributeFeature) else CUSTOMER_ID


def _finding(leak: Leak, *, allowed: bool) -> Finding:
    evidence = "; ".join(leak.reasons)
    if allowed:
        return Finding(
            "info",
            "leak_allowed",
            f"{leak.feature} looks as if it was set after the outcome: {evidence}. leak_allow names it: it is used",
            "Nothing to do, if it was truly known before the outcome.",
            column=leak.feature,
        )
    return Finding(
        "warning",
        "leak_suspected",
        f"{leak.feature} looks as if it was set after the outcome and was held back: {evidence}",
        "Map the time from which the value was known (known_from), or, if it was known before the outcome, name the "
        "column in churn.leak_allow.",
        column=leak.feature,
    )


def _suspicious(names: list[str]) -> list[Finding]:
    if not names:
        return []
    return [
        Finding(
            "warning",
            "suspicious_feature",
            f"{len(names)} features computed from events tell churners from stayers almost alone (AUC above "
            f"{SUSPICIOUS_AUC}); they are used, since they see nothing after the snapshot",
            "Check that the tables are complete: rows deleted or re-dated when a customer leaves would look like this.",
            count=len(names),
            examples=names,
        )
    ]
