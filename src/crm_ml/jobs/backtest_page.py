"""The page of a backtest: self-contained, without script, every text of others escaped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from crm_ml.jobs.backtest_texts import TEXTS, digits, money_note, money_span, room_caption, say, span, verdict
from crm_ml.jobs.pages import picture_bytes, picture_source, rendered
from crm_ml.models.evaluation.backtest import METRICS, POOLED
from crm_ml.models.evaluation.backtest_money import AMOUNTS, ROOMS
from crm_ml.models.evaluation.backtest_rows import CHAMPION
from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.pictures_backtest import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from crm_ml.jobs.backtest_result import BacktestResult
    from crm_ml.models.evaluation.intervals import Interval

_TEMPLATE = "backtest_page.html.j2"
_EACH = ("auc", "average_precision", "brier", "ece", "level")
_PLACES = {"lift_at_capacity": 2}
_GAIN_AT = 0.2


def page_html(result: BacktestResult) -> str:
    """Return the page as one HTML text with its pictures inside.

    Parameters
    ----------
    result : BacktestResult
        What to show.
    """
    return rendered(_TEMPLATE, _values(result))


def _values(result: BacktestResult) -> dict[str, Any]:
    said, judged = result.language, result.judged
    plain = [key for key, texts in TEXTS.items() if "{" not in texts[0]]
    return {
        "language": said,
        "text": {key: say(result, key) for key in plain},
        "as_of": say(result, "as_of", day=shown.date(result.as_of, said)),
        "method": say(result, "method", days=result.horizon_days),
        "verdict": verdict(result),
        "metrics": [label(metric, said, target=result.target) for metric in METRICS],
        "each_metrics": [label(metric, said, target=result.target) for metric in _EACH],
        "pooled": _rows(result, POOLED, METRICS),
        "cutoffs": [(shown.date(day, said), _rows(result, str(day), _EACH)) for day in result.cutoffs],
        "choices": _choices(result),
        "money": _money(result),
        "money_note": money_note(result),
        "to_champion": _gaps(result, CHAMPION),
        "to_rule": _gaps(result, judged.best_rule) if judged.best_rule else [],
        "rule": label(judged.best_rule, said) if judged.best_rule else "",
        "pictures": _pictures(result),
        "findings": [finding.message for finding in result.findings if finding.severity == "warning"],
    }


def _rows(result: BacktestResult, scope: str, metrics: tuple[str, ...]) -> list[dict[str, Any]]:
    said = result.language
    found = []
    for row in result.table[result.table["cutoff"] == scope].to_dict("records"):
        name = str(row["name"])
        found.append(
            {
                "name": label(name, said),
                "id": name,
                "kind": row["kind"],
                "cutoffs": row["cutoffs"],
                "rows": amounts.grouped(float(row["rows"]), said),
                "churned": amounts.grouped(float(row["churned"]), said),
                "values": [
                    _split(
                        result.judged.measure(name, metric, scope),
                        said,
                        places=_PLACES.get(metric, 3),
                        sign=metric == "level",
                    )
                    for metric in metrics
                ],
            }
        )
    return found


def _split(value: Interval, language: str, **how: Any) -> tuple[str, str]:
    one, _, ends = span(value, language, **how).partition(" ")
    return one, ends


def _choices(result: BacktestResult) -> list[dict[str, str]]:
    said = result.language
    known = {choice.cutoff.isoformat(): choice for choice in result.choices}
    rows = []
    for day, facts in sorted(result.trainings.items()):
        choice = known.get(day)
        said_of_it = "held" if choice is None else "refused" if choice.verdict == "refused" else "passed"
        rows.append(
            {
                "cutoff": day,
                "chosen": "–" if choice is None else label(choice.chosen, said),
                "verdict": say(result, said_of_it),
                "rows": "–" if choice is None else amounts.grouped(float(facts["train_rows"]), said),
            }
        )
    return rows


def _gaps(result: BacktestResult, against: str) -> list[tuple[str, str]]:
    others = [name for name in result.names if name != against]
    return [
        (label(name, result.language), span(result.judged.difference(name, against), result.language, sign=True))
        for name in others
        if _is_there(result, name, against)
    ]


def _money(result: BacktestResult) -> list[dict[str, Any]]:
    """Return one table per room: contacts, by value, by risk, the difference, and by value less the champion's."""
    said = result.language
    if result.money.table.empty:
        return []
    pooled = result.money.table[result.money.table["cutoff"] == POOLED]
    shown_as: list[dict[str, Any]] = []
    for room in ROOMS:
        rows = [
            {
                "name": label(str(row["name"]), said),
                "kind": CHAMPION if row["name"] == CHAMPION else "",
                "contacts": amounts.grouped(float(row["contacts"]), said),
                "values": [_split_money(result, str(row["name"]), amount, room) for amount in AMOUNTS],
            }
            for row in pooled[pooled["room"] == room].to_dict("records")
        ]
        shown_as.append({"caption": room_caption(result, room), "rows": rows})
    return shown_as


def _split_money(result: BacktestResult, name: str, amount: str, room: str) -> tuple[str, str]:
    if amount == "less_champion" and name == CHAMPION:
        return "", ""
    said = result.language
    sign = amount in ("value_less_risk", "less_champion")
    one, _, ends = money_span(result.money.measure(name, amount, room), said, sign=sign).partition(" ")
    return one, ends


def _is_there(result: BacktestResult, name: str, against: str) -> bool:
    d = result.differences
    return bool(((d["cutoff"] == POOLED) & (d["name"] == name) & (d["other"] == against)).any())


def _pictures(result: BacktestResult) -> dict[str, dict[str, str]]:
    said = result.language
    number = partial(digits, language=said)
    table, rule = result.reliability, result.judged.best_rule
    pairs = zip(table["mean_prediction"], table["rate"], strict=True)
    at = {day: result.judged.measure(CHAMPION, "auc", day).value for day in result.cutoffs}
    gains = {
        name: curve["gain"][min(range(len(curve["share"])), key=lambda k: abs(curve["share"][k] - _GAIN_AT))]
        for name, curve in result.gain.items()
    }
    drawn: Mapping[str, tuple[Axes, str]] = {
        "champion": (result.plot(), _alt_gaps(result, CHAMPION)),
        **({"rule": (result.plot(against=rule), _alt_gaps(result, rule))} if rule else {}),
        "cutoffs": (
            result.plot_cutoffs(),
            say(result, "alt_cutoffs", list=", ".join(f"{day} {number(value)}" for day, value in at.items())),
        ),
        "reliability": (
            result.plot_reliability(),
            say(result, "alt_reliability", list=", ".join(f"{number(a)} / {number(b)}" for a, b in pairs)),
        ),
        "gain": (
            result.plot_gain(),
            say(
                result, "alt_gain", list=", ".join(f"{label(k, said)} {shown.share(v, said)}" for k, v in gains.items())
            ),
        ),
    }
    return {name: {"source": _source(axes), "alt": alt} for name, (axes, alt) in drawn.items()}


def _alt_gaps(result: BacktestResult, against: str) -> str:
    said = result.language
    listed = ", ".join(f"{name} {gap}" for name, gap in _gaps(result, against))
    return say(result, "alt_differences", name=label(against, said), list=listed)


def _source(axes: Axes) -> str:
    figure: Any = axes.get_figure()
    return picture_source(picture_bytes(figure))
