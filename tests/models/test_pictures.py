from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from crm_ml.models.evaluation import gain_table, reliability_table
from crm_ml.models.explain.contributions import Contributions
from crm_ml.models.explain.pictures import bar_figure, beeswarm_figure, gain_figure, reliability_figure


@pytest.fixture
def explained():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=["a_30d", "b_90d", "empty", "some"])
    frame["empty"] = np.nan
    frame.loc[::3, "some"] = np.nan
    frame["country"] = rng.choice(["AT", "DE"], 60)
    parts = frame[["a_30d", "b_90d"]].assign(empty=0.0, some=0.1, country=rng.normal(size=60) * 0.2)
    return Contributions(parts, 0.3), frame


def test_beeswarm_and_bar_show_the_features_in_words(explained):
    contributions, frame = explained
    for figure in (beeswarm_figure(contributions, frame, labels={"a_30d": "Käufe"}), bar_figure(contributions)):
        words = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert any(word in ("Käufe", "a_30d") for word in words)
        assert "contribution" in figure.axes[0].get_xlabel()
        assert len(words) >= 5


def test_the_same_numbers_give_the_same_picture_and_leave_no_trace(explained, tmp_path):
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for name in ("a.png", "b.png"):
        beeswarm_figure(*explained).savefig(tmp_path / name, metadata={"Software": None})
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_nothing_to_show_is_still_a_picture(explained):
    contributions, frame = explained
    empty = Contributions(contributions.values.iloc[:0], 0.0)
    assert beeswarm_figure(empty, frame.iloc[:0]).axes[0].texts[0].get_text() == "nothing to show"
    one = Contributions(contributions.values[["a_30d"]].iloc[:1], 0.0)
    assert bar_figure(one).axes[0].patches


def test_curves_are_labelled_and_pass_through_the_numbers():
    y, p = np.array([True, False] * 50), np.linspace(0, 1, 100)
    table = reliability_table(y, p)
    axes = reliability_figure(table).axes[0]
    assert axes.get_xlabel() == "mean predicted probability of churn"
    assert axes.get_ylabel() == "share that churned"
    drawn = axes.containers[0].lines[0].get_xydata()
    assert drawn[:, 1] == pytest.approx(table["rate"])
    gain = gain_figure({"model": gain_table(y, p), "days since last order": gain_table(y, -p)}).axes[0]
    assert [line.get_label() for line in gain.get_lines()] == ["in any order", "model", "days since last order"]
    assert len({line.get_color() for line in gain.get_lines()}) == 3
    assert len({str(line.get_linestyle()) for line in gain.get_lines()}) == 3
