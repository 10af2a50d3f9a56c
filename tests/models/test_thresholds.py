"""Cuts: worked out on few rows; chosen by the score alone, measured by what happened."""

from __future__ import annotations

import numpy as np
import pytest

from crm_ml.errors import DataError, UsageError
from crm_ml.models.evaluation.thresholds import thresholds

P = np.array([0.9, 0.8, 0.8, 0.5, 0.4, 0.4, 0.2, 0.1, 0.1, 0.0])
Y = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], bool)


def test_a_share_takes_at_most_so_many_and_ties_together():
    found = thresholds(P, Y, share=0.4)
    assert (found.cut, found.rows) == (0.5, 4)
    assert (found.share.value, found.precision.value, found.recall.value) == (0.4, 0.75, 0.75)
    assert found.expected_precision == pytest.approx(0.75)
    assert thresholds(P, Y, share=0.5).rows == 4, "the next two are tied and would be six"
    assert thresholds(P, Y, share=0.05).rows == 1, "the best is always taken"
    assert thresholds(P, Y, share=1.0).recall.value == 1.0


def test_a_precision_is_promised_by_the_score_and_measured_by_the_outcome():
    # means of p from the top: .9, .833, .75, .633 (six rows)
    assert thresholds(P, Y, precision=0.75).cut == 0.5
    assert thresholds(P, Y, precision=0.63).rows == 6
    assert thresholds(P, ~Y, precision=0.75).cut == 0.5, "the cut does not look at the outcome"
    assert thresholds(P, ~Y, precision=0.75).precision.value == 0.25


def test_intervals_hold_the_value_and_shares_of_nought_and_one_have_wilsons():
    found = thresholds(P, Y, share=0.1)
    assert found.precision.value == 1.0
    assert 0.15 < found.precision.low < 0.25, "one of one"
    assert found.recall.low <= found.recall.value <= found.recall.high
    assert found.as_dict()["precision"] == {"value": 1.0, "low": found.precision.low, "high": found.precision.high}


def test_a_calibrated_score_keeps_its_promise_and_an_overconfident_one_is_found_out():
    kept = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.beta(1, 5, 2000)
        y = rng.random(2000) < p
        kept += thresholds(p, y, precision=0.4, replicates=200).agrees
        assert not thresholds(np.sqrt(p), y, precision=0.6, replicates=200).agrees
    assert kept >= 35


def test_rows_of_one_subject_are_drawn_together():
    rng = np.random.default_rng(2)
    p, who = np.repeat(rng.random(60), 20), np.repeat(np.arange(60), 20).astype(str)
    y = np.repeat(rng.random(60) < p[::20], 20)
    alone, together = thresholds(p, y, share=0.3), thresholds(p, y, share=0.3, subjects=who)
    assert together.precision.high - together.precision.low > 2 * (alone.precision.high - alone.precision.low)


def test_the_order_of_rows_changes_nothing():
    order = np.random.default_rng(0).permutation(len(P))
    assert thresholds(P, Y, share=0.4) == thresholds(P[order], Y[order], share=0.4)


@pytest.mark.parametrize("how", [{}, {"share": 0.1, "precision": 0.2}])
def test_one_of_the_two_is_needed(how):
    with pytest.raises(UsageError, match="either a share or a precision"):
        thresholds(P, Y, **how)


def test_what_cannot_be_had_is_said():
    with pytest.raises(UsageError, match=r"at most the highest probability, 0\.900; found 0\.95"):
        thresholds(P, Y, precision=0.95)
    with pytest.raises(UsageError, match="share must lie above 0"):
        thresholds(P, Y, share=0.0)
    with pytest.raises(DataError, match="found 10 probabilities, 9 outcomes"):
        thresholds(P, Y[1:], share=0.1)
    with pytest.raises(DataError, match="at least one event"):
        thresholds(P, np.zeros(10), share=0.1)
    with pytest.raises(DataError, match="1 values that are neither"):
        thresholds(np.where(P == 0.9, np.nan, P), Y, share=0.1)
