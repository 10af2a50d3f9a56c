"""One customer explained: the score, what moved it, the rows behind each reason, what happened, how the score moved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_ml import names as n
from crm_ml.errors import UsageError
from crm_ml.features import AnyFeature, Outcome, build_features, cutoff_us, visible
from crm_ml.features.attributes import own_features
from crm_ml.jobs.counterfactuals import Answer, Question, counterfactuals
from crm_ml.jobs.definition import eligible
from crm_ml.jobs.explain_lead import LeadExplanation, explain_lead
from crm_ml.jobs.explain_subject import find_customer, refuse_not_eligible
from crm_ml.jobs.inputs import CHURN, CHURN_TABLES, LEADS, as_day, as_workspace, read_inputs, require_kind
from crm_ml.jobs.policy_file import load_policy
from crm_ml.jobs.score import DayScores, Seen
from crm_ml.jobs.score_history import published_scores
from crm_ml.jobs.score_table import Scored
from crm_ml.jobs.settings import Workspace
from crm_ml.models import Model
from crm_ml.models.explain.customer import CustomerRecord, customer_record, only_customer
from crm_ml.models.explain.evidence import Evidence, rows_behind
from crm_ml.models.explain.groups import cause_in_row, cause_label, declared_features, group_contributions
from crm_ml.models.explain.pictures_customer import Step
from crm_ml.models.model import features_for
from crm_ml.tables import Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY_MONTHS = 12
NOTE_OTHERWISE = "published_otherwise"
_EXACT = 1e-12


@dataclass(frozen=True)
class ExplainResult:
    """Why a customer has the score it has.

    Attributes
    ----------
    as_of : date
    customer_id : str
    p_churn : float
    risk_tier : str
    base, margin : float
        Log-odds before calibration: `base` of a typical customer; with all contributions it is `margin`.
    p_base : float
        The probability that belongs to `base` on that day.
    reasons : tuple of dict
        As published, each with ``rows_kind``, ``rows`` and ``rows_total``: what it was computed from.
    contributions : tuple of dict
        ``group``, ``feature``, ``value``, ``contribution`` of every feature of the model, strongest first.
    counterfactuals : tuple of Answer
        What the model would say if one thing were different.
    history : DataFrame
        ``as_of``, ``p_churn``, ``published``: today's model over earlier month starts (False), and what was published
        in sets that are still there (True).
    model_version, model_kind, model_sha256 : str
    train_as_of : date
    data : mapping
        Table to the number of this customer's rows that were visible.
    notes : tuple of str
        Codes as published, and ``published_otherwise`` where the set of that day shows another probability: data,
        settings or model have changed since.
    language : {"de", "en"}
    page : Path or None
        The page that was written; None after a dry run.
    pictures : mapping
        Name to file.
    outcome : Outcome
        What the probability is a probability of.
    """

    as_of: dt.date
    customer_id: str
    p_churn: float
    risk_tier: str
    value_at_stake: float
    base: float
    margin: float
    p_base: float
    reasons: tuple[dict[str, Any], ...]
    contributions: tuple[dict[str, Any], ...]
    counterfactuals: tuple[Answer, ...]
    history: pd.DataFrame
    model_version: str
    model_kind: str
    model_sha256: str
    train_as_of: dt.date
    data: Mapping[str, int]
    notes: tuple[str, ...]
    language: str
    currency: str
    horizon_days: int
    record: CustomerRecord
    usual_gap_days: float | None
    thresholds: Mapping[str, float]
    labels: Mapping[str, tuple[str, str]]
    name: str | None = field(default=None, repr=False)
    page: Path | None = None
    pictures: Mapping[str, Path] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def table(self) -> pd.DataFrame:
        """The reasons: group, feature, value, contribution, texts, and how many rows are behind each."""
        columns = ["group", "feature", "value", "contribution", "text_de", "text_en", "rows_kind", "rows_total"]
        return pd.DataFrame([{name: reason[name] for name in columns} for reason in self.reasons], columns=columns)

    def groups(self) -> pd.DataFrame:
        """Return the contributions summed by cause group, strongest first."""
        table = pd.DataFrame(list(self.contributions), columns=["group", "feature", "value", "contribution"])
        sums = table.groupby("group", sort=False)["contribution"].sum()
        return sums.sort_values(key=np.abs, ascending=False, kind="stable").reset_index()

    def label(self, group: str, language: str | None = None) -> str:
        """Return the name of a cause group as people read it."""
        german, english = self.labels[group]
        return german if (language or self.language) == "de" else english

    def steps(self, language: str | None = None) -> list[Step]:
        """Return the reasons as steps of the waterfall."""
        said = language or self.language
        return [
            Step(self.label(reason["group"], said), reason[f"text_{said}"], reason["contribution"])
            for reason in self.reasons
        ]

    def plot(self, language: str | None = None) -> Figure:
        """Return the waterfall: how the causes lead from a typical customer to this one."""
        from crm_ml.models.explain.pictures_customer import waterfall_figure

        said = language or self.language
        return waterfall_figure(self.steps(said), p_start=self.p_base, p_end=self.p_churn, language=said)

    def timeline(self, language: str | None = None) -> Figure:
        """Return what happened up to the day: orders, late invoices, complaints, contacts."""
        from crm_ml.models.explain.pictures_customer import timeline_figure

        return timeline_figure(
            self.record,
            usual_gap_days=self.usual_gap_days,
            currency=self.currency,
            language=language or self.language,
        )

    def score_history(self, language: str | None = None) -> Figure:
        """Return how the probability moved over the last twelve months."""
        from crm_ml.jobs.explain_texts import TIERS
        from crm_ml.models.explain.pictures_customer import score_history_figure

        said = language or self.language
        words = {TIERS[tier][0 if said == "de" else 1]: p for tier, p in self.thresholds.items()}
        return score_history_figure(self.history, language=said, thresholds=words)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        from crm_ml.jobs.explain_texts import counterfactual_text

        asked = [
            {
                "change": answer.change,
                "group": answer.group,
                "p_churn": answer.p_churn,
                **{f"text_{said}": counterfactual_text(self, answer, said) for said in ("de", "en")},
            }
            for answer in self.counterfactuals
        ]
        history = self.history.astype({"p_churn": object}).where(self.history.notna(), None)
        return {
            "as_of": self.as_of.isoformat(),
            "customer_id": self.customer_id,
            "p_churn": self.p_churn,
            "risk_tier": self.risk_tier,
            "value_at_stake": self.value_at_stake,
            "base": self.base,
            "margin": self.margin,
            "p_base": self.p_base,
            "reasons": [_json(reason) for reason in self.reasons],
            "contributions": [_json(part) for part in self.contributions],
            "counterfactuals": asked,
            "history": [_json(row) for row in history.to_dict("records")],
            "model_version": self.model_version,
            "model_kind": self.model_kind,
            "model_sha256": self.model_sha256,
            "train_as_of": self.train_as_of.isoformat(),
            "data": dict(self.data),
            "notes": list(self.notes),
            "page": None if self.page is None else str(self.page),
            "pictures": {name: str(path) for name, path in self.pictures.items()},
        }


def explain(
    workspace: Workspace | str | Path,
    kind: str = CHURN,
    subject_id: str = "",
    *,
    as_of: dt.date | str,
    out: str | Path | None = None,
    language: str | None = None,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ExplainResult | LeadExplanation:
    """Explain the score of one customer, or lead, on a day, and write it as a page with pictures.

    Everything shown was visible at the start of the day; the score is that of the published set, to the last digit.

    Parameters
    ----------
    workspace : Workspace or str or Path
        The workspace or its folder.
    kind : {"churn", "leads"}
        What to explain; of a lead the result is a `crm_ml.jobs.explain_lead.LeadExplanation`.
    subject_id : str
        The customer, or the lead.
    as_of : date or ISO text
        The business day.
    out : path, optional
        Folder to write to; default: ``explained/<as_of>-<id>`` in the workspace.
    language : {"de", "en"}, optional
        Of the page; default: the workspace's.
    dry_run : bool
        Compute, but write nothing.
    progress : callable, optional
        Gets one line per step.

    Returns
    -------
    ExplainResult

    Raises
    ------
    DataError
        The data contract is broken, or nothing is visible at `as_of`.
    Failure
        There is no such customer, it is not scored on that day, it has objected to profiling, or no model serves.
    HeldBack
        The model was trained as of a later day, or for another label.
    DamagedArtefact
        The model's files are not exactly those that were registered.
    """
    workspace, day = as_workspace(workspace), as_day(as_of)
    require_kind(workspace, kind)
    said = language or workspace.settings.language
    if said not in ("de", "en"):
        raise UsageError(f"language must be de or en; found {said!r}")
    if kind == LEADS:
        return explain_lead(
            workspace,
            subject_id,
            day,
            out=None if out is None else Path(out),
            language=said,
            dry_run=dry_run,
            say=progress or (lambda _line: None),
        )
    if not subject_id:
        raise UsageError("explain needs the id of a customer", remedy="Name it after the kind.")
    say = progress or (lambda _line: None)
    say("reading tables")
    tables = read_inputs(workspace, only=CHURN_TABLES)
    customer_id = find_customer(tables, subject_id, day)
    own = only_customer(tables, customer_id)
    seen = visible(own, cutoff_us(day, tables.zone))
    refuse_not_eligible(own, seen, customer_id=customer_id, day=day, churn=workspace.settings.churn)
    say("computing score, reasons and history")
    scores = DayScores(workspace, Seen(day, own, ""), load_policy(workspace), everything=True)
    result = _explained(scores, tables, customer_id, said)
    if dry_run:
        return result
    say("drawing and writing the page")
    from crm_ml.jobs.explain_page import write_page

    return write_page(result, workspace, None if out is None else Path(out))


def _explained(scores: DayScores, tables: Tables, customer_id: str, language: str) -> ExplainResult:
    own, seen, how, scored = scores.seen.tables, scores.seen.visible, scores.how, scores.scored
    at = int(np.flatnonzero(scored.features[n.CUSTOMER_ID].to_numpy() == customer_id)[0])
    features = scored.features.iloc[[at]]
    (row,) = [row for row in scored.table.to_pylist() if row[n.CUSTOMER_ID] == customer_id]
    declared = (*own_features(own), *how.model.declared)
    parts = _contributions(scored, at, declared)
    record = customer_record(seen, customer_id, how.as_of)
    values = {str(name): value for name, value in features.iloc[0].items()}
    gap = values.get(n.ORDER_GAP_DAYS_MEAN, np.nan)
    of_feature = {part["feature"]: part["group"] for part in parts}
    answers = counterfactuals(
        Question(
            tables, seen, record, features, how.model, cutoff_us(how.as_of, own.zone), how.active_days, how.outcome
        ),
        _by_group(scored, at, declared),
        of_feature,
    )
    published = published_scores(scores.workspace, customer_id, how.as_of, months=HISTORY_MONTHS)
    groups = [*dict.fromkeys([*(part["group"] for part in parts), *(r["group"] for r in row["reasons"])])]
    tiers = scores.policy.tiers
    return ExplainResult(
        as_of=how.as_of,
        customer_id=customer_id,
        p_churn=row["p_churn"],
        risk_tier=row["risk_tier"],
        value_at_stake=row["value_at_stake"],
        base=float(scored.contributions.base),
        margin=float(scored.contributions.margin[at]),
        p_base=_p_base(how.model, scored.contributions.base, how.as_of),
        reasons=tuple(_with_rows(reason, record, values, declared) for reason in row["reasons"]),
        contributions=tuple(parts),
        counterfactuals=tuple(answers),
        history=pd.concat([_looking_back(scores, customer_id), published], ignore_index=True),
        model_version=how.model_version,
        model_kind=how.model.kind,
        model_sha256=how.model_sha256,
        train_as_of=scores.serving.train_as_of,
        data=_used(seen, customer_id, record),
        notes=(*row["notes"], *_otherwise(published, how.as_of, row["p_churn"])),
        language=language,
        currency=own.currency,
        horizon_days=how.outcome.longest(how.horizon_days),
        outcome=how.outcome,
        record=record,
        usual_gap_days=float(gap) if np.isfinite(gap) else None,
        thresholds={"high": tiers.high.min_p, "medium": tiers.medium.min_p},
        name=_name(seen),
        labels={g: (cause_label(g, "de", declared), cause_label(g, "en", declared)) for g in groups},
    )


def _contributions(scored: Scored, at: int, own: Sequence[AnyFeature]) -> list[dict[str, Any]]:
    declared, found = declared_features(own), []
    for name, contribution in scored.contributions.values.iloc[at].items():
        value = scored.features[str(name)].iloc[at]
        found.append(
            {
                "group": cause_in_row(str(name), value, declared),
                "feature": str(name),
                "value": value if isinstance(value, str) else _number(value),
                "contribution": float(contribution),
            }
        )
    return sorted(found, key=lambda part: (-abs(part["contribution"]), part["feature"]))


def _name(seen: Tables) -> str | None:
    customers = seen.frames.get(n.CUSTOMERS)
    return None if customers is None or not len(customers) else customers["name"][0].as_py()


def _number(value: Any) -> float | None:
    return float(value) if pd.notna(value) and np.isfinite(float(value)) else None


def _by_group(scored: Scored, at: int, own: Sequence[AnyFeature]) -> list[tuple[str, float]]:
    sums = group_contributions(scored.contributions, own, frame=scored.features).iloc[at]
    return sorted(((str(group), float(value)) for group, value in sums.items()), key=lambda pair: (-pair[1], pair[0]))


def _p_base(model: Model, base: float, day: dt.date) -> float:
    return float(model.calibration.probability(np.array([base]), np.array([day], "datetime64[D]"))[0])


def _with_rows(
    reason: Mapping[str, Any], record: CustomerRecord, values: Mapping[str, Any], own: Sequence[AnyFeature]
) -> dict[str, Any]:
    found: Evidence = rows_behind(reason["feature"], record, values, own)
    return {**reason, "rows_kind": found.kind, "rows": list(found.rows), "rows_total": found.total}


def _looking_back(scores: DayScores, customer_id: str) -> pd.DataFrame:
    """Return what today's model says of the customer at earlier month starts; null while it was not eligible."""
    day, own = scores.seen.day, scores.seen.tables
    months = [12 * day.year + day.month - 1 - k for k in range(HISTORY_MONTHS + 1)]
    starts = [dt.date(month // 12, month % 12 + 1, 1) for month in reversed(months)]
    days = [start for start in starts if start < day] + [day]
    spine = eligible(own, days, scores.workspace.settings.churn)
    spine = spine[spine[n.CUSTOMER_ID] == customer_id]
    model = scores.how.model
    p = model.predict_proba(build_features(own, spine, features=features_for(own, [model])))
    known = dict(zip(spine[n.AS_OF], p.tolist(), strict=True))
    kept = days[days.index(min(known)) :]
    return pd.DataFrame({n.AS_OF: kept, "p_churn": [known.get(each, np.nan) for each in kept], "published": False})


def _otherwise(published: pd.DataFrame, day: dt.date, p: float) -> list[str]:
    same = published[np.array([each == day for each in published[n.AS_OF]], bool)]["p_churn"]
    return [NOTE_OTHERWISE] if len(same) and abs(float(same.iloc[0]) - p) > _EXACT else []


def _used(seen: Tables, customer_id: str, record: CustomerRecord) -> dict[str, int]:
    """Return how many visible rows of the customer each mapped table that is looked at holds."""
    own: dict[str, int | None] = {
        n.CUSTOMERS: len(seen.stored[n.CUSTOMERS]) if n.CUSTOMERS in seen.stored else None,
        n.ORDER_LINES: len(record.lines),
        n.INVOICES: None if record.invoices is None else len(record.invoices),
        n.PAYMENTS: None if record.payments is None else len(record.payments),
        n.INTERACTIONS: None if record.contacts is None else len(record.contacts),
        n.SURVEYS: None if record.surveys is None else len(record.surveys),
    }
    return {name: count for name, count in own.items() if count is not None}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
