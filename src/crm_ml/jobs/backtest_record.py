"""What a backtest leaves in MLflow: metrics and tables, and no customer's name or id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_ml.jobs.backtest_result import BacktestResult
from crm_ml.jobs.tracking import RunRecord, as_json
from crm_ml.models.evaluation.backtest_money import ROOMS
from crm_ml.models.evaluation.backtest_rows import CHAMPION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def backtest_record(result: BacktestResult, tags: Mapping[str, str]) -> RunRecord:
    """Return the run of a backtest.

    Parameters
    ----------
    result : BacktestResult
        What it came to.
    tags : mapping
        ``inputs_hash`` and ``data_hash``.
    """
    judged = result.judged
    metrics: dict[str, float] = {"cutoffs": float(len(result.cutoffs)), "rows": float(result.rows)}
    for name, value in result.metrics.items():
        metrics |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    for name in result.names[1:]:
        metrics[f"auc_{name}"] = judged.measure(name).value
        gap, stem = judged.difference(CHAMPION, name), f"auc_minus_{name}"
        metrics |= {stem: gap.value, f"{stem}_low": gap.low, f"{stem}_high": gap.high}
    for room in ROOMS:
        for amount in ("by_value", "by_risk", "value_less_risk"):
            value, stem = result.money.measure(CHAMPION, amount, room), f"money_{room}_{amount}"
            metrics |= {stem: value.value, f"{stem}_low": value.low, f"{stem}_high": value.high}
    timed = {}
    if result.cost is not None:
        metrics |= result.cost.whole.metrics()
        if result.cost.peak_memory_mb is not None:
            metrics["peak_memory_mb_of_all"] = result.cost.peak_memory_mb
        timed = {"tables/seconds.csv": result.cost.table.to_csv(index=False, lineterminator="\n", float_format="%.3f")}
    chosen = pd.DataFrame([choice.as_dict() for choice in result.choices])[["cutoff", "chosen", "verdict"]]
    return RunRecord(
        name=f"backtest {result.as_of}",
        params={"cutoffs": ", ".join(map(str, result.cutoffs)), "horizon_days": result.horizon_days},
        metrics={name: value for name, value in metrics.items() if np.isfinite(value)},
        tags={
            "as_of": result.as_of.isoformat(),
            "best_candidate": judged.best_candidate,
            "best_rule": judged.best_rule,
            **tags,
        },
        texts={
            "tables/metrics.csv": _csv(result.table),
            "tables/differences.csv": _csv(result.differences),
            "tables/money.csv": _csv(result.money.table),
            "tables/choices.csv": _csv(chosen),
            "tables/reliability.json": as_json(result.reliability),
            "tables/gain.json": as_json(result.gain),
            **timed,
        },
        figures=_pictures(result),
    )


def _csv(frame: pd.DataFrame) -> str:
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _pictures(result: BacktestResult) -> dict[str, Figure]:
    drawn = {
        "differences": result.plot(),
        "cutoffs": result.plot_cutoffs(),
        "reliability": result.plot_reliability(),
        "gain": result.plot_gain(),
    }
    return {f"pictures/{name}.png": _figure(axes) for name, axes in drawn.items()}


def _figure(axes: Axes) -> Any:
    return axes.get_figure()
