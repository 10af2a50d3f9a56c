"""Hazards of deals: values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_ml.features.deal_rows import DealHistory
from crm_ml.models.deals import fit_hazards, open_deals, slipping

ONE = {"deal": [0, 1, 2, 3], "stage": "", "entered": 0, "length": [1, 2, 2, 3], "to": ["won", "lost", "", "won"]}
TWO = {
    "deal": [0, 0, 1],
    "stage": ["offer", "talks", "offer"],
    "entered": [0, 2, 0],
    "length": [2, 1, 2],
    "to": ["talks", "won", "lost"],
}


def history(spells, status, day=10, **columns):
    spells = pd.DataFrame(spells)
    return DealHistory(day, pd.DataFrame({"status": status, **columns}), spells)


@pytest.fixture
def one():
    return history(ONE, ["won", "lost", "open", "won"])


def test_one_stage_is_the_estimator_of_aalen_and_johansen(one):
    hazards = fit_hazards(one, edges=(0, 1, 2), strength=0)
    # day 1: one of four won; day 2: one of three lost, one censored after it; day 3: the last one won
    assert hazards.rates[0, 0, :, -2:] == pytest.approx(np.array([[1 / 4, 0], [0, 1 / 3], [1, 0]]))
    assert hazards.win_by([0, 1, 2, 3])[:, 0, 0, 0] == pytest.approx([0, 0.25, 0.25, 0.25 + 0.75 * 2 / 3])


def test_rates_are_drawn_towards_those_of_all(one):
    hazards = fit_hazards(one, edges=(0, 1, 2), strength=2)
    # two won and one lost in eight days: k = 2 / (3 / 8) days expect two events
    k = 2 / 0.375
    assert hazards.rates[0, 0, 0, -2:] == pytest.approx([(1 + k * 0.25) / (4 + k), k * 0.125 / (4 + k)])
    assert hazards.rates[0, 0, 2, -2:] == pytest.approx([(1 + k * 0.25) / (1 + k), k * 0.125 / (1 + k)])


def test_the_way_leads_through_stages():
    hazards = fit_hazards(history(TWO, ["won", "lost"]), edges=(0, 1), strength=0)
    assert hazards.stages == ("offer", "talks")
    # offer: nothing on the first day; on the second one of two goes on, one is lost; talks: won on the first day
    assert hazards.rates[0, 0].tolist() == [[0, 0, 0, 0], [0, 0.5, 0, 0.5]]
    assert hazards.rates[0, 1, 0].tolist() == [0, 0, 1, 0]
    assert hazards.win_by([1, 2, 3])[:, 0, 0, 0].tolist() == [0, 0, 0.5]
    assert hazards.win_of_new(3)[:, 0, 1].tolist() == [0, 1, 1, 1]


def test_weights_count_deals_often(one):
    twice = fit_hazards(one, weights=np.array([[2.0, 1, 1, 1], [1, 0, 0, 0]]), edges=(0, 1, 2), strength=0)
    assert twice.rates[0, 0, 0, -2] == pytest.approx(2 / 5)
    assert twice.rates[1, 0, 0, -2] == 1
    assert twice.rates[1, 0, 1].tolist() == [0, 0, 0]  # nothing was at risk, nothing is claimed


def test_probabilities_stay_probabilities():
    rng = np.random.default_rng(0)
    to = np.array(["won", "lost", ""])[rng.integers(3, size=60)]
    spells = {"deal": range(60), "stage": "", "entered": 0, "length": rng.integers(1, 90, 60), "to": to}
    by = fit_hazards(history(spells, np.where(to == "", "open", to))).win_by(range(0, 400, 20))
    assert (np.diff(by, axis=0) >= 0).all()
    assert ((by >= 0) & (by <= 1)).all()


def test_open_deals_get_chances_and_a_date(one):
    columns = {"deal_id": list("abcd"), "owner_id": "m", "amount": 5.0, "expected_close": np.nan, "first_close": np.nan}
    told = DealHistory(3, one.deals.assign(**columns), one.spells)
    found = open_deals(told, fit_hazards(one, edges=(0, 1, 2), strength=0), [2, 3, 4]).iloc[0]
    # c has stood for two days: the last rate, won at once
    assert (found["deal_id"], found["p_win"], found["p_win_by"], found["expected_close"]) == ("c", 1.0, [0, 1, 1], 3.0)


def test_slipping_says_why():
    won = {"deal": range(10), "stage": "offer", "entered": 0, "length": range(11, 21), "to": "won"}
    late = {"deal": [10, 11, 12], "stage": "offer", "entered": [60, 80, 90], "length": [39, 19, 9], "to": ""}
    spells = pd.concat([pd.DataFrame(won), pd.DataFrame(late)], ignore_index=True)
    status = ["won"] * 10 + ["open"] * 3
    closes = [np.nan] * 10 + [130.0, 99.0, 100.0]
    first = [np.nan] * 10 + [100.0, 99.0, np.nan]
    found = slipping(history(spells, status, day=100, expected_close=closes, first_close=first))
    # nine of ten won deals stood for up to 19.1 days; the day itself has not passed
    assert found == [["pushed_back", "stage_age"], ["passed"], []]
