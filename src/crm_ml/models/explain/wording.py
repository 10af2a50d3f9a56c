"""From a feature, its value and the sign of its contribution to a sentence.

A feature's texts (`crm_ml.models.explain.texts_de`, `texts_en`) are given by case:

==================  ================================================================================================
null                the value is missing
zero, negative      the value is nought, or below it (there ``{n}`` is its size, ``{n:m}`` keeps the sign)
less, same, more    a ratio of now to before: below one, one, up to two; ``times`` from two on
below, same         a ratio of a duration to the usual one: below one, about one; ``times`` above
first, second       half of the year
bad, good           the value worries and raises the risk; it is something good and lowers it; of leads:
                    it speaks against winning and lowers the chance; it speaks for it and raises it
plain               everything else
==================  ================================================================================================

A case may end in ``_bad`` or ``_good``, and in ``+``: then the text also says what is usual for this customer, and is
taken when that is known. The most particular text is taken.

Slots: ``{n}`` the value, ``{u}`` the usual value, ``{a}`` the value behind a ratio, each alone or as ``{n|day|days}``
with its noun, ``{n:m}`` money (``{u:M}`` about), ``{n:p}`` share, ``{n:c}`` change against one, ``{n:t}`` times,
``{n:f}`` factor, ``{n:e}`` rhythm, ``{n:d}`` duration, ``{n:h}`` waiting time, ``{n:i}`` time since an instant,
``{n:j}`` time after one, ``{n:s}`` stage of a lead, ``{u:r}`` rounded; ``{t}`` the text of a category; ``{w}`` the
look-back window (``{W}`` with a capital).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from crm_ml.errors import UsageError
from crm_ml.features import CATALOGUE, LEAD_CATALOGUE, OPTIONAL, AnyFeature
from crm_ml.models.explain import amounts, texts_de, texts_de_leads, texts_en, texts_en_leads
from crm_ml.models.explain.groups import declared_features, feature_label
from crm_ml.models.explain.texts_de_orders import Texts
from crm_ml.models.explain.tones import NOW, USUAL, tone_of
from crm_ml.models.explain.tones_leads import WAITS

Value = float | str | None
_CATALOGUE: Final = frozenset(feature.id for feature in (*CATALOGUE, *LEAD_CATALOGUE))
_OPTIONAL: Final = frozenset(feature.id for feature in OPTIONAL)
_WINDOW: Final = re.compile(r"(.+)_(\d+)d")
_SLOT: Final = re.compile(r"\{(\w+)(?:\|([^|}]*)\|([^|}]*)|:(\w))?\}")
_LEADS: Final = "lead_"
_TEXT_SHOWN: Final = 60
_ABOUT_ONE: Final = 0.05
_LEAST_BEFORE: Final = 0.5

CONTEXT_FEATURES: Final[tuple[str, ...]] = tuple(sorted({id for id, _ in USUAL.values()} | set(NOW.values())))
"""Features that sentences about others like to know besides."""


@dataclass(frozen=True)
class _Numbers:
    """What may stand in a text: the value, what is usual, and the value behind a ratio."""

    n: float
    u: float = math.nan
    a: float = math.nan


def sentence(
    feature: str | AnyFeature,
    value: Value,
    *,
    raises: bool,
    language: str,
    context: Mapping[str, Value] | None = None,
    currency: str = "EUR",
    leads: bool = False,
) -> str:
    """Return what a value means for a customer's risk, as a person would say it.

    Parameters
    ----------
    feature : str or declared feature
        A feature of the catalogue or added in this process by its id, any other as declared.
    value : float, str or None
        In the feature's unit; a category by its text; None or nan where it is missing.
    raises : bool
        Whether its contribution raises the risk (of a lead: the chance). Where the value speaks against that, the fact
        is stated neutrally.
    language : {"de", "en"}
        Language of the sentence.
    context : mapping
        Values of other features of the same customer (`CONTEXT_FEATURES`): they say what is usual.
    currency : str
        Code of the currency of amounts.
    leads : bool
        Whether it is about a lead, and so about the chance that it is won.

    Raises
    ------
    UsageError
        A text is given for a feature that holds numbers.

    Examples
    --------
    >>> usual = {"order_gap_days_mean": 31.0}
    >>> sentence("days_since_last_order", 94, raises=True, language="de", context=usual)
    'Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.'
    >>> sentence("days_since_last_order", 94, raises=True, language="en", context=usual)
    'Last order 94 days ago; usually every 31 days.'
    >>> sentence("complaints_open_count", 0, raises=False, language="de")
    'Keine offenen Beschwerden.'
    >>> sentence("attribute_size_class", "B", raises=True, language="en")
    'Size class: B (raises the risk).'
    """
    feature_id = feature if isinstance(feature, str) else feature.id
    texts = texts_of(feature_id, language)
    missing = value is None or (not _shown(value, language) if isinstance(value, str) else not math.isfinite(value))
    if texts is None:
        declared = declared_features().get(feature) if isinstance(feature, str) else feature
        return _own(feature_id, declared, None if missing else value, (raises, language, currency, leads))
    if missing or value is None:
        since = _number_in(context or {}, WAITS.get(feature_id, ""))
        case = "null+" if "null+" in texts and not math.isnan(since) else "null"
        return _filled(texts[case], language, _windows(feature_id, language), _Numbers(math.nan, u=since))
    if "plain" not in texts and "bad" in texts:
        case = "good" if raises == feature_id.startswith(_LEADS) else "bad"
        return _filled(texts[case], language, {"t": _shown(_named(feature_id, value, language), language)})
    if isinstance(value, str):
        raise UsageError(f"{feature_id} holds numbers, found {value[:_TEXT_SHOWN]!r}", remedy="Give a number or None.")
    numbers = _numbers(feature_id, float(value), context or {})
    case = next(case for case in _cases(feature_id, texts, numbers, raises=raises) if case in texts)
    if case.startswith("negative") and "{n:m}" not in texts[case]:
        numbers = _Numbers(-numbers.n)
    return _filled(texts[case], language, _windows(feature_id, language), numbers, currency)


@lru_cache(maxsize=4096)
def texts_of(feature_id: str, language: str) -> Texts | None:
    """Return the texts of a feature by case, None if it brings only a label.

    Examples
    --------
    >>> texts_of("orders_count_90d", "en")["zero"], texts_of("attribute_size_class", "en")
    ('No orders {w}.', None)
    """
    if feature_id not in _CATALOGUE:
        return None  # an own feature may be called like one of ours and mean something else
    if feature_id.startswith(_LEADS):
        leads = texts_de_leads.TEXTS if language == "de" else texts_en_leads.TEXTS
        return leads.get(feature_id)
    book = texts_de.TEXTS if language == "de" else texts_en.TEXTS
    match = _WINDOW.fullmatch(feature_id)
    return book.get(feature_id) or (book.get(match[1]) if match else None)


def _numbers(feature_id: str, value: float, context: Mapping[str, Value]) -> _Numbers:
    """Return the value with what it is compared with, where that is known and makes sense."""
    if feature_id in USUAL:
        other, times = USUAL[feature_id]
        usual = _number_in(context, other) * times
        return _Numbers(value, _whole(usual)) if usual >= 1 else _Numbers(value)
    if feature_id in WAITS:
        since = _number_in(context, WAITS[feature_id])
        return _Numbers(value, since) if since > value else _Numbers(value)
    now = _number_in(context, NOW.get(feature_id, ""))
    # a ratio of nearly nothing has a before beyond all numbers
    if now > 0 and value > 0 and _LEAST_BEFORE <= now / value < math.inf:
        return _Numbers(value, _whole(now / value), now)
    return _Numbers(value)


def _number_in(context: Mapping[str, Value], feature_id: str) -> float:
    found = context.get(feature_id)
    return float(found) if isinstance(found, float | int) and math.isfinite(found) else math.nan


def _whole(value: float) -> float:
    return float(round(value)) if value >= 10 else value


def _cases(feature_id: str, texts: Texts, numbers: _Numbers, *, raises: bool) -> list[str]:
    """Return the cases that fit, the most particular first."""
    value, beside = numbers.n, not math.isnan(numbers.u)
    tone = _tone_of(feature_id, value, raises=raises, usual=numbers.u if beside and feature_id in USUAL else None)
    if "first_bad" in texts:
        return [f"{'first' if value >= 0 else 'second'}_{'bad' if raises else 'good'}"]
    cases = []
    for case in _kinds(texts, value):
        cases += [f"{case}_{tone}+", f"{case}_{tone}", f"{case}+", case]
    cases += [f"{tone}+", tone, "plain+", "plain"]
    return cases if beside else [case for case in cases if not case.endswith("+")]


_tone_of = lru_cache(maxsize=64)(tone_of)  # asked for once per language


def _kinds(texts: Texts, value: float) -> list[str]:
    if value == 0:
        return ["zero", "below"]
    if value < 0:
        return ["negative", "below", "less"]
    if "less" in texts:
        near = abs(value - 1) < 0.005
        return ["same" if near else "less" if value < 1 else "more" if value < 1.995 else "times"]
    if "below" in texts:
        near = 1 - _ABOUT_ONE < value < 1 + _ABOUT_ONE
        return ["same" if near else "below" if value < 1 else "times"]
    return []


@lru_cache(maxsize=4096)
def _windows(feature_id: str, language: str) -> Mapping[str, str]:
    match = _WINDOW.fullmatch(feature_id)
    if match is None:
        return {}
    words = (texts_de if language == "de" else texts_en).window(int(match[2]))
    return {"w": words, "W": words[0].upper() + words[1:]}


def _stage(rank: float, language: str) -> str:
    names = texts_de_leads.STAGES if language == "de" else texts_en_leads.STAGES
    return names[int(rank)] if rank in range(len(names)) else amounts.number(rank, language)


_FORMATS: Final[Mapping[str, Callable[[float, str], str]]] = {
    "p": amounts.percent,
    "c": amounts.change,
    "t": amounts.times,
    "f": amounts.factor,
    "e": amounts.every,
    "d": amounts.duration,
    "h": amounts.waiting,
    "i": amounts.elapsed,
    "j": partial(amounts.elapsed, after=True),
    "s": _stage,
    "r": lambda value, language: amounts.number(round(value), language),
}


def _filled(
    text: str, language: str, words: Mapping[str, str], numbers: _Numbers | None = None, currency: str = ""
) -> str:
    found = []
    for before, name, one, many, form in _pieces(text):
        found.append(before)
        if name in words:
            found.append(words[name])
            continue
        if not name:
            continue
        value = getattr(numbers, name)
        if one is not None:
            found.append(amounts.counted(value, one, many, language))
        elif form in ("m", "M"):
            found.append((amounts.money if form == "m" else amounts.about)(value, currency, language))
        else:
            found.append(_FORMATS[form](value, language) if form else amounts.number(value, language))
    whole = "".join(found)
    return whole[:1].upper() + whole[1:]


@lru_cache(maxsize=4096)
def _pieces(text: str) -> list[tuple[str, str, str | None, str, str]]:
    """Return what stands before each slot of a text and the slot's parts; after the last one comes a slot of none."""
    *parts, end = _SLOT.split(text)
    return [*zip(*(parts[at::5] for at in range(5)), strict=True), (end, "", None, "", "")]


