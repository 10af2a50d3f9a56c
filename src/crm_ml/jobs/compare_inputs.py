"""What a comparison reads: registered runs, their evaluation rows, importances, and the folders of backtests."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_ml import names as n
from crm_ml.errors import UsageError
from crm_ml.jobs.inputs import CHURN
from crm_ml.jobs.score_files import backtest_folder
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.jobs.tracking import CHALLENGER, CHAMPION
from crm_ml.jobs.tracking_read import RegisteredRun, artefact_text
from crm_ml.models import Interval
from crm_ml.models.evaluation.compare import pooled_table
from crm_ml.models.lead_rules import LEAD_RULES
from crm_ml.models.rules import RULES

MEASURES = ("auc", "average_precision", "brier", "ece", "lift_at_capacity")
EVALUATIONS = "evaluations"
VALUE = "value_at_stake"
_ROWS_KEPT = 3_000_000
_BACKTESTS_SHOWN = 3
_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")
_LABEL = ("gap_days", "horizon_days", "target")


@dataclass(frozen=True)
class ComparedRun:
    """One registered training as it is compared.

    Attributes
    ----------
    run : RegisteredRun
        What MLflow says of it.
    metrics : mapping of Interval
        Of its own evaluation, as measured at training; those that are there.
    """

    run: RegisteredRun
    metrics: Mapping[str, Interval]

    @property
    def version(self) -> str:
        """Its registered number."""
        return self.run.version

    @property
    def alias(self) -> str:
        """``champion``, ``challenger`` or nothing."""
        return next((alias for alias in (CHAMPION, CHALLENGER) if alias in self.run.aliases), "")

    @property
    def label(self) -> tuple[str, str, str]:
        """Gap and horizon in days, and the target where it is one of leads: what question it answers."""
        gap, horizon, target = (self.run.params.get(key, "") for key in _LABEL)
        return gap, horizon, target

    @property
    def capacity(self) -> float:
        """Share of the customers that can be acted upon, as said at training."""
        try:
            share = float(self.run.params.get("capacity", ""))
        except ValueError:
            return 0.1
        return share if 0 < share <= 1 else 0.1

    def tag(self, name: str) -> str:
        """Return a tag, empty where it is missing."""
        return self.run.tags.get(name, "")

    def count(self, name: str) -> int | None:
        """Return ``train_rows`` or ``train_events``."""
        value = self.run.metrics.get(name, math.nan)
        return int(value) if math.isfinite(value) else None


def as_compared(run: RegisteredRun) -> ComparedRun:
    """Return a run with those of its measures that have an interval."""
    metrics = {}
    for name in MEASURES:
        ends = [run.metrics.get(key, math.nan) for key in (name, f"{name}_low", f"{name}_high")]
        if all(math.isfinite(value) for value in ends):
            metrics[name] = Interval(*ends)
    return ComparedRun(run, metrics)


def chosen_runs(
    found: Sequence[RegisteredRun], *, wanted: Sequence[str] = (), last: int | None = None
) -> list[ComparedRun]:
    """Return the runs to compare, newest first; the champion is always among them.

    Parameters
    ----------
    found : sequence of RegisteredRun
        All, newest first.
    wanted : sequence of str
        Version numbers or run ids; none: all.
    last : int, optional
        At most so many of the newest.

    Raises
    ------
    UsageError
        If a wanted one is not registered, or `last` is below 1.
    """
    if last is not None and last < 1:
        raise UsageError(f"last must be at least 1; found {last}")
    by_name = {run.version: run for run in found} | {run.run_id: run for run in found}
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        known = ", ".join(run.version for run in found[:10]) + (", ..." if len(found) > 10 else "")
        raise UsageError(
            f"No registered version or run is called {', '.join(map(repr, unknown[:5]))}",
            remedy=f"Versions here, newest first: {known}.",
            code="no_such_version",
        )
    picked = {by_name[name].version for name in wanted} if wanted else {run.version for run in found}
    kept = [run for run in found if run.version in picked][: last or None]
    names = {run.version for run in kept}
    return [as_compared(run) for run in found if run.version in names or CHAMPION in run.aliases]


class Evaluations(Mapping[str, "pd.DataFrame | None"]):
    """The evaluation rows of runs, read when asked for and kept while there is room.

    Parameters
    ----------
    workspace : Workspace
    runs : sequence of ComparedRun

    Attributes
    ----------
    unnamed : set of str
        Versions whose rows, as far as read, name no customer (``tables/predictions.csv`` of the run).
    """

    def __init__(self, workspace: Workspace, runs: Sequence[ComparedRun]) -> None:
        self._workspace = workspace
        self._runs = {run.version: run for run in runs}
        self._kept: dict[str, pd.DataFrame | None] = {}
        self._room = _ROWS_KEPT
        self.unnamed: set[str] = set()

    def __getitem__(self, version: str) -> pd.DataFrame | None:
        if version in self._kept:
            return self._kept[version]
        frame = self._read(self._runs[version])
        size = 0 if frame is None else len(frame)
        if size <= self._room:
            self._room -= size
            self._kept[version] = frame
        return frame

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def _read(self, run: ComparedRun) -> pd.DataFrame | None:
        named = evaluation_rows(self._workspace, run.run.run_id)
        if named is not None:
            return named
        self.unnamed.add(run.version)
        return _predictions(artefact_text(self._workspace, run.run.run_id, "tables/predictions.csv"))


class Known(Mapping[str, pd.DataFrame]):
    """Those of some evaluations that have rows."""

    def __init__(self, evaluations: Evaluations) -> None:
        self._all = evaluations
        self._names = [name for name in evaluations if evaluations[name] is not None]

    def __getitem__(self, version: str) -> pd.DataFrame:
        frame = self._all[version]
        if frame is None:
            raise KeyError(version)
        return frame

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def evaluation_rows(workspace: Workspace, run_id: str) -> pd.DataFrame | None:
    """Return the rows that ``mlflow/evaluations/<run_id>.parquet`` holds; None where it is missing or unreadable."""
    folder = workspace.tracking_folder / EVALUATIONS
    file = folder / f"{run_id}.parquet"
    columns = [n.CUSTOMER_ID, n.AS_OF, "y", "margin", "p", VALUE]
    if not file.is_file() or not file.resolve().is_relative_to(workspace.root.resolve()):
        return None
    try:
        frame: pd.DataFrame = pq.read_table(file, columns=columns).to_pandas()
    except (OSError, pa.ArrowException):
        return None
    return _usable(frame)


def _predictions(text: str | None) -> pd.DataFrame | None:
    if text is None:
        return None
    try:
        return _usable(pd.read_csv(io.StringIO(text), usecols=[n.AS_OF, "y", "p"]))
    except ValueError:
        return None


def _usable(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return the rows with an outcome and a probability; None where the columns hold something else."""
    try:
        p = frame["p"].astype("float64")
        kept = frame.assign(p=p, y=frame["y"].astype(bool))[p.between(0, 1).to_numpy()]
        days = pd.to_datetime(kept[n.AS_OF], errors="raise")
    except (ValueError, TypeError):
        return None
    return None if kept.empty else kept.assign(**{n.AS_OF: days.to_numpy("datetime64[s]")}).reset_index(drop=True)


