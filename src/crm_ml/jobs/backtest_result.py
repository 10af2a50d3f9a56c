"""What a backtest came to, as Python, as JSON and as pictures."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_ml.costs import Cost
from crm_ml.errors import Finding
from crm_ml.jobs.backtest_work import Outcome, choice_of
from crm_ml.models.evaluation.backtest import METRICS, POOLED, Backtest
from crm_ml.models.evaluation.backtest_money import MONEY_COLUMNS, Terms
from crm_ml.models.evaluation.backtest_rows import CHAMPION, Choice
from crm_ml.models.evaluation.intervals import Interval
from crm_ml.models.evaluation.metrics import gain_table, reliability_table
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUMMARY, PREDICTIONS, PAGE = "summary.json", "predictions.parquet", "page.html"


@dataclass(frozen=True)
class Money:
    """What the scores of a backtest would have earned, and what that rests on.

    Attributes
    ----------
    terms : Terms or None
        Save rate, cost and room; None where the policy says nothing usable.
    action : str
        Of the policy, whose save rate and cost they are.
    labels : dict of str to str
        What the action is called: ``de`` and ``en``.
    currency : str
    table : pandas.DataFrame
        As `crm_ml.models.evaluation.backtest_money.judge_money` returns it.
    """

    terms: Terms | None
    action: str
    labels: Mapping[str, str]
    currency: str
    table: pd.DataFrame

    def measure(self, name: str, amount: str = "by_value", room: str = "lists", cutoff: str = POOLED) -> Interval:
        """Return one amount of one name; its parts are NaN where it is not known.

        Parameters
        ----------
        name : str
            ``champion``, a candidate or a rule.
        amount : {"by_value", "by_risk", "value_less_risk", "less_champion"}
            Of the list by value or by risk, or a difference.
        room : {"lists", "share", "best"}
            How many are contacted.
        cutoff : str
            ``pooled`` or a cutoff (ISO).
        """
        t = self.table
        rows = t[(t["cutoff"] == cutoff) & (t["name"] == name) & (t["room"] == room)]
        if rows.empty:
            return Interval(math.nan, math.nan, math.nan)
        return Interval(*(float(rows.iloc[0][f"{amount}{end}"]) for end in ("", "_low", "_high")))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        terms = self.terms
        return {
            "action": self.action,
            "labels": dict(self.labels),
            "currency": self.currency,
            "save_rate": None if terms is None else terms.save_rate,
            "cost": None if terms is None else terms.cost,
            "lists": None if terms is None else dict(terms.lists),
            "share": None if terms is None else terms.share,
            "table": _records(self.table),
        }


@dataclass(frozen=True)
class BacktestCost:
    """What a backtest took. It depends on the machine, so it is no part of what is published.

    Attributes
    ----------
    whole : Cost
        Seconds of its steps by the clock on the wall, and memory of its own process. Processor time is that of the
        process and of those it started.
    trainings : mapping
        Cutoff (ISO) to the cost of its training: stages as `train` has them, memory of the process that trained. One
        that an earlier run had finished says what it took then, and is not in `whole`.
    """

    whole: Cost
    trainings: Mapping[str, Cost]

    @property
    def peak_memory_mb(self) -> float | None:
        """The most memory that any one of the processes has held."""
        known = [cost.peak_memory_mb for cost in (self.whole, *self.trainings.values())]
        return max((each for each in known if each is not None), default=None)

    @property
    def table(self) -> pd.DataFrame:
        """One row per step: ``cutoff`` (empty: the backtest itself), ``stage``, ``seconds``; the longest first."""
        parts = {"": self.whole, **self.trainings}
        rows = [(day, stage, taken) for day, cost in parts.items() for stage, taken in cost.seconds.items()]
        rows.sort(key=lambda row: (row[0], -row[2], row[1]))
        return pd.DataFrame(rows, columns=["cutoff", "stage", "seconds"])

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values: as `train` has them, and the same per training."""
        return {**self.whole.as_dict(), "trainings": {day: cost.as_dict() for day, cost in self.trainings.items()}}


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest came to; the same whether it was computed now or found published.

    Attributes
    ----------
    model : str
        ``churn`` or ``leads``.
    as_of : datetime.date
        The day at which it looks back.
    horizon_days : int
        Length of the label window.
    language : {"de", "en"}
        Of the page and the pictures.
    choices : tuple of Choice
        What the training as of each cutoff would have served; oldest first.
    judged : Backtest
        Table, differences, and the best candidate and rule.
    money : Money
        What the scores would have earned; without rows where nothing is known to be at stake.
    predictions : pyarrow.Table
        ``cutoff``, ``customer_id``, ``name``, ``margin``, ``p``, ``y``, ``value_at_stake``.
    trainings : mapping
        Cutoff (ISO) to what is known of its training: rows, events, days evaluated on, or why it was held back.
    findings : tuple of Finding
    published : Path or None
        The folder; None after a dry run.
    already_published : bool
    run_id : str
        In MLflow; empty after a dry run or where the store did not answer.
    target : str
        Of the label: ``churn``, or the stage that leads are to reach.
    cost : BacktestCost or None
        What it took; None where it was found published.
    """

    model: str
    as_of: dt.date
    horizon_days: int
    language: str
    choices: tuple[Choice, ...]
    judged: Backtest
    money: Money
    predictions: pa.Table
    trainings: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...] = ()
    published: Path | None = None
    already_published: bool = False
    run_id: str = ""
    target: str = CHURN_TARGET
    cost: BacktestCost | None = None

    @property
    def cutoffs(self) -> tuple[dt.date, ...]:
        """The days that were trained and judged at; oldest first."""
        return tuple(choice.cutoff for choice in self.choices)

    @property
    def names(self) -> tuple[str, ...]:
        """``champion``, the candidates, the rules."""
        return self.judged.names

    @property
    def rows(self) -> int:
        """Customers, or leads, judged, over all cutoffs."""
        return int(self.table.loc[(self.table["cutoff"] == POOLED) & (self.table["name"] == CHAMPION), "rows"].iloc[0])

    @property
    def table(self) -> pd.DataFrame:
        """One row per scope (``pooled``, then each cutoff) and name, each metric with its 95 % interval."""
        return self.judged.table

    @property
    def differences(self) -> pd.DataFrame:
        """One row per scope, pair of names and metric: first minus second, paired."""
        return self.judged.differences

    @property
    def metrics(self) -> dict[str, Interval]:
        """Pooled metrics of what would have served."""
        return {metric: self.judged.measure(CHAMPION, metric) for metric in METRICS}

    @cached_property
    def champion(self) -> pd.DataFrame:
        """What would have served, customer by customer: cutoff, customer_id, name, margin, p, y, value_at_stake."""
        frame: pd.DataFrame = self.predictions.to_pandas()
        chosen = {choice.cutoff: choice.chosen for choice in self.choices}
        served: pd.DataFrame = frame[frame["name"] == frame["cutoff"].map(chosen)].reset_index(drop=True)
        return served

    def plot(self, ax: Axes | None = None, *, against: str = CHAMPION, metric: str = "auc") -> Axes:
        """Draw the pooled paired differences of all others to one, with their intervals, and return the axes."""
        from crm_ml.models.explain.pictures_backtest import draw_differences

        return draw_differences(
            self.differences,
            self.names,
            against=against,
            metric=metric,
            ax=ax,
            language=self.language,
            target=self.target,
        )

    def plot_cutoffs(self, ax: Axes | None = None, *, metric: str = "auc") -> Axes:
        """Draw one metric of each name at each cutoff and return the axes."""
        from crm_ml.models.explain.pictures_backtest import draw_cutoffs

        return draw_cutoffs(self.table, self.names, metric=metric, ax=ax, language=self.language, target=self.target)

    def plot_reliability(self, ax: Axes | None = None) -> Axes:
        """Draw how far the probabilities that would have served kept their word and return the axes."""
        from crm_ml.models.explain.pictures_backtest import draw_reliability

        return draw_reliability(self.reliability, ax=ax, language=self.language, target=self.target)

    def plot_gain(self, ax: Axes | None = None) -> Axes:
        """Draw which share of churners, or of leads that reach the target, stands on top and return the axes."""
        from crm_ml.models.explain.pictures_backtest import draw_gain

        return draw_gain(self.gain, ax=ax, language=self.language, target=self.target)

    @cached_property
    def reliability(self) -> dict[str, list[float]]:
        """Reliability curve of what would have served, over all cutoffs."""
        return reliability_table(self.champion["y"].to_numpy(bool), self.champion["p"].to_numpy(np.float64))

    @cached_property
    def gain(self) -> dict[str, dict[str, list[float]]]:
        """Gain curves of the champion, the best candidate and the best rule, over all cutoffs by place in their day."""
        frame: pd.DataFrame = self.predictions.to_pandas()
        shown = {CHAMPION: self.champion}
        for name in (self.judged.best_candidate, self.judged.best_rule):
            if name:
                shown[name] = frame[frame["name"] == name]
        # margins of different trainings are not on one scale: what counts is the place in the list of the day
        place = {name: part.groupby("cutoff")["margin"].rank(pct=True) for name, part in shown.items()}
        return {
            name: gain_table(part["y"].to_numpy(bool), place[name].to_numpy(np.float64)) for name, part in shown.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        where = {
            "published": None if self.published is None else str(self.published),
            "already_published": self.already_published,
            "run_id": self.run_id,
            "cost": None if self.cost is None else self.cost.as_dict(),
        }
        return {**summary_of(self), **where}


def summary_of(result: BacktestResult) -> dict[str, Any]:
    """Return what ``summary.json`` holds: all but where it stands."""
    return {
        "model": result.model,
        "target": result.target,
        "as_of": result.as_of.isoformat(),
        "horizon_days": result.horizon_days,
        "language": result.language,
        "cutoffs": [day.isoformat() for day in result.cutoffs],
        "rows": result.rows,
        "names": list(result.names),
        "champion": {
            "metrics": {name: _plain(value.as_dict()) for name, value in result.metrics.items()},
            "choices": [choice.as_dict() for choice in result.choices],
        },
        "best_candidate": result.judged.best_candidate,
        "best_rule": result.judged.best_rule,
        "table": _records(result.table),
        "differences": _records(result.differences),
        "money": result.money.as_dict(),
        "trainings": {day: dict(facts) for day, facts in result.trainings.items()},
        "findings": [finding.as_dict() for finding in result.findings],
    }


def result_of(summary: Mapping[str, Any], predictions: pa.Table) -> BacktestResult:
    """Return the result from ``summary.json`` and the predictions."""
    judged = Backtest(
        names=tuple(summary["names"]),
        table=_frame(summary["table"], ("cutoff", "name", "kind"), ("cutoffs", "rows", "churned")),
        differences=_frame(summary["differences"], ("cutoff", "name", "other", "metric"), ()),
        best_candidate=summary["best_candidate"],
        best_rule=summary["best_rule"],
    )
    return BacktestResult(
        model=summary["model"],
        target=summary["target"],
        as_of=dt.date.fromisoformat(summary["as_of"]),
        horizon_days=summary["horizon_days"],
        language=summary["language"],
        choices=tuple(choice_of(values) for values in summary["champion"]["choices"]),
        judged=judged,
        money=_money(summary["money"]),
        predictions=predictions,
        trainings=summary["trainings"],
        findings=tuple(Finding(**finding) for finding in summary["findings"]),
    )


def _money(values: Mapping[str, Any]) -> Money:
    terms = None
    if values["save_rate"] is not None:
        terms = Terms(values["save_rate"], values["cost"], values["lists"], values["share"])
    table = (
        _frame(values["table"], ("cutoff", "name", "room"), ())[list(MONEY_COLUMNS)] if values["table"] else no_money()
    )
    return Money(terms, values["action"], values["labels"], values["currency"], table)


def no_money() -> pd.DataFrame:
    """Return the table of money without rows."""
    return pd.DataFrame(columns=list(MONEY_COLUMNS))


def summary_bytes(result: BacktestResult) -> bytes:
    """Return ``summary.json``: the same for the same result."""
    text = json.dumps(summary_of(result), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=str)
    return (text + "\n").encode()


def told_findings(outcomes: Sequence[Outcome]) -> list[Finding]:
    """Return what the trainings said, each thing once: as the newest that says it puts it, and at how many it was."""
    said: dict[str, list[tuple[dt.date, Finding]]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.cutoff, reverse=True):
        for finding in outcome.findings:
            if finding.severity == "warning":
                said.setdefault(finding.code, []).append((outcome.cutoff, finding))
    found = []
    for several in said.values():
        day, newest = several[0]
        times = f" (said at {len(several)} of {len(outcomes)} cutoffs)" if len(outcomes) > 1 else ""
        values = newest.as_dict() | {"message": f"training as of {day}: {newest.message}{times}"}
        found.append(Finding(**values))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain({str(key): value for key, value in row.items()}) for row in frame.to_dict("records")]


def _frame(records: Sequence[Mapping[str, Any]], texts: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    floats = [name for name in frame.columns if name not in (*texts, *counts)]
    return frame.astype(dict.fromkeys(floats, "float64") | dict.fromkeys(counts, "int64"))
