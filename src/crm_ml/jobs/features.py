"""The feature table of a workspace's eligible customers, in memory or as a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import features as floor
from crm_ml import names as n
from crm_ml.errors import DataError, UsageError
from crm_ml.features import cutoff_us, make_spine
from crm_ml.jobs.files import replace_file
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, as_day, as_workspace, nothing_visible, read_inputs, require_churn
from crm_ml.jobs.settings import Workspace
from crm_ml.tables import Tables

_CUTOFF = "cutoff"


@dataclass(frozen=True)
class FeatureFile:
    """What `write_features` wrote: number of rows, number of feature columns, and where."""

    rows: int
    features: int
    out: Path

    @property
    def table(self) -> pd.DataFrame:
        """The file's content."""
        frame: pd.DataFrame = pq.read_table(self.out).to_pandas()
        return frame

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {"rows": self.rows, "features": self.features, "out": str(self.out)}


def build_features(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str | Sequence[dt.date | str] = (),
    spine: pd.DataFrame | str | Path | None = None,
) -> pd.DataFrame:
    """Return the features of the eligible customers of one or more days, or of the rows of a spine.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn"}
        What to work on.
    as_of : date, ISO text, or several
        Business days.
    spine : DataFrame or Parquet file, optional
        Columns ``customer_id`` and ``as_of`` (dates) instead of the eligible customers of `as_of`. Customers who object
        to profiling are left out.

    Returns
    -------
    DataFrame
        ``customer_id``, ``as_of`` and one column per feature, sorted by (as_of, customer_id); of a given spine in its
        order.

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at one of the days.
    UsageError
        Neither or both of `as_of` and `spine` are given.
    """
    workspace = as_workspace(workspace)
    days = [as_day(day) for day in ([as_of] if isinstance(as_of, str | dt.date) else as_of)]
    if bool(days) == (spine is not None):
        raise UsageError("features needs either days (--as-of) or a spine, and not both", remedy="Give one of them.")
    require_churn(workspace, kind)
    given = None if spine is None else _given_spine(spine)
    tables = read_inputs(workspace, only=CHURN_TABLES)
    if given is not None:
        days = sorted(set(given[n.AS_OF]))
    _refuse_unseen(tables, days)
    if given is None:
        rows = make_spine(tables, sorted(set(days)), active_days=workspace.settings.churn.active_days)
    else:
        rows = _permitted(tables, given, days)
    return floor.build_features(tables, rows).drop(columns=_CUTOFF)


def write_features(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: dt.date | str | Sequence[dt.date | str] = (),
    spine: pd.DataFrame | str | Path | None = None,
    out: str | Path,
) -> FeatureFile:
    """Write the table of `build_features` as Parquet; the file appears whole or not at all."""
    path = Path(out).expanduser().absolute()
    if path.suffix != ".parquet":
        raise UsageError(f"--out must end in .parquet; found {path.name!r}", remedy="Name it e.g. features.parquet.")
    frame = build_features(workspace, kind, as_of=as_of, spine=spine)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    at = table.schema.get_field_index(n.AS_OF)
    table = table.set_column(at, n.AS_OF, pa.array(list(frame[n.AS_OF]), pa.date32()))
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}", remedy="Make it, or name another --out.")
    replace_file(path, lambda beside: pq.write_table(table, beside, compression="zstd"), step="features")
    return FeatureFile(table.num_rows, table.num_columns - 2, path)


def _refuse_unseen(tables: Tables, days: Sequence[dt.date]) -> None:
    for day in days:
        if floor.visible(tables, cutoff_us(day, tables.zone)).frames[n.ORDER_LINES].num_rows == 0:
            raise nothing_visible(day)


def _given_spine(spine: pd.DataFrame | str | Path) -> pd.DataFrame:
    if isinstance(spine, pd.DataFrame):
        frame = spine
    else:
        try:
            frame = pq.read_table(spine).to_pandas()
        except FileNotFoundError:
            raise DataError(f"There is no spine file {spine}", remedy="Check --spine.", code="missing_file") from None
        except (OSError, pa.ArrowException):
            raise DataError(
                f"The spine {spine} is not a readable Parquet file", remedy="Write it again.", code="unreadable_file"
            ) from None
    missing = [name for name in (n.CUSTOMER_ID, n.AS_OF) if name not in frame.columns]
    if missing:
        raise DataError(
            f"A spine must have the columns customer_id and as_of; {', '.join(missing)} is missing",
            remedy="Add it.",
            code="missing_column",
        )
    ids = frame[n.CUSTOMER_ID]
    if not all(isinstance(value, str) for value in ids):
        raise DataError("customer_id of the spine must be text (leading zeros count)", remedy="Store it as text.")
    try:
        days = [as_day(_plain_date(value)) for value in frame[n.AS_OF]]
    except (TypeError, ValueError, AttributeError):
        raise DataError("as_of of the spine must be dates", remedy="Store it as dates.", code="bad_type") from None
    return pd.DataFrame({n.CUSTOMER_ID: ids.to_numpy(dtype=object), n.AS_OF: days})


def _plain_date(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        if value != value or value.time() != dt.time(0):  # NaT is not equal to itself
            raise ValueError(value)
        return value.date()
    return value


def _permitted(tables: Tables, spine: pd.DataFrame, days: Sequence[dt.date]) -> pd.DataFrame:
    """Leave out who may not be profiled, and give each row its cutoff."""
    cutoffs = {day: cutoff_us(day, tables.zone) for day in days}
    rows = spine.assign(**{_CUTOFF: [cutoffs[day] for day in spine[n.AS_OF]]})
    customers = tables.frames.get(n.CUSTOMERS)
    if customers is None:
        return rows.reset_index(drop=True)
    plain = customers.select([n.CUSTOMER_ID, "profiling_objection"]).to_pandas()
    objecting = set(plain.loc[plain["profiling_objection"].eq(True).fillna(False), n.CUSTOMER_ID])
    return rows[~rows[n.CUSTOMER_ID].isin(objecting)].reset_index(drop=True)
