"""Would another definition of churn give another list? The same cheap model under each, side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import Finding, HeldBack
from crm_ml.features import build_features, cutoff_us, visible
from crm_ml.features.outcome import CONTRACT_CANCELLED, NO_PURCHASE, PARTIAL
from crm_ml.features.timeline import date_of, zone_clock
from crm_ml.jobs.definition import eligible, outcomes
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, as_day, as_workspace, nothing_visible, read_inputs, require_kind
from crm_ml.jobs.settings import ChurnSettings, Workspace
from crm_ml.models import Dataset, make_dataset
from crm_ml.models.evaluation.sensitivity import agreement_table, auc_between, cheap_scores
from crm_ml.tables import Tables

BASE = "as in crm.yaml"
_FACTORS = (0.5, 2.0)
_MOST = {"horizon_days": 1830, "active_days": 3660}


@dataclass(frozen=True)
class SensitivityResult:
    """How the ranking of a day changes with the definition of churn.

    Attributes
    ----------
    as_of : date
        Whose list is compared.
    evaluated_on : date
        The day on which the AUC are measured: by then trained, since then over under every definition.
    table : DataFrame
        One row per definition: ``definition``, ``model`` (which candidate was fitted), ``rows`` and ``churn_rate`` it
        learnt from, ``auc`` on `evaluated_on` by its own outcome and ``auc_as_base`` by the outcome of crm.yaml,
        then `agreement` with the ranking of crm.yaml on `as_of`.
    auc : DataFrame
        AUC of each definition's model (rows) by each definition's outcome (columns).
    definitions : mapping
        Name to settings.
    findings : tuple of Finding
        Definitions that could not be tried, and why.
    """

    as_of: dt.date
    evaluated_on: dt.date
    table: pd.DataFrame
    auc: pd.DataFrame
    definitions: Mapping[str, ChurnSettings]
    findings: tuple[Finding, ...] = ()


def other_definitions(churn: ChurnSettings) -> dict[str, ChurnSettings]:
    """Return the definition itself and its neighbours: half and twice the days, partial churn, own rhythm.

    Examples
    --------
    >>> list(other_definitions(ChurnSettings()))[:5]
    ['as in crm.yaml', 'horizon 45 days', 'horizon 180 days', 'active 182 days', 'active 730 days']
    >>> list(other_definitions(ChurnSettings()))[5:]
    ['revenue below half', 'twice the own gap']
    """
    found = {BASE: churn}

    def also(name: str, **changes: object) -> None:
        kept = {key: getattr(churn, key) for key in ChurnSettings.model_fields if key not in changes}
        found[name] = ChurnSettings.model_validate({**kept, **changes})

    plain = churn.horizon is None
    for key, word in (("horizon_days", "horizon"), ("active_days", "active")):
        for factor in _FACTORS if plain or key == "active_days" else ():
            days = min(max(int(getattr(churn, key) * factor), 1), _MOST[key])
            also(f"{word} {days} days", **{key: days})
    if churn.target == PARTIAL:
        also("no purchase", target=NO_PURCHASE, partial_below=None)
    elif churn.target == NO_PURCHASE:
        also("revenue below half", target=PARTIAL, partial_below=0.5)
    if not plain:
        also(f"horizon {churn.horizon_days} days", horizon=None)
    elif churn.target != CONTRACT_CANCELLED:
        longest = min(2 * churn.horizon_days, _MOST["horizon_days"])
        own = {"own_gap": 2.0, "min_days": max(1, churn.horizon_days // 3), "max_days": longest}
        also("twice the own gap", horizon=own)
    return found


def definition_sensitivity(
    workspace: Workspace | str | Path,
    as_of: dt.date | str,
    *,
    definitions: Mapping[str, ChurnSettings] | None = None,
    capacity: float = 0.1,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> SensitivityResult:
    """Train one cheap model per definition of churn and compare what they say; nothing is written.

    All definitions share the snapshots (every `churn.snapshots.every_days` back from the day), the features and the
    untuned candidate. Each is fitted twice: as of the newest snapshot whose windows are over under every definition,
    to be judged by what then happened; and as of the day, for its list.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    as_of : date or ISO text
        Nothing that happened or became known on that day or later is used.
    definitions : mapping, optional
        Name to settings; `BASE` must be one of them. Default: `other_definitions`.
    capacity : float
        Length of the list: a share of the customers (below 1) or a number.
    seed : int
        Of boosting.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    SensitivityResult

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at `as_of`.
    HeldBack
        The history is too short, or the workspace's own definition has too few churned customers.
    """
    workspace, day, say = as_workspace(workspace), as_day(as_of), progress or (lambda _line: None)
    require_kind(workspace, CHURN)
    wanted = dict(definitions or other_definitions(workspace.settings.churn))
    say("reading tables")
    tables = read_inputs(workspace, only=CHURN_TABLES)
    days = _grid(tables, day, workspace.settings.churn, wanted)
    say(f"building features at {len(days.all)} days")
    spines = {name: eligible(tables, days.all, churn) for name, churn in wanted.items()}
    everyone = pd.concat(list(spines.values())).drop_duplicates([n.CUSTOMER_ID, n.AS_OF], ignore_index=True)
    features = build_features(tables, everyone)
    compared = _Compared(tables, features, days, seed)
    found, findings = {}, []
    for name, churn in wanted.items():
        say(f"definition: {name}")
        try:
            found[name] = compared.under(churn, spines[name])
        except HeldBack as held:
            if name == BASE:
                raise
            findings.append(Finding("warning", held.code, f"{name}: {held}", "The other definitions are compared."))
    auc = auc_between({k: f.judged for k, f in found.items()}, {k: f.happened for k, f in found.items()})
    table = agreement_table({name: one.listed for name, one in found.items()}, BASE, capacity=capacity)
    learnt = pd.DataFrame(
        {
            "model": [one.model for one in found.values()],
            "rows": [one.rows for one in found.values()],
            "churn_rate": [one.rate for one in found.values()],
            "auc": np.diag(auc.to_numpy()),
            "auc_as_base": auc[BASE].to_numpy(),
        }
    )
    table = pd.concat([table[["definition"]], learnt, table.drop(columns="definition")], axis=1)
    return SensitivityResult(day, days.evaluated_on, table, auc, wanted, tuple(findings))


@dataclass(frozen=True)
class _Days:
    as_of: dt.date
    evaluated_on: dt.date
    all: list[dt.date]


def _grid(tables: Tables, day: dt.date, churn: ChurnSettings, wanted: Mapping[str, ChurnSettings]) -> _Days:
    """Return the days to look at: the day itself and snapshots back from it, as far as there is history."""
    orders = visible(tables, cutoff_us(day, tables.zone)).stored[n.ORDER_LINES]
    if orders.num_rows == 0:
        raise nothing_visible(day)
    first = pc.min(orders["ordered_at"]).cast("int64").as_py()
    began = date_of(int(zone_clock(tables.zone).day(np.array([first], np.int64))[0]))
    every = dt.timedelta(days=churn.snapshots.every_days)
    longest = dt.timedelta(days=max(one.gap_days + one.longest_days for one in wanted.values()))
    floor = began + dt.timedelta(days=churn.snapshots.min_history_days)
    oldest = max(floor, day - dt.timedelta(days=churn.snapshots.history_days))
    days = [day - k * every for k in range((day - oldest) // every + 1)] if oldest <= day else []
    over = [one for one in days if one + longest <= day]
    # a model of that day needs at least one snapshot that is over by then
    if not over or not any(one + longest <= over[0] for one in days):
        raise HeldBack(
            f"Definitions are compared on a day whose windows (up to {longest.days} days) are over by {day}, by models "
            f"of snapshots that were over by then; the history begins on {began}",
            remedy=f"Use {floor + 2 * longest + 2 * every} or later, load older data, or name shorter definitions.",
            code="too_little_history",
        )
    return _Days(day, over[0], days)


@dataclass(frozen=True)
class _Under:
    """What one definition gives: scores and outcomes on the day of evaluation, scores of the day."""

    model: str
    rows: int
    rate: float
    judged: pd.Series[float]
    happened: pd.Series[bool]
    listed: pd.Series[float]


@dataclass(frozen=True)
class _Compared:
    tables: Tables
    features: pd.DataFrame
    days: _Days
    seed: int

    def under(self, churn: ChurnSettings, spine: pd.DataFrame) -> _Under:
        rows = spine[[n.CUSTOMER_ID, n.AS_OF]].merge(self.features, on=[n.CUSTOMER_ID, n.AS_OF], how="left")
        until, then = (self._dataset(rows, churn, at) for at in (self.days.as_of, self.days.evaluated_on))
        here = {at: rows[rows[n.AS_OF] == at] for at in (self.days.as_of, self.days.evaluated_on)}
        model, (listed,) = cheap_scores(until, [here[self.days.as_of]], seed=self.seed)
        _, (judged,) = cheap_scores(then, [here[self.days.evaluated_on]], seed=self.seed)
        on = until.days == np.datetime64(self.days.evaluated_on)
        happened = pd.Series(until.y[on], index=pd.Index(until.frame.loc[on, n.CUSTOMER_ID].astype(str), dtype=object))
        return _Under(model, len(until), float(until.y.mean()), judged, happened, listed)

    def _dataset(self, rows: pd.DataFrame, churn: ChurnSettings, at: dt.date) -> Dataset:
        """Return the rows that are mature at a day, with labels as known then."""
        before = rows[rows[n.AS_OF] < at].reset_index(drop=True)
        spine = before[[n.CUSTOMER_ID, n.AS_OF]]
        labels, windows = outcomes(self.tables, spine, churn, known_until=cutoff_us(at, self.tables.zone))
        data = make_dataset(before, labels, gap_days=churn.gap_days, horizon_days=windows)
        # only days on which even the longest window is over: else the quick ones would stand for all
        ended = data.days + np.timedelta64(churn.gap_days + churn.longest_days, "D")
        return data.take(ended <= np.datetime64(at, "D"))
