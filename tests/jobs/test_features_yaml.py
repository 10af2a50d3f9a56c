"""features.yaml: what it may say, how its faults are told, and that it reaches every job and stays with the model."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

import crm_ml as crm
from crm_ml.errors import UsageError
from crm_ml.features import CUSTOMER, LEAD
from crm_ml.features.choice import KEPT
from crm_ml.jobs.backtest import backtest
from crm_ml.jobs.explain import explain
from crm_ml.models.bundle import load_bundle

pytestmark = pytest.mark.filterwarnings("ignore")

OWN = """\
families: {regularity: true, group: true, payments: false}
leave_out: ["orders_products_*", "family:calendar"]
add:
  - {id: visits_45d, source: interactions, window_days: 45, where: {channel: visit}, unit: count, direction: -1,
     text_de: Besuche in den letzten 45 Tagen, text_en: visits in the last 45 days}
  - {id: visits_over_year, numerator: visits_45d, denominator: interactions_visit_count_365d, scale: 8.1, unit: ratio,
     text_de: Besuche zuletzt zum Jahr, text_en: recent visits over the year}
"""


@pytest.fixture(scope="module")
def own_folder(small_firm, tmp_path_factory, firm_day):
    """A firm whose model was trained with features of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("features") / "ws"
    shutil.copytree(small_firm, folder)
    people = pd.read_parquet(folder / "data/customers.parquet")
    people["parent_id"] = [f"G{k % 30}" if k % 3 else None for k in range(len(people))]
    people.to_parquet(folder / "data/customers.parquet", index=False)
    (folder / "features.yaml").write_text(OWN)
    return folder, crm.train(folder, as_of=firm_day)


@pytest.fixture
def own(own_folder, tmp_path):
    folder = tmp_path / "ws"
    shutil.copytree(own_folder[0], folder, symlinks=True)
    return folder


def test_the_model_is_given_what_the_file_says(own_folder):
    model = own_folder[1].training.model
    used = set(model.features)
    assert {"visits_45d", "visits_over_year", "group_share_365d", "order_gap_days_range_365d"} <= used
    assert not any(name.startswith(("orders_products_", "season_", "invoices_", "payments_")) for name in used)
    assert set(KEPT["customer"]) <= used
    assert [feature.id for feature in model.declared] == ["visits_45d", "visits_over_year"]


def test_its_features_come_with_the_model_whatever_the_file_says_later(own, own_folder, firm_day):
    before = crm.score(own, as_of=firm_day).table.set_index("customer_id")["p_churn"]
    for text in (None, OWN.replace("window_days: 45", "window_days: 9"), "leave_out: ['*']\n"):
        (own / "features.yaml").unlink(missing_ok=True)
        if text is not None:
            (own / "features.yaml").write_text(text)
        after = crm.score(own, as_of=firm_day).table.set_index("customer_id")["p_churn"]
        assert after.to_dict() == before.to_dict()


def test_the_bundle_holds_the_declarations(own, own_folder):
    (folder,) = [path.parent for path in (own / "mlflow").rglob("bundle.json") if "bundles" in str(path)][:1]
    assert load_bundle(folder).declared == own_folder[1].training.model.declared
    assert json.loads((folder / "bundle.json").read_text())["declared"][0]["where"] == {"channel": "visit"}


def test_explain_computes_the_same_and_speaks_of_own_features(own, firm_day):
    table = crm.score(own, as_of=firm_day).table
    found = explain(own, "churn", table["customer_id"].iloc[0], as_of=firm_day, dry_run=True)
    assert found.p_churn == pytest.approx(table["p_churn"].iloc[0], rel=1e-12)
    groups = {part["feature"]: part["group"] for part in found.contributions}
    assert groups["visits_45d"] == "own:visits_45d"
    assert groups["group_share_365d"] == "profile"
    assert found.labels["own:visits_45d"] == ("Besuche in den letzten 45 Tagen", "visits in the last 45 days")


def test_another_meaning_of_an_own_feature_does_not_stop_the_next_training(own, firm_day):
    (own / "features.yaml").write_text(OWN.replace("window_days: 45", "window_days: 60"))
    assert crm.train(own, as_of=firm_day).version == "2"


def test_the_feature_table_is_that_of_the_models(own, firm_day):
    frame = crm.build_features(own, as_of=firm_day)
    assert "visits_over_year" in frame
    assert "group_share_365d" in frame
    assert "season_sin" not in frame


def test_a_backtest_in_processes_of_its_own_sees_the_same(own_folder, tmp_path):
    folder = tmp_path / "ws"
    shutil.copytree(own_folder[0], folder, symlinks=True)
    how = {"as_of": "2025-03-03", "cutoffs": ["2024-08-01", "2024-12-03"], "dry_run": True}
    two, one = (backtest(folder, **how, workers=workers) for workers in (2, 1))
    assert two.metrics == one.metrics
    (folder / "features.yaml").unlink()
    assert backtest(folder, **how, workers=1).metrics != one.metrics


# the hash of the configuration


def test_the_hash_changes_with_the_file_and_not_without_it(untrained):
    plain = crm.open_workspace(untrained)
    (untrained / "features.yaml").write_text("# nothing is said\n{}\n")
    assert crm.open_workspace(untrained).config_hash == plain.config_hash
    (untrained / "features.yaml").write_text("families: {contracts: true}\n")
    other = crm.open_workspace(untrained)
    assert other.config_hash != plain.config_hash
    assert other.lead_config_hash == plain.lead_config_hash
    (untrained / "features.yaml").write_text("leads: {leave_out: lead_owner_*}\n")
    leads = crm.open_workspace(untrained)
    assert leads.config_hash == plain.config_hash
    assert leads.lead_config_hash != plain.lead_config_hash
    assert leads.choice_of(CUSTOMER).says_nothing
    assert leads.choice_of(LEAD).leave_out == ("lead_owner_*",)


