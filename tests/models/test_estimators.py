"""The classifiers obey scikit-learn's contract and say what the house's models say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from crm_ml.models import ChurnClassifier, RecencyRule, RfmLogisticClassifier
from crm_ml.models.calibration import sigmoid
from crm_ml.models.estimators import _folds
from crm_ml.models.evaluation import calibration_error

ALL = [ChurnClassifier(), RfmLogisticClassifier(), RecencyRule()]


@parametrize_with_checks(ALL)
@pytest.mark.filterwarnings("ignore:The number of unique classes is greater than:UserWarning")
def test_the_contract_of_scikit_learn(estimator, check):
    """No check is expected to fail."""
    check(estimator)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    rows = 3000
    days, gap = rng.exponential(60, rows), np.exp(rng.normal(3.3, 0.5, rows))
    ratio = np.where(rng.random(rows) < 0.1, np.nan, days / gap)
    industry = rng.choice(["metal", "plastic", "wood"], rows)
    z = 1.5 * np.log1p(days / gap) - 2.0 + 0.8 * (industry == "wood")
    frame = pd.DataFrame(
        {
            "industry": np.where(rng.random(rows) < 0.05, None, industry),
            "noise": rng.normal(size=rows),
            "days_since_last_order_over_own_gap": ratio,
            "days_since_last_order": days,
            "order_gap_days_mean": gap,
        }
    )
    return frame, rng.random(rows) < sigmoid(z), sigmoid(z)


@pytest.mark.parametrize(("estimator", "least"), [(ALL[0], 0.72), (ALL[1], 0.72), (ALL[2], 0.6)])
def test_ranks_and_keeps_its_word_on_rows_it_did_not_see(estimator, least, table):
    frame, y, truth = table
    model = clone(estimator).fit(frame[:2000], y[:2000])
    p = model.predict_proba(frame[2000:])[:, 1]
    assert roc_auc_score(y[2000:], p) > least
    assert abs(p.mean() - truth[2000:].mean()) < 0.03
    assert calibration_error(y[2000:], p) < 0.07


def test_texts_are_categories_and_unknown_ones_are_missing(table):
    frame, y, _ = table
    model = ChurnClassifier().fit(frame, y)
    assert "x0" in model._contract.categories
    assert model.feature_names_in_.tolist() == list(frame.columns)
    rows = frame.head(2).assign(industry=["never seen", None])
    one = frame.head(2).assign(industry=None)
    assert model.predict_proba(rows).tolist() == model.predict_proba(one).tolist()


def test_columns_are_told_by_name(table):
    frame, y, _ = table
    logistic = RfmLogisticClassifier().fit(frame, y)
    wanted = ["days_since_last_order", "order_gap_days_mean", "days_since_last_order_over_own_gap"]
    assert sorted(logistic.used_) == sorted(wanted)
    assert RecencyRule().fit(frame, y).column_ == 3
    assert RecencyRule(column="noise").fit(frame, y).column_ == 1
    assert RecencyRule(column=2).fit(frame, y).column_ == 2
    with pytest.raises(ValueError, match="There is no column 'days'"):
        RecencyRule(column="days").fit(frame, y)
    with pytest.raises(ValueError, match="column must be from 0 to 4, found 5"):
        RecencyRule(column=5).fit(frame, y)
    for estimator in (logistic, ChurnClassifier(rounds_per_root_row=0.2).fit(frame, y)):
        with pytest.raises(ValueError, match="feature names should match"):
            estimator.predict(frame[list(frame.columns[::-1])])


def test_the_rule_ranks_as_its_column_whatever_happened(table):
    frame, y, _ = table
    model = RecencyRule().fit(frame, ~y)
    p = model.predict_proba(frame)[:, 1]
    assert (np.diff(p[np.argsort(frame["days_since_last_order"])]) >= 0).all()


def test_groups_stay_together_and_both_classes_are_in_every_fold():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 40, 400)
    y = rng.random(400) < 0.02
    fold = _folds(y, groups, 5)
    assert all(len(set(fold[groups == one])) == 1 for one in range(40))
    assert [bool(y[fold == one].any()) for one in range(fold.max() + 1)] == [True] * (fold.max() + 1)
    # three rows of the rarer class: three folds
    assert _folds(np.arange(100) < 3, None, 5).max() == 2
    assert _folds(np.arange(100) < 1, None, 5).max() == 0
    with pytest.raises(ValueError, match="folds must be at least 2, found 1"):
        _folds(y, None, 1)


def test_a_customer_known_by_heart_is_not_mistaken_for_skill():
    # each customer has a column that names it and one outcome: only folds that part customers see through it
    rng = np.random.default_rng(2)
    customer = np.repeat(np.arange(120), 12)
    y = (rng.random(120) < 0.5)[customer]
    frame = pd.DataFrame({"fingerprint": rng.permutation(120)[customer].astype(float)})
    apart = ChurnClassifier().fit(frame, y, groups=customer)
    fooled = ChurnClassifier().fit(frame, y)
    spread = [float(model.predict_proba(frame)[:, 1].std()) for model in (apart, fooled)]
    assert spread[0] < 0.5 * spread[1]


def test_any_two_labels_and_the_same_result_at_any_thread_count(table):
    frame, y, _ = table
    plain = ChurnClassifier().fit(frame, y)
    worded = ChurnClassifier(n_jobs=2).fit(frame, np.where(y, "goes", "comes"))
    assert worded.classes_.tolist() == ["comes", "goes"]
    assert plain.predict_proba(frame).tobytes() == worded.predict_proba(frame).tobytes()
    assert set(worded.predict(frame)) == {"comes", "goes"}


def test_columns_that_say_nothing_leave_the_base_rate():
    frame, y = pd.DataFrame({"same": [1.0] * 100, "none": [np.nan] * 100}), np.arange(100) < 30
    for estimator in (ChurnClassifier(), RfmLogisticClassifier()):
        p = estimator.fit(frame, y).predict_proba(frame)[:, 1]
        assert np.ptp(p) == 0
        assert p[0] == pytest.approx(31 / 102, abs=0.01)


def test_it_stands_in_a_pipeline_and_a_search(table):
    frame, y, _ = table
    numbers = frame.drop(columns="industry").head(600)
    groups = np.arange(600) // 3
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(np.abs), RfmLogisticClassifier()),
        {"rfmlogisticclassifier__shrinkage": [1.0, 0.001]},
        cv=GroupKFold(3),
        scoring="roc_auc",
    )
    search.fit(numbers, y[:600], groups=groups)
    assert search.best_score_ > 0.65


def test_the_room_is_entered_without_scikit_learn():
    code = "import sys, crm_ml.models; print('sklearn' in sys.modules); crm_ml.models.RecencyRule"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
    import crm_ml.models as room

    with pytest.raises(AttributeError, match="has no attribute 'Forest'"):
        _ = room.Forest
