"""Candidates keep to what they declare, and an own estimator joins them without being able to serve."""

from __future__ import annotations

import os

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from crm_ml.errors import DamagedArtefact, Failure, UsageError
from crm_ml.models import bundle as b
from crm_ml.models import candidates as c
from crm_ml.models import load_bundle, make_dataset, train_churn, write_bundle
from crm_ml.models.calibration import Calibration
from crm_ml.models.candidates import Extras, add_candidate, added_candidates, remove_candidate
from crm_ml.models.columns import learn_columns
from crm_ml.models.gates import better_but_not_servable
from crm_ml.models.ladder import LADDER, climb
from crm_ml.models.logistic import fit_logistic
from crm_ml.models.model import Label, Model
from crm_ml.models.own import own_candidate, require_known
from crm_ml.models.recipe import OutOfTime, Recipe, Rows, fit_all, fit_scorer, order_of, usable_candidates
from crm_ml.models.scorer import Average

DIRECTIONS = {"days_since_last_order": 1, "orders_count_365d": -1, "invoices_days_late_mean_365d": 1, "noise": 0}


@pytest.fixture(scope="module")
def data(firm):
    return firm(customers=90, count=5)


@pytest.fixture(scope="module")
def contract(data):
    return learn_columns(data.frame, data.features, data.frame["customer_id"])[0]


@pytest.fixture(scope="module")
def rows(data, contract):
    return Rows(contract.encode(data.frame), data.y, data.days, data.frame["customer_id"].to_numpy(dtype=object))


def fitted(name, rows, contract, extras=None, threads=1):
    recipe = Recipe(extras=extras or Extras(DIRECTIONS))
    return fit_scorer(name, rows, contract, recipe, seed=1, threads=threads, max_rows=10**6)


def test_monotone_trees_keep_to_every_direction(rows, contract):
    model = fitted(c.MONOTONE, rows, contract)
    plain = fitted(c.LIGHTGBM, rows, contract)
    base = {name: np.repeat(values[:40], 60) for name, values in rows.encoded.items()}
    broken = 0
    for name, sign in DIRECTIONS.items():
        present = rows.encoded[name][~np.isnan(rows.encoded[name])]
        grid = np.tile(np.linspace(present.min(), present.max(), 60), 40)
        steps = [np.diff(m.margin({**base, name: grid}).reshape(40, 60)) for m in (model, plain)]
        if sign:
            assert (sign * steps[0] >= -1e-9).all(), name
            broken += int((sign * steps[1] < -1e-9).any())
    assert broken > 0  # without the directions the plain trees do break one


def test_all_numbers_regression_is_a_sum_that_adds_up_and_matches_scikit_learn(rows, contract):
    model = fitted(c.LOGISTIC_ALL, rows, contract)
    numbers = {column.id for column in contract.columns if column.kind == "number"}
    assert set(model.needs) == numbers
    parts, base = model.contributions(rows.encoded)
    assert base + sum(parts.values()) == pytest.approx(model.margin(rows.encoded))
    # an independent way to the same coefficients: lbfgs on a column without gaps and tails
    x = np.arange(1.0, 301.0)
    y = np.random.default_rng(1).random(300) < x / 400
    low, high = np.quantile(np.log1p(x), [0.001, 0.999])
    z = np.clip(np.log1p(x), low, high)
    z = (z - z.mean()) / z.std()
    oracle = LogisticRegression(C=0.03, tol=1e-10, max_iter=1000).fit(z[:, None], y)
    ours = fit_logistic({"x": x}, y, ["x"], shrinkage=0.03)
    assert ours.margin({"x": x}) == pytest.approx(oracle.decision_function(z[:, None]), abs=1e-5)


