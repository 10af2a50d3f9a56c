"""Can it work with so few customers? A verdict in terms of decisions, before a training and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crm_ml.errors import Finding, UsageError
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.evaluation.power import (
    auc_half_width,
    expected_gain_curve,
    measured_gain_curve,
    smallest_cut,
    tiers_told_apart,
)
from crm_ml.models.target_words import Texts, wording
from crm_ml.models.terms import CHURN_TARGET

YEAR_DAYS = 365
EXPECTED_AUC = 0.75
"""Before a training; models on orders and payments usually reach .70 to .80, and the width hardly depends on it."""
MORE_LEAVERS = 40
_NUMBERS = {
    "de": ("", "", "zwei", "drei", "vier", "fünf"),
    "en": ("", "", "two", "three", "four", "five"),
}


@dataclass(frozen=True)
class FeasibilityVerdict:
    """What the customers there are can show; made by `feasibility`.

    Attributes
    ----------
    stage : {"before", "after"}
        Expected before a training, or measured by it.
    customers, leavers : int
        Distinct customers whose outcome is known, and those of them who left.
    auc : float
        Expected or measured.
    half_width : float
        Half the width of its 95 % interval; 0.5 (nothing is known) without a leaver or a stayer.
    more_leavers : int
    half_width_then : float
        The same with so many leavers more, and stayers in proportion.
    tiers : int
        So many tiers can be told apart (`tiers_told_apart`); 1 means none.
    tier_shares, tier_rates : tuple of float
        How the customers are cut into them, riskiest first, and the churn rates to be expected there.
    per_arm : int
        Customers in each arm of an experiment within a year.
    smallest_cut : float or None
        Smallest relative cut of the churn rate that it can show; None if not even a cut to zero.
    target : str
        ``churn``; or the stage that leads are to reach: then customers are leads, and leavers those that reach it.
    """

    stage: Literal["before", "after"]
    customers: int
    leavers: int
    auc: float
    half_width: float
    more_leavers: int
    half_width_then: float
    tiers: int
    tier_shares: tuple[float, ...]
    tier_rates: tuple[float, ...]
    per_arm: int
    smallest_cut: float | None
    target: str = CHURN_TARGET

    @property
    def table(self) -> pd.DataFrame:
        """One row per question: what is asked, the figure, what it rests on."""
        rate = self.leavers / self.customers if self.customers else float("nan")
        names, say = self._names(), wording(self.target, _TEXTS, _LEAD_TEXTS).say
        then = say("then", "en", more=self.more_leavers)
        rows = [
            (names["customers"], float(self.customers), "distinct, outcome known"),
            (names["leavers"], float(self.leavers), f"{rate:.1%} of them"),
            ("auc", self.auc, "measured" if self.stage == "after" else "expected"),
            ("auc_half_width", self.half_width, "95 % interval"),
            ("auc_half_width_then", self.half_width_then, then),
            ("tiers", float(self.tiers), "intervals of their rates apart with 80 % power"),
            ("smallest_cut", np.nan if self.smallest_cut is None else self.smallest_cut, "80 % power at 5 %"),
            ("per_arm", float(self.per_arm), say("arm", "en")),
        ]
        return pd.DataFrame(rows, columns=["what", "value", "note"])

    def sentence(self, language: str = "de") -> str:
        """Return the verdict as one sentence, German or English.

        Examples
        --------
        >>> feasibility(1240, 61).sentence("en")  # doctest: +NORMALIZE_WHITESPACE
        'With 1,240 customers and 61 leavers three tiers can be told apart, AUC will be known to ±.062, an effect below
        33 % cannot be shown within a year; the next 40 leavers bring AUC to ±.048'
        >>> feasibility(1240, 61).sentence("de")  # doctest: +NORMALIZE_WHITESPACE
        'Mit 1.240 Kunden und 61 Abwanderern lassen sich drei Stufen unterscheiden, die AUC wird auf ±0,062 bekannt
        sein, eine Wirkung unter 33 % lässt sich binnen eines Jahres nicht nachweisen; mit den nächsten 40 Abwanderern
        wird die AUC auf ±0,048 bekannt sein'
        """
        german, say = language == "de", wording(self.target, _TEXTS, _LEAD_TEXTS).say
        customers = f"{self.customers:,}".replace(",", "." if german else ",")
        many = {"all": customers, "some": str(self.leavers)}
        if min(self.leavers, self.customers - self.leavers) < 1:
            return say("nothing", language, **many)
        parts = {
            "tiers": self._tiers(language),
            "auc": self._auc(language),
            "effect": self._effect(language),
            "more": self.more_leavers,
            "then": _figure(self.half_width_then, language),
        }
        return say("whole", language, **many, **parts)

    def _tiers(self, language: str) -> str:
        number = _NUMBERS[language if language == "de" else "en"][self.tiers] if self.tiers >= 2 else ""
        say = wording(self.target, _TEXTS, _LEAD_TEXTS).say
        return say("tiers", language, number=number) if number else say("no_tiers", language)

    def _auc(self, language: str) -> str:
        width, value = _figure(self.half_width, language), _figure(self.auc, language)
        if self.stage == "after":
            return (
                f"die AUC {value} ist auf ±{width} bekannt" if language == "de" else f"AUC {value} is known to ±{width}"
            )
        return f"die AUC wird auf ±{width} bekannt sein" if language == "de" else f"AUC will be known to ±{width}"

    def _effect(self, language: str) -> str:
        if self.smallest_cut is None:
            return (
                "keine Wirkung, wie groß auch immer, lässt sich binnen eines Jahres nachweisen"
                if language == "de"
                else "no effect, however large, can be shown within a year"
            )
        percent = int(np.ceil(100 * self.smallest_cut - 1e-9))
        return (
            f"eine Wirkung unter {percent} % lässt sich binnen eines Jahres nicht nachweisen"
            if language == "de"
            else f"an effect below {percent} % cannot be shown within a year"
        )

    def _names(self) -> Mapping[str, str]:
        return _NAMES if self.target == CHURN_TARGET else _LEAD_NAMES

    def finding(self) -> Finding:
        """Return the verdict as a note among the other findings."""
        remedy = wording(self.target, _TEXTS, _LEAD_TEXTS).say("remedy", "en")
        return Finding("info", "feasibility", self.sentence("en"), remedy, count=self.leavers)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready values, with both sentences; of leads ``leads`` and ``reached``."""
        names = self._names()
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}
        return {
            **{names.get(name, name): value for name, value in plain.items()},
            "text_de": self.sentence("de"),
            "text_en": self.sentence("en"),
        }


