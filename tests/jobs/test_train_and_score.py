"""The same from Python: training, scoring, features, checking, a first mapping, the demo."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import crm_ml as crm
from crm_ml.errors import DataError, HeldBack, UsageError
from crm_ml.jobs.demo import make_demo
from crm_ml.jobs.features import write_features
from crm_ml.jobs.init import init_workspace
from crm_ml.jobs.score_table import SCHEMA

pytestmark = pytest.mark.filterwarnings("ignore")


def test_public_names_are_there():
    for name in crm.__all__:
        assert getattr(crm, name) is not None
    assert set(crm.__all__) <= set(dir(crm))
    with pytest.raises(AttributeError, match="has no attribute 'segments'"):
        _ = crm.segments


def test_the_command_line_starts_without_heavy_packages():
    heavy = ["pandas", "numpy", "duckdb", "pyarrow", "pydantic", "mlflow", "lightgbm", "sklearn", "numba", "shap"]
    code = f"import sys, crm_ml, crm_ml.cli.app; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_scoring_needs_neither_mlflow_nor_pictures(workspace, firm_day):
    code = (
        f"import sys, crm_ml as crm; crm.score({str(workspace)!r}, as_of={firm_day!r});"
        "print([m for m in ('mlflow', 'shap', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_scores_are_what_the_contract_says(workspace, firm_day):
    result = crm.score(workspace, as_of=firm_day)
    table = result.table
    assert pq.read_schema(result.published / "churn_scores.parquet") == SCHEMA
    assert (result.rows, result.already_published) == (len(table), False)
    assert table.p_churn.between(0, 1).all()
    assert list(table.sort_values(["priority", "customer_id"], ascending=[False, True]).index) == list(table.index)
    features = crm.build_features(workspace, as_of=firm_day).set_index("customer_id").loc[table.customer_id]
    assert table.value_at_stake.to_numpy() == pytest.approx(features.orders_net_revenue_365d.to_numpy())
    assert table.priority.to_numpy() == pytest.approx((table.p_churn * table.value_at_stake).to_numpy())
    tiers = np.where(table.p_churn >= 0.6, "high", np.where(table.p_churn >= 0.3, "medium", "low"))
    assert list(table.risk_tier) == list(tiers)
    slow = features.order_gap_days_mean.to_numpy() > 90
    assert [("rhythm_longer_than_horizon" in notes) for notes in table.notes] == list(slow)
    managers = pd.read_parquet(workspace / "data/customers.parquet").set_index("customer_id").account_manager_id
    assert list(table.account_manager_id) == list(managers.loc[table.customer_id])
    sums = table.reasons.apply(lambda reasons: sum(reason["contribution"] for reason in reasons))
    assert (sums + table.base_value).to_numpy() == pytest.approx(table.margin.to_numpy(), abs=1e-9)
    assert all(reasons[-1]["group"] == "rest" and len(reasons) <= 5 for reasons in table.reasons)
    assert set(table.model_sha256) == {result.model_sha256}
    assert result.plot().axes[0].get_xlabel() == "predicted probability of churn"


def test_twice_is_once_and_dry_is_never(workspace, firm_day):
    dry = crm.score(workspace, as_of=firm_day, dry_run=True)
    assert dry.published is None
    assert not (workspace / "published").exists()
    first = crm.score(workspace, as_of=dt.date.fromisoformat(firm_day))
    pd.testing.assert_frame_equal(first.table, dry.table)
    second = crm.score(crm.open_workspace(workspace), as_of=firm_day)
    assert second.already_published
    pd.testing.assert_frame_equal(second.table, first.table)
    (first.published / "churn_scores.parquet").write_bytes(b"damaged")
    third = crm.score(workspace, as_of=firm_day)
    assert not third.already_published
    assert [f.code for f in third.findings if f.severity == "warning"] == ["damaged_publication"]
    pd.testing.assert_frame_equal(third.table, dry.table)


def test_rows_that_are_not_visible_change_nothing(workspace, firm_day):
    first = crm.score(workspace, as_of=firm_day)
    path = workspace / "data/order_lines.parquet"
    orders = pd.read_parquet(path)
    later = orders.head(200).assign(
        order_id=lambda f: "L" + f.order_id, ordered_at=pd.Timestamp(firm_day).as_unit("us")
    )
    pd.concat([orders, later]).sample(frac=1, random_state=0).to_parquet(path, index=False)
    assert crm.score(workspace, as_of=firm_day).already_published
    orders.iloc[:-50].to_parquet(path, index=False)
    changed = crm.score(workspace, as_of=firm_day)
    assert changed.already_published == (orders.iloc[-50:].ordered_at >= firm_day).all()
    assert first.published == changed.published


def test_cost_is_used_where_it_is_mapped(workspace, firm_day):
    plain = crm.score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    path = workspace / "data/order_lines.parquet"
    orders = pd.read_parquet(path)
    orders.assign(cost_amount=(orders.net_amount * 0.75).round(4)).to_parquet(path, index=False)
    costed = crm.score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    expected = plain.value_at_stake * 0.25
    assert costed.value_at_stake.loc[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.02)


def test_another_label_needs_another_model(workspace, firm_day):
    text = (workspace / "crm.yaml").read_text().replace("horizon_days: 90", "horizon_days: 60")
    (workspace / "crm.yaml").write_text(text)
    with pytest.raises(HeldBack, match=r"trained with horizon_days 90, and crm\.yaml says 60.*Train again"):
        crm.score(workspace, as_of=firm_day)


def test_a_training_of_an_older_day_does_not_replace_a_newer_one(workspace):
    older = crm.train(workspace, as_of="2025-02-03")
    assert (older.verdict, older.serves) == ("challenger", False)
    assert crm.score(workspace, as_of="2025-03-03").model_version == "1"
    from crm_ml.jobs import tracking

    assert tracking.alias_version(crm.open_workspace(workspace), "churn", "challenger") == older.version == "2"


def test_a_refused_model_never_replaces_one_that_passed(untrained, firm_day):
    """Too few churners for any candidate: the calibrated rule serves, and says so."""
    path = untrained / "data/order_lines.parquet"
    orders = pd.read_parquet(path)
    orders[orders.customer_id < "00034"].to_parquet(path, index=False)
    refused = crm.train(untrained, as_of=firm_day)
    assert refused.verdict == "refused"
    assert refused.serves
    assert refused.error.exit_code == 4
    assert "calibrated rule" in str(refused.error)
    table = crm.score(untrained, as_of=firm_day).table
    assert set(table.model_kind) == {"rule"}
    assert all("model_is_rule" in notes for notes in table.notes)
    again = crm.train(untrained, as_of=firm_day)
    assert (again.verdict, again.serves) == ("refused", False)
    assert crm.score(untrained, as_of=firm_day).model_version == "1"
    run = subprocess.run(
        [sys.executable, "-m", "crm_ml", "train", "churn", "--as-of", firm_day, "--json", "-w", str(untrained)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 4
    said = json.loads(run.stdout)
    assert said["error"]["code"] == "refused"
    assert {"version", "run_id", "verdict", "metrics", "baselines"} <= set(said)
    skill = said["metrics"]["brier_skill"]
    assert skill["low"] <= skill["value"] <= skill["high"] < 1
    assert said["reliability"] == json.loads(json.dumps(again.reliability.as_dict()))
    assert sum(row["rows"] for row in said["reliability"]["by_tier"]) == len(again.training.evaluation)


def test_training_twice_gives_the_same_bundle(workspace, firm_day):
    again = crm.train(workspace, as_of=firm_day)
    assert (again.version, again.verdict, again.serves) == ("2", "champion", True)
    assert len([path for path in (workspace / "mlflow" / "bundles").iterdir() if path.is_dir()]) == 1
    assert {"record", "gate"} <= set(again.cost.seconds)
    assert "# Churn model as of 2025-03-03" in again.card()
    assert list(again.table.columns) == ["measure", "value", "low", "high"]
    assert "| tier low |" in again.card()
    assert again.plot().axes


def test_a_dry_training_writes_nothing(untrained, firm_day):
    result = crm.train(untrained, as_of=firm_day, dry_run=True)
    assert (result.version, result.run_id) == ("", "")
    told = json.loads(json.dumps(result.as_dict()))["cost"]
    assert told["seconds_total"] == pytest.approx(sum(told["seconds"].values()), abs=0.05)
    assert {"read", "features", "labels", "fit_lightgbm", "evaluation", "bundle"} <= set(told["seconds"])
    assert not {"record", "gate"} & set(told["seconds"])
    assert sorted(path.name for path in untrained.iterdir()) == ["crm.yaml", "data"]


def test_features_as_a_table_and_as_a_file(workspace, tmp_path, firm_day):
    from crm_ml.jobs.features import write_features

    days = ["2024-12-02", firm_day]
    table = crm.build_features(workspace, as_of=days)
    assert list(table.columns[:2]) == ["customer_id", "as_of"]
    assert set(table.as_of) == {dt.date(2024, 12, 2), dt.date(2025, 3, 3)}
    assert table.shape[1] >= 62
    first = write_features(workspace, as_of=days, out=tmp_path / "a.parquet")
    write_features(workspace, as_of=days[::-1], out=tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (first.rows, first.features) == (len(table), table.shape[1] - 2)
    assert str(pq.read_schema(tmp_path / "a.parquet").field("as_of").type) == "date32[day]"
    spine = table[["customer_id", "as_of"]].iloc[::-7]
    write_features(workspace, spine=spine, out=tmp_path / "own.parquet")
    written = pd.read_parquet(tmp_path / "own.parquet")
    pd.testing.assert_frame_equal(written, table.iloc[::-7].reset_index(drop=True), check_dtype=False)
    own = crm.build_features(workspace, spine=spine)
    expected = table.iloc[::-7].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected, check_dtype=False)


def test_a_spine_never_brings_in_who_objects(workspace, tmp_path):
    spine = pd.DataFrame({"customer_id": ["00000", "00001", "00040"], "as_of": [dt.date(2025, 3, 3)] * 3})
    spine.to_parquet(tmp_path / "spine.parquet")
    assert list(crm.build_features(workspace, spine=tmp_path / "spine.parquet").customer_id) == ["00001"]


@pytest.mark.parametrize(
    ("spine", "told"),
    [
        ({"customer_id": ["1"]}, "as_of is missing"),
        ({"customer_id": [1], "as_of": [dt.date(2025, 3, 3)]}, "must be text"),
        ({"customer_id": ["1"], "as_of": [5]}, "as_of"),
        ({"customer_id": ["1", "2"], "as_of": [pd.Timestamp("2025-03-03 12:00"), pd.NaT]}, "dates or time stamps"),
    ],
)
def test_a_spine_must_be_one(workspace, spine, told):
    with pytest.raises((DataError, UsageError), match=told):
        crm.build_features(workspace, spine=pd.DataFrame(spine))


def test_leads_that_are_not_mapped_are_refused(workspace, firm_day):
    for job in (crm.train, crm.score):
        with pytest.raises(DataError, match="The table leads is needed for leads and is not mapped"):
            job(workspace, "leads", as_of=firm_day)
    with pytest.raises(UsageError, match=r'There is no model "chrun"\. Did you mean "churn"\?'):
        crm.score(workspace, "chrun", as_of=firm_day)


def test_days_or_a_spine(workspace):
    with pytest.raises(UsageError, match=r"either days .* or a spine, and not both"):
        crm.build_features(workspace)


def test_init_check_and_back(small_firm, tmp_path):
    shutil.copytree(small_firm / "data", tmp_path / "new" / "exports")
    result = init_workspace(tmp_path / "new", tmp_path / "new" / "exports")
    assert result.path == tmp_path / "new" / "crm.yaml"
    assert result.guesses
    checked = crm.check(tmp_path / "new")
    assert checked.error is None
    assert set(checked.tables) == {"customers", "interactions", "invoices", "order_lines", "payments"}
    with pytest.raises(UsageError, match=r"is there already.*--force"):
        init_workspace(tmp_path / "new", tmp_path / "new" / "exports")
    assert init_workspace(tmp_path / "new", tmp_path / "new" / "exports", force=True).text == result.text
    with pytest.raises(DataError, match="There is no folder"):
        init_workspace(tmp_path / "other", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No table was recognised"):
        init_workspace(tmp_path / "other", tmp_path / "empty")
    assert not (tmp_path / "other").exists()


def test_check_warns_of_a_crowded_tier(workspace, firm_day):
    import pyarrow as pa

    from crm_ml.jobs.publish import SetPlan, publish_set
    from crm_ml.jobs.score_table import write_scores

    crm.score(workspace, as_of=firm_day)
    table = pq.read_table(workspace / "published" / firm_day / "scores" / "churn_scores.parquet")
    at = table.schema.get_field_index("risk_tier")
    crowded = table.set_column(at, "risk_tier", pa.array(["high"] * len(table)))
    plan = SetPlan(workspace / "published", dt.date(2025, 3, 4), "scores", {})
    publish_set(plan, {"churn_scores.parquet": lambda path: write_scores(crowded, path)}, keep_sets=1)
    found = crm.check(workspace).findings
    assert [f.message for f in found if f.code == "crowded_tier"] == [
        "100% of the customers scored for 2025-03-04 are in the tier high"
    ]


def test_the_demo_stays_out_of_other_folders(tmp_path):
    (tmp_path / "precious").write_text("")
    with pytest.raises(UsageError, match="is not empty and holds no demo"):
        make_demo(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        make_demo(tmp_path / "precious")


def test_the_demo_goes_the_whole_way(tmp_path):
    result = make_demo(tmp_path / "demo", customers=400, seed=3)
    assert result.trained.version == "1"
    assert result.scored.rows > 100
    assert 0.5 < result.auc["model"] <= 1
    assert set(result.auc) == {"model", "rule", "truth"}
    assert (result.scored.published / "manifest.json").is_file()
    again = make_demo(tmp_path / "demo", customers=400, seed=3)
    assert again.auc == result.auc
    assert again.trained.facts["sha256"] == result.trained.facts["sha256"]


def test_a_spine_may_hold_time_stamps(workspace, tmp_path):
    day = dt.date(2025, 3, 3)
    whole = crm.build_features(workspace, as_of=day)
    ids = whole["customer_id"].tolist()
    naive = pd.DataFrame({"customer_id": ids, "as_of": [dt.datetime(2025, 3, 3, 0, 0, 0, 1)] * len(ids)})
    aware = naive.assign(as_of=pd.Timestamp("2025-03-02 23:00:00.000001", tz="UTC"))
    here, there = crm.build_features(workspace, spine=naive), crm.build_features(workspace, spine=aware)
    pd.testing.assert_frame_equal(here, there)
    counts = [name for name in whole if name.startswith("orders_count")]
    np.testing.assert_array_equal(here[counts].to_numpy(), whole[counts].to_numpy())
    path = tmp_path / "spine.parquet"
    naive.to_parquet(path)
    written = write_features(workspace, spine=path, out=tmp_path / "f.parquet").table
    assert (written["as_of"] == pd.Timestamp("2025-03-02 23:00:00.000001", tz="UTC")).all()


def test_each_row_of_a_spine_may_have_an_instant_of_its_own(untrained, firm_day):
    rng = np.random.default_rng(4)
    of_day = crm.build_features(untrained, as_of=firm_day)
    ids = of_day["customer_id"].iloc[:30].repeat(3).tolist()
    wall = pd.Series(pd.Timestamp("2024-10-25") + pd.to_timedelta(rng.integers(0, 120 * 86_400_000_000, 90), unit="us"))
    wall[:3] = pd.to_datetime(["2024-10-27 01:59:59", "2024-10-27 02:30:00", "2024-10-27 03:00:00"])
    utc = wall.dt.tz_localize("Europe/Berlin", ambiguous=np.ones(90, bool)).dt.tz_convert("UTC")
    own = crm.build_features(untrained, spine=pd.DataFrame({"customer_id": ids, "as_of": wall}))
    assert own["as_of"].equals(utc.astype(own["as_of"].dtype).rename("as_of"))
    assert own["customer_id"].tolist() == ids
    # the same instants, told otherwise
    nano = wall.astype("datetime64[ns]")
    mixed = [one if k % 2 else other for k, (one, other) in enumerate(zip(wall, utc, strict=True))]
    for told in (utc, nano, wall.dt.to_pydatetime(), pd.Series(mixed, dtype=object)):
        again = crm.build_features(untrained, spine=pd.DataFrame({"customer_id": ids, "as_of": told}))
        pd.testing.assert_frame_equal(again, own, check_exact=True)
    # each alone
    for row in range(0, 90, 18):
        alone = pd.DataFrame({"customer_id": ids, "as_of": wall}).iloc[[row]]
        found = crm.build_features(untrained, spine=alone)
        pd.testing.assert_frame_equal(found, own.iloc[[row]].reset_index(drop=True), check_exact=True)
    # a shared day among them
    day = pd.DataFrame({"customer_id": of_day["customer_id"], "as_of": pd.Timestamp(firm_day)})
    both = pd.concat([pd.DataFrame({"customer_id": ids, "as_of": wall}), day]).sample(frac=1, random_state=1)
    found = crm.build_features(untrained, spine=both).sort_values(["as_of", "customer_id"])
    found = found[found["as_of"] == pd.Timestamp(firm_day, tz="Europe/Berlin")].reset_index(drop=True)
    assert len(found) == len(of_day)
    pd.testing.assert_frame_equal(found.drop(columns="as_of"), of_day.drop(columns="as_of"), check_exact=True)