def test_a_bag_is_the_mean_of_its_seeds_and_the_first_is_the_plain_model(rows, contract):
    bag, plain = fitted(c.BAG, rows, contract), fitted(c.LIGHTGBM, rows, contract)
    assert isinstance(bag, Average)
    assert len(bag.members) == c.BAG_SEEDS
    assert bag.members[0] == plain
    assert len({member.text for member in bag.members}) == c.BAG_SEEDS
    margins = [member.margin(rows.encoded) for member in bag.members]
    assert bag.margin(rows.encoded) == pytest.approx(np.mean(margins, axis=0))


def test_a_bag_of_many_rows_has_fewer_seeds(rows, contract, monkeypatch):
    monkeypatch.setattr(c, "ONE_THREAD_CELLS", 10)
    assert len(fitted(c.BAG, rows, contract).members) == c.BAG_SEEDS_OF_MANY_ROWS < c.BAG_SEEDS


def test_a_longer_fit_cut_short_is_the_shorter_fit(rows, contract):
    def fitting():
        return c.Fitting(rows, contract, 1, 1, 10**6)

    shared = fitting()
    longer = shared.plain(2.0)
    cut, short = shared.plain(0.9), fitting().plain(0.9)
    assert cut != longer
    assert cut.margin(rows.encoded) == pytest.approx(short.margin(rows.encoded), abs=1e-12)
    assert cut.text == short.text


def test_names_fitted_together_are_what_they_are_alone(rows, contract):
    names = (c.BAG, c.MONOTONE, c.AVERAGE, c.AVERAGE_ALL, c.LOGISTIC)
    recipe = Recipe(extras=Extras(DIRECTIONS))
    together = fit_all(names, rows, contract, recipe, seed=1, threads=1, max_rows=10**6)
    assert tuple(together) == names
    assert all(together[name] == fitted(name, rows, contract) for name in names)


@pytest.fixture
def bag_folder(rows, contract, data, tmp_path):
    scorer = fitted(c.BAG, rows, contract)
    model = Model(scorer, contract.only(scorer.needs), Calibration(0.1, 0.9, ()), Label(0, 90), data.snapshots[0])
    write_bundle(model, tmp_path / "bag")
    return tmp_path / "bag", model


def test_a_bag_comes_back_from_its_bundle(bag_folder, data, monkeypatch):
    folder, model = bag_folder
    names = ["bundle.json", "calibration.json", "features.json", "model.json"]
    assert sorted(os.listdir(folder)) == [*names, "model.txt", "model_2.txt", "model_3.txt"]
    monkeypatch.setattr(b, "_tried", set())
    tried = []
    monkeypatch.setattr(b, "_try_text", lambda folder, name, text: tried.append(name))
    again = load_bundle(folder)
    assert tried == ["model.txt", "model_2.txt", "model_3.txt"]
    assert (again.predict_proba(data.frame) == model.predict_proba(data.frame)).all()


def test_every_text_of_a_bag_is_hashed_and_counted(bag_folder):
    folder, _ = bag_folder
    content = (folder / "model_3.txt").read_bytes()
    (folder / "model_3.txt").write_bytes(content[:-1])
    with pytest.raises(DamagedArtefact, match=r"model_3\.txt must have SHA-256"):
        load_bundle(folder)
    (folder / "model_3.txt").unlink()
    with pytest.raises(DamagedArtefact, match=r"unexpected or missing: \['model_3\.txt'\]"):
        load_bundle(folder)
    (folder / "model_3.txt").write_bytes(content)
    (folder / "model_4.txt").write_bytes(content)
    with pytest.raises(DamagedArtefact, match=r"unexpected or missing: \['model_4\.txt'\]"):
        load_bundle(folder)


def test_a_damaged_second_text_ends_the_trial_process_only(bag_folder, monkeypatch):
    monkeypatch.setattr(b, "_tried", set())
    folder, _ = bag_folder
    with pytest.raises(DamagedArtefact, match=r"model_2\.txt ended the trial process"):
        b._try_text(folder, "model_2.txt", (folder / "model_2.txt").read_bytes()[:500])


