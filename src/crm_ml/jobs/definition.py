"""What churn means in a workspace, applied: who is eligible, what then happened, and what a stored model predicts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.errors import DamagedArtefact, DataError
from crm_ml.features import churn_labels, label_horizons, make_spine
from crm_ml.features.outcome import CONTRACT_CANCELLED
from crm_ml.jobs.settings import ChurnSettings, Workspace
from crm_ml.models import Label
from crm_ml.tables import Tables


def require_tables(workspace: Workspace) -> None:
    """Raise unless the tables that the workspace's definition of churn speaks of are mapped.

    Raises
    ------
    DataError
        With the table and the key of crm.yaml that needs it.
    """
    churn = workspace.settings.churn
    needed = {}
    if churn.target == CONTRACT_CANCELLED:
        needed[n.CONTRACTS] = f"churn.target: {churn.target}"
    if churn.category is not None:
        needed[n.PRODUCTS] = f"churn.category: {churn.category}"
    for table, key in needed.items():
        if table not in workspace.settings.tables:
            raise DataError(
                f"The table {table} is needed for `{key}` and is not mapped",
                remedy=f"Map it under `tables:` in {workspace.root / 'crm.yaml'}, or take the key out.",
                code="table_not_mapped",
            )


def eligible(tables: Tables, days: Sequence[dt.date], churn: ChurnSettings) -> pd.DataFrame:
    """Return who is eligible on each day by the workspace's definition; see `crm_ml.features.make_spine`."""
    return make_spine(tables, days, active_days=churn.active_days, outcome=churn.outcome)


def outcomes(
    tables: Tables, spine: pd.DataFrame, churn: ChurnSettings, *, known_until: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each row of a spine churned, and the days of its label window.

    Parameters
    ----------
    tables : Tables
        What the company has.
    spine : DataFrame
        ``customer_id`` and ``as_of`` (or ``cutoff``).
    churn : ChurnSettings
        What churn means.
    known_until : int
        UTC microseconds; labels are judged by what is visible then. Rows whose window ends later are not mature, and
        their labels must not be used: `make_dataset` takes the days and knows.

    Returns
    -------
    tuple of ndarray
        bool and int64, in the order of the spine.
    """
    days = label_horizons(tables, spine, horizon_days=churn.horizon_days, outcome=churn.outcome)
    labels = churn_labels(
        tables, spine, gap_days=churn.gap_days, horizon_days=days, known_until=known_until, outcome=churn.outcome
    )
    return labels, days


def label_of(churn: ChurnSettings) -> Label:
    """Return what a model trained with these settings predicts."""
    return Label(churn.gap_days, churn.horizon_days, outcome=churn.outcome)


def flat_label(label: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored label as values that can be compared one by one, whatever version wrote it.

    Raises
    ------
    DamagedArtefact
        If it has keys or values that this version does not know.

    Examples
    --------
    >>> flat_label({"target": "churn", "gap_days": 0, "horizon_days": 90})
    {'gap_days': 0, 'horizon_days': 90, 'target': 'no_purchase'}
    """
    try:
        known = Label.from_json(label)
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedArtefact(
            f"The model that serves predicts what this version does not know: {error}",
            remedy="Update crm-ml, or train again.",
        ) from error
    plain = known.outcome.as_json()
    own = plain.pop("own_gap", {})
    bounds = {"horizon.own_gap" if key == "times" else f"horizon.{key}": value for key, value in own.items()}
    if known.target != "churn":
        plain = {"target": known.target}
    return {"gap_days": known.gap_days, "horizon_days": known.horizon_days, **plain, **bounds}
