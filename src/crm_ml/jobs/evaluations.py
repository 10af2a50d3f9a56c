"""The evaluation rows of each training, kept in the workspace and not in MLflow: they hold customer ids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.actions import value_at_stake
from crm_ml.errors import DamagedArtefact
from crm_ml.jobs.files import disk_errors, make_folder, remove_leftovers, replace_file
from crm_ml.jobs.settings import Workspace, inside

COLUMNS = (n.CUSTOMER_ID, n.AS_OF, "y", "margin", "p", "value_at_stake")
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def evaluation_path(workspace: Workspace, run_id: str) -> Path:
    """Return ``mlflow/evaluations/<run_id>.parquet``."""
    if _RUN_ID.fullmatch(run_id) is None:
        raise ValueError(f"{run_id!r} is no id of a run")
    return inside(workspace.root, "mlflow") / "evaluations" / f"{run_id}.parquet"


def write_evaluation(
    workspace: Workspace,
    run_id: str,
    evaluation: pd.DataFrame,
    features: pd.DataFrame,
    *,
    worth: np.ndarray | None = None,
) -> Path:
    """Write the predictions of a training's evaluation rows, whole or not at all.

    Parameters
    ----------
    workspace : Workspace
        Whose training.
    run_id : str
        Its MLflow run.
    evaluation : DataFrame
        ``Training.evaluation``: customer_id, as_of, y, margin, p; ``margin_<name>`` and ``p_<name>`` of every candidate
        and rule come along.
    features : DataFrame
        Of the same rows, for the value at stake; 0 where it is not known.
    worth : numpy.ndarray, optional
        The value at stake of each row of `features`; default: as `stakes` finds it.
    """
    keys = [n.CUSTOMER_ID, n.AS_OF]
    found = stakes(features, workspace.settings.margin_rate) if worth is None else worth
    values = features[keys].assign(value_at_stake=found)
    table = evaluation.merge(values, on=keys, how="left", validate="one_to_one")
    table["value_at_stake"] = table["value_at_stake"].fillna(0.0)
    others = [name for name in evaluation.columns if name not in COLUMNS]
    table = table[[*COLUMNS, *others]].sort_values([n.AS_OF, n.CUSTOMER_ID], kind="stable", ignore_index=True)
    types = {n.CUSTOMER_ID: pa.string(), n.AS_OF: pa.date32(), "y": pa.bool_()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in table.columns])
    path = evaluation_path(workspace, run_id)
    with disk_errors(path.parent):
        make_folder(path.parent)
        remove_leftovers(path.parent)
    content = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    replace_file(path, lambda beside: pq.write_table(content, beside), step="evaluation")
    return path


def stakes(features: pd.DataFrame, margin_rate: float) -> np.ndarray:
    """Return the value at stake per row; 0 where the revenue is not among the features."""
    if n.NET_REVENUE_365D not in features:
        return np.zeros(len(features))
    cost = features[n.COST_365D].to_numpy(np.float64) if n.COST_365D in features else None
    return value_at_stake(features[n.NET_REVENUE_365D].to_numpy(np.float64), cost=cost, margin_rate=margin_rate)


def read_evaluation(workspace: Workspace, run_id: str) -> pd.DataFrame | None:
    """Return the kept rows of a training; None where they were not kept (an older version, another machine).

    Raises
    ------
    DamagedArtefact
        If the file is not what was written.
    """
    path = evaluation_path(workspace, run_id)
    if not path.exists():
        return None
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException):
        frame = pd.DataFrame()
    if not set(COLUMNS) <= set(frame.columns):
        raise DamagedArtefact(
            f"{path} is damaged: it must hold {', '.join(COLUMNS)}",
            remedy="Restore it, or remove it: then that training has no kept predictions to compare.",
        )
    return frame