def test_members_must_use_each_text_once():
    members = [{"kind": "lightgbm", "file": "model.txt"}] * 2
    with pytest.raises(ValueError, match="each of its texts once and in order"):
        b._scorer({"kind": "average", "members": members}, {"model.txt": "", "model_2.txt": ""})


@pytest.mark.parametrize(
    ("fewer", "rung", "above"),
    [(9, None, "rule"), (10, "p_alive", "logistic"), (20, "logistic", "boosting"), (40, "boosting", None)],
)
def test_the_ladder_by_number_of_customers(fewer, rung, above):
    got = climb(fewer, 500, [r.name for r in LADDER])
    assert (got.rung and got.rung.name, got.above and got.above.name) == (rung, above)
    assert got.missing == (got.above.at_least - fewer if got.above else 0)
    assert climb(fewer, 500, ["rule"]).rung == (None if rung is None else LADDER[0])


def test_directions_and_tuning_decide_which_candidates_there_are(rows, contract):
    def usable(extras):
        return set(usable_candidates(rows.y, rows.customers, contract, extras))

    everything = {candidate.name for candidate in c.DECLARED}
    assert usable(Extras()) == everything - {c.MONOTONE, c.TUNED, c.RECENT}
    assert usable(Extras({"noise": 0})) == everything - {c.MONOTONE, c.TUNED, c.RECENT}
    assert usable(Extras(DIRECTIONS, tuning=c.Tuning(3), half_life_days=180.0)) == everything


