"""Scores at any instants: what the model that serves says of the rows of a spine; nothing is published."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.errors import UsageError
from crm_ml.features import visible
from crm_ml.features.timeline import date_of, zone_clock
from crm_ml.jobs.features import given_spine, permitted
from crm_ml.jobs.files import replace_file
from crm_ml.jobs.inputs import CHURN, LEADS, as_workspace, nothing_visible, read_inputs, require_kind
from crm_ml.jobs.lead_scores import require_declared
from crm_ml.jobs.problem import problem_of
from crm_ml.jobs.score_files import SCORES
from crm_ml.jobs.serving import serving_model
from crm_ml.jobs.settings import Workspace

_CUTOFF = "cutoff"


def score_rows(
    workspace: Workspace | str | Path, kind: str = CHURN, *, spine: pd.DataFrame | str | Path
) -> pd.DataFrame:
    """Return the calibrated probability at each row of a spine, as it was known at that instant.

    So a lead can be scored at its creation and after each touch. A row gives the same number whether it is scored
    alone or among others, to the last bit. Nothing is written and no decision is made: rows need not be eligible.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    spine : DataFrame or path of a Parquet file
        ``customer_id`` or ``lead_id`` (text), and ``as_of``: dates, or time stamps (local where they have no zone).

    Returns
    -------
    DataFrame
        The two columns of the spine, ``p_churn`` or ``p_win``, ``margin`` (log-odds before calibration) and
        ``model_version``, in the order of the spine.

    Raises
    ------
    UsageError
        If the spine is empty.
    DataError
        The data contract is broken, the spine is not as said, or nothing is visible at its newest instant.
    Failure
        No model serves yet.
    HeldBack
        The model was trained as of a later day than the oldest row, or for another label.
    """
    workspace = as_workspace(workspace)
    require_kind(workspace, kind)
    problem = problem_of(workspace, kind)
    rows = given_spine(spine, workspace.settings.timezone, problem.subject.key)
    if len(rows) == 0:
        raise UsageError("The spine must have at least one row; it is empty", remedy="Name who is to be scored, when.")
    tables = read_inputs(workspace, only=problem.tables)
    if kind == CHURN:
        rows = permitted(tables, rows)
    days = [date_of(day) for day in zone_clock(tables.zone).day(rows[_CUTOFF].to_numpy(np.int64)).tolist()]
    serving = serving_model(workspace, kind, min(days))
    main = n.LEADS if kind == LEADS else n.ORDER_LINES
    if visible(tables, int(rows[_CUTOFF].max())).stored[main].num_rows == 0:
        raise nothing_visible(max(days), kind)
    model = serving.load(workspace)
    general = rows.rename(columns={problem.subject.key: n.CUSTOMER_ID})
    frame = problem.features(tables, general, models=[model])
    require_declared(frame, model.features)
    # calibration may move with the season: it looks at the day
    dated = frame.assign(**{n.AS_OF: pd.Series(days, index=frame.index, dtype=object)})
    return pd.DataFrame(
        {
            problem.subject.key: rows[problem.subject.key],
            n.AS_OF: rows[n.AS_OF],
            SCORES[kind].probability: np.clip(np.asarray(model.predict_proba(dated), np.float64), 0.0, 1.0),
            "margin": model.margin(dated),
            "model_version": serving.version,
        }
    )


def write_score_rows(
    workspace: Workspace | str | Path, kind: str = CHURN, *, spine: pd.DataFrame | str | Path, out: str | Path
) -> tuple[Path, int]:
    """Write the table of `score_rows` as Parquet, whole or not at all; return the file and its number of rows."""
    path = Path(out).expanduser().absolute()
    if path.suffix != ".parquet":
        raise UsageError(f"--out must end in .parquet; found {path.name!r}", remedy="Name it e.g. scores.parquet.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}", remedy="Make it, or name another --out.")
    frame = score_rows(workspace, kind, spine=spine)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    at = table.schema.get_field_index(n.AS_OF)
    if not pa.types.is_timestamp(table.schema.field(at).type):
        days = [day if isinstance(day, dt.date) else None for day in frame[n.AS_OF]]
        table = table.set_column(at, n.AS_OF, pa.array(days, pa.date32()))
    replace_file(path, lambda beside: pq.write_table(table, beside, compression="zstd"), step="score_rows")
    return path, table.num_rows
