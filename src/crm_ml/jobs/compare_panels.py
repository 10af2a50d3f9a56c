"""The small pictures of a comparison, one per version on axes that all share: reliability, gain, money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crm_ml import names as n
from crm_ml.actions.lists.cleaning import clean
from crm_ml.actions.lists.columns import Language
from crm_ml.jobs.compare import CompareResult
from crm_ml.jobs.compare_svg import dots, frame, line, nice_end, panel, shared, whiskers
from crm_ml.jobs.compare_texts import ALIASES, number, say, word
from crm_ml.models.explain import shown
from crm_ml.models.explain.amounts import grouped, money

_PANELS = 12
_CHARACTERS = 40
_THOUSAND, _MILLION = 1_000, 1_000_000


@dataclass(frozen=True)
class Panels:
    """Small pictures by section: each a list of caption and SVG, the first ones open, the rest to be unfolded.

    Attributes
    ----------
    defs : str
        What the pictures share.
    reliability, gain, profit : tuple of two lists
    profit_rows : list
        Money at capacity, one row per version.
    profit_note, money_line : str
        What is assumed; the money of the reference in one sentence, empty where it is not known.
    """

    defs: str
    reliability: tuple[list[Any], list[Any]]
    gain: tuple[list[Any], list[Any]]
    profit: tuple[list[Any], list[Any]]
    profit_rows: tuple[list[Any], list[Any]]
    profit_note: str
    profit_head: str
    money_line: str


def panels(result: CompareResult) -> Panels:
    """Return the pictures of a comparison."""
    said = result.language
    captions = _captions(result)
    half, whole = number(0.5, said, 1), "1"
    ticks = ("0", half, whole)
    low, high = _money_range(result.profit)
    defs = [frame("fr", across=ticks, up=ticks, diagonal=True)]
    up = [_short_money(value, said) for value in (low, (low + high) / 2, high)]
    defs.append(frame("fm", across=ticks, up=up, diagonal=False, zero=-low / (high - low)))
    drawn: dict[str, list[Any]] = {}
    for key, draw in (("reliability", _reliability), ("gain", _gain), ("profit", _profit)):
        drawn[key] = []
        curves: pd.DataFrame = getattr(result, key)
        parts = {str(name): part for name, part in curves.groupby("name", sort=False)}
        ground = "fm" if key == "profit" else "fr"
        behind = f"r{key[0]}"
        if result.reference in parts:
            x, y = {"reliability": ("mean_prediction", "rate"), "gain": ("share", "gain")}.get(
                key, ("share", "by_value")
            )
            places = zip(parts[result.reference][x], _scaled(parts[result.reference][y], key, low, high), strict=True)
            defs.append(f'<g id="{behind}">{line(places, "sr")}</g>')
        for version in sorted(parts, key=lambda name: name != result.reference):
            alt, inner = draw(result, version, parts[version], (low, high))
            other = result.reference in parts and version != result.reference
            drawn[key].append((captions[version], panel(alt, inner, uses=[ground, behind] if other else [ground])))
    rows = [_money_row(row, captions, result) for row in result.profit_at_capacity.to_dict("records")]
    return Panels(
        defs=shared(defs),
        reliability=_folded(drawn["reliability"]),
        gain=_folded(drawn["gain"]),
        profit=_folded(drawn["profit"]),
        profit_rows=_folded(rows),
        profit_note=_assumptions(result),
        profit_head=say("at_capacity", said, share=shown.share(result.capacity, said)),
        money_line=_money_line(result),
    )


def _folded(items: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    cut = len(items) if len(items) <= _PANELS + 2 else _PANELS
    return list(items[:cut]), list(items[cut:])


def _captions(result: CompareResult) -> dict[str, dict[str, str]]:
    """Return for every version its name, its alias and the days it was evaluated on."""
    said = result.language
    language: Language = "de" if said == "de" else "en"
    found = {}
    for run in result.runs:
        rows = result.evaluation(run.version)
        days = [] if rows is None else sorted(pd.to_datetime(rows[n.AS_OF]).dt.date.unique())
        last = shown.date(days[-1], said) if days else ""
        name = "one_day" if len(days) == 1 else "days"
        found[run.version] = {
            "name": f"{say('version', said)} {clean(run.version, language, _CHARACTERS)}",
            "alias": word(ALIASES, run.alias, said) if run.alias else "",
            "days": say(name, said, count=len(days), last=last) if days else "",
        }
    return found


def _reliability(result: CompareResult, version: str, part: pd.DataFrame, _: Any) -> tuple[str, str]:
    said = result.language
    p, rate = part["mean_prediction"].tolist(), part["rate"].tolist()
    gap = max(abs(one - other) for one, other in zip(p, rate, strict=True))
    ends = {"first": shown.share(p[0], said), "last": shown.share(p[-1], said)}
    alt = say("reliability_alt", said, name=version, gap=number(gap, said, 2), **ends)
    bars = whiskers(zip(p, part["low"], part["high"], strict=True))
    return alt, bars + line(zip(p, rate, strict=True), "so") + dots(zip(p, rate, strict=True))


def _gain(result: CompareResult, version: str, part: pd.DataFrame, _: Any) -> tuple[str, str]:
    said = result.language
    by_share = part.set_index(part["share"].round(6))["gain"]
    values = {"tenth": shown.share(by_share[0.1], said), "half": shown.share(by_share[0.5], said)}
    alt = say("gain_alt", said, target=result.target, name=version, **values)
    return alt, line(zip(part["share"], part["gain"], strict=True), "so")


def _profit(result: CompareResult, version: str, part: pd.DataFrame, scale: tuple[float, float]) -> tuple[str, str]:
    said = result.language
    own = result.profit_at_capacity.query("name == @version").iloc[0]
    alt = say(
        "profit_alt",
        said,
        name=version,
        share=shown.share(result.capacity, said),
        value=_money(own["by_value"], result),
        risk=_money(own["by_risk"], result),
        best=_money(part["by_value"].max(), result),
    )
    drawn = [
        line(zip(part["share"], _scaled(part[key], "profit", *scale), strict=True), kind)
        for key, kind in (("by_risk", "st"), ("by_value", "so"))
    ]
    return alt, "".join(drawn)


def _scaled(values: pd.Series, key: str, low: float, high: float) -> pd.Series:
    return (values - low) / (high - low) if key == "profit" else values


def _money_range(curves: pd.DataFrame) -> tuple[float, float]:
    if curves.empty:
        return 0.0, 1.0
    columns = curves[["by_value", "by_risk"]].to_numpy(float)
    high = nice_end(max(float(columns.max()), 1.0))
    least = float(columns.min())
    # what lies far below zero is cut: nobody would act there, and the part above it is what counts
    return max(-nice_end(-least), -high) if least < 0 else 0.0, high


def _short_money(value: float, language: str) -> str:
    for unit, ending in ((_MILLION, "M"), (_THOUSAND, "k")):
        if abs(value) >= unit:
            scaled = value / unit
            return number(scaled, language, 0 if scaled == round(scaled) else 1) + ending
    return number(value, language, 0 if value == round(value) else 1)


def _money(value: float, result: CompareResult) -> str:
    rounded = float(round(value))
    text = money(abs(rounded), result.currency, result.language)
    return f"\N{MINUS SIGN}{text}" if rounded < 0 else text


def _money_row(row: dict[Any, Any], captions: dict[str, dict[str, str]], result: CompareResult) -> dict[str, Any]:
    return {
        "version": clean(str(row["name"]), "en", _CHARACTERS),
        "caption": captions[str(row["name"])],
        "customers": grouped(row["customers"], result.language),
        "by_value": _money(row["by_value"], result),
        "by_risk": _money(row["by_risk"], result),
    }


def _money_line(result: CompareResult) -> str:
    own = result.profit_at_capacity
    own = own[own["name"] == result.reference]
    if own.empty:
        return ""
    row, said = own.iloc[0], result.language
    return say(
        "money_short",
        said,
        name=result.reference,
        share=shown.share(result.capacity, said),
        value=_money(row["by_value"], result),
        risk=_money(row["by_risk"], result),
    )


def _assumptions(result: CompareResult) -> str:
    said, made = result.language, result.assumed
    language: Language = "de" if said == "de" else "en"
    label = clean(made.label_de if said == "de" else made.label_en, language)
    save = shown.share(made.save_rate, said)
    return say("profit_note", said, action=label, save=save, cost=money(made.cost, result.currency, said))
