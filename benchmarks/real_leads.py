"""Real leads by mapping alone: three firms' leads, scored at their creation by a model that was trained before.

Data: Olist marketing funnel, smart leads, UCI bank marketing (phone campaign), found through CRM_ML_REAL_DATA. The
mappings are all that is particular to them. Compared on the same later leads: the best single column (chosen on the
earlier leads), a plain LightGBM on the raw columns without the leaking one, and what was trained.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

import crm_ml as crm
from crm_ml.features import cutoff_us, lead_labels
from crm_ml.features.spine import CUTOFF
from crm_ml.jobs.inputs import LEAD_TABLES, read_inputs
from crm_ml.jobs.score_rows import score_rows
from crm_ml.models.columns import learn_columns
from crm_ml.models.evaluation.metrics import calibration_error
from crm_ml.models.lead_rules import best_column
from crm_ml.models.rows import Rows


@dataclass(frozen=True)
class Firm:
    """A file of leads: how it is mapped, when is trained, which later leads are scored, and what leaks."""

    name: str
    mapping: str
    as_of: dt.date
    test: tuple[dt.date, dt.date]
    horizon: int
    raw_without: tuple[str, ...] = ()


def _attributes(file: Path, without: tuple[str, ...]) -> str:
    lines = []
    for name in pq.read_schema(file).names:
        if name not in without:
            own = "own_" + "".join(c if c.isalnum() else "_" for c in name).lower()
            lines.append(f"        {own}: {{sql: '\"{name}\"'}}")
    return "\n".join(lines)


def smart(data: Path) -> Firm:
    """Leads of July to September 2021, by what was known on 1 July."""
    file = data / "smart_leads_2021_q1_q3.parquet"
    mapping = f"""\
version: 1
currency: EUR
timezone: UTC
tables:
  leads:
    source: {file}
    columns: {{lead_id: id, created_at: created_at}}
    attributes:
      known_from: created_at
      columns:
{_attributes(file, ("id", "created_at", "buy"))}
  lead_stages:
    source: {file}
    where: buy = 1
    columns: {{lead_id: id, stage: {{sql: "'won'"}}, entered_at: {{sql: created_at + INTERVAL 89 DAY}}}}
leads: {{horizon_days: 90}}
"""
    days = (dt.date(2021, 7, 1), dt.date(2021, 10, 1))
    return Firm("smart leads", mapping, dt.date(2021, 7, 1), days, 90, ("attribute_own_signup_date",))


def olist(data: Path) -> Firm:
    """Leads of February 2018 whose 30 days are over by April."""
    leads, deals = data / "olist_mql_until_2018-03.parquet", data / "olist_closed_deals_won_before_2018-04.parquet"
    mapping = f"""\
version: 1
currency: BRL
timezone: America/Sao_Paulo
tables:
  leads:
    source: {leads}
    columns: {{lead_id: mql_id, created_at: first_contact_date, source: origin, campaign: landing_page_id}}
  lead_stages:
    source: {deals}
    columns: {{lead_id: mql_id, stage: {{sql: "'won'"}}, entered_at: won_date}}
leads: {{horizon_days: 30}}
"""
    return Firm("olist", mapping, dt.date(2018, 3, 1), (dt.date(2018, 3, 1), dt.date(2018, 3, 31)), 30)


def bank(data: Path, folder: Path) -> Firm:
    """The last fifth of the calls in the order of the file, built days."""
    raw = pq.read_table(data / "bank_additional_first75.parquet").to_pandas()
    at = pd.Timestamp("2008-05-01") + pd.to_timedelta(np.arange(len(raw)) / 40, unit="D")
    frame = raw.assign(lead_id=[f"{k:06d}" for k in range(len(raw))], created_at=at)
    frame["won_at"] = (at + pd.Timedelta(days=5)).where(raw["y"].eq("yes").to_numpy())
    file = folder / "bank.parquet"
    frame.to_parquet(file)
    mapping = f"""\
version: 1
currency: EUR
timezone: UTC
tables:
  leads:
    source: {file}
    columns: {{lead_id: lead_id, created_at: created_at}}
    attributes:
      known_from: created_at
      columns:
{_attributes(file, ("lead_id", "created_at", "won_at", "y", "row"))}
  lead_stages:
    source: {file}
    where: y = 'yes'
    columns: {{lead_id: lead_id, stage: {{sql: "'won'"}}, entered_at: won_at}}
