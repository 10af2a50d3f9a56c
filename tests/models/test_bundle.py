"""A bundle comes back exactly as it was, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from crm_ml.errors import DamagedArtefact, Failure
from crm_ml.features import Outcome, OwnGap
from crm_ml.models import bundle as b
from crm_ml.models import load_bundle, read_meta, trial_load, write_bundle
from crm_ml.models.calibration import BetaCurve, Calibration, IsotonicCurve
from crm_ml.models.columns import learn_columns
from crm_ml.models.model import Label, Model
from crm_ml.models.recipe import AVERAGE, LIGHTGBM, LOGISTIC, Recipe, Rows, fit_scorer
from crm_ml.models.rules import RULES

CALIBRATIONS = {
    LOGISTIC: Calibration(0.1, 0.9, (0.2, -0.1)),
    LIGHTGBM: Calibration(0.1, 0.9, curve=BetaCurve(0.7, 1.3, 0.1)),
    AVERAGE: Calibration(0.1, 0.9, curve=IsotonicCurve((-1.0, 0.5, 1.0), (-2.0, -0.1, 0.3))),
    "p_alive": Calibration(0.1, 0.9, year=((0.0, 0.1), (0.5, -0.2))),
}
KINDS = (LOGISTIC, LIGHTGBM, AVERAGE, *RULES)


@pytest.fixture(scope="module")
def data(firm):
    return firm(customers=80, count=5)


@pytest.fixture(scope="module")
def models(data):
    contract = learn_columns(data.frame, data.features, data.frame["customer_id"])[0]
    rows = Rows(contract.encode(data.frame), data.y, data.days, data.frame["customer_id"].to_numpy(dtype=object))
    made = {}
    for kind in KINDS:
        scorer = fit_scorer(kind, rows, contract, Recipe(), seed=1, threads=1, max_rows=10**6)
        calibration = CALIBRATIONS.get(kind, Calibration(0.1, 0.9))
        made[kind] = Model(scorer, contract.only(scorer.needs), calibration, Label(0, 90), data.snapshots[0])
    return made


@pytest.fixture
def saved(models, tmp_path):
    """Function that writes a model of a kind and returns its folder."""

    def save(kind):
        write_bundle(models[kind], tmp_path / kind, {"data_hash": "abc", "auc": 0.75})
        return tmp_path / kind

    return save


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_scores_are_identical(kind, models, data, tmp_path):
    sha = write_bundle(models[kind], tmp_path / "b", {"note": "ü"})
    again = load_bundle(tmp_path / "b", sha256=sha)
    assert (again.predict_proba(data.frame) == models[kind].predict_proba(data.frame)).all()
    assert again.calibration == models[kind].calibration
    assert again.kind == models[kind].kind
    assert (again.label, again.train_as_of, again.contract) == (
        models[kind].label,
        models[kind].train_as_of,
        models[kind].contract,
    )
    assert read_meta(tmp_path / "b", sha256=sha)["meta"] == {"note": "ü"}
    assert write_bundle(again, tmp_path / "c", {"note": "ü"}) == sha
    assert sorted(os.listdir(tmp_path / "b")) == sorted(os.listdir(tmp_path / "c"))


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(target="partial", partial_below=0.5, trailing_days=365, category="Pumpen"),
        Outcome(target="contract_cancelled"),
        Outcome(own_gap=OwnGap(2.0, 30, 365)),
    ],
)
def test_a_variant_of_the_label_comes_back(outcome, models, tmp_path):
    label = Label(7, 90, outcome=outcome)
    sha = write_bundle(replace(models[LOGISTIC], label=label), tmp_path / "b")
    assert load_bundle(tmp_path / "b", sha256=sha).label == label


def test_the_plain_label_is_stored_as_before_there_were_variants(saved):
    assert read_meta(saved(LOGISTIC))["label"] == {"target": "churn", "gap_days": 0, "horizon_days": 90}


def test_files_are_what_the_contract_names(saved):
    assert sorted(os.listdir(saved(LIGHTGBM))) == ["bundle.json", "calibration.json", "features.json", "model.txt"]
    assert sorted(os.listdir(saved(LOGISTIC))) == ["bundle.json", "calibration.json", "features.json", "model.json"]
    assert len(os.listdir(saved(AVERAGE))) == 5


def test_a_folder_that_holds_something_is_not_written_into(saved, models):
    with pytest.raises(Failure, match="written into an empty folder"):
        write_bundle(models[LOGISTIC], saved(LOGISTIC))


def damage_randomly(folder, seed):
    rng = np.random.default_rng(seed)
    name = sorted(os.listdir(folder))[rng.integers(0, len(os.listdir(folder)))]
    content = bytearray((folder / name).read_bytes())
    if seed % 3 == 0:
        content = content[: rng.integers(0, len(content))]
    elif seed % 3 == 1:
        content[rng.integers(0, len(content))] ^= 1 << rng.integers(0, 8)
    else:
        at = rng.integers(0, len(content))
        content[at : at + rng.integers(0, 9)] = rng.bytes(4)
    (folder / name).write_bytes(bytes(content))


def refused_after_random_damage(saved, tmp_path, seeds):
    folder = saved(AVERAGE)
    for seed in seeds:
        broken = tmp_path / "broken"
        shutil.copytree(folder, broken)
        damage_randomly(broken, seed)
        with pytest.raises(DamagedArtefact, match="Model bundle") as caught:
            load_bundle(broken)
        assert caught.value.exit_code == 6
        shutil.rmtree(broken)


def test_any_changed_byte_is_refused(saved, tmp_path):
    refused_after_random_damage(saved, tmp_path, range(60))


@pytest.mark.stress
def test_any_changed_byte_is_refused_many_times(saved, tmp_path):
    refused_after_random_damage(saved, tmp_path, range(100, 700))


def test_another_whole_bundle_is_refused_when_the_registry_names_this_one(saved):
    with pytest.raises(DamagedArtefact, match=r"bundle\.json must have SHA-256 0000"):
        load_bundle(saved(LOGISTIC), sha256="0" * 64)


@pytest.mark.parametrize("name", ["extra.py", "model.pkl", "lightgbm.py", ".hidden"])
def test_an_extra_file_is_refused(saved, name):
    folder = saved(LOGISTIC)
    (folder / name).write_text("import os")
    with pytest.raises(DamagedArtefact, match="unexpected or missing"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["bundle.json", "calibration.json", "features.json", "model.txt"])
def test_a_missing_file_is_refused(saved, name):
    folder = saved(LIGHTGBM)
    (folder / name).unlink()
    with pytest.raises(DamagedArtefact, match="missing"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["bundle.json", "model.json"])
def test_a_link_or_a_folder_or_a_pipe_in_place_of_a_file_is_refused(saved, tmp_path, name):
    folder = saved(LOGISTIC)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / name, elsewhere)
    for make in (lambda p: p.symlink_to(elsewhere), lambda p: p.mkdir(), os.mkfifo):
        make(folder / name)
        with pytest.raises(DamagedArtefact, match="regular file"):
            load_bundle(folder)
        (folder / name).rmdir() if (folder / name).is_dir() else (folder / name).unlink()


def test_a_sigmoid_of_before_still_loads(saved, data):
    folder = saved(LOGISTIC)
    before = b'{"intercept":-1.5,"kind":"sigmoid","season":[],"slope":0.8}\n'
    forge(folder, "calibration.json", lambda _: before)
    loaded = load_bundle(folder)
    assert loaded.calibration == Calibration(-1.5, 0.8)
    assert b.canonical_json(loaded.calibration.as_json()) == before
    expected = 1 / (1 + np.exp(1.5 - 0.8 * loaded.margin(data.frame)))
    assert loaded.predict_proba(data.frame) == pytest.approx(expected)


def test_no_folder_at_all_is_refused(tmp_path):
    with pytest.raises(DamagedArtefact, match="the folder must be readable"):
        load_bundle(tmp_path / "nowhere")


def forge(folder, name, change):
    """Change a file and make all hashes fit again, as somebody who may write everything could."""
    if name != "bundle.json":
        (folder / name).write_bytes(change((folder / name).read_bytes()))
    bundle = json.loads((folder / "bundle.json").read_bytes())
    bundle.pop("self_sha256")
    if name == "bundle.json":
        bundle = change(bundle)
    for file in bundle["files"]:
        if (folder / file).exists():
            bundle["files"][file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    bundle["self_sha256"] = hashlib.sha256(b.canonical_json(bundle)).hexdigest()
    (folder / "bundle.json").write_bytes(b.canonical_json(bundle))


def edited(**values):
    return lambda content: b.canonical_json({**json.loads(content), **values})


def with_outcome(outcome):
    return lambda bundle: {**bundle, "label": {**bundle["label"], "outcome": outcome}}


@pytest.mark.parametrize(
    ("kind", "name", "change", "message"),
    [
        (LIGHTGBM, "model.txt", lambda c: c[: len(c) // 2], "ended the trial process"),
        (LIGHTGBM, "model.txt", lambda c: b"tree\n", "ended the trial process"),
        (LIGHTGBM, "model.txt", lambda c: b"", "ended the trial process"),
        (
            LIGHTGBM,
            "model.txt",
            lambda c: c.replace(b"days_since_last_order ", b"days_since_last_other "),
            "differing in",
        ),
        (LOGISTIC, "calibration.json", edited(slope=-1.0), "slope must be positive"),
        (LOGISTIC, "calibration.json", edited(slope="1"), "finite number"),
        (LOGISTIC, "calibration.json", edited(season=[0.1]), "come in pairs"),
        (LOGISTIC, "calibration.json", lambda c: c.replace(b"0.1", b"NaN", 1), "strict JSON"),
        (LOGISTIC, "calibration.json", lambda c: c.replace(b"0.1", b"1e999", 1), "strict JSON"),
        (LOGISTIC, "calibration.json", lambda c: c + b"\n", "canonical form"),
        (LOGISTIC, "calibration.json", lambda c: b"[" * 100_000, "strict JSON"),
        (LOGISTIC, "calibration.json", edited(kind="spline"), "unknown kind of calibration"),
        (LIGHTGBM, "calibration.json", edited(a=-1.0), "must be at least 0.01"),
        (AVERAGE, "calibration.json", edited(z=[0.0, 0.0, 1.0]), "increase strictly"),
        ("p_alive", "calibration.json", edited(year=[[2.0, 0.0]]), "a share of the year"),
        (LOGISTIC, "features.json", edited(features=[]), "features.json names 0"),
        (LOGISTIC, "features.json", edited(more=1), "expected exactly the keys"),
        (LOGISTIC, "model.json", edited(kind="pickle"), "unknown kind of model"),
        (LOGISTIC, "model.json", edited(terms=[{"feature": "x"}]), "expected exactly the keys"),
        ("p_alive", "model.json", edited(name="os.system"), "unknown rule"),
        ("p_alive", "model.json", edited(constants={"r": 1.0}), "expected exactly the keys"),
        (AVERAGE, "model.json", edited(members=[]), "needs members"),
        (AVERAGE, "model.json", edited(members=[{"kind": "average", "members": []}]), "needs members"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "format_version": 2}, "format must be"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "model_kind": "rule"}, "the model is logistic"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "model_kind": "pickle"}, "model_kind must be one of"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "feature_count": 3}, "feature_count differs"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "train_as_of": "today"}, "do not fit together"),
        (
            LOGISTIC,
            "bundle.json",
            lambda d: {**d, "label": {**d["label"], "target": "leads"}},
            "target must be one of churn",
        ),
        (LOGISTIC, "bundle.json", lambda d: {**d, "label": {**d["label"], "horizon_days": -1}}, "whole number of days"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "label": {**d["label"], "moon": 1}}, "perhaps outcome"),
        (LOGISTIC, "bundle.json", with_outcome({"target": "gone"}), "target must be one of"),
        (LOGISTIC, "bundle.json", with_outcome({"target": "partial"}), "partial_below belongs to"),
        (LOGISTIC, "bundle.json", with_outcome({"target": "no_purchase", "moon": 1}), "unknown keys"),
        (LOGISTIC, "bundle.json", with_outcome(["partial"]), "must be a mapping with a target"),
        (LOGISTIC, "bundle.json", lambda d: {**d, "files": {**d["files"], "../x.json": "0"}}, "exactly"),
    ],
)
def test_a_forgery_with_fitting_hashes_is_refused_without_an_abort(saved, kind, name, change, message):
    folder = saved(kind)
    forge(folder, name, change)
    with pytest.raises(DamagedArtefact, match=message.replace(".", r"\.")):
        load_bundle(folder)


def test_the_trial_runs_apart_and_once_per_text(saved, monkeypatch):
    folder = saved(LIGHTGBM)
    monkeypatch.setattr(b, "_tried", set())
    started = []
    run = subprocess.run

    def counted(command, **options):
        started.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    trial_load(folder)
    load_bundle(folder)
    load_bundle(folder)
    assert len(started) == 1
    assert started[0][:2] == [sys.executable, "-I"]


def test_the_trial_ignores_code_that_lies_around(saved, tmp_path, monkeypatch):
    folder = saved(LIGHTGBM)
    marker = tmp_path / "marker"
    (tmp_path / "lightgbm.py").write_text(f"open({str(marker)!r}, 'w').write('ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(b, "_tried", set())
    trial_load(folder)
    assert not marker.exists()


def test_a_trial_that_hangs_is_ended(saved, monkeypatch):
    folder = saved(LIGHTGBM)
    monkeypatch.setattr(b, "_tried", set())
    monkeypatch.setattr(b, "_TRIAL_SECONDS", 1)
    monkeypatch.setattr(b, "_CHILD", "import time; time.sleep(60)")
    with pytest.raises(DamagedArtefact, match="did not load within 1 seconds"):
        load_bundle(folder)


def test_no_single_customer_is_named_in_a_bundle(saved, data):
    text = b"".join(path.read_bytes() for path in saved(AVERAGE).iterdir()).decode()
    assert not [key for key in data.frame["customer_id"].unique() if f'"{key}"' in text]
