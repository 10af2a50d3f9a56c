"""What one day's scores leave in MLflow: figures, causes and pictures, and no customer's name or id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_ml.jobs.score_table import Scored
from crm_ml.jobs.tracking import RunRecord
from crm_ml.models import Contributions
from crm_ml.models.explain.groups import group_contributions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

_PICTURE_ROWS = 2_000


def day_record(scored: Scored, *, as_of: str, tags: Mapping[str, str], metrics: Mapping[str, float]) -> RunRecord:
    """Return the run of a day.

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
    causes = group_contributions(scored.contributions, frame=scored.features)
    by_cause = causes.abs().mean().sort_values(ascending=False, kind="stable")
    importance = scored.contributions.importance()
    found = {
        "customers": float(len(table)),
        "p_churn_mean": float(table["p_churn"].mean()),
        "value_at_stake_sum": float(table["value_at_stake"].sum()),
        "priority_sum": float(table["priority"].sum()),
        **{f"tier_{tier}": float((table["risk_tier"] == tier).sum()) for tier in ("high", "medium", "low")},
        **{f"cause_{cause}": float(size) for cause, size in by_cause.items()},
        **metrics,
    }
    causes_table = by_cause.rename_axis("cause").rename("mean_abs_contribution").reset_index()
    return RunRecord(
        name=f"day {as_of}",
        params={},
        metrics={name: value for name, value in found.items() if np.isfinite(value)},
        tags={"as_of": as_of, **tags},
        texts={
            "tables/causes.csv": causes_table.to_csv(index=False, lineterminator="\n"),
            "tables/importance.csv": importance.to_csv(index=False, lineterminator="\n"),
        },
        figures=_pictures(scored, table["p_churn"], as_of),
    )


def _pictures(scored: Scored, p: pd.Series, as_of: str) -> dict[str, Figure]:
    from crm_ml.models.explain.pictures import bar_figure, beeswarm_figure, histogram_figure

    step = max(1, -(-len(scored.features) // _PICTURE_ROWS))
    rows = scored.features.iloc[::step]
    shown = Contributions(scored.contributions.values.iloc[::step], scored.contributions.base)
    return {
        "pictures/shap_beeswarm.png": beeswarm_figure(shown, rows),
        "pictures/shap_bar.png": bar_figure(shown),
        "pictures/scores.png": histogram_figure(p.to_numpy(np.float64), title=f"Churn scores as of {as_of}"),
    }
