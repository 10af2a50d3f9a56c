"""The feature table of a workspace's eligible customers or open leads, in memory or as a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import features as floor
from crm_ml import names as n
from crm_ml.errors import DataError, UsageError
from crm_ml.features import CUSTOMER, LEAD, AnyFeature, Subject, cutoff_us, lead_spine
from crm_ml.features.attributes import own_features
from crm_ml.features.choice import FeatureChoice
from crm_ml.features.timeline import DAY, I64, date_of
from crm_ml.jobs.definition import eligible
from crm_ml.jobs.feature_file import Staged
from crm_ml.jobs.files import disk_errors, replace_file
from crm_ml.jobs.inputs import (
    CHURN,
    CHURN_TABLES,
    LEADS,
    as_day,
    as_workspace,
    lead_tables,
    nothing_visible,
    read_inputs,
    require_kind,
)
from crm_ml.jobs.settings import Workspace
from crm_ml.tables import Tables
from crm_ml.tables.zones import local_to_utc

_CUTOFF = "cutoff"
Days = dt.date | str | Sequence[dt.date | str]


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
    as_of: Days = (),
    spine: pd.DataFrame | str | Path | None = None,
) -> pd.DataFrame:
    """Return the features of the eligible customers or open leads of one or more days, or of the rows of a spine.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to work on.
    as_of : date, ISO text, or several
        Business days.
    spine : DataFrame or Parquet file, optional
        Columns ``customer_id`` (or ``lead_id``) and ``as_of`` (dates, or time stamps) instead of the eligible customers
        or open leads of `as_of`. Each row may have an instant of its own: what happened and was known strictly before
        it counts. Time stamps without a zone are local times of the workspace. Customers who object to profiling are
        left out.

    Returns
    -------
    DataFrame
        ``customer_id`` or ``lead_id``, ``as_of`` and one column per feature, sorted by (as_of, id); of a given spine in
        its order.

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at one of the days.
    UsageError
        Neither or both of `as_of` and `spine` are given.
    """
    asked = _asked(workspace, kind, as_of, spine)
    made = floor.build_features(asked.tables, asked.rows, features=asked.features, of=asked.of)
    return made.drop(columns=_CUTOFF)


@dataclass(frozen=True)
class Asked:
    """The tables, the rows asked for (id, ``as_of``, ``cutoff``), of whom they are, and which features."""

    tables: Tables
    rows: pd.DataFrame
    of: Subject
    features: list[AnyFeature] | None


def _asked(workspace: Workspace | str | Path, kind: str, as_of: Days, spine: pd.DataFrame | str | Path | None) -> Asked:
    workspace = as_workspace(workspace)
    days = [as_day(day) for day in ([as_of] if isinstance(as_of, str | dt.date) else as_of)]
    if bool(days) == (spine is not None):
        raise UsageError("features needs either days (--as-of) or a spine, and not both", remedy="Give one of them.")
    require_kind(workspace, kind)
    of = LEAD if kind == LEADS else CUSTOMER
    given = None if spine is None else given_spine(spine, workspace.settings.timezone, of.key)
    own = lead_tables(workspace.settings.tables[n.LEADS].known_from) if of == LEAD else CHURN_TABLES
    tables = read_inputs(workspace, only=own)
    if given is None:
        _refuse_unseen(tables, {cutoff_us(day, tables.zone): day for day in days}, kind)
        wanted = sorted(set(days))
        rows = lead_spine(tables, wanted) if of == LEAD else eligible(tables, wanted, workspace.settings.churn)
    else:
        first = given.nsmallest(1, _CUTOFF)
        _refuse_unseen(tables, dict(zip(first[_CUTOFF].tolist(), first[n.AS_OF], strict=True)), kind)
        rows = given if of == LEAD else permitted(tables, given)
    return Asked(tables, rows, of, _shown(workspace.choice_of(of), tables))


def _shown(choice: FeatureChoice, tables: Tables) -> list[AnyFeature] | None:
    """Return the features that models of the workspace are given; None where nothing is said."""
    return None if choice.says_nothing else list(choice.chosen(own_features(tables, choice.of.table)))


def write_features(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    *,
    as_of: Days = (),
    spine: pd.DataFrame | str | Path | None = None,
    out: str | Path,
) -> FeatureFile:
    """Write the table of `build_features` as Parquet; the file appears whole or not at all.

    Features go through a file beside it, so memory does not grow with their number or that of the days.
    """
    path = Path(out).expanduser().absolute()
    if path.suffix != ".parquet":
        raise UsageError(f"--out must end in .parquet; found {path.name!r}", remedy="Name it e.g. features.parquet.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}", remedy="Make it, or name another --out.")
    asked = _asked(workspace, kind, as_of, spine)
    rows = asked.rows
    keys = pa.Table.from_pandas(rows.drop(columns=_CUTOFF), preserve_index=False).replace_schema_metadata(None)
    at = keys.schema.get_field_index(n.AS_OF)
    if not pa.types.is_timestamp(keys.schema.field(at).type):
        keys = keys.set_column(at, n.AS_OF, pa.array(list(rows[n.AS_OF]), pa.date32()))
    with disk_errors(path), Staged(path.parent, len(rows)) as staged:
        for positions, columns in floor.feature_parts(asked.tables, rows, features=asked.features, of=asked.of):
            staged.put(positions, columns)
        replace_file(path, lambda beside: staged.write(keys, beside), step="features")
    return FeatureFile(len(rows), len(staged.names), path)


def _refuse_unseen(tables: Tables, cutoffs: Mapping[int, dt.date], kind: str) -> None:
    table = n.LEADS if kind == LEADS else n.ORDER_LINES
    # more is visible later: the first cutoff at which something is clears all that follow
    for cutoff in sorted(cutoffs):
        if floor.sees_any(tables, table, cutoff):
            return
        raise nothing_visible(cutoffs[cutoff], kind)


def given_spine(spine: pd.DataFrame | str | Path, zone: str, key: str) -> pd.DataFrame:
    """Return a spine that was given: ids under `key`, ``as_of`` as given, ``cutoff`` in UTC microseconds.

    Raises
    ------
    DataError
        If the file, a column or a value is not as it must be.
    """
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
    missing = [name for name in (key, n.AS_OF) if name not in frame.columns]
    if missing:
        raise DataError(
            f"A spine must have the columns {key} and as_of; {', '.join(missing)} is missing",
            remedy="Add it.",
            code="missing_column",
        )
    ids = frame[key]
    if not all(isinstance(value, str) for value in ids):
        raise DataError(f"{key} of the spine must be text (leading zeros count)", remedy="Store it as text.")
    try:
        as_of, cutoffs = _cutoffs(frame[n.AS_OF], zone)
    except (TypeError, ValueError, AttributeError):
        raise DataError(
            "as_of of the spine must be dates or time stamps", remedy="Store it as one of them.", code="bad_type"
        ) from None
    return pd.DataFrame({key: ids.to_numpy(dtype=object), n.AS_OF: as_of, _CUTOFF: cutoffs})


def _cutoffs(given: pd.Series[Any], zone: str) -> tuple[pd.Series[Any], I64]:
    """Return (as_of, UTC microseconds): days begin at midnight, time stamps without a zone are local.

    Each row may have an instant of its own, so time stamps are converted as arrays, and other values once each.
    """
    if given.isna().any():
        raise ValueError("null")
    aware = isinstance(given.dtype, pd.DatetimeTZDtype)
    if aware or (isinstance(given.dtype, np.dtype) and given.dtype.kind == "M"):
        plain = given.dt.tz_convert("UTC").dt.tz_localize(None) if aware else given
        us = plain.to_numpy(dtype="datetime64[us]").view(np.int64)
        if aware or (us % DAY).any():
            return _stamps(us if aware else local_to_utc(us, zone))
        at, numbers = pd.factorize(us // DAY)
        days = [as_day(date_of(number)) for number in numbers]
    else:
        at, found = pd.factorize(given.astype(object))
        values = found.tolist()
        if not all(map(_is_day, values)):
            return _stamps(_instants(values, zone)[at])
        days = [as_day(value.date() if isinstance(value, dt.datetime) else value) for value in values]
    cutoffs = np.array([cutoff_us(day, zone) for day in days], np.int64)
    return pd.Series(np.array(days, dtype=object)[at], dtype=object), cutoffs[at]


def _is_day(value: Any) -> bool:
    return not isinstance(value, dt.datetime) or (value.tzinfo is None and value.time() == dt.time(0))


def _stamps(instants: I64) -> tuple[pd.Series[Any], I64]:
    return pd.Series(pd.to_datetime(instants, unit="us", utc=True)), instants


def _instants(values: list[Any], zone: str) -> I64:
    """Return time stamps of any kind as instants: those without a zone are the wall clock of the workspace's zone."""
    stamps = [pd.Timestamp(value) for value in values]
    own = np.array([stamp.tzinfo is not None for stamp in stamps], bool)
    plain_us = np.array(
        [(stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp).to_datetime64() for stamp in stamps],
        "datetime64[us]",
    ).view(np.int64)
    return np.where(own, plain_us, local_to_utc(plain_us, zone))


def permitted(tables: Tables, rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out who may not be profiled."""
    customers = tables.frames.get(n.CUSTOMERS)
    if customers is None:
        return rows.reset_index(drop=True)
    plain = customers.select([n.CUSTOMER_ID, "profiling_objection"]).to_pandas()
    objecting = set(plain.loc[plain["profiling_objection"].eq(True).fillna(False), n.CUSTOMER_ID])
    return rows[~rows[n.CUSTOMER_ID].isin(objecting)].reset_index(drop=True)