_NAMES: Final[Mapping[str, str]] = {name: name for name in ("customers", "leavers", "more_leavers")}
_LEAD_NAMES: Final[Mapping[str, str]] = {
    "customers": "leads",
    "leavers": "reached",
    "more_leavers": "more_reached",
}
_TEXTS: Final[Texts] = {
    "whole": (
        "Mit {all} Kunden und {some} Abwanderern {tiers} unterscheiden, {auc}, {effect}; mit den nächsten {more} "
        "Abwanderern wird die AUC auf ±{then} bekannt sein",
        "With {all} customers and {some} leavers {tiers}, {auc}, {effect}; the next {more} leavers bring AUC to "
        "±{then}",
    ),
    "nothing": (
        "Mit {all} Kunden und {some} Abwanderern lässt sich nichts lernen: Es müssen welche gegangen und welche "
        "geblieben sein",
        "With {all} customers and {some} leavers nothing can be learnt: some must have left and some must have stayed",
    ),
    "tiers": ("lassen sich {number} Stufen", "{number} tiers can be told apart"),
    "no_tiers": ("lassen sich keine zwei Stufen", "no two tiers can be told apart"),
    "then": ("", "{more} more leavers, stayers in proportion"),
    "arm": ("", "customers and windows within a year"),
    "remedy": ("", "Take smaller differences for chance; more customers or a longer history make more visible."),
}
_LEAD_TEXTS: Final[Texts] = {
    "whole": (
        "Mit {all} Leads, von denen {some} {reached}, {tiers} unterscheiden, {auc}, {effect}; mit den nächsten {more} "
        "davon wird die AUC auf ±{then} bekannt sein",
        "With {all} leads of which {some} {reached} {tiers}, {auc}, {effect}; the next {more} of these bring AUC to "
        "±{then}",
    ),
    "nothing": (
        "Mit {all} Leads, von denen {some} {reached}, lässt sich nichts lernen: Es braucht welche mit und welche ohne "
        "Erfolg",
        "With {all} leads of which {some} {reached} nothing can be learnt: some must have succeeded and some not",
    ),
    "tiers": ("lassen sich {number} Gruppen", "{number} groups can be told apart"),
    "no_tiers": ("lassen sich keine zwei Gruppen", "no two groups can be told apart"),
    "then": ("", "{more} more that reach the target, the others in proportion"),
    "arm": ("", "leads and windows within a year"),
    "remedy": ("", "Take smaller differences for chance; more leads or a longer history make more visible."),
}


def _figure(value: float, language: str) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"
    return text.replace(".", ",") if language == "de" else text.removeprefix("0") or "0"