class Nearest(ClassifierMixin, BaseEstimator):
    """Share of churners among training rows on the same side of the mean of the first column."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def fit(self, X, y):
        assert np.isfinite(X).all()
        self.classes_, self.middle_ = np.unique(y), X[:, 0].mean()
        above = X[:, 0] > self.middle_
        self.rates_ = (y[~above].mean(), y[above].mean())
        return self

    def predict_proba(self, X):
        p = np.where(X[:, 0] > self.middle_, self.rates_[1], self.rates_[0])
        return np.column_stack([1 - p, p])


class Refuses(Nearest):
    def fit(self, X, y):
        raise ValueError("not today")


def forest():
    return own_candidate("my_forest", RandomForestClassifier(20, min_samples_leaf=10, n_jobs=1))


def test_own_estimators_take_part_and_never_serve(firm, tmp_path):
    data = firm(customers=90, count=8)
    own = (forest(), own_candidate("nearest", Nearest(), features=["days_since_last_order"]))
    settings = {"train_as_of": data.label_end.max().astype(object), "gap_days": 0, "horizon_days": 90, "replicates": 50}
    order = np.random.default_rng(2).permutation(len(data))
    mixed = make_dataset(data.frame.iloc[order], data.y[order], gap_days=0, horizon_days=90, features=data.features)
    one = train_churn(data, threads=1, extras=Extras(DIRECTIONS, own), **settings)
    two = train_churn(mixed, threads=2, extras=Extras(DIRECTIONS, own), **settings)
    kinds = dict(zip(one.candidates["name"], one.candidates["kind"], strict=True))
    assert (kinds["my_forest"], kinds["nearest"], kinds["lightgbm_bag"]) == ("own", "own", "average")
    assert {"margin_my_forest", "margin_nearest"} <= set(one.evaluation.columns)
    assert one.model_kind != "own"
    assert not one.candidates.loc[one.candidates["kind"] == "own", "chosen"].any()
    assert one.candidates.equals(two.candidates)
    assert one.evaluation.equals(two.evaluation)
    shas = [write_bundle(t.model, tmp_path / str(k), t.summary()) for k, t in enumerate((one, two))]
    assert shas[0] == shas[1]
    # the caller's estimator stays unfitted
    assert not hasattr(own[0].estimator, "estimators_")


def test_a_better_own_candidate_is_told_of():
    losses = {"lightgbm": 0.5, "my_forest": 0.4, "other": 0.45}
    (told,) = better_but_not_servable({"my_forest": 0.4, "other": 0.45}, "lightgbm", losses)
    assert told.code == "candidate_not_servable"
    assert "my_forest has the least log loss on the folds (0.4000; lightgbm 0.5000)" in told.message
    assert better_but_not_servable({"my_forest": 0.6}, "lightgbm", losses) == []
    assert better_but_not_servable({}, "lightgbm", losses) == []


def test_a_fitted_own_candidate_reads_missing_values_as_medians(rows, contract):
    own = own_candidate("nearest", Nearest(), features=["invoices_days_late_mean_365d", "noise"])
    scorer = fitted("nearest", rows, contract, Extras(own=(own,)))
    late = rows.encoded["invoices_days_late_mean_365d"]
    assert np.isnan(late).any()
    assert scorer.needs == ("invoices_days_late_mean_365d", "noise")
    assert scorer.medians[0] == np.nanmedian(late)
    full = {**rows.encoded, "invoices_days_late_mean_365d": np.where(np.isnan(late), np.nanmedian(late), late)}
    assert (scorer.margin(rows.encoded) == scorer.margin(full)).all()
    for refused in (scorer.files, lambda: scorer.contributions(rows.encoded)):
        with pytest.raises(Failure, match="can be compared but neither stored nor explained"):
            refused()


def test_own_candidates_are_checked_and_their_faults_name_them(rows, contract):
    with pytest.raises(UsageError, match="found 'My forest'"):
        own_candidate("My forest", RandomForestClassifier())
    with pytest.raises(UsageError, match="unfitted scikit-learn classifier with predict_proba; found a class"):
        own_candidate("my_forest", RandomForestClassifier)
    with pytest.raises(UsageError, match="found object without fit, predict_proba, get_params"):
        own_candidate("my_forest", object())
    with pytest.raises(UsageError, match="at_least of the candidate my_forest must be at least 10; found 3"):
        own_candidate("my_forest", Nearest(), at_least=3)
    with pytest.raises(UsageError, match=r"not in the data: nois\..*noise"):
        require_known(own_candidate("my_forest", Nearest(), features=["nois"]), list(contract.ids))
    with pytest.raises(UsageError, match="fit of the candidate refuses failed: ValueError: not today"):
        fitted("refuses", rows, contract, Extras(own=(own_candidate("refuses", Refuses()),)))


def test_added_candidates_belong_to_the_process():
    try:
        add_candidate("mine", Nearest())
        add_candidate("mine", Nearest(2.0), ["noise"])
        assert [(own.name, own.features, own.estimator.weight) for own in added_candidates()] == [
            ("mine", ("noise",), 2.0)
        ]
        with pytest.raises(UsageError, match="lightgbm is the name of a built-in candidate or rule"):
            add_candidate("lightgbm", Nearest())
    finally:
        remove_candidate("mine")
    assert added_candidates() == ()


def test_of_candidates_that_the_folds_cannot_tell_apart_the_more_robust_comes_first():
    rng = np.random.default_rng(3)
    y, fold = rng.random(500) < 0.5, np.repeat(np.arange(2), 250)
    customers = np.array([str(i) for i in range(500)], dtype=object)
    good = np.where(y, 1.0, -1.0) + rng.normal(0, 1.5, 500)
    # a different half of the customers is misread by each, as many and as badly
    slip = np.tile([0.5, 0.0, -0.5, 0.0], 125)
    margins = {"robust": good + slip, "rich": good + np.roll(slip, 1), "weak": rng.normal(size=500)}
    inner = OutOfTime(np.arange(500), fold, margins)
    assert order_of(("robust", "rich", "weak"), inner, y, customers) == ["robust", "rich", "weak"]
    assert order_of(("rich", "robust", "weak"), inner, y, customers) == ["rich", "robust", "weak"]
    assert order_of(("weak", "rich", "robust"), inner, y, customers)[-1] == "weak"
    assert order_of((), inner, y, customers) == []
