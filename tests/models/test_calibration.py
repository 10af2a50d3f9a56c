"""Calibration: curves that keep the ranking, levels that follow the season, and a choice that has to prove itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from crm_ml.errors import DataError
from crm_ml.models.calibration import (
    LEVELS,
    MIN_SLOPE,
    BetaCurve,
    Calibration,
    IsotonicCurve,
    anchored,
    calibrate,
    calibration_from_json,
    choose_calibration,
    fit_beta,
    fit_calibration,
    fit_isotonic,
    sigmoid,
)
from crm_ml.models.calibration.fit import platt_targets
from crm_ml.models.calibration.levels import slices
from crm_ml.models.evaluation.metrics import log_loss

DAY = np.datetime64("2025-01-01")
CURVES = {
    "sigmoid": Calibration(0.1, 0.9, (0.2, -0.1)),
    "beta": Calibration(-0.3, 1.1, curve=BetaCurve(0.5, 1.5, 0.25)),
    "isotonic": Calibration(0.0, 1.0, curve=IsotonicCurve((-1.0, 0.0, 2.0), (-2.0, -1.9, 0.4))),
    "last year": Calibration(0.0, 1.0, year=((0.05, -0.3), (0.5, 0.4)), curve=BetaCurve(1.0, 1.0, 0.0)),
}


def history(*, months=36, per_day=300, wave=0.0, drift=0.0, seed=1, start="2023-01-01"):
    """Margins and outcomes whose log-odds follow the margin, a yearly wave and a straight drift (per year)."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.datetime64(start) + 30 * np.arange(months), per_day).astype("datetime64[D]")
    years = (days - days[0]).astype(float) / 365.25
    margin = rng.normal(size=len(days))
    z = margin - 1.0 + wave * np.sin(2 * np.pi * years) + drift * years
    return margin, rng.random(len(days)) < 1 / (1 + np.exp(-z)), days


def test_beta_by_hand():
    # p = .8: 2 ln .8 - .5 ln .2 + .1 = -.44629 + .80472 + .1
    curve = BetaCurve(2.0, 0.5, 0.1)
    assert curve(np.log([4.0]))[0] == pytest.approx(0.458432, abs=1e-6)
    assert curve(np.array([-800.0, 800.0])) == pytest.approx([0.1 - 1600.0, 0.1 + 400.0])


def test_beta_agrees_with_a_logistic_regression_on_its_two_columns():
    rng = np.random.default_rng(3)
    m = rng.normal(-1, 2, 4000)
    y = rng.random(4000) < sigmoid(BetaCurve(0.6, 1.4, -0.3)(m))
    p = sigmoid(m)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=5000).fit(np.column_stack([np.log(p), -np.log1p(-p)]), y)
    fitted = fit_beta(m, y)
    # the targets drawn in by one observation per class move the third digit
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((*oracle.coef_[0], oracle.intercept_[0]), abs=0.02)


def test_beta_never_turns_the_ranking_round():
    rng = np.random.default_rng(4)
    m = rng.normal(size=3000)
    falling = fit_beta(m, rng.random(3000) < sigmoid(-m))
    assert (falling.a, falling.b) == (MIN_SLOPE, MIN_SLOPE)
    bowl = fit_beta(m, rng.random(3000) < sigmoid(np.abs(m)))
    assert bowl.a == MIN_SLOPE
    assert bowl.b > 0.2
    assert sigmoid(falling(m)).mean() == pytest.approx(0.5, abs=0.03)


def test_isotonic_agrees_with_scikit_learn_but_for_the_tie_break():
    rng = np.random.default_rng(5)
    m = rng.normal(size=1500)
    y = rng.random(1500) < sigmoid(2 * np.tanh(2 * m))
    target = platt_targets(y, np.ones(1500))
    oracle = IsotonicRegression(out_of_bounds="clip").fit(m, target)
    curve = fit_isotonic(m, y)
    inner = np.array(oracle.X_thresholds_)
    assert np.abs(sigmoid(curve(inner)) - oracle.predict(inner)).max() < 0.02
    assert sigmoid(curve(m)).mean() == pytest.approx(target.mean(), abs=1e-9)


