"""Points of a firm as a rule: what they count, what is learnt, what is stored, what is said where they cannot be."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.errors import DamagedArtefact
from crm_ml.models import load_bundle, write_bundle
from crm_ml.models import points as p
from crm_ml.models.bundle import canonical_json
from crm_ml.models.calibration import Calibration
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.evaluation.metrics import auc
from crm_ml.models.kinds import rules_of
from crm_ml.models.model import Label, Model
from crm_ml.models.rows import Rows

INFINITE = float("inf")
SCHEME = p.PointScheme(
    (
        p.FeaturePoints("lead_source", levels=(("fair", 10.0), ("web", 2.0)), otherwise=-1.0),
        p.FeaturePoints("views", steps=(p.Step(1.0, 3.0, 5.0), p.Step(3.0, INFINITE, 9.0))),
    )
)
CONTRACT = ColumnContract((Column("lead_source", "category", ("fair", "list", "web")), Column("views", "number")))
FRAME = pd.DataFrame(
    {
        "lead_source": ["fair", "web", "list", None, "new", "fair"],
        "views": [0.0, 1.0, 2.999, 3.0, np.nan, 100.0],
    }
)


def rows_of(frame: pd.DataFrame, y: np.ndarray) -> Rows:
    ids = np.array([f"{k:05d}" for k in range(len(frame))], dtype=object)
    return Rows(CONTRACT.encode(frame), y, np.full(len(frame), "2026-01-01", "datetime64[D]"), ids)


def made(size: int = 3000, seed: int = 1, turned: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"lead_source": rng.choice(["fair", "web", "list"], size), "views": rng.integers(0, 5, size).astype(float)}
    )
    total = frame["lead_source"].map({"fair": 10.0, "web": 2.0, "list": -1.0}) + frame["views"].map(
        {0: 0.0, 1: 5.0, 2: 5.0, 3: 9.0, 4: 9.0}
    )
    return frame, rng.random(size) < 1 / (1 + np.exp(3.0 - (-0.2 if turned else 0.2) * total.to_numpy()))


def test_points_are_counted_as_written_down():
    rule = p.fit_points(SCHEME, rows_of(*made()), CONTRACT)
    source, views = (column.of(CONTRACT.encode(FRAME)).tolist() for column in rule.columns)
    # a source that is not named, missing, or not known from training counts as otherwise
    assert source == [10.0, 2.0, -1.0, -1.0, -1.0, 10.0]
    # from belongs to a step, to does not
    assert views == [0.0, 5.0, 5.0, 9.0, 0.0, 9.0]


def test_steps_may_be_open_below_and_leave_gaps():
    given_ = p.FeaturePoints("x", steps=(p.Step(5.0, 6.0, 7.0), p.Step(-INFINITE, 1.0, 3.0)), otherwise=1.0)
    edges, points = given_.bins(Column("x", "number"))
    assert (edges, points) == ((1.0, 5.0, 6.0), (3.0, 1.0, 7.0, 1.0))
    assert p.PointsColumn("x", edges, points, 1.0).of({"x": np.array([-9.0, 1.0, 5.5, 6.0, np.nan])}).tolist() == [
        3.0,
        1.0,
        7.0,
        1.0,
        1.0,
    ]


def test_the_line_is_learnt_and_contributions_add_up_exactly():
    frame, y = made(20_000)
    rule = p.fit_points(SCHEME, rows_of(frame, y), CONTRACT)
    # the truth is -3 + .2 per point
    assert rule.slope == pytest.approx(0.2, abs=0.01)
    assert rule.base == pytest.approx(-3.0 + 0.2 * sum(column.mean for column in rule.columns), abs=0.1)
    encoded = CONTRACT.encode(FRAME)
    parts, base = rule.contributions(encoded)
    assert list(parts) == ["lead_source", "views"]
    assert (base + parts["lead_source"] + parts["views"] == rule.margin(encoded)).all()
    assert abs(sum(part.mean() for part in rule.contributions(CONTRACT.encode(frame))[0].values())) < 1e-9


def test_points_that_speak_the_wrong_way_keep_their_order():
    frame, y = made(turned=True)
    rows = rows_of(frame, y)
    rule = p.fit_points(SCHEME, rows, CONTRACT)
    assert 0 < rule.slope < 0.01
    assert auc(y, rule.margin(rows.encoded)) < 0.5


@pytest.mark.parametrize("all_alike", [True, False])
def test_a_sum_that_separates_or_never_differs_stays_finite(all_alike):
    frame, _ = made(200)
    y = np.arange(200) < 20 if all_alike else (frame["lead_source"] == "fair").to_numpy()
    frame = frame.assign(views=0.0)
    if all_alike:
        frame["lead_source"] = "fair"
    rule = p.fit_points(SCHEME, rows_of(frame, y), CONTRACT)
    assert np.isfinite([rule.base, rule.slope]).all()
    if all_alike:
        assert rule.base == pytest.approx(np.log(21 / 181), abs=0.05)


@given(st.permutations(range(40)), st.floats(0.01, 100.0))
def test_neither_order_of_rows_nor_the_unit_of_points_matters(order, unit):
    frame, y = made(40)
    y[:5], y[5:10] = True, False
    scaled = p.PointScheme(
        tuple(
            p.FeaturePoints(
                one.feature,
                tuple((level, points * unit) for level, points in one.levels),
                tuple(p.Step(step.start, step.end, step.points * unit) for step in one.steps),
                one.otherwise * unit,
            )
            for one in SCHEME.features
        )
    )
    plain = p.fit_points(SCHEME, rows_of(frame, y), CONTRACT).margin(CONTRACT.encode(FRAME))
    shuffled = rows_of(frame.iloc[list(order)], y[list(order)])
    again = p.fit_points(scaled, shuffled, CONTRACT).margin(CONTRACT.encode(FRAME))
    assert np.allclose(plain, again, rtol=1e-6, atol=1e-6)


def test_a_scheme_comes_back_from_plain_values():
    assert p.PointScheme.from_json(json.loads(json.dumps(SCHEME.as_json()))) == SCHEME


@pytest.fixture
def bundle(tmp_path):
    rule = p.fit_points(SCHEME, rows_of(*made()), CONTRACT)
    model = Model(rule, CONTRACT, Calibration(0.1, 0.9), Label(0, 90, "won"), dt.date(2026, 1, 1))
    return model, tmp_path / "b", write_bundle(model, tmp_path / "b")


def test_a_bundle_comes_back_as_it_was(bundle, tmp_path):
    model, folder, sha = bundle
    again = load_bundle(folder, sha256=sha)
    assert again.scorer == model.scorer
    assert again.kind == "rule"
    assert (again.predict_proba(FRAME) == model.predict_proba(FRAME)).all()
    assert write_bundle(again, tmp_path / "c") == sha


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("base"), "must have the keys"),
        (lambda v: v.update(more=1), "must have the keys"),
        (lambda v: v.update(slope=-0.1), "more points must not mean less"),
        (lambda v: v.update(slope=True), "finite number"),
        (lambda v: v.update(base="0"), "finite number"),
        (lambda v: v.update(columns=[]), "needs features"),
        (lambda v: v.update(columns=v["columns"] * 2), "each once"),
        (lambda v: v["columns"][0].pop("mean"), "must have the keys"),
        (lambda v: v["columns"][0].update(feature=1), "must have the keys"),
        (lambda v: v["columns"][0].update(points=[1.0]), "one bin more"),
        (lambda v: v["columns"][0].update(edges=[1.5, 0.5]), "ascend"),
        (lambda v: v["columns"][0].update(otherwise=None), "finite number"),
    ],
)
def test_a_changed_rule_is_refused(bundle, change, said):
    value = bundle[0].scorer.files()["model.json"]
    change(value)
    with pytest.raises(ValueError, match=said):
        p.points_rule_from_json(value)


def test_a_bundle_with_an_impossible_rule_is_damaged(bundle, tmp_path):
    import hashlib

    model, folder, _ = bundle
    value = model.scorer.files()["model.json"] | {"slope": -1.0}
    about = json.loads((folder / "bundle.json").read_bytes())
    (folder / "model.json").write_bytes(canonical_json(value))
    del about["self_sha256"]
    about["files"]["model.json"] = hashlib.sha256(canonical_json(value)).hexdigest()
    about["self_sha256"] = hashlib.sha256(canonical_json(about)).hexdigest()
    (folder / "bundle.json").write_bytes(canonical_json(about))
    with pytest.raises(DamagedArtefact, match="more points must not mean less"):
        load_bundle(folder)


def test_points_are_one_more_rule_only_where_there_are_some():
    assert rules_of("won").names == rules_of("won").one_column == ("source_rate", "stage", "best_column")
    rules = rules_of("won", SCHEME)
    assert rules.names == rules.one_column == ("source_rate", "stage", "best_column", "points")
    assert rules.available(CONTRACT) == ("source_rate", "best_column", "points")
    assert "points" not in rules_of("churn", SCHEME).names
    frame, y = made(500)
    assert rules.fit("points", rows_of(frame, y), CONTRACT) == p.fit_points(SCHEME, rows_of(frame, y), CONTRACT)


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ((Column("views", "number"),), ("lead_source",)),
        ((Column("lead_source", "number"), Column("views", "category", ("1",))), ("lead_source", "views")),
        ((), ("lead_source", "views")),
    ],
)
def test_without_a_feature_the_rule_is_left_out_and_said(columns, missing):
    contract, rules = ColumnContract(columns), rules_of("won", SCHEME)
    assert "points" not in rules.available(contract)
    (finding,) = rules.findings(contract)
    assert (finding.severity, finding.code, finding.examples) == ("warning", "points_not_available", missing)
    assert "take them out of leads.points" in finding.remedy


def test_a_level_that_no_lead_has_is_said():
    assert rules_of("won", SCHEME).findings(CONTRACT) == []
    assert rules_of("won").findings(CONTRACT) == []
    odd = p.PointScheme((p.FeaturePoints("lead_source", levels=(("Fair", 1.0), ("fair", 1.0))),))
    (finding,) = rules_of("won", odd).findings(CONTRACT)
    assert (finding.code, finding.examples) == ("points_levels_not_seen", ("lead_source: Fair",))
    assert finding.remedy == 'Did you mean "fair"?'