def importance_of(workspace: Workspace, run: ComparedRun) -> pd.DataFrame | None:
    """Return ``feature`` and ``mean_abs_contribution`` of a run; None where its table is gone."""
    text = artefact_text(workspace, run.run.run_id, "tables/importance.csv")
    if text is None:
        return None
    try:
        table = pd.read_csv(io.StringIO(text), usecols=["feature", "mean_abs_contribution"])
        return table.assign(mean_abs_contribution=table["mean_abs_contribution"].astype("float64"))
    except ValueError:
        return None


@dataclass(frozen=True)
class Backtest:
    """The pooled figures of one backtest; `table` as `pooled_table` gives it."""

    name: str
    as_of: str
    table: pd.DataFrame


def backtests(workspace: Workspace, kind: str = CHURN) -> list[Backtest]:
    """Return the newest backtests of a kind of model; those that cannot be read are left out."""
    root = inside(workspace.root, backtest_folder(kind))
    folders = sorted((path for path in root.glob("*") if _FOLDER.fullmatch(path.name)), reverse=True)
    found: list[Backtest] = []
    for folder in folders:
        frame = _backtest_rows(folder / "predictions.parquet", workspace.root)
        if frame is not None:
            found.append(Backtest(folder.name, folder.name[:10], pooled_table(frame, rules={*RULES, *LEAD_RULES})))
        if len(found) == _BACKTESTS_SHOWN:
            break
    return found


def _backtest_rows(file: Path, root: Path) -> pd.DataFrame | None:
    columns = ["cutoff", n.CUSTOMER_ID, "name", "margin", "p", "y"]
    if not file.is_file() or not file.resolve().is_relative_to(root.resolve()):
        return None
    try:
        frame: pd.DataFrame = pq.read_table(file, columns=columns).to_pandas()
    except (OSError, pa.ArrowException):
        return None
    return None if frame.empty else frame