def test_isotonic_by_hand():
    # pool: (0) at -1, (1, 0) at 0 and 1 become 1/2 each, (1) at 2; drawn in with 100 of each: 1/102 and 101/102
    curve = fit_isotonic(np.repeat([-1.0, 0.0, 1.0, 2.0], 50), np.repeat([False, True, False, True], 50))
    outer = np.log(101)
    tie = MIN_SLOPE * np.array([-1.5, -0.5, 0.5, 1.5])
    assert curve.z == pytest.approx(np.array([-outer, 0.0, 0.0, outer]) + tie, abs=1e-9)


@given(
    hnp.arrays(np.float64, st.integers(4, 40), elements=st.integers(-30, 30).map(lambda k: k / 4)),
    st.randoms(use_true_random=False),
    st.sampled_from(["beta", "isotonic"]),
)
def test_every_curve_keeps_the_ranking(m, chance, kind):
    y = np.array([chance.random() < 0.5 for _ in m])
    curve = fit_beta(m, y) if kind == "beta" else fit_isotonic(m, y)
    at = np.linspace(-60, 60, 400)
    assert (np.diff(curve(at)) > 0).all()
    distinct = np.unique(m)
    assert (np.diff(curve(distinct)) > 0).all()


def test_row_order_and_repetition_do_not_matter():
    margin, y, days = history(months=20, per_day=60)
    order = np.random.default_rng(0).permutation(len(y))
    one, again = (choose_calibration(m, o, d) for m, o, d in ((margin, y, days), (margin, y, days)))
    assert one == again
    assert choose_calibration(margin[order], y[order], days[order]) == one


def test_anchoring_makes_the_mean_the_rate_and_keeps_the_slope():
    margin, y, days = history(months=4)
    fitted = anchored(Calibration(3.0, 0.7), margin, y, days)
    assert fitted.slope == 0.7
    assert fitted.probability(margin).mean() == pytest.approx(y.mean(), abs=1e-3)


def test_cells_stand_for_their_rows():
    margin, y, days = history(months=3, per_day=1000)
    rows = slices(margin, y, days)
    cells = rows.in_cells()
    assert cells.weights.sum() == len(y)
    assert cells.weights[cells.y].sum() == y.sum()
    assert len(cells.y) <= 3 * 50 * 2
    assert (cells.plain.intercept, cells.plain.slope) == pytest.approx(
        (rows.plain.intercept, rows.plain.slope), abs=0.01
    )


def test_last_year_is_the_level_of_a_year_ago():
    days = np.repeat(np.datetime64("2024-01-01") + 30 * np.arange(13), 400).astype("datetime64[D]")
    month = np.repeat(np.arange(13), 400)
    y = np.tile(np.arange(400), 13) < np.where((month >= 5) & (month <= 7), 200, 40)
    fitted = LEVELS["last_year"](slices(np.zeros(len(y)), y, days), 90)
    at = np.array(["2025-06-29", "2025-01-05", "2025-11-01"], dtype="datetime64[D]")
    p = fitted.probability(np.zeros(3), at)
    assert p[0] == pytest.approx(0.5, abs=0.02)
    assert p[1:] == pytest.approx([0.1, 0.1], abs=0.01)


@pytest.mark.parametrize(
    ("how", "level"),
    [({"wave": 0.9}, {"wave", "last_year"}), ({}, {"all_slices"}), ({"drift": 1.2}, {"re_anchored", "recent"})],
)
def test_the_level_that_helps_is_chosen(how, level):
    choice = choose_calibration(*history(**how), choose_curve=False)
    assert choice.level in level
    assert [trial.option for trial in choice.trials] == list(LEVELS)
    assert [trial.chosen for trial in choice.trials].count(True) == 1


def test_what_is_chosen_on_the_past_is_nearer_in_the_future():
    margin, y, days = history(wave=0.9, months=36, per_day=400)
    past = days < days[0] + np.timedelta64(30 * 32, "D")
    later = days >= days[0] + np.timedelta64(30 * 35, "D")
    chosen, flat = calibrate(margin[past], y[past], days[past]), fit_calibration(margin[past], y[past])
    gaps = [abs(c.probability(margin[later], days[later]).mean() - y[later].mean()) for c in (chosen, flat)]
    assert gaps[0] < 0.03 < 0.08 < gaps[1]


