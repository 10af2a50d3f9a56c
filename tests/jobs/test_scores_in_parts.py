"""Scores of a day, some customers at a time: the same numbers whatever the parts, and reasons for a share."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.jobs import daily, score_parts, stages
from crm_ml.jobs.daily import run_daily
from crm_ml.jobs.score import score


@pytest.fixture
def firm(trained_firm, tmp_path):
    ws = tmp_path / "ws"
    shutil.copytree(trained_firm, ws, symlinks=True)
    return ws


def with_share(ws, share):
    config = yaml.safe_load((ws / "crm.yaml").read_text())
    config["reasons"] = {"share": share}
    (ws / "crm.yaml").write_text(yaml.safe_dump(config))


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_parts_of_any_size_give_the_same_files(firm, firm_day, monkeypatch) -> None:
    run_daily(firm, as_of=firm_day)
    folder = firm / "published" / str(firm_day)
    before = {kind: bytes_of(folder / kind) for kind in ("scores", "lists")}
    rows = pq.read_metadata(folder / "scores" / "churn_scores.parquet").num_rows
    monkeypatch.setattr(score_parts, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr("crm_ml.features.parts.ROWS_PER_PART", 17)
    monkeypatch.setattr(daily, "_SUBJECTS_AT_ONCE", 13)
    assert rows > 3 * 17
    run_daily(firm, as_of=firm_day, force=True)
    assert {kind: bytes_of(folder / kind) for kind in ("scores", "lists")} == before


@pytest.mark.parametrize("rows_at_once", [7, 65_536])
def test_reasons_for_a_share_go_to_the_riskiest_and_to_the_first_of_each_list(
    firm, firm_day, monkeypatch, rows_at_once
) -> None:
    everybody = score(firm, as_of=firm_day, dry_run=True).table
    with_share(firm, 0.1)
    monkeypatch.setattr(score_parts, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr("crm_ml.features.parts.ROWS_PER_PART", 17)
    monkeypatch.setattr("crm_ml.jobs.score.DayScores._per_list", 2)
    some = score(firm, as_of=firm_day, dry_run=True).table
    told = some["reasons"].map(len).to_numpy() > 0
    riskiest = some["p_churn"].nlargest(int(np.ceil(len(some) / 10)), keep="all").index
    first = some.groupby(["account_manager_id", "risk_tier"], dropna=False)["priority"].rank(ascending=False) <= 2
    expected = some.index.isin(riskiest) | first.to_numpy()
    np.testing.assert_array_equal(told, expected)
    assert 0.1 <= told.mean() < 0.9
    same = ["customer_id", "p_churn", "risk_tier", "value_at_stake", "priority", "notes", "tier_p", "base_value"]
    assert some[same].map(repr).equals(everybody[same].map(repr))
    for ours, theirs in zip(some.loc[told, "reasons"], everybody.loc[told, "reasons"], strict=True):
        assert list(ours) == list(theirs)
    # without reasons the margin is the model's own, with them the sum of the contributions
    pd.testing.assert_series_equal(some["margin"], everybody["margin"], rtol=1e-12)


def test_who_is_on_a_list_has_reasons_though_only_a_share_gets_them(firm, firm_day) -> None:
    run_daily(firm, as_of=firm_day)
    lists = firm / "published" / str(firm_day) / "lists"
    before = {name: content for name, content in bytes_of(lists).items() if name.endswith(".csv")}
    assert before
    with_share(firm, 0.01)
    run_daily(firm, as_of=firm_day)
    assert {name: content for name, content in bytes_of(lists).items() if name.endswith(".csv")} == before


def test_the_share_changes_the_inputs_of_the_scores_only_where_it_is_said(firm, firm_day) -> None:
    assert not score(firm, as_of=firm_day).already_published
    with_share(firm, 1.0)
    assert score(firm, as_of=firm_day).already_published
    with_share(firm, 0.5)
    assert not score(firm, as_of=firm_day).already_published


def test_seconds_of_the_stages_are_told_and_add_up(firm, firm_day) -> None:
    said: list[str] = []
    found = run_daily(firm, as_of=firm_day, progress=said.append).as_dict()
    names = {"reading", "comparing", "model", "features", "scores", "tiers", "reasons", "decisions", "lists"}
    assert names | {"publishing", "records"} == set(found["seconds"])
    assert all(seconds >= 0 for seconds in found["seconds"].values())
    told = re.fullmatch(r"took [\d.]+ s: (.+)", said[-1])
    assert told
    # which stages take long enough to be told is the machine's business
    assert {part.split()[0] for part in told[1].split(", ")} <= set(found["seconds"])


def test_the_line_leaves_out_stages_of_no_time(monkeypatch) -> None:
    clock = iter([0.0, 0.0, 2.0, 2.0, 2.04])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    with stages.measured() as found:
        with stages.stage("long"):
            pass
        with stages.stage("short"):
            pass
    assert found.seconds == {"long": 2.0, "short": 0.04}
    assert found.line() == "took 2.0 s: long 2.0"


def test_a_stage_within_another_stops_its_clock(monkeypatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 6.0, 10.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    with stages.measured() as found, stages.stage("outer"), stages.stage("inner"):
        pass
    assert found.seconds == {"outer": 2.0 + 4.0, "inner": 3.0}
    assert found.line() == "took 9.0 s: outer 6.0, inner 3.0"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hypothesis_the_pool_keeps_the_riskiest_and_the_first_of_each_list(data):
    size = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    p, value = rng.integers(0, 5, size) / 4, rng.integers(0, 4, size) * 10.0
    tier, manager = rng.choice(np.array(["low", "high", "medium"], object), size), rng.integers(-1, 3, size)
    rows = rng.permutation(size)[: data.draw(st.integers(0, size))]
    pool = object.__new__(score_parts._Pool)
    pool.most, pool.per_list = data.draw(st.integers(0, size)), data.draw(st.integers(1, 4))
    pool.manager = manager
    some = pd.DataFrame({"p": p, "worth": p * value, "tier": tier, "manager": manager}).iloc[rows].sort_index()
    riskiest = some.sort_values("p", ascending=False, kind="stable").index[: pool.most]
    lists = some.sort_values("worth", ascending=False, kind="stable").groupby(["manager", "tier"])
    first = lists.head(pool.per_list).index
    found = pool._best(rows, SimpleNamespace(p=p, value=value, tier=tier))
    assert set(rows[found]) == {*riskiest, *first}
