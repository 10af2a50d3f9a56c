"""What one day's scores leave in MLflow: figures, causes and pictures, and no name or id of anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml.jobs.score_table import Scored
from crm_ml.jobs.tracking import RunRecord
from crm_ml.models import Contributions
from crm_ml.models.terms import CHURN_TARGET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

_PICTURE_ROWS = 2_000


def day_record(scored: Scored, *, as_of: str, tags: Mapping[str, str], metrics: Mapping[str, float]) -> RunRecord:
    """Return the run of a day of customers.

    Parameters
    ----------
    scored : Scored
        Table, features and contributions of the day.
    as_of : str
        The day.
    tags, metrics : mapping
        Besides the tags and metrics that follow from the scores.
    """
    table = scored.table.select(["p_churn", "risk_tier", "priority", "value_at_stake"]).to_pandas()
    found = {
        "customers": float(len(table)),
        "p_churn_mean": float(table["p_churn"].mean()),
        "value_at_stake_sum": float(table["value_at_stake"].sum()),
        "priority_sum": float(table["priority"].sum()),
        **{f"tier_{tier}": float((table["risk_tier"] == tier).sum()) for tier in ("high", "medium", "low")},
        **metrics,
    }
    figures = _pictures(scored, table["p_churn"], f"Churn scores as of {as_of}", CHURN_TARGET)
    return _record(scored, as_of, tags, found, figures)


def lead_day_record(
    scored: Scored, *, as_of: str, tags: Mapping[str, str], metrics: Mapping[str, float], target: str
) -> RunRecord:
    """Return the run of a day of leads: how many, of which grade, who waits for us and how long, the mean chance.

    Parameters
    ----------
    scored : Scored
        Table, features and contributions of the day.
    as_of : str
        The day.
    tags, metrics : mapping
        Besides the tags and metrics that follow from the scores.
    target : str
        The stage whose chance it is.
    """
    table = scored.table.select(["p_win", "grade", "priority", "expected_value", "waited_hours"]).to_pandas()
    waited = table["waited_hours"].dropna()
    found = {
        "leads": float(len(table)),
        "p_win_mean": float(table["p_win"].mean()),
        "expected_value_sum": float(table["expected_value"].sum()),
        "priority_sum": float(table["priority"].sum()),
        **{f"grade_{grade}": float((table["grade"] == grade).sum()) for grade in "ABCD"},
        "waiting": float(len(waited)),
        "waited_hours_median": float(waited.median()),
        **metrics,
    }
    figures = _pictures(scored, table["p_win"], f"Lead scores as of {as_of}", target)
    return _record(scored, as_of, tags, found, figures)


def _record(
    scored: Scored,
    as_of: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    figures: dict[str, Figure],
) -> RunRecord:
    effects = scored.effects
    by_cause = (pd.Series(effects.causes) / effects.rows).sort_values(ascending=False, kind="stable")
    found = {**metrics, **{f"cause_{cause}": float(size) for cause, size in by_cause.items()}}
    causes_table = by_cause.rename_axis("cause").rename("mean_abs_contribution").reset_index()
    each = {name: total / effects.rows for name, total in effects.features.items()}
    importance = pd.DataFrame({"feature": list(each), "mean_abs_contribution": list(each.values())}).sort_values(
        ["mean_abs_contribution", "feature"], ascending=[False, True]
    )
    return RunRecord(
        name=f"day {as_of}",
        params={},
        metrics={name: value for name, value in found.items() if np.isfinite(value)},
        tags={"as_of": as_of, **tags},
        texts={
            "tables/causes.csv": causes_table.to_csv(index=False, lineterminator="\n"),
            "tables/importance.csv": importance.to_csv(index=False, lineterminator="\n"),
        },
        figures=figures,
    )


def _pictures(scored: Scored, p: pd.Series, title: str, target: str) -> dict[str, Figure]:
    from crm_ml.models.explain.pictures import bar_figure, beeswarm_figure, histogram_figure

    step = max(1, -(-len(scored.features) // _PICTURE_ROWS))
    rows = scored.features.iloc[::step]
    shown = Contributions(scored.contributions.values.iloc[::step], scored.contributions.base)
    return {
        "pictures/shap_beeswarm.png": beeswarm_figure(shown, rows),
        "pictures/shap_bar.png": bar_figure(shown),
        "pictures/scores.png": histogram_figure(p.to_numpy(np.float64), title=title, target=target),
    }