leads: {{horizon_days: 30}}
"""
    first = at[int(len(raw) * 0.8)].date() + dt.timedelta(days=1)
    last = at[-1].date() - dt.timedelta(days=6)
    return Firm("bank", mapping, first, (first, last), 30, ("attribute_own_duration",))


def measure(firm: Firm, folder: Path) -> dict[str, Any]:
    """Train as of the day, score the later leads at creation, and compare on them."""
    folder.mkdir()
    (folder / "crm.yaml").write_text(firm.mapping, encoding="utf-8")
    trained = crm.train(folder, "leads", as_of=firm.as_of)
    workspace = crm.open_workspace(folder)
    tables = read_inputs(workspace, only=LEAD_TABLES)
    leads = tables.frames["leads"]
    at = leads["created_at"].cast("int64").to_numpy()
    spine = pd.DataFrame({"lead_id": leads["lead_id"].to_pylist(), CUTOFF: at + 1})
    end = cutoff_us(dt.date(2100, 1, 1), tables.zone)
    spine["y"] = lead_labels(tables, spine, gap_days=0, horizon_days=firm.horizon, known_until=end)
    begin, until = (cutoff_us(day, tables.zone) for day in firm.test)
    mature = cutoff_us(firm.as_of - dt.timedelta(days=firm.horizon), tables.zone)
    test, past = spine[(at >= begin) & (at < until)], spine[at < mature]
    given = pd.DataFrame({"lead_id": test["lead_id"], "as_of": pd.to_datetime(test[CUTOFF], unit="us", utc=True)})
    p = score_rows(workspace, "leads", spine=given)["p_win"].to_numpy()
    plain, rule, column = _others(workspace, past, test, firm)
    y = test["y"].to_numpy(bool)
    found = {"scores": p, "plain LightGBM": plain, "best column": rule}
    return {
        "firm": firm.name,
        "verdict": trained.verdict,
        "model_kind": trained.model_kind,
        "train_rows": trained.training.train_rows,
        "train_events": trained.training.train_events,
        "warnings": [f.code for f in trained.findings if f.severity == "warning"],
        "held_back": list(trained.training.leaks.held_back),
        "test_rows": len(test),
        "test_events": int(y.sum()),
        "best_column": column,
        "auc": {name: round(float(roc_auc_score(y, values)), 4) for name, values in found.items()},
        "minus_best_column": _paired(y, p, rule),
        "minus_plain": _paired(y, p, plain),
        "calibration_error": round(float(calibration_error(y, p)), 4),
        "mean_p": round(float(p.mean()), 4),
        "rate": round(float(y.mean()), 4),
    }


def _others(workspace: Any, past: pd.DataFrame, test: pd.DataFrame, firm: Firm) -> tuple[np.ndarray, np.ndarray, str]:
    """A plain LightGBM and the best single column on what the file says of each lead at creation."""
    from crm_ml.jobs.features import build_features

    rows = pd.concat([past, test], ignore_index=True)
    spine = pd.DataFrame({"lead_id": rows["lead_id"], "as_of": pd.to_datetime(rows[CUTOFF], unit="us", utc=True)})
    frame = build_features(workspace, "leads", spine=spine)
    raw = [c for c in frame.columns if c.startswith("attribute_") or c in ("lead_source", "lead_campaign")]
    raw = [c for c in raw if c not in firm.raw_without]
    is_past = np.arange(len(rows)) < len(past)
    contract, _ = learn_columns(frame[is_past], raw, frame["lead_id"][is_past])
    encoded, y = contract.encode(frame), rows["y"].to_numpy(bool)
    matrix = np.stack([encoded[name] for name in contract.ids], axis=1)
    categories = [k for k, name in enumerate(contract.ids) if name in contract.categories]
    model = lgb.LGBMClassifier(n_estimators=100, random_state=1, num_threads=2, verbose=-1)
    model.fit(matrix[is_past], y[is_past], categorical_feature=categories)
    days = np.zeros(int(is_past.sum()), "datetime64[D]")
    ids = rows["lead_id"].to_numpy(object)[is_past]
    rule = best_column(Rows({k: v[is_past] for k, v in encoded.items()}, y[is_past], days, ids), contract)
    later = {k: v[~is_past] for k, v in encoded.items()}
    return model.predict_proba(matrix[~is_past])[:, 1], rule.margin(later), rule.column


def _paired(y: np.ndarray, ours: np.ndarray, other: np.ndarray, draws: int = 1000) -> dict[str, float]:
    generator, found = np.random.default_rng(0), []
    for _ in range(draws):
        rows = generator.integers(len(y), size=len(y))
        if y[rows].any():
            found.append(roc_auc_score(y[rows], ours[rows]) - roc_auc_score(y[rows], other[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    value = roc_auc_score(y, ours) - roc_auc_score(y, other)
    return {"value": round(float(value), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


if __name__ == "__main__":
    given = os.environ.get("CRM_ML_REAL_DATA")
    if not given:
        sys.exit("CRM_ML_REAL_DATA must name the folder with the real data")
    data, wanted = Path(given), sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        firms = {"smart": lambda: smart(data), "olist": lambda: olist(data), "bank": lambda: bank(data, room)}
        for key, make in firms.items():
            if not wanted or key in wanted:
                print(json.dumps(measure(make(), room / key), indent=2), flush=True)