def _shown(value: Value, language: str) -> str:
    """Return a category as one short line."""
    if not isinstance(value, str):
        return amounts.number(value, language) if value is not None else ""
    text = " ".join("".join(ch if ch.isprintable() else " " for ch in value[: 20 * _TEXT_SHOWN]).split())
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 1] + "…"


def _named(feature_id: str, value: Value, language: str) -> Value:
    """Return what a code of the package is called; the texts of the firm stay as they are."""
    names = texts_de_leads.NAMES if language == "de" else texts_en_leads.NAMES
    return names.get(feature_id, {}).get(value, value) if isinstance(value, str) else value


def _own(feature_id: str, declared: AnyFeature | None, value: Value, how: tuple[bool, str, str, bool]) -> str:
    """Return the sentence of a feature that brings only its label and unit."""
    raises, language, currency, leads = how
    texts = texts_de.OWN if language == "de" else texts_en.OWN
    if leads:
        texts = texts_de_leads.OWN if language == "de" else texts_en_leads.OWN
    label = feature_label(feature_id, language, declared)
    if feature_id not in _OPTIONAL:
        label = _shown(label, language)
    words = {"label": label[:1].upper() + label[1:]}
    if value is None:
        return _filled(texts["null"], language, words)
    if isinstance(value, str):
        words["value"] = _shown(value, language)
    else:
        words["value"] = amounts.with_unit(
            value, declared.unit if declared is not None else "number", currency, language
        )
    return _filled(texts["plain_good" if raises == leads else "plain_bad"], language, words)
