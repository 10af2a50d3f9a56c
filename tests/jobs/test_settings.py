"""crm.yaml: every fault is found, all at once, with a way out; nothing of it runs or grows."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest

from crm_ml.errors import Failure, UsageError
from crm_ml.features import Outcome, OwnGap
from crm_ml.jobs.settings import Settings, canonical_json, inside, open_workspace
from crm_ml.models.points import FeaturePoints, PointScheme, Step

HEAD = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\n"
TABLES = "tables: {order_lines: {source: orders.parquet}}\n"


@pytest.fixture
def refused(tmp_path):
    def refuse(text: str | bytes) -> UsageError:
        (tmp_path / "crm.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UsageError, match=r"crm\.yaml") as caught:
            open_workspace(tmp_path)
        assert int(caught.value.exit_code) == 2
        return caught.value

    return refuse


def test_defaults(tmp_path):
    (tmp_path / "crm.yaml").write_text(HEAD + TABLES)
    settings = open_workspace(tmp_path).settings
    churn = settings.churn
    assert (churn.active_days, churn.gap_days, churn.horizon_days) == (365, 0, 90)
    assert (churn.snapshots.every_days, churn.snapshots.history_days, churn.snapshots.min_history_days) == (
        30,
        1825,
        90,
    )
    assert (settings.language, settings.margin_rate, settings.policy, settings.keep_sets) == ("de", 1.0, None, 5)
    assert settings.tracking.uri == "sqlite:///mlflow/mlflow.db"


def test_a_whole_file_as_the_design_shows_it(tmp_path):
    (tmp_path / "crm.yaml").write_text(
        HEAD
        + """language: de
