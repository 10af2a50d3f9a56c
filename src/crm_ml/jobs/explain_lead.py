"""One lead explained: the score, what moved it, what happened, and how the score moved with every touch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import Failure, UsageError
from crm_ml.features import cutoff_us, lead_moments
from crm_ml.jobs.explain_subject import id_hint
from crm_ml.jobs.inputs import LEADS, lead_tables, read_inputs
from crm_ml.jobs.lead_scores import DayLeads
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.publish import set_before
from crm_ml.jobs.score import KIND, see
from crm_ml.jobs.settings import Workspace
from crm_ml.models.explain.groups import cause_label
from crm_ml.models.explain.pictures_customer import Step
from crm_ml.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

_LAST = 40


@dataclass(frozen=True)
class LeadExplanation:
    """Why a lead has the score it has.

    Attributes
    ----------
    as_of : date
    lead_id : str
    p_win, expected_value : float
    grade : str
    base, margin, p_base : float
        Log-odds before calibration of a typical lead and of this one; the probability that belongs to the first.
    reasons : tuple of dict
        As published.
    contributions : tuple of dict
        ``feature``, ``value``, ``contribution`` of every feature of the model, strongest first.
    history : DataFrame
        ``as_of`` (time stamp), ``p_win``: today's model at the creation and after each touch, and on the day.
    touches : DataFrame
        ``at`` (local time stamp), ``what``, ``is_stage``: touches and stages that were visible, oldest first.
    language : {"de", "en"}
    currency : str
    page : Path or None
    target : str
        The stage whose chance it is.
    """

    as_of: dt.date
    lead_id: str
    p_win: float
    grade: str
    expected_value: float
    base: float
    margin: float
    p_base: float
    reasons: tuple[dict[str, Any], ...]
    contributions: tuple[dict[str, Any], ...]
    history: pd.DataFrame
    touches: pd.DataFrame
    notes: tuple[str, ...]
    horizon_days: int
    model_version: str
    model_kind: str
    model_sha256: str
    train_as_of: dt.date
    language: str
    currency: str = "EUR"
    page: Path | None = None
    target: str = "won"

    @property
    def table(self) -> pd.DataFrame:
        """The reasons: group, feature, value, contribution and both texts."""
        return pd.DataFrame(list(self.reasons))

    def steps(self, language: str | None = None) -> list[Step]:
        """Return the steps of the waterfall: one per cause."""
        said = language or self.language
        return [
            Step(cause_label(reason["group"], said), reason[f"text_{said}"], reason["contribution"])
            for reason in self.reasons
        ]

    def plot(self, language: str | None = None) -> Figure:
        """Return the waterfall: how the causes lead from a typical lead to this one."""
        from crm_ml.models.explain.pictures_customer import waterfall_figure

        said = language or self.language
        return waterfall_figure(self.steps(said), p_start=self.p_base, p_end=self.p_win, language=said, lead=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        plain = ("lead_id", "p_win", "grade", "expected_value", "base", "margin", "p_base", "horizon_days")
        return {
            "as_of": self.as_of.isoformat(),
            **{name: getattr(self, name) for name in plain},
            "reasons": list(self.reasons),
            "contributions": list(self.contributions),
            "history": [{"as_of": str(row.as_of), "p_win": row.p_win} for row in self.history.itertuples()],
            "touches": [{"at": str(row.at), "what": row.what} for row in self.touches.itertuples()],
            "notes": list(self.notes),
            "model_version": self.model_version,
            "model_kind": self.model_kind,
            "model_sha256": self.model_sha256,
            "train_as_of": self.train_as_of.isoformat(),
            "page": None if self.page is None else str(self.page),
        }


def explain_lead(
    workspace: Workspace,
    lead_id: str,
    day: dt.date,
    *,
    out: Path | None,
    language: str,
    dry_run: bool,
    say: Callable[[str], None],
) -> LeadExplanation:
    """Explain the score of one lead on a day; see `crm_ml.jobs.explain.explain`."""
    if not lead_id:
        raise UsageError("explain needs the id of a lead", remedy="Name it after the kind.")
    say("reading tables")
    seen = see(read_inputs(workspace, only=lead_tables(workspace.settings.tables[n.LEADS].known_from)), day, LEADS)
    before = set_before(workspace.published, day, KIND)
    leads = DayLeads(workspace, seen, load_policy(workspace), None if before is None else before[1])
    say("computing score, reasons and history")
    rows = leads.scored.table.to_pandas().set_index(n.LEAD_ID)
    if lead_id not in rows.index:
        raise _not_scored(seen.visible, lead_id, day)
    result = _explained(leads, rows.loc[lead_id], lead_id, language)
    if dry_run:
        return result
    from crm_ml.jobs.explain_lead_page import write_page

    return write_page(result, workspace, out)


def _not_scored(seen: Tables, lead_id: str, day: dt.date) -> Failure:
    known = set(seen.frames[n.LEADS][n.LEAD_ID].to_pylist())
    if lead_id in known:
        return Failure(
            f"The lead is not scored as of {day}: it is won, lost, or has reached the target already",
            remedy="Choose a day on which it is open.",
            code="not_eligible",
        )
    return Failure(
        f'There is no lead "{lead_id[:80]}" as of {day}',
        remedy=f"{id_hint(lead_id, known)} Use the id as it stands in the tables; leading zeros count.".strip(),
        code="unknown_subject",
    )


def _explained(leads: DayLeads, row: pd.Series[Any], lead_id: str, language: str) -> LeadExplanation:
    scored, how = leads.scored, leads.how
    at = int(np.flatnonzero(scored.features[n.CUSTOMER_ID].to_numpy() == lead_id)[0])
    values = scored.contributions.values.iloc[at]
    parts = [
        {"feature": str(name), "value": _plain(scored.features[str(name)].iloc[at]), "contribution": float(value)}
        for name, value in values.items()
    ]
    base = float(scored.contributions.base)
    p_base = how.model.calibration.probability(np.array([base]), np.array([how.as_of], "datetime64[D]"))[0]
    return LeadExplanation(
        as_of=how.as_of,
        lead_id=lead_id,
        p_win=float(row["p_win"]),
        grade=str(row["grade"]),
        expected_value=float(row["expected_value"]),
        base=base,
        margin=float(scored.contributions.margin[at]),
        p_base=float(p_base),
        reasons=tuple(_reason(reason) for reason in row["reasons"]),
        contributions=tuple(sorted(parts, key=lambda part: (-abs(part["contribution"]), part["feature"]))),
        history=_history(leads, lead_id),
        touches=_touches(leads.seen.visible, lead_id),
        notes=tuple(row["notes"]),
        horizon_days=how.horizon_days,
        model_version=how.model_version,
        model_kind=how.model.kind,
        model_sha256=how.model_sha256,
        train_as_of=leads.serving.train_as_of,
        language=language,
        currency=leads.seen.tables.currency,
        target=leads.problem.label.target,
    )


def _plain(value: Any) -> float | str | None:
    if isinstance(value, str):
        return value
    return float(value) if pd.notna(value) and np.isfinite(float(value)) else None


def _reason(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if key == "value" else value for key, value in reason.items()}


def _history(leads: DayLeads, lead_id: str) -> pd.DataFrame:
    """Return what today's model says at the creation of the lead, after each of its touches, and on the day."""
    day, tables = leads.seen.day, leads.seen.tables
    cutoff = cutoff_us(day, tables.zone)
    moments = lead_moments(tables, until=cutoff)
    own = moments[moments[n.LEAD_ID] == lead_id].tail(_LAST).rename(columns={n.LEAD_ID: n.CUSTOMER_ID})
    own = pd.concat([own, pd.DataFrame({n.CUSTOMER_ID: [lead_id], n.AS_OF: [day], "cutoff": [cutoff]})])
    frame = leads.problem.features(tables, own.reset_index(drop=True), models=[leads.how.model])
    local = pd.to_datetime(own["cutoff"].to_numpy(np.int64), unit="us", utc=True).tz_convert(tables.zone)
    return pd.DataFrame({n.AS_OF: local.floor("min"), "p_win": leads.how.model.predict_proba(frame)})


def _touches(seen: Tables, lead_id: str) -> pd.DataFrame:
    """Return touches and stages that were visible, oldest first."""
    found = []
    for table, column, what in ((n.LEAD_EVENTS, "occurred_at", "kind"), (n.LEAD_STAGES, "entered_at", "stage")):
        frame = seen.frames.get(table)
        if frame is None:
            continue
        own = frame.filter(pc.equal(frame[n.LEAD_ID], lead_id))
        instants = pd.to_datetime(own[column].cast("int64").to_numpy(), unit="us", utc=True).tz_convert(seen.zone)
        found.append(
            pd.DataFrame({"at": instants.floor("min"), "what": own[what].to_pylist(), "is_stage": what == "stage"})
        )
    if not found:
        return pd.DataFrame({"at": [], "what": [], "is_stage": []})
    return pd.concat(found, ignore_index=True).sort_values(["at", "what"], kind="stable", ignore_index=True)
