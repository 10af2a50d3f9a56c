"""The funnel: worked-out steps, young leads, groups, few leads, intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError
from crm_ml.models.evaluation.funnel import COLUMNS, EVERYONE, UNKNOWN, funnel_table, plot_funnel


def ways(**columns: object) -> pd.DataFrame:
    size = max(len(value) for value in columns.values() if isinstance(value, list))
    frame = {"lead_id": [f"{k:04d}" for k in range(size)], "followed_days": 300.0, "lead_days": 0.0, **columns}
    empty = {name: np.nan for name in ("won_days", "lost_days") if name not in frame}
    return pd.DataFrame({**frame, **empty}).astype({"won_days": float, "lost_days": float})


def test_steps_worked_out():
    # 1 won on the whole way, 2 lost as mql, 3 straight to opportunity and open, 4 a lead of yesterday, 5 lost at once
    frame = ways(
        followed_days=[200.0, 200.0, 200.0, 1.0, 200.0],
        mql_days=[2.0, 4.0, 6.0, None, None],
        opportunity_days=[10.0, None, 6.0, None, None],
        won_days=[40.0, None, None, None, None],
        lost_days=[None, 9.0, None, None, 3.0],
    )
    found = funnel_table(frame, horizon_days=90).set_index("step")
    assert found.index.tolist() == ["lead -> mql", "mql -> opportunity", "opportunity -> won", "lead -> won"]
    assert found["entered"].tolist() == [5, 3, 2, 5]
    assert found["moved_on"].tolist() == [3, 2, 1, 1]
    assert found["lost"].tolist() == [1, 1, 0, 2]
    assert found["still_open"].tolist() == [1, 0, 1, 2]
    # lead 4 leaves after a day: three of four, not three of five
    assert found["rate"].tolist() == pytest.approx([3 / 4, 2 / 3, 1 / 2, 1 / 4])
    # skipped: 0 days from mql to opportunity for lead 3, 8 for lead 1; half of them after 0
    assert found["median_days"].tolist() == [4.0, 0.0, 30.0, 40.0]
    assert found["few"].all()
    assert (found["rate_low"] <= found["rate"]).all()
    assert (found["rate"] <= found["rate_high"]).all()


def test_later_than_the_horizon_is_not_moved_on():
    found = funnel_table(ways(won_days=[10.0, 100.0, None]), horizon_days=90).iloc[0]
    assert (found["moved_on"], found["still_open"], found["rate"]) == (1, 1, pytest.approx(1 / 3))


def test_moved_on_and_lost_in_one_instant_is_moved_on():
    assert funnel_table(ways(won_days=[5.0], lost_days=[5.0]), horizon_days=90)["rate"].tolist() == [1.0]


def test_the_window_looks_at_the_entry_into_each_stage():
    frame = ways(followed_days=[300.0, 20.0], mql_days=[290.0, 5.0], won_days=[None, None])
    found = funnel_table(frame, horizon_days=10, window_days=30).set_index("step")
    assert found["entered"].tolist() == [1, 2, 1]


def test_when_all_move_on_the_interval_is_not_a_point():
    row = funnel_table(ways(won_days=[1.0, 2.0, 3.0, 5.0, 7.0, 11.0, 13.0]), horizon_days=90).iloc[0]
    # Wilson: 1 / (1 + 1.96^2 / 7)
    assert (row["rate"], row["rate_high"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert row["rate_low"] == pytest.approx(7 / (7 + 1.959964**2))


def test_a_group_nobody_was_followed_in_has_no_rate():
    frame = ways(followed_days=[5.0, 300.0], source=["new", "old"], won_days=[None, 3.0])
    found = funnel_table(frame, horizon_days=90, by="source").set_index("group")
    assert np.isnan(found.loc["new", "rate"])
    assert found.loc["old", "rate"] == 1.0
    assert found.loc["old", "rate_low"] < 0.5, "one lead of one says little"


def test_groups_are_named_and_the_unknown_are_one():
    frame = ways(source=["b", "a", None, EVERYONE], won_days=[1.0, None, 2.0, None])
    found = funnel_table(frame, horizon_days=90, by="source")
    assert found["group"].tolist() == [EVERYONE, EVERYONE, UNKNOWN, "a", "b"]
    assert found["entered"].tolist() == [4, 1, 1, 1, 1]
    assert found.columns.tolist() == list(COLUMNS)


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(1)
    frame = ways(
        followed_days=rng.uniform(1, 300, 200).tolist(),
        source=rng.choice(["a", "b"], 200).tolist(),
        mql_days=np.where(rng.random(200) < 0.6, rng.integers(0, 9, 200), np.nan).tolist(),
    )
    one = funnel_table(frame, horizon_days=30, by="source")
    other = funnel_table(frame.sample(frac=1, random_state=3), horizon_days=30, by="source")
    pd.testing.assert_frame_equal(one, other)


def test_intervals_hold_the_truth_though_most_leads_are_young():
    """Exponential ends: rates .02 and .03 a day give F(30) = .4 (1 - exp(-1.5)) = .311, half of it at a known day."""
    truth = 0.4 * (1 - np.exp(-1.5))
    middle = -np.log(1 - (1 - np.exp(-1.5)) / 2) / 0.05
    held, naive, days = 0, [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        end, last = rng.exponential(20, 300), rng.uniform(0, 60, 300)
        moves = rng.random(300) < 0.4
        won = np.where((end < last) & moves, end, np.nan)
        lost = np.where((end < last) & ~moves, end, np.nan)
        frame = ways(followed_days=last.tolist(), won_days=won.tolist(), lost_days=lost.tolist())
        row = funnel_table(frame, horizon_days=30, replicates=200, seed=seed).iloc[0]
        held += row["rate_low"] <= truth <= row["rate_high"]
        days += row["median_low"] <= middle <= row["median_high"]
        naive.append(row["moved_on"] / row["entered"])
    assert held >= 35
    assert days >= 35
    assert np.mean(naive) < truth - 0.04, "counting the young as failures is too low"


def test_a_missing_column_is_said():
    with pytest.raises(DataError, match="source is missing"):
        funnel_table(ways(won_days=[1.0]), horizon_days=30, by="source")


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_picture_is_drawn_on_the_axes_given(language):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    table = funnel_table(ways(source=["a", "b"], won_days=[1.0, None]), horizon_days=30, by="source")
    assert plot_funnel(table, ax, horizon_days=30, language=language) is ax
    assert [text.get_text() for text in ax.get_yticklabels()] == ["lead → won"]
    assert next(text.get_text() for text in ax.get_legend().get_texts()) == {"de": "alle", "en": "all"}[language]