def test_another_name_of_the_file(untrained):
    (untrained / "own.yaml").write_text("use: ['orders_*']\n")
    with (untrained / "crm.yaml").open("a") as file:
        file.write("\nfeatures: own.yaml\n")
    assert crm.open_workspace(untrained).choice_of(CUSTOMER).use == ("orders_*",)
    (untrained / "own.yaml").unlink()
    with pytest.raises(UsageError, match=r"crm\.yaml: features: .*own\.yaml"):
        crm.open_workspace(untrained)


def test_the_file_must_lie_in_the_workspace(untrained):
    (untrained.parent / "outside.yaml").write_text("use: ['orders_*']\n")
    (untrained / "features.yaml").symlink_to(untrained.parent / "outside.yaml")
    with pytest.raises(UsageError, match=r"crm\.yaml: features: "):
        crm.open_workspace(untrained)


# faults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uses: ['orders_*']\n", 'Did you mean "use"'),
        ("use: ['ordr_*']\n", "no feature matches 'ordr_\\*'"),
        ("families: {contract: true}\n", "there is no family 'contract' Did you mean \"contracts\""),
        ("families: {contracts: maybe}\n", "families.contracts"),
        ("add: [{id: x, source: orders, text_en: x}]\n", "text_de"),
        ("add: [{id: x, text_de: a, text_en: b}]\n", "feature 'x' lacks source"),
        ("add: [{id: x, numerator: orders_count_90d, text_de: a, text_en: b}]\n", "feature 'x' lacks denominator"),
        (
            "add: [{id: x, left: orders_count_90d, right: orders_count_30d, window_days: 3, text_de: a, text_en: b}]\n",
            "feature 'x' cannot have window_days beside left",
        ),
        ("add: [{id: X, source: orders, text_de: a, text_en: b}]\n", "an id consists of lower-case"),
        ("add: [{id: x, source: order, text_de: a, text_en: b}]\n", "unknown source 'order'. Did you mean \"orders\""),
        (
            "add: [{id: x, source: orders, aggregate: sum, measure: net, text_de: a, text_en: b}]\n",
            "orders has no column 'net'",
        ),
        (
            "add: [{id: orders_count_90d, source: orders, text_de: a, text_en: b}]\n",
            "the id 'orders_count_90d' is taken",
        ),
        ("leads: {use: ['orders_*']}\n", r"leads\.use: no feature matches"),
    ],
)
def test_a_fault_says_what_must_hold(untrained, text, words):
    (untrained / "features.yaml").write_text(text)
    with pytest.raises(UsageError, match=words):
        crm.open_workspace(untrained)


def test_faults_of_shape_and_of_names_are_told_together(untrained):
    (untrained / "features.yaml").write_text(
        "uses: ['orders_*']\n"
        "use: ['ordr_*', 7]\n"
        "families: {contract: true, calendar: maybe}\n"
        "add:\n"
        "  - {id: a, source: order, text_de: a, text_en: b}\n"
        "  - {id: b, source: orders, text_en: b}\n"
        "  - {id: c, numerator: b, denominator: d, text_de: a, text_en: b}\n"
        "leads: {use: ['orders_*'], leave_out: {a: b}}\n"
    )
    with pytest.raises(UsageError, match=r"^features\.yaml has 10 faults") as caught:
        crm.open_workspace(untrained)
    told = [finding.message for finding in caught.value.findings]
    for key in ("uses: there is no such key", "use.1: ", "families.calendar: ", "add.b.text_de: ", "leads.leave_out: "):
        assert sum(message.startswith(key) for message in told) == 1, key
    assert [message.split(" Did")[0] for message in told[5:]] == [
        "families: there is no family 'contract'",
        "use: no feature matches 'ordr_*'",
        "add: feature 'a': unknown source 'order'.",
        "add: feature 'c' uses the unknown feature 'd'",
        "leads.use: no feature matches 'orders_*'",
    ]  # b is not unknown, it has a fault of its own


def test_of_many_faulty_entries_the_others_are_still_read(untrained):
    entries = [7 if k in (2, 9, 10, 11) else f"ordr_{k}" for k in range(13)]
    (untrained / "features.yaml").write_text(f"use: {entries}\n")
    with pytest.raises(UsageError, match="has 13 faults") as caught:
        crm.open_workspace(untrained)
    told = " ".join(finding.message for finding in caught.value.findings)
    assert [k for k in range(13) if f"'ordr_{k}'" in told] == [0, 1, 3, 4, 5, 6, 7, 8, 12]


@pytest.mark.parametrize("text", ["leads: 3\n", "add: 3\n", "add: [3]\n", "use: 3\n", "families: [a]\n"])
def test_what_has_no_shape_at_all_is_a_fault_too(untrained, text):
    (untrained / "features.yaml").write_text(text + "leave_out: [ordr]\n")
    with pytest.raises(UsageError, match=r"has 2 faults: .*no feature matches 'ordr'"):
        crm.open_workspace(untrained)


def test_all_faults_are_told_at_once_and_the_command_ends_with_2(untrained, runner, firm_day):
    (untrained / "features.yaml").write_text(
        "use: ['ordr_*']\nfamilies: {contract: true}\nadd: [{id: x, source: order, text_de: a, text_en: b}]\n"
    )
    outcome = runner("score", "--as-of", firm_day, ws=untrained)
    assert outcome.code == 2
    assert outcome.json["error"]["message"].startswith("features.yaml has 3 faults")
