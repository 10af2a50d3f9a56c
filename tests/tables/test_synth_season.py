"""A firm that sells with one season: churn follows it, truth knows it, and without the option nothing changes."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.tables.synth import SEASONAL, make_firm
from crm_ml.tables.synth.world import calendar, seasons


def test_the_base_rate_doubles_from_early_summer_to_late_autumn():
    firm = make_firm(customers=600, seed=2, years=3, common_season=SEASONAL)
    plain = make_firm(customers=600, seed=2, years=3)
    for year in (2024, 2025):
        low, high = (firm.truth(date(year, month, 1), simulations=1)["y"].mean() for month in (5, 11))
        assert high > 1.6 * low
        low, high = (plain.truth(date(year, month, 1), simulations=1)["y"].mean() for month in (5, 11))
        assert high < 1.4 * low


def test_the_truth_knows_the_season():
    firm = make_firm(customers=600, seed=2, years=3, common_season=SEASONAL)
    truth = pd.concat([firm.truth(date(2024, 3, 1) + timedelta(days=91 * k), simulations=40) for k in range(8)])
    p, y = truth["p_no_purchase"], truth["y"].astype(bool)
    assert abs(p.mean() - y.mean()) < 0.025


def test_the_common_wave_is_on_average_one():
    days, works = calendar(np.datetime64("2021-01-01"), np.datetime64("2025-01-01"))
    waved = seasons(days, works, 0.5)
    assert waved.mean(axis=0) == pytest.approx([1.0] * waved.shape[1], rel=1e-3)
    assert (waved[~works] == 0).all()
    assert (seasons(days, works) == seasons(days, works, 0.0)).all()


@pytest.mark.parametrize("strength", [-0.1, 0.95])
def test_a_wave_that_cannot_be(strength: float):
    with pytest.raises(UsageError, match=r"common_season must lie between 0 and 0\.9, found"):
        make_firm(customers=10, seed=1, years=1, common_season=strength)
