"""Competing risks: values worked out by hand, and a loop over every row and instant."""

from __future__ import annotations

import numpy as np
import pytest

from crm_ml.models.evaluation.incidence import LOST, MOVED, STILL, incidence


def slowly(time: np.ndarray, event: np.ndarray, horizon: float) -> tuple[float, float]:
    """F at the horizon and what is left open, one instant after the other."""
    still, moved = 1.0, 0.0
    for at in sorted(set(time[time < horizon])):
        there = sum(1 for t in time if t >= at)
        first = sum(1 for t, e in zip(time, event, strict=True) if t == at and e == MOVED)
        second = sum(1 for t, e in zip(time, event, strict=True) if t == at and e == LOST)
        moved += still * first / there
        still *= 1 - (first + second) / there
    return moved, still


@pytest.mark.parametrize("seed", range(8))
def test_the_loop_finds_the_same_for_every_weighting(seed):
    rng = np.random.default_rng(seed)
    time, event = rng.integers(0, 15, 60).astype(float), rng.integers(0, 3, 60)
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    found = incidence(time, event, horizon=10, weights=weights)
    for k, own in enumerate(weights.astype(int)):
        moved, still = slowly(np.repeat(time, own), np.repeat(event, own), 10)
        assert found.moved[k, -1] == pytest.approx(moved, abs=1e-12)
        assert found.open[k, -1] == pytest.approx(still, abs=1e-12)


def test_without_losses_it_is_one_less_kaplan_meier():
    # 6 leads: at 1 of 6, at 3 of 4 (one left unseen at 2), at 4 of 3
    found = incidence([1, 2, 3, 4, 9, 9], [1, 0, 1, 1, 0, 0], horizon=8)
    assert found.at_horizon()[0] == pytest.approx(1 - 5 / 6 * 3 / 4 * 2 / 3)
    assert found.moved[0] + found.open[0] == pytest.approx([1, 1, 1])


def test_the_young_are_not_failures():
    old = incidence([5, 50, 50, 50], [1, 0, 0, 0], horizon=30)
    with_young = incidence([5, 50, 50, 50, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0], horizon=30)
    assert old.at_horizon()[0] == with_young.at_horizon()[0] == pytest.approx(0.25)


def test_losses_compete():
    # two of four are lost at once: of the two left, one moves on
    assert incidence([1, 1, 2, 40], [2, 2, 1, 0], horizon=30).at_horizon()[0] == pytest.approx(0.25)


def test_what_nobody_was_followed_for_is_not_told():
    assert np.isnan(incidence([1, 5, 6], [1, 0, 0], horizon=30).at_horizon()[0])
    assert incidence([1, 5, 6], [1, 2, 1], horizon=30).at_horizon()[0] == pytest.approx(2 / 3)
    assert np.isnan(incidence([3.0], [STILL], horizon=30).at_horizon()[0])
    assert incidence([31.0], [STILL], horizon=30).at_horizon()[0] == 0.0
    assert np.isnan(incidence([31.0], [STILL], horizon=30, weights=np.zeros((1, 1))).at_horizon()[0])


def test_the_horizon_itself_is_outside():
    assert incidence([10, 10], [1, 0], horizon=10).at_horizon()[0] == 0.0
    assert incidence([10, 11], [1, 0], horizon=10.5).at_horizon()[0] == 0.5


def test_the_median_is_over_those_who_move_on():
    found = incidence([1, 2, 3, 4, 40, 40], [1, 1, 1, 1, 0, 0], horizon=30)
    assert (found.at_horizon()[0], found.median()[0]) == (pytest.approx(4 / 6), 2.0)
    assert np.isnan(incidence([40.0], [STILL], horizon=30).median()[0])
