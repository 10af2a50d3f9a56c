"""What was published about one customer on earlier days, as far as the sets are still there."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.jobs.score_table import FILE_NAME
from crm_ml.jobs.settings import Workspace


def published_scores(workspace: Workspace, customer_id: str, day: dt.date, *, months: int) -> pd.DataFrame:
    """Return ``as_of``, ``p_churn`` and ``published`` (True) of the sets up to a day, oldest first.

    Sets that cannot be read, and links that lead out of the folder of the published sets, are left out.

    Parameters
    ----------
    workspace : Workspace
        Whose sets.
    customer_id : str
        The customer.
    day : date
        The last day that counts.
    months : int
        How far back, in months of 31 days.
    """
    folder = workspace.published
    base, first = folder.resolve(), day - dt.timedelta(days=31 * months)
    rows: list[tuple[dt.date, float]] = []
    for path in sorted(folder.glob(f"*/scores/{FILE_NAME}")):
        try:
            its_day = dt.date.fromisoformat(path.parent.parent.name)
            if not (first <= its_day <= day and path.resolve().is_relative_to(base)):
                continue
            found = pq.read_table(path, columns=["p_churn"], filters=[(n.CUSTOMER_ID, "=", customer_id)])
        except (ValueError, OSError, pa.ArrowException):
            continue
        rows += [(its_day, float(p)) for p in found["p_churn"].to_pylist()]
    return pd.DataFrame(
        {
            n.AS_OF: pd.Series([on for on, _ in rows], dtype=object),
            "p_churn": pd.Series([p for _, p in rows], dtype=float),
            "published": pd.Series([True] * len(rows), dtype=bool),
        }
    )
