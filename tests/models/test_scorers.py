"""What every kind of scorer must keep, and the worked numbers of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.errors import DamagedArtefact, DataError
from crm_ml.models.bgnbd import BgNbd, bgnbd_log_likelihood, fit_bgnbd
from crm_ml.models.boosting import booster_from_text, fit_boosting
from crm_ml.models.calibration import Calibration, fit_calibration, season_terms, sigmoid
from crm_ml.models.columns import Column, ColumnContract, learn_columns
from crm_ml.models.logistic import Logistic, Term, fit_logistic
from crm_ml.models.model import Label, Model
from crm_ml.models.recipe import AVERAGE, LIGHTGBM, LOGISTIC, Recipe, Rows, fit_scorer
from crm_ml.models.rules import RULES, Rule, fit_rule
from crm_ml.models.scorer import Average

KINDS = (LOGISTIC, LIGHTGBM, AVERAGE, *RULES)


@pytest.fixture(scope="module")
def data(firm):
    return firm(customers=120, count=6)


@pytest.fixture(scope="module")
def contract(data):
    return learn_columns(data.frame, data.features, data.frame["customer_id"])[0]


def fitted(kind, data, contract):
    rows = Rows(contract.encode(data.frame), data.y, data.days, data.frame["customer_id"].to_numpy(dtype=object))
    scorer = fit_scorer(kind, rows, contract, Recipe(), seed=1, threads=1, max_rows=10**6)
    calibration = fit_calibration(scorer.margin(rows.encoded), data.y)
    return Model(scorer, contract.only(scorer.needs), calibration, Label(0, 90), data.snapshots[0])


@pytest.fixture(scope="module")
def models(data, contract):
    return {kind: fitted(kind, data, contract) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_again_gives_the_same_scores(kind, models, data, contract):
    again = fitted(kind, data, contract)
    assert (again.margin(data.frame) == models[kind].margin(data.frame)).all()
    assert again.scorer.files() == models[kind].scorer.files()


@pytest.mark.parametrize("kind", KINDS)
def test_columns_go_by_name_and_rows_stand_alone(kind, models, data):
    model, frame = models[kind], data.frame
    p = model.predict_proba(frame)
    mixed = frame.assign(extra=1.0, words="x")[[*reversed(frame.columns), "extra", "words"]]
    assert (model.predict_proba(mixed) == p).all()
    order = np.random.default_rng(1).permutation(len(frame))
    assert (model.predict_proba(frame.iloc[order]) == p[order]).all()
    for i in (0, 7, len(frame) - 1):
        assert model.predict_proba(frame.iloc[[i]])[0] == p[i]
    assert model.predict_proba(frame.iloc[:0]).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_base_and_contributions_add_up_to_the_margin(kind, models, data):
    parts = models[kind].contributions(data.frame.iloc[5:60])
    assert parts.values.index.tolist() == list(range(5, 60))
    assert parts.margin == pytest.approx(models[kind].margin(data.frame.iloc[5:60]), abs=1e-9)
    assert list(parts.values.columns) == list(models[kind].features)
    empty = models[kind].contributions(data.frame.iloc[:0])
    assert empty.values.shape == (0, len(models[kind].features))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_feature_is_named(kind, models, data):
    gone = models[kind].features[0]
    with pytest.raises(DataError, match=f"missing: {gone}"):
        models[kind].predict_proba(data.frame.drop(columns=gone))


@pytest.mark.parametrize("kind", KINDS)
def test_text_in_a_number_is_named(kind, models, data):
    name = models[kind].features[0]
    with pytest.raises(DataError, match=f"{name} must hold numbers; found 'many'"):
        models[kind].predict_proba(data.frame.assign(**{name: "many"}))


values = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1000),
    st.sampled_from([0.0, -0.0, -1.0, 1e308, -1e308, 5e-324]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(values, min_size=13, max_size=13), min_size=1, max_size=6), st.sampled_from(KINDS))
def test_any_numbers_at_all_give_a_probability(models, rows, kind):
    check_probabilities(models[kind], rows)


@pytest.mark.stress
@settings(max_examples=10_000, deadline=None)
@given(st.lists(st.lists(values, min_size=13, max_size=13), min_size=1, max_size=6), st.sampled_from(KINDS))
def test_any_numbers_at_all_give_a_probability_ten_thousand_times(models, rows, kind):
    check_probabilities(models[kind], rows)


def check_probabilities(model, rows):
    columns = {
        name: pd.array([row[j % 13] for row in rows], dtype="float64")
        if name != "country"
        else ["AT", None, "XX", "", "DE", "\n"][: len(rows)]
        for j, name in enumerate(model.features)
    }
    frame = pd.DataFrame(columns)
    p = model.predict_proba(frame)
    assert np.isfinite(p).all()
    assert ((p >= 1e-6) & (p <= 1 - 1e-6)).all()
    assert all(model.predict_proba(frame.iloc[[i]])[0] == p[i] for i in range(len(frame)))


def test_unseen_and_rare_levels_count_as_missing():
    frame = pd.DataFrame({"c": ["AT"] * 6 + ["DE"] * 5 + ["XX"] * 9 + [None]})
    # XX stands nine times, but for two customers only
    customers = pd.Series([*map(str, range(11)), *(["p", "q"] * 5)[:9], "z"])
    contract, _ = learn_columns(frame, ["c"], customers)
    assert contract.columns == (Column("c", "category", ("AT", "DE")),)
    codes = contract.encode(pd.DataFrame({"c": ["DE", "AT", "XX", "never", None]}))["c"]
    assert codes.tolist() == pytest.approx([1, 0, np.nan, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_text_columns_of_any_dtype_are_categories(dtype):
    frame = pd.DataFrame({"c": pd.Series(["AT", "DE"] * 5 + [None], dtype=dtype)})
    contract, _ = learn_columns(frame, ["c"], pd.Series(map(str, range(11))))
    assert contract.columns[0].levels == ("AT", "DE")


def test_unsafe_feature_names_are_refused():
    with pytest.raises(DataError, match="ASCII letters, digits"):
        learn_columns(pd.DataFrame({"a[1]": [1.0]}), ["a[1]"], pd.Series(["a"]))


def test_a_column_that_stands_twice_is_refused():
    frame = pd.DataFrame([[1.0, 2.0]], columns=["x", "x"])
    with pytest.raises(DataError, match="x stands 2 times"):
        ColumnContract((Column("x", "number"),)).encode(frame)


def test_one_and_two_threads_write_the_same_model(data, contract):
    encoded = contract.encode(data.frame)
    texts = {fit_boosting(encoded, data.y, contract, rounds=15, seed=1, threads=t).text for t in (1, 2)}
    assert len(texts) == 1
    assert "num_threads" not in texts.pop()


def test_staged_margins_are_those_of_shorter_models(data, contract):
    encoded = contract.encode(data.frame)
    long = fit_boosting(encoded, data.y, contract, rounds=30, seed=1, threads=1)
    short = fit_boosting(encoded, data.y, contract, rounds=10, seed=1, threads=1)
    staged = long.staged_margins(encoded, (10, 30))
    assert staged[10] == pytest.approx(short.margin(encoded), abs=1e-12)
    assert staged[30] == pytest.approx(long.margin(encoded), abs=1e-12)


def test_a_text_that_is_no_model_is_refused():
    with pytest.raises(DamagedArtefact, match=r"model\.txt must be a LightGBM model"):
        booster_from_text("hello")


def test_logistic_contributions_by_hand():
    term = Term("x", low=0.0, high=2.0, mean=1.0, sd=0.5, coef=0.3, missing_share=0.25, missing_coef=0.8)
    model = Logistic(0.1, (term,))
    encoded = {"x": np.array([np.e - 1, np.e**2 - 1, 1e9, np.nan])}
    # log1p gives 1, 2, clipped 2, missing
    want = [0.3 * 0 - 0.2, 0.3 * 2 - 0.2, 0.3 * 2 - 0.2, 0.8 * 0.75]
    assert model.contributions(encoded)[0]["x"] == pytest.approx(want)
    assert model.margin(encoded) == pytest.approx(np.array(want) + 0.1)


def test_logistic_scores_equal_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(3)
    x = rng.exponential(20, 500)
    y = rng.random(500) < x / (x + 20)
    log = np.log1p(x)
    clipped = np.clip(log, *np.quantile(log, [0.001, 0.999]))
    z = (clipped - clipped.mean()) / clipped.std()
    want = (
        LogisticRegression(C=0.1, tol=1e-6)
        .fit(np.column_stack([z, np.zeros(500)]), y)
        .decision_function(np.column_stack([z, np.zeros(500)]))
    )
    assert fit_logistic({"x": x}, y, ["x"], shrinkage=0.1).margin({"x": x}) == pytest.approx(want, abs=1e-6)


def test_a_logistic_without_usable_columns_is_the_base_rate():
    model = fit_logistic({"x": np.full(4, np.nan)}, np.array([True, False, False, False]), ["x"], shrinkage=1.0)
    assert sigmoid(model.margin({"x": np.zeros(1)})) == pytest.approx([0.25])


def test_an_average_is_the_mean_of_log_odds():
    one = Logistic(1.0, ())
    two = Rule("days_since_last_order", {"typical": 0.0})
    got = Average((one, two)).margin({"days_since_last_order": np.array([0.0, np.e - 1])})
    assert got == pytest.approx([0.5, 1.0])


def test_rules_rank_a_customer_without_own_gap_by_the_typical_gap():
    encoded = {
        "days_since_last_order": np.array([10.0, 40.0, 90.0, 30.0]),
        "days_since_last_order_over_own_gap": np.array([1.0, 2.0, 3.0, np.nan]),
    }
    rule = fit_rule("days_since_last_order_over_own_gap", encoded)
    # own gaps are 10, 20, 30 days: typical 20, so 30 days of silence count 1.5
    assert np.expm1(rule.margin(encoded)) == pytest.approx([1.0, 2.0, 3.0, 1.5])


def test_a_row_without_the_rules_column_gets_the_median():
    encoded = {"days_since_last_order": np.array([0.0, 9.0, 99.0, np.nan])}
    assert np.expm1(fit_rule("days_since_last_order", encoded).margin(encoded)) == pytest.approx([0, 9, 99, 9])


def test_a_rule_without_its_columns_is_refused():
    with pytest.raises(DataError, match="needs the features days_since_first_order, order_days_count"):
        fit_rule("p_alive", {"days_since_last_order": np.zeros(2)})


def test_bgnbd_likelihood_by_hand():
    # r = 1, alpha = 10, a = 1, b = 1, one customer with one repeat at 5, seen until 10:
    # Gamma(2)/Gamma(1) * 10 * [B(1,2)/B(1,1) / 20**2 + B(2,1)/B(1,1) / 15**2] = 10 * (0.5/400 + 0.5/225)
    got = bgnbd_log_likelihood(BgNbd(1.0, 10.0, 1.0, 1.0), np.array([1.0]), np.array([5.0]), np.array([10.0]))
    assert got == pytest.approx(np.log(10 * (0.5 / 400 + 0.5 / 225)))


def test_bgnbd_likelihood_of_many_is_the_sum_of_each_alone():
    rng, n = np.random.default_rng(2), 60
    x, T = rng.integers(0, 5, n).astype(float), rng.uniform(50, 400, n)  # most counts stand there many times
    t_x = np.where(x > 0, T * rng.random(n), 0.0)
    model = BgNbd(0.8, 60.0, 1.2, 3.0)
    alone = [bgnbd_log_likelihood(model, x[k : k + 1], t_x[k : k + 1], T[k : k + 1]) for k in range(n)]
    assert bgnbd_log_likelihood(model, x, t_x, T) == pytest.approx(sum(alone), abs=1e-9)


def test_bgnbd_agrees_with_a_simulation_of_its_own_story():
    rng = np.random.default_rng(8)
    true = BgNbd(r=0.8, alpha=60.0, a=1.2, b=3.0)
    n, T = 6000, np.full(6000, 500.0)
    rate, drop = rng.gamma(true.r, 1 / true.alpha, n), rng.beta(true.a, true.b, n)
    x, t_x, alive = np.zeros(n), np.zeros(n), np.ones(n, dtype=bool)
    for i in range(n):
        t = rng.exponential(1 / rate[i])
        while t < 500.0:
            x[i], t_x[i] = x[i] + 1, t
            if rng.random() < drop[i]:
                alive[i] = False
                break
            t += rng.exponential(1 / rate[i])
    model = fit_bgnbd(x, t_x, T)
    assert bgnbd_log_likelihood(model, x, t_x, T) >= bgnbd_log_likelihood(true, x, t_x, T) - 1e-6
    p = model.p_alive(x, t_x, T)
    repeat = x > 0
    assert p[repeat].mean() == pytest.approx(alive[repeat].mean(), abs=0.02)
    # in other units of time the same model
    weeks = fit_bgnbd(x, t_x / 7, T / 7)
    assert (weeks.r, weeks.alpha * 7) == pytest.approx((model.r, model.alpha), rel=1e-3)


@pytest.mark.real
def test_bgnbd_reproduces_the_published_fit_of_cdnow(real_data):
    columns = ["big_id", "id", "day", "units", "amount"]
    rows = pd.read_csv(
        real_data / "CDNOW_sample.txt", sep=r"\s+", header=None, names=columns, dtype={"id": str, "day": str}
    )
    rows["day"] = pd.to_datetime(rows["day"], format="%Y%m%d")
    rows = rows[rows["day"] < "1997-10-01"].drop_duplicates(["id", "day"])
    per = rows.groupby("id")["day"].agg(["count", "min", "max"])
    end = pd.Timestamp("1997-09-30")
    x = per["count"].to_numpy(float) - 1
    t_x = (per["max"] - per["min"]).dt.days.to_numpy(float) / 7
    T = (end - per["min"]).dt.days.to_numpy(float) / 7
    model = fit_bgnbd(x, t_x, T)
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=2e-3)
    assert bgnbd_log_likelihood(model, x, t_x, T) == pytest.approx(-9582.4, abs=0.05)


def test_calibration_recovers_what_was_simulated_and_survives_separable_data():
    rng = np.random.default_rng(1)
    margin = rng.normal(size=30_000)
    fit = fit_calibration(margin, rng.random(30_000) < sigmoid(-1.0 + 0.6 * margin))
    assert (fit.intercept, fit.slope) == pytest.approx((-1.0, 0.6), abs=0.06)
    sharp = fit_calibration(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([False, False, True, True]))
    # Platt's targets are 3/4 and 1/4 for two of each
    assert sharp.probability(np.array([-1.0, 1.0])) == pytest.approx([0.25, 0.75], abs=1e-6)


def test_calibration_never_turns_the_ranking_round():
    margin = np.arange(100.0)
    fit = fit_calibration(margin, margin < 50)
    assert fit.slope == pytest.approx(0.01)
    p = fit.probability(margin)
    assert (np.diff(p) > 0).all()
    assert p.mean() == pytest.approx(0.5, abs=0.01)


def test_calibration_of_one_constant_margin_is_the_rate():
    fit = fit_calibration(np.full(100, 3.0), np.arange(100) < 30)
    assert fit.probability(np.array([3.0])) == pytest.approx([0.304], abs=0.005)


def test_a_seasonal_calibration_needs_the_day():
    fit = Calibration(0.0, 1.0, (0.5, 0.0))
    with pytest.raises(DataError, match="must have the column as_of"):
        fit.probability(np.zeros(1))
    spring = fit.probability(np.zeros(1), np.array(["2025-04-02"], dtype="datetime64[D]"))
    assert spring == pytest.approx(sigmoid(np.array([0.5])), abs=1e-3)


def test_season_terms_come_round_after_a_year():
    days = np.array(["2024-01-01", "2025-01-01", "2025-07-02"], dtype="datetime64[D]")
    terms = season_terms(days, 2)
    assert terms[0] == pytest.approx([0, 1, 0, 1], abs=1e-12)
    assert terms[1] == pytest.approx(terms[0])
    assert terms[2] == pytest.approx([0, -1, 0, 1], abs=0.02)