tables:
  order_lines:
    source: exports/orders/*.parquet
    where: '"Customer ID" IS NOT NULL'
    columns: {order_id: Invoice, net_amount: {sql: Quantity * Price}}
  leads:
    source: {path: crm/leads.csv, delimiter: ";", encoding: utf-8, decimal: ",", date_format: "%d.%m.%Y"}
    columns: {lead_id: Nr, created_at: Angelegt am, source: Herkunft}
    attributes: {known_from: created_at, columns: {budget: Budget, region: {sql: upper(Region)}}}
  lead_stages:
    source: crm/leads.csv
    where: Status = 'gewonnen'
    columns: {lead_id: Nr, stage: {sql: "'won'"}, entered_at: Abschluss}
  invoices: {source: {database: erp, query: SELECT 1}}
churn:
  active_days: 365
  snapshots: {every_days: 30, history_days: 1825, min_history_days: 90}
leads: {gap_days: 0, horizon_days: 90}
margin_rate: 1.0
policy: policy.yaml
tracking: {uri: sqlite:///mlflow/mlflow.db}
keep_sets: 3
"""
    )
    assert set(open_workspace(tmp_path).settings.tables) == {"order_lines", "leads", "lead_stages", "invoices"}


# what is wrong, what the message must say, the code of the first finding
FAULTS = {
    "unknown key": (HEAD + TABLES + "curency: EUR\n", 'curency.*Did you mean "currency"', "unknown_key"),
    "unknown key below": (HEAD + TABLES + "churn: {horizont_days: 9}\n", 'Did you mean "horizon_days"', "unknown_key"),
    "unknown key deep": (
        HEAD + TABLES + "churn: {snapshots: {evry_days: 9}}\n",
        'Did you mean "every_days"',
        "unknown_key",
    ),
    "unknown key of a table": (HEAD + "tables: {order_lines: {sorce: x}}\n", 'Did you mean "source"', "missing_key"),
    "unknown key of a source": (
        HEAD + "tables: {order_lines: {source: {path: x, delimeter: ';'}}}\n",
        'Did you mean "delimiter"',
        "unknown_key",
    ),
    "unknown table": (HEAD + "tables: {order_line: {source: x}}\n", 'Did you mean "order_lines"', "bad_value"),
    "unknown column": (
        HEAD + "tables: {order_lines: {source: x, columns: {net_amout: a}}}\n",
        'Did you mean "net_amount"',
        "bad_value",
    ),
    "no tables": (HEAD, "tables: this key is needed", "missing_key"),
    "empty tables": (HEAD + "tables: {}\n", "tables", "bad_value"),
    "no version": (HEAD.replace("version: 1\n", "") + TABLES, "version: this key is needed", "missing_key"),
    "later version": (HEAD.replace("version: 1", "version: 2") + TABLES, "version: input should be 1", "bad_value"),
    "version as text": (HEAD.replace("version: 1", "version: '1'") + TABLES, "version", "bad_value"),
    "zone": (HEAD.replace("Berlin", "Berlim") + TABLES, 'timezone.*Did you mean "Europe/Berlin"', "bad_value"),
    "zone as a path": (HEAD.replace("Europe/Berlin", "../../etc/passwd") + TABLES, "timezone", "bad_value"),
    "zone absolute": (HEAD.replace("Europe/Berlin", "/etc/localtime") + TABLES, "timezone", "bad_value"),
    "zone empty": (HEAD.replace("Europe/Berlin", "''") + TABLES, "timezone", "bad_value"),
    "currency": (HEAD.replace("EUR", "euro") + TABLES, "currency", "bad_value"),
    "no as a currency": (HEAD.replace("EUR", "no") + TABLES, "YAML reads no as false", "bad_value"),
    "language": (HEAD + TABLES + "language: fr\n", "language", "bad_value"),
    "margin of zero": (HEAD + TABLES + "margin_rate: 0\n", "margin_rate.*greater than 0", "bad_value"),
    "margin in per cent": (HEAD + TABLES + "margin_rate: 30\n", "margin_rate.*less than or equal to 1", "bad_value"),
    "margin as text": (HEAD + TABLES + "margin_rate: '0.3'\n", "margin_rate.*plain number", "bad_value"),
    "margin nan": (HEAD + TABLES + "margin_rate: .nan\n", "margin_rate", "bad_value"),
    "horizon yes": (HEAD + TABLES + "churn: {horizon_days: yes}\n", "horizon_days.*integer", "bad_value"),
    "horizon negative": (HEAD + TABLES + "churn: {horizon_days: -1}\n", "horizon_days", "bad_value"),
    "horizon as time": (HEAD + TABLES + "churn: {horizon_days: 1.5}\n", "horizon_days.*integer", "bad_value"),
    "keep none": (HEAD + TABLES + "keep_sets: 0\n", "keep_sets", "bad_value"),
    "column is a number": (
        HEAD + "tables: {order_lines: {source: x, columns: {order_id: 007}}}\n",
        "quotes",
        "bad_value",
    ),
    "table is nothing": (HEAD + "tables: {order_lines: }\n", "order_lines", "bad_value"),
    "a date as a key": (HEAD + TABLES + "2026-01-01: x\n", "line 5.*is read as date; put it in quotes", "usage"),
    "no as a key": (HEAD + TABLES + "no: x\n", "is read as bool", "usage"),
    "key twice": (HEAD + TABLES + "currency: USD\n", "'currency' stands twice", "usage"),
    "key twice below": (HEAD + "tables: {order_lines: {source: a, source: b}}\n", "'source' stands twice", "usage"),
    "alias": (HEAD + "tables: &t {order_lines: {source: x}}\nx: *t\n", "aliases", "usage"),
    "merge": (HEAD + "a: &a {b: c}\ntables: {<<: *a}\n", "aliases", "usage"),
    "python tag": (
        HEAD + TABLES + "x: !!python/object/apply:os.system ['touch owned']\n",
        "could not determine",
        "usage",
    ),
    "own tag": (HEAD + TABLES + "x: !secret y\n", "could not determine", "usage"),
    "two documents": (HEAD + TABLES + "---\n" + HEAD, "another document", "usage"),
    "not yaml": ("version: [1\n", "line", "usage"),
    "tab": ("version:\t1\n\tx: 1\n", "line", "usage"),
    "a list": ("- version\n", "must hold `key: value` lines; found list", "usage"),
    "empty": ("", "found nothing", "usage"),
    "latin-1": (b"version: 1\nname: M\xfcller\n", "not UTF-8", "usage"),
    "nul": (HEAD + TABLES + "x: \x00\n", "YAML", "usage"),
    "too large": ("#" * 1_000_001, "larger than", "usage"),
    "too deep": ("a: " + "[" * 60 + "]" * 60 + "\n", "levels", "usage"),
    "points of no feature": (
        HEAD + TABLES + "leads: {points: {lead_sorce: {levels: {fair: 1}}}}\n",
        'a feature of leads is needed, found "lead_sorce".*Did you mean "lead_source"',
        "bad_value",
    ),
    "points of a feature of customers": (
        HEAD + TABLES + "leads: {points: {orders_count_90d: {steps: [{from: 1, points: 1}]}}}\n",
        'a feature of leads is needed, found "orders_count_90d"',
        "bad_value",
    ),
    "points of an attribute that is not mapped": (
        HEAD + TABLES + "leads: {points: {attribute_budget: {steps: [{from: 1, points: 1}]}}}\n",
        'a feature of leads is needed, found "attribute_budget"',
        "bad_value",
    ),
    "points of no level": (
        HEAD + TABLES + "leads: {points: {lead_company_size: {levels: {50-250: 1}}}}\n",
        'levels must be among 1-9, 10-49.*found "50-250".*Did you mean "50-249"',
        "bad_value",
    ),
    "steps of a category": (
        HEAD + TABLES + "leads: {points: {lead_source: {steps: [{from: 1, points: 1}]}}}\n",
        "lead_source is a category: its points must be given by levels, found steps",
        "bad_value",
    ),
    "levels of a number": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {levels: {one: 1}}}}\n",
        "lead_call_count is a number: its points must be given by steps, found levels",
        "bad_value",
    ),
    "neither levels nor steps": (
        HEAD + TABLES + "leads: {points: {lead_source: {otherwise: 1}}}\n",
        "points.lead_source: points are given by levels .* or by steps .*; found neither",
        "bad_value",
    ),
    "both levels and steps": (
        HEAD + TABLES + "leads: {points: {lead_source: {levels: {fair: 1}, steps: [{from: 1, points: 1}]}}}\n",
        "found both",
        "bad_value",
    ),
    "steps that overlap": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {steps: [{from: 2, points: 2}, {to: 3, points: 1}]}}}\n",
        "steps must not overlap: one ends at 3, one begins at 2",
        "bad_value",
    ),
    "a step without ends": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {steps: [{points: 2}]}}}\n",
        "a step needs from, to, or both; found neither",
        "bad_value",
    ),
    "a step turned round": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {steps: [{from: 3, to: 3, points: 2}]}}}\n",
        "from must lie below to; found from 3.0 to 3.0",
        "bad_value",
    ),
    "a step without points": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {steps: [{from: 3}]}}}\n",
        r"steps\.0\.points: this key is needed",
        "missing_key",
    ),
    "a mistyped step": (
        HEAD + TABLES + "leads: {points: {lead_call_count: {steps: [{form: 3, points: 1}]}}}\n",
        'Did you mean "from"',
        "unknown_key",
    ),
    "points as words": (
        HEAD + TABLES + "leads: {points: {lead_source: {levels: {fair: ten}}}}\n",
        "levels.fair: input should be a valid number",
        "bad_value",
    ),
    "points without end": (
        HEAD + TABLES + "leads: {points: {lead_source: {levels: {fair: .inf}}}}\n",
        "levels.fair",
        "bad_value",
    ),
    "impossible date": (HEAD + TABLES + "policy: 2026-13-45\n", "YAML", "usage"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_refused_with_its_reason(name, refused, tmp_path):
    text, told, code = FAULTS[name]
    error = refused(text)
    assert re.search(told, str(error), re.DOTALL), str(error)
    assert error.code == code
    assert not (tmp_path / "owned").exists()


def test_all_faults_come_at_once(refused):
    error = refused("version: 1\ncurrency: euro\ntimezone: Mars\nlanguage: fr\nfoo: 1\ntables: {order_lines: {}}\n")
    assert {finding.column for finding in error.findings} == {
        "currency",
        "timezone",
        "language",
        "foo",
        "tables.order_lines.source",
    }
    assert all(finding.remedy for finding in error.findings)


def test_a_text_or_mapping_is_blamed_for_what_was_meant(refused):
    error = refused(HEAD + "tables: {order_lines: {source: {path: x, delimeter: ';'}}}\n")
    assert [finding.column for finding in error.findings] == ["tables.order_lines.source.delimeter"]
    error = refused(HEAD + "tables: {order_lines: {source: 7}}\n")
    assert len(error.findings) == 1
    assert "in quotes" in str(error)


def test_a_secret_in_the_wrong_place_is_not_repeated(refused):
    error = refused(HEAD + TABLES + "tracking: {uri: [postgresql://u:hunter2@db/x]}\nkeep_sets: hunter2\n")
    assert "hunter2" not in str(error)
    assert "hunter2" not in str(error.as_dict())


def test_a_file_that_would_grow_is_refused_within_a_second(refused):
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"] + [
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    began = time.monotonic()
    assert "aliases" in str(refused("\n".join(lines)))
    assert time.monotonic() - began < 1


def test_no_workspace(tmp_path):
    with pytest.raises(UsageError, match=r"There is no crm\.yaml in .*`crm-ml init DIR --from FOLDER`"):
        open_workspace(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        open_workspace(tmp_path / "nowhere")


def test_every_key_is_described():
    def undescribed(model, path=""):
        for name, field in model.model_fields.items():
            where = f"{path}{name}"
            if hasattr(field.annotation, "model_fields"):
                yield from undescribed(field.annotation, f"{where}.")
            elif not field.description:
                yield where

    assert list(undescribed(Settings)) == []


def test_config_hash_speaks_of_what_changes_scores(tmp_path):
    def hashed(text: str) -> str:
        (tmp_path / "crm.yaml").write_text(text)
        return open_workspace(tmp_path).config_hash

    plain = hashed(HEAD + TABLES)
    assert hashed(HEAD + TABLES + "language: en\nkeep_sets: 2\npolicy: p.yaml\n") == plain
    assert hashed(HEAD + TABLES.replace("orders", "moved")) == plain
    assert hashed(HEAD + TABLES + "churn: {horizon_days: 90}\n") == plain
    assert hashed(HEAD + TABLES + "churn: {horizon_days: 91}\n") != plain
    assert hashed(HEAD + TABLES + "churn: {leak_allow: [Status]}\n") != plain
    assert hashed(HEAD + TABLES + "margin_rate: 0.3\n") != plain


def test_points_are_read_and_count_in_the_hash_of_leads_alone(tmp_path):
    def opened(text: str):
        (tmp_path / "crm.yaml").write_text(HEAD + TABLES + text)
        return open_workspace(tmp_path)

    plain = opened("")
    assert plain.settings.leads.scheme is None
    # as it was before there were points
    relevant = plain.settings.model_dump(mode="json", include={"version", "currency", "timezone", "leads"})
    del relevant["leads"]["tuning"], relevant["leads"]["points"]
    assert plain.lead_config_hash == hashlib.sha256(canonical_json(relevant).encode()).hexdigest()
    assert opened("leads: {points: {}}\n").lead_config_hash == plain.lead_config_hash
    few = "lead_source: {levels: {web: 2, fair: 10}}"
    many = "lead_call_count: {steps: [{from: 1, to: 3, points: 5}, {from: 3, points: 8.5}], otherwise: -1}"
    both, turned = (opened(f"leads: {{points: {{{text}}}}}\n") for text in (f"{few}, {many}", f"{many}, {few}"))
    assert both.settings.leads.scheme == turned.settings.leads.scheme
    assert both.settings.leads.scheme == PointScheme(
        (
            FeaturePoints("lead_call_count", steps=(Step(1, 3, 5), Step(3, float("inf"), 8.5)), otherwise=-1),
            FeaturePoints("lead_source", levels=(("fair", 10.0), ("web", 2.0))),
        )
    )
    hashes = {w.lead_config_hash for w in (plain, both, opened(f"leads: {{points: {{{few}}}}}\n"))}
    assert len(hashes) == 3
    assert both.lead_config_hash == turned.lead_config_hash
    assert both.config_hash == plain.config_hash


def test_points_may_speak_of_own_attributes(tmp_path):
    leads = "tables: {leads: {source: l.csv, attributes: {known_from: '', columns: {Größe: g}}}}\n"
    text = HEAD + leads + "leads: {points: {attribute_groesse: {levels: {groß: 5}}}}\n"
    (tmp_path / "crm.yaml").write_text(text, encoding="utf-8")
    (one,) = open_workspace(tmp_path).settings.leads.scheme.features
    assert one == FeaturePoints("attribute_groesse", levels=(("groß", 5.0),))


def test_leak_allow_is_a_column_or_several(tmp_path):
    for text, expected in (("Status", ("Status",)), ("[Status, industry]", ("Status", "industry")), ("[]", ())):
        (tmp_path / "crm.yaml").write_text(HEAD + TABLES + f"churn: {{leak_allow: {text}}}\n")
        assert open_workspace(tmp_path).settings.churn.leak_allow == expected


def test_a_link_out_of_the_workspace_is_refused(tmp_path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "ws" / "published").symlink_to(tmp_path / "outside")
    with pytest.raises(Failure, match="leads out of the workspace"):
        inside(tmp_path / "ws", "published")
    assert inside(tmp_path / "ws", "mlflow") == Path(tmp_path / "ws" / "mlflow")


CHURN = "churn: "


@pytest.mark.parametrize(
    ("churn", "told"),
    [
        ("{partial_below: 0.5}", "partial_below is for `target: partial` alone, and target is no_purchase"),
        ("{target: contract_cancelled, category: Pumps}", "neither category nor horizon can stand"),
        ("{target: contract_cancelled, horizon: {own_gap: 2}}", "both speak of purchases"),
        ("{horizon: {own_gap: 2, min_days: 100}}", "must lie between horizon.min_days and horizon.max_days"),
        ("{target: patial}", 'Did you mean "partial"'),
        ("{horizon: {own_gaps: 2}}", 'Did you mean "own_gap"'),
        ("{horizon: {own_gap: 0}}", "greater than 0"),
        ("{target: partial, partial_below: 1.5}", "less than or equal to 1"),
    ],
)
def test_variants_of_churn_that_contradict_themselves_are_refused(refused, churn, told):
    assert told in str(refused(HEAD + TABLES + CHURN + churn + "\n"))


def test_variants_of_churn(tmp_path):
    def outcome(churn: str) -> Outcome:
        (tmp_path / "crm.yaml").write_text(HEAD + TABLES + CHURN + churn + "\n")
        return open_workspace(tmp_path).settings.churn.outcome

    assert outcome("{}") == Outcome()
    half = {"target": "partial", "partial_below": 0.5, "trailing_days": 180}
    assert outcome("{target: partial, active_days: 180}") == Outcome(**half)
    assert outcome("{target: partial, partial_below: 1, active_days: 30}").partial_below == 1.0
    assert outcome("{horizon: {own_gap: 2}}") == Outcome(own_gap=OwnGap(2.0, 30, 365))
    assert outcome("{category: Pumpen}") == Outcome(category="Pumpen")
    assert outcome("{target: contract_cancelled}") == Outcome(target="contract_cancelled")


def test_a_workspace_without_variants_keeps_its_hash(tmp_path):
    (tmp_path / "crm.yaml").write_text(HEAD + TABLES)
    # as it was before there were variants
    relevant = {
        "version": 1,
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "margin_rate": 1.0,
        "churn": {
            "active_days": 365,
            "gap_days": 0,
            "horizon_days": 90,
            "snapshots": {"every_days": 30, "history_days": 1825, "min_history_days": 90},
        },
    }
    workspace = open_workspace(tmp_path)
    assert workspace.config_hash == hashlib.sha256(canonical_json(relevant).encode()).hexdigest()
    (tmp_path / "crm.yaml").write_text(HEAD + TABLES + "churn: {target: partial}\n")
    assert open_workspace(tmp_path).config_hash != workspace.config_hash