def test_a_bend_is_followed_and_a_straight_line_left_alone():
    margin, _, days = history(months=14, per_day=600)
    rng = np.random.default_rng(8)
    bent = rng.random(len(margin)) < sigmoid(BetaCurve(0.2, 3.0, -1.0)(2 * margin))
    straight = rng.random(len(margin)) < sigmoid(2 * margin - 1)
    assert choose_calibration(2 * margin, bent, days).calibration.kind in ("beta", "isotonic")
    assert choose_calibration(2 * margin, straight, days).calibration.kind == "sigmoid"


def test_few_events_are_a_sigmoid():
    margin, _, days = history(months=14, per_day=20)
    y = np.zeros(len(margin), bool)
    y[::4] = margin[::4] > 0
    choice = choose_calibration(margin, y, days)
    assert y.sum() < 200
    assert choice.calibration.kind == "sigmoid"
    assert {t.why for t in choice.trials if t.option in ("beta", "isotonic")} == {
        "too little history, or too few of one outcome"
    }


def test_label_windows_are_respected():
    """Outcomes whose windows had not ended by a slice's day cannot move the verdict about that slice."""
    margin, y, days = history(months=8, per_day=200)
    first = choose_calibration(margin, y, days, label_days=90).trials[0]
    assert first.slices == 5  # days 90 to 210: the slices of days 0 to 60 have none before them
    judged = days < days[0] + np.timedelta64(120, "D")
    early = choose_calibration(margin[judged], y[judged], days[judged], label_days=90).trials[0]
    here, past = days == days[0] + np.timedelta64(90, "D"), days == days[0]
    cells = slices(margin[past], y[past], days[past]).in_cells()
    expected = log_loss(y[here], cells.plain.probability(margin[here]))
    assert (early.slices, early.log_loss) == (1, pytest.approx(expected))
    assert choose_calibration(margin, y, days, label_days=300).trials[0].slices == 0


@pytest.mark.parametrize("name", CURVES)
def test_json_comes_back_the_same(name):
    found = calibration_from_json(CURVES[name].as_json())
    assert found == CURVES[name]
    m, days = np.linspace(-5, 5, 50), np.full(50, DAY)
    assert (found.probability(m, days) == CURVES[name].probability(m, days)).all()


def test_a_sigmoid_is_stored_as_ever():
    assert list(Calibration(0.5, 1.0).as_json()) == ["kind", "intercept", "slope", "season"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("sigmoid", {"kind": "spline"}, "unknown kind of calibration 'spline'"),
        ("sigmoid", {"kind": ["beta"]}, "unknown kind of calibration"),
        ("sigmoid", {"a": 1.0}, "expected exactly the keys"),
        ("sigmoid", {"season": 0.1}, "expected a list of numbers"),
        ("sigmoid", {"slope": True}, "expected a finite number"),
        ("beta", {"a": 0.0}, "must be at least 0.01; found 0.0"),
        ("beta", {"b": -1.0}, "must be at least 0.01"),
        ("beta", {"x": []}, "expected exactly the keys"),
        ("isotonic", {"x": [0.0, 0.0, 2.0]}, "increase strictly"),
        ("isotonic", {"z": [0.0, 1.0]}, "as many and increase strictly"),
        ("isotonic", {"x": [], "z": []}, "as many and increase strictly"),
        ("last year", {"year": []}, "not empty"),
        ("last year", {"year": [[1.0, 0.0]]}, "a share of the year"),
        ("last year", {"year": [[0.5, 0.0], [0.1, 0.0]]}, "must increase strictly"),
    ],
)
def test_a_stored_calibration_that_makes_no_sense_is_refused(name, change, message):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        calibration_from_json({**CURVES[name].as_json(), **change})


def test_a_calibration_that_follows_the_season_needs_days():
    for name in ("sigmoid", "last year"):
        assert CURVES[name].needs_days
        with pytest.raises(DataError, match="must have the column as_of"):
            CURVES[name].probability(np.zeros(2))


def test_the_year_goes_round():
    flat = Calibration(0.0, 1.0, year=((0.1, 1.0), (0.9, 2.0)))
    new_year = np.array(["2025-01-01", "2026-12-31"], dtype="datetime64[D]")
    assert flat.log_odds(np.zeros(2), new_year) == pytest.approx([1.5, 1.5 + 0.5 / 365 / 0.1], abs=1e-3)