def feasibility(
    customers: int,
    leavers: int,
    *,
    auc: float | Interval = EXPECTED_AUC,
    p: ArrayLike | None = None,
    rate: float | None = None,
    window_days: int = 90,
    contacts_per_year: int | None = None,
    more_leavers: int = MORE_LEAVERS,
    seed: int = 0,
) -> FeasibilityVerdict:
    """Judge what so many customers and leavers can show.

    - The AUC's interval: its measured one if `auc` is an `Interval` (after a training), else the one to be expected
      (`auc_half_width`). With more leavers it shrinks as the expected one does.
    - Tiers: `tiers_told_apart`, under the model's own scores `p` where given, else normal scores with this AUC.
    - Effects: half of the customers is contacted in every label window of a year, the other half is left alone, and
      the windows are pooled; `smallest_cut` of the churn rate. Contacting fewer shows less, so that a smaller effect
      cannot be shown in any way. `contacts_per_year` caps the treated arm, and the other is made as large.

    Parameters
    ----------
    customers, leavers : int
        Distinct customers whose outcome is known, and those of them who left in the window.
    auc : float or Interval
        Expected AUC, or the measured one with its interval.
    p : array-like of float, optional
        Calibrated probabilities of the evaluation.
    rate : float, optional
        Churn rate of one label window, where `leavers` were gathered over several; default: leavers / customers.
    window_days : int
        Gap and horizon of the label.
    contacts_per_year : int, optional
        Contacts there is time for.
    more_leavers : int
        What so many leavers more would bring is said.
    seed : int
        Of the repetitions behind the tiers.

    Raises
    ------
    UsageError
        There are fewer customers than leavers, or a number is negative.

    Examples
    --------
    >>> verdict = feasibility(1240, 61)
    >>> verdict.tiers, round(verdict.half_width, 3), verdict.per_arm, round(verdict.smallest_cut, 2)
    (3, 0.062, 2480, 0.32)
    """
    if not 0 <= leavers <= customers or window_days < 1 or more_leavers < 0:
        raise UsageError(
            f"There must be at least as many customers as leavers and a window of a day or more; found {customers}, "
            f"{leavers} and {window_days} days",
            remedy="Count distinct customers.",
            code="bad_counts",
        )
    stayers = customers - leavers
    rate = leavers / max(1, customers) if rate is None else rate
    measured = auc if isinstance(auc, Interval) else None
    value = measured.value if measured else float(auc)  # type: ignore[arg-type]
    half, then = 0.5, 0.5
    if min(leavers, stayers) >= 1:
        # a measured AUC of 0 or 1 has no standard error by formula; its neighbour has
        near = float(np.clip(value, 0.02, 0.98))
        grown = leavers + more_leavers
        now, later = (
            auc_half_width(near, leavers, stayers),
            auc_half_width(near, grown, round(stayers * grown / leavers)),
        )
        half = (measured.high - measured.low) / 2 if measured else now
        then = half * later / now
    curve = expected_gain_curve(rate, float(np.clip(value, 0.5, 0.999))) if p is None else measured_gain_curve(p)
    shares, rates = tiers_told_apart(customers, rate, curve, seed=seed)
    treated = customers * max(1, YEAR_DAYS // window_days) // 2
    per_arm = treated if contacts_per_year is None else min(treated, contacts_per_year)
    return FeasibilityVerdict(
        stage="after" if measured else "before",
        customers=customers,
        leavers=leavers,
        auc=value,
        half_width=half,
        more_leavers=more_leavers,
        half_width_then=then,
        tiers=len(shares),
        tier_shares=shares,
        tier_rates=rates,
        per_arm=per_arm,
        smallest_cut=smallest_cut(rate, per_arm),
    )


def feasibility_of_evaluation(
    y: ArrayLike,
    p: ArrayLike,
    customers: ArrayLike,
    auc: Interval,
    *,
    window_days: int,
    seed: int = 0,
    target: str = CHURN_TARGET,
) -> FeasibilityVerdict:
    """Judge after a training, from the rows it was evaluated on.

    Parameters
    ----------
    y, p, customers : array-like, shape (rows,)
        Who left, calibrated probability, whose row it is. A customer counts once: as a leaver if it left in any row;
        the rate of a window is that of the rows.
    auc : Interval
        As measured on these rows.
    window_days : int
        Gap and horizon of the label.
    seed : int
        Of the repetitions behind the tiers.
    target : str
        Of the label; for leads it is said in their words.

    Examples
    --------
    >>> y, p = np.arange(200) % 5 == 0, np.linspace(0.1, 0.3, 200)
    >>> ids = (np.arange(200) // 2).astype(str)
    >>> verdict = feasibility_of_evaluation(y, p, ids, Interval(0.7, 0.6, 0.8), window_days=90)
    >>> verdict.customers, verdict.leavers, round(verdict.half_width, 2)
    (100, 40, 0.1)
    """
    names, index = np.unique(np.asarray(customers, dtype=object).astype(str), return_inverse=True)
    left = np.zeros(len(names), dtype=np.bool_)
    outcome = np.asarray(y, dtype=np.bool_)
    np.logical_or.at(left, index, outcome)
    rate = float(outcome.mean()) if len(outcome) else 0.0
    found = feasibility(len(names), int(left.sum()), auc=auc, p=p, rate=rate, window_days=window_days, seed=seed)
    return replace(found, target=target)
